/* How vector instructions are written. Private to sim/vec/.
 *
 * An instruction is executed in three steps: begin (gates, operands: everything that can fault but floating-point
 * exceptions), the kernel (a small function on struct vx: elements in, elements out, no thought of registers, masks or
 * memory), end (floating-point exceptions, masking, write-back). Begin and end exist once per encoding; a row of a
 * table joins them with a kernel, and says in a descriptor what they must know:
 *
 *     static void k_paddw(struct vx *x) { EACH(16) x->r.u16[j] = x->a->u16[j] + x->b->u16[j]; }
 *     #define ROWS(MS, S, V, M, X, E) MS(PADDW, k_paddw, V_E(16)) V(VPADDW, k_paddw, V_E(16))
 *     VEC_TABLE(vec_group_x, ROWS)
 *
 * MS: MMX and SSE forms of a mnemonic, S: SSE, V: VEX and EVEX; M, X and E: MMX, VEX and EVEX alone. Kernels see
 * x->bytes bytes; they may compute up to the next multiple of 16. They must not read x->r unless the row says V_RMW. */
#ifndef HVSIM_VEC_VEC_H
#define HVSIM_VEC_VEC_H

#include "sim/ops/opdef.h"
#include "sim/vec/table.h"

/* ---- descriptors ---- */

enum vec_desc {
    /* log2 bytes of the destination's elements: what a bit of the opmask stands for */
    V_ESZ = 3,
    /* log2 bytes of the source's elements: what is broadcast, and what a bit of the opmask lets through from memory */
    V_SSZ = 3 << 2,
    /* bytes of the memory operand */
    V_MEM = 15 << 4,
    V_MEM_FULL = 0 << 4, /* the vector length */
    V_MEM_HALF = 1 << 4,
    V_MEM_QUARTER = 2 << 4,
    V_MEM_EIGHTH = 3 << 4,
    V_MEM_SCALAR = 4 << 4, /* one source element */
    V_MEM_16 = 5 << 4,     /* that many bytes, whatever the length; never broadcast */
    V_MEM_32 = 6 << 4,
    V_MEM_8 = 7 << 4,
    V_MEM_4 = 8 << 4,
    V_MEM_2 = 9 << 4,
    V_MEM_1 = 10 << 4,
    V_MEM_W = 11 << 4, /* 8 with VEC_W, else 4 */
    /* bytes of the destination: the vector length, or less; the rest of the register is cleared */
    V_DST = 3 << 8,
    V_DST_FULL = 0 << 8,
    V_DST_HALF = 1 << 8,
    V_DST_QUARTER = 2 << 8,
    V_DST_EIGHTH = 3 << 8,
    /* what rm is when it isn't memory */
    V_SRC = 3 << 10,
    V_SRC_VEC = 0 << 10,
    V_SRC_GPR = 1 << 10, /* x->g */
    V_SRC_K = 2 << 10,   /* x->g */
    V_SRC_MMX = 3 << 10, /* x->m */
    /* what the destination register is; for all but V_TO_VEC and V_TO_MMX the result is in x->g */
    V_TO = 7 << 12,
    V_TO_VEC = 0 << 12,
    V_TO_GPR = 1 << 12, /* 64 bits: clears the upper half when the result has 32 */
    V_TO_K = 2 << 12,   /* and with the opmask */
    V_TO_MMX = 3 << 12,
    V_TO_FLAGS = 4 << 12,   /* CF, PF, AF, ZF, SF, OF as in RFLAGS */
    V_TO_NONE = 5 << 12,    /* the kernel has done it */
    V_RMW = 1 << 15,        /* x->r holds the old destination to begin with */
    V_SCALAR = 1 << 16,     /* only element 0 is written; the others come from the first source (VEX) or stay (SSE) */
    V_FP = 1 << 17,         /* raises floating-point exceptions */
    V_INT = 1 << 18,        /* with V_FP: the source's elements are integers */
    V_KEEP_ABOVE = 1 << 21, /* with V_SCALAR: they stay */
    V_ZERO_ABOVE = 1 << 20, /* with V_SCALAR: the other elements are cleared */
    V_MEM_ALL = 1 << 22,    /* the memory operand is repeated: a part is read when a copy of it is let through */
    V_MEM_FIRST = 1 << 19,  /* VEC_SWAP means that memory is the first of two sources, not the last of three */
};
#define V_LOG2(bits)   ((bits) == 8 ? 0u : (bits) == 16 ? 1u : (bits) == 32 ? 2u : 3u)
#define V_E(bits)      (V_LOG2(bits) | V_LOG2(bits) << 2) /* elements of so many bits */
#define V_ES(to, from) (V_LOG2(to) | V_LOG2(from) << 2)   /* destination and source elements of different size */

