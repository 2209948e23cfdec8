/* Machine checks. SDM 3 "Machine-Check Architecture"; APM 2 "Machine Check Architecture". */
#include "sim/core/mce.h"

#include "sim/arch/mce.h"
#include "sim/arch/msr.h"
#include "sim/core/fault.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"

#define HWCR_MC_STATUS_WR_EN (1u << 18)

enum { CTL, STATUS, ADDR, MISC };

static bool is_amd(const struct cpu *cpu) { return cpu->model->vendor == VENDOR_AMD; }
static bool has_cmci(const struct cpu *cpu) { return cpu->model->mcg_cap & MCG_CAP_CMCI_P; }

unsigned mce_banks(const struct cpu *cpu) { return cpu_has(cpu, FEAT_MCA) ? cpu->model->mcg_cap & MCG_CAP_COUNT : 0; }

/* ---- MSRs ---- */

bool mce_cap_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    (void)msr;
    *val = cpu->model->mcg_cap;
    return true;
}

bool mce_bank_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    unsigned n = msr - MSR_MC0_CTL;
    if (n >> 2 >= mce_banks(cpu)) return false;
    *val = cpu->msr.mc[n >> 2][n & 3];
    return true;
}

/* "IA32_MCi_STATUS MSRS", "IA32_MCi_ADDR MSRs", "IA32_MCi_MISC MSRs": software may only clear them. AMD: MCi_STATUS
 * takes other values with McStatusWrEn; ADDR and MISC are ordinary. */
bool mce_bank_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    unsigned n = msr - MSR_MC0_CTL, which = n & 3;
    if (n >> 2 >= mce_banks(cpu)) return false;
    bool any = which == CTL || (is_amd(cpu) && (which != STATUS || (cpu->msr.hwcr & HWCR_MC_STATUS_WR_EN)));
    if (val && !any) return false;
    cpu->msr.mc[n >> 2][which] = val;
    return true;
}

bool mce_ctl2_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    unsigned n = msr - MSR_MC0_CTL2;
    if (!has_cmci(cpu) || n >= mce_banks(cpu)) return false;
    *val = cpu->msr.mc_ctl2[n];
    return true;
}

bool mce_ctl2_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    unsigned n = msr - MSR_MC0_CTL2;
    if (!has_cmci(cpu) || n >= mce_banks(cpu) || (val & ~(uint64_t)(MC_CTL2_THRESHOLD | MC_CTL2_CMCI_EN))) return false;
    cpu->msr.mc_ctl2[n] = val;
    return true;
}

/* ---- logging ---- */

/* Does the bank signal its errors? AMD: MCG_CTL has a bit for each bank, which may be masked besides. */
static bool reports(const struct cpu *cpu, unsigned bank) {
    uint64_t ctl = cpu->msr.mc[bank][CTL];
    if (!is_amd(cpu)) return ctl != 0;
    return (ctl & ~cpu->msr.amd_mc_mask[bank]) && (cpu->msr.mcg_ctl >> bank & 1);
}

static unsigned count_of(uint64_t status) { return status >> MC_STATUS_COUNT_SHIFT & MC_STATUS_COUNT_MAX; }
static uint64_t with_count(uint64_t status, unsigned count) {
    const uint64_t field = (uint64_t)MC_STATUS_COUNT_MAX << MC_STATUS_COUNT_SHIFT;
    return (status & ~field) | (uint64_t)count << MC_STATUS_COUNT_SHIFT;
}

/* "Overwrite Rules for Machine Check Overflow": an uncorrected error takes a corrected one's place; otherwise the first
 * stays. Corrected ones are counted. Returns the count. */
static unsigned log_error(struct cpu *cpu, const struct mce_error *e, uint64_t status) {
    uint64_t *bank = cpu->msr.mc[e->bank], old = bank[STATUS];
    bool valid = old & MC_STATUS_VAL, uncorrected = status & MC_STATUS_UC;
    unsigned count = valid ? count_of(old) : 0;
    if (!uncorrected && count < MC_STATUS_COUNT_MAX) count++;
    if (!valid || (uncorrected && !(old & MC_STATUS_UC))) {
        bank[ADDR] = e->addr;
        bank[MISC] = e->misc;
        bank[STATUS] = status;
    }
    if (valid) bank[STATUS] |= MC_STATUS_OVER;
    if (has_cmci(cpu)) bank[STATUS] = with_count(bank[STATUS], count);
    return count;
}

/* ---- signalling ---- */

/* "Machine-Check Exceptions": another one while MCIP = 1 shuts the processor down. */
static void signal_mc(struct cpu *cpu, uint64_t mcg_status) {
    if (cpu->msr.mcg_status & MCG_STATUS_MCIP)
        cpu->intr.mc_shutdown = true;
    else
        cpu->msr.mcg_status = MCG_STATUS_MCIP | (mcg_status & (MCG_STATUS_RIPV | MCG_STATUS_EIPV));
    cpu_attention(cpu, ATTN_MC);
}

static void signal_others(struct cpu *from) {
    struct machine *m = from->machine;
    for (unsigned n = 0; n < m->cpu_count; n++)
        if (m->cpu[n] != from && m->cpu[n]->intr.activity != ACT_WAIT_SIPI) signal_mc(m->cpu[n], MCG_STATUS_RIPV);
}

/* Uncorrected errors are #MC; with software error recovery those without action required (S = 0) are not: "UCR Error
 * Classification". */
static bool raises(const struct cpu *cpu, uint64_t status) {
    if (!(status & MC_STATUS_UC) || !(status & MC_STATUS_EN)) return false;
    return !(cpu->model->mcg_cap & MCG_CAP_SER_P) || (status & (MC_STATUS_PCC | MC_STATUS_S));
}

/* "CMCI Local APIC Interface": when the count reaches the threshold, and for uncorrected errors without action */
static bool interrupts(const struct cpu *cpu, const struct mce_error *e, uint64_t status, unsigned count) {
    uint64_t ctl2 = cpu->msr.mc_ctl2[e->bank];
    if (!has_cmci(cpu) || !(ctl2 & MC_CTL2_CMCI_EN)) return false;
    unsigned threshold = ctl2 & MC_CTL2_THRESHOLD;
    return (status & MC_STATUS_UC) || count == (threshold ? threshold : 1);
}

void mce_inject(struct cpu *cpu, const struct mce_error *e) {
    uint64_t status = e->status | MC_STATUS_VAL;
    if (!reports(cpu, e->bank)) status &= ~MC_STATUS_EN;
    unsigned count = log_error(cpu, e, status);
    if (raises(cpu, status)) {
        signal_mc(cpu, e->mcg_status);
        if (e->broadcast) signal_others(cpu);
    } else if (interrupts(cpu, e, status, count)) {
        lapic_signal_cmci(cpu);
    }
}

/* "If CR4.MCE is clear, a machine check shuts the processor down": whatever the VMCS says, while SVM can intercept it.
 */
void mce_take(struct cpu *cpu) {
    const struct event mc = {.valid = true, .vector = VEC_MC, .type = EVT_HARD_EXC};
    bool again = cpu->intr.mc_shutdown;
    cpu->intr.mc_shutdown = false;
    if (!again && (cpu->ctl.cr4 & CR4_MCE)) {
        deliver_exception(cpu, &mc);
        return;
    }
    if (cpu->virt.guest) cpu->virt.ops->event(cpu, VIRT_SHUTDOWN);
    cpu_shutdown(cpu, again ? "a machine check while another one was in progress (MCG_STATUS.MCIP = 1)"
                            : "a machine check while CR4.MCE = 0");
}
