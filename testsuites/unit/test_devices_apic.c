/* Local APICs and the I/O APIC: priorities, EOI, timer modes, messages between processors, x2APIC rules,
 * level-triggered lines. */
#include "testsuites/unit/fixture.h"

#include "sim/arch/msr.h"
#include "sim/dev/lapic.h"

#define BASE_MSR_DEFAULT 0xFEE00900ull

static void apic_write(struct machine *m, unsigned cpu, unsigned reg, uint32_t val) {
    lapic_mmio_write(m->cpu[cpu], reg << 4, 4, val);
}
static uint32_t apic_read(struct machine *m, unsigned cpu, unsigned reg) {
    return (uint32_t)lapic_mmio_read(m->cpu[cpu], reg << 4, 4);
}
static void enable(struct machine *m) {
    for (unsigned i = 0; i < m->cpu_count; i++) apic_write(m, i, APIC_SVR, 0x1FF);
}
static bool asks(struct machine *m, unsigned cpu) { return m->cpu[cpu]->intr.attn & ATTN_INTR; }
static void self_ipi(struct machine *m, uint8_t vector) { apic_write(m, 0, APIC_ICR, 0x40000u | vector); }
static void send(struct machine *m, unsigned from, uint8_t dest, uint32_t low) {
    apic_write(m, from, APIC_ICR2, (uint32_t)dest << 24);
    apic_write(m, from, APIC_ICR, low);
}

/* ---- reset and priorities ---- */

static void test_lapic_reset_values(void **state) {
    struct machine *m = *state;
    assert_int_equal(m->cpu[0]->msr.apic_base, BASE_MSR_DEFAULT);
    assert_int_equal(apic_read(m, 0, APIC_SVR), 0xFF);
    assert_int_equal(apic_read(m, 0, APIC_DFR), 0xFFFFFFFF);
    assert_int_equal(apic_read(m, 0, APIC_VERSION) & 0xFF, 0x14);
    for (unsigned reg = APIC_LVT_TIMER; reg <= APIC_LVT_ERROR; reg++)
        assert_int_equal(apic_read(m, 0, reg), LVT_MASKED);
}

static void test_lapic_software_disabled_drops_fixed(void **state) {
    struct machine *m = *state;
    self_ipi(m, 0x40);
    assert_false(asks(m, 0));
    assert_int_equal(apic_read(m, 0, APIC_IRR + 2), 0);
}

static void test_lapic_fixed_interrupt_moves_irr_to_isr(void **state) {
    struct machine *m = *state;
    enable(m);
    self_ipi(m, 0x40);
    assert_true(asks(m, 0));
    assert_int_equal(apic_read(m, 0, APIC_IRR + 2), 1);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x40);
    assert_int_equal(apic_read(m, 0, APIC_IRR + 2), 0);
    assert_int_equal(apic_read(m, 0, APIC_ISR + 2), 1);
    assert_false(asks(m, 0));
    apic_write(m, 0, APIC_EOI, 0);
    assert_int_equal(apic_read(m, 0, APIC_ISR + 2), 0);
}

static void test_lapic_same_class_waits_for_eoi(void **state) {
    struct machine *m = *state;
    enable(m);
    self_ipi(m, 0x41);
    lapic_acknowledge(m->cpu[0]);
    self_ipi(m, 0x4F);
    assert_false(asks(m, 0));
    self_ipi(m, 0x50);
    assert_true(asks(m, 0));
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x50);
    apic_write(m, 0, APIC_EOI, 0);
    apic_write(m, 0, APIC_EOI, 0);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x4F);
}

static void test_lapic_tpr_blocks_its_class_and_below(void **state) {
    struct machine *m = *state;
    enable(m);
    lapic_set_tpr(m->cpu[0], 0x40);
    self_ipi(m, 0x4F);
    assert_false(asks(m, 0));
    assert_int_equal(apic_read(m, 0, APIC_PPR), 0x40);
    lapic_set_tpr(m->cpu[0], 0x3F);
    assert_true(asks(m, 0));
}

static void test_lapic_nothing_pending_gives_spurious_vector(void **state) {
    struct machine *m = *state;
    enable(m);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0xFF);
    assert_int_equal(apic_read(m, 0, APIC_ISR + 7), 0);
}

