/* 4-level paging beyond access rights: reserved bits on each level, large pages, accessed and dirty flags, canonical
 * addresses, CR3 and CR4, TLB invalidation, PCIDs, protection keys.
 * SDM 3, "4-Level Paging and 5-Level Paging", "Caching Translation Information", "Protection Keys" */
#include "testsuites/guest/lib/guest.h"

#define VA      0x5000000000ULL
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_RSVD BIT(3)
#define PF_PK   BIT(5)

static u64 root, *page, *page_too;
static struct fault f;

static void load(void *arg) { (void)*(volatile u64 *)arg; }
static void store(void *arg) { *(volatile u64 *)arg = 0x77; }
static void set_cr3(void *arg) { write_cr3(*(uptr *)arg); }
static void set_cr4(void *arg) { write_cr4(*(uptr *)arg); }
static void set_cr0(void *arg) { write_cr0(*(uptr *)arg); }
static int read_fault(u64 va) { return try_fault(load, (void *)va, &f); }

/* "If a paging-structure entry ... sets a reserved bit": P = 1, RSVD = 1 */
static void reserved_bits(void) {
    u32 width = cpuid(0x80000008, 0).eax & 0xFF;
    bool gib = cpuid(0x80000001, 0).edx & BIT(26);
    const struct {
        const char *name;
        int level;
        u64 set;
        bool possible;
    } row[] = {
        {"PTE beyond the physical-address width",   1, BIT(width),       width < 52},
        {"PTE bit 51",                              1, BIT(51),          width < 52},
        {"PDE beyond the physical-address width",   2, BIT(width),       width < 52},
        {"PDPTE beyond the physical-address width", 3, BIT(width),       width < 52},
        {"PML4E beyond the physical-address width", 4, BIT(51),          width < 52},
        {"PML4E with PS",                           4, PTE_PS,           true      },
        {"PDE of a 2 MiB page with bit 13",         2, PTE_PS | BIT(13), true      },
        {"PDE of a 2 MiB page with bit 20",         2, PTE_PS | BIT(20), true      },
        {"PDPTE of a 1 GiB page with bit 13",       3, PTE_PS | BIT(13), gib       },
        {"PDPTE of a 1 GiB page with bit 29",       3, PTE_PS | BIT(29), gib       },
        {"PDPTE with PS without 1 GiB pages",       3, PTE_PS,           !gib      }
    };
    /* a PML4E of its own: index 5 */
    u64 va = 5ULL << 39;
    map_4k(root, va, (uptr)page, PTE_W);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        if (!row[i].possible) {
            skip("not on this processor", "%s", row[i].name);
            continue;
        }
        u64 *e = NULL, old, table = root;
        for (int l = 4; l >= row[i].level; l--) {
            e = (u64 *)(uptr)(table & PTE_ADDRESS) + (va >> (3 + 9 * l) & 511);
            table = *e;
        }
        old = *e;
        *e = (row[i].set & PTE_PS ? (old & ~0x3FFFF000ULL) : old) | row[i].set;
        write_cr3(root);
        ok(read_fault(va) == VEC_PF && f.error == (PF_P | PF_RSVD) && f.cr2 == va, "%s: #PF with P and RSVD",
           row[i].name);
        *e = old;
        write_cr3(root);
    }
    ok_eq((u64)read_fault(va), (u64)NO_FAULT, "and without the bit there is no fault");
    /* "bits ... of an entry whose P flag is 0 are ignored" */
    u64 *e = pt_entry(root, va, 1), old = *e;
    *e = ~0ULL & ~PTE_P;
    invlpg((void *)va);
    ok(read_fault(va) == VEC_PF && f.error == 0, "an entry that isn't present has no reserved bits");
    *e = old;
}

