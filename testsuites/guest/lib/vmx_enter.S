/*
 * int vmx_enter(struct vmx_vm *vm): into the guest and back. Result: 0 after an exit, 1 VMfailInvalid, 2 VMfailValid.
 * Offsets are those of struct vmx_vm.
 */
#define HOST_RSP 128
#define LAUNCHED 136
#define VMCS_HOST_RSP 0x6C14

        .macro load_gprs
        movq 0x00(%rdi), %rax
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
        .endm

        .section .text
        .globl vmx_enter
vmx_enter:
        pushq %rbp
        pushq %rbx
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushq %rdi
        cmpq %rsp, HOST_RSP(%rdi)
        je 1f
        movl $VMCS_HOST_RSP, %eax
        vmwrite %rsp, %rax
        movq %rsp, HOST_RSP(%rdi)
1:      cmpq $0, LAUNCHED(%rdi)
        jne 2f
        load_gprs
        vmlaunch
        jmp 3f
2:      load_gprs
        vmresume
        /* MOV and POP leave the flags of VMLAUNCH and VMRESUME alone */
3:      popq %rdi
        movl $1, %eax
        jc 4f
        movl $2, %eax
4:      popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbx
        popq %rbp
        ret

        .globl vmx_exit_point
vmx_exit_point:
        xchgq %rdi, (%rsp)
        movq %rax, 0x00(%rdi)
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
        xorl %eax, %eax
        jmp 4b
        .section .note.GNU-stack, "", @progbits
