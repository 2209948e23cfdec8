/* Multiboot information, strings and page allocation. */
#include "testsuites/guest/lib/guest.h"

#define MULTIBOOT_MAGIC  0x2BADB002
#define MULTIBOOT_MEMORY BIT(0)
#define MULTIBOOT_CMD    BIT(2)
#define MULTIBOOT_MODS   BIT(3)

struct multiboot_info {
    u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
};

struct multiboot_module {
    u32 start, end, string, reserved;
};

struct boot_info boot_info;
extern const u8 image_end[];
static uptr free_start;

void *memset(void *p, int c, size_t n) {
    void *to = p;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return p;
}

void *memcpy(void *to, const void *from, size_t n) {
    void *d = to;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n) {
    if ((uptr)to - (uptr)from >= n) return memcpy(to, from, n);
    u8 *d = (u8 *)to + n - 1;
    const u8 *s = (const u8 *)from + n - 1;
    __asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n) {
    const u8 *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i]) return x[i] - y[i];
    return 0;
}

size_t strlen(const char *s) {
    const char *e = s;
    while (*e) e++;
    return (size_t)(e - s);
}

int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (u8)*a - (u8)*b;
}

static void copy_string(char *to, size_t size, u32 from) {
    const char *s = (const char *)(uptr)from;
    size_t n = 0;
    for (; from && s[n] && n + 1 < size; n++) to[n] = s[n];
    to[n] = 0;
}

/* Copies what matters: page_alloc() will reuse the memory the loader put it in. */
void boot_info_init(u32 magic, uptr info) {
    const struct multiboot_info *mb = (const struct multiboot_info *)info;
    free_start = (uptr)image_end;
    boot_info.memory_end = 16ULL << 20;
    if (magic == MULTIBOOT_MAGIC) {
        if (mb->flags & MULTIBOOT_MEMORY) boot_info.memory_end = ((u64)mb->mem_upper << 10) + (1 << 20);
        if (mb->flags & MULTIBOOT_CMD) copy_string(boot_info.cmdline, sizeof boot_info.cmdline, mb->cmdline);
        if (mb->flags & MULTIBOOT_MODS) boot_info.module_count = mb->mods_count;
    }
    if (boot_info.memory_end > 3ULL << 30) boot_info.memory_end = 3ULL << 30;
    if (boot_info.module_count > ARRAY_SIZE(boot_info.modules)) boot_info.module_count = ARRAY_SIZE(boot_info.modules);
    for (u32 i = 0; i < boot_info.module_count; i++) {
        const struct multiboot_module *m = (const struct multiboot_module *)(uptr)mb->mods_addr + i;
        struct boot_module *to = &boot_info.modules[i];
        to->start = m->start;
        to->end = m->end;
        copy_string(to->name, sizeof to->name, m->string);
        if (m->end > free_start) free_start = m->end;
    }
    free_start = (free_start + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

bool option_get(const char *name, char *value, size_t size) {
    size_t len = strlen(name);
    for (const char *s = boot_info.cmdline; *s;) {
        while (*s == ' ') s++;
        if (!memcmp(s, name, len) && (s[len] == '=' || s[len] == ' ' || !s[len])) {
            size_t n = 0;
            s += len;
            if (*s == '=') s++;
            for (; s[n] && s[n] != ' ' && n + 1 < size; n++) value[n] = s[n];
            value[n] = 0;
            return true;
        }
        while (*s && *s != ' ') s++;
    }
    return false;
}

u64 option_number(const char *name, u64 otherwise) {
    char text[24];
    u64 v = 0;
    if (!option_get(name, text, sizeof text)) return otherwise;
    const char *s = text;
    u32 base = 10;
    if (s[0] == '0' && (s[1] | 0x20) == 'x') {
        base = 16;
        s += 2;
    }
    for (; *s; s++) {
        char c = (char)(*s | 0x20);
        if (*s >= '0' && *s <= '9')
            v = v * base + (u32)(*s - '0');
        else if (base == 16 && c >= 'a' && c <= 'f')
            v = v * base + (u32)(c - 'a' + 10);
        else
            return otherwise;
    }
    return v;
}

uptr memory_free_start(void) { return free_start; }

void *pages_reserve(size_t count, size_t align) {
    uptr start = (free_start + align * PAGE_SIZE - 1) & ~(align * PAGE_SIZE - 1);
    uptr end = start + count * PAGE_SIZE;
    if (end < start || end > boot_info.memory_end) bail_out("out of memory: %lu pages wanted", (uptr)count);
    free_start = end;
    return (void *)start;
}

void *pages_alloc(size_t count, size_t align) { return memset(pages_reserve(count, align), 0, count * PAGE_SIZE); }

void *page_alloc(void) { return pages_alloc(1, 1); }
