/* What assembly and C share: selectors, vectors, ports. Plain #defines, so that .S files may include it. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

/*
 * The GDT is the same in 64- and 32-bit images. The order serves SYSCALL (kernel code, kernel data) and SYSRET (user
 * code32, user data, user code64). Entries from SEL_FREE up to GDT_ENTRIES are for tests.
 */
#define SEL_CODE64  0x08
#define SEL_DATA    0x10
#define SEL_CODE32  0x18
#define SEL_CODE16  0x20
#define SEL_DATA16  0x28
#define SEL_UCODE32 0x30
#define SEL_UDATA   0x38
#define SEL_UCODE64 0x40
#define SEL_UCODE16 0x48
#define SEL_UDATA16 0x50
#define SEL_TSS     0x58 /* two entries in 64-bit images */
#define SEL_FREE    0x68
#define GDT_ENTRIES 64

/* Software interrupt by which user code returns to user_call(). */
#define VEC_USER_RETURN 0xF0

#define PORT_COM1  0x3F8
#define PORT_DEBUG 0xE9
#define PORT_EXIT  0xF4

#define BOOT_STACK_SIZE 0x10000

/* Where real-mode code is copied to and runs (real.h): one segment, its stack at the segment's top; below it the stub.
 */
#define REAL_STUB_BASE 0xF000
#define REAL_SEGMENT   0x1000
#define REAL_BASE      (REAL_SEGMENT << 4)

#endif
