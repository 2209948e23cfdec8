/* Integer comparisons and tests: into vectors, opmasks, general registers and flags. SDM 2 "PCMPEQB", "VPCMPB/VPCMPUB",
 * "VPTESTMB", "PTEST", "VTESTPS", "PMOVMSKB", "MOVMSKPS", "VPMOVB2M". */
#include "sim/vec/vec_hot.h"
#include "sim/vec/vec_int.h"

/* Into an opmask: the sign bits of elements that are all ones or zero */
#define TO_MASK(name, s, bits)                                                                                         \
    static __attribute__((unused)) void km_##name(struct vx *x) {                                                      \
        k_##name(x);                                                                                                   \
        x->g = vec_sign_bits(&x->r, x->bytes, V_LOG2(bits));                                                           \
    }
#define COMPARE(name, s, bits, expr)                                                                                   \
    INT_BINARY(name, s, bits, -(INT_TYPE(s, bits))(expr))                                                              \
    TO_MASK(name, s, bits)

#define KERNELS(bits)                                                                                                  \
    COMPARE(eq##bits, u, bits, a == b)                                                                                 \
    COMPARE(gt##bits, i, bits, a > b)                                                                                  \
    COMPARE(lt##bits, i, bits, a < b)                                                                                  \
    COMPARE(gtu##bits, u, bits, a > b)                                                                                 \
    COMPARE(ltu##bits, u, bits, a < b)                                                                                 \
    COMPARE(test##bits, u, bits, (a & b) != 0)                                                                         \
    COMPARE(testn##bits, u, bits, (a & b) == 0)
INT_BWDQ(KERNELS)
#undef KERNELS

/* The predicates EQ, LT, LE, FALSE, and from 4 on their complements */
#define KERNELS(bits)                                                                                                  \
    static void compare_mask_##bits(struct vx *x, void (*less)(struct vx *), void (*greater)(struct vx *)) {           \
        if ((x->imm & 3) == 3)                                                                                         \
            x->g = 0;                                                                                                  \
        else                                                                                                           \
            ((x->imm & 3) == 0 ? km_eq##bits : (x->imm & 3) == 1 ? less : greater)(x);                                 \
        if (((x->imm & 3) == 2) != (x->imm >> 2 & 1)) x->g = ~x->g;                                                    \
    }                                                                                                                  \
    static void k_vpcmp##bits(struct vx *x) { compare_mask_##bits(x, km_lt##bits, km_gt##bits); }                      \
    static void k_vpcmpu##bits(struct vx *x) { compare_mask_##bits(x, km_ltu##bits, km_gtu##bits); }
INT_BWDQ(KERNELS)
#undef KERNELS

/* ---- signs ---- */

#define KERNELS(bits)                                                                                                  \
    static void k_signs##bits(struct vx *x) { x->g = vec_sign_bits(x->b, x->bytes, V_LOG2(bits)); }
INT_BWDQ(KERNELS)
#undef KERNELS

/* ---- flags ---- */

/* ZF: no bit of `mask` is in both; CF: none of the second is missing in the first, which is the old destination. */
static inline void test_flags(struct vx *x, uint64_t mask) {
    uint64_t both = 0, missing = 0;
    for (unsigned q = 0; q < x->bytes / 8; q++) {
        both |= x->r.u64[q] & x->b->u64[q];
        missing |= ~x->r.u64[q] & x->b->u64[q];
    }
    x->g = (both & mask ? 0 : FLAG_ZF) | (missing & mask ? 0 : FLAG_CF);
}
static void k_ptest(struct vx *x) { test_flags(x, ~0ull); }
static void k_testps(struct vx *x) { test_flags(x, 0x8000000080000000); }
static void k_testpd(struct vx *x) { test_flags(x, 1ull << 63); }

// clang-format off
#define FLAGS (V_E(64) | V_TO_FLAGS | V_RMW)
#define GPR   (V_E(64) | V_TO_GPR)
#define K(bits) (V_E(bits) | V_TO_K)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    MS(PCMPEQB, k_eq8, V_E(8)) MS(PCMPEQW, k_eq16, V_E(16)) MS(PCMPEQD, k_eq32, V_E(32)) S(PCMPEQQ, k_eq64, V_E(64))   \
    MS(PCMPGTB, k_gt8, V_E(8)) MS(PCMPGTW, k_gt16, V_E(16)) MS(PCMPGTD, k_gt32, V_E(32)) S(PCMPGTQ, k_gt64, V_E(64))   \
    X(VPCMPEQB, k_eq8, V_E(8)) X(VPCMPEQW, k_eq16, V_E(16)) X(VPCMPEQD, k_eq32, V_E(32)) X(VPCMPEQQ, k_eq64, V_E(64))  \
    X(VPCMPGTB, k_gt8, V_E(8)) X(VPCMPGTW, k_gt16, V_E(16)) X(VPCMPGTD, k_gt32, V_E(32)) X(VPCMPGTQ, k_gt64, V_E(64))  \
    E(VPCMPEQB, km_eq8, K(8)) E(VPCMPEQW, km_eq16, K(16)) E(VPCMPEQD, km_eq32, K(32)) E(VPCMPEQQ, km_eq64, K(64))      \
    E(VPCMPGTB, km_gt8, K(8)) E(VPCMPGTW, km_gt16, K(16)) E(VPCMPGTD, km_gt32, K(32)) E(VPCMPGTQ, km_gt64, K(64))      \
    E(VPCMPB, k_vpcmp8, K(8)) E(VPCMPW, k_vpcmp16, K(16)) E(VPCMPD, k_vpcmp32, K(32)) E(VPCMPQ, k_vpcmp64, K(64))      \
    E(VPCMPUB, k_vpcmpu8, K(8)) E(VPCMPUW, k_vpcmpu16, K(16)) E(VPCMPUD, k_vpcmpu32, K(32))                            \
    E(VPCMPUQ, k_vpcmpu64, K(64))                                                                                      \
    E(VPTESTMB, km_test8, K(8)) E(VPTESTMW, km_test16, K(16)) E(VPTESTMD, km_test32, K(32))                            \
    E(VPTESTMQ, km_test64, K(64))                                                                                      \
    E(VPTESTNMB, km_testn8, K(8)) E(VPTESTNMW, km_testn16, K(16)) E(VPTESTNMD, km_testn32, K(32))                      \
    E(VPTESTNMQ, km_testn64, K(64))                                                                                    \
    MS(PMOVMSKB, k_signs8, GPR) S(MOVMSKPS, k_signs32, GPR) S(MOVMSKPD, k_signs64, GPR)                                \
    X(VPMOVMSKB, k_signs8, GPR) X(VMOVMSKPS, k_signs32, GPR) X(VMOVMSKPD, k_signs64, GPR)                              \
    E(VPMOVB2M, k_signs8, K(8)) E(VPMOVW2M, k_signs16, K(16)) E(VPMOVD2M, k_signs32, K(32))                            \
    E(VPMOVQ2M, k_signs64, K(64))                                                                                      \
    S(PTEST, k_ptest, FLAGS) X(VPTEST, k_ptest, FLAGS) X(VTESTPS, k_testps, FLAGS) X(VTESTPD, k_testpd, FLAGS)
// clang-format on
VEC_TABLE(vec_group_compare, ROWS);

/* ---- hot forms ---- */

#define HOT_SIGNS(id, gate, column, bytes)                                                                             \
    VEC_HOT_REG(id##_##bytes, VEC_HOT_SHUT(gate), op_##column##_##id, (void)d;                                         \
                *cpu_r64(cpu, i->reg) = vec_sign_bits(s, bytes, 0))
HOT_SIGNS(PMOVMSKB, GATE_SSE, sse, 16)
HOT_SIGNS(VPMOVMSKB, GATE_AVX, vex, 16)
HOT_SIGNS(VPMOVMSKB, GATE_AVX, vex, 32)

// clang-format off
#define SSE(X)                                                                                                         \
    X(PCMPEQB, c_eq8) X(PCMPEQW, c_eq16) X(PCMPEQD, c_eq32) X(PCMPGTB, c_gt8) X(PCMPGTW, c_gt16) X(PCMPGTD, c_gt32)
#define VEX(X)                                                                                                         \
    X(VPCMPEQB, c_eq8) X(VPCMPEQW, c_eq16) X(VPCMPEQD, c_eq32) X(VPCMPGTB, c_gt8) X(VPCMPGTW, c_gt16) X(VPCMPGTD, c_gt32)
SSE(VEC_HOT_SSE)
VEX(VEC_HOT_VEX)
static const struct vec_hot rows_of_hot[] = {
    SSE(VEC_HOT_ROWS_SSE) VEX(VEC_HOT_ROWS_VEX)
    VEC_HOT_ROW_REG(PMOVMSKB, VEC_COL_SSE, 4, PMOVMSKB_16)
    VEC_HOT_ROW_REG(VPMOVMSKB, VEC_COL_VEX, 4, VPMOVMSKB_16) VEC_HOT_ROW_REG(VPMOVMSKB, VEC_COL_VEX, 5, VPMOVMSKB_32)
    {0}
};
// clang-format on
const struct vec_hot_group vec_hot_compare = {rows_of_hot};
