/* APIC messages: who is addressed, and what the message does there. SDM 3, "Determining IPI Destination". */
#include "sim/dev/dev.h"
#include "sim/dev/lapic.h"

#define BROADCAST 0xFFFFFFFFu

enum shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

/* SDM 3, "Logical Destination Mode" and "Logical Destination Mode in x2APIC Mode" */
static bool logical_match(const struct lapic *l, uint32_t dest) {
    if (dest == BROADCAST) return true;
    if (lapic_x2(l)) return dest >> 16 == l->ldr >> 16 && (dest & l->ldr & 0xFFFF);
    uint8_t mda = (uint8_t)dest, id = (uint8_t)(l->ldr >> 24);
    if (l->dfr >> 28 == 0xF) return (mda & id) != 0;
    return (mda >> 4 == id >> 4 || mda >> 4 == 0xF) && (mda & id & 0xF);
}

static bool addressed(const struct lapic *l, const struct apic_message *msg) {
    if (!(l->cpu->msr.apic_base & APIC_BASE_EN)) return false;
    switch ((enum shorthand)msg->shorthand) {
    case TO_SELF:
        return l->cpu->id == msg->source;
    case TO_ALL:
        return true;
    case TO_OTHERS:
        return l->cpu->id != msg->source;
    default:
        break;
    }
    if (msg->dest_mode) return logical_match(l, msg->dest);
    return msg->dest == BROADCAST || msg->dest == l->id;
}

/* What a message does at one destination; false: not accepted. A software-disabled APIC hears only INIT, NMI, SMI and
 * SIPI: SDM 3, "Local APIC State After It Has Been Software Disabled". */
static bool receive(struct lapic *l, const struct apic_message *msg) {
    struct cpu *cpu = l->cpu;
    switch ((enum apic_delivery)msg->delivery_mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (!(l->svr & SVR_ENABLE)) return false;
        lapic_accept(l, msg->vector, msg->trigger);
        break;
    case APIC_SMI:
        cpu_attention(cpu, ATTN_SMI);
        break;
    case APIC_NMI:
        cpu_attention(cpu, ATTN_NMI);
        break;
    case APIC_INIT:
        cpu->intr.attn &=
            ~(uint32_t)ATTN_SIPI; /* a start-up before it counts for nothing, one after it is waited for */
        cpu_attention(cpu, ATTN_INIT);
        break;
    case APIC_SIPI:
        cpu->intr.sipi_vector = msg->vector;
        cpu_attention(cpu, ATTN_SIPI);
        break;
    case APIC_EXTINT:
        if (!(l->svr & SVR_ENABLE)) return false;
        l->extint = true;
        lapic_update(l);
        break;
    case APIC_RESERVED3:
        return false;
    }
    return true;
}

/* Lowest priority: the processor whose PPR is lowest, of equals the one with the lowest APIC ID. Focus is not modelled.
 */
static struct lapic *arbitrate(struct machine *m, const struct apic_message *msg) {
    struct lapic *best = NULL;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct lapic *l = m->cpu[i]->lapic;
        if (!addressed(l, msg) || !(l->svr & SVR_ENABLE)) continue;
        if (!best || lapic_ppr(l) < lapic_ppr(best)) best = l;
    }
    return best;
}

bool apic_deliver(struct machine *m, const struct apic_message *msg) {
    if (msg->delivery_mode == APIC_LOWEST) {
        struct lapic *l = arbitrate(m, msg);
        return l && receive(l, msg);
    }
    bool any = false;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct lapic *l = m->cpu[i]->lapic;
        if (!addressed(l, msg)) continue;
        any |= receive(l, msg);
    }
    return any;
}

void lapic_send(struct lapic *l, uint64_t icr) {
    struct apic_message msg = {
        .vector = (uint8_t)icr,
        .delivery_mode = icr >> 8 & 7,
        .dest_mode = icr >> 11 & 1,
        .level = icr >> 14 & 1,
        .trigger = icr >> 15 & 1,
        .shorthand = icr >> 18 & 3,
        .dest = (uint32_t)(icr >> 32),
        .source = l->cpu->id,
    };
    if (!lapic_x2(l)) {
        msg.dest >>= 24;
        if (msg.dest == 0xFF) msg.dest = BROADCAST;
    }
    /* INIT level de-assert only sets arbitration IDs, and not even that on current processors. */
    if (msg.delivery_mode == APIC_INIT && msg.trigger && !msg.level) return;
    if ((msg.delivery_mode == APIC_FIXED || msg.delivery_mode == APIC_LOWEST) && msg.vector < 16) {
        lapic_error(l, ESR_SEND_VECTOR);
        return;
    }
    msg.trigger = 0; /* IPIs are edge-triggered whatever the bit says: SDM 3, "Interrupt Command Register (ICR)" */
    apic_deliver(l->cpu->machine, &msg);
}

/* ---- interrupt lines ---- */

/* Like an ISA bus bridge: the 8259 sees IRQ 0-15, the I/O APIC has IRQ 0 on pin 2 and the others on their own. */
#define REPLACED_IRQS (1u << 0 | 1u << 8)

/* A line is asserted as long as anybody asserts it. */
void machine_share_irq(struct machine *m, enum irq_source source, unsigned irq, bool asserted) {
    uint32_t bit = 1u << (irq & 31);
    m->irq_lines[source] = asserted ? m->irq_lines[source] | bit : m->irq_lines[source] & ~bit;
    uint32_t devices = m->irq_lines[IRQ_DEVICE] & ~(m->timers_replaced ? REPLACED_IRQS : 0);
    bool level = (devices | m->irq_lines[IRQ_PIRQ] | m->irq_lines[IRQ_HPET]) & bit;
    if (irq < 16 && irq != 2 && m->pic) pic_set_line(m->pic, irq, level);
    if (irq != 2 && m->ioapic) ioapic_set_line(m->ioapic, irq == 0 ? 2 : irq, level);
}

void machine_set_irq(struct machine *m, unsigned irq, bool level) { machine_share_irq(m, IRQ_DEVICE, irq, level); }

/* IA-PC HPET Specification, "LegacyReplacement Route": the 8254 and the RTC interrupt no longer. */
void machine_replace_timers(struct machine *m, bool on) {
    m->timers_replaced = on;
    for (unsigned irq = 0; irq < 16; irq++)
        if (REPLACED_IRQS >> irq & 1) machine_share_irq(m, IRQ_DEVICE, irq, m->irq_lines[IRQ_DEVICE] >> irq & 1);
}

void machine_set_intr(struct machine *m, bool level) {
    m->intr_line = level;
    if (m->cpu_count) lapic_set_lint0(m->cpu[0]->lapic, level);
}

uint8_t pic_acknowledge(struct machine *m) { return pic_inta(m->pic); }

void ioapic_eoi(struct machine *m, uint8_t vector) { ioapic_end_of_interrupt(m->ioapic, vector); }

void ioapic_retry(struct machine *m) {
    if (m->ioapic) ioapic_serve(m->ioapic);
}

bool lines_send_nmi(const struct machine *m) {
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (lapic_lint_sends_nmi(m->cpu[i])) return true;
    return ioapic_sends_nmi(m->ioapic);
}
