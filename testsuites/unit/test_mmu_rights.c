/* Permissions, error codes, accessed and dirty bits. SDM 3 "Access Rights", "Page-Fault Exceptions", "Accessed and
 * Dirty Flags". */
#include "testsuites/unit/mmu_world.h"

/* ---- rights, every combination against the manual's sentences ---- */

struct setting {
    bool user_page, rw, nx, wp, smep, smap, ac, pke, pks, ad, wd;
    unsigned mode; /* 0 supervisor, 1 implicit supervisor, 2 user */
};

static bool key_denies(const struct setting *c, unsigned access) {
    if (access == MMU_EXEC || !(c->user_page ? c->pke : c->pks)) return false;
    if (c->ad) return true;
    return c->wd && access == MMU_WRITE && (c->mode == 2 || c->wp);
}
static bool entries_allow(const struct setting *c, unsigned access) {
    if (c->mode == 2) {
        if (!c->user_page) return false;
        return access == MMU_READ || (access == MMU_WRITE && c->rw) || (access == MMU_EXEC && !c->nx);
    }
    if (access == MMU_EXEC) return !c->nx && !(c->user_page && c->smep);
    if (c->user_page && c->smap && (c->mode == 1 || !c->ac)) return false;
    return access == MMU_READ || c->rw || !c->wp;
}

static void check_setting(struct world *w, const struct setting *c, uint64_t leaf_at, uint64_t leaf) {
    static const unsigned accesses[] = {MMU_READ, MMU_WRITE, MMU_EXEC};
    w->s.cr0 = CR0_PE | CR0_PG | (c->wp ? CR0_WP : 0);
    w->s.cr4 =
        CR4_PAE | (c->smep ? CR4_SMEP : 0) | (c->smap ? CR4_SMAP : 0) | (c->pke ? CR4_PKE : 0) | (c->pks ? CR4_PKS : 0);
    uint32_t keys = (uint32_t)((c->ad ? 1 : 0) | (c->wd ? 2 : 0)) << (2 * 5);
    w->s.pkru = c->user_page ? keys : ~keys; /* the other register must not matter */
    w->s.pkrs = c->user_page ? ~keys : keys;
    for (unsigned k = 0; k < 3; k++) {
        unsigned access = accesses[k];
        unsigned how = access | (c->mode == 1 ? MMU_SYS : c->mode == 2 ? MMU_USER : 0) | (c->ac ? MMU_AC : 0);
        put(w, leaf_at, 8, leaf);
        struct mmu_result r = walk_of(w, 0x1000, how);
        bool denied = key_denies(c, access), allowed = entries_allow(c, access);
        if (allowed && !denied) {
            assert_int_equal(r.status, MMU_OK);
            assert_int_equal(get(w, leaf_at, 8), leaf | A | (access == MMU_WRITE ? D : 0));
            if (access == MMU_READ) assert_false(r.writable); /* not dirty yet */
            if (access == MMU_WRITE) assert_true(r.writable && r.readable);
        } else {
            uint32_t error = PF_P | (access == MMU_WRITE ? PF_W : 0) | (c->mode == 2 ? PF_U : 0) | (denied ? PF_PK : 0);
            if (access == MMU_EXEC) error |= PF_I;
            assert_int_equal(r.status, MMU_PAGE_FAULT);
            assert_int_equal(r.error, error);
            assert_int_equal(get(w, leaf_at, 8), leaf); /* no accessed bit after a fault */
        }
    }
}

static void test_rights_every_combination_is_as_the_manual_says(void **state) {
    struct world *w = *state;
    for (unsigned bits = 0; bits < 1u << 11; bits++) {
        for (unsigned mode = 0; mode < 3; mode++) {
            struct setting c = {bits & 1,      bits >> 1 & 1, bits >> 2 & 1,  bits >> 3 & 1,
                                bits >> 4 & 1, bits >> 5 & 1, bits >> 6 & 1,  bits >> 7 & 1,
                                bits >> 8 & 1, bits >> 9 & 1, bits >> 10 & 1, mode};
            uint64_t leaf = 0x8000 | P | (c.user_page ? US : 0) | (c.rw ? RW : 0) | (c.nx ? NX : 0) | 5ull << 59;
            uint64_t at = map_4(w, 0x1000, 3, leaf);
            check_setting(w, &c, at, leaf);
        }
    }
}

