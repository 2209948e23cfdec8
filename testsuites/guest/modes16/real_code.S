/* Real-mode code of the real-mode image: EAX selects a test; faults come back with the vector in EDX, the pushed IP in EBX,
 * the distance of SP in ECX; otherwise EDX is -1 and EBX the test's result. */
        .section .rodata
        .code16
        .globl real_tests, real_tests_end
        .set base, real_tests
#define OFF(l) (l - base)

real_tests:
        movl %eax, %edi
        movw %sp, %cs:OFF(saved_sp)
        movl $-1, %edx
        xorl %ebx, %ebx
        shlw $1, %di
        movw %cs, %ax
        movw %ax, %ds
        jmp *%cs:OFF(table)(%di)
done:   lretw

        .p2align 2
saved_sp: .word 0, 0
table:  .word OFF(t_gp_word), OFF(t_ss_word), OFF(t_push), OFF(t_addr32), OFF(t_wrap16), OFF(t_int), OFF(t_unreal)
        .word OFF(t_hma), OFF(t_lldt), OFF(t_div), OFF(t_bound), OFF(t_idt_limit), OFF(t_arpl), OFF(t_end_of_segment)
        .word OFF(t_iret), OFF(t_seg_base), OFF(t_lar), OFF(t_gp_byte), OFF(t_smsw)

/* handlers: offset 0x100 + 16 * vector */
        .org real_tests + 0x100
        .set v, 0
        .rept 32
        .org real_tests + 0x100 + 16 * v
        movl $v, %edx
        jmp fault
        .set v, v + 1
        .endr
        .org real_tests + 0x300
fault:  cli
        movzwl %sp, %ecx
        popw %bx
        movzwl %bx, %ebx
        movzwl %cs:OFF(saved_sp), %eax
        subl %ecx, %eax
        movl %eax, %ecx
        pushw $0x1000
        popw %ss
        movw %cs:OFF(saved_sp), %sp
        cld
        lretw
/* INT 0x60: gives CS:IP and FLAGS as pushed */
        .org real_tests + 0x380
int60:  movw %sp, %bp
        movw (%bp), %bx
        shll $16, %ebx
        movw 4(%bp), %bx
        pushfw
        popw %cx
        iretw

        .org real_tests + 0x400
t_gp_word: movw 0xffff, %ax
        jmp done
        .org real_tests + 0x410
t_gp_byte: movb 0xffff, %al
        jmp done
        .org real_tests + 0x420
t_ss_word: movw $0xffff, %bp
        movw (%bp), %ax
        jmp done
        .org real_tests + 0x430
t_push: movw $1, %sp
        pushw %ax
        jmp done
        .org real_tests + 0x440
t_addr32: movl $0x10000, %esi
        movb (%esi), %al
        jmp done
        .org real_tests + 0x450
t_wrap16: movw $0xfff0, %bx
        movw $OFF(data) + 0x10, %si
        movb (%bx,%si), %bl
        movzbl %bl, %ebx
        jmp done
data:   .byte 0x5a
        .org real_tests + 0x470
t_int:  sti
        int $0x60
        cli
        jmp done
        .org real_tests + 0x480
t_unreal: pushw %fs
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        movw $0x10, %bx
        movw %bx, %fs
        andb $0xfe, %al
        movl %eax, %cr0
        movl $0x100000, %esi
        movl %fs:(%esi), %ebx
        popw %fs
        jmp done
        .org real_tests + 0x4c0
t_hma:  movw $0xffff, %ax
        movw %ax, %es
        movl %es:0x10, %ebx
        jmp done
        .org real_tests + 0x4e0
t_lldt: lldt %ax
        jmp done
        .org real_tests + 0x4f0
t_div:  xorw %cx, %cx
t_div_at: divw %cx
        jmp done
        .org real_tests + 0x500
t_bound: movw $9, %ax
        .byte 0x62, 0x06 /* BOUND AX, [bounds] */
        .word OFF(bounds)
        jmp done
bounds: .word 1, 8
        .org real_tests + 0x510
t_idt_limit: lidtl OFF(short_idt)
        int $0x60
        jmp done
        .p2align 2
short_idt: .word 0x60 * 4 - 1
        .long 0
        .org real_tests + 0x530
t_arpl: arpl %ax, %bx
        jmp done
        .org real_tests + 0x540
t_end_of_segment: movb $0x90, 0xfffe      /* NOP, and the first byte of a two-byte instruction */
        movb $0x66, 0xffff
        movw $0xfffe, %ax
        jmp *%ax
        .org real_tests + 0x560
t_iret: pushw $0xf0d5
        pushw %cs
        pushw $OFF(1f)
        iretw
1:      pushfw
        popw %bx
        movzwl %bx, %ebx
        pushw $2
        popfw
        jmp done
        .org real_tests + 0x580
t_seg_base: movw %cs, %ax
        addw $OFF(data) >> 4, %ax
        movw %ax, %es
        movzbl %es:OFF(data) & 15, %ebx
        jmp done
        .org real_tests + 0x5a0
t_lar:  larw %ax, %bx
        jmp done
        .org real_tests + 0x5b0
t_smsw: smsww %bx
        andl $1, %ebx
        jmp done
real_tests_end:
        .section .note.GNU-stack, "", @progbits
