/* System-management mode: SMI and RSM with the state-save area in memory.
 * SDM 3 "System Management Mode", table "SMRAM State Save Map for Intel 64 Architecture"; APM 2 "System-Management
 * Mode", table "AMD64 Architecture SMM State-Save Area". What Intel's map leaves reserved holds the hidden parts of the
 * segments (7C00H-7D0FH), as on silicon but at places of our own. */
#include <stddef.h>

#include "sim/core/fault.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"

struct field {
    uint16_t off; /* from SMBASE + 8000H */
    uint8_t bytes;
    uint32_t where; /* in struct cpu */
};
#define CPU(x) offsetof(struct cpu, x)
#define GPR(n) offsetof(struct cpu, gpr[n])

static const struct field intel_fields[] = {
    {0x7FF8, 8, CPU(ctl.cr0) },
    {0x7FF0, 8, CPU(ctl.cr3) },
    {0x7FE8, 4, CPU(rflags)  },
    {0x7FE0, 8, CPU(ctl.efer)},
    {0x7FD8, 8, CPU(rip)     },
    {0x7FD0, 8, CPU(dbg.dr6) },
    {0x7FC8, 8, CPU(dbg.dr7) },
    {0x7F94, 8, GPR(RDI)     },
    {0x7F8C, 8, GPR(RSI)     },
    {0x7F84, 8, GPR(RBP)     },
    {0x7F7C, 8, GPR(RSP)     },
    {0x7F74, 8, GPR(RBX)     },
    {0x7F6C, 8, GPR(RDX)     },
    {0x7F64, 8, GPR(RCX)     },
    {0x7F5C, 8, GPR(RAX)     },
    {0x7F54, 8, GPR(R8)      },
    {0x7F4C, 8, GPR(R9)      },
    {0x7F44, 8, GPR(R10)     },
    {0x7F3C, 8, GPR(R11)     },
    {0x7F34, 8, GPR(R12)     },
    {0x7F2C, 8, GPR(R13)     },
    {0x7F24, 8, GPR(R14)     },
    {0x7F1C, 8, GPR(R15)     },
    {0x7E40, 8, CPU(ctl.cr4) },
    {0x7EC8, 8, CPU(cet.ssp) },
};
static const struct field amd_fields[] = {
    {0x7ED0, 8, CPU(ctl.efer)},
    {0x7F48, 8, CPU(ctl.cr4) },
    {0x7F50, 8, CPU(ctl.cr3) },
    {0x7F58, 8, CPU(ctl.cr0) },
    {0x7F60, 8, CPU(dbg.dr7) },
    {0x7F68, 8, CPU(dbg.dr6) },
    {0x7F70, 4, CPU(rflags)  },
    {0x7F78, 8, CPU(rip)     },
    {0x7F80, 8, GPR(R15)     },
    {0x7F88, 8, GPR(R14)     },
    {0x7F90, 8, GPR(R13)     },
    {0x7F98, 8, GPR(R12)     },
    {0x7FA0, 8, GPR(R11)     },
    {0x7FA8, 8, GPR(R10)     },
    {0x7FB0, 8, GPR(R9)      },
    {0x7FB8, 8, GPR(R8)      },
    {0x7FC0, 8, GPR(RDI)     },
    {0x7FC8, 8, GPR(RSI)     },
    {0x7FD0, 8, GPR(RBP)     },
    {0x7FD8, 8, GPR(RSP)     },
    {0x7FE0, 8, GPR(RBX)     },
    {0x7FE8, 8, GPR(RDX)     },
    {0x7FF0, 8, GPR(RCX)     },
    {0x7FF8, 8, GPR(RAX)     },
    {0x7F18, 8, CPU(cet.ssp) },
};

