/* The SSDT: what depends on the configuration. Processors, and the names that the DSDT reads the PCI windows from.
 * ACPI specification 6.5, "ACPI Machine Language (AML) Specification". */
#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/machine/acpi/acpi.h"

enum aml { AML_NAME = 0x08, AML_DWORD = 0x0C, AML_STRING = 0x0D, AML_QWORD = 0x0E, AML_SCOPE = 0x10, AML_EXT = 0x5B };
#define AML_DEVICE 0x82 /* after AML_EXT */

static void add_name(struct acpi_blob *b, const char *name) {
    acpi_add(b, AML_NAME, 1);
    acpi_add_bytes(b, name, (uint32_t)strlen(name));
}

static void add_qword(struct acpi_blob *b, const char *name, uint64_t val) {
    add_name(b, name);
    acpi_add(b, AML_QWORD, 1);
    acpi_add(b, val, 8);
}

/* "Package Length Encoding" with three bytes after the lead byte would do for 256 MiB; two do for 1 MiB. It counts
 * itself. */
static void add_package_length(struct acpi_blob *b, uint32_t length) {
    length += 3;
    acpi_add(b, 0x80 | (length & 15), 1);
    acpi_add(b, length >> 4, 2);
}

/* Device (Cnnn) { Name (_HID, "ACPI0007") Name (_UID, n) }: "Processor Device" */
static void add_processor(struct acpi_blob *b, unsigned n) {
    char name[5];
    snprintf(name, sizeof name, "C%03X", n & 0xFFF);
    const uint32_t body = 4 + (5 + 10) + (5 + 5);
    acpi_add(b, AML_EXT, 1);
    acpi_add(b, AML_DEVICE, 1);
    add_package_length(b, body);
    acpi_add_bytes(b, name, 4);
    add_name(b, "_HID");
    acpi_add(b, AML_STRING, 1);
    acpi_add_bytes(b, "ACPI0007", 9);
    add_name(b, "_UID");
    acpi_add(b, AML_DWORD, 1);
    acpi_add(b, n, 4);
}
#define PROCESSOR_SIZE (2 + 3 + 4 + 15 + 10)

/* Software may have put functions elsewhere above 4 GiB than the window that is ours to propose. */
static struct pci_window high_window(const struct machine *m) {
    struct pci_window w = chipset_high_window(m);
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        const struct pci_device *p = m->pci->function[devfn];
        for (unsigned n = 0; p && n < PCI_ROM; n++) {
            const struct pci_bar *bar = &p->bar[n];
            if (bar->kind != PCI_BAR_MEM64 || !bar->mapped || bar->at < 4ull << 30) continue;
            uint64_t end = w.size ? w.base + w.size : bar->at;
            if (!w.size || bar->at < w.base) w.base = bar->at & ~((1ull << 30) - 1);
            if (bar->at + bar->size > end) end = bar->at + bar->size;
            w.size = ((end + (1ull << 30) - 1) & ~((1ull << 30) - 1)) - w.base;
        }
    }
    return w;
}

/* The window below 4 GiB reaches down to what firmware placed, but never into RAM or the configuration space. */
static uint64_t low_window(const struct machine *m) {
    uint64_t from = m->chipset->window;
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        const struct pci_device *p = m->pci->function[devfn];
        for (unsigned n = 0; p && n < PCI_ROM; n++) {
            const struct pci_bar *bar = &p->bar[n];
            if (bar->kind == PCI_BAR_IO || !bar->mapped || bar->at >= from || bar->at < m->low_size) continue;
            from = bar->at & ~0xFFFFFull;
        }
    }
    return from;
}

uint32_t acpi_add_ssdt(struct acpi_blob *b, const struct machine *m) {
    uint32_t at = acpi_begin(b, "SSDT", 2);
    struct pci_window high = high_window(m);
    add_qword(b, "W32B", low_window(m));
    add_qword(b, "W32E", WINDOW_END - 1);
    add_qword(b, "W64B", high.base);
    add_qword(b, "W64L", high.size);
    acpi_add(b, AML_SCOPE, 1);
    add_package_length(b, 5 + m->cpu_count * PROCESSOR_SIZE);
    acpi_add_bytes(b, "\\_SB_", 5);
    for (unsigned n = 0; n < m->cpu_count; n++) add_processor(b, n);
    acpi_end(b, at);
    return at;
}
