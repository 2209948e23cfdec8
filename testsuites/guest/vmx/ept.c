/* EPT: violations with their qualification, misconfigurations, accessed and dirty flags, large pages; VPID and the
 * invalidations that software may rely on. SDM 3, "The Extended Page Table Mechanism (EPT)", "Caching Translation
 * Information" */
#include "testsuites/guest/vmx/common.h"

#define GPA     0x8000000000ULL /* guest-physical: nothing there, nor in its PML4E, unless a test maps it */
#define GVA     0x7FC0000000ULL /* guest-linear, mapped to GPA */
#define GVA_TOO 0x7FC0001000ULL

/* exit qualification */
#define Q_READ    BIT(0)
#define Q_WRITE   BIT(1)
#define Q_FETCH   BIT(2)
#define Q_MAY_R   BIT(3)
#define Q_MAY_W   BIT(4)
#define Q_MAY_X   BIT(5)
#define Q_LINEAR  BIT(7)
#define Q_FINAL   BIT(8)
#define Q_DEFINED 0x1BF /* without bit 6 and the advanced information in 11:9 */

static u64 eptp, *page, *page_too;

CODE(m_read, "mov (%rsi), %eax; vmcall");
CODE(m_write, "mov %eax, (%rsi); vmcall");
CODE(m_fetch, "jmp *%rsi");
CODE(m_rmw, "lock incl (%rsi); vmcall");
CODE(m_twice, "mov (%rsi), %rax\n vmcall\n mov (%rsi), %rbx\n vmcall");

static bool make(struct vmx_vm *vm, const u8 *code, u16 vpid) {
    if (!vm_make(vm, code, (struct vmx_config){.eptp = eptp, .vpid = vpid}, "EPT")) return false;
    vm->gpr[GPR_RSI] = GVA + 8;
    return true;
}

static void flush(void) { invept(rdmsr(MSR_VMX_EPT_VPID_CAP) & BIT(25) ? 1 : 2, (struct inv_descriptor){eptp, 0}); }

static void ept_set(u64 gpa, u64 entry) {
    *ept_entry(eptp, gpa, 1) = entry;
    flush();
}

/* "Exit Qualification for EPT Violations" */
static void violations(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u64 rights, want, may; /* may: bits that a processor may set as well */
    } row[] = {
        {"read, not present",                   m_read,  0,             Q_READ | Q_LINEAR | Q_FINAL,                      0     },
        {"write, not present",                  m_write, 0,             Q_WRITE | Q_LINEAR | Q_FINAL,                     0     },
        {"fetch, not present",                  m_fetch, 0,             Q_FETCH | Q_LINEAR | Q_FINAL,                     0     },
        {"write, read-only",                    m_write, EPT_R,         Q_WRITE | Q_MAY_R | Q_LINEAR | Q_FINAL,           0     },
        {"write, R and X",                      m_write, EPT_R | EPT_X, Q_WRITE | Q_MAY_R | Q_MAY_X | Q_LINEAR | Q_FINAL, 0     },
        {"fetch, R and W",                      m_fetch, EPT_R | EPT_W, Q_FETCH | Q_MAY_R | Q_MAY_W | Q_LINEAR | Q_FINAL, 0     },
        {"locked read-modify-write, read-only", m_rmw,   EPT_R,         Q_WRITE | Q_MAY_R | Q_LINEAR | Q_FINAL,           Q_READ}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, row[i].code, 0)) return;
        ept_set(GPA, row[i].rights ? (uptr)page | row[i].rights | EPT_WB : 0);
        vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "EPT violation: %s", row[i].name);
        u64 q = vmcs_get(VMCS_EXIT_QUALIFICATION) & Q_DEFINED;
        ok_eq(q & ~row[i].may, row[i].want, "%s: qualification", row[i].name);
        vm_field(VMCS_GUEST_PHYSICAL_ADDRESS, GPA + 8, "%s: guest-physical address", row[i].name);
        vm_field(VMCS_GUEST_LINEAR_ADDRESS, GVA + 8, "%s: guest-linear address", row[i].name);
        vm_field(VMCS_IDT_VECTORING_INFO, 0, "%s: no IDT vectoring", row[i].name);
        vmclear(vm.vmcs);
    }
    struct vmx_vm vm;
    make(&vm, m_fetch, 0);
    memcpy((u8 *)page + 8, vm_stop, 3);
    if (rdmsr(MSR_VMX_EPT_VPID_CAP) & BIT(0)) {
        ept_set(GPA, (uptr)page | EPT_X | EPT_WB);
        vm_expect(&vm, VMX_EXIT_VMCALL, "fetch from an execute-only page");
        vm_restart(&vm, m_read);
        vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "EPT violation: read, execute-only");
        ok_eq(vmcs_get(VMCS_EXIT_QUALIFICATION) & Q_DEFINED, Q_READ | Q_MAY_X | Q_LINEAR | Q_FINAL,
              "read, execute-only: qualification");
    }
    vmclear(vm.vmcs);
}

