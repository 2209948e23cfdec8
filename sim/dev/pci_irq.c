/* Interrupts of PCI functions: the pin, MSI and MSI-X. PCI Local Bus Specification 3.0, "Interrupts" and "MSI and MSI-X
 * Capability Structures". */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sim/dev/pci_internal.h"

/* ---- the message ---- */

/* SDM 3, "Message Address Register Format" and "Message Data Register Format". Address bits 11:5 extend the
 * destination to 15 bits, as guests without interrupt remapping use them. */
void machine_send_msi(struct machine *m, uint64_t address, uint32_t data) {
    if (address >> 20 != 0xFEE) return;
    struct apic_message msg = {
        .vector = (uint8_t)data,
        .delivery_mode = data >> 8 & 7,
        .dest_mode = address >> 2 & 1,
        .trigger = data >> 15 & 1,
        .level = 1,
        .dest = (uint32_t)(address >> 12 & 0xFF) | (uint32_t)(address >> 5 & 0x7F) << 8,
    };
    if (msg.dest == 0xFF) msg.dest = 0xFFFFFFFF;
    apic_deliver(m, &msg);
}

/* ---- the pin ---- */

static unsigned input_of(const struct pci_device *p) {
    return p->bus->host_ops->input(p->devfn >> 3, p->config[PCI_INTERRUPT_PIN] - 1u);
}

static bool any_asserts(const struct pci_bus *bus, unsigned input) {
    for (unsigned i = 0; i < 256; i++)
        if (bus->function[i] && bus->function[i]->asserted && input_of(bus->function[i]) == input) return true;
    return false;
}

static void update_pin(struct pci_device *p) {
    struct pci_bus *bus = p->bus;
    pci_set(p, PCI_STATUS, 1, (p->config[PCI_STATUS] & ~PCI_STATUS_INTERRUPT) | (p->intx ? PCI_STATUS_INTERRUPT : 0));
    bool assert = p->intx && !(pci_get16(p, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) && !pci_message_mode(p);
    if (assert == p->asserted || !p->config[PCI_INTERRUPT_PIN]) return;
    p->asserted = assert;
    if (!bus->host_ops) return;
    unsigned input = input_of(p);
    bool level = any_asserts(bus, input);
    if ((bus->inputs >> input & 1) == level) return;
    bus->inputs ^= 1u << input;
    bus->host_ops->set_input(bus->host, input, level);
}

void pci_set_intx(struct pci_device *p, bool level) {
    p->intx = level;
    update_pin(p);
}

/* ---- MSI ---- */

enum msi_register { MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12, MSI_MASK = 16, MSI_PENDING = 20, MSI_SIZE = 24 };
enum {
    MSI_ENABLE = 1 << 0,
    MSI_CAPABLE_SHIFT = 1,
    MSI_ENABLED_SHIFT = 4, /* log2 of the vectors that software granted */
    MSI_64BIT = 1 << 7,
    MSI_MASKABLE = 1 << 8,
};

void pci_add_msi(struct pci_device *p, unsigned vectors) {
    unsigned at = p->msi = (uint16_t)pci_add_capability(p, PCI_CAP_MSI, MSI_SIZE), log = 0;
    while (1u << log < vectors) log++;
    pci_set(p, at + MSI_CONTROL, 2, log << MSI_CAPABLE_SHIFT | MSI_64BIT | MSI_MASKABLE);
    pci_set_writable(p, at + MSI_CONTROL, 2, MSI_ENABLE | 7 << MSI_ENABLED_SHIFT);
    pci_set_writable(p, at + MSI_ADDRESS, 8, ~3ull);
    pci_set_writable(p, at + MSI_DATA, 2, 0xFFFF);
    pci_set_writable(p, at + MSI_MASK, 4, vectors < 32 ? (1u << vectors) - 1 : ~0u);
}

static bool msi_on(const struct pci_device *p) { return p->msi && p->config[p->msi + MSI_CONTROL] & MSI_ENABLE; }

static unsigned msi_vectors(const struct pci_device *p) {
    uint16_t control = pci_get16(p, p->msi + MSI_CONTROL);
    unsigned granted = control >> MSI_ENABLED_SHIFT & 7, capable = control >> MSI_CAPABLE_SHIFT & 7;
    return 1u << (granted < capable ? granted : capable);
}

static void msi_send(struct pci_device *p, unsigned vector) {
    unsigned at = p->msi, n = msi_vectors(p);
    uint64_t address = pci_get32(p, at + MSI_ADDRESS) | (uint64_t)pci_get32(p, at + MSI_ADDRESS + 4) << 32;
    uint32_t data = pci_get16(p, at + MSI_DATA);
    vector &= n - 1;
    uint32_t bit = 1u << vector, pending = pci_get32(p, at + MSI_PENDING);
    if (pci_get32(p, at + MSI_MASK) & bit)
        pci_set(p, at + MSI_PENDING, 4, pending | bit);
    else
        machine_send_msi(p->dev.machine, address, (data & ~(n - 1)) | vector);
}

static void msi_send_unmasked(struct pci_device *p) {
    uint32_t pending = pci_get32(p, p->msi + MSI_PENDING), due = pending & ~pci_get32(p, p->msi + MSI_MASK);
    if (!due) return;
    pci_set(p, p->msi + MSI_PENDING, 4, pending & ~due);
    for (unsigned v = 0; v < 32; v++)
        if (due >> v & 1) msi_send(p, v);
}

/* ---- MSI-X ---- */

enum msix_register { MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_PBA = 8, MSIX_SIZE = 12 };
enum { MSIX_ENABLE = 1 << 15, MSIX_FUNCTION_MASK = 1 << 14 };
enum { ENTRY_ADDRESS, ENTRY_UPPER, ENTRY_DATA, ENTRY_CONTROL, ENTRY_WORDS };
#define ENTRY_MASKED 1u

static struct pci_device *of_msix(struct device *d) {
    return (struct pci_device *)((char *)d - offsetof(struct pci_device, msix.dev));
}
static uint32_t table_bytes(const struct pci_device *p) { return 16 * p->msix.vectors; }
static uint32_t pba_at(const struct pci_device *p) { return (table_bytes(p) + 0xFFF) & ~0xFFFu; }

/* A message is a memory write of the function's. */
static bool may_send(const struct pci_device *p) { return pci_get16(p, PCI_COMMAND) & PCI_COMMAND_MASTER; }

static bool msix_on(const struct pci_device *p) {
    return p->msix.cap && pci_get16(p, p->msix.cap + MSIX_CONTROL) & MSIX_ENABLE;
}

static void msix_send(struct pci_device *p, unsigned vector) {
    const uint32_t *e = p->msix.table + ENTRY_WORDS * vector;
    uint64_t *pending = &p->msix.pending[vector / 64], bit = 1ull << vector % 64;
    bool masked = (e[ENTRY_CONTROL] & ENTRY_MASKED) || (pci_get16(p, p->msix.cap + MSIX_CONTROL) & MSIX_FUNCTION_MASK);
    *pending = masked ? *pending | bit : *pending & ~bit;
    if (!masked) machine_send_msi(p->dev.machine, e[ENTRY_ADDRESS] | (uint64_t)e[ENTRY_UPPER] << 32, e[ENTRY_DATA]);
}

static void msix_send_unmasked(struct pci_device *p) {
    for (unsigned v = 0; v < p->msix.vectors; v++)
        if (p->msix.pending[v / 64] >> v % 64 & 1) msix_send(p, v);
}

static uint32_t msix_word(const struct pci_device *p, uint32_t at) {
    if (at < table_bytes(p)) return p->msix.table[at / 4];
    uint32_t n = (at - pba_at(p)) / 4;
    if (at < pba_at(p) || n / 2 >= (p->msix.vectors + 63) / 64) return 0;
    return (uint32_t)(p->msix.pending[n / 2] >> (n & 1 ? 32 : 0));
}

static uint64_t msix_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    const struct pci_device *p = of_msix(d);
    (void)range;
    uint64_t word = msix_word(p, (uint32_t)offset & ~3u);
    if (size == 8) return word | (uint64_t)msix_word(p, ((uint32_t)offset & ~3u) + 4) << 32;
    return word >> 8 * (offset & 3);
}

