/* Virtual-interrupt delivery: between apic.c (accesses) and vapic.c (what they do). Private to vmx/. */
#ifndef HVSIM_VMX_VAPIC_H
#define HVSIM_VMX_VAPIC_H

#include "vmx/vmx.h"

/* Offsets in the virtual-APIC page */
enum vapic_offset {
    VAPIC_ID = 0x20,
    VAPIC_VERSION = 0x30,
    VAPIC_TPR = 0x80,
    VAPIC_PPR = 0xA0,
    VAPIC_EOI = 0xB0,
    VAPIC_LDR = 0xD0,
    VAPIC_DFR = 0xE0,
    VAPIC_SVR = 0xF0,
    VAPIC_ISR = 0x100,
    VAPIC_TMR = 0x180,
    VAPIC_IRR = 0x200,
    VAPIC_ESR = 0x280,
    VAPIC_ICR_LO = 0x300,
    VAPIC_ICR_HI = 0x310,
    VAPIC_LVT_TIMER = 0x320,
    VAPIC_LVT_ERROR = 0x370,
    VAPIC_TIMER_INITIAL = 0x380,
    VAPIC_TIMER_DIVIDE = 0x3E0,
    VAPIC_SELF_IPI = 0x3F0,
};

uint32_t vapic_read(struct cpu *cpu, unsigned offset);
void vapic_write(struct cpu *cpu, unsigned offset, uint32_t val);
/* A VM exit right after the present instruction ("trap-like") */
void vapic_exit_after(struct cpu *cpu, uint32_t reason, uint64_t qualification);
void vapic_entry(struct cpu *cpu);       /* at VM entry: VPPR, evaluation */
void vapic_tpr_written(struct cpu *cpu); /* TPR virtualization; VTPR holds the new value */
void vapic_eoi(struct cpu *cpu);
void vapic_self_ipi(struct cpu *cpu, uint8_t vector);
/* A notification vector came: takes over what was posted. SDM 3, "Posted-Interrupt Processing" */
void vapic_posted(struct cpu *cpu);
/* May the recognized virtual interrupt be delivered now? */
bool vapic_deliverable(const struct cpu *cpu);
void vapic_deliver(struct cpu *cpu); /* the pending virtual interrupt, through the IDT */

#endif
