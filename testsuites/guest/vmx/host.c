/* Entry checks on the host-state area: VMfailValid with error 8. SDM 3, "Checks on Host Control Registers, MSRs, and
 * SSP", "Checks on Host Segment and Descriptor-Table Registers", "Checks Related to Address-Space Size" */
#include "testsuites/guest/vmx/checks.h"

#define ERROR         VM_FAIL_VALID(VMX_ERROR_ENTRY_HOST_STATE)
#define NON_CANONICAL BIT(63)

static const struct check registers[] = {
    {"host CR0 with PE 0",                               {{VMCS_HOST_CR0, CR0_PE, 0}},                            0},
    {"host CR0 with NE 0",                               {{VMCS_HOST_CR0, CR0_NE, 0}},                            0},
    {"host CR0 with PG 0",                               {{VMCS_HOST_CR0, CR0_PG, 0}},                            0},
    {"host CR4 with VMXE 0",                             {{VMCS_HOST_CR4, CR4_VMXE, 0}},                          0},
    {"host CR4 with a reserved bit",                     {{VMCS_HOST_CR4, 0, BIT(31)}},                           0},
    {"host CR4 with bit 63",                             {{VMCS_HOST_CR4, 0, BIT(63)}},                           0},
    {"host CR4 with PAE 0 and a 64-bit host",            {{VMCS_HOST_CR4, CR4_PAE, 0}},                           0},
    {"host CR3 with bit 52",                             {{VMCS_HOST_CR3, 0, BIT(52)}},                           0},
    {"host SYSENTER_ESP non-canonical",                  {{VMCS_HOST_SYSENTER_ESP, ALL, NON_CANONICAL}},          0},
    {"host SYSENTER_EIP non-canonical",                  {{VMCS_HOST_SYSENTER_EIP, ALL, NON_CANONICAL}},          0},
    {"host PAT with type 2",                             {{VMCS_HOST_PAT, 0xFF, 2}},                              0},
    {"host PAT with type 8",                             {{VMCS_HOST_PAT, 0xFFULL << 56, 8ULL << 56}},            0},
    {"host EFER with a reserved bit",                    {{VMCS_HOST_EFER, 0, BIT(9)}},                           0},
    {"host EFER with LMA 0 and a 64-bit host",           {{VMCS_HOST_EFER, EFER_LMA, 0}},                         0},
    {"host EFER with LME 0 and a 64-bit host",           {{VMCS_HOST_EFER, EFER_LME, 0}},                         0},
    {"host CS selector 0",                               {{VMCS_HOST_CS_SELECTOR, ALL, 0}},                       0},
    {"host TR selector 0",                               {{VMCS_HOST_TR_SELECTOR, ALL, 0}},                       0},
    {"host FS base non-canonical",                       {{VMCS_HOST_FS_BASE, ALL, NON_CANONICAL}},               0},
    {"host GS base non-canonical",                       {{VMCS_HOST_GS_BASE, ALL, NON_CANONICAL}},               0},
    {"host TR base non-canonical",                       {{VMCS_HOST_TR_BASE, 0, NON_CANONICAL}},                 0},
    {"host GDTR base non-canonical",                     {{VMCS_HOST_GDTR_BASE, 0, NON_CANONICAL}},               0},
    {"host IDTR base non-canonical",                     {{VMCS_HOST_IDTR_BASE, 0, NON_CANONICAL}},               0},
    {"host RIP non-canonical",                           {{VMCS_HOST_RIP, 0, NON_CANONICAL}},                     0},
    {"a 32-bit host in IA-32e mode",                     {{VMCS_EXIT_CONTROLS, EXIT_HOST_ADDRESS_SPACE_SIZE, 0}}, 0},
    {"a 32-bit host in IA-32e mode with a 32-bit guest",
     {{VMCS_EXIT_CONTROLS, EXIT_HOST_ADDRESS_SPACE_SIZE, 0}, {VMCS_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST, 0}},
     0                                                                                                             },
};

/* "In the selector field for each of CS, SS, DS, ES, FS, GS, and TR, the RPL (bits 1:0) and the TI flag (bit 2) must be
 * 0." */
static void selectors(struct vmx_vm *vm) {
    static const char *const name[] = {"ES", "CS", "SS", "DS", "FS", "GS", "TR"};
    for (u32 i = 0; i < ARRAY_SIZE(name); i++) {
        for (u32 bit = 0; bit < 3; bit++) {
            u32 field = VMCS_HOST_ES_SELECTOR + 2 * i;
            u64 now = vmcs_get(field);
            vmcs_set(field, now | 1u << bit);
            ok_eq(vm_enter(vm), ERROR, "host %s selector with %s", name[i], bit == 2 ? "TI" : bit ? "RPL 2" : "RPL 1");
            vmcs_set(field, now);
        }
    }
}

static void cr3_width(struct vmx_vm *vm) {
    u64 now = vmcs_get(VMCS_HOST_CR3);
    if (beyond_width() >= BIT(52)) return;
    vmcs_set(VMCS_HOST_CR3, now | beyond_width());
    ok_eq(vm_enter(vm), ERROR, "host CR3 beyond the physical-address width");
    vmcs_set(VMCS_HOST_CR3, now);
}

/* SDM 3, "Basic VM-Entry Checks" ff.: controls and host state may be checked in any order among themselves; guest state
 * comes later. */
static void order(struct vmx_vm *vm) {
    u64 rflags = vmcs_get(VMCS_GUEST_RFLAGS), rip = vmcs_get(VMCS_HOST_RIP);
    vmcs_set(VMCS_GUEST_RFLAGS, 0);
    vmcs_set(VMCS_HOST_RIP, NON_CANONICAL);
    ok_eq(vm_enter(vm), ERROR, "host state is checked before guest state");
    vmcs_set(VMCS_GUEST_RFLAGS, rflags);
    vmcs_set(VMCS_HOST_RIP, rip);
}

void guest_main(void) {
    struct vmx_vm vm;
    if (!vmx_begin()) return;
    checks_begin(&vm);
    checks_run(&vm, registers, ARRAY_SIZE(registers), ERROR);
    cr3_width(&vm);
    selectors(&vm);
    order(&vm);
    checks_end(&vm);
}
