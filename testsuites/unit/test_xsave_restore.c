/* What XRSTOR and XRSTORS ask of an area, and what they do with MXCSR: SDM 1 "Operation of XRSTOR", "Operation of
 * XRSTORS" */
#include "xsave_world.h"

/* ---- MXCSR ---- */

static void test_xsave_restore_mxcsr_by_format(void **state) {
    static const uint64_t z = 1ull << 63;
    static const struct {
        uint64_t mask, bv, comp;
        uint32_t image, after; /* 0: #GP */
    } rows[] = {
        {7, 0, 0,     0x1FA0,  0x1FA0 },
        {1, 7, 0,     0x1FA0,  0x1F81 }, /* not asked for */
        {4, 0, 0,     0x1FA0,  0x1FA0 },
        {7, 0, z,     0x1FA0,  0x1F80 }, /* compacted: part of SSE state, here initialized */
        {7, 4, z | 7, 0x1FA0,  0x1F80 },
        {7, 2, z | 7, 0x1FA0,  0x1FA0 },
        {4, 6, z | 7, 0x1FA0,  0x1F81 },
        {7, 0, 0,     0x10000, 0      },
        {4, 7, 0,     0x40000, 0      },
        {1, 7, 0,     0x40000, 0x1F81 },
        {7, 0, z | 7, 0x40000, 0x1F80 },
        {7, 4, z | 7, 0x40000, 0x1F80 },
        {7, 2, z | 7, 0x40000, 0      },
        {7, 7, 0,     0x20000, 0x20000}, /* AMD: MM */
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = 7;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        fill_area(cpu, 0);
        put_header(cpu, rows[k].bv, rows[k].comp);
        poke(cpu, AREA, 2, 0x37F);
        poke(cpu, AREA + 24, 4, rows[k].image);
        mxcsr_set(cpu, 0x1F81);
        assert_int_equal(run_op(cpu, OP_XRSTOR, rows[k].mask), rows[k].after ? -1 : VEC_GP);
        assert_int_equal(mxcsr_get(cpu), rows[k].after ? rows[k].after : 0x1F81);
    }
}

static void test_xsave_mxcsr_mask_and_reserved_bits_follow_the_model(void **state) {
    static const uint8_t ldmxcsr[] = {0x0F, 0xAE, 0x17}, stmxcsr[] = {0x0F, 0xAE, 0x1F};
    static const uint8_t vldmxcsr[] = {0xC5, 0xF8, 0xAE, 0x17}, vstmxcsr[] = {0xC5, 0xF8, 0xAE, 0x1F};
    struct cpu *cpu = cpu_of(state);
    const bool amd = cpu->model->vendor == VENDOR_AMD;
    enter_long(cpu);
    cpu->ctl.xcr0 = 7;
    cpu_update_mode(cpu);
    assert_int_equal(run_op(cpu, OP_XSAVE, 2), -1);
    assert_int_equal(peek(cpu, AREA + 28, 4), amd ? 0x2FFFF : 0xFFFF);
    for (unsigned bit = 0; bit < 32; bit++) {
        const int expect = bit < 16 || (bit == 17 && amd) ? -1 : VEC_GP;
        poke(cpu, AREA, 4, 1u << bit);
        mxcsr_set(cpu, 0x1F80);
        assert_int_equal(run_bytes(cpu, ldmxcsr, sizeof ldmxcsr), expect);
        assert_int_equal(mxcsr_get(cpu), expect < 0 ? 1u << bit : 0x1F80);
        assert_int_equal(run_bytes(cpu, stmxcsr, sizeof stmxcsr), -1);
        assert_int_equal(peek(cpu, AREA, 4), mxcsr_get(cpu));
        poke(cpu, AREA, 4, 1u << bit);
        assert_int_equal(run_bytes(cpu, vldmxcsr, sizeof vldmxcsr), expect);
        assert_int_equal(run_bytes(cpu, vstmxcsr, sizeof vstmxcsr), -1);
    }
}

/* ---- header validity ---- */

