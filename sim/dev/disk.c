/* Disk images: opening, recognizing the format, sectors from the file or from the layer over it. */
#include "sim/dev/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/dev/disk_internal.h"

struct disk {
    char *path;
    uint64_t size, sectors; /* of the image in bytes; of the disk */
    int fd;                 /* holds the lock, too */
    bool is_nbd, writable, read_only, complained;
    bool guessed_raw; /* nobody said that the image is raw */
    struct nbd_image nbd;
    struct overlay overlay;
};

/* ---- formats ---- */

#define HEAD 1024u
#define TAIL 512u /* some formats have their header at the end */

/* What image formats begin with, as their specifications have it; `name` is qemu-nbd's. */
static const struct {
    const char *name;
    bool at_end; /* in the last 512 bytes */
    uint16_t offset, size;
    const char *magic;
} formats[] = {
    {"qcow2",     false, 0,    4,  "QFI\xFB"               },
    {"qed",       false, 0,    4,  "QED"                   },
    {"vmdk",      false, 0,    4,  "KDMV"                  },
    {"vmdk",      false, 0,    4,  "COWD"                  },
    {"vmdk",      false, 0,    21, "# Disk DescriptorFile" },
    {"vdi",       false, 0x40, 4,  "\x7F\x10\xDA\xBE"      },
    {"vhdx",      false, 0,    8,  "vhdxfile"              },
    {"vpc",       false, 0,    8,  "conectix"              },
    {"vpc",       true,  0,    8,  "conectix"              },
    {"parallels", false, 0,    16, "WithoutFreeSpace"      },
    {"parallels", false, 0,    16, "WithouFreSpacExt"      },
    {"bochs",     false, 0,    22, "Bochs Virtual HD Image"},
    {"dmg",       true,  0,    4,  "koly"                  },
};

/* head: HEAD bytes; tail: TAIL bytes or NULL */
static const char *recognize(const uint8_t *head, const uint8_t *tail) {
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const uint8_t *in = formats[i].at_end ? tail : head;
        if (in && !memcmp(in + formats[i].offset, formats[i].magic, formats[i].size)) return formats[i].name;
    }
    return "raw";
}

static const char *recognize_file(int fd, uint64_t size) {
    uint8_t head[HEAD] = {0}, tail[TAIL] = {0};
    if (pread(fd, head, sizeof head, 0) < 0) return "raw"; /* the first read of the guest says so again */
    bool has_tail = size >= TAIL && pread(fd, tail, TAIL, (off_t)(size - TAIL)) == TAIL;
    return recognize(head, has_tail ? tail : NULL);
}

const char *disk_format(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *format = fd >= 0 && fstat(fd, &st) == 0 ? recognize_file(fd, (uint64_t)st.st_size) : "raw";
    if (fd >= 0) close(fd);
    return format;
}

/* ---- opening ---- */

static bool fail(char *err, size_t size, const char *path, const char *what, const char *why) {
    snprintf(err, size, "%s: %s%s%s", path, what, why ? ": " : "", why ? why : "");
    return false;
}

