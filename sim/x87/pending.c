/* The two ways of reporting an x87 exception: #MF, and FERR# with IRQ 13. SDM 3 "x87 FPU Floating-Point Error (#MF)";
 * SDM 1 "MS-DOS Compatibility Sub-mode". */
#include "sim/x87/pending.h"

#include "sim/core/fault.h"
#include "sim/core/virt.h"
#include "sim/machine/machine.h"

/* The pin of the bootstrap processor is the one that the board wires. */
static bool drives_pin(const struct cpu *cpu) { return cpu->id == 0; }

/* SDM 1, "MS-DOS Compatibility Sub-mode": the processor "freezes just before executing" the waiting instruction and
 * waits for an interrupt. As after HLT, but RIP is that of the instruction, which is tried again. */
static _Noreturn void freeze(struct cpu *cpu, const struct insn *i) {
    cpu->cur = i;
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_FERR_FREEZE, 0, 0);
    cpu->rip = cpu_insn_rip(cpu, i);
    cpu->budget += i->left;
    cpu->cur = NULL;
    cpu->intr.activity = ACT_HLT;
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
    cpu_resume(cpu);
}

void x87_pending(struct cpu *cpu, const struct insn *i) {
    if (cpu->ctl.cr0 & CR0_NE) {
        cpu->cur = i;
        cpu_raise(cpu, VEC_MF);
    }
    if (drives_pin(cpu)) {
        if (machine_ignne(cpu->machine)) return;
        machine_set_ferr(cpu->machine, true);
    }
    freeze(cpu, i);
}

void x87_ferr_update(struct cpu *cpu) {
    if (drives_pin(cpu) && !(cpu->fpu.fsw & FSW_ES)) machine_set_ferr(cpu->machine, false);
}
