/* Vector instructions outside 64-bit mode: SSE, MMX and x87 in real and virtual-8086 mode, where VEX, EVEX and XOP
 * prefixes do not exist; 16-bit addresses; bits of prefixes that protected mode ignores; segment limits, elements that
 * a mask keeps out. SDM 2, "VEX Prefix", "EVEX Prefix"; SDM 3, "Segment Limit Checking". */
#include "testsuites/guest/lib/real.h"
#include "testsuites/guest/vector/vector.h"

extern const u8 modes16[], modes16_end[];
extern const u16 modes16_faults[];
uptr v86_enter(uptr ip, uptr flags);

static struct vector_features has;
static struct fault f;

/* ---- real and virtual-8086 mode ---- */

static const struct {
    const char *name;
    int vector;
    u32 result;
} tests16[] = {
    {"SSE",                                      NO_FAULT, 0x40000000},
    {"MMX",                                      NO_FAULT, 0x7F000000},
    {"x87",                                      NO_FAULT, 0x3F800000},
    {"a two-byte VEX prefix: #UD",               VEC_UD,   0         },
    {"a three-byte VEX prefix: #UD",             VEC_UD,   0         },
    {"an EVEX prefix: #UD",                      VEC_UD,   0         },
    {"an XOP prefix: #UD",                       VEC_UD,   0         },
    {"ANDN: #UD",                                VEC_UD,   0         },
    {"16 bytes across the segment's end: #GP",   VEC_GP,   0         },
    {"16 bytes across the stack's end: #SS",     VEC_SS,   0         },
    {"MOVAPS, misaligned: #GP",                  VEC_GP,   0         },
    {"a 16-bit address that wraps",              NO_FAULT, 0x40000000},
    {"FXSAVE",                                   NO_FAULT, 0x37F     },
    {"the last 16 bytes of the segment",         NO_FAULT, 1         },
    {"opcode C4 with a memory operand is LES",   NO_FAULT, 0x3F80    },
    {"opcode C5 with a memory operand is LDS",   NO_FAULT, 0x3F80    },
    {"opcode 62 with a memory operand is BOUND", NO_FAULT, 7         },
};

static void real_mode(void) {
    for (u32 n = 0; n < ARRAY_SIZE(tests16); n++) {
        struct real_regs r = {.eax = n, .eflags = 2};
        for (u32 v = 0; v < 32; v++) real_vector_set((u8)v, REAL_SEGMENT, (u16)(0x400 + 16 * v));
        real_call(modes16, (size_t)(modes16_end - modes16), &r);
        const u32 want = tests16[n].vector == NO_FAULT ? tests16[n].result : modes16_faults[n];
        if (!ok((int)r.edx == tests16[n].vector && r.ebx == want, "real mode: %s", tests16[n].name))
            diag("vector %d, IP or result %#x", (int)r.edx, r.ebx);
    }
}

static u32 v86_result;
static void enter_v86(void *n) { v86_result = v86_enter(0x100 + 16 * *(u32 *)n, 0x3000); }

static void virtual_8086(void) {
    for (u32 n = 0; n < ARRAY_SIZE(tests16); n++) {
        const int v = try_fault(enter_v86, &n, &f);
        const bool good = v == NO_FAULT ? v86_result == tests16[n].result : f.ip == modes16_faults[n] && f.error == 0;
        if (!ok(v == tests16[n].vector && good, "virtual-8086 mode: %s", tests16[n].name))
            diag("vector %d, IP %#llx, result %#x", v, f.ip, v86_result);
    }
}

/* ---- protected mode: 16-bit addresses, prefixes ---- */

static u32 buffer[64] ALIGNED(64) __attribute__((used));
static u32 out[16] ALIGNED(64) __attribute__((used));

#define LOW 0x7000 /* memory for 16-bit addresses */
CODE(d_sse, "mov $0x7100, %ebx\n addr16 movups -16(%bx), %xmm0\n movups %xmm0, out\n ret");
CODE(d_wrap,
     "mov $0xabcdf000, %ebx\n mov $0x12348004, %esi\n addr16 movups (%bx,%si), %xmm0\n movups %xmm0, out\n ret");
