/* Loading host state at a VM exit; VMX aborts. SDM 3, "Loading Host State", "Loading MSRs", "VMX Aborts" */
#include "vmx/vmx.h"

static void load_registers(struct cpu *cpu, const struct vmx *v, const uint64_t *f) {
    bool host64 = v->exit & VMX_EXIT_HOST_ADDRESS_SPACE_SIZE;
    cpu->ctl.cr0 = (f[F_HOST_CR0] & ~(uint64_t)VMX_CR0_KEPT) | (cpu->ctl.cr0 & VMX_CR0_KEPT);
    cpu->ctl.cr3 = f[F_HOST_CR3];
    cpu->ctl.cr4 = host64 ? f[F_HOST_CR4] | CR4_PAE : f[F_HOST_CR4] & ~(uint64_t)CR4_PCIDE;
    cpu->dbg.dr7 = DR7_FIXED;
    cpu->dbg.debugctl = 0;
    cpu->dbg.pending = 0;
    cpu->msr.sysenter_cs = f[F_HOST_SYSENTER_CS];
    cpu->msr.sysenter_esp = f[F_HOST_SYSENTER_ESP];
    cpu->msr.sysenter_eip = f[F_HOST_SYSENTER_EIP];
    cpu->ctl.efer = (cpu->ctl.efer & ~(uint64_t)(EFER_LMA | EFER_LME)) | (host64 ? EFER_LMA | EFER_LME : 0);
    if (v->exit & VMX_EXIT_LOAD_EFER) cpu->ctl.efer = f[F_HOST_IA32_EFER];
    if (v->exit & VMX_EXIT_LOAD_PAT) cpu->msr.pat = f[F_HOST_IA32_PAT];
    if (v->exit & VMX_EXIT_LOAD_PKRS) cpu->ctl.pkrs = (uint32_t)f[F_HOST_IA32_PKRS];
    if (v->exit & VMX_EXIT_LOAD_CET_STATE) {
        cpu->cet.s_cet = f[F_HOST_S_CET];
        cpu->cet.ssp = f[F_HOST_SSP];
        cpu->cet.ssp_table = f[F_HOST_SSP_TABLE];
    }
}

/* SDM 3, "Loading Host Segment and Descriptor-Table Registers" */
static void load_segments(struct cpu *cpu, const struct vmx *v, const uint64_t *f) {
    static const uint8_t data[] = {SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS};
    static const uint8_t field[] = {F_HOST_ES_SELECTOR, F_HOST_SS_SELECTOR, F_HOST_DS_SELECTOR, F_HOST_FS_SELECTOR,
                                    F_HOST_GS_SELECTOR};
    const uint32_t flat = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_G;
    bool host64 = v->exit & VMX_EXIT_HOST_ADDRESS_SPACE_SIZE;
    for (unsigned n = 0; n < sizeof data; n++) {
        uint16_t sel = (uint16_t)f[field[n]];
        cpu->seg[data[n]] = (struct seg){.limit = ~0u, .ar = flat | AR_DB | (sel ? 0 : AR_UNUSABLE), .sel = sel};
    }
    cpu->seg[SEG_FS].base = f[F_HOST_FS_BASE];
    cpu->seg[SEG_GS].base = f[F_HOST_GS_BASE];
    cpu->seg[SEG_CS] = (struct seg){
        .limit = ~0u, .ar = flat | AR_CODE | (host64 ? AR_L : AR_DB), .sel = (uint16_t)f[F_HOST_CS_SELECTOR]};
    cpu->seg[SEG_TR] = (struct seg){
        .base = f[F_HOST_TR_BASE], .limit = 0x67, .ar = AR_P | DESC_TSS_BUSY, .sel = (uint16_t)f[F_HOST_TR_SELECTOR]};
    cpu->seg[SEG_LDTR] = (struct seg){.ar = AR_UNUSABLE};
    cpu->ctl.gdtr = (struct dtable){f[F_HOST_GDTR_BASE], 0xFFFF};
    cpu->ctl.idtr = (struct dtable){f[F_HOST_IDTR_BASE], 0xFFFF};
    cpu->cpl = 0;
}

void vmx_load_host(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    const uint64_t *f = v->current->f;
    if ((cpu->ctl.efer & EFER_LMA) && !(v->exit & VMX_EXIT_HOST_ADDRESS_SPACE_SIZE))
        vmx_abort(cpu, VMX_ABORT_HOST_ADDRESS_SPACE);
    load_registers(cpu, v, f);
    load_segments(cpu, v, f);
    cpu->rip = f[F_HOST_RIP];
    cpu->gpr[RSP] = f[F_HOST_RSP];
    cpu->rflags = FLAG_FIXED;
    cpu->cc.op = CC(CC_FLAGS, 0);
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
    cpu->intr.activity = ACT_ACTIVE;
    cpu->intr.monitor_addr = ~0ull;
    cpu->delivering.valid = false;
    vmx_tlb_transition(cpu);
    if (vmx_in_pae(cpu) && !mem_load_pdptes(cpu, cpu->ctl.cr3)) vmx_abort(cpu, VMX_ABORT_HOST_PDPTE);
    if (vmx_msr_load(cpu, f[F_EXIT_MSR_LOAD_ADDR], (uint32_t)f[F_EXIT_MSR_LOAD_COUNT]))
        vmx_abort(cpu, VMX_ABORT_LOAD_MSR);
}

void vmx_abort(struct cpu *cpu, enum vmx_abort why) {
    static const char *const text[] = {
        [VMX_ABORT_SAVE_MSR] = "saving guest MSRs failed",
        [VMX_ABORT_HOST_PDPTE] = "a host PDPTE has reserved bits set",
        [VMX_ABORT_VMCS_CORRUPTED] = "the current VMCS is corrupted",
        [VMX_ABORT_LOAD_MSR] = "loading host MSRs failed",
        [VMX_ABORT_MACHINE_CHECK] = "machine-check event during VM exit",
        [VMX_ABORT_HOST_ADDRESS_SPACE] = "the guest was in IA-32e mode and \"host address-space size\" is 0",
    };
    struct vmx *v = vmx_of(cpu);
    v->aborted = why;
    phys_write(cpu, v->current->addr + VMCS_OFF_ABORT, 4, why);
    vmx_say(cpu,
            "hvsim: VMX abort %u: %s; VMCS %#llx, last guest RIP %#llx. The processor is shut down. (SDM 3, \"VMX "
            "Aborts\")\n",
            why, text[why], (unsigned long long)v->current->addr, (unsigned long long)v->current->f[F_GUEST_RIP]);
    cpu->virt.guest = false;
    cpu->intr.activity = ACT_SHUTDOWN;
    cpu_update_mode(cpu);
    cpu_resume(cpu);
}
