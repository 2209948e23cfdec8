/* The two floating-point backends against each other: the host's instructions and the portable code give the same bits
 * and raise the same flags. What only the portable code does has its known results in test_fp_known.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/core/cpu.h"
#include "sim/fp/fp.h"
#include "testsuites/unit/fp_random.h"

struct operands {
    uint64_t v[3];
    uint32_t imm;
};
typedef uint64_t op_fn(struct fp_env *e, const struct operands *o);

#define ARGS struct fp_env *e, const struct operands *o
#define A32  (uint32_t) o->v[0]
#define B32  (uint32_t) o->v[1]
#define C32  (uint32_t) o->v[2]
#define A64  o->v[0]
#define B64  o->v[1]
#define C64  o->v[2]

/* All elements as one number: whichever differs shows, wherever it is. */
static uint64_t fold(const void *elements, unsigned bytes) {
    const uint8_t *p = elements;
    uint64_t h = 0xCBF29CE484222325ull;
    for (unsigned k = 0; k < bytes; k++) h = (h ^ p[k]) * 0x100000001B3ull;
    return h;
}

#define BINARY(op)                                                                                                     \
    static uint64_t op##32(ARGS) { return fp32_##op(e, A32, B32); }                                                    \
    static uint64_t op##64(ARGS) { return fp64_##op(e, A64, B64); }                                                    \
    static uint64_t op##32x4(ARGS) {                                                                                   \
        uint32_t d[4], a[4] = {A32, 0x3F800000, A32, B32}, b[4] = {B32, 0x40000000, A32, A32};                         \
        fp32x4_##op(e, d, a, b);                                                                                       \
        return fold(d, sizeof d);                                                                                      \
    }                                                                                                                  \
    static uint64_t op##64x2(ARGS) {                                                                                   \
        uint64_t d[2], a[2] = {A64, B64}, b[2] = {B64, A64};                                                           \
        fp64x2_##op(e, d, a, b);                                                                                       \
        return fold(d, sizeof d);                                                                                      \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(min)
BINARY(max)

#define SIGNS o->imm & 1, o->imm & 2
static uint64_t sqrt32(ARGS) { return fp32_sqrt(e, A32); }
static uint64_t sqrt64(ARGS) { return fp64_sqrt(e, A64); }
static uint64_t fma32(ARGS) { return fp32_fma(e, A32, B32, C32, SIGNS); }
static uint64_t fma64(ARGS) { return fp64_fma(e, A64, B64, C64, SIGNS); }
static uint64_t fma32x4(ARGS) {
    uint32_t d[4], a[4] = {A32, B32, C32, A32}, b[4] = {B32, C32, A32, A32}, c[4] = {C32, A32, B32, A32};
    fp32x4_fma(e, d, a, b, c, SIGNS);
    return fold(d, sizeof d);
}
static uint64_t fma64x2(ARGS) {
    uint64_t d[2], a[2] = {A64, B64}, b[2] = {B64, C64}, c[2] = {C64, A64};
    fp64x2_fma(e, d, a, b, c, SIGNS);
    return fold(d, sizeof d);
}
static uint64_t cmp32(ARGS) { return fp32_cmp(e, A32, B32, o->imm & 31); }
static uint64_t cmp64(ARGS) { return fp64_cmp(e, A64, B64, o->imm & 31); }
static uint64_t cmp32x4(ARGS) {
    uint32_t d[4], a[4] = {A32, A32, B32, A32}, b[4] = {B32, A32, A32, 0};
    fp32x4_cmp(e, d, a, b, o->imm & 31);
    return fold(d, sizeof d);
}
static uint64_t cmp64x2(ARGS) {
    uint64_t d[2], a[2] = {A64, B64}, b[2] = {B64, A64};
    fp64x2_cmp(e, d, a, b, o->imm & 31);
    return fold(d, sizeof d);
}
static uint64_t order32(ARGS) { return fp32_order(e, A32, B32, o->imm & 1); }
static uint64_t order64(ARGS) { return fp64_order(e, A64, B64, o->imm & 1); }
static uint64_t round32(ARGS) { return fp32_round(e, A32, (enum fp_rc)((o->imm & 7) % 5), o->imm & 8, 0); }
static uint64_t round64(ARGS) { return fp64_round(e, A64, (enum fp_rc)((o->imm & 7) % 5), o->imm & 8, 0); }
static uint64_t to_i32_32(ARGS) { return (uint32_t)fp32_to_i32(e, A32, o->imm & 1); }
static uint64_t to_i64_32(ARGS) { return (uint64_t)fp32_to_i64(e, A32, o->imm & 1); }
static uint64_t to_i32_64(ARGS) { return (uint32_t)fp64_to_i32(e, A64, o->imm & 1); }
static uint64_t to_i64_64(ARGS) { return (uint64_t)fp64_to_i64(e, A64, o->imm & 1); }
static uint64_t from_i32_32(ARGS) { return fp32_from_i32(e, (int32_t)A32); }
static uint64_t from_i64_32(ARGS) { return fp32_from_i64(e, (int64_t)A64); }
static uint64_t from_i32_64(ARGS) { return fp64_from_i32(e, (int32_t)A32); }
static uint64_t from_i64_64(ARGS) { return fp64_from_i64(e, (int64_t)A64); }
static uint64_t widen(ARGS) { return fp64_from_fp32(e, A32); }
static uint64_t narrow(ARGS) { return fp32_from_fp64(e, A64); }

