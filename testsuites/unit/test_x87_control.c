/* The x87 instructions that exist without an x87 unit (CPUID.01H:EDX.FPU = 0): control and status words, #NM rules. */
#include "core_world.h"
#include "sim/core/run.h"

#define CODE_AT 0x8000u
#define DATA_AT 0x30000u

/* Runs `n` instructions of 32-bit code at CODE_AT. Returns the vector of the exception that the first one raised, or
 * -1. */
static int run(struct cpu *cpu, const uint8_t *code, size_t size, unsigned n, uint64_t cr0) {
    world_protected(cpu, 0);
    for (unsigned v = 0; v < 32; v++) put_gate(cpu, IDT + v * 8, SEL_CODE0, 0x9000 + v, AR_P | DESC_TRAP, 0);
    cr0_set(cpu, CR0_PE | cr0);
    assert_true(machine_write(cpu->machine, CODE_AT, code, size));
    cpu->intr.activity = ACT_ACTIVE;
    cpu_update_mode(cpu);
    cpu_run(cpu, n);
    return cpu->rip >= 0x9000 && cpu->rip < 0x9020 ? (int)(cpu->rip - 0x9000) : -1;
}

/* fninit; fnstcw [DATA_AT]; fnstsw [DATA_AT+2]; fnstsw ax */
static const uint8_t words[] = {0xDB, 0xE3, 0xD9, 0x3D, 0, 0, 3, 0, 0xDD, 0x3D, 2, 0, 3, 0, 0xDF, 0xE0};

static void test_x87_control_after_fninit_words_have_their_initial_values(void **state) {
    struct cpu *cpu = cpu_of(state);
    poke(cpu, DATA_AT, 4, 0xFFFFFFFF);
    cpu->gpr[RAX] = 0xFFFF1234;
    assert_int_equal(run(cpu, words, sizeof words, 4, 0), -1);
    assert_int_equal(peek(cpu, DATA_AT, 4), 0x0000037F);
    assert_int_equal(cpu->gpr[RAX] & 0xFFFF, 0);
    assert_int_equal(cpu->rip, CODE_AT + sizeof words);
}

static void test_x87_control_fldcw_is_read_back(void **state) {
    /* fldcw [DATA_AT]; fnop; fnclex; fnstcw [DATA_AT+2] */
    static const uint8_t code[] = {0xD9, 0x2D, 0, 0, 3, 0, 0xD9, 0xD0, 0xDB, 0xE2, 0xD9, 0x3D, 2, 0, 3, 0};
    struct cpu *cpu = cpu_of(state);
    poke(cpu, DATA_AT, 4, 0x0F3E);
    assert_int_equal(run(cpu, code, sizeof code, 4, 0), -1);
    assert_int_equal(peek(cpu, DATA_AT + 2, 2), 0x0F7E); /* bit 6 reads as 1 */
}

/* SDM 3 "Device Not Available Exception (#NM)" */
static void test_x87_control_with_em_or_ts_raises_nm(void **state) {
    static const uint8_t codes[][6] = {
        {0xDB, 0xE3  },
        {0xDB, 0xE2  },
        {0xD9, 0xD0  },
        {0xD9, 0x3D,   0, 0, 3},
        {0xD9,   0x2D,        0, 0, 3},
        {0xDF, 0xE0}
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        assert_int_equal(run(cpu, codes[k], sizeof codes[k], 1, CR0_EM), VEC_NM);
        assert_int_equal(run(cpu, codes[k], sizeof codes[k], 1, CR0_TS), VEC_NM);
        assert_int_equal(run(cpu, codes[k], sizeof codes[k], 1, CR0_MP), -1);
    }
}

static void test_x87_control_after_clts_there_is_no_nm(void **state) {
    static const uint8_t code[] = {0x0F, 0x06, 0xD9, 0xD0}; /* clts; fnop */
    struct cpu *cpu = cpu_of(state);
    assert_int_equal(run(cpu, code, sizeof code, 2, CR0_TS), -1);
    assert_int_equal(cpu->rip, CODE_AT + sizeof code);
    assert_false(cpu->ctl.cr0 & CR0_TS);
}

/* FWAIT asks for MP and TS both; arithmetic does not exist. */
static void test_x87_control_fwait_and_arithmetic_follow_their_rules(void **state) {
    static const uint8_t fwait[] = {0x9B}, fld1[] = {0xD9, 0xE8};
    struct cpu *cpu = cpu_of(state);
    assert_int_equal(run(cpu, fwait, sizeof fwait, 1, CR0_TS), -1);
    assert_int_equal(run(cpu, fwait, sizeof fwait, 1, CR0_TS | CR0_MP), VEC_NM);
    assert_int_equal(run(cpu, fld1, sizeof fld1, 1, CR0_EM), VEC_NM);
    assert_int_equal(run(cpu, fld1, sizeof fld1, 1, 0), VEC_UD);
}

static int setup_without_fpu(void **state) {
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 1, .rtc_start = TEST_DATE};
    c.model = model_parse("max-intel,-vmx,-fpu", err, sizeof err);
    assert_non_null(c.model);
    *state = machine_create(&c, err, sizeof err);
    return *state ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_x87_control_after_fninit_words_have_their_initial_values,
                                        setup_without_fpu, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_x87_control_fldcw_is_read_back, setup_without_fpu, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_x87_control_with_em_or_ts_raises_nm, setup_without_fpu, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_x87_control_after_clts_there_is_no_nm, setup_without_fpu,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_x87_control_fwait_and_arithmetic_follow_their_rules, setup_without_fpu,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
