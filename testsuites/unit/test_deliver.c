/* Delivery of events, nested exceptions, task switches, debug conditions, system-management mode. */
#include "core_world.h"
#include "sim/core/debug.h"
#include "sim/core/virt.h"

static void put_idt(struct cpu *cpu, unsigned vec, uint16_t sel, uint32_t off, uint32_t ar) {
    put_gate(cpu, IDT + vec * 8, sel, off, ar, 0);
}

static struct event exception(unsigned vec, uint32_t error) {
    return (struct event){.valid = true,
                          .vector = (uint8_t)vec,
                          .type = EVT_HARD_EXC,
                          .has_error = vector_has_error(vec),
                          .error = error};
}

/* As the run loop does: what a delivery raises is delivered in turn. */
static void raise_all(struct cpu *cpu, struct event first) {
    volatile bool begun = false;
    if (setjmp(cpu->landing) == 0 && !begun) {
        begun = true;
        deliver_exception(cpu, &first);
    } else {
        struct event ev = cpu->raised;
        deliver_exception(cpu, &ev);
    }
}

/* ---- through the tables ---- */

static void test_deliver_real_mode_pushes_three_words(void **state) {
    struct cpu *cpu = cpu_of(state);
    poke(cpu, 0x21 * 4, 4, 0x12345678);
    cpu->gpr[RSP] = 0x8000;
    cpu->rip = 0x1111;
    flags_load(cpu, FLAG_IF | FLAG_TF);
    struct event ev = {.valid = true, .vector = 0x21, .type = EVT_SOFT_INT, .insn_len = 2};
    cpu->ctl.idtr = (struct dtable){0, 0x3FF};
    ASSERT_QUIET(cpu, deliver_event(cpu, &ev));
    assert_int_equal(cpu->seg[SEG_CS].sel, 0x1234);
    assert_int_equal(cpu->rip, 0x5678);
    assert_int_equal(cpu->gpr[RSP], 0x7FFA);
    assert_int_equal(peek(cpu, 0x7FFA, 2), 0x1111);
    assert_int_equal(peek(cpu, 0x7FFC, 2), 0xF000);
    assert_int_equal(peek(cpu, 0x7FFE, 2) & 0x300, 0x300);
    assert_false(flags_get(cpu) & (FLAG_IF | FLAG_TF));
}

static void test_deliver_fault_pushes_error_and_rf(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_idt(cpu, VEC_GP, SEL_CODE0, 0x4000, AR_P | DESC_TRAP);
    flags_load(cpu, FLAG_IF);
    ASSERT_QUIET(cpu, raise_all(cpu, exception(VEC_GP, 0x55)));
    assert_int_equal(cpu->rip, 0x4000);
    assert_int_equal(cpu->gpr[RSP], STACK - 16);
    assert_int_equal(peek(cpu, STACK - 16, 4), 0x55);
    assert_int_equal(peek(cpu, STACK - 12, 4), 0x8000);
    assert_true(peek(cpu, STACK - 4, 4) & FLAG_RF);
    assert_true(flags_get(cpu) & FLAG_IF); /* trap gate */
}

static void test_deliver_to_inner_level_switches_stack(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    put_idt(cpu, 0x30, SEL_CODE0, 0x4000, AR_P | DPL(3) | DESC_INT);
    struct event ev = {.valid = true, .vector = 0x30, .type = EVT_SOFT_INT, .insn_len = 2};
    ASSERT_QUIET(cpu, deliver_event(cpu, &ev));
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->gpr[RSP], STACK + 0x1000 - 20);
    assert_int_equal(peek(cpu, STACK + 0x1000 - 4, 4), SEL_DATA3);
    assert_int_equal(peek(cpu, STACK + 0x1000 - 8, 4), STACK);
}

