/* AVX512-FP16, which few processors have to compare with: whole registers of random values against arithmetic in
 * double, which holds sums, products and fused products of halves exactly, rounded here once. Element by element the
 * definitions of SDM 2 "VADDPH" and its neighbours. */
#include "xsave_world.h"

#define SPEC "max-intel,-vmx" STATE ",+avx512fp16"

struct op16 {
    const char *name;
    uint8_t map, pp, opcode;
    bool unary;
    double (*value)(double d, double a, double b); /* destination, first and second source */
};

static double v_add(double d, double a, double b) { return (void)d, a + b; }
static double v_sub(double d, double a, double b) { return (void)d, a - b; }
static double v_mul(double d, double a, double b) { return (void)d, a * b; }
static double v_div(double d, double a, double b) { return (void)d, a / b; }
static double v_sqrt(double d, double a, double b) { return (void)d, (void)a, __builtin_sqrt(b); }
/* a * b + c: the product is exact; the sum is rounded to odd, so that rounding once more to 11 bits is as if once. */
static double fused(double a, double b, double c) {
    double p = a * b, sum = p + c, part = sum - p, error = (p - (sum - part)) + (c - part);
    int64_t bits;
    memcpy(&bits, &sum, 8);
    if (error == 0 || __builtin_isnan(error) || bits & 1) return sum;
    bits += (error > 0) == (sum > 0) ? 1 : -1;
    memcpy(&sum, &bits, 8);
    return sum;
}
static double v_132(double d, double a, double b) { return fused(d, b, a); }
static double v_213(double d, double a, double b) { return fused(a, d, b); }
static double v_231(double d, double a, double b) { return fused(a, b, d); }
static double v_n231(double d, double a, double b) { return fused(-a, b, d); }

static const struct op16 ops[] = {
    {"VADDPH",       5, 0, 0x58, false, v_add },
    {"VMULPH",       5, 0, 0x59, false, v_mul },
    {"VSUBPH",       5, 0, 0x5C, false, v_sub },
    {"VDIVPH",       5, 0, 0x5E, false, v_div },
    {"VSQRTPH",      5, 0, 0x51, true,  v_sqrt},
    {"VFMADD132PH",  6, 1, 0x98, false, v_132 },
    {"VFMADD213PH",  6, 1, 0xA8, false, v_213 },
    {"VFMADD231PH",  6, 1, 0xB8, false, v_231 },
    {"VFNMADD231PH", 6, 1, 0xBC, false, v_n231},
};

/* ---- halves ---- */

static double value_of(uint16_t h) {
    int exp = h >> 10 & 31;
    double m = (h & 1023) + (exp ? 1024.0 : 0.0);
    double v = exp == 31 ? (h & 1023 ? __builtin_nan("") : __builtin_inf()) : __builtin_ldexp(m, (exp ? exp : 1) - 25);
    return h & 0x8000 ? -v : v;
}
static bool is_nan16(uint16_t h) { return (h & 0x7FFF) > 0x7C00; }

static double to_integer(double v, unsigned rc) {
    double down = __builtin_floor(v), rest = v - down;
    switch (rc) {
    case 0:
        return rest > 0.5 || (rest == 0.5 && __builtin_fmod(down, 2) != 0) ? down + 1 : down;
    case 1:
        return down;
    case 2:
        return __builtin_ceil(v);
    default:
        return v < 0 ? __builtin_ceil(v) : down;
    }
}
/* Rounded once; a zero keeps the sign that v has. */
static uint16_t half_of(double v, unsigned rc) {
    uint16_t sign = __builtin_signbit(v) ? 0x8000 : 0;
    if (__builtin_isinf(v)) return sign | 0x7C00;
    if (v == 0) return sign;
    int exp = __builtin_ilogb(v) < -14 ? -14 : __builtin_ilogb(v);
    double units = __builtin_fabs(to_integer(__builtin_ldexp(v, 10 - exp), rc));
    double r = __builtin_ldexp(units, exp - 10);
    if (r > 65504) {
        bool to_inf = rc == 0 || (rc == 1 && sign) || (rc == 2 && !sign);
        return sign | (to_inf ? 0x7C00 : 0x7BFF);
    }
    if (r == 0) return sign;
    exp = __builtin_ilogb(r) < -14 ? -14 : __builtin_ilogb(r);
    unsigned frac = (unsigned)__builtin_ldexp(r, 10 - exp);
    return sign | (uint16_t)(frac >= 1024 ? (unsigned)(exp + 15) << 10 | (frac & 1023) : frac);
}

