/* Machine checks: banks of errors, #MC and CMCI. */
#ifndef HVSIM_CORE_MCE_H
#define HVSIM_CORE_MCE_H

#include "sim/core/cpu.h"

struct mce_error {
    unsigned bank;
    uint64_t status, addr, misc; /* as in the bank's MSRs */
    uint64_t mcg_status;         /* RIPV and EIPV of the #MC */
    bool broadcast;              /* the #MC goes to all processors */
};

/* How many banks the processor has, 0 without the machine-check architecture */
unsigned mce_banks(const struct cpu *cpu);
/* The error has happened: logs it by the overwrite rules, and signals it when it is enabled. */
void mce_inject(struct cpu *cpu, const struct mce_error *e);
/* A #MC was signalled and may be taken: delivers it, or shuts the processor down. */
void mce_take(struct cpu *cpu);

/* Rows of the MSR table: the four MSRs of each bank, IA32_MCi_CTL2 */
bool mce_bank_read(struct cpu *cpu, uint32_t msr, uint64_t *val);
bool mce_bank_write(struct cpu *cpu, uint32_t msr, uint64_t val);
bool mce_ctl2_read(struct cpu *cpu, uint32_t msr, uint64_t *val);
bool mce_ctl2_write(struct cpu *cpu, uint32_t msr, uint64_t val);
bool mce_cap_read(struct cpu *cpu, uint32_t msr, uint64_t *val);

#endif