static void write_word(struct pci_device *p, uint32_t at, uint32_t val) {
    if (at >= table_bytes(p)) return;
    p->msix.table[at / 4] = val;
    unsigned vector = at / 16;
    if (msix_on(p) && may_send(p) && p->msix.pending[vector / 64] >> vector % 64 & 1) msix_send(p, vector);
}

/* "Table Offset/Table BIR": software uses aligned accesses of 4 or 8 bytes; others do nothing. */
static void msix_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct pci_device *p = of_msix(d);
    (void)range;
    if (size < 4 || offset & (size - 1)) return;
    write_word(p, (uint32_t)offset, (uint32_t)val);
    if (size == 8) write_word(p, (uint32_t)offset + 4, (uint32_t)(val >> 32));
}

static const struct device_ops msix_ops = {.name = "MSI-X", .read = msix_read, .write = msix_write};

bool pci_add_msix(struct pci_device *p, unsigned n, unsigned vectors) {
    struct msix *x = &p->msix;
    x->table = calloc(vectors, 16);
    x->pending = calloc((vectors + 63) / 64, 8);
    if (!x->table || !x->pending) return false;
    x->dev = (struct device){&msix_ops, p->dev.machine};
    x->vectors = vectors;
    x->cap = (uint16_t)pci_add_capability(p, PCI_CAP_MSIX, MSIX_SIZE);
    pci_set(p, x->cap + MSIX_CONTROL, 2, vectors - 1);
    pci_set_writable(p, x->cap + MSIX_CONTROL, 2, MSIX_ENABLE | MSIX_FUNCTION_MASK);
    pci_set(p, x->cap + MSIX_TABLE, 4, n);
    pci_set(p, x->cap + MSIX_PBA, 4, pba_at(p) | n);
    uint64_t size = 0x1000;
    while (size < pba_at(p) + 0x1000) size *= 2;
    pci_add_bar(p, n, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = size, .dev = &x->dev});
    pci_msix_reset(p);
    return true;
}

void pci_msix_reset(struct pci_device *p) {
    if (!p->msix.cap) return;
    memset(p->msix.table, 0, table_bytes(p));
    memset(p->msix.pending, 0, (p->msix.vectors + 63) / 64 * 8);
    for (unsigned v = 0; v < p->msix.vectors; v++) p->msix.table[ENTRY_WORDS * v + ENTRY_CONTROL] = ENTRY_MASKED;
}

/* ---- both ---- */

bool pci_message_mode(const struct pci_device *p) { return msix_on(p) || msi_on(p); }

void pci_notify(struct pci_device *p, unsigned vector) {
    if (!may_send(p)) return;
    if (msix_on(p) && vector < p->msix.vectors)
        msix_send(p, vector);
    else if (!msix_on(p) && msi_on(p))
        msi_send(p, vector);
}

void pci_update_interrupts(struct pci_device *p) {
    update_pin(p);
    if (!may_send(p)) return;
    if (msix_on(p)) msix_send_unmasked(p);
    if (msi_on(p)) msi_send_unmasked(p);
}
