/* VM exits by instructions: reason, qualification, length, instruction information; what exits save and load.
 * SDM 3, "Instructions That Cause VM Exits", "Information for VM Exits Due to Instruction Execution" */
#include "testsuites/guest/vmx/common.h"

/* VM-exit instruction-information field */
#define SCALE(n)    (n)
#define REG1(r)     ((r) << 3)
#define ADDRESS_64  (2u << 7)
#define ADDRESS_32  (1u << 7)
#define IS_REG      (1u << 10)
#define SEG(s)      ((u32)(s) << 15)
#define INDEX(r)    ((u32)(r) << 18)
#define NO_INDEX    (1u << 22)
#define BASE(r)     ((u32)(r) << 23)
#define NO_BASE     (1u << 27)
#define REG2(r)     ((u32)(r) << 28)
#define IDENTITY(n) ((u32)(n) << 28)
#define MEMORY_MASK (ADDRESS_64 | ADDRESS_32 | IS_REG | SEG(7) | NO_INDEX | BASE(15) | NO_BASE)
#define INDEX_MASK  (SCALE(3) | INDEX(15))
enum { ES, CS, SS, DS, FS, GS };

struct exit_row {
    const char *name;
    const u8 *code;
    u32 reason, length, proc, proc2;
    u64 qualification;
    u32 info, info_mask;
    u64 rcx;
    bool without; /* without its controls the instruction goes on to the VMCALL behind it */
};

CODE(c_cpuid, "cpuid; vmcall");
CODE(c_cpuid_prefixed, ".byte 0x48; cpuid; vmcall");
CODE(c_invd, "invd; vmcall");
CODE(c_vmcall, "vmcall");
CODE(c_vmclear, "vmclear (%rbx); vmcall");
CODE(c_vmclear_sib, "vmclear 0x10(%rbx,%rsi,4); vmcall");
CODE(c_vmclear_rip, "vmclear c_data(%rip)\nc_vmclear_rip_end: vmcall\nc_data: .quad 0");
CODE_LABEL(c_vmclear_rip_end);
CODE_LABEL(c_data);
CODE(c_vmclear_fs32, "vmclear %fs:-8(%r13d); vmcall");
CODE(c_vmptrld, "vmptrld (%rcx); vmcall");
CODE(c_vmptrst, "vmptrst (%rdx); vmcall");
CODE(c_vmxon, "vmxon (%rsp); vmcall");
CODE(c_vmxoff, "vmxoff; vmcall");
CODE(c_vmlaunch, "vmlaunch; vmcall");
CODE(c_vmresume, "vmresume; vmcall");
CODE(c_vmread_reg, "vmread %rax, %r9; vmcall");
CODE(c_vmread_mem, "vmread %r10, 0x7f(%rbp); vmcall");
CODE(c_vmwrite_reg, "vmwrite %r8, %rdx; vmcall");
CODE(c_invept, "invept (%rdi), %r11; vmcall");
CODE(c_invvpid, "invvpid (%rdi), %rbx; vmcall");
CODE(c_hlt, "hlt; vmcall");
CODE(c_invlpg, "invlpg 0x1234(%rcx); vmcall");
CODE(c_rdpmc, "rdpmc; vmcall");
CODE(c_rdtsc, "rdtsc; vmcall");
CODE(c_rdtscp, "rdtscp; vmcall");
CODE(c_mwait, "mwait; vmcall");
CODE(c_monitor, "monitor; vmcall");
CODE(c_pause, "pause; vmcall");
CODE(c_wbinvd, "wbinvd; vmcall");
CODE(c_rdrand, "rdrand %r12d; vmcall");
CODE(c_rdseed, "rdseed %rsi; vmcall");
CODE(c_sgdt, "sgdt 8(%rsp); vmcall");
CODE(c_sidt, "sidt (%rsp); vmcall");
CODE(c_lgdt, "lgdt -16(%rsp); vmcall");
CODE(c_lidt, "lidt (%rsp); vmcall");
CODE(c_sldt, "sldt %ecx; vmcall");
CODE(c_str, "str 2(%rsp); vmcall");
CODE(c_lldt, "lldt %ax; vmcall");
CODE(c_ltr, "ltr %dx; vmcall");