static uint64_t next(uint64_t *x) {
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x * 0x2545F4914F6CDD1Dull;
}
static uint16_t random_half(uint64_t *x) {
    static const uint16_t special[] = {0,      0x8000, 1,      0x8001, 0x03FF, 0x0400, 0x8400, 0x3C00,
                                       0xBC00, 0x3C01, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7C01, 0x7E00};
    uint64_t v = next(x) >> 20;
    if (v % 6 == 0) return special[v >> 8 & 15];
    if (v % 6 < 4) return (uint16_t)((v >> 8 & 0x83FF) | (13 + (v >> 30) % 6) << 10); /* near 1 */
    return (uint16_t)(v >> 8);
}

/* ---- instructions: zmm1 = destination, zmm2 = first source, zmm3 = second source ---- */

/* rc: 0-3 embedded rounding, 4: none; k: opmask register, 0: none */
static int run_masked(struct cpu *cpu, unsigned map, unsigned pp, bool w, uint8_t opcode, bool unary, unsigned rc,
                      unsigned k) {
    const uint8_t code[6] = {0x62,
                             (uint8_t)(0xF0 | map),
                             (uint8_t)((w ? 0x80 : 0) | (unary ? 0x78 : 0x68) | 4 | pp),
                             (uint8_t)((rc < 4 ? rc << 5 | 0x18 : 0x48) | k),
                             opcode,
                             0xCB};
    return run_bytes(cpu, code, sizeof code);
}
static int run_evex(struct cpu *cpu, unsigned map, unsigned pp, bool w, uint8_t opcode, bool unary, unsigned rc) {
    return run_masked(cpu, map, pp, w, opcode, unary, rc, 0);
}

static void fill(struct cpu *cpu, uint64_t *x) {
    for (unsigned n = 1; n < 4; n++)
        for (unsigned j = 0; j < 32; j++) cpu->vec.zmm[n].u16[j] = random_half(x);
}

static int setup(void **state) {
    *state = xsave_machine(SPEC);
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = 0xE7;
    cpu_update_mode(cpu);
    mxcsr_set(cpu, MXCSR_INIT);
    return 0;
}

static uint16_t quiet(uint16_t h) { return h | 0x200; }

/* NaNs win in the order of the operands; those of FMA are looked at by the test below. */
static uint16_t expected(const struct op16 *op, uint16_t d, uint16_t a, uint16_t b, unsigned rc) {
    if (!op->unary && is_nan16(a)) return quiet(a);
    if (is_nan16(b)) return quiet(b);
    double v = op->value(value_of(d), value_of(a), value_of(b));
    return __builtin_isnan(v) ? 0xFE00 : half_of(v, rc);
}

static bool is_fma(const struct op16 *op) { return op->map == 6; }

static void test_fp16_arithmetic_is_rounded_once(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t x = 42;
    for (unsigned k = 0; k < sizeof ops / sizeof ops[0]; k++)
        for (unsigned n = 0; n < 400; n++) {
            unsigned rc = n % 5;
            fill(cpu, &x);
            const union vec d = cpu->vec.zmm[1], a = cpu->vec.zmm[2], b = cpu->vec.zmm[3];
            assert_int_equal(run_evex(cpu, ops[k].map, ops[k].pp, false, ops[k].opcode, ops[k].unary, rc), -1);
            for (unsigned j = 0; j < 32; j++) {
                uint16_t want, got = cpu->vec.zmm[1].u16[j];
                if (is_fma(&ops[k]) && (is_nan16(d.u16[j]) || is_nan16(a.u16[j]) || is_nan16(b.u16[j]))) {
                    assert_true(is_nan16(got) && (got & 0x200));
                    continue;
                }
                want = expected(&ops[k], d.u16[j], a.u16[j], b.u16[j], rc & 3);
                /* an exact 0 is -0 when rounding down; what double gave is right for the others */
                if (!(want & 0x7FFF) && !(got & 0x7FFF) && (rc & 3) == 1) continue;
                if (got != want)
                    fail_msg("%s rc %u: %04x %04x %04x gave %04x, not %04x", ops[k].name, rc, d.u16[j], a.u16[j],
                             b.u16[j], got, want);
            }
        }
}

