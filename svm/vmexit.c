/* #VMEXIT: the guest goes back to its VMCB, the host is loaded. APM 2, "#VMEXIT" */
#include <string.h>

#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/machine/machine.h"
#include "svm/svm.h"

/* APM 2, "State Saved on Exit": nRIP is for instruction intercepts, MSR and IOIO, INT3 and INTO; 0 for all others. */
static bool saves_nrip(uint64_t code) {
    if (code < VMEXIT_EXCP0) return true;
    if (code == VMEXIT_EXCP0 + VEC_BP || code == VMEXIT_EXCP0 + VEC_OF || code == VMEXIT_INVPCID) return true;
    return code >= VMEXIT_CR0_SEL_WRITE && code <= VMEXIT_RDPRU && code != VMEXIT_TASK_SWITCH &&
           code != VMEXIT_FERR_FREEZE && code != VMEXIT_SHUTDOWN;
}

/* Code that was just fetched: most often the fetch's own translation is still there. */
static const uint8_t *code_at(struct cpu *cpu, uint64_t la) {
    uint64_t phys;
    return tlb_find_code(cpu, la, &phys) ? ram_ptr(cpu->machine, phys, false) : NULL;
}

static bool peek_code(struct cpu *cpu, uint64_t la, uint8_t *out, unsigned size) {
    const uint8_t *host = code_at(cpu, la);
    if (!host) return mem_peek(cpu, la, out, size);
    memcpy(out, host, size);
    return true;
}

/* APM 2, "Guest Instruction Bytes": for #PF and #NPF of a data access */
static void save_insn_bytes(struct cpu *cpu, struct svm *s, uint64_t code, uint64_t info1, uint64_t rip) {
    struct vmcb_control *k = &s->vmcb.control;
    memset(&k->bytes_fetched, 0, 16);
    if (code != VMEXIT_NPF && code != VMEXIT_EXCP0 + VEC_PF) return;
    if (!svm_has(s, SVM_FEATURE_DECODE_ASSISTS) || (info1 & PF_I)) return;
    uint64_t la = cpu_code_la(cpu, rip);
    if (!cpu_is_64(cpu)) la = (uint32_t)la;
    unsigned here = 0x1000 - (la & 0xFFF);
    if (here > sizeof k->insn_bytes) here = sizeof k->insn_bytes;
    const uint8_t *host = here == sizeof k->insn_bytes ? code_at(cpu, la) : NULL;
    if (host) {
        memcpy(k->insn_bytes, host, sizeof k->insn_bytes);
        k->bytes_fetched = sizeof k->insn_bytes;
        return;
    }
    if (!peek_code(cpu, la, k->insn_bytes, here)) return;
    k->bytes_fetched = (uint8_t)here;
    if (here < sizeof k->insn_bytes && peek_code(cpu, la + here, k->insn_bytes + here, sizeof k->insn_bytes - here))
        k->bytes_fetched = sizeof k->insn_bytes;
}

static void save_segments(const struct cpu *cpu, const struct svm_guest_segs *g, struct vmcb_save *v) {
    const struct seg *now = cpu->seg, *then = g->seg;
    struct vmcb_seg *to = &v->es; /* ES, CS, SS, DS */
    if (g->valid && !(svm_seg_differs(&now[SEG_ES], &then[SEG_ES]) | svm_seg_differs(&now[SEG_CS], &then[SEG_CS]) |
                      svm_seg_differs(&now[SEG_SS], &then[SEG_SS]) | svm_seg_differs(&now[SEG_DS], &then[SEG_DS])))
        memcpy(to, g->back, sizeof g->back);
    else
        for (unsigned n = SEG_ES; n <= SEG_DS; n++) svm_seg_store(&to[n], &now[n]);
    v->gdtr.base = cpu->ctl.gdtr.base;
    v->gdtr.limit = cpu->ctl.gdtr.limit;
    v->idtr.base = cpu->ctl.idtr.base;
    v->idtr.limit = cpu->ctl.idtr.limit;
    v->cpl = cpu->cpl;
}

static void save_guest(struct cpu *cpu, struct svm *s, uint64_t rip) {
    struct vmcb_save *v = &s->vmcb.save;
    save_segments(cpu, &s->segs, v);
    v->efer = cpu->ctl.efer;
    v->cr0 = cpu->ctl.cr0;
    v->cr2 = cpu->ctl.cr2;
    v->cr3 = cpu->ctl.cr3;
    v->cr4 = cpu->ctl.cr4;
    v->dr6 = cpu->dbg.dr6;
    v->dr7 = cpu->dbg.dr7;
    v->rflags = flags_get(cpu) | (cpu->intr.rep_partial ? FLAG_RF : 0);
    v->rip = rip;
    v->rsp = cpu->gpr[RSP];
    v->rax = cpu->gpr[RAX];
    if (s->cet) {
        v->s_cet = cpu->cet.s_cet;
        v->ssp = cpu->cet.ssp;
        v->isst_addr = cpu->cet.ssp_table;
    }
    if (s->np) v->g_pat = cpu->msr.pat;
    if (!s->lbr) return;
    v->dbgctl = cpu->dbg.debugctl;
    v->br_from = cpu->dbg.last_branch_from;
    v->br_to = cpu->dbg.last_branch_to;
    v->lastexcp_from = cpu->dbg.last_int_from;
    v->lastexcp_to = cpu->dbg.last_int_to;
}

