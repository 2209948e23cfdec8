/* Bodies of the XSAVE family, of XGETBV and XSETBV, and of RDPKRU and WRPKRU. What saving and restoring do is in
 * sim/core/xsave.c. SDM 2. */
#include "sim/core/xsave.h"
#include "sim/ops/sys.h"

static void check_gate(struct cpu *cpu) {
    if (cpu->denied & GATE_XSAVE) cpu_raise_denied(cpu, GATE_XSAVE);
}

/* XSAVES and XRSTORS: CPL 0. An extension may make them undefined (asked before the exceptions) or leave the guest. */
static void check_supervisor(struct cpu *cpu) {
    VIRT_INTERCEPT(cpu, STAGE_BEFORE_EXC, ICEPT_XSAVES, 0, 0);
    check_gate(cpu);
    if (cpu->cpl != 0) cpu_gp0(cpu);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_XSAVES, edx_eax(cpu) & cpu->msr.xss, 0);
}

static void save(struct cpu *cpu, const struct insn *i, enum xsave_kind kind, bool w64) {
    check_gate(cpu);
    xsave_store(cpu, i, kind, edx_eax(cpu), w64);
}

void body_xsave(struct cpu *cpu, const struct insn *i) { save(cpu, i, XSAVE_STANDARD, i->id == INSN_XSAVE64); }
void body_xsaveopt(struct cpu *cpu, const struct insn *i) { save(cpu, i, XSAVE_OPTIMIZED, i->id == INSN_XSAVEOPT64); }
void body_xsavec(struct cpu *cpu, const struct insn *i) { save(cpu, i, XSAVE_COMPACTED, i->id == INSN_XSAVEC64); }
void body_xsaves(struct cpu *cpu, const struct insn *i) {
    check_supervisor(cpu);
    xsave_store(cpu, i, XSAVE_SUPERVISOR, edx_eax(cpu), i->id == INSN_XSAVES64);
}

void body_xrstor(struct cpu *cpu, const struct insn *i) {
    check_gate(cpu);
    xsave_restore(cpu, i, false, edx_eax(cpu), i->id == INSN_XRSTOR64);
}
void body_xrstors(struct cpu *cpu, const struct insn *i) {
    check_supervisor(cpu);
    xsave_restore(cpu, i, true, edx_eax(cpu), i->id == INSN_XRSTORS64);
}

/* ---- XCR0: CR4.OSXSAVE was checked by the prologue ---- */

void body_xgetbv(struct cpu *cpu, const struct insn *i) {
    (void)i;
    const uint32_t n = (uint32_t)cpu->gpr[RCX];
    if (n > 1 || (n == 1 && !cpu_has(cpu, FEAT_XGETBV1))) cpu_gp0(cpu);
    set_edx_eax(cpu, n == 0 ? cpu->ctl.xcr0 : xsave_in_use(cpu, cpu->ctl.xcr0));
}

void body_xsetbv(struct cpu *cpu, const struct insn *i) {
    (void)i;
    const uint64_t val = edx_eax(cpu);
    if ((uint32_t)cpu->gpr[RCX] != 0 || !xcr0_valid(cpu->model, val)) cpu_gp0(cpu);
    cpu->ctl.xcr0 = val;
    cpu_update_mode(cpu);
}

/* ---- PKRU: CR4.PKE was checked by the prologue ---- */

void body_rdpkru(struct cpu *cpu, const struct insn *i) {
    (void)i;
    if ((uint32_t)cpu->gpr[RCX] != 0) cpu_gp0(cpu);
    set_edx_eax(cpu, cpu->ctl.pkru);
}

void body_wrpkru(struct cpu *cpu, const struct insn *i) {
    (void)i;
    if ((uint32_t)cpu->gpr[RCX] != 0 || (uint32_t)cpu->gpr[RDX] != 0) cpu_gp0(cpu);
    cpu->ctl.pkru = (uint32_t)cpu->gpr[RAX];
    cpu_update_mode(cpu);
}
