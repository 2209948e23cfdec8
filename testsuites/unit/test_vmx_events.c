/* INIT and VMX operation; VMX aborts. SDM 3, "Restrictions on VMX Operation", "VMX Aborts" */
#include "core_world.h"
#include "sim/core/run.h"
#include "sim/dev/lapic.h"
#include "vmx/vmx.h"

#define CODE_AT    0x8000u
#define WITNESS    0x7000u
#define REGION     0x50000u
#define MSR_AREA   0x51000u
#define FS_BASE_ID 0xC0000100u /* can't be in an MSR area */

static int setup(void **state) {
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 2, .rtc_start = TEST_DATE};
    c.model = model_parse("max-intel", err, sizeof err);
    assert_non_null(c.model);
    *state = machine_create(&c, err, sizeof err);
    assert_non_null(*state);
    return 0;
}

/* The second processor, running 64-bit code in VMX root operation. */
static struct cpu *in_root_operation(void **state) {
    struct cpu *cpu = ((struct machine *)*state)->cpu[1];
    world_long(cpu);
    cpu->intr.activity = ACT_ACTIVE;
    cpu->ctl.cr4 |= CR4_VMXE;
    vmx_of(cpu)->on = cpu->virt.operation = true;
    return cpu;
}
static void send(struct cpu *cpu, enum apic_delivery mode) {
    struct apic_message msg = {.delivery_mode = (uint8_t)mode, .level = 1, .dest = cpu->id};
    assert_true(apic_deliver(cpu->machine, &msg));
}

static void test_vmx_init_waits_in_root_operation_for_vmxoff(void **state) {
    static const uint8_t code[] = {0xFF, 0x04, 0x25, 0x00, 0x70, 0x00, 0x00, /* incl 0x7000 */
                                   0x0F, 0x01, 0xC4,                         /* vmxoff */
                                   0xFF, 0x04, 0x25, 0x00, 0x70, 0x00, 0x00, /* incl 0x7000 */
                                   0xEB, 0xF7};                              /* and again */
    struct cpu *cpu = in_root_operation(state);
    phys_write_bytes(cpu, CODE_AT, code, sizeof code);
    send(cpu, APIC_INIT);
    assert_int_equal(cpu_run(cpu, 100), RUN_IDLE);
    assert_int_equal(cpu->intr.activity, ACT_WAIT_SIPI);
    assert_int_equal(peek(cpu, WITNESS, 4), 1); /* what was before VMXOFF ran, what was behind it did not */
    assert_false(vmx_of(cpu)->on);
}

/* Loading the host's MSRs fails. */
static struct cpu *aborted(void **state) {
    struct cpu *cpu = in_root_operation(state);
    struct vmx *v = vmx_of(cpu);
    v->current = &v->active[0];
    v->current->addr = REGION;
    v->exit = VMX_EXIT_HOST_ADDRESS_SPACE_SIZE;
    v->current->f[F_HOST_CR0] = cpu->ctl.cr0;
    v->current->f[F_HOST_CR3] = cpu->ctl.cr3;
    v->current->f[F_HOST_CR4] = cpu->ctl.cr4;
    v->current->f[F_EXIT_MSR_LOAD_ADDR] = MSR_AREA;
    v->current->f[F_EXIT_MSR_LOAD_COUNT] = 1;
    poke(cpu, MSR_AREA, 8, FS_BASE_ID);
    poke(cpu, MSR_AREA + 8, 8, 0);
    poke(cpu, REGION + VMCS_OFF_ABORT, 4, 0);
    if (setjmp(cpu->landing) == 0) {
        vmx_load_host(cpu);
        fail_msg("no VMX abort");
    }
    return cpu;
}

static void test_vmx_abort_leaves_its_indicator_and_shuts_down(void **state) {
    struct cpu *cpu = aborted(state);
    assert_int_equal(peek(cpu, REGION + VMCS_OFF_ABORT, 4), VMX_ABORT_LOAD_MSR);
    assert_int_equal(cpu->intr.activity, ACT_SHUTDOWN);
    assert_false(cpu->virt.guest);
}

static void test_vmx_abort_ends_by_reset_alone(void **state) {
    struct cpu *cpu = aborted(state);
    send(cpu, APIC_NMI);
    send(cpu, APIC_INIT);
    send(cpu, APIC_SMI);
    assert_int_equal(cpu_run(cpu, 100), RUN_IDLE);
    assert_int_equal(cpu->intr.activity, ACT_SHUTDOWN);
    assert_false(cpu->intr.smm);
    cpu_reset(cpu, false);
    assert_int_equal(vmx_of(cpu)->aborted, 0);
    send(cpu, APIC_SIPI);
    cpu_run(cpu, 1);
    assert_int_equal(cpu->intr.activity, ACT_ACTIVE);
}

#define VMX_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        VMX_TEST(test_vmx_init_waits_in_root_operation_for_vmxoff),
        VMX_TEST(test_vmx_abort_leaves_its_indicator_and_shuts_down),
        VMX_TEST(test_vmx_abort_ends_by_reset_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
