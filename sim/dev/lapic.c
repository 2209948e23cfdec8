/* The local APIC: registers, priorities, acknowledge and EOI; xAPIC page and x2APIC MSRs.
 * Source: SDM 3, "Advanced Programmable Interrupt Controller (APIC)". */
#include "sim/dev/lapic.h"

#include <stdlib.h>
#include <string.h>

#include "sim/arch/mce.h"
#include "sim/core/system.h"
#include "sim/dev/dev.h"
#include "sim/machine/internal.h"

#define VERSION (0x14u | 1u << 24) /* integrated, EOI-broadcast suppression */
#define LVTS(n) ((n)-1u) << 16     /* the highest entry's number */
#define LVT_ALL (sizeof((struct lapic *)0)->lvt / sizeof(uint32_t))

/* ---- priorities ---- */

static int highest(const uint32_t set[8]) {
    for (int i = 7; i >= 0; i--)
        if (set[i]) return 32 * i + 31 - __builtin_clz(set[i]);
    return -1;
}
static void set_bit(uint32_t set[8], unsigned v) { set[v >> 5] |= 1u << (v & 31); }
static void clear_bit(uint32_t set[8], unsigned v) { set[v >> 5] &= ~(1u << (v & 31)); }
static bool test_bit(const uint32_t set[8], unsigned v) { return set[v >> 5] >> (v & 31) & 1; }

/* SDM 3, "Task and Processor Priorities" */
uint8_t lapic_ppr(const struct lapic *l) {
    int isrv = highest(l->isr);
    unsigned isr_class = isrv < 0 ? 0 : (unsigned)isrv & 0xF0;
    return (uint8_t)((l->tpr & 0xF0) >= isr_class ? l->tpr : isr_class);
}

static bool hw_enabled(const struct lapic *l) { return l->cpu->msr.apic_base & APIC_BASE_EN; }

/* Does the 8259 reach the core: through LINT0 as ExtINT, or straight when the local APIC is disabled (SDM 3, "Enabling
 * or Disabling the Local APIC": the pins become INTR and NMI)? */
static bool extint_pending(const struct lapic *l) {
    if (!hw_enabled(l)) return l->lint0;
    uint32_t lvt = l->lvt[APIC_LVT_LINT0 - APIC_LVT_TIMER];
    if (l->extint) return true;
    return l->lint0 && !(lvt & LVT_MASKED) && LVT_DELIVERY(lvt) == APIC_EXTINT;
}

int lapic_pending(struct cpu *cpu, bool *pic) {
    const struct lapic *l = cpu->lapic;
    bool ext = extint_pending(l);
    if (pic) *pic = ext;
    if (ext) return 0; /* its vector is known after INTA; ExtINT is not subject to PPR */
    if (!hw_enabled(l)) return -1;
    int v = highest(l->irr);
    return v >= 0 && (v & 0xF0) > (lapic_ppr(l) & 0xF0) ? v : -1;
}

void lapic_update(struct lapic *l) {
    struct cpu *cpu = l->cpu;
    if (lapic_pending(cpu, NULL) < 0)
        cpu->intr.attn &= ~(uint32_t)ATTN_INTR;
    else if (!(cpu->intr.attn & ATTN_INTR))
        cpu_attention(cpu, ATTN_INTR);
}

uint8_t lapic_acknowledge(struct cpu *cpu) {
    struct lapic *l = cpu->lapic;
    bool pic;
    int v = lapic_pending(cpu, &pic);
    if (pic) {
        l->extint = false;
        uint8_t vector = pic_acknowledge(cpu->machine);
        lapic_update(l);
        return vector;
    }
    if (v < 0) return (uint8_t)l->svr; /* SDM 3, "Spurious Interrupt" */
    clear_bit(l->irr, (unsigned)v);
    set_bit(l->isr, (unsigned)v);
    lapic_update(l);
    return (uint8_t)v;
}

static void end_of_interrupt(struct lapic *l) {
    int v = highest(l->isr);
    if (v < 0) return;
    clear_bit(l->isr, (unsigned)v);
    if (test_bit(l->tmr, (unsigned)v)) {
        uint32_t *lint0 = lapic_lvt(l, APIC_LVT_LINT0);
        if ((*lint0 & 0xFF) == (unsigned)v) *lint0 &= ~LVT_REMOTE_IRR;
        if (!(l->svr & SVR_NO_BROADCAST)) ioapic_eoi(l->cpu->machine, (uint8_t)v);
        lapic_set_lint0(l, l->lint0); /* a level that is still there asks again */
    }
    lapic_update(l);
}

