/* The VMX instructions themselves: what they need, how they fail, what they leave behind.
 * SDM 3, "VMX Instruction Reference", "VM Instruction Error Numbers", "Restrictions on VMX Operation" */
#include "testsuites/guest/vmx/common.h"

#define NO_VMCS (~0ULL)
#define HIGH(f) ((f) + 1)

static u64 vmxon_pa, region_a, region_b;

static void do_vmxon(void *arg) { vmxon(*(u64 *)arg); }
static void do_vmxoff(void *arg) {
    (void)arg;
    vmxoff();
}
static void do_vmptrst(void *arg) {
    (void)arg;
    vmptrst();
}
static void do_vmread(void *arg) {
    u64 v;
    (void)arg;
    vmread(VMCS_GUEST_RIP, &v);
}
static void do_vmclear(void *arg) { vmclear(*(u64 *)arg); }
static void do_vmlaunch(void *arg) {
    (void)arg;
    __asm__ volatile("vmlaunch" : : : "memory", "cc");
}
static void do_vmcall(void *arg) {
    (void)arg;
    __asm__ volatile("vmcall" : : : "memory", "cc");
}
static void do_invept(void *arg) {
    (void)arg;
    invept(2, (struct inv_descriptor){0, 0});
}
static void do_vmptrst_to(void *arg) { __asm__ volatile("vmptrst (%0)" : : "r"(arg) : "memory", "cc"); }
static void set_cr0(void *arg) { write_cr0(*(uptr *)arg); }
static void set_cr4(void *arg) { write_cr4(*(uptr *)arg); }
static void set_vmx_basic(void *arg) {
    (void)arg;
    wrmsr(MSR_VMX_BASIC, 0);
}

typedef void action_fn(void *arg);
struct user_action {
    action_fn *fn;
    void *arg;
};
static uptr user_action(uptr arg) {
    struct user_action *a = (struct user_action *)arg;
    a->fn(a->arg);
    return 0;
}
static void at_cpl3(void *arg) { user_call(user_action, (uptr)arg); }

static const struct {
    const char *name;
    action_fn *fn;
    bool pointer;
} instructions[] = {
    {"VMXOFF",   do_vmxoff,   false},
    {"VMPTRST",  do_vmptrst,  false},
    {"VMREAD",   do_vmread,   false},
    {"VMCLEAR",  do_vmclear,  true },
    {"VMLAUNCH", do_vmlaunch, false},
    {"VMCALL",   do_vmcall,   false},
    {"INVEPT",   do_invept,   false}
};

/* "IF (register operand) or (CR0.PE = 0) or (CR4.VMXE = 0) ... THEN #UD" of VMXON; "IF (not in VMX operation) ... THEN
 * #UD" of the others */
static void outside(void) {
    u64 pa = region_a;
    write_cr4(read_cr4() & ~CR4_VMXE);
    ok_eq((u64)try_fault(do_vmxon, &pa, NULL), VEC_UD, "VMXON with CR4.VMXE 0: #UD");
    for (u32 i = 0; i < ARRAY_SIZE(instructions); i++)
        ok_eq((u64)try_fault(instructions[i].fn, &pa, NULL), VEC_UD, "%s outside VMX operation: #UD",
              instructions[i].name);
    for (u32 i = 0; i < ARRAY_SIZE(instructions); i++) {
        struct user_action a = {instructions[i].fn, &pa};
        ok_eq((u64)try_fault(at_cpl3, &a, NULL), VEC_UD, "%s at CPL 3 outside VMX operation: #UD",
              instructions[i].name);
    }
}

