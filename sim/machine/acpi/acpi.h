/* ACPI tables as one blob with a list of what must be fixed once its place is known: by us when a kernel is started
 * directly, by firmware when it gets the blob through the firmware configuration device. They describe the machine as
 * it is when they are made, so with firmware they are made when it asks for them: its set-up counts. */
#ifndef HVSIM_MACHINE_ACPI_H
#define HVSIM_MACHINE_ACPI_H

#include "sim/machine/machine.h"

#define ACPI_RSDP_SIZE 36
#define ACPI_FIXUPS    64

enum acpi_file { ACPI_TABLES, ACPI_RSDP };
struct acpi_fixup {
    bool checksum;          /* else a pointer: the place of the tables is to be added to what is there */
    uint8_t file;           /* enum acpi_file: where the pointer or the checksum is */
    uint8_t bytes;          /* of the pointer */
    uint32_t at;            /* offset in the file */
    uint32_t start, length; /* what the checksum makes add up to 0 */
};

struct acpi_blob {
    uint8_t *tables; /* begins at a multiple of 64; pointers are offsets in it, checksums are 0 */
    uint32_t size, capacity;
    uint8_t rsdp[ACPI_RSDP_SIZE];         /* goes to a multiple of 16 below 1 MiB */
    struct acpi_fixup fixup[ACPI_FIXUPS]; /* in order: pointers of a table come before its checksum */
    unsigned fixup_count;
};

/* false: out of memory. The size depends on the kind of machine and the number of CPUs alone. */
bool acpi_build(const struct machine *m, struct acpi_blob *b);
void acpi_free(struct acpi_blob *b);
/* Apply the fix-ups for tables at `base`. */
void acpi_relocate(struct acpi_blob *b, uint64_t base);

/* Hand them to firmware through the firmware configuration device. false: out of memory. */
bool acpi_tell_firmware(struct machine *m);

/* ---- inside this folder ---- */

/* Add bytes, little-endian. Without memory everything is dropped, and acpi_build() fails. */
void acpi_add(struct acpi_blob *b, uint64_t val, unsigned bytes);
void acpi_add_bytes(struct acpi_blob *b, const void *data, uint32_t size);
void acpi_add_pointer(struct acpi_blob *b, uint32_t target, unsigned bytes); /* to an offset in the tables */
/* "System Description Table Header"; what begins ends before the next one begins. Returns its place. */
uint32_t acpi_begin(struct acpi_blob *b, const char signature[4], uint8_t revision);
void acpi_end(struct acpi_blob *b, uint32_t table);
uint32_t acpi_place(struct acpi_blob *b, const uint8_t *table, uint32_t size); /* one that is whole */

uint32_t acpi_add_dsdt(struct acpi_blob *b, const struct machine *m);
uint32_t acpi_add_ssdt(struct acpi_blob *b, const struct machine *m);
uint32_t acpi_add_facs(struct acpi_blob *b);
uint32_t acpi_add_fadt(struct acpi_blob *b, const struct machine *m, uint32_t facs, uint32_t dsdt);
uint32_t acpi_add_madt(struct acpi_blob *b, const struct machine *m);
uint32_t acpi_add_hpet(struct acpi_blob *b);
uint32_t acpi_add_mcfg(struct acpi_blob *b, const struct machine *m);

#endif
