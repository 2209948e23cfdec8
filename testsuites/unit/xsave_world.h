/* A processor with the whole extended state, and a way to run single instructions on it, for test_xsave*.c. */
#ifndef HVSIM_UNIT_XSAVE_WORLD_H
#define HVSIM_UNIT_XSAVE_WORLD_H

#include <stdlib.h>

#include "core_world.h"
#include "sim/arch/msr.h"
#include "sim/core/run.h"
#include "sim/core/xsave.h"

#define STATE                                                                                                          \
    ",+fpu,+mmx,+fxsr,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+avx,+avx2,+avx512f,+avx512dq,+avx512bw,+avx512vl,"      \
    "+xsave,+xsaveopt,+xsavec,+xgetbv1,+xsaves,+shstk,+pku"
#define INTEL_STATE "max-intel,-vmx,+xfd" STATE
#define AMD_STATE   "max-amd,-svm,+misalignsse,+xsaveerptr" STATE

#define CODE_AT  0x8000u
#define HANDLERS 0x9000u
#define AREA     0x40000u
#define FILL     0xCCu
#define ALL      (~0ull)
#define USER_ALL 0x2E7ull /* x87, SSE, AVX, the three of AVX-512, PKRU */

/* [rdi]; the 64-bit forms have 48H in front */
enum op { OP_XSAVE, OP_XRSTOR, OP_XSAVEOPT, OP_XSAVEC, OP_XSAVES, OP_XRSTORS, OP_XGETBV, OP_XSETBV, OP_COUNT };
static const uint8_t op_bytes[OP_COUNT][3] = {
    {0x0F, 0xAE, 0x27},
    {0x0F, 0xAE, 0x2F},
    {0x0F, 0xAE, 0x37},
    {0x0F, 0xC7, 0x27},
    {0x0F, 0xC7, 0x2F},
    {0x0F, 0xC7, 0x1F},
    {0x0F, 0x01, 0xD0},
    {0x0F, 0x01, 0xD1},
};

static inline struct machine *xsave_machine(const char *spec) {
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 1, .rtc_start = TEST_DATE};
    c.model = model_parse(spec, err, sizeof err);
    assert_non_null(c.model);
    struct machine *m = machine_create(&c, err, sizeof err);
    assert_non_null(m);
    return m;
}
static inline int setup_intel(void **state) {
    *state = xsave_machine(INTEL_STATE);
    return 0;
}
static inline int setup_amd(void **state) {
    *state = xsave_machine(AMD_STATE);
    return 0;
}
#define TEST_INTEL(name) cmocka_unit_test_setup_teardown(name, setup_intel, fixture_teardown)
#define TEST_AMD(name)   cmocka_unit_test_setup_teardown(name, setup_amd, fixture_teardown)

/* 64-bit mode at CPL 0 or 32-bit protected mode at `cpl`, everything enabled */
static inline void enter_long(struct cpu *cpu) {
    world_long(cpu);
    for (unsigned v = 0; v < 32; v++) {
        put_gate(cpu, IDT + v * 16, SEL_CODE0, HANDLERS + v, AR_P | DESC_INT, 0);
        poke(cpu, IDT + v * 16 + 8, 8, 0);
    }
    cpu->ctl.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->intr.activity = ACT_ACTIVE;
    cpu_update_mode(cpu);
}
static inline void enter_protected(struct cpu *cpu, unsigned cpl) {
    world_protected(cpu, cpl);
    for (unsigned v = 0; v < 32; v++) put_gate(cpu, IDT + v * 8, SEL_CODE0, HANDLERS + v, AR_P | DESC_INT, 0);
    cpu->ctl.efer = cpu->ctl.cr3 = 0;
    cpu->ctl.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->intr.activity = ACT_ACTIVE;
    cr0_set(cpu, CR0_PE);
}

