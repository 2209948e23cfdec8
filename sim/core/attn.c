/* What happens between two instructions. SDM 3 "Prioritization of Concurrent Events"; APM 2 "Priorities"; "Activity
 * State" for what wakes. */
#include "sim/arch/msr.h"
#include "sim/core/debug.h"
#include "sim/core/flags.h"
#include "sim/core/mce.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"
#include "sim/ops/sys.h"

static void withdraw(struct cpu *cpu, uint32_t bit) { cpu->intr.attn &= ~bit; }

/* The extension may take the event (and not return), allow it (true) or keep it pending (false). */
static bool extension_allows(struct cpu *cpu, enum virt_event ev) {
    const struct virt_ops *ops = cpu->virt.ops;
    if (!ops || !ops->event || !(cpu->virt.operation || cpu->virt.guest || !cpu->intr.gif)) return true;
    return ops->event(cpu, ev);
}

static void wake(struct cpu *cpu) {
    cpu->intr.activity = ACT_ACTIVE;
    cpu->intr.monitor_addr = ~0ull;
}

static void deliver(struct cpu *cpu, unsigned vec, enum event_type type, uint64_t info) {
    struct event ev = {.valid = true, .vector = (uint8_t)vec, .type = (uint8_t)type, .info = info};
    wake(cpu);
    cpu_charge(cpu, 1);
    deliver_event(cpu, &ev);
    cpu->intr.sti_shadow = false; /* an NMI may come in it */
}

/* ---- in falling priority; true: something was done, look at the boundary again ---- */

/* SDM 3, table "Priority Among Concurrent Events": machine checks come first. APM 2, "Effect of the GIF on Interrupt
 * Handling": held pending while GIF = 0. */
static bool take_machine_check(struct cpu *cpu) {
    if (!(cpu->intr.attn & ATTN_MC) || !cpu->intr.gif) return false;
    if (cpu->intr.activity == ACT_WAIT_SIPI || cpu->intr.activity == ACT_SHUTDOWN) return false;
    withdraw(cpu, ATTN_MC);
    wake(cpu);
    mce_take(cpu);
    return true;
}

static bool take_init(struct cpu *cpu) {
    if (!(cpu->intr.attn & ATTN_INIT) || cpu->intr.smm) return false; /* SDM 3, "SMM Handler Execution Environment" */
    if (cpu->intr.activity == ACT_WAIT_SIPI) {                        /* not recognized there */
        withdraw(cpu, ATTN_INIT);
        return false;
    }
    if (!extension_allows(cpu, VIRT_INIT)) return false;
    uint32_t startup = cpu->intr.attn & ATTN_SIPI; /* came after the INIT: see receive() in sim/dev/lapic_ipi.c */
    uint8_t vector = cpu->intr.sipi_vector;
    cpu_reset(cpu, true);
    cpu->intr.attn |= startup;
    cpu->intr.sipi_vector = vector;
    cpu->intr.activity = cpu->msr.apic_base & APIC_BASE_BSP ? ACT_ACTIVE : ACT_WAIT_SIPI;
    return true;
}

static bool take_sipi(struct cpu *cpu) {
    if (!(cpu->intr.attn & ATTN_SIPI)) return false;
    withdraw(cpu, ATTN_SIPI); /* lost unless it is waited for */
    if (cpu->intr.activity != ACT_WAIT_SIPI || !extension_allows(cpu, VIRT_SIPI)) return false;
    struct seg *cs = &cpu->seg[SEG_CS];
    cs->sel = (uint16_t)(cpu->intr.sipi_vector << 8);
    cs->base = (uint32_t)cpu->intr.sipi_vector << 12;
    cpu->rip = 0;
    cpu->intr.activity = ACT_ACTIVE;
    cpu_update_mode(cpu);
    return true;
}

static bool take_smi(struct cpu *cpu) {
    if (!(cpu->intr.attn & ATTN_SMI) || cpu->intr.smm || cpu->intr.activity == ACT_WAIT_SIPI) return false;
    if (!extension_allows(cpu, VIRT_SMI)) return false;
    withdraw(cpu, ATTN_SMI);
    smm_enter(cpu);
    return true;
}

