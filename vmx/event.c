/* Exceptions, interrupts and what is due between two instructions of the guest. SDM 3, "Other Causes of VM Exits",
 * "Monitor Trap Flag", "VMX-Preemption Timer", "Event Blocking" */
#include "vmx/vapic.h"

/* ---- exceptions ---- */

static bool bitmap_hit(const uint64_t *f, const struct event *ev) {
    bool set = f[F_EXCEPTION_BITMAP] >> ev->vector & 1;
    if (ev->vector != VEC_PF) return set;
    bool match = (ev->error & f[F_PF_ERROR_CODE_MASK]) == f[F_PF_ERROR_CODE_MATCH];
    return set == match;
}

void vmx_exception(struct cpu *cpu, const struct event *ev) {
    bool soft = ev->type == EVT_SOFT_EXC || ev->type == EVT_PRIV_SOFT_EXC;
    if (!soft && ev->type != EVT_HARD_EXC) return;
    if (ev->vector > 31 || !bitmap_hit(vmcs_data(cpu), ev)) return;
    struct vmx_exit x = {.reason = VMX_REASON_EXCEPTION_OR_NMI,
                         .info = VMX_INFO_VALID | ev->vector | (uint32_t)ev->type << VMX_INFO_TYPE_SHIFT,
                         .rip = vmx_insn_rip(cpu),
                         .length = soft ? (uint32_t)ev->insn_len : 0,
                         .set_rf = event_sets_rf(cpu, ev),
                         .direct = ev->vector == VEC_DF};
    if (ev->has_error) {
        x.info |= VMX_INFO_ERROR_CODE;
        x.error = ev->error;
    }
    if (ev->vector == VEC_PF) x.qualification = ev->info;
    if (ev->vector == VEC_DB && !soft) {
        x.qualification = ev->info & (VMX_PENDING_BP | DR6_BD | DR6_BS);
        cpu->dbg.pending = 0;
    }
    if (!cpu->delivering.valid && vmx_iret_unblocked_now(cpu)) x.info |= VMX_INFO_NMI_UNBLOCK;
    vmx_exit(cpu, &x);
}

/* ---- NMI blocking and IRET ---- */

void vmx_iret_unblock(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    bool *blocked = v->pin & VMX_PIN_VIRTUAL_NMIS ? &v->vnmi_blocked : &cpu->intr.nmi_blocked;
    /* "NMI exiting" without "virtual NMIs": IRET does not affect blocking by NMI */
    if ((v->pin & VMX_PIN_NMI_EXITING) && !(v->pin & VMX_PIN_VIRTUAL_NMIS)) return;
    if (*blocked) v->iret_icount = cpu_icount(cpu);
    *blocked = false;
}

/* Did the instruction that is faulting now, an IRET, remove the blocking? */
bool vmx_iret_unblocked_now(const struct cpu *cpu) { return vmx_of(cpu)->iret_icount == cpu_icount(cpu); }

/* ---- asynchronous events ---- */

/* SDM 3, "Saving RIP, RSP, RFLAGS, and SSP": RF is saved as the image of an event's delivery would have it; for what is
 * not delivered through the IDT, as it is. */
_Noreturn static void exit_between(struct cpu *cpu, uint32_t reason, uint64_t qualification, uint32_t info) {
    bool delivered = reason == VMX_REASON_EXTERNAL_INTERRUPT || reason == VMX_REASON_EXCEPTION_OR_NMI;
    struct vmx_exit x = {.reason = reason,
                         .qualification = qualification,
                         .info = info,
                         .rip = cpu->rip,
                         .set_rf = delivered && cpu->intr.rep_partial};
    vmx_exit(cpu, &x);
}

static bool external_interrupt(struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    if (!(v->pin & VMX_PIN_EXTERNAL_INTERRUPT_EXITING)) return true;
    if (cpu->intr.sti_shadow || cpu->intr.movss_shadow || cpu->intr.activity == ACT_SHUTDOWN ||
        cpu->intr.activity == ACT_WAIT_SIPI)
        return false;
    uint32_t info = 0;
    if (v->exit & VMX_EXIT_ACK_INTERRUPT_ON_EXIT) info = VMX_INFO_VALID | lapic_acknowledge(cpu);
    if ((v->pin & VMX_PIN_POSTED_INTERRUPTS) && (info & VMX_INFO_VECTOR) == vmcs_data(cpu)[F_POSTED_VECTOR]) {
        vapic_posted(cpu);
        if (vapic_deliverable(cpu)) vapic_deliver(cpu);
        return false;
    }
    exit_between(cpu, VMX_REASON_EXTERNAL_INTERRUPT, 0, info);
}

static bool nmi(struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    if (!(v->pin & VMX_PIN_NMI_EXITING)) return true;
    if (cpu->intr.nmi_blocked || cpu->intr.movss_shadow || cpu->intr.activity == ACT_WAIT_SIPI) return false;
    cpu->intr.attn &= ~(uint32_t)ATTN_NMI;
    exit_between(cpu, VMX_REASON_EXCEPTION_OR_NMI, 0,
                 VMX_INFO_VALID | VEC_NMI | (uint32_t)EVT_NMI << VMX_INFO_TYPE_SHIFT);
}

