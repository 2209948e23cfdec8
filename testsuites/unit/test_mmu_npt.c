/* Nested paging: EXITINFO1, the host's formats, user accesses. APM 2 "Nested Paging", "Nested versus Guest Page Faults,
 * Fault Ordering". */
#include "testsuites/unit/mmu_world.h"

static uint64_t npt(struct world *w, uint64_t gpa, unsigned depth, uint64_t entry) {
    return map(w, w->s.stage2_root, shifts_5 + 1, 9, 8, gpa, depth, PRWU, entry);
}

/* A guest with four-level paging, linear 0 -> gpa 8000H; every table page identity-mapped; the host in long mode. */
static int setup(void **state) {
    world_setup(state);
    struct world *w = *state;
    w->s.amd = true;
    w->s.stage2 = MMU_STAGE2_NPT;
    w->s.stage2_root = world_page(w);
    map_4(w, 0, 3, 0x8000 | PRWU);
    for (uint64_t pa = 0x10000; pa < 0x40000; pa += 4096) npt(w, pa, 3, pa | PRWU);
    npt(w, 0x8000, 3, 0x9000 | PRWU);
    return 0;
}

static void assert_npf(struct world *w, uint64_t la, unsigned access, uint64_t gpa, uint32_t low, uint32_t high) {
    struct mmu_result r = walk_of(w, la, access);
    assert_int_equal(r.status, MMU_S2_VIOLATION);
    assert_int_equal(r.gpa, gpa);
    assert_int_equal(r.error, low);
    assert_int_equal(r.error_hi, high);
    assert_int_equal(r.during_walk, high == 2);
}

static void test_npt_translates(void **state) {
    struct world *w = *state;
    struct mmu_result r = walk_of(w, 0x123, MMU_WRITE);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, 0x9123);
    assert_int_equal(r.gpa, 0x8123);
    assert_true(r.writable);
}

static void test_npt_not_present(void **state) {
    struct world *w = *state;
    npt(w, 0x8000, 3, 0);
    assert_npf(w, 0x123, MMU_READ, 0x8123, PF_U, 1);
    assert_npf(w, 0x123, MMU_WRITE | MMU_USER, 0x8123, PF_U | PF_W, 1);
    assert_npf(w, 0x123, MMU_EXEC, 0x8123, PF_U | PF_I, 1);
}

static void test_npt_supervisor_page_is_refused(void **state) {
    struct world *w = *state;
    npt(w, 0x8000, 3, 0x9000 | P | RW);
    assert_npf(w, 0, MMU_READ, 0x8000, PF_P | PF_U, 1);
}

static void test_npt_read_only_whatever_the_host_wp(void **state) {
    struct world *w = *state;
    npt(w, 0x8000, 3, 0x9000 | P | US);
    for (unsigned wp = 0; wp < 2; wp++) {
        w->s.host_cr0 = CR0_PE | CR0_PG | (wp ? CR0_WP : 0);
        w->s.cr0 &= ~(uint64_t)CR0_WP;
        assert_npf(w, 0, MMU_WRITE, 0x8000, PF_P | PF_W | PF_U, 1);
    }
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
    assert_false(walk_of(w, 0, MMU_READ).writable);
}

static void test_npt_nx_follows_the_host_efer(void **state) {
    struct world *w = *state;
    npt(w, 0x8000, 3, 0x9000 | PRWU | NX);
    w->s.efer &= ~(uint64_t)EFER_NXE;
    assert_npf(w, 0, MMU_EXEC, 0x8000, PF_P | PF_U | PF_I, 1);
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
    w->s.host_efer &= ~(uint64_t)EFER_NXE;
    assert_npf(w, 0, MMU_READ, 0x8000, PF_P | PF_U | PF_RSVD, 1);
    assert_npf(w, 0, MMU_EXEC, 0x8000, PF_P | PF_U | PF_RSVD, 1);
}

static void test_npt_reserved_bits(void **state) {
    struct world *w = *state;
    npt(w, 0x8000, 3, 0x9000 | PRWU | 1ull << 40);
    assert_npf(w, 0, MMU_WRITE, 0x8000, PF_P | PF_W | PF_U | PF_RSVD, 1);
    npt(w, 0x8000, 3, 0x9000 | PRWU);
    put(w, w->s.stage2_root, 8, get(w, w->s.stage2_root, 8) | G);
    assert_npf(w, 0, MMU_READ, w->s.cr3, PF_P | PF_W | PF_U | PF_RSVD, 2);
}

static void test_npt_guest_tables_are_user_writes(void **state) {
    struct world *w = *state;
    npt(w, w->s.cr3, 3, w->s.cr3 | P | US);
    assert_npf(w, 0, MMU_READ, w->s.cr3, PF_P | PF_W | PF_U, 2);
    npt(w, w->s.cr3, 3, 0);
    assert_npf(w, 0, MMU_EXEC, w->s.cr3, PF_W | PF_U, 2);
}

