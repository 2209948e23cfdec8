/* Entry checks on the guest-state area: VM exit with reason 33 and bit 31; MSR loading: reason 34.
 * SDM 3, "Checking and Loading Guest State" */
#include "testsuites/guest/vmx/checks.h"

#define ERROR         ((u32)VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_INVALID_GUEST_STATE)
#define NON_CANONICAL BIT(63)
#define INFO          VMCS_ENTRY_INTERRUPTION_INFO
#define VALID         BIT(31)
#define STI           BIT(0)
#define MOV_SS        BIT(1)
#define SMI           BIT(2)
#define NMI           BIT(3)
#define IF_ON                                                                                                          \
    { VMCS_GUEST_RFLAGS, 0, FLAG_IF }

/* "Checks on Guest Control Registers, Debug Registers, and MSRs" */
static const struct check registers[] = {
    {"CR0 with PE 0 and PG 1",          {{VMCS_GUEST_CR0, CR0_PE, 0}},                   0},
    {"CR0 with NE 0",                   {{VMCS_GUEST_CR0, CR0_NE, 0}},                   0},
    {"CR4 with VMXE 0",                 {{VMCS_GUEST_CR4, CR4_VMXE, 0}},                 0},
    {"CR4 with a reserved bit",         {{VMCS_GUEST_CR4, 0, BIT(31)}},                  0},
    {"CR4 with PAE 0 and IA-32e mode",  {{VMCS_GUEST_CR4, CR4_PAE, 0}},                  0},
    {"CR3 with bit 52",                 {{VMCS_GUEST_CR3, 0, BIT(52)}},                  0},
    {"DEBUGCTL with a reserved bit",    {{VMCS_GUEST_DEBUGCTL, 0, BIT(16)}},             0},
    {"DR7 with bit 32",                 {{VMCS_GUEST_DR7, 0, BIT(32)}},                  0},
    {"SYSENTER_ESP non-canonical",      {{VMCS_GUEST_SYSENTER_ESP, ALL, NON_CANONICAL}}, 0},
    {"SYSENTER_EIP non-canonical",      {{VMCS_GUEST_SYSENTER_EIP, ALL, NON_CANONICAL}}, 0},
    {"PAT with type 3",                 {{VMCS_GUEST_PAT, 0xFF, 3}},                     0},
    {"EFER with a reserved bit",        {{VMCS_GUEST_EFER, 0, BIT(1)}},                  0},
    {"EFER with LMA 0 and IA-32e mode", {{VMCS_GUEST_EFER, EFER_LMA, 0}},                0},
    {"EFER with LME 0 and IA-32e mode", {{VMCS_GUEST_EFER, EFER_LME, 0}},                0},
};

