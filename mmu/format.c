/* The formats: SDM 3 "Paging" and "The Extended Page Table Mechanism (EPT)", tables of the formats of each entry;
 * APM 2 "Page Translation and Protection". */
#include "mmu/format.h"

#include "sim/arch/x86.h"

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
const struct mmu_format format_32 = {
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

const struct mmu_format format_pae = {
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

const struct mmu_format format_4 = {
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

const struct mmu_format format_5 = {
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

const struct mmu_format format_ept4 = {
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

const struct mmu_format format_ept5 = {
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

uint64_t format_reserved_pse(unsigned phys_bits, bool pse36) {
    if (!pse36) return BITS(21, 13);
    unsigned m = phys_bits < 40 ? phys_bits : 40;
    return m >= 40 ? BITS(21, 21) : BITS(21, 13) & ~0ull << (m - 19);
}

uint64_t format_pse_address(uint64_t pde, uint64_t la) {
    return (pde & 0xFFC00000) | (pde & BITS(20, 13)) << 19 | (la & 0x3FFFFF);
}
