/* The Q35 machine's south bridge: Intel ICH9 data sheet, "LPC Interface Bridge Registers (D31:F0)", "General Purpose
 * I/O Registers" and "Chipset Configuration Registers". */
#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"

enum {
    REG_PMBASE = 0x40,
    REG_ACPI_CNTL = 0x44,
    REG_GPIOBASE = 0x48,
    REG_GC = 0x4C,
    REG_PIRQ = 0x60,
    REG_SIRQ = 0x64,
    REG_PIRQ_HIGH = 0x68,
    REG_GEN_PMCON_1 = 0xA0,
    REG_RCBA = 0xF0
};
#define ACPI_EN   0x80 /* ACPI_CNTL */
#define GPIO_EN   0x10 /* GC */
#define SMI_LOCK  0x10 /* GEN_PMCON_1 */
#define RCBA_SIZE 0x4000
#define GPIO_SIZE 64
enum ich9_range { RANGE_RCBA, RANGE_GPIO };

/* Chipset configuration registers: where interrupt pins of devices 25-31 lead, and a few that can be written. */
enum { RC_D31IR = 0x3140, RC_D25IR = 0x3150, RC_OIC = 0x31FE, RC_HPTC = 0x3404, RC_GCS = 0x3410 };
#define DIR_DEFAULT 0x3210 /* INTA# on PIRQA#, ... */

struct ich9 {
    struct pci_device pci;
    struct pirq pirq;
    uint32_t rcba;    /* base in force, 0: none */
    uint16_t gpio_at; /* the same of the GPIO registers */
    uint16_t oic;
    uint32_t hptc, gcs;
    uint8_t gpio[GPIO_SIZE];
};

/* ---- interrupts ---- */

/* Devices 25-31 lead to PIRQA#-PIRQD#, as their registers say; the slots below to PIRQE#-PIRQH#, each one further. */
static unsigned input(unsigned device, unsigned pin) {
    return device >= 25 ? DIR_DEFAULT >> 4 * pin & 7 : 4 + (device + pin) % 4;
}

static void set_input(struct device *host, unsigned n, bool level) {
    pirq_set_input(&((struct ich9 *)host)->pirq, n, level);
}
static const struct pci_host_ops host_ops = {input, set_input};

static void set_sci(struct device *bridge, bool level) { pirq_set_sci(&((struct ich9 *)bridge)->pirq, level); }

/* ---- chipset configuration and GPIO registers ---- */

static uint32_t rcba_word(const struct ich9 *b, uint64_t at) {
    switch (at) {
    case RC_OIC & ~3:
        return (uint32_t)b->oic << 16;
    case RC_HPTC:
        return b->hptc;
    case RC_GCS:
        return b->gcs;
    default:
        return at >= RC_D31IR && at < RC_D25IR + 4 ? DIR_DEFAULT * 0x10001u : 0;
    }
}

static void rcba_write(struct ich9 *b, uint64_t at, uint32_t mask, uint32_t val) {
    uint32_t word = (rcba_word(b, at) & ~mask) | (val & mask);
    if (at == (RC_OIC & ~3)) b->oic = word >> 16 & 0x0300;
    if (at == RC_HPTC) b->hptc = word & 0x83;
    if (at == RC_GCS) b->gcs = word & 0x0E27;
}

static uint64_t ich9_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct ich9 *b = (struct ich9 *)d;
    if (range == RANGE_GPIO) return b->gpio[offset % GPIO_SIZE];
    uint64_t val = rcba_word(b, offset & ~3ull) >> 8 * (offset & 3);
    return size == 8 ? val | (uint64_t)rcba_word(b, (offset & ~3ull) + 4) << 32 : val;
}

static void ich9_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct ich9 *b = (struct ich9 *)d;
    if (range == RANGE_GPIO) {
        b->gpio[offset % GPIO_SIZE] = (uint8_t)val;
        return;
    }
    unsigned shift = 8 * (offset & 3);
    uint32_t mask = size < 4 ? (1u << 8 * size) - 1 : ~0u;
    rcba_write(b, offset & ~3ull, mask << shift, (uint32_t)val << shift);
    if (size == 8) rcba_write(b, (offset & ~3ull) + 4, ~0u, (uint32_t)(val >> 32));
}

static void apply_bases(struct ich9 *b) {
    struct pci_device *p = &b->pci;
    struct machine *m = p->dev.machine;
    uint32_t rcba = pci_get32(p, REG_RCBA);
    rcba = rcba & 1 ? rcba & ~(RCBA_SIZE - 1u) : 0;
    if (rcba != b->rcba) {
        machine_unmap(m, &p->dev, RANGE_RCBA);
        if (rcba)
            machine_map(m, &(struct mem_window){.base = rcba,
                                                .size = RCBA_SIZE,
                                                .takes = MEM_TAKES_ALL,
                                                .beneath = true,
                                                .dev = &p->dev,
                                                .range = RANGE_RCBA});
        b->rcba = rcba;
    }
    uint16_t gpio = p->config[REG_GC] & GPIO_EN ? pci_get16(p, REG_GPIOBASE) & 0xFFC0 : 0;
    if (gpio != b->gpio_at) {
        machine_unmap_ports(m, &p->dev, RANGE_GPIO);
        if (gpio) machine_map_ports(m, &p->dev, RANGE_GPIO, gpio, GPIO_SIZE);
        b->gpio_at = gpio;
    }
}

