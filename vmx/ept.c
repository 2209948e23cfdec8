/* EPT violations and misconfigurations. SDM 3, "EPT-Induced VM Exits", table "Exit Qualification for EPT Violations" */
#include "vmx/vmx.h"

void vmx_second_stage_fault(struct cpu *cpu, const struct mmu_result *r, unsigned access) {
    const struct event *ev = &cpu->delivering;
    bool violation = r->status == MMU_S2_VIOLATION;
    struct vmx_exit x = {.reason = violation ? VMX_REASON_EPT_VIOLATION : VMX_REASON_EPT_MISCONFIGURATION,
                         .gpa = r->gpa,
                         .has_gpa = true,
                         .rip = vmx_delivery_rip(cpu)};
    (void)access;
    if (cpu->cur) x.length = cpu->cur->len;
    if (violation) {
        x.qualification = r->qualification;
        if (r->gla_valid) {
            x.gla = r->la;
            x.has_gla = true;
        }
        if (!ev->valid && vmx_iret_unblocked_now(cpu)) x.qualification |= VMX_INFO_NMI_UNBLOCK;
    }
    /* RF: 1 unless an event is being delivered whose own rule decides */
    x.set_rf = !ev->valid || event_sets_rf(cpu, ev);
    vmx_exit(cpu, &x);
}
