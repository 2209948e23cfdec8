/* Two processors: INIT and SIPI, IPIs both ways, broadcast, NMI, LOCK, HLT; state after INIT. SDM 3,
 * "Multiple-Processor (MP) Initialization", "Issuing Interprocessor Interrupts", "Processor State After Reset" */
#include "testsuites/guest/lib/guest.h"

#define TRAMPOLINE             0x8000
#define SHORTHAND_ALL_BUT_SELF (3u << 18)

/* Real-mode start of the second processor: to long mode on the first one's tables. Positions are relative to the page.
 */
__asm__(
    ".pushsection .rodata\n"
    ".code16\n"
    "ap_begin: cli\n mov %cs, %ax\n mov %ax, %ds\n mov %ax, ap_cs - ap_begin\n smsw %ax\n mov %ax, ap_msw - ap_begin\n"
    "mov %edx, ap_edx - ap_begin\n"
    "lgdtl ap_gdtr - ap_begin\n mov $0x20, %eax\n mov %eax, %cr4\n mov ap_cr3 - ap_begin, %eax\n mov %eax, %cr3\n"
    "mov $0xc0000080, %ecx\n rdmsr\n or $0x900, %ax\n wrmsr\n mov $0x80010033, %eax\n mov %eax, %cr0\n"
    "ljmpl $8, $ap_long\n"
    ".p2align 3\nap_gdtr: .word 511\n.long guest_gdt\n.p2align 3\nap_cr3: .long 0\nap_edx: .long 0\nap_cs: .word "
    "0\nap_msw: .word 0\nap_end:\n"
    ".code64\n.popsection\n"
    ".pushsection .text\nap_long: mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n mov "
    "ap_stack(%rip), %rsp\n"
    "jmp ap_main\n.popsection");
extern const u8 ap_begin[], ap_cr3[], ap_edx[], ap_cs[], ap_msw[], ap_end[];
u64 ap_stack;
NORETURN void ap_main(void);

static volatile u32 starts, ap_id, ap_ipis, ap_nmis, bsp_ipis, ap_command, ap_done, ap_waiting;
static volatile u64 counter, ap_apic_base, ap_cr0, ap_flags;
static u32 bsp_id;

static void on_ipi(struct regs *r) {
    (void)r;
    if (apic_read(APIC_ID) >> 24 == bsp_id)
        bsp_ipis++;
    else
        ap_ipis++;
    apic_eoi();
}

static void on_nmi(struct regs *r) {
    (void)r;
    ap_nmis++;
}

enum { IDLE, COUNT, SEND, HALT };

NORETURN void ap_main(void) {
    struct table_register idtr = read_idtr();
    (void)idtr;
    extern u8 bsp_idtr[];
    __asm__ volatile("lidt %0" : : "m"(*(struct table_register *)bsp_idtr));
    ap_apic_base = rdmsr(MSR_APIC_BASE);
    ap_cr0 = read_cr0();
    ap_flags = read_flags();
    apic_write(APIC_SVR, 0x1FF);
    ap_id = apic_read(APIC_ID) >> 24;
    __asm__ volatile("lock incl %0" : "+m"(starts));
    for (;;) {
        u32 command = ap_command;
        if (command == COUNT)
            for (u32 i = 0; i < 10000; i++) __asm__ volatile("lock incq %0" : "+m"(counter));
        if (command == SEND) apic_icr(bsp_id, 0x4051);
        if (command == HALT) {
            ap_waiting = 1;
            irq_wait();
        }
        if (command != IDLE) {
            ap_command = IDLE;
            ap_done++;
        }
        __asm__ volatile("sti\n jmp 1f\n1: jmp 2f\n2: pause\n cli" : : : "memory");
    }
}
u8 bsp_idtr[16];

static bool spin_until(volatile u32 *v, u32 want) {
    for (u32 i = 0; i < 20000000 && *v < want; i++) cpu_pause();
    return *v >= want;
}

static void delay(void) {
    for (u32 i = 0; i < 100000; i++) cpu_pause();
}

static bool command(u32 c) {
    u32 done = ap_done;
    ap_command = c;
    return spin_until(&ap_done, done + 1);
}

static void *low(uptr address) {
    __asm__("" : "+r"(address));
    return (void *)address;
}

