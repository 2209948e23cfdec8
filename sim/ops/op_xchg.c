/* XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B. Processors take turns, so a locked operation needs nothing more than not
 * to be split by a fault: everything is read and probed for writing before the first write. */
#include "sim/ops/opdef.h"

#define ACC REG_OFF(RAX)

#define EXCHANGE(B)                                                                                                    \
    OPFN op_xchg_rr##B(struct cpu *cpu, const struct insn *i) {                                                        \
        uint##B##_t a = reg##B(cpu, i->reg), b = reg##B(cpu, i->rm);                                                   \
        set_reg##B(cpu, i->reg, b);                                                                                    \
        set_reg##B(cpu, i->rm, a);                                                                                     \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    static inline uint##B##_t swap##B(struct cpu *cpu, const struct insn *i, uint##B##_t old) {                        \
        uint##B##_t v = reg##B(cpu, i->reg);                                                                           \
        set_reg##B(cpu, i->reg, old);                                                                                  \
        return v;                                                                                                      \
    }                                                                                                                  \
    OPFN op_xchg_mr##B(struct cpu *cpu, const struct insn *i) {                                                        \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), swap##B(cpu, i, old));                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_xchg_mr##B##f(struct cpu *cpu, const struct insn *i) {                                                     \
        HOST_RW(B, ea_flat(cpu, i), op_xchg_mr##B);                                                                    \
        st##B(p, swap##B(cpu, i, ld##B(p)));                                                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    static inline uint##B##_t add_swap##B(struct cpu *cpu, uint##B##_t dst, unsigned reg) {                            \
        uint##B##_t src = reg##B(cpu, reg), sum = (uint##B##_t)(dst + src);                                            \
        cc_set(cpu, CC_ADD, LG_##B, (int##B##_t)sum, src);                                                             \
        set_reg##B(cpu, reg, dst);                                                                                     \
        return sum;                                                                                                    \
    }                                                                                                                  \
    OPFN op_xadd_rr##B(struct cpu *cpu, const struct insn *i) {                                                        \
        uint##B##_t sum = add_swap##B(cpu, reg##B(cpu, i->reg), i->rm);                                                \
        set_reg##B(cpu, i->reg, sum);                                                                                  \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_xadd_mr##B(struct cpu *cpu, const struct insn *i) {                                                        \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), add_swap##B(cpu, old, i->reg));                                  \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_xadd_mr##B##f(struct cpu *cpu, const struct insn *i) {                                                     \
        HOST_RW(B, ea_flat(cpu, i), op_xadd_mr##B);                                                                    \
        st##B(p, add_swap##B(cpu, ld##B(p), i->reg));                                                                  \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    /* what the destination becomes; memory is written in any case */                                                  \
    static inline uint##B##_t compare_swap##B(struct cpu *cpu, uint##B##_t dst, uint##B##_t src) {                     \
        uint##B##_t acc = reg##B(cpu, ACC);                                                                            \
        cc_set(cpu, CC_SUB, LG_##B, (int##B##_t)(acc - dst), dst);                                                     \
        if (acc == dst) return src;                                                                                    \
        set_reg##B(cpu, ACC, dst);                                                                                     \
        return dst;                                                                                                    \
    }                                                                                                                  \
    /* a register is left alone, its upper half too, when the comparison fails */                                      \
    OPFN op_cmpxchg_rr##B(struct cpu *cpu, const struct insn *i) {                                                     \
        uint##B##_t dst = reg##B(cpu, i->reg), src = reg##B(cpu, i->rm);                                               \
        bool equal = dst == reg##B(cpu, ACC);                                                                          \
        uint##B##_t v = compare_swap##B(cpu, dst, src);                                                                \
        if (equal) set_reg##B(cpu, i->reg, v);                                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_cmpxchg_mr##B(struct cpu *cpu, const struct insn *i) {                                                     \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), compare_swap##B(cpu, old, reg##B(cpu, i->reg)));                 \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_cmpxchg_mr##B##f(struct cpu *cpu, const struct insn *i) {                                                  \
        HOST_RW(B, ea_flat(cpu, i), op_cmpxchg_mr##B);                                                                 \
        st##B(p, compare_swap##B(cpu, ld##B(p), reg##B(cpu, i->reg)));                                                 \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE(EXCHANGE)
#undef EXCHANGE

/* A compare of rDX:rAX with twice the width, by halves of B bits; ZF alone changes. */
#define WIDE(name, B, rule)                                                                                            \
    static void __attribute__((noinline)) name(struct cpu *cpu, const struct insn *i) {                                \
        uint64_t la = ea_linear(cpu, i, B / 4, MEM_RMW);                                                               \
        if ((rule) && (la & (B / 4 - 1))) op_raise(cpu, i, VEC_GP);                                                    \
        mem_probe(cpu, i, la, B / 4, MEM_RMW);                                                                         \
        uint##B##_t lo = (uint##B##_t)mem_rmw_read_slow(cpu, i, la, B / 8);                                            \
        uint##B##_t hi = (uint##B##_t)mem_rmw_read_slow(cpu, i, la_after(cpu, la, B / 8), B / 8);                      \
        bool equal = lo == reg##B(cpu, ACC) && hi == reg##B(cpu, REG_OFF(RDX));                                        \
        mem_write##B(cpu, i, la, equal ? reg##B(cpu, REG_OFF(RBX)) : lo);                                              \
        mem_write##B(cpu, i, la_after(cpu, la, B / 8), equal ? reg##B(cpu, REG_OFF(RCX)) : hi);                        \
        if (!equal) {                                                                                                  \
            set_reg##B(cpu, ACC, lo);                                                                                  \
            set_reg##B(cpu, REG_OFF(RDX), hi);                                                                         \
        }                                                                                                              \
        set_zf(cpu, equal);                                                                                            \
    }
WIDE(cmpxchg8b, 32, false)
WIDE(cmpxchg16b, 64, true) /* must be aligned: SDM 2 "CMPXCHG8B/CMPXCHG16B" */
#undef WIDE

OPFN op_cmpxchg8b(struct cpu *cpu, const struct insn *i) {
    cmpxchg8b(cpu, i);
    NEXT(cpu, i);
}
OPFN op_cmpxchg16b(struct cpu *cpu, const struct insn *i) {
    cmpxchg16b(cpu, i);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW(XCHG, RR, op_xchg_rr),           ROW_FLAT(XCHG, MR, op_xchg_mr),        ROW(XADD, RR, op_xadd_rr),
    ROW_FLAT(XADD, MR, op_xadd_mr),      ROW(CMPXCHG, RR, op_cmpxchg_rr),       ROW_FLAT(CMPXCHG, MR, op_cmpxchg_mr),
    ROW_ANY(CMPXCHG8B, M, op_cmpxchg8b), ROW_ANY(CMPXCHG16B, M, op_cmpxchg16b),
};
OP_GROUP(op_group_xchg, rows);
