/* Host bridge of the PC: Intel 82441FX (PMC) data sheet, "PCI Configuration Register Set". Of the DRAM controller there
 * is what decides where accesses go; timings can be written and mean nothing. */
#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"

enum { REG_PMCCFG = 0x50, REG_PMCCFG_END = 0x59, REG_PAM = 0x59, REG_DRB = 0x60, REG_SMRAM = 0x72 };
#define PAM0_WRITABLE  0x30
#define PAM_WRITABLE   0x33
#define SMRAM_WRITABLE (SMRAM_ENABLE | SMRAM_LOCK | SMRAM_CLOSE | SMRAM_D_OPEN)
#define ROW_UNIT       23 /* DRB registers count 8 MiB */

struct i440fx {
    struct pci_device pci;
    struct dram dram;
};

/* "D_LCK": D_OPEN goes to 0, and D_LCK, D_OPEN and G_SMRAME can't be changed before the next reset. */
static void apply_smram(struct i440fx *h) {
    uint8_t *smram = &h->pci.config[REG_SMRAM];
    if (*smram & SMRAM_LOCK) {
        *smram &= (uint8_t)~SMRAM_D_OPEN;
        h->pci.writable[REG_SMRAM] = SMRAM_CLOSE;
    }
    dram_set_smram(&h->dram, *smram);
}

static void config_written(struct pci_device *p, unsigned off, unsigned size) {
    struct i440fx *h = (struct i440fx *)p;
    (void)off, (void)size;
    dram_set_pam(&h->dram, p->config + REG_PAM);
    apply_smram(h);
}

static void i440fx_reset(struct device *d) {
    struct pci_device *p = (struct pci_device *)d;
    pci_set_writable(p, REG_SMRAM, 1, SMRAM_WRITABLE);
    pci_reset(p);
    pci_set(p, REG_SMRAM, 1, SMRAM_SEGMENT);
    config_written(p, 0, PCI_CONFIG_SIZE);
}

static void i440fx_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops i440fx_ops = {.name = "i440FX", .reset = i440fx_reset, .destroy = i440fx_destroy};
static const struct pci_ops i440fx_pci_ops = {.config_written = config_written};

bool i440fx_create(struct machine *m) {
    static const struct pci_id id = {.vendor = 0x8086,
                                     .device = 0x1237,
                                     .class_code = 0x060000,
                                     .revision = 2,
                                     .subsystem_vendor = BOARD_VENDOR,
                                     .subsystem = BOARD_SUBSYSTEM};
    struct i440fx *h = device_alloc(m, sizeof *h, &i440fx_ops);
    if (!h) return false;
    pci_init(&h->pci, m->pci, PCI_DEVFN(0, 0), &id, &i440fx_pci_ops);
    pci_set(&h->pci, PCI_STATUS, 2, 0x0280); /* fast back-to-back, medium DEVSEL# */
    pci_set_writable(&h->pci, PCI_COMMAND, 2, 0x0140);
    pci_set(&h->pci, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci_set_writable(&h->pci, PCI_CACHE_LINE_SIZE, 1, 0);
    for (unsigned r = REG_PMCCFG; r < REG_PMCCFG_END; r++) pci_set_writable(&h->pci, r, 1, 0xFF);
    pci_set_writable(&h->pci, REG_PAM, 1, PAM0_WRITABLE);
    for (unsigned r = 1; r < DRAM_PAM_REGISTERS; r++) pci_set_writable(&h->pci, REG_PAM + r, 1, PAM_WRITABLE);
    uint64_t rows = m->low_size >> ROW_UNIT;
    for (unsigned r = 0; r < 8; r++) pci_set(&h->pci, REG_DRB + r, 1, rows < 0xFF ? rows : 0xFF);
    dram_init(&h->dram, &h->pci.dev);
    return true;
}
