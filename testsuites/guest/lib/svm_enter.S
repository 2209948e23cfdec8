/* void svm_enter(struct svm_vm *vm): into the guest and back. Offsets are those of struct svm_vm. */
#define VMCB_PA 128
#define HOST_VMCB_PA 136

        .section .text
        .globl svm_enter
svm_enter:
        pushq %rbp
        pushq %rbx
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushq %rdi
        clgi
        movq HOST_VMCB_PA(%rdi), %rax
        testq %rax, %rax
        jz 1f
        vmsave %rax
        movq VMCB_PA(%rdi), %rax
        vmload %rax
1:      movq VMCB_PA(%rdi), %rax
        movq 0x08(%rdi), %rcx
        movq 0x10(%rdi), %rdx
        movq 0x18(%rdi), %rbx
        movq 0x28(%rdi), %rbp
        movq 0x30(%rdi), %rsi
        movq 0x40(%rdi), %r8
        movq 0x48(%rdi), %r9
        movq 0x50(%rdi), %r10
        movq 0x58(%rdi), %r11
        movq 0x60(%rdi), %r12
        movq 0x68(%rdi), %r13
        movq 0x70(%rdi), %r14
        movq 0x78(%rdi), %r15
        movq 0x38(%rdi), %rdi
        vmrun %rax
        xchgq %rdi, (%rsp)
        movq %rcx, 0x08(%rdi)
        movq %rdx, 0x10(%rdi)
        movq %rbx, 0x18(%rdi)
        movq %rbp, 0x28(%rdi)
        movq %rsi, 0x30(%rdi)
        popq 0x38(%rdi)
        movq %r8, 0x40(%rdi)
        movq %r9, 0x48(%rdi)
        movq %r10, 0x50(%rdi)
        movq %r11, 0x58(%rdi)
        movq %r12, 0x60(%rdi)
        movq %r13, 0x68(%rdi)
        movq %r14, 0x70(%rdi)
        movq %r15, 0x78(%rdi)
        movq HOST_VMCB_PA(%rdi), %rax
        testq %rax, %rax
        jz 2f
        movq VMCB_PA(%rdi), %rax
        vmsave %rax
        movq HOST_VMCB_PA(%rdi), %rax
        vmload %rax
2:      stgi
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbx
        popq %rbp
        ret
        .section .note.GNU-stack, "", @progbits
