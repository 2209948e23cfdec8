/* The PCI bus and the configuration spaces of its functions. */
#include "sim/dev/pci.h"

#include <stdlib.h>
#include <string.h>

#include "sim/dev/pci_internal.h"

#define CAPABILITIES_AT 0x40

struct pci_bus *pci_bus_create(struct machine *m) {
    struct pci_bus *bus = calloc(1, sizeof *bus);
    if (bus) bus->machine = m;
    return bus;
}

int pci_free_slot(const struct pci_bus *bus, unsigned first) {
    for (unsigned d = first; d < 32; d++)
        if (!bus->function[PCI_DEVFN(d, 0)]) return PCI_DEVFN(d, 0);
    return -1;
}

void pci_set(struct pci_device *p, unsigned off, unsigned size, uint64_t val) {
    for (unsigned i = 0; i < size; i++) p->config[off + i] = (uint8_t)(val >> 8 * i);
}

void pci_set_writable(struct pci_device *p, unsigned off, unsigned size, uint64_t mask) {
    for (unsigned i = 0; i < size; i++) p->writable[off + i] = (uint8_t)(mask >> 8 * i);
}

void pci_init(struct pci_device *p, struct pci_bus *bus, uint8_t devfn, const struct pci_id *id,
              const struct pci_ops *ops) {
    p->bus = bus;
    p->ops = ops;
    p->devfn = devfn;
    p->cap_end = CAPABILITIES_AT;
    bus->function[devfn] = p;
    pci_set(p, PCI_VENDOR_ID, 2, id->vendor);
    pci_set(p, PCI_DEVICE_ID, 2, id->device);
    pci_set(p, PCI_REVISION_ID, 1, id->revision);
    pci_set(p, PCI_CLASS_CODE, 3, id->class_code);
    pci_set(p, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subsystem_vendor);
    pci_set(p, PCI_SUBSYSTEM_ID, 2, id->subsystem);
    pci_set(p, PCI_INTERRUPT_PIN, 1, id->interrupt_pin);
    pci_set_writable(p, PCI_COMMAND, 2,
                     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    pci_set_writable(p, PCI_CACHE_LINE_SIZE, 1, 0xFF);
    if (id->interrupt_pin) pci_set_writable(p, PCI_INTERRUPT_LINE, 1, 0xFF);
}

unsigned pci_add_capability(struct pci_device *p, enum pci_capability id, unsigned size) {
    unsigned at = p->cap_end;
    p->cap_end = (uint16_t)((at + size + 3) & ~3u);
    p->config[at] = (uint8_t)id;
    p->config[at + 1] = p->config[PCI_CAPABILITIES];
    p->config[PCI_CAPABILITIES] = (uint8_t)at;
    p->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    return at;
}

void pci_reset(struct pci_device *p) {
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) p->config[i] &= (uint8_t) ~(p->writable[i] | p->cleared[i]);
    pci_msix_reset(p);
    p->intx = false;
    pci_update_bars(p);
    pci_update_interrupts(p);
}

void pci_destroy(struct pci_device *p) {
    free(p->msix.table);
    free(p->msix.pending);
}

/* ---- software's accesses ---- */

static struct pci_device *function_at(const struct pci_bus *bus, unsigned bus_number, uint8_t devfn) {
    return bus_number ? NULL : bus->function[devfn];
}

uint32_t pci_config_read(struct pci_bus *bus, unsigned bus_number, uint8_t devfn, unsigned off, unsigned size) {
    struct pci_device *p = function_at(bus, bus_number, devfn);
    uint32_t val = 0;
    if (p && p->ops && p->ops->config_reading) p->ops->config_reading(p, off, size);
    for (unsigned i = 0; i < size; i++) val |= (uint32_t)(p ? p->config[off + i] : 0xFF) << 8 * i;
    return val;
}

void pci_config_write(struct pci_bus *bus, unsigned bus_number, uint8_t devfn, unsigned off, unsigned size,
                      uint32_t val) {
    struct pci_device *p = function_at(bus, bus_number, devfn);
    if (!p) return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(val >> 8 * i), mask = p->writable[off + i], *reg = &p->config[off + i];
        *reg = (uint8_t)((*reg & ~mask) | (byte & mask));
        *reg &= (uint8_t) ~(byte & p->cleared[off + i]);
    }
    pci_update_bars(p);
    pci_update_interrupts(p);
    if (p->ops && p->ops->config_written) p->ops->config_written(p, off, size);
}

/* ---- DMA ---- */

static bool is_master(const struct pci_device *p) { return pci_get16(p, PCI_COMMAND) & PCI_COMMAND_MASTER; }

bool pci_dma_read(struct pci_device *p, uint64_t pa, void *buf, size_t size) {
    return is_master(p) && machine_read(p->dev.machine, pa, buf, size);
}

bool pci_dma_write(struct pci_device *p, uint64_t pa, const void *buf, size_t size) {
    return is_master(p) && machine_write(p->dev.machine, pa, buf, size);
}
