/* Loaders: good images of each kind, and for each format the ways in which one can be malformed. */
#include "testsuites/unit/loader_image.h"

#define MB1_AT  0x1000u
#define CODE_AT 0x1100u

static void put_mb1(struct image *im, uint32_t at, uint32_t flags) {
    put32(im->data + at, 0x1BADB002);
    put32(im->data + at + 4, flags);
    put32(im->data + at + 8, 0u - 0x1BADB002u - flags);
}

/* ELF32 with one segment: file 1000H.. to physical 1 MiB, 2000H bytes of memory, entry at its offset 100H */
static void make_elf32(struct image *im) {
    image_init(im, IMAGE_SIZE);
    uint8_t *h = im->data, *p = h + 52;
    memcpy(h, "\177ELF\1\1\1", 7);
    put16(h + 16, 2), put16(h + 18, 3), put32(h + 20, 1);
    put32(h + 24, 0x100100), put32(h + 28, 52), put16(h + 40, 52), put16(h + 42, 32), put16(h + 44, 1);
    put32(p, 1), put32(p + 4, 0x1000), put32(p + 8, 0x100000), put32(p + 12, 0x100000);
    put32(p + 16, 0x1000), put32(p + 20, 0x2000), put32(p + 24, 7);
    put_mb1(im, MB1_AT, 3);
    im->data[CODE_AT] = 0xF4;
}

static void make_elf64(struct image *im) {
    image_init(im, IMAGE_SIZE);
    uint8_t *h = im->data, *p = h + 64;
    memcpy(h, "\177ELF\2\1\1", 7);
    put16(h + 16, 2), put16(h + 18, 62), put32(h + 20, 1);
    put64(h + 24, 0xFFFFFFFF80100100), put64(h + 32, 64), put16(h + 52, 64), put16(h + 54, 56), put16(h + 56, 1);
    put32(p, 1), put32(p + 4, 7), put64(p + 8, 0x1000), put64(p + 16, 0xFFFFFFFF80100000), put64(p + 24, 0x100000);
    put64(p + 32, 0x1000), put64(p + 40, 0x2000);
    put_mb1(im, MB1_AT, 3);
    im->data[CODE_AT] = 0xF4;
}

/* address fields: the whole file at 1 MiB */
static void make_aout(struct image *im) {
    image_init(im, 0x2000);
    put_mb1(im, 0x40, 1 << 16);
    uint8_t *a = im->data + 0x40 + 12;
    put32(a, 0x100040), put32(a + 4, 0x100000), put32(a + 8, 0), put32(a + 12, 0x104000), put32(a + 16, 0x100080);
    im->data[0x80] = 0xF4;
}

/* ---- good multiboot 1 images ---- */

static void test_multiboot1_entry_state_is_the_specified_one(void **state) {
    struct machine *m = *state;
    struct image im;
    make_elf32(&im);
    assert_true(load(m, &im));
    struct cpu *cpu = m->cpu[0];
    assert_int_equal(cpu->gpr[RAX], 0x2BADB002);
    assert_int_equal(cpu->rip, 0x100100);
    assert_int_equal(byte_at(m, cpu->rip), 0xF4);
    assert_int_equal(cpu->ctl.cr0, CR0_PE | CR0_ET);
    assert_int_equal(cpu->rflags, FLAG_FIXED);
    assert_int_equal(m->a20_mask, ~0ull);
    for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
        assert_int_equal(cpu->seg[s].base, 0);
        assert_int_equal(cpu->seg[s].limit, 0xFFFFFFFF);
        assert_true(cpu->seg[s].ar & AR_DB);
    }
    assert_true(cpu->seg[SEG_CS].ar & AR_CODE);
}

