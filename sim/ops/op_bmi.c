/* BMI1, BMI2, ADX, TBM. 32- and 64-bit operands. VEX forms take their second register from vreg; undefined AF and PF
 * follow the logic rule. */
#include "sim/ops/opdef.h"

#define BMI(B)                                                                                                         \
    static inline uint##B##_t do_andn##B(struct cpu *cpu, uint##B##_t v, uint##B##_t s) {                              \
        uint##B##_t r = ~v & s;                                                                                        \
        cc_logic(cpu, LG_##B, (int##B##_t)r);                                                                          \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_bextr##B(struct cpu *cpu, uint##B##_t c, uint##B##_t s) {                             \
        unsigned start = c & 0xFF, len = c >> 8 & 0xFF;                                                                \
        uint##B##_t r = start < B ? s >> start : 0;                                                                    \
        if (len < B) r &= ((uint##B##_t)1 << len) - 1;                                                                 \
        cc_logic(cpu, LG_##B, (int##B##_t)r);                                                                          \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_bzhi##B(struct cpu *cpu, uint##B##_t c, uint##B##_t s) {                              \
        unsigned n = c & 0xFF;                                                                                         \
        uint##B##_t r = n < B ? s & (((uint##B##_t)1 << n) - 1) : s;                                                   \
        cc_mixed(cpu, (int##B##_t)r, n > B - 1 ? FLAG_CF : 0);                                                         \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_blsi##B(struct cpu *cpu, uint##B##_t s) {                                             \
        uint##B##_t r = s & (0 - s);                                                                                   \
        cc_mixed(cpu, (int##B##_t)r, s ? FLAG_CF : 0);                                                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_blsmsk##B(struct cpu *cpu, uint##B##_t s) {                                           \
        uint##B##_t r = s ^ (s - 1);                                                                                   \
        cc_mixed(cpu, (int##B##_t)r, s ? 0 : FLAG_CF);                                                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_blsr##B(struct cpu *cpu, uint##B##_t s) {                                             \
        uint##B##_t r = s & (s - 1);                                                                                   \
        cc_mixed(cpu, (int##B##_t)r, s ? 0 : FLAG_CF);                                                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_shlx##B(struct cpu *cpu, uint##B##_t c, uint##B##_t s) {                              \
        (void)cpu;                                                                                                     \
        return s << (c & (B - 1));                                                                                     \
    }                                                                                                                  \
    static inline uint##B##_t do_shrx##B(struct cpu *cpu, uint##B##_t c, uint##B##_t s) {                              \
        (void)cpu;                                                                                                     \
        return s >> (c & (B - 1));                                                                                     \
    }                                                                                                                  \
    static inline uint##B##_t do_sarx##B(struct cpu *cpu, uint##B##_t c, uint##B##_t s) {                              \
        (void)cpu;                                                                                                     \
        return (uint##B##_t)((int##B##_t)s >> (c & (B - 1)));                                                          \
    }                                                                                                                  \
    static inline uint##B##_t do_pdep##B(struct cpu *cpu, uint##B##_t v, uint##B##_t mask) {                           \
        uint##B##_t r = 0;                                                                                             \
        (void)cpu;                                                                                                     \
        for (; mask; mask &= mask - 1, v >>= 1)                                                                        \
            if (v & 1) r |= mask & (0 - mask);                                                                         \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_pext##B(struct cpu *cpu, uint##B##_t v, uint##B##_t mask) {                           \
        uint##B##_t r = 0;                                                                                             \
        (void)cpu;                                                                                                     \
        for (unsigned n = 0; mask; mask &= mask - 1, n++)                                                              \
            if (v & mask & (0 - mask)) r |= (uint##B##_t)1 << n;                                                       \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_rorx##B(uint##B##_t s, unsigned n) {                                                  \
        n &= B - 1;                                                                                                    \
        return n ? s >> n | s << (B - n) : s;                                                                          \
    }                                                                                                                  \
    /* ADCX and ADOX: an addition with carry that lives in one flag and leaves the others */                           \
    static inline uint##B##_t do_adcx##B(struct cpu *cpu, uint##B##_t a, uint##B##_t s) {                              \
        uint##B##_t t, r;                                                                                              \
        bool c = __builtin_add_overflow(a, s, &t);                                                                     \
        c |= __builtin_add_overflow(t, (uint##B##_t)cf_now(cpu), &r);                                                  \
        cc_replace(cpu, FLAG_CF, c ? FLAG_CF : 0);                                                                     \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_adox##B(struct cpu *cpu, uint##B##_t a, uint##B##_t s) {                              \
        uint##B##_t t, r;                                                                                              \
        bool c = __builtin_add_overflow(a, s, &t);                                                                     \
        c |= __builtin_add_overflow(t, (uint##B##_t)cc_of(cpu), &r);                                                   \
        cc_replace(cpu, FLAG_OF, c ? FLAG_OF : 0);                                                                     \
        return r;                                                                                                      \
    }
BMI(32)
BMI(64)
#undef BMI

/* TBM: APM 3, "BLCFILL" and those after it. Those that add 1 carry out of all ones, those that subtract 1 borrow from
 * 0. */
#define TBM_OP(name, B, expr, carry)                                                                                   \
    static inline uint##B##_t do_##name##B(struct cpu *cpu, uint##B##_t s) {                                           \
        const uint##B##_t r = expr;                                                                                    \
        cc_mixed(cpu, (int##B##_t)r, s == (uint##B##_t)(carry) ? FLAG_CF : 0);                                         \
        return r;                                                                                                      \
    }
#define TBM(B)                                                                                                         \
    TBM_OP(blcfill, B, s &(s + 1), -1)                                                                                 \
    TBM_OP(blci, B, s | ~(s + 1), -1)                                                                                  \
    TBM_OP(blcic, B, ~s &(s + 1), -1)                                                                                  \
    TBM_OP(blcmsk, B, s ^ (s + 1), -1)                                                                                 \
    TBM_OP(blcs, B, s | (s + 1), -1)                                                                                   \
    TBM_OP(t1mskc, B, ~s | (s + 1), -1)                                                                                \
    TBM_OP(blsfill, B, s | (s - 1), 0)                                                                                 \
    TBM_OP(blsic, B, ~s | (s - 1), 0)                                                                                  \
    TBM_OP(tzmsk, B, ~s &(s - 1), 0)
TBM(32)
TBM(64)
#undef TBM
#undef TBM_OP

/* reg <- vreg, r/m */
#define THREE(op, B)                                                                                                   \
    OPFN op_##op##_rrr##B(struct cpu *cpu, const struct insn *i) {                                                     \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->vreg), reg##B(cpu, i->rm)));                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rrm##B(struct cpu *cpu, const struct insn *i) {                                                     \
        uint##B##_t s = load##B(cpu, i);                                                                               \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->vreg), s));                                             \
        NEXT(cpu, i);                                                                                                  \
    }
/* reg <- r/m */
#define TWO(op, B)                                                                                                     \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->rm)));                                                  \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rm##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, load##B(cpu, i)));                                                     \
        NEXT(cpu, i);                                                                                                  \
    }
/* reg <- reg, r/m */
#define CARRY(op, B)                                                                                                   \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), reg##B(cpu, i->rm)));                             \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rm##B(struct cpu *cpu, const struct insn *i) {                                                      \
        uint##B##_t s = load##B(cpu, i);                                                                               \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), s));                                              \
        NEXT(cpu, i);                                                                                                  \
    }
// clang-format off
#define ALL(B) \
    THREE(andn, B) THREE(bextr, B) THREE(bzhi, B) THREE(shlx, B) \
    THREE(shrx, B) THREE(sarx, B) THREE(pdep, B) THREE(pext, B) \
    TWO(blsi, B) TWO(blsmsk, B) TWO(blsr, B) TWO(blcfill, B) TWO(blci, B) TWO(blcic, B) \
    TWO(blcmsk, B) TWO(blcs, B) TWO(t1mskc, B) TWO(blsfill, B) TWO(blsic, B) TWO(tzmsk, B) \
    CARRY(adcx, B) CARRY(adox, B)
// clang-format on
ALL(32)
ALL(64)
#undef ALL
#undef THREE
#undef TWO
#undef CARRY

/* MULX, RORX, BEXTR with an immediate. MULX: rDX times r/m, high half to reg, low half to vreg; with both the same the
 * high half stays. No flags. */
#define MULX(B, wide)                                                                                                  \
    static inline void do_mulx##B(struct cpu *cpu, const struct insn *i, uint##B##_t s) {                              \
        wide p = (wide)reg##B(cpu, REG_OFF(RDX)) * s;                                                                  \
        set_reg##B(cpu, i->vreg, (uint##B##_t)p);                                                                      \
        set_reg##B(cpu, i->reg, (uint##B##_t)(p >> B));                                                                \
    }                                                                                                                  \
    OPFN op_mulx_rrr##B(struct cpu *cpu, const struct insn *i) {                                                       \
        do_mulx##B(cpu, i, reg##B(cpu, i->rm));                                                                        \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mulx_rrm##B(struct cpu *cpu, const struct insn *i) {                                                       \
        do_mulx##B(cpu, i, load##B(cpu, i));                                                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_rorx_rri##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg##B(cpu, i->reg, do_rorx##B(reg##B(cpu, i->rm), (unsigned)i->imm));                                     \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_rorx_rmi##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg##B(cpu, i->reg, do_rorx##B(load##B(cpu, i), (unsigned)i->imm));                                        \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bextr_rri##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_bextr##B(cpu, (uint##B##_t)i->imm, reg##B(cpu, i->rm)));                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bextr_rmi##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_bextr##B(cpu, (uint##B##_t)i->imm, load##B(cpu, i)));                               \
        NEXT(cpu, i);                                                                                                  \
    }
MULX(32, uint64_t)
MULX(64, unsigned __int128)
#undef MULX

#define ROW2(ID, form, name)                                                                                           \
    {                                                                                                                  \
        INSN_##ID, FORM_##form, {0, 0, name##32, name##64}, {0}, { 0 }                                                 \
    }
#define THREE_ROWS(ID, op) ROW2(ID, RRR, op_##op##_rrr), ROW2(ID, RRM, op_##op##_rrm)
#define TWO_ROWS(ID, op)   ROW2(ID, RR, op_##op##_rr), ROW2(ID, RM, op_##op##_rm)

static const struct op_forms rows[] = {
    THREE_ROWS(ANDN, andn),
    THREE_ROWS(BEXTR, bextr),
    THREE_ROWS(BZHI, bzhi),
    THREE_ROWS(SHLX, shlx),
    THREE_ROWS(SHRX, shrx),
    THREE_ROWS(SARX, sarx),
    THREE_ROWS(PDEP, pdep),
    THREE_ROWS(PEXT, pext),
    THREE_ROWS(MULX, mulx),
    TWO_ROWS(BLSI, blsi),
    TWO_ROWS(BLSMSK, blsmsk),
    TWO_ROWS(BLSR, blsr),
    TWO_ROWS(ADCX, adcx),
    TWO_ROWS(ADOX, adox),
    ROW2(RORX, RRI, op_rorx_rri),
    ROW2(RORX, RMI, op_rorx_rmi),
    ROW2(BEXTR_IMM, RRI, op_bextr_rri),
    ROW2(BEXTR_IMM, RMI, op_bextr_rmi),
    TWO_ROWS(BLCFILL, blcfill),
    TWO_ROWS(BLCI, blci),
    TWO_ROWS(BLCIC, blcic),
    TWO_ROWS(BLCMSK, blcmsk),
    TWO_ROWS(BLCS, blcs),
    TWO_ROWS(T1MSKC, t1mskc),
    TWO_ROWS(BLSFILL, blsfill),
    TWO_ROWS(BLSIC, blsic),
    TWO_ROWS(TZMSK, tzmsk),
};
OP_GROUP(op_group_bmi, rows);
