/* The run loop of one processor. */
#ifndef HVSIM_CORE_RUN_H
#define HVSIM_CORE_RUN_H

#include "sim/core/cpu.h"

enum run_result {
    RUN_BUDGET,  /* the cycles given are used up */
    RUN_IDLE,    /* HLT, MWAIT, wait-for-SIPI or shutdown with nothing pending: time may be skipped */
    RUN_STOPPED, /* the machine asked to stop (exit port, shutdown report, limits) */
};
/* Run up to `cycles` cycles. Exactly deterministic: leaves after the last instruction that fits. */
enum run_result cpu_run(struct cpu *cpu, int64_t cycles);
/* Execute the interrupted instruction again, alone and exactly, because it reached something (MMIO, breakpoint) whose
 * effects must be seen at the very next boundary. Never returns. No-op rule: call only when !cpu->step. */
_Noreturn void cpu_restart_stepped(struct cpu *cpu);

#endif
