/* PS/2 mouse with a wheel and five buttons. Source: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; the wheel
 * and the side buttons as Microsoft's IntelliMouse and IntelliMouse Explorer have them: packets of four bytes after a
 * knock of sample rates. */
#include "sim/dev/ps2.h"

#define ID_PLAIN    0
#define ID_WHEEL    3
#define ID_EXPLORER 4
#define BUTTON_BITS 0x07
#define PACKET_ONE  0x08

static void set_defaults(struct ps2_mouse *p) {
    p->rate = 100;
    p->resolution = 2;
    p->pending = 0;
    p->reporting = p->remote = p->wrap = p->scale2 = false;
    p->event_count = 0;
}

void ps2_mouse_reset(struct ps2_mouse *p) {
    *p = (struct ps2_mouse){.id = ID_PLAIN};
    set_defaults(p);
}

/* ---- packets ---- */

static int limit(int val, int min, int max) { return val < min ? min : val > max ? max : val; }

/* Take as much of the oldest event as a packet holds; what is left of a motion goes into the next. */
static struct ps2_motion take_event(struct ps2_mouse *p) {
    if (!p->event_count) return (struct ps2_motion){.buttons = p->buttons};
    struct ps2_motion *e = &p->event[p->event_head], m = *e;
    m.x = limit(m.x, -255, 255);
    m.y = limit(m.y, -255, 255);
    m.wheel = limit(m.wheel, -7, 7);
    e->x -= m.x, e->y -= m.y, e->wheel -= m.wheel;
    if (p->id == ID_PLAIN) e->wheel = 0;
    if (!e->x && !e->y && !e->wheel) {
        p->event_head = (p->event_head + 1) % PS2_EVENTS;
        p->event_count--;
    }
    p->buttons = m.buttons;
    return m;
}

/* 2:1 scaling of stream mode: 0, 1, 1, 3, 6, 9, then twice as much */
static int scale(const struct ps2_mouse *p, int val) {
    static const int table[6] = {0, 1, 1, 3, 6, 9};
    int size = val < 0 ? -val : val;
    if (!p->scale2 || p->remote) return val;
    size = size < 6 ? table[size] : limit(2 * size, 0, 255);
    return val < 0 ? -size : size;
}

static void put_packet(struct ps2_mouse *p) {
    struct ps2_motion m = take_event(p);
    int x = scale(p, m.x), y = scale(p, -m.y); /* the mouse counts upwards */
    ps2_put(&p->out, (uint8_t)(PACKET_ONE | (m.buttons & BUTTON_BITS) | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0)));
    ps2_put(&p->out, (uint8_t)x);
    ps2_put(&p->out, (uint8_t)y);
    if (p->id == ID_WHEEL) ps2_put(&p->out, (uint8_t)m.wheel);
    if (p->id == ID_EXPLORER) ps2_put(&p->out, (uint8_t)((m.wheel & 15) | (m.buttons & 0x18) << 1));
}

bool ps2_mouse_take(struct ps2_mouse *p, uint8_t *byte) {
    if (!p->out.count && p->event_count && p->reporting && !p->remote && !p->wrap && !p->pending) put_packet(p);
    if (!ps2_take(&p->out, byte)) return false;
    if (*byte != PS2_RESEND) p->last = *byte;
    return true;
}

void ps2_mouse_move(struct ps2_mouse *p, const struct ps2_motion *m) {
    if ((!p->reporting && !p->remote) || p->wrap) {
        p->buttons = m->buttons;
        return;
    }
    struct ps2_motion *e = &p->event[(p->event_head + p->event_count - 1) % PS2_EVENTS];
    if (!p->event_count || (e->buttons != m->buttons && p->event_count < PS2_EVENTS)) {
        e = &p->event[(p->event_head + p->event_count++) % PS2_EVENTS];
        *e = (struct ps2_motion){0};
    }
    e->x = limit(limit(m->x, -4096, 4096) + e->x, -4096, 4096);
    e->y = limit(limit(m->y, -4096, 4096) + e->y, -4096, 4096);
    e->wheel = limit(limit(m->wheel, -64, 64) + e->wheel, -64, 64);
    e->buttons = m->buttons;
}

/* ---- commands ---- */

static bool knocked(const struct ps2_mouse *p, uint8_t second) {
    return p->rates[0] == 200 && p->rates[1] == second && p->rates[2] == 80;
}

static void parameter(struct ps2_mouse *p, uint8_t cmd, uint8_t val) {
    ps2_put(&p->out, PS2_ACK);
    if (cmd == 0xE8) {
        p->resolution = val & 3;
        return;
    }
    p->rate = val;
    p->rates[0] = p->rates[1], p->rates[1] = p->rates[2], p->rates[2] = val;
    if (knocked(p, 100) && p->id == ID_PLAIN) p->id = ID_WHEEL;
    if (knocked(p, 200)) p->id = ID_EXPLORER;
}

static void put_status(struct ps2_mouse *p) {
    unsigned b = p->buttons;
    ps2_put(&p->out, (uint8_t)((b & 1) << 2 | (b & 2) >> 1 | (b & 4) >> 1 | p->scale2 << 4 | p->reporting << 5 |
                               p->remote << 6));
    ps2_put(&p->out, p->resolution);
    ps2_put(&p->out, p->rate);
}

static void command(struct ps2_mouse *p, uint8_t val) {
    ps2_put(&p->out, PS2_ACK);
    switch (val) {
    case 0xE6:
    case 0xE7:
        p->scale2 = val == 0xE7;
        break;
    case 0xE8: /* resolution */
    case 0xF3: /* sample rate */
        p->pending = val;
        break;
    case 0xE9:
        put_status(p);
        break;
    case 0xEA:
    case 0xF0:
        p->remote = val == 0xF0;
        break;
    case 0xEB:
        put_packet(p);
        break;
    case 0xEC:
        p->wrap = false;
        break;
    case 0xEE:
        p->wrap = true;
        break;
    case 0xF2:
        ps2_put(&p->out, p->id);
        break;
    case 0xF4:
        p->reporting = true;
        break;
    case 0xF5:
        p->reporting = false;
        p->event_count = 0;
        break;
    case 0xF6:
        set_defaults(p);
        break;
    }
}

void ps2_mouse_write(struct ps2_mouse *p, uint8_t val) {
    uint8_t pending = p->pending;
    p->pending = 0;
    if (p->wrap && val != 0xEC && val != PS2_RESET) {
        ps2_put(&p->out, val);
        return;
    }
    if (pending) {
        parameter(p, pending, val);
        return;
    }
    if (val != PS2_RESEND) p->out.count = 0; /* what was being sent is not asked for any more */
    if (val == PS2_RESET) {
        ps2_mouse_reset(p);
        ps2_put(&p->out, PS2_ACK);
        ps2_put(&p->out, PS2_PASSED);
        ps2_put(&p->out, p->id);
    } else if (val == PS2_RESEND) {
        ps2_put(&p->out, p->last);
    } else if (val < 0xE6 || val == 0xED || val == 0xEF || val == 0xF1 || val > 0xF6) {
        ps2_put(&p->out, PS2_RESEND);
    } else {
        command(p, val);
    }
}
