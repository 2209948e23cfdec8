/* SYSCALL, SYSRET, SYSENTER, SYSEXIT. SDM 2 and APM 3; the two vendors differ in which modes have them and in what
 * SYSRET does to SS. */
#include "sim/core/cet.h"
#include "sim/ops/sys.h"

/* Flat code or stack segment with fixed contents; the descriptor tables are not read. */
enum flat_kind { FLAT_STACK, FLAT_CODE32, FLAT_CODE64 };

static void set_flat(struct cpu *cpu, enum seg_id seg, unsigned sel, unsigned dpl, enum flat_kind kind) {
    static const uint32_t ar[] = {
        [FLAT_STACK] = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G,
        [FLAT_CODE32] = AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED | AR_DB | AR_G,
        [FLAT_CODE64] = AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED | AR_L | AR_G,
    };
    cpu->seg[seg] =
        (struct seg){.sel = (uint16_t)((sel & 0xFFFC) | dpl), .limit = ~0u, .ar = ar[kind] | dpl << AR_DPL_SHIFT};
}

/* CS and SS = CS + `gap`, then CPL. */
static void enter_level(struct cpu *cpu, unsigned cs, unsigned dpl, enum flat_kind kind) {
    set_flat(cpu, SEG_CS, cs, dpl, kind);
    set_flat(cpu, SEG_SS, cs + 8, dpl, FLAT_STACK);
    cpu_set_cpl(cpu, dpl);
}

static bool is_intel(const struct cpu *cpu) { return cpu->model->vendor == VENDOR_INTEL; }

/* ---- SYSCALL, SYSRET ---- */

static void check_syscall(struct cpu *cpu) {
    if (!(cpu->ctl.efer & EFER_SCE) || (is_intel(cpu) && !cpu_is_64(cpu))) cpu_ud(cpu);
}

void body_syscall(struct cpu *cpu, const struct insn *i) {
    (void)i;
    unsigned cs = (uint16_t)(cpu->msr.star >> 32);
    check_syscall(cpu);
    cet_enter_system(cpu);
    cpu->gpr[RCX] = cpu->rip;
    if (cpu_is_lma(cpu)) {
        uint32_t flags = flags_get(cpu);
        cpu->gpr[R11] = flags & ~(uint32_t)FLAG_RF;
        cpu->rip = cpu_is_64(cpu) ? cpu->msr.lstar : cpu->msr.cstar;
        flags_load(cpu, flags & ~((uint32_t)cpu->msr.sfmask | FLAG_RF));
        enter_level(cpu, cs, 0, FLAT_CODE64);
    } else { /* AMD, legacy mode */
        cpu->rip = (uint32_t)cpu->msr.star;
        flags_load(cpu, flags_get(cpu) & ~(uint32_t)(FLAG_VM | FLAG_IF | FLAG_RF));
        enter_level(cpu, cs, 0, FLAT_CODE32);
    }
}

/* AMD loads the selector of SS and its level alone: APM 3, "SYSRET". */
static void sysret_stack(struct cpu *cpu, unsigned sel) {
    if (is_intel(cpu)) {
        set_flat(cpu, SEG_SS, sel, 3, FLAT_STACK);
        return;
    }
    cpu->seg[SEG_SS].sel = (uint16_t)(sel | 3);
    cpu->seg[SEG_SS].ar |= AR_DPL;
}

void body_sysret(struct cpu *cpu, const struct insn *i) {
    unsigned base = (uint16_t)(cpu->msr.star >> 48);
    bool to64 = i->size == 3 && cpu_is_64(cpu);
    check_syscall(cpu);
    if (cpu->cpl != 0 || !cpu_is_prot(cpu)) cpu_gp0(cpu);
    if (to64 && is_intel(cpu) && !is_canonical(cpu, cpu->gpr[RCX])) cpu_gp0(cpu);
    if (cpu_is_64(cpu)) {
        const uint32_t keep = FLAG_ALL & ~(uint32_t)(FLAG_RF | FLAG_VM);
        flags_load(cpu, (uint32_t)cpu->gpr[R11] & keep);
    } else {
        flags_load(cpu, flags_get(cpu) | FLAG_IF);
    }
    cpu->rip = to64 ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];
    set_flat(cpu, SEG_CS, to64 ? base + 16 : base, 3, to64 ? FLAT_CODE64 : FLAT_CODE32);
    sysret_stack(cpu, base + 8);
    cpu_set_cpl(cpu, 3);
    cet_enter_user(cpu);
    if (cpu->rflags & FLAG_TF) cpu->dbg.pending |= DR6_BS; /* the trap follows a SYSRET that sets TF at once */
}

/* ---- SYSENTER, SYSEXIT: AMD has them in legacy mode only ---- */

static unsigned sysenter_cs(struct cpu *cpu) {
    if (!is_intel(cpu) && cpu_is_lma(cpu)) cpu_ud(cpu);
    unsigned cs = (uint16_t)cpu->msr.sysenter_cs;
    if (cpu_is_real(cpu) || sel_is_null((uint16_t)cs)) cpu_gp0(cpu);
    return cs;
}

void body_sysenter(struct cpu *cpu, const struct insn *i) {
    (void)i;
    unsigned cs = sysenter_cs(cpu);
    bool lma = cpu_is_lma(cpu);
    cet_enter_system(cpu);
    flags_load(cpu, flags_get(cpu) & ~(uint32_t)(FLAG_VM | FLAG_IF | FLAG_RF));
    cpu->gpr[RSP] = lma ? cpu->msr.sysenter_esp : (uint32_t)cpu->msr.sysenter_esp;
    cpu->rip = lma ? cpu->msr.sysenter_eip : (uint32_t)cpu->msr.sysenter_eip;
    enter_level(cpu, cs, 0, lma ? FLAT_CODE64 : FLAT_CODE32);
}

void body_sysexit(struct cpu *cpu, const struct insn *i) {
    unsigned cs = sysenter_cs(cpu);
    bool to64 = i->size == 3 && cpu_is_64(cpu);
    if (cpu->cpl != 0) cpu_gp0(cpu);
    if (to64 && !(is_canonical(cpu, cpu->gpr[RCX]) && is_canonical(cpu, cpu->gpr[RDX]))) cpu_gp0(cpu);
    cpu->gpr[RSP] = to64 ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];
    cpu->rip = to64 ? cpu->gpr[RDX] : (uint32_t)cpu->gpr[RDX];
    enter_level(cpu, cs + (to64 ? 32 : 16), 3, to64 ? FLAT_CODE64 : FLAT_CODE32);
    cet_enter_user(cpu);
}
