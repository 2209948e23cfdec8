/* High precision event timer at FED00000H: a 64-bit counter of 100 MHz and three timers. IA-PC HPET Specification 1.0a,
 * "Register Definitions" and "Theory of Operation". */
#include "sim/dev/hpet.h"

#include "sim/dev/dev.h"
#include "sim/dev/pci.h"

#define HPET_SIZE 0x400
#define HPET_HZ   100000000ull
#define PERIOD_FS 10000000u /* of a tick, in femtoseconds */
#define TIMERS    3
#define FAR       (1ull << 56) /* ticks: decades */

enum { REG_ID = 0x00, REG_CONFIG = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xF0, REG_TIMERS = 0x100 };
enum { TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_FSB = 0x10, TIMER_STRIDE = 0x20 };
enum { CONFIG_ENABLE = 1 << 0, CONFIG_LEGACY = 1 << 1 };
enum {
    TN_LEVEL = 1 << 1,
    TN_ENABLE = 1 << 2,
    TN_PERIODIC = 1 << 3,
    TN_PERIODIC_CAP = 1 << 4,
    TN_64BIT_CAP = 1 << 5,
    TN_SET_VALUE = 1 << 6,
    TN_32BIT = 1 << 8,
    TN_FSB = 1 << 14,
    TN_FSB_CAP = 1 << 15,
    TN_WRITABLE = TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_SET_VALUE | TN_32BIT | 0x1F << 9 | TN_FSB,
};
#define TN_ROUTE(c)   ((unsigned)((c) >> 9) & 31)
#define TN_ROUTE_CAP  0x00F00000ull /* lines 20-23 */
#define TN_CAPABLE    (TN_ROUTE_CAP << 32 | TN_PERIODIC_CAP | TN_64BIT_CAP | TN_FSB_CAP)
#define LEGACY_TIMERS 2 /* the first two have IRQ 0 and 8 */

struct hpet_timer {
    struct hpet *hpet;
    uint64_t config, comparator, period, fsb;
    int line; /* the interrupt line that it holds asserted, -1: none */
    struct timer timer;
};
struct hpet {
    struct device dev;
    uint64_t config, status;
    uint64_t counter; /* while halted; what it was at cycle 0 while it runs */
    struct hpet_timer t[TIMERS];
};

static uint64_t ticks(const struct hpet *h) { return ticks_of_cycles(machine_now(h->dev.machine), HPET_HZ); }
static bool enabled(const struct hpet *h) { return h->config & CONFIG_ENABLE; }
static uint64_t counter(const struct hpet *h) { return enabled(h) ? h->counter + ticks(h) : h->counter; }
static unsigned number(const struct hpet_timer *t) { return (unsigned)(t - t->hpet->t); }
static uint64_t mask(const struct hpet_timer *t) { return t->config & TN_32BIT ? 0xFFFFFFFF : ~0ull; }

/* ---- interrupts ---- */

static void release(struct hpet_timer *t) {
    if (t->line >= 0) machine_share_irq(t->hpet->dev.machine, IRQ_HPET, (unsigned)t->line, false);
    t->line = -1;
}

static int line_of(const struct hpet_timer *t) {
    if ((t->hpet->config & CONFIG_LEGACY) && number(t) < LEGACY_TIMERS) return number(t) ? 8 : 0;
    return TN_ROUTE_CAP >> TN_ROUTE(t->config) & 1 ? (int)TN_ROUTE(t->config) : -1;
}

/* An edge is a 0 and then a 1: the line stays asserted until the next. */
static void assert_line(struct hpet_timer *t) {
    release(t);
    int line = line_of(t);
    if (line < 0) return;
    machine_share_irq(t->hpet->dev.machine, IRQ_HPET, (unsigned)line, true);
    t->line = line;
}

static void interrupt(struct hpet_timer *t) {
    bool level = t->config & TN_LEVEL;
    if (level) t->hpet->status |= 1u << number(t);
    if (!(t->config & TN_ENABLE)) return;
    if (t->config & TN_FSB)
        machine_send_msi(t->hpet->dev.machine, t->fsb >> 32, (uint32_t)t->fsb);
    else
        assert_line(t);
}

/* ---- comparators ---- */

static void schedule(struct hpet_timer *t) {
    struct hpet *h = t->hpet;
    struct machine *m = h->dev.machine;
    timer_cancel(m, &t->timer);
    if (!enabled(h)) return;
    uint64_t left = (t->comparator - counter(h)) & mask(t);
    if (!left) left = mask(t); /* it matches now: the next time is a turn away */
    if (left > FAR) return;
    timer_arm(m, &t->timer, cycles_of_ticks(ticks(h) + left, HPET_HZ));
}

/* "Periodic Mode": the last value written is added to the comparator at each match. */
static void expired(void *arg) {
    struct hpet_timer *t = arg;
    uint64_t now = counter(t->hpet);
    if ((t->config & TN_PERIODIC) && t->period) {
        uint64_t period = t->period < HPET_LEAST_TICKS ? HPET_LEAST_TICKS : t->period;
        uint64_t passed = (now - t->comparator) & mask(t);
        t->comparator = (t->comparator + (passed / period + 1) * period) & mask(t);
    }
    interrupt(t);
    schedule(t);
}

static void write_comparator(struct hpet_timer *t, uint64_t val) {
    if (!(t->config & TN_PERIODIC) || (t->config & TN_SET_VALUE)) t->comparator = val & mask(t);
    if (t->config & TN_PERIODIC) t->period = val & mask(t);
    t->config &= ~(uint64_t)TN_SET_VALUE;
    schedule(t);
}

