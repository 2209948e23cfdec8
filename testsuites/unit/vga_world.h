/* A machine with a display adapter, and its registers by name. */
#ifndef HVSIM_UNIT_VGA_WORLD_H
#define HVSIM_UNIT_VGA_WORLD_H

#include "testsuites/unit/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "sim/dev/vga.h"

static inline int vga_setup(void **state) {
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 1, .rtc_start = TEST_DATE, .vga = true};
    c.model = model_parse("max-intel,-vmx", err, sizeof err);
    assert_non_null(c.model);
    *state = machine_create(&c, err, sizeof err);
    assert_non_null(*state);
    return 0;
}
#define VGA_TEST(name) cmocka_unit_test_setup_teardown(name, vga_setup, fixture_teardown)

static inline struct vga *vga_of(struct machine *m) { return (struct vga *)m->vga; }

/* Indexed registers: sequencer 3C4H, graphics controller 3CEH, CRT controller 3D4H */
static inline void put(struct machine *m, uint16_t port, unsigned index, unsigned val) {
    outb(m, port, (uint8_t)index);
    outb(m, (uint16_t)(port + 1), (uint8_t)val);
}
static inline uint8_t get(struct machine *m, uint16_t port, unsigned index) {
    outb(m, port, (uint8_t)index);
    return inb(m, (uint16_t)(port + 1));
}
static inline void put_ac(struct machine *m, unsigned index, unsigned val) {
    inb(m, 0x3DA);
    outb(m, 0x3C0, (uint8_t)index);
    outb(m, 0x3C0, (uint8_t)val);
    outb(m, 0x3C0, 0x20);
}
static inline void put_colour(struct machine *m, unsigned index, unsigned r, unsigned g, unsigned b) {
    outb(m, 0x3C8, (uint8_t)index);
    outb(m, 0x3C9, (uint8_t)r), outb(m, 0x3C9, (uint8_t)g), outb(m, 0x3C9, (uint8_t)b);
}
static inline void put_dispi(struct machine *m, unsigned index, unsigned val) {
    port_write(m, 0x1CE, 2, index);
    port_write(m, 0x1CF, 2, val);
}
static inline unsigned get_dispi(struct machine *m, unsigned index) {
    port_write(m, 0x1CE, 2, index);
    return port_read(m, 0x1CF, 2);
}
static inline void set_linear(struct machine *m, unsigned width, unsigned height, unsigned bpp) {
    put_dispi(m, DISPI_ENABLE, 0);
    put_dispi(m, DISPI_XRES, width);
    put_dispi(m, DISPI_YRES, height);
    put_dispi(m, DISPI_BPP, bpp);
    put_dispi(m, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
}

/* A store of a byte as a processor does it: to memory where there is some, else to the device */
static inline void poke(struct machine *m, uint64_t pa, uint8_t val) {
    uint8_t *p = ram_ptr(m, pa, true);
    if (p)
        *p = val;
    else
        mmio_write(m, pa, 1, val);
}
static inline uint8_t peek(struct machine *m, uint64_t pa) {
    const uint8_t *p = ram_ptr(m, pa, false);
    return p ? *p : (uint8_t)mmio_read(m, pa, 1);
}

/* BIOS mode 12H: 640 by 480, 16 colours, and 13H: 320 by 200, 256 colours */
static inline void set_crtc(struct machine *m, const uint8_t regs[CRTC_REGS]) {
    put(m, 0x3D4, 0x11, 0);
    for (unsigned i = 0; i < CRTC_REGS; i++) put(m, 0x3D4, i, regs[i]);
}
static inline void set_mode_12(struct machine *m) {
    static const uint8_t crtc[CRTC_REGS] = {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0x00,
                                            0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xEA, 0x8C,
                                            0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3, 0xFF};
    static const uint8_t gc[GC_REGS] = {0, 0, 0, 0, 0, 0, 0x05, 0x0F, 0xFF};
    outb(m, 0x3C2, 0xE3);
    put(m, 0x3C4, 1, 1), put(m, 0x3C4, 2, 0xF), put(m, 0x3C4, 4, 6);
    set_crtc(m, crtc);
    for (unsigned i = 0; i < GC_REGS; i++) put(m, 0x3CE, i, gc[i]);
    put_ac(m, AC_MODE, 1), put_ac(m, AC_PANNING, 0);
}
static inline void set_mode_13(struct machine *m) {
    static const uint8_t crtc[CRTC_REGS] = {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00,
                                            0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9C, 0x8E,
                                            0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF};
    static const uint8_t gc[GC_REGS] = {0, 0, 0, 0, 0, 0x40, 0x05, 0x0F, 0xFF};
    outb(m, 0x3C2, 0x63);
    put(m, 0x3C4, 1, 1), put(m, 0x3C4, 2, 0xF), put(m, 0x3C4, 4, 0xE);
    set_crtc(m, crtc);
    for (unsigned i = 0; i < GC_REGS; i++) put(m, 0x3CE, i, gc[i]);
    put_ac(m, AC_MODE, 0x41), put_ac(m, AC_PANNING, 0);
}

/* The picture that the machine shows now; rgb(x, y) of it as RRGGBB. To be freed. */
struct shown {
    unsigned width, height;
    uint8_t *rgba;
};
static inline struct shown show(struct machine *m) {
    struct shown s;
    vga_look(m->vga, &s.width, &s.height);
    s.rgba = malloc((size_t)s.width * s.height * 4);
    assert_non_null(s.rgba);
    vga_picture(m->vga, s.rgba);
    return s;
}
static inline unsigned rgb(const struct shown *s, unsigned x, unsigned y) {
    const uint8_t *p = s->rgba + 4 * ((size_t)y * s->width + x);
    assert_int_equal(p[3], 0xFF);
    return (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
}

#endif
