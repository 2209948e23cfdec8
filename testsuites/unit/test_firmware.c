/* Firmware images, their flash, EFI applications: where they go, what the flash understands, what is refused. */
#include "testsuites/unit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/machine/load.h"

#define FLASH 0xFFC00000ull
#define SIZE  0x4000u

static struct device *make_flash(struct machine *m, const char *path) {
    static uint8_t data[SIZE];
    memset(data, 0xFF, sizeof data);
    memcpy(data, "vars", 4);
    struct device *d = flash_create(m, FLASH, data, SIZE, path);
    assert_non_null(d);
    return d;
}
static uint8_t flash_get(struct machine *m, uint64_t at) { return (uint8_t)mmio_read(m, FLASH + at, 1); }
static void flash_put(struct machine *m, uint64_t at, uint8_t val) { mmio_write(m, FLASH + at, 1, val); }

static void test_flash_programs_by_clearing_and_erases_blocks(void **state) {
    struct machine *m = *state;
    make_flash(m, NULL);
    assert_int_equal(mmio_read(m, FLASH, 4), 0x73726176);
    flash_put(m, 1, 0x10), flash_put(m, 1, 0x0F);
    assert_int_equal(flash_get(m, 1), 0x80); /* status: ready */
    flash_put(m, 0, 0xFF);
    assert_int_equal(flash_get(m, 1), 'a' & 0x0F);
    flash_put(m, 0x1000, 0x40), flash_put(m, 0x1000, 0x12);
    flash_put(m, 0x0123, 0x20), flash_put(m, 0x0123, 0xD0);
    flash_put(m, 0, 0xFF);
    assert_int_equal(flash_get(m, 0), 0xFF);
    assert_int_equal(flash_get(m, 0x1000), 0x12); /* another block */
}

static void test_flash_is_told_from_rom_and_ram(void **state) {
    struct machine *m = *state;
    make_flash(m, NULL);
    flash_put(m, 0, 0x50);
    assert_int_equal(flash_get(m, 0), 'v'); /* no RAM: it would be 50H */
    flash_put(m, 0, 0x70);
    assert_int_equal(flash_get(m, 0), 0); /* no ROM: that would still be 'v' */
    flash_put(m, 0, 0x98);
    assert_int_equal(flash_get(m, 0x10), 'Q');
    assert_int_equal(flash_get(m, 0x27), 14);                                          /* 2^14 bytes */
    assert_int_equal(flash_get(m, 0x2D) | flash_get(m, 0x2E) << 8, SIZE / 0x1000 - 1); /* blocks - 1 */
    flash_put(m, 0, 0x90);
    assert_int_equal(flash_get(m, 0), 0x89);
}

static void test_flash_erase_without_confirmation_is_an_error(void **state) {
    struct machine *m = *state;
    make_flash(m, NULL);
    flash_put(m, 0, 0x20), flash_put(m, 0, 0x00);
    assert_int_equal(flash_get(m, 0), 0xB0);
    flash_put(m, 0, 0x50), flash_put(m, 0, 0xFF);
    assert_int_equal(flash_get(m, 0), 'v');
}

static char *temporary(const void *data, size_t size) {
    char *path = strdup("/tmp/hvsim-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
    return path;
}

static void test_flash_changes_are_in_the_file_afterwards(void **state) {
    (void)state;
    char *path = temporary("old", 3);
    struct stat st;
    assert_int_equal(chmod(path, 0640), 0);
    struct machine *m = fixture_machine(1);
    make_flash(m, path);
    flash_put(m, 5, 0x10), flash_put(m, 5, 0x55);
    machine_destroy(m);
    uint8_t b[8];
    FILE *f = fopen(path, "rb");
    assert_int_equal(fread(b, 1, 8, f), 8);
    assert_memory_equal(b, "vars\xFF\x55", 6);
    fseek(f, 0, SEEK_END);
    assert_int_equal(ftell(f), SIZE);
    fclose(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640); /* as it was */
    unlink(path);
    free(path);
}

static bool load(struct machine *m, const struct hvsim_image *im, char *err) { return machine_load(m, im, err, 512); }

static void test_firmware_lies_below_4_gib_and_below_1_mib(void **state) {
    struct machine *m = *state;
    static uint8_t rom[0x40000];
    char err[512];
    rom[0x3FFF0] = 0xEA, rom[0x20000] = 0x77, rom[5] = 0x55;
    char *path = temporary(rom, sizeof rom);
    struct hvsim_image im = {.firmware = path};
    assert_true(load(m, &im, err));
    assert_int_equal(*ram_ptr(m, 0xFFFFFFF0, false), 0xEA);
    assert_int_equal(*ram_ptr(m, 0xFFFC0005, false), 0x55);
    assert_int_equal(*ram_ptr(m, 0xFFFF0, false), 0xEA);
    assert_int_equal(*ram_ptr(m, 0xE0000, false), 0x77);
    assert_null(ram_ptr(m, 0xE0000, true));
    assert_int_equal(m->cpu[0]->rip, 0xFFF0);
    unlink(path);
    free(path);
}

static void test_firmware_of_odd_size_or_missing_is_refused(void **state) {
    struct machine *m = *state;
    static uint8_t rom[0x1001];
    char err[512];
    char *path = temporary(rom, sizeof rom);
    struct hvsim_image im = {.firmware = path};
    assert_false(load(m, &im, err));
    assert_non_null(strstr(err, "multiple of 4 KiB"));
    unlink(path);
    assert_false(load(m, &im, err));
    assert_non_null(strstr(err, "cannot open"));
    free(path);
}

/* The smallest headers of a PE32+ application */
static void make_efi(uint8_t pe[512], unsigned subsystem) {
    memset(pe, 0, 512);
    memcpy(pe, "MZ", 2);
    pe[0x3C] = 0x80;
    memcpy(pe + 0x80, "PE\0\0", 4);
    put_le(pe + 0x84, 0x8664, 2);
    put_le(pe + 0x98, 0x20B, 2);
    put_le(pe + 0x98 + 68, subsystem, 2);
}

static void test_efi_application_is_told_from_others(void **state) {
    uint8_t pe[512];
    uint32_t at;
    (void)state;
    make_efi(pe, 10);
    assert_true(efi_find(&(struct file){.data = pe, .size = 512}, &at));
    assert_int_equal(at, 0x80);
    assert_false(efi_find(&(struct file){.data = pe, .size = 0xD0}, &at)); /* cut off */
    make_efi(pe, 3);                                                       /* a Windows program */
    assert_false(efi_find(&(struct file){.data = pe, .size = 512}, &at));
    make_efi(pe, 10);
    put_le(pe + 0x3C, 0xFFFFFFF0, 4);
    assert_false(efi_find(&(struct file){.data = pe, .size = 512}, &at));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_flash_programs_by_clearing_and_erases_blocks),
        TEST(test_flash_is_told_from_rom_and_ram),
        TEST(test_flash_erase_without_confirmation_is_an_error),
        cmocka_unit_test(test_flash_changes_are_in_the_file_afterwards),
        TEST(test_firmware_lies_below_4_gib_and_below_1_mib),
        TEST(test_firmware_of_odd_size_or_missing_is_refused),
        cmocka_unit_test(test_efi_application_is_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
