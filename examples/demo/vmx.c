/*
 * Intel's VMX. All of the guest's and the hypervisor's state sits in a VMCS, a structure that only VMREAD and VMWRITE
 * may touch. VM entry checks it thoroughly; most of this file is about giving each field a value that it accepts.
 */
#include "examples/demo/vmx.h"

#include "examples/demo/abi.h"
#include "examples/demo/console.h"
#include "examples/demo/descriptors.h"
#include "examples/demo/hypervisor.h"
#include "examples/demo/memory.h"
#include "examples/demo/x86.h"

bool vmx_enter(struct registers *regs, bool launched); /* run.S */
extern const uint8_t vmx_exit_point[];

static bool launched;

static void vmwrite(enum vmcs_field field, uint64_t value) {
    bool failed;
    __asm__ volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"((uint64_t)field), "rm"(value) : "memory");
    if (failed) give_up("VMWRITE of field %xh failed.", field);
}

static uint64_t vmread(enum vmcs_field field) {
    uint64_t value;
    bool failed;
    __asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=rm"(value) : "r"((uint64_t)field) : "memory");
    if (failed) give_up("VMREAD of field %xh failed.", field);
    return value;
}

/* ---- Turning it on. SDM 3, "Enabling and Entering VMX Operation" ---- */

bool vmx_supported(void) {
    enum { CPUID_1_ECX_VMX = 1 << 5 };
    return cpuid(1, 0).ecx & CPUID_1_ECX_VMX;
}

/* Firmware decides with this MSR whether VMX may be used, then locks it. If it has not, the decision is ours. */
static void allow_vmxon(void) {
    const uint64_t allow = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX;
    const uint64_t now = rdmsr(IA32_FEATURE_CONTROL);
    if (!(now & FEATURE_CONTROL_LOCK)) wrmsr(IA32_FEATURE_CONTROL, now | allow);
    if ((rdmsr(IA32_FEATURE_CONTROL) & allow) != allow) give_up("The firmware has locked VMX off.");
}

/* The VMXON region and every VMCS begin with the revision identifier. */
static void *region_alloc(void) {
    uint32_t *region = page_alloc();
    *region = (uint32_t)rdmsr(IA32_VMX_BASIC) & 0x7FFFFFFF;
    return region;
}

static void vmx_enable(void) {
    allow_vmxon();
    write_cr0((read_cr0() | rdmsr(IA32_VMX_CR0_FIXED0)) & rdmsr(IA32_VMX_CR0_FIXED1));
    write_cr4((read_cr4() | CR4_VMXE | rdmsr(IA32_VMX_CR4_FIXED0)) & rdmsr(IA32_VMX_CR4_FIXED1));

    const uint64_t vmxon_region = physical(region_alloc());
    bool failed;
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(vmxon_region) : "memory");
    if (failed) give_up("VMXON failed.");
}

/* ---- The VMCS ---- */

/*
 * Each control exists or not, and may be optional or fixed: a capability MSR says which bits must be 1 (low half) and
 * which may be 1 (high half). The TRUE MSRs, where they exist, let some old must-be-1 bits be 0.
 * SDM 3, appendix "Reserved Controls and Default Settings".
 */
static uint32_t allowed_controls(const char *name, uint32_t wanted, uint32_t capability_msr) {
    const uint64_t capability = rdmsr(capability_msr);
    const uint32_t must = (uint32_t)capability, may = (uint32_t)(capability >> 32);
    if (wanted & ~may) give_up("This processor lacks %s controls: %xh.", name, wanted & ~may);
    return wanted | must;
}

