/* 32-bit paging with PSE and PSE-36, and PAE paging. SDM 3, "32-Bit Paging", "PAE Paging", "Access Rights" */
#include "testsuites/guest/lib/guest.h"

#define VA      0xC0000000u /* the page under test */
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)
#define NONE    (~0u)
#define MAPPED  (64u << 20) /* identity */

static u32 *page, *page_too;
static struct fault f;

static void load(void *arg) { (void)*(volatile u32 *)arg; }
static void store(void *arg) { *(volatile u32 *)arg = 0x77; }
static void set_cr0(void *arg) { write_cr0(*(uptr *)arg); }
static void set_cr3(void *arg) { write_cr3(*(uptr *)arg); }
static void set_cr4(void *arg) { write_cr4(*(uptr *)arg); }
static uptr user_load(uptr arg) { return *(volatile u32 *)arg; }
static uptr user_store(uptr arg) { return *(volatile u32 *)arg = 0x77; }

enum access { READ, WRITE, FETCH };
struct attempt {
    enum access access;
    bool user, wp;
};

static void attempt(void *arg) {
    const struct attempt *a = arg;
    if (!a->user) {
        if (a->access == READ) load((void *)VA);
        if (a->access == WRITE) store((void *)VA);
        if (a->access == FETCH) __asm__ volatile("call *%0" : : "r"(VA + 8) : "memory");
    } else if (a->access == FETCH) {
        user_enter(VA + 12, user_stack_top(), SEL_UCODE32 | 3, SEL_UDATA | 3, 2, 0);
    } else {
        user_call(a->access == READ ? user_load : user_store, VA);
    }
}

static u32 run(const struct attempt *a) {
    return try_fault(attempt, (void *)a, &f) == NO_FAULT ? NONE
           : f.vector == VEC_PF                          ? (u32)f.error
                                                         : 0x10000 | (u32)f.vector;
}

/* nx: no execution; only with PAE and EFER.NXE */
static u32 expected(const struct attempt *a, bool present, bool w, bool u, bool nx, bool nxe) {
    u32 code = (a->access == WRITE ? PF_W : 0) | (a->user ? PF_U : 0) | (a->access == FETCH && nxe ? PF_I : 0);
    if (!present) return code;
    if (a->user && !u) return code | PF_P;
    if (a->access == WRITE && !w && (a->user || a->wp)) return code | PF_P;
    if (a->access == FETCH && nx) return code | PF_P;
    return NONE;
}

static void set_wp(bool wp) { write_cr0(wp ? read_cr0() | CR0_WP : read_cr0() & ~CR0_WP); }

/* ---- 32-bit paging ---- */

static volatile u32 *directory, *table;

static void new_directory(void) {
    directory = page_alloc();
    for (u32 pa = 0; pa < MAPPED; pa += 1u << 22) {
        u32 *t = page_alloc();
        for (u32 i = 0; i < 1024; i++) t[i] = (pa + (i << 12)) | PTE_P | PTE_W | PTE_U;
        directory[pa >> 22] = (uptr)t | PTE_P | PTE_W | PTE_U;
    }
    table = page_alloc();
    directory[VA >> 22] = (uptr)table | PTE_P | PTE_W | PTE_U;
}

