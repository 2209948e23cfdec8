/* The state at power-up: 80 by 25 characters of text in 16 colours (BIOS mode 3), an empty screen, as firmware leaves
 * it for kernels that are started without any. Register values: IBM PS/2 and PC BIOS Interface Technical Reference,
 * "Video parameters". */
#include <string.h>

#include "sim/dev/vga.h"

#define MISC_MODE_3 0x67
#define BLANK       0x20
#define GREY        0x07

static const uint8_t seq_mode_3[SEQ_REGS] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const uint8_t crtc_mode_3[CRTC_REGS] = {0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00,
                                               0x4F, 0x0D, 0x0E, 0x00, 0x00, 0x00, 0x00, 0x9C, 0x8E,
                                               0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF};
static const uint8_t gc_mode_3[GC_REGS] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x0F, 0xFF};
static const uint8_t ac_mode_3[AC_REGS] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A,
                                           0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x0C, 0x00, 0x0F, 0x08, 0x00};

/* The 64 colours of six-wire monitors: a strong and a weak wire for each of red, green and blue. */
static void set_colours(struct vga_regs *r) {
    for (unsigned i = 0; i < 64; i++)
        for (unsigned c = 0; c < 3; c++) {
            unsigned strong = i >> (2 - c) & 1, weak = i >> (5 - c) & 1;
            r->dac[i][c] = (uint8_t)(strong * 0x2A + weak * 0x15);
        }
}

static void set_memory(struct vga *v) {
    uint8_t font[256][16];
    vga_font(font);
    memset(v->memory, 0, VGA_PLANES);
    for (unsigned c = 0; c < 256; c++)
        for (unsigned y = 0; y < 16; y++) v->memory[4 * (32 * c + y) + 2] = font[c][y];
    for (unsigned a = 0; a < 0x8000; a += 2) {
        v->memory[4 * a] = BLANK;
        v->memory[4 * a + 1] = GREY;
    }
}

void vga_set_text_mode(struct vga *v) {
    struct vga_regs *r = &v->regs;
    memset(r, 0, sizeof *r);
    vga_update_window(v); /* all memory is in the planes now */
    r->misc = MISC_MODE_3;
    memcpy(r->seq, seq_mode_3, sizeof r->seq);
    memcpy(r->crtc, crtc_mode_3, sizeof r->crtc);
    memcpy(r->gc, gc_mode_3, sizeof r->gc);
    memcpy(r->ac, ac_mode_3, sizeof r->ac);
    r->ac_index = 0x20;
    r->dac_mask = 0xFF;
    set_colours(r);
    r->dispi[DISPI_ID] = 0xB0C5;
    r->dispi[DISPI_BPP] = 8;
    set_memory(v);
    vga_update_window(v);
}
