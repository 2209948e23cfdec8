/* The 8259 pair: initialization, priorities, EOI, rotation, special modes, cascade, spurious interrupts. */
#include "testsuites/unit/fixture.h"

#define MASTER 0x20
#define SLAVE  0xA0

static void init_pic(struct machine *m, uint8_t icw4_master, uint8_t icw4_slave) {
    outb(m, MASTER, 0x11), outb(m, MASTER + 1, 0x20), outb(m, MASTER + 1, 4), outb(m, MASTER + 1, icw4_master);
    outb(m, SLAVE, 0x11), outb(m, SLAVE + 1, 0x28), outb(m, SLAVE + 1, 2), outb(m, SLAVE + 1, icw4_slave);
}

static void pulse(struct machine *m, unsigned irq) {
    machine_set_irq(m, irq, false);
    machine_set_irq(m, irq, true);
}

static void test_pic_irq_after_init_gives_vector(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 4);
    assert_true(m->intr_line);
    assert_int_equal(pic_acknowledge(m), 0x24);
    assert_false(m->intr_line);
}

static void test_pic_masked_irq_stays_pending(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    outb(m, MASTER + 1, 1 << 4);
    pulse(m, 4);
    assert_false(m->intr_line);
    assert_int_equal(inb(m, MASTER) & 1 << 4, 1 << 4); /* IRR */
    outb(m, MASTER + 1, 0);
    assert_true(m->intr_line);
}

static void test_pic_two_requests_higher_priority_first(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 6);
    pulse(m, 3);
    assert_int_equal(pic_acknowledge(m), 0x23);
    assert_false(m->intr_line); /* 6 waits for the EOI of 3 */
    outb(m, MASTER, 0x20);
    assert_int_equal(pic_acknowledge(m), 0x26);
}

static void test_pic_slave_request_goes_through_cascade(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 12);
    assert_int_equal(pic_acknowledge(m), 0x2C);
    outb(m, MASTER, 0x0B), outb(m, SLAVE, 0x0B); /* read ISR */
    assert_int_equal(inb(m, MASTER), 1 << 2);
    assert_int_equal(inb(m, SLAVE), 1 << 4);
}

static void test_pic_two_slave_requests_both_served(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 9);
    pulse(m, 12);
    assert_int_equal(pic_acknowledge(m), 0x29);
    outb(m, SLAVE, 0x20), outb(m, MASTER, 0x20);
    assert_int_equal(pic_acknowledge(m), 0x2C);
}

static void test_pic_request_withdrawn_is_spurious(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 4);
    machine_set_irq(m, 4, false);
    assert_int_equal(pic_acknowledge(m), 0x27);
    outb(m, MASTER, 0x0B);
    assert_int_equal(inb(m, MASTER), 0); /* nothing in service */
}

static void test_pic_automatic_eoi_leaves_nothing_in_service(void **state) {
    struct machine *m = *state;
    init_pic(m, 3, 1);
    pulse(m, 4);
    assert_int_equal(pic_acknowledge(m), 0x24);
    outb(m, MASTER, 0x0B);
    assert_int_equal(inb(m, MASTER), 0);
}

static void test_pic_rotation_on_eoi_makes_lowest(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 3);
    pic_acknowledge(m);
    outb(m, MASTER, 0xA0); /* rotate on non-specific EOI: 3 is lowest now */
    pulse(m, 3);
    pulse(m, 4);
    assert_int_equal(pic_acknowledge(m), 0x24);
}

static void test_pic_specific_eoi_ends_the_named_line(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 6);
    pic_acknowledge(m);
    pulse(m, 3);
    pic_acknowledge(m); /* nested */
    outb(m, MASTER, 0x66);
    outb(m, MASTER, 0x0B);
    assert_int_equal(inb(m, MASTER), 1 << 3);
}

static void test_pic_special_mask_lets_lower_through(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 3);
    pic_acknowledge(m);
    pulse(m, 6);
    assert_false(m->intr_line);
    outb(m, MASTER + 1, 1 << 3);
    outb(m, MASTER, 0x68); /* set special mask mode */
    assert_true(m->intr_line);
    assert_int_equal(pic_acknowledge(m), 0x26);
}

static void test_pic_poll_acknowledges(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    pulse(m, 5);
    outb(m, MASTER, 0x0C);
    assert_int_equal(inb(m, MASTER), 0x85);
    assert_false(m->intr_line);
    outb(m, MASTER, 0x0C);
    assert_int_equal(inb(m, MASTER), 0);
}

static void test_pic_level_line_asks_again_after_eoi(void **state) {
    struct machine *m = *state;
    init_pic(m, 1, 1);
    outb(m, 0x4D0, 1 << 5);
    machine_set_irq(m, 5, true);
    assert_int_equal(pic_acknowledge(m), 0x25);
    outb(m, MASTER, 0x20);
    assert_true(m->intr_line);
    machine_set_irq(m, 5, false);
    assert_false(m->intr_line);
}

static void test_pic_elcr_keeps_system_lines_edge(void **state) {
    struct machine *m = *state;
    outb(m, 0x4D0, 0xFF), outb(m, 0x4D1, 0xFF);
    assert_int_equal(inb(m, 0x4D0), 0xF8);
    assert_int_equal(inb(m, 0x4D1), 0xDE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pic_irq_after_init_gives_vector),
        TEST(test_pic_masked_irq_stays_pending),
        TEST(test_pic_two_requests_higher_priority_first),
        TEST(test_pic_slave_request_goes_through_cascade),
        TEST(test_pic_two_slave_requests_both_served),
        TEST(test_pic_request_withdrawn_is_spurious),
        TEST(test_pic_automatic_eoi_leaves_nothing_in_service),
        TEST(test_pic_rotation_on_eoi_makes_lowest),
        TEST(test_pic_specific_eoi_ends_the_named_line),
        TEST(test_pic_special_mask_lets_lower_through),
        TEST(test_pic_poll_acknowledges),
        TEST(test_pic_level_line_asks_again_after_eoi),
        TEST(test_pic_elcr_keeps_system_lines_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