static void test_multiboot1_information_describes_memory(void **state) {
    struct machine *m = *state;
    struct image im;
    make_elf32(&im);
    assert_true(load(m, &im));
    uint64_t info = m->cpu[0]->gpr[RBX];
    assert_int_equal(word_at(m, info) & 0x245, 0x245);
    assert_int_equal(word_at(m, info + 4), 639);
    assert_int_equal(word_at(m, info + 8), 15 * 1024);
    uint32_t length = word_at(m, info + 44), addr = word_at(m, info + 48);
    uint64_t available = 0;
    for (uint32_t at = 0; at < length; at += word_at(m, addr + at) + 4)
        if (word_at(m, addr + at + 20) == 1) available += word_at(m, addr + at + 12);
    assert_int_equal(available, (15u << 20) + 0x9FC00);
}

static void test_multiboot1_bios_data_area_names_the_serial_ports(void **state) {
    struct machine *m = *state;
    struct image im;
    make_elf32(&im);
    assert_true(load(m, &im));
    assert_int_equal(word_at(m, 0x400), 0x02F803F8);
    assert_int_equal(word_at(m, 0x410) >> 9 & 7, 2);
    assert_int_equal(word_at(m, 0x11 * 4), 0xF000F84D);
    assert_int_equal(byte_at(m, 0xFF84D), 0xB8); /* INT 11H: mov ax, the same */
    assert_int_equal(word_at(m, 0xFF84E) & 0xFFFF, word_at(m, 0x410) & 0xFFFF);
}

static void test_multiboot1_command_line_begins_with_the_image(void **state) {
    struct machine *m = *state;
    struct image im;
    char expect[128], found[128];
    make_elf32(&im);
    im.req.append = "one two";
    assert_true(load(m, &im));
    snprintf(expect, sizeof expect, "%s one two", im.path);
    string_at(m, word_at(m, m->cpu[0]->gpr[RBX] + 16), found, sizeof found);
    assert_string_equal(found, expect);
}

static void test_multiboot1_modules_are_page_aligned_with_their_text(void **state) {
    struct machine *m = *state;
    struct image im, mod;
    char spec[128], found[128];
    make_elf32(&im);
    image_init(&mod, 0x1234);
    memset(mod.data, 0x5A, mod.size);
    write_file(mod.path, mod.data, mod.size);
    snprintf(spec, sizeof spec, "%s,a=1 b", mod.path);
    const char *const modules[] = {spec, mod.path};
    im.req.modules = modules, im.req.module_count = 2;
    assert_true(load(m, &im));
    unlink(mod.path);
    uint64_t info = m->cpu[0]->gpr[RBX], list = word_at(m, info + 24), last_end = 0x102000;
    assert_int_equal(word_at(m, info + 20), 2);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t start = word_at(m, list + 16 * i), end = word_at(m, list + 16 * i + 4);
        assert_int_equal(start & 0xFFF, 0);
        assert_true(start >= last_end);
        assert_int_equal(end - start, 0x1234);
        assert_int_equal(byte_at(m, end - 1), 0x5A);
        last_end = end;
    }
    string_at(m, word_at(m, list + 8), found, sizeof found);
    assert_non_null(strstr(found, " a=1 b"));
}

static void test_multiboot1_elf64_starts_at_its_physical_entry(void **state) {
    struct machine *m = *state;
    struct image im;
    make_elf64(&im);
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->rip, 0x100100);
}

static void test_multiboot1_address_fields_place_the_file(void **state) {
    struct machine *m = *state;
    struct image im;
    make_aout(&im);
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->rip, 0x100080);
    assert_int_equal(byte_at(m, 0x100080), 0xF4);
    assert_int_equal(word_at(m, 0x100040), 0x1BADB002);
}

/* ---- malformed ---- */

static void test_image_missing_is_refused(void **state) {
    struct machine *m = *state;
    struct hvsim_image req = {.path = "/nonexistent/image"};
    char err[256];
    assert_false(machine_load(m, &req, err, sizeof err));
    assert_non_null(strstr(err, "No such file"));
}

static void test_image_empty_is_refused(void **state) {
    struct image im;
    image_init(&im, 0);
    assert_refused(*state, &im, "empty");
}

static void test_image_without_header_is_refused(void **state) {
    struct image im;
    image_init(&im, 0x1000);
    assert_refused(*state, &im, "no multiboot header");
}

