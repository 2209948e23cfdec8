/* Hardware task switches. SDM 3 "Task Management": "Task Switching", table "Exception Conditions Checked During a Task
 * Switch". */
#include "sim/core/cet.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/virt.h"

/* The dynamic and static fields of a TSS, in the order of the GPRs and of the segment registers ES CS SS DS FS GS. */
struct tss_image {
    uint32_t cr3, eip, eflags, gpr[8];
    uint16_t seg[6], ldt, link;
    bool trap;
    uint64_t ssp; /* ~0: none */
};

#define TSS_SSP 0x68 /* 4 bytes behind the 32-bit TSS of before */

/* Where they are. SDM 3, figures "32-Bit Task-State Segment" and "16-Bit TSS Format" */
struct tss_format {
    unsigned bytes; /* of a register slot */
    unsigned eip, gpr, seg, ldt;
    unsigned segs; /* 4 or 6 */
    uint32_t min_limit;
    unsigned dynamic_end; /* first byte after what a task switch saves */
};
static const struct tss_format formats[2] = {
    {.bytes = 2, .eip = 0x0E, .gpr = 0x12, .seg = 0x22, .ldt = 0x2A, .segs = 4, .min_limit = 0x2B, .dynamic_end = 0x2A},
    {.bytes = 4, .eip = 0x20, .gpr = 0x28, .seg = 0x48, .ldt = 0x60, .segs = 6, .min_limit = 0x67, .dynamic_end = 0x60},
};

static const struct tss_format *format_of(uint32_t ar) { return &formats[ar & 8 ? 1 : 0]; }

struct task {
    uint16_t sel;
    struct desc d;
    struct seg seg;
    const struct tss_format *format;
    const struct virt_task *how;
};

static uint64_t at(uint64_t base, unsigned off) { return (uint32_t)(base + off); }

/* ---- checks before anything changes ---- */

static void check_descriptor(struct cpu *cpu, struct task *t) {
    bool back = t->how->source == TASK_IRET;
    enum vector vec = back ? VEC_TS : VEC_GP;
    if (t->sel & 4) sel_fault(cpu, vec, t->sel);
    if (sel_is_null(t->sel)) sel_fault(cpu, vec, t->sel);
    desc_fetch(cpu, t->sel, &t->d, vec);
    uint32_t ar = desc_ar(&t->d), type = ar & (AR_S | AR_TYPE);
    bool busy = type == DESC_TSS_BUSY || type == DESC_TSS16_BUSY;
    bool available = type == DESC_TSS_AVAIL || type == DESC_TSS16_AVAIL;
    if (back ? !busy : !available) sel_fault(cpu, vec, t->sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, t->sel);
    t->seg = seg_from_desc(t->sel, &t->d);
    t->format = format_of(ar);
    if (t->seg.limit < t->format->min_limit) sel_fault(cpu, VEC_TS, t->sel);
}

/* Every byte that the switch touches is mapped: after this no page fault can come before the new task begins. */
static void probe(struct cpu *cpu, const struct task *t, const struct tss_format *old) {
    const struct insn *i = cpu->cur;
    const struct seg *tr = &cpu->seg[SEG_TR];
    if (tr->limit < old->min_limit) sel_fault(cpu, VEC_TS, tr->sel);
    mem_probe(cpu, i, at(tr->base, old->eip), old->dynamic_end - old->eip, MEM_RMW | MEM_SYS);
    mem_probe(cpu, i, at(t->seg.base, 0), t->format->min_limit + 1, MEM_READ | MEM_SYS);
    mem_probe(cpu, i, at(cpu->ctl.gdtr.base, tr->sel & 0xFFF8u), 8, MEM_RMW | MEM_SYS);
    mem_probe(cpu, i, t->d.la, 8, MEM_RMW | MEM_SYS);
    bool links = t->how->source == TASK_CALL || t->how->source == TASK_GATE;
    if (links) mem_probe(cpu, i, at(t->seg.base, 0), 2, MEM_RMW | MEM_SYS);
}

/* ---- images ---- */

