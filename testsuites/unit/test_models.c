/* CPU models and CPUID. */
#include "core_world.h"
#include "sim/core/model.h"

static struct cpu_model *parse_ok(const char *spec) {
    char err[256] = "";
    struct cpu_model *m = model_parse(spec, err, sizeof err);
    if (!m) fail_msg("%s: %s", spec, err);
    return m;
}

static void parse_fails(const char *spec, const char *part) {
    char err[512] = "";
    struct cpu_model *m = model_parse(spec, err, sizeof err);
    assert_null(m);
    if (!strstr(err, part)) fail_msg("'%s' does not speak of '%s'", err, part);
}

static void test_models_every_row_parses(void **state) {
    (void)state;
    for (unsigned k = 0; k < model_row_count; k++) {
        struct cpu_model *m = parse_ok(model_rows[k].model.name);
        assert_true(model_has(m, m->vendor == VENDOR_INTEL ? FEAT_VMX : FEAT_SVM));
        assert_false(model_has(m, m->vendor == VENDOR_INTEL ? FEAT_SVM : FEAT_VMX));
        model_free(m);
    }
}

static void test_models_changes_apply(void **state) {
    (void)state;
    struct cpu_model *m = parse_ok("nehalem,+smep,-x2apic,-popcnt");
    assert_true(model_has(m, FEAT_SMEP));
    assert_false(model_has(m, FEAT_POPCNT));
    model_free(m);
}

static void test_models_dependents_go_with_their_base(void **state) {
    (void)state;
    struct cpu_model *m = parse_ok("max-intel,-lm,-pcid");
    assert_false(model_has(m, FEAT_LA57));
    assert_false(model_has(m, FEAT_INVPCID));
    model_free(m);
    m = parse_ok("max-intel,-la57");
    assert_int_equal(m->lin_bits, 48);
    model_free(m);
}

/* What tells the generations apart */
static void test_models_have_the_instructions_of_their_processors(void **state) {
    static const struct {
        const char *model;
        uint8_t has[8], lacks[8];
    } rows[] = {
        {"nehalem",        {FEAT_SSE42, FEAT_MMX, FEAT_FXSR},                         {FEAT_XSAVE, FEAT_AES, FEAT_SSE4A, FEAT_ARAT} },
        {"skylake-server",
         {FEAT_AVX512VL, FEAT_XSAVES, FEAT_PKU, FEAT_FMA},
         {FEAT_SHA, FEAT_AVX512VNNI, FEAT_SHSTK, FEAT_VAES}                                                                         },
        {"barcelona",      {FEAT_SSE4A, FEAT_3DNOWEXT, FEAT_MMXEXT, FEAT_FFXSR},      {FEAT_SSSE3, FEAT_XSAVE, FEAT_XSAVEERPTR}     },
        {"piledriver",
         {FEAT_XOP, FEAT_FMA4, FEAT_TBM, FEAT_FMA, FEAT_F16C, FEAT_BMI1, FEAT_XSAVE},
         {FEAT_AVX2, FEAT_BMI2, FEAT_3DNOW, FEAT_SMEP, FEAT_XSAVEOPT, FEAT_MOVBE, FEAT_RDRAND}                                      },
        {"zen3",           {FEAT_VAES, FEAT_SHA, FEAT_XSAVES, FEAT_SHSTK},            {FEAT_AVX512F, FEAT_XOP, FEAT_3DNOW, FEAT_IBT}},
        {"max-intel",
         {FEAT_AVX512FP16, FEAT_AVXIFMA, FEAT_IBT, FEAT_XFD},
         {FEAT_SSE4A, FEAT_XOP, FEAT_3DNOW, FEAT_MISALIGNSSE}                                                                       },
        {"max-amd",        {FEAT_XOP, FEAT_FMA4, FEAT_TBM, FEAT_AVX512BF16},          {FEAT_AVX512FP16, FEAT_IBT, FEAT_XFD}         },
    };
    (void)state;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct cpu_model *m = parse_ok(rows[k].model);
        for (const uint8_t *f = rows[k].has; *f; f++)
            if (!model_has(m, (enum feature) * f)) fail_msg("%s lacks %s", m->name, feature_rows[*f].name);
        for (const uint8_t *f = rows[k].lacks; *f; f++)
            if (model_has(m, (enum feature) * f)) fail_msg("%s has %s", m->name, feature_rows[*f].name);
        model_free(m);
    }
}

