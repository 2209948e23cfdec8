/* Linux kernel images (bzImage). Source: "The Linux/x86 Boot Protocol" of the kernel's documentation, "The Real-Mode
 * Kernel Header", "Details of Header Fields", "32-bit Boot Protocol", "64-bit Boot Protocol"; "Zero Page" for
 * boot_params. The kernel's real-mode part is not run: all that it would ask the firmware for is in boot_params. */
#include <stdlib.h>
#include <string.h>

#include "sim/core/system.h"
#include "sim/machine/bytes.h"
#include "sim/machine/load.h"

typedef unsigned long long ull;

#define SECTOR           512u
#define HEADER_AT        0x1F1u /* the setup header begins here, in the file and in boot_params */
#define HEADER_MAX       0x290u /* boot_params keeps other things from here on */
#define HEADER_LEAST     0x264u /* the end of the fields of protocol 2.12 */
#define BOOT_FLAG        0xAA55u
#define MAGIC            0x53726448u /* "HdrS" */
#define PROTOCOL_LEAST   0x200u
#define LOADED_HIGH      (1u << 0) /* loadflags */
#define XLF_KERNEL_64    (1u << 0) /* xloadflags */
#define ENTRY_64         0x200u    /* from the start of the protected-mode code */
#define LOADER_UNDEFINED 0xFFu     /* type_of_loader: no assigned number */
#define DEFAULT_SECTS    4u
#define CMDLINE_LEAST    255u
#define INITRD_MAX_LEAST 0x37FFFFFFu
#define BOOT_PARAMS_SIZE PAGE_SIZE
#define BOOT_CS          0x10u /* and __BOOT_DS is 18H */
#define E820_SIZE        20u
#define INITRD_ALIGN     PAGE_SIZE
#define CPIO_ALIGN       4u /* "Early userspace support": archives that follow each other are aligned so */

enum {                        /* the fields of boot_params in use: offset */
       BP_VIDEO_MODE = 0x006, /* "struct screen_info", which boot_params begins with */
       BP_VIDEO_COLS = 0x007,
       BP_VIDEO_EGA_BX = 0x00A,
       BP_VIDEO_LINES = 0x00E,
       BP_VIDEO_IS_VGA = 0x00F,
       BP_VIDEO_POINTS = 0x010,
       BP_ACPI_RSDP = 0x070,
       BP_E820_ENTRIES = 0x1E8,
       BP_E820_TABLE = 0x2D0,
       BP_TYPE_OF_LOADER = 0x210,
       BP_CODE32_START = 0x214,
       BP_RAMDISK_IMAGE = 0x218,
       BP_RAMDISK_SIZE = 0x21C,
       BP_CMD_LINE_PTR = 0x228,
};

/* The setup header, as far as it is used; fields that a protocol doesn't have yet are given their documented default.
 */
struct setup {
    unsigned version, sects;
    uint32_t code32_start, alignment, cmdline_size, init_size;
    uint64_t initrd_max, pref_address;
    unsigned min_alignment;
    bool relocatable, entry64;
    uint64_t code_at, code_size; /* of the protected-mode code in the file */
};

bool linux_find(const struct file *f, uint32_t *at) {
    *at = HEADER_AT;
    return f->size >= 0x206 && get16(f->data + 0x1FE) == BOOT_FLAG && get32(f->data + 0x202) == MAGIC;
}

/* The file may be cut off inside the header, or after it: the real-mode part holds the header whole. */
static bool check_size(struct loader *l, const struct file *f, struct setup *s) {
    s->sects = f->data[0x1F1] ? f->data[0x1F1] : DEFAULT_SECTS;
    s->code_at = (uint64_t)(s->sects + 1) * SECTOR;
    uint64_t paragraphs = s->version >= 0x204 ? get32(f->data + 0x1F4) : get16(f->data + 0x1F4);
    if (f->size <= s->code_at)
        return load_fail(l, f->path,
                         "Linux setup header: %u setup sectors end after %llu bytes, the file has %zu; it is cut off",
                         s->sects, (ull)s->code_at, f->size);
    s->code_size = f->size - s->code_at;
    if (paragraphs * 16 > s->code_size + 15)
        return load_fail(
            l, f->path,
            "Linux setup header: syssize promises %llu bytes after the first %llu, the file has %zu; it is cut off",
            (ull)paragraphs * 16, (ull)s->code_at, f->size);
    if (paragraphs && paragraphs * 16 < s->code_size) s->code_size = paragraphs * 16; /* a signature follows */
    if (s->entry64 && s->code_size <= ENTRY_64)
        return load_fail(
            l, f->path,
            "Linux setup header: a 64-bit entry point after %u bytes, but only %llu bytes of code; it is cut off",
            ENTRY_64, (ull)s->code_size);
    return true;
}

