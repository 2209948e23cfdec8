/* Waiting for the host. */
#include "sim/machine/hostio.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MOST   CYCLES_PER_SEC /* of an idle machine, so that its time limit and signals are looked at */
#define PATIENCE_MS 100            /* how long an idle machine without timers waits before it looks for signals again */

_Static_assert(CYCLES_PER_SEC == 1000000000, "a cycle is a nanosecond");

uint64_t host_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int host_wait_add(struct host_wait *w, int fd, short events) {
    if (w->count == HOST_FDS) return -1;
    w->fd[w->count] = (struct pollfd){.fd = fd, .events = events};
    return (int)w->count++;
}

void host_poll(struct machine *m) {
    fflush(stdout); /* who watches sees what there is */
    for (unsigned i = 0; i < m->device_count; i++)
        if (m->devices[i]->ops->host_poll) m->devices[i]->ops->host_poll(m->devices[i]);
}

static void gather(struct machine *m, struct host_wait *w) {
    w->count = 0;
    w->live = false;
    w->most = WAIT_MOST;
    for (unsigned i = 0; i < m->device_count; i++)
        if (m->devices[i]->ops->host_wait) m->devices[i]->ops->host_wait(m->devices[i], w);
}

uint64_t host_idle(struct machine *m, uint64_t cycles) {
    struct host_wait w;
    gather(m, &w);
    if (!w.live) return cycles;
    fflush(stdout);
    const uint64_t wait = w.most < cycles ? w.most : cycles, begin = host_nanoseconds();
    struct timespec t = {.tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000)};
    const int ready = ppoll(w.fd, w.count, &t, NULL);
    if (ready == 0 && wait == cycles) return cycles;
    if (ready < 0) return 0; /* a signal, which is looked at between slices */
    host_poll(m);
    const uint64_t passed = ready ? host_nanoseconds() - begin : wait;
    return passed < cycles ? passed : cycles;
}

bool host_wait_input(struct machine *m) {
    struct host_wait w;
    gather(m, &w);
    if (!w.count) return false;
    fflush(stdout);
    if (poll(w.fd, w.count, PATIENCE_MS) > 0) host_poll(m);
    return true;
}

/* ---- standard input ---- */

/* It is of use when it is a terminal, a pipe, a socket or a file; not when it is /dev/null and the like. */
void input_open(struct input *in, struct machine *m, const struct sink_config *out) {
    struct stat st;
    in->on = false;
    if (out->kind != SINK_STDIO || m->stdin_taken || fstat(STDIN_FILENO, &st) != 0) return;
    in->on = m->stdin_taken =
        isatty(STDIN_FILENO) || S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode);
}

size_t input_read(struct input *in, void *buf, size_t max) {
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    if (!in->on || !max || poll(&p, 1, 0) <= 0) return 0;
    ssize_t n = read(STDIN_FILENO, buf, max);
    if (n <= 0) in->on = false; /* its end */
    return n > 0 ? (size_t)n : 0;
}

void input_wait(const struct input *in, struct host_wait *w) {
    if (!in->on) return;
    host_wait_add(w, STDIN_FILENO, POLLIN);
    if (isatty(STDIN_FILENO)) w->live = true;
}
