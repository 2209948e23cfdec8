/* Keyboard controller, keyboard and mouse. */
#include "testsuites/unit/fixture.h"

#include <string.h>

#include "sim/dev/kbc.h"

#define A      0x04
#define PRINT  0x46
#define PAUSE  0x48
#define LEFT   0x50
#define CTRL_R 0xE4

static void command(struct machine *m, uint8_t cmd) { outb(m, 0x64, cmd); }
static void config(struct machine *m, uint8_t val) { command(m, 0x60), outb(m, 0x60, val); }
static void to_mouse(struct machine *m, uint8_t val) { command(m, 0xD4), outb(m, 0x60, val); }

/* All bytes that are waiting, mouse bytes with 100H, in words up to FFFFH */
static void expect(struct machine *m, const uint16_t *bytes) {
    for (; *bytes != 0xFFFF; bytes++) {
        uint8_t status = inb(m, 0x64);
        assert_int_equal(status & 1, 1);
        assert_int_equal((status & 0x20 ? 0x100 : 0) | inb(m, 0x60), *bytes);
    }
    assert_int_equal(inb(m, 0x64) & 1, 0);
}
#define EXPECT(...) expect(m, (const uint16_t[]){__VA_ARGS__, 0xFFFF})
#define M(byte)     (0x100 | (byte))

static void strike(struct machine *m, unsigned usage) {
    assert_true(kbc_key(m->kbc, usage, true));
    assert_true(kbc_key(m->kbc, usage, false));
}

static void test_keyboard_sends_scan_codes_of_the_chosen_set(void **state) {
    struct machine *m = *state;
    config(m, 0x24); /* no translation */
    strike(m, A);
    EXPECT(0x1C, 0xF0, 0x1C);
    strike(m, LEFT);
    EXPECT(0xE0, 0x6B, 0xE0, 0xF0, 0x6B);
    strike(m, PRINT);
    EXPECT(0xE0, 0x12, 0xE0, 0x7C, 0xE0, 0xF0, 0x7C, 0xE0, 0xF0, 0x12);
    strike(m, PAUSE);
    EXPECT(0xE1, 0x14, 0x77, 0xE1, 0xF0, 0x14, 0xF0, 0x77);
    outb(m, 0x60, 0xF0), outb(m, 0x60, 1);
    EXPECT(0xFA, 0xFA);
    strike(m, CTRL_R);
    EXPECT(0xE0, 0x1D, 0xE0, 0x9D);
    outb(m, 0x60, 0xF0), outb(m, 0x60, 0);
    EXPECT(0xFA, 0xFA, 1);
    outb(m, 0x60, 0xF0), outb(m, 0x60, 3); /* is not offered */
    EXPECT(0xFA, 0xFE);
}

static void test_keyboard_translated_set_2_is_set_1_for_every_key(void **state) {
    struct machine *m = *state;
    unsigned keys = 0;
    for (unsigned usage = 0; usage < 0x100; usage++) {
        uint8_t got[2][32];
        unsigned n[2] = {0, 0};
        for (unsigned way = 0; way < 2; way++) {
            outb(m, 0x64, 0xAA), inb(m, 0x60);
            outb(m, 0x60, 0xFF), inb(m, 0x60), inb(m, 0x60);
            config(m, way ? 0x24 : 0x64);
            outb(m, 0x60, 0xF0), outb(m, 0x60, way ? 1 : 2);
            inb(m, 0x60), inb(m, 0x60);
            if (!kbc_key(m->kbc, usage, true)) break;
            kbc_key(m->kbc, usage, false);
            while ((inb(m, 0x64) & 1) && n[way] < 32) got[way][n[way]++] = inb(m, 0x60);
        }
        keys += n[0] != 0;
        assert_int_equal(n[0], n[1]);
        if (memcmp(got[0], got[1], n[0]) != 0) fail_msg("usage %02x: %02x and %02x", usage, got[0][0], got[1][0]);
    }
    assert_true(keys >= 105);
    assert_false(kbc_key(m->kbc, 0x1234, true));
}

