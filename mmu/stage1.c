/* The first stage: ordinary paging, each entry's address through the second stage when there is one.
 * SDM 3 "Paging"; APM 2 "Page Translation and Protection". */
#include "mmu/walk.h"

#include "mmu/types.h"
#include "sim/arch/x86.h"

static bool is_user(unsigned access) { return access & MMU_USER && !(access & MMU_SYS); }

/* ---- access rights: SDM 3 "Determination of Access Rights" ---- */

/* Rights by U/S, R/W, XD, WP, SMEP and SMAP: MMU_READ, MMU_WRITE and MMU_EXEC bits. */
WALK_INLINE unsigned rights_by_entries(const struct mmu_state *s, uint64_t rights, unsigned access) {
    bool user_page = rights & ENTRY_US, rw = rights & ENTRY_RW, exec = rights & ENTRY_NX;
    unsigned allowed = 0;
    if (is_user(access)) {
        if (!user_page) return 0;
        return MMU_READ | (rw ? MMU_WRITE : 0) | (exec ? MMU_EXEC : 0);
    }
    bool overridden = (access & (MMU_AC | MMU_SYS)) == MMU_AC;
    if (!user_page || !(s->cr4 & CR4_SMAP) || overridden) {
        allowed |= MMU_READ;
        if (rw || !(s->cr0 & CR0_WP)) allowed |= MMU_WRITE;
    }
    if (exec && !(user_page && s->cr4 & CR4_SMEP)) allowed |= MMU_EXEC;
    return allowed;
}

/* SDM 3 "Access Rights": shadow-stack accesses are allowed only to shadow-stack addresses of their own mode: R/W = 0
 * and D = 1 in the entry that maps the page, R/W = 1 in all others. */
static unsigned rights_of_shadow_stack(const struct walk *w, unsigned access) {
    bool user_page = w->rights & ENTRY_US;
    bool shadow_stack = (w->entry & (ENTRY_RW | ENTRY_D)) == ENTRY_D && w->above & ENTRY_RW;
    return shadow_stack && user_page == is_user(access) ? MMU_READ | MMU_WRITE : 0;
}

/* What the protection key takes away: SDM 3 "Protection Keys". */
WALK_INLINE unsigned denied_by_key(const struct mmu_state *s, uint64_t leaf, uint64_t rights, unsigned access) {
    if (__builtin_expect(!(s->cr4 & (CR4_PKE | CR4_PKS)), 1)) return 0;
    bool user_page = rights & ENTRY_US;
    if (!(s->cr4 & (user_page ? CR4_PKE : CR4_PKS)) || !(s->efer & EFER_LMA)) return 0;
    unsigned key = leaf >> 59 & 15;
    unsigned bits = (user_page ? s->pkru : s->pkrs) >> (2 * key);
    if (bits & 1) return MMU_READ | MMU_WRITE;
    if (bits & 2 && (is_user(access) || s->cr0 & CR0_WP)) return MMU_WRITE;
    return 0;
}

/* SDM 3 "Page-Fault Exceptions" */
static uint32_t fault_error(const struct mmu_state *s, unsigned access, uint32_t error) {
    bool fetch_shown = (s->cr4 & CR4_PAE && s->efer & EFER_NXE) || s->cr4 & CR4_SMEP;
    if (access & MMU_WRITE) error |= PF_W;
    if (is_user(access)) error |= PF_U;
    if (access & MMU_SHSTK) error |= PF_SS;
    if (access & MMU_EXEC && fetch_shown) error |= PF_I;
    return error;
}

static void page_fault(const struct mmu_state *s, unsigned access, uint32_t error, struct mmu_result *r) {
    r->status = MMU_PAGE_FAULT;
    r->error = fault_error(s, access, error);
}

/* ---- the final access in the second stage ---- */

