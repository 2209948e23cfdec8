/* Debug conditions: SDM 3 "Debug, Branch Profile, TSC, and Intel Resource Director Technology Features". */
#ifndef HVSIM_CORE_DEBUG_H
#define HVSIM_CORE_DEBUG_H

#include "sim/core/cpu.h"

/* Before an instruction runs stepped: an enabled instruction breakpoint at cpu->rip with RF = 0 raises its #DB fault
 * (and does not return). */
void debug_fetch_breakpoint(struct cpu *cpu);
/* After an instruction that began with TF = 1: make the trap pending (BTF: only after branches). */
void debug_single_step(struct cpu *cpu);

enum dr7_kind { DR7_EXEC = 0, DR7_WRITE = 1, DR7_IO = 2, DR7_RW = 3 };
/* Is any breakpoint of this kind enabled? (data ones force memory accesses onto the slow path) */
bool debug_armed(const struct cpu *cpu, enum dr7_kind kind);
static inline bool debug_any_armed(const struct cpu *cpu) { return cpu->dbg.dr7 & DR7_ENABLE; }
static inline bool debug_data_armed(const struct cpu *cpu) {
    return debug_any_armed(cpu) && (debug_armed(cpu, DR7_WRITE) || debug_armed(cpu, DR7_RW));
}
/* A data or I/O access was made: makes the matching breakpoints pending. `access`: MEM_READ and MEM_WRITE bits. */
void debug_data_access(struct cpu *cpu, uint64_t la, unsigned size, unsigned access);
void debug_io_access(struct cpu *cpu, uint16_t port, unsigned size);
/* What the delivery of #DB does to DR6, DR7.GD and IA32_DEBUGCTL; `info` in DR6 format. */
void debug_enter(struct cpu *cpu, uint64_t info);
/* MOV DR without privilege and intercept checks; n = 0-3, 6, 7. false: #GP(0) (upper half of DR6 or DR7 set) */
uint64_t dr_get(const struct cpu *cpu, unsigned n);
bool dr_set(struct cpu *cpu, unsigned n, uint64_t val);

#endif
