/* Arithmetic in GF(2^8), and affine transformations of bytes. SDM 2 "GF2P8AFFINEQB", "GF2P8AFFINEINVQB",
 * "GF2P8MULB". */
#include "sim/vec/gf8.h"
#include "sim/vec/vec_int.h"

INT_BINARY(gfmul, u, 8, gf8_mul(a, b))

/* Row 7 - n of the matrix, a byte of the quadword, gives bit n: the parity of what it has in common with the byte. */
static inline uint8_t affine(uint64_t matrix, uint8_t v, uint8_t added) {
    uint64_t common = matrix & v * 0x0101010101010101ull;
    common ^= common >> 4;
    common ^= common >> 2;
    common ^= common >> 1;
    /* byte 7 - n has its parity in bit 0 */
    return (uint8_t)(((common & 0x0101010101010101) * 0x8040201008040201 >> 56) ^ added);
}
static void k_affine(struct vx *x) {
    for (unsigned j = 0; j < x->bytes; j++) x->r.u8[j] = affine(x->b->u64[j / 8], x->a->u8[j], x->imm);
}
static void k_affineinv(struct vx *x) {
    for (unsigned j = 0; j < x->bytes; j++) x->r.u8[j] = affine(x->b->u64[j / 8], gf8_inverse[x->a->u8[j]], x->imm);
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    S(GF2P8MULB, k_gfmul, V_E(8)) S(GF2P8AFFINEQB, k_affine, V_ES(8, 64)) S(GF2P8AFFINEINVQB, k_affineinv, V_ES(8, 64)) \
    V(VGF2P8MULB, k_gfmul, V_E(8)) V(VGF2P8AFFINEQB, k_affine, V_ES(8, 64))                                            \
    V(VGF2P8AFFINEINVQB, k_affineinv, V_ES(8, 64))
// clang-format on
VEC_TABLE(vec_group_gfni, ROWS);