/* Not every file system has locks: who only reads goes without. */
static bool lock(const struct disk *d, const char *path, char *err, size_t size) {
    if (flock(d->fd, (d->writable ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return d->writable ? fail(err, size, path, "cannot lock it", strerror(errno)) : true;
    return fail(
        err, size, path,
        d->writable
            ? "the image is in use, by another process or because it is given twice; with --writable only one can"
            : "another process writes to the image",
        NULL);
}

static bool open_file(struct disk *d, const struct disk_options *o, char *err, size_t size) {
    struct stat st;
    d->fd = open(o->path, (d->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0)
        return fail(err, size, o->path, d->writable ? "cannot open it for writing" : "cannot open it", strerror(errno));
    if (fstat(d->fd, &st) != 0) return fail(err, size, o->path, "cannot look at it", strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return fail(err, size, o->path, "expected a disk image: a file or a block device", NULL);
    if (!lock(d, o->path, err, size)) return false;
    off_t end = lseek(d->fd, 0, SEEK_END);
    if (end < 0) return fail(err, size, o->path, "cannot find its size", strerror(errno));
    d->size = (uint64_t)end;
    return true;
}

static bool open_image(struct disk *d, const struct disk_options *o, char *err, size_t size) {
    if (!open_file(d, o, err, size)) return false;
    const char *format = o->format ? o->format : recognize_file(d->fd, d->size);
    d->guessed_raw = !o->format;
    d->is_nbd = strcmp(format, "raw") != 0;
    if (d->is_nbd && !nbd_image_open(&d->nbd, o->path, format, d->writable, &d->size, err, size)) return false;
    if (!d->size)
        return fail(err, size, o->path, "the image is empty; expected at least one sector of 512 bytes", NULL);
    if (d->writable && d->size % DISK_SECTOR)
        return fail(err, size, o->path, "--writable needs an image whose size is a multiple of 512 bytes", NULL);
    d->sectors = d->size / DISK_SECTOR + (d->size % DISK_SECTOR != 0);
    return true;
}

struct disk *disk_open(const struct disk_options *o, char *err, size_t err_size) {
    struct disk *d = calloc(1, sizeof *d);
    fail(err, err_size, o->path, "out of memory", NULL);
    if (!d) return NULL;
    d->fd = -1;
    d->read_only = o->read_only;
    d->writable = o->writable && !o->read_only;
    d->path = strdup(o->path);
    if (d->path && open_image(d, o, err, err_size)) return d;
    d->writable = false; /* nothing was written, and there may be nothing to flush it to */
    disk_close(d);
    return NULL;
}

void disk_close(struct disk *d) {
    if (!d) return;
    if (d->sectors) disk_flush(d); /* it was opened */
    nbd_image_close(&d->nbd);
    if (d->fd >= 0) close(d->fd);
    overlay_free(&d->overlay);
    free(d->path);
    free(d);
}

uint64_t disk_sectors(const struct disk *d) { return d->sectors; }
bool disk_read_only(const struct disk *d) { return d->read_only; }
const char *disk_path(const struct disk *d) { return d->path; }
uint64_t disk_hash(const struct disk *d) { return overlay_hash(&d->overlay); }

/* ---- the image ---- */

static int file_read(const struct disk *d, uint64_t offset, size_t size, uint8_t *buf) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(d->fd, buf + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return ENODATA; /* it was longer when it was opened */
        done += (size_t)n;
    }
    return 0;
}

static int file_write(const struct disk *d, uint64_t offset, size_t size, const uint8_t *buf) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(d->fd, buf + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : ENOSPC;
        done += (size_t)n;
    }
    return 0;
}

/* Said once for each disk, for the guest is told each time. */
static bool result(struct disk *d, const char *what, uint64_t sector, int error) {
    if (error && !d->complained)
        fprintf(stderr, "hvsim: %s: cannot %s sector %llu: %s\n", d->path, what, (unsigned long long)sector,
                strerror(error));
    d->complained |= error != 0;
    return !error;
}

/* The part of the last sector that is beyond the end of the image reads as zeros. */
static bool image_read(struct disk *d, uint64_t sector, uint32_t count, uint8_t *buf) {
    uint64_t offset = sector * DISK_SECTOR;
    size_t size = (size_t)count * DISK_SECTOR, have = size;
    if (d->size - offset < size) have = (size_t)(d->size - offset);
    memset(buf + have, 0, size - have);
    return result(d, "read", sector,
                  d->is_nbd ? nbd_image_read(&d->nbd, offset, have, buf) : file_read(d, offset, have, buf));
}

/* A raw image that nobody declared raw must not begin like another format: who opens it the next time would take it for
 * one, and such a header can name any file of the host. */
static bool would_change_format(const struct disk *d, uint64_t sector, uint32_t count, const uint8_t *buf) {
    uint8_t head[HEAD] = {0};
    if (!d->guessed_raw || d->is_nbd) return false;
    bool last = sector + count == d->sectors;
    if (sector == 0) memcpy(head, buf, DISK_SECTOR);
    return (sector == 0 || last) &&
           strcmp(recognize(head, last ? buf + (size_t)(count - 1) * DISK_SECTOR : NULL), "raw");
}

static bool image_write(struct disk *d, uint64_t sector, uint32_t count, const uint8_t *buf) {
    uint64_t offset = sector * DISK_SECTOR;
    size_t size = (size_t)count * DISK_SECTOR;
    if (would_change_format(d, sector, count, buf))
        return result(d, "turn into another format, by writing", sector, EPERM);
    return result(d, "write", sector,
                  d->is_nbd ? nbd_image_write(&d->nbd, offset, size, buf) : file_write(d, offset, size, buf));
}

/* ---- sectors ---- */

static bool inside(const struct disk *d, uint64_t sector, uint32_t count) {
    return sector <= d->sectors && count <= d->sectors - sector;
}

bool disk_read(struct disk *d, uint64_t sector, uint32_t count, void *buf) {
    uint8_t *to = buf;
    if (!inside(d, sector, count)) return false;
    if (!d->overlay.places) return !count || image_read(d, sector, count, to);
    while (count) {
        const uint8_t *data;
        uint32_t n = overlay_find(&d->overlay, sector, count, &data);
        if (data)
            memcpy(to, data, (size_t)n * DISK_SECTOR);
        else if (!image_read(d, sector, n, to))
            return false;
        sector += n, count -= n, to += (size_t)n * DISK_SECTOR;
    }
    return true;
}

bool disk_write(struct disk *d, uint64_t sector, uint32_t count, const void *buf) {
    if (d->read_only || !inside(d, sector, count)) return false;
    if (!count) return true;
    if (d->writable) return image_write(d, sector, count, buf);
    return result(d, "keep in memory", sector, overlay_write(&d->overlay, sector, count, buf) ? 0 : ENOMEM);
}

bool disk_flush(struct disk *d) {
    if (!d->writable) return true;
    int error = d->is_nbd ? nbd_image_flush(&d->nbd) : fdatasync(d->fd) ? errno : 0;
    return result(d, "flush, last at", 0, error == EINVAL ? 0 : error); /* EINVAL: nothing to flush there */
}
