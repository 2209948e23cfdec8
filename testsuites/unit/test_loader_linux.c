/* The Linux boot protocol and PVH: good images, and the ways in which one can be malformed. */
#include "testsuites/unit/loader_image.h"
#include "testsuites/unit/vga_world.h"

enum {
    SETUP_SECTS = 1,
    CODE = (SETUP_SECTS + 1) * 512, /* where the protected-mode code begins in the file */
    KERNEL_AT = 0x200000,
    INIT_SIZE = 0x10000,
};

/* bzImage of protocol 2.15, relocatable, both entries; its code is the file from CODE on */
static void make_bzimage(struct image *im) {
    image_init(im, 0x2000);
    uint8_t *d = im->data;
    d[0x1F1] = SETUP_SECTS;
    put32(d + 0x1F4, (0x2000 - CODE) / 16);
    put16(d + 0x1FE, 0xAA55);
    d[0x200] = 0xEB, d[0x201] = 0x6A;
    memcpy(d + 0x202, "HdrS", 4);
    put16(d + 0x206, 0x20F);
    d[0x211] = 1;
    put32(d + 0x214, 0x100000);
    put32(d + 0x22C, 0x7FFFFFFF);
    put32(d + 0x230, 0x200000);
    d[0x234] = 1, d[0x235] = 13;
    put16(d + 0x236, 0x7F);
    put32(d + 0x238, 64);
    put64(d + 0x258, KERNEL_AT);
    put32(d + 0x260, INIT_SIZE);
    d[CODE] = 0xF4;
    d[CODE + 0x200] = 0x90;
}

static uint64_t params_of(const struct machine *m) { return m->cpu[0]->gpr[RSI]; }

static uint64_t quad_at(struct machine *m, uint64_t pa) { return word_at(m, pa) | (uint64_t)word_at(m, pa + 4) << 32; }

/* ---- good kernels ---- */

static void test_linux_with_64_bit_entry_starts_in_long_mode(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    struct image im;
    make_bzimage(&im);
    assert_true(load(m, &im));
    assert_int_equal(cpu->rip, KERNEL_AT + 0x200);
    assert_int_equal(cpu->ctl.efer, EFER_LME | EFER_LMA);
    assert_int_equal(cpu->seg[SEG_CS].sel, 0x10);
    assert_true(cpu->seg[SEG_CS].ar & AR_L);
    assert_int_equal(cpu->seg[SEG_DS].sel, 0x18);
    assert_int_equal(cpu->seg[SEG_ES].sel, 0x18);
    assert_int_equal(cpu->seg[SEG_SS].sel, 0x18);
    assert_int_equal(quad_at(m, cpu->ctl.gdtr.base + 0x10) >> 40, 0x00AF9B);
    assert_int_equal(quad_at(m, cpu->ctl.gdtr.base + 0x18) >> 40, 0x00CF93);
    assert_false(cpu->rflags & FLAG_IF);
    assert_int_equal(byte_at(m, KERNEL_AT), 0xF4);
    assert_int_equal(byte_at(m, KERNEL_AT + 0x200), 0x90);
    /* the last 2 MiB of the first 4 GiB, one to one */
    uint64_t pdpt = quad_at(m, cpu->ctl.cr3) & PAGE_MASK, pd = quad_at(m, pdpt + 3 * 8) & PAGE_MASK;
    assert_int_equal(quad_at(m, pd + 511 * 8), 0xFFE00000 | 0x83);
}

static void test_linux_is_told_of_text_mode_where_there_is_a_screen(void **state) {
    struct machine *m = *state;
    struct image im;
    make_bzimage(&im);
    assert_true(load(m, &im));
    const uint64_t bp = params_of(m);
    assert_int_equal(byte_at(m, bp + 6), m->vga ? 3 : 0);
    assert_int_equal(byte_at(m, bp + 7), m->vga ? 80 : 0);
    assert_int_equal(byte_at(m, bp + 0xE), m->vga ? 25 : 0);
    assert_int_equal(byte_at(m, bp + 0xF), m->vga ? 1 : 0);
    assert_int_equal(byte_at(m, bp + 0x10), m->vga ? 16 : 0);
}

