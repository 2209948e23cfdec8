/* Descriptor-table registers and the instructions that look at descriptors. SDM 2; SDM 3 "Segment Descriptor Tables in
 * IA-32e Mode". */
#include "sim/ops/sys.h"

/* ---- LGDT, LIDT, SGDT, SIDT ---- */

static struct dtable dtable_load(struct cpu *cpu, const struct insn *i) {
    bool wide = cpu_is_64(cpu);
    uint64_t la = ea_linear(cpu, i, wide ? 10 : 6, MEM_READ);
    uint16_t limit = mem_read16(cpu, i, la);
    uint64_t base_la = la_after(cpu, la, 2);
    uint64_t base = wide ? mem_read64(cpu, i, base_la) : mem_read32(cpu, i, base_la);
    if (wide && !is_canonical_max(cpu, base)) cpu_gp0(cpu);
    if (!wide && i->size == 1) base &= 0xFFFFFF;
    return (struct dtable){base, limit};
}

static void dtable_store(struct cpu *cpu, const struct insn *i, const struct dtable *t) {
    unsigned size = cpu_is_64(cpu) ? 10 : 6;
    uint8_t image[10];
    memcpy(image, &t->limit, 2);
    memcpy(image + 2, &t->base, 8);
    mem_write_bytes(cpu, ea_linear(cpu, i, size, MEM_WRITE), image, size, MEM_WRITE);
}

void body_lgdt(struct cpu *cpu, const struct insn *i) { cpu->ctl.gdtr = dtable_load(cpu, i); }
void body_lidt(struct cpu *cpu, const struct insn *i) { cpu->ctl.idtr = dtable_load(cpu, i); }
void body_sgdt(struct cpu *cpu, const struct insn *i) { dtable_store(cpu, i, &cpu->ctl.gdtr); }
void body_sidt(struct cpu *cpu, const struct insn *i) { dtable_store(cpu, i, &cpu->ctl.idtr); }

/* ---- LLDT, LTR, SLDT, STR ---- */

/* A system descriptor in the GDT, 16 bytes in IA-32e mode. */
static void system_descriptor(struct cpu *cpu, uint16_t sel, struct desc *d) {
    if (sel & 4) sel_fault(cpu, VEC_GP, sel);
    desc_fetch(cpu, sel, d, VEC_GP);
}

static void system_upper(struct cpu *cpu, uint16_t sel, struct desc *d) {
    if (!cpu_is_lma(cpu)) return;
    desc_fetch_upper(cpu, sel, d, VEC_GP);
    if ((d->upper >> 40 & 0x1F) || !is_canonical_max(cpu, desc_base64(d))) sel_fault(cpu, VEC_GP, sel);
}

static struct seg system_segment(uint16_t sel, const struct desc *d) {
    struct seg s = seg_from_desc(sel, d);
    s.base = desc_base64(d);
    return s;
}

