/* The PC's south bridge: the ISA bridge of the PIIX3 with the power-management function of the PIIX4, as software knows
 * it from simulated PCs. Intel 82371SB (PIIX3) data sheet, "PCI to ISA Bridge Registers (Function 0)"; Intel 82371AB
 * (PIIX4) data sheet, "Power Management Controller Registers (Function 3)". */
#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"
#include "sim/dev/smbus.h"

enum { REG_IORT = 0x4C, REG_XBCS = 0x4E, REG_PIRQ = 0x60, REG_TOM = 0x69, REG_MBIRQ = 0x70, REG_SMICNTL = 0xA0 };
enum {
    REG_PMBA = 0x40,
    REG_DEVACTA = 0x54,
    REG_DEVACTB = 0x58,
    REG_PMREGMISC = 0x80,
    REG_SMBBA = 0x90,
    REG_SMBHST = 0xD2
};
#define APMC_EN     0x02 /* in the upper byte of DEVACTB: bit 25 */
#define PIRQ_INPUTS 4
#define SCI_IRQ     9

struct piix {
    struct pci_device pci;
    struct pirq pirq;
};

/* ---- function 0 ---- */

/* The board's wires: slot 1's INTA# is on PIRQA#, and each slot is one further. */
static unsigned input(unsigned device, unsigned pin) { return (device + pin + PIRQ_INPUTS - 1) % PIRQ_INPUTS; }

static void set_input(struct device *host, unsigned n, bool level) {
    pirq_set_input(&((struct piix *)host)->pirq, n, level);
}
static const struct pci_host_ops host_ops = {input, set_input};

static void set_sci(struct device *bridge, bool level) { pirq_set_sci(&((struct piix *)bridge)->pirq, level); }

static void isa_written(struct pci_device *p, unsigned off, unsigned size) {
    struct piix *b = (struct piix *)p;
    (void)off, (void)size;
    for (unsigned n = 0; n < PIRQ_INPUTS; n++) b->pirq.route[n] = p->config[REG_PIRQ + n];
    pirq_update(&b->pirq);
}

static void isa_reset(struct device *d) {
    struct pci_device *p = (struct pci_device *)d;
    pci_reset(p);
    pci_set(p, REG_IORT, 1, 0x4D);
    pci_set(p, REG_XBCS, 2, 0x0003);
    pci_set(p, REG_PIRQ, 4, 0x80808080);
    pci_set(p, REG_TOM, 1, 0x02);
    pci_set(p, REG_MBIRQ, 1, 0x80);
    pci_set(p, REG_SMICNTL, 1, 0x08);
    isa_written(p, 0, PCI_CONFIG_SIZE);
}

static void function_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops isa_ops = {.name = "PIIX3", .reset = isa_reset, .destroy = function_destroy};
static const struct pci_ops isa_pci_ops = {.config_written = isa_written};

