/* A channel: the registers of its devices, and the PIO and packet protocols. ATA/ATAPI-7 volume 2, "Protocols". */
#include <string.h>

#include "sim/dev/ide.h"

enum { REG_DATA, REG_FEATURE, REG_COUNT, REG_LBA, REG_DEVICE = 6, REG_COMMAND = 7, REG_ERROR = REG_FEATURE };
enum { CONTROL_NIEN = 1 << 1, CONTROL_SRST = 1 << 2, CONTROL_HOB = 1 << 7 };

#define IRQ          14u
#define BLOCK_CYCLES 500u /* between data blocks */
#define RESET_CYCLES 100000u
#define FLOATING     0x7F /* nobody drives the bus; DD7 is pulled down */

static struct machine *machine_of(const struct ide_channel *c) { return c->ide->pci.dev.machine; }
static unsigned selected(const struct ide_channel *c) { return c->device & ATA_DEVICE_SELECT ? 1 : 0; }

static struct ata_drive *current(struct ide_channel *c) {
    return c->present[selected(c)] ? &c->drive[selected(c)] : NULL;
}

/* ---- interrupt ---- */

static void update_line(struct ide_channel *c) {
    machine_set_irq(machine_of(c), IRQ + c->number, c->interrupt && !(c->control & CONTROL_NIEN));
}

static void set_interrupt(struct ide_channel *c, bool on) {
    c->interrupt = on;
    if (on && !(c->control & CONTROL_NIEN)) ide_master_interrupt(c);
    update_line(c);
}

/* ---- steps ---- */

static void arm(struct ide_channel *c, enum ide_step step, uint64_t cycles) {
    struct machine *m = machine_of(c);
    c->busy = true;
    c->step = step;
    timer_arm(m, &c->timer, machine_now(m) + cycles);
}

void ide_finish(struct ide_channel *c) {
    c->busy = false;
    c->drq = 0;
    set_interrupt(c, true);
}

/* The next data block of PIO: its size is the host's to know from the command, or in the byte count registers. */
static void offer_block(struct ide_channel *c, struct ata_drive *d) {
    uint64_t left = ata_left(d);
    c->drq = left < d->block ? (uint32_t)left : d->block;
    c->busy = false;
    if (d->regs.command != ATA_COMMAND_PACKET) return;
    d->regs.lba[1] = (uint8_t)c->drq;
    d->regs.lba[2] = (uint8_t)(c->drq >> 8);
    d->regs.count[0] = ata_to_host(d->phase) ? ATA_REASON_TO_HOST : 0;
}

/* After the drive has looked at a command, a packet or a data block */
static void go_on(struct ide_channel *c, struct ata_drive *d, bool first) {
    switch (d->phase) {
    case ATA_IDLE:
        ide_finish(c);
        break;
    case ATA_PIO_IN:
        if (ata_prepare(d)) offer_block(c, d);
        c->busy = false;
        set_interrupt(c, true);
        break;
    case ATA_PIO_OUT:
        offer_block(c, d);
        if (!first) set_interrupt(c, true); /* "PIO data-out": the first block comes without */
        break;
    case ATA_DMA_IN:
    case ATA_DMA_OUT:
        c->waits_for_master = true;
        if (ide_master_started(c)) ide_master_run(c);
        break;
    case ATA_PACKET:
        c->drq = ATA_PACKET_SIZE;
        c->busy = false;
        break;
    }
}

static void on_timer(void *arg) {
    struct ide_channel *c = arg;
    struct ata_drive *d = current(c);
    if (c->step == IDE_RESET_DONE || !d) {
        c->busy = false;
        return;
    }
    switch (c->step) {
    case IDE_START:
        ata_start(d);
        if (d->is_cdrom && d->regs.command == ATA_COMMAND_DEVICE_RESET)
            c->busy = false; /* "DEVICE RESET command protocol": without an interrupt */
        else
            go_on(c, d, true);
        break;
    case IDE_PACKET:
        ata_packet(d, c->packet);
        go_on(c, d, false);
        break;
    case IDE_DMA:
        if (c->waits_for_master && ide_master_started(c)) ide_master_run(c);
        break;
    default:
        go_on(c, d, false);
    }
}

/* ---- reset and commands ---- */

static void stop(struct ide_channel *c) {
    timer_cancel(machine_of(c), &c->timer);
    c->busy = c->waits_for_master = false;
    c->drq = 0;
    set_interrupt(c, false);
}

void ide_channel_reset(struct ide_channel *c) {
    if (!c->timer.fn) timer_init(&c->timer, on_timer, c);
    c->device = c->control = 0;
    c->master = (struct ide_master){0};
    stop(c);
    for (unsigned n = 0; n < 2; n++)
        if (c->present[n]) ata_power_on(&c->drive[n]);
}

static void reset_drives(struct ide_channel *c) {
    stop(c);
    c->device = 0;
    for (unsigned n = 0; n < 2; n++)
        if (c->present[n]) ata_reset(&c->drive[n]);
}