/* Everything that builds on a feature goes with it, over several steps too. */
static void test_models_vector_features_go_with_their_base(void **state) {
    static const struct {
        const char *spec;
        uint8_t gone[6], stays[4];
    } rows[] = {
        {"max-intel,-xsave",   {FEAT_XSAVES, FEAT_AVX, FEAT_AVX512BITALG, FEAT_XFD},          {FEAT_SSE42, FEAT_AES}   },
        {"max-intel,-sse",     {FEAT_SSE2, FEAT_SSE42, FEAT_AVX2, FEAT_AVX512FP16, FEAT_SHA}, {FEAT_MMX, FEAT_XSAVE}   },
        {"max-intel,-avx512f", {FEAT_AVX512VL, FEAT_AVX512VBMI2, FEAT_AVX512FP16},            {FEAT_AVX2, FEAT_AVXVNNI}},
        {"max-intel,-xsavec",  {FEAT_XSAVES, FEAT_XFD},                                       {FEAT_XSAVEOPT, FEAT_AVX}},
        {"max-intel,-fpu",     {FEAT_MMX, FEAT_FXSR, FEAT_SSE, FEAT_XSAVE, FEAT_AVX512F},     {FEAT_PKU, FEAT_BMI2}    },
        {"max-amd,-avx",       {FEAT_XOP, FEAT_FMA4, FEAT_VAES},                              {FEAT_TBM, FEAT_SSE4A}   },
        {"max-amd,-mmx",       {FEAT_3DNOW, FEAT_3DNOWEXT, FEAT_MMXEXT},                      {FEAT_SSE2}              },
    };
    (void)state;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct cpu_model *m = parse_ok(rows[k].spec);
        for (const uint8_t *f = rows[k].gone; *f; f++)
            if (model_has(m, (enum feature) * f)) fail_msg("%s has %s", rows[k].spec, feature_rows[*f].name);
        for (const uint8_t *f = rows[k].stays; *f; f++)
            if (!model_has(m, (enum feature) * f)) fail_msg("%s lacks %s", rows[k].spec, feature_rows[*f].name);
        model_free(m);
    }
}

static void test_models_bad_spec_explained(void **state) {
    (void)state;
    parse_fails("nehalem,+avx2", "needs 'avx'");
    parse_fails("max-intel,-shstk,+cet-sss", "needs 'shstk'");
    parse_fails("pentium", "max-intel");
    parse_fails("max-intel,+fpx", "did you mean fpu");
    parse_fails("max-intel,+smepp", "smep");
    parse_fails("max-intel,+AVX2", "did you mean avx2");
    parse_fails("max-intel,-cet", "did you mean shstk, ibt");
    parse_fails("max-amd,-ABM", "lzcnt");
    parse_fails("max-intel,smep", "+FEATURE");
    parse_fails("max-intel,+svm", "max-amd");
}

/* ---- CPUID ---- */

static struct cpuid_regs leaf(struct cpu *cpu, uint32_t n, uint32_t sub) {
    struct cpuid_regs r;
    cpuid(cpu, n, sub, &r);
    return r;
}

static void test_cpuid_vendor_and_brand(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct cpuid_regs r = leaf(cpu, 0, 0);
    char text[49] = "";
    assert_int_equal(r.eax, cpu->model->max_leaf);
    assert_memory_equal(&r.ebx, "Genu", 4);
    for (unsigned k = 0; k < 3; k++) {
        r = leaf(cpu, 0x80000002 + k, 0);
        memcpy(text + 16 * k, &r, 16);
    }
    assert_string_equal(text, cpu->model->brand);
}

static void test_cpuid_every_feature_shows_at_its_bit(void **state) {
    struct cpu *cpu = cpu_of(state);
    set_seg(cpu, SEG_CS, 8, CODE | AR_L); /* SYSCALL shows in 64-bit mode only */
    cpu->mode = MODE_CODE64 | MODE_LMA | MODE_PROT;
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++) {
        const struct feature_row *row = &feature_rows[f];
        struct cpuid_regs r = leaf(cpu, row->leaf, row->subleaf);
        const uint32_t *regs = &r.eax;
        assert_int_equal(regs[row->reg] >> row->bit & 1, cpu_has(cpu, (enum feature)f));
    }
}

