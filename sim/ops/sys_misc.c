/* Caches and TLBs, FS and GS bases, RSM. SDM 2. */
#include "sim/ops/sys.h"

/* INVD, WBINVD, WBNOINVD: caches are not modelled, memory is always coherent. The row asked the intercept. */
void body_cache(struct cpu *cpu, const struct insn *i) {
    (void)cpu;
    (void)i;
}

/* The linear address of an operand that is not accessed: no limit, type or canonical check. */
static uint64_t address_only(const struct cpu *cpu, const struct insn *i) {
    if (i->flags & INSN_FLAT) return ea_flat(cpu, i);
    uint64_t off = ea_offset(cpu, i);
    if (cpu_is_64(cpu)) return i->seg >= SEG_FS ? off + cpu->seg[i->seg].base : off;
    return (uint32_t)(off + cpu->seg[i->seg].base);
}

void body_invlpg(struct cpu *cpu, const struct insn *i) {
    uint64_t la = address_only(cpu, i);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_INVLPG, la, 0);
    if (is_canonical(cpu, la)) tlb_flush_page(cpu, la);
}

enum invpcid_type { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL_GLOBAL, INVPCID_ALL };

void body_invpcid(struct cpu *cpu, const struct insn *i) {
    uint64_t type = cpu_is_64(cpu) ? *cpu_r64(cpu, i->reg) : *cpu_r32(cpu, i->reg);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_INVPCID, address_only(cpu, i), type);
    uint64_t la = ea_linear(cpu, i, 16, MEM_READ);
    uint64_t pcid = mem_read64(cpu, i, la);
    uint64_t address = mem_read64(cpu, i, la_after(cpu, la, 8));
    if (type > INVPCID_ALL || pcid >> 12) cpu_gp0(cpu);
    if (type <= INVPCID_CONTEXT && pcid != 0 && !(cpu->ctl.cr4 & CR4_PCIDE)) cpu_gp0(cpu);
    if (type == INVPCID_ADDRESS && !is_canonical_max(cpu, address)) cpu_gp0(cpu);
    if (type == INVPCID_ADDRESS)
        tlb_flush_page_tag(cpu, cpu->virt.guest, cpu->virt.tag, (int)pcid, address);
    else
        tlb_flush_tag(cpu, cpu->virt.guest, cpu->virt.tag, type == INVPCID_CONTEXT ? (int)pcid : -1);
}

/* ---- FS and GS ---- */

void body_swapgs(struct cpu *cpu, const struct insn *i) {
    (void)i;
    uint64_t gs = cpu->seg[SEG_GS].base;
    cpu->seg[SEG_GS].base = cpu->msr.kernel_gs_base;
    cpu->msr.kernel_gs_base = gs;
}

static void read_base(struct cpu *cpu, const struct insn *i, enum seg_id seg) {
    reg_write(cpu, i->reg, i->size, cpu->seg[seg].base);
}

static void write_base(struct cpu *cpu, const struct insn *i, enum seg_id seg) {
    uint64_t base = i->size == 3 ? *cpu_r64(cpu, i->reg) : *cpu_r32(cpu, i->reg);
    if (!is_canonical(cpu, base)) cpu_gp0(cpu);
    cpu->seg[seg].base = base;
}

void body_rdfsbase(struct cpu *cpu, const struct insn *i) { read_base(cpu, i, SEG_FS); }
void body_rdgsbase(struct cpu *cpu, const struct insn *i) { read_base(cpu, i, SEG_GS); }
void body_wrfsbase(struct cpu *cpu, const struct insn *i) { write_base(cpu, i, SEG_FS); }
void body_wrgsbase(struct cpu *cpu, const struct insn *i) { write_base(cpu, i, SEG_GS); }

/* ---- RSM ---- */

void body_rsm(struct cpu *cpu, const struct insn *i) {
    (void)i;
    if (!cpu->intr.smm) cpu_ud(cpu);
    smm_leave(cpu);
}