/* Rights are the AND over the levels; the walk of guest page tables itself is translated */
static void levels(void) {
    struct vmx_vm vm;
    if (!make(&vm, m_write, 0)) return;
    ept_set(GPA, (uptr)page | EPT_RWX | EPT_WB);
    u64 *upper = ept_entry(eptp, GPA, 3);
    *upper &= ~EPT_W;
    flush();
    vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "write with W 0 in a PDPTE");
    ok_eq(vmcs_get(VMCS_EXIT_QUALIFICATION) & (Q_MAY_R | Q_MAY_W | Q_MAY_X), Q_MAY_R | Q_MAY_X,
          "rights in the qualification are those of all levels");
    *upper |= EPT_W;
    flush();
    /* A guest page table on a page that may only be read: the processor would set A or D in it. "Exit Qualification for
     * EPT Violations", bit 8: access to a paging-structure entry */
    u64 pte_page = (uptr)pt_entry(read_cr3(), GVA, 1) & ~0xFFFULL, *e = ept_entry(eptp, pte_page, 1), old = *e;
    *pt_entry(read_cr3(), GVA, 1) &= ~(PTE_A | PTE_D);
    *e = old & ~EPT_W;
    flush();
    vm_restart(&vm, m_read);
    vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "setting A in a guest page table that is read-only");
    u64 q = vmcs_get(VMCS_EXIT_QUALIFICATION);
    ok((q & (Q_WRITE | Q_LINEAR | Q_FINAL)) == (Q_WRITE | Q_LINEAR),
       "its qualification: a write to a paging structure");
    vm_field(VMCS_GUEST_PHYSICAL_ADDRESS, (uptr)pt_entry(read_cr3(), GVA, 1) & ~7ULL,
             "its guest-physical address is the entry's");
    vm_field(VMCS_GUEST_LINEAR_ADDRESS, GVA + 8, "its guest-linear address is the access's");
    *e = old & ~EPT_RWX;
    flush();
    vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "a guest page table that isn't there");
    q = vmcs_get(VMCS_EXIT_QUALIFICATION);
    ok((q & (Q_READ | Q_FETCH | Q_LINEAR | Q_FINAL)) == (Q_READ | Q_LINEAR),
       "its qualification: a read of a paging structure");
    *e = old;
    flush();
    vm_expect(&vm, VMX_EXIT_VMCALL, "all is well again");
    /* The EPT is consulted only once the guest's own tables allow the access */
    *pt_entry(read_cr3(), GVA, 1) &= ~PTE_W;
    ept_set(GPA, 0);
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
    vm_restart(&vm, m_write);
    vmcs_set(VMCS_GUEST_CR0, vmcs_get(VMCS_GUEST_CR0) | CR0_WP);
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#PF of the guest's tables comes before an EPT violation");
    *pt_entry(read_cr3(), GVA, 1) |= PTE_W;
    vmclear(vm.vmcs);
}

