/* The arithmetic of the x87 FPU on double extended-precision values.
 *
 * Every operation reads the control word of `f` (rounding, precision, masks), accrues the exceptions in f->fsw and sets
 * C1 there (rounded up or not; the caller has C1 for stack faults), and C0, C2, C3 where the manual says so. TOP, SF,
 * ES and B are the caller's: after an operation ES and B follow from f80_pending(). An unmasked exception among IE, DE,
 * ZE leaves *d as it is (the caller then doesn't pop either: f80_suppressed()). Unmasked overflow and underflow of a
 * register destination give the result with the exponent biased by 24576. d may be an operand.
 * f80_to_f32() and f80_to_f64() are stores: f80_store_suppressed() says when memory stays as it is.
 * The caller guarantees that no unmasked exception was pending when the operation began (it would have been #MF). */
#ifndef HVSIM_FP_F80_H
#define HVSIM_FP_F80_H

#include "sim/core/fpstate.h"
#include "sim/fp/fast_f80.h"
#include "sim/fp/host_x86.h"
#include "sim/fp/soft_f80.h"

#define FCW_PC         (3u << 8)
#define FCW_RC_SHIFT   10
#define F80_SIGN       0x8000u
#define F80_MAX_EXP    0x7FFFu
#define F80_BIAS       0x3FFF
#define F80_INTEGER    (1ull << 63)
#define F80_QUIET      (1ull << 62)
#define F80_INDEFINITE ((struct f80){.sig = 3ull << 62, .se = 0xFFFF})

/* Unmasked exceptions that the status word holds. */
static inline unsigned f80_pending(const struct fpu_regs *f) { return f->fsw & ~f->fcw & FP_ALL; }
/* Did the operation just done leave its register destination alone? */
static inline bool f80_suppressed(const struct fpu_regs *f) { return f80_pending(f) & FP_PRE; }
/* Did f80_from_f32() or f80_from_f64() just done? A denormal is loaded even when DE is unmasked. */
static inline bool f80_load_suppressed(const struct fpu_regs *f) { return f80_pending(f) & FP_IE; }
/* Did the conversion just done call off its store to memory? */
static inline bool f80_store_suppressed(const struct fpu_regs *f) { return f80_pending(f) & (FP_IE | FP_OE | FP_UE); }

/* FADD, FSUB (a - b), FMUL, FDIV (a / b), FSQRT; with precision control */
#define F80_BINARY(op)                                                                                                 \
    static inline void f80_##op(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {         \
        F80_HOST(f, host_f80_##op(f, d, a, b));                                                                        \
        soft_f80_##op(f, d, a, b);                                                                                     \
    }