static const struct exit_row rows[] = {
    {"CPUID",                           c_cpuid,          10, 2, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"CPUID with a prefix",             c_cpuid_prefixed, 10, 3, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"INVD",                            c_invd,           13, 2, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"VMCALL",                          c_vmcall,         18, 3, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"VMCLEAR",                         c_vmclear,        19, 4, 0,                    0,                              0,            ADDRESS_64 | SEG(DS) | NO_INDEX | BASE(3),               MEMORY_MASK,                  0,            false},
    {"VMCLEAR with index",              c_vmclear_sib,    19, 6, 0,                    0,                              0x10,         SCALE(2) | ADDRESS_64 | SEG(DS) | INDEX(6) | BASE(3),
     MEMORY_MASK | INDEX_MASK,                                                                                                                                                                                              0,            false},
    {"VMCLEAR with FS, 32-bit address", c_vmclear_fs32,   19, 8, 0,                    0,                              (u64)-8,
     ADDRESS_32 | SEG(FS) | NO_INDEX | BASE(13),                                                                                                                                              MEMORY_MASK,                  0,            false},
    {"VMPTRLD",                         c_vmptrld,        21, 3, 0,                    0,                              0,            ADDRESS_64 | SEG(DS) | NO_INDEX | BASE(1),               MEMORY_MASK,                  0,            false},
    {"VMPTRST",                         c_vmptrst,        22, 3, 0,                    0,                              0,            ADDRESS_64 | SEG(DS) | NO_INDEX | BASE(2),               MEMORY_MASK,                  0,            false},
    {"VMXON",                           c_vmxon,          27, 5, 0,                    0,                              0,            ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4),               MEMORY_MASK,                  0,            false},
    {"VMXOFF",                          c_vmxoff,         26, 3, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"VMLAUNCH",                        c_vmlaunch,       20, 3, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"VMRESUME",                        c_vmresume,       24, 3, 0,                    0,                              0,            0,                                                       0,                            0,            false},
    {"VMREAD to a register",            c_vmread_reg,     23, 4, 0,                    0,                              0,            REG1(9) | IS_REG | REG2(0),                              REG1(15) | IS_REG | REG2(15), 0,
     false                                                                                                                                                                                                                                     },
    {"VMREAD to memory",                c_vmread_mem,     23, 5, 0,                    0,                              0x7F,         ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(5) | REG2(10),
     MEMORY_MASK | REG2(15),                                                                                                                                                                                                0,            false},
    {"VMWRITE",                         c_vmwrite_reg,    25, 4, 0,                    0,                              0,            REG1(8) | IS_REG | REG2(2),                              REG1(15) | IS_REG | REG2(15), 0,            false},
    {"INVEPT",                          c_invept,         50, 6, 0,                    PROC2_ENABLE_EPT,               0,            ADDRESS_64 | SEG(DS) | NO_INDEX | BASE(7) | REG2(11),
     (MEMORY_MASK & ~IS_REG) | REG2(15),                                                                                                                                                                                    0,            false},
    {"INVVPID",                         c_invvpid,        53, 5, 0,                    PROC2_ENABLE_VPID,              0,            ADDRESS_64 | SEG(DS) | NO_INDEX | BASE(7) | REG2(3),
     (MEMORY_MASK & ~IS_REG) | REG2(15),                                                                                                                                                                                    0,            false},
    {"HLT",                             c_hlt,            12, 1, PROC_HLT_EXITING,     0,                              0,            0,                                                       0,                            0,            false},
    {"INVLPG",                          c_invlpg,         14, 7, PROC_INVLPG_EXITING,  0,                              0x5000001234, 0,                                                       0,                            0x5000000000, true },
    {"RDPMC",                           c_rdpmc,          15, 2, PROC_RDPMC_EXITING,   0,                              0,            0,                                                       0,                            0,            false},
    {"RDTSC",                           c_rdtsc,          16, 2, PROC_RDTSC_EXITING,   0,                              0,            0,                                                       0,                            0,            true },
    {"RDTSCP",                          c_rdtscp,         51, 3, PROC_RDTSC_EXITING,   PROC2_ENABLE_RDTSCP,            0,            0,                                                       0,                            0,            true },
    {"MWAIT",                           c_mwait,          36, 3, PROC_MWAIT_EXITING,   0,                              0,            0,                                                       0,                            0,            false},
    {"MONITOR",                         c_monitor,        39, 3, PROC_MONITOR_EXITING, 0,                              0,            0,                                                       0,                            0,            false},
    {"PAUSE",                           c_pause,          40, 2, PROC_PAUSE_EXITING,   0,                              0,            0,                                                       0,                            0,            true },
    {"WBINVD",                          c_wbinvd,         54, 2, 0,                    PROC2_WBINVD_EXITING,           0,            0,                                                       0,                            0,            true },
    {"RDRAND",                          c_rdrand,         57, 4, 0,                    PROC2_RDRAND_EXITING,           0,            REG1(12) | 1 << 11,                                      REG1(15) | 3 << 11,           0,            true },
    {"RDSEED",                          c_rdseed,         61, 4, 0,                    PROC2_RDSEED_EXITING,           0,            REG1(6) | 2 << 11,                                       REG1(15) | 3 << 11,           0,            true },
    {"SGDT",                            c_sgdt,           46, 5, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 8,
     ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4) | IDENTITY(0),                                                                                                                                 MEMORY_MASK | IDENTITY(3),    0,            true },
    {"SIDT",                            c_sidt,           46, 4, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 0,
     ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4) | IDENTITY(1),                                                                                                                                 MEMORY_MASK | IDENTITY(3),    0,            true },
    {"LGDT",                            c_lgdt,           46, 5, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, (u64)-16,
     ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4) | IDENTITY(2),                                                                                                                                 MEMORY_MASK | IDENTITY(3),    0,            false},
    {"LIDT",                            c_lidt,           46, 4, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 0,
     ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4) | IDENTITY(3),                                                                                                                                 MEMORY_MASK | IDENTITY(3),    0,            false},
    {"SLDT",                            c_sldt,           47, 3, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 0,            REG1(1) | IS_REG | IDENTITY(0),
     REG1(15) | IS_REG | IDENTITY(3),                                                                                                                                                                                       0,            true },
    {"STR",                             c_str,            47, 5, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 2,            ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4) | IDENTITY(1),
     MEMORY_MASK | IDENTITY(3),                                                                                                                                                                                             0,            true },
    {"LLDT",                            c_lldt,           47, 3, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 0,            REG1(0) | IS_REG | IDENTITY(2),
     REG1(15) | IS_REG | IDENTITY(3),                                                                                                                                                                                       0,            true },
    {"LTR",                             c_ltr,            47, 3, 0,                    PROC2_DESCRIPTOR_TABLE_EXITING, 0,            REG1(2) | IS_REG | IDENTITY(3),
     REG1(15) | IS_REG | IDENTITY(3),                                                                                                                                                                                       0,            false},
};

