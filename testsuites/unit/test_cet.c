/* Shadow stacks and indirect-branch tracking: registers, the cache of translations, tokens and frames of
 * transfers, the tracker. What instructions do with them is tested by the guest images cet-*. SDM 1 "Control-flow
 * Enforcement Technology (CET)"; SDM 3 "Access Rights". */
#include "core_world.h"
#include "sim/core/cet.h"

#define P  1ull
#define RW 2ull
#define A  0x20ull
#define D  0x40ull

/* ---- a processor ---- */

static int setup_model(void **state, const char *model) {
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 1, .rtc_start = TEST_DATE};
    c.model = model_parse(model, err, sizeof err);
    assert_non_null(c.model);
    *state = machine_create(&c, err, sizeof err);
    assert_non_null(*state);
    return 0;
}
static int setup_intel(void **state) { return setup_model(state, "max-intel,-vmx,+shstk,+ibt"); }
static int setup_amd(void **state) { return setup_model(state, "max-amd,-svm,+shstk,-ibt"); }
static int setup_none(void **state) { return setup_model(state, "max-intel,-vmx,-shstk,-ibt"); }

static void enable(struct cpu *cpu, uint64_t s_cet, uint64_t u_cet) {
    cpu->ctl.cr0 |= CR0_WP;
    cpu->ctl.cr4 |= CR4_CET;
    cpu->cet.s_cet = s_cet;
    cpu->cet.u_cet = u_cet;
    cpu_update_mode(cpu);
}

static void test_cet_msrs_refuse_what_is_reserved(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t v;
    for (unsigned bit = 0; bit < 12; bit++)
        assert_int_equal(msr_write(cpu, MSR_U_CET, 1ull << bit), bit < 6 || bit > 9);
    assert_false(msr_write(cpu, MSR_S_CET, CET_SUPPRESS | CET_TRACKER));
    assert_false(msr_write(cpu, MSR_S_CET, 1ull << 56));
    assert_true(msr_write(cpu, MSR_S_CET, CET_ENDBR_EN | 0xFF00000000000000));
    assert_true(msr_read(cpu, MSR_S_CET, &v));
    assert_true(v == (CET_ENDBR_EN | 0xFF00000000000000));
    for (unsigned n = 0; n < 4; n++) {
        assert_false(msr_write(cpu, MSR_PL0_SSP + n, 0x1001));
        assert_false(msr_write(cpu, MSR_PL0_SSP + n, 0x1002));
        assert_false(msr_write(cpu, MSR_PL0_SSP + n, 1ull << 56));
        assert_true(msr_write(cpu, MSR_PL0_SSP + n, 0x1004));
        assert_true(cpu->cet.pl_ssp[n] == 0x1004);
    }
    assert_false(msr_write(cpu, MSR_INTERRUPT_SSP_TABLE_ADDR, 1ull << 56));
    assert_true(msr_write(cpu, MSR_INTERRUPT_SSP_TABLE_ADDR, 0x1001));
}

static void test_cet_msrs_of_amd_have_no_tracking(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_true(msr_write(cpu, MSR_U_CET, CET_SH_STK_EN | CET_WR_SHSTK_EN));
    assert_false(msr_write(cpu, MSR_U_CET, CET_ENDBR_EN));
    assert_false(msr_write(cpu, MSR_U_CET, 0x1000));
}

static void test_cet_absent_has_no_msrs_and_no_cr4_bit(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t v;
    for (uint32_t msr = MSR_U_CET; msr <= MSR_INTERRUPT_SSP_TABLE_ADDR; msr++) assert_false(msr_read(cpu, msr, &v));
    assert_false(cr4_supported(cpu->model) & CR4_CET);
}

static void test_cet_cr4_needs_write_protection(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr4_write(cpu, CR4_CET));
    ASSERT_QUIET(cpu, cr0_write(cpu, CR0_PE | CR0_WP));
    ASSERT_QUIET(cpu, cr4_write(cpu, CR4_CET));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cr0_write(cpu, CR0_PE));
}

static void test_cet_mode_follows_level_and_enables(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    enable(cpu, CET_SH_STK_EN, CET_ENDBR_EN);
    assert_int_equal(cpu->mode & (MODE_SHSTK | MODE_IBT), MODE_SHSTK);
    cpu_set_cpl(cpu, 3);
    assert_int_equal(cpu->mode & (MODE_SHSTK | MODE_IBT), MODE_IBT);
    cpu->rflags |= FLAG_VM;
    cpu_update_mode(cpu);
    assert_int_equal(cpu->mode & (MODE_SHSTK | MODE_IBT), 0);
    cpu->rflags &= ~FLAG_VM;
    cpu->ctl.cr0 &= ~(uint64_t)CR0_PE;
    cpu_update_mode(cpu);
    assert_int_equal(cpu->mode & (MODE_SHSTK | MODE_IBT), 0);
}

