/* Model-specific registers as a table. SDM 4 "Model-Specific Registers"; APM 2 "MSR Cross-Reference". */
#include <stddef.h>

#include "sim/arch/msr.h"
#include "sim/core/cet.h"
#include "sim/core/mce.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"
#include "sim/core/trace.h"
#include "sim/core/xsave.h"
#include "sim/machine/machine.h"

enum who { INTEL = 1 << VENDOR_INTEL, AMD = 1 << VENDOR_AMD, BOTH = INTEL | AMD };
enum write_rule {
    READ_ONLY, /* #GP(0) */
    STRICT,    /* #GP(0) when a bit outside `writable` is set */
    LENIENT,   /* bits outside `writable` keep their value */
    CANONICAL, /* #GP(0) unless the value is a canonical address */
    WRITE_ONLY /* reads are #GP(0), writes do nothing */
};

struct msr_row {
    uint32_t first;
    uint16_t count;
    uint8_t who, feature, rule;
    uint32_t store; /* offset in struct cpu of the first one's 64 bits; 0: constant `reset` */
    uint64_t writable, reset;
    bool (*read)(struct cpu *cpu, uint32_t msr, uint64_t *val);
    bool (*write)(struct cpu *cpu, uint32_t msr, uint64_t val);
};

#define ALL                  (~0ull)
#define LOW32                0xFFFFFFFFull
#define MISC_ENABLE_WRITABLE (0xC50009 | MISC_ENABLE_XD_DISABLE)
#define IN(field)            offsetof(struct cpu, field)

/* ---- those that do more than keep a value ---- */

static uint64_t host_tsc(const struct cpu *cpu) { return cpu_cycles(cpu) + cpu->time.tsc_offset; }

uint64_t cpu_tsc(struct cpu *cpu) {
    uint64_t tsc = host_tsc(cpu);
    return cpu->virt.guest && cpu->virt.ops->tsc ? cpu->virt.ops->tsc(cpu, tsc) : tsc;
}

static bool tsc_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    (void)msr;
    *val = cpu_tsc(cpu);
    return true;
}

/* SDM 3, "Time-Stamp Counter Adjustment": what WRMSR to the TSC adds or takes away shows in TSC_ADJUST */
static bool tsc_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    uint64_t delta = val - host_tsc(cpu);
    cpu->time.tsc_offset += delta;
    cpu->msr.tsc_adjust += delta;
    lapic_tsc_changed(cpu);
    return true;
}

static bool tsc_adjust_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    cpu->time.tsc_offset += val - cpu->msr.tsc_adjust;
    cpu->msr.tsc_adjust = val;
    lapic_tsc_changed(cpu);
    return true;
}

static bool apic_base_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    return lapic_set_base(cpu, val);
}

/* SDM 3, "Enabling and Entering VMX Operation": locked until reset once bit 0 is set */
static bool feature_control_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    uint64_t allowed = 1 | (cpu_has(cpu, FEAT_VMX) ? 4 : 0);
    if ((cpu->msr.feature_control & 1) || (val & ~allowed)) return false;
    cpu->msr.feature_control = val;
    return true;
}

/* SDM 3, "Microcode Update Signature Register": CPUID function 1 puts the revision there */
static bool bios_sign_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if (cpu->model->vendor == VENDOR_INTEL) cpu->msr.microcode = val;
    return true;
}

/* SDM 4, IA32_SPEC_CTRL, and APM 2, "Speculation Control MSRs": bits exist by feature; STIBP is ignored where only IBRS
 * is. Without any the MSR doesn't exist. */
