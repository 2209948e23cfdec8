/* Interrupt routing: the inputs PIRQA#-PIRQH# reach pins 16-23 of the I/O APIC always, and ISA interrupts as the route
 * registers say. Intel 82371SB (PIIX3) data sheet, "PIRQRC[A:D] - PIRQx Route Control Registers"; Intel ICH9 data
 * sheet, "PIRQ[n]_ROUT". Several inputs and the SCI may share a line. */
#include "sim/dev/chipset.h"

#define ROUTABLE  0xDEF8u /* IRQ 0, 1, 2, 8 and 13 are reserved */
#define FIRST_PIN 16
#define LINES     24

void pirq_update(struct pirq *p) {
    uint32_t lines = p->sci ? 1u << p->sci_irq : 0;
    for (unsigned n = 0; n < PIRQS; n++) {
        if (!(p->level >> n & 1)) continue;
        lines |= 1u << (FIRST_PIN + n);
        if (!(p->route[n] & PIRQ_OFF)) lines |= 1u << (p->route[n] & 15) & ROUTABLE;
    }
    uint32_t changed = lines ^ p->lines;
    p->lines = lines;
    for (unsigned n = 0; n < LINES; n++)
        if (changed >> n & 1) machine_share_irq(p->machine, IRQ_PIRQ, n, lines >> n & 1);
}

void pirq_set_input(struct pirq *p, unsigned n, bool level) {
    p->level = (uint8_t)(level ? p->level | 1u << n : p->level & ~(1u << n));
    pirq_update(p);
}

void pirq_set_sci(struct pirq *p, bool level) {
    p->sci = level;
    pirq_update(p);
}