static bool start(void) {
    u32 n = starts;
    apic_icr(0, 0x4500 | SHORTHAND_ALL_BUT_SELF);
    delay();
    apic_icr(0, 0x4600 | SHORTHAND_ALL_BUT_SELF | TRAMPOLINE >> 12);
    delay();
    return spin_until(&starts, n + 1);
}

void guest_main(void) {
    u8 *page = low(TRAMPOLINE);
    if (!apic_present()) {
        skip("no local APIC", "two processors");
        return;
    }
    apic_enable();
    bsp_id = apic_read(APIC_ID) >> 24;
    struct table_register idtr = read_idtr();
    memcpy(bsp_idtr, &idtr, sizeof idtr);
    memcpy(page, ap_begin, (size_t)(ap_end - ap_begin));
    *(u32 *)(void *)(page + (ap_cr3 - ap_begin)) = (u32)read_cr3();
    ap_stack = (uptr)pages_alloc(4, 1) + 4 * PAGE_SIZE;
    handler_set(0x50, on_ipi);
    handler_set(0x51, on_ipi);
    ok(rdmsr(MSR_APIC_BASE) & BIT(8), "the first processor has IA32_APIC_BASE.BSP");
    if (!start()) {
        skip("no second processor answers", "two processors");
        return;
    }
    ok_eq(starts, 1, "INIT and SIPI start the second processor");
    ok_eq(*(u16 *)(void *)(page + (ap_cs - ap_begin)), TRAMPOLINE >> 4, "its CS is the SIPI's vector");
    ok_eq(*(u16 *)(void *)(page + (ap_msw - ap_begin)) & 0xF, 0, "in real mode");
    ok_eq(*(u32 *)(void *)(page + (ap_edx - ap_begin)) >> 8 & 0xF, cpuid(1, 0).eax >> 8 & 0xF, "EDX has the family");
    ok(!(ap_apic_base & BIT(8)), "it hasn't IA32_APIC_BASE.BSP");
    ok(ap_id != bsp_id, "it has another APIC ID");
    apic_icr(0, 0x4600 | SHORTHAND_ALL_BUT_SELF | TRAMPOLINE >> 12);
    delay();
    ok_eq(starts, 1, "another SIPI doesn't matter");
    apic_icr(ap_id, 0x4050);
    ok(spin_until(&ap_ipis, 1), "an IPI to it");
    apic_icr(0, 0x4050 | SHORTHAND_ALL_BUT_SELF);
    ok(spin_until(&ap_ipis, 2), "an IPI to all but self");
    ok(command(SEND), "it sends one back");
    for (u32 i = 0; i < 100 && !bsp_ipis; i++) {
        irq_enable();
        delay();
        irq_disable();
    }
    ok_eq(bsp_ipis, 1, "which arrives");
    apic_icr(0, 0x4050 | 2u << 18);
    irq_enable();
    delay();
    irq_disable();
    ok(spin_until(&ap_ipis, 3) && bsp_ipis == 2, "an IPI to all including self");
    u32 done = ap_done;
    ap_command = COUNT;
    for (u32 i = 0; i < 10000; i++) __asm__ volatile("lock incq %0" : "+m"(counter));
    ok(spin_until(&ap_done, done + 1) && counter == 20000, "LOCK makes increments by both atomic");
    ap_command = HALT;
    spin_until(&ap_waiting, 1);
    delay();
    apic_icr(ap_id, 0x4050);
    ok(spin_until(&ap_ipis, 4), "an IPI wakes it from HLT");
    delay();
    idt_set(VEC_NMI, SEL_CODE64, isr_entry(VEC_NMI), GATE_INT, 0, 0); /* the second processor has no TSS, so no IST */
    handler_set(VEC_NMI, on_nmi);
    apic_icr(ap_id, 0x4400);
    ok(spin_until(&ap_nmis, 1), "an NMI to it");
    apic_icr(ap_id, 0x4500);
    delay();
    u32 before = ap_ipis;
    apic_icr(ap_id, 0x4050);
    delay();
    ok_eq(ap_ipis, before, "after INIT it waits for a SIPI and takes no interrupts");
    ok(start() && starts == 2, "a SIPI starts it again");
    apic_icr(ap_id, 0x4500); /* quiet for the end */
}
