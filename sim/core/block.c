/* The block cache. A block is a run of decoded instructions inside one page, keyed by physical address and execution
 * mode.
 *
 * Three kinds of code are not ordinary:
 * - an instruction that crosses a page is a block of its own, compared with memory at each look-up and never linked;
 * - code in the page where the code segment ends (or wraps) is decoded one instruction at a time and never linked, so
 * that limit checks are made at each step;
 * - code outside RAM is decoded into cpu->scratch and not kept. */
#include "sim/core/block.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "decoder/decoder.h"
#include "sim/core/seg.h"
#include "sim/machine/machine.h"
#include "sim/ops/op.h"
#include "sim/vec/table.h"

#define ARENA_BYTES (40u << 20)
#define HASH_BITS   18
#define BLOCK_MAX   48     /* instructions */
#define CHUNK_SHIFT 6      /* code presence is tracked per 64 bytes */
#define KEY_ALONE   0x100u /* in block.mode: one instruction, unlinked (page with the segment's end) */
#define KEY_SMM     0x200u /* other memory may be seen in SMM */

struct block {
    uint64_t phys;
    struct block *hash_next, *page_next;
    uint16_t mode;
    uint16_t bytes; /* length of the code */
    uint16_t count;
    bool cross; /* the instruction crosses the page: raw[] must equal memory */
    uint8_t raw[16];
    _Alignas(32) struct insn insn[];
};

struct phys_page {
    uint64_t code_mask;    /* bit n: 64-byte chunk n holds decoded code */
    uint64_t table_mask;   /* bit n: chunk n holds paging-structure entries that translations in use were made from */
    unsigned table_stores; /* how often such entries were written */
    struct block *blocks;
};

struct block_cache {
    struct machine *m;
    struct block **hash;
    uint8_t *arena;
    size_t used;
    struct phys_page *pages; /* one per page of the pool */
    size_t page_count;
    bool flush_wanted;
    uint64_t table_stores; /* to watched paging-structure entries, ever */
    struct decode_features features;
    bool features_known;
};

