/* AHCI: registers, command list, NCQ, packets, interrupts, errors. */
#include "testsuites/unit/storage_world.h"

#include "sim/dev/ahci.h"
#include "sim/dev/lapic.h"

#define AHCI     PCI_DEVFN(31, 2)
#define ABAR     0xE0000000u
#define INDEX    0xC000u
#define LIST     0x10000u /* of port n: + n * 0x400 */
#define RECEIVED 0x12000u
#define TABLES   0x14000u /* of slot n: + n * 0x400 */
#define DATA     0x20000u

enum { DISK, CDROM, EMPTY }; /* ports */
enum { IS = 0x10, IE = 0x14, CMD = 0x18, TFD = 0x20, SIG = 0x24, SSTS = 0x28, SCTL = 0x2C, SERR = 0x30, SACT = 0x34 };
enum { CI = 0x38 };
enum { IDENTIFY = 0xEC, READ_DMA_EXT = 0x25, WRITE_DMA_EXT = 0x35, READ_FPDMA = 0x60, WRITE_FPDMA = 0x61 };
enum { READ_LOG_EXT = 0x2F, FLUSH_EXT = 0xEA, WRITE = 1 << 6, PACKET = 1 << 5 };

static uint32_t get(struct machine *m, uint32_t reg) { return (uint32_t)mmio_read(m, ABAR + reg, 4); }
static void set(struct machine *m, uint32_t reg, uint32_t val) { mmio_write(m, ABAR + reg, 4, val); }
static uint32_t port(unsigned n, uint32_t reg) { return 0x100 + 0x80 * n + reg; }
static uint32_t pget(struct machine *m, unsigned n, uint32_t reg) { return get(m, port(n, reg)); }
static void pset(struct machine *m, unsigned n, uint32_t reg, uint32_t val) { set(m, port(n, reg), val); }
static uint32_t ram32(const struct machine *m, uint32_t at) {
    uint32_t v;
    memcpy(&v, m->ram + at, 4);
    return v;
}

static void start(struct machine *m, unsigned n) {
    pset(m, n, 0x00, LIST + 0x400 * n), pset(m, n, 0x04, 0);
    pset(m, n, 0x08, RECEIVED + 0x100 * n), pset(m, n, 0x0C, 0);
    pset(m, n, SERR, ~0u), pset(m, n, IS, ~0u);
    pset(m, n, CMD, AHCI_CMD_FRE);
    pset(m, n, CMD, AHCI_CMD_FRE | AHCI_CMD_ST);
}

