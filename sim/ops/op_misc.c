/* Flag instructions, BOUND, no-operations and hints, cache-line instructions, UD. */
#include "sim/ops/opdef.h"

OPFN op_nop(struct cpu *cpu, const struct insn *i) { NEXT(cpu, i); }

/* ---- flags ---- */

OPFN op_clc(struct cpu *cpu, const struct insn *i) {
    cc_replace(cpu, FLAG_CF, 0);
    NEXT(cpu, i);
}
OPFN op_stc(struct cpu *cpu, const struct insn *i) {
    cc_replace(cpu, FLAG_CF, FLAG_CF);
    NEXT(cpu, i);
}
OPFN op_cmc(struct cpu *cpu, const struct insn *i) {
    cc_replace(cpu, FLAG_CF, cc_cf(cpu) ? 0 : FLAG_CF);
    NEXT(cpu, i);
}
OPFN op_cld(struct cpu *cpu, const struct insn *i) {
    cpu->rflags &= ~FLAG_DF;
    NEXT(cpu, i);
}
OPFN op_std(struct cpu *cpu, const struct insn *i) {
    cpu->rflags |= FLAG_DF;
    NEXT(cpu, i);
}

#define AH       (REG_OFF(RAX) + 1)
#define AH_FLAGS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF)
/* in 64-bit mode only with CPUID.80000001H:ECX.LAHF_SAHF[0] */
static inline void check_lahf(struct cpu *cpu, const struct insn *i) {
    if (cpu_is_64(cpu) && !cpu_has(cpu, FEAT_LAHF_LM)) op_raise(cpu, i, VEC_UD);
}
OPFN op_lahf(struct cpu *cpu, const struct insn *i) {
    check_lahf(cpu, i);
    set_reg8(cpu, AH, (uint8_t)((flags_get(cpu) & AH_FLAGS) | FLAG_FIXED));
    NEXT(cpu, i);
}
OPFN op_sahf(struct cpu *cpu, const struct insn *i) {
    check_lahf(cpu, i);
    flags_set_arith(cpu, (reg8(cpu, AH) & AH_FLAGS) | (flags_get(cpu) & FLAG_OF));
    NEXT(cpu, i);
}

/* ---- BOUND: lower bound, then upper bound, both signed ---- */

#define BOUND(B)                                                                                                       \
    OPFN op_bound_rm##B(struct cpu *cpu, const struct insn *i) {                                                       \
        uint64_t la = ea_linear(cpu, i, B / 4, MEM_READ);                                                              \
        int##B##_t v = (int##B##_t)reg##B(cpu, i->reg), lo = (int##B##_t)mem_read##B(cpu, i, la),                      \
                   hi = (int##B##_t)mem_read##B(cpu, i, la_after(cpu, la, B / 8));                                     \
        if (v < lo || v > hi) op_raise(cpu, i, VEC_BR);                                                                \
        NEXT(cpu, i);                                                                                                  \
    }
BOUND(16)
BOUND(32)
#undef BOUND

/* ---- cache lines ---- */

/* CLFLUSH, CLFLUSHOPT, CLWB: faults as a byte load; there is no cache to flush. */
OPFN op_clflush(struct cpu *cpu, const struct insn *i) {
    mem_probe(cpu, i, ea_linear(cpu, i, 1, MEM_READ), 1, MEM_READ);
    NEXT(cpu, i);
}
/* The 64-byte line that contains rAX becomes zero: APM 3 "CLZERO". The segment can be overridden. */
static void __attribute__((noinline)) clzero(struct cpu *cpu, const struct insn *i) {
    uint64_t off = cpu->gpr[RAX];
    off = (i->asize == 3 ? off : i->asize == 2 ? (uint32_t)off : (uint16_t)off) & ~63ull;
    uint64_t la = seg_linear(cpu, i, i->seg, off, 64, MEM_WRITE) & ~63ull;
    mem_probe(cpu, i, la, 64, MEM_WRITE);
    for (unsigned k = 0; k < 64; k += 8) mem_write64(cpu, i, la + k, 0);
}
OPFN op_clzero(struct cpu *cpu, const struct insn *i) {
    clzero(cpu, i);
    NEXT(cpu, i);
}

#define HINT(ID) ROW_ANY(ID, 0, op_nop), ROW_ANY(ID, M, op_nop), ROW_ANY(ID, R, op_nop)

static const struct op_forms rows[] = {
    ROW_ANY(CLC, 0, op_clc),
    ROW_ANY(STC, 0, op_stc),
    ROW_ANY(CMC, 0, op_cmc),
    ROW_ANY(CLD, 0, op_cld),
    ROW_ANY(STD, 0, op_std),
    ROW_ANY(LAHF, 0, op_lahf),
    ROW_ANY(SAHF, 0, op_sahf),
    ROW_SIZES(BOUND, RM, op_bound_rm16, op_bound_rm32, 0),
    HINT(NOP),
    ROW_ANY(NOP, RR, op_nop),
    ROW_ANY(NOP, RM, op_nop),
    ROW_ANY(NOP, MR, op_nop),
    HINT(ENDBR32),
    HINT(ENDBR64),
    HINT(LFENCE),
    HINT(SFENCE),
    HINT(MFENCE),
    HINT(CLDEMOTE),
    HINT(PREFETCH),
    HINT(PREFETCHNTA),
    HINT(PREFETCHT0),
    HINT(PREFETCHT1),
    HINT(PREFETCHT2),
    HINT(PREFETCHW),
    HINT(PREFETCHWT1),
    ROW_ANY(CLFLUSH, M, op_clflush),
    ROW_ANY(CLFLUSHOPT, M, op_clflush),
    ROW_ANY(CLWB, M, op_clflush),
    ROW_ANY(CLZERO, 0, op_clzero),
    ROW_ANY(INVALID, 0, op_ud),
    ROW_ANY(UD0, 0, op_ud),
    ROW_ANY(UD1, 0, op_ud),
    ROW_ANY(UD2, 0, op_ud),
    ROW_ANY(UD0, RR, op_ud),
    ROW_ANY(UD0, RM, op_ud),
    ROW_ANY(UD1, RR, op_ud),
    ROW_ANY(UD1, RM, op_ud),
};
OP_GROUP(op_group_misc, rows);