static void tss_load(struct cpu *cpu, const struct task *t, struct tss_image *im) {
    const struct tss_format *f = t->format;
    uint64_t base = t->seg.base;
    *im = (struct tss_image){0};
    im->link = (uint16_t)mem_sys_read(cpu, at(base, 0), 2);
    if (f->bytes == 4) im->cr3 = (uint32_t)mem_sys_read(cpu, at(base, 0x1C), 4);
    im->eip = (uint32_t)mem_sys_read(cpu, at(base, f->eip), f->bytes);
    im->eflags = (uint32_t)mem_sys_read(cpu, at(base, f->eip + f->bytes), f->bytes);
    for (unsigned n = 0; n < 8; n++) {
        im->gpr[n] = (uint32_t)mem_sys_read(cpu, at(base, f->gpr + n * f->bytes), f->bytes);
        if (f->bytes == 2) im->gpr[n] |= 0xFFFF0000u & (uint32_t)cpu->gpr[n];
    }
    for (unsigned n = 0; n < f->segs; n++) im->seg[n] = (uint16_t)mem_sys_read(cpu, at(base, f->seg + n * f->bytes), 2);
    im->ldt = (uint16_t)mem_sys_read(cpu, at(base, f->ldt), 2);
    im->ssp = ~0ull;
    if ((cpu->ctl.cr4 & CR4_CET) && f->bytes == 4 && t->seg.limit >= TSS_SSP + 3 && t->how->source != TASK_IRET)
        im->ssp = mem_sys_read(cpu, at(base, TSS_SSP), 4);
    im->trap = f->bytes == 4 && (mem_sys_read(cpu, at(base, 0x64), 2) & 1);
}

static void tss_save(struct cpu *cpu, const struct tss_format *f, uint32_t flags) {
    uint64_t base = cpu->seg[SEG_TR].base;
    mem_sys_write(cpu, at(base, f->eip), f->bytes, cpu->rip);
    mem_sys_write(cpu, at(base, f->eip + f->bytes), f->bytes, flags);
    for (unsigned n = 0; n < 8; n++) mem_sys_write(cpu, at(base, f->gpr + n * f->bytes), f->bytes, cpu->gpr[n]);
    for (unsigned n = 0; n < f->segs; n++) mem_sys_write(cpu, at(base, f->seg + n * f->bytes), 2, cpu->seg[n].sel);
}

static void set_busy(struct cpu *cpu, uint64_t desc_la, bool busy) {
    uint64_t type = mem_sys_read(cpu, desc_la + 5, 1);
    mem_sys_write(cpu, desc_la + 5, 1, busy ? type | 2 : type & ~2ull);
}

/* ---- the new task's segments: faults from here on are its own ---- */

static void task_ldt(struct cpu *cpu, uint16_t sel) {
    struct desc d;
    if (sel_is_null(sel)) return;
    if (sel & 4) sel_fault(cpu, VEC_TS, sel);
    desc_fetch(cpu, sel, &d, VEC_TS);
    uint32_t ar = desc_ar(&d);
    if ((ar & (AR_S | AR_TYPE)) != DESC_LDT || !(ar & AR_P)) sel_fault(cpu, VEC_TS, sel);
    cpu->seg[SEG_LDTR] = seg_from_desc(sel, &d);
}

