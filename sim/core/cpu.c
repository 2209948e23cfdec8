/* Life of a processor, its clocks, and the derived state: execution mode and contexts. */
#include "sim/core/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "sim/core/cet.h"
#include "sim/core/fault.h"
#include "sim/core/flags.h"
#include "sim/core/system.h"
#include "sim/core/xsave.h"
#include "sim/machine/machine.h"

/* Cycles of this slice that have gone by: what was given, less what is left or set aside, less the instructions of the
 * running block that have been paid for but not begun. */
static uint64_t consumed(const struct cpu *cpu) {
    int64_t c = cpu->time.budget_start - (cpu->budget + cpu->time.stolen);
    if (cpu->cur) c -= cpu->cur->left;
    return (uint64_t)c;
}

uint64_t cpu_cycles(const struct cpu *cpu) { return cpu->time.cycles + consumed(cpu); }

uint64_t cpu_icount(const struct cpu *cpu) { return cpu->time.icount + consumed(cpu) - cpu->time.extra; }

void cpu_break(struct cpu *cpu) {
    if (cpu->budget <= 0) return;
    cpu->time.stolen += cpu->budget;
    cpu->budget = 0;
}

void cpu_attention(struct cpu *cpu, uint32_t bits) {
    cpu->intr.attn |= bits;
    cpu_break(cpu);
}

static unsigned mode_of(const struct cpu *cpu) {
    const struct seg *cs = &cpu->seg[SEG_CS];
    unsigned mode = 0;
    bool lma = cpu->ctl.efer & EFER_LMA;
    if (cpu->ctl.cr0 & CR0_PE) mode |= MODE_PROT;
    if (cpu->rflags & FLAG_VM) mode |= MODE_VM86;
    if (lma) mode |= MODE_LMA;
    if ((cpu->ctl.cr4 & CR4_CET) && (mode & (MODE_PROT | MODE_VM86)) == MODE_PROT) {
        if (cet_shstk_at(cpu, cpu->cpl)) mode |= MODE_SHSTK;
        if (cet_ibt_at(cpu, cpu->cpl)) mode |= MODE_IBT;
    }
    if (lma && (cs->ar & AR_L)) return mode | MODE_CODE64;
    if (cs->ar & AR_DB) mode |= MODE_CODE32;
    if (cpu->seg[SEG_SS].ar & AR_DB) mode |= MODE_STACK32;
    return mode;
}

/* What each group of instructions asks for, first what makes it #UD, then what makes it #NM: SDM 3 table "Action Taken
 * for Combinations of OSFXSR, OSXMMEXCPT, SSE, SSE2, SSE3, EM, MP, and TS", "x87 FPU Device-Not-Available"; SDM 2
 * "Exception Conditions of Intel AVX Instructions". */
static const struct gate_row {
    uint8_t gate;
    uint8_t nm_any;  /* #NM when one of these CR0 bits is 1 (all of them for FWAIT) */
    uint8_t ud_cr0;  /* #UD when one of these CR0 bits is 1 */
    uint32_t ud_cr4; /* #UD when one of these CR4 bits is 0 */
    uint8_t xcr0;    /* #UD when one of these XCR0 bits is 0 */
} gate_rows[] = {
    {GATE_X87,   CR0_EM | CR0_TS, 0,      0,           0   },
    {GATE_MMX,   CR0_TS,          CR0_EM, 0,           0   },
    {GATE_SSE,   CR0_TS,          CR0_EM, CR4_OSFXSR,  0   },
    {GATE_AVX,   CR0_TS,          0,      CR4_OSXSAVE, 0x06},
    {GATE_EVEX,  CR0_TS,          0,      CR4_OSXSAVE, 0xE6},
    {GATE_FXSR,  CR0_EM | CR0_TS, 0,      0,           0   },
    {GATE_XSAVE, CR0_TS,          0,      CR4_OSXSAVE, 0   },
};

/* Components that IA32_XFD disables and that the group touches: SDM 1 "Extended Feature Disable (XFD)" */
static uint64_t gate_disabled(const struct cpu *cpu, const struct gate_row *g) { return cpu->msr.xfd & g->xcr0; }