static void test_lapic_8259_through_lint0_extint(void **state) {
    struct machine *m = *state;
    outb(m, 0x20, 0x11), outb(m, 0x21, 0x20), outb(m, 0x21, 4), outb(m, 0x21, 1), outb(m, 0x21, 0);
    machine_set_irq(m, 4, true);
    assert_false(asks(m, 0)); /* LINT0 is masked at reset */
    lapic_set_virtual_wire(m->cpu[0]);
    assert_true(asks(m, 0));
    bool pic = false;
    assert_true(lapic_pending(m->cpu[0], &pic) >= 0);
    assert_true(pic);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x24);
    assert_false(asks(m, 0));
}

/* ---- errors ---- */

static void test_lapic_illegal_vector_sets_esr(void **state) {
    struct machine *m = *state;
    enable(m);
    apic_write(m, 0, APIC_LVT_ERROR, 0xFE);
    self_ipi(m, 5);
    assert_int_equal(apic_read(m, 0, APIC_ESR), 0); /* not latched before a write */
    apic_write(m, 0, APIC_ESR, 0);
    assert_int_equal(apic_read(m, 0, APIC_ESR), ESR_SEND_VECTOR);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0xFE);
}

static void test_lapic_unknown_register_sets_esr(void **state) {
    struct machine *m = *state;
    enable(m);
    apic_read(m, 0, 0x3A);
    apic_write(m, 0, APIC_ESR, 0);
    assert_int_equal(apic_read(m, 0, APIC_ESR), ESR_REGISTER);
}

/* ---- timer ---- */

static void test_lapic_timer_one_shot(void **state) {
    struct machine *m = *state;
    enable(m);
    apic_write(m, 0, APIC_TIMER_DIVIDE, 3); /* by 16 */
    apic_write(m, 0, APIC_LVT_TIMER, 0x30);
    apic_write(m, 0, APIC_TIMER_INITIAL, 1000);
    fixture_advance(m, 8000);
    assert_int_equal(apic_read(m, 0, APIC_TIMER_CURRENT), 500);
    assert_false(asks(m, 0));
    fixture_advance(m, 8000);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x30);
    apic_write(m, 0, APIC_EOI, 0);
    fixture_advance(m, 100000);
    assert_int_equal(apic_read(m, 0, APIC_TIMER_CURRENT), 0);
    assert_false(asks(m, 0));
}

/* SDM 3, "APIC Timer": it counts the core crystal clock where CPUID leaf 15H tells it. Linux takes it from there. */
static void test_lapic_timer_counts_the_crystal_clock(void **state) {
    struct machine *m = *state;
    struct cpuid_regs r;
    cpuid(m->cpu[0], 0x15, 0, &r);
    assert_int_equal((uint64_t)r.ecx * r.ebx / r.eax, CYCLES_PER_SEC); /* the TSC */
    enable(m);
    apic_write(m, 0, APIC_TIMER_DIVIDE, 0xB);
    apic_write(m, 0, APIC_LVT_TIMER, 0x30);
    apic_write(m, 0, APIC_TIMER_INITIAL, r.ecx / 1000);
    fixture_advance(m, CYCLES_PER_SEC / 1000 - 1);
    assert_false(asks(m, 0));
    fixture_advance(m, 1);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x30);
}

static void test_lapic_timer_periodic(void **state) {
    struct machine *m = *state;
    enable(m);
    apic_write(m, 0, APIC_TIMER_DIVIDE, 0xB); /* by 1 */
    apic_write(m, 0, APIC_LVT_TIMER, 0x20030);
    apic_write(m, 0, APIC_TIMER_INITIAL, 1000);
    for (unsigned i = 0; i < 5; i++) {
        fixture_advance(m, 999);
        assert_false(asks(m, 0));
        fixture_advance(m, 1);
        assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x30);
        apic_write(m, 0, APIC_EOI, 0);
    }
    apic_write(m, 0, APIC_TIMER_INITIAL, 0);
    fixture_advance(m, 10000);
    assert_false(asks(m, 0));
}