static void test_multiboot1_wrong_checksum_is_no_header(void **state) {
    struct image im;
    make_elf32(&im);
    im.data[MB1_AT + 8] ^= 1;
    assert_refused(*state, &im, "no multiboot header");
}

static void test_multiboot1_unknown_required_flag_is_refused(void **state) {
    struct image im;
    make_elf32(&im);
    put_mb1(&im, MB1_AT, 1 << 5);
    assert_refused(*state, &im, "require features");
}

static void test_multiboot1_neither_elf_nor_addresses_is_refused(void **state) {
    struct image im;
    make_elf32(&im);
    im.data[0] = 0;
    assert_refused(*state, &im, "must be ELF");
}

/* What is wrong with an ELF32 file: 4 bytes put at an offset, and what the message says. */
static const struct {
    unsigned at;
    uint32_t val;
    const char *says;
} bad_elf[] = {
    {4,       0x00010103, "expected class"             },
    {18,      0x00010028, "expected machine"           },
    {16,      0x00030001, "expected an executable"     },
    {44,      0,          "program headers"            },
    {42,      0x00010010, "program headers of 32 bytes"},
    {28,      0x2FFF,     "ELF program headers"        },
    {28,      0xFFFFFFF0, "ELF program headers"        },
    {52 + 4,  0x2800,     "file offset"                },
    {52 + 4,  0xFFFFFFFF, "file offset"                },
    {52 + 16, 0x80000000, "file offset"                },
    {52 + 20, 0x800,      "larger than in memory"      },
    {52 + 20, 0x7FFFFFFF, "RAM is"                     },
    {52 + 12, 0xFFFFF000, "RAM is"                     },
    {52 + 12, 0x00FFF000, "RAM is"                     },
    {52 + 0,  6,          "at least one segment"       },
    {24,      0x200000,   "entry point"                },
};

static void test_elf_malformed_is_refused(void **state) {
    for (unsigned i = 0; i < sizeof bad_elf / sizeof bad_elf[0]; i++) {
        struct image im;
        make_elf32(&im);
        put32(im.data + bad_elf[i].at, bad_elf[i].val);
        assert_refused(*state, &im, bad_elf[i].says);
    }
}

static void test_elf_overlapping_segments_are_refused(void **state) {
    struct image im;
    make_elf32(&im);
    put16(im.data + 44, 2);
    memcpy(im.data + 84, im.data + 52, 32);
    put32(im.data + 84 + 12, 0x101FFF);
    assert_refused(*state, &im, "taken by another part");
}

/* Cut off at every length: one message, no crash; the whole file loads. */
static void test_elf_truncated_anywhere_is_refused(void **state) {
    for (size_t size = 1; size < 0x2000; size += size < 128 ? 1 : 97) {
        struct image im;
        make_elf32(&im);
        im.size = size;
        assert_refused(*state, &im, ":");
    }
}

static const struct {
    unsigned field;
    uint32_t val;
    const char *says;
} bad_addresses[] = {
    {0, 0x0FFFFF,   "load_addr"    },
    {1, 0x100041,   "load_addr"    },
    {1, 0,          "load_addr"    },
    {2, 0x0FFFFF,   "load_end_addr"},
    {2, 0x200000,   "load_end"     },
    {3, 0x100010,   "bss_end_addr" },
    {3, 0xFFFFFFFF, "RAM is"       },
    {4, 0x0FFFFF,   "entry_addr"   },
    {4, 0x104000,   "entry_addr"   },
    {0, 0xFFFFFFFF, "load_addr"    },
};

static void test_multiboot1_bad_address_fields_are_refused(void **state) {
    for (unsigned i = 0; i < sizeof bad_addresses / sizeof bad_addresses[0]; i++) {
        struct image im;
        make_aout(&im);
        put32(im.data + 0x4C + 4 * bad_addresses[i].field, bad_addresses[i].val);
        assert_refused(*state, &im, bad_addresses[i].says);
    }
}

