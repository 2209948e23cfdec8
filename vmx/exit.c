/* VM exit: recording why, saving the guest. SDM 3, "VM Exits": "Recording VM-Exit Information and Updating VM-Entry
 * Control Fields", "Saving Guest State", "Saving MSRs". Loading the host is in host.c. */
#include "vmx/vmx.h"

/* ---- recording ---- */

static uint32_t event_info(const struct event *ev) {
    return VMX_INFO_VALID | ev->vector | (uint32_t)ev->type << VMX_INFO_TYPE_SHIFT |
           (ev->has_error ? VMX_INFO_ERROR_CODE : 0);
}

/* SDM 3, "Information for VM Exits That Occur During Event Delivery" */
static void record_vectoring(const struct cpu *cpu, uint64_t *f, const struct vmx_exit *x) {
    const struct event *ev = &cpu->delivering;
    if (!ev->valid || x->direct) {
        f[F_IDT_VECTORING_INFO] = 0;
        return;
    }
    f[F_IDT_VECTORING_INFO] = event_info(ev);
    if (ev->has_error) f[F_IDT_VECTORING_ERROR_CODE] = ev->error;
    if (event_is_soft(ev) || ev->type == EVT_PRIV_SOFT_EXC) f[F_EXIT_INSTRUCTION_LENGTH] = ev->insn_len;
}

static void record(const struct cpu *cpu, uint64_t *f, const struct vmx_exit *x) {
    f[F_EXIT_REASON] = x->reason;
    f[F_EXIT_QUALIFICATION] = x->qualification;
    f[F_EXIT_INTERRUPTION_INFO] = x->info;
    if (x->info & VMX_INFO_ERROR_CODE) f[F_EXIT_INTERRUPTION_ERROR_CODE] = x->error;
    if (x->length) f[F_EXIT_INSTRUCTION_LENGTH] = x->length;
    if (x->has_insn_info) f[F_EXIT_INSTRUCTION_INFO] = x->insn_info;
    if (x->has_gla) f[F_GUEST_LINEAR_ADDRESS] = x->gla;
    if (x->has_gpa) f[F_GUEST_PHYSICAL_ADDRESS] = x->gpa;
    record_vectoring(cpu, f, x);
    f[F_ENTRY_INTERRUPTION_INFO] &= ~(uint64_t)VMX_INFO_VALID;
}

/* ---- saving: what the processor puts there keeps the entry checks satisfied ---- */

static void save_registers(struct cpu *cpu, const struct vmx *v, uint64_t *f) {
    f[F_GUEST_CR0] = cpu->ctl.cr0;
    f[F_GUEST_CR3] = cpu->ctl.cr3;
    f[F_GUEST_CR4] = cpu->ctl.cr4;
    if (v->exit & VMX_EXIT_SAVE_DEBUG_CONTROLS) {
        f[F_GUEST_DR7] = cpu->dbg.dr7;
        f[F_GUEST_IA32_DEBUGCTL] = cpu->dbg.debugctl;
    }
    f[F_GUEST_SYSENTER_CS] = (uint32_t)cpu->msr.sysenter_cs;
    f[F_GUEST_SYSENTER_ESP] = cpu->msr.sysenter_esp;
    f[F_GUEST_SYSENTER_EIP] = cpu->msr.sysenter_eip;
    if (v->exit & VMX_EXIT_SAVE_PAT) f[F_GUEST_IA32_PAT] = cpu->msr.pat;
    if (v->exit & VMX_EXIT_SAVE_EFER) f[F_GUEST_IA32_EFER] = cpu->ctl.efer;
    if (v->entry & VMX_ENTRY_LOAD_PKRS) f[F_GUEST_IA32_PKRS] = cpu->ctl.pkrs;
    if (vmx_can(&v->caps, VMX_ENTRY, VMX_ENTRY_LOAD_CET_STATE)) {
        f[F_GUEST_S_CET] = cpu->cet.s_cet;
        f[F_GUEST_SSP] = cpu->cet.ssp;
        f[F_GUEST_SSP_TABLE] = cpu->cet.ssp_table;
    }
}

