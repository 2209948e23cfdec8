/* FNSTENV, FLDENV, FNSAVE, FRSTOR in their four formats. SDM 1 figures "Protected Mode x87 FPU State Image in Memory,
 * 32-Bit Format" and the three after it. */
#include <string.h>

#include "sim/x87/x87.h"

#define STATE_MAX (28 + 80)

struct format {
    bool wide; /* 32-bit */
    bool real; /* linear addresses in place of selectors: real and virtual-8086 mode */
    unsigned bytes;
};
static struct format format_of(const struct cpu *cpu, const struct insn *i) {
    return (struct format){.wide = i->size == 2, .real = !cpu_is_prot(cpu), .bytes = i->size == 2 ? 28 : 14};
}

/* Words of 16 bits, or the low halves of words of 32 bits. */
static uint32_t get(const struct format *fm, const uint8_t *b, unsigned n) {
    return fm->wide ? ld32(b + 4 * n) : ld16(b + 2 * n);
}
/* What the format does not use reads as ones in the high halves. */
static void put(const struct format *fm, uint8_t *b, unsigned n, uint32_t v) {
    if (fm->wide)
        st32(b + 4 * n, v);
    else
        st16(b + 2 * n, (uint16_t)v);
}
#define UNUSED 0xFFFF0000u

/* ---- the full tag word ---- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of(const struct f80 *v) {
    const unsigned exp = v->se & F80_MAX_EXP;
    if (exp == 0 && v->sig == 0) return TAG_ZERO;
    return exp == 0 || exp == F80_MAX_EXP || !(v->sig & F80_INTEGER) ? TAG_SPECIAL : TAG_VALID;
}
static unsigned full_tags(const struct fpu_regs *f) {
    unsigned tags = 0;
    for (unsigned r = 0; r < 8; r++) tags |= (x87_empty(f, r) ? TAG_EMPTY : tag_of(&f->st[r])) << 2 * r;
    return tags;
}
static uint8_t abridged(unsigned tags) {
    unsigned ftw = 0;
    for (unsigned r = 0; r < 8; r++) ftw |= ((tags >> 2 * r & 3) != TAG_EMPTY) << r;
    return (uint8_t)ftw;
}

/* ---- pointers ---- */

static void put_pointers(const struct cpu *cpu, const struct format *fm, uint8_t *b) {
    const uint32_t fop = cpu->fpu.fop, fcs = x87_fcs(cpu), fds = x87_fds(cpu);
    uint32_t fip = (uint32_t)cpu->fpu.fip, fdp = (uint32_t)x87_fdp(cpu);
    if (!fm->real) {
        put(fm, b, 3, fip);
        put(fm, b, 4, fcs | (fm->wide ? fop << 16 : 0));
        put(fm, b, 5, fdp);
        put(fm, b, 6, fds | UNUSED);
        return;
    }
    fip += fcs << 4;
    fdp += fds << 4;
    put(fm, b, 3, (fip & 0xFFFF) | UNUSED);
    put(fm, b, 5, (fdp & 0xFFFF) | UNUSED);
    put(fm, b, 4, fm->wide ? (fip >> 16) << 12 | fop : (fip >> 4 & 0xF000) | fop);
    put(fm, b, 6, fm->wide ? (fdp >> 16) << 12 : fdp >> 4 & 0xF000);
}

static struct x87_pointers get_pointers(const struct format *fm, const uint8_t *b) {
    const uint32_t w3 = get(fm, b, 3), w4 = get(fm, b, 4), w5 = get(fm, b, 5), w6 = get(fm, b, 6);
    if (!fm->real)
        return (struct x87_pointers){
            .fip = w3, .fcs = (uint16_t)w4, .fop = fm->wide ? (uint16_t)(w4 >> 16) : 0, .fdp = w5, .fds = (uint16_t)w6};
    const uint32_t high = fm->wide ? 0x0FFFF000 : 0xF000; /* bits 31:16 or 19:16 of the address */
    return (struct x87_pointers){
        .fip = (w3 & 0xFFFF) | (w4 & high) << 4, .fop = (uint16_t)w4, .fdp = (w5 & 0xFFFF) | (w6 & high) << 4};
}

/* ---- environment ---- */

static void make_environment(const struct cpu *cpu, const struct format *fm, uint8_t *b) {
    const struct fpu_regs *f = &cpu->fpu;
    put(fm, b, 0, f->fcw | UNUSED);
    put(fm, b, 1, f->fsw | UNUSED);
    put(fm, b, 2, full_tags(f) | UNUSED);
    put_pointers(cpu, fm, b);
}

