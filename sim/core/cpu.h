/* struct cpu: the state of one logical processor, one nested struct per subject.
 * Everything here is either architectural state (saved by a snapshot) or a cache that can be rebuilt from it. */
#ifndef HVSIM_CORE_CPU_H
#define HVSIM_CORE_CPU_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "decoder/insn.h"
#include "sim/arch/x86.h"
#include "sim/core/fpstate.h"
#include "sim/core/tlb.h"
#include "sim/core/virt.h"

struct machine;
struct cpu_model;

/* One segment register with its hidden part. */
struct seg {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint32_t ar;    /* AR_* bits; AR_UNUSABLE for a null selector */
    uint16_t sel;
};

struct dtable {
    uint64_t base;
    uint16_t limit;
};

/* Lazy arithmetic flags: see sim/core/flags.h. */
struct lazy_flags {
    uint64_t res; /* result, sign-extended from the operand size to 64 bits */
    uint64_t src; /* second operand (meaning depends on op), zero-extended */
    uint32_t op;  /* enum cc_op << 2 | log2 size */
};

struct ctl_regs {
    uint64_t cr0, cr2, cr3, cr4, xcr0;
    uint64_t efer;
    uint64_t pdpte[4]; /* loaded by MOV CR3 and friends under PAE paging */
    struct dtable gdtr, idtr;
    uint32_t pkru, pkrs;
};

struct dbg_regs {
    uint64_t dr[4], dr6, dr7;
    /* Pending debug conditions for the next trap delivery, in DR6 format (B0-B3, BS, BT) */
    uint32_t pending;
    uint64_t debugctl; /* IA32_DEBUGCTL */
    uint64_t last_branch_from, last_branch_to, last_int_from, last_int_to;
};

#define MTRR_VARIABLE 10
#define MAX_MC_BANKS  32

struct msr_regs {
    uint64_t apic_base, sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;
    uint64_t pat, mtrr_def_type, mtrr_fixed[11], mtrr_base[MTRR_VARIABLE], mtrr_mask[MTRR_VARIABLE];
    uint64_t misc_enable, feature_control, tsc_adjust, spec_ctrl, xss, xfd, xfd_err, smbase, smi_count;
    uint64_t mcg_status, mcg_ctl, microcode, platform_info, tsc_deadline, hwcr, syscfg;
    uint64_t mc[MAX_MC_BANKS][4]; /* machine-check banks: CTL, STATUS, ADDR, MISC */
    uint64_t mc_ctl2[MAX_MC_BANKS];
    uint64_t umwait_control, perf_ctl, therm_interrupt, energy_bias;
    uint64_t amd_scratch[20], amd_perf[8], amd_mc_mask[8];
};

/* Control-flow enforcement: SDM 1 "Control-flow Enforcement Technology (CET)". The tracker of indirect branches is in
 * bits 10 and 11 of u_cet and s_cet, as in the MSRs. */
struct cet_regs {
    uint64_t ssp;          /* of the current privilege level; IA32_PL3_SSP keeps user mode's while at CPL 0-2 */
    uint64_t u_cet, s_cet; /* IA32_U_CET, IA32_S_CET */
    uint64_t pl_ssp[4];    /* IA32_PL0_SSP to IA32_PL3_SSP */
    uint64_t ssp_table;    /* IA32_INTERRUPT_SSP_TABLE_ADDR */
};

enum activity { ACT_ACTIVE, ACT_HLT, ACT_SHUTDOWN, ACT_WAIT_SIPI, ACT_MWAIT };

/* Reasons to look before the next instruction. Bits of intr.attn. */
enum attention {
    ATTN_INTR = 1 << 0, /* the local APIC or 8259 requests an interrupt */
    ATTN_NMI = 1 << 1,  /* an NMI is pending */
    ATTN_SMI = 1 << 2,
    ATTN_INIT = 1 << 3,
    ATTN_SIPI = 1 << 4,
    ATTN_VIRT =
        1
        << 5, /* virt_ops->attention wants to be called before each instruction boundary (windows, V_IRQ, MTF, timer) */
    ATTN_DEBUG = 1 << 6, /* dbg.pending is not 0 */
    ATTN_STOP = 1 << 7,  /* the machine is to stop running */
    ATTN_YIELD = 1 << 8, /* the CPU's turn is over */
    ATTN_MC = 1 << 9,    /* a machine check is signalled */
};

