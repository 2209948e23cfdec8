/* EPT: formats, misconfigurations, violations and their qualifications, accessed and dirty flags.
 * SDM 3 "The Extended Page Table Mechanism (EPT)", "Exit Qualification for EPT Violations". */
#include "testsuites/unit/mmu_world.h"

#define R      1ull
#define W      2ull
#define X      4ull
#define RWX    7ull
#define WB     (6ull << 3)
#define IPAT   (1ull << 6)
#define LARGE  (1ull << 7)
#define EPT_A  (1ull << 8)
#define EPT_D  (1ull << 9)
#define XU     (1ull << 10)
#define AD     (1ull << 6)
#define WALK4  (3ull << 3 | 6)
#define WALK5  (4ull << 3 | 6)
#define LINEAR (1ull << 7)
#define FINAL  (1ull << 8)

static uint64_t ept(struct world *w, uint64_t gpa, unsigned depth, uint64_t entry) {
    return map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, gpa, depth, RWX | XU, entry);
}

/* Paging off, EPT on: a linear address is a guest-physical one. */
static int setup(void **state) {
    world_setup(state);
    struct world *w = *state;
    w->s.cr0 = CR0_PE;
    w->s.stage2 = MMU_STAGE2_EPT;
    w->s.stage2_root = world_page(w) | WALK4;
    w->s.ept_gib_pages = true;
    return 0;
}
/* Four-level guest tables and a leaf at linear 0 -> gpa 8000H; every table page is identity-mapped by EPT. */
static int setup_nested(void **state) {
    setup(state);
    struct world *w = *state;
    w->s.cr0 = CR0_PE | CR0_PG | CR0_WP;
    map_4(w, 0, 3, 0x8000 | PRWU);
    for (uint64_t pa = 0x10000; pa < 0x40000; pa += 4096) ept(w, pa, 3, pa | RWX | XU | WB);
    return 0;
}

static void assert_s2(struct world *w, uint64_t la, unsigned access, enum mmu_status status, uint64_t gpa,
                      uint64_t qual) {
    struct mmu_result r = walk_of(w, la, access);
    assert_int_equal(r.status, status);
    assert_int_equal(r.gpa, gpa);
    assert_int_equal(r.qualification, qual);
    assert_true(r.gla_valid);
}

static void test_ept_maps_every_size(void **state) {
    struct world *w = *state;
    ept(w, 0x1000, 3, 0x12345000 | RWX | WB);
    ept(w, 0x200000, 2, 0x40600000 | RWX | WB | LARGE);
    ept(w, 0x40000000, 1, 0x80000000 | RWX | WB | LARGE);
    struct mmu_result r = walk_of(w, 0x1234, MMU_READ);
    assert_int_equal(r.phys, 0x12345234);
    assert_int_equal(r.page_shift, 12);
    r = walk_of(w, 0x212345, MMU_READ);
    assert_int_equal(r.phys, 0x40612345);
    assert_int_equal(r.page_shift, 21);
    assert_int_equal(r.linear_shift, 12);
    r = walk_of(w, 0x41234567, MMU_WRITE);
    assert_int_equal(r.phys, 0x81234567);
    assert_int_equal(r.page_shift, 30);
    assert_true(r.writable);
}

static void test_ept_five_levels(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    w->s.phys_bits = 52;
    map(w, w->s.stage2_root, shifts_5, 9, 8, 0x9000000005000ull, 4, RWX, 0x7000 | RWX | WB);
    mmu_stage2(&w->s, &w->phys, 0x9000000005123ull, MMU_READ, false, &r);
    assert_int_equal(r.status, MMU_S2_VIOLATION); /* four levels reach bit 47 */
    assert_int_equal(r.qualification, 1);
    w->s.stage2_root = (w->s.stage2_root & ~0xFFFull) | WALK5;
    mmu_stage2(&w->s, &w->phys, 0x9000000005123ull, MMU_READ, false, &r);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, 0x7123);
    assert_false(r.gla_valid);
}

