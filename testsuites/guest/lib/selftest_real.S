/* Real-mode code for the self-test. */
        .section .rodata
        .code16
        .globl selftest_real, selftest_real_end
selftest_real:
        addl %ebx, %eax
        int $0x60
        movw %cs, %dx
        lretw
        /* offset 0x10: the handler of INT 60h */
        .org selftest_real + 0x10
        incl %ecx
        iretw
selftest_real_end:
        .section .note.GNU-stack, "", @progbits
