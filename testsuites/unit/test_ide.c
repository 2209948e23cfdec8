/* ATA disks on the IDE channels: registers, PIO, DMA by the bus master, errors. */
#include "testsuites/unit/ide_world.h"

#define GOOD (ATA_STATUS_DRDY | ATA_STATUS_DSC)
#define BAD  (GOOD | ATA_STATUS_ERR)

enum { IDENTIFY = 0xEC, READ = 0x20, READ_EXT = 0x24, READ_DMA = 0xC8, READ_MULTIPLE = 0xC4, SET_MULTIPLE = 0xC6 };
enum {
    WRITE = 0x30,
    WRITE_DMA = 0xCA,
    WRITE_DMA_EXT = 0x35,
    FLUSH = 0xE7,
    FEATURES = 0xEF,
    VERIFY = 0x40,
    SMART = 0xB0
};

static uint16_t word(const uint8_t *id, unsigned n) { return (uint16_t)(id[2 * n] | id[2 * n + 1] << 8); }

static void identify(struct machine *m, uint8_t id[512]) {
    assert_int_equal(ide_command(m, DISK, IDENTIFY), GOOD | ATA_STATUS_DRQ);
    ide_read_data(m, DISK, id, 512);
    assert_int_equal(inb(m, DISK + 7), GOOD);
}

static void test_ide_identify_tells_size_and_sums_to_zero(void **state) {
    struct machine *m = *state;
    uint8_t id[512], sum = 0;
    identify(m, id);
    for (unsigned i = 0; i < 512; i++) sum = (uint8_t)(sum + id[i]);
    assert_int_equal(sum, 0);
    assert_int_equal(word(id, 60) | (uint32_t)word(id, 61) << 16, DISK_SECTORS);
    assert_int_equal(word(id, 100) | (uint32_t)word(id, 101) << 16, DISK_SECTORS);
    assert_memory_equal(id + 54, "VHIS MIDKS", 10); /* "HVSIM DISK", swapped in pairs */
    assert_int_equal(word(id, 49) & 0x300, 0x300);  /* LBA, DMA */
}

static void test_ide_pio_read_interrupts_for_each_block(void **state) {
    struct machine *m = *state;
    ide_lba(m, DISK, 1000, 3);
    outb(m, DISK + 7, READ);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(ide_irq(m, DISK));
        fixture_advance(m, STORAGE_WAIT);
        assert_true(ide_irq(m, DISK));
        assert_int_equal(inb(m, DISK + 7), GOOD | ATA_STATUS_DRQ);
        assert_false(ide_irq(m, DISK));
        ide_read_data(m, DISK, m->ram + DATA + 512 * i, 512);
    }
    assert_int_equal(inb(m, DISK + 7), GOOD);
    fixture_advance(m, STORAGE_WAIT);
    assert_false(ide_irq(m, DISK)); /* none after the last block */
    storage_expect(m, DATA, 1000, 3);
}

static void test_ide_pio_write_is_read_again(void **state) {
    struct machine *m = *state;
    uint8_t data[1024];
    storage_fill(data, 77, 2);
    ide_lba(m, DISK, 5, 2);
    assert_int_equal(ide_command(m, DISK, WRITE), GOOD | ATA_STATUS_DRQ);
    ide_write_data(m, DISK, data, 512);
    fixture_advance(m, STORAGE_WAIT);
    assert_true(ide_irq(m, DISK));
    assert_int_equal(inb(m, DISK + 7), GOOD | ATA_STATUS_DRQ);
    for (unsigned i = 512; i < 1024; i += 4) port_write(m, DISK, 4, *(uint32_t *)(void *)(data + i)); /* 32-bit PIO */
    assert_int_equal(inb(m, DISK + CONTROL), ATA_STATUS_BSY);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(inb(m, DISK + 7), GOOD);
    assert_int_equal(ide_command(m, DISK, FLUSH), GOOD);
    ide_lba(m, DISK, 4, 3);
    outb(m, DISK + 7, READ);
    for (unsigned i = 0; i < 3; i++) {
        fixture_advance(m, STORAGE_WAIT);
        ide_read_data(m, DISK, m->ram + DATA + 512 * i, 512);
    }
    storage_expect(m, DATA, 4, 1);
    storage_expect(m, DATA + 512, 77, 2);
    assert_int_not_equal(disk_hash(m->disk[0]), 0);
}

