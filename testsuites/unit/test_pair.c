/* Fused pairs of moves: what they do is what their instructions do one by one, faults in between included. Each program
 * runs twice, in whole blocks and an instruction at a time. */
#include "core_world.h"
#include "sim/core/run.h"
#include "sim/ops/op.h"

#define ENTRY   0x8000u
#define HANDLER 0x9000u /* of #PF: HLT */
#define WINDOW  0x200000u
#define TABLE   0x4000u /* of the window: pages 0, 2 and 3 are there, 1 is not */

static void prepare(struct cpu *cpu, const uint8_t *code, unsigned size) {
    world_long(cpu);
    poke(cpu, 0x3008, 8, TABLE | 7);
    for (unsigned k = 0; k < 4; k++) poke(cpu, TABLE + 8 * k, 8, k == 1 ? 0 : WINDOW + k * 0x1000 + 7);
    for (unsigned k = 0; k < 0x4000; k += 8) poke(cpu, WINDOW + k, 8, WINDOW + 0x2000 + k * 3);
    poke(cpu, IDT + VEC_PF * 16, 8, HANDLER | SEL_CODE0 << 16 | 1ull << 32 | 0x8Eull << 40); /* IST 1 */
    poke(cpu, IDT + VEC_PF * 16 + 8, 8, 0);
    poke(cpu, TSS + 0x24, 8, STACK + 0x2000);
    phys_write_bytes(cpu, ENTRY, code, size);
    poke(cpu, ENTRY + size, 1, 0xF4);
    poke(cpu, HANDLER, 1, 0xF4);
    for (unsigned r = 0; r < 16; r++) cpu->gpr[r] = 0x1111111111111111ull * r;
    cpu->rip = ENTRY;
    cpu->ctl.cr2 = 0;
    cpu->intr.activity = ACT_ACTIVE;
    tlb_flush_all(cpu);
    for (unsigned k = 0; k < 4; k++) /* pairs are done where a translation is cached */
        if (k != 1) mem_write64(cpu, NULL, WINDOW + k * 0x1000, mem_read64(cpu, NULL, WINDOW + k * 0x1000));
}

/* `rbx` and `rsp` as given; returns the fault address, 0 none. */
static uint64_t same_both_ways(void **state, const uint8_t *code, unsigned size, uint64_t rbx, uint64_t rsp) {
    struct machine *other = fixture_machine(1);
    struct cpu *whole = cpu_of(state), *single = other->cpu[0];
    prepare(whole, code, size);
    prepare(single, code, size);
    whole->gpr[RBX] = single->gpr[RBX] = rbx;
    whole->gpr[RSP] = single->gpr[RSP] = rsp;
    uint64_t before = cpu_icount(whole), single_before = cpu_icount(single);
    assert_int_equal(cpu_run(whole, 1000), RUN_IDLE);
    for (unsigned n = 0; n < 100 && cpu_run(single, 1) != RUN_IDLE; n++) continue;
    assert_int_equal(single->intr.activity, ACT_HLT);
    assert_memory_equal(whole->gpr, single->gpr, 16 * sizeof whole->gpr[0]);
    assert_int_equal(whole->rip, single->rip);
    assert_int_equal(cpu_icount(whole) - before, cpu_icount(single) - single_before);
    assert_int_equal(whole->ctl.cr2, single->ctl.cr2);
    assert_memory_equal(whole->machine->ram + WINDOW, other->ram + WINDOW, 0x4000);
    assert_memory_equal(whole->machine->ram + STACK, other->ram + STACK, 0x2000);
    machine_destroy(other);
    return whole->ctl.cr2;
}
#define SAME(rbx, rsp, ...)                                                                                            \
    same_both_ways(state, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), rbx, rsp)

#define LOADS  0x48, 0x8B, 0x43, 0x10, 0x48, 0x8B, 0x4B, 0x18 /* mov rax, [rbx + 10h]; mov rcx, [rbx + 18h] */
#define STORES 0x48, 0x89, 0x43, 0x10, 0x48, 0x89, 0x4B, 0x18 /* mov [rbx + 10h], rax; mov [rbx + 18h], rcx */
#define PUSHES 0x50, 0x51                                     /* push rax; push rcx */
#define POPS   0x58, 0x59                                     /* pop rax; pop rcx */

static void test_pair_in_one_page_agrees(void **state) {
    assert_int_equal(SAME(WINDOW, STACK, LOADS), 0);
    assert_int_equal(cpu_of(state)->gpr[RAX], WINDOW + 0x2030);
    assert_int_equal(cpu_of(state)->gpr[RCX], WINDOW + 0x2048);
    assert_int_equal(SAME(WINDOW, STACK, STORES, LOADS), 0);
    assert_int_equal(SAME(WINDOW, WINDOW + 0x800, PUSHES, POPS), 0);
}

