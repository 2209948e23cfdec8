/* Debug exceptions of vector instructions: single step, data breakpoints inside large and masked operands, gathers and
 * scatters. SDM 3, "Debug Exceptions"; SDM 2, "VPGATHERDD" and "VPSCATTERDD": "If any traps or interrupts are pending
 * from already gathered elements, they will be delivered in lieu of the exception". */
#include "testsuites/guest/vector/vector.h"

#define DR6_INIT       0xFFFF0FF0u
#define DR6_BS         BIT(14)
#define G(n)           BIT(2 * (n) + 1)
#define RW(n, rw, len) ((u64)((rw) | (len) << 2) << (16 + 4 * (n)))
enum { WRITE = 1, ACCESS = 3 };
enum { LEN1 = 0, LEN8 = 2, LEN4 = 3 };

static struct vector_features has;
static struct { u64 ip, dr6, flags, mask; } traps[40];
static u32 trap_count;

static void on_db(struct regs *r) {
    if (trap_count < ARRAY_SIZE(traps)) {
        traps[trap_count].ip = r->ip;
        traps[trap_count].dr6 = read_dr6();
        traps[trap_count].flags = r->flags;
        if (has.avx512) __asm__ volatile("kmovq %%k1, %0" : "=r"(traps[trap_count].mask));
    }
    trap_count++;
    write_dr6(DR6_INIT);
}

static u8 area[256] ALIGNED(64), data[64] ALIGNED(64) __attribute__((used));

static void run(const u8 *code, void *rdi) {
    trap_count = 0;
    write_dr6(DR6_INIT);
    __asm__ volatile("call *%0" : "+a"(code), "+D"(rdi) : : "rcx", "rdx", "rsi", "memory", "cc");
}

/* ---- single step: one trap behind each instruction ---- */