static void test_ept_rights_misconfigurations(void **state) {
    struct world *w = *state;
    for (unsigned caps = 0; caps < 4; caps++) {
        w->s.ept_exec_only = caps & 1;
        w->s.ept_mbe = caps & 2;
        for (unsigned rights = 0; rights < 16; rights++) {
            bool r = rights & 1, wr = rights & 2, x = rights & 4, xu = rights & 8 && w->s.ept_mbe;
            bool absent = !r && !wr && !x && !xu;
            bool bad = (!r && wr) || (!r && (x || xu) && !w->s.ept_exec_only);
            for (unsigned depth = 0; depth < 4; depth++) {
                memset(w->ram + 0x11000, 0, 0x10000);
                w->next = 0x12000;
                ept(w, 0, 3, 0x8000 | RWX | XU | WB);
                uint64_t at = ept(w, 0, depth, 0), target = depth == 3 ? 0x8000 | WB : world_page(w);
                put(w, at, 8, target | (rights & 7) | (rights & 8 ? XU : 0));
                struct mmu_result res = walk_of(w, 0, MMU_READ | MMU_WRITE);
                if (bad)
                    assert_int_equal(res.status, MMU_S2_MISCONFIG);
                else
                    assert_int_equal(res.status, r && wr && depth == 3 ? MMU_OK : MMU_S2_VIOLATION);
                if (absent) assert_int_equal(res.qualification & 0x78, 0);
            }
        }
    }
}

static void test_ept_reserved_bits_misconfigure(void **state) {
    struct world *w = *state;
    static const uint64_t table_rsvd[] = {0xF8, 0x78, 0x78}; /* bit 7 of PDPTEs and PDEs says large page */
    ept(w, 0, 3, 0x8000 | RWX | WB);
    uint64_t at[4] = {w->s.stage2_root & ~0xFFFull};
    for (unsigned l = 1; l < 4; l++) at[l] = get(w, at[l - 1], 8) & ~0xFFFull;
    for (unsigned l = 0; l < 4; l++) {
        uint64_t good = get(w, at[l], 8);
        for (unsigned bit = 3; bit < 64; bit++) {
            bool address = bit >= 12 && bit < 40, type = l == 3 && bit < 7;
            if (address || type || (bit == 7 && l > 0 && l < 3)) continue;
            put(w, at[l], 8, good | 1ull << bit);
            bool rsvd = (bit >= 40 && bit < 52) || (l < 3 && bit < 8 && table_rsvd[l] >> bit & 1);
            struct mmu_result r = walk_of(w, 0, MMU_READ);
            assert_int_equal(r.status, rsvd ? MMU_S2_MISCONFIG : MMU_OK);
            if (rsvd) assert_int_equal(r.qualification, 0);
        }
        put(w, at[l], 8, good);
    }
}

static void test_ept_large_page_reserved_bits(void **state) {
    struct world *w = *state;
    for (unsigned bit = 12; bit < 30; bit++) {
        ept(w, 0, 1, 1ull << bit | RWX | WB | LARGE);
        assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_S2_MISCONFIG);
    }
    ept(w, 0, 1, RWX | WB | LARGE);
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
    w->s.ept_gib_pages = false;
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_S2_MISCONFIG);
    ept(w, 0, 1, 0);
    for (unsigned bit = 12; bit < 21; bit++) {
        ept(w, 0, 2, 1ull << bit | RWX | WB | LARGE);
        assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_S2_MISCONFIG);
    }
}

static void test_ept_memory_type_2_3_7_misconfigure(void **state) {
    struct world *w = *state;
    for (uint64_t type = 0; type < 8; type++) {
        bool bad = type == 2 || type == 3 || type == 7;
        ept(w, 0x1000, 3, 0x8000 | RWX | type << 3);
        assert_int_equal(walk_of(w, 0x1000, MMU_READ).status, bad ? MMU_S2_MISCONFIG : MMU_OK);
        ept(w, 0x200000, 2, RWX | type << 3 | LARGE);
        assert_int_equal(walk_of(w, 0x200000, MMU_READ).status, bad ? MMU_S2_MISCONFIG : MMU_OK);
    }
}

