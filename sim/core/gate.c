/* Delivery through the IDT: gates, privilege changes, virtual-8086 mode, IA-32e mode. SDM 2 "INT n/INTO/INT3/INT1"; SDM
 * 3 "Interrupt and Exception Handling", "64-Bit Mode Exception and Interrupt Handling", "Interrupt and Exception
 * Handling in Virtual-8086 Mode". */
#include "sim/core/cet.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/virt.h"

struct idt_gate {
    unsigned type, dpl, ist, bytes; /* bytes: of each push */
    bool present;
    uint16_t sel;
    uint64_t off;
};

static _Noreturn void idt_fault(struct cpu *cpu, enum vector vec, unsigned n) {
    cpu_raise_err(cpu, vec, n << 3 | ERR_IDT);
}

static void read_gate(struct cpu *cpu, unsigned n, struct idt_gate *g) {
    bool lma = cpu_is_lma(cpu);
    unsigned size = lma ? 16 : 8;
    if (n * size + size - 1 > cpu->ctl.idtr.limit) idt_fault(cpu, VEC_GP, n);
    uint64_t la = cpu->ctl.idtr.base + n * size;
    if (!lma) la = (uint32_t)la;
    uint64_t raw = mem_sys_read(cpu, la, 8);
    uint32_t lo = (uint32_t)raw, hi = (uint32_t)(raw >> 32);
    *g = (struct idt_gate){.type = hi >> 8 & 0x1F,
                           .dpl = hi >> 13 & 3,
                           .ist = lma ? hi & 7 : 0,
                           .present = hi >> 15 & 1,
                           .sel = (uint16_t)(lo >> 16),
                           .off = (lo & 0xFFFF) | (hi & 0xFFFF0000u)};
    g->bytes = lma ? 8 : g->type & 8 ? 4 : 2;
    if (lma) g->off |= mem_sys_read(cpu, la + 8, 8) << 32;
    if (g->bytes == 2) g->off &= 0xFFFF;
}

static bool is_gate_type(unsigned type, bool lma) {
    if (type == DESC_INT || type == DESC_TRAP) return true;
    return !lma && (type == DESC_TASK_GATE || type == DESC_INT16 || type == DESC_TRAP16);
}

