/* What every virtio device does: features, status, its queues' work and interrupts. */
#include "sim/dev/virtio.h"

#define BATCH_CHAINS 64 /* buffers that are served at one time */
#define BATCH_BYTES  (1u << 20)
#define ISR_QUEUE    1
#define ISR_CONFIG   2

static const struct virtio_ring *ring_of(const struct virtio *v) {
    return virtio_has(v, VIRTIO_F_RING_PACKED) ? &virtio_packed : &virtio_split;
}

static bool is_master(const struct virtio *v) { return pci_get16(&v->pci, PCI_COMMAND) & PCI_COMMAND_MASTER; }

bool virtio_running(const struct virtio *v) {
    const uint8_t ready = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
    if ((v->status & VIRTIO_NEEDS_RESET) || !is_master(v)) return false;
    return v->legacy ? v->status != 0 : (v->status & ready) == ready;
}

static bool usable(const struct virtio_queue *q) { return q->enabled && virtio_running(q->virtio); }

/* ---- interrupts ---- */

static void interrupt(struct virtio *v, uint8_t cause, uint16_t vector) {
    if (pci_message_mode(&v->pci)) {
        if (vector != VIRTIO_NO_VECTOR) pci_notify(&v->pci, vector);
        return;
    }
    v->isr |= cause;
    pci_set_intx(&v->pci, true);
}

uint8_t virtio_isr_read(struct virtio *v) {
    uint8_t isr = v->isr;
    v->isr = 0;
    pci_set_intx(&v->pci, false);
    return isr;
}

