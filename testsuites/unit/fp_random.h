/* Random operands that meet the corners of a binary format: NaNs, infinities, zeros, denormals, limits, neighbours. */
#ifndef HVSIM_UNIT_FP_RANDOM_H
#define HVSIM_UNIT_FP_RANDOM_H

#include <stdint.h>

#include "sim/core/fpstate.h"

static inline uint64_t fp_random(uint64_t *state) { /* xorshift64* */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Dull;
}

/* Significands with long runs of equal bits, few bits, or any. */
static inline uint64_t fp_random_significand(uint64_t *state) {
    uint64_t r = fp_random(state), how = fp_random(state);
    switch (how & 7) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return 1ull << (r & 63);
    case 3:
        return ~0ull << (r & 63);
    case 4:
        return ~0ull >> (r & 63);
    case 5:
        return r & (1ull << (how >> 8 & 63) | 1ull << (how >> 16 & 63) | 1ull << (how >> 24 & 63));
    default:
        return r;
    }
}

static inline uint32_t fp_random_exponent(uint64_t *state, unsigned exp_bits) {
    uint64_t r = fp_random(state), how = r >> 32;
    uint32_t max = (1u << exp_bits) - 1, bias = max >> 1, any = (uint32_t)r & max;
    switch (how & 15) {
    case 0:
        return 0;
    case 1:
        return max;
    case 2:
        return 1 + (r & 3);
    case 3:
        return max - 1 - (r & 3);
    case 4:
    case 5:
        return bias + (r & 3) - 2 > max ? bias : bias + (uint32_t)(r & 3) - 2;
    case 6:
    case 7:
    case 8:
        return (bias + (uint32_t)(r & 127) - 40) & max;
    case 9:
        return (bias + bias / 2 + (uint32_t)(r & 15)) & max;
    case 10:
        return (bias / 2 + (uint32_t)(r & 63) - 32) & max;
    default:
        return any;
    }
}

/* `frac` fraction bits, `exp_bits` exponent bits, and a sign */
static inline uint64_t fp_random_bits(uint64_t *state, unsigned frac, unsigned exp_bits) {
    uint64_t sig = fp_random_significand(state) >> (fp_random(state) & 1 ? 64 - frac : 0);
    uint64_t exp = fp_random_exponent(state, exp_bits), sign = fp_random(state) & 1;
    return (sig & ((1ull << frac) - 1)) | exp << frac | sign << (frac + exp_bits);
}

static inline struct f80 fp_random_f80(uint64_t *state) {
    struct f80 v = {.sig = fp_random_significand(state), .se = (uint16_t)fp_random_exponent(state, 15)};
    uint64_t r = fp_random(state);
    if ((v.se && r & 15) || (r & 7) == 0) v.sig |= 1ull << 63;
    if (r >> 8 & 1) v.se |= 0x8000;
    return v;
}

#endif
