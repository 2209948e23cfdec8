/* Unmasked x87 exceptions that wait for the next waiting instruction. SDM 1 "x87 FPU Exception Handling". */
#ifndef HVSIM_X87_PENDING_H
#define HVSIM_X87_PENDING_H

#include "sim/core/cpu.h"

/* FSW.ES is 1 and a waiting x87, MMX or FWAIT instruction begins: #MF when CR0.NE = 1; else FERR# is asserted, and the
 * processor stops in front of the instruction until an interrupt comes. Returns only where IGNNE# is asserted: the
 * instruction then runs. SDM 3 "Mode of Handling FPU Exceptions". */
void x87_pending(struct cpu *cpu, const struct insn *i);

/* FSW may have lost ES: FERR# follows. */
void x87_ferr_update(struct cpu *cpu);

#endif
