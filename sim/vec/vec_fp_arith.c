/* Floating-point addition to square root, minimum and maximum, horizontal and dot products. SDM 2 "ADDPD" and its
 * neighbours. */
#include "sim/vec/vec_fp.h"
#include "sim/vec/vec_hot.h"

/* ---- element by element: 16 bytes at once where the backend can ---- */

#define KERNELS2(op)                                                                                                   \
    FP_KERNELS2(op, 16, fp16_##op(e, a, b))                                                                            \
    static void kp_##op##_32(struct vx *x) {                                                                           \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH_16(o) fp32x4_##op(e, &x->r.u8[o], &x->a->u8[o], &x->b->u8[o]);                                         \
    }                                                                                                                  \
    static void kp_##op##_64(struct vx *x) {                                                                           \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH_16(o) fp64x2_##op(e, &x->r.u8[o], &x->a->u8[o], &x->b->u8[o]);                                         \
    }                                                                                                                  \
    static void ks_##op##_32(struct vx *x) { x->r.u32[0] = fp32_##op(vx_env(x), x->a->u32[0], x->b->u32[0]); }         \
    static void ks_##op##_64(struct vx *x) { x->r.u64[0] = fp64_##op(vx_env(x), x->a->u64[0], x->b->u64[0]); }
KERNELS2(add)
KERNELS2(sub)
KERNELS2(mul)
KERNELS2(div)
KERNELS2(min)
KERNELS2(max)

FP_KERNELS1(sqrt, 16, fp16_sqrt(e, b))
static void kp_sqrt_32(struct vx *x) {
    struct fp_env *e = vx_env(x);
    FP_EACH_16(o) fp32x4_sqrt(e, &x->r.u8[o], &x->b->u8[o]);
}
static void kp_sqrt_64(struct vx *x) {
    struct fp_env *e = vx_env(x);
    FP_EACH_16(o) fp64x2_sqrt(e, &x->r.u8[o], &x->b->u8[o]);
}
static void ks_sqrt_32(struct vx *x) { x->r.u32[0] = fp32_sqrt(vx_env(x), x->b->u32[0]); }
static void ks_sqrt_64(struct vx *x) { x->r.u64[0] = fp64_sqrt(vx_env(x), x->b->u64[0]); }

/* ---- alternating, horizontal ---- */

#define KERNELS_PAIRS(N)                                                                                               \
    static void k_addsub_##N(struct vx *x) {                                                                           \
        struct fp_env *e = vx_env(x);                                                                                  \
        FP_EACH(N)                                                                                                     \
        x->r.u##N[j] =                                                                                                 \
            j & 1 ? fp##N##_add(e, x->a->u##N[j], x->b->u##N[j]) : fp##N##_sub(e, x->a->u##N[j], x->b->u##N[j]);       \
    }                                                                                                                  \
    static inline void horizontal_##N(struct vx *x, bool subtract) {                                                   \
        struct fp_env *e = vx_env(x);                                                                                  \
        const unsigned half = 64 / N;                                                                                  \
        union vec r;                                                                                                   \
        FP_EACH(N) {                                                                                                   \
            unsigned in_lane = j % (2 * half), lane = j - in_lane;                                                     \
            const union vec *s = in_lane < half ? x->a : x->b;                                                         \
            unsigned at = lane + 2 * (in_lane % half);                                                                 \
            r.u##N[j] = subtract ? fp##N##_sub(e, s->u##N[at], s->u##N[at + 1])                                        \
                                 : fp##N##_add(e, s->u##N[at], s->u##N[at + 1]);                                       \
        }                                                                                                              \
        memcpy(&x->r, &r, x->bytes);                                                                                   \
    }                                                                                                                  \
    static void k_hadd_##N(struct vx *x) { horizontal_##N(x, false); }                                                 \
    static void k_hsub_##N(struct vx *x) { horizontal_##N(x, true); }
KERNELS_PAIRS(32)
KERNELS_PAIRS(64)

/* A step of several is done. true: an unmasked exception ends the instruction; else what it raised stays raised. */
static bool step_ends(struct vx *x) {
    struct fp_env *e = vx_env(x);
    if (likely(!e->unmasked)) return false;
    if (e->flags & e->unmasked) return true;
    x->fp.env.flags |= e->flags;
    e->flags = 0;
    return false;
}

