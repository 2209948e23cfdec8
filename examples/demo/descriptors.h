/* The hypervisor's own GDT, TSS and IDT. VMX asks for all three: an exit loads CS, the data segments, TR, GDTR, IDTR.
 */
#ifndef DEMO_DESCRIPTORS_H
#define DEMO_DESCRIPTORS_H

#include <stdint.h>

enum { SEL_CODE = 0x08, SEL_DATA = 0x10, SEL_TSS = 0x18 };

/* The operand of LGDT, SGDT, LIDT and SIDT in 64-bit mode. */
struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

void descriptors_init(void);
uint64_t gdt_base(void);
uint64_t idt_base(void);
uint64_t tss_base(void);

/* From here on, interrupt `vector` calls `handler`. Any vector without one ends the run with a message. */
void interrupt_set_handler(unsigned vector, void (*handler)(void));

/* Called by the stubs in interrupts.S. */
void interrupt_dispatch(uint64_t vector, uint64_t error, uint64_t rip);

#endif
