/* Descriptors: reading, checking, the accessed bit. SDM 3 "Segment Descriptors", "Segment Descriptor Tables in IA-32e
 * Mode". */
#include "sim/core/mem.h"
#include "sim/core/seg.h"

static uint64_t table_address(const struct cpu *cpu, uint64_t base, uint32_t offset) {
    uint64_t la = base + offset;
    return cpu_is_lma(cpu) ? la : (uint32_t)la;
}

/* Base and limit of the table that a selector names. false: there is no LDT */
static bool table_of(const struct cpu *cpu, uint16_t sel, uint64_t *base, uint32_t *limit) {
    if (!(sel & 4)) {
        *base = cpu->ctl.gdtr.base;
        *limit = cpu->ctl.gdtr.limit;
        return true;
    }
    const struct seg *ldt = &cpu->seg[SEG_LDTR];
    *base = ldt->base;
    *limit = ldt->limit;
    return !(ldt->ar & AR_UNUSABLE);
}

bool desc_read(struct cpu *cpu, uint16_t sel, struct desc *d) {
    uint64_t base;
    uint32_t limit;
    if (!table_of(cpu, sel, &base, &limit) || (sel | 7u) > limit) return false;
    d->la = table_address(cpu, base, sel & 0xFFF8u);
    uint64_t raw = mem_sys_read(cpu, d->la, 8);
    d->lo = (uint32_t)raw;
    d->hi = (uint32_t)(raw >> 32);
    d->upper = 0;
    return true;
}

void desc_fetch(struct cpu *cpu, uint16_t sel, struct desc *d, enum vector vec) {
    if (!desc_read(cpu, sel, d)) sel_fault(cpu, vec, sel);
}

void desc_fetch_upper(struct cpu *cpu, uint16_t sel, struct desc *d, enum vector vec) {
    uint64_t base;
    uint32_t limit;
    if (!table_of(cpu, sel, &base, &limit) || (sel | 7u) + 8 > limit) sel_fault(cpu, vec, sel);
    d->upper = mem_sys_read(cpu, table_address(cpu, base, (sel & 0xFFF8u) + 8), 8);
}

uint64_t desc_base64(const struct desc *d) { return desc_base(d) | (d->upper & 0xFFFFFFFF) << 32; }

void desc_set_accessed(struct cpu *cpu, struct desc *d) {
    if (!(d->hi & AR_S << 8) || (d->hi & AR_ACCESSED << 8)) return;
    d->hi |= AR_ACCESSED << 8;
    mem_sys_write(cpu, d->la + 5, 1, d->hi >> 8 & 0xFF);
}

bool desc_visible(const struct cpu *cpu, uint16_t sel, uint32_t ar) {
    if ((ar & (AR_S | AR_CODE | AR_CONFORM)) == (AR_S | AR_CODE | AR_CONFORM)) return true;
    return ar_dpl(ar) >= cpu->cpl && ar_dpl(ar) >= (sel & 3u);
}
