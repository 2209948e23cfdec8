/* What every x87 instruction may need, away from the path of those that just compute. */
#include "sim/x87/x87.h"

void x87_denied(struct cpu *cpu, const struct insn *i) {
    cpu->cur = i;
    cpu_raise_denied(cpu, GATE_X87);
}

/* An x87 instruction on a model without an x87 unit: CR0.EM and CR0.TS still come first. */
void op_no_fpu(struct cpu *cpu, const struct insn *i) {
    if (cpu->denied & GATE_X87) x87_denied(cpu, i);
    op_raise(cpu, i, VEC_UD);
}

void x87_unmasked(struct cpu *cpu, const struct insn *i) {
    struct fpu_regs *f = &cpu->fpu;
    f->fsw |= FSW_ES | FSW_B;
    f->fdp_exc = f->fdp;
    f->fds_exc = f->fds;
    NEXT(cpu, i);
}

/* ---- memory ---- */

/* SDM 3 table "Alignment Requirements by Data Type": 8 for m80. */
#define ALIGN_80 8

static X87_FN void read80_slow(struct cpu *cpu, const struct insn *i, uint64_t la) {
    uint8_t b[10];
    mem_probe(cpu, i, la, ALIGN_80, MEM_READ);
    mem_read_bytes(cpu, la, b, sizeof b, MEM_READ);
    cpu->fpu.operand.sig = ld64(b);
    cpu->fpu.operand.se = ld16(b + 8);
    cpu->cur = NULL;
}

void x87_read80(struct cpu *cpu, const struct insn *i) {
    const uint64_t la = ea_linear(cpu, i, 10, MEM_READ);
    const struct tlb_entry *e = tlb_slot(cpu, la);
    if (unlikely(e->tag_r != TLB_WANT(cpu, la, 80))) {
        read80_slow(cpu, i, la);
        return;
    }
    const uint8_t *p = (const uint8_t *)(e->addend + (uintptr_t)la);
    cpu->fpu.operand.sig = ld64(p);
    cpu->fpu.operand.se = ld16(p + 8);
}

static X87_FN void write80_slow(struct cpu *cpu, const struct insn *i, uint64_t la, const struct f80 *v) {
    uint8_t b[10];
    st64(b, v->sig);
    st16(b + 8, v->se);
    mem_probe(cpu, i, la, ALIGN_80, MEM_WRITE);
    mem_write_bytes(cpu, la, b, sizeof b, MEM_WRITE);
    cpu->cur = NULL;
}

void x87_write80(struct cpu *cpu, const struct insn *i, uint64_t la, const struct f80 *v) {
    const struct tlb_entry *e = tlb_slot(cpu, la);
    if (unlikely(e->tag_w != TLB_WANT(cpu, la, 80))) {
        write80_slow(cpu, i, la, v);
        return;
    }
    uint8_t *p = (uint8_t *)(e->addend + (uintptr_t)la);
    st64(p, v->sig);
    st16(p + 8, v->se);
}

/* ---- widening ---- */

/* `frac`: the fraction, its highest bit in bit 62. */
static bool widen(struct f80 *d, unsigned sign, unsigned exp, unsigned max, uint64_t frac) {
    const unsigned bias = F80_BIAS - (max >> 1);
    unsigned e = exp + bias;
    uint64_t sig = frac | F80_INTEGER;
    bool normal = true;
    if (exp == max) {
        e = F80_MAX_EXP;
    } else if (exp == 0) {
        normal = frac == 0;
        const unsigned shift = normal ? 0 : (unsigned)__builtin_clzll(frac);
        e = normal ? 0 : 1 + bias - shift;
        sig = frac << shift;
    }
    d->sig = sig;
    d->se = (uint16_t)(sign << 15 | e);
    return normal;
}
bool x87_widen32_special(struct f80 *d, uint32_t v) {
    return widen(d, v >> 31, v >> 23 & 0xFF, 0xFF, (uint64_t)(v & 0x7FFFFF) << 40);
}
bool x87_widen64_special(struct f80 *d, uint64_t v) {
    return widen(d, (unsigned)(v >> 63), v >> 52 & 0x7FF, 0x7FF, (v & 0xFFFFFFFFFFFFFull) << 11);
}

/* A denormal operand in memory, which the extended format holds as a normal number. SDM 1 "Exception Priority": a NaN
 * or an unsupported value on the other side comes first. */
bool x87_denormal_operand(struct fpu_regs *f, const struct f80 *other) {
    const unsigned exp = other->se & F80_MAX_EXP;
    const bool integer = other->sig & F80_INTEGER;
    if (exp == F80_MAX_EXP ? other->sig != F80_INTEGER : exp != 0 && !integer) return false;
    f->fsw = (uint16_t)((f->fsw & ~FSW_C1) | FSW_DE);
    return !(f->fcw & FSW_DE);
}
