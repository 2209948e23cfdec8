/* ATA commands: the table of them, and reading and writing sectors. ATA/ATAPI Command Set (ACS), "Command
 * Descriptions". */
#include "sim/dev/ata.h"

#include <string.h>

#include "sim/dev/ata_internal.h"

#define STATUS_GOOD  (ATA_STATUS_DRDY | ATA_STATUS_DSC)
#define MULTIPLE_MAX 16u

/* A packet command ends with the interrupt reason in the count register. */
static void tell_reason(struct ata_drive *d) {
    if (d->regs.command == ATA_COMMAND_PACKET) d->regs.count[0] = ATA_REASON_COMMAND | ATA_REASON_TO_HOST;
}

void ata_done(struct ata_drive *d) {
    d->phase = ATA_IDLE;
    d->regs.error = 0;
    d->regs.status = STATUS_GOOD;
    tell_reason(d);
}

void ata_fail(struct ata_drive *d, uint8_t error) {
    d->phase = ATA_IDLE;
    d->regs.error = error;
    d->regs.status = STATUS_GOOD | ATA_STATUS_ERR;
    tell_reason(d);
}

void ata_abort(struct ata_drive *d) { ata_fail(d, ATA_ERROR_ABRT); }

/* "Device Signatures for Normal Output" */
void ata_signature(struct ata_drive *d) {
    struct ata_regs *r = &d->regs;
    memset(r->count, 0, sizeof r->count);
    memset(r->lba, 0, sizeof r->lba);
    r->count[0] = r->lba[0] = 1;
    if (d->is_cdrom) r->lba[1] = 0x14, r->lba[2] = 0xEB;
}

void ata_init(struct ata_drive *d, struct disk *disk, bool cdrom, bool sata, unsigned number) {
    d->disk = disk;
    d->is_cdrom = cdrom;
    d->sata = sata;
    d->number = number;
    d->unit = cdrom ? 2048 : DISK_SECTOR;
    uint64_t per_unit = d->unit / DISK_SECTOR, max = cdrom ? 0xFFFFFFFF : (1ull << 48) - 1;
    d->sectors = disk_sectors(disk) / per_unit + (disk_sectors(disk) % per_unit != 0);
    if (d->sectors > max) d->sectors = max;
    ata_power_on(d);
}

void ata_power_on(struct ata_drive *d) {
    d->multiple = MULTIPLE_MAX;
    d->transfer_mode = 0;
    d->heads = 16;
    d->sectors_per_track = 63;
    d->write_cache = d->look_ahead = d->smart = true;
    memset(&d->cd, 0, sizeof d->cd);
    memset(d->ncq_error, 0, sizeof d->ncq_error);
    d->ncq_error[0] = 0x80; /* no queued command has failed */
    memset(&d->regs, 0, sizeof d->regs);
    ata_reset(d);
}

void ata_reset(struct ata_drive *d) {
    d->phase = ATA_IDLE;
    d->standby = false;
    ata_signature(d);
    d->regs.device = 0;
    d->regs.error = 1; /* "Diagnostic codes": device 0 passed */
    d->regs.status = d->is_cdrom ? 0 : STATUS_GOOD;
    if (d->is_cdrom) atapi_reset(d);
}

/* ---- data ---- */

void ata_reply(struct ata_drive *d, enum ata_phase phase, uint32_t size) {
    d->at = 0;
    d->size = size;
    d->left = 0;
    d->phase = phase;
    if (!d->is_cdrom) d->block = DISK_SECTOR;
    if (!size) ata_done(d);
}

uint64_t ata_left(const struct ata_drive *d) { return (uint64_t)d->left * d->unit + (d->size - d->at); }

static void set_lba(struct ata_regs *r, uint64_t lba) {
    for (unsigned i = 0; i < 6; i++) r->lba[i] = (uint8_t)(lba >> 8 * i);
}

/* How many of the sectors that are left fit into the buffer */
static uint32_t next_piece(const struct ata_drive *d) {
    uint32_t n = ATA_BUFFER / d->unit;
    return d->left < n ? d->left : n;
}

/* A CD-ROM's last sector can be longer than its image. */
static bool read_units(struct ata_drive *d, uint32_t count) {
    uint32_t per_unit = d->unit / DISK_SECTOR, n = count * per_unit;
    uint64_t first = d->sector * per_unit, end = disk_sectors(d->disk);
    if (first + n > end) {
        n = (uint32_t)(end - first);
        memset(d->buffer + (size_t)n * DISK_SECTOR, 0, (size_t)(count * per_unit - n) * DISK_SECTOR);
    }
    return disk_read(d->disk, first, n, d->buffer);
}

