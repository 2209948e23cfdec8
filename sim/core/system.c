/* The prologue of system instructions: what their row in decoder/insns.def says, in the order of the manuals. */
#include "sim/core/system.h"

#include "sim/arch/msr.h"
#include "sim/core/cet.h"
#include "sim/ops/sys.h"

const struct insn_row insn_rows[INSN_COUNT] = {
    [INSN_INVALID] = {.name = "INVALID"},
#define INSN(id, feat, attr, icp) [INSN_##id] = {#id, FEAT_##feat, attr, ICEPT_##icp},
#include "decoder/insns.def"
#undef INSN
};

static bool undefined_cr(const struct cpu *cpu, const struct insn *i, unsigned cr) {
    if (cr == 8) return !cpu_is_64(cpu) && !((i->flags & INSN_LOCK) && cpu_has(cpu, FEAT_CR8_LEGACY));
    return cr == 1 || cr > 4;
}

static bool undefined_dr(const struct cpu *cpu, unsigned dr) {
    return dr > 7 || ((dr == 4 || dr == 5) && (cpu->ctl.cr4 & CR4_DE));
}

uint32_t insn_cr4(enum insn_id id) {
    switch (id) {
    case INSN_RDFSBASE:
    case INSN_RDGSBASE:
    case INSN_WRFSBASE:
    case INSN_WRGSBASE:
        return CR4_FSGSBASE;
    case INSN_XGETBV:
    case INSN_XSETBV:
        return CR4_OSXSAVE;
    case INSN_RDPKRU:
    case INSN_WRPKRU:
        return CR4_PKE;
    case INSN_WRUSSD:
    case INSN_WRUSSQ:
        return CR4_CET;
    default:
        return 0;
    }
}

/* Instructions that an operand, a control-register bit or CPL makes undefined, though the feature is there */
static bool undefined_now(const struct cpu *cpu, const struct insn *i) {
    switch (i->id) {
    case INSN_MOV_TO_CR:
        return undefined_cr(cpu, i, i->reg);
    case INSN_MOV_FROM_CR:
        return undefined_cr(cpu, i, i->rm);
    case INSN_MOV_TO_DR:
        return undefined_dr(cpu, i->reg);
    case INSN_MOV_FROM_DR:
        return undefined_dr(cpu, i->rm);
    case INSN_MONITOR:
    case INSN_MWAIT: /* IA32_MISC_ENABLE bit 18, ENABLE MONITOR FSM */
        return cpu->cpl != 0 || (cpu->model->vendor == VENDOR_INTEL && !(cpu->msr.misc_enable & MISC_ENABLE_MONITOR));
    case INSN_STAC:
    case INSN_CLAC:
        return cpu->cpl != 0;
    case INSN_WRSSD:
    case INSN_WRSSQ:
        return !(cpu->mode & MODE_SHSTK) || !cet_enabled_at(cpu, cpu->cpl, CET_WR_SHSTK_EN);
    case INSN_INCSSPD:
    case INSN_INCSSPQ:
    case INSN_SAVEPREVSSP:
    case INSN_RSTORSSP:
        return !(cpu->mode & MODE_SHSTK);
    case INSN_SETSSBSY:
    case INSN_CLRSSBSY: /* whatever CPL is */
        return !cet_shstk_at(cpu, 0);
    default:
        return ~cpu->ctl.cr4 & insn_cr4((enum insn_id)i->id);
    }
}

const char *insn_wrong_mode(const struct insn_row *row, const struct cpu *cpu) {
    if ((row->attrs & A_PROT) && !cpu_is_prot(cpu)) return "it exists in protected mode only";
    if ((row->attrs & A_NO64) && cpu_is_64(cpu)) return "it does not exist in 64-bit mode";
    if ((row->attrs & A_ONLY64) && !cpu_is_64(cpu)) return "it exists in 64-bit mode only";
    return NULL;
}

/* #UD by mode and feature comes before everything else. SDM 2, "Exceptions" of each instruction */
static bool undefined(const struct cpu *cpu, const struct insn *i, const struct insn_row *row) {
    if ((row->attrs & (A_PROT | A_NO64 | A_ONLY64)) && insn_wrong_mode(row, cpu)) return true;
    return !cpu_has(cpu, (enum feature)row->feature) || undefined_now(cpu, i);
}

/* Questions that need an operand are the body's to ask. */
static bool asked_by_prologue(unsigned icept) { return icept != ICEPT_NONE && icept != ICEPT_IO; }

static void intercept(struct cpu *cpu, const struct insn *i, const struct insn_row *row, enum icept_stage stage) {
    if (!asked_by_prologue(row->icept)) return;
    uint64_t a = 0;
    if (row->icept == ICEPT_INTN) a = (uint8_t)i->imm;
    if (row->icept == ICEPT_MWAIT) a = cpu->intr.monitor_addr != ~0ull;
    cpu->virt.ops->intercept(cpu, stage, (enum intercept)row->icept, a, 0);
}

/* MOV DR asks before the #UD of DR4 and DR5 and before CPL. SDM 3, "Instructions That Cause VM Exits Conditionally":
 * its VM exits "represent an exception to the principles" of the relative priority. */
static void intercept_mov_dr(struct cpu *cpu, const struct insn *i) {
    if (i->id != INSN_MOV_TO_DR && i->id != INSN_MOV_FROM_DR) return;
    unsigned dr = i->id == INSN_MOV_TO_DR ? i->reg : i->rm;
    if (dr > 7) return;
    cpu->virt.ops->intercept(cpu, STAGE_BEFORE_EXC, i->id == INSN_MOV_TO_DR ? ICEPT_DR_WRITE : ICEPT_DR_READ, dr, 0);
}

/* SDM 3, "Relative Priority of Faults and VM Exits": #UD and faults by privilege come first, unless the instruction's
 * own row says otherwise; APM 2, "Instruction Intercepts", lists which intercepts precede the exceptions. */
static void prologue(struct cpu *cpu, const struct insn *i, const struct insn_row *row) {
    if (unlikely(cpu->virt.guest)) intercept_mov_dr(cpu, i);
    if (undefined(cpu, i, row)) cpu_ud(cpu);
    if (unlikely(cpu->virt.guest)) intercept(cpu, i, row, STAGE_BEFORE_EXC);
    if (cpu->cpl != 0) {
        if (row->attrs & A_CPL0) cpu_gp0(cpu);
        if ((row->attrs & A_UMIP) && (cpu->ctl.cr4 & CR4_UMIP)) cpu_gp0(cpu);
    }
    if (unlikely(cpu->virt.guest)) intercept(cpu, i, row, STAGE_AFTER_EXC);
}

void op_system(struct cpu *cpu, const struct insn *i) {
    const struct insn_row *row = &insn_rows[i->id];
    cpu->cur = i;
    cpu->rip = cpu_next_rip(cpu, i);
    prologue(cpu, i, row);
    sys_bodies[i->id](cpu, i);
    cpu->cur = NULL;
    if (row->attrs & A_END) return;
    NEXT(cpu, i);
}