static u64 eptp;

static bool make(struct vmx_vm *vm, const u8 *code, u32 proc, u32 proc2, const char *name) {
    struct vmx_config c = {.proc = proc, .proc2 = proc2 & ~(PROC2_ENABLE_EPT | PROC2_ENABLE_VPID)};
    if ((proc2 & PROC2_ENABLE_EPT) && !vmx_allows(VMX_PROC2, PROC2_ENABLE_EPT)) {
        skip("no EPT", "%s", name);
        return false;
    }
    if (proc2 & PROC2_ENABLE_EPT) c.eptp = eptp;
    if (proc2 & PROC2_ENABLE_VPID) c.vpid = 1;
    return vm_make(vm, code, c, name);
}

static void instruction_exits(void) {
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct exit_row *r = &rows[i];
        struct vmx_vm vm;
        if (!make(&vm, r->code, r->proc, r->proc2, r->name)) continue;
        vm.gpr[GPR_RCX] = r->rcx;
        vm_expect(&vm, r->reason, "%s exits", r->name);
        vm_field(VMCS_EXIT_QUALIFICATION, r->qualification, "%s: qualification", r->name);
        vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, r->length, "%s: instruction length", r->name);
        ok_eq(vmcs_get(VMCS_GUEST_RIP), (uptr)r->code, "%s: RIP is the instruction's", r->name);
        if (r->info_mask)
            ok_eq(vmcs_get(VMCS_EXIT_INSTRUCTION_INFO) & r->info_mask, r->info, "%s: instruction information", r->name);
        vmclear(vm.vmcs);
        if (!r->without || !make(&vm, r->code, 0, r->proc2 & PROC2_ENABLE_RDTSCP, r->name)) continue;
        vm.gpr[GPR_RCX] = r->rcx;
        vm_expect(&vm, VMX_EXIT_VMCALL, "%s doesn't exit without the control", r->name);
        vmclear(vm.vmcs);
    }
}

