/* Virtio over PCI: capabilities, the common configuration, and what a driver finds in the BARs. Virtio 1.2, "Virtio
 * Over PCI Bus". */
#include "sim/dev/virtio.h"

#include <string.h>

#include "sim/dev/dev.h"
#include "sim/machine/bytes.h"

#define VIRTIO_VENDOR   0x1AF4 /* "PCI Device Discovery" */
#define FIRST_SLOT      3
#define LEGACY_SIZE     128
#define COMMON_FEATURES (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)
#define LEGACY_FEATURES VIRTIO_F_ANY_LAYOUT
#define MODERN_FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_RING_RESET)

/* The structures of the modern interface lie in one BAR, a page for each. */
enum structure { AT_COMMON, AT_ISR, AT_DEVICE, AT_NOTIFY, STRUCTURES };
#define STRUCTURE_SIZE    0x1000u
#define NOTIFY_MULTIPLIER 4

/* "Virtio Structure PCI Capabilities" */
enum cap_type { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
enum { CAP_LEN = 2, CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_SIZE = 16, CAP_DATA = 16 };

/* "Common configuration structure layout" */
enum common {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    CONFIG_MSIX_VECTOR = 16,
    NUM_QUEUES = 18,
    DEVICE_STATUS = 20,
    CONFIG_GENERATION = 21,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_MSIX_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFF = 30,
    QUEUE_DESC = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
    QUEUE_RESET = 58,
    COMMON_SIZE = 60
};

/* ---- common configuration ---- */

static uint32_t feature_word(uint64_t features, uint32_t select) {
    return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static uint64_t common_read(struct virtio *v, uint64_t off, unsigned size) {
    uint8_t image[COMMON_SIZE + 8] = {0};
    const struct virtio_queue *q = virtio_selected(v);
    if (off >= COMMON_SIZE) return 0;
    put_le(image + DEVICE_FEATURE_SELECT, v->device_select, 4);
    put_le(image + DEVICE_FEATURE, feature_word(v->offered & ~LEGACY_FEATURES, v->device_select), 4);
    put_le(image + DRIVER_FEATURE_SELECT, v->driver_select, 4);
    put_le(image + DRIVER_FEATURE, feature_word(v->features, v->driver_select), 4);
    put_le(image + CONFIG_MSIX_VECTOR, v->config_vector, 2);
    put_le(image + NUM_QUEUES, v->queues, 2);
    put_le(image + DEVICE_STATUS, v->status, 1);
    put_le(image + CONFIG_GENERATION, v->generation, 1);
    put_le(image + QUEUE_SELECT, v->queue_select, 2);
    if (q) {
        put_le(image + QUEUE_SIZE, q->size, 2);
        put_le(image + QUEUE_MSIX_VECTOR, q->vector, 2);
        put_le(image + QUEUE_ENABLE, q->enabled, 2);
        put_le(image + QUEUE_NOTIFY_OFF, v->queue_select, 2);
        put_le(image + QUEUE_DESC, q->desc, 8);
        put_le(image + QUEUE_DRIVER, q->driver, 8);
        put_le(image + QUEUE_DEVICE, q->device, 8);
    }
    uint64_t val = get64(image + off);
    return size < 8 ? val & ((1ull << 8 * size) - 1) : val;
}

static void write_features(struct virtio *v, uint32_t val) {
    if (v->driver_select > 1 || (v->status & VIRTIO_FEATURES_OK)) return;
    unsigned shift = 32 * v->driver_select;
    v->features = (v->features & ~(0xFFFFFFFFull << shift)) | (uint64_t)val << shift;
}

/* The half of an address at `off`; nothing moves once the queue is enabled. */
static void write_address(struct virtio_queue *q, uint64_t off, unsigned size, uint64_t val) {
    uint64_t *const address[] = {&q->desc, &q->driver, &q->device}, *a = address[(off - QUEUE_DESC) / 8];
    unsigned shift = off & 4 ? 32 : 0;
    if (q->enabled || size < 4 || off & (size - 1)) return;
    *a = size == 8 ? val : (*a & ~(0xFFFFFFFFull << shift)) | (val & 0xFFFFFFFF) << shift;
}

static void queue_write(struct virtio *v, struct virtio_queue *q, uint64_t off, unsigned size, uint64_t val) {
    if (off >= QUEUE_DESC && off < QUEUE_DEVICE + 8) return write_address(q, off, size, val);
    if (off == QUEUE_SIZE && !q->enabled && val >= 1 && val <= VIRTIO_QUEUE_SIZE) q->size = (uint16_t)val;
    if (off == QUEUE_MSIX_VECTOR) q->vector = virtio_vector(v, val);
    if (off == QUEUE_ENABLE && val == 1) virtio_queue_enable(q);
    if (off == QUEUE_RESET && val == 1 && virtio_has(v, VIRTIO_F_RING_RESET)) virtio_queue_reset(q);
}

static void common_write(struct virtio *v, uint64_t off, unsigned size, uint64_t val) {
    struct virtio_queue *q = virtio_selected(v);
    switch (off) {
    case DEVICE_FEATURE_SELECT:
        v->device_select = (uint32_t)val;
        break;
    case DRIVER_FEATURE_SELECT:
        v->driver_select = (uint32_t)val;
        break;
    case DRIVER_FEATURE:
        write_features(v, (uint32_t)val);
        break;
    case CONFIG_MSIX_VECTOR:
        v->config_vector = virtio_vector(v, val & 0xFFFF);
        break;
    case DEVICE_STATUS:
        virtio_set_status(v, (uint8_t)val);
        break;
    case QUEUE_SELECT:
        v->queue_select = (uint16_t)val;
        break;
    default:
        if (q) queue_write(v, q, off, size, off < QUEUE_DESC ? val & 0xFFFF : val);
        break;
    }
}

static uint64_t modern_read(struct virtio *v, uint64_t offset, unsigned size) {
    uint64_t off = offset % STRUCTURE_SIZE;
    switch ((enum structure)(offset / STRUCTURE_SIZE)) {
    case AT_COMMON:
        return common_read(v, off, size);
    case AT_ISR:
        return off == 0 ? virtio_isr_read(v) : 0;
    case AT_DEVICE:
        return virtio_config_read(v, off, size);
    default:
        return 0;
    }
}

static void modern_write(struct virtio *v, uint64_t offset, unsigned size, uint64_t val) {
    uint64_t off = offset % STRUCTURE_SIZE;
    switch ((enum structure)(offset / STRUCTURE_SIZE)) {
    case AT_COMMON:
        common_write(v, off, size, val);
        break;
    case AT_DEVICE:
        virtio_config_write(v, off, size, val);
        break;
    case AT_NOTIFY:
        virtio_notify(v, (unsigned)off / NOTIFY_MULTIPLIER);
        break;
    default:
        break;
    }
}

uint64_t virtio_dev_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct virtio *v = (struct virtio *)d;
    return range == VIRTIO_BAR_LEGACY ? virtio_legacy_read(v, offset, size) : modern_read(v, offset, size);
}

void virtio_dev_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct virtio *v = (struct virtio *)d;
    if (range == VIRTIO_BAR_LEGACY)
        virtio_legacy_write(v, offset, size, val);
    else
        modern_write(v, offset, size, val);
}