static void test_deliver_soft_int_needs_gate_dpl(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 3);
    put_idt(cpu, 0x3F, SEL_CODE0, 0x4000, AR_P | DESC_INT);
    struct event ev = {.valid = true, .vector = 0x3F, .type = EVT_SOFT_INT};
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0x3F << 3 | ERR_IDT, deliver_event(cpu, &ev));
    ev.vector = 0x40;
    cpu->delivering.valid = false;
    ASSERT_RAISES_ERR(cpu, VEC_GP, 0x40 << 3 | ERR_IDT, deliver_event(cpu, &ev)); /* beyond the limit */
}

static void test_deliver_external_interrupt_sets_ext(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_idt(cpu, 0x30, SEL_CODE0, 0x4000, DESC_INT); /* not present */
    struct event ev = {.valid = true, .vector = 0x30, .type = EVT_EXTERNAL};
    ASSERT_RAISES_ERR(cpu, VEC_NP, 0x30 << 3 | ERR_IDT | ERR_EXT, deliver_event(cpu, &ev));
}

static void test_deliver_64_bit_uses_ist_and_aligns(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    cpu->ctl.idtr.limit = 0xFFF;
    put_gate(cpu, IDT + VEC_PF * 16, SEL_CODE0, 0x4000, AR_P | DESC_INT, 1);
    poke(cpu, IDT + VEC_PF * 16 + 8, 8, 0);
    poke(cpu, TSS + 0x24, 8, STACK + 0x808);
    struct event ev = exception(VEC_PF, 2);
    ev.info = 0x123456789;
    ASSERT_QUIET(cpu, raise_all(cpu, ev));
    assert_int_equal(cpu->gpr[RSP], STACK + 0x800 - 48);
    assert_int_equal(peek(cpu, STACK + 0x800 - 48, 8), 2);
    assert_int_equal(peek(cpu, STACK + 0x800 - 16, 8), STACK); /* the old RSP */
    assert_int_equal(cpu->ctl.cr2, 0x123456789);
}

/* ---- nested exceptions ---- */

static void test_deliver_contributory_after_contributory_double_faults(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_idt(cpu, VEC_NP, SEL_FREE | 4, 0, AR_P | DESC_INT); /* no LDT: #GP while #NP is delivered */
    put_idt(cpu, VEC_DF, SEL_CODE0, 0x4000, AR_P | DESC_INT);
    raise_all(cpu, exception(VEC_NP, 8));
    assert_int_equal(cpu->rip, 0x4000);
    assert_int_equal(peek(cpu, cpu->gpr[RSP], 4), 0);
    assert_int_equal(cpu->history[(cpu->history_count - 1) % EXC_HISTORY].ev.vector, VEC_DF);
}

static void test_deliver_benign_first_is_serial(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_idt(cpu, VEC_UD, SEL_FREE | 4, 0, AR_P | DESC_INT);
    put_idt(cpu, VEC_GP, SEL_CODE0, 0x4000, AR_P | DESC_INT);
    raise_all(cpu, exception(VEC_UD, 0));
    assert_int_equal(cpu->rip, 0x4000);
    assert_int_equal(peek(cpu, cpu->gpr[RSP], 4), SEL_FREE | 4 | ERR_EXT);
}

static void test_deliver_fault_in_double_fault_shuts_down(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct machine *m = *state;
    world_protected(cpu, 0);
    cpu->ctl.idtr.limit = 0;
    struct event df = exception(VEC_DF, 0);
    raise_all(cpu, df);
    assert_int_equal(cpu->intr.activity, ACT_SHUTDOWN);
    assert_int_equal(m->stop, STOP_TRIPLE_FAULT);
    assert_non_null(strstr(m->stop_report, "#DF"));
}

/* ---- tasks ---- */

static void new_task(struct cpu *cpu) {
    poke(cpu, TSS2 + 0x20, 4, 0x6000);
    poke(cpu, TSS2 + 0x24, 4, FLAG_FIXED);
    poke(cpu, TSS2 + 0x28, 4, 0xAAAA);         /* EAX */
    poke(cpu, TSS2 + 0x38, 4, STACK + 0x2000); /* ESP */
    poke(cpu, TSS2 + 0x4C, 2, SEL_CODE0);
    for (unsigned off = 0x48; off <= 0x5C; off += 4)
        if (off != 0x4C) poke(cpu, TSS2 + off, 2, SEL_DATA0);
    poke(cpu, TSS2 + 0x60, 2, 0);
}