/* "Checks on Guest Segment Registers" */
static const struct check segments[] = {
    {"TR with TI",                                      {{VMCS_GUEST_TR_SELECTOR, 0, 4}},                                                     0},
    {"LDTR usable with TI",                             {{VMCS_GUEST_LDTR_ACCESS, ALL, 0x82}, {VMCS_GUEST_LDTR_SELECTOR, ALL, SEL_FREE | 4}}, 0},
    {"SS with an RPL that isn't CS's",                  {{VMCS_GUEST_SS_SELECTOR, 0, 3}},                                                     0},
    {"TR base non-canonical",                           {{VMCS_GUEST_TR_BASE, 0, NON_CANONICAL}},                                             0},
    {"FS base non-canonical",                           {{VMCS_GUEST_FS_BASE, ALL, NON_CANONICAL}},                                           0},
    {"GS base non-canonical",                           {{VMCS_GUEST_GS_BASE, ALL, NON_CANONICAL}},                                           0},
    {"LDTR usable with a non-canonical base",
     {{VMCS_GUEST_LDTR_ACCESS, ALL, 0x82}, {VMCS_GUEST_LDTR_BASE, ALL, NON_CANONICAL}},
     0                                                                                                                                         },
    {"CS base with bits 63:32",                         {{VMCS_GUEST_CS_BASE, 0, BIT(32)}},                                                   0},
    {"SS base with bits 63:32",                         {{VMCS_GUEST_SS_BASE, 0, BIT(32)}},                                                   0},
    {"DS base with bits 63:32",                         {{VMCS_GUEST_DS_BASE, 0, BIT(32)}},                                                   0},
    {"ES base with bits 63:32",                         {{VMCS_GUEST_ES_BASE, 0, BIT(32)}},                                                   0},
    {"CS of a data type",                               {{VMCS_GUEST_CS_ACCESS, 0xF, 3}},                                                     0},
    {"CS that isn't accessed",                          {{VMCS_GUEST_CS_ACCESS, 1, 0}},                                                       0},
    {"CS with S 0",                                     {{VMCS_GUEST_CS_ACCESS, BIT(4), 0}},                                                  0},
    {"CS with a DPL that isn't SS's",                   {{VMCS_GUEST_CS_ACCESS, 0, 3 << 5}},                                                  0},
    {"CS that isn't present",                           {{VMCS_GUEST_CS_ACCESS, BIT(7), 0}},                                                  0},
    {"CS with reserved bit 8",                          {{VMCS_GUEST_CS_ACCESS, 0, BIT(8)}},                                                  0},
    {"CS with reserved bit 17",                         {{VMCS_GUEST_CS_ACCESS, 0, BIT(17)}},                                                 0},
    {"CS with L and D/B",                               {{VMCS_GUEST_CS_ACCESS, 0, BIT(14)}},                                                 0},
    {"CS with G 1 and a limit that doesn't end in FFF", {{VMCS_GUEST_CS_LIMIT, 1, 0}},                                                        0},
    {"CS with G 0 and a limit above FFFFF",             {{VMCS_GUEST_CS_ACCESS, BIT(15), 0}},                                                 0},
    {"SS of a code type",                               {{VMCS_GUEST_SS_ACCESS, 0xF, 0xB}},                                                   0},
    {"SS that is read-only",                            {{VMCS_GUEST_SS_ACCESS, 0xF, 1}},                                                     0},
    {"SS with a DPL that isn't its RPL",                {{VMCS_GUEST_SS_ACCESS, 0, 3 << 5}},                                                  0},
    {"SS with S 0",                                     {{VMCS_GUEST_SS_ACCESS, BIT(4), 0}},                                                  0},
    {"SS that isn't present",                           {{VMCS_GUEST_SS_ACCESS, BIT(7), 0}},                                                  0},
    {"SS with reserved bit 11",                         {{VMCS_GUEST_SS_ACCESS, 0, BIT(11)}},                                                 0},
    {"DS that isn't accessed",                          {{VMCS_GUEST_DS_ACCESS, 1, 0}},                                                       0},
    {"DS of an execute-only code type",                 {{VMCS_GUEST_DS_ACCESS, 0xF, 9}},                                                     0},
    {"DS with S 0",                                     {{VMCS_GUEST_DS_ACCESS, BIT(4), 0}},                                                  0},
    {"DS with a DPL below its RPL",                     {{VMCS_GUEST_DS_SELECTOR, 0, 1}},                                                     0},
    {"DS that isn't present",                           {{VMCS_GUEST_DS_ACCESS, BIT(7), 0}},                                                  0},
    {"ES with reserved bit 9",                          {{VMCS_GUEST_ES_ACCESS, 0, BIT(9)}},                                                  0},
    {"ES with G 0 and a limit above FFFFF",             {{VMCS_GUEST_ES_ACCESS, BIT(15), 0}},                                                 0},
    {"FS usable that isn't accessed",                   {{VMCS_GUEST_FS_ACCESS, ALL, 0xC092}},                                                0},
    {"GS usable that isn't present",                    {{VMCS_GUEST_GS_ACCESS, ALL, 0xC013}},                                                0},
    {"TR that is an available TSS",                     {{VMCS_GUEST_TR_ACCESS, 0xF, 9}},                                                     0},
    {"TR that is a 16-bit TSS in IA-32e mode",          {{VMCS_GUEST_TR_ACCESS, 0xF, 3}},                                                     0},
    {"TR with S 1",                                     {{VMCS_GUEST_TR_ACCESS, 0, BIT(4)}},                                                  0},
    {"TR that isn't present",                           {{VMCS_GUEST_TR_ACCESS, BIT(7), 0}},                                                  0},
    {"TR with reserved bit 10",                         {{VMCS_GUEST_TR_ACCESS, 0, BIT(10)}},                                                 0},
    {"TR with G 1 and a limit that doesn't end in FFF",
     {{VMCS_GUEST_TR_ACCESS, 0, BIT(15)}, {VMCS_GUEST_TR_LIMIT, ALL, 0x67}},
     0                                                                                                                                         },
    {"TR with G 0 and a limit above FFFFF",             {{VMCS_GUEST_TR_LIMIT, ALL, 0x1FFFFF}},                                               0},
    {"TR unusable",                                     {{VMCS_GUEST_TR_ACCESS, 0, BIT(16)}},                                                 0},
    {"LDTR usable of another type",                     {{VMCS_GUEST_LDTR_ACCESS, ALL, 0x83}},                                                0},
    {"LDTR usable with S 1",                            {{VMCS_GUEST_LDTR_ACCESS, ALL, 0x92}},                                                0},
    {"LDTR usable that isn't present",                  {{VMCS_GUEST_LDTR_ACCESS, ALL, 0x02}},                                                0},
    {"GDTR base non-canonical",                         {{VMCS_GUEST_GDTR_BASE, 0, NON_CANONICAL}},                                           0},
    {"GDTR limit above FFFF",                           {{VMCS_GUEST_GDTR_LIMIT, 0, BIT(16)}},                                                0},
    {"IDTR base non-canonical",                         {{VMCS_GUEST_IDTR_BASE, 0, NON_CANONICAL}},                                           0},
    {"IDTR limit above FFFF",                           {{VMCS_GUEST_IDTR_LIMIT, 0, BIT(31)}},                                                0},
};

