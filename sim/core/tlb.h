/* The cache of translations: host pointers tagged by linear page and context number.
 * A context number stands for everything that a translation depends on besides the linear address: root or guest, VPID
 * or ASID, PCID, second-stage root, paging controls, privilege. A world switch changes the current number and flushes
 * nothing; flushing a context renumbers it. */
#ifndef HVSIM_CORE_TLB_H
#define HVSIM_CORE_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "mmu/mmu.h"

struct cpu;

#define TLB_ENTRIES     2048
#define TLB_CTX_NONE    0u    /* never tags an entry that exists */
#define TLB_CTX_MAX     4095u /* numbers fit below the page offset; this one is never given (~0 is the empty tag) */
#define TLB_SPACES      64
#define TLB_TRACK_AFTER 4 /* flushes */

struct tlb_entry {
    uint64_t tag_r;   /* linear page | context when readable through `addend`, else ~0 */
    uint64_t tag_w;   /* the same, when writable (dirty bit set, no decoded code in the page) */
    uintptr_t addend; /* host address - linear address */
    uint64_t phys;    /* physical page; bit 0: writes are permitted though tag_w is empty (decoded code in the page) */
};

struct itlb_entry { /* instruction fetch: linear page | context -> physical page */
    uint64_t tag;
    uint64_t phys;
};
#define ITLB_ENTRIES 256

struct tlb_bus {  /* data in pages that are not RAM */
    uint64_t tag; /* linear page | context, ~0: none */
    uint64_t phys;
    bool readable, writable;
};
#define TLB_BUS_ENTRIES 4

/* Last tables of walks (2 MiB of linear addresses each): what a processor's paging-structure caches hold. Belongs to a
 * space while it has that number; INVLPG renumbers, as it drops all of them whatever the address (SDM 3 "Operations
 * that Invalidate TLBs and Paging-Structure Caches"). */
struct tlb_table {
    uint64_t region; /* linear address >> 21 */
    uint64_t number; /* 0: empty */
    struct mmu_table t;
};
#define TLB_TABLES 64

/* Privilege variants of one address space: each has its own context number. Numbers of data and of fetches are counted
 * apart. */
enum tlb_variant {
    TLB_SUPER,
    TLB_SUPER_AC, /* RFLAGS.AC = 1 under SMAP */
    TLB_USER,
    TLB_SHSTK_SUPER, /* shadow-stack accesses */
    TLB_SHSTK_USER,
    TLB_EXEC_SUPER, /* tags of the itlb and of the jump cache */
    TLB_EXEC_USER,
    TLB_VARIANTS
};

/* What a context stands for: whole words, which are made in registers and compared at once. */
struct tlb_key {
    uint64_t second_stage; /* EPTP or nCR3 | 1, 0 when there is no second stage */
    uint64_t mode;         /* the bits of CR0, CR4, EFER that change translation */
    uint64_t pk;           /* PKRU, and PKRS in the upper half; 0 where they are not in use */
    uint64_t owner;        /* VMX non-root or SVM guest << 31 | VPID or ASID (0: root) << 12 | PCID */
};

/* A set of pages, never missing a member, rarely claiming a stranger. */
struct tlb_filter {
    uint64_t bits[4];
};

struct tlb_space {
    struct tlb_key key;
    uint16_t ctx[TLB_VARIANTS]; /* TLB_CTX_NONE: not yet given */
    bool used;
    uint64_t tables; /* number of its entries in tlb.tables; never reused */
    /* A flush can't be noticed while every paging-structure entry that a walk has read since the last one still holds
     * what it held. Of a space that is flushed often the entries are watched; then a flush that finds all of them
     * untouched does nothing. */
    uint8_t flushes;       /* met, up to TLB_TRACK_AFTER */
    bool tracked;          /* all entries read since the last flush are watched */
    bool walked;           /* since the last flush: the next three are known */
    uint64_t table_stores; /* block_table_stores() at the first walk */
    uint64_t cr3;          /* that all walks started from */
    uint64_t special_page; /* and virt.special_page */
    uint32_t
        large_shifts; /* bit n: an entry of a page of 2^n bytes (n > 12) was inserted since the numbers were given */
    struct tlb_filter large; /* which */
    struct tlb_filter code;  /* pages that gave itlb entries, of every size */
    struct mmu_state walk;   /* what a walk depends on, as the key says it; each walk fills in CR3 and the PDPTEs */
};

