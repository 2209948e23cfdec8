/* VM entry. SDM 3, "VM Entries": checks, loading guest state, loading MSRs; injection is in inject.c. */
#include <inttypes.h>

#include "vmx/vapic.h"

/* ---- checks ---- */

/* What the rows see of memory and of the processor. Memory is only read where the fields that lead there are good. */
static void context_init(struct cpu *cpu, struct check_ctx *c) {
    const struct vmx *v = vmx_of(cpu);
    c->f = v->current->f;
    c->current = v->current->addr;
    c->caps = &v->caps;
    c->lma = cpu->ctl.efer & EFER_LMA;
    c->smm = cpu->intr.smm;
    c->has_memory = true;
    check_ctx_controls(c);
}

static bool pointer_ok(const struct check_ctx *c, uint64_t pa) { return !(pa & 0xFFF) && c_width_ok(c, pa); }

static void context_memory(struct cpu *cpu, struct check_ctx *c) {
    const uint64_t *f = c->f;
    c->vtpr = 0;
    c->link_revision = 0;
    if (c_proc(c, VMX_PROC_TPR_SHADOW) && pointer_ok(c, f[F_VIRTUAL_APIC_ADDR]))
        c->vtpr = (uint8_t)phys_read(cpu, f[F_VIRTUAL_APIC_ADDR] + 0x80, 1);
    if (f[F_VMCS_LINK_POINTER] != VMX_NO_POINTER && pointer_ok(c, f[F_VMCS_LINK_POINTER]))
        c->link_revision = (uint32_t)phys_read(cpu, f[F_VMCS_LINK_POINTER], 4);
    bool pae = (f[F_GUEST_CR0] & CR0_PG) && (f[F_GUEST_CR4] & CR4_PAE) && !c_entry(c, VMX_ENTRY_IA32E_MODE_GUEST);
    if (!pae || c_proc2(c, VMX_PROC2_ENABLE_EPT)) return;
    for (unsigned n = 0; n < 4; n++) c->pdpte[n] = phys_read(cpu, (f[F_GUEST_CR3] & 0xFFFFFFE0) + 8 * n, 8);
}

static const struct vmx_check *first_broken(const struct vmx *v, struct vmcs *vmcs, const struct check_ctx *c) {
    uint32_t dirty = ~vmcs->valid & CHECK_ALL;
    if ((dirty & v->index.live_groups) || vmcs->live_lma != c->lma) {
        vmcs->live = vmx_check_live(&v->index, c);
        vmcs->live_lma = c->lma;
    }
    return vmx_check_first(&v->index, c, dirty, vmcs->live);
}

/* VMfailValid for a rule on controls or host state. SDM 3, "Checks on VMX Controls and Host-State Area" */
static void fail_early(struct cpu *cpu, const struct check_ctx *c, const struct vmx_check *broken) {
    bool controls = CHECK_CONTROLS >> broken->group & 1;
    enum vmx_error error = controls ? VMX_ERR_ENTRY_CONTROLS : VMX_ERR_ENTRY_HOST_STATE;
    vmx_set_error(cpu, error);
    vmx_note_failure(cpu, c, broken, error);
}

/* ---- loading guest state ---- */

static void load_registers(struct cpu *cpu, const struct vmx *v, const uint64_t *f) {
    cpu->ctl.cr0 = (f[F_GUEST_CR0] & ~(uint64_t)VMX_CR0_KEPT) | (cpu->ctl.cr0 & VMX_CR0_KEPT);
    cpu->ctl.cr3 = f[F_GUEST_CR3];
    cpu->ctl.cr4 = f[F_GUEST_CR4];
    if (v->entry & VMX_ENTRY_LOAD_DEBUG_CONTROLS) {
        cpu->dbg.dr7 = (f[F_GUEST_DR7] & ~0xD000ull) | DR7_FIXED;
        cpu->dbg.debugctl = f[F_GUEST_IA32_DEBUGCTL];
    }
    cpu->msr.sysenter_cs = f[F_GUEST_SYSENTER_CS];
    cpu->msr.sysenter_esp = f[F_GUEST_SYSENTER_ESP];
    cpu->msr.sysenter_eip = f[F_GUEST_SYSENTER_EIP];
    if (v->entry & VMX_ENTRY_LOAD_PAT) cpu->msr.pat = f[F_GUEST_IA32_PAT];
    if (v->entry & VMX_ENTRY_LOAD_PKRS) cpu->ctl.pkrs = (uint32_t)f[F_GUEST_IA32_PKRS];
    if (v->entry & VMX_ENTRY_LOAD_CET_STATE) {
        cpu->cet.s_cet = f[F_GUEST_S_CET];
        cpu->cet.ssp = f[F_GUEST_SSP];
        cpu->cet.ssp_table = f[F_GUEST_SSP_TABLE];
    }
    if (v->entry & VMX_ENTRY_LOAD_EFER) {
        cpu->ctl.efer = f[F_GUEST_IA32_EFER];
    } else {
        bool ia32e = v->entry & VMX_ENTRY_IA32E_MODE_GUEST;
        uint64_t change = EFER_LMA | (cpu->ctl.cr0 & CR0_PG ? EFER_LME : 0);
        cpu->ctl.efer = (cpu->ctl.efer & ~change) | (ia32e ? change : 0);
    }
}

