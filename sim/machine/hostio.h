/* What comes from the host while the machine runs: standard input, the network. It is looked at between slices and,
 * when every CPU is idle, waited for. Nothing else of the host's time is ever visible to a guest. */
#ifndef HVSIM_MACHINE_HOSTIO_H
#define HVSIM_MACHINE_HOSTIO_H

#include <poll.h>

#include "sim/machine/machine.h"

#define HOST_FDS 128

/* What the devices wait for: their device_ops.host_wait() adds to it. */
struct host_wait {
    struct pollfd fd[HOST_FDS];
    unsigned count;
    bool live;     /* somebody at the other end lives in real time: an idle machine takes as long as it says */
    uint64_t most; /* nanoseconds after which a device wants to be polled anyway */
};
/* Its place in `fd`; -1: there is no room. */
int host_wait_add(struct host_wait *w, int fd, short events);

void host_poll(struct machine *m);
/* The machine is idle for so many cycles. Returns how many to skip: fewer when something came before. */
uint64_t host_idle(struct machine *m, uint64_t cycles);
/* It is idle until something comes, and waits a little. false: nothing can come. */
bool host_wait_input(struct machine *m);
uint64_t host_nanoseconds(void);

/* Standard input: the first device of a machine whose output is standard output has it. */
struct input {
    bool on; /* more may come */
};
void input_open(struct input *in, struct machine *m, const struct sink_config *out);
/* Up to `max` bytes that are there now */
size_t input_read(struct input *in, void *buf, size_t max);
void input_wait(const struct input *in, struct host_wait *w);

#endif
