/* What firmware and kernels read about a processor and its neighbours: topology, APIC ids, clocks, microcode,
 * speculation control. */
#include <string.h>

#include "fixture.h"
#include "sim/arch/msr.h"
#include "sim/dev/lapic.h"
#include "sim/hvsim.h"
#include "sim/machine/load.h"

static struct cpuid_regs leaf(struct cpu *cpu, uint32_t n, uint32_t sub) {
    struct cpuid_regs r;
    cpuid(cpu, n, sub, &r);
    return r;
}
static uint64_t rd(struct cpu *cpu, uint32_t msr) {
    uint64_t val = 0;
    if (!msr_read(cpu, msr, &val)) fail_msg("MSR %#x can't be read", msr);
    return val;
}
static bool exists(struct cpu *cpu, uint32_t msr) {
    uint64_t val;
    return msr_read(cpu, msr, &val);
}

/* ---- topology ---- */

static void test_topology_of_64_intel_processors_one_package(void **state) {
    struct machine *m = fixture_machine_of("max-intel", 64, 1);
    (void)state;
    for (unsigned n = 0; n < 64; n++) {
        struct cpu *cpu = m->cpu[n];
        struct cpuid_regs one = leaf(cpu, 1, 0), smt = leaf(cpu, 0xB, 0), core = leaf(cpu, 0x1F, 1);
        assert_int_equal(one.ebx >> 24, n);
        assert_int_equal(one.ebx >> 16 & 0xFF, 64);
        assert_true(one.edx >> 28 & 1);
        assert_int_equal(leaf(cpu, 4, 0).eax >> 26, 63);        /* cores of the package */
        assert_int_equal(leaf(cpu, 4, 0).eax >> 14 & 0xFFF, 0); /* L1 is a core's own */
        assert_int_equal(leaf(cpu, 4, 3).eax >> 14 & 0xFFF, 63);
        assert_int_equal(smt.eax, 0);
        assert_int_equal(smt.ebx, 1);
        assert_int_equal(smt.edx, n);
        assert_int_equal(core.eax, 6);
        assert_int_equal(core.ebx, 64);
        assert_int_equal(core.ecx, 0x201);
        assert_int_equal(core.edx, n);
        assert_int_equal(leaf(cpu, 0xB, 2).ecx, 2); /* level type 0: the end */
    }
    machine_destroy(m);
}

static void test_topology_of_48_amd_processors_one_package(void **state) {
    struct machine *m = fixture_machine_of("zen3", 48, 1);
    (void)state;
    struct cpu *cpu = m->cpu[47];
    assert_int_equal(leaf(cpu, 0x80000008, 0).ecx, 47 | 6u << 12);
    assert_int_equal(leaf(cpu, 0x8000001D, 3).eax >> 14 & 0xFFF, 47);
    assert_int_equal(leaf(cpu, 0x8000001D, 0).eax >> 14 & 0xFFF, 0);
    struct cpuid_regs r = leaf(cpu, 0x8000001E, 0);
    assert_int_equal(r.eax, 47);
    assert_int_equal(r.ebx, 47); /* core id; one thread per core */
    assert_int_equal(r.ecx, 0);
    assert_int_equal(leaf(cpu, 0xB, 1).ebx, 48);
    machine_destroy(m);
}

static void test_topology_of_sparse_ids_package_each(void **state) {
    struct machine *m = fixture_machine_of("max-intel", 3, 256);
    (void)state;
    struct cpu *cpu = m->cpu[2];
    assert_int_equal(cpu->apic_id, 512);
    assert_int_equal(leaf(cpu, 0xB, 0).edx, 512);
    assert_int_equal(leaf(cpu, 0xB, 1).eax, 8); /* package number: id >> 8 */
    assert_int_equal(leaf(cpu, 0xB, 1).ebx, 1);
    assert_int_equal(leaf(cpu, 1, 0).ebx >> 24, 0); /* its low byte */
    assert_false(leaf(cpu, 1, 0).edx >> 28 & 1);
    machine_destroy(m);
    m = fixture_machine_of("max-amd", 3, 256);
    struct cpuid_regs r = leaf(m->cpu[1], 0x8000001E, 0);
    assert_int_equal(r.eax, 256);
    assert_int_equal(r.ebx, 0);
    assert_int_equal(r.ecx, 1);
    assert_int_equal(leaf(m->cpu[1], 0x80000008, 0).ecx, 8u << 12);
    machine_destroy(m);
}

