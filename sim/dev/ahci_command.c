/* Commands of an AHCI port: the command list, frames in both directions, data by the region descriptors. AHCI 1.3.1,
 * "System Memory Structures" and "Data Transfer Operation"; Serial ATA 2.6, "FIS Types". */
#include <string.h>

#include "sim/dev/ahci.h"

enum { FIS_REGISTER_H2D = 0x27, FIS_REGISTER_D2H = 0x34, FIS_PIO_SETUP = 0x5F, FIS_SET_DEVICE_BITS = 0xA1 };
enum { FIS_COMMAND = 0x80, FIS_INTERRUPT = 0x40, FIS_TO_HOST = 0x20 }; /* byte 1 */
enum { HEADER_ATAPI = 1 << 5, HEADER_CLEAR_BUSY = 1 << 10 };

#define HEADER_SIZE   32u
#define PACKET_AT     0x40u /* in the command table */
#define REGIONS_AT    0x80u
#define REGION_SIZE   16u
#define CONTROL_SRST  4u
#define SERR_PROTOCOL (1u << 10)
#define PIECE         4096u

/* The command that is carried out, and where its data goes on */
struct run {
    struct ahci_port *p;
    struct ata_drive *d;
    unsigned slot;
    uint64_t table;
    uint32_t flags, regions, next; /* of the regions */
    uint64_t at;
    uint32_t left, moved;
    bool region_interrupt; /* the current one asks for an interrupt at its end */
    uint8_t fis[20];
};

static bool dma_read(const struct run *r, uint64_t pa, void *buf, size_t size) {
    return pci_dma_read(&r->p->ahci->pci, pa, buf, size);
}