/* ---- sources ---- */

void lapic_error(struct lapic *l, uint32_t bit) {
    l->esr_pending |= bit;
    lapic_fire_lvt(l, APIC_LVT_ERROR);
}

void lapic_accept(struct lapic *l, uint8_t vector, bool level) {
    if (vector < 16) {
        l->esr_pending |= ESR_RECEIVE_VECTOR;
        uint32_t lvt = *lapic_lvt(l, APIC_LVT_ERROR);
        if (!(lvt & LVT_MASKED) && (lvt & 0xFF) >= 16) lapic_accept(l, (uint8_t)lvt, false);
        return;
    }
    set_bit(l->irr, vector);
    (level ? set_bit : clear_bit)(l->tmr, vector);
    lapic_update(l);
}

void lapic_fire_lvt(struct lapic *l, unsigned reg) {
    uint32_t lvt = *lapic_lvt(l, reg);
    if ((lvt & LVT_MASKED) || !hw_enabled(l)) return;
    bool fixed_only = reg == APIC_LVT_TIMER || reg == APIC_LVT_ERROR;
    switch (fixed_only ? APIC_FIXED : (enum apic_delivery)LVT_DELIVERY(lvt)) {
    case APIC_FIXED:
        lapic_accept(l, (uint8_t)lvt, reg == APIC_LVT_LINT0 && (lvt & LVT_LEVEL));
        break;
    case APIC_SMI:
        cpu_attention(l->cpu, ATTN_SMI);
        break;
    case APIC_NMI:
        cpu_attention(l->cpu, ATTN_NMI);
        break;
    case APIC_INIT:
        cpu_attention(l->cpu, ATTN_INIT);
        break;
    default:
        break; /* ExtINT is a level: extint_pending() */
    }
}

void lapic_set_lint0(struct lapic *l, bool level) {
    bool rose = level && !l->lint0;
    l->lint0 = level;
    uint32_t *lvt = lapic_lvt(l, APIC_LVT_LINT0);
    if (hw_enabled(l) && level && LVT_DELIVERY(*lvt) == APIC_FIXED && (*lvt & LVT_LEVEL)) {
        if (!(*lvt & (LVT_REMOTE_IRR | LVT_MASKED))) {
            *lvt |= LVT_REMOTE_IRR;
            lapic_fire_lvt(l, APIC_LVT_LINT0);
        }
    } else if (rose && LVT_DELIVERY(*lvt) != APIC_EXTINT) {
        lapic_fire_lvt(l, APIC_LVT_LINT0);
    }
    lapic_update(l);
}

bool lapic_lint_sends_nmi(const struct cpu *cpu) {
    uint32_t lvt = cpu->lapic->lvt[APIC_LVT_LINT0 - APIC_LVT_TIMER];
    unsigned how = LVT_DELIVERY(lvt);
    return !(lvt & LVT_MASKED) && (how == APIC_NMI || how == APIC_SMI || how == APIC_INIT);
}

/* ---- registers ---- */

enum access {
    ACC_R = 1,
    ACC_W = 2,
    ACC_X2R = 4,
    ACC_X2W = 8,
    ACC_RO = ACC_R | ACC_X2R,
    ACC_WO = ACC_W | ACC_X2W,
    ACC_RW = 15
};