static void rights_32(void) {
    static const char *const names[] = {"read", "write", "fetch"};
    for (u32 m = 0; m < 12; m++) {
        struct attempt a = {m % 3, (m / 3) & 1, m / 6};
        u32 bad = 0, first = 0, got = 0, want = 0;
        set_wp(a.wp);
        for (u32 i = 0; i < 64; i++) {
            u32 d = (i & 1 ? PTE_W : 0) | (i & 2 ? PTE_U : 0) | (i & 4 ? PTE_P : 0);
            u32 t = (i & 8 ? PTE_W : 0) | (i & 16 ? PTE_U : 0) | (i & 32 ? PTE_P : 0);
            directory[VA >> 22] = (uptr)table | d;
            table[0] = (uptr)page | t;
            invlpg((void *)VA);
            u32 g = run(&a), w = expected(&a, d & t & PTE_P, d & t & PTE_W, d & t & PTE_U, false, false);
            if (g == NONE && w == NONE && !!(table[0] & PTE_D) != (a.access == WRITE)) g = 0x20000;
            if (g == w) continue;
            if (!bad++) {
                first = i;
                got = g;
                want = w;
            }
        }
        ok(!bad, "32-bit paging: %s %s%s", a.user ? "user" : "supervisor", names[a.access], a.wp ? ", WP" : "");
        if (bad) diag("%u wrong; rights %#x: error code %#x, expected %#x", bad, first, got, want);
    }
    set_wp(false);
    directory[VA >> 22] = (uptr)table | PTE_P | PTE_W | PTE_U;
    table[0] = (uptr)page | PTE_P | PTE_W | PTE_U;
    invlpg((void *)VA);
}

/* "PS is ignored if CR4.PSE = 0"; 4 MiB pages; PSE-36; bit 21 of such a PDE is reserved (M is at most 40) */
static void pse(void) {
    u32 *big = pages_reserve(1024, 1024);
    struct cpuid c = cpuid(1, 0);
    page[0] = 0x1111;
    big[0x3FF000 / 4] = 0x2222;
    directory[VA >> 22] = (uptr)table | PTE_P | PTE_W | PTE_PS;
    invlpg((void *)VA);
    ok_eq(*(volatile u32 *)VA, 0x1111, "PS of a PDE is ignored with CR4.PSE 0");
    if (!(c.edx & BIT(3))) {
        skip("no PSE", "PSE");
        return;
    }
    write_cr4(read_cr4() | CR4_PSE);
    directory[VA >> 22] = (uptr)big | PTE_P | PTE_PS;
    write_cr3((uptr)directory);
    ok_eq(*(volatile u32 *)(VA + 0x3FF000), 0x2222, "a 4 MiB page");
    ok((directory[VA >> 22] & (PTE_A | PTE_D)) == PTE_A, "A is set in its PDE");
    set_wp(true);
    ok(try_fault(store, (void *)(VA + 0x3FF000), &f) == VEC_PF && f.error == (PF_P | PF_W) && f.cr2 == VA + 0x3FF000,
       "a write to a read-only 4 MiB page: #PF");
    set_wp(false);
    store((void *)(VA + 0x3FF000));
    ok(directory[VA >> 22] & PTE_D, "a write with CR0.WP 0 sets D");
    directory[VA >> 22] = (uptr)big | PTE_P | PTE_PS | BIT(21);
    invlpg((void *)VA);
    ok(try_fault(load, (void *)VA, &f) == VEC_PF && f.error == (PF_P | PF_RSVD), "bit 21 of a 4 MiB page is reserved");
    u32 width = cpuid_if_present(0x80000008, 0).eax & 0xFF;
    if (!(c.edx & BIT(17)) || !width) {
        skip("no PSE-36", "PSE-36");
    } else {
        directory[VA >> 22] = (uptr)big | PTE_P | PTE_PS | BIT(13); /* physical bit 32 */
        invlpg((void *)VA);
        ok(try_fault(load, (void *)(VA + 0x3FF000), &f) == NO_FAULT && *(volatile u32 *)(VA + 0x3FF000) != 0x77,
           "PSE-36: bit 13 is physical-address bit 32");
    }
    directory[VA >> 22] = (uptr)table | PTE_P | PTE_W | PTE_U;
    write_cr3((uptr)directory);
    write_cr4(read_cr4() & ~CR4_PSE);
}

