/* What the guests (.S) and the program that runs them (.c) agree on. */
#ifndef TESTSUITES_HYPERVISORS_KVM_GUEST_H
#define TESTSUITES_HYPERVISORS_KVM_GUEST_H

#define GUEST_BASE     0x8000   /* where a guest's code is loaded and entered, in real mode */
#define GUEST_RAM      0x100000 /* memory above the hole, the slot whose writes can be logged */
#define GUEST_RAM_SIZE 0x700000
#define GUEST_LOW_SIZE 0xa0000
#define GUEST_MMIO     0xd0000 /* nothing is mapped here: accesses leave the guest */

#define PORT_RESULT  0xe0
#define PORT_TEXT    0xe2
#define PORT_INPUT   0xe4 /* reads as PORT_INPUT_VALUE */
#define PORT_COMMAND 0xe8 /* reads as what the test says */
#define PORT_DONE    0xec

#define PORT_INPUT_VALUE 0x11223344
#define MMIO_READ_VALUE  0x8877665544332211

/* Vectors */
#define VECTOR_IRQ0        0x20
#define VECTOR_IRQ5        0x25
#define VECTOR_INJECTED    0x30
#define VECTOR_APIC_TIMER  0x31
#define VECTOR_IPI         0x42
#define VECTOR_SYSTEM_CALL 0x80

/* Commands of the guest that writes to memory: the number of a page of GUEST_RAM, or'ed with COMMAND_READ to only read
 * it */
#define COMMAND_READ 0x80000000
#define COMMAND_END  0xffffffff

#define SMP_LOOPS  300
#define SMP_ROUNDS 10

#endif
