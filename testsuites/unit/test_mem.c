/* Slow paths of memory accesses: page crossings, faults and their priorities, devices, code pages, the special page. */
#include "testsuites/unit/cpu_world.h"

#include "sim/ops/op.h"

#define LA  0x10000000ull
#define PA  0x400000ull
#define BUS 0xE0000000ull

static const struct insn plain = {
    .left = 1, .seg = SEG_DS, .flags = INSN_MEM, .id = INSN_MOV, .base = REG_ZERO, .index = REG_ZERO};

/* ---- page crossings ---- */

static void test_crossing_reads_and_writes_both_pages(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | PRWU);
    map(cpu, LA + 0x1000, (PA + 0x5000) | PRWU);
    for (unsigned size = 2; size <= 8; size *= 2) {
        for (unsigned first = 1; first < size; first++) {
            uint64_t la = LA + 0x1000 - first, val = 0x8877665544332211ull & (~0ull >> (64 - 8 * size)), out = 0;
            mem_write_slow(cpu, &plain, la, size, val);
            assert_int_equal(mem_read_slow(cpu, &plain, la, size), val);
            memcpy(&out, cpu->machine->ram + PA + 0x1000 - first, first);
            memcpy((char *)&out + first, cpu->machine->ram + PA + 0x5000, size - first);
            assert_int_equal(out, val);
        }
    }
}

static void test_crossing_write_is_all_or_nothing(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | PRWU);
    map(cpu, LA + 0x1000, (PA + 0x1000) | P | US);
    put(cpu, PA + 0xFF8, 0x1234);
    ASSERT_RAISES(cpu, VEC_PF, (mem_write64(cpu, &plain, LA + 0xFFC, ~0ull), 0));
    assert_int_equal(cpu->raised.info, LA + 0x1000); /* the first byte of the page that faults */
    assert_int_equal(cpu->raised.error, PF_P | PF_W);
    assert_int_equal(get(cpu, PA + 0xFF8), 0x1234);
}

static void test_crossing_first_page_faults_first(void **state) {
    struct cpu *cpu = *state;
    ASSERT_RAISES(cpu, VEC_PF, mem_read64(cpu, &plain, LA + 0xFFC));
    assert_int_equal(cpu->raised.info, LA + 0xFFC);
    assert_int_equal(cpu->raised.error, 0);
}

static void test_crossing_wraps_at_4g_outside_64bit_mode(void **state) {
    struct cpu *cpu = *state;
    cpu->ctl.cr0 = CR0_PE;
    cpu->ctl.efer = 0;
    cpu->seg[SEG_CS].ar = AR_P | AR_S | AR_CODE | AR_DB;
    cpu_update_mode(cpu);
    put(cpu, 0, 0x5678);
    cpu->step = true;
    assert_int_equal(mem_read32(cpu, &plain, 0xFFFFFFFE), 0x5678FFFF); /* nothing lies below 4 GiB */
}

static void test_rmw_faults_as_a_write_before_reading(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | P | US);
    ASSERT_RAISES(cpu, VEC_PF, mem_rmw_read_slow(cpu, &plain, LA, 4));
    assert_int_equal(cpu->raised.error, PF_P | PF_W);
    uint64_t at = map(cpu, LA, PA | PRWU);
    put(cpu, PA, 77);
    assert_int_equal(mem_rmw_read_slow(cpu, &plain, LA, 4), 77);
    assert_int_equal(get(cpu, at) & (PTE_A | PTE_D), PTE_A | PTE_D);
}

static void test_dirty_is_set_by_the_first_write(void **state) {
    struct cpu *cpu = *state;
    uint64_t at = map(cpu, LA, PA | PRWU);
    mem_read64(cpu, &plain, LA);
    assert_int_equal(get(cpu, at), PA | PRWU | PTE_A);
    assert_null(mem_rmw64(cpu, LA));
    mem_write64(cpu, &plain, LA, 5);
    assert_int_equal(get(cpu, at), PA | PRWU | PTE_A | PTE_D);
    assert_ptr_equal(mem_rmw64(cpu, LA), cpu->machine->ram + PA);
}

