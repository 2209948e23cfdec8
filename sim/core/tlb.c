/* Context numbers and the cache of translations. See tlb.h for the idea.
 * Global pages are tagged like others and dropped with their context; that is more than the manuals ask for and always
 * allowed (SDM 3 "Operations that Invalidate TLBs and Paging-Structure Caches": "may invalidate others"). */
#include "sim/core/tlb.h"

#include <string.h>

#include "sim/core/block.h"
#include "sim/core/cpu.h"
#include "sim/core/debug.h"
#include "sim/core/system.h"

#define OWNER_NONE ~0u
#define OWNER_PCID 0xFFFu

static uint32_t owner_of(bool guest, unsigned tag, unsigned pcid) {
    return (uint32_t)guest << 31 | (tag & 0xFFFF) << 12 | (pcid & OWNER_PCID);
}
static bool is_exec(unsigned variant) { return variant >= TLB_EXEC_SUPER; }

/* ---- sets of pages ---- */

static unsigned filter_bit(uint64_t la, unsigned shift) {
    return (unsigned)(((la >> shift) * 64 + shift) * 0x9E3779B97F4A7C15ull >> 56);
}
static void filter_add(struct tlb_filter *f, uint64_t la, unsigned shift) {
    unsigned b = filter_bit(la, shift);
    f->bits[b >> 6] |= 1ull << (b & 63);
}
static bool filter_has(const struct tlb_filter *f, uint64_t la, unsigned shift) {
    unsigned b = filter_bit(la, shift);
    return f->bits[b >> 6] >> (b & 63) & 1;
}

/* ---- giving numbers ---- */

static void forget_data(struct tlb *t, struct tlb_space *sp) {
    sp->tables = ++t->table_number;
    sp->tracked = sp->flushes >= TLB_TRACK_AFTER;
    sp->walked = false;
    for (unsigned v = 0; v < TLB_EXEC_SUPER; v++) sp->ctx[v] = TLB_CTX_NONE;
    sp->large_shifts = 0;
    memset(&sp->large, 0, sizeof sp->large);
}
static void forget_code(struct tlb_space *sp) {
    sp->ctx[TLB_EXEC_SUPER] = sp->ctx[TLB_EXEC_USER] = TLB_CTX_NONE;
    memset(&sp->code, 0, sizeof sp->code);
}

static void wipe_data(struct cpu *cpu) {
    struct tlb *t = &cpu->tlb;
    memset(t->e, 0xFF, sizeof t->e);
    memset(t->bus, 0xFF, sizeof t->bus);
    for (unsigned i = 0; i < TLB_SPACES; i++) forget_data(t, &t->spaces[i]);
    t->next_ctx = 1;
}
static void wipe_code(struct cpu *cpu) {
    struct tlb *t = &cpu->tlb;
    memset(t->ie, 0xFF, sizeof t->ie);
    cpu_forget_jumps(cpu);
    for (unsigned i = 0; i < TLB_SPACES; i++) forget_code(&t->spaces[i]);
    t->next_exec = 1;
}
static void wipe(struct cpu *cpu) {
    struct tlb *t = &cpu->tlb;
    for (unsigned i = 0; i < TLB_SPACES; i++) t->owner[i] = OWNER_NONE;
    memset(t->spaces, 0, sizeof t->spaces);
    wipe_data(cpu);
    wipe_code(cpu);
    t->space = t->left = &t->spaces[0]; /* unused; the next tlb_select() leaves it */
}

static unsigned data_variant(const struct cpu *cpu) {
    if (cpu->cpl == 3) return TLB_USER;
    return cpu->rflags & FLAG_AC && cpu->ctl.cr4 & CR4_SMAP ? TLB_SUPER_AC : TLB_SUPER;
}
static unsigned exec_variant(const struct cpu *cpu) { return cpu->cpl == 3 ? TLB_EXEC_USER : TLB_EXEC_SUPER; }

/* Accesses that must be looked at one by one: alignment checks, data breakpoints. */
static bool always_slow(const struct cpu *cpu) {
    if (cpu->cpl == 3 && cpu->rflags & FLAG_AC && cpu->ctl.cr0 & CR0_AM) return true;
    return __builtin_expect(debug_any_armed(cpu), 0) && debug_data_armed(cpu);
}

