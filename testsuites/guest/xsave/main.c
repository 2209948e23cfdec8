/* The XSAVE feature set: CR4.OSXSAVE, XCR0, CPUID leaf 0DH, XSAVE and XRSTOR, MXCSR, supervisor state. SDM 1 "Managing
 * State Using the XSAVE Feature Set" */
#include "testsuites/guest/xsave/xsave.h"

static u8 area[4096] ALIGNED(64), other[4096] ALIGNED(64);
static u64 supported;
static bool has_opt, has_compact, has_xgetbv1, has_supervisor;

static u64 *header(void) { return (u64 *)(area + 512); }
static void header_set(u64 bv, u64 comp) {
    memset(area + 512, 0, 64);
    header()[0] = bv;
    header()[1] = comp;
}

/* ---- CR4.OSXSAVE ---- */

static void test_osxsave(void) {
    write_cr4(read_cr4() & ~CR4_OSXSAVE);
    ok(!(cpuid(1, 0).ecx & BIT(27)), "OSXSAVE 0: CPUID says so");
    ok_eq((u64)op_fault(do_xgetbv, NULL, 0), VEC_UD, "OSXSAVE 0: XGETBV is #UD");
    ok_eq((u64)op_fault(do_xsetbv, NULL, 1), VEC_UD, "OSXSAVE 0: XSETBV is #UD");
    ok_eq((u64)op_fault(do_xsave, area, 1), VEC_UD, "OSXSAVE 0: XSAVE is #UD");
    ok_eq((u64)op_fault(do_xrstor, area, 1), VEC_UD, "OSXSAVE 0: XRSTOR is #UD");
    write_cr4(read_cr4() | CR4_OSXSAVE);
    ok(cpuid(1, 0).ecx & BIT(27), "OSXSAVE 1: CPUID says so");
    ok_eq(xgetbv(0), 1, "XCR0 is 1 after reset");
}

/* ---- XSETBV ---- */

static uptr user_xgetbv(uptr arg) {
    (void)arg;
    return (uptr)xgetbv(0);
}
static uptr user_xsetbv(uptr arg) {
    xsetbv(arg);
    return 0;
}
static void enter_xsetbv(void *arg) { user_call(user_xsetbv, *(uptr *)arg); }

static void test_xsetbv(void) {
    static const struct {
        u64 val, needs;
        bool good;
        const char *what;
    } rows[] = {
        {1,                        0,      true,  "x87"                    },
        {X87 | SSE,                0,      true,  "x87 and SSE"            },
        {X87 | SSE | AVX,          AVX,    true,  "x87, SSE and AVX"       },
        {X87 | SSE | AVX | AVX512, AVX512, true,  "AVX-512"                },
        {X87 | PKRU,               PKRU,   true,  "PKRU"                   },
        {0,                        0,      false, "nothing"                },
        {SSE,                      0,      false, "without x87"            },
        {X87 | AVX,                AVX,    false, "AVX without SSE"        },
        {X87 | SSE | AVX512,       AVX512, false, "AVX-512 without AVX"    },
        {7 | BIT(5),               AVX512, false, "opmask alone"           },
        {7 | BIT(5) | BIT(6),      AVX512, false, "opmask and ZMM_Hi256"   },
        {7 | BIT(6) | BIT(7),      AVX512, false, "ZMM_Hi256 and Hi16_ZMM" },
        {1 | BIT(8),               0,      false, "a component of IA32_XSS"},
        {1 | CET_U,                0,      false, "CET_U"                  },
        {1 | BIT(63),              0,      false, "bit 63"                 },
        {1 | BIT(40),              0,      false, "a reserved bit"         },
    };
    for (u32 k = 0; k < ARRAY_SIZE(rows); k++) {
        if ((supported & rows[k].needs) != rows[k].needs) continue;
        xsetbv(1);
        const int v = op_fault(do_xsetbv, NULL, rows[k].val);
        ok(v == (rows[k].good ? NO_FAULT : VEC_GP), "XSETBV: %s", rows[k].what);
        ok_eq(xgetbv(0), rows[k].good ? rows[k].val : 1, "XCR0 after XSETBV: %s", rows[k].what);
    }
    ok_eq((u64)op_fault(do_xsetbv, NULL, supported), (u64)NO_FAULT, "XSETBV: all that CPUID lists");
    ok_eq((u64)op_fault(do_xsetbv, (void *)1, 1), VEC_GP, "XSETBV of XCR1: #GP");
    ok_eq((u64)op_fault(do_xsetbv, (void *)0x100000000, supported), (u64)NO_FAULT, "XSETBV ignores RCX[63:32]");
    uptr val = 1;
    ok_eq((u64)try_fault(enter_xsetbv, &val, NULL), VEC_GP, "XSETBV at CPL 3: #GP");
    ok_eq(user_call(user_xgetbv, 0), supported, "XGETBV at CPL 3");
    write_cr0(read_cr0() | CR0_TS);
    ok_eq((u64)op_fault(do_xsetbv, NULL, supported), (u64)NO_FAULT, "XSETBV with TS");
    ok_eq(xgetbv(0), supported, "XGETBV with TS");
    write_cr0(read_cr0() & ~CR0_TS);
    write_cr4(read_cr4() & ~CR4_OSXSAVE);
    write_cr4(read_cr4() | CR4_OSXSAVE);
    ok_eq(xgetbv(0), supported, "CR4.OSXSAVE leaves XCR0 alone");
}

