/* FADD, FSUB, FMUL, FDIV with their reversed, popping, memory and integer forms. SDM 1 "Basic Arithmetic Instructions".
 */
#include "sim/x87/x87.h"

/* d = ST(reg) op ST(rm) or memory; the reversed ones exchange the operands, never the destination. */
#define ADD(f, d, s)  f80_add(f, d, d, s)
#define MUL(f, d, s)  f80_mul(f, d, d, s)
#define SUB(f, d, s)  f80_sub(f, d, d, s)
#define SUBR(f, d, s) f80_sub(f, d, s, d)
#define DIV(f, d, s)  f80_div(f, d, d, s)
#define DIVR(f, d, s) f80_div(f, d, s, d)

/* An operand is empty. */
static X87_FN void underflow(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_underflow(f)) x87_indefinite(f, x87_reg(f, i->reg));
    X87_END(cpu, i);
}
static X87_FN void underflow_pop(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_underflow(f)) {
        x87_indefinite(f, x87_reg(f, i->reg));
        x87_pop(f);
    }
    X87_END(cpu, i);
}
static X87_FN void unmasked_pop(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (!f80_suppressed(f)) x87_pop(f);
    return x87_unmasked(cpu, i);
}

/* The memory operand is denormal: does that keep the operation from being done? #Z comes before #D. */
static X87_FN bool denormal(struct fpu_regs *f, const struct insn *i) {
    const struct f80 *d = &f->st[fpu_top(f)];
    if (i->id == INSN_FDIVR && !d->sig && !(d->se & F80_MAX_EXP)) return false;
    return x87_denormal_operand(f, d);
}

#define REGISTER_FORM(OP, missing)                                                                                     \
    X87_ENTER(cpu, i);                                                                                                 \
    struct fpu_regs *f = &cpu->fpu;                                                                                    \
    x87_note(cpu, i);                                                                                                  \
    const unsigned d = x87_reg(f, i->reg), s = x87_reg(f, i->rm);                                                      \
    if (unlikely(~f->ftw & (1u << d | 1u << s))) return missing(cpu, i);                                               \
    OP(f, &f->st[d], &f->st[s])

/* `fill` puts the value into f->operand; false: it was denormal. */
#define MEMORY_FORM(OP, B, fill)                                                                                       \
    X87_ENTER(cpu, i);                                                                                                 \
    struct fpu_regs *f = &cpu->fpu;                                                                                    \
    const uint##B##_t v = load##B(cpu, i);                                                                             \
    x87_note_mem(cpu, i);                                                                                              \
    const unsigned d = fpu_top(f);                                                                                     \
    if (unlikely(x87_empty(f, d))) return underflow(cpu, i);                                                           \
    if (unlikely(!fill) && denormal(f, i)) return x87_unmasked(cpu, i);                                                \
    OP(f, &f->st[d], &f->operand);                                                                                     \
    X87_END(cpu, i)

#define ARITH(op, OP)                                                                                                  \
    OPFN op_f##op##_rr(struct cpu *cpu, const struct insn *i) {                                                        \
        REGISTER_FORM(OP, underflow);                                                                                  \
        X87_END(cpu, i);                                                                                               \
    }                                                                                                                  \
    OPFN op_f##op##p_rr(struct cpu *cpu, const struct insn *i) {                                                       \
        REGISTER_FORM(OP, underflow_pop);                                                                              \
        if (unlikely(f80_pending(f))) return unmasked_pop(cpu, i);                                                     \
        x87_pop(f);                                                                                                    \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_f##op##_m32(struct cpu *cpu, const struct insn *i) { MEMORY_FORM(OP, 32, x87_widen32(&f->operand, v)); }   \
    OPFN op_f##op##_m64(struct cpu *cpu, const struct insn *i) { MEMORY_FORM(OP, 64, x87_widen64(&f->operand, v)); }   \
    OPFN op_fi##op##_m16(struct cpu *cpu, const struct insn *i) {                                                      \
        MEMORY_FORM(OP, 16, x87_integer(&f->operand, (int16_t)v));                                                     \
    }                                                                                                                  \
    OPFN op_fi##op##_m32(struct cpu *cpu, const struct insn *i) {                                                      \
        MEMORY_FORM(OP, 32, x87_integer(&f->operand, (int32_t)v));                                                     \
    }
ARITH(add, ADD)
ARITH(mul, MUL)
ARITH(sub, SUB)
ARITH(subr, SUBR)
ARITH(div, DIV)
ARITH(divr, DIVR)
#undef ARITH

#define ROWS(ID, op)                                                                                                   \
    ROW_ANY(F##ID, RR, op_f##op##_rr), ROW_ANY(F##ID##P, RR, op_f##op##p_rr),                                          \
        ROW_SIZES(F##ID, M, 0, op_f##op##_m32, op_f##op##_m64),                                                        \
        ROW_SIZES(FI##ID, M, op_fi##op##_m16, op_fi##op##_m32, 0)

static const struct op_forms rows[] = {
    ROWS(ADD, add), ROWS(MUL, mul), ROWS(SUB, sub), ROWS(SUBR, subr), ROWS(DIV, div), ROWS(DIVR, divr),
};
OP_GROUP(op_group_x87_arith, rows);
