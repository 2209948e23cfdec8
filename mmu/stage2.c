/* The second stage: EPT and nested paging. SDM 3 "The Extended Page Table Mechanism (EPT)"; APM 2 "Nested Paging". */
#include "mmu/walk.h"

#include "sim/arch/x86.h"

/* ---- EPT ---- */

/* Bit n: the rights n (read, write, execute, user execute) can't stand together. SDM 3 "EPT Misconfigurations" */
static uint16_t ept_illegal(const struct mmu_state *s) {
    enum { WRITE_ONLY = 1 << EPT_W | 1 << (EPT_W | EPT_X), EXEC_ONLY = 1 << EPT_X };
    unsigned low = WRITE_ONLY | (s->ept_exec_only ? 0 : EXEC_ONLY), high = low;
    if (s->ept_mbe && !s->ept_exec_only) high |= 1 << 0; /* user execute alone */
    return (uint16_t)(low | high << 8);
}

static bool ept_memtype_legal(uint64_t leaf) {
    unsigned type = leaf >> 3 & 7;
    return type != 2 && type != 3 && type != 7;
}

static bool ept_allows(const struct mmu_state *s, uint64_t rights, unsigned access) {
    uint64_t exec = s->ept_mbe && access & MMU_USER ? EPT_XU : EPT_X;
    return !((access & MMU_READ && !(rights & EPT_R)) || (access & MMU_WRITE && !(rights & EPT_W)) ||
             (access & MMU_EXEC && !(rights & exec)));
}

WALK_INLINE enum walk_end ept_walk(const struct mmu_state *s, const struct mmu_format *f, struct walk *w,
                                   unsigned access, struct stage2 *out) {
    bool ad = s->stage2_root & EPTP_AD;
    w->table = s->stage2_root & f->root;
    w->rights = ~0ull;
    enum walk_end end = walk_from_root(w, f, false);
    out->rights = w->rights;
    out->entry = w->entry;
    if (end == WALK_AGAIN) return end;
    if (end == WALK_RESERVED || (end == WALK_LEAF && !ept_memtype_legal(w->entry))) {
        out->status = MMU_S2_MISCONFIG;
        return WALK_LEAF;
    }
    if (end == WALK_ABSENT || !ept_allows(s, w->rights, access)) {
        out->status = MMU_S2_VIOLATION;
        return WALK_LEAF;
    }
    uint64_t mark = w->accessed ? EPT_A | (access & MMU_WRITE ? EPT_D : 0) : 0;
    if (!entry_set(w, f, mark)) return WALK_AGAIN;
    out->status = MMU_OK;
    out->may_read = w->rights & EPT_R;
    out->may_write = w->rights & EPT_W;
    out->dirty = !ad || w->entry & EPT_D;
    return WALK_LEAF;
}

/* What a translation found, from the walk that found it. */
WALK_INLINE void located(const struct walk *w, const struct mmu_format *f, struct stage2 *out) {
    out->shift = (uint8_t)walk_shift(w, f);
    out->pa = format_is_32(f) && w->level == 0 ? format_pse_address(w->entry, w->va) : walk_address(w, f);
}

WALK_INLINE void ept_translate(const struct mmu_state *s, const struct mmu_format *f, struct walk *w, unsigned access,
                               struct stage2 *out) {
    w->present = EPT_R | EPT_W | EPT_X | (s->ept_mbe ? EPT_XU : 0);
    w->rsvd = format_reserved(f, s->phys_bits, EFER_NXE);
    w->rsvd_table = 0;
    w->illegal = ept_illegal(s);
    w->leaf_levels = (uint8_t)(f->leaf_levels & ~(s->ept_gib_pages ? 0 : f->gib_level));
    w->accessed = s->stage2_root & EPTP_AD && !(access & MMU_PEEK) ? EPT_A : 0;
    if (w->va >> f->va_bits) {
        out->status = MMU_S2_VIOLATION;
        out->rights = 0;
        return;
    }
    for (unsigned n = 0; n < WALK_RETRIES; n++)
        if (ept_walk(s, f, w, access, out) == WALK_LEAF) break;
    if (out->status == MMU_OK) located(w, f, out);
}

/* ---- nested paging: the host's own format, every access a user access ---- */

/* APM 2 "Nested Paging": the host's CR0.WP is ignored, for user writes always need R/W = 1. */
static bool npt_allows(uint64_t rights, unsigned access) {
    return rights & ENTRY_US && (!(access & MMU_WRITE) || rights & ENTRY_RW) &&
           (!(access & MMU_EXEC) || rights & ENTRY_NX);
}

/* APM 2, "Nested versus Guest Page Faults, Fault Ordering": the error code of a page fault, under the host's rules for
 * I/D */
static uint32_t npf_access(const struct mmu_state *s, unsigned access) {
    bool fetch_shown = (s->host_cr4 & CR4_PAE && s->host_efer & EFER_NXE) || s->host_cr4 & CR4_SMEP;
    return (access & MMU_WRITE ? PF_W : 0) | PF_U | (access & MMU_EXEC && fetch_shown ? PF_I : 0);
}

