/* Exact arithmetic on numbers of any format, and rounding them. */
#include "sim/fp/number.h"

u128 shift_right_jam(u128 v, int32_t count) {
    if (count <= 0) return v;
    if (count > 127) return v != 0;
    return v >> count | ((v & (((u128)1 << count) - 1)) != 0);
}

void number_normalise(struct number *r, bool sign, u128 sig, int32_t exp_of_top) {
    int shift = NUM_TOP - (int)top_bit(sig);
    *r = (struct number){
        .class = NUM_FINITE,
        .sign = sign,
        .exp = exp_of_top - shift,
        .sig = shift < 0 ? shift_right_jam(sig, -shift) : sig << shift,
    };
}

static struct number zero(bool sign) { return (struct number){.class = NUM_ZERO, .sign = sign}; }
static struct number infinity(bool sign) { return (struct number){.class = NUM_INF, .sign = sign}; }

int number_compare_magnitude(const struct number *a, const struct number *b) {
    if (a->class != b->class || a->class != NUM_FINITE) return (a->class > b->class) - (a->class < b->class);
    if (a->exp != b->exp) return a->exp < b->exp ? -1 : 1;
    return (a->sig > b->sig) - (a->sig < b->sig);
}

int number_compare(const struct number *a, const struct number *b) {
    if (a->class == NUM_ZERO && b->class == NUM_ZERO) return 0;
    if (a->class == NUM_ZERO) return b->sign ? 1 : -1;
    if (b->class == NUM_ZERO) return a->sign ? -1 : 1;
    if (a->sign != b->sign) return a->sign ? -1 : 1;
    int c = number_compare_magnitude(a, b);
    return a->sign ? -c : c;
}

unsigned number_add(struct number *r, const struct number *a, const struct number *b, enum fp_rc rc) {
    if (a->class == NUM_INF || b->class == NUM_INF) {
        if (a->class == b->class && a->sign != b->sign) return FP_IE;
        *r = a->class == NUM_INF ? *a : *b;
        return 0;
    }
    int order = number_compare_magnitude(a, b);
    if (a->sign != b->sign && order == 0) {
        *r = zero(rc == FP_DOWN);
        return 0;
    }
    const struct number *big = order >= 0 ? a : b, *small = order >= 0 ? b : a;
    *r = *big;
    if (small->class == NUM_ZERO) return 0;
    u128 low = shift_right_jam(small->sig, big->exp - small->exp);
    number_normalise(r, big->sign, a->sign == b->sign ? big->sig + low : big->sig - low, big->exp);
    return 0;
}

/* Operands have at most 64 digits: the product is exact but for the lowest bit of 128, which only two factors of 64
 * digits reach. */
unsigned number_mul(struct number *r, const struct number *a, const struct number *b) {
    bool sign = a->sign ^ b->sign;
    if (a->class == NUM_INF || b->class == NUM_INF) {
        if (a->class == NUM_ZERO || b->class == NUM_ZERO) return FP_IE;
        *r = infinity(sign);
    } else if (a->class == NUM_ZERO || b->class == NUM_ZERO)
        *r = zero(sign);
    else
        number_normalise(r, sign, (u128)(uint64_t)(a->sig >> 63) * (uint64_t)(b->sig >> 63), a->exp + b->exp);
    return 0;
}

unsigned number_div(struct number *r, const struct number *a, const struct number *b) {
    bool sign = a->sign ^ b->sign;
    if (a->class == b->class && a->class != NUM_FINITE) return FP_IE;
    *r = a->class == NUM_INF || b->class == NUM_ZERO ? infinity(sign) : zero(sign);
    if (b->class == NUM_ZERO) return a->class == NUM_INF ? 0 : FP_ZE;
    if (a->class != NUM_FINITE || b->class != NUM_FINITE) return 0;
    /* 32 quotient bits more than the 64 or 65 of the first step, and a sticky bit */
    u128 n = a->sig >> 63 << 64, d = b->sig >> 63;
    u128 q = n / d, rest = n % d << 32;
    q = q << 32 | rest / d;
    number_normalise(r, sign, q << 1 | (rest % d != 0), a->exp - b->exp + NUM_TOP - 97);
    return 0;
}