/* SDM 2 "DPPS": the products that the upper half of the immediate selects, added in pairs; the others are +0. */
static void k_dpps(struct vx *x) {
    struct fp_env *e = vx_env(x);
    uint32_t *p = x->r.u32;
    for (unsigned j = 0; j < x->bytes / 4; j++)
        p[j] = x->imm >> (4 + j % 4) & 1 ? fp32_mul(e, x->a->u32[j], x->b->u32[j]) : 0;
    if (step_ends(x)) return;
    for (unsigned j = 0; j < x->bytes / 4; j += 2) p[j] = fp32_add(e, p[j], p[j + 1]);
    if (step_ends(x)) return;
    FP_EACH_16(o) {
        uint32_t sum = fp32_add(e, p[o / 4], p[o / 4 + 2]);
        for (unsigned j = 0; j < 4; j++) p[o / 4 + j] = x->imm >> j & 1 ? sum : 0;
    }
}
static void k_dppd(struct vx *x) {
    struct fp_env *e = vx_env(x);
    uint64_t p[2];
    for (unsigned j = 0; j < 2; j++) p[j] = x->imm >> (4 + j) & 1 ? fp64_mul(e, x->a->u64[j], x->b->u64[j]) : 0;
    if (step_ends(x)) return;
    uint64_t sum = fp64_add(e, p[0], p[1]);
    for (unsigned j = 0; j < 2; j++) x->r.u64[j] = x->imm >> j & 1 ? sum : 0;
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    FP_ROWS_32_64(S, ADD, add, 0) FP_ROWS_32_64(V, VADD, add, 0) FP_ROWS_16(E, VADD, add, 0)                           \
    FP_ROWS_32_64(S, SUB, sub, 0) FP_ROWS_32_64(V, VSUB, sub, 0) FP_ROWS_16(E, VSUB, sub, 0)                           \
    FP_ROWS_32_64(S, MUL, mul, 0) FP_ROWS_32_64(V, VMUL, mul, 0) FP_ROWS_16(E, VMUL, mul, 0)                           \
    FP_ROWS_32_64(S, DIV, div, 0) FP_ROWS_32_64(V, VDIV, div, 0) FP_ROWS_16(E, VDIV, div, 0)                           \
    FP_ROWS_32_64(S, MIN, min, 0) FP_ROWS_32_64(V, VMIN, min, 0) FP_ROWS_16(E, VMIN, min, 0)                           \
    FP_ROWS_32_64(S, MAX, max, 0) FP_ROWS_32_64(V, VMAX, max, 0) FP_ROWS_16(E, VMAX, max, 0)                           \
    FP_ROWS_32_64(S, SQRT, sqrt, 0) FP_ROWS_32_64(V, VSQRT, sqrt, 0) FP_ROWS_16(E, VSQRT, sqrt, 0)                     \
    S(ADDSUBPS, k_addsub_32, FP_P(32)) X(VADDSUBPS, k_addsub_32, FP_P(32))                                             \
    S(ADDSUBPD, k_addsub_64, FP_P(64)) X(VADDSUBPD, k_addsub_64, FP_P(64))                                             \
    S(HADDPS, k_hadd_32, FP_P(32)) X(VHADDPS, k_hadd_32, FP_P(32))                                                     \
    S(HADDPD, k_hadd_64, FP_P(64)) X(VHADDPD, k_hadd_64, FP_P(64))                                                     \
    S(HSUBPS, k_hsub_32, FP_P(32)) X(VHSUBPS, k_hsub_32, FP_P(32))                                                     \
    S(HSUBPD, k_hsub_64, FP_P(64)) X(VHSUBPD, k_hsub_64, FP_P(64))                                                     \
    S(DPPS, k_dpps, FP_P(32)) X(VDPPS, k_dpps, FP_P(32)) S(DPPD, k_dppd, FP_P(64)) X(VDPPD, k_dppd, FP_P(64))
// clang-format on
VEC_TABLE(vec_group_fp_arith, ROWS);

/* ---- hot forms: the host's own instruction between loads and stores ---- */

/* What is left to the general functions: denied groups, and an environment in which every exception must be looked at
 */
#define COLD(cpu, gate) unlikely(((cpu)->denied & (gate)) | (cpu)->vec.env.soft)

/* The result of scalar element and of 16 bytes, written where each encoding wants it; `s` is the second source. */
#define SSE_SCALAR(N, op) d->u##N[0] = fp##N##_##op(e, d->u##N[0], s->u##N[0])
#define SSE_ROOT(N, op)   d->u##N[0] = fp##N##_##op(e, s->u##N[0])
#define SSE_PACKED(N, op) fp##N##op(e, d, d, s)
#define VEX_SCALAR(N, op)                                                                                              \
    do {                                                                                                               \
        const union vec *a = &cpu->vec.zmm[i->vreg];                                                                   \
        const uint##N##_t v = fp##N##_##op(e, a->u##N[0], s->u##N[0]);                                                 \
        const uint64_t low = a->u64[0];                                                                                \
        const uint64_t high = a->u64[1];                                                                               \
        d->u64[0] = low;                                                                                               \
        d->u##N[0] = v;                                                                                                \
        d->u64[1] = high;                                                                                              \
        memset(&d->u8[16], 0, 48);                                                                                     \
    } while (0)
#define VEX_PACKED(N, op, bytes)                                                                                       \
    do {                                                                                                               \
        const union vec *a = &cpu->vec.zmm[i->vreg];                                                                   \
        for (unsigned o = 0; o < (bytes); o += 16) fp##N##op(e, &d->u8[o], &a->u8[o], &s->u8[o]);                      \
        memset(&d->u8[bytes], 0, 64 - (bytes));                                                                        \
    } while (0)

/* B: bits of the memory operand; A: its alignment; rest: the general function */
#define HOT(name, gate, B, A, rest, compute)                                                                           \
    VEC_HOT_FN(name, B, A, COLD(cpu, gate), rest, struct fp_env *e = &cpu->vec.env; compute)

#define HOT_ALL(NAME, op)                                                                                              \
    HOT(NAME##SS, GATE_SSE, 32, 1, op_sse_##NAME##SS, SSE_SCALAR(32, op))                                              \
    HOT(NAME##SD, GATE_SSE, 64, 1, op_sse_##NAME##SD, SSE_SCALAR(64, op))                                              \
    HOT(NAME##PS, GATE_SSE, 128, 16, op_sse_##NAME##PS, SSE_PACKED(32, x4_##op))                                       \
    HOT(NAME##PD, GATE_SSE, 128, 16, op_sse_##NAME##PD, SSE_PACKED(64, x2_##op))                                       \
    HOT(V##NAME##SS, GATE_AVX, 32, 1, op_vex_V##NAME##SS, VEX_SCALAR(32, op))                                          \
    HOT(V##NAME##SD, GATE_AVX, 64, 1, op_vex_V##NAME##SD, VEX_SCALAR(64, op))                                          \
    HOT(V##NAME##PS128, GATE_AVX, 128, 1, op_vex_V##NAME##PS, VEX_PACKED(32, x4_##op, 16))                             \
    HOT(V##NAME##PD128, GATE_AVX, 128, 1, op_vex_V##NAME##PD, VEX_PACKED(64, x2_##op, 16))                             \
    HOT(V##NAME##PS256, GATE_AVX, 256, 1, op_vex_V##NAME##PS, VEX_PACKED(32, x4_##op, 32))                             \
    HOT(V##NAME##PD256, GATE_AVX, 256, 1, op_vex_V##NAME##PD, VEX_PACKED(64, x2_##op, 32))
HOT_ALL(ADD, add)
HOT_ALL(SUB, sub)
HOT_ALL(MUL, mul)
HOT_ALL(DIV, div)
HOT_ALL(MIN, min)
HOT_ALL(MAX, max)
HOT(SQRTSS, GATE_SSE, 32, 1, op_sse_SQRTSS, SSE_ROOT(32, sqrt))
HOT(SQRTSD, GATE_SSE, 64, 1, op_sse_SQRTSD, SSE_ROOT(64, sqrt))

// clang-format off
#define HOT_ROWS(NAME)                                                                                                 \
    VEC_HOT_ROW(NAME##SS, VEC_COL_SSE, 4, NAME##SS) VEC_HOT_ROW(NAME##SD, VEC_COL_SSE, 4, NAME##SD)                            \
    VEC_HOT_ROW(NAME##PS, VEC_COL_SSE, 4, NAME##PS) VEC_HOT_ROW(NAME##PD, VEC_COL_SSE, 4, NAME##PD)                            \
    VEC_HOT_ROW(V##NAME##SS, VEC_COL_VEX, VEC_ANY_SIZE, V##NAME##SS) VEC_HOT_ROW(V##NAME##SD, VEC_COL_VEX, VEC_ANY_SIZE, V##NAME##SD) \
    VEC_HOT_ROW(V##NAME##PS, VEC_COL_VEX, 4, V##NAME##PS128) VEC_HOT_ROW(V##NAME##PS, VEC_COL_VEX, 5, V##NAME##PS256)          \
    VEC_HOT_ROW(V##NAME##PD, VEC_COL_VEX, 4, V##NAME##PD128) VEC_HOT_ROW(V##NAME##PD, VEC_COL_VEX, 5, V##NAME##PD256)
static const struct vec_hot rows_of_hot[] = {
    HOT_ROWS(ADD) HOT_ROWS(SUB) HOT_ROWS(MUL) HOT_ROWS(DIV) HOT_ROWS(MIN) HOT_ROWS(MAX)
    VEC_HOT_ROW(SQRTSS, VEC_COL_SSE, 4, SQRTSS) VEC_HOT_ROW(SQRTSD, VEC_COL_SSE, 4, SQRTSD)
    {0}
};
// clang-format on
const struct vec_hot_group vec_hot_fp_arith = {rows_of_hot};
