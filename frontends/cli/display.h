/* What a person sees of a run: a window, screenshots. */
#ifndef HVSIM_CLI_DISPLAY_H
#define HVSIM_CLI_DISPLAY_H

#include "frontends/cli/screenshots.h"

enum display_where { DISPLAY_AUTO, DISPLAY_NONE, DISPLAY_SDL };
struct window;
struct display {
    enum display_where where;
    struct shots shots;
    hvsim *h;
    struct window *window; /* NULL: there is none */
    bool linger;           /* the machine died: its last picture stays until it has been seen */
};

/* false: a window was asked for and can't be had; a message says why. */
bool display_open(struct display *d, hvsim *h, const char *name);
enum hvsim_stop display_run(struct display *d, const volatile int *cancel);
void display_close(struct display *d, const volatile int *cancel);

#endif
