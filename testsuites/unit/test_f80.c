/* x87 arithmetic: the host's unit and the portable code give the same bits, exceptions and condition codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/core/cpu.h"
#include "sim/fp/f80.h"
#include "testsuites/unit/fp_random.h"

typedef void op_fn(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b);
#define ARGS struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b

/* One pair of functions, by the host if it can and portable. */
#define PAIR(name, args)                                                                                               \
    static void by_host_##name(ARGS) { (void)b, f80_##name args; }                                                     \
    static void by_soft_##name(ARGS) { (void)b, soft_f80_##name args; }
/* A value that is no f80 is kept in the significand. */
#define PAIR_VALUE(name, fn, ...)                                                                                      \
    static void by_host_##name(ARGS) { (void)b, d->se = 0, d->sig = (uint64_t)f80_##fn(f, __VA_ARGS__); }              \
    static void by_soft_##name(ARGS) { (void)b, d->se = 0, d->sig = (uint64_t)soft_f80_##fn(f, __VA_ARGS__); }

PAIR(add, (f, d, a, b))
PAIR(sub, (f, d, a, b))
PAIR(mul, (f, d, a, b))
PAIR(div, (f, d, a, b))
PAIR(sqrt, (f, d, a))
PAIR(round, (f, d, a))
PAIR(scale, (f, d, a, b))
PAIR_VALUE(to_f32, to_f32, a)
PAIR_VALUE(to_f64, to_f64, a)
PAIR_VALUE(to_i16, to_int, a, 16, false)
PAIR_VALUE(to_i32, to_int, a, 32, false)
PAIR_VALUE(to_i64, to_int, a, 64, false)
PAIR_VALUE(trunc_i16, to_int, a, 16, true)
PAIR_VALUE(trunc_i32, to_int, a, 32, true)
PAIR_VALUE(trunc_i64, to_int, a, 64, true)

static void by_host_from_f32(ARGS) { (void)b, f80_from_f32(f, d, (uint32_t)a->sig); }
static void by_soft_from_f32(ARGS) { (void)b, soft_f80_from_f32(f, d, (uint32_t)a->sig); }
static void by_host_from_f64(ARGS) { (void)b, f80_from_f64(f, d, a->sig); }
static void by_soft_from_f64(ARGS) { (void)b, soft_f80_from_f64(f, d, a->sig); }
static void by_host_prem(ARGS) { f80_prem(f, d, a, b, false); }
static void by_soft_prem(ARGS) { soft_f80_prem(f, d, a, b, false); }
static void by_host_prem1(ARGS) { f80_prem(f, d, a, b, true); }
static void by_soft_prem1(ARGS) { soft_f80_prem(f, d, a, b, true); }
static void by_host_compare(ARGS) { *d = *a, f80_compare(f, a, b, false); }
static void by_soft_compare(ARGS) { *d = *a, soft_f80_compare(f, a, b, false); }
static void by_host_ucompare(ARGS) { *d = *a, f80_compare(f, a, b, true); }
static void by_soft_ucompare(ARGS) { *d = *a, soft_f80_compare(f, a, b, true); }

/* FSINCOS and FPTAN: both results at once. */
static struct f80 both(struct f80 under, struct f80 pushed) {
    return (struct f80){.sig = under.sig + 3 * pushed.sig, .se = under.se ^ pushed.se};
}
#define PAIR_TWO(name)                                                                                                 \
    static void by_host_##name(ARGS) {                                                                                 \
        struct f80 pushed = {0};                                                                                       \
        (void)b, f80_##name(f, d, &pushed, a);                                                                         \
        *d = both(*d, pushed);                                                                                         \
    }                                                                                                                  \
    static void by_soft_##name(ARGS) {                                                                                 \
        struct f80 pushed = {0};                                                                                       \
        (void)b, soft_f80_##name(f, d, &pushed, a);                                                                    \
        *d = both(*d, pushed);                                                                                         \
    }
PAIR(f2xm1, (f, d, a))
PAIR(fsin, (f, d, a))
PAIR(fcos, (f, d, a))
PAIR(fyl2x, (f, d, a, b))
PAIR(fyl2xp1, (f, d, a, b))
PAIR(fpatan, (f, d, a, b))
PAIR_TWO(fsincos)
PAIR_TWO(fptan)

