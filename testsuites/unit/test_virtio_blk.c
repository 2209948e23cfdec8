/* The virtio block device, on an image in a temporary file. */
#include "testsuites/unit/virtio_world.h"

#include <stdlib.h>
#include <unistd.h>

#define SECTORS 1000u
#define HEADER  0x500000ull
#define STATUS  0x500100ull
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK, IOERR, UNSUPP };

struct world {
    struct machine *m;
    struct disk *disk;
    struct driver d;
    uint64_t features;
};

static void open_disk(struct world *w, bool read_only) {
    char path[] = "/tmp/test_virtio_blk.XXXXXX", err[200];
    uint8_t sector[DISK_SECTOR];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < SECTORS; i++) {
        memset(sector, (int)(i % 251), sizeof sector);
        assert_int_equal(write(fd, sector, sizeof sector), sizeof sector);
    }
    const struct disk_options o = {.path = path, .format = "raw", .read_only = read_only};
    w->disk = disk_open(&o, err, sizeof err);
    assert_non_null(w->disk);
    close(fd);
    unlink(path);
}

static struct world *start(bool read_only) {
    struct world *w = calloc(1, sizeof *w);
    open_disk(w, read_only);
    w->m = fixture_machine(3);
    driver_attach(&w->d, w->m, virtio_blk_create(w->m, w->disk));
    for (unsigned i = 0; i < 2; i++) {
        common_put(&w->d, 0, 4, i);
        w->features |= common_get(&w->d, 4, 4) << 32 * i;
    }
    driver_start(&w->d, w->features & 0xFFFF);
    return w;
}
static int setup(void **state) {
    *state = start(false);
    return 0;
}
static int setup_read_only(void **state) {
    *state = start(true);
    return 0;
}
static int teardown(void **state) {
    struct world *w = *state;
    machine_destroy(w->m);
    disk_close(w->disk);
    free(w);
    return 0;
}

/* A request with one part of data; returns its status, and what was written in *len. */
static unsigned blk(struct world *w, unsigned queue, unsigned type, uint64_t sector, uint32_t bytes, int64_t *len) {
    mem_put(w->m, HEADER, type, 8);
    mem_put(w->m, HEADER + 8, sector, 8);
    mem_put(w->m, STATUS, 0xEE, 1);
    const bool reads = type == IN || type == GET_ID;
    const struct part parts[] = {
        {HEADER, 16,    GET              },
        {BUFFER, bytes, reads ? PUT : GET},
        {STATUS, 1,     PUT              }
    };
    const struct part bare[] = {parts[0], parts[2]};
    *len = bytes ? request(&w->d, queue, parts, 3) : request(&w->d, queue, bare, 2);
    return (unsigned)mem_get(w->m, STATUS, 1);
}

static void test_blk_configuration_tells_the_disk(void **state) {
    struct world *w = *state;
    assert_int_equal(mmio_read(w->m, CONFIG, 8), SECTORS);
    assert_int_equal(mmio_read(w->m, CONFIG + 12, 4), VIRTIO_QUEUE_SIZE - 2);
    assert_int_equal(mmio_read(w->m, CONFIG + 20, 4), 512);
    assert_int_equal(mmio_read(w->m, CONFIG + 34, 2), 3); /* a queue for each CPU */
    assert_int_equal(common_get(&w->d, 18, 2), 3);
    assert_int_equal(port_read(w->m, LEGACY + 20, 4), SECTORS);
}

static void test_blk_read_gives_sectors_on_any_queue(void **state) {
    struct world *w = *state;
    int64_t len;
    for (unsigned q = 0; q < 3; q++) {
        assert_int_equal(blk(w, q, IN, 7 + q, 1024, &len), OK);
        assert_int_equal(len, 1025);
        assert_int_equal(mem_get(w->m, BUFFER + 511, 1), 7 + q);
        assert_int_equal(mem_get(w->m, BUFFER + 512, 1), 8 + q);
    }
    assert_int_equal(blk(w, 0, IN, 0, SECTORS * 512, &len), OK); /* more than the device's buffer */
    assert_int_equal(len, SECTORS * 512 + 1);
    for (unsigned i = 0; i < SECTORS; i++) assert_int_equal(mem_get(w->m, BUFFER + 512 * i + 100, 1), i % 251);
}

static void test_blk_write_is_read_back(void **state) {
    struct world *w = *state;
    int64_t len;
    for (unsigned i = 0; i < 200 * 512; i += 8) mem_put(w->m, BUFFER + i, i * 0x10001ull, 8);
    assert_int_equal(blk(w, 1, OUT, 300, 200 * 512, &len), OK);
    assert_int_equal(len, 1);
    assert_int_equal(blk(w, 1, FLUSH, 0, 0, &len), OK);
    assert_int_equal(blk(w, 2, IN, 300, 200 * 512, &len), OK);
    for (unsigned i = 0; i < 200 * 512; i += 8) assert_int_equal(mem_get(w->m, BUFFER + i, 8), i * 0x10001ull);
    assert_int_equal(blk(w, 0, IN, 299, 512, &len), OK);
    assert_int_equal(mem_get(w->m, BUFFER, 1), 299 % 251);
}