/* ---- CPUID leaf 0DH ---- */

static void test_cpuid(void) {
    u32 end = 576, compacted = 576;
    for (u32 n = 2; n < 63; n++) {
        const struct cpuid c = cpuid(0xD, n);
        if (!(supported & BIT(n))) continue;
        ok(c.eax && c.ebx >= 576 && !(c.ecx & 1), "component %u has a size and an offset", n);
        if (c.ebx + c.eax > end) end = c.ebx + c.eax;
        compacted = (c.ecx & 2 ? (compacted + 63) & ~63U : compacted) + c.eax;
    }
    ok_eq(cpuid(0xD, 0).ecx, end, "0DH.0: ECX is where the last component ends");
    xsetbv(1);
    ok_eq(cpuid(0xD, 0).ebx, 576, "0DH.0: EBX with x87 alone");
    if (has_compact) ok_eq(cpuid(0xD, 1).ebx, 576, "0DH.1: EBX with x87 alone");
    xsetbv(supported);
    ok_eq(cpuid(0xD, 0).ebx, end, "0DH.0: EBX with everything");
    if (has_compact) ok_eq(cpuid(0xD, 1).ebx, compacted, "0DH.1: EBX with everything");
    const struct cpuid none = cpuid(0xD, 62);
    ok(!(none.eax | none.ebx | none.ecx | none.edx), "0DH.62 is empty");
}

/* ---- XSAVE and XRSTOR ---- */

static void load_xmm0(u64 v) { __asm__ volatile("movq %0, %%xmm0" : : "r"(v)); }
static u64 read_xmm0(void) {
    u64 v;
    __asm__ volatile("movq %%xmm0, %0" : "=r"(v));
    return v;
}

