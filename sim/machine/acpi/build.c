/* The blob of ACPI tables and its root pointer. ACPI specification 6.5, "ACPI System Description Tables". */
#include <stdlib.h>
#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/machine/acpi/acpi.h"
#include "sim/machine/bytes.h"
#include "sim/machine/load.h"

#define HEADER_LENGTH   4 /* offsets in the header */
#define HEADER_CHECKSUM 9
#define TABLE_ALIGN     64
#define MAX_TABLES      8

/* ---- bytes ---- */

static bool grow(struct acpi_blob *b, uint32_t size) {
    if (b->size + size <= b->capacity) return true;
    if (!b->capacity) return false;
    uint32_t capacity = 2 * (b->size + size);
    uint8_t *tables = realloc(b->tables, capacity);
    if (tables) {
        memset(tables + b->capacity, 0, capacity - b->capacity);
        b->tables = tables;
        b->capacity = capacity;
        return true;
    }
    free(b->tables);
    *b = (struct acpi_blob){0};
    return false;
}

void acpi_add_bytes(struct acpi_blob *b, const void *data, uint32_t size) {
    if (!grow(b, size)) return;
    memcpy(b->tables + b->size, data, size);
    b->size += size;
}

void acpi_add(struct acpi_blob *b, uint64_t val, unsigned bytes) {
    uint8_t le[8];
    put_le(le, val, bytes);
    acpi_add_bytes(b, le, bytes);
}

static void fix(struct acpi_blob *b, const struct acpi_fixup *f) {
    if (b->fixup_count < ACPI_FIXUPS) b->fixup[b->fixup_count++] = *f;
}

void acpi_add_pointer(struct acpi_blob *b, uint32_t target, unsigned bytes) {
    fix(b, &(struct acpi_fixup){.file = ACPI_TABLES, .bytes = (uint8_t)bytes, .at = b->size});
    acpi_add(b, target, bytes);
}

/* ---- tables ---- */

static void align(struct acpi_blob *b) {
    uint32_t pad = (uint32_t)-b->size & (TABLE_ALIGN - 1);
    if (grow(b, pad)) b->size += pad;
}

uint32_t acpi_begin(struct acpi_blob *b, const char signature[4], uint8_t revision) {
    align(b);
    uint32_t at = b->size;
    acpi_add_bytes(b, signature, 4);
    acpi_add(b, 0, 4); /* length */
    acpi_add(b, revision, 1);
    acpi_add(b, 0, 1);
    acpi_add_bytes(b, "HVSIM HVSIM   ", 14);
    acpi_add(b, 1, 4);
    acpi_add_bytes(b, "HVSM", 4);
    acpi_add(b, 1, 4);
    return at;
}

static void fix_checksum(struct acpi_blob *b, uint32_t table, uint32_t size) {
    b->tables[table + HEADER_CHECKSUM] = 0;
    fix(b, &(struct acpi_fixup){
               .checksum = true, .file = ACPI_TABLES, .at = table + HEADER_CHECKSUM, .start = table, .length = size});
}

void acpi_end(struct acpi_blob *b, uint32_t table) {
    if (!b->tables) return;
    put_le(b->tables + table + HEADER_LENGTH, b->size - table, 4);
    fix_checksum(b, table, b->size - table);
}

uint32_t acpi_place(struct acpi_blob *b, const uint8_t *table, uint32_t size) {
    align(b);
    uint32_t at = b->size;
    acpi_add_bytes(b, table, size);
    if (b->tables) fix_checksum(b, at, size);
    return at;
}

static uint32_t add_root(struct acpi_blob *b, const char *signature, unsigned bytes, const uint32_t *table,
                         unsigned count) {
    uint32_t at = acpi_begin(b, signature, 1);
    for (unsigned i = 0; i < count; i++) acpi_add_pointer(b, table[i], bytes);
    acpi_end(b, at);
    return at;
}

/* "Root System Description Pointer (RSDP) Structure" */
static void make_rsdp(struct acpi_blob *b, uint32_t rsdt, uint32_t xsdt) {
    uint8_t *r = b->rsdp;
    memcpy(r, "RSD PTR \0HVSIM ", 15);
    r[15] = 2;
    put_le(r + 16, rsdt, 4);
    put_le(r + 20, ACPI_RSDP_SIZE, 4);
    put_le(r + 24, xsdt, 8);
    fix(b, &(struct acpi_fixup){.file = ACPI_RSDP, .bytes = 4, .at = 16});
    fix(b, &(struct acpi_fixup){.file = ACPI_RSDP, .bytes = 8, .at = 24});
    fix(b, &(struct acpi_fixup){.checksum = true, .file = ACPI_RSDP, .at = 8, .length = 20});
    fix(b, &(struct acpi_fixup){.checksum = true, .file = ACPI_RSDP, .at = 32, .length = ACPI_RSDP_SIZE});
}

bool acpi_build(const struct machine *m, struct acpi_blob *b) {
    *b = (struct acpi_blob){.capacity = 1 << 14};
    b->tables = calloc(1, b->capacity);
    if (!b->tables) return false;
    uint32_t table[MAX_TABLES], facs = acpi_add_facs(b), dsdt = acpi_add_dsdt(b, m);
    unsigned n = 0;
    table[n++] = acpi_add_fadt(b, m, facs, dsdt);
    table[n++] = acpi_add_ssdt(b, m);
    table[n++] = acpi_add_madt(b, m);
    table[n++] = acpi_add_hpet(b);
    if (m->chipset->ecam) table[n++] = acpi_add_mcfg(b, m);
    uint32_t rsdt = add_root(b, "RSDT", 4, table, n), xsdt = add_root(b, "XSDT", 8, table, n);
    make_rsdp(b, rsdt, xsdt);
    return b->tables != NULL;
}

void acpi_free(struct acpi_blob *b) {
    free(b->tables);
    *b = (struct acpi_blob){0};
}

void acpi_relocate(struct acpi_blob *b, uint64_t base) {
    for (unsigned i = 0; i < b->fixup_count; i++) {
        const struct acpi_fixup *f = &b->fixup[i];
        uint8_t *file = f->file == ACPI_RSDP ? b->rsdp : b->tables, sum = 0;
        if (f->checksum) {
            for (uint32_t k = 0; k < f->length; k++) sum = (uint8_t)(sum + file[f->start + k]);
            file[f->at] = (uint8_t)(file[f->at] - sum);
        } else {
            put_le(file + f->at, base + (f->bytes == 8 ? get64(file + f->at) : get32(file + f->at)), f->bytes);
        }
    }
}

/* ---- for kernels that are started directly ---- */

#define RSDP_AT   0xF5000u
#define TABLES_AT 0xE0000u
#define ROOM_END  0xF0000u

uint64_t acpi_rsdp(const struct machine *m) {
    (void)m;
    return RSDP_AT;
}

bool acpi_install(struct machine *m) {
    struct acpi_blob b;
    bool ok = acpi_build(m, &b) && TABLES_AT + b.size <= ROOM_END;
    if (ok) {
        acpi_relocate(&b, TABLES_AT);
        ok = machine_write(m, TABLES_AT, b.tables, b.size) && machine_write(m, RSDP_AT, b.rsdp, sizeof b.rsdp);
    }
    acpi_free(&b);
    return ok;
}
