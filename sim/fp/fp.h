/* Floating-point operations of SSE, AVX and AVX-512 on bit patterns. fpN_ is one element of N bits, fp32x4_ and fp64x2_
 * are 16 bytes of packed elements (any alignment; d may be a or b). Results and flags are those of x86 processors, NaNs
 * included: the first operand's wins. Flags accrue in the environment: see sim/fp/env.h. */
#ifndef HVSIM_FP_FP_H
#define HVSIM_FP_FP_H

#include "sim/fp/host_x86.h"
#include "sim/fp/soft.h"

/* d = a op b; with min and max the second operand is the result when either is a NaN or both are zero. */
#define FP_BINARY(op)                                                                                                  \
    static inline uint16_t fp16_##op(struct fp_env *e, uint16_t a, uint16_t b) {                                       \
        return (uint16_t)soft_##op(e, FP16, a, b);                                                                     \
    }                                                                                                                  \
    static inline uint32_t fp32_##op(struct fp_env *e, uint32_t a, uint32_t b) {                                       \
        FP_HOST(e, host_fp32_##op(a, b));                                                                              \
        return (uint32_t)soft_##op(e, FP32, a, b);                                                                     \
    }                                                                                                                  \
    static inline uint64_t fp64_##op(struct fp_env *e, uint64_t a, uint64_t b) {                                       \
        FP_HOST(e, host_fp64_##op(a, b));                                                                              \
        return soft_##op(e, FP64, a, b);                                                                               \
    }                                                                                                                  \
    static inline void fp32x4_##op(struct fp_env *e, void *d, const void *a, const void *b) {                          \
        FP_HOST_VOID(e, host_fp32x4_##op(d, a, b));                                                                    \
        for (unsigned k = 0; k < 4; k++) fp_put32(d, k, (uint32_t)soft_##op(e, FP32, fp_at32(a, k), fp_at32(b, k)));   \
    }                                                                                                                  \
    static inline void fp64x2_##op(struct fp_env *e, void *d, const void *a, const void *b) {                          \
        FP_HOST_VOID(e, host_fp64x2_##op(d, a, b));                                                                    \
        for (unsigned k = 0; k < 2; k++) fp_put64(d, k, soft_##op(e, FP64, fp_at64(a, k), fp_at64(b, k)));             \
    }

static inline uint32_t fp_at32(const void *v, unsigned k) { return ((const uint32_t *)v)[k]; }
static inline uint64_t fp_at64(const void *v, unsigned k) { return ((const uint64_t *)v)[k]; }
static inline void fp_put32(void *v, unsigned k, uint32_t x) { ((uint32_t *)v)[k] = x; }
static inline void fp_put64(void *v, unsigned k, uint64_t x) { ((uint64_t *)v)[k] = x; }

FP_BINARY(add)
FP_BINARY(sub)
FP_BINARY(mul)
FP_BINARY(div)
FP_BINARY(min)
FP_BINARY(max)
#undef FP_BINARY

static inline uint16_t fp16_sqrt(struct fp_env *e, uint16_t a) { return (uint16_t)soft_sqrt(e, FP16, a); }
static inline uint32_t fp32_sqrt(struct fp_env *e, uint32_t a) {
    FP_HOST(e, host_fp32_sqrt(a));
    return (uint32_t)soft_sqrt(e, FP32, a);
}
static inline uint64_t fp64_sqrt(struct fp_env *e, uint64_t a) {
    FP_HOST(e, host_fp64_sqrt(a));
    return soft_sqrt(e, FP64, a);
}
static inline void fp32x4_sqrt(struct fp_env *e, void *d, const void *a) {
    FP_HOST_VOID(e, host_fp32x4_sqrt(d, a));
    for (unsigned k = 0; k < 4; k++) fp_put32(d, k, (uint32_t)soft_sqrt(e, FP32, fp_at32(a, k)));
}
static inline void fp64x2_sqrt(struct fp_env *e, void *d, const void *a) {
    FP_HOST_VOID(e, host_fp64x2_sqrt(d, a));
    for (unsigned k = 0; k < 2; k++) fp_put64(d, k, soft_sqrt(e, FP64, fp_at64(a, k)));
}

/* +-(a * b) +- c, rounded once. NaNs win in the order a, b, c, where a and b are the factors in the order of the digits
 * of the mnemonic: VFMADD132 is fma(op1, op3, op2), 213 is fma(op2, op1, op3), 231 is fma(op2, op3, op1). The signs of
 * NaNs are not changed by the negations. */
static inline uint16_t fp16_fma(struct fp_env *e, uint16_t a, uint16_t b, uint16_t c, bool neg_product,
                                bool neg_addend) {
    return (uint16_t)soft_fma(e, FP16, a, b, c, neg_product, neg_addend);
}
static inline uint32_t fp32_fma(struct fp_env *e, uint32_t a, uint32_t b, uint32_t c, bool neg_product,
                                bool neg_addend) {
    FP_HOST_FMA(e, host_fp32_fma(a, b, c, neg_product, neg_addend));
    return (uint32_t)soft_fma(e, FP32, a, b, c, neg_product, neg_addend);
}
static inline uint64_t fp64_fma(struct fp_env *e, uint64_t a, uint64_t b, uint64_t c, bool neg_product,
                                bool neg_addend) {
    FP_HOST_FMA(e, host_fp64_fma(a, b, c, neg_product, neg_addend));
    return soft_fma(e, FP64, a, b, c, neg_product, neg_addend);
}
static inline void fp32x4_fma(struct fp_env *e, void *d, const void *a, const void *b, const void *c, bool neg_product,
                              bool neg_addend) {
    FP_HOST_FMA_VOID(e, host_fp32x4_fma(d, a, b, c, neg_product, neg_addend));
    for (unsigned k = 0; k < 4; k++)
        fp_put32(d, k,
                 (uint32_t)soft_fma(e, FP32, fp_at32(a, k), fp_at32(b, k), fp_at32(c, k), neg_product, neg_addend));
}
static inline void fp64x2_fma(struct fp_env *e, void *d, const void *a, const void *b, const void *c, bool neg_product,
                              bool neg_addend) {
    FP_HOST_FMA_VOID(e, host_fp64x2_fma(d, a, b, c, neg_product, neg_addend));
    for (unsigned k = 0; k < 2; k++)
        fp_put64(d, k, soft_fma(e, FP64, fp_at64(a, k), fp_at64(b, k), fp_at64(c, k), neg_product, neg_addend));
}

/* Comparison predicates 0-31 of CMPPS and VCMPPS. SDM 2, VCMPPD, "Comparison Predicate for VCMPPD and VCMPPS" */
static inline bool fp16_cmp(struct fp_env *e, uint16_t a, uint16_t b, unsigned predicate) {
    return soft_cmp(e, FP16, a, b, predicate);
}
static inline bool fp32_cmp(struct fp_env *e, uint32_t a, uint32_t b, unsigned predicate) {
    FP_HOST_CMP(e, predicate, host_fp32_cmp(a, b, predicate));
    return soft_cmp(e, FP32, a, b, predicate);
}
static inline bool fp64_cmp(struct fp_env *e, uint64_t a, uint64_t b, unsigned predicate) {
    FP_HOST_CMP(e, predicate, host_fp64_cmp(a, b, predicate));
    return soft_cmp(e, FP64, a, b, predicate);
}
/* All ones where the predicate holds. */
static inline void fp32x4_cmp(struct fp_env *e, void *d, const void *a, const void *b, unsigned predicate) {
    FP_HOST_CMP_VOID(e, predicate, host_fp32x4_cmp(d, a, b, predicate));
    for (unsigned k = 0; k < 4; k++) fp_put32(d, k, fp32_cmp(e, fp_at32(a, k), fp_at32(b, k), predicate) ? ~0u : 0);
}
static inline void fp64x2_cmp(struct fp_env *e, void *d, const void *a, const void *b, unsigned predicate) {
    FP_HOST_CMP_VOID(e, predicate, host_fp64x2_cmp(d, a, b, predicate));
    for (unsigned k = 0; k < 2; k++) fp_put64(d, k, fp64_cmp(e, fp_at64(a, k), fp_at64(b, k), predicate) ? ~0ull : 0);
}

/* COMIS, and UCOMIS (quiet) */
static inline enum fp_less fp16_order(struct fp_env *e, uint16_t a, uint16_t b, bool quiet) {
    return soft_order(e, FP16, a, b, quiet);
}
static inline enum fp_less fp32_order(struct fp_env *e, uint32_t a, uint32_t b, bool quiet) {
    FP_HOST(e, host_fp32_order(a, b, quiet));
    return soft_order(e, FP32, a, b, quiet);
}
static inline enum fp_less fp64_order(struct fp_env *e, uint64_t a, uint64_t b, bool quiet) {
    FP_HOST(e, host_fp64_order(a, b, quiet));
    return soft_order(e, FP64, a, b, quiet);
}

/* To a multiple of 2^-scale (ROUND: 0, VRNDSCALE: its M), in floating-point format. */
static inline uint16_t fp16_round(struct fp_env *e, uint16_t a, enum fp_rc rc, bool suppress_inexact, unsigned scale) {
    return (uint16_t)soft_round(e, FP16, a, rc, suppress_inexact, scale);
}
static inline uint32_t fp32_round(struct fp_env *e, uint32_t a, enum fp_rc rc, bool suppress_inexact, unsigned scale) {
    FP_HOST_ROUND(e, scale, host_fp32_round(a, rc, suppress_inexact));
    return (uint32_t)soft_round(e, FP32, a, rc, suppress_inexact, scale);
}
static inline uint64_t fp64_round(struct fp_env *e, uint64_t a, enum fp_rc rc, bool suppress_inexact, unsigned scale) {
    FP_HOST_ROUND(e, scale, host_fp64_round(a, rc, suppress_inexact));
    return soft_round(e, FP64, a, rc, suppress_inexact, scale);
}

/* To integers, with the current rounding or truncated: fpN_to_i32() and so on. What does not fit gives the integer
 * indefinite (signed: the least value; unsigned: all ones) and raises IE. */
#define FP_TO_INT(N, K)                                                                                                \
    static inline int##K##_t fp##N##_to_i##K(struct fp_env *e, uint##N##_t a, bool truncate) {                         \
        FP_HOST_TO_INT_##N(e, K, a, truncate);                                                                         \
        return (int##K##_t)soft_to_int(e, FP##N, a, truncate ? FP_ZERO : FP_CURRENT, K, true);                         \
    }                                                                                                                  \
    static inline uint##K##_t fp##N##_to_u##K(struct fp_env *e, uint##N##_t a, bool truncate) {                        \
        return (uint##K##_t)soft_to_int(e, FP##N, a, truncate ? FP_ZERO : FP_CURRENT, K, false);                       \
    }
/* From integers, with the current rounding: fpN_from_i32() and so on. */
#define FP_FROM_INT(N, K)                                                                                              \
    static inline uint##N##_t fp##N##_from_i##K(struct fp_env *e, int##K##_t a) {                                      \
        FP_HOST_FROM_INT_##N(e, K, a);                                                                                 \
        return (uint##N##_t)soft_from_int(e, FP##N, (uint64_t)(int64_t)a, true);                                       \
    }                                                                                                                  \
    static inline uint##N##_t fp##N##_from_u##K(struct fp_env *e, uint##K##_t a) {                                     \
        return (uint##N##_t)soft_from_int(e, FP##N, a, false);                                                         \
    }
FP_TO_INT(16, 16)
FP_TO_INT(16, 32)
FP_TO_INT(16, 64)
FP_TO_INT(32, 32)
FP_TO_INT(32, 64)
FP_TO_INT(64, 32)
FP_TO_INT(64, 64)
FP_FROM_INT(16, 16)
FP_FROM_INT(16, 32)
FP_FROM_INT(16, 64)
FP_FROM_INT(32, 32)
FP_FROM_INT(32, 64)
FP_FROM_INT(64, 32)
FP_FROM_INT(64, 64)
#undef FP_TO_INT
#undef FP_FROM_INT

/* Between formats, with the current rounding (CVTSS2SD, CVTSD2SS, and those of AVX512-FP16). */
static inline uint64_t fp64_from_fp32(struct fp_env *e, uint32_t a) {
    FP_HOST(e, host_fp64_from_fp32(a));
    return soft_convert(e, FP64, FP32, a);
}
static inline uint32_t fp32_from_fp64(struct fp_env *e, uint64_t a) {
    FP_HOST(e, host_fp32_from_fp64(a));
    return (uint32_t)soft_convert(e, FP32, FP64, a);
}
static inline uint16_t fp16_from_fp32(struct fp_env *e, uint32_t a) { return (uint16_t)soft_convert(e, FP16, FP32, a); }
static inline uint16_t fp16_from_fp64(struct fp_env *e, uint64_t a) { return (uint16_t)soft_convert(e, FP16, FP64, a); }
static inline uint32_t fp32_from_fp16(struct fp_env *e, uint16_t a) { return (uint32_t)soft_convert(e, FP32, FP16, a); }
static inline uint64_t fp64_from_fp16(struct fp_env *e, uint16_t a) { return soft_convert(e, FP64, FP16, a); }

/* VCVTPH2PS and VCVTPS2PH (F16C and AVX-512F), with their own rules for DAZ and FTZ */
static inline uint32_t fp32_from_f16c(struct fp_env *e, uint16_t a) { return soft_f16c_widen(e, a); }
static inline uint16_t f16c_from_fp32(struct fp_env *e, uint32_t a, enum fp_rc rc) {
    return soft_f16c_narrow(e, a, rc);
}

/* VCVTNEPS2BF16; VDPBF16PS on one doubleword: acc + a[0] * b[0] + a[1] * b[1]. Neither looks at or raises anything. */
static inline uint16_t bf16_from_fp32(uint32_t a) { return soft_bf16_narrow(a); }
static inline uint32_t fp32_dpbf16(uint32_t acc, uint32_t a, uint32_t b) { return soft_dpbf16(acc, a, b); }

/* The special operations of AVX-512, with the instructions' immediate bytes: soft_scalef() and its neighbours in
 * sim/fp/soft.h take the format as an argument (all but soft_fixupimm(): FP16, FP32, FP64). */
#define FP_SPECIAL(N)                                                                                                  \
    static inline uint##N##_t fp##N##_scalef(struct fp_env *e, uint##N##_t a, uint##N##_t b) {                         \
        return (uint##N##_t)soft_scalef(e, FP##N, a, b);                                                               \
    }                                                                                                                  \
    static inline uint##N##_t fp##N##_getexp(struct fp_env *e, uint##N##_t a) {                                        \
        return (uint##N##_t)soft_getexp(e, FP##N, a);                                                                  \
    }                                                                                                                  \
    static inline uint##N##_t fp##N##_getmant(struct fp_env *e, uint##N##_t a, unsigned imm) {                         \
        return (uint##N##_t)soft_getmant(e, FP##N, a, imm);                                                            \
    }                                                                                                                  \
    static inline uint##N##_t fp##N##_reduce(struct fp_env *e, uint##N##_t a, unsigned imm) {                          \
        return (uint##N##_t)soft_reduce(e, FP##N, a, imm);                                                             \
    }
FP_SPECIAL(16)
FP_SPECIAL(32)
FP_SPECIAL(64)
#undef FP_SPECIAL
#define FP_SPECIAL(N)                                                                                                  \
    static inline uint##N##_t fp##N##_range(struct fp_env *e, uint##N##_t a, uint##N##_t b, unsigned imm) {            \
        return (uint##N##_t)soft_range(e, FP##N, a, b, imm);                                                           \
    }                                                                                                                  \
    static inline uint##N##_t fp##N##_fixupimm(struct fp_env *e, uint##N##_t dst, uint##N##_t src, uint##N##_t table,  \
                                               unsigned imm) {                                                         \
        return (uint##N##_t)soft_fixupimm(e, FP##N, dst, src, table, imm);                                             \
    }
FP_SPECIAL(32)
FP_SPECIAL(64)
#undef FP_SPECIAL

#endif