static void test_npt_accessed_and_dirty(void **state) {
    struct world *w = *state;
    uint64_t page = npt(w, 0x8000, 3, 0x9000 | PRWU), table = npt(w, w->s.cr3, 3, w->s.cr3 | PRWU);
    assert_false(walk_of(w, 0, MMU_READ).writable);
    assert_int_equal(get(w, page, 8), 0x9000 | PRWU | A);
    assert_int_equal(get(w, table, 8), w->s.cr3 | PRWU | A | D);
    assert_true(walk_of(w, 0, MMU_WRITE).writable);
    assert_int_equal(get(w, page, 8), 0x9000 | PRWU | A | D);
}

static void test_npt_guest_fault_comes_first(void **state) {
    struct world *w = *state;
    npt(w, 0x8000, 3, 0);
    map_4(w, 0, 3, 0x8000 | P);
    assert_faults(w, 0, MMU_WRITE, PF_P | PF_W);
}

static void test_npt_pae_guest_reads_pdptes_from_memory(void **state) {
    struct world *w = *state;
    uint64_t pdpt = world_page(w), pd = world_page(w);
    w->s.efer = 0;
    w->s.cr3 = pdpt | 0x20;
    put(w, pdpt + 0x28, 8, pd | P);
    put(w, pd, 8, PRWU | PS);
    npt(w, pdpt, 3, pdpt | PRWU);
    npt(w, pd, 3, pd | PRWU);
    struct mmu_result r = walk_of(w, 0x40008001, MMU_READ);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, 0x9001);
    put(w, pdpt + 0x28, 8, pd | P | RW); /* reserved: a page fault here, not #GP at MOV to CR3 */
    assert_faults(w, 0x40008001, MMU_READ, PF_P | PF_RSVD);
    npt(w, pdpt, 3, 0);
    assert_npf(w, 0x40008001, MMU_READ, pdpt + 0x28, PF_W | PF_U, 2);
}

static void test_npt_host_five_levels(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    w->s.host_cr4 |= CR4_LA57;
    w->s.phys_bits = 52;
    w->s.stage2_root = world_page(w);
    map(w, w->s.stage2_root, shifts_5, 9, 8, 0x9000000000000ull, 4, PRWU, 0x7000 | PRWU);
    mmu_stage2(&w->s, &w->phys, 0x9000000000123ull, MMU_READ, false, &r);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, 0x7123);
}

static void test_npt_host_pae(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    w->s.host_efer = EFER_NXE;
    uint64_t pdpt = world_page(w), pd = world_page(w);
    w->s.stage2_root = pdpt;
    put(w, pdpt + 8, 8, pd | P);
    put(w, pd, 8, 0x600000 | PRWU | PS);
    mmu_stage2(&w->s, &w->phys, 0x40012345, MMU_WRITE, false, &r);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(r.phys, 0x612345);
    mmu_stage2(&w->s, &w->phys, 0x140012345ull, MMU_READ, false, &r); /* beyond 4 GiB */
    assert_int_equal(r.status, MMU_S2_VIOLATION);
    assert_int_equal(r.error, PF_U);
}

static void test_npt_host_32bit(void **state) {
    struct world *w = *state;
    struct mmu_result r;
    w->s.host_efer = 0;
    w->s.host_cr4 = CR4_PSE;
    w->s.stage2_root = world_page(w);
    map(w, w->s.stage2_root, shifts_32, 10, 4, 0x00800000, 0, PRWU, 0x00C00000 | 1 << 13 | PRWU | PS);
    map(w, w->s.stage2_root, shifts_32, 10, 4, 0x00400000, 1, PRWU, 0x00500000 | PRWU);
    mmu_stage2(&w->s, &w->phys, 0x00812345, MMU_READ, false, &r);
    assert_int_equal(r.phys, 0x100C12345ull);
    mmu_stage2(&w->s, &w->phys, 0x00400345, MMU_READ, false, &r);
    assert_int_equal(r.phys, 0x00500345);
    mmu_stage2(&w->s, &w->phys, 0x00401345, MMU_EXEC, true, &r);
    assert_int_equal(r.error, PF_U | PF_W);
    assert_int_equal(r.error_hi, 2);
}

static void test_npt_unpaged_guest(void **state) {
    struct world *w = *state;
    w->s.cr0 = CR0_PE;
    struct mmu_result r = walk_of(w, 0x8765, MMU_READ);
    assert_int_equal(r.phys, 0x9765);
}

#define NPT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        NPT_TEST(test_npt_translates),
        NPT_TEST(test_npt_not_present),
        NPT_TEST(test_npt_supervisor_page_is_refused),
        NPT_TEST(test_npt_read_only_whatever_the_host_wp),
        NPT_TEST(test_npt_nx_follows_the_host_efer),
        NPT_TEST(test_npt_reserved_bits),
        NPT_TEST(test_npt_guest_tables_are_user_writes),
        NPT_TEST(test_npt_accessed_and_dirty),
        NPT_TEST(test_npt_guest_fault_comes_first),
        NPT_TEST(test_npt_pae_guest_reads_pdptes_from_memory),
        NPT_TEST(test_npt_host_five_levels),
        NPT_TEST(test_npt_host_pae),
        NPT_TEST(test_npt_host_32bit),
        NPT_TEST(test_npt_unpaged_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
