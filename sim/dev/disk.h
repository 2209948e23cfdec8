/* An opened disk image: sectors of 512 bytes, whatever format the file has. Unless it was opened writable, what the
 * guest writes stays in a layer over the image, in memory, and ends with the machine: the file is never touched.
 *
 * Writable images: each write is handed to the host (or to qemu-nbd) before the guest sees it done, so the end of this
 * process, however it comes, loses nothing that the guest was told is written; disk_flush() puts it on the host's
 * medium, so that it survives the host's end, too. The file is locked (flock) against a second writer, and against
 * readers while there is a writer. */
#ifndef HVSIM_DEV_DISK_H
#define HVSIM_DEV_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_SECTOR 512u

struct disk;
struct machine;
struct machine_config;

struct disk_options {
    const char *path;
    const char *format; /* as qemu-nbd names them: "raw", "qcow2", "vmdk", ...; NULL: by what the file begins with */
    bool writable;      /* writes go to the file */
    bool read_only;     /* nothing is written at all: CD-ROM */
};

/* The format by what the file begins or ends with, as qemu-nbd names it; "raw" when none is recognized. */
const char *disk_format(const char *path);
/* NULL: err says why. An image whose size is no multiple of 512 ends with zeros; it can't be opened writable. */
struct disk *disk_open(const struct disk_options *o, char *err, size_t err_size);
void disk_close(struct disk *d); /* flushes */

uint64_t disk_sectors(const struct disk *d);
bool disk_read_only(const struct disk *d);
const char *disk_path(const struct disk *d);

/* [sector, sector + count). false: outside the disk, read-only, or the host failed; the guest gets its device's error.
 * A failed write may have been done in part. */
bool disk_read(struct disk *d, uint64_t sector, uint32_t count, void *buf);
bool disk_write(struct disk *d, uint64_t sector, uint32_t count, const void *buf);
bool disk_flush(struct disk *d);

/* How long a command takes in virtual time, in cycles: the same on every host. */
static inline uint64_t disk_cycles(uint64_t sectors) { return 20000 + 250 * sectors; }

/* Of what was written over the image: equal for equal writes. */
uint64_t disk_hash(const struct disk *d);

/* The disks of a machine: open those of the configuration, put them into their interfaces. The machine owns them. */
bool drives_create(struct machine *m, const struct machine_config *c, char *err, size_t err_size);
void drives_destroy(struct machine *m);

#endif