static void test_ept_violation_reports_access_and_rights(void **state) {
    struct world *w = *state;
    const uint64_t linear = LINEAR | FINAL | 1 << 9 | 1 << 10; /* paging off: user-mode, read/write, executable */
    w->s.ept_exec_only = true;
    for (uint64_t rights = 0; rights < 8; rights++) {
        if ((rights & 3) == 2) continue;
        ept(w, 0x5000, 3, 0x8000 | rights | WB);
        for (unsigned access = 1; access < 8; access++) {
            if (access & MMU_EXEC && access != MMU_EXEC) continue;
            if ((rights & access) == access)
                assert_int_equal(walk_of(w, 0x5678, access).status, MMU_OK);
            else
                assert_s2(w, 0x5678, access, MMU_S2_VIOLATION, 0x5678, access | rights << 3 | linear);
        }
    }
}

static void test_ept_violation_rights_are_of_all_levels(void **state) {
    struct world *w = *state;
    ept(w, 0, 3, 0x8000 | RWX | WB);
    uint64_t at = w->s.stage2_root & ~0xFFFull;
    for (unsigned l = 0; l < 4; l++) {
        uint64_t good = get(w, at, 8);
        put(w, at, 8, good & ~W);
        assert_s2(w, 0, MMU_WRITE, MMU_S2_VIOLATION, 0, MMU_WRITE | (R | X) << 3 | 0x780);
        put(w, at, 8, good & ~RWX);
        assert_s2(w, 0, MMU_EXEC, MMU_S2_VIOLATION, 0, MMU_EXEC | 0x780);
        put(w, at, 8, good);
        at = good & ~0xFFFull;
    }
}

static void test_ept_mode_based_execute_tells_modes_apart(void **state) {
    struct world *w = *state;
    w->s.ept_mbe = true;
    uint64_t table = map_4(w, 0, 3, 0x8000 | PRWU); /* user-mode linear address */
    ept(w, 0x8000, 3, 0x8000 | R | X | WB);
    assert_s2(w, 0, MMU_EXEC, MMU_S2_VIOLATION, 0x8000, MMU_EXEC | (R | X) << 3 | LINEAR | FINAL | 1 << 9 | 1 << 10);
    ept(w, 0x8000, 3, 0x8000 | R | XU | WB);
    assert_int_equal(walk_of(w, 0, MMU_EXEC | MMU_USER).status, MMU_OK);
    put(w, table, 8, 0x8000 | P | RW); /* supervisor-mode */
    assert_s2(w, 0, MMU_EXEC, MMU_S2_VIOLATION, 0x8000, MMU_EXEC | R << 3 | 1 << 6 | LINEAR | FINAL | 1 << 10);
    ept(w, 0x8000, 3, 0x8000 | XU | R | X | WB);
    assert_int_equal(walk_of(w, 0, MMU_EXEC).status, MMU_OK);
}

static void test_ept_violation_advanced_information(void **state) {
    struct world *w = *state;
    uint64_t base = LINEAR | FINAL | MMU_WRITE | R << 3;
    ept(w, 0x8000, 3, 0x8000 | R | WB);
    uint64_t leaf = map_4(w, 0, 3, 0x8000 | PRWU | NX);
    assert_s2(w, 0, MMU_WRITE, MMU_S2_VIOLATION, 0x8000, base | 1 << 9 | 1 << 10 | 1 << 11);
    w->s.cr0 &= ~(uint64_t)CR0_WP;
    put(w, leaf, 8, 0x8000 | P);
    assert_s2(w, 0, MMU_WRITE, MMU_S2_VIOLATION, 0x8000, base);
}

