/* Moves of whole vector registers. */
#include "sim/vec/vec.h"

static void k_mov(struct vx *x) { EACH_LANE(o) memcpy(&x->r.u8[o], &x->b->u8[o], 16); }
static void k_shdup(struct vx *x) { EACH(32) x->r.u32[j] = x->b->u32[j | 1]; }
static void k_sldup(struct vx *x) { EACH(32) x->r.u32[j] = x->b->u32[j & ~1u]; }
static void k_ddup(struct vx *x) { EACH(64) x->r.u64[j] = x->b->u64[j & ~1u]; }
static void k_movntq(struct vx *x) { x->r.u64[0] = x->b->u64[0]; }

/* the only one whose 128-bit form reads half as much */
#define DDUP_MEM (i->size == 4 ? V_MEM_8 : V_MEM_FULL)

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    S(MOVAPS, k_mov, V_E(32)) S(MOVUPS, k_mov, V_E(32)) S(MOVAPD, k_mov, V_E(64)) S(MOVUPD, k_mov, V_E(64))            \
    S(MOVDQA, k_mov, V_E(64)) S(MOVDQU, k_mov, V_E(64)) S(LDDQU, k_mov, V_E(64)) S(MOVNTPS, k_mov, V_E(32))            \
    S(MOVNTPD, k_mov, V_E(64)) S(MOVNTDQ, k_mov, V_E(64)) S(MOVNTDQA, k_mov, V_E(64))                                  \
    V(VMOVAPS, k_mov, V_E(32)) V(VMOVUPS, k_mov, V_E(32)) V(VMOVAPD, k_mov, V_E(64)) V(VMOVUPD, k_mov, V_E(64))        \
    X(VMOVDQA, k_mov, V_E(64)) X(VMOVDQU, k_mov, V_E(64)) X(VLDDQU, k_mov, V_E(64))                                    \
    V(VMOVNTPS, k_mov, V_E(32)) V(VMOVNTPD, k_mov, V_E(64)) V(VMOVNTDQ, k_mov, V_E(64)) V(VMOVNTDQA, k_mov, V_E(64))   \
    E(VMOVDQA32, k_mov, V_E(32)) E(VMOVDQA64, k_mov, V_E(64)) E(VMOVDQU8, k_mov, V_E(8))                               \
    E(VMOVDQU16, k_mov, V_E(16)) E(VMOVDQU32, k_mov, V_E(32)) E(VMOVDQU64, k_mov, V_E(64))                             \
    M(MOVNTQ, k_movntq, V_E(64))                                                                                       \
    S(MOVSHDUP, k_shdup, V_E(32)) S(MOVSLDUP, k_sldup, V_E(32)) S(MOVDDUP, k_ddup, V_E(64) | V_MEM_8)                  \
    V(VMOVSHDUP, k_shdup, V_E(32)) V(VMOVSLDUP, k_sldup, V_E(32)) V(VMOVDDUP, k_ddup, V_E(64) | DDUP_MEM)
// clang-format on
VEC_TABLE(vec_group_move, ROWS);

/* ---- hot forms ---- */

/* A legacy move leaves what is above its 16 bytes, others clear it. */
OP_INLINE void put(struct cpu *cpu, const struct insn *i, const void *p, unsigned bytes, enum gate gate) {
    union vec *d = &cpu->vec.zmm[i->reg];
    memcpy(d, p, bytes);
    if (gate != GATE_SSE) memset(&d->u8[bytes], 0, sizeof *d - bytes);
}

/* enc, B: as in the names of functions and the size in bits; rest: the general function that ends what can't be done
 * here; it does the same for all mnemonics, as alignment is in the record; A: alignment wanted in bytes, 1 for none. */
#define MOVE_FLAT(enc, gate, B, A, rest, sfx, ea)                                                                      \
    OPFN op_##enc##_load##B##_##A##sfx(struct cpu *cpu, const struct insn *i) {                                        \
        if (unlikely(cpu->denied & gate)) return rest(cpu, i);                                                         \
        HOST_R(B, ea(cpu, i), rest);                                                                                   \
        if (A > 1 && unlikely(la_ & (A - 1))) return rest(cpu, i);                                                     \
        put(cpu, i, p, B / 8, gate);                                                                                   \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##enc##_store##B##_##A##sfx(struct cpu *cpu, const struct insn *i) {                                       \
        if (unlikely(cpu->denied & gate)) return rest(cpu, i);                                                         \
        HOST_W(B, ea(cpu, i), rest);                                                                                   \
        if (A > 1 && unlikely(la_ & (A - 1))) return rest(cpu, i);                                                     \
        memcpy(p, &cpu->vec.zmm[i->reg], B / 8);                                                                       \
        NEXT(cpu, i);                                                                                                  \
    }
