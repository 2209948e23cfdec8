/*
 * One stub of 16 bytes per vector: make all stack frames alike, then save what C may change and call it.
 *
 * The processor pushes an error code for some exceptions only (SDM 3, "Exception and Interrupt Vectors", table
 * "Protected-Mode Exceptions and Interrupts"): vectors 8, 10-14, 17, 21. The other stubs push a zero in its place.
 */
#define HAS_ERROR_CODE ((1 << 8) | (0x1F << 10) | (1 << 17) | (1 << 21))
#define VECTORS        48

        .text
        .balign 16
        .globl  interrupt_stubs
interrupt_stubs:
vector = 0
        .rept   VECTORS
        .balign 16
        .if     vector >= 32 || !((HAS_ERROR_CODE >> vector) & 1)
        pushq   $0
        .endif
        pushq   $vector
        jmp     interrupt_common
        vector = vector + 1
        .endr

        .balign 16
interrupt_common:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        cld
        movq    72(%rsp), %rdi          /* vector */
        movq    80(%rsp), %rsi          /* error code, or zero */
        movq    88(%rsp), %rdx          /* RIP */
        call    interrupt_dispatch
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $16, %rsp               /* vector and error code */
        iretq

        .section .note.GNU-stack, "", @progbits