static void write_controls(const struct vcpu *vcpu) {
    const bool true_ctls = rdmsr(IA32_VMX_BASIC) & VMX_BASIC_TRUE_CTLS;
    const uint32_t msr = true_ctls ? IA32_VMX_TRUE_PINBASED_CTLS : IA32_VMX_PINBASED_CTLS;
    const uint32_t proc = PROC_HLT_EXITING | PROC_UNCONDITIONAL_IO_EXITING | PROC_ACTIVATE_SECONDARY_CONTROLS;

    vmwrite(VMCS_PIN_CONTROLS, allowed_controls("pin-based", PIN_EXTERNAL_INTERRUPT_EXITING, msr));
    /* No MSR bitmaps: then every RDMSR and WRMSR exits. CPUID and VMCALL always do. */
    vmwrite(VMCS_PROC_CONTROLS, allowed_controls("processor-based", proc, msr + 1));
    vmwrite(VMCS_PROC_CONTROLS2, allowed_controls("secondary", PROC2_ENABLE_EPT, IA32_VMX_PROCBASED_CTLS2));
    vmwrite(VMCS_EXIT_CONTROLS, allowed_controls("VM-exit", EXIT_HOST_ADDRESS_SPACE_SIZE, msr + 2));
    vmwrite(VMCS_ENTRY_CONTROLS, allowed_controls("VM-entry", ENTRY_IA32E_MODE_GUEST, msr + 3));

    const uint64_t ept = rdmsr(IA32_VMX_EPT_VPID_CAP);
    if (!(ept & EPT_CAP_4_LEVELS) || !(ept & EPT_CAP_WRITE_BACK)) give_up("EPT lacks 4 levels or write-back.");
    /* SDM 3, "Extended-Page-Table Pointer (EPTP)": write-back tables (6), levels minus 1 */
    vmwrite(VMCS_EPT_POINTER, vcpu->nested_root | 6 | (4 - 1) << 3);

    vmwrite(VMCS_EXCEPTION_BITMAP, 0); /* no exception exits: the guest handles its own */
    vmwrite(VMCS_PAGE_FAULT_MASK, 0);
    vmwrite(VMCS_PAGE_FAULT_MATCH, 0);
    vmwrite(VMCS_CR3_TARGET_COUNT, 0);
    vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
    vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, 0);
}

/* What the processor loads at a VM exit: the hypervisor as it is now. SDM 3, "Host-State Area" */
static void write_host_state(void) {
    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR3, read_cr3());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    for (unsigned f = VMCS_HOST_ES_SELECTOR; f < VMCS_HOST_TR_SELECTOR; f += 2) vmwrite(f, SEL_DATA);
    vmwrite(VMCS_HOST_CS_SELECTOR, SEL_CODE);
    vmwrite(VMCS_HOST_TR_SELECTOR, SEL_TSS);
    vmwrite(VMCS_HOST_FS_BASE, 0);
    vmwrite(VMCS_HOST_GS_BASE, 0);
    vmwrite(VMCS_HOST_TR_BASE, tss_base());
    vmwrite(VMCS_HOST_GDTR_BASE, gdt_base());
    vmwrite(VMCS_HOST_IDTR_BASE, idt_base());
    vmwrite(VMCS_HOST_SYSENTER_CS, rdmsr(IA32_SYSENTER_CS));
    vmwrite(VMCS_HOST_SYSENTER_ESP, rdmsr(IA32_SYSENTER_ESP));
    vmwrite(VMCS_HOST_SYSENTER_EIP, rdmsr(IA32_SYSENTER_EIP));
    vmwrite(VMCS_HOST_RIP, physical(vmx_exit_point)); /* RSP: vmx_enter */
}

