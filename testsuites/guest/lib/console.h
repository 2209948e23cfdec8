/* Output, TAP, and the end of the run. */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include <stdarg.h>

#include "testsuites/guest/lib/types.h"

/* printf() goes to COM1; "console=debug" or "console=both" on the command line choose port 0xE9 or both. */
void console_init(void);
void console_putc(char c);

/* Conversions: %d %i %u %x %X %c %s %p %%, lengths l, ll, z, flags 0, -, #, and a width. */
void printf(const char *fmt, ...) PRINTF(1, 2);
void vprintf(const char *fmt, va_list ap) PRINTF(1, 0);

/* Into memory, cut to size. */
void format_text(char *text, size_t size, const char *fmt, va_list ap) PRINTF(3, 0);

/* The same to port 0xE9 alone. */
void debug_printf(const char *fmt, ...) PRINTF(1, 2);

/* Test Anything Protocol. Without plan() the plan is printed at the end. */
void plan(u32 tests);
bool ok(bool condition, const char *fmt, ...) PRINTF(2, 3);
void skip(const char *why, const char *fmt, ...) PRINTF(2, 3);
void diag(const char *fmt, ...) PRINTF(1, 2);

/* ok() with both values shown on failure. */
bool ok_eq(u64 got, u64 want, const char *fmt, ...) PRINTF(3, 4);

/* Runs after guest_main() returns, or when called: prints the verdict and ends the run. */
NORETURN void tap_finish(void);
NORETURN void bail_out(const char *fmt, ...) PRINTF(1, 2);

/* Ends the run: value to port 0xF4 (status (value << 1) | 1), then Bochs' shutdown port, then halts for ever. */
NORETURN void guest_exit(u32 value);

#endif
