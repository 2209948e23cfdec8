/* Events on their way to a handler: nested exceptions, double and triple faults, software interrupts, the real-mode
 * table. SDM 3 "Interrupt 8-Double Fault Exception (#DF)", tables "Interrupt and Exception Classes" and "Conditions for
 * Generating a Double Fault". */
#include <stdlib.h>

#include "sim/core/debug.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/trace.h"
#include "sim/core/virt.h"
#include "sim/machine/machine.h"

enum exc_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };
enum nesting { SERIAL, DOUBLE, TRIPLE };

static enum exc_class class_of(const struct event *ev) {
    if (ev->type != EVT_HARD_EXC) return BENIGN;
    switch (ev->vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
    case VEC_CP:
        return CONTRIBUTORY;
    case VEC_PF:
    case VEC_VE:
        return PAGE_FAULT;
    case VEC_DF:
        return DOUBLE_FAULT;
    default:
        return BENIGN;
    }
}

static enum nesting nesting_of(const struct event *first, const struct event *second) {
    static const uint8_t table[4][4] = {
  /* second:        benign  contributory page fault double fault */
        [BENIGN] = {SERIAL, SERIAL, SERIAL, SERIAL},
        [CONTRIBUTORY] = {SERIAL, DOUBLE, SERIAL, SERIAL},
        [PAGE_FAULT] = {SERIAL, DOUBLE, DOUBLE, SERIAL},
        [DOUBLE_FAULT] = {SERIAL, TRIPLE, TRIPLE, TRIPLE},
    };
    return (enum nesting)table[class_of(first)][class_of(second)];
}

static struct history_entry entry_of(const struct cpu *cpu, const struct event *ev) {
    return (struct history_entry){.ev = *ev,
                                  .cs = cpu->seg[SEG_CS].sel,
                                  .mode = cpu->mode,
                                  .idt_limit = cpu->ctl.idtr.limit,
                                  .rip = cpu->rip,
                                  .icount = cpu_icount(cpu)};
}
static void remember(struct cpu *cpu, const struct event *ev) {
    cpu->history[cpu->history_count++ % EXC_HISTORY] = entry_of(cpu, ev);
}

static void ask_extension(struct cpu *cpu, const struct event *ev) {
    if (cpu->virt.guest) cpu->virt.ops->exception(cpu, ev);
}

/* ---- delivery ---- */

void deliver_ivt(struct cpu *cpu, unsigned vec, uint64_t table, uint32_t flags, uint32_t clear) {
    uint32_t entry = (uint32_t)mem_sys_read(cpu, (uint32_t)(table + vec * 4), 4);
    struct stack st;
    stack_current(cpu, &st);
    stack_put(cpu, &st, 2, flags);
    stack_put(cpu, &st, 2, cpu->seg[SEG_CS].sel);
    stack_put(cpu, &st, 2, cpu->rip);
    stack_commit(cpu, &st);
    seg_load_real(cpu, SEG_CS, (uint16_t)(entry >> 16));
    cpu->rip = entry & 0xFFFF;
    flags_load(cpu, flags_get(cpu) & ~clear);
    cpu_update_mode(cpu);
}

static void deliver_real(struct cpu *cpu, const struct event *ev) {
    if (ev->vector * 4u + 3 > cpu->ctl.idtr.limit) cpu_raise_err(cpu, VEC_GP, ev->vector * 8u + ERR_IDT);
    if (!cpu->unhandled.ev.valid && !mem_sys_read(cpu, (uint32_t)(cpu->ctl.idtr.base + ev->vector * 4), 4))
        cpu->unhandled = entry_of(cpu, ev);
    deliver_ivt(cpu, ev->vector, cpu->ctl.idtr.base, flags_get(cpu), FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
}

void deliver_event(struct cpu *cpu, const struct event *ev) {
    cpu->delivering = *ev;
    cpu->delivering.valid = true;
    if (trace_on(cpu->machine, TRACE_INT)) trace_event(cpu, ev);
    if (cpu_is_real(cpu))
        deliver_real(cpu, &cpu->delivering);
    else
        deliver_gate(cpu, &cpu->delivering);
    cpu->delivering.valid = false;
    cpu->intr.rep_partial = false;
}

/* What an exception leaves in registers besides the frame; not done when an extension took it. */
static void side_effects(struct cpu *cpu, const struct event *ev) {
    if (ev->type != EVT_HARD_EXC) return;
    if (ev->vector == VEC_PF) cpu->ctl.cr2 = ev->info;
    if (ev->vector == VEC_DB) debug_enter(cpu, ev->info);
}

void deliver_exception(struct cpu *cpu, const struct event *ev) {
    struct event outer = cpu->delivering, now = *ev;
    cpu_charge(cpu, 1); /* a loop of faults takes time too */
    remember(cpu, &now);
    ask_extension(cpu, &now);
    enum nesting nesting = outer.valid ? nesting_of(&outer, &now) : SERIAL;
    side_effects(cpu, &now);
    if (nesting == TRIPLE) {
        cpu->delivering.valid = false;
        cpu_triple_fault(cpu);
        return;
    }
    if (nesting == DOUBLE) {
        now = (struct event){.valid = true, .vector = VEC_DF, .type = EVT_HARD_EXC, .has_error = true};
        remember(cpu, &now);
        ask_extension(cpu, &now);
    }
    cpu->intr.activity = ACT_ACTIVE;
    deliver_event(cpu, &now);
}

void deliver_software(struct cpu *cpu, unsigned vec, enum event_type type, unsigned insn_len) {
    struct event ev = {.valid = true, .vector = (uint8_t)vec, .type = (uint8_t)type, .insn_len = (uint8_t)insn_len};
    if (type == EVT_PRIV_SOFT_EXC) { /* takes along what MOV SS held back */
        ev.info = cpu->dbg.pending;
        cpu->dbg.pending = 0;
    }
    ask_extension(cpu, &ev);
    if (type == EVT_PRIV_SOFT_EXC) debug_enter(cpu, ev.info);
    deliver_event(cpu, &ev);
}

static char *report_text(struct cpu *cpu, const char *why) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(out, "hvsim: %s shut the processor down\n", why);
    machine_report_cpu(cpu, out);
    fclose(out);
    return text;
}

void cpu_shutdown(struct cpu *cpu, const char *why) {
    cpu->intr.activity = ACT_SHUTDOWN;
    if (!cpu->machine->stop_report) cpu->machine->stop_report = report_text(cpu, why);
    machine_stop(cpu->machine, STOP_TRIPLE_FAULT);
}

void cpu_triple_fault(struct cpu *cpu) {
    if (cpu->virt.guest) cpu->virt.ops->event(cpu, VIRT_TRIPLE_FAULT);
    cpu_shutdown(cpu, "triple fault: an exception while #DF was being delivered");
}