/* ---- APIC ids from 256 on ---- */

static void enable(struct cpu *cpu, bool x2) {
    assert_true(msr_write(cpu, MSR_APIC_BASE, rd(cpu, MSR_APIC_BASE) | (x2 ? APIC_BASE_EXTD : 0)));
    if (x2)
        assert_true(msr_write(cpu, MSR_X2APIC_FIRST + APIC_SVR, 0x1FF));
    else
        lapic_mmio_write(cpu, APIC_SVR << 4, 4, 0x1FF);
}
static bool requested(const struct cpu *cpu, unsigned vector) {
    return cpu->lapic->irr[vector / 32] >> (vector & 31) & 1;
}

static void test_x2apic_ids_above_255_are_addressed(void **state) {
    struct machine *m = fixture_machine_of("max-intel", 3, 256);
    (void)state;
    for (unsigned n = 0; n < 3; n++) enable(m->cpu[n], true);
    assert_int_equal(rd(m->cpu[2], MSR_X2APIC_FIRST + APIC_ID), 512);
    assert_int_equal(rd(m->cpu[2], MSR_X2APIC_FIRST + APIC_LDR), 32u << 16 | 1);
    assert_true(msr_write(m->cpu[0], MSR_X2APIC_FIRST + APIC_ICR, 512ull << 32 | 0x55));
    assert_true(requested(m->cpu[2], 0x55));
    assert_false(requested(m->cpu[0], 0x55));
    assert_false(requested(m->cpu[1], 0x55));
    /* logical: cluster 16 holds CPU 1 alone */
    assert_true(msr_write(m->cpu[0], MSR_X2APIC_FIRST + APIC_ICR, (16ull << 16 | 1) << 32 | 1u << 11 | 0x56));
    assert_true(requested(m->cpu[1], 0x56));
    assert_false(requested(m->cpu[2], 0x56));
    machine_destroy(m);
}

/* A processor in xAPIC mode answers to 8 bits of its id, and to nothing longer. */
static void test_x2apic_destination_is_not_cut_to_8_bits(void **state) {
    struct machine *m = fixture_machine_of("max-intel", 3, 128);
    (void)state;
    enable(m->cpu[0], true);
    enable(m->cpu[1], false);
    enable(m->cpu[2], false); /* 256: 0 in xAPIC mode */
    assert_int_equal(lapic_mmio_read(m->cpu[2], APIC_ID << 4, 4), 0);
    assert_true(msr_write(m->cpu[0], MSR_X2APIC_FIRST + APIC_ICR, 256ull << 32 | 0x60));
    for (unsigned n = 0; n < 3; n++) assert_false(requested(m->cpu[n], 0x60));
    assert_true(msr_write(m->cpu[0], MSR_X2APIC_FIRST + APIC_ICR, 128ull << 32 | 0x61));
    assert_true(requested(m->cpu[1], 0x61));
    machine_destroy(m);
}

static void test_apic_id_step_without_x2apic_refused(void **state) {
    char err[512];
    struct hvsim_config c;
    (void)state;
    hvsim_config_default(&c);
    c.cpu = "nehalem";
    c.cpus = 2;
    c.apic_id_step = 256;
    assert_null(hvsim_create(&c, err, sizeof err));
    assert_non_null(strstr(err, "x2APIC"));
    c.apic_id_step = 3;
    assert_null(hvsim_create(&c, err, sizeof err));
    assert_non_null(strstr(err, "power of two"));
}

/* ---- clocks ---- */

