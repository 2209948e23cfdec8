/* The ACPI tables: found from the root pointer, whole, what they say of the machine; and what ACPICA's own tools read
 * in them. */
#include "testsuites/unit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/dev/chipset.h"
#include "sim/machine/acpi/acpi.h"
#include "sim/machine/bytes.h"
#include "sim/machine/load.h"

#define MAX_TABLES 16

static bool adds_up(const uint8_t *p, uint32_t size) {
    uint8_t sum = 0;
    for (uint32_t i = 0; i < size; i++) sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

/* A table of the installed ones by its signature, through the XSDT; NULL: none */
static const uint8_t *find(struct machine *m, const char *signature) {
    const uint8_t *rsdp = m->ram + acpi_rsdp(m), *xsdt = m->ram + get64(rsdp + 24);
    for (uint32_t at = 36; at < get32(xsdt + 4); at += 8) {
        const uint8_t *t = m->ram + get64(xsdt + at);
        if (!memcmp(t, signature, 4)) return t;
    }
    return NULL;
}

static void install(struct machine *m) {
    platform_setup(m);
    assert_true(acpi_install(m));
}

static void test_acpi_tables_are_found_and_add_up(void **state) {
    struct machine *m = *state;
    install(m);
    const uint8_t *rsdp = m->ram + acpi_rsdp(m);
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    assert_true(adds_up(rsdp, 20) && adds_up(rsdp, 36));
    const uint8_t *rsdt = m->ram + get32(rsdp + 16), *xsdt = m->ram + get64(rsdp + 24);
    assert_memory_equal(rsdt, "RSDT", 4);
    assert_memory_equal(xsdt, "XSDT", 4);
    assert_true(adds_up(rsdt, get32(rsdt + 4)) && adds_up(xsdt, get32(xsdt + 4)));
    unsigned n = (get32(xsdt + 4) - 36) / 8;
    assert_int_equal(n, m->kind == MACHINE_Q35 ? 5 : 4);
    assert_int_equal((get32(rsdt + 4) - 36) / 4, n);
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = get64(xsdt + 36 + 8 * i);
        assert_int_equal(get32(rsdt + 36 + 4 * i), at);
        assert_in_range(at, 0xE0000, 0xFFFFF);
        assert_true(adds_up(m->ram + at, get32(m->ram + at + 4)));
    }
}

static void test_acpi_fadt_names_the_ports_of_the_chipset(void **state) {
    struct machine *m = *state;
    install(m);
    const uint8_t *t = find(m, "FACP");
    assert_non_null(t);
    assert_int_equal(get32(t + 4), 244);
    assert_memory_equal(m->ram + get32(t + 36), "FACS", 4);
    assert_int_equal(get32(t + 36) & 63, 0);
    assert_int_equal(get64(t + 132), get32(t + 36));
    assert_memory_equal(m->ram + get32(t + 40), "DSDT", 4);
    assert_int_equal(get64(t + 140), get32(t + 40));
    assert_true(adds_up(m->ram + get32(t + 40), get32(m->ram + get32(t + 40) + 4)));
    assert_int_equal(get16(t + 46), 9);
    assert_int_equal(get32(t + 56), 0x600);
    assert_int_equal(get32(t + 64), 0x604);
    assert_int_equal(get32(t + 76), 0x608);
    assert_int_equal(get32(t + 80), m->kind == MACHINE_Q35 ? 0x620 : 0x60C);
    assert_int_equal(get64(t + 120), 0xCF9); /* RESET_REG's address */
    assert_int_equal(t[128], 6);
    assert_int_equal(t[172 + 1], 16); /* X_PM1a_CNT_BLK */
    assert_int_equal(get64(t + 172 + 4), 0x604);
    assert_int_equal(get64(t + 208 + 4), 0x608);
}

static void test_acpi_fadt_follows_the_base_that_firmware_chose(void **state) {
    struct machine *m = *state;
    struct acpi_blob b;
    platform_setup(m);
    pci_config_write(m->pci, 0, m->chipset->pm_devfn, 0x40, 4, 0xB001);
    assert_true(acpi_build(m, &b));
    for (uint32_t at = 0; at < b.size; at += 64)
        if (!memcmp(b.tables + at, "FACP", 4)) assert_int_equal(get32(b.tables + at + 56), 0xB000);
    acpi_free(&b);
}

static void test_acpi_madt_lists_processors_and_overrides(void **state) {
    struct machine *m = *state;
    install(m);
    const uint8_t *t = find(m, "APIC");
    unsigned cpus = 0, overrides = 0, ioapics = 0;
    for (uint32_t at = 44; at < get32(t + 4); at += t[at + 1]) {
        assert_true(t[at + 1] >= 2);
        if (t[at] == 0) assert_int_equal(t[at + 3], cpus++);
        if (t[at] == 1) ioapics++, assert_int_equal(get32(t + at + 4), 0xFEC00000);
        if (t[at] == 2) overrides++;
    }
    assert_int_equal(cpus, 3);
    assert_int_equal(ioapics, 1);
    assert_int_equal(overrides, 2);
}

