#include "examples/demo/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One conversion: how it is to be padded, and whether its argument is a long. */
struct spec {
    bool left, is_long;
    size_t width;
};

static void put_padded(void (*put)(char), const struct spec *spec, const char *text) {
    size_t length = 0, pad = 0;
    while (text[length]) length++;
    if (spec->width > length) pad = spec->width - length;
    if (!spec->left)
        for (size_t i = 0; i < pad; i++) put(' ');
    for (size_t i = 0; i < length; i++) put(text[i]);
    if (spec->left)
        for (size_t i = 0; i < pad; i++) put(' ');
}

static void put_number(void (*put)(char), const struct spec *spec, uint64_t value, unsigned base) {
    char digits[24], *p = digits + sizeof digits;
    *--p = 0;
    do {
        *--p = "0123456789ABCDEF"[value % base];
        value /= base;
    } while (value);
    put_padded(put, spec, p);
}

static const char *parse_spec(const char *p, struct spec *spec) {
    *spec = (struct spec){0};
    for (; *p == '-'; p++) spec->left = true;
    for (; *p >= '0' && *p <= '9'; p++) spec->width = spec->width * 10 + (size_t)(*p - '0');
    for (; *p == 'l'; p++) spec->is_long = true;
    return p;
}

void format(void (*put)(char), const char *text, va_list args) {
    for (const char *p = text; *p; p++) {
        struct spec spec;
        if (*p != '%') {
            put(*p);
            continue;
        }
        p = parse_spec(p + 1, &spec);
        switch (*p) {
        case 's':
            put_padded(put, &spec, va_arg(args, const char *));
            break;
        case 'c':
            put((char)va_arg(args, int));
            break;
        case 'u':
        case 'x':
            put_number(put, &spec, spec.is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned),
                       *p == 'u' ? 10 : 16);
            break;
        default:
            put(*p);
            break;
        }
        if (!*p) return;
    }
}
