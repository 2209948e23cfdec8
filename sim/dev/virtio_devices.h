/* The virtio devices, and how the board makes them. NULL: out of memory, no slot is free, or err says why. */
#ifndef HVSIM_DEV_VIRTIO_DEVICES_H
#define HVSIM_DEV_VIRTIO_DEVICES_H

#include "sim/dev/disk.h"
#include "sim/dev/virtio.h"

struct device *virtio_blk_create(struct machine *m, struct disk *disk); /* the disk is borrowed */
struct device *virtio_rng_create(struct machine *m, uint64_t seed);
#define VIRTIO_CONSOLE_PORTS 4
/* One device with a console for each sink */
struct device *virtio_console_create(struct machine *m, const struct sink_config *out, unsigned ports, char *err,
                                     size_t err_size);
/* With a network in user mode behind it; `options` as for net_user_create() */
struct device *virtio_net_create(struct machine *m, const char *options, char *err, size_t err_size);

#endif