static void load_segments(struct cpu *cpu, const uint64_t *f) {
    for (unsigned s = 0; s < SEG_COUNT; s++)
        cpu->seg[s] = (struct seg){.base = f[F_GUEST_ES_BASE + s],
                                   .limit = (uint32_t)f[F_GUEST_ES_LIMIT + s],
                                   .ar = (uint32_t)f[F_GUEST_ES_ACCESS + s],
                                   .sel = (uint16_t)f[F_GUEST_ES_SELECTOR + s]};
    cpu->ctl.gdtr = (struct dtable){f[F_GUEST_GDTR_BASE], (uint16_t)f[F_GUEST_GDTR_LIMIT]};
    cpu->ctl.idtr = (struct dtable){f[F_GUEST_IDTR_BASE], (uint16_t)f[F_GUEST_IDTR_LIMIT]};
    cpu->cpl = (uint8_t)((cpu->seg[SEG_SS].ar & AR_DPL) >> AR_DPL_SHIFT);
}

static void load_flow(struct cpu *cpu, const uint64_t *f) {
    cpu->rip = f[F_GUEST_RIP];
    cpu->gpr[RSP] = f[F_GUEST_RSP];
    cpu->rflags = (uint32_t)f[F_GUEST_RFLAGS];
    cpu->cc.op = CC(CC_FLAGS, 0);
}

/* SDM 3, "Special Features of VM Entry": interruptibility, activity state, pending debug exceptions */
static void load_non_register(struct cpu *cpu, struct vmx *v, const uint64_t *f) {
    static const uint8_t activity[] = {ACT_ACTIVE, ACT_HLT, ACT_SHUTDOWN, ACT_WAIT_SIPI};
    uint32_t block = (uint32_t)f[F_GUEST_INTERRUPTIBILITY];
    bool vnmi = v->pin & VMX_PIN_VIRTUAL_NMIS;
    v->host_nmi = cpu->intr.nmi_blocked;
    cpu->intr.sti_shadow = block & VMX_BLOCK_STI;
    cpu->intr.movss_shadow = block & VMX_BLOCK_MOV_SS;
    v->vnmi_blocked = vnmi && (block & VMX_BLOCK_NMI);
    cpu->intr.nmi_blocked = !vnmi && (block & VMX_BLOCK_NMI);
    cpu->intr.activity = activity[f[F_GUEST_ACTIVITY_STATE] & 3];
    cpu->intr.monitor_addr = ~0ull;
    uint64_t pending = f[F_GUEST_PENDING_DEBUG];
    cpu->dbg.pending =
        (uint32_t)(pending & DR6_BS) | (pending & VMX_PENDING_ENABLED ? (uint32_t)(pending & VMX_PENDING_BP) : 0);
}

bool vmx_in_pae(const struct cpu *cpu) {
    return (cpu->ctl.cr0 & CR0_PG) && (cpu->ctl.cr4 & CR4_PAE) && !(cpu->ctl.efer & EFER_LMA);
}

static void load_controls(struct cpu *cpu, struct vmx *v, const struct check_ctx *c) {
    const uint64_t *f = c->f;
    v->pin = c->pin;
    v->proc = c->proc;
    v->proc2 = c->proc2;
    v->exit = c->exit;
    v->entry = c->entry;
    v->tsc_offset = c_proc(c, VMX_PROC_TSC_OFFSETTING) ? f[F_TSC_OFFSET] : 0;
    v->tsc_multiplier =
        c_proc2(c, VMX_PROC2_TSC_SCALING) && c_proc(c, VMX_PROC_TSC_OFFSETTING) ? f[F_TSC_MULTIPLIER] : 0;
    cpu->virt.tag = c_proc2(c, VMX_PROC2_ENABLE_VPID) ? (uint16_t)f[F_VPID] : 0;
    cpu->virt.special_page = c_proc2(c, VMX_PROC2_VIRTUALIZE_APIC_ACCESSES) ? f[F_APIC_ACCESS_ADDR] : ~0ull;
    cpu->virt.second_stage = (struct virt_second_stage){0};
    if (c_proc2(c, VMX_PROC2_ENABLE_EPT))
        cpu->virt.second_stage = (struct virt_second_stage){.kind = MMU_STAGE2_EPT,
                                                            .root = f[F_EPTP],
                                                            .gib_pages = v->caps.ept_vpid & VMX_EPT_1G,
                                                            .exec_only = v->caps.ept_vpid & VMX_EPT_EXEC_ONLY,
                                                            .mode_based = c_proc2(c, VMX_PROC2_MODE_BASED_EXECUTE)};
}

static void load_pdptes(struct cpu *cpu, const struct vmx *v, const struct check_ctx *c) {
    bool ept = v->proc2 & VMX_PROC2_ENABLE_EPT;
    if (!vmx_in_pae(cpu)) return;
    for (unsigned n = 0; n < 4; n++) cpu->ctl.pdpte[n] = ept ? c->f[F_GUEST_PDPTE0 + n] : c->pdpte[n];
}

