/* The IDE function of a PIIX3: two channels with two devices each. Intel 82371SB (PIIX3) data sheet; ATA/ATAPI-7 for
 * the protocols; "Programming Interface for Bus Master IDE Controller". */
#ifndef HVSIM_DEV_IDE_H
#define HVSIM_DEV_IDE_H

#include "sim/dev/ata.h"
#include "sim/dev/pci.h"

/* What the channel does when the time of its timer has come */
enum ide_step { IDE_START, IDE_PACKET, IDE_BLOCK, IDE_DMA, IDE_RESET_DONE };

struct ide_master { /* bus master registers */
    uint8_t command, status;
    uint32_t table;    /* as written */
    uint32_t next;     /* the next descriptor */
    uint32_t at, left; /* what is left of the current one */
    bool last;         /* it has EOT */
};

struct ide_channel {
    struct ide *ide;
    unsigned number; /* IRQ 14 + number */
    bool decoded;    /* its ports are mapped */
    struct ata_drive drive[2];
    bool present[2];
    uint8_t device; /* the device register: which drive */
    uint8_t control;
    bool busy, interrupt;
    bool waits_for_master; /* the drive is ready to transfer, the bus master is not started */
    uint32_t drq;          /* bytes left in the data block that the host moves now */
    uint8_t packet[ATA_PACKET_SIZE];
    enum ide_step step;
    struct timer timer;
    struct ide_master master;
};

struct ide {
    struct pci_device pci;
    struct ide_channel channel[2];
};

/* ide.c: the function */
struct ide *ide_create(struct machine *m, uint8_t devfn);
/* At the channels' first free place; CD-ROMs prefer the second channel. false: all four are taken. */
bool ide_attach(struct ide *ide, struct disk *disk, bool cdrom, unsigned number);

/* ide_channel.c: registers 0-7 of the command block, and PIO */
void ide_channel_reset(struct ide_channel *c);
uint32_t ide_data_read(struct ide_channel *c, unsigned size);
void ide_data_write(struct ide_channel *c, unsigned size, uint32_t val);
uint8_t ide_register_read(struct ide_channel *c, unsigned reg);
void ide_register_write(struct ide_channel *c, unsigned reg, uint8_t val);
uint8_t ide_alternate_status(const struct ide_channel *c);
void ide_control_write(struct ide_channel *c, uint8_t val);
void ide_finish(struct ide_channel *c); /* the command has ended: interrupt */

/* ide_master.c: offset 0-7 of a channel's bus master registers */
uint8_t ide_master_read(const struct ide_channel *c, unsigned offset);
void ide_master_write(struct ide_channel *c, unsigned offset, uint8_t val);
void ide_master_run(struct ide_channel *c); /* move the drive's data */
bool ide_master_started(const struct ide_channel *c);
void ide_master_interrupt(struct ide_channel *c);

#endif
