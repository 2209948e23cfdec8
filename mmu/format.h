/* Paging-structure formats as data. Private to mmu/. */
#ifndef HVSIM_MMU_FORMAT_H
#define HVSIM_MMU_FORMAT_H

#include <stdint.h>

#include "mmu/mmu.h"
#include "sim/arch/x86.h"

/* bits of an ordinary entry */
#define ENTRY_P     (1ull << 0)
#define ENTRY_RW    (1ull << 1)
#define ENTRY_US    (1ull << 2)
#define ENTRY_PWT   (1ull << 3)
#define ENTRY_PCD   (1ull << 4)
#define ENTRY_A     (1ull << 5)
#define ENTRY_D     (1ull << 6)
#define ENTRY_LARGE (1ull << 7) /* PS; of EPT entries too */
#define ENTRY_G     (1ull << 8)
#define ENTRY_NX    (1ull << 63)
#define ENTRY_PAT   (1ull << 7)  /* of a 4 KiB page */
#define ENTRY_PAT_L (1ull << 12) /* of a large page */
/* bits of an EPT entry */
#define EPT_R       (1ull << 0)
#define EPT_W       (1ull << 1)
#define EPT_X       (1ull << 2)
#define EPT_IPAT    (1ull << 6)
#define EPT_A       (1ull << 8)
#define EPT_D       (1ull << 9)
#define EPT_XU      (1ull << 10) /* user-mode execute */
#define EPTP_AD     (1ull << 6)

#define ADDRESS_MASK 0x000FFFFFFFFFF000ull
#define MAX_LEVELS   5

/* Level 0 is the root. */
struct mmu_format {
    uint8_t levels, entry_size;
    uint8_t va_bits;     /* width of the address translated */
    uint8_t leaf_levels; /* bit n: large pages at level n */
    uint8_t gib_level;   /* bit n: those of level n are 1 GiB pages, an optional feature */
    uint8_t no_accessed; /* bit n: entries of level n have no accessed bit */
    uint8_t amd_levels;  /* bit n: AMD reserves bit 8 in entries of level n that point to tables */
    uint8_t shift[MAX_LEVELS];
    uint16_t index_mask[MAX_LEVELS];
    uint64_t root;                /* address bits of the root register */
    uint64_t address;             /* address bits of an entry */
    uint64_t deny;                /* bits that deny when set; the other rights grant when set */
    uint64_t granted[MAX_LEVELS]; /* rights that entries of a level have no bit for */
    uint64_t accessed, dirty;
    uint64_t table_rsvd[MAX_LEVELS], leaf_rsvd[MAX_LEVELS];
};

/* The formats: SDM 3 "Paging" and "The Extended Page Table Mechanism (EPT)", tables of the formats of each entry; APM 2
 * "Page Translation and Protection". They are seen by whoever walks, so that a walk of the most usual ones can be
 * compiled for its format. */
#define BITS(hi, lo) ((~0ull >> (63 - (hi))) & (~0ull << (lo)))
#define B_2_1        BITS(2, 1)
#define B_6_3        BITS(6, 3)
#define B_7_3        BITS(7, 3)
#define B_8_5        BITS(8, 5)
#define B_20_12      BITS(20, 12)
#define B_20_13      BITS(20, 13)
#define B_29_12      BITS(29, 12)
#define B_29_13      BITS(29, 13)
#define B_62_52      BITS(62, 52)
#define B_63_52      BITS(63, 52)
#define ALL_RIGHTS   (ENTRY_RW | ENTRY_US | ENTRY_NX)

/* clang-format off: it would align the lists of unrelated fields */
static const struct mmu_format format_32 = {
    .levels = 2,
    .entry_size = 4,
    .va_bits = 32,
    .leaf_levels = 1 << 0, /* with CR4.PSE */
    .shift = {22,   12  },
    .index_mask = {1023, 1023},
    .root = 0xFFFFF000,
    .address = 0xFFFFF000,
    .accessed = ENTRY_A,
    .dirty = ENTRY_D,
    .deny = ENTRY_NX, /* absent from 4-byte entries: always executable */
};

static const struct mmu_format format_pae = {
    .levels = 3,
    .entry_size = 8,
    .va_bits = 32,
    .leaf_levels = 1 << 1,
    .no_accessed = 1 << 0,
    .shift = {30,         21,  12                 },
    .index_mask = {3,          511, 511                },
    .root = 0xFFFFFFE0,
    .address = ADDRESS_MASK,
    .deny = ENTRY_NX,
    .granted = {ALL_RIGHTS},
    .accessed = ENTRY_A,
    .dirty = ENTRY_D,
    .table_rsvd = {B_8_5 | B_2_1 | B_63_52,         B_62_52,    0},
    .leaf_rsvd = {0,   B_62_52 | B_20_13,         B_62_52                           },
};

