/* Memory operands of vector instructions: partial progress of gathers and scatters, faults that a mask suppresses,
 * alignment, and what forbids the short functions of hot moves. */
#include "xsave_world.h"

#define WINDOW  0x200000u /* pages 0, 2 and 3 are there, 1 is not */
#define ABSENT  (WINDOW + 0x1000)
#define TABLE   0x4000u
#define SPEC    "max-intel,-vmx" STATE ",+avx512vbmi2"
#define OLD     0x0DDBA110DDBA11ull
#define EDGE(n) (ABSENT - (n)) /* n bytes before the absent page */

static void map(struct cpu *cpu, unsigned page, bool present) {
    poke(cpu, TABLE + 8 * page, 8, present ? WINDOW + page * 0x1000 + 7 : 0);
    tlb_flush_all(cpu);
}

static int setup_model(void **state, const char *spec) {
    *state = xsave_machine(spec);
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    poke(cpu, 0x3008, 8, TABLE | 7);
    for (unsigned k = 0; k < 4; k++) map(cpu, k, k != 1);
    for (unsigned k = 0; k < 0x4000; k += 4) poke(cpu, WINDOW + k, 4, k);
    cpu->ctl.xcr0 = 0xE7;
    cpu_update_mode(cpu);
    mxcsr_set(cpu, MXCSR_INIT);
    for (unsigned n = 0; n < 32; n++)
        for (unsigned q = 0; q < 8; q++) cpu->vec.zmm[n].u64[q] = OLD;
    cpu->gpr[RDI] = WINDOW;
    return 0;
}

static int setup(void **state) { return setup_model(state, SPEC); }
static int setup_on_amd(void **state) { return setup_model(state, AMD_STATE); }

/* the vector that an instruction raises, -1: none; the memory operand is [RDI] */
#define RUN(...) run_bytes(cpu, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define RUN_AT(at, ...)                                                                                                \
    (cpu->gpr[RDI] = (at), run_bytes(cpu, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})))

#define GATHER     0x62, 0xF2, 0x7D, 0x09, 0x90, 0x04, 0x8F /* vpgatherdd xmm0 {k1}, [rdi + xmm1 * 4] */
#define GATHER_VEX 0xC4, 0xE2, 0x69, 0x90, 0x04, 0x8F       /* vpgatherdd xmm0, [rdi + xmm1 * 4], xmm2 */
#define SCATTER    0x62, 0xF2, 0x7D, 0x09, 0xA0, 0x04, 0x8F /* vpscatterdd [rdi + xmm1 * 4] {k1}, xmm0 */

static void set32(union vec *v, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t e[4] = {a, b, c, d};
    memcpy(v, e, sizeof e);
}
static void assert32(const union vec *v, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t e[4] = {a, b, c, d};
    for (unsigned k = 0; k < 4; k++) assert_int_equal(v->u32[k], e[k]);
}
/* elements 0 and 1 in page 0, element 2 in the absent page, element 3 in page 2 */
static void set_indices(struct cpu *cpu) { set32(&cpu->vec.zmm[1], 0x10, 0x20, 0x410, 0x820); }

/* ---- gathers and scatters ---- */

static void test_gather_fault_in_the_middle_keeps_what_is_done(void **state) {
    struct cpu *cpu = cpu_of(state);
    set_indices(cpu);
    cpu->vec.k[1] = ~0ull;
    assert_int_equal(RUN(GATHER), VEC_PF);
    assert_int_equal(cpu->ctl.cr2, WINDOW + 0x1040);
    assert_int_equal(cpu->vec.k[1], ~0ull << 2);
    assert32(&cpu->vec.zmm[0], 0x40, 0x80, (uint32_t)OLD, (uint32_t)(OLD >> 32));
    map(cpu, 1, true);
    poke(cpu, WINDOW + 0x40, 4, 0xBAD); /* not read again */
    assert_int_equal(RUN(GATHER), -1);
    assert_int_equal(cpu->vec.k[1], 0);
    assert32(&cpu->vec.zmm[0], 0x40, 0x80, 0x1040, 0x2080);
    for (unsigned q = 2; q < 8; q++) assert_int_equal(cpu->vec.zmm[0].u64[q], 0);
}