WALK_INLINE enum walk_end npt_walk(const struct mmu_state *s, const struct mmu_format *f, struct walk *w,
                                   unsigned access, struct stage2 *out) {
    w->table = s->stage2_root & f->root;
    w->rights = ~0ull;
    enum walk_end end = walk_from_root(w, f, false);
    out->rights = w->rights;
    out->entry = w->entry;
    if (end == WALK_AGAIN) return end;
    if (end == WALK_LEAF && format_is_32(f) && w->level == 0 && w->entry & format_reserved_pse(s->phys_bits, s->pse36))
        end = WALK_RESERVED;
    if (end != WALK_LEAF || !npt_allows(w->rights, access)) {
        out->status = MMU_S2_VIOLATION;
        out->npf_error = npf_access(s, access) | (end == WALK_ABSENT ? 0 : PF_P) | (end == WALK_RESERVED ? PF_RSVD : 0);
        return WALK_LEAF;
    }
    if (!(access & MMU_PEEK) && !entry_set(w, f, ENTRY_A | (access & MMU_WRITE ? ENTRY_D : 0))) return WALK_AGAIN;
    out->status = MMU_OK;
    out->may_read = true;
    out->may_write = w->rights & ENTRY_RW;
    out->dirty = w->entry & ENTRY_D;
    return WALK_LEAF;
}

WALK_INLINE void npt_translate(const struct mmu_state *s, const struct mmu_format *f, struct walk *w, unsigned access,
                               struct stage2 *out) {
    w->present = ENTRY_P;
    w->rsvd = format_reserved(f, s->phys_bits, s->host_efer);
    w->rsvd_table = s->amd ? ENTRY_G : 0;
    w->illegal = 0;
    w->leaf_levels = (uint8_t)(f->leaf_levels & ~(s->gib_pages ? 0 : f->gib_level));
    if (format_is_32(f) && !(s->host_cr4 & CR4_PSE)) w->leaf_levels = 0;
    w->accessed = access & MMU_PEEK ? 0 : ENTRY_A;
    if (w->va >> f->va_bits) { /* no entry can map it */
        out->status = MMU_S2_VIOLATION;
        out->npf_error = npf_access(s, access);
        return;
    }
    for (unsigned n = 0; n < WALK_RETRIES; n++)
        if (npt_walk(s, f, w, access, out) == WALK_LEAF) break;
    if (out->status == MMU_OK) located(w, f, out);
}

void stage2_translate(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t gpa, unsigned access,
                      struct stage2 *out) {
    struct walk w;
    w.phys = phys;
    w.va = gpa;
    out->status = MMU_S2_VIOLATION; /* of a walk that gave up */
    out->npf_error = PF_U;
    if (s->stage2 == MMU_STAGE2_EPT) {
        if ((s->stage2_root >> 3 & 7) != 4)
            ept_translate(s, &format_ept4, &w, access, out);
        else
            ept_translate(s, &format_ept5, &w, access, out);
        return;
    }
    const struct mmu_format *f = format_select(s->host_cr4, s->host_efer);
    if (f == &format_4)
        npt_translate(s, &format_4, &w, access, out);
    else
        npt_translate(s, f, &w, access, out);
}

/* ---- reports ---- */

/* SDM 3 "Exit Qualification for EPT Violations", bits 0-6; the others come from the first stage. */
static uint64_t ept_qualification(const struct mmu_state *s, const struct stage2 *s2, unsigned access) {
    uint64_t rights = s2->rights & (EPT_R | EPT_W | EPT_X);
    return (access & (MMU_READ | MMU_WRITE | MMU_EXEC)) | rights << 3 |
           (s->ept_mbe && s2->rights & EPT_XU ? 1 << 6 : 0);
}

void stage2_report(const struct mmu_state *s, const struct stage2 *s2, uint64_t gpa, unsigned access, bool table,
                   struct mmu_result *r) {
    r->status = s2->status;
    r->gpa = gpa;
    r->during_walk = table;
    r->error = 0;
    r->error_hi = 0;
    r->qualification = 0;
    if (s->stage2 == MMU_STAGE2_NPT) {
        r->error = s2->npf_error;
        r->error_hi = table ? 2 : 1; /* EXITINFO1 bit 33: in a guest page-table walk; bit 32: on the final address */
    } else if (s2->status == MMU_S2_VIOLATION) {
        r->qualification = ept_qualification(s, s2, access);
    }
}

void mmu_stage2(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t gpa, unsigned access, bool table,
                struct mmu_result *r) {
    struct stage2 s2;
    memset(r, 0, offsetof(struct mmu_result, table));
    r->gpa = r->phys = gpa;
    r->memtype = MT_WB;
    r->linear_shift = r->page_shift = 12;
    r->readable = r->writable = true;
    if (s->stage2 == MMU_STAGE2_NONE) return;
    if (table) access = stage2_table_access(s) | (access & MMU_PEEK);
    stage2_translate(s, phys, gpa, access, &s2);
    if (s2.status != MMU_OK) {
        r->readable = r->writable = false;
        stage2_report(s, &s2, gpa, access, table, r);
        return;
    }
    r->phys = s2.pa;
    r->page_shift = s2.shift;
    r->readable = s2.may_read;
    r->writable = s2.may_write && s2.dirty;
}
