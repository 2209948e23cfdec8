/* Control-flow enforcement outside transfers: MSRs, #CP, and the tracker of indirect branches. */
#include "sim/core/cet.h"

#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"

void cet_fault(struct cpu *cpu, enum cp_error error) { cpu_raise_err(cpu, VEC_CP, error); }

/* ---- registers: SDM 4 "IA-32 Architectural MSRs" ---- */

uint64_t cet_control_bits(const struct cpu_model *model) {
    const uint64_t ibt = CET_ENDBR_EN | CET_LEG_IW_EN | CET_NO_TRACK_EN | CET_SUPPRESS_DIS | CET_SUPPRESS |
                         CET_TRACKER | CET_EB_LEG_BITMAP_BASE;
    return (model_has(model, FEAT_SHSTK) ? CET_SH_STK_EN | CET_WR_SHSTK_EN : 0) |
           (model_has(model, FEAT_IBT) ? ibt : 0);
}

bool cet_msr_valid(const struct cpu *cpu, uint32_t msr, uint64_t val) {
    const uint64_t both = CET_SUPPRESS | CET_TRACKER;
    if (msr == MSR_U_CET || msr == MSR_S_CET)
        return !(val & ~cet_control_bits(cpu->model)) && (val & both) != both &&
               is_canonical_max(cpu, val & CET_EB_LEG_BITMAP_BASE);
    return is_canonical_max(cpu, val) && (msr == MSR_INTERRUPT_SSP_TABLE_ADDR || !(val & 3));
}

/* ---- indirect-branch tracking: SDM 1 "Indirect Branch Tracking State Machine" ---- */

void cet_track(struct cpu *cpu, unsigned cpl) {
    uint64_t *control = cet_control(cpu, cpl);
    if (cet_ibt_at(cpu, cpl)) *control = (*control & ~(uint64_t)CET_SUPPRESS) | CET_TRACKER;
}

void cet_track_near(struct cpu *cpu, bool no_track) {
    uint64_t *control = cet_control(cpu, cpu->cpl);
    if (!(cpu->mode & MODE_IBT) || (*control & CET_SUPPRESS)) return;
    if (!no_track || !(*control & CET_NO_TRACK_EN)) *control |= CET_TRACKER;
}

void cet_end_branch(struct cpu *cpu) {
    if (cpu->mode & MODE_IBT) *cet_control(cpu, cpu->cpl) &= ~(uint64_t)(CET_SUPPRESS | CET_TRACKER);
}

/* SDM 1 "Legacy Compatibility Treatment": a bit for each page of linear addresses */
static bool in_legacy_page(struct cpu *cpu, uint64_t control) {
    uint64_t la = cpu->rip;
    unsigned width = cpu->ctl.cr4 & CR4_LA57 ? 57 : 48;
    if (cpu_is_64(cpu))
        la &= (1ull << width) - 1;
    else
        la = (uint32_t)(la + cpu->seg[SEG_CS].base);
    uint64_t at = (control & CET_EB_LEG_BITMAP_BASE) + (la >> 15);
    return mem_read8(cpu, NULL, cpu_is_lma(cpu) ? at : (uint32_t)at) >> (la >> 12 & 7) & 1;
}

void cet_check_target(struct cpu *cpu, const struct insn *first) {
    uint64_t *control = cet_control(cpu, cpu->cpl);
    if (first->id == (cpu_is_64(cpu) ? INSN_ENDBR64 : INSN_ENDBR32)) return;
    if (first->id == INSN_INT3 || first->id == INSN_INT1) return;
    if (!(*control & CET_LEG_IW_EN) || !in_legacy_page(cpu, *control)) cet_fault(cpu, CP_ENDBRANCH);
    *control &= ~(uint64_t)CET_TRACKER;
    if (!(*control & CET_SUPPRESS_DIS)) *control |= CET_SUPPRESS;
}