static void test_gather_vex_fault_in_the_middle_keeps_what_is_done(void **state) {
    struct cpu *cpu = cpu_of(state);
    set_indices(cpu);
    set32(&cpu->vec.zmm[2], 0x80000000, ~0u, ~0u, 0x80000001);
    assert_int_equal(RUN(GATHER_VEX), VEC_PF);
    assert_int_equal(cpu->ctl.cr2, WINDOW + 0x1040);
    assert_int_equal(cpu->vec.zmm[2].u64[0], 0);
    assert_true(cpu->vec.zmm[2].u32[2] >> 31 && cpu->vec.zmm[2].u32[3] >> 31);
    assert32(&cpu->vec.zmm[0], 0x40, 0x80, (uint32_t)OLD, (uint32_t)(OLD >> 32));
    map(cpu, 1, true);
    assert_int_equal(RUN(GATHER_VEX), -1);
    for (unsigned q = 0; q < 8; q++) assert_int_equal(cpu->vec.zmm[2].u64[q], 0);
    assert32(&cpu->vec.zmm[0], 0x40, 0x80, 0x1040, 0x2080);
}

static void test_gather_elements_kept_out_are_not_read(void **state) {
    struct cpu *cpu = cpu_of(state);
    set_indices(cpu);
    cpu->vec.k[1] = 8 | 1;
    assert_int_equal(RUN(GATHER), -1);
    assert32(&cpu->vec.zmm[0], 0x40, (uint32_t)(OLD >> 32), (uint32_t)OLD, 0x2080);
}

static void test_gather_registers_that_coincide_are_undefined_opcodes(void **state) {
    struct cpu *cpu = cpu_of(state);
    set_indices(cpu);
    cpu->vec.k[1] = 1;
    assert_int_equal(RUN(0x62, 0xF2, 0x7D, 0x09, 0x90, 0x0C, 0x8F), VEC_UD); /* destination and index */
    assert_int_equal(RUN(0x62, 0xF2, 0x7D, 0x08, 0x90, 0x04, 0x8F), VEC_UD); /* k0 */
    assert_int_equal(RUN(0xC4, 0xE2, 0x69, 0x90, 0x0C, 0x8F), VEC_UD);       /* destination and index */
    assert_int_equal(RUN(0xC4, 0xE2, 0x79, 0x90, 0x04, 0x8F), VEC_UD);       /* destination and mask */
    assert_int_equal(RUN(0xC4, 0xE2, 0x71, 0x90, 0x04, 0x8F), VEC_UD);       /* index and mask */
    assert_int_equal(cpu->vec.k[1], 1);
}

static void test_scatter_fault_in_the_middle_keeps_what_is_done(void **state) {
    struct cpu *cpu = cpu_of(state);
    set_indices(cpu);
    set32(&cpu->vec.zmm[0], 101, 102, 103, 104);
    cpu->vec.k[1] = 0xF;
    assert_int_equal(RUN(SCATTER), VEC_PF);
    assert_int_equal(cpu->ctl.cr2, WINDOW + 0x1040);
    assert_int_equal(cpu->vec.k[1], 0xC);
    assert_int_equal(peek(cpu, WINDOW + 0x40, 4), 101);
    assert_int_equal(peek(cpu, WINDOW + 0x80, 4), 102);
    assert_int_equal(peek(cpu, WINDOW + 0x2080, 4), 0x2080);
    map(cpu, 1, true);
    assert_int_equal(RUN(SCATTER), -1);
    assert_int_equal(cpu->vec.k[1], 0);
    assert_int_equal(peek(cpu, WINDOW + 0x1040, 4), 103);
    assert_int_equal(peek(cpu, WINDOW + 0x2080, 4), 104);
}

static void test_scatter_to_one_place_leaves_the_highest_element(void **state) {
    struct cpu *cpu = cpu_of(state);
    set32(&cpu->vec.zmm[1], 4, 4, 4, 4);
    set32(&cpu->vec.zmm[0], 101, 102, 103, 104);
    cpu->vec.k[1] = 7;
    assert_int_equal(RUN(SCATTER), -1);
    assert_int_equal(peek(cpu, WINDOW + 0x10, 4), 103);
}

/* ---- faults under a mask ---- */

