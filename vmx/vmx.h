/* The state of VMX on one processor, and what the files of this folder ask of each other. Private to vmx/. */
#ifndef HVSIM_VMX_VMX_H
#define HVSIM_VMX_VMX_H

#include "sim/arch/msr.h"
#include "sim/arch/vmx.h"
#include "sim/core/cpu.h"
#include "sim/core/fault.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"
#include "vmx/caps.h"
#include "vmx/check.h"
#include "vmx/fields.h"
#include "vmx/layout.h"

#define VMX_ACTIVE_MAX  16 /* VMCSs whose data the processor keeps */
#define VMX_LAST_EXITS  16
#define VMX_FAILS_TOLD  16 /* failures of instructions that are told, one of a kind */
#define VMX_INSNS       (INSN_INVVPID - INSN_VMXON + 1)
#define VMX_NO_POINTER  (~0ull)
#define VMX_CHECK_WORDS 8 /* bit sets over the check rows */

/* CR0 bits that VM entry and VM exit leave alone: ET, NW, CD and the reserved ones.
 * SDM 3, "Loading Guest Control Registers, Debug Registers, and MSRs", "Loading Host Control Registers, Debug
 * Registers, MSRs" */
#define VMX_CR0_KEPT (CR0_ET | CR0_NW | CR0_CD | 0x1FFAFFC0u)

/* An active VMCS: its data is here, not in memory, from VMPTRLD to VMCLEAR or eviction. */
struct vmcs {
    uint64_t f[F_COUNT];
    uint64_t addr; /* physical address of its region; VMX_NO_POINTER: free slot */
    bool launched;
    bool shadow;    /* bit 31 of the revision identifier: a shadow VMCS, for VMREAD and VMWRITE in the guest */
    bool stale;     /* launched before the last VMXOFF: VMRESUME fails with error 6 */
    uint32_t valid; /* bits of enum check_group: all rules of the group held and no field they read was written since */
    uint32_t live;  /* the live checks that apply, and EFER.LMA when that was found out; see vmx_check_live */
    bool live_lma;
    uint64_t used; /* stamp of the last VMPTRLD, for eviction */
};

/* What is known of a VM exit, for the fields that it writes. */
struct vmx_exit {
    uint32_t reason;
    uint64_t qualification;
    uint64_t rip;         /* guest RIP to be saved */
    uint32_t info, error; /* VM-exit interruption information */
    uint32_t length;      /* instruction length, written when not 0 */
    uint32_t insn_info;   /* written with has_insn_info */
    uint64_t gla, gpa;    /* written with has_gla, has_gpa */
    bool has_insn_info, has_gla, has_gpa;
    bool set_rf, clear_rf; /* RFLAGS.RF as saved; neither: as it is */
    bool direct;           /* the event being delivered caused the exit itself: no IDT-vectoring information */
};

struct vmx_exit_record { /* of the ring of last exits */
    uint32_t reason, info;
    uint64_t qualification, rip, gpa, icount;
};

struct vmx_stat {
    uint64_t count;
    uint64_t cycles, min, max; /* from this exit to the next entry */
};

/* What the report of a failed VM entry says: made when it fails, kept for virt_ops->report. */
struct vmx_failure {
    bool valid;
    uint8_t error; /* 7 or 8; 0: exit reason 80000021H */
    uint64_t vmcs, rip, icount;
    uint64_t broken[VMX_CHECK_WORDS];
    const struct vmx_check *first; /* decides the result */
    char *text;
};

struct vmx {
    struct vmx_caps caps;
    struct vmcs_field_map map;
    uint16_t groups_of[F_COUNT]; /* check groups that read each field */
    struct check_index index;

    bool on; /* in VMX operation */
    uint64_t vmxon_ptr;
    struct vmcs *current; /* NULL: no current VMCS */
    struct vmcs active[VMX_ACTIVE_MAX];
    uint64_t stamp;

    /* controls in effect while the guest runs */
    uint32_t pin, proc, proc2, exit, entry;
    bool vnmi_blocked;   /* virtual-NMI blocking */
    bool host_nmi;       /* blocking by NMI before VM entry, for an entry that fails */
    bool mtf_pending;    /* an MTF VM exit is due at the next boundary, whatever is executed */
    uint64_t mtf_cycles; /* at VM entry: the monitor trap flag waits for one instruction or event more */
    uint32_t trap_exit;  /* a VM exit due after the present instruction: its reason, 0 none */
    uint64_t trap_qualification;
    bool virtual_pending; /* a virtual interrupt is recognized */
    uint64_t iret_icount; /* the instruction that last removed NMI blocking by IRET */
    uint64_t tsc_offset, tsc_multiplier;
    struct timer timer;           /* VMX-preemption timer */
    uint64_t timer_end;           /* host TSC at which it reaches 0 */
    uint64_t ple_first, ple_last; /* PAUSE-loop exiting: TSC of the first and last PAUSE of the loop */
    uint32_t aborted;             /* VMX-abort indicator, 0 none */

