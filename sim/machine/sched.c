/* Whose turn it is. One clock for all CPUs: they run one after the other, each for a quantum, and the clock goes on
 * through every turn; so what one CPU wrote before, another sees later, in time stamps too. Timers fire between slices.
 * When every CPU is idle the clock jumps to the next timer. */
#include "sim/core/run.h"
#include "sim/dev/chipset.h"
#include "sim/dev/dev.h"
#include "sim/machine/hostio.h"
#include "sim/machine/internal.h"

#define QUANTUM_ALONE  2000000ull /* cycles; between slices the host's clock and input are looked at */
#define QUANTUM_SHARED 20000ull
#define POLL_CYCLES    1000000ull
/* Timers may go on for ever though no interrupt of theirs gets through (all masked). An hour of it is enough. */
#define IDLE_LIMIT     (3600 * CYCLES_PER_SEC)
/* No jump goes so far that sums of cycles could overflow: a deadline a century away never comes. */
#define CLOCK_END      (1ull << 62)

uint64_t machine_insns(const struct machine *m) {
    uint64_t n = 0;
    for (unsigned i = 0; i < m->cpu_count; i++) n += cpu_icount(m->cpu[i]);
    return n;
}

void machine_stop(struct machine *m, enum stop_reason why) {
    if (m->stop == STOP_NONE) m->stop = why;
    for (unsigned i = 0; i < m->cpu_count; i++) cpu_attention(m->cpu[i], ATTN_STOP);
}

bool machine_others_run(const struct cpu *cpu) {
    const struct machine *m = cpu->machine;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        const struct intr_state *other = &m->cpu[i]->intr;
        if (m->cpu[i] != cpu && (other->activity == ACT_ACTIVE || other->attn)) return true;
    }
    return false;
}

void machine_request_reset(struct machine *m, const char *by) {
    if (m->stop == STOP_NONE) m->reset_by = by;
    machine_stop(m, STOP_RESET);
}

/* Cycles to the next pause that was asked for, at most. */
static uint64_t until_pause(const struct machine *m) {
    uint64_t left = m->pause_cycle ? m->pause_cycle - m->now : ~0ull;
    uint64_t insns = m->pause_insns ? m->pause_insns - machine_insns(m) : ~0ull;
    return insns < left ? insns : left;
}

/* Run one CPU until the slice ends or the next timer is due. unfinished: it was cut for a pause, and the rest of the
 * turn is still the CPU's, so that pauses don't change who runs when. */
static enum run_result run_slice(struct machine *m, struct cpu *cpu, uint64_t quantum, bool *unfinished) {
    if (m->timers && m->timers->due - m->now < quantum) quantum = m->timers->due - m->now;
    if (m->max_insns) {
        uint64_t left = m->max_insns - machine_insns(m); /* an instruction costs at least a cycle */
        if (left < quantum) quantum = left;
    }
    uint64_t pause = until_pause(m);
    bool cut = pause < quantum;
    if (cut) quantum = pause;
    m->running = cpu;
    cpu->time.cycles = m->now;
    const uint64_t end = m->slice_end = m->now + quantum;
    enum run_result r = cpu_run(cpu, (int64_t)quantum);
    m->now = cpu_cycles(cpu);
    m->running = NULL;
    timers_fire(m);
    *unfinished = (cut && m->now >= end) || (m->stop == STOP_PAUSED && r != RUN_IDLE);
    return r;
}

/* Can anything that is still to happen wake a CPU that runs nothing? A halted CPU that has interrupts disabled, outside
 * a guest, hears only NMI, SMI and INIT, and with every CPU idle those come from interrupt lines programmed so. */
static bool can_wake(const struct machine *m) {
    if (lines_send_nmi(m)) return true;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        const struct cpu *cpu = m->cpu[i];
        if (cpu->virt.guest || cpu->intr.activity == ACT_ACTIVE || cpu->intr.activity == ACT_MWAIT) return true;
        if (cpu->intr.activity == ACT_HLT && (cpu->rflags & FLAG_IF)) return true;
    }
    return false;
}

