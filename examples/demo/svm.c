/*
 * AMD's SVM. The guest's state and the list of what shall exit sit in a VMCB, an ordinary page of memory; the
 * hypervisor's state goes to a page that only the processor understands.
 */
#include "examples/demo/svm.h"

#include "examples/demo/abi.h"
#include "examples/demo/console.h"
#include "examples/demo/descriptors.h"
#include "examples/demo/hypervisor.h"
#include "examples/demo/memory.h"
#include "examples/demo/x86.h"

void svm_enter(struct registers *regs, uint64_t guest_vmcb, uint64_t host_vmcb); /* run.S */

static struct vmcb *vmcb;
static struct vmcb *host_vmcb; /* for VMSAVE and VMLOAD of the hypervisor's own FS, GS, TR, LDTR and MSRs */
static bool has_nrips;

/* ---- Turning it on. APM 2, "Enabling SVM" ---- */

bool svm_supported(void) {
    return cpuid(0x80000000, 0).eax >= 0x8000000A && cpuid(0x80000001, 0).ecx & CPUID_80000001_ECX_SVM;
}

static void svm_enable(void) {
    const uint32_t features = cpuid(0x8000000A, 0).edx;
    if (!(features & CPUID_8000000A_EDX_NP)) give_up("This processor has SVM without nested paging.");
    if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) give_up("The firmware has locked SVM off.");
    has_nrips = features & CPUID_8000000A_EDX_NRIPS;
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, physical(page_alloc()));
    host_vmcb = page_alloc();
}

/* ---- The VMCB ---- */

static void write_controls(const struct vcpu *vcpu) {
    enum { IOPM_PAGES = 3, MSRPM_PAGES = 2 };
    uint8_t *iopm = pages_alloc(IOPM_PAGES), *msrpm = pages_alloc(MSRPM_PAGES);
    memset(iopm, 0xFF, IOPM_PAGES * PAGE_SIZE); /* all ports, all MSRs */
    memset(msrpm, 0xFF, MSRPM_PAGES * PAGE_SIZE);

    vmcb->intercepts[3] = INTERCEPT3_INTR | INTERCEPT3_VINTR | INTERCEPT3_CPUID | INTERCEPT3_HLT |
                          INTERCEPT3_IOIO_PROT | INTERCEPT3_MSR_PROT | INTERCEPT3_SHUTDOWN;
    vmcb->intercepts[4] = INTERCEPT4_VMRUN | INTERCEPT4_VMMCALL;
    vmcb->iopm_base_pa = physical(iopm);
    vmcb->msrpm_base_pa = physical(msrpm);
    vmcb->guest_asid = 1;          /* 0 is the hypervisor's */
    vmcb->v_intr = V_INTR_MASKING; /* the guest's RFLAGS.IF does not hold off the machine's interrupts */
    vmcb->np_enable = 1;
    vmcb->n_cr3 = vcpu->nested_root;
}

/* APM 2, "Canonicalization and Consistency Checks" says what VMRUN accepts. Unlike VMX, it is content with little. */
static void write_guest_state(uint64_t rip, uint64_t cr3) {
    const struct vmcb_segment data = {SEL_DATA, ATTR_DATA, 0xFFFFFFFF, 0};
    vmcb->cs = (struct vmcb_segment){SEL_CODE, ATTR_CODE64, 0xFFFFFFFF, 0};
    vmcb->ds = vmcb->es = vmcb->ss = vmcb->fs = vmcb->gs = data;
    vmcb->tr = (struct vmcb_segment){SEL_TSS, ATTR_BUSY_TSS, 0x67, 0};
    vmcb->efer = EFER_LME | EFER_LMA | EFER_SVME; /* SVME must be set, though the guest is not shown it */
    vmcb->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
    vmcb->cr3 = cr3;
    vmcb->cr4 = CR4_PAE;
    vmcb->dr6 = 0xFFFF0FF0;
    vmcb->dr7 = 0x400;
    vmcb->rflags = RFLAGS_FIXED;
    vmcb->rip = rip;
    vmcb->g_pat = 0x0007040600070406; /* as after reset */
}

static void svm_create(const struct vcpu *vcpu, uint64_t rip, uint64_t cr3) {
    vmcb = page_alloc();
    write_controls(vcpu);
    write_guest_state(rip, cr3);
}

/* ---- Running ---- */

