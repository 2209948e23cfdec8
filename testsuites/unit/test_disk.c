/* Disk images: formats, the layer over the image, locks, images that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/dev/disk.h"

#define SECTORS 4096u
#define BYTES   ((size_t)SECTORS * DISK_SECTOR)

static char dir[] = "/tmp/hvsim-test-disk-XXXXXX", err[512];

static const char *in_dir(const char *name) {
    static char path[2][128];
    static unsigned n;
    n ^= 1;
    snprintf(path[n], sizeof path[n], "%s/%s", dir, name);
    return path[n];
}

static const char *make_file(const char *name, const void *data, size_t size) {
    const char *path = in_dir(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    return path;
}

/* Every sector tells its number. */
static void fill(uint8_t *buf, uint64_t sector, unsigned count, uint8_t salt) {
    for (unsigned i = 0; i < count; i++) {
        memset(buf + (size_t)i * DISK_SECTOR, salt, DISK_SECTOR);
        memcpy(buf + (size_t)i * DISK_SECTOR, &(uint64_t){sector + i}, 8);
    }
}

static const char *make_raw(const char *name, size_t size) {
    uint8_t *data = malloc(BYTES);
    fill(data, 0, SECTORS, 1);
    const char *path = make_file(name, data, size);
    free(data);
    return path;
}

static struct disk *open_disk(const char *path, const char *format, bool writable) {
    return disk_open(&(struct disk_options){.path = path, .format = format, .writable = writable}, err, sizeof err);
}

static void expect(struct disk *d, uint64_t sector, unsigned count, uint8_t salt) {
    uint8_t got[64 * DISK_SECTOR], want[64 * DISK_SECTOR];
    assert_in_range(count, 1, 64);
    fill(want, sector, count, salt);
    assert_true(disk_read(d, sector, count, got));
    assert_memory_equal(got, want, (size_t)count * DISK_SECTOR);
}

static bool put(struct disk *d, uint64_t sector, unsigned count, uint8_t salt) {
    uint8_t buf[64 * DISK_SECTOR];
    fill(buf, sector, count, salt);
    return disk_write(d, sector, count, buf);
}

static void test_disk_raw_writes_stay_over_the_image(void **state) {
    (void)state;
    const char *path = make_raw("cow", BYTES);
    struct disk *d = open_disk(path, NULL, false);
    assert_non_null(d);
    assert_int_equal(disk_sectors(d), SECTORS);
    assert_int_equal(disk_hash(d), 0);
    expect(d, 100, 64, 1);
    assert_true(put(d, 127, 2, 9)); /* across two chunks */
    expect(d, 126, 1, 1), expect(d, 127, 2, 9), expect(d, 129, 1, 1);
    assert_true(put(d, SECTORS - 1, 1, 8));
    expect(d, SECTORS - 1, 1, 8);
    uint8_t mixed[4 * DISK_SECTOR], want[4 * DISK_SECTOR];
    fill(want, 126, 4, 1), fill(want + DISK_SECTOR, 127, 2, 9);
    assert_true(disk_read(d, 126, 4, mixed));
    assert_memory_equal(mixed, want, sizeof want);
    assert_true(disk_flush(d));
    disk_close(d);
    d = open_disk(path, NULL, false);
    expect(d, 127, 2, 1), expect(d, SECTORS - 1, 1, 1);
    disk_close(d);
}

static void test_disk_hash_tells_what_was_written_not_in_which_order(void **state) {
    (void)state;
    uint64_t hash[3];
    const char *path = make_raw("hash", BYTES);
    for (unsigned run = 0; run < 3; run++) {
        struct disk *d = open_disk(path, NULL, false);
        for (unsigned i = 0; i < SECTORS; i += 64)
            assert_true(put(d, run == 1 ? SECTORS - 64 - i : i, 3, run == 2 ? 6 : 5));
        hash[run] = disk_hash(d);
        disk_close(d);
    }
    assert_int_equal(hash[0], hash[1]);
    assert_int_not_equal(hash[0], hash[2]);
}

static void test_disk_accesses_beyond_its_end_fail(void **state) {
    (void)state;
    uint8_t buf[2 * DISK_SECTOR];
    struct disk *d = open_disk(make_raw("end", BYTES), NULL, false);
    assert_false(disk_read(d, SECTORS - 1, 2, buf));
    assert_false(disk_write(d, SECTORS, 1, buf));
    assert_false(disk_read(d, ~0ull, 2, buf));
    assert_false(disk_read(d, ~0ull >> 9, 1, buf));
    assert_false(disk_read(d, 0, ~0u, buf));
    assert_true(disk_read(d, SECTORS, 0, buf));
    disk_close(d);
}

