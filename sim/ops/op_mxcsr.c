/* LDMXCSR, STMXCSR and their VEX forms. SDM 2 "LDMXCSR", "STMXCSR". */
#include "sim/core/xsave.h"
#include "sim/fp/env.h"
#include "sim/ops/opdef.h"

static inline void check_gate(struct cpu *cpu, const struct insn *i, enum gate gate) {
    if (likely(!(cpu->denied & gate))) return;
    cpu->cur = i;
    cpu_raise_denied(cpu, gate);
}

static void ldmxcsr(struct cpu *cpu, const struct insn *i, enum gate gate) {
    check_gate(cpu, i, gate);
    const uint32_t val = load32(cpu, i);
    if (val & ~mxcsr_mask(cpu->model)) op_raise(cpu, i, VEC_GP);
    mxcsr_set(cpu, val);
}
static void stmxcsr(struct cpu *cpu, const struct insn *i, enum gate gate) {
    check_gate(cpu, i, gate);
    store32(cpu, i, mxcsr_get(cpu));
}

OPFN op_ldmxcsr(struct cpu *cpu, const struct insn *i) {
    ldmxcsr(cpu, i, GATE_SSE);
    NEXT(cpu, i);
}
OPFN op_stmxcsr(struct cpu *cpu, const struct insn *i) {
    stmxcsr(cpu, i, GATE_SSE);
    NEXT(cpu, i);
}
OPFN op_vldmxcsr(struct cpu *cpu, const struct insn *i) {
    ldmxcsr(cpu, i, GATE_AVX);
    NEXT(cpu, i);
}
OPFN op_vstmxcsr(struct cpu *cpu, const struct insn *i) {
    stmxcsr(cpu, i, GATE_AVX);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(LDMXCSR, M, op_ldmxcsr),
    ROW_ANY(STMXCSR, M, op_stmxcsr),
    ROW_ANY(VLDMXCSR, M, op_vldmxcsr),
    ROW_ANY(VSTMXCSR, M, op_vstmxcsr),
};
OP_GROUP(op_group_mxcsr, rows);
