/* Commands to the IDE channels of a machine with a disk (first channel) and a CD-ROM (second channel). */
#ifndef HVSIM_UNIT_IDE_WORLD_H
#define HVSIM_UNIT_IDE_WORLD_H

#include "testsuites/unit/storage_world.h"

#include "sim/dev/ide.h"

#define IDE    PCI_DEVFN(1, 1)
#define MASTER 0xC000u /* bus master registers */
#define TABLE  0x10000u
#define DATA   0x20000u

enum { DISK = 0x1F0, CDROM = 0x170, CONTROL = 0x206 /* from the command block on */ };

static inline int ide_setup(void **state) {
    struct machine *m = storage_machine(MACHINE_PC);
    storage_config(m, IDE, PCI_BAR0 + 16, 4, MASTER);
    storage_config(m, IDE, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    *state = m;
    return 0;
}
#define TEST_IDE(name) cmocka_unit_test_setup_teardown(name, ide_setup, fixture_teardown)

/* the interrupt request, as the PIC has it */
static inline bool ide_irq(struct machine *m, uint16_t base) {
    outb(m, 0xA0, 0x0A);
    return inb(m, 0xA0) >> (base == DISK ? 6 : 7) & 1;
}

static inline void ide_lba(struct machine *m, uint16_t base, uint32_t lba, uint8_t count) {
    outb(m, base + 2, count);
    outb(m, base + 3, (uint8_t)lba), outb(m, base + 4, (uint8_t)(lba >> 8)), outb(m, base + 5, (uint8_t)(lba >> 16));
    outb(m, base + 6, (uint8_t)(0xE0 | (lba >> 24 & 15)));
}

static inline void ide_lba48(struct machine *m, uint16_t base, uint64_t lba, uint16_t count) {
    outb(m, base + 2, (uint8_t)(count >> 8)), outb(m, base + 2, (uint8_t)count);
    for (unsigned i = 0; i < 3; i++) {
        outb(m, (uint16_t)(base + 3 + i), (uint8_t)(lba >> (24 + 8 * i)));
        outb(m, (uint16_t)(base + 3 + i), (uint8_t)(lba >> 8 * i));
    }
    outb(m, base + 6, 0xE0);
}

/* Issue a command and wait; returns the status, which clears the interrupt. */
static inline uint8_t ide_command(struct machine *m, uint16_t base, uint8_t command) {
    outb(m, base + 7, command);
    assert_int_equal(inb(m, base + CONTROL), ATA_STATUS_BSY);
    fixture_advance(m, STORAGE_WAIT);
    return inb(m, base + 7);
}

static inline void ide_read_data(struct machine *m, uint16_t base, void *buf, size_t size) {
    for (size_t i = 0; i < size; i += 2) {
        uint16_t w = (uint16_t)port_read(m, base, 2);
        memcpy((char *)buf + i, &w, 2);
    }
}

static inline void ide_write_data(struct machine *m, uint16_t base, const void *buf, size_t size) {
    for (size_t i = 0; i < size; i += 2) {
        uint16_t w;
        memcpy(&w, (const char *)buf + i, 2);
        port_write(m, base, 2, w);
    }
}

static inline void ide_region(struct machine *m, unsigned n, uint32_t at, uint16_t size, bool last) {
    uint32_t d[2] = {at, size | (last ? 0x80000000u : 0)};
    memcpy(m->ram + TABLE + 8 * n, d, sizeof d);
}

/* Start the bus master of a channel; to_memory: the device is read */
static inline void ide_master(struct machine *m, uint16_t base, bool to_memory) {
    uint16_t at = base == DISK ? MASTER : MASTER + 8;
    port_write(m, at + 4, 4, TABLE);
    outb(m, at + 2, 6);
    outb(m, at, to_memory ? 8 : 0);
    outb(m, at, to_memory ? 9 : 1);
}
static inline uint8_t ide_master_status(struct machine *m, uint16_t base) {
    return inb(m, (uint16_t)((base == DISK ? MASTER : MASTER + 8) + 2));
}

#endif
