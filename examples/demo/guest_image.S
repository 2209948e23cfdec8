/* The guest is a program of its own, linked on its own (guest/). Here it is data. */
        .section .rodata
        .balign 16
        .globl  guest_image, guest_image_end
guest_image:
        .incbin GUEST_BIN
guest_image_end:

        .section .note.GNU-stack, "", @progbits
