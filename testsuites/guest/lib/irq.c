/* 8259, 8254 and local APIC. */
#include "testsuites/guest/lib/guest.h"

#define APIC_BASE_EN   BIT(11)
#define APIC_BASE_EXTD BIT(10)
#define APIC_MMIO      0xFEE00000UL

static bool x2apic;

void pic_init(u8 base) {
    static const u16 port[2] = {0x20, 0xA0};
    for (u32 i = 0; i < 2; i++) {
        outb(port[i], 0x11);                   /* ICW1: edge, cascade, ICW4 follows */
        outb(port[i] + 1, (u8)(base + 8 * i)); /* ICW2: vectors */
        outb(port[i] + 1, i ? 2 : 4);          /* ICW3: cascade on line 2 */
        outb(port[i] + 1, 1);                  /* ICW4: 8086 mode */
        outb(port[i] + 1, 0xFF);               /* all masked */
    }
}

void pic_disable(void) { pic_init(0x20); }

static void pic_set_mask(u8 irq, bool masked) {
    u16 port = irq < 8 ? 0x21 : 0xA1;
    u8 bit = (u8)(1 << (irq & 7));
    outb(port, masked ? inb(port) | bit : inb(port) & (u8)~bit);
}

void pic_unmask(u8 irq) {
    if (irq >= 8) pic_set_mask(2, false);
    pic_set_mask(irq, false);
}

void pic_mask(u8 irq) { pic_set_mask(irq, true); }

void pic_eoi(u8 irq) {
    if (irq >= 8) outb(0xA0, 0x20);
    outb(0x20, 0x20);
}

static void pit_program(u8 mode, u16 count) {
    outb(0x43, (u8)(0x30 | mode << 1)); /* channel 0, low then high byte */
    outb(0x40, (u8)count);
    outb(0x40, (u8)(count >> 8));
}

void pit_periodic(u16 count) { pit_program(2, count); }

void pit_oneshot(u16 count) { pit_program(0, count); }

bool apic_present(void) { return cpuid(1, 0).edx & BIT(9); }

u32 apic_read(u32 reg) {
    if (x2apic) return (u32)rdmsr(0x800 + (reg >> 4));
    return *(volatile u32 *)(APIC_MMIO + reg);
}

void apic_write(u32 reg, u32 v) {
    if (x2apic)
        wrmsr(0x800 + (reg >> 4), v);
    else
        *(volatile u32 *)(APIC_MMIO + reg) = v;
}

void apic_enable(void) {
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EN);
    apic_write(APIC_SVR, 0x1FF);
}

bool apic_enable_x2apic(void) {
    if (!(cpuid(1, 0).ecx & BIT(21))) return false;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EN);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
    x2apic = true;
    apic_write(APIC_SVR, 0x1FF);
    return true;
}

void apic_icr(u32 destination, u32 low) {
    if (x2apic) {
        wrmsr(0x830, (u64)destination << 32 | low);
        return;
    }
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, low);
    for (u32 i = 0; i < 1000000 && (apic_read(APIC_ICR) & BIT(12)); i++) cpu_pause();
}

void apic_self_ipi(u8 vector) { apic_icr(0, 0x44000 | vector); /* shorthand self, assert, fixed */ }

void apic_eoi(void) { apic_write(APIC_EOI, 0); }
