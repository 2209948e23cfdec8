/* Into a test case and out again. The context is at a fixed address, so that no register is needed to find it.
 * Layout: gpr[16] in, flags in, far pointer, components of XSAVE, host rsp, gpr[16] out, flags out, exit kind. */
#define CTX       0x31000000
#define IN_GPR    (CTX + 0)
#define IN_FLAGS  (CTX + 128)
#define FAR_RIP   (CTX + 136)
#define XMASK     (CTX + 144)
#define HOST_RSP  (CTX + 152)
#define OUT_GPR   (CTX + 160)
#define OUT_FLAGS (CTX + 288)
#define OUT_EXIT  (CTX + 296)
#define IN_X      (CTX + 0x1000)
#define OUT_X     (CTX + 0x4000)
#define MXCSR     (CTX + 336) /* the host's own */

.text
.globl isa_enter
isa_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, HOST_RSP
    mov XMASK, %eax
    mov XMASK+4, %edx
    test %eax, %eax
    jz 1f
    xrstor64 IN_X
1:
    pushq IN_FLAGS
    popfq
    mov IN_GPR+0, %rax
    mov IN_GPR+8, %rcx
    mov IN_GPR+16, %rdx
    mov IN_GPR+24, %rbx
    mov IN_GPR+32, %rsp
    mov IN_GPR+40, %rbp
    mov IN_GPR+48, %rsi
    mov IN_GPR+56, %rdi
    mov IN_GPR+64, %r8
    mov IN_GPR+72, %r9
    mov IN_GPR+80, %r10
    mov IN_GPR+88, %r11
    mov IN_GPR+96, %r12
    mov IN_GPR+104, %r13
    mov IN_GPR+112, %r14
    mov IN_GPR+120, %r15
    ljmp *FAR_RIP /* m16:32: processors of AMD have no m16:64 */

/* The vector registers out, and the floating-point units as the host's code wants them */
.macro SAVE_VECTORS
    mov XMASK, %eax
    mov XMASK+4, %edx
    test %eax, %eax
    jz 2f
    xsave64 OUT_X
    fninit
    ldmxcsr MXCSR
2:
    cld
.endm

/* Copied to the exit addresses: no label inside is used from outside */
.macro LEAVE_CASE kind
    mov %rax, OUT_GPR+0
    mov %rcx, OUT_GPR+8
    mov %rdx, OUT_GPR+16
    mov %rbx, OUT_GPR+24
    mov %rsp, OUT_GPR+32
    mov %rbp, OUT_GPR+40
    mov %rsi, OUT_GPR+48
    mov %rdi, OUT_GPR+56
    mov %r8, OUT_GPR+64
    mov %r9, OUT_GPR+72
    mov %r10, OUT_GPR+80
    mov %r11, OUT_GPR+88
    mov %r12, OUT_GPR+96
    mov %r13, OUT_GPR+104
    mov %r14, OUT_GPR+112
    mov %r15, OUT_GPR+120
    mov HOST_RSP, %rsp
    pushfq
    popq OUT_FLAGS
    pushq $0x202 /* without AC and DF */
    popfq
    movq $\kind, OUT_EXIT
    SAVE_VECTORS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
.endm
.globl isa_exit_a, isa_exit_a_end, isa_exit_b, isa_exit_b_end
isa_exit_a:
    LEAVE_CASE 0
isa_exit_a_end:
isa_exit_b:
    LEAVE_CASE 1
isa_exit_b_end:
/* where the signal handler resumes, with the context filled by it and rsp set: the kernel has brought the vector registers back */
.globl isa_exit_fault
isa_exit_fault:
    SAVE_VECTORS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
.section .note.GNU-stack,"",@progbits
