/* Virtual-8086 code, at segment 0x1000; every piece starts at a multiple of 16. And the way there. */
#include "testsuites/guest/lib/layout.h"
        .section .rodata
        .code16
        .globl v86_code, v86_code_end
v86_code:
        .macro piece n
        .org v86_code + 16 * \n
        .endm
        piece 0
        movw %cs, %ax
        int $0xf0
        piece 1
        cli
        int $0xf0
        piece 2
        sti
        int $0xf0
        piece 3
        pushfw
        popw %ax
        int $0xf0
        piece 4
        pushw $0x0202
        popfw
        int $0xf0
        piece 5
        int $0x65
        int $0xf0
        piece 6
        pushw $0x0202
        pushw %cs
        pushw $16 * 6 + 10
        iretw
        nop
        .org v86_code + 16 * 6 + 10
        int $0xf0
        piece 7
        hlt
        piece 8
        movl %cr0, %eax
        piece 9
        lgdtl 0
        piece 10
        sldt %ax
        piece 11
        inb $0x80, %al
        int $0xf0
        piece 12
        int3
        int $0xf0
        piece 13
        movw 0xffff, %ax
        piece 14
        larw %ax, %bx
        piece 15
        ljmp $0x1000, $0
        piece 16
        /* the virtual-8086 handler of INT 65h */
        movw %sp, %bp
        movw (%bp), %ax
        shll $16, %eax
        movw 4(%bp), %ax
        movw $0x1234, %bx
        int $0xf0
        piece 18
        pushfl
        int $0xf0
        piece 19
        mov $0x1000, %ax
        movw %ax, %es
        movl %es:16 * 20, %eax
        int $0xf0
        piece 20
        .long 0x12345678
        piece 21
        pushw $0x0002
        popfw
        pushfw
        popw %ax
        int $0xf0
v86_code_end:

        .section .text
        .code32
/* uptr v86_enter(ip, flags): EAX at INT VEC_USER_RETURN */
        .globl v86_enter
v86_enter:
        movl 4(%esp), %ecx
        movl 8(%esp), %edx
        pushl %ebp
        pushl %ebx
        pushl %esi
        pushl %edi
        pushfl
        movl %esp, user_stack_saved
        pushl $0x4444
        pushl $0x3333
        pushl $REAL_SEGMENT
        pushl $0x2222
        pushl $REAL_SEGMENT
        pushl $0xfff0
        orl $0x20002, %edx
        pushl %edx
        pushl $REAL_SEGMENT
        pushl %ecx
        xorl %eax, %eax
        xorl %ebx, %ebx
        iretl
        .section .note.GNU-stack, "", @progbits
