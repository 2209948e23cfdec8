/* Interrupts in long mode: what the user of KVM injects (KVM_INTERRUPT), or what comes from the
   8259, the 8254 and the local APIC of the kernel. */
#include "testsuites/hypervisors/kvm/guest.inc"

#define APIC 0xfee00000
#define APIC_VERSION 0x30
#define APIC_TPR 0x80
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR 0x300
#define APIC_TIMER 0x320
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_DIVIDE 0x3e0
#define COUNTERS 0x7000 /* a long word for each vector */
#define COUNTER(vector) (COUNTERS + vector * 4)

.macro WAIT_FOR vector, count
1:  cli
    cmpl $\count, COUNTERS + \vector * 4
    jae 2f
    sti
    hlt
    jmp 1b
2:  cli
.endm

GUEST guest_interrupts
    ENTER_PROTECTED /* in EBX: 1 for the test of injection, 0 for that of the interrupt controllers */
    BUILD_LONG_MODE_TABLES
    ENTER_LONG
    lidt AT(idt_register)
    mov $COUNTERS, %edi
    mov $0x100, %ecx
    xor %eax, %eax
    rep stosl
    mov $0x7c00, %esp
    test %ebx, %ebx
    jz irqchip

    /* Injected: not while interrupts are off, then at once; the second one wakes the processor. */
    RESULT $1
    RESULT $2
    sti
    nop
    nop
    cli
    RESULT COUNTER(VECTOR_INJECTED)
    WAIT_FOR VECTOR_INJECTED, 2
    RESULT COUNTER(VECTOR_INJECTED)
    DONE

irqchip:
    /* 8259s: vectors from 20h, IRQ 0 and 5 let through */
    mov $0x11, %al
    out %al, $0x20
    out %al, $0xa0
    mov $VECTOR_IRQ0, %al
    out %al, $0x21
    mov $(VECTOR_IRQ0 + 8), %al
    out %al, $0xa1
    mov $4, %al
    out %al, $0x21
    mov $2, %al
    out %al, $0xa1
    mov $1, %al
    out %al, $0x21
    out %al, $0xa1
    mov $0xde, %al
    out %al, $0x21
    mov $0xff, %al
    out %al, $0xa1
    in $0x21, %al
    movzbl %al, %eax
    out %eax, $PORT_RESULT
    /* 8254: channel 0, mode 2, 1 ms */
    mov $0x34, %al
    out %al, $0x43
    mov $0xa9, %al
    out %al, $0x40
    mov $0x04, %al
    out %al, $0x40
    WAIT_FOR VECTOR_IRQ0, 5
    mov $0xdf, %al
    out %al, $0x21
    RESULT $2

    /* IRQ 5 comes from outside, as the answer to this. */
    in $PORT_COMMAND, %al
    WAIT_FOR VECTOR_IRQ5, 1
    RESULT COUNTER(VECTOR_IRQ5)

    /* Local APIC: its timer, once; an interrupt to itself; one that the task priority holds back */
    mov $APIC, %ebx
    movzbl APIC_VERSION(%rbx), %eax
    and $0xf0, %eax
    out %eax, $PORT_RESULT
    movl $0x1ff, APIC_SPURIOUS(%rbx)
    movl $0xb, APIC_TIMER_DIVIDE(%rbx)
    movl $VECTOR_APIC_TIMER, APIC_TIMER(%rbx)
    movl $100000, APIC_TIMER_INITIAL(%rbx)
    WAIT_FOR VECTOR_APIC_TIMER, 1
    RESULT COUNTER(VECTOR_APIC_TIMER)
    movl $(0x40000 + VECTOR_IPI), APIC_ICR(%rbx)
    WAIT_FOR VECTOR_IPI, 1
    RESULT COUNTER(VECTOR_IPI)
    mov $5, %eax
    mov %rax, %cr8
    movl APIC_TPR(%rbx), %eax
    out %eax, $PORT_RESULT
    movl $(0x40000 + VECTOR_IPI), APIC_ICR(%rbx)
    sti
    mov $1000, %ecx
1:  nop
    loop 1b
    RESULT COUNTER(VECTOR_IPI)
    xor %eax, %eax
    mov %rax, %cr8
    nop
    cli
    RESULT COUNTER(VECTOR_IPI)
    movl $0x60, APIC_TPR(%rbx)
    mov %cr8, %rax
    out %eax, $PORT_RESULT
    DONE

.macro COUNT vector
    incl COUNTERS + \vector * 4
.endm
irq0:
    COUNT VECTOR_IRQ0
    jmp end_8259
irq5:
    COUNT VECTOR_IRQ5
end_8259:
    push %rax
    mov $0x20, %al
    out %al, $0x20
    pop %rax
    iretq
injected:
    COUNT VECTOR_INJECTED
    push %rax
    RESULT $VECTOR_INJECTED
    pop %rax
    iretq
apic_timer:
    COUNT VECTOR_APIC_TIMER
    jmp end_apic
ipi:
    COUNT VECTOR_IPI
end_apic:
    push %rax
    mov $(APIC + APIC_EOI), %eax
    movl $0, (%rax)
    pop %rax
    iretq
other:
    push %rax
    RESULT $0xbad
    hlt

    .balign 16
idt:
    .rept VECTOR_IRQ0
    GATE64 other
    .endr
    GATE64 irq0
    .rept VECTOR_IRQ5 - VECTOR_IRQ0 - 1
    GATE64 other
    .endr
    GATE64 irq5
    .rept VECTOR_INJECTED - VECTOR_IRQ5 - 1
    GATE64 other
    .endr
    GATE64 injected
    GATE64 apic_timer
    .rept VECTOR_IPI - VECTOR_APIC_TIMER - 1
    GATE64 other
    .endr
    GATE64 ipi
idt_end:
idt_register:
    .word idt_end - idt - 1
    .quad AT(idt)
    .balign 8
tss:
    GDT
GUEST_END guest_interrupts