static int setup(void **state) {
    struct machine *m = storage_machine(MACHINE_Q35);
    storage_config(m, AHCI, PCI_BAR0 + 20, 4, ABAR);
    storage_config(m, AHCI, PCI_BAR0 + 16, 4, INDEX);
    storage_config(m, AHCI, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    start(m, DISK), start(m, CDROM);
    *state = m;
    return 0;
}
#define TEST_AHCI(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

struct command {
    uint8_t code;
    uint64_t lba;
    uint16_t count, feature;
    uint32_t flags;
    const uint8_t *packet;
};

static void region(struct machine *m, unsigned slot, unsigned n, uint64_t at, uint32_t size, bool interrupt) {
    uint32_t d[4] = {(uint32_t)at, (uint32_t)(at >> 32), 0, (size - 1) | (interrupt ? 1u << 31 : 0)};
    memcpy(m->ram + TABLES + 0x400 * slot + 0x80 + 16 * n, d, sizeof d);
}

static void put_command(struct machine *m, unsigned n, unsigned slot, const struct command *c, unsigned regions) {
    uint32_t header[8] = {5 | c->flags | regions << 16, 0, TABLES + 0x400 * slot};
    uint8_t *table = m->ram + TABLES + 0x400 * slot;
    const uint8_t fis[20] = {0x27,
                             0x80,
                             c->code,
                             (uint8_t)c->feature,
                             (uint8_t)c->lba,
                             (uint8_t)(c->lba >> 8),
                             (uint8_t)(c->lba >> 16),
                             0x40,
                             (uint8_t)(c->lba >> 24),
                             (uint8_t)(c->lba >> 32),
                             (uint8_t)(c->lba >> 40),
                             (uint8_t)(c->feature >> 8),
                             (uint8_t)c->count,
                             (uint8_t)(c->count >> 8)};
    memcpy(m->ram + LIST + 0x400 * n + 32 * slot, header, sizeof header);
    memcpy(table, fis, sizeof fis);
    if (c->packet) memcpy(table + 0x40, c->packet, 12);
}

/* One command in slot 0 with one region at DATA; returns PxIS, cleared. */
static uint32_t run(struct machine *m, unsigned n, const struct command *c, uint32_t size) {
    region(m, 0, 0, DATA, size ? size : 2, false);
    put_command(m, n, 0, c, size ? 1 : 0);
    pset(m, n, CI, 1);
    fixture_advance(m, STORAGE_WAIT);
    uint32_t is = pget(m, n, IS);
    pset(m, n, IS, is);
    return is;
}

static void test_ahci_ports_have_link_and_signature(void **state) {
    struct machine *m = *state;
    assert_int_equal(get(m, 0x0C), 0x3F);
    assert_int_equal(get(m, 0x10), 0x10300);
    assert_int_equal(get(m, 0x00) >> 8 & 31, 31);
    assert_int_equal(get(m, 0x04), 0x80000000); /* AHCI enable can't be taken back */
    set(m, 0x04, 0);
    assert_int_equal(get(m, 0x04), 0x80000000);
    assert_int_equal(pget(m, DISK, SSTS), 0x123);
    assert_int_equal(pget(m, DISK, SIG), 0x101);
    assert_int_equal(pget(m, CDROM, SIG), 0xEB140101);
    assert_int_equal(pget(m, EMPTY, SSTS), 0);
    assert_int_equal(pget(m, EMPTY, TFD), 0x7F);
    assert_int_equal(get(m, 0x100 + 0x80 * 6 + SSTS), 0);
}

static void test_ahci_identify_by_pio_setup(void **state) {
    struct machine *m = *state;
    assert_int_equal(run(m, DISK, &(struct command){.code = IDENTIFY}, 512), AHCI_PSS);
    assert_int_equal(pget(m, DISK, CI), 0);
    assert_int_equal(pget(m, DISK, TFD), 0x50);
    assert_memory_equal(m->ram + DATA + 54, "VHIS MIDKS", 10);
    assert_int_equal(m->ram[DATA + 2 * 76 + 1] & 1, 1); /* NCQ */
    const uint8_t *fis = m->ram + RECEIVED + 0x20;
    assert_int_equal(fis[0], 0x5F);
    assert_int_equal(fis[15], 0x50);
    assert_int_equal(fis[16] | fis[17] << 8, 512);
    assert_int_equal(ram32(m, LIST + 4), 512); /* byte count */
}

static void test_ahci_dma_read_and_write_over_regions(void **state) {
    struct machine *m = *state;
    storage_fill(m->ram + DATA, 300, 16);
    region(m, 3, 0, DATA, 512, false), region(m, 3, 1, DATA + 512, 7680, true);
    put_command(m, DISK, 3, &(struct command){.code = WRITE_DMA_EXT, .lba = 100, .count = 16, .flags = WRITE}, 2);
    pset(m, DISK, CI, 1 << 3);
    assert_int_equal(pget(m, DISK, CI), 1 << 3);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, DISK, CI), 0);
    assert_int_equal(pget(m, DISK, IS), AHCI_DHRS | AHCI_DPS);
    assert_int_equal(pget(m, DISK, CMD) >> 8 & 31, 3); /* current slot */
    assert_int_equal(m->ram[RECEIVED + 0x40], 0x34);
    pset(m, DISK, IS, ~0u);
    assert_int_equal(run(m, DISK, &(struct command){.code = READ_DMA_EXT, .lba = 99, .count = 18}, 18 * 512),
                     AHCI_DHRS);
    storage_expect(m, DATA, 99, 1), storage_expect(m, DATA + 512, 300, 16), storage_expect(m, DATA + 17 * 512, 116, 1);
}

