/*
 * The guest begins here, already in 64-bit mode: its hypervisor has set up segments and CR3 for it. It has no stack yet,
 * and no GDT or IDT.
 */
#include "examples/demo/abi.h"

#define CODE 0x08
#define DATA 0x10

        .section .header, "a"           /* struct guest_header in abi.h */
        .quad   guest_entry
        .quad   pml4
        .quad   guest_end

        .text
        .globl  guest_entry
guest_entry:
        movq    $stack_top, %rsp
        lgdt    gdtr
        movl    $DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        pushq   $CODE                   /* reload CS from our own GDT */
        pushq   $1f
        lretq
1:      call    guest_main
2:      cli
        hlt
        jmp     2b

/* The tick: count it. How the hypervisor's timer works is none of the guest's business; there is no EOI either. */
        .balign 16
        .globl  tick_entry
tick_entry:
        incq    ticks(%rip)
        iretq

/*
 * #GP. The only one we expect comes from RDMSR or WRMSR, two bytes long: count it, say so in RAX and RDX, step over
 * it. The error code lies on top of the interrupted RIP.
 */
        .balign 16
        .globl  gp_entry
gp_entry:
        incq    gp_faults(%rip)
        addq    $8, %rsp
        addq    $2, (%rsp)
        xorl    %eax, %eax
        xorl    %edx, %edx
        iretq

        .data
        .balign 8
gdt:
        .quad   0
        .quad   0x00209B0000000000      /* CODE: 64-bit */
        .quad   0x00CF93000000FFFF      /* DATA */
gdt_end:
gdtr:
        .word   gdt_end - gdt - 1
        .quad   gdt

        /* The guest's page tables: one to one, 16 MiB in pages of 2 MiB. 3 = present, writable; 0x83 = and large. */
        .balign 4096
pml4:
        .quad   pdpt + 3
        .skip   4096 - 8
pdpt:
        .quad   pd + 3
        .skip   4096 - 8
pd:
        address = 0
        .rept   8
        .quad   address + 0x83
        address = address + 0x200000
        .endr
        .skip   4096 - 8 * 8

        .bss
        .balign 4096
        .skip   4096
stack_top:

        .section .note.GNU-stack, "", @progbits