static void save_segments(const struct cpu *cpu, uint64_t *f) {
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        const struct seg *seg = &cpu->seg[s];
        f[F_GUEST_ES_SELECTOR + s] = seg->sel;
        f[F_GUEST_ES_BASE + s] = seg->base;
        f[F_GUEST_ES_LIMIT + s] = seg->limit;
        f[F_GUEST_ES_ACCESS + s] = seg->ar;
    }
    f[F_GUEST_SS_ACCESS] = (cpu->seg[SEG_SS].ar & ~AR_DPL) | (uint32_t)cpu->cpl
                                                                 << AR_DPL_SHIFT; /* SS.DPL is CPL, null SS or not */
    f[F_GUEST_GDTR_BASE] = cpu->ctl.gdtr.base;
    f[F_GUEST_GDTR_LIMIT] = cpu->ctl.gdtr.limit;
    f[F_GUEST_IDTR_BASE] = cpu->ctl.idtr.base;
    f[F_GUEST_IDTR_LIMIT] = cpu->ctl.idtr.limit;
}

static uint64_t pending_debug(const struct cpu *cpu, uint32_t block, uint64_t activity) {
    uint32_t p = cpu->dbg.pending;
    bool stepping = (cpu->rflags & FLAG_TF) && !(cpu->dbg.debugctl & DEBUGCTL_BTF);
    uint64_t bs = p & DR6_BS ? VMX_PENDING_BS : 0;
    if ((block & (VMX_BLOCK_STI | VMX_BLOCK_MOV_SS)) || activity == VMX_HLT) bs = stepping ? VMX_PENDING_BS : 0;
    return (p & VMX_PENDING_BP) | (p & VMX_PENDING_BP ? VMX_PENDING_ENABLED : 0) | bs;
}

static void save_non_register(const struct cpu *cpu, const struct vmx *v, uint64_t *f) {
    static const uint8_t activity[] = {[ACT_ACTIVE] = VMX_ACTIVE,
                                       [ACT_HLT] = VMX_HLT,
                                       [ACT_SHUTDOWN] = VMX_SHUTDOWN,
                                       [ACT_WAIT_SIPI] = VMX_WAIT_SIPI,
                                       [ACT_MWAIT] = VMX_ACTIVE};
    bool nmi = v->pin & VMX_PIN_VIRTUAL_NMIS ? v->vnmi_blocked : cpu->intr.nmi_blocked;
    bool sti = cpu->intr.sti_shadow && (cpu->rflags & FLAG_IF) && !cpu->intr.movss_shadow;
    uint32_t block =
        (sti ? VMX_BLOCK_STI : 0) | (cpu->intr.movss_shadow ? VMX_BLOCK_MOV_SS : 0) | (nmi ? VMX_BLOCK_NMI : 0);
    f[F_GUEST_INTERRUPTIBILITY] = block;
    f[F_GUEST_ACTIVITY_STATE] = activity[cpu->intr.activity];
    f[F_GUEST_PENDING_DEBUG] = pending_debug(cpu, block, f[F_GUEST_ACTIVITY_STATE]);
}