static uint64_t new_number(struct cpu *cpu, unsigned variant);

/* The number of a variant of the current space, given at first use. */
static inline uint64_t number(struct cpu *cpu, unsigned variant) {
    uint16_t ctx = cpu->tlb.space->ctx[variant];
    return __builtin_expect(ctx != TLB_CTX_NONE, 1) ? ctx : new_number(cpu, variant);
}

/* Numbers of the current space into the words that the fast paths compare with. */
static void choose_data(struct cpu *cpu) {
    struct tlb *t = &cpu->tlb;
    t->ctx_sys = number(cpu, TLB_SUPER);
    t->ctx = number(cpu, data_variant(cpu));
    t->ctx_shstk = TLB_CTX_NONE;
    if (__builtin_expect(cpu->mode & MODE_SHSTK, 0))
        t->ctx_shstk = number(cpu, cpu->cpl == 3 ? TLB_SHSTK_USER : TLB_SHSTK_SUPER);
    if (__builtin_expect(always_slow(cpu), 0)) t->ctx = t->ctx_shstk = TLB_CTX_NONE;
}
static void choose_code(struct cpu *cpu) { cpu->fetch_key = number(cpu, exec_variant(cpu)) << 8 | cpu->mode; }

/* Numbers run out: then the tables start anew, and the current numbers are given again. */
static uint64_t new_number(struct cpu *cpu, unsigned variant) {
    struct tlb *t = &cpu->tlb;
    uint16_t *ctx = &t->space->ctx[variant];
    if (is_exec(variant)) {
        bool wrapped = t->next_exec >= TLB_CTX_MAX;
        if (wrapped) wipe_code(cpu);
        *ctx = (uint16_t)t->next_exec++;
        if (wrapped) choose_code(cpu);
    } else {
        bool wrapped = t->next_ctx >= TLB_CTX_MAX;
        if (wrapped) wipe_data(cpu);
        *ctx = (uint16_t)t->next_ctx++;
        if (wrapped) choose_data(cpu);
    }
    return *ctx;
}

/* ---- the current context ---- */

#define KEY_CR0  (CR0_PG | CR0_WP)
#define KEY_CR4  (CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS)
#define KEY_EFER (EFER_LMA | EFER_NXE)
_Static_assert(!(KEY_CR0 & KEY_CR4) && !(KEY_CR0 & KEY_EFER) && !(KEY_CR4 & KEY_EFER), "one word holds all");

/* What matters of the host's paging mode (NPT), or the EPT controls, in the upper half of key.mode. */
static uint64_t second_stage_mode(const struct virt_second_stage *ss) {
    if (ss->kind == MMU_STAGE2_EPT) return (uint64_t)(ss->mode_based | ss->exec_only << 1 | ss->gib_pages << 2) << 32;
    return ((ss->host_cr4 & (CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP)) | (ss->host_efer & KEY_EFER)) << 32;
}

static void make_key(const struct cpu *cpu, struct tlb_key *k) {
    const struct ctl_regs *c = &cpu->ctl;
    const struct virt *v = &cpu->virt;
    k->second_stage = 0;
    k->mode = (c->cr0 & KEY_CR0) | (c->cr4 & KEY_CR4) | (c->efer & KEY_EFER);
    k->pk = (c->cr4 & CR4_PKE ? c->pkru : 0) | (c->cr4 & CR4_PKS ? (uint64_t)c->pkrs << 32 : 0);
    k->owner = owner_of(v->guest, v->guest ? v->tag : 0, c->cr4 & CR4_PCIDE ? (unsigned)c->cr3 : 0);
    if (v->guest && v->second_stage.kind != MMU_STAGE2_NONE) {
        k->second_stage = v->second_stage.root | 1;
        k->mode |= second_stage_mode(&v->second_stage);
    }
}

static bool key_equal(const struct tlb_key *a, const struct tlb_key *b) {
    return !((a->second_stage ^ b->second_stage) | (a->mode ^ b->mode) | (a->pk ^ b->pk) | (a->owner ^ b->owner));
}

static unsigned key_slot(const struct tlb_key *k) {
    uint64_t h = k->second_stage ^ k->mode ^ (k->pk << 12 | k->pk >> 52) ^ k->owner << 20;
    return (unsigned)(h * 0x9E3779B97F4A7C15ull >> 58) & (TLB_SPACES - 1);
}