static void test_clocks_agree_with_each_other(void **state) {
    struct machine *m = fixture_machine_of("skylake-server", 1, 1);
    (void)state;
    struct cpu *cpu = m->cpu[0];
    struct cpuid_regs r = leaf(cpu, 0x15, 0);
    assert_int_equal((uint64_t)r.ecx * r.ebx / r.eax, CYCLES_PER_SEC);
    assert_int_equal(leaf(cpu, 0x16, 0).eax * 1000000ull, CYCLES_PER_SEC);
    assert_int_equal((rd(cpu, MSR_PLATFORM_INFO) >> 8 & 0xFF) * 100000000ull, CYCLES_PER_SEC);
    /* the APIC timer counts the crystal clock of leaf 15H */
    lapic_mmio_write(cpu, APIC_SVR << 4, 4, 0x1FF);
    lapic_mmio_write(cpu, APIC_TIMER_DIVIDE << 4, 4, 0xB);
    lapic_mmio_write(cpu, APIC_TIMER_INITIAL << 4, 4, r.ecx);
    fixture_advance(m, CYCLES_PER_SEC / 4);
    assert_int_equal(lapic_mmio_read(cpu, APIC_TIMER_CURRENT << 4, 4), r.ecx - r.ecx / 4);
    machine_destroy(m);
}

static void test_pstate_0_is_the_clock(void **state) {
    struct machine *m = fixture_machine_of("zen3", 1, 1);
    (void)state;
    uint64_t p = rd(m->cpu[0], MSR_PSTATE_0);
    assert_true(p >> 63);
    assert_int_equal(200 * (p & 0xFF) / (p >> 8 & 0x3F) * 1000000ull, CYCLES_PER_SEC);
    assert_false(rd(m->cpu[0], MSR_PSTATE_0 + 1) >> 63);
    machine_destroy(m);
    m = fixture_machine_of("barcelona", 1, 1);
    p = rd(m->cpu[0], MSR_PSTATE_0);
    assert_int_equal((100 * ((p & 0x3F) + 16) >> (p >> 6 & 7)) * 1000000ull, CYCLES_PER_SEC);
    machine_destroy(m);
}

/* ---- microcode ---- */

static void test_microcode_revision_by_the_manuals_procedure(void **state) {
    struct machine *m = fixture_machine_of("skylake-server", 1, 1);
    (void)state;
    struct cpu *cpu = m->cpu[0];
    assert_true(msr_write(cpu, MSR_BIOS_SIGN_ID, 0));
    assert_int_equal(rd(cpu, MSR_BIOS_SIGN_ID), 0);
    leaf(cpu, 0, 0);
    assert_int_equal(rd(cpu, MSR_BIOS_SIGN_ID), 0);
    leaf(cpu, 1, 0);
    assert_int_equal(rd(cpu, MSR_BIOS_SIGN_ID), (uint64_t)cpu->model->microcode << 32);
    assert_true(msr_write(cpu, MSR_BIOS_UPDT_TRIG, 0x100000)); /* what isn't signed is not loaded */
    assert_int_equal(rd(cpu, MSR_BIOS_SIGN_ID) >> 32, cpu->model->microcode);
    machine_destroy(m);
    m = fixture_machine_of("zen3", 1, 1);
    assert_int_equal(rd(m->cpu[0], MSR_BIOS_SIGN_ID), m->model->microcode);
    assert_true(msr_write(m->cpu[0], MSR_PATCH_LOADER, 0x100000));
    assert_int_equal(rd(m->cpu[0], MSR_BIOS_SIGN_ID), m->model->microcode);
    machine_destroy(m);
}

/* ---- speculation control ---- */

