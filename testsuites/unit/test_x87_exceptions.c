/* How x87 exceptions reach software: #MF with CR0.NE = 1; with 0, FERR#, IRQ 13 and IGNNE#. SDM 1 "x87 FPU Exception
 * Handling", "MS-DOS Compatibility Sub-mode". */
#include "x87_world.h"

#define FLD1      0xD9, 0xE8
#define FLDZ      0xD9, 0xEE
#define FNINIT    0xDB, 0xE3
#define FNCLEX    0xDB, 0xE2
#define FDIV      0xD8, 0xF1 /* ST(0) / ST(1) */
#define FWAIT     0x9B
#define FNSTSW    0xDF, 0xE0
#define FLDCW(at) 0xD9, 0x2D, AT(at)
#define IRQ13     (1u << 5) /* of the second 8259 */

/* 1 / 0 with #Z unmasked: the four instructions raise nothing themselves. */
static void divide_by_zero(struct cpu *cpu, uint64_t cr0) {
    world_x87(cpu, cr0);
    poke(cpu, DATA_AT, 2, FCW_INIT & ~FSW_ZE);
    assert_int_equal(RUN(cpu, 5, FNINIT, FLDCW(0), FLDZ, FLD1, FDIV), -1);
    assert_int_equal(cpu->rip, CODE_AT + 14);
    assert_int_equal(cpu->fpu.fsw & (FSW_B | FSW_ES | FSW_EXC), FSW_B | FSW_ES | FSW_ZE);
}

static void test_x87_exceptions_mf_comes_with_the_next_waiting_instruction(void **state) {
    struct cpu *cpu = cpu_of(state);
    divide_by_zero(cpu, CR0_NE);
    assert_int_equal(cpu->fpu.st[6].se, 0x3FFF); /* the dividend is still there */
    assert_int_equal(RUN(cpu, 3, FNSTSW, 0x90, FWAIT), VEC_MF);
    assert_int_equal(peek(cpu, cpu->gpr[RSP], 4), CODE_AT + 3); /* FWAIT itself */
    assert_int_equal(RUN(cpu, 1, FLD1), VEC_MF);
    assert_int_equal(RUN(cpu, 1, 0x0F, 0x77), VEC_MF); /* EMMS */
    assert_int_equal(RUN(cpu, 3, FNCLEX, FWAIT, FLD1), -1);
}

static void test_x87_exceptions_no_wait_instructions_do_not_report(void **state) {
    struct cpu *cpu = cpu_of(state);
    divide_by_zero(cpu, CR0_NE);
    /* FNSTSW AX; FNSTCW [100H]; FNENI; FNDISI; FNSETPM; FNSTENV [200H], which masks */
    assert_int_equal(
        RUN(cpu, 6, FNSTSW, 0xD9, 0x3D, AT(0x100), 0xDB, 0xE0, 0xDB, 0xE1, 0xDB, 0xE4, 0xD9, 0x35, AT(0x200)), -1);
    assert_int_equal(cpu->fpu.fcw & FSW_EXC, FSW_EXC);
    assert_int_equal(cpu->fpu.fsw & (FSW_B | FSW_ES), 0);
    assert_int_equal(RUN(cpu, 1, FWAIT), -1);
}

static void test_x87_exceptions_unmasking_what_is_flagged_reports(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_x87(cpu, CR0_NE);
    poke(cpu, DATA_AT, 2, FCW_INIT & ~FSW_ZE);
    assert_int_equal(RUN(cpu, 4, FNINIT, FLDZ, FLD1, FDIV), -1);
    assert_int_equal(cpu->fpu.fsw & (FSW_ES | FSW_ZE), FSW_ZE);
    assert_int_equal(RUN(cpu, 2, FLDCW(0), FWAIT), VEC_MF);
}

static void test_x87_exceptions_without_ne_irq_13_and_the_processor_waits(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct machine *m = cpu->machine;
    divide_by_zero(cpu, 0);
    outb(m, 0xA0, 0x0A); /* read IRR */
    assert_int_equal(inb(m, 0xA0) & IRQ13, 0);
    assert_int_equal(RUN(cpu, 3, FNSTSW, FWAIT, FLD1), -1);
    assert_int_equal(inb(m, 0xA0) & IRQ13, IRQ13);
    assert_int_equal(cpu->intr.activity, ACT_HLT);
    assert_int_equal(cpu->rip, CODE_AT + 2); /* in front of FWAIT */
}

