/* Rounding to integers, and the special operations of AVX-512. SDM 2 "ROUNDPD", "VRNDSCALEPD", "VGETEXPPD",
 * "VGETMANTPD", "VSCALEFPD", "VRANGEPD", "VREDUCEPD", "VFIXUPIMMPD". */
#include "sim/fp/approx.h"
#include "sim/vec/vec_fp.h"

/* Immediate: bits 1-0 the rounding mode, unless bit 2 says MXCSR's; bit 3 suppresses the precision exception;
 * VRNDSCALE: bits 7-4 the number of fraction bits. */
static inline enum fp_rc rounding(const struct vx *x) { return x->imm & 4 ? FP_CURRENT : (enum fp_rc)(x->imm & 3); }

#define SPECIAL(N)                                                                                                     \
    FP_KERNELS1(rndscale, N, fp##N##_round(e, b, rounding(x), x->imm >> 3 & 1, x->imm >> 4))                           \
    FP_KERNELS1(getexp, N, fp##N##_getexp(e, b))                                                                       \
    FP_KERNELS1(getmant, N, fp##N##_getmant(e, b, x->imm))                                                             \
    FP_KERNELS1(reduce, N, fp##N##_reduce(e, b, x->imm))                                                               \
    FP_KERNELS2(scalef, N, fp##N##_scalef(e, a, b))
FP_KERNELS1(round, 32, fp32_round(e, b, rounding(x), x->imm >> 3 & 1, 0))
FP_KERNELS1(round, 64, fp64_round(e, b, rounding(x), x->imm >> 3 & 1, 0))
SPECIAL(16)
SPECIAL(32)
SPECIAL(64)
FP_KERNELS2(range, 32, fp32_range(e, a, b, x->imm))
FP_KERNELS2(range, 64, fp64_range(e, a, b, x->imm))

#define FIXUP(N)                                                                                                       \
    static void kp_fixup_##N(struct vx *x) {                                                                           \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH(N) x->r.u##N[j] = fp##N##_fixupimm(e, x->r.u##N[j], x->a->u##N[j], x->b->u##N[j], x->imm);             \
    }                                                                                                                  \
    static void ks_fixup_##N(struct vx *x) {                                                                           \
        x->r.u##N[0] = fp##N##_fixupimm(vx_env(x), x->r.u##N[0], x->a->u##N[0], x->b->u##N[0], x->imm);                \
    }
FIXUP(32)
FIXUP(64)

/* Approximations: no exceptions */
FP_KERNELS1(rcp12, 32, fp32_rcp12(b))
FP_KERNELS1(rsqrt12, 32, fp32_rsqrt12(b))
FP_KERNELS1(rcp14, 32, fp32_rcp14(b, e->daz, e->ftz))
FP_KERNELS1(rcp14, 64, fp64_rcp14(b, e->daz, e->ftz))
FP_KERNELS1(rsqrt14, 32, fp32_rsqrt14(b, e->daz))
FP_KERNELS1(rsqrt14, 64, fp64_rsqrt14(b, e->daz))

/* VRCPPH and VRSQRTPH: the nearest values, within the error that SDM 2 allows */
static uint16_t rcp_16(uint16_t a) {
    struct fp_env e = {.soft = true};
    return fp16_div(&e, 0x3C00, a);
}
static uint16_t rsqrt_16(uint16_t a) {
    struct fp_env e = {.soft = true};
    uint64_t root = fp64_sqrt(&e, fp64_from_fp16(&e, a));
    return fp16_from_fp64(&e, fp64_div(&e, 0x3FF0000000000000, root));
}
FP_KERNELS1(rcp, 16, rcp_16(b))
FP_KERNELS1(rsqrt, 16, rsqrt_16(b))

/* XOP: what is left when the integral part is taken away; exact. APM 4 "VFRCZPD" */
#define FRACTION(N) FP_KERNELS1(frcz, N, fp##N##_sub(e, b, fp##N##_round(e, b, FP_ZERO, true, 0)))
FRACTION(32)
FRACTION(64)

// clang-format off
#define APPROX(bits)  V_E(bits)
#define APPROX_S(bits) (V_E(bits) | V_SCALAR | V_MEM_SCALAR)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    FP_ROWS_32_64(S, ROUND, round, 0) FP_ROWS_32_64(X, VROUND, round, 0)                                               \
    FP_ROWS_32_64(E, VRNDSCALE, rndscale, 0) FP_ROWS_16(E, VRNDSCALE, rndscale, 0)                                   \
    FP_ROWS_32_64(E, VGETEXP, getexp, 0) FP_ROWS_16(E, VGETEXP, getexp, 0)                                             \
    FP_ROWS_32_64(E, VGETMANT, getmant, 0) FP_ROWS_16(E, VGETMANT, getmant, 0)                                         \
    FP_ROWS_32_64(E, VREDUCE, reduce, 0) FP_ROWS_16(E, VREDUCE, reduce, 0)                                             \
    FP_ROWS_32_64(E, VSCALEF, scalef, 0) FP_ROWS_16(E, VSCALEF, scalef, 0)                                             \
    FP_ROWS_32_64(E, VRANGE, range, 0) FP_ROWS_32_64(E, VFIXUPIMM, fixup, V_RMW)                                       \
    S(RCPPS, kp_rcp12_32, APPROX(32)) S(RCPSS, ks_rcp12_32, APPROX_S(32))                                              \
    S(RSQRTPS, kp_rsqrt12_32, APPROX(32)) S(RSQRTSS, ks_rsqrt12_32, APPROX_S(32))                                      \
    X(VRCPPS, kp_rcp12_32, APPROX(32)) X(VRCPSS, ks_rcp12_32, APPROX_S(32))                                            \
    X(VRSQRTPS, kp_rsqrt12_32, APPROX(32)) X(VRSQRTSS, ks_rsqrt12_32, APPROX_S(32))                                    \
    E(VRCP14PS, kp_rcp14_32, APPROX(32)) E(VRCP14SS, ks_rcp14_32, APPROX_S(32))                                        \
    E(VRCP14PD, kp_rcp14_64, APPROX(64)) E(VRCP14SD, ks_rcp14_64, APPROX_S(64))                                        \
    E(VRSQRT14PS, kp_rsqrt14_32, APPROX(32)) E(VRSQRT14SS, ks_rsqrt14_32, APPROX_S(32))                                \
    E(VRSQRT14PD, kp_rsqrt14_64, APPROX(64)) E(VRSQRT14SD, ks_rsqrt14_64, APPROX_S(64))                                \
    E(VRCPPH, kp_rcp_16, APPROX(16)) E(VRCPSH, ks_rcp_16, APPROX_S(16))                                                \
    E(VRSQRTPH, kp_rsqrt_16, APPROX(16)) E(VRSQRTSH, ks_rsqrt_16, APPROX_S(16))                                        \
    X(VFRCZPS, kp_frcz_32, FP_P(32)) X(VFRCZPD, kp_frcz_64, FP_P(64))                                                  \
    X(VFRCZSS, ks_frcz_32, FP_S(32) | V_ZERO_ABOVE) X(VFRCZSD, ks_frcz_64, FP_S(64) | V_ZERO_ABOVE)
// clang-format on
VEC_TABLE(vec_group_fp_special, ROWS);
