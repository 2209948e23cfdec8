/* Operands in several parts that wrap at 4 GiB, because the segment's base says so: each part is where the processor
 * finds it, and INVLPG of its page drops its translation. */
#include "core_world.h"
#include "sim/core/run.h"

#define ENTRY   0x8000u
#define HANDLER 0x9000u
#define LAST    0x300000u /* where the page at FFFFF000H lies */
#define FIRST   0x301000u /* where the page at 0 lies; a page further when it has been replaced */

/* 32-bit paging: 4 MiB one to one, but for the page at 0; the last page of all. DS:0 is FFFFFFFCH. */
static void prepare(struct cpu *cpu, const uint8_t *code, unsigned size) {
    world_protected(cpu, 0);
    poke(cpu, 0x1000, 4, 0x2003);
    poke(cpu, 0x1FFC, 4, 0x3003);
    for (unsigned n = 1; n < 1024; n++) poke(cpu, 0x2000 + 4 * n, 4, n << 12 | 3);
    poke(cpu, 0x2000, 4, FIRST | 3);
    poke(cpu, 0x3FFC, 4, LAST | 3);
    put_gate(cpu, IDT + VEC_BR * 8, SEL_CODE0, HANDLER, AR_P | DESC_INT, 0);
    phys_write_bytes(cpu, ENTRY, code, size);
    poke(cpu, ENTRY + size, 1, 0xF4);
    poke(cpu, HANDLER, 1, 0xF4);
    cpu->ctl.cr3 = 0x1000;
    cr0_set(cpu, CR0_PE | CR0_PG);
    cpu->seg[SEG_DS].base = 0xFFFFFFFC;
}

static void run(struct cpu *cpu) {
    cpu->rip = ENTRY;
    cpu->intr.activity = ACT_ACTIVE;
    cpu->gpr[RBX] = 0;
    assert_int_equal(cpu_run(cpu, 1000), RUN_IDLE);
}
static void replace_first(struct cpu *cpu) {
    poke(cpu, 0x2000, 4, (FIRST + 0x1000) | 3);
    tlb_flush_page(cpu, 0);
}

static void test_wrap_cmpxchg8b(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu, (const uint8_t[]){0x0F, 0xC7, 0x0B}, 3); /* cmpxchg8b [ebx] */
    poke(cpu, LAST + 0xFFC, 4, 0x11111111);
    poke(cpu, FIRST, 4, 0x22222222);
    poke(cpu, FIRST + 0x1000, 4, 0x33333333);
    cpu->gpr[RAX] = cpu->gpr[RDX] = 0;
    run(cpu);
    assert_int_equal(cpu->gpr[RAX], 0x11111111);
    assert_int_equal(cpu->gpr[RDX], 0x22222222);
    replace_first(cpu);
    run(cpu); /* still the low half, another high half */
    assert_int_equal(cpu->gpr[RDX], 0x33333333);
    cpu->gpr[RCX] = 0x55555555;
    run(cpu); /* equal: stored */
    assert_int_equal(peek(cpu, FIRST + 0x1000, 4), 0x55555555);
    assert_int_equal(peek(cpu, FIRST, 4), 0x22222222);
}

static void test_wrap_far_pointers(void **state) {
    static const struct {
        uint8_t code[3], size;
        enum seg_id seg;
    } forms[] = {
        {{0xC4, 0x03},       2, SEG_ES}, /* les eax, [ebx] */
        {{0x0F, 0xB4, 0x03}, 3, SEG_FS}, /* lfs eax, [ebx] */
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned n = 0; n < 2; n++) {
        prepare(cpu, forms[n].code, forms[n].size);
        tlb_flush_all(cpu);
        poke(cpu, LAST + 0xFFC, 4, 0x12345678);
        poke(cpu, FIRST, 2, SEL_DATA0);
        poke(cpu, FIRST + 0x1000, 2, SEL_CODE0);
        run(cpu);
        assert_int_equal(cpu->gpr[RAX], 0x12345678);
        assert_int_equal(cpu->seg[forms[n].seg].sel, SEL_DATA0);
        replace_first(cpu);
        run(cpu);
        assert_int_equal(cpu->seg[forms[n].seg].sel, SEL_CODE0);
    }
}

static void test_wrap_bound(void **state) {
    struct cpu *cpu = cpu_of(state);
    prepare(cpu, (const uint8_t[]){0x62, 0x03}, 2); /* bound eax, [ebx] */
    poke(cpu, LAST + 0xFFC, 4, 0);
    poke(cpu, FIRST, 4, 10);
    poke(cpu, FIRST + 0x1000, 4, 5);
    cpu->gpr[RAX] = 7;
    run(cpu);
    assert_int_equal(cpu->rip, ENTRY + 3);
    replace_first(cpu);
    run(cpu);
    assert_int_equal(cpu->rip, HANDLER + 1); /* #BR */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_wrap_cmpxchg8b),
        TEST(test_wrap_far_pointers),
        TEST(test_wrap_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
