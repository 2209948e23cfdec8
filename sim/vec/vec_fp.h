/* What the floating-point files of sim/vec/ share: the environment, and kernels over packed and scalar elements. */
#ifndef HVSIM_VEC_VEC_FP_H
#define HVSIM_VEC_VEC_FP_H

#include <stddef.h>

#include "sim/fp/fp.h"
#include "sim/vec/vec.h"

/* struct vx lives in struct cpu */
static inline struct fp_env *vx_env(struct vx *x) {
    return &((struct cpu *)((char *)x - offsetof(struct cpu, vx)))->vec.env;
}

/* For each element of so many bits, exactly: nothing beyond the vector length, as it could raise exceptions. */
#define FP_EACH(bits) for (unsigned j = 0; j < x->bytes * 8 / (bits); j++)
/* The same for conversions, where an element takes so many bits of the wider side. */
#define FP_EACH_16(o) for (unsigned o = 0; o < x->bytes; o += 16)

/* Kernels kp_<name>_<bits> (packed) and ks_<name>_<bits> (scalar) of an operation with two sources, or one. `expr` sees
 * e, a and b. */
#define FP_KERNELS2(name, N, expr)                                                                                     \
    static inline uint##N##_t f_##name##_##N(struct fp_env *e, uint##N##_t a, uint##N##_t b, const struct vx *x) {     \
        (void)e, (void)x;                                                                                              \
        return expr;                                                                                                   \
    }                                                                                                                  \
    static void kp_##name##_##N(struct vx *x) {                                                                        \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH(N) x->r.u##N[j] = f_##name##_##N(e, x->a->u##N[j], x->b->u##N[j], x);                                  \
    }                                                                                                                  \
    static void ks_##name##_##N(struct vx *x) {                                                                        \
        x->r.u##N[0] = f_##name##_##N(vx_env(x), x->a->u##N[0], x->b->u##N[0], x);                                     \
    }
#define FP_KERNELS1(name, N, expr)                                                                                     \
    static inline uint##N##_t f_##name##_##N(struct fp_env *e, uint##N##_t b, const struct vx *x) {                    \
        (void)e, (void)x;                                                                                              \
        return expr;                                                                                                   \
    }                                                                                                                  \
    static void kp_##name##_##N(struct vx *x) {                                                                        \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH(N) x->r.u##N[j] = f_##name##_##N(e, x->b->u##N[j], x);                                                 \
    }                                                                                                                  \
    static void ks_##name##_##N(struct vx *x) { x->r.u##N[0] = f_##name##_##N(vx_env(x), x->b->u##N[0], x); }

/* Descriptors of packed and scalar forms */
#define FP_P(bits) (V_E(bits) | V_FP)
#define FP_S(bits) (V_E(bits) | V_FP | V_SCALAR | V_MEM_SCALAR)
/* EVEX (and VEX) rows of PS, PD, SS, SD; with AVX512-FP16's PH and SH */
#define FP_ROWS_32_64(V, name, k, more)                                                                                \
    V(name##PS, kp_##k##_32, FP_P(32) | (more))                                                                        \
    V(name##PD, kp_##k##_64, FP_P(64) | (more))                                                                        \
    V(name##SS, ks_##k##_32, FP_S(32) | (more))                                                                        \
    V(name##SD, ks_##k##_64, FP_S(64) | (more))
#define FP_ROWS_16(V, name, k, more)                                                                                   \
    V(name##PH, kp_##k##_16, FP_P(16) | (more)) V(name##SH, ks_##k##_16, FP_S(16) | (more))

#endif