static void test_ahci_ncq_completes_tags_by_set_device_bits(void **state) {
    struct machine *m = *state;
    storage_fill(m->ram + DATA, 700, 8);
    region(m, 5, 0, DATA, 4096, false), region(m, 9, 0, DATA + 0x1000, 0x2000, false);
    put_command(m, DISK, 5, &(struct command){WRITE_FPDMA, 40, 5 << 3, 8, WRITE, NULL}, 1);
    put_command(m, DISK, 9, &(struct command){READ_FPDMA, 36, 9 << 3, 16, 0, NULL}, 1);
    pset(m, DISK, SACT, 1 << 5 | 1 << 9);
    pset(m, DISK, CI, 1 << 5 | 1 << 9);
    assert_int_equal(pget(m, DISK, SACT), 1 << 5 | 1 << 9);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, DISK, SACT), 0);
    assert_int_equal(pget(m, DISK, CI), 0);
    assert_int_equal(pget(m, DISK, IS), AHCI_SDBS);
    assert_int_equal(m->ram[RECEIVED + 0x58], 0xA1);
    storage_expect(m, DATA + 0x1000, 36, 4), storage_expect(m, DATA + 0x1800, 700, 8); /* slot 5 came first */
}

static void test_ahci_ncq_error_stops_the_port_and_is_logged(void **state) {
    struct machine *m = *state;
    region(m, 2, 0, DATA, 512, false), region(m, 4, 0, DATA, 512, false);
    put_command(m, DISK, 2, &(struct command){READ_FPDMA, DISK_SECTORS, 2 << 3, 1, 0, NULL}, 1);
    put_command(m, DISK, 4, &(struct command){READ_FPDMA, 0, 4 << 3, 1, 0, NULL}, 1);
    pset(m, DISK, SACT, 1 << 2 | 1 << 4);
    pset(m, DISK, CI, 1 << 2 | 1 << 4);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, DISK, SACT), 1 << 2 | 1 << 4);
    assert_int_equal(pget(m, DISK, CI), 1 << 4);
    assert_int_equal(pget(m, DISK, IS), AHCI_SDBS | AHCI_TFES);
    assert_int_equal(pget(m, DISK, TFD), 0x51 | ATA_ERROR_IDNF << 8);
    pset(m, DISK, CMD, AHCI_CMD_FRE);
    assert_int_equal(pget(m, DISK, CI), 0);
    assert_int_equal(pget(m, DISK, SACT), 0);
    start(m, DISK);
    assert_int_equal(run(m, DISK, &(struct command){.code = READ_LOG_EXT, .lba = 0x10, .count = 1}, 512), AHCI_PSS);
    assert_int_equal(m->ram[DATA], 2); /* the tag */
    assert_int_equal(m->ram[DATA + 3], ATA_ERROR_IDNF);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 512; i++) sum = (uint8_t)(sum + m->ram[DATA + i]);
    assert_int_equal(sum, 0);
}

static void test_ahci_error_of_a_command_raises_task_file_error(void **state) {
    struct machine *m = *state;
    struct command bad = {.code = READ_DMA_EXT, .lba = DISK_SECTORS, .count = 1};
    assert_int_equal(run(m, DISK, &bad, 512), AHCI_DHRS | AHCI_TFES);
    assert_int_equal(pget(m, DISK, TFD), 0x51 | ATA_ERROR_IDNF << 8);
    assert_int_equal(run(m, DISK, &(struct command){.code = FLUSH_EXT}, 0), 0); /* stopped */
    start(m, DISK);
    assert_int_equal(run(m, DISK, &(struct command){.code = FLUSH_EXT}, 0), AHCI_DHRS);
    assert_int_equal(pget(m, DISK, TFD), 0x50);
}

static void test_ahci_packet_reads_the_cdrom(void **state) {
    struct machine *m = *state;
    static const uint8_t ready[12] = {0}, read10[12] = {0x28, 0, 0, 0, 0, 11, 0, 0, 4};
    struct command c = {.code = ATA_COMMAND_PACKET, .feature = 1, .flags = PACKET, .packet = ready};
    assert_int_equal(run(m, CDROM, &c, 0), AHCI_DHRS | AHCI_TFES); /* unit attention */
    assert_int_equal(pget(m, CDROM, TFD) >> 12, 6);
    start(m, CDROM);
    c.packet = read10;
    assert_int_equal(run(m, CDROM, &c, 8192), AHCI_DHRS);
    storage_expect(m, DATA, 44, 16);
    assert_int_equal(ram32(m, LIST + 0x400 + 4), 8192);
    c.feature = 0; /* the same by PIO */
    memset(m->ram + DATA, 0, 8192);
    assert_int_equal(run(m, CDROM, &c, 8192), AHCI_DHRS | AHCI_PSS);
    storage_expect(m, DATA, 44, 16);
}

