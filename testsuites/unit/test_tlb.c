/* Contexts of the translation cache: what separates them, what flushes them. */
#include "testsuites/unit/cpu_world.h"

#define LA 0x10000000ull

static const struct insn none = {.left = 1};

static uint64_t read_la(struct cpu *cpu, uint64_t la) { return mem_read64(cpu, &none, la); }

/* Map and read once; the value tells the physical page. */
static void cache(struct cpu *cpu, uint64_t la, uint64_t pa) {
    put(cpu, pa, pa);
    map(cpu, la, pa | PRWU);
    assert_int_equal(read_la(cpu, la), pa);
}
/* Remap behind the processor's back: the cache may go on using the old page until it is flushed. */
static void remap(struct cpu *cpu, uint64_t la, uint64_t pa) {
    put(cpu, pa, pa);
    map(cpu, la, pa | PRWU);
}
static void assert_cached(struct cpu *cpu, uint64_t la, uint64_t pa) { assert_int_equal(read_la(cpu, la), pa); }
static void assert_flushed(struct cpu *cpu, uint64_t la, uint64_t pa) { assert_int_equal(read_la(cpu, la), pa); }

/* Contexts meet in one table by linear page: to see what each keeps, each gets a page of its own. */
static uint64_t la_of(unsigned n) { return LA + n * 0x1000ull; }

static void test_tlb_keeps_until_flushed(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    remap(cpu, LA, 0x401000);
    assert_cached(cpu, LA, 0x400000);
    tlb_flush_current(cpu, false);
    assert_flushed(cpu, LA, 0x401000);
}

static void test_tlb_flush_takes_effect_without_update_mode(void **state) {
    struct cpu *cpu = *state;
    uint64_t ctx = cpu->tlb.ctx, key = cpu->fetch_key;
    tlb_flush_all(cpu);
    assert_int_not_equal(cpu->tlb.ctx, ctx);
    assert_int_not_equal(cpu->fetch_key, key);
    assert_int_equal(cpu->fetch_key, tlb_exec_ctx(cpu) << 8 | cpu->mode);
}

static void test_tlb_world_switch_keeps_both_worlds(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, la_of(0), 0x400000);
    cpu->virt.guest = true;
    cpu->virt.tag = 1;
    cpu_update_mode(cpu);
    cache(cpu, la_of(1), 0x401000);
    remap(cpu, la_of(0), 0x402000);
    remap(cpu, la_of(1), 0x403000);
    for (unsigned n = 0; n < 3; n++) {
        cpu->virt.guest = false;
        cpu_update_mode(cpu);
        assert_cached(cpu, la_of(0), 0x400000);
        cpu->virt.guest = true;
        cpu_update_mode(cpu);
        assert_cached(cpu, la_of(1), 0x401000);
    }
    assert_flushed(cpu, la_of(0), 0x402000); /* the host's entry is not the guest's */
}

static void test_tlb_flush_tag_touches_only_that_tag(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, la_of(3), 0x400000);
    cpu->virt.guest = true;
    for (unsigned tag = 0; tag < 3; tag++) {
        cpu->virt.tag = (uint16_t)tag;
        cpu_update_mode(cpu);
        cache(cpu, la_of(tag), 0x400000);
    }
    for (unsigned n = 0; n < 4; n++) remap(cpu, la_of(n), 0x401000);
    tlb_flush_tag(cpu, true, 1, -1);
    static const uint64_t want[] = {0x400000, 0x401000, 0x400000};
    for (unsigned tag = 0; tag < 3; tag++) {
        cpu->virt.tag = (uint16_t)tag;
        cpu_update_mode(cpu);
        assert_int_equal(read_la(cpu, la_of(tag)), want[tag]);
    }
    cpu->virt.guest = false;
    cpu_update_mode(cpu);
    assert_cached(cpu, la_of(3), 0x400000);
}

