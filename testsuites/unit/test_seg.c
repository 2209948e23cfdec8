/* Segment registers, far transfers, returns. */
#include "core_world.h"

/* ---- loading ---- */

static void test_seg_load_null_data_allowed_null_stack_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    ASSERT_QUIET(cpu, seg_load(cpu, SEG_DS, 3));
    assert_true(cpu->seg[SEG_DS].ar & AR_UNUSABLE);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_load(cpu, SEG_SS, 0));
}

static void test_seg_load_outside_the_table_gp_with_selector(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0x68, seg_load(cpu, SEG_DS, 0x6B));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0x0C, seg_load(cpu, SEG_DS, 0x0C)); /* no LDT */
}

static void test_seg_load_privilege_checked(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_DATA0, seg_load(cpu, SEG_ES, SEL_DATA0));
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_DATA3 & ~3, seg_load(cpu, SEG_SS, SEL_DATA3 & ~3)); /* RPL is not CPL */
    put_desc(cpu, SEL_FREE, 0, 0xFFFFF, CODE | AR_CONFORM | FLAT32);
    ASSERT_QUIET(cpu, seg_load(cpu, SEG_ES, SEL_FREE)); /* conforming code: whatever its DPL */
}

static void test_seg_load_type_checked(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_desc(cpu, SEL_FREE, 0, 0xFFFFF, (CODE & ~AR_RW) | FLAT32);
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_FREE, seg_load(cpu, SEG_DS, SEL_FREE)); /* execute-only */
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_TSS, seg_load(cpu, SEG_DS, SEL_TSS));   /* system segment */
    put_desc(cpu, SEL_FREE, 0, 0xFFFFF, (DATA & ~AR_RW) | FLAT32);
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_FREE, seg_load(cpu, SEG_SS, SEL_FREE)); /* read-only stack */
}

static void test_seg_load_not_present_np_or_ss(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_desc(cpu, SEL_FREE, 0, 0xFFFFF, (DATA & ~AR_P) | FLAT32);
    ASSERT_RAISES_ERR(cpu, VEC_NP, SEL_FREE, seg_load(cpu, SEG_DS, SEL_FREE));
    ASSERT_RAISES_ERR(cpu, VEC_SS, SEL_FREE, seg_load(cpu, SEG_SS, SEL_FREE));
}

static void test_seg_load_sets_the_accessed_bit(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_desc(cpu, SEL_FREE, 0x12345678, 0x00FFF, DATA & ~AR_ACCESSED);
    ASSERT_QUIET(cpu, seg_load(cpu, SEG_FS, SEL_FREE));
    assert_true(get_ar(cpu, SEL_FREE) & AR_ACCESSED);
    assert_int_equal(cpu->seg[SEG_FS].base, 0x12345678);
    assert_int_equal(cpu->seg[SEG_FS].limit, 0xFFF);
}

static void test_seg_load_real_mode_keeps_the_limit(void **state) {
    struct cpu *cpu = cpu_of(state);
    cpu->seg[SEG_DS].limit = ~0u; /* "unreal" */
    ASSERT_QUIET(cpu, seg_load(cpu, SEG_DS, 0x1234));
    assert_int_equal(cpu->seg[SEG_DS].base, 0x12340);
    assert_int_equal(cpu->seg[SEG_DS].limit, ~0u);
}

/* ---- addresses ---- */

static void test_seg_linear_limits_and_types(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    cpu->seg[SEG_DS].limit = 0xFFF;
    cpu->seg[SEG_DS].base = 0x1000;
    assert_int_equal(seg_linear(cpu, NULL, SEG_DS, 0xFFC, 4, MEM_READ), 0x1FFC);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_linear(cpu, NULL, SEG_DS, 0xFFD, 4, MEM_READ));
    cpu->seg[SEG_SS].limit = 0xFFF;
    ASSERT_RAISES_ERR(cpu, VEC_SS, 0, seg_linear(cpu, NULL, SEG_SS, 0x1000, 1, MEM_READ));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_linear(cpu, NULL, SEG_CS, 0, 1, MEM_WRITE));
    assert_int_equal(seg_linear(cpu, NULL, SEG_CS, 5, 1, MEM_READ), 5);
    cpu->seg[SEG_DS].ar = AR_UNUSABLE;
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_linear(cpu, NULL, SEG_DS, 0, 1, MEM_READ));
}

