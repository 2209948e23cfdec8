/* The machine's drives: images are opened and put into the interfaces that the board has. */
#include <stdio.h>

#include "sim/dev/ahci.h"
#include "sim/dev/disk.h"
#include "sim/dev/ide.h"
#include "sim/dev/virtio_devices.h"
#include "sim/hvsim.h"

#define PLUGGED_FROM 2u /* the first slot for a controller that is not soldered on */

struct adapters {
    struct ide *ide;
    struct ahci *ahci;
};

/* A board has its own adapter whether there are drives or not: PIIX3's IDE function, ICH9's AHCI. */
static bool create_soldered(struct machine *m, struct adapters *a) {
    if (m->kind == MACHINE_Q35)
        a->ahci = ahci_create(m, PCI_DEVFN(31, 2));
    else
        a->ide = ide_create(m, PCI_DEVFN(1, 1));
    return a->ahci || a->ide;
}

static bool attach_ide(struct machine *m, struct adapters *a, struct disk *d, bool cdrom, char *err, size_t size) {
    if (!a->ide)
        snprintf(err, size, "%s: the machine has no IDE interface; expected ahci or virtio, or --machine pc",
                 disk_path(d));
    else if (!ide_attach(a->ide, d, cdrom, m->disk_count))
        snprintf(err, size, "%s: the IDE interface has room for 4 drives; give others if=virtio or if=ahci",
                 disk_path(d));
    else
        return true;
    return false;
}

static bool attach_ahci(struct machine *m, struct adapters *a, struct disk *d, bool cdrom, char *err, size_t size) {
    int slot = a->ahci ? 0 : pci_free_slot(m->pci, PLUGGED_FROM);
    if (!a->ahci && slot >= 0) a->ahci = ahci_create(m, (uint8_t)slot);
    if (!a->ahci)
        snprintf(err, size, "%s: no room for an AHCI adapter", disk_path(d));
    else if (!ahci_attach(a->ahci, d, cdrom, m->disk_count))
        snprintf(err, size, "%s: the AHCI adapter has room for %u drives; give others if=virtio", disk_path(d),
                 AHCI_PORTS);
    else
        return true;
    return false;
}

static bool attach_virtio(struct machine *m, struct adapters *a, struct disk *d, bool cdrom, char *err, size_t size) {
    (void)a, (void)cdrom;
    if (virtio_blk_create(m, d)) return true;
    snprintf(err, size, "%s: no room for a virtio block device", disk_path(d));
    return false;
}

static bool attach(struct machine *m, struct adapters *a, struct disk *d, const struct hvsim_drive *drive, char *err,
                   size_t size) {
    static bool (*const how[])(struct machine *, struct adapters *, struct disk *, bool, char *, size_t) = {
        [HVSIM_IF_IDE] = attach_ide, [HVSIM_IF_AHCI] = attach_ahci, [HVSIM_IF_VIRTIO] = attach_virtio};
    enum hvsim_interface to = drive->interface;
    if (to == HVSIM_IF_DEFAULT) to = m->kind == MACHINE_Q35 ? HVSIM_IF_AHCI : HVSIM_IF_IDE;
    return how[to](m, a, d, drive->cdrom, err, size);
}

bool drives_create(struct machine *m, const struct machine_config *c, char *err, size_t err_size) {
    struct adapters a = {NULL, NULL};
    if (!create_soldered(m, &a)) return false;
    for (unsigned i = 0; i < c->drive_count; i++) {
        const struct hvsim_drive *drive = &c->drives[i];
        struct disk_options o = {.path = drive->path, .format = drive->format, .read_only = drive->cdrom};
        o.writable = c->writable && !drive->cdrom;
        struct disk *d = disk_open(&o, err, err_size);
        if (!d) return false;
        bool ok = attach(m, &a, d, drive, err, err_size);
        m->disk[m->disk_count++] = d; /* the machine closes it */
        if (!ok) return false;
    }
    return true;
}

void drives_destroy(struct machine *m) {
    for (unsigned i = 0; i < m->disk_count; i++) disk_close(m->disk[i]);
    m->disk_count = 0;
}
