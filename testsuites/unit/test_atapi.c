/* A CD-ROM on an IDE channel: packets by PIO and DMA, sense data, what the drive tells of itself. */
#include "testsuites/unit/ide_world.h"

#define GOOD  (ATA_STATUS_DRDY | ATA_STATUS_DSC)
#define CHECK (GOOD | ATA_STATUS_ERR)

enum { TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, INQUIRY = 0x12, START_STOP = 0x1B, PREVENT = 0x1E };
enum { READ_CAPACITY = 0x25, READ10 = 0x28, READ_TOC = 0x43, GET_CONFIGURATION = 0x46, GET_EVENT_STATUS = 0x4A };
enum { DISC_INFORMATION = 0x51, MODE_SENSE = 0x5A, READ12 = 0xA8, READ_CD = 0xBE };

/* PACKET and its 12 bytes, with a byte count limit; waits. Returns the status. */
static uint8_t send(struct machine *m, const uint8_t packet[12], uint16_t limit) {
    outb(m, CDROM + 1, 0);
    outb(m, CDROM + 4, (uint8_t)limit), outb(m, CDROM + 5, (uint8_t)(limit >> 8));
    assert_int_equal(ide_command(m, CDROM, ATA_COMMAND_PACKET), GOOD | ATA_STATUS_DRQ);
    assert_int_equal(inb(m, CDROM + 2), ATA_REASON_COMMAND);
    ide_write_data(m, CDROM, packet, 12);
    fixture_advance(m, STORAGE_WAIT);
    assert_true(ide_irq(m, CDROM));
    return inb(m, CDROM + 7);
}

/* Read blocks until the status comes; returns the bytes. *status: the last one */
static unsigned receive(struct machine *m, const uint8_t packet[12], uint16_t limit, void *buf, uint8_t *status) {
    unsigned got = 0;
    for (*status = send(m, packet, limit); *status & ATA_STATUS_DRQ; *status = inb(m, CDROM + 7)) {
        unsigned n = inb(m, CDROM + 4) | (unsigned)inb(m, CDROM + 5) << 8;
        assert_int_equal(inb(m, CDROM + 2), ATA_REASON_TO_HOST);
        assert_in_range(n, 1, limit);
        ide_read_data(m, CDROM, (char *)buf + got, n);
        got += n;
        fixture_advance(m, STORAGE_WAIT);
        assert_true(ide_irq(m, CDROM));
    }
    assert_int_equal(inb(m, CDROM + 2), ATA_REASON_COMMAND | ATA_REASON_TO_HOST);
    return got;
}

static unsigned ask(struct machine *m, const uint8_t packet[12], void *buf) {
    uint8_t status;
    unsigned n = receive(m, packet, 0xFFFE, buf, &status);
    assert_int_equal(status, GOOD);
    return n;
}

static void expect_sense(struct machine *m, uint8_t key, uint8_t asc) {
    uint8_t b[32] = {0};
    assert_int_equal(inb(m, CDROM + 1) >> 4, key);
    assert_int_equal(ask(m, (uint8_t[12]){REQUEST_SENSE, 0, 0, 0, 32}, b), 18);
    assert_int_equal(b[0], 0x70);
    assert_int_equal(b[2], key);
    assert_int_equal(b[12], asc);
}

static int setup(void **state) {
    ide_setup(state);
    struct machine *m = *state;
    outb(m, CDROM + 6, 0xA0);
    assert_int_equal(send(m, (uint8_t[12]){TEST_UNIT_READY}, 64), CHECK); /* power on: unit attention */
    expect_sense(m, 6, 0x29);
    assert_int_equal(send(m, (uint8_t[12]){TEST_UNIT_READY}, 64), GOOD);
    return 0;
}
#define TEST_CD(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

static void test_atapi_signature_after_reset_and_identify(void **state) {
    struct machine *m = *state;
    outb(m, CDROM + CONTROL, 4), outb(m, CDROM + CONTROL, 0);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(inb(m, CDROM + 7), 0);
    assert_int_equal(inb(m, CDROM + 4), 0x14);
    assert_int_equal(inb(m, CDROM + 5), 0xEB);
    outb(m, CDROM + 4, 0), outb(m, CDROM + 5, 0);
    assert_int_equal(ide_command(m, CDROM, 0xEC), CHECK); /* IDENTIFY DEVICE */
    assert_int_equal(inb(m, CDROM + 4), 0x14);
    assert_int_equal(inb(m, CDROM + 5), 0xEB);
    uint8_t id[512];
    assert_int_equal(ide_command(m, CDROM, 0xA1), GOOD | ATA_STATUS_DRQ);
    ide_read_data(m, CDROM, id, 512);
    assert_int_equal(id[1], 0x85);
    outb(m, CDROM + 7, 0x08); /* DEVICE RESET */
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(inb(m, CDROM + CONTROL), 0);
    assert_false(ide_irq(m, CDROM));
    assert_int_equal(inb(m, CDROM + 5), 0xEB);
}

