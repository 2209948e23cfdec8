/* Control registers: what may be written, and what a write does. SDM 2 "MOV-Move to/from Control Registers"; SDM 3
 * "Control Registers", "IA-32e Mode Initialization"; APM 2 "Control Registers". */
#include "sim/arch/msr.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"

#define CR0_DEFINED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

struct bit_row {
    uint32_t bits;
    uint8_t feature;
};

static const struct bit_row cr4_rows[] = {
    {CR4_VME | CR4_PVI, FEAT_VME     },
    {CR4_TSD,           FEAT_TSC     },
    {CR4_DE,            FEAT_DE      },
    {CR4_PSE,           FEAT_PSE     },
    {CR4_PAE,           FEAT_PAE     },
    {CR4_MCE,           FEAT_MCE     },
    {CR4_PGE,           FEAT_PGE     },
    {CR4_PCE,           FEAT_NONE    },
    {CR4_OSFXSR,        FEAT_FXSR    },
    {CR4_OSXMMEXCPT,    FEAT_SSE     },
    {CR4_UMIP,          FEAT_UMIP    },
    {CR4_LA57,          FEAT_LA57    },
    {CR4_VMXE,          FEAT_VMX     },
    {CR4_FSGSBASE,      FEAT_FSGSBASE},
    {CR4_PCIDE,         FEAT_PCID    },
    {CR4_OSXSAVE,       FEAT_XSAVE   },
    {CR4_SMEP,          FEAT_SMEP    },
    {CR4_SMAP,          FEAT_SMAP    },
    {CR4_PKE,           FEAT_PKU     },
    {CR4_PKS,           FEAT_PKS     },
    {CR4_CET,           FEAT_SHSTK   },
    {CR4_CET,           FEAT_IBT     },
};

static const struct bit_row efer_rows[] = {
    {EFER_SCE,            FEAT_SYSCALL  },
    {EFER_LME | EFER_LMA, FEAT_LM       },
    {EFER_NXE,            FEAT_NX       },
    {EFER_SVME,           FEAT_SVM      },
    {EFER_FFXSR,          FEAT_FFXSR    },
    {EFER_AIBRSE,         FEAT_AUTO_IBRS},
};

static uint64_t supported(const struct cpu_model *model, const struct bit_row *rows, unsigned count) {
    uint64_t bits = 0;
    for (unsigned k = 0; k < count; k++)
        if (model_has(model, (enum feature)rows[k].feature)) bits |= rows[k].bits;
    return bits;
}

uint64_t cr4_supported(const struct cpu_model *model) {
    return supported(model, cr4_rows, sizeof cr4_rows / sizeof cr4_rows[0]);
}
uint64_t efer_supported(const struct cpu *cpu) {
    uint64_t bits = supported(cpu->model, efer_rows, sizeof efer_rows / sizeof efer_rows[0]);
    return cpu->msr.misc_enable & MISC_ENABLE_XD_DISABLE ? bits & ~(uint64_t)EFER_NXE : bits;
}

static void ask_extension(struct cpu *cpu, unsigned cr, uint64_t val) {
    if (cpu->virt.ops && cpu->virt.ops->cr_valid && !cpu->virt.ops->cr_valid(cpu, cr, val)) cpu_gp0(cpu);
}

