/* What a file is, to judge by its contents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/hvsim.h"

static enum hvsim_kind kind_of(const uint8_t *data, size_t size) {
    char path[] = "/tmp/hvsim-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
    enum hvsim_kind kind = hvsim_recognize(path);
    unlink(path);
    return kind;
}

static void test_recognize_disk_by_boot_signature_or_format(void **state) {
    uint8_t b[1024] = {0};
    (void)state;
    assert_int_equal(kind_of(b, sizeof b), HVSIM_KIND_UNKNOWN);
    b[510] = 0x55, b[511] = 0xAA;
    assert_int_equal(kind_of(b, sizeof b), HVSIM_KIND_DISK);
    assert_int_equal(kind_of(b, 511), HVSIM_KIND_UNKNOWN);
    memset(b, 0, sizeof b);
    memcpy(b, "QFI\xFB", 4);
    assert_int_equal(kind_of(b, sizeof b), HVSIM_KIND_DISK);
}

static void test_recognize_cdrom_even_with_a_boot_signature(void **state) {
    static uint8_t b[0x9000];
    (void)state;
    b[510] = 0x55, b[511] = 0xAA; /* ISO images that start from a disk, too */
    memcpy(b + 0x8001, "CD001", 5);
    assert_int_equal(kind_of(b, sizeof b), HVSIM_KIND_CDROM);
}

static void test_recognize_kernel_and_efi_application_have_boot_signatures_too(void **state) {
    static uint8_t b[4096];
    (void)state;
    memcpy(b, "MZ", 2);
    b[0x3C] = 0x80;
    memcpy(b + 0x80, "PE\0\0\x64\x86", 6);
    b[0x98] = 0x0B, b[0x99] = 0x02;
    b[0x98 + 68] = 10;
    b[510] = 0x55, b[511] = 0xAA;
    assert_int_equal(kind_of(b, sizeof b), HVSIM_KIND_EFI);
    memcpy(b + 0x202, "HdrS", 4);
    b[0x206] = 0x0F, b[0x207] = 0x02;
    b[0x1F1] = 4;
    assert_int_equal(kind_of(b, sizeof b), HVSIM_KIND_IMAGE);
}

static void test_recognize_nothing_unreadable(void **state) {
    (void)state;
    assert_int_equal(hvsim_recognize("/nonexistent"), HVSIM_KIND_UNKNOWN);
    assert_int_equal(hvsim_recognize("/"), HVSIM_KIND_UNKNOWN);
    assert_int_equal(hvsim_recognize("/dev/zero"), HVSIM_KIND_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognize_disk_by_boot_signature_or_format),
        cmocka_unit_test(test_recognize_cdrom_even_with_a_boot_signature),
        cmocka_unit_test(test_recognize_kernel_and_efi_application_have_boot_signatures_too),
        cmocka_unit_test(test_recognize_nothing_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
