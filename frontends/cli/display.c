/* Runs a machine with a window or without, and takes the screenshots that were asked for. */
#include "frontends/cli/display.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontends/cli/cli.h"
#include "frontends/cli/png.h"
#include "frontends/sdl/window.h"

static uint64_t serve(void *arg, uint64_t idle) {
    struct display *d = arg;
    if (d->shots.count) shots_serve(&d->shots);
    return d->window ? window_serve(d->window, idle) : idle;
}

static void serial(void *arg, uint8_t byte) { shots_serial(&((struct display *)arg)->shots, byte); }

/* A window comes by itself when somebody sits there: at a terminal, with a screen. */
static bool wants_window(const struct display *d) {
    if (d->where != DISPLAY_AUTO) return d->where == DISPLAY_SDL;
    return isatty(STDOUT_FILENO) && (getenv("DISPLAY") || getenv("WAYLAND_DISPLAY"));
}

bool display_open(struct display *d, hvsim *h, const char *name) {
    char err[512];
    const char *slash = name ? strrchr(name, '/') : NULL;
    struct window_config c = {.name = slash ? slash + 1 : name ? name : "firmware", .screenshot = png_save};
    d->h = d->shots.h = h;
    if (wants_window(d)) d->window = window_open(h, &c, err, sizeof err);
    if (!d->window && d->where == DISPLAY_SDL) {
        cli_error("--display sdl: %s", err);
        return false;
    }
    struct hvsim_callbacks callbacks = {.arg = d};
    if (d->window || d->shots.count) callbacks.serve = serve;
    callbacks.paced = d->window != NULL;
    if (d->shots.count) callbacks.serial = serial;
    hvsim_set_callbacks(h, &callbacks);
    return true;
}

enum hvsim_stop display_run(struct display *d, const volatile int *cancel) {
    enum hvsim_stop stop;
    do {
        shots_prepare(&d->shots);
        stop = hvsim_run(d->h);
        shots_take(&d->shots);
    } while (stop == HVSIM_STOP_PAUSED && !*cancel);
    shots_end(&d->shots);
    d->linger = stop == HVSIM_STOP_TRIPLE_FAULT || stop == HVSIM_STOP_RESET || stop == HVSIM_STOP_IDLE;
    return stop;
}

void display_close(struct display *d, const volatile int *cancel) {
    if (d->window && d->linger) window_show_end(d->window, cancel);
    window_destroy(d->window);
    d->window = NULL;
}