/* Exit-qualification bits 7-11 and 13: SDM 3 "Exit Qualification for EPT Violations". rights: of the first stage. */
static uint64_t linear_qualification(const struct mmu_state *s, uint64_t rights, unsigned access, bool final) {
    uint64_t q = 1 << 7;
    if (!final) return q;
    q |= 1 << 8 | (access & MMU_SHSTK ? 1 << 13 : 0);
    if (!(s->cr0 & CR0_PG)) return q | 1 << 9 | 1 << 10;
    bool nx_exists = s->cr4 & CR4_PAE && s->efer & EFER_NXE;
    return q | (rights & ENTRY_US ? 1 << 9 : 0) | (rights & ENTRY_RW ? 1 << 10 : 0) |
           (nx_exists && !(rights & ENTRY_NX) ? 1 << 11 : 0);
}

WALK_INLINE bool final_stage2(const struct mmu_state *s, const struct mmu_phys *phys, unsigned access, uint64_t rights,
                              struct stage2 *s2, struct mmu_result *r) {
    unsigned a = access & (MMU_READ | MMU_WRITE | MMU_EXEC | MMU_PEEK);
    if (rights & ENTRY_US) a |= MMU_USER; /* user-mode linear address: mode-based execute control */
    stage2_translate(s, phys, r->gpa, a, s2);
    if (s2->status == MMU_OK) {
        r->phys = s2->pa;
        if (s2->shift < r->page_shift) r->page_shift = s2->shift;
        r->readable &= s2->may_read;
        r->writable &= s2->may_write && s2->dirty;
        return true;
    }
    r->readable = r->writable = false;
    r->gla_valid = true;
    stage2_report(s, s2, r->gpa, a, false, r);
    if (s2->status == MMU_S2_VIOLATION && s->stage2 == MMU_STAGE2_EPT)
        r->qualification |= linear_qualification(s, rights, access, true);
    return false;
}

WALK_INLINE void finish(const struct mmu_state *s, const struct mmu_phys *phys, unsigned access, uint64_t rights,
                        uint64_t leaf, struct mmu_result *r, bool nested) {
    uint64_t s2_leaf = 0;
    unsigned s2_shift = 12;
    if (nested) {
        struct stage2 s2;
        if (!final_stage2(s, phys, access, rights, &s2, r)) return;
        s2_leaf = s2.entry;
        s2_shift = s2.shift;
    } else {
        r->phys = r->gpa;
    }
    r->status = MMU_OK;
    if (__builtin_expect(s->mtrr != 0, 0))
        r->memtype = (uint8_t)effective_type(s, leaf, r->linear_shift, s2_leaf, s2_shift, r->phys);
}

/* ---- the walk ---- */

static inline bool is_canonical(const struct mmu_format *f, uint64_t la) {
    unsigned sh = 64u - f->va_bits;
    return (uint64_t)((int64_t)(la << sh) >> sh) == la;
}

WALK_INLINE void walk_begin(const struct mmu_state *s, const struct mmu_format *f, const struct mmu_phys *phys,
                            uint64_t la, unsigned access, struct walk *w) {
    w->phys = phys;
    w->va = f->va_bits == 32 ? (uint32_t)la : la;
    w->present = ENTRY_P;
    w->rsvd = format_reserved(f, s->phys_bits, s->efer);
    w->rsvd_table = s->amd ? ENTRY_G : 0;
    w->illegal = 0;
    w->leaf_levels = (uint8_t)(f->leaf_levels & ~(s->gib_pages ? 0 : f->gib_level));
    if (format_is_32(f) && !(s->cr4 & CR4_PSE)) w->leaf_levels = 0;
    w->accessed = access & MMU_PEEK ? 0 : ENTRY_A;
    w->s = s;
    w->s2_access = stage2_table_access(s) | (access & MMU_PEEK);
    w->table_pa = ~0ull;
}

/* Where the walk starts. PAE paging uses the PDPTE registers, except that with nested paging PDPTEs are read from
 * memory each time: APM 2 "Nested Paging". */
