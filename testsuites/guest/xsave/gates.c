/* #UD and #NM of x87, MMX, SSE, AVX, AVX-512 and opmask instructions by CR0, CR4 and XCR0. SDM 3 table "Action Taken
 * for Combinations of OSFXSR, OSXMMEXCPT, SSE, SSE2, SSE3, EM, MP, and TS"; SDM 2 "Exception Conditions" */
#include "testsuites/guest/xsave/xsave.h"

static void do_x87(void *arg) { __asm__ volatile("fld1\n\tfstp %%st(0)" : : "r"(arg)); }
static void do_mmx(void *arg) { __asm__ volatile("pxor %%mm0, %%mm0" : : "r"(arg)); }
static void do_sse(void *arg) { __asm__ volatile("xorps %%xmm1, %%xmm1" : : "r"(arg)); }
static void do_avx(void *arg) { __asm__ volatile("vpxor %%xmm1, %%xmm1, %%xmm1" : : "r"(arg)); }
static void do_avx256(void *arg) { __asm__ volatile("vxorps %%ymm1, %%ymm1, %%ymm1" : : "r"(arg)); }
static void do_evex(void *arg) { __asm__ volatile("vpxord %%zmm1, %%zmm1, %%zmm1" : : "r"(arg)); }
static void do_opmask(void *arg) { __asm__ volatile("kmovw %%k1, %%k2" : : "r"(arg)); }
static void do_fwait(void *arg) { __asm__ volatile("fwait" : : "r"(arg)); }
static void do_movnti(void *arg) { __asm__ volatile("movnti %%eax, (%0)" : : "r"(arg) : "memory"); }

static u8 scratch[64] ALIGNED(64);

enum group { G_X87, G_MMX, G_SSE, G_AVX, G_EVEX, G_FWAIT, G_FREE };
static const struct {
    const char *name;
    void (*fn)(void *);
    u8 group;
} insns[] = {
    {"x87",     do_x87,    G_X87  },
    {"MMX",     do_mmx,    G_MMX  },
    {"SSE",     do_sse,    G_SSE  },
    {"AVX",     do_avx,    G_AVX  },
    {"AVX-256", do_avx256, G_AVX  },
    {"EVEX",    do_evex,   G_EVEX },
    {"opmask",  do_opmask, G_EVEX },
    {"FWAIT",   do_fwait,  G_FWAIT},
    {"MOVNTI",  do_movnti, G_FREE },
};

struct bits {
    bool em, mp, ts, fxsr, xsave;
    u64 xcr0;
};

static int want(u8 group, const struct bits *b) {
    switch (group) {
    case G_X87:
        return b->em || b->ts ? VEC_NM : NO_FAULT;
    case G_MMX:
        return b->em ? VEC_UD : b->ts ? VEC_NM : NO_FAULT;
    case G_SSE:
        return b->em || !b->fxsr ? VEC_UD : b->ts ? VEC_NM : NO_FAULT;
    case G_AVX:
    case G_EVEX: {
        const u64 needs = SSE | AVX | (group == G_EVEX ? AVX512 : 0);
        return !b->xsave || (~b->xcr0 & needs) ? VEC_UD : b->ts ? VEC_NM : NO_FAULT;
    }
    case G_FWAIT:
        return b->mp && b->ts ? VEC_NM : NO_FAULT;
    default:
        return NO_FAULT;
    }
}

static void test_combination(const struct bits *b, u64 supported) {
    const uptr cr0 = read_cr0(), cr4 = read_cr4();
    xsetbv(b->xcr0);
    uptr new4 = (cr4 & ~(CR4_OSFXSR | CR4_OSXSAVE)) | (b->fxsr ? CR4_OSFXSR : 0) | (b->xsave ? CR4_OSXSAVE : 0);
    uptr new0 =
        (cr0 & ~(CR0_EM | CR0_MP | CR0_TS)) | (b->em ? CR0_EM : 0) | (b->mp ? CR0_MP : 0) | (b->ts ? CR0_TS : 0);
    int got[ARRAY_SIZE(insns)];
    write_cr4(new4);
    write_cr0(new0);
    for (u32 k = 0; k < ARRAY_SIZE(insns); k++) got[k] = try_fault(insns[k].fn, scratch, NULL);
    write_cr0(cr0);
    write_cr4(cr4);
    for (u32 k = 0; k < ARRAY_SIZE(insns); k++) {
        if (insns[k].group == G_AVX && !(supported & AVX)) continue;
        if (insns[k].group == G_EVEX && !(supported & AVX512)) continue;
        ok(got[k] == want(insns[k].group, b), "%s: EM %u MP %u TS %u OSFXSR %u OSXSAVE %u XCR0 %llx", insns[k].name,
           b->em, b->mp, b->ts, b->fxsr, b->xsave, b->xcr0);
    }
}

void test_gates(u64 supported) {
    static const u64 values[] = {X87, X87 | SSE, X87 | SSE | AVX, X87 | SSE | AVX | AVX512};
    for (u32 k = 0; k < ARRAY_SIZE(values); k++) {
        if (values[k] & ~supported) continue;
        for (u32 c = 0; c < 32; c++) {
            const struct bits b = {c & 1, c & 2, c & 4, c & 8, c & 16, values[k]};
            test_combination(&b, supported);
        }
    }
    xsetbv(supported);
}