static uint64_t spec_ctrl_bits(const struct cpu *cpu) {
    bool intel = cpu->model->vendor == VENDOR_INTEL;
    uint64_t bits = 0;
    if (cpu_has(cpu, intel ? FEAT_SPEC_CTRL : FEAT_AMD_IBRS)) bits |= SPEC_CTRL_IBRS;
    if (cpu_has(cpu, intel ? FEAT_STIBP : FEAT_AMD_STIBP)) bits |= SPEC_CTRL_STIBP;
    if (cpu_has(cpu, intel ? FEAT_SSBD : FEAT_AMD_SSBD)) bits |= SPEC_CTRL_SSBD;
    if (!intel && cpu_has(cpu, FEAT_AMD_PSFD)) bits |= SPEC_CTRL_PSFD;
    return bits;
}
static bool spec_ctrl_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    (void)msr;
    *val = cpu->msr.spec_ctrl;
    return spec_ctrl_bits(cpu) != 0;
}
static bool spec_ctrl_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    uint64_t bits = spec_ctrl_bits(cpu), ignored = cpu_has(cpu, FEAT_SPEC_CTRL) ? SPEC_CTRL_STIBP : 0;
    if (!bits || (val & ~(bits | ignored))) return false;
    cpu->msr.spec_ctrl = val & bits;
    return true;
}
/* IBPB: there is nothing to forget */
static bool pred_cmd_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    uint64_t commands = PRED_CMD_IBPB | (cpu_has(cpu, FEAT_SBPB) ? PRED_CMD_SBPB : 0);
    return cpu_has(cpu, cpu->model->vendor == VENDOR_INTEL ? FEAT_SPEC_CTRL : FEAT_AMD_IBPB) && !(val & ~commands);
}
static bool flush_cmd_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)cpu;
    (void)msr;
    return !(val & ~1ull);
}
static bool arch_capabilities_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    (void)msr;
    *val = cpu->model->arch_capabilities;
    return true;
}

/* P-state 0 is the only one: 1000 MHz, as 200 * CpuFid / CpuDfsId since family 17h, 100 * (CpuFid + 16) >> CpuDid
 * before. Processor Programming References and BIOS and Kernel Developer's Guides, "P-state [7:0]" */
static bool pstate_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    const uint64_t enabled = 1ull << 63, since_17h = 8u << 8 | 40, before = 1u << 6 | 4;
    *val = msr != MSR_PSTATE_0 ? 0 : enabled | (cpu->model->family >= 0x17 ? since_17h : before);
    return true;
}

static bool efer_msr_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    return efer_write(cpu, val);
}

static bool seg_base_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    *val = cpu->seg[msr == MSR_FS_BASE ? SEG_FS : SEG_GS].base;
    return true;
}
static bool seg_base_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if (!is_canonical_max(cpu, val)) return false;
    cpu->seg[msr == MSR_FS_BASE ? SEG_FS : SEG_GS].base = val;
    return true;
}

static bool memory_type_ok(uint64_t type, bool uc_minus) {
    return type == 0 || type == 1 || (type >= 4 && type <= 6) || (uc_minus && type == 7);
}

static bool pat_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    for (unsigned k = 0; k < 64; k += 8)
        if (!memory_type_ok(val >> k & 0xFF, true)) return false;
    cpu->msr.pat = val;
    return true;
}

/* SDM 3, "IA32_MTRR_DEF_TYPE MSR" and "Variable Range MTRRs" */
static bool mtrr_def_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if ((val & ~0xCFFull) || !memory_type_ok(val & 0xFF, false)) return false;
    cpu->msr.mtrr_def_type = val;
    return true;
}

static bool mtrr_fixed_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    for (unsigned k = 0; k < 64; k += 8)
        if (!memory_type_ok(val >> k & 0xFF, false)) return false;
    unsigned n = msr == MSR_MTRR_FIX64K_00000 ? 0 : msr < MSR_MTRR_FIX4K_C0000 ? 1 + (msr & 1) : 3 + (msr & 7);
    cpu->msr.mtrr_fixed[n] = val;
    return true;
}

static bool mtrr_range_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    unsigned n = (msr - MSR_MTRR_PHYSBASE0) / 2;
    *val = msr & 1 ? cpu->msr.mtrr_mask[n] : cpu->msr.mtrr_base[n];
    return true;
}
static bool mtrr_range_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    unsigned n = (msr - MSR_MTRR_PHYSBASE0) / 2;
    uint64_t address = ((1ull << cpu->model->phys_bits) - 1) & PAGE_MASK;
    if (msr & 1) {
        if (val & ~(address | 0x800)) return false;
        cpu->msr.mtrr_mask[n] = val;
    } else {
        if ((val & ~(address | 0xFF)) || !memory_type_ok(val & 0xFF, false)) return false;
        cpu->msr.mtrr_base[n] = val;
    }
    return true;
}