/* What exists, how it may be accessed, and the bits that can be written (the others raise #GP in x2APIC mode). */
static const struct {
    uint8_t access;
    uint32_t mask;
} regs[APIC_REGS] = {
    [APIC_ID] = {ACC_R | ACC_W | ACC_X2R, 0xFF000000},
    [APIC_VERSION] = {ACC_RO,                  0         },
    [APIC_TPR] = {ACC_RW,                  0xFF      },
    [APIC_APR] = {ACC_R,                   0         },
    [APIC_PPR] = {ACC_RO,                  0         },
    [APIC_EOI] = {ACC_WO | ACC_R,          0         },
    [APIC_RRD] = {ACC_R,                   0         },
    [APIC_LDR] = {ACC_R | ACC_W | ACC_X2R, 0xFF000000},
    [APIC_DFR] = {ACC_R | ACC_W,           0xF0000000},
    [APIC_SVR] = {ACC_RW,                  0x13FF    },
    [APIC_ISR] = {ACC_RO,                  0         },
    [APIC_ISR + 1] = {ACC_RO,                  0         },
    [APIC_ISR + 2] = {ACC_RO,                  0         },
    [APIC_ISR + 3] = {ACC_RO,                  0         },
    [APIC_ISR + 4] = {ACC_RO,                  0         },
    [APIC_ISR + 5] = {ACC_RO,                  0         },
    [APIC_ISR + 6] = {ACC_RO,                  0         },
    [APIC_ISR + 7] = {ACC_RO,                  0         },
    [APIC_TMR] = {ACC_RO,                  0         },
    [APIC_TMR + 1] = {ACC_RO,                  0         },
    [APIC_TMR + 2] = {ACC_RO,                  0         },
    [APIC_TMR + 3] = {ACC_RO,                  0         },
    [APIC_TMR + 4] = {ACC_RO,                  0         },
    [APIC_TMR + 5] = {ACC_RO,                  0         },
    [APIC_TMR + 6] = {ACC_RO,                  0         },
    [APIC_TMR + 7] = {ACC_RO,                  0         },
    [APIC_IRR] = {ACC_RO,                  0         },
    [APIC_IRR + 1] = {ACC_RO,                  0         },
    [APIC_IRR + 2] = {ACC_RO,                  0         },
    [APIC_IRR + 3] = {ACC_RO,                  0         },
    [APIC_IRR + 4] = {ACC_RO,                  0         },
    [APIC_IRR + 5] = {ACC_RO,                  0         },
    [APIC_IRR + 6] = {ACC_RO,                  0         },
    [APIC_IRR + 7] = {ACC_RO,                  0         },
    [APIC_ESR] = {ACC_RW,                  0         },
    [APIC_ICR] = {ACC_RW,                  0xCCFFF   },
    [APIC_ICR2] = {ACC_R | ACC_W,           0xFF000000},
    [APIC_LVT_CMCI] = {ACC_RW,                  0x107FF   },
    [APIC_LVT_TIMER] = {ACC_RW,                  0x700FF   },
    [APIC_LVT_THERMAL] = {ACC_RW,                  0x107FF   },
    [APIC_LVT_PMC] = {ACC_RW,                  0x107FF   },
    [APIC_LVT_LINT0] = {ACC_RW,                  0x1A7FF   },
    [APIC_LVT_LINT1] = {ACC_RW,                  0x1A7FF   },
    [APIC_LVT_ERROR] = {ACC_RW,                  0x100FF   },
    [APIC_TIMER_INITIAL] = {ACC_RW,                  0xFFFFFFFF},
    [APIC_TIMER_CURRENT] = {ACC_RO,                  0         },
    [APIC_TIMER_DIVIDE] = {ACC_RW,                  0xB       },
    [APIC_SELF_IPI] = {ACC_X2W,                 0xFF      },
};

/* SDM 3, "CMCI Local APIC Interface": the entry exists with IA32_MCG_CAP's bit 10. */
static bool has_cmci(const struct lapic *l) { return l->cpu->model->mcg_cap & MCG_CAP_CMCI_P; }

static unsigned access_of(const struct lapic *l, unsigned reg) {
    if (reg >= APIC_REGS || (reg == APIC_LVT_CMCI && !has_cmci(l))) return 0;
    return regs[reg].access;
}

static uint32_t writable(const struct lapic *l, unsigned reg) {
    uint32_t mask = regs[reg].mask;
    if (reg == APIC_LVT_TIMER && !cpu_has(l->cpu, FEAT_TSC_DEADLINE)) mask &= ~(1u << 18);
    return mask;
}

/* Status bits that writes ignore; they are not reserved. */
static uint32_t read_only(unsigned reg) {
    if (reg == APIC_LVT_LINT0 || reg == APIC_LVT_LINT1) return LVT_REMOTE_IRR | 1u << 12;
    return reg == APIC_ICR || lapic_is_lvt(reg) ? 1u << 12 : 0;
}

static uint32_t reg_read(struct lapic *l, unsigned reg) {
    if (reg >= APIC_ISR && reg < APIC_ISR + 8) return l->isr[reg - APIC_ISR];
    if (reg >= APIC_TMR && reg < APIC_TMR + 8) return l->tmr[reg - APIC_TMR];
    if (reg >= APIC_IRR && reg < APIC_IRR + 8) return l->irr[reg - APIC_IRR];
    if (lapic_is_lvt(reg)) return *lapic_lvt(l, reg);
    switch (reg) {
    case APIC_ID:
        return lapic_x2(l) ? l->id : l->id << 24;
    case APIC_VERSION:
        return VERSION | (has_cmci(l) ? LVTS(7) : LVTS(6));
    case APIC_TPR:
        return l->tpr;
    case APIC_APR:
    case APIC_PPR:
        return lapic_ppr(l);
    case APIC_LDR:
        return l->ldr;
    case APIC_DFR:
        return l->dfr;
    case APIC_SVR:
        return l->svr;
    case APIC_ESR:
        return l->esr;
    case APIC_ICR:
        return (uint32_t)l->icr;
    case APIC_ICR2:
        return (uint32_t)(l->icr >> 32);
    case APIC_TIMER_INITIAL:
        return l->timer_initial;
    case APIC_TIMER_CURRENT:
        return lapic_timer_current(l);
    case APIC_TIMER_DIVIDE:
        return l->timer_divide;
    default:
        return 0;
    }
}

