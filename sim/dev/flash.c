/* NOR flash with the Intel command set, as firmware keeps its variables in: Common Flash Interface (JEDEC JESD68.01)
 * and Intel's basic command set (0001H). Blocks of 4 KiB, 8 bits wide. Programming clears bits, erasing sets them.
 * Clearing the status register clears the ready bit, too, until the next operation: firmware made for QEMU tells flash
 * from ROM by it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/dev/dev.h"

#define BLOCK 0x1000u

enum flash_command {
    CMD_PROGRAM = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM_ALTERNATE = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_ERASE_CONFIRM = 0xD0,
    CMD_READ_ARRAY = 0xFF,
};
enum { STATUS_READY = 0x80, STATUS_ERASE_ERROR = 0x20, STATUS_PROGRAM_ERROR = 0x10 };

struct flash {
    struct device dev;
    uint8_t *data; /* the machine's memory */
    uint64_t size;
    uint8_t mode;    /* what reads give: CMD_READ_ARRAY, CMD_READ_STATUS, CMD_READ_ID or CMD_QUERY */
    uint8_t pending; /* the command whose second write is awaited, or 0 */
    uint8_t status;
    bool changed;
    char *path; /* where changes are kept; NULL: nowhere */
};

/* "CFI Query Identification String" and what follows it: one region of 4 KiB blocks */
static uint8_t query(const struct flash *f, uint64_t at) {
    unsigned log = 0;
    while (1ull << log < f->size) log++;
    uint64_t blocks = f->size / BLOCK - 1;
    switch (at) {
    case 0x10:
        return 'Q';
    case 0x11:
        return 'R';
    case 0x12:
        return 'Y';
    case 0x13:
        return 0x01;
    case 0x27:
        return (uint8_t)log;
    case 0x2C:
        return 1;
    case 0x2D:
        return (uint8_t)blocks;
    case 0x2E:
        return (uint8_t)(blocks >> 8);
    case 0x2F: /* in units of 256 bytes */
        return BLOCK >> 8;
    default:
        return 0;
    }
}

static uint8_t read_byte(const struct flash *f, uint64_t at) {
    switch (f->mode) {
    case CMD_READ_STATUS:
        return f->status;
    case CMD_READ_ID: /* manufacturer Intel, a device of 8 bits */
        return (at & 0xFF) == 0 ? 0x89 : (at & 0xFF) == 1 ? 0x18 : 0;
    case CMD_QUERY:
        return query(f, at & 0xFF);
    default:
        return at < f->size ? f->data[at] : 0xFF;
    }
}

static uint64_t flash_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    const struct flash *f = (struct flash *)d;
    uint64_t val = 0;
    (void)range;
    for (unsigned i = 0; i < size; i++) val |= (uint64_t)read_byte(f, offset + i) << 8 * i;
    return val;
}

static void start(struct flash *f, uint8_t command) {
    switch (command) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALTERNATE:
    case CMD_ERASE:
        f->pending = command;
        f->mode = CMD_READ_STATUS;
        break;
    case CMD_CLEAR_STATUS:
        f->status = 0;
        break;
    case CMD_READ_STATUS:
    case CMD_READ_ID:
    case CMD_QUERY:
        f->mode = command;
        break;
    default:
        f->mode = CMD_READ_ARRAY;
        break;
    }
}

static void finish(struct flash *f, uint64_t at, uint8_t val) {
    bool erase = f->pending == CMD_ERASE;
    f->pending = 0;
    f->status |= STATUS_READY;
    if (erase && val != CMD_ERASE_CONFIRM) {
        f->status |= STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR; /* "command sequence error" */
        return;
    }
    f->changed = true;
    if (erase)
        memset(f->data + (at & ~(uint64_t)(BLOCK - 1)), 0xFF, BLOCK);
    else
        f->data[at] &= val;
}

static void flash_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct flash *f = (struct flash *)d;
    (void)range;
    for (unsigned i = 0; i < size && offset + i < f->size; i++) {
        uint8_t byte = (uint8_t)(val >> 8 * i);
        if (f->pending)
            finish(f, offset + i, byte);
        else
            start(f, byte);
    }
}

static void flash_reset(struct device *d) {
    struct flash *f = (struct flash *)d;
    f->mode = CMD_READ_ARRAY;
    f->pending = 0;
    f->status = STATUS_READY;
}

/* Written beside the file and renamed, so that the old contents stay whole until the new ones are. */
static bool save(const struct flash *f) {
    char *beside = NULL;
    if (asprintf(&beside, "%s.XXXXXX", f->path) < 0) return false;
    int fd = mkstemp(beside);
    struct stat old;
    bool ok = fd >= 0 && fchmod(fd, stat(f->path, &old) == 0 ? old.st_mode & 0777 : 0644) == 0;
    for (uint64_t done = 0; ok && done < f->size;) {
        ssize_t n = write(fd, f->data + done, f->size - done);
        ok = n > 0;
        done += ok ? (uint64_t)n : 0;
    }
    ok = ok && fsync(fd) == 0 && rename(beside, f->path) == 0;
    int why = errno;
    if (fd >= 0) close(fd);
    if (fd >= 0 && !ok) unlink(beside);
    free(beside);
    errno = why;
    return ok;
}

static void flash_destroy(struct device *d) {
    struct flash *f = (struct flash *)d;
    if (f->path && f->changed && !save(f))
        fprintf(stderr, "hvsim: %s: the firmware's variables cannot be written: %s\n", f->path, strerror(errno));
    free(f->path);
}

static const struct device_ops flash_ops = {
    .name = "flash", .reset = flash_reset, .destroy = flash_destroy, .read = flash_read, .write = flash_write};

struct device *flash_create(struct machine *m, uint64_t base, const void *data, uint64_t size, const char *path) {
    uint8_t *memory = machine_alloc_memory(m, size);
    struct flash *f = memory ? device_alloc(m, sizeof *f, &flash_ops) : NULL;
    if (!f) return NULL;
    if (path && !(f->path = strdup(path))) return NULL;
    memcpy(memory, data, size);
    f->data = memory;
    f->size = size;
    flash_reset(&f->dev);
    machine_map_mmio(m, &f->dev, 0, base, size); /* reads depend on the mode, and nobody runs code here */
    return &f->dev;
}