#define F80_FAST_BINARY(op)                                                                                            \
    static __attribute__((noinline, unused)) void f80_##op##_other(struct fpu_regs *f, struct f80 *d,                  \
                                                                   const struct f80 *a, const struct f80 *b) {         \
        F80_HOST(f, host_f80_##op(f, d, a, b));                                                                        \
        soft_f80_##op(f, d, a, b);                                                                                     \
    }                                                                                                                  \
    FAST_INLINE void f80_##op(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {           \
        if (__builtin_expect(!fast_f80_##op(f, d, a, b), 0)) f80_##op##_other(f, d, a, b);                             \
    }
F80_FAST_BINARY(add)
F80_FAST_BINARY(sub)
F80_FAST_BINARY(mul)
F80_BINARY(div)
#undef F80_FAST_BINARY
#undef F80_BINARY
static inline void f80_sqrt(struct fpu_regs *f, struct f80 *d, const struct f80 *a) {
    F80_HOST(f, host_f80_sqrt(f, d, a));
    soft_f80_sqrt(f, d, a);
}

/* FCOM (quiet: FUCOM): C3, C2, C0 of the status word. f80_order() raises the same and returns the order, for FCOMI and
 * FUCOMI; C0, C2, C3 stay, C1 is cleared. */
enum fp_less soft_f80_order(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet);
static inline enum fp_less f80_order(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet) {
    static const uint8_t of_order[] = {FP_LESS, FP_EQUAL, FP_GREATER};
    int order;
    if (__builtin_expect(!fast_f80_order(a, b, &order), 0)) return soft_f80_order(f, a, b, quiet);
    f->fsw &= (uint16_t)~FSW_C1;
    return (enum fp_less)of_order[order + 1];
}
static inline void f80_compare(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet) {
    static const uint16_t codes[] = {FSW_C0, FSW_C3, 0};
    int order;
    if (__builtin_expect(fast_f80_order(a, b, &order), 1)) {
        f->fsw = (uint16_t)((f->fsw & ~FSW_CODE) | codes[order + 1]);
        return;
    }
    F80_HOST(f, host_f80_compare(f, a, b, quiet));
    soft_f80_compare(f, a, b, quiet);
}
/* FXAM: C3, C2, C1, C0 for a register that is not empty */
void f80_examine(struct fpu_regs *f, const struct f80 *a);

/* FRNDINT, FSCALE (a * 2^trunc(b)), FXTRACT (*exponent becomes the new ST(1), *significand the new ST(0)) */
static inline void f80_round(struct fpu_regs *f, struct f80 *d, const struct f80 *a) {
    F80_HOST(f, host_f80_round(f, d, a));
    soft_f80_round(f, d, a);
}
static inline void f80_scale(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    F80_HOST(f, host_f80_scale(f, d, a, b));
    soft_f80_scale(f, d, a, b);
}
void f80_extract(struct fpu_regs *f, struct f80 *exponent, struct f80 *significand, const struct f80 *a);
/* FPREM, FPREM1 (ieee): C2 when the reduction is partial, else C0, C3, C1 are the low bits of the quotient */
/* Without a quotient C0 and C3 stay as they are. How far a partial reduction goes is a processor's choice: the portable
 * code makes it for other than normal operands, on every host. */
static inline bool f80_is_ordinary(const struct f80 *a) {
    return a->sig >> 63 && (a->se & F80_MAX_EXP) - 1u < F80_MAX_EXP - 1u;
}
static inline void f80_prem(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b, bool ieee) {
    bool partial = (a->se & F80_MAX_EXP) - (b->se & F80_MAX_EXP) >= 64;
    if (f80_is_ordinary(a) && f80_is_ordinary(b) && !partial) {
        F80_HOST(f, host_f80_prem(f, d, a, b, ieee));
    }
    soft_f80_prem(f, d, a, b, ieee);
}

/* FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, in the order of their opcodes D9 E8 - D9 EE; rounded by RC */
struct f80 f80_constant(const struct fpu_regs *f, unsigned n);

/* Loads. FLD m32 and m64 raise IE and DE; FLD m80, FILD and FBLD raise nothing. */
static inline void f80_from_f32(struct fpu_regs *f, struct f80 *d, uint32_t a) {
    if (__builtin_expect(fast_f80_from_f32(f, d, a), 1)) return;
    F80_HOST(f, host_f80_from_f32(f, d, a));
    soft_f80_from_f32(f, d, a);
}
static inline void f80_from_f64(struct fpu_regs *f, struct f80 *d, uint64_t a) {
    if (__builtin_expect(fast_f80_from_f64(f, d, a), 1)) return;
    F80_HOST(f, host_f80_from_f64(f, d, a));
    soft_f80_from_f64(f, d, a);
}
struct f80 f80_from_int(int64_t a);
struct f80 f80_from_bcd(const uint8_t bcd[10]);

/* Stores */
static inline uint32_t f80_to_f32(struct fpu_regs *f, const struct f80 *a) {
    uint32_t v;
    if (__builtin_expect(fast_f80_to_f32(f, a, &v), 1)) return v;
    F80_HOST_VALUE(f, host_f80_to_f32(f, a));
    return soft_f80_to_f32(f, a);
}
static inline uint64_t f80_to_f64(struct fpu_regs *f, const struct f80 *a) {
    uint64_t v;
    if (__builtin_expect(fast_f80_to_f64(f, a, &v), 1)) return v;
    F80_HOST_VALUE(f, host_f80_to_f64(f, a));
    return soft_f80_to_f64(f, a);
}
/* FIST, FISTP, FISTTP (truncate) of `bits` 16, 32 or 64: sign-extended; the integer indefinite with IE */
static inline int64_t f80_to_int(struct fpu_regs *f, const struct f80 *a, unsigned bits, bool truncate) {
    F80_HOST_VALUE(f, host_f80_to_int(f, a, bits, truncate));
    return soft_f80_to_int(f, a, bits, truncate);
}
void f80_to_bcd(struct fpu_regs *f, uint8_t bcd[10], const struct f80 *a);

/* The transcendental instructions. On a host with an x87 unit its results; else, and with
 * f->host.portable_transcendentals, those of sim/fp/x87_trans.c, which may differ in the last bit. x is ST(0), y is
 * ST(1). fsin, fcos, fsincos and fptan set C2 and leave x as the result when |x| >= 2^63; then, and with an unmasked IE
 * or DE, nothing is to be pushed. */
#define F80_BINARY(op)                                                                                                 \
    static inline void f80_##op(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y) {         \
        F80_HOST_TRANS(f, host_f80_##op(f, d, y, x));                                                                  \
        soft_f80_##op(f, d, x, y);                                                                                     \
    }
#define F80_UNARY(op)                                                                                                  \
    static inline void f80_##op(struct fpu_regs *f, struct f80 *d, const struct f80 *x) {                              \
        F80_HOST_TRANS(f, host_f80_##op(f, d, x));                                                                     \
        soft_f80_##op(f, d, x);                                                                                        \
    }
F80_UNARY(f2xm1)
F80_UNARY(fsin)
F80_UNARY(fcos)
F80_BINARY(fyl2x)
F80_BINARY(fyl2xp1)
F80_BINARY(fpatan)
#undef F80_UNARY
#undef F80_BINARY
/* `under` takes the place of x, `pushed` is pushed: sine and cosine, tangent and 1.0; twice the NaN if it is one. */
static inline void f80_fsincos(struct fpu_regs *f, struct f80 *under, struct f80 *pushed, const struct f80 *x) {
    F80_HOST_TRANS(f, host_f80_fsincos(f, under, pushed, x));
    soft_f80_fsincos(f, under, pushed, x);
}
static inline void f80_fptan(struct fpu_regs *f, struct f80 *under, struct f80 *pushed, const struct f80 *x) {
    F80_HOST_TRANS(f, host_f80_fptan(f, under, pushed, x));
    soft_f80_fptan(f, under, pushed, x);
}

#endif