static void test_ept_violation_on_paging_structure(void **state) {
    struct world *w = *state;
    uint64_t pml4e = get(w, w->s.cr3, 8);
    ept(w, w->s.cr3, 3, 0);
    struct mmu_result r = walk_of(w, 0, MMU_WRITE);
    assert_int_equal(r.status, MMU_S2_VIOLATION);
    assert_true(r.during_walk);
    assert_int_equal(r.gpa, w->s.cr3);
    assert_int_equal(r.qualification, MMU_READ | LINEAR);
    ept(w, w->s.cr3, 3, w->s.cr3 | RWX | XU | WB);
    ept(w, pml4e & ~0xFFFull, 3, 0);
    assert_s2(w, 0x8000000000 - 0x1000, MMU_EXEC, MMU_S2_VIOLATION, (pml4e & ~0xFFFull) + 0xFF8, MMU_READ | LINEAR);
}

static void test_ept_read_only_tables_without_ad_flags(void **state) {
    struct world *w = *state;
    ept(w, 0x8000, 3, 0x8000 | RWX | WB);
    ept(w, w->s.cr3, 3, w->s.cr3 | R | WB);
    /* the read is allowed, setting the accessed flag is not */
    assert_s2(w, 0, MMU_READ, MMU_S2_VIOLATION, w->s.cr3, MMU_READ | MMU_WRITE | R << 3 | LINEAR);
    put(w, w->s.cr3, 8, get(w, w->s.cr3, 8) | A);
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
}

static void test_ept_ad_makes_table_reads_writes(void **state) {
    struct world *w = *state;
    w->s.stage2_root |= AD;
    put(w, w->s.cr3, 8, get(w, w->s.cr3, 8) | A);
    ept(w, 0x8000, 3, 0x8000 | RWX | WB);
    ept(w, w->s.cr3, 3, w->s.cr3 | R | WB);
    assert_s2(w, 0, MMU_READ, MMU_S2_VIOLATION, w->s.cr3, MMU_READ | MMU_WRITE | R << 3 | LINEAR);
}

static void test_ept_ad_flags_are_set(void **state) {
    struct world *w = *state;
    w->s.stage2_root |= AD;
    uint64_t at = ept(w, 0x8000, 3, 0x8000 | RWX | WB), root = w->s.stage2_root & ~0xFFFull;
    uint64_t table = ept(w, w->s.cr3, 3, w->s.cr3 | RWX | WB);
    struct mmu_result r = walk_of(w, 0, MMU_READ);
    assert_int_equal(r.status, MMU_OK);
    assert_false(r.writable);
    assert_int_equal(get(w, at, 8), 0x8000 | RWX | WB | EPT_A);
    assert_int_equal(get(w, table, 8), w->s.cr3 | RWX | WB | EPT_A | EPT_D); /* table accesses are writes */
    assert_int_equal(get(w, root, 8) & (EPT_A | EPT_D), EPT_A);
    r = walk_of(w, 0, MMU_WRITE);
    assert_true(r.writable);
    assert_int_equal(get(w, at, 8), 0x8000 | RWX | WB | EPT_A | EPT_D);
}

static void test_ept_without_ad_sets_nothing(void **state) {
    struct world *w = *state;
    uint64_t at = ept(w, 0x8000, 3, 0x8000 | RWX | WB);
    assert_true(walk_of(w, 0, MMU_WRITE).writable);
    assert_int_equal(get(w, at, 8), 0x8000 | RWX | WB);
}

static void test_guest_fault_comes_before_final_violation(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, 0x8000 | P);
    ept(w, 0x8000, 3, 0);
    assert_faults(w, 0, MMU_WRITE, PF_P | PF_W);
}

static void test_ept_misconfiguration_in_a_table_walk(void **state) {
    struct world *w = *state;
    ept(w, w->s.cr3, 3, w->s.cr3 | W | WB);
    struct mmu_result r = walk_of(w, 0x123, MMU_READ);
    assert_int_equal(r.status, MMU_S2_MISCONFIG);
    assert_int_equal(r.gpa, w->s.cr3);
    assert_true(r.during_walk);
}

