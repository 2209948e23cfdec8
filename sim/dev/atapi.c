/* Packet commands of a CD-ROM or DVD-ROM drive: MMC-6, and SPC for sense data. */
#include <string.h>

#include "sim/dev/ata_internal.h"

#define BYTE_COUNT_MAX 0xFFFEu /* ACS, "Byte Count Limit": the largest even number */

enum sense_key { NO_SENSE = 0, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6 };
enum sense_code {
    ASC_UNRECOVERED_READ = 0x11,
    ASC_INVALID_COMMAND = 0x20,
    ASC_LBA_OUT_OF_RANGE = 0x21,
    ASC_INVALID_FIELD = 0x24,
    ASC_MEDIUM_MAY_HAVE_CHANGED = 0x28,
    ASC_RESET = 0x29,
    ASC_NO_MEDIUM = 0x3A,
    ASC_REMOVAL_PREVENTED = 0x53, /* with qualifier 02H */
};

static void check(struct ata_drive *d, enum sense_key key, uint8_t asc, uint8_t ascq) {
    d->cd.key = (uint8_t)key, d->cd.asc = asc, d->cd.ascq = ascq;
    ata_fail(d, (uint8_t)(key << 4 | ATA_ERROR_ABRT));
}

static void illegal(struct ata_drive *d, uint8_t asc) { check(d, ILLEGAL_REQUEST, asc, 0); }

void atapi_media_error(struct ata_drive *d) { check(d, MEDIUM_ERROR, ASC_UNRECOVERED_READ, 0); }

void atapi_reset(struct ata_drive *d) {
    struct atapi_state *cd = &d->cd;
    cd->key = cd->asc = cd->ascq = 0;
    cd->locked = false;
    cd->attention = true;
    cd->attention_asc = ASC_RESET;
}

/* PACKET: how the data will be moved; then the packet itself is waited for. */
void atapi_packet_command(struct ata_drive *d) {
    uint32_t limit = d->regs.lba[1] | (uint32_t)d->regs.lba[2] << 8;
    d->packet_dma = d->regs.feature[0] & 1;
    d->block = limit < 2 || limit > BYTE_COUNT_MAX ? BYTE_COUNT_MAX : limit & ~1u;
    d->regs.count[0] = ATA_REASON_COMMAND;
    d->phase = ATA_PACKET;
}

/* ---- commands with an effect ---- */

static void read_sectors(struct ata_drive *d, uint64_t first, uint64_t count) {
    if (first > d->sectors || count > d->sectors - first) {
        illegal(d, ASC_LBA_OUT_OF_RANGE);
        return;
    }
    d->at = d->size = 0;
    d->sector = first;
    d->left = (uint32_t)count;
    d->phase = d->packet_dma ? ATA_DMA_IN : ATA_PIO_IN;
    if (!count) ata_done(d);
}

static void run_read10(struct ata_drive *d, const uint8_t *p) { read_sectors(d, get_be32(p + 2), get_be16(p + 7)); }
static void run_read12(struct ata_drive *d, const uint8_t *p) { read_sectors(d, get_be32(p + 2), get_be32(p + 6)); }

/* "READ CD": user data of data sectors only */
static void run_read_cd(struct ata_drive *d, const uint8_t *p) {
    uint32_t count = (uint32_t)p[6] << 16 | get_be16(p + 7);
    unsigned expected = p[1] >> 2 & 7; /* 0 any, 2 mode 1, 4 mode 2 form 1 */
    if ((expected != 0 && expected != 2 && expected != 4) || (count && (p[9] & 0xF8) != 0x10) || p[10] & 7)
        illegal(d, ASC_INVALID_FIELD);
    else
        read_sectors(d, get_be32(p + 2), count);
}

static void run_seek(struct ata_drive *d, const uint8_t *p) {
    if (get_be32(p + 2) < d->sectors)
        ata_done(d);
    else
        illegal(d, ASC_LBA_OUT_OF_RANGE);
}

static void run_nothing(struct ata_drive *d, const uint8_t *p) {
    (void)p;
    ata_done(d);
}

/* "Media Status Event": 2 new media, 3 removal */
static void move_tray(struct ata_drive *d, bool open) {
    if (d->cd.tray_open == open) return;
    d->cd.tray_open = open;
    d->cd.media_event = true;
    d->cd.event = open ? 3 : 2;
    if (open) return;
    d->cd.attention = true;
    d->cd.attention_asc = ASC_MEDIUM_MAY_HAVE_CHANGED;
}

