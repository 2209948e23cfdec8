/* 256 interrupt entries, the common save and restore, and the ways back out of a fault or of user mode (64-bit). */
#include "testsuites/guest/lib/layout.h"

        .section .text
        .globl isr_table
        .p2align 4
isr_table:
        .set vector, 0
        .rept 256
        .p2align 4
        /* SDM 3, "Exception and Interrupt Reference": vectors that push an error code */
        .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
        pushq $0
        .endif
        pushq $vector
        jmp isr_common
        .set vector, vector + 1
        .endr

isr_common:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rbx
        pushq %rbp
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        cld
        movq %rsp, %rdi
        call isr_dispatch
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rbp
        popq %rbx
        popq %rdx
        popq %rcx
        popq %rax
        addq $16, %rsp
        iretq

        .macro save_callee
        pushq %rbp
        pushq %rbx
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushfq
        .endm
        .macro restore_callee
        popfq
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbx
        popq %rbp
        .endm

        /* An IRET to label in kernel mode on stack %rax: it also unblocks NMIs, which a plain jump would not. */
        .macro iret_to label
        pushq $SEL_DATA
        pushq %rax
        pushq $2
        pushq $SEL_CODE64
        pushq $\label
        iretq
        .endm

/* int try_call(void (*fn)(void *), void *arg): the vector of the exception that ended fn, or -1 */
        .globl try_call
try_call:
        save_callee
        pushq try_stack
        movq %rsp, try_stack
        movq %rdi, %rax
        movq %rsi, %rdi
        call *%rax
        movl $-1, %eax
1:      popq try_stack
        restore_callee
        ret
try_faulted:
        movl fault_vector, %eax
        jmp 1b

/* void try_resume(void): abandons the exception, makes the innermost try_call return its vector */
        .globl try_resume
try_resume:
        movq try_stack, %rax
        iret_to try_faulted

/* uptr user_enter(rip, rsp, cs, ss, rflags, arg): runs at CPL 3 until VEC_USER_RETURN; gives the user's RAX */
        .globl user_enter
user_enter:
        save_callee
        movq %rsp, user_stack_saved
        pushq %rcx
        pushq %rsi
        pushq %r8
        pushq %rdx
        pushq %rdi
        movq %r9, %rdi
        movl $SEL_UDATA + 3, %eax
        movl %eax, %ds
        movl %eax, %es
        iretq
user_back:
        movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movq user_result, %rax
        restore_callee
        ret

/* void user_leave(void): from the handler of VEC_USER_RETURN back into user_enter's caller */
        .globl user_leave
user_leave:
        movq user_stack_saved, %rax
        iret_to user_back

/* Where user functions return to. */
        .globl user_exit
user_exit:
        int $VEC_USER_RETURN
        ud2

        .section .bss
        .p2align 3
        .globl try_stack, user_stack_saved
try_stack:
        .skip 8
user_stack_saved:
        .skip 8
        .section .note.GNU-stack, "", @progbits