struct intr_state {
    uint32_t attn;
    bool sti_shadow;   /* interrupts blocked for one instruction by STI */
    bool movss_shadow; /* interrupts and debug traps blocked for one instruction by MOV SS / POP SS */
    bool nmi_blocked;  /* by NMI, until IRET */
    bool smm;          /* in system-management mode */
    bool mc_shutdown;  /* the machine check that is signalled came while another one was in progress */
    bool gif;          /* SVM global interrupt flag; 1 without SVM */
    uint8_t sipi_vector;
    enum activity activity;
    uint64_t monitor_addr; /* physical line armed by MONITOR, ~0 when none */
    uint64_t monitor_sum;  /* what the line held then: a store to it is seen as a change */
    bool rep_partial;  /* a repeated string instruction has just given way with elements left, until what comes next; a
                          gather or scatter that runs has done some */
    bool mwait_breaks; /* MWAIT with ECX bit 0: interrupts end the wait though IF = 0 */
};

/* The event being delivered, for nested-fault rules and for IDT-vectoring information / EXITINTINFO. */
enum event_type { /* values of the VM-entry interruption-information type field: SDM 3 "VM-Entry Controls for Event
                     Injection" */
                  EVT_EXTERNAL = 0,
                  EVT_NMI = 2,
                  EVT_HARD_EXC = 3,
                  EVT_SOFT_INT = 4,
                  EVT_PRIV_SOFT_EXC = 5, /* INT1 */
                  EVT_SOFT_EXC = 6,      /* INT3, INTO */
                  EVT_OTHER = 7,
};

struct event {
    bool valid;
    uint8_t vector;
    uint8_t type; /* enum event_type */
    bool has_error;
    uint32_t error;
    uint64_t insn_len; /* of INT n, INT3, INTO, INT1: the RIP that is pushed less that of the instruction */
    uint64_t info;     /* #PF: faulting linear address (CR2); #DB: DR6 bits (exit qualification format) */
};

#define EXC_HISTORY 16
struct history_entry { /* for the report after a triple fault */
    struct event ev;
    uint16_t cs;
    uint8_t mode;       /* as cpu->mode */
    uint32_t idt_limit; /* of then */
    uint64_t rip, icount;
};

struct cpu_time {
    int64_t budget_start; /* budget at the start of the current slice */
    uint64_t cycles;      /* cycle clock at the start of the current slice */
    uint64_t extra;       /* cycles charged in this slice that are not instructions (REP iterations, transitions) */
    uint64_t icount;      /* instructions executed before the current slice */
    int64_t stolen;       /* budget set aside by cpu_break() or single-stepping */
    uint64_t tsc_offset;  /* TSC = cycle clock + this (WRMSR TSC, TSC_ADJUST); guest offsets are virt's */
};

/* How code is fetched: see sim/core/block.h. */
#define JUMP_CACHE_SIZE 4096
#define JUMP_LANES      64
#define RETURN_STACK    32
struct jump_entry {
    uint64_t la;  /* linear address of the target */
    uint64_t key; /* context << 8 | exec mode; ~0 = empty */
    const struct insn *insn;
};

/* A CALL whose RET is awaited: the block at the return address hangs on link 0 of the CALL's record. */
struct return_entry {
    uint64_t rip; /* return address */
    uint64_t key; /* as in jump_entry */
    const struct insn *call;
};

/* The last XRSTOR or XRSTORS, for the modified optimization: SDM 1 "Processor Tracking of XSAVE-Managed State". la,
 * cpl, guest and xcomp_bv are the manual's XRSTOR_INFO; a component has been modified when it differs from its copy. */