    /* what people ask about */
    struct vmx_stat stat[VMX_REASON_COUNT];
    uint32_t last_reason;
    uint64_t exit_cycles; /* cycle clock at the last exit */
    bool exit_open;
    struct vmx_exit_record last[VMX_LAST_EXITS];
    uint64_t last_count;
    struct vmx_failure failure;
    uint64_t failures;
    uint64_t told[VMX_CHECK_WORDS]; /* rules that were printed already */
    uint32_t fails_told[VMX_INSNS]; /* errors that were printed, as bits, by instruction; bit 0: VMfailInvalid */
    unsigned fails_told_count;
};

static inline struct vmx *vmx_of(const struct cpu *cpu) { return cpu->virt.state; }
static inline uint64_t *vmcs_data(const struct cpu *cpu) { return vmx_of(cpu)->current->f; }
static inline bool vmx_proc(const struct vmx *v, uint32_t bit) { return v->proc & bit; }
static inline bool vmx_proc2(const struct vmx *v, uint32_t bit) { return v->proc2 & bit; }

/* ---- vmcs.c: active VMCSs ---- */
struct vmcs *vmcs_activate(struct cpu *cpu, uint64_t addr); /* VMPTRLD: finds or loads it */
void vmcs_clear(struct cpu *cpu, uint64_t addr);            /* VMCLEAR: writes it to memory, launch state clear */
void vmcs_write(struct vmx *v, struct vmcs *c, unsigned field,
                uint64_t val); /* VMWRITE: masks, notes what must be checked again */

/* ---- decode.c ---- */
/* The exit qualification in words, of the reasons where it says much; "" of the others. The guest's general registers
 * are still there. */
void vmx_decode_qualification(const struct cpu *cpu, const struct vmx_exit *x, char *buf, size_t size);

