/* SMBIOS tables. System Management BIOS Reference Specification (DMTF DSP0134) 3.0, "Structure definitions" and "Entry
 * point"; the structures are those of version 2.8. */
#include "sim/machine/smbios.h"

#include <string.h>

#include "sim/core/model.h"
#include "sim/dev/chipset.h"
#include "sim/dev/fwcfg.h"
#include "sim/machine/bytes.h"

enum smbios_type { SMB_BIOS, SMB_SYSTEM, SMB_CHASSIS = 3, SMB_PROCESSOR, SMB_ARRAY = 16, SMB_DEVICE, SMB_MAPPED = 19 };
enum { SMB_BOOT = 32, SMB_END = 127 };
#define HANDLE(type, n) ((type) << 8 | (n))
#define NO_HANDLE       0xFFFE /* no error information */

/* One structure being made: its formatted part and its strings, which it names by number. */
struct structure {
    uint8_t formatted[64], strings[256];
    uint16_t size, strings_size;
    uint8_t string_count;
};

static struct structure begin(unsigned type, unsigned handle) {
    struct structure s = {
        .formatted = {(uint8_t)type, 0, (uint8_t)handle, (uint8_t)(handle >> 8)},
          .size = 4
    };
    return s;
}

static void add(struct structure *s, uint64_t val, unsigned bytes) {
    put_le(s->formatted + s->size, val, bytes);
    s->size = (uint16_t)(s->size + bytes);
}

static void add_string(struct structure *s, const char *text) {
    size_t size = strlen(text) + 1;
    memcpy(s->strings + s->strings_size, text, size);
    s->strings_size = (uint16_t)(s->strings_size + size);
    add(s, ++s->string_count, 1);
}

/* "Text strings": two zero bytes end a structure that has none. */
static void finish(struct smbios *t, struct structure *s) {
    s->formatted[1] = (uint8_t)s->size;
    if (!s->strings_size) s->strings_size = 1;
    uint16_t size = (uint16_t)(s->size + s->strings_size + 1);
    if (t->size + size > SMBIOS_MAX) return;
    memcpy(t->table + t->size, s->formatted, s->size);
    memcpy(t->table + t->size + s->size, s->strings, s->strings_size);
    t->size = (uint16_t)(t->size + size);
    t->structures++;
    if (size > t->largest) t->largest = size;
}

/* ---- structures ---- */

static void add_bios(struct smbios *t) {
    struct structure s = begin(SMB_BIOS, HANDLE(SMB_BIOS, 0));
    add_string(&s, "hvsim");
    add_string(&s, "1");
    add(&s, 0xE800, 2); /* starting segment */
    add_string(&s, "01/01/2026");
    add(&s, 0, 1);
    add(&s, 1 << 3, 8);     /* characteristics are not told */
    add(&s, 0x10 << 8, 2);  /* but that it is a virtual machine */
    add(&s, 0xFFFF0001, 4); /* release 1.0, no embedded controller */
    finish(t, &s);
}

static void add_system(struct smbios *t, const struct machine *m) {
    static const uint8_t uuid[16] = {'h', 'v', 's', 'i', 'm', 0, 0, 0x40, 0x80, 0, 0, 0, 0, 0, 0, 1};
    struct structure s = begin(SMB_SYSTEM, HANDLE(SMB_SYSTEM, 0));
    add_string(&s, "hvsim");
    add_string(&s, m->kind == MACHINE_Q35 ? "Q35 and ICH9" : "i440FX and PIIX3");
    add_string(&s, "1");
    add(&s, 0, 1); /* no serial number */
    add(&s, get64(uuid), 8), add(&s, get64(uuid + 8), 8);
    add(&s, 6, 1); /* woken by the power switch */
    add(&s, 0, 1), add(&s, 0, 1);
    finish(t, &s);
}

static void add_chassis(struct smbios *t) {
    struct structure s = begin(SMB_CHASSIS, HANDLE(SMB_CHASSIS, 0));
    add_string(&s, "hvsim");
    add(&s, 1, 1); /* other */
    add(&s, 0, 3);
    add(&s, 0x03030303, 4); /* states: safe; security: none */
    add(&s, 0, 8);          /* OEM, height, cords, no elements */
    finish(t, &s);
}

static void add_processor(struct smbios *t, const struct machine *m) {
    const struct cpu_model *c = m->model;
    struct structure s = begin(SMB_PROCESSOR, HANDLE(SMB_PROCESSOR, 0));
    unsigned family = c->family > 15 ? 15 : c->family, cores = m->cpu_count;
    add_string(&s, "CPU 0");
    add(&s, 0x0103, 2); /* central processor, family "other" */
    add_string(&s, c->vendor == VENDOR_INTEL ? "Intel" : "AMD");
    add(&s, c->stepping | (c->model & 15u) << 4 | family << 8 | (c->model >> 4) << 16 | (c->family - family) << 20, 8);
    add(&s, 0, 4); /* version, voltage, external clock */
    add(&s, CYCLES_PER_SEC / 1000000, 2), add(&s, CYCLES_PER_SEC / 1000000, 2);
    add(&s, 0x0141, 2);                                  /* populated and enabled; upgrade "other" */
    for (unsigned i = 0; i < 3; i++) add(&s, 0xFFFF, 2); /* no cache structures */
    add(&s, 0, 3);
    for (unsigned i = 0; i < 3; i++) add(&s, cores, 1); /* cores, enabled, threads */
    add(&s, 1 << 2, 2);                                 /* 64-bit capable */
    add(&s, 1, 2);
    finish(t, &s);
}