#define LOAD_Z      0x62, 0xF1, 0x7E, 0x89, 0x6F, 0x07       /* vmovdqu32 xmm0 {k1}{z}, [rdi] */
#define STORE       0x62, 0xF1, 0x7E, 0x09, 0x7F, 0x07       /* vmovdqu32 [rdi] {k1}, xmm0 */
#define MASKED_LOAD 0xC4, 0xE2, 0x69, 0x2C, 0x07             /* vmaskmovps xmm0, xmm2, [rdi] */
#define MASKED_SAVE 0xC4, 0xE2, 0x69, 0x2E, 0x07             /* vmaskmovps [rdi], xmm2, xmm0 */
#define COMPRESS    0x62, 0xF2, 0x7D, 0x09, 0x8B, 0x07       /* vpcompressd [rdi] {k1}, xmm0 */
#define EXPAND      0x62, 0xF2, 0x7D, 0x89, 0x89, 0x07       /* vpexpandd xmm0 {k1}{z}, [rdi] */
#define BROADCAST   0x62, 0xF1, 0x75, 0x19, 0xFE, 0x07       /* vpaddd xmm0 {k1}, xmm1, [rdi] {1to4} */
#define EXTRACT     0x62, 0xF3, 0x7D, 0x29, 0x19, 0x07, 0x00 /* vextractf32x4 [rdi] {k1}, ymm0, 0 */

static void test_masked_load_faults_only_by_elements_let_through(void **state) {
    struct cpu *cpu = cpu_of(state);
    cpu->vec.k[1] = 3;
    assert_int_equal(RUN_AT(EDGE(8), LOAD_Z), -1);
    assert32(&cpu->vec.zmm[0], 0xFF8, 0xFFC, 0, 0);
    cpu->vec.k[1] = 4;
    assert_int_equal(RUN_AT(EDGE(8), LOAD_Z), VEC_PF);
    assert_int_equal(cpu->ctl.cr2, ABSENT);
    cpu->vec.k[1] = 0;
    assert_int_equal(RUN_AT(ABSENT, LOAD_Z), -1);
    set32(&cpu->vec.zmm[2], ~0u, ~0u, 0, 0);
    assert_int_equal(RUN_AT(EDGE(8), MASKED_LOAD), -1);
    assert32(&cpu->vec.zmm[0], 0xFF8, 0xFFC, 0, 0);
    cpu->vec.zmm[2].u32[3] = ~0u;
    assert_int_equal(RUN_AT(EDGE(8), MASKED_LOAD), VEC_PF);
}

static void test_masked_store_that_faults_writes_nothing(void **state) {
    struct cpu *cpu = cpu_of(state);
    set32(&cpu->vec.zmm[0], 101, 102, 103, 104);
    cpu->vec.k[1] = 0xF;
    assert_int_equal(RUN_AT(EDGE(8), STORE), VEC_PF);
    set32(&cpu->vec.zmm[2], ~0u, ~0u, 0, ~0u);
    assert_int_equal(RUN_AT(EDGE(8), MASKED_SAVE), VEC_PF);
    assert_int_equal(peek(cpu, EDGE(8), 4), 0xFF8);
    cpu->vec.k[1] = 2;
    assert_int_equal(RUN_AT(EDGE(8), STORE), -1);
    cpu->vec.zmm[2].u32[3] = 0;
    assert_int_equal(peek(cpu, EDGE(8), 4), 0xFF8);
    assert_int_equal(peek(cpu, EDGE(4), 4), 102);
    assert_int_equal(RUN_AT(EDGE(8), MASKED_SAVE), -1);
    assert_int_equal(peek(cpu, EDGE(8), 4), 101);
}

static void test_compress_and_expand_touch_as_many_elements_as_are_chosen(void **state) {
    struct cpu *cpu = cpu_of(state);
    set32(&cpu->vec.zmm[0], 101, 102, 103, 104);
    cpu->vec.k[1] = 0xA;
    assert_int_equal(RUN_AT(EDGE(8), COMPRESS), -1);
    assert_int_equal(peek(cpu, EDGE(8), 4), 102);
    assert_int_equal(peek(cpu, EDGE(4), 4), 104);
    assert_int_equal(RUN_AT(EDGE(4), COMPRESS), VEC_PF);
    assert_int_equal(RUN_AT(EDGE(8), EXPAND), -1);
    assert32(&cpu->vec.zmm[0], 0, 102, 0, 104);
    assert_int_equal(RUN_AT(EDGE(4), EXPAND), VEC_PF);
}

