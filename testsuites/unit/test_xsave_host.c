/* XSAVE, XSAVEOPT, XSAVEC and XRSTOR on the host's processor and here: the same images, the same bytes. Skipped where
 * the host isn't an x86-64 with AVX-512 whose standard format is that of the model. */
#include "xsave_world.h"

#define TRIALS    20000
#define AREA_SIZE 4096
#define HOST_MASK 0xE7ull /* x87, SSE, AVX, AVX-512 */
#define FIRST_AT  0x50000u
#define SECOND_AT 0x60000u

struct image {
    _Alignas(64) uint8_t b[AREA_SIZE];
};

/* Load `first`, then those components of `second` that load_mask has, then save those of save_mask over `fill`. */
struct trial {
    struct image first, second;
    uint64_t load_mask, save_mask;
    enum op save;
    bool w64;
    uint8_t fill;
};

#ifdef __x86_64__
#include <cpuid.h>
#include <signal.h>

static sigjmp_buf back;
static void on_fault(int sig) {
    (void)sig;
    siglongjmp(back, 1);
}

/* All in one piece: no compiled code runs with the registers of a trial. */
#define NATIVE(name, save, restore)                                                                                    \
    static void name(const struct trial *t, struct image *out, struct image *own) {                                    \
        __asm__ volatile("xsave64 (%[own])\n\t"                                                                        \
                         "xrstor64 (%[first])\n\t"                                                                     \
                         "movl %[load], %%eax\n\txorl %%edx, %%edx\n\t" restore " (%[second])\n\t"                     \
                         "movl %[store], %%eax\n\txorl %%edx, %%edx\n\t" save " (%[out])\n\t"                          \
                         "movl $-1, %%eax\n\tmovl %%eax, %%edx\n\txrstor64 (%[own])"                                   \
                         :                                                                                             \
                         : [own] "r"(own), [first] "r"(&t->first), [second] "r"(&t->second), [out] "r"(out),           \
                           [load] "r"((uint32_t)t->load_mask), [store] "r"((uint32_t)t->save_mask), "a"(-1), "d"(-1)   \
                         : "memory", "cc");                                                                            \
    }
NATIVE(native_xsave, "xsave", "xrstor")
NATIVE(native_xsave64, "xsave64", "xrstor64")
NATIVE(native_xsaveopt, "xsaveopt", "xrstor")
NATIVE(native_xsaveopt64, "xsaveopt64", "xrstor64")
NATIVE(native_xsavec, "xsavec", "xrstor")
NATIVE(native_xsavec64, "xsavec64", "xrstor64")

/* false: #GP */
static bool run_native(const struct trial *t, struct image *out) {
    static void (*const fn[OP_COUNT][2])(const struct trial *, struct image *, struct image *) = {
        [OP_XSAVE] = {native_xsave,    native_xsave64   },
        [OP_XSAVEOPT] = {native_xsaveopt, native_xsaveopt64},
        [OP_XSAVEC] = {native_xsavec,   native_xsavec64  },
    };
    struct image own = {{0}};
    memset(out->b, t->fill, sizeof out->b);
    if (sigsetjmp(back, 1)) return false;
    fn[t->save][t->w64](t, out, &own);
    return true;
}

static const char *host_spec(void) {
    unsigned a, b, c, d, lo, hi;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return NULL;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    if ((lo & HOST_MASK) != HOST_MASK) return NULL;
    __cpuid_count(0xD, 1, a, b, c, d);
    if ((a & 3) != 3) return NULL;
    __cpuid_count(0xD, 5, a, b, c, d);
    return b == 1088 ? INTEL_STATE : b == 832 ? AMD_STATE : NULL;
}
#else
static bool run_native(const struct trial *t, struct image *out) {
    (void)t;
    (void)out;
    return false;
}
static const char *host_spec(void) { return NULL; }
#endif

static int setup_host(void **state) {
    const char *spec = host_spec();
    *state = spec ? xsave_machine(spec) : NULL;
    return 0;
}
static int teardown_host(void **state) {
    if (*state) machine_destroy(*state);
    return 0;
}

/* ---- CPUID ---- */

static void test_xsave_host_has_the_same_layout(void **state) {
#ifdef __x86_64__
    if (!*state) skip();
    for (unsigned sub = 2; sub < 8; sub++) {
        struct cpuid_regs r;
        unsigned a, b, c, d;
        __cpuid_count(0xD, sub, a, b, c, d);
        if (!a) continue; /* not there, as MPX is not here */
        cpuid(cpu_of(state), 0xD, sub, &r);
        if (!r.eax) continue;
        assert_int_equal(r.eax, a);
        assert_int_equal(r.ebx, b);
        assert_int_equal(r.ecx & 3, c & 3);
    }
#else
    (void)state;
    skip();
#endif
}

/* ---- bytes ---- */

