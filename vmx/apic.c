/* APIC virtualization: TPR shadow, virtualized CR8 and x2APIC TPR, the APIC-access page. SDM 3, "APIC Virtualization
 * and Virtual Interrupts" */
#include "vmx/vmx.h"

#define APIC_TPR   0x80u
#define X2APIC_TPR 0x808u

/* Exit qualification for APIC accesses: bits 15:12 */
enum apic_access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH, ACCESS_DELIVERY };

static uint64_t virtual_apic(const struct cpu *cpu, unsigned offset) {
    return vmcs_data(cpu)[F_VIRTUAL_APIC_ADDR] + offset;
}

uint8_t vmx_vtpr(struct cpu *cpu) { return (uint8_t)phys_read(cpu, virtual_apic(cpu, APIC_TPR), 1); }

/* SDM 3, "TPR Virtualization": a VM exit after the instruction when VTPR falls below the threshold */
void vmx_set_vtpr(struct cpu *cpu, uint8_t tpr) {
    struct vmx *v = vmx_of(cpu);
    phys_write(cpu, virtual_apic(cpu, APIC_TPR), 4, tpr);
    if (tpr >> 4 >= (vmcs_data(cpu)[F_TPR_THRESHOLD] & 15)) return;
    v->tpr_exit = true;
    cpu_attention(cpu, ATTN_VIRT);
}

bool vmx_cr8_read(struct cpu *cpu, uint64_t *val) {
    if (!vmx_proc(vmx_of(cpu), VMX_PROC_TPR_SHADOW)) return false;
    *val = vmx_vtpr(cpu) >> 4;
    return true;
}

bool vmx_cr8_write(struct cpu *cpu, uint64_t val) {
    if (!vmx_proc(vmx_of(cpu), VMX_PROC_TPR_SHADOW)) return false;
    vmx_set_vtpr(cpu, (uint8_t)(val << 4));
    return true;
}

/* SDM 3, "Virtualizing MSR-Based APIC Accesses": without APIC-register virtualization only the TPR */
static bool x2apic_tpr(const struct cpu *cpu, uint32_t msr) {
    return msr == X2APIC_TPR && cpu->virt.guest && vmx_proc2(vmx_of(cpu), VMX_PROC2_VIRTUALIZE_X2APIC_MODE);
}

enum virt_msr vmx_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    if (msr >= VMX_MSR_BASIC && msr <= VMX_MSR_VMFUNC)
        return vmx_caps_msr(&vmx_of(cpu)->caps, msr, val) ? VIRT_MSR_DONE : VIRT_MSR_GP;
    if (!x2apic_tpr(cpu, msr)) return VIRT_MSR_NOT_MINE;
    *val = phys_read(cpu, virtual_apic(cpu, APIC_TPR), 8);
    return VIRT_MSR_DONE;
}

enum virt_msr vmx_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if (msr >= VMX_MSR_BASIC && msr <= VMX_MSR_VMFUNC) return VIRT_MSR_GP;
    if (!x2apic_tpr(cpu, msr)) return VIRT_MSR_NOT_MINE;
    if (val >> 8) return VIRT_MSR_GP;
    vmx_set_vtpr(cpu, (uint8_t)val);
    return VIRT_MSR_DONE;
}

/* SDM 3, "Virtualizing Memory-Mapped APIC Accesses": the TPR is virtualized, all else is an APIC-access VM exit */
bool vmx_special_access(struct cpu *cpu, uint64_t phys, unsigned size, unsigned access, uint64_t *val) {
    const struct event *ev = &cpu->delivering;
    unsigned offset = phys & 0xFFF;
    bool write = access & MEM_WRITE;
    bool tpr = vmx_proc(vmx_of(cpu), VMX_PROC_TPR_SHADOW) && offset == APIC_TPR && size <= 4 && !ev->valid;
    if (tpr && !(access & MEM_EXEC) && access != MEM_RMW) {
        if (write)
            vmx_set_vtpr(cpu, (uint8_t)*val);
        else
            *val = phys_read(cpu, virtual_apic(cpu, APIC_TPR), size);
        return true;
    }
    enum apic_access type = ev->valid           ? ACCESS_DELIVERY
                            : access & MEM_EXEC ? ACCESS_FETCH
                            : write             ? ACCESS_WRITE
                                                : ACCESS_READ;
    struct vmx_exit x = {.reason = VMX_REASON_APIC_ACCESS,
                         .qualification = offset | (uint64_t)type << 12,
                         .rip = vmx_insn_rip(cpu),
                         .length = cpu->cur ? cpu->cur->len : 0,
                         .set_rf = !ev->valid};
    vmx_exit(cpu, &x);
}

/* SDM 3, "Use TSC Offsetting", "Use TSC Scaling" */
uint64_t vmx_guest_tsc(struct cpu *cpu, uint64_t tsc) {
    const struct vmx *v = vmx_of(cpu);
    if (v->tsc_multiplier) tsc = (uint64_t)((unsigned __int128)tsc * v->tsc_multiplier >> 48);
    return tsc + v->tsc_offset;
}
