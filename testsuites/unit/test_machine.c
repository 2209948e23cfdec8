/* The machine: memory map, ports, clock and timers, turns of several processors, exact limits, equal runs, the public
 * interface. */
#include "testsuites/unit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/machine/load.h"

#define COM1 0x3F8

/* ---- memory ---- */

static void test_memory_a20_off_wraps_at_1_mib(void **state) {
    struct machine *m = *state;
    uint8_t b = 0x5A;
    assert_true(machine_write(m, 0x123, &b, 1));
    assert_int_equal(*ram_ptr(m, 0x100123, false), 0);
    machine_set_a20(m, false);
    assert_int_equal(*ram_ptr(m, 0x100123, false), 0x5A);
    outb(m, 0x92, 2);
    assert_int_equal(*ram_ptr(m, 0x100123, false), 0);
    outb(m, 0x64, 0xD1), outb(m, 0x60, 0xDD);
    assert_int_equal(*ram_ptr(m, 0x100123, false), 0x5A);
}

static void test_memory_beyond_ram_is_nothing(void **state) {
    struct machine *m = *state;
    uint8_t b;
    assert_null(ram_ptr(m, TEST_MEMORY, false));
    assert_false(machine_is_mmio(m, TEST_MEMORY));
    assert_int_equal(mmio_read(m, TEST_MEMORY, 4), 0xFFFFFFFF);
    assert_false(machine_read(m, TEST_MEMORY, &b, 1));
    assert_false(machine_write(m, TEST_MEMORY - 1, "ab", 2));
    assert_int_equal(*ram_ptr(m, TEST_MEMORY - 1, false), 0); /* nothing of it was written */
}

static void test_memory_above_3_gib_continues_at_4_gib(void **state) {
    char err[256];
    (void)state;
    struct machine_config c = {.ram_size = 4ull << 30, .cpus = 1};
    c.model = model_parse("max-intel,-vmx", err, sizeof err);
    struct machine *m = machine_create(&c, err, sizeof err);
    assert_non_null(m);
    assert_non_null(ram_ptr(m, (3ull << 30) - 1, true));
    assert_null(ram_ptr(m, 3ull << 30, true));
    assert_ptr_equal(ram_ptr(m, 4ull << 30, true), m->ram + (3ull << 30));
    assert_non_null(ram_ptr(m, (5ull << 30) - 1, true));
    assert_null(ram_ptr(m, 5ull << 30, true));
    machine_destroy(m);
}

static void test_memory_lapic_page_hides_ram_for_its_processor(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    assert_true(lapic_set_base(cpu, 0x200900));
    assert_non_null(ram_ptr(m, 0x200030, false)); /* seen by nobody in particular */
    m->running = cpu;
    assert_null(ram_ptr(m, 0x200030, false));
    assert_true(machine_is_mmio(m, 0x200030));
    assert_int_equal(mmio_read(m, 0x200030, 4) & 0xFF, 0x14);
    assert_non_null(ram_ptr(m, 0x201000, false));
    m->running = NULL;
}

/* ---- ports ---- */

static void test_port_nobody_reads_ones(void **state) {
    struct machine *m = *state;
    assert_int_equal(port_read(m, 0x300, 1), 0xFF);
    assert_int_equal(port_read(m, 0x300, 2), 0xFFFF);
    assert_int_equal(port_read(m, 0xFFFF, 4), 0xFFFFFFFF);
    port_write(m, 0xFFFF, 4, 0);
}

static void test_port_wide_access_is_split_for_byte_devices(void **state) {
    struct machine *m = *state;
    port_write(m, COM1 + 3, 2, 0x1083); /* LCR and MCR */
    assert_int_equal(inb(m, COM1 + 3), 0x83);
    assert_int_equal(inb(m, COM1 + 4), 0x10);
    assert_int_equal(port_read(m, COM1 + 3, 2), 0x1083);
}

static void test_port_exit_stops_with_value(void **state) {
    struct machine *m = *state;
    port_write(m, 0xF4, 4, 0x12345678);
    assert_int_equal(m->stop, STOP_EXIT_PORT);
    assert_int_equal(m->exit_status, 0x12345678);
    outb(m, 0xF4, 1); /* the first one counts */
    assert_int_equal(m->exit_status, 0x12345678);
}