CODE(d_beyond, "mov $0xfff8, %ebx\n addr16 movups (%bx), %xmm0\n movups %xmm0, out\n ret");
CODE(d_fld, "mov $0x7000, %ebx\n addr16 fldl 8(%bx)\n fstpl out\n ret");
CODE(d_evex, "mov $0x6fc0, %ebx\n addr16 vmovups 64(%bx), %zmm0\n vmovups %zmm0, out\n ret");
CODE(d_gather, ".byte 0x67\n vpgatherdd %ymm1, (%eax,%ymm2,4), %ymm0\n ret");
CODE(d_gather_evex, ".byte 0x67\n vpgatherdd (%eax,%zmm2,4), %zmm0{%k1}\n ret");

static u32 *low_memory(uptr at) {
    __asm__("" : "+r"(at));
    return (u32 *)at;
}

static void addresses16(void) {
    for (u32 n = 0; n < 0x100 / 4; n++) low_memory(LOW)[n] = 0x1000 + n;
    int v = fault_of(d_sse, NULL, &f);
    ok(v == NO_FAULT && out[0] == 0x1000 + 0xF0 / 4, "a 16-bit address with a displacement");
    v = fault_of(d_wrap, NULL, &f);
    ok(v == NO_FAULT && out[0] == 0x1001, "the sum of 16-bit registers wraps");
    v = fault_of(d_beyond, NULL, &f);
    ok(v == NO_FAULT && !memcmp(out, low_memory(0xFFF8), 16), "an operand at a 16-bit address goes on behind FFFFH");
    v = fault_of(d_fld, NULL, &f);
    ok(v == NO_FAULT && !memcmp(out, low_memory(LOW + 8), 8), "an x87 operand at a 16-bit address");
    if (has.avx512) {
        v = fault_of(d_evex, NULL, &f);
        ok(v == NO_FAULT && out[15] == 0x100F, "a compressed displacement with a 16-bit address");
        ok_eq((u64)fault_of(d_gather_evex, NULL, &f), VEC_UD, "VPGATHERDD, EVEX, with a 16-bit address: #UD");
    }
    if (has.avx2) ok_eq((u64)fault_of(d_gather, NULL, &f), VEC_UD, "VPGATHERDD with a 16-bit address: #UD");
}

/* XMM0 = 0FH, XMM1 = 33H in all doublewords; EAX and ECX likewise. The result is in XMM0 or EAX. */
#define PREFIXED(name, bytes)                                                                                          \
    CODE(name, "movups buffer, %xmm0\n movups buffer + 16, %xmm1\n mov $0x0f, %eax\n mov $0x33, %ecx\n .byte " bytes   \
               "\n movups %xmm0, out\n mov %eax, out + 16\n ret")
PREFIXED(i_vxorps, "0xc4, 0xe1, 0x78, 0x57, 0xc1");
PREFIXED(i_vvvv, "0xc4, 0xe1, 0x38, 0x57, 0xc1");
PREFIXED(i_b, "0xc4, 0xc1, 0x78, 0x57, 0xc1");
PREFIXED(i_is4, "0xc4, 0xe3, 0x79, 0x4a, 0xc1, 0x90"); /* VBLENDVPS */
PREFIXED(i_w_movd, "0xc4, 0xe1, 0xf9, 0x6e, 0xc1");
PREFIXED(i_w_movd_to, "0xc4, 0xe1, 0xf9, 0x7e, 0xc8");
PREFIXED(i_w_andn, "0xc4, 0xe2, 0xf8, 0xf2, 0xc1"); /* EAX = ~EAX & ECX */
PREFIXED(i_vvvv_andn, "0xc4, 0xe2, 0x38, 0xf2, 0xc1");
PREFIXED(i_w_cvtsi2ss, "0xc4, 0xe1, 0xfa, 0x2a, 0xc1");
PREFIXED(i_w_kmov, "0xc4, 0xe1, 0xfb, 0x92, 0xc9, 0xc4, 0xe1, 0xfb, 0x93, 0xc1"); /* K1 = ECX, EAX = K1 */
PREFIXED(i_evex, "0x62, 0xf1, 0x7c, 0x48, 0x57, 0xc1");
PREFIXED(i_evex_r, "0x62, 0xe1, 0x7c, 0x48, 0x57, 0xc1");
PREFIXED(i_evex_b, "0x62, 0xd1, 0x7c, 0x48, 0x57, 0xc1");
PREFIXED(i_evex_vvvv, "0x62, 0xf1, 0x3c, 0x48, 0x57, 0xc1");
PREFIXED(i_evex_v, "0x62, 0xf1, 0x7c, 0x40, 0x57, 0xc1");
PREFIXED(i_evex_zero, "0x62, 0xf9, 0x7c, 0x48, 0x57, 0xc1");

