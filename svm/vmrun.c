/* VMRUN: the host is put aside, the guest loaded. APM 2, "VMRUN Instruction" */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mmu/mmu.h"
#include "sim/core/block.h"
#include "sim/core/cet.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/system.h"
#include "sim/core/trace.h"
#include "svm/svm.h"

#define FAILURES_PRINTED 16

/* ---- the host ---- */

static uint64_t dtable_differs(const struct dtable *a, const struct dtable *b) {
    return (a->base ^ b->base) | (uint64_t)(a->limit ^ b->limit);
}

/* What a hypervisor seldom changes between two VMRUNs */
static bool host_unchanged(const struct cpu *cpu, const struct svm_host *h) {
    const struct ctl_regs *c = &cpu->ctl;
    return !(svm_seg_differs(&cpu->seg[SEG_ES], &h->es) | svm_seg_differs(&cpu->seg[SEG_CS], &h->cs) |
             svm_seg_differs(&cpu->seg[SEG_SS], &h->ss) | svm_seg_differs(&cpu->seg[SEG_DS], &h->ds) |
             dtable_differs(&c->gdtr, &h->gdtr) | dtable_differs(&c->idtr, &h->idtr) | (c->efer ^ h->efer) |
             (c->cr0 ^ h->cr0) | (c->cr3 ^ h->cr3) | (c->cr4 ^ h->cr4));
}
static void copy_host(const struct cpu *cpu, struct svm_host *h) {
    h->es = cpu->seg[SEG_ES];
    h->cs = cpu->seg[SEG_CS];
    h->ss = cpu->seg[SEG_SS];
    h->ds = cpu->seg[SEG_DS];
    h->gdtr = cpu->ctl.gdtr;
    h->idtr = cpu->ctl.idtr;
    h->efer = cpu->ctl.efer;
    h->cr0 = cpu->ctl.cr0;
    h->cr3 = cpu->ctl.cr3;
    h->cr4 = cpu->ctl.cr4;
}
static void picture_most(struct vmcb_save *to, const struct svm_host *h) {
    svm_seg_store(&to->es, &h->es);
    svm_seg_store(&to->cs, &h->cs);
    svm_seg_store(&to->ss, &h->ss);
    svm_seg_store(&to->ds, &h->ds);
    to->gdtr = (struct vmcb_seg){.base = h->gdtr.base, .limit = h->gdtr.limit};
    to->idtr = (struct vmcb_seg){.base = h->idtr.base, .limit = h->idtr.limit};
    to->efer = h->efer;
    to->cr0 = h->cr0;
    to->cr3 = h->cr3;
    to->cr4 = h->cr4;
}

/* A picture in the format of the VMCB's save area; what counts is kept in the processor. APM 2, "VM_HSAVE_PA MSR" */
static void picture_host(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    const struct svm_host *h = &s->host;
    struct vmcb *area = svm_vmcb_ptr(cpu, s->hsave_pa);
    if (!area || block_page_has_code(cpu->machine, s->hsave_pa)) return;
    if (s->pictured != s->hsave_pa) picture_most(&area->save, h);
    s->pictured = s->hsave_pa;
    area->save.rflags = h->rflags;
    area->save.rip = h->rip;
    area->save.rsp = h->rsp;
    area->save.rax = h->rax;
    area->save.s_cet = h->s_cet;
    area->save.ssp = h->ssp;
    area->save.isst_addr = h->isst_addr;
}

static void save_host(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    struct svm_host *h = &s->host;
    if (!host_unchanged(cpu, h)) {
        copy_host(cpu, h);
        s->pictured = ~0ull;
    }
    h->rflags = flags_get(cpu) & ~FLAG_RF; /* VMRUN is complete */
    h->rip = cpu->rip;                     /* behind VMRUN */
    h->rsp = cpu->gpr[RSP];
    h->rax = cpu->gpr[RAX];
    h->pat = cpu->msr.pat;
    h->s_cet = cpu->cet.s_cet;
    h->ssp = cpu->cet.ssp;
    h->isst_addr = cpu->cet.ssp_table;
    picture_host(cpu);
}

/* ---- the checks ---- */

