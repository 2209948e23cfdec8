/* MSRs, time stamps, performance counters, CPUID, random numbers. SDM 2. */
#include "sim/machine/machine.h"
#include "sim/ops/sys.h"

/* ---- RDMSR, WRMSR ---- */

void body_rdmsr(struct cpu *cpu, const struct insn *i) {
    (void)i;
    uint32_t msr = (uint32_t)cpu->gpr[RCX];
    uint64_t val;
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_MSR_READ, msr, 0);
    if (!msr_read(cpu, msr, &val)) cpu_gp0(cpu);
    set_edx_eax(cpu, val);
}

void body_wrmsr(struct cpu *cpu, const struct insn *i) {
    (void)i;
    uint32_t msr = (uint32_t)cpu->gpr[RCX];
    uint64_t val = edx_eax(cpu);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_MSR_WRITE, msr, val);
    if (!msr_write(cpu, msr, val)) cpu_gp0(cpu);
}

/* ---- time and counters ---- */

static bool tsc_forbidden(const struct cpu *cpu) { return cpu->cpl != 0 && (cpu->ctl.cr4 & CR4_TSD); }

void body_rdtsc(struct cpu *cpu, const struct insn *i) {
    (void)i;
    if (tsc_forbidden(cpu)) cpu_gp0(cpu);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_RDTSC, 0, 0);
    set_edx_eax(cpu, cpu_tsc(cpu));
}

void body_rdtscp(struct cpu *cpu, const struct insn *i) {
    (void)i;
    VIRT_INTERCEPT(cpu, STAGE_BEFORE_EXC, ICEPT_RDTSCP, 0, 0);
    if (tsc_forbidden(cpu)) cpu_gp0(cpu);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_RDTSCP, 0, 0);
    set_edx_eax(cpu, cpu_tsc(cpu));
    cpu->gpr[RCX] = (uint32_t)cpu->msr.tsc_aux;
}

void body_rdpid(struct cpu *cpu, const struct insn *i) {
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_RDPID, 0, 0);
    *cpu_r64(cpu, i->reg) = (uint32_t)cpu->msr.tsc_aux;
}

/* APM 3, "RDPRU": register 0 is MPERF, 1 is APERF; others read as zero. The row asked the intercept. */
void body_rdpru(struct cpu *cpu, const struct insn *i) {
    (void)i;
    if (tsc_forbidden(cpu)) cpu_ud(cpu);
    set_edx_eax(cpu, (uint32_t)cpu->gpr[RCX] <= 1 ? cpu_cycles(cpu) : 0);
}

/* Intel models have no performance-monitoring version: no counter exists. AMD has four, which never count. */
void body_rdpmc(struct cpu *cpu, const struct insn *i) {
    (void)i;
    uint32_t n = (uint32_t)cpu->gpr[RCX];
    if (cpu->cpl != 0 && !(cpu->ctl.cr4 & CR4_PCE)) cpu_gp0(cpu);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_RDPMC, 0, 0);
    if (cpu->model->vendor != VENDOR_AMD || n > 3) cpu_gp0(cpu);
    set_edx_eax(cpu, cpu->msr.amd_perf[4 + n] & 0xFFFFFFFFFFFFull);
}

/* ---- CPUID ---- */

void body_cpuid(struct cpu *cpu, const struct insn *i) {
    (void)i;
    struct cpuid_regs r;
    cpuid(cpu, (uint32_t)cpu->gpr[RAX], (uint32_t)cpu->gpr[RCX], &r);
    cpu->gpr[RAX] = r.eax;
    cpu->gpr[RBX] = r.ebx;
    cpu->gpr[RCX] = r.ecx;
    cpu->gpr[RDX] = r.edx;
}

/* ---- RDRAND, RDSEED: xorshift128+, the same numbers in every run ---- */

static uint64_t random64(struct cpu *cpu) {
    uint64_t a = cpu->rng[0], b = cpu->rng[1];
    cpu->rng[0] = b;
    a ^= a << 23;
    a ^= a >> 17 ^ b ^ b >> 26;
    cpu->rng[1] = a;
    return a + b;
}

void body_rdrand(struct cpu *cpu, const struct insn *i) {
    reg_write(cpu, i->reg, i->size, random64(cpu));
    flags_set_arith(cpu, FLAG_CF);
}
