/* Elements from anywhere in a lane, in a register or in two, chosen by data or by the immediate. */
#include "sim/vec/vec.h"

/* ---- one table, indices in the first source ---- */

#define K_PERMUTE(bits)                                                                                                \
    static void k_perm##bits(struct vx *x) {                                                                           \
        const unsigned last = x->bytes * 8 / (bits)-1;                                                                 \
        EACH(bits) x->r.u##bits[j] = x->b->u##bits[x->a->u##bits[j] & last];                                           \
    }
K_PERMUTE(8)
K_PERMUTE(16)
K_PERMUTE(32)
K_PERMUTE(64)

/* ---- two tables: index over both. I: the indices are in the destination, T: the first table is ---- */

#define K_PERMUTE2(bits)                                                                                               \
    static void permute2_##bits(struct vx *x, const union vec *index, const union vec *first) {                        \
        const unsigned n = x->bytes * 8 / (bits);                                                                      \
        union vec r;                                                                                                   \
        EACH(bits) {                                                                                                   \
            const unsigned at = index->u##bits[j] & (2 * n - 1);                                                       \
            r.u##bits[j] = at < n ? first->u##bits[at] : x->b->u##bits[at - n];                                        \
        }                                                                                                              \
        EACH(bits) x->r.u##bits[j] = r.u##bits[j];                                                                     \
    }                                                                                                                  \
    static void k_permi2_##bits(struct vx *x) { permute2_##bits(x, &x->r, x->a); }                                     \
    static void k_permt2_##bits(struct vx *x) { permute2_##bits(x, x->a, &x->r); }
K_PERMUTE2(8)
K_PERMUTE2(16)
K_PERMUTE2(32)
K_PERMUTE2(64)

/* ---- inside a lane ---- */

static void k_permilps(struct vx *x) { EACH(32) x->r.u32[j] = x->a->u32[(j & ~3u) | (x->b->u32[j] & 3)]; }
static void k_permilpd(struct vx *x) { EACH(64) x->r.u64[j] = x->a->u64[(j & ~1u) | (x->b->u64[j] >> 1 & 1)]; }
static void k_permilps_imm(struct vx *x) { EACH(32) x->r.u32[j] = x->b->u32[(j & ~3u) | (x->imm >> (j & 3) * 2 & 3)]; }
static void k_permilpd_imm(struct vx *x) { EACH(64) x->r.u64[j] = x->b->u64[(j & ~1u) | (x->imm >> j & 1)]; }

/* APM 6 "VPERMIL2PS": a selector chooses among the lanes of both sources; its bit 3 may clear the element, as the
 * immediate says. */
#define ZEROED(selector) ((x->imm & 2) && ((selector) >> 3 & 1) != (x->imm & 1))
static void k_permil2ps(struct vx *x) {
    EACH(32) {
        const uint32_t s = x->c->u32[j];
        const union vec *from = s & 4 ? x->b : x->a;
        x->r.u32[j] = ZEROED(s) ? 0 : from->u32[(j & ~3u) | (s & 3)];
    }
}
static void k_permil2pd(struct vx *x) {
    EACH(64) {
        const uint64_t s = x->c->u64[j];
        const union vec *from = s & 4 ? x->b : x->a;
        x->r.u64[j] = ZEROED(s) ? 0 : from->u64[(j & ~1u) | (s >> 1 & 1)];
    }
}

/* ---- by the immediate, over 32 bytes ---- */

static void k_permq_imm(struct vx *x) { EACH(64) x->r.u64[j] = x->b->u64[(j & ~3u) | (x->imm >> (j & 3) * 2 & 3)]; }

static void k_perm128(struct vx *x) {
    for (unsigned j = 0; j < 2; j++) {
        const unsigned s = x->imm >> j * 4;
        const union vec *from = s & 2 ? x->b : x->a;
        if (s & 8)
            memset(&x->r.u8[j * 16], 0, 16);
        else
            memcpy(&x->r.u8[j * 16], &from->u8[(s & 1) * 16], 16);
    }
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    E(VPERMB, k_perm8, V_E(8)) E(VPERMW, k_perm16, V_E(16)) V(VPERMD, k_perm32, V_E(32)) V(VPERMPS, k_perm32, V_E(32)) \
    E(VPERMQ, k_perm64, V_E(64)) E(VPERMPD, k_perm64, V_E(64))                                                         \
    V(VPERMQ_IMM, k_permq_imm, V_E(64)) V(VPERMPD_IMM, k_permq_imm, V_E(64))                                           \
    E(VPERMI2B, k_permi2_8, V_E(8) | V_RMW) E(VPERMI2W, k_permi2_16, V_E(16) | V_RMW)                                  \
    E(VPERMI2D, k_permi2_32, V_E(32) | V_RMW) E(VPERMI2Q, k_permi2_64, V_E(64) | V_RMW)                                \
    E(VPERMI2PS, k_permi2_32, V_E(32) | V_RMW) E(VPERMI2PD, k_permi2_64, V_E(64) | V_RMW)                              \
    E(VPERMT2B, k_permt2_8, V_E(8) | V_RMW) E(VPERMT2W, k_permt2_16, V_E(16) | V_RMW)                                  \
    E(VPERMT2D, k_permt2_32, V_E(32) | V_RMW) E(VPERMT2Q, k_permt2_64, V_E(64) | V_RMW)                                \
    E(VPERMT2PS, k_permt2_32, V_E(32) | V_RMW) E(VPERMT2PD, k_permt2_64, V_E(64) | V_RMW)                              \
    V(VPERMILPS, k_permilps, V_E(32)) V(VPERMILPD, k_permilpd, V_E(64))                                                \
    V(VPERMILPS_IMM, k_permilps_imm, V_E(32)) V(VPERMILPD_IMM, k_permilpd_imm, V_E(64))                                \
    X(VPERMIL2PS, k_permil2ps, V_E(32)) X(VPERMIL2PD, k_permil2pd, V_E(64))                                            \
    X(VPERM2F128, k_perm128, V_E(64)) X(VPERM2I128, k_perm128, V_E(64))
// clang-format on
VEC_TABLE(vec_group_permute, ROWS);