static void test_broadcast_and_extraction_fault_by_their_own_rules(void **state) {
    struct cpu *cpu = cpu_of(state);
    cpu->vec.k[1] = 0;
    assert_int_equal(RUN_AT(ABSENT, BROADCAST), -1);
    assert_int_equal(RUN_AT(EDGE(8), EXTRACT), VEC_PF); /* whatever the mask */
    cpu->vec.k[1] = 8;
    assert_int_equal(RUN_AT(ABSENT, BROADCAST), VEC_PF);
    assert_int_equal(RUN_AT(EDGE(16), EXTRACT), -1);
    assert_int_equal(peek(cpu, EDGE(8), 4), 0xFF8);
    assert_int_equal(peek(cpu, EDGE(4), 4), (uint32_t)(OLD >> 32));
}

/* ---- alignment ---- */

static void test_aligned_moves_want_the_alignment_of_their_length(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_int_equal(RUN_AT(WINDOW + 8, 0x0F, 0x28, 0x07), VEC_GP);                    /* movaps xmm0, [rdi] */
    assert_int_equal(RUN_AT(WINDOW + 8, 0xC5, 0xF8, 0x28, 0x07), VEC_GP);              /* vmovaps xmm0 */
    assert_int_equal(RUN_AT(WINDOW + 16, 0xC5, 0xFC, 0x28, 0x07), VEC_GP);             /* vmovaps ymm0 */
    assert_int_equal(RUN_AT(WINDOW + 16, 0xC5, 0xFC, 0x29, 0x07), VEC_GP);             /* vmovaps [rdi], ymm0 */
    assert_int_equal(RUN_AT(WINDOW + 32, 0x62, 0xF1, 0x7C, 0x48, 0x28, 0x07), VEC_GP); /* vmovaps zmm0 */
    assert_int_equal(RUN_AT(WINDOW + 16, 0xC5, 0xF8, 0x28, 0x07), -1);                 /* vmovaps xmm0 */
    assert_int_equal(RUN_AT(WINDOW + 32, 0xC5, 0xFC, 0x28, 0x07), -1);                 /* vmovaps ymm0 */
    assert_int_equal(RUN_AT(WINDOW + 64, 0x62, 0xF1, 0x7C, 0x48, 0x28, 0x07), -1);     /* vmovaps zmm0 */
    assert_int_equal(RUN_AT(WINDOW + 3, 0xC5, 0xFC, 0x10, 0x07), -1);                  /* vmovups ymm0 */
    assert_int_equal(RUN_AT(WINDOW + 3, 0x62, 0xF1, 0x7C, 0x48, 0x11, 0x07), -1);      /* vmovups [rdi], zmm0 */
    assert_int_equal(RUN_AT(WINDOW + 8, 0x66, 0x0F, 0xFE, 0x07), VEC_GP);              /* paddd xmm0, [rdi] */
    assert_int_equal(RUN_AT(WINDOW + 8, 0xC5, 0xF9, 0xFE, 0x07), -1);                  /* vpaddd xmm0, xmm0, [rdi] */
}

/* Intel's processors ask for alignment when the mask lets nothing through, too; AMD's don't. */
static void check_masked_alignment(struct cpu *cpu, int when_empty) {
    static const uint8_t xmm[] = {0x28, 0x29}; /* vmovaps xmm0 {k1}, [rdi]; vmovaps [rdi] {k1}, xmm0 */
    for (unsigned n = 0; n < 2; n++) {
        cpu->vec.k[1] = 0;
        assert_int_equal(RUN_AT(WINDOW + 8, 0x62, 0xF1, 0x7C, 0x09, xmm[n], 0x07), when_empty);
        assert_int_equal(RUN_AT(WINDOW + 32, 0x62, 0xF1, 0x7C, 0x49, xmm[n], 0x07), when_empty);
        assert_int_equal(RUN_AT(WINDOW + 16, 0x62, 0xF1, 0x7C, 0x09, xmm[n], 0x07), -1);
        assert_int_equal(RUN_AT(ABSENT + 16, 0x62, 0xF1, 0x7C, 0x09, xmm[n], 0x07), -1);
        assert_int_equal(RUN_AT(ABSENT + 8, 0x62, 0xF1, 0x7C, 0x09, xmm[n], 0x07), when_empty);
        cpu->vec.k[1] = 1;
        assert_int_equal(RUN_AT(WINDOW + 8, 0x62, 0xF1, 0x7C, 0x09, xmm[n], 0x07), VEC_GP);
    }
}
static void test_aligned_move_of_nothing_wants_alignment_on_intel(void **state) {
    check_masked_alignment(cpu_of(state), VEC_GP);
}
static void test_aligned_move_of_nothing_wants_no_alignment_on_amd(void **state) {
    check_masked_alignment(cpu_of(state), -1);
}

