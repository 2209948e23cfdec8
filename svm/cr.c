/* Control registers of the guest: intercepts, CR8 and V_TPR, write traps. */
#include "svm/svm.h"

/* APM 2, "MOV CRx/DRx Intercepts": with decode assists EXITINFO1 says which general register, and that it was a MOV. */
uint64_t svm_mov_info(const struct cpu *cpu, const struct insn *i) {
    if (!i || !svm_has(cpu->virt.state, SVM_FEATURE_DECODE_ASSISTS)) return 0;
    switch (i->id) {
    case INSN_MOV_TO_CR:
        return CRX_MOV | i->rm / 8;
    case INSN_MOV_FROM_CR:
        return CRX_MOV | i->reg / 8;
    case INSN_MOV_TO_DR:
        return i->rm / 8;
    case INSN_MOV_FROM_DR:
        return i->reg / 8;
    default:
        return 0;
    }
}

/* APM 2, table "Instruction Intercepts": the selective intercept is for MOV that changes more than TS and MP, and for
 * LMSW whatever it writes; not for CLTS. The unconditional one wins. */
void svm_intercept_cr0(struct cpu *cpu, uint64_t value, unsigned id) {
    const struct svm *s = svm_of(cpu);
    uint64_t info = svm_mov_info(cpu, cpu->cur);
    if (svm_intercepts(s, VMEXIT_CR0_WRITE)) svm_vmexit(cpu, VMEXIT_CR0_WRITE, info, 0);
    if (id == INSN_CLTS || !svm_intercepts(s, VMEXIT_CR0_SEL_WRITE)) return;
    if (id == INSN_LMSW || ((cpu->ctl.cr0 ^ value) & ~(uint64_t)(CR0_TS | CR0_MP | CR0_ET)))
        svm_vmexit(cpu, VMEXIT_CR0_SEL_WRITE, info, 0);
}

/* A trap is taken behind the instruction, with the value in EXITINFO1. */
void svm_trap_write(struct cpu *cpu, unsigned code, uint64_t value) {
    struct svm *s = svm_of(cpu);
    if (!svm_intercepts(s, code)) return;
    s->trap_pending = true;
    s->trap_code = code;
    s->trap_info = value;
    svm_update_attention(cpu);
}

uint64_t svm_cr_write(struct cpu *cpu, unsigned cr, uint64_t value, const struct insn *i) {
    if (!cpu->virt.guest) return value;
    if (cr == 0)
        svm_intercept_cr0(cpu, value, i ? i->id : INSN_MOV_TO_CR);
    else if (svm_intercepts(svm_of(cpu), VMEXIT_CR0_WRITE + cr))
        svm_vmexit(cpu, VMEXIT_CR0_WRITE + cr, svm_mov_info(cpu, i), 0);
    svm_trap_write(cpu, VMEXIT_CR0_WRITE_TRAP + cr, value);
    return value;
}

/* Reads are intercepted, never changed. */
uint64_t svm_cr_read(struct cpu *cpu, unsigned cr, uint64_t real) {
    (void)cpu;
    (void)cr;
    return real;
}

/* APM 2, "Virtualizing APIC.TPR" */
bool svm_cr8_read(struct cpu *cpu, uint64_t *val) {
    const struct svm *s = svm_of(cpu);
    if (!cpu->virt.guest || !s->v_intr_masking) return false;
    *val = s->vmcb.control.v_intr & V_TPR_MASK;
    return true;
}

bool svm_cr8_write(struct cpu *cpu, uint64_t val) {
    struct svm *s = svm_of(cpu);
    if (!cpu->virt.guest) return false;
    s->vmcb.control.v_intr = (s->vmcb.control.v_intr & ~V_TPR_MASK) | (val & V_TPR_MASK);
    svm_update_attention(cpu);
    return s->v_intr_masking;
}
