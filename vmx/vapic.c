/* Virtual interrupts: priorities, EOI, self-IPIs, evaluation and delivery on the virtual-APIC page. SDM 3, "Evaluation
 * and Delivery of Virtual Interrupts", "Virtualizing CR8-Based TPR Accesses", "TPR Virtualization" and the sections
 * that follow. */
#include "vmx/vapic.h"

/* ---- the virtual-APIC page and the guest interrupt status (RVI and SVI) ---- */

uint32_t vapic_read(struct cpu *cpu, unsigned offset) {
    return (uint32_t)phys_read(cpu, vmcs_data(cpu)[F_VIRTUAL_APIC_ADDR] + offset, 4);
}

void vapic_write(struct cpu *cpu, unsigned offset, uint32_t val) {
    phys_write(cpu, vmcs_data(cpu)[F_VIRTUAL_APIC_ADDR] + offset, 4, val);
}

static uint8_t rvi(const struct cpu *cpu) { return (uint8_t)vmcs_data(cpu)[F_GUEST_INTERRUPT_STATUS]; }
static uint8_t svi(const struct cpu *cpu) { return (uint8_t)(vmcs_data(cpu)[F_GUEST_INTERRUPT_STATUS] >> 8); }

static void set_status(struct cpu *cpu, uint8_t requesting, uint8_t servicing) {
    vmcs_data(cpu)[F_GUEST_INTERRUPT_STATUS] = requesting | (uint64_t)servicing << 8;
}

/* A vector's bit in VIRR or VISR: eight words of 32 bits, 16 bytes apart */
static void set_vector(struct cpu *cpu, unsigned base, uint8_t vector, bool on) {
    unsigned offset = base + (vector >> 5) * 16u;
    uint32_t bit = 1u << (vector & 31), word = vapic_read(cpu, offset);
    vapic_write(cpu, offset, on ? word | bit : word & ~bit);
}

static uint8_t highest_vector(struct cpu *cpu, unsigned base) {
    for (unsigned n = 8; n-- > 0;) {
        uint32_t word = vapic_read(cpu, base + n * 16);
        if (word) return (uint8_t)(n * 32 + 31 - (unsigned)__builtin_clz(word));
    }
    return 0;
}

/* ---- recognition ---- */

/* Inside an instruction the run loop must be called for; between two it is there already. */
static void want_attention(struct cpu *cpu) {
    if (cpu->cur)
        cpu_attention(cpu, ATTN_VIRT);
    else
        cpu->intr.attn |= ATTN_VIRT;
}

void vapic_exit_after(struct cpu *cpu, uint32_t reason, uint64_t qualification) {
    struct vmx *v = vmx_of(cpu);
    v->trap_exit = reason;
    v->trap_qualification = qualification;
    want_attention(cpu);
}

static void ppr_virtualization(struct cpu *cpu) {
    uint8_t tpr = vmx_vtpr(cpu), in_service = svi(cpu);
    vapic_write(cpu, VAPIC_PPR, tpr >> 4 >= in_service >> 4 ? tpr : in_service & 0xF0u);
}

static void evaluate_pending(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    v->virtual_pending =
        !vmx_proc(v, VMX_PROC_INTERRUPT_WINDOW_EXITING) && rvi(cpu) >> 4 > (vapic_read(cpu, VAPIC_PPR) & 0xFF) >> 4;
    if (v->virtual_pending) want_attention(cpu);
}

void vapic_entry(struct cpu *cpu) {
    ppr_virtualization(cpu);
    evaluate_pending(cpu);
}

void vapic_tpr_written(struct cpu *cpu) {
    if (vmx_proc2(vmx_of(cpu), VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY)) {
        vapic_entry(cpu);
        return;
    }
    if (vmx_vtpr(cpu) >> 4 < (vmcs_data(cpu)[F_TPR_THRESHOLD] & 15))
        vapic_exit_after(cpu, VMX_REASON_TPR_BELOW_THRESHOLD, 0);
}

/* SDM 3, "EOI Virtualization" */
void vapic_eoi(struct cpu *cpu) {
    uint8_t vector = svi(cpu);
    const uint64_t *f = vmcs_data(cpu);
    set_vector(cpu, VAPIC_ISR, vector, false);
    set_status(cpu, rvi(cpu), highest_vector(cpu, VAPIC_ISR));
    ppr_virtualization(cpu);
    if (f[F_EOI_EXIT_0 + (vector >> 6)] >> (vector & 63) & 1)
        vapic_exit_after(cpu, VMX_REASON_VIRTUALIZED_EOI, vector);
    else
        evaluate_pending(cpu);
}

/* SDM 3, "Self-IPI Virtualization" */
void vapic_self_ipi(struct cpu *cpu, uint8_t vector) {
    set_vector(cpu, VAPIC_IRR, vector, true);
    set_status(cpu, rvi(cpu) > vector ? rvi(cpu) : vector, svi(cpu));
    evaluate_pending(cpu);
}

static void eoi_local_apic(struct cpu *cpu) {
    if (cpu->msr.apic_base & APIC_BASE_EXTD)
        lapic_msr_write(cpu, MSR_X2APIC_FIRST + VAPIC_EOI / 16, 0);
    else
        lapic_mmio_write(cpu, VAPIC_EOI, 4, 0);
}

void vapic_posted(struct cpu *cpu) {
    uint64_t descriptor = vmcs_data(cpu)[F_POSTED_DESCRIPTOR];
    uint8_t highest = rvi(cpu);
    phys_write(cpu, descriptor + 32, 1, phys_read(cpu, descriptor + 32, 1) & ~1ull); /* outstanding notification */
    eoi_local_apic(cpu);
    for (unsigned n = 0; n < 8; n++) {
        uint32_t posted = (uint32_t)phys_read(cpu, descriptor + 4 * n, 4);
        if (!posted) continue;
        phys_write(cpu, descriptor + 4 * n, 4, 0);
        vapic_write(cpu, VAPIC_IRR + n * 16, vapic_read(cpu, VAPIC_IRR + n * 16) | posted);
        unsigned top = n * 32 + 31 - (unsigned)__builtin_clz(posted);
        if (top > highest) highest = (uint8_t)top;
    }
    set_status(cpu, highest, svi(cpu));
    evaluate_pending(cpu);
}

bool vapic_deliverable(const struct cpu *cpu) {
    unsigned act = cpu->intr.activity;
    return vmx_of(cpu)->virtual_pending && (cpu->rflags & FLAG_IF) && !cpu->intr.sti_shadow &&
           !cpu->intr.movss_shadow && act != ACT_SHUTDOWN && act != ACT_WAIT_SIPI;
}

/* SDM 3, "Virtual-Interrupt Delivery" */
void vapic_deliver(struct cpu *cpu) {
    uint8_t vector = rvi(cpu);
    set_vector(cpu, VAPIC_ISR, vector, true);
    vapic_write(cpu, VAPIC_PPR, vector & 0xF0u);
    set_vector(cpu, VAPIC_IRR, vector, false);
    set_status(cpu, highest_vector(cpu, VAPIC_IRR), vector);
    vmx_of(cpu)->virtual_pending = false;
    vmx_update_attention(cpu);
    cpu->intr.activity = ACT_ACTIVE;
    cpu_charge(cpu, 1);
    struct event ev = {.valid = true, .vector = vector, .type = EVT_EXTERNAL};
    deliver_event(cpu, &ev);
}
