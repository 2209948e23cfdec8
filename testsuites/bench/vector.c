/* Floating point, and copying with vector registers. This file uses vector registers in assembly alone. */
#include "testsuites/bench/bench.h"

#define BLOCK 65536

static u8 source[BLOCK] ALIGNED(64), target[BLOCK] ALIGNED(64);

/* ---- switching the units on ---- */

enum { X87_PRESENT = BIT(0), SSE2_PRESENT = BIT(25) | BIT(26) };                       /* CPUID.01H:EDX */
enum { XSAVE_PRESENT = BIT(26), AVX_PRESENT = BIT(28) };                               /* CPUID.01H:ECX */
enum { CR4_FXSR_BIT = BIT(9), CR4_XMMEXCPT_BIT = BIT(10), CR4_OSXSAVE_BIT = BIT(18) }; /* CR4 */

static const char *x87_setup(const struct workload *w) {
    (void)w;
    if (!(cpuid(1, 0).edx & X87_PRESENT)) return "no x87 unit";
    __asm__ volatile("fninit");
    return NULL;
}

static const char *sse2_setup(const struct workload *w) {
    const u32 mxcsr = 0x1F80;
    (void)w;
    if ((cpuid(1, 0).edx & SSE2_PRESENT) != SSE2_PRESENT) return "no SSE2";
    write_cr4(read_cr4() | CR4_FXSR_BIT | CR4_XMMEXCPT_BIT);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    for (u32 i = 0; i < BLOCK; i++) source[i] = (u8)(i * 7 + (i >> 8));
    return NULL;
}

static const char *avx_setup(const struct workload *w) {
    const u32 both = XSAVE_PRESENT | AVX_PRESENT;
    const char *reason = sse2_setup(w);
    if (reason) return reason;
    if ((cpuid(1, 0).ecx & both) != both) return "no AVX";
    write_cr4(read_cr4() | CR4_OSXSAVE_BIT);
    __asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
    return NULL;
}

/* ---- copies ---- */

/* 64 of the target's bytes, spread */
static u64 sample(void) {
    u64 sum = 0;
    for (u32 i = 0; i < BLOCK; i += BLOCK / 64) sum = sum * 257 + target[i + (i >> 10)];
    return sum;
}

/* as a compiler makes it of a loop */
static u64 copy_sse_round(const struct workload *w) {
    u64 i = 0;
    (void)w;
    __asm__ volatile("1: movdqu (%1,%0), %%xmm0\n\t"
                     "movups %%xmm0, (%2,%0)\n\t"
                     "addq $16, %0\n\t"
                     "cmpq %3, %0\n\t"
                     "jne 1b"
                     : "+r"(i)
                     : "r"(source), "r"(target), "i"(BLOCK)
                     : "memory", "cc");
    return sample();
}

/* as the memcpy of a library */
static u64 memcpy_sse_round(const struct workload *w) {
    const u8 *from = source;
    u8 *to = target, *end = target + BLOCK;
    (void)w;
    __asm__ volatile("1: movups (%0), %%xmm0\n\t"
                     "movups 16(%0), %%xmm1\n\t"
                     "movups 32(%0), %%xmm2\n\t"
                     "movups 48(%0), %%xmm3\n\t"
                     "subq $-64, %0\n\t"
                     "movaps %%xmm0, (%1)\n\t"
                     "movaps %%xmm1, 16(%1)\n\t"
                     "movaps %%xmm2, 32(%1)\n\t"
                     "movaps %%xmm3, 48(%1)\n\t"
                     "subq $-64, %1\n\t"
                     "cmpq %1, %2\n\t"
                     "ja 1b"
                     : "+r"(from), "+r"(to)
                     : "r"(end)
                     : "memory", "cc");
    return sample();
}

static u64 memcpy_avx_round(const struct workload *w) {
    const u8 *from = source;
    u8 *to = target, *end = target + BLOCK;
    (void)w;
    __asm__ volatile("1: vmovdqu (%0), %%ymm0\n\t"
                     "vmovdqu 32(%0), %%ymm1\n\t"
                     "vmovdqu 64(%0), %%ymm2\n\t"
                     "vmovdqu 96(%0), %%ymm3\n\t"
                     "subq $-128, %0\n\t"
                     "vmovdqa %%ymm0, (%1)\n\t"
                     "vmovdqa %%ymm1, 32(%1)\n\t"
                     "vmovdqa %%ymm2, 64(%1)\n\t"
                     "vmovdqa %%ymm3, 96(%1)\n\t"
                     "subq $-128, %1\n\t"
                     "cmpq %1, %2\n\t"
                     "ja 1b\n\t"
                     "vzeroupper"
                     : "+r"(from), "+r"(to)
                     : "r"(end)
                     : "memory", "cc");
    return sample();
}

/* ---- arithmetic ---- */

static u64 nbody_sse2_round(const struct workload *w) {
    (void)w;
    return nbody_sse2();
}
static u64 daxpy_sse2_round(const struct workload *w) {
    (void)w;
    return daxpy_sse2();
}
static u64 nbody_x87_round(const struct workload *w) {
    (void)w;
    return nbody_x87();
}
static u64 daxpy_x87_round(const struct workload *w) {
    (void)w;
    return daxpy_x87();
}

// clang-format off
const struct workload vector_workloads[] = {
    {.name = "sse2-nbody", .unit = "step of 5 bodies", .operations = NBODY_STEPS, .rounds = 4,
     .round = nbody_sse2_round, .setup = sse2_setup},
    {.name = "sse2-daxpy", .unit = "element", .operations = DAXPY_ELEMENTS * DAXPY_TIMES, .rounds = 4,
     .round = daxpy_sse2_round, .setup = sse2_setup},
    {.name = "x87-nbody", .unit = "step of 5 bodies", .operations = NBODY_STEPS, .rounds = 2,
     .round = nbody_x87_round, .setup = x87_setup},
    {.name = "x87-daxpy", .unit = "element", .operations = DAXPY_ELEMENTS * DAXPY_TIMES, .rounds = 2,
     .round = daxpy_x87_round, .setup = x87_setup},
    {.name = "copy-sse", .unit = "byte", .operations = BLOCK, .rounds = 32, .round = copy_sse_round, .setup = sse2_setup},
    {.name = "memcpy-sse", .unit = "byte", .operations = BLOCK, .rounds = 32, .round = memcpy_sse_round, .setup = sse2_setup},
    {.name = "memcpy-avx", .unit = "byte", .operations = BLOCK, .rounds = 32, .round = memcpy_avx_round, .setup = avx_setup},
    {.name = NULL},
};
// clang-format on
