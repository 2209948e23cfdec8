/* Exceptions, interrupts and what SVM does with them. */
#include "mmu/mmu.h"
#include "sim/core/mem.h"
#include "sim/machine/machine.h"
#include "svm/svm.h"

/* ---- events in the formats of the VMCB ---- */

static enum eventinj_type inj_type_of(const struct event *ev) {
    switch (ev->type) {
    case EVT_EXTERNAL:
        return EVENTINJ_INTR;
    case EVT_NMI:
        return EVENTINJ_NMI;
    case EVT_SOFT_INT:
        return EVENTINJ_SOFT_INT;
    default:
        return EVENTINJ_EXCEPTION;
    }
}

/* APM 2, "Intercepts During IDT Interrupt Delivery" */
uint64_t svm_exitintinfo(const struct event *ev) {
    uint64_t info = ev->vector | (uint64_t)inj_type_of(ev) << EVENTINJ_TYPE_SHIFT | EVENTINJ_V;
    if (ev->has_error) info |= EVENTINJ_EV | (uint64_t)ev->error << EVENTINJ_ERROR_SHIFT;
    return info;
}

/* A software event returns to nRIP, wherever that is, on a processor that has it; 0 there gives none. */
static uint64_t soft_length(const struct svm *s) {
    uint64_t next = s->vmcb.control.nrip;
    return next && svm_has(s, SVM_FEATURE_NRIPS) ? next - s->vmcb.save.rip : 0;
}

struct event svm_event_from_inj(const struct svm *s, uint64_t inj) {
    struct event ev = {.valid = true, .vector = inj & EVENTINJ_VECTOR};
    switch (inj >> EVENTINJ_TYPE_SHIFT & EVENTINJ_TYPE_MASK) {
    case EVENTINJ_INTR:
        ev.type = EVT_EXTERNAL;
        return ev;
    case EVENTINJ_NMI:
        ev.type = EVT_NMI;
        ev.vector = VEC_NMI;
        return ev;
    case EVENTINJ_SOFT_INT:
        ev.type = EVT_SOFT_INT;
        ev.insn_len = soft_length(s);
        return ev;
    default:
        break;
    }
    bool soft = ev.vector == VEC_BP || ev.vector == VEC_OF;
    ev.type = soft ? EVT_SOFT_EXC : EVT_HARD_EXC;
    ev.insn_len = soft ? soft_length(s) : 0;
    ev.has_error = inj & EVENTINJ_EV;
    ev.error = (uint32_t)(inj >> EVENTINJ_ERROR_SHIFT);
    return ev;
}

/* ---- exceptions ---- */

/* APM 2, "Exception Intercepts": tested on the exception itself, before it can become a double fault; INT n is INTn's
 * intercept, not these. */
void svm_exception(struct cpu *cpu, const struct event *ev) {
    struct svm *s = svm_of(cpu);
    s->trap_pending = false; /* the instruction that asked for it has faulted */
    if (ev->type == EVT_SOFT_INT || ev->type == EVT_EXTERNAL || ev->type == EVT_NMI) return;
    if (ev->type == EVT_PRIV_SOFT_EXC) return; /* "ICEBP Instruction Intercept": #DB's intercept is not for it */
    if (ev->vector >= 32 || !svm_intercepts(s, VMEXIT_EXCP0 + ev->vector)) return;
    /* "#DB": DR6 is written before the intercept; "#PF": CR2 is not. */
    if (ev->vector == VEC_DB) cpu->dbg.dr6 = (cpu->dbg.dr6 & ~0xFull) | (ev->info & (0xF | DR6_BD | DR6_BS | DR6_BT));
    svm_vmexit(cpu, VMEXIT_EXCP0 + ev->vector, ev->has_error ? ev->error : 0, ev->vector == VEC_PF ? ev->info : 0);
}

/* While an injected software event is delivered RIP is behind its instruction; an exit shows the instruction. */
void svm_unwind_injection(struct cpu *cpu) {
    const struct event *ev = &cpu->delivering;
    if (ev->valid && !cpu->cur && event_is_soft(ev)) cpu->rip -= ev->insn_len;
}

void svm_second_stage_fault(struct cpu *cpu, const struct mmu_result *r, unsigned access) {
    (void)access; /* the walker has put it into the error code */
    svm_unwind_injection(cpu);
    svm_vmexit(cpu, VMEXIT_NPF, r->error | (uint64_t)r->error_hi << 32, r->gpa);
}

/* ---- asynchronous events ---- */

static void exit_if(struct cpu *cpu, unsigned code) {
    if (cpu->virt.guest && svm_intercepts(svm_of(cpu), code)) svm_vmexit(cpu, code, 0, 0);
}

/* APM 2, "Physical (INTR) Interrupt Masking in EFLAGS": with V_INTR_MASKING the host's IF counts for physical
 * interrupts. */
