/* Base addresses: PCI Local Bus Specification 3.0, "Base Addresses" and "Expansion ROM Base Address Register". */
#include "sim/dev/pci_internal.h"

#define BAR_IO        1u
#define BAR_MEM64     4u
#define BAR_PREFETCH  8u
#define ROM_ENABLE    1u
#define ROM_PAGE_MASK 0xFFFFF800u

static unsigned place(unsigned n) { return n == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BAR0 + 4 * n; }

void pci_add_bar(struct pci_device *p, unsigned n, const struct pci_bar *bar) {
    p->bar[n] = *bar;
    unsigned at = place(n);
    uint64_t mask = ~(bar->size - 1);
    if (n == PCI_ROM)
        pci_set_writable(p, at, 4, (mask & ROM_PAGE_MASK) | ROM_ENABLE);
    else
        pci_set_writable(p, at, bar->kind == PCI_BAR_MEM64 ? 8 : 4,
                         bar->kind == PCI_BAR_IO ? mask & ~3u : mask & ~15ull);
    if (n == PCI_ROM) return;
    uint32_t low = bar->kind == PCI_BAR_IO ? BAR_IO : bar->kind == PCI_BAR_MEM64 ? BAR_MEM64 : 0;
    pci_set(p, at, 1, low | (bar->prefetchable ? BAR_PREFETCH : 0));
}

/* Where software wants it; false: decoding is off, or the address can't be decoded. */
static bool wanted(const struct pci_device *p, unsigned n, uint64_t *at) {
    const struct pci_bar *b = &p->bar[n];
    uint16_t command = pci_get16(p, PCI_COMMAND);
    uint32_t low = pci_get32(p, place(n));
    if (b->kind == PCI_BAR_IO) {
        *at = low & ~3u;
        return (command & PCI_COMMAND_IO) && *at && *at + b->size <= 0x10000;
    }
    if (!(command & PCI_COMMAND_MEMORY) || (n == PCI_ROM && !(low & ROM_ENABLE))) return false;
    *at = n == PCI_ROM ? low & ROM_PAGE_MASK : low & ~15u;
    if (b->kind == PCI_BAR_MEM64) *at |= (uint64_t)pci_get32(p, place(n) + 4) << 32;
    uint64_t end = *at + b->size - 1;
    /* All ones are written to learn the size: nothing is mapped at the end of the address space meanwhile. */
    return *at && end > *at && end != ~0ull && (b->kind == PCI_BAR_MEM64 || end < 0xFFFFFFFF);
}

static void map(struct pci_device *p, unsigned n, uint64_t at) {
    struct pci_bar *b = &p->bar[n];
    struct machine *m = p->dev.machine;
    struct device *dev = b->dev ? b->dev : &p->dev;
    if (b->kind == PCI_BAR_IO) {
        machine_map_ports(m, dev, n, (uint16_t)at, (unsigned)b->size);
    } else {
        struct mem_window w = {.base = at, .size = b->size, .takes = MEM_TAKES_ALL, .beneath = true};
        w.guarded = n == PCI_ROM;
        w.host = b->host;
        w.dev = dev;
        w.range = n;
        machine_map(m, &w);
    }
    b->mapped = true;
    b->at = at;
}

static void unmap(struct pci_device *p, unsigned n) {
    struct pci_bar *b = &p->bar[n];
    const struct device *dev = b->dev ? b->dev : &p->dev;
    if (b->kind == PCI_BAR_IO)
        machine_unmap_ports(p->dev.machine, dev, n);
    else
        machine_unmap(p->dev.machine, dev, n);
    b->mapped = false;
}

void pci_update_bars(struct pci_device *p) {
    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &p->bar[n];
        uint64_t at = 0;
        if (b->kind == PCI_BAR_NONE) continue;
        bool want = wanted(p, n, &at);
        if (b->mapped && (!want || at != b->at)) unmap(p, n);
        if (want && !b->mapped) map(p, n, at);
    }
}