static void load_environment(struct cpu *cpu, const struct format *fm, const uint8_t *b) {
    struct fpu_regs *f = &cpu->fpu;
    const struct x87_pointers p = get_pointers(fm, b);
    f->fcw = (uint16_t)((get(fm, b, 0) & FCW_VALID) | FCW_FIXED);
    f->fsw = (uint16_t)get(fm, b, 1);
    f->ftw = abridged(get(fm, b, 2));
    x87_set_pointers(cpu, &p);
}

/* A read or write of all bytes or none; SDM 3 table "Alignment Requirements by Data Type": 2 or 4 by the format. Which
 * of two pages that are not present is reported is left to the processor: the one with the last byte. */
static void transfer(struct cpu *cpu, const struct insn *i, uint8_t *b, unsigned bytes, unsigned access) {
    const uint64_t la = ea_linear(cpu, i, bytes, access);
    const uint64_t last = la + bytes - 1;
    mem_probe(cpu, i, la, i->size == 2 ? 4 : 2, access);
    mem_probe(cpu, i, cpu_is_64(cpu) ? last : (uint32_t)last, 1, access);
    if (access == MEM_READ)
        mem_read_bytes(cpu, la, b, bytes, access);
    else
        mem_write_bytes(cpu, la, b, bytes, access);
    cpu->cur = NULL;
}

static X87_FN void fnstenv(struct cpu *cpu, const struct insn *i) {
    uint8_t b[STATE_MAX];
    const struct format fm = format_of(cpu, i);
    make_environment(cpu, &fm, b);
    transfer(cpu, i, b, fm.bytes, MEM_WRITE);
    cpu->fpu.fcw |= FSW_EXC;
    x87_summarize(cpu);
}
static X87_FN void fldenv(struct cpu *cpu, const struct insn *i) {
    uint8_t b[STATE_MAX];
    const struct format fm = format_of(cpu, i);
    transfer(cpu, i, b, fm.bytes, MEM_READ);
    load_environment(cpu, &fm, b);
    x87_summarize(cpu);
}

/* ---- environment and registers ---- */

static X87_FN void fnsave(struct cpu *cpu, const struct insn *i) {
    uint8_t b[STATE_MAX];
    struct fpu_regs *f = &cpu->fpu;
    const struct format fm = format_of(cpu, i);
    make_environment(cpu, &fm, b);
    for (unsigned n = 0; n < 8; n++) {
        const struct f80 *v = &f->st[x87_reg(f, n)];
        st64(b + fm.bytes + 10 * n, v->sig);
        st16(b + fm.bytes + 10 * n + 8, v->se);
    }
    transfer(cpu, i, b, fm.bytes + 80, MEM_WRITE);
    f->fcw = FCW_INIT;
    f->fsw = 0;
    f->ftw = 0;
    x87_set_pointers(cpu, &(struct x87_pointers){0});
    x87_ferr_update(cpu);
}
static X87_FN void frstor(struct cpu *cpu, const struct insn *i) {
    uint8_t b[STATE_MAX];
    struct fpu_regs *f = &cpu->fpu;
    const struct format fm = format_of(cpu, i);
    transfer(cpu, i, b, fm.bytes + 80, MEM_READ);
    load_environment(cpu, &fm, b);
    for (unsigned n = 0; n < 8; n++) {
        struct f80 *v = &f->st[x87_reg(f, n)];
        v->sig = ld64(b + fm.bytes + 10 * n);
        v->se = ld16(b + fm.bytes + 10 * n + 8);
    }
    x87_summarize(cpu);
}

OPFN op_fnstenv(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    fnstenv(cpu, i);
    NEXT(cpu, i);
}
OPFN op_fldenv(struct cpu *cpu, const struct insn *i) {
    X87_ENTER(cpu, i);
    fldenv(cpu, i);
    NEXT(cpu, i);
}
OPFN op_fnsave(struct cpu *cpu, const struct insn *i) {
    X87_ENTER_NOWAIT(cpu, i);
    fnsave(cpu, i);
    NEXT(cpu, i);
}
OPFN op_frstor(struct cpu *cpu, const struct insn *i) {
    X87_ENTER(cpu, i);
    frstor(cpu, i);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(FNSTENV, M, op_fnstenv),
    ROW_ANY(FLDENV, M, op_fldenv),
    ROW_ANY(FNSAVE, M, op_fnsave),
    ROW_ANY(FRSTOR, M, op_frstor),
};
OP_GROUP(op_group_x87_environment, rows);