/* Where the rest is. Segments in the order of enum seg_id. */
struct layout {
    const struct field *fields;
    unsigned field_count;
    uint16_t segment[SEG_COUNT]; /* Intel: the selector; AMD: the 16-byte group */
    uint16_t hidden;             /* Intel: base, limit, rights of all, 16 bytes each; 0: in the groups */
    uint16_t gdtr_limit, idtr_limit;
    uint16_t gdtr_base[2], idtr_base[2]; /* low and high dword */
    uint16_t revision, smbase, auto_halt;
    uint8_t auto_halt_bytes;
    uint32_t revision_id; /* bit 17: SMBASE relocation; no I/O restart */
};
static const struct layout layouts[] = {
    [VENDOR_INTEL] = {.fields = intel_fields,
                      .field_count = sizeof intel_fields / sizeof intel_fields[0],
                      .segment = {0x7FA8, 0x7FAC, 0x7FB0, 0x7FB4, 0x7FB8, 0x7FBC, 0x7FC0, 0x7FC4},
                      .hidden = 0x7C00,
                      .gdtr_limit = 0x7C80,
                      .idtr_limit = 0x7C84,
                      .gdtr_base = {0x7E8C, 0x7DD0},
                      .idtr_base = {0x7E94, 0x7DD8},
                      .revision = 0x7EFC,
                      .smbase = 0x7EF8,
                      .auto_halt = 0x7F02,
                      .auto_halt_bytes = 2,
                      .revision_id = 0x20100},
    [VENDOR_AMD] = {.fields = amd_fields,
                      .field_count = sizeof amd_fields / sizeof amd_fields[0],
                      .segment = {0x7E00, 0x7E10, 0x7E20, 0x7E30, 0x7E40, 0x7E50, 0x7E70, 0x7E90},
                      .gdtr_limit = 0x7E64,
                      .idtr_limit = 0x7E84,
                      .gdtr_base = {0x7E68, 0x7E6C},
                      .idtr_base = {0x7E88, 0x7E8C},
                      .revision = 0x7EFC,
                      .smbase = 0x7F00,
                      .auto_halt = 0x7EC9,
                      .auto_halt_bytes = 1,
                      .revision_id = 0x20064},
};

/* Firmware for simulated PCs knows AMD's map only, on processors of every vendor. */
static const struct layout *layout_of(const struct cpu *cpu) {
    return &layouts[cpu->machine->by_firmware ? VENDOR_AMD : cpu->model->vendor];
}

static uint64_t area(const struct cpu *cpu) { return cpu->msr.smbase + 0x8000; }
static void put(struct cpu *cpu, unsigned off, unsigned bytes, uint64_t val) {
    phys_write(cpu, area(cpu) + off, bytes, val);
}
static uint64_t get(struct cpu *cpu, unsigned off, unsigned bytes) { return phys_read(cpu, area(cpu) + off, bytes); }

/* AMD's packed attributes: descriptor bits 55:52 follow bits 47:40 */
static uint32_t pack_ar(uint32_t ar) { return ar & AR_UNUSABLE ? 0 : (ar & 0xFF) | (ar >> 4 & 0xF00); }
static uint32_t unpack_ar(uint32_t a) { return a & AR_P ? (a & 0xFF) | (a & 0xF00) << 4 : AR_UNUSABLE; }

/* ---- segments ---- */

static void save_segment(struct cpu *cpu, const struct layout *l, unsigned n) {
    const struct seg *s = &cpu->seg[n];
    unsigned at = l->segment[n];
    if (l->hidden) {
        unsigned hidden = l->hidden + 16 * n;
        put(cpu, at, 4, s->sel);
        put(cpu, hidden, 8, s->base);
        put(cpu, hidden + 8, 4, s->limit);
        put(cpu, hidden + 12, 4, s->ar);
    } else {
        put(cpu, at, 2, s->sel);
        put(cpu, at + 2, 2, pack_ar(s->ar));
        put(cpu, at + 4, 4, s->limit);
        put(cpu, at + 8, 8, s->base);
    }
}