/* As processors with all of these do in compatibility mode */
static void ignored(void) {
    static const struct {
        const char *name;
        const u8 *code;
        bool avx512, bmi1;
        u8 at; /* of the result in out */
        int vector;
        u32 result;
    } rows[] = {
        {"VXORPS",                              i_vxorps,     false, false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"bit 3 of VEX.vvvv is ignored",        i_vvvv,       false, false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"VEX.B is ignored",                    i_b,          false, false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"bit 7 of a register in an immediate", i_is4,        false, false, 0, NO_FAULT, 0x0F       },
        {"VEX.W of VMOVD",                      i_w_movd,     false, false, 0, NO_FAULT, 0x33       },
        {"VEX.W of VMOVD from XMM1",            i_w_movd_to,  false, false, 4, NO_FAULT, 0x33       },
        {"VEX.W of VCVTSI2SS",                  i_w_cvtsi2ss, false, false, 0, NO_FAULT, 0x424C0000 },
        {"VEX.W of ANDN",                       i_w_andn,     false, true,  4, NO_FAULT, 0x30       },
        {"bit 3 of VEX.vvvv of ANDN",           i_vvvv_andn,  false, true,  4, NO_FAULT, 0x30       },
        {"VEX.W of KMOV",                       i_w_kmov,     true,  false, 4, NO_FAULT, 0x33       },
        {"VXORPS, EVEX",                        i_evex,       true,  false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"EVEX.R' is ignored",                  i_evex_r,     true,  false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"EVEX.B is ignored",                   i_evex_b,     true,  false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"bit 3 of EVEX.vvvv is ignored",       i_evex_vvvv,  true,  false, 0, NO_FAULT, 0x0F ^ 0x33},
        {"EVEX.V' of 0: #UD",                   i_evex_v,     true,  false, 0, VEC_UD,   0          },
        {"a reserved bit of EVEX: #UD",         i_evex_zero,  true,  false, 0, VEC_UD,   0          },
    };
    if (!has.avx) return;
    for (u32 n = 0; n < 4; n++) {
        buffer[n] = 0x0F;
        buffer[4 + n] = 0x33;
    }
    for (u32 n = 0; n < ARRAY_SIZE(rows); n++) {
        if ((rows[n].avx512 && !has.avx512) || (rows[n].bmi1 && !has.bmi1)) continue;
        const int v = fault_of(rows[n].code, NULL, &f);
        const bool good = v == rows[n].vector && (v != NO_FAULT || out[rows[n].at] == rows[n].result);
        if (!ok(good, "protected mode: %s", rows[n].name)) diag("vector %d, result %#x", v, out[rows[n].at]);
    }
}

/* ---- segment limits ---- */

