/*
 * Entering the guest and coming back, for both vendors.
 *
 * The hardware switches RSP, RIP, RFLAGS, the control registers and the segments. The other general-purpose registers
 * are ours to switch: struct registers in hypervisor.h, 8 bytes each, in the order of these names. SVM switches RAX
 * too; VMX does not.
 */
RAX = 0; RBX = 8; RCX = 16; RDX = 24; RSI = 32; RDI = 40; RBP = 48
R8 = 56; R9 = 64; R10 = 72; R11 = 80; R12 = 88; R13 = 96; R14 = 104; R15 = 112

#define VMCS_HOST_RSP 0x6C14

        /* RDI points to the registers; it has to be loaded last. MOV leaves the flags alone. */
        .macro  load_guest_registers
        movq    RBX(%rdi), %rbx
        movq    RCX(%rdi), %rcx
        movq    RDX(%rdi), %rdx
        movq    RSI(%rdi), %rsi
        movq    RBP(%rdi), %rbp
        movq    R8(%rdi), %r8
        movq    R9(%rdi), %r9
        movq    R10(%rdi), %r10
        movq    R11(%rdi), %r11
        movq    R12(%rdi), %r12
        movq    R13(%rdi), %r13
        movq    R14(%rdi), %r14
        movq    R15(%rdi), %r15
        movq    RDI(%rdi), %rdi
        .endm

        /* The pointer to the registers is on top of the stack and stays there; afterwards it is in RDI as well. */
        .macro  save_guest_registers
        pushq   %rdi
        movq    8(%rsp), %rdi
        movq    %rbx, RBX(%rdi)
        movq    %rcx, RCX(%rdi)
        movq    %rdx, RDX(%rdi)
        movq    %rsi, RSI(%rdi)
        movq    %rbp, RBP(%rdi)
        movq    %r8, R8(%rdi)
        movq    %r9, R9(%rdi)
        movq    %r10, R10(%rdi)
        movq    %r11, R11(%rdi)
        movq    %r12, R12(%rdi)
        movq    %r13, R13(%rdi)
        movq    %r14, R14(%rdi)
        movq    %r15, R15(%rdi)
        popq    RDI(%rdi)
        .endm

        /* What C expects to find unchanged after a call. */
        .macro  push_callee_saved
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        .endm

        .macro  pop_callee_saved
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        .endm

        .text

/*
 * bool vmx_enter(struct registers *regs, bool launched)
 *
 * A VM exit does not come back behind VMLAUNCH: it loads RIP and RSP from the host-state area of the VMCS. RIP is
 * always vmx_exit_point; RSP is written here. If the processor refuses the entry because of the controls or the host
 * state, it does go on behind the instruction, and we return false. SDM 3, "VM Entries", "VM Exits".
 */
        .globl  vmx_enter, vmx_exit_point
vmx_enter:
        push_callee_saved
        pushq   %rdi
        movl    $VMCS_HOST_RSP, %eax
        vmwrite %rsp, %rax
        testb   %sil, %sil
        movq    RAX(%rdi), %rax
        load_guest_registers
        jnz     1f
        vmlaunch
        jmp     2f
1:      vmresume
2:      popq    %rdi
        pop_callee_saved
        xorl    %eax, %eax
        ret

vmx_exit_point:
        save_guest_registers
        movq    %rax, RAX(%rdi)
        popq    %rdi
        pop_callee_saved
        movl    $1, %eax
        ret

/*
 * void svm_enter(struct registers *regs, uint64_t guest_vmcb, uint64_t host_vmcb)
 *
 * VMRUN does come back: #VMEXIT continues behind it, with RAX still pointing to the VMCB. It leaves FS, GS, TR, LDTR
 * and a few MSRs to VMLOAD and VMSAVE. With GIF clear nothing interrupts the switch; RFLAGS.IF has to be set at VMRUN,
 * for it decides whether interrupts can make the guest exit. APM 2, "VMRUN Instruction", "Global Interrupt Flag,
 * STGI and CLGI Instructions", "Physical (INTR) Interrupt Masking in EFLAGS".
 */
        .globl  svm_enter
svm_enter:
        push_callee_saved
        pushq   %rdx
        pushq   %rdi
        clgi
        sti
        movq    %rdx, %rax
        vmsave  %rax
        movq    %rsi, %rax
        vmload  %rax
        load_guest_registers
        vmrun   %rax
        vmsave  %rax
        save_guest_registers
        popq    %rdi
        popq    %rax
        vmload  %rax
        cli
        stgi
        pop_callee_saved
        ret

        .section .note.GNU-stack, "", @progbits
