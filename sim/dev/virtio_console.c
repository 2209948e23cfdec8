/* Virtio console device: virtio 1.2, "Console Device". Every port is a console; the first one also exists for drivers
 * without VIRTIO_CONSOLE_F_MULTIPORT. A port writes to a sink of the host; the one that has standard input reads it. */
#include "sim/dev/virtio_devices.h"

#include <string.h>

#include "sim/dev/dev.h"
#include "sim/machine/bytes.h"
#include "sim/machine/hostio.h"

enum { CONSOLE_F_MULTIPORT = 1 << 1, CONSOLE_F_EMERG_WRITE = 1 << 2 };
enum { CONFIG_MAX_NR_PORTS = 4, CONFIG_EMERG_WR = 8, CONFIG_SIZE = 12 };

/* "Virtqueues": port 0's pair, the control pair, the pairs of the other ports; receive queues are the even ones */
enum { QUEUE_CONTROL_RX = 2, QUEUE_CONTROL_TX = 3 };

/* "Multiport Device Operation" */
enum control_event {
    DEVICE_READY,
    DEVICE_ADD,
    DEVICE_REMOVE,
    PORT_READY,
    CONSOLE_PORT,
    CONSOLE_RESIZE,
    PORT_OPEN,
    PORT_NAME
};
#define CONTROL_SIZE 8
#define CONTROL_SLOTS                                                                                                  \
    32 /* messages that wait for a buffer; the driver makes too many only by asking again and again                    \
        */
#define CHUNK 4096u

struct control {
    uint32_t port;
    uint16_t event, value;
};
struct port {
    struct sink out;
    struct input in;
    bool open;           /* the guest has opened it */
    uint8_t data[CHUNK]; /* input that the guest has no room for yet */
    size_t size;
};
struct console {
    struct virtio v;
    unsigned ports;
    struct port port[VIRTIO_CONSOLE_PORTS];
    struct control waiting[CONTROL_SLOTS];
    unsigned first, count;
};

static unsigned rx_queue(unsigned port) { return port ? 2 * port + 2 : 0; }
static unsigned port_of(unsigned queue) { return queue < 2 ? 0 : queue / 2 - 1; }

/* ---- control messages ---- */

static void send_waiting(struct console *k) {
    struct virtio_chain c;
    while (k->count && virtio_take(&k->v, QUEUE_CONTROL_RX, &c)) {
        const struct control *msg = &k->waiting[k->first];
        uint8_t raw[CONTROL_SIZE];
        put_le(raw, msg->port, 4);
        put_le(raw + 4, msg->event, 2);
        put_le(raw + 6, msg->value, 2);
        virtio_give(&k->v, QUEUE_CONTROL_RX, &c, virtio_write(&k->v, &c, 0, raw, sizeof raw) ? sizeof raw : 0);
        k->first = (k->first + 1) % CONTROL_SLOTS;
        k->count--;
    }
    virtio_interrupt(&k->v, QUEUE_CONTROL_RX);
}

static void post(struct console *k, unsigned port, enum control_event event) {
    if (k->count == CONTROL_SLOTS) return;
    k->waiting[(k->first + k->count++) % CONTROL_SLOTS] = (struct control){port, (uint16_t)event, 1};
}

static void receive_control(struct console *k, const struct virtio_chain *c) {
    uint8_t raw[CONTROL_SIZE];
    if (!virtio_read(&k->v, c, 0, raw, sizeof raw)) return;
    const uint32_t port = get32(raw);
    const bool value = get16(raw + 6);
    switch ((enum control_event)get16(raw + 4)) {
    case DEVICE_READY:
        for (unsigned n = 0; value && n < k->ports; n++) post(k, n, DEVICE_ADD);
        break;
    case PORT_READY:
        if (!value || port >= k->ports) break;
        post(k, port, CONSOLE_PORT);
        post(k, port, PORT_OPEN);
        break;
    case PORT_OPEN:
        if (port < k->ports) k->port[port].open = value;
        break;
    default:
        break;
    }
    send_waiting(k);
}

/* ---- data ---- */