static void set_pcid(struct cpu *cpu, unsigned pcid) {
    cpu->ctl.cr3 = PML4 | pcid;
    cpu_update_mode(cpu);
}

static void test_tlb_pcids_are_apart(void **state) {
    struct cpu *cpu = *state;
    cpu->ctl.cr4 |= CR4_PCIDE;
    for (unsigned pcid = 1; pcid < 4; pcid++) {
        set_pcid(cpu, pcid);
        cache(cpu, la_of(pcid), 0x400000);
    }
    for (unsigned pcid = 1; pcid < 4; pcid++) remap(cpu, la_of(pcid), 0x401000);
    tlb_flush_current(cpu, false); /* 3 */
    tlb_flush_tag(cpu, false, 0, 1);
    static const uint64_t want[] = {0, 0x401000, 0x400000, 0x401000};
    for (unsigned pcid = 1; pcid < 4; pcid++) {
        set_pcid(cpu, pcid);
        assert_int_equal(read_la(cpu, la_of(pcid)), want[pcid]);
    }
    tlb_flush_current(cpu, true);
    set_pcid(cpu, 2);
    assert_flushed(cpu, la_of(2), 0x401000);
}

static void test_tlb_second_stage_flush(void **state) {
    struct cpu *cpu = *state;
    const uint64_t root[2] = {0x200000, 0x300000};
    cpu->virt.guest = true;
    cpu->virt.second_stage.kind = MMU_STAGE2_EPT;
    cache(cpu, 0x5000, 0x400000); /* host */
    cpu->ctl.cr0 &= ~(uint32_t)CR0_PG;
    cpu->ctl.efer = 0;
    for (unsigned k = 0; k < 2; k++) {
        put(cpu, 0x400000 + 0x1000 * k, 0x400000 + 0x1000 * k);
        map_at(cpu, root[k], 0x5000, 3, (0x400000 + 0x1000 * k) | 0x37);
        cpu->virt.second_stage.root = root[k] | 0x1E;
        cpu_update_mode(cpu);
        assert_int_equal(read_la(cpu, 0x5000), 0x400000 + 0x1000 * k);
        map_at(cpu, root[k], 0x5000, 3, 0x406000 | 0x37);
        put(cpu, 0x406000, 0x406000);
    }
    tlb_flush_second_stage(cpu, root[0] | 0x5E); /* the address decides, not the control bits */
    assert_cached(cpu, 0x5000, 0x401000);
    cpu->virt.second_stage.root = root[0] | 0x1E;
    cpu_update_mode(cpu);
    assert_flushed(cpu, 0x5000, 0x406000);
    tlb_flush_second_stage(cpu, ~0ull);
    cpu->virt.second_stage.root = root[1] | 0x1E;
    cpu_update_mode(cpu);
    assert_flushed(cpu, 0x5000, 0x406000);
}

static void test_tlb_privileges_are_apart(void **state) {
    struct cpu *cpu = *state;
    put(cpu, 0x400000, 7);
    map(cpu, LA, 0x400000 | P | RW);
    assert_int_equal(read_la(cpu, LA), 7);
    cpu->cpl = 3;
    cpu_update_mode(cpu);
    ASSERT_RAISES(cpu, VEC_PF, read_la(cpu, LA));
    assert_int_equal(cpu->raised.error, PF_P | PF_U);
    assert_int_equal(cpu->raised.info, LA);
    assert_int_equal(mem_sys_read(cpu, LA, 8), 7); /* implicit accesses are the supervisor's */
}

static void test_tlb_smap_depends_on_ac(void **state) {
    struct cpu *cpu = *state;
    cpu->ctl.cr4 |= CR4_SMAP;
    cpu->rflags |= FLAG_AC;
    cpu_update_mode(cpu);
    cache(cpu, LA, 0x400000);
    cpu->rflags &= ~FLAG_AC;
    cpu_update_mode(cpu);
    ASSERT_RAISES(cpu, VEC_PF, read_la(cpu, LA));
    cpu->rflags |= FLAG_AC;
    cpu_update_mode(cpu);
    assert_cached(cpu, LA, 0x400000);
    ASSERT_RAISES(cpu, VEC_PF, mem_sys_read(cpu, LA, 8));
}

