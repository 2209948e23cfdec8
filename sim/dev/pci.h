/* PCI: the bus, and what every function on it has: configuration space, base addresses, interrupts, capabilities, DMA.
 * A function is a device whose struct begins with struct pci_device. PCI Local Bus Specification 3.0; PCI Express Base
 * Specification for the extended configuration space. */
#ifndef HVSIM_DEV_PCI_H
#define HVSIM_DEV_PCI_H

#include "sim/machine/machine.h"

#define PCI_CONFIG_SIZE             4096 /* bytes 256 and on can only be reached through ECAM */
#define PCI_DEVFN(device, function) ((uint8_t)((device) << 3 | (function)))

/* registers of the type 0 header: "Configuration Space Header Format" */
enum pci_register {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS_CODE = 0x09,
    PCI_CACHE_LINE_SIZE = 0x0C,
    PCI_LATENCY_TIMER = 0x0D,
    PCI_HEADER_TYPE = 0x0E,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2C,
    PCI_SUBSYSTEM_ID = 0x2E,
    PCI_ROM_ADDRESS = 0x30,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3C,
    PCI_INTERRUPT_PIN = 0x3D,
};
enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_INTX_DISABLE = 1 << 10,
    PCI_STATUS_INTERRUPT = 1 << 3,
    PCI_STATUS_CAPABILITIES = 1 << 4,
    PCI_MULTIFUNCTION = 0x80, /* header type */
};
enum pci_capability {
    PCI_CAP_PM = 0x01,
    PCI_CAP_MSI = 0x05,
    PCI_CAP_VENDOR = 0x09,
    PCI_CAP_EXPRESS = 0x10,
    PCI_CAP_MSIX = 0x11
};

#define PCI_BARS 7 /* 0-5, and the expansion ROM */
#define PCI_ROM  6

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };
struct pci_bar {
    enum pci_bar_kind kind;
    bool prefetchable;
    uint64_t size; /* power of two; memory: at least 4 KiB (16 bytes where the device answers), I/O: at least 4 */
    uint8_t *host; /* machine_alloc_memory(): reads and writes go there without asking (the ROM's writes nowhere) */
    struct device *dev; /* who answers; NULL: the function itself, with the number of the BAR as `range` */
    bool mapped;
    uint64_t at;
};

struct pci_id {
    uint16_t vendor, device;
    uint32_t class_code; /* base class, sub-class, interface: 24 bits */
    uint8_t revision;
    uint16_t subsystem_vendor, subsystem;
    uint8_t interrupt_pin; /* 1: INTA#; 0: none */
};

struct pci_device;
struct pci_ops {
    /* before a guest reads the configuration space at [off, off + size); may be NULL */
    void (*config_reading)(struct pci_device *p, unsigned off, unsigned size);
    /* after a guest's write changed the configuration space at [off, off + size); may be NULL */
    void (*config_written)(struct pci_device *p, unsigned off, unsigned size);
};

struct msix {
    struct device dev; /* answers in the BAR that belongs to MSI-X alone */
    uint16_t cap;      /* 0: none */
    unsigned vectors;
    uint32_t *table; /* 4 words for each vector: "MSI-X Table Structure" */
    uint64_t *pending;
};

struct pci_device {
    struct device dev; /* its ops->reset calls pci_reset() */
    struct pci_bus *bus;
    const struct pci_ops *ops;
    uint8_t devfn;
    bool intx;        /* the device asserts its pin */
    bool asserted;    /* and it reaches the wire */
    uint16_t cap_end; /* where the next capability goes */
    uint16_t msi;     /* place of the MSI capability, 0: none */
    struct msix msix;
    struct pci_bar bar[PCI_BARS];
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE]; /* bits that software writes */
    uint8_t cleared[PCI_CONFIG_SIZE];  /* bits that a 1 clears */
};

/* What the host bridge adds: which of its interrupt inputs a pin leads to, and what happens there. */
struct pci_host_ops {
    unsigned (*input)(unsigned device, unsigned pin);               /* pin 0-3 = INTA#-INTD#; result below 32 */
    void (*set_input)(struct device *host, unsigned n, bool level); /* called on changes only */
};
struct pci_bus {
    struct machine *machine;
    struct device *host;
    const struct pci_host_ops *host_ops; /* NULL: pins lead nowhere */
    struct pci_device *function[256];    /* by devfn */
    uint32_t inputs;
};

/* The machine's bus, without functions. NULL: out of memory. */
struct pci_bus *pci_bus_create(struct machine *m);
/* Set up a function that device_alloc() made, at devfn (free so far), with header registers from `id`. The device's own
 * code then adds BARs and capabilities. */
void pci_init(struct pci_device *p, struct pci_bus *bus, uint8_t devfn, const struct pci_id *id,
              const struct pci_ops *ops);
/* The lowest free device number from `first` on, as devfn; -1: none. */
int pci_free_slot(const struct pci_bus *bus, unsigned first);
void pci_add_bar(struct pci_device *p, unsigned n, const struct pci_bar *bar);
/* Reserve `size` bytes for a capability; returns its place. Software finds them in the order of adding reversed. */
unsigned pci_add_capability(struct pci_device *p, enum pci_capability id, unsigned size);
/* MSI for 1, 2, 4, ... 32 vectors, with 64-bit address and per-vector masking */
void pci_add_msi(struct pci_device *p, unsigned vectors);
/* MSI-X for up to 2048 vectors in a BAR of its own. false: out of memory. */
bool pci_add_msix(struct pci_device *p, unsigned n, unsigned vectors);
/* For a device's reset: whatever software can write is 0 again. */
void pci_reset(struct pci_device *p);
/* For a device's destroy */
void pci_destroy(struct pci_device *p);

static inline uint16_t pci_get16(const struct pci_device *p, unsigned off) {
    return (uint16_t)(p->config[off] | p->config[off + 1] << 8);
}
static inline uint32_t pci_get32(const struct pci_device *p, unsigned off) {
    return pci_get16(p, off) | (uint32_t)pci_get16(p, off + 2) << 16;
}
void pci_set(struct pci_device *p, unsigned off, unsigned size, uint64_t val);           /* what software reads */
void pci_set_writable(struct pci_device *p, unsigned off, unsigned size, uint64_t mask); /* little-endian */

/* Accesses of software: size 1, 2 or 4, off + size <= 4096. Functions that are not there read as ones. */
uint32_t pci_config_read(struct pci_bus *bus, unsigned bus_number, uint8_t devfn, unsigned off, unsigned size);
void pci_config_write(struct pci_bus *bus, unsigned bus_number, uint8_t devfn, unsigned off, unsigned size,
                      uint32_t val);

/* Level of the interrupt pin. */
void pci_set_intx(struct pci_device *p, bool level);
/* Does software have MSI or MSI-X on? Then pci_notify() sends messages and the pin is dead. */
bool pci_message_mode(const struct pci_device *p);
void pci_notify(struct pci_device *p, unsigned vector);
/* A memory write to the interrupt address range: SDM 3, "Message Signalled Interrupts" */
void machine_send_msi(struct machine *m, uint64_t address, uint32_t data);

/* DMA: false when bus mastering is off or not all of it is RAM. */
bool pci_dma_read(struct pci_device *p, uint64_t pa, void *buf, size_t size);
bool pci_dma_write(struct pci_device *p, uint64_t pa, const void *buf, size_t size);

#endif