static void large_pages(void) {
    u64 *big = pages_reserve(512, 512);
    volatile u64 *e2 = pt_entry(root, VA, 2);
    u64 old = *e2;
    *(u64 *)((u8 *)big + 0x1FF000) = 0x2222;
    *e2 = (uptr)big | PTE_P | PTE_W | PTE_PS;
    write_cr3(root);
    ok_eq(*(volatile u64 *)(VA + 0x1FF000), 0x2222, "a 2 MiB page");
    ok((*e2 & PTE_A) && !(*e2 & PTE_D), "A is set in its PDE, D isn't");
    *(volatile u64 *)(VA + 0x1FF008) = 0x3333;
    ok((*e2 & PTE_D) && *(u64 *)((u8 *)big + 0x1FF008) == 0x3333, "a write sets D");
    *e2 = (uptr)big | PTE_P | PTE_W | PTE_PS | BIT(12);
    invlpg((void *)VA);
    ok_eq(*(volatile u64 *)(VA + 0x1FF000), 0x2222, "bit 12 of a 2 MiB page is PAT, not address");
    *e2 = old;
    if (cpuid(0x80000001, 0).edx & BIT(26)) {
        u64 va = VA + (1ULL << 30);
        volatile u64 *e3 = pt_entry(root, va, 3);
        *e3 = 0 | PTE_P | PTE_W | PTE_PS;
        write_cr3(root);
        ok_eq(*(volatile u64 *)(va + (uptr)big + 0x1FF000), 0x2222, "a 1 GiB page");
        ok(*e3 & PTE_A, "A is set in its PDPTE");
        *e3 = 0;
    } else {
        skip("no 1 GiB pages", "a 1 GiB page");
    }
    write_cr3(root);
    /* INVLPG of any address in a large page drops it all; "may" drop less is only allowed for 4 KiB fragments */
    *e2 = (uptr)big | PTE_P | PTE_W | PTE_PS;
    invlpg((void *)VA);
    *(u64 *)big = 0x4444;
    ok(*(volatile u64 *)VA == 0x4444 && *(volatile u64 *)(VA + 0x1FF000) == 0x2222, "a 2 MiB page again");
    *e2 = old;
    invlpg((void *)(VA + 0x1FF000));
    ok(*(volatile u64 *)(VA) == page[0] && read_fault(VA + 0x1FF000) == VEC_PF,
       "INVLPG anywhere in it drops all of it");
}

/* "Accessed and Dirty Flags" */
static void accessed_dirty(void) {
    volatile u64 *e1 = pt_entry(root, VA, 1), *e2 = pt_entry(root, VA, 2), *e3 = pt_entry(root, VA, 3),
                 *e4 = pt_entry(root, VA, 4);
    *e1 = (uptr)page | PTE_P | PTE_W;
    *e2 &= ~PTE_A;
    *e3 &= ~PTE_A;
    write_cr3(root);
    (void)*(volatile u64 *)VA;
    ok((*e1 & *e2 & *e3 & *e4 & PTE_A) != 0, "a read sets A on every level");
    ok(!(*e1 & PTE_D), "and not D");
    *(volatile u64 *)VA = page[0];
    ok(*e1 & PTE_D, "a later write sets D");
    ok(!(*e2 & PTE_D), "but not in entries that reference tables");
    *e1 = (uptr)page | PTE_P;
    invlpg((void *)VA);
    ok(try_fault(store, (void *)VA, &f) == VEC_PF && f.error == (PF_P | PF_W) && !(*e1 & PTE_D),
       "a write that faults doesn't set D");
    *e1 = (uptr)page | PTE_P | PTE_W;
    invlpg((void *)VA);
}

/* "Canonical Address": #GP(0), #SS(0) by way of the stack */
static void stack_load(void *arg) {
    __asm__ volatile("mov %0, %%rax\n xchg %%rax, %%rbp\n mov (%%rbp), %%rcx\n mov %%rax, %%rbp"
                     :
                     : "r"(arg)
                     : "rax", "rcx", "memory");
}
static void canonical(void) {
    ok(read_fault(0x800000000000ULL) == VEC_GP && f.error == 0, "a non-canonical address: #GP(0)");
    ok(read_fault(0xFFFF7FFFFFFFFFFFULL) == VEC_GP && f.error == 0, "below the upper half: #GP(0)");
    ok(try_fault(stack_load, (void *)0x800000000000ULL, &f) == VEC_SS && f.error == 0, "by SS: #SS(0)");
    ok(read_fault(0xFFFF800000000000ULL) == VEC_PF && f.cr2 == 0xFFFF800000000000ULL,
       "the first canonical address of the upper half: #PF");
    map_4k(root, 0x7FFFFFFFF000ULL, (uptr)page, PTE_W);
    ok(read_fault(0x7FFFFFFFFFFFULL) == VEC_GP, "an access that ends in the hole: #GP");
}