void body_lldt(struct cpu *cpu, const struct insn *i) {
    uint16_t sel = rm16_read(cpu, i);
    struct desc d;
    if (sel_is_null(sel)) {
        cpu->seg[SEG_LDTR] = (struct seg){.sel = sel, .ar = AR_UNUSABLE};
        return;
    }
    system_descriptor(cpu, sel, &d);
    uint32_t ar = desc_ar(&d);
    if ((ar & (AR_S | AR_TYPE)) != DESC_LDT) sel_fault(cpu, VEC_GP, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
    system_upper(cpu, sel, &d);
    cpu->seg[SEG_LDTR] = system_segment(sel, &d);
}

void body_ltr(struct cpu *cpu, const struct insn *i) {
    uint16_t sel = rm16_read(cpu, i);
    struct desc d;
    if (sel_is_null(sel)) cpu_gp0(cpu);
    system_descriptor(cpu, sel, &d);
    uint32_t ar = desc_ar(&d), type = ar & (AR_S | AR_TYPE);
    if (type != DESC_TSS_AVAIL && (type != DESC_TSS16_AVAIL || cpu_is_lma(cpu))) sel_fault(cpu, VEC_GP, sel);
    if (!(ar & AR_P)) sel_fault(cpu, VEC_NP, sel);
    system_upper(cpu, sel, &d);
    d.hi |= 2u << 8; /* busy */
    mem_sys_write(cpu, d.la + 5, 1, d.hi >> 8 & 0xFF);
    cpu->seg[SEG_TR] = system_segment(sel, &d);
}

static void store_selector(struct cpu *cpu, const struct insn *i, uint16_t sel) {
    if (i->flags & INSN_MEM)
        mem_write16(cpu, i, ea_linear(cpu, i, 2, MEM_WRITE), sel);
    else
        reg_write(cpu, i->reg, i->size, sel);
}

void body_sldt(struct cpu *cpu, const struct insn *i) { store_selector(cpu, i, cpu->seg[SEG_LDTR].sel); }
void body_str(struct cpu *cpu, const struct insn *i) { store_selector(cpu, i, cpu->seg[SEG_TR].sel); }

/* ---- VERR, VERW, LAR, LSL, ARPL ---- */

static void set_zf(struct cpu *cpu, bool on) {
    flags_materialize(cpu);
    cpu->rflags = on ? cpu->rflags | FLAG_ZF : cpu->rflags & ~(uint32_t)FLAG_ZF;
}

/* A descriptor that CPL and RPL may see. false: ZF = 0 is the answer */
static bool look(struct cpu *cpu, uint16_t sel, struct desc *d) {
    return !sel_is_null(sel) && desc_read(cpu, sel, d) && desc_visible(cpu, sel, desc_ar(d));
}

void body_verr(struct cpu *cpu, const struct insn *i) {
    struct desc d;
    bool ok = look(cpu, rm16_read(cpu, i), &d);
    uint32_t ar = ok ? desc_ar(&d) : 0;
    set_zf(cpu, ok && (ar & AR_S) && (!(ar & AR_CODE) || (ar & AR_RW)));
}

void body_verw(struct cpu *cpu, const struct insn *i) {
    struct desc d;
    bool ok = look(cpu, rm16_read(cpu, i), &d);
    set_zf(cpu, ok && (desc_ar(&d) & (AR_S | AR_CODE | AR_RW)) == (AR_S | AR_RW));
}

/* System descriptor types that LAR and LSL accept: SDM 2, tables "Segment and Gate Types" and "Segment and Gate
 * Descriptor Types" */
#define TYPE(t) (1u << (t))
static const uint32_t lar_types = TYPE(DESC_TSS16_AVAIL) | TYPE(DESC_LDT) | TYPE(DESC_TSS16_BUSY) | TYPE(DESC_CALL16) |
                                  TYPE(DESC_TASK_GATE) | TYPE(DESC_TSS_AVAIL) | TYPE(DESC_TSS_BUSY) | TYPE(DESC_CALL);
static const uint32_t lar_types_lma = TYPE(DESC_LDT) | TYPE(DESC_TSS_AVAIL) | TYPE(DESC_TSS_BUSY) | TYPE(DESC_CALL);
static const uint32_t lsl_types =
    TYPE(DESC_TSS16_AVAIL) | TYPE(DESC_LDT) | TYPE(DESC_TSS16_BUSY) | TYPE(DESC_TSS_AVAIL) | TYPE(DESC_TSS_BUSY);
static const uint32_t lsl_types_lma = TYPE(DESC_LDT) | TYPE(DESC_TSS_AVAIL) | TYPE(DESC_TSS_BUSY);

static bool type_in(uint32_t ar, uint32_t types) { return (ar & AR_S) || (types >> (ar & AR_TYPE) & 1); }

void body_lar(struct cpu *cpu, const struct insn *i) {
    struct desc d;
    bool ok = look(cpu, rm16_read(cpu, i), &d) && type_in(desc_ar(&d), cpu_is_lma(cpu) ? lar_types_lma : lar_types);
    if (ok) reg_write(cpu, i->reg, i->size, d.hi & (i->size == 1 ? 0xFF00u : 0x00FFFF00u));
    set_zf(cpu, ok);
}

void body_lsl(struct cpu *cpu, const struct insn *i) {
    struct desc d;
    bool ok = look(cpu, rm16_read(cpu, i), &d) && type_in(desc_ar(&d), cpu_is_lma(cpu) ? lsl_types_lma : lsl_types);
    if (ok) reg_write(cpu, i->reg, i->size, desc_limit(&d));
    set_zf(cpu, ok);
}

void body_arpl(struct cpu *cpu, const struct insn *i) {
    bool mem = i->flags & INSN_MEM;
    uint64_t la = mem ? ea_linear(cpu, i, 2, MEM_RMW) : 0;
    uint16_t dst = mem ? (uint16_t)mem_rmw_read_slow(cpu, i, la, 2) : *cpu_r16(cpu, i->reg);
    uint16_t src = *cpu_r16(cpu, mem ? i->reg : i->rm);
    bool raise = (dst & 3) < (src & 3);
    if (raise) {
        dst = (uint16_t)((dst & 0xFFFC) | (src & 3));
        if (mem)
            mem_write16(cpu, i, la, dst);
        else
            *cpu_r16(cpu, i->reg) = dst;
    }
    set_zf(cpu, raise);
}
