/* Formats of ordinary paging: sizes, addresses, reserved bits. SDM 3 "Paging". */
#include "testsuites/unit/mmu_world.h"

static void legacy(struct world *w, uint64_t cr4) {
    w->s.efer = 0;
    w->s.cr4 = cr4;
}

static void test_paging_off_is_identity(void **state) {
    struct world *w = *state;
    w->s.cr0 = CR0_PE;
    struct mmu_result r = walk_of(w, 0x12345678, MMU_WRITE);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, 0x12345678);
    assert_true(r.writable && r.readable);
}

static void test_32bit_4k_maps(void **state) {
    struct world *w = *state;
    legacy(w, 0);
    map_32(w, 0xC0123000, 1, 0xABCDE000 | PRWU);
    assert_maps(w, 0xC0123456, 0xABCDE456, 12);
    assert_faults(w, 0xC0124000, MMU_READ, 0);
}

static void test_32bit_ps_without_pse_is_ignored(void **state) {
    struct world *w = *state;
    legacy(w, 0);
    uint64_t pt = world_page(w);
    put(w, pt + 4 * 1, 4, 0x5000 | PRWU);
    map_32(w, 0x00400000, 0, pt | PRWU | PS);
    assert_maps(w, 0x00401234, 0x5234, 12);
}

static void test_32bit_4m_maps_with_pse36(void **state) {
    struct world *w = *state;
    legacy(w, CR4_PSE);
    map_32(w, 0x00800000, 0, 0x00C00000 | 0xAAull << 13 | PRWU | PS);
    assert_maps(w, 0x00812345, 0xAA00C12345ull, 22);
}

static void test_32bit_4m_reserved_bits_by_width(void **state) {
    struct world *w = *state;
    legacy(w, CR4_PSE);
    static const struct {
        unsigned phys_bits;
        bool pse36;
        uint32_t rsvd;
    } row[] = {
        {40, true,  1u << 21},
        {52, true,  1u << 21},
        {36, true,  0x3E0000},
        {32, true,  0x3FE000},
        {40, false, 0x3FE000}
    };
    for (unsigned k = 0; k < sizeof row / sizeof row[0]; k++) {
        w->s.phys_bits = (uint8_t)row[k].phys_bits;
        w->s.pse36 = row[k].pse36;
        for (unsigned bit = 12; bit < 22; bit++) {
            map_32(w, 0x00800000, 0, 0x00C00000 | 1ull << bit | PRWU | PS);
            if (row[k].rsvd >> bit & 1)
                assert_faults(w, 0x00800000, MMU_READ, PF_P | PF_RSVD);
            else
                assert_int_equal(walk_of(w, 0x00800000, MMU_READ).status, MMU_OK);
        }
    }
}

static void test_pae_uses_the_pdpte_registers(void **state) {
    struct world *w = *state;
    legacy(w, CR4_PAE);
    w->s.efer = EFER_NXE;
    uint64_t pd = world_page(w), pt = world_page(w);
    w->s.pdpte[3] = pd | P;
    put(w, pd, 8, pt | PRWU);
    put(w, pt + 8 * 5, 8, 0xF000012000ull | PRWU | NX);
    put(w, pd + 8, 8, 0xF000200000ull | PRWU | PS);
    assert_maps(w, 0xC0005678, 0xF000012678ull, 12);
    assert_maps(w, 0xC0212345, 0xF000212345ull, 21);
    assert_faults(w, 0x40000000, MMU_READ, 0); /* PDPTE 1 is not present */
    assert_faults(w, 0xC0005000, MMU_EXEC, PF_P | PF_I);
    assert_int_equal(get(w, w->s.cr3, 8), 0); /* memory behind CR3 was not asked */
}