static void task_code(struct cpu *cpu, uint16_t sel) {
    struct desc d;
    unsigned rpl = sel & 3;
    if (sel_is_null(sel)) sel_fault(cpu, VEC_TS, sel);
    desc_fetch(cpu, sel, &d, VEC_TS);
    uint32_t ar = desc_ar(&d);
    if ((ar & (AR_S | AR_CODE)) != (AR_S | AR_CODE)) sel_fault(cpu, VEC_TS, sel);
    if (ar & AR_CONFORM ? ar_dpl(ar) > rpl : ar_dpl(ar) != rpl) sel_fault(cpu, VEC_TS, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
    desc_set_accessed(cpu, &d);
    seg_set(cpu, SEG_CS, sel, &d);
    cpu_update_mode(cpu);
}

static void task_stack(struct cpu *cpu, uint16_t sel) {
    struct desc d;
    if (sel_is_null(sel)) sel_fault(cpu, VEC_TS, sel);
    desc_fetch(cpu, sel, &d, VEC_TS);
    uint32_t ar = desc_ar(&d);
    if ((ar & (AR_S | AR_CODE | AR_RW)) != (AR_S | AR_RW)) sel_fault(cpu, VEC_TS, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_SS, sel);
    if (ar_dpl(ar) != cpu->cpl || (sel & 3u) != cpu->cpl) sel_fault(cpu, VEC_TS, sel);
    desc_set_accessed(cpu, &d);
    seg_set(cpu, SEG_SS, sel, &d);
    cpu_update_mode(cpu);
}

static void task_data(struct cpu *cpu, enum seg_id seg, uint16_t sel) {
    struct desc d;
    if (sel_is_null(sel)) return;
    desc_fetch(cpu, sel, &d, VEC_TS);
    uint32_t ar = desc_ar(&d);
    bool readable = (ar & AR_S) && (!(ar & AR_CODE) || (ar & AR_RW));
    if (!readable || !desc_visible(cpu, sel, ar)) sel_fault(cpu, VEC_TS, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
    desc_set_accessed(cpu, &d);
    seg_set(cpu, seg, sel, &d);
}

static void load_segments(struct cpu *cpu, const struct tss_image *im) {
    task_ldt(cpu, im->ldt);
    if (im->eflags & FLAG_VM) {
        for (unsigned n = 0; n < 6; n++) seg_load_real(cpu, (enum seg_id)n, im->seg[n]);
        cpu_set_cpl(cpu, 3);
        return;
    }
    task_code(cpu, im->seg[SEG_CS]);
    task_stack(cpu, im->seg[SEG_SS]);
    task_data(cpu, SEG_DS, im->seg[SEG_DS]);
    task_data(cpu, SEG_ES, im->seg[SEG_ES]);
    task_data(cpu, SEG_FS, im->seg[SEG_FS]);
    task_data(cpu, SEG_GS, im->seg[SEG_GS]);
}

/* ---- the switch ---- */

static uint8_t new_level(const struct tss_image *im) { return im->eflags & FLAG_VM ? 3 : im->seg[SEG_CS] & 3; }

/* Everything that cannot fault: the processor is the new task's, with no segment usable yet. */
static void become(struct cpu *cpu, const struct task *t, const struct tss_image *im) {
    cpu_commit_insn(cpu);
    cpu->seg[SEG_TR] = t->seg;
    cpu->seg[SEG_TR].ar |= 2; /* busy */
    cpu->ctl.cr0 |= CR0_TS;
    cpu->dbg.dr7 &= ~(uint64_t)(0x55 | DR7_LE);
    if (t->format->bytes == 4 && (cpu->ctl.cr0 & CR0_PG)) {
        cpu->ctl.cr3 = im->cr3;
        tlb_flush_current(cpu, false);
    }
    for (unsigned n = 0; n < 8; n++) cpu->gpr[n] = im->gpr[n];
    cpu->rip = im->eip;
    for (unsigned n = 0; n < 6; n++) cpu->seg[n] = (struct seg){.sel = im->seg[n], .ar = AR_UNUSABLE};
    cpu->seg[SEG_LDTR] = (struct seg){.sel = im->ldt, .ar = AR_UNUSABLE};
    cpu->cpl = new_level(im);
    flags_load(cpu, im->eflags);
    cpu_update_mode(cpu);
}

void task_switch(struct cpu *cpu, uint16_t tss_sel, const struct virt_task *how) {
    struct task t = {.sel = tss_sel, .how = how};
    struct tss_image im;
    struct cet_task cet = {.nests = how->source == TASK_CALL || how->source == TASK_GATE,
                           .returns = how->source == TASK_IRET};
    const struct tss_format *old = format_of(cpu->seg[SEG_TR].ar);
    uint64_t old_desc = at(cpu->ctl.gdtr.base, cpu->seg[SEG_TR].sel & 0xFFF8u);
    uint32_t flags = flags_get(cpu);

    check_descriptor(cpu, &t);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_TASK_SWITCH, tss_sel, (uint64_t)(uintptr_t)how);
    probe(cpu, &t, old);
    tss_load(cpu, &t, &im);
    bool paging = t.format->bytes == 4 && (cpu->ctl.cr0 & CR0_PG);
    if (paging && (cpu->ctl.cr4 & CR4_PAE) && !pdptes_load(cpu, im.cr3)) sel_fault(cpu, VEC_TS, tss_sel);

    cet_task_leave(cpu, new_level(&im), &cet);
    if (how->source == TASK_IRET) flags &= ~(uint32_t)FLAG_NT;
    if (how->source == TASK_GATE && event_sets_rf(cpu, &cpu->delivering)) flags |= FLAG_RF;
    tss_save(cpu, old, flags);
    if (!cet.nests) set_busy(cpu, old_desc, false);
    if (how->source != TASK_IRET) set_busy(cpu, t.d.la, true);
    if (cet.nests) {
        mem_sys_write(cpu, at(t.seg.base, 0), 2, cpu->seg[SEG_TR].sel);
        im.eflags |= FLAG_NT;
    }
    cet_task_commit(cpu, &cet);
    become(cpu, &t, &im);
    load_segments(cpu, &im);
    cet_task_enter(cpu, &cet, im.ssp, tss_sel);
    if (cpu->rip > cpu->seg[SEG_CS].limit) cpu_gp0(cpu);
    if (how->has_error) {
        struct stack st;
        stack_current(cpu, &st);
        stack_put(cpu, &st, t.format->bytes, how->error);
        stack_commit(cpu, &st);
    }
    if (im.trap) cpu->dbg.pending |= DR6_BT;
}
