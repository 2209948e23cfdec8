/* The display adapter's registers and memory, as software reaches them. */
#include "testsuites/unit/vga_world.h"

#define CONFIG(off) (0x80000000u | PCI_DEVFN(2, 0) << 8 | (off))
#define BAR0        0xE0000000u
#define BAR2        0xE8000000u

static void config_put(struct machine *m, unsigned off, uint32_t val) {
    port_write(m, 0xCF8, 4, CONFIG(off));
    port_write(m, 0xCFC, 4, val);
}
static uint32_t config_get(struct machine *m, unsigned off) {
    port_write(m, 0xCF8, 4, CONFIG(off));
    return port_read(m, 0xCFC, 4);
}
static void assign(struct machine *m) {
    config_put(m, PCI_BAR0, BAR0);
    config_put(m, PCI_BAR0 + 8, BAR2);
    config_put(m, PCI_COMMAND, PCI_COMMAND_MEMORY);
}

static void test_vga_is_the_standard_adapter_at_device_2(void **state) {
    struct machine *m = *state;
    assert_int_equal(config_get(m, 0), 0x11111234);
    assert_int_equal(config_get(m, 8) >> 8, 0x030000);
    config_put(m, PCI_BAR0, ~0u), config_put(m, PCI_BAR0 + 8, ~0u);
    assert_int_equal(config_get(m, PCI_BAR0), 0xFF000008);
    assert_int_equal(config_get(m, PCI_BAR0 + 8), 0xFFFFF000);
    assert_int_equal(config_get(m, PCI_ROM_ADDRESS), 0);
}

static void test_vga_registers_keep_the_bits_they_have(void **state) {
    static const struct {
        uint16_t port;
        uint8_t index, bits;
    } rows[] = {
        {0x3C4, 0,    0x03},
        {0x3C4, 1,    0x3D},
        {0x3C4, 2,    0x0F},
        {0x3C4, 3,    0x3F},
        {0x3C4, 4,    0x0E},
        {0x3CE, 0,    0x0F},
        {0x3CE, 3,    0x1F},
        {0x3CE, 4,    0x03},
        {0x3CE, 5,    0x7B},
        {0x3CE, 6,    0x0F},
        {0x3CE, 8,    0xFF},
        {0x3CE, 9,    0x00},
        {0x3D4, 0x0C, 0xFF},
        {0x3D4, 0x13, 0xFF},
        {0x3D4, 0x19, 0x00}
    };
    struct machine *m = *state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(m, rows[i].port, rows[i].index, 0xFF);
        assert_int_equal(get(m, rows[i].port, rows[i].index), rows[i].bits);
        put(m, rows[i].port, rows[i].index, 0);
        assert_int_equal(get(m, rows[i].port, rows[i].index), 0);
    }
}

static void test_vga_16_bit_write_sets_index_and_register(void **state) {
    struct machine *m = *state;
    port_write(m, 0x3C4, 2, 0x0502);
    assert_int_equal(get(m, 0x3C4, 2), 5);
    port_write(m, 0x3CE, 2, 0xA508);
    assert_int_equal(get(m, 0x3CE, 8), 0xA5);
}

static void test_vga_attribute_flip_flop_is_reset_by_input_status(void **state) {
    struct machine *m = *state;
    inb(m, 0x3DA);
    outb(m, 0x3C0, 0x03), outb(m, 0x3C0, 0x2A);
    outb(m, 0x3C0, 0x05); /* an index again */
    inb(m, 0x3DA);
    outb(m, 0x3C0, 0x03); /* and again, not data of register 5 */
    assert_int_equal(inb(m, 0x3C0), 0x03);
    assert_int_equal(inb(m, 0x3C1), 0x2A);
    inb(m, 0x3DA);
    outb(m, 0x3C0, 0x05);
    assert_int_equal(inb(m, 0x3C1), 0x05);
}