static void test_task_call_links_and_iret_returns(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    new_task(cpu);
    cpu->gpr[RAX] = 0x1111;
    ASSERT_QUIET(cpu, far_call(cpu, SEL_TSS2, 0, 4));
    assert_int_equal(cpu->rip, 0x6000);
    assert_int_equal(cpu->gpr[RAX], 0xAAAA);
    assert_int_equal(cpu->seg[SEG_TR].sel, SEL_TSS2);
    assert_true(flags_get(cpu) & FLAG_NT);
    assert_true(cpu->ctl.cr0 & CR0_TS);
    assert_int_equal(peek(cpu, TSS2, 2), SEL_TSS);
    assert_int_equal(peek(cpu, TSS + 0x20, 4), 0x8000);
    assert_int_equal(peek(cpu, TSS + 0x28, 4), 0x1111);
    assert_int_equal(get_ar(cpu, SEL_TSS) & 15, DESC_TSS_BUSY);
    assert_int_equal(get_ar(cpu, SEL_TSS2) & 15, DESC_TSS_BUSY);

    cpu->rip = 0x6010;
    ASSERT_QUIET(cpu, iret(cpu, 4));
    assert_int_equal(cpu->rip, 0x8000);
    assert_int_equal(cpu->gpr[RAX], 0x1111);
    assert_int_equal(get_ar(cpu, SEL_TSS2) & 15, DESC_TSS_AVAIL);
    assert_int_equal(peek(cpu, TSS2 + 0x20, 4), 0x6010);
    assert_false(peek(cpu, TSS2 + 0x24, 4) & FLAG_NT);
}

static void test_task_jmp_frees_the_old_task(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    new_task(cpu);
    ASSERT_QUIET(cpu, far_jmp(cpu, SEL_TSS2, 0, 4));
    assert_int_equal(get_ar(cpu, SEL_TSS) & 15, DESC_TSS_AVAIL);
    assert_false(flags_get(cpu) & FLAG_NT);
}

static void test_task_checks_before_the_switch(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    new_task(cpu);
    ASSERT_RAISES_ERR(cpu, VEC_GP, SEL_TSS, far_jmp(cpu, SEL_TSS, 0, 4)); /* busy */
    put_desc(cpu, SEL_TSS2, TSS2, 0x66, AR_P | DESC_TSS_AVAIL);
    ASSERT_RAISES_ERR(cpu, VEC_TS, SEL_TSS2, far_jmp(cpu, SEL_TSS2, 0, 4));
    put_desc(cpu, SEL_TSS2, TSS2, 0x67, DESC_TSS_AVAIL);
    ASSERT_RAISES_ERR(cpu, VEC_NP, SEL_TSS2, far_jmp(cpu, SEL_TSS2, 0, 4));
    assert_int_equal(cpu->seg[SEG_TR].sel, SEL_TSS);
}

static void test_task_bad_segment_faults_in_the_new_task(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    new_task(cpu);
    poke(cpu, TSS2 + 0x50, 2, SEL_CODE0); /* SS */
    ASSERT_RAISES_ERR(cpu, VEC_TS, SEL_CODE0, far_jmp(cpu, SEL_TSS2, 0, 4));
    assert_int_equal(cpu->seg[SEG_TR].sel, SEL_TSS2);
    assert_int_equal(cpu->rip, 0x6000);
}

static void test_task_gate_pushes_error_code(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    new_task(cpu);
    put_idt(cpu, VEC_GP, SEL_TSS2, 0, AR_P | DESC_TASK_GATE);
    ASSERT_QUIET(cpu, raise_all(cpu, exception(VEC_GP, 0x1234)));
    assert_int_equal(cpu->seg[SEG_TR].sel, SEL_TSS2);
    assert_int_equal(cpu->gpr[RSP], STACK + 0x2000 - 4);
    assert_int_equal(peek(cpu, cpu->gpr[RSP], 4), 0x1234);
}

