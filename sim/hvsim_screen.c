/* The public interface beside the running machine: callbacks and pauses, the picture, keys and mouse. */
#include <stdlib.h>
#include <string.h>

#include "sim/dev/kbc.h"
#include "sim/dev/vga.h"
#include "sim/hvsim_internal.h"

#define TEXT_MAX 65536

_Static_assert(CYCLES_PER_SEC == 1000000000, "a cycle is a nanosecond");
_Static_assert(HVSIM_FOREVER == SERVE_FOREVER, "passed on as it is");

API void hvsim_set_callbacks(hvsim *h, const struct hvsim_callbacks *c) {
    h->m->service =
        (struct machine_service){.arg = c->arg, .serve = c->serve, .paced = c->serve && c->paced, .serial = c->serial};
}

API void hvsim_pause_at(hvsim *h, uint64_t instructions, uint64_t nanoseconds) {
    h->m->pause_insns = instructions;
    h->m->pause_cycle = nanoseconds;
}

API void hvsim_pause(hvsim *h) { machine_stop(h->m, STOP_PAUSED); }

API uint64_t hvsim_nanoseconds(const hvsim *h) { return machine_now(h->m); }

/* ---- picture ---- */

/* Another picture than the one shown becomes the one shown. */
static void compare(hvsim *h, unsigned width, unsigned height, size_t size) {
    bool same = h->picture.generation && width == h->picture.width && height == h->picture.height &&
                !memcmp(h->picture.shown, h->picture.next, size);
    if (same) return;
    uint8_t *shown = h->picture.shown;
    size_t shown_size = h->picture.shown_size;
    h->picture.shown = h->picture.next;
    h->picture.shown_size = h->picture.next_size;
    h->picture.next = shown;
    h->picture.next_size = shown_size;
    h->picture.width = width, h->picture.height = height;
    h->picture.generation++;
}

API bool hvsim_picture(hvsim *h, struct hvsim_picture *p) {
    unsigned width, height;
    if (!h->m->vga) return false;
    vga_look(h->m->vga, &width, &height);
    size_t size = (size_t)width * height * 4;
    if (h->picture.next_size < size) {
        free(h->picture.next);
        h->picture.next = malloc(size);
        h->picture.next_size = h->picture.next ? size : 0;
        if (!h->picture.next) return false;
    }
    vga_picture(h->m->vga, h->picture.next);
    compare(h, width, height, size);
    *p = (struct hvsim_picture){width, height, h->picture.shown, h->picture.generation};
    return true;
}

API const char *hvsim_screen_text(hvsim *h) {
    if (!h->text) h->text = malloc(TEXT_MAX);
    if (!h->text) return "";
    h->text[0] = '\0';
    if (h->m->vga) vga_screen_text(h->m->vga, h->text, TEXT_MAX);
    return h->text;
}

/* ---- input ---- */

API bool hvsim_key(hvsim *h, unsigned usage, bool down) { return kbc_key(h->m->kbc, usage, down); }

API void hvsim_mouse(hvsim *h, int right, int down, int wheel, unsigned buttons) {
    kbc_mouse(h->m->kbc, &(struct ps2_motion){right, down, wheel, (uint8_t)(buttons & 31)});
}

API unsigned hvsim_keyboard_leds(const hvsim *h) { return kbc_leds(h->m->kbc); }