/* Runs one instruction; returns the vector of the exception that it raised, or -1. */
static inline int run_bytes(struct cpu *cpu, const void *code, unsigned size) {
    assert_true(machine_write(cpu->machine, CODE_AT, code, size));
    const uint64_t rsp = cpu->gpr[RSP];
    cpu->rip = CODE_AT;
    cpu_run(cpu, 1);
    if (cpu->rip == CODE_AT + size) return -1;
    assert_in_range(cpu->rip, HANDLERS, HANDLERS + 31);
    cpu->gpr[RSP] = rsp;
    return (int)(cpu->rip - HANDLERS);
}
static inline void set_mask(struct cpu *cpu, uint64_t mask) {
    cpu->gpr[RAX] = (uint32_t)mask;
    cpu->gpr[RDX] = mask >> 32;
}
static inline int run_op_at(struct cpu *cpu, enum op op, bool w64, uint64_t mask, uint64_t at) {
    uint8_t code[4] = {0x48};
    memcpy(code + w64, op_bytes[op], 3);
    set_mask(cpu, mask);
    cpu->gpr[RDI] = at;
    return run_bytes(cpu, code, 3 + w64);
}
static inline int run_op(struct cpu *cpu, enum op op, uint64_t mask) { return run_op_at(cpu, op, false, mask, AREA); }
static inline int run_xsetbv(struct cpu *cpu, uint32_t n, uint64_t val) {
    cpu->gpr[RCX] = n;
    return run_op_at(cpu, OP_XSETBV, false, val, 0);
}
static inline uint64_t edx_eax_of(const struct cpu *cpu) { return (uint32_t)cpu->gpr[RAX] | cpu->gpr[RDX] << 32; }

static inline void fill_area(struct cpu *cpu, uint8_t with) { memset(cpu->machine->ram + AREA, with, 8192); }
static inline uint8_t *area_of(struct cpu *cpu) { return cpu->machine->ram + AREA; }
static inline void put_header(struct cpu *cpu, uint64_t bv, uint64_t comp) {
    memset(area_of(cpu) + 512, 0, 64);
    memcpy(area_of(cpu) + 512, &bv, 8);
    memcpy(area_of(cpu) + 520, &comp, 8);
}

/* Every byte of every register different from its initial value and from its neighbours */
static inline void fill_state(struct cpu *cpu) {
    cpu->fpu = (struct fpu_regs){.fcw = 0x027F, .fsw = 0x3800, .ftw = 0xFF, .fop = 0x123, .fip = 0x11223344};
    cpu->fpu.fdp = 0x55667788;
    for (unsigned n = 0; n < 8; n++) cpu->fpu.st[n] = (struct f80){0x8000000000000000ull + n, (uint16_t)(0x3FFF + n)};
    for (unsigned n = 0; n < 32; n++)
        for (unsigned k = 0; k < 64; k++) cpu->vec.zmm[n].u8[k] = (uint8_t)(1 + n * 7 + k);
    for (unsigned n = 0; n < 8; n++) cpu->vec.k[n] = 0x0101010101010101ull * (n + 1);
    mxcsr_set(cpu, 0x1FA0);
    cpu->ctl.pkru = 0x55555554;
    cpu->cet.u_cet = 1;
    for (unsigned n = 0; n < 4; n++) cpu->cet.pl_ssp[n] = 0x1000 * (n + 1);
}

/* ---- what is written ---- */

/* Was every byte of [from, to) written? `fill` must not occur in what is saved. */
static inline void assert_written(struct cpu *cpu, unsigned from, unsigned to, bool written) {
    for (unsigned k = from; k < to; k++)
        if ((area_of(cpu)[k] != FILL) != written) fail_msg("byte %u is %s", k, written ? "as before" : "written");
}
/* `ends`: where unwritten and written bytes end, in turn; closed by a 0 that is not the first. */
static inline void assert_pieces(struct cpu *cpu, const uint16_t *ends) {
    unsigned at = 0;
    for (unsigned k = 0; k == 0 || ends[k]; k++) {
        assert_written(cpu, at, ends[k], k & 1);
        at = ends[k];
    }
    assert_written(cpu, at, 4096, false);
}

static inline void state_without_fill(struct cpu *cpu) {
    fill_state(cpu);
    for (unsigned n = 0; n < 32; n++)
        for (unsigned k = 0; k < 64; k++)
            if (cpu->vec.zmm[n].u8[k] == FILL) cpu->vec.zmm[n].u8[k] = 1;
}

#endif