/* The handler's code segment; returns the privilege level it runs at. */
static unsigned select_code(struct cpu *cpu, const struct idt_gate *g, struct desc *code) {
    if (sel_is_null(g->sel)) cpu_gp0(cpu);
    desc_fetch(cpu, g->sel, code, VEC_GP);
    uint32_t ar = desc_ar(code);
    if ((ar & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || ar_dpl(ar) > cpu->cpl) sel_fault(cpu, VEC_GP, g->sel);
    if (cpu_is_lma(cpu) && (ar & (AR_L | AR_DB)) != AR_L) sel_fault(cpu, VEC_GP, g->sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, g->sel);
    if (cpu_is_vm86(cpu) && ((ar & AR_CONFORM) || ar_dpl(ar) != 0)) sel_fault(cpu, VEC_GP, g->sel);
    return ar & AR_CONFORM ? cpu->cpl : ar_dpl(ar);
}

/* SDM 3, "Stack Switching in IA-32e Mode" and "64-Bit Mode Stack Frame": aligned to 16 bytes */
static void stack_for_64(struct cpu *cpu, const struct idt_gate *g, unsigned cpl, struct stack *st) {
    if (cpl != cpu->cpl) {
        *st = (struct stack){.mask = ~0ull, .sys = cpl < 3};
        st->ss = (struct seg){.sel = (uint16_t)cpl, .ar = AR_UNUSABLE | cpl << AR_DPL_SHIFT};
        uint16_t ss;
        if (g->ist)
            st->sp = tss_ist(cpu, g->ist);
        else
            tss_stack(cpu, cpl, &ss, &st->sp);
    } else {
        *st = (struct stack){.ss = cpu->seg[SEG_SS], .mask = ~0ull};
        st->sp = g->ist ? tss_ist(cpu, g->ist) : cpu->gpr[RSP];
    }
    st->sp &= ~15ull;
}

static void push_vm86_segments(struct cpu *cpu, struct stack *st, unsigned bytes) {
    static const enum seg_id order[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
    for (unsigned k = 0; k < 4; k++) stack_put(cpu, st, bytes, cpu->seg[order[k]].sel);
}

static void null_vm86_segments(struct cpu *cpu) {
    static const enum seg_id all[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
    for (unsigned k = 0; k < 4; k++) seg_set_null(cpu, all[k], 0);
}

static uint32_t flags_image(const struct cpu *cpu, const struct event *ev) {
    uint32_t flags = flags_get(cpu);
    if (event_is_soft(ev)) flags &= ~(uint32_t)FLAG_RF;
    return event_sets_rf(cpu, ev) ? flags | FLAG_RF : flags;
}

static void through_code(struct cpu *cpu, const struct event *ev, const struct idt_gate *g) {
    struct desc code;
    struct stack st;
    bool vm86 = cpu_is_vm86(cpu), lma = cpu_is_lma(cpu);
    unsigned cpl = select_code(cpu, g, &code);
    bool inner = cpl != cpu->cpl;
    struct cet_target to = {.cpl = cpl, .is_64 = lma};
    struct cet_transfer cet;

    if (lma)
        stack_for_64(cpu, g, cpl, &st);
    else if (inner)
        stack_inner(cpu, cpl, &st);
    else
        stack_current(cpu, &st);
    cet_event_stack(cpu, &to, g->ist);
    check_code_offset(cpu, desc_ar(&code), desc_limit(&code), g->off);
    desc_set_accessed(cpu, &code);

    uint32_t flags = flags_image(cpu, ev);
    if (vm86) push_vm86_segments(cpu, &st, g->bytes);
    if (inner || lma) {
        stack_put(cpu, &st, g->bytes, cpu->seg[SEG_SS].sel);
        stack_put(cpu, &st, g->bytes, cpu->gpr[RSP]);
    }
    stack_put(cpu, &st, g->bytes, flags);
    stack_put(cpu, &st, g->bytes, cpu->seg[SEG_CS].sel);
    stack_put(cpu, &st, g->bytes, cpu->rip);
    if (ev->has_error) stack_put(cpu, &st, g->bytes, ev->error);
    if (inner)
        cet_enter_inner(cpu, &to, &cet);
    else
        cet_event_same(cpu, &to, &cet);
    cet_commit(cpu, &cet);
    cet_track(cpu, cpl);

    uint32_t clear = FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | (g->type & 1 ? 0 : FLAG_IF);
    flags_load(cpu, flags & ~clear);
    if (vm86) null_vm86_segments(cpu);
    cpu->seg[SEG_SS] = st.ss;
    stack_commit(cpu, &st);
    seg_set(cpu, SEG_CS, (uint16_t)((g->sel & 0xFFFC) | cpl), &code);
    cpu->rip = g->off;
    cpu_update_mode(cpu);
}

static void through_task(struct cpu *cpu, const struct event *ev, const struct idt_gate *g) {
    struct virt_task how = {.source = TASK_GATE, .has_error = ev->has_error, .error = ev->error};
    task_switch(cpu, g->sel, &how);
}

/* SDM 3, "Software Interrupt Handling Methods While Operating in Virtual-8086 Mode". true: delivered to the 8086
 * program itself */
static bool redirect_vme(struct cpu *cpu, unsigned n) {
    const struct seg *tr = &cpu->seg[SEG_TR];
    uint32_t flags = flags_get(cpu), iopl = flags & FLAG_IOPL;
    if (!(cpu->ctl.cr4 & CR4_VME)) return false;
    if (tr->limit < 0x67) cpu_gp0(cpu);
    uint32_t map = (uint32_t)mem_sys_read(cpu, (uint32_t)(tr->base + 0x66), 2);
    uint32_t byte = map - 32 + n / 8;
    if (map < 32 || byte > tr->limit) cpu_gp0(cpu);
    if (mem_sys_read(cpu, (uint32_t)(tr->base + byte), 1) >> (n & 7) & 1) return false;
    if (iopl == FLAG_IOPL) {
        deliver_ivt(cpu, n, 0, flags, FLAG_IF | FLAG_TF | FLAG_RF);
    } else {
        uint32_t image = (flags & ~(uint32_t)FLAG_IF) | FLAG_IOPL | (flags & FLAG_VIF ? FLAG_IF : 0);
        deliver_ivt(cpu, n, 0, image, FLAG_VIF | FLAG_TF | FLAG_RF);
    }
    return true;
}

void deliver_gate(struct cpu *cpu, const struct event *ev) {
    struct idt_gate g;
    unsigned n = ev->vector;
    if (cpu_is_vm86(cpu) && ev->type == EVT_SOFT_INT) {
        if (redirect_vme(cpu, n)) return;
        if ((cpu->rflags & FLAG_IOPL) != FLAG_IOPL) cpu_gp0(cpu);
    }
    read_gate(cpu, n, &g);
    if (!is_gate_type(g.type, cpu_is_lma(cpu))) idt_fault(cpu, VEC_GP, n);
    if (event_is_soft(ev) && g.dpl < cpu->cpl) idt_fault(cpu, VEC_GP, n);
    if (!g.present) idt_fault(cpu, VEC_NP, n);
    if (g.type == DESC_TASK_GATE)
        through_task(cpu, ev, &g);
    else
        through_code(cpu, ev, &g);
}
