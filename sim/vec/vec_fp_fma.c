/* Fused multiply-add: FMA3, FMA4, the complex ones of AVX512-FP16, and dot products of bfloat16. SDM 2 "VFMADD132PD",
 * "VFMADDCPH", "VDPBF16PS"; APM 4 "VFMADDPD". */
#include "sim/vec/vec_fp.h"

/* The three factors in the order of the digits: 1 is the destination, 2 the first source, 3 the second. FMA4 has a
 * destination of its own. Signs: product, addend; the alternating ones change the addend's with the element's number.
 */
#define FMA_132 x->r, *x->b, *x->a
#define FMA_213 *x->a, x->r, *x->b
#define FMA_231 *x->a, *x->b, x->r
#define FMA_4   *x->a, *x->b, *x->c

#define PACKED_(N, lanes, f1, f2, f3, neg_product, neg_addend)                                                         \
    do {                                                                                                               \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH_16(o) {                                                                                                \
            uint64_t t[2];                                                                                             \
            fp##N##lanes##_fma(e, t, &(f1).u8[o], &(f2).u8[o], &(f3).u8[o], neg_product, neg_addend);                  \
            memcpy(&x->r.u8[o], t, 16);                                                                                \
        }                                                                                                              \
    } while (0)
#define PACKED(...) PACKED_(__VA_ARGS__)
#define EACH_FMA_(N, f1, f2, f3, neg_product, neg_addend)                                                              \
    do {                                                                                                               \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH(N) x->r.u##N[j] = fp##N##_fma(e, (f1).u##N[j], (f2).u##N[j], (f3).u##N[j], neg_product, neg_addend);   \
    } while (0)
#define EACH_FMA(...) EACH_FMA_(__VA_ARGS__)
#define SCALAR_FMA_(N, f1, f2, f3, neg_product, neg_addend)                                                            \
    (x->r.u##N[0] = fp##N##_fma(vx_env(x), (f1).u##N[0], (f2).u##N[0], (f3).u##N[0], neg_product, neg_addend))
#define SCALAR_FMA(...) SCALAR_FMA_(__VA_ARGS__)

#define KERNELS_SIGN(form, sign, neg_product, neg_addend)                                                              \
    static void kp_##sign##form##_16(struct vx *x) { EACH_FMA(16, FMA_##form, neg_product, neg_addend); }              \
    static void kp_##sign##form##_32(struct vx *x) { PACKED(32, x4, FMA_##form, neg_product, neg_addend); }            \
    static void kp_##sign##form##_64(struct vx *x) { PACKED(64, x2, FMA_##form, neg_product, neg_addend); }            \
    static void ks_##sign##form##_16(struct vx *x) { SCALAR_FMA(16, FMA_##form, neg_product, neg_addend); }            \
    static void ks_##sign##form##_32(struct vx *x) { SCALAR_FMA(32, FMA_##form, neg_product, neg_addend); }            \
    static void ks_##sign##form##_64(struct vx *x) { SCALAR_FMA(64, FMA_##form, neg_product, neg_addend); }
#define KERNELS_ALTERNATING(form, sign, neg_addend)                                                                    \
    static void kp_##sign##form##_16(struct vx *x) { EACH_FMA(16, FMA_##form, false, neg_addend); }                    \
    static void kp_##sign##form##_32(struct vx *x) { EACH_FMA(32, FMA_##form, false, neg_addend); }                    \
    static void kp_##sign##form##_64(struct vx *x) { EACH_FMA(64, FMA_##form, false, neg_addend); }
#define KERNELS_FORM(form)                                                                                             \
    KERNELS_SIGN(form, madd, false, false)                                                                             \
    KERNELS_SIGN(form, msub, false, true)                                                                              \
    KERNELS_SIGN(form, nmadd, true, false)                                                                             \
    KERNELS_SIGN(form, nmsub, true, true)                                                                              \
    KERNELS_ALTERNATING(form, maddsub, !(j & 1))                                                                       \
    KERNELS_ALTERNATING(form, msubadd, j & 1)
KERNELS_FORM(132)
KERNELS_FORM(213)
KERNELS_FORM(231)
/* FMA4 has no half precision */
#define KERNELS_SIGN_4(sign, neg_product, neg_addend)                                                                  \
    static void kp_##sign##4_32(struct vx * x) { PACKED(32, x4, FMA_4, neg_product, neg_addend); }                     \
    static void kp_##sign##4_64(struct vx * x) { PACKED(64, x2, FMA_4, neg_product, neg_addend); }                     \
    static void ks_##sign##4_32(struct vx * x) { SCALAR_FMA(32, FMA_4, neg_product, neg_addend); }                     \
    static void ks_##sign##4_64(struct vx * x) { SCALAR_FMA(64, FMA_4, neg_product, neg_addend); }
#define KERNELS_ALTERNATING_4(sign, neg_addend)                                                                        \
    static void kp_##sign##4_32(struct vx * x) { EACH_FMA(32, FMA_4, false, neg_addend); }                             \
    static void kp_##sign##4_64(struct vx * x) { EACH_FMA(64, FMA_4, false, neg_addend); }
KERNELS_SIGN_4(madd, false, false)
KERNELS_SIGN_4(msub, false, true)
KERNELS_SIGN_4(nmadd, true, false)
KERNELS_SIGN_4(nmsub, true, true)
KERNELS_ALTERNATING_4(maddsub, !(j & 1))
KERNELS_ALTERNATING_4(msubadd, j & 1)

/* ---- complex numbers: even elements real, odd ones imaginary; the conjugate is that of the second source ---- */

static inline void complex_product(struct vx *x, unsigned j, bool add, bool conjugate) {
    struct fp_env *e = vx_env(x);
    uint16_t ar = x->a->u16[j], ai = x->a->u16[j + 1], br = x->b->u16[j], bi = x->b->u16[j + 1], re, im;
    if (add) {
        re = fp16_fma(e, ar, br, x->r.u16[j], false, false);
        im = fp16_fma(e, ai, br, x->r.u16[j + 1], false, false);
    } else {
        re = fp16_mul(e, ar, br);
        im = fp16_mul(e, ai, br);
    }
    x->r.u16[j] = fp16_fma(e, ai, bi, re, !conjugate, false);
    x->r.u16[j + 1] = fp16_fma(e, ar, bi, im, conjugate, false);
}
#define KERNELS_COMPLEX(name, add, conjugate)                                                                          \
    static void kp_##name(struct vx *x) {                                                                              \
        for (unsigned j = 0; j < x->bytes / 2; j += 2) complex_product(x, j, add, conjugate);                          \
    }                                                                                                                  \
    static void ks_##name(struct vx *x) { complex_product(x, 0, add, conjugate); }