WALK_INLINE bool walk_root(const struct mmu_state *s, const struct mmu_format *f, struct walk *w) {
    w->level = 0;
    w->rights = ~0ull;
    w->table = s->cr3 & f->root;
    if (f != &format_pae || s->stage2 == MMU_STAGE2_NPT) return true;
    uint64_t pdpte = s->pdpte[w->va >> 30];
    w->table = pdpte & f->address;
    w->level = 1;
    return pdpte & ENTRY_P;
}

WALK_INLINE enum walk_end walk_first(const struct mmu_state *s, const struct mmu_format *f, struct walk *w,
                                     bool nested) {
    if (!walk_root(s, f, w)) return WALK_ABSENT;
    enum walk_end end = walk(w, f, nested);
    if (end == WALK_LEAF && format_is_32(f) && w->level == 0 && w->entry & format_reserved_pse(s->phys_bits, s->pse36))
        return WALK_RESERVED;
    return end;
}

static void table_fault(const struct mmu_state *s, const struct walk *w, struct mmu_result *r) {
    r->gla_valid = true;
    stage2_report(s, &w->s2, w->entry_gpa, w->s2_failed, true, r);
    if (r->status == MMU_S2_VIOLATION && s->stage2 == MMU_STAGE2_EPT)
        r->qualification |= linear_qualification(s, 0, 0, false);
}

/* The leaf was found: permissions, then accessed and dirty bits, then the second stage. false: the leaf changed, walk
 * again. */
WALK_INLINE bool walk_finish(const struct mmu_state *s, const struct mmu_format *f, struct walk *w, unsigned access,
                             struct mmu_result *r, bool nested) {
    bool shadow = __builtin_expect((access & MMU_SHSTK) != 0, 0);
    unsigned allowed = shadow ? rights_of_shadow_stack(w, access) : rights_by_entries(s, w->rights, access);
    unsigned denied = denied_by_key(s, w->entry, w->rights, access);
    unsigned wanted = access & (MMU_READ | MMU_WRITE | MMU_EXEC);
    if (wanted & (~allowed | denied)) {
        page_fault(s, access, PF_P | (wanted & denied ? PF_PK : 0), r);
        return true;
    }
    if (!(access & MMU_PEEK)) {
        enum walk_end end = entry_mark(w, f, ENTRY_A | (access & MMU_WRITE ? ENTRY_D : 0), nested);
        if (end == WALK_AGAIN) return false;
        if (end == WALK_STAGE2_FAULT) {
            table_fault(s, w, r);
            return true;
        }
    }
    allowed &= ~denied;
    r->readable = allowed & MMU_READ;
    r->writable = allowed & MMU_WRITE && w->entry & ENTRY_D;
    r->global = w->entry & ENTRY_G && s->cr4 & CR4_PGE;
    r->linear_shift = r->page_shift = (uint8_t)walk_shift(w, f);
    r->has_table = !format_is_32(f) || w->level != 0;
    r->table.level = w->level;
    r->table.pa = w->entry_pa & ~0xFFFull;
    r->table.gpa = (nested ? w->entry_gpa : w->entry_pa) & ~0xFFFull;
    r->table.rights = w->above & (ENTRY_RW | ENTRY_US | ENTRY_NX);
    r->gpa = format_is_32(f) && w->level == 0 ? format_pse_address(w->entry, w->va) : walk_address(w, f);
    finish(s, w->phys, access, w->rights, w->entry, r, nested);
    return true;
}

WALK_INLINE bool try_walk(const struct mmu_state *s, const struct mmu_format *f, struct walk *w, unsigned access,
                          struct mmu_result *r, bool nested) {
    switch (walk_first(s, f, w, nested)) {
    case WALK_LEAF:
        return walk_finish(s, f, w, access, r, nested);
    case WALK_ABSENT:
        page_fault(s, access, 0, r);
        return true;
    case WALK_RESERVED:
        page_fault(s, access, PF_P | PF_RSVD, r);
        return true;
    case WALK_STAGE2_FAULT:
        table_fault(s, w, r);
        return true;
    default:
        return false;
    }
}

