/* Machine checks: banks, #MC, shutdown, CMCI. */
#include "core_world.h"
#include "sim/arch/mce.h"
#include "sim/arch/msr.h"
#include "sim/core/mce.h"
#include "sim/dev/lapic.h"
#include "sim/hvsim.h"

#define HANDLER     0x9000u
#define BANK(n, at) (MSR_MC0_CTL + 4 * (n) + (at))
enum { CTL, STATUS, ADDR, MISC };

static const struct mce_error fatal = {.bank = 3,
                                       .status = MC_STATUS_UC | MC_STATUS_EN | MC_STATUS_PCC | MC_STATUS_ADDRV | 0x135,
                                       .addr = 0x1234000,
                                       .mcg_status = MCG_STATUS_RIPV};
static const struct mce_error corrected = {.bank = 2, .status = MC_STATUS_EN | MC_STATUS_MISCV | 0x136, .misc = 0x86};

static uint64_t rd(struct cpu *cpu, uint32_t msr) {
    uint64_t val = 0;
    if (!msr_read(cpu, msr, &val)) fail_msg("MSR %#x can't be read", msr);
    return val;
}
static void wr(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if (!msr_write(cpu, msr, val)) fail_msg("MSR %#x does not take %#llx", msr, (unsigned long long)val);
}
static unsigned count_of(uint64_t status) { return status >> MC_STATUS_COUNT_SHIFT & MC_STATUS_COUNT_MAX; }

/* Protected mode with a handler of #MC, CR4.MCE and all banks enabled */
static void prepare(struct cpu *cpu) {
    world_protected(cpu, 0);
    put_gate(cpu, IDT + VEC_MC * 8, SEL_CODE0, HANDLER, AR_P | DESC_INT, 0);
    cpu->ctl.cr4 |= CR4_MCE;
    for (unsigned n = 0; n < mce_banks(cpu); n++) wr(cpu, BANK(n, CTL), ~0ull);
    if (cpu->model->vendor == VENDOR_AMD) wr(cpu, MSR_MCG_CTL, ~0ull);
}
static bool at_handler(const struct cpu *cpu) { return cpu->rip == HANDLER; }

static void test_mce_uncorrected_logged_and_delivered(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu);
    cpu->intr.activity = ACT_HLT; /* which it ends */
    mce_inject(cpu, &fatal);
    assert_false(at_handler(cpu)); /* at the next boundary */
    assert_true(cpu_service_attention(cpu));
    assert_true(at_handler(cpu));
    assert_int_equal(rd(cpu, MSR_MCG_STATUS), MCG_STATUS_MCIP | MCG_STATUS_RIPV);
    assert_int_equal(rd(cpu, BANK(3, STATUS)), MC_STATUS_VAL | fatal.status);
    assert_int_equal(rd(cpu, BANK(3, ADDR)), 0x1234000);
    wr(cpu, BANK(3, STATUS), 0);
    wr(cpu, MSR_MCG_STATUS, 0);
    assert_int_equal(rd(cpu, BANK(3, STATUS)), 0);
}

static void test_mce_not_enabled_only_logged(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu);
    wr(cpu, BANK(3, CTL), 0);
    mce_inject(cpu, &fatal);
    cpu_service_attention(cpu);
    assert_false(at_handler(cpu));
    assert_int_equal(rd(cpu, BANK(3, STATUS)), MC_STATUS_VAL | (fatal.status & ~MC_STATUS_EN));
    assert_int_equal(rd(cpu, MSR_MCG_STATUS), 0);
}

static void test_mce_without_cr4_mce_shuts_down(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu);
    cpu->ctl.cr4 &= ~(uint64_t)CR4_MCE;
    mce_inject(cpu, &fatal);
    assert_false(cpu_service_attention(cpu));
    assert_int_equal(cpu->intr.activity, ACT_SHUTDOWN);
    assert_non_null(strstr(cpu->machine->stop_report, "CR4.MCE = 0"));
}

static void test_mce_while_mcip_shuts_down(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu);
    mce_inject(cpu, &fatal);
    assert_true(cpu_service_attention(cpu));
    mce_inject(cpu, &fatal);
    assert_false(cpu_service_attention(cpu));
    assert_int_equal(cpu->intr.activity, ACT_SHUTDOWN);
    assert_non_null(strstr(cpu->machine->stop_report, "MCIP"));
}