static void test_pair_second_in_absent_page_leaves_the_first_done(void **state) {
    assert_int_equal(SAME(WINDOW + 0xFE8, STACK, LOADS), WINDOW + 0x1000);
    assert_int_equal(cpu_of(state)->gpr[RAX], WINDOW + 0x2000 + 0xFF8 * 3);
    assert_int_equal(SAME(WINDOW + 0xFE8, STACK, STORES), WINDOW + 0x1000);
    assert_int_equal(SAME(WINDOW, WINDOW + 0x2008, PUSHES), WINDOW + 0x1FF8);
    assert_int_equal(cpu_of(state)->gpr[RSP], STACK + 0x2000 - 48);
    assert_int_equal(SAME(WINDOW, WINDOW + 0xFF8, POPS), WINDOW + 0x1000);
}

static void test_pair_first_in_absent_page_changes_nothing(void **state) {
    assert_int_equal(SAME(WINDOW + 0x1FE8, STACK, LOADS), WINDOW + 0x1FF8);
    assert_int_equal(SAME(WINDOW + 0x1FE8, STACK, STORES), WINDOW + 0x1FF8);
    assert_int_equal(SAME(WINDOW, WINDOW + 0x1008, PUSHES), WINDOW + 0x1000);
    assert_int_equal(SAME(WINDOW, WINDOW + 0x1FF8, POPS), WINDOW + 0x1FF8);
}

static void test_pair_across_two_pages_agrees(void **state) {
    assert_int_equal(SAME(WINDOW + 0x2FE8, STACK, STORES, LOADS), 0);
    assert_int_equal(SAME(WINDOW + 0x2FE4, STACK, STORES, LOADS), 0);
    assert_int_equal(SAME(WINDOW, WINDOW + 0x3008, PUSHES, POPS), 0);
    assert_int_equal(SAME(WINDOW, WINDOW + 0x300C, PUSHES, POPS), 0);
}

static void test_pair_that_feeds_itself_agrees(void **state) {
    /* mov rbx, [rbx]; mov rcx, [rbx + 8]: the second address is the first result */
    assert_int_equal(SAME(WINDOW, STACK, 0x48, 0x8B, 0x1B, 0x48, 0x8B, 0x4B, 8), 0);
    assert_int_equal(cpu_of(state)->gpr[RCX], WINDOW + 0x2000 + 0x2008 * 3);
    /* mov rcx, [rbx]; mov rbx, [rbx + 8] */
    assert_int_equal(SAME(WINDOW, STACK, 0x48, 0x8B, 0x0B, 0x48, 0x8B, 0x5B, 8), 0);
    /* push rsp; push rsp; pop rax; pop rcx; push rax; pop rsp; pop rcx */
    assert_int_equal(SAME(WINDOW, WINDOW + 0x800, 0x54, 0x54, 0x58, 0x59, 0x50, 0x5C, 0x59), 0);
    /* mov [rbx], eax; mov [rbx + 2], ecx; mov eax, [rbx]; mov ecx, [rbx + 2] */
    assert_int_equal(SAME(WINDOW, STACK, 0x89, 0x03, 0x89, 0x4B, 2, 0x8B, 0x03, 0x8B, 0x4B, 2), 0);
}

/* A store of the first into the second: it is the new bytes that run. */
static void test_pair_that_overwrites_its_second_agrees(void **state) {
    /* mov rax, [rbx + 0] with rbx = the second instruction of the pair below */
    assert_int_equal(SAME(ENTRY + 2, STACK, 0x89, 0x03, 0x89, 0x4B, 2, 0x90, 0x90, 0x90, 0x90), 0);
}

static void test_pair_is_made_of_neighbours_alone(void **state) {
    (void)state;
    struct insn a = {.id = INSN_MOV, .form = FORM_RM, .size = 3, .flags = INSN_MEM | INSN_FLAT};
    a.base = REG_OFF(RBX);
    a.index = REG_ZERO;
    a.reg = REG_OFF(RAX);
    struct insn b = a;
    assert_non_null(op_fuse(&a, &b));
    b.base = REG_OFF(RDI);
    assert_null(op_fuse(&a, &b));
    b = a;
    b.size = 2;
    assert_null(op_fuse(&a, &b));
    b = a;
    b.flags = INSN_MEM;
    assert_null(op_fuse(&a, &b));
    b = a;
    a.reg = a.base;
    assert_null(op_fuse(&a, &b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pair_in_one_page_agrees),
        TEST(test_pair_second_in_absent_page_leaves_the_first_done),
        TEST(test_pair_first_in_absent_page_changes_nothing),
        TEST(test_pair_across_two_pages_agrees),
        TEST(test_pair_that_feeds_itself_agrees),
        TEST(test_pair_that_overwrites_its_second_agrees),
        TEST(test_pair_is_made_of_neighbours_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
