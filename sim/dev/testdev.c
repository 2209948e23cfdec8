/* What kvm-unit-tests expects of its machine, on request only: QEMU's pc-testdev (echo ports E0H-E3H, page flush E4H,
 * interrupt lines from 2000H, 64 KiB of device memory at FF000000H). Source: its behaviour as the tests use it. */
#include <string.h>

#include "sim/dev/dev.h"

enum testdev_range { RANGE_ECHO, RANGE_FLUSH, RANGE_LINES, RANGE_MEMORY };

#define LINES       24
#define MEMORY_BASE 0xFF000000ull
#define MEMORY_SIZE 0x10000u

struct testdev {
    struct device dev;
    uint32_t echo;
    uint8_t memory[MEMORY_SIZE];
};

static uint64_t testdev_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct testdev *t = (struct testdev *)d;
    uint64_t val = 0;
    switch ((enum testdev_range)range) {
    case RANGE_ECHO:
        return t->echo >> 8 * (offset & 3);
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
    machine_map_mmio(m, &t->dev, RANGE_MEMORY, MEMORY_BASE, MEMORY_SIZE);
    return &t->dev;
}