static const struct exit_name svm_exits[] = {
    {EXIT_CPUID,        VMEXIT_CPUID,    "VMEXIT_CPUID"   },
    {EXIT_MSR,          VMEXIT_MSR,      "VMEXIT_MSR"     },
    {EXIT_IO,           VMEXIT_IOIO,     "VMEXIT_IOIO"    },
    {EXIT_HLT,          VMEXIT_HLT,      "VMEXIT_HLT"     },
    {EXIT_HYPERCALL,    VMEXIT_VMMCALL,  "VMEXIT_VMMCALL" },
    {EXIT_NESTED_FAULT, VMEXIT_NPF,      "VMEXIT_NPF"     },
    {EXIT_INTERRUPT,    VMEXIT_INTR,     "VMEXIT_INTR"    },
    {EXIT_WINDOW,       VMEXIT_VINTR,    "VMEXIT_VINTR"   },
    {EXIT_TRIPLE_FAULT, VMEXIT_SHUTDOWN, "VMEXIT_SHUTDOWN"},
    {EXIT_UNKNOWN,      0,               NULL             },
};

static void describe(struct vm_exit *exit) {
    const uint64_t info1 = vmcb->exit_info1;
    *exit = (struct vm_exit){.kind = EXIT_UNKNOWN, .code = vmcb->exit_code, .detail = info1, .rip = vmcb->rip};
    for (const struct exit_name *e = svm_exits; e->name; e++)
        if (e->code == exit->code) exit->kind = e->kind;

    switch (exit->kind) {
    case EXIT_IO: /* APM 2, "IN and OUT Behavior": bits 4, 5, 6 are set for a size of 1, 2, 4 */
        exit->size = (uint8_t)(info1 >> 4 & 7);
        exit->write = !(info1 & 1 << 0);
        exit->string = info1 & 1 << 2;
        exit->port = (uint16_t)(info1 >> 16);
        break;
    case EXIT_MSR:
        exit->write = info1 & 1;
        break;
    case EXIT_NESTED_FAULT:
        exit->guest_addr = vmcb->exit_info2;
        break; /* APM 2, "Nested versus Guest Page Faults, Fault Ordering" */
    default:
        break;
    }
}

static void svm_run(struct vcpu *vcpu, struct vm_exit *exit) {
    vmcb->rax = vcpu->regs.rax;
    vmcb->event_inj = vcpu->event;
    svm_enter(&vcpu->regs, physical(vmcb), physical(host_vmcb));
    vcpu->regs.rax = vmcb->rax;
    describe(exit);
    if (exit->code == VMEXIT_INVALID)
        give_up("VMRUN refused the VMCB: see APM 2, \"Canonicalization and Consistency Checks\".");
    /* APM 2, "Intercepts During IDT Interrupt Delivery": what was being delivered has to be injected again. */
    vcpu->event = vmcb->exit_int_info & 1u << 31 ? vmcb->exit_int_info : 0;
}

/* Processors without NRIP save leave it to us to know how long the instruction was. None of ours has a prefix. */
static uint64_t next_rip(void) {
    if (vmcb->exit_code == VMEXIT_IOIO) return vmcb->exit_info2;
    if (has_nrips) return vmcb->nrip;
    switch (vmcb->exit_code) {
    case VMEXIT_HLT:
        return vmcb->rip + 1;
    case VMEXIT_VMMCALL:
        return vmcb->rip + 3;
    default:
        return vmcb->rip + 2; /* CPUID, RDMSR, WRMSR */
    }
}

static void svm_skip_instruction(void) {
    vmcb->rip = next_rip();
    vmcb->interrupt_shadow = 0;
}

static bool svm_interruptible(void) { return vmcb->rflags & RFLAGS_IF && !(vmcb->interrupt_shadow & 1); }

/* A virtual interrupt that is pending and intercepted exits in the moment in which the guest would take it. */
static void svm_set_interrupt_window(bool on) {
    vmcb->v_intr = V_INTR_MASKING | (vmcb->v_intr & V_TPR);
    if (on) vmcb->v_intr |= V_IRQ | V_IGN_TPR | V_INTR_PRIO(15) | V_INTR_VECTOR(GUEST_TICK_VECTOR);
}

/* Present, writable, user: to the nested tables every access of the guest is a user access. APM 2, "Nested Table Walk"
 */
static const struct nested_format npt = {.name = "NPT", .table_bits = 7, .page_bits = 7};

const struct vendor svm = {
    .name = "SVM",
    .how = "EFER.SVME is set, VM_HSAVE_PA has a page for our own state",
    .hypercall = HYPERCALL_IS_VMMCALL,
    .nested = &npt,
    .exits = svm_exits,
    .hex_codes = true,
    .enable = svm_enable,
    .create = svm_create,
    .run = svm_run,
    .skip_instruction = svm_skip_instruction,
    .interruptible = svm_interruptible,
    .set_interrupt_window = svm_set_interrupt_window,
};
