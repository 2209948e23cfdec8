/* The modified optimization of XSAVEOPT and XSAVES: SDM 1 "Processor Tracking of XSAVE-Managed State", "Operation of
 * XSAVEOPT", "Operation of XSAVES". Every trial restores from an area, makes the area's bytes recognizable, and saves.
 */
#include "xsave_world.h"

#define COMP (1ull << 63)

static const uint16_t everything[] = {0, 416, 576, 832, 1088, 2696, 0};

static void enter(struct cpu *cpu) {
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    assert_true(msr_write(cpu, MSR_XSS, 0x1800));
    state_without_fill(cpu);
    mxcsr_set(cpu, 0x1F80);
}

/* An area at `at` that holds the present state, in the format of the restoring instruction; then restored from */
static void restore(struct cpu *cpu, enum op op, bool w64, uint64_t mask, uint64_t at) {
    const enum op save = op == OP_XRSTORS ? OP_XSAVES : OP_XSAVE;
    fill_area(cpu, 0);
    cpu->xsave.valid = false;
    assert_int_equal(run_op_at(cpu, save, w64, mask, at), -1);
    assert_int_equal(run_op_at(cpu, op, w64, mask, at), -1);
    memset(cpu->machine->ram + at, FILL, 512);
    memset(cpu->machine->ram + at + 576, FILL, 4096 - 576);
}

static void save(struct cpu *cpu, enum op op, const uint16_t *ends) {
    assert_int_equal(run_op(cpu, op, ALL), -1);
    memset(area_of(cpu) + 512, FILL, 64);
    assert_pieces(cpu, ends);
}

/* ---- which components ---- */

static void modify(struct cpu *cpu, unsigned id) {
    switch (id) {
    case XSAVE_X87:
        cpu->fpu.st[7].sig++;
        break;
    case XSAVE_SSE:
        cpu->vec.zmm[15].u8[15] ^= 1;
        break;
    case XSAVE_AVX:
        cpu->vec.zmm[0].u8[16] ^= 1;
        break;
    case XSAVE_OPMASK:
        cpu->vec.k[7] ^= 1;
        break;
    case XSAVE_ZMM_HI256:
        cpu->vec.zmm[15].u8[63] ^= 1;
        break;
    case XSAVE_HI16_ZMM:
        cpu->vec.zmm[31].u8[0] ^= 1;
        break;
    case XSAVE_PKRU:
        cpu->ctl.pkru ^= 1;
        break;
    case XSAVE_CET_U:
        cpu->cet.pl_ssp[3] ^= 8;
        break;
    case XSAVE_CET_S:
        cpu->cet.pl_ssp[2] ^= 8;
        break;
    default:
        break;
    }
}

/* Only what was changed is written, and of the legacy region MXCSR. */
static void test_xsave_modified_xsaveopt_writes_what_changed(void **state) {
    static const struct {
        uint8_t id;
        uint16_t ends[8];
    } rows[] = {
        {XSAVE_IDS,       {24, 32}            },
        {XSAVE_X87,       {0, 160}            },
        {XSAVE_SSE,       {24, 32, 160, 416}  },
        {XSAVE_AVX,       {24, 32, 576, 832}  },
        {XSAVE_OPMASK,    {24, 32, 1088, 1152}},
        {XSAVE_ZMM_HI256, {24, 32, 1152, 1664}},
        {XSAVE_HI16_ZMM,  {24, 32, 1664, 2688}},
        {XSAVE_PKRU,      {24, 32, 2688, 2696}},
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        enter(cpu);
        restore(cpu, OP_XRSTOR, false, ALL, AREA);
        modify(cpu, rows[k].id);
        save(cpu, OP_XSAVEOPT, rows[k].ends);
    }
}

static void test_xsave_modified_xsaves_writes_what_changed(void **state) {
    static const struct {
        uint8_t id;
        uint16_t ends[4];
    } rows[] = {
        {XSAVE_IDS,      {0}               },
        {XSAVE_SSE,      {24, 32, 160, 416}}, /* MXCSR is a part of it */
        {XSAVE_AVX,      {576, 832}        },
        {XSAVE_HI16_ZMM, {1408, 2432}      },
        {XSAVE_CET_U,    {2440, 2456}      },
        {XSAVE_CET_S,    {2456, 2480}      },
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        uint16_t ends[8] = {0};
        enter(cpu);
        restore(cpu, OP_XRSTORS, false, ALL, AREA);
        modify(cpu, rows[k].id);
        memcpy(ends, rows[k].ends, sizeof rows[k].ends);
        save(cpu, OP_XSAVES, ends);
    }
}