/* ---- debug ---- */

static void test_debug_breakpoint_is_a_fault_unless_rf(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    assert_true(dr_set(cpu, 0, 0x8000));
    assert_true(dr_set(cpu, 7, 1));
    ASSERT_RAISES(cpu, VEC_DB, debug_fetch_breakpoint(cpu));
    assert_int_equal(cpu->raised.info, 1);
    cpu->rflags |= FLAG_RF;
    ASSERT_QUIET(cpu, debug_fetch_breakpoint(cpu));
}

static void test_debug_data_breakpoint_matches_its_range(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_true(dr_set(cpu, 1, 0x1002));
    assert_true(dr_set(cpu, 7, 4 | 0xDu << 20)); /* L1, write, 4 bytes: 1000H-1003H */
    debug_data_access(cpu, 0x1003, 1, MEM_READ);
    assert_int_equal(cpu->dbg.pending, 0);
    debug_data_access(cpu, 0x0FFF, 2, MEM_WRITE);
    assert_int_equal(cpu->dbg.pending, 2);
    cpu->dbg.pending = 0;
    debug_data_access(cpu, 0x1004, 4, MEM_WRITE);
    assert_int_equal(cpu->dbg.pending, 0);
}

static void test_debug_registers_fixed_bits(void **state) {
    struct cpu *cpu = cpu_of(state);
    assert_false(dr_set(cpu, 7, 1ull << 32));
    assert_true(dr_set(cpu, 7, 0));
    assert_int_equal(dr_get(cpu, 7), DR7_FIXED);
    assert_true(dr_set(cpu, 6, 0));
    assert_int_equal(dr_get(cpu, 6), DR6_INIT);
}

/* ---- SMM ---- */

static void test_smm_round_trip_restores_everything(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    for (unsigned r = 0; r < 16; r++) cpu->gpr[r] = 0x1111111111111111ull * r;
    flags_load(cpu, FLAG_IF | FLAG_CF);
    struct ctl_regs ctl = cpu->ctl;
    struct seg seg[SEG_COUNT];
    memcpy(seg, cpu->seg, sizeof seg);
    smm_enter(cpu);
    assert_true(cpu->intr.smm);
    assert_true(cpu_is_real(cpu));
    assert_int_equal(cpu->seg[SEG_CS].base + cpu->rip, 0x38000);
    memset(cpu->gpr, 0, 16 * sizeof cpu->gpr[0]);
    phys_write(cpu, 0x30000 + 0x8000 + 0x7EF8, 4, 0xA0000); /* Intel's SMBASE field: relocation */
    ASSERT_QUIET(cpu, smm_leave(cpu));
    assert_false(cpu->intr.smm);
    assert_int_equal(cpu->rip, 0x8000);
    assert_int_equal(cpu->msr.smbase, 0xA0000);
    for (unsigned r = 0; r < 16; r++) assert_int_equal(cpu->gpr[r], 0x1111111111111111ull * r);
    assert_int_equal(flags_get(cpu), FLAG_FIXED | FLAG_IF | FLAG_CF);
    assert_memory_equal(&ctl, &cpu->ctl, sizeof ctl);
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        assert_int_equal(seg[s].sel, cpu->seg[s].sel);
        assert_int_equal(seg[s].base, cpu->seg[s].base);
        assert_int_equal(seg[s].limit, cpu->seg[s].limit);
        assert_int_equal(seg[s].ar, cpu->seg[s].ar);
    }
}

static void test_smm_illegal_state_shuts_down(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    smm_enter(cpu);
    phys_write(cpu, 0x30000 + 0x8000 + 0x7E40, 8, 0); /* CR4: IA-32e mode without PAE */
    ASSERT_QUIET(cpu, smm_leave(cpu));
    assert_int_equal(cpu->intr.activity, ACT_SHUTDOWN);
    assert_int_equal(cpu->machine->stop, STOP_TRIPLE_FAULT);
}

