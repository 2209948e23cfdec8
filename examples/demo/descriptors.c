#include "examples/demo/descriptors.h"

#include <stddef.h>

#include "examples/demo/console.h"
#include "examples/demo/memory.h"

enum { VECTORS = 48, STUB_SIZE = 16 };

/* SDM 3, "64-Bit Mode IDT" */
struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "a gate in 64-bit mode has 16 bytes");

/* SDM 3, "Task Management in 64-bit Mode". Only its existence matters here: we never change privilege level. */
struct tss {
    uint32_t reserved, stacks[23], reserved2, io_map;
};
_Static_assert(sizeof(struct tss) == 104, "size of the 64-bit TSS");

static uint64_t gdt[5] = {
    0,
    0x00209B0000000000, /* SEL_CODE: present, code, L */
    0x00CF93000000FFFF, /* SEL_DATA: present, writable */
    0,
    0, /* SEL_TSS: 16 bytes, made below because its base is in pieces */
};
static struct tss tss;
static struct gate idt[VECTORS];
static void (*handlers[VECTORS])(void);

extern const uint8_t interrupt_stubs[]; /* interrupts.S */

uint64_t gdt_base(void) { return physical(gdt); }
uint64_t idt_base(void) { return physical(idt); }
uint64_t tss_base(void) { return physical(&tss); }

static void load_gdt_and_tss(void) {
    const uint64_t base = tss_base(), limit = sizeof tss - 1;
    tss.io_map = (uint32_t)sizeof tss << 16; /* beyond the limit: no I/O map */
    gdt[3] = limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56; /* 89h: present, free TSS */
    gdt[4] = base >> 32;

    const struct table_register gdtr = {sizeof gdt - 1, gdt_base()};
    __asm__ volatile("lgdt %0" : : "m"(gdtr)); /* code and data selectors mean the same as in boot.S */
    __asm__ volatile("ltr %w0" : : "r"((uint16_t)SEL_TSS) : "memory");
}

static void load_idt(void) {
    for (size_t i = 0; i < VECTORS; i++) {
        const uint64_t stub = physical(interrupt_stubs) + i * STUB_SIZE;
        idt[i] = (struct gate){
            .offset_low = (uint16_t)stub,
            .offset_mid = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
            .selector = SEL_CODE,
            .type = 0x8E, /* present, interrupt gate */
        };
    }
    const struct table_register idtr = {sizeof idt - 1, idt_base()};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

void descriptors_init(void) {
    load_gdt_and_tss();
    load_idt();
}

void interrupt_set_handler(unsigned vector, void (*handler)(void)) { handlers[vector] = handler; }

void interrupt_dispatch(uint64_t vector, uint64_t error, uint64_t rip) {
    if (!handlers[vector])
        give_up("Unexpected exception or interrupt %lu in the hypervisor itself: error code %lxh, RIP %lxh.", vector,
                error, rip);
    handlers[vector]();
}
