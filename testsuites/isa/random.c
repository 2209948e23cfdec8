/* Random values: see random.h. */
#include "testsuites/isa/random.h"

#include <string.h>

uint64_t isa_rand(struct isa_random *r) { /* splitmix64 */
    uint64_t z = r->state += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

uint64_t isa_value(struct isa_random *r) {
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     0x7F,
                                     0x80,
                                     0xFF,
                                     0x7FFF,
                                     0x8000,
                                     0xFFFF,
                                     0x7FFFFFFF,
                                     0x80000000,
                                     0xFFFFFFFF,
                                     0x7FFFFFFFFFFFFFFF,
                                     0x8000000000000000};
    uint64_t v = isa_rand(r);
    switch (below(r, 6)) {
    case 0:
        return edges[below(r, sizeof edges / sizeof edges[0])];
    case 1:
        return 0 - edges[below(r, sizeof edges / sizeof edges[0])];
    case 2:
        return v >> below(r, 64);
    case 3:
        return (v & 0xFF) | v >> 32 << 32;
    default:
        return v;
    }
}

unsigned isa_element_size(enum isa_element e) {
    static const uint8_t sizes[EL_COUNT] = {1, 2, 4, 8, 2, 2, 4, 8, 10, 10};
    return sizes[e];
}

/* ---- floating point ---- */

struct format {
    uint8_t exp_bits, frac_bits; /* the fraction without an integer bit */
};
static const struct format formats[EL_COUNT] = {
    [EL_F16] = {5,  10},
      [EL_BF16] = {8,  7 },
      [EL_F32] = {8,  23},
      [EL_F64] = {11, 52},
      [EL_F80] = {15, 63}
};

/* The fraction: none, all, one bit at an end, few bits, anything */
static uint64_t fraction(struct isa_random *r, unsigned bits) {
    uint64_t all = (1ull << bits) - 1, v = isa_rand(r);
    switch (v >> 60 & 7) {
    case 0:
        return 0;
    case 1:
        return all;
    case 2:
        return 1ull << (v % bits);
    case 3:
        return all & ~(1ull << (v % bits));
    case 4: /* short: exact results, ties */
        return (v << (bits * (4 + (v >> 40 & 3)) / 8)) & all;
    default:
        return v & all;
    }
}

/* Biased exponent: mostly such that two values can meet in an addition, then the ends of the range */
static uint64_t exponent(struct isa_random *r, unsigned bits) {
    uint64_t max = (1ull << bits) - 1, bias = max >> 1, v = isa_rand(r);
    unsigned near = bits == 5 ? 8 : 70;
    switch (v >> 60) {
    case 0:
        return 0;
    case 1:
        return max;
    case 2:
        return 1 + (v & 3);
    case 3:
        return max - 1 - (v & 3);
    case 4: /* where products leave the range */
        return (v & 1 ? bias / 2 : bias + bias / 2) + (v >> 8 & 15) - 8;
    case 5:
    case 6:
        return v % (max + 1);
    case 7:
    case 8:
    case 9:
        return bias + (v >> 8 & 7) - 4;
    default:
        return bias + v % near - near / 2;
    }
}

static uint64_t binary(struct isa_random *r, const struct format *f) {
    uint64_t e = exponent(r, f->exp_bits) & ((1u << f->exp_bits) - 1), frac = fraction(r, f->frac_bits),
             sign = isa_rand(r) & 1;
    return sign << (f->exp_bits + f->frac_bits) | e << f->frac_bits | frac;
}

/* Now and then without the integer bit: unnormals, pseudo-infinities; pseudo-denormals */
static void extended(struct isa_random *r, uint8_t *to) {
    const struct format *f = &formats[EL_F80];
    uint64_t e = exponent(r, f->exp_bits) & ((1u << f->exp_bits) - 1), sig = fraction(r, f->frac_bits);
    bool integer = e != 0;
    if (one_in(r, 12)) integer = !integer;
    if (one_in(r, 40)) e = sig = 0, integer = false;
    sig |= (uint64_t)integer << 63;
    e |= (isa_rand(r) & 1) << 15;
    memcpy(to, &sig, 8);
    memcpy(to + 8, &e, 2);
}

static void packed_bcd(struct isa_random *r, uint8_t *to) {
    unsigned digits = below(r, 19);
    for (unsigned k = 0; k < 9; k++) {
        unsigned low = 2 * k < digits ? below(r, 10) : 0, high = 2 * k + 1 < digits ? below(r, 10) : 0;
        to[k] = (uint8_t)(low | high << 4);
    }
    to[9] = isa_rand(r) & 1 ? 0x80 : 0;
}

/* ---- elements ---- */

static uint64_t small_integer(struct isa_random *r, unsigned bits) {
    uint64_t v = isa_rand(r), top = 1ull << (bits - 1);
    switch (v >> 60) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return top;
    case 3:
        return top - 1;
    case 4:
        return v & 15;
    case 5:
        return top + (v & 7);
    case 6:
        return 0 - (v & 15);
    case 7:
        return 1ull << (v % bits);
    case 8:
        return v >> (v & 63);
    default:
        return v;
    }
}

static void one_element(struct isa_random *r, enum isa_element e, uint8_t *to) {
    uint64_t v;
    if (e == EL_F80) return extended(r, to);
    if (e == EL_BCD) return packed_bcd(r, to);
    v = formats[e].exp_bits ? binary(r, &formats[e]) : small_integer(r, 8 * isa_element_size(e));
    memcpy(to, &v, isa_element_size(e));
}

/* The same, the negative, or a neighbour */
static void related(struct isa_random *r, uint8_t *to, const uint8_t *other, unsigned size) {
    uint64_t v = isa_rand(r);
    memcpy(to, other, size);
    if (v & 1) to[size - 1] ^= 0x80;
    if (v & 2) to[0] ^= (uint8_t)(1 + (v >> 8 & 3));
}

void isa_elements(struct isa_random *r, enum isa_element e, uint8_t *to, unsigned bytes, const uint8_t *other) {
    unsigned size = isa_element_size(e), at = 0;
    for (; at + size <= bytes; at += size) {
        if (other && one_in(r, 8))
            related(r, to + at, other + at, size);
        else
            one_element(r, e, to + at);
    }
    for (; at < bytes; at++) to[at] = (uint8_t)isa_rand(r);
}