static void test_ept_pdpte_load_has_no_linear_address(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    uint64_t out[4];
    assert_false(mmu_load_pdptes(&w->s, &w->phys, 0x7000, out, &r));
    assert_int_equal(r.status, MMU_S2_VIOLATION);
    assert_int_equal(r.gpa, 0x7000);
    assert_int_equal(r.qualification, MMU_READ);
    assert_false(r.gla_valid);
    ept(w, 0x7000, 3, 0x9000 | R | WB);
    put(w, 0x9020, 8, 0x1000 | P);
    assert_true(mmu_load_pdptes(&w->s, &w->phys, 0x7020, out, &r));
    assert_int_equal(out[0], 0x1000 | P);
}

static void test_nested_smallest_page_counts(void **state) {
    struct world *w = *state;
    map_4(w, 0x200000, 2, PRWU | PS);
    ept(w, 0x8000, 3, 0x9000 | RWX | WB);
    struct mmu_result r = walk_of(w, 0x208123, MMU_READ);
    assert_int_equal(r.phys, 0x9123);
    assert_int_equal(r.page_shift, 12);
    assert_int_equal(r.linear_shift, 21);
}

static void test_nested_walk_from_the_last_table(void **state) {
    struct world *w = *state;
    struct mmu_result first, r;
    map_4(w, 0x1000, 3, 0x9000 | PRWU);
    ept(w, 0x8000, 3, 0x8000 | RWX | WB);
    ept(w, 0x9000, 3, 0xA000 | RWX | WB);
    first = walk_of(w, 0, MMU_READ);
    assert_true(first.has_table);
    ept(w, w->s.cr3, 3, 0); /* not asked any more */
    assert_true(mmu_translate_from(&w->s, &w->phys, &first.table, 0x1234, MMU_WRITE, &r));
    assert_int_equal(r.phys, 0xA234);
    assert_int_equal(r.gpa, 0x9234);
    /* the accessed flag of a guest entry is set through the second stage even so */
    map_4(w, 0x2000, 3, 0x9000 | PRWU);
    ept(w, first.table.gpa, 3, first.table.gpa | R | WB);
    assert_false(mmu_translate_from(&w->s, &w->phys, &first.table, 0x2000, MMU_READ, &r));
}

#define EPT_TEST(f)    cmocka_unit_test_setup_teardown(f, setup, world_teardown)
#define NESTED_TEST(f) cmocka_unit_test_setup_teardown(f, setup_nested, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        EPT_TEST(test_ept_maps_every_size),
        EPT_TEST(test_ept_five_levels),
        EPT_TEST(test_ept_rights_misconfigurations),
        EPT_TEST(test_ept_reserved_bits_misconfigure),
        EPT_TEST(test_ept_large_page_reserved_bits),
        EPT_TEST(test_ept_memory_type_2_3_7_misconfigure),
        EPT_TEST(test_ept_violation_reports_access_and_rights),
        EPT_TEST(test_ept_violation_rights_are_of_all_levels),
        NESTED_TEST(test_ept_mode_based_execute_tells_modes_apart),
        NESTED_TEST(test_ept_violation_advanced_information),
        NESTED_TEST(test_ept_violation_on_paging_structure),
        NESTED_TEST(test_ept_read_only_tables_without_ad_flags),
        NESTED_TEST(test_ept_ad_makes_table_reads_writes),
        NESTED_TEST(test_ept_ad_flags_are_set),
        NESTED_TEST(test_ept_without_ad_sets_nothing),
        NESTED_TEST(test_guest_fault_comes_before_final_violation),
        NESTED_TEST(test_ept_misconfiguration_in_a_table_walk),
        EPT_TEST(test_ept_pdpte_load_has_no_linear_address),
        NESTED_TEST(test_nested_smallest_page_counts),
        NESTED_TEST(test_nested_walk_from_the_last_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
