/* The one walk of every paging-structure format, for the first stage (stage1.c) and the second (stage2.c). It is
 * inlined where it is used: with a format that is known there it becomes a few instructions a level. Private to mmu/.
 */
#ifndef HVSIM_MMU_WALK_H
#define HVSIM_MMU_WALK_H

#include <stddef.h>
#include <string.h>

#include "mmu/format.h"
#include "mmu/mmu.h"

/* A second-stage translation of one guest-physical address. */
struct stage2 {
    enum mmu_status status;
    uint64_t pa;
    uint64_t entry;     /* the leaf */
    uint64_t rights;    /* AND over all entries, in the format's positions */
    uint32_t npf_error; /* NPT: EXITINFO1 bits 4:0 */
    uint8_t shift;
    bool may_read, may_write; /* permissions */
    bool dirty;               /* a write needs no dirty bit set first */
};

enum walk_end { WALK_LEAF, WALK_ABSENT, WALK_RESERVED, WALK_STAGE2_FAULT, WALK_AGAIN };

/* How often a walk starts anew after losing the race for an accessed or dirty bit. */
#define WALK_RETRIES 8

#define WALK_INLINE static inline __attribute__((always_inline))

struct walk {
    const struct mmu_phys *phys;
    uint64_t va;         /* the address to be translated */
    uint64_t table;      /* address of the current table */
    uint64_t present;    /* any of these bits: the entry is present */
    uint64_t rsvd;       /* reserved in every entry */
    uint64_t rsvd_table; /* reserved in entries that point to tables, at levels of f->amd_levels */
    uint64_t accessed;   /* the bit to be set in used entries; 0: none is */
    uint16_t illegal;    /* EPT: bit n: rights n (bits 2:0 and bit 10 as bit 3) are a misconfiguration */
    uint8_t leaf_levels; /* bit n: an entry of level n may map a large page */
    uint8_t level;       /* from the root, 0 */
    /* out */
    uint64_t entry, entry_pa; /* the last entry read */
    uint64_t rights;          /* of all entries so far */
    uint64_t above;           /* of those above the last; same positions */
    /* first stage under a second */
    const struct mmu_state *s;
    struct stage2 s2; /* of the last entry */
    uint64_t entry_gpa;
    uint64_t table_pa;  /* where w->table is, when that is known already; ~0: ask the second stage */
    unsigned s2_access; /* how reads of entries count in the second stage */
    unsigned s2_failed; /* the access that failed */
};

void stage2_translate(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t gpa, unsigned access,
                      struct stage2 *out);
/* How the second stage sees an access to a paging-structure entry of the first. */
static inline unsigned stage2_table_access(const struct mmu_state *s) {
    /* APM 2 "Nested versus Guest Page Faults, Fault Ordering": walks of guest page tables are user writes */
    if (s->stage2 == MMU_STAGE2_NPT) return MMU_WRITE;
    /* SDM 3 "Accessed and Dirty Flags for EPT": accesses to guest paging-structure entries are treated as writes */
    return s->stage2_root & EPTP_AD ? MMU_READ | MMU_WRITE : MMU_READ;
}
/* Put a second-stage fault into the result. */
void stage2_report(const struct mmu_state *s, const struct stage2 *s2, uint64_t gpa, unsigned access, bool table,
                   struct mmu_result *r);

static __attribute__((noinline)) uint64_t entry_read_outside(const struct mmu_phys *p, uint64_t pa, unsigned size) {
    uint64_t v = 0;
    if (!p->read(p->arg, pa, size, &v)) return size == 8 ? ~0ull : 0xFFFFFFFFull;
    return v;
}
WALK_INLINE uint64_t entry_read(const struct mmu_phys *p, uint64_t pa, unsigned size) {
    uint64_t v = 0;
    if (__builtin_expect(pa - p->ram_base >= p->ram_size, 0)) return entry_read_outside(p, pa, size);
    const uint8_t *at = p->ram + (pa - p->ram_base);
    if (size == 8)
        memcpy(&v, at, 8);
    else
        memcpy(&v, at, 4);
    return v;
}

/* Set `bits` in the last entry read, by a locked write. false: the entry has changed meanwhile. */
WALK_INLINE bool entry_set(struct walk *w, const struct mmu_format *f, uint64_t bits) {
    if (__builtin_expect((w->entry & bits) == bits, 1)) return true;
    if (!w->phys->cas(w->phys->arg, w->entry_pa, f->entry_size, w->entry, w->entry | bits)) return false;
    w->entry |= bits;
    return true;
}