/* Selectors mean nothing until the guest loads a GDT of its own; the hidden parts, written here, are what counts. */
static void write_guest_segments(void) {
    for (unsigned i = 0; i < 8; i++) {
        vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * i, SEL_DATA);
        vmwrite(VMCS_GUEST_ES_BASE + 2 * i, 0);
        vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, 0xFFFFFFFF);
        vmwrite(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i, AR_DATA);
    }
    vmwrite(VMCS_GUEST_CS_SELECTOR, SEL_CODE);
    vmwrite(VMCS_GUEST_CS_ACCESS_RIGHTS, AR_CODE64);
    vmwrite(VMCS_GUEST_LDTR_SELECTOR, 0);
    vmwrite(VMCS_GUEST_LDTR_LIMIT, 0);
    vmwrite(VMCS_GUEST_LDTR_ACCESS_RIGHTS, AR_UNUSABLE);
    vmwrite(VMCS_GUEST_TR_SELECTOR, SEL_TSS);
    vmwrite(VMCS_GUEST_TR_LIMIT, 0x67);
    vmwrite(VMCS_GUEST_TR_ACCESS_RIGHTS, AR_BUSY_TSS);
    for (unsigned f = VMCS_GUEST_GDTR_LIMIT; f <= VMCS_GUEST_IDTR_LIMIT; f += 2) vmwrite(f, 0);
    for (unsigned f = VMCS_GUEST_IDTR_BASE - 2; f <= VMCS_GUEST_IDTR_BASE; f += 2) vmwrite(f, 0);
}

/* SDM 3, "Guest Register State", "Guest Non-Register State" */
static void write_guest_state(uint64_t rip, uint64_t cr3) {
    write_guest_segments();
    vmwrite(VMCS_GUEST_CR0, rdmsr(IA32_VMX_CR0_FIXED0) | CR0_PE | CR0_ET | CR0_NE | CR0_PG);
    vmwrite(VMCS_GUEST_CR3, cr3);
    vmwrite(VMCS_GUEST_CR4, rdmsr(IA32_VMX_CR4_FIXED0) | CR4_PAE);
    /* VMX wants CR4.VMXE set even in the guest. With the mask the guest reads the shadow: VMXE clear. */
    vmwrite(VMCS_CR0_MASK, 0);
    vmwrite(VMCS_CR0_READ_SHADOW, 0);
    vmwrite(VMCS_CR4_MASK, CR4_VMXE);
    vmwrite(VMCS_CR4_READ_SHADOW, 0);
    vmwrite(VMCS_GUEST_DR7, 0x400);
    vmwrite(VMCS_GUEST_RSP, 0);
    vmwrite(VMCS_GUEST_RIP, rip);
    vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
    vmwrite(VMCS_GUEST_IA32_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_GUEST_ACTIVITY_STATE, 0); /* active */
    vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite(VMCS_LINK_POINTER, ~0ull); /* no shadow VMCS */
    /* IA32_EFER needs no field: LME and LMA follow "IA-32e mode guest", the other bits stay as they are. */
}

static void vmx_create(const struct vcpu *vcpu, uint64_t rip, uint64_t cr3) {
    const uint64_t vmcs = physical(region_alloc());
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    if (failed) give_up("VMCLEAR failed.");
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    if (failed) give_up("VMPTRLD failed.");
    write_controls(vcpu);
    write_host_state();
    write_guest_state(rip, cr3);
}

/* ---- Running ---- */

static const struct exit_name vmx_exits[] = {
    {EXIT_CPUID,        REASON_CPUID,              "CPUID"             },
    {EXIT_MSR,          REASON_RDMSR,              "RDMSR"             },
    {EXIT_MSR,          REASON_WRMSR,              "WRMSR"             },
    {EXIT_IO,           REASON_IO,                 "I/O instruction"   },
    {EXIT_HLT,          REASON_HLT,                "HLT"               },
    {EXIT_HYPERCALL,    REASON_VMCALL,             "VMCALL"            },
    {EXIT_NESTED_FAULT, REASON_EPT_VIOLATION,      "EPT violation"     },
    {EXIT_INTERRUPT,    REASON_EXTERNAL_INTERRUPT, "External interrupt"},
    {EXIT_WINDOW,       REASON_INTERRUPT_WINDOW,   "Interrupt window"  },
    {EXIT_TRIPLE_FAULT, REASON_TRIPLE_FAULT,       "Triple fault"      },
    {EXIT_UNKNOWN,      0,                         NULL                },
};

