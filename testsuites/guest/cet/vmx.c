/* CET state across VM entries and exits. SDM 3, "Loading Guest Control Registers, Debug Registers, and MSRs", "Saving
 * Control Registers, Debug Registers, and MSRs", "Loading Host Control Registers, Debug Registers, MSRs", "Exit
 * Qualification for EPT Violations" */
#include "testsuites/guest/cet/common.h"
#include "testsuites/guest/vmx/common.h"

#define GUEST_S_CET     ((enum vmcs_field)0x6828)
#define GUEST_SSP       ((enum vmcs_field)0x682A)
#define GUEST_SSP_TABLE ((enum vmcs_field)0x682C)
#define HOST_S_CET      ((enum vmcs_field)0x6C18)
#define HOST_SSP        ((enum vmcs_field)0x6C1A)
#define HOST_SSP_TABLE  ((enum vmcs_field)0x6C1C)
#define ENTRY_LOAD_CET  BIT(20)
#define EXIT_LOAD_CET   BIT(28)

#define AT shadow_at(SUPER, 0x800)

CODE(g_call, "endbr64\n rdsspq %rax\n call 1f\n g_call_back: vmcall\n 1: rdsspq %rbx\n mov (%rbx), %rcx\n ret");
CODE_LABEL(g_call_back);
CODE(g_ret, "lea 1f(%rip), %rax\n push %rax\n g_ret_at: ret\n 1: vmcall");
CODE_LABEL(g_ret_at);
CODE(g_plain, "nop\n vmcall");
CODE(g_handler, "endbr64\n rdsspq %rax\n mov (%rax), %rbx\n mov 8(%rax), %rcx\n mov 16(%rax), %rdx\n vmcall");

static bool make(struct vmx_vm *vm, const u8 *code, u64 eptp, u64 s_cet, u64 ssp, const char *name) {
    cet_fresh();
    if (!vm_make(vm, code,
                 (struct vmx_config){.eptp = eptp, .exit = (u32)EXIT_LOAD_CET, .entry_controls = (u32)ENTRY_LOAD_CET},
                 name))
        return false;
    vmcs_set(VMCS_GUEST_CR4, vmcs_get(VMCS_GUEST_CR4) | CR4_CET);
    vmcs_set(GUEST_S_CET, s_cet);
    vmcs_set(GUEST_SSP, ssp);
    vmcs_set(GUEST_SSP_TABLE, 0x123000);
    vmcs_set(HOST_S_CET, SUPPRESS_DIS & (has_ibt() ? ~0ULL : 0));
    vmcs_set(HOST_SSP, 0x7000);
    vmcs_set(HOST_SSP_TABLE, 0x456000);
    return true;
}

static void state(void) {
    struct vmx_vm vm;
    u64 host = SUPPRESS_DIS & (has_ibt() ? ~0ULL : 0);
    if (!make(&vm, g_call, 0, SH_STK_EN, AT, "CET state")) return;
    vm_expect(&vm, VMX_EXIT_VMCALL, "a guest with a shadow stack");
    ok(vm.gpr[GPR_RAX] == AT && vm.gpr[GPR_RBX] == AT - 8 && vm.gpr[GPR_RCX] == (uptr)g_call_back,
       "SSP of the VMCS; CALL pushed there");
    vm_field(GUEST_S_CET, SH_STK_EN, "IA32_S_CET is saved");
    vm_field(GUEST_SSP, AT, "SSP is saved");
    vm_field(GUEST_SSP_TABLE, 0x123000, "IA32_INTERRUPT_SSP_TABLE_ADDR is saved");
    ok(rdmsr(MSR_S_CET) == host && rdmsr(MSR_SSP_TABLE) == 0x456000, "those of the host are loaded");
    vmclear(vm.vmcs);

    if (!make(&vm, g_call, 0, SH_STK_EN, AT, "CET state")) return;
    vmcs_set(VMCS_EXIT_CONTROLS, vmcs_get(VMCS_EXIT_CONTROLS) & ~EXIT_LOAD_CET);
    vmcs_set(VMCS_HOST_CR4, vmcs_get(VMCS_HOST_CR4) & ~CR4_CET);
    vm_expect(&vm, VMX_EXIT_VMCALL, "without the VM-exit control");
    ok_eq(rdmsr(MSR_S_CET), SH_STK_EN, "IA32_S_CET is the guest's");
    wrmsr(MSR_S_CET, 0);
    write_cr4(read_cr4() | CR4_CET);
    vmclear(vm.vmcs);

    if (!make(&vm, g_call, 0, SH_STK_EN, AT, "CET state")) return;
    vmcs_set(VMCS_ENTRY_CONTROLS, vmcs_get(VMCS_ENTRY_CONTROLS) & ~ENTRY_LOAD_CET);
    vm.gpr[GPR_RAX] = 55;
    vm_expect(&vm, VMX_EXIT_VMCALL, "without the VM-entry control");
    ok_eq(vm.gpr[GPR_RAX], 55, "IA32_S_CET is the host's: RDSSP does nothing");
    vm_field(GUEST_S_CET, 0, "and is saved");
    vmclear(vm.vmcs);
}

