/* A driver for virtio devices: it lives in the test, its rings in the guest's memory. */
#ifndef HVSIM_UNIT_VIRTIO_WORLD_H
#define HVSIM_UNIT_VIRTIO_WORLD_H

#include "testsuites/unit/fixture.h"

#include <string.h>

#include "sim/dev/virtio_devices.h"

#define COMMON      0xE0000000ull /* the structures of the modern interface */
#define ISR         0xE0001000ull
#define CONFIG      0xE0002000ull
#define NOTIFY      0xE0003000ull
#define MSIX        0xE0010000ull
#define LEGACY      0xC000
#define QUEUE_AT(n) (0x100000ull + 0x10000 * (n))
#define BUFFER      0x400000ull
#define INDIRECT_AT 0x300000ull
#define ENOUGH      100000000ull /* cycles in which any request is done */
#define GET         0
#define PUT         VIRTQ_DESC_WRITE

struct driver {
    struct machine *m;
    struct virtio *v;
    uint64_t features;
    uint16_t size;
    struct ring {
        uint16_t avail, used; /* split: free running; packed: positions */
        bool avail_wrap, used_wrap;
    } ring[VIRTIO_QUEUES];
};

struct part {
    uint64_t pa;
    uint32_t len;
    uint16_t flags;
};

static inline void mem_put(struct machine *m, uint64_t pa, uint64_t val, unsigned size) {
    assert_true(machine_write(m, pa, &val, size));
}
static inline uint64_t mem_get(struct machine *m, uint64_t pa, unsigned size) {
    uint64_t val = 0;
    assert_true(machine_read(m, pa, &val, size));
    return val;
}
static inline void config_put(struct driver *d, unsigned off, unsigned size, uint32_t val) {
    pci_config_write(d->m->pci, 0, d->v->pci.devfn, off, size, val);
}
static inline uint32_t config_get(struct driver *d, unsigned off, unsigned size) {
    return pci_config_read(d->m->pci, 0, d->v->pci.devfn, off, size);
}
static inline void common_put(struct driver *d, unsigned off, unsigned size, uint64_t val) {
    mmio_write(d->m, COMMON + off, size, val);
}
static inline uint64_t common_get(struct driver *d, unsigned off, unsigned size) {
    return mmio_read(d->m, COMMON + off, size);
}
static inline void notify(struct driver *d, unsigned n) { mmio_write(d->m, NOTIFY + 4 * n, 2, n); }

