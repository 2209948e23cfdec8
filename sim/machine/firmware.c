/* The little of a PC's firmware that a boot loader's images count on: a data area that says where conventional memory
 * ends, and an interrupt vector table whose services return. A service that a handler stands for answers as the BIOS of
 * a machine without that device does: carry set and AH = 86H ("function not supported"), or an empty answer. Entry
 * addresses are the traditional ones. Flat images own all of memory; only multiboot images get this. */
#include "sim/machine/load.h"

#define ROM_SEGMENT 0xF000u
#define DUMMY_IRET  0xFF53u

struct service {
    uint8_t vector;
    uint16_t entry; /* offset in ROM_SEGMENT */
    uint8_t length;
    uint8_t code[12];
};

/* push bp; mov bp, sp; or word [bp+6], 1; pop bp; mov ah, 86h; iret: the flags image of the caller gets CF */
#define UNSUPPORTED                                                                                                    \
    11, { 0x55, 0x89, 0xE5, 0x83, 0x4E, 0x06, 0x01, 0x5D, 0xB4, 0x86, 0xCF }

static const struct service services[] = {
    {0x10,                      0xF065,                                         1,                                              {0xCF}}, /* video: nothing happens */
    {0x11,                         0xF84D,                                                                    4,                                                                                    {0xB8, 0x00, 0x00, 0xCF}}, /* equipment list: mov ax, 0 */
    {0x12, 0xF841,                                               4,       {0xB8, (CONVENTIONAL_END >> 10) & 0xFF, CONVENTIONAL_END >> 18, 0xCF}}, /* memory size in KiB */
    {0x13,                        0xE3FE,UNSUPPORTED}, /* disks */
    {0x14,0xE739,                                                                             4,                                                                                                                                 {0xB8, 0x00, 0x80, 0xCF}}, /* serial: time-out */
    {0x15,                        0xF859,UNSUPPORTED}, /* system services */
  /* keyboard: no key. push bp; mov bp, sp; or word [bp+6], 40h (ZF); pop bp; iret */
    {0x16,                      0xE82E,                                       9,                                                                                  {0x55, 0x89, 0xE5, 0x83, 0x4E, 0x06, 0x40, 0x5D, 0xCF}},
    {0x1A,                      0xFE6E,                                         UNSUPPORTED                                               }, /* time of day */
};

static void put(struct machine *m, uint64_t pa, uint64_t val, unsigned size) { machine_write(m, pa, &val, size); }

void firmware_install(struct machine *m) {
    for (unsigned v = 0; v < 256; v++) put(m, 4 * v, ROM_SEGMENT << 16 | DUMMY_IRET, 4);
    put(m, (ROM_SEGMENT << 4) + DUMMY_IRET, 0xCF, 1);
    for (unsigned n = 0; n < sizeof services / sizeof services[0]; n++) {
        const struct service *s = &services[n];
        put(m, 4 * s->vector, ROM_SEGMENT << 16 | s->entry, 4);
        machine_write(m, (ROM_SEGMENT << 4) + s->entry, s->code, s->length);
    }
    put(m, 0x40E, CONVENTIONAL_END >> 4, 2);  /* segment of the extended data area */
    put(m, 0x413, CONVENTIONAL_END >> 10, 2); /* KiB of conventional memory */
    put(m, 0x449, 3, 1);                      /* video mode: 80 by 25 text */
    put(m, 0x44A, 80, 2);
    put(m, 0x484, 24, 1);
    acpi_install(m);
}
