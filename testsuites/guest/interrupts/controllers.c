/* Interrupt controllers and timers of a board: 8259 with 8254, local APIC (priorities, EOI, timer, spurious, NMI,
 * errors, x2APIC), I/O APIC with the 8254; HLT. SDM 3, "Advanced Programmable Interrupt Controller (APIC)"; the data
 * sheets of the 8259A, 8254 and 82093AA */
#include "testsuites/guest/lib/guest.h"

#define MSR_TSC_DEADLINE 0x6E0
#define APIC_PPR         0xA0
#define APIC_TMR         0x180
#define IOAPIC           0xFEC00000UL
#define MASKED           BIT(16)

static u32 count[256], order[16], order_count;
static struct fault f;

static void on_interrupt(struct regs *r) {
    count[r->vector]++;
    if (order_count < ARRAY_SIZE(order)) order[order_count++] = (u32)r->vector;
    if (r->vector >= 0x20 && r->vector < 0x30)
        pic_eoi((u8)(r->vector - 0x20));
    else
        apic_eoi();
}

static void on_spurious(struct regs *r) { count[r->vector]++; }

static void begin(void) {
    memset(count, 0, sizeof count);
    order_count = 0;
}

/* Lets interrupts through for a while. */
static void window(u32 loops) {
    irq_enable();
    for (u32 i = 0; i < loops; i++) cpu_pause();
    irq_disable();
}

static void wait_for(u8 vector, u32 n) {
    for (u32 i = 0; i < 100 && count[vector] < n; i++) irq_wait();
}

static void pic_and_pit(void) {
    begin();
    handler_set(0x20, on_interrupt);
    handler_set(0x27, on_spurious); /* a request that goes away again while the counter is programmed */
    pit_periodic(1000);
    pic_unmask(0);
    u64 before = rdtsc();
    wait_for(0x20, 5);
    ok(count[0x20] >= 5, "8254 in mode 2: periodic interrupts through the 8259 wake HLT");
    ok(rdtsc() > before, "and time goes on");
    pit_oneshot(1000);
    window(10);
    begin();
    wait_for(0x20, 1);
    pic_mask(0);
    ok_eq(count[0x20], 1, "8254 in mode 0: one interrupt");
    /* masked: pending in the IRR, delivered when unmasked (edge triggered) */
    begin();
    pit_oneshot(100);
    outb(0x20, 0x0A); /* OCW3: read IRR */
    for (u32 i = 0; i < 1000000 && !(inb(0x20) & 1); i++) cpu_pause();
    ok(inb(0x20) & 1, "a masked request is in the IRR of the 8259");
    window(100);
    ok_eq(count[0x20], 0, "and isn't delivered");
    pic_unmask(0);
    window(1000);
    ok_eq(count[0x20], 1, "until it is unmasked");
    pic_disable();
    outb(0x43, 0x36);
    outb(0x40, 0);
    outb(0x40, 0);
    outb(0x43, 0x00); /* latch channel 0 */
    u32 first = inb(0x40);
    first |= (u32)inb(0x40) << 8;
    for (u32 i = 0; i < 10000; i++) cpu_pause();
    outb(0x43, 0x00);
    u32 second = inb(0x40);
    second |= (u32)inb(0x40) << 8;
    ok(first != second, "the 8254 counts");
    outb(0x21, 0x5A);
    ok_eq(inb(0x21), 0x5A, "the mask of the 8259 can be read");
    outb(0x21, 0xFF);
}

static void send_self(u8 vector) { apic_icr(0, 0x44000 | vector); }

