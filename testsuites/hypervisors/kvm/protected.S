/* Protected mode: segments, privilege levels, 32-bit paging with page faults, ports and MMIO. */
#include "testsuites/hypervisors/kvm/guest.inc"

GUEST guest_protected
    ENTER_PROTECTED
    mov $0x7c00, %esp
    lidt AT(idt_register)
    mov $SEL_TSS, %eax
    ltr %ax
    RESULT $1

    in $PORT_INPUT, %ax
    movzwl %ax, %eax
    out %eax, $PORT_RESULT
    movb $0x5a, GUEST_MMIO + 1
    movl $0x12345678, GUEST_MMIO + 8
    mov GUEST_MMIO + 16, %eax
    out %eax, $PORT_RESULT

    /* A segment with a base and a limit: its last byte, and the byte after. */
    movb $0x77, 0x5fff
    mov $SEL_SMALL, %eax
    mov %eax, %fs
    movzbl %fs:0xfff, %eax
    out %eax, $PORT_RESULT
    mov $0xaaaa, %ebx
    mov %fs:0x1000, %bl /* 7 bytes: a general-protection exception skips it */
    nop
    RESULT %ebx

    /* Paging: 4 MiB pages, everything mapped to itself but UNMAPPED. */
    cld
    mov $PAGE_DIRECTORY, %edi
    mov $0x87, %eax
1:  stosl
    add $0x400000, %eax
    jnc 1b
    movl $0, PAGE_DIRECTORY + (UNMAPPED >> 22) * 4
    movl $0x600d, GUEST_RAM + 0x300000
    mov %cr4, %eax
    or $0x10, %eax
    mov %eax, %cr4
    mov $PAGE_DIRECTORY, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80010000, %eax
    mov %eax, %cr0
    jmp 1f
1:  RESULT $2
    mov UNMAPPED, %eax /* a page fault, which maps it to 4 MiB */
    out %eax, $PORT_RESULT
    movl $0xfeed, GUEST_RAM + 0x300004
    RESULT UNMAPPED + 4
    movl $0x87654321, GUEST_MMIO + 24

    /* Privilege level 3, and back by an interrupt gate */
    push $SEL_USER_DATA
    push $0x6c00
    push $0x3002 /* IOPL 3 */
    push $SEL_USER_CODE32
    push $AT(user)
    iret
user:
    xor %eax, %eax
    mov %cs, %ax
    out %eax, $PORT_RESULT
    int $VECTOR_SYSTEM_CALL
    RESULT $0xbad

system_call:
    mov 4(%esp), %eax
    out %eax, $PORT_RESULT
    mov $SEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es

    RESULT $3
    /* Back to real mode */
    mov %cr0, %eax
    and $~0x80000000, %eax
    mov %eax, %cr0
    xor %eax, %eax
    mov %eax, %cr3
    ljmpl $SEL_REAL_CODE, $AT(to_real)
    .code16
to_real:
    mov $SEL_REAL_DATA, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov %cr0, %eax
    and $~1, %eax
    mov %eax, %cr0
    ljmp $0, $AT(in_real)
in_real:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov $0x7c00, %sp
    RESULT $4
    hlt

    .code32
general_protection:
    RESULT $0xd
    pop %eax
    out %eax, $PORT_RESULT
    addl $7, (%esp)
    iret
page_fault:
    RESULT $0xe
    RESULT %cr2
    pop %eax
    out %eax, $PORT_RESULT
    movl $0x400087, PAGE_DIRECTORY + (UNMAPPED >> 22) * 4
    invlpg UNMAPPED
    iret

    .balign 8
idt:
    .rept 13
    .quad 0
    .endr
    GATE32 general_protection
    GATE32 page_fault
    .rept VECTOR_SYSTEM_CALL - 15
    .quad 0
    .endr
    GATE32 system_call, 0xee00
idt_end:
idt_register:
    .word idt_end - idt - 1
    .long AT(idt)
    .balign 4
tss:
    .long 0, 0x7800, SEL_DATA
    .rept 22
    .long 0
    .endr
    .word 0, 104
    .balign 8
    GDT
GUEST_END guest_protected
