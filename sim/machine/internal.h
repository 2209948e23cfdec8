/* Inside sim/machine/: the parts of a machine create and destroy each other's pieces here. */
#ifndef HVSIM_MACHINE_INTERNAL_H
#define HVSIM_MACHINE_INTERNAL_H

#include "sim/machine/machine.h"

#define GIB         (1ull << 30)
#define HIGH_MEMORY (4 * GIB)

bool memory_create(struct machine *m, uint64_t size);
void memory_destroy(struct machine *m);
/* Recompute what ram_ptr() may answer by itself, after a device range or a local APIC moved. */
void memory_layout_changed(struct machine *m);

bool ports_create(struct machine *m);
void ports_destroy(struct machine *m);

/* Fire the timers that are due at m->now, in order. */
void timers_fire(struct machine *m);

/* The devices of the board (sim/machine/board.c). */
bool board_create(struct machine *m, const struct machine_config *c, char *err, size_t err_size);

#endif