static void test_module_that_does_not_fit_is_refused(void **state) {
    struct machine *m = *state;
    struct image im;
    char path[] = "/tmp/hvsim-module-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && ftruncate(fd, 15 << 20) == 0);
    close(fd);
    const char *const modules[] = {path};
    make_elf32(&im);
    im.req.modules = modules, im.req.module_count = 1;
    bool ok = load(m, &im);
    unlink(path);
    assert_false(ok);
    assert_non_null(strstr(im.err, "no room for the module"));
    assert_non_null(strstr(im.err, path));
}

static void test_module_missing_is_refused(void **state) {
    struct image im;
    const char *const modules[] = {"/nonexistent/module,x"};
    make_elf32(&im);
    im.req.modules = modules, im.req.module_count = 1;
    assert_false(load(*state, &im));
    assert_non_null(strstr(im.err, "/nonexistent/module: cannot open"));
}

/* ---- multiboot 2 ---- */

#define MB2_AT 0x1000u

static void put_mb2(struct image *im, const uint8_t *tags, uint32_t size) {
    uint32_t length = 16 + size;
    uint8_t *p = im->data + MB2_AT;
    put32(im->data + MB1_AT, 0); /* no multiboot 1 header */
    put32(p, 0xE85250D6), put32(p + 4, 0), put32(p + 8, length), put32(p + 12, 0u - 0xE85250D6u - length);
    memcpy(p + 16, tags, size);
}

static void tag(uint8_t *p, uint16_t type, uint16_t flags, uint32_t size) {
    put16(p, type), put16(p + 2, flags), put32(p + 4, size);
}

static void make_mb2(struct image *im) {
    uint8_t end[8];
    make_elf32(im);
    tag(end, 0, 0, 8);
    put_mb2(im, end, sizeof end);
}

static uint64_t find_tag(struct machine *m, uint32_t type) {
    uint64_t info = m->cpu[0]->gpr[RBX];
    for (uint32_t at = 8; at < word_at(m, info); at += (word_at(m, info + at + 4) + 7) & ~7u)
        if (word_at(m, info + at) == type) return info + at;
    return 0;
}

static void test_multiboot2_tags_are_there(void **state) {
    struct machine *m = *state;
    struct image im;
    char found[128];
    make_mb2(&im);
    im.req.append = "x=y";
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->gpr[RAX], 0x36D76289);
    assert_int_equal(m->cpu[0]->rip, 0x100100);
    assert_int_equal(m->cpu[0]->gpr[RBX] & 7, 0);
    string_at(m, find_tag(m, 1) + 8, found, sizeof found);
    assert_non_null(strstr(found, " x=y"));
    assert_int_equal(word_at(m, find_tag(m, 4) + 12), 15 * 1024);
    assert_int_equal(word_at(m, find_tag(m, 6) + 8), 24);
    assert_true(find_tag(m, 2) && find_tag(m, 0));
}

static void test_multiboot2_entry_tag_overrides(void **state) {
    struct machine *m = *state;
    struct image im;
    uint8_t tags[24] = {0};
    make_elf32(&im);
    tag(tags, 3, 0, 12), put32(tags + 8, 0x100180);
    tag(tags + 16, 0, 0, 8);
    put_mb2(&im, tags, sizeof tags);
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->rip, 0x100180);
}

static void test_multiboot2_relocatable_image_moves_into_memory(void **state) {
    struct machine *m = *state;
    struct image im;
    uint8_t tags[32] = {0};
    make_elf32(&im);
    put32(im.data + 52 + 8, 0x10000000), put32(im.data + 52 + 12, 0x10000000), put32(im.data + 24, 0x10000100);
    tag(tags, 10, 0, 24), put32(tags + 8, 0x200000), put32(tags + 12, 0xFFFFFFFF), put32(tags + 16, 0x200000);
    tag(tags + 24, 0, 0, 8);
    put_mb2(&im, tags, sizeof tags);
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->rip, 0x200100);
    assert_int_equal(word_at(m, find_tag(m, 21) + 8), 0x200000);
}

