/* ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NOT NEG: one function per form and size. */
#include "sim/ops/opdef.h"

/* ---- the operations: result, and flags left behind ---- */

#define ARITH(B)                                                                                                       \
    static inline uint##B##_t do_add##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                               \
        uint##B##_t r = (uint##B##_t)(a + b);                                                                          \
        cc_set(cpu, CC_ADD, LG_##B, (int##B##_t)r, b);                                                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_adc##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                               \
        unsigned c = cf_now(cpu);                                                                                      \
        uint##B##_t r = (uint##B##_t)(a + b + c);                                                                      \
        cc_set(cpu, (enum cc_op)(CC_ADD + c), LG_##B, (int##B##_t)r, b);                                               \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_sub##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                               \
        uint##B##_t r = (uint##B##_t)(a - b);                                                                          \
        cc_set(cpu, CC_SUB, LG_##B, (int##B##_t)r, b);                                                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_sbb##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                               \
        unsigned c = cf_now(cpu);                                                                                      \
        uint##B##_t r = (uint##B##_t)(a - b - c);                                                                      \
        cc_set(cpu, (enum cc_op)(CC_SUB + c), LG_##B, (int##B##_t)r, b);                                               \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_and##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                               \
        cc_logic(cpu, LG_##B, (int##B##_t)(a & b));                                                                    \
        return a & b;                                                                                                  \
    }                                                                                                                  \
    static inline uint##B##_t do_or##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                                \
        cc_logic(cpu, LG_##B, (int##B##_t)(a | b));                                                                    \
        return a | b;                                                                                                  \
    }                                                                                                                  \
    static inline uint##B##_t do_xor##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                               \
        cc_logic(cpu, LG_##B, (int##B##_t)(a ^ b));                                                                    \
        return a ^ b;                                                                                                  \
    }                                                                                                                  \
    static inline uint##B##_t do_inc##B(struct cpu *cpu, uint##B##_t a) {                                              \
        uint##B##_t r = (uint##B##_t)(a + 1);                                                                          \
        cc_set(cpu, CC_INC, LG_##B, (int##B##_t)r, cf_now(cpu));                                                       \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_dec##B(struct cpu *cpu, uint##B##_t a) {                                              \
        uint##B##_t r = (uint##B##_t)(a - 1);                                                                          \
        cc_set(cpu, CC_DEC, LG_##B, (int##B##_t)r, cf_now(cpu));                                                       \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_neg##B(struct cpu *cpu, uint##B##_t a) { return do_sub##B(cpu, 0, a); }               \
    static inline uint##B##_t do_not##B(struct cpu *cpu, uint##B##_t a) {                                              \
        (void)cpu;                                                                                                     \
        return (uint##B##_t) ~a;                                                                                       \
    }
EACH_SIZE(ARITH)
#undef ARITH

/* ---- two operands, result written ---- */

#define BINARY_FLAT(op, B, sfx, ea)                                                                                    \
    OPFN op_##op##_rm##B##sfx(struct cpu *cpu, const struct insn *i) {                                                 \
        HOST_R(B, ea(cpu, i), op_##op##_rm##B);                                                                        \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), ld##B(p)));                                       \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B##sfx(struct cpu *cpu, const struct insn *i) {                                                 \
        HOST_RW(B, ea(cpu, i), op_##op##_mr##B);                                                                       \
        st##B(p, do_##op##B(cpu, ld##B(p), reg##B(cpu, i->reg)));                                                      \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mi##B##sfx(struct cpu *cpu, const struct insn *i) {                                                 \
        HOST_RW(B, ea(cpu, i), op_##op##_mi##B);                                                                       \
        st##B(p, do_##op##B(cpu, ld##B(p), (uint##B##_t)i->imm));                                                      \
        NEXT(cpu, i);                                                                                                  \
    }
#define BINARY(op, B)                                                                                                  \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), reg##B(cpu, i->rm)));                             \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_ri##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), (uint##B##_t)i->imm));                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rm##B(struct cpu *cpu, const struct insn *i) {                                                      \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), v));                                              \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), do_##op##B(cpu, old, reg##B(cpu, i->reg)));                      \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mi##B(struct cpu *cpu, const struct insn *i) {                                                      \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), do_##op##B(cpu, old, (uint##B##_t)i->imm));                      \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    BINARY_FLAT(op, B, f, ea_flat) BINARY_FLAT(op, B, b, ea_base)
#define BINARY_ALL(B)                                                                                                  \
    BINARY(add, B) BINARY(or, B) BINARY(adc, B) BINARY(sbb, B) BINARY(and, B) BINARY(sub, B) BINARY(xor, B)
EACH_SIZE(BINARY_ALL)
#undef BINARY_ALL
#undef BINARY
#undef BINARY_FLAT

/* ---- two operands, flags only: CMP is SUB, TEST is AND ---- */

#define COMPARE_FLAT(op, how, B, sfx, ea)                                                                              \
    OPFN op_##op##_rm##B##sfx(struct cpu *cpu, const struct insn *i) {                                                 \
        HOST_R(B, ea(cpu, i), op_##op##_rm##B);                                                                        \
        (void)do_##how##B(cpu, reg##B(cpu, i->reg), ld##B(p));                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B##sfx(struct cpu *cpu, const struct insn *i) {                                                 \
        HOST_R(B, ea(cpu, i), op_##op##_mr##B);                                                                        \
        (void)do_##how##B(cpu, ld##B(p), reg##B(cpu, i->reg));                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mi##B##sfx(struct cpu *cpu, const struct insn *i) {                                                 \
        HOST_R(B, ea(cpu, i), op_##op##_mi##B);                                                                        \
        (void)do_##how##B(cpu, ld##B(p), (uint##B##_t)i->imm);                                                         \
        NEXT(cpu, i);                                                                                                  \
    }
#define COMPARE(op, how, B)                                                                                            \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        (void)do_##how##B(cpu, reg##B(cpu, i->reg), reg##B(cpu, i->rm));                                               \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_ri##B(struct cpu *cpu, const struct insn *i) {                                                      \
        (void)do_##how##B(cpu, reg##B(cpu, i->reg), (uint##B##_t)i->imm);                                              \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rm##B(struct cpu *cpu, const struct insn *i) {                                                      \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        (void)do_##how##B(cpu, reg##B(cpu, i->reg), v);                                                                \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        (void)do_##how##B(cpu, v, reg##B(cpu, i->reg));                                                                \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mi##B(struct cpu *cpu, const struct insn *i) {                                                      \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        (void)do_##how##B(cpu, v, (uint##B##_t)i->imm);                                                                \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    COMPARE_FLAT(op, how, B, f, ea_flat) COMPARE_FLAT(op, how, B, b, ea_base)
#define COMPARE_ALL(B) COMPARE(cmp, sub, B) COMPARE(test, and, B)
EACH_SIZE(COMPARE_ALL)
#undef COMPARE_ALL
#undef COMPARE
#undef COMPARE_FLAT

/* ---- one operand ---- */

#define UNARY_FLAT(op, B, sfx, ea)                                                                                     \
    OPFN op_##op##_m##B##sfx(struct cpu *cpu, const struct insn *i) {                                                  \
        HOST_RW(B, ea(cpu, i), op_##op##_m##B);                                                                        \
        st##B(p, do_##op##B(cpu, ld##B(p)));                                                                           \
        NEXT(cpu, i);                                                                                                  \
    }
#define UNARY(op, B)                                                                                                   \
    OPFN op_##op##_r##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg)));                                                 \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_m##B(struct cpu *cpu, const struct insn *i) {                                                       \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), do_##op##B(cpu, old));                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    UNARY_FLAT(op, B, f, ea_flat) UNARY_FLAT(op, B, b, ea_base)
#define UNARY_ALL(B) UNARY(inc, B) UNARY(dec, B) UNARY(not, B) UNARY(neg, B)
EACH_SIZE(UNARY_ALL)
#undef UNARY_ALL
#undef UNARY
#undef UNARY_FLAT

#define BINARY_ROWS(ID, op)                                                                                            \
    ROW(ID, RR, op_##op##_rr), ROW(ID, RI, op_##op##_ri), ROW_BASE(ID, RM, op_##op##_rm),                              \
        ROW_BASE(ID, MR, op_##op##_mr), ROW_BASE(ID, MI, op_##op##_mi)
#define UNARY_ROWS(ID, op) ROW(ID, R, op_##op##_r), ROW_BASE(ID, M, op_##op##_m)

static const struct op_forms rows[] = {
    BINARY_ROWS(ADD, add), BINARY_ROWS(OR, or),   BINARY_ROWS(ADC, adc), BINARY_ROWS(SBB, sbb),   BINARY_ROWS(AND, and),
    BINARY_ROWS(SUB, sub), BINARY_ROWS(XOR, xor), BINARY_ROWS(CMP, cmp), BINARY_ROWS(TEST, test), UNARY_ROWS(INC, inc),
    UNARY_ROWS(DEC, dec),  UNARY_ROWS(NOT, not ), UNARY_ROWS(NEG, neg),
};
OP_GROUP(op_group_alu, rows);
