#include "examples/demo/memory.h"

#include "examples/demo/console.h"

enum { POOL_PAGES = 128 };

/* In .bss: the boot loader has cleared it. */
static uint8_t pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static size_t used;

void *pages_alloc(size_t count) {
    if (count > POOL_PAGES - used) give_up("The hypervisor has no page left (of %u).", POOL_PAGES);
    void *first = pool[used];
    used += count;
    return first;
}

void *memcpy(void *to, const void *from, size_t size) {
    void *p = to;
    __asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(size) : : "memory");
    return to;
}

void *memset(void *to, int byte, size_t size) {
    void *p = to;
    __asm__ volatile("rep stosb" : "+D"(p), "+c"(size) : "a"(byte) : "memory");
    return to;
}
