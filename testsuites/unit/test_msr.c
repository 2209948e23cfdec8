/* Model-specific registers and control registers. */
#include "core_world.h"
#include "sim/arch/msr.h"

static uint64_t rd(struct cpu *cpu, uint32_t msr) {
    uint64_t val = 0;
    assert_true(msr_read(cpu, msr, &val));
    return val;
}

static void test_msr_unknown_refused(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t val;
    assert_false(msr_read(cpu, 0x12345678, &val));
    assert_false(msr_write(cpu, 0x12345678, 0));
    assert_false(msr_read(cpu, MSR_HWCR, &val)); /* AMD's */
}

static void test_msr_feature_absent_refused(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t val;
    assert_false(msr_read(cpu, MSR_FEATURE_CONTROL, &val)); /* the fixture's model has no VMX */
}

static void test_msr_rules_of_the_table(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t val;
    assert_false(msr_write(cpu, MSR_MTRRCAP, 0));
    assert_false(msr_read(cpu, MSR_BIOS_UPDT_TRIG, &val));
    assert_true(msr_write(cpu, MSR_BIOS_UPDT_TRIG, 0x1000));
    assert_false(msr_write(cpu, MSR_LSTAR, 0x1234567890ABCDEFull));
    assert_true(msr_write(cpu, MSR_LSTAR, 0xFFFF800000001000ull));
    assert_int_equal(rd(cpu, MSR_LSTAR), 0xFFFF800000001000ull);
    assert_false(msr_write(cpu, MSR_SFMASK, 1ull << 32));
    assert_false(msr_write(cpu, MSR_TSC_AUX, 1ull << 32));
}

static void test_msr_memory_types_checked(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_int_equal(rd(cpu, MSR_PAT), 0x0007040600070406ull);
    assert_false(msr_write(cpu, MSR_PAT, 2));
    assert_true(msr_write(cpu, MSR_PAT, 0x0007010600070106ull));
    assert_false(msr_write(cpu, MSR_MTRR_DEF_TYPE, 7));
    assert_true(msr_write(cpu, MSR_MTRR_DEF_TYPE, 0xC06));
    assert_false(msr_write(cpu, MSR_MTRR_PHYSBASE0, 1ull << 60));
    assert_true(msr_write(cpu, MSR_MTRR_PHYSBASE0 + 1, 0xFF000800));
    assert_int_equal(rd(cpu, MSR_MTRR_PHYSBASE0 + 1), 0xFF000800);
    assert_true(msr_write(cpu, MSR_MTRR_FIX4K_C0000 + 7, 0x0606060606060606ull));
    assert_int_equal(cpu->msr.mtrr_fixed[10], 0x0606060606060606ull);
}

static void test_msr_tsc_write_shows_in_tsc_adjust(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t before = rd(cpu, MSR_TSC);
    assert_true(msr_write(cpu, MSR_TSC, before + 1000));
    assert_int_equal(rd(cpu, MSR_TSC_ADJUST), 1000);
    assert_true(msr_write(cpu, MSR_TSC_ADJUST, 0));
    assert_int_equal(rd(cpu, MSR_TSC), before);
}

static void test_msr_fs_gs_bases_are_the_segments(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_true(msr_write(cpu, MSR_FS_BASE, 0x1234));
    assert_true(msr_write(cpu, MSR_GS_BASE, 0x5678));
    assert_int_equal(cpu->seg[SEG_FS].base, 0x1234);
    assert_int_equal(cpu->seg[SEG_GS].base, 0x5678);
}

static void test_msr_init_keeps_reset_clears(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_true(msr_write(cpu, MSR_STAR, 0x1122334455667788ull));
    msr_reset(cpu, true);
    assert_int_equal(rd(cpu, MSR_STAR), 0x1122334455667788ull);
    msr_reset(cpu, false);
    assert_int_equal(rd(cpu, MSR_STAR), 0);
    assert_int_equal(rd(cpu, MSR_APIC_BASE), 0xFEE00900);
}

/* ---- EFER ---- */

static void test_efer_reserved_bits_refused(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_false(msr_write(cpu, MSR_EFER, 1u << 2));
    assert_false(msr_write(cpu, MSR_EFER, EFER_SVME));                     /* AMD's */
    assert_true(msr_write(cpu, MSR_EFER, EFER_SCE | EFER_NXE | EFER_LMA)); /* Intel: LMA is not writable, and ignored */
    assert_int_equal(rd(cpu, MSR_EFER), EFER_SCE | EFER_NXE);
}

static void test_efer_lme_fixed_while_paging(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    assert_int_equal(rd(cpu, MSR_EFER), EFER_LME | EFER_LMA);
    assert_false(msr_write(cpu, MSR_EFER, 0));
}

/* ---- CR0, CR3, CR4 ---- */

static void test_cr0_illegal_combinations_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, CR0_PG));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, CR0_NW));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, 1ull << 32));
    world_protected(cpu, 0);
    cpu->ctl.efer = EFER_LME;
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, CR0_PE | CR0_PG)); /* without PAE */
    cpu->ctl.cr4 = CR4_PAE;
    cpu->seg[SEG_TR].ar = AR_P | DESC_TSS16_BUSY;
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, CR0_PE | CR0_PG)); /* with a 16-bit TSS */
}

static void test_cr0_paging_turns_lma_on_and_off(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    assert_true(cpu->ctl.efer & EFER_LMA);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, CR0_PE)); /* in 64-bit mode */
    cpu->seg[SEG_CS].ar = CODE | FLAT32;
    cpu_update_mode(cpu);
    ASSERT_QUIET(cpu, cr0_write(cpu, CR0_PE));
    assert_false(cpu->ctl.efer & EFER_LMA);
    assert_true(cpu->ctl.efer & EFER_LME);
}

static void test_cr3_reserved_bits_gp_in_long_mode(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr3_write(cpu, 1ull << cpu->model->phys_bits));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr3_write(cpu, 1ull << 63 | 0x1000)); /* PCIDE = 0 */
    ASSERT_QUIET(cpu, cr4_write(cpu, CR4_PAE | CR4_PCIDE));
    ASSERT_QUIET(cpu, cr3_write(cpu, 1ull << 63 | 0x1005));
    assert_int_equal(cpu->ctl.cr3, 0x1005);
    ASSERT_QUIET(cpu, cr4_write(cpu, CR4_PAE));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, CR4_PAE | CR4_PCIDE)); /* CR3[11:0] not 0 */
}

static void test_cr4_unsupported_bits_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, 1u << 31));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, CR4_VMXE));  /* the fixture's model has no VMX */
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, CR4_PCIDE)); /* not in IA-32e mode */
    world_long(cpu);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, 0));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, CR4_PAE | CR4_LA57));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_msr_unknown_refused),
        TEST(test_msr_feature_absent_refused),
        TEST(test_msr_rules_of_the_table),
        TEST(test_msr_memory_types_checked),
        TEST(test_msr_tsc_write_shows_in_tsc_adjust),
        TEST(test_msr_fs_gs_bases_are_the_segments),
        TEST(test_msr_init_keeps_reset_clears),
        TEST(test_efer_reserved_bits_refused),
        TEST(test_efer_lme_fixed_while_paging),
        TEST(test_cr0_illegal_combinations_gp),
        TEST(test_cr0_paging_turns_lma_on_and_off),
        TEST(test_cr3_reserved_bits_gp_in_long_mode),
        TEST(test_cr4_unsupported_bits_gp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
