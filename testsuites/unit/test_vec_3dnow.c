/* 3DNow! and FMA4: instructions of processors that are no longer made. Expectations from APM 5 and APM 4, and for FMA4
 * from FMA3, which the host comparison covers. */
#include "xsave_world.h"

#define SPEC "max-amd,-svm" STATE ",+3dnow,+3dnowext,+mmxext,+fma,+fma4"

static int setup(void **state) {
    *state = xsave_machine(SPEC);
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = 0xE7;
    cpu_update_mode(cpu);
    mxcsr_set(cpu, MXCSR_INIT);
    return 0;
}

static uint32_t bits(float f) {
    uint32_t v;
    memcpy(&v, &f, 4);
    return v;
}
static uint64_t pair(uint32_t low, uint32_t high) { return low | (uint64_t)high << 32; }
static uint64_t floats(float low, float high) { return pair(bits(low), bits(high)); }

/* 0F 0F C1 suffix: mm0 by mm1 */
static uint64_t run_3dnow(struct cpu *cpu, uint8_t suffix, uint64_t a, uint64_t b) {
    const uint8_t code[4] = {0x0F, 0x0F, 0xC1, suffix};
    cpu->fpu.fsw = 0;
    cpu->fpu.st[0].sig = a;
    cpu->fpu.st[1].sig = b;
    assert_int_equal(run_bytes(cpu, code, 4), -1);
    assert_int_equal(cpu->fpu.ftw, 0xFF);
    assert_int_equal(cpu->fpu.st[0].se, 0xFFFF);
    return cpu->fpu.st[0].sig;
}

static void test_3dnow_results_are_those_of_the_manual(void **state) {
    const uint32_t max = 0x7F7FFFFF, tiny = 0x00400000;
    const struct {
        uint8_t suffix;
        uint64_t a, b, want;
    } rows[] = {
        {0x9E,               floats(1,     2),floats(3,-4), floats(4, -2)}, /* PFADD */
        {0x9E,          pair(max,                   max | 0x80000000),pair(max,max | 1u << 31), pair(max, 0xFF7FFFFF)}, /* saturates */
        {0x9E, pair(tiny,bits(1)),pair(tiny,tiny), pair(0, bits(1))}, /* denormals are zeros */
        {0x9A,                  floats(1,                           2),floats(3,-4), floats(-2, 6)}, /* PFSUB */
        {0xAA,             floats(1,                   2),floats(3,-4), floats(2, -6)}, /* PFSUBR */
        {0xB4,floats(1.5f,2),floats(3,-4), floats(4.5f, -8)}, /* PFMUL */
        {0x94,                floats(1,                            -2),floats(3,-4), floats(1, -4)}, /* PFMIN */
        {0xA4,          floats(1,                   -2), floats(3,        -4), floats(3, -2)}, /* PFMAX */
        {0xA4,               floats(-1,                        -2), floats(-0.0f,                              0), floats(0, 0)},
        {0xB0,       floats(1,                2),floats(1,3), pair(~0u, 0)}, /* PFCMPEQ */
        {0xB0,               floats(-0.0f,2),floats(0,2), ~0ull},
        {0x90,                  floats(1,                           2),floats(1,3), pair(~0u, 0)}, /* PFCMPGE */
        {0xA0,               floats(1,                   4),floats(1,3), pair(0, ~0u)}, /* PFCMPGT */
        {0xAE,floats(1,2),floats(3,4), floats(3, 7)}, /* PFACC */
        {0x8A,                floats(1,                            2),floats(3,5), floats(-1, -2)}, /* PFNACC */
        {0x8E,          floats(1,                    2),floats(3,                            5), floats(-1, 8)}, /* PFPNACC */
        {0xBB,               0, pair(1,2),pair(2, 1)}, /* PSWAPD */
        {0x0D,             0,                         pair(7,0xFFFFFFF9),floats(7, -7)}, /* PI2FD */
        {0x0D,          0,                    pair(0x01FFFFFF,   0),                                                          pair(0x4BFFFFFF, 0)}, /* truncates */
        {0x0C,               0,     pair(0x00050007,0xFFF9),floats(7, -7)}, /* PI2FW */
        {0x1D,            0,                    floats(7.9f,-7.9f),pair(7, 0xFFFFFFF9)}, /* PF2ID */
        {0x1D,                0,                                        floats(1e20f,                                                                      -1e20f),                                                                                                                                                                          pair(0x7FFFFFFF, 1u << 31)}, /* saturates */
        {0x1C,                  0,                           floats(1e20f,-1e5f),pair(0x7FFF, 0xFFFF8000)}, /* PF2IW */
        {0x96,                0,                   floats(4,9),      floats(0.25f, 0.25f)}, /* PFRCP */
        {0x97, 0,floats(-4,9),floats(-0.5f, -0.5f)}, /* PFRSQRT */
        {0xBF,                0x00FF00FF00FF00FF,                            0x0001000100010001,0x0080008000800080}, /* PAVGUSB: rounds up */
        {0xB7,                0x4000C00000018000,                      0x0004000480008000,             0x0001FFFF00004000                      }, /* PMULHRW */
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        uint64_t got = run_3dnow(cpu, rows[k].suffix, rows[k].a, rows[k].b);
        if (got != rows[k].want)
            fail_msg("suffix %02X, row %u: %016llx, not %016llx", rows[k].suffix, k, (unsigned long long)got,
                     (unsigned long long)rows[k].want);
    }
}