/* ---- addresses ---- */

static void test_non_canonical_raises_gp_or_ss(void **state) {
    struct cpu *cpu = *state;
    const uint64_t bad = 1ull << 47;
    struct insn i = plain;
    ASSERT_RAISES(cpu, VEC_GP, mem_read64(cpu, &i, bad));
    assert_int_equal(cpu->raised.error, 0);
    i.seg = SEG_SS;
    ASSERT_RAISES(cpu, VEC_SS, mem_read64(cpu, &i, bad));
    i = (struct insn){.left = 1, .id = INSN_POP};
    ASSERT_RAISES(cpu, VEC_SS, mem_read64(cpu, &i, bad));
    i = (struct insn){.left = 1, .id = INSN_PUSH, .flags = INSN_MEM, .seg = SEG_DS};
    ASSERT_RAISES(cpu, VEC_GP, mem_read64(cpu, &i, bad)); /* the operand */
    ASSERT_RAISES(cpu, VEC_SS, (mem_write64(cpu, &i, bad, 0), 0));
    ASSERT_RAISES(cpu, VEC_GP, mem_sys_read(cpu, bad, 8));
    map(cpu, bad - 0x1000, PA | PRWU);
    ASSERT_RAISES(cpu, VEC_GP, mem_read64(cpu, &plain, bad - 4)); /* runs over the edge */
}

static void test_a20_masks_physical_addresses(void **state) {
    struct cpu *cpu = *state;
    put(cpu, 0x400000, 4);
    put(cpu, 0x500000, 5);
    map(cpu, LA, 0x500000 | PRWU);
    assert_int_equal(mem_read64(cpu, &plain, LA), 5);
    machine_set_a20(cpu->machine, false);
    assert_int_equal(mem_read64(cpu, &plain, LA), 4);
    assert_int_equal(mem_fetch_translate(cpu, LA), 0x400000);
    assert_int_equal(phys_read(cpu, 0x500000, 8), 4);
    machine_set_a20(cpu->machine, true);
    assert_int_equal(mem_read64(cpu, &plain, LA), 5);
}

/* ---- alignment and debug ---- */

static void test_alignment_check_at_cpl3_only(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | PRWU);
    cpu->ctl.cr0 |= CR0_AM;
    cpu->rflags |= FLAG_AC;
    cpu_update_mode(cpu);
    mem_read32(cpu, &plain, LA + 2);
    cpu->cpl = 3;
    cpu_update_mode(cpu);
    assert_int_equal(cpu->tlb.ctx, TLB_CTX_NONE);
    mem_read32(cpu, &plain, LA + 4);
    mem_read8(cpu, &plain, LA + 1);
    mem_sys_read(cpu, LA + 1, 4);
    ASSERT_RAISES(cpu, VEC_AC, mem_read32(cpu, &plain, LA + 2));
    assert_int_equal(cpu->raised.error, 0);
    ASSERT_RAISES(cpu, VEC_AC, (mem_write16(cpu, &plain, LA + 1, 0), 0));
    ASSERT_RAISES(cpu, VEC_AC, mem_read32(cpu, &plain, LA + 0x2002)); /* before a page fault */
    cpu->rflags &= ~FLAG_AC;
    cpu_update_mode(cpu);
    mem_read32(cpu, &plain, LA + 2);
}

static void test_data_breakpoint_is_pending_after_the_access(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | PRWU);
    cpu->dbg.dr[1] = LA + 8;
    cpu->dbg.dr7 = DR7_FIXED | 1u << 2 | 1u << 20 | 3u << 22; /* L1, write, four bytes */
    cpu_update_mode(cpu);
    mem_read64(cpu, &plain, LA + 8);
    mem_write32(cpu, &plain, LA + 4, 1);
    assert_int_equal(cpu->dbg.pending, 0);
    mem_write8(cpu, &plain, LA + 11, 1);
    assert_int_equal(cpu->dbg.pending & 15, 2);
}

/* ---- devices ---- */