static bool gate_undefined(const struct cpu *cpu, const struct gate_row *g) {
    return (cpu->ctl.cr0 & g->ud_cr0) || (~cpu->ctl.cr4 & g->ud_cr4) || (~cpu->ctl.xcr0 & g->xcr0);
}

static void update_gates(struct cpu *cpu) {
    unsigned denied = (~cpu->ctl.cr0 & (CR0_MP | CR0_TS)) == 0 ? GATE_FWAIT : 0;
    for (unsigned k = 0; k < sizeof gate_rows / sizeof gate_rows[0]; k++)
        if ((cpu->ctl.cr0 & gate_rows[k].nm_any) || gate_undefined(cpu, &gate_rows[k]) ||
            gate_disabled(cpu, &gate_rows[k]))
            denied |= gate_rows[k].gate;
    cpu->denied = (uint8_t)denied;
}

void cpu_raise_denied(struct cpu *cpu, enum gate gate) {
    for (unsigned k = 0; k < sizeof gate_rows / sizeof gate_rows[0]; k++) {
        const struct gate_row *g = &gate_rows[k];
        if (g->gate != gate) continue;
        if (gate_undefined(cpu, g)) cpu_ud(cpu);
        if (!(cpu->ctl.cr0 & g->nm_any) && gate_disabled(cpu, g)) xsave_raise_xfd(cpu, gate_disabled(cpu, g));
    }
    cpu_raise(cpu, VEC_NM);
}

static const char *separator(bool *first) {
    const char *s = *first ? "" : ", ";
    *first = false;
    return s;
}
void cpu_explain_denied(const struct cpu *cpu, enum gate gate, FILE *out) {
    bool first = true;
    for (unsigned k = 0; k < sizeof gate_rows / sizeof gate_rows[0]; k++) {
        const struct gate_row *g = &gate_rows[k];
        const uint64_t xcr0 = g->xcr0 & ~cpu->ctl.xcr0;
        if (g->gate != gate) continue;
        if (cpu->ctl.cr0 & g->ud_cr0) fprintf(out, "%sCR0.EM is 1", separator(&first));
        if (~cpu->ctl.cr4 & g->ud_cr4 & CR4_OSFXSR) fprintf(out, "%sCR4.OSFXSR is 0", separator(&first));
        if (~cpu->ctl.cr4 & g->ud_cr4 & CR4_OSXSAVE) fprintf(out, "%sCR4.OSXSAVE is 0", separator(&first));
        if (xcr0) fprintf(out, "%sXCR0 lacks 0x%02llx", separator(&first), (unsigned long long)xcr0);
    }
}

void cpu_update_mode(struct cpu *cpu) {
    const uint64_t gates = (cpu->ctl.cr0 & (CR0_EM | CR0_MP | CR0_TS)) | (cpu->ctl.cr4 & (CR4_OSFXSR | CR4_OSXSAVE)) |
                           (cpu->ctl.xcr0 & 0xFF) << 32 | (cpu->msr.xfd & 0xFF) << 40;
    if (gates != cpu->gates_of) {
        cpu->gates_of = gates;
        update_gates(cpu);
    }
    cpu->mode = (uint8_t)mode_of(cpu);
    cpu->cs_mask = cpu_is_64(cpu) ? 0 : ~0ull;
    tlb_select(cpu);
}

void flags_load(struct cpu *cpu, uint32_t value) {
    uint32_t old = cpu->rflags;
    cpu->rflags = (value & FLAG_ALL) | FLAG_FIXED;
    cpu->cc.op = CC(CC_FLAGS, 0);
    if ((old ^ cpu->rflags) & (FLAG_VM | FLAG_AC)) cpu_update_mode(cpu);
}

