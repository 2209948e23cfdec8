/* The firmware configuration device, by ports and by DMA. */
#include "testsuites/unit/fixture.h"

#include <endian.h>
#include <string.h>

#include "sim/dev/fwcfg.h"

static void read_item(struct machine *m, uint16_t key, void *buf, unsigned size) {
    port_write(m, 0x510, 2, key);
    for (unsigned i = 0; i < size; i++) ((uint8_t *)buf)[i] = inb(m, 0x511);
}

static void test_fwcfg_items_are_read_from_their_beginning_and_end_in_zeros(void **state) {
    struct machine *m = *state;
    uint8_t b[6];
    read_item(m, FWCFG_SIGNATURE, b, 6);
    assert_memory_equal(b, "QEMU\0\0", 6);
    uint64_t ram;
    read_item(m, FWCFG_RAM_SIZE, &ram, 8);
    assert_int_equal(ram, TEST_MEMORY);
    read_item(m, 0x3FFF, b, 2);
    assert_int_equal(b[0], 0);
    read_item(m, 0xFFFF, b, 2);
    assert_int_equal(b[0], 0);
    port_write(m, 0x510, 2, FWCFG_ID);
    assert_int_equal(inb(m, 0x511), 3); /* with DMA */
}

static void test_fwcfg_files_are_found_by_name(void **state) {
    struct machine *m = *state;
    assert_true(fwcfg_add_file(m->fwcfg, "etc/one", "abc", 3));
    assert_true(fwcfg_add_file(m->fwcfg, "etc/two", "defgh", 5));
    uint8_t dir[4 + 32 * 64], data[5];
    read_item(m, FWCFG_FILE_DIRECTORY, dir, sizeof dir);
    unsigned n = dir[2] << 8 | dir[3];
    assert_in_range(n, 2, 32); /* the board may have files of its own */
    const uint8_t *last = dir + 4 + (n - 1) * 64;
    assert_string_equal((const char *)last + 8, "etc/two");
    assert_string_equal((const char *)last - 64 + 8, "etc/one");
    assert_int_equal(last[3], 5);
    read_item(m, (uint16_t)(last[4] << 8 | last[5]), data, 5);
    assert_memory_equal(data, "defgh", 5);
    char longest[80];
    memset(longest, 'x', 79);
    longest[79] = '\0';
    assert_false(fwcfg_add_file(m->fwcfg, longest, "", 0));
}

static uint32_t dma(struct machine *m, uint32_t control, uint32_t length, uint64_t address) {
    struct {
        uint32_t control, length;
        uint64_t address;
    } r = {htobe32(control), htobe32(length), htobe64(address)};
    assert_true(machine_write(m, 0x2000, &r, sizeof r));
    port_write(m, 0x514, 4, 0);
    port_write(m, 0x518, 4, htobe32(0x2000));
    uint32_t result;
    memcpy(&result, m->ram + 0x2000, 4);
    return be32toh(result);
}

static void test_fwcfg_dma_selects_reads_skips_and_fails(void **state) {
    struct machine *m = *state;
    assert_int_equal(port_read(m, 0x514, 4), htobe32(0x51454D55));
    memset(m->ram + 0x3000, 0xFF, 8);
    assert_int_equal(dma(m, FWCFG_SIGNATURE << 16 | 8 | 2, 6, 0x3000), 0);
    assert_memory_equal(m->ram + 0x3000, "QEMU\0\0\xFF", 7);
    assert_int_equal(dma(m, FWCFG_SIGNATURE << 16 | 8, 0, 0), 0);
    assert_int_equal(dma(m, 4, 2, 0), 0);
    assert_int_equal(dma(m, 2, 2, 0x3000), 0);
    assert_memory_equal(m->ram + 0x3000, "MU", 2);
    assert_int_equal(dma(m, FWCFG_SIGNATURE << 16 | 8 | 2, 4, TEST_MEMORY - 2), 1);
    assert_int_equal(dma(m, FWCFG_SIGNATURE << 16 | 8 | 2, ~0u, TEST_MEMORY - PAGE_SIZE), 1); /* runs out of RAM */
    assert_int_equal(dma(m, FWCFG_SIGNATURE << 16 | 8 | 16, 4, 0x3000), 1);                   /* writing */
    port_write(m, 0x514, 4, ~0u); /* the request lies nowhere */
    port_write(m, 0x518, 4, ~0u);
}

static void count_up(const struct machine *m, uint8_t *data, size_t size) {
    (void)m, (void)size;
    data[0]++;
}

static void test_fwcfg_lazy_file_is_made_when_it_is_selected(void **state) {
    struct machine *m = *state;
    assert_true(fwcfg_add_lazy_file(m->fwcfg, "opt/lazy", 2, count_up));
    uint8_t dir[4 + 32 * 64], b[2];
    read_item(m, FWCFG_FILE_DIRECTORY, dir, sizeof dir);
    const uint8_t *last = dir + 4 + (dir[3] - 1) * 64;
    uint16_t key = (uint16_t)(last[4] << 8 | last[5]);
    read_item(m, key, b, 2);
    assert_int_equal(b[0], 1);
    read_item(m, key, b, 2);
    assert_int_equal(b[0], 2);
    assert_int_equal(dma(m, (uint32_t)key << 16 | 8 | 2, 1, 0x3000), 0);
    assert_int_equal(m->ram[0x3000], 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_fwcfg_items_are_read_from_their_beginning_and_end_in_zeros),
        TEST(test_fwcfg_files_are_found_by_name),
        TEST(test_fwcfg_dma_selects_reads_skips_and_fails),
        TEST(test_fwcfg_lazy_file_is_made_when_it_is_selected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