struct operand {
    u32 offset, mask;
};
/* the operand's offset in EDI, the mask in ECX */
#define OPERAND                  "push %edi\n mov 8(%esp), %edi\n mov 4(%edi), %ecx\n mov (%edi), %edi\n"
#define OPERAND_CODE(name, insn) CODE(name, OPERAND insn "\n pop %edi\n ret")
OPERAND_CODE(s_movss, "movss %fs:(%edi), %xmm0");
OPERAND_CODE(s_movsd, "movsd %fs:(%edi), %xmm0");
OPERAND_CODE(s_movq, "movq %fs:(%edi), %mm0\n emms");
OPERAND_CODE(s_movntq, "movntq %mm0, %fs:(%edi)\n emms");
OPERAND_CODE(s_fld, "fldt %fs:(%edi)\n fstp %st(0)");
OPERAND_CODE(s_fstp, "fldz\n fstpt %fs:(%edi)");
OPERAND_CODE(s_fnstenv, "fnstenv %fs:(%edi)\n fninit");
OPERAND_CODE(s_movups, "movups %fs:(%edi), %xmm0");
OPERAND_CODE(s_store16, "movups %xmm0, %fs:(%edi)");
OPERAND_CODE(s_load32, "vmovups %fs:(%edi), %ymm0");
OPERAND_CODE(s_store32, "vmovups %ymm0, %fs:(%edi)");
OPERAND_CODE(s_load64, "vmovups %fs:(%edi), %zmm0");
OPERAND_CODE(s_store64, "vmovups %zmm0, %fs:(%edi)");
OPERAND_CODE(s_broadcast, "vaddps %fs:(%edi){1to16}, %zmm0, %zmm0");
OPERAND_CODE(s_masked_load, "kmovw %ecx, %k1\n vmovdqu32 %fs:(%edi), %zmm0{%k1}{z}");
OPERAND_CODE(s_masked_store, "kmovw %ecx, %k1\n vmovdqu32 %zmm0, %fs:(%edi){%k1}");
#define YMM1_FROM_ECX "vmovd %ecx, %xmm1\n vpbroadcastd %xmm1, %ymm1\n vpsllvd shifts, %ymm1, %ymm1\n"
OPERAND_CODE(s_maskmov_load, YMM1_FROM_ECX "vpmaskmovd %fs:(%edi), %ymm1, %ymm0");
OPERAND_CODE(s_maskmov_store, YMM1_FROM_ECX "vpmaskmovd %ymm0, %ymm1, %fs:(%edi)");
__asm__(".pushsection .rodata\n .balign 32\nshifts: .long 31, 30, 29, 28, 27, 26, 25, 24\n.popsection");

enum { NEEDS_SSE, NEEDS_AVX, NEEDS_AVX2, NEEDS_AVX512 };
static bool can(u32 needs) {
    return needs == NEEDS_SSE || (needs == NEEDS_AVX && has.avx) || (needs == NEEDS_AVX2 && has.avx2) ||
           (needs == NEEDS_AVX512 && has.avx512);
}

static const struct sized {
    const char *name;
    const u8 *code;
    u32 size, needs;
} sized[] = {
    {"MOVSS",              s_movss,     4,  NEEDS_SSE   },
    {"MOVSD",              s_movsd,     8,  NEEDS_SSE   },
    {"MOVQ of MM",         s_movq,      8,  NEEDS_SSE   },
    {"MOVNTQ",             s_movntq,    8,  NEEDS_SSE   },
    {"FLD",                s_fld,       10, NEEDS_SSE   },
    {"FSTP",               s_fstp,      10, NEEDS_SSE   },
    {"FNSTENV",            s_fnstenv,   28, NEEDS_SSE   },
    {"MOVUPS",             s_movups,    16, NEEDS_SSE   },
    {"MOVUPS to memory",   s_store16,   16, NEEDS_SSE   },
    {"32 bytes",           s_load32,    32, NEEDS_AVX   },
    {"32 bytes to memory", s_store32,   32, NEEDS_AVX   },
    {"64 bytes",           s_load64,    64, NEEDS_AVX512},
    {"64 bytes to memory", s_store64,   64, NEEDS_AVX512},
    {"a broadcast",        s_broadcast, 4,  NEEDS_AVX512},
};

static int run(const u8 *code, u32 offset, u32 mask) {
    struct operand o = {offset, mask};
    const int v = fault_of(code, &o, &f);
    __asm__ volatile("fninit");
    return v;
}

#define DATA   0x4093 /* 32-bit, DPL 0, writable, present */
#define DOWN   0x4097
#define DATA_U 0x40F3
#define FS_SEL SEL_FREE
#define SS_SEL (SEL_FREE + 8)
#define LENGTH 128 /* of the segment in `buffer` */

static void segment(u32 limit, u32 attr) {
    guest_gdt[FS_SEL >> 3] = seg_descriptor((u32)(uptr)buffer, limit, attr);
    load_fs(FS_SEL);
}

static void limits(void) {
    segment(LENGTH - 1, DATA);
    for (u32 n = 0; n < ARRAY_SIZE(sized); n++) {
        const struct sized *s = &sized[n];
        if (!can(s->needs)) continue;
        ok_eq((u64)run(s->code, LENGTH - s->size, 0), (u64)NO_FAULT, "limit: %s at the end", s->name);
        int v = run(s->code, LENGTH - s->size + 1, 0);
        ok(v == VEC_GP && f.error == 0, "limit: %s, its last byte beyond: #GP(0)", s->name);
        v = run(s->code, LENGTH, 0);
        ok(v == VEC_GP && f.error == 0, "limit: %s beyond: #GP(0)", s->name);
        ok_eq((u64)run(s->code, 0xFFFFFFFC, 0), VEC_GP, "limit: %s around the end of 4 GiB: #GP", s->name);
    }
    segment(15, DOWN);
    ok_eq((u64)run(s_movups, 16, 0), (u64)NO_FAULT, "expand-down: an operand above the limit");
    ok_eq((u64)run(s_movups, 15, 0), VEC_GP, "expand-down: one that begins at the limit: #GP");
}

