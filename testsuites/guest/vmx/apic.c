/* The TPR shadow and the APIC-access page. SDM 3, "Virtualizing CR8-Based TPR Accesses", "Virtualizing Memory-Mapped
 * APIC Accesses" */
#include "testsuites/guest/vmx/common.h"

#define VTPR 0x80

static u8 *vapic;

CODE(a_cr8_store, "mov %cr8, %rbx; vmcall");
CODE(a_cr8_load, "mov %rax, %cr8\na_cr8_after: vmcall");
CODE_LABEL(a_cr8_after);
CODE(a_read, "mov (%rsi), %ebx\na_read_after: vmcall");
CODE(a_write, "mov %eax, (%rsi)\na_write_after: vmcall");
CODE_LABEL(a_write_after);
CODE(a_fetch, "jmp *%rsi");

static void tpr_shadow(void) {
    struct vmx_vm vm;
    if (!vm_make(&vm, a_cr8_store, (struct vmx_config){.proc = PROC_USE_TPR_SHADOW}, "TPR shadow")) return;
    vmcs_set(VMCS_VIRTUAL_APIC_ADDRESS, (uptr)vapic);
    vmcs_set(VMCS_TPR_THRESHOLD, 0);
    vapic[VTPR] = 0x5A;
    write_cr8(3);
    vm_expect(&vm, VMX_EXIT_VMCALL, "MOV from CR8 with TPR shadow");
    ok_eq(vm.gpr[GPR_RBX], 5, "reads bits 7:4 of VTPR");
    vm_restart(&vm, a_cr8_load);
    vm.gpr[GPR_RAX] = 9;
    vm_expect(&vm, VMX_EXIT_VMCALL, "MOV to CR8 with TPR shadow");
    ok_eq(*(u32 *)(vapic + VTPR), 0x90, "writes VTPR");
    ok_eq(read_cr8(), 3, "and leaves the real CR8 alone");
    write_cr8(0);
    vmcs_set(VMCS_TPR_THRESHOLD, 4);
    vm_restart(&vm, a_cr8_load);
    vm.gpr[GPR_RAX] = 4;
    vm_expect(&vm, VMX_EXIT_VMCALL, "MOV to CR8 of the threshold doesn't exit");
    vm_restart(&vm, a_cr8_load);
    vm.gpr[GPR_RAX] = 3;
    vm_expect(&vm, VMX_EXIT_TPR_BELOW_THRESHOLD, "MOV to CR8 below the threshold exits");
    vm_field(VMCS_GUEST_RIP, (uptr)a_cr8_after, "a trap: RIP is the next instruction's");
    ok_eq(vapic[VTPR], 0x30, "VTPR was written");
    vmclear(vm.vmcs);
}

/* "VM Exits Induced by the TPR Threshold" at an entry with virtualized APIC accesses; "Exit Qualification for
 * APIC-access VM exits" */
struct access_row {
    const char *name;
    const u8 *code;
    u64 offset, type; /* type: bits 15:12 */
};
static const u64 va = 0x7FC0000000ULL;
static u8 *page;

static void accesses(const struct access_row *row, u32 count) {
    for (u32 i = 0; i < count; i++) {
        struct vmx_vm vm;
        struct vmx_config c = {.proc = PROC_USE_TPR_SHADOW, .proc2 = PROC2_VIRTUALIZE_APIC_ACCESSES};
        if (!vm_make(&vm, row[i].code, c, "APIC-access page")) return;
        vmcs_set(VMCS_VIRTUAL_APIC_ADDRESS, (uptr)vapic);
        vmcs_set(VMCS_APIC_ACCESS_ADDRESS, (uptr)page);
        vmcs_set(VMCS_TPR_THRESHOLD, 0);
        vm.gpr[GPR_RSI] = va + row[i].offset;
        vm_expect(&vm, VMX_EXIT_APIC_ACCESS, "%s of the APIC-access page exits", row[i].name);
        vm_field(VMCS_EXIT_QUALIFICATION, row[i].offset | row[i].type << 12, "%s: qualification", row[i].name);
        vmclear(vm.vmcs);
    }
}

static void access_page(void) {
    static const struct access_row data[] = {
        {"a read",  a_read,  0x20,  0},
        {"a write", a_write, 0x300, 1}
    };
    struct vmx_vm vm;
    page = page_alloc();
    map_4k(read_cr3(), va, (uptr)page, PTE_W);
    accesses(data, ARRAY_SIZE(data));
    struct vmx_config c = {.proc = PROC_USE_TPR_SHADOW, .proc2 = PROC2_VIRTUALIZE_APIC_ACCESSES};
    if (!vm_make(&vm, a_read, c, "APIC-access page")) return;
    vmcs_set(VMCS_VIRTUAL_APIC_ADDRESS, (uptr)vapic);
    vmcs_set(VMCS_APIC_ACCESS_ADDRESS, (uptr)page);
    vmcs_set(VMCS_TPR_THRESHOLD, 0);
    *(u32 *)(vapic + VTPR) = 0x70;
    vm.gpr[GPR_RSI] = va + VTPR;
    vm_expect(&vm, VMX_EXIT_VMCALL, "a read of the TPR doesn't exit");
    ok_eq(vm.gpr[GPR_RBX], 0x70, "and gives VTPR");
    vm_restart(&vm, a_write);
    vmcs_set(VMCS_TPR_THRESHOLD, 3);
    vm.gpr[GPR_RAX] = 0x20;
    vm_expect(&vm, VMX_EXIT_TPR_BELOW_THRESHOLD, "a write of the TPR below the threshold exits");
    vm_field(VMCS_GUEST_RIP, (uptr)a_write_after, "a trap");
    ok_eq(vapic[VTPR], 0x20, "VTPR was written");
    vm_restart(&vm, a_write);
    vm_expect(&vm, VMX_EXIT_TPR_BELOW_THRESHOLD, "an entry with VTPR below the threshold exits");
    vm_field(VMCS_GUEST_RIP, (uptr)a_write, "before any instruction");
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    vapic = page_alloc();
    tpr_shadow();
    access_page();
    static const struct access_row fetch[] = {
        {"an instruction fetch", a_fetch, 0xA00, 2}
    };
    if (page) accesses(fetch, 1);
}