static const struct mmu_format format_4 = {
    .levels = 4,
    .entry_size = 8,
    .va_bits = 48,
    .leaf_levels = 1 << 1 | 1 << 2,
    .gib_level = 1 << 1,
    .amd_levels = 1 << 0 | 1 << 1,
    .shift = {39,          30,          21,      12 },
    .index_mask = {511,         511,         511,     511},
    .root = ADDRESS_MASK,
    .address = ADDRESS_MASK,
    .deny = ENTRY_NX,
    .accessed = ENTRY_A,
    .dirty = ENTRY_D,
    .table_rsvd = {ENTRY_LARGE, ENTRY_LARGE, 0,       0  },
    .leaf_rsvd = {0,           B_29_13,     B_20_13, 0  },
};

static const struct mmu_format format_5 = {
    .levels = 5,
    .entry_size = 8,
    .va_bits = 57,
    .leaf_levels = 1 << 2 | 1 << 3,
    .gib_level = 1 << 2,
    .amd_levels = 1 << 0 | 1 << 1 | 1 << 2,
    .shift = {48,          39,          30,          21,      12 },
    .index_mask = {511,         511,         511,         511,     511},
    .root = ADDRESS_MASK,
    .address = ADDRESS_MASK,
    .deny = ENTRY_NX,
    .accessed = ENTRY_A,
    .dirty = ENTRY_D,
    .table_rsvd = {ENTRY_LARGE, ENTRY_LARGE, ENTRY_LARGE, 0,       0  },
    .leaf_rsvd = {0,           0,           B_29_13,     B_20_13, 0  },
};

static const struct mmu_format format_ept4 = {
    .levels = 4,
    .entry_size = 8,
    .va_bits = 48,
    .leaf_levels = 1 << 1 | 1 << 2,
    .gib_level = 1 << 1,
    .shift = {39,    30,      21,      12 },
    .index_mask = {511,   511,     511,     511},
    .root = ADDRESS_MASK,
    .address = ADDRESS_MASK,
    .accessed = EPT_A,
    .dirty = EPT_D,
    .table_rsvd = {B_7_3, B_7_3,   B_6_3,   0  },
    .leaf_rsvd = {0,     B_29_12, B_20_12, 0  },
};

static const struct mmu_format format_ept5 = {
    .levels = 5,
    .entry_size = 8,
    .va_bits = 57,
    .leaf_levels = 1 << 2 | 1 << 3,
    .gib_level = 1 << 2,
    .shift = {48,    39,    30,      21,      12 },
    .index_mask = {511,   511,   511,     511,     511},
    .root = ADDRESS_MASK,
    .address = ADDRESS_MASK,
    .accessed = EPT_A,
    .dirty = EPT_D,
    .table_rsvd = {B_7_3, B_7_3, B_7_3,   B_6_3,   0  },
    .leaf_rsvd = {0,     0,     B_29_12, B_20_12, 0  },
};
/* clang-format on */

static inline bool format_is_32(const struct mmu_format *f) { return f->entry_size == 4; }
/* The format of ordinary paging that these registers choose (CR0.PG = 1). */
static inline const struct mmu_format *format_select(uint64_t cr4, uint64_t efer) {
    if (!(cr4 & CR4_PAE)) return &format_32;
    if (!(efer & EFER_LMA)) return &format_pae;
    return cr4 & CR4_LA57 ? &format_5 : &format_4;
}
/* Bits reserved in every entry of an ordinary format: beyond MAXPHYADDR, and bit 63 without NXE. */
static inline uint64_t format_reserved(const struct mmu_format *f, unsigned phys_bits, uint64_t efer) {
    if (format_is_32(f)) return 0;
    uint64_t rsvd = ADDRESS_MASK & ~((1ull << phys_bits) - 1);
    return efer & EFER_NXE ? rsvd : rsvd | ENTRY_NX;
}
/* Bits reserved in a 4 MiB-page PDE: SDM 3 "32-Bit Paging". */
uint64_t format_reserved_pse(unsigned phys_bits, bool pse36);
uint64_t format_pse_address(uint64_t pde, uint64_t la);

#endif
