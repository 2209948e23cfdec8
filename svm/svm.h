/* SVM as the files of this folder share it. Source of everything here: APM 2 "Secure Virtual Machine". */
#ifndef HVSIM_SVM_SVM_H
#define HVSIM_SVM_SVM_H

#include <string.h>

#include "sim/arch/svm.h"
#include "sim/core/cpu.h"
#include "sim/core/fault.h"
#include "sim/core/model.h"
#include "svm/check.h"

/* What VMRUN keeps of the host. The processor keeps it whole; the page at VM_HSAVE_PA gets a picture of it. */
struct svm_host {
    struct seg es, cs, ss, ds;
    struct dtable gdtr, idtr;
    uint64_t efer, cr0, cr3, cr4, pdpte[4];
    uint64_t rip, rsp, rax, pat;
    uint64_t s_cet, ssp, isst_addr;
    uint64_t debugctl, br_from, br_to, int_from, int_to;
    uint32_t rflags;
};

#define SVM_EXIT_SLOTS 0x100 /* exit codes below 400h are smaller than this */
enum { SVM_SLOT_NPF = SVM_EXIT_SLOTS, SVM_SLOT_INVALID, SVM_SLOTS };
#define SVM_RING 16

/* ES, CS, SS and DS as VMRUN loaded them last: seldom does a VMCB hold others the next time, or #VMEXIT find others. */
struct svm_guest_segs {
    bool valid;
    struct vmcb_seg from[4]; /* what was loaded */
    struct seg seg[4];       /* what it became */
    struct vmcb_seg back[4]; /* what #VMEXIT makes of that */
};

struct svm_exit_stat {
    uint64_t count;
    uint64_t followed, cycles, min, max; /* by a VMRUN, that many cycles later */
};

struct svm_exit_entry { /* for the report */
    uint64_t icount, vmcb_pa, code, info1, info2, rip;
};

struct svm {
    uint64_t vm_cr, hsave_pa, ignne, svm_key, tsc_ratio;
    const struct svm_caps *caps;
    uint8_t la_shift; /* bits above the highest linear-address bit */

    /* the guest that runs, or ran last */
    uint64_t vmcb_pa;
    struct vmcb vmcb;   /* the processor's copy: what clean bits may refer to */
    uint64_t cached_pa; /* VMCB that the copy is of; ~0 none */
    struct svm_host host;
    struct svm_guest_segs segs;
    bool np, v_intr_masking, host_if, nrips, lbr;
    bool cet; /* the processor has shadow stacks */
    uint64_t tsc_offset;
    uint64_t pictured; /* the page that holds a picture of `host`, but for rFLAGS, RIP, RSP and RAX; ~0 none */

    /* pause filter: APM 2 "PAUSE Intercept Filtering" */
    uint16_t pause_count;
    uint64_t last_pause;

    /* a CR or EFER write trap: taken at the next instruction boundary */
    bool trap_pending;
    uint64_t trap_code, trap_info;

    /* consistency checks: the inputs that passed last */
    struct svm_check_ctx passed;
    bool passed_valid;
    struct svm_check_ctx failed; /* of the last VMRUN that ended with VMEXIT_INVALID */
    uint64_t failed_vmcb, failed_rip, failures;
    uint64_t clean_warnings;

    struct svm_exit_stat stat[SVM_SLOTS];
    unsigned last_slot; /* of the last exit, SVM_SLOTS: none since */
    uint64_t exit_cycle;
    struct svm_exit_entry ring[SVM_RING];
    uint64_t ring_count;
};

static inline struct svm *svm_of(struct cpu *cpu) { return cpu->virt.state; }
static inline bool svm_has(const struct svm *s, uint32_t feature) { return s->caps->features & feature; }
/* Exit codes below 400h are numbers of intercept bits. */
static inline bool svm_intercepts(const struct svm *s, unsigned code) {
    return s->vmcb.control.intercept[code >> 5] >> (code & 31) & 1;
}

/* ---- caps.c ---- */
const struct svm_caps *svm_caps_for(const struct cpu_model *model);
void svm_cpuid(struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

/* ---- intercepts.c ---- */
void svm_intercept(struct cpu *cpu, enum icept_stage stage, enum intercept what, uint64_t a, uint64_t b);
/* EXITINFO1 of CR and DR accesses: general register, with CRX_MOV for MOV CR */
uint64_t svm_mov_info(const struct cpu *cpu, const struct insn *i);

/* ---- permission.c ---- */
void svm_intercept_io(struct cpu *cpu, const struct virt_io *io);
void svm_intercept_msr(struct cpu *cpu, uint32_t msr, bool write);

/* ---- cr.c ---- */
uint64_t svm_cr_write(struct cpu *cpu, unsigned cr, uint64_t value, const struct insn *i);
uint64_t svm_cr_read(struct cpu *cpu, unsigned cr, uint64_t real);
bool svm_cr8_read(struct cpu *cpu, uint64_t *val);
bool svm_cr8_write(struct cpu *cpu, uint64_t val);
/* A write to CR0 by MOV_TO_CR, LMSW or CLTS; the last two ask by intercept points of their own too. */
void svm_intercept_cr0(struct cpu *cpu, uint64_t value, unsigned id);
void svm_trap_write(struct cpu *cpu, unsigned code, uint64_t value);

/* ---- msr.c ---- */
enum virt_msr svm_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *val);
enum virt_msr svm_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t val);
uint64_t svm_tsc(struct cpu *cpu, uint64_t host_tsc);

