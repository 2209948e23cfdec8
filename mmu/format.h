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

extern const struct mmu_format format_32, format_pae, format_4, format_5, format_ept4, format_ept5;

/* The format of ordinary paging that these registers choose (CR0.PG = 1). */
static inline const struct mmu_format *format_select(uint64_t cr4, uint64_t efer) {
    if (!(cr4 & CR4_PAE)) return &format_32;
    if (!(efer & EFER_LMA)) return &format_pae;
    return cr4 & CR4_LA57 ? &format_5 : &format_4;
}
/* Bits reserved in every entry of an ordinary format: beyond MAXPHYADDR, and bit 63 without NXE. */
static inline uint64_t format_reserved(const struct mmu_format *f, unsigned phys_bits, uint64_t efer) {
    if (f->entry_size == 4) return 0;
    uint64_t rsvd = ADDRESS_MASK & ~((1ull << phys_bits) - 1);
    return efer & EFER_NXE ? rsvd : rsvd | ENTRY_NX;
}
/* Bits reserved in a 4 MiB-page PDE: SDM 3 "32-Bit Paging". */
uint64_t format_reserved_pse(unsigned phys_bits, bool pse36);
uint64_t format_pse_address(uint64_t pde, uint64_t la);

#endif
