/* Code addresses in 64-bit mode: CS has no base whatever its hidden part says, and displacements reach 2 GiB from the
 * end of an instruction, wherever it is in its page. SDM 3 "Code-Segment Descriptor in 64-bit Mode"; SDM 1
 * "RIP-Relative Addressing". */
#include "sim/core/flags.h"
#include "xsave_world.h"

#define LATE 0x8FE0u /* near the end of a page */

static int setup(void **state) {
    *state = xsave_machine("max-intel,-vmx");
    enter_long(cpu_of(state));
    return 0;
}

/* Runs `n` instructions at `at`. */
static void run_at(struct cpu *cpu, uint64_t at, const void *code, unsigned size, unsigned n) {
    assert_true(machine_write(cpu->machine, at, code, size));
    cpu->rip = at;
    cpu->gpr[RSP] = 0x20000;
    for (unsigned k = 0; k < n; k++) cpu_run(cpu, 1);
}
#define RUN_AT(at, n, ...) run_at(cpu, at, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), n)

static void test_code64_displacements_reach_two_gib(void **state) {
    struct cpu *cpu = cpu_of(state);
    RUN_AT(LATE, 1, 0x48, 0x8D, 0x05, 0xFF, 0xFF, 0xFF, 0x7F); /* lea rax, [rip + 7FFFFFFFH] */
    assert_int_equal(cpu->gpr[RAX], LATE + 7 + 0x7FFFFFFFull);
    RUN_AT(LATE, 1, 0x48, 0x8D, 0x05, 0x00, 0x00, 0x00, 0x80); /* lea rax, [rip - 80000000H] */
    assert_int_equal(cpu->gpr[RAX], LATE + 7 - 0x80000000ull);
    RUN_AT(LATE, 1, 0x48, 0x8B, 0x05, 0xFF, 0xFF, 0xFF, 0x7F); /* mov rax, [rip + 7FFFFFFFH] */
    assert_int_equal(cpu->rip, HANDLERS + VEC_PF);
    assert_int_equal(cpu->ctl.cr2, LATE + 7 + 0x7FFFFFFFull);
    RUN_AT(LATE, 1, 0x66, 0x0F, 0x6F, 0x05, 0xF9, 0xFF, 0xFF, 0x7F); /* movdqa xmm0, [rip + 7FFFFFF9H] */
    assert_int_equal(cpu->rip, HANDLERS + VEC_GP);                   /* not aligned: 80008FE1H */
    RUN_AT(LATE, 1, 0x66, 0x0F, 0x6F, 0x05, 0xF8, 0xFF, 0xFF, 0x7F);
    assert_int_equal(cpu->ctl.cr2, LATE + 8 + 0x7FFFFFF8ull);
    RUN_AT(LATE, 1, 0x67, 0x48, 0x8D, 0x05, 0xFF, 0xFF, 0xFF, 0x7F); /* lea rax, [eip + 7FFFFFFFH] */
    assert_int_equal(cpu->gpr[RAX], LATE + 8 + 0x7FFFFFFFull);
}

static void test_code64_branches_reach_two_gib(void **state) {
    static const struct {
        uint8_t code[8], size;
    } rows[] = {
        {{0xE9, 0xFF, 0xFF, 0xFF, 0x7F},       5}, /* jmp */
        {{0xE8, 0xFF, 0xFF, 0xFF, 0x7F},       5}, /* call */
        {{0x0F, 0x85, 0xFF, 0xFF, 0xFF, 0x7F}, 6}, /* jnz, taken */
        {{0x0F, 0x84, 0xFF, 0xFF, 0xFF, 0x7F}, 6}, /* jz, not taken */
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++)
        for (unsigned twice = 0; twice < 2; twice++) { /* decoded, then found */
            const uint64_t next = LATE + rows[k].size;
            cpu->ctl.cr2 = 0;
            flags_load(cpu, FLAG_FIXED);
            run_at(cpu, LATE, rows[k].code, rows[k].size, 1);
            if (k == 1) assert_int_equal(peek(cpu, 0x20000 - 8, 8), next);
            assert_int_equal(cpu->rip, k == 3 ? next : next + 0x7FFFFFFF);
            if (k == 3) continue;
            cpu_run(cpu, 1);
            assert_int_equal(cpu->ctl.cr2, next + 0x7FFFFFFF);
        }
}

/* Straight on, indirect jumps, calls and returns, across pages, and in a chain of blocks */
static void test_code64_hidden_base_of_cs_is_ignored(void **state) {
    static const uint8_t code[] = {
        0x48, 0xC7, 0xC1, 0x03, 0x00, 0x00, 0x00, /* mov rcx, 3 */
        0x48, 0xC7, 0xC3, 0x00, 0xA0, 0x00, 0x00, /* mov rbx, 0A000H */
        0xFF, 0xD3,                               /* again: call rbx */
        0xFF, 0xC9,                               /* dec ecx */
        0x75, 0xFA,                               /* jnz again */
        0xE9, 0xE7, 0x2F, 0x00, 0x00,             /* jmp 0B000H */
    };
    static const uint8_t callee[] = {0x48, 0xFF, 0xC0, 0xC3}, last[] = {0xF4};
    static const uint64_t bases[] = {0, 0x1000, 0x123, 0xFFFFF000};
    for (unsigned k = 0; k < sizeof bases / sizeof bases[0]; k++)
        for (unsigned step = 0; step < 2; step++) {
            struct cpu *cpu = cpu_of(state);
            cpu->seg[SEG_CS].base = bases[k];
            tlb_flush_all(cpu);
            cpu_update_mode(cpu);
            assert_true(machine_write(cpu->machine, 0x8000, code, sizeof code));
            assert_true(machine_write(cpu->machine, 0xA000, callee, sizeof callee));
            assert_true(machine_write(cpu->machine, 0xB000, last, sizeof last));
            cpu->rip = 0x8000;
            cpu->gpr[RSP] = 0x20000;
            cpu->gpr[RAX] = 0;
            cpu->intr.activity = ACT_ACTIVE;
            for (unsigned n = 0; n < 100 && cpu->intr.activity == ACT_ACTIVE; n++) cpu_run(cpu, step ? 1 : 1000);
            assert_int_equal(cpu->gpr[RAX], 3);
            assert_int_equal(cpu->rip, 0xB001);
        }
}

#define TEST64(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST64(test_code64_displacements_reach_two_gib),
        TEST64(test_code64_branches_reach_two_gib),
        TEST64(test_code64_hidden_base_of_cs_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
