/* The VMCB between memory and the processor. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/core/block.h"
#include "sim/core/mem.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"
#include "svm/svm.h"

#define CLEAN_WARNINGS 8 /* printed at most */

struct range {
    uint16_t clean, offset, size;
    const char *what;
};
#define PART(bit, member, text)                                                                                        \
    { bit, offsetof(struct vmcb, member), sizeof(((struct vmcb *)0)->member), text }

/* APM 2, table "VMCB Clean Field": what each bit stands for. Rows without a bit are read at every VMRUN. */
static const struct range read_ranges[] = {
    PART(VMCB_CLEAN_I, control.intercept, "the intercept vectors"),
    PART(VMCB_CLEAN_I, control.pause_filter_threshold, "the pause filter threshold"),
    PART(VMCB_CLEAN_I, control.pause_filter_count, "the pause filter count"),
    PART(VMCB_CLEAN_I, control.tsc_offset, "TSC_OFFSET"),
    PART(VMCB_CLEAN_IOPM, control.iopm_base_pa, "IOPM_BASE_PA"),
    PART(VMCB_CLEAN_IOPM, control.msrpm_base_pa, "MSRPM_BASE_PA"),
    PART(VMCB_CLEAN_ASID, control.guest_asid, "GUEST_ASID"),
    PART(VMCB_CLEAN_TPR, control.v_intr, "V_TPR, V_IRQ and their neighbours"),
    PART(VMCB_CLEAN_NP, control.n_cr3, "N_CR3"),
    PART(VMCB_CLEAN_NP, save.g_pat, "G_PAT"),
    PART(VMCB_CLEAN_CRX, save.efer, "EFER"),
    PART(VMCB_CLEAN_CRX, save.cr4, "CR4"),
    PART(VMCB_CLEAN_CRX, save.cr3, "CR3"),
    PART(VMCB_CLEAN_CRX, save.cr0, "CR0"),
    PART(VMCB_CLEAN_DRX, save.dr7, "DR7"),
    PART(VMCB_CLEAN_DRX, save.dr6, "DR6"),
    PART(VMCB_CLEAN_DT, save.gdtr, "GDTR"),
    PART(VMCB_CLEAN_DT, save.idtr, "IDTR"),
    PART(VMCB_CLEAN_SEG, save.es, "ES"),
    PART(VMCB_CLEAN_SEG, save.cs, "CS"),
    PART(VMCB_CLEAN_SEG, save.ss, "SS"),
    PART(VMCB_CLEAN_SEG, save.ds, "DS"),
    PART(VMCB_CLEAN_SEG, save.cpl, "CPL"),
    PART(VMCB_CLEAN_CR2, save.cr2, "CR2"),
    PART(VMCB_CLEAN_LBR, save.dbgctl, "DBGCTL"),
    PART(VMCB_CLEAN_LBR, save.br_from, "BR_FROM"),
    PART(VMCB_CLEAN_LBR, save.br_to, "BR_TO"),
    PART(VMCB_CLEAN_LBR, save.lastexcp_from, "LASTEXCPFROM"),
    PART(VMCB_CLEAN_LBR, save.lastexcp_to, "LASTEXCPTO"),
    PART(VMCB_CLEAN_CET, save.s_cet, "S_CET"),
    PART(VMCB_CLEAN_CET, save.ssp, "SSP"),
    PART(VMCB_CLEAN_CET, save.isst_addr, "ISST_ADDR"),
    PART(0, control.tlb_control, NULL),
    PART(0, control.interrupt_shadow, NULL),
    PART(0, control.np_enable, NULL),
    PART(0, control.eventinj, NULL),
    PART(0, control.lbr_virt, NULL),
    PART(0, control.clean, NULL),
    PART(0, control.nrip, NULL),
    PART(0, save.rflags, NULL),
    PART(0, save.rip, NULL),
    PART(0, save.rsp, NULL),
    PART(0, save.rax, NULL),
};

/* A hypervisor that changes a field without clearing its clean bit works here or there, by luck. Say so. */
static void warn_stale(struct cpu *cpu, const struct range *r) {
    struct svm *s = svm_of(cpu);
    if (s->clean_warnings++ >= CLEAN_WARNINGS) return;
    fprintf(stderr,
            "hvsim: VMCB %#" PRIx64
            ": %s differs in memory, but VMCB clean bit %d says that it does not: the processor "
            "keeps its copy (RIP %#" PRIx64 "; APM 2, \"VMCB Clean Bits\")\n",
            s->vmcb_pa, r->what, __builtin_ctz(r->clean), cpu->rip);
}

/* Copy all but what is clean. */
static void read_changed(struct cpu *cpu, const struct vmcb *from, uint32_t clean) {
    struct vmcb *to = &svm_of(cpu)->vmcb;
    for (unsigned n = 0; n < sizeof read_ranges / sizeof read_ranges[0]; n++) {
        const struct range *r = &read_ranges[n];
        const char *src = (const char *)from + r->offset;
        char *dst = (char *)to + r->offset;
        if (!(r->clean & clean))
            memcpy(dst, src, r->size);
        else if (memcmp(dst, src, r->size))
            warn_stale(cpu, r);
    }
}