static void masked_limits(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 needs;
    } rows[] = {
        {"VMOVDQU32 from memory",  s_masked_load,   NEEDS_AVX512},
        {"VMOVDQU32 to memory",    s_masked_store,  NEEDS_AVX512},
        {"VPMASKMOVD from memory", s_maskmov_load,  NEEDS_AVX2  },
        {"VPMASKMOVD to memory",   s_maskmov_store, NEEDS_AVX2  },
    };
    segment(LENGTH - 1, DATA);
    for (u32 n = 0; n < ARRAY_SIZE(rows); n++) {
        if (!can(rows[n].needs)) continue;
        ok_eq((u64)run(rows[n].code, LENGTH - 16, 0x0F), (u64)NO_FAULT, "limit: %s, the elements inside", rows[n].name);
        int v = run(rows[n].code, LENGTH - 16, 0x1F);
        ok(v == VEC_GP && f.error == 0, "limit: %s, one beyond: #GP(0)", rows[n].name);
        ok_eq((u64)run(rows[n].code, LENGTH - 16, 0x10), VEC_GP, "limit: %s, only one beyond: #GP", rows[n].name);
        ok_eq((u64)run(rows[n].code, LENGTH + 64, 0), (u64)NO_FAULT, "limit: %s, no elements", rows[n].name);
        v = run(rows[n].code, LENGTH - 14, 0x0F);
        ok(v == VEC_GP, "limit: %s, half an element beyond: #GP", rows[n].name);
    }
}

/* Stack operands at CPL 3, whose handler has a stack of its own */
CODE(u_movups, "movups (%esp), %xmm0\n int $0xf0");
CODE(u_movss, "movss (%esp), %xmm0\n int $0xf0");
CODE(u_fld, "fldt (%esp)\n fstp %st(0)\n int $0xf0");
CODE(u_load64, "vmovups (%esp), %zmm0\n int $0xf0");
CODE(u_masked, "mov $0xf, %eax\n kmovw %eax, %k1\n vmovups (%esp), %zmm0{%k1}\n int $0xf0");

static const u8 *user_code;
static void enter_user(void *offset) { user_enter((uptr)user_code, *(u32 *)offset, SEL_UCODE32 | 3, SS_SEL | 3, 2, 0); }

static void stack_limits(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 size, needs;
    } rows[] = {
        {"MOVSS",                      u_movss,  4,  NEEDS_SSE   },
        {"MOVUPS",                     u_movups, 16, NEEDS_SSE   },
        {"FLD",                        u_fld,    10, NEEDS_SSE   },
        {"64 bytes",                   u_load64, 64, NEEDS_AVX512},
        {"16 of 64 bytes by the mask", u_masked, 16, NEEDS_AVX512},
    };
    guest_gdt[SS_SEL >> 3] = seg_descriptor((u32)(uptr)buffer, LENGTH - 1, DATA_U);
    for (u32 n = 0; n < ARRAY_SIZE(rows); n++) {
        if (!can(rows[n].needs)) continue;
        user_code = rows[n].code;
        u32 offset = LENGTH - rows[n].size;
        ok_eq((u64)try_fault(enter_user, &offset, &f), (u64)NO_FAULT, "stack limit: %s at the end", rows[n].name);
        offset++;
        const int v = try_fault(enter_user, &offset, &f);
        ok(v == VEC_SS && f.error == 0, "stack limit: %s, its last byte beyond: #SS(0)", rows[n].name);
    }
}

void guest_main(void) {
    has = vector_enable();
    if (!has.sse2) {
        skip("no SSE2", "vector instructions outside 64-bit mode");
        return;
    }
    real_mode();
    virtual_8086();
    addresses16();
    ignored();
    limits();
    masked_limits();
    stack_limits();
}
