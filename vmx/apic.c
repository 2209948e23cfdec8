/* Accesses to the virtualized APIC: CR8, x2APIC MSRs, the APIC-access page; and the guest's TSC. SDM 3, "APIC
 * Virtualization and Virtual Interrupts". What the accesses set off is in vapic.c. */
#include "vmx/vapic.h"

#define X2APIC_TPR      0x808u
#define X2APIC_EOI      0x80Bu
#define X2APIC_SELF_IPI 0x83Fu

/* Exit qualification for APIC accesses: bits 15:12 */
enum apic_access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH, ACCESS_DELIVERY };

static bool registers_virtual(const struct cpu *cpu) {
    return vmx_proc2(vmx_of(cpu), VMX_PROC2_APIC_REGISTER_VIRTUALIZATION);
}
static bool delivery_virtual(const struct cpu *cpu) {
    return vmx_proc2(vmx_of(cpu), VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY);
}

/* ---- TPR ---- */

uint8_t vmx_vtpr(struct cpu *cpu) { return (uint8_t)vapic_read(cpu, VAPIC_TPR); }

static void set_vtpr(struct cpu *cpu, uint8_t tpr) {
    vapic_write(cpu, VAPIC_TPR, tpr);
    vapic_tpr_written(cpu);
}

bool vmx_cr8_read(struct cpu *cpu, uint64_t *val) {
    if (!vmx_proc(vmx_of(cpu), VMX_PROC_TPR_SHADOW)) return false;
    *val = vmx_vtpr(cpu) >> 4;
    return true;
}

bool vmx_cr8_write(struct cpu *cpu, uint64_t val) {
    if (!vmx_proc(vmx_of(cpu), VMX_PROC_TPR_SHADOW)) return false;
    set_vtpr(cpu, (uint8_t)(val << 4));
    return true;
}

/* ---- MSRs: SDM 3, "Virtualizing MSR-Based APIC Accesses" ---- */

static bool x2apic_virtual(const struct cpu *cpu, uint32_t msr) {
    return msr >> 8 == 8 && cpu->virt.guest && vmx_proc2(vmx_of(cpu), VMX_PROC2_VIRTUALIZE_X2APIC_MODE);
}

enum virt_msr vmx_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *val) {
    if (msr >= VMX_MSR_BASIC && msr <= VMX_MSR_VMFUNC)
        return vmx_caps_msr(&vmx_of(cpu)->caps, msr, val) ? VIRT_MSR_DONE : VIRT_MSR_GP;
    if (!x2apic_virtual(cpu, msr) || (msr != X2APIC_TPR && !registers_virtual(cpu))) return VIRT_MSR_NOT_MINE;
    *val = phys_read(cpu, vmcs_data(cpu)[F_VIRTUAL_APIC_ADDR] + (msr & 0xFF) * 16, 8);
    return VIRT_MSR_DONE;
}

static enum virt_msr write_self_ipi(struct cpu *cpu, uint64_t val) {
    if (val >> 8) return VIRT_MSR_GP;
    vapic_write(cpu, VAPIC_SELF_IPI, (uint32_t)val);
    if (val < 16)
        vapic_exit_after(cpu, VMX_REASON_APIC_WRITE, VAPIC_SELF_IPI);
    else
        vapic_self_ipi(cpu, (uint8_t)val);
    return VIRT_MSR_DONE;
}

enum virt_msr vmx_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t val) {
    if (msr >= VMX_MSR_BASIC && msr <= VMX_MSR_VMFUNC) return VIRT_MSR_GP;
    if (!x2apic_virtual(cpu, msr)) return VIRT_MSR_NOT_MINE;
    if (msr == X2APIC_TPR) {
        if (val >> 8) return VIRT_MSR_GP;
        set_vtpr(cpu, (uint8_t)val);
        return VIRT_MSR_DONE;
    }
    if (!delivery_virtual(cpu) || (msr != X2APIC_EOI && msr != X2APIC_SELF_IPI)) return VIRT_MSR_NOT_MINE;
    if (msr == X2APIC_SELF_IPI) return write_self_ipi(cpu, val);
    if (val) return VIRT_MSR_GP;
    vapic_eoi(cpu);
    return VIRT_MSR_DONE;
}

/* ---- the APIC-access page ---- */

/* Registers that "APIC-register virtualization" lets the guest read or write, by offset >> 4. SDM 3, "Virtualizing
 * Reads from the APIC-Access Page", "Virtualizing Writes to the APIC-Access Page" */
