/* FSQRT, FRNDINT, FSCALE, FPREM, FXTRACT and the transcendental instructions. SDM 1 "Basic Arithmetic Instructions",
 * "Trigonometric Instructions", "Logarithmic, Exponential, and Scale". */
#include "sim/x87/x87.h"

#define BEGIN                                                                                                          \
    X87_ENTER(cpu, i);                                                                                                 \
    struct fpu_regs *f = &cpu->fpu;                                                                                    \
    x87_note(cpu, i);                                                                                                  \
    const unsigned x = fpu_top(f)

/* ---- ST(0) = f(ST(0)) and f(ST(0), ST(1)) ---- */

static X87_FN void missing(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_underflow(f)) x87_indefinite(f, fpu_top(f));
    X87_END(cpu, i);
}

/* The instructions that set C2 clear it here. */
static X87_FN void missing_c2(struct cpu *cpu, const struct insn *i) {
    cpu->fpu.fsw &= (uint16_t)~FSW_C2;
    return missing(cpu, i);
}

#define UNARY(name, expr, none)                                                                                        \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        BEGIN;                                                                                                         \
        if (unlikely(x87_empty(f, x))) return none(cpu, i);                                                            \
        struct f80 *const d = &f->st[x];                                                                               \
        expr;                                                                                                          \
        X87_END(cpu, i);                                                                                               \
    }
UNARY(fsqrt, f80_sqrt(f, d, d), missing)
UNARY(frndint, f80_round(f, d, d), missing)
UNARY(f2xm1, f80_f2xm1(f, d, d), missing)
UNARY(fsin, f80_fsin(f, d, d), missing_c2)
UNARY(fcos, f80_fcos(f, d, d), missing_c2)
#undef UNARY

#define BINARY(name, expr, none)                                                                                       \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        BEGIN;                                                                                                         \
        const unsigned y = x87_reg(f, 1);                                                                              \
        if (unlikely(~f->ftw & (1u << x | 1u << y))) return none(cpu, i);                                              \
        struct f80 *const d = &f->st[x];                                                                               \
        const struct f80 *const s = &f->st[y];                                                                         \
        expr;                                                                                                          \
        X87_END(cpu, i);                                                                                               \
    }

/* x * 2^0 and x rem infinity are x itself (SDM 2 "FSCALE" and "FPREM", tables of results): Intel's processors do not
 * take a denormal x for a tiny result, AMD's do. */
static bool is_zero(const struct f80 *a) { return !(a->se & F80_MAX_EXP) && !a->sig; }
static bool is_infinity(const struct f80 *a) { return (a->se & F80_MAX_EXP) == F80_MAX_EXP && a->sig == F80_INTEGER; }
OP_INLINE uint16_t untiny(const struct cpu *cpu, bool returned) {
    return unlikely(returned) && cpu->model->vendor == VENDOR_INTEL ? cpu->fpu.fcw | FP_UE : cpu->fpu.fcw;
}
#define RETURNING(returned, expr)                                                                                      \
    const uint16_t fcw = f->fcw;                                                                                       \
    f->fcw = untiny(cpu, returned);                                                                                    \
    expr;                                                                                                              \
    f->fcw = fcw
BINARY(fscale, RETURNING(is_zero(s), f80_scale(f, d, d, s)), missing)
BINARY(fprem, RETURNING(is_infinity(s), f80_prem(f, d, d, s, false)), missing_c2)
BINARY(fprem1, RETURNING(is_infinity(s), f80_prem(f, d, d, s, true)), missing_c2)
#undef RETURNING
#undef BINARY

/* ---- ST(1) = f(ST(0), ST(1)), then a pop ---- */

static X87_FN void missing_pop(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    if (x87_underflow(f)) {
        x87_indefinite(f, x87_reg(f, 1));
        x87_pop(f);
    }
    X87_END(cpu, i);
}

#define POPPING(name, compute)                                                                                         \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        BEGIN;                                                                                                         \
        const unsigned y = x87_reg(f, 1);                                                                              \
        if (unlikely(~f->ftw & (1u << x | 1u << y))) return missing_pop(cpu, i);                                       \
        compute(f, &f->st[y], &f->st[x], &f->st[y]);                                                                   \
        if (likely(!f80_suppressed(f))) x87_pop(f);                                                                    \
        X87_END(cpu, i);                                                                                               \
    }
POPPING(fyl2x, f80_fyl2x)
POPPING(fyl2xp1, f80_fyl2xp1)
POPPING(fpatan, f80_fpatan)
#undef POPPING

/* ---- two results: one replaces ST(0), the other is pushed ---- */

/* ST(0) is empty, or no register is free. */
static X87_FN void cannot_push(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    const unsigned x = fpu_top(f);
    if (i->id != INSN_FXTRACT) f->fsw &= (uint16_t)~FSW_C2;
    if (x87_empty(f, x) ? x87_underflow(f) : x87_overflow(f)) {
        x87_indefinite(f, x);
        x87_set_top(f, x + 7);
        x87_indefinite(f, fpu_top(f));
    }
    X87_END(cpu, i);
}

/* `compute` has the second result in f->operand. C2: the argument is out of range, and nothing has changed. */
#define PUSHING(name, compute)                                                                                         \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        BEGIN;                                                                                                         \
        if (unlikely(x87_empty(f, x) || x87_full(f, x87_below(f)))) return cannot_push(cpu, i);                        \
        struct f80 *const d = &f->st[x];                                                                               \
        const bool pushes = compute;                                                                                   \
        if (likely(pushes && !f80_suppressed(f))) x87_push(f, &f->operand);                                            \
        X87_END(cpu, i);                                                                                               \
    }
PUSHING(fptan, (f80_fptan(f, d, &f->operand, d), !(f->fsw & FSW_C2)))
PUSHING(fsincos, (f80_fsincos(f, d, &f->operand, d), !(f->fsw & FSW_C2)))
PUSHING(fxtract, (f80_extract(f, d, &f->operand, d), true))
#undef PUSHING

static const struct op_forms rows[] = {
    ROW_ANY(FSQRT, 0, op_fsqrt),     ROW_ANY(FRNDINT, 0, op_frndint), ROW_ANY(F2XM1, 0, op_f2xm1),
    ROW_ANY(FSIN, 0, op_fsin),       ROW_ANY(FCOS, 0, op_fcos),       ROW_ANY(FSCALE, 0, op_fscale),
    ROW_ANY(FPREM, 0, op_fprem),     ROW_ANY(FPREM1, 0, op_fprem1),   ROW_ANY(FYL2X, 0, op_fyl2x),
    ROW_ANY(FYL2XP1, 0, op_fyl2xp1), ROW_ANY(FPATAN, 0, op_fpatan),   ROW_ANY(FPTAN, 0, op_fptan),
    ROW_ANY(FSINCOS, 0, op_fsincos), ROW_ANY(FXTRACT, 0, op_fxtract),
};
OP_GROUP(op_group_x87_function, rows);
