/* What moves values on the register stack: FLD, FST, FXCH, FCMOVcc, constants, FABS, FCHS, FFREE, FINCSTP, FDECSTP.
 * SDM 1 "Data Transfer Instructions", "Load Constant Instructions". */
#include "sim/x87/x87.h"

#define BEGIN                                                                                                          \
    X87_ENTER(cpu, i);                                                                                                 \
    struct fpu_regs *f = &cpu->fpu;                                                                                    \
    x87_note(cpu, i)

/* ---- pushes ---- */

/* No register is free: the push is made with the QNaN indefinite, if the exception is masked. */
void x87_push_overflow(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_overflow(f)) {
        x87_set_top(f, fpu_top(f) + 7);
        x87_indefinite(f, fpu_top(f));
    }
    X87_END(cpu, i);
}

static X87_FN void push_missing(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_underflow(f)) {
        x87_set_top(f, fpu_top(f) + 7);
        x87_indefinite(f, fpu_top(f));
    }
    X87_END(cpu, i);
}

OPFN op_fld_r(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    const unsigned s = x87_reg(f, i->rm);
    if (unlikely(x87_empty(f, s))) return push_missing(cpu, i);
    if (unlikely(x87_full(f, x87_below(f)))) return x87_push_overflow(cpu, i);
    x87_clear_c1(f);
    x87_push(f, &f->st[s]);
    NEXT(cpu, i);
}

/* The constants in the order of their opcodes, D9 E8 to D9 EE. */
#define CONSTANT(name, n)                                                                                              \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        BEGIN;                                                                                                         \
        if (unlikely(x87_full(f, x87_below(f)))) return x87_push_overflow(cpu, i);                                     \
        const struct f80 v = f80_constant(f, n);                                                                       \
        f->operand.sig = v.sig;                                                                                        \
        f->operand.se = v.se;                                                                                          \
        x87_clear_c1(f);                                                                                               \
        x87_push(f, &f->operand);                                                                                      \
        NEXT(cpu, i);                                                                                                  \
    }
CONSTANT(fld1, 0)
CONSTANT(fldl2t, 1)
CONSTANT(fldl2e, 2)
CONSTANT(fldpi, 3)
CONSTANT(fldlg2, 4)
CONSTANT(fldln2, 5)
CONSTANT(fldz, 6)
#undef CONSTANT

/* ---- register to register ---- */

/* ST(0) is empty, and was to be copied to ST(rm). */
static void store_missing(struct fpu_regs *f, unsigned to, bool pop) {
    if (!x87_underflow(f)) return;
    x87_indefinite(f, to);
    if (pop) x87_pop(f);
}
static X87_FN void fst_missing(struct cpu *cpu, const struct insn *i) {
    store_missing(&cpu->fpu, x87_reg(&cpu->fpu, i->rm), false);
    X87_END(cpu, i);
}
static X87_FN void fstp_missing(struct cpu *cpu, const struct insn *i) {
    store_missing(&cpu->fpu, x87_reg(&cpu->fpu, i->rm), true);
    X87_END(cpu, i);
}

OP_INLINE void copy_to(struct fpu_regs *f, unsigned from, unsigned to) {
    x87_clear_c1(f);
    x87_copy(&f->st[to], &f->st[from]);
    f->ftw |= (uint8_t)(1u << to);
}
OPFN op_fst_r(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    const unsigned s = fpu_top(f);
    if (unlikely(x87_empty(f, s))) return fst_missing(cpu, i);
    copy_to(f, s, x87_reg(f, i->rm));
    NEXT(cpu, i);
}
OPFN op_fstp_r(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    const unsigned s = fpu_top(f);
    if (unlikely(x87_empty(f, s))) return fstp_missing(cpu, i);
    copy_to(f, s, x87_reg(f, i->rm));
    x87_pop(f);
    NEXT(cpu, i);
}

/* FSTP "without stack underflow": nothing is copied from an empty ST(0). */
OPFN op_fstpnce(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    const unsigned s = fpu_top(f);
    x87_clear_c1(f);
    if (likely(x87_full(f, s))) copy_to(f, s, x87_reg(f, i->rm));
    x87_pop(f);
    NEXT(cpu, i);
}