static bool read_setup(struct loader *l, struct setup *s) {
    const struct file *f = &l->image;
    const uint8_t *p = f->data;
    if (f->size < HEADER_LEAST)
        return load_fail(l, f->path, "Linux setup header: expected %u bytes, the file has %zu; it is cut off",
                         HEADER_LEAST, f->size);
    unsigned v = get16(p + 0x206);
    if (v < PROTOCOL_LEAST || !(p[0x211] & LOADED_HIGH))
        return load_fail(l, f->path,
                         "Linux setup header: expected protocol 2.00 or later and a kernel for 1 MiB (loadflags bit "
                         "0), found %u.%02u, loadflags %02x; build a bzImage",
                         v >> 8, v & 0xFF, p[0x211]);
    *s = (struct setup){.version = v,
                        .code32_start = get32(p + 0x214),
                        .initrd_max = v >= 0x203 ? get32(p + 0x22C) : INITRD_MAX_LEAST,
                        .relocatable = v >= 0x205 && p[0x234],
                        .alignment = v >= 0x205 ? get32(p + 0x230) : 0,
                        .min_alignment = v >= 0x20A ? p[0x235] : 0,
                        .cmdline_size = v >= 0x206 ? get32(p + 0x238) : CMDLINE_LEAST,
                        .pref_address = v >= 0x20A ? get64(p + 0x258) : 0x100000,
                        .init_size = v >= 0x20A ? get32(p + 0x260) : 0,
                        .entry64 = v >= 0x20C && (get16(p + 0x236) & XLF_KERNEL_64)};
    if (s->entry64 && !model_has(l->m->model, FEAT_LM)) s->entry64 = false; /* its 32-bit entry says what it misses */
    if (s->relocatable && (!s->alignment || (s->alignment & (s->alignment - 1))))
        return load_fail(l, f->path, "Linux setup header: kernel_alignment %x is not a power of two", s->alignment);
    return check_size(l, f, s);
}

/* ---- where things go ---- */

/* At its preferred address; a relocatable kernel elsewhere when that is not free. What it needs until it knows of the
 * memory map is claimed: init_size from there on. */
static bool place_kernel(struct loader *l, const struct setup *s, uint64_t *at) {
    const struct file *f = &l->image;
    uint64_t size = s->init_size > s->code_size ? s->init_size : s->code_size;
    *at = s->relocatable ? s->pref_address : 0x100000;
    if (s->relocatable && (*at % s->alignment || *at + size < *at || *at + size > l->m->low_size)) {
        uint64_t align = s->alignment;
        if (s->min_alignment >= 12 && s->min_alignment < 32 && align > 1ull << s->min_alignment)
            align = 1ull << s->min_alignment;
        if (!load_find(l, f->path, "the kernel", size, align, 0x100000, l->m->low_size, at)) return false;
    }
    return load_place(l, f->path, "the kernel", *at, size, f->data + s->code_at, s->code_size);
}

/* The archives of all --initrd options, one behind the other. */
static bool read_initrd(struct loader *l, uint8_t **data, size_t *size) {
    *data = NULL;
    *size = 0;
    for (unsigned i = 0; i < l->req->module_count; i++) {
        struct file f;
        const char *name = l->req->modules[i];
        if (!file_read(l, name, strlen(name), &f)) return false;
        size_t at = (*size + CPIO_ALIGN - 1) & ~(size_t)(CPIO_ALIGN - 1);
        uint8_t *grown = realloc(*data, at + f.size);
        if (grown) {
            memset(grown + *size, 0, at - *size);
            memcpy(grown + at, f.data, f.size);
            *data = grown;
            *size = at + f.size;
        }
        file_free(&f);
        if (!grown) return load_fail(l, name, "out of memory");
    }
    return true;
}