struct probe_device {
    struct device d;
    uint64_t offset, val;
    unsigned size, reads, writes;
};
static uint64_t probe_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct probe_device *p = (struct probe_device *)d;
    (void)range;
    p->offset = offset;
    p->size = size;
    p->reads++;
    return 0xA5A5A5A5A5A5A5A5ull;
}
static void probe_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct probe_device *p = (struct probe_device *)d;
    (void)range;
    p->offset = offset;
    p->size = size;
    p->val = val;
    p->writes++;
}
static const struct device_ops probe_ops = {.name = "probe", .read = probe_read, .write = probe_write};

static void test_device_access_asks_for_a_single_instruction_first(void **state) {
    struct cpu *cpu = *state;
    struct probe_device dev = {
        .d = {.ops = &probe_ops, .machine = cpu->machine}
    };
    machine_map_mmio(cpu->machine, &dev.d, 0, BUS, 0x1000);
    map(cpu, LA, BUS | PRWU);
    if (setjmp(cpu->landing) == 0) {
        mem_write32(cpu, &plain, LA + 0x20, 7);
        fail_msg("went on");
    }
    assert_int_equal(dev.writes, 0);
    cpu->step = true;
    mem_write32(cpu, &plain, LA + 0x20, 7);
    assert_int_equal(dev.writes, 1);
    assert_int_equal(dev.offset, 0x20);
    assert_int_equal(dev.size, 4);
    assert_int_equal(dev.val, 7);
    assert_int_equal(mem_read16(cpu, &plain, LA + 2), 0xA5A5);
    assert_int_equal(mem_read16(cpu, &plain, LA + 2), 0xA5A5);
    assert_int_equal(dev.reads, 2); /* never from the cache */
    unsigned len = 1;
    assert_null(mem_host_run(cpu, &plain, LA, MEM_READ, &len));
    assert_int_equal(len, 0);
}

static void test_unmapped_physical_reads_ones_and_drops_writes(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, 0xD0000000 | PRWU);
    cpu->step = true;
    mem_write64(cpu, &plain, LA, 0);
    assert_int_equal(mem_read64(cpu, &plain, LA), ~0ull);
    assert_int_equal(mem_read8(cpu, &plain, LA), 0xFF);
    assert_int_equal(phys_read(cpu, 0xD0000000, 4), 0xFFFFFFFF);
}

static void test_crossing_from_ram_into_a_device(void **state) {
    struct cpu *cpu = *state;
    struct probe_device dev = {
        .d = {.ops = &probe_ops, .machine = cpu->machine}
    };
    machine_map_mmio(cpu->machine, &dev.d, 0, BUS, 0x1000);
    map(cpu, LA, PA | PRWU);
    map(cpu, LA + 0x1000, BUS | PRWU);
    cpu->step = true;
    put(cpu, PA + 0xFF8, 0x1122334455667788ull);
    assert_int_equal(mem_read32(cpu, &plain, LA + 0xFFE), 0xA5A51122);
    mem_write32(cpu, &plain, LA + 0xFFD, 0xDDCCBBAA);
    assert_int_equal(get(cpu, PA + 0xFF8), 0xCCBBAA4455667788ull);
    assert_int_equal(dev.val, 0xDD);
    assert_int_equal(dev.size, 1);
}

/* ---- special page ---- */

static uint64_t special_seen, special_size;
static bool special_access(struct cpu *cpu, uint64_t phys, unsigned size, unsigned access, uint64_t *val) {
    (void)cpu;
    special_seen = phys;
    special_size = size;
    if (access & MEM_READ) *val = 0x42;
    return true;
}

