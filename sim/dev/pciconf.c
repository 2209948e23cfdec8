/* PCI configuration mechanism 1, ports CF8H and CFCH. PCI Local Bus Specification 3.0, "Software Generation of
 * Configuration Transactions": a read that nobody answers gives ones. Bytes of port CF9H are the
 * chipset's reset control register (Intel 82371SB (PIIX3) data sheet, "RC - Reset Control Register"). */
#include "sim/dev/dev.h"
#include "sim/dev/pci.h"

enum pci_range { RANGE_ADDRESS, RANGE_DATA };
#define ADDRESS_BITS   0x80FFFFFCu
#define ADDRESS_ENABLE 0x80000000u
#define RESET_PORT     1    /* offset of CF9H */
#define RESET_CPU      0x04 /* going from 0 to 1 resets */

struct pciconf {
    struct device dev;
    uint32_t address;
    uint8_t reset_control;
};

static uint32_t data_read(const struct pciconf *p, unsigned offset, unsigned size) {
    uint32_t a = p->address;
    if (!(a & ADDRESS_ENABLE)) return ~0u;
    return pci_config_read(p->dev.machine->pci, a >> 16 & 0xFF, (uint8_t)(a >> 8), (a & 0xFC) + offset, size);
}

static void data_write(const struct pciconf *p, unsigned offset, unsigned size, uint32_t val) {
    uint32_t a = p->address;
    if (!(a & ADDRESS_ENABLE)) return;
    pci_config_write(p->dev.machine->pci, a >> 16 & 0xFF, (uint8_t)(a >> 8), (a & 0xFC) + offset, size, val);
}

static uint64_t pciconf_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    const struct pciconf *p = (struct pciconf *)d;
    if (range == RANGE_DATA) return data_read(p, (unsigned)offset, size);
    if (range == RANGE_ADDRESS && offset == 0 && size == 4) return p->address;
    if (range == RANGE_ADDRESS && offset == RESET_PORT && size == 1) return p->reset_control;
    return ~0ull;
}

static void pciconf_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct pciconf *p = (struct pciconf *)d;
    if (range == RANGE_DATA) data_write(p, (unsigned)offset, size, (uint32_t)val);
    if (range == RANGE_ADDRESS && offset == 0 && size == 4) p->address = (uint32_t)val & ADDRESS_BITS;
    if (range != RANGE_ADDRESS || offset != RESET_PORT || size != 1) return;
    if ((val & RESET_CPU) && !(p->reset_control & RESET_CPU)) machine_request_reset(d->machine, "port CF9H");
    p->reset_control = (uint8_t)val & 0x0E;
}

static void pciconf_reset(struct device *d) {
    struct pciconf *p = (struct pciconf *)d;
    p->address = 0;
    p->reset_control = 0;
}

static const struct device_ops pciconf_ops = {
    .name = "PCI", .reset = pciconf_reset, .read = pciconf_read, .write = pciconf_write, .port_width = 4};

struct device *pciconf_create(struct machine *m) {
    struct pciconf *p = device_alloc(m, sizeof *p, &pciconf_ops);
    if (!p) return NULL;
    machine_map_ports(m, &p->dev, RANGE_ADDRESS, 0xCF8, 4);
    machine_map_ports(m, &p->dev, RANGE_DATA, 0xCFC, 4);
    return &p->dev;
}
