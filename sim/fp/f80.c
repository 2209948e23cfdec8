/* x87: rounding, scaling, remainders, constants, integers and packed BCD. SDM 2, the instructions' pages. */
#include "sim/fp/x87.h"

static enum fp_rc mode(const struct fpu_regs *f) { return (enum fp_rc)(f->fcw >> FCW_RC_SHIFT & 3); }
static void clear_c1(struct fpu_regs *f) { f->fsw &= (uint16_t)~FSW_C1; }

void soft_f80_round(struct fpu_regs *f, struct f80 *d, const struct f80 *a) {
    struct number n = unpack_f80(a);
    clear_c1(f);
    if (x87_special(f, d, &n, 1)) return;
    if (!x87_raise(f, n.denormal ? FP_DE : 0)) return;
    if (n.class != NUM_FINITE || n.exp >= 63) {
        *d = *a;
        return;
    }
    bool inexact, up, sign = n.sign;
    u128 v = number_to_integer(&n, mode(f), &inexact, &up);
    number_from_integer(&n, sign, (uint64_t)v);
    n.sign = sign;
    f->fsw |= (inexact ? FP_PE : 0) | (up ? FSW_C1 : 0);
    *d = x87_pack(f, &n, false);
}

/* Beyond this every scale overflows or underflows, even with a biased exponent. */
#define SCALE_LIMIT 0x10000

/* The result is too large or too small even with a biased exponent, and that is not masked: infinity or zero, whatever
 * RC says. SDM 2, FSCALE */
static bool massive(struct fpu_regs *f, struct f80 *d, const struct number *r) {
    if (r->class != NUM_FINITE) return false;
    bool over = r->exp > F80_BIAS + EXPONENT_WRAP, under = r->exp < 1 - F80_BIAS - EXPONENT_WRAP;
    if (!(over && !(f->fcw & FP_OE)) && !(under && !(f->fcw & FP_UE))) return false;
    f->fsw |= over ? FP_OE | FP_PE | FSW_C1 : FP_UE | FP_PE;
    *d = (struct f80){.se = (r->sign ? F80_SIGN : 0) | (over ? F80_MAX_EXP : 0), .sig = over ? F80_INTEGER : 0};
    return true;
}

void soft_f80_scale(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    struct number n[2] = {unpack_f80(a), unpack_f80(b)}, r = n[0];
    clear_c1(f);
    if (x87_special(f, d, n, 2)) return;
    unsigned raised = 0;
    if (n[1].class == NUM_INF) {
        if (n[0].class == (n[1].sign ? NUM_INF : NUM_ZERO))
            raised = FP_IE;
        else
            r = (struct number){.class = n[1].sign ? NUM_ZERO : NUM_INF, .sign = n[0].sign};
    } else if (n[0].class == NUM_FINITE) {
        bool inexact, up;
        u128 by = number_to_integer(&n[1], FP_ZERO, &inexact, &up);
        int32_t scale = by < SCALE_LIMIT ? (int32_t)by : SCALE_LIMIT;
        r.exp += n[1].sign ? -scale : scale;
    }
    if (!raised && !x87_raise(f, n[0].denormal || n[1].denormal ? FP_DE : 0)) return;
    if (!raised && massive(f, d, &r)) return;
    x87_finish(f, d, raised, n, 2, &r, false);
}

void f80_extract(struct fpu_regs *f, struct f80 *exponent, struct f80 *significand, const struct f80 *a) {
    struct number n = unpack_f80(a), e = n;
    struct f80 nan;
    clear_c1(f);
    if (is_nan(&n) || n.class == NUM_UNSUPPORTED) {
        x87_special(f, &nan, &n, 1);
        if (!f80_suppressed(f)) *exponent = *significand = nan;
        return;
    }
    if (!x87_raise(f, n.class == NUM_ZERO ? FP_ZE : n.denormal ? FP_DE : 0)) return;
    e = (struct number){.class = NUM_INF, .sign = n.class == NUM_ZERO};
    if (n.class == NUM_FINITE) {
        number_from_integer(&e, n.exp < 0, (uint64_t)(n.exp < 0 ? -n.exp : n.exp));
        n.exp = 0;
    }
    *exponent = x87_pack(f, &e, false);
    *significand = x87_pack(f, &n, false);
}

