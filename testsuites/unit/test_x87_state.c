/* The x87 state as software sees it: environments in every format, FXSAVE and FXRSTOR by vendor, the register stack,
 * MMX.
 */
#include "sim/x87/image.h"
#include "x87_world.h"

#define FLD1        0xD9, 0xE8
#define FLDZ        0xD9, 0xEE
#define FNINIT      0xDB, 0xE3
#define FNSTENV(at) 0xD9, 0x35, AT(at)
#define FLDENV(at)  0xD9, 0x25, AT(at)
#define FNSAVE(at)  0xDD, 0x35, AT(at)
#define FRSTOR(at)  0xDD, 0x25, AT(at)
#define FLD32(at)   0xD9, 0x05, AT(at)
#define FXSAVE(at)  0x0F, 0xAE, 0x05, AT(at)
#define FXRSTOR(at) 0x0F, 0xAE, 0x0D, AT(at)

/* FNINIT; FLDZ; FLD1; FLD of a denormal: the instruction at 8006 with its operand at DATA_AT + 400H */
static void make_state(struct cpu *cpu) {
    world_x87(cpu, CR0_NE);
    poke(cpu, DATA_AT + 0x400, 4, 1);
    assert_int_equal(RUN(cpu, 4, FNINIT, FLDZ, FLD1, FLD32(0x400)), -1);
}

static void test_x87_state_fnstenv_32_bit_protected_has_selectors(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    assert_int_equal(RUN(cpu, 1, FNSTENV(0)), -1);
    static const uint32_t expected[] = {
        0xFFFF037F, 0xFFFF2802, 0xFFFF43FF, 0x8006, SEL_CODE0 | 0x105u << 16, DATA_AT + 0x400, 0xFFFF0000 | SEL_DATA0};
    for (unsigned k = 0; k < 7; k++) assert_int_equal(peek(cpu, DATA_AT + 4 * k, 4), expected[k]);
}

static void test_x87_state_fnstenv_16_bit_protected_has_no_opcode(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    assert_int_equal(RUN(cpu, 1, 0x66, FNSTENV(0)), -1);
    static const uint16_t expected[] = {0x037F, 0x2802, 0x43FF, 0x8006, SEL_CODE0, 0x0400, SEL_DATA0};
    for (unsigned k = 0; k < 7; k++) assert_int_equal(peek(cpu, DATA_AT + 2 * k, 2), expected[k]);
    assert_int_equal(peek(cpu, DATA_AT + 14, 2), 0);
}

/* SDM 1 figures "Real Mode x87 FPU State Image in Memory": linear addresses of 32 and of 20 bits */
static void test_x87_state_fnstenv_in_real_mode_has_linear_addresses(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    cpu->fpu.fcs = 0x1234;
    cpu->fpu.fip = 0x5678;
    cpu->fpu.fds = 0xF000;
    cpu->fpu.fdp = 0xFFF0;
    cr0_set(cpu, CR0_NE);
    assert_int_equal(RUN(cpu, 1, FNSTENV(0)), -1);
    assert_int_equal(peek(cpu, DATA_AT + 12, 4), 0xFFFF79B8); /* 12340H + 5678H = 179B8H */
    assert_int_equal(peek(cpu, DATA_AT + 16, 4), 1u << 12 | 0x105);
    assert_int_equal(peek(cpu, DATA_AT + 20, 4), 0xFFFFFFF0);
    assert_int_equal(peek(cpu, DATA_AT + 24, 4), 0xFu << 12);
    assert_int_equal(RUN(cpu, 1, 0x66, FNSTENV(0x40)), -1);
    static const uint16_t expected[] = {0x79B8, 0x1105, 0xFFF0, 0xF000};
    for (unsigned k = 0; k < 4; k++) assert_int_equal(peek(cpu, DATA_AT + 0x46 + 2 * k, 2), expected[k]);
}

static void test_x87_state_fldenv_brings_back_what_fnstenv_stored(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    const struct fpu_regs before = cpu->fpu;
    assert_int_equal(RUN(cpu, 3, FNSTENV(0), FNINIT, FLDENV(0)), -1);
    assert_int_equal(cpu->fpu.fcw, before.fcw);
    assert_int_equal(cpu->fpu.fsw, before.fsw);
    assert_int_equal(cpu->fpu.ftw, before.ftw);
    assert_int_equal(cpu->fpu.fip, 0x8006);
    assert_int_equal(cpu->fpu.fop, 0x105);
    assert_int_equal(cpu->fpu.fdp, DATA_AT + 0x400);
}

