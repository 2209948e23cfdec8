/* Debug console: a byte written to port E9H appears; reading gives E9H, which is how software finds it. Firmware made
 * for QEMU writes its messages to another one, at port 402H. */
#include "sim/dev/dev.h"

#define DEBUG_PORT    0xE9
#define FIRMWARE_PORT 0x402

struct debugcon {
    struct device dev;
    struct sink out;
};

static uint64_t debugcon_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)d, (void)range, (void)offset, (void)size;
    return DEBUG_PORT;
}

static void debugcon_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    (void)range, (void)offset, (void)size;
    sink_put(&((struct debugcon *)d)->out, (uint8_t)val);
}

static void debugcon_destroy(struct device *d) { sink_close(&((struct debugcon *)d)->out); }

static const struct device_ops debugcon_ops = {
    .name = "debug console", .destroy = debugcon_destroy, .read = debugcon_read, .write = debugcon_write};

struct device *debugcon_create(struct machine *m, const struct sink_config *out, char *err, size_t err_size) {
    struct debugcon *c = device_alloc(m, sizeof *c, &debugcon_ops);
    if (!c || !sink_open(&c->out, out, "debug console", err, err_size)) return NULL;
    machine_map_ports(m, &c->dev, 0, DEBUG_PORT, 1);
    machine_map_ports(m, &c->dev, 0, FIRMWARE_PORT, 1);
    return &c->dev;
}
