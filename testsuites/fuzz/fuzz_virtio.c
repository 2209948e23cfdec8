/* Hostile drivers of virtio devices: rings of random descriptors, registers written with anything at any time. Whatever
 * they do, the device ends in DEVICE_NEEDS_RESET at worst, in bounded time, and works again after a reset: run it under
 * the sanitizers (`make asan`). Instructions are not executed; a "million" is a thousand rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/dev/virtio_devices.h"
#include "sim/machine/internal.h"
#include "testsuites/fuzz/guest.h"

#define BAR        0xE0000000ull
#define MSIX_BAR   0xE0010000ull
#define PORT       0xC000
#define ARENA      0x100000ull /* rings, tables and buffers lie over each other here */
#define ARENA_SIZE 0x10000u
#define STEPS      40u
#define DEVICES    6u

struct target {
    struct machine *m;
    struct disk *disk;
    struct virtio *device[DEVICES];
    unsigned devices;
};

static unsigned below(struct rng *r, unsigned n) { return (unsigned)(rng_next(r) >> 33) % n; }

static struct disk *make_disk(void) {
    char path[] = "/tmp/fuzz_virtio.XXXXXX", err[200];
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, 1 << 20) != 0) return NULL;
    struct disk *d = disk_open(&(struct disk_options){.path = path, .format = "raw"}, err, sizeof err);
    close(fd);
    unlink(path);
    return d;
}

static bool make_target(struct target *t, const char *model) {
    const struct sink_config out[2] = {
        {SINK_NONE, NULL},
        {SINK_NONE, NULL}
    };
    char err[200];
    t->m = fuzz_machine("fuzz_virtio", model);
    t->disk = make_disk();
    if (!t->m || !t->disk) return false;
    for (unsigned modern = 0; modern < 2; modern++) {
        t->m->virtio_modern = modern;
        struct device *made[] = {virtio_blk_create(t->m, t->disk), virtio_rng_create(t->m, 1),
                                 virtio_console_create(t->m, out, 2, err, sizeof err)};
        for (unsigned i = 0; i < 3; i++) t->device[t->devices++] = (struct virtio *)made[i];
    }
    for (unsigned i = 0; i < t->devices; i++)
        if (!t->device[i]) return false;
    return true;
}

static void pass(struct machine *m, uint64_t cycles) {
    uint64_t end = m->now + cycles;
    while (m->timers && m->timers->due <= end) {
        if (m->timers->due > m->now) m->now = m->timers->due;
        timers_fire(m);
    }
    m->now = end;
}

/* Addresses within the arena, sometimes at the end of memory, sometimes anything */
static uint64_t address(struct rng *r) {
    switch (below(r, 12)) {
    case 0:
        return RAM_BYTES - below(r, 64);
    case 1:
        return rng_next(r);
    default:
        return ARENA + below(r, ARENA_SIZE);
    }
}

static uint32_t length(struct rng *r) {
    switch (below(r, 10)) {
    case 0:
        return (uint32_t)rng_next(r);
    case 1:
        return below(r, 3) ? 0 : 1u << below(r, 28);
    case 2:
        return 16 * below(r, 40);
    case 3:
        return 512 * below(r, 20);
    default:
        return 1 + below(r, 40);
    }
}

static void config_put(struct virtio *v, unsigned off, unsigned size, uint32_t val) {
    pci_config_write(v->pci.bus, 0, v->pci.devfn, off, size, val);
}

static void plug_in(struct virtio *v, unsigned devices, struct virtio *const *all) {
    for (unsigned i = 0; i < devices; i++) config_put(all[i], PCI_COMMAND, 2, 0);
    config_put(v, PCI_BAR0, 4, PORT);
    config_put(v, PCI_BAR0 + 4, 4, (uint32_t)MSIX_BAR);
    config_put(v, PCI_BAR0 + 16, 4, (uint32_t)BAR);
    config_put(v, PCI_BAR0 + 20, 4, 0);
    config_put(v, PCI_COMMAND, 2, 7);
}

static void start(struct machine *m, struct virtio *v, uint64_t features, uint16_t size, struct rng *r) {
    mmio_write(m, BAR + 20, 1, 0);
    mmio_write(m, BAR + 20, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        mmio_write(m, BAR + 8, 4, i);
        mmio_write(m, BAR + 12, 4, features >> 32 * i & 0xFFFFFFFF);
    }
    mmio_write(m, BAR + 20, 1, 11);
    for (unsigned n = 0; n < v->queues; n++) {
        mmio_write(m, BAR + 22, 2, n);
        mmio_write(m, BAR + 24, 2, size);
        for (unsigned a = 0; a < 3; a++)
            mmio_write(m, BAR + 32 + 8 * a, 8, r ? address(r) & ~15ull : ARENA + 0x3000 * n + 0x1000 * a);
        mmio_write(m, BAR + 28, 2, 1);
    }
    mmio_write(m, BAR + 20, 1, 15);
}

