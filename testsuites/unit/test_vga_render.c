/* From registers and memory to the picture. Expectations are computed here, from what was drawn. */
#include "testsuites/unit/vga_world.h"

#define BLACK  0x000000
#define GREY   0xAAAAAA
#define BLUE   0x0000AA
#define WHITE  0xFFFFFF
#define YELLOW 0xFFFF55
#define FRAME  (CYCLES_PER_SEC / 70)

static void put_char(struct machine *m, unsigned column, unsigned row, uint8_t code, uint8_t attribute) {
    poke(m, 0xB8000 + 160 * row + 2 * column, code);
    poke(m, 0xB8000 + 160 * row + 2 * column + 1, attribute);
}

static void cursor_off(struct machine *m) { put(m, 0x3D4, 0x0A, 0x20); }

static void test_render_text_draws_font_in_colours(void **state) {
    struct machine *m = *state;
    uint8_t font[256][16];
    vga_font(font);
    cursor_off(m);
    put_char(m, 3, 2, 'R', 0x1E);
    struct shown s = show(m);
    assert_int_equal(s.width, 720);
    assert_int_equal(s.height, 400);
    for (unsigned y = 0; y < 16; y++)
        for (unsigned x = 0; x < 9; x++) {
            bool on = x < 8 && (font['R'][y] >> (7 - x) & 1);
            assert_int_equal(rgb(&s, 27 + x, 32 + y), on ? YELLOW : BLUE);
        }
    assert_int_equal(rgb(&s, 36, 32), BLACK);
    free(s.rgba);
}

static void test_render_text_ninth_dot_of_line_characters_repeats_the_eighth(void **state) {
    struct machine *m = *state;
    cursor_off(m);
    put_char(m, 0, 0, 0xC4, 7), put_char(m, 0, 1, 0xDB, 7), put_char(m, 0, 2, 0xB3 + 0x2D, 7);
    put_char(m, 0, 3, 0xB2, 7);
    vga_of(m)->memory[4 * (0xE0 * 32) + 2] = 0xFF;
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 8, 7), GREY);
    assert_int_equal(rgb(&s, 8, 16), GREY);
    assert_int_equal(rgb(&s, 7, 32), GREY); /* E0H is none of them */
    assert_int_equal(rgb(&s, 8, 32), BLACK);
    free(s.rgba);
    put(m, 0x3D4, 0x11, 0x0E), put(m, 0x3C4, 1, 1); /* 8 dots */
    s = show(m);
    assert_int_equal(s.width, 640);
    free(s.rgba);
}

static void test_render_text_cursor_blinks_in_its_lines(void **state) {
    struct machine *m = *state;
    put(m, 0x3D4, 0x0E, 0), put(m, 0x3D4, 0x0F, 81);
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 9, 16 + 13), GREY);
    assert_int_equal(rgb(&s, 17, 16 + 14), GREY);
    assert_int_equal(rgb(&s, 9, 16 + 12), BLACK);
    assert_int_equal(rgb(&s, 9, 16 + 15), BLACK);
    assert_int_equal(rgb(&s, 8, 16 + 13), BLACK);
    free(s.rgba);
    fixture_advance(m, 9 * FRAME);
    s = show(m);
    assert_int_equal(rgb(&s, 9, 16 + 13), BLACK);
    free(s.rgba);
    fixture_advance(m, 8 * FRAME);
    s = show(m);
    assert_int_equal(rgb(&s, 9, 16 + 13), GREY);
    free(s.rgba);
}

static void test_render_text_attribute_bit_7_blinks_or_is_bright(void **state) {
    struct machine *m = *state;
    cursor_off(m);
    put_char(m, 0, 0, 0xDB, 0x97);
    fixture_advance(m, 17 * FRAME); /* characters are off */
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 0), BLUE);
    free(s.rgba);
    put_ac(m, AC_MODE, 0x04);
    put_char(m, 1, 0, ' ', 0x97);
    s = show(m);
    assert_int_equal(rgb(&s, 0, 0), GREY);
    assert_int_equal(rgb(&s, 9, 0), 0x5555FF);
    free(s.rgba);
}