/* ---- configuration space ---- */

/* "PCI configuration access capability": where the window leads to; false: nowhere */
static bool window(const struct virtio *v, unsigned off, unsigned size, uint64_t *at, unsigned *length) {
    unsigned data = v->cfg_cap + CAP_DATA;
    *at = pci_get32(&v->pci, v->cfg_cap + CAP_OFFSET);
    *length = pci_get32(&v->pci, v->cfg_cap + CAP_LENGTH);
    return off < data + 4 && off + size > data && v->pci.config[v->cfg_cap + CAP_BAR] == VIRTIO_BAR_MODERN &&
           (*length == 1 || *length == 2 || *length == 4) && *at % *length == 0 && *at < STRUCTURES * STRUCTURE_SIZE;
}

static void config_reading(struct pci_device *p, unsigned off, unsigned size) {
    struct virtio *v = (struct virtio *)p;
    uint64_t at;
    unsigned length;
    if (window(v, off, size, &at, &length)) pci_set(p, v->cfg_cap + CAP_DATA, length, modern_read(v, at, length));
}

static void config_written(struct pci_device *p, unsigned off, unsigned size) {
    struct virtio *v = (struct virtio *)p;
    uint64_t at;
    unsigned length;
    if (window(v, off, size, &at, &length)) modern_write(v, at, length, pci_get32(p, v->cfg_cap + CAP_DATA));
    if (off <= PCI_COMMAND && off + size > PCI_COMMAND) /* bus mastering may have come on */
        for (unsigned n = 0; n < v->queues; n++) virtio_notify(v, n);
}

static const struct pci_ops virtio_pci_ops = {.config_reading = config_reading, .config_written = config_written};

