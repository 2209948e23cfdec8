/* Long-mode page tables. */
#include "testsuites/guest/lib/guest.h"

#define TABLE_FLAGS (PTE_P | PTE_W | PTE_U)

static u64 *entry_at(u64 table, u64 va, int level) {
    return (u64 *)(uptr)(table & PTE_ADDRESS) + (va >> (3 + 9 * level) & 511);
}

u64 *pt_walk(u64 root, u64 va, int *level) {
    u64 *e = &root;
    int l = 5;
    do {
        e = entry_at(*e, va, --l);
    } while (l > 1 && (*e & PTE_P) && !(*e & PTE_PS));
    if (level) *level = l;
    return e;
}

/* Replaces a 1 GiB or 2 MiB leaf by a table of smaller leaves with the same rights; bit 12 of a large leaf (PAT) is
 * not used here. */
static void split(u64 *e, int level) {
    u64 step = 1ULL << (12 + 9 * (level - 2));
    u64 *table = page_alloc();
    u64 flags = *e & ~PTE_ADDRESS;
    if (level == 2) flags &= ~PTE_PS;
    for (u64 i = 0; i < 512; i++) table[i] = ((*e & PTE_ADDRESS) + i * step) | flags;
    *e = (u64)(uptr)table | TABLE_FLAGS;
}

u64 *pt_entry(u64 root, u64 va, int level) {
    u64 *e = entry_at(root, va, 4);
    for (int l = 4; l > level; l--) {
        if (!(*e & PTE_P))
            *e = (u64)(uptr)page_alloc() | TABLE_FLAGS;
        else if (*e & PTE_PS)
            split(e, l);
        e = entry_at(*e, va, l - 1);
    }
    return e;
}

void map_4k(u64 root, u64 va, u64 pa, u64 flags) { *pt_entry(root, va, 1) = pa | flags | PTE_P; }

void map_2m(u64 root, u64 va, u64 pa, u64 flags) { *pt_entry(root, va, 2) = pa | flags | PTE_P | PTE_PS; }

void unmap(u64 root, u64 va) {
    int level;
    u64 *e = pt_walk(root, va, &level);
    *e = 0;
}

u64 pt_new_identity(void) {
    u64 root = (uptr)page_alloc();
    for (u64 pa = 0; pa < 4ULL << 30; pa += LARGE_PAGE)
        map_2m(root, pa, pa, PTE_W | PTE_U | (pa >= 0xFE000000 ? PTE_PCD | PTE_PWT : 0));
    return root;
}

void identity_set_user(u64 root, bool user) {
    for (u64 va = 0; va < 4ULL << 30;) {
        int level;
        u64 *e = pt_walk(root, va, &level);
        if (*e & PTE_P) *e = user ? *e | PTE_U : *e & ~PTE_U;
        va += 1ULL << (12 + 9 * (level - 1));
    }
}
