/* SET FEATURES, SMART and logs: ACS, "SET FEATURES", "SMART", "READ LOG EXT". */
#include <string.h>

#include "sim/dev/ata_internal.h"

/* ---- SET FEATURES ---- */

/* "Transfer modes": 00H and 01H PIO default, 08H + n PIO, 20H + n Multiword DMA, 40H + n Ultra DMA */
static bool is_transfer_mode(uint8_t mode) {
    uint8_t n = mode & 7;
    switch (mode >> 3) {
    case 0x00 >> 3:
        return n <= 1;
    case 0x08 >> 3:
        return n <= 4;
    case 0x20 >> 3:
        return n <= 2;
    case 0x40 >> 3:
        return n <= 5;
    default:
        return false;
    }
}

void ata_set_features(struct ata_drive *d) {
    bool ok = true;
    switch (d->regs.feature[0]) {
    case 0x02:
    case 0x82:
        ok = !d->is_cdrom;
        if (ok) d->write_cache = d->regs.feature[0] == 0x02;
        if (ok && !d->write_cache) ok = disk_flush(d->disk);
        break;
    case 0x03:
        ok = is_transfer_mode(d->regs.count[0]);
        if (ok) d->transfer_mode = d->regs.count[0];
        break;
    case 0x55:
    case 0xAA:
        ok = !d->is_cdrom;
        if (ok) d->look_ahead = d->regs.feature[0] == 0xAA;
        break;
    case 0x66: /* keep settings over a software reset: always so */
    case 0xCC:
        break;
    default:
        ok = false;
    }
    if (ok)
        ata_done(d);
    else
        ata_abort(d);
}

/* ---- SMART ---- */

enum { SMART_READ_DATA = 0xD0, SMART_READ_THRESHOLDS, SMART_AUTOSAVE, SMART_OFFLINE = 0xD4, SMART_READ_LOG };
enum { SMART_ENABLE = 0xD8, SMART_DISABLE, SMART_RETURN_STATUS };

static void finish_sum(uint8_t *page) {
    uint8_t sum = 0;
    for (unsigned i = 0; i < 511; i++) sum = (uint8_t)(sum + page[i]);
    page[511] = (uint8_t)-sum;
}

/* A page of 512 bytes without attributes: the device has none that could change. */
static void smart_page(struct ata_drive *d) {
    memset(d->buffer, 0, DISK_SECTOR);
    d->buffer[0] = 0x10;
    finish_sum(d->buffer);
    ata_reply(d, ATA_PIO_IN, DISK_SECTOR);
}

static void smart_log(struct ata_drive *d) {
    if (d->regs.lba[0] > 1 || d->regs.count[0] != 1) { /* 0: directory, 1: summary of errors; both empty */
        ata_abort(d);
        return;
    }
    memset(d->buffer, 0, DISK_SECTOR);
    d->buffer[0] = 1; /* version */
    if (d->regs.lba[0] == 1) finish_sum(d->buffer);
    ata_reply(d, ATA_PIO_IN, DISK_SECTOR);
}

void ata_smart(struct ata_drive *d) {
    struct ata_regs *r = &d->regs;
    bool known = r->lba[1] == 0x4F && r->lba[2] == 0xC2;
    if (!known || (!d->smart && r->feature[0] != SMART_ENABLE)) {
        ata_abort(d);
        return;
    }
    switch (r->feature[0]) {
    case SMART_READ_DATA:
    case SMART_READ_THRESHOLDS:
        smart_page(d);
        break;
    case SMART_READ_LOG:
        smart_log(d);
        break;
    case SMART_ENABLE:
    case SMART_DISABLE:
        d->smart = r->feature[0] == SMART_ENABLE;
        ata_done(d);
        break;
    case SMART_AUTOSAVE:
    case SMART_OFFLINE:
    case SMART_RETURN_STATUS: /* 4FH and C2H stay: no threshold exceeded */
        ata_done(d);
        break;
    default:
        ata_abort(d);
    }
}

/* ---- logs ---- */

enum { LOG_DIRECTORY = 0x00, LOG_NCQ_ERROR = 0x10 };

/* READ LOG (DMA) EXT: count pages of log lba[0] */
void ata_read_log(struct ata_drive *d, enum ata_phase phase) {
    struct ata_regs *r = &d->regs;
    uint8_t log = r->lba[0];
    bool one_page = r->count[0] == 1 && !r->count[1] && !r->lba[1] && !r->lba[4];
    if (!one_page || (log != LOG_DIRECTORY && (log != LOG_NCQ_ERROR || !d->sata))) {
        ata_abort(d);
        return;
    }
    memset(d->buffer, 0, DISK_SECTOR);
    if (log == LOG_DIRECTORY) {
        d->buffer[0] = 1;                              /* version */
        if (d->sata) d->buffer[2 * LOG_NCQ_ERROR] = 1; /* its number of pages */
    } else {
        memcpy(d->buffer, d->ncq_error, sizeof d->ncq_error);
        finish_sum(d->buffer);
    }
    ata_reply(d, phase, DISK_SECTOR);
}