static void test_blk_request_takes_its_time(void **state) {
    struct world *w = *state;
    uint32_t len;
    mem_put(w->m, HEADER, IN, 8);
    mem_put(w->m, HEADER + 8, 0, 8);
    const struct part parts[] = {
        {HEADER, 16,  GET},
        {BUFFER, 512, PUT},
        {STATUS, 1,   PUT}
    };
    offer(&w->d, 0, parts, 3);
    notify(&w->d, 0);
    fixture_advance(w->m, 19999);
    assert_false(completed(&w->d, 0, 3, &len));
    fixture_advance(w->m, 1);
    assert_true(completed(&w->d, 0, 3, &len));
}

static void test_blk_outside_the_disk_is_an_error(void **state) {
    struct world *w = *state;
    int64_t len;
    assert_int_equal(blk(w, 0, IN, SECTORS, 512, &len), IOERR);
    assert_int_equal(len, 0);
    assert_int_equal(blk(w, 0, IN, SECTORS - 1, 1024, &len), IOERR);
    assert_int_equal(blk(w, 0, OUT, ~0ull, 512, &len), IOERR);
    assert_int_equal(blk(w, 0, OUT, 1ull << 55, 512, &len), IOERR);
    assert_int_equal(blk(w, 0, IN, 0, 500, &len), IOERR); /* no whole sectors */
    assert_int_equal(blk(w, 0, 99, 0, 512, &len), UNSUPP);
    assert_int_equal(blk(w, 0, IN, SECTORS - 1, 512, &len), OK);
    assert_false(is_broken(&w->d));
}

static void test_blk_identity_is_twenty_bytes(void **state) {
    struct world *w = *state;
    int64_t len;
    char id[20];
    assert_int_equal(blk(w, 0, GET_ID, 0, 20, &len), OK);
    assert_int_equal(len, 21);
    machine_read(w->m, BUFFER, id, sizeof id);
    assert_string_equal(id, "hvsim-03");
}

static void put_range(struct world *w, unsigned n, uint64_t sector, uint32_t count, uint32_t flags) {
    mem_put(w->m, BUFFER + 16 * n, sector, 8);
    mem_put(w->m, BUFFER + 16 * n + 8, count, 4);
    mem_put(w->m, BUFFER + 16 * n + 12, flags, 4);
}

static void test_blk_zeroes_fill_ranges_and_discard_checks_them(void **state) {
    struct world *w = *state;
    int64_t len;
    put_range(w, 0, 10, 200, 1);
    put_range(w, 1, 500, 1, 0);
    const uint64_t begin = machine_now(w->m);
    assert_int_equal(blk(w, 0, WRITE_ZEROES, 0, 32, &len), OK);
    assert_true(w->d.v->free_at - begin >= 201 * 250); /* they take as long as sectors that are moved */
    put_range(w, 0, SECTORS - 1, 2, 0);
    assert_int_equal(blk(w, 0, WRITE_ZEROES, 0, 16, &len), IOERR);
    put_range(w, 0, 0, 1, 2);
    assert_int_equal(blk(w, 0, WRITE_ZEROES, 0, 16, &len), UNSUPP);
    put_range(w, 0, 0, 1, 1);
    assert_int_equal(blk(w, 0, DISCARD, 0, 16, &len), UNSUPP);
    put_range(w, 0, 0, 1, 0);
    assert_int_equal(blk(w, 0, DISCARD, 0, 16, &len), OK);
    assert_int_equal(blk(w, 0, DISCARD, 0, 15, &len), IOERR);
    assert_int_equal(blk(w, 0, IN, 0, SECTORS * 512, &len), OK);
    for (unsigned i = 1; i < SECTORS; i++) {
        bool zero = (i >= 10 && i < 210) || i == 500;
        assert_int_equal(mem_get(w->m, BUFFER + 512 * i, 1), zero ? 0 : i % 251);
    }
}

static void test_blk_read_only_disk_refuses_writes(void **state) {
    struct world *w = *state;
    int64_t len;
    assert_int_equal(w->features & (1 << 5 | 1 << 13 | 1 << 14), 1 << 5);
    assert_int_equal(blk(w, 0, OUT, 0, 512, &len), IOERR);
    put_range(w, 0, 0, 1, 0);
    assert_int_equal(blk(w, 0, WRITE_ZEROES, 0, 16, &len), IOERR);
    assert_int_equal(blk(w, 0, IN, 0, 512, &len), OK);
}

static void test_blk_request_without_status_needs_a_reset(void **state) {
    struct world *w = *state;
    const struct part header = {HEADER, 16, GET}, cut = {HEADER, 15, GET}, status = {STATUS, 1, PUT};
    assert_int_equal(request(&w->d, 0, &header, 1), -1);
    assert_true(is_broken(&w->d));
    driver_start(&w->d, 0);
    const struct part parts[] = {cut, status};
    assert_int_equal(request(&w->d, 0, parts, 2), -1);
    assert_true(is_broken(&w->d));
}

#define BLK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        BLK_TEST(test_blk_configuration_tells_the_disk),
        BLK_TEST(test_blk_read_gives_sectors_on_any_queue),
        BLK_TEST(test_blk_write_is_read_back),
        BLK_TEST(test_blk_request_takes_its_time),
        BLK_TEST(test_blk_outside_the_disk_is_an_error),
        BLK_TEST(test_blk_identity_is_twenty_bytes),
        BLK_TEST(test_blk_zeroes_fill_ranges_and_discard_checks_them),
        cmocka_unit_test_setup_teardown(test_blk_read_only_disk_refuses_writes, setup_read_only, teardown),
        BLK_TEST(test_blk_request_without_status_needs_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
