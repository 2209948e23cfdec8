/* The port bus: 64K ports, each the index of a range. */
#include <stdlib.h>
#include <string.h>

#include "sim/core/trace.h"
#include "sim/machine/internal.h"

#define PORT_RANGES 255

struct port_range {
    struct device *dev;
    unsigned range;
    uint16_t port;
    unsigned count;
};

struct port_bus {
    struct port_range r[PORT_RANGES]; /* r[0] is nobody's: reads give ones, writes are dropped */
    unsigned count;
    uint8_t index[65536];
};

bool ports_create(struct machine *m) {
    m->ports = calloc(1, sizeof *m->ports);
    if (m->ports) m->ports->count = 1;
    return m->ports != NULL;
}

void ports_destroy(struct machine *m) {
    free(m->ports);
    m->ports = NULL;
}

static void index_range(struct port_bus *b, unsigned n) {
    for (unsigned i = 0; i < b->r[n].count && b->r[n].port + i < 65536; i++) b->index[b->r[n].port + i] = (uint8_t)n;
}

void machine_map_ports(struct machine *m, struct device *d, unsigned range, uint16_t port, unsigned count) {
    struct port_bus *b = m->ports;
    if (b->count == PORT_RANGES) return; /* the board's and the PCI devices' together are far fewer */
    b->r[b->count] = (struct port_range){d, range, port, count};
    index_range(b, b->count++);
}

void machine_unmap_ports(struct machine *m, const struct device *d, unsigned range) {
    struct port_bus *b = m->ports;
    unsigned kept = 1;
    for (unsigned n = 1; n < b->count; n++)
        if (b->r[n].dev != d || b->r[n].range != range) b->r[kept++] = b->r[n];
    if (kept == b->count) return;
    b->count = kept;
    memset(b->index, 0, sizeof b->index);
    for (unsigned n = 1; n < b->count; n++) index_range(b, n);
}

/* The range, if its device takes an access of this size whole. */
static const struct port_range *whole(const struct port_bus *b, uint16_t port, unsigned size) {
    const struct port_range *r = &b->r[b->index[port]];
    unsigned width = r->dev && r->dev->ops->port_width ? r->dev->ops->port_width : 1;
    if (!r->dev || size > width || (unsigned)(port - r->port) + size > r->count) return NULL;
    return r;
}

static uint8_t read_byte(const struct port_bus *b, uint16_t port) {
    const struct port_range *r = &b->r[b->index[port]];
    return r->dev ? (uint8_t)r->dev->ops->read(r->dev, r->range, (uint16_t)(port - r->port), 1) : 0xFF;
}

static void write_byte(const struct port_bus *b, uint16_t port, uint8_t val) {
    const struct port_range *r = &b->r[b->index[port]];
    if (r->dev) r->dev->ops->write(r->dev, r->range, (uint16_t)(port - r->port), 1, val);
}

uint32_t port_read(struct machine *m, uint16_t port, unsigned size) {
    const struct port_range *r = whole(m->ports, port, size);
    uint32_t val = 0;
    if (r)
        val = (uint32_t)r->dev->ops->read(r->dev, r->range, (uint16_t)(port - r->port), size);
    else
        for (unsigned i = 0; i < size; i++) val |= (uint32_t)read_byte(m->ports, (uint16_t)(port + i)) << 8 * i;
    if (size < 4) val &= (1u << 8 * size) - 1;
    if (trace_on(m, TRACE_IO)) trace_line(m, m->running, TRACE_IO, "in  %u %04x -> %x", size, port, val);
    return val;
}

void port_write(struct machine *m, uint16_t port, unsigned size, uint32_t val) {
    if (size < 4) val &= (1u << 8 * size) - 1;
    if (trace_on(m, TRACE_IO)) trace_line(m, m->running, TRACE_IO, "out %u %04x <- %x", size, port, val);
    const struct port_range *r = whole(m->ports, port, size);
    if (r) {
        r->dev->ops->write(r->dev, r->range, (uint16_t)(port - r->port), size, val);
        return;
    }
    for (unsigned i = 0; i < size; i++) write_byte(m->ports, (uint16_t)(port + i), (uint8_t)(val >> 8 * i));
}