static void test_rights_are_those_of_all_levels(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, PRWU);
    uint64_t at[4] = {w->s.cr3};
    for (unsigned l = 1; l < 4; l++) at[l] = get(w, at[l - 1], 8) & ~0xFFFull;
    for (unsigned l = 0; l < 4; l++) {
        uint64_t good = get(w, at[l], 8);
        put(w, at[l], 8, good & ~US);
        assert_faults(w, 0, MMU_READ | MMU_USER, PF_P | PF_U);
        put(w, at[l], 8, good & ~RW);
        assert_faults(w, 0, MMU_WRITE, PF_P | PF_W);
        put(w, at[l], 8, good | NX);
        assert_faults(w, 0, MMU_EXEC, PF_P | PF_I);
        put(w, at[l], 8, good & ~P);
        assert_faults(w, 0, MMU_EXEC | MMU_USER, PF_U | PF_I);
        put(w, at[l], 8, good);
    }
}

static void test_keys_do_not_apply_outside_long_mode(void **state) {
    struct world *w = *state;
    w->s.efer = 0;
    w->s.cr4 = CR4_PKE;
    w->s.pkru = ~0u;
    map_32(w, 0, 1, 0x8000 | PRWU);
    assert_maps(w, 0, 0x8000, 12);
}

static void test_fetch_bit_depends_on_nxe_or_smep(void **state) {
    struct world *w = *state;
    w->s.efer = 0;
    w->s.cr4 = 0;
    assert_faults(w, 0, MMU_EXEC, 0);
    w->s.cr4 = CR4_SMEP;
    assert_faults(w, 0, MMU_EXEC, PF_I);
    w->s.cr4 = 0;
    w->s.efer = EFER_NXE; /* without PAE it means nothing */
    assert_faults(w, 0, MMU_EXEC, 0);
    w->s.cr4 = CR4_PAE;
    assert_faults(w, 0, MMU_EXEC, PF_I);
}

static void test_rmw_faults_as_a_write(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, 0x8000 | P | US);
    assert_faults(w, 0, MMU_READ | MMU_WRITE | MMU_USER, PF_P | PF_W | PF_U);
    assert_faults(w, 0x1000, MMU_READ | MMU_WRITE, PF_W);
}

/* ---- accessed and dirty ---- */

static void test_accessed_is_set_in_every_used_entry(void **state) {
    struct world *w = *state;
    uint64_t leaf = map_4(w, 0, 3, 0x8000 | PRWU);
    assert_int_equal(walk_of(w, 0, MMU_READ).status, MMU_OK);
    assert_int_equal(w->writes, 4);
    assert_int_equal(get(w, leaf, 8), 0x8000 | PRWU | A);
    assert_int_equal(get(w, w->s.cr3, 8) & (A | D), A);
    walk_of(w, 0, MMU_READ);
    assert_int_equal(w->writes, 4); /* nothing more to set */
    assert_true(walk_of(w, 0, MMU_WRITE).writable);
    assert_int_equal(w->writes, 5);
    assert_int_equal(get(w, leaf, 8), 0x8000 | PRWU | A | D);
    assert_true(walk_of(w, 0, MMU_READ).writable);
}

static void test_accessed_32bit_and_pae_entries(void **state) {
    struct world *w = *state;
    w->s.efer = 0;
    w->s.cr4 = CR4_PSE;
    uint64_t at = map_32(w, 0x400000, 0, 0x400000 | PRWU | PS);
    walk_of(w, 0x400000, MMU_WRITE);
    assert_int_equal(get(w, at, 4), 0x400000 | PRWU | PS | A | D);
    assert_int_equal(get(w, at + 4, 4), 0);
    w->s.cr4 = CR4_PAE;
    uint64_t pd = world_page(w);
    w->s.pdpte[0] = pd | P;
    put(w, pd, 8, 0x600000 | PRWU | PS);
    walk_of(w, 0x1234, MMU_WRITE);
    assert_int_equal(get(w, pd, 8), 0x600000 | PRWU | PS | A | D);
    assert_int_equal(w->s.pdpte[0], pd | P);
}