static void test_atapi_inquiry_is_cut_to_the_allocation_length(void **state) {
    struct machine *m = *state;
    uint8_t b[64];
    assert_int_equal(ask(m, (uint8_t[12]){INQUIRY, 0, 0, 0, 64}, b), 36);
    assert_int_equal(b[0], 5);
    assert_memory_equal(b + 8, "HVSIM   CD-ROM          ", 24);
    assert_int_equal(ask(m, (uint8_t[12]){INQUIRY, 0, 0, 0, 5}, b), 5);
    assert_int_equal(ask(m, (uint8_t[12]){INQUIRY, 0, 0, 0, 0}, b), 0);
}

static void test_atapi_capacity_counts_a_partial_last_block(void **state) {
    struct machine *m = *state;
    uint8_t b[8], want[8] = {0, 0, 0, CD_BLOCKS - 1, 0, 0, 8, 0};
    assert_int_equal(ask(m, (uint8_t[12]){READ_CAPACITY}, b), 8);
    assert_memory_equal(b, want, 8);
}

static void test_atapi_read_keeps_to_the_byte_count_limit(void **state) {
    struct machine *m = *state;
    static const uint16_t limits[] = {2048, 4096, 65535, 3000, 3001, 512, 2};
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint8_t status;
        memset(m->ram + DATA, 0, 0x10000);
        unsigned n = receive(m, (uint8_t[12]){READ10, 0, 0, 0, 0, 7, 0, 0, 5}, limits[i], m->ram + DATA, &status);
        assert_int_equal(status, GOOD);
        assert_int_equal(n, 5 * 2048);
        storage_expect(m, DATA, 7 * 4, 20);
    }
}

static void test_atapi_last_block_ends_with_zeros(void **state) {
    struct machine *m = *state;
    uint8_t b[2048], zero[1536] = {0};
    assert_int_equal(ask(m, (uint8_t[12]){READ12, 0, 0, 0, 0, CD_BLOCKS - 1, 0, 0, 0, 1}, b), 2048);
    assert_int_equal(b[0] | b[1] << 8, 400);
    assert_memory_equal(b + 512, zero, sizeof zero);
}

static void test_atapi_dma_read_fills_the_regions(void **state) {
    struct machine *m = *state;
    ide_region(m, 0, DATA, 0x1000, false);
    ide_region(m, 1, DATA + 0x1000, 0xF000, false);
    ide_region(m, 2, DATA + 0x10000, 0x2000, true);
    outb(m, CDROM + 1, 1);
    ide_command(m, CDROM, ATA_COMMAND_PACKET);
    ide_write_data(m, CDROM, (uint8_t[12]){READ10, 0, 0, 0, 0, 20, 0, 0, 36}, 12);
    ide_master(m, CDROM, true);
    fixture_advance(m, STORAGE_WAIT);
    assert_true(ide_irq(m, CDROM));
    assert_int_equal(ide_master_status(m, CDROM) & 7, 4);
    assert_int_equal(inb(m, CDROM + 7), GOOD);
    assert_int_equal(inb(m, CDROM + 2), 3);
    storage_expect(m, DATA, 80, 36 * 4);
}

static void test_atapi_bad_requests_are_told_by_sense(void **state) {
    struct machine *m = *state;
    uint8_t b[64], status;
    assert_int_equal(send(m, (uint8_t[12]){READ10, 0, 0, 0, 0, CD_BLOCKS, 0, 0, 1}, 2048), CHECK);
    expect_sense(m, 5, 0x21);
    assert_int_equal(send(m, (uint8_t[12]){READ12, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF}, 2048), CHECK);
    expect_sense(m, 5, 0x21);
    assert_int_equal(send(m, (uint8_t[12]){0xF7}, 2048), CHECK);
    expect_sense(m, 5, 0x20);
    assert_int_equal(send(m, (uint8_t[12]){MODE_SENSE, 0, 0x33, 0, 0, 0, 0, 0, 64}, 2048), CHECK);
    expect_sense(m, 5, 0x24);
    assert_int_equal(send(m, (uint8_t[12]){READ_CD, 0, 0, 0, 0, 1, 0, 0, 1, 0xF8}, 2048), CHECK); /* raw */
    expect_sense(m, 5, 0x24);
    assert_int_equal(receive(m, (uint8_t[12]){REQUEST_SENSE, 0, 0, 0, 18}, 64, b, &status), 18);
    assert_int_equal(b[2], 0); /* told once */
}

static void test_atapi_read_cd_gives_user_data(void **state) {
    struct machine *m = *state;
    assert_int_equal(ask(m, (uint8_t[12]){READ_CD, 0, 0, 0, 0, 9, 0, 0, 2, 0x10}, m->ram + DATA), 4096);
    storage_expect(m, DATA, 36, 8);
}

