/* Lazy arithmetic flags. An operation stores its result, one operand and its kind; a flag is derived when it is read.
 * res is the result sign-extended from the operand size, so ZF, SF and PF do not depend on the kind. src is
 * zero-extended. */
#ifndef HVSIM_CORE_FLAGS_H
#define HVSIM_CORE_FLAGS_H

#include "sim/core/cpu.h"

enum cc_op {
    CC_FLAGS, /* all six are in cpu->rflags */
    CC_ADD,   /* res = dst + src            */
    CC_ADC,   /* res = dst + src + 1        */
    CC_SUB,   /* res = dst - src (CMP, NEG with dst = 0) */
    CC_SBB,   /* res = dst - src - 1        */
    CC_LOGIC, /* CF = OF = AF = 0           */
    CC_INC,   /* res = dst + 1, src = CF    */
    CC_DEC,   /* res = dst - 1, src = CF    */
    CC_MIXED, /* ZF, SF, PF from res; CF, AF, OF are in src, at their places in RFLAGS */
    CC_COUNT
};

#define CC(op, sz) ((uint32_t)(op) << 2 | (sz)) /* sz: log2 of the operand bytes */

static inline uint64_t cc_mask(unsigned sz) { return ~0ull >> (64 - (8u << sz)); }
static inline int64_t cc_sext(uint64_t v, unsigned sz) {
    unsigned sh = 64 - (8u << sz);
    return (int64_t)(v << sh) >> sh;
}
static inline void cc_set(struct cpu *cpu, enum cc_op op, unsigned sz, int64_t res, uint64_t src) {
    cpu->cc.res = (uint64_t)res;
    cpu->cc.src = src;
    cpu->cc.op = CC(op, sz);
}

static inline bool cc_cf(const struct cpu *cpu) {
    unsigned sz = cpu->cc.op & 3;
    uint64_t m = cc_mask(sz), res = cpu->cc.res & m, src = cpu->cc.src;
    switch (cpu->cc.op >> 2) {
    case CC_FLAGS:
        return cpu->rflags & FLAG_CF;
    case CC_ADD:
        return res < src;
    case CC_ADC:
        return res <= src;
    case CC_SUB:
        return ((res + src) & m) < src;
    case CC_SBB:
        return ((res + src + 1) & m) <= src;
    case CC_INC:
    case CC_DEC:
    case CC_MIXED:
        return src & 1;
    default:
        return false;
    }
}
/* Bit n: what the addition carried out of bit n, or the subtraction borrowed there (which is the carry of the addition
 * that undoes it). */
static inline uint64_t cc_carries(const struct cpu *cpu) {
    const unsigned kind = cpu->cc.op >> 2, sums = 1 << CC_ADD | 1 << CC_ADC | 1 << CC_INC;
    const unsigned with_carry = 1 << CC_ADC | 1 << CC_SBB, none = 1 << CC_FLAGS | 1 << CC_LOGIC | 1 << CC_MIXED;
    const uint64_t res = cpu->cc.res, src = kind >= CC_INC ? 1 : cpu->cc.src, b = src + (with_carry >> kind & 1);
    const bool sum = sums >> kind & 1;
    const uint64_t dst = sum ? res - b : res + b, y = sum ? dst : res, total = sum ? res : dst;
    return none >> kind & 1 ? 0 : (src & y) | ((src | y) & ~total);
}
static inline unsigned cc_top(const struct cpu *cpu) { return (8u << (cpu->cc.op & 3)) - 1; }
static inline bool cc_of(const struct cpu *cpu) {
    unsigned kind = cpu->cc.op >> 2, top = cc_top(cpu);
    if (kind == CC_FLAGS) return cpu->rflags & FLAG_OF;
    if (kind == CC_MIXED) return cpu->cc.src & FLAG_OF;
    uint64_t c = cc_carries(cpu);
    return (c >> top ^ c >> (top - 1)) & 1;
}
static inline bool cc_af(const struct cpu *cpu) {
    unsigned kind = cpu->cc.op >> 2;
    if (kind == CC_FLAGS) return cpu->rflags & FLAG_AF;
    if (kind == CC_MIXED) return cpu->cc.src & FLAG_AF;
    return cc_carries(cpu) >> 3 & 1;
}
static inline bool cc_is_flags(const struct cpu *cpu) { return (cpu->cc.op >> 2) == CC_FLAGS; }
static inline bool cc_zf(const struct cpu *cpu) {
    return cc_is_flags(cpu) ? (cpu->rflags & FLAG_ZF) != 0 : cpu->cc.res == 0;
}
static inline bool cc_sf(const struct cpu *cpu) {
    return cc_is_flags(cpu) ? (cpu->rflags & FLAG_SF) != 0 : (int64_t)cpu->cc.res < 0;
}
static inline bool cc_pf(const struct cpu *cpu) {
    if (cc_is_flags(cpu)) return cpu->rflags & FLAG_PF;
    return !__builtin_parity((unsigned)(cpu->cc.res & 0xFF));
}

