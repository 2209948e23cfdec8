/* 256 interrupt entries, the common save and restore, and the ways back out of a fault or of user mode (32-bit). */
#include "testsuites/guest/lib/layout.h"

        .section .text
        .globl isr_table
        .p2align 4
isr_table:
        .set vector, 0
        .rept 256
        .p2align 4
        .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
        pushl $0
        .endif
        pushl $vector
        jmp isr_common
        .set vector, vector + 1
        .endr

isr_common:
        pushal
        pushl %ds
        pushl %es
        pushl %fs
        pushl %gs
        cld
        movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %esp, %eax
        pushl %eax
        call isr_dispatch
        addl $4, %esp
        popl %gs
        popl %fs
        popl %es
        popl %ds
        popal
        addl $8, %esp
        iretl

        .macro save_callee
        pushl %ebp
        pushl %ebx
        pushl %esi
        pushl %edi
        pushfl
        .endm
        .macro restore_callee
        popfl
        popl %edi
        popl %esi
        popl %ebx
        popl %ebp
        .endm

        /* An IRET to label in kernel mode on stack %eax, with fresh data segments. */
        .macro iret_to label
        movl $SEL_DATA, %ecx
        movl %ecx, %ds
        movl %ecx, %es
        movl %ecx, %ss
        movl %eax, %esp
        pushl $2
        pushl $SEL_CODE32
        pushl $\label
        iretl
        .endm

/* int try_call(void (*fn)(void *), void *arg): the vector of the exception that ended fn, or -1 */
        .globl try_call
try_call:
        movl 4(%esp), %eax
        movl 8(%esp), %ecx
        save_callee
        pushl try_stack
        movl %esp, try_stack
        pushl %ecx
        call *%eax
        addl $4, %esp
        movl $-1, %eax
1:      popl try_stack
        restore_callee
        ret
try_faulted:
        movl fault_vector, %eax
        jmp 1b

/* void try_resume(void): abandons the exception, makes the innermost try_call return its vector */
        .globl try_resume
try_resume:
        movl try_stack, %eax
        iret_to try_faulted

/* uptr user_enter(eip, esp, cs, ss, eflags, arg): runs at CPL 3 until VEC_USER_RETURN; gives the user's EAX */
        .globl user_enter
user_enter:
        movl %esp, %eax
        save_callee
        movl %esp, user_stack_saved
        pushl 16(%eax)
        pushl 8(%eax)
        pushl 20(%eax)
        pushl 12(%eax)
        pushl 4(%eax)
        movl $SEL_UDATA + 3, %ecx
        movl %ecx, %ds
        movl %ecx, %es
        iretl
user_back:
        movl user_result, %eax
        restore_callee
        ret

/* void user_leave(void): from the handler of VEC_USER_RETURN back into user_enter's caller */
        .globl user_leave
user_leave:
        movl user_stack_saved, %eax
        iret_to user_back

/* Where user functions return to. */
        .globl user_exit
user_exit:
        int $VEC_USER_RETURN
        ud2

        .section .bss
        .p2align 2
        .globl try_stack, user_stack_saved
try_stack:
        .skip 4
user_stack_saved:
        .skip 4
        .section .note.GNU-stack, "", @progbits
