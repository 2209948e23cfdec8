/* The two chipsets as data, and their set-up: what a PC's firmware has done with the board before it starts a boot
 * loader. */
#include "sim/dev/chipset.h"
#include "sim/machine/internal.h"

#define PM_BASE    0x600u
#define SMBUS_BASE 0xB100u
#define GPIO_BASE  0x480u
#define RCBA_BASE  0xFED1C000u
#define Q35_ECAM   0xB0000000u
#define PIRQ_ROUTE 0x0B0B0A0Au /* IRQ 10 and 11 */
#define PAM_OPEN   0x33333333u
#define SMRAM_SHUT (SMRAM_SEGMENT | SMRAM_ENABLE)
#define SCI_IRQ    9

/* ICH9 data sheet, "LPC_I/O_DEC" and "LPC_EN": COM A at 3F8H, COM B at 2F8H, keyboard controller */
#define LPC_COM_RANGES 0x0010u
#define LPC_DECODED    0x0403u

static const struct config_write pc_setup[] = {
    {PCI_DEVFN(0, 0), 0x59,               1, 0x30             },
    {PCI_DEVFN(0, 0), 0x5A,               2, PAM_OPEN & 0xFFFF},
    {PCI_DEVFN(0, 0), 0x5C,               4, PAM_OPEN         },
    {PCI_DEVFN(0, 0), 0x72,               1, SMRAM_SHUT       },
    {PCI_DEVFN(1, 0), 0x60,               4, PIRQ_ROUTE       },
    {PCI_DEVFN(1, 3), 0x40,               4, PM_BASE | 1      },
    {PCI_DEVFN(1, 3), 0x80,               1, 1                }, /* PMIOSE */
    {PCI_DEVFN(1, 3), 0x90,               4, SMBUS_BASE | 1   },
    {PCI_DEVFN(1, 3), 0xD2,               1, 9                }, /* SMBus host on, by IRQ 9 */
    {PCI_DEVFN(1, 3), PCI_INTERRUPT_LINE, 1, SCI_IRQ          },
};
static const struct config_write q35_setup[] = {
    {PCI_DEVFN(0,  0), 0x64, 4, 0                },
    {PCI_DEVFN(0,  0), 0x60, 4, Q35_ECAM | 1     },
    {PCI_DEVFN(0,  0), 0x90, 1, 0x30             },
    {PCI_DEVFN(0,  0), 0x91, 1, PAM_OPEN & 0xFF  },
    {PCI_DEVFN(0,  0), 0x92, 2, PAM_OPEN & 0xFFFF},
    {PCI_DEVFN(0,  0), 0x94, 2, PAM_OPEN & 0xFFFF},
    {PCI_DEVFN(0,  0), 0x96, 1, PAM_OPEN & 0xFF  },
    {PCI_DEVFN(0,  0), 0x9D, 1, SMRAM_SHUT       },
    {PCI_DEVFN(31, 0), 0x40, 4, PM_BASE | 1      },
    {PCI_DEVFN(31, 0), 0x44, 1, 0x80             }, /* ACPI_EN, SCI on IRQ 9 */
    {PCI_DEVFN(31, 0), 0x48, 4, GPIO_BASE | 1    },
    {PCI_DEVFN(31, 0), 0x4C, 1, 0x10             }, /* GPIO on */
    {PCI_DEVFN(31, 0), 0x60, 4, PIRQ_ROUTE       },
    {PCI_DEVFN(31, 0), 0x68, 4, PIRQ_ROUTE       },
    {PCI_DEVFN(31, 0), 0x80, 2, LPC_COM_RANGES   },
    {PCI_DEVFN(31, 0), 0x82, 2, LPC_DECODED      },
    {PCI_DEVFN(31, 0), 0xF0, 4, RCBA_BASE | 1    },
};

#define SETUP(table) .setup = table, .setup_count = sizeof table / sizeof table[0]
const struct chipset chipset_pc = {.low_memory_max = 3 * GIB,
                                   .window = 0xC0000000,
                                   .pm_devfn = PCI_DEVFN(1, 3),
                                   .gpe_at = 0x0C,
                                   .gpe_size = 4,
                                   .s5_type = 0,
                                   SETUP(pc_setup)};
