/* A printf for very small programs; the hypervisor and its guest both link it. */
#ifndef DEMO_FORMAT_H
#define DEMO_FORMAT_H

#include <stdarg.h>

/* Knows %s %c %u %x, each with an optional '-', width and 'l'; writes through `put`, one character at a time. */
void format(void (*put)(char c), const char *text, va_list args);

#endif
