/* The frequent cases of x87 arithmetic on plain integers: normal operands and result, round to nearest even, 64-bit
 * precision. Loading an operand into the host's x87 unit and storing the result takes longer. Each function does
 * nothing and returns false in any other case; PE and C1 are all that can change in FSW, as f80.h says. */
#ifndef HVSIM_FP_FAST_F80_H
#define HVSIM_FP_FAST_F80_H

#include "sim/core/fpstate.h"
#include "sim/fp/env.h"

#define FAST_BIAS    0x3FFF
#define FAST_MAX_EXP 0x7FFFu
#define FAST_SIGN    0x8000u
#define FAST_INLINE  static inline __attribute__((always_inline))

typedef unsigned __int128 fast_u128;

FAST_INLINE bool fast_mode(const struct fpu_regs *f) { return (f->fcw & (FCW_PC | FCW_RC)) == FCW_PC; }
FAST_INLINE bool fast_normal(const struct f80 *a) {
    return a->sig >> 63 && (a->se & FAST_MAX_EXP) - 1u < FAST_MAX_EXP - 1u;
}
FAST_INLINE void fast_status(struct fpu_regs *f, unsigned inexact, unsigned up) {
    f->fsw = (uint16_t)((f->fsw & ~FSW_C1) | inexact * FSW_PE | up * FSW_C1);
}

/* Is a number whose last digit kept is that of `kept` rounded up, when the digits of `rest` are dropped? What depends
 * on the data alone is computed without branches: they would be guessed wrong half the time. */
FAST_INLINE unsigned fast_round_up(uint64_t kept, uint64_t rest) {
    return (unsigned)(rest >> 63) & ((unsigned)((rest << 1) != 0) | (unsigned)(kept & 1));
}

/* Rounds the 64 digits `low` away from `high`, whose first digit is set. */
FAST_INLINE bool fast_deliver(struct fpu_regs *f, struct f80 *d, unsigned sign, unsigned exp, uint64_t high,
                              uint64_t low) {
    const unsigned up = fast_round_up(high, low);
    uint64_t sig = high + up;
    if (__builtin_expect(sig < high, 0)) { /* all ones became 1.0 of the next exponent */
        sig = 1ull << 63;
        exp++;
    }
    if (__builtin_expect(exp - 1u >= FAST_MAX_EXP - 1u, 0)) return false;
    fast_status(f, low != 0, up);
    d->sig = sig;
    d->se = (uint16_t)(sign | exp);
    return true;
}

FAST_INLINE bool fast_f80_mul(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    if (!fast_mode(f) || !fast_normal(a) || !fast_normal(b)) return false;
    const fast_u128 product = (fast_u128)a->sig * b->sig;
    const uint64_t top = (uint64_t)(product >> 64), low = (uint64_t)product;
    const unsigned shift = 1 - (unsigned)(top >> 63);
    const unsigned exp = (a->se & FAST_MAX_EXP) + (b->se & FAST_MAX_EXP) - FAST_BIAS + 1 - shift;
    return fast_deliver(f, d, (a->se ^ b->se) & FAST_SIGN, exp, top << shift | (low >> 63 & shift), low << shift);
}

FAST_INLINE void fast_exchange(uint64_t *a, uint64_t *b, uint64_t mask) {
    const uint64_t x = (*a ^ *b) & mask;
    *a ^= x;
    *b ^= x;
}

