/* Floating point by the host's own units, on x86-64 hosts: the only file that knows the host. The portable code in
 * sim/fp/ gives the same bits. Elsewhere, or with -DFP_PORTABLE, only the macros remain, which then are empty.
 *
 * Inline assembly, so that the compiler neither folds nor commutes operations: the order of the operands decides which
 * NaN is the result, and the exception flags are results too. */
#ifndef HVSIM_FP_HOST_X86_H
#define HVSIM_FP_HOST_X86_H

#include "sim/core/fpstate.h"
#include "sim/fp/soft.h"

#if defined(__x86_64__) && !defined(FP_PORTABLE)

#include <immintrin.h>

/* Use the host when the environment allows. */
#define FP_HOST(e, expr)                                                                                               \
    if (__builtin_expect(!(e)->soft, 1)) return expr
#define FP_HOST_VOID(e, expr)                                                                                          \
    if (__builtin_expect(!(e)->soft, 1)) {                                                                             \
        expr;                                                                                                          \
        return;                                                                                                        \
    }
/* Instructions that came with FMA3 or before, but after SSE2. */
#define FP_HOST_FMA(e, expr)                                                                                           \
    if (__builtin_expect(!(e)->soft & (e)->fma, 1)) return expr
#define FP_HOST_FMA_VOID(e, expr)                                                                                      \
    if (__builtin_expect(!(e)->soft & (e)->fma, 1)) {                                                                  \
        expr;                                                                                                          \
        return;                                                                                                        \
    }