/* "Checks on Guest RIP, RFLAGS, and SSP" */
static const struct check flow[] = {
    {"RIP non-canonical in 64-bit mode",          {{VMCS_GUEST_RIP, 0, NON_CANONICAL}}, 0},
    {"RIP with bits 63:32 in compatibility mode",
     {{VMCS_GUEST_CS_ACCESS, BIT(13), BIT(14)}, {VMCS_GUEST_RIP, 0, BIT(32)}},
     0                                                                                   },
    {"RFLAGS with bit 1 0",                       {{VMCS_GUEST_RFLAGS, BIT(1), 0}},     0},
    {"RFLAGS with bit 3",                         {{VMCS_GUEST_RFLAGS, 0, BIT(3)}},     0},
    {"RFLAGS with bit 15",                        {{VMCS_GUEST_RFLAGS, 0, BIT(15)}},    0},
    {"RFLAGS with bit 22",                        {{VMCS_GUEST_RFLAGS, 0, BIT(22)}},    0},
    {"RFLAGS with bit 63",                        {{VMCS_GUEST_RFLAGS, 0, BIT(63)}},    0},
    {"RFLAGS with VM in IA-32e mode",             {{VMCS_GUEST_RFLAGS, 0, FLAG_VM}},    0},
    {"external interrupt injected with IF 0",     {{INFO, ALL, VALID | 0x50}},          0},
};