#define MOVE_ALIGNMENT(enc, gate, B, A, rest)                                                                          \
    MOVE_FLAT(enc, gate, B, A, rest, f, ea_flat) MOVE_FLAT(enc, gate, B, A, rest, b, ea_base)
#define MOVE(enc, gate, B, A, rest)                                                                                    \
    OPFN op_##enc##_move##B(struct cpu *cpu, const struct insn *i) {                                                   \
        if (unlikely(cpu->denied & gate)) return rest(cpu, i);                                                         \
        put(cpu, i, &cpu->vec.zmm[i->rm], B / 8, gate);                                                                \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    MOVE_ALIGNMENT(enc, gate, B, 1, rest) MOVE_ALIGNMENT(enc, gate, B, A, rest)
MOVE(sse, GATE_SSE, 128, 16, op_sse_MOVUPS)
MOVE(vex, GATE_AVX, 128, 16, op_vex_VMOVUPS)
MOVE(vex, GATE_AVX, 256, 32, op_vex_VMOVUPS)
MOVE(evex, GATE_EVEX, 512, 64, op_evex_VMOVUPS)

// clang-format off
#define HOT_SIZE(id, col, enc, size, B, A)                                                                             \
    {INSN_##id, col, FORM_RR, size, op_##enc##_move##B, NULL},                                                         \
    {INSN_##id, col, FORM_RM, size, op_##enc##_load##B##_##A##f, op_##enc##_load##B##_##A##b},                         \
    {INSN_##id, col, FORM_MR, size, op_##enc##_store##B##_##A##f, op_##enc##_store##B##_##A##b},
#define HOT_SSE(id, A)  HOT_SIZE(id, VEC_COL_SSE, sse, 4, 128, A)
#define HOT_VEX(id, A16, A32)                                                                                          \
    HOT_SIZE(id, VEC_COL_VEX, vex, 4, 128, A16) HOT_SIZE(id, VEC_COL_VEX, vex, 5, 256, A32)
#define HOT_EVEX(id, A) HOT_SIZE(id, VEC_COL_EVEX, evex, 6, 512, A)
static const struct vec_hot rows_of_hot[] = {
    HOT_SSE(MOVAPS, 16) HOT_SSE(MOVAPD, 16) HOT_SSE(MOVDQA, 16) HOT_SSE(MOVNTPS, 16) HOT_SSE(MOVNTDQ, 16)
    HOT_SSE(MOVUPS, 1) HOT_SSE(MOVUPD, 1) HOT_SSE(MOVDQU, 1) HOT_SSE(LDDQU, 1)
    HOT_VEX(VMOVAPS, 16, 32) HOT_EVEX(VMOVAPS, 64) HOT_VEX(VMOVAPD, 16, 32) HOT_EVEX(VMOVAPD, 64)
    HOT_VEX(VMOVUPS, 1, 1) HOT_EVEX(VMOVUPS, 1) HOT_VEX(VMOVUPD, 1, 1) HOT_EVEX(VMOVUPD, 1)
    HOT_VEX(VMOVNTPS, 16, 32) HOT_EVEX(VMOVNTPS, 64) HOT_VEX(VMOVNTDQ, 16, 32) HOT_EVEX(VMOVNTDQ, 64)
    HOT_VEX(VMOVDQA, 16, 32) HOT_VEX(VMOVDQU, 1, 1)
    HOT_EVEX(VMOVDQA32, 64) HOT_EVEX(VMOVDQA64, 64)
    HOT_EVEX(VMOVDQU8, 1) HOT_EVEX(VMOVDQU16, 1) HOT_EVEX(VMOVDQU32, 1) HOT_EVEX(VMOVDQU64, 1)
    {0}
};
// clang-format on
const struct vec_hot_group vec_hot_move = {rows_of_hot};
