/* Writes to memory as it is told, page by page, for the log of dirty pages; then shuts down by a triple fault. */
#include "testsuites/hypervisors/kvm/guest.inc"

GUEST guest_memory
    ENTER_PROTECTED
next:
    in $PORT_COMMAND, %eax
    cmp $COMMAND_END, %eax
    je end
    mov %eax, %ecx
    shl $12, %eax /* COMMAND_READ is shifted out */
    add $GUEST_RAM, %eax
    test $COMMAND_READ, %ecx
    jnz read
    mov %ecx, (%eax)
    jmp next
read:
    mov (%eax), %edx
    jmp next
end:
    lidt AT(no_idt)
    ud2
no_idt:
    .word 0
    .long 0
    .balign 8
tss:
    GDT
GUEST_END guest_memory