static void control_registers(void) {
    uptr v = root | 0xFE7;
    ok_eq((u64)try_fault(set_cr3, &v, NULL), (u64)NO_FAULT, "MOV to CR3 with ignored bits 11:5 and 2:0");
    write_cr3(root);
}

/* "Operations that Invalidate TLBs and Paging-Structure Caches": only what is guaranteed */
static void invalidation(void) {
    volatile u64 *e1 = pt_entry(root, VA, 1), *e2 = pt_entry(root, VA, 2);
    u64 old2 = *e2, *table = page_alloc();
    page[0] = 0x1111;
    page_too[0] = 0x2222;
    (void)*(volatile u64 *)VA;
    *e1 = (uptr)page_too | PTE_P | PTE_W;
    invlpg((void *)VA);
    ok_eq(*(volatile u64 *)VA, 0x2222, "INVLPG");
    *e1 = (uptr)page | PTE_P | PTE_W;
    write_cr3(root);
    ok_eq(*(volatile u64 *)VA, 0x1111, "MOV to CR3");
    table[0] = (uptr)page_too | PTE_P | PTE_W;
    *e2 = (uptr)table | PTE_P | PTE_W;
    invlpg((void *)(VA + 0x5000));
    invlpg((void *)VA);
    ok_eq(*(volatile u64 *)VA, 0x2222, "INVLPG and a new page table: paging-structure caches, too");
    *e2 = old2;
    write_cr3(root);
    write_cr4(read_cr4() | CR4_PGE);
    *e1 = (uptr)page | PTE_P | PTE_W | PTE_G;
    invlpg((void *)VA);
    (void)*(volatile u64 *)VA;
    *e1 = (uptr)page_too | PTE_P | PTE_W | PTE_G;
    invlpg((void *)VA);
    ok_eq(*(volatile u64 *)VA, 0x2222, "INVLPG of a global page");
    *e1 = (uptr)page | PTE_P | PTE_W | PTE_G;
    write_cr4(read_cr4() & ~CR4_PGE);
    ok_eq(*(volatile u64 *)VA, 0x1111, "clearing CR4.PGE drops global pages");
    /* "a page fault invalidates": an entry that gave more rights may be used without invalidation after the fault */
    *e1 = (uptr)page | PTE_P;
    invlpg((void *)VA);
    (void)*(volatile u64 *)VA;
    *e1 = (uptr)page | PTE_P | PTE_W;
    int first = try_fault(store, (void *)VA, NULL);
    ok(first == NO_FAULT || try_fault(store, (void *)VA, NULL) == NO_FAULT,
       "more rights are seen after one #PF at most");
}

struct invpcid {
    u64 pcid, address;
};
static void do_invpcid(u64 type, struct invpcid d) {
    __asm__ volatile("invpcid %1, %0" : : "r"(type), "m"(d) : "memory");
}
struct invpcid_call {
    u64 type;
    struct invpcid d;
};
static void invpcid_faults(void *arg) {
    const struct invpcid_call *c = arg;
    do_invpcid(c->type, c->d);
}

