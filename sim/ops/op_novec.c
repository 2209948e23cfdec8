/* x87, MMX, SSE, FXSAVE and XSAVE instructions: there is no floating-point or vector state yet, so each ends in the
 * exception that a processor without the feature, or with it switched off, gives. One table row per class, tested from
 * left to right: SDM 3 "Configuring the x87 FPU Environment", "Emulation of the x87 FPU" (#NM by EM and TS); SDM 3
 * "Emulation of MMX", SDM 3 table "Action Taken for Combinations of OSFXSR, OSXMMEXCPT, SSE ... EM, MP, and TS" (#UD,
 * then #NM); SDM 2 "FXSAVE", "XSAVE". */
#include "sim/ops/opdef.h"

static const struct novec_class {
    uint16_t id;
    uint32_t cr0_ud; /* #UD when one of these is 1 */
    uint32_t cr4_ud; /* #UD when one of these is 0 */
    uint32_t cr0_nm; /* #NM when one of these is 1; else #UD */
} classes[] = {
    {INSN_CLASS_X87,  0, 0, CR0_EM | CR0_TS},
    {INSN_CLASS_FXSR, 0, 0, CR0_EM | CR0_TS},
};

OPFN op_novec(struct cpu *cpu, const struct insn *i) {
    const struct novec_class *c = &classes[0];
    while (c->id != i->id) c++;
    bool ud = (cpu->ctl.cr0 & c->cr0_ud) || (~cpu->ctl.cr4 & c->cr4_ud);
    op_raise(cpu, i, !ud && (cpu->ctl.cr0 & c->cr0_nm) ? VEC_NM : VEC_UD);
}

/* The x87 control and status words, so that initialisation code runs on models whose CPUID.01H:EDX.FPU is 0. SDM 2
 * "FINIT/FNINIT", "FCLEX/FNCLEX", "FSTCW/FNSTCW", "FLDCW", "FSTSW/FNSTSW": #NM when CR0.EM or CR0.TS is 1. */
#define FSW_EXCEPTION 0x80FF /* B, ES, SF and the six exception flags */

static inline void check_x87(struct cpu *cpu, const struct insn *i) {
    if (cpu->ctl.cr0 & (CR0_EM | CR0_TS)) op_raise(cpu, i, VEC_NM);
}
OPFN op_fninit(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    cpu->fpu = (struct fpu_regs){.fcw = FCW_INIT, .ftw = 0, .host = cpu->fpu.host};
    NEXT(cpu, i);
}
OPFN op_fnop(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    NEXT(cpu, i);
}
OPFN op_fnclex(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    cpu->fpu.fsw &= (uint16_t)~FSW_EXCEPTION;
    NEXT(cpu, i);
}
OPFN op_fnstcw(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    mem_write16(cpu, i, ea_linear(cpu, i, 2, MEM_WRITE), cpu->fpu.fcw);
    NEXT(cpu, i);
}
OPFN op_fldcw(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    cpu->fpu.fcw = (mem_read16(cpu, i, ea_linear(cpu, i, 2, MEM_READ)) & 0x1F7F) | 0x40;
    NEXT(cpu, i);
}
OPFN op_fnstsw_m(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    mem_write16(cpu, i, ea_linear(cpu, i, 2, MEM_WRITE), cpu->fpu.fsw);
    NEXT(cpu, i);
}
OPFN op_fnstsw_r(struct cpu *cpu, const struct insn *i) {
    check_x87(cpu, i);
    set_reg16(cpu, REG_OFF(RAX), cpu->fpu.fsw);
    NEXT(cpu, i);
}

/* SDM 2 "WAIT/FWAIT": #NM when CR0.MP and CR0.TS are both 1; no exception is ever pending here. */
OPFN op_fwait(struct cpu *cpu, const struct insn *i) {
    if ((~cpu->ctl.cr0 & (CR0_MP | CR0_TS)) == 0) op_raise(cpu, i, VEC_NM);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(FWAIT, 0, op_fwait),     ROW_ANY(FNOP, 0, op_fnop),        ROW_ANY(FNINIT, 0, op_fninit),
    ROW_ANY(FNCLEX, 0, op_fnclex),   ROW_ANY(FNSTCW, M, op_fnstcw),    ROW_ANY(FLDCW, M, op_fldcw),
    ROW_ANY(FNSTSW, M, op_fnstsw_m), ROW_ANY(FNSTSW, R, op_fnstsw_r),  ROW_ANY(INVALID, 0, op_ud),
    ROW_ANY(CLASS_X87, 0, op_novec), ROW_ANY(CLASS_FXSR, 0, op_novec),
};
OP_GROUP(op_group_novec, rows);
