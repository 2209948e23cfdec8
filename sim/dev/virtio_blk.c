/* Virtio block device: virtio 1.2, "Block Device". A queue for each CPU. A request is done as a whole when its turn has
 * come, so no state outlives it. */
#include "sim/dev/virtio_devices.h"

#include <stdio.h>
#include <string.h>

#include "sim/machine/bytes.h"

/* "Feature bits" */
enum {
    BLK_F_SIZE_MAX = 1 << 1,
    BLK_F_SEG_MAX = 1 << 2,
    BLK_F_RO = 1 << 5,
    BLK_F_BLK_SIZE = 1 << 6,
    BLK_F_FLUSH = 1 << 9,
    BLK_F_TOPOLOGY = 1 << 10,
    BLK_F_MQ = 1 << 12,
    BLK_F_DISCARD = 1 << 13,
    BLK_F_WRITE_ZEROES = 1 << 14
};
/* "Device configuration layout" */
enum {
    CONFIG_CAPACITY = 0,
    CONFIG_SIZE_MAX = 8,
    CONFIG_SEG_MAX = 12,
    CONFIG_BLK_SIZE = 20,
    CONFIG_OPT_IO_SIZE = 28,
    CONFIG_NUM_QUEUES = 34,
    CONFIG_MAX_DISCARD_SECTORS = 36,
    CONFIG_MAX_DISCARD_SEG = 40,
    CONFIG_DISCARD_ALIGNMENT = 44,
    CONFIG_MAX_ZEROES_SECTORS = 48,
    CONFIG_MAX_ZEROES_SEG = 52,
    CONFIG_ZEROES_MAY_UNMAP = 56,
    CONFIG_SIZE = 60
};
/* "Device Operation" */
enum blk_type {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13
};
enum blk_status { BLK_S_OK, BLK_S_IOERR, BLK_S_UNSUPP };
#define HEADER_SIZE       16
#define ID_SIZE           20
#define RANGE_SIZE        16 /* a segment of discard and write zeroes */
#define RANGE_UNMAP       1u
#define MAX_RANGES        16
#define MAX_RANGE_SECTORS (64u << 11) /* of one range: 64 MiB */
#define BUFFER_SECTORS    128u
#define SEGMENT_MAX       (1u << 20)
#define SEGMENTS_MAX      (VIRTIO_QUEUE_SIZE - 2)
#define MAX_QUEUES        8
#define OPTIMAL_SECTORS   128

struct blk {
    struct virtio v;
    struct disk *disk; /* borrowed */
    char id[ID_SIZE];
    uint8_t buf[BUFFER_SECTORS * DISK_SECTOR];
};

/* What is left to do of a request */
struct request {
    struct blk *b;
    const struct virtio_chain *c;
    uint64_t sector, off; /* off: in the readable or writable part */
    uint64_t bytes;
};

static bool in_disk(const struct blk *b, uint64_t sector, uint64_t count) {
    uint64_t size = disk_sectors(b->disk);
    return sector <= size && count <= size - sector;
}

/* Move all of it through the buffer. */
static enum blk_status transfer(struct request *r, bool to_disk) {
    struct blk *b = r->b;
    if (r->bytes % DISK_SECTOR || !in_disk(b, r->sector, r->bytes / DISK_SECTOR)) return BLK_S_IOERR;
    if (to_disk && disk_read_only(b->disk)) return BLK_S_IOERR;
    while (r->bytes) {
        uint32_t n = r->bytes < sizeof b->buf ? (uint32_t)r->bytes : (uint32_t)sizeof b->buf;
        uint32_t count = n / DISK_SECTOR;
        if (to_disk ? !virtio_read(&b->v, r->c, r->off, b->buf, n) : !disk_read(b->disk, r->sector, count, b->buf))
            return BLK_S_IOERR;
        if (to_disk ? !disk_write(b->disk, r->sector, count, b->buf) : !virtio_write(&b->v, r->c, r->off, b->buf, n))
            return BLK_S_IOERR;
        r->sector += count;
        r->off += n;
        r->bytes -= n;
    }
    return BLK_S_OK;
}

static enum blk_status write_zeroes(struct blk *b, uint64_t sector, uint32_t count) {
    memset(b->buf, 0, sizeof b->buf);
    while (count) {
        uint32_t n = count < BUFFER_SECTORS ? count : BUFFER_SECTORS;
        if (!disk_write(b->disk, sector, n, b->buf)) return BLK_S_IOERR;
        sector += n;
        count -= n;
    }
    return BLK_S_OK;
}

