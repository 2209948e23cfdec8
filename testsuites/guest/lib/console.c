/* COM1 and port 0xE9, a small printf, TAP. */
#include "testsuites/guest/lib/guest.h"

enum { SINK_SERIAL = 1, SINK_DEBUG = 2, SINK_TEXT = 4 };

struct format {
    char conversion;
    u8 longs; /* 0 int, 1 long, 2 long long */
    bool zero, left, alternate;
    u32 width;
};

static u32 sinks = SINK_SERIAL;
static u32 tests_planned, tests_run, tests_failed;
static char *text_next, *text_end; /* where SINK_TEXT goes */

void console_init(void) {
    char value[16];
    outb(PORT_COM1 + 1, 0);    /* no interrupts */
    outb(PORT_COM1 + 3, 0x80); /* divisor latch: 115200 baud */
    outb(PORT_COM1 + 0, 1);
    outb(PORT_COM1 + 1, 0);
    outb(PORT_COM1 + 3, 0x03); /* 8 data bits, no parity, 1 stop bit */
    outb(PORT_COM1 + 2, 0x07); /* FIFOs on and empty */
    if (!option_get("console", value, sizeof value)) return;
    if (!strcmp(value, "debug")) sinks = SINK_DEBUG;
    if (!strcmp(value, "both")) sinks = SINK_SERIAL | SINK_DEBUG;
}

static void serial_putc(char c) {
    for (u32 i = 0; i < 100000 && !(inb(PORT_COM1 + 5) & 0x20); i++) cpu_pause();
    outb(PORT_COM1, (u8)c);
}

static void sink_putc(u32 where, char c) {
    if (where & SINK_SERIAL) serial_putc(c);
    if (where & SINK_DEBUG) outb(PORT_DEBUG, (u8)c);
    if ((where & SINK_TEXT) && text_next < text_end) *text_next++ = c;
}

void console_putc(char c) { sink_putc(sinks, c); }

/* v / 10 and the remainder, without the 64-bit division routine that a 32-bit image has not. */
static u32 divide_by_10(u64 *v) {
#ifdef __x86_64__
    u32 digit = (u32)(*v % 10);
    *v /= 10;
    return digit;
#else
    u32 hi = (u32)(*v >> 32), lo = (u32)*v, rest = hi % 10;
    __asm__("divl %2" : "+a"(lo), "+d"(rest) : "r"(10));
    *v = (u64)(hi / 10) << 32 | lo;
    return rest;
#endif
}

static void put_padded(u32 where, const struct format *f, const char *s, u32 len) {
    u32 pad = f->width > len ? f->width - len : 0;
    if (!f->left)
        for (u32 i = 0; i < pad; i++) sink_putc(where, ' ');
    for (u32 i = 0; i < len; i++) sink_putc(where, s[i]);
    if (f->left)
        for (u32 i = 0; i < pad; i++) sink_putc(where, ' ');
}

