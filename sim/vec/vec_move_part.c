/* Moves of a part of a vector register: scalars, halves, and between register files. */
#include "sim/vec/vec.h"

/* ---- to the low bits, the rest cleared; a store of the low bits ---- */

static void k_movq(struct vx *x) {
    x->r.u64[0] = x->b->u64[0];
    x->r.u64[1] = 0;
}
static void k_movd(struct vx *x) {
    x->r.u64[0] = x->b->u32[0];
    x->r.u64[1] = 0;
}
static void k_movw(struct vx *x) {
    x->r.u64[0] = x->b->u16[0];
    x->r.u64[1] = 0;
}

/* ---- general registers ---- */

static void k_from_gpr(struct vx *x) {
    x->r.u64[0] = x->g;
    x->r.u64[1] = 0;
}
static void k_from_gpr16(struct vx *x) {
    x->r.u64[0] = (uint16_t)x->g;
    x->r.u64[1] = 0;
}
static void k_to_gpr64(struct vx *x) { x->g = x->b->u64[0]; }
static void k_to_gpr32(struct vx *x) { x->g = x->b->u32[0]; }
static void k_to_gpr16(struct vx *x) { x->g = x->b->u16[0]; }

/* ---- halves of 16 bytes ---- */

static void k_high_to_low(struct vx *x) {
    x->r.u64[0] = x->b->u64[1];
    x->r.u64[1] = x->a->u64[1];
}
static void k_to_high(struct vx *x) {
    x->r.u64[0] = x->a->u64[0];
    x->r.u64[1] = x->b->u64[0];
}
static void k_to_low(struct vx *x) {
    x->r.u64[0] = x->b->u64[0];
    x->r.u64[1] = x->a->u64[1];
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    MS(MOVQ, k_movq, V_E(64) | V_MEM_8) V(VMOVQ, k_movq, V_E(64) | V_MEM_8)                                            \
    MS(MOVD, k_movd, V_E(32) | V_MEM_4) V(VMOVD, k_movd, V_E(32) | V_MEM_4)                                            \
    MS(MOVQ_FROM_GPR, k_from_gpr, V_E(64) | V_SRC_GPR) V(VMOVQ_FROM_GPR, k_from_gpr, V_E(64) | V_SRC_GPR)              \
    MS(MOVD_FROM_GPR, k_from_gpr, V_E(32) | V_SRC_GPR) V(VMOVD_FROM_GPR, k_from_gpr, V_E(32) | V_SRC_GPR)              \
    MS(MOVQ_TO_GPR, k_to_gpr64, V_E(64) | V_TO_GPR) V(VMOVQ_TO_GPR, k_to_gpr64, V_E(64) | V_TO_GPR)                    \
    MS(MOVD_TO_GPR, k_to_gpr32, V_E(32) | V_TO_GPR) V(VMOVD_TO_GPR, k_to_gpr32, V_E(32) | V_TO_GPR)                    \
    E(VMOVW, k_movw, V_E(16) | V_MEM_2) E(VMOVW_FROM_GPR, k_from_gpr16, V_E(16) | V_SRC_GPR)                           \
    E(VMOVW_TO_GPR, k_to_gpr16, V_E(16) | V_TO_GPR)                                                                    \
    S(MOVDQ2Q, k_movq, V_E(64) | V_TO_MMX) S(MOVQ2DQ, k_movq, V_E(64) | V_SRC_MMX)                                     \
    S(MOVNTSS, k_movd, V_E(32) | V_MEM_4) S(MOVNTSD, k_movq, V_E(64) | V_MEM_8)                                        \
    S(MOVHLPS, k_high_to_low, V_E(32)) V(VMOVHLPS, k_high_to_low, V_E(32))                                             \
    S(MOVLHPS, k_to_high, V_E(32)) V(VMOVLHPS, k_to_high, V_E(32))
// clang-format on
VEC_TABLE(vec_group_move_part, ROWS);

/* ---- instructions whose store isn't the load turned round ---- */

static void k_store_high(struct vx *x) { x->r.u64[0] = x->b->u64[1]; }

#define HALF(enc, id, load, store)                                                                                     \
    OPFN op_##enc##_##id(struct cpu *cpu, const struct insn *i) {                                                      \
        vec_begin_##enc(cpu, i, V_E(64) | V_MEM_8);                                                                    \
        if (i->form == FORM_MR)                                                                                        \
            store(&cpu->vx);                                                                                           \
        else                                                                                                           \
            load(&cpu->vx);                                                                                            \
        vec_end_##enc(cpu, i, V_E(64) | V_MEM_8);                                                                      \
        NEXT(cpu, i);                                                                                                  \
    }
