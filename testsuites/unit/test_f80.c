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

enum operand_kind { K_F80, K_F32, K_F64, K_NEAR /* exponents at most 70 apart */, K_SCALE };
#define ROW(name, kind)                                                                                                \
    { #name, by_host_##name, by_soft_##name, kind }
static const struct {
    const char *name;
    op_fn *host, *soft;
    enum operand_kind kind;
} ops[] = {
    ROW(add, K_F80),       ROW(sub, K_F80),       ROW(mul, K_F80),      ROW(div, K_F80),      ROW(sqrt, K_F80),
    ROW(add, K_NEAR),      ROW(sub, K_NEAR),      ROW(round, K_F80),    ROW(scale, K_F80),    ROW(scale, K_SCALE),
    ROW(prem, K_F80),      ROW(prem1, K_F80),     ROW(prem, K_NEAR),    ROW(prem1, K_NEAR),   ROW(compare, K_F80),
    ROW(ucompare, K_F80),  ROW(compare, K_NEAR),  ROW(from_f32, K_F32), ROW(from_f64, K_F64), ROW(to_f32, K_F80),
    ROW(to_f64, K_F80),    ROW(to_i16, K_F80),    ROW(to_i32, K_F80),   ROW(to_i64, K_F80),   ROW(trunc_i16, K_F80),
    ROW(trunc_i32, K_F80), ROW(trunc_i64, K_F80),
};
#undef ROW
#define OPS (sizeof ops / sizeof ops[0])

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

static void test_f80_host_and_portable_agree(void **state) {
    struct cpu *cpu = *state;
    struct fpu_regs *f = &cpu->fpu;
    uint64_t seed = 0xFEDCBA987654321ull;
    unsigned bad = 0;
    fp_enter(cpu);
    for (unsigned long n = rounds(10000); n; n--) {
        for (unsigned k = 0; k < OPS; k++) {
            struct f80 a, b, h = {0}, s = {0};
            operands(&seed, ops[k].kind, &a, &b);
            uint64_t r = fp_random(&seed);
            f->fcw = (uint16_t)(FCW_INIT | (r & 3) << FCW_RC_SHIFT);
            if (r & 4) f->fcw = (uint16_t)((f->fcw & ~FCW_PC) | (r >> 3 & 3) << 8);
            uint16_t before = r & 0xE000 ? 0 : (uint16_t)(r >> 32 & (FSW_CODE | FSW_EXC | FSW_TOP));
            f->fsw = before;
            ops[k].host(f, &h, &a, &b);
            uint16_t hsw = f->fsw;
            f->fsw = before;
            ops[k].soft(f, &s, &a, &b);
            if (h.sig == s.sig && h.se == s.se && hsw == f->fsw) continue;
            fprintf(
                stderr,
                "%s(%04x.%016llx, %04x.%016llx) CW %x SW %x: host %04x.%016llx SW %x, portable %04x.%016llx SW %x\n",
                ops[k].name, a.se, (unsigned long long)a.sig, b.se, (unsigned long long)b.sig, f->fcw, before, h.se,
                (unsigned long long)h.sig, hsw, s.se, (unsigned long long)s.sig, f->fsw);
            if (++bad > 40) n = 1;
        }
    }
    fp_leave(cpu);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_f80_host_and_portable_agree, setup, teardown),
    };
    return cmocka_run_group_tests_name("f80", tests, NULL, NULL);
}
