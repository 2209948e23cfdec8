/* Pictures of a machine's screen as PNG files. */
#ifndef HVSIM_CLI_PNG_H
#define HVSIM_CLI_PNG_H

#include "sim/hvsim.h"

/* false: a message on standard error says why. */
bool png_save(hvsim *h, const char *path);

#endif