static void test_keyboard_keeps_keys_until_they_are_read(void **state) {
    struct machine *m = *state;
    config(m, 0x64);
    unsigned taken = 0;
    while (taken < 1000 && kbc_key(m->kbc, A, taken % 2 == 0)) taken++;
    assert_in_range(taken, 32, 999);
    for (unsigned i = 0; i < taken; i++) assert_int_equal(inb(m, 0x60), i % 2 ? 0x9E : 0x1E);
    assert_int_equal(inb(m, 0x64) & 1, 0);
}

static void test_keyboard_answers_commands(void **state) {
    struct machine *m = *state;
    config(m, 0x24);
    outb(m, 0x60, 0xEE);
    EXPECT(0xEE);
    outb(m, 0x60, 0xF2);
    EXPECT(0xFA, 0xAB, 0x83);
    outb(m, 0x60, 0xED), outb(m, 0x60, 0x06);
    EXPECT(0xFA, 0xFA);
    assert_int_equal(kbc_leds(m->kbc), 6);
    outb(m, 0x60, 0xF3), outb(m, 0x60, 0x20);
    EXPECT(0xFA, 0xFA);
    outb(m, 0x60, 0xF5);
    strike(m, A);
    EXPECT(0xFA);
    outb(m, 0x60, 0xF4);
    strike(m, A);
    EXPECT(0xFA, 0x1C, 0xF0, 0x1C);
    outb(m, 0x60, 0xFE); /* again */
    EXPECT(0x1C);
    outb(m, 0x60, 0xE1);
    EXPECT(0xFE);
    outb(m, 0x60, 0xFF);
    EXPECT(0xFA, 0xAA);
    assert_int_equal(kbc_leds(m->kbc), 0);
}

static void test_keyboard_disabled_interface_holds_its_bytes(void **state) {
    struct machine *m = *state;
    config(m, 0x64);
    command(m, 0xAD);
    strike(m, A);
    assert_int_equal(inb(m, 0x64) & 1, 0);
    command(m, 0xAE);
    EXPECT(0x1E, 0x9E);
}

static void test_kbc_tests_both_ports(void **state) {
    struct machine *m = *state;
    command(m, 0xA9);
    EXPECT(0);
    command(m, 0xAB);
    EXPECT(0);
    command(m, 0xA7), command(m, 0x20);
    assert_int_equal(inb(m, 0x60) & 0x20, 0x20);
    command(m, 0xA8), command(m, 0x20);
    assert_int_equal(inb(m, 0x60) & 0x20, 0);
    command(m, 0xD3), outb(m, 0x60, 0x5A); /* loop through the mouse's side */
    EXPECT(M(0x5A));
    command(m, 0xD2), outb(m, 0x60, 0xA5);
    EXPECT(0xA5);
}

/* Is an edge waiting at the 8259s? */
static bool requested(struct machine *m, unsigned irq) {
    uint16_t port = irq < 8 ? 0x20 : 0xA0;
    outb(m, port, 0x0A);
    return inb(m, port) >> (irq & 7) & 1;
}

static void test_kbc_raises_irq_1_and_12_for_what_is_enabled(void **state) {
    struct machine *m = *state;
    config(m, 0x47);
    strike(m, A);
    assert_true(requested(m, 1));
    assert_false(requested(m, 12));
    inb(m, 0x60), inb(m, 0x60);
    assert_false(requested(m, 1));
    to_mouse(m, 0xF4);
    assert_true(requested(m, 12));
    EXPECT(M(0xFA));
    config(m, 0x44);
    strike(m, A);
    assert_false(requested(m, 1));
}

/* ---- mouse ---- */

static void move(struct machine *m, int x, int y, int wheel, unsigned buttons) {
    kbc_mouse(m->kbc, &(struct ps2_motion){x, y, wheel, (uint8_t)buttons});
}

static void set_rate(struct machine *m, uint8_t rate) {
    to_mouse(m, 0xF3), to_mouse(m, rate);
    EXPECT(M(0xFA), M(0xFA));
}