/* SDM 3, "VM Entries and the VPID": without VPID a transition flushes what is tagged 0000H, of the guest here and of
 * the host when it is left again. Tags tell the two apart, so that one flush each is enough. */
void vmx_tlb_transition(struct cpu *cpu) {
    if (!(vmx_of(cpu)->proc2 & VMX_PROC2_ENABLE_VPID)) tlb_flush_tag(cpu, cpu->virt.guest, 0, -1);
    cpu_update_mode(cpu);
}

static void load_guest(struct cpu *cpu, const struct check_ctx *c) {
    struct vmx *v = vmx_of(cpu);
    load_controls(cpu, v, c);
    load_registers(cpu, v, c->f);
    load_segments(cpu, c->f);
    load_flow(cpu, c->f);
    load_pdptes(cpu, v, c);
    load_non_register(cpu, v, c->f);
    cpu->virt.guest = true;
    vmx_tlb_transition(cpu);
}

/* ---- the instruction ---- */

#define LAUNCH_STATE "the launch state of VMCS %#" PRIx64 " is "

/* SDM 3, "Basic VM-Entry Checks": true when VM entry may go on */
static bool basic_checks_pass(struct cpu *cpu, bool launch) {
    const struct vmcs *c = vmx_of(cpu)->current;
    if (!c)
        vmx_fail_invalid(cpu, "there is no current VMCS");
    else if (c->shadow)
        vmx_fail_invalid(cpu, "the current VMCS, %#" PRIx64 ", is a shadow VMCS", c->addr);
    else if (cpu->intr.movss_shadow)
        vmx_fail(cpu, VMX_ERR_ENTRY_MOV_SS, "the instruction before it loaded SS");
    else if (launch && c->launched)
        vmx_fail(cpu, VMX_ERR_VMLAUNCH_NOT_CLEAR, LAUNCH_STATE "launched, expected clear (VMCLEAR)", c->addr);
    else if (!launch && !c->launched)
        vmx_fail(cpu, VMX_ERR_VMRESUME_NOT_LAUNCHED, LAUNCH_STATE "clear, expected launched (VMLAUNCH)", c->addr);
    else if (!launch && c->stale)
        vmx_fail(cpu, VMX_ERR_VMRESUME_AFTER_VMXOFF, "VMCS %#" PRIx64 " was launched before the last VMXOFF", c->addr);
    else
        return true;
    return false;
}

/* SDM 3, "VMX-TPR Threshold" of "Special Features of VM Entry"; "Evaluation of Pending Virtual Interrupts" */
static void start_virtual_apic(struct cpu *cpu, const struct check_ctx *c) {
    struct vmx *v = vmx_of(cpu);
    v->trap_exit = 0;
    v->virtual_pending = false;
    if (!c_proc(c, VMX_PROC_TPR_SHADOW)) return;
    if (c_proc2(c, VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY))
        vapic_entry(cpu);
    else if (c_proc2(c, VMX_PROC2_VIRTUALIZE_APIC_ACCESSES) && (c->f[F_TPR_THRESHOLD] & 15) > c->vtpr >> 4)
        v->trap_exit = VMX_REASON_TPR_BELOW_THRESHOLD;
}

void vmx_enter(struct cpu *cpu, bool launch) {
    struct vmx *v = vmx_of(cpu);
    struct check_ctx c;
    if (!basic_checks_pass(cpu, launch)) return;
    struct vmcs *vmcs = v->current;
    context_init(cpu, &c);
    context_memory(cpu, &c);
    const struct vmx_check *broken = first_broken(v, vmcs, &c);
    if (broken && !(CHECK_GUEST >> broken->group & 1)) {
        fail_early(cpu, &c, broken);
        return;
    }
    if (broken) vmx_note_failure(cpu, &c, broken, 0);
    cpu_commit_insn(cpu);
    if (broken) {
        load_controls(cpu, v, &c);
        vmx_entry_failed(cpu, VMX_REASON_INVALID_GUEST_STATE, broken->qualification);
    }
    vmcs->valid = CHECK_ALL;
    load_guest(cpu, &c);
    unsigned bad = vmx_msr_load(cpu, c.f[F_ENTRY_MSR_LOAD_ADDR], (uint32_t)c.f[F_ENTRY_MSR_LOAD_COUNT]);
    if (bad) {
        cpu->intr.nmi_blocked = v->host_nmi; /* SDM 3, "VM-Entry Failures During or After Loading Guest State" */
        vmx_entry_failed(cpu, VMX_REASON_MSR_LOADING, bad);
    }
    vmcs->launched = true;
    vmcs->stale = false;
    vmx_note_entry(cpu);
    if (v->pin & VMX_PIN_PREEMPTION_TIMER) vmx_timer_start(cpu);
    v->mtf_cycles = cpu_cycles(cpu);
    v->mtf_pending = false;
    start_virtual_apic(cpu, &c);
    vmx_update_attention(cpu);
    vmx_inject(cpu);
    cpu_resume(cpu);
}
