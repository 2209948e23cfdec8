/* The virtio network device with a network in user mode: ARP is answered without leaving the process. */
#include "testsuites/unit/virtio_world.h"

#include <stdlib.h>

#define FRAME_SIZE 42u
enum { RX, TX };

static struct driver start(void **state, uint64_t features) {
    struct driver d;
    char err[200];
    driver_attach(&d, *state, virtio_net_create(*state, "", err, sizeof err));
    driver_start(&d, features);
    return d;
}

/* "Who has 10.0.2.`last`?" from 10.0.2.15 */
static void put_arp(struct machine *m, uint64_t pa, uint8_t last) {
    static const uint8_t request[FRAME_SIZE] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x52, 0x54, 0x00, 0x12, 0x34,
                                                0x56, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
                                                0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10,   0,    2,    15};
    const uint8_t target[] = {10, 0, 2, last};
    assert_true(machine_write(m, pa, request, sizeof request));
    assert_true(machine_write(m, pa + 38, target, sizeof target));
}

static void ask(struct driver *d) {
    const uint8_t header[12] = {0};
    machine_write(d->m, BUFFER, header, sizeof header);
    put_arp(d->m, BUFFER + 12, 2);
    const struct part parts[] = {
        {BUFFER,      12,         GET},
        {BUFFER + 12, FRAME_SIZE, GET}
    };
    assert_int_equal(request(d, TX, parts, 2), 0);
}

static void expect_answer(struct driver *d) {
    uint32_t len;
    assert_true(completed(d, RX, 1, &len));
    assert_in_range(len, 12 + FRAME_SIZE, 12 + 64);
    assert_int_equal(mem_get(d->m, BUFFER + 0x1000, 8), 0);
    assert_int_equal(mem_get(d->m, BUFFER + 0x1000 + 10, 2), 1); /* num_buffers */
    assert_int_equal(mem_get(d->m, BUFFER + 0x100C, 6), 0x563412005452);
    assert_int_equal(mem_get(d->m, BUFFER + 0x100C + 20, 2), 0x0200); /* a reply */
    assert_int_equal(mem_get(d->m, BUFFER + 0x100C + 28, 4), 0x0202000A);
}

static const struct part room = {BUFFER + 0x1000, 1526, PUT};

static void test_net_configuration_has_address_and_link(void **state) {
    struct driver d = start(state, 0);
    assert_int_equal(mmio_read(d.m, CONFIG, 4), 0x12005452);
    assert_int_equal(mmio_read(d.m, CONFIG + 4, 2), 0x5634);
    assert_int_equal(mmio_read(d.m, CONFIG + 6, 2), 1);
}

static void test_net_frame_out_brings_answer_in(void **state) {
    struct driver d = start(state, 0);
    offer(&d, RX, &room, 1);
    notify(&d, RX);
    ask(&d);
    expect_answer(&d);
    assert_int_equal(mmio_read(d.m, ISR, 1), 1);
}

static void test_net_frame_waits_for_a_buffer(void **state) {
    struct driver d = start(state, VIRTIO_F_RING_PACKED);
    uint32_t len;
    ask(&d);
    assert_false(completed(&d, RX, 1, &len));
    offer(&d, RX, &room, 1);
    notify(&d, RX);
    expect_answer(&d);
    for (unsigned i = 0; i < 1000; i++) ask(&d); /* more than the device keeps */
    for (unsigned i = 0; i < 128; i++) {
        offer(&d, RX, &room, 1);
        notify(&d, RX);
        expect_answer(&d);
    }
    offer(&d, RX, &room, 1);
    notify(&d, RX);
    assert_false(completed(&d, RX, 1, &len));
}

static void test_net_buffer_too_small_loses_the_frame(void **state) {
    struct driver d = start(state, 0);
    const struct part small = {BUFFER + 0x1000, 20, PUT};
    uint32_t len;
    offer(&d, RX, &small, 1);
    ask(&d);
    assert_true(completed(&d, RX, 1, &len));
    assert_int_equal(len, 0);
    assert_false(is_broken(&d));
}

static void test_net_frames_of_no_or_too_great_length_are_dropped(void **state) {
    struct driver d = start(state, 0);
    const struct part header =
                          {
                              BUFFER, 12, GET
    },
                      huge[] = {header, {BUFFER, 70000, GET}};
    assert_int_equal(request(&d, TX, &header, 1), 0);
    assert_int_equal(request(&d, TX, huge, 2), 0);
    assert_false(is_broken(&d));
}

static void test_net_options_that_are_wrong_are_told(void **state) {
    static const char *const wrong[] = {"x",
                                        ",color=red",
                                        ",hostfwd=tcp:80",
                                        ",hostfwd=tcp:x-:80",
                                        ",hostfwd=sctp:80-:80",
                                        ",hostfwd=tcp:0-:80",
                                        ",hostfwd=tcp:70000-:80",
                                        ",hostfwd=tcp:1.2.3:x:80-:80",
                                        ",hostfwd=tcp:8080-nowhere:80"};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char err[200] = "";
        assert_null(virtio_net_create(*state, wrong[i], err, sizeof err));
        assert_non_null(strstr(err, "--net"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_net_configuration_has_address_and_link),
        TEST(test_net_frame_out_brings_answer_in),
        TEST(test_net_frame_waits_for_a_buffer),
        TEST(test_net_buffer_too_small_loses_the_frame),
        TEST(test_net_frames_of_no_or_too_great_length_are_dropped),
        TEST(test_net_options_that_are_wrong_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
