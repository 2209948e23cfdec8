/* Access rights of 4-level paging: every combination of the rights in a PDE and a PTE with the control bits, the kind
 * of access and the privilege level, against the rules. SDM 3, "Access Rights", "Page-Fault Exceptions"; the error
 * code's I/D bit: "set ... if the access was an instruction fetch and either CR4.SMEP = 1 or (CR4.PAE = 1 and
 * IA32_EFER.NXE = 1)" */
#include "testsuites/guest/lib/guest.h"

#define VA        0x5000000000ULL /* the page under test */
#define USER_CODE 0x6000000000ULL
#define USER_SP   0x6000003000ULL
#define RESERVED  BIT(51) /* beyond MAXPHYADDR, unless that is 52 */

#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)
#define NONE    (~0ULL)

enum access { READ, WRITE, FETCH };
struct mode {
    bool user, wp, smep, smap, ac, nxe;
};

static u64 *pde, *pte;
static u8 *page;
static bool have_reserved;
static u32 reserved_without_p;
static char complaint[256];

static void complain(const char *fmt, ...) PRINTF(1, 2);
static void complain(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (!complaint[0]) format_text(complaint, sizeof complaint, fmt, ap);
    va_end(ap);
}

/* position-independent, copied to USER_CODE: RDI is the address, RSI tells what to do */
__asm__(".pushsection .rodata\nuser_read: movb 8(%rdi), %al\n int $0xf0\n"
        ".p2align 4\nuser_write: movb $1, 8(%rdi)\n int $0xf0\nuser_read_end:\n.popsection");
extern const u8 user_read[], user_write[], user_read_end[];

struct attempt {
    enum access access;
    struct mode mode;
};

static void attempt(void *arg) {
    const struct attempt *a = arg;
    if (a->mode.user) {
        u64 ip =
            a->access == FETCH ? VA + 16 : USER_CODE + (u64)((a->access == READ ? user_read : user_write) - user_read);
        user_enter(ip, USER_SP, SEL_UCODE64 | 3, SEL_UDATA | 3, a->mode.ac ? FLAG_AC | 2 : 2, VA);
        return;
    }
    if (a->mode.ac) write_flags(read_flags() | FLAG_AC);
    if (a->access == READ) __asm__ volatile("movb 8(%0), %%al" : : "r"(VA) : "rax", "memory");
    if (a->access == WRITE) __asm__ volatile("movb $1, 8(%0)" : : "r"(VA) : "memory");
    if (a->access == FETCH) __asm__ volatile("call *%0" : : "r"(VA) : "memory");
}

/* What the manual says; NONE: no fault. */
static u64 expected(const struct attempt *a, u64 d, u64 t) {
    const struct mode *m = &a->mode;
    u64 code = (a->access == WRITE ? PF_W : 0) | (m->user ? PF_U : 0);
    if (a->access == FETCH && (m->smep || m->nxe)) code |= PF_I;
    if (!m->nxe && (d & PTE_NX)) return code | PF_P | PF_RSVD;
    if (!(t & PTE_P)) return code;
    if ((t & RESERVED) || (!m->nxe && (t & PTE_NX))) return code | PF_P | PF_RSVD;
    bool w = d & t & PTE_W, u = d & t & PTE_U, nx = (d | t) & PTE_NX;
    bool good = true;
    if (m->user) {
        good = u && (a->access != WRITE || w) && (a->access != FETCH || !nx);
    } else {
        if (a->access == FETCH) good = !nx && !(u && m->smep);
        if (a->access != FETCH && u && m->smap && !m->ac) good = false;
        if (a->access == WRITE && !w && m->wp) good = false;
    }
    return good ? NONE : code | PF_P;
}

static bool one(const struct attempt *a, u64 d, u64 t) {
    struct fault f;
    *pde = (*pde & PTE_ADDRESS) | PTE_P | d;
    *pte = (uptr)page | t;
    invlpg((void *)VA);
    int vector = try_fault(attempt, (void *)a, &f);
    u64 want = expected(a, d, t), got = vector == NO_FAULT ? NONE : f.error;
    if (got != NONE && (got & PF_RSVD) && !(got & PF_P)) { /* a test of its own */
        reserved_without_p++;
        got |= PF_P;
    }
    bool good = got == want && (vector == NO_FAULT || vector == VEC_PF);
    if (good && vector == VEC_PF) good = f.cr2 == VA + (a->access != FETCH ? 8 : a->mode.user ? 16 : 0);
    if (good && vector == NO_FAULT) /* SDM 3, "Accessed and Dirty Flags" */
        good = (*pde & PTE_A) && (*pte & PTE_A) && !!(*pte & PTE_D) == (a->access == WRITE);
    if (!good)
        complain(
            "PDE %#llx, PTE %#llx: vector %d, error code %#llx, CR2 %#llx; expected error code %#llx; PTE now %#llx",
            d | PTE_P, t, vector, got, f.cr2, want, *pte);
    return good;
}

