/* Numbers of any binary format taken apart, and exact arithmetic on them; private to sim/fp. */
#ifndef HVSIM_FP_NUMBER_H
#define HVSIM_FP_NUMBER_H

#include "sim/core/fpstate.h"
#include "sim/fp/soft.h"

typedef unsigned __int128 u128;

enum number_class { NUM_ZERO, NUM_FINITE, NUM_INF, NUM_QNAN, NUM_SNAN, NUM_UNSUPPORTED /* x87 */ };

/* A finite number is (-1)^sign * sig / 2^126 * 2^exp with bit 126 the highest bit of sig; the lowest bit is sticky: set
 * when anything that was shifted out was not 0. A NaN has its significand there, too, to move between formats. */
struct number {
    u128 sig;
    int32_t exp;
    bool sign;
    uint8_t class;
    bool denormal; /* came from a denormal encoding */
};
#define NUM_TOP 126

/* A format: digits of the significand with the integer bit, and largest exponent. */
struct layout {
    uint8_t digits, width;
    int16_t emax;
};
extern const struct layout layouts[]; /* by enum fp_format */
extern const struct layout layout_f80;

static inline bool is_nan(const struct number *n) { return n->class == NUM_QNAN || n->class == NUM_SNAN; }

/* ---- encoding ---- */
struct number unpack(enum fp_format f, uint64_t bits);
struct number unpack_f80(const struct f80 *a);
uint64_t pack_nan(enum fp_format f, const struct number *n); /* quieted */
uint64_t pack_inf(enum fp_format f, bool sign);
uint64_t pack_zero(enum fp_format f, bool sign);
uint64_t pack_indefinite(enum fp_format f);

/* ---- rounding ---- */
struct rounding {
    struct layout to;
    uint8_t digits;   /* to round to: to.digits, or less with x87 precision control */
    uint8_t rc;       /* enum fp_rc */
    uint8_t unmasked; /* exceptions */
    bool ftz;         /* tiny results become 0, unless UE is unmasked */
    bool wrap;        /* unmasked overflow and underflow give a biased exponent (x87 register destinations) */
    uint8_t flags;    /* raised, out */
    bool up;          /* magnitude was rounded up, out */
};
/* What is taken from or added to the exponent of a register's result when it is out of range and that is not masked.
 * SDM 1 "Numeric Overflow Exception (#O)", "Numeric Underflow Exception (#U)" */
#define EXPONENT_WRAP 24576
/* The rounded significand with the integer bit in bit 63, and the biased exponent; sig 0: zero. */
struct rounded {
    uint64_t sig;
    int32_t biased;
};
struct rounded number_round(struct rounding *r, const struct number *n);
/* A result of any class, rounded and packed for environment `e`, which gets the flags. */
uint64_t number_pack(struct fp_env *e, enum fp_format f, const struct number *n);
uint64_t number_pack_up(struct fp_env *e, enum fp_format f, const struct number *n, bool *up); /* says r.up, too */
/* An operand; a denormal is 0 under DAZ. */
struct number number_operand(const struct fp_env *e, enum fp_format f, uint64_t bits);
/* Bits of sig below `drop` rounded away, the rest shifted down. */
u128 round_bits(u128 sig, unsigned drop, bool sign, enum fp_rc rc, bool *inexact, bool *up);

/* ---- arithmetic: no NaN operands; returns 0, FP_IE (no result) or FP_ZE (infinity in *r) ---- */
unsigned number_add(struct number *r, const struct number *a, const struct number *b, enum fp_rc rc);
unsigned number_mul(struct number *r, const struct number *a, const struct number *b);
unsigned number_div(struct number *r, const struct number *a, const struct number *b);
unsigned number_sqrt(struct number *r, const struct number *a);

/* *r = sig * 2^exp0, normalised; sig is not 0 and its lowest bit is sticky. */
void number_normalise(struct number *r, bool sign, u128 sig, int32_t exp_of_top);
u128 shift_right_jam(u128 v, int32_t count);
/* -1, 0, 1 as a < b, a = b, a > b; no NaNs */
int number_compare(const struct number *a, const struct number *b);
int number_compare_magnitude(const struct number *a, const struct number *b);
/* The integral value of |n| rounded with its sign under `rc`; saturates at 2^127 - 1. */
u128 number_to_integer(const struct number *n, enum fp_rc rc, bool *inexact, bool *up);
void number_from_integer(struct number *r, bool sign, uint64_t magnitude);

static inline unsigned top_bit(u128 v) {
    uint64_t high = (uint64_t)(v >> 64);
    return high ? 127 - (unsigned)__builtin_clzll(high) : 63 - (unsigned)__builtin_clzll((uint64_t)v);
}

#endif