static void test_special_page_is_asked_every_time(void **state) {
    struct cpu *cpu = *state;
    struct virt_ops ops = {.special_access = special_access};
    cpu->virt.ops = &ops;
    map(cpu, LA, PA | PRWU);
    cpu->virt.special_page = PA;
    mem_write64(cpu, &plain, LA, 1); /* outside a guest it is a page like others */
    assert_int_equal(get(cpu, PA), 1);
    cpu->virt.guest = true;
    cpu->virt.tag = 1;
    cpu->step = true;
    cpu_update_mode(cpu);
    for (unsigned n = 0; n < 3; n++) {
        special_seen = 0;
        assert_int_equal(mem_read32(cpu, &plain, LA + 0x80 + n), 0x42);
        assert_int_equal(special_seen, PA + 0x80 + n);
        assert_int_equal(special_size, 4);
    }
    mem_write64(cpu, &plain, LA, 2);
    assert_int_equal(get(cpu, PA), 1);
}

/* ---- ranges ---- */

static void test_bytes_over_three_pages(void **state) {
    struct cpu *cpu = *state;
    uint8_t in[6000], out[6000];
    for (unsigned k = 0; k < sizeof in; k++) in[k] = (uint8_t)(k * 7);
    for (unsigned n = 0; n < 3; n++) map(cpu, LA + n * 0x1000, (PA + (2 - n) * 0x1000) | PRWU);
    mem_write_bytes(cpu, LA + 0xF00, in, sizeof in, MEM_WRITE);
    mem_read_bytes(cpu, LA + 0xF00, out, sizeof out, MEM_READ);
    assert_memory_equal(in, out, sizeof in);
    map(cpu, LA + 0x2000, 0);
    tlb_flush_all(cpu);
    memset(in, 0, sizeof in);
    ASSERT_RAISES(cpu, VEC_PF, (mem_write_bytes(cpu, LA + 0xF00, in, sizeof in, MEM_WRITE), 0));
    mem_read_bytes(cpu, LA + 0xF00, in, 0x100, MEM_READ);
    assert_memory_equal(in, out, 0x100); /* nothing was written */
    ASSERT_RAISES(cpu, VEC_PF, (mem_probe(cpu, &plain, LA + 0xF00, 6000, MEM_READ), 0));
    assert_int_equal(cpu->raised.info, LA + 0x2000);
}

static void test_host_run_ends_with_the_page(void **state) {
    struct cpu *cpu = *state;
    unsigned len = 0;
    map(cpu, LA, PA | P | US);
    assert_ptr_equal(mem_host_run(cpu, &plain, LA + 0x123, MEM_READ, &len), cpu->machine->ram + PA + 0x123);
    assert_int_equal(len, 0x1000 - 0x123);
    ASSERT_RAISES(cpu, VEC_PF, mem_host_run(cpu, &plain, LA, MEM_WRITE, &len));
}

/* ---- fetch, peek, PDPTEs ---- */

static void test_fetch_faults_report_the_fetch(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | PRWU | PTE_NX);
    ASSERT_RAISES(cpu, VEC_PF, mem_fetch_translate(cpu, LA + 1));
    assert_int_equal(cpu->raised.error, PF_P | PF_I);
    assert_int_equal(cpu->raised.info, LA + 1);
    map(cpu, LA, PA | PRWU);
    assert_int_equal(mem_fetch_translate(cpu, LA + 1), PA + 1);
    cpu->ctl.cr4 |= CR4_SMEP;
    cpu_update_mode(cpu);
    ASSERT_RAISES(cpu, VEC_PF, mem_fetch_translate(cpu, LA + 1));
    cpu->cpl = 3;
    cpu_update_mode(cpu);
    assert_int_equal(mem_fetch_translate(cpu, LA + 1), PA + 1);
    ASSERT_RAISES(cpu, VEC_GP, mem_fetch_translate(cpu, 1ull << 47));
}

static void test_peek_leaves_no_trace(void **state) {
    struct cpu *cpu = *state;
    uint64_t at = map(cpu, LA, PA | PRWU), pa = 0, val = 0;
    put(cpu, PA + 0xFFC, 0x99);
    cpu->ctl.cr4 |= CR4_SMAP;
    cpu_update_mode(cpu);
    assert_true(mem_peek_translate(cpu, LA + 0xFFC, &pa));
    assert_int_equal(pa, PA + 0xFFC);
    assert_true(mem_peek(cpu, LA + 0xFFC, &val, 4));
    assert_int_equal(val, 0x99);
    assert_false(mem_peek(cpu, LA + 0xFFC, &val, 8)); /* runs into an unmapped page */
    assert_int_equal(get(cpu, at), PA | PRWU);
    cpu->msr.pat = 0x0007040600070406ull;
    cpu->msr.mtrr_def_type = 1u << 11 | 6;
    assert_int_equal(mem_peek_memtype(cpu, LA), 6);
    assert_int_equal(mem_peek_memtype(cpu, LA + 0x5000), -1);
}