#define REG(offset)       (1ull << ((offset) >> 4))
#define REGS(first, last) ((REG(last) << 1) - REG(first))
#define WRITABLE_REGS                                                                                                  \
    (REG(VAPIC_ID) | REG(VAPIC_TPR) | REG(VAPIC_EOI) | REG(VAPIC_LDR) | REG(VAPIC_DFR) | REG(VAPIC_SVR) |              \
     REG(VAPIC_ESR) | REG(VAPIC_ICR_LO) | REG(VAPIC_ICR_HI) | REGS(VAPIC_LVT_TIMER, VAPIC_LVT_ERROR) |                 \
     REG(VAPIC_TIMER_INITIAL) | REG(VAPIC_TIMER_DIVIDE))
#define READABLE_REGS (WRITABLE_REGS | REG(VAPIC_VERSION) | REGS(VAPIC_ISR, VAPIC_ESR))

static bool access_virtual(const struct cpu *cpu, unsigned offset, unsigned size, unsigned access) {
    uint64_t regs = registers_virtual(cpu) ? (access == MEM_WRITE ? WRITABLE_REGS : READABLE_REGS) : REG(VAPIC_TPR);
    if (!vmx_proc(vmx_of(cpu), VMX_PROC_TPR_SHADOW) || cpu->delivering.valid) return false;
    if (access != MEM_READ && access != MEM_WRITE) return false;
    if (access == MEM_WRITE && delivery_virtual(cpu)) regs |= REG(VAPIC_EOI) | REG(VAPIC_ICR_LO);
    return offset < 0x400 && (offset & 15) + size <= 4 && (regs >> (offset >> 4) & 1);
}

/* Only a fixed, edge-triggered self-IPI with a legal vector is virtualized. */
static void icr_written(struct cpu *cpu) {
    const uint32_t others = 0xFFF00000 | 3u << 16 | 1u << 15 | 3u << 12 | 7u << 8;
    uint32_t icr = vapic_read(cpu, VAPIC_ICR_LO);
    if (delivery_virtual(cpu) && !(icr & others) && (icr >> 18 & 3) == 1 && (icr & 0xF0))
        vapic_self_ipi(cpu, (uint8_t)icr);
    else
        vapic_exit_after(cpu, VMX_REASON_APIC_WRITE, VAPIC_ICR_LO);
}

/* SDM 3, "APIC-Write Emulation" */
static void apic_written(struct cpu *cpu, unsigned offset) {
    switch (offset & ~15u) {
    case VAPIC_TPR:
        set_vtpr(cpu, vmx_vtpr(cpu));
        break;
    case VAPIC_ICR_LO:
        icr_written(cpu);
        break;
    case VAPIC_ICR_HI:
        vapic_write(cpu, VAPIC_ICR_HI, vapic_read(cpu, VAPIC_ICR_HI) & 0xFF000000);
        break;
    case VAPIC_EOI:
        if (delivery_virtual(cpu)) {
            vapic_write(cpu, VAPIC_EOI, 0);
            vapic_eoi(cpu);
            break;
        } /* fall through */
    default:
        vapic_exit_after(cpu, VMX_REASON_APIC_WRITE, offset & ~15u);
        break;
    }
}

static void apic_access_exit(struct cpu *cpu, unsigned offset, unsigned access) {
    bool delivering = cpu->delivering.valid;
    enum apic_access type = ACCESS_READ;
    if (delivering)
        type = ACCESS_DELIVERY;
    else if (access & MEM_EXEC)
        type = ACCESS_FETCH;
    else if (access & MEM_WRITE)
        type = ACCESS_WRITE;
    struct vmx_exit x = {.reason = VMX_REASON_APIC_ACCESS,
                         .qualification = offset | (uint64_t)type << 12,
                         .rip = vmx_delivery_rip(cpu),
                         .length = cpu->cur ? cpu->cur->len : 0,
                         .set_rf = !delivering};
    vmx_exit(cpu, &x);
}

/* SDM 3, "Virtualizing Memory-Mapped APIC Accesses" */
bool vmx_special_access(struct cpu *cpu, uint64_t phys, unsigned size, unsigned access, uint64_t *val) {
    unsigned offset = phys & 0xFFF;
    if (!access_virtual(cpu, offset, size, access)) apic_access_exit(cpu, offset, access);
    uint64_t at = vmcs_data(cpu)[F_VIRTUAL_APIC_ADDR] + offset;
    if (access == MEM_READ) {
        *val = phys_read(cpu, at, size);
    } else {
        phys_write(cpu, at, size, *val);
        apic_written(cpu, offset);
    }
    return true;
}

/* SDM 3, "Use TSC Offsetting", "Use TSC Scaling" */
uint64_t vmx_guest_tsc(struct cpu *cpu, uint64_t tsc) {
    const struct vmx *v = vmx_of(cpu);
    if (v->tsc_multiplier) tsc = (uint64_t)((unsigned __int128)tsc * v->tsc_multiplier >> 48);
    return tsc + v->tsc_offset;
}