static bool physical_if(const struct cpu *cpu) {
    const struct svm *s = cpu->virt.state;
    return cpu->virt.guest && s->v_intr_masking ? s->host_if : (cpu->rflags & FLAG_IF) != 0;
}

/* "VM_CR.R_INIT": an INIT becomes a security exception. */
static bool redirect_init(struct cpu *cpu) {
    const struct event sx = {
        .valid = true, .vector = VEC_SX, .type = EVT_HARD_EXC, .has_error = true, .error = SX_ERROR_INIT};
    if (!(svm_of(cpu)->vm_cr & VM_CR_R_INIT)) return true;
    cpu->intr.attn &= ~(uint32_t)ATTN_INIT;
    deliver_exception(cpu, &sx);
    return false;
}

/* APM 2, "Global Interrupt Flag, STGI and CLGI Instructions": with GIF = 0 these wait. An intercepted event stays
 * pending: the host takes it after STGI. A shadow does not hold off an intercept. */
bool svm_event(struct cpu *cpu, enum virt_event ev) {
    switch (ev) {
    case VIRT_EXTERNAL_INTERRUPT:
        if (!cpu->intr.gif || !physical_if(cpu)) return false;
        exit_if(cpu, VMEXIT_INTR);
        return true;
    case VIRT_NMI:
        if (!cpu->intr.gif) return false;
        exit_if(cpu, VMEXIT_NMI);
        return true;
    case VIRT_SMI:
        if (!cpu->intr.gif) return false;
        exit_if(cpu, VMEXIT_SMI);
        return true;
    case VIRT_INIT:
        if (!cpu->intr.gif) return false;
        exit_if(cpu, VMEXIT_INIT);
        return redirect_init(cpu);
    case VIRT_TRIPLE_FAULT:
    case VIRT_SHUTDOWN:
        exit_if(cpu, VMEXIT_SHUTDOWN);
        return true;
    default:
        return true;
    }
}

bool svm_intr_allowed(struct cpu *cpu, bool if_ok) {
    if (!cpu->intr.gif) return false;
    if (!cpu->virt.guest || !svm_of(cpu)->v_intr_masking) return if_ok;
    return svm_of(cpu)->host_if && !cpu->intr.sti_shadow && !cpu->intr.movss_shadow;
}

/* ---- virtual interrupts and write traps ---- */

/* APM 2, "Injecting Virtual (INTR) Interrupts" */
static bool virtual_interrupt_ready(const struct cpu *cpu) {
    const struct svm *s = cpu->virt.state;
    uint64_t v = s->vmcb.control.v_intr;
    if (!(v & V_IRQ) || !cpu->intr.gif || !(cpu->rflags & FLAG_IF)) return false;
    if (cpu->intr.sti_shadow || cpu->intr.movss_shadow) return false;
    return (v & V_IGN_TPR) || (v >> V_PRIO_SHIFT & V_PRIO_MASK) > (v & V_TPR_MASK);
}

static void take_virtual_interrupt(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    if (svm_intercepts(s, VMEXIT_VINTR)) svm_vmexit(cpu, VMEXIT_VINTR, 0, 0);
    const struct event ev = {
        .valid = true, .type = EVT_EXTERNAL, .vector = (uint8_t)(s->vmcb.control.v_intr >> V_VECTOR_SHIFT)};
    s->vmcb.control.v_intr &= ~V_IRQ;
    svm_update_attention(cpu);
    cpu->intr.activity = ACT_ACTIVE;
    deliver_event(cpu, &ev);
}

/* "Physical interrupts take priority over virtual interrupts, whether they are taken directly or through a #VMEXIT"; so
 * do NMIs and debug traps: the core looks at them next. */
static bool outranked(struct cpu *cpu) {
    bool pic;
    if (cpu->dbg.pending) return true;
    if ((cpu->intr.attn & ATTN_NMI) && (!cpu->intr.nmi_blocked || svm_intercepts(svm_of(cpu), VMEXIT_NMI))) return true;
    return (cpu->intr.attn & ATTN_INTR) && physical_if(cpu) && lapic_pending(cpu, &pic) >= 0;
}

bool svm_attention(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    if (cpu->intr.smm && !cpu->virt.guest) return false; /* RSM may return to the guest */
    if (cpu->virt.guest && s->trap_pending) {
        s->trap_pending = false;
        svm_vmexit(cpu, s->trap_code, s->trap_info, 0);
    }
    if (cpu->virt.guest && virtual_interrupt_ready(cpu) && !outranked(cpu)) {
        take_virtual_interrupt(cpu);
        return true;
    }
    svm_update_attention(cpu);
    return false;
}

void svm_update_attention(struct cpu *cpu) {
    const struct svm *s = cpu->virt.state;
    if (cpu->virt.guest && (s->trap_pending || (s->vmcb.control.v_intr & V_IRQ)))
        cpu->intr.attn |= ATTN_VIRT; /* all who come here are about to return to the run loop */
    else
        cpu->intr.attn &= ~(uint32_t)ATTN_VIRT;
}
