/* Rounding to integers, and the special operations of AVX-512. SDM 2 "ROUNDPD", "VRNDSCALEPD", "VGETEXPPD",
 * "VGETMANTPD", "VSCALEFPD", "VRANGEPD", "VREDUCEPD", "VFIXUPIMMPD". */
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

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    FP_ROWS_32_64(S, ROUND, round, 0) FP_ROWS_32_64(X, VROUND, round, 0)                                               \
    FP_ROWS_32_64(E, VRNDSCALE, rndscale, 0) FP_ROWS_16(E, VRNDSCALE, rndscale, 0)                                   \
    FP_ROWS_32_64(E, VGETEXP, getexp, 0) FP_ROWS_16(E, VGETEXP, getexp, 0)                                             \
    FP_ROWS_32_64(E, VGETMANT, getmant, 0) FP_ROWS_16(E, VGETMANT, getmant, 0)                                         \
    FP_ROWS_32_64(E, VREDUCE, reduce, 0) FP_ROWS_16(E, VREDUCE, reduce, 0)                                             \
    FP_ROWS_32_64(E, VSCALEF, scalef, 0) FP_ROWS_16(E, VSCALEF, scalef, 0)                                             \
    FP_ROWS_32_64(E, VRANGE, range, 0) FP_ROWS_32_64(E, VFIXUPIMM, fixup, V_RMW)
// clang-format on
VEC_TABLE(vec_group_fp_special, ROWS);