struct tlb {
    uint64_t
        ctx; /* current context for data accesses at CPL (0 forces the slow path: alignment checks, data breakpoints) */
    uint64_t ctx_sys;             /* context of implicit supervisor accesses (descriptor tables, TSS) */
    uint64_t ctx_shstk;           /* context of shadow-stack accesses at CPL (0: slow path) */
    struct tlb_space *space;      /* current */
    struct tlb_space *left;       /* the one before: a world switch most often leads back to it */
    uint32_t next_ctx, next_exec; /* numbers to be given next; 0: nothing was initialized yet */
    uint32_t next_victim;
    uint32_t spaces_used;       /* none beyond */
    uint32_t owner[TLB_SPACES]; /* of each space, for quick searches: guest << 31 | tag << 12 | PCID; ~0 unused */
    uint8_t slot[TLB_SPACES];   /* key hash -> space that was found there last */
    struct tlb_space spaces[TLB_SPACES];
    struct tlb_entry e[TLB_ENTRIES];
    struct itlb_entry ie[ITLB_ENTRIES];
    struct tlb_bus bus[TLB_BUS_ENTRIES];
    uint64_t table_number; /* given last */
    struct tlb_table tables[TLB_TABLES];
};

static inline unsigned tlb_index(uint64_t la) { return (la >> 12) & (TLB_ENTRIES - 1); }
/* A hypervisor and its guest may run at the same addresses: the context takes part. */
static inline unsigned itlb_index(uint64_t la, uint64_t ctx) { return ((la >> 12) ^ ctx * 37) % ITLB_ENTRIES; }

/* Select the space for the present control state and the contexts for the present privilege and mode (called by
 * cpu_update_mode). */
void tlb_select(struct cpu *cpu);
/* What a walk depends on now, whatever space is selected. CR3 and PDPTEs are left to the caller. */
void tlb_walk_state(const struct cpu *cpu, struct mmu_state *s);
/* The context number of instruction fetches at the present privilege, as in cpu->fetch_key; never TLB_CTX_NONE. */
uint64_t tlb_exec_ctx(struct cpu *cpu);
/* Remember a translation for data (`host`: the page) or for fetches in the current space. */
void tlb_insert(struct cpu *cpu, uint64_t la, enum tlb_variant variant, const struct mmu_result *r, uint8_t *host,
                bool writable);
void tlb_insert_code(struct cpu *cpu, uint64_t la, const struct mmu_result *r);
void tlb_insert_bus(struct cpu *cpu, uint64_t la, enum tlb_variant variant, const struct mmu_result *r);
/* Where a fetch at `la` is kept to be translated to; false: it isn't. */
bool tlb_find_code(struct cpu *cpu, uint64_t la, uint64_t *phys);
/* Context number under which code is fetched now (never 0). */
uint64_t tlb_exec_ctx(struct cpu *cpu);
/* Forget everything. */
void tlb_flush_all(struct cpu *cpu);
/* Renumber every space of (guest, tag); with pcid >= 0 only that PCID. */
void tlb_flush_tag(struct cpu *cpu, bool guest, unsigned tag, int pcid);
/* Before a walk in the current space, which is tracked: must the entries it reads be watched? */
bool tlb_track(struct cpu *cpu);
/* Renumber the spaces of a second-stage root (INVEPT single-context; ~0: every space with a second stage). */
void tlb_flush_second_stage(struct cpu *cpu, uint64_t second_stage);
/* INVLPG in the current space; INVPCID/INVVPID/INVLPGA individual-address in the spaces of (guest, tag, pcid or -1). */
void tlb_flush_page(struct cpu *cpu, uint64_t la);
void tlb_flush_page_tag(struct cpu *cpu, bool guest, unsigned tag, int pcid, uint64_t la);
/* MOV to CR3 with bit 63 clear, MOV to CR0/CR4 that flush: the current (guest, tag) and PCID, or all its PCIDs. */
void tlb_flush_current(struct cpu *cpu, bool all_pcids);
/* Drop write permission (tag_w) of every entry that maps this physical page: it now holds decoded code. */
void tlb_protect_phys(struct cpu *cpu, uint64_t phys);
/* Drop all entries that map this physical page (memory map changed: A20, APIC base, SMRAM). */
void tlb_drop_phys(struct cpu *cpu, uint64_t phys);

#endif
