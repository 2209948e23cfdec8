/* Ports that software writes to pass time or to show progress: 80H (POST code) and EDH. The last value can be read
 * back. */
#include "sim/dev/dev.h"

struct port80 {
    struct device dev;
    uint8_t last[2];
};

static uint64_t port80_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)offset, (void)size;
    return ((struct port80 *)d)->last[range];
}

static void port80_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    (void)offset, (void)size;
    ((struct port80 *)d)->last[range] = (uint8_t)val;
}

static const struct device_ops port80_ops = {.name = "delay ports", .read = port80_read, .write = port80_write};

struct device *port80_create(struct machine *m) {
    struct port80 *p = device_alloc(m, sizeof *p, &port80_ops);
    if (!p) return NULL;
    machine_map_ports(m, &p->dev, 0, 0x80, 1);
    machine_map_ports(m, &p->dev, 1, 0xED, 1);
    return &p->dev;
}