KERNELS_COMPLEX(cmul, false, false)
KERNELS_COMPLEX(ccmul, false, true)
KERNELS_COMPLEX(cmadd, true, false)
KERNELS_COMPLEX(ccmadd, true, true)

static void k_dpbf16(struct vx *x) { FP_EACH(32) x->r.u32[j] = fp32_dpbf16(x->r.u32[j], x->a->u32[j], x->b->u32[j]); }

// clang-format off
#define KEEP (V_RMW | V_KEEP_ABOVE)
#define FMA3(V, E, NAME, k)                                                                                            \
    FP_ROWS_32_64(V, NAME##132, k##132, KEEP) FP_ROWS_16(E, NAME##132, k##132, KEEP)                                 \
    FP_ROWS_32_64(V, NAME##213, k##213, KEEP) FP_ROWS_16(E, NAME##213, k##213, KEEP)                                 \
    FP_ROWS_32_64(V, NAME##231, k##231, KEEP) FP_ROWS_16(E, NAME##231, k##231, KEEP)
#define FMA3_ALTERNATING_(V, E, NAME, k)                                                                               \
    V(NAME##PS, kp_##k##_32, FP_P(32) | V_RMW) V(NAME##PD, kp_##k##_64, FP_P(64) | V_RMW)                              \
    E(NAME##PH, kp_##k##_16, FP_P(16) | V_RMW)
#define FMA3_ALTERNATING(V, E, NAME, k)                                                                                \
    FMA3_ALTERNATING_(V, E, NAME##132, k##132) FMA3_ALTERNATING_(V, E, NAME##213, k##213)                              \
    FMA3_ALTERNATING_(V, E, NAME##231, k##231)
/* scalar FMA4 clears what is above the element */
#define FMA4(X, NAME, k)                                                                                               \
    X(NAME##PS, kp_##k##4_32, FP_P(32)) X(NAME##PD, kp_##k##4_64, FP_P(64))                                            \
    X(NAME##SS, ks_##k##4_32, FP_S(32) | V_ZERO_ABOVE) X(NAME##SD, ks_##k##4_64, FP_S(64) | V_ZERO_ABOVE)
#define FMA4_ALTERNATING(X, NAME, k) X(NAME##PS, kp_##k##4_32, FP_P(32)) X(NAME##PD, kp_##k##4_64, FP_P(64))
#define COMPLEX(E, NAME, k, more)                                                                                      \
    E(NAME##PH, kp_##k, FP_P(32) | (more)) E(NAME##SH, ks_##k, FP_S(32) | (more))
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    FMA3(V, E, VFMADD, madd) FMA3(V, E, VFMSUB, msub) FMA3(V, E, VFNMADD, nmadd) FMA3(V, E, VFNMSUB, nmsub)            \
    FMA3_ALTERNATING(V, E, VFMADDSUB, maddsub) FMA3_ALTERNATING(V, E, VFMSUBADD, msubadd)                              \
    FMA4(X, VFMADD, madd) FMA4(X, VFMSUB, msub) FMA4(X, VFNMADD, nmadd) FMA4(X, VFNMSUB, nmsub)                        \
    FMA4_ALTERNATING(X, VFMADDSUB, maddsub) FMA4_ALTERNATING(X, VFMSUBADD, msubadd)                                    \
    COMPLEX(E, VFMULC, cmul, 0) COMPLEX(E, VFCMULC, ccmul, 0)                                                          \
    COMPLEX(E, VFMADDC, cmadd, KEEP) COMPLEX(E, VFCMADDC, ccmadd, KEEP)                                              \
    E(VDPBF16PS, k_dpbf16, V_E(32) | V_RMW)
// clang-format on
VEC_TABLE(vec_group_fp_fma, ROWS);