static void test_multiboot2_relocatable_range_upside_down_is_refused(void **state) {
    struct machine *m = *state;
    struct image im;
    uint8_t tags[32] = {0};
    make_elf32(&im);
    tag(tags, 10, 0, 24), put32(tags + 8, 0x400000), put32(tags + 12, 0x3FFFFF), put32(tags + 16, 0x1000);
    tag(tags + 24, 0, 0, 8);
    put_mb2(&im, tags, sizeof tags);
    assert_false(load(m, &im));
    assert_non_null(strstr(im.err, "highest address 3fffff is below its lowest, 400000"));
}

static void test_multiboot2_malformed_is_refused(void **state) {
    static const struct {
        unsigned at;
        uint32_t val;
        const char *says;
    } bad[] = {
        {8,  8,          "its length"       },
        {8,  0x7FFFFFF0, "its length"       },
        {4,  4,          "architecture"     },
        {20, 4,          "has size"         },
        {20, 0x1000,     "has size"         },
        {16, 5,          "expected 20"      },
        {16, 99,         "not provided here"},
        {16, 2,          "expected 24"      },
        {20, 0xFFFFFFFF, "has size"         },
        {16, 4,          "end tag"          },
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct image im;
        make_mb2(&im);
        uint8_t *p = im.data + MB2_AT;
        put32(p + bad[i].at, bad[i].val);
        put32(p + 12, 0u - get32(p) - get32(p + 4) - get32(p + 8));
        assert_refused(*state, &im, bad[i].says);
    }
}

static void test_multiboot2_unknown_request_is_refused(void **state) {
    struct image im;
    uint8_t tags[24] = {0};
    make_elf32(&im);
    tag(tags, 1, 0, 12), put32(tags + 8, 14); /* ACPI */
    tag(tags + 16, 0, 0, 8);
    put_mb2(&im, tags, sizeof tags);
    assert_refused(*state, &im, "type 14");
}

/* ---- flat binaries ---- */

static void make_flat(struct image *im, enum hvsim_image_mode mode) {
    image_init(im, 0x1000);
    im->req.flat = true;
    im->req.mode = mode;
    im->data[0] = 0xF4;
}

static void test_flat_real_starts_at_7c00(void **state) {
    struct machine *m = *state;
    struct image im;
    make_flat(&im, HVSIM_MODE_REAL);
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->rip + m->cpu[0]->seg[SEG_CS].base, 0x7C00);
    assert_false(m->cpu[0]->ctl.cr0 & CR0_PE);
    assert_int_equal(byte_at(m, 0x7C00), 0xF4);
}

static void test_flat_real_entry_above_64k_uses_a_segment(void **state) {
    struct machine *m = *state;
    struct image im;
    make_flat(&im, HVSIM_MODE_REAL);
    im.req.has_load_address = true, im.req.load_address = 0x54320;
    assert_true(load(m, &im));
    assert_int_equal(m->cpu[0]->seg[SEG_CS].sel, 0x5000);
    assert_int_equal(m->cpu[0]->rip, 0x4320);
}

static void test_flat_protected_has_gdt_and_stack(void **state) {
    struct machine *m = *state;
    struct image im;
    make_flat(&im, HVSIM_MODE_PROTECTED);
    assert_true(load(m, &im));
    struct cpu *cpu = m->cpu[0];
    assert_int_equal(cpu->rip, 0x100000);
    assert_int_equal(cpu->ctl.gdtr.limit, 23);
    assert_int_equal(word_at(m, cpu->ctl.gdtr.base + 8 + 4) >> 8 & 0xFF, 0x9B);
    assert_true(cpu->gpr[RSP] > cpu->ctl.gdtr.base);
}

static void test_flat_long_maps_memory_one_to_one(void **state) {
    struct machine *m = *state;
    struct image im;
    make_flat(&im, HVSIM_MODE_LONG);
    im.req.has_entry = true, im.req.entry = 0x100010;
    assert_true(load(m, &im));
    struct cpu *cpu = m->cpu[0];
    assert_int_equal(cpu->rip, 0x100010);
    assert_true(cpu->ctl.efer & EFER_LMA);
    assert_true(cpu_is_64(cpu));
    uint32_t pdpt = word_at(m, cpu->ctl.cr3) & ~0xFFFu, pd = word_at(m, pdpt + 24) & ~0xFFFu;
    assert_int_equal(word_at(m, pd + 511 * 8), 0xFFE00083);
}