#define HALVES(enc, high_s, high_d, low_s, low_d)                                                                      \
    HALF(enc, high_s, k_to_high, k_store_high)                                                                         \
    HALF(enc, high_d, k_to_high, k_store_high)                                                                         \
    HALF(enc, low_s, k_to_low, k_movq) HALF(enc, low_d, k_to_low, k_movq)
HALVES(sse, MOVHPS, MOVHPD, MOVLPS, MOVLPD)
HALVES(vex, VMOVHPS, VMOVHPD, VMOVLPS, VMOVLPD)
HALVES(evex, VMOVHPS, VMOVHPD, VMOVLPS, VMOVLPD)

/* MOVSS and its like merge with registers, and clear the rest on loads. */
#define SCALAR(bits)     (V_E(bits) | V_MEM_SCALAR | V_SCALAR | (i->form == FORM_RM ? V_ZERO_ABOVE : 0))
#define SCALAR_SSE(bits) (V_E(bits) | V_MEM_SCALAR | (i->form == FORM_RM ? 0 : V_SCALAR))
VEC_FN_S_(MOVSS, k_movd, SCALAR_SSE(32))
VEC_FN_S_(MOVSD_VEC, k_movq, SCALAR_SSE(64))
VEC_FN_V_(VMOVSS, k_movd, SCALAR(32))
VEC_FN_V_(VMOVSD, k_movq, SCALAR(64))
VEC_FN_E_(VMOVSH, k_movw, SCALAR(16))

/* ---- hot forms ---- */

#define MOVE_FLAT(enc, gate, id, B, sfx, ea)                                                                           \
    OPFN op_##enc##_load_##id##sfx(struct cpu *cpu, const struct insn *i) {                                            \
        if (unlikely(cpu->denied & gate)) return op_##enc##_##id(cpu, i);                                              \
        HOST_R(B, ea(cpu, i), op_##enc##_##id);                                                                        \
        union vec *d = &cpu->vec.zmm[i->reg];                                                                          \
        d->u64[0] = ld##B(p);                                                                                          \
        memset(&d->u64[1], 0, gate == GATE_SSE ? 8 : 56);                                                              \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##enc##_store_##id##sfx(struct cpu *cpu, const struct insn *i) {                                           \
        if (unlikely(cpu->denied & gate)) return op_##enc##_##id(cpu, i);                                              \
        HOST_W(B, ea(cpu, i), op_##enc##_##id);                                                                        \
        st##B(p, (uint##B##_t)cpu->vec.zmm[i->reg].u64[0]);                                                            \
        NEXT(cpu, i);                                                                                                  \
    }
#define MOVE(enc, gate, id, B)                                                                                         \
    MOVE_FLAT(enc, gate, id, B, f, ea_flat)                                                                            \
    MOVE_FLAT(enc, gate, id, B, b, ea_base)
MOVE(sse, GATE_SSE, MOVSS, 32)
MOVE(sse, GATE_SSE, MOVSD_VEC, 64)
MOVE(sse, GATE_SSE, MOVD, 32)
MOVE(sse, GATE_SSE, MOVQ, 64)
MOVE(vex, GATE_AVX, VMOVSS, 32)
MOVE(vex, GATE_AVX, VMOVSD, 64)
MOVE(vex, GATE_AVX, VMOVD, 32)
MOVE(vex, GATE_AVX, VMOVQ, 64)

#define HALF_FLAT(id, at, sfx, ea)                                                                                     \
    OPFN op_sse_load_##id##sfx(struct cpu *cpu, const struct insn *i) {                                                \
        if (unlikely(cpu->denied & GATE_SSE)) return op_sse_##id(cpu, i);                                              \
        HOST_R(64, ea(cpu, i), op_sse_##id);                                                                           \
        cpu->vec.zmm[i->reg].u64[at] = ld64(p);                                                                        \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_sse_store_##id##sfx(struct cpu *cpu, const struct insn *i) {                                               \
        if (unlikely(cpu->denied & GATE_SSE)) return op_sse_##id(cpu, i);                                              \
        HOST_W(64, ea(cpu, i), op_sse_##id);                                                                           \
        st64(p, cpu->vec.zmm[i->reg].u64[at]);                                                                         \
        NEXT(cpu, i);                                                                                                  \
    }
#define HALF_MOVE(id, at) HALF_FLAT(id, at, f, ea_flat) HALF_FLAT(id, at, b, ea_base)
HALF_MOVE(MOVLPD, 0)
HALF_MOVE(MOVHPD, 1)

OPFN op_sse_from_gpr64(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_SSE)) return op_sse_MOVQ_FROM_GPR(cpu, i);
    union vec *d = &cpu->vec.zmm[i->reg];
    d->u64[0] = reg64(cpu, i->rm);
    d->u64[1] = 0;
    NEXT(cpu, i);
}
OPFN op_sse_from_gpr32(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_SSE)) return op_sse_MOVD_FROM_GPR(cpu, i);
    union vec *d = &cpu->vec.zmm[i->reg];
    d->u64[0] = reg32(cpu, i->rm);
    d->u64[1] = 0;
    NEXT(cpu, i);
}
OPFN op_sse_to_gpr64(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_SSE)) return op_sse_MOVQ_TO_GPR(cpu, i);
    set_reg64(cpu, i->reg, cpu->vec.zmm[i->rm].u64[0]);
    NEXT(cpu, i);
}
OPFN op_sse_to_gpr32(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_SSE)) return op_sse_MOVD_TO_GPR(cpu, i);
    set_reg32(cpu, i->reg, cpu->vec.zmm[i->rm].u32[0]);
    NEXT(cpu, i);
}
OPFN op_sse_merge_MOVSS(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_SSE)) return op_sse_MOVSS(cpu, i);
    cpu->vec.zmm[i->reg].u32[0] = cpu->vec.zmm[i->rm].u32[0];
    NEXT(cpu, i);
}
OPFN op_sse_merge_MOVSD_VEC(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_SSE)) return op_sse_MOVSD_VEC(cpu, i);
    cpu->vec.zmm[i->reg].u64[0] = cpu->vec.zmm[i->rm].u64[0];
    NEXT(cpu, i);
}

