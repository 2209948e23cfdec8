/* Exceptions while shadow stacks or tracking are on: the entries here note SSP and IA32_S_CET, switch both off, and go
 * on to the library's. And the way into pieces of code. */
#include "testsuites/guest/lib/layout.h"

        .section .text
        .globl cet_entries
        .p2align 5
cet_entries:
        .set vector, 0
        .rept 256
        .p2align 5
        endbr64
        pushq %rax
        movl $vector, %eax
        jmp common
        .set vector, vector + 1
        .endr

common:
        pushq %rcx
        pushq %rdx
        pushq %rax
        movq %rcx, cet_rcx
        movq %rdx, cet_rdx
        movq 24(%rsp), %rcx
        movq %rcx, cet_rax
        xorl %eax, %eax
        rdsspq %rax
        movq %rax, cet_ssp
        movl $0x6A2, %ecx
        rdmsr
        movl %eax, cet_s_cet
        movl %edx, cet_s_cet + 4
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        popq %rax
        movq cet_library(,%rax,8), %rax
        popq %rdx
        popq %rcx
        xchgq %rax, (%rsp)
        ret                     /* shadow stacks are off */

/* void cet_enter(const u8 *code, u64 s_cet, u64 arg): called by try_fault's function, at CPL 0 */
        .globl cet_enter, cet_done
cet_enter:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, saved_rsp
        movq %rsi, %rax
        movq %rsi, %r8
        movq %rdx, %r9
        movq %rsi, %rdx
        shrq $32, %rdx
        movl $0x6A2, %ecx
        movq %rdi, %r10
        movq %r9, %rdi
        wrmsr
        testb $1, %r8b
        jz 1f
        setssbsy
1:      jmp *%r10
cet_done:
        movq %rax, cet_rax
        movq %rcx, cet_rcx
        movq %rdx, cet_rdx
        movq %rsp, cet_rsp
        pushfq
        popq cet_flags
        xorl %eax, %eax
        rdsspq %rax
        movq %rax, cet_ssp
        movl $0x6A2, %ecx
        rdmsr
        movl %eax, cet_s_cet
        movl %edx, cet_s_cet + 4
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        movq saved_rsp, %rsp
        cld
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret

/* The piece of code that goes to CPL 3: IRETQ with the frame that RDI points to; the user's argument is in its sixth
 * quadword. The token of the shadow stack is given back. */
        .globl cet_to_user
cet_to_user:
        endbr64
        movq %rdi, %rsp
        movq 40(%rdi), %rdi
        iretq

        .section .bss
        .p2align 3
        .globl cet_ssp, cet_s_cet, cet_library, cet_rax, cet_rcx, cet_rdx, cet_rsp, cet_flags
cet_ssp: .skip 8
cet_s_cet: .skip 8
cet_rax: .skip 8
cet_rcx: .skip 8
cet_rdx: .skip 8
cet_rsp: .skip 8
cet_flags: .skip 8
saved_rsp: .skip 8
cet_library: .skip 8 * 256
        .section .note.GNU-stack, "", @progbits
