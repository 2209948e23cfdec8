/* One element, or a block of them, to all places of a register, into one, or out of one. */
#include "sim/vec/vec.h"

/* ---- broadcast ---- */

#define K_BROADCAST(n)                                                                                                 \
    static void k_bcast##n(struct vx *x) {                                                                             \
        for (unsigned o = 0; o < x->bytes; o += n) memcpy(&x->r.u8[o], x->b, n);                                       \
    }
K_BROADCAST(1)
K_BROADCAST(2)
K_BROADCAST(4)
K_BROADCAST(8)
K_BROADCAST(16)
K_BROADCAST(32)

/* from a general register, or an opmask widened to an element */
static void k_gpr8(struct vx *x) { memset(&x->r, (uint8_t)x->g, x->bytes); }
static void k_gpr16(struct vx *x) { EACH(16) x->r.u16[j] = (uint16_t)x->g; }
static void k_gpr32(struct vx *x) { EACH(32) x->r.u32[j] = (uint32_t)x->g; }
static void k_gpr64(struct vx *x) { EACH(64) x->r.u64[j] = x->g; }
static void k_mask8(struct vx *x) { EACH(64) x->r.u64[j] = (uint8_t)x->g; }
static void k_mask16(struct vx *x) { EACH(32) x->r.u32[j] = (uint16_t)x->g; }

#define ONE(bits)         (V_E(bits) | V_MEM_SCALAR | V_MEM_ALL)
#define BLOCK(bits, size) (V_E(bits) | V_MEM_##size | V_MEM_ALL)
#define GPR(bits)         (V_E(bits) | V_SRC_GPR)

/* ---- extract: into a general register, or memory; VEC_ROWS's descriptors are evaluated where `i` is known ---- */

#define K_EXTRACT(bits)                                                                                                \
    static void k_extract##bits(struct vx *x) { x->g = x->r.u64[0] = x->b->u##bits[x->imm & (x->lane * 8 / (bits)-1)]; }
K_EXTRACT(8)
K_EXTRACT(16)
K_EXTRACT(32)
K_EXTRACT(64)
#define EXTRACT(bits) (V_E(bits) | V_MEM_SCALAR | (i->form == FORM_RR ? V_TO_GPR : V_TO_VEC))

/* a block of 16 or 32 bytes */
static void k_block16(struct vx *x) { memcpy(&x->r, &x->b->u8[(unsigned)x->imm * 16 & (x->bytes - 1)], 16); }
static void k_block32(struct vx *x) { memcpy(&x->r, &x->b->u8[(unsigned)x->imm * 32 & (x->bytes - 1)], 32); }
#define BLOCK_OUT16(bits) (V_E(bits) | V_MEM_16 | (i->size == 5 ? V_DST_HALF : V_DST_QUARTER))
#define BLOCK_OUT32(bits) (V_E(bits) | V_MEM_32 | V_DST_HALF)

/* ---- insert ---- */

#define K_INSERT(bits)                                                                                                 \
    static void k_insert##bits(struct vx *x) {                                                                         \
        memcpy(&x->r, x->a, 16);                                                                                       \
        x->r.u##bits[x->imm & (x->lane * 8 / (bits)-1)] = (uint##bits##_t)x->g;                                        \
    }
K_INSERT(8)
K_INSERT(16)
K_INSERT(32)
K_INSERT(64)
#define INSERT(bits) (V_E(bits) | V_MEM_SCALAR | V_SRC_GPR)

static void k_insertps(struct vx *x) {
    unsigned from = x->b == &x->m ? 0 : x->imm >> 6;
    memcpy(&x->r, x->a, 16);
    x->r.u32[x->imm >> 4 & 3] = x->b->u32[from];
    for (unsigned j = 0; j < 4; j++)
        if (x->imm >> j & 1) x->r.u32[j] = 0;
}

