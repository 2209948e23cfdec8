/* Forms of instructions that only AMD's older processors have: shared by the table (oldamd_code.S) and the program. */
#ifndef GUEST_VECTOR_OLDAMD_H
#define GUEST_VECTOR_OLDAMD_H

/* What makes the operands of a row, and what of the result counts */
#define CLASS_INT   0 /* integers in XMM2, XMM3, XMM4, and memory */
#define CLASS_F32   1 /* single precision, every kind of value */
#define CLASS_F64   2
#define CLASS_FIELD 3 /* bit fields of SSE4A; the upper quadwords are undefined */
#define CLASS_MMX   4 /* integers in MM1 and MM2 */
#define CLASS_3DNOW 5 /* single precision of middling size */
#define CLASS_GPR   6 /* RAX from RCX, with flags */

/* What of the code is random from run to run */
#define PATCH_NONE  0x00
#define PATCH_IMM8  0x10
#define PATCH_LOW2  0x20 /* the lowest two bits of the last byte: its upper half is a register */
#define PATCH_FIELD 0x30 /* the last two bytes: length and index of a field */
#define PATCH_BEXTR 0x40 /* the last four: start and length */

#define FEATURE_XOP      0
#define FEATURE_FMA4     1
#define FEATURE_TBM      2
#define FEATURE_SSE4A    3
#define FEATURE_3DNOW    4
#define FEATURE_3DNOWEXT 5

/* struct state */
#define STATE_V     0
#define STATE_MEM   128
#define STATE_MM    160
#define STATE_GPR   176
#define STATE_FLAGS 192
#define STATE_MXCSR 200

#endif
