/* The tables with fixed layouts: FACS, FADT, MADT, HPET, MCFG. ACPI specification 6.5, sections of these names; IA-PC
 * HPET Specification, "The ACPI 2.0 HPET Description Table"; PCI Firmware Specification, "MCFG Table Description". */
#include "sim/dev/chipset.h"
#include "sim/dev/hpet.h"
#include "sim/machine/acpi/acpi.h"

#define SCI_IRQ     9
#define RESET_PORT  0xCF9
#define RESET_VALUE 0x06
#define APIC_MAX    255 /* ids from here on need an entry for x2APICs */

uint32_t acpi_add_facs(struct acpi_blob *b) {
    uint32_t at = b->size; /* the first of all: aligned */
    acpi_add_bytes(b, "FACS", 4);
    acpi_add(b, 64, 4);
    for (unsigned i = 0; i < 3; i++) acpi_add(b, 0, 8);
    acpi_add(b, 1, 1); /* version */
    for (unsigned i = 0; i < 31; i++) acpi_add(b, 0, 1);
    return at;
}

/* "Generic Address Structure" of an I/O port: space, width, offset, access size, address */
static void add_port(struct acpi_blob *b, unsigned bits, uint64_t port) {
    acpi_add(b, port ? 1 : 0, 1);
    acpi_add(b, port ? bits : 0, 1);
    acpi_add(b, 0, 1);
    acpi_add(b, !port ? 0 : bits == 16 ? 2 : bits == 32 ? 3 : 1, 1);
    acpi_add(b, port, 8);
}

static bool has_vga(const struct machine *m) {
    for (unsigned devfn = 0; devfn < 256; devfn++)
        if (m->pci->function[devfn] && pci_get16(m->pci->function[devfn], PCI_CLASS_CODE + 1) == 0x0300) return true;
    return false;
}

enum boot_architecture { LEGACY_DEVICES = 1 << 0, HAS_8042 = 1 << 1, VGA_NOT_PRESENT = 1 << 2 };
enum fadt_flags {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_SLP_BUTTON = 1 << 5, /* no fixed one */
    FADT_FIX_RTC = 1 << 6,    /* its wake-up is not in the fixed registers */
    FADT_RESET_REG_SUP = 1 << 10,
};

/* "Fixed ACPI Description Table (FADT)", revision 3. SMI_CMD is 0: the board is always in ACPI mode. */
uint32_t acpi_add_fadt(struct acpi_blob *b, const struct machine *m, uint32_t facs, uint32_t dsdt) {
    const struct chipset *c = m->chipset;
    uint32_t at = acpi_begin(b, "FACP", 3);
    uint16_t pm = acpipm_base(m->pm);
    acpi_add_pointer(b, facs, 4);
    acpi_add_pointer(b, dsdt, 4);
    acpi_add(b, 0x0101, 2); /* desktop */
    acpi_add(b, SCI_IRQ, 2);
    acpi_add(b, 0, 8); /* SMI_CMD and its values */
    const uint16_t block[8] = {pm, 0, (uint16_t)(pm + 4), 0, 0, (uint16_t)(pm + 8), (uint16_t)(pm + c->gpe_at), 0};
    for (unsigned i = 0; i < 8; i++) acpi_add(b, block[i], 4);
    const uint8_t length[8] = {4, 2, 0, 4, c->gpe_size, 0, 0, 0}; /* PM1 event, control, PM2, timer, GPE0, GPE1, - */
    acpi_add_bytes(b, length, 8);
    acpi_add(b, 0xFFFF, 2), acpi_add(b, 0xFFFF, 2); /* no C2, no C3 */
    acpi_add(b, 0, 4), acpi_add(b, 0, 2);           /* flush, duty */
    acpi_add(b, 0, 2), acpi_add(b, 0x32, 1);        /* RTC: no alarm of day and month; the century */
    acpi_add(b, LEGACY_DEVICES | HAS_8042 | (has_vga(m) ? 0 : VGA_NOT_PRESENT), 2), acpi_add(b, 0, 1);
    acpi_add(b, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_RESET_REG_SUP, 4);
    add_port(b, 8, RESET_PORT);
    acpi_add(b, RESET_VALUE, 1), acpi_add(b, 0, 3);
    acpi_add_pointer(b, facs, 8);
    acpi_add_pointer(b, dsdt, 8);
    const uint8_t bits[8] = {32, 0, 16, 0, 0, 32, (uint8_t)(8 * c->gpe_size), 0};
    for (unsigned i = 0; i < 8; i++) add_port(b, bits[i], block[i]);
    acpi_end(b, at);
    return at;
}