static void test_acpi_madt_has_x2apic_entries_for_large_ids(void **state) {
    struct machine *m = *state;
    m->cpu[1]->apic_id = 254, m->cpu[2]->apic_id = 255;
    install(m);
    const uint8_t *t = find(m, "APIC");
    unsigned kinds[16] = {0};
    for (uint32_t at = 44; at < get32(t + 4); at += t[at + 1]) {
        kinds[t[at] & 15]++;
        if (t[at] == 9) assert_int_equal(get32(t + at + 4), 255);
        if (t[at] == 9) assert_int_equal(get32(t + at + 12), 2); /* UID, as in the SSDT */
    }
    assert_int_equal(kinds[0], 2);
    assert_int_equal(kinds[9], 1);
    assert_int_equal(kinds[10], 1);
}

static void test_acpi_mcfg_is_where_the_bridge_decodes(void **state) {
    struct machine *m = *state;
    install(m);
    const uint8_t *t = find(m, "MCFG");
    assert_non_null(t);
    assert_int_equal(get64(t + 44), m->chipset->ecam);
    assert_int_equal(t[54] | t[55] << 8, 255 << 8);
    assert_int_equal(mmio_read(m, get64(t + 44), 4), 0x29C08086);
}

static void test_acpi_fixups_give_the_same_tables_anywhere(void **state) {
    struct machine *m = *state;
    struct acpi_blob a, b;
    assert_true(acpi_build(m, &a) && acpi_build(m, &b));
    assert_int_equal(a.size, b.size);
    acpi_relocate(&a, 0x100000);
    acpi_relocate(&b, 0x7FFF0000);
    unsigned differ = 0;
    for (uint32_t i = 0; i < a.size; i++) differ += a.tables[i] != b.tables[i];
    assert_in_range(differ, 1, 4 * a.fixup_count);
    assert_true(adds_up(b.rsdp, 20) && adds_up(b.rsdp, 36));
    assert_true(b.fixup_count < ACPI_FIXUPS);
    acpi_free(&a);
    acpi_free(&b);
}

/* ---- ACPICA ---- */

static void dump(struct machine *m, const char *dir) {
    const uint8_t *rsdp = m->ram + acpi_rsdp(m), *xsdt = m->ram + get64(rsdp + 24);
    const uint8_t *table[MAX_TABLES];
    unsigned n = 0;
    for (uint32_t at = 36; at < get32(xsdt + 4); at += 8) table[n++] = m->ram + get64(xsdt + at);
    table[n++] = m->ram + get32(find(m, "FACP") + 40);
    table[n++] = m->ram + get32(find(m, "FACP") + 36);
    table[n++] = xsdt;
    for (unsigned i = 0; i < n; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%.4s.dat", dir, (const char *)table[i]);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(table[i], 1, get32(table[i] + 4), f), get32(table[i] + 4));
        fclose(f);
    }
}

/* Run a command in the folder; what it printed. */
static char *run(const char *dir, const char *command, char *out, size_t size) {
    char line[512];
    snprintf(line, sizeof line, "cd %s && { %s; } 2>&1 </dev/null", dir, command);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    while (fread(line, 1, sizeof line, f)) continue;
    pclose(f);
    return out;
}

static void test_acpi_tables_are_read_by_acpica_without_complaint(void **state) {
    struct machine *m = *state;
    static char out[1 << 18];
    char dir[] = "/tmp/hvsim-acpi-XXXXXX";
    install(m);
    assert_non_null(mkdtemp(dir));
    dump(m, dir);
    run(dir, "for t in FACP APIC HPET FACS XSDT MCFG; do test ! -f $t.dat || iasl -d $t.dat; done", out, sizeof out);
    assert_non_null(strstr(out, "[XSDT] decoded"));
    assert_null(strstr(out, "rror"));
    assert_null(strstr(out, "arning"));
    assert_null(strstr(out, "nvalid"));
    run(dir, "iasl -e SSDT.dat -d DSDT.dat && iasl -we -vr DSDT.dsl", out, sizeof out);
    assert_non_null(strstr(out, "0 Errors"));
    run(dir,
        "acpiexec -b 'execute \\_SB.PCI0._CRS; execute \\_SB.PCI0._PRT; execute \\_PIC 1; execute \\_SB.PCI0._PRT; "
        "namespace' FACP.dat DSDT.dat SSDT.dat",
        out, sizeof out);
    assert_null(strstr(out, "Evaluation failed"));
    assert_non_null(strstr(out, "C000 Device"));
    assert_non_null(strstr(out, "Evaluation of \\_SB.PCI0._PRT returned object"));
    run(dir, "rm -r ../$(basename $PWD)", out, sizeof out);
}

#define TEST_BOTH(name) TEST(name), TEST_Q35(name)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_BOTH(test_acpi_tables_are_found_and_add_up),
        TEST_BOTH(test_acpi_fadt_names_the_ports_of_the_chipset),
        TEST_BOTH(test_acpi_fadt_follows_the_base_that_firmware_chose),
        TEST_SMP(test_acpi_madt_lists_processors_and_overrides),
        TEST_SMP(test_acpi_madt_has_x2apic_entries_for_large_ids),
        TEST_Q35(test_acpi_mcfg_is_where_the_bridge_decodes),
        TEST_BOTH(test_acpi_fixups_give_the_same_tables_anywhere),
        TEST_BOTH(test_acpi_tables_are_read_by_acpica_without_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
