/* Virtqueues, split and packed, as a good driver and as a hostile one writes them. The device is the entropy device. */
#include "testsuites/unit/virtio_world.h"

static struct driver start(void **state, uint64_t features) {
    struct driver d;
    driver_attach(&d, *state, virtio_rng_create(*state, 1));
    d.size = 16;
    driver_start(&d, features);
    return d;
}

static const uint64_t both[] = {0, VIRTIO_F_RING_PACKED};
#define FOR_BOTH(f) for (const uint64_t *f = both; f < both + 2; f++)

static const struct part three[] = {
    {BUFFER,          4, PUT},
    {BUFFER + 0x2FFC, 8, PUT},
    {BUFFER + 0x5000, 0, PUT}
};

static void test_ring_chain_is_written_piece_by_piece(void **state) {
    FOR_BOTH(f) {
        struct driver d = start(state, *f);
        uint8_t zeros[0x6000] = {0};
        machine_write(*state, BUFFER, zeros, sizeof zeros);
        assert_int_equal(request(&d, 0, three, 3), 12);
        assert_int_not_equal(mem_get(*state, BUFFER, 4), 0);
        assert_int_equal(mem_get(*state, BUFFER + 4, 8), 0);
        assert_int_not_equal(mem_get(*state, BUFFER + 0x2FFC, 8), 0);
        assert_int_equal(mem_get(*state, BUFFER + 0x3004, 8), 0);
    }
}

static void test_ring_goes_round_and_round(void **state) {
    FOR_BOTH(f) {
        struct driver d = start(state, *f);
        for (unsigned i = 0; i < 70000; i++) {
            uint32_t len;
            offer(&d, 0, three, 1 + i % 3);
            notify(&d, 0);
            fixture_advance(*state, 2000);
            assert_true(completed(&d, 0, 1 + i % 3, &len));
            assert_int_equal(len, i % 3 ? 12 : 4);
        }
        assert_false(is_broken(&d));
    }
}

static void test_ring_full_of_buffers_is_served_in_one_batch(void **state) {
    FOR_BOTH(f) {
        struct driver d = start(state, *f);
        uint32_t len;
        const unsigned n = *f ? 16 : 4; /* this driver's split heads are four apart */
        for (unsigned i = 0; i < n; i++) offer(&d, 0, three, 1);
        notify(&d, 0);
        fixture_advance(*state, 2000);
        for (unsigned i = 0; i < n; i++) assert_true(completed(&d, 0, 1, &len));
        assert_false(completed(&d, 0, 1, &len));
        assert_int_equal(request(&d, 0, three, 1), 4);
    }
}

static void test_ring_indirect_table_is_a_chain(void **state) {
    FOR_BOTH(f) {
        struct driver d = start(state, *f | VIRTIO_F_INDIRECT_DESC);
        uint32_t len;
        for (unsigned i = 0; i < 40; i++) {
            offer_indirect(&d, 0, three, 3);
            notify(&d, 0);
            fixture_advance(*state, ENOUGH);
            assert_true(completed(&d, 0, 1, &len));
            assert_int_equal(len, 12);
        }
    }
}

static bool interrupted(struct driver *d) { return mmio_read(d->m, ISR, 1) & 1; }

static void test_ring_event_index_asks_for_one_interrupt(void **state) {
    struct driver d = start(state, VIRTIO_F_EVENT_IDX);
    for (unsigned i = 0; i < 30; i++) {
        if (i == 10) mem_put(*state, QUEUE_AT(0) + 0x1004 + 2 * 16, 20, 2); /* used_event */
        assert_int_equal(request(&d, 0, three, 1), 4);
        assert_int_equal(interrupted(&d), i == 0 || i == 20);
        assert_int_equal(mem_get(*state, QUEUE_AT(0) + 0x2004 + 8 * 16, 2), i + 1); /* avail_event */
    }
}