static void test_ide_multiple_moves_blocks_of_the_size_that_was_set(void **state) {
    struct machine *m = *state;
    outb(m, DISK + 2, 3);
    assert_int_equal(ide_command(m, DISK, SET_MULTIPLE), BAD); /* no power of two */
    outb(m, DISK + 2, 4);
    assert_int_equal(ide_command(m, DISK, SET_MULTIPLE), GOOD);
    ide_lba(m, DISK, 10, 6);
    assert_int_equal(ide_command(m, DISK, READ_MULTIPLE), GOOD | ATA_STATUS_DRQ);
    ide_read_data(m, DISK, m->ram + DATA, 2048);
    assert_int_equal(inb(m, DISK + 7), ATA_STATUS_BSY);
    fixture_advance(m, STORAGE_WAIT);
    ide_read_data(m, DISK, m->ram + DATA + 2048, 1024);
    assert_int_equal(inb(m, DISK + 7), GOOD);
    storage_expect(m, DATA, 10, 6);
}

static void test_ide_dma_read_scatters_over_the_table(void **state) {
    struct machine *m = *state;
    ide_region(m, 0, DATA, 512, false);
    ide_region(m, 1, DATA + 512, 0xFE00, false);
    ide_region(m, 2, DATA + 0x10000, 0, true); /* 64 KiB */
    ide_lba48(m, DISK, 4000, 256);
    outb(m, DISK + 7, 0x25);
    ide_master(m, DISK, true);
    assert_int_equal(ide_master_status(m, DISK) & 7, 1);
    fixture_advance(m, STORAGE_WAIT);
    assert_true(ide_irq(m, DISK));
    assert_int_equal(ide_master_status(m, DISK) & 7, 4); /* interrupt, not active: the table was as long as the data */
    assert_int_equal(inb(m, DISK + 7), GOOD);
    storage_expect(m, DATA, 4000, 256);
}

static void test_ide_dma_write_waits_for_the_master(void **state) {
    struct machine *m = *state;
    storage_fill(m->ram + DATA, 500, 8);
    ide_region(m, 0, DATA, 8192, true); /* longer than the data */
    ide_lba(m, DISK, 20, 8);
    outb(m, DISK + 7, WRITE_DMA);
    fixture_advance(m, STORAGE_WAIT);
    assert_false(ide_irq(m, DISK));
    ide_master(m, DISK, false);
    fixture_advance(m, STORAGE_WAIT);
    assert_true(ide_irq(m, DISK));
    assert_int_equal(ide_master_status(m, DISK) & 7, 5); /* still active: a part of the table is left */
    assert_int_equal(inb(m, DISK + 7), GOOD);
    uint8_t got[4096];
    assert_true(disk_read(m->disk[0], 20, 8, got));
    assert_memory_equal(got, m->ram + DATA, sizeof got);
}

static void test_ide_dma_table_too_short_never_ends_until_reset(void **state) {
    struct machine *m = *state;
    ide_region(m, 0, DATA, 512, true);
    ide_lba(m, DISK, 0, 2);
    outb(m, DISK + 7, READ_DMA);
    ide_master(m, DISK, true);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(ide_master_status(m, DISK) & 7, 0);
    assert_int_equal(inb(m, DISK + 7), ATA_STATUS_BSY);
    storage_expect(m, DATA, 0, 1);
    outb(m, DISK + CONTROL, 4), outb(m, DISK + CONTROL, 0);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(inb(m, DISK + 7), GOOD);
}

static void test_ide_dma_outside_memory_is_an_error(void **state) {
    struct machine *m = *state;
    ide_region(m, 0, 0xF0000000, 512, true);
    ide_lba(m, DISK, 0, 1);
    outb(m, DISK + 7, READ_DMA);
    ide_master(m, DISK, true);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(ide_master_status(m, DISK) & 7, 6);
    assert_int_equal(inb(m, DISK + 7), BAD);
    outb(m, MASTER, 0);
    storage_config(m, IDE, PCI_COMMAND, 2, PCI_COMMAND_IO); /* no mastering: the table can't be read */
    outb(m, DISK + 7, READ_DMA);
    ide_master(m, DISK, true);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(ide_master_status(m, DISK) & 7, 6);
}

static void test_ide_address_beyond_the_end_is_not_found(void **state) {
    struct machine *m = *state;
    ide_lba(m, DISK, DISK_SECTORS - 1, 2);
    assert_int_equal(ide_command(m, DISK, READ), BAD);
    assert_int_equal(inb(m, DISK + 1), ATA_ERROR_IDNF);
    ide_lba(m, DISK, DISK_SECTORS - 1, 1);
    assert_int_equal(ide_command(m, DISK, VERIFY), GOOD);
    ide_lba48(m, DISK, 0xFFFFFFFFFFFF, 0); /* 65536 sectors */
    assert_int_equal(ide_command(m, DISK, READ_EXT), BAD);
    ide_lba48(m, DISK, 0x1000000000, 1);
    assert_int_equal(ide_command(m, DISK, WRITE_DMA_EXT), BAD);
    assert_int_equal(inb(m, DISK + 1), ATA_ERROR_IDNF);
}