static uint32_t get32(const uint8_t *b) {
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static uint64_t get64(const uint8_t *b) { return get32(b) | (uint64_t)get32(b + 4) << 32; }

/* ---- frames to the host ---- */

static void receive(struct ahci_port *p, enum ahci_frame at, const uint8_t *fis, size_t size) {
    if (p->cmd & AHCI_CMD_FRE) pci_dma_write(&p->ahci->pci, p->fb + at, fis, size);
}

/* What D2H register frames and PIO Setup frames have alike */
static void put_registers(const struct ata_drive *d, uint8_t *fis) {
    const struct ata_regs *g = &d->regs;
    fis[2] = g->status;
    fis[3] = g->error;
    memcpy(fis + 4, g->lba, 3);
    fis[7] = g->device;
    memcpy(fis + 8, g->lba + 3, 3);
    fis[12] = g->count[0];
    fis[13] = g->count[1];
}

static void task_file(struct ahci_port *p) {
    const struct ata_regs *g = &p->drive.regs;
    p->tfd = g->status | (uint32_t)g->error << 8;
    if (!(g->status & ATA_STATUS_ERR)) return;
    p->is |= AHCI_TFES;
    p->halted = true;
}

void ahci_send_registers(struct ahci_port *p, bool interrupt) {
    uint8_t fis[20] = {FIS_REGISTER_D2H, interrupt ? FIS_INTERRUPT : 0};
    put_registers(&p->drive, fis);
    receive(p, AHCI_REGISTER, fis, sizeof fis);
    p->tfd = fis[2] | (uint32_t)fis[3] << 8;
    if (!interrupt) return;
    p->is |= AHCI_DHRS;
    task_file(p);
}

static void send_pio_setup(struct run *r, bool to_host, uint32_t count) {
    uint8_t fis[20] = {FIS_PIO_SETUP, (uint8_t)(FIS_INTERRUPT | (to_host ? FIS_TO_HOST : 0))};
    put_registers(r->d, fis);
    fis[2] = r->d->regs.status | ATA_STATUS_DRQ;
    fis[15] = r->d->regs.status; /* E_STATUS: the status after the data */
    fis[16] = (uint8_t)count, fis[17] = (uint8_t)(count >> 8);
    receive(r->p, AHCI_PIO_SETUP, fis, sizeof fis);
    r->p->is |= AHCI_PSS;
}

static void send_device_bits(struct ahci_port *p, uint32_t tags) {
    const struct ata_regs *g = &p->drive.regs;
    uint8_t fis[8] = {FIS_SET_DEVICE_BITS, FIS_INTERRUPT, (uint8_t)(g->status & 0x77), g->error};
    for (unsigned i = 0; i < 4; i++) fis[4 + i] = (uint8_t)(tags >> 8 * i);
    receive(p, AHCI_SET_DEVICE_BITS, fis, sizeof fis);
    p->sact &= ~tags;
    p->is |= AHCI_SDBS;
    task_file(p);
}

/* ---- data ---- */

/* "Physical Region Descriptor Table": address, count - 1, interrupt. false: there is no more, or it can't be read. */
static bool next_region(struct run *r) {
    uint8_t b[REGION_SIZE];
    if (r->next == r->regions || !dma_read(r, r->table + REGIONS_AT + (uint64_t)REGION_SIZE * r->next, b, sizeof b))
        return false;
    r->next++;
    uint32_t word = get32(b + 12);
    r->at = get64(b) & ~1ull;
    r->left = ((word & 0x3FFFFF) | 1) + 1;
    r->region_interrupt = word >> 31;
    return true;
}

static bool move(struct run *r) {
    uint8_t buf[PIECE];
    uint64_t left = ata_left(r->d);
    uint32_t n = r->left < PIECE ? r->left : PIECE;
    if (n > left) n = (uint32_t)left;
    if (ata_to_host(r->d->phase)) {
        n = (uint32_t)ata_pull(r->d, buf, n);
        if (!pci_dma_write(&r->p->ahci->pci, r->at, buf, n)) return false;
    } else {
        if (!dma_read(r, r->at, buf, n)) return false;
        ata_push(r->d, buf, n);
    }
    r->at += n;
    r->left -= n;
    r->moved += n;
    if (!r->left && r->region_interrupt) r->p->is |= AHCI_DPS;
    return true;
}

static bool has_data(const struct ata_drive *d) { return d->phase != ATA_IDLE && d->phase != ATA_PACKET; }

/* false: memory is not there, which is fatal; too few regions end the command. */
static bool move_all(struct run *r) {
    while (has_data(r->d)) {
        if (!r->left && r->next == r->regions) {
            r->p->is |= AHCI_OFS;
            ata_abort(r->d);
            return true;
        }
        if ((!r->left && !next_region(r)) || !move(r)) {
            ata_abort(r->d);
            r->p->is |= AHCI_HBFS;
            r->p->halted = true;
            return false;
        }
    }
    return true;
}

/* ---- commands ---- */

static void load_registers(struct ata_regs *g, const uint8_t *f) {
    g->command = f[2];
    g->feature[0] = f[3];
    memcpy(g->lba, f + 4, 3);
    g->device = f[7];
    memcpy(g->lba + 3, f + 8, 3);
    g->feature[1] = f[11];
    g->count[0] = f[12], g->count[1] = f[13];
}

/* ACS, "NCQ Command Error log": what READ LOG tells of the command that failed */
static void note_failure(struct ata_drive *d, uint8_t tag) {
    const struct ata_regs *g = &d->regs;
    const uint8_t log[] = {tag,       0,         g->status, g->error,  g->lba[0], g->lba[1],   g->lba[2],
                           g->device, g->lba[3], g->lba[4], g->lba[5], 0,         g->count[0], g->count[1]};
    memcpy(d->ncq_error, log, sizeof log);
}

/* Its register frame is answered at once; how it ended, Set Device Bits says. */
static void run_queued(struct run *r) {
    uint8_t tag = r->fis[12] >> 3;
    r->p->ci &= ~(1u << r->slot);
    ata_start(r->d);
    if (!move_all(r)) return;
    bool failed = r->d->regs.status & ATA_STATUS_ERR;
    if (failed) note_failure(r->d, tag);
    send_device_bits(r->p, failed ? 0 : 1u << tag);
}

static void run_command(struct run *r) {
    struct ata_drive *d = r->d;
    uint8_t packet[ATA_PACKET_SIZE];
    ata_start(d);
    if (d->phase == ATA_PACKET) {
        if (!dma_read(r, r->table + PACKET_AT, packet, sizeof packet)) memset(packet, 0xFF, sizeof packet);
        r->p->data_cycles = ata_packet_cycles(d, packet);
        ata_packet(d, packet);
    }
    bool is_packet = d->regs.command == ATA_COMMAND_PACKET, pio = d->phase == ATA_PIO_IN || d->phase == ATA_PIO_OUT;
    bool to_host = ata_to_host(d->phase);
    if (!move_all(r)) return;
    bool failed = d->regs.status & ATA_STATUS_ERR;
    uint8_t moved[4];
    for (unsigned i = 0; i < 4; i++) moved[i] = (uint8_t)(r->moved >> 8 * i);
    pci_dma_write(&r->p->ahci->pci, r->p->clb + HEADER_SIZE * r->slot + 4, moved, sizeof moved);
    r->p->ci &= ~(1u << r->slot);
    if (pio && !failed) send_pio_setup(r, to_host, r->moved);
    if (pio && to_host && !is_packet && !failed)
        task_file(r->p); /* "PIO data-in": no frame follows the data */
    else
        ahci_send_registers(r->p, true);
}

/* A frame with C = 0 carries the device control register: software reset. */
static void run_control(struct run *r) {
    struct ahci_port *p = r->p;
    bool reset = r->fis[15] & CONTROL_SRST;
    p->ci &= ~(1u << r->slot);
    if (reset) {
        p->soft_reset = true;
        if (!(r->flags & HEADER_CLEAR_BUSY)) p->tfd |= ATA_STATUS_BSY;
    } else if (p->soft_reset) {
        p->soft_reset = false;
        ata_reset(r->d);
        ahci_send_registers(p, true);
    }
}

static void fatal(struct ahci_port *p, uint32_t interrupt) {
    p->is |= interrupt;
    p->halted = true;
}

/* "Command List Structure" and "Command Table" */
static bool fetch(struct run *r) {
    struct ahci_port *p = r->p;
    uint8_t header[HEADER_SIZE];
    if (!dma_read(r, p->clb + HEADER_SIZE * r->slot, header, sizeof header)) return false;
    r->flags = get32(header);
    r->regions = r->flags >> 16;
    r->table = get64(header + 8) & ~127ull;
    return dma_read(r, r->table, r->fis, sizeof r->fis);
}

static void execute(struct run *r) {
    struct ahci_port *p = r->p;
    if (!fetch(r)) {
        fatal(p, AHCI_HBFS);
    } else if (!p->present || r->fis[0] != FIS_REGISTER_H2D) { /* nobody accepts the frame */
        p->serr |= SERR_PROTOCOL;
        fatal(p, AHCI_IFS);
    } else if (!(r->fis[1] & FIS_COMMAND)) {
        run_control(r);
    } else {
        load_registers(&r->d->regs, r->fis);
        p->data_cycles = ata_cycles(r->d);
        if (!r->d->is_cdrom && ata_is_queued(r->fis[2]))
            run_queued(r);
        else
            run_command(r);
    }
}

/* Slots are served in turn, after the one that was served last. */
void ahci_run_next(struct ahci_port *p) {
    unsigned slot = p->last_slot;
    if (!(p->cmd & AHCI_CMD_ST) || !p->ci || p->halted) return;
    for (unsigned i = 1; i <= AHCI_SLOTS; i++)
        if (p->ci >> ((slot + i) & 31) & 1) {
            slot = (slot + i) & 31;
            break;
        }
    p->last_slot = slot;
    p->cmd = (p->cmd & ~(31u << AHCI_CMD_CCS_SHIFT)) | slot << AHCI_CMD_CCS_SHIFT;
    execute(&(struct run){.p = p, .d = &p->drive, .slot = slot});
    ahci_update_interrupt(p->ahci);
}
