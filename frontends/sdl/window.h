/* A window on a machine, by SDL 2. The library is loaded when a window is opened, so that the command runs without it.
 */
#ifndef HVSIM_SDL_WINDOW_H
#define HVSIM_SDL_WINDOW_H

#include "sim/hvsim.h"

struct window;
struct window_config {
    const char *name;                               /* of what runs, for the title */
    bool (*screenshot)(hvsim *h, const char *path); /* for the key that makes one */
};

/* NULL: err says why there can be no window. */
struct window *window_open(hvsim *h, const struct window_config *c, char *err, size_t err_size);
void window_destroy(struct window *w);
/* hvsim_callbacks.serve: shows the picture, passes input on, and waits in real time when the machine is idle. A window
 * that is closed interrupts the machine. */
uint64_t window_serve(struct window *w, uint64_t idle);
bool window_closed(const struct window *w);
/* The machine has stopped: shows its last picture until the window is closed, or *cancel. */
void window_show_end(struct window *w, const volatile int *cancel);

#endif