/* "Interrupt, Task, and Processor Priority": higher vectors first; TPR, PPR, CR8 */
static void priorities(void) {
    for (u32 v = 0x30; v < 0xF0; v += 0x10) handler_set((u8)v, on_interrupt);
    begin();
    send_self(0x50);
    send_self(0x70);
    send_self(0x60);
    ok(apic_read(APIC_IRR + 0x10 * (0x70 / 32)) & (1u << (0x70 & 31)), "a pending interrupt is in the IRR");
    window(100);
    ok(order_count == 3 && order[0] == 0x70 && order[1] == 0x60 && order[2] == 0x50, "the highest vector comes first");
    begin();
    apic_write(APIC_TPR, 0x60);
    send_self(0x60);
    send_self(0x70);
    window(100);
    ok(count[0x70] == 1 && count[0x60] == 0, "the TPR holds off its class and what is below");
    ok_eq(read_cr8(), 6, "CR8 is the TPR's class");
    write_cr8(5);
    ok_eq(apic_read(APIC_TPR), 0x50, "writing CR8 writes the TPR");
    window(100);
    ok_eq(count[0x60], 1, "and lets through what it held");
    write_cr8(0);
    begin();
    send_self(0x80);
    send_self(0x80);
    window(100);
    ok(count[0x80] == 1 || count[0x80] == 2, "the same vector twice is delivered once (or twice)");
}

static u32 isr_seen, ppr_seen;
static void nested(struct regs *r) {
    count[r->vector]++;
    if (r->vector == 0x50) {
        isr_seen = apic_read(APIC_ISR + 0x10 * (0x50 / 32)) >> (0x50 & 31) & 1;
        ppr_seen = apic_read(APIC_PPR);
        send_self(0x40);
        send_self(0x90);
        irq_enable();
        for (int i = 0; i < 100; i++) cpu_pause();
        irq_disable();
        count[0] = count[0x90]; /* what came while 50h was in service */
        count[1] = count[0x40];
    }
    apic_eoi();
}

static void in_service(void) {
    begin();
    handler_set(0x40, nested);
    handler_set(0x50, nested);
    handler_set(0x90, nested);
    send_self(0x50);
    window(100);
    ok_eq(isr_seen, 1, "an interrupt in service is in the ISR");
    ok_eq(ppr_seen & 0xF0, 0x50, "the PPR is its class");
    ok_eq(count[0], 1, "a higher vector interrupts its handler");
    ok_eq(count[1], 0, "a lower one doesn't");
    ok_eq(count[0x40], 1, "but comes after the EOI");
    for (u32 v = 0; v < 8; v++)
        if (apic_read(APIC_ISR + 0x10 * v)) count[2]++;
    ok_eq(count[2], 0, "the ISR is empty after the EOIs");
    handler_set(0x40, on_interrupt);
    handler_set(0x50, on_interrupt);
    handler_set(0x90, on_interrupt);
}

/* "APIC Timer" */
static void timer(void) {
    begin();
    apic_write(APIC_TIMER_DIV, 0xB); /* by 1 */
    apic_write(APIC_LVT_TIMER, 0x60);
    apic_write(APIC_TIMER_INIT, 50000);
    u32 now = apic_read(APIC_TIMER_NOW);
    ok(now <= 50000, "the current count starts from the initial count");
    wait_for(0x60, 1);
    ok_eq(count[0x60], 1, "one-shot timer");
    ok_eq(apic_read(APIC_TIMER_NOW), 0, "its current count stays 0");
    window(100);
    ok_eq(count[0x60], 1, "and it doesn't come again");
    begin();
    apic_write(APIC_LVT_TIMER, 0x60 | BIT(17));
    apic_write(APIC_TIMER_INIT, 50000);
    wait_for(0x60, 3);
    ok_eq(count[0x60], 3, "periodic timer");
    apic_write(APIC_TIMER_INIT, 0);
    begin();
    window(100000);
    ok(count[0x60] <= 1, "initial count 0 stops it");
    begin();
    apic_write(APIC_LVT_TIMER, 0x60 | MASKED);
    apic_write(APIC_TIMER_INIT, 1000);
    window(100000);
    ok_eq(count[0x60], 0, "a masked timer interrupt is lost");
    if (!(cpuid(1, 0).ecx & BIT(24))) {
        skip("no TSC-deadline mode", "TSC-deadline timer");
        return;
    }
    apic_write(APIC_LVT_TIMER, 0x60 | 2u << 17);
    __asm__ volatile("mfence" : : : "memory");
    apic_write(APIC_TIMER_INIT, 1000);
    ok_eq(apic_read(APIC_TIMER_NOW), 0, "in TSC-deadline mode the initial count doesn't matter");
    u64 deadline = rdtsc() + 100000;
    wrmsr(MSR_TSC_DEADLINE, deadline);
    ok_eq(rdmsr(MSR_TSC_DEADLINE), deadline, "IA32_TSC_DEADLINE can be read while armed");
    wait_for(0x60, 1);
    ok(count[0x60] == 1 && rdtsc() >= deadline, "TSC-deadline timer");
    ok_eq(rdmsr(MSR_TSC_DEADLINE), 0, "IA32_TSC_DEADLINE is 0 afterwards");
    begin();
    wrmsr(MSR_TSC_DEADLINE, 1);
    window(1000);
    ok_eq(count[0x60], 1, "a deadline in the past comes at once");
    apic_write(APIC_LVT_TIMER, 0x60 | MASKED);
}