void tlb_walk_state(const struct cpu *cpu, struct mmu_state *s) {
    const struct virt_second_stage *ss = &cpu->virt.second_stage;
    s->cr0 = cpu->ctl.cr0;
    s->cr4 = cpu->ctl.cr4;
    s->efer = cpu->ctl.efer;
    s->pkru = cpu->ctl.pkru;
    s->pkrs = cpu->ctl.pkrs;
    s->phys_bits = cpu->model->phys_bits;
    s->gib_pages = cpu_has(cpu, FEAT_PDPE1GB);
    s->pse36 = cpu_has(cpu, FEAT_PSE36);
    s->amd = cpu->model->vendor == VENDOR_AMD;
    s->stage2 = cpu->virt.guest ? ss->kind : MMU_STAGE2_NONE;
    s->stage2_root = ss->root;
    s->host_cr0 = ss->host_cr0;
    s->host_cr4 = ss->host_cr4;
    s->host_efer = ss->host_efer;
    s->ept_gib_pages = ss->gib_pages;
    s->ept_exec_only = ss->exec_only;
    s->ept_mbe = ss->mode_based;
}

static struct tlb_space *find_space(struct cpu *cpu, const struct tlb_key *k) {
    struct tlb *t = &cpu->tlb;
    uint8_t *slot = &t->slot[key_slot(k)];
    if (t->spaces[*slot].used && key_equal(&t->spaces[*slot].key, k)) return &t->spaces[*slot];
    uint32_t owner = (uint32_t)k->owner;
    for (unsigned i = 0; i < t->spaces_used; i++) {
        if (t->owner[i] != owner || !key_equal(&t->spaces[i].key, k)) continue;
        *slot = (uint8_t)i;
        return &t->spaces[i];
    }
    unsigned victim = t->next_victim++ % TLB_SPACES;
    if (victim >= t->spaces_used) t->spaces_used = victim + 1;
    struct tlb_space *sp = &t->spaces[victim];
    sp->flushes = 0;
    forget_data(t, sp);
    forget_code(sp);
    sp->key = *k;
    sp->used = true;
    tlb_walk_state(cpu, &sp->walk);
    t->owner[victim] = owner;
    *slot = (uint8_t)victim;
    return sp;
}

void tlb_select(struct cpu *cpu) {
    struct tlb *t = &cpu->tlb;
    struct tlb_key key;
    if (__builtin_expect(t->next_ctx == 0, 0)) wipe(cpu);
    make_key(cpu, &key);
    if (!t->space->used || !key_equal(&key, &t->space->key)) {
        struct tlb_space *to = t->left;
        if (!to->used || !key_equal(&key, &to->key)) to = find_space(cpu, &key);
        t->left = t->space;
        t->space = to;
    }
    choose_data(cpu);
    choose_code(cpu);
}

uint64_t tlb_exec_ctx(struct cpu *cpu) { return number(cpu, exec_variant(cpu)); }

/* After numbers were taken away. */
static void reselect(struct cpu *cpu) {
    if (!cpu->tlb.space->used) return; /* before the first tlb_select() */
    choose_data(cpu);
    choose_code(cpu);
}

/* ---- filling ---- */

static void note_large(struct tlb_space *sp, uint64_t la, unsigned shift) {
    if (shift == 12) return;
    sp->large_shifts |= 1u << shift;
    filter_add(&sp->large, la, shift);
}

void tlb_insert(struct cpu *cpu, uint64_t la, enum tlb_variant variant, const struct mmu_result *r, uint8_t *host,
                bool writable) {
    struct tlb *t = &cpu->tlb;
    struct tlb_entry *e = &t->e[tlb_index(la)];
    uint64_t page = la & PAGE_MASK, tag = page | number(cpu, variant);
    e->tag_r = r->readable ? tag : ~0ull;
    e->tag_w = r->writable && writable ? tag : ~0ull;
    e->addend = (uintptr_t)host - page;
    e->phys = (r->phys & PAGE_MASK) | (r->writable && !writable);
    note_large(t->space, la, r->linear_shift);
}