uint16_t virtio_vector(const struct virtio *v, uint64_t vector) {
    return vector < v->pci.msix.vectors ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

void virtio_break(struct virtio *v) {
    if (v->status & VIRTIO_NEEDS_RESET) return;
    v->status |= VIRTIO_NEEDS_RESET;
    for (unsigned n = 0; n < v->queues; n++) timer_cancel(v->pci.dev.machine, &v->queue[n].work);
    if (v->status & VIRTIO_DRIVER_OK) interrupt(v, ISR_CONFIG, v->config_vector);
}

void virtio_interrupt(struct virtio *v, unsigned n) {
    struct virtio_queue *q = &v->queue[n];
    bool wants = false;
    if (!q->unsignalled || !virtio_running(v)) return;
    if (!ring_of(v)->wants_interrupt(q, &wants)) return virtio_break(v);
    q->unsignalled = 0;
    if (wants) interrupt(v, ISR_QUEUE, q->vector);
}

/* ---- buffers ---- */

bool virtio_chain_add(struct virtio_chain *c, const struct virtio_desc *d) {
    bool write = d->flags & VIRTQ_DESC_WRITE;
    uint64_t *bytes = write ? &c->in : &c->out;
    /* "The driver MUST place any device-writable descriptor elements after any device-readable" ones. */
    if (c->segments == VIRTIO_CHAIN_MAX || (!write && c->readable != c->segments)) return false;
    *bytes += d->len;
    if (*bytes > VIRTIO_CHAIN_BYTES) return false;
    c->segment[c->segments].pa = d->addr;
    c->segment[c->segments++].size = d->len;
    if (!write) c->readable++;
    return true;
}

bool virtio_take(struct virtio *v, unsigned n, struct virtio_chain *c) {
    struct virtio_queue *q = &v->queue[n];
    c->slots = c->segments = c->readable = 0;
    c->out = c->in = c->besides = 0;
    if (!usable(q)) return false;
    enum virtio_pop found = ring_of(v)->pop(q, c);
    if (found == VIRTIO_BROKEN) virtio_break(v);
    return found == VIRTIO_CHAIN;
}

void virtio_give(struct virtio *v, unsigned n, const struct virtio_chain *c, uint32_t written) {
    if (!usable(&v->queue[n])) return; /* broken meanwhile */
    if (!ring_of(v)->push(&v->queue[n], c, written)) virtio_break(v);
}

/* [off, off + size) of the segments from `first` on, with an access for each */
static bool copy(struct virtio *v, const struct virtio_chain *c, unsigned first, uint64_t off, uint8_t *buf,
                 size_t size, bool write) {
    unsigned end = write ? c->segments : c->readable;
    for (unsigned i = first; i < end && size; i++) {
        uint32_t have = c->segment[i].size;
        if (off >= have) {
            off -= have;
            continue;
        }
        size_t n = have - off < size ? (size_t)(have - off) : size;
        uint64_t pa = c->segment[i].pa + off;
        if (!(write ? pci_dma_write(&v->pci, pa, buf, n) : pci_dma_read(&v->pci, pa, buf, n))) break;
        buf += n;
        size -= n;
        off = 0;
    }
    if (size) virtio_break(v);
    return size == 0;
}

bool virtio_read(struct virtio *v, const struct virtio_chain *c, uint64_t off, void *buf, size_t size) {
    return copy(v, c, 0, off, buf, size, false);
}

bool virtio_write(struct virtio *v, const struct virtio_chain *c, uint64_t off, const void *buf, size_t size) {
    return copy(v, c, c->readable, off, (uint8_t *)(uintptr_t)buf, size, true);
}

/* ---- the queues' work ---- */

static void want_notifications(struct virtio_queue *q, bool on) {
    if (!ring_of(q->virtio)->want_notifications(q, on)) virtio_break(q->virtio);
}

static uint64_t free_from(const struct virtio *v) {
    uint64_t now = machine_now(v->pci.dev.machine);
    return v->free_at > now ? v->free_at : now;
}

/* The device is free again at free_at; a request takes its latency from there. */
static void schedule(struct virtio *v, struct virtio_queue *q) {
    timer_arm(v->pci.dev.machine, &q->work, free_from(v) + v->ops->latency);
}

/* false: there is none, and the driver will notify of the next. What came before it knew of that is looked for again.
 */
static bool take_or_ask(struct virtio *v, unsigned n, struct virtio_chain *c) {
    if (virtio_take(v, n, c)) return true;
    if (!usable(&v->queue[n])) return false;
    want_notifications(&v->queue[n], true);
    return virtio_take(v, n, c);
}

/* Serve a batch of buffers, with one interrupt for all. */
static void work(void *arg) {
    struct virtio_queue *q = arg;
    struct virtio *v = q->virtio;
    unsigned n = (unsigned)(q - v->queue);
    uint64_t bytes = 0;
    struct virtio_chain c;
    bool more = true;
    for (unsigned i = 0; i < BATCH_CHAINS && bytes < BATCH_BYTES && more; i++) {
        more = take_or_ask(v, n, &c);
        if (!more) break;
        virtio_give(v, n, &c, v->ops->serve(v, n, &c));
        bytes += c.out + c.in + c.besides;
    }
    virtio_interrupt(v, n);
    if (v->ops->rate) v->free_at = free_from(v) + bytes * 1000 / v->ops->rate;
    if (more && usable(q)) schedule(v, q);
}

void virtio_notify(struct virtio *v, unsigned n) {
    if (n >= v->queues || !usable(&v->queue[n])) return;
    struct virtio_queue *q = &v->queue[n];
    if (!(v->ops->served >> n & 1)) {
        if (v->ops->notified) v->ops->notified(v, n);
    } else if (!q->work.armed) {
        want_notifications(q, false);
        if (virtio_running(v)) schedule(v, q);
    }
}

/* ---- the driver's side ---- */

struct virtio_queue *virtio_selected(struct virtio *v) {
    return v->queue_select < v->queues ? &v->queue[v->queue_select] : NULL;
}

void virtio_queue_reset(struct virtio_queue *q) {
    struct virtio *v = q->virtio;
    timer_cancel(v->pci.dev.machine, &q->work);
    struct timer timer = q->work;
    *q = (struct virtio_queue){.virtio = v, .work = timer, .size = VIRTIO_QUEUE_SIZE, .vector = VIRTIO_NO_VECTOR};
    q->avail_wrap = q->used_wrap = true;
}

void virtio_queue_enable(struct virtio_queue *q) {
    q->enabled = true;
    /* "Queue Size ... Queue Size value is always a power of 2" for split rings */
    if (!virtio_has(q->virtio, VIRTIO_F_RING_PACKED) && (q->size & (q->size - 1))) virtio_break(q->virtio);
}

void virtio_reset(struct virtio *v) {
    for (unsigned n = 0; n < v->queues; n++) virtio_queue_reset(&v->queue[n]);
    v->features = 0;
    v->device_select = v->driver_select = 0;
    v->queue_select = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    v->status = 0;
    v->legacy = false;
    v->free_at = 0;
    virtio_isr_read(v);
    if (v->ops->reset) v->ops->reset(v);
}

/* What the driver made available before is noticed when it says that it is ready. */
static void notify_all(struct virtio *v) {
    for (unsigned n = 0; n < v->queues; n++) virtio_notify(v, n);
}

void virtio_set_status(struct virtio *v, uint8_t status) {
    uint8_t old = v->status;
    if (!status) return virtio_reset(v);
    /* "Feature Bits": what wasn't offered can't be accepted, nor the modern interface used without VERSION_1. */
    bool acceptable = !(v->features & ~(v->offered & ~VIRTIO_F_ANY_LAYOUT)) && virtio_has(v, VIRTIO_F_VERSION_1);
    if (!v->legacy && !(old & VIRTIO_FEATURES_OK) && !acceptable) status &= (uint8_t)~VIRTIO_FEATURES_OK;
    v->status = status | (old & VIRTIO_NEEDS_RESET);
    if (!(old & VIRTIO_DRIVER_OK) && virtio_running(v)) notify_all(v);
}

uint64_t virtio_config_read(const struct virtio *v, uint64_t off, unsigned size) {
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++)
        if (off + i < v->config_size) val |= (uint64_t)v->config[off + i] << 8 * i;
    return val;
}

void virtio_config_write(struct virtio *v, uint64_t off, unsigned size, uint64_t val) {
    if (off + size <= v->config_size && v->ops->config_written) v->ops->config_written(v, (unsigned)off, size, val);
}

void virtio_init(struct virtio *v) {
    for (unsigned n = 0; n < v->queues; n++) {
        v->queue[n].virtio = v;
        timer_init(&v->queue[n].work, work, &v->queue[n]);
    }
}