static void test_tlb_control_bits_are_part_of_the_context(void **state) {
    struct cpu *cpu = *state;
    put(cpu, 0x400000, 7);
    map(cpu, LA, 0x400000 | P);
    cpu->ctl.cr0 &= ~CR0_WP;
    cpu_update_mode(cpu);
    mem_write64(cpu, &none, LA, 9);
    mem_write64(cpu, &none, LA, 9);
    cpu->ctl.cr0 |= CR0_WP;
    cpu_update_mode(cpu);
    ASSERT_RAISES(cpu, VEC_PF, (mem_write64(cpu, &none, LA, 1), 0));
    assert_int_equal(cpu->raised.error, PF_P | PF_W);
}

static void test_tlb_invlpg_drops_one_page(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    cache(cpu, LA + 0x1000, 0x401000);
    remap(cpu, LA, 0x402000);
    remap(cpu, LA + 0x1000, 0x403000);
    tlb_flush_page(cpu, LA + 0x123);
    assert_flushed(cpu, LA, 0x402000);
    assert_cached(cpu, LA + 0x1000, 0x401000);
}

static void test_tlb_invlpg_drops_user_and_supervisor(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    cpu->cpl = 3;
    cpu_update_mode(cpu);
    assert_int_equal(read_la(cpu, LA), 0x400000);
    cpu->cpl = 0;
    cpu_update_mode(cpu);
    remap(cpu, LA, 0x401000);
    tlb_flush_page(cpu, LA);
    assert_flushed(cpu, LA, 0x401000);
    cpu->cpl = 3;
    cpu_update_mode(cpu);
    assert_flushed(cpu, LA, 0x401000);
}

static void invlpg_in_large_page(struct cpu *cpu, uint64_t la) {
    uint64_t at = map_at(cpu, PML4, la, 2, 0x400000 | PRWU | PS);
    put(cpu, 0x400000, 1);
    put(cpu, 0x5FF000, 2);
    put(cpu, 0x600000, 3);
    put(cpu, 0x7FF000, 4);
    assert_int_equal(read_la(cpu, la), 1);
    assert_int_equal(read_la(cpu, la + 0x1FF000), 2);
    put(cpu, at, 0x600000 | PRWU | PS);
    tlb_flush_page(cpu, la + 0x100000);
    assert_int_equal(read_la(cpu, la), 3);
    assert_int_equal(read_la(cpu, la + 0x1FF000), 4);
}

static void test_tlb_invlpg_in_a_2m_page_drops_all_of_it(void **state) {
    invlpg_in_large_page(*state, 0x40000000);
    invlpg_in_large_page(*state, 0xFFFFFFFFFFC00000ull - 0x8000000000ull);
}

static void test_tlb_invlpg_in_a_1g_page_drops_all_of_it(void **state) {
    struct cpu *cpu = *state;
    uint64_t la = 0x80000000, at = map_at(cpu, PML4, la, 1, PRWU | PS);
    put(cpu, 0x400000, 1);
    assert_int_equal(read_la(cpu, la + 0x400000), 1);
    put(cpu, at, 0);
    tlb_flush_page(cpu, la + 0x3FFFFFFF);
    ASSERT_RAISES(cpu, VEC_PF, read_la(cpu, la + 0x400000));
}