static void test_ide_cylinders_heads_and_sectors_find_the_same(void **state) {
    struct machine *m = *state;
    outb(m, DISK + 2, 1);
    outb(m, DISK + 3, 7), outb(m, DISK + 4, 2), outb(m, DISK + 5, 0), outb(m, DISK + 6, 0xA3);
    assert_int_equal(ide_command(m, DISK, READ), GOOD | ATA_STATUS_DRQ);
    ide_read_data(m, DISK, m->ram + DATA, 512);
    storage_expect(m, DATA, (2 * 16 + 3) * 63 + 6, 1);
    outb(m, DISK + 3, 0); /* sectors count from 1 */
    assert_int_equal(ide_command(m, DISK, READ), BAD);
}

static void test_ide_upper_bytes_are_read_with_hob(void **state) {
    struct machine *m = *state;
    ide_lba48(m, DISK, 0x060504030201, 0x0708);
    assert_int_equal(inb(m, DISK + 3), 0x01);
    outb(m, DISK + CONTROL, 0x80);
    assert_int_equal(inb(m, DISK + 2), 0x07);
    assert_int_equal(inb(m, DISK + 5), 0x06);
    outb(m, DISK + 2, 1); /* a write takes HOB back */
    assert_int_equal(inb(m, DISK + 5), 0x03);
}

static void test_ide_reset_leaves_the_signature(void **state) {
    struct machine *m = *state;
    ide_lba(m, DISK, 0x123456, 9);
    outb(m, DISK + CONTROL, 4);
    assert_int_equal(inb(m, DISK + 7), ATA_STATUS_BSY);
    outb(m, DISK + CONTROL, 0);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(inb(m, DISK + 7), GOOD);
    assert_int_equal(inb(m, DISK + 1), 1);
    const uint8_t want[] = {1, 1, 0, 0};
    for (unsigned i = 0; i < 4; i++) assert_int_equal(inb(m, (uint16_t)(DISK + 2 + i)), want[i]);
    assert_false(ide_irq(m, DISK));
}

static void test_ide_absent_device_1_reads_zero_and_ignores_commands(void **state) {
    struct machine *m = *state;
    outb(m, DISK + 6, 0xF0);
    assert_int_equal(inb(m, DISK + 7), 0);
    outb(m, DISK + 7, IDENTIFY);
    fixture_advance(m, STORAGE_WAIT);
    assert_false(ide_irq(m, DISK));
    assert_int_equal(inb(m, DISK + 7), 0);
    assert_int_equal(port_read(m, DISK, 2), 0);
}

static void test_ide_unknown_commands_are_aborted(void **state) {
    struct machine *m = *state;
    static const uint8_t unknown[] = {0x00, 0x01, 0x60, 0x61, 0xA0, 0xA1, 0x08, 0xF1, 0xFF};
    for (unsigned i = 0; i < sizeof unknown; i++) {
        assert_int_equal(ide_command(m, DISK, unknown[i]), BAD);
        assert_int_equal(inb(m, DISK + 1), ATA_ERROR_ABRT);
    }
}

static void test_ide_nien_keeps_the_interrupt_back(void **state) {
    struct machine *m = *state;
    outb(m, DISK + CONTROL, 2);
    outb(m, DISK + 7, FLUSH);
    fixture_advance(m, STORAGE_WAIT);
    assert_false(ide_irq(m, DISK));
    outb(m, DISK + CONTROL, 0);
    assert_true(ide_irq(m, DISK));
    assert_int_equal(inb(m, DISK + CONTROL), GOOD); /* the alternate status leaves it */
    assert_true(ide_irq(m, DISK));
}

static void test_ide_features_set_mode_and_cache(void **state) {
    struct machine *m = *state;
    uint8_t id[512];
    outb(m, DISK + 1, 3), outb(m, DISK + 2, 0x22);
    assert_int_equal(ide_command(m, DISK, FEATURES), GOOD);
    outb(m, DISK + 1, 0x82);
    assert_int_equal(ide_command(m, DISK, FEATURES), GOOD);
    identify(m, id);
    assert_int_equal(word(id, 63), 0x0407);
    assert_int_equal(word(id, 85) & 1 << 5, 0);
    outb(m, DISK + 1, 3), outb(m, DISK + 2, 0x23); /* no such mode */
    assert_int_equal(ide_command(m, DISK, FEATURES), BAD);
    outb(m, DISK + 1, 0x99);
    assert_int_equal(ide_command(m, DISK, FEATURES), BAD);
}

