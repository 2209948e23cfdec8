/* I/O APIC at FEC00000H: 24 pins. Source: Intel 82093AA data sheet; version 20H and the EOI register: Intel ICH9 data
 * sheet. */
#include "sim/dev/dev.h"

#define IOAPIC_BASE 0xFEC00000ull
#define PINS        24
#define VERSION     0x20u

#define RTE_DELIVERY(r) ((unsigned)((r) >> 8) & 7)
#define RTE_LOGICAL     (1ull << 11)
#define RTE_STATUS      (1ull << 12)
#define RTE_ACTIVE_LOW  (1ull << 13)
#define RTE_REMOTE_IRR  (1ull << 14)
#define RTE_LEVEL       (1ull << 15)
#define RTE_MASKED      (1ull << 16)
#define RTE_READ_ONLY   (RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_WRITABLE    0xFF0000000001AFFFull

enum { REG_SELECT = 0x00, REG_WINDOW = 0x10, REG_EOI = 0x40 };
enum { INDEX_ID = 0, INDEX_VERSION = 1, INDEX_ARBITRATION = 2, INDEX_RTE = 0x10 };
enum { DELIVER_FIXED, DELIVER_LOWEST, DELIVER_SMI, DELIVER_NMI = 4, DELIVER_INIT, DELIVER_EXTINT = 7 };

struct ioapic {
    struct device dev;
    uint8_t select;
    uint32_t id;
    uint32_t lines; /* levels of the pins */
    uint64_t rte[PINS];
};

static void send(struct ioapic *a, unsigned pin) {
    uint64_t r = a->rte[pin];
    struct apic_message msg = {
        .vector = (uint8_t)r,
        .delivery_mode = (uint8_t)RTE_DELIVERY(r),
        .dest_mode = (r & RTE_LOGICAL) != 0,
        .trigger = (r & RTE_LEVEL) != 0,
        .level = 1,
        .dest = (uint32_t)(r >> 56),
    };
    if (msg.dest == 0xFF) msg.dest = 0xFFFFFFFF;
    bool accepted = apic_deliver(a->dev.machine, &msg);
    if (msg.delivery_mode > DELIVER_LOWEST) return;
    if (r & RTE_LEVEL)
        a->rte[pin] |= accepted ? RTE_REMOTE_IRR : 0;
    else /* data sheet, "Delivery Status": send pending, while the receiving unit is unable to accept it */
        a->rte[pin] = accepted ? r & ~RTE_STATUS : r | RTE_STATUS;
}

/* What waits is sent (again): a level that is asserted and not being served, an edge that nobody has accepted. */
static void serve(struct ioapic *a, unsigned pin) {
    uint64_t r = a->rte[pin];
    bool waits = r & RTE_LEVEL ? !(r & RTE_REMOTE_IRR) && (a->lines >> pin & 1) : (r & RTE_STATUS) != 0;
    if (waits && !(r & RTE_MASKED)) send(a, pin);
}

void ioapic_set_line(struct device *d, unsigned pin, bool level) {
    struct ioapic *a = (struct ioapic *)d;
    if (pin >= PINS) return;
    bool rose = level && !(a->lines >> pin & 1);
    a->lines = level ? a->lines | 1u << pin : a->lines & ~(1u << pin);
    /* The polarity bit says how the wire is read, and the board's wires match what its tables say: `level` means
     * asserted. */
    if (a->rte[pin] & RTE_LEVEL)
        serve(a, pin);
    else if (rose && !(a->rte[pin] & RTE_MASKED))
        send(a, pin);
}

void ioapic_end_of_interrupt(struct device *d, uint8_t vector) {
    struct ioapic *a = (struct ioapic *)d;
    for (unsigned pin = 0; pin < PINS; pin++) {
        if ((uint8_t)a->rte[pin] != vector || !(a->rte[pin] & RTE_LEVEL)) continue;
        a->rte[pin] &= ~RTE_REMOTE_IRR;
        serve(a, pin);
    }
}

void ioapic_serve(struct device *d) {
    for (unsigned pin = 0; pin < PINS; pin++) serve((struct ioapic *)d, pin);
}

bool ioapic_sends_nmi(const struct device *d) {
    const struct ioapic *a = (const struct ioapic *)d;
    for (unsigned pin = 0; pin < PINS; pin++) {
        unsigned how = RTE_DELIVERY(a->rte[pin]);
        if (!(a->rte[pin] & RTE_MASKED) && (how == DELIVER_SMI || how == DELIVER_NMI || how == DELIVER_INIT))
            return true;
    }
    return false;
}

static uint32_t read_index(const struct ioapic *a) {
    unsigned n = a->select - INDEX_RTE;
    if (a->select >= INDEX_RTE) return n < 2 * PINS ? (uint32_t)(a->rte[n / 2] >> (n & 1 ? 32 : 0)) : 0;
    switch (a->select) {
    case INDEX_ID:
    case INDEX_ARBITRATION:
        return a->id;
    case INDEX_VERSION:
        return VERSION | (PINS - 1) << 16;
    default:
        return 0;
    }
}

static void write_index(struct ioapic *a, uint32_t val) {
    unsigned n = a->select - INDEX_RTE;
    if (a->select == INDEX_ID) a->id = val & 0x0F000000;
    if (a->select < INDEX_RTE || n >= 2 * PINS) return;
    unsigned shift = n & 1 ? 32 : 0;
    uint64_t *r = &a->rte[n / 2], mask = 0xFFFFFFFFull << shift & RTE_WRITABLE;
    *r = (*r & ~mask) | ((uint64_t)val << shift & mask);
    if (!(*r & RTE_LEVEL)) *r &= ~RTE_REMOTE_IRR;         /* how software clears a stuck remote IRR: edge and back */
    if (*r & (RTE_LEVEL | RTE_MASKED)) *r &= ~RTE_STATUS; /* a masked edge is not held pending */
    serve(a, n / 2);
}

static uint64_t ioapic_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct ioapic *a = (struct ioapic *)d;
    (void)range, (void)size;
    switch (offset & 0xFF) {
    case REG_SELECT:
        return a->select;
    case REG_WINDOW:
        return read_index(a);
    default:
        return 0;
    }
}

static void ioapic_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct ioapic *a = (struct ioapic *)d;
    (void)range, (void)size;
    switch (offset & 0xFF) {
    case REG_SELECT:
        a->select = (uint8_t)val;
        break;
    case REG_WINDOW:
        write_index(a, (uint32_t)val);
        break;
    case REG_EOI:
        ioapic_end_of_interrupt(d, (uint8_t)val);
        break;
    default:
        break;
    }
}

static void ioapic_reset(struct device *d) {
    struct ioapic *a = (struct ioapic *)d;
    a->select = 0;
    a->id = 0;
    for (unsigned pin = 0; pin < PINS; pin++) a->rte[pin] = RTE_MASKED;
}

static const struct device_ops ioapic_ops = {
    .name = "I/O APIC", .reset = ioapic_reset, .read = ioapic_read, .write = ioapic_write};

struct device *ioapic_create(struct machine *m) {
    struct ioapic *a = device_alloc(m, sizeof *a, &ioapic_ops);
    if (!a) return NULL;
    machine_map_mmio(m, &a->dev, 0, IOAPIC_BASE, 0x1000);
    return &a->dev;
}
