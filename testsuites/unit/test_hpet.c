/* The high precision event timer: counter, one-shot and periodic comparators, edges and levels, legacy replacement,
 * messages. */
#include "testsuites/unit/fixture.h"

#include "sim/dev/hpet.h"
#include "sim/dev/pci.h"

#define TICK   (CYCLES_PER_SEC / 100000000) /* cycles */
#define VECTOR 0x61

enum { CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xF0 };
static unsigned timer_reg(unsigned n, unsigned reg) { return 0x100 + 0x20 * n + reg; }

static uint64_t get(struct machine *m, unsigned reg) { return mmio_read(m, HPET_BASE + reg, 8); }
static void put(struct machine *m, unsigned reg, uint64_t val) { mmio_write(m, HPET_BASE + reg, 8, val); }

static bool asserted(const struct machine *m, unsigned irq) { return m->irq_lines[IRQ_HPET] >> irq & 1; }

static void test_hpet_identifies_itself_and_counts_at_100_mhz(void **state) {
    struct machine *m = *state;
    assert_int_equal(get(m, 0), 10000000ull << 32 | HPET_ID);
    fixture_advance(m, 1000 * TICK);
    assert_int_equal(get(m, COUNTER), 0);
    put(m, CONFIG, 1);
    fixture_advance(m, 1000 * TICK);
    assert_int_equal(get(m, COUNTER), 1000);
    assert_int_equal(mmio_read(m, HPET_BASE + COUNTER, 4), 1000);
    put(m, CONFIG, 0);
    fixture_advance(m, 1000 * TICK);
    assert_int_equal(get(m, COUNTER), 1000);
    put(m, COUNTER, 0x1FFFFFFFFull);
    put(m, CONFIG, 1);
    fixture_advance(m, TICK);
    assert_int_equal(mmio_read(m, HPET_BASE + COUNTER + 4, 4), 2);
    fixture_advance(m, CYCLES_PER_SEC);
    assert_int_equal(get(m, COUNTER), 0x200000000ull + 100000000);
}

static void test_hpet_capabilities_are_read_only(void **state) {
    struct machine *m = *state;
    put(m, timer_reg(2, 0), ~0ull);
    assert_int_equal(get(m, timer_reg(2, 0)), 0x00F000000000FF7Eull);
    put(m, 0, 0);
    assert_int_equal(get(m, 0) & 0xFFFFFFFF, HPET_ID);
    assert_int_equal(get(m, 0x160), 0); /* a fourth timer */
    put(m, 0x160, ~0ull);
    mmio_write(m, HPET_BASE + 0x3FC, 8, ~0ull);
    mmio_write(m, HPET_BASE + 1, 1, 0xFF);
    assert_int_equal(get(m, CONFIG), 0);
}

static void test_hpet_one_shot_interrupts_at_its_tick(void **state) {
    struct machine *m = *state;
    put(m, timer_reg(2, 0), 1 << 2 | 20 << 9);
    put(m, timer_reg(2, 8), 500);
    put(m, CONFIG, 1);
    fixture_advance(m, 499 * TICK);
    assert_false(asserted(m, 20));
    fixture_advance(m, TICK);
    assert_true(asserted(m, 20));
    assert_int_equal(get(m, STATUS), 0); /* an edge leaves none */
    put(m, timer_reg(2, 0), 0);
    assert_false(asserted(m, 20));
}

static void test_hpet_level_holds_until_status_is_cleared(void **state) {
    struct machine *m = *state;
    put(m, timer_reg(1, 0), 1 << 2 | 1 << 1 | 21 << 9);
    put(m, timer_reg(1, 8), 100);
    put(m, CONFIG, 1);
    fixture_advance(m, 100 * TICK);
    assert_true(asserted(m, 21));
    assert_int_equal(get(m, STATUS), 2);
    put(m, STATUS, 1);
    assert_true(asserted(m, 21));
    put(m, STATUS, 2);
    assert_false(asserted(m, 21));
    assert_int_equal(get(m, STATUS), 0);
}

static void test_hpet_periodic_adds_the_last_value_written(void **state) {
    struct machine *m = *state;
    put(m, timer_reg(0, 0), 1 << 2 | 1 << 1 | 1 << 3 | 1 << 6 | 1 << 8 | 22 << 9);
    mmio_write(m, HPET_BASE + timer_reg(0, 8), 4, 1000); /* the accumulator */
    mmio_write(m, HPET_BASE + timer_reg(0, 8), 4, 300);  /* the period */
    put(m, CONFIG, 1);
    fixture_advance(m, 999 * TICK);
    assert_int_equal(get(m, STATUS), 0);
    fixture_advance(m, TICK);
    assert_int_equal(get(m, timer_reg(0, 8)), 1300);
    for (unsigned n = 0; n < 5; n++) {
        put(m, STATUS, 1);
        fixture_advance(m, 299 * TICK);
        assert_int_equal(get(m, STATUS), 0);
        fixture_advance(m, TICK);
        assert_int_equal(get(m, STATUS), 1);
    }
}

