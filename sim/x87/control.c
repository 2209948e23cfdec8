/* Control and status words, no-operations, FWAIT, EMMS. They exist on models whose CPUID.01H:EDX.FPU is 0, too:
 * initialisation code runs them before it asks. SDM 1 "x87 FPU Control Instructions". */
#include "sim/x87/image.h"
#include "sim/x87/mmx.h"
#include "sim/x87/x87.h"

/* B, ES, SF and the six exception flags */
#define FSW_CLEX (FSW_B | FSW_ES | FSW_SF | FSW_EXC)

static X87_FN void init(struct cpu *cpu) {
    struct fpu_regs *f = &cpu->fpu;
    f->fcw = FCW_INIT;
    f->fsw = 0;
    f->ftw = 0;
    x87_set_pointers(cpu, &(struct x87_pointers){0});
    x87_ferr_update(cpu);
}
OPFN op_fninit(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    init(cpu);
    NEXT(cpu, i);
}
OPFN op_fnclex(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    cpu->fpu.fsw &= (uint16_t)~FSW_CLEX;
    x87_ferr_update(cpu);
    NEXT(cpu, i);
}
OPFN op_fnop(struct cpu *cpu, const struct insn *i) {
    X87_ENTER(cpu, i);
    x87_note(cpu, i);
    NEXT(cpu, i);
}
/* FNENI, FNDISI and FNSETPM of the 8087 and 287: SDM 3 "x87 FPU and Intel 287 ...": "treated as FNOP", without waiting
 */
OPFN op_fnop_old(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    NEXT(cpu, i);
}
OPFN op_fnstcw(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    store16(cpu, i, cpu->fpu.fcw);
    NEXT(cpu, i);
}
OPFN op_fldcw(struct cpu *cpu, const struct insn *i) {
    X87_ENTER(cpu, i);
    cpu->fpu.fcw = (uint16_t)((load16(cpu, i) & FCW_VALID) | FCW_FIXED);
    x87_summarize(cpu);
    NEXT(cpu, i);
}
OPFN op_fnstsw_m(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    store16(cpu, i, cpu->fpu.fsw);
    NEXT(cpu, i);
}
OPFN op_fnstsw_r(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    set_reg16(cpu, REG_OFF(RAX), cpu->fpu.fsw);
    NEXT(cpu, i);
}

/* SDM 2 "WAIT/FWAIT": #NM when CR0.MP and CR0.TS are both 1. */
OPFN op_fwait(struct cpu *cpu, const struct insn *i) {
    if (unlikely(cpu->denied & GATE_FWAIT)) op_raise(cpu, i, VEC_NM);
    if (unlikely(cpu->fpu.fsw & FSW_ES)) x87_pending(cpu, i);
    NEXT(cpu, i);
}

/* SDM 2 "EMMS", APM 5 "FEMMS" */
OPFN op_emms(struct cpu *cpu, const struct insn *i) {
    mmx_begin(cpu, i);
    mmx_touch(cpu);
    cpu->fpu.ftw = 0;
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(FWAIT, 0, op_fwait),
    ROW_ANY(FNOP, 0, op_fnop),
    ROW_ANY(FENI8087_NOP, 0, op_fnop_old),
    ROW_ANY(FDISI8087_NOP, 0, op_fnop_old),
    ROW_ANY(FSETPM287_NOP, 0, op_fnop_old),
    ROW_ANY(FNINIT, 0, op_fninit),
    ROW_ANY(FNCLEX, 0, op_fnclex),
    ROW_ANY(FNSTCW, M, op_fnstcw),
    ROW_ANY(FLDCW, M, op_fldcw),
    ROW_ANY(FNSTSW, M, op_fnstsw_m),
    ROW_ANY(FNSTSW, R, op_fnstsw_r),
    ROW_ANY(EMMS, 0, op_emms),
    ROW_ANY(FEMMS, 0, op_emms),
};
OP_GROUP(op_group_x87_control, rows);
