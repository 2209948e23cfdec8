/* Short functions of hot instructions (struct vec_hot, sim/vec/table.h). Private to sim/vec/.
 *
 * VEC_HOT_FN makes hot_<name>_r, _f and _b, for a register, flat memory, and flat memory without an index as the last
 * source; VEC_HOT_ROW makes their rows. `compute` sees the destination d and that source s, and needs no more of s
 * than B bits. What it can't do goes to the function of the instruction's row, `rest`: when `cold` holds (a gate is
 * shut, say), when memory is not in the translation cache or not aligned to A bytes (1: anything goes).
 *
 * For integer instructions with two sources the rest is made from a chunk(r, a, b) that computes 16 bytes inline, where
 * r may be a or b:
 *
 *     #define HOT(X) X(PADDB, c_add8) X(PADDW, c_add16)
 *     VEC_HOT_INT(vec_hot_x, HOT);
 *
 * X(id, chunk): legacy SSE `id` and VEX and EVEX V<id>, which have rows in a VEC_TABLE of the same file; for registers
 * of 16, 32 (VEX) and 64 bytes (EVEX). */
#ifndef HVSIM_VEC_VEC_HOT_H
#define HVSIM_VEC_VEC_HOT_H

#include "sim/vec/vec.h"

/* A memory operand: at any address */
typedef union vec vec_in_memory __attribute__((aligned(1)));

#define VEC_HOT_REG(name, cold, rest, compute)                                                                         \
    OPFN hot_##name##_r(struct cpu *cpu, const struct insn *i) {                                                       \
        if (cold) return rest(cpu, i);                                                                                 \
        const union vec *const s = &cpu->vec.zmm[i->rm];                                                               \
        union vec *const d = &cpu->vec.zmm[i->reg];                                                                    \
        compute;                                                                                                       \
        NEXT(cpu, i);                                                                                                  \
    }
#define VEC_HOT_MEM_(name, B, A, cold, rest, sfx, ea, compute)                                                         \
    OPFN hot_##name##_##sfx(struct cpu *cpu, const struct insn *i) {                                                   \
        if (cold) return rest(cpu, i);                                                                                 \
        HOST_R(B, ea(cpu, i), rest);                                                                                   \
        if ((A) > 1 && unlikely(la_ & ((A)-1))) return rest(cpu, i);                                                   \
        const vec_in_memory *const s = p;                                                                              \
        union vec *const d = &cpu->vec.zmm[i->reg];                                                                    \
        compute;                                                                                                       \
        NEXT(cpu, i);                                                                                                  \
    }
#define VEC_HOT_FN(name, B, A, cold, rest, compute)                                                                    \
    VEC_HOT_REG(name, cold, rest, compute)                                                                             \
    VEC_HOT_MEM_(name, B, A, cold, rest, f, ea_flat, compute)                                                          \
    VEC_HOT_MEM_(name, B, A, cold, rest, b, ea_base, compute)

// clang-format off
#define VEC_HOT_ROW_REG(id, column, size, name) {INSN_##id, column, FORM_RR, size, hot_##name##_r, NULL},
#define VEC_HOT_ROW(id, column, size, name)                                                                            \
    VEC_HOT_ROW_REG(id, column, size, name)                                                                            \
    {INSN_##id, column, FORM_RM, size, hot_##name##_f, hot_##name##_b},
// clang-format on

#define VEC_HOT_SHUT(gate) unlikely(cpu->denied &(gate))

/* ---- chunks: functions of an instruction in one encoding, and the rows ---- */

/* bytes of the vector; `above`: what is above them becomes 0 */
#define VEC_HOT_CHUNKS_(chunk, bytes, above)                                                                           \
    do {                                                                                                               \
        const union vec *const a = &cpu->vec.zmm[i->vreg];                                                             \
        for (unsigned o = 0; o < (bytes); o += 16) chunk(&d->u8[o], &a->u8[o], &s->u8[o]);                             \
        if (above) memset(&d->u8[bytes], 0, sizeof *d - (bytes));                                                      \
    } while (0)
#define VEC_HOT_SSE(id, chunk)                                                                                         \
    VEC_HOT_FN(id, 128, 16, VEC_HOT_SHUT(GATE_SSE), op_sse_##id, VEC_HOT_CHUNKS_(chunk, 16, false))
#define VEC_HOT_VEX(id, chunk)                                                                                         \
    VEC_HOT_FN(id##_128, 128, 1, VEC_HOT_SHUT(GATE_AVX), op_vex_##id, VEC_HOT_CHUNKS_(chunk, 16, true))                \
    VEC_HOT_FN(id##_256, 256, 1, VEC_HOT_SHUT(GATE_AVX), op_vex_##id, VEC_HOT_CHUNKS_(chunk, 32, true))
#define VEC_HOT_EVEX(id, chunk)                                                                                        \
    VEC_HOT_FN(id##_512, 512, 1, VEC_HOT_SHUT(GATE_EVEX), op_evex_##id, VEC_HOT_CHUNKS_(chunk, 64, false))

#define VEC_HOT_ROWS_SSE(id, chunk)  VEC_HOT_ROW(id, VEC_COL_SSE, 4, id)
#define VEC_HOT_ROWS_VEX(id, chunk)  VEC_HOT_ROW(id, VEC_COL_VEX, 4, id##_128) VEC_HOT_ROW(id, VEC_COL_VEX, 5, id##_256)
#define VEC_HOT_ROWS_EVEX(id, chunk) VEC_HOT_ROW(id, VEC_COL_EVEX, 6, id##_512)

#define VEC_HOT_INT_FNS_(id, chunk)  VEC_HOT_SSE(id, chunk) VEC_HOT_VEX(V##id, chunk) VEC_HOT_EVEX(V##id, chunk)
#define VEC_HOT_INT_ROWS_(id, chunk) VEC_HOT_ROWS_SSE(id, ) VEC_HOT_ROWS_VEX(V##id, ) VEC_HOT_ROWS_EVEX(V##id, )
#define VEC_HOT_INT(group, HOT)                                                                                        \
    HOT(VEC_HOT_INT_FNS_)                                                                                              \
    static const struct vec_hot rows_of_##group[] = {HOT(VEC_HOT_INT_ROWS_){0}};                                       \
    const struct vec_hot_group group = {rows_of_##group}

#endif