static void start_legacy(struct machine *m, const struct virtio *v, struct rng *r) {
    port_write(m, PORT + 18, 1, 0);
    port_write(m, PORT + 18, 1, 3);
    port_write(m, PORT + 4, 4, (uint32_t)rng_next(r));
    for (unsigned n = 0; n < v->queues; n++) {
        port_write(m, PORT + 14, 2, n);
        port_write(m, PORT + 8, 4, below(r, 20) ? (ARENA >> 12) + below(r, 13) : (uint32_t)rng_next(r));
    }
    port_write(m, PORT + 18, 1, 7);
}

static void start_somehow(struct machine *m, struct virtio *v, struct rng *r) {
    if (!below(r, 4)) {
        start_legacy(m, v, r);
        return;
    }
    uint64_t features = v->offered & ~VIRTIO_F_ANY_LAYOUT & (below(r, 4) ? ~0ull : rng_next(r));
    if (below(r, 2)) features &= ~VIRTIO_F_RING_PACKED;
    start(m, v, features | VIRTIO_F_VERSION_1, (uint16_t)(below(r, 8) ? 1u << below(r, 9) : below(r, 300)), r);
}

/* A descriptor that is plausible in both formats most of the time */
static void put_descriptor(struct machine *m, uint64_t at, struct rng *r) {
    const uint16_t wrap = (uint16_t)(below(r, 3) ? 0x0080 : below(r, 2) ? 0x8000 : 0x8080);
    const uint16_t flags = (uint16_t)(below(r, 20) ? below(r, 8) : rng_next(r));
    put(m, at, address(r), 8);
    put(m, at + 8, length(r), 4);
    if (below(r, 2)) { /* packed */
        put(m, at + 12, below(r, 256), 2);
        put(m, at + 14, flags | wrap, 2);
    } else {
        put(m, at + 12, flags, 2);
        put(m, at + 14, below(r, 4) ? below(r, 32) : rng_next(r), 2);
    }
}

/* Write descriptors, indices and requests where the device looks for them, if that is in memory. */
static void write_rings(struct machine *m, struct virtio *v, struct rng *r) {
    const struct virtio_queue *q = &v->queue[below(r, v->queues)];
    const unsigned count = 1 + below(r, 16);
    for (unsigned i = 0; i < count; i++) put_descriptor(m, q->desc + 16 * ((q->avail + i) % (q->size + 1u)), r);
    for (unsigned i = 0; i < count; i++) put_descriptor(m, ARENA + 16 * below(r, ARENA_SIZE / 16), r);
    put(m, q->driver, below(r, 4), 2);
    put(m, q->driver + 4 + 2 * (q->avail % (q->size ? q->size : 1)), below(r, 20) ? below(r, 16) : rng_next(r), 2);
    put(m, q->driver + 2, (uint16_t)(q->avail + (below(r, 10) ? below(r, 3) : below(r, 1000))), 2);
    put(m, ARENA + 16 * below(r, ARENA_SIZE / 16), below(r, 16), 8); /* a block request, perhaps */
}

/* A request as the block device expects it, or a message to the console, in a chain of three descriptors */
static void write_request(struct machine *m, struct virtio *v, struct rng *r) {
    static const uint8_t types[] = {0, 0, 1, 1, 4, 8, 11, 13, 99};
    const struct virtio_queue *q = &v->queue[below(r, v->queues)];
    const bool packed = v->features & VIRTIO_F_RING_PACKED;
    const unsigned type = types[below(r, sizeof types)], data = type == 11 || type == 13 ? 16 : 512 * below(r, 4);
    const uint16_t size = q->size ? q->size : 1;
    const uint64_t header = ARENA + 0xF000, part[] = {header, header + 32, header + 24};
    const unsigned length_of[] = {16, data, 1};
    put(m, header, v->config_size == 12 ? rng_next(r) & 0x0007000700000001 : type, 8); /* console, else block device */
    put(m, header + 8, below(r, 2100), 8);
    for (unsigned i = 0; i < 4; i++) put(m, header + 32 + 8 * i, below(r, 2100), 8);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t at = q->desc + 16 * ((q->avail + i) % size);
        const bool write = i == 2 || (i == 1 && (type == 0 || type == 8));
        const uint16_t flags = (uint16_t)((i < 2 ? VIRTQ_DESC_NEXT : 0) | (write ? VIRTQ_DESC_WRITE : 0));
        put(m, at, part[i], 8);
        put(m, at + 8, length_of[i], 4);
        put(m, at + 12, packed ? 1 : flags, 2);
        put(m, at + 14, packed ? flags | (q->avail_wrap ? 0x0080u : 0x8000u) : (q->avail + i + 1u) % size, 2);
    }
    if (packed) return;
    put(m, q->driver + 4 + 2 * (q->avail % size), q->avail % size, 2);
    put(m, q->driver + 2, (uint16_t)(q->avail + 1), 2);
}

