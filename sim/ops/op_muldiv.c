/* MUL, IMUL, DIV, IDIV and the decimal adjustments.
 * CF = OF = the product does not fit. SF, ZF and PF after a multiplication are undefined: they are taken from the low
 * half here, AF is 0. The flags after a division are undefined: they stay. */
#include "sim/ops/opdef.h"

#define ACC  REG_OFF(RAX)
#define DATA REG_OFF(RDX)
typedef unsigned __int128 uint128;
typedef __int128 int128;

static inline void mul_flags(struct cpu *cpu, int64_t low, bool overflow) {
    cc_mixed(cpu, low, overflow ? FLAG_CF | FLAG_OF : 0);
}

/* ---- one operand: rDX:rAX (or AX) = rAX * operand ---- */

static inline void do_mul8(struct cpu *cpu, uint8_t v) {
    uint16_t p = (uint16_t)(reg8(cpu, ACC) * v);
    set_reg16(cpu, ACC, p);
    mul_flags(cpu, (int8_t)p, p >> 8);
}
static inline void do_imul8(struct cpu *cpu, uint8_t v) {
    int16_t p = (int16_t)((int8_t)reg8(cpu, ACC) * (int8_t)v);
    set_reg16(cpu, ACC, (uint16_t)p);
    mul_flags(cpu, (int8_t)p, p != (int8_t)p);
}
#define MULTIPLY(B, uwide, swide)                                                                                      \
    static inline void do_mul##B(struct cpu *cpu, uint##B##_t v) {                                                     \
        uwide p = (uwide)reg##B(cpu, ACC) * v;                                                                         \
        set_reg##B(cpu, ACC, (uint##B##_t)p);                                                                          \
        set_reg##B(cpu, DATA, (uint##B##_t)(p >> B));                                                                  \
        mul_flags(cpu, (int##B##_t)p, (p >> B) != 0);                                                                  \
    }                                                                                                                  \
    static inline void do_imul##B(struct cpu *cpu, uint##B##_t v) {                                                    \
        swide p = (swide)(int##B##_t)reg##B(cpu, ACC) * (int##B##_t)v;                                                 \
        set_reg##B(cpu, ACC, (uint##B##_t)p);                                                                          \
        set_reg##B(cpu, DATA, (uint##B##_t)(p >> B));                                                                  \
        mul_flags(cpu, (int##B##_t)p, p != (int##B##_t)p);                                                             \
    }
MULTIPLY(16, uint32_t, int32_t)
MULTIPLY(32, uint64_t, int64_t)
MULTIPLY(64, uint128, int128)
#undef MULTIPLY

/* ---- two operands ---- */

#define PRODUCT(B)                                                                                                     \
    static inline uint##B##_t product##B(struct cpu *cpu, uint##B##_t a, uint##B##_t b) {                              \
        int##B##_t r;                                                                                                  \
        bool o = __builtin_mul_overflow((int##B##_t)a, (int##B##_t)b, &r);                                             \
        mul_flags(cpu, r, o);                                                                                          \
        return (uint##B##_t)r;                                                                                         \
    }                                                                                                                  \
    OPFN op_imul_rr##B(struct cpu *cpu, const struct insn *i) {                                                        \
        set_reg##B(cpu, i->reg, product##B(cpu, reg##B(cpu, i->reg), reg##B(cpu, i->rm)));                             \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_rri##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg##B(cpu, i->reg, product##B(cpu, reg##B(cpu, i->rm), (uint##B##_t)i->imm));                             \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_rm##B(struct cpu *cpu, const struct insn *i) {                                                        \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        set_reg##B(cpu, i->reg, product##B(cpu, reg##B(cpu, i->reg), v));                                              \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_rm##B##f(struct cpu *cpu, const struct insn *i) {                                                     \
        HOST_R(B, ea_flat(cpu, i), op_imul_rm##B);                                                                     \
        set_reg##B(cpu, i->reg, product##B(cpu, reg##B(cpu, i->reg), ld##B(p)));                                       \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_rmi##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg##B(cpu, i->reg, product##B(cpu, load##B(cpu, i), (uint##B##_t)i->imm));                                \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_rmi##B##f(struct cpu *cpu, const struct insn *i) {                                                    \
        HOST_R(B, ea_flat(cpu, i), op_imul_rmi##B);                                                                    \
        set_reg##B(cpu, i->reg, product##B(cpu, ld##B(p), (uint##B##_t)i->imm));                                       \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(PRODUCT)
#undef PRODUCT

/* ---- division: #DE for a divisor of 0 or a quotient that does not fit, with nothing written ---- */

static inline void do_div8(struct cpu *cpu, const struct insn *i, uint8_t d) {
    uint16_t n = reg16(cpu, ACC);
    if (unlikely(!d || n / d > 0xFF)) op_raise(cpu, i, VEC_DE);
    set_reg16(cpu, ACC, (uint16_t)(n % d << 8 | n / d));
}
static inline void do_idiv8(struct cpu *cpu, const struct insn *i, uint8_t v) {
    int n = (int16_t)reg16(cpu, ACC), d = (int8_t)v;
    if (unlikely(!d || n / d != (int8_t)(n / d))) op_raise(cpu, i, VEC_DE);
    set_reg16(cpu, ACC, (uint16_t)((uint8_t)(n % d) << 8 | (uint8_t)(n / d)));
}
/* half: the dividend fits in the operand size, so that the host's cheaper division will do */
#define DIVIDE(B, uwide, swide)                                                                                        \
    static inline void do_div##B(struct cpu *cpu, const struct insn *i, uint##B##_t d) {                               \
        uint##B##_t hi = reg##B(cpu, DATA), lo = reg##B(cpu, ACC);                                                     \
        if (unlikely(hi >= d)) op_raise(cpu, i, VEC_DE); /* also when d is 0 */                                        \
        bool half = hi == 0;                                                                                           \
        uwide n = (uwide)hi << B | lo;                                                                                 \
        set_reg##B(cpu, ACC, (uint##B##_t)(half ? lo / d : n / d));                                                    \
        set_reg##B(cpu, DATA, (uint##B##_t)(half ? lo % d : n % d));                                                   \
    }                                                                                                                  \
    static inline void do_idiv##B(struct cpu *cpu, const struct insn *i, uint##B##_t v) {                              \
        int##B##_t hi = (int##B##_t)reg##B(cpu, DATA), lo = (int##B##_t)reg##B(cpu, ACC), d = (int##B##_t)v;           \
        if (unlikely(!d)) op_raise(cpu, i, VEC_DE);                                                                    \
        if (likely(hi == lo >> (B - 1) && d != -1)) {                                                                  \
            set_reg##B(cpu, ACC, (uint##B##_t)(lo / d));                                                               \
            set_reg##B(cpu, DATA, (uint##B##_t)(lo % d));                                                              \
            return;                                                                                                    \
        }                                                                                                              \
        /* -2^(2B-1) / -1 would overflow the host's type */                                                            \
        if (unlikely(hi == (int##B##_t)((uint##B##_t)1 << (B - 1)) && d == -1)) op_raise(cpu, i, VEC_DE);              \
        swide n = (swide)((uwide)(uint##B##_t)hi << B | (uint##B##_t)lo), q = n / d;                                   \
        if (unlikely(q != (int##B##_t)q)) op_raise(cpu, i, VEC_DE);                                                    \
        set_reg##B(cpu, ACC, (uint##B##_t)q);                                                                          \
        set_reg##B(cpu, DATA, (uint##B##_t)(n % d));                                                                   \
    }
DIVIDE(16, uint32_t, int32_t)
DIVIDE(32, uint64_t, int64_t)
DIVIDE(64, uint128, int128)
#undef DIVIDE

#define ONE(B)                                                                                                         \
    OPFN op_mul_r##B(struct cpu *cpu, const struct insn *i) {                                                          \
        do_mul##B(cpu, reg##B(cpu, i->reg));                                                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mul_m##B(struct cpu *cpu, const struct insn *i) {                                                          \
        do_mul##B(cpu, load##B(cpu, i));                                                                               \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_r##B(struct cpu *cpu, const struct insn *i) {                                                         \
        do_imul##B(cpu, reg##B(cpu, i->reg));                                                                          \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_imul_m##B(struct cpu *cpu, const struct insn *i) {                                                         \
        do_imul##B(cpu, load##B(cpu, i));                                                                              \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_div_r##B(struct cpu *cpu, const struct insn *i) {                                                          \
        do_div##B(cpu, i, reg##B(cpu, i->reg));                                                                        \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_div_m##B(struct cpu *cpu, const struct insn *i) {                                                          \
        do_div##B(cpu, i, load##B(cpu, i));                                                                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_idiv_r##B(struct cpu *cpu, const struct insn *i) {                                                         \
        do_idiv##B(cpu, i, reg##B(cpu, i->reg));                                                                       \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_idiv_m##B(struct cpu *cpu, const struct insn *i) {                                                         \
        do_idiv##B(cpu, i, load##B(cpu, i));                                                                           \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE(ONE)
#undef ONE

/* ---- decimal adjustments: SDM 2, the pseudocode of each ---- */

static inline void adjust_flags(struct cpu *cpu, uint8_t al, bool cf, bool af) {
    cc_mixed(cpu, (int8_t)al, (cf ? FLAG_CF : 0) | (af ? FLAG_AF : 0));
}
/* DAA and DAS; OF is undefined */
static inline void decimal(struct cpu *cpu, bool subtract) {
    uint8_t al = reg8(cpu, ACC), old = al;
    bool cf = cc_cf(cpu), af = cc_af(cpu), carry = old > 0x99 || cf;
    if ((old & 0xF) > 9 || af) {
        al = (uint8_t)(subtract ? al - 6 : al + 6);
        carry = carry || (subtract && old < 6);
        af = true;
    }
    if (old > 0x99 || cf) al = (uint8_t)(subtract ? al - 0x60 : al + 0x60);
    set_reg8(cpu, ACC, al);
    adjust_flags(cpu, al, carry, af);
}
/* AAA and AAS: SF, ZF, PF and OF are undefined */
static inline void unpacked(struct cpu *cpu, bool subtract) {
    bool adjust = (reg8(cpu, ACC) & 0xF) > 9 || cc_af(cpu);
    uint16_t ax = reg16(cpu, ACC);
    if (adjust) ax = (uint16_t)(subtract ? ax - 0x106 : ax + 0x106);
    ax &= 0xFF0F;
    set_reg16(cpu, ACC, ax);
    adjust_flags(cpu, (uint8_t)ax, adjust, adjust);
}
OPFN op_daa(struct cpu *cpu, const struct insn *i) {
    decimal(cpu, false);
    NEXT(cpu, i);
}
OPFN op_das(struct cpu *cpu, const struct insn *i) {
    decimal(cpu, true);
    NEXT(cpu, i);
}
OPFN op_aaa(struct cpu *cpu, const struct insn *i) {
    unpacked(cpu, false);
    NEXT(cpu, i);
}
OPFN op_aas(struct cpu *cpu, const struct insn *i) {
    unpacked(cpu, true);
    NEXT(cpu, i);
}
OPFN op_aam(struct cpu *cpu, const struct insn *i) {
    uint8_t base = (uint8_t)i->imm, al = reg8(cpu, ACC);
    if (!base) op_raise(cpu, i, VEC_DE);
    set_reg16(cpu, ACC, (uint16_t)(al / base << 8 | al % base));
    cc_logic(cpu, LG_8, (int8_t)(al % base));
    NEXT(cpu, i);
}
OPFN op_aad(struct cpu *cpu, const struct insn *i) {
    uint16_t ax = reg16(cpu, ACC);
    uint8_t al = (uint8_t)(ax + (ax >> 8) * (uint8_t)i->imm);
    set_reg16(cpu, ACC, al);
    cc_logic(cpu, LG_8, (int8_t)al);
    NEXT(cpu, i);
}
/* AL = CF ? FFH : 0. Undocumented by Intel; in the opcode map of the APM. */
OPFN op_salc(struct cpu *cpu, const struct insn *i) {
    set_reg8(cpu, ACC, cc_cf(cpu) ? 0xFF : 0);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW(MUL, R, op_mul_r),           ROW(MUL, M, op_mul_m),        ROW(IMUL, R, op_imul_r),
    ROW(IMUL, M, op_imul_m),         ROW(DIV, R, op_div_r),        ROW(DIV, M, op_div_m),
    ROW(IDIV, R, op_idiv_r),         ROW(IDIV, M, op_idiv_m),      ROW3(IMUL, RR, op_imul_rr),
    ROW3_FLAT(IMUL, RM, op_imul_rm), ROW3(IMUL, RRI, op_imul_rri), ROW3_FLAT(IMUL, RMI, op_imul_rmi),
    ROW_ANY(DAA, 0, op_daa),         ROW_ANY(DAS, 0, op_das),      ROW_ANY(AAA, 0, op_aaa),
    ROW_ANY(AAS, 0, op_aas),         ROW_ANY(AAM, I, op_aam),      ROW_ANY(AAD, I, op_aad),
    ROW_ANY(SALC, 0, op_salc),
};
OP_GROUP(op_group_muldiv, rows);
