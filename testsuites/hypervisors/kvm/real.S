/* Real mode: ports, strings, MMIO through a segment, software interrupts and exceptions through the interrupt vector table. */
#include "testsuites/hypervisors/kvm/guest.inc"

GUEST guest_real
    .code16
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp

    mov $0x11, %al
    out %al, $PORT_RESULT
    mov $0x2233, %ax
    out %ax, $PORT_RESULT
    mov $0x44556677, %eax
    out %eax, $PORT_RESULT
    in $PORT_INPUT, %al
    out %al, $PORT_RESULT
    in $PORT_INPUT, %eax
    out %eax, $PORT_RESULT

    cld
    mov $AT(text), %si
    mov $PORT_TEXT, %dx
    mov $4, %cx
    rep outsb
    mov $0x7000, %di
    mov $PORT_INPUT, %dx
    mov $2, %cx
    rep insw
    RESULT 0x7000

    mov $(GUEST_MMIO >> 4), %ax
    mov %ax, %es
    movb $0x5a, %es:0x10
    movw $0x5a5b, %es:0x20
    movl $0x5a5b5c5d, %es:0x30
    mov %es:0x40, %eax
    out %eax, $PORT_RESULT
    movzbl %es:0x50, %eax
    out %eax, $PORT_RESULT

    movw $AT(software_interrupt), 0x21 * 4
    movw $0, 0x21 * 4 + 2
    movw $AT(divide_error), 0
    movw $0, 2
    int $0x21
    out %eax, $PORT_RESULT
    mov $1, %ax
    xor %cl, %cl
    div %cl
    RESULT $0xc0de

    /* A segment that is not where its code was assembled: CS = 100h, the code copied to 1000h. */
    xor %ax, %ax
    mov %ax, %es
    mov $AT(moved), %si
    mov $0x1000, %di
    mov $(moved_end - moved), %cx
    rep movsb
    lcall $0x100, $0
    out %eax, $PORT_RESULT
    hlt
    RESULT $0xbad
    hlt

software_interrupt:
    mov $0x21, %eax
    iret
divide_error:
    mov %sp, %bp
    addw $2, (%bp) /* DIV %cl has two bytes */
    RESULT $0xde
    iret
moved:
    xor %eax, %eax
    mov %cs, %ax
    lret
moved_end:
text:
    .ascii "real"
    .balign 8
GUEST_END guest_real
