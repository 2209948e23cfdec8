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

/* ES and B from the exceptions and their masks, after either was loaded. */
void x87_summarize(struct cpu *cpu);

/* The last instruction: what FLDENV, FRSTOR and FXRSTOR load, and what is saved, as the model says. */
struct x87_pointers {
    uint64_t fip, fdp;
    uint16_t fcs, fds, fop;
};
void x87_set_pointers(struct cpu *cpu, const struct x87_pointers *p);
uint64_t x87_fdp(const struct cpu *cpu);
uint16_t x87_fcs(const struct cpu *cpu);
uint16_t x87_fds(const struct cpu *cpu);

#endif