static void test_disk_partial_last_sector_reads_zeros_and_is_not_writable(void **state) {
    (void)state;
    uint8_t buf[DISK_SECTOR], zero[DISK_SECTOR] = {0};
    const char *path = make_raw("partial", 3 * DISK_SECTOR + 8);
    struct disk *d = open_disk(path, NULL, false);
    assert_int_equal(disk_sectors(d), 4);
    assert_true(disk_read(d, 3, 1, buf));
    assert_int_equal(buf[0], 3);
    assert_memory_equal(buf + 8, zero, DISK_SECTOR - 8);
    disk_close(d);
    assert_null(open_disk(path, NULL, true));
    assert_non_null(strstr(err, "multiple of 512"));
}

static void test_disk_truncated_while_open_gives_errors(void **state) {
    (void)state;
    uint8_t buf[DISK_SECTOR];
    const char *path = make_raw("truncated", BYTES);
    struct disk *d = open_disk(path, NULL, false);
    assert_int_equal(truncate(path, 1000), 0);
    expect(d, 0, 1, 1);
    assert_false(disk_read(d, 1, 1, buf));
    assert_false(disk_read(d, SECTORS - 1, 1, buf));
    assert_true(put(d, 7, 1, 3));
    expect(d, 7, 1, 3);
    disk_close(d);
}

static void test_disk_writable_keeps_what_was_written(void **state) {
    (void)state;
    const char *path = make_raw("writable", BYTES);
    struct disk *d = open_disk(path, NULL, true);
    assert_non_null(d);
    assert_true(put(d, 10, 2, 4));
    expect(d, 9, 1, 1), expect(d, 10, 2, 4);
    assert_true(disk_flush(d));
    disk_close(d);
    d = open_disk(path, NULL, false);
    expect(d, 10, 2, 4), expect(d, 12, 1, 1);
    disk_close(d);
}

static void test_disk_lock_admits_one_writer_or_many_readers(void **state) {
    (void)state;
    const char *path = make_raw("lock", BYTES);
    struct disk *a = open_disk(path, NULL, false), *b = open_disk(path, NULL, false);
    assert_non_null(a), assert_non_null(b);
    assert_null(open_disk(path, NULL, true));
    assert_non_null(strstr(err, "another process"));
    disk_close(a), disk_close(b);
    a = open_disk(path, NULL, true);
    assert_non_null(a);
    assert_null(open_disk(path, NULL, true));
    assert_null(open_disk(path, NULL, false));
    disk_close(a);
}

static void test_disk_read_only_refuses_writes(void **state) {
    (void)state;
    struct disk_options o = {.path = make_raw("ro", BYTES), .writable = true, .read_only = true};
    struct disk *d = disk_open(&o, err, sizeof err);
    assert_true(disk_read_only(d));
    assert_false(put(d, 0, 1, 2));
    expect(d, 0, 1, 1);
    disk_close(d);
}

static void test_disk_guessed_raw_does_not_become_another_format(void **state) {
    (void)state;
    uint8_t buf[DISK_SECTOR] = "QFI\xFB";
    const char *path = make_raw("format", BYTES);
    struct disk *d = open_disk(path, NULL, true);
    assert_false(disk_write(d, 0, 1, buf));
    assert_true(disk_write(d, 1, 1, buf));
    memcpy(buf, "conectix", 8);
    assert_false(disk_write(d, SECTORS - 1, 1, buf));
    expect(d, 0, 1, 1), expect(d, SECTORS - 1, 1, 1);
    disk_close(d);
    d = open_disk(path, "raw", true);
    assert_true(disk_write(d, SECTORS - 1, 1, buf));
    disk_close(d);
}

static void test_disk_what_is_no_image_is_an_error(void **state) {
    (void)state;
    assert_null(open_disk(in_dir("absent"), NULL, false));
    assert_non_null(strstr(err, "No such file"));
    assert_null(open_disk(dir, NULL, false));
    assert_non_null(strstr(err, "expected a disk image"));
    assert_null(open_disk("/dev/zero", NULL, false));
    assert_null(open_disk(make_file("empty", "", 0), NULL, false));
    assert_non_null(strstr(err, "empty"));
}

/* ---- other formats ---- */

static const char *convert(const char *format) {
    char cmd[512], name[32];
    snprintf(name, sizeof name, "image.%s", format);
    const char *raw = make_raw("source", BYTES), *path = in_dir(name);
    snprintf(cmd, sizeof cmd, "qemu-img convert -f raw -O %s %s %s", format, raw, path);
    assert_int_equal(system(cmd), 0);
    return path;
}