const struct chipset chipset_q35 = {.low_memory_max = 2 * GIB,
                                    .window = 0xC0000000,
                                    .ecam = Q35_ECAM,
                                    .pm_devfn = PCI_DEVFN(31, 0),
                                    .gpe_at = 0x20,
                                    .gpe_size = 16,
                                    .s5_type = 7,
                                    SETUP(q35_setup)};

struct pci_window chipset_high_window(const struct machine *m) {
    const uint64_t size = 32 * GIB;
    uint64_t top = HIGH_MEMORY + m->ram_size - m->low_size, base = (top + size - 1) & ~(size - 1);
    return m->phys_bits >= 36 && base + size <= 1ull << m->phys_bits ? (struct pci_window){base, size}
                                                                     : (struct pci_window){0};
}

/* ---- base addresses ---- */

struct space {
    uint64_t at, end;
};

static bool take(struct space *s, uint64_t size, uint64_t *at) {
    *at = (s->at + size - 1) & ~(size - 1);
    if (*at + size > s->end) return false;
    s->at = *at + size;
    return true;
}

/* The largest first, so that nothing is lost to alignment; 64-bit ones go above 4 GiB when the window below is full. */
static void place_bars(struct machine *m, uint64_t size, struct space *low, struct space *high, struct space *ports) {
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        struct pci_device *p = m->pci->function[devfn];
        for (unsigned n = 0; p && n < PCI_ROM; n++) {
            const struct pci_bar *b = &p->bar[n];
            uint64_t at;
            if (b->kind == PCI_BAR_NONE || b->size != size) continue;
            bool wide = b->kind == PCI_BAR_MEM64;
            if (!take(b->kind == PCI_BAR_IO ? ports : low, size, &at) && (!wide || !take(high, size, &at))) continue;
            pci_config_write(m->pci, 0, (uint8_t)devfn, PCI_BAR0 + 4 * n, 4, (uint32_t)at);
            if (wide) pci_config_write(m->pci, 0, (uint8_t)devfn, PCI_BAR0 + 4 * n + 4, 4, (uint32_t)(at >> 32));
        }
    }
}

/* Functions decode what was placed, and know their interrupt in 8259 mode. */
static void enable(struct machine *m, uint8_t devfn) {
    const struct pci_device *p = m->pci->function[devfn];
    uint32_t command = pci_get16(p, PCI_COMMAND) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
    pci_config_write(m->pci, 0, devfn, PCI_COMMAND, 2, command);
    unsigned pin = p->config[PCI_INTERRUPT_PIN];
    if (!pin || devfn == m->chipset->pm_devfn) return;
    unsigned input = m->pci->host_ops->input(devfn >> 3, pin - 1u);
    pci_config_write(m->pci, 0, devfn, PCI_INTERRUPT_LINE, 1, PIRQ_ROUTE >> 8 * (input & 3) & 0xFF);
}

void platform_setup(struct machine *m) {
    const struct chipset *c = m->chipset;
    for (unsigned i = 0; i < c->setup_count; i++)
        pci_config_write(m->pci, 0, c->setup[i].devfn, c->setup[i].off, c->setup[i].size, c->setup[i].val);
    port_write(m, 0x4D0, 1, 0);
    port_write(m, 0x4D1, 1, 0x0E); /* the SCI and the routed interrupts are levels */
    struct pci_window window = chipset_high_window(m);
    struct space low = {c->window, WINDOW_END}, high = {window.base, window.base + window.size},
                 ports = {PORTS_FROM, 0x10000};
    for (uint64_t size = 1ull << 40; size >= 4; size >>= 1) place_bars(m, size, &low, &high, &ports);
    for (unsigned devfn = 0; devfn < 256; devfn++)
        if (m->pci->function[devfn]) enable(m, (uint8_t)devfn);
}
