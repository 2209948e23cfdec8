/* Memory types by PAT, MTRRs, EPT and the host's PAT. SDM 3 "Memory Cache Control"; APM 2 "Nested Paging". */
#include "testsuites/unit/mmu_world.h"

#define ENABLE (1u << 11)
#define FIXED  (1u << 10)
#define VALID  (1ull << 11)
#define WIDTH  0xFFFFFFFFFFull

static uint64_t mask_of(uint64_t size) { return (~(size - 1) & WIDTH) | VALID; }

static void test_mtrr_disabled_is_uc(void **state) {
    (void)state;
    struct mmu_mtrr m = {.def_type = MT_WB | FIXED};
    assert_int_equal(mmu_mtrr_type(&m, 0x123456), MT_UC);
}

static void test_mtrr_fixed_ranges(void **state) {
    (void)state;
    struct mmu_mtrr m = {.def_type = MT_WB | ENABLE | FIXED};
    static const struct {
        uint64_t base;
        unsigned reg, byte;
    } row[] = {
        {0,       0,  0},
        {0x70000, 0,  7},
        {0x80000, 1,  0},
        {0x9C000, 1,  7},
        {0xA0000, 2,  0},
        {0xBC000, 2,  7},
        {0xC0000, 3,  0},
        {0xC8000, 4,  0},
        {0xD7000, 5,  7},
        {0xF8000, 10, 0},
        {0xFF000, 10, 7}
    };
    for (unsigned k = 0; k < sizeof row / sizeof row[0]; k++) {
        memset(m.fixed, 0, sizeof m.fixed);
        m.fixed[row[k].reg] = (uint64_t)MT_WP << (8 * row[k].byte);
        assert_int_equal(mmu_mtrr_type(&m, row[k].base), MT_WP);
        assert_int_equal(mmu_mtrr_type(&m, row[k].base + 0xFFF), MT_WP);
        if (row[k].base) assert_int_equal(mmu_mtrr_type(&m, row[k].base - 1), MT_UC);
    }
    assert_int_equal(mmu_mtrr_type(&m, 0x100000), MT_WB);
    m.def_type &= ~(uint64_t)FIXED;
    assert_int_equal(mmu_mtrr_type(&m, 0xFF000), MT_WB);
}

static void test_mtrr_overlaps(void **state) {
    (void)state;
    static const struct {
        uint8_t a, b, want;
    } row[] = {
        {MT_UC, MT_WB, MT_UC},
        {MT_WB, MT_UC, MT_UC},
        {MT_WT, MT_WB, MT_WT},
        {MT_WB, MT_WT, MT_WT},
        {MT_WB, MT_WB, MT_WB},
        {MT_WP, MT_WP, MT_WP}
    };
    for (unsigned k = 0; k < sizeof row / sizeof row[0]; k++) {
        struct mmu_mtrr m = {.def_type = MT_WC | ENABLE, .count = 3};
        m.base[0] = 0x100000000ull | row[k].a;
        m.mask[0] = mask_of(1ull << 32);
        m.base[1] = 0x180000000ull | row[k].b;
        m.mask[1] = mask_of(1ull << 31);
        m.base[2] = 0x180000000ull; /* not valid */
        m.mask[2] = mask_of(1ull << 31) & ~VALID;
        assert_int_equal(mmu_mtrr_type(&m, 0x180001000ull), row[k].want);
        assert_int_equal(mmu_mtrr_type(&m, 0x17FFFFFFFull), row[k].a);
        assert_int_equal(mmu_mtrr_type(&m, 0xFFFFFFFF), MT_WC);
    }
}

/* SDM 3 "Effective Page-Level Memory Types for Pentium III and More Recent Processor Families", row by row */
static void test_pat_with_mtrr_table(void **state) {
    (void)state;
    enum { U = MT_UC, M = MT_UC_MINUS, C = MT_WC, T = MT_WT, B = MT_WB, W = MT_WP };
    static const uint8_t row[][3] = {
  /* MTRR, PAT, effective */
        {U, U, U},
        {U, M, U},
        {U, C, C},
        {U, T, U},
        {U, B, U},
        {U, W, U},
        {C, U, U},
        {C, M, C},
        {C, C, C},
        {C, T, U},
        {C, B, C},
        {C, W, U},
        {T, U, U},
        {T, M, U},
        {T, C, C},
        {T, T, T},
        {T, B, T},
        {T, W, W},
        {B, U, U},
        {B, M, U},
        {B, C, C},
        {B, T, T},
        {B, B, B},
        {B, W, W},
        {W, U, U},
        {W, M, C},
        {W, C, C},
        {W, T, T},
        {W, B, W},
        {W, W, W}
    };
    for (unsigned k = 0; k < sizeof row / sizeof row[0]; k++)
        assert_int_equal(mmu_combine_types((enum mmu_memtype)row[k][1], (enum mmu_memtype)row[k][0]), row[k][2]);
}

static const struct mmu_mtrr all_wb = {.def_type = MT_WB | ENABLE};

