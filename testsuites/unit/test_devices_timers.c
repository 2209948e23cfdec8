/* The 8254, the RTC and the ACPI timer against the virtual clock. */
#include "testsuites/unit/fixture.h"

#include "sim/dev/chipset.h"

#define CONTROL 0x43
#define MS      1000000ull

static uint64_t ticks_to_cycles(uint64_t ticks) { return cycles_of_ticks(ticks, 1193182); }

static void program(struct machine *m, unsigned ch, unsigned mode, uint16_t count) {
    outb(m, CONTROL, (uint8_t)(ch << 6 | 0x30 | mode << 1));
    outb(m, (uint16_t)(0x40 + ch), (uint8_t)count);
    outb(m, (uint16_t)(0x40 + ch), (uint8_t)(count >> 8));
}

static uint16_t latched(struct machine *m, unsigned ch) {
    outb(m, CONTROL, (uint8_t)(ch << 6));
    uint8_t low = inb(m, (uint16_t)(0x40 + ch));
    return (uint16_t)(low | inb(m, (uint16_t)(0x40 + ch)) << 8);
}

static uint8_t status(struct machine *m, unsigned ch) {
    outb(m, CONTROL, (uint8_t)(0xE0 | 2 << ch));
    return inb(m, (uint16_t)(0x40 + ch));
}

/* How often does IRQ 0 rise in a time? The 8259 latches it. */
static unsigned count_irq0(struct machine *m, uint64_t cycles, uint64_t step) {
    unsigned n = 0;
    for (uint64_t t = 0; t < cycles; t += step) {
        fixture_advance(m, step);
        if (!m->intr_line) continue;
        n++;
        pic_acknowledge(m);
        outb(m, 0x20, 0x20);
    }
    return n;
}

static void init_pic(struct machine *m) {
    outb(m, 0x20, 0x11), outb(m, 0x21, 0x20), outb(m, 0x21, 4), outb(m, 0x21, 1), outb(m, 0x21, 0xFE);
}

static void test_pit_mode0_interrupts_once(void **state) {
    struct machine *m = *state;
    program(m, 0, 0, 1000);
    init_pic(m);
    fixture_advance(m, ticks_to_cycles(1000) - 1);
    assert_false(m->intr_line);
    fixture_advance(m, 1);
    assert_true(m->intr_line);
    pic_acknowledge(m);
    outb(m, 0x20, 0x20);
    fixture_advance(m, 100 * MS);
    assert_false(m->intr_line);
}

static void test_pit_mode2_interrupts_each_period(void **state) {
    struct machine *m = *state;
    init_pic(m);
    program(m, 0, 2, 11932); /* 10 ms */
    if (m->intr_line) pic_acknowledge(m), outb(m, 0x20, 0x20);
    assert_in_range(count_irq0(m, 1000 * MS, MS), 99, 100);
}

static void test_pit_mode3_interrupts_each_period(void **state) {
    struct machine *m = *state;
    init_pic(m);
    program(m, 0, 3, 11932);
    if (m->intr_line) pic_acknowledge(m), outb(m, 0x20, 0x20);
    assert_in_range(count_irq0(m, 1000 * MS, MS), 99, 100);
}

static void test_pit_mode2_counts_down_and_reloads(void **state) {
    struct machine *m = *state;
    program(m, 0, 2, 1000);
    assert_int_equal(latched(m, 0), 1000);
    fixture_advance(m, ticks_to_cycles(400));
    assert_int_equal(latched(m, 0), 600);
    fixture_advance(m, ticks_to_cycles(1000));
    assert_in_range(latched(m, 0), 599, 601);
}

static void test_pit_mode3_counts_by_two(void **state) {
    struct machine *m = *state;
    program(m, 0, 3, 1000);
    fixture_advance(m, ticks_to_cycles(100));
    assert_int_equal(latched(m, 0), 800);
}

static void test_pit_mode0_wraps_after_terminal_count(void **state) {
    struct machine *m = *state;
    program(m, 0, 0, 10);
    fixture_advance(m, ticks_to_cycles(12));
    assert_int_equal(latched(m, 0), 0xFFFE);
}

static void test_pit_bcd_counts_in_decimal(void **state) {
    struct machine *m = *state;
    outb(m, CONTROL, 0x35); /* channel 0, both bytes, mode 2, BCD */
    outb(m, 0x40, 0x00), outb(m, 0x40, 0x10);
    fixture_advance(m, ticks_to_cycles(1));
    assert_int_equal(latched(m, 0), 0x0999);
}

static void test_pit_latch_holds_until_read(void **state) {
    struct machine *m = *state;
    program(m, 0, 2, 50000);
    outb(m, CONTROL, 0);
    fixture_advance(m, ticks_to_cycles(500));
    uint16_t v = inb(m, 0x40);
    v = (uint16_t)(v | inb(m, 0x40) << 8);
    assert_int_equal(v, 50000);
    assert_int_equal(latched(m, 0), 49500);
}