static void test_ahci_too_few_regions_overflow(void **state) {
    struct machine *m = *state;
    struct command c = {.code = READ_DMA_EXT, .count = 4};
    assert_int_equal(run(m, DISK, &c, 512), AHCI_DHRS | AHCI_TFES | AHCI_OFS);
    storage_expect(m, DATA, 0, 1);
    start(m, DISK);
    assert_int_equal(run(m, DISK, &c, 0), AHCI_DHRS | AHCI_TFES | AHCI_OFS);
}

static void test_ahci_structures_outside_memory_are_fatal(void **state) {
    struct machine *m = *state;
    struct command c = {.code = READ_DMA_EXT, .count = 1};
    region(m, 0, 0, 0xF0000000, 512, false);
    put_command(m, DISK, 0, &c, 1);
    pset(m, DISK, CI, 1);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, DISK, IS) & AHCI_HBFS, AHCI_HBFS);
    start(m, DISK);
    pset(m, DISK, 0x04, 0x80); /* the command list */
    pset(m, DISK, CI, 1);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, DISK, IS), AHCI_HBFS);
    assert_int_equal(pget(m, DISK, CI), 1);
}

static void test_ahci_software_reset_sends_the_signature(void **state) {
    struct machine *m = *state;
    put_command(m, CDROM, 0, &(struct command){.code = 0}, 0),
        put_command(m, CDROM, 1, &(struct command){.code = 0}, 0);
    for (unsigned slot = 0; slot < 2; slot++) {
        m->ram[TABLES + 0x400 * slot + 1] = 0; /* C = 0 */
        m->ram[TABLES + 0x400 * slot + 15] = slot ? 0 : 4;
    }
    m->ram[LIST + 0x400 + 1] |= 4; /* clear busy upon R_OK */
    memset(m->ram + RECEIVED + 0x100, 0, 0x100);
    pset(m, CDROM, CI, 1);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, CDROM, IS), 0);
    pset(m, CDROM, CI, 2);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(pget(m, CDROM, IS), AHCI_DHRS);
    const uint8_t *fis = m->ram + RECEIVED + 0x140;
    assert_int_equal(fis[0], 0x34);
    assert_int_equal(fis[5], 0x14), assert_int_equal(fis[6], 0xEB);
}

static void test_ahci_comreset_by_sctl(void **state) {
    struct machine *m = *state;
    pset(m, DISK, CMD, AHCI_CMD_FRE);
    pset(m, DISK, SCTL, 1);
    assert_int_equal(pget(m, DISK, SSTS), 0);
    pset(m, DISK, SCTL, 0);
    assert_int_equal(pget(m, DISK, SSTS), 0x123);
    assert_int_equal(pget(m, DISK, SERR), 1 << 26);
    assert_int_equal(pget(m, DISK, IS), AHCI_PCS);
    pset(m, DISK, SERR, 1 << 26);
    assert_int_equal(pget(m, DISK, IS), 0);
    assert_int_equal(pget(m, DISK, TFD), 0x150);
}

static void test_ahci_interrupt_by_pin_and_by_message(void **state) {
    struct machine *m = *state;
    const struct pci_device *p = m->pci->function[AHCI];
    set(m, 0x04, 2);
    pset(m, DISK, IE, AHCI_DHRS);
    put_command(m, DISK, 0, &(struct command){.code = FLUSH_EXT}, 0);
    pset(m, DISK, CI, 1);
    fixture_advance(m, STORAGE_WAIT);
    assert_true(p->intx);
    assert_int_equal(get(m, 0x08), 1);
    set(m, 0x08, 1); /* the port still asks for it */
    assert_true(p->intx);
    pset(m, DISK, IS, ~0u), set(m, 0x08, 1);
    assert_false(p->intx);
    unsigned at = p->msi;
    storage_config(m, AHCI, at + 4, 4, 0xFEE00000), storage_config(m, AHCI, at + 12, 2, 0x51);
    storage_config(m, AHCI, at + 2, 2, 1);
    m->running = m->cpu[0];
    mmio_write(m, 0xFEE000F0, 4, 0x1FF);
    m->running = NULL;
    bool pic;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(lapic_pending(m->cpu[0], &pic), -1);
        pset(m, DISK, CI, 1);
        fixture_advance(m, STORAGE_WAIT);
        assert_int_equal(lapic_pending(m->cpu[0], &pic), 0x51);
        lapic_acknowledge(m->cpu[0]);
        m->running = m->cpu[0];
        mmio_write(m, 0xFEE000B0, 4, 0);
        m->running = NULL;
        pset(m, DISK, IS, ~0u), set(m, 0x08, 1);
    }
}

