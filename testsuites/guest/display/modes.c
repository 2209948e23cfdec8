/* Draws in text and graphics modes through ports, the window at A0000H and the linear framebuffer, reads back what it
 * drew, and says when a picture is complete; pictures.py knows what it must look like. The adapter is PCI 1234:1111
 * ("stdvga"); registers: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem". */
#include "testsuites/guest/lib/guest.h"

#define WINDOW ((volatile u8 *)0xA0000UL)
#define TEXT   ((volatile u16 *)0xB8000UL)
#define LINEAR 0xE0000000u /* where the framebuffer goes if nobody has placed it */

enum { DISPI_XRES = 1, DISPI_YRES, DISPI_BPP, DISPI_ENABLE };

static u32 config_address(u32 device, u32 off) { return 0x80000000u | device << 11 | off; }
static u32 config_get(u32 device, u32 off) {
    outl(0xCF8, config_address(device, off));
    return inl(0xCFC);
}
static void config_put(u32 device, u32 off, u32 val) {
    outl(0xCF8, config_address(device, off));
    outl(0xCFC, val);
}

static int find_adapter(void) {
    for (u32 d = 0; d < 32; d++)
        if (config_get(d, 0) == 0x11111234) return (int)d;
    return -1;
}

static volatile u8 *framebuffer(u32 device) {
    u32 bar = config_get(device, 0x10) & ~15u;
    if (!bar || bar == 0xFFFFFFF0) config_put(device, 0x10, bar = LINEAR);
    config_put(device, 4, config_get(device, 4) | 3);
    return (volatile u8 *)(uptr)bar;
}

/* ---- registers ---- */

static void put(u16 port, u32 index, u32 val) {
    outb(port, (u8)index);
    outb((u16)(port + 1), (u8)val);
}
#define SEQ  0x3C4
#define GC   0x3CE
#define CRTC 0x3D4

static void put_attribute(u32 index, u32 val) {
    inb(0x3DA);
    outb(0x3C0, (u8)index);
    outb(0x3C0, (u8)val);
}
static void display_on(void) {
    inb(0x3DA);
    outb(0x3C0, 0x20);
}
static void put_colour(u32 index, u32 r, u32 g, u32 b) {
    outb(0x3C8, (u8)index);
    outb(0x3C9, (u8)r), outb(0x3C9, (u8)g), outb(0x3C9, (u8)b);
}

struct mode {
    u8 misc, clocking, memory, gc_mode, gc_misc, attribute, crtc[25];
};
static const struct mode text_mode = {
    0x67, 0x00, 0x02, 0x10, 0x0E, 0x04, {0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x20, 0x0E, 0x00,
                                         0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF}
};
static const struct mode planar_mode = {
    0xE3, 0x01, 0x06, 0x00, 0x05, 0x01, {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0x00, 0x40, 0x20, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0xEA, 0x8C, 0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3, 0xFF}
};
static const struct mode chained_mode = {
    0x63, 0x01, 0x0E, 0x40, 0x05, 0x41, {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0x41, 0x20, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF}
};

static void set_mode(const struct mode *m) {
    put(SEQ, 0, 1);
    outb(0x3C2, m->misc);
    put(SEQ, 1, m->clocking), put(SEQ, 2, m == &text_mode ? 3 : 15), put(SEQ, 3, 0), put(SEQ, 4, m->memory);
    put(SEQ, 0, 3);
    put(CRTC, 0x11, 0);
    for (u32 i = 0; i < 25; i++) put(CRTC, i, m->crtc[i]);
    for (u32 i = 0; i < 9; i++) put(GC, i, 0);
    put(GC, 5, m->gc_mode), put(GC, 6, m->gc_misc), put(GC, 7, 15), put(GC, 8, 0xFF);
    for (u32 i = 0; i < 16; i++) put_attribute(i, i);
    put_attribute(16, m->attribute), put_attribute(17, 0), put_attribute(18, 15);
    put_attribute(19, m == &text_mode ? 8 : 0), put_attribute(20, 0);
    outb(0x3C6, 0xFF);
    for (u32 i = 0; i < 256; i++) put_colour(i, i * 5 & 63, i * 11 & 63, i * 3 & 63);
    display_on();
}

static void done(const char *name) { printf("# %s drawn\n", name); }

/* ---- pictures ---- */

