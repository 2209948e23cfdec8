/* What a device says of itself: ACS, "IDENTIFY DEVICE" and "IDENTIFY PACKET DEVICE". */
#include <stdio.h>
#include <string.h>

#include "sim/dev/ata_internal.h"

struct word {
    uint8_t at;
    uint16_t value;
};

/* Two characters in a word, the first in the upper byte */
static void put_text(uint16_t *id, unsigned at, unsigned words, const char *text) {
    size_t n = strlen(text);
    for (unsigned i = 0; i < words; i++) {
        uint8_t first = 2 * i < n ? (uint8_t)text[2 * i] : ' ';
        uint8_t second = 2 * i + 1 < n ? (uint8_t)text[2 * i + 1] : ' ';
        id[at + i] = (uint16_t)(first << 8 | second);
    }
}

static void put_words(uint16_t *id, const struct word *w, unsigned n) {
    for (unsigned i = 0; i < n; i++) id[w[i].at] = w[i].value;
}

/* Words that both kinds have alike */
static const struct word common[] = {
    {49, 0x0F00}, /* IORDY, IORDY can be disabled, LBA, DMA */
    {53, 0x0006}, /* words 64-70 and 88 are valid */
    {63, 0x0007}, /* Multiword DMA modes 0-2 */
    {64, 0x0003}, /* PIO modes 3 and 4 */
    {65, 120   },
    {66, 120   },
    {67, 120   },
    {68, 120   }, /* cycle times in ns */
    {80, 0x01F0}, /* ATA/ATAPI-4 to ATA8-ACS */
    {88, 0x003F}, /* Ultra DMA modes 0-5 */
};

static const struct word disk[] = {
    {0,   0x0040},
    {3,   16    },
    {6,   63    },
    {47,  0x8010}, /* READ MULTIPLE: 16 sectors */
    {48,  0x4000},
    {50,  0x4000},
    {82,  0x4069}, /* NOP, look-ahead, write cache, power management, SMART */
    {83,  0x7400}, /* FLUSH CACHE (EXT), 48-bit addresses */
    {84,  0x4060}, /* WRITE DMA FUA EXT, general purpose logging */
    {87,  0x4060},
    {106, 0x4000},
    {217, 1     }, /* does not rotate */
};

static const struct word cdrom[] = {
    {0,  0x85C0}, /* CD-ROM, removable, DRQ within 50 us, packets of 12 bytes */
    {82, 0x4218}, /* NOP, DEVICE RESET, packets, power management */
    {83, 0x4000},
    {84, 0x4000},
    {85, 0x4218},
    {86, 0x0000},
    {87, 0x4000},
};

static const struct word serial_ata[] = {
    {75,  ATA_QUEUE_DEPTH - 1},
    {76,  0x0106             }, /* 1.5 and 3 Gb/s, native command queuing */
    {222, 0x101F             },
};

static void put_disk(const struct ata_drive *d, uint16_t *id) {
    uint64_t cylinders = d->sectors / (16 * 63), lba28 = d->sectors < 0x0FFFFFFF ? d->sectors : 0x0FFFFFFF;
    if (cylinders > 16383) cylinders = 16383;
    put_words(id, disk, sizeof disk / sizeof disk[0]);
    id[1] = (uint16_t)cylinders;
    id[53] |= 1; /* words 54-58 are valid */
    uint64_t now = d->sectors / (d->heads * d->sectors_per_track);
    if (now > 65535) now = 65535;
    uint32_t capacity = (uint32_t)now * d->heads * d->sectors_per_track;
    id[54] = (uint16_t)now, id[55] = d->heads, id[56] = d->sectors_per_track;
    id[57] = (uint16_t)capacity, id[58] = (uint16_t)(capacity >> 16);
    id[59] = d->multiple ? (uint16_t)(0x100 | d->multiple) : 0;
    id[60] = (uint16_t)lba28, id[61] = (uint16_t)(lba28 >> 16);
    id[85] = (uint16_t)(0x4008 | (d->look_ahead ? 1 << 6 : 0) | (d->write_cache ? 1 << 5 : 0) | (d->smart ? 1 : 0));
    id[86] = 0x3400;
    for (unsigned i = 0; i < 4; i++) id[100 + i] = (uint16_t)(d->sectors >> 16 * i);
}

/* The mode that SET FEATURES chose: 20H + n Multiword DMA, 40H + n Ultra DMA */
static void put_mode(const struct ata_drive *d, uint16_t *id) {
    unsigned n = d->transfer_mode & 7;
    if (d->transfer_mode >> 5 == 1) id[63] |= (uint16_t)(0x100 << n);
    if (d->transfer_mode >> 6 == 1) id[88] |= (uint16_t)(0x100 << n);
}

void ata_identify(struct ata_drive *d) {
    uint16_t id[256] = {0};
    char serial[24];
    snprintf(serial, sizeof serial, "HV%06u", d->number + 1);
    put_words(id, common, sizeof common / sizeof common[0]);
    if (d->is_cdrom)
        put_words(id, cdrom, sizeof cdrom / sizeof cdrom[0]);
    else
        put_disk(d, id);
    if (d->sata)
        put_words(id, serial_ata, sizeof serial_ata / sizeof serial_ata[0]);
    else
        id[93] = 0x600B; /* a cable of 80 conductors; device 0 passed its diagnostics */
    if (d->is_cdrom) id[75] = 0, id[76] &= 0xFF;
    put_text(id, 10, 10, serial);
    put_text(id, 23, 4, "1.0");
    put_text(id, 27, 20, d->is_cdrom ? "HVSIM CD-ROM" : "HVSIM DISK");
    put_mode(d, id);
    uint8_t sum = 0xA5, *out = d->buffer;
    for (unsigned i = 0; i < 255; i++) out[2 * i] = (uint8_t)id[i], out[2 * i + 1] = (uint8_t)(id[i] >> 8);
    out[510] = 0xA5; /* "Integrity word" */
    for (unsigned i = 0; i < 510; i++) sum = (uint8_t)(sum + out[i]);
    out[511] = (uint8_t)-sum;
}
