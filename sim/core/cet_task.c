/* Shadow stacks and the tracker in task switches. SDM 1 "Shadow Stack Usage on Task Switch"; SDM 3 "Task Switching",
 * table "Exception Conditions Checked During a Task Switch". Tasks are 32-bit: so are their shadow stacks. */
#include "sim/core/cet.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"

/* IRET pops the frame that the CALL or event pushed; its shadow stack can be used again. */
static void leave_by_iret(struct cpu *cpu, unsigned cpl, struct cet_task *t) {
    struct shadow s = {.ssp = cpu->cet.ssp};
    if (s.ssp & 7) cet_fault(cpu, CP_FAR_RET);
    t->verifies = cpl == cpu->cpl || cpl < 3;
    if (t->verifies) {
        t->ssp = shadow_pop(cpu, &s);
        t->lip = shadow_pop(cpu, &s);
        uint64_t cs = shadow_pop(cpu, &s);
        if (cs >> 16) cet_fault(cpu, CP_FAR_RET);
        t->cs = (uint16_t)cs;
    }
    shadow_exchange(cpu, &s, s.ssp | CET_TOKEN_BUSY, s.ssp);
    t->clears = true;
}

void cet_task_leave(struct cpu *cpu, unsigned cpl, struct cet_task *t) {
    if (!(cpu->mode & MODE_SHSTK)) return;
    if (t->returns) {
        leave_by_iret(cpu, cpl, t);
    } else if (t->nests) {
        t->saves = cpl < cpu->cpl && cpu->cpl == 3;
        t->pushes = !t->saves;
        t->cs = cpu->seg[SEG_CS].sel;
        t->lip = cet_lip(cpu);
        t->ssp = cpu->cet.ssp;
    }
}

void cet_task_commit(struct cpu *cpu, const struct cet_task *t) {
    if (t->saves) cpu->cet.pl_ssp[3] = cpu->cet.ssp;
    if (t->clears) cpu->cet.ssp = 0;
}

static void enter_by_iret(struct cpu *cpu, const struct cet_task *t) {
    uint64_t ssp = t->verifies ? t->ssp : cpu->cet.pl_ssp[3];
    if (t->verifies && (t->cs != cpu->seg[SEG_CS].sel || t->lip != cet_lip(cpu))) cet_fault(cpu, CP_FAR_RET);
    if (!(cpu->mode & MODE_SHSTK)) return;
    if ((ssp & 3) || ssp >> 32) cet_fault(cpu, CP_FAR_RET);
    cpu->cet.ssp = ssp;
}

void cet_task_enter(struct cpu *cpu, const struct cet_task *t, uint64_t ssp, uint16_t tss) {
    struct shadow s = {.ssp = ssp};
    if (cpu_is_vm86(cpu) && cet_enabled_at(cpu, 3, CET_SH_STK_EN | CET_ENDBR_EN)) sel_fault(cpu, VEC_TS, tss);
    if (t->returns) {
        enter_by_iret(cpu, t);
        return;
    }
    if (cpu->mode & MODE_SHSTK) {
        if (ssp & 7) sel_fault(cpu, VEC_TS, tss); /* a TSS without SSP, too */
        if (!shadow_exchange(cpu, &s, ssp, ssp | CET_TOKEN_BUSY)) sel_fault(cpu, VEC_TS, tss);
        if (t->pushes) shadow_push_frame(cpu, &s, t->cs, t->lip, t->ssp);
        cpu->cet.ssp = s.ssp;
    }
    if (!cpu_is_vm86(cpu)) cet_track(cpu, cpu->cpl);
}