/* a + b, the sign of b changed by `negate`. */
FAST_INLINE bool fast_f80_sum(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b,
                              unsigned negate) {
    if (!fast_mode(f) || !fast_normal(a) || !fast_normal(b)) return false;
    /* the larger one first */
    uint64_t large = a->sig, small = b->sig, sl = a->se, ss = b->se ^ negate;
    const uint64_t el = sl & FAST_MAX_EXP, es = ss & FAST_MAX_EXP;
    const uint64_t swap = 0 - (uint64_t)((el < es) | ((el == es) & (large < small)));
    fast_exchange(&large, &small, swap);
    fast_exchange(&sl, &ss, swap);
    const unsigned exp = sl & FAST_MAX_EXP, shift = exp - (ss & FAST_MAX_EXP);
    if (shift > 62) return false;                             /* the smaller one only rounds: not frequent */
    const fast_u128 part = ((fast_u128)small << 63) >> shift; /* exact: 63 digits of room */
    const fast_u128 minus = 0 - (fast_u128)((sl ^ ss) >> 15 & 1);
    fast_u128 wide = ((fast_u128)large << 63) + (part ^ minus) - minus;
    const uint64_t top = (uint64_t)(wide >> 64);
    if (__builtin_expect(!top, 0)) return false; /* nearly equal: not frequent */
    const unsigned zeros = (unsigned)__builtin_clzll(top);
    wide <<= zeros;
    return fast_deliver(f, d, sl & FAST_SIGN, exp + 1 - zeros, (uint64_t)(wide >> 64), (uint64_t)wide);
}
FAST_INLINE bool fast_f80_add(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    return fast_f80_sum(f, d, a, b, 0);
}
FAST_INLINE bool fast_f80_sub(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    return fast_f80_sum(f, d, a, b, FAST_SIGN);
}
/* -1, 0, 1 as a is below, equal, above b */
FAST_INLINE bool fast_f80_order(const struct f80 *a, const struct f80 *b, int *order) {
    if (!fast_normal(a) || !fast_normal(b)) return false;
    const int sa = a->se >> 15, sb = b->se >> 15;
    if (sa != sb) {
        *order = sb - sa;
        return true;
    }
    const bool above = a->se != b->se ? a->se > b->se : a->sig > b->sig;
    const bool equal = a->se == b->se && a->sig == b->sig;
    *order = equal ? 0 : above != sa ? 1 : -1;
    return true;
}

/* Normal values and zeros. */
FAST_INLINE bool fast_f80_widen(struct fpu_regs *f, struct f80 *d, unsigned sign, unsigned exp, unsigned max,
                                uint64_t frac) {
    if (exp - 1u >= max - 1u && (exp | frac)) return false;
    d->sig = exp ? frac | 1ull << 63 : 0;
    d->se = (uint16_t)(sign << 15 | (exp ? exp + FAST_BIAS - (max >> 1) : 0));
    fast_status(f, 0, 0);
    return true;
}
FAST_INLINE bool fast_f80_from_f32(struct fpu_regs *f, struct f80 *d, uint32_t v) {
    return fast_f80_widen(f, d, v >> 31, v >> 23 & 0xFF, 0xFF, (uint64_t)(v & 0x7FFFFF) << 40);
}
FAST_INLINE bool fast_f80_from_f64(struct fpu_regs *f, struct f80 *d, uint64_t v) {
    return fast_f80_widen(f, d, (unsigned)(v >> 63), v >> 52 & 0x7FF, 0x7FF, (v & 0xFFFFFFFFFFFFFull) << 11);
}

/* To a format of `digits` significant ones and the exponent bias `bias`; round to nearest only. */
FAST_INLINE bool fast_f80_narrow(struct fpu_regs *f, const struct f80 *a, unsigned digits, int bias, uint64_t *v) {
    if (f->fcw & FCW_RC || !(a->sig >> 63)) return false;
    const unsigned drop = 64 - digits;
    const uint64_t rest = a->sig << digits, kept = a->sig >> drop;
    const unsigned up = fast_round_up(kept, rest);
    const int exp = (a->se & (int)FAST_MAX_EXP) - FAST_BIAS + bias;
    if (exp < 1 || exp >= 2 * bias) return false; /* rounding may reach 2 * bias, the highest finite exponent */
    fast_status(f, rest != 0, up);
    /* the first digit adds 1 to the exponent, a carry out of the others another */
    *v = ((uint64_t)(exp - 1) << (digits - 1)) + kept + up;
    return true;
}
FAST_INLINE bool fast_f80_to_f32(struct fpu_regs *f, const struct f80 *a, uint32_t *v) {
    uint64_t wide;
    if (!fast_f80_narrow(f, a, 24, 127, &wide)) return false;
    *v = (uint32_t)((a->se & FAST_SIGN) << 16 | wide);
    return true;
}
FAST_INLINE bool fast_f80_to_f64(struct fpu_regs *f, const struct f80 *a, uint64_t *v) {
    uint64_t wide;
    if (!fast_f80_narrow(f, a, 53, 1023, &wide)) return false;
    *v = (uint64_t)(a->se & FAST_SIGN) << 48 | wide;
    return true;
}

#endif
