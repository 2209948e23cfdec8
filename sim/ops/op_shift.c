/* Shifts, rotates and double shifts. The count is masked to 5 bits (6 for 64-bit operands); a count of 0 leaves the
 * flags. OF for counts above 1 is undefined; it is computed by the rule for 1 here, as processors of both vendors do
 * for most forms. */
#include "sim/ops/opdef.h"

#define COUNT(B, n) ((unsigned)(n) & (B == 64 ? 63 : 31))

/* ---- results and flags; n is at least 1 ---- */

#define SHIFTS(B)                                                                                                      \
    /* a << n is x + x with x = a << (n - 1): the flags of that addition are those of the shift */                     \
    static inline uint##B##_t do_shl##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        uint##B##_t x = (uint##B##_t)((uint64_t)a << (n - 1)), r = (uint##B##_t)(x << 1);                              \
        cc_set(cpu, CC_ADD, LG_##B, (int##B##_t)r, x);                                                                 \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_shr##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        uint64_t x = (uint64_t)a >> (n - 1);                                                                           \
        uint##B##_t r = (uint##B##_t)(x >> 1);                                                                         \
        cc_mixed(cpu, (int##B##_t)r, (x & FLAG_CF) | (x >> (B - 1) & 1) << 11);                                        \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_sar##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        int64_t x = (int64_t)(int##B##_t)a >> (n - 1);                                                                 \
        cc_mixed(cpu, x >> 1, (uint64_t)x & FLAG_CF);                                                                  \
        return (uint##B##_t)(x >> 1);                                                                                  \
    }                                                                                                                  \
    /* rotates change CF and OF only */                                                                                \
    static inline uint##B##_t do_rol##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        unsigned m = n & (B - 1);                                                                                      \
        uint##B##_t r = (uint##B##_t)(m ? a << m | a >> (B - m) : a);                                                  \
        unsigned cf = r & 1, of = cf ^ (unsigned)(r >> (B - 1));                                                       \
        cc_replace(cpu, FLAG_CF | FLAG_OF, cf | of << 11);                                                             \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_ror##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        unsigned m = n & (B - 1);                                                                                      \
        uint##B##_t r = (uint##B##_t)(m ? a >> m | a << (B - m) : a);                                                  \
        unsigned cf = (unsigned)(r >> (B - 1)), of = cf ^ ((unsigned)(r >> (B - 2)) & 1);                              \
        cc_replace(cpu, FLAG_CF | FLAG_OF, cf | of << 11);                                                             \
        return r;                                                                                                      \
    }                                                                                                                  \
    /* B + 1 bits go round: 8- and 16-bit counts are taken modulo 9 and 17 */                                          \
    static inline uint##B##_t do_rcl##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        unsigned m = n % (B + 1);                                                                                      \
        uint64_t v = a, c = cf_now(cpu);                                                                               \
        if (!m) return a;                                                                                              \
        uint##B##_t r = (uint##B##_t)(v << m | c << (m - 1) | (m > 1 ? v >> (B + 1 - m) : 0));                         \
        unsigned cf = (unsigned)(v >> (B - m)) & 1, of = cf ^ (unsigned)(r >> (B - 1));                                \
        cc_replace(cpu, FLAG_CF | FLAG_OF, cf | of << 11);                                                             \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_rcr##B(struct cpu *cpu, uint##B##_t a, unsigned n) {                                  \
        unsigned m = n % (B + 1);                                                                                      \
        uint64_t v = a, c = cf_now(cpu);                                                                               \
        if (!m) return a;                                                                                              \
        uint##B##_t r = (uint##B##_t)(v >> m | c << (B - m) | (m > 1 ? v << (B + 1 - m) : 0));                         \
        unsigned cf = (unsigned)(v >> (m - 1)) & 1, of = (unsigned)((r >> (B - 1)) ^ (r >> (B - 2))) & 1;              \
        cc_replace(cpu, FLAG_CF | FLAG_OF, cf | of << 11);                                                             \
        return r;                                                                                                      \
    }
EACH_SIZE(SHIFTS)
#undef SHIFTS

/* A 16-bit double shift by more than 16 is undefined: the source is taken to repeat. */
#define DOUBLE(B, wide)                                                                                                \
    static inline uint##B##_t do_shld##B(struct cpu *cpu, uint##B##_t a, uint##B##_t s, unsigned n) {                  \
        uint##B##_t r = n <= B ? (uint##B##_t)(((wide)a << B | s) << n >> B)                                           \
                               : (uint##B##_t)((uint32_t)s << (n - B) | s >> (2 * B - n));                             \
        unsigned cf = (unsigned)(n <= B ? a >> (B - n) : s >> (2 * B - n)) & 1;                                        \
        cc_mixed(cpu, (int##B##_t)r, cf | (cf ^ (unsigned)(r >> (B - 1))) << 11);                                      \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_shrd##B(struct cpu *cpu, uint##B##_t a, uint##B##_t s, unsigned n) {                  \
        uint##B##_t r = n <= B ? (uint##B##_t)(((wide)s << B | a) >> n)                                                \
                               : (uint##B##_t)((uint32_t)s >> (n - B) | (uint32_t)s << (2 * B - n));                   \
        unsigned cf = (unsigned)(n <= B ? a >> (n - 1) : s >> (n - B - 1)) & 1;                                        \
        cc_mixed(cpu, (int##B##_t)r, cf | ((unsigned)((r >> (B - 1)) ^ (r >> (B - 2))) & 1) << 11);                    \
        return r;                                                                                                      \
    }
DOUBLE(16, uint64_t)
DOUBLE(32, uint64_t)
DOUBLE(64, unsigned __int128)
#undef DOUBLE

/* ---- forms: by immediate (RI, MI), by CL (RR, MR). A 32-bit register is written, and so zero-extended, even by a
 * count of 0. ---- */

#define SHIFT_FORMS(op, B)                                                                                             \
    OPFN op_##op##_ri##B(struct cpu *cpu, const struct insn *i) {                                                      \
        unsigned n = COUNT(B, i->imm);                                                                                 \
        uint##B##_t a = reg##B(cpu, i->reg);                                                                           \
        set_reg##B(cpu, i->reg, likely(n != 0) ? do_##op##B(cpu, a, n) : a);                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        unsigned n = COUNT(B, cpu->gpr[RCX]);                                                                          \
        uint##B##_t a = reg##B(cpu, i->reg);                                                                           \
        set_reg##B(cpu, i->reg, likely(n != 0) ? do_##op##B(cpu, a, n) : a);                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mi##B(struct cpu *cpu, const struct insn *i) {                                                      \
        unsigned n = COUNT(B, i->imm);                                                                                 \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), n ? do_##op##B(cpu, old, n) : old);                              \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        unsigned n = COUNT(B, cpu->gpr[RCX]);                                                                          \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), n ? do_##op##B(cpu, old, n) : old);                              \
        NEXT(cpu, i);                                                                                                  \
    }
#define SHIFT_ALL(B)                                                                                                   \
    SHIFT_FORMS(shl, B)                                                                                                \
    SHIFT_FORMS(shr, B)                                                                                                \
    SHIFT_FORMS(sar, B) SHIFT_FORMS(rol, B) SHIFT_FORMS(ror, B) SHIFT_FORMS(rcl, B) SHIFT_FORMS(rcr, B)
EACH_SIZE(SHIFT_ALL)
#undef SHIFT_ALL
#undef SHIFT_FORMS

#define DOUBLE_FORMS(op, B)                                                                                            \
    OPFN op_##op##_rri##B(struct cpu *cpu, const struct insn *i) {                                                     \
        unsigned n = COUNT(B, i->imm);                                                                                 \
        uint##B##_t a = reg##B(cpu, i->reg);                                                                           \
        set_reg##B(cpu, i->reg, n ? do_##op##B(cpu, a, reg##B(cpu, i->rm), n) : a);                                    \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        unsigned n = COUNT(B, cpu->gpr[RCX]);                                                                          \
        uint##B##_t a = reg##B(cpu, i->reg);                                                                           \
        set_reg##B(cpu, i->reg, n ? do_##op##B(cpu, a, reg##B(cpu, i->rm), n) : a);                                    \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mri##B(struct cpu *cpu, const struct insn *i) {                                                     \
        unsigned n = COUNT(B, i->imm);                                                                                 \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), n ? do_##op##B(cpu, old, reg##B(cpu, i->reg), n) : old);         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        unsigned n = COUNT(B, cpu->gpr[RCX]);                                                                          \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), n ? do_##op##B(cpu, old, reg##B(cpu, i->reg), n) : old);         \
        NEXT(cpu, i);                                                                                                  \
    }
#define DOUBLE_ALL(B) DOUBLE_FORMS(shld, B) DOUBLE_FORMS(shrd, B)
EACH_SIZE3(DOUBLE_ALL)
#undef DOUBLE_ALL
#undef DOUBLE_FORMS

#define SHIFT_ROWS(ID, op)                                                                                             \
    ROW(ID, RI, op_##op##_ri), ROW(ID, RR, op_##op##_rr), ROW(ID, MI, op_##op##_mi), ROW(ID, MR, op_##op##_mr)
#define DOUBLE_ROWS(ID, op)                                                                                            \
    ROW3(ID, RRI, op_##op##_rri), ROW3(ID, RR, op_##op##_rr), ROW3(ID, MRI, op_##op##_mri), ROW3(ID, MR, op_##op##_mr)

static const struct op_forms rows[] = {
    SHIFT_ROWS(SHL, shl), SHIFT_ROWS(SHR, shr), SHIFT_ROWS(SAR, sar),    SHIFT_ROWS(ROL, rol),    SHIFT_ROWS(ROR, ror),
    SHIFT_ROWS(RCL, rcl), SHIFT_ROWS(RCR, rcr), DOUBLE_ROWS(SHLD, shld), DOUBLE_ROWS(SHRD, shrd),
};
OP_GROUP(op_group_shift, rows);