static void test_seg_linear_expand_down(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    cpu->seg[SEG_DS] = (struct seg){.limit = 0xFFF, .ar = DATA | AR_EXPDOWN};
    assert_int_equal(seg_linear(cpu, NULL, SEG_DS, 0x1000, 2, MEM_WRITE), 0x1000);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_linear(cpu, NULL, SEG_DS, 0xFFF, 2, MEM_WRITE));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_linear(cpu, NULL, SEG_DS, 0xFFFF, 2, MEM_WRITE)); /* B = 0: up to 64 KiB */
    cpu->seg[SEG_DS].ar |= AR_DB;
    assert_int_equal(seg_linear(cpu, NULL, SEG_DS, 0xFFFF, 2, MEM_WRITE), 0xFFFF);
}

static void test_seg_linear_64_bit_canonical(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    cpu->seg[SEG_DS].base = 0x1000; /* ignored */
    cpu->seg[SEG_FS].base = 0x1000;
    assert_int_equal(seg_linear(cpu, NULL, SEG_DS, 5, 1, MEM_READ), 5);
    assert_int_equal(seg_linear(cpu, NULL, SEG_FS, 5, 1, MEM_READ), 0x1005);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, seg_linear(cpu, NULL, SEG_DS, 0x800000000000, 1, MEM_READ));
    ASSERT_RAISES_ERR(cpu, VEC_SS, 0, seg_linear(cpu, NULL, SEG_SS, 0x7FFFFFFFFFFF, 2, MEM_READ));
}

/* ---- far transfers ---- */

static void test_far_jmp_checks_privilege_and_offset(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, far_jmp(cpu, 0, 0, 4));
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_CODE0, far_jmp(cpu, SEL_CODE0, 0, 4));
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_DATA3 & ~3, far_jmp(cpu, SEL_DATA3, 0, 4));
    put_desc(cpu, SEL_FREE, 0, 0x0F, CODE | AR_CONFORM | AR_DB);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, far_jmp(cpu, SEL_FREE, 0x10, 4));
    ASSERT_QUIET(cpu, far_jmp(cpu, SEL_FREE, 0x0F, 4));
    assert_int_equal(cpu->seg[SEG_CS].sel, SEL_FREE | 3); /* conforming: CPL stays */
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->rip, 0x0F);
}

static void test_far_call_gate_to_inner_level_copies_parameters(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    put_gate(cpu, GDT + SEL_FREE, SEL_CODE0, 0x4000, AR_P | DPL(3) | DESC_CALL, 2);
    poke(cpu, STACK, 4, 0x11111111);
    poke(cpu, STACK + 4, 4, 0x22222222);
    ASSERT_QUIET(cpu, far_call(cpu, SEL_FREE | 3, 0xDEAD, 4));
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->rip, 0x4000);
    assert_int_equal(cpu->seg[SEG_SS].sel, SEL_DATA0);
    assert_int_equal(cpu->gpr[RSP], STACK + 0x1000 - 24);
    const uint32_t frame[] = {0x8000, SEL_CODE3, 0x11111111, 0x22222222, STACK, SEL_DATA3};
    for (unsigned k = 0; k < 6; k++) assert_int_equal(peek(cpu, cpu->gpr[RSP] + 4 * k, 4), frame[k]);

    cpu->rip = 0x4010; /* and back, dropping the parameters on both stacks */
    ASSERT_QUIET(cpu, far_ret(cpu, 4, 8));
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->rip, 0x8000);
    assert_int_equal(cpu->seg[SEG_SS].sel, SEL_DATA3);
    assert_int_equal(cpu->gpr[RSP], STACK + 8);
}

static void test_far_call_gate_dpl_below_cpl_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    put_gate(cpu, GDT + SEL_FREE, SEL_CODE0, 0x4000, AR_P | DPL(0) | DESC_CALL, 0);
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_FREE, far_call(cpu, SEL_FREE, 0, 4));
    put_gate(cpu, GDT + SEL_FREE, SEL_CODE0, 0x4000, DPL(3) | DESC_CALL, 0);
    ASSERT_RAISES_ERR(cpu, VEC_NP, SEL_FREE, far_call(cpu, SEL_FREE, 0, 4));
}