static void pcids(void) {
    if (!(cpuid(1, 0).ecx & BIT(17))) {
        skip("no PCIDs", "PCIDs");
        return;
    }
    volatile u64 *e1 = pt_entry(root, VA, 1);
    uptr v = read_cr4() | CR4_PCIDE;
    write_cr3(root | 8);
    ok(try_fault(set_cr4, &v, &f) == VEC_GP, "setting CR4.PCIDE with CR3[11:0] other than 0: #GP");
    write_cr3(root);
    write_cr4(v);
    page[0] = 0x1111;
    *e1 = (uptr)page | PTE_P | PTE_W;
    write_cr3(root | 1);
    ok_eq(*(volatile u64 *)VA, 0x1111, "a page under PCID 1");
    *e1 = (uptr)page_too | PTE_P | PTE_W;
    write_cr3(root | 2);
    ok_eq(*(volatile u64 *)VA, 0x2222, "PCID 2 doesn't use what was cached under PCID 1");
    ok_eq(read_cr3() & 0xFFF, 2, "CR3[11:0] is the PCID");
    write_cr3(root | 1);
    ok_eq(*(volatile u64 *)VA, 0x2222, "MOV to CR3 with bit 63 clear drops what was cached under the new PCID");
    v = root | 1 | BIT(63);
    ok_eq((u64)try_fault(set_cr3, &v, NULL), (u64)NO_FAULT, "MOV to CR3 with bit 63");
    ok_eq(read_cr3(), root | 1, "bit 63 isn't stored");
    v = root | 1 | BIT(62);
    ok_eq((u64)try_fault(set_cr3, &v, NULL), VEC_GP, "MOV to CR3 with bit 62: #GP");
    if (cpuid(7, 0).ebx & BIT(10)) {
        static const char *const names[] = {"individual address", "single context", "all with globals",
                                            "all but globals"};
        for (u64 type = 0; type < 4; type++) {
            (void)*(volatile u64 *)VA;
            *e1 = (uptr)(type & 1 ? page_too : page) | PTE_P | PTE_W;
            do_invpcid(type, (struct invpcid){type < 2 ? 1 : 0, type ? 0 : VA});
            ok_eq(*(volatile u64 *)VA, type & 1 ? 0x2222 : 0x1111, "INVPCID, %s", names[type]);
        }
        static const struct {
            const char *name;
            struct invpcid_call c;
        } bad[] = {
            {"INVPCID of type 4: #GP",                            {4, {0, 0}}      },
            {"INVPCID with reserved bits of the descriptor: #GP", {1, {0x1000, 0}} },
            {"INVPCID of a non-canonical address: #GP",           {0, {1, BIT(63)}}}
        };
        for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
            ok_eq((u64)try_fault(invpcid_faults, (void *)&bad[i].c, NULL), VEC_GP, "%s", bad[i].name);
    } else {
        skip("no INVPCID", "INVPCID");
    }
    v = read_cr4() & ~CR4_PCIDE;
    write_cr3(root);
    write_cr4(v);
    page[0] = 0x1111;
    *e1 = (uptr)page | PTE_P | PTE_W;
    write_cr3(root);
}