static void test_x87_state_fnsave_initializes_and_frstor_restores(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    const struct fpu_regs before = cpu->fpu;
    assert_int_equal(RUN(cpu, 1, FNSAVE(0)), -1);
    assert_int_equal(cpu->fpu.fcw, FCW_INIT);
    assert_int_equal(cpu->fpu.fsw, 0);
    assert_int_equal(cpu->fpu.ftw, 0);
    assert_int_equal(peek(cpu, DATA_AT + 28 + 8, 2), 0x3F6A); /* ST(0): 2^-149 */
    assert_int_equal(peek(cpu, DATA_AT + 28 + 10 + 8, 2), 0x3FFF);
    assert_int_equal(RUN(cpu, 1, FRSTOR(0)), -1);
    assert_int_equal(cpu->fpu.fsw, before.fsw);
    assert_int_equal(cpu->fpu.ftw, before.ftw);
    for (unsigned r = 0; r < 8; r++) {
        assert_int_equal(cpu->fpu.st[r].sig, before.st[r].sig);
        assert_int_equal(cpu->fpu.st[r].se, before.st[r].se);
    }
}

/* The last byte lies in a segment's next page: nothing may have been written. */
static void test_x87_state_fnsave_beyond_the_limit_leaves_memory_and_state(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    cpu->seg[SEG_DS].limit = DATA_AT + 106;
    poke(cpu, DATA_AT, 4, 0x12345678);
    const uint16_t fsw = cpu->fpu.fsw;
    assert_int_equal(RUN(cpu, 1, FNSAVE(0)), VEC_GP);
    assert_int_equal(peek(cpu, DATA_AT, 4), 0x12345678);
    assert_int_equal(cpu->fpu.fsw, fsw);
}

/* ---- FXSAVE, FXRSTOR ---- */

static void test_x87_state_fxsave_with_xsaveerptr_stores_zeros_without_es(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    for (unsigned k = 0; k < 64; k++) poke(cpu, DATA_AT + 8 * k, 8, ~0ull);
    assert_int_equal(RUN(cpu, 1, FXSAVE(0)), -1);
    assert_int_equal(peek(cpu, DATA_AT, 8), 0xE0ull << 32 | 0x2802037F);
    assert_int_equal(peek(cpu, DATA_AT + 8, 8), 0);
    assert_int_equal(peek(cpu, DATA_AT + 16, 8), 0);
    assert_int_equal(peek(cpu, DATA_AT + 24, 4), MXCSR_INIT);
    assert_int_equal(peek(cpu, DATA_AT + 32 + 8, 8), 0x3F6A);
    assert_int_equal(peek(cpu, DATA_AT + 160 + 7 * 16, 8), 0);
    assert_int_equal(peek(cpu, DATA_AT + 160 + 8 * 16, 8), ~0ull); /* XMM8 is not there */
    assert_int_equal(peek(cpu, DATA_AT + 416, 8), ~0ull);
}

/* APM 2 "FXSAVE and FXRSTOR Instructions" */
static void test_x87_state_fxsave_without_xsaveerptr_leaves_pointers_without_es(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    for (unsigned k = 0; k < 3; k++) poke(cpu, DATA_AT + 8 * k, 8, ~0ull);
    assert_int_equal(RUN(cpu, 1, FXSAVE(0)), -1);
    assert_int_equal(peek(cpu, DATA_AT + 8, 8), ~0ull);
    assert_int_equal(peek(cpu, DATA_AT + 16, 8), ~0ull);
    assert_int_equal(RUN(cpu, 1, FXRSTOR(0)), -1);
    assert_int_equal(cpu->fpu.fip, 0x8006);
    cpu->fpu.fcw &= (uint16_t)~FSW_DE; /* what waits now */
    cpu->fpu.fsw |= FSW_ES | FSW_B;
    assert_int_equal(RUN(cpu, 1, FXSAVE(0)), -1);
    assert_int_equal(peek(cpu, DATA_AT + 8, 8), (uint64_t)SEL_CODE0 << 32 | 0x8006);
    assert_int_equal(peek(cpu, DATA_AT + 16, 8), (uint64_t)SEL_DATA0 << 32 | (DATA_AT + 0x400));
}

/* CPUID.(EAX=07H,ECX=0H):EBX[6] and [13] */
static void test_x87_state_intel_saves_fdp_of_exceptions_only_and_no_selectors(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    assert_int_equal(RUN(cpu, 1, FXSAVE(0)), -1);
    assert_int_equal(peek(cpu, DATA_AT + 8, 8), 0x8006);
    assert_int_equal(peek(cpu, DATA_AT + 16, 8), 0);
    cpu->fpu.fcw &= (uint16_t)~FSW_DE;
    cpu->fpu.fsw = cpu->fpu.ftw = 0;
    assert_int_equal(RUN(cpu, 2, FLD32(0x400), FXSAVE(0)), -1);
    assert_int_equal(peek(cpu, DATA_AT + 16, 8), DATA_AT + 0x400);
}

