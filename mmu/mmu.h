/* Page walks. Pure: reads page tables through callbacks, returns a result, never jumps, never touches struct cpu.
 * Formats are descriptors (levels, index bits, entry size, flag positions); one loop walks them all; the second stage
 * is a call on every entry address. Sources: SDM 3 "Paging", "The Extended Page Table Mechanism (EPT)"; APM 2 "Page
 * Translation and Protection", "Nested Paging". */
#ifndef HVSIM_MMU_MMU_H
#define HVSIM_MMU_MMU_H

#include <stdbool.h>
#include <stdint.h>

/* bits; the same values as enum mem_access of sim/core/mem.h */
enum mmu_access {
    MMU_READ = 1,
    MMU_WRITE = 2,
    MMU_EXEC = 4,
    MMU_SYS = 8,     /* implicit supervisor-mode access */
    MMU_USER = 16,   /* CPL 3 */
    MMU_AC = 32,     /* RFLAGS.AC = 1 (explicit supervisor access: SMAP is overridden) */
    MMU_PEEK = 64,   /* set no accessed or dirty bits */
    MMU_SHSTK = 128, /* shadow-stack load or store */
};

enum mmu_stage2_kind { MMU_STAGE2_NONE, MMU_STAGE2_EPT, MMU_STAGE2_NPT };

/* Physical memory as the walker sees it. `pa` is a host-physical address. */
struct mmu_phys {
    void *arg;
    /* false: not backed (treated as all ones read) */
    bool (*read)(void *arg, uint64_t pa, unsigned size, uint64_t *val);
    /* locked compare-exchange of an entry for A/D updates; false: it changed, walk again */
    bool (*cas)(void *arg, uint64_t pa, unsigned size, uint64_t old, uint64_t val);
    /* Direct window: entries at pa in [ram_base, ram_base + ram_size) are read at ram + pa - ram_base without a call;
     * size 0: none */
    const uint8_t *ram;
    uint64_t ram_base, ram_size;
};

/* Everything a translation depends on. */
struct mmu_state {
    uint64_t cr0, cr3, cr4, efer;
    uint64_t pdpte[4]; /* PAE paging */
    uint32_t pkru, pkrs;
    uint8_t phys_bits; /* MAXPHYADDR */
    bool gib_pages;    /* CPUID PDPE1GB */
    bool pse36;
    bool amd; /* bit 8 of PML5Es, PML4Es and PDPEs that point to tables is reserved: APM 2 "Long-Mode Page Translation"
               */
    /* second stage */
    uint8_t stage2;                             /* enum mmu_stage2_kind */
    uint64_t stage2_root;                       /* EPTP (with its control bits) or nCR3 */
    uint64_t host_cr0, host_cr4, host_efer;     /* NPT: the host's paging mode at VMRUN */
    bool ept_gib_pages, ept_exec_only, ept_mbe; /* capabilities / "mode-based execute control" */
    /* memory typing: PAT and MTRRs; NULL mtrr: types are not wanted, the result says WB */
    uint64_t pat, host_pat;
    const struct mmu_mtrr *mtrr;
};

struct mmu_mtrr {
    uint64_t def_type;  /* IA32_MTRR_DEF_TYPE */
    uint64_t fixed[11]; /* 250H, 258H, 259H, 268H..26FH */
    uint64_t base[10], mask[10];
    unsigned count;
};

enum mmu_memtype { MT_UC = 0, MT_WC = 1, MT_WT = 4, MT_WP = 5, MT_WB = 6, MT_UC_MINUS = 7 };

enum mmu_status {
    MMU_OK,
    MMU_PAGE_FAULT,    /* error: #PF error code */
    MMU_NOT_CANONICAL, /* not used by the walker for ordinary accesses: callers check; returned for safety */
    MMU_S2_VIOLATION,  /* EPT violation or #NPF */
    MMU_S2_MISCONFIG,  /* EPT misconfiguration */
};

/* The last table of a walk, where a later walk of an address in the same table may start: what processors keep in
 * paging-structure caches (SDM 3 "Caching Paging Structures"). */
struct mmu_table {
    uint64_t gpa, pa; /* of the table; the same without a second stage */
    uint64_t rights;  /* of the entries above */
    uint8_t level;    /* from the root, 0 */
};

struct mmu_result {
    enum mmu_status status;
    uint64_t phys;          /* host-physical address of the byte */
    uint64_t gpa;           /* guest-physical address of the byte, or of the failing access for second-stage faults */
    uint64_t la;            /* linear address asked for */
    uint32_t error;         /* MMU_PAGE_FAULT: #PF error code. NPT fault: EXITINFO1 (bits 0-4, 32 and 33 in error_hi) */
    uint32_t error_hi;      /* NPT: EXITINFO1 bits 63:32 */
    uint64_t qualification; /* EPT violation: exit qualification bits 0-12 as SDM "Exit Qualification for EPT
                               Violations" (bits 7, 8, 9-11 included) */
    bool gla_valid;         /* second-stage fault: a linear address exists (false for PDPTE loads) */
    bool during_walk;       /* second-stage fault: on a paging-structure entry, not on the final access */
    uint8_t linear_shift; /* log2 size of the page that the linear address is in by the first stage (what INVLPG drops);
                             12 without paging */
    uint8_t page_shift;   /* log2 size of the smallest page of all stages: 12, 21, 22, 30 */
    bool writable; /* a write at this privilege needs no further walk (permissions allow it and every dirty bit is set)
                    */
    bool readable; /* the same for reads (false: execute-only or protection keys) */
    bool global;
    uint8_t memtype;        /* enum mmu_memtype, effective */
    bool has_table;         /* MMU_OK under paging, and not a 4 MiB page: `table` may be kept */
    struct mmu_table table; /* undefined otherwise; the last member */
};

/* Translate `la` for `access`. Sets accessed and dirty bits as the manual says (unless MMU_PEEK). */
void mmu_translate(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t la, unsigned access,
                   struct mmu_result *r);
/* The same, starting from the last table of an earlier walk. false: that led to a fault, and only a walk from the root
 * can tell whether it is a true one. A second-stage fault on the final access is a true one: true. */
bool mmu_translate_from(const struct mmu_state *s, const struct mmu_phys *phys, const struct mmu_table *table,
                        uint64_t la, unsigned access, struct mmu_result *r);
/* Translate a guest-physical address through the second stage only (`access` READ/WRITE/EXEC; paging-structure loads
 * such as PDPTEs use MMU_READ with during_walk set by `table`). */
void mmu_stage2(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t gpa, unsigned access, bool table,
                struct mmu_result *r);
/* PAE: read the four PDPTEs that CR3 points to; false when a present one has reserved bits set (r->status tells a
 * second-stage fault apart: MMU_OK with false = reserved bits). */
bool mmu_load_pdptes(const struct mmu_state *s, const struct mmu_phys *phys, uint64_t cr3, uint64_t out[4],
                     struct mmu_result *r);
/* Do these four PDPTEs have reserved bits set? (VM entry checks) */
bool mmu_pdptes_valid(const uint64_t pdpte[4], unsigned phys_bits);
/* Memory type of a physical address by the MTRRs. SDM 3 "MTRR Precedences" */
enum mmu_memtype mmu_mtrr_type(const struct mmu_mtrr *m, uint64_t pa);
/* Effective type of a PAT and an MTRR type: SDM 3 table "Effective Page-Level Memory Types" */
enum mmu_memtype mmu_combine_types(enum mmu_memtype pat, enum mmu_memtype mtrr);

#endif