/* "Spurious Interrupt", "Local APIC software enable", "Error Handling" */
static void others(void) {
    handler_set(0xFF, on_spurious);
    handler_set(0xE1, on_interrupt);
    begin();
    apic_write(APIC_LVT_ERROR, 0xE1);
    apic_write(APIC_ESR, 0);
    handler_set(5, on_spurious);
    send_self(5); /* illegal vector */
    window(1000);
    handler_set(5, NULL);
    apic_write(APIC_ESR, 0);
    u32 esr = apic_read(APIC_ESR);
    ok(esr & (BIT(5) | BIT(6)), "an illegal vector is an error in the ESR");
    ok(count[0xE1] >= 1, "and an error interrupt");
    apic_write(APIC_LVT_ERROR, 0xE1 | MASKED);
    apic_write(APIC_SVR, 0xFF); /* software disable */
    ok(apic_read(APIC_LVT_TIMER) & MASKED, "software disable masks the LVT");
    apic_write(APIC_LVT_TIMER, 0x60);
    ok(apic_read(APIC_LVT_TIMER) & MASKED, "and the masks can't be cleared");
    apic_write(APIC_SVR, 0x1FF);
    apic_write(APIC_LVT_TIMER, 0x60 | MASKED);
    begin();
    handler_set(VEC_NMI, on_spurious);
    apic_icr(apic_read(APIC_ID) >> 24, 0x4400);
    for (int i = 0; i < 1000 && !count[VEC_NMI]; i++) cpu_pause();
    ok_eq(count[VEC_NMI], 1, "an NMI by IPI comes whatever IF is");
    handler_set(VEC_NMI, NULL);
    apic_write(APIC_ICR_HIGH, 0xAB000000);
    ok_eq(apic_read(APIC_ICR_HIGH) >> 24, 0xAB, "the ICR's destination can be read");
    ok((apic_read(APIC_VERSION) >> 16 & 0xFF) >= 3, "the version says there are four LVT entries at least");
}

static u32 ioapic_read(u8 reg) {
    *(volatile u32 *)IOAPIC = reg;
    return *(volatile u32 *)(IOAPIC + 0x10);
}
static void ioapic_write(u8 reg, u32 v) {
    *(volatile u32 *)IOAPIC = reg;
    *(volatile u32 *)(IOAPIC + 0x10) = v;
}

