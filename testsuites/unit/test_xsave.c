/* XSAVE and its kin against SDM 1 "Managing State Using the XSAVE Feature Set", rule by rule. */
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

/* ---- what is written ---- */

/* Was every byte of [from, to) written? `fill` must not occur in what is saved. */
static void assert_written(struct cpu *cpu, unsigned from, unsigned to, bool written) {
    for (unsigned k = from; k < to; k++)
        if ((area_of(cpu)[k] != FILL) != written) fail_msg("byte %u is %s", k, written ? "as before" : "written");
}
/* `ends`: where unwritten and written bytes end, in turn; closed by a 0 that is not the first. */
static void assert_pieces(struct cpu *cpu, const uint16_t *ends) {
    unsigned at = 0;
    for (unsigned k = 0; k == 0 || ends[k]; k++) {
        assert_written(cpu, at, ends[k], k & 1);
        at = ends[k];
    }
    assert_written(cpu, at, 4096, false);
}

static void state_without_fill(struct cpu *cpu) {
    fill_state(cpu);
    for (unsigned n = 0; n < 32; n++)
        for (unsigned k = 0; k < 64; k++)
            if (cpu->vec.zmm[n].u8[k] == FILL) cpu->vec.zmm[n].u8[k] = 1;
}

/* The header is compared in the test after this. */
static void test_xsave_writes_exactly_the_requested_bytes(void **state) {
    static const struct {
        enum op op;
        uint64_t mask;
        uint16_t ends[12];
    } rows[] = {
        {OP_XSAVE,    1,      {0, 24, 32, 160}              },
        {OP_XSAVE,    2,      {24, 32, 160, 416}            },
        {OP_XSAVE,    4,      {24, 32, 576, 832}            },
        {OP_XSAVE,    0x20,   {1088, 1152}                  },
        {OP_XSAVE,    0xC0,   {1152, 2688}                  },
        {OP_XSAVE,    0x200,  {2688, 2696}                  },
        {OP_XSAVE,    0x1FFF, {0, 416, 576, 832, 1088, 2696}},
        {OP_XSAVEOPT, ALL,    {0, 416, 576, 832, 1088, 2696}},
        {OP_XSAVEC,   4,      {576, 832}                    },
        {OP_XSAVEC,   0x2A0,  {576, 576 + 64 + 1024 + 8}    },
        {OP_XSAVEC,   ALL,    {0, 416, 576, 2440}           },
        {OP_XSAVES,   ALL,    {0, 416, 576, 2480}           },
        {OP_XSAVES,   0x1001, {0, 24, 32, 160, 576, 600}    },
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    assert_true(msr_write(cpu, MSR_XSS, 0x1800));
    state_without_fill(cpu);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        fill_area(cpu, FILL);
        assert_int_equal(run_op(cpu, rows[k].op, rows[k].mask), -1);
        memset(area_of(cpu) + 512, FILL, 16);
        assert_pieces(cpu, rows[k].ends);
    }
}

static void check_header(struct cpu *cpu, uint64_t bv, uint64_t comp) {
    assert_int_equal(peek(cpu, AREA + 512, 8), bv);
    assert_int_equal(peek(cpu, AREA + 520, 8), comp);
    assert_int_equal(peek(cpu, AREA + 528, 8), 0xCCCCCCCCCCCCCCCC);
}

static void test_xsave_header_merges_or_replaces(void **state) {
    static const uint64_t old = 0xCCCCCCCCCCCCCCCC, z = 1ull << 63;
    static const struct {
        enum op op;
        uint64_t mask, bv, comp;
    } rows[] = {
        {OP_XSAVE,    0,   old,                       old       },
        {OP_XSAVE,    ALL, (old & ~0x2E7ull) | 0x2E3, old       }, /* AVX is in its initial configuration */
        {OP_XSAVE,    6,   (old & ~6ull) | 2,         old       },
        {OP_XSAVEOPT, 6,   (old & ~6ull) | 2,         old       },
        {OP_XSAVEC,   0,   0,                         z         },
        {OP_XSAVEC,   6,   2,                         z | 6     },
        {OP_XSAVEC,   ALL, 0x2E3,                     z | 0x2E7 },
        {OP_XSAVES,   ALL, 0x1AE3,                    z | 0x1AE7},
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    assert_true(msr_write(cpu, MSR_XSS, 0x1800));
    fill_state(cpu);
    xsave_component_init(cpu, XSAVE_AVX);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        fill_area(cpu, FILL);
        assert_int_equal(run_op(cpu, rows[k].op, rows[k].mask), -1);
        check_header(cpu, rows[k].bv, rows[k].comp);
    }
}