static void test_tlb_invlpg_drops_large_guest_page_on_small_backing(void **state) {
    struct cpu *cpu = *state;
    uint64_t ept = 0x200000;
    map_at(cpu, PML4, LA, 2, PRWU | PS);
    for (uint64_t pa = 0; pa < 0x100000; pa += 0x1000) map_at(cpu, ept, pa, 3, pa | 0x37);
    put(cpu, 0x80000, 5);
    cpu->virt.guest = true;
    cpu->virt.tag = 1;
    cpu->virt.second_stage = (struct virt_second_stage){.kind = MMU_STAGE2_EPT, .root = ept | 0x1E};
    cpu_update_mode(cpu);
    assert_int_equal(read_la(cpu, LA + 0x80000), 5);
    map_at(cpu, PML4, LA, 2, 0);
    tlb_flush_page(cpu, LA + 0x1000); /* another fragment of the same page */
    ASSERT_RAISES(cpu, VEC_PF, read_la(cpu, LA + 0x80000));
}

static void test_tlb_invlpg_reaches_fetches(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, 0x400000 | PRWU);
    map(cpu, LA + 0x1000, 0x402000 | PRWU);
    assert_int_equal(mem_fetch_translate(cpu, LA + 5), 0x400005);
    uint64_t key = cpu->fetch_key;
    map(cpu, LA, 0x401000 | PRWU);
    assert_int_equal(mem_fetch_translate(cpu, LA + 5), 0x400005);
    tlb_flush_page(cpu, LA + 0x1000); /* gave no code: nothing is lost */
    assert_int_equal(cpu->fetch_key, key);
    tlb_flush_page(cpu, LA);
    assert_int_not_equal(cpu->fetch_key, key); /* the jump cache's entries don't match any more */
    assert_int_equal(mem_fetch_translate(cpu, LA + 5), 0x401005);
}

static void test_tlb_invlpg_reaches_fetches_from_large_pages(void **state) {
    struct cpu *cpu = *state;
    uint64_t at = map_at(cpu, PML4, LA, 2, 0x400000 | PRWU | PS);
    assert_int_equal(mem_fetch_translate(cpu, LA + 0x12345), 0x412345);
    put(cpu, at, 0x600000 | PRWU | PS);
    tlb_flush_page(cpu, LA + 0x100000);
    assert_int_equal(mem_fetch_translate(cpu, LA + 0x12345), 0x612345);
}

static void test_tlb_invlpga_touches_only_its_space(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, la_of(0), 0x400000);
    cpu->virt.guest = true;
    cpu->virt.tag = 5;
    cpu_update_mode(cpu);
    cache(cpu, la_of(1), 0x401000);
    cache(cpu, la_of(2), 0x402000);
    for (unsigned n = 0; n < 3; n++) remap(cpu, la_of(n), 0x403000);
    tlb_flush_page_tag(cpu, true, 5, -1, la_of(0));
    tlb_flush_page_tag(cpu, true, 5, -1, la_of(1));
    assert_flushed(cpu, la_of(1), 0x403000);
    assert_cached(cpu, la_of(2), 0x402000);
    cpu->virt.guest = false;
    cpu_update_mode(cpu);
    assert_cached(cpu, la_of(0), 0x400000);
}

static void test_tlb_numbers_run_out_and_start_again(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    mem_fetch_translate(cpu, LA);
    for (unsigned n = 0; n < 3 * TLB_CTX_MAX; n++) {
        uint64_t pa = 0x400000 + (n & 3) * 0x1000;
        remap(cpu, LA, pa);
        cpu->jump[n % JUMP_CACHE_SIZE] = (struct jump_entry){.la = LA, .key = cpu->fetch_key};
        tlb_flush_current(cpu, false);
        for (unsigned k = 0; k < JUMP_CACHE_SIZE; k += 997) assert_int_not_equal(cpu->jump[k].key, cpu->fetch_key);
        assert_true(cpu->tlb.ctx != TLB_CTX_NONE && cpu->tlb.ctx < TLB_CTX_MAX);
        assert_int_equal(cpu->fetch_key >> 8, tlb_exec_ctx(cpu));
        assert_int_equal(read_la(cpu, LA), pa);
        assert_int_equal(mem_fetch_translate(cpu, LA), pa);
    }
}