static bool refill(struct ata_drive *d) {
    uint32_t n = next_piece(d);
    if (!n) {
        ata_done(d);
        return false;
    }
    if (!read_units(d, n)) {
        set_lba(&d->regs, d->sector);
        if (d->is_cdrom)
            atapi_media_error(d);
        else
            ata_fail(d, ATA_ERROR_UNC);
        return false;
    }
    d->sector += n;
    d->left -= n;
    d->at = 0;
    d->size = n * d->unit;
    return true;
}

bool ata_prepare(struct ata_drive *d) { return ata_to_host(d->phase) && (d->at < d->size || refill(d)); }

size_t ata_pull(struct ata_drive *d, void *buf, size_t size) {
    size_t done = 0;
    while (done < size && ata_prepare(d)) {
        size_t n = d->size - d->at;
        if (n > size - done) n = size - done;
        memcpy((char *)buf + done, d->buffer + d->at, n);
        d->at += (uint32_t)n;
        done += n;
    }
    if (ata_to_host(d->phase) && !ata_left(d)) ata_done(d);
    return done;
}

/* The buffer for the next sectors from the host */
static void expect(struct ata_drive *d) {
    uint32_t n = next_piece(d);
    d->at = 0;
    d->size = n * d->unit;
    d->left -= n;
}

static void drain(struct ata_drive *d) {
    uint32_t n = d->size / DISK_SECTOR;
    if (!disk_write(d->disk, d->sector, n, d->buffer)) {
        set_lba(&d->regs, d->sector);
        ata_fail(d, ATA_ERROR_ABRT);
        return;
    }
    d->sector += n;
    expect(d);
    if (d->size) return;
    if (d->flush_after && !disk_flush(d->disk))
        ata_fail(d, ATA_ERROR_ABRT);
    else
        ata_done(d);
}

size_t ata_push(struct ata_drive *d, const void *buf, size_t size) {
    size_t done = 0;
    while (done < size && (d->phase == ATA_PIO_OUT || d->phase == ATA_DMA_OUT)) {
        size_t n = d->size - d->at;
        if (n > size - done) n = size - done;
        memcpy(d->buffer + d->at, (const char *)buf + done, n);
        d->at += (uint32_t)n;
        done += n;
        if (d->at == d->size) drain(d);
    }
    return done;
}

/* ---- sectors ---- */

enum command_flags { EXT = 1, MULTIPLE = 2, FUA = 4, QUEUED = 8 };

struct command {
    void (*run)(struct ata_drive *d, const struct command *c);
    uint8_t phase, flags;
    bool of_disk, of_cdrom;
};

static uint32_t count_of(const struct ata_drive *d, uint8_t flags) {
    const struct ata_regs *r = &d->regs;
    const uint8_t *field = flags & QUEUED ? r->feature : r->count;
    uint32_t n = flags & EXT ? field[0] | (uint32_t)field[1] << 8 : field[0];
    return n ? n : flags & EXT ? 65536 : 256;
}

/* Where the command begins; all ones: nowhere. "LBA28", and the cylinders, heads and sectors of ATA-5 */
static uint64_t address_of(const struct ata_drive *d, uint8_t flags) {
    const struct ata_regs *r = &d->regs;
    uint64_t low = r->lba[0] | (uint32_t)r->lba[1] << 8 | (uint32_t)r->lba[2] << 16;
    if (flags & EXT) return low | (uint64_t)r->lba[3] << 24 | (uint64_t)r->lba[4] << 32 | (uint64_t)r->lba[5] << 40;
    if (r->device & ATA_DEVICE_LBA) return low | (uint64_t)(r->device & 15) << 24;
    uint64_t cylinder = low >> 8, head = r->device & 15, sector = r->lba[0];
    if (!sector || sector > d->sectors_per_track || head >= d->heads) return ~0ull;
    return (cylinder * d->heads + head) * d->sectors_per_track + sector - 1;
}

/* false: the command has failed */
static bool find_sectors(struct ata_drive *d, uint8_t flags) {
    uint64_t first = address_of(d, flags);
    uint32_t n = count_of(d, flags);
    bool inside = first < d->sectors && n <= d->sectors - first;
    d->sector = first;
    d->left = n;
    if (!inside) ata_fail(d, ATA_ERROR_IDNF);
    return inside;
}

