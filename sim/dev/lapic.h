/* The local APIC's state and what its three files share: registers (lapic.c), delivery (lapic_ipi.c), timer
 * (lapic_timer.c). */
#ifndef HVSIM_DEV_LAPIC_H
#define HVSIM_DEV_LAPIC_H

#include "sim/arch/msr.h"
#include "sim/machine/machine.h"

/* Register numbers: xAPIC offset >> 4, x2APIC MSR - 800H. SDM 3, "Local APIC Register Address Map" */
enum lapic_reg_nr {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08,
    APIC_APR = 0x09,
    APIC_PPR = 0x0A,
    APIC_EOI = 0x0B,
    APIC_RRD = 0x0C,
    APIC_LDR = 0x0D,
    APIC_DFR = 0x0E,
    APIC_SVR = 0x0F,
    APIC_ISR = 0x10,
    APIC_TMR = 0x18,
    APIC_IRR = 0x20,
    APIC_ESR = 0x28,
    APIC_LVT_CMCI = 0x2F,
    APIC_ICR = 0x30,
    APIC_ICR2 = 0x31,
    APIC_LVT_TIMER = 0x32,
    APIC_LVT_THERMAL = 0x33,
    APIC_LVT_PMC = 0x34,
    APIC_LVT_LINT0 = 0x35,
    APIC_LVT_LINT1 = 0x36,
    APIC_LVT_ERROR = 0x37,
    APIC_TIMER_INITIAL = 0x38,
    APIC_TIMER_CURRENT = 0x39,
    APIC_TIMER_DIVIDE = 0x3E,
    APIC_SELF_IPI = 0x3F,
    APIC_REGS = 0x40
};

/* Delivery modes, of LVT entries, ICR and redirection entries */
enum apic_delivery { APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_RESERVED3, APIC_NMI, APIC_INIT, APIC_SIPI, APIC_EXTINT };

#define LVT_DELIVERY(v)   ((v) >> 8 & 7)
#define LVT_LEVEL         (1u << 15)
#define LVT_REMOTE_IRR    (1u << 14)
#define LVT_MASKED        (1u << 16)
#define LVT_TIMER_MODE(v) ((v) >> 17 & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

#define SVR_ENABLE       (1u << 8)
#define SVR_NO_BROADCAST (1u << 12)

/* ESR bits */
#define ESR_SEND_VECTOR    (1u << 5)
#define ESR_RECEIVE_VECTOR (1u << 6)
#define ESR_REGISTER       (1u << 7)

struct lapic {
    struct cpu *cpu;
    uint32_t id, tpr, ldr, dfr, svr;
    uint32_t esr, esr_pending; /* as read; errors since the last write of ESR */
    uint32_t isr[8], tmr[8], irr[8];
    uint64_t icr;
    uint32_t lvt[7]; /* from APIC_LVT_TIMER, then CMCI */
    uint32_t timer_initial, timer_divide;
    uint64_t timer_start; /* cycle at which the count began */
    uint64_t deadline;    /* TSC value, 0 = not armed */
    struct timer timer;
    bool lint0;  /* level of the pin: the 8259's INTR */
    bool extint; /* an ExtINT message is pending */
};

static inline bool lapic_x2(const struct lapic *l) { return (l->cpu->msr.apic_base & APIC_BASE_EXTD) != 0; }
static inline bool lapic_is_lvt(unsigned reg) {
    return (reg >= APIC_LVT_TIMER && reg <= APIC_LVT_ERROR) || reg == APIC_LVT_CMCI;
}
static inline uint32_t *lapic_lvt(struct lapic *l, unsigned reg) {
    return &l->lvt[reg == APIC_LVT_CMCI ? 6 : reg - APIC_LVT_TIMER];
}

/* Look again at what the processor is to be told. Call after any change of IRR, ISR, TPR, SVR or LINT0. */
void lapic_update(struct lapic *l);
/* Accept a fixed interrupt into IRR. */
void lapic_accept(struct lapic *l, uint8_t vector, bool level);
/* An LVT entry's source fired. */
void lapic_fire_lvt(struct lapic *l, unsigned reg);
void lapic_error(struct lapic *l, uint32_t bit);
uint8_t lapic_ppr(const struct lapic *l);
void lapic_set_lint0(struct lapic *l, bool level);
/* An IPI as the ICR says. */
void lapic_send(struct lapic *l, uint64_t icr);

void lapic_timer_init(struct lapic *l);
void lapic_timer_reset(struct lapic *l);
uint32_t lapic_timer_current(const struct lapic *l);
void lapic_timer_write_initial(struct lapic *l, uint32_t val);
void lapic_timer_write_divide(struct lapic *l, uint32_t val);
void lapic_timer_write_lvt(struct lapic *l, uint32_t val);

#endif
