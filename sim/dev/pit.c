/* 8254 programmable interval timer, ports 40H-43H, and port 61H (gate of channel 2, speaker, refresh toggle).
 * Source: Intel 8254 data sheet. Channel 0 drives IRQ 0. Nothing counts until software programs it.
 * No counter is stepped: what it shows is computed from the clock and the cycle at which the count was loaded. */
#include <stdlib.h>

#include "sim/dev/dev.h"

#define PIT_HZ     1193182ull
#define REFRESH_HZ 33144ull /* bit 4 of port 61H toggles every 15.085 us per half period */
#define PIT_IRQ    0

enum pit_range { RANGE_PIT, RANGE_PORT61 };
enum access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_WORD };

struct channel {
    uint8_t mode, access;
    bool bcd, gate;
    bool loaded;                /* a count was written completely since the control word */
    bool triggered;             /* modes 1 and 5: the gate rose since then */
    bool write_high, read_high; /* word access: the high byte is next */
    uint8_t low;                /* low byte waiting for its high byte */
    uint32_t count;             /* initial count, 1 to 65536 (10000 in BCD) */
    uint64_t start;             /* cycle at which counting began */
    uint64_t paused_at;         /* ticks gone when the gate fell (modes 0, 4) */
    bool count_latched, status_latched;
    uint16_t latch;
    uint8_t status;
};

struct pit {
    struct device dev;
    struct channel ch[3];
    struct timer timer; /* next change of channel 0's output */
    bool speaker;
};

static bool counting(const struct channel *c) {
    if (!c->loaded) return false;
    return c->mode == 1 || c->mode == 5 ? c->triggered : c->gate;
}

static uint64_t ticks(const struct pit *p, const struct channel *c) {
    if (!counting(c)) return c->paused_at;
    return ticks_of_cycles(machine_now(p->dev.machine) - c->start, PIT_HZ);
}

/* 8254, "Mode Definitions": OUT after `t` ticks */
static bool output_at(const struct channel *c, uint64_t t) {
    uint32_t n = c->count;
    switch (c->mode) {
    case 0:
        return c->loaded && t >= n;
    case 1:
        return !c->triggered || t >= n;
    case 2:
        return !counting(c) || t % n != n - 1;
    case 3:
        return !counting(c) || t % n < (n + 1) / 2;
    default:
        return !counting(c) || t != n; /* 4, 5: one strobe */
    }
}

