/* Nested paging, ASIDs, TLB_CONTROL, VMCB clean bits. APM 2, "Nested Paging", "Nested versus Guest Page Faults, Fault
 * Ordering", "TLB Control", "VMCB Clean Bits" */
#include "testsuites/guest/svm/common.h"

#define GPA 0x4000000000ULL /* guest-physical: nothing there unless a test maps it */
#define GVA 0x7FC0000000ULL /* guest-linear, mapped to GPA */

/* EXITINFO1 of a nested page fault */
#define NPF_P     BIT(0)
#define NPF_W     BIT(1)
#define NPF_U     BIT(2)
#define NPF_RSV   BIT(3)
#define NPF_ID    BIT(4)
#define NPF_FINAL BIT(32)
#define NPF_TABLE BIT(33)

static struct svm_vm vm;
static u64 nested, *page, *page_too;
static u32 asid = 1;

CODE(m_read, "mov (%rsi), %rbx; vmmcall");
CODE(m_write, "mov %rax, (%rsi); vmmcall");
CODE(m_fetch, "jmp *%rsi");

static void make(const u8 *code) {
    struct svm_config c = {.nested_cr3 = nested, .asid = asid};
    vm_make(&vm, code, c);
    vm.vmcb->tlb_control = 1;
    vm.gpr[6] = GVA + 8;
}

static u64 *guest_pte(void) { return pt_entry(read_cr3(), GVA, 1); }
static u64 *nested_pte(u64 gpa) { return pt_entry(nested, gpa, 1); }

/* "the guest's accesses are user accesses as far as the nested tables are concerned" */
static void faults(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u64 flags, info;
    } row[] = {
        {"read, not present",     m_read,  0,                               NPF_U | NPF_FINAL                  },
        {"write, not present",    m_write, 0,                               NPF_W | NPF_U | NPF_FINAL          },
        {"fetch, not present",    m_fetch, 0,                               NPF_ID | NPF_U | NPF_FINAL         },
        {"write, read-only",      m_write, PTE_P | PTE_U,                   NPF_P | NPF_W | NPF_U | NPF_FINAL  },
        {"read, supervisor page", m_read,  PTE_P | PTE_W,                   NPF_P | NPF_U | NPF_FINAL          },
        {"fetch, no-execute",     m_fetch, PTE_P | PTE_W | PTE_U | PTE_NX,  NPF_P | NPF_ID | NPF_U | NPF_FINAL },
        {"read, reserved bit",    m_read,  PTE_P | PTE_W | PTE_U | BIT(51), NPF_P | NPF_RSV | NPF_U | NPF_FINAL}
    };
    bool nx = rdmsr(MSR_EFER) & EFER_NXE;
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        make(row[i].code);
        *nested_pte(GPA) = (row[i].flags ? (uptr)page : 0) | row[i].flags;
        vm_expect(&vm, SVM_EXIT_NPF, "nested page fault: %s", row[i].name);
        u64 want = row[i].info & ~(nx ? 0 : NPF_ID);
        ok_eq(vm.vmcb->exit_info1, want, "%s: EXITINFO1", row[i].name);
        ok_eq(vm.vmcb->exit_info2, GPA + 8, "%s: EXITINFO2 is the guest-physical address", row[i].name);
        ok_eq(vm.vmcb->exit_int_info & BIT(31), 0, "%s: EXITINTINFO isn't valid", row[i].name);
    }
    *nested_pte(GPA) = (uptr)page | PTE_P | PTE_W | PTE_U;
    make(m_read);
    page[1] = 0x1111;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "read of a mapped page");
    ok_eq(vm.gpr[3], 0x1111, "its value");
    ok(*nested_pte(GPA) & PTE_A && !(*nested_pte(GPA) & PTE_D), "sets A in the nested entry");
    make(m_write);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "write to a mapped page");
    ok(*nested_pte(GPA) & PTE_D, "sets D in the nested entry");
}

/* A guest page table that the nested tables don't give or don't let be written: EXITINFO1[33]; "a table walk for the
 * guest page table is treated as a write" */