static void test_linux_without_64_bit_entry_starts_in_protected_mode(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    struct image im;
    make_bzimage(&im);
    put16(im.data + 0x236, 0);
    assert_true(load(m, &im));
    assert_int_equal(cpu->rip, KERNEL_AT);
    assert_int_equal(cpu->ctl.cr0, CR0_PE | CR0_ET);
    assert_int_equal(cpu->seg[SEG_CS].sel, 0x10);
    assert_true(cpu->seg[SEG_CS].ar & AR_DB);
    assert_int_equal(cpu->seg[SEG_SS].sel, 0x18);
    assert_int_equal(cpu->gpr[RBP] | cpu->gpr[RDI] | cpu->gpr[RBX], 0);
    assert_int_equal(word_at(m, params_of(m) + 0x214), KERNEL_AT);
}

static void test_linux_boot_parameters_hold_header_map_and_root_pointer(void **state) {
    struct machine *m = *state;
    struct image im;
    char text[8];
    make_bzimage(&im);
    im.req.append = "a=b c";
    assert_true(load(m, &im));
    uint64_t bp = params_of(m);
    string_at(m, bp + 0x202, text, 4);
    assert_memory_equal(text, "HdrS", 4);
    assert_int_equal(byte_at(m, bp + 0x210), 0xFF);
    assert_int_equal(word_at(m, bp + 0x260), INIT_SIZE);
    string_at(m, word_at(m, bp + 0x228), text, 6);
    assert_string_equal(text, "a=b c");
    string_at(m, quad_at(m, bp + 0x70), text, 8);
    assert_memory_equal(text, "RSD PTR ", 8);
    struct memory_area area[MEMORY_AREAS];
    unsigned n = memory_areas(m, area);
    assert_int_equal(byte_at(m, bp + 0x1E8), n);
    for (unsigned i = 0; i < n; i++) {
        uint64_t e = bp + 0x2D0 + 20 * i;
        assert_int_equal(quad_at(m, e), area[i].base);
        assert_int_equal(quad_at(m, e + 8), area[i].size);
        assert_int_equal(word_at(m, e + 16), area[i].type);
    }
}

static void test_linux_initrd_is_placed_high_below_its_limit(void **state) {
    struct machine *m = *state;
    struct image im;
    char name[2][64];
    const char *modules[2] = {name[0], name[1]};
    for (unsigned i = 0; i < 2; i++) {
        strcpy(name[i], "/tmp/hvsim-initrd-XXXXXX");
        close(mkstemp(name[i]));
        write_file(name[i], i ? "second" : "first", i ? 6 : 5);
    }
    make_bzimage(&im);
    put32(im.data + 0x22C, 0x9FFFFF);
    im.req.modules = modules, im.req.module_count = 2;
    assert_true(load(m, &im));
    char text[14];
    uint32_t at = word_at(m, params_of(m) + 0x218), size = word_at(m, params_of(m) + 0x21C);
    assert_int_equal(at, 0x9FF000);
    assert_int_equal(size, 8 + 6); /* the second archive is aligned */
    string_at(m, at, text, size);
    assert_memory_equal(text, "first\0\0\0second", 14);
    make_bzimage(&im);
    modules[1] = "/nonexistent/x";
    im.req.modules = modules, im.req.module_count = 2;
    assert_false(load(m, &im));
    assert_non_null(strstr(im.err, "/nonexistent/x: cannot open it"));
    for (unsigned i = 0; i < 2; i++) unlink(name[i]);
}

static void test_linux_that_does_not_fit_where_it_prefers_is_moved(void **state) {
    struct machine *m = *state;
    struct image im;
    make_bzimage(&im);
    put64(im.data + 0x258, TEST_MEMORY);
    assert_true(load(m, &im));
    assert_int_equal(word_at(m, params_of(m) + 0x214), 0x100000); /* min_alignment is 8 KiB */
    make_bzimage(&im);
    im.data[0x234] = 0;
    assert_true(load(m, &im));
    assert_int_equal(word_at(m, params_of(m) + 0x214), 0x100000); /* one that can't be moved has no choice */
}

static void test_linux_signature_behind_the_code_is_not_loaded(void **state) {
    struct machine *m = *state;
    struct image im;
    make_bzimage(&im);
    put32(im.data + 0x1F4, (0x1800 - CODE) / 16);
    im.data[0x17FF] = 1, im.data[0x1800] = 2;
    assert_true(load(m, &im));
    assert_int_equal(byte_at(m, KERNEL_AT + 0x17FF - CODE), 1);
    assert_int_equal(byte_at(m, KERNEL_AT + 0x1800 - CODE), 0);
}

