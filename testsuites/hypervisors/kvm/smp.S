/* Several processors: the first starts the others, which fight for a lock, add atomically, answer interrupts between
   processors, and look up a translation that the first one has changed. */
#include "testsuites/hypervisors/kvm/guest.inc"

#define APIC 0xfee00000
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR 0x300

#define NUMBER 0x7000    /* processors that have started */
#define LOCK 0x7040
#define LOCKED_SUM 0x7080 /* changed under the lock */
#define ATOMIC_SUM 0x70c0
#define FINISHED 0x7100
#define ANSWERS 0x7140
#define SEEN 0x7180
#define STACKS 0x60000

GUEST guest_smp
    .code16
    ljmp $0, $AT(1f) /* the start-up interrupt enters at 800h:0 */
1:  ENTER_PROTECTED
    mov $1, %ebp
    lock xadd %ebp, NUMBER /* which processor this is */
    test %ebp, %ebp
    jnz 1f
    BUILD_LONG_MODE_TABLES
    movl $(PT + 7), PD + (UNMAPPED >> 21) * 8
    movl $(GUEST_RAM + 0x1000 + 7), PT
1:  ENTER_LONG
    mov %ebp, %esp
    inc %esp
    shl $12, %esp
    add $STACKS, %esp
    lidt AT(idt_register)
    mov $APIC, %ebx
    movl $0x1ff, APIC_SPURIOUS(%rbx)
    test %ebp, %ebp
    jnz work

    in $PORT_COMMAND, %eax /* how many processors there are */
    mov %eax, %r12d
    movl $0xc4500, APIC_ICR(%rbx) /* INIT to all but itself */
    movl $0xc4608, APIC_ICR(%rbx) /* start up at page 8 */
1:  pause
    cmp %r12d, NUMBER
    jne 1b
    RESULT NUMBER

work:
    mov $SMP_LOOPS, %ecx
1:  mov $1, %eax
    xchg %eax, LOCK
    test %eax, %eax
    jz 3f
2:  pause
    cmpl $0, LOCK
    jne 2b
    jmp 1b
3:  mov LOCKED_SUM, %eax
    inc %eax
    pause
    mov %eax, LOCKED_SUM
    movl $0, LOCK
    lock incl ATOMIC_SUM
    dec %ecx
    jnz 1b
    mov $UNMAPPED, %eax
    mov (%rax), %eax /* so that the translation is known here */
    lock incl FINISHED
    test %ebp, %ebp
    jz 5f
4:  sti
    hlt
    jmp 4b

5:  pause
    cmp %r12d, FINISHED
    jne 5b
    RESULT LOCKED_SUM
    RESULT ATOMIC_SUM

    /* Each round maps another frame, which the others read in their handlers. */
    lea -1(%r12), %r13d
    xor %r14d, %r14d
1:  inc %r14d
    mov %r14d, %eax
    shl $12, %eax
    add $(GUEST_RAM + 7), %eax
    mov %eax, PT
    and $~7, %eax
    mov %r14d, (%rax) /* the page says which round it is */
    movl $0, ANSWERS
    movl $(0xc4000 + VECTOR_IPI), APIC_ICR(%rbx) /* to all but itself */
2:  pause
    cmp %r13d, ANSWERS
    jne 2b
    cmp $SMP_ROUNDS, %r14d
    jne 1b
    RESULT SEEN
    DONE

ipi:
    push %rax
    mov $UNMAPPED, %eax
    invlpg (%rax)
    mov (%rax), %eax
    lock add %eax, SEEN
    mov $(APIC + APIC_EOI), %eax
    movl $0, (%rax)
    lock incl ANSWERS
    pop %rax
    iretq
other:
    RESULT $0xbad
    hlt

    .balign 16
idt:
    .rept VECTOR_IPI
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
GUEST_END guest_smp