/* VMXON, "Operation": 4 KiB alignment, physical-address width, revision identifier -> VMfailInvalid */
static void vmxon_operand(void) {
    u32 *r = (u32 *)(uptr)region_a;
    u32 revision = r[0], width = cpuid(0x80000008, 0).eax & 0xFF;
    write_cr4(read_cr4() | CR4_VMXE);
    ok_eq(vmxon(region_a + 8), VMX_FAIL_INVALID, "VMXON of an unaligned address: VMfailInvalid");
    ok_eq(vmxon(region_a | 1ULL << width), VMX_FAIL_INVALID, "VMXON beyond the physical-address width: VMfailInvalid");
    r[0] = revision ^ 1;
    ok_eq(vmxon(region_a), VMX_FAIL_INVALID, "VMXON of a wrong revision identifier: VMfailInvalid");
    r[0] = revision | 1u << 31;
    ok_eq(vmxon(region_a), VMX_FAIL_INVALID, "VMXON with bit 31 of the revision identifier: VMfailInvalid");
    r[0] = revision;
    struct user_action a = {do_vmxon, &region_a};
    ok_eq((u64)try_fault(at_cpl3, &a, NULL), VEC_GP, "VMXON at CPL 3: #GP");
    uptr cr0 = read_cr0();
    write_cr0(cr0 & ~CR0_NE);
    ok_eq((u64)try_fault(do_vmxon, &region_a, NULL), VEC_GP, "VMXON with CR0.NE 0: #GP");
    write_cr0(cr0);
}

/* SDM 3, "Restrictions on VMX Operation": fixed bits, WRMSR to capability MSRs */
static void inside(void) {
    struct fault f;
    uptr v = read_cr4() & ~CR4_VMXE;
    ok(try_fault(set_cr4, &v, &f) == VEC_GP && f.error == 0, "clearing CR4.VMXE in VMX operation: #GP(0)");
    v = read_cr0() & ~CR0_NE;
    ok(try_fault(set_cr0, &v, &f) == VEC_GP && f.error == 0, "clearing CR0.NE in VMX operation: #GP(0)");
    ok_eq((u64)try_fault(set_vmx_basic, NULL, NULL), VEC_GP, "WRMSR IA32_VMX_BASIC: #GP");
    for (u32 i = 0; i < ARRAY_SIZE(instructions); i++) {
        struct user_action a = {instructions[i].fn, &region_a};
        ok(try_fault(at_cpl3, &a, &f) == VEC_GP && f.error == 0, "%s at CPL 3 in VMX operation: #GP(0)",
           instructions[i].name);
    }
    unmap(read_cr3(), 0x7FC0000000ULL);
    ok(try_fault(do_vmptrst_to, (void *)0x7FC0000008ULL, &f) == VEC_PF && f.cr2 == 0x7FC0000008ULL && f.error == 2,
       "VMPTRST to a page that isn't present: #PF, a write");
    ok(try_fault(do_vmptrst_to, (void *)0x800000000000ULL, &f) == VEC_GP && f.error == 0,
       "VMPTRST to a non-canonical address: #GP(0)");
}

/* Without a current VMCS each failure is VMfailInvalid. SDM 3, "Conventions" of the instruction reference */
static void no_current(void) {
    u64 v = 0x55;
    ok_eq(vmptrst(), NO_VMCS, "VMPTRST without a current VMCS stores all ones");
    ok_eq(vmread(VMCS_GUEST_RIP, &v), VMX_FAIL_INVALID, "VMREAD without a current VMCS: VMfailInvalid");
    ok_eq(vmwrite(VMCS_GUEST_RIP, 0), VMX_FAIL_INVALID, "VMWRITE without a current VMCS: VMfailInvalid");
    ok_eq(vmclear(region_a + 1), VMX_FAIL_INVALID,
          "VMCLEAR of an unaligned address without a current VMCS: VMfailInvalid");
    ok_eq(vmptrld(region_a + 1), VMX_FAIL_INVALID,
          "VMPTRLD of an unaligned address without a current VMCS: VMfailInvalid");
    ok_eq(vmxon(region_b), VMX_FAIL_INVALID, "VMXON in VMX operation without a current VMCS: VMfailInvalid");
    struct vmx_vm vm = {.vmcs = 0};
    ok_eq(vm_enter(&vm), VM_FAIL_INVALID, "VMLAUNCH without a current VMCS: VMfailInvalid");
    vm.launched = 1;
    ok_eq(vm_enter(&vm), VM_FAIL_INVALID, "VMRESUME without a current VMCS: VMfailInvalid");
    bool invalid;
    __asm__ volatile("vmcall" : "=@ccc"(invalid) : : "memory");
    ok(invalid, "VMCALL in root operation without a current VMCS: VMfailInvalid");
}

