/* Far RET and IRET in all their forms. SDM 2 "RET", "IRET/IRETD/IRETQ". */
#include "sim/core/cet.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/virt.h"

/* Flags that any program may change, then what privilege adds. SDM 2, "POPF/POPFD/POPFQ" and "IRET" */
uint32_t flags_writable(const struct cpu *cpu, unsigned opsize_bytes) {
    uint32_t mask = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;
    unsigned iopl = (cpu->rflags & FLAG_IOPL) >> 12;
    if (opsize_bytes > 2) mask |= FLAG_AC | FLAG_ID;
    if (cpu->cpl <= iopl) mask |= FLAG_IF;
    if (cpu->cpl == 0) mask |= FLAG_IOPL;
    return mask;
}

static void flags_replace(struct cpu *cpu, uint32_t val, uint32_t mask) {
    flags_load(cpu, (flags_get(cpu) & ~mask) | (val & mask));
}

/* What a far return pops, and where it goes. */
struct far_return {
    unsigned opsize;
    uint64_t rip;
    uint16_t cs, ss;
    uint64_t rsp;
    struct desc code, stack;
    bool ss_null;
};

/* ---- common checks ---- */

static void fetch_code(struct cpu *cpu, struct far_return *r) {
    uint16_t sel = r->cs;
    unsigned rpl = sel & 3;
    if (sel_is_null(sel)) cpu_gp0(cpu);
    desc_fetch(cpu, sel, &r->code, VEC_GP);
    uint32_t ar = desc_ar(&r->code);
    if ((ar & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || rpl < cpu->cpl) sel_fault(cpu, VEC_GP, sel);
    if (ar_is_64(cpu, ar) && (ar & AR_DB)) sel_fault(cpu, VEC_GP, sel);
    if (ar & AR_CONFORM ? ar_dpl(ar) > rpl : ar_dpl(ar) != rpl) sel_fault(cpu, VEC_GP, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
}

static void fetch_stack(struct cpu *cpu, struct far_return *r) {
    unsigned rpl = r->cs & 3;
    r->ss_null = sel_is_null(r->ss);
    if (r->ss_null) {
        if (!ar_is_64(cpu, desc_ar(&r->code)) || rpl == 3 || (r->ss & 3u) != rpl) cpu_gp0(cpu);
        return;
    }
    desc_fetch(cpu, r->ss, &r->stack, VEC_GP);
    uint32_t ar = desc_ar(&r->stack);
    if ((r->ss & 3u) != rpl || (ar & (AR_S | AR_CODE | AR_RW)) != (AR_S | AR_RW) || ar_dpl(ar) != rpl)
        sel_fault(cpu, VEC_GP, r->ss);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_SS, r->ss);
}

static void check_offset(struct cpu *cpu, struct far_return *r) {
    check_code_offset(cpu, desc_ar(&r->code), desc_limit(&r->code), r->rip);
    desc_set_accessed(cpu, &r->code);
}

/* SS:RSP popped; the size of the new stack decides how much of RSP is written. */
static void install_stack(struct cpu *cpu, const struct far_return *r) {
    struct stack st = {.sp = r->rsp, .mask = 0xFFFF};
    if (r->ss_null)
        seg_set_null(cpu, SEG_SS, r->ss);
    else
        seg_set(cpu, SEG_SS, r->ss, &r->stack);
    if (ar_is_64(cpu, desc_ar(&r->code)))
        st.mask = ~0ull;
    else if (cpu->seg[SEG_SS].ar & AR_DB)
        st.mask = 0xFFFFFFFF;
    st.sp &= st.mask;
    stack_commit(cpu, &st);
}

static void install_code(struct cpu *cpu, const struct far_return *r) {
    seg_set(cpu, SEG_CS, r->cs, &r->code);
    cpu->rip = r->rip;
}

/* The shadow stack: the last checks, and what may be written before anything else is. */
static void return_shadow(struct cpu *cpu, const struct far_return *r, bool is_iret) {
    uint32_t ar = desc_ar(&r->code);
    bool is_64 = ar_is_64(cpu, ar);
    uint64_t lip = is_64 ? r->rip : (uint32_t)(desc_base(&r->code) + r->rip);
    const struct cet_target to = {.cpl = r->cs & 3u, .is_64 = is_64, .cs = r->cs, .lip = lip};
    struct cet_transfer cet;
    if (to.cpl == cpu->cpl)
        cet_return_same(cpu, &to, is_iret, &cet);
    else
        cet_return_outer(cpu, &to, &cet);
    cet_commit(cpu, &cet);
}

/* ---- RET ---- */

static void ret_real(struct cpu *cpu, unsigned opsize, unsigned pop_bytes) {
    struct stack st;
    stack_current(cpu, &st);
    uint64_t rip = stack_take(cpu, &st, opsize);
    uint16_t sel = (uint16_t)stack_take(cpu, &st, opsize);
    if (rip > cpu->seg[SEG_CS].limit) cpu_gp0(cpu);
    st.sp = (st.sp + pop_bytes) & st.mask;
    stack_commit(cpu, &st);
    seg_load_real(cpu, SEG_CS, sel);
    cpu->rip = rip;
    cpu_update_mode(cpu);
}

void far_ret(struct cpu *cpu, unsigned opsize_bytes, unsigned pop_bytes) {
    struct far_return r = {.opsize = opsize_bytes};
    struct stack st;
    if (!cpu_is_prot(cpu)) {
        ret_real(cpu, opsize_bytes, pop_bytes);
        return;
    }
    stack_current(cpu, &st);
    r.rip = stack_take(cpu, &st, opsize_bytes);
    r.cs = (uint16_t)stack_take(cpu, &st, opsize_bytes);
    fetch_code(cpu, &r);
    st.sp = (st.sp + pop_bytes) & st.mask;
    if ((r.cs & 3) == cpu->cpl) {
        check_offset(cpu, &r);
        return_shadow(cpu, &r, false);
        stack_commit(cpu, &st);
        install_code(cpu, &r);
    } else {
        r.rsp = stack_take(cpu, &st, opsize_bytes) + pop_bytes;
        r.ss = (uint16_t)stack_take(cpu, &st, opsize_bytes);
        fetch_stack(cpu, &r);
        check_offset(cpu, &r);
        if (!r.ss_null) desc_set_accessed(cpu, &r.stack);
        return_shadow(cpu, &r, false);
        install_stack(cpu, &r);
        install_code(cpu, &r);
        seg_drop_inner(cpu, cpu->cpl);
    }
    cpu_update_mode(cpu);
}

/* ---- IRET ---- */

static void iret_real(struct cpu *cpu, unsigned opsize) {
    struct stack st;
    stack_current(cpu, &st);
    uint64_t rip = stack_take(cpu, &st, opsize);
    uint16_t sel = (uint16_t)stack_take(cpu, &st, opsize);
    uint32_t flags = (uint32_t)stack_take(cpu, &st, opsize);
    if (rip > cpu->seg[SEG_CS].limit) cpu_gp0(cpu);
    uint32_t mask = flags_writable(cpu, opsize) | (opsize > 2 ? FLAG_RF : 0);
    stack_commit(cpu, &st);
    seg_load_real(cpu, SEG_CS, sel);
    cpu->rip = rip;
    flags_replace(cpu, flags, mask);
    cpu_update_mode(cpu);
}

/* SDM 3, "Method 5: Software Interrupt Handling" and IRET with CR4.VME = 1: IF goes to VIF. */
static void iret_vme(struct cpu *cpu) {
    struct stack st;
    stack_current(cpu, &st);
    uint64_t rip = stack_take(cpu, &st, 2);
    uint16_t sel = (uint16_t)stack_take(cpu, &st, 2);
    uint32_t flags = (uint32_t)stack_take(cpu, &st, 2);
    if ((flags & FLAG_TF) || ((flags & FLAG_IF) && (cpu->rflags & FLAG_VIP))) cpu_gp0(cpu);
    stack_commit(cpu, &st);
    seg_load_real(cpu, SEG_CS, sel);
    cpu->rip = rip;
    if (flags & FLAG_IF) flags |= FLAG_VIF;
    flags_replace(cpu, flags, FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_VIF);
    cpu_update_mode(cpu);
}

static void iret_vm86(struct cpu *cpu, unsigned opsize) {
    if ((cpu->rflags & FLAG_IOPL) == FLAG_IOPL)
        iret_real(cpu, opsize);
    else if ((cpu->ctl.cr4 & CR4_VME) && opsize == 2)
        iret_vme(cpu);
    else
        cpu_gp0(cpu);
}

static void iret_task(struct cpu *cpu) {
    const struct seg *tr = &cpu->seg[SEG_TR];
    struct virt_task how = {.source = TASK_IRET};
    uint16_t link = (uint16_t)mem_sys_read(cpu, (uint32_t)tr->base, 2);
    task_switch(cpu, link, &how);
}

/* SDM 3, "Entering Virtual-8086 Mode" */
static void iret_to_vm86(struct cpu *cpu, struct stack *st, const struct far_return *r, uint32_t flags) {
    static const enum seg_id order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint16_t sel[4];
    if (r->rip > 0xFFFF) cpu_gp0(cpu);
    uint64_t rsp = (uint32_t)stack_take(cpu, st, 4);
    uint16_t ss = (uint16_t)stack_take(cpu, st, 4);
    for (unsigned k = 0; k < 4; k++) sel[k] = (uint16_t)stack_take(cpu, st, 4);
    cet_return_vm86(cpu);
    flags_load(cpu, flags & FLAG_ALL);
    seg_load_real(cpu, SEG_CS, r->cs);
    seg_load_real(cpu, SEG_SS, ss);
    for (unsigned k = 0; k < 4; k++) seg_load_real(cpu, order[k], sel[k]);
    cpu->gpr[RSP] = rsp;
    cpu->rip = r->rip;
    cpu_set_cpl(cpu, 3);
}

static void iret_protected(struct cpu *cpu, unsigned opsize) {
    struct far_return r = {.opsize = opsize};
    struct stack st;
    stack_current(cpu, &st);
    r.rip = stack_take(cpu, &st, opsize);
    r.cs = (uint16_t)stack_take(cpu, &st, opsize);
    uint32_t flags = (uint32_t)stack_take(cpu, &st, opsize);
    if (opsize == 4 && (flags & FLAG_VM) && cpu->cpl == 0 && !cpu_is_lma(cpu)) {
        iret_to_vm86(cpu, &st, &r, flags);
        return;
    }
    fetch_code(cpu, &r);
    uint32_t mask = flags_writable(cpu, opsize) | (opsize > 2 ? FLAG_RF : 0);
    if (cpu->cpl == 0 && opsize > 2) mask |= FLAG_VIF | FLAG_VIP;
    unsigned rpl = r.cs & 3;
    bool outer = rpl != cpu->cpl;
    if (outer || cpu_is_64(cpu)) {
        r.rsp = stack_take(cpu, &st, opsize);
        r.ss = (uint16_t)stack_take(cpu, &st, opsize);
        fetch_stack(cpu, &r);
        check_offset(cpu, &r);
        if (!r.ss_null) desc_set_accessed(cpu, &r.stack);
        return_shadow(cpu, &r, true);
        install_stack(cpu, &r);
    } else {
        check_offset(cpu, &r);
        return_shadow(cpu, &r, true);
        stack_commit(cpu, &st);
    }
    install_code(cpu, &r);
    if (outer) seg_drop_inner(cpu, rpl);
    flags_replace(cpu, flags, mask);
    cpu_update_mode(cpu);
}

void iret(struct cpu *cpu, unsigned opsize_bytes) {
    if (cpu->virt.guest && cpu->virt.ops->iret_unblock)
        cpu->virt.ops->iret_unblock(cpu);
    else
        cpu->intr.nmi_blocked = false;
    if (cpu_is_real(cpu))
        iret_real(cpu, opsize_bytes);
    else if (cpu_is_vm86(cpu))
        iret_vm86(cpu, opsize_bytes);
    else if (!(cpu->rflags & FLAG_NT))
        iret_protected(cpu, opsize_bytes);
    else if (cpu_is_lma(cpu))
        cpu_gp0(cpu);
    else
        iret_task(cpu);
}