static void test_vga_crtc_protection_leaves_line_compare(void **state) {
    struct machine *m = *state;
    put(m, 0x3D4, 0x11, 0x8E);
    put(m, 0x3D4, 0x00, 0x12);
    assert_int_equal(get(m, 0x3D4, 0x00), 0x5F);
    put(m, 0x3D4, 0x07, 0x00);
    assert_int_equal(get(m, 0x3D4, 0x07), 0x0F);
    put(m, 0x3D4, 0x11, 0x0E);
    put(m, 0x3D4, 0x00, 0x12);
    assert_int_equal(get(m, 0x3D4, 0x00), 0x12);
}

static void test_vga_misc_output_moves_the_crtc_ports(void **state) {
    struct machine *m = *state;
    put(m, 0x3D4, 0x0E, 0x11);
    outb(m, 0x3C2, 0x66);
    assert_int_equal(inb(m, 0x3CC), 0x66);
    assert_int_equal(inb(m, 0x3D5), 0xFF);
    assert_int_equal(get(m, 0x3B4, 0x0E), 0x11);
    put(m, 0x3D4, 0x0E, 0x22);
    assert_int_equal(get(m, 0x3B4, 0x0E), 0x11);
}

static void test_vga_dac_takes_colours_in_threes(void **state) {
    struct machine *m = *state;
    put_colour(m, 10, 0xC1, 0x02, 0x3F); /* six bits each */
    outb(m, 0x3C8, 20);
    outb(m, 0x3C9, 1), outb(m, 0x3C9, 2); /* not complete: nothing happens */
    assert_int_equal(inb(m, 0x3C7), 0);
    outb(m, 0x3C7, 10);
    assert_int_equal(inb(m, 0x3C7), 3);
    assert_int_equal(inb(m, 0x3C9), 0x01);
    assert_int_equal(inb(m, 0x3C9), 0x02);
    assert_int_equal(inb(m, 0x3C9), 0x3F);
    assert_int_equal(inb(m, 0x3C8), 11);
    outb(m, 0x3C7, 20);
    assert_int_equal(inb(m, 0x3C9), 0x2A); /* as it was: brown, the 20th of the 64 colours */
    assert_int_equal(inb(m, 0x3C9), 0x15);
}

static void test_vga_retrace_follows_the_virtual_clock(void **state) {
    struct machine *m = *state;
    unsigned edges = 0, blank = 0, samples = 20000;
    bool last = false;
    for (unsigned i = 0; i < samples; i++) { /* a second in steps of 50 us */
        fixture_advance(m, CYCLES_PER_SEC / samples);
        uint8_t status = inb(m, 0x3DA);
        edges += (status & 8) && !last;
        last = status & 8;
        blank += status & 1;
    }
    assert_in_range(edges, 69, 71); /* a retrace takes 64 us */
    /* displayed: 720 of 900 dots in 400 of 449 lines */
    assert_in_range(blank, samples * 27 / 100, samples * 31 / 100);
}

/* ---- memory ---- */

static void test_vga_text_window_is_plain_memory_and_reaches_planes(void **state) {
    struct machine *m = *state;
    poke(m, 0xB8000, 'A'), poke(m, 0xB8001, 0x1F);
    assert_non_null(ram_ptr(m, 0xB8000, true));
    assert_null(ram_ptr(m, 0xA0000, true));
    assert_null(ram_ptr(m, 0xB0000, true));
    assert_int_equal(peek(m, 0xA0000), 0xFF); /* not decoded in this mode */
    put(m, 0x3C4, 4, 6);                      /* sequential: the window is the device's again */
    assert_null(ram_ptr(m, 0xB8000, true));
    const uint8_t *memory = vga_of(m)->memory;
    assert_int_equal(memory[0], 'A');
    assert_int_equal(memory[1], 0x1F);
    put(m, 0x3C4, 4, 2);
    assert_int_equal(peek(m, 0xB8000), 'A');
    assert_int_equal(peek(m, 0xB8001), 0x1F);
}