static unsigned add_capability(struct virtio *v, enum cap_type type, enum structure at, uint32_t length,
                               unsigned extra) {
    unsigned cap = pci_add_capability(&v->pci, PCI_CAP_VENDOR, CAP_SIZE + extra);
    pci_set(&v->pci, cap + CAP_LEN, 1, CAP_SIZE + extra);
    pci_set(&v->pci, cap + CAP_TYPE, 1, type);
    if (type == CAP_PCI) return cap;
    pci_set(&v->pci, cap + CAP_BAR, 1, VIRTIO_BAR_MODERN);
    pci_set(&v->pci, cap + CAP_OFFSET, 4, at * STRUCTURE_SIZE);
    pci_set(&v->pci, cap + CAP_LENGTH, 4, length);
    return cap;
}

static void add_capabilities(struct virtio *v) {
    add_capability(v, CAP_COMMON, AT_COMMON, COMMON_SIZE, 0);
    add_capability(v, CAP_ISR, AT_ISR, 1, 0);
    if (v->config_size) add_capability(v, CAP_DEVICE, AT_DEVICE, v->config_size, 0);
    unsigned cap = add_capability(v, CAP_NOTIFY, AT_NOTIFY, NOTIFY_MULTIPLIER * v->queues, 4);
    pci_set(&v->pci, cap + CAP_SIZE, 4, NOTIFY_MULTIPLIER);
    v->cfg_cap = (uint16_t)add_capability(v, CAP_PCI, AT_COMMON, 0, 4);
    pci_set_writable(&v->pci, v->cfg_cap + CAP_BAR, 1, 0xFF);
    pci_set_writable(&v->pci, v->cfg_cap + CAP_OFFSET, 8, ~0ull);
    pci_set_writable(&v->pci, v->cfg_cap + CAP_DATA, 4, ~0u);
}

/* ---- the device ---- */

void virtio_dev_reset(struct device *d) {
    struct virtio *v = (struct virtio *)d;
    virtio_reset(v);
    pci_reset(&v->pci);
}

void virtio_dev_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

/* "PCI Device Discovery": transitional devices have ids of their own, and say by the subsystem what they are. */
static struct pci_id pci_id_of(const struct virtio_setup *s, bool is_modern) {
    static const uint16_t transitional[] = {[VIRTIO_ID_NET] = 0x1000,
                                            [VIRTIO_ID_BLOCK] = 0x1001,
                                            [VIRTIO_ID_CONSOLE] = 0x1003,
                                            [VIRTIO_ID_ENTROPY] = 0x1005};
    const uint16_t modern = (uint16_t)(0x1040 + s->id);
    return (struct pci_id){.vendor = VIRTIO_VENDOR,
                           .device = is_modern ? modern : transitional[s->id],
                           .revision = is_modern ? 1 : 0,
                           .class_code = s->class_code,
                           .subsystem_vendor = VIRTIO_VENDOR,
                           .subsystem = is_modern ? modern : (uint16_t)s->id,
                           .interrupt_pin = 1};
}

void *virtio_create(struct machine *m, size_t size, const struct device_ops *dev, const struct virtio_ops *ops,
                    const struct virtio_setup *setup) {
    int slot = pci_free_slot(m->pci, FIRST_SLOT);
    struct virtio *v = slot < 0 ? NULL : device_alloc(m, size, dev);
    if (!v) return NULL;
    const struct pci_id id = pci_id_of(setup, m->virtio_modern);
    pci_init(&v->pci, m->pci, (uint8_t)slot, &id, &virtio_pci_ops);
    v->ops = ops;
    v->queues = setup->queues;
    v->config_size = setup->config_size;
    v->offered = setup->features | COMMON_FEATURES | MODERN_FEATURES | (m->virtio_modern ? 0 : LEGACY_FEATURES);
    virtio_init(v);
    if (!m->virtio_modern)
        pci_add_bar(&v->pci, VIRTIO_BAR_LEGACY, &(struct pci_bar){.kind = PCI_BAR_IO, .size = LEGACY_SIZE});
    pci_add_bar(&v->pci, VIRTIO_BAR_MODERN,
                &(struct pci_bar){.kind = PCI_BAR_MEM64, .prefetchable = true, .size = STRUCTURES * STRUCTURE_SIZE});
    add_capabilities(v);
    return pci_add_msix(&v->pci, VIRTIO_BAR_MSIX, v->queues + 1) ? v : NULL;
}
