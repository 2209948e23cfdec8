/* Far JMP and CALL: to code segments, through call gates, to tasks. SDM 2 "JMP", "CALL"; SDM 3 "Accessing a Code
 * Segment Through a Call Gate". */
#include "sim/core/cet.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/virt.h"

static bool is_code(uint32_t ar) { return (ar & (AR_S | AR_CODE)) == (AR_S | AR_CODE); }

/* Install the checked code segment at privilege level `cpl` and go to `rip`. */
static void enter_code(struct cpu *cpu, uint16_t sel, const struct desc *d, unsigned cpl, uint64_t rip) {
    cet_track(cpu, cpl);
    seg_set(cpu, SEG_CS, (uint16_t)((sel & 0xFFFC) | cpl), d);
    cpu->rip = rip;
    cpu_update_mode(cpu);
}

static uint64_t offset_of_size(uint64_t off, unsigned opsize) {
    return opsize == 2 ? (uint16_t)off : opsize == 4 ? (uint32_t)off : off;
}

/* ---- direct ---- */

static void check_direct(struct cpu *cpu, uint16_t sel, const struct desc *d) {
    uint32_t ar = desc_ar(d);
    if (ar_is_64(cpu, ar) && (ar & AR_DB)) sel_fault(cpu, VEC_GP, sel);
    if (ar & AR_CONFORM) {
        if (ar_dpl(ar) > cpu->cpl) sel_fault(cpu, VEC_GP, sel);
    } else if ((sel & 3u) > cpu->cpl || ar_dpl(ar) != cpu->cpl) {
        sel_fault(cpu, VEC_GP, sel);
    }
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
}

/* The return address onto a stack. */
static void push_return(struct cpu *cpu, struct stack *st, unsigned bytes) {
    stack_put(cpu, st, bytes, cpu->seg[SEG_CS].sel);
    stack_put(cpu, st, bytes, cpu->rip);
}

/* The return address onto the current stack and shadow stack: a call that stays at CPL. `mask`: of the stack pointer.
 */
static void call_same(struct cpu *cpu, const struct desc *code, unsigned bytes, uint64_t mask) {
    const struct cet_target to = {.cpl = cpu->cpl, .is_64 = ar_is_64(cpu, desc_ar(code))};
    struct cet_transfer cet;
    struct stack st;
    stack_current(cpu, &st);
    st.mask |= mask;
    push_return(cpu, &st, bytes);
    cet_call_same(cpu, &to, &cet);
    cet_commit(cpu, &cet);
    stack_commit(cpu, &st);
}

static void direct(struct cpu *cpu, uint16_t sel, struct desc *d, uint64_t off, unsigned opsize, bool call) {
    check_direct(cpu, sel, d);
    off = offset_of_size(off, opsize);
    check_code_offset(cpu, desc_ar(d), desc_limit(d), off);
    desc_set_accessed(cpu, d);
    if (call) call_same(cpu, d, opsize, 0);
    enter_code(cpu, sel, d, cpu->cpl, off);
}

/* ---- gates ---- */

struct call_gate {
    uint16_t sel;
    uint64_t off;
    unsigned count, bytes; /* parameters, and the size of each push */
};

static void read_gate(struct cpu *cpu, uint16_t sel, struct desc *d, struct call_gate *g) {
    bool lma = cpu_is_lma(cpu), wide = desc_ar(d) & 8;
    g->sel = (uint16_t)(d->lo >> 16);
    g->off = wide ? (d->lo & 0xFFFF) | (d->hi & 0xFFFF0000u) : d->lo & 0xFFFF;
    g->count = lma ? 0 : d->hi & 0x1F;
    g->bytes = lma ? 8 : wide ? 4 : 2;
    if (!lma) return;
    desc_fetch_upper(cpu, sel, d, VEC_GP);
    if (d->upper >> 40 & 0x1F) sel_fault(cpu, VEC_GP, sel);
    g->off |= d->upper << 32;
}