/* "For an instruction that uses RIP-relative addressing, the exit qualification is the displacement plus the RIP of the
 * next instruction" ("Exit Qualification", instructions with a memory operand) */
static void rip_relative(void) {
    struct vmx_vm vm;
    if (!make(&vm, c_vmclear_rip, 0, 0, "VMCLEAR, RIP-relative")) return;
    vm_expect(&vm, VMX_EXIT_VMCLEAR, "VMCLEAR, RIP-relative");
    vm_field(VMCS_EXIT_QUALIFICATION, (uptr)c_data, "VMCLEAR, RIP-relative: the qualification is the address");
    ok(vmcs_get(VMCS_EXIT_INSTRUCTION_INFO) & NO_BASE, "VMCLEAR, RIP-relative: no base register");
    vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, (u64)(c_vmclear_rip_end - c_vmclear_rip), "VMCLEAR, RIP-relative: length");
    vmclear(vm.vmcs);
}

/* Controls that enable an instruction: without them it is #UD. SDM 3, "Changes to Instruction Behavior in VMX Non-Root
 * Operation" */
static void disabled(void) {
    struct vmx_vm vm;
    const struct cpuid c7 = cpuid_if_present(7, 0);
    if (cpuid_if_present(0x80000001, 0).edx & BIT(27)) {
        make(&vm, c_rdtscp, PROC_RDTSC_EXITING, 0, "RDTSCP");
        vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
        vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "RDTSCP that isn't enabled: #UD");
        vmclear(vm.vmcs);
    }
    if (c7.ebx & BIT(10)) {
        CODE(c_invpcid, "invpcid (%rsp), %rax; vmcall");
        make(&vm, c_invpcid, PROC_INVLPG_EXITING, 0, "INVPCID");
        vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
        vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "INVPCID that isn't enabled: #UD");
        vmclear(vm.vmcs);
        if (make(&vm, c_invpcid, PROC_INVLPG_EXITING, PROC2_ENABLE_INVPCID, "INVPCID")) {
            vm_expect(&vm, VMX_EXIT_INVPCID, "INVPCID that is enabled exits with INVLPG exiting");
            ok_eq(vmcs_get(VMCS_EXIT_INSTRUCTION_INFO) & ((MEMORY_MASK & ~IS_REG) | REG2(15)),
                  ADDRESS_64 | SEG(SS) | NO_INDEX | BASE(4) | REG2(0), "INVPCID: instruction information");
            vmclear(vm.vmcs);
        }
    }
}

CODE(c_hlt3, "hlt; vmcall");
CODE(c_rdmsr3, "rdmsr; vmcall");
CODE(c_cr3_3, "mov %cr3, %rax; vmcall");
CODE(c_lgdt3, "lgdt (%rsp); vmcall");
CODE(c_invlpg3, "invlpg (%rsp); vmcall");
CODE(c_mov_dr3, "mov %dr7, %rax; vmcall");
CODE(c_in3, "inb $0x80, %al; vmcall");
CODE(c_invpcid3, "invpcid (%rsp), %rax; vmcall");

