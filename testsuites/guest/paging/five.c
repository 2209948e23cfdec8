/* 5-level paging: switching to it, its fifth level, 57-bit canonical addresses. SDM 3, "4-Level Paging and 5-Level
 * Paging", "Enabling 4-level and 5-level paging" */
#include "testsuites/guest/lib/guest.h"

#define VA      (1ULL << 52) /* needs more than 48 bits */
#define PF_P    BIT(0)
#define PF_RSVD BIT(3)

/* void five_switch(u64 cr3, u64 cr4): out of IA-32e mode by compatibility mode, and back with other tables */
__asm__(".pushsection .text\nfive_switch: push %rbx\n push %rbp\n mov %rdi, %rbx\n mov %rsi, %rcx\n pushq $0x18\n "
        "pushq $1f\n lretq\n"
        ".code32\n1: mov %cr0, %eax\n and $0x7fffffff, %eax\n mov %eax, %cr0\n mov %ecx, %cr4\n mov %ebx, %cr3\n or "
        "$0x80000000, %eax\n"
        "mov %eax, %cr0\n ljmp $8, $2f\n.code64\n2: pop %rbp\n pop %rbx\n ret\n.popsection");
void five_switch(u64 cr3, u64 cr4);

static struct fault f;
static void load(void *arg) { (void)*(volatile u64 *)arg; }
static void jump(void *arg) { __asm__ volatile("jmp *%0" : : "r"(arg)); }
static int read_fault(u64 va) { return try_fault(load, (void *)va, &f); }
static void set_base(void *arg) { wrmsr(MSR_KERNEL_GS_BASE, *(u64 *)arg); }

void guest_main(void) {
    if (!(cpuid_if_present(7, 0).ecx & BIT(16))) {
        skip("no LA57", "5-level paging");
        return;
    }
    u64 four = read_cr3(), cr4 = read_cr4();
    volatile u64 *pml5 = page_alloc();
    u64 *page = page_alloc(), *pml4 = page_alloc();
    page[0] = 0x1111;
    ok(read_fault(VA) == VEC_GP, "with 4 levels an address of 53 bits: #GP");
    pml5[0] = four | PTE_P | PTE_W | PTE_U;
    pml5[VA >> 48] = (uptr)pml4 | PTE_P | PTE_W | PTE_U;
    map_4k((uptr)pml4, 0, (uptr)page, PTE_W); /* bits 47:0 of VA are 0 */
    five_switch((uptr)pml5, cr4 | CR4_LA57);
    ok(read_cr4() & CR4_LA57, "CR4.LA57 is set");
    ok(rdmsr(MSR_EFER) & EFER_LMA, "IA-32e mode is active");
    ok(read_fault(VA) == NO_FAULT && *(volatile u64 *)VA == 0x1111, "a page at bit 52");
    ok(pml5[VA >> 48] & PTE_A, "A is set in its PML5E");
    ok(read_fault(1ULL << 47) == VEC_PF && f.cr2 == 1ULL << 47, "bit 47 alone is canonical: #PF");
    ok(read_fault(1ULL << 55) == VEC_PF, "bit 55 alone is canonical: #PF");
    ok(read_fault(1ULL << 56) == VEC_GP && f.error == 0, "bit 56 alone isn't: #GP(0)");
    ok(read_fault(1ULL << 63) == VEC_GP, "bit 63 alone isn't: #GP(0)");
    ok(read_fault(0xFF00000000000000) == VEC_PF, "the first address of the upper half: #PF");
    ok(try_fault(jump, (void *)(1ULL << 57), &f) == VEC_GP && f.ip < 1ULL << 32,
       "JMP to a non-canonical address: #GP at the JMP");
    pml5[VA >> 48] |= PTE_PS;
    write_cr3((uptr)pml5);
    ok(read_fault(VA) == VEC_PF && f.error == (PF_P | PF_RSVD), "PS of a PML5E is reserved");
    pml5[VA >> 48] &= ~(PTE_PS | PTE_P);
    write_cr3((uptr)pml5);
    ok(read_fault(VA) == VEC_PF && f.error == 0, "a PML5E that isn't present");
    u64 base = 1ULL << 50;
    ok(try_fault(set_base, &base, &f) == NO_FAULT && rdmsr(MSR_KERNEL_GS_BASE) == base, "KERNEL_GS_BASE of 51 bits");
    base = 1ULL << 56;
    ok(try_fault(set_base, &base, &f) == VEC_GP, "KERNEL_GS_BASE that isn't canonical: #GP");
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    five_switch(four, cr4);
    ok(!(read_cr4() & CR4_LA57) && read_fault(VA) == VEC_GP, "back to 4 levels");
}