static void load_segment(struct cpu *cpu, const struct layout *l, unsigned n) {
    struct seg *s = &cpu->seg[n];
    unsigned at = l->segment[n];
    s->sel = (uint16_t)get(cpu, at, 2);
    if (l->hidden) {
        unsigned hidden = l->hidden + 16 * n;
        s->base = get(cpu, hidden, 8);
        s->limit = (uint32_t)get(cpu, hidden + 8, 4);
        s->ar = (uint32_t)get(cpu, hidden + 12, 4) & (0xF0FF | AR_UNUSABLE);
    } else {
        s->ar = unpack_ar((uint32_t)get(cpu, at + 2, 2));
        s->limit = (uint32_t)get(cpu, at + 4, 4);
        s->base = get(cpu, at + 8, 8);
    }
}

static void save_table(struct cpu *cpu, const struct dtable *t, const uint16_t base[2], uint16_t limit) {
    put(cpu, base[0], 4, (uint32_t)t->base);
    put(cpu, base[1], 4, t->base >> 32);
    put(cpu, limit, 2, t->limit);
}

static void load_table(struct cpu *cpu, struct dtable *t, const uint16_t base[2], uint16_t limit) {
    t->base = get(cpu, base[0], 4) | get(cpu, base[1], 4) << 32;
    t->limit = (uint16_t)get(cpu, limit, 2);
}

/* ---- SMI ---- */

static void save_state(struct cpu *cpu, const struct layout *l) {
    flags_materialize(cpu);
    for (unsigned k = 0; k < l->field_count; k++) {
        const struct field *f = &l->fields[k];
        uint64_t val = 0;
        memcpy(&val, (const char *)cpu + f->where, f->bytes);
        put(cpu, f->off, f->bytes, val);
    }
    for (unsigned n = 0; n < SEG_COUNT; n++) save_segment(cpu, l, n);
    save_table(cpu, &cpu->ctl.gdtr, l->gdtr_base, l->gdtr_limit);
    save_table(cpu, &cpu->ctl.idtr, l->idtr_base, l->idtr_limit);
    put(cpu, l->revision, 4, l->revision_id);
    put(cpu, l->smbase, 4, cpu->msr.smbase);
    put(cpu, l->auto_halt, l->auto_halt_bytes, cpu->intr.activity == ACT_HLT);
}

/* SDM 3, table "Processor Register Initialization in SMM" */
static void handler_state(struct cpu *cpu) {
    for (unsigned n = 0; n <= SEG_GS; n++)
        cpu->seg[n] = (struct seg){.limit = ~0u, .ar = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_G};
    cpu->seg[SEG_CS].sel = (uint16_t)(cpu->msr.smbase >> 4);
    cpu->seg[SEG_CS].base = (uint32_t)cpu->msr.smbase;
    cpu->rip = 0x8000;
    cpu->rflags = FLAG_FIXED;
    cpu->cc.op = CC(CC_FLAGS, 0);
    cpu->cpl = 0;
    cpu->dbg.dr7 = DR7_FIXED;
    cpu->dbg.pending = 0;
    cpu->ctl.cr4 = 0;
    cpu->ctl.efer = 0;
    cr0_set(cpu, cpu->ctl.cr0 & ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG));
}

void smm_enter(struct cpu *cpu) {
    cpu->intr.smm = true; /* the state goes to memory as it is seen in SMM */
    memory_smm_changed(cpu);
    save_state(cpu, layout_of(cpu));
    cpu->smm_kept.nmi_blocked = cpu->intr.nmi_blocked;
    cpu->smm_kept.debug_pending = cpu->dbg.pending; /* an SMI outranks debug traps: they come after RSM */
    cpu->smm_kept.guest = cpu->virt.guest;
    cpu->smm_kept.operation = cpu->virt.operation;
    cpu->smm_kept.tag = cpu->virt.tag;
    cpu->smm_kept.special_page = cpu->virt.special_page;
    cpu->smm_kept.second_stage = cpu->virt.second_stage;
    cpu->virt.guest = cpu->virt.operation = false;
    cpu->virt.tag = 0;
    cpu->virt.special_page = ~0ull;
    cpu->virt.second_stage = (struct virt_second_stage){0};
    cpu->intr.nmi_blocked = true;
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = cpu->intr.rep_partial = false;
    cpu->intr.activity = ACT_ACTIVE;
    cpu->msr.smi_count++;
    handler_state(cpu);
}

/* ---- RSM ---- */

