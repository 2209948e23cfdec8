/* What the files of sim/x87/ share: how an x87 instruction begins and ends, the register stack, memory operands.
 * SDM 1 "Programming with the x87 FPU".
 *
 * An instruction: X87_ENTER, its memory operand (which may fault), x87_note() or x87_note_mem(), then the operation,
 * whose exceptions f80.h accrues in FSW, then X87_END. No address of a local is taken in a function that ends by NEXT:
 * work that needs one is in a function of its own. */
#ifndef HVSIM_X87_X87_H
#define HVSIM_X87_X87_H

#include "sim/fp/f80.h"
#include "sim/ops/opdef.h"
#include "sim/x87/pending.h"

#define X87_FN __attribute__((noinline))

/* ---- beginning and end ---- */

_Noreturn void x87_denied(struct cpu *cpu, const struct insn *i);
/* An unmasked exception is in FSW: sets ES and B, keeps what FDP_EXCPTN_ONLY keeps; goes on. */
void x87_unmasked(struct cpu *cpu, const struct insn *i);

/* #NM, then the exception that waits. */
#define X87_ENTER(cpu, i)                                                                                              \
    do {                                                                                                               \
        if (unlikely((cpu)->denied & GATE_X87)) x87_denied(cpu, i);                                                    \
        if (unlikely((cpu)->fpu.fsw & FSW_ES)) x87_pending(cpu, i);                                                    \
    } while (0)
/* The same for no-wait instructions. */
#define X87_ENTER_NOWAIT(cpu, i)                                                                                       \
    do {                                                                                                               \
        if (unlikely((cpu)->denied & GATE_X87)) x87_denied(cpu, i);                                                    \
    } while (0)
#define X87_END(cpu, i)                                                                                                \
    do {                                                                                                               \
        if (unlikely(f80_pending(&(cpu)->fpu))) return x87_unmasked(cpu, i);                                           \
        NEXT(cpu, i);                                                                                                  \
    } while (0)

/* The last non-control instruction. SDM 1 "x87 FPU Instruction and Data (Operand) Pointers" */
OP_INLINE void x87_note(struct cpu *cpu, const struct insn *i) {
    cpu->fpu.fip = cpu_insn_rip(cpu, i);
    cpu->fpu.fcs = cpu->seg[SEG_CS].sel;
    cpu->fpu.fop = (uint16_t)i->imm;
}
OP_INLINE void x87_note_mem(struct cpu *cpu, const struct insn *i) {
    x87_note(cpu, i);
    cpu->fpu.fdp = ea_offset(cpu, i);
    cpu->fpu.fds = cpu->seg[i->seg].sel;
}

/* ---- the stack ---- */

/* Physical register of ST(n). */
OP_INLINE unsigned x87_reg(const struct fpu_regs *f, unsigned n) { return (fpu_top(f) + n) & 7; }
OP_INLINE bool x87_empty(const struct fpu_regs *f, unsigned r) { return !(f->ftw >> r & 1); }
OP_INLINE bool x87_full(const struct fpu_regs *f, unsigned r) { return f->ftw >> r & 1; }

OP_INLINE void x87_set_top(struct fpu_regs *f, unsigned top) {
    f->fsw = (uint16_t)((f->fsw & ~FSW_TOP) | (top & 7) << 11);
}
OP_INLINE void x87_pop(struct fpu_regs *f) {
    f->ftw &= (uint8_t) ~(1u << fpu_top(f));
    f->fsw = (uint16_t)((f->fsw & ~FSW_TOP) | ((f->fsw + (1u << 11)) & FSW_TOP));
}
/* The register that a push makes ST(0). */
OP_INLINE unsigned x87_below(const struct fpu_regs *f) { return (fpu_top(f) + 7) & 7; }

/* Field by field: a value just computed is in two pieces on its way to memory. */
OP_INLINE void x87_copy(struct f80 *d, const struct f80 *s) {
    const uint64_t sig = s->sig;
    const uint16_t se = s->se;
    d->sig = sig;
    d->se = se;
}
OP_INLINE void x87_push(struct fpu_regs *f, const struct f80 *v) {
    const unsigned r = x87_below(f);
    x87_copy(&f->st[r], v);
    f->ftw |= (uint8_t)(1u << r);
    x87_set_top(f, r);
}
OP_INLINE void x87_clear_c1(struct fpu_regs *f) { f->fsw &= (uint16_t)~FSW_C1; }

/* Stack faults: #IS with C1 = 0 for an empty source, 1 for a register in use. True when the exception is masked: the
 * caller then makes its result the QNaN indefinite. SDM 1 "Stack Overflow or Underflow Exception (#IS)" */
OP_INLINE bool x87_underflow(struct fpu_regs *f) {
    f->fsw = (uint16_t)((f->fsw & ~FSW_C1) | FSW_IE | FSW_SF);
    return f->fcw & FSW_IE;
}
OP_INLINE bool x87_overflow(struct fpu_regs *f) {
    f->fsw |= FSW_IE | FSW_SF | FSW_C1;
    return f->fcw & FSW_IE;
}
OP_INLINE void x87_indefinite(struct fpu_regs *f, unsigned r) {
    f->st[r].sig = F80_INDEFINITE.sig;
    f->st[r].se = F80_INDEFINITE.se;
    f->ftw |= (uint8_t)(1u << r);
}

/* A push with no register free. */
void x87_push_overflow(struct cpu *cpu, const struct insn *i);

/* ---- memory operands of 80 bits and more ---- */

/* Reads 10 bytes into fpu.operand. */
void x87_read80(struct cpu *cpu, const struct insn *i);
void x87_write80(struct cpu *cpu, const struct insn *i, uint64_t la, const struct f80 *v);

/* Memory operands of arithmetic in the extended format, SNaNs and all: no exception is raised here. False: the value is
 * denormal, which the extended format cannot show (it comes out normalized). */
bool x87_widen32_special(struct f80 *d, uint32_t v);
bool x87_widen64_special(struct f80 *d, uint64_t v);
OP_INLINE bool x87_widen32(struct f80 *d, uint32_t v) {
    const unsigned exp = v >> 23 & 0xFF;
    if (unlikely(exp - 1u >= 0xFEu)) return x87_widen32_special(d, v);
    d->sig = (uint64_t)v << 40 | F80_INTEGER;
    d->se = (uint16_t)(v >> 31 << 15 | (exp + F80_BIAS - 127));
    return true;
}
OP_INLINE bool x87_widen64(struct f80 *d, uint64_t v) {
    const unsigned exp = v >> 52 & 0x7FF;
    if (unlikely(exp - 1u >= 0x7FEu)) return x87_widen64_special(d, v);
    d->sig = v << 11 | F80_INTEGER;
    d->se = (uint16_t)(v >> 63 << 15 | (exp + F80_BIAS - 1023));
    return true;
}
OP_INLINE bool x87_integer(struct f80 *d, int64_t v) {
    const uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    const unsigned shift = v ? (unsigned)__builtin_clzll(magnitude) : 0;
    d->sig = magnitude << shift;
    d->se = (uint16_t)((v < 0 ? F80_SIGN : 0) | (v ? F80_BIAS + 63 - shift : 0));
    return true;
}
/* Then: #D, unless `other` comes first. True when it is unmasked and the operation must not be done. */
bool x87_denormal_operand(struct fpu_regs *f, const struct f80 *other);

#endif
