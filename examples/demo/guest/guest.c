/*
 * The guest: a small 64-bit program that believes it owns a machine. Each step makes its hypervisor work in another
 * way; each line that it prints is true only if the hypervisor did.
 */
#include <stdarg.h>
#include <stdbool.h>

#include "examples/demo/abi.h"
#include "examples/demo/format.h"
#include "examples/demo/x86.h"

void guest_main(void);

/* start.S */
extern volatile uint64_t ticks, gp_faults;
void tick_entry(void);
void gp_entry(void);

volatile uint64_t ticks, gp_faults;
static struct guest_report report __attribute__((aligned(64))); /* within one page, as the hypervisor demands */
static volatile uint64_t ticks_taken;                           /* the hypervisor's count, written by it */

/* ---- Printing: one OUT, so one exit, per character ---- */

static void put(char c) {
    enum { UART_THR = 0x3F8 };
    outb(UART_THR, (uint8_t)c);
}

static void say(const char *text, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *text, ...) {
    va_list args;
    va_start(args, text);
    format(put, text, args);
    va_end(args);
    put('\n');
}

/* ---- Interrupts ---- */

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};

static struct gate idt[GUEST_TICK_VECTOR + 1] __attribute__((aligned(16)));

static void set_gate(unsigned vector, void (*entry)(void)) {
    const uint64_t offset = (uint64_t)(uintptr_t)entry;
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)offset,
        .offset_mid = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
        .selector = 0x08,
        .type = 0x8E,
    };
}

static void load_idt(void) {
    enum { GENERAL_PROTECTION = 13 };
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof idt - 1, (uint64_t)(uintptr_t)idt};
    set_gate(GENERAL_PROTECTION, gp_entry);
    set_gate(GUEST_TICK_VECTOR, tick_entry);
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

/* ---- Hypercalls: each vendor has an instruction for it, and the other vendor's is #UD ---- */

static bool hypercall_is_vmcall; /* main asks the hypervisor */

static uint64_t hypercall(uint64_t number, uint64_t argument) {
    if (hypercall_is_vmcall)
        __asm__ volatile("vmcall" : "+a"(number) : "D"(argument) : "memory");
    else
        __asm__ volatile("vmmcall" : "+a"(number) : "D"(argument) : "memory");
    return number;
}

static void ask_for_tick(void) { hypercall(HYPERCALL_TIMER, (uint64_t)(uintptr_t)&ticks_taken); }

/* ---- The steps ---- */

static void show_cpuid(void) {
    const struct cpuid p = cpuid(0, 0), h = cpuid(CPUID_HYPERVISOR, 0);
    const union {
        uint32_t words[8];
        char text[32];
    } names = {
        {p.ebx, p.edx, p.ecx, 0, h.ebx, h.ecx, h.edx, 0}
    };
    const bool hypervisor_bit = cpuid(1, 0).ecx >> 31;
    say("CPUID: processor %s, hypervisor %s.", names.text, hypervisor_bit ? names.text + 16 : "absent");
}

static void show_msrs(void) {
    wrmsr(MSR_SCRATCH, 0x123456789ABCDEF0);
    say("RDMSR: IA32_EFER is %lxh. MSR %xh remembers %lxh.", rdmsr(IA32_EFER), MSR_SCRATCH, rdmsr(MSR_SCRATCH));
    rdmsr(MSR_MISSING);
    say("RDMSR of MSR %xh: %lu #GP, which my handler stepped over.", MSR_MISSING, gp_faults);
}

static void add_by_hypercall(void) {
    enum { LAST = 10 };
    for (uint64_t n = 1; n <= LAST; n++) report.sum = hypercall(HYPERCALL_ADD, n);
    report.hypercall_adds = LAST;
    say("Hypercalls: 1 + 2 + ... + %u = %lu.", LAST, report.sum);
}

static void touch_memory(void) {
    for (uint64_t i = 0; i < GUEST_LAZY_PAGES; i++) {
        const uint64_t address = GUEST_LAZY_BASE + i * GUEST_LAZY_STEP;
        volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)address;
        const bool was_zero = *word == 0;
        *word = GUEST_WORD(address);
        if (was_zero && *word == GUEST_WORD(address)) report.pages++;
    }
    say("Memory: %lu pages appeared when I touched them.", report.pages);
}

/* The tick finds the guest in the middle of a loop: an external interrupt makes it exit. */
static void wait_busily(unsigned count) {
    __asm__ volatile("sti");
    for (unsigned i = 0; i < count; i++) {
        const uint64_t before = ticks;
        ask_for_tick();
        while (ticks == before) __asm__ volatile("pause");
    }
    __asm__ volatile("cli");
    say("Ticks: %lu, after %u while I was busy.", ticks, count);
}

/*
 * The hypervisor has a tick, but we do not let it in: it has to wait for the interrupt window that STI opens. Should
 * the tick be so early that it comes before CLI, try again. (We ask with interrupts on, for Bochs 2.7 overlooks an
 * external interrupt if RFLAGS.IF is clear when it enters a guest and the guest leaves it so.)
 */
static void wait_with_interrupts_off(void) {
    uint64_t before;
    do {
        before = ticks;
        __asm__ volatile("sti");
        ask_for_tick();
        __asm__ volatile("cli");
        while (ticks_taken == before) __asm__ volatile("pause");
    } while (ticks != before);
    __asm__ volatile("sti; nop; nop; cli");
    say("Ticks: %lu, after one that had to wait until I enabled interrupts.", ticks);
}

static void wait_halted(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        ask_for_tick();
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    say("Ticks: %lu, after %u that woke me from HLT.", ticks, count);
}

void guest_main(void) {
    load_idt();
    hypercall_is_vmcall = cpuid(CPUID_HYPERCALL, 0).eax == HYPERCALL_IS_VMCALL;
    say("Hello from a guest. Every character of this is an exit.");
    show_cpuid();
    show_msrs();
    add_by_hypercall();
    touch_memory();
    wait_busily(3);
    wait_with_interrupts_off();
    wait_halted(4);
    say("Goodbye.");
    report.ticks = ticks;
    report.gp_faults = gp_faults;
    hypercall(HYPERCALL_DONE, (uint64_t)(uintptr_t)&report);
}