static void test_tlb_wrap_in_a_foreign_variant_renumbers_the_current_one(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    cpu->tlb.next_ctx = TLB_CTX_MAX;
    uint8_t byte;
    mem_read_bytes(cpu, LA, &byte, 1, MEM_USER); /* gives the user variant its number: the tables start anew */
    assert_int_equal(cpu->tlb.ctx, cpu->tlb.space->ctx[TLB_SUPER]);
    assert_int_not_equal(cpu->tlb.ctx, cpu->tlb.space->ctx[TLB_USER]);
    assert_int_equal(read_la(cpu, LA), 0x400000);
}

static void test_tlb_more_spaces_than_slots_stay_right(void **state) {
    struct cpu *cpu = *state;
    cpu->virt.guest = true;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned tag = 1; tag < TLB_SPACES * 2; tag++) {
            cpu->virt.tag = (uint16_t)tag;
            cpu_update_mode(cpu);
            tlb_flush_current(cpu, true);
            remap(cpu, LA, 0x400000 + (tag & 7) * 0x1000);
            assert_int_equal(read_la(cpu, LA), 0x400000 + (tag & 7) * 0x1000);
        }
    }
}

/* Flushes that find the tables as they were keep the numbers; whatever changes an entry, or where walks start, ends
 * that. */
static void test_tlb_flush_of_untouched_tables_keeps_what_walks_would_find(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    for (unsigned n = 0; n < TLB_TRACK_AFTER; n++) tlb_flush_current(cpu, false);
    assert_cached(cpu, LA, 0x400000);
    uint64_t ctx = cpu->tlb.ctx, key = cpu->fetch_key;
    tlb_flush_current(cpu, false);
    assert_int_equal(cpu->tlb.ctx, ctx);
    assert_int_equal(cpu->fetch_key, key);
    remap(cpu, LA, 0x401000);
    assert_cached(cpu, LA, 0x400000);
    tlb_flush_current(cpu, false);
    assert_flushed(cpu, LA, 0x401000);
    ctx = cpu->tlb.ctx;
    uint64_t root = cpu->ctl.cr3 ^ 0x8; /* PWT: any other value of CR3 */
    cpu->ctl.cr3 = root;
    tlb_flush_current(cpu, false);
    assert_int_not_equal(cpu->tlb.ctx, ctx);
    assert_flushed(cpu, LA, 0x401000);
    ctx = cpu->tlb.ctx;
    tlb_flush_all(cpu);
    assert_int_not_equal(cpu->tlb.ctx, ctx);
}

/* The guest's own store to an entry, through a mapping of the table that was writable before the entry was read. */
static void test_tlb_store_to_a_read_entry_ends_its_use(void **state) {
    struct cpu *cpu = *state;
    uint64_t entry = map(cpu, LA, 0x400000 | PRWU), window = LA + 0x200000;
    put(cpu, 0x400000, 0x400000);
    put(cpu, 0x401000, 0x401000);
    map(cpu, window, (entry & ~0xFFFull) | PRWU);
    for (unsigned n = 0; n < TLB_TRACK_AFTER; n++) tlb_flush_current(cpu, false);
    mem_write64(cpu, &none, window + (entry & 0xFFF), 0x400000 | PRWU);
    mem_write64(cpu, &none, window + 0xFF8, 0);
    assert_cached(cpu, LA, 0x400000);
    mem_write64(cpu, &none, window + (entry & 0xFFF), 0x401000 | PRWU);
    assert_cached(cpu, LA, 0x400000);
    tlb_flush_current(cpu, false);
    assert_flushed(cpu, LA, 0x401000);
}

static void test_tlb_by_physical_page(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, LA, 0x400000);
    mem_write64(cpu, &none, LA, 1);
    struct tlb_entry *e = &cpu->tlb.e[tlb_index(LA)];
    assert_int_equal(e->tag_w, LA | cpu->tlb.ctx);
    tlb_protect_phys(cpu, 0x400000);
    assert_int_equal(e->tag_w, ~0ull);
    assert_int_equal(e->tag_r, LA | cpu->tlb.ctx);
    mem_write64(cpu, &none, LA, 2); /* holds no code: may be written fast again */
    assert_int_equal(e->tag_w, LA | cpu->tlb.ctx);
    tlb_drop_phys(cpu, 0x400FFF);
    assert_int_equal(e->tag_r, ~0ull);
}

