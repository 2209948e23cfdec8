/* What kvm-unit-tests expects of its machine, on request only: QEMU's pc-testdev (echo ports E0H-E3H, page flush E4H,
 * interrupt lines from 2000H, 64 KiB of device memory at FF000000H) and the part of QEMU's firmware configuration
 * device that tells sizes (ports 510H, 511H). Source: QEMU documentation, "fw_cfg"; behaviour of pc-testdev as the
 * tests use it. */
#include <string.h>

#include "sim/dev/dev.h"

enum testdev_range { RANGE_ECHO, RANGE_FLUSH, RANGE_LINES, RANGE_MEMORY, RANGE_CONFIG };

#define LINES       24
#define MEMORY_BASE 0xFF000000ull
#define MEMORY_SIZE 0x10000u

enum config_key { KEY_SIGNATURE = 0, KEY_ID = 1, KEY_RAM_SIZE = 3, KEY_CPUS = 5, KEY_MAX_CPUS = 15 };

struct testdev {
    struct device dev;
    uint32_t echo;
    uint16_t key;
    unsigned at; /* next byte of the item */
    uint8_t memory[MEMORY_SIZE];
};

static uint8_t config_byte(struct testdev *t) {
    uint64_t item = 0;
    switch (t->key & 0x3FFF) {
    case KEY_SIGNATURE:
        item = 'Q' | 'E' << 8 | 'M' << 16 | (uint32_t)'U' << 24;
        break;
    case KEY_ID:
        item = 1;
        break;
    case KEY_RAM_SIZE:
        item = t->dev.machine->ram_size;
        break;
    case KEY_CPUS:
    case KEY_MAX_CPUS:
        item = t->dev.machine->cpu_count;
        break;
    default:
        break;
    }
    return t->at < 8 ? (uint8_t)(item >> 8 * t->at++) : 0;
}

static uint64_t testdev_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct testdev *t = (struct testdev *)d;
    uint64_t val = 0;
    switch ((enum testdev_range)range) {
    case RANGE_ECHO:
        return t->echo >> 8 * (offset & 3);
    case RANGE_CONFIG:
        return offset ? config_byte(t) : 0;
    case RANGE_MEMORY:
        if (offset + size <= MEMORY_SIZE) memcpy(&val, t->memory + offset, size);
        return val;
    default:
        return 0;
    }
}

static void testdev_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct testdev *t = (struct testdev *)d;
    uint32_t mask = size < 4 ? (1u << 8 * size) - 1 : ~0u;
    switch ((enum testdev_range)range) {
    case RANGE_ECHO:
        t->echo = (t->echo & ~(mask << 8 * (offset & 3))) | ((uint32_t)val & mask) << 8 * (offset & 3);
        break;
    case RANGE_FLUSH:
        break; /* the hypervisor under the machine would drop a page: there is none */
    case RANGE_LINES:
        machine_set_irq(d->machine, (unsigned)offset, val & 0xFF);
        break;
    case RANGE_MEMORY:
        if (offset + size <= MEMORY_SIZE) memcpy(t->memory + offset, &val, size);
        break;
    case RANGE_CONFIG:
        if (offset) break;
        t->key = (uint16_t)val;
        t->at = 0;
        break;
    }
}

static const struct device_ops testdev_ops = {
    .name = "test device", .read = testdev_read, .write = testdev_write, .port_width = 4};

struct device *testdev_create(struct machine *m) {
    struct testdev *t = device_alloc(m, sizeof *t, &testdev_ops);
    if (!t) return NULL;
    machine_map_ports(m, &t->dev, RANGE_ECHO, 0xE0, 4);
    machine_map_ports(m, &t->dev, RANGE_FLUSH, 0xE4, 4);
    machine_map_ports(m, &t->dev, RANGE_LINES, 0x2000, LINES);
    machine_map_ports(m, &t->dev, RANGE_CONFIG, 0x510, 2);
    machine_map_mmio(m, &t->dev, RANGE_MEMORY, MEMORY_BASE, MEMORY_SIZE);
    return &t->dev;
}
