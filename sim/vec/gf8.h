/* The field GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, of AES and GFNI. Private to sim/vec/. */
#ifndef HVSIM_VEC_GF8_H
#define HVSIM_VEC_GF8_H

#include <stdint.h>

extern const uint8_t gf8_inverse[256], gf8_sbox[256], gf8_inverse_sbox[256];

static inline uint8_t gf8_double(uint8_t v) { return (uint8_t)(v << 1 ^ (v >> 7) * 0x1B); }
static inline uint8_t gf8_mul(uint8_t a, uint8_t b) {
    uint8_t r = 0;
    for (unsigned n = 0; n < 8; n++, a = gf8_double(a)) r ^= (uint8_t)(a & -(b >> n & 1));
    return r;
}

#endif