/* ---- malformed kernels ---- */

static void test_linux_truncated_anywhere_is_refused(void **state) {
    struct image im;
    for (size_t size = 0x206; size < 0x2000 - 15; size += 61) {
        make_bzimage(&im);
        im.size = size;
        assert_refused(*state, &im, "cut off");
    }
}

static void test_linux_malformed_header_is_refused(void **state) {
    static const struct {
        uint32_t at, size;
        uint64_t val;
        const char *says;
    } cases[] = {
        {0x206, 2, 0x1FF,              "expected protocol 2.00"},
        {0x211, 1, 0,                  "build a bzImage"       },
        {0x1F1, 1, 0xFF,               "cut off"               },
        {0x1F4, 4, 0x10000000,         "cut off"               },
        {0x1F4, 4, 0xFFFFFFFF,         "cut off"               },
        {0x230, 4, 0,                  "power of two"          },
        {0x230, 4, 3,                  "power of two"          },
        {0x260, 4, 0xFFFFFFFF,         "no room for the kernel"},
        {0x258, 8, 0xFFFFFFFFFFE00000, NULL                    }, /* elsewhere, then */
        {0x238, 4, 3,                  "takes at most 3"       },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct machine *m = fixture_machine(1);
        struct image im;
        make_bzimage(&im);
        im.req.append = "four";
        memcpy(im.data + cases[i].at, &cases[i].val, cases[i].size);
        if (cases[i].says)
            assert_refused(m, &im, cases[i].says);
        else
            assert_true(load(m, &im));
        machine_destroy(m);
    }
    (void)state;
}

static void test_linux_initrd_without_room_is_refused(void **state) {
    struct image im, initrd;
    image_init(&initrd, 1);
    write_file(initrd.path, initrd.data, 1);
    const char *const modules[] = {initrd.path};
    make_bzimage(&im);
    put32(im.data + 0x22C, 0xFFFFF);
    im.req.modules = modules, im.req.module_count = 1;
    assert_false(load(*state, &im));
    assert_non_null(strstr(im.err, "no room for the initial RAM disk"));
    unlink(initrd.path);
}

/* ---- PVH ---- */

#define NOTE_AT 0x800u

/* ELF64: file 1000H.. to 1 MiB, and a note segment with a foreign note in front of the one that counts */
static void make_pvh(struct image *im) {
    image_init(im, 0x2000);
    uint8_t *h = im->data, *p = h + 64, *n = h + NOTE_AT;
    memcpy(h, "\177ELF\2\1\1", 7);
    put16(h + 16, 2), put16(h + 18, 62), put32(h + 20, 1);
    put64(h + 24, 0x100100), put64(h + 32, 64), put16(h + 52, 64), put16(h + 54, 56), put16(h + 56, 2);
    put32(p, 1), put32(p + 4, 7), put64(p + 8, 0x1000), put64(p + 16, 0x100000), put64(p + 24, 0x100000);
    put64(p + 32, 0x1000), put64(p + 40, 0x2000);
    put32(p + 56, 4), put64(p + 64, NOTE_AT), put64(p + 88, 44), put64(p + 96, 44);
    put32(n, 4), put32(n + 4, 2), put32(n + 8, 1), memcpy(n + 12, "GNU", 4), put16(n + 16, 7);
    put32(n + 20, 4), put32(n + 24, 8), put32(n + 28, 18), memcpy(n + 32, "Xen", 4), put64(n + 36, 0x100200);
    im->data[0x1200] = 0xF4;
}

static void test_pvh_entry_state_is_the_documented_one(void **state) {
    struct machine *m = *state;
    struct cpu *cpu = m->cpu[0];
    struct image im;
    make_pvh(&im);
    assert_true(load(m, &im));
    assert_int_equal(cpu->rip, 0x100200);
    assert_int_equal(cpu->ctl.cr0, CR0_PE | CR0_ET);
    assert_int_equal(cpu->ctl.cr4, 0);
    assert_int_equal(cpu->seg[SEG_CS].base, 0);
    assert_int_equal(cpu->seg[SEG_CS].limit, 0xFFFFFFFF);
    assert_int_equal(cpu->seg[SEG_TR].limit, 0x67);
    assert_int_equal(cpu->seg[SEG_TR].ar, AR_P | DESC_TSS_BUSY);
    assert_false(cpu->rflags & FLAG_IF);
}

