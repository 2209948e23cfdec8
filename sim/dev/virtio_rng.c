/* Virtio entropy device: virtio 1.2, "Entropy Device". The same sequence in every run with the same seed. */
#include "sim/dev/virtio_devices.h"

#include "sim/machine/bytes.h"

#define ANSWER_MAX 4096u /* bytes for one request; "The device MAY write less random data than requested" */

struct rng {
    struct virtio v;
    uint64_t seed, state;
};

/* SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (2014) */
static uint64_t next(struct rng *r) {
    uint64_t x = r->state += 0x9E3779B97F4A7C15ull;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

static uint32_t rng_serve(struct virtio *v, unsigned n, struct virtio_chain *c) {
    uint8_t buf[ANSWER_MAX];
    uint32_t size = c->in < ANSWER_MAX ? (uint32_t)c->in : ANSWER_MAX;
    (void)n;
    for (uint32_t i = 0; i < size; i += 8) put_le(buf + i, next((struct rng *)v), 8);
    return virtio_write(v, c, 0, buf, size) ? size : 0;
}

static void rng_dev_reset(struct device *d) {
    struct rng *r = (struct rng *)d;
    r->state = r->seed;
    virtio_dev_reset(d);
}

static const struct device_ops rng_dev = {.name = "virtio-rng",
                                          .reset = rng_dev_reset,
                                          .destroy = virtio_dev_destroy,
                                          .read = virtio_dev_read,
                                          .write = virtio_dev_write,
                                          .port_width = 4};
static const struct virtio_ops rng_ops = {.serve = rng_serve, .served = ~0u, .latency = 1000};

struct device *virtio_rng_create(struct machine *m, uint64_t seed) {
    const struct virtio_setup setup = {.id = VIRTIO_ID_ENTROPY, .class_code = 0x00FF00, .queues = 1};
    struct rng *r = virtio_create(m, sizeof *r, &rng_dev, &rng_ops, &setup);
    if (!r) return NULL;
    r->seed = r->state = seed;
    return &r->v.pci.dev;
}
