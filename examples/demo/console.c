/* A 16550 UART, polled. The names of the registers are those of its data sheet. */
#include "examples/demo/console.h"

#include <stdarg.h>

#include "examples/demo/format.h"
#include "examples/demo/x86.h"

enum {
    COM1 = 0x3F8,
    UART_THR = COM1 + 0, /* transmitter holding register; with DLAB set, divisor latch low */
    UART_IER = COM1 + 1, /* interrupt enable; with DLAB set, divisor latch high */
    UART_FCR = COM1 + 2,
    UART_LCR = COM1 + 3,
    UART_MCR = COM1 + 4,
    UART_LSR = COM1 + 5,
    LCR_8N1 = 0x03,
    LCR_DLAB = 0x80,
    FCR_ENABLE_AND_CLEAR = 0x07,
    MCR_DTR_RTS = 0x03,
    LSR_THR_EMPTY = 0x20,
    EXIT_PORT = 0xF4, /* QEMU's isa-debug-exit, and hvsim's; a PC has nothing there */
};

void console_init(void) {
    outb(UART_IER, 0);
    outb(UART_LCR, LCR_DLAB);
    outb(UART_THR, 1); /* 115200 baud */
    outb(UART_IER, 0);
    outb(UART_LCR, LCR_8N1);
    outb(UART_FCR, FCR_ENABLE_AND_CLEAR);
    outb(UART_MCR, MCR_DTR_RTS);
}

void console_put(char c) {
    if (c == '\n') console_put('\r');
    while (!(inb(UART_LSR) & LSR_THR_EMPTY)) {
    }
    outb(UART_THR, (uint8_t)c);
}

void print(const char *text, ...) {
    va_list args;
    va_start(args, text);
    format(console_put, text, args);
    va_end(args);
}

void give_up(const char *text, ...) {
    va_list args;
    va_start(args, text);
    console_put('\n');
    format(console_put, text, args);
    va_end(args);
    print("\nFAIL\n");
    end_run(1);
}

void end_run(unsigned char value) {
    outb(EXIT_PORT, value);
    for (;;) __asm__ volatile("cli; hlt");
}