/* A page that is a shadow stack is cached for shadow-stack accesses and loads apart. */
static void test_cet_cached_translations_do_not_mix(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    poke(cpu, 0x3000 + 8 * 7, 8, 0x4007);
    poke(cpu, 0x4000, 8, 0x300000 | P | A | D); /* 00E00000H: a supervisor shadow stack */
    poke(cpu, 0x4008, 8, 0x301000 | P | RW | A | D);
    enable(cpu, CET_SH_STK_EN, 0);
    for (unsigned n = 0; n < 3; n++) {
        ASSERT_QUIET(cpu, mem_shstk_write(cpu, 0xE00010, 8, 77 + n, 0));
        assert_int_equal(mem_read64(cpu, NULL, 0xE00010), 77 + n);
        ASSERT_RAISES_ERR(cpu, VEC_PF, PF_P | PF_W, mem_write64(cpu, NULL, 0xE00010, 1));
        ASSERT_RAISES_ERR(cpu, VEC_PF, PF_P | PF_W | PF_SS, mem_shstk_write(cpu, 0xE01010, 8, 1, 0));
        ASSERT_QUIET(cpu, mem_write64(cpu, NULL, 0xE01010, 1));
        ASSERT_RAISES_ERR(cpu, VEC_PF, PF_P | PF_SS, mem_shstk_read(cpu, 0xE01010, 8, 0));
        ASSERT_RAISES_ERR(cpu, VEC_PF, PF_P | PF_U | PF_SS, mem_shstk_read(cpu, 0xE00010, 8, MEM_USER));
    }
    poke(cpu, 0x4000, 8, 0x300000 | P | RW | A | D);
    tlb_flush_page(cpu, 0xE00000);
    ASSERT_RAISES_ERR(cpu, VEC_PF, PF_P | PF_SS, mem_shstk_read(cpu, 0xE00010, 8, 0));
}

/* ---- transfers ---- */

#define SSP 0x30000u

static void test_cet_call_and_return_keep_a_frame(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct cet_target to = {.cpl = 0};
    struct cet_transfer t;
    world_protected(cpu, 0);
    enable(cpu, CET_SH_STK_EN, 0);
    cpu->cet.ssp = SSP - 4;
    cpu->rip = 0x1234;
    ASSERT_QUIET(cpu, cet_call_same(cpu, &to, &t));
    assert_true(cpu->cet.ssp == SSP - 4); /* nothing yet */
    cet_commit(cpu, &t);
    assert_true(cpu->cet.ssp == SSP - 32);
    assert_true(peek(cpu, SSP - 32, 8) == SSP - 4 && peek(cpu, SSP - 24, 8) == 0x1234);
    assert_true(peek(cpu, SSP - 16, 8) == SEL_CODE0 && peek(cpu, SSP - 8, 4) == 0);
    to = (struct cet_target){.cs = SEL_CODE0, .lip = 0x1235};
    ASSERT_RAISES_ERR(cpu, VEC_CP, CP_FAR_RET, cet_return_same(cpu, &to, false, &t));
    to.lip = 0x1234;
    to.cs = SEL_CODE3;
    ASSERT_RAISES_ERR(cpu, VEC_CP, CP_FAR_RET, cet_return_same(cpu, &to, false, &t));
    to.cs = SEL_CODE0;
    ASSERT_QUIET(cpu, cet_return_same(cpu, &to, false, &t));
    cet_commit(cpu, &t);
    assert_true(cpu->cet.ssp == SSP - 4);
}

static void test_cet_inner_level_takes_and_gives_back_the_token(void **state) {
    struct cpu *cpu = cpu_of(state);
    const uint64_t at = SSP + 0x18; /* a frame would lie in the same 32 bytes */
    struct cet_target to = {.cpl = 0, .ssp = at};
    struct cet_transfer t;
    world_protected(cpu, 3);
    enable(cpu, CET_SH_STK_EN, CET_SH_STK_EN);
    cpu->cet.ssp = 0x40000;
    cpu->cet.pl_ssp[0] = at;
    poke(cpu, at, 8, at | CET_TOKEN_BUSY);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cet_enter_inner(cpu, &to, &t));
    poke(cpu, at, 8, at);
    ASSERT_QUIET(cpu, cet_enter_inner(cpu, &to, &t));
    cet_commit(cpu, &t);
    assert_true(cpu->cet.ssp == at && cpu->cet.pl_ssp[3] == 0x40000);
    assert_true(peek(cpu, at, 8) == (at | CET_TOKEN_BUSY));
    cpu_set_cpl(cpu, 0);
    to = (struct cet_target){.cpl = 3};
    ASSERT_QUIET(cpu, cet_return_outer(cpu, &to, &t));
    cet_commit(cpu, &t);
    assert_true(cpu->cet.ssp == 0x40000 && peek(cpu, at, 8) == at);
}