enum operand_kind {
    K_F80,
    K_F32,
    K_F64,
    K_NEAR /* exponents at most 70 apart */,
    K_SCALE,
    K_SMALL /* |a| below 2^63 or so */,
    K_FRACTION /* |a| < 1 */
};
struct row {
    const char *name;
    op_fn *host, *soft;
    enum operand_kind kind;
    uint64_t ulps;
};
#define ROW(name, kind, ulps)                                                                                          \
    { #name, by_host_##name, by_soft_##name, kind, ulps }
static const struct row transcendental[] = {
    ROW(f2xm1, K_FRACTION, 1), ROW(fsin, K_SMALL, 1),  ROW(fcos, K_SMALL, 1),       ROW(fsincos, K_SMALL, 4),
    ROW(fptan, K_SMALL, 1),    ROW(fyl2x, K_SMALL, 1), ROW(fyl2xp1, K_FRACTION, 1), ROW(fpatan, K_SMALL, 1),
    ROW(f2xm1, K_F80, 1),      ROW(fsin, K_F80, 1),    ROW(fyl2x, K_F80, 1),        ROW(fpatan, K_F80, 1),
};
#undef ROW
#define ROW(name, kind)                                                                                                \
    { #name, by_host_##name, by_soft_##name, kind, 0 }
static const struct row exact[] = {
    ROW(add, K_F80),       ROW(sub, K_F80),       ROW(mul, K_F80),      ROW(div, K_F80),      ROW(sqrt, K_F80),
    ROW(add, K_NEAR),      ROW(sub, K_NEAR),      ROW(round, K_F80),    ROW(scale, K_F80),    ROW(scale, K_SCALE),
    ROW(prem, K_F80),      ROW(prem1, K_F80),     ROW(prem, K_NEAR),    ROW(prem1, K_NEAR),   ROW(compare, K_F80),
    ROW(ucompare, K_F80),  ROW(compare, K_NEAR),  ROW(from_f32, K_F32), ROW(from_f64, K_F64), ROW(to_f32, K_F80),
    ROW(to_f64, K_F80),    ROW(to_i16, K_F80),    ROW(to_i32, K_F80),   ROW(to_i64, K_F80),   ROW(trunc_i16, K_F80),
    ROW(trunc_i32, K_F80), ROW(trunc_i64, K_F80),
};
#undef ROW

static void operands(uint64_t *seed, enum operand_kind kind, struct f80 *a, struct f80 *b) {
    *a = fp_random_f80(seed);
    *b = fp_random_f80(seed);
    uint64_t r = fp_random(seed);
    switch (kind) {
    case K_F32:
        a->sig = fp_random_bits(seed, 23, 8);
        break;
    case K_F64:
        a->sig = fp_random_bits(seed, 52, 11);
        break;
    case K_NEAR:
        if ((a->se & F80_MAX_EXP) > 200 && (a->se & F80_MAX_EXP) < 0x7F00) b->se = (uint16_t)(a->se + (r % 141) - 70);
        if (r & 1 << 20) b->sig |= F80_INTEGER;
        if (r & 1 << 21) b->sig = a->sig + (r >> 22 & 3) - 1;
        break;
    case K_SCALE:
        b->se = (uint16_t)((b->se & F80_SIGN) | (F80_BIAS + r % 18));
        break;
    case K_SMALL:
        a->sig |= F80_INTEGER;
        a->se = (uint16_t)((a->se & F80_SIGN) | (F80_BIAS + r % 95 - 30));
        break;
    case K_FRACTION:
        a->sig |= F80_INTEGER;
        a->se = (uint16_t)((a->se & F80_SIGN) | (F80_BIAS - 1 - r % 70));
        break;
    default:
        break;
    }
    if ((r >> 40 & 15) == 0) *b = *a;
}

static unsigned long rounds(unsigned long normal) {
    const char *n = getenv("FP_ROUNDS");
    return n ? strtoul(n, NULL, 0) : normal;
}

static int setup(void **state) {
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);
    memset(cpu, 0, sizeof *cpu);
    *state = cpu;
    return 0;
}
static int teardown(void **state) {
    free(*state);
    return 0;
}

/* Run one row both ways with random operands and controls; `ulps` is how far the significands may be apart, `ignored`
 * which bits of the status word may differ. */
static unsigned compare(struct fpu_regs *f, const struct row *row, uint64_t *seed, uint64_t ulps, uint16_t ignored,
                        bool unmask) {
    struct f80 a, b, h, s;
    operands(seed, row->kind, &a, &b);
    h = s = a; /* the destination is the operand */
    uint64_t r = fp_random(seed);
    f->fcw = (uint16_t)(FCW_INIT | (r & 3) << FCW_RC_SHIFT);
    if (r & 4) f->fcw = (uint16_t)((f->fcw & ~FCW_PC) | (r >> 3 & 3) << 8);
    if (unmask) f->fcw = (uint16_t)(f->fcw & ~(r >> 40 & FSW_EXC));
    uint16_t before = unmask || r & 0xE000 ? 0 : (uint16_t)(r >> 32 & (FSW_CODE | FSW_EXC | FSW_TOP));
    f->fsw = before;
    row->host(f, &h, &a, &b);
    uint16_t hsw = f->fsw;
    f->fsw = before;
    row->soft(f, &s, &a, &b);
    bool same = h.se == s.se && h.sig - s.sig + ulps <= 2 * ulps;
    /* one apart across a power of two */
    if (ulps && h.sig + s.sig + 1 == F80_INTEGER && (h.se == s.se + 1 || s.se == h.se + 1)) same = true;
    if (same && !((hsw ^ f->fsw) & ~ignored)) return 0;
    fprintf(stderr,
            "%s(%04x.%016llx, %04x.%016llx) CW %x SW %x:\n  host %04x.%016llx SW %x, portable %04x.%016llx SW %x\n",
            row->name, a.se, (unsigned long long)a.sig, b.se, (unsigned long long)b.sig, f->fcw, before, h.se,
            (unsigned long long)h.sig, hsw, s.se, (unsigned long long)s.sig, f->fsw);
    return 1;
}

static void test_f80_host_and_portable_agree(void **state) {
    struct cpu *cpu = *state;
    uint64_t seed = 0xFEDCBA987654321ull;
    unsigned bad = 0;
    fp_enter(cpu);
    for (unsigned long n = rounds(10000); n && bad < 20; n--)
        for (unsigned k = 0; k < sizeof exact / sizeof exact[0]; k++)
            bad += compare(&cpu->fpu, &exact[k], &seed, 0, 0, false);
    fp_leave(cpu);
    assert_int_equal(bad, 0);
}

/* The last bit, and with it C1, is the host's own. These run on the host with exceptions unmasked, too. */
static void test_f80_transcendentals_agree_to_the_last_bit_but_one(void **state) {
    struct cpu *cpu = *state;
    uint64_t seed = 0xABCDEF0123456789ull;
    unsigned bad = 0;
    fp_enter(cpu);
    for (unsigned long n = rounds(5000); n && bad < 20; n--)
        for (unsigned k = 0; k < sizeof transcendental / sizeof transcendental[0]; k++)
            bad += compare(&cpu->fpu, &transcendental[k], &seed, transcendental[k].ulps, FSW_C1, n & 1);
    fp_leave(cpu);
    assert_int_equal(bad, 0);
}

/* What the two backends would share in error: results that are known. */
static void test_f80_known_results_come_out(void **state) {
    struct cpu *cpu = *state;
    struct fpu_regs *f = &cpu->fpu;
    const struct f80 one = {.sig = F80_INTEGER, .se = F80_BIAS}, three = {.sig = 3ull << 62, .se = F80_BIAS + 1};
    struct f80 d;
    fp_enter(cpu);
    f->fcw = FCW_INIT;
    f->fsw = 0;
    f80_div(f, &d, &one, &three);
    assert_true(d.se == F80_BIAS - 2 && d.sig == 0xAAAAAAAAAAAAAAABull);
    assert_int_equal(f->fsw, FSW_PE | FSW_C1);
    f80_fpatan(f, &d, &one, &one); /* pi / 4 */
    assert_true(d.se == F80_BIAS - 1 && d.sig == 0xC90FDAA22168C235ull);
    struct f80 zero = {0};
    f->fsw = 0;
    f80_div(f, &d, &zero, &zero);
    assert_true(d.se == 0xFFFF && d.sig == 3ull << 62);
    assert_int_equal(f->fsw, FSW_IE);
    fp_leave(cpu);
}

/* Unmasked exceptions: what stays, what is biased. */
static void test_f80_unmasked_exceptions_keep_or_bias_the_result(void **state) {
    struct cpu *cpu = *state;
    struct fpu_regs *f = &cpu->fpu;
    const struct f80 zero = {0}, one = {.sig = F80_INTEGER, .se = F80_BIAS}, huge = {.sig = F80_INTEGER, .se = 0x7FFE},
                     tiny = {.sig = F80_INTEGER, .se = 1};
    struct f80 d = one;
    f->fcw = FCW_INIT & ~FP_ALL;
    f->fsw = 0;
    f80_div(f, &d, &one, &zero);
    assert_true(f80_suppressed(f) && d.se == one.se && d.sig == one.sig);
    assert_int_equal(f->fsw, FSW_ZE);
    f->fsw = 0;
    f80_mul(f, &d, &huge, &huge);
    assert_true(!f80_suppressed(f) && d.se == 0x7FFE + 0x7FFE - F80_BIAS - 24576 && d.sig == F80_INTEGER);
    assert_int_equal(f->fsw, FSW_OE);
    f->fsw = 0;
    f80_mul(f, &d, &tiny, &tiny);
    assert_true(!f80_suppressed(f) && d.se == 2 - F80_BIAS + 24576 && d.sig == F80_INTEGER);
    assert_int_equal(f->fsw, FSW_UE);
    f->fsw = 0;
    f80_to_f64(f, &huge);
    assert_true(f80_store_suppressed(f));
    assert_int_equal(f->fsw, FSW_OE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_f80_known_results_come_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_f80_unmasked_exceptions_keep_or_bias_the_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_f80_transcendentals_agree_to_the_last_bit_but_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_f80_host_and_portable_agree, setup, teardown),
    };
    return cmocka_run_group_tests_name("f80", tests, NULL, NULL);
}
