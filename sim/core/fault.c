/* The two non-local exits. */
#include "sim/core/fault.h"

bool vector_has_error(unsigned vec) {
    const uint32_t with_error = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS | 1u << VEC_GP |
                                1u << VEC_PF | 1u << VEC_AC | 1u << VEC_CP;
    return vec < 32 && (with_error >> vec & 1);
}

/* Error codes that name a selector carry EXT. SDM 3 "Error Code" */
static bool vector_has_ext(unsigned vec) { return vec >= VEC_TS && vec <= VEC_GP; }

void cpu_raise_event(struct cpu *cpu, const struct event *ev) {
    const struct event *outer = &cpu->delivering;
    bool nested = outer->valid;

    cpu->raised = *ev;
    cpu->raised.valid = true;
    if (nested && vector_has_ext(ev->vector) && !event_is_soft(outer)) cpu->raised.error |= ERR_EXT;
    if (cpu->cur) {
        cpu->rip = cpu_insn_rip(cpu, cpu->cur);
        cpu->budget += cpu->cur->left;
        cpu->cur = NULL;
    } else if (nested && (event_is_soft(outer) || outer->type == EVT_PRIV_SOFT_EXC)) {
        cpu->rip -= outer->insn_len; /* injected software interrupt: the fault is that of the instruction */
    }
    longjmp(cpu->landing, 1);
}

void cpu_raise_err(struct cpu *cpu, enum vector vec, uint32_t error) {
    struct event ev = {
        .valid = true, .vector = vec, .type = EVT_HARD_EXC, .has_error = vector_has_error(vec), .error = error};
    cpu_raise_event(cpu, &ev);
}

void cpu_raise(struct cpu *cpu, enum vector vec) { cpu_raise_err(cpu, vec, 0); }

void cpu_raise_pf(struct cpu *cpu, uint64_t la, uint32_t error) {
    struct event ev = {
        .valid = true, .vector = VEC_PF, .type = EVT_HARD_EXC, .has_error = true, .error = error, .info = la};
    cpu_raise_event(cpu, &ev);
}

void cpu_resume(struct cpu *cpu) {
    cpu_commit_insn(cpu);
    cpu->delivering.valid = false;
    cpu->intr.rep_partial = false;
    longjmp(cpu->landing, 2);
}