static void test_xsave_restore_checks_the_header(void **state) {
    static const uint64_t z = 1ull << 63;
    static const struct {
        uint64_t bv, comp;
        uint16_t dirty; /* a byte of the header that is 1; 0: none */
        bool user, system;
    } rows[] = {
        {7,     0,          0,   true,  false}, /* XRSTORS takes the compacted form only */
        {8,     0,          0,   false, false},
        {0x207, 0,          0,   false, false}, /* PKRU is not in XCR0 */
        {z,     0,          0,   false, false},
        {0x800, 0,          0,   false, false},
        {0,     1,          0,   false, false},
        {0,     0,          528, false, false},
        {0,     0,          535, false, false},
        {0,     0,          536, true,  false}, /* the standard form looks at bytes 23:8 only */
        {0,     0,          575, true,  false},
        {0,     z,          0,   true,  true },
        {7,     z | 7,      0,   true,  true },
        {4,     z | 3,      0,   false, false},
        {z,     z | 7,      0,   false, false},
        {0,     z | 8,      0,   false, false},
        {0,     z | 0x200,  0,   false, false},
        {0,     z | 0x800,  0,   false, true },
        {0,     z | 0x1000, 0,   false, false}, /* CET_S is not in IA32_XSS */
        {0,     z | 7,      528, false, false},
        {0,     z | 7,      575, false, false},
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = 7;
    assert_true(msr_write(cpu, MSR_XSS, 0x800));
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        fill_area(cpu, 0);
        put_header(cpu, rows[k].bv, rows[k].comp);
        poke(cpu, AREA + 24, 4, 0x1F80);
        if (rows[k].dirty) poke(cpu, AREA + rows[k].dirty, 1, 1);
        assert_int_equal(run_op(cpu, OP_XRSTOR, 0), rows[k].user ? -1 : VEC_GP); /* whatever RFBM is */
        assert_int_equal(run_op(cpu, OP_XRSTORS, 0), rows[k].system ? -1 : VEC_GP);
    }
}

/* Components that are in XCOMP_BV but not asked for keep their place. */
static void test_xsave_restore_finds_components_by_xcomp_bv(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    fill_area(cpu, 0);
    put_header(cpu, 0x280, 1ull << 63 | 0x2A4);
    poke(cpu, AREA + 576 + 256 + 64, 8, 0x1111);
    poke(cpu, AREA + 576 + 256 + 64 + 1024, 8, 0xFFFFFFFF00000005ull); /* bits 63:32 of PKRU's component: ignored */
    assert_int_equal(run_op(cpu, OP_XRSTOR, 0x280), -1);
    assert_int_equal(cpu->vec.zmm[16].u64[0], 0x1111);
    assert_int_equal(cpu->ctl.pkru, 5);
}

static void test_xsave_supervisor_forms_need_cpl0_and_leave_user_forms_alone(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_protected(cpu, 3);
    assert_int_equal(run_op(cpu, OP_XSAVES, 1), VEC_GP);
    enter_protected(cpu, 3);
    assert_int_equal(run_op(cpu, OP_XRSTORS, 1), VEC_GP);
    enter_protected(cpu, 0);
    assert_true(msr_write(cpu, MSR_XSS, 0x1800));
    assert_false(msr_write(cpu, MSR_XSS, 1));
    assert_false(msr_write(cpu, MSR_XSS, 0x100));
    cpu->cet.u_cet = 1;
    assert_int_equal(run_op(cpu, OP_XSAVEC, ALL), -1);
    assert_int_equal(peek(cpu, AREA + 520, 8), 1ull << 63 | cpu->ctl.xcr0);
}

/* XRSTORS refuses what WRMSR would refuse */
static void test_xsave_restore_supervisor_checks_cet_state(void **state) {
    static const struct {
        unsigned at;
        uint64_t val;
        bool ok;
    } rows[] = {
        {576, 1,                  true },
        {576, 0x40,               false},
        {576, 1ull << 62,         false},
        {584, 0x1000,             true },
        {584, 2,                  false},
        {584, 1ull << 60,         false},
        {592, 0x7FFFFFFFF000,     true },
        {600, 0x8000000000000000, false},
        {608, 1,                  false},
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    assert_true(msr_write(cpu, MSR_XSS, 0x1800));
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        fill_area(cpu, 0);
        put_header(cpu, 0x1800, 1ull << 63 | 0x1800);
        poke(cpu, AREA + rows[k].at, 8, rows[k].val);
        cpu->cet.pl_ssp[0] = 0x5000;
        assert_int_equal(run_op(cpu, OP_XRSTORS, ALL), rows[k].ok ? -1 : VEC_GP);
        if (!rows[k].ok) assert_int_equal(cpu->cet.pl_ssp[0], 0x5000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_AMD(test_xsave_restore_mxcsr_by_format),
        TEST_INTEL(test_xsave_mxcsr_mask_and_reserved_bits_follow_the_model),
        TEST_AMD(test_xsave_mxcsr_mask_and_reserved_bits_follow_the_model),
        TEST_INTEL(test_xsave_restore_checks_the_header),
        TEST_INTEL(test_xsave_restore_finds_components_by_xcomp_bv),
        TEST_INTEL(test_xsave_supervisor_forms_need_cpl0_and_leave_user_forms_alone),
        TEST_INTEL(test_xsave_restore_supervisor_checks_cet_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
