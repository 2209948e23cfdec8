/*
 * From a multiboot loader to C in 64-bit mode.
 *
 * The loader enters in 32-bit protected mode without paging (Multiboot Specification, "Machine state"). Long mode needs
 * four steps, in this order (SDM 3, "Initializing IA-32e Mode"): CR4.PAE, CR3, IA32_EFER.LME, CR0.PG; then a far jump
 * to a code segment with the L bit.
 */
#define MULTIBOOT_HEADER_MAGIC 0x1BADB002
#define MULTIBOOT_LOADER_MAGIC 0x2BADB002
#define MULTIBOOT_PAGE_ALIGN   1

#define CODE64 0x08
#define DATA   0x10

        .section .multiboot, "a"
        .balign 4
        .long   MULTIBOOT_HEADER_MAGIC
        .long   MULTIBOOT_PAGE_ALIGN
        .long   -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_PAGE_ALIGN)

        .text
        .code32
        .globl  _start
_start:
        cli
        cld
        movl    $boot_stack_top, %esp
        cmpl    $MULTIBOOT_LOADER_MAGIC, %eax
        jne     stop

        movl    $0x80000000, %eax       /* is there long mode at all? CPUID 80000001h, EDX bit 29 */
        cpuid
        cmpl    $0x80000001, %eax
        jb      stop
        movl    $0x80000001, %eax
        cpuid
        btl     $29, %edx
        jnc     stop

        /* Page tables: one to one, the first 4 GiB, in pages of 2 MiB. 3 = present, writable; 0x83 = that and large. */
        movl    $boot_pdpt + 3, boot_pml4
        movl    $boot_pd + 3, %eax
        xorl    %ecx, %ecx
1:      movl    %eax, boot_pdpt(, %ecx, 8)
        addl    $4096, %eax
        incl    %ecx
        cmpl    $4, %ecx
        jb      1b
        movl    $0x83, %eax
        xorl    %ecx, %ecx
1:      movl    %eax, boot_pd(, %ecx, 8)
        addl    $0x200000, %eax
        incl    %ecx
        cmpl    $2048, %ecx
        jb      1b

        movl    %cr4, %eax
        orl     $1 << 5, %eax           /* CR4.PAE */
        movl    %eax, %cr4
        movl    $boot_pml4, %eax
        movl    %eax, %cr3
        movl    $0xC0000080, %ecx       /* IA32_EFER */
        rdmsr
        orl     $1 << 8, %eax           /* LME */
        wrmsr
        movl    %cr0, %eax
        orl     $1 << 31, %eax          /* CR0.PG: long mode is active now, still in a 32-bit code segment */
        movl    %eax, %cr0
        lgdt    boot_gdtr
        ljmp    $CODE64, $start64

stop:   cli
        hlt
        jmp     stop

        .code64
start64:
        movl    $DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movq    $boot_stack_top, %rsp
        xorl    %ebp, %ebp
        call    hypervisor_main
        jmp     .

        .data
        .balign 8
boot_gdt:
        .quad   0
        .quad   0x00209B0000000000      /* 64-bit code: present, L */
        .quad   0x00CF93000000FFFF      /* data */
boot_gdt_end:
boot_gdtr:
        .word   boot_gdt_end - boot_gdt - 1
        .quad   boot_gdt

        .bss
        .balign 4096
boot_pml4:
        .skip   4096
boot_pdpt:
        .skip   4096
boot_pd:
        .skip   4096 * 4
        .skip   4096 * 4
boot_stack_top:

        .section .note.GNU-stack, "", @progbits
