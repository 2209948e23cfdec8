/* The run loop of one processor: attention, look-up, chain; and the landing place of faults and exits. */
#include "sim/core/run.h"

#include "sim/core/block.h"
#include "sim/core/cet.h"
#include "sim/core/debug.h"
#include "sim/core/trace.h"
#include "sim/machine/machine.h"
#include "sim/ops/op.h"

enum landing { LAND_FIRST, LAND_RAISE, LAND_RESUME, LAND_RESTART };

_Noreturn void cpu_restart_stepped(struct cpu *cpu) {
    const struct insn *i = cpu->cur;
    cpu->rip = cpu_insn_rip(cpu, i);
    cpu->budget += i->left;
    cpu->cur = NULL;
    longjmp(cpu->landing, LAND_RESTART);
}

/* Back from a chain, by return or by jump: nothing is half-way any more. */
static void settle(struct cpu *cpu) {
    cpu->cur = NULL;
    cpu->step = false;
    cpu->budget += cpu->time.stolen;
    cpu->time.stolen = 0;
}

/* Must the next instruction run alone, because something is to be looked at after it? */
static inline bool wants_step(const struct cpu *cpu) {
    return cpu->intr.sti_shadow | cpu->intr.movss_shadow | cpu->restart | cpu->virt.step |
           ((cpu->rflags & (FLAG_TF | FLAG_RF)) != 0) | ((cpu->dbg.dr7 & DR7_ENABLE) != 0) | cpu->machine->trace_exec |
           cet_waits(cpu);
}

/* SDM 3 "Single-Step Exception Condition": the trap follows an instruction that began with TF = 1; software interrupts
 * and SYSCALL clear TF and leave no trap behind; SYSRET looks at the TF that it loads, itself. */
static bool leaves_step_trap(unsigned id) {
    return id != INSN_INT && id != INSN_INT3 && id != INSN_INTO && id != INSN_INT1 && id != INSN_SYSCALL &&
           id != INSN_SYSRET;
}

/* Where the jump cache leads in 64-bit code has been looked up before, with all the checks. */
static inline const struct insn *next_block(struct cpu *cpu) {
    uint64_t la = cpu_code_la(cpu, cpu->rip);
    const struct jump_entry *je = &cpu->jump[jump_index(la)];
    if (unlikely(je->la != la || je->key != cpu->fetch_key || !cpu_is_64(cpu) || je->insn->fn == op_stale))
        return block_lookup(cpu);
    cpu->gpr[17] = cpu->rip - (la & 0xFFF);
    return je->insn;
}

/* One instruction, alone: a copy of its record followed by op_leave, with a budget that no further block can be paid
 * from. */
static void run_one(struct cpu *cpu) {
    debug_fetch_breakpoint(cpu);
    const struct insn *first = block_lookup(cpu);
    if (cet_waits(cpu)) cet_check_target(cpu, first);
    struct insn *s = cpu->scratch;
    bool tf = cpu->rflags & FLAG_TF, sti = cpu->intr.sti_shadow, movss = cpu->intr.movss_shadow;
    s[0] = *first;
    if (first->flags & INSN_FUSED) s[0].fn = block_function(cpu->machine, first);
    s[0].left = 1;
    *(struct insn_link *)&s[1] = (struct insn_link){.fn = op_leave};
    if (unlikely(cpu->machine->trace_exec)) trace_insn(cpu);
    cpu->restart = false;
    cpu->step = true;
    cpu->time.stolen = cpu->budget - 1;
    cpu->budget = 0;
    s[0].fn(cpu, s);
    settle(cpu);
    bool returns = s[0].id == INSN_IRET || s[0].id == INSN_IRETD || s[0].id == INSN_IRETQ;
    if (!returns &&
        !cpu->intr.rep_partial) /* of a string instruction with elements left: its breakpoint was reported */
        cpu->rflags &= ~FLAG_RF;
    if (sti) cpu->intr.sti_shadow = false;
    if (movss) cpu->intr.movss_shadow = false;
    if (tf && leaves_step_trap(s[0].id)) debug_single_step(cpu);
}

static void run_chain(struct cpu *cpu) {
    const struct insn *first = next_block(cpu);
    if (unlikely(cpu->budget < first->left)) return run_one(cpu);
    cpu->budget -= first->left;
    first->fn(cpu, first);
    settle(cpu);
}

static void run_loop(struct cpu *cpu, enum run_result *result) {
    for (;;) {
        if (cpu->intr.attn | cpu->dbg.pending | (cpu->intr.activity != ACT_ACTIVE)) {
            if (cpu->intr.attn & ATTN_STOP) {
                *result = RUN_STOPPED;
                return;
            }
            if (cpu->intr.attn & ATTN_YIELD) {
                cpu->intr.attn &= ~(uint32_t)ATTN_YIELD;
                settle(cpu);
                *result = RUN_BUDGET;
                return;
            }
            bool running = cpu_service_attention(cpu);
            settle(cpu); /* cpu_break() while no chain runs */
            if (!running) {
                *result = cpu->intr.attn & ATTN_STOP ? RUN_STOPPED : RUN_IDLE;
                return;
            }
        }
        if (cpu->budget <= 0) {
            *result = RUN_BUDGET;
            return;
        }
        cpu->intr.rep_partial = false;
        if (wants_step(cpu))
            run_one(cpu);
        else
            run_chain(cpu);
    }
}

/* A gather or scatter, partly done, faults while a data breakpoint of an element waits: "traps ... will be delivered in
 * lieu of the exception". The instruction goes on afterwards, and faults then. SDM 2 "VGATHERDPS/VGATHERDPD" */
static bool trap_instead(const struct cpu *cpu) {
    return cpu->intr.rep_partial && cpu->dbg.pending && !cpu->delivering.valid && !cpu->intr.movss_shadow;
}

static void land(struct cpu *cpu, enum landing how) {
    settle(cpu);
    if (how == LAND_RESTART) cpu->restart = true;
    if (how != LAND_RAISE) return;
    if (trap_instead(cpu)) {
        cpu->raised.valid = false;
        return;
    }
    struct event ev = cpu->raised;
    cpu->raised.valid = false;
    cpu->restart = false;
    cpu->budget--; /* counts as an instruction: a guest that does nothing but fault still comes to the end of its slice
                    */
    deliver_exception(cpu, &ev);
    settle(cpu);
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
}

/* What was used of the slice goes to the clocks. */
static void end_slice(struct cpu *cpu) {
    uint64_t cycles = cpu_cycles(cpu), icount = cpu_icount(cpu);
    cpu->time.cycles = cycles;
    cpu->time.icount = icount;
    cpu->time.extra = 0;
    cpu->time.budget_start = cpu->budget = cpu->time.stolen = 0;
}

enum run_result cpu_run(struct cpu *cpu, int64_t cycles) {
    enum run_result result = RUN_BUDGET;
    cpu->machine->running = cpu;
    cpu->time.budget_start = cpu->budget = cycles;
    cpu->time.stolen = 0;
    cpu->time.extra = 0;
    fp_enter(cpu);
    int how = setjmp(cpu->landing);
    if (how != LAND_FIRST) land(cpu, (enum landing)how);
    run_loop(cpu, &result);
    fp_leave(cpu);
    end_slice(cpu);
    return result;
}