static void command(struct ide_channel *c, uint8_t val) {
    struct ata_drive *d = current(c);
    if (val == ATA_COMMAND_DIAGNOSTIC) { /* for both devices, whichever is selected; device 0 answers */
        reset_drives(c);
        d = current(c);
    }
    if (!d || (c->busy && val != ATA_COMMAND_DEVICE_RESET)) return;
    stop(c);
    c->drive[0].phase = c->drive[1].phase = ATA_IDLE; /* a channel has one command at a time */
    d->regs.command = val;
    arm(c, IDE_START, ata_cycles(d));
}

void ide_control_write(struct ide_channel *c, uint8_t val) {
    uint8_t old = c->control;
    c->control = val;
    if (val & ~old & CONTROL_SRST) {
        reset_drives(c);
        c->busy = true;
    }
    if (old & ~val & CONTROL_SRST) arm(c, IDE_RESET_DONE, RESET_CYCLES);
    update_line(c);
}

/* ---- data ---- */

/* The host has moved the last byte of a block. */
static void block_done(struct ide_channel *c, struct ata_drive *d) {
    bool ends_silently =
        d->phase == ATA_IDLE && d->regs.command != ATA_COMMAND_PACKET && !(d->regs.status & ATA_STATUS_ERR);
    if (ends_silently) return; /* "PIO data-in": no interrupt after the last block */
    arm(c, IDE_BLOCK, BLOCK_CYCLES);
}

uint32_t ide_data_read(struct ide_channel *c, unsigned size) {
    struct ata_drive *d = current(c);
    uint32_t val = 0;
    if (!d || c->busy || !c->drq || d->phase != ATA_PIO_IN) return 0;
    if (size > c->drq) size = c->drq;
    size_t got = ata_pull(d, &val, size);
    c->drq = got < size ? 0 : c->drq - size;
    if (!c->drq) block_done(c, d);
    return val;
}

void ide_data_write(struct ide_channel *c, unsigned size, uint32_t val) {
    struct ata_drive *d = current(c);
    if (!d || c->busy || !c->drq || (d->phase != ATA_PIO_OUT && d->phase != ATA_PACKET)) return;
    if (size > c->drq) size = c->drq;
    bool is_packet = d->phase == ATA_PACKET;
    if (is_packet)
        memcpy(c->packet + ATA_PACKET_SIZE - c->drq, &val, size);
    else
        ata_push(d, &val, size);
    c->drq = is_packet || d->phase != ATA_IDLE ? c->drq - size : 0;
    if (c->drq) return;
    if (is_packet)
        arm(c, IDE_PACKET, ata_packet_cycles(d, c->packet));
    else
        arm(c, IDE_BLOCK, BLOCK_CYCLES);
}

/* ---- registers ---- */

/* Device 0 answers for an absent device 1. */
uint8_t ide_alternate_status(const struct ide_channel *c) {
    if (!c->present[selected(c)]) return c->present[0] || c->present[1] ? 0 : FLOATING;
    if (c->busy) return ATA_STATUS_BSY;
    return (uint8_t)(c->drive[selected(c)].regs.status | (c->drq ? ATA_STATUS_DRQ : 0));
}

uint8_t ide_register_read(struct ide_channel *c, unsigned reg) {
    const struct ata_drive *d = current(c);
    unsigned older = c->control & CONTROL_HOB ? 1 : 0;
    if (reg == REG_COMMAND) {
        uint8_t status = ide_alternate_status(c);
        set_interrupt(c, false);
        return status;
    }
    if (!d) return c->present[0] || c->present[1] ? 0 : FLOATING;
    switch (reg) {
    case REG_ERROR:
        return d->regs.error;
    case REG_COUNT:
        return d->regs.count[older];
    case REG_DEVICE:
        return (uint8_t)(0xA0 | (d->regs.device & 0x4F) | (c->device & ATA_DEVICE_SELECT));
    default:
        return d->regs.lba[reg - REG_LBA + 3 * older];
    }
}

static void write_twice(uint8_t *now, uint8_t *before, uint8_t val) {
    *before = *now;
    *now = val;
}

/* Both devices see what is written to the command block; the selected one executes. */
void ide_register_write(struct ide_channel *c, unsigned reg, uint8_t val) {
    c->control &= (uint8_t)~CONTROL_HOB;
    if (reg == REG_COMMAND) {
        command(c, val);
        return;
    }
    if (c->busy) return;
    for (unsigned n = 0; n < 2; n++) {
        struct ata_regs *r = &c->drive[n].regs;
        if (reg == REG_FEATURE) write_twice(&r->feature[0], &r->feature[1], val);
        if (reg == REG_COUNT) write_twice(&r->count[0], &r->count[1], val);
        if (reg >= REG_LBA && reg < REG_DEVICE) write_twice(&r->lba[reg - REG_LBA], &r->lba[reg - REG_LBA + 3], val);
        if (reg == REG_DEVICE) r->device = val;
    }
    if (reg == REG_DEVICE) c->device = val;
}
