/* The public interface beside the running machine: pictures, text, keys, pauses, callbacks. */
#include "testsuites/unit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/hvsim.h"

#define B8000 0xB8000u

/* Real mode at 8000H. HLT with interrupts off, at its end, is the end of a run. */
static hvsim *start(const uint8_t *code, size_t size, bool vga) {
    char err[256], path[] = "/tmp/hvsim-screen-XXXXXX";
    struct hvsim_config c;
    hvsim_config_default(&c);
    c.serial = HVSIM_NONE;
    c.memory = 16u << 20;
    c.vga = vga;
    c.max_instructions = 100000000;
    hvsim *h = hvsim_create(&c, err, sizeof err);
    assert_non_null(h);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, code, size), size);
    close(fd);
    struct hvsim_image image = {.path = path, .flat = true, .load_address = 0x8000, .has_load_address = true};
    bool ok = hvsim_load(h, &image, err, sizeof err);
    unlink(path);
    if (!ok) fail_msg("%s", err);
    return h;
}

/* mov ecx, 1000000; 1: dec ecx; jnz 1b; cli; hlt */
static const uint8_t loop[] = {0x66, 0xB9, 0x40, 0x42, 0x0F, 0x00, 0x66, 0x49, 0x75, 0xFC, 0xFA, 0xF4};
#define LOOP_INSNS (2 * 1000000 + 3)

static void test_api_pause_is_exact_and_leaves_no_trace(void **state) {
    (void)state;
    hvsim *plain = start(loop, sizeof loop, true), *paused = start(loop, sizeof loop, true);
    assert_int_equal(hvsim_run(plain), HVSIM_STOP_IDLE);
    assert_int_equal(hvsim_instructions(plain), LOOP_INSNS);
    for (uint64_t at = 123457; at < 1500000; at += 234567) {
        hvsim_pause_at(paused, at, 0);
        assert_int_equal(hvsim_run(paused), HVSIM_STOP_PAUSED);
        assert_int_equal(hvsim_instructions(paused), at);
        assert_string_equal(hvsim_report(paused), "");
    }
    hvsim_pause_at(paused, 0, 1900000);
    assert_int_equal(hvsim_run(paused), HVSIM_STOP_PAUSED);
    assert_int_equal(hvsim_nanoseconds(paused), 1900000);
    assert_int_equal(hvsim_run(paused), HVSIM_STOP_IDLE);
    assert_int_equal(hvsim_state_hash(paused), hvsim_state_hash(plain));
    hvsim_destroy(plain);
    hvsim_destroy(paused);
}

static void test_api_picture_has_a_generation_and_changes_nothing(void **state) {
    (void)state;
    hvsim *h = start(loop, sizeof loop, true);
    struct hvsim_picture one, two;
    uint64_t hash = hvsim_state_hash(h);
    assert_true(hvsim_picture(h, &one));
    assert_int_equal(one.width, 720);
    assert_int_equal(one.height, 400);
    assert_true(hvsim_picture(h, &two));
    assert_int_equal(two.generation, one.generation);
    assert_string_equal(hvsim_screen_text(h) + 24, "\n");
    assert_int_equal(hvsim_state_hash(h), hash);
    hvsim_write_phys(h, B8000, "H\x0Fi\x0F", 4);
    assert_true(hvsim_picture(h, &two));
    assert_int_equal(two.generation, one.generation + 1);
    assert_int_equal(strncmp(hvsim_screen_text(h), "Hi\n", 3), 0);
    hvsim_destroy(h);
}

static void test_api_without_adapter_has_no_picture(void **state) {
    (void)state;
    hvsim *h = start(loop, sizeof loop, false);
    struct hvsim_picture p;
    assert_false(hvsim_picture(h, &p));
    assert_string_equal(hvsim_screen_text(h), "");
    hvsim_destroy(h);
}

/* ---- callbacks ---- */

struct person {
    hvsim *h;
    unsigned served, idle, forever;
    char heard[8];
    size_t length;
    bool strikes;
};

