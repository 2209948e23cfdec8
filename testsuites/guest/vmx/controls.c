/* Entry checks on the VMX controls: VMfailValid with error 7.
 * SDM 3, "Checks on VMX Controls": "VM-Execution Control Fields", "VM-Exit Control Fields", "VM-Entry Control Fields"
 */
#include "testsuites/guest/vmx/checks.h"

#define ERROR VM_FAIL_VALID(VMX_ERROR_ENTRY_CONTROLS)
#define VALID BIT(31)
#define INFO  VMCS_ENTRY_INTERRUPTION_INFO

static const struct check execution[] = {
    {"CR3-target count above the supported one",          {{VMCS_CR3_TARGET_COUNT, ALL, 5}},                                           0},
    {"I/O bitmap A isn't aligned",                        {{VMCS_IO_BITMAP_A, 0, MISC}},                                               0},
    {"I/O bitmap B isn't aligned",                        {{VMCS_IO_BITMAP_B, 0, 1}},                                                  0},
    {"I/O bitmap A beyond any physical address",          {{VMCS_IO_BITMAP_A, 0, BIT(52)}},                                            0},
    {"MSR bitmap isn't aligned",                          {{VMCS_MSR_BITMAP, 0, 8}},                                                   0},
    {"MSR bitmap beyond any physical address",            {{VMCS_MSR_BITMAP, 0, BIT(63)}},                                             0},
    {"virtual-APIC address isn't aligned",                {{VMCS_VIRTUAL_APIC_ADDRESS, 0, MISC}},                                      0},
    {"virtual-APIC address beyond any physical one",      {{VMCS_VIRTUAL_APIC_ADDRESS, 0, BIT(60)}},                                   0},
    {"TPR threshold with bits 31:4",                      {{VMCS_TPR_THRESHOLD, ALL, 0x10}},                                           0},
    {"TPR threshold above VTPR",                          {{VMCS_TPR_THRESHOLD, ALL, 1}},                                              0},
    {"virtual NMIs without NMI exiting",
     {{VMCS_PIN_CONTROLS, 0, PIN_VIRTUAL_NMIS}, {VMCS_PIN_CONTROLS, PIN_NMI_EXITING, 0}},
     0                                                                                                                                  },
    {"NMI-window exiting without virtual NMIs",           {{VMCS_PROC_CONTROLS, 0, PROC_NMI_WINDOW_EXITING}},                          0},
    {"APIC-access address isn't aligned",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_VIRTUALIZE_APIC_ACCESSES}, {VMCS_APIC_ACCESS_ADDRESS, 0, MISC}},
     0                                                                                                                                  },
    {"APIC-access address beyond any physical one",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_VIRTUALIZE_APIC_ACCESSES}, {VMCS_APIC_ACCESS_ADDRESS, 0, BIT(55)}},
     0                                                                                                                                  },
    {"virtualize x2APIC mode without TPR shadow",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_VIRTUALIZE_X2APIC_MODE}, {VMCS_PROC_CONTROLS, PROC_USE_TPR_SHADOW, 0}},
     0                                                                                                                                  },
    {"virtualize x2APIC mode and APIC accesses together",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_VIRTUALIZE_APIC_ACCESSES}},
     0                                                                                                                                  },
    {"VPID 0",                                            {{VMCS_VPID, ALL, 0}},                                                       0},
    {"EPTP with a memory type other than UC and WB",      {{VMCS_EPTP, 7, 4}},                                                         0},
    {"EPTP with a page-walk length of 3",                 {{VMCS_EPTP, 7 << 3, 2 << 3}},                                               0},
    {"EPTP with reserved bit 8",                          {{VMCS_EPTP, 0, BIT(8)}},                                                    0},
    {"EPTP with reserved bit 11",                         {{VMCS_EPTP, 0, BIT(11)}},                                                   0},
    {"EPTP beyond any physical address",                  {{VMCS_EPTP, 0, BIT(58)}},                                                   0},
    {"unrestricted guest without EPT",                    {{VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT, PROC2_UNRESTRICTED_GUEST}},         0},
    {"PML without EPT",                                   {{VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT, PROC2_ENABLE_PML}},                 0},
    {"PML address isn't aligned",                         {{VMCS_PROC2_CONTROLS, 0, PROC2_ENABLE_PML}, {VMCS_PML_ADDRESS, ALL, MISC}}, 0},
    {"EPTP switching without EPT",
     {{VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT, PROC2_ENABLE_VMFUNC}, {VMCS_VM_FUNCTION_CONTROLS, ALL, 1}},
     0                                                                                                                                  },
    {"VM-function control that isn't there",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_ENABLE_VMFUNC}, {VMCS_VM_FUNCTION_CONTROLS, ALL, BIT(63)}},
     0                                                                                                                                  },
    {"VMREAD bitmap isn't aligned",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_VMCS_SHADOWING}, {VMCS_VMREAD_BITMAP, ALL, MISC}, {VMCS_VMWRITE_BITMAP, ALL, 0}},
     0                                                                                                                                  },
    {"virtualization-exception area isn't aligned",
     {{VMCS_PROC2_CONTROLS, 0, PROC2_EPT_VIOLATION_VE}, {VMCS_VE_INFORMATION_ADDRESS, ALL, MISC}},
     0                                                                                                                                  },
};

