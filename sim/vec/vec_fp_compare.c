/* Floating-point comparisons: into vectors, opmasks and flags; classification. SDM 2 "CMPPD", "COMISD", "VFPCLASSPD".
 */
#include "sim/vec/vec_fp.h"

/* The legacy forms have eight predicates, the others 32. */
#define KERNELS_CMP(N, lanes)                                                                                          \
    static inline void compare_##N(struct vx *x, unsigned predicate) {                                                 \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH_16(o) fp##N##lanes##_cmp(e, &x->r.u8[o], &x->a->u8[o], &x->b->u8[o], predicate);                       \
    }                                                                                                                  \
    static void kp_cmp_##N(struct vx *x) { compare_##N(x, x->imm & 7); }                                               \
    static void kp_vcmp_##N(struct vx *x) { compare_##N(x, x->imm & 31); }                                             \
    static void ks_cmp_##N(struct vx *x) {                                                                             \
        x->r.i##N[0] = -(int)fp##N##_cmp(vx_env(x), x->a->u##N[0], x->b->u##N[0], x->imm & 7);                         \
    }                                                                                                                  \
    static void ks_vcmp_##N(struct vx *x) {                                                                            \
        x->r.i##N[0] = -(int)fp##N##_cmp(vx_env(x), x->a->u##N[0], x->b->u##N[0], x->imm & 31);                        \
    }
KERNELS_CMP(32, x4)
KERNELS_CMP(64, x2)

/* Into an opmask */
#define KERNELS_CMP_K(N)                                                                                               \
    static void kp_cmpk_##N(struct vx *x) {                                                                            \
        struct fp_env *e = vx_env(x);                                                                                  \
        x->g = 0;                                                                                                      \
        FP_EACH(N) x->g |= (uint64_t)fp##N##_cmp(e, x->a->u##N[j], x->b->u##N[j], x->imm & 31) << j;                   \
    }                                                                                                                  \
    static void ks_cmpk_##N(struct vx *x) { x->g = fp##N##_cmp(vx_env(x), x->a->u##N[0], x->b->u##N[0], x->imm & 31); }
KERNELS_CMP_K(16)
KERNELS_CMP_K(32)
KERNELS_CMP_K(64)

/* ZF, PF, CF: unordered 111, greater 000, less 001, equal 100; OF, SF and AF become 0. x->g: RFLAGS */
static const uint8_t order_flags[] = {
    [FP_EQUAL] = FLAG_ZF, [FP_LESS] = FLAG_CF, [FP_GREATER] = 0, [FP_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF};

#define KERNELS_ORDER(N)                                                                                               \
    static void k_comi_##N(struct vx *x) {                                                                             \
        x->g = order_flags[fp##N##_order(vx_env(x), x->r.u##N[0], x->b->u##N[0], false)];                              \
    }                                                                                                                  \
    static void k_ucomi_##N(struct vx *x) {                                                                            \
        x->g = order_flags[fp##N##_order(vx_env(x), x->r.u##N[0], x->b->u##N[0], true)];                               \
    }
KERNELS_ORDER(16)
KERNELS_ORDER(32)
KERNELS_ORDER(64)

/* ---- VFPCLASS ---- */

/* Bits of the immediate: QNaN, +0, -0, +infinity, -infinity, denormal, negative finite, SNaN. DAZ makes denormals
 * zeros; FP16 knows no DAZ. */
static bool class_of(uint64_t v, unsigned exp_bits, unsigned frac_bits, bool daz, unsigned wanted) {
    uint64_t frac = v & ((1ull << frac_bits) - 1), exp = v >> frac_bits & ((1ull << exp_bits) - 1);
    bool neg = v >> (frac_bits + exp_bits) & 1, top = exp == (1ull << exp_bits) - 1, zero = !exp && (!frac || daz);
    bool quiet = frac >> (frac_bits - 1) & 1;
    unsigned is = (top && frac && quiet) | (zero && !neg) << 1 | (zero && neg) << 2 | (top && !frac && !neg) << 3 |
                  (top && !frac && neg) << 4 | (!exp && !zero) << 5 | (neg && !top && !zero) << 6 |
                  (top && frac && !quiet) << 7;
    return is & wanted;
}
#define KERNELS_CLASS(N, exp_bits, frac_bits, daz)                                                                     \
    static void kp_class_##N(struct vx *x) {                                                                           \
        x->g = 0;                                                                                                      \
        FP_EACH(N) x->g |= (uint64_t)class_of(x->b->u##N[j], exp_bits, frac_bits, daz, x->imm) << j;                   \
    }                                                                                                                  \
    static void ks_class_##N(struct vx *x) { x->g = class_of(x->b->u##N[0], exp_bits, frac_bits, daz, x->imm); }
KERNELS_CLASS(16, 5, 10, false)
KERNELS_CLASS(32, 8, 23, vx_env(x)->daz)
KERNELS_CLASS(64, 11, 52, vx_env(x)->daz)

// clang-format off
#define TO_K(bits)  (V_E(bits) | V_TO_K)
#define TO_KS(bits) (V_E(bits) | V_TO_K | V_SCALAR | V_MEM_SCALAR)
#define ORDER(bits) (V_E(bits) | V_FP | V_TO_FLAGS | V_RMW | V_SCALAR | V_MEM_SCALAR)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    S(CMPPS, kp_cmp_32, FP_P(32)) S(CMPPD, kp_cmp_64, FP_P(64))                                                        \
    S(CMPSS, ks_cmp_32, FP_S(32)) S(CMPSD_VEC, ks_cmp_64, FP_S(64))                                                    \
    X(VCMPPS, kp_vcmp_32, FP_P(32)) X(VCMPPD, kp_vcmp_64, FP_P(64))                                                    \
    X(VCMPSS, ks_vcmp_32, FP_S(32)) X(VCMPSD, ks_vcmp_64, FP_S(64))                                                    \
    E(VCMPPS, kp_cmpk_32, TO_K(32) | V_FP) E(VCMPPD, kp_cmpk_64, TO_K(64) | V_FP)                                      \
    E(VCMPSS, ks_cmpk_32, TO_KS(32) | V_FP) E(VCMPSD, ks_cmpk_64, TO_KS(64) | V_FP)                                    \
    E(VCMPPH, kp_cmpk_16, TO_K(16) | V_FP) E(VCMPSH, ks_cmpk_16, TO_KS(16) | V_FP)                                     \
    S(COMISS, k_comi_32, ORDER(32)) S(COMISD, k_comi_64, ORDER(64))                                                    \
    S(UCOMISS, k_ucomi_32, ORDER(32)) S(UCOMISD, k_ucomi_64, ORDER(64))                                                \
    V(VCOMISS, k_comi_32, ORDER(32)) V(VCOMISD, k_comi_64, ORDER(64)) E(VCOMISH, k_comi_16, ORDER(16))                 \
    V(VUCOMISS, k_ucomi_32, ORDER(32)) V(VUCOMISD, k_ucomi_64, ORDER(64)) E(VUCOMISH, k_ucomi_16, ORDER(16))           \
    E(VFPCLASSPS, kp_class_32, TO_K(32)) E(VFPCLASSPD, kp_class_64, TO_K(64)) E(VFPCLASSPH, kp_class_16, TO_K(16))     \
    E(VFPCLASSSS, ks_class_32, TO_KS(32)) E(VFPCLASSSD, ks_class_64, TO_KS(64)) E(VFPCLASSSH, ks_class_16, TO_KS(16))
// clang-format on
VEC_TABLE(vec_group_fp_compare, ROWS);
