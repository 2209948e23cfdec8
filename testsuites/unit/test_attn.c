/* What comes between two instructions: INIT and start-up messages, the elements of a repeated instruction, MONITOR. */
#include "core_world.h"
#include "sim/core/debug.h"
#include "sim/dev/lapic.h"
#include "sim/ops/sys.h"

static void put_code(struct cpu *cpu, uint64_t at, const uint8_t *code, size_t size) {
    assert_true(machine_write(cpu->machine, at, code, size));
}

/* ---- INIT and SIPI ---- */

static void message(struct machine *m, unsigned mode, unsigned vector) {
    struct apic_message msg = {.delivery_mode = (uint8_t)mode, .level = 1, .vector = (uint8_t)vector, .dest = 1};
    apic_deliver(m, &msg);
}

static void test_attn_init_waits_in_smm(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[1];
    cpu->intr.activity = ACT_ACTIVE;
    smm_enter(cpu);
    message(m, APIC_INIT, 0);
    cpu_service_attention(cpu);
    assert_true(cpu->intr.smm);
    assert_int_equal(cpu->intr.activity, ACT_ACTIVE);
    ASSERT_QUIET(cpu, smm_leave(cpu));
    cpu_service_attention(cpu);
    assert_int_equal(cpu->intr.activity, ACT_WAIT_SIPI);
}

static void test_attn_sipi_behind_init_starts_a_running_processor(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[1];
    cpu->intr.activity = ACT_ACTIVE; /* both messages come before its turn */
    message(m, APIC_INIT, 0);
    message(m, APIC_SIPI, 0x12);
    cpu->budget = 1000;
    assert_true(cpu_service_attention(cpu));
    assert_int_equal(cpu->seg[SEG_CS].base, 0x12000);
    assert_int_equal(cpu->rip, 0);
}

static void test_attn_sipi_before_init_is_lost(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[1];
    message(m, APIC_SIPI, 0x12);
    message(m, APIC_INIT, 0);
    cpu->budget = 1000;
    assert_false(cpu_service_attention(cpu));
    assert_int_equal(cpu->intr.activity, ACT_WAIT_SIPI);
}

/* ---- repeated instructions ---- */

/* The handler sets RF in the frame and counts in EBX. */
static void test_attn_breakpoint_on_rep_is_reported_once(void **state) {
    struct cpu *cpu = cpu_of(state);
    static const uint8_t code[] = {0xF3, 0xAA, 0xF4};                                              /* rep stosb; hlt */
    static const uint8_t handler[] = {0x81, 0x4C, 0x24, 0x08, 0x00, 0x00, 0x01, 0x00, 0x43, 0xCF}; /* or, inc, iret */
    world_protected(cpu, 0);
    put_code(cpu, 0x8000, code, sizeof code);
    put_code(cpu, 0x4000, handler, sizeof handler);
    put_gate(cpu, IDT + VEC_DB * 8, SEL_CODE0, 0x4000, AR_P | DESC_INT, 0);
    cpu->gpr[RCX] = 50;
    cpu->gpr[RDI] = 0x9000;
    assert_true(dr_set(cpu, 0, 0x8000));
    assert_true(dr_set(cpu, 7, 1));
    cpu->machine->max_insns = 10000;
    assert_int_equal(machine_run(cpu->machine), STOP_IDLE_FOREVER);
    assert_int_equal(cpu->gpr[RBX], 1);
    assert_int_equal(cpu->gpr[RCX], 0);
    assert_false(cpu->rflags & FLAG_RF);
}

/* The trap after each element shows RF = 1 while elements are left. */
static void test_attn_single_step_between_elements_pushes_rf(void **state) {
    struct cpu *cpu = cpu_of(state);
    static const uint8_t code[] = {0xF3, 0xAA, 0xF4};
    static const uint8_t handler[] = {0x0F, 0xBA, 0x64, 0x24, 0x08, 0x10, /* bt dword [esp+8], 16 */
                                      0x83, 0xD3, 0x00, 0xCF};            /* adc ebx, 0; iret */
    world_protected(cpu, 0);
    put_code(cpu, 0x8000, code, sizeof code);
    put_code(cpu, 0x4000, handler, sizeof handler);
    put_gate(cpu, IDT + VEC_DB * 8, SEL_CODE0, 0x4000, AR_P | DESC_INT, 0);
    cpu->gpr[RCX] = 5;
    cpu->gpr[RDI] = 0x9000;
    flags_load(cpu, FLAG_TF);
    cpu->machine->max_insns = 10000;
    machine_run(cpu->machine);
    assert_int_equal(cpu->gpr[RCX], 0);
    assert_int_equal(cpu->gpr[RBX], 4);
}

/* ---- MONITOR, MWAIT ---- */

static void test_attn_monitor_extensions_are_rcx_in_64_bit_mode(void **state) {
    struct cpu *cpu = cpu_of(state);
    const struct insn i = {.asize = 3, .seg = SEG_DS};
    world_long(cpu);
    cpu->gpr[RAX] = 0x8000;
    cpu->gpr[RCX] = 1ull << 32;
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, body_monitor(cpu, &i));
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0, body_mwait(cpu, &i));
    cpu->gpr[RCX] = 0;
    ASSERT_QUIET(cpu, body_monitor(cpu, &i));
    assert_int_equal(cpu->intr.monitor_addr, 0x8000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SMP(test_attn_init_waits_in_smm),
        TEST_SMP(test_attn_sipi_behind_init_starts_a_running_processor),
        TEST_SMP(test_attn_sipi_before_init_is_lost),
        TEST(test_attn_breakpoint_on_rep_is_reported_once),
        TEST(test_attn_single_step_between_elements_pushes_rf),
        TEST(test_attn_monitor_extensions_are_rcx_in_64_bit_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