static void test_pae_reserved_bits(void **state) {
    struct world *w = *state;
    legacy(w, CR4_PAE);
    w->s.efer = EFER_NXE;
    uint64_t pd = world_page(w), pt = world_page(w);
    w->s.pdpte[0] = pd | P;
    for (unsigned bit = 12; bit < 64; bit++) {
        bool rsvd = bit >= 40 && bit <= 62;
        put(w, pd, 8, pt | PRWU);
        put(w, pt, 8, 1ull << bit | PRWU);
        assert_int_equal(walk_of(w, 0, MMU_READ).error, rsvd ? PF_P | PF_RSVD : 0);
        if (bit < 20 || bit >= 40) {
            put(w, pt, 8, PRWU);
            put(w, pd, 8, pt | 1ull << bit | PRWU);
            assert_int_equal(walk_of(w, 0, MMU_READ).error & PF_RSVD, rsvd ? PF_RSVD : 0);
        }
        put(w, pd, 8, 1ull << bit | PRWU | PS);
        assert_int_equal(walk_of(w, 0, MMU_READ).error, rsvd || (bit >= 13 && bit <= 20) ? PF_P | PF_RSVD : 0);
    }
}

static void test_pdptes_reserved_bits_are_invalid(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    uint64_t out[4] = {1, 2, 3, 4}, at = world_page(w) + 0x20;
    for (unsigned bit = 1; bit < 64; bit++) {
        bool rsvd = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 40;
        uint64_t pdpte[4] = {0, P, 1ull << bit, P | 1ull << bit};
        assert_int_equal(mmu_pdptes_valid(pdpte, 40), !rsvd);
        for (unsigned k = 0; k < 4; k++) put(w, at + 8 * k, 8, pdpte[k]);
        assert_int_equal(mmu_load_pdptes(&w->s, &w->phys, at | 0x18, out, &r), !rsvd);
        assert_int_equal(r.status, MMU_OK);
        if (!rsvd) assert_memory_equal(out, pdpte, sizeof out);
    }
}

static void test_4level_maps_every_size(void **state) {
    struct world *w = *state;
    uint64_t top = 0xFFFF800000000000ull;
    map_4(w, top, 3, 0x12345000 | PRWU);
    map_4(w, top + 0x200000, 2, 0x40600000 | PRWU | PS);
    map_4(w, top + 0x40000000, 1, 0x3C0000000ull | PRWU | PS);
    assert_maps(w, top + 0xABC, 0x12345ABC, 12);
    assert_maps(w, top + 0x3FFFFF, 0x407FFFFF, 21);
    assert_maps(w, top + 0x7ABCDEF1, 0x3FABCDEF1ull, 30);
}

static void test_5level_maps_every_size(void **state) {
    struct world *w = *state;
    w->s.cr4 |= CR4_LA57;
    uint64_t la = 0xFF12345678000000ull & ~0x3FFFFFFFull;
    map(w, w->s.cr3, shifts_5, 9, 8, la, 4, PRWU, 0x777000 | PRWU);
    map(w, w->s.cr3, shifts_5, 9, 8, la + 0x200000, 3, PRWU, 0x40600000 | PRWU | PS);
    map(w, w->s.cr3, shifts_5, 9, 8, la + 0x40000000, 2, PRWU, 0x80000000 | PRWU | PS);
    assert_maps(w, la + 0x123, 0x777123, 12);
    assert_maps(w, la + 0x200123, 0x40600123, 21);
    assert_maps(w, la + 0x40001234, 0x80001234, 30);
}

static void test_not_canonical_is_told_apart(void **state) {
    struct world *w = *state;
    assert_int_equal(walk_of(w, 1ull << 47, MMU_READ).status, MMU_NOT_CANONICAL);
    assert_int_equal(walk_of(w, 0xFFFF7FFFFFFFFFFFull, MMU_READ).status, MMU_NOT_CANONICAL);
    w->s.cr4 |= CR4_LA57;
    assert_int_equal(walk_of(w, 1ull << 47, MMU_READ).status, MMU_PAGE_FAULT);
    assert_int_equal(walk_of(w, 1ull << 56, MMU_READ).status, MMU_NOT_CANONICAL);
}

