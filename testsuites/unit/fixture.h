/* A machine for unit tests: one or more processors without virtualization, 16 MiB, no output. The clock is moved by
 * hand. */
#ifndef HVSIM_UNIT_FIXTURE_H
#define HVSIM_UNIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/core/system.h"
#include "sim/dev/dev.h"
#include "sim/machine/internal.h"

#define TEST_MEMORY (16u << 20)
#define TEST_DATE   1767225600 /* Thursday 2026-01-01 00:00:00 */

static inline struct machine *fixture_create(struct machine_config *c, const char *model) {
    char err[256];
    c->ram_size = TEST_MEMORY;
    c->rtc_start = TEST_DATE;
    c->model = model_parse(model, err, sizeof err);
    assert_non_null(c->model);
    struct machine *m = machine_create(c, err, sizeof err);
    assert_non_null(m);
    return m;
}
static inline struct machine *fixture_board(enum machine_kind kind, unsigned cpus) {
    struct machine_config c = {.kind = kind, .cpus = cpus};
    return fixture_create(&c, "max-intel,-vmx");
}
static inline struct machine *fixture_machine_of(const char *model, unsigned cpus, unsigned apic_id_step) {
    struct machine_config c = {.cpus = cpus, .apic_id_step = apic_id_step};
    return fixture_create(&c, model);
}
static inline struct machine *fixture_machine(unsigned cpus) { return fixture_board(MACHINE_PC, cpus); }

/* Let time pass, firing each timer at its cycle. */
static inline void fixture_advance(struct machine *m, uint64_t cycles) {
    uint64_t end = m->now + cycles;
    while (m->timers && m->timers->due <= end) {
        if (m->timers->due > m->now) m->now = m->timers->due;
        timers_fire(m);
    }
    m->now = end;
}

static inline int fixture_setup(void **state) {
    *state = fixture_machine(1);
    return 0;
}
static inline int fixture_setup_q35(void **state) {
    *state = fixture_board(MACHINE_Q35, 1);
    return 0;
}
static inline int fixture_setup_smp(void **state) {
    *state = fixture_machine(3);
    return 0;
}
static inline int fixture_teardown(void **state) {
    machine_destroy(*state);
    return 0;
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define TEST_Q35(name) cmocka_unit_test_setup_teardown(name, fixture_setup_q35, fixture_teardown)
#define TEST_SMP(name) cmocka_unit_test_setup_teardown(name, fixture_setup_smp, fixture_teardown)

static inline void outb(struct machine *m, uint16_t port, uint8_t val) { port_write(m, port, 1, val); }
static inline uint8_t inb(struct machine *m, uint16_t port) { return (uint8_t)port_read(m, port, 1); }

#endif