/* SDM 2, "RSM": reserved bits of CR4 and illegal combinations in CR0 lead to shutdown; so does IA-32e mode without PAE
 * (APM 2, "Leaving SMM") or with RFLAGS.VM, and process-context identifiers without IA-32e mode. */
static bool state_is_legal(const struct cpu *cpu) {
    uint64_t cr0 = cpu->ctl.cr0, cr4 = cpu->ctl.cr4;
    bool lma = (cr0 & CR0_PG) && (cpu->ctl.efer & EFER_LME);
    if (cr4 & ~cr4_supported(cpu->model)) return false;
    if (lma ? !(cr4 & CR4_PAE) || (cpu->rflags & FLAG_VM) : (cr4 & CR4_PCIDE) != 0) return false;
    if ((cr0 & CR0_PG) && !(cr0 & CR0_PE)) return false;
    if ((cpu->ctl.cr4 & CR4_CET) && !(cr0 & CR0_WP)) return false;
    return !(cr0 & CR0_NW) || (cr0 & CR0_CD);
}

static void load_state(struct cpu *cpu, const struct layout *l) {
    for (unsigned k = 0; k < l->field_count; k++) {
        const struct field *f = &l->fields[k];
        uint64_t val = get(cpu, f->off, f->bytes);
        memcpy((char *)cpu + f->where, &val, f->bytes);
    }
    for (unsigned n = 0; n < SEG_COUNT; n++) load_segment(cpu, l, n);
    load_table(cpu, &cpu->ctl.gdtr, l->gdtr_base, l->gdtr_limit);
    load_table(cpu, &cpu->ctl.idtr, l->idtr_base, l->idtr_limit);
    cpu->ctl.cr0 &= 0xFFFFFFFF;
    cpu->ctl.efer &= efer_supported(cpu);
    cpu->rflags = (cpu->rflags & FLAG_ALL) | FLAG_FIXED;
    cpu->cc.op = CC(CC_FLAGS, 0);
    cpu->dbg.dr6 &= 0xFFFFFFFF;
    cpu->dbg.dr7 = (cpu->dbg.dr7 & 0xFFFFFFFF) | DR7_FIXED;
}

void smm_leave(struct cpu *cpu) {
    const struct layout *l = layout_of(cpu);
    uint32_t smbase = (uint32_t)get(cpu, l->smbase, 4);
    bool halted = get(cpu, l->auto_halt, l->auto_halt_bytes) & 1;

    cpu_commit_insn(cpu);
    load_state(cpu, l);
    cpu->msr.smbase = smbase;
    cpu->intr.smm = false;
    memory_smm_changed(cpu);
    cpu->intr.nmi_blocked = cpu->smm_kept.nmi_blocked;
    cpu->virt.guest = cpu->smm_kept.guest;
    cpu->virt.operation = cpu->smm_kept.operation;
    cpu->virt.tag = cpu->smm_kept.tag;
    cpu->virt.special_page = cpu->smm_kept.special_page;
    cpu->virt.second_stage = cpu->smm_kept.second_stage;
    bool legal = state_is_legal(cpu);
    if (cpu->ctl.cr0 & CR0_PE)
        cpu->cpl = cpu->rflags & FLAG_VM ? 3 : (uint8_t)ar_dpl(cpu->seg[SEG_SS].ar);
    else
        cpu->cpl = 0;
    cr0_set(cpu, cpu->ctl.cr0);
    tlb_flush_current(cpu, true);
    if (!legal) {
        cpu_triple_fault(cpu);
        return;
    }
    bool pdptes = (cpu->ctl.cr0 & CR0_PG) && (cpu->ctl.cr4 & CR4_PAE) && !(cpu->ctl.efer & EFER_LMA);
    if (pdptes && !pdptes_load(cpu, cpu->ctl.cr3)) cpu_triple_fault(cpu);
    cpu->dbg.pending = cpu->smm_kept.debug_pending;
    if (cpu->dbg.pending) cpu->intr.attn |= ATTN_DEBUG;
    if (halted) cpu->intr.activity = ACT_HLT;
}