struct cpu *cpu_create(struct machine *m, const struct cpu_model *model, unsigned id) {
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);
    if (!cpu) return NULL;
    memset(cpu, 0, sizeof *cpu);
    cpu->machine = m;
    cpu->model = model;
    cpu->id = id;
    cpu->apic_id = id * m->apic_id_step;
    cpu->gates_of = ~0ull;
    cpu->virt.special_page = ~0ull;
    cpu->rng[0] = 0x9E3779B97F4A7C15ull + id;
    cpu->rng[1] = 0xD1B54A32D192ED03ull ^ id;
    if (model_has(model, FEAT_VMX)) cpu->virt.ops = &vmx_virt_ops;
    if (model_has(model, FEAT_SVM)) cpu->virt.ops = &svm_virt_ops;
    cpu->lapic = lapic_create(cpu);
    if (!cpu->lapic || (cpu->virt.ops && !cpu->virt.ops->create(cpu))) {
        cpu_destroy(cpu);
        return NULL;
    }
    tlb_flush_all(cpu);
    cpu_reset(cpu, false);
    return cpu;
}

void cpu_destroy(struct cpu *cpu) {
    if (!cpu) return;
    if (cpu->virt.ops && cpu->virt.state) cpu->virt.ops->destroy(cpu);
    if (cpu->lapic) lapic_destroy(cpu->lapic);
    free(cpu);
}

/* SDM 3, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT" */
static void reset_segments(struct cpu *cpu) {
    for (unsigned s = 0; s < SEG_COUNT; s++)
        cpu->seg[s] = (struct seg){.limit = 0xFFFF, .ar = AR_P | AR_S | AR_RW | AR_ACCESSED};
    cpu->seg[SEG_CS] = (struct seg){
        .sel = 0xF000, .base = 0xFFFF0000, .limit = 0xFFFF, .ar = AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED};
    cpu->seg[SEG_LDTR].ar = AR_P | DESC_LDT;
    cpu->seg[SEG_TR].ar = AR_P | DESC_TSS_BUSY;
    cpu->ctl.gdtr = cpu->ctl.idtr = (struct dtable){0, 0xFFFF};
}

void cpu_reset(struct cpu *cpu, bool init) {
    uint64_t keep = init ? cpu->ctl.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;
    uint64_t xcr0 = init ? cpu->ctl.xcr0 : 1;
    memset(cpu->gpr, 0, sizeof cpu->gpr);
    *cpu_r64(cpu, REG_4GIB) = 1ull << 32;
    cpu->gpr[RDX] = (uint32_t)(cpu->model->stepping | (cpu->model->model & 15) << 4 |
                               (cpu->model->family > 15 ? 15 : cpu->model->family) << 8 | cpu->model->model >> 4 << 16 |
                               (cpu->model->family > 15 ? cpu->model->family - 15 : 0) << 20);
    cpu->rflags = FLAG_FIXED;
    cpu->cc.op = CC(CC_FLAGS, 0);
    cpu->rip = 0xFFF0;
    cpu->cpl = 0;
    cpu->ctl = (struct ctl_regs){.cr0 = CR0_ET | keep, .xcr0 = xcr0};
    cpu->dbg = (struct dbg_regs){.dr6 = DR6_INIT, .dr7 = DR7_FIXED};
    if (!init) fp_reset(cpu);
    cpu->cet.ssp = 0;
    cpu->xsave.valid = false;
    reset_segments(cpu);
    cpu->virt.guest = cpu->virt.operation = false;
    cpu->virt.tag = 0;
    cpu->virt.second_stage = (struct virt_second_stage){0};
    cpu->virt.special_page = ~0ull;
    uint32_t keep_attn = cpu->intr.attn & ATTN_STOP;
    cpu->intr = (struct intr_state){.attn = keep_attn, .gif = true, .monitor_addr = ~0ull};
    if (cpu->id != 0) cpu->intr.activity = ACT_WAIT_SIPI;
    cpu->delivering.valid = false;
    if (!init) cpu->time.tsc_offset = 0ull - cpu_cycles(cpu);
    msr_reset(cpu, init);
    lapic_reset(cpu->lapic, init);
    if (cpu->virt.ops) cpu->virt.ops->reset(cpu, init);
    tlb_flush_all(cpu);
    cpu_update_mode(cpu);
}