static void run_start_stop(struct ata_drive *d, const uint8_t *p) {
    bool load_or_eject = p[4] & 2, start = p[4] & 1;
    if (load_or_eject && !start && d->cd.locked) {
        check(d, ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    if (load_or_eject) move_tray(d, !start);
    ata_done(d);
}

static void run_prevent(struct ata_drive *d, const uint8_t *p) {
    d->cd.locked = p[4] & 1;
    ata_done(d);
}

/* ---- the table ---- */

enum packet_flags {
    NEEDS_MEDIUM = 1,
    ALWAYS = 2, /* is executed, and leaves a unit attention condition alone: "INQUIRY", "REQUEST SENSE", events */
};

/* `run` does it all; `reply` makes an answer, of which as many bytes go as the field at `length` allows. */
static const struct packet_command {
    uint8_t code, flags;
    void (*run)(struct ata_drive *d, const uint8_t *packet);
    uint32_t (*reply)(struct ata_drive *d, const uint8_t *packet);
    uint8_t length, length_size;
} commands[] = {
    {0x00,                              NEEDS_MEDIUM, .run = run_nothing                      }, /* TEST UNIT READY */
    {0x03,                              ALWAYS,       .reply = atapi_request_sense,             .length = 4, .length_size = 1},
    {0x12,                 ALWAYS,                             .reply = atapi_inquiry,                                                                  .length = 3, .length_size = 2},
    {0x1B,           0,.run = run_start_stop},
    {0x1E,                              0,                               .run = run_prevent                                                                  },
    {0x25,                              NEEDS_MEDIUM,            .reply = atapi_read_capacity   },
    {0x28,                              NEEDS_MEDIUM, .run = run_read10 },
    {0x2B,                              NEEDS_MEDIUM, .run = run_seek                       },
    {0x43,                              NEEDS_MEDIUM, .reply = atapi_read_toc,                          .length = 7, .length_size = 2},
    {0x46,                              ALWAYS, .reply = atapi_get_configuration,                  .length = 7, .length_size = 2},
    {0x4A,                 ALWAYS,                             .reply = atapi_get_event_status,                                                                  .length = 7, .length_size = 2},
    {0x51, NEEDS_MEDIUM,  .reply = atapi_disc_information,         .length = 7, .length_size = 2},
    {0x5A,                              0,                    .reply = atapi_mode_sense, .length = 7, .length_size = 2},
    {0xA8,                 NEEDS_MEDIUM,                             .run = run_read12                                                                 },
    {0xBB,  0,  .run = run_nothing                 }, /* SET CD SPEED */
    {0xBD,                              0,            .reply = atapi_mechanism_status,        .length = 8, .length_size = 2},
    {0xBE,                 NEEDS_MEDIUM,                             .run = run_read_cd                                                                 },
};

static const struct packet_command *find(uint8_t code) {
    for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].code == code) return &commands[i];
    return NULL;
}

uint64_t ata_packet_cycles(const struct ata_drive *d, const uint8_t packet[ATA_PACKET_SIZE]) {
    const struct packet_command *c = find(packet[0]);
    uint64_t n = 0;
    if (c && c->run == run_read10) n = get_be16(packet + 7);
    if (c && c->run == run_read12) n = get_be32(packet + 6);
    if (c && c->run == run_read_cd) n = (uint32_t)packet[6] << 16 | get_be16(packet + 7);
    return disk_cycles(n <= d->sectors ? n * (d->unit / DISK_SECTOR) : 0);
}

static void answer(struct ata_drive *d, const struct packet_command *c, const uint8_t *p) {
    uint32_t size = c->reply(d, p), most = size;
    if (c->length_size) most = c->length_size == 1 ? p[c->length] : get_be16(p + c->length);
    if (!size) {
        illegal(d, ASC_INVALID_FIELD);
        return;
    }
    ata_reply(d, d->packet_dma ? ATA_DMA_IN : ATA_PIO_IN, size < most ? size : most);
}

void ata_packet(struct ata_drive *d, const uint8_t packet[ATA_PACKET_SIZE]) {
    const struct packet_command *c = find(packet[0]);
    struct atapi_state *cd = &d->cd;
    uint8_t flags = c ? c->flags : 0;
    if (cd->attention && !(flags & ALWAYS)) {
        cd->attention = false;
        check(d, UNIT_ATTENTION, cd->attention_asc, 0);
    } else if (!c) {
        illegal(d, ASC_INVALID_COMMAND);
    } else if ((flags & NEEDS_MEDIUM) && cd->tray_open) {
        check(d, NOT_READY, ASC_NO_MEDIUM, 2); /* tray open */
    } else {
        if (packet[0] != 0x03) cd->key = cd->asc = cd->ascq = 0; /* REQUEST SENSE tells of the command before */
        if (c->run)
            c->run(d, packet);
        else
            answer(d, c, packet);
    }
}