static const struct check exits[] = {
    {"saving of the VMX-preemption timer without the timer", {{VMCS_EXIT_CONTROLS, 0, EXIT_SAVE_PREEMPTION_TIMER}}, 0},
    {"VM-exit MSR-store address isn't aligned",
     {{VMCS_EXIT_MSR_STORE_COUNT, ALL, 1}, {VMCS_EXIT_MSR_STORE_ADDRESS, ALL, 0x1008}},
     0                                                                                                               },
    {"VM-exit MSR-store address beyond any physical one",
     {{VMCS_EXIT_MSR_STORE_COUNT, ALL, 1}, {VMCS_EXIT_MSR_STORE_ADDRESS, ALL, BIT(56)}},
     0                                                                                                               },
    {"VM-exit MSR-load address isn't aligned",
     {{VMCS_EXIT_MSR_LOAD_COUNT, ALL, 1}, {VMCS_EXIT_MSR_LOAD_ADDRESS, ALL, 0x1001}},
     0                                                                                                               },
};

static const struct check entries[] = {
    {"entry to SMM outside SMM",                           {{VMCS_ENTRY_CONTROLS, 0, BIT(10)}},              0},
    {"deactivation of dual-monitor treatment outside SMM", {{VMCS_ENTRY_CONTROLS, 0, BIT(11)}},              0},
    {"VM-entry MSR-load address isn't aligned",
     {{VMCS_ENTRY_MSR_LOAD_COUNT, ALL, 1}, {VMCS_ENTRY_MSR_LOAD_ADDRESS, ALL, 0x1004}},
     0                                                                                                        },
    {"VM-entry MSR-load address beyond any physical one",
     {{VMCS_ENTRY_MSR_LOAD_COUNT, ALL, 1}, {VMCS_ENTRY_MSR_LOAD_ADDRESS, ALL, BIT(62)}},
     0                                                                                                        },
    {"injection of reserved type 1",                       {{INFO, ALL, VALID | 1 << 8 | 32}},               0},
    {"injection of an NMI with vector 3",                  {{INFO, ALL, VALID | 2 << 8 | 3}},                0},
    {"injection of hardware exception 32",                 {{INFO, ALL, VALID | 3 << 8 | 32}},               0},
    {"injection of #UD with error code",                   {{INFO, ALL, VALID | BIT(11) | 3 << 8 | VEC_UD}}, 0},
    {"injection of an external interrupt with error code", {{INFO, ALL, VALID | BIT(11) | 32}},              0},
    {"injection of a software interrupt with error code",
     {{INFO, ALL, VALID | BIT(11) | 4 << 8 | 32}, {VMCS_ENTRY_INSTRUCTION_LENGTH, ALL, 2}},
     0                                                                                                        },
    {"injection with reserved bit 12",                     {{INFO, ALL, VALID | BIT(12) | 3 << 8 | VEC_UD}}, 0},
    {"injection with reserved bit 30",                     {{INFO, ALL, VALID | BIT(30) | 3 << 8 | VEC_UD}}, 0},
    {"injection of #GP with error-code bit 16",
     {{INFO, ALL, VALID | BIT(11) | 3 << 8 | VEC_GP}, {VMCS_ENTRY_EXCEPTION_ERROR_CODE, ALL, BIT(16)}},
     0                                                                                                        },
    {"injection of a software interrupt of 16 bytes",
     {{INFO, ALL, VALID | 4 << 8 | 32}, {VMCS_ENTRY_INSTRUCTION_LENGTH, ALL, 16}},
     0                                                                                                        },
    {"injection of INT3 of 16 bytes",
     {{INFO, ALL, VALID | 6 << 8 | VEC_BP}, {VMCS_ENTRY_INSTRUCTION_LENGTH, ALL, 16}},
     0                                                                                                        },
};

