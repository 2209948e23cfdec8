/* Host bridge of the Q35 machine: Intel 3 Series Express chipset family data sheet, "DRAM Controller Registers
 * (D0:F0)". The extended configuration space lies where PCIEXBAR says. */
#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"

enum {
    REG_PCIEXBAR = 0x60,
    REG_PAM = 0x90,
    REG_SMRAM = 0x9D,
    REG_ESMRAMC = 0x9E,
    REG_TOM = 0xA0,
    REG_TOUUD = 0xA2,
    REG_TSEGMB = 0xAC,
    REG_TOLUD = 0xB0
};
#define PCIEXBAR_WRITABLE 0xFFC000007ull /* base, length, enable; bits 27:26 count for shorter lengths */
#define PCIEXBAR_ENABLE   1u
#define ESMRAMC_CACHED    0x38 /* read-only ones */
#define ESMRAMC_WRITABLE  0x87 /* H_SMRAME, TSEG_SZ, T_EN */
#define ESMRAMC_T_EN      0x01
#define SMRAM_WRITABLE    (SMRAM_ENABLE | SMRAM_LOCK | SMRAM_CLOSE | SMRAM_D_OPEN)

struct q35 {
    struct pci_device pci;
    struct dram dram;
    struct pci_window ecam; /* in force */
};
enum { RANGE_ECAM = DRAM_RANGES };

/* ---- extended configuration space: PCI Express Base Specification, "PCI Express Enhanced Configuration Access
 * Mechanism". An access beyond a doubleword is made of bytes. ---- */

static uint32_t ecam_bytes(struct pci_bus *bus, uint64_t at, unsigned size) {
    return pci_config_read(bus, (unsigned)(at >> 20), (uint8_t)(at >> 12), at & 0xFFF, size);
}

static unsigned step(uint64_t at, unsigned left) { return !(at & 3) && left >= 4 ? 4 : !(at & 1) && left >= 2 ? 2 : 1; }

static uint64_t ecam_read(struct device *d, unsigned range, uint64_t at, unsigned size) {
    struct pci_bus *bus = d->machine->pci;
    uint64_t val = 0;
    if (range != RANGE_ECAM) return ~0ull;
    for (unsigned done = 0, n; done < size; done += n) {
        n = step(at + done, size - done);
        val |= (uint64_t)ecam_bytes(bus, at + done, n) << 8 * done;
    }
    return val;
}

static void ecam_write(struct device *d, unsigned range, uint64_t at, unsigned size, uint64_t val) {
    struct pci_bus *bus = d->machine->pci;
    if (range != RANGE_ECAM) return;
    for (unsigned done = 0, n; done < size; done += n) {
        uint64_t to = at + done;
        n = step(to, size - done);
        pci_config_write(bus, (unsigned)(to >> 20), (uint8_t)(to >> 12), to & 0xFFF, n, (uint32_t)(val >> 8 * done));
    }
}

struct pci_window q35_ecam(const struct machine *m) {
    return ((const struct q35 *)m->pci->function[PCI_DEVFN(0, 0)])->ecam;
}

static void apply_ecam(struct q35 *h) {
    uint64_t bar = pci_get32(&h->pci, REG_PCIEXBAR) | (uint64_t)pci_get32(&h->pci, REG_PCIEXBAR + 4) << 32;
    unsigned length = bar >> 1 & 3; /* 256, 128, 64 MiB, reserved */
    struct pci_window want = {.size = length < 3 ? 256ull << 20 >> length : 0};
    if (want.size) want.base = bar & 0xFFFFFFFFFull & ~(want.size - 1);
    if (!(bar & PCIEXBAR_ENABLE)) want = (struct pci_window){0};
    if (want.base == h->ecam.base && want.size == h->ecam.size) return;
    machine_unmap(h->pci.dev.machine, &h->pci.dev, RANGE_ECAM);
    h->ecam = want;
    if (!want.size) return;
    machine_map(h->pci.dev.machine, &(struct mem_window){.base = want.base,
                                                         .size = want.size,
                                                         .takes = MEM_TAKES_ALL,
                                                         .above = true,
                                                         .dev = &h->pci.dev,
                                                         .range = RANGE_ECAM});
}

