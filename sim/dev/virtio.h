/* Virtio devices over PCI: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS). A device is a struct that begins with
 * struct virtio, and a struct virtio_ops. The transport (virtio_pci.c, virtio_legacy.c) is what the driver sees, the
 * rings (virtio_split.c, virtio_packed.c) are in the guest's memory, virtio.c is between them.
 *
 * The driver's rings are read anew each time and believed in nothing. What breaks the specification's rules sets
 * DEVICE_NEEDS_RESET and ends all work until the driver resets the device. */
#ifndef HVSIM_DEV_VIRTIO_H
#define HVSIM_DEV_VIRTIO_H

#include "sim/dev/pci.h"

#define VIRTIO_QUEUES      16
#define VIRTIO_QUEUE_SIZE  256
#define VIRTIO_CONFIG_SIZE 64
#define VIRTIO_CHAIN_MAX   1024           /* descriptors of one buffer, those of an indirect table included */
#define VIRTIO_CHAIN_BYTES (256ull << 20) /* of one buffer, in each direction: what one request may cost the host */
#define VIRTIO_NO_VECTOR   0xFFFF

/* "Virtio Device IDs" */
enum virtio_id { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_ENTROPY = 4 };

/* "Reserved Feature Bits"; ANY_LAYOUT is the legacy interface's */
#define VIRTIO_F_ANY_LAYOUT    (1ull << 27)
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)
#define VIRTIO_F_RING_PACKED   (1ull << 34)
#define VIRTIO_F_RING_RESET    (1ull << 40)

/* "Device Status Field" */
enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128
};

struct virtio;

struct virtio_queue {
    struct virtio *virtio;
    struct timer work; /* due when the device takes what the driver made available */
    uint16_t size, vector;
    bool enabled;
    bool avail_wrap, used_wrap; /* packed ring: the wrap counters */
    uint16_t avail, used;       /* next to take, next to give back */
    uint16_t unsignalled;       /* given back since the driver was last interrupted, or found not to want it */
    uint64_t desc, driver, device;
};

/* A buffer that the driver made available */
struct virtio_chain {
    uint16_t id;                 /* of the buffer: in a split ring the head */
    uint16_t slots;              /* what it takes of a packed ring */
    uint16_t segments, readable; /* the first `readable` are for the device to read, the others to write */
    uint64_t out, in;            /* bytes of the two parts */
    uint64_t besides;            /* bytes that serve() moved elsewhere: they take their time, too */
    struct {
        uint64_t pa;
        uint32_t size;
    } segment[VIRTIO_CHAIN_MAX];
};

struct virtio_ops {
    /* A buffer of queue n, taken in its turn. Returns how many bytes were written to it. NULL: no queue is served so.
     */
    uint32_t (*serve)(struct virtio *v, unsigned n, struct virtio_chain *c);
    uint32_t served;  /* bit n: buffers of queue n go to serve(); those of others wait until the device takes them */
    uint64_t latency; /* cycles from the notification to the first buffer of a batch */
    uint64_t rate;    /* bytes in a thousand cycles; 0: moving data takes no time */
    /* All may be NULL: queue n, which isn't served, has been notified; the driver reset the device; the driver wrote
     * the device's configuration */
    void (*notified)(struct virtio *v, unsigned n);
    void (*reset)(struct virtio *v);
    void (*config_written)(struct virtio *v, unsigned off, unsigned size, uint64_t val);
};

struct virtio {
    struct pci_device pci;
    const struct virtio_ops *ops;
    uint64_t offered, features; /* by the device, accepted by the driver */
    uint32_t device_select, driver_select;
    uint16_t queue_select, config_vector;
    uint8_t status, isr, generation;
    bool legacy;      /* the driver uses the legacy interface */
    uint16_t cfg_cap; /* place of the PCI configuration access capability */
    uint64_t free_at; /* machine cycle: until then the device moves data */
    unsigned queues, config_size;
    uint8_t config[VIRTIO_CONFIG_SIZE]; /* what the driver reads as the device's configuration */
    struct virtio_queue queue[VIRTIO_QUEUES];
};

/* ---- for devices ---- */