static enum mmu_memtype type_at(struct world *w, uint64_t la) {
    struct mmu_result r = walk_of(w, la, MMU_READ);
    assert_int_equal(r.status, MMU_OK);
    return (enum mmu_memtype)r.memtype;
}

static void test_pat_index_bits(void **state) {
    struct world *w = *state;
    w->s.mtrr = &all_wb;
    w->s.pat = 0x0001040506070001ull; /* entries 0-7: WC UC UC- WB WP WT WC UC */
    static const uint8_t want[] = {MT_WC, MT_UC, MT_UC, MT_WB, MT_WP, MT_WT, MT_WC, MT_UC};
    for (unsigned k = 0; k < 8; k++) {
        uint64_t bits = (k & 1 ? PWT : 0) | (k & 2 ? PCD : 0);
        map_4(w, 0, 3, 0x8000 | PRWU | bits | (k & 4 ? 1 << 7 : 0));
        map_4(w, 0x200000, 2, 0x200000 | PRWU | PS | bits | (k & 4 ? 1 << 12 : 0));
        assert_int_equal(type_at(w, 0), want[k]);
        assert_int_equal(type_at(w, 0x200000), want[k]);
    }
    w->s.cr0 |= CR0_CD;
    assert_int_equal(type_at(w, 0), MT_UC);
}

static void test_paging_off_takes_the_mtrr_type(void **state) {
    struct world *w = *state;
    struct mmu_mtrr m = {.def_type = MT_WT | ENABLE};
    w->s.cr0 = CR0_PE;
    w->s.mtrr = &m;
    assert_int_equal(type_at(w, 0x200000), MT_WT);
    w->s.mtrr = NULL;
    assert_int_equal(type_at(w, 0x200000), MT_WB);
}

static void test_ept_type_takes_the_place_of_mtrr(void **state) {
    struct world *w = *state;
    struct mmu_mtrr uc = {.def_type = MT_UC | ENABLE};
    static const uint8_t types[] = {MT_UC, MT_WC, MT_WT, MT_WP, MT_WB};
    w->s.cr0 = CR0_PE;
    w->s.mtrr = &uc;
    w->s.stage2 = MMU_STAGE2_EPT;
    w->s.stage2_root = world_page(w) | 0x1E;
    for (unsigned k = 0; k < 5; k++) {
        map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, 0x5000, 3, 7, 0x8000 | 7 | types[k] << 3);
        assert_int_equal(type_at(w, 0x5000), types[k]); /* no paging: PAT type WB */
    }
    w->s.cr0 |= CR0_PG;
    w->s.pat = 0; /* UC */
    map_4(w, 0x1000, 3, 0x5000 | PRWU);
    for (uint64_t pa = 0x10000; pa < 0x20000; pa += 4096)
        map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, pa, 3, 7, pa | 0x37);
    assert_int_equal(type_at(w, 0x1000), MT_UC);
    map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, 0x5000, 3, 7, 0x8000 | 7 | 6 << 3 | 1 << 6); /* ignore PAT */
    assert_int_equal(type_at(w, 0x1000), MT_WB);
    w->s.cr0 |= CR0_CD;
    assert_int_equal(type_at(w, 0x1000), MT_UC);
}

static void test_npt_combines_guest_pat_host_pat_and_mtrr(void **state) {
    struct world *w = *state;
    w->s.mtrr = &all_wb;
    w->s.stage2 = MMU_STAGE2_NPT;
    w->s.stage2_root = world_page(w);
    map_4(w, 0, 3, 0x8000 | PRWU);
    for (uint64_t pa = 0x10000; pa < 0x20000; pa += 4096)
        map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, pa, 3, PRWU, pa | PRWU);
    map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, 0x8000, 3, PRWU, 0x9000 | PRWU);
    static const uint8_t row[][3] = {
  /* guest, host, effective with MTRR WB */
        {MT_WB, MT_WB, MT_WB},
        {MT_WB, MT_WT, MT_WT},
        {MT_WB, MT_UC, MT_UC},
        {MT_WB, MT_WP, MT_WP},
        {MT_WC, MT_WB, MT_WC},
        {MT_WC, MT_UC, MT_WC},
        {MT_UC, MT_WB, MT_UC},
        {MT_UC, MT_WC, MT_UC},
        {MT_WT, MT_WB, MT_WT},
        {MT_WT, MT_WT, MT_WT},
        {MT_WP, MT_WB, MT_WP},
        {MT_WP, MT_WP, MT_WP}
    };
    for (unsigned k = 0; k < sizeof row / sizeof row[0]; k++) {
        w->s.pat = row[k][0];
        w->s.host_pat = row[k][1];
        assert_int_equal(type_at(w, 0), row[k][2]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mtrr_disabled_is_uc),
        cmocka_unit_test(test_mtrr_fixed_ranges),
        cmocka_unit_test(test_mtrr_overlaps),
        cmocka_unit_test(test_pat_with_mtrr_table),
        WORLD_TEST(test_pat_index_bits),
        WORLD_TEST(test_paging_off_takes_the_mtrr_type),
        WORLD_TEST(test_ept_type_takes_the_place_of_mtrr),
        WORLD_TEST(test_npt_combines_guest_pat_host_pat_and_mtrr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