static inline void driver_attach(struct driver *d, struct machine *m, struct device *dev) {
    assert_non_null(dev);
    *d = (struct driver){.m = m, .v = (struct virtio *)dev};
    config_put(d, PCI_BAR0, 4, LEGACY);
    config_put(d, PCI_BAR0 + 4, 4, (uint32_t)MSIX);
    config_put(d, PCI_BAR0 + 16, 4, (uint32_t)COMMON);
    config_put(d, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void driver_features(struct driver *d, uint64_t features) {
    d->features = features;
    for (unsigned i = 0; i < 2; i++) {
        common_put(d, 8, 4, i);
        common_put(d, 12, 4, features >> 32 * i & 0xFFFFFFFF);
    }
}

static inline void driver_queue(struct driver *d, unsigned n) {
    bool packed = d->features & VIRTIO_F_RING_PACKED;
    uint8_t zeros[0x3000] = {0};
    assert_true(machine_write(d->m, QUEUE_AT(n), zeros, sizeof zeros));
    d->ring[n] = (struct ring){.avail_wrap = packed, .used_wrap = packed};
    common_put(d, 22, 2, n);
    common_put(d, 24, 2, d->size);
    for (unsigned i = 0; i < 3; i++) {
        common_put(d, 32 + 8 * i, 4, (uint32_t)QUEUE_AT(n) + 0x1000 * i);
        common_put(d, 36 + 8 * i, 4, 0);
    }
    common_put(d, 28, 2, 1);
}

/* "Device Initialization" by the modern interface, with rings of d->size (0: the largest) */
static inline void driver_start(struct driver *d, uint64_t features) {
    if (!d->size) d->size = VIRTIO_QUEUE_SIZE;
    common_put(d, 20, 1, 0);
    common_put(d, 20, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    driver_features(d, features | VIRTIO_F_VERSION_1);
    common_put(d, 20, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    assert_true(common_get(d, 20, 1) & VIRTIO_FEATURES_OK);
    for (unsigned n = 0; n < d->v->queues; n++) driver_queue(d, n);
    common_put(d, 20, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}

static inline void put_desc(struct driver *d, uint64_t at, struct part p, uint16_t word12, uint16_t word14) {
    mem_put(d->m, at, p.pa, 8);
    mem_put(d->m, at + 8, p.len, 4);
    mem_put(d->m, at + 12, word12, 2);
    mem_put(d->m, at + 14, word14, 2);
}

static inline void step(uint16_t *at, bool *wrap, uint16_t size) {
    if (++*at < size) return;
    *at = 0;
    *wrap = !*wrap;
}

/* Make a buffer available, with descriptors from the ring's next on. Buffers are used in order here. */
static inline void offer_split(struct driver *d, unsigned n, const struct part *parts, unsigned count) {
    struct ring *r = &d->ring[n];
    uint16_t head = (uint16_t)(r->avail * 4 % d->size);
    for (unsigned i = 0; i < count; i++) {
        uint16_t at = (uint16_t)((head + i) % d->size), next = (uint16_t)((at + 1) % d->size);
        uint16_t flags = (uint16_t)(parts[i].flags | (i + 1 < count ? VIRTQ_DESC_NEXT : 0));
        put_desc(d, QUEUE_AT(n) + 16 * at, parts[i], flags, next);
    }
    mem_put(d->m, QUEUE_AT(n) + 0x1004 + 2 * (r->avail % d->size), head, 2);
    mem_put(d->m, QUEUE_AT(n) + 0x1002, ++r->avail, 2);
}

static inline void offer_packed(struct driver *d, unsigned n, const struct part *parts, unsigned count) {
    struct ring *r = &d->ring[n];
    for (unsigned i = 0; i < count; i++) {
        uint16_t flags = (uint16_t)(parts[i].flags | (i + 1 < count ? VIRTQ_DESC_NEXT : 0));
        put_desc(d, QUEUE_AT(n) + 16 * r->avail, parts[i], 77, flags | (r->avail_wrap ? 0x0080 : 0x8000));
        step(&r->avail, &r->avail_wrap, d->size);
    }
}

static inline void offer(struct driver *d, unsigned n, const struct part *parts, unsigned count) {
    (d->features & VIRTIO_F_RING_PACKED ? offer_packed : offer_split)(d, n, parts, count);
}

/* An indirect table for the parts, and one descriptor that leads to it */
static inline void offer_indirect(struct driver *d, unsigned n, const struct part *parts, unsigned count) {
    bool packed = d->features & VIRTIO_F_RING_PACKED;
    for (unsigned i = 0; i < count; i++) {
        uint16_t flags = (uint16_t)(parts[i].flags | (i + 1 < count && !packed ? VIRTQ_DESC_NEXT : 0));
        put_desc(d, INDIRECT_AT + 16 * i, parts[i], packed ? 0 : flags, packed ? flags : (uint16_t)(i + 1));
    }
    const struct part table = {INDIRECT_AT, 16 * count, VIRTQ_DESC_INDIRECT};
    offer(d, n, &table, 1);
}

/* Has the device given a buffer of `slots` descriptors back? Then *len is what it says to have written. */
static inline bool completed(struct driver *d, unsigned n, unsigned slots, uint32_t *len) {
    struct ring *r = &d->ring[n];
    if (d->features & VIRTIO_F_RING_PACKED) {
        uint64_t at = QUEUE_AT(n) + 16 * r->used;
        uint16_t flags = (uint16_t)mem_get(d->m, at + 14, 2);
        if (!(flags & 0x8000) != !r->used_wrap || !(flags & 0x80) != !r->used_wrap) return false;
        *len = (uint32_t)mem_get(d->m, at + 8, 4);
        assert_int_equal(mem_get(d->m, at + 12, 2), 77);
        while (slots--) step(&r->used, &r->used_wrap, d->size);
        return true;
    }
    if (mem_get(d->m, QUEUE_AT(n) + 0x2002, 2) == r->used) return false;
    uint64_t at = QUEUE_AT(n) + 0x2004 + 8 * (r->used % d->size);
    assert_int_equal(mem_get(d->m, at, 4), r->used * 4 % d->size);
    *len = (uint32_t)mem_get(d->m, at + 4, 4);
    r->used++;
    return true;
}

/* Offer, notify, wait. -1: nothing came back */
static inline int64_t request(struct driver *d, unsigned n, const struct part *parts, unsigned count) {
    uint32_t len;
    offer(d, n, parts, count);
    notify(d, n);
    fixture_advance(d->m, ENOUGH);
    return completed(d, n, count, &len) ? (int64_t)len : -1;
}

static inline bool is_broken(struct driver *d) { return common_get(d, 20, 1) & VIRTIO_NEEDS_RESET; }

#endif