static bool init_signal(struct cpu *cpu) {
    if (!cpu->virt.guest)
        return !vmx_of(cpu)->on; /* SDM 3, "Restrictions on VMX Operation": blocked in VMX root operation */
    cpu->intr.attn &= ~(uint32_t)ATTN_INIT;
    exit_between(cpu, VMX_REASON_INIT, 0, 0);
}

static void triple_fault(struct cpu *cpu) {
    struct vmx_exit x = {.reason = VMX_REASON_TRIPLE_FAULT, .rip = vmx_insn_rip(cpu), .direct = true};
    vmx_exit(cpu, &x);
}

bool vmx_event(struct cpu *cpu, enum virt_event ev) {
    if (vmx_of(cpu)->aborted) return false; /* SDM 3, "VMX Aborts": only RESET ends that shutdown */
    switch (ev) {
    case VIRT_INIT:
        return init_signal(cpu);
    case VIRT_EXTERNAL_INTERRUPT:
        return !cpu->virt.guest || external_interrupt(cpu);
    case VIRT_NMI:
        return !cpu->virt.guest || nmi(cpu);
    case VIRT_SIPI:
        if (cpu->virt.guest) exit_between(cpu, VMX_REASON_SIPI, cpu->intr.sipi_vector, 0);
        return !vmx_of(cpu)->on;
    case VIRT_TRIPLE_FAULT:
        if (cpu->virt.guest) triple_fault(cpu);
        return true;
    default:
        return true;
    }
}

/* ---- the VMX-preemption timer ---- */

static uint64_t host_tsc(const struct cpu *cpu) { return cpu_cycles(cpu) + cpu->time.tsc_offset; }

static unsigned timer_shift(const struct vmx *v) { return v->caps.misc & VMX_MISC_TIMER_RATE; }

/* It counts down each time that bit n (the rate in IA32_VMX_MISC) of the TSC changes. */
void vmx_timer_start(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    uint64_t now = host_tsc(cpu);
    v->timer_end = ((now >> timer_shift(v)) + vmcs_data(cpu)[F_PREEMPTION_TIMER_VALUE]) << timer_shift(v);
    uint64_t wait = v->timer_end > now ? v->timer_end - now : 0;
    if (wait) timer_arm(cpu->machine, &v->timer, machine_now(cpu->machine) + wait);
}

uint32_t vmx_timer_stop(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    uint64_t now = host_tsc(cpu) >> timer_shift(v), end = v->timer_end >> timer_shift(v);
    timer_cancel(cpu->machine, &v->timer);
    return end > now ? (uint32_t)(end - now) : 0;
}

void vmx_timer_expired(void *arg) { cpu_attention(arg, ATTN_VIRT); }

static bool timer_due(const struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    return (v->pin & VMX_PIN_PREEMPTION_TIMER) && host_tsc(cpu) >= v->timer_end;
}

/* ---- between two instructions ---- */

static bool mtf_due(const struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    return v->mtf_pending || (vmx_proc(v, VMX_PROC_MONITOR_TRAP_FLAG) && cpu_cycles(cpu) > v->mtf_cycles);
}

void vmx_update_attention(struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    bool step = v->mtf_pending || vmx_proc(v, VMX_PROC_MONITOR_TRAP_FLAG);
    bool window = vmx_proc(v, VMX_PROC_INTERRUPT_WINDOW_EXITING | VMX_PROC_NMI_WINDOW_EXITING);
    cpu->virt.step = step;
    if (step || window || v->trap_exit || v->virtual_pending || timer_due(cpu))
        cpu->intr.attn |= ATTN_VIRT;
    else
        cpu->intr.attn &= ~(uint32_t)ATTN_VIRT;
}

/* Order: SDM 3, table "Priority Among Concurrent Events" with the VM exits of "Other Causes of VM Exits" in it */
bool vmx_attention(struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    bool shadow = cpu->intr.sti_shadow || cpu->intr.movss_shadow, awake = cpu->intr.activity != ACT_WAIT_SIPI;
    if (!cpu->virt.guest) {
        cpu->intr.attn &= ~(uint32_t)ATTN_VIRT;
        return false;
    }
    if (mtf_due(cpu)) exit_between(cpu, VMX_REASON_MONITOR_TRAP_FLAG, 0, 0);
    if (v->trap_exit) exit_between(cpu, v->trap_exit, v->trap_qualification, 0);
    if (cpu->dbg.pending && !cpu->intr.movss_shadow) return false; /* debug traps come first */
    if (timer_due(cpu) && awake) exit_between(cpu, VMX_REASON_PREEMPTION_TIMER, 0, 0);
    if (vmx_proc(v, VMX_PROC_NMI_WINDOW_EXITING) && !v->vnmi_blocked && !shadow && awake)
        exit_between(cpu, VMX_REASON_NMI_WINDOW, 0, 0);
    if (vmx_proc(v, VMX_PROC_INTERRUPT_WINDOW_EXITING) && (cpu->rflags & FLAG_IF) && !shadow && awake &&
        cpu->intr.activity != ACT_SHUTDOWN)
        exit_between(cpu, VMX_REASON_INTERRUPT_WINDOW, 0, 0);
    if (!vapic_deliverable(cpu)) return false;
    vapic_deliver(cpu);
    return true;
}
