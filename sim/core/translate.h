/* From linear addresses to places in memory: private to mem.c and translate.c. */
#ifndef HVSIM_CORE_TRANSLATE_H
#define HVSIM_CORE_TRANSLATE_H

#include "sim/core/mem.h"

enum place_kind {
    PLACE_RAM,
    PLACE_CODE,   /* RAM with decoded code in the page: the block cache is to be told of stores */
    PLACE_BUS,    /* a device, or nothing */
    PLACE_SPECIAL /* virt.special_page of the running guest */
};
struct place {
    uint8_t *host; /* RAM only */
    uint64_t pa;
    enum place_kind kind;
};

/* Where the byte at `la` is; raises what an access of this kind (MEM_* bits) raises there. */
void mem_resolve(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned access, struct place *p);

#endif
