/* Exit port F4H: a write ends the run. The command's exit status is (value << 1) | 1, as with QEMU's isa-debug-exit. */
#include "sim/dev/dev.h"

#define EXIT_PORT 0xF4

static uint64_t exitport_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)d, (void)range, (void)offset, (void)size;
    return 0;
}

static void exitport_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    (void)range, (void)offset, (void)size;
    if (d->machine->stop == STOP_NONE) d->machine->exit_status = (int)(uint32_t)val;
    machine_stop(d->machine, STOP_EXIT_PORT);
}

static const struct device_ops exitport_ops = {
    .name = "exit port", .read = exitport_read, .write = exitport_write, .port_width = 4};

struct device *exitport_create(struct machine *m) {
    struct device *d = device_alloc(m, sizeof *d, &exitport_ops);
    if (d) machine_map_ports(m, d, 0, EXIT_PORT, 4);
    return d;
}