/* ---- fail.c: results of instructions ---- */
void vmx_succeed(struct cpu *cpu);
/* VMfailValid, or VMfailInvalid without a current VMCS; says nothing */
void vmx_set_error(struct cpu *cpu, enum vmx_error error);
/* As vmx_set_error(); the first failure of its kind is told to the user with what was found and expected. */
void vmx_fail(struct cpu *cpu, enum vmx_error error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void vmx_fail_invalid(struct cpu *cpu, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *vmx_error_text(unsigned error);

/* ---- insn.c ---- */
void vmx_insn(struct cpu *cpu, const struct insn *i);
/* insn_vmcs.c, insn_inv.c */
/* 64-bit memory operand */
uint64_t vmx_operand64(struct cpu *cpu, const struct insn *i);
/* Is this a VMREAD or VMWRITE that the guest may do on the shadow VMCS? */
bool vmx_shadowed(struct cpu *cpu, const struct insn *i);
void insn_vmread(struct cpu *cpu, const struct insn *i);
void insn_vmwrite(struct cpu *cpu, const struct insn *i);
void insn_invept(struct cpu *cpu, const struct insn *i);
void insn_invvpid(struct cpu *cpu, const struct insn *i);
void insn_vmfunc(struct cpu *cpu, const struct insn *i);

/* ---- info.c: exit instruction information ---- */
/* SDM 3, tables "Format of the VM-Exit Instruction-Information Field as Used for ...": fills insn_info and the
 * displacement as qualification. */
void vmx_insn_info(const struct cpu *cpu, const struct insn *i, struct vmx_exit *x);

/* ---- entry.c, inject.c ---- */
void vmx_enter(struct cpu *cpu, bool launch);
void vmx_inject(struct cpu *cpu);
/* Load PDPTEs, paging mode and flush as the controls say; guest or host. */
void vmx_tlb_transition(struct cpu *cpu);
bool vmx_in_pae(const struct cpu *cpu);

/* ---- exit.c, host.c ---- */
_Noreturn void vmx_exit(struct cpu *cpu, struct vmx_exit *x);
/* An exit caused by the instruction cpu->cur. */
_Noreturn void vmx_exit_insn(struct cpu *cpu, uint32_t reason, uint64_t qualification);
_Noreturn void vmx_exit_insn_info(struct cpu *cpu, struct vmx_exit *x);
/* VM-entry failure: exit fields, host state, no guest state saved. */
_Noreturn void vmx_entry_failed(struct cpu *cpu, uint32_t reason, uint64_t qualification);
void vmx_load_host(struct cpu *cpu);
_Noreturn void vmx_abort(struct cpu *cpu, enum vmx_abort why);
/* RIP of the instruction being executed, or of the next one between instructions. */
static inline uint64_t vmx_insn_rip(const struct cpu *cpu) { return cpu->cur ? cpu_insn_rip(cpu, cpu->cur) : cpu->rip; }
/* The same for an exit that may come while an event is delivered: RIP is past the instruction of one that was injected.
 */
static inline uint64_t vmx_delivery_rip(const struct cpu *cpu) {
    const struct event *ev = &cpu->delivering;
    bool soft = ev->valid && (event_is_soft(ev) || ev->type == EVT_PRIV_SOFT_EXC);
    return soft && !cpu->cur ? (cpu->rip - ev->insn_len) & cpu_ip_mask(cpu) : vmx_insn_rip(cpu);
}

/* ---- msrarea.c: MSR-load and MSR-store areas; 0 or the number of the entry at fault (1 is the first) ---- */
unsigned vmx_msr_load(struct cpu *cpu, uint64_t addr, uint32_t count);
unsigned vmx_msr_store(struct cpu *cpu, uint64_t addr, uint32_t count);

/* ---- intercept.c, cr.c, event.c, ept.c, apic.c: the hooks of struct virt_ops ---- */
void vmx_intercept(struct cpu *cpu, enum icept_stage stage, enum intercept what, uint64_t a, uint64_t b);
uint64_t vmx_cr_write(struct cpu *cpu, unsigned cr, uint64_t value, const struct insn *i);
uint64_t vmx_cr_read(struct cpu *cpu, unsigned cr, uint64_t real);
bool vmx_cr_valid(struct cpu *cpu, unsigned cr, uint64_t value);
void vmx_intercept_cr_read(struct cpu *cpu, unsigned cr);
void vmx_intercept_clts(struct cpu *cpu);
void vmx_intercept_lmsw(struct cpu *cpu, uint16_t source, uint64_t la);
bool vmx_cr8_read(struct cpu *cpu, uint64_t *val);
bool vmx_cr8_write(struct cpu *cpu, uint64_t val);
void vmx_exception(struct cpu *cpu, const struct event *ev);
bool vmx_event(struct cpu *cpu, enum virt_event ev);
bool vmx_attention(struct cpu *cpu);
void vmx_iret_unblock(struct cpu *cpu);
bool vmx_iret_unblocked_now(const struct cpu *cpu);
/* Which of windows, timer, trap flag want the boundary: sets or clears ATTN_VIRT and virt.step. */
void vmx_update_attention(struct cpu *cpu);
void vmx_timer_start(struct cpu *cpu);
uint32_t vmx_timer_stop(struct cpu *cpu); /* the value to be saved */
void vmx_timer_expired(void *arg);
void vmx_second_stage_fault(struct cpu *cpu, const struct mmu_result *r, unsigned access);
bool vmx_special_access(struct cpu *cpu, uint64_t phys, unsigned size, unsigned access, uint64_t *val);
uint8_t vmx_vtpr(struct cpu *cpu);
enum virt_msr vmx_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *val);
enum virt_msr vmx_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t val);
uint64_t vmx_guest_tsc(struct cpu *cpu, uint64_t host_tsc);

/* ---- report.c ---- */
void vmx_note_exit(struct cpu *cpu, const struct vmx_exit *x);
void vmx_note_entry(struct cpu *cpu);
/* A VM entry failed on `first`: collects every broken rule and tells it. */
void vmx_note_failure(struct cpu *cpu, const struct check_ctx *c, const struct vmx_check *first, enum vmx_error error);
void vmx_say(struct cpu *cpu, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vmx_report(struct cpu *cpu, FILE *out);
void vmx_stats(struct cpu *cpu, FILE *out);
const char *vmx_reason_name(uint32_t reason);
/* Text of all broken rules; the caller frees it. `broken`: set of row numbers, filled. */
char *vmx_failure_text(const struct check_ctx *c, const struct vmx_check *first, uint32_t groups,
                       uint64_t broken[VMX_CHECK_WORDS]);

#endif
