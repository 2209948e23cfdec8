/* Windows over each other: which of them an access reaches, by direction and by mode. */
#include "testsuites/unit/fixture.h"

#include <string.h>

#include "sim/machine/load.h"

#define ROM   0x1F0000ull
#define VIDEO 0x1A0000ull

struct probe {
    struct device d;
    uint64_t last_offset, last_value;
    unsigned writes;
};

static uint64_t probe_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)d, (void)range, (void)size;
    return 0x1100 + offset;
}
static void probe_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct probe *p = (struct probe *)d;
    (void)range, (void)size;
    p->writes++;
    p->last_offset = offset;
    p->last_value = val;
}
static const struct device_ops probe_ops = {.name = "probe", .read = probe_read, .write = probe_write};

static uint8_t *map_rom(struct machine *m, struct probe *p) {
    uint8_t *rom = machine_alloc_memory(m, 0x10000);
    assert_non_null(rom);
    rom[5] = 0x77;
    machine_map(m,
                &(struct mem_window){
                    .base = ROM, .size = 0x10000, .takes = MEM_TAKES_ALL, .guarded = true, .host = rom, .dev = &p->d});
    return rom;
}

static void test_memmap_rom_is_read_directly_and_written_through_its_device(void **state) {
    struct machine *m = *state;
    struct probe p = {
        .d = {&probe_ops, m}
    };
    uint8_t *rom = map_rom(m, &p);
    assert_ptr_equal(ram_ptr(m, ROM + 5, false), rom + 5);
    assert_null(ram_ptr(m, ROM + 5, true));
    assert_int_equal(mmio_read(m, ROM + 5, 1), 0x77);
    mmio_write(m, ROM + 5, 1, 0x12);
    assert_int_equal(p.writes, 1);
    assert_int_equal(p.last_offset, 5);
    assert_int_equal(rom[5], 0x77);
    assert_false(machine_write(m, ROM + 5, "x", 1));
    assert_ptr_equal(ram_ptr(m, ROM - 1, true), m->ram + ROM - 1);
    assert_ptr_equal(ram_ptr(m, ROM + 0x10000, true), m->ram + ROM + 0x10000);
}

static void test_memmap_reads_and_writes_of_one_address_end_in_different_windows(void **state) {
    struct machine *m = *state;
    struct probe p = {
        .d = {&probe_ops, m}
    };
    uint8_t *rom = map_rom(m, &p);
    struct mem_window shadow = {
        .base = ROM, .size = 0x10000, .takes = MEM_TAKES_WRITES, .host = m->ram + ROM, .range = 1};
    machine_map(m, &shadow); /* as a chipset lets firmware copy itself into RAM */
    assert_ptr_equal(ram_ptr(m, ROM + 5, false), rom + 5);
    assert_null(ram_ptr(m, ROM + 5, true)); /* not where reads come from */
    mmio_write(m, ROM + 5, 1, 0x34);
    assert_int_equal(p.writes, 0);
    assert_int_equal(m->ram[ROM + 5], 0x34);
    machine_unmap(m, NULL, 1);
    shadow.takes = MEM_TAKES_ALL;
    machine_map(m, &shadow);
    assert_ptr_equal(ram_ptr(m, ROM + 5, true), m->ram + ROM + 5);
    machine_unmap(m, NULL, 1);
    assert_ptr_equal(ram_ptr(m, ROM + 5, false), rom + 5);
}

static void test_memmap_smm_sees_windows_of_its_own(void **state) {
    struct machine *m = *state;
    struct probe p = {
        .d = {&probe_ops, m}
    };
    machine_map_mmio(m, &p.d, 0, VIDEO, 0x20000);
    struct mem_window smram = {
        .base = VIDEO, .size = 0x20000, .takes = MEM_TAKES_ALL, .when = MEM_IN_SMM, .host = m->ram + VIDEO, .range = 9};
    machine_map(m, &smram);
    m->running = m->cpu[0];
    assert_null(ram_ptr(m, VIDEO, false));
    assert_int_equal(mmio_read(m, VIDEO + 3, 2), 0x1103);
    m->cpu[0]->intr.smm = true;
    assert_ptr_equal(ram_ptr(m, VIDEO, true), m->ram + VIDEO);
    assert_false(machine_write(m, VIDEO, "x", 1)); /* devices see what there is outside */
    m->cpu[0]->intr.smm = false;
    assert_null(ram_ptr(m, VIDEO, true));
    m->running = NULL;
}

