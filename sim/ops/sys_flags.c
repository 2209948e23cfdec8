/* CLI, STI, POPF, STAC, CLAC. SDM 2; SDM 3 "Protected-Mode Virtual Interrupts", "Virtual-8086 Mode Extensions". */
#include "sim/ops/sys.h"

/* May CLI and STI change IF itself, or VIF in its place (VME, PVI)? */
enum if_access { IF_REAL, IF_VIRTUAL, IF_FORBIDDEN };

static enum if_access if_access(const struct cpu *cpu) {
    unsigned iopl = (cpu->rflags & FLAG_IOPL) >> 12;
    if (cpu_is_real(cpu)) return IF_REAL;
    if (cpu_is_vm86(cpu)) return iopl == 3 ? IF_REAL : cpu->ctl.cr4 & CR4_VME ? IF_VIRTUAL : IF_FORBIDDEN;
    if (cpu->cpl <= iopl) return IF_REAL;
    return cpu->cpl == 3 && (cpu->ctl.cr4 & CR4_PVI) ? IF_VIRTUAL : IF_FORBIDDEN;
}

void body_cli(struct cpu *cpu, const struct insn *i) {
    (void)i;
    switch (if_access(cpu)) {
    case IF_REAL:
        cpu->rflags &= ~(uint32_t)FLAG_IF;
        break;
    case IF_VIRTUAL:
        cpu->rflags &= ~(uint32_t)FLAG_VIF;
        break;
    default:
        cpu_gp0(cpu);
    }
}

void body_sti(struct cpu *cpu, const struct insn *i) {
    (void)i;
    switch (if_access(cpu)) {
    case IF_REAL:
        if (!(cpu->rflags & FLAG_IF)) cpu->intr.sti_shadow = true;
        cpu->rflags |= FLAG_IF;
        break;
    case IF_VIRTUAL:
        if (cpu->rflags & FLAG_VIP) cpu_gp0(cpu);
        cpu->rflags |= FLAG_VIF;
        break;
    default:
        cpu_gp0(cpu);
    }
}

/* Virtual-8086 mode with IOPL < 3: only VME's 16-bit form, with VIF in place of IF. */
static void popf_vme(struct cpu *cpu, unsigned opsize) {
    struct stack st;
    if (!(cpu->ctl.cr4 & CR4_VME) || opsize != 2) cpu_gp0(cpu);
    stack_current(cpu, &st);
    uint32_t val = (uint32_t)stack_take(cpu, &st, 2);
    if ((val & FLAG_TF) || ((val & FLAG_IF) && (cpu->rflags & FLAG_VIP))) cpu_gp0(cpu);
    stack_commit(cpu, &st);
    uint32_t mask = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_VIF;
    if (val & FLAG_IF) val |= FLAG_VIF;
    flags_load(cpu, (flags_get(cpu) & ~mask) | (val & mask));
}

void body_popf(struct cpu *cpu, const struct insn *i) {
    unsigned opsize = i->id == INSN_POPF ? 2 : i->id == INSN_POPFD ? 4 : 8;
    bool vm86 = cpu_is_vm86(cpu);
    if (vm86 && (cpu->rflags & FLAG_IOPL) != FLAG_IOPL) {
        popf_vme(cpu, opsize);
        return;
    }
    uint32_t mask = flags_writable(cpu, opsize);
    uint32_t val = (uint32_t)stack_pop(cpu, i, opsize);
    flags_load(cpu, (flags_get(cpu) & ~(mask | FLAG_RF)) | (val & mask));
}

static void set_ac(struct cpu *cpu, bool on) {
    cpu->rflags = on ? cpu->rflags | FLAG_AC : cpu->rflags & ~(uint32_t)FLAG_AC;
    cpu_update_mode(cpu);
}

void body_stac(struct cpu *cpu, const struct insn *i) {
    (void)i;
    set_ac(cpu, true);
}

void body_clac(struct cpu *cpu, const struct insn *i) {
    (void)i;
    set_ac(cpu, false);
}