static void insert_block(struct vx *x, unsigned bytes) {
    EACH_LANE(o) memcpy(&x->r.u8[o], &x->a->u8[o], 16);
    memcpy(&x->r.u8[x->imm * bytes & (x->bytes - 1)], x->b, bytes);
}
static void k_insert_block16(struct vx *x) { insert_block(x, 16); }
static void k_insert_block32(struct vx *x) { insert_block(x, 32); }
#define BLOCK_IN(bits, size) (V_E(bits) | V_MEM_##size)

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    V(VBROADCASTSS, k_bcast4, ONE(32)) V(VBROADCASTSD, k_bcast8, ONE(64))                                              \
    V(VPBROADCASTB, k_bcast1, ONE(8)) V(VPBROADCASTW, k_bcast2, ONE(16))                                               \
    V(VPBROADCASTD, k_bcast4, ONE(32)) V(VPBROADCASTQ, k_bcast8, ONE(64))                                              \
    X(VBROADCASTF128, k_bcast16, BLOCK(64, 16)) X(VBROADCASTI128, k_bcast16, BLOCK(64, 16))                            \
    E(VBROADCASTF32X2, k_bcast8, BLOCK(32, 8)) E(VBROADCASTI32X2, k_bcast8, BLOCK(32, 8))                              \
    E(VBROADCASTF32X4, k_bcast16, BLOCK(32, 16)) E(VBROADCASTI32X4, k_bcast16, BLOCK(32, 16))                          \
    E(VBROADCASTF64X2, k_bcast16, BLOCK(64, 16)) E(VBROADCASTI64X2, k_bcast16, BLOCK(64, 16))                          \
    E(VBROADCASTF32X8, k_bcast32, BLOCK(32, 32)) E(VBROADCASTI32X8, k_bcast32, BLOCK(32, 32))                          \
    E(VBROADCASTF64X4, k_bcast32, BLOCK(64, 32)) E(VBROADCASTI64X4, k_bcast32, BLOCK(64, 32))                          \
    E(VPBROADCASTB_FROM_GPR, k_gpr8, GPR(8)) E(VPBROADCASTW_FROM_GPR, k_gpr16, GPR(16))                                \
    E(VPBROADCASTD_FROM_GPR, k_gpr32, GPR(32)) E(VPBROADCASTQ_FROM_GPR, k_gpr64, GPR(64))                              \
    E(VPBROADCASTMB2Q, k_mask8, V_E(64) | V_SRC_K) E(VPBROADCASTMW2D, k_mask16, V_E(32) | V_SRC_K)                     \
    S(PEXTRB, k_extract8, EXTRACT(8)) V(VPEXTRB, k_extract8, EXTRACT(8))                                               \
    MS(PEXTRW, k_extract16, EXTRACT(16)) V(VPEXTRW, k_extract16, EXTRACT(16))                                          \
    S(PEXTRD, k_extract32, EXTRACT(32)) V(VPEXTRD, k_extract32, EXTRACT(32))                                           \
    S(PEXTRQ, k_extract64, EXTRACT(64)) V(VPEXTRQ, k_extract64, EXTRACT(64))                                           \
    S(EXTRACTPS, k_extract32, EXTRACT(32)) V(VEXTRACTPS, k_extract32, EXTRACT(32))                                     \
    X(VEXTRACTF128, k_block16, BLOCK_OUT16(64)) X(VEXTRACTI128, k_block16, BLOCK_OUT16(64))                            \
    E(VEXTRACTF32X4, k_block16, BLOCK_OUT16(32)) E(VEXTRACTI32X4, k_block16, BLOCK_OUT16(32))                          \
    E(VEXTRACTF64X2, k_block16, BLOCK_OUT16(64)) E(VEXTRACTI64X2, k_block16, BLOCK_OUT16(64))                          \
    E(VEXTRACTF32X8, k_block32, BLOCK_OUT32(32)) E(VEXTRACTI32X8, k_block32, BLOCK_OUT32(32))                          \
    E(VEXTRACTF64X4, k_block32, BLOCK_OUT32(64)) E(VEXTRACTI64X4, k_block32, BLOCK_OUT32(64))                          \
    S(PINSRB, k_insert8, INSERT(8)) V(VPINSRB, k_insert8, INSERT(8))                                                   \
    MS(PINSRW, k_insert16, INSERT(16)) V(VPINSRW, k_insert16, INSERT(16))                                              \
    S(PINSRD, k_insert32, INSERT(32)) V(VPINSRD, k_insert32, INSERT(32))                                               \
    S(PINSRQ, k_insert64, INSERT(64)) V(VPINSRQ, k_insert64, INSERT(64))                                               \
    S(INSERTPS, k_insertps, V_E(32) | V_MEM_4) V(VINSERTPS, k_insertps, V_E(32) | V_MEM_4)                             \
    X(VINSERTF128, k_insert_block16, BLOCK_IN(64, 16)) X(VINSERTI128, k_insert_block16, BLOCK_IN(64, 16))              \
    E(VINSERTF32X4, k_insert_block16, BLOCK_IN(32, 16)) E(VINSERTI32X4, k_insert_block16, BLOCK_IN(32, 16))            \
    E(VINSERTF64X2, k_insert_block16, BLOCK_IN(64, 16)) E(VINSERTI64X2, k_insert_block16, BLOCK_IN(64, 16))            \
    E(VINSERTF32X8, k_insert_block32, BLOCK_IN(32, 32)) E(VINSERTI32X8, k_insert_block32, BLOCK_IN(32, 32))            \
    E(VINSERTF64X4, k_insert_block32, BLOCK_IN(64, 32)) E(VINSERTI64X4, k_insert_block32, BLOCK_IN(64, 32))
// clang-format on
VEC_TABLE(vec_group_insert, ROWS);
