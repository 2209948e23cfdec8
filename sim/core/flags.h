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
static inline bool cc_of(const struct cpu *cpu) {
    unsigned sz = cpu->cc.op & 3, top = (8u << sz) - 1;
    uint64_t res = cpu->cc.res, src = cpu->cc.src, dst;
    switch (cpu->cc.op >> 2) {
    case CC_FLAGS:
        return cpu->rflags & FLAG_OF;
    case CC_ADD:
        dst = res - src;
        return (((dst ^ res) & (src ^ res)) >> top) & 1;
    case CC_ADC:
        dst = res - src - 1;
        return (((dst ^ res) & (src ^ res)) >> top) & 1;
    case CC_SUB:
        dst = res + src;
        return (((dst ^ src) & (dst ^ res)) >> top) & 1;
    case CC_SBB:
        dst = res + src + 1;
        return (((dst ^ src) & (dst ^ res)) >> top) & 1;
    case CC_INC:
        return (res & cc_mask(sz)) == 1ull << top;
    case CC_DEC:
        return (res & cc_mask(sz)) == (1ull << top) - 1;
    case CC_MIXED:
        return src & FLAG_OF;
    default:
        return false;
    }
}
static inline bool cc_af(const struct cpu *cpu) {
    uint64_t res = cpu->cc.res, src = cpu->cc.src;
    switch (cpu->cc.op >> 2) {
    case CC_FLAGS:
        return cpu->rflags & FLAG_AF;
    case CC_ADD:
        return ((res - src) ^ src ^ res) & 0x10;
    case CC_ADC:
        return ((res - src - 1) ^ src ^ res) & 0x10;
    case CC_SUB:
        return ((res + src) ^ src ^ res) & 0x10;
    case CC_SBB:
        return ((res + src + 1) ^ src ^ res) & 0x10;
    case CC_INC:
        return (res & 0xF) == 0;
    case CC_DEC:
        return (res & 0xF) == 0xF;
    case CC_MIXED:
        return src & FLAG_AF;
    default:
        return false;
    }
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
    return (cpu->rflags & ~FLAG_ARITH) | (cc_cf(cpu) ? FLAG_CF : 0) | (cc_pf(cpu) ? FLAG_PF : 0) |
           (cc_af(cpu) ? FLAG_AF : 0) | (cc_zf(cpu) ? FLAG_ZF : 0) | (cc_sf(cpu) ? FLAG_SF : 0) |
           (cc_of(cpu) ? FLAG_OF : 0);
}
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