static void test_save_restore(void) {
    memset(area, 0xCC, sizeof area);
    memset(area + 512, 0, 64);
    load_xmm0(0x1122334455667788);
    ok_eq((u64)op_fault(do_xsave, area, SSE), (u64)NO_FAULT, "XSAVE of SSE");
    ok_eq(*(u64 *)(area + 160), 0x1122334455667788, "XMM0 is at byte 160");
    ok_eq(*(u64 *)area, 0xCCCCCCCCCCCCCCCC, "x87 state isn't written");
    ok_eq(*(u64 *)(area + 416), 0xCCCCCCCCCCCCCCCC, "what is behind XMM15 isn't either");
    ok_eq(*(u32 *)(area + 24), 0x1F80, "MXCSR is");
    ok_eq(header()[0], SSE, "XSTATE_BV");
    load_xmm0(5);
    ok_eq((u64)op_fault(do_xrstor, area, X87), (u64)NO_FAULT, "XRSTOR of x87 alone");
    ok_eq(read_xmm0(), 5, "leaves XMM0");
    ok_eq((u64)op_fault(do_xrstor, area, SSE), (u64)NO_FAULT, "XRSTOR of SSE");
    ok_eq(read_xmm0(), 0x1122334455667788, "brings XMM0 back");
    header_set(0, 0);
    ok_eq((u64)op_fault(do_xrstor, area, SSE), (u64)NO_FAULT, "XRSTOR with XSTATE_BV 0");
    ok_eq(read_xmm0(), 0, "initializes XMM0");
    header()[0] = BIT(62) | X87;
    ok_eq((u64)op_fault(do_xsave, area, SSE), (u64)NO_FAULT, "XSAVE of SSE in its initial configuration");
    ok_eq(header()[0] & ~SSE, BIT(62) | X87, "bits of XSTATE_BV that weren't asked for stay");
    ok_eq((u64)op_fault(do_xsave, area + 8, SSE), VEC_GP, "XSAVE, misaligned: #GP");
    ok_eq((u64)op_fault(do_xrstor, area + 32, SSE), VEC_GP, "XRSTOR, misaligned: #GP");
    write_cr0(read_cr0() | CR0_TS);
    ok_eq((u64)op_fault(do_xsave, area, SSE), VEC_NM, "XSAVE with TS: #NM");
    ok_eq((u64)op_fault(do_xrstor, area, SSE), VEC_NM, "XRSTOR with TS: #NM");
    ok_eq((u64)op_fault(do_xsave, area + 8, SSE), VEC_NM, "XSAVE with TS, misaligned: #NM");
    write_cr0(read_cr0() & ~CR0_TS);
}

static void test_header(void) {
    static const struct {
        u64 bv, comp;
        u32 dirty;
        bool good;
    } rows[] = {
        {X87 | SSE, 0, 0,   true },
        {BIT(8),    0, 0,   false},
        {BIT(63),   0, 0,   false},
        {0,         1, 0,   false},
        {0,         0, 528, false},
        {0,         0, 535, false},
        {CET_U,     0, 0,   false},
    };
    static const struct {
        u64 bv, comp;
        u32 dirty;
        bool good;
    } compact[] = {
        {0,       BIT(63),          0,   true },
        {SSE,     BIT(63) | SSE,    0,   true },
        {SSE,     BIT(63) | X87,    0,   false},
        {0,       BIT(63) | BIT(8), 0,   false},
        {BIT(63), BIT(63) | X87,    0,   false},
        {0,       BIT(63) | X87,    528, false},
        {0,       BIT(63) | X87,    575, false},
        {0,       BIT(63) | CET_S,  0,   false},
    };
    memset(area, 0, sizeof area);
    *(u32 *)(area + 24) = 0x1F80;
    for (u32 k = 0; k < ARRAY_SIZE(rows); k++) {
        header_set(rows[k].bv, rows[k].comp);
        if (rows[k].dirty) area[rows[k].dirty] = 1;
        ok(op_fault(do_xrstor, area, X87 | SSE) == (rows[k].good ? NO_FAULT : VEC_GP),
           "XRSTOR, XSTATE_BV %llx, XCOMP_BV %llx, dirty byte %u", rows[k].bv, rows[k].comp, rows[k].dirty);
    }
    for (u32 k = 0; k < ARRAY_SIZE(compact) && has_compact; k++) {
        header_set(compact[k].bv, compact[k].comp);
        if (compact[k].dirty) area[compact[k].dirty] = 1;
        ok(op_fault(do_xrstor, area, X87 | SSE) == (compact[k].good ? NO_FAULT : VEC_GP),
           "XRSTOR, XSTATE_BV %llx, XCOMP_BV %llx, dirty byte %u", compact[k].bv, compact[k].comp, compact[k].dirty);
    }
}

/* ---- MXCSR ---- */