static void test_long_reserved_bits_every_level(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, PRWU);
    uint64_t at[4] = {w->s.cr3};
    for (unsigned l = 1; l < 4; l++) at[l] = get(w, at[l - 1], 8) & ~0xFFFull;
    for (unsigned l = 0; l < 4; l++) {
        uint64_t good = get(w, at[l], 8);
        for (unsigned bit = 40; bit < 64; bit++) {
            put(w, at[l], 8, good | 1ull << bit);
            uint32_t want = bit < 52 ? PF_P | PF_RSVD : 0;
            assert_int_equal(walk_of(w, 0, MMU_READ).error, want);
            if (bit < 52) assert_faults(w, 0, MMU_WRITE | MMU_USER, want | PF_W | PF_U);
        }
        put(w, at[l], 8, good);
    }
    put(w, at[0], 8, get(w, at[0], 8) | PS); /* PML4E bit 7 */
    assert_faults(w, 0, MMU_READ, PF_P | PF_RSVD);
}

static void test_bit63_without_nxe_is_reserved(void **state) {
    struct world *w = *state;
    w->s.efer &= ~(uint64_t)EFER_NXE;
    map_4(w, 0, 3, PRWU | NX);
    assert_faults(w, 0, MMU_READ, PF_P | PF_RSVD);
    assert_faults(w, 0, MMU_EXEC, PF_P | PF_RSVD); /* no I bit without NXE and SMEP */
    w->s.cr4 |= CR4_SMEP;
    assert_faults(w, 0, MMU_EXEC, PF_P | PF_RSVD | PF_I);
}

static void test_large_pages_reserve_low_address_bits(void **state) {
    struct world *w = *state;
    for (unsigned bit = 12; bit < 30; bit++) {
        map_4(w, 0, 1, 1ull << bit | PRWU | PS);
        assert_int_equal(walk_of(w, 0, MMU_READ).error, bit >= 13 ? PF_P | PF_RSVD : 0);
    }
    put(w, get(w, w->s.cr3, 8) & ~0xFFFull, 8, 0);
    for (unsigned bit = 12; bit < 30; bit++) {
        map_4(w, 0, 2, 1ull << bit | PRWU | PS);
        assert_int_equal(walk_of(w, 0, MMU_READ).error, bit >= 13 && bit <= 20 ? PF_P | PF_RSVD : 0);
    }
}

static void test_1g_page_without_the_feature_is_reserved(void **state) {
    struct world *w = *state;
    w->s.gib_pages = false;
    map_4(w, 0, 1, 0x40000000 | PRWU | PS);
    assert_faults(w, 0, MMU_READ, PF_P | PF_RSVD);
}

static void test_amd_reserves_bit8_of_upper_tables(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, PRWU);
    uint64_t pml4e = get(w, w->s.cr3, 8), pdpt = pml4e & ~0xFFFull, pdpte = get(w, pdpt, 8), pd = pdpte & ~0xFFFull;
    put(w, w->s.cr3, 8, pml4e | G);
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
    w->s.amd = true;
    assert_faults(w, 0, MMU_READ, PF_P | PF_RSVD);
    put(w, w->s.cr3, 8, pml4e);
    put(w, pdpt, 8, pdpte | G);
    assert_faults(w, 0, MMU_READ, PF_P | PF_RSVD);
    put(w, pdpt, 8, pdpte);
    put(w, pd, 8, get(w, pd, 8) | G);
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
}

static void test_unbacked_table_reads_as_ones(void **state) {
    struct world *w = *state;
    map_4(w, 0, 0, 0x7F000000 | PRWU); /* points outside memory */
    assert_faults(w, 0, MMU_READ, PF_P | PF_RSVD);
}

static void test_direct_window_gives_the_same_result(void **state) {
    struct world *w = *state;
    map_4(w, 0x1000, 3, 0x555000 | PRWU);
    struct mmu_result slow = walk_of(w, 0x1000, MMU_WRITE), fast;
    w->phys.read = NULL; /* would crash */
    w->phys.ram = w->ram;
    w->phys.ram_size = WORLD_SIZE;
    fast = walk_of(w, 0x1000, MMU_WRITE);
    assert_int_equal(fast.status, MMU_OK);
    assert_int_equal(fast.phys, slow.phys);
    assert_int_equal(fast.writable, slow.writable);
    assert_int_equal(fast.table.rights, slow.table.rights);
}

