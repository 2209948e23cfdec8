/* Code of real and virtual-8086 mode, at segment REAL_SEGMENT. In real mode AX selects a test; EDX is the vector of a
 * fault, whose IP is in EBX, or -1 with the test's result in EBX. In virtual-8086 mode each test has an entry of its own
 * that ends with INT VEC_USER_RETURN and the result in EAX. */
#include "testsuites/guest/lib/layout.h"
        .section .rodata
        .code16
        .globl modes16, modes16_end, modes16_faults
        .set base, modes16
#define OFF(l) (l - base)
#define TESTS 17

modes16:
        movw %ax, %di
        movw %sp, %cs:OFF(saved_sp)
        movl $-1, %edx
        xorl %ebx, %ebx
        movw %cs, %ax
        movw %ax, %ds
        movw %ax, %es
        shlw $1, %di
        callw *%cs:OFF(table)(%di)
        lretw
        .p2align 2
saved_sp: .word 0, 0
table:  .word OFF(t_sse), OFF(t_mmx), OFF(t_x87), OFF(t_vex2), OFF(t_vex3), OFF(t_evex), OFF(t_xop), OFF(t_andn)
        .word OFF(t_gp), OFF(t_ss), OFF(t_movaps), OFF(t_wrap), OFF(t_fxsave), OFF(t_end), OFF(t_les), OFF(t_lds)
        .word OFF(t_bound)
/* where each test faults */
modes16_faults:
        .word 0, 0, 0, OFF(t_vex2), OFF(t_vex3), OFF(t_evex), OFF(t_xop), OFF(t_andn)
        .word OFF(t_gp_at), OFF(t_ss_at), OFF(t_movaps), 0, 0, 0, 0, 0
        .word 0

/* virtual-8086 mode: offset 0x100 + 16 * test */
        .org modes16 + 0x100
        .set n, 0
        .rept TESTS
        .org modes16 + 0x100 + 16 * n
        xorl %ebx, %ebx
        callw *%cs:OFF(table) + 2 * n
        movl %ebx, %eax
        int $VEC_USER_RETURN
        .set n, n + 1
        .endr

/* real mode's handlers: offset 0x400 + 16 * vector */
        .org modes16 + 0x400
        .set v, 0
        .rept 32
        .org modes16 + 0x400 + 16 * v
        movl $v, %edx
        jmp fault
        .set v, v + 1
        .endr
fault:  popw %bx
        movzwl %bx, %ebx
        movw %cs:OFF(saved_sp), %sp
        lretw

        .p2align 4
data:   .long 0x3F800000, 0x40000000, 0x40400000, 0x40800000
value:  .long 0
bounds: .word 0, 100
area:   .skip 16

t_sse:  movups OFF(data), %xmm0
        addps %xmm0, %xmm0
        movd %xmm0, %ebx
        retw
t_mmx:  movq OFF(data), %mm0
        paddd %mm0, %mm0
        movd %mm0, %ebx
        emms
        retw
t_x87:  fildl OFF(data)
        fistpl OFF(value)
        movl OFF(value), %ebx
        retw
t_vex2: .byte 0xc5, 0xf8, 0x57, 0xc0 /* VXORPS */
        retw
t_vex3: .byte 0xc4, 0xe1, 0x78, 0x57, 0xc0
        retw
t_evex: .byte 0x62, 0xf1, 0x7c, 0x48, 0x57, 0xc0
        retw
t_xop:  .byte 0x8f, 0xe8, 0x78, 0xa2, 0xc0, 0x00 /* VPCMOV */
        retw
t_andn: .byte 0xc4, 0xe2, 0x78, 0xf2, 0xc0
        retw
t_gp:   movw $0xfff8, %bx
t_gp_at: movups (%bx), %xmm0
        retw
t_ss:   movw $0xfff8, %bp
t_ss_at: movups (%bp), %xmm0
        retw
t_movaps: movaps OFF(data) + 8, %xmm0
        retw
t_wrap: movw $0xfff0, %bx
        movw $OFF(data) + 0x14, %si
        movups (%bx,%si), %xmm0
        movd %xmm0, %ebx
        retw
t_fxsave: fninit
        fxsave OFF(saved)
        movzwl OFF(saved), %ebx
        retw
t_end:  movw $0xfff0, %bx
        movups (%bx), %xmm0
        movl $1, %ebx
        retw
t_les:  lesw OFF(data) + 2, %bx
        movw %ds, %ax
        movw %ax, %es
        movzwl %bx, %ebx
        retw
t_lds:  ldsw OFF(data) + 2, %bx
        movw %cs, %ax
        movw %ax, %ds
        movzwl %bx, %ebx
        retw
t_bound: movw $5, %ax
        .byte 0x62, 0x06 /* BOUND AX, [bounds] */
        .word OFF(bounds)
        movl $7, %ebx
        retw
        .p2align 4
saved:  .skip 512
modes16_end:
        .section .note.GNU-stack, "", @progbits