static void pointers(void) {
    u32 *b = (u32 *)(uptr)region_b, revision = b[0], width = cpuid(0x80000008, 0).eax & 0xFF;
    ok_eq(vmclear(region_a), VMX_SUCCEED, "VMCLEAR succeeds");
    ok_eq(vmptrst(), NO_VMCS, "VMCLEAR makes nothing current");
    ok_eq(vmptrld(region_a), VMX_SUCCEED, "VMPTRLD succeeds");
    ok_eq(vmptrst(), region_a, "VMPTRST stores the current-VMCS pointer");
    ok_eq(vmx_error(vmptrld(region_b + 4)), VMX_ERROR_VMPTRLD_ADDRESS, "VMPTRLD of an unaligned address: error 9");
    ok_eq(vmx_error(vmptrld(region_b | 1ULL << width)), VMX_ERROR_VMPTRLD_ADDRESS,
          "VMPTRLD beyond the physical-address width: error 9");
    ok_eq(vmx_error(vmptrld(vmxon_pa)), VMX_ERROR_VMPTRLD_VMXON_POINTER, "VMPTRLD of the VMXON pointer: error 10");
    b[0] = revision ^ 2;
    ok_eq(vmx_error(vmptrld(region_b)), VMX_ERROR_VMPTRLD_REVISION, "VMPTRLD of a wrong revision identifier: error 11");
    if (!vmx_allows(VMX_PROC2, PROC2_VMCS_SHADOWING)) {
        b[0] = revision | 1u << 31;
        ok_eq(vmx_error(vmptrld(region_b)), VMX_ERROR_VMPTRLD_REVISION,
              "VMPTRLD of a shadow VMCS without VMCS shadowing: error 11");
    } else {
        skip("VMCS shadowing is there", "VMPTRLD of a shadow VMCS without VMCS shadowing: error 11");
    }
    b[0] = revision;
    ok_eq(vmptrst(), region_a, "failed VMPTRLDs leave the current VMCS alone");
    ok_eq(vmx_error(vmclear(region_b + 8)), VMX_ERROR_VMCLEAR_ADDRESS, "VMCLEAR of an unaligned address: error 2");
    ok_eq(vmx_error(vmclear(region_b | 1ULL << width)), VMX_ERROR_VMCLEAR_ADDRESS,
          "VMCLEAR beyond the physical-address width: error 2");
    ok_eq(vmx_error(vmclear(vmxon_pa)), VMX_ERROR_VMCLEAR_VMXON_POINTER, "VMCLEAR of the VMXON pointer: error 3");
    ok_eq(vmx_error(vmxon(region_b)), VMX_ERROR_VMXON_IN_ROOT, "VMXON in VMX operation: error 15");
    ok_eq(vmclear(region_b), VMX_SUCCEED, "VMCLEAR of another region succeeds");
    ok_eq(vmptrst(), region_a, "and leaves the current VMCS alone");
}