static void test_lapic_timer_masked_counts_silently(void **state) {
    struct machine *m = *state;
    enable(m);
    apic_write(m, 0, APIC_TIMER_DIVIDE, 0xB);
    apic_write(m, 0, APIC_LVT_TIMER, 0x10030);
    apic_write(m, 0, APIC_TIMER_INITIAL, 1000);
    fixture_advance(m, 600);
    assert_int_equal(apic_read(m, 0, APIC_TIMER_CURRENT), 400);
    fixture_advance(m, 600);
    assert_false(asks(m, 0));
}

static void test_lapic_timer_tsc_deadline(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    enable(m);
    lapic_set_deadline(cpu, 12345);
    assert_int_equal(lapic_get_deadline(cpu), 0); /* not in that mode yet */
    apic_write(m, 0, APIC_LVT_TIMER, 0x40030);
    apic_write(m, 0, APIC_TIMER_INITIAL, 100); /* ignored */
    cpu->time.tsc_offset = 1000000;
    lapic_set_deadline(cpu, m->now + 1000000 + 5000);
    fixture_advance(m, 4999);
    assert_false(asks(m, 0));
    fixture_advance(m, 1);
    assert_true(asks(m, 0));
    assert_int_equal(lapic_get_deadline(cpu), 0); /* disarmed */
}

static void test_lapic_timer_deadline_in_the_past_fires_at_once(void **state) {
    struct machine *m = *state;
    enable(m);
    fixture_advance(m, 1000);
    apic_write(m, 0, APIC_LVT_TIMER, 0x40030);
    lapic_set_deadline(m->cpu[0], 1);
    fixture_advance(m, 0);
    assert_true(asks(m, 0));
}

static void test_lapic_timer_deadline_follows_the_tsc(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    enable(m);
    apic_write(m, 0, APIC_LVT_TIMER, 0x40030);
    assert_true(msr_write(cpu, MSR_TSC, 0));
    lapic_set_deadline(cpu, 5000);
    assert_true(msr_write(cpu, MSR_TSC, 4000)); /* 1000 cycles are left, not 5000 */
    fixture_advance(m, 999);
    assert_false(asks(m, 0));
    fixture_advance(m, 1);
    assert_true(asks(m, 0));
}

static void test_lapic_timer_deadline_beyond_the_clock_never_comes(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    enable(m);
    fixture_advance(m, 1000000);
    apic_write(m, 0, APIC_LVT_TIMER, 0x40030);
    cpu->time.tsc_offset = 0 - m->now; /* the TSC is behind the clock: the sum of clock and deadline overflows */
    lapic_set_deadline(cpu, ~0ull);
    fixture_advance(m, 1000000);
    assert_false(asks(m, 0));
}

/* ---- messages ---- */

static void test_ipi_physical_destination(void **state) {
    struct machine *m = *state;
    enable(m);
    send(m, 0, 2, 0x60);
    assert_false(asks(m, 0) || asks(m, 1));
    assert_int_equal(lapic_acknowledge(m->cpu[2]), 0x60);
}

static void test_ipi_broadcast_and_shorthands(void **state) {
    struct machine *m = *state;
    enable(m);
    send(m, 0, 0xFF, 0x60);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(lapic_acknowledge(m->cpu[i]), 0x60);
    send(m, 1, 0, 0xC0070); /* all but self */
    assert_true(asks(m, 0) && !asks(m, 1) && asks(m, 2));
    send(m, 1, 0, 0x80080); /* all */
    assert_true(asks(m, 1));
}

static void test_ipi_logical_flat_and_cluster(void **state) {
    struct machine *m = *state;
    enable(m);
    for (unsigned i = 0; i < 3; i++) apic_write(m, i, APIC_LDR, 1u << (24 + i));
    send(m, 0, 0x05, 0x860);
    assert_true(asks(m, 0) && !asks(m, 1) && asks(m, 2));
    for (unsigned i = 0; i < 3; i++) lapic_acknowledge(m->cpu[i]);
    for (unsigned i = 0; i < 3; i++) {
        apic_write(m, i, APIC_DFR, 0);
        apic_write(m, i, APIC_LDR, (i / 2 << 4 | 1u << i % 2) << 24); /* clusters 0: two processors, 1: one */
    }
    send(m, 0, 0x11, 0x870);
    assert_false(asks(m, 0) || asks(m, 1));
    assert_true(asks(m, 2));
}