/* XSAVE writes components in their initial configuration too, the others do not. */
static void test_xsave_init_optimization_skips_initial_components(void **state) {
    static const struct {
        enum op op;
        uint32_t mxcsr;
        uint64_t bv;
        uint16_t ends[8];
    } rows[] = {
        {OP_XSAVE,    0x1F80, 0, {0, 416, 576, 832, 1088, 2696}},
        {OP_XSAVEOPT, 0x1F80, 0, {24, 32}                      },
        {OP_XSAVEC,   0x1F80, 0, {0}                           },
        {OP_XSAVES,   0x1F80, 0, {0}                           },
        {OP_XSAVE,    0x1FA0, 0, {0, 416, 576, 832, 1088, 2696}},
        {OP_XSAVEOPT, 0x1FA0, 0, {24, 32}                      },
        {OP_XSAVEC,   0x1FA0, 2, {24, 32, 160, 416}            }, /* MXCSR makes SSE state be saved */
        {OP_XSAVES,   0x1FA0, 2, {24, 32, 160, 416}            },
    };
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    for (unsigned id = 0; id < XSAVE_IDS; id++) xsave_component_init(cpu, id);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        fill_area(cpu, FILL);
        put_header(cpu, 0, 0);
        mxcsr_set(cpu, rows[k].mxcsr);
        assert_int_equal(run_op(cpu, rows[k].op, ALL), -1);
        assert_int_equal(peek(cpu, AREA + 512, 8), rows[k].bv);
        memset(area_of(cpu) + 512, FILL, 64);
        assert_pieces(cpu, rows[k].ends);
    }
}

/* ---- there and back ---- */

static void forget_state(struct cpu *cpu) {
    for (unsigned id = 0; id < XSAVE_IDS; id++) xsave_component_init(cpu, id);
    memset(cpu->vec.zmm, 0xEE, sizeof cpu->vec.zmm);
    mxcsr_set(cpu, 0x1F80);
}

static void test_xsave_restore_brings_back_what_was_saved(void **state) {
    static const enum op pairs[][2] = {
        {OP_XSAVE,    OP_XRSTOR },
        {OP_XSAVEOPT, OP_XRSTOR },
        {OP_XSAVEC,   OP_XRSTOR },
        {OP_XSAVES,   OP_XRSTORS},
        {OP_XSAVEC,   OP_XRSTORS},
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof pairs / sizeof pairs[0]; k++)
        for (unsigned w64 = 0; w64 < 2; w64++) {
            enter_long(cpu);
            cpu->ctl.xcr0 = USER_ALL;
            assert_true(msr_write(cpu, MSR_XSS, 0x1800));
            fill_area(cpu, FILL);
            put_header(cpu, 0, 0);
            fill_state(cpu);
            const struct vec_regs vec = cpu->vec;
            const struct fpu_regs fpu = cpu->fpu;
            const struct cet_regs cet = cpu->cet;
            assert_int_equal(run_op_at(cpu, pairs[k][0], w64, ALL, AREA), -1);
            forget_state(cpu);
            assert_int_equal(run_op_at(cpu, pairs[k][1], w64, ALL, AREA), -1);
            assert_memory_equal(vec.zmm, cpu->vec.zmm, sizeof vec.zmm);
            assert_memory_equal(vec.k, cpu->vec.k, sizeof vec.k);
            assert_int_equal(mxcsr_get(cpu), 0x1FA0);
            assert_int_equal(cpu->ctl.pkru, 0x55555554);
            assert_int_equal(cpu->fpu.fcw, fpu.fcw);
            assert_int_equal(cpu->fpu.fsw, fpu.fsw);
            assert_int_equal(cpu->fpu.ftw, fpu.ftw);
            for (unsigned n = 0; n < 8; n++) assert_int_equal(cpu->fpu.st[n].sig, fpu.st[n].sig);
            if (pairs[k][0] == OP_XSAVES) {
                assert_int_equal(cpu->cet.u_cet, cet.u_cet);
                assert_memory_equal(cpu->cet.pl_ssp, cet.pl_ssp, sizeof cet.pl_ssp);
            }
        }
}