static void test_pit_read_back_status_tells_mode_and_output(void **state) {
    struct machine *m = *state;
    outb(m, CONTROL, 0x30);
    assert_int_equal(status(m, 0), 0x70); /* output low, null count, both bytes, mode 0 */
    outb(m, 0x40, 100), outb(m, 0x40, 0);
    assert_int_equal(status(m, 0), 0x30);
    fixture_advance(m, ticks_to_cycles(100));
    assert_int_equal(status(m, 0), 0xB0);
}

static void test_pit_channel2_gate_starts_one_shot(void **state) {
    struct machine *m = *state;
    outb(m, 0x61, 0);
    program(m, 2, 1, 1000);
    assert_true(inb(m, 0x61) & 0x20); /* high until triggered */
    outb(m, 0x61, 1);
    assert_false(inb(m, 0x61) & 0x20);
    fixture_advance(m, ticks_to_cycles(1000));
    assert_true(inb(m, 0x61) & 0x20);
}

static void test_pit_channel2_mode0_waits_for_gate(void **state) {
    struct machine *m = *state;
    outb(m, 0x61, 0);
    program(m, 2, 0, 1000);
    fixture_advance(m, ticks_to_cycles(2000));
    assert_false(inb(m, 0x61) & 0x20);
    outb(m, 0x61, 1);
    fixture_advance(m, ticks_to_cycles(500));
    outb(m, 0x61, 0); /* pause */
    fixture_advance(m, ticks_to_cycles(2000));
    assert_in_range(latched(m, 2), 499, 501);
    outb(m, 0x61, 1);
    fixture_advance(m, ticks_to_cycles(501));
    assert_true(inb(m, 0x61) & 0x20);
}

static void test_port61_refresh_bit_toggles(void **state) {
    struct machine *m = *state;
    unsigned changes = 0;
    uint8_t last = inb(m, 0x61) & 0x10;
    for (unsigned i = 0; i < 1000; i++) {
        fixture_advance(m, 1000);
        uint8_t now = inb(m, 0x61) & 0x10;
        changes += now != last;
        last = now;
    }
    assert_in_range(changes, 60, 70); /* every 15.085 us */
}

/* ---- RTC ---- */

static uint8_t cmos(struct machine *m, uint8_t reg) {
    outb(m, 0x70, reg);
    return inb(m, 0x71);
}
static void cmos_write(struct machine *m, uint8_t reg, uint8_t val) {
    outb(m, 0x70, reg);
    outb(m, 0x71, val);
}

static void assert_date(struct machine *m, const uint8_t expect[7]) {
    static const uint8_t regs[7] = {0x32, 9, 8, 7, 4, 2, 0};
    for (unsigned i = 0; i < 7; i++) assert_int_equal(cmos(m, regs[i]), expect[i]);
}

static void test_rtc_start_date_is_the_configured_one(void **state) {
    assert_date(*state, (uint8_t[]){0x20, 0x26, 0x01, 0x01, 0x00, 0x00, 0x00});
    assert_int_equal(cmos(*state, 6), 5); /* Thursday */
}

static void test_rtc_time_passes_across_month_end(void **state) {
    struct machine *m = *state;
    fixture_advance(m, (58 * 86400ull + 86399) * CYCLES_PER_SEC);
    assert_date(m, (uint8_t[]){0x20, 0x26, 0x02, 0x28, 0x23, 0x59, 0x59});
    fixture_advance(m, CYCLES_PER_SEC);
    assert_date(m, (uint8_t[]){0x20, 0x26, 0x03, 0x01, 0x00, 0x00, 0x00});
}

static void test_rtc_set_time_goes_on_from_there(void **state) {
    struct machine *m = *state;
    cmos_write(m, 0x0B, 0x82); /* SET */
    cmos_write(m, 4, 0x13), cmos_write(m, 2, 0x59), cmos_write(m, 0, 0x58);
    fixture_advance(m, 5 * CYCLES_PER_SEC);
    assert_int_equal(cmos(m, 0), 0x58); /* frozen */
    cmos_write(m, 0x0B, 0x02);
    fixture_advance(m, 3 * CYCLES_PER_SEC);
    assert_int_equal(cmos(m, 4), 0x14);
    assert_int_equal(cmos(m, 0), 0x01);
}

static void test_rtc_twelve_hour_binary_mode(void **state) {
    struct machine *m = *state;
    fixture_advance(m, 15 * 3600 * CYCLES_PER_SEC);
    cmos_write(m, 0x0B, 0x04); /* binary, 12 hours */
    assert_int_equal(cmos(m, 4), 0x83);
}