/* Digit by digit: 66 bits of the root and a sticky bit. */
unsigned number_sqrt(struct number *r, const struct number *a) {
    *r = *a;
    if (a->class == NUM_ZERO) return 0;
    if (a->sign) return FP_IE;
    if (a->class == NUM_INF) return 0;
    bool odd = a->exp & 1;
    u128 rest = 0, root = 0, sig = a->sig << (odd ? 1 : 0); /* a radicand below 4, two bits before the point */
    for (int k = 0; k < 66; k++) {
        rest = rest << 2 | sig >> 126;
        sig <<= 2;
        u128 trial = root << 2 | 1;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    number_normalise(r, false, root << 1 | (rest != 0 || sig != 0), (a->exp - odd) / 2 + NUM_TOP - 66);
    return 0;
}

u128 round_bits(u128 sig, unsigned drop, bool sign, enum fp_rc rc, bool *inexact, bool *up) {
    u128 kept = sig >> drop, low = sig & (((u128)1 << drop) - 1), half = drop ? (u128)1 << (drop - 1) : 0;
    *inexact = low != 0;
    switch (rc) {
    case FP_NEAREST:
        *up = low > half || (low == half && low && (kept & 1));
        break;
    case FP_DOWN:
        *up = sign && low;
        break;
    case FP_UP:
        *up = !sign && low;
        break;
    default:
        *up = false;
        break;
    }
    return kept + *up;
}

static struct rounded overflow(struct rounding *r, bool sign) {
    r->flags |= FP_OE | FP_PE;
    r->up = r->rc == FP_NEAREST || r->rc == (sign ? FP_DOWN : FP_UP);
    if (r->up) return (struct rounded){.sig = 1ull << 63, .biased = 2 * r->to.emax + 1};
    return (struct rounded){.sig = ~0ull << (64 - r->digits), .biased = 2 * r->to.emax};
}

struct rounded number_round(struct rounding *r, const struct number *n) {
    unsigned drop = NUM_TOP + 1 - r->digits;
    bool inexact;
    u128 sig = round_bits(n->sig, drop, n->sign, (enum fp_rc)r->rc, &inexact, &r->up);
    int32_t exp = n->exp, emin = 1 - r->to.emax;
    if (sig >> r->digits) {
        sig >>= 1;
        exp++;
    }
    bool tiny = exp<emin, huge = exp> r->to.emax;
    if (huge && !(r->unmasked & FP_OE)) return overflow(r, n->sign);
    if (tiny && !(r->unmasked & FP_UE)) {
        if (r->ftz) {
            r->flags |= FP_UE | FP_PE;
            return (struct rounded){0};
        }
        sig = round_bits(shift_right_jam(n->sig, emin - n->exp), drop, n->sign, (enum fp_rc)r->rc, &inexact, &r->up);
        r->flags |= inexact ? FP_UE | FP_PE : 0;
        return (struct rounded){.sig = (uint64_t)(sig << (64 - r->digits)), .biased = (int)(sig >> (r->digits - 1))};
    }
    r->flags |= (inexact ? FP_PE : 0) | (huge ? FP_OE : 0) | (tiny ? FP_UE : 0);
    if (huge | tiny) exp += r->wrap ? (huge ? -EXPONENT_WRAP : EXPONENT_WRAP) : 0;
    return (struct rounded){.sig = (uint64_t)sig << (64 - r->digits), .biased = exp + r->to.emax};
}

u128 number_to_integer(const struct number *n, enum fp_rc rc, bool *inexact, bool *up) {
    *inexact = *up = false;
    if (n->class == NUM_ZERO) return 0;
    if (n->exp >= NUM_TOP) return ~(u128)0 >> 1;
    u128 sig = n->exp < -1 ? 1 : n->sig; /* less than a half: any tiny amount */
    return round_bits(sig, (unsigned)(NUM_TOP - (n->exp < -1 ? -1 : n->exp)), n->sign, rc, inexact, up);
}

void number_from_integer(struct number *r, bool sign, uint64_t magnitude) {
    if (magnitude)
        number_normalise(r, sign, magnitude, NUM_TOP);
    else
        *r = zero(false);
}