/* "EPT Misconfigurations" */
static void misconfigurations(void) {
    u64 width = cpuid(0x80000008, 0).eax & 0xFF;
    const struct {
        const char *name;
        u64 entry;
        int level;
    } row[] = {
        {"W without R",                           (uptr)page | EPT_W | EPT_WB,            1},
        {"W and X without R",                     (uptr)page | EPT_W | EPT_X | EPT_WB,    1},
        {"memory type 2",                         (uptr)page | EPT_RWX | EPT_TYPE(2),     1},
        {"memory type 3",                         (uptr)page | EPT_RWX | EPT_TYPE(3),     1},
        {"memory type 7",                         (uptr)page | EPT_RWX | EPT_TYPE(7),     1},
        {"an address beyond the width",           BIT(width) | EPT_RWX | EPT_WB,          1},
        {"bits 20:12 of a 2 MiB page",            BIT(12) | EPT_RWX | EPT_WB | EPT_LARGE, 2},
        {"bit 3 of a PDE that points to a table", BIT(3) | EPT_RWX | (uptr)page_too,      2},
        {"bit 7 of a PML4E",                      EPT_LARGE | EPT_RWX | (uptr)page_too,   4},
        {"bits 29:12 of a 1 GiB page",            BIT(21) | EPT_RWX | EPT_WB | EPT_LARGE, 3}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, m_read, 0)) return;
        ept_set(GPA, (uptr)page | EPT_RWX | EPT_WB);
        u64 *e = ept_entry(eptp, GPA, row[i].level), old = *e;
        *e = row[i].entry;
        flush();
        vm_expect(&vm, VMX_EXIT_EPT_MISCONFIGURATION, "EPT misconfiguration: %s", row[i].name);
        vm_field(VMCS_GUEST_PHYSICAL_ADDRESS, GPA + 8, "%s: guest-physical address", row[i].name);
        *e = old;
        flush();
        vmclear(vm.vmcs);
    }
    struct vmx_vm vm;
    make(&vm, m_fetch, 0);
    ept_set(GPA, (uptr)page | EPT_X | EPT_WB);
    if (!(rdmsr(MSR_VMX_EPT_VPID_CAP) & BIT(0)))
        vm_expect(&vm, VMX_EXIT_EPT_MISCONFIGURATION, "EPT misconfiguration: execute-only where it isn't supported");
    else
        skip("execute-only is supported", "EPT misconfiguration: execute-only where it isn't supported");
    /* "... is ignored" of an entry that isn't present: bits 2:0 all 0 */
    ept_set(GPA, BIT(51) | EPT_TYPE(7));
    vm_restart(&vm, m_read);
    vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "an entry that isn't present has no reserved bits");
    vmclear(vm.vmcs);
}

/* Large pages and the ignored bits of a leaf */
static void large_pages(void) {
    struct vmx_vm vm;
    u64 *big = pages_reserve(512, 512), *old2 = ept_entry(eptp, GPA, 2), old = *old2;
    *(u64 *)((u8 *)big + 0x1008) = 0x2222;
    if (!make(&vm, m_read, 0)) return;
    *old2 = (uptr)big | EPT_RWX | EPT_WB | EPT_LARGE;
    *pt_entry(read_cr3(), GVA, 1) = (GPA + 0x1000) | PTE_P | PTE_W;
    invlpg((void *)GVA);
    flush();
    vm_expect(&vm, VMX_EXIT_VMCALL, "read through a 2 MiB EPT page");
    ok_eq(vm.gpr[GPR_RAX], 0x2222, "its value");
    *old2 = old;
    if (rdmsr(MSR_VMX_EPT_VPID_CAP) & BIT(17)) {
        u64 *e3 = ept_entry(eptp, GPA, 3), old3 = *e3;
        *e3 = EPT_RWX | EPT_WB | EPT_LARGE; /* host-physical 0 .. 1 GiB */
        *pt_entry(read_cr3(), GVA, 1) = (GPA + ((uptr)big + 0x1000)) | PTE_P | PTE_W;
        invlpg((void *)GVA);
        flush();
        vm_restart(&vm, m_read);
        vm_expect(&vm, VMX_EXIT_VMCALL, "read through a 1 GiB EPT page");
        ok_eq(vm.gpr[GPR_RAX], 0x2222, "its value");
        *e3 = old3;
    } else {
        skip("no 1 GiB pages in EPT", "1 GiB EPT page");
    }
    *pt_entry(read_cr3(), GVA, 1) = GPA | PTE_P | PTE_W;
    invlpg((void *)GVA);
    flush();
    vmclear(vm.vmcs);
}