static void test_rtc_uip_precedes_the_update(void **state) {
    struct machine *m = *state;
    fixture_advance(m, CYCLES_PER_SEC / 2);
    assert_false(cmos(m, 0x0A) & 0x80);
    fixture_advance(m, CYCLES_PER_SEC / 2 - 1000000);
    assert_true(cmos(m, 0x0A) & 0x80);
    fixture_advance(m, 1000001);
    assert_false(cmos(m, 0x0A) & 0x80);
}

static void init_slave(struct machine *m) {
    init_pic(m);
    outb(m, 0x21, 0xFB);
    outb(m, 0xA0, 0x11), outb(m, 0xA1, 0x28), outb(m, 0xA1, 2), outb(m, 0xA1, 1), outb(m, 0xA1, 0xFE);
}

static void test_rtc_alarm_interrupts_at_its_time(void **state) {
    struct machine *m = *state;
    init_slave(m);
    cmos_write(m, 1, 0x10), cmos_write(m, 3, 0xC0), cmos_write(m, 5, 0xC0); /* each minute at :10 */
    cmos_write(m, 0x0B, 0x22);
    fixture_advance(m, 10 * CYCLES_PER_SEC - 1);
    assert_false(m->intr_line);
    fixture_advance(m, 1);
    assert_true(m->intr_line);
    assert_int_equal(pic_acknowledge(m), 0x28);
    assert_int_equal(cmos(m, 0x0C), 0xF0); /* IRQF, PF (its flag does not need PIE), AF, UF */
    assert_int_equal(cmos(m, 0x0C), 0);
}

static void test_rtc_periodic_interrupt_comes_at_its_rate(void **state) {
    struct machine *m = *state;
    unsigned n = 0;
    init_slave(m);
    cmos_write(m, 0x0B, 0x42); /* 1024 Hz */
    for (unsigned i = 0; i < 10000; i++) {
        fixture_advance(m, MS / 10);
        if (!m->intr_line) continue;
        n++;
        pic_acknowledge(m);
        outb(m, 0xA0, 0x20), outb(m, 0x20, 0x20);
        assert_true(cmos(m, 0x0C) & 0x40);
    }
    assert_in_range(n, 1023, 1024);
}

static void test_rtc_memory_size_bytes(void **state) {
    struct machine *m = *state;
    assert_int_equal(cmos(m, 0x15) | cmos(m, 0x16) << 8, 640);
    assert_int_equal(cmos(m, 0x17) | cmos(m, 0x18) << 8, 15 * 1024);
    assert_int_equal(cmos(m, 0x34) | cmos(m, 0x35) << 8, 0);
    assert_int_equal(cmos(m, 0x14), 6);    /* a coprocessor and a mouse */
    assert_int_equal(cmos(m, 0x3D), 0x32); /* a disk, then a CD-ROM */
    assert_int_equal(cmos(m, 0x38), 1);
    assert_int_equal(cmos(m, 0x5F), 0); /* processors but one */
}

/* ---- ACPI ---- */

static void test_pm_timer_runs_at_3579545_hz(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    uint32_t before = port_read(m, 0x608, 4);
    fixture_advance(m, CYCLES_PER_SEC);
    assert_int_equal((port_read(m, 0x608, 4) - before) & 0xFFFFFF, 3579545);
    fixture_advance(m, 10 * CYCLES_PER_SEC);
    assert_int_equal(port_read(m, 0x608, 4) >> 24, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pit_mode0_interrupts_once),
        TEST(test_pit_mode2_interrupts_each_period),
        TEST(test_pit_mode3_interrupts_each_period),
        TEST(test_pit_mode2_counts_down_and_reloads),
        TEST(test_pit_mode3_counts_by_two),
        TEST(test_pit_mode0_wraps_after_terminal_count),
        TEST(test_pit_bcd_counts_in_decimal),
        TEST(test_pit_latch_holds_until_read),
        TEST(test_pit_read_back_status_tells_mode_and_output),
        TEST(test_pit_channel2_gate_starts_one_shot),
        TEST(test_pit_channel2_mode0_waits_for_gate),
        TEST(test_port61_refresh_bit_toggles),
        TEST(test_rtc_start_date_is_the_configured_one),
        TEST(test_rtc_time_passes_across_month_end),
        TEST(test_rtc_set_time_goes_on_from_there),
        TEST(test_rtc_twelve_hour_binary_mode),
        TEST(test_rtc_uip_precedes_the_update),
        TEST(test_rtc_alarm_interrupts_at_its_time),
        TEST(test_rtc_periodic_interrupt_comes_at_its_rate),
        TEST(test_rtc_memory_size_bytes),
        TEST(test_pm_timer_runs_at_3579545_hz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