static void to_cpl3(void) {
    vmcs_set(VMCS_GUEST_CS_SELECTOR, SEL_UCODE64 | 3);
    vmcs_set(VMCS_GUEST_CS_ACCESS, 0xA0FB);
    vmcs_set(VMCS_GUEST_SS_SELECTOR, SEL_UDATA | 3);
    vmcs_set(VMCS_GUEST_SS_ACCESS, 0xC0F3);
}

/* SDM 3, "Relative Priority of Faults and VM Exits": faults by privilege level and by the I/O permission bitmap come
 * first; the VMX instructions and CPUID exit at any privilege level, and so does MOV DR ("Instructions That Cause VM
 * Exits Conditionally": its exits "represent an exception to the principles"). */
static void privilege(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 proc, proc2, reason;
    } row[] = {
        {"HLT at CPL 3: #GP, no HLT exit",               c_hlt3,    PROC_HLT_EXITING,              0,                              0 },
        {"RDMSR at CPL 3: #GP, no RDMSR exit",           c_rdmsr3,  0,                             0,                              0 },
        {"MOV from CR3 at CPL 3: #GP, no exit",          c_cr3_3,   PROC_CR3_STORE_EXITING,        0,                              0 },
        {"LGDT at CPL 3: #GP, no exit",                  c_lgdt3,   0,                             PROC2_DESCRIPTOR_TABLE_EXITING, 0 },
        {"INVLPG at CPL 3: #GP, no exit",                c_invlpg3, PROC_INVLPG_EXITING,           0,                              0 },
        {"IN without permission at CPL 3: #GP, no exit", c_in3,     PROC_UNCONDITIONAL_IO_EXITING, 0,                              0 },
        {"MOV from DR at CPL 3 exits",                   c_mov_dr3, PROC_MOV_DR_EXITING,           0,                              29},
        {"CPUID at CPL 3 exits",                         c_cpuid,   0,                             0,                              10},
        {"VMCALL at CPL 3 exits",                        c_vmcall,  0,                             0,                              18},
        {"VMXOFF at CPL 3 exits",                        c_vmxoff,  0,                             0,                              26},
        {"VMCLEAR at CPL 3 exits",                       c_vmclear, 0,                             0,                              19},
        {"RDTSC at CPL 3 exits",                         c_rdtsc,   PROC_RDTSC_EXITING,            0,                              16}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, row[i].code, row[i].proc, row[i].proc2, row[i].name)) continue;
        to_cpl3();
        vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
        vm_expect(&vm, row[i].reason, "%s", row[i].name);
        if (!row[i].reason) vm_field(VMCS_EXIT_INTERRUPTION_INFO, 0x80000B00 | VEC_GP, "%s: it is #GP", row[i].name);
        vmclear(vm.vmcs);
    }
    struct vmx_vm vm;
    /* SDM 2, "RDTSCP": CR4.TSD; SDM 3, "Changes to Instruction Behavior in VMX Non-Root Operation" */
    static const struct {
        const char *name;
        u32 proc, proc2, reason, vector;
    } tsc[] = {
        {"RDTSCP at CPL 3 with CR4.TSD, not enabled: #UD",   PROC_RDTSC_EXITING, 0,                   0, VEC_UD},
        {"RDTSCP at CPL 3 with CR4.TSD, RDTSC exiting: #GP", PROC_RDTSC_EXITING, PROC2_ENABLE_RDTSCP, 0, VEC_GP},
        {"RDTSCP at CPL 3 with CR4.TSD: #GP",                0,                  PROC2_ENABLE_RDTSCP, 0, VEC_GP},
    };
    for (u32 i = 0; i < ARRAY_SIZE(tsc) && (cpuid_if_present(0x80000001, 0).edx & BIT(27)); i++) {
        if (!make(&vm, c_rdtscp, tsc[i].proc, tsc[i].proc2, tsc[i].name)) continue;
        to_cpl3();
        vmcs_set(VMCS_GUEST_CR4, vmcs_get(VMCS_GUEST_CR4) | CR4_TSD);
        vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_UD));
        vm_expect(&vm, tsc[i].reason, "%s", tsc[i].name);
        vm_field(VMCS_EXIT_INTERRUPTION_INFO, (tsc[i].vector == VEC_GP ? 0x80000B00 : 0x80000300) | tsc[i].vector,
                 "%s: the vector", tsc[i].name);
        vmclear(vm.vmcs);
    }
    /* "INVPCID": its #UD "takes priority over any other exception the instruction may incur" */
    if ((cpuid_if_present(7, 0).ebx & BIT(10)) && make(&vm, c_invpcid3, 0, 0, "INVPCID at CPL 3")) {
        to_cpl3();
        vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_UD));
        vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "INVPCID at CPL 3 that isn't enabled");
        vm_field(VMCS_EXIT_INTERRUPTION_INFO, 0x80000300 | VEC_UD, "INVPCID at CPL 3 that isn't enabled: #UD");
        vmclear(vm.vmcs);
    }
}

