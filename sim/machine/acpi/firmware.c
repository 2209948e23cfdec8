/* ACPI tables for firmware: the blob, the root pointer, and the script by which firmware places them. QEMU
 * documentation of the firmware configuration device; the script's commands as SeaBIOS and OVMF execute them. */
#include <string.h>

#include "sim/dev/fwcfg.h"
#include "sim/machine/acpi/acpi.h"
#include "sim/machine/bytes.h"
#include "sim/machine/load.h"

#define NAME 56
#define STEP 128 /* bytes of a command */

enum loader_command { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER, LOADER_ADD_CHECKSUM };
enum loader_zone { ZONE_HIGH = 1, ZONE_FSEG };

static const char *const names[] = {[ACPI_TABLES] = "etc/acpi/tables", [ACPI_RSDP] = "etc/acpi/rsdp"};

struct script {
    uint8_t step[2 + ACPI_FIXUPS][STEP];
    unsigned count;
};

static uint8_t *begin(struct script *s, enum loader_command command, enum acpi_file file) {
    uint8_t *step = s->step[s->count++];
    put_le(step, command, 4);
    strcpy((char *)step + 4, names[file]);
    return step + 4 + NAME;
}

static void allocate(struct script *s, enum acpi_file file, unsigned align, enum loader_zone zone) {
    uint8_t *p = begin(s, LOADER_ALLOCATE, file);
    put_le(p, align, 4);
    p[4] = (uint8_t)zone;
}

static void add_fixup(struct script *s, const struct acpi_fixup *f) {
    uint8_t *p = begin(s, f->checksum ? LOADER_ADD_CHECKSUM : LOADER_ADD_POINTER, (enum acpi_file)f->file);
    if (f->checksum) {
        put_le(p, f->at, 4);
        put_le(p + 4, f->start, 4);
        put_le(p + 8, f->length, 4);
    } else { /* every pointer leads into the tables */
        strcpy((char *)p, names[ACPI_TABLES]);
        put_le(p + NAME, f->at, 4);
        p[NAME + 4] = f->bytes;
    }
}

/* Made anew when firmware asks: what it has set up by then (the place of the PM registers, windows) counts. */
static void fill_tables(const struct machine *m, uint8_t *data, size_t size) {
    struct acpi_blob b;
    if (!acpi_build(m, &b)) return;
    if (b.size == size) memcpy(data, b.tables, size);
    acpi_free(&b);
}

bool acpi_tell_firmware(struct machine *m) {
    struct acpi_blob b;
    struct script s = {.count = 0};
    if (!acpi_build(m, &b)) return false;
    allocate(&s, ACPI_TABLES, 64, ZONE_HIGH);
    allocate(&s, ACPI_RSDP, 16, ZONE_FSEG);
    for (unsigned i = 0; i < b.fixup_count; i++) add_fixup(&s, &b.fixup[i]);
    bool ok = fwcfg_add_file(m->fwcfg, names[ACPI_RSDP], b.rsdp, sizeof b.rsdp) &&
              fwcfg_add_lazy_file(m->fwcfg, names[ACPI_TABLES], b.size, fill_tables) &&
              fwcfg_add_file(m->fwcfg, "etc/table-loader", s.step, s.count * STEP);
    acpi_free(&b);
    return ok;
}