/* SDM 3, "VMREAD, VMWRITE, and Encodings of VMCS Fields" */
static void fields(void) {
    u64 v = 0;
    const u64 pattern = 0x1234567890ABCDEFULL;
    vmcs_set(VMCS_GUEST_ES_SELECTOR, pattern);
    vm_field(VMCS_GUEST_ES_SELECTOR, pattern & 0xFFFF, "16-bit field: VMWRITE truncates, VMREAD zero-extends");
    vmcs_set(VMCS_GUEST_ES_LIMIT, pattern);
    vm_field(VMCS_GUEST_ES_LIMIT, pattern & 0xFFFFFFFF, "32-bit field: VMWRITE truncates, VMREAD zero-extends");
    vmcs_set(VMCS_TSC_OFFSET, pattern);
    vm_field(VMCS_TSC_OFFSET, pattern, "64-bit field");
    vm_field(HIGH(VMCS_TSC_OFFSET), pattern >> 32, "64-bit field: high access reads bits 63:32");
    vmcs_set(HIGH(VMCS_TSC_OFFSET), 0xAAAAAAAA55555555ULL);
    vm_field(VMCS_TSC_OFFSET, 0x5555555590ABCDEFULL, "64-bit field: high access writes bits 63:32 alone");
    vmcs_set(VMCS_GUEST_RSP, pattern);
    vm_field(VMCS_GUEST_RSP, pattern, "natural-width field");
    ok_eq(vmx_error(vmread(HIGH(VMCS_GUEST_RSP), &v)), VMX_ERROR_UNSUPPORTED_FIELD,
          "VMREAD with high access of a natural-width field: error 12");
    ok_eq(vmx_error(vmread(0x00FE, &v)), VMX_ERROR_UNSUPPORTED_FIELD, "VMREAD of a field that isn't there: error 12");
    ok_eq(vmx_error(vmwrite(0x00FE, 0)), VMX_ERROR_UNSUPPORTED_FIELD, "VMWRITE of a field that isn't there: error 12");
    ok_eq(vmx_error(vmread(0x8000 | VMCS_GUEST_RSP, &v)), VMX_ERROR_UNSUPPORTED_FIELD,
          "VMREAD with bit 15 of the encoding: error 12");
    ok_eq(vmx_error(vmread(1ULL << 32 | VMCS_GUEST_RSP, &v)), VMX_ERROR_UNSUPPORTED_FIELD,
          "VMREAD with bit 32 of the encoding: error 12");
    v = 0x77;
    ok(vmread(0x00FE, &v) == VMX_FAIL_VALID && v == 0, "a failed VMREAD doesn't write (the library clears first)");
    if (rdmsr(MSR_VMX_MISC) & BIT(29)) {
        ok_eq(vmwrite(VMCS_EXIT_REASON, 0x1234), VMX_SUCCEED,
              "VMWRITE of a VM-exit information field, IA32_VMX_MISC[29] 1");
        vm_field(VMCS_EXIT_REASON, 0x1234, "and it is written");
    } else {
        ok_eq(vmx_error(vmwrite(VMCS_EXIT_REASON, 0x1234)), VMX_ERROR_READ_ONLY_FIELD,
              "VMWRITE of a VM-exit information field: error 13");
        ok_eq(vmx_error(vmwrite(VMCS_EXIT_QUALIFICATION, 1)), VMX_ERROR_READ_ONLY_FIELD,
              "VMWRITE of the exit qualification: error 13");
    }
    write_flags(read_flags() | FLAG_CF | FLAG_ZF | FLAG_SF | FLAG_OF | FLAG_PF | FLAG_AF);
    uptr flags;
    __asm__ volatile("stc; vmptrst %1; pushf; pop %0" : "=r"(flags), "=m"(v) : : "memory", "cc");
    ok_eq(flags & (FLAG_CF | FLAG_ZF | FLAG_SF | FLAG_OF | FLAG_PF | FLAG_AF), 0,
          "VMsucceed clears the six status flags");
    vmptrld(region_b + 4);
    __asm__ volatile("stc; vmptrld %1; pushf; pop %0" : "=r"(flags) : "m"(vmxon_pa) : "memory", "cc");
    ok_eq(flags & (FLAG_CF | FLAG_ZF | FLAG_SF | FLAG_OF | FLAG_PF | FLAG_AF), FLAG_ZF, "VMfailValid sets ZF alone");
    u64 memory = 0;
    vmcs_set(VMCS_GUEST_RSP, 0xABCDEF);
    __asm__ volatile("vmread %1, %0" : "+m"(memory) : "r"((u64)VMCS_GUEST_RSP) : "cc");
    ok_eq(memory, 0xABCDEF, "VMREAD to memory");
    memory = 0xFEDCBA;
    __asm__ volatile("vmwrite %0, %1" : : "m"(memory), "r"((u64)VMCS_GUEST_RSP) : "cc");
    vm_field(VMCS_GUEST_RSP, 0xFEDCBA, "VMWRITE from memory");
}

/* Data belongs to a VMCS, not to the processor: VMCLEAR writes it to memory and another VMPTRLD brings it back. */
static void several(void) {
    vmptrld(region_b);
    vmcs_set(VMCS_GUEST_RIP, 0xB000);
    vmptrld(region_a);
    vmcs_set(VMCS_GUEST_RIP, 0xA000);
    vmptrld(region_b);
    vm_field(VMCS_GUEST_RIP, 0xB000, "two active VMCSs keep their fields");
    vmclear(region_b);
    vmptrld(region_a);
    vm_field(VMCS_GUEST_RIP, 0xA000, "VMCLEAR of one leaves the other");
    vmclear(region_a);
    vmptrld(region_b);
    vm_field(VMCS_GUEST_RIP, 0xB000, "fields survive VMCLEAR and VMPTRLD");
    vmclear(region_b);
}