static void test_atapi_toc_has_one_track_and_the_lead_out(void **state) {
    struct machine *m = *state;
    uint8_t b[32];
    assert_int_equal(ask(m, (uint8_t[12]){READ_TOC, 0, 0, 0, 0, 0, 0, 0, 32}, b), 20);
    const uint8_t want[] = {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 0, CD_BLOCKS};
    assert_memory_equal(b, want, 20);
    assert_int_equal(ask(m, (uint8_t[12]){READ_TOC, 2, 0, 0, 0, 0, 0xAA, 0, 32}, b), 12);
    const uint8_t msf[] = {0, 10, 1, 1, 0, 0x14, 0xAA, 0, 0, 0, 3, 26}; /* 101 + 150 frames */
    assert_memory_equal(b, msf, 12);
    assert_int_equal(ask(m, (uint8_t[12]){READ_TOC, 0, 1, 0, 0, 0, 0, 0, 32}, b), 12);
}

static void test_atapi_configuration_has_the_current_profile(void **state) {
    struct machine *m = *state;
    uint8_t b[256];
    unsigned n = ask(m, (uint8_t[12]){GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 1, 0}, b);
    assert_int_equal((unsigned)b[2] << 8 | b[3], n - 4);
    assert_int_equal(b[7], 0x08); /* CD-ROM */
    unsigned at = 8, features = 0;
    for (; at < n; at += 4u + b[at + 3]) features++;
    assert_int_equal(at, n);
    assert_int_equal(features, 7);
    assert_int_equal(ask(m, (uint8_t[12]){GET_CONFIGURATION, 2, 0, 0x10, 0, 0, 0, 1, 0}, b), 8 + 12);
    assert_int_equal(b[9], 0x10);
}

static void test_atapi_mode_pages(void **state) {
    struct machine *m = *state;
    uint8_t b[256];
    unsigned n = ask(m, (uint8_t[12]){MODE_SENSE, 0, 0x2A, 0, 0, 0, 0, 1, 0}, b), all;
    assert_int_equal(n, 28);
    assert_int_equal(b[8], 0x2A);
    all = ask(m, (uint8_t[12]){MODE_SENSE, 0, 0x3F, 0, 0, 0, 0, 1, 0}, b);
    assert_true(all > n);
    unsigned at = 8;
    while (at < all) at += 2u + b[at + 1];
    assert_int_equal(at, all);
    assert_int_equal(ask(m, (uint8_t[12]){DISC_INFORMATION, 0, 0, 0, 0, 0, 0, 0, 64}, b), 34);
}

static void test_atapi_tray_opens_closes_and_can_be_locked(void **state) {
    struct machine *m = *state;
    uint8_t b[16];
    assert_int_equal(send(m, (uint8_t[12]){PREVENT, 0, 0, 0, 1}, 64), GOOD);
    assert_int_equal(send(m, (uint8_t[12]){START_STOP, 0, 0, 0, 2}, 64), CHECK);
    expect_sense(m, 5, 0x53);
    assert_int_equal(send(m, (uint8_t[12]){PREVENT}, 64), GOOD);
    assert_int_equal(send(m, (uint8_t[12]){START_STOP, 0, 0, 0, 2}, 64), GOOD);
    assert_int_equal(ask(m, (uint8_t[12]){GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8}, b), 8);
    assert_int_equal(b[4], 3), assert_int_equal(b[5], 1);
    assert_int_equal(send(m, (uint8_t[12]){READ10, 0, 0, 0, 0, 0, 0, 0, 1}, 2048), CHECK);
    expect_sense(m, 2, 0x3A);
    assert_int_equal(send(m, (uint8_t[12]){START_STOP, 0, 0, 0, 3}, 64), GOOD);
    ask(m, (uint8_t[12]){GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8}, b);
    assert_int_equal(b[4], 2), assert_int_equal(b[5], 2);
    assert_int_equal(send(m, (uint8_t[12]){TEST_UNIT_READY}, 64), CHECK);
    expect_sense(m, 6, 0x28);
    assert_int_equal(send(m, (uint8_t[12]){TEST_UNIT_READY}, 64), GOOD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_CD(test_atapi_signature_after_reset_and_identify),
        TEST_CD(test_atapi_inquiry_is_cut_to_the_allocation_length),
        TEST_CD(test_atapi_capacity_counts_a_partial_last_block),
        TEST_CD(test_atapi_read_keeps_to_the_byte_count_limit),
        TEST_CD(test_atapi_last_block_ends_with_zeros),
        TEST_CD(test_atapi_dma_read_fills_the_regions),
        TEST_CD(test_atapi_bad_requests_are_told_by_sense),
        TEST_CD(test_atapi_read_cd_gives_user_data),
        TEST_CD(test_atapi_toc_has_one_track_and_the_lead_out),
        TEST_CD(test_atapi_configuration_has_the_current_profile),
        TEST_CD(test_atapi_mode_pages),
        TEST_CD(test_atapi_tray_opens_closes_and_can_be_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
