/* VMX as the core sees it: life of the state, and the table of hooks. */
#include <stdlib.h>
#include <string.h>

#include "vmx/vmx.h"

static bool create(struct cpu *cpu) {
    struct vmx *v = calloc(1, sizeof *v);
    if (!v) return false;
    cpu->virt.state = v;
    vmx_caps_init(&v->caps, cpu->model);
    vmcs_field_map_init(&v->map, &v->caps);
    vmx_check_dependencies(v->groups_of);
    vmx_check_index_init(&v->index);
    timer_init(&v->timer, vmx_timer_expired, cpu);
    return true;
}

static void destroy(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    free(v->failure.text);
    free(v);
    cpu->virt.state = NULL;
}

/* RESET and INIT leave VMX operation. Data of active VMCSs is lost by RESET; INIT outside VMX operation keeps it. */
static void reset(struct cpu *cpu, bool init) {
    struct vmx *v = vmx_of(cpu);
    timer_cancel(cpu->machine, &v->timer);
    v->on = false;
    v->current = NULL;
    v->vmxon_ptr = VMX_NO_POINTER;
    v->iret_icount = ~0ull;
    v->aborted = 0;
    v->exit_open = false;
    if (init) return;
    for (unsigned n = 0; n < VMX_ACTIVE_MAX; n++) v->active[n] = (struct vmcs){.addr = VMX_NO_POINTER};
}

const struct virt_ops vmx_virt_ops = {
    .name = "VMX",
    .create = create,
    .destroy = destroy,
    .reset = reset,
    .intercept = vmx_intercept,
    .exception = vmx_exception,
    .event = vmx_event,
    .attention = vmx_attention,
    .cr_write = vmx_cr_write,
    .cr_read = vmx_cr_read,
    .cr_valid = vmx_cr_valid,
    .cr8_read = vmx_cr8_read,
    .cr8_write = vmx_cr8_write,
    .rdmsr = vmx_rdmsr,
    .wrmsr = vmx_wrmsr,
    .tsc = vmx_guest_tsc,
    .insn = vmx_insn,
    .second_stage_fault = vmx_second_stage_fault,
    .special_access = vmx_special_access,
    .iret_unblock = vmx_iret_unblock,
    .report = vmx_report,
    .stats = vmx_stats,
};