/* Condition codes 0-15 as in the low four bits of Jcc, SETcc, CMOVcc. */
static inline bool cc_test(const struct cpu *cpu, unsigned cond) {
    bool r;
    switch (cond >> 1) {
    case 0:
        r = cc_of(cpu);
        break;
    case 1:
        r = cc_cf(cpu);
        break;
    case 2:
        r = cc_zf(cpu);
        break;
    case 3:
        r = cc_cf(cpu) || cc_zf(cpu);
        break;
    case 4:
        r = cc_sf(cpu);
        break;
    case 5:
        r = cc_pf(cpu);
        break;
    case 6:
        r = cc_sf(cpu) != cc_of(cpu);
        break;
    default:
        r = cc_zf(cpu) || cc_sf(cpu) != cc_of(cpu);
        break;
    }
    return r ^ (cond & 1);
}

/* The whole RFLAGS image, with arithmetic flags computed. */
static inline uint32_t flags_get(const struct cpu *cpu) {
    if (cc_is_flags(cpu)) return cpu->rflags;
    unsigned kind = cpu->cc.op >> 2, top = cc_top(cpu);
    uint64_t res = cpu->cc.res, c = cc_carries(cpu);
    uint32_t flags = (uint32_t)(c >> 3 & 1) << 4 | (uint32_t)((c >> top ^ c >> (top - 1)) & 1) << 11;
    flags |= kind == CC_INC || kind == CC_DEC ? (uint32_t)cpu->cc.src & 1 : (uint32_t)(c >> top & 1);
    if (kind == CC_MIXED) flags = (uint32_t)cpu->cc.src & (FLAG_CF | FLAG_AF | FLAG_OF);
    flags |= (res ? 0 : FLAG_ZF) | (cc_pf(cpu) ? FLAG_PF : 0) | (uint32_t)(res >> 63) << 7;
    return (cpu->rflags & ~FLAG_ARITH) | flags;
}
_Static_assert(FLAG_CF == 1 && FLAG_AF == 1 << 4 && FLAG_SF == 1 << 7 && FLAG_OF == 1 << 11, "the shifts above");
/* Put the arithmetic flags into rflags. */
static inline void flags_materialize(struct cpu *cpu) {
    cpu->rflags = flags_get(cpu);
    cpu->cc.op = CC(CC_FLAGS, 0);
}
/* Replace the arithmetic flags only; other bits of `arith` are ignored. */
static inline void flags_set_arith(struct cpu *cpu, uint32_t arith) {
    cpu->rflags = (cpu->rflags & ~FLAG_ARITH) | (arith & FLAG_ARITH);
    cpu->cc.op = CC(CC_FLAGS, 0);
}
/* Replace RFLAGS whole (bit 1 forced, undefined bits dropped). Updates mode, TLB context and attention when IF, TF, VM,
 * AC or RF changed: sim/core/cpu.c. */
void flags_load(struct cpu *cpu, uint32_t value);

#endif
