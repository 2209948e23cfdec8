/* A processor with memory and page tables, without devices, for the tests of sim/core/{mem,translate,tlb}.c. */
#ifndef HVSIM_UNIT_CPU_WORLD_H
#define HVSIM_UNIT_CPU_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/core/block.h"
#include "sim/core/fault.h"
#include "sim/core/mem.h"
#include "sim/core/system.h"
#include "sim/dev/chipset.h"
#include "sim/machine/internal.h"
#include "sim/machine/machine.h"

#define RAM_SIZE (16u << 20)
#define PML4     0x1000u
#define P        1ull
#define RW       2ull
#define US       4ull
#define PRWU     7ull
#define PS       0x80ull
#define PTE_A    0x20ull
#define PTE_D    0x40ull
#define PTE_NX   (1ull << 63)

static const struct cpu_model world_model = {
    .name = "test", .vendor = VENDOR_INTEL, .phys_bits = 40, .lin_bits = 48, .features = {~0ull, ~0ull}
};

/* 64-bit mode, CPL 0, PML4 at 1000H with nothing mapped. */
static inline int cpu_world_setup(void **state) {
    struct machine *m = calloc(1, sizeof *m);
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);
    memset(cpu, 0, sizeof *cpu);
    m->chipset = &chipset_pc;
    assert_true(memory_create(m, RAM_SIZE));
    m->blocks = block_cache_create(m);
    m->cpu[0] = m->running = cpu;
    m->cpu_count = 1;
    cpu->machine = m;
    cpu->model = &world_model;
    cpu->virt.special_page = ~0ull;
    cpu->rflags = FLAG_FIXED;
    cpu->ctl.cr0 = CR0_PE | CR0_PG | CR0_WP;
    cpu->ctl.cr3 = PML4;
    cpu->ctl.cr4 = CR4_PAE;
    cpu->ctl.efer = EFER_LME | EFER_LMA | EFER_NXE;
    cpu->dbg.dr7 = DR7_FIXED;
    cpu->seg[SEG_CS].ar = AR_P | AR_S | AR_CODE | AR_L;
    tlb_flush_all(cpu);
    cpu_update_mode(cpu);
    *state = cpu;
    return 0;
}
static inline int cpu_world_teardown(void **state) {
    struct cpu *cpu = *state;
    block_cache_destroy(cpu->machine->blocks);
    memory_destroy(cpu->machine);
    free(cpu->machine);
    free(cpu);
    return 0;
}

static inline uint64_t get(struct cpu *cpu, uint64_t pa) {
    uint64_t v;
    memcpy(&v, cpu->machine->ram + pa, 8);
    return v;
}
static inline void put(struct cpu *cpu, uint64_t pa, uint64_t v) { machine_write(cpu->machine, pa, &v, 8); }

/* Entry for `la` `depth` tables below the PML4 of `root`. Tables are taken from [root + 1000H, ...): the PML4 keeps the
 * next free page in its last entry, which maps nothing. Returns where the entry is. */
static inline uint64_t map_at(struct cpu *cpu, uint64_t root, uint64_t la, unsigned depth, uint64_t entry) {
    uint64_t table = root;
    for (unsigned level = 0;; level++) {
        uint64_t at = table + (la >> (39 - 9 * level) & 511) * 8;
        if (level == depth) {
            put(cpu, at, entry);
            return at;
        }
        if (!(get(cpu, at) & P)) {
            uint64_t next = get(cpu, root + 0xFF8) + 0x1000;
            if (next == 0x1000) next = root + 0x2000;
            put(cpu, root + 0xFF8, next & ~P);
            put(cpu, at, (next - 0x1000) | PRWU);
        }
        table = get(cpu, at) & 0x000FFFFFFFFFF000ull;
    }
}
static inline uint64_t map(struct cpu *cpu, uint64_t la, uint64_t entry) { return map_at(cpu, PML4, la, 3, entry); }

/* Runs an expression that raises an exception; the event is in cpu->raised. */
#define ASSERT_RAISES(cpu_, vec, expr)                                                                                 \
    do {                                                                                                               \
        (cpu_)->raised.valid = false;                                                                                  \
        if (setjmp((cpu_)->landing) == 0) {                                                                            \
            (void)(expr);                                                                                              \
            fail_msg("no exception");                                                                                  \
        }                                                                                                              \
        assert_true((cpu_)->raised.valid);                                                                             \
        assert_int_equal((cpu_)->raised.vector, (vec));                                                                \
    } while (0)

#define CPU_TEST(f) cmocka_unit_test_setup_teardown(f, cpu_world_setup, cpu_world_teardown)

#endif
