/* AES rounds, carry-less multiplication, SHA rounds. SDM 2 "AESENC", "AESDEC", "AESIMC", "AESKEYGENASSIST",
 * "PCLMULQDQ", "SHA1RNDS4", "SHA256RNDS2" and their neighbours; FIPS 197, FIPS 180-4. */
#include "sim/vec/gf8.h"
#include "sim/vec/vec_int.h"

/* ---- AES: byte 4 * column + row of a lane is one byte of the state ---- */

/* SubBytes after ShiftRows, which moves row n by n columns: to the left, or with `step` -1 back to the right. */
static inline void substitute(uint32_t *r, const uint8_t *a, const uint8_t *box, int step) {
    for (int column = 0; column < 4; column++)
        r[column] = box[a[4 * column]] | box[a[4 * ((column + step) & 3) + 1]] << 8 |
                    box[a[4 * ((column + 2) & 3) + 2]] << 16 | (uint32_t)box[a[4 * ((column - step) & 3) + 3]] << 24;
}

/* Four bytes at once, row 0 in the lowest: each doubled in the field; the column turned by so many rows */
static inline uint32_t double_bytes(uint32_t v) { return (v & 0x7F7F7F7F) << 1 ^ (v >> 7 & 0x01010101) * 0x1B; }
static inline uint32_t turned(uint32_t v, unsigned rows) { return v >> (8 * rows) | v << (32 - 8 * rows); }

/* Each column times {03}x^3 + {01}x^2 + {01}x + {02} */
static void mix_columns(uint32_t *s) {
    for (unsigned column = 0; column < 4; column++) {
        const uint32_t v = s[column], next = turned(v, 1), twice = double_bytes(v ^ next);
        s[column] = twice ^ next ^ turned(v, 2) ^ turned(v, 3);
    }
}
/* The inverse: the difference between the two matrices is the product of {04}x^2 + {05} and the first. */
static void inverse_mix_columns(uint32_t *s) {
    for (unsigned column = 0; column < 4; column++)
        s[column] ^= double_bytes(double_bytes(s[column] ^ turned(s[column], 2)));
    mix_columns(s);
}

#define AES_ROUND(name, box, step, mix)                                                                                \
    static void k_##name(struct vx *x) {                                                                               \
        EACH_LANE(o) {                                                                                                 \
            uint32_t s[4];                                                                                             \
            substitute(s, &x->a->u8[o], box, step);                                                                    \
            mix;                                                                                                       \
            for (unsigned n = 0; n < 4; n++) x->r.u32[o / 4 + n] = s[n] ^ x->b->u32[o / 4 + n];                        \
        }                                                                                                              \
    }
AES_ROUND(aesenc, gf8_sbox, 1, mix_columns(s))
AES_ROUND(aesenclast, gf8_sbox, 1, (void)0)
AES_ROUND(aesdec, gf8_inverse_sbox, -1, inverse_mix_columns(s))
AES_ROUND(aesdeclast, gf8_inverse_sbox, -1, (void)0)

static void k_aesimc(struct vx *x) {
    memcpy(&x->r, x->b, 16);
    inverse_mix_columns(x->r.u32);
}

static uint32_t substitute_word(uint32_t v) {
    return gf8_sbox[v & 255] | gf8_sbox[v >> 8 & 255] << 8 | gf8_sbox[v >> 16 & 255] << 16 |
           (uint32_t)gf8_sbox[v >> 24] << 24;
}
static uint32_t rotate_right(uint32_t v, unsigned n) { return v >> n | v << (32 - n); }

static void k_aeskeygen(struct vx *x) {
    for (unsigned n = 0; n < 2; n++) {
        const uint32_t v = substitute_word(x->b->u32[2 * n + 1]);
        x->r.u32[2 * n] = v;
        x->r.u32[2 * n + 1] = rotate_right(v, 8) ^ x->imm;
    }
}

/* ---- carry-less multiplication, by multiplications of every fifth bit ---- */

/* Of every fifth bit there are at most 13, so that the sums of a product's digits stay below 2^5: its own lowest bits
 * are the carry-less product's, whatever the carries do above them. */
#define FIFTHS ((unsigned __int128)0x2108421084210842 << 64 | 0x1084210842108421)
static unsigned __int128 clmul(uint64_t a, uint64_t b) {
    static const uint64_t every_fifth = 0x1084210842108421;
    uint64_t x[5], y[5];
    for (unsigned n = 0; n < 5; n++) {
        x[n] = a & every_fifth << n;
        y[n] = b & every_fifth << n;
    }
#define P(m, n)            ((unsigned __int128)x[m] * y[n])
#define SUM(v, w, z, s, t) (P(0, v) ^ P(1, w) ^ P(2, z) ^ P(3, s) ^ P(4, t))
    return (SUM(0, 4, 3, 2, 1) & FIFTHS) | (SUM(1, 0, 4, 3, 2) & FIFTHS << 1) | (SUM(2, 1, 0, 4, 3) & FIFTHS << 2) |
           (SUM(3, 2, 1, 0, 4) & FIFTHS << 3) | (SUM(4, 3, 2, 1, 0) & FIFTHS << 4);
#undef SUM
#undef P
}
#undef FIFTHS
static void k_clmul(struct vx *x) {
    EACH_LANE(o) {
        const unsigned __int128 r = clmul(x->a->u64[o / 8 + (x->imm & 1)], x->b->u64[o / 8 + (x->imm >> 4 & 1)]);
        x->r.u64[o / 8] = (uint64_t)r;
        x->r.u64[o / 8 + 1] = (uint64_t)(r >> 64);
    }
}