/* Entries above the last table may be kept as well; INVLPG of any address and every flush drop them. */
static void test_tlb_kept_tables_are_dropped(void **state) {
    struct cpu *cpu = *state;
    cache(cpu, la_of(0), 0x400000);
    map(cpu, la_of(1), 0x401000 | PRWU);
    put(cpu, 0x401000, 0x401000);
    uint64_t pml4e = get(cpu, PML4 + (LA >> 39) * 8);
    put(cpu, PML4 + (LA >> 39) * 8, 0);
    assert_int_equal(read_la(cpu, la_of(1)), 0x401000); /* by the kept table */
    tlb_flush_page(cpu, la_of(1));
    ASSERT_RAISES(cpu, VEC_PF, read_la(cpu, la_of(1)));
    put(cpu, PML4 + (LA >> 39) * 8, pml4e);
    assert_int_equal(read_la(cpu, la_of(1)), 0x401000);
    put(cpu, PML4 + (LA >> 39) * 8, 0);
    tlb_flush_page(cpu, 0x777000);
    assert_cached(cpu, la_of(1), 0x401000);
    ASSERT_RAISES(cpu, VEC_PF, read_la(cpu, la_of(2)));
    put(cpu, PML4 + (LA >> 39) * 8, pml4e);
    map(cpu, la_of(2), 0x402000 | PRWU);
    put(cpu, PML4 + (LA >> 39) * 8, pml4e & ~(uint64_t)RW);
    tlb_flush_current(cpu, false);
    read_la(cpu, la_of(2));
    put(cpu, PML4 + (LA >> 39) * 8, pml4e); /* more rights need no flush */
    mem_write64(cpu, &none, la_of(2), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CPU_TEST(test_tlb_keeps_until_flushed),
        CPU_TEST(test_tlb_flush_takes_effect_without_update_mode),
        CPU_TEST(test_tlb_world_switch_keeps_both_worlds),
        CPU_TEST(test_tlb_flush_tag_touches_only_that_tag),
        CPU_TEST(test_tlb_pcids_are_apart),
        CPU_TEST(test_tlb_second_stage_flush),
        CPU_TEST(test_tlb_privileges_are_apart),
        CPU_TEST(test_tlb_smap_depends_on_ac),
        CPU_TEST(test_tlb_control_bits_are_part_of_the_context),
        CPU_TEST(test_tlb_invlpg_drops_one_page),
        CPU_TEST(test_tlb_invlpg_drops_user_and_supervisor),
        CPU_TEST(test_tlb_invlpg_in_a_2m_page_drops_all_of_it),
        CPU_TEST(test_tlb_invlpg_in_a_1g_page_drops_all_of_it),
        CPU_TEST(test_tlb_invlpg_drops_large_guest_page_on_small_backing),
        CPU_TEST(test_tlb_invlpg_reaches_fetches),
        CPU_TEST(test_tlb_invlpg_reaches_fetches_from_large_pages),
        CPU_TEST(test_tlb_invlpga_touches_only_its_space),
        CPU_TEST(test_tlb_numbers_run_out_and_start_again),
        CPU_TEST(test_tlb_wrap_in_a_foreign_variant_renumbers_the_current_one),
        CPU_TEST(test_tlb_more_spaces_than_slots_stay_right),
        CPU_TEST(test_tlb_by_physical_page),
        CPU_TEST(test_tlb_flush_of_untouched_tables_keeps_what_walks_would_find),
        CPU_TEST(test_tlb_store_to_a_read_entry_ends_its_use),
        CPU_TEST(test_tlb_kept_tables_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
