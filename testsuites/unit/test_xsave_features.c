/* What processors have of extended state: CPUID leaf 0DH, XCR0, IA32_XFD. SDM 1 "Managing State Using the XSAVE
 * Feature Set" */
#include "xsave_world.h"

/* ---- CPUID leaf 0DH ---- */

struct leaf_row {
    uint32_t subleaf;
    uint32_t r[4];
};

static void check_leaf(struct cpu *cpu, const struct leaf_row *row) {
    struct cpuid_regs r;
    cpuid(cpu, 0xD, row->subleaf, &r);
    assert_int_equal(r.eax, row->r[0]);
    assert_int_equal(r.ebx, row->r[1]);
    assert_int_equal(r.ecx, row->r[2]);
    assert_int_equal(r.edx, row->r[3]);
}

/* What Intel's processors with AVX-512 and PKU report */
static void test_xsave_cpuid_intel_lists_sizes_and_offsets(void **state) {
    static const struct leaf_row rows[] = {
        {0,   {0x2E7, 576, 2696, 0} },
        {1,   {0x1F, 576, 0x1800, 0}},
        {2,   {256, 576, 0, 0}      },
        {3,   {0, 0, 0, 0}          },
        {5,   {64, 1088, 0, 0}      },
        {6,   {512, 1152, 0, 0}     },
        {7,   {1024, 1664, 0, 0}    },
        {8,   {0, 0, 0, 0}          },
        {9,   {8, 2688, 0, 0}       },
        {11,  {16, 0, 1, 0}         },
        {12,  {24, 0, 1, 0}         },
        {13,  {0, 0, 0, 0}          },
        {18,  {0, 0, 0, 0}          },
        {63,  {0, 0, 0, 0}          },
        {~0u, {0, 0, 0, 0}          },
    };
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) check_leaf(cpu_of(state), &rows[k]);
}

/* What an AMD processor with AVX-512 reports: no room for MPX */
static void test_xsave_cpuid_amd_lists_sizes_and_offsets(void **state) {
    static const struct leaf_row rows[] = {
        {0,  {0x2E7, 576, 2440, 0}},
        {1,  {0xF, 576, 0x1800, 0}},
        {2,  {256, 576, 0, 0}     },
        {5,  {64, 832, 0, 0}      },
        {6,  {512, 896, 0, 0}     },
        {7,  {1024, 1408, 0, 0}   },
        {9,  {8, 2432, 0, 0}      },
        {12, {24, 0, 1, 0}        },
    };
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) check_leaf(cpu_of(state), &rows[k]);
}

static void test_xsave_cpuid_sizes_follow_xcr0_and_xss(void **state) {
    static const struct {
        uint64_t xcr0, xss;
        uint32_t standard, compacted;
    } rows[] = {
        {1,     0,      576,  576                        },
        {3,     0,      576,  576                        },
        {7,     0,      832,  832                        },
        {0xE7,  0,      2688, 576 + 256 + 64 + 512 + 1024},
        {0x2E7, 0,      2696, 2440                       },
        {0x201, 0,      2696, 584                        },
        {0x201, 0x1800, 2696, 584 + 40                   },
        {7,     0x1000, 832,  856                        },
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct cpuid_regs r;
        cpu->ctl.xcr0 = rows[k].xcr0;
        assert_true(msr_write(cpu, MSR_XSS, rows[k].xss));
        cpuid(cpu, 0xD, 0, &r);
        assert_int_equal(r.ebx, rows[k].standard);
        assert_int_equal(r.ecx, 2696);
        cpuid(cpu, 0xD, 1, &r);
        assert_int_equal(r.ebx, rows[k].compacted);
    }
}

/* Components go with their features; without XSAVE the leaf is empty. */
static void test_xsave_cpuid_components_follow_features(void **state) {
    static const struct {
        const char *spec;
        uint64_t xcr0, xss;
    } rows[] = {
        {"max-intel,-vmx,-xsave,+sse",                                  0, 0},
        {"max-intel,-vmx,+fpu,+fxsr,+sse,+xsave,-avx,-pku,-shstk,-ibt", 3, 0},
        {"max-intel,-vmx,-pku,-avx512f,-shstk,-ibt",                    7, 0},
    };
    (void)state;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        char err[128];
        struct cpu_model *m = model_parse(rows[k].spec, err, sizeof err);
        assert_non_null(m);
        assert_int_equal(xcr0_supported(m), rows[k].xcr0);
        assert_int_equal(xss_supported(m), rows[k].xss);
        model_free(m);
    }
}