static void do_ldmxcsr(void *arg) { __asm__ volatile("ldmxcsr (%0)" : : "r"(arg) : "memory"); }
static u32 read_mxcsr(void) {
    u32 v;
    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v;
}

static void test_mxcsr(void) {
    u32 val = 0x1F80;
    do_ldmxcsr(&val);
    memset(area, 0, sizeof area);
    do_xsave(&(struct op){area, SSE});
    const u32 mask = *(u32 *)(area + 28);
    ok((mask & ~0x20000U) == 0xFFFF, "MXCSR_MASK is FFFFh, or 2FFFFh");
    for (u32 bit = 0; bit < 32; bit++) {
        val = 1U << bit;
        const int v = try_fault(do_ldmxcsr, &val, NULL);
        if (bit < 16 && !ok(v == NO_FAULT && read_mxcsr() == val, "LDMXCSR of bit %u", bit)) continue;
        if (bit >= 16) ok(v == (mask & val ? NO_FAULT : VEC_GP), "LDMXCSR of bit %u as MXCSR_MASK says", bit);
        val = 0x1F80;
        do_ldmxcsr(&val);
        *(u32 *)(area + 24) = 1U << bit;
        header_set(0, 0);
        ok(op_fault(do_xrstor, area, SSE) == (mask & 1U << bit ? NO_FAULT : VEC_GP), "XRSTOR of MXCSR, bit %u", bit);
        do_ldmxcsr(&val);
    }
    *(u32 *)(area + 24) = 0x1FA0;
    header_set(0, 0);
    do_xrstor(&(struct op){area, X87});
    ok_eq(read_mxcsr(), 0x1F80, "XRSTOR of x87 alone leaves MXCSR");
    if (supported & AVX) {
        do_xrstor(&(struct op){area, AVX});
        ok_eq(read_mxcsr(), 0x1FA0, "the standard form loads it with AVX, whatever XSTATE_BV says");
    }
    if (has_compact) {
        header_set(0, BIT(63) | SSE);
        do_xrstor(&(struct op){area, SSE});
        ok_eq(read_mxcsr(), 0x1F80, "the compacted form initializes it with SSE");
    }
    val = 0x1F80;
    do_ldmxcsr(&val);
}

/* ---- the modified optimization ---- */

static bool all_are(const u8 *p, u32 bytes, u8 val) {
    for (u32 k = 0; k < bytes; k++)
        if (p[k] != val) return false;
    return true;
}
static void do_optimized(void (*store)(void *), u64 mask) {
    memset(area, 0xCC, 512);
    memset(area + 576, 0xCC, sizeof area - 576);
    store(&(struct op){area, mask});
}

/* SDM 1 "Operation of XSAVEOPT": what XRSTOR has loaded from the same area need not be written. That a processor does
 * so is its choice; that it writes what has changed since is not. */
static void test_modified(const char *name, void (*store)(void *), void (*load)(void *), u64 mask) {
    memset(area, 0, sizeof area);
    load_xmm0(0x1122334455667788);
    store(&(struct op){area, mask});
    load(&(struct op){area, mask});
    do_optimized(store, mask);
    ok(all_are(area + 160, 256, 0xCC), "%s: what XRSTOR loaded is not written", name);
    ok(header()[0] & SSE, "%s: but XSTATE_BV has it", name);
    load_xmm0(0x8877665544332211);
    do_optimized(store, mask);
    ok_eq(*(u64 *)(area + 160), 0x8877665544332211, "%s: what was modified is written", name);
    load(&(struct op){area, mask});
    memset(area, 0xCC, 512);
    memcpy(other, area, sizeof other);
    store(&(struct op){other, mask});
    ok_eq(*(u64 *)(other + 160), 0x8877665544332211, "%s: to another area everything is written", name);
    if (!(supported & AVX)) return;
    load(&(struct op){other, mask & ~SSE});
    memset(other, 0xCC, 512);
    store(&(struct op){other, mask & ~AVX});
    ok_eq(*(u64 *)(other + 160), 0x8877665544332211, "%s: what XRSTOR didn't load is written", name);
}