static void table_faults(void) {
    u64 table = (uptr)guest_pte() & ~0xFFFULL, *e = nested_pte(table), old;
    make(m_read);
    old = *e;
    *e = 0;
    vm_expect(&vm, SVM_EXIT_NPF, "a guest page table that isn't there");
    ok_eq(vm.vmcb->exit_info1 & ~NPF_W, NPF_U | NPF_TABLE, "its EXITINFO1");
    ok_eq(vm.vmcb->exit_info2 & ~0xFFFULL, table, "its EXITINFO2 is in the table");
    *e = old & ~PTE_W;
    make(m_read);
    vm_expect(&vm, SVM_EXIT_NPF, "a guest page table that is read-only");
    ok_eq(vm.vmcb->exit_info1, NPF_P | NPF_W | NPF_U | NPF_TABLE, "its EXITINFO1");
    *e = old;
    /* the guest's own #PF comes before */
    *guest_pte() &= ~PTE_P;
    *nested_pte(GPA) = 0;
    make(m_read);
    vm.vmcb->intercept[2] = BIT(VEC_PF);
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_PF), "the guest's #PF comes before a nested page fault");
    *guest_pte() |= PTE_P;
    *nested_pte(GPA) = (uptr)page | PTE_P | PTE_W | PTE_U;
}

/* a push to a missing page while an event is delivered */
CODE(m_ud, "ud2; vmmcall");
static void during_delivery(void) {
    *nested_pte(GPA) = (uptr)page | PTE_P | PTE_U;
    make(m_ud);
    vm.vmcb->rsp = GVA + 0x800;
    vm_expect(&vm, SVM_EXIT_NPF, "nested page fault by a push during the delivery of #UD");
    ok_eq(vm.vmcb->exit_int_info & 0xFFFFFFFF, EVENT(VEC_UD, EVENT_EXCEPTION), "its EXITINTINFO");
    ok_eq(vm.vmcb->rsp, GVA + 0x800, "RSP is as before");
    ok_eq(vm.vmcb->rip, (uptr)m_ud, "RIP is the faulting instruction's");
    *nested_pte(GPA) = (uptr)page | PTE_P | PTE_W | PTE_U;
    /* the same for a software interrupt that VMRUN injects: what is saved is the instruction, not nRIP */
    for (u32 next = 2; next <= 0x200; next *= 0x100) {
        *nested_pte(GPA) = (uptr)page | PTE_P | PTE_U;
        make(m_ud);
        vm.vmcb->rsp = GVA + 0x800;
        vm.vmcb->event_inject = EVENT(0x50, EVENT_SOFTWARE);
        vm.vmcb->next_rip = (uptr)m_ud + next;
        vm_expect(&vm, SVM_EXIT_NPF, "nested page fault during the delivery of an injected INT n");
        ok_eq(vm.vmcb->exit_int_info & 0xFFFFFFFF, EVENT(0x50, EVENT_SOFTWARE), "its EXITINTINFO");
        ok_eq(vm.vmcb->rip, (uptr)m_ud, "RIP is where it was injected, not nRIP");
        *nested_pte(GPA) = (uptr)page | PTE_P | PTE_W | PTE_U;
    }
}

static void large_pages(void) {
    u64 *big = pages_reserve(512, 512), *e2 = pt_entry(nested, GPA, 2), old = *e2, pte = *guest_pte();
    *(u64 *)((u8 *)big + 0x1008) = 0x2222;
    *e2 = (uptr)big | PTE_P | PTE_W | PTE_U | PTE_PS;
    *guest_pte() = (GPA + 0x1000) | PTE_P | PTE_W;
    make(m_read);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "read through a nested 2 MiB page");
    ok_eq(vm.gpr[3], 0x2222, "its value");
    *e2 = old;
    *guest_pte() = pte;
}