static void test_hpet_period_of_a_tick_is_not_served_faster_than_it_says(void **state) {
    struct machine *m = *state;
    put(m, timer_reg(0, 0), 1 << 2 | 1 << 3 | 1 << 6);
    put(m, timer_reg(0, 8), 1);
    put(m, CONFIG, 1);
    fixture_advance(m, 10 * TICK);
    assert_true(m->timers && m->timers->due - m->now >= (HPET_LEAST_TICKS - 10) * TICK);
}

static void test_hpet_legacy_replacement_takes_irq_0_and_8(void **state) {
    struct machine *m = *state;
    outb(m, 0x20, 0x11), outb(m, 0x21, 0x20), outb(m, 0x21, 4), outb(m, 0x21, 1), outb(m, 0x21, 0xFE);
    put(m, timer_reg(0, 0), 1 << 2);
    put(m, timer_reg(0, 8), 200);
    put(m, CONFIG, 3);
    machine_set_irq(m, 0, false), machine_set_irq(m, 0, true); /* the 8254 is cut off */
    outb(m, 0x20, 0x0A);
    assert_int_equal(inb(m, 0x20) & 1, 0);
    fixture_advance(m, 200 * TICK);
    assert_true(asserted(m, 0));
    assert_int_equal(inb(m, 0x20) & 1, 1);
    put(m, CONFIG, 1);
    assert_false(asserted(m, 0));
}

static void test_hpet_message_goes_to_the_local_apic(void **state) {
    struct machine *m = *state;
    bool pic;
    m->running = m->cpu[0];
    mmio_write(m, 0xFEE000F0, 4, 0x1FF);
    m->running = NULL;
    put(m, timer_reg(0, 0x10), 0xFEE00000ull << 32 | VECTOR);
    put(m, timer_reg(0, 0), 1 << 2 | 1 << 14);
    put(m, timer_reg(0, 8), 10);
    put(m, CONFIG, 1);
    fixture_advance(m, 10 * TICK);
    assert_int_equal(lapic_pending(m->cpu[0], &pic), VECTOR);
    assert_int_equal(m->irq_lines[IRQ_HPET], 0);
}

static void test_hpet_32_bit_comparator_matches_each_turn(void **state) {
    struct machine *m = *state;
    put(m, timer_reg(0, 0), 1 << 1 | 1 << 2 | 1 << 8 | 20 << 9);
    put(m, timer_reg(0, 8), 5);
    put(m, CONFIG, 1);
    fixture_advance(m, 5 * TICK);
    put(m, STATUS, 1);
    fixture_advance(m, 0xFFFFFFFFull * TICK);
    assert_int_equal(get(m, STATUS), 1);
}

static void test_clocks_agree_with_each_other(void **state) {
    struct machine *m = *state;
    put(m, CONFIG, 1);
    pci_config_write(m->pci, 0, PCI_DEVFN(1, 3), 0x40, 4, 0x601);
    pci_config_write(m->pci, 0, PCI_DEVFN(1, 3), 0x80, 1, 1);
    uint64_t tsc = cpu_cycles(m->cpu[0]);
    uint32_t pm = port_read(m, 0x608, 4);
    assert_int_equal(tsc, 0);
    fixture_advance(m, 2 * CYCLES_PER_SEC);
    assert_int_equal(get(m, COUNTER), 200000000);
    assert_int_equal((port_read(m, 0x608, 4) - pm) & 0xFFFFFF, 2 * 3579545);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_hpet_identifies_itself_and_counts_at_100_mhz),
        TEST(test_hpet_capabilities_are_read_only),
        TEST(test_hpet_one_shot_interrupts_at_its_tick),
        TEST(test_hpet_level_holds_until_status_is_cleared),
        TEST(test_hpet_periodic_adds_the_last_value_written),
        TEST(test_hpet_period_of_a_tick_is_not_served_faster_than_it_says),
        TEST(test_hpet_legacy_replacement_takes_irq_0_and_8),
        TEST(test_hpet_message_goes_to_the_local_apic),
        TEST(test_hpet_32_bit_comparator_matches_each_turn),
        TEST(test_clocks_agree_with_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