static void test_render_text_starts_pans_and_splits(void **state) {
    struct machine *m = *state;
    cursor_off(m);
    put_char(m, 0, 0, 0xDB, 4), put_char(m, 0, 1, 0xDB, 2), put_char(m, 1, 1, 0xDB, 1);
    put(m, 0x3D4, 0x0D, 80);  /* from the second row on */
    put_ac(m, AC_PANNING, 2); /* three dots */
    put(m, 0x3D4, 0x08, 5);   /* five scan lines */
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 0), 0x00AA00);
    assert_int_equal(rgb(&s, 5, 0), 0x00AA00);
    assert_int_equal(rgb(&s, 6, 0), BLUE);
    assert_int_equal(rgb(&s, 0, 10), 0x00AA00);
    assert_int_equal(rgb(&s, 0, 11), BLACK);
    free(s.rgba);
    put(m, 0x3D4, 0x11, 0x0E);
    put(m, 0x3D4, 0x18, 99), put(m, 0x3D4, 0x07, 0x0F), put(m, 0x3D4, 0x09, 0x0F);
    put_ac(m, AC_MODE, 0x2C);
    s = show(m);
    assert_int_equal(rgb(&s, 0, 99), BLACK);
    assert_int_equal(rgb(&s, 0, 100), 0xAA0000); /* memory from 0 on, neither panned nor moved */
    assert_int_equal(rgb(&s, 8, 115), 0xAA0000);
    assert_int_equal(rgb(&s, 9, 100), BLACK);
    assert_int_equal(rgb(&s, 0, 116), 0x00AA00);
    free(s.rgba);
}

static void test_render_second_font_is_chosen_by_attribute(void **state) {
    struct machine *m = *state;
    cursor_off(m);
    vga_of(m)->memory[4 * (0x4000 + 'x' * 32) + 2] = 0xAA;
    put(m, 0x3C4, 3, 0x04); /* font A, for attributes with bit 3: at 4000H */
    put_char(m, 0, 0, 'x', 0x0F), put_char(m, 1, 0, 'x', 0x07);
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 0), WHITE);
    assert_int_equal(rgb(&s, 1, 0), BLACK);
    assert_int_equal(rgb(&s, 2, 0), WHITE);
    assert_int_equal(rgb(&s, 9, 0), BLACK);
    free(s.rgba);
}

static void test_render_screen_off_is_black(void **state) {
    struct machine *m = *state;
    put_char(m, 0, 0, 0xDB, 0x7F);
    put(m, 0x3C4, 1, 0x20);
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 0), BLACK);
    free(s.rgba);
    put(m, 0x3C4, 1, 0x00);
    inb(m, 0x3DA);
    outb(m, 0x3C0, 0);
    s = show(m);
    assert_int_equal(rgb(&s, 0, 0), BLACK);
    free(s.rgba);
}

static void test_render_16_colours_take_a_bit_of_each_plane(void **state) {
    struct machine *m = *state;
    set_mode_12(m);
    memset(vga_of(m)->memory, 0, VGA_PLANES);
    put(m, 0x3C4, 2, 0x9); /* colour 9 */
    poke(m, 0xA0000 + 80 * 479 + 79, 0x01);
    put(m, 0x3C4, 2, 0x4);
    poke(m, 0xA0000, 0x40);
    put_colour(m, 0x3C, 1, 2, 3);
    struct shown s = show(m);
    assert_int_equal(s.width, 640);
    assert_int_equal(s.height, 480);
    assert_int_equal(rgb(&s, 639, 479), 0x5555FF);
    assert_int_equal(rgb(&s, 638, 479), BLACK);
    assert_int_equal(rgb(&s, 1, 0), 0xAA0000);
    assert_int_equal(rgb(&s, 0, 0), BLACK);
    free(s.rgba);
    put_ac(m, 4, 0x3C); /* palette register 4 -> entry 3CH of the DAC */
    s = show(m);
    assert_int_equal(rgb(&s, 1, 0), 0x04080C);
    free(s.rgba);
    put_ac(m, AC_PLANE_ENABLE, 0xB);
    s = show(m);
    assert_int_equal(rgb(&s, 1, 0), BLACK);
    free(s.rgba);
}

