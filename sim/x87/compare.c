/* FCOM, FUCOM, FICOM, FTST, FCOMI, FUCOMI, FXAM. SDM 1 "Comparison and Classification Instructions". */
#include "sim/x87/x87.h"

enum { ORDERED, QUIET };

static void set_codes(struct fpu_regs *f, unsigned codes) { f->fsw = (uint16_t)((f->fsw & ~FSW_CODE) | codes); }

static void pop(struct fpu_regs *f, unsigned pops) {
    for (; pops > 0; pops--) x87_pop(f);
}

/* The end of a comparison with `pops` pops: an unmasked #IA or #D leaves the stack alone. */
static void finish(struct cpu *cpu, unsigned pops) {
    if (!f80_suppressed(&cpu->fpu)) pop(&cpu->fpu, pops);
}

/* An operand is empty: unordered. */
static X87_FN void missing(struct cpu *cpu, const struct insn *i, unsigned pops) {
    struct fpu_regs *f = &cpu->fpu;
    x87_underflow(f);
    set_codes(f, FSW_C3 | FSW_C2 | FSW_C0);
    finish(cpu, pops);
    X87_END(cpu, i);
}

OP_INLINE void compare_registers(struct cpu *cpu, const struct insn *i, unsigned with, bool quiet, unsigned pops) {
    X87_ENTER(cpu, i);
    struct fpu_regs *f = &cpu->fpu;
    x87_note(cpu, i);
    const unsigned a = fpu_top(f), b = x87_reg(f, with);
    if (unlikely(~f->ftw & (1u << a | 1u << b))) return missing(cpu, i, pops);
    f80_compare(f, &f->st[a], &f->st[b], quiet);
    finish(cpu, pops);
    X87_END(cpu, i);
}
#define REGISTERS(name, with, quiet, pops)                                                                             \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) { return compare_registers(cpu, i, with, quiet, pops); }
REGISTERS(fcom_r, i->rm, ORDERED, 0)
REGISTERS(fcomp_r, i->rm, ORDERED, 1)
REGISTERS(fcompp, 1, ORDERED, 2)
REGISTERS(fucom_r, i->rm, QUIET, 0)
REGISTERS(fucomp_r, i->rm, QUIET, 1)
REGISTERS(fucompp, 1, QUIET, 2)
#undef REGISTERS

/* `fill` puts the value into f->operand; false: it was denormal. */
#define MEMORY(name, B, fill, pops)                                                                                    \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        X87_ENTER(cpu, i);                                                                                             \
        struct fpu_regs *f = &cpu->fpu;                                                                                \
        const uint##B##_t v = load##B(cpu, i);                                                                         \
        x87_note_mem(cpu, i);                                                                                          \
        const unsigned a = fpu_top(f);                                                                                 \
        if (unlikely(x87_empty(f, a))) return missing(cpu, i, pops);                                                   \
        if (unlikely(!fill)) x87_denormal_operand(f, &f->st[a]);                                                       \
        f80_compare(f, &f->st[a], &f->operand, ORDERED);                                                               \
        finish(cpu, pops);                                                                                             \
        X87_END(cpu, i);                                                                                               \
    }
MEMORY(fcom_m32, 32, x87_widen32(&f->operand, v), 0)
MEMORY(fcom_m64, 64, x87_widen64(&f->operand, v), 0)
MEMORY(fcomp_m32, 32, x87_widen32(&f->operand, v), 1)
MEMORY(fcomp_m64, 64, x87_widen64(&f->operand, v), 1)
MEMORY(ficom_m16, 16, x87_integer(&f->operand, (int16_t)v), 0)
MEMORY(ficom_m32, 32, x87_integer(&f->operand, (int32_t)v), 0)
MEMORY(ficomp_m16, 16, x87_integer(&f->operand, (int16_t)v), 1)
MEMORY(ficomp_m32, 32, x87_integer(&f->operand, (int32_t)v), 1)
#undef MEMORY

