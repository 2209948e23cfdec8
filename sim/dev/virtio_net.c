/* Virtio network device: virtio 1.2, "Network Device". One pair of queues, no offloads: what is behind it is made of
 * packets. */
#include "sim/dev/virtio_devices.h"

#include <string.h>

#include "sim/dev/net_user.h"
#include "sim/machine/bytes.h"

enum { NET_F_MAC = 1 << 5, NET_F_STATUS = 1 << 16 };
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_SIZE = 8 };
enum { QUEUE_RX, QUEUE_TX, QUEUES };
#define STATUS_LINK_UP 1
#define HEADER_SIZE    12 /* struct virtio_net_hdr */
#define LEGACY_HEADER  10 /* without num_buffers */
#define NUM_BUFFERS    10
#define BACKLOG        128 /* frames that wait for the driver's buffers; more are lost, as on a wire */

struct frame {
    size_t size;
    uint8_t data[NET_FRAME_MAX];
};
struct net {
    struct virtio v;
    struct net_user *user;
    unsigned first, count;
    struct frame backlog[BACKLOG];
};

static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static unsigned header_size(const struct net *n) {
    return virtio_has(&n->v, VIRTIO_F_VERSION_1) ? HEADER_SIZE : LEGACY_HEADER;
}

/* Frames go to the guest as it makes room for them. One that doesn't fit into its buffer is lost. */
static void deliver(struct net *n) {
    struct virtio_chain c;
    const unsigned header = header_size(n);
    uint8_t buf[HEADER_SIZE + NET_FRAME_MAX] = {0};
    put_le(buf + NUM_BUFFERS, 1, 2);
    while (n->count && virtio_take(&n->v, QUEUE_RX, &c)) {
        const struct frame *f = &n->backlog[n->first];
        const size_t size = header + f->size;
        memcpy(buf + header, f->data, f->size);
        bool fits = size <= c.in && virtio_write(&n->v, &c, 0, buf, size);
        virtio_give(&n->v, QUEUE_RX, &c, fits ? (uint32_t)size : 0);
        n->first = (n->first + 1) % BACKLOG;
        n->count--;
    }
    virtio_interrupt(&n->v, QUEUE_RX);
}

static void receive(void *arg, const uint8_t *data, size_t size) {
    struct net *n = arg;
    if (n->count == BACKLOG || !virtio_running(&n->v)) return;
    struct frame *f = &n->backlog[(n->first + n->count++) % BACKLOG];
    f->size = size;
    memcpy(f->data, data, size);
    deliver(n);
}

static uint32_t net_serve(struct virtio *v, unsigned queue, struct virtio_chain *c) {
    struct net *n = (struct net *)v;
    uint8_t frame[NET_FRAME_MAX];
    const unsigned header = header_size(n);
    (void)queue;
    if (c->out <= header || c->out - header > sizeof frame) return 0;
    const size_t size = (size_t)(c->out - header);
    if (virtio_read(v, c, header, frame, size)) net_user_send(n->user, frame, size);
    return 0;
}

static void net_notified(struct virtio *v, unsigned queue) {
    (void)queue;
    deliver((struct net *)v);
}

static void net_reset(struct virtio *v) {
    struct net *n = (struct net *)v;
    n->first = n->count = 0;
}

static void net_host_poll(struct device *d) { net_user_poll(((struct net *)d)->user); }
static void net_host_wait(struct device *d, struct host_wait *w) { net_user_wait(((struct net *)d)->user, w); }

static void net_destroy(struct device *d) {
    net_user_destroy(((struct net *)d)->user);
    virtio_dev_destroy(d);
}

static const struct device_ops net_dev = {.name = "virtio-net",
                                          .reset = virtio_dev_reset,
                                          .destroy = net_destroy,
                                          .read = virtio_dev_read,
                                          .write = virtio_dev_write,
                                          .port_width = 4,
                                          .host_poll = net_host_poll,
                                          .host_wait = net_host_wait};
static const struct virtio_ops net_ops = {
    .serve = net_serve, .served = 1 << QUEUE_TX, .latency = 2000, .notified = net_notified, .reset = net_reset};

struct device *virtio_net_create(struct machine *m, const char *options, char *err, size_t err_size) {
    const struct virtio_setup setup = {.id = VIRTIO_ID_NET,
                                       .class_code = 0x020000,
                                       .queues = QUEUES,
                                       .config_size = CONFIG_SIZE,
                                       .features = NET_F_MAC | NET_F_STATUS};
    struct net *n = virtio_create(m, sizeof *n, &net_dev, &net_ops, &setup);
    if (!n) return NULL;
    memcpy(n->v.config + CONFIG_MAC, mac, sizeof mac);
    put_le(n->v.config + CONFIG_STATUS, STATUS_LINK_UP, 2);
    n->user = net_user_create(m, options, receive, n, err, err_size);
    return n->user ? &n->v.pci.dev : NULL;
}