static void test_ring_packed_events_are_flags_or_a_position(void **state) {
    struct driver d = start(state, VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_PACKED);
    assert_int_equal(request(&d, 0, three, 1), 4);
    assert_true(interrupted(&d));
    mem_put(*state, QUEUE_AT(0) + 0x1002, 1, 2); /* disabled */
    assert_int_equal(request(&d, 0, three, 1), 4);
    assert_false(interrupted(&d));
    mem_put(*state, QUEUE_AT(0) + 0x1000, 5 | 0x8000, 2); /* slot 5 of this round, then slot 3 of the next */
    mem_put(*state, QUEUE_AT(0) + 0x1002, 2, 2);
    for (unsigned slot = 2; slot < 24; slot++) {
        if (slot == 7) mem_put(*state, QUEUE_AT(0) + 0x1000, 3, 2);
        assert_int_equal(request(&d, 0, three, 1), 4);
        assert_int_equal(interrupted(&d), slot == 5 || slot == 16 + 3);
    }
}

static void test_ring_notifications_are_unwanted_while_there_is_work(void **state) {
    struct driver d = start(state, 0);
    offer(&d, 0, three, 1);
    notify(&d, 0);
    assert_int_equal(mem_get(*state, QUEUE_AT(0) + 0x2000, 2), 1); /* VIRTQ_USED_F_NO_NOTIFY */
    fixture_advance(*state, ENOUGH);
    assert_int_equal(mem_get(*state, QUEUE_AT(0) + 0x2000, 2), 0);
}

/* ---- what must end in DEVICE_NEEDS_RESET ---- */

static void expect_broken(void **state, struct driver *d, uint64_t features) {
    notify(d, 0);
    fixture_advance(*state, ENOUGH);
    assert_true(is_broken(d));
    assert_int_equal(mmio_read(*state, ISR, 1) & 2, 2);
    notify(d, 0);
    fixture_advance(*state, ENOUGH);
    driver_start(d, features); /* a reset heals it */
    assert_false(is_broken(d));
    assert_int_equal(request(d, 0, three, 3), 12);
    assert_int_equal(mmio_read(*state, ISR, 1), 1);
}

static void test_ring_broken_rules_need_a_reset(void **state) {
    static const struct {
        const char *what;
        struct part parts[3];
        unsigned count;
    } cases[] = {
        {"outside RAM",          {{TEST_MEMORY - 8, 64, PUT}},                                             1},
        {"beyond everything",    {{~0ull - 8, 64, PUT}},                                                   1},
        {"a device's registers", {{0xFEC00000, 64, PUT}},                                                  1},
        {"too long",             {{0, 0xFFFFFFFF, PUT}},                                                   1},
        {"too long together",    {{0, 200 << 20, PUT}, {0, 200 << 20, PUT}},                               2},
        {"read after write",     {{BUFFER, 4, PUT}, {BUFFER, 4, GET}},                                     2},
        {"indirect unasked",     {{BUFFER, 16, VIRTQ_DESC_INDIRECT}},                                      1},
        {"indirect and next",    {{BUFFER, 16, VIRTQ_DESC_INDIRECT | VIRTQ_DESC_NEXT}, {BUFFER, 16, PUT}}, 2},
    };
    FOR_BOTH(f)
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct driver d = start(state, *f);
        offer(&d, 0, cases[i].parts, cases[i].count);
        expect_broken(state, &d, *f);
    }
}

static void test_ring_indirect_tables_that_lie_need_a_reset(void **state) {
    static const struct part tables[] = {
        {INDIRECT_AT,      0,          VIRTQ_DESC_INDIRECT}, /* empty */
        {INDIRECT_AT,      17,         VIRTQ_DESC_INDIRECT}, /* not whole */
        {INDIRECT_AT,      0xFFFFFFF0, VIRTQ_DESC_INDIRECT}, /* longer than any */
        {TEST_MEMORY - 16, 64,         VIRTQ_DESC_INDIRECT}, /* its end is not there */
        {INDIRECT_AT,      64,         VIRTQ_DESC_INDIRECT}, /* a loop, or a table in a table */
    };
    FOR_BOTH(f)
    for (unsigned i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct driver d = start(state, *f | VIRTIO_F_INDIRECT_DESC);
        for (unsigned n = 0; n < 4; n++) {
            const struct part p = {BUFFER, 4, PUT};
            const uint16_t flags = *f ? VIRTQ_DESC_INDIRECT : VIRTQ_DESC_NEXT;
            put_desc(&d, INDIRECT_AT + 16 * n, p, *f ? 0 : flags, *f ? flags : 0);
            put_desc(&d, TEST_MEMORY - 16, p, *f ? 0 : 1, *f ? 0 : 1);
        }
        offer(&d, 0, &tables[i], 1);
        expect_broken(state, &d, *f | VIRTIO_F_INDIRECT_DESC);
    }
}

