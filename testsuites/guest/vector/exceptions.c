/* Exceptions of vector instructions: #XM and #UD by CR4.OSXMMEXCPT for each kind of SIMD floating-point exception, #MF
 * before instructions that touch MMX registers, what CR0 and CR4 forbid among the groups that the image xsave does not
 * ask for. SDM 1, "SSE and SSE2 Exceptions"; SDM 3, "SIMD Floating-Point Exception (#XM)", "x87 FPU Floating-Point
 * Error (#MF)", "Providing Operating System Support for Intel SSE/SSE2/SSE3/SSSE3/SSE4 Extensions"; SDM 2, "Exception
 * Conditions" of the instructions. */
#include "testsuites/guest/vector/vector.h"

static struct vector_features has;
static struct fault f;

/* ---- #XM ---- */

/* Dividend and divisor at RDI, both four times */
#define LOADED(load, zero) load " (%rdi), " zero "0\n" load " 16(%rdi), " zero "1\n"
CODE(x_sse, LOADED("movups", "%xmm") "x_sse_at: divps %xmm1, %xmm0\n ret");
CODE_LABEL(x_sse_at);
CODE(x_vex, LOADED("movups", "%xmm") "x_vex_at: vdivps %xmm1, %xmm0, %xmm0\n ret");
CODE_LABEL(x_vex_at);
CODE(x_evex, LOADED("vbroadcastf32x4", "%zmm") "x_evex_at: vdivps %zmm1, %zmm0, %zmm0\n ret");
CODE_LABEL(x_evex_at);
CODE(x_sae, LOADED("vbroadcastf32x4", "%zmm") "vdivps {rn-sae}, %zmm1, %zmm0, %zmm0\n ret");
CODE(x_masked, LOADED("vbroadcastf32x4", "%zmm") "kxorw %k1, %k1, %k1\n vdivps %zmm1, %zmm0, %zmm0{%k1}\n ret");
CODE(x_scalar, LOADED("movups", "%xmm") "x_scalar_at: divss %xmm1, %xmm0\n ret");
CODE_LABEL(x_scalar_at);
CODE(x_memory, "movups 16(%rdi), %xmm0\nx_memory_at: divps 8(%rdi), %xmm0\n ret");
CODE_LABEL(x_memory_at);
CODE(x_missing, "movups (%rdi), %xmm0\n movabs $0x5000000000, %rax\n x_missing_at: divps (%rax), %xmm0\n ret");
CODE_LABEL(x_missing_at);

static const struct {
    const char *name;
    u32 flag, dividend, divisor;
} kinds[] = {
    {"#I", 0x01, 0x00000000, 0x00000000},
    {"#D", 0x02, 0x00000001, 0x3F800000},
    {"#Z", 0x04, 0x3F800000, 0x00000000},
    {"#O", 0x08, 0x7F7FFFFF, 0x3F000000},
    {"#U", 0x10, 0x00800001, 0x40000000},
    {"#P", 0x20, 0x3F800000, 0x40400000},
};

static u32 operands[8] ALIGNED(16);

static void set_operands(u32 kind) {
    for (u32 n = 0; n < 4; n++) {
        operands[n] = kinds[kind].dividend;
        operands[4 + n] = kinds[kind].divisor;
    }
}

static u32 result(void) {
    u32 v;
    __asm__ volatile("movd %%xmm0, %0" : "=r"(v));
    return v;
}

static void unmasked(const char *name, const u8 *code, const u8 *at, bool there) {
    if (!there) return;
    for (u32 k = 0; k < ARRAY_SIZE(kinds); k++) {
        const u32 mxcsr = 0x1F80 & ~(kinds[k].flag << 7);
        set_operands(k);
        load_mxcsr(mxcsr);
        int v = fault_of(code, operands, &f);
        ok(v == VEC_XM && f.ip == (uptr)at && f.error == 0, "#XM: %s, %s", name, kinds[k].name);
        ok_eq(read_mxcsr() & (mxcsr | kinds[k].flag), mxcsr | kinds[k].flag, "#XM: %s, %s: MXCSR", name, kinds[k].name);
        ok_eq(result(), kinds[k].dividend, "#XM: %s, %s: the destination stays", name, kinds[k].name);
        write_cr4(read_cr4() & ~CR4_OSXMMEXCPT);
        load_mxcsr(mxcsr);
        v = fault_of(code, operands, &f);
        ok(v == VEC_UD && f.ip == (uptr)at, "#XM: %s, %s: #UD with CR4.OSXMMEXCPT 0", name, kinds[k].name);
        write_cr4(read_cr4() | CR4_OSXMMEXCPT);
        load_mxcsr(0x1F80);
        v = fault_of(code, operands, &f);
        ok(v == NO_FAULT && (read_mxcsr() & kinds[k].flag), "#XM: %s, %s: masked", name, kinds[k].name);
    }
    load_mxcsr(0x1F80);
}

