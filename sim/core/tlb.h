/* The cache of translations: host pointers tagged by linear page and context number.
 * A context number stands for everything that a translation depends on besides the linear address: root or guest, VPID or
 * ASID, PCID, second-stage root, paging controls, privilege. A world switch changes the current number and flushes nothing;
 * flushing a context renumbers it. */
#ifndef HVSIM_CORE_TLB_H
#define HVSIM_CORE_TLB_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;

#define TLB_ENTRIES  2048
#define TLB_CTX_NONE 0u    /* never tags an entry that exists */
#define TLB_CTX_MAX  4095u /* numbers fit below the page offset */
#define TLB_SPACES   64

struct tlb_entry {
    uint64_t tag_r; /* linear page | context when readable through `addend`, else ~0 */
    uint64_t tag_w; /* the same, when writable (dirty bit set, no decoded code in the page) */
    uintptr_t addend; /* host address - linear address */
    uint64_t phys;    /* physical page */
};

struct itlb_entry { /* instruction fetch: linear page | context -> physical page */
    uint64_t tag;
    uint64_t phys;
};
#define ITLB_ENTRIES 256

/* Privilege variants of one address space: each has its own context number. */
enum tlb_variant { TLB_SUPER, TLB_SUPER_AC /* RFLAGS.AC = 1 under SMAP */, TLB_USER, TLB_VARIANTS };

/* What a context stands for. Compared as bytes: zero it before filling. */
struct tlb_key {
    uint64_t second_stage; /* EPTP or nCR3 | 1, 0 when there is no second stage */
    uint64_t mode;         /* the bits of CR0, CR4, EFER that change translation */
    uint32_t pkru, pkrs;
    uint16_t tag;          /* VPID or ASID; 0 = root */
    uint16_t pcid;
    uint8_t guest;         /* VMX non-root or SVM guest */
    uint8_t pad[3];
};

struct tlb_space {
    struct tlb_key key;
    uint16_t ctx[TLB_VARIANTS]; /* TLB_CTX_NONE: not yet given */
    bool used;
    bool has_large; /* an entry of a page larger than 4 KiB was inserted since the numbers were given */
};

struct tlb {
    uint64_t ctx;     /* current context for data accesses at CPL (0 forces the slow path: alignment checks, data breakpoints) */
    uint64_t ctx_sys; /* context of implicit supervisor accesses (descriptor tables, TSS) */
    struct tlb_space *space; /* current */
    uint32_t next_ctx;
    uint32_t next_victim;
    struct tlb_space spaces[TLB_SPACES];
    struct tlb_entry e[TLB_ENTRIES];
    struct itlb_entry ie[ITLB_ENTRIES];
};

static inline unsigned tlb_index(uint64_t la) { return (la >> 12) & (TLB_ENTRIES - 1); }

/* Select the space for the present control state and the context for the present privilege (called by cpu_update_mode). */
void tlb_select(struct cpu *cpu);
/* Context number under which code is fetched now (never 0). */
uint64_t tlb_exec_ctx(struct cpu *cpu);
/* Forget everything. */
void tlb_flush_all(struct cpu *cpu);
/* Renumber every space of (guest, tag); with pcid >= 0 only that PCID. */
void tlb_flush_tag(struct cpu *cpu, bool guest, unsigned tag, int pcid);
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