static void run_transfer(struct ata_drive *d, const struct command *c) {
    if ((c->flags & MULTIPLE && !d->multiple) || (c->flags & QUEUED && !d->sata)) {
        ata_abort(d);
        return;
    }
    if (!find_sectors(d, c->flags)) return;
    bool fua = c->flags & FUA || (c->flags & QUEUED && d->regs.device & 0x80);
    d->phase = c->phase;
    d->block = DISK_SECTOR * (c->flags & MULTIPLE ? d->multiple : 1);
    d->at = d->size = 0;
    if (ata_to_host(d->phase)) return;
    d->flush_after = fua || !d->write_cache;
    expect(d);
}

static void run_verify(struct ata_drive *d, const struct command *c) {
    if (!find_sectors(d, c->flags)) return;
    for (d->phase = ATA_PIO_IN; d->left;)
        if (!refill(d)) return;
    ata_done(d);
}

/* ---- the others ---- */

static void run_identify(struct ata_drive *d, const struct command *c) {
    ata_identify(d);
    ata_reply(d, c->phase, DISK_SECTOR);
    d->block = DISK_SECTOR;
}

/* "IDENTIFY DEVICE" and its like on a device with packets: aborted, with the signature by which software finds out */
static void run_not_packet(struct ata_drive *d, const struct command *c) {
    (void)c;
    ata_signature(d);
    ata_abort(d);
}

static void run_packet(struct ata_drive *d, const struct command *c) {
    (void)c;
    atapi_packet_command(d);
}

static void run_device_reset(struct ata_drive *d, const struct command *c) {
    (void)c;
    uint8_t device = d->regs.device;
    ata_reset(d);
    d->regs.device = device & ATA_DEVICE_SELECT;
}

static void run_diagnostic(struct ata_drive *d, const struct command *c) {
    (void)c;
    ata_reset(d);
}

static void run_nothing(struct ata_drive *d, const struct command *c) {
    (void)c;
    ata_done(d);
}

static void run_abort(struct ata_drive *d, const struct command *c) {
    (void)c;
    ata_abort(d);
}

static void run_standby(struct ata_drive *d, const struct command *c) {
    (void)c;
    d->standby = true;
    disk_flush(d->disk);
    ata_done(d);
}

static void run_idle(struct ata_drive *d, const struct command *c) {
    (void)c;
    d->standby = false;
    ata_done(d);
}

static void run_check_power(struct ata_drive *d, const struct command *c) {
    (void)c;
    d->regs.count[0] = d->standby ? 0x00 : 0xFF;
    ata_done(d);
}

static void run_flush(struct ata_drive *d, const struct command *c) {
    (void)c;
    if (disk_flush(d->disk))
        ata_done(d);
    else
        ata_abort(d);
}

/* A power of two up to 16; 0 disables the multiple commands. */
static void run_set_multiple(struct ata_drive *d, const struct command *c) {
    (void)c;
    uint8_t n = d->regs.count[0];
    if (n > MULTIPLE_MAX || (n & (n - 1))) {
        ata_abort(d);
        return;
    }
    d->multiple = n;
    ata_done(d);
}

/* INITIALIZE DEVICE PARAMETERS (ATA-5) */
static void run_geometry(struct ata_drive *d, const struct command *c) {
    (void)c;
    if (!d->regs.count[0]) {
        ata_abort(d);
        return;
    }
    d->heads = (uint8_t)((d->regs.device & 15) + 1);
    d->sectors_per_track = d->regs.count[0];
    ata_done(d);
}

static void run_native_max(struct ata_drive *d, const struct command *c) {
    uint64_t last = d->sectors - 1;
    if (!(c->flags & EXT) && last > 0x0FFFFFFF) last = 0x0FFFFFFF;
    set_lba(&d->regs, c->flags & EXT ? last : last & 0xFFFFFF);
    if (!(c->flags & EXT)) d->regs.device = (uint8_t)((d->regs.device & 0xF0) | (last >> 24 & 15));
    ata_done(d);
}

static void run_features(struct ata_drive *d, const struct command *c) {
    (void)c;
    ata_set_features(d);
}
static void run_smart(struct ata_drive *d, const struct command *c) {
    (void)c;
    ata_smart(d);
}
static void run_log(struct ata_drive *d, const struct command *c) { ata_read_log(d, (enum ata_phase)c->phase); }

/* ---- the table ---- */

#define DISK(run, ...)                                                                                                 \
    { run, __VA_ARGS__, true, false }
#define CDROM(run, ...)                                                                                                \
    { run, __VA_ARGS__, false, true }
#define ANY(run)                                                                                                       \
    { run, ATA_IDLE, 0, true, true }
#define NON_DATA(run) DISK(run, ATA_IDLE, 0)

