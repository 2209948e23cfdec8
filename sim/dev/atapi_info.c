/* What a CD-ROM drive tells of itself and its medium: the replies of packet commands. MMC-6, SPC. */
#include <string.h>

#include "sim/dev/ata_internal.h"

#define PROFILE_CD_ROM  0x0008u
#define PROFILE_DVD_ROM 0x0010u
#define CD_SECTORS_MAX  449850u /* 99:59:74, less the lead-in: a longer image is a DVD's */

static uint8_t *blank(struct ata_drive *d, uint32_t size) {
    memset(d->buffer, 0, size);
    return d->buffer;
}

static void put_text(uint8_t *to, const char *text, size_t size) {
    memset(to, ' ', size);
    memcpy(to, text, strlen(text));
}

/* ---- the drive ---- */

uint32_t atapi_inquiry(struct ata_drive *d, const uint8_t *p) {
    if (p[1] & 1) return 0; /* vital product data: none */
    uint8_t *b = blank(d, 36);
    b[0] = 0x05; /* CD/DVD */
    b[1] = 0x80; /* removable */
    b[2] = 0x05; /* SPC-3 */
    b[3] = 0x02;
    b[4] = 36 - 5;
    put_text(b + 8, "HVSIM", 8);
    put_text(b + 16, "CD-ROM", 16);
    put_text(b + 32, "1.0", 4);
    return 36;
}

/* "Fixed format sense data". Told once. */
uint32_t atapi_request_sense(struct ata_drive *d, const uint8_t *p) {
    (void)p;
    uint8_t *b = blank(d, 18);
    struct atapi_state *cd = &d->cd;
    if (!cd->key && cd->attention) {
        cd->key = 6, cd->asc = cd->attention_asc, cd->ascq = 0;
        cd->attention = false;
    }
    b[0] = 0x70;
    b[2] = cd->key;
    b[7] = 18 - 8;
    b[12] = cd->asc, b[13] = cd->ascq;
    cd->key = cd->asc = cd->ascq = 0;
    return 18;
}

static unsigned page_recovery(uint8_t *b) {
    static const uint8_t page[] = {0x01, 6, 0, 3, 0, 0, 0, 0};
    memcpy(b, page, sizeof page);
    return sizeof page;
}

static unsigned page_timeout(uint8_t *b) {
    static const uint8_t page[] = {0x1D, 8, 0, 0, 0, 7, 0, 60, 0, 0};
    memcpy(b, page, sizeof page);
    return sizeof page;
}

/* "CD/DVD Capabilities and Mechanical Status Page" */
static unsigned page_capabilities(uint8_t *b, const struct atapi_state *cd) {
    b[0] = 0x2A, b[1] = 18;
    b[2] = 0x0B;                                   /* reads CD-R, CD-RW, DVD-ROM */
    b[4] = 0x30;                                   /* mode 2 forms 1 and 2 */
    b[6] = (uint8_t)(0x29 | (cd->locked ? 2 : 0)); /* tray; can eject and lock */
    put_be16(b + 8, 706 * 16);                     /* kB/s */
    put_be16(b + 12, 64);                          /* kB of buffer */
    put_be16(b + 14, 706 * 16);
    return 20;
}

uint32_t atapi_mode_sense(struct ata_drive *d, const uint8_t *p) {
    unsigned page = p[2] & 0x3F, control = p[2] >> 6, size = 8;
    uint8_t *b = blank(d, 64);
    if (control == 3) return 0; /* saved values: none */
    if (page == 0x01 || page == 0x3F) size += page_recovery(b + size);
    if (page == 0x1D || page == 0x3F) size += page_timeout(b + size);
    if (page == 0x2A || page == 0x3F) size += page_capabilities(b + size, &d->cd);
    if (size == 8) return 0;
    if (control == 1) memset(b + 8, 0, size - 8); /* nothing is changeable */
    put_be16(b, size - 2);
    b[2] = d->cd.tray_open ? 0x70 : 0x01; /* medium type */
    return size;
}

static unsigned feature(uint8_t *b, unsigned code, uint8_t flags, unsigned size, uint32_t value) {
    put_be16(b, code);
    b[2] = flags; /* version << 2 | persistent << 1 | current */
    b[3] = (uint8_t)size;
    if (size) put_be32(b + 4, value);
    return 4 + size;
}