static void put_number(u32 where, const struct format *f, u64 v, bool negative) {
    char text[72];
    u32 at = sizeof text, used;
    bool hex = f->conversion == 'x' || f->conversion == 'X' || f->conversion == 'p';
    do {
        u32 digit = hex ? (u32)v & 15 : 0;
        if (hex)
            v >>= 4;
        else
            digit = divide_by_10(&v);
        text[--at] = (f->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[digit];
    } while (v);
    used = (negative ? 1 : 0) + (f->alternate && hex ? 2 : 0);
    while (f->zero && !f->left && sizeof text - at + used < f->width && at > used) text[--at] = '0';
    if (f->alternate && hex) {
        text[--at] = 'x';
        text[--at] = '0';
    }
    if (negative) text[--at] = '-';
    put_padded(where, f, text + at, sizeof text - at);
}

static const char *parse_format(const char *s, struct format *f) {
    *f = (struct format){0};
    for (;; s++) {
        if (*s == '0')
            f->zero = true;
        else if (*s == '-')
            f->left = true;
        else if (*s == '#')
            f->alternate = true;
        else
            break;
    }
    for (; *s >= '0' && *s <= '9' && f->width < 64; s++) f->width = f->width * 10 + (u32)(*s - '0');
    for (; *s == 'l' || *s == 'z'; s++) f->longs++;
    f->conversion = *s;
    return *s ? s + 1 : s;
}

static void format_to(u32 where, const char *s, va_list *ap) {
    while (*s) {
        struct format f;
        if (*s != '%') {
            sink_putc(where, *s++);
            continue;
        }
        s = parse_format(s + 1, &f);
        if (f.conversion == 's') {
            const char *text = va_arg(*ap, const char *);
            put_padded(where, &f, text, (u32)strlen(text));
        } else if (f.conversion == 'c') {
            char c = (char)va_arg(*ap, int);
            put_padded(where, &f, &c, 1);
        } else if (f.conversion == 'd' || f.conversion == 'i') {
            long long v = f.longs == 2   ? va_arg(*ap, long long)
                          : f.longs == 1 ? (long long)va_arg(*ap, long)
                                         : (long long)va_arg(*ap, int);
            put_number(where, &f, v < 0 ? 0 - (u64)v : (u64)v, v < 0);
        } else if (f.conversion == 'p') {
            f.alternate = true;
            put_number(where, &f, (uptr)va_arg(*ap, void *), false);
        } else if (f.conversion == 'u' || f.conversion == 'x' || f.conversion == 'X') {
            u64 v = f.longs == 2 ? va_arg(*ap, u64) : f.longs == 1 ? va_arg(*ap, unsigned long) : va_arg(*ap, u32);
            put_number(where, &f, v, false);
        } else if (f.conversion) {
            sink_putc(where, f.conversion);
        }
    }
}

static void vformat(u32 where, const char *fmt, va_list ap) {
    va_list copy;
    va_copy(copy, ap);
    format_to(where, fmt, &copy);
    va_end(copy);
}

void vprintf(const char *fmt, va_list ap) { vformat(sinks, fmt, ap); }

void format_text(char *text, size_t size, const char *fmt, va_list ap) {
    text_next = text;
    text_end = text + size - 1;
    vformat(SINK_TEXT, fmt, ap);
    *text_next = 0;
}

#define FORWARD(where)                                                                                                 \
    do {                                                                                                               \
        va_list ap_;                                                                                                   \
        va_start(ap_, fmt);                                                                                            \
        vformat(where, fmt, ap_);                                                                                      \
        va_end(ap_);                                                                                                   \
    } while (0)

void printf(const char *fmt, ...) { FORWARD(sinks); }

void debug_printf(const char *fmt, ...) { FORWARD(SINK_DEBUG); }

void plan(u32 tests) {
    tests_planned = tests;
    printf("1..%u\n", tests);
}

bool ok(bool condition, const char *fmt, ...) {
    tests_run++;
    if (!condition) tests_failed++;
    printf("%sok %u - ", condition ? "" : "not ", tests_run);
    FORWARD(sinks);
    printf("\n");
    return condition;
}

bool ok_eq(u64 got, u64 want, const char *fmt, ...) {
    tests_run++;
    if (got != want) tests_failed++;
    printf("%sok %u - ", got == want ? "" : "not ", tests_run);
    FORWARD(sinks);
    printf("\n");
    if (got != want) printf("# got %#llx, expected %#llx\n", got, want);
    return got == want;
}

void skip(const char *why, const char *fmt, ...) {
    printf("ok %u - ", ++tests_run);
    FORWARD(sinks);
    printf(" # SKIP %s\n", why);
}

void diag(const char *fmt, ...) {
    printf("# ");
    FORWARD(sinks);
    printf("\n");
}

void tap_finish(void) {
    bool good = !tests_failed && (!tests_planned || tests_planned == tests_run);
    if (!tests_planned) printf("1..%u\n", tests_run);
    if (tests_planned && tests_planned != tests_run) printf("# planned %u tests, ran %u\n", tests_planned, tests_run);
    printf("# %s: %u run, %u failed\n", good ? "PASS" : "FAIL", tests_run, tests_failed);
    guest_exit(good ? 0 : 1);
}

void bail_out(const char *fmt, ...) {
    printf("Bail out! ");
    FORWARD(sinks);
    printf("\n");
    guest_exit(1);
}

void guest_exit(u32 value) {
    /* a shift register that still sends would lose the last characters */
    for (u32 i = 0; i < 1000000 && !(inb(PORT_COM1 + 5) & 0x40); i++) cpu_pause();
    outl(PORT_EXIT, value);
    for (const char *s = "Shutdown"; *s; s++) outb(0x8900, (u8)*s);
    for (;;) __asm__ volatile("cli; hlt");
}