/* ---- SHA: the first word of a vector is the last of its union ---- */

static uint32_t rotate_left(uint32_t v, unsigned n) { return rotate_right(v, 32 - n); }
static uint32_t choose(uint32_t b, uint32_t c, uint32_t d) { return (b & c) ^ (~b & d); }
static uint32_t parity(uint32_t b, uint32_t c, uint32_t d) { return b ^ c ^ d; }
static uint32_t majority(uint32_t b, uint32_t c, uint32_t d) { return (b & c) ^ (b & d) ^ (c & d); }

static void k_sha1rnds4(struct vx *x) {
    static const struct {
        uint32_t (*f)(uint32_t, uint32_t, uint32_t);
        uint32_t k;
    } part[4] = {
        {choose,   0x5A827999},
        {parity,   0x6ED9EBA1},
        {majority, 0x8F1BBCDC},
        {parity,   0xCA62C1D6}
    };
    const unsigned p = x->imm & 3;
    uint32_t a = x->a->u32[3], b = x->a->u32[2], c = x->a->u32[1], d = x->a->u32[0], e = 0; /* e is in the words */
    for (int n = 3; n >= 0; n--) {
        const uint32_t next = part[p].f(b, c, d) + rotate_left(a, 5) + x->b->u32[n] + e + part[p].k;
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    x->r.u32[3] = a;
    x->r.u32[2] = b;
    x->r.u32[1] = c;
    x->r.u32[0] = d;
}
static void k_sha1nexte(struct vx *x) {
    memcpy(&x->r, x->b, 16);
    x->r.u32[3] += rotate_left(x->a->u32[3], 30);
}
static void k_sha1msg1(struct vx *x) {
    x->r.u64[1] = x->a->u64[1] ^ x->a->u64[0];
    x->r.u64[0] = x->a->u64[0] ^ x->b->u64[1];
}
static void k_sha1msg2(struct vx *x) {
    const uint32_t w16 = rotate_left(x->a->u32[3] ^ x->b->u32[2], 1), w17 = rotate_left(x->a->u32[2] ^ x->b->u32[1], 1);
    const uint32_t w18 = rotate_left(x->a->u32[1] ^ x->b->u32[0], 1), w19 = rotate_left(x->a->u32[0] ^ w16, 1);
    x->r.u32[3] = w16;
    x->r.u32[2] = w17;
    x->r.u32[1] = w18;
    x->r.u32[0] = w19;
}

/* a, b, e, f are in the second source, c, d, g, h in the first, words and constants in XMM0. */
static void k_sha256rnds2(struct vx *x) {
    uint32_t a = x->b->u32[3], b = x->b->u32[2], c = x->a->u32[3], d = x->a->u32[2];
    uint32_t e = x->b->u32[1], f = x->b->u32[0], g = x->a->u32[1], h = x->a->u32[0];
    for (unsigned n = 0; n < 2; n++) {
        const uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        const uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        const uint32_t t1 = h + s1 + choose(e, f, g) + x->c->u32[n], t2 = s0 + majority(a, b, c);
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    x->r.u32[3] = a;
    x->r.u32[2] = b;
    x->r.u32[1] = e;
    x->r.u32[0] = f;
}
static uint32_t sigma0(uint32_t v) { return rotate_right(v, 7) ^ rotate_right(v, 18) ^ v >> 3; }
static uint32_t sigma1(uint32_t v) { return rotate_right(v, 17) ^ rotate_right(v, 19) ^ v >> 10; }
static void k_sha256msg1(struct vx *x) {
    for (unsigned n = 0; n < 4; n++) x->r.u32[n] = x->a->u32[n] + sigma0(n < 3 ? x->a->u32[n + 1] : x->b->u32[0]);
}
static void k_sha256msg2(struct vx *x) {
    for (unsigned n = 0; n < 4; n++) x->r.u32[n] = x->a->u32[n] + sigma1(n < 2 ? x->b->u32[n + 2] : x->r.u32[n - 2]);
}

// clang-format off
#define L V_E(64)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    S(AESENC, k_aesenc, L) S(AESENCLAST, k_aesenclast, L) S(AESDEC, k_aesdec, L) S(AESDECLAST, k_aesdeclast, L)        \
    V(VAESENC, k_aesenc, L) V(VAESENCLAST, k_aesenclast, L) V(VAESDEC, k_aesdec, L) V(VAESDECLAST, k_aesdeclast, L)    \
    S(AESIMC, k_aesimc, L) X(VAESIMC, k_aesimc, L)                                                                     \
    S(AESKEYGENASSIST, k_aeskeygen, L) X(VAESKEYGENASSIST, k_aeskeygen, L)                                             \
    S(PCLMULQDQ, k_clmul, L) V(VPCLMULQDQ, k_clmul, L)                                                                 \
    S(SHA1RNDS4, k_sha1rnds4, L) S(SHA1NEXTE, k_sha1nexte, L) S(SHA1MSG1, k_sha1msg1, L) S(SHA1MSG2, k_sha1msg2, L)    \
    S(SHA256RNDS2, k_sha256rnds2, L) S(SHA256MSG1, k_sha256msg1, L) S(SHA256MSG2, k_sha256msg2, L)
// clang-format on
VEC_TABLE(vec_group_crypto, ROWS);