static void test_port_debug_console_reads_e9(void **state) { assert_int_equal(inb(*state, 0xE9), 0xE9); }

static void test_port_pci_finds_the_host_bridge_and_nobody_in_slot_30(void **state) {
    struct machine *m = *state;
    port_write(m, 0xCF8, 4, 0x80000000);
    assert_int_equal(port_read(m, 0xCF8, 4), 0x80000000);
    assert_int_equal(port_read(m, 0xCFC, 4), 0x12378086);
    port_write(m, 0xCF8, 4, 0x8000F000);
    assert_int_equal(port_read(m, 0xCFC, 4), 0xFFFFFFFF);
}

static void test_port_cf9_resets_when_bit_2_rises(void **state) {
    struct machine *m = *state;
    outb(m, 0xCF9, 0x02);
    assert_int_equal(m->stop, STOP_NONE);
    assert_int_equal(inb(m, 0xCF9), 0x02);
    outb(m, 0xCF9, 0x06);
    assert_int_equal(m->stop, STOP_RESET);
}

/* ---- UART and 8042, as far as they need no processor ---- */

static void test_uart_loopback_receives_what_is_sent(void **state) {
    struct machine *m = *state;
    outb(m, COM1 + 4, 0x10);
    outb(m, COM1, 'x');
    assert_int_equal(inb(m, COM1 + 5), 0x61);
    assert_int_equal(inb(m, COM1), 'x');
    assert_int_equal(inb(m, COM1 + 5), 0x60);
}

static void test_uart_divisor_latch_hides_data(void **state) {
    struct machine *m = *state;
    outb(m, COM1 + 3, 0x80);
    outb(m, COM1, 0x34), outb(m, COM1 + 1, 0x12);
    assert_int_equal(inb(m, COM1) | inb(m, COM1 + 1) << 8, 0x1234);
    outb(m, COM1 + 3, 0x03);
    assert_int_equal(inb(m, COM1 + 1), 0);
}

static void test_uart_fifo_is_announced_and_overruns(void **state) {
    struct machine *m = *state;
    assert_int_equal(inb(m, COM1 + 2), 0x01);
    outb(m, COM1 + 2, 0x01);
    assert_int_equal(inb(m, COM1 + 2), 0xC1);
    outb(m, COM1 + 4, 0x10);
    for (unsigned i = 0; i < 17; i++) outb(m, COM1, (uint8_t)i);
    assert_int_equal(inb(m, COM1 + 5), 0x63); /* data, overrun */
    for (unsigned i = 0; i < 16; i++) assert_int_equal(inb(m, COM1), i);
}

static void test_uart_transmitter_empty_interrupts_once(void **state) {
    struct machine *m = *state;
    outb(m, 0x20, 0x11), outb(m, 0x21, 0x20), outb(m, 0x21, 4), outb(m, 0x21, 1), outb(m, 0x21, 0xEF);
    outb(m, COM1 + 4, 0x0B);
    outb(m, COM1 + 1, 2);
    assert_true(m->intr_line);
    assert_int_equal(inb(m, COM1 + 2), 0x02); /* reading it ends it */
    assert_int_equal(inb(m, COM1 + 2), 0x01);
    assert_false(m->intr_line);
}

static void test_kbc_self_tests_and_reset(void **state) {
    struct machine *m = *state;
    outb(m, 0x64, 0xAA);
    assert_int_equal(inb(m, 0x64) & 1, 1);
    assert_int_equal(inb(m, 0x60), 0x55);
    outb(m, 0x60, 0xFF); /* keyboard reset */
    assert_int_equal(inb(m, 0x60), 0xFA);
    assert_int_equal(inb(m, 0x60), 0xAA);
    outb(m, 0x64, 0xFE);
    assert_int_equal(m->stop, STOP_RESET);
}

/* ---- timers ---- */

struct log {
    struct machine *m;
    unsigned count, order[8];
    uint64_t at[8];
};
struct tick {
    struct log *log;
    unsigned id;
};