static void translate_unpaged(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t la, unsigned access,
                              struct mmu_result *r) {
    r->gpa = (uint32_t)la;
    r->readable = r->writable = true;
    r->page_shift = 30;
    finish(s, phys, access, ENTRY_US | ENTRY_RW | ENTRY_NX, 0, r, s->stage2 != MMU_STAGE2_NONE);
}

static void begin(uint64_t la, struct mmu_result *r) {
    memset(r, 0, offsetof(struct mmu_result, table));
    r->la = la;
    r->linear_shift = 12;
    r->memtype = MT_WB;
}

WALK_INLINE void translate(const struct mmu_state *s, const struct mmu_format *f, const struct mmu_phys *phys,
                           uint64_t la, unsigned access, struct mmu_result *r, bool nested) {
    struct walk w;
    walk_begin(s, f, phys, la, access, &w);
    if (f->va_bits > 32 && !is_canonical(f, la)) {
        r->status = MMU_NOT_CANONICAL;
        return;
    }
    for (unsigned n = 0; n < WALK_RETRIES; n++)
        if (try_walk(s, f, &w, access, r, nested)) return;
    page_fault(s, access, 0, r);
}

void mmu_translate(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t la, unsigned access,
                   struct mmu_result *r) {
    begin(la, r);
    if (!(s->cr0 & CR0_PG)) {
        translate_unpaged(s, phys, la, access, r);
        return;
    }
    const struct mmu_format *f = format_select(s->cr4, s->efer);
    if (s->stage2 != MMU_STAGE2_NONE)
        translate(s, f, phys, la, access, r, true);
    else if (f == &format_4)
        translate(s, &format_4, phys, la, access, r, false);
    else
        translate(s, f, phys, la, access, r, false);
}

WALK_INLINE bool translate_from(const struct mmu_state *s, const struct mmu_format *f, const struct mmu_phys *phys,
                                const struct mmu_table *table, uint64_t la, unsigned access, struct mmu_result *r,
                                bool nested) {
    struct walk w;
    walk_begin(s, f, phys, la, access, &w);
    w.level = table->level;
    w.table = table->gpa;
    w.table_pa = table->pa;
    w.rights = table->rights;
    enum walk_end end = walk(&w, f, nested);
    if (end != WALK_LEAF || !walk_finish(s, f, &w, access, r, nested)) return false;
    return r->status == MMU_OK || (r->status != MMU_PAGE_FAULT && !r->during_walk);
}

bool mmu_translate_from(const struct mmu_state *s, const struct mmu_phys *phys, const struct mmu_table *table,
                        uint64_t la, unsigned access, struct mmu_result *r) {
    begin(la, r);
    const struct mmu_format *f = format_select(s->cr4, s->efer);
    bool nested = s->stage2 != MMU_STAGE2_NONE;
    if (f != &format_4) return translate_from(s, f, phys, table, la, access, r, nested);
    if (nested) return translate_from(s, &format_4, phys, table, la, access, r, true);
    return translate_from(s, &format_4, phys, table, la, access, r, false);
}

/* ---- PDPTEs ---- */

bool mmu_pdptes_valid(const uint64_t pdpte[4], unsigned phys_bits) {
    uint64_t rsvd = format_pae.table_rsvd[0] | format_reserved(&format_pae, phys_bits, 0);
    for (unsigned i = 0; i < 4; i++)
        if (pdpte[i] & ENTRY_P && pdpte[i] & rsvd) return false;
    return true;
}

/* SDM 3 "PDPTE Registers": all four are loaded by MOV to CR3; nothing is loaded when one is invalid. */
bool mmu_load_pdptes(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t cr3, uint64_t out[4],
                     struct mmu_result *r) {
    uint64_t pdpte[4];
    cr3 &= format_pae.root;
    mmu_stage2(s, phys, cr3, MMU_READ, true, r);
    if (r->status != MMU_OK) return false;
    for (unsigned i = 0; i < 4; i++) pdpte[i] = entry_read(phys, r->phys + 8 * i, 8);
    if (!mmu_pdptes_valid(pdpte, s->phys_bits)) return false;
    memcpy(out, pdpte, sizeof(pdpte));
    return true;
}
