/* Split virtqueues: virtio 1.2, "Split Virtqueues". */
#include "sim/dev/virtio.h"
#include "sim/machine/bytes.h"

enum { AVAIL_FLAGS = 0, AVAIL_IDX = 2, AVAIL_RING = 4, USED_FLAGS = 0, USED_IDX = 2, USED_RING = 4 };
#define AVAIL_NO_INTERRUPT 1
#define USED_NO_NOTIFY     1
#define DESC_SIZE          16
#define USED_ELEM_SIZE     8

static bool get(const struct virtio_queue *q, uint64_t pa, uint16_t *val) {
    uint8_t raw[2];
    if (!pci_dma_read(&q->virtio->pci, pa, raw, 2)) return false;
    *val = (uint16_t)get16(raw);
    return true;
}

static bool put(const struct virtio_queue *q, uint64_t pa, uint16_t val) {
    uint8_t raw[2];
    put_le(raw, val, 2);
    return pci_dma_write(&q->virtio->pci, pa, raw, 2);
}

static bool get_desc(const struct virtio_queue *q, uint64_t table, unsigned n, struct virtio_desc *d) {
    uint8_t raw[DESC_SIZE];
    if (!pci_dma_read(&q->virtio->pci, table + DESC_SIZE * (uint64_t)n, raw, sizeof raw)) return false;
    *d = (struct virtio_desc){get64(raw), get32(raw + 8), (uint16_t)get16(raw + 12), (uint16_t)get16(raw + 14)};
    return true;
}

/* The chain that begins at descriptor n. A loop is found by its length: no chain is longer than its table. */
static bool walk(const struct virtio_queue *q, unsigned n, struct virtio_chain *c) {
    uint64_t table = q->desc;
    unsigned entries = q->size, seen = 0;
    bool indirect = false;
    struct virtio_desc d = {.flags = VIRTQ_DESC_NEXT, .next = (uint16_t)n};
    while (d.flags & VIRTQ_DESC_NEXT) {
        if (d.next >= entries || seen++ >= entries || !get_desc(q, table, d.next, &d)) return false;
        if (d.flags & VIRTQ_DESC_INDIRECT) {
            if (indirect || (d.flags & VIRTQ_DESC_NEXT) || !virtio_has(q->virtio, VIRTIO_F_INDIRECT_DESC)) return false;
            if (!d.len || d.len % DESC_SIZE || d.len / DESC_SIZE > 0x10000) return false;
            table = d.addr;
            entries = d.len / DESC_SIZE;
            seen = 0;
            indirect = true;
            d = (struct virtio_desc){.flags = VIRTQ_DESC_NEXT};
        } else if (!virtio_chain_add(c, &d)) {
            return false;
        }
    }
    return true;
}

static enum virtio_pop split_pop(struct virtio_queue *q, struct virtio_chain *c) {
    uint16_t idx, head;
    if (!get(q, q->driver + AVAIL_IDX, &idx) || (uint16_t)(idx - q->avail) > q->size) return VIRTIO_BROKEN;
    if (idx == q->avail) return VIRTIO_EMPTY;
    if (!get(q, q->driver + AVAIL_RING + 2 * (q->avail % q->size), &head) || head >= q->size) return VIRTIO_BROKEN;
    if (!walk(q, head, c)) return VIRTIO_BROKEN;
    c->id = head;
    c->slots = 1;
    q->avail++;
    return VIRTIO_CHAIN;
}

static bool split_push(struct virtio_queue *q, const struct virtio_chain *c, uint32_t written) {
    uint8_t elem[USED_ELEM_SIZE];
    put_le(elem, c->id, 4);
    put_le(elem + 4, written, 4);
    uint64_t at = q->device + USED_RING + USED_ELEM_SIZE * (q->used % q->size);
    if (!pci_dma_write(&q->virtio->pci, at, elem, sizeof elem)) return false;
    q->used++;
    q->unsignalled++;
    return put(q, q->device + USED_IDX, q->used);
}

static bool split_wants_interrupt(struct virtio_queue *q, bool *wants) {
    uint16_t val;
    if (!virtio_has(q->virtio, VIRTIO_F_EVENT_IDX)) {
        if (!get(q, q->driver + AVAIL_FLAGS, &val)) return false;
        *wants = !(val & AVAIL_NO_INTERRUPT);
        return true;
    }
    if (!get(q, q->driver + AVAIL_RING + 2 * q->size, &val)) return false; /* used_event */
    *wants = virtio_passed(val, q->used, (uint16_t)(q->used - q->unsignalled));
    return true;
}

static bool split_want_notifications(struct virtio_queue *q, bool on) {
    if (!virtio_has(q->virtio, VIRTIO_F_EVENT_IDX)) return put(q, q->device + USED_FLAGS, on ? 0 : USED_NO_NOTIFY);
    /* avail_event; left behind, it keeps notifications away */
    return !on || put(q, q->device + USED_RING + USED_ELEM_SIZE * q->size, q->avail);
}

const struct virtio_ring virtio_split = {split_pop, split_push, split_wants_interrupt, split_want_notifications};