static bool place_initrd(struct loader *l, uint64_t max, uint64_t *at, uint64_t *size) {
    uint8_t *data;
    size_t bytes;
    bool ok = read_initrd(l, &data, &bytes);
    if (ok && bytes) {
        const char *name = l->req->modules[0];
        uint64_t end = max + 1 < l->m->low_size ? max + 1 : l->m->low_size;
        ok = load_find_high(l, name, "the initial RAM disk", bytes, INITRD_ALIGN, 0x100000, end, at) &&
             load_place(l, name, "the initial RAM disk", *at, bytes, data, bytes);
    }
    *size = bytes;
    free(data);
    return ok;
}

/* ---- boot_params ---- */

struct placed {
    uint64_t params, kernel, initrd, initrd_size, cmdline;
};

/* Text mode 3, as the kernel's real-mode part would have found it through the BIOS */
static void tell_screen(uint8_t *bp) {
    bp[BP_VIDEO_MODE] = 3;
    bp[BP_VIDEO_COLS] = 80;
    bp[BP_VIDEO_LINES] = 25;
    bp[BP_VIDEO_IS_VGA] = 1;
    bp[BP_VIDEO_POINTS] = 16;
    bp[BP_VIDEO_EGA_BX] = 3; /* colour, 256 KiB */
}

static void fill_params(const struct loader *l, const struct placed *w, uint8_t *bp) {
    /* "32-bit Boot Protocol": the setup header is copied whole; the jump over it says where it ends */
    const uint8_t *f = l->image.data;
    size_t end = 0x202 + f[0x201];
    if (end < HEADER_LEAST) end = HEADER_LEAST;
    if (end > HEADER_MAX) end = HEADER_MAX;
    if (end > l->image.size) end = l->image.size;
    memcpy(bp + HEADER_AT, f + HEADER_AT, end - HEADER_AT);
    bp[BP_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    put_le(bp + BP_CODE32_START, w->kernel, 4);
    put_le(bp + BP_RAMDISK_IMAGE, w->initrd, 4);
    put_le(bp + BP_RAMDISK_SIZE, w->initrd_size, 4);
    put_le(bp + BP_CMD_LINE_PTR, w->cmdline, 4);
    if (l->m->vga) tell_screen(bp);
    put_le(bp + BP_ACPI_RSDP, acpi_rsdp(l->m), 8);
    struct memory_area area[MEMORY_AREAS];
    unsigned n = memory_areas(l->m, area);
    bp[BP_E820_ENTRIES] = (uint8_t)n;
    for (unsigned i = 0; i < n; i++) {
        uint8_t *e = bp + BP_E820_TABLE + i * E820_SIZE;
        put_le(e, area[i].base, 8);
        put_le(e + 8, area[i].size, 8);
        put_le(e + 16, area[i].type, 4);
    }
}

static bool write_params(struct loader *l, const struct setup *s, struct placed *w) {
    const char *path = l->req->path, *cmdline = l->req->append ? l->req->append : "";
    uint64_t size = BOOT_PARAMS_SIZE + strlen(cmdline) + 1;
    uint8_t bp[BOOT_PARAMS_SIZE] = {0};
    if (strlen(cmdline) > s->cmdline_size)
        return load_fail(l, path, "the command line (--append) has %zu characters, this kernel takes at most %u",
                         strlen(cmdline), s->cmdline_size);
    if (!load_find(l, path, "the boot parameters", size, PAGE_SIZE, LOAD_LOWEST, l->m->low_size, &w->params))
        return false;
    w->cmdline = w->params + BOOT_PARAMS_SIZE;
    fill_params(l, w, bp);
    return load_place(l, path, "the boot parameters", w->params, size, bp, sizeof bp) &&
           machine_write(l->m, w->cmdline, cmdline, strlen(cmdline) + 1);
}

/* ---- entry ---- */

static bool enter(struct loader *l, const struct setup *s, const struct placed *w) {
    struct cpu *cpu = l->m->cpu[0];
    struct support area;
    if (!boot_support(l, s->entry64, BOOT_CS, &area)) return false;
    if (s->entry64)
        boot_long(cpu, w->kernel + ENTRY_64, &area);
    else
        boot_protected_support(cpu, (uint32_t)w->kernel, &area);
    cpu->gpr[RSI] = w->params;
    return true;
}

bool linux_load(struct loader *l, uint32_t at) {
    struct setup s = {0};
    struct placed w = {0};
    (void)at;
    return read_setup(l, &s) && place_kernel(l, &s, &w.kernel) &&
           place_initrd(l, s.initrd_max, &w.initrd, &w.initrd_size) && write_params(l, &s, &w) && enter(l, &s, &w);
}
