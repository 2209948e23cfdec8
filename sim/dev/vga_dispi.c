/* The DISPI registers: linear modes of any size. They were defined by the Bochs VBE extensions, interface B0C0H to
 * B0C5H: an index and a data register of 16 bits. */
#include <string.h>

#include "sim/dev/vga.h"

#define ID_FIRST 0xB0C0
#define ID_LAST  0xB0C5
#define BPP_MAX  32

static unsigned at_least(unsigned val, unsigned min) { return val < min ? min : val; }

/* Registers may hold anything: the mode is made to fit video memory. */
struct vga_linear vga_linear_mode(const struct vga_regs *r) {
    const uint16_t *d = r->dispi;
    struct vga_linear l = {.width = at_least(d[DISPI_XRES] & ~7u, 8), .height = at_least(d[DISPI_YRES], 1)};
    l.bpp = d[DISPI_BPP];
    unsigned bytes = (l.bpp + 7) / 8; /* of a pixel */
    if (l.width > DISPI_MAX_WIDTH) l.width = DISPI_MAX_WIDTH;
    if (l.height > DISPI_MAX_HEIGHT) l.height = DISPI_MAX_HEIGHT;
    unsigned virtual_width = at_least(d[DISPI_VIRT_WIDTH] & ~7u, l.width);
    l.pitch = l.bpp == 4 ? virtual_width / 8 : virtual_width * bytes;
    uint32_t size = l.bpp == 4 ? VGA_MEMORY / 4 : VGA_MEMORY;
    if (l.height > size / l.pitch) l.height = size / l.pitch;
    l.start = d[DISPI_Y_OFFSET] * l.pitch + (l.bpp == 4 ? d[DISPI_X_OFFSET] / 8 : d[DISPI_X_OFFSET] * bytes);
    if (l.start > size - l.height * l.pitch) l.start = 0;
    return l;
}

uint16_t vga_dispi_read(const struct vga *v, unsigned index) {
    const struct vga_regs *r = &v->regs;
    bool caps = r->dispi[DISPI_ENABLE] & DISPI_GETCAPS;
    switch (index) {
    case DISPI_XRES:
        return caps ? DISPI_MAX_WIDTH : r->dispi[index];
    case DISPI_YRES:
        return caps ? DISPI_MAX_HEIGHT : r->dispi[index];
    case DISPI_BPP:
        return caps ? BPP_MAX : r->dispi[index];
    case DISPI_VIRT_HEIGHT: {
        struct vga_linear l = vga_linear_mode(r);
        uint32_t lines = (l.bpp == 4 ? VGA_MEMORY / 4 : VGA_MEMORY) / l.pitch;
        return lines > 0xFFFF ? 0xFFFF : (uint16_t)lines;
    }
    case DISPI_MEMORY_64K:
        return VGA_MEMORY >> 16;
    default:
        return index < DISPI_REGS ? r->dispi[index] : 0;
    }
}

/* Between 6 and 8 bits what the DAC holds keeps its meaning. */
static void scale_dac(struct vga_regs *r, bool to8) {
    for (unsigned i = 0; i < 256; i++)
        for (unsigned c = 0; c < 3; c++) {
            uint8_t val = r->dac[i][c];
            r->dac[i][c] = (uint8_t)(to8 ? val << 2 | val >> 4 : val >> 2);
        }
}

static void write_enable(struct vga *v, uint16_t val) {
    struct vga_regs *r = &v->regs;
    uint16_t old = r->dispi[DISPI_ENABLE];
    r->dispi[DISPI_ENABLE] = val & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB | DISPI_NO_CLEAR);
    if ((old ^ val) & DISPI_8BIT_DAC) scale_dac(r, val & DISPI_8BIT_DAC);
    if (!(val & DISPI_ENABLED)) r->dispi[DISPI_BANK] = 0;
    bool on = (val & DISPI_ENABLED) && !(old & DISPI_ENABLED);
    if (on) r->dispi[DISPI_VIRT_WIDTH] = r->dispi[DISPI_X_OFFSET] = r->dispi[DISPI_Y_OFFSET] = 0;
    struct vga_linear l = vga_linear_mode(r);
    if (on) r->dispi[DISPI_VIRT_WIDTH] = (uint16_t)l.width;
    vga_update_window(v); /* before video memory is cleared: what was in the buffer goes back first */
    if (on && !(val & DISPI_NO_CLEAR)) memset(v->memory, 0, (size_t)l.pitch * l.height * (l.bpp == 4 ? 4 : 1));
}

void vga_dispi_write(struct vga *v, unsigned index, uint16_t val) {
    uint16_t *d = v->regs.dispi;
    switch (index) {
    case DISPI_ID:
        if (val >= ID_FIRST && val <= ID_LAST) d[index] = val;
        break;
    case DISPI_BPP:
        if (val == 4 || val == 8 || val == 15 || val == 16 || val == 24 || val == 32) d[index] = val;
        break;
    case DISPI_ENABLE:
        write_enable(v, val);
        return;
    case DISPI_BANK:
        d[index] = val & (VGA_MEMORY / 0x10000 - 1);
        break;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        d[index] = val;
        break;
    default:
        return;
    }
    vga_update_window(v);
}

bool vga_set_linear_mode(struct device *d, unsigned width, unsigned height, unsigned bpp, struct vga_linear *got) {
    struct vga *v = (struct vga *)d;
    vga_dispi_write(v, DISPI_ENABLE, 0);
    vga_dispi_write(v, DISPI_XRES, (uint16_t)width);
    vga_dispi_write(v, DISPI_YRES, (uint16_t)height);
    vga_dispi_write(v, DISPI_BPP, (uint16_t)bpp);
    vga_dispi_write(v, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
    *got = vga_linear_mode(&v->regs);
    if (got->width == width && got->height == height && got->bpp == bpp) return true;
    vga_dispi_write(v, DISPI_ENABLE, 0);
    return false;
}
