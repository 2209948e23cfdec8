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

/* APM 2, table "VMCB Clean Field": what each bit stands for; rows without one (0) are read at every VMRUN. */
#define PARTS(X)                                                                                                       \
    X(VMCB_CLEAN_I, control.intercept, "the intercept vectors")                                                        \
    X(VMCB_CLEAN_I, control.pause_filter_threshold, "the pause filter threshold")                                      \
    X(VMCB_CLEAN_I, control.pause_filter_count, "the pause filter count")                                              \
    X(VMCB_CLEAN_I, control.tsc_offset, "TSC_OFFSET")                                                                  \
    X(VMCB_CLEAN_IOPM, control.iopm_base_pa, "IOPM_BASE_PA")                                                           \
    X(VMCB_CLEAN_IOPM, control.msrpm_base_pa, "MSRPM_BASE_PA")                                                         \
    X(VMCB_CLEAN_ASID, control.guest_asid, "GUEST_ASID")                                                               \
    X(VMCB_CLEAN_TPR, control.v_intr, "V_TPR, V_IRQ and their neighbours")                                             \
    X(VMCB_CLEAN_NP, control.n_cr3, "N_CR3")                                                                           \
    X(VMCB_CLEAN_NP, save.g_pat, "G_PAT")                                                                              \
    X(VMCB_CLEAN_CRX, save.efer, "EFER")                                                                               \
    X(VMCB_CLEAN_CRX, save.cr4, "CR4")                                                                                 \
    X(VMCB_CLEAN_CRX, save.cr3, "CR3")                                                                                 \
    X(VMCB_CLEAN_CRX, save.cr0, "CR0")                                                                                 \
    X(VMCB_CLEAN_DRX, save.dr7, "DR7")                                                                                 \
    X(VMCB_CLEAN_DRX, save.dr6, "DR6")                                                                                 \
    X(VMCB_CLEAN_DT, save.gdtr, "GDTR")                                                                                \
    X(VMCB_CLEAN_DT, save.idtr, "IDTR")                                                                                \
    X(VMCB_CLEAN_SEG, save.es, "ES")                                                                                   \
    X(VMCB_CLEAN_SEG, save.cs, "CS")                                                                                   \
    X(VMCB_CLEAN_SEG, save.ss, "SS")                                                                                   \
    X(VMCB_CLEAN_SEG, save.ds, "DS")                                                                                   \
    X(VMCB_CLEAN_SEG, save.cpl, "CPL")                                                                                 \
    X(VMCB_CLEAN_CR2, save.cr2, "CR2")                                                                                 \
    X(VMCB_CLEAN_LBR, save.dbgctl, "DBGCTL")                                                                           \
    X(VMCB_CLEAN_LBR, save.br_from, "BR_FROM")                                                                         \
    X(VMCB_CLEAN_LBR, save.br_to, "BR_TO")                                                                             \
    X(VMCB_CLEAN_LBR, save.lastexcp_from, "LASTEXCPFROM")                                                              \
    X(VMCB_CLEAN_LBR, save.lastexcp_to, "LASTEXCPTO")                                                                  \
    X(VMCB_CLEAN_CET, save.s_cet, "S_CET")                                                                             \
    X(VMCB_CLEAN_CET, save.ssp, "SSP")                                                                                 \
    X(VMCB_CLEAN_CET, save.isst_addr, "ISST_ADDR")                                                                     \
    X(0, control.tlb_control, NULL)                                                                                    \
    X(0, control.interrupt_shadow, NULL)                                                                               \
    X(0, control.np_enable, NULL)                                                                                      \
    X(0, control.eventinj, NULL)                                                                                       \
    X(0, control.lbr_virt, NULL)                                                                                       \
    X(0, control.clean, NULL)                                                                                          \
    X(0, control.nrip, NULL)                                                                                           \
    X(0, save.rflags, NULL)                                                                                            \
    X(0, save.rip, NULL)                                                                                               \
    X(0, save.rsp, NULL)                                                                                               \
    X(0, save.rax, NULL)

struct range {
    uint16_t clean, offset, size;
    const char *what;
};
static const struct range read_ranges[] = {
#define PART(bit, member, text) {bit, offsetof(struct vmcb, member), sizeof(((struct vmcb *)0)->member), text},
    PARTS(PART)
#undef PART
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

static void warn_all_stale(struct cpu *cpu, const struct vmcb *from, uint32_t clean) {
    const char *mine = (const char *)&svm_of(cpu)->vmcb, *theirs = (const char *)from;
    for (unsigned n = 0; n < sizeof read_ranges / sizeof read_ranges[0]; n++) {
        const struct range *r = &read_ranges[n];
        if (r->clean & clean && memcmp(mine + r->offset, theirs + r->offset, r->size)) warn_stale(cpu, r);
    }
}

/* Do `size` bytes differ? Inlined with a size that is known. */
static inline uint64_t differs(const void *a, const void *b, unsigned size) {
    uint64_t x, y, d = 0;
    if (size < 8) {
        x = y = 0;
        memcpy(&x, a, size);
        memcpy(&y, b, size);
        return x ^ y;
    }
    for (unsigned n = 0; n < size; n += 8) {
        memcpy(&x, (const char *)a + n, 8);
        memcpy(&y, (const char *)b + n, 8);
        d |= x ^ y;
    }
    return d;
}

/* All but what is clean */
static void read_changed(struct cpu *cpu, const struct vmcb *from, uint32_t clean) {
    struct vmcb *to = &svm_of(cpu)->vmcb;
    uint64_t stale = 0;
#define PART(bit, member, text)                                                                                        \
    _Static_assert(sizeof to->member < 8 || sizeof to->member % 8 == 0, "differs() looks at whole words");             \
    if ((bit)&clean)                                                                                                   \
        stale |= differs(&to->member, &from->member, sizeof to->member);                                               \
    else                                                                                                               \
        memcpy(&to->member, &from->member, sizeof to->member);
    PARTS(PART)
#undef PART
    if (__builtin_expect(stale != 0, 0)) warn_all_stale(cpu, from, clean);
}

void svm_vmcb_copy(struct vmcb *to, const struct vmcb *from) {
#define PART(bit, member, text) memcpy(&to->member, &from->member, sizeof to->member);
    PARTS(PART)
#undef PART
}
#undef PARTS

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