/* A guest entry is about to be written: the second stage must allow it. Under EPT without accessed and dirty flags the
 * read of the entry did not ask for that. SDM 3 "EPT Violations" */
static inline bool nested_writable(struct walk *w) {
    if (w->s2_access & MMU_WRITE) return true;
    stage2_translate(w->s, w->phys, w->entry_gpa, MMU_READ | MMU_WRITE, &w->s2);
    w->s2_failed = MMU_READ | MMU_WRITE;
    return w->s2.status == MMU_OK;
}

WALK_INLINE enum walk_end entry_mark(struct walk *w, const struct mmu_format *f, uint64_t bits, bool nested) {
    if (__builtin_expect((w->entry & bits) == bits, 1)) return WALK_LEAF;
    if (nested && !nested_writable(w)) return WALK_STAGE2_FAULT;
    return entry_set(w, f, bits) ? WALK_LEAF : WALK_AGAIN;
}

/* Where the entry at guest-physical `at` is. */
static inline bool entry_locate(struct walk *w, uint64_t at) {
    w->entry_gpa = at;
    if (w->table_pa != ~0ull) {
        w->entry_pa = w->table_pa | (at & 0xFFF);
        w->table_pa = ~0ull;
        return true;
    }
    stage2_translate(w->s, w->phys, at, w->s2_access, &w->s2);
    w->s2_failed = w->s2_access;
    w->entry_pa = w->s2.pa;
    return w->s2.status == MMU_OK;
}

/* The entry of one level. true: the walk ends here, *end says how; else w->table is the next level's. */
WALK_INLINE bool walk_level(struct walk *w, const struct mmu_format *f, unsigned level, bool nested,
                            enum walk_end *end) {
    uint64_t at = w->table + ((w->va >> f->shift[level]) & f->index_mask[level]) * f->entry_size;
    w->level = (uint8_t)level;
    if (!nested) {
        w->entry_pa = at;
    } else if (__builtin_expect(!entry_locate(w, at), 0)) {
        *end = WALK_STAGE2_FAULT;
        return true;
    }
    uint64_t e = w->entry = entry_read(w->phys, w->entry_pa, f->entry_size);
    w->above = w->rights;
    w->rights &= (e ^ f->deny) | f->granted[level];
    if (__builtin_expect(!(e & w->present), 0)) {
        *end = WALK_ABSENT;
        return true;
    }
    bool leaf = level == f->levels - 1u || (e & ENTRY_LARGE && w->leaf_levels >> level & 1);
    uint64_t rsvd =
        leaf ? f->leaf_rsvd[level] : f->table_rsvd[level] | (f->amd_levels >> level & 1 ? w->rsvd_table : 0);
    if (__builtin_expect((e & (rsvd | w->rsvd)) || w->illegal >> ((e & 7) | (e >> 7 & 8)) & 1, 0)) {
        *end = WALK_RESERVED;
        return true;
    }
    if (leaf) return true;
    uint64_t mark = f->no_accessed >> level & 1 ? 0 : w->accessed;
    if (__builtin_expect((e & mark) != mark, 0) && (*end = entry_mark(w, f, mark, nested)) != WALK_LEAF) return true;
    w->table = e & f->address;
    return false;
}

/* From w->table at w->level down to the entry that maps the page, or to the reason why there is none. The last level
 * of a format always ends it. */
WALK_INLINE enum walk_end walk(struct walk *w, const struct mmu_format *f, bool nested) {
    enum walk_end end = WALK_LEAF;
    for (unsigned level = w->level; !walk_level(w, f, level, nested, &end); level++) continue;
    return end;
}
/* The same from the root, without a loop. */
WALK_INLINE enum walk_end walk_from_root(struct walk *w, const struct mmu_format *f, bool nested) {
    enum walk_end end = WALK_LEAF;
    if (walk_level(w, f, 0, nested, &end) || walk_level(w, f, 1, nested, &end)) return end;
    if (f->levels == 2 || walk_level(w, f, 2, nested, &end)) return end;
    if (f->levels == 3 || walk_level(w, f, 3, nested, &end)) return end;
    if (f->levels > 4) walk_level(w, f, 4, nested, &end);
    return end;
}

/* log2 size of the page that the entry found maps, and the address in it */
WALK_INLINE unsigned walk_shift(const struct walk *w, const struct mmu_format *f) { return f->shift[w->level]; }
WALK_INLINE uint64_t walk_address(const struct walk *w, const struct mmu_format *f) {
    uint64_t offset_mask = (1ull << walk_shift(w, f)) - 1;
    return (w->entry & f->address & ~offset_mask) | (w->va & offset_mask);
}

#endif
