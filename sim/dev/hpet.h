/* The high precision event timer: what the ACPI tables say of it. */
#ifndef HVSIM_DEV_HPET_H
#define HVSIM_DEV_HPET_H

#include "sim/machine/machine.h"

#define HPET_BASE        0xFED00000ull
#define HPET_ID          0x8086A201u /* Intel; legacy replacement, 64 bits, 3 timers, revision 1 */
#define HPET_LEAST_TICKS 128         /* shorter periods are not served */

struct device *hpet_create(struct machine *m);

#endif
