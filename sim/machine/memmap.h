/* The physical address space: windows on RAM, ROM and devices, laid over each other, and what results for each address.
 */
#ifndef HVSIM_MACHINE_MEMMAP_H
#define HVSIM_MACHINE_MEMMAP_H

#include "sim/machine/machine.h"

#define MAX_WINDOWS 256

/* One stretch of addresses in which every access ends in the same windows. */
struct mem_stretch {
    uint64_t base, end;     /* end is the last address */
    uint8_t to[2][2];       /* [in SMM][write] -> index of a window; 0: nobody's */
    uint8_t *direct[2];     /* [in SMM]: host address of `base` when reads need no device, else NULL */
    bool direct_written[2]; /* ... and writes go to the same bytes */
};

struct mem_map {
    struct mem_window window[MAX_WINDOWS]; /* window[0] is nobody's: reads give ones, writes are dropped */
    unsigned count;
    struct mem_stretch stretch[2 * MAX_WINDOWS + 1]; /* sorted, without gaps, from 0 to 2^64 - 1 */
    unsigned stretches;
    bool smm_differs; /* what is seen in SMM is not what is seen outside */
};

void memmap_init(struct mem_map *map);
/* Add a window over all others; false: there are too many. */
bool memmap_add(struct mem_map *map, const struct mem_window *w);
/* The window of (dev, range); NULL: there is none. */
const struct mem_window *memmap_window(const struct mem_map *map, const struct device *dev, unsigned range);
/* Take away the window of (dev, range); false: there is none. */
bool memmap_remove(struct mem_map *map, const struct device *dev, unsigned range);
/* Replace the window of (w->dev, w->range); false: there is none. */
bool memmap_replace(struct mem_map *map, const struct mem_window *w);
/* Make the stretches anew. */
void memmap_flatten(struct mem_map *map);
const struct mem_stretch *memmap_find(const struct mem_map *map, uint64_t pa);

#endif
