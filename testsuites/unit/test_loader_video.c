/* The screen that loaded images ask for and are told of. */
#include "testsuites/unit/loader_image.h"
#include "testsuites/unit/vga_world.h"

#define LOAD_AT 0x100000u

/* A multiboot 1 image, loaded whole at 1 MiB, that asks for a mode */
static void make_mb1(struct image *im, uint32_t type, uint32_t width, uint32_t height, uint32_t depth) {
    const uint32_t flags = 1 << 16 | 1 << 2,
                   fields[9] = {LOAD_AT, LOAD_AT, 0, 0, LOAD_AT + 0x80, type, width, height, depth};
    image_init(im, 0x1000);
    put32(im->data, 0x1BADB002), put32(im->data + 4, flags), put32(im->data + 8, 0u - 0x1BADB002u - flags);
    for (unsigned i = 0; i < 9; i++) put32(im->data + 12 + 4 * i, fields[i]);
    im->data[0x80] = 0xF4;
}

static void test_multiboot1_linear_mode_is_set_and_told(void **state) {
    struct machine *m = *state;
    struct image im;
    unsigned width, height;
    make_mb1(&im, 0, 800, 600, 32);
    assert_true(load(m, &im));
    uint64_t info = m->cpu[0]->gpr[RBX];
    assert_int_equal(word_at(m, info) >> 12 & 1, 1);
    assert_int_equal(word_at(m, info + 88), vga_framebuffer(m->vga));
    assert_int_not_equal(word_at(m, info + 88), 0);
    assert_int_equal(word_at(m, info + 96), 3200);
    assert_int_equal(word_at(m, info + 100), 800);
    assert_int_equal(word_at(m, info + 104), 600);
    assert_int_equal(word_at(m, info + 108), 0x08100120); /* 32 bits, RGB, red at 16 with 8 bits */
    assert_int_equal(word_at(m, info + 112), 0x08000808); /* green at 8, blue at 0 */
    vga_look(m->vga, &width, &height);
    assert_int_equal(width, 800);
    poke(m, vga_framebuffer(m->vga), 0x55); /* it is there */
    struct shown s = show(m);
    assert_int_equal(rgb(&s, 0, 0), 0x000055);
    free(s.rgba);
}

static void test_multiboot1_text_or_too_large_is_text(void **state) {
    static const uint32_t rows[2][4] = {
        {1, 80,   25,   0 },
        {0, 9000, 9000, 32}
    };
    struct machine *m = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct image im;
        make_mb1(&im, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        assert_true(load(m, &im));
        uint64_t info = m->cpu[0]->gpr[RBX];
        assert_int_equal(word_at(m, info + 88), 0xB8000);
        assert_int_equal(word_at(m, info + 100), 80);
        assert_int_equal(word_at(m, info + 108) & 0xFFFF, 0x0210);
    }
}

/* A multiboot 2 image with an address, an entry and a framebuffer tag */
static void make_mb2(struct image *im, uint16_t flags, uint32_t width, uint32_t height, uint32_t depth) {
    static const uint32_t size = 16 + 24 + 16 + 24 + 8;
    image_init(im, 0x1000);
    uint8_t *p = im->data;
    const uint32_t words[] = {0xE85250D6,
                              0,
                              size,
                              0u - 0xE85250D6u - size,
                              2,
                              24,
                              LOAD_AT,
                              LOAD_AT,
                              0,
                              0,
                              3,
                              12,
                              LOAD_AT + 0x80,
                              0,
                              5 | (uint32_t)flags << 16,
                              20,
                              width,
                              height,
                              depth,
                              0,
                              0,
                              8};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) put32(p + 4 * i, words[i]);
    p[0x80] = 0xF4;
}

static void test_multiboot2_framebuffer_tag_answers_a_request(void **state) {
    struct machine *m = *state;
    struct image im;
    make_mb2(&im, 0, 0, 0, 0);
    if (!load(m, &im)) fail_msg("%s", im.err);
    uint64_t info = m->cpu[0]->gpr[RBX];
    uint32_t at = 8;
    while (at < word_at(m, info) && word_at(m, info + at) != 8) at += (word_at(m, info + at + 4) + 7) & ~7u;
    assert_true(at < word_at(m, info));
    assert_int_equal(word_at(m, info + at + 4), 38);
    assert_int_equal(word_at(m, info + at + 8), vga_framebuffer(m->vga));
    assert_int_equal(word_at(m, info + at + 16), 4096);
    assert_int_equal(word_at(m, info + at + 20), 1024);
    assert_int_equal(word_at(m, info + at + 24), 768);
    assert_int_equal(word_at(m, info + at + 28), 0x0120);
    assert_int_equal(word_at(m, info + at + 32), 0x08080810);
}

static void test_multiboot2_screen_required_without_adapter_is_refused(void **state) {
    struct machine *m = *state;
    struct image im;
    make_mb2(&im, 0, 640, 480, 32);
    assert_false(load(m, &im));
    assert_non_null(strstr(im.err, "no video card"));
    make_mb2(&im, 1, 640, 480, 32); /* optional */
    assert_true(load(m, &im));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        VGA_TEST(test_multiboot1_linear_mode_is_set_and_told),
        VGA_TEST(test_multiboot1_text_or_too_large_is_text),
        VGA_TEST(test_multiboot2_framebuffer_tag_answers_a_request),
        TEST(test_multiboot2_screen_required_without_adapter_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