static void *map_zero(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct block_cache *block_cache_create(struct machine *m) {
    struct block_cache *bc = calloc(1, sizeof *bc);
    if (!bc) return NULL;
    bc->m = m;
    bc->page_count = m->pool_size >> 12;
    bc->hash = map_zero(sizeof *bc->hash << HASH_BITS);
    bc->arena = map_zero(ARENA_BYTES);
    bc->pages = map_zero(bc->page_count * sizeof *bc->pages);
    if (bc->arena) madvise(bc->arena, ARENA_BYTES, MADV_HUGEPAGE);
    if (bc->hash && bc->arena && bc->pages) return bc;
    block_cache_destroy(bc);
    return NULL;
}

void block_cache_destroy(struct block_cache *bc) {
    if (!bc) return;
    if (bc->hash) munmap(bc->hash, sizeof *bc->hash << HASH_BITS);
    if (bc->arena) munmap(bc->arena, ARENA_BYTES);
    if (bc->pages) munmap(bc->pages, bc->page_count * sizeof *bc->pages);
    free(bc);
}

void block_cache_flush(struct machine *m) {
    if (!m->blocks) return;
    m->blocks->flush_wanted = true;
    for (unsigned n = 0; n < m->cpu_count; n++) cpu_forget_jumps(m->cpu[n]); /* so that every look-up comes here */
}

static void flush_now(struct block_cache *bc) {
    bc->flush_wanted = false;
    bc->used = 0;
    bc->table_stores++; /* no page is watched any more */
    memset(bc->hash, 0, sizeof *bc->hash << HASH_BITS);
    madvise(bc->pages, bc->page_count * sizeof *bc->pages, MADV_DONTNEED);
    for (unsigned n = 0; n < bc->m->cpu_count; n++) cpu_forget_jumps(bc->m->cpu[n]);
}

static inline unsigned hash_of(uint64_t pa, unsigned mode) {
    uint64_t x = (pa ^ (uint64_t)mode << 40) * 0x9E3779B97F4A7C15ull;
    return (unsigned)(x >> (64 - HASH_BITS));
}

static struct block *find(const struct block_cache *bc, uint64_t pa, unsigned mode) {
    struct block *b = bc->hash[hash_of(pa, mode)];
    while (b && (b->phys != pa || b->mode != mode)) b = b->hash_next;
    return b;
}

static unsigned key_of(const struct cpu *cpu) { return cpu->mode | (cpu->intr.smm ? KEY_SMM : 0); }

const struct insn *block_find(const struct cpu *cpu, uint64_t pa) {
    const struct block *b = find(cpu->machine->blocks, pa, key_of(cpu));
    return b && !b->cross ? b->insn : NULL;
}

static inline struct phys_page *page_of(const struct machine *m, uint64_t pa) {
    uint64_t at = pa & m->a20_mask;
    if (likely(at - m->plain_base < m->plain_size)) return &m->blocks->pages[at >> 12];
    const uint8_t *host = ram_ptr((struct machine *)(uintptr_t)m, pa & PAGE_MASK, false);
    if (!host || host < m->ram || host >= m->ram + m->pool_size) return NULL;
    return &m->blocks->pages[(size_t)(host - m->ram) >> 12];
}

bool block_page_has_code(const struct machine *m, uint64_t pa) {
    const struct phys_page *p = page_of(m, pa);
    return p && (p->code_mask | p->table_mask);
}

bool block_host_has_code(const struct machine *m, const uint8_t *host) {
    if (host < m->ram || host >= m->ram + m->pool_size) return true;
    const struct phys_page *p = &m->blocks->pages[(size_t)(host - m->ram) >> 12];
    return p->code_mask | p->table_mask;
}

/* ---- invalidation ---- */

static uint64_t chunk_bits(unsigned first, unsigned last) {
    uint64_t hi = ~0ull >> (63 - (last >> CHUNK_SHIFT));
    return hi & ~0ull << (first >> CHUNK_SHIFT);
}
static uint64_t block_chunks(const struct block *b) {
    unsigned off = b->phys & 0xFFF;
    return chunk_bits(off, off + b->bytes - 1);
}

static void unhash(struct block_cache *bc, struct block *b) {
    struct block **p = &bc->hash[hash_of(b->phys, b->mode)];
    while (*p && *p != b) p = &(*p)->hash_next;
    if (*p) *p = b->hash_next;
}

static void kill_block(struct block_cache *bc, struct block *b) {
    unhash(bc, b);
    for (unsigned k = 0; k < b->count; k++) b->insn[k].fn = op_stale;
}

/* Links lead to blocks of the same page only: none of those that stay may lead to a dead one. */
static void unlink_stale(struct phys_page *p) {
    for (struct block *b = p->blocks; b; b = b->page_next) {
        struct insn_link *l = (struct insn_link *)&b->insn[b->count];
        for (unsigned n = 0; n < 2; n++)
            if (l->to[n] && l->to[n]->fn == op_stale) l->to[n] = NULL;
    }
}

static void store_code(struct machine *m, struct phys_page *p, unsigned off, unsigned end) {
    if (!(p->code_mask & chunk_bits(off, end - 1))) return;
    struct block **link = &p->blocks;
    bool killed = false;
    p->code_mask = 0;
    while (*link) {
        struct block *b = *link;
        unsigned b_off = b->phys & 0xFFF;
        if (b_off < end && off < b_off + b->bytes) {
            *link = b->page_next;
            kill_block(m->blocks, b);
            killed = true;
        } else {
            p->code_mask |= block_chunks(b);
            link = &b->page_next;
        }
    }
    if (killed) unlink_stale(p);
}

static void store(struct machine *m, uint64_t pa, unsigned size, bool by_walk) {
    struct phys_page *p = page_of(m, pa);
    unsigned off = pa & 0xFFF, end = off + size;
    if (!p || !size) return;
    if (end > 0x1000) end = 0x1000;
    if (!by_walk && p->table_mask & chunk_bits(off, end - 1)) {
        p->table_mask = 0;
        p->table_stores++;
        m->blocks->table_stores++;
    }
    store_code(m, p, off, end);
}

void block_store(struct machine *m, uint64_t pa, unsigned size) { store(m, pa, size, false); }
void block_store_by_walk(struct machine *m, uint64_t pa, unsigned size) { store(m, pa, size, true); }

/* ---- watched paging structures ---- */

#define TABLE_PATIENCE 8 /* a page whose entries were written more often isn't watched again */

bool block_watch_table(struct machine *m, uint64_t pa) {
    struct phys_page *p = page_of(m, pa);
    if (!p || p->table_stores > TABLE_PATIENCE) return false;
    if (!(p->code_mask | p->table_mask))
        for (unsigned n = 0; n < m->cpu_count; n++) tlb_protect_phys(m->cpu[n], pa & m->a20_mask & PAGE_MASK);
    p->table_mask |= chunk_bits(pa & 0xFFF, pa & 0xFFF);
    return true;
}

uint64_t block_table_stores(const struct machine *m) { return m->blocks->table_stores; }

/* ---- decoding ---- */

static bool allowed_in_mode(const struct insn_row *row, unsigned mode) {
    bool is64 = (mode & MODE_CODE_MASK) == MODE_CODE64;
    return !((row->attrs & A_NO64) && is64) && !((row->attrs & A_ONLY64) && !is64);
}

static insn_fn *function_for(const struct machine *m, const struct cpu *cpu, const struct insn *i) {
    const struct insn_row *row = &insn_rows[i->id];
    if (i->id >= INSN_X87_FIRST && i->id <= INSN_X87_LAST && !model_has(cpu->model, FEAT_FPU)) return op_no_fpu;
    if (i->id == INSN_INVALID || !model_has(cpu->model, row->feature) || !allowed_in_mode(row, cpu->mode)) return op_ud;
    if (row->attrs & A_SYS) return op_system;
    if (i->id >= INSN_VEC_FIRST) return vec_function(m->ops, i);
    unsigned size = i->size > 3 ? 3 : i->size;
    insn_fn *best = op_cet(i, cpu->mode);
    if (!best) best = op_specialize(i);
    if (best) return best;
    insn_fn *const *fn = m->ops->fn[i->id][i->form][size];
    if ((i->flags & INSN_FLAT) && i->index == REG_ZERO && fn[2]) return fn[2];
    if ((i->flags & INSN_FLAT) && fn[1]) return fn[1];
    return fn[0] ? fn[0] : op_ud;
}

insn_fn *block_function(const struct machine *m, const struct insn *i) { return function_for(m, m->running, i); }

static void op_too_long(struct cpu *cpu, const struct insn *i) {
    cpu->cur = i;
    cpu_gp0(cpu);
}

static const struct decode_features *features_of(struct block_cache *bc, const struct cpu *cpu) {
    if (!bc->features_known) {
        bc->features = (struct decode_features){.lzcnt = cpu_has(cpu, FEAT_LZCNT),
                                                .bmi1 = cpu_has(cpu, FEAT_BMI1),
                                                .amd = cpu->model->vendor == VENDOR_AMD,
                                                .cldemote = cpu_has(cpu, FEAT_CLDEMOTE),
                                                .cet = cpu_has(cpu, FEAT_SHSTK) || cpu_has(cpu, FEAT_IBT),
                                                .wbnoinvd = cpu_has(cpu, FEAT_WBNOINVD),
                                                .cr8_legacy = cpu_has(cpu, FEAT_CR8_LEGACY),
                                                .cpu = cpu->model->features};
        bc->features_known = true;
    }
    return &bc->features;
}

const struct decode_features *block_features(const struct machine *m) { return features_of(m->blocks, m->cpu[0]); }

/* One instruction into *i. Returns false when more bytes than `avail` are needed. */
static bool decode_one(struct block_cache *bc, struct cpu *cpu, const uint8_t *bytes, size_t avail, unsigned off,
                       struct insn *i) {
    memset(i, 0, sizeof *i);
    enum decode_status st = decode(bytes, avail, cpu->mode, off, features_of(bc, cpu), i);
    if (st == DECODE_TRUNCATED) return false;
    i->off = (uint16_t)off;
    if (st == DECODE_INVALID) i->id = INSN_INVALID;
    if (!i->len) i->len = 1;
    i->fn = st == DECODE_TOO_LONG ? op_too_long : function_for(bc->m, cpu, i);
    if (st == DECODE_TOO_LONG) i->id = INSN_INVALID;
    return true;
}

static bool ends_block(const struct insn *i) {
    return i->id == INSN_INVALID || i->fn == op_ud || (insn_rows[i->id].attrs & A_END);
}

/* Give each record its distance from the end, fuse pairs, put the link behind the last. */
static void finish(struct insn *insn, unsigned n, uint64_t phys, bool linkable) {
    struct insn_link *link = (struct insn_link *)&insn[n];
    for (unsigned k = 0; k < n; k++) insn[k].left = (uint8_t)(n - k);
    insn[n - 1].flags |= INSN_LAST;
    *link = (struct insn_link){.fn = op_fall, .spare = linkable ? phys | 1 : 0};
    for (unsigned k = 0; k + 1 < n; k++) {
        insn_fn *fn = op_fuse(&insn[k], &insn[k + 1]);
        if (!fn) continue;
        insn[k].fn = fn;
        insn[k].flags |= INSN_FUSED;
        k++;
    }
}

static void register_block(struct block_cache *bc, struct block *b) {
    struct block **head = &bc->hash[hash_of(b->phys, b->mode)];
    b->hash_next = *head;
    *head = b;
    if (b->cross) return;
    struct phys_page *p = page_of(bc->m, b->phys);
    if (!p->code_mask)
        for (unsigned n = 0; n < bc->m->cpu_count; n++) tlb_protect_phys(bc->m->cpu[n], b->phys & PAGE_MASK);
    p->code_mask |= block_chunks(b);
    b->page_next = p->blocks;
    p->blocks = b;
}

/* The bytes of an instruction that runs over the end of its page. Faults when the next page can't be fetched. */
static unsigned gather(struct cpu *cpu, const uint8_t *host, unsigned off, uint64_t la, uint8_t out[16]) {
    unsigned here = 0x1000 - off;
    if (here >= 15) here = 15;
    memcpy(out, host, here);
    if (here < 15) {
        uint64_t next = (la & PAGE_MASK) + 0x1000;
        if (!cpu_is_64(cpu)) next = (uint32_t)next;
        uint64_t pa = mem_fetch_translate(cpu, next);
        phys_read_bytes(cpu, pa, out + here, 15 - here);
    }
    return 15;
}

struct far_link *block_far_link(struct machine *m) {
    struct block_cache *bc = m->blocks;
    size_t size = (sizeof(struct far_link) + 31) & ~(size_t)31;
    if (bc->used + size > ARENA_BYTES) return NULL;
    struct far_link *f = (struct far_link *)(bc->arena + bc->used);
    bc->used += size;
    memset(f, 0, sizeof *f);
    return f;
}

static struct block *new_block(struct block_cache *bc, uint64_t pa, unsigned mode) {
    struct block *b = (struct block *)(bc->arena + bc->used);
    b->phys = pa;
    b->mode = (uint16_t)mode;
    b->cross = false;
    b->count = 0;
    b->bytes = 0;
    b->hash_next = b->page_next = NULL;
    return b;
}

static void keep(struct block_cache *bc, struct block *b) {
    bc->used += sizeof *b + (b->count + 1u) * sizeof(struct insn);
    register_block(bc, b);
}

static struct block *build(struct block_cache *bc, struct cpu *cpu, const uint8_t *host, uint64_t pa, uint64_t la,
                           unsigned mode) {
    struct block *b = new_block(bc, pa, mode);
    unsigned off = pa & 0xFFF, max = mode & KEY_ALONE ? 1 : BLOCK_MAX;
    while (b->count < max && off < 0x1000) {
        struct insn *i = &b->insn[b->count];
        if (!decode_one(bc, cpu, host + (off - (pa & 0xFFF)), 0x1000 - off, off, i)) break;
        b->count++;
        off += i->len;
        if (ends_block(i)) break;
    }
    if (!b->count) {
        gather(cpu, host, off, la, b->raw);
        decode_one(bc, cpu, b->raw, 15, off, &b->insn[0]);
        b->count = 1;
        b->cross = true;
        off += b->insn[0].len;
    }
    b->bytes = (uint16_t)(off - (pa & 0xFFF));
    finish(b->insn, b->count, pa & PAGE_MASK, !b->cross && !(mode & KEY_ALONE));
    keep(bc, b);
    return b;
}

static bool cross_is_current(struct cpu *cpu, const struct block *b, const uint8_t *host, uint64_t la) {
    uint8_t now[16];
    gather(cpu, host, b->phys & 0xFFF, la, now);
    return !memcmp(now, b->raw, b->bytes);
}

/* Code that is not in RAM. */
static const struct insn *decode_uncached(struct block_cache *bc, struct cpu *cpu, uint64_t pa) {
    uint8_t bytes[16];
    unsigned off = pa & 0xFFF;
    struct insn *i = &cpu->scratch[2];
    phys_read_bytes(cpu, pa, bytes, 15);
    if (!decode_one(bc, cpu, bytes, 15, off, i)) i->id = INSN_INVALID, i->fn = op_ud;
    i->left = 1;
    *(struct insn_link *)&cpu->scratch[3] = (struct insn_link){.fn = op_leave};
    return i;
}

/* ---- look-up ---- */

static uint64_t fetch_la(struct cpu *cpu, bool *alone) {
    uint64_t rip = cpu->rip, la = cpu_code_la(cpu, rip);
    *alone = false;
    if (cpu_is_64(cpu)) {
        if (!is_canonical(cpu, rip)) cpu_gp0(cpu);
        return la;
    }
    uint32_t limit = cpu->seg[SEG_CS].limit;
    if (rip > limit) cpu_gp0(cpu);
    la = (uint32_t)la;
    uint64_t page_rip = rip - (la & 0xFFF);
    *alone = (int64_t)page_rip < 0 || page_rip + 0xFFF > limit;
    return la;
}

const struct insn *block_lookup(struct cpu *cpu) {
    struct block_cache *bc = cpu->machine->blocks;
    bool alone;
    if (bc->flush_wanted || bc->used + sizeof(struct block) + (BLOCK_MAX + 2) * sizeof(struct insn) > ARENA_BYTES)
        flush_now(bc);
    uint64_t la = fetch_la(cpu, &alone);
    const struct jump_entry *hit = &cpu->jump[jump_index(la)];
    cpu->gpr[17] = cpu->rip - (la & 0xFFF);
    if (!alone && hit->la == la && hit->key == cpu->fetch_key && hit->insn->fn != op_stale) return hit->insn;

    uint64_t pa = mem_fetch_translate(cpu, la);
    const uint8_t *host = ram_ptr(cpu->machine, pa, false);
    if (!host || !page_of(cpu->machine, pa)) return decode_uncached(bc, cpu, pa);
    unsigned mode = key_of(cpu) | (alone ? KEY_ALONE : 0);
    struct block *b = find(bc, pa, mode);
    if (b && b->cross && !cross_is_current(cpu, b, host, la)) {
        unhash(bc, b);
        b = NULL;
    }
    if (!b) b = build(bc, cpu, host, pa, la, mode);
    /* a limit at the end of a page: only an instruction that crosses it can go beyond */
    if ((alone || (b->cross && !cpu_is_64(cpu))) && cpu->rip + b->insn[0].len - 1 > cpu->seg[SEG_CS].limit)
        cpu_gp0(cpu);
    if (!b->cross && !alone)
        cpu->jump[jump_index(la)] = (struct jump_entry){.la = la, .key = cpu->fetch_key, .insn = b->insn};
    return b->insn;
}
