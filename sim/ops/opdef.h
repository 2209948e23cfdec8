/* What the files of sim/ops/ share: operands by size, host pointers of flat operands, and the macros that make one
 * function per form.
 *
 * B is the operand size in bits: 8, 16, 32 or 64. Functions are named op_<mnemonic>_<form><B>, with a final `f` for the
 * variant whose memory operand is flat (INSN_FLAT). A flat variant looks in the translation cache itself, has no stack
 * frame, and hands every miss to the general function, which starts again from the record. */
#ifndef HVSIM_OPS_OPDEF_H
#define HVSIM_OPS_OPDEF_H

#include "sim/core/seg.h"
#include "sim/ops/op.h"

#define OP_INLINE static inline __attribute__((always_inline, unused))
/* a semantic function: kept apart from the one that hands its misses to it, so that this one stays without a frame */
#define OPFN      static __attribute__((noinline)) void

enum { LG_8, LG_16, LG_32, LG_64 };

/* registers: a write of 32 bits clears the upper half, one of 8 or 16 bits leaves the rest */
static inline uint8_t reg8(struct cpu *cpu, unsigned off) { return *cpu_r8(cpu, off); }
static inline uint16_t reg16(struct cpu *cpu, unsigned off) { return *cpu_r16(cpu, off); }
static inline uint32_t reg32(struct cpu *cpu, unsigned off) { return *cpu_r32(cpu, off); }
static inline uint64_t reg64(struct cpu *cpu, unsigned off) { return *cpu_r64(cpu, off); }
static inline void set_reg8(struct cpu *cpu, unsigned off, uint8_t v) { *cpu_r8(cpu, off) = v; }
static inline void set_reg16(struct cpu *cpu, unsigned off, uint16_t v) { *cpu_r16(cpu, off) = v; }
static inline void set_reg32(struct cpu *cpu, unsigned off, uint32_t v) { *cpu_r64(cpu, off) = v; }
static inline void set_reg64(struct cpu *cpu, unsigned off, uint64_t v) { *cpu_r64(cpu, off) = v; }

/* unaligned host memory */
#define HOST_ACCESS(B)                                                                                                 \
    static inline uint##B##_t ld##B(const void *p) {                                                                   \
        uint##B##_t v;                                                                                                 \
        memcpy(&v, p, sizeof v);                                                                                       \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void st##B(void *p, uint##B##_t v) { memcpy(p, &v, sizeof v); }
HOST_ACCESS(8)
HOST_ACCESS(16)
HOST_ACCESS(32)
HOST_ACCESS(64)
#undef HOST_ACCESS

/* ---- flat memory operands ---- */

_Static_assert(sizeof(struct tlb_entry) == 32, "tlb_slot() scales by it");
OP_INLINE const struct tlb_entry *tlb_slot(const struct cpu *cpu, uint64_t la) {
    return (const struct tlb_entry *)((const char *)cpu->tlb.e + (la >> (12 - 5) & (TLB_ENTRIES - 1) << 5));
}
/* flat operand without an index: op_specialize() picks the functions named ...b */
OP_INLINE uint64_t ea_base(const struct cpu *cpu, const struct insn *i) {
    return *(const uint64_t *)((const char *)cpu->gpr + i->base) + (uint64_t)(int64_t)i->disp;
}
#define TLB_WANT(cpu, la, B) (((((la) + (B) / 8 - 1)) & PAGE_MASK) | (cpu)->tlb.ctx)
/* Declares `p`, the host address of the B bits at linear address `la`; continues with `miss` when the cache doesn't
 * have them. */
#define HOST_R(B, la, miss)                                                                                            \
    const uint64_t la_ = (la);                                                                                         \
    const struct tlb_entry *e_ = tlb_slot(cpu, la_);                                                                   \
    if (unlikely(e_->tag_r != TLB_WANT(cpu, la_, B))) return miss(cpu, i);                                             \
    void *const p = (void *)(e_->addend + (uintptr_t)la_)