/* "Checks on Guest Non-Register State" */
static const struct check other[] = {
    {"activity state 4",                                    {{VMCS_GUEST_ACTIVITY, ALL, 4}},                                                 0},
    {"HLT with blocking by STI",                            {{VMCS_GUEST_ACTIVITY, ALL, 1}, {VMCS_GUEST_INTERRUPTIBILITY, ALL, STI}, IF_ON}, 0},
    {"HLT with blocking by MOV SS",                         {{VMCS_GUEST_ACTIVITY, ALL, 1}, {VMCS_GUEST_INTERRUPTIBILITY, ALL, MOV_SS}},     0},
    {"#GP injected into HLT",                               {{VMCS_GUEST_ACTIVITY, ALL, 1}, {INFO, ALL, VALID | BIT(11) | 3 << 8 | VEC_GP}}, 0},
    {"software interrupt injected into HLT",
     {{VMCS_GUEST_ACTIVITY, ALL, 1}, {INFO, ALL, VALID | 4 << 8 | 0x50}, {VMCS_ENTRY_INSTRUCTION_LENGTH, ALL, 2}},
     0                                                                                                                                        },
    {"#DF injected into shutdown",                          {{VMCS_GUEST_ACTIVITY, ALL, 2}, {INFO, ALL, VALID | BIT(11) | 3 << 8 | VEC_DF}}, 0},
    {"NMI injected into wait-for-SIPI",                     {{VMCS_GUEST_ACTIVITY, ALL, 3}, {INFO, ALL, VALID | 2 << 8 | 2}},                0},
    {"interruptibility with reserved bit 5",                {{VMCS_GUEST_INTERRUPTIBILITY, ALL, BIT(5)}},                                    0},
    {"interruptibility with reserved bit 31",               {{VMCS_GUEST_INTERRUPTIBILITY, ALL, BIT(31)}},                                   0},
    {"blocking by STI and by MOV SS",                       {{VMCS_GUEST_INTERRUPTIBILITY, ALL, STI | MOV_SS}, IF_ON},                       0},
    {"blocking by STI with IF 0",                           {{VMCS_GUEST_INTERRUPTIBILITY, ALL, STI}},                                       0},
    {"external interrupt injected with blocking by STI",
     {{VMCS_GUEST_INTERRUPTIBILITY, ALL, STI}, IF_ON, {INFO, ALL, VALID | 0x50}},
     0                                                                                                                                        },
    {"external interrupt injected with blocking by MOV SS",
     {{VMCS_GUEST_INTERRUPTIBILITY, ALL, MOV_SS}, IF_ON, {INFO, ALL, VALID | 0x50}},
     0                                                                                                                                        },
    {"NMI injected with blocking by MOV SS",
     {{VMCS_GUEST_INTERRUPTIBILITY, ALL, MOV_SS}, {INFO, ALL, VALID | 2 << 8 | 2}},
     0                                                                                                                                        },
    {"blocking by SMI outside SMM",                         {{VMCS_GUEST_INTERRUPTIBILITY, ALL, SMI}},                                       0},
    {"NMI injected with virtual NMIs and blocking by NMI",
     {{VMCS_PIN_CONTROLS, 0, PIN_VIRTUAL_NMIS},
      {VMCS_GUEST_INTERRUPTIBILITY, ALL, NMI},
      {INFO, ALL, VALID | 2 << 8 | 2}},
     0                                                                                                                                        },
    {"pending debug exceptions with reserved bit 4",        {{VMCS_GUEST_PENDING_DEBUG, ALL, BIT(4)}},                                       0},
    {"pending debug exceptions with reserved bit 13",       {{VMCS_GUEST_PENDING_DEBUG, ALL, BIT(13)}},                                      0},
    {"pending debug exceptions with reserved bit 32",       {{VMCS_GUEST_PENDING_DEBUG, ALL, BIT(32)}},                                      0},
    {"blocking by STI, TF 1 and BS 0",
     {{VMCS_GUEST_INTERRUPTIBILITY, ALL, STI}, {VMCS_GUEST_RFLAGS, 0, FLAG_IF | FLAG_TF}},
     0                                                                                                                                        },
    {"blocking by MOV SS, TF 0 and BS 1",
     {{VMCS_GUEST_INTERRUPTIBILITY, ALL, MOV_SS}, {VMCS_GUEST_PENDING_DEBUG, ALL, BIT(14)}},
     0                                                                                                                                        },
    {"VMCS link pointer isn't aligned",                     {{VMCS_LINK_POINTER, ALL, 0x1008}},                                              4},
    {"VMCS link pointer beyond any physical address",       {{VMCS_LINK_POINTER, ALL, BIT(53)}},                                             4},
};

/* the last test: who goes in will not come back */
static const struct check halted[] = {
    {"HLT, TF 1 and BS 0", {{VMCS_GUEST_ACTIVITY, ALL, 1}, {VMCS_GUEST_RFLAGS, 0, FLAG_TF}}, 0},
};

static void link_revision(struct vmx_vm *vm) {
    u32 *region = page_alloc();
    region[0] = ((u32)rdmsr(MSR_VMX_BASIC) & 0x7FFFFFFF) ^ 4;
    vmcs_set(VMCS_LINK_POINTER, (uptr)region);
    if (!ok(vm_enter(vm) == ERROR && vmcs_get(VMCS_EXIT_QUALIFICATION) == 4, "VMCS link pointer to a wrong revision"))
        bail_out("it went in");
    vmcs_set(VMCS_LINK_POINTER, ALL);
}