static struct piix *isa_create(struct machine *m) {
    static const struct pci_id id = {.vendor = 0x8086,
                                     .device = 0x7000,
                                     .class_code = 0x060100,
                                     .subsystem_vendor = BOARD_VENDOR,
                                     .subsystem = BOARD_SUBSYSTEM};
    static const struct {
        uint8_t off;
        uint32_t writable;
    } writable[] = {
        {REG_IORT,    0x7F      },
        {REG_XBCS,    0x0FFF    },
        {REG_PIRQ,    0x8F8F8F8F},
        {REG_TOM,     0xFE      },
        {REG_MBIRQ,   0xEF      },
        {0x76,        0x87      },
        {0x77,        0x87      },
        {0x78,        0xFFF3    },
        {REG_SMICNTL, 0x1F      },
        {0xA2,        0xFFFF    },
        {0xA4,        0xFFFFFFFF},
        {0xA8,        0xFF      },
    };
    struct piix *b = device_alloc(m, sizeof *b, &isa_ops);
    if (!b) return NULL;
    struct pci_device *p = &b->pci;
    pci_init(p, m->pci, PCI_DEVFN(1, 0), &id, &isa_pci_ops);
    pci_set(p, PCI_STATUS, 2, 0x0200); /* medium DEVSEL# */
    pci_set(p, PCI_HEADER_TYPE, 1, PCI_MULTIFUNCTION);
    pci_set_writable(p, PCI_COMMAND, 2, 0x0108);
    pci_set(p, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (unsigned i = 0; i < sizeof writable / sizeof writable[0]; i++)
        pci_set_writable(p, writable[i].off,
                         writable[i].writable >> 16  ? 4
                         : writable[i].writable >> 8 ? 2
                                                     : 1,
                         writable[i].writable);
    b->pirq = (struct pirq){
        .machine = m, .sci_irq = SCI_IRQ, .route = {0, 0, 0, 0, PIRQ_OFF, PIRQ_OFF, PIRQ_OFF, PIRQ_OFF}
    };
    m->pci->host = &p->dev;
    m->pci->host_ops = &host_ops;
    return b;
}

/* ---- function 3 ---- */

struct piix4pm {
    struct pci_device pci;
    struct device *smbus;
};

static void pm_written(struct pci_device *p, unsigned off, unsigned size) {
    (void)off, (void)size;
    bool pm_on = p->config[REG_PMREGMISC] & 1, smbus_on = p->config[REG_SMBHST] & 1;
    acpipm_move(p->dev.machine->pm, pm_on ? pci_get16(p, REG_PMBA) & 0xFFC0 : 0);
    smbus_move(((struct piix4pm *)p)->smbus, smbus_on ? pci_get16(p, REG_SMBBA) & 0xFFF0 : 0);
}

static bool apm_smi(const struct device *function) {
    return ((const struct pci_device *)function)->config[REG_DEVACTB + 3] & APMC_EN;
}

static void pm_reset(struct device *d) {
    struct pci_device *p = (struct pci_device *)d;
    pci_reset(p);
    pci_set(p, REG_PMBA, 1, 1); /* I/O space */
    pci_set(p, REG_SMBBA, 1, 1);
    pm_written(p, 0, PCI_CONFIG_SIZE);
}

static const struct device_ops pm_ops = {.name = "PIIX4 PM", .reset = pm_reset, .destroy = function_destroy};
static const struct pci_ops pm_pci_ops = {.config_written = pm_written};

static bool pm_create(struct machine *m, struct piix *isa) {
    static const struct pci_id id = {.vendor = 0x8086,
                                     .device = 0x7113,
                                     .class_code = 0x068000,
                                     .revision = 3,
                                     .subsystem_vendor = BOARD_VENDOR,
                                     .subsystem = BOARD_SUBSYSTEM,
                                     .interrupt_pin = 1};
    struct piix4pm *f = device_alloc(m, sizeof *f, &pm_ops);
    if (!f) return false;
    struct pci_device *p = &f->pci;
    struct pm_host host = {set_sci, apm_smi, &isa->pci.dev, &p->dev};
    m->pm = acpipm_create(m, PM_PIIX4, &host);
    f->smbus = smbus_create(m);
    if (!m->pm || !f->smbus) return false;
    pci_init(p, m->pci, PCI_DEVFN(1, 3), &id, &pm_pci_ops);
    pci_set(p, PCI_STATUS, 2, 0x0280);
    pci_set_writable(p, PCI_COMMAND, 2, PCI_COMMAND_IO);
    pci_set_writable(p, REG_PMBA, 2, 0xFFC0);
    for (unsigned r = 0x44; r < 0x7C; r++) pci_set_writable(p, r, 1, 0xFF); /* timers, activity and device monitors */
    pci_set_writable(p, REG_PMREGMISC, 1, 0x01);
    pci_set_writable(p, REG_SMBBA, 2, 0xFFF0);
    pci_set_writable(p, REG_SMBHST, 4, 0xFFFFFF0F);
    return true;
}

bool piix_create(struct machine *m) {
    struct piix *isa = isa_create(m);
    return isa && pm_create(m, isa);
}