static void xm(void) {
    unmasked("SSE", x_sse, x_sse_at, has.sse2);
    unmasked("SSE scalar", x_scalar, x_scalar_at, has.sse2);
    unmasked("VEX", x_vex, x_vex_at, has.avx);
    unmasked("EVEX", x_evex, x_evex_at, has.avx512);
    if (!has.sse2) return;
    set_operands(2);
    load_mxcsr(0);
    if (has.avx512) {
        ok_eq((u64)fault_of(x_sae, operands, &f), (u64)NO_FAULT, "#XM: none with suppress-all-exceptions");
        ok_eq(read_mxcsr(), 0, "#XM: and no flag");
        ok_eq((u64)fault_of(x_masked, operands, &f), (u64)NO_FAULT, "#XM: none of elements that are masked out");
        ok_eq(read_mxcsr(), 0, "#XM: and no flag of them");
    }
    int v = fault_of(x_memory, operands, &f);
    ok(v == VEC_GP && f.ip == (uptr)x_memory_at && read_mxcsr() == 0, "a misaligned operand: #GP instead of #XM");
    v = fault_of(x_missing, operands, &f);
    ok(v == VEC_PF && f.ip == (uptr)x_missing_at && read_mxcsr() == 0, "a missing operand: #PF instead of #XM");
    load_mxcsr(0x1F80);
}

/* ---- groups ---- */

CODE(g_stmxcsr, "stmxcsr (%rdi)\n ret");
CODE(g_ldmxcsr, "ldmxcsr 64(%rdi)\n ret");
CODE(g_vstmxcsr, "vstmxcsr (%rdi)\n ret");
CODE(g_vzeroupper, "vzeroupper\n ret");
CODE(g_movq2dq, "movq2dq %mm0, %xmm0\n ret");
CODE(g_movdq2q, "movdq2q %xmm0, %mm0\n ret");
CODE(g_cvtpi2ps, "cvtpi2ps %mm0, %xmm0\n ret");
CODE(g_cvtpi2ps_m, "cvtpi2ps (%rdi), %xmm0\n ret");
CODE(g_pshufb, "pshufb %mm0, %mm1\n ret");
CODE(g_maskmovq, "maskmovq %mm0, %mm1\n ret");
CODE(g_movntq, "movntq %mm0, (%rdi)\n ret");
CODE(g_pmovmskb, "pmovmskb %mm0, %eax\n ret");
CODE(g_emms, "emms\n ret");
CODE(g_paddb, "paddb %mm0, %mm0\n ret");
CODE(g_xorps, "xorps %xmm0, %xmm0\n ret");
CODE(g_prefetch, "prefetcht0 (%rdi)\n ret");
CODE(g_sfence, "sfence\n ret");
CODE(g_lfence, "lfence\n ret");
CODE(g_clflush, "clflush (%rdi)\n ret");
CODE(g_crc32, "crc32b (%rdi), %eax\n ret");
CODE(g_popcnt, "popcnt %ecx, %eax\n ret");
CODE(g_andn, "andn %ecx, %eax, %eax\n ret");

enum gate { G_NONE, G_MMX, G_SSE, G_BOTH, G_AVX };
static const struct {
    const char *name;
    const u8 *code;
    u8 gate;
    bool waits; /* for #MF */
} insns[] = {
    {"EMMS",               g_emms,       G_MMX,  true },
    {"PADDB",              g_paddb,      G_MMX,  true },
    {"PMOVMSKB of MM",     g_pmovmskb,   G_MMX,  true },
    {"MASKMOVQ",           g_maskmovq,   G_MMX,  true },
    {"MOVNTQ",             g_movntq,     G_MMX,  true },
    {"PSHUFB of MM",       g_pshufb,     G_MMX,  true },
    {"MOVQ2DQ",            g_movq2dq,    G_BOTH, true },
    {"MOVDQ2Q",            g_movdq2q,    G_BOTH, true },
    {"CVTPI2PS of MM",     g_cvtpi2ps,   G_BOTH, true },
    {"CVTPI2PS of memory", g_cvtpi2ps_m, G_SSE,  false},
    {"XORPS",              g_xorps,      G_SSE,  false},
    {"STMXCSR",            g_stmxcsr,    G_SSE,  false},
    {"LDMXCSR",            g_ldmxcsr,    G_SSE,  false},
    {"VSTMXCSR",           g_vstmxcsr,   G_AVX,  false},
    {"VZEROUPPER",         g_vzeroupper, G_AVX,  false},
    {"PREFETCHT0",         g_prefetch,   G_NONE, false},
    {"SFENCE",             g_sfence,     G_NONE, false},
    {"LFENCE",             g_lfence,     G_NONE, false},
    {"CLFLUSH",            g_clflush,    G_NONE, false},
    {"CRC32",              g_crc32,      G_NONE, false},
    {"POPCNT",             g_popcnt,     G_NONE, false},
    {"ANDN",               g_andn,       G_NONE, false},
};
static u32 memory[32] ALIGNED(64);