struct msr_entry {
    u32 index, reserved;
    u64 value;
};

/* "Loading MSRs": the failing entry's number, from 1, is the qualification */
static void msr_loading(struct vmx_vm *vm) {
    static const struct {
        const char *name;
        struct msr_entry bad;
    } row[] = {
        {"MSR loading of IA32_FS_BASE fails",            {MSR_FS_BASE, 0, 0}                   },
        {"MSR loading of IA32_GS_BASE fails",            {MSR_GS_BASE, 0, 0}                   },
        {"MSR loading with reserved bits fails",         {MSR_SYSENTER_CS, 1, 0}               },
        {"MSR loading of an MSR that isn't there fails", {0x1234ABCD, 0, 0}                    },
        {"MSR loading of a non-canonical address fails", {MSR_KERNEL_GS_BASE, 0, NON_CANONICAL}},
        {"MSR loading of an x2APIC register fails",      {0x80A, 0, 0}                         }
    };
    struct msr_entry *list = page_alloc();
    u64 old = rdmsr(MSR_KERNEL_GS_BASE);
    vmcs_set(VMCS_ENTRY_MSR_LOAD_ADDRESS, (uptr)list);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        list[0] = (struct msr_entry){MSR_KERNEL_GS_BASE, 0, 0x123000 + i};
        list[1] = row[i].bad;
        vmcs_set(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
        u32 got = vm_enter(vm);
        if (!ok(got == ((u32)VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_MSR_LOADING) && vmcs_get(VMCS_EXIT_QUALIFICATION) == 2,
                "%s", row[i].name))
            diag("exit reason %#x", got);
    }
    vmcs_set(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    wrmsr(MSR_KERNEL_GS_BASE, old);
}

/* SDM 3, "VM-Entry Failures During or After Loading Guest State": what such an exit does and doesn't record */
static void aftermath(struct vmx_vm *vm) {
    u64 rip = vmcs_get(VMCS_GUEST_RIP), tr = read_tr();
    vmcs_set(VMCS_GUEST_RFLAGS, 0);
    vmcs_set(INFO, VALID | 3 << 8 | VEC_UD);
    ok_eq(vm_enter(vm), ERROR, "a failed entry with an event to inject");
    vm_field(VMCS_GUEST_RFLAGS, 0, "guest state isn't saved");
    vm_field(VMCS_GUEST_RIP, rip, "nor is RIP");
    vm_field(INFO, VALID | 3 << 8 | VEC_UD, "the valid bit of the VM-entry interruption information stays");
    ok(read_tr() == tr && read_gdtr().limit == 0xFFFF && read_idtr().limit == 0xFFFF, "host state is loaded");
    vmcs_set(INFO, 0);
    vmcs_set(VMCS_GUEST_RFLAGS, 2);
    ok_eq(vmcs_get(VMCS_GUEST_RIP) == rip && vmx_run(vm) == VMX_SUCCEED && !(vm->exit_reason & VMX_EXIT_ENTRY_FAILURE),
          1, "the launch state was left clear");
    vmclear(vm->vmcs);
    vmptrld(vm->vmcs);
    vm->launched = 0;
    vm_restart(vm, vm_stop);
}

void guest_main(void) {
    struct vmx_vm vm;
    if (!vmx_begin()) return;
    checks_begin(&vm);
    checks_run(&vm, registers, ARRAY_SIZE(registers), ERROR);
    checks_run(&vm, segments, ARRAY_SIZE(segments), ERROR);
    checks_run(&vm, flow, ARRAY_SIZE(flow), ERROR);
    checks_run(&vm, other, ARRAY_SIZE(other), ERROR);
    link_revision(&vm);
    msr_loading(&vm);
    aftermath(&vm);
    checks_end(&vm);
    vmptrld(vm.vmcs);
    vm.launched = 0;
    vm_restart(&vm, vm_stop);
    checks_run(&vm, halted, ARRAY_SIZE(halted), ERROR);
}