/* Input goes to the guest as it makes room for it. */
static void receive_input(struct console *k, unsigned n) {
    struct port *p = &k->port[n];
    struct virtio_chain c;
    if (!virtio_running(&k->v) || (virtio_has(&k->v, CONSOLE_F_MULTIPORT) && !p->open)) return;
    for (;;) {
        if (!p->size) p->size = input_read(&p->in, p->data, sizeof p->data);
        if (!p->size || !virtio_take(&k->v, rx_queue(n), &c)) break;
        size_t size = c.in < p->size ? (size_t)c.in : p->size;
        if (!virtio_write(&k->v, &c, 0, p->data, size)) break;
        virtio_give(&k->v, rx_queue(n), &c, (uint32_t)size);
        p->size -= size;
        memmove(p->data, p->data + size, p->size);
    }
    virtio_interrupt(&k->v, rx_queue(n));
}

static void transmit(struct console *k, struct port *p, const struct virtio_chain *c) {
    uint8_t buf[CHUNK];
    for (uint64_t off = 0; off < c->out;) {
        size_t n = c->out - off < CHUNK ? (size_t)(c->out - off) : CHUNK;
        if (!virtio_read(&k->v, c, off, buf, n)) return;
        sink_write(&p->out, buf, n);
        off += n;
    }
}

static uint32_t console_serve(struct virtio *v, unsigned n, struct virtio_chain *c) {
    struct console *k = (struct console *)v;
    if (n == QUEUE_CONTROL_TX)
        receive_control(k, c);
    else
        transmit(k, &k->port[port_of(n)], c);
    return 0;
}

static void console_notified(struct virtio *v, unsigned n) {
    struct console *k = (struct console *)v;
    if (n == QUEUE_CONTROL_RX)
        send_waiting(k);
    else
        receive_input(k, port_of(n));
}

/* "Legacy Interface: Device configuration layout" and "Emergency write" */
static void console_config_written(struct virtio *v, unsigned off, unsigned size, uint64_t val) {
    struct console *k = (struct console *)v;
    const uint8_t byte = (uint8_t)val;
    (void)size;
    if (off == CONFIG_EMERG_WR) sink_write(&k->port[0].out, &byte, 1);
}

static void console_reset(struct virtio *v) {
    struct console *k = (struct console *)v;
    k->first = k->count = 0;
    for (unsigned n = 0; n < k->ports; n++) k->port[n].open = false;
}

static void console_host_poll(struct device *d) {
    struct console *k = (struct console *)d;
    for (unsigned n = 0; n < k->ports; n++) {
        if (k->port[n].out.f) fflush(k->port[n].out.f);
        receive_input(k, n);
    }
}

static void console_host_wait(struct device *d, struct host_wait *w) {
    const struct console *k = (struct console *)d;
    for (unsigned n = 0; n < k->ports && virtio_running(&k->v); n++)
        if (!k->port[n].size) input_wait(&k->port[n].in, w);
}

static void console_destroy(struct device *d) {
    struct console *k = (struct console *)d;
    for (unsigned n = 0; n < k->ports; n++) sink_close(&k->port[n].out);
    virtio_dev_destroy(d);
}

static const struct device_ops console_dev = {.name = "virtio-console",
                                              .reset = virtio_dev_reset,
                                              .destroy = console_destroy,
                                              .read = virtio_dev_read,
                                              .write = virtio_dev_write,
                                              .port_width = 4,
                                              .host_poll = console_host_poll,
                                              .host_wait = console_host_wait};
/* A driver may wait for its output to be taken by looking at the ring again and again: it is taken at once. */
static const struct virtio_ops console_ops = {.serve = console_serve,
                                              .served = 0xAAAAAAAA,
                                              .rate = 1000,
                                              .notified = console_notified,
                                              .reset = console_reset,
                                              .config_written = console_config_written};

struct device *virtio_console_create(struct machine *m, const struct sink_config *out, unsigned ports, char *err,
                                     size_t err_size) {
    struct virtio_setup setup = {.id = VIRTIO_ID_CONSOLE, .class_code = 0x078000, .config_size = CONFIG_SIZE};
    setup.queues = 2 * ports + 2;
    setup.features = CONSOLE_F_MULTIPORT | CONSOLE_F_EMERG_WRITE;
    struct console *k = virtio_create(m, sizeof *k, &console_dev, &console_ops, &setup);
    if (!k) return NULL;
    for (; k->ports < ports; k->ports++) {
        struct port *p = &k->port[k->ports];
        if (!sink_open(&p->out, &out[k->ports], "virtio console", err, err_size)) return NULL;
        input_open(&p->in, m, &out[k->ports]);
    }
    put_le(k->v.config + CONFIG_MAX_NR_PORTS, ports, 4);
    return &k->v.pci.dev;
}