/* ---- exceptions ---- */

static bool is_denormal16(uint16_t h) { return !(h & 0x7C00) && (h & 0x3FF); }
static bool is_snan16(uint16_t h) { return is_nan16(h) && !(h & 0x200); }

/* Less than the least normal number, after rounding to 11 bits as if exponents had no limit */
static bool tiny16(double v, unsigned rc) {
    const int exp = __builtin_ilogb(v);
    return __builtin_fabs(__builtin_ldexp(to_integer(__builtin_ldexp(v, 10 - exp), rc), exp - 10)) < 0x1p-14;
}

/* What one element raises with everything masked. SDM 1 "SIMD Floating-Point Exception Conditions"; halves know neither
 * DAZ nor FTZ (SDM 1 "Intel AVX512-FP16"). */
static uint32_t flags_of(const struct op16 *op, const uint16_t v[3], unsigned rc) {
    const unsigned from = op->unary ? 2 : is_fma(op) ? 0 : 1;
    bool snan = false, nan = false, denormal = false;
    for (unsigned k = from; k < 3; k++) {
        snan |= is_snan16(v[k]);
        nan |= is_nan16(v[k]);
        denormal |= is_denormal16(v[k]);
    }
    if (nan) return snan ? MXCSR_IE : 0;
    const double exact = op->value(value_of(v[0]), value_of(v[1]), value_of(v[2]));
    if (__builtin_isnan(exact)) return MXCSR_IE;
    const uint16_t half = half_of(exact, rc);
    if (op->value == v_div && !(v[2] & 0x7FFF) && (v[1] & 0x7C00) != 0x7C00) return MXCSR_ZE;
    uint32_t flags = denormal ? MXCSR_DE : 0;
    if (__builtin_isinf(exact)) return flags;
    if (value_of(half) != exact) flags |= MXCSR_PE;
    if (__builtin_fabs(exact) > 65504 && value_of(half) != exact) {
        /* overflow: no finite number when rounded as if there were no limit */
        const int exp = __builtin_ilogb(exact);
        const double r = __builtin_ldexp(to_integer(__builtin_ldexp(exact, 10 - exp), rc), exp - 10);
        if (__builtin_fabs(r) > 65504) flags |= MXCSR_OE;
    }
    if (exact != 0 && value_of(half) != exact && tiny16(exact, rc)) flags |= MXCSR_UE;
    return flags;
}

/* One element at a time: what MXCSR has afterwards; with each of its exceptions unmasked #XM, and nothing written; with
 * embedded rounding, which suppresses all exceptions, neither. */
static void check_exceptions(struct cpu *cpu, const struct op16 *op, uint64_t *x) {
    fill(cpu, x);
    const unsigned j = (unsigned)(next(x) >> 40) % 32, rc = (unsigned)(next(x) >> 40) % 4;
    const union vec d = cpu->vec.zmm[1];
    const uint16_t v[3] = {d.u16[j], cpu->vec.zmm[2].u16[j], cpu->vec.zmm[3].u16[j]};
    const uint32_t want = flags_of(op, v, rc), mxcsr = MXCSR_INIT | rc << 13;
    /* which of an invalid operation, a NaN or a denormal counts in a fused product is looked at elsewhere */
    const bool unclear = is_fma(op) && (is_nan16(v[0]) || is_nan16(v[1]) || is_nan16(v[2]));
    cpu->vec.k[1] = 1ull << j;
    mxcsr_set(cpu, mxcsr | MXCSR_DAZ | MXCSR_FTZ);
    assert_int_equal(run_masked(cpu, op->map, op->pp, false, op->opcode, op->unary, 4, 1), -1);
    uint32_t got = mxcsr_get(cpu) & MXCSR_FLAGS;
    if (want & (MXCSR_IE | MXCSR_ZE)) got &= ~MXCSR_DE;
    if (!unclear && got != want)
        fail_msg("%s rc %u: %04x %04x %04x raised %02x, not %02x", op->name, rc, v[0], v[1], v[2], got, want);
    for (uint32_t flag = MXCSR_IE; flag <= MXCSR_PE && !unclear; flag <<= 1) {
        if (!(want & flag)) continue;
        cpu->vec.zmm[1] = d;
        mxcsr_set(cpu, mxcsr & ~(flag << 7));
        assert_int_equal(run_masked(cpu, op->map, op->pp, false, op->opcode, op->unary, 4, 1), VEC_XM);
        assert_true(mxcsr_get(cpu) & flag);
        assert_memory_equal(&d, &cpu->vec.zmm[1], 64);
    }
    cpu->vec.zmm[1] = d;
    mxcsr_set(cpu, 0);
    assert_int_equal(run_masked(cpu, op->map, op->pp, false, op->opcode, op->unary, rc, 1), -1);
    assert_int_equal(mxcsr_get(cpu), 0);
    mxcsr_set(cpu, MXCSR_INIT);
}

