/* The ACPI tables that firmware leaves below 1 MiB: RSDP, RSDT, XSDT, FADT, FACS, MADT, DSDT.
 * Source: ACPI specification 6.5, "ACPI System Description Tables". They describe the board as it is: sim/dev/ and
 * sim/machine/board.c. */
#include <string.h>

#include "sim/machine/load.h"

enum {
    RSDP_AT = 0xF5000,
    RSDT_AT = 0xF5100,
    XSDT_AT = 0xF5200,
    FADT_AT = 0xF5300,
    DSDT_AT = 0xF5500,
    FACS_AT = 0xF5600,
    MADT_AT = 0xF5700
};
#define SCI_IRQ 9

struct table {
    uint8_t b[1024];
    uint32_t len;
};

static void add(struct table *t, uint64_t val, unsigned bytes) {
    memcpy(t->b + t->len, &val, bytes);
    t->len += bytes;
}

static void set_checksum(uint8_t *b, unsigned at, unsigned len) {
    uint8_t sum = 0;
    b[at] = 0;
    for (unsigned i = 0; i < len; i++) sum = (uint8_t)(sum + b[i]);
    b[at] = (uint8_t)-sum;
}

/* The header that all tables but RSDP and FACS share: "System Description Table Header" */
static struct table begin(const char signature[4], uint8_t revision) {
    struct table t = {.len = 8};
    memcpy(t.b, signature, 4);
    add(&t, revision, 2); /* and the checksum's byte */
    memcpy(t.b + t.len, "HVSIM HVSIMPC ", 14);
    t.len += 14;
    add(&t, 1, 4);
    memcpy(t.b + t.len, "HVSM", 4);
    t.len += 4;
    add(&t, 1, 4);
    return t;
}

static void finish(struct machine *m, struct table *t, uint32_t at) {
    memcpy(t->b + 4, &t->len, 4);
    set_checksum(t->b, 9, t->len);
    machine_write(m, at, t->b, t->len);
}

static void write_rsdp(struct machine *m) {
    struct table t = {.len = 8};
    memcpy(t.b, "RSD PTR ", 8);
    add(&t, 0, 1);
    memcpy(t.b + t.len, "HVSIM ", 6);
    t.len += 6;
    add(&t, 2, 1);
    add(&t, RSDT_AT, 4);
    add(&t, 36, 4);
    add(&t, XSDT_AT, 8);
    add(&t, 0, 4);
    set_checksum(t.b, 8, 20);
    set_checksum(t.b, 32, 36);
    machine_write(m, RSDP_AT, t.b, t.len);
}

static void write_root_tables(struct machine *m) {
    struct table rsdt = begin("RSDT", 1), xsdt = begin("XSDT", 1);
    static const uint32_t tables[] = {FADT_AT, MADT_AT};
    for (unsigned i = 0; i < 2; i++) {
        add(&rsdt, tables[i], 4);
        add(&xsdt, tables[i], 8);
    }
    finish(m, &rsdt, RSDT_AT);
    finish(m, &xsdt, XSDT_AT);
}

/* A generic address structure for an I/O port: space, width, offset, access size, address */
static void add_port(struct table *t, unsigned bits, uint64_t port) {
    add(t, port ? 1 : 0, 1);
    add(t, bits, 1);
    add(t, 0, 1);
    add(t, bits == 32 ? 3 : bits == 16 ? 2 : port ? 1 : 0, 1);
    add(t, port, 8);
}

/* "Fixed ACPI Description Table", revision 3: the ports of sim/dev/acpipm.c; the reset register is the keyboard
 * controller's */
