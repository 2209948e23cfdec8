/* Host memory. It is mapped one to one, so a pointer is also a physical address. */
#ifndef DEMO_MEMORY_H
#define DEMO_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096ull

/* Pages are zero, aligned, contiguous within one call, and never given back. */
void *pages_alloc(size_t count);
static inline void *page_alloc(void) { return pages_alloc(1); }

static inline uint64_t physical(const void *p) { return (uint64_t)(uintptr_t)p; }
static inline void *pointer(uint64_t address) { return (void *)(uintptr_t)address; }

/* The compiler may call these two on its own, so even a program without a library must have them. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);

#endif
