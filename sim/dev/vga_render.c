/* From the state of the display adapter to what a monitor shows: pure functions. A picture has a pixel for each dot and
 * scan line of the displayed part, so doubled lines and dots are doubled here, too. */
#include <string.h>

#include "sim/dev/vga.h"

#define SCREEN_OFF      0x20 /* SEQ_CLOCKING */
#define DISPLAY_ON      0x20 /* attribute index */
#define GRAPHICS        0x01 /* GC_MISC */
#define SHIFT_256       0x40 /* GC_MODE */
#define SHIFT_CGA       0x20
#define MODE_LINE       0x04 /* AC_MODE: the ninth dot of line characters is their eighth */
#define MODE_BLINK      0x08
#define MODE_PAN_COMPAT 0x20
#define MODE_P54S       0x80
#define CURSOR_OFF      0x20
#define MAX_DOTS        (257 * 9)

struct scan {
    const struct vga_regs *r;
    const uint8_t *planes;
    unsigned chars, dots, repeat; /* characters in a line, dots in a character, pixels for a dot */
    unsigned clock_shift;         /* the address counter counts every 1, 2 or 4 characters */
    bool cursor_on, blink_on;
    uint32_t colour[256]; /* of the DAC, as 4 bytes R, G, B, A */
    uint8_t palette[16];  /* attribute -> DAC index */
    uint8_t line[MAX_DOTS];
};

static bool is_off(const struct vga_regs *r) {
    return (r->seq[SEQ_CLOCKING] & SCREEN_OFF) || !(r->ac_index & DISPLAY_ON);
}

static uint32_t rgba_of(unsigned red, unsigned green, unsigned blue) {
    uint8_t bytes[4] = {(uint8_t)red, (uint8_t)green, (uint8_t)blue, 0xFF};
    uint32_t val;
    memcpy(&val, bytes, 4);
    return val;
}

static unsigned widen(unsigned val, unsigned bits) { return val << (8 - bits) | val >> (2 * bits - 8); }

static void load_colours(struct scan *s) {
    const struct vga_regs *r = s->r;
    bool eight = r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC;
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t *d = r->dac[i & r->dac_mask];
        s->colour[i] =
            eight ? rgba_of(d[0], d[1], d[2]) : rgba_of(widen(d[0] & 63, 6), widen(d[1] & 63, 6), widen(d[2] & 63, 6));
    }
    for (unsigned i = 0; i < 16; i++) {
        unsigned p = r->ac[i & r->ac[AC_PLANE_ENABLE] & 15], select = r->ac[AC_COLOUR_SELECT];
        if (r->ac[AC_MODE] & MODE_P54S) p = (p & 0x0F) | (select & 3) << 4;
        s->palette[i] = (uint8_t)(p | (select & 0x0C) << 4);
    }
}

/* ---- linear modes ---- */

static uint32_t linear_pixel(const uint8_t *p, unsigned bpp) {
    unsigned val = p[0] | p[1] << 8;
    switch (bpp) {
    case 15:
        return rgba_of(widen(val >> 10 & 31, 5), widen(val >> 5 & 31, 5), widen(val & 31, 5));
    case 16:
        return rgba_of(widen(val >> 11, 5), widen(val >> 5 & 63, 6), widen(val & 31, 5));
    default:
        return rgba_of(p[2], p[1], p[0]);
    }
}

static void render_linear(const struct scan *s, const uint8_t *memory, uint8_t *rgba) {
    struct vga_linear l = vga_linear_mode(s->r);
    unsigned bytes = (l.bpp + 7) / 8;
    for (unsigned y = 0; y < l.height; y++) {
        uint32_t line = l.start + y * l.pitch;
        for (unsigned x = 0; x < l.width; x++, rgba += 4) {
            uint32_t val;
            if (l.bpp == 4) {
                const uint8_t *p = memory + 4 * (size_t)(line + x / 8);
                unsigned bit = 7 - x % 8, i = 0;
                for (unsigned n = 0; n < 4; n++) i |= (p[n] >> bit & 1u) << n;
                val = s->colour[s->palette[i]];
            } else if (l.bpp == 8) {
                val = s->colour[memory[line + x]];
            } else {
                val = linear_pixel(memory + line + (size_t)x * bytes, l.bpp);
            }
            memcpy(rgba, &val, 4);
        }
    }
}

/* ---- a scan line of the CRT controller ---- */

