/*
 * The line between what is the same for every hypervisor (hypervisor.c) and what each vendor does its own way
 * (vmx.c, svm.c). Above the line a virtual CPU is a struct vcpu; an exit is a struct vm_exit; a vendor is a table of
 * functions.
 */
#ifndef DEMO_HYPERVISOR_H
#define DEMO_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "examples/demo/nested.h"

/* The registers that neither vendor's hardware switches for us (RSP, RIP and RFLAGS it does). run.S knows the order. */
struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
};

struct vcpu {
    struct registers regs;
    uint64_t nested_root;
    /*
     * What the next VM entry shall inject into the guest; 0 for nothing. Bits 31-0 have the same layout with both
     * vendors: vector, type, "has an error code", valid (SDM 3, "VM-Entry Controls for Event Injection"; APM 2, "Event
     * Injection"). Bits 63-32: the error code.
     */
    uint64_t event;
};

#define EVENT_EXTERNAL_INTERRUPT(vector) ((uint64_t)(vector) | 0u << 8 | 1u << 31)
#define EVENT_GENERAL_PROTECTION         (13ull | 3u << 8 | 1u << 11 | 1u << 31) /* error code 0 */

enum exit_kind {
    EXIT_CPUID,
    EXIT_MSR,
    EXIT_IO,
    EXIT_HLT,
    EXIT_HYPERCALL,
    EXIT_NESTED_FAULT,
    EXIT_INTERRUPT,
    EXIT_WINDOW,
    EXIT_TRIPLE_FAULT,
    EXIT_KINDS,
    EXIT_UNKNOWN = EXIT_KINDS,
};

/* An exit, as far as every vendor tells it. What does not apply to its kind is 0. */
struct vm_exit {
    enum exit_kind kind;
    uint64_t code;   /* the vendor's number for it */
    uint64_t detail; /* VMX: exit qualification. SVM: EXITINFO1. */
    uint64_t rip;
    bool write;          /* MSR: WRMSR. I/O: OUT. */
    bool string;         /* I/O: INS or OUTS */
    uint16_t port;       /* I/O */
    uint8_t size;        /* I/O: bytes */
    uint64_t guest_addr; /* nested fault: guest-physical address */
};

/* The manual's name for an exit. */
struct exit_name {
    enum exit_kind kind;
    uint64_t code;
    const char *name;
};

struct vendor {
    const char *name; /* of the extension */
    const char *how;  /* ... it is turned on, for the reader of the console */
    uint32_t hypercall;
    const struct nested_format *nested;
    const struct exit_name *exits; /* ends with a null name */
    bool hex_codes;                /* how its manual writes exit codes */

    /* Turns the extension on. */
    void (*enable)(void);
    /* Makes the guest's control structure: 64-bit mode, at this RIP, with these page tables. */
    void (*create)(const struct vcpu *vcpu, uint64_t rip, uint64_t cr3);
    /* Runs the guest until its next exit, which it describes. Interrupts are off before and after. */
    void (*run)(struct vcpu *vcpu, struct vm_exit *exit);
    /* Moves the guest past the instruction that made it exit. */
    void (*skip_instruction)(void);
    /* Whether the guest would take an external interrupt now. */
    bool (*interruptible)(void);
    /* Whether to exit as soon as the guest becomes interruptible. */
    void (*set_interrupt_window)(bool on);
};

extern const struct vendor vmx, svm;

/* Whether CPUID says that the processor has it. */
bool vmx_supported(void);
bool svm_supported(void);

/* The table of exits (exits.c). */
void exits_count(const struct vendor *vendor, const struct vm_exit *exit);
unsigned exits_kinds_seen(void);
void exits_print(const struct vendor *vendor);

/* Called from boot.S. */
_Noreturn void hypervisor_main(void);

#endif