/* ---- the function ---- */

static void config_written(struct pci_device *p, unsigned off, unsigned size) {
    static const uint8_t sci_irq[8] = {9, 10, 11, 9, 20, 21, 22, 23};
    struct ich9 *b = (struct ich9 *)p;
    (void)off, (void)size;
    for (unsigned n = 0; n < PIRQS; n++) b->pirq.route[n] = p->config[n < 4 ? REG_PIRQ + n : REG_PIRQ_HIGH + n - 4];
    b->pirq.sci_irq = sci_irq[p->config[REG_ACPI_CNTL] & 7];
    pirq_update(&b->pirq);
    if (p->config[REG_GEN_PMCON_1] & SMI_LOCK) p->writable[REG_GEN_PMCON_1] &= (uint8_t)~SMI_LOCK;
    acpipm_lock_smi(p->dev.machine->pm, p->config[REG_GEN_PMCON_1] & SMI_LOCK);
    acpipm_move(p->dev.machine->pm, p->config[REG_ACPI_CNTL] & ACPI_EN ? pci_get16(p, REG_PMBASE) & 0xFF80 : 0);
    apply_bases(b);
}

static void ich9_reset(struct device *d) {
    struct ich9 *b = (struct ich9 *)d;
    struct pci_device *p = &b->pci;
    pci_set_writable(p, REG_GEN_PMCON_1, 2, 0x063F);
    pci_reset(p);
    pci_set(p, REG_PMBASE, 1, 1);
    pci_set(p, REG_GPIOBASE, 1, 1);
    pci_set(p, REG_PIRQ, 4, 0x80808080);
    pci_set(p, REG_PIRQ_HIGH, 4, 0x80808080);
    pci_set(p, REG_SIRQ, 1, 0x10);
    b->oic = 0;
    b->hptc = b->gcs = 0;
    memset(b->gpio, 0, sizeof b->gpio);
    config_written(p, 0, PCI_CONFIG_SIZE);
}

static void ich9_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops ich9_ops = {
    .name = "ICH9 LPC", .reset = ich9_reset, .destroy = ich9_destroy, .read = ich9_read, .write = ich9_write};
static const struct pci_ops ich9_pci_ops = {.config_written = config_written};

static void add_registers(struct pci_device *p) {
    static const struct {
        uint8_t off, size;
        uint32_t writable;
    } writable[] = {
        {REG_PMBASE,    2, 0xFF80    },
        {REG_ACPI_CNTL, 1, 0x87      },
        {REG_GPIOBASE,  2, 0xFFC0    },
        {REG_GC,        1, 0x11      },
        {REG_PIRQ,      4, 0x8F8F8F8F},
        {REG_SIRQ,      1, 0xC3      },
        {REG_PIRQ_HIGH, 4, 0x8F8F8F8F},
        {0x80,          4, 0x3F0F1377},
        {0x84,          4, 0x00FCFFFD},
        {0x88,          4, 0x00FCFFFD},
        {0x8C,          4, 0x00FCFFFD},
        {0x90,          4, 0x00FCFFFD},
        {0xA2,          1, 0x83      },
        {0xA4,          1, 0xFB      },
        {0xDC,          1, 0x0F      },
        {REG_RCBA,      4, 0xFFFFC001},
    };
    for (unsigned i = 0; i < sizeof writable / sizeof writable[0]; i++)
        pci_set_writable(p, writable[i].off, writable[i].size, writable[i].writable);
}

bool ich9_create(struct machine *m) {
    static const struct pci_id id = {.vendor = 0x8086,
                                     .device = 0x2918,
                                     .class_code = 0x060100,
                                     .revision = 2,
                                     .subsystem_vendor = BOARD_VENDOR,
                                     .subsystem = BOARD_SUBSYSTEM};
    struct ich9 *b = device_alloc(m, sizeof *b, &ich9_ops);
    if (!b) return false;
    struct pci_device *p = &b->pci;
    struct pm_host host = {set_sci, NULL, &p->dev, &p->dev};
    m->pm = acpipm_create(m, PM_ICH9, &host);
    if (!m->pm) return false;
    pci_init(p, m->pci, PCI_DEVFN(31, 0), &id, &ich9_pci_ops);
    pci_set(p, PCI_STATUS, 2, 0x0200);
    pci_set(p, PCI_HEADER_TYPE, 1, PCI_MULTIFUNCTION);
    pci_set_writable(p, PCI_COMMAND, 2, 0x0140);
    pci_set(p, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    add_registers(p);
    b->pirq = (struct pirq){.machine = m, .sci_irq = 9};
    m->pci->host = &p->dev;
    m->pci->host_ops = &host_ops;
    return true;
}