/* Paging with PDPTEs in registers */
static bool uses_pdptes(uint64_t cr0, uint64_t cr4, uint64_t efer) {
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

bool pdptes_load(struct cpu *cpu, uint64_t cr3) { return mem_load_pdptes(cpu, cr3); }

/* ---- CR0 ---- */

void cr0_set(struct cpu *cpu, uint64_t val) {
    cpu->ctl.cr0 = val | CR0_ET;
    cpu->ctl.efer &= ~(uint64_t)EFER_LMA;
    if ((val & CR0_PG) && (cpu->ctl.efer & EFER_LME)) cpu->ctl.efer |= EFER_LMA;
    cpu_update_mode(cpu);
}

/* SDM 3, "IA-32e Mode Initialization": what activating it asks; a 16-bit TSS has no place there. */
static void check_paging_on(struct cpu *cpu) {
    if (!(cpu->ctl.efer & EFER_LME)) return;
    unsigned tss = cpu->seg[SEG_TR].ar & AR_TYPE;
    if (!(cpu->ctl.cr4 & CR4_PAE) || (cpu->seg[SEG_CS].ar & AR_L)) cpu_gp0(cpu);
    if (tss == DESC_TSS16_BUSY || tss == DESC_TSS16_AVAIL) cpu_gp0(cpu);
}

static void check_paging_off(struct cpu *cpu) {
    if (cpu_is_64(cpu) || (cpu->ctl.cr4 & CR4_PCIDE)) cpu_gp0(cpu);
}

void cr0_write(struct cpu *cpu, uint64_t val) {
    uint64_t old = cpu->ctl.cr0, changed;
    if (val >> 32) cpu_gp0(cpu);
    val = (val & CR0_DEFINED) | CR0_ET;
    changed = val ^ old;
    if ((val & CR0_PG) && !(val & CR0_PE)) cpu_gp0(cpu);
    if ((val & CR0_NW) && !(val & CR0_CD)) cpu_gp0(cpu);
    if (!(val & CR0_WP) && (cpu->ctl.cr4 & CR4_CET)) cpu_gp0(cpu);
    if ((changed & val) & CR0_PG) check_paging_on(cpu);
    if ((changed & old) & CR0_PG) check_paging_off(cpu);
    ask_extension(cpu, 0, val);
    uint64_t efer = cpu->ctl.efer & EFER_LME ? EFER_LMA : 0;
    if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && uses_pdptes(val, cpu->ctl.cr4, efer) &&
        !pdptes_load(cpu, cpu->ctl.cr3))
        cpu_gp0(cpu);
    cr0_set(cpu, val);
    if (changed & (CR0_PG | CR0_PE | CR0_WP)) tlb_flush_current(cpu, true);
}

/* ---- CR3 ---- */

void cr3_write(struct cpu *cpu, uint64_t val) {
    bool lma = cpu->ctl.efer & EFER_LMA, keep = false;
    if (lma) {
        if (cpu->ctl.cr4 & CR4_PCIDE) {
            keep = val >> 63;
            val &= ~(1ull << 63);
        }
        if (val >> cpu->model->phys_bits) cpu_gp0(cpu);
    } else {
        val = (uint32_t)val;
    }
    ask_extension(cpu, 3, val);
    if (uses_pdptes(cpu->ctl.cr0, cpu->ctl.cr4, cpu->ctl.efer) && !pdptes_load(cpu, val)) cpu_gp0(cpu);
    cpu->ctl.cr3 = val;
    cpu_update_mode(cpu);
    if (!keep) tlb_flush_current(cpu, false);
}

/* ---- CR4 ---- */

static void check_cr4(struct cpu *cpu, uint64_t val) {
    uint64_t old = cpu->ctl.cr4, changed = val ^ old;
    bool lma = cpu->ctl.efer & EFER_LMA;
    if (val & ~cr4_supported(cpu->model)) cpu_gp0(cpu);
    if ((val & CR4_CET) && !(cpu->ctl.cr0 & CR0_WP)) cpu_gp0(cpu);
    if (lma && (!(val & CR4_PAE) || (changed & CR4_LA57))) cpu_gp0(cpu);
    if ((changed & val & CR4_PCIDE) && (!lma || (cpu->ctl.cr3 & 0xFFF))) cpu_gp0(cpu);
}

void cr4_write(struct cpu *cpu, uint64_t val) {
    uint64_t changed = val ^ cpu->ctl.cr4;
    check_cr4(cpu, val);
    ask_extension(cpu, 4, val);
    if (uses_pdptes(cpu->ctl.cr0, val, cpu->ctl.efer) && (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP))) {
        uint64_t old = cpu->ctl.cr4; /* PDPTEs are read as under the new value */
        cpu->ctl.cr4 = val;
        bool ok = pdptes_load(cpu, cpu->ctl.cr3);
        cpu->ctl.cr4 = old;
        if (!ok) cpu_gp0(cpu);
    }
    cpu->ctl.cr4 = val;
    cpu_update_mode(cpu);
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS))
        tlb_flush_current(cpu, true);
}

/* ---- EFER ---- */

/* LMA cannot be written: Intel ignores the bit, AMD wants it as it is (APM 2, "Extended Feature Enable Register
 * (EFER)"). */
bool efer_write(struct cpu *cpu, uint64_t val) {
    uint64_t old = cpu->ctl.efer;
    if (val & ~efer_supported(cpu)) return false;
    if (((val ^ old) & EFER_LME) && (cpu->ctl.cr0 & CR0_PG)) return false;
    if (((val ^ old) & EFER_LMA) && cpu->model->vendor == VENDOR_AMD) return false;
    cpu->ctl.efer = (val & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
    if (cpu->model->vendor == VENDOR_AMD) cpu->virt.operation = val & EFER_SVME;
    cpu_update_mode(cpu);
    if ((val ^ old) & EFER_NXE) tlb_flush_current(cpu, true);
    return true;
}