static void restore_lbr(struct cpu *cpu, const struct svm_host *h) {
    cpu->dbg.debugctl = h->debugctl;
    cpu->dbg.last_branch_from = h->br_from;
    cpu->dbg.last_branch_to = h->br_to;
    cpu->dbg.last_int_from = h->int_from;
    cpu->dbg.last_int_to = h->int_to;
}

static void leave_guest(struct cpu *cpu) {
    cpu->virt.guest = false;
    cpu->virt.operation = true; /* whatever the guest did to its EFER */
    cpu->virt.tag = 0;
    cpu->virt.second_stage.kind = 0;
    cpu->intr.gif = false;
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
    cpu->intr.activity = ACT_ACTIVE;
    cpu->intr.attn &= ~(uint32_t)ATTN_VIRT;
    cpu->dbg.pending = 0;
    cpu->delivering.valid = false;
}

void svm_host_load(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    const struct svm_host *h = &s->host;
    cpu->seg[SEG_ES] = h->es;
    cpu->seg[SEG_CS] = h->cs;
    cpu->seg[SEG_SS] = h->ss;
    cpu->seg[SEG_DS] = h->ds;
    cpu->ctl.gdtr = h->gdtr;
    cpu->ctl.idtr = h->idtr;
    cpu->ctl.efer = h->efer;
    cpu->ctl.cr0 = h->cr0 | CR0_PE;
    cpu->ctl.cr3 = h->cr3;
    cpu->ctl.cr4 = h->cr4;
    cpu->rflags = h->rflags & ~FLAG_VM;
    cpu->cc.op = CC(CC_FLAGS, 0);
    cpu->rip = h->rip;
    cpu->gpr[RSP] = h->rsp;
    cpu->gpr[RAX] = h->rax;
    cpu->cpl = 0;
    cpu->dbg.dr7 = DR7_FIXED;
    cpu->cet.s_cet = h->s_cet;
    cpu->cet.ssp = h->ssp;
    cpu->cet.ssp_table = h->isst_addr;
    if (s->np) cpu->msr.pat = h->pat;
    if (s->lbr) restore_lbr(cpu, h);
    cpu_update_mode(cpu);
}

/* "If the host is in PAE mode, the processor reloads the host's PDPEs": illegal ones are a shutdown. */
static void reload_host_pdptes(struct cpu *cpu) {
    const struct ctl_regs *c = &cpu->ctl;
    if ((c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !(c->efer & EFER_LMA) && !pdptes_load(cpu, c->cr3))
        cpu_triple_fault(cpu);
}

/* VMRUN is one instruction of the host: when it began with TF = 1 its single-step trap comes now, whatever GIF is. APM
 * 2, table "Effect of the GIF on Interrupt Handling" */
static void step_trap(struct cpu *cpu) {
    if (!(svm_of(cpu)->host.rflags & FLAG_TF)) return;
    cpu->dbg.pending |= DR6_BS;
    cpu->intr.attn |= ATTN_DEBUG;
}

void svm_vmexit(struct cpu *cpu, uint64_t code, uint64_t info1, uint64_t info2) {
    struct svm *s = svm_of(cpu);
    struct vmcb_control *k = &s->vmcb.control;
    const struct insn *cur = cpu->cur;
    uint64_t rip = cur ? cpu_insn_rip(cpu, cur) : cpu->rip;
    k->nrip = cur && saves_nrip(code) && svm_has(s, SVM_FEATURE_NRIPS) ? cpu_next_rip(cpu, cur) : 0;
    k->exitcode = code;
    k->exitinfo1 = info1;
    k->exitinfo2 = info2;
    k->exitintinfo = cpu->delivering.valid ? svm_exitintinfo(&cpu->delivering) : 0;
    k->eventinj &= ~EVENTINJ_V;
    k->interrupt_shadow = cpu->intr.sti_shadow || cpu->intr.movss_shadow ? VMCB_INTERRUPT_SHADOW : 0;
    save_insn_bytes(cpu, s, code, info1, rip);
    svm_record_exit(cpu, code, info1, info2, rip);
    if (cur) { /* it was not executed */
        cpu->budget += cur->left;
        cpu->cur = NULL;
    }
    save_guest(cpu, s, rip);
    svm_vmcb_write(cpu);
    leave_guest(cpu);
    svm_host_load(cpu);
    reload_host_pdptes(cpu);
    step_trap(cpu);
    cpu_resume(cpu);
}

void svm_vmexit_invalid(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    const uint64_t exit[4] = {VMEXIT_INVALID, 0, 0, 0};
    svm_phys_store(cpu, s->vmcb_pa + offsetof(struct vmcb, control.exitcode), exit, sizeof exit);
    svm_record_exit(cpu, VMEXIT_INVALID, 0, 0, s->vmcb.save.rip);
    s->cached_pa = ~0ull;
    cpu->intr.gif = false;
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
    cpu->dbg.dr7 = DR7_FIXED;
    cpu_update_mode(cpu);
    step_trap(cpu);
    cpu_resume(cpu);
}
