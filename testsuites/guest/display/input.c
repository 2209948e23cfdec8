/* Prints what the keyboard and the mouse send, until the key Esc goes up. For the test of the window; no test by
 * itself. */
#include "testsuites/guest/lib/guest.h"

#define OUTPUT_FULL 0x01
#define FROM_MOUSE  0x20
#define ESC_UP      0x81

static u32 events;

static void on_data(struct regs *r) {
    while (inb(0x64) & OUTPUT_FULL) {
        bool mouse = inb(0x64) & FROM_MOUSE;
        u8 byte = inb(0x60);
        printf("# %s %02x\n", mouse ? "mouse" : "key", byte);
        if (!mouse && byte == ESC_UP) events = 1;
    }
    pic_eoi((u8)(r->vector - 0x20));
}

static void to_mouse(u8 cmd) {
    outb(0x64, 0xD4);
    outb(0x60, cmd);
    inb(0x60);
}

static void title(const char *text) {
    volatile u16 *at = (volatile u16 *)0xB8000UL;
    for (; *text; text++) *at++ = (u16)(0x1F00 | (u8)*text);
}

void guest_main(void) {
    handler_set(0x21, on_data);
    handler_set(0x2C, on_data);
    title(" hvsim: press a key, move the mouse; Esc ends ");
    outb(0x64, 0x60), outb(0x60, 0x47); /* both interrupts, translation */
    to_mouse(0xF4);
    pic_unmask(1), pic_unmask(2), pic_unmask(12);
    printf("# ready\n");
    while (!events) irq_wait();
    ok(true, "Esc was pressed");
}