struct virtio_setup {
    enum virtio_id id;
    uint32_t class_code;
    unsigned queues, config_size;
    uint64_t features; /* the device's own; the transport adds its */
};
/* Make the device, a struct of `size` bytes, in the next free slot: transitional unless m->virtio_modern. NULL: out of
 * memory, or no slot is free. */
void *virtio_create(struct machine *m, size_t size, const struct device_ops *dev, const struct virtio_ops *ops,
                    const struct virtio_setup *setup);
/* For the struct device_ops of every virtio device, whose port_width is 4; reset and destroy may be wrapped. */
void virtio_dev_reset(struct device *d);
void virtio_dev_destroy(struct device *d);
uint64_t virtio_dev_read(struct device *d, unsigned range, uint64_t offset, unsigned size);
void virtio_dev_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val);

static inline bool virtio_has(const struct virtio *v, uint64_t feature) { return v->features & feature; }
/* May the device use its queues? */
bool virtio_running(const struct virtio *v);
/* Take the next buffer of queue n. false: there is none, or the ring is broken. */
bool virtio_take(struct virtio *v, unsigned n, struct virtio_chain *c);
/* Give it back with `written` bytes. The driver hears of it by virtio_interrupt(), once for several. */
void virtio_give(struct virtio *v, unsigned n, const struct virtio_chain *c, uint32_t written);
void virtio_interrupt(struct virtio *v, unsigned n);
/* Copy from the readable or to the writable part of a buffer, [off, off + size) of it. false: that is not all there, or
 * not RAM; then the device is broken. */
bool virtio_read(struct virtio *v, const struct virtio_chain *c, uint64_t off, void *buf, size_t size);
bool virtio_write(struct virtio *v, const struct virtio_chain *c, uint64_t off, const void *buf, size_t size);
/* DEVICE_NEEDS_RESET */
void virtio_break(struct virtio *v);

/* ---- between the files of the transport ---- */

enum virtio_bar { VIRTIO_BAR_LEGACY = 0, VIRTIO_BAR_MSIX = 1, VIRTIO_BAR_MODERN = 4 };

void virtio_init(struct virtio *v);
void virtio_reset(struct virtio *v);
void virtio_set_status(struct virtio *v, uint8_t status);
/* The queue that queue_select names; NULL: there is none. */
struct virtio_queue *virtio_selected(struct virtio *v);
void virtio_queue_reset(struct virtio_queue *q);
void virtio_queue_enable(struct virtio_queue *q);
void virtio_notify(struct virtio *v, unsigned n);
uint8_t virtio_isr_read(struct virtio *v);
uint16_t virtio_vector(const struct virtio *v, uint64_t vector); /* as it will read back */
uint64_t virtio_config_read(const struct virtio *v, uint64_t off, unsigned size);
void virtio_config_write(struct virtio *v, uint64_t off, unsigned size, uint64_t val);
uint64_t virtio_legacy_read(struct virtio *v, uint64_t off, unsigned size);
void virtio_legacy_write(struct virtio *v, uint64_t off, unsigned size, uint64_t val);

/* A ring's format. Everything but pop() may find memory that isn't there, too: the device is broken then. */
enum virtio_pop { VIRTIO_EMPTY, VIRTIO_CHAIN, VIRTIO_BROKEN };
struct virtio_ring {
    enum virtio_pop (*pop)(struct virtio_queue *q, struct virtio_chain *c);
    bool (*push)(struct virtio_queue *q, const struct virtio_chain *c, uint32_t written);
    bool (*wants_interrupt)(struct virtio_queue *q, bool *wants); /* after `unsignalled` buffers or slots */
    bool (*want_notifications)(struct virtio_queue *q, bool on);
};
extern const struct virtio_ring virtio_split, virtio_packed;

/* "The Virtqueue Descriptor Table" */
struct virtio_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
enum { VIRTQ_DESC_NEXT = 1, VIRTQ_DESC_WRITE = 2, VIRTQ_DESC_INDIRECT = 4 };
/* Append what a descriptor describes. false: the driver broke a rule. */
bool virtio_chain_add(struct virtio_chain *c, const struct virtio_desc *d);
/* "Virtqueue Interrupt Suppression": has the ring position gone from `before` to `now` past `event`? */
static inline bool virtio_passed(uint16_t event, uint16_t now, uint16_t before) {
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

#endif