static void test_ring_split_indices_out_of_range_need_a_reset(void **state) {
    struct driver d = start(state, 0);
    mem_put(*state, QUEUE_AT(0) + 0x1002, 17, 2); /* more than the ring holds */
    expect_broken(state, &d, 0);
    mem_put(*state, QUEUE_AT(0) + 0x1004 + 2, 16, 2); /* a head that is none */
    mem_put(*state, QUEUE_AT(0) + 0x1002, 2, 2);
    expect_broken(state, &d, 0);
    put_desc(&d, QUEUE_AT(0), three[0], VIRTQ_DESC_NEXT | PUT, 16); /* a next that is none */
    mem_put(*state, QUEUE_AT(0) + 0x1004 + 2, 0, 2);
    mem_put(*state, QUEUE_AT(0) + 0x1002, 2, 2);
    expect_broken(state, &d, 0);
    put_desc(&d, QUEUE_AT(0), three[0], VIRTQ_DESC_NEXT | PUT, 0); /* a loop */
    mem_put(*state, QUEUE_AT(0) + 0x1004 + 2, 0, 2);
    mem_put(*state, QUEUE_AT(0) + 0x1002, 2, 2);
    expect_broken(state, &d, 0);
}

static void test_ring_packed_chain_without_end_needs_a_reset(void **state) {
    struct driver d = start(state, VIRTIO_F_RING_PACKED);
    for (unsigned i = 0; i < 16; i++) put_desc(&d, QUEUE_AT(0) + 16 * i, three[0], 0, VIRTQ_DESC_NEXT | PUT | 0x80);
    expect_broken(state, &d, VIRTIO_F_RING_PACKED);
}

static void test_ring_outside_ram_needs_a_reset(void **state) {
    FOR_BOTH(f)
    for (unsigned area = 0; area < 3; area++) {
        struct driver d = start(state, *f);
        offer(&d, 0, three, 1);
        common_put(&d, 20, 1, 0);
        driver_features(&d, *f | VIRTIO_F_VERSION_1);
        common_put(&d, 20, 1, 11);
        for (unsigned i = 0; i < 3; i++)
            common_put(&d, 32 + 8 * i, 8, i == area ? ~0ull - 0xFFF : QUEUE_AT(0) + 0x1000 * i);
        common_put(&d, 28, 2, 1);
        common_put(&d, 20, 1, 15);
        expect_broken(state, &d, *f);
    }
}

static void test_ring_split_of_odd_size_needs_a_reset(void **state) {
    struct driver d = start(state, 0);
    common_put(&d, 20, 1, 0);
    driver_features(&d, VIRTIO_F_VERSION_1);
    common_put(&d, 20, 1, 11);
    common_put(&d, 24, 2, 12);
    common_put(&d, 28, 2, 1);
    assert_true(is_broken(&d));
    d.size = 12;
    driver_start(&d, VIRTIO_F_RING_PACKED); /* there any size goes */
    for (unsigned i = 0; i < 50; i++) assert_int_equal(request(&d, 0, three, 3), 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_ring_chain_is_written_piece_by_piece),
        TEST(test_ring_goes_round_and_round),
        TEST(test_ring_full_of_buffers_is_served_in_one_batch),
        TEST(test_ring_indirect_table_is_a_chain),
        TEST(test_ring_event_index_asks_for_one_interrupt),
        TEST(test_ring_packed_events_are_flags_or_a_position),
        TEST(test_ring_notifications_are_unwanted_while_there_is_work),
        TEST(test_ring_broken_rules_need_a_reset),
        TEST(test_ring_indirect_tables_that_lie_need_a_reset),
        TEST(test_ring_split_indices_out_of_range_need_a_reset),
        TEST(test_ring_packed_chain_without_end_needs_a_reset),
        TEST(test_ring_outside_ram_needs_a_reset),
        TEST(test_ring_split_of_odd_size_needs_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
