/* Event injection. SDM 3, "Event Injection" */
#include "vmx/vmx.h"

/* SDM 3, "Delivery of Pending Debug Exceptions after VM Entry": these injections leave none pending. */
static bool drops_pending_debug(const struct cpu *cpu, unsigned type) {
    bool soft = type == EVT_SOFT_INT || type == EVT_PRIV_SOFT_EXC;
    return !soft || !cpu->intr.movss_shadow;
}

void vmx_inject(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    const uint64_t *f = vmcs_data(cpu);
    uint32_t info = (uint32_t)f[F_ENTRY_INTERRUPTION_INFO];
    unsigned type = info >> VMX_INFO_TYPE_SHIFT & 7;
    if (!(info & VMX_INFO_VALID)) return;
    if (type == EVT_OTHER) { /* a pending MTF VM exit */
        v->mtf_pending = true;
        vmx_update_attention(cpu);
        return;
    }
    struct event ev = {.valid = true,
                       .vector = info & VMX_INFO_VECTOR,
                       .type = (uint8_t)type,
                       .has_error = info & VMX_INFO_ERROR_CODE,
                       .error = (uint32_t)f[F_ENTRY_EXCEPTION_ERROR_CODE]};
    if (type == EVT_SOFT_INT || type == EVT_PRIV_SOFT_EXC || type == EVT_SOFT_EXC) {
        ev.insn_len = (uint8_t)f[F_ENTRY_INSTRUCTION_LENGTH];
        cpu->rip = (cpu->rip + ev.insn_len) & cpu_ip_mask(cpu);
    }
    if (drops_pending_debug(cpu, type)) cpu->dbg.pending = 0;
    if (type == EVT_NMI) {
        if (v->pin & VMX_PIN_VIRTUAL_NMIS)
            v->vnmi_blocked = true;
        else
            cpu->intr.nmi_blocked = true;
    }
    cpu->intr.activity = ACT_ACTIVE;
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
    if (vmx_proc(v, VMX_PROC_MONITOR_TRAP_FLAG))
        v->mtf_pending = true; /* after the delivery, before the handler's first instruction */
    deliver_event(cpu, &ev);
}