#define HOST_W(B, la, miss)                                                                                            \
    const uint64_t la_ = (la);                                                                                         \
    const struct tlb_entry *e_ = tlb_slot(cpu, la_);                                                                   \
    if (unlikely(e_->tag_w != TLB_WANT(cpu, la_, B))) return miss(cpu, i);                                             \
    void *const p = (void *)(e_->addend + (uintptr_t)la_)
#define HOST_RW(B, la, miss)                                                                                           \
    const uint64_t la_ = (la);                                                                                         \
    const struct tlb_entry *e_ = tlb_slot(cpu, la_);                                                                   \
    if (unlikely(e_->tag_w != TLB_WANT(cpu, la_, B) || e_->tag_r != e_->tag_w)) return miss(cpu, i);                   \
    void *const p = (void *)(e_->addend + (uintptr_t)la_)

/* ---- general memory operands ---- */

#define GEN_ACCESS(B)                                                                                                  \
    static inline uint##B##_t load##B(struct cpu *cpu, const struct insn *i) {                                         \
        return mem_read##B(cpu, i, ea_linear(cpu, i, B / 8, MEM_READ));                                                \
    }                                                                                                                  \
    static inline void store##B(struct cpu *cpu, const struct insn *i, uint##B##_t v) {                                \
        mem_write##B(cpu, i, ea_linear(cpu, i, B / 8, MEM_WRITE), v);                                                  \
    }
GEN_ACCESS(8)
GEN_ACCESS(16)
GEN_ACCESS(32)
GEN_ACCESS(64)
#undef GEN_ACCESS
/* Read-modify-write: `expr` computes the new value from `old`. All faults come before `expr` is evaluated. */
#define GEN_RMW(B, la, expr)                                                                                           \
    do {                                                                                                               \
        const uint64_t rmw_la_ = (la);                                                                                 \
        void *rmw_p_ = mem_rmw##B(cpu, rmw_la_);                                                                       \
        if (likely(rmw_p_ != 0)) {                                                                                     \
            const uint##B##_t old = ld##B(rmw_p_);                                                                     \
            st##B(rmw_p_, expr);                                                                                       \
        } else {                                                                                                       \
            const uint##B##_t old = (uint##B##_t)mem_rmw_read_slow(cpu, i, rmw_la_, B / 8);                            \
            mem_write##B(cpu, i, rmw_la_, expr);                                                                       \
        }                                                                                                              \
    } while (0)

/* ---- flags ---- */

/* CF now, without a call: a + b carried when the result is below b; a - b borrowed when a is below b. */
OP_INLINE unsigned cf_now(const struct cpu *cpu) {
    const unsigned kind = cpu->cc.op >> 2, sh = 64 - (8u << (cpu->cc.op & 3));
    const uint64_t res = cpu->cc.res, src = cpu->cc.src;
    if (kind >= CC_LOGIC) return kind == CC_LOGIC ? 0 : src & 1;
    if (unlikely(kind == CC_FLAGS)) return cpu->rflags & 1;
    const uint64_t a = (kind >= CC_SUB ? res + src + (kind == CC_SBB) : res) << sh, b = src << sh;
    return (a < b) |
           ((a == b) & ~kind & 1); /* CC_ADC and CC_SBB are even: with the carry coming in, equal carries too */
}
_Static_assert(CC_ADC % 2 == 0 && CC_SBB % 2 == 0 && CC_ADD % 2 && CC_SUB % 2 && CC_LOGIC > CC_SBB && CC_SUB > CC_ADC,
               "cf_now() relies on the order of the kinds");
/* Condition code `c`, a constant where it is used. The frequent kinds are quick: after a comparison the operands
 * themselves are compared. Where cond_quick() says no, cond_now() would be long: a function continues in one that uses
 * cc_test(). */