CODE(two_calls, "vmcall; nop; vmcall");

/* SDM 3, "Basic VM-Entry Checks" */
static void launch_state(void) {
    struct vmx_vm vm;
    if (!vm_make(&vm, two_calls, (struct vmx_config){0}, "launch state")) return;
    vm.launched = 1;
    ok_eq(vm_enter(&vm), VM_FAIL_VALID(VMX_ERROR_VMRESUME_NOT_LAUNCHED), "VMRESUME of a clear VMCS: error 5");
    vm.launched = 0;
    vm_expect(&vm, VMX_EXIT_VMCALL, "VMLAUNCH of a clear VMCS");
    vm.launched = 0;
    ok_eq(vm_enter(&vm), VM_FAIL_VALID(VMX_ERROR_VMLAUNCH_NOT_CLEAR), "VMLAUNCH of a launched VMCS: error 4");
    vm.launched = 1;
    vmx_skip_instruction();
    vm_expect(&vm, VMX_EXIT_VMCALL, "VMRESUME of a launched VMCS");
    ok_eq(vmcs_get(VMCS_GUEST_RIP) - (uptr)two_calls, 4, "it went on behind the first VMCALL");
    vmclear(vm.vmcs);
    vmptrld(vm.vmcs);
    ok_eq(vm_enter(&vm), VM_FAIL_VALID(VMX_ERROR_VMRESUME_NOT_LAUNCHED), "VMCLEAR makes the launch state clear");
    /* "If ... blocking by MOV-SS ... VMfailValid(26)" */
    u32 data = SEL_DATA;
    bool valid;
    __asm__ volatile("mov %1, %%ss; vmlaunch" : "=@ccz"(valid) : "r"(data) : "memory");
    ok(valid && vmcs_get(VMCS_INSTRUCTION_ERROR) == VMX_ERROR_ENTRY_MOV_SS,
       "VMLAUNCH in the shadow of MOV SS: error 26");
    vm.launched = 0;
    vm_restart(&vm, two_calls);
    vm_expect(&vm, VMX_EXIT_VMCALL, "and it may be launched again");
    vmclear(vm.vmcs);
}

/* SDM 3, INVEPT and INVVPID, "Operation" */
static void invalidations(void) {
    u64 cap = rdmsr(MSR_VMX_EPT_VPID_CAP), eptp = ept_new();
    struct inv_descriptor none = {0, 0};
    vmptrld(region_a);
    if (!(cap & BIT(20)) || !vmx_allows(VMX_PROC2, PROC2_ENABLE_EPT)) {
        skip("no INVEPT", "INVEPT");
    } else {
        ok_eq(vmx_error(invept(0, none)), VMX_ERROR_INVALIDATE_OPERAND, "INVEPT of type 0: error 28");
        ok_eq(vmx_error(invept(9, none)), VMX_ERROR_INVALIDATE_OPERAND, "INVEPT of type 9: error 28");
        if (cap & BIT(25)) {
            ok_eq(invept(1, (struct inv_descriptor){eptp, 0}), VMX_SUCCEED, "INVEPT single-context");
            ok_eq(vmx_error(invept(1, (struct inv_descriptor){eptp | 7, 0})), VMX_ERROR_INVALIDATE_OPERAND,
                  "INVEPT single-context with a bad EPTP: error 28");
        }
        if (cap & BIT(26)) ok_eq(invept(2, none), VMX_SUCCEED, "INVEPT global");
    }
    if (!(cap & BIT(32)) || !vmx_allows(VMX_PROC2, PROC2_ENABLE_VPID)) {
        skip("no INVVPID", "INVVPID");
        return;
    }
    ok_eq(vmx_error(invvpid(4, none)), VMX_ERROR_INVALIDATE_OPERAND, "INVVPID of type 4: error 28");
    ok_eq(vmx_error(invvpid(1, none)), VMX_ERROR_INVALIDATE_OPERAND, "INVVPID single-context of VPID 0: error 28");
    ok_eq(vmx_error(invvpid(1, (struct inv_descriptor){0x10001, 0})), VMX_ERROR_INVALIDATE_OPERAND,
          "INVVPID with reserved bits of the descriptor: error 28");
    ok_eq(vmx_error(invvpid(0, (struct inv_descriptor){1, 1ULL << 63})), VMX_ERROR_INVALIDATE_OPERAND,
          "INVVPID of a non-canonical address: error 28");
    ok_eq(invvpid(0, (struct inv_descriptor){1, 0x1000}), VMX_SUCCEED, "INVVPID individual-address");
    ok_eq(invvpid(1, (struct inv_descriptor){1, 0}), VMX_SUCCEED, "INVVPID single-context");
    ok_eq(invvpid(2, none), VMX_SUCCEED, "INVVPID all-contexts");
    ok_eq(invvpid(3, (struct inv_descriptor){1, 0}), VMX_SUCCEED, "INVVPID single-context, retaining globals");
}