/* What the rules read and may change from one VMRUN to the next: member of struct svm_check_ctx, where it comes from */
#define INPUTS(X)                                                                                                      \
    X(efer, v->efer)                                                                                                   \
    X(cr0, v->cr0)                                                                                                     \
    X(cr3, v->cr3)                                                                                                     \
    X(cr4, v->cr4)                                                                                                     \
    X(dr6, v->dr6)                                                                                                     \
    X(dr7, v->dr7)                                                                                                     \
    X(g_pat, v->g_pat)                                                                                                 \
    X(rflags_vm, v->rflags &FLAG_VM)                                                                                   \
    X(s_cet, s->cet ? v->s_cet : 0)                                                                                    \
    X(u_cet_ss, cpu->cet.u_cet &CET_SH_STK_EN)                                                                         \
    X(cs_attrib, v->cs.attrib)                                                                                         \
    X(intercept_vmrun, svm_intercepts(s, VMEXIT_VMRUN))                                                                \
    X(guest_asid, k->guest_asid)                                                                                       \
    X(tlb_control, k->tlb_control)                                                                                     \
    X(iopm_base_pa, k->iopm_base_pa)                                                                                   \
    X(msrpm_base_pa, k->msrpm_base_pa)                                                                                 \
    X(np_enable, svm_has(s, SVM_FEATURE_NP) ? k->np_enable &VMCB_NP_ENABLE : 0)                                        \
    X(n_cr3, k->n_cr3)                                                                                                 \
    X(eventinj, k->eventinj)                                                                                           \
    X(host_cr0, cpu->ctl.cr0)

/* Is there anything in them that has not passed already? PDPTEs lie in memory that nobody watches. */
static bool inputs_changed(const struct cpu *cpu, const struct svm *s) {
    const struct vmcb_control *k = &s->vmcb.control;
    const struct vmcb_save *v = &s->vmcb.save;
    uint64_t changed = !s->passed_valid;
#define DIFFERS(member, from) changed |= s->passed.member ^ (from);
    INPUTS(DIFFERS)
#undef DIFFERS
    return changed || svm_check_uses_pdptes(&s->passed);
}

static void fill_checks(struct cpu *cpu, struct svm_check_ctx *c) {
    const struct svm *s = svm_of(cpu);
    const struct vmcb_control *k = &s->vmcb.control;
    const struct vmcb_save *v = &s->vmcb.save;
#define INPUT(member, from) .member = (from),
    *c = (struct svm_check_ctx){
        INPUTS(INPUT).cr4_valid = cr4_supported(cpu->model), .s_cet_valid = cet_control_bits(cpu->model),
        /* bits 7:1 are ignored */
        .efer_valid = efer_supported(cpu) | EFER_LMA | EFER_SVME | 0xFE, .phys_bits = cpu->model->phys_bits,
        .long_mode = cpu_has(cpu, FEAT_LM), .flush_by_asid = svm_has(s, SVM_FEATURE_FLUSH_BY_ASID)};
#undef INPUT
    if (svm_check_uses_pdptes(c))
        for (unsigned n = 0; n < 4; n++) c->pdpte[n] = phys_read(cpu, (c->cr3 & 0xFFFFFFE0u) + 8 * n, 8);
}
#undef INPUTS

static _Noreturn void refuse(struct cpu *cpu, const struct svm_check_ctx *c) {
    struct svm *s = svm_of(cpu);
    s->failed = *c;
    s->failed_vmcb = s->vmcb_pa;
    s->failed_rip = s->host.rip;
    if (s->failures++ < FAILURES_PRINTED) svm_print_failure(s, stderr);
    svm_vmexit_invalid(cpu);
}

/* The rules are gone through again only when something that they read has changed since it passed. */
static void check(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    struct svm_check_ctx now;
    if (__builtin_expect(!inputs_changed(cpu, s), 1)) return;
    fill_checks(cpu, &now);
    if (svm_check_first(&now) >= 0) refuse(cpu, &now);
    s->passed = now;
    s->passed_valid = true;
}

/* ---- the guest ---- */

static bool same_segments(const struct vmcb_seg *a, const struct vmcb_seg *b) {
    uint64_t x[8], y[8], differs = 0;
    _Static_assert(sizeof x == 4 * sizeof *a, "four");
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    for (unsigned n = 0; n < 8; n++) differs |= x[n] ^ y[n];
    return !differs;
}