static void test_mce_overwrite_rules(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct mce_error second = corrected;
    prepare(cpu);
    mce_inject(cpu, &corrected);
    second.status = MC_STATUS_EN | 0x999;
    mce_inject(cpu, &second); /* the first one stays */
    uint64_t status = rd(cpu, BANK(2, STATUS));
    assert_int_equal(status & 0xFFFF, 0x136);
    assert_true(status & MC_STATUS_OVER);
    assert_int_equal(count_of(status), 2);
    second.status |= MC_STATUS_UC; /* the worse one takes its place */
    second.addr = 0x5000;
    mce_inject(cpu, &second);
    status = rd(cpu, BANK(2, STATUS));
    assert_int_equal(status & 0xFFFF, 0x999);
    assert_true(status & MC_STATUS_UC && status & MC_STATUS_OVER);
    assert_int_equal(rd(cpu, BANK(2, ADDR)), 0x5000);
    mce_inject(cpu, &corrected); /* and stays */
    assert_int_equal(rd(cpu, BANK(2, STATUS)) & 0xFFFF, 0x999);
}

/* With software error recovery an uncorrected error that asks for nothing is not #MC. */
static void test_mce_no_action_required_is_cmci(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct mce_error ucna = fatal;
    prepare(cpu);
    lapic_mmio_write(cpu, APIC_SVR << 4, 4, 0x1FF);
    lapic_mmio_write(cpu, APIC_LVT_CMCI << 4, 4, 0xFE);
    wr(cpu, MSR_MC0_CTL2 + 3, MC_CTL2_CMCI_EN | 100);
    ucna.status &= ~MC_STATUS_PCC;
    mce_inject(cpu, &ucna);
    assert_int_equal(rd(cpu, MSR_MCG_STATUS), 0);
    assert_true(cpu->lapic->irr[7] & 1u << 30);
    ucna.status |= MC_STATUS_S;
    mce_inject(cpu, &ucna);
    assert_int_equal(rd(cpu, MSR_MCG_STATUS), MCG_STATUS_MCIP | MCG_STATUS_RIPV);
}

static void test_mce_cmci_at_the_threshold(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu);
    lapic_mmio_write(cpu, APIC_SVR << 4, 4, 0x1FF);
    lapic_mmio_write(cpu, APIC_LVT_CMCI << 4, 4, 0x40);
    assert_false(msr_write(cpu, MSR_MC0_CTL2 + 2, 1u << 15));
    wr(cpu, MSR_MC0_CTL2 + 2, MC_CTL2_CMCI_EN | 3);
    assert_int_equal(rd(cpu, MSR_MC0_CTL2 + 2), MC_CTL2_CMCI_EN | 3);
    for (unsigned n = 1; n <= 5; n++) {
        mce_inject(cpu, &corrected);
        assert_int_equal(count_of(rd(cpu, BANK(2, STATUS))), n);
        assert_int_equal(cpu->lapic->irr[2] & 1, n == 3); /* once */
        cpu->lapic->irr[2] = 0;
    }
    cpu_service_attention(cpu);
    assert_false(at_handler(cpu));
}

static void test_mce_banks_take_what_the_manual_allows(void **state) {
    struct cpu *cpu = cpu_of(state);
    unsigned banks = mce_banks(cpu);
    uint64_t val;
    assert_int_equal(rd(cpu, MSR_MCG_CAP) & 0xFF, banks);
    assert_true(msr_read(cpu, BANK(banks - 1, MISC), &val));
    assert_false(msr_read(cpu, BANK(banks, CTL), &val));
    assert_false(msr_read(cpu, MSR_MC0_CTL2 + banks, &val));
    wr(cpu, BANK(0, CTL), 0x55);
    assert_int_equal(rd(cpu, BANK(0, CTL)), 0x55);
    for (unsigned which = STATUS; which <= MISC; which++) {
        assert_false(msr_write(cpu, BANK(1, which), 1));
        wr(cpu, BANK(1, which), 0);
    }
    assert_false(msr_write(cpu, MSR_MCG_STATUS, 1u << 5));
}