OP_INLINE bool cond_quick(const struct cpu *cpu, unsigned c) {
    const unsigned kind = cpu->cc.op >> 2;
    switch (c >> 1) {
    case 1:
    case 2:
    case 4:
        return true;
    case 3:
    case 6:
    case 7:
        return kind == CC_SUB || kind == CC_LOGIC;
    default:
        return false;
    }
}
OP_INLINE bool cond_now(const struct cpu *cpu, unsigned c) {
    const unsigned kind = cpu->cc.op >> 2, sh = 64 - (8u << (cpu->cc.op & 3));
    const uint64_t res = cpu->cc.res, dst = (res + cpu->cc.src) << sh, src = cpu->cc.src << sh; /* of CC_SUB */
    bool r;
    switch (c >> 1) {
    case 1:
        r = cf_now(cpu);
        break;
    case 2:
        r = cc_zf(cpu);
        break;
    case 3:
        r = kind == CC_SUB ? dst <= src : res == 0;
        break;
    case 4:
        r = cc_sf(cpu);
        break;
    case 6:
        r = kind == CC_SUB ? (int64_t)dst < (int64_t)src : (int64_t)res < 0;
        break;
    default:
        r = kind == CC_SUB ? (int64_t)dst <= (int64_t)src : (int64_t)res <= 0;
        break;
    }
    return r ^ (c & 1);
}
static inline void cc_logic(struct cpu *cpu, unsigned sz, int64_t res) {
    cpu->cc.res = (uint64_t)res;
    cpu->cc.op = CC(CC_LOGIC, sz);
}
/* ZF, SF and PF from res; `caf`: CF, AF, OF as in RFLAGS */
static inline void cc_mixed(struct cpu *cpu, int64_t res, uint64_t caf) {
    cpu->cc.res = (uint64_t)res;
    cpu->cc.src = caf;
    cpu->cc.op = CC(CC_MIXED, LG_64);
}
/* Replace the flags of `mask` (some of CF, AF, OF), leaving ZF, SF, PF and the others as they are. */
static inline void cc_replace(struct cpu *cpu, uint32_t mask, uint32_t val) {
    if (cc_is_flags(cpu)) {
        cpu->rflags = (cpu->rflags & ~mask) | val;
        return;
    }
    uint32_t keep = (cc_cf(cpu) ? FLAG_CF : 0) | (cc_of(cpu) ? FLAG_OF : 0) | (cc_af(cpu) ? FLAG_AF : 0);
    cpu->cc.src = (keep & ~mask) | val;
    cpu->cc.op = CC(CC_MIXED, LG_64);
}
static inline void set_zf(struct cpu *cpu, bool z) {
    flags_materialize(cpu);
    cpu->rflags = (cpu->rflags & ~FLAG_ZF) | (z ? FLAG_ZF : 0);
}

/* ---- stack ---- */

/* The stack address size: 64-bit mode 64, else by SS.B (SDM 1 "Address-Size Attributes for Stack Accesses") */
static inline uint64_t stack_mask(const struct cpu *cpu) {
    return cpu_is_64(cpu) ? ~0ull : cpu->mode & MODE_STACK32 ? 0xFFFFFFFF : 0xFFFF;
}
static inline void stack_set(struct cpu *cpu, uint64_t sp) {
    if (cpu_is_64(cpu))
        cpu->gpr[RSP] = sp;
    else if (cpu->mode & MODE_STACK32)
        cpu->gpr[RSP] = (uint32_t)sp;
    else
        *cpu_r16(cpu, REG_OFF(RSP)) = (uint16_t)sp;
}
/* Read SS:[SP + disp] without moving SP. */
static inline uint64_t stack_peek(struct cpu *cpu, const struct insn *i, int32_t disp, unsigned bytes) {
    uint64_t off = (cpu->gpr[RSP] + (uint64_t)(int64_t)disp) & stack_mask(cpu);
    uint64_t la = seg_linear(cpu, i, SEG_SS, off, bytes, MEM_READ);
    switch (bytes) {
    case 2:
        return mem_read16(cpu, i, la);
    case 4:
        return mem_read32(cpu, i, la);
    default:
        return mem_read64(cpu, i, la);
    }
}

/* ---- endings ---- */