/* "Accessed and Dirty Flags for EPT" */
static void accessed_dirty(void) {
    struct vmx_vm vm;
    if (!(rdmsr(MSR_VMX_EPT_VPID_CAP) & BIT(21))) {
        skip("no accessed and dirty flags in EPT", "accessed and dirty flags");
        return;
    }
    u64 plain = eptp, *e = ept_entry(eptp, GPA, 1);
    make(&vm, m_read, 0);
    *e = (uptr)page | EPT_RWX | EPT_WB;
    flush();
    vm_expect(&vm, VMX_EXIT_VMCALL, "a read without A and D flags");
    ok(!(*e & (EPT_A | EPT_D)), "sets none");
    vmclear(vm.vmcs);
    eptp |= BIT(6);
    make(&vm, m_read, 0);
    flush();
    vm_expect(&vm, VMX_EXIT_VMCALL, "a read with A and D flags");
    ok_eq(*e & (EPT_A | EPT_D), EPT_A, "sets A");
    ok(*ept_entry(eptp, GPA, 2) & EPT_A && *ept_entry(eptp, GPA, 3) & EPT_A && *ept_entry(eptp, GPA, 4) & EPT_A,
       "on every level");
    vm_restart(&vm, m_write);
    vm_expect(&vm, VMX_EXIT_VMCALL, "a write with A and D flags");
    ok_eq(*e & (EPT_A | EPT_D), EPT_A | EPT_D, "sets D, whatever is cached of the read");
    /* "processor accesses to guest paging-structure entries are treated as writes" */
    u64 *table = ept_entry(eptp, (uptr)pt_entry(read_cr3(), GVA, 1), 1);
    *table &= ~(EPT_A | EPT_D);
    flush();
    vm_restart(&vm, m_read);
    vm_expect(&vm, VMX_EXIT_VMCALL, "a walk of guest page tables with A and D flags");
    ok_eq(*table & (EPT_A | EPT_D), EPT_A | EPT_D, "counts as a write");
    vmclear(vm.vmcs);
    eptp = plain;
}

/* "VPIDs and ... invalidation": what INVEPT and INVVPID of the right context guarantee; and no stale entry of one VPID
 * or EP4TA is used with another */
