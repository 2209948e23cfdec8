/* The DSDTs, as iasl made them of the .asl files of this folder. */
#include "sim/machine/acpi/acpi.h"

static const uint8_t pc[] = {
#include "sim/machine/acpi/pc.inc"
};
static const uint8_t q35[] = {
#include "sim/machine/acpi/q35.inc"
};

uint32_t acpi_add_dsdt(struct acpi_blob *b, const struct machine *m) {
    return m->kind == MACHINE_Q35 ? acpi_place(b, q35, sizeof q35) : acpi_place(b, pc, sizeof pc);
}
