// What each guest (.S) does that its user sees, in order.
#ifndef TESTSUITES_HYPERVISORS_KVM_EXPECTED_H
#define TESTSUITES_HYPERVISORS_KVM_EXPECTED_H

#include "testsuites/hypervisors/kvm/guest.h"
#include "testsuites/hypervisors/kvm/vm.h"

// clang-format off
#define RESULT(size, value) {EVENT_OUT, PORT_RESULT, size, value}
#define TEXT(value) {EVENT_OUT, PORT_TEXT, 1, value}
#define INPUT(size) {EVENT_IN, PORT_INPUT, size, 0}
#define WRITE(offset, size, value) {EVENT_MMIO_WRITE, GUEST_MMIO + (offset), size, value}
#define READ(offset, size) {EVENT_MMIO_READ, GUEST_MMIO + (offset), size, 0}
#define HLT {EVENT_HLT, 0, 0, 0}
#define DONE {EVENT_DONE, PORT_DONE, 1, 0}

static const struct event expected_real[] = {
    RESULT(1, 0x11), RESULT(2, 0x2233), RESULT(4, 0x44556677),
    INPUT(1), RESULT(1, 0x44), INPUT(4), RESULT(4, PORT_INPUT_VALUE),
    TEXT('r'), TEXT('e'), TEXT('a'), TEXT('l'),
    INPUT(2), INPUT(2), RESULT(4, 0x33443344),
    WRITE(0x10, 1, 0x5a), WRITE(0x20, 2, 0x5a5b), WRITE(0x30, 4, 0x5a5b5c5d),
    READ(0x40, 4), RESULT(4, 0x44332211), READ(0x50, 1), RESULT(4, 0x11),
    RESULT(4, 0x21), // INT 21h
    RESULT(4, 0xde), RESULT(4, 0xc0de), // divide error
    RESULT(4, 0x100), // CS of the moved code
    HLT,
};

static const struct event expected_protected[] = {
    RESULT(4, 1), INPUT(2), RESULT(4, 0x3344),
    WRITE(1, 1, 0x5a), WRITE(8, 4, 0x12345678), READ(16, 4), RESULT(4, 0x44332211),
    RESULT(4, 0x77), RESULT(4, 0xd), RESULT(4, 0), RESULT(4, 0xaaaa), // inside the limit; outside: #GP(0), BL is kept
    RESULT(4, 2), RESULT(4, 0xe), RESULT(4, 0xc0000000), RESULT(4, 0), RESULT(4, 0x600d), // page fault and what is there afterwards
    RESULT(4, 0xfeed), WRITE(24, 4, 0x87654321),
    RESULT(4, 0x23), RESULT(4, 0x23), // CS at level 3, as seen there and by the handler of INT 80h
    RESULT(4, 3), RESULT(4, 4), HLT,
};

static const struct event expected_long[] = {
    RESULT(4, 1), RESULT(1, 1), INPUT(4), RESULT(4, PORT_INPUT_VALUE),
    TEXT('l'), TEXT('o'), TEXT('n'), TEXT('g'),
    WRITE(1, 1, 0x11), WRITE(2, 2, 0x2211), WRITE(4, 4, 0x44332211), WRITE(8, 8, 0x1122334455667788),
    READ(16, 8), RESULT(4, 0x55667788), READ(24, 2), RESULT(4, 0x2211),
    WRITE(32, 2, 0x6f6c), WRITE(34, 2, 0x676e), // "lo", "ng"
    READ(40, 4), RESULT(4, 0x04030201), READ(48, 4), WRITE(48, 4, 0x74332211),
    RESULT(4, 6), RESULT(4, 2), RESULT(4, 0xde), RESULT(4, 3), // #UD, #DE
    RESULT(4, 0xc0000000), RESULT(4, 0), RESULT(4, 0xaaaa), // page faults: not present
    RESULT(4, 0xc0001000), RESULT(4, 0), RESULT(4, 0xbbbb),
    RESULT(4, 0x5f028834), // the differences of 100 exchanged mappings: s = 3 s + d, d = 1111h, -1111h, ...
    RESULT(4, 0xc0000000), RESULT(4, 3), RESULT(4, 1), // page fault: write to a read-only page
    RESULT(4, 0x20), RESULT(4, 0x60), // accessed; accessed and dirty
    RESULT(4, 0x4b4d564b), // "KVMK"
    RESULT(4, 0xf5f5), RESULT(4, 0x200), RESULT(4, 0x33), RESULT(4, 0x20), // FS.base, PADDD, CS at level 3, SS of SYSCALL
    RESULT(4, 0), RESULT(4, 0xffffffff), RESULT(4, 4), HLT, // compatibility mode
};

static const struct event expected_injected[] = {
    RESULT(4, 1), RESULT(4, 2), RESULT(4, VECTOR_INJECTED), RESULT(4, 1),
    HLT, RESULT(4, VECTOR_INJECTED), RESULT(4, 2), DONE,
};

static const struct event expected_irqchip[] = {
    RESULT(4, 0xde), // the 8259's mask
    RESULT(4, 2), RESULT(4, 1), // the timer's ticks, IRQ 5
    RESULT(4, 0x10), RESULT(4, 1), RESULT(4, 1), // version of the local APIC, its timer, an interrupt to itself
    RESULT(4, 0x50), RESULT(4, 1), RESULT(4, 2), // the task priority holds back the second
    RESULT(4, 6), DONE,
};

static const struct event expected_memory[] = {{EVENT_SHUTDOWN, 0, 0, 0}};

static const struct event expected_smp[] = {
    RESULT(4, 4), RESULT(4, 4 * SMP_LOOPS), RESULT(4, 4 * SMP_LOOPS),
    RESULT(4, 3 * SMP_ROUNDS * (SMP_ROUNDS + 1) / 2), DONE,
};
// clang-format on

#undef RESULT
#undef TEXT
#undef INPUT
#undef WRITE
#undef READ
#undef HLT
#undef DONE

#endif