static void test_render_256_colours_are_doubled_dots_and_lines(void **state) {
    struct machine *m = *state;
    set_mode_13(m);
    for (unsigned i = 0; i < 256; i++) put_colour(m, i, i & 63, i >> 2, 63 - (i & 63));
    for (unsigned y = 0; y < 200; y++)
        for (unsigned x = 0; x < 320; x++) poke(m, 0xA0000 + 320 * y + x, (uint8_t)(x * 3 + y * 7));
    struct shown s = show(m);
    assert_int_equal(s.width, 640);
    assert_int_equal(s.height, 400);
    for (unsigned y = 0; y < 400; y += 7)
        for (unsigned x = 0; x < 640; x++) {
            unsigned i = (x / 2 * 3 + y / 2 * 7) & 0xFF, r = i & 63, g = i >> 2, b = 63 - r;
            assert_int_equal(rgb(&s, x, y), (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8 | (b << 2 | b >> 4));
        }
    free(s.rgba);
    outb(m, 0x3C6, 0x0F); /* the mask of DAC addresses */
    s = show(m);
    unsigned i = 3 * 7 & 0x0F;
    assert_int_equal(rgb(&s, 14, 0) >> 16, i << 2 | i >> 4);
    free(s.rgba);
}

static void test_render_unchained_256_colours_show_a_plane_per_column(void **state) {
    struct machine *m = *state;
    set_mode_13(m);
    put(m, 0x3C4, 4, 6), put(m, 0x3D4, 0x14, 0), put(m, 0x3D4, 0x17, 0xE3);
    for (unsigned p = 0; p < 4; p++) {
        put(m, 0x3C4, 2, 1u << p);
        poke(m, 0xA0000 + 80 * 100 + 10, (uint8_t)(p + 1));
    }
    struct shown s = show(m);
    static const unsigned colours[4] = {0x0000AA, 0x00AA00, 0x00AAAA, 0xAA0000};
    for (unsigned p = 0; p < 4; p++) assert_int_equal(rgb(&s, 2 * (40 + p), 200), colours[p]);
    free(s.rgba);
}

static void test_render_cga_graphics_have_two_banks_of_two_bit_pixels(void **state) {
    /* BIOS mode 4: 320 by 200 in 4 colours, odd lines 2000H behind even ones */
    static const uint8_t crtc[CRTC_REGS] = {0x2D, 0x27, 0x28, 0x90, 0x2B, 0x80, 0xBF, 0x1F, 0x00,
                                            0xC1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9C, 0x8E,
                                            0x8F, 0x14, 0x00, 0x96, 0xB9, 0xA2, 0xFF};
    struct machine *m = *state;
    outb(m, 0x3C2, 0x63);
    put(m, 0x3C4, 1, 9), put(m, 0x3C4, 2, 3), put(m, 0x3C4, 4, 2);
    set_crtc(m, crtc);
    put(m, 0x3CE, 5, 0x30), put(m, 0x3CE, 6, 0x0F);
    put_ac(m, AC_MODE, 1), put_ac(m, AC_PLANE_ENABLE, 3), put_ac(m, AC_PANNING, 0);
    for (unsigned a = 0; a < 0x4000; a++) poke(m, 0xB8000 + a, 0);
    poke(m, 0xB8000 + 80 * 10 + 1, 0x1B);          /* pixels 4 to 7 of line 20: 0, 1, 2, 3 */
    poke(m, 0xB8000 + 0x2000 + 80 * 10 + 0, 0xE4); /* pixels 0 to 3 of line 21: 3, 2, 1, 0 */
    struct shown s = show(m);
    assert_int_equal(s.width, 640);
    assert_int_equal(s.height, 400);
    static const unsigned colours[4] = {BLACK, 0x0000AA, 0x00AA00, 0x00AAAA};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rgb(&s, 2 * (4 + i), 40), colours[i]);
        assert_int_equal(rgb(&s, 2 * (4 + i) + 1, 41), colours[i]);
        assert_int_equal(rgb(&s, 2 * i, 42), colours[3 - i]);
    }
    free(s.rgba);
}

/* ---- linear modes ---- */

static void store(struct machine *m, uint32_t at, uint32_t val, unsigned size) {
    for (unsigned i = 0; i < size; i++) vga_of(m)->memory[at + i] = (uint8_t)(val >> 8 * i);
}