/* The sequences of APM 5 "PFRCP" and "PFRSQRT" come out to the last place or beside it. */
static void test_3dnow_newton_raphson_is_precise(void **state) {
    struct cpu *cpu = cpu_of(state);
    for (unsigned n = 1; n < 200; n++) {
        float b = (float)n * 0.37f;
        uint64_t v = floats(b, b), x0 = run_3dnow(cpu, 0x96, 0, v);
        uint64_t x1 = run_3dnow(cpu, 0xA6, v, x0), x2 = run_3dnow(cpu, 0xB6, x1, x0);
        int32_t apart = (int32_t)((uint32_t)x2 - bits(1 / b));
        assert_in_range(apart + 1, 0, 2);
        uint64_t r0 = run_3dnow(cpu, 0x97, 0, v), r1 = run_3dnow(cpu, 0xB4, r0, r0);
        uint64_t r2 = run_3dnow(cpu, 0xA7, r1, v), r3 = run_3dnow(cpu, 0xB6, r2, r0);
        apart = (int32_t)((uint32_t)r3 - bits((float)(1 / __builtin_sqrt((double)b))));
        assert_in_range(apart + 1, 0, 2);
    }
}

/* VFMADDPD xmm1, xmm2, xmm3, xmm4 (W0) and xmm1, xmm2, xmm4, xmm3 by W1; memory in either place; scalars clear the
 * rest. */
static void test_fma4_operands_go_where_w_says(void **state) {
    static const struct {
        uint8_t bytes[6];
        uint8_t len;
        double low;
        bool clears;
    } rows[] = {
        {{0xC4, 0xE3, 0x69, 0x69, 0xCB, 0x40}, 6, 2 * 3 + 5,  false}, /* vfmaddpd xmm1, xmm2, xmm3, xmm4 */
        {{0xC4, 0xE3, 0xE9, 0x69, 0xCB, 0x40}, 6, 2 * 5 + 3,  false}, /* the last two change places */
        {{0xC4, 0xE3, 0x69, 0x69, 0x0F, 0x40}, 6, 2 * 7 + 5,  false}, /* second factor [rdi] */
        {{0xC4, 0xE3, 0xE9, 0x69, 0x0F, 0x40}, 6, 2 * 5 + 7,  false}, /* addend [rdi] */
        {{0xC4, 0xE3, 0x69, 0x6D, 0xCB, 0x40}, 6, 2 * 3 - 5,  false}, /* vfmsubpd */
        {{0xC4, 0xE3, 0x69, 0x79, 0xCB, 0x40}, 6, 5 - 2 * 3,  false}, /* vfnmaddpd */
        {{0xC4, 0xE3, 0x69, 0x7D, 0xCB, 0x40}, 6, -2 * 3 - 5, false}, /* vfnmsubpd */
        {{0xC4, 0xE3, 0x69, 0x6B, 0xCB, 0x40}, 6, 2 * 3 + 5,  true }, /* vfmaddsd */
    };
    struct cpu *cpu = cpu_of(state);
    const double in[] = {2, 3, 5, 7};
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        for (unsigned n = 0; n < 3; n++)
            for (unsigned j = 0; j < 2; j++) memcpy(&cpu->vec.zmm[2 + n].u64[j], &in[n], 8);
        memset(&cpu->vec.zmm[1], 0xFF, 64);
        memcpy(area_of(cpu), &in[3], 8);
        memcpy(area_of(cpu) + 8, &in[3], 8);
        cpu->gpr[RDI] = AREA;
        assert_int_equal(run_bytes(cpu, rows[k].bytes, rows[k].len), -1);
        double got;
        memcpy(&got, &cpu->vec.zmm[1].u64[0], 8);
        assert_true(got == rows[k].low);
        assert_int_equal(cpu->vec.zmm[1].u64[1], rows[k].clears ? 0 : cpu->vec.zmm[1].u64[0]);
        assert_int_equal(cpu->vec.zmm[1].u64[2], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_3dnow_results_are_those_of_the_manual),
        cmocka_unit_test(test_3dnow_newton_raphson_is_precise),
        cmocka_unit_test(test_fma4_operands_go_where_w_says),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