static void test_vga_font_is_reached_as_drivers_do(void **state) {
    struct machine *m = *state;
    uint8_t font[256][16];
    vga_font(font);
    poke(m, 0xB8000, 'x');
    put(m, 0x3C4, 2, 4), put(m, 0x3C4, 4, 7), put(m, 0x3CE, 4, 2), put(m, 0x3CE, 5, 0), put(m, 0x3CE, 6, 4);
    for (unsigned y = 0; y < 16; y++) assert_int_equal(peek(m, 0xA0000 + 'A' * 32 + y), font['A'][y]);
    poke(m, 0xA0000 + 'A' * 32, 0x99);
    put(m, 0x3C4, 2, 3), put(m, 0x3C4, 4, 3), put(m, 0x3CE, 4, 0), put(m, 0x3CE, 5, 0x10), put(m, 0x3CE, 6, 0xE);
    assert_int_equal(peek(m, 0xB8000), 'x');
    assert_int_equal(vga_of(m)->memory[4 * ('A' * 32) + 2], 0x99);
}

static uint32_t planes_at(struct machine *m, unsigned offset) {
    uint32_t val;
    memcpy(&val, vga_of(m)->memory + 4 * offset, 4);
    return val;
}

static void test_vga_write_modes_do_what_the_graphics_controller_says(void **state) {
    /* latches 11 22 44 88 (planes 0 to 3), byte written 3CH, all planes on */
    static const struct {
        const char *what;
        uint8_t set_reset, enable, rotate, mode, mask;
        uint32_t result;
    } rows[] = {
        {"mode 0 copies",                         0x0, 0x0, 0x00, 0, 0xFF, 0x3C3C3C3C},
        {"mode 0 under a mask",                   0x0, 0x0, 0x00, 0, 0x0F, 0x8C4C2C1C},
        {"mode 0 rotates to the right",           0x0, 0x0, 0x03, 0, 0xFF, 0x87878787},
        {"mode 0 set/reset in two planes",        0x1, 0x3, 0x00, 0, 0xFF, 0x3C3C00FF},
        {"mode 0 AND",                            0x0, 0x0, 0x08, 0, 0xFF, 0x08042010},
        {"mode 0 OR",                             0x0, 0x0, 0x10, 0, 0xFF, 0xBC7C3E3D},
        {"mode 0 XOR",                            0x0, 0x0, 0x18, 0, 0xFF, 0xB4781E2D},
        {"mode 1 moves the latches",              0xF, 0xF, 0x1F, 1, 0x00, 0x88442211},
        {"mode 2 a bit for each plane",           0x0, 0x0, 0x00, 2, 0xFF, 0xFFFF0000},
        {"mode 2 under a mask",                   0x0, 0x0, 0x00, 2, 0xF0, 0xF8F40201},
        {"mode 3 set/reset where the byte masks", 0x5, 0x0, 0x00, 3, 0xFF, 0x807C023D},
        {"mode 3 and the mask",                   0x5, 0x0, 0x00, 3, 0x0F, 0x804C221D}
    };
    struct machine *m = *state;
    set_mode_12(m);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memcpy(vga_of(m)->memory + 4 * 100, "\x11\x22\x44\x88", 4);
        put(m, 0x3CE, 0, rows[i].set_reset), put(m, 0x3CE, 1, rows[i].enable), put(m, 0x3CE, 3, rows[i].rotate);
        put(m, 0x3CE, 5, rows[i].mode), put(m, 0x3CE, 8, rows[i].mask);
        peek(m, 0xA0000 + 100);
        poke(m, 0xA0000 + 100, 0x3C);
        if (planes_at(m, 100) != rows[i].result)
            fail_msg("%s: expected %08x, found %08x", rows[i].what, rows[i].result, planes_at(m, 100));
    }
}

static void test_vga_map_mask_selects_planes(void **state) {
    struct machine *m = *state;
    set_mode_12(m);
    put(m, 0x3C4, 2, 0x5);
    poke(m, 0xA0000, 0xEE);
    assert_int_equal(planes_at(m, 0), 0x00EE00EE | (planes_at(m, 0) & 0xFF00FF00));
    put(m, 0x3CE, 4, 2);
    assert_int_equal(peek(m, 0xA0000), 0xEE);
    put(m, 0x3CE, 4, 1);
    assert_int_not_equal(peek(m, 0xA0000), 0xEE);
}

