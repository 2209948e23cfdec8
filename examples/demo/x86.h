/* The few instructions and bits that C cannot name. Everything here is the same on Intel and AMD processors. */
#ifndef DEMO_X86_H
#define DEMO_X86_H

#include <stdint.h>

#define CR0_PE   (1ull << 0)
#define CR0_ET   (1ull << 4)
#define CR0_NE   (1ull << 5)
#define CR0_PG   (1ull << 31)
#define CR4_PAE  (1ull << 5)
#define CR4_VMXE (1ull << 13)

#define RFLAGS_FIXED (1ull << 1) /* always 1 */
#define RFLAGS_IF    (1ull << 9)

#define IA32_APIC_BASE 0x1B
#define IA32_EFER      0xC0000080u
#define EFER_LME       (1ull << 8)
#define EFER_LMA       (1ull << 10)
#define EFER_SVME      (1ull << 12)

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t rdmsr(uint32_t msr) {
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t inb(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#define READ_CR(n)                                                                                                     \
    static inline uint64_t read_cr##n(void) {                                                                          \
        uint64_t value;                                                                                                \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value));                                                          \
        return value;                                                                                                  \
    }
READ_CR(0)
READ_CR(3)
READ_CR(4)
#undef READ_CR

static inline void write_cr0(uint64_t value) { __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory"); }
static inline void write_cr4(uint64_t value) { __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }

/* STI takes effect after the next instruction, so no interrupt can slip in between STI and HLT and leave us halted. */
static inline void halt_until_interrupt(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

/* Lets in what is pending, and nothing that comes later. */
static inline void take_pending_interrupts(void) { __asm__ volatile("sti; nop; cli" : : : "memory"); }

#endif
