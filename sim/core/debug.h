/* Debug conditions: SDM 3 "Debug, Branch Profile, TSC, and Intel Resource Director Technology Features". */
#ifndef HVSIM_CORE_DEBUG_H
#define HVSIM_CORE_DEBUG_H

#include "sim/core/cpu.h"

/* Before an instruction runs stepped: an enabled instruction breakpoint at cpu->rip with RF = 0 raises its #DB fault (and does not return). */
void debug_fetch_breakpoint(struct cpu *cpu);
/* After an instruction that began with TF = 1: make the trap pending (BTF: only after branches). */
void debug_single_step(struct cpu *cpu);

#endif