static void test_far_call_gate_bad_inner_stack_ts(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    put_gate(cpu, GDT + SEL_FREE, SEL_CODE0, 0x4000, AR_P | DPL(3) | DESC_CALL, 0);
    poke(cpu, TSS + 8, 2, SEL_DATA3);
    ASSERT_RAISES_ERR(cpu, VEC_TS, SEL_DATA3 & ~3, far_call(cpu, SEL_FREE, 0, 4));
    cpu->seg[SEG_TR].limit = 7;
    ASSERT_RAISES_ERR(cpu, VEC_TS, SEL_TSS, far_call(cpu, SEL_FREE, 0, 4));
}

static void push32(struct cpu *cpu, uint32_t val) {
    cpu->gpr[RSP] -= 4;
    poke(cpu, cpu->gpr[RSP], 4, val);
}

static void test_far_ret_to_outer_level_drops_inner_segments(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    cpu->seg[SEG_GS].base = 0x777;
    push32(cpu, SEL_DATA3);
    push32(cpu, 0x5000);
    push32(cpu, SEL_CODE3);
    push32(cpu, 0x6000);
    ASSERT_QUIET(cpu, far_ret(cpu, 4, 0));
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->gpr[RSP], 0x5000);
    assert_int_equal(cpu->seg[SEG_DS].sel, 0);
    assert_true(cpu->seg[SEG_DS].ar & AR_UNUSABLE);
    assert_int_equal(cpu->seg[SEG_GS].base, 0x777);
}

static void test_iret_flags_follow_privilege(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    flags_load(cpu, FLAG_IF);
    push32(cpu, FLAG_IOPL | FLAG_CF | FLAG_NT | FLAG_ID | FLAG_VIF);
    push32(cpu, SEL_CODE3);
    push32(cpu, 0x6000);
    ASSERT_QUIET(cpu, iret(cpu, 4));
    assert_int_equal(flags_get(cpu), FLAG_FIXED | FLAG_IF | FLAG_CF | FLAG_NT | FLAG_ID);
}

static void test_iret_to_virtual_8086(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    const uint32_t frame[] = {0x1234, 0x1000, FLAG_VM | FLAG_IOPL, 0xFF00, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000};
    for (unsigned k = 9; k-- > 0;) push32(cpu, frame[k]);
    ASSERT_QUIET(cpu, iret(cpu, 4));
    assert_true(cpu_is_vm86(cpu));
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->rip, 0x1234);
    assert_int_equal(cpu->seg[SEG_CS].base, 0x10000);
    assert_int_equal(cpu->seg[SEG_SS].base, 0x20000);
    assert_int_equal(cpu->seg[SEG_GS].base, 0x60000);
    assert_int_equal(cpu->gpr[RSP], 0xFF00);
}

static void test_iret_nested_task_in_long_mode_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    flags_load(cpu, FLAG_NT);
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, iret(cpu, 8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_seg_load_null_data_allowed_null_stack_gp),
        TEST(test_seg_load_outside_the_table_gp_with_selector),
        TEST(test_seg_load_privilege_checked),
        TEST(test_seg_load_type_checked),
        TEST(test_seg_load_not_present_np_or_ss),
        TEST(test_seg_load_sets_the_accessed_bit),
        TEST(test_seg_load_real_mode_keeps_the_limit),
        TEST(test_seg_linear_limits_and_types),
        TEST(test_seg_linear_expand_down),
        TEST(test_seg_linear_64_bit_canonical),
        TEST(test_far_jmp_checks_privilege_and_offset),
        TEST(test_far_call_gate_to_inner_level_copies_parameters),
        TEST(test_far_call_gate_dpl_below_cpl_gp),
        TEST(test_far_call_gate_bad_inner_stack_ts),
        TEST(test_far_ret_to_outer_level_drops_inner_segments),
        TEST(test_iret_flags_follow_privilege),
        TEST(test_iret_to_virtual_8086),
        TEST(test_iret_nested_task_in_long_mode_gp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