static void test_flat_malformed_requests_are_refused(void **state) {
    struct image im;
    make_flat(&im, HVSIM_MODE_REAL);
    im.req.has_load_address = true, im.req.load_address = 0x100000;
    assert_refused(*state, &im, "above 1 MiB");
    make_flat(&im, HVSIM_MODE_LONG);
    im.req.has_entry = true, im.req.entry = 0x200000;
    assert_refused(*state, &im, "outside the image");
    make_flat(&im, HVSIM_MODE_LONG);
    im.req.has_load_address = true, im.req.load_address = ~0ull - 10;
    assert_refused(*state, &im, "RAM is");
    const char *const modules[] = {"x"};
    make_flat(&im, HVSIM_MODE_LONG);
    im.req.modules = modules, im.req.module_count = 1;
    assert_refused(*state, &im, "multiboot");
}

/* ---- any image ---- */

/* Words of the headers replaced by random or extreme ones: each image loads or is refused with a message. */
static void test_image_with_random_headers_never_crashes(void **state) {
    static void (*const make[])(struct image *) = {make_elf32, make_elf64, make_aout, make_mb2};
    static const uint32_t extreme[] = {0, 1, 0xFFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFF};
    uint32_t seed = 1;
    for (unsigned n = 0; n < 2000; n++) {
        struct image im;
        make[n % 4](&im);
        for (unsigned k = 0; k <= n % 3; k++) {
            uint32_t where = random_next(&seed) >> 8, what = random_next(&seed) >> 4;
            uint32_t at = where % 4 ? where / 4 % 0x80 : MB1_AT + where / 4 % 0x40;
            put32(im.data + at, what % 2 ? extreme[what / 2 % 8] : random_next(&seed));
        }
        uint8_t *p = im.data + MB2_AT; /* keep the checksum right, so that what follows is read */
        if (n % 4 == 3) put32(p + 12, 0u - get32(p) - get32(p + 4) - get32(p + 8));
        im.err[0] = '\0';
        if (!load(*state, &im)) assert_string_not_equal(im.err, "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_multiboot1_entry_state_is_the_specified_one),
        TEST(test_multiboot1_information_describes_memory),
        TEST(test_multiboot1_bios_data_area_names_the_serial_ports),
        TEST(test_multiboot1_command_line_begins_with_the_image),
        TEST(test_multiboot1_modules_are_page_aligned_with_their_text),
        TEST(test_multiboot1_elf64_starts_at_its_physical_entry),
        TEST(test_multiboot1_address_fields_place_the_file),
        TEST(test_image_missing_is_refused),
        TEST(test_image_empty_is_refused),
        TEST(test_image_without_header_is_refused),
        TEST(test_multiboot1_wrong_checksum_is_no_header),
        TEST(test_multiboot1_unknown_required_flag_is_refused),
        TEST(test_multiboot1_neither_elf_nor_addresses_is_refused),
        TEST(test_elf_malformed_is_refused),
        TEST(test_elf_overlapping_segments_are_refused),
        TEST(test_elf_truncated_anywhere_is_refused),
        TEST(test_multiboot1_bad_address_fields_are_refused),
        TEST(test_module_that_does_not_fit_is_refused),
        TEST(test_module_missing_is_refused),
        TEST(test_multiboot2_tags_are_there),
        TEST(test_multiboot2_entry_tag_overrides),
        TEST(test_multiboot2_relocatable_image_moves_into_memory),
        TEST(test_multiboot2_relocatable_range_upside_down_is_refused),
        TEST(test_multiboot2_malformed_is_refused),
        TEST(test_multiboot2_unknown_request_is_refused),
        TEST(test_flat_real_starts_at_7c00),
        TEST(test_flat_real_entry_above_64k_uses_a_segment),
        TEST(test_flat_protected_has_gdt_and_stack),
        TEST(test_flat_long_maps_memory_one_to_one),
        TEST(test_flat_malformed_requests_are_refused),
        TEST(test_image_with_random_headers_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