static bool tsc_deadline_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    (void)msr;
    *val = lapic_get_deadline(cpu);
    return true;
}
static bool tsc_deadline_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    lapic_set_deadline(cpu, val);
    return true;
}

static bool pkrs_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    (void)msr;
    *val = cpu->ctl.pkrs;
    return true;
}
static bool pkrs_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if (val >> 32) return false;
    cpu->ctl.pkrs = (uint32_t)val;
    cpu_update_mode(cpu);
    return true;
}

/* SDM 1 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features", "Extended Feature Disable (XFD)" */
static bool xss_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if (val & ~xss_supported(cpu->model)) return false;
    cpu->msr.xss = val;
    return true;
}
static bool xfd_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if (val & ~xfd_supported(cpu->model)) return false;
    *(msr == MSR_XFD ? &cpu->msr.xfd : &cpu->msr.xfd_err) = val;
    cpu_update_mode(cpu);
    return true;
}

/* IA32_U_CET and IA32_S_CET exist with either feature: SDM 4 */
static bool cet_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    if (!cpu_has(cpu, FEAT_SHSTK) && !cpu_has(cpu, FEAT_IBT)) return false;
    *val = *cet_control(cpu, msr == MSR_U_CET ? 3 : 0);
    return true;
}
static bool cet_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if ((!cpu_has(cpu, FEAT_SHSTK) && !cpu_has(cpu, FEAT_IBT)) || !cet_msr_valid(cpu, msr, val)) return false;
    *cet_control(cpu, msr == MSR_U_CET ? 3 : 0) = val;
    cpu_update_mode(cpu);
    return true;
}
static bool pl_ssp_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if (!cet_msr_valid(cpu, msr, val)) return false;
    cpu->cet.pl_ssp[msr - MSR_PL0_SSP] = val;
    return true;
}

static bool x2apic_read(struct cpu *cpu, uint32_t msr, uint64_t *val) { return lapic_msr_read(cpu, msr, val); }
static bool x2apic_write(struct cpu *cpu, uint32_t msr, uint64_t val) { return lapic_msr_write(cpu, msr, val); }

static bool tsc_aux_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if (val >> 32) return false;
    cpu->msr.tsc_aux = val;
    return true;
}

static bool hwcr_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if (cpu->msr.hwcr & HWCR_SMMLOCK) val |= HWCR_SMMLOCK; /* locked until reset */
    cpu->msr.hwcr = val;
    return true;
}

static bool smm_base_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    (void)msr;
    if ((cpu->msr.hwcr & HWCR_SMMLOCK) || val >> 32) return false;
    cpu->msr.smbase = val;
    return true;
}

/* ---- the table: first numbers ascending, and last ones too ---- */

#define RATIO       10ull /* of the 100 MHz bus clock: CYCLES_PER_SEC */
#define AMD_MASKS   7u
#define AMD_SLOT(n) IN(msr.amd_scratch[n])