/* XSAVE has no optimization, XSAVEC only that of initial configurations. */
static void test_xsave_modified_other_forms_write_everything(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter(cpu);
    restore(cpu, OP_XRSTOR, false, ALL, AREA);
    save(cpu, OP_XSAVE, everything);
    enter(cpu);
    fill_area(cpu, 0);
    assert_int_equal(run_op(cpu, OP_XSAVEC, ALL), -1);
    assert_int_equal(run_op(cpu, OP_XRSTOR, ALL), -1);
    fill_area(cpu, FILL);
    assert_int_equal(run_op(cpu, OP_XSAVEC, ALL & ~2ull), -1);
    assert_written(cpu, 576, 2440, true);
}

/* XSTATE_BV says what is in use, written or not. */
static void test_xsave_modified_header_is_as_without(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter(cpu);
    xsave_component_init(cpu, XSAVE_AVX);
    restore(cpu, OP_XRSTOR, false, ALL, AREA);
    assert_int_equal(run_op(cpu, OP_XSAVEOPT, ALL), -1);
    assert_int_equal(peek(cpu, AREA + 512, 8), USER_ALL & ~4ull);
    assert_int_equal(peek(cpu, AREA + 520, 8), 0);
    enter(cpu);
    restore(cpu, OP_XRSTORS, false, ALL, AREA);
    assert_int_equal(run_op(cpu, OP_XSAVES, ALL), -1);
    assert_int_equal(peek(cpu, AREA + 512, 8), USER_ALL | 0x1800);
    assert_int_equal(peek(cpu, AREA + 520, 8), COMP | USER_ALL | 0x1800);
}

/* Components that XRSTOR was not asked for are modified. A value that comes back is not. */
static void test_xsave_modified_counts_what_was_not_restored(void **state) {
    static const uint16_t but_avx[] = {24, 32, 576, 832, 0}, none[] = {24, 32, 0};
    struct cpu *cpu = cpu_of(state);
    enter(cpu);
    restore(cpu, OP_XRSTOR, false, ALL & ~4ull, AREA);
    save(cpu, OP_XSAVEOPT, but_avx);
    enter(cpu);
    restore(cpu, OP_XRSTOR, false, ALL, AREA);
    modify(cpu, XSAVE_SSE);
    modify(cpu, XSAVE_SSE);
    save(cpu, OP_XSAVEOPT, none);
}

/* A component that XRSTOR initialized is unmodified until it is written. */
static void test_xsave_modified_after_initialization(void **state) {
    static const uint16_t none[] = {24, 32, 0}, opmask[] = {24, 32, 1088, 1152, 0};
    struct cpu *cpu = cpu_of(state);
    enter(cpu);
    put_header(cpu, 0, 0);
    poke(cpu, AREA + 24, 4, 0x1F80);
    assert_int_equal(run_op(cpu, OP_XRSTOR, ALL), -1);
    fill_area(cpu, FILL);
    save(cpu, OP_XSAVEOPT, none);
    for (unsigned n = 0; n < 8; n++) cpu->vec.k[n] = 1;
    save(cpu, OP_XSAVEOPT, opmask);
}

/* ---- MXCSR ---- */

static void test_xsave_modified_mxcsr_is_of_sse_state_when_compacted(void **state) {
    static const uint16_t sse[] = {24, 32, 160, 416, 0}, mxcsr[] = {24, 32, 0}, none[] = {0, 0};
    static const struct {
        uint32_t before, after;
        bool compacted, sse;
    } rows[] = {
        {0x1F80, 0x1F80, true,  false},
        {0x1F80, 0x1FA0, true,  true },
        {0x1FA0, 0x1F80, true,  true },
        {0x1FA0, 0x1FA0, true,  true }, /* not 1F80H: SSE state is always saved */
        {0x1F80, 0x1FA0, false, false},
        {0x1FA0, 0x1FA0, false, false},
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        enter(cpu);
        mxcsr_set(cpu, rows[k].before);
        restore(cpu, rows[k].compacted ? OP_XRSTORS : OP_XRSTOR, false, ALL, AREA);
        mxcsr_set(cpu, rows[k].after);
        save(cpu, rows[k].compacted ? OP_XSAVES : OP_XSAVEOPT, rows[k].sse ? sse : rows[k].compacted ? none : mxcsr);
    }
}

/* ---- XRSTOR_INFO ---- */

static void test_xsave_modified_needs_the_same_area(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter(cpu);
    restore(cpu, OP_XRSTOR, false, ALL, AREA + 0x1000);
    fill_area(cpu, FILL);
    save(cpu, OP_XSAVEOPT, everything);
    enter(cpu);
    restore(cpu, OP_XRSTOR, false, ALL, AREA);
    put_header(cpu, 0, 0);
    poke(cpu, AREA + 0x1000 + 512, 8, 0);
    memset(area_of(cpu) + 0x1000, 0, 0x1000);
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, 0, AREA + 0x1000), -1); /* another one since then */
    fill_area(cpu, FILL);
    save(cpu, OP_XSAVEOPT, everything);
}

