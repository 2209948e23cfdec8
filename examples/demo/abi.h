/* What the guest and the hypervisor agree on. The guest includes this and format.h, nothing else of the hypervisor. */
#ifndef DEMO_ABI_H
#define DEMO_ABI_H

/* Guest-physical memory. The image is there at the start; other pages come into being when they are first touched. */
#define GUEST_IMAGE_BASE  0x10000
#define GUEST_MEMORY_SIZE 0x800000 /* 8 MiB */

/* The pages that the guest touches to make that happen. It writes GUEST_WORD(address) at the start of each. */
#define GUEST_LAZY_BASE     0x400000
#define GUEST_LAZY_STEP     0x21000
#define GUEST_LAZY_PAGES    8
#define GUEST_WORD(address) (0xC0FFEE0000000000 + (address))

/* CPUID: leaves from 40000000h are left to hypervisors. The second tells which instruction makes a hypercall. */
#define CPUID_HYPERVISOR           0x40000000
#define CPUID_HYPERVISOR_SIGNATURE "DemoVisorOne" /* EBX, ECX, EDX */
#define CPUID_HYPERCALL            0x40000001     /* EAX: one of the following */
#define HYPERCALL_IS_VMCALL        1
#define HYPERCALL_IS_VMMCALL       2

/* MSR: so are the addresses from 40000000h. This one just keeps its value. */
#define MSR_SCRATCH 0x40000000
#define MSR_MISSING 0x40000001 /* this one does not exist: #GP */

/* Hypercalls: number in RAX, argument in RDI, result in RAX. */
#define HYPERCALL_ADD   1 /* adds the argument to a sum and returns the sum */
#define HYPERCALL_TIMER 2 /* one tick soon; the argument is the address of a word that will show all ticks taken */
#define HYPERCALL_DONE  3 /* the guest is finished; the argument is the address of its struct guest_report */

#define GUEST_TICK_VECTOR 0x30

#ifndef __ASSEMBLER__
#include <stdint.h>

/* The image starts with this. */
struct guest_header {
    uint64_t entry, cr3, end;
};

struct guest_report {
    uint64_t ticks;          /* interrupts on GUEST_TICK_VECTOR that its handler has counted */
    uint64_t gp_faults;      /* #GP that its handler has stepped over */
    uint64_t sum;            /* last result of HYPERCALL_ADD */
    uint64_t pages;          /* lazy pages that were zero and then kept what was written */
    uint64_t hypercall_adds; /* calls of HYPERCALL_ADD; it passed 1, 2, 3 and so on */
};
#endif

#endif
