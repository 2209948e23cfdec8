/* Moves and permutes that the host comparison may not reach: VPERMIL2PS and VPERMIL2PD of XOP, VMOVW and VMOVSH of
 * AVX512-FP16. Expectations from APM 4 "VPERMIL2PS" and SDM 2 "VMOVW", "VMOVSH". */
#include "xsave_world.h"

static void enter(struct cpu *cpu) {
    enter_long(cpu);
    cpu->ctl.xcr0 = 0xE7;
    cpu_update_mode(cpu);
    mxcsr_set(cpu, MXCSR_INIT);
    fill_state(cpu);
}
static int setup_xop(void **state) {
    *state = xsave_machine("max-amd,-svm" STATE ",+xop");
    enter(cpu_of(state));
    return 0;
}
static int setup_fp16(void **state) {
    *state = xsave_machine("max-intel,-vmx" STATE ",+avx512fp16");
    enter(cpu_of(state));
    return 0;
}

#define RUN(...) run_bytes(cpu, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void set32(void *v, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t e[4] = {a, b, c, d};
    memcpy(v, e, sizeof e);
}
static void assert32(const union vec *v, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t e[4] = {a, b, c, d};
    for (unsigned k = 0; k < 4; k++) assert_int_equal(v->u32[k], e[k]);
}

/* ---- XOP ---- */

static void test_permil2ps_match_bits_zero_as_the_immediate_says(void **state) {
    struct cpu *cpu = cpu_of(state);
    const uint32_t want[4][4] = {
        {10, 21, 12, 23},
        {10, 21, 12, 23},
        {10, 21, 0,  0 },
        {0,  0,  12, 23}
    };
    for (unsigned m2z = 0; m2z < 4; m2z++) {
        set32(&cpu->vec.zmm[2], 10, 11, 12, 13);
        set32(&cpu->vec.zmm[3], 20, 21, 22, 23);
        set32(&cpu->vec.zmm[4], 0xFFFFFFF0, 5, 2 | 8, 7 | 8);
        assert_int_equal(RUN(0xC4, 0xE3, 0x69, 0x48, 0xCB, (uint8_t)(0x40 | m2z)), -1); /* xmm1, xmm2, xmm3, xmm4 */
        assert32(&cpu->vec.zmm[1], want[m2z][0], want[m2z][1], want[m2z][2], want[m2z][3]);
        for (unsigned q = 2; q < 8; q++) assert_int_equal(cpu->vec.zmm[1].u64[q], 0);
    }
}

static void test_permil2ps_selector_in_memory_with_w(void **state) {
    struct cpu *cpu = cpu_of(state);
    set32(&cpu->vec.zmm[2], 10, 11, 12, 13);
    set32(&cpu->vec.zmm[3], 20, 21, 22, 23);
    set32(area_of(cpu), 3, 7, 6, 1);
    cpu->gpr[RDI] = AREA;
    assert_int_equal(RUN(0xC4, 0xE3, 0xE9, 0x48, 0x0F, 0x30), -1); /* xmm1, xmm2, xmm3, [rdi] */
    assert32(&cpu->vec.zmm[1], 13, 23, 22, 11);
    set32(&cpu->vec.zmm[4], 7, 7, 0, 0);
    assert_int_equal(RUN(0xC4, 0xE3, 0x69, 0x48, 0x0F, 0x40), -1); /* xmm1, xmm2, [rdi], xmm4 */
    assert32(&cpu->vec.zmm[1], 1, 1, 10, 10);
}

static void test_permil2pd_selects_by_bits_1_and_2(void **state) {
    struct cpu *cpu = cpu_of(state);
    union vec *z = cpu->vec.zmm;
    for (unsigned k = 0; k < 4; k++) {
        z[2].u64[k] = 100 + k;
        z[3].u64[k] = 200 + k;
    }
    z[4].u64[0] = 6;                                               /* second source, high */
    z[4].u64[1] = 1;                                               /* first source, low */
    z[4].u64[2] = 2;                                               /* first source, high, of the upper lane */
    z[4].u64[3] = 4 | 8;                                           /* second source, low; match */
    assert_int_equal(RUN(0xC4, 0xE3, 0x6D, 0x49, 0xCB, 0x40), -1); /* ymm1, ymm2, ymm3, ymm4 */
    assert_int_equal(z[1].u64[0], 201);
    assert_int_equal(z[1].u64[1], 100);
    assert_int_equal(z[1].u64[2], 103);
    assert_int_equal(z[1].u64[3], 202);
    assert_int_equal(RUN(0xC4, 0xE3, 0x6D, 0x49, 0xCB, 0x42), -1);
    assert_int_equal(z[1].u64[3], 0);
    assert_int_equal(z[1].u64[2], 103);
}

