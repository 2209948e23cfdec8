/* Memory types. SDM 3 "Memory Cache Control" and "EPT and Memory Typing"; APM 2 "Nested Table Walk" and "Combining
 * Memory Types, MTRRs". */
#include "mmu/types.h"

#include "mmu/format.h"
#include "sim/arch/x86.h"

#define MTRR_ENABLE       (1u << 11) /* of IA32_MTRR_DEF_TYPE */
#define MTRR_FIXED_ENABLE (1u << 10)
#define MTRR_VALID        (1ull << 11) /* of a PHYSMASK register */

/* Memory types are indexed by their encoding; 2 and 3 are reserved and treated as UC. */
#define UC_ROW                                                                                                         \
    { MT_UC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC }

/* ---- MTRRs ---- */

static enum mmu_memtype fixed_type(const struct mmu_mtrr *m, uint64_t pa) {
    unsigned reg, byte;
    if (pa < 0x80000) {
        reg = 0;
        byte = (unsigned)(pa >> 16);
    } else if (pa < 0xC0000) {
        reg = 1 + (unsigned)((pa - 0x80000) >> 17);
        byte = (unsigned)(pa >> 14) & 7;
    } else {
        reg = 3 + (unsigned)((pa - 0xC0000) >> 15);
        byte = (unsigned)(pa >> 12) & 7;
    }
    return (enum mmu_memtype)(m->fixed[reg] >> (8 * byte) & 0xFF);
}

/* SDM 3 "MTRR Precedences": UC wins; WT with WB gives WT; other overlaps are undefined (here: UC). */
static enum mmu_memtype overlap(enum mmu_memtype a, enum mmu_memtype b) {
    if (a == b) return a;
    if ((a == MT_WT && b == MT_WB) || (a == MT_WB && b == MT_WT)) return MT_WT;
    return MT_UC;
}

enum mmu_memtype mmu_mtrr_type(const struct mmu_mtrr *m, uint64_t pa) {
    enum mmu_memtype type = MT_UC;
    bool found = false;
    if (!(m->def_type & MTRR_ENABLE)) return MT_UC;
    if (pa < 0x100000 && m->def_type & MTRR_FIXED_ENABLE) return fixed_type(m, pa);
    for (unsigned i = 0; i < m->count; i++) {
        uint64_t mask = m->mask[i] & PAGE_MASK;
        if (!(m->mask[i] & MTRR_VALID) || (pa & mask) != (m->base[i] & mask)) continue;
        enum mmu_memtype t = (enum mmu_memtype)(m->base[i] & 0xFF);
        type = found ? overlap(type, t) : t;
        found = true;
    }
    return found ? type : (enum mmu_memtype)(m->def_type & 0xFF);
}

/* ---- PAT with MTRR (or EPT) types ---- */

/* SDM 3 table "Effective Page-Level Memory Types for Pentium III and More Recent Processor Families": [MTRR][PAT] */
static const uint8_t pat_mtrr[8][8] = {
  /*             UC     WC     -      -      WT     WP     WB     UC- */
    [MT_UC] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC},
    [MT_WC] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_UC, MT_UC, MT_WC, MT_WC},
    [2] = UC_ROW,
    [3] = UC_ROW,
    [MT_WT] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_WT, MT_WP, MT_WT, MT_UC},
    [MT_WP] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_WT, MT_WP, MT_WP, MT_WC},
    [MT_WB] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_WT, MT_WP, MT_WB, MT_UC},
    [7] = UC_ROW,
};

enum mmu_memtype mmu_combine_types(enum mmu_memtype pat, enum mmu_memtype mtrr) {
    return (enum mmu_memtype)pat_mtrr[mtrr & 7][pat & 7];
}

/* APM 2 table "Combining Guest and Host PAT Types": [guest][host] */
static const uint8_t pat_pat[8][8] = {
  /*                  UC     WC     -      -      WT     WP     WB     UC- */
    [MT_UC] = UC_ROW,
    [MT_WC] = {MT_WC, MT_WC, MT_WC, MT_WC, MT_WC, MT_WC, MT_WC, MT_WC      },
    [2] = UC_ROW,
    [3] = UC_ROW,
    [MT_WT] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_WT, MT_UC, MT_WT, MT_UC      },
    [MT_WP] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_UC, MT_WP, MT_WP, MT_UC      },
    [MT_WB] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_WT, MT_WP, MT_WB, MT_UC      },
    [MT_UC_MINUS] = {MT_UC, MT_WC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC, MT_UC_MINUS},
};

/* ---- of a translation ---- */

/* SDM 3 "Selecting a Memory Type from the PAT": PAT, PCD, PWT of the leaf make the index. */
static enum mmu_memtype pat_type(uint64_t pat, uint64_t leaf, unsigned shift) {
    unsigned index = (leaf & ENTRY_PWT ? 1 : 0) | (leaf & ENTRY_PCD ? 2 : 0);
    if (leaf & (shift == 12 ? ENTRY_PAT : ENTRY_PAT_L)) index |= 4;
    return (enum mmu_memtype)(pat >> (8 * index) & 7);
}

enum mmu_memtype effective_type(const struct mmu_state *s, uint64_t leaf, unsigned shift, uint64_t s2_leaf,
                                unsigned s2_shift, uint64_t pa) {
    if (s->cr0 & CR0_CD) return MT_UC;
    enum mmu_memtype pat = s->cr0 & CR0_PG ? pat_type(s->pat, leaf, shift) : MT_WB;
    switch (s->stage2) {
    case MMU_STAGE2_EPT: { /* SDM 3 "Memory Type Used for Translated Guest-Physical Addresses": the MTRRs have no part
                            */
        enum mmu_memtype ept = (enum mmu_memtype)(s2_leaf >> 3 & 7);
        return s2_leaf & EPT_IPAT ? ept : mmu_combine_types(pat, ept);
    }
    case MMU_STAGE2_NPT:
        pat = (enum mmu_memtype)pat_pat[pat][pat_type(s->host_pat, s2_leaf, s2_shift)];
        return mmu_combine_types(pat, mmu_mtrr_type(s->mtrr, pa));
    default:
        return mmu_combine_types(pat, mmu_mtrr_type(s->mtrr, pa));
    }
}