/* ---- SMRAM ---- */

/* "SMRAM": D_LCK makes D_OPEN 0, and it, D_OPEN, G_SMRAME, H_SMRAME, TSEG_SZ and T_EN read-only. */
static void apply_smram(struct q35 *h) {
    static const uint32_t tseg_size[4] = {1 << 20, 2 << 20, 8 << 20, 0};
    uint8_t *smram = &h->pci.config[REG_SMRAM], extended = h->pci.config[REG_ESMRAMC];
    if (*smram & SMRAM_LOCK) {
        *smram &= (uint8_t)~SMRAM_D_OPEN;
        h->pci.writable[REG_SMRAM] = SMRAM_CLOSE;
        h->pci.writable[REG_ESMRAMC] = 0;
    }
    uint32_t tseg = (extended & ESMRAMC_T_EN) && (*smram & SMRAM_ENABLE) ? tseg_size[extended >> 1 & 3] : 0;
    dram_set_smram(&h->dram, *smram);
    dram_set_tseg(&h->dram, tseg);
    pci_set(&h->pci, REG_TSEGMB, 4, (h->pci.dev.machine->low_size - tseg) & ~0xFFFFFull);
}

static void config_written(struct pci_device *p, unsigned off, unsigned size) {
    struct q35 *h = (struct q35 *)p;
    (void)off, (void)size;
    dram_set_pam(&h->dram, p->config + REG_PAM);
    apply_smram(h);
    apply_ecam(h);
}

static void q35_reset(struct device *d) {
    struct pci_device *p = (struct pci_device *)d;
    pci_set_writable(p, REG_SMRAM, 1, SMRAM_WRITABLE);
    pci_set_writable(p, REG_ESMRAMC, 1, ESMRAMC_WRITABLE);
    pci_reset(p);
    pci_set(p, REG_PCIEXBAR, 8, 0xE0000000);
    pci_set(p, REG_SMRAM, 1, SMRAM_SEGMENT);
    pci_set(p, REG_ESMRAMC, 1, ESMRAMC_CACHED);
    config_written(p, 0, PCI_CONFIG_SIZE);
}

static void q35_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops q35_ops = {
    .name = "Q35", .reset = q35_reset, .destroy = q35_destroy, .read = ecam_read, .write = ecam_write};
static const struct pci_ops q35_pci_ops = {.config_written = config_written};

bool q35_create(struct machine *m) {
    static const struct pci_id id = {.vendor = 0x8086,
                                     .device = 0x29C0,
                                     .class_code = 0x060000,
                                     .revision = 2,
                                     .subsystem_vendor = BOARD_VENDOR,
                                     .subsystem = BOARD_SUBSYSTEM};
    struct q35 *h = device_alloc(m, sizeof *h, &q35_ops);
    if (!h) return false;
    struct pci_device *p = &h->pci;
    pci_init(p, m->pci, PCI_DEVFN(0, 0), &id, &q35_pci_ops);
    pci_set(p, PCI_STATUS, 2, 0x0080); /* fast back-to-back */
    pci_set_writable(p, PCI_COMMAND, 2, 0x0100);
    pci_set(p, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci_set_writable(p, PCI_CACHE_LINE_SIZE, 1, 0);
    pci_set_writable(p, REG_PCIEXBAR, 8, PCIEXBAR_WRITABLE);
    pci_set_writable(p, REG_PAM, 1, 0x30);
    for (unsigned r = 1; r < DRAM_PAM_REGISTERS; r++) pci_set_writable(p, REG_PAM + r, 1, 0x33);
    uint64_t top = m->ram_size > m->low_size ? (4ull << 30) + m->ram_size - m->low_size : m->low_size;
    pci_set(p, REG_TOM, 2, m->ram_size >> 26);
    pci_set(p, REG_TOUUD, 2, top >> 20);
    pci_set(p, REG_TOLUD, 2, m->low_size >> 20 << 4);
    dram_init(&h->dram, &h->pci.dev);
    return true;
}