/* ---- XSAVEOPT, XSAVEC, XGETBV of XINUSE ---- */

static void test_init(void) {
    memset(area, 0, sizeof area);
    *(u32 *)(area + 24) = 0x1F80;
    do_xrstor(&(struct op){area, supported});
    if (has_xgetbv1) {
        ok(!(xgetbv(1) & ~supported), "XINUSE has bits of XCR0 only");
        load_xmm0(1);
        ok_eq(xgetbv(1) & SSE, SSE, "XINUSE after XMM0 was written");
        do_xrstor(&(struct op){area, supported});
    } else {
        ok_eq((u64)op_fault(do_xgetbv, (void *)1, 0), VEC_GP, "XGETBV of 1 without the feature: #GP");
    }
    ok_eq((u64)op_fault(do_xgetbv, (void *)2, 0), VEC_GP, "XGETBV of 2: #GP");
    if (has_opt) {
        memset(area, 0xCC, sizeof area);
        header_set(0, 0);
        do_xsaveopt(&(struct op){area, SSE});
        ok_eq(*(u32 *)(area + 24), 0x1F80, "XSAVEOPT of initial SSE state writes MXCSR");
        test_modified("XSAVEOPT", do_xsaveopt, do_xrstor, supported);
    }
    if (has_compact) {
        memset(area, 0xCC, sizeof area);
        do_xsavec(&(struct op){area, X87 | SSE});
        ok_eq(header()[1], BIT(63) | X87 | SSE, "XSAVEC: XCOMP_BV");
        ok_eq(header()[0] & ~(X87 | SSE), 0, "XSAVEC replaces XSTATE_BV");
        ok_eq(header()[2], 0xCCCCCCCCCCCCCCCC, "and leaves the rest of the header");
        u32 val = 0x1FA0;
        do_ldmxcsr(&val);
        do_xsavec(&(struct op){area, X87 | SSE});
        ok_eq(header()[0] & SSE, SSE, "XSAVEC: MXCSR makes SSE state be saved");
        val = 0x1F80;
        do_ldmxcsr(&val);
    }
}

static void test_pkru(void) {
    if (!(supported & PKRU)) return skip("no PKRU", "PKRU as a component");
    const u32 offset = cpuid(0xD, 9).ebx;
    u32 val;
    memset(area, 0, sizeof area);
    *(u32 *)(area + 24) = 0x1F80;
    *(u32 *)(area + offset) = 0xAAAAAAA8;
    header_set(PKRU, 0);
    do_xrstor(&(struct op){area, PKRU});
    write_cr4(read_cr4() | CR4_PKE);
    __asm__ volatile(".byte 0x0F, 0x01, 0xEE" : "=a"(val) : "c"(0) : "edx");
    ok_eq(val, 0xAAAAAAA8, "XRSTOR loads PKRU");
    __asm__ volatile(".byte 0x0F, 0x01, 0xEF" : : "a"(0x55555554), "c"(0), "d"(0));
    do_xsave(&(struct op){area, PKRU});
    ok_eq(*(u64 *)(area + offset), 0x55555554, "XSAVE saves it");
    header_set(0, 0);
    do_xrstor(&(struct op){area, PKRU});
    __asm__ volatile(".byte 0x0F, 0x01, 0xEE" : "=a"(val) : "c"(0) : "edx");
    ok_eq(val, 0, "XRSTOR initializes it to 0");
    write_cr4(read_cr4() & ~CR4_PKE);
}

/* ---- IA32_XSS, XSAVES, XRSTORS ---- */

static uptr user_xsaves(uptr arg) {
    do_xsaves(&(struct op){(void *)arg, X87});
    return 0;
}
static uptr user_xrstors(uptr arg) {
    do_xrstors(&(struct op){(void *)arg, X87});
    return 0;
}
static void enter_xsaves(void *arg) { user_call(user_xsaves, (uptr)arg); }
static void enter_xrstors(void *arg) { user_call(user_xrstors, (uptr)arg); }
static void write_xss(void *arg) { wrmsr(MSR_XSS, *(u64 *)arg); }