static void write_fadt(struct machine *m) {
    struct table t = begin("FACP", 3);
    add(&t, FACS_AT, 4), add(&t, DSDT_AT, 4), add(&t, 1, 1), add(&t, 1, 1), add(&t, SCI_IRQ, 2);
    add(&t, 0, 8); /* SMI_CMD and its values: always in ACPI mode */
    add(&t, 0x600, 4), add(&t, 0, 4), add(&t, 0x604, 4), add(&t, 0, 4), add(&t, 0, 4), add(&t, 0x608, 4), add(&t, 0, 8);
    add(&t, 4, 1), add(&t, 2, 1), add(&t, 0, 1), add(&t, 4, 1),
        add(&t, 0, 4);                                  /* lengths: PM1 event, control, PM2, timer */
    add(&t, 0xFFFF, 2), add(&t, 0xFFFF, 2);             /* no C2, C3 */
    add(&t, 0, 4), add(&t, 0, 2);                       /* flush, duty */
    add(&t, 0, 1), add(&t, 0, 1), add(&t, 0x32, 1);     /* RTC: no day and month alarm, century */
    add(&t, 0x0003 | 1 << 2, 2), add(&t, 0, 1);         /* boot architecture: legacy devices, 8042, no VGA */
    add(&t, 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10, 4); /* WBINVD, C1, no fixed buttons, reset register */
    add_port(&t, 8, 0x64), add(&t, 0xFE, 1), add(&t, 0, 3);
    add(&t, FACS_AT, 8), add(&t, DSDT_AT, 8);
    add_port(&t, 32, 0x600), add_port(&t, 0, 0), add_port(&t, 16, 0x604), add_port(&t, 0, 0);
    add_port(&t, 0, 0), add_port(&t, 32, 0x608), add_port(&t, 0, 0), add_port(&t, 0, 0);
    finish(m, &t, FADT_AT);
}

static void write_dsdt_facs(struct machine *m) {
    /* Name (\_S5, Package () {0, 0, 0, 0}): the chipsets' soft off */
    static const uint8_t s5[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0x0A, 0x04,
                                 0x0A, 0x00, 0x0A, 0x00, 0x0A, 0x00, 0x0A, 0x00};
    struct table dsdt = begin("DSDT", 1);
    memcpy(dsdt.b + dsdt.len, s5, sizeof s5);
    dsdt.len += sizeof s5;
    finish(m, &dsdt, DSDT_AT);
    struct table facs = {.len = 64};
    memcpy(facs.b, "FACS", 4);
    facs.b[4] = 64, facs.b[32] = 1;
    machine_write(m, FACS_AT, facs.b, facs.len);
}

/* "Multiple APIC Description Table" */
static void write_madt(struct machine *m) {
    struct table t = begin("APIC", 3);
    add(&t, 0xFEE00000, 4), add(&t, 1, 4); /* there is an 8259 pair */
    for (unsigned i = 0; i < m->cpu_count; i++)
        add(&t, 0, 1), add(&t, 8, 1), add(&t, i, 1), add(&t, i, 1), add(&t, 1, 4);
    add(&t, 1, 1), add(&t, 12, 1), add(&t, 0, 2), add(&t, 0xFEC00000, 4), add(&t, 0, 4);
    add(&t, 2, 1), add(&t, 10, 1), add(&t, 0, 1), add(&t, 0, 1), add(&t, 2, 4), add(&t, 0, 2); /* IRQ 0 on pin 2 */
    add(&t, 2, 1), add(&t, 10, 1), add(&t, 0, 1), add(&t, SCI_IRQ, 1), add(&t, SCI_IRQ, 4),
        add(&t, 0xD, 2);                                                          /* SCI: level, high */
    add(&t, 4, 1), add(&t, 6, 1), add(&t, 0xFF, 1), add(&t, 0, 2), add(&t, 1, 1); /* NMI on LINT1 of all */
    finish(m, &t, MADT_AT);
}

uint64_t acpi_rsdp(const struct machine *m) {
    (void)m;
    return RSDP_AT;
}

void acpi_install(struct machine *m) {
    write_rsdp(m);
    write_root_tables(m);
    write_fadt(m);
    write_dsdt_facs(m);
    write_madt(m);
}
