/* What the vector images share: which instructions there are, and enabling them. */
#ifndef GUEST_VECTOR_H
#define GUEST_VECTOR_H

#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

struct vector_features {
    bool x87, mmx, fxsr, sse, sse2, ssse3, sse42, popcnt, avx, avx2, bmi1, avx512; /* avx512: F, BW, DQ and VL */
};

static inline struct vector_features vector_features(void) {
    const struct cpuid one = cpuid(1, 0), seven = cpuid_if_present(7, 0);
    const u64 avx512 = BIT(16) | BIT(17) | BIT(30) | BIT(31);
    struct vector_features f = {.x87 = one.edx & BIT(0),
                                .mmx = one.edx & BIT(23),
                                .fxsr = one.edx & BIT(24),
                                .sse = one.edx & BIT(25),
                                .sse2 = one.edx & BIT(26),
                                .ssse3 = one.ecx & BIT(9),
                                .sse42 = one.ecx & BIT(20),
                                .popcnt = one.ecx & BIT(23),
                                .bmi1 = seven.ebx & BIT(3)};
    if (!(one.ecx & BIT(26))) return f;
    const u32 xcr0 = cpuid(0xD, 0).eax;
    f.avx = (one.ecx & BIT(28)) && (xcr0 & 7) == 7;
    f.avx2 = f.avx && (seven.ebx & BIT(5));
    f.avx512 = f.avx && (seven.ebx & avx512) == avx512 && (xcr0 & 0xE0) == 0xE0;
    return f;
}

static inline void load_mxcsr(u32 v) { __asm__ volatile("ldmxcsr %0" : : "m"(v)); }
static inline u32 read_mxcsr(void) {
    u32 v;
    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v;
}

/* Everything that there is, enabled; x87 and MXCSR as after FNINIT and RESET */
static inline struct vector_features vector_enable(void) {
    const struct vector_features f = vector_features();
    write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    if (f.fxsr) write_cr4(read_cr4() | CR4_OSFXSR | (f.sse ? CR4_OSXMMEXCPT : 0));
    if (f.avx) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        __asm__ volatile("xsetbv" : : "c"(0), "a"(7u | (f.avx512 ? 0xE0u : 0)), "d"(0));
    }
    if (f.x87) __asm__ volatile("fninit");
    if (f.sse) load_mxcsr(0x1F80);
    return f;
}

/* A piece of code (lib/code.h) with arg as its first argument: the vector that it raises, or NO_FAULT */
static inline int fault_of(const u8 *code, const void *arg, struct fault *f) {
    return try_fault((void (*)(void *))(uptr)code, (void *)(uptr)arg, f);
}

#endif
