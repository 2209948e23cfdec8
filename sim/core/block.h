/* Blocks of decoded code: cache, look-up by physical address and mode, invalidation. One cache per machine. */
#ifndef HVSIM_CORE_BLOCK_H
#define HVSIM_CORE_BLOCK_H

#include "sim/core/cpu.h"

struct block_cache;

/* NULL when memory is short. */
struct block_cache *block_cache_create(struct machine *m);
void block_cache_destroy(struct block_cache *bc);
/* First record of the block at cpu->rip in the current mode; decodes on a miss; sets cpu->gpr[17]; enters it into the
 * jump cache. Raises fetch faults (#PF, #GP for limit or canonical) with cpu->cur = NULL. The record may lie in
 * cpu->scratch (code that is not cacheable). */
const struct insn *block_lookup(struct cpu *cpu);
/* The block that begins at a physical address, if it is decoded and cacheable; NULL otherwise. */
const struct insn *block_find(const struct cpu *cpu, uint64_t pa);
/* A link to a block in another page, in the place of a record: it leads on only for the processor, context and RIP that
 * it was made for. */
struct far_link {
    struct insn head; /* fn = op_far_link; imm = target relative to RIPBASE; left = that of `insn`; rm = link number */
    uint64_t rip, key;
    const struct insn *insn, *from;
    const struct cpu *cpu;
};
/* Room for one, zeroed, that lives as long as the decoded blocks; NULL when they take all. */
struct far_link *block_far_link(struct machine *m);
/* The unfused semantic function of a record. */
/* How this machine's processors read bytes */
const struct decode_features *block_features(const struct machine *m);
insn_fn *block_function(const struct machine *m, const struct insn *i);
/* A store touched [pa, pa+size) of a page that holds decoded code. */
void block_store(struct machine *m, uint64_t pa, unsigned size);
/* The same for the accessed and dirty bits that a walk sets. */
void block_store_by_walk(struct machine *m, uint64_t pa, unsigned size);
/* Watch the paging-structure entry at `pa` for stores: see struct tlb_space. false: it can't be watched. */
bool block_watch_table(struct machine *m, uint64_t pa);
/* Grows when a watched entry is written. */
uint64_t block_table_stores(const struct machine *m);
/* Does the physical page hold decoded code or watched entries? (then stores must take the slow path) */
bool block_page_has_code(const struct machine *m, uint64_t pa);
/* The same by the page's place in the pool (RAM, ROMs, video memory) */
bool block_host_has_code(const struct machine *m, const uint8_t *host);
/* Drop everything (snapshot load, A20, memory map changes). Not while a chain runs: takes effect at the next look-up.
 */
void block_cache_flush(struct machine *m);

#endif