#define ROW(name, width)                                                                                               \
    { #name, name, width }
static const struct {
    const char *name;
    op_fn *fn;
    unsigned width;
} ops[] = {
    ROW(add32, 32),       ROW(sub32, 32),     ROW(mul32, 32),       ROW(div32, 32),       ROW(min32, 32),
    ROW(max32, 32),       ROW(add64, 64),     ROW(sub64, 64),       ROW(mul64, 64),       ROW(div64, 64),
    ROW(min64, 64),       ROW(max64, 64),     ROW(add32x4, 32),     ROW(sub32x4, 32),     ROW(mul32x4, 32),
    ROW(div32x4, 32),     ROW(min32x4, 32),   ROW(max32x4, 32),     ROW(add64x2, 64),     ROW(sub64x2, 64),
    ROW(mul64x2, 64),     ROW(div64x2, 64),   ROW(min64x2, 64),     ROW(max64x2, 64),     ROW(sqrt32, 32),
    ROW(sqrt64, 64),      ROW(fma32, 32),     ROW(fma64, 64),       ROW(fma32x4, 32),     ROW(fma64x2, 64),
    ROW(cmp32, 32),       ROW(cmp64, 64),     ROW(cmp32x4, 32),     ROW(cmp64x2, 64),     ROW(order32, 32),
    ROW(order64, 64),     ROW(round32, 32),   ROW(round64, 64),     ROW(to_i32_32, 32),   ROW(to_i64_32, 32),
    ROW(to_i32_64, 64),   ROW(to_i64_64, 64), ROW(from_i32_32, 64), ROW(from_i64_32, 64), ROW(from_i32_64, 64),
    ROW(from_i64_64, 64), ROW(widen, 32),     ROW(narrow, 64),
};
#undef ROW
#define OPS (sizeof ops / sizeof ops[0])

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

static uint64_t operand(uint64_t *seed, unsigned width) {
    return width == 32 ? fp_random_bits(seed, 23, 8) : fp_random_bits(seed, 52, 11);
}

static uint64_t run(struct cpu *cpu, op_fn *fn, const struct operands *o, uint32_t mxcsr, bool soft, uint32_t *flags) {
    mxcsr_set(cpu, mxcsr);
    cpu->vec.env.soft = soft;
    uint64_t r = fn(&cpu->vec.env, o);
    *flags = mxcsr_get(cpu) & MXCSR_FLAGS;
    return r;
}

static unsigned long rounds(unsigned long normal) {
    const char *n = getenv("FP_ROUNDS");
    return n ? strtoul(n, NULL, 0) : normal;
}

static void test_fp_host_and_portable_agree(void **state) {
    struct cpu *cpu = *state;
    uint64_t seed = 0x123456789ABCDEFull;
    unsigned bad = 0;
    fp_enter(cpu);
    for (unsigned long n = rounds(20000); n; n--) {
        for (unsigned k = 0; k < OPS; k++) {
            struct operands o;
            for (unsigned j = 0; j < 3; j++) o.v[j] = operand(&seed, ops[k].width);
            uint64_t r = fp_random(&seed);
            if ((r & 7) == 0) o.v[1] = o.v[0] ^ (r >> 8 & 3);
            if ((r & 0x70) == 0) o.v[2] = o.v[0];
            o.imm = (uint32_t)(r >> 32);
            uint32_t mxcsr =
                MXCSR_MASKS | (r >> 16 & 3) << 13 | (r >> 18 & 1 ? MXCSR_DAZ : 0) | (r >> 19 & 1 ? MXCSR_FTZ : 0);
            uint32_t hf, sf;
            uint64_t h = run(cpu, ops[k].fn, &o, mxcsr, false, &hf), s = run(cpu, ops[k].fn, &o, mxcsr, true, &sf);
            if (h == s && hf == sf) continue;
            fprintf(stderr, "%s(%llx, %llx, %llx; %x) MXCSR %x: host %llx flags %x, portable %llx flags %x\n",
                    ops[k].name, (unsigned long long)o.v[0], (unsigned long long)o.v[1], (unsigned long long)o.v[2],
                    o.imm, mxcsr, (unsigned long long)h, hf, (unsigned long long)s, sf);
            if (++bad > 20) n = 1;
        }
    }
    fp_leave(cpu);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fp_host_and_portable_agree, setup, teardown),
    };
    return cmocka_run_group_tests_name("fp", tests, NULL, NULL);
}
