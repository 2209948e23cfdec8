/* Real mode, for 32-bit images. */
#ifndef GUEST_REAL_H
#define GUEST_REAL_H

#include "testsuites/guest/lib/types.h"

struct real_regs {
    u32 eax, ecx, edx, ebx, esi, edi, ebp, eflags;
    u16 ds, es, fs, gs;
};

/*
 * Copies code (position-dependent on offset 0, at most 0xF000 bytes, assembled with .code16) to segment REAL_SEGMENT
 * and far-calls it in real mode: CS = SS = REAL_SEGMENT, IP 0, SP 0xFFEC, the rest from *r; an LRET comes back and *r
 * has the registers as they were then. Paging must be off. The interrupt vector table is at 0 and is the caller's;
 * interrupts are as EFLAGS in *r says. The GDT is that of the library again afterwards; data segments are flat.
 */
void real_call(const void *code, size_t size, struct real_regs *r);

/* Points an entry of the interrupt vector table at offset ip of segment cs. */
void real_vector_set(u8 vector, u16 cs, u16 ip);

#endif