static void test_xsave_modified_needs_the_same_world(void **state) {
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < 4; k++) {
        enter(cpu);
        restore(cpu, OP_XRSTOR, false, ALL, AREA);
        if (k == 0) cpu->xsave.guest = true; /* then non-root, now root */
        if (k == 1) cpu->xsave.cpl = 3;
        if (k == 2) cpu_reset(cpu, true);
        if (k == 2) enter(cpu);
        if (k == 3) cpu->xsave.xcomp_bv = COMP | USER_ALL;
        save(cpu, OP_XSAVEOPT, everything);
    }
}

static void test_xsave_modified_privilege_is_that_of_xrstor(void **state) {
    static const uint16_t legacy[] = {0, 288, 0}, none[] = {24, 32, 0};
    struct cpu *cpu = cpu_of(state);
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        enter_protected(cpu, 3);
        cpu->ctl.xcr0 = 3;
        cpu_update_mode(cpu);
        state_without_fill(cpu);
        restore(cpu, OP_XRSTOR, false, ALL, AREA);
        const struct fpu_regs fpu = cpu->fpu;
        const struct vec_regs vec = cpu->vec;
        enter_protected(cpu, cpl);
        cpu->ctl.xcr0 = 3;
        cpu->fpu = fpu;
        cpu->vec = vec;
        save(cpu, OP_XSAVEOPT, cpl ? none : legacy);
    }
}

static void test_xsave_modified_xsaves_needs_the_same_format(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter(cpu);
    restore(cpu, OP_XRSTOR, false, ALL, AREA); /* the standard format */
    assert_int_equal(run_op(cpu, OP_XSAVES, ALL), -1);
    assert_written(cpu, 576, 2480, true);
    enter(cpu);
    restore(cpu, OP_XRSTORS, false, ALL, AREA);
    assert_int_equal(run_op(cpu, OP_XSAVES, 7), -1); /* RFBM is another than XCOMP_BV was */
    assert_written(cpu, 160, 416, true);
    assert_written(cpu, 576, 832, true);
}

/* ---- forms and modes that save other bytes ---- */

static void test_xsave_modified_x87_pointers_of_another_form_are_written(void **state) {
    static const uint16_t x87[] = {0, 160, 0}, none[] = {24, 32, 0};
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < 4; k++) {
        enter(cpu);
        restore(cpu, OP_XRSTOR, k & 1, ALL, AREA);
        assert_int_equal(run_op_at(cpu, OP_XSAVEOPT, k >> 1, ALL, AREA), -1);
        memset(area_of(cpu) + 512, FILL, 64);
        assert_pieces(cpu, (k & 1) != k >> 1 ? x87 : none);
    }
}

static void test_xsave_modified_registers_of_64bit_mode_are_written(void **state) {
    static const uint16_t vectors[] = {24, 32, 160, 416, 576, 832, 1152, 2688, 0};
    struct cpu *cpu = cpu_of(state);
    enter_protected(cpu, 0);
    cpu->ctl.xcr0 = USER_ALL;
    state_without_fill(cpu);
    restore(cpu, OP_XRSTOR, false, ALL, AREA);
    const struct fpu_regs fpu = cpu->fpu;
    const struct vec_regs vec = cpu->vec;
    enter_long(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    cpu->fpu = fpu;
    cpu->vec = vec;
    save(cpu, OP_XSAVEOPT, vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_INTEL(test_xsave_modified_xsaveopt_writes_what_changed),
        TEST_INTEL(test_xsave_modified_xsaves_writes_what_changed),
        TEST_AMD(test_xsave_modified_xsaves_writes_what_changed),
        TEST_INTEL(test_xsave_modified_other_forms_write_everything),
        TEST_INTEL(test_xsave_modified_header_is_as_without),
        TEST_INTEL(test_xsave_modified_counts_what_was_not_restored),
        TEST_INTEL(test_xsave_modified_after_initialization),
        TEST_INTEL(test_xsave_modified_mxcsr_is_of_sse_state_when_compacted),
        TEST_INTEL(test_xsave_modified_needs_the_same_area),
        TEST_INTEL(test_xsave_modified_needs_the_same_world),
        TEST_INTEL(test_xsave_modified_privilege_is_that_of_xrstor),
        TEST_INTEL(test_xsave_modified_xsaves_needs_the_same_format),
        TEST_INTEL(test_xsave_modified_x87_pointers_of_another_form_are_written),
        TEST_INTEL(test_xsave_modified_registers_of_64bit_mode_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