static void test_xsave_area_of_every_component_fits(void **state) {
    uint16_t at[XSAVE_IDS];
    for (unsigned id = 0; id < XSAVE_IDS; id++) assert_in_range(xsave_components[id].size, 0, 1024);
    assert_in_range(xsave_layout(cpu_of(state)->model, ALL, false, at), 577, XSAVE_AREA_MAX);
    assert_in_range(xsave_layout(cpu_of(state)->model, ALL, true, at), 577, XSAVE_AREA_MAX);
}

/* ---- XCR0 ---- */

static void test_xsave_xsetbv_takes_only_valid_values(void **state) {
    static const struct {
        uint32_t n;
        uint64_t val;
        int vector;
    } rows[] = {
        {0,   1,              -1    },
        {0,   3,              -1    },
        {0,   7,              -1    },
        {0,   0xE7,           -1    },
        {0,   0x2E7,          -1    },
        {0,   0x201,          -1    },
        {0,   0,              VEC_GP},
        {0,   2,              VEC_GP},
        {0,   5,              VEC_GP},
        {0,   0xE6,           VEC_GP},
        {0,   0xE3,           VEC_GP},
        {0,   0xE5,           VEC_GP},
        {0,   0x27,           VEC_GP},
        {0,   0x67,           VEC_GP},
        {0,   0xC7,           VEC_GP},
        {0,   0xA7,           VEC_GP},
        {0,   0x1F,           VEC_GP},
        {0,   0x107,          VEC_GP},
        {0,   0x807,          VEC_GP},
        {0,   0x60007,        VEC_GP},
        {0,   1ull << 63 | 1, VEC_GP},
        {0,   1ull << 32 | 1, VEC_GP},
        {1,   1,              VEC_GP},
        {2,   1,              VEC_GP},
        {~0u, 1,              VEC_GP},
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        cpu->ctl.xcr0 = 3;
        assert_int_equal(run_xsetbv(cpu, rows[k].n, rows[k].val), rows[k].vector);
        assert_int_equal(cpu->ctl.xcr0, rows[k].vector < 0 ? rows[k].val : 3);
    }
    cpu->gpr[RCX] = 0xFFFFFFFF00000000ull; /* the upper halves are ignored */
    cpu->gpr[RDI] = 0;
    set_mask(cpu, 7);
    cpu->gpr[RAX] |= 0xFFFFFFFF00000000ull;
    assert_int_equal(run_bytes(cpu, op_bytes[OP_XSETBV], 3), -1);
    assert_int_equal(cpu->ctl.xcr0, 7);
}

static void test_xsave_xsetbv_needs_cpl0_and_osxsave(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_protected(cpu, 3);
    assert_int_equal(run_xsetbv(cpu, 0, 1), VEC_GP);
    enter_protected(cpu, 0);
    cpu->ctl.cr4 &= ~(uint64_t)CR4_OSXSAVE;
    cpu_update_mode(cpu);
    assert_int_equal(run_xsetbv(cpu, 0, 1), VEC_UD);
    cpu->gpr[RCX] = 0;
    assert_int_equal(run_op(cpu, OP_XGETBV, 0), VEC_UD);
}

static void test_xsave_xgetbv_reads_xcr0_and_xinuse(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    for (unsigned id = 0; id < XSAVE_IDS; id++) xsave_component_init(cpu, id);
    cpu->gpr[RCX] = 0;
    cpu->gpr[RAX] = cpu->gpr[RDX] = ~0ull;
    assert_int_equal(run_op(cpu, OP_XGETBV, ALL), -1);
    assert_int_equal(cpu->gpr[RAX], USER_ALL);
    assert_int_equal(cpu->gpr[RDX], 0);
    cpu->gpr[RCX] = 1;
    assert_int_equal(run_op(cpu, OP_XGETBV, 0), -1);
    assert_int_equal(edx_eax_of(cpu), 0);
    mxcsr_set(cpu, 0x1F81); /* XINUSE[1] is not about MXCSR */
    cpu->vec.zmm[3].u8[16] = cpu->vec.zmm[20].u8[0] = 1;
    cpu->ctl.pkru = 1;
    assert_int_equal(run_op(cpu, OP_XGETBV, 0), -1);
    assert_int_equal(edx_eax_of(cpu), 0x284);
    cpu->ctl.xcr0 = 3;
    cpu->fpu.fcw = 0x27F;
    assert_int_equal(run_op(cpu, OP_XGETBV, 0), -1);
    assert_int_equal(edx_eax_of(cpu), 1);
    cpu->gpr[RCX] = 2;
    assert_int_equal(run_op(cpu, OP_XGETBV, 0), VEC_GP);
}

