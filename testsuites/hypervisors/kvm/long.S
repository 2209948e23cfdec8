/* Long mode: ports, MMIO of every size, exceptions, 4 KiB pages that change, system calls, compatibility mode, CPUID. */
#include "testsuites/hypervisors/kvm/guest.inc"

GUEST guest_long
    ENTER_PROTECTED
    BUILD_LONG_MODE_TABLES
    /* UNMAPPED becomes a table of 4 KiB pages, all not present. */
    movl $(PT + 7), PD + (UNMAPPED >> 21) * 8
    mov $PT, %edi
    mov $1024, %ecx
    xor %eax, %eax
    rep stosl
    ENTER_LONG
    mov $0x7c00, %rsp
    lidt AT(idt_register)
    mov $SEL_TSS, %eax
    ltr %ax
    RESULT $1

    out %al, $PORT_RESULT
    in $PORT_INPUT, %eax
    out %eax, $PORT_RESULT
    mov $AT(text), %esi
    mov $4, %ecx
    mov $PORT_TEXT, %edx
    cld
    rep outsb

    mov $GUEST_MMIO, %ebx
    movb $0x11, 1(%rbx)
    movw $0x2211, 2(%rbx)
    movl $0x44332211, 4(%rbx)
    mov $0x1122334455667788, %rax
    mov %rax, 8(%rbx)
    mov 16(%rbx), %rax
    bswap %rax
    out %eax, $PORT_RESULT
    movzwl 24(%rbx), %eax
    out %eax, $PORT_RESULT
    mov $AT(text), %esi
    lea 32(%rbx), %rdi
    mov $2, %ecx
    rep movsw
    movl $0x0f0f0f0f, 0x7000
    mov 40(%rbx), %eax
    and %eax, 0x7000
    RESULT 0x7000
    orl $0x70000000, 48(%rbx) /* reads and writes */

    ud2
    RESULT $2
    mov $0x1234, %eax
    xor %edx, %edx
    xor %ecx, %ecx
    div %ecx
    RESULT $3

    /* Two virtual pages over two frames: each fault maps the next, then the mappings are exchanged under the guest's feet. */
    movl $0xaaaa, GUEST_RAM + 0x300000
    movl $0xbbbb, GUEST_RAM + 0x301000
    mov $UNMAPPED, %ebx
    mov (%rbx), %eax
    out %eax, $PORT_RESULT
    mov 0x1000(%rbx), %eax
    out %eax, $PORT_RESULT
    mov $100, %ecx
    xor %esi, %esi
1:  mov PT, %rax
    mov PT + 8, %rdx
    mov %rax, PT + 8
    mov %rdx, PT
    invlpg (%rbx)
    invlpg 0x1000(%rbx)
    mov (%rbx), %eax
    sub 0x1000(%rbx), %eax /* plus and minus 1111h in turn */
    lea (%rsi,%rsi,2), %esi
    add %eax, %esi
    dec %ecx
    jnz 1b
    RESULT %esi
    /* A page that may not be written */
    andb $~2, PT
    invlpg (%rbx)
    movl $1, (%rbx) /* faults, is made writable, succeeds */
    RESULT (%rbx)

    /* Accessed and dirty bits */
    movabs $~0x60, %rax
    and %rax, PT
    invlpg (%rbx)
    mov (%rbx), %ecx
    mov PT, %eax
    and $0x60, %eax
    out %eax, $PORT_RESULT
    mov %ecx, (%rbx)
    mov PT, %eax
    and $0x60, %eax
    out %eax, $PORT_RESULT

    /* Who are we? */
    mov $0x40000000, %eax
    cpuid
    RESULT %ebx

    /* SYSCALL and SYSRET; at level 3 also a vector register is used */
    mov $0xc0000081, %ecx /* STAR: SYSRET loads CS = 20h + 16 | 3, SS = 20h + 8 | 3 */
    xor %eax, %eax
    mov $((0x20 << 16) | SEL_CODE64), %edx
    wrmsr
    inc %ecx /* LSTAR */
    mov $AT(system_call), %eax
    xor %edx, %edx
    wrmsr
    mov $0xc0000084, %ecx /* FMASK */
    mov $0x200, %eax
    wrmsr
    mov $0xc0000100, %ecx /* FS.base */
    mov $0x7000, %eax
    wrmsr
    movl $0xf5f5, 0x7008
    mov $AT(user), %ecx
    mov $0x3002, %r11d
    sysretq
user:
    RESULT %fs:8
    movdqu AT(vector), %xmm0
    paddd %xmm0, %xmm0
    movdqu %xmm0, 0x7010
    RESULT 0x7018
    xor %eax, %eax
    mov %cs, %ax
    syscall
    RESULT $0xbad

system_call:
    out %eax, $PORT_RESULT
    xor %eax, %eax
    mov %ss, %ax
    out %eax, $PORT_RESULT
    /* Compatibility mode and back */
    push $SEL_CODE32
    push $AT(compatibility)
    lretq
    .code32
compatibility:
    mov $SEL_DATA, %eax
    mov %eax, %ss
    mov $0xffffffff, %eax
    inc %eax
    out %eax, $PORT_RESULT
    .byte 0x48 /* DEC EAX here, a REX prefix in 64-bit mode */
    nop
    out %eax, $PORT_RESULT
    ljmp $SEL_CODE64, $AT(back)
    .code64
back:
    RESULT $4
    mov $0x600d, %r15
    hlt

invalid_opcode:
    RESULT $6
    addq $2, (%rsp)
    iretq
divide_error:
    RESULT $0xde
    addq $2, (%rsp)
    iretq
page_fault:
    mov %rax, 0x7020
    mov %cr2, %rax
    out %eax, $PORT_RESULT
    pop %rax
    out %eax, $PORT_RESULT
    push %rbx
    mov %cr2, %rbx
    mov %rbx, %rax
    shr $12, %eax
    and $1, %eax
    shl $12, %eax
    lea GUEST_RAM + 0x300007(%rax), %rax
    shr $9, %rbx
    and $8, %ebx
    testb $1, PT(%rbx)
    jz 1f
    mov PT(%rbx), %rax /* present: it lacks the right to write */
    or $2, %eax
1:  mov %rax, PT(%rbx)
    mov %cr2, %rbx
    invlpg (%rbx)
    pop %rbx
    mov 0x7020, %rax
    iretq

    .balign 16
idt:
    GATE64 divide_error
    .rept 5
    .quad 0, 0
    .endr
    GATE64 invalid_opcode
    .rept 7
    .quad 0, 0
    .endr
    GATE64 page_fault
idt_end:
idt_register:
    .word idt_end - idt - 1
    .quad AT(idt)
vector:
    .long 1, 2, 0x100, 4
text:
    .ascii "long"
    .balign 8
tss:
    .long 0
    .quad 0x7800
    .rept 23
    .long 0
    .endr
    GDT
GUEST_END guest_long