/* sig_a * 2^bits mod sig_b (64-digit significands), and the low bits of the quotient */
static uint64_t long_division(uint64_t a, uint64_t b, int bits, unsigned *quotient) {
    u128 rest = a;
    *quotient = 0;
    for (int k = 0; k <= bits; k++) {
        if (k) rest <<= 1;
        bool one = rest >= b;
        if (one) rest -= b;
        *quotient = *quotient << 1 | one;
    }
    return (uint64_t)rest;
}

/* The bits of the quotient that a partial reduction develops: between 32 and 63, as processors do it. */
static int partial_bits(int difference) { return 32 + (difference & 31); }

/* FPREM1: the quotient is rounded to nearest; `half` compares the rest with half the divisor. */
static void round_quotient(uint64_t *rest, uint64_t b, unsigned *quotient, bool *sign) {
    uint64_t other = b - *rest;
    if (*rest < other || (*rest == other && !(*quotient & 1))) return;
    *rest = other;
    *sign = !*sign;
    ++*quotient;
}

static void remainder_of(struct fpu_regs *f, struct number *r, const struct number *a, const struct number *b,
                         bool ieee) {
    uint64_t sa = (uint64_t)(a->sig >> 63), sb = (uint64_t)(b->sig >> 63);
    int difference = a->exp - b->exp;
    unsigned quotient = 0;
    uint64_t rest = sa;
    int exp = b->exp;
    bool sign = a->sign;
    *r = *a;
    if (difference < -1 || (difference < 0 && !ieee)) return;
    if (difference >= 64) {
        int bits = partial_bits(difference);
        rest = long_division(sa, sb, bits, &quotient);
        exp = a->exp - bits;
        f->fsw |= FSW_C2;
    } else if (difference < 0) { /* less than the divisor, perhaps more than half of it: compare at twice the scale */
        u128 twice = (u128)sb << 1;
        if (sa <= sb) return;
        rest = (uint64_t)(twice - sa);
        exp = a->exp;
        sign = !sign;
        quotient = 1;
    } else {
        rest = long_division(sa, sb, difference, &quotient);
        if (ieee) round_quotient(&rest, sb, &quotient, &sign);
    }
    if (!(f->fsw & FSW_C2))
        f->fsw |= (quotient & 4 ? FSW_C0 : 0) | (quotient & 2 ? FSW_C3 : 0) | (quotient & 1 ? FSW_C1 : 0);
    if (rest)
        number_normalise(r, sign, (u128)rest << 63, exp);
    else
        *r = (struct number){.class = NUM_ZERO, .sign = a->sign};
}

void soft_f80_prem(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b, bool ieee) {
    struct number n[2] = {unpack_f80(a), unpack_f80(b)}, r = n[0];
    f->fsw &= (uint16_t) ~(FSW_C1 | FSW_C2); /* without a quotient C0 and C3 stay */
    if (x87_special(f, d, n, 2)) return;
    unsigned raised = n[0].class == NUM_INF || n[1].class == NUM_ZERO ? FP_IE : 0;
    if (!raised && (n[0].denormal || n[1].denormal)) raised = FP_DE;
    if (!x87_raise(f, raised)) return;
    if (!(raised & FP_IE)) f->fsw &= (uint16_t)~FSW_CODE;
    if (!(raised & FP_IE) && n[0].class == NUM_FINITE && n[1].class == NUM_FINITE)
        remainder_of(f, &r, &n[0], &n[1], ieee);
    x87_finish(f, d, raised & FP_IE, n, 2, &r, false);
}

void f80_examine(struct fpu_regs *f, const struct f80 *a) {
    static const uint16_t codes[] = {
        [NUM_ZERO] = FSW_C3, [NUM_FINITE] = FSW_C2, [NUM_INF] = FSW_C2 | FSW_C0,
        [NUM_QNAN] = FSW_C0, [NUM_SNAN] = FSW_C0,   [NUM_UNSUPPORTED] = 0,
    };
    struct number n = unpack_f80(a);
    uint16_t code = n.denormal ? FSW_C3 | FSW_C2 : codes[n.class];
    f->fsw = (uint16_t)((f->fsw & ~FSW_CODE) | code | (n.sign ? FSW_C1 : 0));
}