static void test_render_linear_modes_expand_every_depth(void **state) {
    static const struct {
        unsigned bpp, bytes;
        uint32_t pixel;
        unsigned colour;
    } rows[] = {
        {8,  1, 0x14,       0xAA5500},
        {15, 2, 0x7C1F,     0xFF00FF},
        {15, 2, 0x0210,     0x008484},
        {16, 2, 0x07E0,     0x00FF00},
        {16, 2, 0x8410,     0x848284},
        {24, 3, 0x123456,   0x123456},
        {32, 4, 0xFFABCDEF, 0xABCDEF}
    };
    struct machine *m = *state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_linear(m, 320, 240, rows[i].bpp);
        store(m, (320 * 239 + 319) * rows[i].bytes, rows[i].pixel, rows[i].bytes);
        struct shown s = show(m);
        assert_int_equal(s.width, 320);
        assert_int_equal(s.height, 240);
        if (rgb(&s, 319, 239) != rows[i].colour)
            fail_msg("%u bits: expected %06x, found %06x", rows[i].bpp, rows[i].colour, rgb(&s, 319, 239));
        assert_int_equal(rgb(&s, 318, 239), BLACK);
        free(s.rgba);
    }
}

static void test_render_linear_16_colours_are_planar(void **state) {
    struct machine *m = *state;
    set_linear(m, 800, 600, 4);
    put(m, 0x3C4, 2, 0xF), put(m, 0x3C4, 4, 6), put(m, 0x3CE, 5, 0), put(m, 0x3CE, 6, 5);
    put(m, 0x3C4, 2, 0x2);
    poke(m, 0xA0000 + 100 * 599, 0x80);
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 599), 0x00AA00);
    assert_int_equal(rgb(&s, 1, 599), BLACK);
    free(s.rgba);
}

static void test_render_linear_picture_moves_in_a_larger_one(void **state) {
    struct machine *m = *state;
    set_linear(m, 640, 480, 32);
    put_dispi(m, DISPI_VIRT_WIDTH, 1024);
    put_dispi(m, DISPI_X_OFFSET, 13), put_dispi(m, DISPI_Y_OFFSET, 700);
    store(m, 4 * (1024 * 705 + 20), 0x00C0FFEE, 4);
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 7, 5), 0xC0FFEE);
    free(s.rgba);
}

static void test_render_dac_of_8_bits_is_taken_whole(void **state) {
    struct machine *m = *state;
    set_linear(m, 64, 64, 8);
    put_dispi(m, DISPI_ENABLE, DISPI_ENABLED | DISPI_8BIT_DAC);
    put_colour(m, 1, 0x81, 0x42, 0x24);
    store(m, 0, 1, 1);
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 0), 0x814224);
    free(s.rgba);
}

static void test_render_text_is_read_from_the_screen(void **state) {
    struct machine *m = *state;
    static const char line[] = "login: \x01~";
    char text[8192];
    for (unsigned i = 0; line[i]; i++) put_char(m, i, 24, (uint8_t)line[i], 7);
    size_t n = vga_screen_text(m->vga, text, sizeof text);
    assert_int_equal(n, 24 + 10);
    assert_string_equal(text + 24, "login: .~\n");
    n = vga_screen_text(m->vga, text, 100);
    assert_true(n < 100 && text[n] == '\0');
    set_mode_13(m);
    assert_int_equal(vga_screen_text(m->vga, text, sizeof text), 0);
    assert_int_equal(text[0], '\0');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        VGA_TEST(test_render_text_draws_font_in_colours),
        VGA_TEST(test_render_text_ninth_dot_of_line_characters_repeats_the_eighth),
        VGA_TEST(test_render_text_cursor_blinks_in_its_lines),
        VGA_TEST(test_render_text_attribute_bit_7_blinks_or_is_bright),
        VGA_TEST(test_render_text_starts_pans_and_splits),
        VGA_TEST(test_render_second_font_is_chosen_by_attribute),
        VGA_TEST(test_render_screen_off_is_black),
        VGA_TEST(test_render_16_colours_take_a_bit_of_each_plane),
        VGA_TEST(test_render_256_colours_are_doubled_dots_and_lines),
        VGA_TEST(test_render_unchained_256_colours_show_a_plane_per_column),
        VGA_TEST(test_render_cga_graphics_have_two_banks_of_two_bit_pixels),
        VGA_TEST(test_render_linear_modes_expand_every_depth),
        VGA_TEST(test_render_linear_16_colours_are_planar),
        VGA_TEST(test_render_linear_picture_moves_in_a_larger_one),
        VGA_TEST(test_render_dac_of_8_bits_is_taken_whole),
        VGA_TEST(test_render_text_is_read_from_the_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