// clang-format off
static const struct command commands[256] = {
    [0x00] = ANY(run_abort),          /* NOP */
    [ATA_COMMAND_DEVICE_RESET] = CDROM(run_device_reset, ATA_IDLE, 0),
    [0x10] = NON_DATA(run_nothing),   /* RECALIBRATE */
    [0x20] = DISK(run_transfer, ATA_PIO_IN, 0),   [0x21] = DISK(run_transfer, ATA_PIO_IN, 0),
    [0x24] = DISK(run_transfer, ATA_PIO_IN, EXT),
    [0x25] = DISK(run_transfer, ATA_DMA_IN, EXT),
    [0x27] = DISK(run_native_max, ATA_IDLE, EXT),
    [0x29] = DISK(run_transfer, ATA_PIO_IN, EXT | MULTIPLE),
    [0x2F] = DISK(run_log, ATA_PIO_IN, EXT),
    [0x30] = DISK(run_transfer, ATA_PIO_OUT, 0),  [0x31] = DISK(run_transfer, ATA_PIO_OUT, 0),
    [0x34] = DISK(run_transfer, ATA_PIO_OUT, EXT),
    [0x35] = DISK(run_transfer, ATA_DMA_OUT, EXT),
    [0x39] = DISK(run_transfer, ATA_PIO_OUT, EXT | MULTIPLE),
    [0x3D] = DISK(run_transfer, ATA_DMA_OUT, EXT | FUA),
    [0x40] = DISK(run_verify, ATA_IDLE, 0),       [0x41] = DISK(run_verify, ATA_IDLE, 0),
    [0x42] = DISK(run_verify, ATA_IDLE, EXT),
    [0x47] = DISK(run_log, ATA_DMA_IN, EXT),
    [0x60] = DISK(run_transfer, ATA_DMA_IN, EXT | QUEUED),
    [0x61] = DISK(run_transfer, ATA_DMA_OUT, EXT | QUEUED),
    [0x70] = NON_DATA(run_nothing),   /* SEEK */
    [ATA_COMMAND_DIAGNOSTIC] = ANY(run_diagnostic),
    [0x91] = NON_DATA(run_geometry),
    [ATA_COMMAND_PACKET] = CDROM(run_packet, ATA_PACKET, 0),
    [0xA1] = CDROM(run_identify, ATA_PIO_IN, 0),
    [0xB0] = NON_DATA(run_smart),
    [0xC4] = DISK(run_transfer, ATA_PIO_IN, MULTIPLE),
    [0xC5] = DISK(run_transfer, ATA_PIO_OUT, MULTIPLE),
    [0xC6] = NON_DATA(run_set_multiple),
    [0xC8] = DISK(run_transfer, ATA_DMA_IN, 0),   [0xC9] = DISK(run_transfer, ATA_DMA_IN, 0),
    [0xCA] = DISK(run_transfer, ATA_DMA_OUT, 0),  [0xCB] = DISK(run_transfer, ATA_DMA_OUT, 0),
    [0xCE] = DISK(run_transfer, ATA_PIO_OUT, EXT | MULTIPLE | FUA),
    [0xE0] = ANY(run_standby),
    [0xE1] = ANY(run_idle),
    [0xE2] = ANY(run_standby),
    [0xE3] = ANY(run_idle),
    [0xE5] = ANY(run_check_power),
    [0xE6] = ANY(run_standby),        /* SLEEP; the next command wakes it */
    [0xE7] = ANY(run_flush),
    [0xEA] = NON_DATA(run_flush),
    [0xEC] = DISK(run_identify, ATA_PIO_IN, 0),
    [0xEF] = ANY(run_features),
    [0xF8] = DISK(run_native_max, ATA_IDLE, 0),
};
// clang-format on

/* What a device with packets answers with its signature */
static bool tells_signature(uint8_t command) { return command == 0xEC || command == 0x20 || command == 0x21; }

bool ata_is_queued(uint8_t command) { return commands[command].flags & QUEUED; }

uint64_t ata_cycles(const struct ata_drive *d) {
    const struct command *c = &commands[d->regs.command];
    if (!c->run || d->is_cdrom || (c->run != run_transfer && c->run != run_verify)) return disk_cycles(0);
    return disk_cycles(count_of(d, c->flags));
}

void ata_start(struct ata_drive *d) {
    const struct command *c = &commands[d->regs.command];
    d->flush_after = false;
    d->regs.error = 0;
    d->regs.status = STATUS_GOOD;
    if (d->is_cdrom && tells_signature(d->regs.command))
        run_not_packet(d, c);
    else if (!c->run || !(d->is_cdrom ? c->of_cdrom : c->of_disk))
        ata_abort(d);
    else
        c->run(d, c);
}