static inline bool host_present(void) { return true; }
static inline bool host_has_fma(void) { return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx"); }

/* ---- MXCSR ---- */
static inline void host_mxcsr_load(unsigned rc, bool daz, bool ftz) {
    uint32_t v = MXCSR_INIT | rc << 13 | (daz ? MXCSR_DAZ : 0) | (ftz ? MXCSR_FTZ : 0);
    __asm__ volatile("ldmxcsr %0" ::"m"(v));
}
static inline uint32_t host_mxcsr_flags(void) {
    uint32_t v;
    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v & MXCSR_FLAGS;
}

/* ---- SSE ---- */
static inline __m128i host_x32(uint32_t a) { return _mm_cvtsi32_si128((int)a); }
static inline __m128i host_x64(uint64_t a) { return _mm_cvtsi64_si128((long long)a); }
static inline uint32_t host_u32(__m128i a) { return (uint32_t)_mm_cvtsi128_si32(a); }
static inline uint64_t host_u64(__m128i a) { return (uint64_t)_mm_cvtsi128_si64(a); }
static inline __m128i host_load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline void host_store(void *p, __m128i v) { _mm_storeu_si128((__m128i *)p, v); }

#define HOST_BINARY(op)                                                                                                \
    static inline uint32_t host_fp32_##op(uint32_t a, uint32_t b) {                                                    \
        __m128i r = host_x32(a);                                                                                       \
        __asm__ volatile(#op "ss %1, %0" : "+x"(r) : "x"(host_x32(b)));                                                \
        return host_u32(r);                                                                                            \
    }                                                                                                                  \
    static inline uint64_t host_fp64_##op(uint64_t a, uint64_t b) {                                                    \
        __m128i r = host_x64(a);                                                                                       \
        __asm__ volatile(#op "sd %1, %0" : "+x"(r) : "x"(host_x64(b)));                                                \
        return host_u64(r);                                                                                            \
    }                                                                                                                  \
    static inline void host_fp32x4_##op(void *d, const void *a, const void *b) {                                       \
        __m128i r = host_load(a);                                                                                      \
        __asm__ volatile(#op "ps %1, %0" : "+x"(r) : "x"(host_load(b)));                                               \
        host_store(d, r);                                                                                              \
    }                                                                                                                  \
    static inline void host_fp64x2_##op(void *d, const void *a, const void *b) {                                       \
        __m128i r = host_load(a);                                                                                      \
        __asm__ volatile(#op "pd %1, %0" : "+x"(r) : "x"(host_load(b)));                                               \
        host_store(d, r);                                                                                              \
    }
HOST_BINARY(add)
HOST_BINARY(sub)
HOST_BINARY(mul)
HOST_BINARY(div)
HOST_BINARY(min)
HOST_BINARY(max)
#undef HOST_BINARY

static inline uint32_t host_fp32_sqrt(uint32_t a) {
    __m128i r = host_x32(a);
    __asm__ volatile("sqrtss %0, %0" : "+x"(r));
    return host_u32(r);
}
static inline uint64_t host_fp64_sqrt(uint64_t a) {
    __m128i r = host_x64(a);
    __asm__ volatile("sqrtsd %0, %0" : "+x"(r));
    return host_u64(r);
}
static inline void host_fp32x4_sqrt(void *d, const void *a) {
    __m128i r = host_load(a);
    __asm__ volatile("sqrtps %0, %0" : "+x"(r));
    host_store(d, r);
}
static inline void host_fp64x2_sqrt(void *d, const void *a) {
    __m128i r = host_load(a);
    __asm__ volatile("sqrtpd %0, %0" : "+x"(r));
    host_store(d, r);
}

/* c +-= a * b with the NaN of a first, of b next */
#define HOST_FMA(type)                                                                                                 \
    static inline __m128i host_fma_##type(__m128i a, __m128i b, __m128i c, bool neg_product, bool neg_addend) {        \
        if (!neg_product && !neg_addend)                                                                               \
            __asm__ volatile("vfmadd231" #type " %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));                              \
        else if (!neg_product)                                                                                         \
            __asm__ volatile("vfmsub231" #type " %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));                              \
        else if (!neg_addend)                                                                                          \
            __asm__ volatile("vfnmadd231" #type " %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));                             \
        else                                                                                                           \
            __asm__ volatile("vfnmsub231" #type " %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));                             \
        return c;                                                                                                      \
    }
HOST_FMA(ss)
HOST_FMA(sd)
HOST_FMA(ps)
HOST_FMA(pd)
#undef HOST_FMA
static inline uint32_t host_fp32_fma(uint32_t a, uint32_t b, uint32_t c, bool neg_product, bool neg_addend) {
    return host_u32(host_fma_ss(host_x32(a), host_x32(b), host_x32(c), neg_product, neg_addend));
}
static inline uint64_t host_fp64_fma(uint64_t a, uint64_t b, uint64_t c, bool neg_product, bool neg_addend) {
    return host_u64(host_fma_sd(host_x64(a), host_x64(b), host_x64(c), neg_product, neg_addend));
}
static inline void host_fp32x4_fma(void *d, const void *a, const void *b, const void *c, bool neg_product,
                                   bool neg_addend) {
    host_store(d, host_fma_ps(host_load(a), host_load(b), host_load(c), neg_product, neg_addend));
}
static inline void host_fp64x2_fma(void *d, const void *a, const void *b, const void *c, bool neg_product,
                                   bool neg_addend) {
    host_store(d, host_fma_pd(host_load(a), host_load(b), host_load(c), neg_product, neg_addend));
}

/* SSE has the first eight predicates only; VEX instructions have all. */
#define HOST_CMP(type)                                                                                                 \
    static inline __m128i host_cmp_##type(__m128i a, __m128i b, unsigned predicate) {                                  \
        switch (predicate) {                                                                                           \
            HOST_CMP_SSE(type, 0);                                                                                     \
            HOST_CMP_SSE(type, 1);                                                                                     \
            HOST_CMP_SSE(type, 2);                                                                                     \
            HOST_CMP_SSE(type, 3);                                                                                     \
            HOST_CMP_SSE(type, 4);                                                                                     \
            HOST_CMP_SSE(type, 5);                                                                                     \
            HOST_CMP_SSE(type, 6);                                                                                     \
            HOST_CMP_SSE(type, 7);                                                                                     \
            HOST_CMP_VEX(type, 8);                                                                                     \
            HOST_CMP_VEX(type, 9);                                                                                     \
            HOST_CMP_VEX(type, 10);                                                                                    \
            HOST_CMP_VEX(type, 11);                                                                                    \
            HOST_CMP_VEX(type, 12);                                                                                    \
            HOST_CMP_VEX(type, 13);                                                                                    \
            HOST_CMP_VEX(type, 14);                                                                                    \
            HOST_CMP_VEX(type, 15);                                                                                    \
            HOST_CMP_VEX(type, 16);                                                                                    \
            HOST_CMP_VEX(type, 17);                                                                                    \
            HOST_CMP_VEX(type, 18);                                                                                    \
            HOST_CMP_VEX(type, 19);                                                                                    \
            HOST_CMP_VEX(type, 20);                                                                                    \
            HOST_CMP_VEX(type, 21);                                                                                    \
            HOST_CMP_VEX(type, 22);                                                                                    \
            HOST_CMP_VEX(type, 23);                                                                                    \
            HOST_CMP_VEX(type, 24);                                                                                    \
            HOST_CMP_VEX(type, 25);                                                                                    \
            HOST_CMP_VEX(type, 26);                                                                                    \
            HOST_CMP_VEX(type, 27);                                                                                    \
            HOST_CMP_VEX(type, 28);                                                                                    \
            HOST_CMP_VEX(type, 29);                                                                                    \
            HOST_CMP_VEX(type, 30);                                                                                    \
            HOST_CMP_VEX(type, 31);                                                                                    \
        }                                                                                                              \
        return a;                                                                                                      \
    }
#define HOST_CMP_SSE(type, n)                                                                                          \
    case n:                                                                                                            \
        __asm__ volatile("cmp" #type " $" #n ", %1, %0" : "+x"(a) : "x"(b));                                           \
        break
#define HOST_CMP_VEX(type, n)                                                                                          \
    case n:                                                                                                            \
        __asm__ volatile("vcmp" #type " $" #n ", %1, %0, %0" : "+x"(a) : "x"(b));                                      \
        break
HOST_CMP(ps)
HOST_CMP(pd)
#undef HOST_CMP
#undef HOST_CMP_SSE
#undef HOST_CMP_VEX
#define FP_HOST_CMP_OK(e, predicate) __builtin_expect(!(e)->soft & ((predicate) < 8 || (e)->fma), 1)
#define FP_HOST_CMP(e, predicate, expr)                                                                                \
    if (FP_HOST_CMP_OK(e, predicate)) return expr
#define FP_HOST_CMP_VOID(e, predicate, expr)                                                                           \
    if (FP_HOST_CMP_OK(e, predicate)) {                                                                                \
        expr;                                                                                                          \
        return;                                                                                                        \
    }
static inline bool host_fp32_cmp(uint32_t a, uint32_t b, unsigned predicate) {
    return host_u32(host_cmp_ps(host_x32(a), host_x32(b), predicate & 31));
}
static inline bool host_fp64_cmp(uint64_t a, uint64_t b, unsigned predicate) {
    return host_u64(host_cmp_pd(host_x64(a), host_x64(b), predicate & 31));
}
static inline void host_fp32x4_cmp(void *d, const void *a, const void *b, unsigned predicate) {
    host_store(d, host_cmp_ps(host_load(a), host_load(b), predicate & 31));
}
static inline void host_fp64x2_cmp(void *d, const void *a, const void *b, unsigned predicate) {
    host_store(d, host_cmp_pd(host_load(a), host_load(b), predicate & 31));
}

static inline enum fp_less host_order(bool equal, bool less, bool unordered) {
    return unordered ? FP_UNORDERED : equal ? FP_EQUAL : less ? FP_LESS : FP_GREATER;
}
#define HOST_ORDER(insn, a, b)                                                                                         \
    __asm__ volatile(insn " %4, %3" : "=@ccz"(equal), "=@ccc"(less), "=@ccp"(unordered) : "x"(a), "x"(b))
static inline enum fp_less host_fp32_order(uint32_t a, uint32_t b, bool quiet) {
    bool equal, less, unordered;
    if (quiet)
        HOST_ORDER("ucomiss", host_x32(a), host_x32(b));
    else
        HOST_ORDER("comiss", host_x32(a), host_x32(b));
    return host_order(equal, less, unordered);
}
static inline enum fp_less host_fp64_order(uint64_t a, uint64_t b, bool quiet) {
    bool equal, less, unordered;
    if (quiet)
        HOST_ORDER("ucomisd", host_x64(a), host_x64(b));
    else
        HOST_ORDER("comisd", host_x64(a), host_x64(b));
    return host_order(equal, less, unordered);
}
#undef HOST_ORDER

/* ROUNDSS and ROUNDSD: the immediate is RC (4: MXCSR's), and 8 for no PE. They have no scale. */
#define HOST_ROUND_CASE(insn, n)                                                                                       \
    case n:                                                                                                            \
        __asm__ volatile(insn " $" #n ", %0, %0" : "+x"(x));                                                           \
        break
#define HOST_ROUND(insn)                                                                                               \
    switch (rc | (suppress_inexact ? 8u : 0u)) {                                                                       \
        HOST_ROUND_CASE(insn, 0);                                                                                      \
        HOST_ROUND_CASE(insn, 1);                                                                                      \
        HOST_ROUND_CASE(insn, 2);                                                                                      \
        HOST_ROUND_CASE(insn, 3);                                                                                      \
        HOST_ROUND_CASE(insn, 4);                                                                                      \
        HOST_ROUND_CASE(insn, 8);                                                                                      \
        HOST_ROUND_CASE(insn, 9);                                                                                      \
        HOST_ROUND_CASE(insn, 10);                                                                                     \
        HOST_ROUND_CASE(insn, 11);                                                                                     \
        HOST_ROUND_CASE(insn, 12);                                                                                     \
    }
static inline uint32_t host_fp32_round(uint32_t a, enum fp_rc rc, bool suppress_inexact) {
    __m128i x = host_x32(a);
    HOST_ROUND("roundss")
    return host_u32(x);
}
static inline uint64_t host_fp64_round(uint64_t a, enum fp_rc rc, bool suppress_inexact) {
    __m128i x = host_x64(a);
    HOST_ROUND("roundsd")
    return host_u64(x);
}
#undef HOST_ROUND
#undef HOST_ROUND_CASE
#define FP_HOST_ROUND(e, scale, expr)                                                                                  \
    if ((scale) == 0) FP_HOST_FMA(e, expr)

/* ---- conversions ---- */
#define HOST_TO_INT(N, K, suffix, size)                                                                                \
    static inline int##K##_t host_fp##N##_to_i##K(uint##N##_t a, bool truncate) {                                      \
        int##K##_t r;                                                                                                  \
        if (truncate)                                                                                                  \
            __asm__ volatile("cvtt" suffix "2si %1, %0" : "=r"(r) : "x"(host_x##N(a)));                                \
        else                                                                                                           \
            __asm__ volatile("cvt" suffix "2si %1, %0" : "=r"(r) : "x"(host_x##N(a)));                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##N##_t host_fp##N##_from_i##K(int##K##_t a) {                                                   \
        __m128i r = _mm_setzero_si128();                                                                               \
        __asm__ volatile("cvtsi2" suffix size " %1, %0" : "+x"(r) : "r"(a));                                           \
        return host_u##N(r);                                                                                           \
    }
HOST_TO_INT(32, 32, "ss", "l")
HOST_TO_INT(32, 64, "ss", "q")
HOST_TO_INT(64, 32, "sd", "l")
HOST_TO_INT(64, 64, "sd", "q")
#undef HOST_TO_INT
/* There is no half precision before AVX512-FP16. */
#define FP_HOST_TO_INT_16(e, K, a, truncate)
#define FP_HOST_TO_INT_32(e, K, a, truncate) FP_HOST(e, host_fp32_to_i##K(a, truncate))
#define FP_HOST_TO_INT_64(e, K, a, truncate) FP_HOST(e, host_fp64_to_i##K(a, truncate))
#define FP_HOST_FROM_INT_16(e, K, a)
#define FP_HOST_FROM_INT_32(e, K, a) FP_HOST(e, host_fp32_from_i##K(a))
#define FP_HOST_FROM_INT_64(e, K, a) FP_HOST(e, host_fp64_from_i##K(a))

static inline uint64_t host_fp64_from_fp32(uint32_t a) {
    __m128i r = host_x32(a);
    __asm__ volatile("cvtss2sd %0, %0" : "+x"(r));
    return host_u64(r);
}
static inline uint32_t host_fp32_from_fp64(uint64_t a) {
    __m128i r = host_x64(a);
    __asm__ volatile("cvtsd2ss %0, %0" : "+x"(r));
    return host_u32(r);
}

/* ---- x87 ----
 * The control word is loaded when it is not the one that the host has already; at other times than between fp_enter()
 * and fp_leave() the host has its default. Clearing the status word costs as much as ten operations: the exceptions
 * that it remembers are left there as long as the guest's own status word has them too. */
#define HOST_CW 0x037F

/* With an exception unmasked, the portable code. */
#define F80_HOST(f, expr)                                                                                              \
    if (__builtin_expect(host_x87_masked(f), 1)) {                                                                     \
        expr;                                                                                                          \
        return;                                                                                                        \
    }
#define F80_HOST_VALUE(f, expr)                                                                                        \
    if (__builtin_expect(host_x87_masked(f), 1)) return expr

static inline bool host_x87_masked(const struct fpu_regs *f) { return (f->fcw & FP_ALL) == FP_ALL; }
static inline void host_x87_control(struct fpu_regs *f, uint16_t cw) {
    if (__builtin_expect(f->host.cw == cw, 1)) return;
    __asm__ volatile("fldcw %0" ::"m"(cw));
    f->host.cw = cw;
}
static inline void host_x87_clear(struct fpu_regs *f, uint16_t unwanted) {
    if (__builtin_expect(!(f->host.flags & unwanted), 1)) return;
    __asm__ volatile("fnclex");
    f->host.flags = 0;
}
static inline void host_x87_reset(struct fpu_regs *f) {
    uint16_t sw;
    __asm__ volatile("fnstsw %0" : "=&a"(sw));
    f->host.flags = sw & FSW_EXC;
    f->host.cw = 0;
    host_x87_clear(f, FSW_EXC);
    host_x87_control(f, HOST_CW);
}
static inline void host_x87_begin(struct fpu_regs *f) {
    host_x87_clear(f, (uint16_t)~f->fsw);
    host_x87_control(f, f->fcw);
}
/* `sw` is the status word after the operation, `codes` the condition codes that the operation defines. */
static inline void host_x87_end(struct fpu_regs *f, uint16_t sw, uint16_t codes) {
    f->fsw = (uint16_t)((f->fsw & ~codes) | (sw & (codes | FSW_EXC)));
    f->host.flags |= sw & FSW_EXC;
}

/* insn works on ST(1) and ST(0) and pops, or on ST(0) */
#define HOST_X87_2(name, insn, codes)                                                                                  \
    static inline void host_f80_##name(struct fpu_regs *f, struct f80 *d, const struct f80 *st1,                       \
                                       const struct f80 *st0) {                                                        \
        uint16_t sw;                                                                                                   \
        host_x87_begin(f);                                                                                             \
        __asm__ volatile("fldt %2\n\tfldt %3\n\t" insn "\n\tfnstsw %1\n\tfstpt %0"                                     \
                         : "=m"(*d), "=&a"(sw)                                                                         \
                         : "m"(*st1), "m"(*st0));                                                                      \
        host_x87_end(f, sw, codes);                                                                                    \
    }
#define HOST_X87_1(name, insn, codes)                                                                                  \
    static inline void host_f80_##name(struct fpu_regs *f, struct f80 *d, const struct f80 *st0) {                     \
        uint16_t sw;                                                                                                   \
        host_x87_begin(f);                                                                                             \
        __asm__ volatile("fldt %2\n\t" insn "\n\tfnstsw %1\n\tfstpt %0" : "=m"(*d), "=&a"(sw) : "m"(*st0));            \
        host_x87_end(f, sw, codes);                                                                                    \
    }
/* the AT&T names of these subtractions and divisions are reversed: ST(1) - ST(0), ST(1) / ST(0) */
HOST_X87_2(add, "faddp", FSW_C1)
HOST_X87_2(sub, "fsubrp", FSW_C1)
HOST_X87_2(mul, "fmulp", FSW_C1)
HOST_X87_2(div, "fdivrp", FSW_C1)
HOST_X87_1(sqrt, "fsqrt", FSW_C1)
HOST_X87_1(round, "frndint", FSW_C1)
#undef HOST_X87_1
#undef HOST_X87_2

/* ST(1) stays, and is dropped */
#define HOST_X87_KEEP(name, insn, codes)                                                                               \
    static inline void host_f80_##name(struct fpu_regs *f, struct f80 *d, const struct f80 *st0,                       \
                                       const struct f80 *st1) {                                                        \
        uint16_t sw;                                                                                                   \
        host_x87_begin(f);                                                                                             \
        __asm__ volatile("fldt %2\n\tfldt %3\n\t" insn "\n\tfnstsw %1\n\tfstpt %0\n\tfstp %%st(0)"                     \
                         : "=m"(*d), "=&a"(sw)                                                                         \
                         : "m"(*st1), "m"(*st0));                                                                      \
        host_x87_end(f, sw, codes);                                                                                    \
    }
HOST_X87_KEEP(scale, "fscale", FSW_C1)
HOST_X87_KEEP(prem_trunc, "fprem", FSW_CODE)
HOST_X87_KEEP(prem_ieee, "fprem1", FSW_CODE)
#undef HOST_X87_KEEP
static inline void host_f80_prem(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b,
                                 bool ieee) {
    if (ieee)
        host_f80_prem_ieee(f, d, a, b);
    else
        host_f80_prem_trunc(f, d, a, b);
}

static inline void host_f80_compare(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet) {
    uint16_t sw;
    host_x87_begin(f);
    if (quiet)
        __asm__ volatile("fldt %2\n\tfldt %1\n\tfucompp\n\tfnstsw %0" : "=&a"(sw) : "m"(*a), "m"(*b));
    else
        __asm__ volatile("fldt %2\n\tfldt %1\n\tfcompp\n\tfnstsw %0" : "=&a"(sw) : "m"(*a), "m"(*b));
    host_x87_end(f, sw, FSW_CODE);
}

#define HOST_X87_LOAD(name, type, insn)                                                                                \
    static inline void host_f80_from_##name(struct fpu_regs *f, struct f80 *d, type a) {                               \
        uint16_t sw;                                                                                                   \
        host_x87_begin(f);                                                                                             \
        __asm__ volatile(insn " %2\n\tfnstsw %1\n\tfstpt %0" : "=m"(*d), "=&a"(sw) : "m"(a));                          \
        host_x87_end(f, sw, FSW_C1);                                                                                   \
    }
#define HOST_X87_STORE(name, type, insn)                                                                               \
    static inline type host_f80_to_##name(struct fpu_regs *f, const struct f80 *a) {                                   \
        uint16_t sw;                                                                                                   \
        type r;                                                                                                        \
        host_x87_begin(f);                                                                                             \
        __asm__ volatile("fldt %2\n\t" insn " %0\n\tfnstsw %1" : "=m"(r), "=&a"(sw) : "m"(*a));                        \
        host_x87_end(f, sw, FSW_C1);                                                                                   \
        return r;                                                                                                      \
    }
HOST_X87_LOAD(f32, uint32_t, "flds")
HOST_X87_LOAD(f64, uint64_t, "fldl")
HOST_X87_STORE(f32, uint32_t, "fstps")
HOST_X87_STORE(f64, uint64_t, "fstpl")
HOST_X87_STORE(i16, int16_t, "fistps")
HOST_X87_STORE(i32, int32_t, "fistpl")
HOST_X87_STORE(i64, int64_t, "fistpll")
#undef HOST_X87_LOAD
#undef HOST_X87_STORE
static inline int64_t host_f80_to_int(struct fpu_regs *f, const struct f80 *a, unsigned bits, bool truncate) {
    uint16_t cw = f->fcw;
    if (truncate) f->fcw |= FCW_RC;
    int64_t r = bits == 64 ? host_f80_to_i64(f, a) : bits == 32 ? host_f80_to_i32(f, a) : host_f80_to_i16(f, a);
    f->fcw = cw;
    return r;
}

/* The transcendental instructions run with the guest's own masks, so that unmasked responses are the host's, too: what
 * they raise would be reported by the next waiting instruction, and is cleared before. What is on the stack afterwards,
 * and how deep it is, says what happened. */
struct host_x87_stack {
    struct f80 top, second;
    unsigned depth;
};
static inline uint16_t host_x87_begin_unmasked(struct fpu_regs *f) {
    uint16_t sw;
    host_x87_clear(f, host_x87_masked(f) ? (uint16_t)~f->fsw : FSW_EXC);
    __asm__ volatile("fnstsw %0" : "=&a"(sw));
    return sw;
}
static inline void host_x87_end_unmasked(struct fpu_regs *f, uint16_t sw, uint16_t codes) {
    host_x87_end(f, sw, codes);
    if (host_x87_masked(f)) return;
    host_x87_clear(f, FSW_EXC);
    host_x87_control(f, HOST_CW);
}
#define HOST_X87_TRANS(insn, codes)                                                                                    \
    static inline struct host_x87_stack host_x87_##insn(struct fpu_regs *f, const struct f80 *x,                       \
                                                        const struct f80 *y) {                                         \
        struct host_x87_stack r;                                                                                       \
        uint16_t before = host_x87_begin_unmasked(f), sw;                                                              \
        if (y) __asm__ volatile("fldt %0" ::"m"(*y));                                                                  \
        __asm__ volatile("fldt %0" ::"m"(*x));                                                                         \
        host_x87_control(f, f->fcw);                                                                                   \
        __asm__ volatile(#insn "\n\tfnstsw %0" : "=&a"(sw));                                                           \
        host_x87_end_unmasked(f, sw, codes);                                                                           \
        r.depth = ((unsigned)(before >> 11) - (sw >> 11)) & 7;                                                         \
        __asm__ volatile("fstpt %0" : "=m"(r.top));                                                                    \
        if (r.depth > 1) __asm__ volatile("fstpt %0" : "=m"(r.second));                                                \
        return r;                                                                                                      \
    }
#define HOST_X87_TRANS_1(insn, codes)                                                                                  \
    HOST_X87_TRANS(insn, codes)                                                                                        \
    static inline void host_f80_##insn(struct fpu_regs *f, struct f80 *d, const struct f80 *x) {                       \
        *d = host_x87_##insn(f, x, NULL).top;                                                                          \
    }
/* not popped: an unmasked exception */
#define HOST_X87_TRANS_2(insn)                                                                                         \
    HOST_X87_TRANS(insn, FSW_C1)                                                                                       \
    static inline void host_f80_##insn(struct fpu_regs *f, struct f80 *d, const struct f80 *y, const struct f80 *x) {  \
        const struct host_x87_stack r = host_x87_##insn(f, x, y);                                                      \
        if (r.depth == 1) *d = r.top;                                                                                  \
    }
/* not pushed: that, or C2 */
#define HOST_X87_TRANS_PUSH(insn)                                                                                      \
    HOST_X87_TRANS(insn, FSW_C1 | FSW_C2)                                                                              \
    static inline void host_f80_##insn(struct fpu_regs *f, struct f80 *under, struct f80 *pushed,                      \
                                       const struct f80 *x) {                                                          \
        const struct host_x87_stack r = host_x87_##insn(f, x, NULL);                                                   \
        *under = r.depth == 2 ? r.second : r.top;                                                                      \
        if (r.depth == 2) *pushed = r.top;                                                                             \
    }
HOST_X87_TRANS_1(f2xm1, FSW_C1)
HOST_X87_TRANS_1(fsin, FSW_C1 | FSW_C2)
HOST_X87_TRANS_1(fcos, FSW_C1 | FSW_C2)
HOST_X87_TRANS_2(fyl2x)
HOST_X87_TRANS_2(fyl2xp1)
HOST_X87_TRANS_2(fpatan)
HOST_X87_TRANS_PUSH(fsincos)
HOST_X87_TRANS_PUSH(fptan)
#undef HOST_X87_TRANS
#undef HOST_X87_TRANS_1
#undef HOST_X87_TRANS_2
#undef HOST_X87_TRANS_PUSH
/* the host's, unmasked exceptions or not, if results shall be the host's */
#define F80_HOST_TRANS(f, expr)                                                                                        \
    if (!(f)->host.portable_transcendentals) {                                                                         \
        expr;                                                                                                          \
        return;                                                                                                        \
    }

#else

static inline bool host_present(void) { return false; }
static inline bool host_has_fma(void) { return false; }
static inline void host_mxcsr_load(unsigned rc, bool daz, bool ftz) { (void)rc, (void)daz, (void)ftz; }
static inline uint32_t host_mxcsr_flags(void) { return 0; }
static inline void host_x87_reset(struct fpu_regs *f) { (void)f; }

#define FP_HOST(e, expr)
#define FP_HOST_VOID(e, expr)
#define FP_HOST_FMA(e, expr)
#define FP_HOST_FMA_VOID(e, expr)
#define FP_HOST_CMP(e, predicate, expr)
#define FP_HOST_CMP_VOID(e, predicate, expr)
#define FP_HOST_ROUND(e, scale, expr)
#define FP_HOST_TO_INT_16(e, K, a, truncate)
#define FP_HOST_TO_INT_32(e, K, a, truncate)
#define FP_HOST_TO_INT_64(e, K, a, truncate)
#define FP_HOST_FROM_INT_16(e, K, a)
#define FP_HOST_FROM_INT_32(e, K, a)
#define FP_HOST_FROM_INT_64(e, K, a)
#define F80_HOST(f, expr)
#define F80_HOST_VALUE(f, expr)
#define F80_HOST_TRANS(f, expr)

#endif
#endif
