/* What the boot loader said, strings, pages and long-mode page tables. */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include "testsuites/guest/lib/types.h"

struct boot_module {
    u32 start, end;
    char name[64];
};

struct boot_info {
    u64 memory_end; /* of the memory that starts at 1 MiB, capped at 3 GiB */
    u32 module_count;
    struct boot_module modules[8];
    char cmdline[1024];
};

extern struct boot_info boot_info;
void boot_info_init(u32 magic, uptr info);

/* "name=value" of the command line, copied (cut to size); false if it isn't there. A bare "name" has value "". */
bool option_get(const char *name, char *value, size_t size);
u64 option_number(const char *name, u64 otherwise); /* decimal or 0x... */

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);

/* Zeroed pages from behind the image and its modules; never freed. align is in pages, a power of two. Bails out when
 * memory is at its end. */
void *page_alloc(void);
void *pages_alloc(size_t count, size_t align);
void *pages_reserve(size_t count, size_t align); /* not zeroed */

/* The first physical address that page_alloc() has not handed out. */
uptr memory_free_start(void);

#define PTE_P   BIT(0)
#define PTE_W   BIT(1)
#define PTE_U   BIT(2)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A   BIT(5)
#define PTE_D   BIT(6)
#define PTE_PS  BIT(7)
#define PTE_G   BIT(8)
#define PTE_NX  BIT(63)

#define PTE_ADDRESS 0x000FFFFFFFFFF000ULL

#ifdef __x86_64__
/*
 * 4-level tables; root is a physical address as in CR3 (its low 12 bits are ignored). At the start linear addresses
 * 0..4 GiB are physical addresses, in 2 MiB pages that user mode may use, uncached from 0xFE000000.
 * Nothing here flushes a TLB: INVLPG is the caller's.
 */

/* The entry that maps va and its level (1: 4 KiB, 2: 2 MiB, 3: 1 GiB), or the first entry that isn't present. */
u64 *pt_walk(u64 root, u64 va, int *level);

/* The entry of va at the given level; tables on the way are made (P, W, U), large pages split. */
u64 *pt_entry(u64 root, u64 va, int level);

void map_4k(u64 root, u64 va, u64 pa, u64 flags); /* flags: PTE_..., P is implied */
void map_2m(u64 root, u64 va, u64 pa, u64 flags); /* PS is implied */
void unmap(u64 root, u64 va);

/* A new root with the identity map of the first 4 GiB in its own tables. */
u64 pt_new_identity(void);

/* Sets or clears U in all present leaves of the first 4 GiB (SMEP and SMAP want the image's pages supervisor). */
void identity_set_user(u64 root, bool user);
#endif

#endif
