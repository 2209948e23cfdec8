/* Sums and differences of neighbours, sums of absolute differences, the minimum of all words. SDM 2 "PHADDW",
 * "PHSUBW", "PSADBW", "MPSADBW", "VDBPSADBW", "PHMINPOSUW". */
#include "sim/vec/vec_int.h"

/* In each lane the results of the first source's pairs, then those of the second's. */
#define HORIZONTAL(name, s, bits, expr)                                                                                \
    static void k_##name(struct vx *x) {                                                                               \
        const unsigned half = x->lane * 4u / bits;                                                                     \
        for (unsigned n = 0; n < x->bytes * 8u / bits; n++) {                                                          \
            const union vec *v = n / half & 1 ? x->b : x->a;                                                           \
            const unsigned at = n / half / 2 * half * 2 + n % half * 2;                                                \
            const INT_TYPE(s, bits) p = v->s##bits[at], q = v->s##bits[at + 1];                                        \
            x->r.s##bits[n] = (INT_TYPE(s, bits))(expr);                                                               \
        }                                                                                                              \
    }
HORIZONTAL(hadd16, u, 16, p + q)
HORIZONTAL(hadd32, u, 32, p + q)
HORIZONTAL(hadds16, i, 16, sat_i16(p + q))
HORIZONTAL(hsub16, u, 16, p - q)
HORIZONTAL(hsub32, u, 32, p - q)
HORIZONTAL(hsubs16, i, 16, sat_i16(p - q))

/* ---- absolute differences ---- */

static unsigned distance(unsigned a, unsigned b) { return a > b ? a - b : b - a; }

static unsigned distance4(const uint8_t *a, const uint8_t *b) {
    return distance(a[0], b[0]) + distance(a[1], b[1]) + distance(a[2], b[2]) + distance(a[3], b[3]);
}

static void k_sad(struct vx *x) {
    for (unsigned q = 0; q < x->bytes / 8; q++) {
        const uint8_t *a = &x->a->u8[8 * q], *b = &x->b->u8[8 * q];
        x->r.u64[q] = distance4(a, b) + distance4(a + 4, b + 4);
    }
}

/* Eight windows of the first source, each against the same four bytes of the second; three bits of the immediate for
 * each lane choose both. */
static void k_mpsad(struct vx *x) {
    EACH_LANE(o) {
        const unsigned imm = x->imm >> (o ? 3 : 0);
        const uint8_t *a = &x->a->u8[o + (imm & 4)], *b = &x->b->u8[o + (imm & 3) * 4];
        for (unsigned n = 0; n < 8; n++) x->r.u16[o / 2 + n] = (uint16_t)distance4(a + n, b);
    }
}

/* The second source's doublewords chosen by the immediate, then in each quadword: the first source's low half against
 * the windows at 0 and 1, its high half against those at 2 and 3. */
static void k_dbpsad(struct vx *x) {
    EACH_LANE(o) {
        uint8_t chosen[16];
        for (unsigned n = 0; n < 4; n++) memcpy(&chosen[4 * n], &x->b->u8[o + (x->imm >> 2 * n & 3) * 4], 4);
        for (unsigned n = 0; n < 8; n++)
            x->r.u16[o / 2 + n] = (uint16_t)distance4(&x->a->u8[o + (n / 2) * 4], &chosen[n / 4 * 8 + n % 4]);
    }
}

static void k_minpos(struct vx *x) {
    unsigned at = 0;
    for (unsigned n = 1; n < 8; n++)
        if (x->b->u16[n] < x->b->u16[at]) at = n;
    x->r.u64[0] = x->b->u16[at] | at << 16;
    x->r.u64[1] = 0;
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    MS(PHADDW, k_hadd16, V_E(16)) MS(PHADDD, k_hadd32, V_E(32)) MS(PHADDSW, k_hadds16, V_E(16))                        \
    MS(PHSUBW, k_hsub16, V_E(16)) MS(PHSUBD, k_hsub32, V_E(32)) MS(PHSUBSW, k_hsubs16, V_E(16))                        \
    X(VPHADDW, k_hadd16, V_E(16)) X(VPHADDD, k_hadd32, V_E(32)) X(VPHADDSW, k_hadds16, V_E(16))                        \
    X(VPHSUBW, k_hsub16, V_E(16)) X(VPHSUBD, k_hsub32, V_E(32)) X(VPHSUBSW, k_hsubs16, V_E(16))                        \
    MS(PSADBW, k_sad, V_E(64)) V(VPSADBW, k_sad, V_E(64))                                                              \
    S(MPSADBW, k_mpsad, V_E(16)) X(VMPSADBW, k_mpsad, V_E(16)) E(VDBPSADBW, k_dbpsad, V_E(16))                         \
    S(PHMINPOSUW, k_minpos, V_E(16)) X(VPHMINPOSUW, k_minpos, V_E(16))
// clang-format on
VEC_TABLE(vec_group_horizontal, ROWS);