/* The counter as it is read. Modes 0, 1, 4, 5 wrap and go on. */
static uint16_t count_at(const struct channel *c, uint64_t t) {
    uint32_t n = c->count, wrap = c->bcd ? 10000 : 65536, v;
    if (c->mode == 2) {
        v = n - (uint32_t)(t % n);
    } else if (c->mode == 3) { /* steps by two, twice per period */
        uint32_t half = (n + 1) / 2, at = (uint32_t)(t % n);
        v = (n & ~1u) - 2 * (at < half ? at : at - half);
    } else {
        v = (uint32_t)((n + wrap - t % wrap) % wrap);
    }
    v %= wrap;
    if (!c->bcd) return (uint16_t)v;
    return (uint16_t)(v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

/* Ticks at which the output changes next after `t`; 0: never. */
static uint64_t next_change(const struct channel *c, uint64_t t) {
    uint64_t n = c->count, period = t - t % n;
    if (!counting(c)) return 0;
    switch (c->mode) {
    case 0:
    case 1:
        return t < n ? n : 0;
    case 2:
        return t % n < n - 1 ? period + n - 1 : period + n;
    case 3:
        return t % n < (n + 1) / 2 ? period + (n + 1) / 2 : period + n;
    default:
        return t < n ? n : t == n ? n + 1 : 0;
    }
}

static void update_irq(struct pit *p) {
    struct channel *c = &p->ch[0];
    struct machine *m = p->dev.machine;
    uint64_t t = ticks(p, c), next = next_change(c, t);
    machine_set_irq(m, PIT_IRQ, output_at(c, t));
    if (next)
        timer_arm(m, &p->timer, c->start + cycles_of_ticks(next, PIT_HZ));
    else
        timer_cancel(m, &p->timer);
}

static void timer_expired(void *arg) { update_irq(arg); }

static void load(struct pit *p, struct channel *c, uint16_t raw) {
    uint32_t n = raw;
    if (c->bcd) n = (raw >> 12) * 1000u + (raw >> 8 & 15) * 100u + (raw >> 4 & 15) * 10u + (raw & 15);
    if (!n) n = c->bcd ? 10000 : 65536;
    if (n == 1 && (c->mode == 2 || c->mode == 3)) n = 2; /* 8254: 1 is illegal in modes 2 and 3 */
    c->count = n;
    c->loaded = true;
    c->paused_at = 0;
    if (c->mode != 1 && c->mode != 5) c->start = machine_now(p->dev.machine);
    if (c == &p->ch[0]) update_irq(p);
}

static void write_count(struct pit *p, struct channel *c, uint8_t val) {
    switch ((enum access)c->access) {
    case ACCESS_LOW:
        load(p, c, val);
        break;
    case ACCESS_HIGH:
        load(p, c, (uint16_t)(val << 8));
        break;
    default:
        if (c->write_high) {
            c->write_high = false;
            load(p, c, (uint16_t)(val << 8 | c->low));
            break;
        }
        c->low = val;
        c->write_high = true;
        if (c->mode == 0) { /* the first byte stops the count */
            c->loaded = false;
            if (c == &p->ch[0]) update_irq(p);
        }
    }
}

static void latch_count(const struct pit *p, struct channel *c) {
    if (c->count_latched) return;
    c->latch = count_at(c, ticks(p, c));
    c->count_latched = true;
}

static void latch_status(const struct pit *p, struct channel *c) {
    if (c->status_latched) return;
    c->status = (uint8_t)(output_at(c, ticks(p, c)) << 7 | !c->loaded << 6 | c->access << 4 | c->mode << 1 | c->bcd);
    c->status_latched = true;
}

static void write_control(struct pit *p, uint8_t val) {
    if (val >> 6 == 3) { /* read-back: bit 5 = 0 latches counts, bit 4 = 0 status */
        for (unsigned i = 0; i < 3; i++) {
            if (!(val >> (i + 1) & 1)) continue;
            if (!(val & 0x20)) latch_count(p, &p->ch[i]);
            if (!(val & 0x10)) latch_status(p, &p->ch[i]);
        }
        return;
    }
    struct channel *c = &p->ch[val >> 6];
    if (!(val >> 4 & 3)) {
        latch_count(p, c);
        return;
    }
    bool gate = c->gate;
    *c = (struct channel){.access = val >> 4 & 3, .mode = val >> 1 & 7, .bcd = val & 1, .gate = gate, .count = 65536};
    if (c->mode > 5) c->mode &= 3; /* bit 2 does not matter for modes 2 and 3 */
    if (c == &p->ch[0]) update_irq(p);
}

static uint8_t read_count(const struct pit *p, struct channel *c) {
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    uint16_t v = c->count_latched ? c->latch : count_at(c, ticks(p, c));
    bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_WORD && c->read_high);
    if (c->access == ACCESS_WORD) c->read_high = !c->read_high;
    if (c->access != ACCESS_WORD || high) c->count_latched = false;
    return (uint8_t)(high ? v >> 8 : v);
}

/* 8254, "Gate": a rising edge triggers modes 1, 2, 3 and 5; low pauses modes 0 and 4. */
static void set_gate(struct pit *p, struct channel *c, bool level) {
    if (level == c->gate) return;
    uint64_t now = machine_now(p->dev.machine);
    if (!level) {
        if (c->mode == 0 || c->mode == 4) c->paused_at = ticks(p, c);
        c->gate = false;
        return;
    }
    c->gate = true;
    if (c->mode == 0 || c->mode == 4) {
        c->start = now - cycles_of_ticks(c->paused_at, PIT_HZ);
    } else {
        c->triggered = c->loaded;
        c->start = now;
    }
}

static uint64_t pit_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct pit *p = (struct pit *)d;
    (void)size;
    if (range == RANGE_PIT) return offset == 3 ? 0xFF : read_count(p, &p->ch[offset]);
    uint64_t refresh = ticks_of_cycles(machine_now(d->machine), 2 * REFRESH_HZ) & 1;
    return (uint64_t)output_at(&p->ch[2], ticks(p, &p->ch[2])) << 5 | refresh << 4 | (uint64_t)p->speaker << 1 |
           p->ch[2].gate;
}

static void pit_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct pit *p = (struct pit *)d;
    (void)size;
    if (range == RANGE_PORT61) {
        p->speaker = val >> 1 & 1;
        set_gate(p, &p->ch[2], val & 1);
    } else if (offset == 3) {
        write_control(p, (uint8_t)val);
    } else {
        write_count(p, &p->ch[offset], (uint8_t)val);
    }
}

static void pit_reset(struct device *d) {
    struct pit *p = (struct pit *)d;
    timer_cancel(d->machine, &p->timer);
    for (unsigned i = 0; i < 3; i++)
        p->ch[i] = (struct channel){.mode = 3, .access = ACCESS_WORD, .gate = i != 2, .count = 65536};
    p->speaker = false;
    update_irq(p); /* OUT is high */
}

static const struct device_ops pit_ops = {.name = "8254", .reset = pit_reset, .read = pit_read, .write = pit_write};

struct device *pit_create(struct machine *m) {
    struct pit *p = device_alloc(m, sizeof *p, &pit_ops);
    if (!p) return NULL;
    timer_init(&p->timer, timer_expired, p);
    machine_map_ports(m, &p->dev, RANGE_PIT, 0x40, 4);
    machine_map_ports(m, &p->dev, RANGE_PORT61, 0x61, 1);
    return &p->dev;
}
