/* The legacy interface of transitional devices, in I/O space. Virtio 1.2, "Legacy Interfaces: A Note on PCI Device
 * Layout" and "Legacy Interfaces: A Note on Virtqueue Layout". The device's own registers follow the header, four bytes
 * later while MSI-X is on. */
#include "sim/dev/virtio.h"

enum legacy {
    DEVICE_FEATURES = 0,
    DRIVER_FEATURES = 4,
    QUEUE_ADDRESS = 8,
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    DEVICE_STATUS = 18,
    ISR_STATUS = 19,
    CONFIG_MSIX_VECTOR = 20,
    QUEUE_MSIX_VECTOR = 22,
};
#define PAGE         4096u
#define DEVICE_BASE  20 /* without MSI-X */
#define DEVICE_BASEX 24

static unsigned device_base(const struct virtio *v) { return pci_message_mode(&v->pci) ? DEVICE_BASEX : DEVICE_BASE; }

uint64_t virtio_legacy_read(struct virtio *v, uint64_t off, unsigned size) {
    const struct virtio_queue *q = virtio_selected(v);
    if (off >= device_base(v)) return virtio_config_read(v, off - device_base(v), size);
    switch ((enum legacy)off) {
    case DEVICE_FEATURES:
        return (uint32_t)v->offered;
    case DRIVER_FEATURES:
        return (uint32_t)v->features;
    case QUEUE_ADDRESS:
        return q ? q->desc / PAGE : 0;
    case QUEUE_SIZE:
        return q ? VIRTIO_QUEUE_SIZE : 0;
    case QUEUE_SELECT:
        return v->queue_select;
    case QUEUE_NOTIFY:
        return 0;
    case DEVICE_STATUS:
        return v->status;
    case ISR_STATUS:
        return virtio_isr_read(v);
    case CONFIG_MSIX_VECTOR:
        return v->config_vector;
    case QUEUE_MSIX_VECTOR:
        return q ? q->vector : VIRTIO_NO_VECTOR;
    }
    return 0;
}

/* The rings follow the descriptor table; the used ring is on the next page. Page 0 takes the queue away. */
static void set_address(struct virtio_queue *q, uint32_t page) {
    uint16_t vector = q->vector;
    virtio_queue_reset(q);
    q->vector = vector;
    if (!page) return;
    q->desc = (uint64_t)page * PAGE;
    q->driver = q->desc + 16 * q->size;
    q->device = (q->driver + 6 + 2 * q->size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    virtio_queue_enable(q);
}

void virtio_legacy_write(struct virtio *v, uint64_t off, unsigned size, uint64_t val) {
    struct virtio_queue *q = virtio_selected(v);
    if (off >= device_base(v)) return virtio_config_write(v, off - device_base(v), size, val);
    /* while a driver uses the modern interface, all that this one can do is take the device from it */
    if (!v->legacy && v->status & VIRTIO_FEATURES_OK && (off != DEVICE_STATUS || val)) return;
    v->legacy = true;
    switch ((enum legacy)off) {
    case DRIVER_FEATURES:
        v->features = (uint32_t)val & v->offered;
        break;
    case QUEUE_ADDRESS:
        if (q) set_address(q, (uint32_t)val);
        break;
    case QUEUE_SELECT:
        v->queue_select = (uint16_t)val;
        break;
    case QUEUE_NOTIFY:
        virtio_notify(v, (uint16_t)val);
        break;
    case DEVICE_STATUS:
        virtio_set_status(v, (uint8_t)val);
        break;
    case CONFIG_MSIX_VECTOR:
        v->config_vector = virtio_vector(v, val & 0xFFFF);
        break;
    case QUEUE_MSIX_VECTOR:
        if (q) q->vector = virtio_vector(v, val & 0xFFFF);
        break;
    default:
        break;
    }
}
