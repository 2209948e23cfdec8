/* Pieces of machine code with names, for tests that must know every byte of what runs. */
#ifndef GUEST_CODE_H
#define GUEST_CODE_H

#include "testsuites/guest/lib/types.h"

/* CODE(name, "assembly"): file-local code; name is its first byte. Labels inside need the prefix of the name. */
#define CODE(name, text)                                                                                               \
    extern const u8 name[];                                                                                            \
    __asm__(".pushsection .text.code, \"ax\"\n" #name ":\n" text "\n.popsection")

/* A label inside such code. */
#define CODE_LABEL(name) extern const u8 name[]

#endif