/* clang-format off */
static const struct msr_row rows[] = {
    {MSR_P5_MC_ADDR, 2, INTEL, FEAT_MCE, LENIENT, 0, 0, 0, 0, 0},
    {MSR_TSC, 1, BOTH, FEAT_TSC, STRICT, 0, ALL, 0, tsc_read, tsc_write},
    {MSR_PLATFORM_ID, 1, INTEL, FEAT_NONE, READ_ONLY, 0, 0, 0, 0, 0},
    {MSR_APIC_BASE, 1, BOTH, FEAT_APIC, STRICT, IN(msr.apic_base), ALL, 0xFEE00000 | APIC_BASE_EN, 0, apic_base_write},
    {MSR_SMI_COUNT, 1, INTEL, FEAT_NONE, READ_ONLY, IN(msr.smi_count), 0, 0, 0, 0},
    {MSR_FEATURE_CONTROL, 1, INTEL, FEAT_VMX, STRICT, IN(msr.feature_control), ALL, 0, 0, feature_control_write},
    {MSR_TSC_ADJUST, 1, BOTH, FEAT_TSC_ADJUST, STRICT, IN(msr.tsc_adjust), ALL, 0, 0, tsc_adjust_write},
    {MSR_SPEC_CTRL, 1, BOTH, FEAT_NONE, STRICT, IN(msr.spec_ctrl), ALL, 0, spec_ctrl_read, spec_ctrl_write},
    {MSR_PRED_CMD, 1, BOTH, FEAT_NONE, WRITE_ONLY, 0, 0, 0, 0, pred_cmd_write},
    {MSR_BIOS_UPDT_TRIG, 1, INTEL, FEAT_NONE, WRITE_ONLY, 0, 0, 0, 0, 0},
    {MSR_BIOS_SIGN_ID, 1, BOTH, FEAT_NONE, LENIENT, IN(msr.microcode), ALL, 0, 0, bios_sign_write},
    {MSR_PLATFORM_INFO, 1, INTEL, FEAT_NONE, LENIENT, IN(msr.platform_info), 0, RATIO << 8 | RATIO << 40, 0, 0},
    {MSR_PKG_CST_CONFIG, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, 1u << 15, 0, 0}, /* CFG lock: no C-states */
    {MSR_MTRRCAP, 1, BOTH, FEAT_MTRR, READ_ONLY, 0, 0, 0x500 | MTRR_VARIABLE, 0, 0},
    {MSR_ARCH_CAPABILITIES, 1, INTEL, FEAT_ARCH_CAPABILITIES, READ_ONLY, 0, 0, 0, arch_capabilities_read, 0},
    {MSR_FLUSH_CMD, 1, INTEL, FEAT_FLUSH_L1D, WRITE_ONLY, 0, 0, 0, 0, flush_cmd_write},
    {MSR_SYSENTER_CS, 1, BOTH, FEAT_SEP, LENIENT, IN(msr.sysenter_cs), LOW32, 0, 0, 0},
    {MSR_SYSENTER_ESP, 1, BOTH, FEAT_SEP, CANONICAL, IN(msr.sysenter_esp), ALL, 0, 0, 0},
    {MSR_SYSENTER_EIP, 1, BOTH, FEAT_SEP, CANONICAL, IN(msr.sysenter_eip), ALL, 0, 0, 0},
    {MSR_MCG_CAP, 1, BOTH, FEAT_MCA, READ_ONLY, 0, 0, 0, mce_cap_read, 0},
    {MSR_MCG_STATUS, 1, BOTH, FEAT_MCA, STRICT, IN(msr.mcg_status), 7, 0, 0, 0},
    {MSR_MCG_CTL, 1, AMD, FEAT_MCA, STRICT, IN(msr.mcg_ctl), ALL, 0, 0, 0},
    {MSR_PERF_STATUS, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, RATIO << 8, 0, 0},
    {MSR_PERF_CTL, 1, INTEL, FEAT_NONE, LENIENT, IN(msr.perf_ctl), 0xFFFF | 1ull << 32, RATIO << 8, 0, 0},
    {MSR_CLOCK_MODULATION, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, 0, 0, 0},
    {MSR_THERM_INTERRUPT, 1, INTEL, FEAT_NONE, LENIENT, IN(msr.therm_interrupt), 0x1FFFF1F, 0, 0, 0},
    {MSR_THERM_STATUS, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, 0, 0, 0},
    {MSR_MISC_ENABLE, 1, INTEL, FEAT_NONE, LENIENT, IN(msr.misc_enable), MISC_ENABLE_WRITABLE, 0x41801, 0, 0},
    {MSR_TEMPERATURE_TARGET, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, 100u << 16, 0, 0},
    {MSR_TURBO_RATIO_LIMIT, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, RATIO, 0, 0},
    {MSR_ENERGY_PERF_BIAS, 1, INTEL, FEAT_NONE, LENIENT, IN(msr.energy_bias), 0xF, 6, 0, 0},
    {MSR_XFD, 2, BOTH, FEAT_XFD, STRICT, IN(msr.xfd), ALL, 0, 0, xfd_write},
    {MSR_DEBUGCTL, 1, INTEL, FEAT_NONE, STRICT, IN(dbg.debugctl), DEBUGCTL_LBR | DEBUGCTL_BTF, 0, 0, 0},
    {MSR_DEBUGCTL, 1, AMD, FEAT_NONE, STRICT, IN(dbg.debugctl), 0x3F, 0, 0, 0},
    {MSR_LAST_BRANCH_FROM, 4, BOTH, FEAT_NONE, READ_ONLY, IN(dbg.last_branch_from), 0, 0, 0, 0},
    {MSR_POWER_CTL, 1, INTEL, FEAT_NONE, LENIENT, 0, 0, 0, 0, 0}, /* no C-states */
    {MSR_MTRR_PHYSBASE0, 2 * MTRR_VARIABLE, BOTH, FEAT_MTRR, STRICT, 0, ALL, 0, mtrr_range_read, mtrr_range_write},
    {MSR_MTRR_FIX64K_00000, 1, BOTH, FEAT_MTRR, STRICT, IN(msr.mtrr_fixed[0]), ALL, 0, 0, mtrr_fixed_write},
    {MSR_MTRR_FIX16K_80000, 2, BOTH, FEAT_MTRR, STRICT, IN(msr.mtrr_fixed[1]), ALL, 0, 0, mtrr_fixed_write},
    {MSR_MTRR_FIX4K_C0000, 8, BOTH, FEAT_MTRR, STRICT, IN(msr.mtrr_fixed[3]), ALL, 0, 0, mtrr_fixed_write},
    {MSR_PAT, 1, BOTH, FEAT_PAT, STRICT, IN(msr.pat), ALL, 0x0007040600070406, 0, pat_write},
    {MSR_MC0_CTL2, MAX_MC_BANKS, INTEL, FEAT_MCA, STRICT, IN(msr.mc_ctl2), ALL, 0, mce_ctl2_read, mce_ctl2_write},
    {MSR_MTRR_DEF_TYPE, 1, BOTH, FEAT_MTRR, STRICT, IN(msr.mtrr_def_type), ALL, 0, 0, mtrr_def_write},
    {MSR_MC0_CTL, 4 * MAX_MC_BANKS, BOTH, FEAT_MCA, STRICT, IN(msr.mc), ALL, 0, mce_bank_read, mce_bank_write},
    {MSR_U_CET, 1, BOTH, FEAT_NONE, STRICT, IN(cet.u_cet), ALL, 0, cet_read, cet_write},
    {MSR_S_CET, 1, BOTH, FEAT_NONE, STRICT, IN(cet.s_cet), ALL, 0, cet_read, cet_write},
    {MSR_PL0_SSP, 4, BOTH, FEAT_SHSTK, STRICT, IN(cet.pl_ssp[0]), ALL, 0, 0, pl_ssp_write},
    {MSR_INTERRUPT_SSP_TABLE_ADDR, 1, BOTH, FEAT_SHSTK, CANONICAL, IN(cet.ssp_table), ALL, 0, 0, 0},
    {MSR_TSC_DEADLINE, 1, BOTH, FEAT_TSC_DEADLINE, STRICT, 0, ALL, 0, tsc_deadline_read, tsc_deadline_write},
    {MSR_PKRS, 1, INTEL, FEAT_PKS, STRICT, 0, ALL, 0, pkrs_read, pkrs_write},
    {MSR_X2APIC_FIRST, 0x100, BOTH, FEAT_X2APIC, STRICT, 0, ALL, 0, x2apic_read, x2apic_write},
    {MSR_XSS, 1, BOTH, FEAT_XSAVES, STRICT, IN(msr.xss), ALL, 0, 0, xss_write},
    {MSR_EFER, 1, BOTH, FEAT_NONE, STRICT, IN(ctl.efer), ALL, 0, 0, efer_msr_write},
    {MSR_STAR, 1, BOTH, FEAT_SYSCALL, STRICT, IN(msr.star), ALL, 0, 0, 0},
    {MSR_LSTAR, 1, BOTH, FEAT_LM, CANONICAL, IN(msr.lstar), ALL, 0, 0, 0},
    {MSR_CSTAR, 1, BOTH, FEAT_LM, CANONICAL, IN(msr.cstar), ALL, 0, 0, 0},
    {MSR_SFMASK, 1, BOTH, FEAT_LM, STRICT, IN(msr.sfmask), LOW32, 0, 0, 0},
    {MSR_FS_BASE, 2, BOTH, FEAT_LM, STRICT, 0, ALL, 0, seg_base_read, seg_base_write},
    {MSR_KERNEL_GS_BASE, 1, BOTH, FEAT_LM, CANONICAL, IN(msr.kernel_gs_base), ALL, 0, 0, 0},
    {MSR_TSC_AUX, 1, BOTH, FEAT_RDTSCP, STRICT, IN(msr.tsc_aux), ALL, 0, 0, tsc_aux_write},
    {MSR_AMD_PERF_CTL0, 8, AMD, FEAT_NONE, LENIENT, IN(msr.amd_perf), ALL, 0, 0, 0}, /* counters that never count */
    {MSR_SYSCFG, 1, AMD, FEAT_NONE, LENIENT, IN(msr.syscfg), 0x7C0000, 0, 0, 0},
    {MSR_HWCR, 1, AMD, FEAT_NONE, LENIENT, IN(msr.hwcr), ALL, 1u << 24, 0, hwcr_write},
    {MSR_IORR_BASE0, 4, AMD, FEAT_NONE, LENIENT, AMD_SLOT(0), ALL, 0, 0, 0},
    {MSR_TOP_MEM, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(4), 0xFFFFFFFF800000, 0, 0, 0},
    {MSR_TOP_MEM2, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(5), 0xFFFFFFFF800000, 0, 0, 0},
    {MSR_NB_CFG, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(6), ALL, 0, 0, 0},
    {MSR_PATCH_LOADER, 1, AMD, FEAT_NONE, WRITE_ONLY, 0, 0, 0, 0, 0},
    {MSR_MC_CTL_MASK0, AMD_MASKS, AMD, FEAT_NONE, LENIENT, IN(msr.amd_mc_mask), ALL, 0, 0, 0},
    {MSR_INT_PENDING, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(7), ALL, 0, 0, 0},
    {MSR_MMIO_CFG_BASE, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(8), ALL, 0, 0, 0},
    {MSR_PSTATE_LIMIT, 1, AMD, FEAT_NONE, READ_ONLY, 0, 0, 0, 0, 0},
    {MSR_PSTATE_CTL, 1, AMD, FEAT_NONE, LENIENT, 0, 0, 0, 0, 0},
    {MSR_PSTATE_STATUS, 1, AMD, FEAT_NONE, READ_ONLY, 0, 0, 0, 0, 0},
    {MSR_PSTATE_0, 8, AMD, FEAT_NONE, LENIENT, 0, 0, 0, pstate_read, 0},
    {MSR_SMM_BASE, 1, AMD, FEAT_NONE, STRICT, IN(msr.smbase), ALL, 0x30000, 0, smm_base_write},
    {MSR_SMM_ADDR, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(9), 0xFFFFFFFE0000, 0, 0, 0},
    {MSR_SMM_MASK, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(10), ALL, 0, 0, 0},
    {MSR_OSVW_ID_LENGTH, 2, AMD, FEAT_NONE, LENIENT, AMD_SLOT(11), ALL, 0, 0, 0},
    {MSR_LS_CFG, 4, AMD, FEAT_NONE, LENIENT, AMD_SLOT(13), ALL, 0, 0, 0}, /* LS_CFG, IC_CFG, DC_CFG, BU_CFG */
    {MSR_DE_CFG, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(17), ALL, 2, 0, 0},  /* LFENCE is serializing */
    {MSR_BU_CFG2, 1, AMD, FEAT_NONE, LENIENT, AMD_SLOT(18), ALL, 0, 0, 0},
    {MSR_BP_CFG, 1, AMD, FEAT_AMD_IBRS, LENIENT, AMD_SLOT(19), ALL, 0, 0, 0},
};
/* clang-format on */

