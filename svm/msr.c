/* The MSRs of SVM. APM 2, "SVM Related MSRs" */
#include "sim/arch/msr.h"
#include "sim/core/system.h"
#include "svm/svm.h"

enum virt_msr svm_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    const struct svm *s = svm_of(cpu);
    switch (msr) {
    case MSR_VM_CR:
        *val = s->vm_cr;
        return VIRT_MSR_DONE;
    case MSR_IGNNE:
        *val = s->ignne;
        return VIRT_MSR_DONE;
    case MSR_VM_HSAVE_PA:
        *val = s->hsave_pa;
        return VIRT_MSR_DONE;
    case MSR_SMM_CTL:
        return VIRT_MSR_GP; /* write-only */
    case MSR_SVM_KEY:       /* reads as 0 */
        if (!svm_has(s, SVM_FEATURE_SVML)) return VIRT_MSR_GP;
        *val = 0;
        return VIRT_MSR_DONE;
    case MSR_TSC_RATIO:
        if (!svm_has(s, SVM_FEATURE_TSC_RATE_MSR)) return VIRT_MSR_GP;
        *val = s->tsc_ratio;
        return VIRT_MSR_DONE;
    default:
        return VIRT_MSR_NOT_MINE;
    }
}

/* "VM_CR MSR": LOCK makes itself and SVMDIS read-only; SVMDIS cannot be set while SVM is in use. */
static enum virt_msr write_vm_cr(struct cpu *cpu, uint64_t val) {
    struct svm *s = svm_of(cpu);
    const uint64_t frozen = VM_CR_LOCK | VM_CR_SVMDIS;
    if (val & ~(uint64_t)VM_CR_VALID) return VIRT_MSR_GP;
    if (s->vm_cr & VM_CR_LOCK) val = (val & ~frozen) | (s->vm_cr & frozen);
    if ((val & VM_CR_SVMDIS) && (cpu->ctl.efer & EFER_SVME)) return VIRT_MSR_GP;
    s->vm_cr = val;
    return VIRT_MSR_DONE;
}

/* "SMM_CTL MSR": what a virtual machine monitor does by hand after an intercepted SMI */
static enum virt_msr write_smm_ctl(struct cpu *cpu, uint64_t val) {
    if ((val & ~(uint64_t)SMM_CTL_VALID) || (cpu->msr.hwcr & 1)) return VIRT_MSR_GP; /* HWCR.SMMLOCK */
    if (val & SMM_CTL_DISMISS) cpu->intr.attn &= ~(uint32_t)ATTN_SMI;
    if (val & SMM_CTL_ENTER) cpu->intr.smm = true;
    if (val & SMM_CTL_EXIT) cpu->intr.smm = false;
    return VIRT_MSR_DONE;
}

/* "SVM_KEY MSR": the key is set once by the system; writing the same value again unlocks VM_CR. */
static enum virt_msr write_key(struct svm *s, uint64_t val) {
    if (!svm_has(s, SVM_FEATURE_SVML)) return VIRT_MSR_GP;
    if (!(s->vm_cr & VM_CR_LOCK))
        s->svm_key = val;
    else if (s->svm_key && s->svm_key == val)
        s->vm_cr &= ~(uint64_t)VM_CR_LOCK;
    return VIRT_MSR_DONE;
}

/* "VM_CR.SVMDIS": SVME must be zero then. The rest of EFER is the core's. */
static enum virt_msr write_efer(struct cpu *cpu, uint64_t val) {
    if ((val & EFER_SVME) && (svm_of(cpu)->vm_cr & VM_CR_SVMDIS)) return VIRT_MSR_GP;
    if (cpu->virt.guest) svm_trap_write(cpu, VMEXIT_EFER_WRITE_TRAP, val);
    cpu->virt.operation = val & EFER_SVME;
    return VIRT_MSR_NOT_MINE;
}

enum virt_msr svm_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t val) {
    struct svm *s = svm_of(cpu);
    switch (msr) {
    case MSR_EFER:
        return write_efer(cpu, val);
    case MSR_VM_CR:
        return write_vm_cr(cpu, val);
    case MSR_IGNNE:
        if (val & ~1ull) return VIRT_MSR_GP;
        s->ignne = val;
        return VIRT_MSR_DONE;
    case MSR_SMM_CTL:
        return write_smm_ctl(cpu, val);
    case MSR_VM_HSAVE_PA:
        if ((val & ~PAGE_MASK) || val >> cpu->model->phys_bits) return VIRT_MSR_GP;
        s->hsave_pa = val;
        return VIRT_MSR_DONE;
    case MSR_SVM_KEY:
        return write_key(s, val);
    case MSR_TSC_RATIO:
        if (!svm_has(s, SVM_FEATURE_TSC_RATE_MSR) || val >> 40) return VIRT_MSR_GP;
        s->tsc_ratio = val;
        return VIRT_MSR_DONE;
    default:
        return VIRT_MSR_NOT_MINE;
    }
}

/* APM 2, "TSC Ratio MSR": a multiplier with 32 fraction bits, then TSC_OFFSET. Asked inside the guest only. */
uint64_t svm_tsc(struct cpu *cpu, uint64_t host_tsc) {
    const struct svm *s = svm_of(cpu);
    return (uint64_t)((unsigned __int128)host_tsc * s->tsc_ratio >> 32) + s->tsc_offset;
}
