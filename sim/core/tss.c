/* Inner-level stacks from the task-state segment. SDM 3 "Stack Switching", "Task State Segment (TSS)", "Interrupt Stack
 * Table". */
#include "sim/core/mem.h"
#include "sim/core/seg.h"

static uint64_t tss_read(struct cpu *cpu, uint32_t off, unsigned size) {
    const struct seg *tr = &cpu->seg[SEG_TR];
    if (off + size - 1 > tr->limit) sel_fault(cpu, VEC_TS, tr->sel);
    uint64_t la = tr->base + off;
    return mem_sys_read(cpu, cpu_is_lma(cpu) ? la : (uint32_t)la, size);
}

void tss_stack(struct cpu *cpu, unsigned dpl, uint16_t *ss, uint64_t *sp) {
    if (cpu_is_lma(cpu)) {
        *sp = tss_read(cpu, 4 + 8 * dpl, 8);
        *ss = (uint16_t)dpl;
    } else if (cpu->seg[SEG_TR].ar & 8) { /* 32-bit TSS */
        uint64_t pair = tss_read(cpu, 4 + 8 * dpl, 8);
        *sp = (uint32_t)pair;
        *ss = (uint16_t)(pair >> 32);
    } else {
        uint32_t pair = (uint32_t)tss_read(cpu, 2 + 4 * dpl, 4);
        *sp = pair & 0xFFFF;
        *ss = (uint16_t)(pair >> 16);
    }
}

uint64_t tss_ist(struct cpu *cpu, unsigned ist) { return tss_read(cpu, 0x1C + 8 * ist, 8); }

static void inner_segment(struct cpu *cpu, unsigned dpl, uint16_t sel, struct stack *st) {
    struct desc d;
    if (sel_is_null(sel)) sel_fault(cpu, VEC_TS, sel);
    desc_fetch(cpu, sel, &d, VEC_TS);
    uint32_t ar = desc_ar(&d);
    if ((sel & 3u) != dpl || ar_dpl(ar) != dpl || (ar & (AR_S | AR_CODE | AR_RW)) != (AR_S | AR_RW))
        sel_fault(cpu, VEC_TS, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_SS, sel);
    desc_set_accessed(cpu, &d);
    st->ss = seg_from_desc(sel, &d);
    st->mask = ar & AR_DB ? 0xFFFFFFFFull : 0xFFFFull;
}

void stack_inner(struct cpu *cpu, unsigned dpl, struct stack *st) {
    uint16_t sel;
    uint64_t sp;
    tss_stack(cpu, dpl, &sel, &sp);
    *st = (struct stack){.sp = sp, .mask = ~0ull, .sys = dpl < 3, .err = sel};
    if (cpu_is_lma(cpu)) {
        st->ss = (struct seg){.sel = sel, .ar = AR_UNUSABLE | dpl << AR_DPL_SHIFT};
        st->err = 0;
    } else {
        inner_segment(cpu, dpl, sel, st);
        st->sp &= st->mask;
    }
}