static void test_speculation_control_exists_with_its_features(void **state) {
    static const struct {
        const char *model;
        uint64_t spec_ctrl; /* its bits; 0: no MSR */
        bool pred_cmd, flush_cmd, arch_capabilities;
    } rows[] = {
        {"max-intel",                                  7,    true,  true,  true },
        {"skylake-server",                             7,    true,  true,  false},
        {"nehalem,-ssbd",                              3,    true,  true,  false},
        {"nehalem,-ssbd,-stibp",                       1,    true,  true,  false}, /* STIBP is ignored */
        {"nehalem,-ssbd,-stibp,-spec-ctrl,-flush-l1d", 0,    false, false, false},
        {"max-amd",                                    0x87, true,  false, false},
        {"zen3,-amd-psfd",                             7,    true,  false, false},
        {"barcelona",                                  0,    false, false, false},
    };
    (void)state;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct machine *m = fixture_machine_of(rows[k].model, 1, 1);
        struct cpu *cpu = m->cpu[0];
        assert_int_equal(exists(cpu, MSR_SPEC_CTRL), rows[k].spec_ctrl != 0);
        assert_int_equal(msr_write(cpu, MSR_SPEC_CTRL, rows[k].spec_ctrl), rows[k].spec_ctrl != 0);
        assert_int_equal(msr_write(cpu, MSR_SPEC_CTRL, 1u << 9), false);
        if (rows[k].spec_ctrl) assert_int_equal(rd(cpu, MSR_SPEC_CTRL), rows[k].spec_ctrl);
        assert_int_equal(msr_write(cpu, MSR_PRED_CMD, 1), rows[k].pred_cmd);
        assert_false(msr_write(cpu, MSR_PRED_CMD, 2));
        assert_int_equal(msr_write(cpu, MSR_PRED_CMD, PRED_CMD_SBPB), model_has(m->model, FEAT_SBPB));
        assert_int_equal(exists(cpu, MSR_BP_CFG), model_has(m->model, FEAT_AMD_IBRS)); /* Xen reads it on Zen */
        assert_false(exists(cpu, MSR_PRED_CMD));                                       /* write-only */
        assert_int_equal(msr_write(cpu, MSR_FLUSH_CMD, 1), rows[k].flush_cmd);
        assert_int_equal(exists(cpu, MSR_ARCH_CAPABILITIES), rows[k].arch_capabilities);
        machine_destroy(m);
    }
}

static void test_stibp_alone_is_ignored_with_spec_ctrl(void **state) {
    struct machine *m = fixture_machine_of("nehalem,-ssbd,-stibp", 1, 1);
    (void)state;
    assert_true(msr_write(m->cpu[0], MSR_SPEC_CTRL, 3));
    assert_int_equal(rd(m->cpu[0], MSR_SPEC_CTRL), 1);
    machine_destroy(m);
}

static void test_firmware_state_allows_and_locks_vmxon(void **state) {
    (void)state;
    struct machine *m = fixture_machine_of("max-intel", 2, 1);
    boot_firmware_state(m);
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(rd(m->cpu[n], MSR_FEATURE_CONTROL), 5);
        assert_false(msr_write(m->cpu[n], MSR_FEATURE_CONTROL, 0));
    }
    machine_destroy(m);
    m = fixture_machine_of("max-amd", 1, 1);
    boot_firmware_state(m);
    assert_false(exists(m->cpu[0], MSR_FEATURE_CONTROL));
    machine_destroy(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topology_of_64_intel_processors_one_package),
        cmocka_unit_test(test_topology_of_48_amd_processors_one_package),
        cmocka_unit_test(test_topology_of_sparse_ids_package_each),
        cmocka_unit_test(test_x2apic_ids_above_255_are_addressed),
        cmocka_unit_test(test_x2apic_destination_is_not_cut_to_8_bits),
        cmocka_unit_test(test_apic_id_step_without_x2apic_refused),
        cmocka_unit_test(test_clocks_agree_with_each_other),
        cmocka_unit_test(test_pstate_0_is_the_clock),
        cmocka_unit_test(test_microcode_revision_by_the_manuals_procedure),
        cmocka_unit_test(test_speculation_control_exists_with_its_features),
        cmocka_unit_test(test_stibp_alone_is_ignored_with_spec_ctrl),
        cmocka_unit_test(test_firmware_state_allows_and_locks_vmxon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
