/* The x87 part of the 512-byte legacy region that FXSAVE, XSAVE and their kin share: bytes 0-23 and 32-159.
 * SDM 2 "FXSAVE", table "Layout of FXSAVE and FXRSTOR Memory Region"; SDM 1 "x87 State". */
#ifndef HVSIM_X87_IMAGE_H
#define HVSIM_X87_IMAGE_H

#include "sim/core/cpu.h"

#define X87_IMAGE_SIZE     512
#define X87_IMAGE_POINTERS 6  /* FOP, FIP, FDP */
#define X87_IMAGE_MXCSR    24 /* not written here; neither is MXCSR_MASK behind it */
#define X87_IMAGE_ST       32
#define X87_IMAGE_XMM      160

/* APM 2 "FXSAVE and FXRSTOR Instructions": without XSaveErPtr (CPUID) an AMD processor saves FOP, FIP and FDP only when
 * FSW.ES is 1, and restores them only when it is 1 in the image. Then x87_image_save() leaves those bytes of `image`
 * as they are, and the caller has read them from memory. */
bool x87_image_keeps_pointers(const struct cpu *cpu);

/* `w64`: with 64-bit FIP and FDP (REX.W in 64-bit mode) in place of selectors. */
void x87_image_save(const struct cpu *cpu, uint8_t image[X87_IMAGE_SIZE], bool w64);
/* ES and B are made anew from the exceptions and their masks. */
void x87_image_load(struct cpu *cpu, const uint8_t image[X87_IMAGE_SIZE], bool w64);

/* As FNINIT leaves it, the data registers zero: the initial configuration of XSAVE's x87 state component. */
void x87_init(struct cpu *cpu);
bool x87_is_init(const struct cpu *cpu);

#endif