struct xsave_tracking {
    uint64_t la;       /* linear address of the area */
    uint64_t xcomp_bv; /* 0: the standard format */
    uint64_t rfbm;     /* the components that it loaded or initialized */
    uint32_t mxcsr;
    uint8_t cpl;
    bool valid;         /* there was one since RESET or INIT */
    bool guest;         /* in VMX non-root operation, or an SVM guest */
    bool code64, w64;   /* in 64-bit mode; with REX.W */
    uint8_t copy[4096]; /* of what is managed, as in a compacted area that has everything of the model */
};

struct cpu {
    /* hot: touched by most instructions */
    uint64_t gpr[19]; /* 16 = always 0, 17 = RIP of the start of the current linear page, 18 = always 2^32 */
    struct lazy_flags cc;
    int64_t budget;         /* cycles left before the run loop must look */
    uint64_t rip;           /* valid between chains and inside bodies of A_SYS instructions (then: next RIP) */
    const struct insn *cur; /* instruction that may fault (NULL: rip itself is the fault RIP) */
    uint64_t cs_mask;       /* 0 in 64-bit mode, where CS has no base, else ~0 */
    uint64_t fetch_key;     /* context << 8 | exec mode: what jump-cache entries must match */
    uint32_t rflags; /* the non-arithmetic flags; the arithmetic ones are valid here only when cc.op says CC_FLAGS */
    uint8_t cpl;
    uint8_t mode;   /* enum exec_mode bits */
    uint8_t denied; /* enum gate: groups of instructions that fault now; made by cpu_update_mode() */
    bool step;      /* executing one instruction at a time, exactly */
    bool restart;   /* the next instruction met something that must be seen at its boundary: run it stepped */
    struct seg seg[SEG_COUNT];
    struct tlb tlb;

    uint64_t gates_of; /* the CR0, CR4, XCR0 and IA32_XFD bits that `denied` was made from */
    struct machine *machine;
    const struct cpu_model *model;
    unsigned id;      /* index in the machine; 0 is the bootstrap processor */
    uint32_t apic_id; /* initial APIC id: 8 bits of it in xAPIC mode, all in x2APIC mode */
    struct ctl_regs ctl;
    struct dbg_regs dbg;
    struct msr_regs msr;
    struct cet_regs cet;
    struct fpu_regs fpu;
    struct vec_regs vec;
    struct vx vx;
    struct intr_state intr;
    struct event delivering; /* valid while an event is being delivered through the IDT */
    struct cpu_time time;
    struct virt virt;
    struct { /* kept inside the processor while in system-management mode */
        bool nmi_blocked, operation, guest;
        uint32_t debug_pending;
        uint16_t tag;
        uint64_t special_page;
        struct virt_second_stage second_stage;
    } smm_kept;
    struct lapic *lapic;
    uint64_t rng[2]; /* RDRAND/RDSEED: seeded, deterministic */

    /* the run loop's landing place and what was thrown */
    jmp_buf landing;
    struct event raised;
    struct insn scratch[4];
    struct jump_entry jump[JUMP_CACHE_SIZE];
    struct jump_entry lane[JUMP_LANES];        /* indirect jumps and calls of 64-bit code: see sim/ops/op_branch.c */
    struct return_entry returns[RETURN_STACK]; /* a ring; return_top counts calls less returns */
    uint64_t return_top;
    struct history_entry history[EXC_HISTORY];
    uint64_t history_count;
    struct history_entry unhandled; /* the first event in real mode whose interrupt vector was 0000:0000 */
    struct xsave_tracking xsave;
};

/* ---- small accessors ---- */

static inline uint64_t *cpu_r64(struct cpu *cpu, unsigned off) { return (uint64_t *)((char *)cpu->gpr + off); }
static inline uint32_t *cpu_r32(struct cpu *cpu, unsigned off) { return (uint32_t *)((char *)cpu->gpr + off); }
static inline uint16_t *cpu_r16(struct cpu *cpu, unsigned off) { return (uint16_t *)((char *)cpu->gpr + off); }
static inline uint8_t *cpu_r8(struct cpu *cpu, unsigned off) { return (uint8_t *)cpu->gpr + off; }

