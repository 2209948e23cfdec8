/* The little of a PC's firmware that a boot loader's images count on: a data area that says where the serial ports are
 * and where conventional memory ends, and an interrupt vector table whose services return. A service that a handler
 * stands for answers as the BIOS of a machine without that device does: carry set and AH = 86H ("function not
 * supported"), or an empty answer. Entry addresses are the traditional ones. Flat images own all of memory; only
 * multiboot images get this. */
#include "sim/machine/load.h"
#include "sim/machine/smbios.h"

#define ROM_SEGMENT 0xF000u
#define DUMMY_IRET  0xFF53u
#define EQUIPMENT   0x0422 /* a floating-point unit, 80 by 25 text in colour, two serial ports */

struct service {
    uint8_t vector;
    uint16_t entry; /* offset in ROM_SEGMENT */
    uint8_t length;
    const char *code;
};
#define CODE(bytes) sizeof(bytes) - 1, bytes

/* push bp; mov bp, sp; or word [bp+6], 1; pop bp; mov ah, 86h; iret: the flags image of the caller gets CF */
#define UNSUPPORTED    CODE("\x55\x89\xE5\x83\x4E\x06\x01\x5D\xB4\x86\xCF")
/* push ds; push ax; xor ax, ax; mov ds, ax; inc dword [46CH]; mov al, 20H; out 20H, al; pop ax; pop ds; iret */
#define COUNT_TICK     CODE("\x1E\x50\x31\xC0\x8E\xD8\x66\xFF\x06\x6C\x04\xB0\x20\xE6\x20\x58\x1F\xCF")
/* push bp; mov bp, sp; or word [bp+6], 40h; pop bp; iret: ZF, no key */
#define NO_KEY         CODE("\x55\x89\xE5\x83\x4E\x06\x40\x5D\xCF")
/* mov ax, 422H; iret: EQUIPMENT */
#define EQUIPMENT_LIST CODE("\xB8\x22\x04\xCF")
/* mov ax, 639; iret: KiB of conventional memory */
#define MEMORY_SIZE    CODE("\xB8\x7F\x02\xCF")
_Static_assert(CONVENTIONAL_END >> 10 == 0x27F, "what MEMORY_SIZE says");

static const struct service services[] = {
    {0x08, 0xFEA5, COUNT_TICK              }, /* timer */
    {0x10, 0xF065, CODE("\xCF")            }, /* video: nothing happens */
    {0x11, 0xF84D, EQUIPMENT_LIST          },
    {0x12, 0xF841, MEMORY_SIZE             },
    {0x13, 0xE3FE, UNSUPPORTED             }, /* disks */
    {0x14, 0xE739, CODE("\xB8\x00\x80\xCF")}, /* serial: time-out */
    {0x15, 0xF859, UNSUPPORTED             }, /* system services */
    {0x16, 0xE82E, NO_KEY                  }, /* keyboard */
    {0x1A, 0xFE6E, UNSUPPORTED             }, /* time of day */
};

static void put(struct machine *m, uint64_t pa, uint64_t val, unsigned size) { machine_write(m, pa, &val, size); }

/* The interrupt controllers at vectors 08H and 70H with only the timer open, and the timer at 18.2 Hz. */
static void start_timer(struct machine *m) {
    static const struct {
        uint8_t port, val;
    } writes[] = {
        {0x20, 0x11},
        {0x21, 0x08},
        {0x21, 0x04},
        {0x21, 0x01},
        {0xA0, 0x11},
        {0xA1, 0x70},
        {0xA1, 0x02},
        {0xA1, 0x01},
        {0x21, 0xFA},
        {0xA1, 0xFF},
        {0x43, 0x36},
        {0x40, 0x00},
        {0x40, 0x00}
    };
    for (unsigned i = 0; i < sizeof writes / sizeof writes[0]; i++) port_write(m, writes[i].port, 1, writes[i].val);
}

bool firmware_install(struct machine *m) {
    for (unsigned v = 0; v < 256; v++) put(m, 4 * v, ROM_SEGMENT << 16 | DUMMY_IRET, 4);
    put(m, (ROM_SEGMENT << 4) + DUMMY_IRET, 0xCF, 1);
    for (unsigned n = 0; n < sizeof services / sizeof services[0]; n++) {
        const struct service *s = &services[n];
        put(m, 4 * s->vector, ROM_SEGMENT << 16 | s->entry, 4);
        machine_write(m, (ROM_SEGMENT << 4) + s->entry, s->code, s->length);
    }
    put(m, 0x400, 0x3F8, 2); /* where the serial ports are */
    put(m, 0x402, 0x2F8, 2);
    put(m, 0x40E, CONVENTIONAL_END >> 4, 2); /* segment of the extended data area */
    put(m, 0x410, EQUIPMENT, 2);
    put(m, 0x413, CONVENTIONAL_END >> 10, 2); /* KiB of conventional memory */
    put(m, 0x449, 3, 1);                      /* video mode: 80 by 25 text */
    put(m, 0x44A, 80, 2);
    put(m, 0x484, 24, 1);
    smbios_install(m);
    start_timer(m);
    return acpi_install(m);
}