static void write_timer_config(struct hpet_timer *t, uint64_t val) {
    t->config = TN_CAPABLE | (val & TN_WRITABLE);
    t->comparator &= mask(t);
    t->period &= mask(t);
    bool holds = (t->config & TN_LEVEL) && (t->config & TN_ENABLE) && (t->hpet->status >> number(t) & 1);
    if (!holds || (t->config & TN_FSB))
        release(t);
    else
        assert_line(t);
    schedule(t);
}

static void write_config(struct hpet *h, uint64_t val) {
    uint64_t now = counter(h), changed = (h->config ^ val) & (CONFIG_ENABLE | CONFIG_LEGACY);
    h->config ^= changed;
    h->counter = enabled(h) ? now - ticks(h) : now;
    if (changed & CONFIG_LEGACY) {
        for (unsigned n = 0; n < LEGACY_TIMERS; n++) release(&h->t[n]);
        machine_replace_timers(h->dev.machine, h->config & CONFIG_LEGACY);
    }
    for (unsigned n = 0; n < TIMERS; n++) schedule(&h->t[n]);
}

static void write_status(struct hpet *h, uint64_t val) {
    for (unsigned n = 0; n < TIMERS; n++) {
        if (!(h->status & val & 1u << n)) continue;
        h->status &= ~(1ull << n);
        release(&h->t[n]);
    }
}

static void write_counter(struct hpet *h, uint64_t val) {
    h->counter = enabled(h) ? val - ticks(h) : val;
    for (unsigned n = 0; n < TIMERS; n++) schedule(&h->t[n]);
}

/* ---- registers: 64 bits each, read and written whole or by halves ---- */

static struct hpet_timer *timer_at(struct hpet *h, unsigned at) {
    unsigned n = (at - REG_TIMERS) / TIMER_STRIDE;
    return at >= REG_TIMERS && n < TIMERS ? &h->t[n] : NULL;
}

static uint64_t read_register(struct hpet *h, unsigned at) {
    const struct hpet_timer *t = timer_at(h, at);
    switch (t ? (int)(at % TIMER_STRIDE) : -1) {
    case TIMER_CONFIG:
        return t->config;
    case TIMER_COMPARATOR:
        return t->comparator;
    case TIMER_FSB:
        return t->fsb;
    default:
        break;
    }
    switch (at) {
    case REG_ID:
        return (uint64_t)PERIOD_FS << 32 | HPET_ID;
    case REG_CONFIG:
        return h->config;
    case REG_STATUS:
        return h->status;
    case REG_COUNTER:
        return counter(h);
    default:
        return 0;
    }
}

static void write_register(struct hpet *h, unsigned at, uint64_t val) {
    struct hpet_timer *t = timer_at(h, at);
    if (t && at % TIMER_STRIDE == TIMER_CONFIG) write_timer_config(t, val);
    if (t && at % TIMER_STRIDE == TIMER_COMPARATOR) write_comparator(t, val);
    if (t && at % TIMER_STRIDE == TIMER_FSB) t->fsb = val;
    if (at == REG_CONFIG) write_config(h, val);
    if (at == REG_STATUS) write_status(h, val);
    if (at == REG_COUNTER) write_counter(h, val);
}

static uint64_t hpet_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)range, (void)size;
    return read_register((struct hpet *)d, (unsigned)offset & ~7u) >> 8 * (offset & 7);
}

/* "Memory Mapped Registers": accesses are of 4 or 8 bytes and aligned; others do nothing. */
static void hpet_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct hpet *h = (struct hpet *)d;
    (void)range;
    if (size < 4 || offset & (size - 1)) return;
    unsigned at = (unsigned)offset & ~7u;
    if (size == 8) {
        write_register(h, at, val);
        return;
    }
    unsigned shift = 8 * (offset & 4);
    uint64_t part = 0xFFFFFFFFull << shift, whole = at == REG_STATUS ? 0 : read_register(h, at);
    if (at % TIMER_STRIDE == TIMER_COMPARATOR && timer_at(h, at)) {
        /* a half of the comparator is a half of the period where that is what is written */
        const struct hpet_timer *t = timer_at(h, at);
        if ((t->config & TN_PERIODIC) && !(t->config & TN_SET_VALUE)) whole = t->period;
        if (shift && (t->config & TN_32BIT)) return;
    }
    write_register(h, at, (whole & ~part) | (val << shift & part));
}

static void hpet_reset(struct device *d) {
    struct hpet *h = (struct hpet *)d;
    h->config = h->status = h->counter = 0;
    machine_replace_timers(d->machine, false);
    for (unsigned n = 0; n < TIMERS; n++) {
        struct hpet_timer *t = &h->t[n];
        release(t);
        timer_cancel(d->machine, &t->timer);
        t->config = TN_CAPABLE;
        t->comparator = ~0ull;
        t->period = t->fsb = 0;
    }
}

static const struct device_ops hpet_ops = {.name = "HPET", .reset = hpet_reset, .read = hpet_read, .write = hpet_write};

struct device *hpet_create(struct machine *m) {
    struct hpet *h = device_alloc(m, sizeof *h, &hpet_ops);
    if (!h) return NULL;
    for (unsigned n = 0; n < TIMERS; n++) {
        h->t[n].hpet = h;
        h->t[n].line = -1;
        timer_init(&h->t[n].timer, expired, &h->t[n]);
    }
    machine_map_mmio(m, &h->dev, 0, HPET_BASE, HPET_SIZE);
    return &h->dev;
}