/* the last tests */
static void switches(void) {
    uptr v = (read_cr0() & ~CR0_CD) | CR0_NW;
    ok(try_fault(set_cr0, &v, &f) == VEC_GP, "CR0.NW 1 with CR0.CD 0: #GP");
    v = read_cr4() | BIT(31);
    ok(try_fault(set_cr4, &v, &f) == VEC_GP, "MOV to CR4 of a reserved bit: #GP");
    v = read_cr4() | CR4_PCIDE;
    ok(try_fault(set_cr4, &v, &f) == VEC_GP, "setting CR4.PCIDE outside IA-32e mode: #GP");
    v = read_cr0() & ~CR0_PE;
    ok(try_fault(set_cr0, &v, &f) == VEC_GP && f.error == 0, "clearing CR0.PE with CR0.PG 1: #GP(0)");
}

/* ---- PAE ---- */

static volatile u64 *pdpt, *pd, *pt;

static void new_pdpt(void) {
    u64 *first = page_alloc();
    pdpt = page_alloc();
    pd = page_alloc();
    pt = page_alloc();
    for (u32 i = 0; i < MAPPED >> 21; i++) first[i] = (u64)i << 21 | PTE_P | PTE_W | PTE_U | PTE_PS;
    pd[0] = (uptr)pt | PTE_P | PTE_W | PTE_U;
    pdpt[0] = (uptr)first | PTE_P;
    pdpt[3] = (uptr)pd | PTE_P; /* VA */
    pt[0] = (uptr)page | PTE_P | PTE_W | PTE_U;
}

static void rights_pae(bool nxe) {
    static const char *const names[] = {"read", "write", "fetch"};
    for (u32 m = 0; m < 12; m++) {
        struct attempt a = {m % 3, (m / 3) & 1, m / 6};
        u32 bad = 0, first = 0, got = 0, want = 0;
        set_wp(a.wp);
        for (u32 i = 0; i < 256; i++) {
            u64 d = (i & 1 ? PTE_W : 0) | (i & 2 ? PTE_U : 0) | (i & 4 ? PTE_P : 0) | (i & 64 ? PTE_NX : 0);
            u64 t = (i & 8 ? PTE_W : 0) | (i & 16 ? PTE_U : 0) | (i & 32 ? PTE_P : 0) | (i & 128 ? PTE_NX : 0);
            if (!nxe && ((d | t) & PTE_NX)) continue;
            pd[0] = (uptr)pt | d;
            pt[0] = (uptr)page | t;
            invlpg((void *)VA);
            u32 g = run(&a), w = expected(&a, d & t & PTE_P, d & t & PTE_W, d & t & PTE_U, (d | t) & PTE_NX, nxe);
            if (g == w) continue;
            if (!bad++) {
                first = i;
                got = g;
                want = w;
            }
        }
        ok(!bad, "PAE paging%s: %s %s%s", nxe ? ", NXE" : "", a.user ? "user" : "supervisor", names[a.access],
           a.wp ? ", WP" : "");
        if (bad) diag("%u wrong; rights %#x: error code %#x, expected %#x", bad, first, got, want);
    }
    set_wp(false);
    pd[0] = (uptr)pt | PTE_P | PTE_W | PTE_U;
    pt[0] = (uptr)page | PTE_P | PTE_W | PTE_U;
    invlpg((void *)VA);
}