/* A window that hides decoded code, then shows it again: neither time may the old code run. */
static void test_memmap_code_is_forgotten_with_its_window(void **state) {
    struct machine *m = *state;
    static const uint8_t one[] = {0xB0, 1, 0xE6, 0xF4}, two[] = {0xB0, 2, 0xE6, 0xF4}; /* exit port */
    uint8_t *other = machine_alloc_memory(m, 0x1000);
    assert_non_null(other);
    memcpy(other, two, sizeof two);
    assert_true(machine_write(m, 0x8000, one, sizeof one));
    struct mem_window w = {.base = 0x8000, .size = 0x1000, .takes = MEM_TAKES_ALL, .host = other, .range = 5};
    static const int expected[] = {1, 2, 1, 2};
    for (unsigned n = 0; n < 4; n++) {
        boot_real(m->cpu[0], 0x8000, 0x7000);
        assert_int_equal(machine_run(m), STOP_EXIT_PORT);
        assert_int_equal(m->exit_status, expected[n]);
        if (n & 1)
            machine_unmap(m, NULL, 5);
        else
            machine_map(m, &w);
    }
}

static void test_memmap_plain_range_lies_beside_windows(void **state) {
    struct machine *m = *state;
    struct probe p = {
        .d = {&probe_ops, m}
    };
    assert_int_equal(m->plain_base, 0x100000); /* behind the bus's hole */
    machine_map_mmio(m, &p.d, 0, VIDEO, 0x20000);
    assert_int_equal(m->plain_base, VIDEO + 0x20000);
    assert_int_equal(m->plain_base + m->plain_size, m->low_size);
    machine_unmap(m, &p.d, 0);
    assert_int_equal(m->plain_base, 0x100000); /* behind the bus's hole */
    assert_int_equal(m->plain_size, m->low_size - 0x100000);
}

static void test_memmap_pool_ends_and_window_that_wraps_is_refused(void **state) {
    struct machine *m = *state;
    struct probe p = {
        .d = {&probe_ops, m}
    };
    assert_null(machine_alloc_memory(m, 0));
    assert_null(machine_alloc_memory(m, 1ull << 40));
    unsigned n = 0;
    while (machine_alloc_memory(m, 64 << 20)) n++;
    assert_int_equal(n, 4);
    machine_map_mmio(m, &p.d, 0, ~0ull - 0xFFF, 0x2000);
    assert_int_equal(mmio_read(m, ~0ull - 0xF, 1), 0xFF);
}

static void test_ports_unmapped_give_back_what_lies_beneath(void **state) {
    struct machine *m = *state;
    struct probe p = {
        .d = {&probe_ops, m}
    };
    machine_map_ports(m, &p.d, 0, 0xC000, 8);
    machine_map_ports(m, &p.d, 1, 0xC004, 4);
    assert_int_equal(port_read(m, 0xC005, 1), 0x01);
    machine_unmap_ports(m, &p.d, 1);
    assert_int_equal(port_read(m, 0xC005, 1), 0x05);
    machine_unmap_ports(m, &p.d, 0);
    assert_int_equal(port_read(m, 0xC005, 1), 0xFF);
    port_write(m, 0x80, 1, 0x5A); /* the others are where they were */
    assert_int_equal(port_read(m, 0x80, 1), 0x5A);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_memmap_rom_is_read_directly_and_written_through_its_device),
        TEST(test_memmap_reads_and_writes_of_one_address_end_in_different_windows),
        TEST(test_memmap_smm_sees_windows_of_its_own),
        TEST(test_memmap_code_is_forgotten_with_its_window),
        TEST(test_memmap_plain_range_lies_beside_windows),
        TEST(test_memmap_pool_ends_and_window_that_wraps_is_refused),
        TEST(test_ports_unmapped_give_back_what_lies_beneath),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
