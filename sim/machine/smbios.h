/* SMBIOS: a description of the machine for people and management software. */
#ifndef HVSIM_MACHINE_SMBIOS_H
#define HVSIM_MACHINE_SMBIOS_H

#include "sim/machine/machine.h"

enum { SMBIOS_ANCHOR_SIZE = 31, SMBIOS_ANCHOR3_SIZE = 24, SMBIOS_MAX = 2048 };

struct smbios {
    uint8_t table[SMBIOS_MAX];
    uint16_t size, structures, largest;
};

/* The structures; the entry points for a table at `base`: 2.1 (32 bits, version 2.8) and 3.0. */
void smbios_build(const struct machine *m, struct smbios *s);
void smbios_anchor(const struct smbios *s, uint32_t base, uint8_t anchor[SMBIOS_ANCHOR_SIZE]);
void smbios_anchor3(const struct smbios *s, uint64_t base, uint8_t anchor[SMBIOS_ANCHOR3_SIZE]);
/* For kernels that are started directly: into the memory below 1 MiB. */
void smbios_install(struct machine *m);
bool smbios_tell_firmware(struct machine *m); /* as files of the firmware configuration device; false: no memory */

#endif