static void test_fp16_exceptions_are_those_of_each_element(void **state) {
    uint64_t x = 4711;
    for (unsigned k = 0; k < sizeof ops / sizeof ops[0]; k++)
        for (unsigned n = 0; n < 3000; n++) check_exceptions(cpu_of(state), &ops[k], &x);
}

/* SDM 2 "VMINPH": the second source when either is a NaN or both are zeros; "VCMPPH" predicate 1 (LT_OS) */
static void test_fp16_minimum_and_comparison(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t x = 7;
    for (unsigned n = 0; n < 300; n++) {
        fill(cpu, &x);
        const union vec a = cpu->vec.zmm[2], b = cpu->vec.zmm[3];
        const uint8_t cmp[7] = {0x62, 0xF3, 0x6C, 0x48, 0xC2, 0xCB, 1}; /* vcmpltph k1, zmm2, zmm3 */
        assert_int_equal(run_bytes(cpu, cmp, 7), -1);
        for (unsigned j = 0; j < 32; j++)
            assert_int_equal(cpu->vec.k[1] >> j & 1, value_of(a.u16[j]) < value_of(b.u16[j]));
        assert_int_equal(run_evex(cpu, 5, 0, false, 0x5D, false, 4), -1);
        for (unsigned j = 0; j < 32; j++)
            assert_int_equal(cpu->vec.zmm[1].u16[j], value_of(a.u16[j]) < value_of(b.u16[j]) ? a.u16[j] : b.u16[j]);
    }
}

/* VCVTPH2PSX, VCVTPS2PHX, VCVTPH2PD, VCVTPH2W, VCVTW2PH */
static void test_fp16_conversions(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t x = 99;
    for (unsigned n = 0; n < 300; n++) {
        fill(cpu, &x);
        const union vec b = cpu->vec.zmm[3];
        union vec singles;
        assert_int_equal(run_evex(cpu, 6, 1, false, 0x13, true, 4), -1); /* to single */
        singles = cpu->vec.zmm[1];
        for (unsigned j = 0; j < 16; j++) {
            float f;
            memcpy(&f, &singles.u32[j], 4);
            if (!is_nan16(b.u16[j])) assert_true((double)f == value_of(b.u16[j]));
        }
        assert_int_equal(run_evex(cpu, 5, 0, false, 0x5A, true, 4), -1); /* to double */
        for (unsigned j = 0; j < 8; j++) {
            double f;
            memcpy(&f, &cpu->vec.zmm[1].u64[j], 8);
            if (!is_nan16(b.u16[j])) assert_true(f == value_of(b.u16[j]));
        }
        assert_int_equal(run_evex(cpu, 5, 1, false, 0x7D, true, n % 5), -1); /* to words */
        for (unsigned j = 0; j < 32; j++) {
            double v = value_of(b.u16[j]),
                   r = __builtin_isnan(v) || __builtin_isinf(v) ? 1e9 : to_integer(v, n % 5 & 3);
            assert_int_equal(cpu->vec.zmm[1].i16[j], r < -32768 || r > 32767 ? INT16_MIN : (int16_t)r);
        }
        assert_int_equal(run_evex(cpu, 5, 2, false, 0x7D, true, n % 5), -1); /* from words */
        for (unsigned j = 0; j < 32; j++)
            assert_int_equal(cpu->vec.zmm[1].u16[j], half_of((double)b.i16[j], n % 5 & 3));
        for (unsigned j = 0; j < 16; j++) { /* singles of every size, back to halves */
            float f = (float)__builtin_ldexp((double)(int32_t)next(&x), (int)(next(&x) >> 40) % 30 - 45);
            memcpy(&cpu->vec.zmm[3].u32[j], &f, 4);
        }
        singles = cpu->vec.zmm[3];
        assert_int_equal(run_evex(cpu, 5, 1, false, 0x1D, true, n % 5), -1);
        for (unsigned j = 0; j < 16; j++) {
            float f;
            memcpy(&f, &singles.u32[j], 4);
            assert_int_equal(cpu->vec.zmm[1].u16[j], half_of((double)f, n % 5 & 3));
        }
        assert_int_equal(cpu->vec.zmm[1].u64[4] | cpu->vec.zmm[1].u64[7], 0);
    }
}