/* A font that looks like nothing: a row of a glyph is a formula. */
static void load_font(void) {
    put(SEQ, 2, 4), put(SEQ, 4, 7), put(GC, 4, 2), put(GC, 5, 0), put(GC, 6, 4);
    for (u32 c = 0; c < 256; c++)
        for (u32 y = 0; y < 16; y++) WINDOW[c * 32 + y] = (u8)(c * 7 + y * 37 + (c ^ y));
    put(SEQ, 2, 3), put(SEQ, 4, 2), put(GC, 4, 0), put(GC, 5, 0x10), put(GC, 6, 0x0E);
}

static void text(void) {
    set_mode(&text_mode);
    load_font();
    for (u32 i = 0; i < 80 * 25; i++) TEXT[i] = (u16)((i * 3 & 0xFF) | (i * 29 & 0xFF) << 8);
    bool same = true;
    for (u32 i = 0; i < 80 * 25; i++) same &= TEXT[i] == (u16)((i * 3 & 0xFF) | (i * 29 & 0xFF) << 8);
    ok(same, "text memory keeps characters and attributes, a font loaded in between");
    done("text");
}

/* Every write mode has a part of the picture. */
static void planar(void) {
    set_mode(&planar_mode);
    for (u32 y = 0; y < 480; y++)
        for (u32 x = 0; x < 80; x++) {
            volatile u8 *p = WINDOW + 80 * y + x;
            if (y < 160) { /* mode 0: planes by the map mask */
                for (u32 plane = 0; plane < 4; plane++) {
                    put(SEQ, 2, 1u << plane);
                    *p = (u8)(x * (plane + 1) + y);
                }
            } else if (y < 320) { /* mode 2: a colour where the mask has ones, another one elsewhere */
                put(SEQ, 2, 15), put(GC, 5, 2), put(GC, 8, 0xFF);
                *p = (u8)(x & 15);
                (void)*p;
                put(GC, 8, y & 0xFF);
                *p = (u8)(y & 15);
                put(GC, 5, 0), put(GC, 8, 0xFF);
            } else { /* mode 1: what is 320 lines above, by the latches */
                put(SEQ, 2, 15), put(GC, 5, 1);
                (void)p[-80 * 320];
                *p = 0;
                put(GC, 5, 0);
            }
        }
    put(GC, 4, 1);
    ok_eq(WINDOW[80 * 10 + 5], 5 * 2 + 10, "a plane is read by the read map");
    put(GC, 4, 3);
    ok_eq(WINDOW[80 * 330 + 5], 5 * 4 + 10, "latches were copied");
    put(GC, 4, 0);
    done("planar");
}

static void chained(void) {
    set_mode(&chained_mode);
    for (u32 y = 0; y < 200; y++)
        for (u32 x = 0; x < 320; x++) WINDOW[320 * y + x] = (u8)(x + y * 3);
    ok_eq(WINDOW[320 * 100 + 77], (77 + 300) & 0xFF, "chained memory is linear");
    done("chained");
}

static void dispi(u32 index, u32 val) {
    outw(0x1CE, (u16)index);
    outw(0x1CF, (u16)val);
}

static void linear(volatile u8 *fb, u32 width, u32 height, u32 bpp, const char *name) {
    u32 bytes = (bpp + 7) / 8;
    dispi(DISPI_ENABLE, 0);
    dispi(DISPI_XRES, width), dispi(DISPI_YRES, height), dispi(DISPI_BPP, bpp);
    dispi(DISPI_ENABLE, 0x41);
    display_on();
    for (u32 y = 0; y < height; y++)
        for (u32 x = 0; x < width; x++) {
            u32 pixel = x * 0x010203 + y * 0x030507;
            for (u32 i = 0; i < bytes; i++) fb[(y * width + x) * bytes + i] = (u8)(pixel >> 8 * i);
        }
    ok_eq(fb[(11 * width + 5) * bytes], (5 * 3 + 11 * 7) & 0xFF, "%s: the framebuffer keeps what is written", name);
    done(name);
}

void guest_main(void) {
    int device = find_adapter();
    if (device < 0) {
        skip("there is no adapter 1234:1111", "pictures");
        return;
    }
    volatile u8 *fb = framebuffer((u32)device);
    outw(0x1CE, 0);
    ok((inw(0x1CF) & 0xFFF0) == 0xB0C0, "DISPI registers answer");
    dispi(DISPI_ENABLE, 0);
    text();
    planar();
    chained();
    linear(fb, 640, 480, 8, "linear 8");
    linear(fb, 320, 240, 15, "linear 15");
    linear(fb, 800, 600, 16, "linear 16");
    linear(fb, 640, 400, 24, "linear 24");
    linear(fb, 1024, 768, 32, "linear 32");
    dispi(DISPI_ENABLE, 0);
}