/* SDM 3, appendix "VMX Capability Reporting Facility" */
static void capabilities(void) {
    static const struct {
        const char *name;
        u32 msr, true_msr, default1;
    } group[] = {
        {"pin-based",       MSR_VMX_PIN,   MSR_VMX_TRUE_PIN,   0x16      },
        {"processor-based", MSR_VMX_PROC,  MSR_VMX_TRUE_PROC,  0x0401E172},
        {"VM-exit",         MSR_VMX_EXIT,  MSR_VMX_TRUE_EXIT,  0x36DFF   },
        {"VM-entry",        MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, 0x11FF    }
    };
    u64 basic = rdmsr(MSR_VMX_BASIC);
    u32 size = (u32)(basic >> 32) & 0x1FFF;
    ok(!(basic & BIT(31)), "IA32_VMX_BASIC: bit 31 is 0");
    ok(size > 0 && size <= 4096, "IA32_VMX_BASIC: the region has at most 4096 bytes");
    for (u32 i = 0; i < ARRAY_SIZE(group); i++) {
        u64 cap = rdmsr(group[i].msr), t = basic & BIT(55) ? rdmsr(group[i].true_msr) : cap;
        ok(!((u32)cap & ~(u32)(cap >> 32)), "%s controls: what must be 1 may be 1", group[i].name);
        ok(((u32)cap & group[i].default1) == group[i].default1, "%s controls: the default1 class is reported 1",
           group[i].name);
        ok(t >> 32 == cap >> 32 && !((u32)t & ~(u32)cap), "%s controls: the TRUE register allows no less",
           group[i].name);
    }
    ok((rdmsr(MSR_VMX_CR0_FIXED0) & ~rdmsr(MSR_VMX_CR0_FIXED1)) == 0, "CR0 fixed bits agree");
    ok((rdmsr(MSR_VMX_CR4_FIXED0) & ~rdmsr(MSR_VMX_CR4_FIXED1)) == 0, "CR4 fixed bits agree");
    ok((rdmsr(MSR_VMX_CR4_FIXED0) & CR4_VMXE) != 0, "CR4.VMXE is fixed to 1");
}

/* VMCALL, "Operation": without the dual-monitor treatment of SMM it fails */
static void root_call(void) {
    bool valid;
    vmptrld(region_a);
    __asm__ volatile("vmcall" : "=@ccz"(valid) : : "memory");
    ok(valid && vmcs_get(VMCS_INSTRUCTION_ERROR) == VMX_ERROR_VMCALL_IN_ROOT, "VMCALL in root operation: error 1");
}

void guest_main(void) {
    if (!vmx_supported()) {
        skip("CPUID has no VMX", "VMX");
        return;
    }
    vmxon_pa = 0;
    region_a = vmx_region();
    region_b = vmx_region();
    capabilities();
    outside();
    if (!vmx_enable()) bail_out("VMXON failed"); /* sets CR0.NE and unlocks IA32_FEATURE_CONTROL */
    ok_eq(vmxoff(), VMX_SUCCEED, "VMXOFF succeeds");
    vmxon_operand();
    vmxon_pa = vmx_region();
    ok_eq(vmxon(vmxon_pa), VMX_SUCCEED, "VMXON succeeds");
    inside();
    no_current();
    pointers();
    fields();
    several();
    launch_state();
    invalidations();
    root_call();
}