/* Windows, virtual interrupts, timers and the monitor trap flag of the extension */
static bool take_virtual(struct cpu *cpu) {
    if (!(cpu->intr.attn & ATTN_VIRT) && !cpu->virt.step) return false;
    if (!cpu->virt.ops || !cpu->virt.ops->attention) return false;
    return cpu->virt.ops->attention(cpu);
}

/* SDM 3, "Debug Exceptions": MOV SS and POP SS hold debug traps back until the next instruction is done. */
static bool take_debug_trap(struct cpu *cpu) {
    uint32_t pending = cpu->dbg.pending;
    if (!pending || cpu->intr.movss_shadow) return false;
    if (cpu->intr.activity == ACT_SHUTDOWN || cpu->intr.activity == ACT_WAIT_SIPI) return false;
    cpu->dbg.pending = 0;
    withdraw(cpu, ATTN_DEBUG);
    struct event ev = {.valid = true, .vector = VEC_DB, .type = EVT_HARD_EXC, .info = pending};
    deliver_exception(cpu, &ev);
    return true;
}

/* The extension is asked first: NMI exiting and GIF do not follow the processor's own blocking. */
static bool take_nmi(struct cpu *cpu) {
    if (!(cpu->intr.attn & ATTN_NMI) || cpu->intr.activity == ACT_WAIT_SIPI) return false;
    if (cpu->intr.movss_shadow) return false;
    if (!extension_allows(cpu, VIRT_NMI) || cpu->intr.nmi_blocked || !cpu->intr.gif) return false;
    withdraw(cpu, ATTN_NMI);
    cpu->intr.nmi_blocked = true;
    deliver(cpu, VEC_NMI, EVT_NMI, 0);
    return true;
}

static bool interrupts_allowed(struct cpu *cpu) {
    bool ok = (cpu->rflags & FLAG_IF) && !cpu->intr.sti_shadow && !cpu->intr.movss_shadow;
    const struct virt_ops *ops = cpu->virt.ops;
    return ops && ops->intr_allowed ? ops->intr_allowed(cpu, ok) : ok && cpu->intr.gif;
}

static bool take_interrupt(struct cpu *cpu) {
    bool pic;
    if (!(cpu->intr.attn & ATTN_INTR)) return false;
    if (cpu->intr.activity == ACT_WAIT_SIPI || cpu->intr.activity == ACT_SHUTDOWN) return false;
    if (lapic_pending(cpu, &pic) < 0) return false;
    if (!extension_allows(cpu, VIRT_EXTERNAL_INTERRUPT) || !interrupts_allowed(cpu)) return false;
    deliver(cpu, lapic_acknowledge(cpu), EVT_EXTERNAL, 0);
    return true;
}

/* ---- waiting ---- */

/* A store to the monitored line shows as a change of what it holds; MWAIT with ECX bit 0 ends for an interrupt with IF
 * = 0 too. */
static bool mwait_over(struct cpu *cpu) {
    bool pic;
    if (monitor_sum(cpu) != cpu->intr.monitor_sum) return true;
    return cpu->intr.mwait_breaks && (cpu->intr.attn & ATTN_INTR) && lapic_pending(cpu, &pic) >= 0;
}

static bool running(struct cpu *cpu) {
    if (cpu->intr.activity == ACT_MWAIT && mwait_over(cpu)) wake(cpu);
    return cpu->intr.activity == ACT_ACTIVE;
}

bool cpu_service_attention(struct cpu *cpu) {
    while (take_machine_check(cpu) || take_smi(cpu) || take_init(cpu) || take_sipi(cpu) || take_virtual(cpu) ||
           take_debug_trap(cpu) || take_nmi(cpu) || take_interrupt(cpu)) {
        if (cpu->budget + cpu->time.stolen <= 0) break; /* what is left comes with the next slice */
    }
    return running(cpu);
}