// clang-format off
#define HOT(id, col, enc)                                                                                              \
    {INSN_##id, col, FORM_RM, VEC_ANY_SIZE, op_##enc##_load_##id##f, op_##enc##_load_##id##b},                         \
    {INSN_##id, col, FORM_MR, VEC_ANY_SIZE, op_##enc##_store_##id##f, op_##enc##_store_##id##b},
#define HOT_AS(id, as) /* ids that only differ in name */                                                              \
    {INSN_##id, VEC_COL_SSE, FORM_RM, VEC_ANY_SIZE, op_sse_load_##as##f, op_sse_load_##as##b},                         \
    {INSN_##id, VEC_COL_SSE, FORM_MR, VEC_ANY_SIZE, op_sse_store_##as##f, op_sse_store_##as##b},
#define HOT_RR(id, fn) {INSN_##id, VEC_COL_SSE, FORM_RR, VEC_ANY_SIZE, fn, NULL},
static const struct vec_hot rows_of_hot[] = {
    HOT(MOVSS, VEC_COL_SSE, sse) HOT_RR(MOVSS, op_sse_merge_MOVSS)
    HOT(MOVSD_VEC, VEC_COL_SSE, sse) HOT_RR(MOVSD_VEC, op_sse_merge_MOVSD_VEC)
    HOT(MOVD, VEC_COL_SSE, sse) HOT(MOVQ, VEC_COL_SSE, sse) 
    HOT_AS(MOVLPD, MOVLPD) HOT_AS(MOVHPD, MOVHPD) HOT_AS(MOVLPS, MOVLPD) HOT_AS(MOVHPS, MOVHPD)
    HOT(VMOVSS, VEC_COL_VEX, vex) HOT(VMOVSD, VEC_COL_VEX, vex) HOT(VMOVD, VEC_COL_VEX, vex) HOT(VMOVQ, VEC_COL_VEX, vex)
    HOT_RR(MOVQ_FROM_GPR, op_sse_from_gpr64) HOT_RR(MOVD_FROM_GPR, op_sse_from_gpr32)
    HOT_RR(MOVQ_TO_GPR, op_sse_to_gpr64) HOT_RR(MOVD_TO_GPR, op_sse_to_gpr32)
    {0}
};
#define ROW_SSE(id)  {INSN_##id, {NULL, op_sse_##id, NULL, NULL}}
#define ROW_V(id)    {INSN_##id, {NULL, NULL, op_vex_##id, op_evex_##id}}
static const struct vec_row rows_by_form[] = {
    ROW_SSE(MOVHPS), ROW_SSE(MOVHPD), ROW_SSE(MOVLPS), ROW_SSE(MOVLPD), ROW_SSE(MOVSS), ROW_SSE(MOVSD_VEC),
    ROW_V(VMOVHPS), ROW_V(VMOVHPD), ROW_V(VMOVLPS), ROW_V(VMOVLPD), ROW_V(VMOVSS), ROW_V(VMOVSD),
    {INSN_VMOVSH, {NULL, NULL, NULL, op_evex_VMOVSH}},
};
// clang-format on
const struct vec_hot_group vec_hot_move_part = {rows_of_hot};
VEC_GROUP(vec_group_move_form, rows_by_form);
