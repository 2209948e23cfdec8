/* SMBus host controller of the PIIX4, without devices on the bus: every transaction ends with a device error. Intel
 * 82371AB (PIIX4) data sheet, "SMBus I/O Space Registers". */
#include "sim/dev/smbus.h"

#include <string.h>

#include "sim/dev/dev.h"

enum smbus_register { HSTSTS, SLVSTS, HSTCNT, HSTCMD, HSTADD, HSTDAT0, HSTDAT1, BLKDAT, SMBUS_SIZE = 16 };
enum { STS_DEV_ERR = 0x04, STS_CLEARED = 0x1E, CNT_START = 0x40 };

struct smbus {
    struct device dev;
    uint16_t base; /* 0: not decoded */
    uint8_t reg[SMBUS_SIZE];
};

static uint64_t smbus_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct smbus *s = (struct smbus *)d;
    (void)range, (void)size;
    return s->reg[offset % SMBUS_SIZE];
}

static void smbus_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct smbus *s = (struct smbus *)d;
    (void)range, (void)size;
    switch (offset % SMBUS_SIZE) {
    case HSTSTS:
        s->reg[HSTSTS] &= (uint8_t) ~(val & STS_CLEARED);
        break;
    case HSTCNT:
        s->reg[HSTCNT] = val & 0x1F;
        if (val & CNT_START) s->reg[HSTSTS] |= STS_DEV_ERR;
        break;
    case HSTCMD:
    case HSTADD:
    case HSTDAT0:
    case HSTDAT1:
    case BLKDAT:
        s->reg[offset] = (uint8_t)val;
        break;
    default:
        break;
    }
}

void smbus_move(struct device *d, uint16_t base) {
    struct smbus *s = (struct smbus *)d;
    if (base == s->base) return;
    machine_unmap_ports(d->machine, d, 0);
    if (base) machine_map_ports(d->machine, d, 0, base, SMBUS_SIZE);
    s->base = base;
}

static void smbus_reset(struct device *d) { memset(((struct smbus *)d)->reg, 0, SMBUS_SIZE); }

static const struct device_ops smbus_ops = {
    .name = "SMBus", .reset = smbus_reset, .read = smbus_read, .write = smbus_write};

struct device *smbus_create(struct machine *m) {
    struct smbus *s = device_alloc(m, sizeof *s, &smbus_ops);
    return s ? &s->dev : NULL;
}
