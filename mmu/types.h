/* Memory types of a translation. Private to mmu/. */
#ifndef HVSIM_MMU_TYPES_H
#define HVSIM_MMU_TYPES_H

#include "mmu/mmu.h"

/* The effective type of an access at host-physical `pa` whose first-stage leaf is `leaf` (0 when paging is off) in a
 * page of 2^shift bytes, and whose second-stage leaf is `s2_leaf`. s->mtrr is not NULL. */
enum mmu_memtype effective_type(const struct mmu_state *s, uint64_t leaf, unsigned shift, uint64_t s2_leaf,
                                unsigned s2_shift, uint64_t pa);

#endif