static inline bool cpu_is_64(const struct cpu *cpu) { return (cpu->mode & MODE_CODE_MASK) == MODE_CODE64; }
static inline bool cpu_is_prot(const struct cpu *cpu) { return (cpu->mode & (MODE_PROT | MODE_VM86)) == MODE_PROT; }
static inline bool cpu_is_real(const struct cpu *cpu) { return !(cpu->mode & MODE_PROT); }
static inline bool cpu_is_vm86(const struct cpu *cpu) { return (cpu->mode & MODE_VM86) != 0; }
static inline bool cpu_is_lma(const struct cpu *cpu) { return (cpu->mode & MODE_LMA) != 0; }
/* mask of RIP in the current code size */
static inline uint64_t cpu_ip_mask(const struct cpu *cpu) {
    unsigned m = cpu->mode & MODE_CODE_MASK;
    return m == MODE_CODE64 ? ~0ull : 0xFFFFFFFFull;
}
/* Where the code at this RIP is, in 64-bit mode; in others, before it is cut to 32 bits */
static inline uint64_t cpu_code_la(const struct cpu *cpu, uint64_t rip) {
    return rip + (cpu->seg[SEG_CS].base & cpu->cs_mask);
}
/* RIP of an instruction of the running chain, and of the one after it */
static inline uint64_t cpu_insn_rip(const struct cpu *cpu, const struct insn *i) {
    return (cpu->gpr[17] + i->off) & cpu_ip_mask(cpu);
}
static inline uint64_t cpu_next_rip(const struct cpu *cpu, const struct insn *i) {
    return (cpu->gpr[17] + i->off + i->len) & cpu_ip_mask(cpu);
}

/* The cycle clock now (exact between instructions; inside an instruction: at its start). TSC and devices derive from
 * it. */
uint64_t cpu_cycles(const struct cpu *cpu);
/* Instructions completed so far. */
uint64_t cpu_icount(const struct cpu *cpu);
/* Charge cycles beyond the one per instruction. */
static inline void cpu_charge(struct cpu *cpu, uint32_t cycles) {
    cpu->budget -= cycles;
    cpu->time.extra += cycles;
}
/* Ask for the run loop at the next block boundary (an attention bit was set by somebody else than the run loop). */
void cpu_break(struct cpu *cpu);
/* Set an attention bit and make the run loop see it. */
void cpu_attention(struct cpu *cpu, uint32_t bits);

/* Raise what the denied group calls for: #UD or #NM. */
_Noreturn void cpu_raise_denied(struct cpu *cpu, enum gate gate);

/* Recompute mode, gates, fetch_key and TLB contexts after CS, SS, CPL, CR0, CR3, CR4, XCR0, EFER, RFLAGS.VM/AC, PKRU or
 * the virtualization state changed. Cheap when only CPL or AC changed. */
void cpu_update_mode(struct cpu *cpu);

/* Forget all that is remembered about where jumps go (contexts were renumbered, records are gone). */
static inline void cpu_forget_jumps(struct cpu *cpu) {
    for (unsigned k = 0; k < JUMP_CACHE_SIZE; k++) cpu->jump[k] = (struct jump_entry){.key = ~0ull};
    for (unsigned k = 0; k < JUMP_LANES; k++) cpu->lane[k] = (struct jump_entry){.key = ~0ull};
    for (unsigned k = 0; k < RETURN_STACK; k++) cpu->returns[k] = (struct return_entry){.key = ~0ull};
}

/* Life */
struct cpu *cpu_create(struct machine *m, const struct cpu_model *model, unsigned id);
void cpu_destroy(struct cpu *cpu);
void cpu_reset(struct cpu *cpu, bool init); /* power-up RESET, or INIT: SDM 3 "Processor State After Reset" */

#endif