static void check_gate(struct cpu *cpu, uint16_t sel, const struct desc *d) {
    uint32_t ar = desc_ar(d);
    if (ar_dpl(ar) < cpu->cpl || ar_dpl(ar) < (sel & 3u)) sel_fault(cpu, VEC_GP, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
}

/* The code segment that a call gate names */
static void gate_target(struct cpu *cpu, const struct call_gate *g, struct desc *code, bool call) {
    if (sel_is_null(g->sel)) cpu_gp0(cpu);
    desc_fetch(cpu, g->sel, code, VEC_GP);
    uint32_t ar = desc_ar(code);
    bool lower_only = !call && !(ar & AR_CONFORM);
    if (!is_code(ar) || ar_dpl(ar) > cpu->cpl || (lower_only && ar_dpl(ar) != cpu->cpl)) sel_fault(cpu, VEC_GP, g->sel);
    if (cpu_is_lma(cpu) && (ar & (AR_L | AR_DB)) != AR_L) sel_fault(cpu, VEC_GP, g->sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, g->sel);
}

/* Parameters move from the caller's stack to the new one. */
static void copy_parameters(struct cpu *cpu, const struct call_gate *g, struct stack *to) {
    uint64_t val[31];
    struct stack from;
    stack_current(cpu, &from);
    for (unsigned k = 0; k < g->count; k++) val[k] = stack_take(cpu, &from, g->bytes);
    for (unsigned k = g->count; k-- > 0;) stack_put(cpu, to, g->bytes, val[k]);
}

static void call_inner(struct cpu *cpu, const struct call_gate *g, struct desc *code) {
    unsigned dpl = ar_dpl(desc_ar(code));
    const struct cet_target to = {.cpl = dpl, .is_64 = ar_is_64(cpu, desc_ar(code)), .ssp = cpu->cet.pl_ssp[dpl]};
    struct cet_transfer cet;
    struct stack st;
    stack_inner(cpu, dpl, &st);
    check_code_offset(cpu, desc_ar(code), desc_limit(code), g->off);
    desc_set_accessed(cpu, code);
    stack_put(cpu, &st, g->bytes, cpu->seg[SEG_SS].sel);
    stack_put(cpu, &st, g->bytes, cpu->gpr[RSP]);
    copy_parameters(cpu, g, &st);
    push_return(cpu, &st, g->bytes);
    cet_enter_inner(cpu, &to, &cet);
    cet_commit(cpu, &cet);
    cpu->seg[SEG_SS] = st.ss;
    stack_commit(cpu, &st);
    enter_code(cpu, g->sel, code, dpl, g->off);
}

static void call_gate(struct cpu *cpu, uint16_t sel, struct desc *d, bool call) {
    struct call_gate g;
    struct desc code;
    check_gate(cpu, sel, d);
    read_gate(cpu, sel, d, &g);
    gate_target(cpu, &g, &code, call);
    uint32_t ar = desc_ar(&code);
    if (call && !(ar & AR_CONFORM) && ar_dpl(ar) < cpu->cpl) {
        call_inner(cpu, &g, &code);
        return;
    }
    check_code_offset(cpu, ar, desc_limit(&code), g.off);
    desc_set_accessed(cpu, &code);
    if (call) call_same(cpu, &code, g.bytes, cpu_is_lma(cpu) ? ~0ull : 0);
    enter_code(cpu, g.sel, &code, cpu->cpl, g.off);
}

static void far_system(struct cpu *cpu, uint16_t sel, struct desc *d, bool call) {
    struct virt_task how = {.source = call ? TASK_CALL : TASK_JMP};
    unsigned type = desc_ar(d) & AR_TYPE;
    bool lma = cpu_is_lma(cpu);
    if (type == DESC_CALL || (type == DESC_CALL16 && !lma)) {
        call_gate(cpu, sel, d, call);
    } else if (!lma && type == DESC_TASK_GATE) {
        check_gate(cpu, sel, d);
        task_switch(cpu, (uint16_t)(d->lo >> 16), &how);
    } else if (!lma && (type == DESC_TSS_AVAIL || type == DESC_TSS16_AVAIL)) {
        uint32_t ar = desc_ar(d);
        if (ar_dpl(ar) < cpu->cpl || ar_dpl(ar) < (sel & 3u)) sel_fault(cpu, VEC_GP, sel);
        task_switch(cpu, sel, &how);
    } else {
        sel_fault(cpu, VEC_GP, sel);
    }
}

/* ---- entry points ---- */

static void far_real(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned opsize, bool call) {
    off = offset_of_size(off, opsize);
    if (off > cpu->seg[SEG_CS].limit) cpu_gp0(cpu);
    if (call) {
        struct stack st;
        stack_current(cpu, &st);
        push_return(cpu, &st, opsize);
        stack_commit(cpu, &st);
    }
    seg_load_real(cpu, SEG_CS, sel);
    cpu->rip = off;
    cpu_update_mode(cpu);
}

static void far_transfer(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned opsize, bool call) {
    struct desc d;
    if (!cpu_is_prot(cpu)) {
        far_real(cpu, sel, off, opsize, call);
        return;
    }
    if (sel_is_null(sel)) cpu_gp0(cpu);
    desc_fetch(cpu, sel, &d, VEC_GP);
    if (is_code(desc_ar(&d)))
        direct(cpu, sel, &d, off, opsize, call);
    else if (desc_ar(&d) & AR_S)
        sel_fault(cpu, VEC_GP, sel);
    else
        far_system(cpu, sel, &d, call);
}

void far_jmp(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned opsize_bytes) {
    far_transfer(cpu, sel, off, opsize_bytes, false);
}

void far_call(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned opsize_bytes) {
    far_transfer(cpu, sel, off, opsize_bytes, true);
}
