/* Interrupt controllers and timers. */
#ifndef GUEST_IRQ_H
#define GUEST_IRQ_H

#include "testsuites/guest/lib/types.h"

/* 8259 pair: vectors base..base+15, all lines masked. Every image starts with pic_disable(): base 0x20, all masked. */
void pic_init(u8 base);
void pic_disable(void);
void pic_unmask(u8 irq);
void pic_mask(u8 irq);
void pic_eoi(u8 irq);

/* 8254 channel 0 (IRQ 0), count in units of 1/1193182 s: periodic (mode 2) or once (mode 0). Program it before
 * pic_unmask(0): an output that was high and falls is a spurious interrupt. */
void pit_periodic(u16 count);
void pit_oneshot(u16 count);

/* Local APIC at 0xFEE00000, or through MSRs once apic_enable_x2apic() was called. */
#define APIC_ID         0x20
#define APIC_VERSION    0x30
#define APIC_TPR        0x80
#define APIC_EOI        0xB0
#define APIC_LDR        0xD0
#define APIC_SVR        0xF0
#define APIC_ISR        0x100
#define APIC_IRR        0x200
#define APIC_ESR        0x280
#define APIC_ICR        0x300
#define APIC_ICR_HIGH   0x310
#define APIC_LVT_TIMER  0x320
#define APIC_LVT_LINT0  0x350
#define APIC_LVT_LINT1  0x360
#define APIC_LVT_ERROR  0x370
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_NOW  0x390
#define APIC_TIMER_DIV  0x3E0

bool apic_present(void);
void apic_enable(void); /* software enable, spurious vector 0xFF */
bool apic_enable_x2apic(void);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 v);
void apic_icr(u32 destination, u32 low); /* waits until delivered */
void apic_self_ipi(u8 vector);
void apic_eoi(void);

#endif