/* RFBM chooses; what XSTATE_BV lacks is initialized; what RFBM lacks stays. */
static void test_xsave_restore_initializes_or_leaves(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    fill_area(cpu, 0x42);
    put_header(cpu, 0x20, 0);
    fill_state(cpu);
    assert_int_equal(run_op(cpu, OP_XRSTOR, 0x24), VEC_GP); /* MXCSR 42424242H: AVX carries it */
    poke(cpu, AREA + 24, 4, 0x1F90);
    assert_int_equal(run_op(cpu, OP_XRSTOR, 0x24), -1);
    assert_int_equal(mxcsr_get(cpu), 0x1F90);
    assert_int_equal(cpu->vec.k[7], 0x4242424242424242);
    assert_int_equal(cpu->vec.zmm[1].u64[2], 0);     /* YMM_Hi128: initialized */
    assert_int_not_equal(cpu->vec.zmm[1].u64[0], 0); /* the rest: as it was */
    assert_int_not_equal(cpu->vec.zmm[1].u64[4], 0);
    assert_int_equal(cpu->ctl.pkru, 0x55555554);
    put_header(cpu, 0, 0);
    assert_int_equal(run_op(cpu, OP_XRSTOR, ALL), -1);
    assert_int_equal(xsave_in_use(cpu, USER_ALL), 0);
    assert_int_equal(mxcsr_get(cpu), 0x1F90);
}

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

/* ---- modes ---- */

/* SDM 1: outside 64-bit mode XMM8-15 and their like, and ZMM16-31, are neither saved nor loaded. */
static void test_xsave_outside_64bit_mode_only_eight_registers(void **state) {
    static const uint16_t ends[] = {0, 288, 576, 704, 1088, 1408, 2688, 2696, 0};
    struct cpu *cpu = cpu_of(state);
    enter_protected(cpu, 0);
    cpu->ctl.xcr0 = USER_ALL;
    state_without_fill(cpu);
    fill_area(cpu, FILL);
    assert_int_equal(run_op(cpu, OP_XSAVE, ALL), -1);
    assert_int_equal(peek(cpu, AREA + 512, 8), (0xCCCCCCCCCCCCCCCC & ~USER_ALL) | 0x267); /* Hi16_ZMM: not in use */
    memset(area_of(cpu) + 512, FILL, 8);
    assert_pieces(cpu, ends);
    const struct vec_regs before = cpu->vec;
    fill_area(cpu, 0);
    put_header(cpu, 0, 0);
    assert_int_equal(run_op(cpu, OP_XRSTOR, ALL), -1);
    for (unsigned n = 0; n < 8; n++) assert_int_equal(cpu->vec.zmm[n].u64[7] | cpu->vec.zmm[n].u64[0], 0);
    assert_memory_equal(&before.zmm[8], &cpu->vec.zmm[8], 24 * 64);
}

/* ---- faults ---- */

static void test_xsave_misaligned_area_raises_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    for (unsigned op = OP_XSAVE; op <= OP_XRSTORS; op++)
        for (unsigned off = 1; off < 64; off <<= 1) {
            fill_area(cpu, FILL);
            assert_int_equal(run_op_at(cpu, op, false, 0, AREA + off), VEC_GP);
            assert_written(cpu, 0, 4096, false);
        }
    assert_int_equal(run_op_at(cpu, OP_XSAVE, false, 0, 0x8000000000000000), VEC_GP);
}

/* The components' own alignment is nobody's business; a misaligned area is #GP even so. */
static void test_xsave_with_alignment_checks_only_the_area_counts(void **state) {
    static const enum op ops[] = {OP_XSAVE, OP_XSAVEOPT, OP_XSAVEC, OP_XRSTOR};
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < 4; k++)
        for (unsigned off = 0; off < 2; off++) {
            enter_protected(cpu, 3);
            cpu->ctl.xcr0 = USER_ALL;
            cpu->ctl.cr0 |= CR0_AM;
            cpu->rflags |= FLAG_AC;
            cpu_update_mode(cpu);
            fill_state(cpu);
            fill_area(cpu, 0);
            put_header(cpu, 0x2A0, 1ull << 63 | 0x2A0);
            assert_int_equal(run_op_at(cpu, ops[k], false, 0x2A1, AREA + 4 * off), off ? VEC_GP : -1);
        }
}

