/* The kernel's and the user's side of the system-call and software-interrupt workloads. */
        .section .text

/* SYSCALL entry as a kernel writes it: own GS, own stack, one little service (RAX = RDI + 1), and back. */
        .globl syscall_entry
syscall_entry:
        swapgs
        movq %rsp, %gs:8
        movq %gs:0, %rsp
        pushq %rcx
        pushq %r11
        leaq 1(%rdi), %rax
        popq %r11
        popq %rcx
        movq %gs:8, %rsp
        swapgs
        sysretq

/* uptr user_syscalls(uptr count), at CPL 3: the last result */
        .globl user_syscalls
user_syscalls:
        movq %rdi, %rsi
        xorl %edi, %edi
1:      syscall
        movq %rax, %rdi
        cmpq %rsi, %rax
        jb 1b
        ret

/* INT n entry: RAX = RDI + 1 */
        .globl soft_entry
soft_entry:
        pushq %rcx
        leaq 1(%rdi), %rax
        popq %rcx
        iretq

/* uptr user_interrupts(uptr count), at CPL 3: the last result */
        .globl user_interrupts
user_interrupts:
        movq %rdi, %rsi
        xorl %edi, %edi
1:      int $0x80
        movq %rax, %rdi
        cmpq %rsi, %rax
        jb 1b
        ret
        .section .note.GNU-stack, "", @progbits