static void write_svr(struct lapic *l, uint32_t val) {
    l->svr = val;
    if (val & SVR_ENABLE) {
        ioapic_retry(l->cpu->machine); /* what nobody accepted until now */
        return;
    }
    for (unsigned i = 0; i < LVT_ALL; i++)
        l->lvt[i] |= LVT_MASKED; /* SDM 3, "Local APIC State After It Has Been Software Disabled" */
}

static void write_lvt(struct lapic *l, unsigned reg, uint32_t val) {
    if (!(l->svr & SVR_ENABLE)) val |= LVT_MASKED;
    if (reg == APIC_LVT_TIMER) {
        lapic_timer_write_lvt(l, val);
        return;
    }
    *lapic_lvt(l, reg) = val | (*lapic_lvt(l, reg) & LVT_REMOTE_IRR);
    if (reg == APIC_LVT_LINT0) lapic_set_lint0(l, l->lint0);
}

static void reg_write(struct lapic *l, unsigned reg, uint32_t val) {
    if (lapic_is_lvt(reg)) {
        write_lvt(l, reg, val);
        return;
    }
    switch (reg) {
    case APIC_ID:
        l->id = val >> 24;
        break;
    case APIC_TPR:
        l->tpr = val;
        break;
    case APIC_EOI:
        end_of_interrupt(l);
        break;
    case APIC_LDR:
        l->ldr = val;
        break;
    case APIC_DFR:
        l->dfr = val | 0x0FFFFFFF;
        break;
    case APIC_SVR:
        write_svr(l, val);
        break;
    case APIC_ESR: /* a write makes the errors since the last one readable */
        l->esr = l->esr_pending;
        l->esr_pending = 0;
        break;
    case APIC_ICR:
        l->icr = (l->icr & ~0xFFFFFFFFull) | val;
        lapic_send(l, l->icr);
        break;
    case APIC_ICR2:
        l->icr = (uint32_t)l->icr | (uint64_t)val << 32;
        break;
    case APIC_TIMER_INITIAL:
        lapic_timer_write_initial(l, val);
        break;
    case APIC_TIMER_DIVIDE:
        lapic_timer_write_divide(l, val);
        break;
    default:
        break;
    }
    lapic_update(l);
}

/* ---- the xAPIC page ---- */

uint64_t lapic_mmio_read(struct cpu *cpu, uint64_t offset, unsigned size) {
    struct lapic *l = cpu->lapic;
    unsigned reg = (unsigned)(offset >> 4), byte = offset & 15;
    (void)size;
    if (!(access_of(l, reg) & ACC_R)) {
        lapic_error(l, ESR_REGISTER);
        return 0;
    }
    /* only aligned 32-bit accesses are defined; parts of the register are given to narrower ones, nothing beyond it */
    return byte < 4 ? reg_read(l, reg) >> 8 * byte : 0;
}

void lapic_mmio_write(struct cpu *cpu, uint64_t offset, unsigned size, uint64_t val) {
    struct lapic *l = cpu->lapic;
    unsigned reg = (unsigned)(offset >> 4);
    if ((offset & 15) || size < 4) return; /* undefined by the manual: dropped */
    if (!(access_of(l, reg) & ACC_W)) {
        lapic_error(l, ESR_REGISTER);
        return;
    }
    reg_write(l, reg, (uint32_t)val & writable(l, reg));
}

/* ---- x2APIC MSRs: SDM 3, "x2APIC Register Address Space" and "Reserved Bit Checking" ---- */

bool lapic_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    struct lapic *l = cpu->lapic;
    unsigned reg = msr - 0x800;
    if (!lapic_x2(l) || !(access_of(l, reg) & ACC_X2R)) return false;
    *val = reg == APIC_ICR ? l->icr : reg_read(l, reg);
    return true;
}