static void convert_segments(const struct cpu *cpu, struct svm_guest_segs *g, const struct vmcb_seg *from) {
    for (unsigned n = SEG_ES; n <= SEG_DS; n++) {
        struct seg *seg = &g->seg[n];
        svm_seg_load(seg, &from[n]);
        seg->base = svm_canonical(cpu, seg->base);
        /* never null: only L, D and R are looked at */
        if (n == SEG_CS) seg->ar = (seg->ar & ~AR_UNUSABLE) | AR_P | AR_S | AR_CODE | AR_ACCESSED;
        g->from[n] = from[n];
        svm_seg_store(&g->back[n], seg);
    }
    g->valid = true;
}

static void load_segments(struct cpu *cpu, const struct vmcb_save *v) {
    struct svm_guest_segs *g = &svm_of(cpu)->segs;
    const struct vmcb_seg *from = &v->es; /* ES, CS, SS, DS, in the order of enum seg_id */
    _Static_assert(offsetof(struct vmcb_save, ds) == SEG_DS * sizeof *from, "one behind the other");
    if (!g->valid || !same_segments(from, g->from)) convert_segments(cpu, g, from);
    memcpy(&cpu->seg[SEG_ES], g->seg, sizeof g->seg);
    cpu->ctl.gdtr = (struct dtable){svm_canonical(cpu, v->gdtr.base), (uint16_t)v->gdtr.limit};
    cpu->ctl.idtr = (struct dtable){svm_canonical(cpu, v->idtr.base), (uint16_t)v->idtr.limit};
}

/* APM 2, "Segment State in the VMCB": real mode has CPL 0, virtual-8086 mode 3, whatever the VMCB says. */
static uint8_t guest_cpl(const struct vmcb_save *v) {
    if (!(v->cr0 & CR0_PE)) return 0;
    bool long_mode = (v->efer & EFER_LME) && (v->cr0 & CR0_PG);
    return (v->rflags & FLAG_VM) && !long_mode ? 3 : v->cpl & 3;
}

static void load_control(struct cpu *cpu, const struct svm *s) {
    const struct vmcb_save *v = &s->vmcb.save;
    const uint32_t cr0_bits = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
    bool lma = (v->efer & EFER_LME) && (v->cr0 & CR0_PG);
    cpu->ctl.cr0 = (v->cr0 & cr0_bits) | CR0_ET;
    cpu->ctl.cr2 = v->cr2;
    cpu->ctl.cr3 = lma ? v->cr3 : (uint32_t)v->cr3;
    cpu->ctl.cr4 = v->cr4;
    cpu->ctl.efer = (v->efer & ~(uint64_t)(EFER_LMA | 0xFE)) | (lma ? EFER_LMA : 0);
    if (svm_check_uses_pdptes(&s->passed)) memcpy(cpu->ctl.pdpte, s->passed.pdpte, sizeof cpu->ctl.pdpte);
    cpu->dbg.dr6 = (v->dr6 & ~0x1000ull) | DR6_INIT;
    cpu->dbg.dr7 = (v->dr7 & 0xFFFF23FF) | DR7_FIXED;
    cpu->dbg.pending = 0;
}

static void load_registers(struct cpu *cpu, const struct vmcb_save *v) {
    cpu->gpr[RAX] = v->rax;
    cpu->gpr[RSP] = v->rsp;
    cpu->rip = v->rip;
    cpu->rflags = ((uint32_t)v->rflags & FLAG_ALL) | FLAG_FIXED;
    if (cpu->ctl.efer & EFER_LMA) cpu->rflags &= ~FLAG_VM; /* there is no virtual-8086 mode in long mode */
    cpu->cc.op = CC(CC_FLAGS, 0);
    cpu->cpl = guest_cpl(v);
}

/* APM 2, "VMRUN Instruction": shadow-stack state. U_CET and the PLn_SSP MSRs are the hypervisor's to switch. */
static void load_cet(struct cpu *cpu, const struct svm *s) {
    const struct vmcb_save *v = &s->vmcb.save;
    if (!s->cet) return;
    cpu->cet.s_cet = v->s_cet;
    cpu->cet.ssp = v->ssp;
    cpu->cet.ssp_table = svm_canonical(cpu, v->isst_addr);
}