struct f80 f80_constant(const struct fpu_regs *f, unsigned n) {
    static const struct {
        uint64_t sig; /* truncated */
        uint16_t se;
        bool exact, up; /* up: nearest is the next higher */
    } constants[7] = {
        {0x8000000000000000, 0x3FFF, true,  false},
        {0xD49A784BCD1B8AFE, 0x4000, false, false},
        {0xB8AA3B295C17F0BB, 0x3FFF, false, true },
        {0xC90FDAA22168C234, 0x4000, false, true },
        {0x9A209A84FBCFF798, 0x3FFD, false, true },
        {0xB17217F7D1CF79AB, 0x3FFE, false, true },
        {0x0000000000000000, 0x0000, true,  false},
    };
    enum fp_rc rc = mode(f);
    bool up = (rc == FP_NEAREST && constants[n].up) || (rc == FP_UP && !constants[n].exact);
    return (struct f80){.sig = constants[n].sig + up, .se = constants[n].se};
}

struct f80 f80_from_int(int64_t a) {
    if (a == 0) return (struct f80){0};
    uint64_t magnitude = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    unsigned shift = (unsigned)__builtin_clzll(magnitude);
    return (struct f80){.sig = magnitude << shift, .se = (uint16_t)(F80_BIAS + 63 - shift) | (a < 0 ? F80_SIGN : 0)};
}

/* Rounded to an integer of magnitude at most `limit` (`limit` + 1 for negative ones when allowed); false: IE */
static bool to_integer(struct fpu_regs *f, const struct f80 *a, enum fp_rc rc, uint64_t limit, bool asymmetric,
                       bool *sign, uint64_t *magnitude) {
    struct number n = unpack_f80(a);
    bool inexact, up;
    clear_c1(f);
    *sign = n.sign;
    u128 v = ~(u128)0;
    if (n.class == NUM_ZERO || n.class == NUM_FINITE) v = number_to_integer(&n, rc, &inexact, &up);
    if (v > (u128)limit + (n.sign && asymmetric)) {
        f->fsw |= FP_IE;
        return false;
    }
    f->fsw |= (inexact ? FP_PE : 0) | (up ? FSW_C1 : 0);
    *magnitude = (uint64_t)v;
    return true;
}

int64_t soft_f80_to_int(struct fpu_regs *f, const struct f80 *a, unsigned bits, bool truncate) {
    bool sign;
    uint64_t v, top = 1ull << (bits - 1);
    if (!to_integer(f, a, truncate ? FP_ZERO : mode(f), top - 1, true, &sign, &v)) return -(int64_t)(top - 1) - 1;
    return (int64_t)(sign ? 0 - v : v);
}

/* Eighteen digits, two to a byte, and a sign byte. SDM 1 "BCD and Packed BCD Integers" */
struct f80 f80_from_bcd(const uint8_t bcd[10]) {
    int64_t v = 0;
    for (int k = 8; k >= 0; k--) v = v * 100 + (bcd[k] >> 4) * 10 + (bcd[k] & 15);
    struct f80 r = f80_from_int(v);
    if (bcd[9] & 0x80) r.se |= F80_SIGN;
    return r;
}

void f80_to_bcd(struct fpu_regs *f, uint8_t bcd[10], const struct f80 *a) {
    bool sign;
    uint64_t v;
    if (!to_integer(f, a, mode(f), 999999999999999999ull, false, &sign, &v)) {
        for (unsigned k = 0; k < 10; k++) bcd[k] = k < 7 ? 0 : k == 7 ? 0xC0 : 0xFF;
        return;
    }
    for (unsigned k = 0; k < 9; k++, v /= 100) bcd[k] = (uint8_t)(v % 10 | v / 10 % 10 << 4);
    bcd[9] = sign ? 0x80 : 0;
}
