/* Bits and equal elements. SDM 2 "VPOPCNT", "VPLZCNTD/Q", "VPCONFLICTD/Q", "VPSHUFBITQMB", "VPMULTISHIFTQB",
 * "VP2INTERSECTD/VP2INTERSECTQ". */
#include "sim/vec/vec_int.h"

/* Half of the bits at a time: the number of ones in each field of 2, 4, ... bits */
static inline uint64_t ones(uint64_t v) {
    v -= v >> 1 & 0x5555555555555555;
    v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
    return (v + (v >> 4)) & 0x0F0F0F0F0F0F0F0F;
}
INT_UNARY(popcnt8, u, 8, ones(b))
INT_UNARY(popcnt16, u, 16, (uint32_t)ones(b) * 0x0101u >> 8 & 0xFF)
INT_UNARY(popcnt32, u, 32, __builtin_popcount(b))
INT_UNARY(popcnt64, u, 64, __builtin_popcountll(b))
INT_UNARY(lzcnt32, u, 32, b ? __builtin_clz(b) : 32)
INT_UNARY(lzcnt64, u, 64, b ? __builtin_clzll(b) : 64)

/* A bit for each earlier element that is equal */
#define KERNELS(bits)                                                                                                  \
    static void k_conflict##bits(struct vx *x) {                                                                       \
        for (unsigned j = 0; j < x->bytes * 8 / bits; j++) {                                                           \
            x->r.u##bits[j] = 0;                                                                                       \
            for (unsigned n = 0; n < j; n++)                                                                           \
                x->r.u##bits[j] |= (INT_TYPE(u, bits))(x->b->u##bits[n] == x->b->u##bits[j]) << n;                     \
        }                                                                                                              \
    }
INT_DQ(KERNELS)
#undef KERNELS

/* For each byte of the second source: the bit of the first's quadword with that number */
static void k_shufbit(struct vx *x) {
    x->g = 0;
    for (unsigned j = 0; j < x->bytes; j++) x->g |= (x->a->u64[j / 8] >> (x->b->u8[j] & 63) & 1) << j;
}
/* For each byte of the first source: eight bits of the second's quadword, from that number on, around its end */
static void k_multishift(struct vx *x) {
    for (unsigned j = 0; j < x->bytes; j++) {
        const unsigned n = x->a->u8[j] & 63;
        const uint64_t v = x->b->u64[j / 8];
        x->r.u8[j] = (uint8_t)(n ? v >> n | v << (64 - n) : v);
    }
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    E(VPOPCNTB, k_popcnt8, V_E(8)) E(VPOPCNTW, k_popcnt16, V_E(16))                                                    \
    E(VPOPCNTD, k_popcnt32, V_E(32)) E(VPOPCNTQ, k_popcnt64, V_E(64))                                                  \
    E(VPLZCNTD, k_lzcnt32, V_E(32)) E(VPLZCNTQ, k_lzcnt64, V_E(64))                                                    \
    E(VPCONFLICTD, k_conflict32, V_E(32)) E(VPCONFLICTQ, k_conflict64, V_E(64))                                        \
    E(VPSHUFBITQMB, k_shufbit, V_E(8) | V_TO_K) E(VPMULTISHIFTQB, k_multishift, V_ES(8, 64))
// clang-format on
VEC_TABLE(vec_group_bits, ROWS);

/* ---- two opmasks as the result ---- */

/* Which elements of each source are somewhere in the other; the opmask register named and the one that makes a pair
 * with it are written. */
#define OP_INTERSECT(B, bits)                                                                                          \
    static void op_evex_VP2INTERSECT##B(struct cpu *cpu, const struct insn *i) {                                       \
        struct vx *x = &cpu->vx;                                                                                       \
        uint64_t first = 0, second = 0;                                                                                \
        vec_begin_evex(cpu, i, V_E(bits) | V_TO_NONE);                                                                 \
        for (unsigned j = 0; j < x->bytes * 8 / bits; j++)                                                             \
            for (unsigned n = 0; n < x->bytes * 8 / bits; n++)                                                         \
                if (x->a->u##bits[j] == x->b->u##bits[n]) first |= 1ull << j, second |= 1ull << n;                     \
        cpu->vec.k[i->reg & 6] = first;                                                                                \
        cpu->vec.k[(i->reg & 6) | 1] = second;                                                                         \
        NEXT(cpu, i);                                                                                                  \
    }
OP_INTERSECT(D, 32)
OP_INTERSECT(Q, 64)

static const struct vec_row rows_of_pairs[] = {
    {INSN_VP2INTERSECTD, {NULL, NULL, NULL, op_evex_VP2INTERSECTD}},
    {INSN_VP2INTERSECTQ, {NULL, NULL, NULL, op_evex_VP2INTERSECTQ}},
};
VEC_GROUP(vec_group_intersect, rows_of_pairs);