static void test_peek_changes_nothing(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, 0x8000 | PRWU);
    struct mmu_result r = walk_of(w, 0, MMU_WRITE | MMU_PEEK);
    assert_int_equal(r.status, MMU_OK);
    assert_int_equal(w->writes, 0);
    assert_false(r.writable);
}

static void test_lost_race_walks_again(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, 0x8000 | PRWU);
    w->lose = 3;
    assert_maps(w, 0, 0x8000, 12);
    map_4(w, 0x2000, 3, 0x9000 | PRWU);
    w->lose = ~0u; /* for ever: the walk gives up with a fault instead of hanging */
    assert_int_equal(walk_of(w, 0x2000, MMU_READ).status, MMU_PAGE_FAULT);
}

static void test_global_needs_pge(void **state) {
    struct world *w = *state;
    map_4(w, 0, 3, 0x8000 | PRWU | G);
    assert_false(walk_of(w, 0, MMU_READ).global);
    w->s.cr4 |= CR4_PGE;
    assert_true(walk_of(w, 0, MMU_READ).global);
}

/* ---- shadow stacks ---- */

static void test_rights_of_shadow_stacks_are_as_the_manual_says(void **state) {
    struct world *w = *state;
    map_4(w, 0x1000, 3, 0);
    uint64_t pdpt = get(w, w->s.cr3, 8) & ~0xFFFull, above = get(w, pdpt, 8) & ~0xFFFull; /* the PDE */
    for (unsigned bits = 0; bits < 1u << 8; bits++) {
        bool leaf_rw = bits & 1, dirty = bits & 2, user_page = bits & 4, above_rw = bits & 8, user = bits & 16;
        bool write = bits & 32, wd = bits & 64, wp = bits & 128;
        uint64_t leaf = 0x9000 | P | (leaf_rw ? RW : 0) | (dirty ? D : 0) | (user_page ? US : 0);
        uint64_t at = map_4(w, 0x1000, 3, leaf);
        put(w, above, 8, (at & ~0xFFFull) | P | US | (above_rw ? RW : 0));
        w->s.cr0 = CR0_PE | CR0_PG | (wp ? CR0_WP : 0);
        w->s.cr4 = CR4_PAE | CR4_PKE | CR4_SMAP;
        w->s.pkru = wd ? 2 : 0;
        struct mmu_result r =
            walk_of(w, 0x1000, MMU_SHSTK | (write ? MMU_WRITE : MMU_READ) | (user ? MMU_USER : MMU_SYS));
        bool shadow = !leaf_rw && dirty && above_rw && user_page == user;
        bool by_key = wd && user_page && write && (user || wp);
        uint32_t error = PF_P | PF_SS | (write ? PF_W : 0) | (user ? PF_U : 0) | (by_key ? PF_PK : 0);
        assert_int_equal(r.status, shadow && !by_key ? MMU_OK : MMU_PAGE_FAULT);
        if (r.status == MMU_PAGE_FAULT) assert_int_equal(r.error, error);
        put(w, above, 8, (at & ~0xFFFull) | PRWU);
    }
}

static void test_rights_absent_shadow_stack_shows_its_bit(void **state) {
    struct world *w = *state;
    struct mmu_result r = walk_of(w, 0x1000, MMU_SHSTK | MMU_READ);
    assert_int_equal(r.status, MMU_PAGE_FAULT);
    assert_int_equal(r.error, PF_SS);
    r = walk_of(w, 0x1000, MMU_SHSTK | MMU_WRITE | MMU_USER);
    assert_int_equal(r.error, PF_SS | PF_W | PF_U);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_rights_every_combination_is_as_the_manual_says),
        WORLD_TEST(test_rights_of_shadow_stacks_are_as_the_manual_says),
        WORLD_TEST(test_rights_absent_shadow_stack_shows_its_bit),
        WORLD_TEST(test_rights_are_those_of_all_levels),
        WORLD_TEST(test_keys_do_not_apply_outside_long_mode),
        WORLD_TEST(test_fetch_bit_depends_on_nxe_or_smep),
        WORLD_TEST(test_rmw_faults_as_a_write),
        WORLD_TEST(test_accessed_is_set_in_every_used_entry),
        WORLD_TEST(test_accessed_32bit_and_pae_entries),
        WORLD_TEST(test_peek_changes_nothing),
        WORLD_TEST(test_lost_race_walks_again),
        WORLD_TEST(test_global_needs_pge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
