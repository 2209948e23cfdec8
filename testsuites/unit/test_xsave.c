/* Saving and restoring extended state, rule by rule: SDM 1 "Operation of XSAVE" and the sections after it. */
#include "xsave_world.h"

/* ---- what is written ---- */
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
            cpu->xsave.valid = false; /* not what the last round restored */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_INTEL(test_xsave_writes_exactly_the_requested_bytes),
        TEST_INTEL(test_xsave_header_merges_or_replaces),
        TEST_INTEL(test_xsave_init_optimization_skips_initial_components),
        TEST_INTEL(test_xsave_restore_brings_back_what_was_saved),
        TEST_INTEL(test_xsave_restore_initializes_or_leaves),
        TEST_INTEL(test_xsave_outside_64bit_mode_only_eight_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