OPFN op_ftst(struct cpu *cpu, const struct insn *i) {
    X87_ENTER(cpu, i);
    struct fpu_regs *f = &cpu->fpu;
    x87_note(cpu, i);
    const unsigned a = fpu_top(f);
    if (unlikely(x87_empty(f, a))) return missing(cpu, i, 0);
    f->operand.sig = 0;
    f->operand.se = 0;
    f80_compare(f, &f->st[a], &f->operand, ORDERED);
    X87_END(cpu, i);
}

/* ---- into RFLAGS ---- */

static const uint8_t flags_of_order[] = {
    [FP_EQUAL] = FLAG_ZF,
    [FP_LESS] = FLAG_CF,
    [FP_GREATER] = 0,
    [FP_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF,
};

static X87_FN void missing_flags(struct cpu *cpu, const struct insn *i, unsigned pops) {
    if (x87_underflow(&cpu->fpu)) pop(&cpu->fpu, pops);
    flags_set_arith(cpu, flags_of_order[FP_UNORDERED]);
    X87_END(cpu, i);
}

OP_INLINE void compare_flags(struct cpu *cpu, const struct insn *i, bool quiet, unsigned pops) {
    X87_ENTER(cpu, i);
    struct fpu_regs *f = &cpu->fpu;
    x87_note(cpu, i);
    const unsigned a = fpu_top(f), b = x87_reg(f, i->rm);
    if (unlikely(~f->ftw & (1u << a | 1u << b))) return missing_flags(cpu, i, pops);
    const uint16_t c1 = f->fsw & FSW_C1; /* it stays */
    const enum fp_less order = f80_order(f, &f->st[a], &f->st[b], quiet);
    f->fsw |= c1;
    flags_set_arith(cpu, flags_of_order[order]);
    finish(cpu, pops);
    X87_END(cpu, i);
}
#define FLAGS(name, quiet, pops)                                                                                       \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) { return compare_flags(cpu, i, quiet, pops); }
FLAGS(fcomi, ORDERED, 0)
FLAGS(fcomip, ORDERED, 1)
FLAGS(fucomi, QUIET, 0)
FLAGS(fucomip, QUIET, 1)
#undef FLAGS

/* SDM 2 "FXAM": C3, C2, C0 = 101 for an empty register; C1 is its sign all the same. */
OPFN op_fxam(struct cpu *cpu, const struct insn *i) {
    X87_ENTER(cpu, i);
    struct fpu_regs *f = &cpu->fpu;
    x87_note(cpu, i);
    const unsigned a = fpu_top(f);
    if (x87_empty(f, a))
        set_codes(f, FSW_C3 | FSW_C0 | (f->st[a].se & F80_SIGN ? FSW_C1 : 0));
    else
        f80_examine(f, &f->st[a]);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(FCOM, R, op_fcom_r),
    ROW_ANY(FCOMP, R, op_fcomp_r),
    ROW_ANY(FCOMPP, 0, op_fcompp),
    ROW_ANY(FUCOM, R, op_fucom_r),
    ROW_ANY(FUCOMP, R, op_fucomp_r),
    ROW_ANY(FUCOMPP, 0, op_fucompp),
    ROW_SIZES(FCOM, M, 0, op_fcom_m32, op_fcom_m64),
    ROW_SIZES(FCOMP, M, 0, op_fcomp_m32, op_fcomp_m64),
    ROW_SIZES(FICOM, M, op_ficom_m16, op_ficom_m32, 0),
    ROW_SIZES(FICOMP, M, op_ficomp_m16, op_ficomp_m32, 0),
    ROW_ANY(FTST, 0, op_ftst),
    ROW_ANY(FCOMI, RR, op_fcomi),
    ROW_ANY(FCOMIP, RR, op_fcomip),
    ROW_ANY(FUCOMI, RR, op_fucomi),
    ROW_ANY(FUCOMIP, RR, op_fucomip),
    ROW_ANY(FXAM, 0, op_fxam),
};
OP_GROUP(op_group_x87_compare, rows);