/* SDM 3, "Information for VM Exits During Event Delivery": what was being delivered has to be injected again. */
static uint64_t interrupted_event(void) {
    const uint64_t info = vmread(VMCS_IDT_VECTORING_INFO);
    if (!(info & 1u << 31)) return 0;
    const uint64_t error_code = info & 1 << 11 ? vmread(VMCS_IDT_VECTORING_ERROR_CODE) : 0;
    return (info & ~(1ull << 12)) | error_code << 32; /* bit 12 is undefined there and reserved in an injection */
}

static void inject(uint64_t event) {
    vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, (uint32_t)event);
    vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, event >> 32);
    /* Used only for software interrupts and exceptions, injected again. */
    vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static void describe(struct vm_exit *exit) {
    const uint64_t reason = vmread(VMCS_EXIT_REASON), qualification = vmread(VMCS_EXIT_QUALIFICATION);
    *exit =
        (struct vm_exit){.kind = EXIT_UNKNOWN, .code = reason, .detail = qualification, .rip = vmread(VMCS_GUEST_RIP)};
    for (const struct exit_name *e = vmx_exits; e->name; e++)
        if (e->code == reason) exit->kind = e->kind;

    switch (exit->kind) {
    case EXIT_IO: /* SDM 3, table "Exit Qualification for I/O Instructions" */
        exit->size = (uint8_t)((qualification & 7) + 1);
        exit->write = !(qualification & 1 << 3);
        exit->string = qualification & 1 << 4;
        exit->port = (uint16_t)(qualification >> 16);
        break;
    case EXIT_MSR:
        exit->write = reason == REASON_WRMSR;
        break;
    case EXIT_NESTED_FAULT:
        exit->guest_addr = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
        break;
    default:
        break;
    }
}

static void vmx_run(struct vcpu *vcpu, struct vm_exit *exit) {
    if (vcpu->event) inject(vcpu->event);
    if (!vmx_enter(&vcpu->regs, launched))
        give_up("VM entry failed, VM-instruction error %lu: see SDM 3, \"VM Instruction Error Numbers\".",
                vmread(VMCS_INSTRUCTION_ERROR));
    describe(exit);
    if (exit->code & REASON_ENTRY_FAILURE)
        give_up("VM entry failed, exit reason %lu, qualification %lu: see SDM 3, \"VM-Entry Failures During or After "
                "Loading Guest State\".",
                exit->code & 0xFFFF, exit->detail);
    launched = true;
    vcpu->event = interrupted_event();
}

static void vmx_skip_instruction(void) {
    vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
            vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)INTERRUPTIBILITY_STI_OR_MOV_SS);
}

static bool vmx_interruptible(void) {
    return vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF &&
           !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_STI_OR_MOV_SS);
}

static void vmx_set_interrupt_window(bool on) {
    const uint64_t controls = vmread(VMCS_PROC_CONTROLS) & ~(uint64_t)PROC_INTERRUPT_WINDOW_EXITING;
    vmwrite(VMCS_PROC_CONTROLS, on ? controls | PROC_INTERRUPT_WINDOW_EXITING : controls);
}

/* SDM 3, tables "Format of an EPT PML4 Entry" to "Format of an EPT Page-Table Entry": read, write, execute in bits 0-2;
   in the last, the memory type in bits 5-3: write-back. */
static const struct nested_format ept = {.name = "EPT", .table_bits = 7, .page_bits = 7 | 6 << 3};

const struct vendor vmx = {
    .name = "VMX",
    .how = "CR4.VMXE is set, VMXON has a page for the processor's use",
    .hypercall = HYPERCALL_IS_VMCALL,
    .nested = &ept,
    .exits = vmx_exits,
    .hex_codes = false,
    .enable = vmx_enable,
    .create = vmx_create,
    .run = vmx_run,
    .skip_instruction = vmx_skip_instruction,
    .interruptible = vmx_interruptible,
    .set_interrupt_window = vmx_set_interrupt_window,
};