static void test_vga_read_mode_1_compares_colours(void **state) {
    struct machine *m = *state;
    set_mode_12(m);
    memcpy(vga_of(m)->memory, "\xF0\xCC\xAA\x00", 4); /* colour 7 in bit 7 alone */
    put(m, 0x3CE, 5, 8);
    put(m, 0x3CE, 2, 7), put(m, 0x3CE, 7, 0xF);
    assert_int_equal(peek(m, 0xA0000), 0x80);
    put(m, 0x3CE, 7, 0x3); /* planes 2 and 3 don't care */
    assert_int_equal(peek(m, 0xA0000), 0xC0);
    put(m, 0x3CE, 7, 0x0);
    assert_int_equal(peek(m, 0xA0000), 0xFF);
}

static void test_vga_chained_memory_is_plain_and_scattered(void **state) {
    struct machine *m = *state;
    set_mode_13(m);
    assert_non_null(ram_ptr(m, 0xA0000, true));
    for (unsigned i = 0; i < 8; i++) poke(m, 0xA0000 + i, (uint8_t)(0x10 + i));
    poke(m, 0xAFFFF, 0x77);
    put(m, 0x3C4, 4, 6); /* unchained */
    assert_null(ram_ptr(m, 0xA0000, true));
    assert_int_equal(planes_at(m, 0), 0x13121110);
    assert_int_equal(planes_at(m, 4), 0x17161514);
    assert_int_equal(planes_at(m, 0xFFFC) >> 24, 0x77);
    put(m, 0x3CE, 4, 2);
    assert_int_equal(peek(m, 0xA0004), 0x16);
}

static void test_vga_memory_answers_only_where_mapped_and_enabled(void **state) {
    struct machine *m = *state;
    set_mode_12(m);
    poke(m, 0xA0000, 0x5A);
    assert_int_equal(peek(m, 0xA0000), 0x5A);
    assert_int_equal(peek(m, 0xB8000), 0xFF);
    put(m, 0x3CE, 6, 1); /* 128 KiB */
    assert_int_equal(peek(m, 0xB0000), 0x5A);
    outb(m, 0x3C2, 0xE1);
    assert_int_equal(peek(m, 0xA0000), 0xFF);
}

/* ---- linear modes ---- */

static void test_vga_dispi_identifies_and_tells_limits(void **state) {
    struct machine *m = *state;
    assert_int_equal(get_dispi(m, DISPI_ID), 0xB0C5);
    put_dispi(m, DISPI_ID, 0xB0C0);
    assert_int_equal(get_dispi(m, DISPI_ID), 0xB0C0);
    put_dispi(m, DISPI_ID, 0x1234);
    assert_int_equal(get_dispi(m, DISPI_ID), 0xB0C0);
    assert_int_equal(get_dispi(m, DISPI_MEMORY_64K), 256);
    put_dispi(m, DISPI_ENABLE, DISPI_GETCAPS);
    assert_int_equal(get_dispi(m, DISPI_XRES), 2560);
    assert_int_equal(get_dispi(m, DISPI_YRES), 1600);
    assert_int_equal(get_dispi(m, DISPI_BPP), 32);
    assert_int_equal(get_dispi(m, 11), 0);
}

static void test_vga_dispi_banks_are_windows_on_linear_memory(void **state) {
    struct machine *m = *state;
    assign(m);
    set_linear(m, 1024, 768, 32);
    put(m, 0x3CE, 6, 5);
    assert_int_equal(get_dispi(m, DISPI_VIRT_WIDTH), 1024);
    assert_int_equal(get_dispi(m, DISPI_VIRT_HEIGHT), 4096);
    put_dispi(m, DISPI_BANK, 7);
    poke(m, 0xA1234, 0x42);
    assert_int_equal(peek(m, BAR0 + 0x71234), 0x42);
    poke(m, BAR0 + 0x70000, 0x43);
    assert_int_equal(peek(m, 0xA0000), 0x43);
    put_dispi(m, DISPI_ENABLE, 0);
    put_dispi(m, DISPI_ENABLE, DISPI_ENABLED | DISPI_NO_CLEAR);
    assert_int_equal(get_dispi(m, DISPI_BANK), 0);
    assert_int_equal(peek(m, BAR0 + 0x71234), 0x42);
    put_dispi(m, DISPI_ENABLE, 0);
    put_dispi(m, DISPI_ENABLE, DISPI_ENABLED);
    assert_int_equal(peek(m, BAR0 + 0x71234), 0);
}