static void test_pdptes_are_loaded_or_refused(void **state) {
    struct cpu *cpu = *state;
    cpu->ctl.efer = 0;
    for (unsigned k = 0; k < 4; k++) put(cpu, 0x8000 + 8 * k, (0x9000 + k * 0x1000) | P);
    assert_true(mem_load_pdptes(cpu, 0x8000));
    assert_int_equal(cpu->ctl.pdpte[3], 0xC001);
    put(cpu, 0x8008, 0x9000 | P | RW);
    put(cpu, 0x8000, 0x1000 | P);
    assert_false(mem_load_pdptes(cpu, 0x8000));
    assert_int_equal(cpu->ctl.pdpte[0], 0x9001);
}

/* ---- decoded code ---- */

static void test_store_to_code_is_seen_by_the_block_cache(void **state) {
    struct cpu *cpu = *state;
    map(cpu, LA, PA | PRWU);
    memcpy(cpu->machine->ram + PA, "\xEB\xFE", 2); /* jmp . */
    mem_write8(cpu, &plain, LA + 0x800, 1);
    static struct op_table ops;
    cpu->machine->ops = &ops;
    op_table_build(&ops);
    cpu->rip = LA;
    const struct insn *first = block_lookup(cpu);
    assert_true(block_page_has_code(cpu->machine, PA));
    assert_int_equal(cpu->tlb.e[tlb_index(LA)].tag_w, ~0ull);
    unsigned len;
    assert_null(mem_host_run(cpu, &plain, LA, MEM_WRITE, &len));
    mem_write8(cpu, &plain, LA + 0x800, 2); /* beside the code: it stays */
    assert_ptr_equal(block_lookup(cpu), first);
    mem_write8(cpu, &plain, LA + 1, 0xFD);
    assert_ptr_equal(first->fn, op_stale);
    assert_false(block_page_has_code(cpu->machine, PA));
    mem_write8(cpu, &plain, LA + 1, 0xFC);
    assert_int_equal(cpu->tlb.e[tlb_index(LA)].tag_w, LA | cpu->tlb.ctx); /* fast again */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CPU_TEST(test_crossing_reads_and_writes_both_pages),
        CPU_TEST(test_crossing_write_is_all_or_nothing),
        CPU_TEST(test_crossing_first_page_faults_first),
        CPU_TEST(test_crossing_wraps_at_4g_outside_64bit_mode),
        CPU_TEST(test_rmw_faults_as_a_write_before_reading),
        CPU_TEST(test_dirty_is_set_by_the_first_write),
        CPU_TEST(test_non_canonical_raises_gp_or_ss),
        CPU_TEST(test_a20_masks_physical_addresses),
        CPU_TEST(test_alignment_check_at_cpl3_only),
        CPU_TEST(test_data_breakpoint_is_pending_after_the_access),
        CPU_TEST(test_device_access_asks_for_a_single_instruction_first),
        CPU_TEST(test_unmapped_physical_reads_ones_and_drops_writes),
        CPU_TEST(test_crossing_from_ram_into_a_device),
        CPU_TEST(test_special_page_is_asked_every_time),
        CPU_TEST(test_bytes_over_three_pages),
        CPU_TEST(test_host_run_ends_with_the_page),
        CPU_TEST(test_fetch_faults_report_the_fetch),
        CPU_TEST(test_peek_leaves_no_trace),
        CPU_TEST(test_pdptes_are_loaded_or_refused),
        CPU_TEST(test_store_to_code_is_seen_by_the_block_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