static void test_cet_token_apart_from_its_frame_is_refused_by_intel(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct cet_target to = {.cpl = 0, .ssp = SSP};
    struct cet_transfer t;
    world_protected(cpu, 3);
    enable(cpu, CET_SH_STK_EN, 0);
    poke(cpu, SSP, 8, SSP);
    if (cpu->model->vendor == VENDOR_INTEL)
        ASSERT_RAISES_ERR(cpu, VEC_GP, 0, cet_enter_inner(cpu, &to, &t));
    else
        ASSERT_QUIET(cpu, cet_enter_inner(cpu, &to, &t));
}

static void test_cet_system_call_clears_ssp(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    enable(cpu, CET_SH_STK_EN | CET_ENDBR_EN, CET_SH_STK_EN);
    cpu->cet.ssp = 0x40000;
    cet_enter_system(cpu);
    assert_true(cpu->cet.ssp == 0 && cpu->cet.pl_ssp[3] == 0x40000);
    assert_true(cpu->cet.s_cet == (CET_SH_STK_EN | CET_ENDBR_EN | CET_TRACKER));
    cet_enter_user(cpu);
    assert_true(cpu->cet.ssp == 0x40000);
}

/* ---- tracking ---- */

static void test_cet_tracker_follows_the_state_machine(void **state) {
    struct cpu *cpu = cpu_of(state);
    const struct insn endbr = {.id = INSN_ENDBR32}, other = {.id = INSN_NOP}, int3 = {.id = INSN_INT3};
    world_protected(cpu, 0);
    enable(cpu, CET_ENDBR_EN, 0);
    cet_track_near(cpu, false);
    assert_true(cet_waits(cpu));
    ASSERT_QUIET(cpu, cet_check_target(cpu, &endbr));
    ASSERT_QUIET(cpu, cet_check_target(cpu, &int3));
    ASSERT_RAISES_ERR(cpu, VEC_CP, CP_ENDBRANCH, cet_check_target(cpu, &other));
    assert_true(cet_waits(cpu)); /* no change of state */
    cet_end_branch(cpu);
    assert_false(cet_waits(cpu));
    cet_track_near(cpu, true); /* NO_TRACK_EN is 0 */
    assert_true(cet_waits(cpu));
    cpu->cet.s_cet = CET_ENDBR_EN | CET_NO_TRACK_EN;
    cet_track_near(cpu, true);
    assert_false(cet_waits(cpu));
    cpu->cet.s_cet = CET_ENDBR_EN | CET_SUPPRESS;
    cet_track_near(cpu, false);
    assert_false(cet_waits(cpu));
    cet_track(cpu, 0); /* far */
    assert_true(cpu->cet.s_cet == (CET_ENDBR_EN | CET_TRACKER));
}

static void test_cet_legacy_bitmap_decides(void **state) {
    struct cpu *cpu = cpu_of(state);
    const struct insn other = {.id = INSN_NOP};
    const uint64_t on = CET_ENDBR_EN | CET_LEG_IW_EN | 0x50000;
    world_protected(cpu, 0);
    enable(cpu, on | CET_TRACKER, 0);
    cpu->rip = 0x123456;
    poke(cpu, 0x50000 + (0x123 >> 3), 1, 0xFF & ~(1u << (0x123 & 7)));
    ASSERT_RAISES_ERR(cpu, VEC_CP, CP_ENDBRANCH, cet_check_target(cpu, &other));
    poke(cpu, 0x50000 + (0x123 >> 3), 1, 1u << (0x123 & 7));
    ASSERT_QUIET(cpu, cet_check_target(cpu, &other));
    assert_true(cpu->cet.s_cet == (on | CET_SUPPRESS));
    cpu->cet.s_cet = on | CET_TRACKER | CET_SUPPRESS_DIS;
    ASSERT_QUIET(cpu, cet_check_target(cpu, &other));
    assert_true(cpu->cet.s_cet == (on | CET_SUPPRESS_DIS));
}

#define INTEL(f) cmocka_unit_test_setup_teardown(f, setup_intel, fixture_teardown)
#define AMD(f)   cmocka_unit_test_setup_teardown(f, setup_amd, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        INTEL(test_cet_msrs_refuse_what_is_reserved),
        AMD(test_cet_msrs_of_amd_have_no_tracking),
        cmocka_unit_test_setup_teardown(test_cet_absent_has_no_msrs_and_no_cr4_bit, setup_none, fixture_teardown),
        INTEL(test_cet_cr4_needs_write_protection),
        INTEL(test_cet_mode_follows_level_and_enables),
        INTEL(test_cet_cached_translations_do_not_mix),
        INTEL(test_cet_call_and_return_keep_a_frame),
        INTEL(test_cet_inner_level_takes_and_gives_back_the_token),
        INTEL(test_cet_token_apart_from_its_frame_is_refused_by_intel),
        AMD(test_cet_token_apart_from_its_frame_is_refused_by_intel),
        INTEL(test_cet_system_call_clears_ssp),
        INTEL(test_cet_tracker_follows_the_state_machine),
        INTEL(test_cet_legacy_bitmap_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
