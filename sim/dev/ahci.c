/* The AHCI function: generic host control, interrupts, configuration space. */
#include "sim/dev/ahci.h"

#include "sim/dev/dev.h"

#define BAR_INDEX_DATA 4u /* 32 ports, with the pair at 10H */
#define BAR_ABAR       5u
#define ABAR_SIZE      0x1000u
#define PORTS_AT       0x100u
#define PORT_SIZE      0x80u

#define MAP_REGISTER 0x90 /* ICH9: "Address Map", bits 7:6 = 1 is AHCI */
#define PCS_REGISTER 0x92 /* "Port Control and Status" */
#define CAP_SATA     0x12

enum host_register {
    HOST_CAP = 0x00,
    HOST_GHC = 0x04,
    HOST_IS = 0x08,
    HOST_PI = 0x0C,
    HOST_VS = 0x10,
    HOST_CAP2 = 0x24
};
enum { GHC_HR = 1u << 0, GHC_IE = 1u << 1, GHC_AE = 1u << 31 };

#define CAP                                                                                                            \
    (1u << 31 | 1u << 30 | 1u << 24 | 2u << 20 | 1u << 18 | (AHCI_SLOTS - 1) << 8 |                                    \
     (AHCI_PORTS - 1)) /* 64-bit addresses, NCQ, command list override, 3 Gb/s, AHCI only */
#define VERSION 0x00010300u

/* ---- interrupts ---- */

/* "Interrupts": a port's bit is set while one of its enabled interrupts is pending; each new one is a message. */
void ahci_update_interrupt(struct ahci *a) {
    uint32_t pending = 0;
    for (unsigned n = 0; n < AHCI_PORTS; n++)
        if (a->port[n].is & a->port[n].ie) pending |= 1u << n;
    bool is_new = pending & ~a->is;
    a->is |= pending;
    bool on = a->is && (a->ghc & GHC_IE);
    pci_set_intx(&a->pci, on);
    if (on && is_new) pci_notify(&a->pci, 0);
}

static void write_ghc(struct ahci *a, uint32_t val) {
    if (val & GHC_HR) {
        for (unsigned n = 0; n < AHCI_PORTS; n++) ahci_port_reset(&a->port[n]);
        a->is = 0;
        a->ghc = GHC_AE;
        pci_set_intx(&a->pci, false);
        return;
    }
    bool enabled = val & ~a->ghc & GHC_IE;
    a->ghc = GHC_AE | (val & GHC_IE);
    ahci_update_interrupt(a);
    if (enabled && a->is) pci_notify(&a->pci, 0);
}

/* ---- registers ---- */

static uint32_t read_word(const struct ahci *a, uint32_t at) {
    if (at >= PORTS_AT) {
        unsigned n = (at - PORTS_AT) / PORT_SIZE;
        return n < AHCI_PORTS ? ahci_port_read(&a->port[n], at % PORT_SIZE) : 0;
    }
    switch (at) {
    case HOST_CAP:
        return CAP;
    case HOST_GHC:
        return a->ghc;
    case HOST_IS:
        return a->is;
    case HOST_PI:
        return (1u << AHCI_PORTS) - 1;
    case HOST_VS:
        return VERSION;
    default:
        return 0;
    }
}

/* mask: the bytes that were written; bits that a 1 clears or starts are 0 in the others */
static void write_word(struct ahci *a, uint32_t at, uint32_t val, uint32_t mask) {
    if (at >= PORTS_AT) {
        unsigned n = (at - PORTS_AT) / PORT_SIZE;
        if (n < AHCI_PORTS) ahci_port_write(&a->port[n], at % PORT_SIZE, val, mask);
    } else if (at == HOST_GHC) {
        write_ghc(a, (a->ghc & ~mask) | val);
    } else if (at == HOST_IS) {
        a->is &= ~val;
        ahci_update_interrupt(a);
    }
}

static uint64_t abar_read(const struct ahci *a, uint32_t at, unsigned size) {
    uint64_t val = read_word(a, at & ~3u);
    if (size == 8) val |= (uint64_t)read_word(a, (at & ~3u) + 4) << 32;
    return val >> 8 * (at & 3);
}

