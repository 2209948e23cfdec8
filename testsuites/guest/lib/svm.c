/* SVM: enabling, and the VMCB of a long-mode guest. */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/svm.h"

#define ATTR_CODE64   0xA9B
#define ATTR_DATA     0xC93
#define ATTR_TSS_BUSY 0x08B
#define ATTR_LDT      0x082

void svm_enter(struct svm_vm *vm);

bool svm_supported(void) { return cpuid_if_present(0x80000001, 0).ecx & BIT(2); }

bool svm_nested_paging_supported(void) { return svm_supported() && (cpuid_if_present(0x8000000A, 0).edx & BIT(0)); }

bool svm_nrip_supported(void) { return svm_supported() && (cpuid_if_present(0x8000000A, 0).edx & BIT(3)); }

static void read_vm_cr(void *arg) { *(u64 *)arg = rdmsr(MSR_VM_CR); }

bool svm_enable(void) {
    u64 vm_cr = 0;
    if (rdmsr(MSR_EFER) & EFER_SVME) return true;
    if (!svm_supported()) return false;
    try_fault(read_vm_cr, &vm_cr, NULL); /* not every simulator has the MSR */
    if (vm_cr & VM_CR_SVMDIS) return false;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, (uptr)page_alloc());
    return true;
}

static void set_segments(struct vmcb *b) {
    struct table_register gdtr = read_gdtr(), idtr = read_idtr();
    b->es = b->ss = b->ds = (struct vmcb_segment){SEL_DATA, ATTR_DATA, ~0u, 0};
    b->cs = (struct vmcb_segment){SEL_CODE64, ATTR_CODE64, ~0u, 0};
    b->fs = (struct vmcb_segment){0, 0, 0, rdmsr(MSR_FS_BASE)};
    b->gs = (struct vmcb_segment){0, 0, 0, rdmsr(MSR_GS_BASE)};
    b->ldtr = (struct vmcb_segment){0, ATTR_LDT, 0, 0};
    b->tr = (struct vmcb_segment){SEL_TSS, ATTR_TSS_BUSY, sizeof guest_tss - 1, (uptr)&guest_tss};
    b->gdtr = (struct vmcb_segment){0, 0, gdtr.limit, gdtr.base};
    b->idtr = (struct vmcb_segment){0, 0, idtr.limit, idtr.base};
}

static void set_msrs(struct vmcb *b) {
    b->star = rdmsr(MSR_STAR);
    b->lstar = rdmsr(MSR_LSTAR);
    b->cstar = rdmsr(MSR_CSTAR);
    b->sfmask = rdmsr(MSR_SFMASK);
    b->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    b->sysenter_cs = rdmsr(MSR_SYSENTER_CS);
    b->sysenter_esp = rdmsr(MSR_SYSENTER_ESP);
    b->sysenter_eip = rdmsr(MSR_SYSENTER_EIP);
    b->g_pat = rdmsr(MSR_PAT);
    b->efer = rdmsr(MSR_EFER); /* SVME must be 1: APM 2, "Canonicalization and Consistency Checks" */
}

void svm_vm_init(struct svm_vm *vm, const struct svm_config *c) {
    struct vmcb *b = page_alloc();
    *vm = (struct svm_vm){.vmcb_pa = (uptr)b, .vmcb = b};
    if (c->swap_vmload) vm->host_vmcb_pa = (uptr)page_alloc();
    vm->gpr[7] = c->arg;
    for (u32 i = 0; i < ARRAY_SIZE(b->intercept); i++) b->intercept[i] = c->intercept[i];
    b->intercept[3] |= SVM_INTERCEPT3_CPUID | (u32)SVM_INTERCEPT3_SHUTDOWN;
    b->intercept[4] |= SVM_INTERCEPT4_VMRUN | SVM_INTERCEPT4_VMMCALL;
    b->asid = c->asid ? c->asid : 1;
    b->np_enable = c->nested_cr3 ? 1 : 0;
    b->nested_cr3 = c->nested_cr3;
    set_segments(b);
    set_msrs(b);
    b->cr0 = read_cr0();
    b->cr3 = read_cr3();
    b->cr4 = read_cr4();
    b->dr6 = 0xFFFF0FF0;
    b->dr7 = 0x400;
    b->rflags = 2;
    b->rip = (uptr)c->entry;
    b->rsp = (c->stack ? c->stack : (uptr)pages_alloc(4, 1) + 4 * PAGE_SIZE) - 8;
}

void svm_run(struct svm_vm *vm) {
    vm->vmcb->rax = vm->gpr[0];
    svm_enter(vm);
    vm->gpr[0] = vm->vmcb->rax;
}