/* What the handler writes into Intel's map before RSM; does RSM shut the processor down? */
static bool rsm_shuts_down(void **state, bool long_mode, unsigned offset, unsigned size, uint64_t val) {
    struct cpu *cpu = cpu_of(state);
    cpu_reset(cpu, false);
    if (long_mode)
        world_long(cpu);
    else
        world_protected(cpu, 0);
    smm_enter(cpu);
    phys_write(cpu, 0x30000 + 0x8000 + offset, size, val);
    ASSERT_QUIET(cpu, smm_leave(cpu));
    return cpu->intr.activity == ACT_SHUTDOWN;
}

static void test_smm_rsm_refuses_vm_in_ia32e_mode_and_pcide_outside(void **state) {
    enum { RFLAGS_AT = 0x7FE8, CR4_AT = 0x7E40 };
    assert_true(rsm_shuts_down(state, true, RFLAGS_AT, 8, FLAG_FIXED | FLAG_VM));
    assert_false(rsm_shuts_down(state, false, RFLAGS_AT, 8, FLAG_FIXED | FLAG_VM));
    assert_true(rsm_shuts_down(state, false, CR4_AT, 8, CR4_PCIDE));
    assert_false(rsm_shuts_down(state, true, CR4_AT, 8, CR4_PCIDE | CR4_PAE));
}

/* SDM 3, "Prioritization of Concurrent Events": an SMI comes before the traps of the previous instruction, which are
 * not lost by that. */
static void test_smm_keeps_a_pending_debug_trap(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_protected(cpu, 0);
    put_idt(cpu, VEC_DB, SEL_CODE0, 0x4000, AR_P | DESC_TRAP);
    cpu->dbg.pending = DR6_BS;
    cpu->intr.attn |= ATTN_SMI | ATTN_DEBUG;
    cpu->time.budget_start = cpu->budget = 1;
    ASSERT_QUIET(cpu, cpu_service_attention(cpu));
    assert_true(cpu->intr.smm);
    assert_int_equal(cpu->seg[SEG_CS].base + cpu->rip, 0x38000);
    assert_int_equal(cpu->dbg.pending, 0);
    ASSERT_QUIET(cpu, smm_leave(cpu));
    assert_int_equal(cpu->rip, 0x8000);
    ASSERT_QUIET(cpu, cpu_service_attention(cpu));
    assert_int_equal(cpu->rip, 0x4000);
    assert_int_equal(peek(cpu, STACK - 12, 4), 0x8000);
    assert_true(cpu->dbg.dr6 & DR6_BS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_deliver_real_mode_pushes_three_words),
        TEST(test_deliver_fault_pushes_error_and_rf),
        TEST(test_deliver_to_inner_level_switches_stack),
        TEST(test_deliver_soft_int_needs_gate_dpl),
        TEST(test_deliver_external_interrupt_sets_ext),
        TEST(test_deliver_64_bit_uses_ist_and_aligns),
        TEST(test_deliver_contributory_after_contributory_double_faults),
        TEST(test_deliver_benign_first_is_serial),
        TEST(test_deliver_fault_in_double_fault_shuts_down),
        TEST(test_task_call_links_and_iret_returns),
        TEST(test_task_jmp_frees_the_old_task),
        TEST(test_task_checks_before_the_switch),
        TEST(test_task_bad_segment_faults_in_the_new_task),
        TEST(test_task_gate_pushes_error_code),
        TEST(test_debug_breakpoint_is_a_fault_unless_rf),
        TEST(test_debug_data_breakpoint_matches_its_range),
        TEST(test_debug_registers_fixed_bits),
        TEST(test_smm_round_trip_restores_everything),
        TEST(test_smm_illegal_state_shuts_down),
        TEST(test_smm_rsm_refuses_vm_in_ia32e_mode_and_pcide_outside),
        TEST(test_smm_keeps_a_pending_debug_trap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