/* ---- "Multiple APIC Description Table (MADT)" ---- */

enum madt_entry { MADT_APIC, MADT_IOAPIC, MADT_OVERRIDE, MADT_APIC_NMI = 4, MADT_X2APIC = 9, MADT_X2APIC_NMI };
#define LEVEL_HIGH 0x0D /* MPS INTI flags */

static void add_processor(struct acpi_blob *b, unsigned n, uint32_t id) {
    if (id < APIC_MAX) {
        acpi_add(b, MADT_APIC | 8 << 8, 2);
        acpi_add(b, n, 1), acpi_add(b, id, 1), acpi_add(b, 1, 4);
    } else {
        acpi_add(b, MADT_X2APIC | 16 << 8, 2);
        acpi_add(b, 0, 2), acpi_add(b, id, 4), acpi_add(b, 1, 4), acpi_add(b, n, 4);
    }
}

static void add_override(struct acpi_blob *b, unsigned irq, unsigned pin, unsigned flags) {
    acpi_add(b, MADT_OVERRIDE | 10 << 8, 2);
    acpi_add(b, irq << 8, 2), acpi_add(b, pin, 4), acpi_add(b, flags, 2);
}

uint32_t acpi_add_madt(struct acpi_blob *b, const struct machine *m) {
    uint32_t at = acpi_begin(b, "APIC", 3);
    acpi_add(b, 0xFEE00000, 4);
    acpi_add(b, 1, 4); /* there are 8259s, too */
    for (unsigned n = 0; n < m->cpu_count; n++) add_processor(b, n, m->cpu[n]->apic_id);
    acpi_add(b, MADT_IOAPIC | 12 << 8, 2);
    acpi_add(b, 0, 2), acpi_add(b, 0xFEC00000, 4), acpi_add(b, 0, 4);
    add_override(b, 0, 2, 0);
    add_override(b, SCI_IRQ, SCI_IRQ, LEVEL_HIGH);
    acpi_add(b, MADT_APIC_NMI | 6 << 8, 2); /* LINT1 of all */
    acpi_add(b, 0xFF, 1), acpi_add(b, 0, 2), acpi_add(b, 1, 1);
    if (m->cpu[m->cpu_count - 1]->apic_id >= APIC_MAX) {
        acpi_add(b, MADT_X2APIC_NMI | 12 << 8, 2);
        acpi_add(b, 0, 2), acpi_add(b, ~0u, 4), acpi_add(b, 1, 4);
    }
    acpi_end(b, at);
    return at;
}

uint32_t acpi_add_hpet(struct acpi_blob *b) {
    uint32_t at = acpi_begin(b, "HPET", 1);
    acpi_add(b, HPET_ID, 4);
    acpi_add(b, 0, 4); /* in memory space, 0 bits wide as the specification's example has it */
    acpi_add(b, HPET_BASE, 8);
    acpi_add(b, 0, 1), acpi_add(b, HPET_LEAST_TICKS, 2), acpi_add(b, 0, 1);
    acpi_end(b, at);
    return at;
}

uint32_t acpi_add_mcfg(struct acpi_blob *b, const struct machine *m) {
    struct pci_window ecam = q35_ecam(m);
    uint32_t at = acpi_begin(b, "MCFG", 1);
    unsigned buses = (unsigned)(ecam.size >> 20);
    acpi_add(b, 0, 8);
    acpi_add(b, ecam.base, 8);
    acpi_add(b, 0, 3), acpi_add(b, buses ? buses - 1 : 0, 1), acpi_add(b, 0, 4);
    acpi_end(b, at);
    return at;
}
