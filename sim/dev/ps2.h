/* PS/2 devices behind the keyboard controller: what they send waits in queues of their own until the controller's
 * output buffer is free. */
#ifndef HVSIM_DEV_PS2_H
#define HVSIM_DEV_PS2_H

#include <stdbool.h>
#include <stdint.h>

#define PS2_QUEUE  32
#define PS2_EVENTS 64

struct ps2_queue { /* bytes on their way to the controller */
    uint8_t byte[PS2_QUEUE];
    unsigned head, count;
};

static inline void ps2_put(struct ps2_queue *q, uint8_t byte) {
    if (q->count < PS2_QUEUE) q->byte[(q->head + q->count++) % PS2_QUEUE] = byte;
}
static inline bool ps2_take(struct ps2_queue *q, uint8_t *byte) {
    if (!q->count) return false;
    *byte = q->byte[q->head];
    q->head = (q->head + 1) % PS2_QUEUE;
    q->count--;
    return true;
}

enum {
    PS2_ACK = 0xFA,
    PS2_RESEND = 0xFE,
    PS2_PASSED = 0xAA, /* self-test */
    PS2_RESET = 0xFF
};

/* ---- keyboard (ps2kbd.c) ---- */

struct ps2_key {
    uint16_t usage; /* HID usage, page 07H */
    bool down;
};
struct ps2_keyboard {
    struct ps2_queue out;
    struct ps2_key event[PS2_EVENTS]; /* keys that have not become scan codes yet */
    unsigned event_head, event_count;
    uint8_t pending;  /* a command that waits for its parameter, 0: none */
    uint8_t scan_set; /* 1 or 2 */
    uint8_t leds;     /* bit 0 Scroll, 1 Num, 2 Caps Lock, as EDH says */
    uint8_t last;     /* what RESEND repeats */
    bool scanning;
};
void ps2_keyboard_reset(struct ps2_keyboard *k);
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t val);
bool ps2_keyboard_take(struct ps2_keyboard *k, uint8_t *byte);
/* false: it is no key of a PC keyboard, or too many are waiting. */
bool ps2_keyboard_key(struct ps2_keyboard *k, unsigned usage, bool down);

/* ---- mouse (ps2mouse.c) ---- */

struct ps2_motion {
    int x, y, wheel; /* right, down, towards the user */
    uint8_t buttons; /* bit 0 left, 1 right, 2 middle, 3 and 4 side */
};
struct ps2_mouse {
    struct ps2_queue out;
    struct ps2_motion event[PS2_EVENTS];
    unsigned event_head, event_count;
    uint8_t pending, id, rate, resolution, buttons, last;
    uint8_t rates[3]; /* the last three sample rates: they unlock the wheel */
    bool reporting, remote, wrap, scale2;
};
void ps2_mouse_reset(struct ps2_mouse *p);
void ps2_mouse_write(struct ps2_mouse *p, uint8_t val);
bool ps2_mouse_take(struct ps2_mouse *p, uint8_t *byte);
void ps2_mouse_move(struct ps2_mouse *p, const struct ps2_motion *motion);

#endif