void tlb_insert_bus(struct cpu *cpu, uint64_t la, enum tlb_variant variant, const struct mmu_result *r) {
    struct tlb_bus *b = &cpu->tlb.bus[(la >> 12) % TLB_BUS_ENTRIES];
    b->tag = (la & PAGE_MASK) | number(cpu, variant);
    b->phys = r->phys & PAGE_MASK;
    b->readable = r->readable;
    b->writable = r->writable;
}

void tlb_insert_code(struct cpu *cpu, uint64_t la, const struct mmu_result *r) {
    struct tlb *t = &cpu->tlb;
    uint64_t ctx = tlb_exec_ctx(cpu);
    struct itlb_entry *e = &t->ie[itlb_index(la, ctx)];
    e->tag = (la & PAGE_MASK) | ctx;
    e->phys = r->phys & PAGE_MASK;
    filter_add(&t->space->code, la, r->linear_shift);
    if (r->linear_shift != 12) t->space->large_shifts |= 1u << r->linear_shift;
}

bool tlb_find_code(struct cpu *cpu, uint64_t la, uint64_t *phys) {
    uint64_t ctx = tlb_exec_ctx(cpu);
    const struct itlb_entry *e = &cpu->tlb.ie[itlb_index(la, ctx)];
    *phys = e->phys | (la & 0xFFF);
    return e->tag == ((la & PAGE_MASK) | ctx);
}

/* ---- flushing ---- */

void tlb_flush_all(struct cpu *cpu) {
    if (cpu->tlb.next_ctx == 0) {
        wipe(cpu);
        return;
    }
    for (unsigned i = 0; i < cpu->tlb.spaces_used; i++) {
        forget_data(&cpu->tlb, &cpu->tlb.spaces[i]);
        forget_code(&cpu->tlb.spaces[i]);
    }
    reselect(cpu);
}

/* Does a space belong to (guest, tag), and with pcid >= 0 to that PCID? */
static bool owned(uint32_t owner, uint32_t want, int pcid) {
    return owner != OWNER_NONE &&
           (pcid >= 0 ? owner == (want | ((unsigned)pcid & OWNER_PCID)) : (owner & ~OWNER_PCID) == want);
}

/* Would walks made now find what the space holds? */
static bool is_fresh(const struct cpu *cpu, const struct tlb_space *sp) {
    return sp->tracked && sp->walked && sp->table_stores == block_table_stores(cpu->machine) &&
           sp->cr3 == cpu->ctl.cr3 && sp->special_page == cpu->virt.special_page;
}

bool tlb_track(struct cpu *cpu) {
    struct tlb_space *sp = cpu->tlb.space;
    const struct ctl_regs *c = &cpu->ctl;
    bool pdptes = (c->cr4 & CR4_PAE) && !(c->efer & EFER_LMA); /* registers that nobody watches */
    if (!sp->walked) {
        sp->walked = true;
        sp->table_stores = block_table_stores(cpu->machine);
        sp->cr3 = c->cr3;
        sp->special_page = cpu->virt.special_page;
    }
    sp->tracked = !pdptes && is_fresh(cpu, sp);
    return sp->tracked;
}

void tlb_flush_tag(struct cpu *cpu, bool guest, unsigned tag, int pcid) {
    struct tlb *t = &cpu->tlb;
    uint32_t want = owner_of(guest, tag, 0);
    bool current = guest == cpu->virt.guest && (!guest || tag == cpu->virt.tag), changed = false;
    for (unsigned i = 0; i < t->spaces_used; i++) {
        struct tlb_space *sp = &t->spaces[i];
        if (!owned(t->owner[i], want, pcid) || (current && is_fresh(cpu, sp))) continue;
        if (sp->flushes < TLB_TRACK_AFTER) sp->flushes++;
        forget_data(t, sp);
        forget_code(sp);
        changed = true;
    }
    if (changed) reselect(cpu);
}

void tlb_flush_second_stage(struct cpu *cpu, uint64_t second_stage) {
    const uint64_t address = 0x000FFFFFFFFFF000ull; /* SDM 3 "INVEPT": bits 51:12 of the EPTP matter */
    struct tlb *t = &cpu->tlb;
    for (unsigned i = 0; i < t->spaces_used; i++) {
        struct tlb_space *sp = &t->spaces[i];
        if (!sp->used || !sp->key.second_stage) continue;
        if (second_stage != ~0ull && (sp->key.second_stage ^ second_stage) & address) continue;
        forget_data(t, sp);
        forget_code(sp);
    }
    reselect(cpu);
}