static void test_mce_amd_status_by_hwcr(void **state) {
    struct machine *m = fixture_machine_of("zen3", 1, 1);
    struct cpu *cpu = m->cpu[0];
    uint64_t val;
    (void)state;
    assert_false(msr_write(cpu, BANK(1, STATUS), MC_STATUS_VAL));
    wr(cpu, BANK(1, ADDR), 0x1000);
    wr(cpu, MSR_HWCR, rd(cpu, MSR_HWCR) | 1u << 18);
    wr(cpu, BANK(1, STATUS), MC_STATUS_VAL | 5);
    assert_int_equal(rd(cpu, BANK(1, STATUS)), MC_STATUS_VAL | 5);
    assert_false(msr_read(cpu, MSR_MC0_CTL2, &val)); /* Intel's */
    lapic_mmio_write(cpu, APIC_LVT_CMCI << 4, 4, 0x40);
    assert_int_equal(lapic_mmio_read(cpu, APIC_LVT_CMCI << 4, 4), 0);
    assert_int_equal(lapic_mmio_read(cpu, APIC_VERSION << 4, 4) >> 16 & 0xFF, 5);
    machine_destroy(m);
}

static void test_mce_amd_bank_disabled_in_mcg_ctl_only_logged(void **state) {
    struct machine *m = fixture_machine_of("zen3", 1, 1);
    struct cpu *cpu = m->cpu[0];
    (void)state;
    prepare(cpu);
    wr(cpu, MSR_MCG_CTL, ~0ull & ~(1ull << 3));
    mce_inject(cpu, &fatal);
    assert_int_equal(rd(cpu, MSR_MCG_STATUS), 0);
    wr(cpu, MSR_MCG_CTL, ~0ull);
    mce_inject(cpu, &fatal);
    assert_true(rd(cpu, MSR_MCG_STATUS) & MCG_STATUS_MCIP);
    cpu->intr.gif = false; /* waits */
    cpu_service_attention(cpu);
    assert_false(at_handler(cpu));
    cpu->intr.gif = true;
    cpu_service_attention(cpu);
    assert_true(at_handler(cpu));
    machine_destroy(m);
}

static void test_mce_broadcast_reaches_all_that_run(void **state) {
    struct machine *m = *state;
    struct mce_error e = fatal;
    for (unsigned n = 0; n < 2; n++) prepare(m->cpu[n]);
    m->cpu[1]->intr.activity = ACT_HLT;
    e.broadcast = true;
    mce_inject(m->cpu[0], &e);
    for (unsigned n = 0; n < 2; n++) {
        assert_true(cpu_service_attention(m->cpu[n]));
        assert_true(at_handler(m->cpu[n]));
        assert_true(rd(m->cpu[n], MSR_MCG_STATUS) & MCG_STATUS_MCIP);
    }
    assert_int_equal(rd(m->cpu[1], BANK(3, STATUS)), 0);
    assert_int_equal(rd(m->cpu[2], MSR_MCG_STATUS), 0); /* waits for SIPI */
}

static void test_mce_api_names_what_is_wrong(void **state) {
    struct hvsim_config c;
    struct hvsim_machine_check mc = {.bank = 99};
    char err[256];
    (void)state;
    hvsim_config_default(&c);
    c.serial = HVSIM_NONE;
    hvsim *h = hvsim_create(&c, err, sizeof err);
    assert_non_null(h);
    assert_false(hvsim_inject_machine_check(h, 0, &mc, err, sizeof err));
    assert_non_null(strstr(err, "bank 99"));
    assert_false(hvsim_inject_machine_check(h, 1, &mc, err, sizeof err));
    assert_non_null(strstr(err, "CPU"));
    mc.bank = 1;
    assert_true(hvsim_inject_machine_check(h, 0, &mc, err, sizeof err));
    hvsim_destroy(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_mce_uncorrected_logged_and_delivered),
        TEST(test_mce_not_enabled_only_logged),
        TEST(test_mce_without_cr4_mce_shuts_down),
        TEST(test_mce_while_mcip_shuts_down),
        TEST(test_mce_overwrite_rules),
        TEST(test_mce_no_action_required_is_cmci),
        TEST(test_mce_cmci_at_the_threshold),
        TEST(test_mce_banks_take_what_the_manual_allows),
        cmocka_unit_test(test_mce_amd_status_by_hwcr),
        cmocka_unit_test(test_mce_amd_bank_disabled_in_mcg_ctl_only_logged),
        TEST_SMP(test_mce_broadcast_reaches_all_that_run),
        cmocka_unit_test(test_mce_api_names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