static void add_memory(struct smbios *t, const struct machine *m) {
    uint64_t mib = m->ram_size >> 20;
    struct structure s = begin(SMB_ARRAY, HANDLE(SMB_ARRAY, 0));
    add(&s, 0x030303, 3); /* system board, system memory, no error correction */
    add(&s, mib << 10, 4);
    add(&s, NO_HANDLE, 2);
    add(&s, 1, 2);
    add(&s, 0, 8);
    finish(t, &s);
    s = begin(SMB_DEVICE, HANDLE(SMB_DEVICE, 0));
    add(&s, HANDLE(SMB_ARRAY, 0), 2), add(&s, NO_HANDLE, 2);
    add(&s, 64, 2), add(&s, 64, 2);
    add(&s, mib < 0x7FFF ? mib : 0x7FFF, 2);
    add(&s, 9, 1); /* DIMM */
    add(&s, 0, 1);
    add_string(&s, "DIMM 0");
    add(&s, 0, 1);
    add(&s, 7, 1);      /* RAM */
    add(&s, 1 << 1, 2); /* "other" */
    add(&s, 0, 7);      /* speed, names, rank */
    add(&s, mib < 0x7FFF ? 0 : mib, 4);
    add(&s, 0, 8); /* configured speed, voltages */
    finish(t, &s);
}

static void add_range(struct smbios *t, unsigned n, uint64_t base, uint64_t size) {
    struct structure s = begin(SMB_MAPPED, HANDLE(SMB_MAPPED, n));
    if (!size) return;
    add(&s, base >> 10, 4), add(&s, (base + size - 1) >> 10, 4);
    add(&s, HANDLE(SMB_ARRAY, 0), 2);
    add(&s, 1, 1);
    add(&s, 0, 8), add(&s, 0, 8);
    finish(t, &s);
}

void smbios_build(const struct machine *m, struct smbios *t) {
    memset(t, 0, sizeof *t);
    add_bios(t);
    add_system(t, m);
    add_chassis(t);
    add_processor(t, m);
    add_memory(t, m);
    add_range(t, 0, 0, m->low_size);
    add_range(t, 1, 4ull << 30, m->ram_size - m->low_size);
    struct structure boot = begin(SMB_BOOT, HANDLE(SMB_BOOT, 0)), end = begin(SMB_END, HANDLE(SMB_END, 0));
    add(&boot, 0, 7); /* no errors */
    finish(t, &boot);
    finish(t, &end);
}

/* ---- entry points ---- */

static uint8_t checksum(const uint8_t *p, unsigned size) {
    uint8_t sum = 0;
    for (unsigned i = 0; i < size; i++) sum = (uint8_t)(sum + p[i]);
    return (uint8_t)-sum;
}

void smbios_anchor(const struct smbios *s, uint32_t base, uint8_t a[SMBIOS_ANCHOR_SIZE]) {
    memset(a, 0, SMBIOS_ANCHOR_SIZE);
    memcpy(a, "_SM_", 4);
    a[5] = SMBIOS_ANCHOR_SIZE;
    a[6] = 2, a[7] = 8;
    put_le(a + 8, s->largest, 2);
    memcpy(a + 16, "_DMI_", 5);
    put_le(a + 22, s->size, 2);
    put_le(a + 24, base, 4);
    put_le(a + 28, s->structures, 2);
    a[30] = 0x28;
    a[21] = checksum(a + 16, 15);
    a[4] = checksum(a, SMBIOS_ANCHOR_SIZE);
}

void smbios_anchor3(const struct smbios *s, uint64_t base, uint8_t a[SMBIOS_ANCHOR3_SIZE]) {
    memset(a, 0, SMBIOS_ANCHOR3_SIZE);
    memcpy(a, "_SM3_", 5);
    a[6] = SMBIOS_ANCHOR3_SIZE;
    a[7] = 3;
    a[10] = 1; /* entry point revision */
    put_le(a + 12, s->size, 4);
    put_le(a + 16, base, 8);
    a[5] = checksum(a, SMBIOS_ANCHOR3_SIZE);
}

#define ANCHOR_AT  0xF0000u
#define ANCHOR3_AT 0xF0020u
#define TABLE_AT   0xF0040u

void smbios_install(struct machine *m) {
    struct smbios s;
    uint8_t anchor[SMBIOS_ANCHOR_SIZE], anchor3[SMBIOS_ANCHOR3_SIZE];
    smbios_build(m, &s);
    smbios_anchor(&s, TABLE_AT, anchor);
    smbios_anchor3(&s, TABLE_AT, anchor3);
    machine_write(m, ANCHOR_AT, anchor, sizeof anchor);
    machine_write(m, ANCHOR3_AT, anchor3, sizeof anchor3);
    machine_write(m, TABLE_AT, s.table, s.size);
}

/* Firmware places the table and puts its address into the anchor. */
bool smbios_tell_firmware(struct machine *m) {
    struct smbios s;
    uint8_t anchor[SMBIOS_ANCHOR_SIZE];
    smbios_build(m, &s);
    smbios_anchor(&s, 0, anchor);
    return fwcfg_add_file(m->fwcfg, "etc/smbios/smbios-tables", s.table, s.size) &&
           fwcfg_add_file(m->fwcfg, "etc/smbios/smbios-anchor", anchor, sizeof anchor);
}