/* ---- AVX512-FP16 ---- */

static void test_vmovw_moves_a_word_and_clears_the_rest(void **state) {
    struct cpu *cpu = cpu_of(state);
    cpu->gpr[RAX] = 0x1111222233334444;
    assert_int_equal(RUN(0x62, 0xF5, 0x7D, 0x08, 0x6E, 0xC8), -1); /* vmovw xmm1, eax */
    assert_int_equal(cpu->vec.zmm[1].u64[0], 0x4444);
    for (unsigned q = 1; q < 8; q++) assert_int_equal(cpu->vec.zmm[1].u64[q], 0);
    cpu->gpr[RAX] = ALL;
    assert_int_equal(RUN(0x62, 0xF5, 0x7D, 0x08, 0x7E, 0xC8), -1); /* vmovw eax, xmm1 */
    assert_int_equal(cpu->gpr[RAX], 0x4444);
    cpu->gpr[RDI] = AREA;
    fill_area(cpu, FILL);
    assert_int_equal(RUN(0x62, 0xF5, 0x7D, 0x08, 0x7E, 0x0F), -1); /* vmovw [rdi], xmm1 */
    assert_int_equal(peek(cpu, AREA, 4), 0xCCCC4444);
    assert_int_equal(RUN(0x62, 0xF5, 0x7D, 0x08, 0x6E, 0x17), -1); /* vmovw xmm2, [rdi] */
    assert_int_equal(cpu->vec.zmm[2].u64[0], 0x4444);
    assert_int_equal(cpu->vec.zmm[2].u64[1], 0);
}

static void test_vmovsh_merges_registers_and_clears_on_loads(void **state) {
    struct cpu *cpu = cpu_of(state);
    union vec *z = cpu->vec.zmm;
    const union vec first = z[2];
    const uint16_t low = z[3].u16[0], old = z[1].u16[0];
    assert_int_equal(RUN(0x62, 0xF5, 0x6E, 0x08, 0x10, 0xCB), -1); /* vmovsh xmm1, xmm2, xmm3 */
    assert_int_equal(z[1].u16[0], low);
    assert_memory_equal(&z[1].u16[1], &first.u16[1], 14);
    for (unsigned q = 2; q < 8; q++) assert_int_equal(z[1].u64[q], 0);
    z[1].u16[0] = old;
    cpu->vec.k[1] = 0xFFFE;
    assert_int_equal(RUN(0x62, 0xF5, 0x6E, 0x09, 0x10, 0xCB), -1); /* vmovsh xmm1 {k1}, xmm2, xmm3 */
    assert_int_equal(z[1].u16[0], old);
    cpu->gpr[RDI] = AREA;
    fill_area(cpu, FILL);
    assert_int_equal(RUN(0x62, 0xF5, 0x7E, 0x09, 0x11, 0x0F), -1); /* vmovsh [rdi] {k1}, xmm1 */
    assert_int_equal(peek(cpu, AREA, 2), 0xCCCC);
    cpu->vec.k[1] = 1;
    assert_int_equal(RUN(0x62, 0xF5, 0x7E, 0x89, 0x10, 0x0F), -1); /* vmovsh xmm1 {k1}{z}, [rdi] */
    assert_int_equal(z[1].u64[0], 0xCCCC);
    assert_int_equal(z[1].u64[1], 0);
}

#define TEST_XOP(name)  cmocka_unit_test_setup_teardown(name, setup_xop, fixture_teardown)
#define TEST_FP16(name) cmocka_unit_test_setup_teardown(name, setup_fp16, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_XOP(test_permil2ps_match_bits_zero_as_the_immediate_says),
        TEST_XOP(test_permil2ps_selector_in_memory_with_w),
        TEST_XOP(test_permil2pd_selects_by_bits_1_and_2),
        TEST_FP16(test_vmovw_moves_a_word_and_clears_the_rest),
        TEST_FP16(test_vmovsh_merges_registers_and_clears_on_loads),
    };
    return cmocka_run_group_tests_name("vec-move", tests, NULL, NULL);
}