/* ---- what forbids the hot moves ---- */

static void test_hot_moves_heed_control_registers(void **state) {
    struct cpu *cpu = cpu_of(state);
    const struct {
        uint64_t cr0, cr4, xcr0;
        int sse, vex, evex;
    } rows[] = {
        {0,      0,           0xE7, -1,     -1,     -1    },
        {CR0_TS, 0,           0xE7, VEC_NM, VEC_NM, VEC_NM},
        {CR0_EM, 0,           0xE7, VEC_UD, -1,     -1    },
        {0,      CR4_OSFXSR,  0xE7, VEC_UD, -1,     -1    },
        {0,      CR4_OSXSAVE, 0xE7, -1,     VEC_UD, VEC_UD},
        {0,      0,           7,    -1,     -1,     VEC_UD},
        {0,      0,           3,    -1,     VEC_UD, VEC_UD},
    };
    const uint64_t cr0 = cpu->ctl.cr0, cr4 = cpu->ctl.cr4;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        cpu->ctl.cr0 = cr0 | rows[k].cr0;
        cpu->ctl.cr4 = cr4 & ~rows[k].cr4;
        cpu->ctl.xcr0 = rows[k].xcr0;
        cpu_update_mode(cpu);
        for (unsigned again = 0; again < 2; again++) { /* the second time with the translation cached */
            assert_int_equal(RUN_AT(WINDOW, 0x0F, 0x10, 0x07), rows[k].sse);
            assert_int_equal(RUN_AT(WINDOW, 0xC5, 0xFC, 0x11, 0x07), rows[k].vex);
            assert_int_equal(RUN_AT(WINDOW, 0x62, 0xF1, 0x7C, 0x48, 0x10, 0x07), rows[k].evex);
            assert_int_equal(RUN(0x66, 0x48, 0x0F, 0x6E, 0xC0), rows[k].sse); /* movq xmm0, rax */
            assert_int_equal(RUN(0xF2, 0x0F, 0x10, 0xC1), rows[k].sse);       /* movsd xmm0, xmm1 */
        }
    }
}

#define TEST_VEC(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_VEC(test_gather_fault_in_the_middle_keeps_what_is_done),
        TEST_VEC(test_gather_vex_fault_in_the_middle_keeps_what_is_done),
        TEST_VEC(test_gather_elements_kept_out_are_not_read),
        TEST_VEC(test_gather_registers_that_coincide_are_undefined_opcodes),
        TEST_VEC(test_scatter_fault_in_the_middle_keeps_what_is_done),
        TEST_VEC(test_scatter_to_one_place_leaves_the_highest_element),
        TEST_VEC(test_masked_load_faults_only_by_elements_let_through),
        TEST_VEC(test_masked_store_that_faults_writes_nothing),
        TEST_VEC(test_compress_and_expand_touch_as_many_elements_as_are_chosen),
        TEST_VEC(test_broadcast_and_extraction_fault_by_their_own_rules),
        TEST_VEC(test_aligned_moves_want_the_alignment_of_their_length),
        TEST_VEC(test_aligned_move_of_nothing_wants_alignment_on_intel),
        cmocka_unit_test_setup_teardown(test_aligned_move_of_nothing_wants_no_alignment_on_amd, setup_on_amd,
                                        fixture_teardown),
        TEST_VEC(test_hot_moves_heed_control_registers),
    };
    return cmocka_run_group_tests_name("vec-memory", tests, NULL, NULL);
}