static void test_pvh_start_information_is_complete(void **state) {
    struct machine *m = *state;
    struct image im, module;
    char text[16], spec[96];
    image_init(&module, 1);
    write_file(module.path, "m", 1);
    snprintf(spec, sizeof spec, "%s,arg", module.path);
    const char *const modules[] = {spec};
    make_pvh(&im);
    im.req.append = "x y";
    im.req.modules = modules, im.req.module_count = 1;
    assert_true(load(m, &im));
    unlink(module.path);
    uint64_t info = m->cpu[0]->gpr[RBX];
    assert_int_equal(word_at(m, info), 0x336EC578);
    assert_int_equal(word_at(m, info + 4), 1);
    assert_int_equal(word_at(m, info + 12), 1);
    uint64_t list = quad_at(m, info + 16);
    assert_int_equal(byte_at(m, quad_at(m, list)), 'm');
    assert_int_equal(quad_at(m, list + 8), 1);
    string_at(m, quad_at(m, list + 16), text, 4);
    assert_string_equal(text, "arg");
    string_at(m, quad_at(m, info + 24), text, 4);
    assert_string_equal(text, "x y");
    string_at(m, quad_at(m, info + 32), text, 8);
    assert_memory_equal(text, "RSD PTR ", 8);
    uint64_t map = quad_at(m, info + 40);
    struct memory_area area[MEMORY_AREAS];
    assert_int_equal(word_at(m, info + 48), memory_areas(m, area));
    assert_int_equal(quad_at(m, map + 24 + 8), area[1].size);
    assert_int_equal(word_at(m, map + 24 + 16), area[1].type);
}

static void test_pvh_malformed_is_refused(void **state) {
    static const struct {
        uint32_t at, val;
        const char *says;
    } cases[] = {
        {NOTE_AT + 28, 17,         "no note of a PVH entry point"},
        {NOTE_AT + 32, 0,          "no note of a PVH entry point"},
        {NOTE_AT + 0,  0xFFFFFFFF, "no note of a PVH entry point"},
        {NOTE_AT + 24, 0xFFFFFFF0, "no note of a PVH entry point"},
        {NOTE_AT + 24, 6,          "expected 4 or 8 bytes"       },
        {NOTE_AT + 40, 1,          "above 4 GiB"                 },
        {NOTE_AT + 36, 0x200000,   "outside all segments"        },
        {64 + 88,      0xFFFFFFFF, "cut off"                     },
    };
    struct image im;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_pvh(&im);
        put32(im.data + cases[i].at, cases[i].val);
        assert_refused(*state, &im, cases[i].says);
    }
}

/* ---- any image ---- */

static void test_linux_and_pvh_with_random_headers_never_crash(void **state) {
    uint32_t seed = 1;
    (void)state;
    for (unsigned n = 0; n < 2000; n++) {
        struct machine *m = fixture_machine(1);
        struct image im;
        (n % 2 ? make_pvh : make_bzimage)(&im);
        if (n % 2)
            scramble(&im, &seed, 1 + n % 3, n % 4 == 1 ? NOTE_AT : 16, n % 4 == 1 ? 40 : 160);
        else
            scramble(&im, &seed, 1 + n % 3, 0x206, 0x60);
        im.err[0] = '\0';
        if (!load(m, &im)) assert_string_not_equal(im.err, "");
        machine_destroy(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_linux_with_64_bit_entry_starts_in_long_mode),
        TEST(test_linux_is_told_of_text_mode_where_there_is_a_screen),
        VGA_TEST(test_linux_is_told_of_text_mode_where_there_is_a_screen),
        TEST(test_linux_without_64_bit_entry_starts_in_protected_mode),
        TEST(test_linux_boot_parameters_hold_header_map_and_root_pointer),
        TEST(test_linux_initrd_is_placed_high_below_its_limit),
        TEST(test_linux_that_does_not_fit_where_it_prefers_is_moved),
        TEST(test_linux_signature_behind_the_code_is_not_loaded),
        TEST(test_linux_truncated_anywhere_is_refused),
        TEST(test_linux_malformed_header_is_refused),
        TEST(test_linux_initrd_without_room_is_refused),
        TEST(test_pvh_entry_state_is_the_documented_one),
        TEST(test_pvh_start_information_is_complete),
        TEST(test_pvh_malformed_is_refused),
        TEST(test_linux_and_pvh_with_random_headers_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