/* What is discarded keeps its contents, as it may. */
static enum blk_status ranges(struct blk *b, struct virtio_chain *c, enum blk_type type) {
    uint64_t bytes = c->out - HEADER_SIZE;
    const uint32_t allowed = type == BLK_T_WRITE_ZEROES ? RANGE_UNMAP : 0;
    if (bytes % RANGE_SIZE || bytes / RANGE_SIZE > MAX_RANGES) return BLK_S_IOERR;
    enum blk_status status = disk_read_only(b->disk) ? BLK_S_IOERR : BLK_S_OK;
    for (uint64_t off = HEADER_SIZE; off < c->out && status == BLK_S_OK; off += RANGE_SIZE) {
        uint8_t raw[RANGE_SIZE];
        if (!virtio_read(&b->v, c, off, raw, sizeof raw)) return BLK_S_IOERR;
        uint32_t count = get32(raw + 8);
        if (get32(raw + 12) & ~allowed) {
            status = BLK_S_UNSUPP;
        } else if (count > MAX_RANGE_SECTORS || !in_disk(b, get64(raw), count)) {
            status = BLK_S_IOERR;
        } else if (type == BLK_T_WRITE_ZEROES) {
            status = write_zeroes(b, get64(raw), count);
            c->besides += (uint64_t)count * DISK_SECTOR;
        }
    }
    return status;
}

static enum blk_status get_id(struct request *r) {
    uint32_t n = r->bytes < ID_SIZE ? (uint32_t)r->bytes : ID_SIZE;
    if (!virtio_write(&r->b->v, r->c, 0, r->b->id, n)) return BLK_S_IOERR;
    r->off = n;
    return BLK_S_OK;
}

static uint32_t blk_serve(struct virtio *v, unsigned n, struct virtio_chain *c) {
    struct blk *b = (struct blk *)v;
    uint8_t header[HEADER_SIZE], status = BLK_S_UNSUPP;
    (void)n;
    if (!c->in) virtio_break(v); /* no room for the status */
    if (!c->in || !virtio_read(v, c, 0, header, sizeof header)) return 0;
    struct request r = {.b = b, .c = c, .sector = get64(header + 8), .bytes = c->in - 1};
    const enum blk_type type = (enum blk_type)get32(header);
    switch (type) {
    case BLK_T_IN:
        status = transfer(&r, false);
        break;
    case BLK_T_OUT:
        r.off = HEADER_SIZE;
        r.bytes = c->out - HEADER_SIZE;
        status = transfer(&r, true);
        r.off = 0;
        break;
    case BLK_T_FLUSH:
        status = disk_flush(b->disk) ? BLK_S_OK : BLK_S_IOERR;
        break;
    case BLK_T_GET_ID:
        status = get_id(&r);
        break;
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES:
        status = ranges(b, c, type);
        break;
    }
    virtio_write(v, c, c->in - 1, &status, 1);
    return (uint32_t)(r.off == c->in - 1 ? c->in : r.off); /* written without a gap */
}

static const struct device_ops blk_dev = {.name = "virtio-blk",
                                          .reset = virtio_dev_reset,
                                          .destroy = virtio_dev_destroy,
                                          .read = virtio_dev_read,
                                          .write = virtio_dev_write,
                                          .port_width = 4};
/* the time that disk_cycles() takes, too */
static const struct virtio_ops blk_ops = {.serve = blk_serve, .served = ~0u, .latency = 20000, .rate = 2048};

struct device *virtio_blk_create(struct machine *m, struct disk *disk) {
    const unsigned queues = m->cpu_count < MAX_QUEUES ? m->cpu_count : MAX_QUEUES;
    struct virtio_setup setup = {
        .id = VIRTIO_ID_BLOCK, .class_code = 0x010000, .queues = queues, .config_size = CONFIG_SIZE};
    setup.features = BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY | BLK_F_MQ;
    setup.features |= disk_read_only(disk) ? BLK_F_RO : BLK_F_DISCARD | BLK_F_WRITE_ZEROES;
    struct blk *b = virtio_create(m, sizeof *b, &blk_dev, &blk_ops, &setup);
    if (!b) return NULL;
    b->disk = disk;
    snprintf(b->id, sizeof b->id, "hvsim-%02x", b->v.pci.devfn >> 3);
    uint8_t *config = b->v.config;
    put_le(config + CONFIG_CAPACITY, disk_sectors(disk), 8);
    put_le(config + CONFIG_SIZE_MAX, SEGMENT_MAX, 4);
    put_le(config + CONFIG_SEG_MAX, SEGMENTS_MAX, 4);
    put_le(config + CONFIG_BLK_SIZE, DISK_SECTOR, 4);
    put_le(config + CONFIG_OPT_IO_SIZE, OPTIMAL_SECTORS, 4);
    put_le(config + CONFIG_NUM_QUEUES, queues, 2);
    put_le(config + CONFIG_MAX_DISCARD_SECTORS, MAX_RANGE_SECTORS, 4);
    put_le(config + CONFIG_MAX_DISCARD_SEG, MAX_RANGES, 4);
    put_le(config + CONFIG_DISCARD_ALIGNMENT, 1, 4);
    put_le(config + CONFIG_MAX_ZEROES_SECTORS, MAX_RANGE_SECTORS, 4);
    put_le(config + CONFIG_MAX_ZEROES_SEG, MAX_RANGES, 4);
    put_le(config + CONFIG_ZEROES_MAY_UNMAP, 0, 1);
    return &b->v.pci.dev;
}
