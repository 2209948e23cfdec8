#include "testsuites/guest/cet/common.h"

extern const u8 cet_entries[256][32], cet_to_user[];
extern u64 cet_library[256];
void cet_enter(const u8 *code, u64 s_cet, u64 arg);

struct fault f;
static u8 *frames[PAGES];
static u64 table[8] ALIGNED(64); /* the interrupt SSP table */

bool has_shstk(void) { return cpuid_if_present(7, 0).ecx >> 7 & 1; }
bool has_ibt(void) { return cpuid_if_present(7, 0).edx >> 20 & 1; }

volatile u64 *shadow_alias(u64 at) {
    u64 n = at - SHADOW;
    return (volatile u64 *)(frames[n >> 12] + (n & 0xFF8));
}

u64 *shadow_entry(enum shadow_page page) { return pt_entry(read_cr3(), shadow_at(page, 0), 1); }

void cet_vector(u8 vector, const u8 *code, u8 dpl, u8 ist) {
    idt_set(vector, SEL_CODE64, code ? code : cet_entries[vector], GATE_INT, dpl, ist);
}

static void set_up_vectors(void) {
    static const u8 ist[32] = {[VEC_DF] = 1, [VEC_NMI] = 2, [VEC_MC] = 3};
    for (unsigned v = 0; v < 256; v++) {
        bool user = v == VEC_BP || v == VEC_OF || v == VEC_USER_RETURN;
        cet_library[v] = (uptr)isr_entry((u8)v);
        cet_vector((u8)v, NULL, user ? 3 : 0, v < 32 ? ist[v] : 0);
    }
}

static void map_pages(void) {
    for (unsigned n = 0; n < PAGES; n++) {
        if (!frames[n]) frames[n] = page_alloc();
        *shadow_entry((enum shadow_page)n) = (uptr)frames[n] | PTE_P | PTE_A | PTE_D | (n >= USER ? PTE_U : 0);
        invlpg((void *)shadow_at((enum shadow_page)n, 0));
    }
    *pt_entry(read_cr3(), SHADOW_LOW, 1) = (uptr)frames[SUPER] | PTE_P | PTE_A | PTE_D;
    invlpg((void *)SHADOW_LOW);
}

void cet_fresh(void) {
    map_pages();
    for (unsigned n = 0; n < PAGES; n++) memset(frames[n], 0, 4096);
    *shadow_alias(TOP) = TOP;
    *shadow_alias(TOP2) = TOP2;
    for (unsigned n = 1; n < 8; n++) table[n] = TOP2;
    wrmsr(MSR_S_CET, 0);
    wrmsr(MSR_U_CET, 0);
    if (!has_shstk()) return;
    wrmsr(MSR_PL0_SSP, TOP);
    wrmsr(MSR_PL3_SSP, USER_TOP);
    wrmsr(MSR_SSP_TABLE, (uptr)table);
}

bool cet_setup(void) {
    if (!has_shstk() && !has_ibt()) return false;
    set_up_vectors();
    handler_set(VEC_USER_RETURN, NULL);
    write_cr4(read_cr4() | CR4_CET);
    cet_fresh();
    return true;
}

/* ---- running ---- */

struct run {
    const u8 *code;
    u64 s_cet, arg;
};
static void enter(void *arg) {
    const struct run *r = arg;
    cet_enter(r->code, r->s_cet, r->arg);
}

int cet_run(const u8 *code, u64 s_cet, u64 arg) {
    struct run r = {code, s_cet, arg};
    return try_fault(enter, &r, &f);
}

static struct { u64 rip, cs, flags, rsp, ss, arg; } user_frame;

int cet_run_user(const u8 *code, u64 u_cet, u64 s_cet, u64 ssp, u64 arg) {
    user_frame.rip = (uptr)code;
    user_frame.cs = SEL_UCODE64 | 3;
    user_frame.flags = 2;
    user_frame.rsp = user_stack_top();
    user_frame.ss = SEL_UDATA | 3;
    user_frame.arg = arg;
    if (has_shstk()) wrmsr(MSR_PL3_SSP, ssp);
    wrmsr(MSR_U_CET, u_cet);
    return cet_run(cet_to_user, s_cet, (uptr)&user_frame);
}
