/* SETcc and CMOVcc, a function per condition. */
#include "sim/ops/opdef.h"

#define SET(cc, code)                                                                                                  \
    OPFN op_set##cc##_r_slow(struct cpu *cpu, const struct insn *i) {                                                  \
        set_reg8(cpu, i->reg, cc_test(cpu, code));                                                                     \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_set##cc##_r(struct cpu *cpu, const struct insn *i) {                                                       \
        if (unlikely(!cond_quick(cpu, code))) return op_set##cc##_r_slow(cpu, i);                                      \
        set_reg8(cpu, i->reg, cond_now(cpu, code));                                                                    \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_set##cc##_m(struct cpu *cpu, const struct insn *i) {                                                       \
        store8(cpu, i, cc_test(cpu, code));                                                                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_set##cc##_mf(struct cpu *cpu, const struct insn *i) {                                                      \
        if (unlikely(!cond_quick(cpu, code))) return op_set##cc##_m(cpu, i);                                           \
        HOST_W(8, ea_flat(cpu, i), op_set##cc##_m);                                                                    \
        st8(p, cond_now(cpu, code));                                                                                   \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_COND(SET)
#undef SET

/* The source is read, and the upper half of a 32-bit destination is cleared, whatever the condition: SDM 2 "CMOVcc". */
#define CMOV_B(cc, code, B)                                                                                            \
    OPFN op_cmov##cc##_rr##B##s(struct cpu *cpu, const struct insn *i) {                                               \
        set_reg##B(cpu, i->reg, reg##B(cpu, cc_test(cpu, code) ? i->rm : i->reg));                                     \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_cmov##cc##_rr##B(struct cpu *cpu, const struct insn *i) {                                                  \
        if (unlikely(!cond_quick(cpu, code))) return op_cmov##cc##_rr##B##s(cpu, i);                                   \
        set_reg##B(cpu, i->reg, reg##B(cpu, cond_now(cpu, code) ? i->rm : i->reg));                                    \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_cmov##cc##_rm##B(struct cpu *cpu, const struct insn *i) {                                                  \
        uint##B##_t s = load##B(cpu, i), v = reg##B(cpu, i->reg);                                                      \
        set_reg##B(cpu, i->reg, cc_test(cpu, code) ? s : v);                                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_cmov##cc##_rm##B##f(struct cpu *cpu, const struct insn *i) {                                               \
        if (unlikely(!cond_quick(cpu, code))) return op_cmov##cc##_rm##B(cpu, i);                                      \
        HOST_R(B, ea_flat(cpu, i), op_cmov##cc##_rm##B);                                                               \
        uint##B##_t s = ld##B(p), v = reg##B(cpu, i->reg);                                                             \
        set_reg##B(cpu, i->reg, cond_now(cpu, code) ? s : v);                                                          \
        NEXT(cpu, i);                                                                                                  \
    }
#define CMOV(cc, code) CMOV_B(cc, code, 16) CMOV_B(cc, code, 32) CMOV_B(cc, code, 64)
EACH_COND(CMOV)
#undef CMOV
#undef CMOV_B

static const struct op_forms rows[] = {
#define SET_ROWS(cc, code)                                                                                             \
    ROW_ANY(SET##cc, R, op_set##cc##_r), {INSN_SET##cc, FORM_M, FALL(op_set##cc##_m), FALL(op_set##cc##_mf), {0}},
    EACH_COND(SET_ROWS)
#undef SET_ROWS
#define CMOV_ROWS(cc, code) ROW3(CMOV##cc, RR, op_cmov##cc##_rr), ROW3_FLAT(CMOV##cc, RM, op_cmov##cc##_rm),
        EACH_COND(CMOV_ROWS)
#undef CMOV_ROWS
};
OP_GROUP(op_group_cond, rows);