/* (1 + 2i)(3 + 4i) = -5 + 10i; with the conjugate of the second factor 11 + 2i; added to 1 + 1i. SDM 2 "VFMULCPH",
 * "VFCMULCPH", "VFMADDCPH" */
static void test_fp16_complex_products(void **state) {
    static const struct {
        uint8_t pp, opcode;
        double re, im;
    } rows[] = {
        {2, 0xD6, -5, 10},
        {3, 0xD6, 11, 2 },
        {2, 0x56, -4, 11},
        {3, 0x56, 12, 3 }
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < 4; k++) {
        for (unsigned j = 0; j < 16; j++) {
            cpu->vec.zmm[1].u32[j] = 0x3C003C00;
            cpu->vec.zmm[2].u32[j] = 0x40003C00;
            cpu->vec.zmm[3].u32[j] = 0x44004200;
        }
        assert_int_equal(run_evex(cpu, 6, rows[k].pp, false, rows[k].opcode, false, 4), -1);
        for (unsigned j = 0; j < 32; j += 2) {
            assert_true(value_of(cpu->vec.zmm[1].u16[j]) == rows[k].re);
            assert_true(value_of(cpu->vec.zmm[1].u16[j + 1]) == rows[k].im);
        }
    }
}

/* SDM 2 "VRCPPH", "VRSQRTPH": relative error below 2^-11 + 2^-14 */
static void test_fp16_approximations_are_near(void **state) {
    struct cpu *cpu = cpu_of(state);
    for (unsigned first = 0x0400; first < 0x7400; first += 32) {
        for (unsigned j = 0; j < 32; j++) cpu->vec.zmm[3].u16[j] = (uint16_t)(first + j);
        assert_int_equal(run_evex(cpu, 6, 1, false, 0x4C, true, 4), -1);
        for (unsigned j = 0; j < 32; j++) {
            double want = 1 / value_of((uint16_t)(first + j)), got = value_of(cpu->vec.zmm[1].u16[j]);
            if (want >= 0x1p-14) assert_true(__builtin_fabs(got / want - 1) < 0x1p-11 + 0x1p-14);
        }
        assert_int_equal(run_evex(cpu, 6, 1, false, 0x4E, true, 4), -1);
        for (unsigned j = 0; j < 32; j++) {
            double want = 1 / __builtin_sqrt(value_of((uint16_t)(first + j))), got = value_of(cpu->vec.zmm[1].u16[j]);
            assert_true(__builtin_fabs(got / want - 1) < 0x1p-11 + 0x1p-14);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fp16_arithmetic_is_rounded_once),
        cmocka_unit_test(test_fp16_exceptions_are_those_of_each_element),
        cmocka_unit_test(test_fp16_minimum_and_comparison),
        cmocka_unit_test(test_fp16_conversions),
        cmocka_unit_test(test_fp16_complex_products),
        cmocka_unit_test(test_fp16_approximations_are_near),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