static void test_vga_mmio_has_ports_and_dispi_registers(void **state) {
    struct machine *m = *state;
    assign(m);
    assert_int_equal(mmio_read(m, BAR2 + 0x500, 2), 0xB0C5);
    mmio_write(m, BAR2 + 0x502, 2, 800);
    mmio_write(m, BAR2 + 0x504, 4, 0x00200258); /* 600 lines, 32 bits */
    assert_int_equal(get_dispi(m, DISPI_XRES), 800);
    assert_int_equal(get_dispi(m, DISPI_YRES), 600);
    assert_int_equal(get_dispi(m, DISPI_BPP), 32);
    mmio_write(m, BAR2 + 0x404, 2, 0x0902); /* 3C4H */
    assert_int_equal(get(m, 0x3C4, 2), 9);
    assert_int_equal(mmio_read(m, BAR2 + 0x40C, 1), 0x67);
    assert_int_equal(mmio_read(m, BAR2, 8), 0);
}

static void test_vga_linear_mode_is_made_to_fit_memory(void **state) {
    struct machine *m = *state;
    struct vga_linear l;
    set_linear(m, 65535, 65535, 32);
    l = vga_linear_mode(&vga_of(m)->regs);
    assert_int_equal(l.width, 2560);
    assert_int_equal(l.height, 1600);
    put_dispi(m, DISPI_VIRT_WIDTH, 65535);
    put_dispi(m, DISPI_Y_OFFSET, 65535);
    l = vga_linear_mode(&vga_of(m)->regs);
    assert_true((uint64_t)l.start + (uint64_t)l.height * l.pitch <= VGA_MEMORY);
    assert_false(vga_set_linear_mode(m->vga, 4096, 2160, 32, &l));
    assert_true(vga_set_linear_mode(m->vga, 1280, 800, 16, &l));
    assert_int_equal(l.pitch, 2560);
}

static void test_vga_reset_brings_text_mode_back(void **state) {
    struct machine *m = *state;
    set_linear(m, 640, 480, 32);
    m->vga->ops->reset(m->vga);
    char text[8192];
    poke(m, 0xB8000, '!');
    assert_true(vga_screen_text(m->vga, text, sizeof text) > 0);
    assert_int_equal(text[0], '!');
    assert_int_equal(text[1], '\n');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        VGA_TEST(test_vga_is_the_standard_adapter_at_device_2),
        VGA_TEST(test_vga_registers_keep_the_bits_they_have),
        VGA_TEST(test_vga_16_bit_write_sets_index_and_register),
        VGA_TEST(test_vga_attribute_flip_flop_is_reset_by_input_status),
        VGA_TEST(test_vga_crtc_protection_leaves_line_compare),
        VGA_TEST(test_vga_misc_output_moves_the_crtc_ports),
        VGA_TEST(test_vga_dac_takes_colours_in_threes),
        VGA_TEST(test_vga_retrace_follows_the_virtual_clock),
        VGA_TEST(test_vga_text_window_is_plain_memory_and_reaches_planes),
        VGA_TEST(test_vga_font_is_reached_as_drivers_do),
        VGA_TEST(test_vga_write_modes_do_what_the_graphics_controller_says),
        VGA_TEST(test_vga_map_mask_selects_planes),
        VGA_TEST(test_vga_read_mode_1_compares_colours),
        VGA_TEST(test_vga_chained_memory_is_plain_and_scattered),
        VGA_TEST(test_vga_memory_answers_only_where_mapped_and_enabled),
        VGA_TEST(test_vga_dispi_identifies_and_tells_limits),
        VGA_TEST(test_vga_dispi_banks_are_windows_on_linear_memory),
        VGA_TEST(test_vga_mmio_has_ports_and_dispi_registers),
        VGA_TEST(test_vga_linear_mode_is_made_to_fit_memory),
        VGA_TEST(test_vga_reset_brings_text_mode_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