static unsigned profile(const struct ata_drive *d) {
    if (d->cd.tray_open) return 0;
    return d->sectors > CD_SECTORS_MAX ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* "GET CONFIGURATION": RT = 0 all features from the starting number on, 1 the current ones, 2 only that one */
uint32_t atapi_get_configuration(struct ata_drive *d, const uint8_t *p) {
    unsigned type = p[1] & 3, start = get_be16(p + 2), now = profile(d), size = 8;
    uint8_t *b = blank(d, 128);
    const uint8_t medium = now != 0, is_cd = now == PROFILE_CD_ROM, is_dvd = now == PROFILE_DVD_ROM;
    const struct {
        uint16_t code;
        uint8_t flags, size;
        uint32_t value;
    } all[] = {
        {0x0000, 3,                         8, PROFILE_DVD_ROM << 16 | (uint32_t)is_dvd << 8}, /* profile list */
        {0x0001, 2 << 2 | 3,                8, 2                                            }, /* core: ATAPI */
        {0x0002, 1 << 2 | 3,                4, 0                                            }, /* morphing */
        {0x0003, 3,                         4, 0x29000000                                   }, /* removable: tray, eject, lock */
        {0x0010, medium,                    8, 2048                                         }, /* random readable */
        {0x001E, (uint8_t)(2 << 2 | is_cd), 4, 0                                            }, /* CD read */
        {0x001F, is_dvd,                    0, 0                                            }, /* DVD read */
    };
    if (type == 3) return 0;
    put_be16(b + 6, now);
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool wanted = type == 2 ? all[i].code == start : all[i].code >= start && (type == 0 || all[i].flags & 1);
        if (!wanted) continue;
        uint8_t *f = b + size;
        size += feature(f, all[i].code, all[i].flags, all[i].size, all[i].value);
        if (all[i].code == 0x0000) put_be32(f + 8, PROFILE_CD_ROM << 16 | (uint32_t)is_cd << 8);
        if (all[i].code == 0x0001) f[8] = 1;           /* device busy events */
        if (all[i].code == 0x0010) put_be16(f + 8, 1); /* blocking */
    }
    put_be32(b, size - 4);
    return size;
}

/* "GET EVENT STATUS NOTIFICATION", polled; the class of media events only */
uint32_t atapi_get_event_status(struct ata_drive *d, const uint8_t *p) {
    if (!(p[1] & 1)) return 0; /* asynchronous operation is not supported */
    bool media = p[4] & 1 << 4;
    uint8_t *b = blank(d, 8);
    put_be16(b, media ? 6 : 2);
    b[2] = media ? 4 : 0x80; /* NEA: no event available */
    b[3] = 1 << 4;
    if (!media) return 4;
    b[4] = d->cd.media_event ? d->cd.event : 0;
    b[5] = d->cd.tray_open ? 1 : 2; /* tray open; media present */
    d->cd.media_event = false;
    return 8;
}

uint32_t atapi_mechanism_status(struct ata_drive *d, const uint8_t *p) {
    (void)p;
    uint8_t *b = blank(d, 8);
    b[1] = d->cd.tray_open ? 0x10 : 0;
    return 8;
}

/* ---- the medium ---- */

uint32_t atapi_read_capacity(struct ata_drive *d, const uint8_t *p) {
    (void)p;
    uint8_t *b = blank(d, 8);
    put_be32(b, (uint32_t)(d->sectors - 1));
    put_be32(b + 4, d->unit);
    return 8;
}

/* A block address as the TOC has it; with the MSF bit minutes, seconds and frames, 2 seconds into the disc */
static void put_address(uint8_t *b, uint32_t lba, bool msf) {
    uint32_t frames = lba + 150;
    if (!msf)
        put_be32(b, lba);
    else
        put_be32(b, (frames / 4500 & 0xFF) << 16 | frames / 75 % 60 << 8 | frames % 75);
}

/* "READ TOC/PMA/ATIP": one session with one data track. Format 0 the tracks, 1 the last session. */
uint32_t atapi_read_toc(struct ata_drive *d, const uint8_t *p) {
    bool msf = p[1] & 2;
    unsigned format = p[2] & 15, from = p[6], size = 4;
    uint8_t *b = blank(d, 20);
    if (!format) format = p[9] >> 6; /* where SFF-8020 had it */
    if (format > 1 || (format == 0 && from > 1 && from != 0xAA)) return 0;
    b[2] = b[3] = 1;
    if (format == 1 || from <= 1) {
        b[5] = 0x14; /* ADR 1, data track */
        b[6] = 1;
        put_address(b + 8, 0, msf);
        size += 8;
    }
    if (format == 0) {
        b[size + 1] = 0x14;
        b[size + 2] = 0xAA; /* lead-out */
        put_address(b + size + 4, (uint32_t)d->sectors, msf);
        size += 8;
    }
    put_be16(b, size - 2);
    return size;
}

/* "READ DISC INFORMATION", standard: finalized, one session */
uint32_t atapi_disc_information(struct ata_drive *d, const uint8_t *p) {
    if (p[1] & 7) return 0;
    uint8_t *b = blank(d, 34);
    put_be16(b, 32);
    b[2] = 0x0E; /* last session complete, disc complete */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20;             /* unrestricted use */
    memset(b + 16, 0xFF, 8); /* no further lead-in and lead-out */
    return 34;
}
