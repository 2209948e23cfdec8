/* Packed virtqueues: virtio 1.2, "Packed Virtqueues". One ring of descriptors serves both sides; a descriptor is the
 * device's when its AVAIL flag is the device's wrap counter and its USED flag is not. */
#include "sim/dev/virtio.h"
#include "sim/machine/bytes.h"

#define DESC_SIZE  16
#define DESC_AVAIL 0x0080
#define DESC_USED  0x8000

/* "Event Suppression Structure Format" */
enum { EVENT_ENABLE, EVENT_DISABLE, EVENT_DESC };
#define EVENT_WRAP 0x8000

static bool get_desc(const struct virtio_queue *q, uint64_t pa, struct virtio_desc *d, uint16_t *id) {
    uint8_t raw[DESC_SIZE];
    if (!pci_dma_read(&q->virtio->pci, pa, raw, sizeof raw)) return false;
    *d = (struct virtio_desc){.addr = get64(raw), .len = get32(raw + 8), .flags = (uint16_t)get16(raw + 14)};
    *id = (uint16_t)get16(raw + 12);
    return true;
}

static uint64_t slot(const struct virtio_queue *q, unsigned n) { return q->desc + DESC_SIZE * (uint64_t)n; }

/* "Indirect Flag: Scatter-Gather Support": all of the table is the buffer. */
static bool add_table(const struct virtio_queue *q, const struct virtio_desc *table, struct virtio_chain *c) {
    if (!virtio_has(q->virtio, VIRTIO_F_INDIRECT_DESC) || (table->flags & VIRTQ_DESC_NEXT) || c->segments) return false;
    if (!table->len || table->len % DESC_SIZE || table->len / DESC_SIZE > VIRTIO_CHAIN_MAX) return false;
    for (unsigned i = 0; i < table->len / DESC_SIZE; i++) {
        struct virtio_desc d;
        uint16_t id;
        if (!get_desc(q, table->addr + DESC_SIZE * i, &d, &id) || (d.flags & VIRTQ_DESC_INDIRECT)) return false;
        if (!virtio_chain_add(c, &d)) return false;
    }
    return true;
}

/* Move on by `slots`, which are at most the ring's. */
static void advance(uint16_t *at, bool *wrap, unsigned slots, unsigned size) {
    unsigned to = *at + slots;
    if (to >= size) *wrap = !*wrap;
    *at = (uint16_t)(to >= size ? to - size : to);
}

static enum virtio_pop packed_pop(struct virtio_queue *q, struct virtio_chain *c) {
    struct virtio_desc d;
    uint16_t at = q->avail;
    bool wrap = q->avail_wrap;
    do {
        if (at >= q->size || c->slots == q->size || !get_desc(q, slot(q, at), &d, &c->id)) return VIRTIO_BROKEN;
        bool avail = d.flags & DESC_AVAIL, used = d.flags & DESC_USED;
        /* the driver makes the first of a chain available last: the others are by then */
        if (!c->slots && (avail != wrap || used == wrap)) return VIRTIO_EMPTY;
        bool indirect = d.flags & VIRTQ_DESC_INDIRECT;
        if (indirect ? !add_table(q, &d, c) : !virtio_chain_add(c, &d)) return VIRTIO_BROKEN;
        c->slots++;
        advance(&at, &wrap, 1, q->size);
    } while (d.flags & VIRTQ_DESC_NEXT);
    q->avail = at;
    q->avail_wrap = wrap;
    return VIRTIO_CHAIN;
}

static bool packed_push(struct virtio_queue *q, const struct virtio_chain *c, uint32_t written) {
    uint8_t raw[DESC_SIZE - 8];
    uint16_t flags = q->used_wrap ? DESC_AVAIL | DESC_USED : 0;
    put_le(raw, written, 4);
    put_le(raw + 4, c->id, 2);
    put_le(raw + 6, flags | (written ? VIRTQ_DESC_WRITE : 0), 2);
    if (q->used >= q->size || !pci_dma_write(&q->virtio->pci, slot(q, q->used) + 8, raw, sizeof raw)) return false;
    advance(&q->used, &q->used_wrap, c->slots, q->size);
    q->unsignalled = (uint16_t)(q->unsignalled + c->slots);
    return true;
}

static bool packed_wants_interrupt(struct virtio_queue *q, bool *wants) {
    uint8_t raw[4];
    if (!pci_dma_read(&q->virtio->pci, q->driver, raw, sizeof raw)) return false;
    uint32_t event = get16(raw), flags = get16(raw + 2) & 3;
    *wants = flags == EVENT_ENABLE;
    if (flags != EVENT_DESC) return true;
    /* Positions before the one where the counter wraps lie a ring's length behind. */
    uint16_t at = event & (uint16_t)~EVENT_WRAP;
    if (q->used_wrap != !!(event & EVENT_WRAP)) at = (uint16_t)(at - q->size);
    *wants = virtio_passed(at, q->used, (uint16_t)(q->used - q->unsignalled));
    return true;
}

static bool packed_want_notifications(struct virtio_queue *q, bool on) {
    uint8_t raw[4] = {0};
    put_le(raw + 2, on ? EVENT_ENABLE : EVENT_DISABLE, 2);
    return pci_dma_write(&q->virtio->pci, q->device, raw, sizeof raw);
}

const struct virtio_ring virtio_packed = {packed_pop, packed_push, packed_wants_interrupt, packed_want_notifications};