static void test_ipi_lowest_priority_goes_to_lowest_ppr(void **state) {
    struct machine *m = *state;
    enable(m);
    for (unsigned i = 0; i < 3; i++) apic_write(m, i, APIC_LDR, 1u << (24 + i));
    lapic_set_tpr(m->cpu[0], 0x50);
    lapic_set_tpr(m->cpu[1], 0x20);
    lapic_set_tpr(m->cpu[2], 0x30);
    send(m, 0, 0x07, 0x960);
    assert_true(!asks(m, 0) && asks(m, 1) && !asks(m, 2));
}

static void test_ipi_nmi_init_sipi_smi_set_attention(void **state) {
    struct machine *m = *state;
    m->cpu[1]->intr.attn = 0;
    send(m, 0, 1, 0x400);
    assert_int_equal(m->cpu[1]->intr.attn, ATTN_NMI);
    send(m, 0, 1, 0x500);
    assert_int_equal(m->cpu[1]->intr.attn, ATTN_NMI | ATTN_INIT);
    send(m, 0, 1, 0x608);
    assert_int_equal(m->cpu[1]->intr.attn, ATTN_NMI | ATTN_INIT | ATTN_SIPI);
    assert_int_equal(m->cpu[1]->intr.sipi_vector, 8);
    send(m, 0, 1, 0x200);
    assert_true(m->cpu[1]->intr.attn & ATTN_SMI);
    m->cpu[2]->intr.attn = 0;
    send(m, 0, 2, 0x8500); /* INIT level de-assert */
    assert_int_equal(m->cpu[2]->intr.attn, 0);
}

/* ---- x2APIC ---- */

static void test_x2apic_state_transitions(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    assert_false(lapic_set_base(cpu, 0xFEE00500)); /* EXTD without EN */
    assert_true(lapic_set_base(cpu, 0xFEE00100));
    assert_false(lapic_set_base(cpu, 0xFEE00D00)); /* disabled to x2APIC */
    assert_true(lapic_set_base(cpu, 0xFEE00900));
    assert_true(lapic_set_base(cpu, 0xFEE00D00));
    assert_false(lapic_set_base(cpu, 0xFEE00900)); /* x2APIC to xAPIC */
    assert_true(lapic_set_base(cpu, 0xFEE00100));
    assert_false(lapic_set_base(cpu, 0xFEE00900 | 1)); /* reserved bit */
    assert_false(lapic_set_base(cpu, 1ull << 60 | 0xFEE00900));
}

static void test_x2apic_msrs_exist_in_that_mode_only(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    uint64_t val;
    assert_false(lapic_msr_read(cpu, 0x802, &val));
    assert_true(lapic_set_base(cpu, 0xFEE00D00));
    assert_true(lapic_msr_read(cpu, 0x802, &val));
    assert_int_equal(val, 0);
    assert_true(lapic_msr_read(cpu, 0x80D, &val));
    assert_int_equal(val, 1);                       /* logical ID: cluster 0, bit 0 */
    assert_false(lapic_msr_read(cpu, 0x80E, &val)); /* no DFR */
    assert_false(lapic_msr_read(cpu, 0x831, &val)); /* ICR is one register */
    assert_false(lapic_msr_read(cpu, 0x80B, &val)); /* EOI is write-only */
}

static void test_x2apic_reserved_bits_are_refused(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    assert_true(lapic_set_base(cpu, 0xFEE00D00));
    assert_false(lapic_msr_write(cpu, 0x80B, 1));       /* EOI: 0 only */
    assert_false(lapic_msr_write(cpu, 0x828, 1));       /* ESR: 0 only */
    assert_false(lapic_msr_write(cpu, 0x802, 0));       /* ID is read-only */
    assert_false(lapic_msr_write(cpu, 0x808, 0x100));   /* TPR */
    assert_false(lapic_msr_write(cpu, 0x80F, 1 << 13)); /* SVR */
    assert_false(lapic_msr_write(cpu, 0x830, 1 << 20)); /* ICR */
    assert_true(lapic_msr_write(cpu, 0x808, 0xFF));
    assert_true(lapic_msr_write(cpu, 0x80B, 0));
}