static void io_apic(void) {
    u32 version = ioapic_read(1), pins = (version >> 16 & 0xFF) + 1;
    if (version == ~0u || pins < 16) {
        skip("no I/O APIC", "I/O APIC");
        return;
    }
    for (u32 i = 0; i < pins; i++)
        ok(ioapic_read((u8)(0x10 + 2 * i)) & MASKED, "I/O APIC: pin %u is masked after reset", i);
    /* the 8254 is at pin 2 or 0 */
    handler_set(0xA0, on_interrupt);
    handler_set(0xA2, on_interrupt);
    begin();
    u32 id = apic_read(APIC_ID) >> 24 << 24;
    ioapic_write(0x11, id);
    ioapic_write(0x10, 0xA0);
    ioapic_write(0x15, id);
    ioapic_write(0x14, 0xA2);
    ok_eq(ioapic_read(0x14) & 0x1EFFF, 0xA2, "I/O APIC: a redirection entry can be read");
    pit_periodic(1000);
    for (int i = 0; i < 100 && count[0xA0] + count[0xA2] < 3; i++) irq_wait();
    ok(count[0xA0] + count[0xA2] >= 3, "I/O APIC: interrupts of the 8254");
    ioapic_write(0x10, MASKED);
    ioapic_write(0x14, MASKED);
    pit_oneshot(1);
    begin();
    window(1000);
    ok_eq(count[0xA0] + count[0xA2], 0, "I/O APIC: masked again");
    /* UART: transmitter-empty interrupt, line 4 */
    handler_set(0xA4, on_interrupt);
    ioapic_write(0x19, id);
    ioapic_write(0x18, 0xA4);
    outb(PORT_COM1 + 4, 0x08); /* OUT2 */
    outb(PORT_COM1 + 1, 0x02); /* THRE */
    window(100000);
    ok(count[0xA4] >= 1, "I/O APIC: the UART's transmitter-empty interrupt");
    ok_eq(inb(PORT_COM1 + 2) & 0xF, count[0xA4] ? 2 : 1, "the UART says why");
    outb(PORT_COM1 + 1, 0);
    ioapic_write(0x18, MASKED);
}

static void write_eoi_1(void *arg) {
    (void)arg;
    wrmsr(0x80B, 1);
}
static void read_eoi(void *arg) { *(u64 *)arg = rdmsr(0x80B); }
static void write_id(void *arg) {
    (void)arg;
    wrmsr(0x802, 0);
}
static void disable_in_x2apic(void *arg) {
    (void)arg;
    wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & ~BIT(10)) | BIT(11));
}

/* "Extended XAPIC (x2APIC)" */
static void x2apic(void) {
    if (!apic_enable_x2apic()) {
        skip("no x2APIC", "x2APIC");
        return;
    }
    u64 v;
    ok_eq(rdmsr(0x802), cpuid(1, 0).ebx >> 24, "x2APIC: the ID");
    begin();
    handler_set(0x50, on_interrupt);
    wrmsr(0x83F, 0x50); /* self IPI */
    window(100);
    ok_eq(count[0x50], 1, "x2APIC: self IPI");
    apic_self_ipi(0x50);
    window(100);
    ok_eq(count[0x50], 2, "x2APIC: ICR with the self shorthand");
    ok_eq((u64)try_fault(write_eoi_1, NULL, &f), VEC_GP, "x2APIC: EOI of 1: #GP");
    ok_eq((u64)try_fault(read_eoi, &v, &f), VEC_GP, "x2APIC: RDMSR of the EOI: #GP");
    ok_eq((u64)try_fault(write_id, NULL, &f), VEC_GP, "x2APIC: WRMSR of the ID: #GP");
    ok_eq((u64)try_fault(disable_in_x2apic, NULL, &f), VEC_GP, "x2APIC: back to xAPIC without disabling: #GP");
    apic_write(APIC_TPR, 0x40);
    ok_eq(read_cr8(), 4, "x2APIC: TPR and CR8");
    write_cr8(0);
    if (rdmsr(0x80D))
        ok_eq(rdmsr(0x80D), (rdmsr(0x802) >> 4) << 16 | 1u << (rdmsr(0x802) & 15), "x2APIC: the LDR is made of the ID");
}

void guest_main(void) {
    pic_and_pit();
    if (!apic_present()) {
        skip("no local APIC", "local APIC");
        return;
    }
    apic_enable();
    priorities();
    in_service();
    timer();
    others();
    io_apic();
    x2apic();
}