/* The area ends where its last requested component ends, and behind the header at least. */
static void test_xsave_segment_limit_holds_for_what_is_accessed(void **state) {
    static const uint8_t by_ss[] = {0x36, 0x0F, 0xAE, 0x27}; /* xsave ss:[edi] */
    static const struct {
        uint32_t limit;
        uint64_t mask;
        bool ok;
    } rows[] = {
        {AREA + 575,  3,     true },
        {AREA + 574,  3,     false},
        {AREA + 574,  0,     false},
        {AREA + 703,  7,     true }, /* YMM_Hi128 of eight registers */
        {AREA + 702,  7,     false},
        {AREA + 702,  3,     true },
        {AREA + 2695, 0x201, true },
        {AREA + 2694, 0x201, false},
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        enter_protected(cpu, 0);
        cpu->ctl.xcr0 = USER_ALL;
        fill_area(cpu, FILL);
        cpu->seg[SEG_DS].limit = rows[k].limit;
        assert_int_equal(run_op(cpu, OP_XSAVE, rows[k].mask), rows[k].ok ? -1 : VEC_GP);
        if (!rows[k].ok) assert_written(cpu, 0, 4096, false);
        put_header(cpu, rows[k].mask, 0);
        poke(cpu, AREA + 24, 4, 0x1F80);
        assert_int_equal(run_op(cpu, OP_XRSTOR, rows[k].mask), rows[k].ok ? -1 : VEC_GP);
    }
    enter_protected(cpu, 0);
    set_mask(cpu, 1);
    cpu->gpr[RDI] = 0xFFFFFE00; /* wraps */
    assert_int_equal(run_bytes(cpu, op_bytes[OP_XSAVE], 3), VEC_GP);
    assert_int_equal(run_bytes(cpu, by_ss, sizeof by_ss), VEC_SS);
}

#define HIGH 0x400000u /* two pages of 4 KiB here; the second one is not present */
static void map_high(struct cpu *cpu) {
    poke(cpu, 0x3000 + 8 * (HIGH >> 21), 8, 0x4000 | 7);
    poke(cpu, 0x4000, 8, HIGH | 7);
    poke(cpu, 0x4008, 8, 0);
    tlb_flush_all(cpu);
}

/* Nothing is written when a later part of the area faults; parts that are not asked for may lie in absent pages. */
static void test_xsave_page_fault_comes_before_the_first_write(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    map_high(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    fill_state(cpu);
    const uint64_t at = HIGH + 4096 - 1152; /* opmask is the last component in the first page */
    static const enum op ops[] = {OP_XSAVE, OP_XSAVEOPT, OP_XSAVEC, OP_XSAVES};
    for (unsigned k = 0; k < 4; k++) {
        memset(cpu->machine->ram + HIGH, FILL, 8192);
        assert_int_equal(run_op_at(cpu, ops[k], false, ALL, at), VEC_PF);
        assert_int_equal(cpu->ctl.cr2 & ~0xFFFull, HIGH + 4096);
        assert_int_equal(peek(cpu, cpu->gpr[RSP] - 48, 8), 2);
        for (unsigned b = 0; b < 8192; b++) assert_int_equal(cpu->machine->ram[HIGH + b], FILL);
        assert_int_equal(run_op_at(cpu, ops[k], false, 0x27, at), -1);
    }
    memset(cpu->machine->ram + HIGH, 0, 4096);
    poke(cpu, at + 24, 4, 0x1F80);
    poke(cpu, at + 512, 8, USER_ALL);
    const struct vec_regs before = cpu->vec;
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, ALL, at), VEC_PF);
    assert_memory_equal(before.zmm, cpu->vec.zmm, sizeof before.zmm);
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, 0x27, at), -1);
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, ALL, HIGH + 4096 - 512), VEC_PF); /* the header */
    assert_int_equal(cpu->ctl.cr2, HIGH + 4096);
}

/* ---- PKRU ---- */

/* RDPKRU, WRPKRU and XRSTOR: the rights change at once, for user pages at any privilege level. SDM 3 "Protection Keys"
 */
