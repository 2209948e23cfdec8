/* The firmware configuration device: named blobs for firmware, at ports 510H-51BH. QEMU documentation, "QEMU Firmware
 * Configuration (fw_cfg) Device": SeaBIOS, OVMF, Linux and kvm-unit-tests know it. */
#ifndef HVSIM_DEV_FWCFG_H
#define HVSIM_DEV_FWCFG_H

#include "sim/machine/machine.h"

enum fwcfg_key {
    FWCFG_SIGNATURE = 0x00,
    FWCFG_ID = 0x01,
    FWCFG_RAM_SIZE = 0x03,
    FWCFG_CPUS = 0x05,
    FWCFG_KERNEL_SIZE = 0x08,
    FWCFG_INITRD_SIZE = 0x0B,
    FWCFG_BOOT_MENU = 0x0E,
    FWCFG_MAX_CPUS = 0x0F,
    FWCFG_KERNEL_DATA = 0x11,
    FWCFG_INITRD_DATA = 0x12,
    FWCFG_COMMAND_LINE_SIZE = 0x14,
    FWCFG_COMMAND_LINE_DATA = 0x15,
    FWCFG_SETUP_SIZE = 0x17,
    FWCFG_SETUP_DATA = 0x18,
    FWCFG_FILE_DIRECTORY = 0x19,
    FWCFG_FILES = 0x20, /* keys of the named files: this one and on */
};

/* Windows of firmware's ROMs have this device's name and a range from here on. */
#define FWCFG_ROM_RANGES 16

struct device *fwcfg_create(struct machine *m);
/* Copies of the data. false: out of memory, or (files) too many or too long a name. */
bool fwcfg_add(struct device *d, enum fwcfg_key key, const void *data, size_t size);
bool fwcfg_add_number(struct device *d, enum fwcfg_key key, uint64_t val, unsigned size); /* little-endian */
bool fwcfg_add_file(struct device *d, const char *name, const void *data, size_t size);
/* A file of fixed size whose contents are made each time that software selects it. */
typedef void fwcfg_fill(const struct machine *m, uint8_t *data, size_t size);
bool fwcfg_add_lazy_file(struct device *d, const char *name, size_t size, fwcfg_fill *fill);

#endif