static void test_x2apic_self_ipi_and_32_bit_destination(void **state) {
    struct machine *m = *state;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(lapic_set_base(m->cpu[i], m->cpu[i]->msr.apic_base | 0x400));
        assert_true(lapic_msr_write(m->cpu[i], 0x80F, 0x1FF));
    }
    assert_true(lapic_msr_write(m->cpu[0], 0x83F, 0x61));
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x61);
    assert_true(lapic_msr_write(m->cpu[0], 0x830, 2ull << 32 | 0x62));
    assert_int_equal(lapic_acknowledge(m->cpu[2]), 0x62);
    assert_true(lapic_msr_write(m->cpu[0], 0x830, 0x6ull << 32 | 0x873)); /* logical, cluster 0, bits 1 and 2 */
    assert_true(!asks(m, 0) && asks(m, 1) && asks(m, 2));
}

/* ---- I/O APIC ---- */

static uint32_t ioapic_get(struct machine *m, uint8_t index) {
    mmio_write(m, 0xFEC00000, 4, index);
    return (uint32_t)mmio_read(m, 0xFEC00010, 4);
}
static void ioapic_set(struct machine *m, uint8_t index, uint32_t val) {
    mmio_write(m, 0xFEC00000, 4, index);
    mmio_write(m, 0xFEC00010, 4, val);
}

static void test_ioapic_version_and_masked_reset(void **state) {
    struct machine *m = *state;
    assert_int_equal(ioapic_get(m, 1), 0x170020);
    for (uint8_t pin = 0; pin < 24; pin++) assert_int_equal(ioapic_get(m, (uint8_t)(0x10 + 2 * pin)), 0x10000);
}

static void test_ioapic_edge_line_delivers_once(void **state) {
    struct machine *m = *state;
    enable(m);
    ioapic_set(m, 0x18, 0x44); /* pin 4 */
    machine_set_irq(m, 4, true);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x44);
    apic_write(m, 0, APIC_EOI, 0);
    assert_false(asks(m, 0));
    machine_set_irq(m, 4, false);
    machine_set_irq(m, 4, true);
    assert_true(asks(m, 0));
}

static void test_ioapic_irq0_arrives_on_pin_2(void **state) {
    struct machine *m = *state;
    enable(m);
    ioapic_set(m, 0x14, 0x42);
    machine_set_irq(m, 0, false);
    machine_set_irq(m, 0, true);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x42);
}

static void test_ioapic_level_line_waits_for_eoi(void **state) {
    struct machine *m = *state;
    enable(m);
    ioapic_set(m, 0x30, 0x8050); /* pin 16, level */
    machine_set_irq(m, 16, true);
    assert_true(ioapic_get(m, 0x30) & 1 << 14); /* remote IRR */
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x50);
    assert_int_equal(apic_read(m, 0, APIC_TMR + 2), 1 << 16);
    apic_write(m, 0, APIC_EOI, 0); /* still asserted: comes again */
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x50);
    machine_set_irq(m, 16, false);
    apic_write(m, 0, APIC_EOI, 0);
    assert_false(asks(m, 0));
    assert_false(ioapic_get(m, 0x30) & 1 << 14);
}

static void test_ioapic_level_refused_comes_when_the_lapic_is_enabled(void **state) {
    struct machine *m = *state;
    ioapic_set(m, 0x30, 0x8050);
    machine_set_irq(m, 16, true); /* the local APIC is software-disabled */
    assert_false(ioapic_get(m, 0x30) & 1 << 14);
    enable(m);
    assert_true(ioapic_get(m, 0x30) & 1 << 14);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x50);
}

static void test_ioapic_edge_refused_comes_when_the_lapic_is_enabled(void **state) {
    struct machine *m = *state;
    ioapic_set(m, 0x18, 0x44);
    machine_set_irq(m, 4, true);
    machine_set_irq(m, 4, false);
    assert_true(ioapic_get(m, 0x18) & 1 << 12); /* delivery status: send pending */
    ioapic_set(m, 0x18, 0x45);                  /* still to be sent, with another vector */
    assert_true(ioapic_get(m, 0x18) & 1 << 12);
    enable(m);
    assert_int_equal(lapic_acknowledge(m->cpu[0]), 0x45);
    assert_false(ioapic_get(m, 0x18) & 1 << 12);
    apic_write(m, 0, APIC_EOI, 0);
    assert_false(asks(m, 0));
}