static uint64_t seed = 0x123456789ABCDEFull;
static uint64_t rnd(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void random_header(uint8_t *header, bool damaged) {
    const bool compacted = rnd() & 1;
    const uint64_t comp = rnd() & HOST_MASK, bv = rnd() & (compacted ? comp : HOST_MASK);
    const uint64_t words[2] = {bv, compacted ? comp | XCOMP_BV_COMPACTED : 0};
    memset(header, 0, 64);
    memcpy(header, words, 16);
    if (damaged) header[rnd() & 63] ^= (uint8_t)(1u << (rnd() & 7));
}

/* Components are often zero, and MXCSR is often what it is after reset: the initial configuration is the point here. */
static void random_image(struct image *i, bool damaged) {
    static const uint16_t parts[] = {0, 24, 32, 160, 416, 576, 832, 896, 1408, 2432, AREA_SIZE};
    for (unsigned k = 0; k + 1 < sizeof parts / sizeof parts[0]; k++) {
        const bool zero = !(rnd() & 3);
        for (unsigned n = parts[k]; n < parts[k + 1]; n++) i->b[n] = zero ? 0 : (uint8_t)rnd();
    }
    const uint32_t mxcsr = rnd() & 1 ? MXCSR_INIT : (uint32_t)rnd() & (damaged ? 0x3FFFF : 0xFFFF);
    memcpy(i->b + 24, &mxcsr, 4);
    if (rnd() & 1) { /* x87 in its initial configuration, or nearly */
        memset(i->b, 0, 24);
        i->b[0] = 0x7F;
        i->b[1] = 0x03;
    }
    random_header(i->b + 512, damaged);
}

static bool run_here(struct cpu *cpu, const struct trial *t) {
    enter_long(cpu);
    cpu->ctl.xcr0 = HOST_MASK;
    cpu_update_mode(cpu);
    memset(area_of(cpu), t->fill, AREA_SIZE);
    assert_true(machine_write(cpu->machine, FIRST_AT, t->first.b, AREA_SIZE));
    assert_true(machine_write(cpu->machine, SECOND_AT, t->second.b, AREA_SIZE));
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, true, ALL, FIRST_AT), -1);
    const int vector = run_op_at(cpu, OP_XRSTOR, t->w64, t->load_mask, SECOND_AT);
    if (vector >= 0) assert_int_equal(vector, VEC_GP);
    if (vector >= 0) return false;
    assert_int_equal(run_op_at(cpu, t->save, t->w64, t->save_mask, AREA), -1);
    return true;
}

static void compare(struct cpu *cpu, const struct trial *t, unsigned n) {
    struct image theirs;
    const bool ok = run_native(t, &theirs);
    if (run_here(cpu, t) != ok) fail_msg("trial %u: the host's processor %s", n, ok ? "does it" : "raises #GP");
    if (!ok) return;
    uint64_t bv[2];
    memcpy(&bv[0], theirs.b + 512, 8);
    memcpy(&bv[1], area_of(cpu) + 512, 8);
    /* A processor may take a component for used though it is in its initial configuration. */
    if (bv[1] & ~bv[0]) fail_msg("trial %u: XSTATE_BV %lx there, %lx here", n, bv[0], bv[1]);
    if (bv[0] != bv[1] && t->save != OP_XSAVE) return;
    memcpy(theirs.b + 512, &bv[1], 8);
    for (unsigned k = 0; k < AREA_SIZE; k++)
        if (theirs.b[k] != area_of(cpu)[k])
            fail_msg("trial %u, op %u, w64 %u: byte %u is %02x there, %02x here", n, t->save, t->w64, k, theirs.b[k],
                     area_of(cpu)[k]);
}

static void test_xsave_host_saves_and_restores_the_same_bytes(void **state) {
#ifdef __x86_64__
    static const enum op saves[] = {OP_XSAVE, OP_XSAVEOPT, OP_XSAVEC};
    const struct sigaction fault = {.sa_handler = on_fault};
    struct sigaction old;
    struct trial t;
    if (!*state) skip();
    sigaction(SIGSEGV, &fault, &old);
    for (unsigned n = 0; n < TRIALS; n++) {
        random_image(&t.first, false);
        random_image(&t.second, !(rnd() & 7));
        t.load_mask = rnd() & 0xFF;
        t.save_mask = rnd() & 3 ? HOST_MASK : rnd() & HOST_MASK;
        t.save = saves[rnd() % 3];
        t.w64 = rnd() & 1;
        t.fill = (uint8_t)rnd();
        compare(cpu_of(state), &t, n);
    }
    sigaction(SIGSEGV, &old, NULL);
#else
    (void)state;
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_xsave_host_has_the_same_layout, setup_host, teardown_host),
        cmocka_unit_test_setup_teardown(test_xsave_host_saves_and_restores_the_same_bytes, setup_host, teardown_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
