/*
 * Entry of a 64-bit image: multiboot leaves us in flat 32-bit protected mode with EAX = magic, EBX = information.
 * Map the first 4 GiB one to one with 2 MiB pages, enter long mode, call guest_start(magic, info).
 */
#include "testsuites/guest/lib/layout.h"
#include "testsuites/guest/lib/multiboot.inc"

#define PT_FLAGS     0x007 /* P, R/W, U/S */
#define PT_LARGE     0x087 /* the same and PS */
#define PT_LARGE_UC  0x09F /* the same and PWT, PCD: device memory */
#define UC_FIRST     0xFE000000

        .section .bss
        .p2align 12
        .globl boot_pml4
boot_pml4:
        .skip 4096
        .globl boot_pdpt
boot_pdpt:
        .skip 4096
        .globl boot_pd
boot_pd:
        .skip 4 * 4096

        .section .text
        .code32
        .globl _start
_start:
        cli
        cld
        movl $boot_stack_top, %esp
        pushl $0
        popfl
        movl %eax, %esi
        movl %ebx, %edi

        movl $0x80000000, %eax
        cpuid
        cmpl $0x80000001, %eax
        jb no_long_mode
        movl $0x80000001, %eax
        cpuid
        testl $(1 << 29), %edx
        jz no_long_mode
        movl %edx, %ebp

        /* page tables */
        movl $boot_pdpt + PT_FLAGS, boot_pml4
        xorl %ecx, %ecx
1:      movl %ecx, %eax
        shll $12, %eax
        addl $boot_pd + PT_FLAGS, %eax
        movl %eax, boot_pdpt(,%ecx,8)
        incl %ecx
        cmpl $4, %ecx
        jb 1b
        xorl %ecx, %ecx
2:      movl %ecx, %eax
        shll $21, %eax
        movl $PT_LARGE, %edx
        cmpl $UC_FIRST, %eax
        jb 3f
        movl $PT_LARGE_UC, %edx
3:      orl %edx, %eax
        movl %eax, boot_pd(,%ecx,8)
        incl %ecx
        cmpl $2048, %ecx
        jb 2b

        /* SDM 3, "Initializing IA-32e Mode": PAE, CR3, EFER.LME, then paging */
        movl $0x20, %eax
        movl %eax, %cr4
        movl $boot_pml4, %eax
        movl %eax, %cr3
        movl $0xC0000080, %ecx
        rdmsr
        orl $0x100, %eax
        testl $(1 << 20), %ebp
        jz 4f
        orl $0x800, %eax
4:      wrmsr
        movl $0x80010033, %eax          /* PG, WP, NE, ET, MP, PE */
        movl %eax, %cr0
        lgdt boot_gdtr
        ljmp $SEL_CODE64, $start64

no_long_mode:
        movl $no_long_mode_text, %esi
5:      lodsb
        testb %al, %al
        jz 6f
        outb %al, $PORT_DEBUG
        movw $PORT_COM1, %dx
        outb %al, %dx
        jmp 5b
6:      movl $1, %eax
        outl %eax, $PORT_EXIT
7:      hlt
        jmp 7b

        .code64
start64:
        movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        lldt %ax
        movl $boot_stack_top, %esp
        xorl %ebp, %ebp
        xchgl %esi, %edi                /* guest_start(magic, info) */
        call guest_start
8:      hlt
        jmp 8b

        .section .rodata
no_long_mode_text:
        .asciz "Bail out! this image needs a processor with long mode\n"
        .section .note.GNU-stack, "", @progbits
