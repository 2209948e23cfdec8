/* SMBIOS: entry points add up and lead to the table; its structures can be walked and say what the machine has. */
#include "testsuites/unit/fixture.h"

#include <string.h>

#include "sim/dev/chipset.h"
#include "sim/machine/bytes.h"
#include "sim/machine/smbios.h"

static bool adds_up(const uint8_t *p, unsigned size) {
    uint8_t sum = 0;
    for (unsigned i = 0; i < size; i++) sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

static const uint8_t *next(const uint8_t *p) {
    for (p += p[1]; p[0] || p[1]; p++) continue;
    return p + 2;
}

static const uint8_t *find(const uint8_t *p, unsigned type) {
    while (p[0] != type && p[0] != 127) p = next(p);
    return p[0] == type ? p : NULL;
}

static const char *string(const uint8_t *p, unsigned n) {
    const char *s = (const char *)p + p[1];
    while (--n) s += strlen(s) + 1;
    return s;
}

static void test_smbios_anchors_lead_to_the_table(void **state) {
    struct machine *m = *state;
    platform_setup(m);
    smbios_install(m);
    const uint8_t *a = m->ram + 0xF0000, *a3 = m->ram + 0xF0020;
    assert_memory_equal(a, "_SM_", 4);
    assert_true(adds_up(a, 31) && adds_up(a + 16, 15));
    assert_memory_equal(a3, "_SM3_", 5);
    assert_true(adds_up(a3, 24));
    assert_int_equal(get32(a + 24), get64(a3 + 16));
    const uint8_t *first = m->ram + get32(a + 24), *p = first;
    unsigned n = 1;
    for (; p[0] != 127; p = next(p)) n++;
    assert_int_equal(next(p) - first, get16(a + 22));
    assert_int_equal(n, get16(a + 28));
    assert_int_equal(get32(a3 + 12), get16(a + 22));
}

static void test_smbios_structures_tell_of_the_machine(void **state) {
    struct machine *m = *state;
    struct smbios s;
    smbios_build(m, &s);
    const uint8_t *system = find(s.table, 1), *cpu = find(s.table, 4), *memory = find(s.table, 17);
    assert_non_null(system);
    assert_string_equal(string(system, system[4]), "hvsim");
    assert_int_equal(system[1], 0x1B);
    assert_int_equal(cpu[1], 0x2A);
    assert_int_equal(cpu[0x23], 3);
    assert_int_equal(get16(cpu + 0x16), 1000); /* MHz */
    assert_int_equal(get16(memory + 0x0C), TEST_MEMORY >> 20);
    assert_int_equal(memory[1], 0x28);
    const uint8_t *range = find(s.table, 19);
    assert_int_equal(get32(range + 8), (TEST_MEMORY >> 10) - 1);
    assert_int_equal(find(s.table, 0)[1], 0x18);
    assert_int_equal(find(s.table, 16)[1], 0x17);
    assert_int_equal(range[1], 0x1F);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_smbios_anchors_lead_to_the_table),
        TEST_Q35(test_smbios_anchors_lead_to_the_table),
        TEST_SMP(test_smbios_structures_tell_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