/* Empty operands become the QNaN indefinite first. */
static X87_FN void fxch_missing(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    const unsigned a = fpu_top(f), b = x87_reg(f, i->rm);
    if (x87_underflow(f)) {
        if (x87_empty(f, a)) x87_indefinite(f, a);
        if (x87_empty(f, b)) x87_indefinite(f, b);
        const struct f80 v = f->st[a];
        f->st[a] = f->st[b];
        f->st[b] = v;
    }
    X87_END(cpu, i);
}
OPFN op_fxch(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    const unsigned a = fpu_top(f), b = x87_reg(f, i->rm);
    if (unlikely(~f->ftw & (1u << a | 1u << b))) return fxch_missing(cpu, i);
    const uint64_t sig = f->st[a].sig;
    const uint16_t se = f->st[a].se;
    x87_clear_c1(f);
    x87_copy(&f->st[a], &f->st[b]);
    f->st[b].sig = sig;
    f->st[b].se = se;
    NEXT(cpu, i);
}

static X87_FN void missing(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_underflow(f)) x87_indefinite(f, fpu_top(f));
    X87_END(cpu, i);
}

#define CMOV(name, cond)                                                                                               \
    OPFN op_fcmov##name(struct cpu *cpu, const struct insn *i) {                                                       \
        BEGIN;                                                                                                         \
        const unsigned d = fpu_top(f), s = x87_reg(f, i->rm);                                                          \
        if (unlikely(~f->ftw & (1u << d | 1u << s))) return missing(cpu, i);                                           \
        if (cc_test(cpu, cond)) x87_copy(&f->st[d], &f->st[s]);                                                        \
        NEXT(cpu, i);                                                                                                  \
    }
CMOV(b, 2)
CMOV(nb, 3)
CMOV(e, 4)
CMOV(ne, 5)
CMOV(be, 6)
CMOV(nbe, 7)
CMOV(u, 10)
CMOV(nu, 11)
#undef CMOV

/* Signs: no exception but that of an empty register. */
#define SIGN(name, expr)                                                                                               \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        BEGIN;                                                                                                         \
        const unsigned d = fpu_top(f);                                                                                 \
        if (unlikely(x87_empty(f, d))) return missing(cpu, i);                                                         \
        x87_clear_c1(f);                                                                                               \
        const unsigned se = f->st[d].se;                                                                               \
        f->st[d].se = (uint16_t)(expr);                                                                                \
        NEXT(cpu, i);                                                                                                  \
    }
SIGN(fabs, se & ~F80_SIGN)
SIGN(fchs, se ^ F80_SIGN)
#undef SIGN

/* ---- tags and TOP ---- */

OPFN op_ffree(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    x87_clear_c1(f);
    f->ftw &= (uint8_t) ~(1u << x87_reg(f, i->rm));
    NEXT(cpu, i);
}
OPFN op_ffreep(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    x87_clear_c1(f);
    f->ftw &= (uint8_t) ~(1u << x87_reg(f, i->rm));
    x87_pop(f);
    NEXT(cpu, i);
}
OPFN op_fincstp(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    x87_clear_c1(f);
    x87_set_top(f, fpu_top(f) + 1);
    NEXT(cpu, i);
}
OPFN op_fdecstp(struct cpu *cpu, const struct insn *i) {
    BEGIN;
    x87_clear_c1(f);
    x87_set_top(f, fpu_top(f) + 7);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(FLD, R, op_fld_r),        ROW_ANY(FLD1, 0, op_fld1),        ROW_ANY(FLDL2T, 0, op_fldl2t),
    ROW_ANY(FLDL2E, 0, op_fldl2e),    ROW_ANY(FLDPI, 0, op_fldpi),      ROW_ANY(FLDLG2, 0, op_fldlg2),
    ROW_ANY(FLDLN2, 0, op_fldln2),    ROW_ANY(FLDZ, 0, op_fldz),        ROW_ANY(FST, R, op_fst_r),
    ROW_ANY(FSTP, R, op_fstp_r),      ROW_ANY(FSTPNCE, R, op_fstpnce),  ROW_ANY(FXCH, R, op_fxch),
    ROW_ANY(FCMOVB, RR, op_fcmovb),   ROW_ANY(FCMOVNB, RR, op_fcmovnb), ROW_ANY(FCMOVE, RR, op_fcmove),
    ROW_ANY(FCMOVNE, RR, op_fcmovne), ROW_ANY(FCMOVBE, RR, op_fcmovbe), ROW_ANY(FCMOVNBE, RR, op_fcmovnbe),
    ROW_ANY(FCMOVU, RR, op_fcmovu),   ROW_ANY(FCMOVNU, RR, op_fcmovnu), ROW_ANY(FABS, 0, op_fabs),
    ROW_ANY(FCHS, 0, op_fchs),        ROW_ANY(FFREE, R, op_ffree),      ROW_ANY(FFREEP, R, op_ffreep),
    ROW_ANY(FINCSTP, 0, op_fincstp),  ROW_ANY(FDECSTP, 0, op_fdecstp),
};
OP_GROUP(op_group_x87_stack, rows);