/* Raise on behalf of record i (with error code 0 where the vector has one). */
static inline _Noreturn void op_raise(struct cpu *cpu, const struct insn *i, enum vector vec) {
    cpu->cur = i;
    cpu_raise(cpu, vec);
}
/* Back to the run loop before this repeated instruction is complete: it will be executed again and is not counted now.
 */
static inline void chain_leave_at(struct cpu *cpu, const struct insn *i) {
    cpu->intr.rep_partial = true;
    cpu->rip = cpu_insn_rip(cpu, i);
    cpu->budget += i->left;
}
/* Back to the run loop after this instruction: the rest of the block was not executed. */
static inline void chain_leave_after(struct cpu *cpu, const struct insn *i) {
    cpu->rip = cpu_next_rip(cpu, i);
    cpu->budget += i->left - 1;
}

/* ---- rows ---- */

#define F4(name)                                                                                                       \
    { name##8, name##16, name##32, name##64 }
#define F4F(name)                                                                                                      \
    { name##8f, name##16f, name##32f, name##64f }
#define F4B(name)                                                                                                      \
    { name##8b, name##16b, name##32b, name##64b }
#define F3(name)                                                                                                       \
    { 0, name##16, name##32, name##64 }
#define F3F(name)                                                                                                      \
    { 0, name##16f, name##32f, name##64f }
#define F3B(name)                                                                                                      \
    { 0, name##16b, name##32b, name##64b }
#define FALL(fn)                                                                                                       \
    { fn, fn, fn, fn }
#define EACH_SIZE(X)  X(8) X(16) X(32) X(64)
#define EACH_SIZE3(X) X(16) X(32) X(64)
/* A form for every operand size; memory forms may have a flat variant, and one for flat operands without an index */
#define ROW(id, form, name)                                                                                            \
    {                                                                                                                  \
        INSN_##id, FORM_##form, F4(name), {0}, { 0 }                                                                   \
    }
#define ROW_FLAT(id, form, name)                                                                                       \
    {                                                                                                                  \
        INSN_##id, FORM_##form, F4(name), F4F(name), { 0 }                                                             \
    }
#define ROW_BASE(id, form, name)                                                                                       \
    { INSN_##id, FORM_##form, F4(name), F4F(name), F4B(name) }
#define ROW3(id, form, name)                                                                                           \
    {                                                                                                                  \
        INSN_##id, FORM_##form, F3(name), {0}, { 0 }                                                                   \
    }
#define ROW3_FLAT(id, form, name)                                                                                      \
    {                                                                                                                  \
        INSN_##id, FORM_##form, F3(name), F3F(name), { 0 }                                                             \
    }
#define ROW3_BASE(id, form, name)                                                                                      \
    { INSN_##id, FORM_##form, F3(name), F3F(name), F3B(name) }
/* A form without bytes, a function for each size; the second, with a flat variant for 64 bits */
#define ROW_SIZES(id, form, f16, f32, f64)                                                                             \
    {                                                                                                                  \
        INSN_##id, FORM_##form, {0, f16, f32, f64}, {0}, { 0 }                                                         \
    }
#define ROW_FLAT64(id, form, f16, f32, f64, flat64)                                                                    \
    {                                                                                                                  \
        INSN_##id, FORM_##form, {0, f16, f32, f64}, {0, 0, 0, flat64}, { 0 }                                           \
    }
#define ROW_ANY(id, form, fn)                                                                                          \
    {                                                                                                                  \
        INSN_##id, FORM_##form, FALL(fn), {0}, { 0 }                                                                   \
    }

/* The sixteen conditions, X(suffix, code) */
#define EACH_COND(X)                                                                                                   \
    X(O, 0)                                                                                                            \
    X(NO, 1)                                                                                                           \
    X(B, 2)                                                                                                            \
    X(NB, 3)                                                                                                           \
    X(Z, 4) X(NZ, 5) X(BE, 6) X(NBE, 7) X(S, 8) X(NS, 9) X(P, 10) X(NP, 11) X(L, 12) X(NL, 13) X(LE, 14) X(NLE, 15)

#endif
