/* The display adapter: a VGA with the DISPI registers of the "stdvga" programming model, which add linear modes.
 * Registers and their names: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem". */
#ifndef HVSIM_DEV_VGA_H
#define HVSIM_DEV_VGA_H

#include "sim/dev/pci.h"

#define VGA_MEMORY       (16u << 20)
#define VGA_PLANE        0x10000u        /* bytes of a plane that the VGA itself reaches */
#define VGA_PLANES       (4 * VGA_PLANE) /* byte n of plane p is at 4n + p of video memory */
#define VGA_WINDOW       0xA0000u
#define VGA_WINDOW_SIZE  0x20000u
#define VGA_RANGE_DIRECT 15 /* the window's range while it is memory */
#define DISPI_MAX_WIDTH  2560
#define DISPI_MAX_HEIGHT 1600

enum { SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_CHARACTER_MAP, SEQ_MEMORY_MODE, SEQ_REGS };
enum {
    CRTC_H_TOTAL,
    CRTC_H_DISPLAY_END,
    CRTC_V_TOTAL = 0x06,
    CRTC_OVERFLOW,
    CRTC_PRESET_ROW_SCAN,
    CRTC_MAX_SCAN_LINE,
    CRTC_CURSOR_START,
    CRTC_CURSOR_END,
    CRTC_START_HIGH,
    CRTC_START_LOW,
    CRTC_CURSOR_HIGH,
    CRTC_CURSOR_LOW,
    CRTC_V_RETRACE_START,
    CRTC_V_RETRACE_END,
    CRTC_V_DISPLAY_END,
    CRTC_OFFSET,
    CRTC_UNDERLINE,
    CRTC_MODE = 0x17,
    CRTC_LINE_COMPARE,
    CRTC_REGS
};
enum {
    GC_SET_RESET,
    GC_ENABLE_SET_RESET,
    GC_COLOUR_COMPARE,
    GC_ROTATE,
    GC_READ_MAP,
    GC_MODE,
    GC_MISC,
    GC_DONT_CARE,
    GC_BIT_MASK,
    GC_REGS
};
enum { AC_MODE = 0x10, AC_OVERSCAN, AC_PLANE_ENABLE, AC_PANNING, AC_COLOUR_SELECT, AC_REGS };
enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_MEMORY_64K,
    DISPI_REGS
};
enum { DISPI_ENABLED = 0x01, DISPI_GETCAPS = 0x02, DISPI_8BIT_DAC = 0x20, DISPI_LFB = 0x40, DISPI_NO_CLEAR = 0x80 };

struct vga_regs {
    uint8_t misc, feature;
    uint8_t seq_index, seq[SEQ_REGS];
    uint8_t crtc_index, crtc[CRTC_REGS];
    uint8_t gc_index, gc[GC_REGS];
    uint8_t ac_index, ac[AC_REGS]; /* bit 5 of the index: the display is on */
    bool ac_data;                  /* the flip-flop: the next write at 3C0H is data */
    uint8_t dac_mask, dac_index, dac_component, dac_read_mode, dac_latch[3];
    uint8_t dac[256][3]; /* 6 bits each, or 8 with DISPI_8BIT_DAC */
    uint8_t latch[4];
    uint16_t dispi_index, dispi[DISPI_REGS];
};

/* Part of the window at A0000H that is plain memory for the time being. Text and chained memory lies scattered over the
 * planes; while it is direct its bytes are in a buffer of their own. */
enum vga_direct { VGA_DIRECT_NONE, VGA_DIRECT_TEXT, VGA_DIRECT_CHAIN4, VGA_DIRECT_BANK };

struct vga {
    struct pci_device pci;
    struct vga_regs regs;
    uint8_t *memory; /* VGA_MEMORY bytes */
    uint8_t *buffer; /* 64 KiB */
    enum vga_direct direct;
    uint32_t direct_base, direct_size; /* from VGA_WINDOW on */
    uint64_t direct_bank;
};

/* ---- registers (vga_regs.c) ---- */

/* port is 3B0H to 3DFH */
uint8_t vga_port_read(struct vga *v, uint16_t port);
void vga_port_write(struct vga *v, uint16_t port, uint8_t val);
/* Where the beam is, from the virtual clock. */
struct vga_beam {
    bool retrace, blank; /* vertical retrace; not in the displayed part */
    uint64_t frames;     /* since the clock began */
};
struct vga_beam vga_beam(const struct vga_regs *r, uint64_t now);
unsigned vga_lines(const struct vga_regs *r); /* displayed scan lines */

/* ---- linear modes (vga_dispi.c) ---- */

struct vga_linear { /* what the registers come to */
    unsigned width, height, bpp;
    uint32_t start, pitch; /* bytes; of a plane when bpp is 4 */
};
uint16_t vga_dispi_read(const struct vga *v, unsigned index);
void vga_dispi_write(struct vga *v, unsigned index, uint16_t val);
static inline bool vga_is_linear(const struct vga_regs *r) { return r->dispi[DISPI_ENABLE] & DISPI_ENABLED; }
struct vga_linear vga_linear_mode(const struct vga_regs *r);

/* ---- memory (vga_memory.c) ---- */

uint8_t vga_memory_read(struct vga *v, uint32_t offset); /* from A0000H */
void vga_memory_write(struct vga *v, uint32_t offset, uint8_t val);
/* After a register changed: make part of the window direct memory, or no longer. */
void vga_update_window(struct vga *v);
/* The planes as a program would find them, in a copy of VGA_PLANES bytes. */
void vga_copy_planes(const struct vga *v, uint8_t *planes);

/* ---- state at power-up: text mode 3 with the project's font (vga_mode.c, vga_font.c) ---- */

void vga_set_text_mode(struct vga *v);
void vga_font(uint8_t font[256][16]);

/* ---- the picture (vga_render.c): pure functions of registers, memory and time ---- */

void vga_picture_size(const struct vga_regs *r, unsigned *width, unsigned *height);
/* `memory` is video memory; of it only VGA_PLANES bytes are looked at when the mode is not linear. `rgba` gets width *
 * height * 4 bytes. `now`: cycles, for what blinks. */
void vga_render(const struct vga_regs *r, const uint8_t *memory, uint64_t now, uint8_t *rgba);
/* The characters of a text mode: lines that end in '\n', what is not ASCII as '.'. Returns the length without the final
 * 0; 0 in a graphics mode. */
size_t vga_text(const struct vga_regs *r, const uint8_t *planes, char *text, size_t size);

/* ---- for the machine ---- */

struct device *vga_create(struct machine *m);
/* The VGA BIOS for the expansion ROM, once, before the machine runs. false: err says why. */
bool vga_add_rom(struct device *vga, const char *path, char *err, size_t err_size);
/* What the host sees: size and, with rgba, the picture. */
void vga_look(const struct device *vga, unsigned *width, unsigned *height);
void vga_picture(const struct device *vga, uint8_t *rgba);
size_t vga_screen_text(const struct device *vga, char *text, size_t size);
/* For loaders: a linear mode of 8 to 32 bits per pixel, cleared. false: video memory is too small for it. */
bool vga_set_linear_mode(struct device *vga, unsigned width, unsigned height, unsigned bpp, struct vga_linear *got);
uint64_t vga_framebuffer(const struct device *vga); /* physical address of BAR0, 0: not assigned */

#endif