/* "must be 1 unless IA32_VMX_BASIC[56]" of #GP and its like; a length of 0 unless IA32_VMX_MISC[30] */
static const struct check error_code_missing[] = {
    {"injection of #GP without error code", {{INFO, ALL, VALID | 3 << 8 | VEC_GP}}, 0},
    {"injection of #PF without error code", {{INFO, ALL, VALID | 3 << 8 | VEC_PF}}, 0},
};
static const struct check length_zero[] = {
    {"injection of a software interrupt of 0 bytes",
     {{INFO, ALL, VALID | 4 << 8 | 32}, {VMCS_ENTRY_INSTRUCTION_LENGTH, ALL, 0}},
     0},
};

/* "other event: the vector must be 0"; a processor without the monitor trap flag has no such type */
static const struct check type_7[] = {
    {"injection of type 7 with a vector", {{INFO, ALL, VALID | 7 << 8 | 1}}, 0},
};

/* "Reserved bits in the ... controls must be set properly" */
static void reserved_controls(struct vmx_vm *vm) {
    static const struct {
        const char *name;
        enum vmx_control which;
        u32 field, plain, exact;
    } group[] = {
        {"pin-based",                 VMX_PIN,   VMCS_PIN_CONTROLS,   MSR_VMX_PIN,   MSR_VMX_TRUE_PIN  },
        {"processor-based",           VMX_PROC,  VMCS_PROC_CONTROLS,  MSR_VMX_PROC,  MSR_VMX_TRUE_PROC },
        {"secondary processor-based", VMX_PROC2, VMCS_PROC2_CONTROLS, MSR_VMX_PROC2, MSR_VMX_PROC2     },
        {"VM-exit",                   VMX_EXIT,  VMCS_EXIT_CONTROLS,  MSR_VMX_EXIT,  MSR_VMX_TRUE_EXIT },
        {"VM-entry",                  VMX_ENTRY, VMCS_ENTRY_CONTROLS, MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY}
    };
    for (u32 i = 0; i < ARRAY_SIZE(group); i++) {
        if (i == 2 && !(rdmsr(MSR_VMX_PROC) >> 32 & PROC_SECONDARY_CONTROLS)) continue;
        u64 cap = rdmsr(rdmsr(MSR_VMX_BASIC) & BIT(55) ? group[i].exact : group[i].plain),
            now = vmcs_get(group[i].field);
        u32 must = (u32)cap, never = ~(u32)(cap >> 32);
        for (u32 bit = 0; bit < 32; bit++) {
            if (!((must | never) & 1u << bit)) continue;
            vmcs_set(group[i].field, now ^ 1u << bit);
            u32 got = vm_enter(vm);
            ok(got == ERROR, "%s controls: bit %u %s", group[i].name, bit,
               must & 1u << bit ? "must be 1" : "must be 0");
            vmcs_set(group[i].field, now);
            if (got == ERROR) continue;
            vm_restart(vm, vm_stop);
            vmclear(vm->vmcs);
            vmptrld(vm->vmcs);
        }
    }
}

void guest_main(void) {
    struct vmx_vm vm;
    if (!vmx_begin()) return;
    checks_begin(&vm);
    reserved_controls(&vm);
    checks_run(&vm, execution, ARRAY_SIZE(execution), ERROR);
    checks_run(&vm, exits, ARRAY_SIZE(exits), ERROR);
    checks_run(&vm, entries, ARRAY_SIZE(entries), ERROR);
    if (!(rdmsr(MSR_VMX_BASIC) & BIT(56))) checks_run(&vm, error_code_missing, ARRAY_SIZE(error_code_missing), ERROR);
    if (!(rdmsr(MSR_VMX_MISC) & BIT(30))) checks_run(&vm, length_zero, ARRAY_SIZE(length_zero), ERROR);
    if (vmx_allows(VMX_PROC2, PROC2_ENABLE_EPT) && !(rdmsr(MSR_VMX_EPT_VPID_CAP) & BIT(21))) {
        static const struct check dirty[] = {
            {"EPTP with A and D flags that aren't there", {{VMCS_EPTP, 0, BIT(6)}}, 0}
        };
        checks_run(&vm, dirty, 1, ERROR);
    }
    checks_end(&vm);
    vmptrld(vm.vmcs);
    vm.launched = 0;
    checks_run(&vm, type_7, ARRAY_SIZE(type_7), ERROR);
}