/* All of it: the rows of read_ranges, as moves. */
void svm_vmcb_copy(struct vmcb *to, const struct vmcb *from) {
    const struct vmcb_control *c = &from->control;
    const struct vmcb_save *v = &from->save;
    memcpy(to->control.intercept, c->intercept, sizeof c->intercept);
    to->control.pause_filter_threshold = c->pause_filter_threshold;
    to->control.pause_filter_count = c->pause_filter_count;
    to->control.iopm_base_pa = c->iopm_base_pa;
    to->control.msrpm_base_pa = c->msrpm_base_pa;
    to->control.tsc_offset = c->tsc_offset;
    to->control.guest_asid = c->guest_asid;
    to->control.tlb_control = c->tlb_control;
    to->control.v_intr = c->v_intr;
    to->control.interrupt_shadow = c->interrupt_shadow;
    to->control.np_enable = c->np_enable;
    to->control.eventinj = c->eventinj;
    to->control.n_cr3 = c->n_cr3;
    to->control.lbr_virt = c->lbr_virt;
    to->control.clean = c->clean;
    to->control.nrip = c->nrip;
    to->save.es = v->es;
    to->save.cs = v->cs;
    to->save.ss = v->ss;
    to->save.ds = v->ds;
    to->save.gdtr = v->gdtr;
    to->save.idtr = v->idtr;
    to->save.cpl = v->cpl;
    to->save.efer = v->efer;
    to->save.cr4 = v->cr4;
    to->save.cr3 = v->cr3;
    to->save.cr0 = v->cr0;
    to->save.dr7 = v->dr7;
    to->save.dr6 = v->dr6;
    to->save.rflags = v->rflags;
    to->save.rip = v->rip;
    to->save.rsp = v->rsp;
    to->save.s_cet = v->s_cet;
    to->save.ssp = v->ssp;
    to->save.isst_addr = v->isst_addr;
    to->save.rax = v->rax;
    to->save.cr2 = v->cr2;
    to->save.g_pat = v->g_pat;
    to->save.dbgctl = v->dbgctl;
    to->save.br_from = v->br_from;
    to->save.br_to = v->br_to;
    to->save.lastexcp_from = v->lastexcp_from;
    to->save.lastexcp_to = v->lastexcp_to;
}

bool svm_vmcb_reads(unsigned offset) {
    for (unsigned n = 0; n < sizeof read_ranges / sizeof read_ranges[0]; n++)
        if (offset - read_ranges[n].offset < read_ranges[n].size) return true;
    return false;
}

struct vmcb *svm_vmcb_ptr(struct cpu *cpu, uint64_t pa) {
    return (struct vmcb *)(void *)ram_ptr(cpu->machine, pa & PAGE_MASK, true);
}

void svm_vmcb_read(struct cpu *cpu, uint64_t pa) {
    struct svm *s = svm_of(cpu);
    const struct vmcb *from = svm_vmcb_ptr(cpu, pa);
    struct vmcb copy;
    if (!from) { /* not RAM: what reads there give */
        phys_read_bytes(cpu, pa, &copy, sizeof copy);
        from = &copy;
    }
    uint32_t clean = svm_has(s, SVM_FEATURE_VMCB_CLEAN) && s->cached_pa == pa ? from->control.clean : 0;
    s->vmcb_pa = pa;
    if (clean)
        read_changed(cpu, from, clean);
    else
        svm_vmcb_copy(&s->vmcb, from);
    s->cached_pa = pa;
}

void svm_phys_store(struct cpu *cpu, uint64_t pa, const void *buf, unsigned size) {
    uint8_t *host = ram_ptr(cpu->machine, pa, true);
    if (host && !block_page_has_code(cpu->machine, pa))
        memcpy(host, buf, size);
    else
        phys_write_bytes(cpu, pa, buf, size);
}

/* What #VMEXIT writes: APM 2, "#VMEXIT" and appendix "Layout of VMCB". The neighbours inside these ranges are the
 * hypervisor's no less. */
static void copy_exit(struct vmcb *to, const struct vmcb *from, const struct svm *s) {
    to->control.v_intr = from->control.v_intr;
    to->control.interrupt_shadow = from->control.interrupt_shadow;
    to->control.exitcode = from->control.exitcode;
    to->control.exitinfo1 = from->control.exitinfo1;
    to->control.exitinfo2 = from->control.exitinfo2;
    to->control.exitintinfo = from->control.exitintinfo;
    to->control.eventinj = from->control.eventinj;
    to->control.nrip = from->control.nrip;
    memcpy(&to->control.bytes_fetched, &from->control.bytes_fetched, 16);
    memcpy(&to->save.es, &from->save.es, 4 * sizeof to->save.es); /* ES, CS, SS, DS */
    to->save.gdtr = from->save.gdtr;
    to->save.idtr = from->save.idtr;
    to->save.cpl = from->save.cpl;
    to->save.efer = from->save.efer;
    memcpy(&to->save.cr4, &from->save.cr4, 7 * sizeof to->save.cr4); /* CR4, CR3, CR0, DR7, DR6, RFLAGS, RIP */
    to->save.rsp = from->save.rsp;
    to->save.rax = from->save.rax;
    to->save.cr2 = from->save.cr2;
    if (s->cet) memcpy(&to->save.s_cet, &from->save.s_cet, 3 * sizeof to->save.s_cet); /* and SSP, ISST_ADDR */
    if (s->np) to->save.g_pat = from->save.g_pat;
    if (s->lbr) memcpy(&to->save.dbgctl, &from->save.dbgctl, 5 * sizeof to->save.dbgctl);
}

void svm_vmcb_write(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    struct vmcb *to = svm_vmcb_ptr(cpu, s->vmcb_pa), copy;
    if (to && !block_page_has_code(cpu->machine, s->vmcb_pa)) {
        copy_exit(to, &s->vmcb, s);
        return;
    }
    phys_read_bytes(cpu, s->vmcb_pa, &copy, sizeof copy);
    copy_exit(&copy, &s->vmcb, s);
    phys_write_bytes(cpu, s->vmcb_pa, &copy, sizeof copy);
}