static void wrpkru(u32 v) { __asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory"); }
static u32 rdpkru(void) {
    u32 v, d;
    __asm__ volatile("rdpkru" : "=a"(v), "=d"(d) : "c"(0));
    return v;
}
static void do_rdpkru(void *arg) {
    (void)arg;
    rdpkru();
}
static void do_wrpkru_ecx1(void *arg) {
    (void)arg;
    __asm__ volatile("wrpkru" : : "a"(0), "c"(1), "d"(0) : "memory");
}

/* "Protection Keys": PKRU for user pages, IA32_PKRS for supervisor pages; bit 2k disables access, 2k+1 writes */
static void keys(void) {
    struct cpuid c7 = cpuid_if_present(7, 0);
    volatile u64 *e1 = pt_entry(root, VA, 1);
    if (c7.ecx & BIT(3)) {
        ok_eq((u64)try_fault(do_rdpkru, NULL, NULL), VEC_UD, "RDPKRU with CR4.PKE 0: #UD");
        write_cr4(read_cr4() | CR4_PKE);
        *e1 = (uptr)page | PTE_P | PTE_W | PTE_U | 5ULL << 59;
        for (int l = 2; l <= 4; l++) *pt_entry(root, VA, l) |= PTE_U;
        write_cr3(root);
        wrpkru(0);
        ok(read_fault(VA) == NO_FAULT && try_fault(store, (void *)VA, NULL) == NO_FAULT, "PKRU 0 allows all");
        wrpkru(1u << 10);
        ok_eq(rdpkru(), 1u << 10, "RDPKRU reads what WRPKRU wrote");
        ok(read_fault(VA) == VEC_PF && f.error == (PF_P | PF_PK), "AD of the key: #PF with PK for reads, at CPL 0 too");
        wrpkru(2u << 10);
        ok(read_fault(VA) == NO_FAULT, "WD of the key allows reads");
        ok(try_fault(store, (void *)VA, &f) == VEC_PF && f.error == (PF_P | PF_W | PF_PK),
           "WD of the key: #PF with PK for writes");
        write_cr0(read_cr0() & ~CR0_WP);
        ok(try_fault(store, (void *)VA, &f) == NO_FAULT, "WD doesn't matter to supervisor writes with CR0.WP 0");
        write_cr0(read_cr0() | CR0_WP);
        wrpkru(3u << 8);
        ok(read_fault(VA) == NO_FAULT, "another key doesn't matter");
        wrpkru(3u << 10);
        *e1 &= ~PTE_U;
        invlpg((void *)VA);
        ok(read_fault(VA) == NO_FAULT, "PKRU doesn't matter to supervisor pages");
        ok_eq((u64)try_fault(do_wrpkru_ecx1, NULL, NULL), VEC_GP, "WRPKRU with ECX 1: #GP");
        wrpkru(0);
        write_cr4(read_cr4() & ~CR4_PKE);
    } else {
        skip("no protection keys", "PKU");
    }
    if (c7.ecx & BIT(31)) {
        *e1 = (uptr)page | PTE_P | PTE_W | 5ULL << 59;
        write_cr4(read_cr4() | CR4_PKS);
        write_cr3(root);
        wrmsr(0x6E1, 1u << 10);
        ok(read_fault(VA) == VEC_PF && f.error == (PF_P | PF_PK),
           "IA32_PKRS, AD: #PF with PK for reads of supervisor pages");
        wrmsr(0x6E1, 2u << 10);
        ok(read_fault(VA) == NO_FAULT && try_fault(store, (void *)VA, &f) == VEC_PF && f.error == (PF_P | PF_W | PF_PK),
           "IA32_PKRS, WD: #PF with PK for writes");
        wrmsr(0x6E1, 0);
        write_cr4(read_cr4() & ~CR4_PKS);
    } else {
        skip("no supervisor protection keys", "PKS");
    }
    *e1 = (uptr)page | PTE_P | PTE_W;
    write_cr3(root);
}

/* the last tests: a CR3 or CR4 that is accepted leads nowhere */
static void forbidden(void) {
    u32 width = cpuid(0x80000008, 0).eax & 0xFF;
    uptr v = root | BIT(63);
    ok(try_fault(set_cr3, &v, &f) == VEC_GP, "MOV to CR3 with bit 63 without PCIDs: #GP");
    v = root | BIT(width);
    if (width < 52)
        ok(try_fault(set_cr3, &v, &f) == VEC_GP && f.error == 0,
           "MOV to CR3 beyond the physical-address width: #GP(0)");
    v = read_cr4() & ~CR4_PAE;
    ok(try_fault(set_cr4, &v, &f) == VEC_GP && f.error == 0, "clearing CR4.PAE in IA-32e mode: #GP(0)");
    v = read_cr4() ^ CR4_LA57;
    ok(try_fault(set_cr4, &v, &f) == VEC_GP, "changing CR4.LA57 in IA-32e mode: #GP");
    v = read_cr0() & ~CR0_PG;
    ok(try_fault(set_cr0, &v, &f) == VEC_GP, "clearing CR0.PG in 64-bit mode: #GP");
    v = read_cr0() & ~CR0_PE;
    ok(try_fault(set_cr0, &v, &f) == VEC_GP, "clearing CR0.PE with CR0.PG 1: #GP");
}

void guest_main(void) {
    root = read_cr3();
    page = page_alloc();
    page_too = page_alloc();
    map_4k(root, VA, (uptr)page, PTE_W);
    reserved_bits();
    large_pages();
    accessed_dirty();
    canonical();
    control_registers();
    invalidation();
    pcids();
    keys();
    forbidden();
}
