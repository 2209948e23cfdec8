/* Inside disk*.c: what an image is read through, and the layer over it. */
#ifndef HVSIM_DEV_DISK_INTERNAL_H
#define HVSIM_DEV_DISK_INTERNAL_H

#include <sys/types.h>

#include "sim/dev/disk.h"

#define CHUNK_SECTORS 128u /* 64 KiB */

/* Written sectors, by chunk number: an open-addressed hash table that grows. */
struct chunk {
    uint64_t number;
    uint64_t written[CHUNK_SECTORS / 64];
    uint8_t *data; /* NULL: a free place of the table */
};
struct overlay {
    struct chunk *chunk;
    size_t places, used; /* a power of two, or 0 */
};
void overlay_free(struct overlay *o);
bool overlay_write(struct overlay *o, uint64_t sector, uint32_t count, const uint8_t *buf); /* false: no memory */
/* How many of [sector, sector + count), from the first on, are alike; *data: where they are, NULL: in the image. They
 * lie in one chunk. */
uint32_t overlay_find(const struct overlay *o, uint64_t sector, uint32_t count, const uint8_t **data);
uint64_t overlay_hash(const struct overlay *o);

/* A qemu-nbd child that reads and writes the image. */
struct nbd_image {
    struct nbd_handle *handle;
    pid_t child;
};
bool nbd_image_open(struct nbd_image *n, const char *path, const char *format, bool writable, uint64_t *size, char *err,
                    size_t err_size);
void nbd_image_close(struct nbd_image *n);
/* 0, or what errno would be. Offsets and sizes in bytes. */
int nbd_image_read(struct nbd_image *n, uint64_t offset, size_t size, void *buf);
int nbd_image_write(struct nbd_image *n, uint64_t offset, size_t size, const void *buf);
int nbd_image_flush(struct nbd_image *n);

#endif