/* APM 2, "LBR Virtualization": the guest has last-branch registers and DBGCTL of its own. */
static void load_lbr(struct cpu *cpu, struct svm *s) {
    const struct vmcb_save *v = &s->vmcb.save;
    struct dbg_regs *d = &cpu->dbg;
    s->lbr = svm_has(s, SVM_FEATURE_LBR_VIRT) && (s->vmcb.control.lbr_virt & VMCB_LBR_ENABLE);
    if (!s->lbr) return;
    s->host.debugctl = d->debugctl;
    s->host.br_from = d->last_branch_from;
    s->host.br_to = d->last_branch_to;
    s->host.int_from = d->last_int_from;
    s->host.int_to = d->last_int_to;
    d->debugctl = v->dbgctl & 0x3F;
    d->last_branch_from = v->br_from;
    d->last_branch_to = v->br_to;
    d->last_int_from = v->lastexcp_from;
    d->last_int_to = v->lastexcp_to;
}

/* APM 2, "Enabling Nested Paging": nested tables are walked with the host's paging mode, and the guest has a PAT of its
 * own. */
static void load_nested_paging(struct cpu *cpu, struct svm *s) {
    s->np = s->passed.np_enable;
    cpu->virt.second_stage = (struct virt_second_stage){.kind = MMU_STAGE2_NONE};
    if (!s->np) return;
    cpu->virt.second_stage.kind = MMU_STAGE2_NPT;
    cpu->virt.second_stage.root = s->vmcb.control.n_cr3 & PAGE_MASK;
    cpu->virt.second_stage.host_cr0 = s->host.cr0;
    cpu->virt.second_stage.host_cr4 = s->host.cr4;
    cpu->virt.second_stage.host_efer = s->host.efer;
    cpu->virt.second_stage.host_pat = s->host.pat;
    cpu->msr.pat = s->vmcb.save.g_pat;
}

static void flush(struct cpu *cpu, const struct vmcb_control *k) {
    if (k->tlb_control == TLB_CONTROL_FLUSH_ALL)
        tlb_flush_all(cpu);
    else if (k->tlb_control != TLB_CONTROL_NOTHING)
        tlb_flush_tag(cpu, true, cpu->virt.tag, -1);
}

static void load_guest(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    const struct vmcb_control *k = &s->vmcb.control;
    s->host_if = s->host.rflags & FLAG_IF;
    s->v_intr_masking = k->v_intr & V_INTR_MASKING;
    s->tsc_offset = k->tsc_offset;
    s->pause_count = k->pause_filter_count;
    s->last_pause = 0;
    s->trap_pending = false;
    load_nested_paging(cpu, s);
    load_segments(cpu, &s->vmcb.save);
    load_control(cpu, s);
    load_cet(cpu, s);
    load_lbr(cpu, s);
    load_registers(cpu, &s->vmcb.save);
    cpu->intr.sti_shadow = k->interrupt_shadow & VMCB_INTERRUPT_SHADOW;
    cpu->intr.movss_shadow = false;
    cpu->intr.activity = ACT_ACTIVE;
    cpu->intr.gif = true;
    cpu->virt.tag = (uint16_t)k->guest_asid;
    cpu->virt.guest = true;
    flush(cpu, k);
    cpu_update_mode(cpu);
    svm_update_attention(cpu);
}

/* APM 2, "Event Injection": before the first instruction of the guest, as if it had happened there; not itself
 * intercepted. A software interrupt or exception returns to nRIP, behind its instruction. */
static void inject(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    uint64_t inj = s->vmcb.control.eventinj;
    if (!(inj & EVENTINJ_V)) return;
    struct event ev = svm_event_from_inj(s, inj);
    s->vmcb.control.eventinj = inj & ~EVENTINJ_V;
    if (trace_on(cpu->machine, TRACE_EXITS)) trace_line(cpu->machine, cpu, TRACE_EXITS, "EVENTINJ %#" PRIx64, inj);
    if (event_is_soft(&ev)) cpu->rip += ev.insn_len;
    if (ev.vector == VEC_PF && ev.type == EVT_HARD_EXC) ev.info = cpu->ctl.cr2;
    deliver_event(cpu, &ev);
    cpu->intr.sti_shadow = false;
}

void svm_vmrun(struct cpu *cpu, uint64_t vmcb_pa) {
    cpu_commit_insn(cpu);
    svm_vmcb_read(cpu, vmcb_pa);
    save_host(cpu);
    check(cpu);
    load_guest(cpu);
    svm_record_entry(cpu);
    inject(cpu);
    cpu->delivering.valid = false;
    if (cpu->step) cpu_resume(cpu); /* nothing of what follows an instruction that ran alone follows this one */
}
