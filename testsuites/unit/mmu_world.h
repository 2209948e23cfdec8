/* A small physical memory with page tables for the tests of mmu/. */
#ifndef HVSIM_UNIT_MMU_WORLD_H
#define HVSIM_UNIT_MMU_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mmu/mmu.h"
#include "sim/arch/x86.h"

#define WORLD_SIZE (1u << 20)
#define P          1ull
#define RW         2ull
#define US         4ull
#define PWT        8ull
#define PCD        0x10ull
#define A          0x20ull
#define D          0x40ull
#define PS         0x80ull
#define G          0x100ull
#define NX         (1ull << 63)
#define PRWU       (P | RW | US)

struct world {
    uint8_t *ram;
    uint64_t next; /* free page */
    struct mmu_phys phys;
    struct mmu_state s;
    unsigned writes; /* successful compare-exchanges */
    unsigned lose;   /* compare-exchanges that are to fail */
};

static inline bool world_read(void *arg, uint64_t pa, unsigned size, uint64_t *val) {
    struct world *w = arg;
    if (pa + size > WORLD_SIZE) return false;
    *val = 0;
    memcpy(val, w->ram + pa, size);
    return true;
}
static inline bool world_cas(void *arg, uint64_t pa, unsigned size, uint64_t old, uint64_t val) {
    struct world *w = arg;
    if (w->lose) {
        w->lose--;
        return false;
    }
    if (pa + size > WORLD_SIZE) return true;
    if (memcmp(w->ram + pa, &old, size) != 0) return false;
    memcpy(w->ram + pa, &val, size);
    w->writes++;
    return true;
}

static inline uint64_t world_page(struct world *w) {
    uint64_t pa = w->next;
    w->next += 4096;
    assert_true(w->next <= WORLD_SIZE);
    return pa;
}

static inline int world_setup(void **state) {
    struct world *w = calloc(1, sizeof *w);
    w->ram = calloc(1, WORLD_SIZE);
    w->next = 0x10000;
    w->phys = (struct mmu_phys){.arg = w, .read = world_read, .cas = world_cas};
    w->s = (struct mmu_state){.cr0 = CR0_PE | CR0_PG | CR0_WP,
                              .cr4 = CR4_PAE,
                              .efer = EFER_LMA | EFER_LME | EFER_NXE,
                              .phys_bits = 40,
                              .gib_pages = true,
                              .pse36 = true,
                              .host_cr0 = CR0_PE | CR0_PG,
                              .host_cr4 = CR4_PAE,
                              .host_efer = EFER_LMA | EFER_LME | EFER_NXE,
                              .pat = 0x0007040600070406ull,
                              .host_pat = 0x0007040600070406ull};
    w->s.cr3 = world_page(w);
    *state = w;
    return 0;
}
static inline int world_teardown(void **state) {
    struct world *w = *state;
    free(w->ram);
    free(w);
    return 0;
}

static inline uint64_t get(struct world *w, uint64_t pa, unsigned size) {
    uint64_t v = 0;
    memcpy(&v, w->ram + pa, size);
    return v;
}
static inline void put(struct world *w, uint64_t pa, unsigned size, uint64_t v) { memcpy(w->ram + pa, &v, size); }

/* Write `entry` for `va` at `depth` tables below the root (0 = in the root); tables in between are made with
 * `table_flags`. Returns where. */
static inline uint64_t map(struct world *w, uint64_t root, const unsigned *shifts, unsigned bits, unsigned size,
                           uint64_t va, unsigned depth, uint64_t table_flags, uint64_t entry) {
    uint64_t table = root & 0x000FFFFFFFFFF000ull;
    for (unsigned level = 0;; level++) {
        uint64_t at = table + (va >> shifts[level] & ((1u << bits) - 1)) * size;
        if (level == depth) {
            put(w, at, size, entry);
            return at;
        }
        uint64_t e = get(w, at, size);
        if (!(e & 0x407)) put(w, at, size, e = world_page(w) | table_flags);
        table = e & 0x000FFFFFFFFFF000ull;
    }
}
static const unsigned shifts_5[] = {48, 39, 30, 21, 12}, shifts_32[] = {22, 12};

static inline uint64_t map_4(struct world *w, uint64_t va, unsigned depth, uint64_t entry) {
    return map(w, w->s.cr3, shifts_5 + 1, 9, 8, va, depth, PRWU, entry);
}
static inline uint64_t map_32(struct world *w, uint64_t va, unsigned depth, uint64_t entry) {
    return map(w, w->s.cr3, shifts_32, 10, 4, va, depth, PRWU, entry);
}

static inline struct mmu_result walk_of(struct world *w, uint64_t la, unsigned access) {
    struct mmu_result r;
    mmu_translate(&w->s, &w->phys, la, access, &r);
    return r;
}
static inline void assert_maps(struct world *w, uint64_t la, uint64_t pa, unsigned shift) {
    struct mmu_result r = walk_of(w, la, MMU_READ);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, pa);
    assert_int_equal(r.linear_shift, shift);
}
static inline void assert_faults(struct world *w, uint64_t la, unsigned access, uint32_t error) {
    struct mmu_result r = walk_of(w, la, access);
    assert_int_equal(r.status, MMU_PAGE_FAULT);
    assert_int_equal(r.error, error);
    assert_int_equal(r.la, la);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