static void invalidation(void) {
    struct vmx_vm vm;
    page[1] = 0x1111;
    page_too[1] = 0x2222;
    ept_set(GPA, (uptr)page | EPT_RWX | EPT_WB);
    u16 vpid = vmx_allows(VMX_PROC2, PROC2_ENABLE_VPID) ? 5 : 0;
    if (!make(&vm, m_twice, vpid)) return;
    vm_expect(&vm, VMX_EXIT_VMCALL, "first read");
    ok_eq(vm.gpr[GPR_RAX], 0x1111, "its value");
    *ept_entry(eptp, GPA, 1) = (uptr)page_too | EPT_RWX | EPT_WB;
    flush();
    vmx_skip_instruction();
    vm_expect(&vm, VMX_EXIT_VMCALL, "read after INVEPT of another mapping");
    ok_eq(vm.gpr[GPR_RBX], 0x2222, "sees it");
    if (!vpid) {
        skip("no VPID", "VPID");
    } else {
        *pt_entry(read_cr3(), GVA_TOO, 1) = GPA | PTE_P | PTE_W;
        vm.gpr[GPR_RSI] = GVA_TOO + 8;
        vm_restart(&vm, m_twice);
        vm_expect(&vm, VMX_EXIT_VMCALL, "read of a second linear page");
        ok_eq(vm.gpr[GPR_RAX], 0x2222, "its value");
        ept_set(GPA + 0x1000, (uptr)page | EPT_RWX | EPT_WB);
        *pt_entry(read_cr3(), GVA_TOO, 1) = (GPA + 0x1000) | PTE_P | PTE_W;
        invvpid(0, (struct inv_descriptor){vpid, GVA_TOO});
        vmx_skip_instruction();
        vm_expect(&vm, VMX_EXIT_VMCALL, "read after INVVPID of another guest mapping");
        ok_eq(vm.gpr[GPR_RBX], 0x1111, "sees it");
        /* another VPID has nothing of this one's */
        *pt_entry(read_cr3(), GVA_TOO, 1) = GPA | PTE_P | PTE_W;
        vmcs_set(VMCS_VPID, vpid + 1);
        vm_restart(&vm, m_read);
        vm_expect(&vm, VMX_EXIT_VMCALL, "read with a fresh VPID");
        ok_eq(vm.gpr[GPR_RAX], 0x2222, "sees its own mapping");
    }
    vmclear(vm.vmcs);
    make(&vm, m_twice, 0);
    vm_expect(&vm, VMX_EXIT_VMCALL, "first read without VPID");
    *pt_entry(read_cr3(), GVA, 1) = (GPA + 0x1000) | PTE_P | PTE_W;
    u64 before = vm.gpr[GPR_RAX];
    vmx_skip_instruction();
    vm_expect(&vm, VMX_EXIT_VMCALL, "without VPID each transition invalidates");
    ok(before == 0x2222 && vm.gpr[GPR_RBX] == 0x1111, "so that the second read sees the change");
    *pt_entry(read_cr3(), GVA, 1) = GPA | PTE_P | PTE_W;
    vmclear(vm.vmcs);
}

/* An EPT violation while an event is delivered: IDT-vectoring information, guest-linear address of the stack */
CODE(m_ud, "ud2; vmcall");
static void during_delivery(void) {
    struct vmx_vm vm;
    ept_set(GPA, (uptr)page | EPT_R | EPT_WB);
    if (!make(&vm, m_ud, 0)) return;
    vmcs_set(VMCS_GUEST_RSP, GVA + 0x800);
    vm_expect(&vm, VMX_EXIT_EPT_VIOLATION, "EPT violation by a push during the delivery of #UD");
    vm_field(VMCS_IDT_VECTORING_INFO, 0x80000300 | VEC_UD, "its IDT-vectoring information");
    u64 at = vmcs_get(VMCS_GUEST_LINEAR_ADDRESS);
    ok(at >= GVA + 0x800 - 40 && at < GVA + 0x800, "its guest-linear address is on the stack");
    vm_field(VMCS_GUEST_RSP, GVA + 0x800, "RSP is as before");
    vm_field(VMCS_GUEST_RIP, (uptr)m_ud, "RIP is the faulting instruction's");
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    if (!ept_supported()) {
        skip("no EPT", "EPT");
        return;
    }
    eptp = ept_new_identity();
    page = page_alloc();
    page_too = page_alloc();
    map_4k(read_cr3(), GVA, GPA, PTE_W);
    map_4k(read_cr3(), GVA_TOO, GPA + 0x1000, PTE_W);
    violations();
    levels();
    misconfigurations();
    large_pages();
    accessed_dirty();
    invalidation();
    during_delivery();
}