static void test_xsave_pkru_decides_about_the_next_access(void **state) {
    static const uint8_t rdpkru[] = {0x0F, 0x01, 0xEE}, wrpkru[] = {0x0F, 0x01, 0xEF};
    static const uint8_t load[] = {0x48, 0x8B, 0x06}, store[] = {0x48, 0x89, 0x06}; /* mov rax, [rsi]; mov [rsi], rax */
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    map_high(cpu);
    poke(cpu, 0x4000, 8, HIGH | 7 | 3ull << 59); /* key 3 */
    cpu->ctl.cr0 |= CR0_WP;
    cpu->ctl.xcr0 = USER_ALL;
    cpu->gpr[RCX] = 0;
    assert_int_equal(run_bytes(cpu, rdpkru, 3), VEC_UD);
    assert_int_equal(run_bytes(cpu, wrpkru, 3), VEC_UD);
    cr4_write(cpu, cpu->ctl.cr4 | CR4_PKE);
    cpu->gpr[RSI] = HIGH;
    fill_area(cpu, 0);
    poke(cpu, AREA + 24, 4, 0x1F80);
    poke(cpu, AREA + 512, 8, 0x200);
    for (unsigned rights = 0; rights < 4; rights++)
        for (unsigned by_xrstor = 0; by_xrstor < 2; by_xrstor++) {
            cpu->ctl.pkru = 0;
            cpu_update_mode(cpu);
            assert_int_equal(run_bytes(cpu, load, 3), -1);
            assert_int_equal(run_bytes(cpu, store, 3), -1);
            poke(cpu, AREA + 2688, 4, rights << 6);
            if (by_xrstor) assert_int_equal(run_op(cpu, OP_XRSTOR, 0x200), -1);
            set_mask(cpu, rights << 6);
            if (!by_xrstor) assert_int_equal(run_bytes(cpu, wrpkru, 3), -1);
            assert_int_equal(run_bytes(cpu, load, 3), rights & 1 ? VEC_PF : -1);
            if (rights & 1) assert_int_equal(peek(cpu, cpu->gpr[RSP] - 48, 8), 0x21); /* P, PK */
            assert_int_equal(run_bytes(cpu, store, 3), rights ? VEC_PF : -1);
            if (rights) assert_int_equal(peek(cpu, cpu->gpr[RSP] - 48, 8), 0x23);
            cpu->gpr[RAX] = cpu->gpr[RDX] = ~0ull;
            assert_int_equal(run_bytes(cpu, rdpkru, 3), -1);
            assert_int_equal(cpu->gpr[RAX], rights << 6);
            assert_int_equal(cpu->gpr[RDX], 0);
        }
    cpu->gpr[RCX] = 1;
    assert_int_equal(run_bytes(cpu, rdpkru, 3), VEC_GP);
    set_mask(cpu, 0);
    assert_int_equal(run_bytes(cpu, wrpkru, 3), VEC_GP);
    cpu->gpr[RCX] = 0;
    set_mask(cpu, 1ull << 32);
    assert_int_equal(run_bytes(cpu, wrpkru, 3), VEC_GP);
    cpu->gpr[RCX] = cpu->gpr[RDX] = 0xFFFFFFFF00000000; /* the upper halves are ignored */
    assert_int_equal(run_bytes(cpu, wrpkru, 3), -1);
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
        TEST_INTEL(test_xsave_writes_exactly_the_requested_bytes),
        TEST_INTEL(test_xsave_header_merges_or_replaces),
        TEST_INTEL(test_xsave_init_optimization_skips_initial_components),
        TEST_INTEL(test_xsave_restore_brings_back_what_was_saved),
        TEST_INTEL(test_xsave_restore_initializes_or_leaves),
        TEST_AMD(test_xsave_restore_mxcsr_by_format),
        TEST_INTEL(test_xsave_mxcsr_mask_and_reserved_bits_follow_the_model),
        TEST_AMD(test_xsave_mxcsr_mask_and_reserved_bits_follow_the_model),
        TEST_INTEL(test_xsave_restore_checks_the_header),
        TEST_INTEL(test_xsave_restore_finds_components_by_xcomp_bv),
        TEST_INTEL(test_xsave_supervisor_forms_need_cpl0_and_leave_user_forms_alone),
        TEST_INTEL(test_xsave_restore_supervisor_checks_cet_state),
        TEST_INTEL(test_xsave_outside_64bit_mode_only_eight_registers),
        TEST_INTEL(test_xsave_misaligned_area_raises_gp),
        TEST_INTEL(test_xsave_with_alignment_checks_only_the_area_counts),
        TEST_INTEL(test_xsave_segment_limit_holds_for_what_is_accessed),
        TEST_INTEL(test_xsave_page_fault_comes_before_the_first_write),
        TEST_INTEL(test_xsave_pkru_decides_about_the_next_access),
        TEST_INTEL(test_xsave_xfd_takes_no_component_yet),
        TEST_INTEL(test_xsave_xfd_disabled_component_is_saved_as_initial_and_not_loaded),
        TEST_INTEL(test_xsave_xfd_gates_instructions_and_reports_the_component),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
