/* MOV to and from control and debug registers, LMSW, SMSW, CLTS. SDM 2; what an extension may do to them:
 * sim/core/virt.h. */
#include "sim/core/debug.h"
#include "sim/machine/machine.h"
#include "sim/ops/sys.h"

static uint64_t gpr_read(const struct cpu *cpu, unsigned off) {
    uint64_t val = *(const uint64_t *)((const char *)cpu->gpr + off);
    return cpu_is_64(cpu) ? val : (uint32_t)val;
}

static void gpr_write(struct cpu *cpu, unsigned off, uint64_t val) { reg_write(cpu, off, cpu_is_64(cpu) ? 3 : 2, val); }

/* A register as the guest sees it (masks and shadows of the extension) */
static uint64_t cr_seen(struct cpu *cpu, unsigned cr, uint64_t real) {
    if (!cpu->virt.guest || !cpu->virt.ops->cr_read) return real;
    return cpu->virt.ops->cr_read(cpu, cr, real);
}

/* What is really written when the guest writes `val` */
static uint64_t cr_wanted(struct cpu *cpu, unsigned cr, uint64_t val, const struct insn *i) {
    if (!cpu->virt.guest || !cpu->virt.ops->cr_write) return val;
    return cpu->virt.ops->cr_write(cpu, cr, val, i);
}

static void cr8_write(struct cpu *cpu, uint64_t val) {
    if (val & ~0xFull) cpu_gp0(cpu);
    if (cpu->virt.guest && cpu->virt.ops->cr8_write && cpu->virt.ops->cr8_write(cpu, val)) return;
    lapic_set_tpr(cpu, (uint8_t)(val << 4));
}

static uint64_t cr8_read(struct cpu *cpu) {
    uint64_t val;
    if (cpu->virt.guest && cpu->virt.ops->cr8_read && cpu->virt.ops->cr8_read(cpu, &val)) return val;
    return lapic_get_tpr(cpu) >> 4;
}

void body_mov_to_cr(struct cpu *cpu, const struct insn *i) {
    uint64_t val = cr_wanted(cpu, i->reg, gpr_read(cpu, i->rm), i);
    switch (i->reg) {
    case 0:
        cr0_write(cpu, val);
        break;
    case 2:
        cpu->ctl.cr2 = val;
        break;
    case 3:
        cr3_write(cpu, val);
        break;
    case 4:
        cr4_write(cpu, val);
        break;
    default:
        cr8_write(cpu, val);
        break;
    }
}

void body_mov_from_cr(struct cpu *cpu, const struct insn *i) {
    unsigned cr = i->rm;
    uint64_t val;
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_CR_READ, cr, 0);
    switch (cr) {
    case 0:
        val = cr_seen(cpu, 0, cpu->ctl.cr0);
        break;
    case 2:
        val = cpu->ctl.cr2;
        break;
    case 3:
        val = cr_seen(cpu, 3, cpu->ctl.cr3);
        break;
    case 4:
        val = cr_seen(cpu, 4, cpu->ctl.cr4);
        break;
    default:
        val = cr8_read(cpu);
        break;
    }
    gpr_write(cpu, i->reg, val);
}

/* ---- the machine status word ---- */

void body_lmsw(struct cpu *cpu, const struct insn *i) {
    uint64_t la = i->flags & INSN_MEM ? ea_linear(cpu, i, 2, MEM_READ) : 0;
    uint16_t src = i->flags & INSN_MEM ? mem_read16(cpu, i, la) : *cpu_r16(cpu, i->reg);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_LMSW, src, la);
    uint64_t cr0 = cr_seen(cpu, 0, cpu->ctl.cr0);
    cr0 = (cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (src & 0xF); /* PE can be set, not cleared */
    cr0_write(cpu, cr_wanted(cpu, 0, cr0, i));
}

void body_smsw(struct cpu *cpu, const struct insn *i) {
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_SMSW, 0, 0);
    uint64_t cr0 = cr_seen(cpu, 0, cpu->ctl.cr0);
    if (i->flags & INSN_MEM)
        mem_write16(cpu, i, ea_linear(cpu, i, 2, MEM_WRITE), (uint16_t)cr0);
    else
        reg_write(cpu, i->reg, i->size, cr0);
}

void body_clts(struct cpu *cpu, const struct insn *i) {
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_CLTS, 0, 0);
    uint64_t cr0 = cr_seen(cpu, 0, cpu->ctl.cr0) & ~(uint64_t)CR0_TS;
    if (cpu->virt.guest)
        cr0_write(cpu, cr_wanted(cpu, 0, cr0, i));
    else
        cr0_set(cpu, cr0);
}

/* ---- debug registers ---- */

/* SDM 3, "Debug Control Register (DR7)", general detect: a fault before the access. */
static void general_detect(struct cpu *cpu) {
    if (!(cpu->dbg.dr7 & DR7_GD)) return;
    struct event ev = {.valid = true, .vector = VEC_DB, .type = EVT_HARD_EXC, .info = DR6_BD};
    cpu_raise_event(cpu, &ev);
}

static unsigned dr_alias(unsigned n) { return n == 4 || n == 5 ? n + 2 : n; }

void body_mov_to_dr(struct cpu *cpu, const struct insn *i) {
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_DR_WRITE, i->reg, 0);
    general_detect(cpu);
    if (!dr_set(cpu, dr_alias(i->reg), gpr_read(cpu, i->rm))) cpu_gp0(cpu);
}

void body_mov_from_dr(struct cpu *cpu, const struct insn *i) {
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_DR_READ, i->rm, 0);
    general_detect(cpu);
    gpr_write(cpu, i->reg, dr_get(cpu, dr_alias(i->rm)));
}