/* From the address counter to a plane's address: "CRT Mode Control Register", "Underline Location Register" */
static unsigned plane_address(const struct vga_regs *r, unsigned counter, unsigned row) {
    unsigned mode = r->crtc[CRTC_MODE], a = counter;
    if (r->crtc[CRTC_UNDERLINE] & 0x40)
        a = counter << 2 | (counter >> 14 & 3);
    else if (!(mode & 0x40))
        a = counter << 1 | (counter >> (mode & 0x20 ? 15 : 13) & 1);
    if (!(mode & 1)) a = (a & ~(1u << 13)) | (row & 1) << 13;
    if (!(mode & 2)) a = (a & ~(1u << 14)) | (row >> 1 & 1) << 14;
    return a & (VGA_PLANE - 1);
}

static const uint8_t *fetch(const struct scan *s, unsigned base, unsigned c, unsigned row) {
    return s->planes + 4 * plane_address(s->r, (base + (c >> s->clock_shift)) & 0xFFFF, row);
}

/* Where in plane 2 the font of attribute bit 3 = `high` is: "Character Map Select Register" */
static unsigned font_base(const struct vga_regs *r, bool high) {
    unsigned map = r->seq[SEQ_CHARACTER_MAP];
    unsigned n = high ? (map >> 2 & 3) | (map >> 3 & 4) : (map & 3) | (map >> 2 & 4);
    return (n & 3) * 0x4000 + (n >> 2) * 0x2000;
}

static bool at_cursor(const struct scan *s, unsigned counter, unsigned row) {
    const uint8_t *c = s->r->crtc;
    return s->cursor_on && !(c[CRTC_CURSOR_START] & CURSOR_OFF) &&
           (counter & 0xFFFF) == (unsigned)(c[CRTC_CURSOR_HIGH] << 8 | c[CRTC_CURSOR_LOW]) &&
           row >= (c[CRTC_CURSOR_START] & 31) && row <= (c[CRTC_CURSOR_END] & 31);
}

static void text_line(struct scan *s, unsigned base, unsigned row) {
    const struct vga_regs *r = s->r;
    bool blinks = r->ac[AC_MODE] & MODE_BLINK;
    unsigned font[2] = {font_base(r, false), font_base(r, true)};
    for (unsigned c = 0; c <= s->chars; c++) {
        const uint8_t *p = fetch(s, base, c, row);
        unsigned code = p[0], attribute = p[1], fore = attribute & 15, back = attribute >> 4;
        unsigned bits = s->planes[4 * ((font[attribute >> 3 & 1] + code * 32 + row) & (VGA_PLANE - 1)) + 2];
        bits = bits << 1 | ((r->ac[AC_MODE] & MODE_LINE) && (code & 0xE0) == 0xC0 ? bits & 1 : 0);
        if (blinks && (back & 8) && !s->blink_on) bits = 0;
        if (blinks) back &= 7;
        if ((attribute & 7) == 1 && row == (r->crtc[CRTC_UNDERLINE] & 31u)) bits = 0x1FF;
        if (at_cursor(s, base + (c >> s->clock_shift), row)) bits = 0x1FF;
        for (unsigned d = 0; d < s->dots; d++) s->line[c * s->dots + d] = s->palette[bits >> (8 - d) & 1 ? fore : back];
    }
}

static void graphics_line(struct scan *s, unsigned base, unsigned row) {
    unsigned mode = s->r->gc[GC_MODE];
    for (unsigned c = 0; c <= s->chars; c++) {
        const uint8_t *p = fetch(s, base, c, row);
        uint8_t *out = s->line + c * s->dots;
        if (s->dots == 9) out[8] = s->palette[0];
        for (unsigned d = 0; d < 8; d++) {
            unsigned i = 0, shift = 6 - 2 * (d & 3);
            if (mode & SHIFT_256) {
                out[d] = p[d / 2];
                continue;
            }
            if (mode & SHIFT_CGA)
                i = (p[d / 4] >> shift & 3u) | (p[2 + d / 4] >> shift & 3u) << 2;
            else
                for (unsigned n = 0; n < 4; n++) i |= (p[n] >> (7 - d) & 1u) << n;
            out[d] = s->palette[i];
        }
    }
}

/* Dots that the picture is moved to the left: "Horizontal PEL Panning Register" */
static unsigned panning(const struct scan *s) {
    unsigned n = s->r->ac[AC_PANNING];
    if (s->dots == 9) return n < 8 ? n + 1 : 0;
    return n < 8 ? n : 0;
}

static void put_line(const struct scan *s, unsigned pan, uint8_t *rgba) {
    unsigned n = s->chars * s->dots;
    for (unsigned x = 0; x < n; x++)
        for (unsigned i = 0; i < s->repeat; i++, rgba += 4) memcpy(rgba, &s->colour[s->line[x + pan]], 4);
}