CODE(c_state, "mov $0x12345678, %eax\n mov %rax, %rsp\n std\n mov $0x700, %eax\n mov %rax, %dr7\n mov $1, %eax\n"
              "mov $0x4321, %eax\n mov $0x174, %ecx\n xor %edx, %edx\n wrmsr\n vmcall");

static void read_debugctl(void *arg) { *(u64 *)arg = rdmsr(MSR_DEBUGCTL); }

/* SDM 3, "Saving Guest State" and "Loading Host State" */
static void state(void) {
    struct vmx_vm vm;
    u32 *bitmap = page_alloc();
    if (!make(&vm, c_state, PROC_USE_MSR_BITMAPS, 0, "state")) return;
    vmcs_set(VMCS_MSR_BITMAP, (uptr)bitmap);
    vmcs_set(VMCS_HOST_SYSENTER_CS, 0x1230);
    vmcs_set(VMCS_HOST_SYSENTER_EIP, 0x45600);
    vmcs_set(VMCS_HOST_FS_BASE, 0x7777000);
    vmcs_set(VMCS_GUEST_FS_BASE, 0x8888000);
    vmcs_set(VMCS_GUEST_GDTR_LIMIT, 0x7F);
    write_dr7(0x455);
    vm_expect(&vm, VMX_EXIT_VMCALL, "a guest that changes its state");
    ok_eq(read_dr7(), 0x400, "host DR7 is 400h after a VM exit");
    u64 debugctl = 0;
    if (try_fault(read_debugctl, &debugctl, NULL) == NO_FAULT)
        ok_eq(debugctl, 0, "host IA32_DEBUGCTL is 0 after a VM exit");
    else
        skip("no IA32_DEBUGCTL", "host IA32_DEBUGCTL is 0 after a VM exit");
    ok_eq(read_gdtr().limit, 0xFFFF, "host GDTR limit is FFFFh");
    ok_eq(read_idtr().limit, 0xFFFF, "host IDTR limit is FFFFh");
    ok_eq(rdmsr(MSR_SYSENTER_CS), 0x1230, "host SYSENTER_CS is loaded");
    ok_eq(rdmsr(MSR_SYSENTER_EIP), 0x45600, "host SYSENTER_EIP is loaded");
    ok_eq(rdmsr(MSR_FS_BASE), 0x7777000, "host FS base is loaded");
    vm_field(VMCS_GUEST_SYSENTER_CS, 0x4321, "guest SYSENTER_CS is saved");
    vm_field(VMCS_GUEST_FS_BASE, 0x8888000, "guest FS base is saved");
    vm_field(VMCS_GUEST_RSP, 0x12345678, "guest RSP is saved");
    vm_field(VMCS_GUEST_RFLAGS, FLAG_DF | FLAG_ZF | FLAG_PF | 2, "guest RFLAGS are saved");
    vm_field(VMCS_GUEST_GDTR_LIMIT, 0x7F, "guest GDTR limit is saved");
    vm_field(VMCS_GUEST_INTERRUPTIBILITY, 0, "guest interruptibility state is saved");
    vm_field(VMCS_GUEST_ACTIVITY, 0, "guest activity state is saved");
    if (vmcs_get(VMCS_EXIT_CONTROLS) & EXIT_SAVE_DEBUG_CONTROLS)
        vm_field(VMCS_GUEST_DR7, 0x700, "guest DR7 is saved");
    else
        vm_field(VMCS_GUEST_DR7, 0x400, "guest DR7 isn't saved without the control");
    ok(!(vmcs_get(VMCS_ENTRY_INTERRUPTION_INFO) & BIT(31)), "the valid bit of the entry's event is clear");
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_SYSENTER_CS, 0);
    write_dr7(0x400);
    vmclear(vm.vmcs);
}

