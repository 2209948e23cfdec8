/* Faults, exits and event delivery. */
#ifndef HVSIM_CORE_FAULT_H
#define HVSIM_CORE_FAULT_H

#include <stddef.h>

#include "sim/core/cpu.h"

/* ---- the two non-local exits; both land in the run loop (sim/core/run.c) ---- */

/* Raise an exception on behalf of cpu->cur (or at cpu->rip when cur is NULL). Never returns; nothing may have been
 * written. */
_Noreturn void cpu_raise_event(struct cpu *cpu, const struct event *ev);
_Noreturn void cpu_raise(struct cpu *cpu, enum vector vec); /* no error code, or error code 0 for those that push one */
_Noreturn void cpu_raise_err(struct cpu *cpu, enum vector vec, uint32_t error);
_Noreturn void cpu_raise_pf(struct cpu *cpu, uint64_t la, uint32_t error);
/* The architectural state has been replaced (VM exit, VM entry, task switch out of a fault): go to the run loop and
 * continue at cpu->rip. */
_Noreturn void cpu_resume(struct cpu *cpu);

static inline _Noreturn void cpu_gp0(struct cpu *cpu) { cpu_raise_err(cpu, VEC_GP, 0); }
static inline _Noreturn void cpu_ud(struct cpu *cpu) { cpu_raise(cpu, VEC_UD); }

/* The instruction of cpu->cur has taken effect though something that follows may still raise (a task switch past its
 * commit point): from here on cpu->rip is the fault RIP. The instruction counts as executed. */
static inline void cpu_commit_insn(struct cpu *cpu) {
    if (!cpu->cur) return;
    cpu->budget += cpu->cur->left - 1;
    cpu->cur = NULL;
}

/* Is the event an instruction's own doing (INT n, INT3, INTO)? Then the gate's DPL is checked and error codes have EXT
 * = 0. */
static inline bool event_is_soft(const struct event *ev) {
    return ev->type == EVT_SOFT_INT || ev->type == EVT_SOFT_EXC;
}

/* Does the image of RFLAGS that the event leaves behind have RF = 1, so that the return does not hit the same
 * instruction breakpoint again? Otherwise RF is what it is. SDM 3, "Instruction-Breakpoint Exception Condition":
 * faults; interrupts and traps after any iteration of a repeated string instruction but the last. #DB pushes what there
 * is, general detect excepted. */
static inline bool event_sets_rf(const struct cpu *cpu, const struct event *ev) {
    if (event_is_soft(ev) || ev->type == EVT_PRIV_SOFT_EXC) return false;
    if (cpu->intr.rep_partial) return true;
    if (ev->type != EVT_HARD_EXC) return false;
    return ev->vector == VEC_DB ? (ev->info & DR6_BD) != 0 : ev->vector != VEC_DF && ev->vector != VEC_MC;
}

/* For people: "#GP" of an exception, else what the type is, as "external interrupt". */
const char *event_name(const struct event *ev);
/* Does this vector push an error code? */
bool vector_has_error(unsigned vec);

/* ---- delivery: sim/core/deliver.c ---- */

/* Deliver an event through the IVT or IDT (gates, privilege and task switches, IST). May raise; cpu->delivering is
 * valid meanwhile. cpu->rip is the RIP to be pushed (the caller has advanced it for software interrupts and traps). */
void deliver_event(struct cpu *cpu, const struct event *ev);
/* What the run loop does with a raised exception: combines it with cpu->delivering (double fault, triple fault), asks
 * the extension, delivers. */
void deliver_exception(struct cpu *cpu, const struct event *ev);
/* Software interrupt from an instruction body: INT n, INT3, INTO, INT1 (type EVT_SOFT_INT...). */
void deliver_software(struct cpu *cpu, unsigned vec, enum event_type type, unsigned insn_len);
/* Triple fault: asks the extension, else shutdown with a report. */
void cpu_triple_fault(struct cpu *cpu);
/* The shutdown state, which ends the run; why: what did it, for the report */
void cpu_shutdown(struct cpu *cpu, const char *why);
/* Through a gate of the IDT, in protected, virtual-8086 and IA-32e mode (sim/core/gate.c); cpu->delivering is set. */
void deliver_gate(struct cpu *cpu, const struct event *ev);
/* The interrupt-vector table of real mode and of VME redirection; `flags` is the image to push, `clear` what RFLAGS
 * loses. */
void deliver_ivt(struct cpu *cpu, unsigned vec, uint64_t table, uint32_t flags, uint32_t clear);

/* ---- system-management mode: sim/core/smm.c ---- */
void smm_enter(struct cpu *cpu);
/* RSM in SMM: restores the state; shutdown when the saved state is illegal. cpu->rip and the mode are the restored
 * ones. */
void smm_leave(struct cpu *cpu);

/* ---- interrupts: sim/core/attn.c ---- */

/* At an instruction boundary with intr.attn != 0 or a shadow: take what is due in the order of SDM 3 "Prioritization of
 * Concurrent Events". Returns false when the CPU is not running (HLT, shutdown, wait-for-SIPI). */
bool cpu_service_attention(struct cpu *cpu);

#endif