static void test_walk_from_the_last_table_agrees_or_declines(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    for (unsigned n = 0; n < 8; n++)
        map_4(w, n * 0x1000, 3, (0x8000 + n * 0x1000) | P | (n & 1 ? RW : 0) | (n & 2 ? US : 0) | (n & 4 ? NX : 0));
    struct mmu_result first = walk_of(w, 0, MMU_READ);
    assert_true(first.has_table);
    assert_int_equal(first.table.pa, first.table.gpa);
    put(w, w->s.cr3, 8, 0); /* a kept table is used without looking above it */
    for (unsigned n = 0; n < 8; n++) {
        assert_int_equal(mmu_translate_from(&w->s, &w->phys, &first.table, n * 0x1000 + 5, MMU_WRITE | MMU_USER, &r),
                         (n & 3) == 3);
        if ((n & 3) == 3) assert_int_equal(r.phys, 0x8005 + n * 0x1000);
        assert_int_equal(mmu_translate_from(&w->s, &w->phys, &first.table, n * 0x1000, MMU_EXEC, &r), !(n & 4));
    }
    assert_false(mmu_translate_from(&w->s, &w->phys, &first.table, 0x9000, MMU_READ, &r)); /* not present */
    first.table.rights &= ~RW;
    assert_false(mmu_translate_from(&w->s, &w->phys, &first.table, 0x3000, MMU_WRITE, &r));
}

static void test_walk_from_the_table_of_a_large_page_agrees(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    map_4(w, 0x40000000, 2, 0x600000 | PRWU | PS);
    map_4(w, 0x40201000, 3, 0x555000 | PRWU);
    struct mmu_result first = walk_of(w, 0x40000000, MMU_READ);
    assert_true(first.has_table);
    assert_int_equal(first.table.level, 2);
    assert_true(mmu_translate_from(&w->s, &w->phys, &first.table, 0x40012345, MMU_WRITE, &r));
    assert_int_equal(r.phys, 0x612345);
    assert_int_equal(r.linear_shift, 21);
    assert_true(mmu_translate_from(&w->s, &w->phys, &first.table, 0x40201234, MMU_READ, &r)); /* and on, downwards */
    assert_int_equal(r.phys, 0x555234);
    assert_int_equal(r.table.level, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_paging_off_is_identity),
        WORLD_TEST(test_32bit_4k_maps),
        WORLD_TEST(test_32bit_ps_without_pse_is_ignored),
        WORLD_TEST(test_32bit_4m_maps_with_pse36),
        WORLD_TEST(test_32bit_4m_reserved_bits_by_width),
        WORLD_TEST(test_pae_uses_the_pdpte_registers),
        WORLD_TEST(test_pae_reserved_bits),
        WORLD_TEST(test_pdptes_reserved_bits_are_invalid),
        WORLD_TEST(test_4level_maps_every_size),
        WORLD_TEST(test_5level_maps_every_size),
        WORLD_TEST(test_not_canonical_is_told_apart),
        WORLD_TEST(test_long_reserved_bits_every_level),
        WORLD_TEST(test_bit63_without_nxe_is_reserved),
        WORLD_TEST(test_large_pages_reserve_low_address_bits),
        WORLD_TEST(test_1g_page_without_the_feature_is_reserved),
        WORLD_TEST(test_amd_reserves_bit8_of_upper_tables),
        WORLD_TEST(test_unbacked_table_reads_as_ones),
        WORLD_TEST(test_direct_window_gives_the_same_result),
        WORLD_TEST(test_walk_from_the_last_table_agrees_or_declines),
        WORLD_TEST(test_walk_from_the_table_of_a_large_page_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