static void matrix(const struct attempt *a) {
    static const char *const names[] = {"read", "write", "fetch"};
    u32 bad = 0;
    complaint[0] = 0;
    for (u32 i = 0; i < 256 && !bad; i++) {
        u64 d = (i & 1 ? PTE_W : 0) | (i & 2 ? PTE_U : 0) | (i & 4 ? PTE_NX : 0);
        u64 t = (i & 8 ? PTE_W : 0) | (i & 16 ? PTE_U : 0) | (i & 32 ? PTE_NX : 0) | (i & 64 ? PTE_P : 0) |
                (i & 128 ? RESERVED : 0);
        if ((i & 128) && !have_reserved) continue;
        if (!one(a, d, t)) bad++;
    }
    const struct mode *m = &a->mode;
    ok(!bad, "%s %s%s%s%s%s%s", m->user ? "user" : "supervisor", names[a->access], m->wp ? ", WP" : "",
       m->smep ? ", SMEP" : "", m->smap ? ", SMAP" : "", m->ac ? ", AC" : "", m->nxe ? ", NXE" : "");
    if (bad) diag("%s", complaint);
}

static void set_mode(const struct mode *m) {
    uptr cr4 = read_cr4() & ~(CR4_SMEP | CR4_SMAP);
    write_cr0(m->wp ? read_cr0() | CR0_WP : read_cr0() & ~CR0_WP);
    write_cr4(cr4 | (m->smep ? CR4_SMEP : 0) | (m->smap ? CR4_SMAP : 0));
    wrmsr(MSR_EFER, m->nxe ? rdmsr(MSR_EFER) | EFER_NXE : rdmsr(MSR_EFER) & ~EFER_NXE);
}

void guest_main(void) {
    struct cpuid c7 = cpuid_if_present(7, 0);
    u64 root = read_cr3();
    bool nx = cpuid(0x80000001, 0).edx & BIT(20);
    have_reserved = (cpuid(0x80000008, 0).eax & 0xFF) < 52;
    page = page_alloc();
    page[0] = 0xC3;  /* RET */
    page[16] = 0xCD; /* INT VEC_USER_RETURN */
    page[17] = VEC_USER_RETURN;
    u8 *code = page_alloc();
    memcpy(code, user_read, (size_t)(user_read_end - user_read));
    identity_set_user(root, false);
    map_4k(root, USER_CODE, (uptr)code, PTE_U);
    map_4k(root, USER_SP - PAGE_SIZE, (uptr)page_alloc(), PTE_U | PTE_W);
    map_4k(root, VA, (uptr)page, PTE_W);
    pte = pt_entry(root, VA, 1);
    pde = pt_entry(root, VA, 2);
    write_cr3(root);
    for (u32 i = 0; i < 64; i++) {
        struct attempt a = {
            .mode = {i & 1, i & 2, i & 4, i & 8, i & 16, i & 32}
        };
        if ((a.mode.smep && !(c7.ebx & BIT(7))) || (a.mode.smap && !(c7.ebx & BIT(20))) || (a.mode.nxe && !nx))
            continue;
        if (a.mode.ac && !a.mode.smap) continue; /* AC alone means nothing here */
        set_mode(&a.mode);
        for (a.access = READ; a.access <= FETCH; a.access++) matrix(&a);
    }
    ok_eq(reserved_without_p, 0, "the error code of a reserved bit has P");
    if (!(c7.ebx & BIT(7))) skip("no SMEP", "SMEP");
    if (!(c7.ebx & BIT(20))) skip("no SMAP", "SMAP");
    write_cr4(read_cr4() & ~(CR4_SMEP | CR4_SMAP));
    write_cr0(read_cr0() | CR0_WP);
}