#define ROWS (sizeof rows / sizeof rows[0])

/* The row of an MSR that this processor has, or NULL. */
static const struct msr_row *find(const struct cpu *cpu, uint32_t msr) {
    unsigned lo = 0, hi = ROWS;
    while (lo < hi) { /* the first row that does not end before msr */
        unsigned mid = (lo + hi) / 2;
        if (rows[mid].first + (rows[mid].count - 1u) < msr)
            lo = mid + 1;
        else
            hi = mid;
    }
    unsigned who = 1u << cpu->model->vendor;
    for (; lo < ROWS && rows[lo].first <= msr; lo++)
        if ((rows[lo].who & who) && msr - rows[lo].first < rows[lo].count)
            return cpu_has(cpu, (enum feature)rows[lo].feature) ? &rows[lo] : NULL;
    return NULL;
}

static uint64_t *storage(struct cpu *cpu, const struct msr_row *row, uint32_t msr) {
    return (uint64_t *)(void *)((char *)cpu + row->store) + (msr - row->first);
}

static bool table_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    const struct msr_row *row = find(cpu, msr);
    if (!row || row->rule == WRITE_ONLY) return false;
    if (row->read) return row->read(cpu, msr, val);
    *val = row->store ? *storage(cpu, row, msr) : row->reset;
    return true;
}

