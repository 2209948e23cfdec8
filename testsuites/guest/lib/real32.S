/* Into real mode and back. SDM 3, "Switching Back to Real-Address Mode". */
#include "testsuites/guest/lib/layout.h"

#define AT(label) (label - real_stub)

        .section .text
        .code32
/* void real_enter(void): the stub and the code are in place */
        .globl real_enter
real_enter:
        pushal
        pushfl
        cli
        sidt saved_idtr
        movl %esp, saved_esp
        ljmp $SEL_CODE16, $REAL_STUB_BASE
real_back:
        movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movl saved_esp, %esp
        lidt saved_idtr
        popfl
        popal
        ret

        .section .rodata
        .p2align 4
        .globl real_stub
        .code16
real_stub:
        movw $SEL_DATA16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        movl %cr0, %eax
        andl $0xFFFFFFFE, %eax
        movl %eax, %cr0
        ljmp $REAL_STUB_BASE >> 4, $AT(in_real_mode)
in_real_mode:
        movw %cs, %ax
        movw %ax, %ds
        lidtl AT(ivt)
        movw $REAL_SEGMENT, %ax
        movw %ax, %ss
        movw $0xFFF0, %sp
        pushw %cs
        pushw $AT(returned)
        pushw $REAL_SEGMENT
        pushw $0
        movl AT(real_stub_regs) + 4, %ecx
        movl AT(real_stub_regs) + 8, %edx
        movl AT(real_stub_regs) + 12, %ebx
        movl AT(real_stub_regs) + 16, %esi
        movl AT(real_stub_regs) + 20, %edi
        movl AT(real_stub_regs) + 24, %ebp
        movw AT(real_stub_regs) + 34, %es
        movw AT(real_stub_regs) + 36, %fs
        movw AT(real_stub_regs) + 38, %gs
        movl AT(real_stub_regs), %eax
        pushl AT(real_stub_regs) + 28
        movw AT(real_stub_regs) + 32, %ds
        popfl
        lretw
returned:
        pushfl
        cli
        cld
        pushw %ds
        pushw %cs
        popw %ds
        popw AT(real_stub_regs) + 32
        popl AT(real_stub_regs) + 28
        movl %eax, AT(real_stub_regs)
        movl %ecx, AT(real_stub_regs) + 4
        movl %edx, AT(real_stub_regs) + 8
        movl %ebx, AT(real_stub_regs) + 12
        movl %esi, AT(real_stub_regs) + 16
        movl %edi, AT(real_stub_regs) + 20
        movl %ebp, AT(real_stub_regs) + 24
        movw %es, AT(real_stub_regs) + 34
        movw %fs, AT(real_stub_regs) + 36
        movw %gs, AT(real_stub_regs) + 38
        lgdtl AT(gdt)
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl $SEL_CODE32, $real_back
        .p2align 2
ivt:
        .word 0x3FF
        .long 0
gdt:
        .word GDT_ENTRIES * 8 - 1
        .long guest_gdt
        .p2align 2
        .globl real_stub_regs
real_stub_regs:
        .skip 40
        .globl real_stub_end
real_stub_end:

        .section .bss
        .p2align 2
saved_esp:
        .skip 4
saved_idtr:
        .skip 8
        .section .note.GNU-stack, "", @progbits