static void test_ide_smart_says_that_all_is_well(void **state) {
    struct machine *m = *state;
    outb(m, DISK + 1, 0xDA), outb(m, DISK + 4, 0x4F), outb(m, DISK + 5, 0xC2);
    assert_int_equal(ide_command(m, DISK, SMART), GOOD);
    assert_int_equal(inb(m, DISK + 4), 0x4F);
    assert_int_equal(inb(m, DISK + 5), 0xC2);
    outb(m, DISK + 1, 0xD9);
    assert_int_equal(ide_command(m, DISK, SMART), GOOD);
    outb(m, DISK + 1, 0xDA);
    assert_int_equal(ide_command(m, DISK, SMART), BAD); /* disabled */
}

static void test_ide_ports_follow_the_decode_bits(void **state) {
    struct machine *m = *state;
    storage_config(m, IDE, 0x40, 2, 0);
    assert_int_equal(inb(m, DISK + 7), 0xFF);
    assert_int_not_equal(inb(m, CDROM + 3), 0xFF);
    storage_config(m, IDE, 0x40, 2, 0x8000);
    assert_int_equal(inb(m, DISK + 7), GOOD);
    storage_config(m, IDE, PCI_COMMAND, 2, 0);
    assert_int_equal(inb(m, DISK + 7), 0xFF);
    assert_int_equal(inb(m, CDROM + 7), 0xFF);
}

static void test_ide_selecting_the_other_device_in_a_packet_is_harmless(void **state) {
    struct machine *m = *state;
    ide_command(m, CDROM, 0xA0);
    outb(m, CDROM + 6, 0xB0);
    for (unsigned i = 0; i < 64; i++) port_write(m, CDROM, 4, ~0u);
    outb(m, CDROM + 6, 0xA0);
    for (unsigned i = 0; i < 64; i++) port_write(m, CDROM, 4, ~0u);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(inb(m, CDROM + 7) & ATA_STATUS_BSY, 0);
}

static void count_calls(void *arg) { ++*(unsigned *)arg; }

static void test_ide_reset_of_the_machine_ends_a_command_and_no_other_timer(void **state) {
    struct machine *m = *state;
    struct timer later;
    unsigned calls = 0;
    timer_init(&later, count_calls, &calls);
    ide_lba(m, DISK, 0, 1);
    outb(m, DISK + 7, READ);
    timer_arm(m, &later, m->timers->due + 1);
    m->pci->function[IDE]->dev.ops->reset(&m->pci->function[IDE]->dev);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(calls, 1);
    assert_false(ide_irq(m, DISK));
    storage_config(m, IDE, PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(inb(m, DISK + 7), GOOD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_IDE(test_ide_identify_tells_size_and_sums_to_zero),
        TEST_IDE(test_ide_pio_read_interrupts_for_each_block),
        TEST_IDE(test_ide_pio_write_is_read_again),
        TEST_IDE(test_ide_multiple_moves_blocks_of_the_size_that_was_set),
        TEST_IDE(test_ide_dma_read_scatters_over_the_table),
        TEST_IDE(test_ide_dma_write_waits_for_the_master),
        TEST_IDE(test_ide_dma_table_too_short_never_ends_until_reset),
        TEST_IDE(test_ide_dma_outside_memory_is_an_error),
        TEST_IDE(test_ide_address_beyond_the_end_is_not_found),
        TEST_IDE(test_ide_cylinders_heads_and_sectors_find_the_same),
        TEST_IDE(test_ide_upper_bytes_are_read_with_hob),
        TEST_IDE(test_ide_reset_leaves_the_signature),
        TEST_IDE(test_ide_absent_device_1_reads_zero_and_ignores_commands),
        TEST_IDE(test_ide_unknown_commands_are_aborted),
        TEST_IDE(test_ide_nien_keeps_the_interrupt_back),
        TEST_IDE(test_ide_features_set_mode_and_cache),
        TEST_IDE(test_ide_smart_says_that_all_is_well),
        TEST_IDE(test_ide_ports_follow_the_decode_bits),
        TEST_IDE(test_ide_reset_of_the_machine_ends_a_command_and_no_other_timer),
        TEST_IDE(test_ide_selecting_the_other_device_in_a_packet_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