static void test_disk_formats_are_recognized(void **state) {
    (void)state;
    static const char *const formats[] = {"qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"};
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct disk *d = open_disk(convert(formats[i]), NULL, false);
        if (!d) print_message("%s\n", err);
        assert_non_null(d);
        assert_true(disk_sectors(d) >= SECTORS); /* vpc rounds up to cylinders */
        expect(d, 0, 64, 1), expect(d, SECTORS - 64, 64, 1);
        assert_true(put(d, 63, 2, 7));
        expect(d, 63, 2, 7), expect(d, 65, 1, 1);
        disk_close(d);
    }
}

static void test_disk_qcow2_writable_keeps_what_was_written(void **state) {
    (void)state;
    const char *path = convert("qcow2");
    struct disk *d = open_disk(path, NULL, true);
    assert_non_null(d);
    assert_null(open_disk(path, NULL, true));
    assert_true(put(d, 1000, 64, 7));
    assert_true(disk_flush(d));
    disk_close(d);
    d = open_disk(path, "qcow2", false);
    expect(d, 1000, 64, 7), expect(d, 1064, 1, 1);
    disk_close(d);
}

/* The process dies without a chance to flush. qemu-nbd, which writes the rest and unlocks the image, ends a moment
 * later. */
static void test_disk_end_of_the_process_loses_no_write(void **state) {
    (void)state;
    static const char *const formats[] = {"raw", "qcow2"};
    for (unsigned i = 0; i < 2; i++) {
        const char *path = i ? convert(formats[i]) : make_raw("crash", BYTES);
        pid_t child = fork();
        if (child == 0) {
            struct disk *d = open_disk(path, formats[i], true);
            uint8_t buf[64 * DISK_SECTOR];
            fill(buf, 300, 64, 9);
            if (!d || !disk_write(d, 300, 64, buf)) _exit(1);
            raise(SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct disk *d = NULL;
        for (unsigned tries = 0; !d && tries < 1000; tries++) {
            d = open_disk(path, formats[i], true);
            if (!d) usleep(10000);
        }
        assert_non_null(d);
        expect(d, 299, 1, 1), expect(d, 300, 64, 9), expect(d, 364, 1, 1);
        disk_close(d);
    }
}

static void test_disk_damaged_image_says_what_qemu_nbd_said(void **state) {
    (void)state;
    uint8_t junk[4096] = "QFI\xFB";
    memset(junk + 4, 0xFF, sizeof junk - 4);
    for (unsigned writable = 0; writable < 2; writable++) {
        assert_null(open_disk(make_file("junk", junk, sizeof junk), NULL, writable));
        assert_non_null(strstr(err, "as qcow2"));
    }
    const char *path = convert("qcow2");
    assert_int_equal(truncate(path, 70000), 0);
    struct disk *d = open_disk(path, NULL, false);
    if (d) { /* the header is whole: reads fail, or give zeros */
        uint8_t buf[DISK_SECTOR];
        disk_read(d, 4000, 1, buf);
        disk_close(d);
    }
    assert_null(open_disk(path, "no-such-format", true));
    assert_null(open_disk(path, "no-such-format", false));
    assert_non_null(strstr(err, "no-such-format"));
}

static void test_disk_without_qemu_nbd_names_the_package(void **state) {
    (void)state;
    const char *path = convert("qcow2");
    char *old = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    for (unsigned writable = 0; writable < 2; writable++) {
        err[0] = '\0';
        assert_null(open_disk(path, NULL, writable));
        assert_non_null(strstr(err, "qemu-utils"));
    }
    setenv("PATH", old, 1);
    free(old);
}

static int make_dir(void **state) {
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}
static int remove_dir(void **state) {
    (void)state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_raw_writes_stay_over_the_image),
        cmocka_unit_test(test_disk_hash_tells_what_was_written_not_in_which_order),
        cmocka_unit_test(test_disk_accesses_beyond_its_end_fail),
        cmocka_unit_test(test_disk_partial_last_sector_reads_zeros_and_is_not_writable),
        cmocka_unit_test(test_disk_truncated_while_open_gives_errors),
        cmocka_unit_test(test_disk_writable_keeps_what_was_written),
        cmocka_unit_test(test_disk_lock_admits_one_writer_or_many_readers),
        cmocka_unit_test(test_disk_read_only_refuses_writes),
        cmocka_unit_test(test_disk_guessed_raw_does_not_become_another_format),
        cmocka_unit_test(test_disk_what_is_no_image_is_an_error),
        cmocka_unit_test(test_disk_formats_are_recognized),
        cmocka_unit_test(test_disk_qcow2_writable_keeps_what_was_written),
        cmocka_unit_test(test_disk_end_of_the_process_loses_no_write),
        cmocka_unit_test(test_disk_damaged_image_says_what_qemu_nbd_said),
        cmocka_unit_test(test_disk_without_qemu_nbd_names_the_package),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
