/* Segment registers: loading with every check, limit checks, the stack. SDM 3 "Protection"; SDM 2 "MOV", "POP",
 * "LDS/LES/LFS/LGS/LSS". */
#include "sim/core/seg.h"

#include "sim/core/mem.h"
#include "sim/core/system.h"

/* ---- addresses ---- */

bool seg_contains(const struct seg *s, uint64_t off, unsigned size) {
    uint64_t last = off + size - 1;
    if ((s->ar & (AR_CODE | AR_EXPDOWN)) != AR_EXPDOWN) return last <= s->limit;
    uint64_t top = s->ar & AR_DB ? 0xFFFFFFFFu : 0xFFFFu;
    return off > s->limit && last <= top;
}

static bool access_permitted(const struct cpu *cpu, const struct seg *s, unsigned access) {
    if (!cpu_is_prot(cpu)) return true;
    if (s->ar & AR_UNUSABLE) return false;
    if (s->ar & AR_CODE) return !(access & MEM_WRITE) && (s->ar & AR_RW);
    return !(access & MEM_WRITE) || (s->ar & AR_RW);
}

static __attribute__((noinline)) uint64_t linear_slow(struct cpu *cpu, const struct insn *i, unsigned seg, uint64_t off,
                                                      unsigned size, unsigned access) {
    const struct seg *s = &cpu->seg[seg];
    if (access_permitted(cpu, s, access) && seg_contains(s, off, size)) return (uint32_t)(s->base + off);
    cpu->cur = i;
    cpu_raise_err(cpu, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

static __attribute__((noinline, cold)) void not_canonical(struct cpu *cpu, const struct insn *i, unsigned seg) {
    cpu->cur = i;
    cpu_raise_err(cpu, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

uint64_t seg_linear(struct cpu *cpu, const struct insn *i, unsigned seg, uint64_t off, unsigned size, unsigned access) {
    const struct seg *s = &cpu->seg[seg];
    if (cpu_is_64(cpu)) {
        uint64_t la = seg >= SEG_FS ? s->base + off : off;
        if (!is_canonical(cpu, la) || !is_canonical(cpu, la + size - 1)) not_canonical(cpu, i, seg);
        return la;
    }
    /* writable expand-up data: nearly every access */
    const uint32_t ordinary = AR_UNUSABLE | AR_CODE | AR_EXPDOWN | AR_RW;
    if (__builtin_expect((s->ar & ordinary) == AR_RW && off + size - 1 <= s->limit, 1))
        return (uint32_t)(s->base + off);
    return linear_slow(cpu, i, seg, off, size, access);
}

bool is_canonical_max(const struct cpu *cpu, uint64_t la) {
    unsigned sh = 64 - cpu->model->lin_bits;
    return (uint64_t)((int64_t)(la << sh) >> sh) == la;
}

/* ---- loading ---- */

struct seg seg_from_desc(uint16_t sel, const struct desc *d) {
    return (struct seg){.sel = sel, .base = desc_base(d), .limit = desc_limit(d), .ar = desc_ar(d)};
}

void seg_set(struct cpu *cpu, enum seg_id seg, uint16_t sel, const struct desc *d) {
    cpu->seg[seg] = seg_from_desc(sel, d);
    if (seg == SEG_CS) cpu->cpl = sel & 3;
}

/* Intel clears the base; AMD leaves it (APM 2, "Null Selector") before NullSelectorClearsBase. SS of an inner level
 * keeps its level as DPL. */
void seg_set_null(struct cpu *cpu, enum seg_id seg, uint16_t sel) {
    struct seg *s = &cpu->seg[seg];
    bool keeps = cpu->model->vendor == VENDOR_AMD && !cpu_has(cpu, FEAT_NULL_SEL_CLR_BASE);
    uint64_t base = keeps && seg >= SEG_FS ? s->base : 0;
    *s = (struct seg){.sel = sel, .base = base, .ar = AR_UNUSABLE};
    if (seg == SEG_SS) s->ar |= (uint32_t)(sel & 3) << AR_DPL_SHIFT;
}

/* SDM 3, "Real-Address Mode Operation" and "Virtual-8086 Mode": base = selector * 16. Real mode keeps limit and size of
 * the hidden part, virtual-8086 mode has them fixed. */
void seg_load_real(struct cpu *cpu, enum seg_id seg, uint16_t sel) {
    struct seg *s = &cpu->seg[seg];
    bool vm86 = cpu->rflags & FLAG_VM;
    if (vm86 || (s->ar & AR_UNUSABLE)) {
        s->limit = 0xFFFF;
        s->ar = 0;
    }
    s->sel = sel;
    s->base = (uint32_t)sel << 4;
    s->ar = (s->ar & (AR_DB | AR_G | AR_AVL)) | AR_P | AR_S | AR_RW | AR_ACCESSED | (vm86 ? AR_DPL : 0);
}

static void load_stack(struct cpu *cpu, uint16_t sel) {
    struct desc d;
    if (sel_is_null(sel)) {
        if (!cpu_is_64(cpu) || cpu->cpl == 3 || (sel & 3) != cpu->cpl) cpu_gp0(cpu);
        seg_set_null(cpu, SEG_SS, sel);
        return;
    }
    desc_fetch(cpu, sel, &d, VEC_GP);
    uint32_t ar = desc_ar(&d);
    if ((sel & 3) != cpu->cpl || (ar & (AR_S | AR_CODE | AR_RW)) != (AR_S | AR_RW) || ar_dpl(ar) != cpu->cpl)
        sel_fault(cpu, VEC_GP, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_SS, sel);
    desc_set_accessed(cpu, &d);
    bool resized = (ar ^ cpu->seg[SEG_SS].ar) & AR_DB;
    seg_set(cpu, SEG_SS, sel, &d);
    if (resized) cpu_update_mode(cpu);
}

static void load_data(struct cpu *cpu, enum seg_id seg, uint16_t sel) {
    struct desc d;
    if (sel_is_null(sel)) {
        seg_set_null(cpu, seg, sel);
        return;
    }
    desc_fetch(cpu, sel, &d, VEC_GP);
    uint32_t ar = desc_ar(&d);
    bool readable = (ar & AR_S) && (!(ar & AR_CODE) || (ar & AR_RW));
    if (!readable || !desc_visible(cpu, sel, ar)) sel_fault(cpu, VEC_GP, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
    desc_set_accessed(cpu, &d);
    seg_set(cpu, seg, sel, &d);
}

void seg_load(struct cpu *cpu, enum seg_id seg, uint16_t sel) {
    if (!cpu_is_prot(cpu))
        seg_load_real(cpu, seg, sel);
    else if (seg == SEG_SS)
        load_stack(cpu, sel);
    else
        load_data(cpu, seg, sel);
}

void cpu_set_cpl(struct cpu *cpu, unsigned cpl) {
    cpu->cpl = (uint8_t)cpl;
    cpu_update_mode(cpu);
}

void check_code_offset(struct cpu *cpu, uint32_t ar, uint32_t limit, uint64_t rip) {
    bool ok = ar_is_64(cpu, ar) ? is_canonical(cpu, rip) : rip <= limit;
    if (!ok) cpu_gp0(cpu);
}

/* SDM 2, "RET" and "IRET": return to an outer privilege level. The selector becomes null and the segment invalid; the
 * base stays, and 64-bit mode goes on using that of FS and GS. */
void seg_drop_inner(struct cpu *cpu, unsigned cpl) {
    static const enum seg_id data[] = {SEG_ES, SEG_FS, SEG_GS, SEG_DS};
    for (unsigned k = 0; k < 4; k++) {
        struct seg *s = &cpu->seg[data[k]];
        bool conforming = (s->ar & (AR_CODE | AR_CONFORM)) == (AR_CODE | AR_CONFORM);
        if ((s->ar & AR_UNUSABLE) || conforming || ar_dpl(s->ar) >= cpl) continue;
        s->sel = 0;
        s->ar = AR_UNUSABLE;
    }
}

/* ---- the stack ---- */

static uint64_t stack_mask(const struct cpu *cpu) {
    return cpu_is_64(cpu) ? ~0ull : cpu->mode & MODE_STACK32 ? 0xFFFFFFFFull : 0xFFFFull;
}

void stack_current(struct cpu *cpu, struct stack *st) {
    uint64_t mask = stack_mask(cpu);
    *st = (struct stack){.ss = cpu->seg[SEG_SS], .sp = cpu->gpr[RSP] & mask, .mask = mask};
}

static uint64_t stack_linear(struct cpu *cpu, const struct stack *st, uint64_t off, unsigned bytes) {
    bool flat = st->mask == ~0ull;
    bool ok = flat ? is_canonical(cpu, off) && is_canonical(cpu, off + bytes - 1) : seg_contains(&st->ss, off, bytes);
    if (!ok) cpu_raise_err(cpu, VEC_SS, st->err & 0xFFFCu);
    return flat ? off : (uint32_t)(st->ss.base + off);
}

static uint64_t read_sized(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned bytes) {
    if (bytes == 8) return mem_read64(cpu, i, la);
    return bytes == 4 ? mem_read32(cpu, i, la) : mem_read16(cpu, i, la);
}

static void write_sized(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned bytes, uint64_t val) {
    if (bytes == 8)
        mem_write64(cpu, i, la, val);
    else if (bytes == 4)
        mem_write32(cpu, i, la, (uint32_t)val);
    else
        mem_write16(cpu, i, la, (uint16_t)val);
}

void stack_put(struct cpu *cpu, struct stack *st, unsigned bytes, uint64_t val) {
    uint64_t sp = (st->sp - bytes) & st->mask;
    uint64_t la = stack_linear(cpu, st, sp, bytes);
    if (st->sys)
        mem_sys_write(cpu, la, bytes, val);
    else
        write_sized(cpu, cpu->cur, la, bytes, val);
    st->sp = sp;
}

uint64_t stack_take(struct cpu *cpu, struct stack *st, unsigned bytes) {
    uint64_t la = stack_linear(cpu, st, st->sp, bytes);
    uint64_t val = st->sys ? mem_sys_read(cpu, la, bytes) : read_sized(cpu, cpu->cur, la, bytes);
    st->sp = (st->sp + bytes) & st->mask;
    return val;
}

void stack_commit(struct cpu *cpu, const struct stack *st) {
    if (st->mask == 0xFFFF)
        *cpu_r16(cpu, REG_OFF(RSP)) = (uint16_t)st->sp;
    else
        cpu->gpr[RSP] = st->sp;
}

void stack_push(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t val) {
    uint64_t mask = stack_mask(cpu), sp = (cpu->gpr[RSP] - bytes) & mask;
    write_sized(cpu, i, seg_linear(cpu, i, SEG_SS, sp, bytes, MEM_WRITE), bytes, val);
    if (mask == 0xFFFF)
        *cpu_r16(cpu, REG_OFF(RSP)) = (uint16_t)sp;
    else
        cpu->gpr[RSP] = sp;
}

uint64_t stack_pop(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    uint64_t mask = stack_mask(cpu), sp = cpu->gpr[RSP] & mask;
    uint64_t val = read_sized(cpu, i, seg_linear(cpu, i, SEG_SS, sp, bytes, MEM_READ), bytes);
    sp = (sp + bytes) & mask;
    if (mask == 0xFFFF)
        *cpu_r16(cpu, REG_OFF(RSP)) = (uint16_t)sp;
    else
        cpu->gpr[RSP] = sp;
    return val;
}