/* For rows of legacy instructions that use the lower half of a 16-byte operand alone: in misaligned SSE mode only that
 * half is read, as AMD's processors do. */
#define V_MEM_LOW (cpu->vec.mxcsr & MXCSR_MM ? V_MEM_8 : V_MEM_FULL)

/* ---- kernels ---- */

/* For each element of so many bits, in chunks of 16 bytes that the compiler turns into vector instructions. */
#define EACH(bits)                                                                                                     \
    for (unsigned o_ = 0; o_ < x->bytes; o_ += 16)                                                                     \
        for (unsigned j = o_ / ((bits) / 8), end_ = j + 128 / (bits); j < end_; j++)
/* For each lane of 16 bytes (8: MMX): `o` is the offset of its first byte. */
#define EACH_LANE(o) for (unsigned o = 0; o < x->bytes; o += 16)

typedef void vec_kernel(struct vx *x);

/* ---- steps ---- */

void vec_begin_mmx(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_begin_sse(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_begin_vex(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_begin_evex(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_end_mmx(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_end_sse(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_end_vex(struct cpu *cpu, const struct insn *i, uint32_t desc);
void vec_end_evex(struct cpu *cpu, const struct insn *i, uint32_t desc);

/* The gate test of every vector instruction; VEC_MMX..VEC_EVEX are bits of enum gate. */
_Static_assert((int)VEC_MMX == (int)GATE_MMX && (int)VEC_SSE == (int)GATE_SSE && (int)VEC_VEX == (int)GATE_AVX &&
                   (int)VEC_EVEX == (int)GATE_EVEX,
               "the same bits");
_Noreturn void vec_denied(struct cpu *cpu, const struct insn *i);
static inline void vec_gate(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & i->venc & (VEC_SSE | VEC_VEX | VEC_EVEX | VEC_MMX))) vec_denied(cpu, i);
}

/* ---- memory ---- */

/* The checked linear address of the memory operand of `size` bytes, its alignment too (VEC_ALIGN). */
uint64_t vec_linear(struct cpu *cpu, const struct insn *i, unsigned size, unsigned access);
/* Read `size` (1 to 64) bytes of the memory operand into buf; the rest of buf is left alone. */
void vec_load(struct cpu *cpu, const struct insn *i, void *buf, unsigned size);
/* Write them. */
void vec_store(struct cpu *cpu, const struct insn *i, const void *buf, unsigned size);
/* The same for `n` elements of 1 << esz bytes, of which only those with a 1 in k are touched, faults included. Those
 * not read are 0 or anything. All faults of a store come before its first write. */
void vec_load_masked(struct cpu *cpu, const struct insn *i, void *buf, unsigned esz, unsigned n, uint64_t k);
void vec_store_masked(struct cpu *cpu, const struct insn *i, const void *buf, unsigned esz, unsigned n, uint64_t k);
/* Raise what such a store would, writing nothing. */
void vec_probe_masked(struct cpu *cpu, const struct insn *i, unsigned esz, unsigned n, uint64_t k);

/* ---- write-back ---- */

/* All ones in the bytes of the elements, 1 << esz bytes each, for which the lowest bits of k are 1; eight bytes of them
 */
static inline uint64_t vec_byte_mask(unsigned k, unsigned esz) {
#define B(n) ((n)&1 ? 0xFFu : 0) | ((n)&2 ? 0xFF00u : 0) | ((n)&4 ? 0xFF0000u : 0) | ((n)&8 ? 0xFF000000u : 0)
#define W(n)                                                                                                           \
    ((n)&1 ? 0xFFFFull : 0) | ((n)&2 ? 0xFFFFull << 16 : 0) | ((n)&4 ? 0xFFFFull << 32 : 0) |                          \
        ((n)&8 ? 0xFFFFull << 48 : 0)
#define ALL(X) X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), X(15)
    static const uint32_t of_bytes[16] = {ALL(B)};
    static const uint64_t of_words[16] = {ALL(W)};
#undef B
#undef W
#undef ALL
    switch (esz) {
    case 0:
        return of_bytes[k & 15] | (uint64_t)of_bytes[k >> 4 & 15] << 32;
    case 1:
        return of_words[k & 15];
    case 2:
        return (k & 1 ? 0xFFFFFFFFull : 0) | (k & 2 ? 0xFFFFFFFFull << 32 : 0);
    default:
        return k & 1 ? ~0ull : 0;
    }
}

/* Clear register n above `bytes`. */
static inline void vec_clear_above(struct cpu *cpu, unsigned n, unsigned bytes) {
    for (unsigned q = bytes / 8; q < 8; q++) cpu->vec.zmm[n].u64[q] = 0;
}
/* Register n = the first `bytes` of v, where bit j of k lets element j (1 << esz bytes) through; the others are cleared
 * (zero) or stay. Everything above is cleared. */
void vec_write_masked(struct cpu *cpu, unsigned n, const union vec *v, unsigned bytes, unsigned esz, uint64_t k,
                      bool zero);

/* ---- tables ---- */

#define VEC_FN_(enc, id, kernel, desc)                                                                                 \
    OPFN op_##enc##_##id(struct cpu *cpu, const struct insn *i) {                                                      \
        vec_begin_##enc(cpu, i, (desc));                                                                               \
        kernel(&cpu->vx);                                                                                              \
        vec_end_##enc(cpu, i, (desc));                                                                                 \
        NEXT(cpu, i);                                                                                                  \
    }
#define VEC_FN_MS_(id, kernel, desc) VEC_FN_(mmx, id, kernel, desc) VEC_FN_(sse, id, kernel, desc)
#define VEC_FN_S_(id, kernel, desc)  VEC_FN_(sse, id, kernel, desc)
#define VEC_FN_V_(id, kernel, desc)  VEC_FN_(vex, id, kernel, desc) VEC_FN_(evex, id, kernel, desc)
#define VEC_FN_M_(id, kernel, desc)  VEC_FN_(mmx, id, kernel, desc)
#define VEC_FN_X_(id, kernel, desc)  VEC_FN_(vex, id, kernel, desc)
#define VEC_FN_E_(id, kernel, desc)  VEC_FN_(evex, id, kernel, desc)
// clang-format off
#define VEC_ROW_MS_(id, kernel, desc) {INSN_##id, {op_mmx_##id, op_sse_##id, NULL, NULL}},
#define VEC_ROW_S_(id, kernel, desc)  {INSN_##id, {NULL, op_sse_##id, NULL, NULL}},
#define VEC_ROW_V_(id, kernel, desc)  {INSN_##id, {NULL, NULL, op_vex_##id, op_evex_##id}},
#define VEC_ROW_M_(id, kernel, desc)  {INSN_##id, {op_mmx_##id, NULL, NULL, NULL}},
#define VEC_ROW_X_(id, kernel, desc)  {INSN_##id, {NULL, NULL, op_vex_##id, NULL}},
#define VEC_ROW_E_(id, kernel, desc)  {INSN_##id, {NULL, NULL, NULL, op_evex_##id}},
// clang-format on
/* The functions and the table of a list of rows. */
#define VEC_TABLE(group, ROWS)                                                                                         \
    ROWS(VEC_FN_MS_, VEC_FN_S_, VEC_FN_V_, VEC_FN_M_, VEC_FN_X_, VEC_FN_E_)                                            \
    static const struct vec_row rows_of_##group[] = {                                                                  \
        ROWS(VEC_ROW_MS_, VEC_ROW_S_, VEC_ROW_V_, VEC_ROW_M_, VEC_ROW_X_, VEC_ROW_E_)};                                \
    VEC_GROUP(group, rows_of_##group)

#endif