/* "TLB Control": 1 flushes everything; another ASID has nothing of this one's; INVLPGA */
static void tlb(void) {
    page[1] = 0x1111;
    page_too[1] = 0x2222;
    make(m_read);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "first read");
    ok_eq(vm.gpr[3], 0x1111, "its value");
    *nested_pte(GPA) = (uptr)page_too | PTE_P | PTE_W | PTE_U;
    vm_restart(&vm, m_read);
    vm.vmcb->tlb_control = 1;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "read after TLB_CONTROL 1");
    ok_eq(vm.gpr[3], 0x2222, "sees the new mapping");
    *nested_pte(GPA) = (uptr)page | PTE_P | PTE_W | PTE_U;
    vm_restart(&vm, m_read);
    vm.vmcb->tlb_control = 0;
    vm.vmcb->asid = 7;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "read with another ASID");
    ok_eq(vm.gpr[3], 0x1111, "sees the new mapping");
    if (svm_feature(6)) {
        *nested_pte(GPA) = (uptr)page_too | PTE_P | PTE_W | PTE_U;
        vm_restart(&vm, m_read);
        vm.vmcb->tlb_control = 3;
        vm_expect(&vm, SVM_EXIT_VMMCALL, "read after TLB_CONTROL 3 (flush by ASID)");
        ok_eq(vm.gpr[3], 0x2222, "sees the new mapping");
        *nested_pte(GPA) = (uptr)page | PTE_P | PTE_W | PTE_U;
    } else {
        skip("no flush by ASID", "TLB_CONTROL 3");
    }
    struct svm_config c = {.asid = 9};
    u64 old = *guest_pte();
    vm_make(&vm, m_read, c); /* without nested paging: INVLPGA takes a linear address of an ASID */
    *guest_pte() = (uptr)page | PTE_P | PTE_W;
    vm.vmcb->tlb_control = 1;
    vm.gpr[6] = GVA + 8;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "read without nested paging");
    ok_eq(vm.gpr[3], 0x1111, "its value");
    *guest_pte() = (uptr)page_too | PTE_P | PTE_W;
    __asm__ volatile("invlpga %%rax, %%ecx" : : "a"(GVA), "c"(9) : "memory");
    vm_restart(&vm, m_read);
    vm.vmcb->tlb_control = 0;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "read after INVLPGA");
    ok_eq(vm.gpr[3], 0x2222, "sees the new mapping");
    *guest_pte() = old;
    invlpg((void *)GVA);
}

/* "VMCB Clean Bits": what isn't marked clean is read again; 0 is always right */
static void clean(void) {
    make(m_read);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a first run");
    vm_restart(&vm, m_read);
    vm.vmcb->clean = ~(u32)BIT(0) & 0xFFF; /* intercepts, TSC offset, pause filter */
    vm.vmcb->intercept[3] |= SVM_INTERCEPT3_RDTSC;
    CODE_LABEL(m_rdtsc);
    vm.vmcb->rip = (uptr)m_rdtsc;
    vm_expect(&vm, SVM_EXIT_RDTSC, "changed intercepts with clean bit 0 clear");
    vm_restart(&vm, m_read);
    vm.vmcb->clean = ~(u32)BIT(9) & 0xFFF; /* CR2 */
    vm.vmcb->cr2 = 0x4242;
    CODE_LABEL(m_cr2);
    vm.vmcb->rip = (uptr)m_cr2;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "changed CR2 with clean bit 9 clear");
    ok_eq(vm.gpr[3], 0x4242, "it is loaded");
}
CODE(m_rdtsc, "rdtsc; vmmcall");
CODE(m_cr2, "mov %cr2, %rbx; vmmcall");

/* Nested paging with a guest that has paging off: guest-physical is what it uses */
CODE(m_flat32, ".code32\n mov 8(%esi), %ebx\n vmmcall\n .code64");
static void paging_off(void) {
    make(m_flat32);
    struct vmcb *b = vm.vmcb;
    b->cr0 &= ~CR0_PG;
    b->efer &= ~(EFER_LMA | EFER_LME);
    b->cr4 = 0;
    b->cr3 = 0;
    b->cs = (struct vmcb_segment){SEL_CODE32, 0xC9B, ~0u, 0};
    *nested_pte(0xE0000000) = (uptr)page_too | PTE_P | PTE_W | PTE_U;
    vm.gpr[6] = 0xE0000000;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a guest without paging");
    ok_eq(vm.gpr[3] & 0xFFFFFFFF, 0x2222, "reads through the nested tables");
}

/* PAT and N_CR3: "Canonicalization and Consistency Checks" of nested paging */
static void checks(void) {
    make(m_read);
    vm.vmcb->nested_cr3 |= BIT(63);
    vm_expect(&vm, SVM_EXIT_INVALID, "VMEXIT_INVALID: N_CR3 must-be-zero bits");
    make(m_read);
    vm.vmcb->g_pat = 2;
    vm_expect(&vm, SVM_EXIT_INVALID, "VMEXIT_INVALID: G_PAT with type 2");
}

void guest_main(void) {
    if (!svm_begin()) return;
    if (!svm_nested_paging_supported()) {
        skip("no nested paging", "nested paging");
        return;
    }
    nested = pt_new_identity();
    page = page_alloc();
    page_too = page_alloc();
    map_4k(read_cr3(), GVA, GPA, PTE_W);
    faults();
    table_faults();
    during_delivery();
    large_pages();
    tlb();
    clean();
    paging_off();
    checks();
}
