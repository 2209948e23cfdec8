/* Blocks of decoded code: cache, look-up by physical address and mode, invalidation. One cache per machine. */
#ifndef HVSIM_CORE_BLOCK_H
#define HVSIM_CORE_BLOCK_H

#include "sim/core/cpu.h"

struct block_cache;

struct block_cache *block_cache_create(struct machine *m);
void block_cache_destroy(struct block_cache *bc);
/* First record of the block at cpu->rip in the current mode; decodes on a miss; sets cpu->gpr[17]; enters it into the jump cache. Raises fetch
 * faults (#PF, #GP for limit or canonical) with cpu->cur = NULL. */
const struct insn *block_lookup(struct cpu *cpu);
/* A store touched [pa, pa+size) of a page that holds decoded code. */
void block_store(struct machine *m, uint64_t pa, unsigned size);
/* Does the physical page hold decoded code? (then stores must take the slow path) */
bool block_page_has_code(const struct machine *m, uint64_t pa);
/* Drop everything (snapshot load, A20, memory map changes). */
void block_cache_flush(struct machine *m);

#endif
