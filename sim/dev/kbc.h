/* The keyboard controller, as the host reaches it: keys pressed and mouse moved. */
#ifndef HVSIM_DEV_KBC_H
#define HVSIM_DEV_KBC_H

#include "sim/dev/ps2.h"
#include "sim/machine/machine.h"

/* usage: HID Usage Tables, "Keyboard/Keypad Page". false: no such key, or more are waiting than are kept. */
bool kbc_key(struct device *kbc, unsigned usage, bool down);
void kbc_mouse(struct device *kbc, const struct ps2_motion *motion);
unsigned kbc_leds(const struct device *kbc); /* bit 0 Scroll, 1 Num, 2 Caps Lock */

#endif