static void test_ahci_index_and_data_ports_reach_the_registers(void **state) {
    struct machine *m = *state;
    port_write(m, INDEX + 0x10, 4, port(CDROM, SIG));
    assert_int_equal(port_read(m, INDEX + 0x10, 4), port(CDROM, SIG));
    assert_int_equal(port_read(m, INDEX + 0x14, 4), 0xEB140101);
    port_write(m, INDEX + 0x10, 4, port(DISK, IE));
    port_write(m, INDEX + 0x14, 4, 1);
    assert_int_equal(pget(m, DISK, IE), 1);
    port_write(m, INDEX + 0x10, 4, 0xFFFFFFFF);
    assert_int_equal(port_read(m, INDEX + 0x14, 4), 0);
}

static void test_ahci_empty_port_fails_commands(void **state) {
    struct machine *m = *state;
    start(m, EMPTY);
    assert_int_equal(run(m, EMPTY, &(struct command){.code = IDENTIFY}, 512), AHCI_IFS);
    set(m, 0x04, 1);                             /* reset of all */
    assert_int_equal(pget(m, DISK, 0x00), LIST); /* but for where lists and frames are */
    assert_int_equal(pget(m, DISK, 0x08), RECEIVED);
    assert_int_equal(pget(m, EMPTY, CI), 0);
}

static void count_calls(void *arg) { ++*(unsigned *)arg; }

static void test_ahci_reset_of_the_machine_ends_commands_and_no_other_timer(void **state) {
    struct machine *m = *state;
    struct timer later;
    unsigned calls = 0;
    timer_init(&later, count_calls, &calls);
    put_command(m, DISK, 0, &(struct command){.code = FLUSH_EXT}, 0);
    pset(m, DISK, CI, 1);
    timer_arm(m, &later, m->timers->due + 1);
    m->pci->function[AHCI]->dev.ops->reset(&m->pci->function[AHCI]->dev);
    fixture_advance(m, STORAGE_WAIT);
    assert_int_equal(calls, 1);
    const struct ahci *a = (const struct ahci *)m->pci->function[AHCI];
    assert_int_equal(a->port[DISK].ci, 0);
    assert_int_equal(a->port[DISK].ssts, 0x123);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_AHCI(test_ahci_ports_have_link_and_signature),
        TEST_AHCI(test_ahci_identify_by_pio_setup),
        TEST_AHCI(test_ahci_dma_read_and_write_over_regions),
        TEST_AHCI(test_ahci_ncq_completes_tags_by_set_device_bits),
        TEST_AHCI(test_ahci_ncq_error_stops_the_port_and_is_logged),
        TEST_AHCI(test_ahci_error_of_a_command_raises_task_file_error),
        TEST_AHCI(test_ahci_packet_reads_the_cdrom),
        TEST_AHCI(test_ahci_too_few_regions_overflow),
        TEST_AHCI(test_ahci_structures_outside_memory_are_fatal),
        TEST_AHCI(test_ahci_software_reset_sends_the_signature),
        TEST_AHCI(test_ahci_comreset_by_sctl),
        TEST_AHCI(test_ahci_interrupt_by_pin_and_by_message),
        TEST_AHCI(test_ahci_index_and_data_ports_reach_the_registers),
        TEST_AHCI(test_ahci_empty_port_fails_commands),
        TEST_AHCI(test_ahci_reset_of_the_machine_ends_commands_and_no_other_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