/* Entries of the 2^shift bytes around la with any of the space's data numbers. */
static void drop_range(struct tlb *t, const struct tlb_space *sp, uint64_t la, unsigned shift) {
    uint64_t page = la >> shift << shift;
    for (uint64_t n = 1ull << (shift - 12); n > 0; n--, page += PAGE_SIZE) {
        struct tlb_entry *e = &t->e[tlb_index(page)];
        uint64_t tag = e->tag_r != ~0ull ? e->tag_r : e->tag_w;
        if ((tag & PAGE_MASK) != page) continue;
        uint64_t ctx = tag & ~PAGE_MASK;
        for (unsigned v = 0; v < TLB_EXEC_SUPER; v++)
            if (ctx == sp->ctx[v]) e->tag_r = e->tag_w = ~0ull;
    }
}

/* One page of one space. Of a page of 1 GiB everything goes, by number. Code goes by number too, when the page has
 * given any: the jump cache could not be searched. */
static void flush_page_of(struct tlb *t, struct tlb_space *sp, uint64_t la) {
    bool code = filter_has(&sp->code, la, 12);
    memset(t->bus, 0xFF, sizeof t->bus);
    sp->tables = ++t->table_number;
    drop_range(t, sp, la, 12);
    for (uint32_t shifts = sp->large_shifts; shifts; shifts &= shifts - 1) {
        unsigned shift = (unsigned)__builtin_ctz(shifts);
        code |= filter_has(&sp->code, la, shift);
        if (!filter_has(&sp->large, la, shift)) continue;
        if (shift <= 22)
            drop_range(t, sp, la, shift);
        else
            for (unsigned v = 0; v < TLB_EXEC_SUPER; v++) sp->ctx[v] = TLB_CTX_NONE;
    }
    if (code) forget_code(sp);
}

void tlb_flush_page_tag(struct cpu *cpu, bool guest, unsigned tag, int pcid, uint64_t la) {
    struct tlb *t = &cpu->tlb;
    uint32_t want = owner_of(guest, tag, 0);
    for (unsigned i = 0; i < t->spaces_used; i++)
        if (owned(t->owner[i], want, pcid)) flush_page_of(t, &t->spaces[i], la);
    reselect(cpu);
}

/* SDM 2 "INVLPG": entries of the current PCID, and global ones whatever their PCID; which are not told apart here. */
void tlb_flush_page(struct cpu *cpu, uint64_t la) {
    tlb_flush_page_tag(cpu, cpu->virt.guest, cpu->virt.guest ? cpu->virt.tag : 0, -1, la);
}

void tlb_flush_current(struct cpu *cpu, bool all_pcids) {
    bool pcide = cpu->ctl.cr4 & CR4_PCIDE;
    int pcid = all_pcids ? -1 : pcide ? (int)(cpu->ctl.cr3 & OWNER_PCID) : 0;
    tlb_flush_tag(cpu, cpu->virt.guest, cpu->virt.guest ? cpu->virt.tag : 0, pcid);
}

/* ---- by physical page ---- */

void tlb_protect_phys(struct cpu *cpu, uint64_t phys) {
    phys &= PAGE_MASK;
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        struct tlb_entry *e = &cpu->tlb.e[i];
        if (e->tag_w == ~0ull || e->phys != phys) continue;
        if (e->tag_r == e->tag_w) e->phys |= 1;
        e->tag_w = ~0ull;
    }
}

void tlb_drop_phys(struct cpu *cpu, uint64_t phys) {
    phys &= PAGE_MASK;
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        struct tlb_entry *e = &cpu->tlb.e[i];
        if ((e->phys & PAGE_MASK) == phys) e->tag_r = e->tag_w = ~0ull;
    }
    for (unsigned i = 0; i < ITLB_ENTRIES; i++) {
        if (cpu->tlb.ie[i].phys != phys) continue;
        for (unsigned n = 0; n < TLB_SPACES; n++) forget_code(&cpu->tlb.spaces[n]);
        reselect(cpu);
        return;
    }
}
