/* Control-flow enforcement: shadow stacks and indirect-branch tracking. SDM 1 "Control-flow Enforcement Technology
 * (CET)"; APM 2 "Shadow Stacks". */
#ifndef HVSIM_CORE_CET_H
#define HVSIM_CORE_CET_H

#include "sim/arch/msr.h"
#include "sim/core/cpu.h"

/* #CP on behalf of cpu->cur, or at cpu->rip. */
_Noreturn void cet_fault(struct cpu *cpu, enum cp_error error);

/* ---- what is enabled ---- */

/* IA32_U_CET or IA32_S_CET, which also hold the tracker of their levels */
static inline uint64_t *cet_control(struct cpu *cpu, unsigned cpl) {
    return cpl == 3 ? &cpu->cet.u_cet : &cpu->cet.s_cet;
}
/* ShadowStackEnabled() and EndbranchEnabled() for a level of protected mode outside virtual-8086 mode: where a transfer
 * leads. For the present state the answer is in cpu->mode. */
static inline bool cet_enabled_at(const struct cpu *cpu, unsigned cpl, uint64_t bit) {
    return (cpu->ctl.cr4 & CR4_CET) && (cpu->ctl.cr0 & CR0_PE) && ((cpl == 3 ? cpu->cet.u_cet : cpu->cet.s_cet) & bit);
}
static inline bool cet_shstk_at(const struct cpu *cpu, unsigned cpl) { return cet_enabled_at(cpu, cpl, CET_SH_STK_EN); }
static inline bool cet_ibt_at(const struct cpu *cpu, unsigned cpl) { return cet_enabled_at(cpu, cpl, CET_ENDBR_EN); }

/* ---- indirect-branch tracking ---- */

/* Must the next instruction be ENDBRANCH? */
static inline bool cet_waits(const struct cpu *cpu) {
    return (cpu->mode & MODE_IBT) && ((cpu->cpl == 3 ? cpu->cet.u_cet : cpu->cet.s_cet) & CET_TRACKER);
}
/* `first` is about to be executed while cet_waits(): #CP(ENDBRANCH) unless it is ENDBRANCH, INT3 or INT1, or the legacy
 * bitmap lets it pass. cpu->rip is its address, cpu->cur NULL. */
void cet_check_target(struct cpu *cpu, const struct insn *first);
/* Far transfers, events, SYSCALL: the tracker of the level they lead to waits, whatever suppressed it. */
void cet_track(struct cpu *cpu, unsigned cpl);
/* A near indirect JMP or CALL was executed (`no_track`: behind that prefix). */
void cet_track_near(struct cpu *cpu, bool no_track);
/* ENDBRANCH was executed. */
void cet_end_branch(struct cpu *cpu);

/* ---- shadow stacks in transfers ----
 *
 * A transfer first does everything that can fault: frames and tokens on shadow stacks are read and written, and what
 * the registers will hold is collected in struct cet_transfer. Then cet_commit() puts that in force. Of a transfer that
 * faults only the stores remain (SDM 1 "Supervisor Shadow Stack Token": the token stays busy). */
struct cet_transfer {
    bool switches; /* SSP gets `ssp` */
    bool saves;    /* IA32_PL3_SSP gets SSP first */
    uint64_t ssp;
};
void cet_commit(struct cpu *cpu, const struct cet_transfer *t);

/* Where a transfer leads. */
struct cet_target {
    unsigned cpl;
    bool is_64;   /* 64-bit mode */
    uint16_t cs;  /* of returns */
    uint64_t lip; /* of returns: linear address of the instruction */
    uint64_t ssp; /* of calls and events: where the new shadow stack begins */
    bool token;   /* of events without a change of privilege: it begins at a token */
};
/* Far CALL and call gates without a change of privilege; the return address is CS and cpu->rip. */
void cet_call_same(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t);
/* Fill in where an event's shadow stack begins; `ist`: that of its gate. */
void cet_event_stack(struct cpu *cpu, struct cet_target *to, unsigned ist);
/* Event without a change of privilege */
void cet_event_same(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t);
/* Call gate or event that leads to an inner level */
void cet_enter_inner(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t);
/* Far RET and IRET. `iret`: it may leave a stack of the interrupt SSP table. */
void cet_return_same(struct cpu *cpu, const struct cet_target *to, bool iret, struct cet_transfer *t);
void cet_return_outer(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t);
/* IRET to virtual-8086 mode: #GP(0) if it is impossible now, else the token is given back. */
void cet_return_vm86(struct cpu *cpu);
/* SYSCALL and SYSENTER before the change of CPL, SYSRET and SYSEXIT after it */
void cet_enter_system(struct cpu *cpu);
void cet_enter_user(struct cpu *cpu);

/* ---- task switches: sim/core/cet_task.c ---- */

struct cet_task {
    bool nests, returns;   /* CALL or event; IRET */
    bool pushes, verifies; /* a frame of the old task goes to the new shadow stack; was popped from the old one */
    bool saves, clears;    /* SSP goes to IA32_PL3_SSP; becomes 0 */
    uint16_t cs;           /* of that frame */
    uint64_t lip, ssp;
};
/* The old task is about to be left for one at level `cpl`; nothing of the processor has changed yet. */
void cet_task_leave(struct cpu *cpu, unsigned cpl, struct cet_task *t);
/* The old task is left. */
void cet_task_commit(struct cpu *cpu, const struct cet_task *t);
/* The new task has its state. `ssp`: of its TSS; ~0 when that has none. Faults are the new task's: #TS(tss), #CP. */
void cet_task_enter(struct cpu *cpu, const struct cet_task *t, uint64_t ssp, uint16_t tss);

/* A shadow stack that may not be the current one yet: see sim/core/cet_transfer.c */
struct shadow {
    uint64_t ssp;
    unsigned mode; /* of accesses, as for mem_shstk_read() */
    bool wide;     /* addresses of 64 bits, else of 32 */
};
/* Push CS, linear address and SSP of what is to be returned to. */
void shadow_push_frame(struct cpu *cpu, struct shadow *s, uint16_t cs, uint64_t lip, uint64_t ssp);
/* shadow_stack_lock_cmpxchg8B() on the 8 bytes at SSP: true if they were what is expected */
bool shadow_exchange(struct cpu *cpu, const struct shadow *s, uint64_t expected, uint64_t val);
uint64_t shadow_pop(struct cpu *cpu, struct shadow *s);
/* The linear address of the next instruction */
uint64_t cet_lip(const struct cpu *cpu);
#define CET_TOKEN_BUSY 1ull

/* ---- registers ---- */

/* Reserved bits and canonical addresses of the CET MSRs: what WRMSR, XRSTORS and VM entry may put there. */
bool cet_msr_valid(const struct cpu *cpu, uint32_t msr, uint64_t val);
/* The bits of IA32_U_CET and IA32_S_CET that a processor has, the bitmap's address included */
struct cpu_model;
uint64_t cet_control_bits(const struct cpu_model *model);

#endif