static uint64_t serve(void *arg, uint64_t idle) {
    struct person *p = arg;
    p->served++;
    p->idle += idle && idle != HVSIM_FOREVER;
    if (idle != HVSIM_FOREVER) return idle / 2; /* something happens meanwhile: time goes on from there */
    if (p->forever++ == 2 && p->strikes) assert_true(hvsim_key(p->h, 0x04, true));
    if (p->forever > 10) hvsim_interrupt(p->h);
    return 1000;
}

static void serial(void *arg, uint8_t byte) {
    struct person *p = arg;
    if (p->length < sizeof p->heard - 1) p->heard[p->length++] = (char)byte;
    if (byte == 'b') hvsim_pause(p->h);
}

static void test_api_key_wakes_a_machine_that_waits_for_nothing_else(void **state) {
    /* mov al, 0FDH; out 21H, al; mov al, 60H; out 64H, al; mov al, 45H; out 60H, al; mov word [24H], 8020H;
     * mov word [26H], 0; sti; 1: hlt; jmp 1b; at 8020H: in al, 60H; out 0F4H, al */
    static const uint8_t code[] = {0xB0, 0xFD, 0xE6, 0x21, 0xB0, 0x60, 0xE6, 0x64, 0xB0, 0x45, 0xE6, 0x60,
                                   0xC7, 0x06, 0x24, 0x00, 0x20, 0x80, 0xC7, 0x06, 0x26, 0x00, 0x00, 0x00,
                                   0xFB, 0xF4, 0xEB, 0xFD, 0x90, 0x90, 0x90, 0x90, 0xE4, 0x60, 0xE6, 0xF4};
    /* mov al, 11H; out 20H, al; mov al, 8; out 21H, al; mov al, 4; out 21H, al; mov al, 1; out 21H, al */
    static const uint8_t pic[] = {0xB0, 0x11, 0xE6, 0x20, 0xB0, 0x08, 0xE6, 0x21,
                                  0xB0, 0x04, 0xE6, 0x21, 0xB0, 0x01, 0xE6, 0x21};
    uint8_t all[sizeof code + sizeof pic];
    memcpy(all, pic, sizeof pic);
    memcpy(all + sizeof pic, code, sizeof code);
    all[sizeof pic + 16] = 0x30; /* the handler is 10H further */
    (void)state;
    for (unsigned strikes = 0; strikes < 2; strikes++) {
        struct person p = {.h = start(all, sizeof all, true), .strikes = strikes};
        hvsim_set_callbacks(p.h, &(struct hvsim_callbacks){.arg = &p, .serve = serve, .paced = true});
        assert_int_equal(hvsim_run(p.h), strikes ? HVSIM_STOP_EXIT : HVSIM_STOP_USER);
        if (strikes) assert_int_equal(hvsim_exit_value(p.h), 0x1E);
        assert_true(p.served > p.forever && p.forever);
        hvsim_destroy(p.h);
    }
}

static void test_api_serial_bytes_are_heard_and_may_pause(void **state) {
    /* mov dx, 3F8H; mov al, 'a'; 1: out dx, al; inc al; cmp al, 'e'; jne 1b; cli; hlt */
    static const uint8_t code[] = {0xBA, 0xF8, 0x03, 0xB0, 'a', 0xEE, 0xFE, 0xC0, 0x3C, 'e', 0x75, 0xF9, 0xFA, 0xF4};
    (void)state;
    struct person p = {.h = start(code, sizeof code, true)};
    hvsim_set_callbacks(p.h, &(struct hvsim_callbacks){.arg = &p, .serial = serial});
    assert_int_equal(hvsim_run(p.h), HVSIM_STOP_PAUSED);
    assert_string_equal(p.heard, "ab");
    assert_int_equal(hvsim_instructions(p.h), 2 + 4 + 1);
    assert_int_equal(hvsim_run(p.h), HVSIM_STOP_IDLE);
    assert_string_equal(p.heard, "abcd");
    hvsim_destroy(p.h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_pause_is_exact_and_leaves_no_trace),
        cmocka_unit_test(test_api_picture_has_a_generation_and_changes_nothing),
        cmocka_unit_test(test_api_without_adapter_has_no_picture),
        cmocka_unit_test(test_api_key_wakes_a_machine_that_waits_for_nothing_else),
        cmocka_unit_test(test_api_serial_bytes_are_heard_and_may_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