struct msr_entry {
    u32 index, reserved;
    u64 value;
};
CODE(c_kernel_gs,
     "mov $0xC0000102, %ecx\n rdmsr\n mov %eax, %ebx\n mov $0x5555, %eax\n xor %edx, %edx\n wrmsr\n vmcall");

/* SDM 3, "Loading MSRs" of entries and of exits, "Saving MSRs" */
static void msr_lists(void) {
    struct vmx_vm vm;
    struct msr_entry *list = page_alloc();
    u32 *bitmap = page_alloc();
    if (!make(&vm, c_kernel_gs, PROC_USE_MSR_BITMAPS, 0, "MSR lists")) return;
    vmcs_set(VMCS_MSR_BITMAP, (uptr)bitmap);
    list[0] = (struct msr_entry){MSR_KERNEL_GS_BASE, 0, 0x1111};
    list[1] = (struct msr_entry){MSR_KERNEL_GS_BASE, 0, 0};
    list[2] = (struct msr_entry){MSR_KERNEL_GS_BASE, 0, 0x2222};
    static const u16 address[] = {VMCS_ENTRY_MSR_LOAD_ADDRESS, VMCS_EXIT_MSR_STORE_ADDRESS, VMCS_EXIT_MSR_LOAD_ADDRESS},
                     count[] = {VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT};
    for (u32 i = 0; i < 3; i++) {
        vmcs_set(address[i], (uptr)&list[i]);
        vmcs_set(count[i], 1);
    }
    vm_expect(&vm, VMX_EXIT_VMCALL, "an entry with MSR lists");
    ok_eq(vm.gpr[GPR_RBX], 0x1111, "the VM-entry MSR-load list is loaded");
    ok_eq(list[1].value, 0x5555, "the VM-exit MSR-store list is stored");
    ok_eq(rdmsr(MSR_KERNEL_GS_BASE), 0x2222, "the VM-exit MSR-load list is loaded");
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    vmclear(vm.vmcs);
}

/* SDM 3, "Use TSC offsetting": RDTSC and RDMSR of the TSC give TSC plus offset */
static void tsc_offset(void) {
    struct vmx_vm vm;
    if (!make(&vm, c_rdtsc, PROC_USE_TSC_OFFSETTING, 0, "TSC offsetting")) return;
    vmcs_set(VMCS_TSC_OFFSET, 0x7000000000000000ULL);
    u64 before = rdtsc();
    vm_expect(&vm, VMX_EXIT_VMCALL, "RDTSC with an offset");
    u64 after = rdtsc(), guest = (u32)vm.gpr[GPR_RAX] | vm.gpr[GPR_RDX] << 32;
    ok(guest - 0x7000000000000000ULL >= before && guest - 0x7000000000000000ULL <= after, "TSC offset is added");
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    eptp = ept_supported() ? ept_new_identity() : 0;
    instruction_exits();
    rip_relative();
    disabled();
    privilege();
    state();
    msr_lists();
    tsc_offset();
}