static void test_x87_exceptions_port_f0_asserts_ignne_until_the_error_is_gone(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct machine *m = cpu->machine;
    divide_by_zero(cpu, 0);
    outb(m, 0xF0, 0); /* no FERR# yet: nothing to ignore */
    assert_int_equal(RUN(cpu, 1, FWAIT), -1);
    assert_int_equal(cpu->intr.activity, ACT_HLT);
    outb(m, 0xF0, 0);
    assert_int_equal(RUN(cpu, 1, FWAIT), -1);
    assert_int_equal(cpu->intr.activity, ACT_ACTIVE);
    assert_int_equal(cpu->rip, CODE_AT + 1);
    assert_int_equal(RUN(cpu, 1, FNCLEX), -1);
    divide_by_zero(cpu, 0);
    assert_int_equal(RUN(cpu, 1, FWAIT), -1);
    assert_int_equal(cpu->intr.activity, ACT_HLT); /* IGNNE# went with FERR# */
}

static void test_x87_exceptions_unmasked_invalid_compare_and_store_change_nothing_but_codes(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_x87(cpu, CR0_NE);
    poke(cpu, DATA_AT, 2, FCW_INIT & ~FSW_IE);
    poke(cpu, DATA_AT + 8, 8, 0x1234567890ABCDEF);
    /* FLDCW; FISTP m16 of 1e5 (no store, no pop) */
    poke(cpu, DATA_AT + 4, 4, 100000);
    assert_int_equal(RUN(cpu, 4, FNINIT, FLDCW(0), 0xDB, 0x05, AT(4), 0xDF, 0x1D, AT(8)), -1);
    assert_int_equal(peek(cpu, DATA_AT + 8, 8), 0x1234567890ABCDEF);
    assert_int_equal(fpu_top(&cpu->fpu), 7);
    assert_int_equal(cpu->fpu.fsw & (FSW_IE | FSW_ES), FSW_IE | FSW_ES);
}

/* x rem infinity and x * 2^0 are x. With #U unmasked, AMD's processors raise it for a denormal x, Intel's don't. */
static void check_denormal_returned(struct cpu *cpu, bool amd) {
    static const uint8_t ops[] = {0xFD, 0xF8, 0xF5}; /* FSCALE, FPREM, FPREM1 */
    for (unsigned n = 0; n < sizeof ops; n++) {
        world_x87(cpu, CR0_NE);
        poke(cpu, DATA_AT, 2, FCW_INIT & ~FSW_UE);
        assert_int_equal(RUN(cpu, 3, FNINIT, FLDCW(0), FLDZ), -1);
        const unsigned x = fpu_top(&cpu->fpu), y = (x + 1) & 7;
        cpu->fpu.ftw |= (uint8_t)(1u << y);
        cpu->fpu.st[y] = n ? (struct f80){.sig = 1ull << 63, .se = 0x7FFF} : (struct f80){0};
        cpu->fpu.st[x] = (struct f80){.sig = 0x1234, .se = 0x8000};
        assert_int_equal(RUN(cpu, 1, 0xD9, ops[n]), -1);
        assert_int_equal(cpu->fpu.fsw & (FSW_EXC | FSW_ES | FSW_C2), FSW_DE | (amd ? FSW_UE | FSW_ES : 0));
        assert_int_equal(cpu->fpu.fcw, FCW_INIT & ~FSW_UE);
        if (amd) assert_int_not_equal(cpu->fpu.st[x].sig, 0x1234);
        if (!amd) assert_true(cpu->fpu.st[x].sig == 0x1234 && cpu->fpu.st[x].se == 0x8000);
        cpu->fpu.st[x] = (struct f80){.sig = 3ull << 62, .se = 0x3FFF}; /* others are not concerned */
        cpu->fpu.fsw &= (uint16_t) ~(FSW_EXC | FSW_ES | FSW_B);
        assert_int_equal(RUN(cpu, 1, 0xD9, ops[n]), -1);
        assert_int_equal(cpu->fpu.st[x].sig, 3ull << 62);
    }
}
static void test_x87_exceptions_denormal_returned_is_tiny_on_amd(void **state) {
    check_denormal_returned(cpu_of(state), true);
}
static void test_x87_exceptions_denormal_returned_is_itself_on_intel(void **state) {
    check_denormal_returned(cpu_of(state), false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON(test_x87_exceptions_mf_comes_with_the_next_waiting_instruction, setup_amd),
        TEST_ON(test_x87_exceptions_no_wait_instructions_do_not_report, setup_intel),
        TEST_ON(test_x87_exceptions_unmasking_what_is_flagged_reports, setup_intel),
        TEST_ON(test_x87_exceptions_without_ne_irq_13_and_the_processor_waits, setup_intel),
        TEST_ON(test_x87_exceptions_port_f0_asserts_ignne_until_the_error_is_gone, setup_amd),
        TEST_ON(test_x87_exceptions_unmasked_invalid_compare_and_store_change_nothing_but_codes, setup_amd),
        TEST_ON(test_x87_exceptions_denormal_returned_is_tiny_on_amd, setup_amd),
        TEST_ON(test_x87_exceptions_denormal_returned_is_itself_on_intel, setup_intel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