static void test_cpuid_beyond_the_last_leaf_intel_repeats_it(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct cpuid_regs a = leaf(cpu, cpu->model->max_leaf, 0), b = leaf(cpu, 0x1234, 0);
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_cpuid_osxsave_ospke_follow_cr4(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_false(leaf(cpu, 7, 0).ecx & 1u << 4);
    cpu->ctl.cr4 |= CR4_PKE;
    assert_true(leaf(cpu, 7, 0).ecx & 1u << 4);
}

static void test_cpuid_topology_counts_processors(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct cpuid_regs threads = leaf(cpu, 0xB, 0), cores = leaf(cpu, 0xB, 1), end = leaf(cpu, 0xB, 2);
    assert_int_equal(threads.ebx, 1);
    assert_int_equal(cores.ebx, 1);
    assert_int_equal(threads.ecx >> 8, 1);
    assert_int_equal(cores.ecx >> 8, 2);
    assert_int_equal(end.ebx | end.ecx >> 8, 0);
}

/* What an Opteron 6376 reports, but for what is not modelled: extended APIC space, OSVW, IBS, SKINIT, WDT, LWP, TCE,
 * node and counter MSRs; OSXSAVE, HTT and CmpLegacy depend on other things. */
static void test_cpuid_piledriver_is_that_of_an_opteron(void **state) {
    static const struct {
        uint32_t leaf, subleaf, eax, ebx, ecx, edx, ebx_mask, ecx_mask, edx_mask;
    } rows[] = {
        {0x0,        0, 0x0000000D, 0x68747541, 0x444D4163, 0x69746E65, ~0u, ~0u,          ~0u        },
        {0x1,        0, 0x00600F20, 0x00000800, 0x3E98320B, 0x178BFBFF, 0,   ~0x08000000u, ~(1u << 28)},
        {0x7,        0, 0,          0x00000008, 0,          0,          ~0u, ~0u,          ~0u        },
        {0xD,        0, 7,          0x240,      0x340,      0,          ~0u, ~0u,          ~0u        },
        {0xD,        1, 0,          0,          0,          0,          ~0u, ~0u,          ~0u        },
        {0xD,        2, 256,        576,        0,          0,          ~0u, ~0u,          ~0u        },
        {0x80000000, 0, 0x8000001E, 0x68747541, 0x444D4163, 0x69746E65, ~0u, ~0u,          ~0u        },
        {0x80000001, 0, 0x00600F20, 0x30000000, 0x01EBBFFF, 0x2FD3FBFF, ~0u, ~0x018AB60Au, ~0u        },
        {0x80000005, 0, 0xFF40FF18, 0xFF40FF30, 0x10040140, 0x40020140, ~0u, ~0u,          ~0u        },
    };
    (void)state;
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 1, .rtc_start = TEST_DATE};
    c.model = model_parse("piledriver", err, sizeof err);
    assert_non_null(c.model);
    struct machine *m = machine_create(&c, err, sizeof err);
    assert_non_null(m);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const struct cpuid_regs r = leaf(m->cpu[0], rows[k].leaf, rows[k].subleaf);
        assert_int_equal(r.eax, rows[k].eax);
        assert_int_equal(r.ebx & rows[k].ebx_mask, rows[k].ebx & rows[k].ebx_mask);
        assert_int_equal(r.ecx & rows[k].ecx_mask, rows[k].ecx & rows[k].ecx_mask);
        assert_int_equal(r.edx & rows[k].edx_mask, rows[k].edx & rows[k].edx_mask);
    }
    machine_destroy(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_every_row_parses),
        cmocka_unit_test(test_models_changes_apply),
        cmocka_unit_test(test_models_dependents_go_with_their_base),
        cmocka_unit_test(test_models_have_the_instructions_of_their_processors),
        cmocka_unit_test(test_models_vector_features_go_with_their_base),
        cmocka_unit_test(test_models_bad_spec_explained),
        TEST(test_cpuid_vendor_and_brand),
        TEST(test_cpuid_every_feature_shows_at_its_bit),
        TEST(test_cpuid_beyond_the_last_leaf_intel_repeats_it),
        TEST(test_cpuid_osxsave_ospke_follow_cr4),
        TEST(test_cpuid_topology_counts_processors),
        cmocka_unit_test(test_cpuid_piledriver_is_that_of_an_opteron),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
