/* An ATA or ATAPI device, as its commands have it: ATA/ATAPI-8 (ACS), and MMC for packets. How commands and data reach
 * it is the host adapter's: IDE (ide*.c) or AHCI (ahci*.c). The adapter fills `regs`, calls ata_start(), and moves data
 * as `phase` says. All is done at one moment of virtual time; the adapter lets ata_cycles() go by before. */
#ifndef HVSIM_DEV_ATA_H
#define HVSIM_DEV_ATA_H

#include "sim/dev/disk.h"

#define ATA_BUFFER      65536u
#define ATA_PACKET_SIZE 12u
#define ATA_QUEUE_DEPTH 32u

enum ata_status {
    ATA_STATUS_ERR = 0x01, /* CHK of packet commands */
    ATA_STATUS_DRQ = 0x08,
    ATA_STATUS_DSC = 0x10,
    ATA_STATUS_DRDY = 0x40,
    ATA_STATUS_BSY = 0x80,
};
enum ata_error { ATA_ERROR_ABRT = 0x04, ATA_ERROR_IDNF = 0x10, ATA_ERROR_UNC = 0x40 };
enum { ATA_DEVICE_LBA = 0x40, ATA_DEVICE_SELECT = 0x10 };

/* the commands that adapters know */
enum { ATA_COMMAND_DEVICE_RESET = 0x08, ATA_COMMAND_DIAGNOSTIC = 0x90, ATA_COMMAND_PACKET = 0xA0 };

/* Interrupt reason of packet commands, in the count register */
enum { ATA_REASON_COMMAND = 1, ATA_REASON_TO_HOST = 2 };

enum ata_phase {
    ATA_IDLE, /* no command, or done: status and error say how */
    ATA_PIO_IN,
    ATA_PIO_OUT,
    ATA_DMA_IN,
    ATA_DMA_OUT,
    ATA_PACKET, /* waits for ata_packet() */
};
static inline bool ata_to_host(enum ata_phase p) { return p == ATA_PIO_IN || p == ATA_DMA_IN; }
static inline bool ata_is_dma(enum ata_phase p) { return p == ATA_DMA_IN || p == ATA_DMA_OUT; }

/* The command block. Index 0 (0-2 of lba) is what was written last, 1 (3-5) what was written before it: the upper half
 * for 48-bit commands. */
struct ata_regs {
    uint8_t feature[2], count[2], lba[6];
    uint8_t device, command, status, error;
};

struct atapi_state {
    uint8_t key, asc, ascq; /* sense data */
    bool attention;         /* a unit attention condition waits to be reported */
    uint8_t attention_asc;
    bool tray_open, locked, media_event;
    uint8_t event;
};

struct ata_drive {
    struct disk *disk; /* borrowed */
    bool is_cdrom, sata;
    unsigned number;  /* for the serial number */
    uint64_t sectors; /* of `unit` bytes */
    uint32_t unit;
    struct ata_regs regs;

    /* what software set */
    uint8_t multiple, transfer_mode, heads, sectors_per_track;
    bool write_cache, look_ahead, smart, standby;

    /* the command in progress */
    enum ata_phase phase;
    bool flush_after;
    uint64_t sector; /* where `left` sectors go on, that are not in the buffer */
    uint32_t left;
    uint32_t block;    /* bytes in each DRQ data block of PIO, at most */
    uint32_t at, size; /* bytes of the buffer: used, filled (to host) or expected (from it) */
    bool packet_dma;
    struct atapi_state cd;
    uint8_t ncq_error[16]; /* the beginning of the NCQ Command Error log */
    uint8_t buffer[ATA_BUFFER];
};

void ata_init(struct ata_drive *d, struct disk *disk, bool cdrom, bool sata, unsigned number);
void ata_power_on(struct ata_drive *d); /* settings as at power-on, then ata_reset() */
void ata_reset(struct ata_drive *d);    /* software reset: ends the command, leaves the signature in the registers */

/* Virtual time that the command in `regs`, or the packet, will need. */
uint64_t ata_cycles(const struct ata_drive *d);
uint64_t ata_packet_cycles(const struct ata_drive *d, const uint8_t packet[ATA_PACKET_SIZE]);
void ata_start(struct ata_drive *d);
void ata_packet(struct ata_drive *d, const uint8_t packet[ATA_PACKET_SIZE]);

/* Bytes that the data phase will still move. */
uint64_t ata_left(const struct ata_drive *d);
/* To host: is there data, or has the command ended with an error? */
bool ata_prepare(struct ata_drive *d);
/* Move up to `size` bytes; fewer: the command has ended (phase is ATA_IDLE), well or not. */
size_t ata_pull(struct ata_drive *d, void *buf, size_t size);
size_t ata_push(struct ata_drive *d, const void *buf, size_t size);
/* The adapter gives up: the host's side of a transfer failed. */
void ata_abort(struct ata_drive *d);
bool ata_is_queued(uint8_t command); /* READ and WRITE FPDMA QUEUED */

#endif