static void render_crt(struct scan *s, unsigned height, uint8_t *rgba) {
    const struct vga_regs *r = s->r;
    const uint8_t *crtc = r->crtc;
    unsigned base =
        (unsigned)(crtc[CRTC_START_HIGH] << 8 | crtc[CRTC_START_LOW]) + (crtc[CRTC_PRESET_ROW_SCAN] >> 5 & 3);
    unsigned row = crtc[CRTC_PRESET_ROW_SCAN] & 31, last = crtc[CRTC_MAX_SCAN_LINE] & 31, pan = panning(s);
    unsigned split =
        crtc[CRTC_LINE_COMPARE] | (crtc[CRTC_OVERFLOW] & 0x10u) << 4 | (crtc[CRTC_MAX_SCAN_LINE] & 0x40u) << 3;
    bool doubled = crtc[CRTC_MAX_SCAN_LINE] & 0x80;
    size_t pitch = (size_t)s->chars * s->dots * s->repeat * 4;
    for (unsigned y = 0, step = 0; y < height; y++, step++) {
        if (y == split + 1) {
            base = row = step = 0;
            if (r->ac[AC_MODE] & MODE_PAN_COMPAT) pan = 0;
        }
        if (r->gc[GC_MISC] & GRAPHICS)
            graphics_line(s, base, row);
        else
            text_line(s, base, row);
        put_line(s, pan, rgba + y * pitch);
        if (doubled && !(step & 1)) continue;
        if (row == last) base += 2u * crtc[CRTC_OFFSET];
        row = row == last ? 0 : (row + 1) & 31;
    }
}

static struct scan scan_of(const struct vga_regs *r) {
    return (struct scan){
        .r = r,
        .chars = r->crtc[CRTC_H_DISPLAY_END] + 1u,
        .dots = r->seq[SEQ_CLOCKING] & 0x01 ? 8 : 9,
        .repeat = r->seq[SEQ_CLOCKING] & 0x08 ? 2 : 1,
        .clock_shift = r->crtc[CRTC_UNDERLINE] & 0x20 ? 2
                       : r->crtc[CRTC_MODE] & 0x08    ? 1
                                                      : 0,
    };
}

void vga_picture_size(const struct vga_regs *r, unsigned *width, unsigned *height) {
    if (vga_is_linear(r)) {
        struct vga_linear l = vga_linear_mode(r);
        *width = l.width, *height = l.height;
        return;
    }
    struct scan s = scan_of(r);
    *width = s.chars * s.dots * s.repeat;
    *height = vga_lines(r);
}

void vga_render(const struct vga_regs *r, const uint8_t *memory, uint64_t now, uint8_t *rgba) {
    struct scan s = scan_of(r);
    uint64_t frames = vga_beam(r, now).frames;
    unsigned width, height;
    vga_picture_size(r, &width, &height);
    s.planes = memory;
    s.cursor_on = !(frames >> 3 & 1);
    s.blink_on = !(frames >> 4 & 1);
    load_colours(&s);
    if (is_off(r)) {
        uint32_t black = rgba_of(0, 0, 0);
        for (size_t i = 0; i < (size_t)width * height; i++) memcpy(rgba + 4 * i, &black, 4);
    } else if (vga_is_linear(r)) {
        render_linear(&s, memory, rgba);
    } else {
        render_crt(&s, height, rgba);
    }
}

size_t vga_text(const struct vga_regs *r, const uint8_t *planes, char *text, size_t size) {
    struct scan s = scan_of(r);
    unsigned rows = vga_lines(r) / ((r->crtc[CRTC_MAX_SCAN_LINE] & 31) + 1u) >> (r->crtc[CRTC_MAX_SCAN_LINE] >> 7);
    unsigned base = (unsigned)(r->crtc[CRTC_START_HIGH] << 8 | r->crtc[CRTC_START_LOW]);
    size_t n = 0;
    if (size) text[0] = '\0';
    if (vga_is_linear(r) || (r->gc[GC_MISC] & GRAPHICS)) return 0;
    s.planes = planes;
    for (unsigned y = 0; y < rows && n + s.chars + 2 <= size; y++, base += 2u * r->crtc[CRTC_OFFSET]) {
        size_t end = n;
        for (unsigned c = 0; c < s.chars; c++) {
            uint8_t code = *fetch(&s, base, c, 0);
            text[n++] = code == 0 || code == 0xFF ? ' ' : code < 0x20 || code > 0x7E ? '.' : (char)code;
            if (text[n - 1] != ' ') end = n;
        }
        n = end;
        text[n++] = '\n';
        text[n] = '\0';
    }
    return n;
}
