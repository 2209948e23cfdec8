/* The bus master of an IDE channel: "Programming Interface for Bus Master IDE Controller", revision 1.0. */
#include "sim/dev/ide.h"

enum { MASTER_COMMAND, MASTER_STATUS = 2, MASTER_TABLE = 4 };
enum { COMMAND_START = 1 << 0, COMMAND_TO_MEMORY = 1 << 3 };
enum { STATUS_ACTIVE = 1 << 0, STATUS_ERROR = 1 << 1, STATUS_INTERRUPT = 1 << 2, STATUS_CAPABLE = 3 << 5 };

#define DESCRIPTOR_EOT 0x80000000u
#define START_CYCLES   1000u
#define PIECE          4096u

bool ide_master_started(const struct ide_channel *c) { return c->master.status & STATUS_ACTIVE; }

void ide_master_interrupt(struct ide_channel *c) { c->master.status |= STATUS_INTERRUPT; }

uint8_t ide_master_read(const struct ide_channel *c, unsigned offset) {
    const struct ide_master *b = &c->master;
    if (offset == MASTER_COMMAND) return b->command;
    if (offset == MASTER_STATUS) return b->status;
    return offset >= MASTER_TABLE ? (uint8_t)(b->table >> 8 * (offset - MASTER_TABLE)) : 0;
}

static void write_command(struct ide_channel *c, uint8_t val) {
    struct ide_master *b = &c->master;
    struct machine *m = c->ide->pci.dev.machine;
    uint8_t old = b->command;
    b->command = val & (COMMAND_START | COMMAND_TO_MEMORY);
    if (val & ~old & COMMAND_START) {
        b->next = b->table;
        b->left = 0;
        b->last = false;
        b->status |= STATUS_ACTIVE;
        if (!c->waits_for_master) return;
        c->step = IDE_DMA;
        timer_arm(m, &c->timer, machine_now(m) + START_CYCLES);
    } else if (!(val & COMMAND_START)) {
        b->status &= (uint8_t)~STATUS_ACTIVE;
    }
}

void ide_master_write(struct ide_channel *c, unsigned offset, uint8_t val) {
    struct ide_master *b = &c->master;
    if (offset == MASTER_COMMAND) {
        write_command(c, val);
    } else if (offset == MASTER_STATUS) {
        b->status &= (uint8_t) ~(val & (STATUS_ERROR | STATUS_INTERRUPT));
        b->status = (uint8_t)((b->status & ~STATUS_CAPABLE) | (val & STATUS_CAPABLE));
    } else if (offset >= MASTER_TABLE) {
        unsigned shift = 8 * (offset - MASTER_TABLE);
        b->table = ((b->table & ~(0xFFu << shift)) | (uint32_t)val << shift) & ~3u;
    }
}

/* "Physical Region Descriptor": address, byte count (0 is 64 KiB), EOT */
static bool fetch(struct ide_channel *c) {
    struct ide_master *b = &c->master;
    uint32_t descriptor[2];
    if (!pci_dma_read(&c->ide->pci, b->next, descriptor, sizeof descriptor)) return false;
    b->next += sizeof descriptor;
    b->at = descriptor[0] & ~1u;
    b->left = descriptor[1] & 0xFFFE;
    if (!b->left) b->left = 0x10000;
    b->last = descriptor[1] & DESCRIPTOR_EOT;
    return true;
}

/* false: the memory is not there */
static bool move(struct ide_channel *c, struct ata_drive *d) {
    struct ide_master *b = &c->master;
    uint8_t buf[PIECE];
    uint64_t left = ata_left(d);
    uint32_t n = b->left < PIECE ? b->left : PIECE;
    if (n > left) n = (uint32_t)left;
    if (ata_to_host(d->phase)) {
        n = (uint32_t)ata_pull(d, buf, n);
        if (!pci_dma_write(&c->ide->pci, b->at, buf, n)) return false;
    } else {
        if (!pci_dma_read(&c->ide->pci, b->at, buf, n)) return false;
        ata_push(d, buf, n);
    }
    b->at += n;
    b->left -= n;
    return true;
}

/* All of it at once. When the table ends before the data, the drive waits on, as it would for ever: "Status Bits and
 * Results", interrupt 0 and active 0. */
void ide_master_run(struct ide_channel *c) {
    struct ide_master *b = &c->master;
    struct ata_drive *d = &c->drive[c->device & ATA_DEVICE_SELECT ? 1 : 0];
    bool ok = ata_to_host(d->phase) == !!(b->command & COMMAND_TO_MEMORY);
    while (ok && ata_is_dma(d->phase)) {
        if (!b->left && b->last) {
            b->status &= (uint8_t)~STATUS_ACTIVE;
            return;
        }
        ok = (b->left || fetch(c)) && move(c, d);
    }
    c->waits_for_master = false;
    if (!ok) {
        b->status |= STATUS_ERROR;
        ata_abort(d);
    }
    if (!ok || (!b->left && b->last)) b->status &= (uint8_t)~STATUS_ACTIVE;
    ide_finish(c);
}
