/* The step of state hashes: one more word into a sum. */
#ifndef HVSIM_MACHINE_HASH_H
#define HVSIM_MACHINE_HASH_H

#include <stdint.h>

static inline uint64_t hash_mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9FB21C651E98DF25ull;
    return h ^ h >> 29;
}

#endif