static void abar_write(struct ahci *a, uint32_t at, unsigned size, uint64_t val) {
    unsigned shift = 8 * (at & 3);
    uint32_t mask = size >= 4 ? ~0u : ((1u << 8 * size) - 1) << shift;
    write_word(a, at & ~3u, (uint32_t)(val << shift) & mask, mask);
    if (size == 8) write_word(a, (at & ~3u) + 4, (uint32_t)(val >> 32), ~0u);
}

/* ICH9: "AHCI Index Register" at 10H, "AHCI Data Register" at 14H */
static bool is_index(uint64_t offset) { return (offset & ~3ull) == 0x10; }
static bool is_data(uint64_t offset) { return (offset & ~3ull) == 0x14; }

static uint64_t ahci_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    const struct ahci *a = (const struct ahci *)d;
    if (range == BAR_ABAR) return abar_read(a, (uint32_t)offset, size);
    if (is_index(offset)) return a->index >> 8 * (offset & 3);
    return is_data(offset) ? abar_read(a, a->index + (offset & 3), size) : 0;
}

static void ahci_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct ahci *a = (struct ahci *)d;
    if (range == BAR_ABAR)
        abar_write(a, (uint32_t)offset, size, val);
    else if (is_index(offset) && size == 4)
        a->index = (uint32_t)val & (ABAR_SIZE - 4);
    else if (is_data(offset))
        abar_write(a, a->index + (offset & 3), size, val);
}

/* ---- the function ---- */

static void ahci_reset(struct device *d) {
    struct ahci *a = (struct ahci *)d;
    pci_reset(&a->pci);
    pci_set(&a->pci, PCS_REGISTER, 2, (1u << AHCI_PORTS) - 1);
    a->index = 0;
    for (unsigned n = 0; n < AHCI_PORTS; n++) {
        a->port[n].clb = a->port[n].fb = 0;
        if (a->port[n].present) ata_power_on(&a->port[n].drive);
    }
    write_ghc(a, GHC_HR);
}

static void ahci_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops ahci_ops = {.name = "AHCI",
                                           .reset = ahci_reset,
                                           .destroy = ahci_destroy,
                                           .read = ahci_read,
                                           .write = ahci_write,
                                           .port_width = 4};

/* "SATA Capability": revision 1.0, where the index/data pair is */
static void add_sata_capability(struct ahci *a) {
    unsigned at = pci_add_capability(&a->pci, (enum pci_capability)CAP_SATA, 8);
    pci_set(&a->pci, at + 2, 2, 0x10);
    pci_set(&a->pci, at + 4, 4, (0x10 / 4) << 4 | (PCI_BAR0 / 4 + BAR_INDEX_DATA));
}

struct ahci *ahci_create(struct machine *m, uint8_t devfn) {
    /* mass storage, Serial ATA, AHCI 1.0 interface */
    static const struct pci_id id = {
        .vendor = 0x8086, .device = 0x2922, .class_code = 0x010601, .revision = 2, .interrupt_pin = 1};
    struct ahci *a = device_alloc(m, sizeof *a, &ahci_ops);
    if (!a) return NULL;
    pci_init(&a->pci, m->pci, devfn, &id, NULL);
    pci_set(&a->pci, MAP_REGISTER, 1, 0x40);
    pci_set_writable(&a->pci, PCS_REGISTER, 2, 0x3F);
    add_sata_capability(a);
    pci_add_msi(&a->pci, 1);
    pci_add_bar(&a->pci, BAR_INDEX_DATA, &(struct pci_bar){.kind = PCI_BAR_IO, .size = 32});
    pci_add_bar(&a->pci, BAR_ABAR, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = ABAR_SIZE});
    for (unsigned n = 0; n < AHCI_PORTS; n++) {
        a->port[n].ahci = a;
        a->port[n].number = n;
    }
    return a;
}

bool ahci_attach(struct ahci *a, struct disk *disk, bool cdrom, unsigned number) {
    for (unsigned n = 0; n < AHCI_PORTS; n++) {
        struct ahci_port *p = &a->port[n];
        if (p->present) continue;
        p->present = true;
        ata_init(&p->drive, disk, cdrom, true, number);
        return true;
    }
    return false;
}