static void test_ioapic_edge_refused_then_masked_is_dropped(void **state) {
    struct machine *m = *state;
    ioapic_set(m, 0x18, 0x44);
    machine_set_irq(m, 4, true);
    ioapic_set(m, 0x18, 0x10044);
    assert_false(ioapic_get(m, 0x18) & 1 << 12);
    ioapic_set(m, 0x18, 0x44);
    enable(m);
    assert_false(asks(m, 0));
}

static void test_ioapic_eoi_suppressed_needs_its_register(void **state) {
    struct machine *m = *state;
    apic_write(m, 0, APIC_SVR, 0x11FF); /* no EOI broadcast */
    ioapic_set(m, 0x30, 0x8050);
    machine_set_irq(m, 16, true);
    lapic_acknowledge(m->cpu[0]);
    machine_set_irq(m, 16, false);
    apic_write(m, 0, APIC_EOI, 0);
    assert_true(ioapic_get(m, 0x30) & 1 << 14);
    mmio_write(m, 0xFEC00040, 4, 0x50);
    assert_false(ioapic_get(m, 0x30) & 1 << 14);
}

static void test_ioapic_masked_level_line_delivers_when_unmasked(void **state) {
    struct machine *m = *state;
    enable(m);
    ioapic_set(m, 0x30, 0x18050);
    machine_set_irq(m, 16, true);
    assert_false(asks(m, 0));
    ioapic_set(m, 0x30, 0x8050);
    assert_true(asks(m, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_lapic_reset_values),
        TEST(test_lapic_software_disabled_drops_fixed),
        TEST(test_lapic_fixed_interrupt_moves_irr_to_isr),
        TEST(test_lapic_same_class_waits_for_eoi),
        TEST(test_lapic_tpr_blocks_its_class_and_below),
        TEST(test_lapic_nothing_pending_gives_spurious_vector),
        TEST(test_lapic_8259_through_lint0_extint),
        TEST(test_lapic_illegal_vector_sets_esr),
        TEST(test_lapic_unknown_register_sets_esr),
        TEST(test_lapic_timer_one_shot),
        TEST(test_lapic_timer_counts_the_crystal_clock),
        TEST(test_lapic_timer_periodic),
        TEST(test_lapic_timer_masked_counts_silently),
        TEST(test_lapic_timer_tsc_deadline),
        TEST(test_lapic_timer_deadline_in_the_past_fires_at_once),
        TEST(test_lapic_timer_deadline_follows_the_tsc),
        TEST(test_lapic_timer_deadline_beyond_the_clock_never_comes),
        TEST_SMP(test_ipi_physical_destination),
        TEST_SMP(test_ipi_broadcast_and_shorthands),
        TEST_SMP(test_ipi_logical_flat_and_cluster),
        TEST_SMP(test_ipi_lowest_priority_goes_to_lowest_ppr),
        TEST_SMP(test_ipi_nmi_init_sipi_smi_set_attention),
        TEST(test_x2apic_state_transitions),
        TEST(test_x2apic_msrs_exist_in_that_mode_only),
        TEST(test_x2apic_reserved_bits_are_refused),
        TEST_SMP(test_x2apic_self_ipi_and_32_bit_destination),
        TEST(test_ioapic_version_and_masked_reset),
        TEST(test_ioapic_edge_line_delivers_once),
        TEST(test_ioapic_irq0_arrives_on_pin_2),
        TEST(test_ioapic_level_line_waits_for_eoi),
        TEST(test_ioapic_level_refused_comes_when_the_lapic_is_enabled),
        TEST(test_ioapic_edge_refused_comes_when_the_lapic_is_enabled),
        TEST(test_ioapic_edge_refused_then_masked_is_dropped),
        TEST(test_ioapic_eoi_suppressed_needs_its_register),
        TEST(test_ioapic_masked_level_line_delivers_when_unmasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