static void on_tick(void *arg) {
    struct tick *t = arg;
    t->log->at[t->log->count] = machine_now(t->log->m);
    t->log->order[t->log->count++] = t->id;
}

static void test_timers_fire_by_time_then_by_order_of_arming(void **state) {
    struct machine *m = *state;
    struct log log = {.m = m};
    struct tick ticks[4];
    struct timer timers[4];
    static const uint64_t due[4] = {300, 100, 300, 200};
    for (unsigned i = 0; i < 4; i++) {
        ticks[i] = (struct tick){&log, i};
        timer_init(&timers[i], on_tick, &ticks[i]);
        timer_arm(m, &timers[i], due[i]);
    }
    timer_cancel(m, &timers[3]);
    fixture_advance(m, 1000);
    assert_int_equal(log.count, 3);
    assert_true(log.order[0] == 1 && log.order[1] == 0 && log.order[2] == 2);
    assert_true(log.at[0] == 100 && log.at[1] == 300 && log.at[2] == 300);
}

/* ---- running code ---- */

static void load_code(struct machine *m, const uint8_t *code, size_t size) {
    assert_true(machine_write(m, 0x7C00, code, size));
    boot_real(m->cpu[0], 0x7C00, 0x7000);
}

static void test_run_exact_number_of_instructions(void **state) {
    struct machine *m = *state;
    static const uint8_t code[] = {0x40, 0x40, 0x43, 0x40, 0xEB, 0xFA}; /* inc ax, inc ax, inc bx, inc ax, jmp */
    load_code(m, code, sizeof code);
    for (uint64_t n = 1; n < 40; n++) {
        m->max_insns = n;
        assert_int_equal(machine_run(m), STOP_MAX_INSNS);
        assert_int_equal(machine_insns(m), n);
    }
    m->max_insns = 1000003;
    assert_int_equal(machine_run(m), STOP_MAX_INSNS);
    assert_int_equal(machine_insns(m), 1000003);
    assert_int_equal(m->cpu[0]->gpr[RBX] & 0xFFFF, (200000 + (1000003 % 5 > 2)) & 0xFFFF);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Begun late in a second of the host's clock, where whole seconds would make it short. */
static void test_run_timeout_is_a_whole_second(void **state) {
    struct machine *m = *state;
    static const uint8_t code[] = {0xEB, 0xFE}; /* jmp to itself */
    load_code(m, code, sizeof code);
    m->timeout_seconds = 1;
    while (now_ns() % 1000000000 < 700000000) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    uint64_t begun = now_ns();
    assert_int_equal(machine_run(m), STOP_TIMEOUT);
    uint64_t took = now_ns() - begun;
    assert_true(took >= 1000000000);
    assert_true(took < 1900000000); /* the host may be busy, but not a second more */
}

static void test_run_rep_is_one_instruction(void **state) {
    struct machine *m = *state;
    static const uint8_t code[] = {0xBF, 0x00, 0x10, 0xB9, 0x00,
                                   0x20, 0xF3, 0xAA, 0xEB, 0xF6}; /* di, cx, rep stosb, jmp */
    load_code(m, code, sizeof code);
    m->max_insns = 4003;
    assert_int_equal(machine_run(m), STOP_MAX_INSNS);
    assert_int_equal(machine_insns(m), 4003);
}

static void test_run_halted_without_interrupts_ends(void **state) {
    struct machine *m = *state;
    static const uint8_t code[] = {0xB0, 0x36, 0xE6, 0x43, 0xE6,
                                   0x40, 0xE6, 0x40, 0xFA, 0xF4}; /* PIT periodic, cli, hlt */
    load_code(m, code, sizeof code);
    assert_int_equal(machine_run(m), STOP_IDLE_FOREVER);
}

static void test_run_halted_time_is_skipped_to_the_interrupt(void **state) {
    struct machine *m = *state;
    static const uint8_t code[] = {
        0xB0, 0x11, 0xE6, 0x20, 0xB0, 0x20, 0xE6, 0x21, 0xB0, 0x04, 0xE6, 0x21, 0xB0, 0x01,
        0xE6, 0x21,                                                                         /* 8259: vectors 20H */
        0xB0, 0xFE, 0xE6, 0x21, 0xB0, 0x30, 0xE6, 0x43, 0xB0, 0xFF, 0xE6, 0x40, 0xE6, 0x40, /* PIT mode 0, FFFFH */
        0xFB, 0xF4, 0xB0, 0x01, 0xE6, 0xF4,                                                 /* sti, hlt, exit 1 */
    };
    static const uint8_t handler[] = {0xB0, 0x02, 0xE6, 0xF4}; /* exit 2 */
    load_code(m, code, sizeof code);
    assert_true(machine_write(m, 0x7E00, handler, sizeof handler));
    assert_true(machine_write(m, 0x80, "\x00\x7E\x00\x00", 4));
    lapic_set_virtual_wire(m->cpu[0]);
    assert_int_equal(machine_run(m), STOP_EXIT_PORT);
    assert_int_equal(m->exit_status, 2);
    assert_in_range(m->now, cycles_of_ticks(65535, 1193182), cycles_of_ticks(65535, 1193182) + 1000);
}

/* A second processor is started with INIT and SIPI, counts in memory, and the first waits for its count. */
static void test_run_processors_share_memory(void **state) {
    struct machine *m = *state;
    static const uint8_t bsp[] = {0xA1, 0x00, 0x05, 0x3D, 0x10, 0x27,
                                  0x72, 0xF8, 0xB0, 0x07, 0xE6, 0xF4}; /* until [500H] >= 10000 */
    static const uint8_t ap[] = {0x31, 0xC0, 0x8E, 0xD8, 0xFF, 0x06, 0x00, 0x05, 0xEB, 0xFA}; /* inc word [500H] */
    load_code(m, bsp, sizeof bsp);
    assert_true(machine_write(m, 0x8000, ap, sizeof ap));
    struct apic_message msg = {.delivery_mode = 5, .level = 1, .dest = 1};
    apic_deliver(m, &msg);
    msg.delivery_mode = 6, msg.vector = 8;
    apic_deliver(m, &msg);
    assert_int_equal(machine_run(m), STOP_EXIT_PORT);
    assert_int_equal(m->exit_status, 7);
    assert_true(cpu_icount(m->cpu[1]) > 20000);
    assert_int_equal(cpu_icount(m->cpu[2]), 0);
}

/* The first processor spins with PAUSE until the second, which counts to 3, is done: not to the end of its turns. */
static void test_run_pause_gives_the_turn_to_another(void **state) {
    struct machine *m = *state;
    static const uint8_t bsp[] = {0xF3, 0x90, 0xA1, 0x00, 0x05, 0x3D, 0x03,
                                  0x00, 0x75, 0xF6, 0xB0, 0x07, 0xE6, 0xF4}; /* pause until [500H] == 3 */
    static const uint8_t ap[] = {0x31, 0xC0, 0x8E, 0xD8, 0xFF, 0x06, 0x00, 0x05, 0xF3,
                                 0x90, 0x83, 0x3E, 0x00, 0x05, 0x03, 0x75, 0xF3, 0xF4}; /* inc; pause; until 3; hlt */
    load_code(m, bsp, sizeof bsp);
    assert_true(machine_write(m, 0x8000, ap, sizeof ap));
    struct apic_message msg = {.delivery_mode = 5, .level = 1, .dest = 1};
    apic_deliver(m, &msg);
    msg.delivery_mode = 6, msg.vector = 8;
    apic_deliver(m, &msg);
    assert_int_equal(machine_run(m), STOP_EXIT_PORT);
    assert_true(machine_insns(m) < 100);
}

static uint64_t hash_of_run(uint64_t insns) {
    struct machine *m = fixture_machine(2);
    static const uint8_t code[] = {0x0F, 0x31, 0xA3, 0x00, 0x20, 0x01,
                                   0xC3, 0xE4, 0x40, 0xEB, 0xF5}; /* rdtsc to memory and bx, PIT */
    load_code(m, code, sizeof code);
    m->max_insns = insns;
    machine_run(m);
    uint64_t h = machine_hash(m);
    machine_destroy(m);
    return h;
}

static void test_run_equal_runs_have_equal_hashes(void **state) {
    (void)state;
    uint64_t h = hash_of_run(200001);
    assert_true(h == hash_of_run(200001));
    assert_true(h != hash_of_run(200002));
}

/* ---- the public interface ---- */

static void test_api_registers_and_memory(void **state) {
    (void)state;
    char err[256];
    struct hvsim_config c;
    uint64_t val;
    hvsim_config_default(&c);
    c.serial = HVSIM_NONE;
    hvsim *h = hvsim_create(&c, err, sizeof err);
    assert_non_null(h);
    assert_true(hvsim_set_reg(h, 0, "r9", 0x123456789ABCDEF0));
    assert_true(hvsim_get_reg(h, 0, "R9", &val));
    assert_int_equal(val, 0x123456789ABCDEF0);
    assert_true(hvsim_get_reg(h, 0, "rip", &val));
    assert_int_equal(val, 0xFFF0);
    assert_true(hvsim_get_reg(h, 0, "cs.base", &val));
    assert_int_equal(val, 0xFFFF0000);
    assert_true(hvsim_set_reg(h, 0, "rflags", 0x202));
    assert_true(hvsim_get_reg(h, 0, "rflags", &val));
    assert_int_equal(val, 0x202);
    assert_false(hvsim_get_reg(h, 0, "xmm99", &val));
    assert_false(hvsim_get_reg(h, 1, "rax", &val));
    assert_true(hvsim_write_phys(h, 0x1000, "abc", 4));
    char back[4];
    assert_true(hvsim_read_phys(h, 0x1000, back, 4));
    assert_string_equal(back, "abc");
    assert_string_equal(hvsim_report(h), "");
    hvsim_destroy(h);
}

static void test_api_bad_configuration_is_refused_with_reason(void **state) {
    (void)state;
    char err[256];
    struct hvsim_config c;
    hvsim_config_default(&c);
    c.memory = 12345;
    assert_null(hvsim_create(&c, err, sizeof err));
    assert_non_null(strstr(err, "multiple of 1 MiB"));
    hvsim_config_default(&c);
    c.cpus = 0;
    assert_null(hvsim_create(&c, err, sizeof err));
    assert_non_null(strstr(err, "cpus"));
    hvsim_config_default(&c);
    c.cpu = "z80";
    assert_null(hvsim_create(&c, err, sizeof err));
    assert_non_null(strstr(err, "z80"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_memory_a20_off_wraps_at_1_mib),
        TEST(test_memory_beyond_ram_is_nothing),
        cmocka_unit_test(test_memory_above_3_gib_continues_at_4_gib),
        TEST(test_memory_lapic_page_hides_ram_for_its_processor),
        TEST(test_port_nobody_reads_ones),
        TEST(test_port_wide_access_is_split_for_byte_devices),
        TEST(test_port_exit_stops_with_value),
        TEST(test_port_debug_console_reads_e9),
        TEST(test_port_pci_finds_the_host_bridge_and_nobody_in_slot_30),
        TEST(test_port_cf9_resets_when_bit_2_rises),
        TEST(test_uart_loopback_receives_what_is_sent),
        TEST(test_uart_divisor_latch_hides_data),
        TEST(test_uart_fifo_is_announced_and_overruns),
        TEST(test_uart_transmitter_empty_interrupts_once),
        TEST(test_kbc_self_tests_and_reset),
        TEST(test_timers_fire_by_time_then_by_order_of_arming),
        TEST(test_run_exact_number_of_instructions),
        TEST(test_run_timeout_is_a_whole_second),
        TEST(test_run_rep_is_one_instruction),
        TEST(test_run_halted_without_interrupts_ends),
        TEST(test_run_halted_time_is_skipped_to_the_interrupt),
        TEST_SMP(test_run_processors_share_memory),
        TEST_SMP(test_run_pause_gives_the_turn_to_another),
        cmocka_unit_test(test_run_equal_runs_have_equal_hashes),
        cmocka_unit_test(test_api_registers_and_memory),
        cmocka_unit_test(test_api_bad_configuration_is_refused_with_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