/* "PDPTE Registers": checked when CR3 is loaded; reserved bits there and in the other entries */
static void pae_reserved(void) {
    uptr cr3 = (uptr)pdpt;
    u32 width = cpuid_if_present(0x80000008, 0).eax & 0xFF;
    static const struct {
        const char *name;
        u64 bits;
    } row[] = {
        {"PDPTE with bit 1: #GP when CR3 is loaded",  BIT(1) },
        {"PDPTE with bit 5: #GP when CR3 is loaded",  BIT(5) },
        {"PDPTE with bit 8: #GP when CR3 is loaded",  BIT(8) },
        {"PDPTE with bit 63: #GP when CR3 is loaded", BIT(63)}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        pdpt[2] = 0x1000 | PTE_P | row[i].bits;
        ok(try_fault(set_cr3, &cr3, &f) == VEC_GP && f.error == 0, "%s", row[i].name);
    }
    pdpt[2] = 0xFFFFFFFFFFFFF000ULL | (0xFFF & ~PTE_P);
    ok_eq((u64)try_fault(set_cr3, &cr3, NULL), (u64)NO_FAULT, "a PDPTE that isn't present has no reserved bits");
    pdpt[2] = 0;
    write_cr3(cr3);
    ok(try_fault(load, (void *)0x80000000u, &f) == VEC_PF && f.error == 0, "a PDPTE that isn't present: #PF");
    const struct {
        const char *name;
        volatile u64 *entry;
        u64 bits;
        bool possible;
    } entry[] = {
        {"PAE: PTE beyond the physical-address width", pt, BIT(width),       width && width < 52},
        {"PAE: PTE bit 52",                            pt, BIT(52),          true               },
        {"PAE: PDE bit 62",                            pd, BIT(62),          true               },
        {"PAE: PDE of a 2 MiB page with bit 13",       pd, PTE_PS | BIT(13), true               }
    };
    for (u32 i = 0; i < ARRAY_SIZE(entry); i++) {
        u64 old = *entry[i].entry;
        if (!entry[i].possible) {
            skip("not on this processor", "%s", entry[i].name);
            continue;
        }
        *entry[i].entry = (entry[i].bits & PTE_PS ? old & ~0x1FF000ULL : old) | entry[i].bits;
        invlpg((void *)VA);
        ok(try_fault(load, (void *)VA, &f) == VEC_PF && f.error == (PF_P | PF_RSVD), "%s: #PF with P and RSVD",
           entry[i].name);
        *entry[i].entry = old;
        invlpg((void *)VA);
    }
}

static void pae_pages(void) {
    u32 *big = pages_reserve(512, 512);
    big[0x1FF000 / 4] = 0x3333;
    pd[0] = (uptr)big | PTE_P | PTE_W | PTE_PS;
    invlpg((void *)VA);
    ok_eq(*(volatile u32 *)(VA + 0x1FF000), 0x3333, "PAE: a 2 MiB page");
    ok((pd[0] & (PTE_A | PTE_D)) == PTE_A, "A is set in its PDE");
    store((void *)(VA + 0x1FF000));
    ok(pd[0] & PTE_D, "a write sets D");
    pd[0] = (uptr)pt | PTE_P | PTE_W | PTE_U;
    invlpg((void *)VA);
    page_too[0] = 0x4444;
    pt[0] = (uptr)page_too | PTE_P | PTE_W;
    invlpg((void *)VA);
    ok_eq(*(volatile u32 *)VA, 0x4444, "PAE: INVLPG");
    pt[0] = (uptr)page | PTE_P | PTE_W;
    page[0] = 0x1111;
    write_cr3((uptr)pdpt);
    ok_eq(*(volatile u32 *)VA, 0x1111, "PAE: MOV to CR3");
}

void guest_main(void) {
    page = page_alloc();
    page_too = page_alloc();
    ((u8 *)page)[8] = 0xC3;  /* RET */
    ((u8 *)page)[12] = 0xCD; /* INT VEC_USER_RETURN */
    ((u8 *)page)[13] = VEC_USER_RETURN;
    new_directory();
    write_cr3((uptr)directory);
    write_cr0(read_cr0() | CR0_PG);
    rights_32();
    pse();
    write_cr0(read_cr0() & ~CR0_PG);
    new_pdpt();
    write_cr3((uptr)pdpt);
    write_cr4(read_cr4() | CR4_PAE);
    write_cr0(read_cr0() | CR0_PG);
    rights_pae(false);
    if (cpuid_if_present(0x80000001, 0).edx & BIT(20)) {
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
        rights_pae(true);
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_NXE);
    } else {
        skip("no NX", "PAE paging, NXE");
    }
    pae_reserved();
    pae_pages();
    switches();
}