static void faults(void) {
    struct vmx_vm vm;
    if (!make(&vm, g_ret, 0, SH_STK_EN, AT, "#CP")) return;
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_CP));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#CP(NEAR-RET) is intercepted");
    ok_eq((u8)vmcs_get(VMCS_EXIT_INTERRUPTION_INFO), VEC_CP, "vector");
    vm_field(VMCS_EXIT_INTERRUPTION_ERROR, CP_NEAR_RET, "error code");
    vm_field(GUEST_SSP, AT, "SSP is as before");
    vm_field(VMCS_GUEST_RIP, (uptr)g_ret_at, "RIP is that of RET");
    vmclear(vm.vmcs);
    if (!has_ibt()) return skip("no tracking", "TRACKER of the VMCS");
    if (!make(&vm, g_plain, 0, ENDBR_EN | TRACKER, AT, "TRACKER")) return;
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_CP));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "the tracker waits at VM entry: #CP");
    vm_field(VMCS_EXIT_INTERRUPTION_ERROR, CP_ENDBRANCH, "ENDBRANCH");
    vm_field(GUEST_S_CET, ENDBR_EN | TRACKER, "it still waits");
    vmclear(vm.vmcs);
    if (!make(&vm, g_call, 0, ENDBR_EN | TRACKER, AT, "TRACKER")) return;
    vm_expect(&vm, VMX_EXIT_VMCALL, "ENDBR64 is what it waits for");
    vm_field(GUEST_S_CET, ENDBR_EN, "now it is idle");
    vmclear(vm.vmcs);
}

static void injected(void) {
    struct vmx_vm vm;
    if (!make(&vm, g_plain, 0, SH_STK_EN, AT, "injection")) return;
    cet_vector(0x90, g_handler, 0, 0);
    vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, 0x80000000 | 0x90);
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
    vm_expect(&vm, VMX_EXIT_VMCALL, "an injected interrupt");
    ok(vm.gpr[GPR_RAX] == AT - 24 && vm.gpr[GPR_RBX] == AT && vm.gpr[GPR_RCX] == (uptr)g_plain &&
           vm.gpr[GPR_RDX] == SEL_CODE64,
       "its frame is on the shadow stack");
    vmclear(vm.vmcs);
}

static void ept(void) {
    struct vmx_vm vm;
    if (!ept_supported()) return skip("no EPT", "EPT violations of shadow stacks");
    u64 eptp = ept_new_identity();
    u64 *e = ept_entry(eptp, *shadow_entry(SUPER) & PTE_ADDRESS, 1), old = *e;
    if (!make(&vm, g_call, eptp, SH_STK_EN, AT, "EPT")) return;
    *e = old & ~EPT_W;
    vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "CALL, the shadow stack not writable in EPT");
    ok_eq(vmcs_get(VMCS_EXIT_QUALIFICATION) & 0x21BF, 0x21AA, "qualification: a write, a shadow-stack access");
    vm_field(VMCS_GUEST_LINEAR_ADDRESS, AT - 8, "the linear address");
    *e = old;
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    if (!has_shstk()) return skip("no shadow stacks", "everything");
    cet_setup();
    state();
    faults();
    injected();
    ept();
}
