/* The local APIC's timer: one-shot, periodic and TSC-deadline. SDM 3, "APIC Timer".
 * Its input clock runs at the rate of the machine's clock: one tick a cycle before division. */
#include "sim/dev/lapic.h"

static unsigned divisor(const struct lapic *l) {
    unsigned code = (l->timer_divide & 3) | (l->timer_divide >> 1 & 4);
    return code == 7 ? 1 : 2u << code;
}

static unsigned mode(const struct lapic *l) { return LVT_TIMER_MODE(l->lvt[0]); }

static uint64_t period(const struct lapic *l) { return (uint64_t)l->timer_initial * divisor(l); }

static void arm(struct lapic *l) {
    struct machine *m = l->cpu->machine;
    timer_cancel(m, &l->timer);
    if (mode(l) == TIMER_DEADLINE) {
        if (!l->deadline) return;
        uint64_t now = machine_now(m), tsc = now + l->cpu->time.tsc_offset;
        uint64_t left = l->deadline <= tsc ? 0 : l->deadline - tsc;
        timer_arm(m, &l->timer, left < ~0ull - now ? now + left : ~0ull);
    } else if (l->timer_initial) {
        timer_arm(m, &l->timer, l->timer_start + period(l));
    }
}

static void expired(void *arg) {
    struct lapic *l = arg;
    struct machine *m = l->cpu->machine;
    if (mode(l) == TIMER_PERIODIC && period(l)) {
        uint64_t missed =
            (machine_now(m) - l->timer_start) / period(l); /* expiries that one pending interrupt stands for */
        l->timer_start += missed * period(l);
        arm(l);
    }
    if (mode(l) == TIMER_DEADLINE) l->deadline = 0;
    lapic_fire_lvt(l, APIC_LVT_TIMER);
}

void lapic_timer_init(struct lapic *l) { timer_init(&l->timer, expired, l); }

void lapic_timer_reset(struct lapic *l) {
    timer_cancel(l->cpu->machine, &l->timer);
    l->timer_initial = l->timer_divide = 0;
    l->timer_start = l->deadline = 0;
}

uint32_t lapic_timer_current(const struct lapic *l) {
    if (mode(l) == TIMER_DEADLINE || !l->timer_initial) return 0;
    uint64_t gone = (machine_now(l->cpu->machine) - l->timer_start) / divisor(l);
    if (mode(l) == TIMER_PERIODIC) return (uint32_t)(l->timer_initial - gone % l->timer_initial);
    return gone >= l->timer_initial ? 0 : (uint32_t)(l->timer_initial - gone);
}

void lapic_timer_write_initial(struct lapic *l, uint32_t val) {
    if (mode(l) == TIMER_DEADLINE) return; /* "writes to the initial-count register are ignored" */
    l->timer_initial = val;
    l->timer_start = machine_now(l->cpu->machine);
    arm(l);
}

/* The count goes on from where it is at the new rate. */
void lapic_timer_write_divide(struct lapic *l, uint32_t val) {
    uint64_t now = machine_now(l->cpu->machine), done = (now - l->timer_start) / divisor(l);
    bool running = l->timer.armed && mode(l) != TIMER_DEADLINE;
    l->timer_divide = val & 0xB;
    if (!running) return;
    l->timer_start = now - done * divisor(l);
    arm(l);
}

void lapic_timer_write_lvt(struct lapic *l, uint32_t val) {
    unsigned before = mode(l);
    l->lvt[0] = val;
    if (mode(l) == before) return;
    if (mode(l) == TIMER_DEADLINE ||
        before == TIMER_DEADLINE) { /* "transitioning between TSC-deadline mode and other timer modes disarms" */
        l->timer_initial = 0;
        l->deadline = 0;
        timer_cancel(l->cpu->machine, &l->timer);
    } else if (l->timer.armed) {
        arm(l);
    }
}

void lapic_tsc_changed(struct cpu *cpu) {
    if (lapic_get_deadline(cpu)) arm(cpu->lapic);
}

uint64_t lapic_get_deadline(struct cpu *cpu) { return mode(cpu->lapic) == TIMER_DEADLINE ? cpu->lapic->deadline : 0; }

void lapic_set_deadline(struct cpu *cpu, uint64_t tsc) {
    struct lapic *l = cpu->lapic;
    if (mode(l) != TIMER_DEADLINE) return;
    l->deadline = tsc;
    arm(l);
}