/* Every CPU is idle: how many of so many cycles go by before something happens. */
static uint64_t idle_for(struct machine *m, uint64_t cycles) {
    if (m->pause_cycle && m->pause_cycle - m->now < cycles) cycles = m->pause_cycle - m->now;
    if (!m->service.paced) return host_idle(m, cycles);
    uint64_t gone = m->service.serve(m->service.arg, cycles);
    host_poll(m);
    return gone < cycles ? gone : cycles;
}

/* The same when no timer runs; false: nothing will ever happen. */
static bool idle_on(struct machine *m) {
    if (!m->service.paced) return host_wait_input(m);
    uint64_t gone = m->service.serve(m->service.arg, SERVE_FOREVER);
    m->now += gone < CYCLES_PER_SEC ? gone : CYCLES_PER_SEC;
    host_poll(m);
    return true;
}

/* All CPUs are idle: jump to the next timer. */
static void skip_time(struct machine *m) {
    if (can_wake(m) && m->now - m->idle_since <= IDLE_LIMIT) {
        if (m->timers && m->timers->due < CLOCK_END) {
            if (m->timers->due > m->now) m->now += idle_for(m, m->timers->due - m->now);
            timers_fire(m);
            return;
        }
        if (idle_on(m)) return;
    }
    machine_stop(m, STOP_IDLE_FOREVER);
}

/* A pause that was asked for in advance has come. */
static bool pause_reached(const struct machine *m) {
    return (m->pause_insns && machine_insns(m) >= m->pause_insns) || (m->pause_cycle && m->now >= m->pause_cycle);
}

static void between_slices(struct machine *m) {
    if (m->service.serve) m->service.serve(m->service.arg, 0);
    if (pause_reached(m)) machine_stop(m, STOP_PAUSED);
    if (m->interrupted) {
        m->interrupted = 0;
        machine_stop(m, STOP_USER);
    }
    if (m->power_button) {
        m->power_button = 0;
        acpipm_power_button(m->pm);
    }
    if (m->deadline && host_nanoseconds() >= m->deadline) machine_stop(m, STOP_TIMEOUT);
    if (m->max_insns && machine_insns(m) >= m->max_insns) machine_stop(m, STOP_MAX_INSNS);
    if (m->now >= m->poll_due) {
        host_poll(m);
        m->poll_due = m->now + POLL_CYCLES;
    }
}

/* One turn for each CPU, starting with whose turn it is. */
static void run_round(struct machine *m) {
    unsigned idle = 0;
    uint64_t quantum = m->cpu_count == 1 ? QUANTUM_ALONE : QUANTUM_SHARED;
    for (unsigned n = 0; n < m->cpu_count && m->stop == STOP_NONE; n++) {
        struct cpu *cpu = m->cpu[m->turn];
        uint64_t begin = m->now, length = m->turn_left ? m->turn_left : quantum;
        bool unfinished;
        if (run_slice(m, cpu, length, &unfinished) == RUN_IDLE && m->now == begin) idle++;
        m->turn_left = unfinished && m->now - begin < length ? length - (m->now - begin) : 0;
        if (m->turn_left) break;
        m->turn = (m->turn + 1) % m->cpu_count;
        if (m->max_insns && machine_insns(m) >= m->max_insns) return;
    }
    if (idle < m->cpu_count)
        m->idle_since = m->now;
    else if (m->stop == STOP_NONE)
        skip_time(m);
}

enum stop_reason machine_run(struct machine *m) {
    const uint64_t limit = m->timeout_seconds * 1000000000ull;
    if (m->stop != STOP_PAUSED) m->deadline = limit ? host_nanoseconds() + limit : 0; /* else the run goes on */
    if (pause_reached(m)) m->pause_insns = m->pause_cycle = 0; /* for what comes after it another one is asked for */
    m->stop = STOP_NONE;
    for (unsigned i = 0; i < m->cpu_count; i++) m->cpu[i]->intr.attn &= ~(uint32_t)ATTN_STOP;
    timers_fire(m);
    do {
        between_slices(m);
        if (m->stop == STOP_NONE) run_round(m);
        if (m->stop == STOP_RESET && m->by_firmware && !m->no_reboot) machine_reset(m);
    } while (m->stop == STOP_NONE);
    devices_flush(m);
    return m->stop;
}
