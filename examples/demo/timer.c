/* The names of command words and modes are those of the 8259A and 8254 data sheets. */
#include "examples/demo/timer.h"

#include "examples/demo/descriptors.h"
#include "examples/demo/memory.h"
#include "examples/demo/x86.h"

enum {
    PIC1_COMMAND = 0x20,
    PIC1_DATA = 0x21,
    PIC2_COMMAND = 0xA0,
    PIC2_DATA = 0xA1,
    ICW1_INIT_ICW4 = 0x11, /* edge triggered, cascaded, ICW4 follows */
    ICW4_8086 = 0x01,
    OCW2_EOI = 0x20,
    ALL_MASKED = 0xFF,
    ALL_BUT_TIMER = 0xFE,

    PIT_CHANNEL0 = 0x40,
    PIT_CONTROL = 0x43,
    PIT_MODE0 = 0x30, /* channel 0, low byte then high byte, mode 0: interrupt on terminal count */
    PIT_HZ = 1193182,
};

static volatile uint64_t ticks;
static volatile bool running;

static void timer_interrupt(void) {
    outb(PIC1_COMMAND, OCW2_EOI);
    if (!running) return;
    running = false;
    ticks = ticks + 1;
}

static void pic_init(void) {
    outb(PIC1_COMMAND, ICW1_INIT_ICW4);
    outb(PIC2_COMMAND, ICW1_INIT_ICW4);
    outb(PIC1_DATA, TIMER_VECTOR); /* ICW2: vectors of IRQ 0-7 */
    outb(PIC2_DATA, TIMER_VECTOR + 8);
    outb(PIC1_DATA, 1 << 2); /* ICW3: the second 8259 hangs on line 2 */
    outb(PIC2_DATA, 2);
    outb(PIC1_DATA, ICW4_8086);
    outb(PIC2_DATA, ICW4_8086);
    outb(PIC1_DATA, ALL_BUT_TIMER);
    outb(PIC2_DATA, ALL_MASKED);
}

/*
 * The 8259's output reaches the processor through the local APIC, pin LINT0. Firmware leaves it open ("virtual wire
 * mode"); we open it ourselves and need not know who started us. SDM 3, "Local Vector Table", "Spurious-Interrupt
 * Vector Register (SVR)" and, for the MSRs, "x2APIC Register Address Space".
 */
static void lapic_virtual_wire(void) {
    enum { SVR = 0xF0, LVT_LINT0 = 0x350, X2APIC_MSRS = 0x800, CPUID_1_EDX_APIC = 1 << 9 };
    enum { SVR_ENABLE = 1 << 8, SPURIOUS_VECTOR = TIMER_VECTOR + 15, LVT_EXTINT = 7 << 8 };
    enum { BASE_EXTD = 1 << 10, BASE_EN = 1 << 11 };

    if (!(cpuid(1, 0).edx & CPUID_1_EDX_APIC)) return;
    const uint64_t base = rdmsr(IA32_APIC_BASE);
    if (!(base & BASE_EN)) return;
    if (base & BASE_EXTD) {
        wrmsr(X2APIC_MSRS + SVR / 16, SVR_ENABLE | SPURIOUS_VECTOR);
        wrmsr(X2APIC_MSRS + LVT_LINT0 / 16, LVT_EXTINT);
    } else {
        volatile uint32_t *registers = pointer(base & ~(PAGE_SIZE - 1));
        registers[SVR / 4] = SVR_ENABLE | SPURIOUS_VECTOR;
        registers[LVT_LINT0 / 4] = LVT_EXTINT;
    }
}

void timer_init(void) {
    outb(PIT_CONTROL, PIT_MODE0); /* stops what firmware started: in mode 0 nothing counts until a count is written */
    interrupt_set_handler(TIMER_VECTOR, timer_interrupt);
    lapic_virtual_wire();
    pic_init();
}

void timer_start(void) {
    const unsigned count = PIT_HZ * TIMER_MILLISECONDS / 1000;
    running = true;
    outb(PIT_CONTROL, PIT_MODE0);
    outb(PIT_CHANNEL0, count & 0xFF);
    outb(PIT_CHANNEL0, count >> 8);
}

bool timer_running(void) { return running; }
uint64_t timer_ticks(void) { return ticks; }
