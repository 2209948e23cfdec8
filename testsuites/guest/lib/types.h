/* Short integer names for the guest library: u64 prints with %llx in 32- and 64-bit images alike. */
#ifndef GUEST_TYPES_H
#define GUEST_TYPES_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long uptr; /* as wide as a register and a pointer of the image */

#define BIT(n)        (1ULL << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGNED(n)    __attribute__((aligned(n)))
#define NOINLINE      __attribute__((noinline))
#define NORETURN      __attribute__((noreturn))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define PAGE_SIZE     4096UL
#define LARGE_PAGE    (2UL << 20)

#endif