static bool table_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    const struct msr_row *row = find(cpu, msr);
    if (!row || row->rule == READ_ONLY) return false;
    if (row->rule == STRICT && (val & ~row->writable)) return false;
    if (row->rule == CANONICAL && !is_canonical_max(cpu, val)) return false;
    if (row->write) return row->write(cpu, msr, val);
    if (!row->store) return true;
    uint64_t *p = storage(cpu, row, msr);
    *p = row->rule == LENIENT ? (*p & ~row->writable) | (val & row->writable) : val;
    return true;
}

bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    enum virt_msr r = VIRT_MSR_NOT_MINE;
    if (cpu->virt.ops && cpu->virt.ops->rdmsr) r = cpu->virt.ops->rdmsr(cpu, msr, val);
    bool ok = r == VIRT_MSR_NOT_MINE ? table_read(cpu, msr, val) : r == VIRT_MSR_DONE;
    if (trace_on(cpu->machine, TRACE_MSR))
        trace_line(cpu->machine, cpu, TRACE_MSR, ok ? "rdmsr %x -> %llx" : "rdmsr %x -> #GP", msr,
                   ok ? (unsigned long long)*val : 0ull);
    return ok;
}

bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    enum virt_msr r = VIRT_MSR_NOT_MINE;
    if (cpu->virt.ops && cpu->virt.ops->wrmsr) r = cpu->virt.ops->wrmsr(cpu, msr, val);
    bool ok = r == VIRT_MSR_NOT_MINE ? table_write(cpu, msr, val) : r == VIRT_MSR_DONE;
    if (trace_on(cpu->machine, TRACE_MSR))
        trace_line(cpu->machine, cpu, TRACE_MSR, "wrmsr %x <- %llx%s", msr, (unsigned long long)val,
                   ok ? "" : " -> #GP");
    return ok;
}

void msr_load_microcode(struct cpu *cpu) {
    uint64_t revision = cpu->model->microcode;
    cpu->msr.microcode = cpu->model->vendor == VENDOR_INTEL ? revision << 32 : revision;
}

/* SDM 3, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT": INIT leaves the MSRs unchanged
 * (EFER and DEBUGCTL belong to groups that cpu_reset() clears). */
void msr_reset(struct cpu *cpu, bool init) {
    if (init) return;
    cpu->msr = (struct msr_regs){.smbase = 0x30000};
    for (const struct msr_row *row = rows; row < rows + ROWS; row++) {
        if (!row->store || !(row->who & 1u << cpu->model->vendor)) continue;
        for (uint32_t k = 0; k < row->count; k++) *storage(cpu, row, row->first + k) = row->reset;
    }
    if (cpu->id == 0) cpu->msr.apic_base |= APIC_BASE_BSP;
    msr_load_microcode(cpu);
}
