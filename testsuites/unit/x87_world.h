/* Runs x87 code on a model that has it. */
#ifndef HVSIM_UNIT_X87_WORLD_H
#define HVSIM_UNIT_X87_WORLD_H

#include "core_world.h"
#include "sim/core/run.h"

#define CODE_AT  0x8000u
#define DATA_AT  0x30000u
#define HANDLERS 0x9000u
#define X87      ",+fpu,+mmx,+fxsr,+sse,+sse2,+sse3"

static inline int x87_setup(void **state, const char *model) {
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 1, .rtc_start = TEST_DATE};
    c.model = model_parse(model, err, sizeof err);
    assert_non_null(c.model);
    *state = machine_create(&c, err, sizeof err);
    assert_non_null(*state);
    return 0;
}
static inline int setup_amd(void **state) { return x87_setup(state, "max-amd,-svm,+ffxsr,+xsaveerptr" X87); }
static inline int setup_k8(void **state) { return x87_setup(state, "max-amd,-svm,+ffxsr,-xsaveerptr" X87); }
static inline int setup_intel(void **state) {
    return x87_setup(state, "max-intel,-vmx,+fdp-excptn-only,+zero-fcs-fds" X87);
}
#define TEST_ON(name, setup) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

/* Protected mode with a handler for each exception at HANDLERS + vector, that is never run. */
static inline void world_x87(struct cpu *cpu, uint64_t cr0) {
    world_protected(cpu, 0);
    for (unsigned v = 0; v < 32; v++) put_gate(cpu, IDT + v * 8, SEL_CODE0, HANDLERS + v, AR_P | DESC_TRAP, 0);
    cr0_set(cpu, CR0_PE | cr0);
    cpu->ctl.cr4 = CR4_OSFXSR;
    cpu_update_mode(cpu);
}

/* Runs up to `n` instructions of `code`. The vector of the exception that ended it, or -1. */
static inline int x87_run(struct cpu *cpu, const void *code, size_t size, unsigned n) {
    assert_true(machine_write(cpu->machine, CODE_AT, code, size));
    cpu->rip = CODE_AT;
    cpu->intr.activity = ACT_ACTIVE;
    for (unsigned k = 0; k < n && cpu->rip - HANDLERS >= 32; k++) cpu_run(cpu, 1);
    return cpu->rip - HANDLERS < 32 ? (int)(cpu->rip - HANDLERS) : -1;
}
#define RUN(cpu, n, ...) x87_run(cpu, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), n)

/* Instructions with their operand at DATA_AT + off, in 32-bit code */
#define AT(off) (uint8_t)(off), (uint8_t)((off) >> 8), DATA_AT >> 16, 0

#endif
