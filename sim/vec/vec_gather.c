/* Gathers and scatters: an address per element. They are restartable: what is done is written at once and its mask
 * element cleared, lowest first, so that after a fault the instruction goes on where it stopped. A debug trap of an
 * element that is done comes in lieu of the fault of a later one: rep_partial tells the run loop.
 * SDM 2 "VGATHERDPS/VGATHERDPD", "VPSCATTERDD/VPSCATTERDQ/VPSCATTERQD/VPSCATTERQQ" */
#include "sim/vec/vec.h"

/* log2 bytes of an element and of an index, from the mnemonic; bytes of both registers from the vector length. The
 * wider ones fill it. */
struct vsib {
    unsigned esz, isz, n;
};
static inline struct vsib vsib_of(const struct insn *i, unsigned esz, unsigned isz) {
    return (struct vsib){.esz = esz, .isz = isz, .n = (1u << i->size) >> (esz > isz ? esz : isz)};
}

static uint64_t element_linear(struct cpu *cpu, const struct insn *i, const struct vsib *v, unsigned j,
                               unsigned access) {
    const union vec *index = &cpu->vec.zmm[i->index];
    int64_t at = v->isz == 3 ? index->i64[j] : index->i32[j];
    uint64_t off = *cpu_r64(cpu, i->base) + ((uint64_t)at << i->scale) + (uint64_t)(int64_t)i->vdisp;
    if (i->flags & INSN_FLAT) return off;
    if (i->asize != 3) off = (uint32_t)off;
    return seg_linear(cpu, i, i->seg, off, 1u << v->esz, access);
}

static void gather_element(struct cpu *cpu, const struct insn *i, const struct vsib *v, unsigned j) {
    uint64_t la = element_linear(cpu, i, v, j, MEM_READ);
    if (v->esz == 3)
        cpu->vec.zmm[i->reg].u64[j] = mem_read64(cpu, i, la);
    else
        cpu->vec.zmm[i->reg].u32[j] = mem_read32(cpu, i, la);
}

static void scatter_element(struct cpu *cpu, const struct insn *i, const struct vsib *v, unsigned j) {
    uint64_t la = element_linear(cpu, i, v, j, MEM_WRITE);
    if (v->esz == 3)
        mem_write64(cpu, i, la, cpu->vec.zmm[i->reg].u64[j]);
    else
        mem_write32(cpu, i, la, cpu->vec.zmm[i->reg].u32[j]);
}

/* AVX2: the mask is the sign bits of a register, the second source. */
static __attribute__((noinline)) void gather_vex(struct cpu *cpu, const struct insn *i, struct vsib v) {
    union vec *mask = &cpu->vec.zmm[i->imm8b];
    vec_gate(cpu, i);
    if (i->reg == i->index || i->reg == i->imm8b || i->index == i->imm8b) op_raise(cpu, i, VEC_UD);
    for (unsigned j = 0; j < v.n; j++) {
        if (mask->u8[((j + 1) << v.esz) - 1] >> 7) gather_element(cpu, i, &v, j);
        memset(&mask->u8[j << v.esz], 0, 1u << v.esz);
        cpu->intr.rep_partial = true;
    }
    cpu->intr.rep_partial = false;
    vec_clear_above(cpu, i->imm8b, 0);
    vec_clear_above(cpu, i->reg, v.n << v.esz);
}

static uint64_t *opmask(struct cpu *cpu, const struct insn *i) {
    vec_gate(cpu, i);
    if (!(i->mask & VEC_MASK_REG)) op_raise(cpu, i, VEC_UD);
    return &cpu->vec.k[i->mask & VEC_MASK_REG];
}

static __attribute__((noinline)) void gather_evex(struct cpu *cpu, const struct insn *i, struct vsib v) {
    uint64_t *k = opmask(cpu, i);
    if (i->reg == i->index) op_raise(cpu, i, VEC_UD);
    for (unsigned j = 0; j < v.n; j++) {
        if (!(*k >> j & 1)) continue;
        gather_element(cpu, i, &v, j);
        *k &= ~(1ull << j);
        vec_clear_above(cpu, i->reg, 1u << i->size); /* with the first element, as AMD's processors do */
        cpu->intr.rep_partial = true;
    }
    cpu->intr.rep_partial = false;
    *k = 0;
    vec_clear_above(cpu, i->reg, v.n << v.esz);
}

static __attribute__((noinline)) void scatter(struct cpu *cpu, const struct insn *i, struct vsib v) {
    uint64_t *k = opmask(cpu, i);
    for (unsigned j = 0; j < v.n; j++) {
        if (!(*k >> j & 1)) continue;
        scatter_element(cpu, i, &v, j);
        *k &= ~(1ull << j);
        cpu->intr.rep_partial = true;
    }
    cpu->intr.rep_partial = false;
    *k = 0;
}

#define FN(enc, id, work, esz, isz)                                                                                    \
    static void op_##enc##_##id(struct cpu *cpu, const struct insn *i) {                                               \
        work(cpu, i, vsib_of(i, esz, isz));                                                                            \
        NEXT(cpu, i);                                                                                                  \
    }
#define EACH_ID(X)                                                                                                     \
    X(DPS, 2, 2)                                                                                                       \
    X(DPD, 3, 2)                                                                                                       \
    X(QPS, 2, 3)                                                                                                       \
    X(QPD, 3, 3)
#define EACH_INTEGER_ID(X)                                                                                             \
    X(DD, 2, 2)                                                                                                        \
    X(DQ, 3, 2)                                                                                                        \
    X(QD, 2, 3)                                                                                                        \
    X(QQ, 3, 3)
#define ALL_OF(prefix, suffix, esz, isz)                                                                               \
    FN(vex, prefix##GATHER##suffix, gather_vex, esz, isz)                                                              \
    FN(evex, prefix##GATHER##suffix, gather_evex, esz, isz)                                                            \
    FN(evex, prefix##SCATTER##suffix, scatter, esz, isz)
#define FLOATS(suffix, esz, isz)   ALL_OF(V, suffix, esz, isz)
#define INTEGERS(suffix, esz, isz) ALL_OF(VP, suffix, esz, isz)
EACH_ID(FLOATS)
EACH_INTEGER_ID(INTEGERS)

// clang-format off
#define ROW_PAIR(prefix, suffix)                                                                                            \
    {INSN_##prefix##GATHER##suffix, {NULL, NULL, op_vex_##prefix##GATHER##suffix, op_evex_##prefix##GATHER##suffix}},  \
    {INSN_##prefix##SCATTER##suffix, {NULL, NULL, NULL, op_evex_##prefix##SCATTER##suffix}},
#define FLOAT_ROW(suffix, esz, isz) ROW_PAIR(V, suffix)
#define INTEGER_ROW(suffix, esz, isz) ROW_PAIR(VP, suffix)
static const struct vec_row rows[] = {EACH_ID(FLOAT_ROW) EACH_INTEGER_ID(INTEGER_ROW)};
// clang-format on
VEC_GROUP(vec_group_gather, rows);
