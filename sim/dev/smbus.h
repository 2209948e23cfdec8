/* The PIIX4's SMBus host controller. */
#ifndef HVSIM_DEV_SMBUS_H
#define HVSIM_DEV_SMBUS_H

#include "sim/machine/machine.h"

struct device *smbus_create(struct machine *m);
void smbus_move(struct device *smbus, uint16_t base); /* 0: not decoded */

#endif