/* ---- IA32_XFD ---- */

/* No component of today's models can be disabled: the MSR takes zero only. The rules are general: shown here with bits
 * put there by hand. */
static void test_xsave_xfd_takes_no_component_yet(void **state) {
    struct cpu *cpu = cpu_of(state);
    uint64_t val = 1;
    assert_true(msr_read(cpu, MSR_XFD, &val));
    assert_int_equal(val, 0);
    assert_true(msr_write(cpu, MSR_XFD, 0));
    assert_true(msr_write(cpu, MSR_XFD_ERR, 0));
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_false(msr_write(cpu, MSR_XFD, 1ull << bit));
        assert_false(msr_write(cpu, MSR_XFD_ERR, 1ull << bit));
    }
}

static void test_xsave_xfd_disabled_component_is_saved_as_initial_and_not_loaded(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    cpu->msr.xfd = 0x80;
    cpu_update_mode(cpu);
    fill_state(cpu);
    fill_area(cpu, FILL);
    put_header(cpu, 0, 0);
    assert_int_equal(run_op(cpu, OP_XSAVE, ALL), -1);
    assert_int_equal(peek(cpu, AREA + 512, 8), 0x267);
    assert_int_equal(peek(cpu, AREA + 1664, 8), 0);
    assert_int_equal(run_op(cpu, OP_XSAVEC, ALL), -1);
    assert_int_equal(peek(cpu, AREA + 512, 8), 0x267);
    put_header(cpu, 0x80, 1ull << 63 | 0x80);
    assert_int_equal(run_op(cpu, OP_XRSTOR, ALL), VEC_NM);
    assert_int_equal(cpu->msr.xfd_err, 0x80);
    cpu->msr.xfd_err = 0;
    assert_int_equal(run_op(cpu, OP_XRSTOR, 0x7F), -1); /* not asked for */
    put_header(cpu, 0, 1ull << 63 | 0x80);
    assert_int_equal(run_op(cpu, OP_XRSTOR, ALL), -1); /* initialized: allowed */
    assert_int_equal(cpu->msr.xfd_err, 0);
}

static void test_xsave_xfd_gates_instructions_and_reports_the_component(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    cpu->msr.xfd = 0x84;
    cpu_update_mode(cpu);
    assert_true(cpu->denied & GATE_AVX && cpu->denied & GATE_EVEX && !(cpu->denied & GATE_SSE));
    ASSERT_RAISES(cpu, VEC_NM, cpu_raise_denied(cpu, GATE_EVEX));
    assert_int_equal(cpu->msr.xfd_err, 0x84);
    ASSERT_RAISES(cpu, VEC_NM, cpu_raise_denied(cpu, GATE_AVX));
    assert_int_equal(cpu->msr.xfd_err, 4);
    cpu->msr.xfd_err = 0; /* #NM by CR0.TS leaves it alone */
    cr0_set(cpu, cpu->ctl.cr0 | CR0_TS);
    ASSERT_RAISES(cpu, VEC_NM, cpu_raise_denied(cpu, GATE_AVX));
    assert_int_equal(cpu->msr.xfd_err, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_INTEL(test_xsave_cpuid_intel_lists_sizes_and_offsets),
        TEST_AMD(test_xsave_cpuid_amd_lists_sizes_and_offsets),
        TEST_INTEL(test_xsave_cpuid_sizes_follow_xcr0_and_xss),
        TEST_INTEL(test_xsave_cpuid_components_follow_features),
        TEST_INTEL(test_xsave_area_of_every_component_fits),
        TEST_INTEL(test_xsave_xsetbv_takes_only_valid_values),
        TEST_INTEL(test_xsave_xsetbv_needs_cpl0_and_osxsave),
        TEST_INTEL(test_xsave_xgetbv_reads_xcr0_and_xinuse),
        TEST_INTEL(test_xsave_xfd_takes_no_component_yet),
        TEST_INTEL(test_xsave_xfd_disabled_component_is_saved_as_initial_and_not_loaded),
        TEST_INTEL(test_xsave_xfd_gates_instructions_and_reports_the_component),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