static void save_guest(struct cpu *cpu, struct vmx *v, const struct vmx_exit *x) {
    uint64_t *f = v->current->f;
    uint64_t rflags = flags_get(cpu);
    save_registers(cpu, v, f);
    save_segments(cpu, f);
    f[F_GUEST_RIP] = x->rip;
    f[F_GUEST_RSP] = cpu->gpr[RSP];
    f[F_GUEST_RFLAGS] = x->set_rf ? rflags | FLAG_RF : x->clear_rf ? rflags & ~(uint64_t)FLAG_RF : rflags;
    if ((v->proc2 & VMX_PROC2_ENABLE_EPT) && vmx_in_pae(cpu))
        for (unsigned n = 0; n < 4; n++) f[F_GUEST_PDPTE0 + n] = cpu->ctl.pdpte[n];
    if (!(v->proc2 & VMX_PROC2_ENABLE_EPT) && vmx_in_pae(cpu))
        v->current->valid &= ~(1u << CHECK_GUEST_PDPTES); /* memory may change before the next entry */
    save_non_register(cpu, v, f);
    uint64_t ia32e = cpu->ctl.efer & EFER_LMA ? VMX_ENTRY_IA32E_MODE_GUEST : 0;
    if ((v->caps.misc & VMX_MISC_SAVE_LMA) && (v->entry & VMX_ENTRY_IA32E_MODE_GUEST) != ia32e)
        vmcs_write(v, v->current, F_ENTRY_CONTROLS,
                   (f[F_ENTRY_CONTROLS] & ~(uint64_t)VMX_ENTRY_IA32E_MODE_GUEST) | ia32e);
    if (v->pin & VMX_PIN_PREEMPTION_TIMER) {
        uint32_t left = vmx_timer_stop(cpu);
        if (v->exit & VMX_EXIT_SAVE_PREEMPTION_TIMER) f[F_PREEMPTION_TIMER_VALUE] = left;
    }
}

/* ---- leaving ---- */

static void leave_guest(struct cpu *cpu) {
    cpu->virt.guest = false;
    cpu->virt.step = false;
    cpu->virt.tag = 0;
    cpu->virt.special_page = ~0ull;
    cpu->virt.second_stage = (struct virt_second_stage){0};
    cpu->intr.attn &= ~(uint32_t)ATTN_VIRT;
}

static bool is_nmi(const struct vmx_exit *x) {
    return x->reason == VMX_REASON_EXCEPTION_OR_NMI && (x->info & VMX_INFO_TYPE) >> VMX_INFO_TYPE_SHIFT == EVT_NMI;
}

void vmx_exit(struct cpu *cpu, struct vmx_exit *x) {
    struct vmx *v = vmx_of(cpu);
    uint64_t *f = v->current->f;
    record(cpu, f, x);
    save_guest(cpu, v, x);
    cpu_commit_insn(cpu);
    cpu->virt.exits++;
    vmx_note_exit(cpu, x);
    leave_guest(cpu);
    if (is_nmi(x)) cpu->intr.nmi_blocked = true; /* SDM 3, "Updating Non-Register State" */
    if (vmx_msr_store(cpu, f[F_EXIT_MSR_STORE_ADDR], (uint32_t)f[F_EXIT_MSR_STORE_COUNT]))
        vmx_abort(cpu, VMX_ABORT_SAVE_MSR);
    vmx_load_host(cpu);
    cpu_resume(cpu);
}

void vmx_entry_failed(struct cpu *cpu, uint32_t reason, uint64_t qualification) {
    struct vmx *v = vmx_of(cpu);
    uint64_t *f = v->current->f;
    struct vmx_exit x = {
        .reason = reason | VMX_REASON_ENTRY_FAILURE, .qualification = qualification, .rip = f[F_GUEST_RIP]};
    f[F_EXIT_REASON] = x.reason;
    f[F_EXIT_QUALIFICATION] = qualification;
    cpu->virt.exits++;
    vmx_note_exit(cpu, &x);
    leave_guest(cpu);
    cpu->intr.activity = ACT_ACTIVE;
    vmx_load_host(cpu);
    cpu_resume(cpu);
}

/* Exits of instructions: the RIP of the instruction, its length, RF = 0. SDM 3, "Saving RIP, RSP, RFLAGS, and SSP" */
static void from_instruction(struct cpu *cpu, struct vmx_exit *x) {
    x->rip = vmx_insn_rip(cpu);
    x->length = cpu->cur ? cpu->cur->len : 0;
    x->clear_rf = true;
}

void vmx_exit_insn(struct cpu *cpu, uint32_t reason, uint64_t qualification) {
    struct vmx_exit x = {.reason = reason, .qualification = qualification};
    from_instruction(cpu, &x);
    vmx_exit(cpu, &x);
}

void vmx_exit_insn_info(struct cpu *cpu, struct vmx_exit *x) {
    from_instruction(cpu, x);
    vmx_insn_info(cpu, cpu->cur, x);
    vmx_exit(cpu, x);
}