static void test_mouse_resets_and_identifies(void **state) {
    struct machine *m = *state;
    to_mouse(m, 0xFF);
    EXPECT(M(0xFA), M(0xAA), M(0x00));
    to_mouse(m, 0xF2);
    EXPECT(M(0xFA), M(0x00));
    to_mouse(m, 0xE9);
    EXPECT(M(0xFA), M(0x00), M(0x02), M(100));
    to_mouse(m, 0x77);
    EXPECT(M(0xFE));
    to_mouse(m, 0xEE), to_mouse(m, 0x55);
    EXPECT(M(0xFA), M(0x55));
    to_mouse(m, 0xEC);
    EXPECT(M(0xFA));
}

static void test_mouse_reports_motion_and_buttons_when_asked(void **state) {
    struct machine *m = *state;
    move(m, 5, 5, 0, 0); /* not reported */
    to_mouse(m, 0xF4);
    EXPECT(M(0xFA));
    move(m, 10, 3, 0, 1);
    EXPECT(M(0x29), M(10), M(0xFD)); /* down is negative */
    move(m, -1, 0, 0, 0);
    EXPECT(M(0x18), M(0xFF), M(0));
    move(m, 300, 0, 0, 4); /* more than a packet holds */
    EXPECT(M(0x0C), M(255), M(0), M(0x0C), M(45), M(0));
    to_mouse(m, 0xF5);
    EXPECT(M(0xFA));
    move(m, 1, 1, 0, 0);
    assert_int_equal(inb(m, 0x64) & 1, 0);
}

static void test_mouse_clicks_are_kept_while_nobody_reads(void **state) {
    struct machine *m = *state;
    to_mouse(m, 0xF4);
    EXPECT(M(0xFA));
    move(m, 0, 0, 0, 1), move(m, 0, 0, 0, 0), move(m, 2, 0, 0, 0), move(m, 3, 0, 0, 0), move(m, 0, 0, 0, 2);
    EXPECT(M(0x09), M(0), M(0), M(0x08), M(5), M(0), M(0x0A), M(0), M(0));
}

static void test_mouse_wheel_appears_after_the_knock(void **state) {
    struct machine *m = *state;
    set_rate(m, 200), set_rate(m, 100), set_rate(m, 80);
    to_mouse(m, 0xF2);
    EXPECT(M(0xFA), M(3));
    to_mouse(m, 0xF4);
    EXPECT(M(0xFA));
    move(m, 0, 0, 1, 0);
    EXPECT(M(0x08), M(0), M(0), M(1));
    move(m, 0, 0, -1, 0);
    EXPECT(M(0x08), M(0), M(0), M(0xFF));
    set_rate(m, 200), set_rate(m, 200), set_rate(m, 80);
    to_mouse(m, 0xF2);
    EXPECT(M(0xFA), M(4));
    move(m, 0, 0, -1, 0x18);
    EXPECT(M(0x08), M(0), M(0), M(0x3F));
}

static void test_mouse_remote_mode_answers_when_read(void **state) {
    struct machine *m = *state;
    to_mouse(m, 0xF0);
    EXPECT(M(0xFA));
    move(m, 7, 0, 0, 0);
    assert_int_equal(inb(m, 0x64) & 1, 0);
    to_mouse(m, 0xEB);
    EXPECT(M(0xFA), M(0x08), M(7), M(0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_keyboard_sends_scan_codes_of_the_chosen_set),
        TEST(test_keyboard_translated_set_2_is_set_1_for_every_key),
        TEST(test_keyboard_keeps_keys_until_they_are_read),
        TEST(test_keyboard_answers_commands),
        TEST(test_keyboard_disabled_interface_holds_its_bytes),
        TEST(test_kbc_tests_both_ports),
        TEST(test_kbc_raises_irq_1_and_12_for_what_is_enabled),
        TEST(test_mouse_resets_and_identifies),
        TEST(test_mouse_reports_motion_and_buttons_when_asked),
        TEST(test_mouse_clicks_are_kept_while_nobody_reads),
        TEST(test_mouse_wheel_appears_after_the_knock),
        TEST(test_mouse_remote_mode_answers_when_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
