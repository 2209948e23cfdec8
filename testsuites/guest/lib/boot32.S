/* Entry of a 32-bit image: flat protected mode, no paging; calls guest_start(magic, info). */
#include "testsuites/guest/lib/layout.h"
#include "testsuites/guest/lib/multiboot.inc"

        .section .text
        .code32
        .globl _start
_start:
        cli
        cld
        movl $boot_stack_top, %esp
        pushl $0
        popfl
        lgdt boot_gdtr
        ljmp $SEL_CODE32, $1f
1:      movl $SEL_DATA, %ecx
        movl %ecx, %ds
        movl %ecx, %es
        movl %ecx, %ss
        xorl %ecx, %ecx
        movl %ecx, %fs
        movl %ecx, %gs
        lldt %cx
        movl $0x33, %ecx                /* NE, ET, MP, PE */
        movl %ecx, %cr0
        xorl %ebp, %ebp
        pushl %ebx
        pushl %eax
        call guest_start
2:      hlt
        jmp 2b
        .section .note.GNU-stack, "", @progbits