static void test_supervisor(void) {
    if (!has_supervisor) {
        ok_eq((u64)op_fault(do_xsaves, area, X87), VEC_UD, "XSAVES without the feature: #UD");
        ok_eq((u64)op_fault(do_xrstors, area, X87), VEC_UD, "XRSTORS without the feature: #UD");
        return;
    }
    const struct cpuid c = cpuid(0xD, 1);
    const u64 system = c.ecx | (u64)c.edx << 32;
    u64 bad = BIT(0), worse = BIT(62);
    ok_eq((u64)try_fault(write_xss, &bad, NULL), VEC_GP, "IA32_XSS takes no user component");
    ok_eq((u64)try_fault(write_xss, &worse, NULL), VEC_GP, "IA32_XSS takes no reserved bit");
    test_modified("XSAVES", do_xsaves, do_xrstors, supported);
    wrmsr(MSR_XSS, system);
    ok_eq(rdmsr(MSR_XSS), system, "IA32_XSS takes what CPUID lists");
    memset(area, 0, sizeof area);
    ok_eq((u64)op_fault(do_xsaves, area, ~0ULL), (u64)NO_FAULT, "XSAVES");
    ok_eq(header()[1], BIT(63) | supported | system, "XSAVES: XCOMP_BV has both kinds");
    ok_eq((u64)op_fault(do_xrstors, area, ~0ULL), (u64)NO_FAULT, "XRSTORS");
    ok_eq((u64)op_fault(do_xsavec, area, ~0ULL), (u64)NO_FAULT, "XSAVEC");
    ok_eq(header()[1], BIT(63) | supported, "XSAVEC: user components only");
    header_set(0, 0);
    ok_eq((u64)op_fault(do_xrstors, area, X87), VEC_GP, "XRSTORS of the standard form: #GP");
    header_set(0, BIT(63) | BIT(62));
    ok_eq((u64)op_fault(do_xrstors, area, X87), VEC_GP, "XRSTORS, XCOMP_BV has a reserved bit: #GP");
    header_set(0, BIT(63));
    ok_eq((u64)op_fault(do_xsaves, area + 16, X87), VEC_GP, "XSAVES, misaligned: #GP");
    ok_eq((u64)try_fault(enter_xsaves, area, NULL), VEC_GP, "XSAVES at CPL 3: #GP");
    ok_eq((u64)try_fault(enter_xrstors, area, NULL), VEC_GP, "XRSTORS at CPL 3: #GP");
    write_cr0(read_cr0() | CR0_TS);
    ok_eq((u64)op_fault(do_xsaves, area, X87), VEC_NM, "XSAVES with TS: #NM");
    ok_eq((u64)op_fault(do_xrstors, area, X87), VEC_NM, "XRSTORS with TS: #NM");
    write_cr0(read_cr0() & ~CR0_TS);
    wrmsr(MSR_XSS, 0);
}

void guest_main(void) {
    if (!(cpuid(1, 0).ecx & BIT(26))) {
        ok_eq((u64)op_fault(do_xgetbv, NULL, 0), VEC_UD, "XGETBV without XSAVE: #UD");
        ok_eq((u64)op_fault(do_xsave, area, 1), VEC_UD, "XSAVE without XSAVE: #UD");
        return skip("no XSAVE", "the XSAVE feature set");
    }
    const struct cpuid c = cpuid(0xD, 0);
    const u32 more = cpuid(0xD, 1).eax;
    supported = c.eax | (u64)c.edx << 32;
    has_opt = more & BIT(0);
    has_compact = more & BIT(1);
    has_xgetbv1 = more & BIT(2);
    has_supervisor = more & BIT(3);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    test_osxsave();
    test_xsetbv();
    test_cpuid();
    test_save_restore();
    test_header();
    test_mxcsr();
    test_init();
    test_pkru();
    test_supervisor();
    test_gates(supported);
}