bool lapic_msr_write(struct cpu *cpu, uint32_t msr, uint64_t val) {
    struct lapic *l = cpu->lapic;
    unsigned reg = msr - 0x800;
    if (!lapic_x2(l) || !(access_of(l, reg) & ACC_X2W)) return false;
    if (reg == APIC_ICR) {
        if ((uint32_t)val & ~(writable(l, reg) | read_only(reg))) return false;
        l->icr = val & ~(uint64_t)read_only(reg);
        lapic_send(l, l->icr);
        return true;
    }
    if (val & ~(uint64_t)(writable(l, reg) | read_only(reg))) return false;
    if (reg == APIC_SELF_IPI)
        lapic_send(l, (val & 0xFF) | 1u << 18);
    else
        reg_write(l, reg, (uint32_t)val & writable(l, reg));
    return true;
}

/* ---- enabling: SDM 3, "x2APIC State Transitions" ---- */

static uint32_t x2_ldr(uint32_t id) { return id >> 4 << 16 | 1u << (id & 15); }

static void power_up(struct lapic *l) {
    lapic_timer_reset(l);
    l->tpr = l->ldr = l->esr = l->esr_pending = 0;
    l->dfr = 0xFFFFFFFF;
    l->svr = 0xFF;
    l->icr = 0;
    l->extint = false;
    memset(l->isr, 0, sizeof l->isr);
    memset(l->tmr, 0, sizeof l->tmr);
    memset(l->irr, 0, sizeof l->irr);
    for (unsigned i = 0; i < LVT_ALL; i++) l->lvt[i] = LVT_MASKED;
    if (lapic_x2(l)) l->ldr = x2_ldr(l->id);
    lapic_update(l);
}

bool lapic_set_base(struct cpu *cpu, uint64_t val) {
    struct lapic *l = cpu->lapic;
    uint64_t old = cpu->msr.apic_base, state = APIC_BASE_EN | APIC_BASE_EXTD;
    uint64_t legal = (((1ull << cpu->model->phys_bits) - 1) & PAGE_MASK) | APIC_BASE_EN | APIC_BASE_BSP;
    if (cpu_has(cpu, FEAT_X2APIC)) legal |= APIC_BASE_EXTD;
    if (val & ~legal) return false;
    bool was_on = old & APIC_BASE_EN, was_x2 = old & APIC_BASE_EXTD, on = val & APIC_BASE_EN, x2 = val & APIC_BASE_EXTD;
    if (x2 && !on) return false;           /* invalid state */
    if (x2 && !was_on) return false;       /* disabled to x2APIC */
    if (was_x2 && on && !x2) return false; /* x2APIC to xAPIC */
    cpu->msr.apic_base = val;
    if (was_on && !on) power_up(l);
    if (x2 && !was_x2) {
        l->id = cpu->apic_id; /* the x2APIC ID is the initial one */
        l->ldr = x2_ldr(l->id);
    }
    if (was_x2 && !on) l->id = (uint8_t)cpu->apic_id;
    if (((old ^ val) & (PAGE_MASK | state))) memory_layout_changed(cpu->machine);
    lapic_update(l);
    return true;
}

/* ---- life, and the processor's view ---- */

void lapic_reset(struct lapic *l, bool init) {
    struct cpu *cpu = l->cpu;
    if (!init) {
        l->id = (uint8_t)cpu->apic_id;
        cpu->msr.apic_base = 0xFEE00000 | APIC_BASE_EN | (cpu->id == 0 ? APIC_BASE_BSP : 0);
    }
    power_up(l);
}

struct lapic *lapic_create(struct cpu *cpu) {
    struct lapic *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->cpu = cpu;
    lapic_timer_init(l);
    return l;
}

void lapic_destroy(struct lapic *l) {
    if (!l) return;
    timer_cancel(l->cpu->machine, &l->timer);
    free(l);
}

void lapic_set_virtual_wire(struct cpu *cpu) {
    struct lapic *l = cpu->lapic;
    l->svr = SVR_ENABLE | 0xFF;
    *lapic_lvt(l, APIC_LVT_LINT0) = APIC_EXTINT << 8;
    *lapic_lvt(l, APIC_LVT_LINT1) = APIC_NMI << 8;
    lapic_update(l);
}

void lapic_signal_cmci(struct cpu *cpu) { lapic_fire_lvt(cpu->lapic, APIC_LVT_CMCI); }

uint8_t lapic_get_tpr(struct cpu *cpu) { return (uint8_t)cpu->lapic->tpr; }

void lapic_set_tpr(struct cpu *cpu, uint8_t tpr) {
    cpu->lapic->tpr = tpr;
    lapic_update(cpu->lapic);
}

bool lapic_enabled(const struct cpu *cpu) { return hw_enabled(cpu->lapic); }