static void write_registers(struct machine *m, struct virtio *v, struct rng *r) {
    const unsigned size = 1u << below(r, 4);
    switch (below(r, 6)) {
    case 0:
        mmio_write(m, BAR + below(r, 64), size, below(r, 2) ? rng_next(r) : below(r, 300));
        break;
    case 1:
        mmio_write(m, BAR + below(r, 0x4000), size, rng_next(r));
        break;
    case 2:
        mmio_read(m, BAR + below(r, 0x4000), size);
        break;
    case 3:
        port_write(m, (uint16_t)(PORT + below(r, 128)), size > 4 ? 4 : size, (uint32_t)rng_next(r) >> below(r, 32));
        port_read(m, (uint16_t)(PORT + below(r, 128)), size > 4 ? 4 : size);
        break;
    case 4: /* the PCI configuration access capability among others; the BARs stay */
        config_put(v, 0x40 + below(r, 0xC0), 1, below(r, 3) ? below(r, 8) : below(r, 256));
        pci_config_read(v->pci.bus, 0, v->pci.devfn, 0x40 + 4 * below(r, 0x30), 4);
        break;
    default:
        mmio_write(m, MSIX_BAR + 4 * below(r, 0x800), 4, rng_next(r));
        break;
    }
}

/* After a reset it must take a buffer as if nothing had been. */
static bool heals(struct machine *m, struct virtio *v) {
    const unsigned n = v->ops->notified ? 1 : 0; /* the console's first served queue is the second */
    const uint8_t zeros[0x1000] = {0};
    config_put(v, PCI_COMMAND, 2, 7);
    for (unsigned i = 0; i < 3 * v->queues; i++) machine_write(m, ARENA + 0x1000 * i, zeros, sizeof zeros);
    start(m, v, VIRTIO_F_VERSION_1, 16, NULL);
    const uint64_t ring = ARENA + 0x3000 * n, buffer = ARENA + 0x400000;
    put(m, buffer, 4, 8); /* FLUSH */
    for (unsigned i = 0; i < 2; i++) {
        put(m, ring + 16 * i, buffer + 16 * i, 8);
        put(m, ring + 16 * i + 8, i ? 1 : 16, 4);
        put(m, ring + 16 * i + 12, i ? VIRTQ_DESC_WRITE : VIRTQ_DESC_NEXT, 2);
        put(m, ring + 16 * i + 14, 1, 2);
    }
    put(m, ring + 0x1002, 1, 2);
    mmio_write(m, BAR + 0x3000 + 4 * n, 2, 0);
    pass(m, 10000000);
    uint16_t used = 0;
    machine_read(m, ring + 0x2002, &used, 2);
    return used == 1 && !(v->status & VIRTIO_NEEDS_RESET);
}

static bool round_of(struct target *t, struct rng *r, uint64_t *broken) {
    struct virtio *v = t->device[below(r, t->devices)];
    plug_in(v, t->devices, t->device);
    start_somehow(t->m, v, r);
    for (unsigned i = 0; i < STEPS; i++) {
        if (below(r, 3)) write_rings(t->m, v, r);
        if (below(r, 2)) write_request(t->m, v, r);
        if (!below(r, 3)) write_registers(t->m, v, r);
        if (v->status & VIRTIO_NEEDS_RESET) {
            ++*broken;
            start_somehow(t->m, v, r);
        }
        mmio_write(t->m, BAR + 0x3000 + 4 * below(r, v->queues), 2, 0);
        port_write(t->m, PORT + 16, 2, below(r, v->queues + 1));
        pass(t->m, 1u << below(r, 20));
    }
    return heals(t->m, v);
}

static bool fuzz(const char *model, uint64_t millions, uint64_t seed, bool verbose) {
    struct target t = {.devices = 0};
    uint64_t broken = 0;
    bool ok = make_target(&t, model);
    for (uint64_t i = 0; ok && i < 1000 * millions; i++) {
        struct rng r = {(seed + i) * 0x9E3779B97F4A7C15ull | 1};
        if (verbose) fprintf(stderr, "round %llu\n", (unsigned long long)i);
        ok = round_of(&t, &r, &broken);
        if (!ok) fprintf(stderr, "fuzz_virtio: round %llu: the device is dead\n", (unsigned long long)i);
    }
    printf("# %s: %llu times DEVICE_NEEDS_RESET\n", model, (unsigned long long)broken);
    machine_destroy(t.m);
    if (t.disk) disk_close(t.disk);
    return ok && broken;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, "fuzz_virtio", fuzz); }
