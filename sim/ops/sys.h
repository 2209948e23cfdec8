/* Bodies of the A_SYS instructions and what they share. Included by sim/ops/sys_*.c and sim/core/system.c. */
#ifndef HVSIM_OPS_SYS_H
#define HVSIM_OPS_SYS_H

#include "sim/core/seg.h"
#include "sim/ops/op.h"

#define BODY(id, name) sys_body body_##name;
#include "sim/ops/sys_bodies.def"
#undef BODY

/* Indexed by enum insn_id; NULL for instructions that are not A_SYS. */
extern sys_body *const sys_bodies[INSN_COUNT];

/* Write a general register: 32-bit results zero-extend, narrower ones leave the rest. `off`: byte offset in cpu->gpr;
 * `size`: log2 bytes. */
static inline void reg_write(struct cpu *cpu, unsigned off, unsigned size, uint64_t val) {
    switch (size) {
    case 0:
        *cpu_r8(cpu, off) = (uint8_t)val;
        break;
    case 1:
        *cpu_r16(cpu, off) = (uint16_t)val;
        break;
    case 2:
        *cpu_r64(cpu, off) = (uint32_t)val;
        break;
    default:
        *cpu_r64(cpu, off) = val;
        break;
    }
}

/* EDX:EAX, upper halves of RDX and RAX cleared */
static inline uint64_t edx_eax(const struct cpu *cpu) { return (uint32_t)cpu->gpr[RAX] | cpu->gpr[RDX] << 32; }
static inline void set_edx_eax(struct cpu *cpu, uint64_t val) {
    cpu->gpr[RAX] = (uint32_t)val;
    cpu->gpr[RDX] = val >> 32;
}

/* 16-bit source operand (selectors, machine status words): register or memory */
static inline uint16_t rm16_read(struct cpu *cpu, const struct insn *i) {
    if (i->flags & INSN_MEM) return mem_read16(cpu, i, ea_linear(cpu, i, 2, MEM_READ));
    return *cpu_r16(cpu, i->form == FORM_R ? i->reg : i->rm);
}

/* What the line armed by MONITOR holds, in one number (sim/ops/sys_wait.c) */
uint64_t monitor_sum(struct cpu *cpu);

/* Where the instruction's bytes say the operand size is 16, 32 or 64 bits: in bytes */
static inline unsigned opsize_bytes(const struct insn *i) { return 1u << i->size; }

#endif
