/* What the parts of the public interface share. */
#ifndef HVSIM_HVSIM_INTERNAL_H
#define HVSIM_HVSIM_INTERNAL_H

#include "sim/hvsim.h"
#include "sim/machine/machine.h"

#define API __attribute__((visibility("default")))

struct hvsim {
    struct machine *m;
    double host_seconds; /* spent in hvsim_run() */
    struct {
        uint8_t *shown, *next; /* the picture at the last call, and room for the next */
        size_t shown_size, next_size;
        unsigned width, height;
        uint64_t generation;
    } picture;
    char *text;
};

#endif