static bool exists(const u8 *code) {
    if (code == g_pshufb) return has.ssse3;
    if (code == g_crc32) return has.sse42;
    if (code == g_popcnt) return has.popcnt;
    if (code == g_andn) return has.bmi1 && has.avx;
    if (code == g_vstmxcsr || code == g_vzeroupper) return has.avx;
    return has.sse2;
}

static int want(u8 gate, bool em, bool ts, bool fxsr, bool xsave) {
    bool ud = false;
    if (gate == G_NONE) return NO_FAULT;
    if (gate == G_AVX)
        ud = !xsave;
    else
        ud = em || (gate != G_MMX && !fxsr);
    return ud ? VEC_UD : ts ? VEC_NM : NO_FAULT;
}

/* MASKMOVQ writes to RDI by its mask; 0 writes nothing */
static void clear_mmx(void) { __asm__ volatile("pxor %mm0, %mm0\n pxor %mm1, %mm1\n emms"); }

static void gates(void) {
    const uptr cr0 = read_cr0(), cr4 = read_cr4();
    for (u32 c = 0; c < 16; c++) {
        const bool em = c & 1, ts = c & 2, fxsr = c & 4, xsave = c & 8;
        for (u32 n = 0; n < ARRAY_SIZE(insns); n++) {
            if (!exists(insns[n].code)) continue;
            write_cr4((cr4 & ~(CR4_OSFXSR | CR4_OSXSAVE)) | (fxsr ? CR4_OSFXSR : 0) | (xsave ? cr4 & CR4_OSXSAVE : 0));
            write_cr0((cr0 & ~(CR0_EM | CR0_TS)) | (em ? CR0_EM : 0) | (ts ? CR0_TS : 0));
            const int v = fault_of(insns[n].code, memory, &f);
            write_cr0(cr0);
            write_cr4(cr4);
            clear_mmx();
            ok(v == want(insns[n].gate, em, ts, fxsr, xsave), "%s: EM %u TS %u OSFXSR %u OSXSAVE %u", insns[n].name, em,
               ts, fxsr, xsave);
        }
    }
}

/* ---- #MF: "before the execution of the next waiting floating-point instruction", MMX instructions among them ---- */

static void make_pending(void) {
    static const u16 control = 0x37B; /* #Z is not masked */
    __asm__ volatile("fninit\n fldcw %0\n fld1\n fldz\n fdivrp" : : "m"(control));
}

static void mf(void) {
    if (!has.x87 || !has.mmx) return;
    for (u32 n = 0; n < ARRAY_SIZE(insns); n++) {
        if (!exists(insns[n].code)) continue;
        make_pending();
        int v = fault_of(insns[n].code, memory, &f);
        ok(v == (insns[n].waits ? VEC_MF : NO_FAULT), "%s with an x87 exception pending", insns[n].name);
        if (insns[n].waits) {
            ok_eq(f.ip, (uptr)insns[n].code, "%s: #MF is its fault", insns[n].name);
            write_cr0(read_cr0() | CR0_TS);
            v = fault_of(insns[n].code, memory, &f);
            write_cr0(read_cr0() & ~CR0_TS);
            ok_eq((u64)v, VEC_NM, "%s: #NM comes before #MF", insns[n].name);
        }
        __asm__ volatile("fninit");
    }
}

void guest_main(void) {
    has = vector_enable();
    memory[16] = 0x1F80;
    if (!has.sse2) {
        skip("no SSE2", "exceptions of vector instructions");
        return;
    }
    clear_mmx();
    xm();
    gates();
    mf();
}