/* ---- insn.c ---- */
void svm_insn(struct cpu *cpu, const struct insn *i);

/* ---- vmcb.c ---- */
/* Host address of a VMCB in RAM, NULL elsewhere. */
struct vmcb *svm_vmcb_ptr(struct cpu *cpu, uint64_t pa);
/* Read the VMCB into the processor's copy, leaving out what its clean bits allow. */
void svm_vmcb_read(struct cpu *cpu, uint64_t pa);
/* Write back what #VMEXIT writes. */
void svm_vmcb_write(struct cpu *cpu);
/* Write [pa, pa + size) of physical memory, whatever lies there. */
void svm_phys_store(struct cpu *cpu, uint64_t pa, const void *buf, unsigned size);
/* What VMRUN reads of a VMCB, without regard to clean bits; does it read the byte at this offset? */
void svm_vmcb_copy(struct vmcb *to, const struct vmcb *from);
bool svm_vmcb_reads(unsigned offset);
/* APM 2, "Segment State in the VMCB": attributes are descriptor bits 47:40 and 55:52; a null segment has P = 0. */
static inline void svm_seg_load(struct seg *to, const struct vmcb_seg *v) {
    uint32_t ar = (v->attrib & 0xFFu) | (v->attrib & 0xF00u) << 4;
    to->base = v->base;
    to->limit = v->limit;
    to->ar = ar & AR_P ? ar : ar | AR_UNUSABLE;
    to->sel = v->selector;
}
/* "Canonicalization and Consistency Checks": bases are sign-extended from the highest linear-address bit. */
static inline uint64_t svm_canonical(const struct cpu *cpu, uint64_t la) {
    const struct svm *s = cpu->virt.state;
    unsigned sh = s->la_shift;
    return (uint64_t)((int64_t)(la << sh) >> sh);
}
static inline void svm_seg_store(struct vmcb_seg *to, const struct seg *seg) {
    uint32_t attrib = (seg->ar & 0xFF) | (seg->ar >> 4 & 0xF00);
    to->selector = seg->sel;
    to->attrib = (uint16_t)(seg->ar & AR_UNUSABLE ? attrib & ~VMCB_ATTRIB_P : attrib);
    to->limit = seg->limit;
    to->base = seg->base;
}

/* What differs, 0: nothing */
static inline uint64_t svm_seg_differs(const struct seg *a, const struct seg *b) {
    uint64_t x, y; /* limit and attributes at once */
    _Static_assert(offsetof(struct seg, ar) == offsetof(struct seg, limit) + 4, "one behind the other");
    memcpy(&x, &a->limit, 8);
    memcpy(&y, &b->limit, 8);
    return (a->base ^ b->base) | (x ^ y) | (uint64_t)(a->sel ^ b->sel);
}

/* ---- vmrun.c ---- */
void svm_vmrun(struct cpu *cpu, uint64_t vmcb_pa);

/* ---- vmexit.c ---- */
/* #VMEXIT. cpu->cur, when set, is the intercepted instruction: its RIP is saved and it does not count as executed. */
_Noreturn void svm_vmexit(struct cpu *cpu, uint64_t code, uint64_t info1, uint64_t info2);
/* VMRUN found an illegal guest state: nothing of the guest was loaded. */
_Noreturn void svm_vmexit_invalid(struct cpu *cpu);
void svm_host_load(struct cpu *cpu);

/* ---- events.c ---- */
void svm_exception(struct cpu *cpu, const struct event *ev);
bool svm_event(struct cpu *cpu, enum virt_event ev);
bool svm_attention(struct cpu *cpu);
bool svm_intr_allowed(struct cpu *cpu, bool if_ok);
void svm_unwind_injection(struct cpu *cpu);
void svm_second_stage_fault(struct cpu *cpu, const struct mmu_result *r, unsigned access);
/* After V_IRQ, V_TPR or a trap changed: keep ATTN_VIRT right. */
void svm_update_attention(struct cpu *cpu);
/* EVENTINJ as an event to deliver; EXITINTINFO of an event. */
struct event svm_event_from_inj(const struct svm *s, uint64_t inj);
uint64_t svm_exitintinfo(const struct event *ev);

/* ---- report.c ---- */
const char *svm_exit_name(uint64_t code, char buf[24]);
void svm_record_exit(struct cpu *cpu, uint64_t code, uint64_t info1, uint64_t info2, uint64_t rip);
void svm_record_entry(struct cpu *cpu);
void svm_print_failure(const struct svm *s, FILE *out);
void svm_report(struct cpu *cpu, FILE *out);
void svm_stats(struct cpu *cpu, FILE *out);

#endif
