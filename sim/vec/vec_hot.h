/* Short functions of hot instructions with two sources (struct vec_hot, sim/vec/table.h). Private to sim/vec/.
 *
 *     #define HOT(X) X(PADDB, c_add8) X(PADDW, c_add16)
 *     VEC_HOT_INT(vec_hot_x, HOT);
 *
 * X(id, chunk): legacy SSE `id` and VEX and EVEX V<id>, which have rows in a VEC_TABLE of the same file; chunk(r, a, b)
 * computes 16 bytes, where r may be a or b, inline. The functions are for registers of 16, 32 (VEX) and 64 bytes (EVEX)
 * and flat memory that the translation cache has. `slow` is what besides the gate sends them to the function of the
 * row: VEC_HOT_FORMS is for instructions that have such a condition (floating point: an environment of their own). */
#ifndef HVSIM_VEC_VEC_HOT_H
#define HVSIM_VEC_VEC_HOT_H

#include "sim/vec/vec.h"

/* enc, gate, B: as in the names of functions, the gate, the size in bits; rest: the function of the row */
#define VEC_HOT_FN_(enc, gate, B, id, chunk, slow, rest, sfx, operand)                                                 \
    OPFN op_##enc##_##id##_##B##_##sfx(struct cpu *cpu, const struct insn *i) {                                        \
        union vec *const d = &cpu->vec.zmm[i->reg];                                                                    \
        const union vec *const a = &cpu->vec.zmm[i->vreg];                                                             \
        if (unlikely(cpu->denied & gate) || (slow)) return rest(cpu, i);                                               \
        operand;                                                                                                       \
        for (unsigned o = 0; o < B / 8; o += 16) chunk(&d->u8[o], &a->u8[o], (const char *)p + o);                     \
        if (gate != GATE_SSE) memset(&d->u8[B / 8], 0, sizeof *d - B / 8);                                             \
        NEXT(cpu, i);                                                                                                  \
    }
#define VEC_HOT_MEM_(gate, B, rest, ea)                                                                                \
    HOST_R(B, ea(cpu, i), rest);                                                                                       \
    if (gate == GATE_SSE && unlikely(la_ & 15)) return rest(cpu, i)
#define VEC_HOT_SIZE_(enc, gate, B, id, chunk, slow, rest)                                                             \
    VEC_HOT_FN_(enc, gate, B, id, chunk, slow, rest, r, const void *const p = &cpu->vec.zmm[i->rm])                    \
    VEC_HOT_FN_(enc, gate, B, id, chunk, slow, rest, f, VEC_HOT_MEM_(gate, B, rest, ea_flat))                          \
    VEC_HOT_FN_(enc, gate, B, id, chunk, slow, rest, b, VEC_HOT_MEM_(gate, B, rest, ea_base))

/* The functions of one instruction */
#define VEC_HOT_SSE_FNS(id, chunk, slow) VEC_HOT_SIZE_(sse, GATE_SSE, 128, id, chunk, slow, op_sse_##id)
#define VEC_HOT_VEX_FNS(id, chunk, slow)                                                                               \
    VEC_HOT_SIZE_(vex, GATE_AVX, 128, id, chunk, slow, op_vex_##id)                                                    \
    VEC_HOT_SIZE_(vex, GATE_AVX, 256, id, chunk, slow, op_vex_##id)
#define VEC_HOT_EVEX_FNS(id, chunk, slow) VEC_HOT_SIZE_(evex, GATE_EVEX, 512, id, chunk, slow, op_evex_##id)

/* and its rows */
// clang-format off
#define VEC_HOT_ROWS_(enc, col, size, B, id)                                                                           \
    {INSN_##id, col, FORM_RR, size, op_##enc##_##id##_##B##_r, NULL},                                                  \
    {INSN_##id, col, FORM_RM, size, op_##enc##_##id##_##B##_f, op_##enc##_##id##_##B##_b},
#define VEC_HOT_SSE_ROWS(id)  VEC_HOT_ROWS_(sse, VEC_COL_SSE, 4, 128, id)
#define VEC_HOT_VEX_ROWS(id)  VEC_HOT_ROWS_(vex, VEC_COL_VEX, 4, 128, id) VEC_HOT_ROWS_(vex, VEC_COL_VEX, 5, 256, id)
#define VEC_HOT_EVEX_ROWS(id) VEC_HOT_ROWS_(evex, VEC_COL_EVEX, 6, 512, id)
// clang-format on

#define VEC_HOT_INT_FNS_(id, chunk)                                                                                    \
    VEC_HOT_SSE_FNS(id, chunk, false) VEC_HOT_VEX_FNS(V##id, chunk, false) VEC_HOT_EVEX_FNS(V##id, chunk, false)
#define VEC_HOT_INT_ROWS_(id, chunk) VEC_HOT_SSE_ROWS(id) VEC_HOT_VEX_ROWS(V##id) VEC_HOT_EVEX_ROWS(V##id)
#define VEC_HOT_INT(group, HOT)                                                                                        \
    HOT(VEC_HOT_INT_FNS_)                                                                                              \
    static const struct vec_hot rows_of_##group[] = {HOT(VEC_HOT_INT_ROWS_){0}};                                       \
    const struct vec_hot_group group = {rows_of_##group}

#endif
