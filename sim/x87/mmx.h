/* The MMX registers: MMn is the significand of the physical x87 register Rn. SDM 3 "Intel MMX Technology System
 * Programming", table "Effects of MMX Instructions on x87 FPU State".
 *
 * An MMX instruction: mmx_begin(); then what may fault (its memory operand); then mmx_touch(); then reads and writes.
 */
#ifndef HVSIM_X87_MMX_H
#define HVSIM_X87_MMX_H

#include "sim/core/cpu.h"
#include "sim/x87/pending.h"

/* What may forbid the instruction: #UD by CR0.EM, #NM by CR0.TS, then an x87 exception that waits to be reported. */
static inline void mmx_begin(struct cpu *cpu, const struct insn *i) {
    if (__builtin_expect(cpu->denied & GATE_MMX, 0)) {
        cpu->cur = i;
        cpu_raise_denied(cpu, GATE_MMX);
    }
    if (__builtin_expect(cpu->fpu.fsw & FSW_ES, 0)) x87_pending(cpu, i);
}

/* Entering MMX state: TOP = 0, no register is empty. */
static inline void mmx_touch(struct cpu *cpu) {
    cpu->fpu.fsw &= (uint16_t)~FSW_TOP;
    cpu->fpu.ftw = 0xFF;
}

static inline uint64_t mmx_read(const struct cpu *cpu, unsigned n) { return cpu->fpu.st[n & 7].sig; }
/* The sign and exponent become all ones. */
static inline void mmx_write(struct cpu *cpu, unsigned n, uint64_t v) {
    cpu->fpu.st[n & 7] = (struct f80){.sig = v, .se = 0xFFFF};
}

#endif
