/* 3DNow! floating point: two single-precision values in an MMX register. No exceptions, no status; denormal operands
 * are zeros, tiny results too, large results are the largest normal number; infinities and NaNs as operands are
 * undefined. APM 5 "64-Bit Media Instruction Reference" (PFACC to PSWAPD).
 *
 * PFRCP and PFRSQRT give the nearest values (APM: at least 14 and 15 bits; which, is left to the processor), and the
 * steps of Newton and Raphson that follow them are computed as their formulas stand. */
#include "sim/vec/vec_fp.h"

#define LARGEST 0x7F7FFFFFu
#define SIGN    0x80000000u

static struct fp_env env_3dnow(void) { return (struct fp_env){.daz = true, .ftz = true, .soft = true}; }

static uint32_t saturate(uint32_t v) { return (v & ~SIGN) > LARGEST ? (v & SIGN) | LARGEST : v; }
static bool is_zero(uint32_t v) { return (v & ~SIGN) < 0x00800000; }
static bool is_less(uint32_t a, uint32_t b) {
    struct fp_env e = env_3dnow();
    return fp32_order(&e, a, b, true) == FP_LESS;
}

#define BINARY(name, expr)                                                                                             \
    static uint32_t f_##name(uint32_t a, uint32_t b) {                                                                 \
        struct fp_env e = env_3dnow();                                                                                 \
        return saturate(expr);                                                                                         \
    }
BINARY(add, fp32_add(&e, a, b))
BINARY(sub, fp32_sub(&e, a, b))
BINARY(mul, fp32_mul(&e, a, b))
static uint32_t f_max(uint32_t a, uint32_t b) {
    uint32_t v = is_less(a, b) ? b : a;
    return is_zero(v) ? 0 : v;
}
static uint32_t f_min(uint32_t a, uint32_t b) {
    uint32_t v = is_less(b, a) ? b : a;
    return is_zero(v) ? 0 : v;
}
static uint32_t f_rcp(uint32_t b) {
    struct fp_env e = env_3dnow();
    return saturate(fp32_div(&e, 0x3F800000, b));
}
/* the sign of the operand goes to the result */
static uint32_t f_rsqrt(uint32_t b) {
    struct fp_env e = env_3dnow();
    uint64_t root = fp64_sqrt(&e, fp64_from_fp32(&e, b & ~SIGN));
    return (b & SIGN) | saturate(fp32_from_fp64(&e, fp64_div(&e, 0x3FF0000000000000, root)));
}

#define EACH_HALF for (unsigned j = 0; j < 2; j++)
#define KERNEL(name, expr)                                                                                             \
    static void k_##name(struct vx *x) {                                                                               \
        EACH_HALF {                                                                                                    \
            const uint32_t a = x->a->u32[j], b = x->b->u32[j];                                                         \
            (void)a;                                                                                                   \
            x->r.u32[j] = (expr);                                                                                      \
        }                                                                                                              \
    }
KERNEL(pfadd, f_add(a, b))
KERNEL(pfsub, f_sub(a, b))
KERNEL(pfsubr, f_sub(b, a))
KERNEL(pfmul, f_mul(a, b))
KERNEL(pfmax, f_max(a, b))
KERNEL(pfmin, f_min(a, b))
KERNEL(pfcmpeq, !is_less(a, b) && !is_less(b, a) ? ~0u : 0)
KERNEL(pfcmpge, !is_less(a, b) ? ~0u : 0)
KERNEL(pfcmpgt, is_less(b, a) ? ~0u : 0)
/* 2 - a * b; (3 - a * b) / 2; a * b */
KERNEL(pfrcpit1, f_sub(0x40000000, f_mul(a, b)))
KERNEL(pfrsqit1, f_mul(0x3F000000, f_sub(0x40400000, f_mul(a, b))))

/* One value, twice */
static void k_pfrcp(struct vx *x) { x->r.u32[0] = x->r.u32[1] = f_rcp(x->b->u32[0]); }
static void k_pfrsqrt(struct vx *x) { x->r.u32[0] = x->r.u32[1] = f_rsqrt(x->b->u32[0]); }

#define ACCUMULATE(name, low, high)                                                                                    \
    static void k_##name(struct vx *x) {                                                                               \
        uint32_t l = low(x->a->u32[0], x->a->u32[1]), h = high(x->b->u32[0], x->b->u32[1]);                            \
        x->r.u32[0] = l;                                                                                               \
        x->r.u32[1] = h;                                                                                               \
    }
ACCUMULATE(pfacc, f_add, f_add)
ACCUMULATE(pfnacc, f_sub, f_sub)
ACCUMULATE(pfpnacc, f_sub, f_add)

static void k_pswapd(struct vx *x) {
    uint64_t v = x->b->u64[0];
    x->r.u64[0] = v << 32 | v >> 32;
}

/* Conversions truncate, and saturate. */
static uint32_t to_int(uint32_t v, int32_t least, int32_t most) {
    struct fp_env e = env_3dnow();
    int64_t n = fp32_to_i64(&e, v, true);
    if (n == INT64_MIN) n = v & SIGN ? least : most; /* beyond 63 bits */
    return (uint32_t)(n < least ? least : n > most ? most : n);
}
static uint32_t from_int(int32_t v) {
    struct fp_env e = env_3dnow();
    e.rc = FP_ZERO;
    return fp32_from_i32(&e, v);
}
KERNEL(pf2id, to_int(b, INT32_MIN, INT32_MAX))
KERNEL(pf2iw, to_int(b, INT16_MIN, INT16_MAX))
KERNEL(pi2fd, from_int((int32_t)b))
KERNEL(pi2fw, from_int((int16_t)b))

// clang-format off
/* PFCPIT1 is PFRCPIT1, PFSQRT is PFRSQRT in Zydis' spelling. */
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    M(PFADD, k_pfadd, V_E(32)) M(PFSUB, k_pfsub, V_E(32)) M(PFSUBR, k_pfsubr, V_E(32)) M(PFMUL, k_pfmul, V_E(32))      \
    M(PFMAX, k_pfmax, V_E(32)) M(PFMIN, k_pfmin, V_E(32))                                                              \
    M(PFCMPEQ, k_pfcmpeq, V_E(32)) M(PFCMPGE, k_pfcmpge, V_E(32)) M(PFCMPGT, k_pfcmpgt, V_E(32))                       \
    M(PFACC, k_pfacc, V_E(32)) M(PFNACC, k_pfnacc, V_E(32)) M(PFPNACC, k_pfpnacc, V_E(32)) M(PSWAPD, k_pswapd, V_E(32)) \
    M(PFRCP, k_pfrcp, V_E(32)) M(PFSQRT, k_pfrsqrt, V_E(32)) M(PFCPIT1, k_pfrcpit1, V_E(32))                           \
    M(PFRCPIT2, k_pfmul, V_E(32)) M(PFRSQIT1, k_pfrsqit1, V_E(32))                                                     \
    M(PF2ID, k_pf2id, V_E(32)) M(PF2IW, k_pf2iw, V_E(32)) M(PI2FD, k_pi2fd, V_E(32)) M(PI2FW, k_pi2fw, V_E(32))
// clang-format on
VEC_TABLE(vec_group_3dnow, ROWS);