static void test_x87_state_fxsave_and_fxrstor_raise_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    assert_int_equal(RUN(cpu, 1, FXSAVE(8)), VEC_GP);
    assert_int_equal(RUN(cpu, 1, FXRSTOR(8)), VEC_GP);
    assert_int_equal(RUN(cpu, 1, FXSAVE(0)), -1);
    poke(cpu, DATA_AT + 24, 4, MXCSR_INIT | 1u << 16); /* reserved */
    const uint16_t fsw = cpu->fpu.fsw;
    poke(cpu, DATA_AT + 2, 2, 0);
    assert_int_equal(RUN(cpu, 1, FXRSTOR(0)), VEC_GP);
    assert_int_equal(cpu->fpu.fsw, fsw);
    cr0_set(cpu, CR0_PE | CR0_TS);
    assert_int_equal(RUN(cpu, 1, FXSAVE(0)), VEC_NM);
}

/* APM 2, EFER.FFXSR: in 64-bit mode at CPL 0 the XMM registers stay out of it */
static void test_x87_state_ffxsr_leaves_xmm_registers_alone(void **state) {
    struct cpu *cpu = cpu_of(state);
    for (unsigned fast = 0; fast < 2; fast++) {
        world_long(cpu);
        cpu->ctl.cr4 |= CR4_OSFXSR;
        cpu->ctl.efer |= fast ? EFER_FFXSR : 0;
        cpu_update_mode(cpu);
        cpu->vec.zmm[15].u64[0] = 0x1122334455667788;
        cpu->gpr[RBX] = DATA_AT;
        poke(cpu, DATA_AT + 160 + 15 * 16, 8, 0);
        assert_int_equal(RUN(cpu, 1, 0x0F, 0xAE, 0x03), -1);
        assert_int_equal(peek(cpu, DATA_AT + 160 + 15 * 16, 8), fast ? 0 : 0x1122334455667788);
    }
}

/* ---- MMX ---- */

static void test_x87_state_emms_empties_the_registers_and_clears_top(void **state) {
    struct cpu *cpu = cpu_of(state);
    make_state(cpu);
    assert_int_equal(RUN(cpu, 1, 0x0F, 0x77), -1);
    assert_int_equal(cpu->fpu.ftw, 0);
    assert_int_equal(fpu_top(&cpu->fpu), 0);
    cr0_set(cpu, CR0_PE | CR0_EM);
    assert_int_equal(RUN(cpu, 1, 0x0F, 0x77), VEC_UD);
    cr0_set(cpu, CR0_PE | CR0_TS);
    assert_int_equal(RUN(cpu, 1, 0x0F, 0x77), VEC_NM);
}

/* ---- stack faults ---- */

static void test_x87_state_ninth_push_overflows_with_c1(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_x87(cpu, CR0_NE);
    assert_int_equal(RUN(cpu, 10, FNINIT, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1), -1);
    assert_int_equal(cpu->fpu.fsw & ~FSW_TOP, FSW_IE | FSW_SF | FSW_C1);
    assert_int_equal(fpu_top(&cpu->fpu), 7);
    assert_int_equal(cpu->fpu.st[7].se, 0xFFFF);
    assert_int_equal(cpu->fpu.st[7].sig, 3ull << 62);
}

static void test_x87_state_empty_register_underflows_without_c1(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_x87(cpu, CR0_NE);
    assert_int_equal(RUN(cpu, 3, FNINIT, FLD1, 0xD8, 0xC1), -1); /* FADD ST(0), ST(1) */
    assert_int_equal(cpu->fpu.fsw & ~FSW_TOP, FSW_IE | FSW_SF);
    assert_int_equal(cpu->fpu.st[7].sig, 3ull << 62);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON(test_x87_state_fnstenv_32_bit_protected_has_selectors, setup_amd),
        TEST_ON(test_x87_state_fnstenv_16_bit_protected_has_no_opcode, setup_amd),
        TEST_ON(test_x87_state_fnstenv_in_real_mode_has_linear_addresses, setup_amd),
        TEST_ON(test_x87_state_fldenv_brings_back_what_fnstenv_stored, setup_amd),
        TEST_ON(test_x87_state_fnsave_initializes_and_frstor_restores, setup_amd),
        TEST_ON(test_x87_state_fnsave_beyond_the_limit_leaves_memory_and_state, setup_amd),
        TEST_ON(test_x87_state_fxsave_with_xsaveerptr_stores_zeros_without_es, setup_amd),
        TEST_ON(test_x87_state_fxsave_without_xsaveerptr_leaves_pointers_without_es, setup_k8),
        TEST_ON(test_x87_state_intel_saves_fdp_of_exceptions_only_and_no_selectors, setup_intel),
        TEST_ON(test_x87_state_fxsave_and_fxrstor_raise_gp, setup_amd),
        TEST_ON(test_x87_state_ffxsr_leaves_xmm_registers_alone, setup_amd),
        TEST_ON(test_x87_state_emms_empties_the_registers_and_clears_top, setup_amd),
        TEST_ON(test_x87_state_ninth_push_overflows_with_c1, setup_amd),
        TEST_ON(test_x87_state_empty_register_underflows_without_c1, setup_amd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
