/* Elements from one source or the other. */
#include "sim/vec/vec.h"

/* by a bit of the immediate: of 8 words in each lane, or of the elements of the register */
static void k_blendw(struct vx *x) { EACH(16) x->r.u16[j] = (x->imm >> (j & 7) & 1 ? x->b : x->a)->u16[j]; }
static void k_blend32(struct vx *x) { EACH(32) x->r.u32[j] = (x->imm >> j & 1 ? x->b : x->a)->u32[j]; }
static void k_blend64(struct vx *x) { EACH(64) x->r.u64[j] = (x->imm >> j & 1 ? x->b : x->a)->u64[j]; }

/* by the sign of an element of the third source. The legacy forms name none, which is XMM0: number 0 in the record. */
static void k_blendv8(struct vx *x) { EACH(8) x->r.u8[j] = (x->c->i8[j] < 0 ? x->b : x->a)->u8[j]; }
static void k_blendv32(struct vx *x) { EACH(32) x->r.u32[j] = (x->c->i32[j] < 0 ? x->b : x->a)->u32[j]; }
static void k_blendv64(struct vx *x) { EACH(64) x->r.u64[j] = (x->c->i64[j] < 0 ? x->b : x->a)->u64[j]; }

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    S(PBLENDW, k_blendw, V_E(16)) X(VPBLENDW, k_blendw, V_E(16)) X(VPBLENDD, k_blend32, V_E(32))                       \
    S(BLENDPS, k_blend32, V_E(32)) X(VBLENDPS, k_blend32, V_E(32))                                                     \
    S(BLENDPD, k_blend64, V_E(64)) X(VBLENDPD, k_blend64, V_E(64))                                                     \
    S(PBLENDVB, k_blendv8, V_E(8)) X(VPBLENDVB, k_blendv8, V_E(8))                                                     \
    S(BLENDVPS, k_blendv32, V_E(32)) X(VBLENDVPS, k_blendv32, V_E(32))                                                 \
    S(BLENDVPD, k_blendv64, V_E(64)) X(VBLENDVPD, k_blendv64, V_E(64))
// clang-format on
VEC_TABLE(vec_group_blend, ROWS);

/* ---- by the opmask: where it is 0, the first source, or zero ---- */

#define BLENDM(id, bits)                                                                                               \
    static void op_evex_##id(struct cpu *cpu, const struct insn *i) {                                                  \
        struct vx *x = &cpu->vx;                                                                                       \
        vec_begin_evex(cpu, i, V_E(bits));                                                                             \
        EACH(bits) x->r.u##bits[j] = (x->k >> j & 1 ? x->b : x->a)->u##bits[j];                                        \
        if (!(i->mask & VEC_MASK_ZERO)) x->k = ~0ull;                                                                  \
        vec_end_evex(cpu, i, V_E(bits));                                                                               \
        NEXT(cpu, i);                                                                                                  \
    }
BLENDM(VPBLENDMB, 8)
BLENDM(VPBLENDMW, 16)
BLENDM(VPBLENDMD, 32)
BLENDM(VPBLENDMQ, 64)
BLENDM(VBLENDMPS, 32)
BLENDM(VBLENDMPD, 64)

// clang-format off
#define ROW_EVEX(id) {INSN_##id, {NULL, NULL, NULL, op_evex_##id}}
static const struct vec_row rows[] = {
    ROW_EVEX(VPBLENDMB), ROW_EVEX(VPBLENDMW), ROW_EVEX(VPBLENDMD), ROW_EVEX(VPBLENDMQ), ROW_EVEX(VBLENDMPS), ROW_EVEX(VBLENDMPD),
};
// clang-format on
VEC_GROUP(vec_group_blend_opmask, rows);
