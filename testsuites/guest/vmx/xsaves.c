/* XSAVES, XRSTORS and XSETBV in a guest: the control that enables them, the XSS-exiting bitmap. SDM 3, "Changes to
 * Instruction Behavior in VMX Non-Root Operation", "XSS-Exiting Bitmap" */
#include "testsuites/guest/vmx/common.h"

#define MSR_XSS    0xDA0
#define CET_U      BIT(11)
#define CET_S      BIT(12)
#define INFO       (2u << 7 | 3u << 15 | 1u << 22 | 3u << 23) /* 64-bit address, DS, no index, base RBX */
#define INFO_MASK  (7u << 7 | 1u << 10 | 7u << 15 | 1u << 22 | 31u << 23)
#define EXIT_XSAVE 63
#define EXIT_RSTOR 64

CODE(c_xsaves, "xsaves64 0x40(%rbx); vmcall");
CODE(c_xrstors, "xrstors64 0x40(%rbx); vmcall");
CODE(c_xsetbv, "xsetbv; vmcall");

static u8 area[2048] ALIGNED(64);

struct row {
    const char *name;
    u64 xss, bitmap, mask;
    bool exits;
};
static const struct row rows[] = {
    {"IA32_XSS, bitmap and mask have CET_U", CET_U | CET_S, CET_U, CET_U, true },
    {"all ones",                             CET_U | CET_S, ~0ULL, ~0ULL, true },
    {"the bitmap is empty",                  CET_U | CET_S, 0,     ~0ULL, false},
    {"the mask is without it",               CET_U | CET_S, CET_U, CET_S, false},
    {"IA32_XSS is without it",               CET_S,         CET_U, ~0ULL, false},
    {"IA32_XSS is 0",                        0,             ~0ULL, ~0ULL, false},
    {"user components in bitmap and mask",   CET_U | CET_S, 7,     7,     false},
};

static bool make(struct vmx_vm *vm, const u8 *code, u32 proc2, const char *name) {
    if (!vm_make(vm, code, (struct vmx_config){.proc2 = proc2}, name)) return false;
    memset(area, 0, sizeof area);
    *(u64 *)(area + 0x40 + 520) = BIT(63);
    vm->gpr[GPR_RBX] = (uptr)area;
    return true;
}

static void bitmap(const u8 *code, u32 reason, const char *insn) {
    for (u32 k = 0; k < ARRAY_SIZE(rows); k++) {
        const struct row *r = &rows[k];
        struct vmx_vm vm;
        if (!make(&vm, code, PROC2_ENABLE_XSAVES, r->name)) return;
        wrmsr(MSR_XSS, r->xss);
        vmcs_set(VMCS_XSS_EXITING_BITMAP, r->bitmap);
        vm.gpr[GPR_RAX] = (u32)r->mask;
        vm.gpr[GPR_RDX] = r->mask >> 32;
        vm_expect(&vm, r->exits ? reason : VMX_EXIT_VMCALL, "%s: %s", insn, r->name);
        if (r->exits) {
            vm_field(VMCS_EXIT_QUALIFICATION, 0x40, "%s: the qualification is the displacement", insn);
            vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, 5, "%s: length", insn);
            ok_eq(vmcs_get(VMCS_EXIT_INSTRUCTION_INFO) & INFO_MASK, INFO, "%s: instruction information", insn);
        }
        vmclear(vm.vmcs);
    }
    wrmsr(MSR_XSS, CET_U | CET_S);
}

static void to_cpl3(void) {
    vmcs_set(VMCS_GUEST_CS_SELECTOR, SEL_UCODE64 | 3);
    vmcs_set(VMCS_GUEST_CS_ACCESS, 0xA0FB);
    vmcs_set(VMCS_GUEST_SS_SELECTOR, SEL_UDATA | 3);
    vmcs_set(VMCS_GUEST_SS_ACCESS, 0xC0F3);
}

/* The #UD without the control comes before everything else; with it, #NM and #GP come before the exit. */
static void faults(const u8 *code, const char *insn) {
    static const struct {
        const char *what;
        u32 proc2, vector;
        bool user, ts;
    } row[] = {
        {"not enabled: #UD",           0,                   VEC_UD, false, false},
        {"not enabled, at CPL 3: #UD", 0,                   VEC_UD, true,  false},
        {"not enabled, TS 1: #UD",     0,                   VEC_UD, false, true },
        {"at CPL 3: #GP, no exit",     PROC2_ENABLE_XSAVES, VEC_GP, true,  false},
        {"TS 1: #NM, no exit",         PROC2_ENABLE_XSAVES, VEC_NM, false, true },
    };
    for (u32 k = 0; k < ARRAY_SIZE(row); k++) {
        struct vmx_vm vm;
        if (!make(&vm, code, row[k].proc2, insn)) return;
        if (row[k].proc2) vmcs_set(VMCS_XSS_EXITING_BITMAP, ~0ULL);
        if (row[k].user) to_cpl3();
        if (row[k].ts) vmcs_set(VMCS_GUEST_CR0, vmcs_get(VMCS_GUEST_CR0) | CR0_TS);
        vm.gpr[GPR_RAX] = vm.gpr[GPR_RDX] = 0xFFFFFFFF;
        vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD) | BIT(VEC_NM) | BIT(VEC_GP));
        vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "%s, %s", insn, row[k].what);
        ok_eq((u8)vmcs_get(VMCS_EXIT_INTERRUPTION_INFO), row[k].vector, "%s, %s: vector", insn, row[k].what);
        vmclear(vm.vmcs);
    }
}

/* XSETBV exits whatever it is given; at CPL 3 it is #GP. */
static void xsetbv_exits(void) {
    struct vmx_vm vm;
    if (!make(&vm, c_xsetbv, 0, "XSETBV")) return;
    vm.gpr[GPR_RCX] = 7;
    vm_expect(&vm, VMX_EXIT_XSETBV, "XSETBV of a register that isn't there exits");
    vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, 3, "XSETBV: length");
    vmclear(vm.vmcs);
    if (!make(&vm, c_xsetbv, 0, "XSETBV at CPL 3")) return;
    to_cpl3();
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "XSETBV at CPL 3: #GP, no exit");
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    if (!(cpuid_if_present(1, 0).ecx & BIT(26))) return skip("no XSAVE", "XSETBV, XSAVES, XRSTORS");
    write_cr4(read_cr4() | CR4_OSXSAVE);
    xsetbv_exits();
    const struct cpuid c = cpuid_if_present(0xD, 1);
    if (!(c.eax & BIT(3)) || (~c.ecx & (CET_U | CET_S))) return skip("no XSAVES of CET state", "XSAVES, XRSTORS");
    wrmsr(MSR_XSS, CET_U | CET_S);
    bitmap(c_xsaves, EXIT_XSAVE, "XSAVES");
    bitmap(c_xrstors, EXIT_RSTOR, "XRSTORS");
    faults(c_xsaves, "XSAVES");
    faults(c_xrstors, "XRSTORS");
    wrmsr(MSR_XSS, 0);
}