#define STEP_ON  "pushfq; orl $0x100, (%rsp); popfq\n"
#define STEP_OFF "pushfq; andl $~0x100, (%rsp); popfq\n"
#define STEPPED(name, insn)                                                                                            \
    CODE(name, STEP_ON insn "\n" #name "_behind: nop\n" STEP_OFF "ret");                                               \
    CODE_LABEL(name##_behind)
STEPPED(t_fld, "fldpi");
STEPPED(t_fsave, "fnsave (%rdi)");
STEPPED(t_fxsave, "fxsave (%rdi)");
STEPPED(t_emms, "emms");
STEPPED(t_paddb, "paddb (%rdi), %mm0");
STEPPED(t_addps, "addps (%rdi), %xmm0");
STEPPED(t_movups, "movups %xmm0, (%rdi)");
STEPPED(t_ldmxcsr, "ldmxcsr t_mxcsr");
__asm__(".pushsection .rodata\nt_mxcsr: .long 0x1f80\n.popsection");
STEPPED(t_vaddps, "vaddps (%rdi), %ymm0, %ymm0");
STEPPED(t_vzeroall, "vzeroall");
STEPPED(t_gather, "vpgatherdd (%rdi,%zmm2,4), %zmm0{%k1}");
STEPPED(t_kmov, "kmovq %k1, %k2");
STEPPED(t_store, "vmovdqu8 %zmm0, (%rdi){%k2}");

static const struct {
    const char *name;
    const u8 *code, *behind;
    u32 kind; /* 16: SSE, 32: AVX, 64: AVX-512 */
} steps[] = {
    {"FLDPI",                t_fld,      t_fld_behind,      16},
    {"FNSAVE",               t_fsave,    t_fsave_behind,    16},
    {"FXSAVE",               t_fxsave,   t_fxsave_behind,   16},
    {"PADDB of MM",          t_paddb,    t_paddb_behind,    16},
    {"EMMS",                 t_emms,     t_emms_behind,     16},
    {"ADDPS",                t_addps,    t_addps_behind,    16},
    {"MOVUPS",               t_movups,   t_movups_behind,   16},
    {"LDMXCSR",              t_ldmxcsr,  t_ldmxcsr_behind,  16},
    {"VADDPS",               t_vaddps,   t_vaddps_behind,   32},
    {"VZEROALL",             t_vzeroall, t_vzeroall_behind, 32},
    {"VPGATHERDD",           t_gather,   t_gather_behind,   64},
    {"KMOVQ",                t_kmov,     t_kmov_behind,     64},
    {"VMOVDQU8 of no bytes", t_store,    t_store_behind,    64},
};

static bool can(u32 size) { return size <= 16 || (size == 32 ? has.avx : has.avx512); }

static void single_step(void) {
    static u8 image[512] ALIGNED(64);
    for (u32 n = 0; n < ARRAY_SIZE(steps); n++) {
        if (!can(steps[n].kind)) continue;
        if (has.avx512) __asm__ volatile("kxnorw %k1, %k1, %k1\n kxorq %k2, %k2, %k2\n vpxord %zmm2, %zmm2, %zmm2");
        run(steps[n].code, image);
        ok(trap_count >= 2 && traps[0].ip == (uptr)steps[n].behind && traps[0].dr6 == (DR6_INIT | DR6_BS),
           "single step: %s", steps[n].name);
    }
    __asm__ volatile("fninit");
}

/* ---- data breakpoints ---- */

CODE(b_load16, "movups (%rdi), %xmm0\n nop\n ret");
CODE(b_store16, "movups %xmm0, (%rdi)\nb_store16_behind: nop\n ret");
CODE_LABEL(b_store16_behind);
CODE(b_add16, "addps (%rdi), %xmm0\n nop\n ret");
CODE(b_fld, "fldt (%rdi)\n nop\n fstp %st(0)\n ret");
CODE(b_fstp, "fldz\n fstpt (%rdi)\n nop\n ret");
CODE(b_movq, "movq (%rdi), %mm0\n nop\n emms\n ret");
CODE(b_movss, "movss %xmm0, (%rdi)\n nop\n ret");
CODE(b_load32, "vmovups (%rdi), %ymm0\n nop\n ret");
CODE(b_store32, "vmovups %ymm0, (%rdi)\n nop\n ret");
CODE(b_load64, "vmovups (%rdi), %zmm0\n nop\n ret");
CODE(b_store64, "vmovups %zmm0, (%rdi)\n nop\n ret");
CODE(b_broadcast, "vaddps (%rdi){1to16}, %zmm0, %zmm0\n nop\n ret");
/* elements 2 to 5 */
CODE(b_masked, "mov $0x3c, %eax\n kmovw %eax, %k1\n vmovdqu32 %zmm0, (%rdi){%k1}\n nop\n ret");
CODE(b_masked_load, "mov $0x3c, %eax\n kmovw %eax, %k1\n vmovdqu32 (%rdi), %zmm0{%k1}\n nop\n ret");

static void data_breakpoints(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 kind, rw, len, at; /* at: where the breakpoint is; the operand is at 64 */
        bool hits;
    } rows[] = {
        {"MOVUPS, its first byte",               b_load16,      16, ACCESS, LEN1, 64,  true },
        {"MOVUPS, its last byte",                b_load16,      16, ACCESS, LEN1, 79,  true },
        {"MOVUPS, the byte behind",              b_load16,      16, ACCESS, LEN1, 80,  false},
        {"MOVUPS, its last eight bytes",         b_load16,      16, ACCESS, LEN8, 72,  true },
        {"MOVUPS, a write breakpoint on a read", b_load16,      16, WRITE,  LEN8, 72,  false},
        {"MOVUPS to memory",                     b_store16,     16, WRITE,  LEN8, 72,  true },
        {"ADDPS of memory",                      b_add16,       16, ACCESS, LEN4, 76,  true },
        {"FLD, its last byte",                   b_fld,         16, ACCESS, LEN1, 73,  true },
        {"FLD, the byte behind",                 b_fld,         16, ACCESS, LEN1, 74,  false},
        {"FSTP, its last byte",                  b_fstp,        16, WRITE,  LEN1, 73,  true },
        {"FSTP, the byte behind",                b_fstp,        16, WRITE,  LEN1, 74,  false},
        {"MOVQ of MM",                           b_movq,        16, ACCESS, LEN8, 64,  true },
        {"MOVSS to memory",                      b_movss,       16, WRITE,  LEN8, 64,  true },
        {"MOVSS, the byte behind",               b_movss,       16, WRITE,  LEN1, 68,  false},
        {"32 bytes, in their middle",            b_load32,      32, ACCESS, LEN8, 80,  true },
        {"32 bytes to memory, the last ones",    b_store32,     32, WRITE,  LEN8, 88,  true },
        {"32 bytes, behind",                     b_store32,     32, WRITE,  LEN8, 96,  false},
        {"64 bytes, in their middle",            b_load64,      64, ACCESS, LEN8, 96,  true },
        {"64 bytes, the last ones",              b_load64,      64, ACCESS, LEN8, 120, true },
        {"64 bytes to memory, in their middle",  b_store64,     64, WRITE,  LEN8, 88,  true },
        {"64 bytes to memory, the last byte",    b_store64,     64, WRITE,  LEN1, 127, true },
        {"64 bytes, before",                     b_store64,     64, WRITE,  LEN8, 56,  false},
        {"64 bytes, behind",                     b_store64,     64, WRITE,  LEN8, 128, false},
        {"a broadcast element",                  b_broadcast,   64, ACCESS, LEN1, 67,  true },
        {"behind a broadcast element",           b_broadcast,   64, ACCESS, LEN1, 68,  false},
        {"an element stored under a mask",       b_masked,      64, WRITE,  LEN4, 72,  true },
        {"the last one",                         b_masked,      64, WRITE,  LEN4, 84,  true },
        {"an element loaded under a mask",       b_masked_load, 64, ACCESS, LEN4, 80,  true },
    };
    for (u32 n = 0; n < ARRAY_SIZE(rows); n++) {
        if (!can(rows[n].kind)) continue;
        write_dr2((uptr)area + rows[n].at);
        write_dr7(0x400 | G(2) | RW(2, rows[n].rw, rows[n].len));
        run(rows[n].code, area + 64);
        write_dr7(0x400);
        ok(trap_count == rows[n].hits && (!rows[n].hits || (traps[0].dr6 & 0xF) == BIT(2)), "data breakpoint: %s",
           rows[n].name);
    }
    write_dr2((uptr)area + 72);
    write_dr7(0x400 | G(2) | RW(2, WRITE, LEN8));
    run(b_store16, area + 64);
    ok_eq(traps[0].ip, (uptr)b_store16_behind, "data breakpoint: a trap");
    write_dr7(0x400);
}

/* ---- gathers and scatters ---- */

CODE(g_gather, "mov $0xff, %eax\n kmovw %eax, %k1\n vmovups data, %zmm2\n"
               "g_gather_at: vpgatherdd (%rdi,%zmm2,4), %zmm0{%k1}\ng_gather_behind: nop\n kmovw %k1, %eax\n ret");
CODE_LABEL(g_gather_at);
CODE_LABEL(g_gather_behind);
CODE(g_scatter, "mov $0xff, %eax\n kmovw %eax, %k1\n vmovups data, %zmm2\n"
                "g_scatter_at: vpscatterdd %zmm0, (%rdi,%zmm2,4){%k1}\ng_scatter_behind: nop\n ret");
CODE_LABEL(g_scatter_at);
CODE_LABEL(g_scatter_behind);

#define MISSING BIT(32) /* a page that is mapped when it faults */
static u64 root;
static u32 page_faults, traps_before;

static void on_pf(struct regs *r) {
    (void)r;
    if (!page_faults++) traps_before = trap_count;
    map_4k(root, MISSING, (uptr)area & ~(PAGE_SIZE - 1), PTE_W);
    invlpg((void *)MISSING);
}

/* Eight elements, the sixth of them missing; a breakpoint on the third */
static void pending_trap(const char *name, const u8 *code, const u8 *at, u32 rw) {
    u32 *index = (u32 *)(void *)data;
    for (u32 n = 0; n < 8; n++) index[n] = n;
    index[5] = (u32)((MISSING - (uptr)area) / 4);
    *pt_entry(root, MISSING, 1) = 0;
    invlpg((void *)MISSING);
    page_faults = 0;
    handler_set(VEC_PF, on_pf);
    write_dr1((uptr)area + 8);
    write_dr7(0x400 | G(1) | RW(1, rw, LEN4));
    run(code, area);
    write_dr7(0x400);
    handler_set(VEC_PF, NULL);
    ok(trap_count == 1 && (traps[0].dr6 & 0xF) == BIT(1), "%s: one trap of an element", name);
    ok(page_faults == 1 && traps_before == 1, "%s: it comes before the fault of another", name);
    ok_eq(traps[0].ip, (uptr)at, "%s: RIP is the instruction's, which goes on", name);
    ok(traps[0].flags & FLAG_RF, "%s: with RF", name);
    ok_eq(traps[0].mask, 0xE0, "%s: the elements done are out of the mask", name);
}

static void whole_trap(const char *name, const u8 *code, const u8 *behind, u32 rw) {
    u32 *index = (u32 *)(void *)data;
    for (u32 n = 0; n < 16; n++) index[n] = n;
    write_dr1((uptr)area + 8);
    write_dr7(0x400 | G(1) | RW(1, rw, LEN4));
    run(code, area);
    ok(trap_count == 1 && traps[0].ip == (uptr)behind && traps[0].mask == 0, "%s: a trap behind it", name);
    write_dr1((uptr)area + 32);
    run(code, area);
    ok_eq(trap_count, 0, "%s: none of an element that the mask keeps out", name);
    write_dr7(0x400);
}

void guest_main(void) {
    has = vector_enable();
    if (!has.sse2) {
        skip("no SSE2", "debug exceptions of vector instructions");
        return;
    }
    root = read_cr3();
    handler_set(VEC_DB, on_db);
    single_step();
    data_breakpoints();
    if (!has.avx512) return;
    whole_trap("VPGATHERDD", g_gather, g_gather_behind, ACCESS);
    whole_trap("VPSCATTERDD", g_scatter, g_scatter_behind, WRITE);
    pending_trap("VPGATHERDD", g_gather, g_gather_at, ACCESS);
    pending_trap("VPSCATTERDD", g_scatter, g_scatter_at, WRITE);
}
