/* The IDE function of a PIIX3: configuration space, ports. */
#include "sim/dev/ide.h"

#include "sim/dev/dev.h"

#define IDETIM        0x40 /* a word for each channel */
#define IDETIM_DECODE 0x80 /* in its upper byte: "IDE Decode Enable" */
#define BAR_MASTER    4u
#define RANGE_COMMAND 16u /* + channel; below are the base addresses */
#define RANGE_CONTROL 18u

static const uint16_t command_port[2] = {0x1F0, 0x170}, control_port[2] = {0x3F6, 0x376};

/* ---- ports ---- */

static uint64_t ide_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct ide *ide = (struct ide *)d;
    struct ide_channel *c = &ide->channel[range & 1];
    uint64_t val = 0;
    if ((range & ~1u) == RANGE_CONTROL) return ide_alternate_status(c);
    if (range != BAR_MASTER && offset == 0) return ide_data_read(c, size);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)offset + i;
        uint8_t byte =
            range == BAR_MASTER ? ide_master_read(&ide->channel[at >> 3 & 1], at & 7) : ide_register_read(c, at);
        val |= (uint64_t)byte << 8 * i;
    }
    return val;
}

static void ide_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct ide *ide = (struct ide *)d;
    struct ide_channel *c = &ide->channel[range & 1];
    if ((range & ~1u) == RANGE_CONTROL) {
        ide_control_write(c, (uint8_t)val);
    } else if (range != BAR_MASTER && offset == 0) {
        ide_data_write(c, size, (uint32_t)val);
    } else {
        for (unsigned i = 0; i < size; i++, val >>= 8) {
            unsigned at = (unsigned)offset + i;
            if (range == BAR_MASTER)
                ide_master_write(&ide->channel[at >> 3 & 1], at & 7, (uint8_t)val);
            else
                ide_register_write(c, at, (uint8_t)val);
        }
    }
}

/* ---- configuration ---- */

static void update_decode(struct ide *ide) {
    struct machine *m = ide->pci.dev.machine;
    for (unsigned n = 0; n < 2; n++) {
        struct ide_channel *c = &ide->channel[n];
        bool on =
            (ide->pci.config[PCI_COMMAND] & PCI_COMMAND_IO) && (ide->pci.config[IDETIM + 2 * n + 1] & IDETIM_DECODE);
        if (on == c->decoded) continue;
        c->decoded = on;
        if (on) {
            machine_map_ports(m, &ide->pci.dev, RANGE_COMMAND + n, command_port[n], 8);
            machine_map_ports(m, &ide->pci.dev, RANGE_CONTROL + n, control_port[n], 1);
        } else {
            machine_unmap_ports(m, &ide->pci.dev, RANGE_COMMAND + n);
            machine_unmap_ports(m, &ide->pci.dev, RANGE_CONTROL + n);
        }
    }
}

static void ide_config_written(struct pci_device *p, unsigned off, unsigned size) {
    (void)off, (void)size;
    update_decode((struct ide *)p);
}

/* The channels are enabled from the start, as firmware leaves them: a kernel that is booted without any finds them. */
static void ide_reset(struct device *d) {
    struct ide *ide = (struct ide *)d;
    pci_reset(&ide->pci);
    for (unsigned n = 0; n < 2; n++) {
        ide->pci.config[IDETIM + 2 * n + 1] = IDETIM_DECODE;
        ide_channel_reset(&ide->channel[n]);
    }
    update_decode(ide);
}

static void ide_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops ide_ops = {
    .name = "IDE", .reset = ide_reset, .destroy = ide_destroy, .read = ide_read, .write = ide_write, .port_width = 4};
static const struct pci_ops ide_pci_ops = {.config_written = ide_config_written};

struct ide *ide_create(struct machine *m, uint8_t devfn) {
    /* mass storage, IDE, bus master, both channels at their compatible ports */
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x7010, .class_code = 0x010180};
    struct ide *ide = device_alloc(m, sizeof *ide, &ide_ops);
    if (!ide) return NULL;
    pci_init(&ide->pci, m->pci, devfn, &id, &ide_pci_ops);
    pci_set_writable(&ide->pci, IDETIM, 5, 0xFFFFFFFFFF);
    pci_add_bar(&ide->pci, BAR_MASTER, &(struct pci_bar){.kind = PCI_BAR_IO, .size = 16});
    for (unsigned n = 0; n < 2; n++) {
        ide->channel[n].ide = ide;
        ide->channel[n].number = n;
    }
    return ide;
}

bool ide_attach(struct ide *ide, struct disk *disk, bool cdrom, unsigned number) {
    static const uint8_t order[2][4] = {
        {0, 1, 2, 3},
        {2, 3, 1, 0}
    };
    for (unsigned i = 0; i < 4; i++) {
        unsigned place = order[cdrom][i];
        struct ide_channel *c = &ide->channel[place >> 1];
        if (c->present[place & 1]) continue;
        c->present[place & 1] = true;
        ata_init(&c->drive[place & 1], disk, cdrom, false, number);
        return true;
    }
    return false;
}
