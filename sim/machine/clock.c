/* The virtual clock and the timers that are due on it. */
#include "sim/machine/internal.h"

uint64_t machine_now(const struct machine *m) { return m->running ? cpu_cycles(m->running) : m->now; }

/* A timer came before the end of the running CPU's slice: take the cycles behind it away, from what is set aside first.
 */
static void shorten_slice(struct machine *m, uint64_t due) {
    struct cpu *cpu = m->running;
    if (!cpu || due >= m->slice_end) return;
    uint64_t now = cpu_cycles(cpu);
    if (due < now) due = now;
    if (due >= m->slice_end) return;
    int64_t cut = (int64_t)(m->slice_end - due);
    int64_t from_stolen = cut < cpu->time.stolen ? cut : cpu->time.stolen;
    cpu->time.stolen -= from_stolen;
    cpu->budget -= cut - from_stolen;
    cpu->time.budget_start -= cut;
    m->slice_end = due;
}

void timer_init(struct timer *t, event_fn *fn, void *arg) { *t = (struct timer){.fn = fn, .arg = arg}; }

void timer_cancel(struct machine *m, struct timer *t) {
    if (!t->armed) return;
    for (struct timer **p = &m->timers; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    t->armed = false;
}

void timer_arm(struct machine *m, struct timer *t, uint64_t due) {
    timer_cancel(m, t);
    struct timer **p = &m->timers;
    while (*p && (*p)->due <= due) p = &(*p)->next;
    t->due = due;
    t->next = *p;
    t->armed = true;
    *p = t;
    shorten_slice(m, due);
}

void timers_fire(struct machine *m) {
    while (m->timers && m->timers->due <= m->now) {
        struct timer *t = m->timers;
        m->timers = t->next;
        t->armed = false;
        t->fn(t->arg);
    }
}
