/* Multiboot images, version 2. Source: Multiboot2 Specification 2.0, "The layout of Multiboot2 header", "Boot
 * information format". */
#include <stdlib.h>
#include <string.h>

#include "sim/machine/load.h"

typedef unsigned long long ull;

#define HEADER_MAGIC 0xE85250D6u
#define LOADER_MAGIC 0x36D76289u
#define ARCH_I386    0
#define SEARCH_SIZE  32768
#define TAG_OPTIONAL 1 /* flags of a header tag: the loader may ignore it */

enum header_tag {
    HTAG_END,
    HTAG_REQUEST,
    HTAG_ADDRESS,
    HTAG_ENTRY,
    HTAG_CONSOLE,
    HTAG_FRAMEBUFFER,
    HTAG_ALIGN,
    HTAG_RELOCATABLE = 10
};
enum info_tag {
    ITAG_END,
    ITAG_CMDLINE,
    ITAG_LOADER,
    ITAG_MODULE,
    ITAG_MEMORY,
    ITAG_MMAP = 6,
    ITAG_FRAMEBUFFER = 8,
    ITAG_LOAD_BASE = 21
};

struct header {
    uint32_t at, size;
    bool has_address, has_entry, relocatable, has_framebuffer;
    struct video_request screen;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
    uint32_t min_addr, max_addr, align, preference;
};

bool multiboot2_find(const struct file *f, uint32_t *offset) {
    for (uint32_t at = 0; at + 16 <= f->size && at + 16 <= SEARCH_SIZE; at += 8) {
        const uint8_t *p = f->data + at;
        if (get32(p) != HEADER_MAGIC || get32(p) + get32(p + 4) + get32(p + 8) + get32(p + 12) != 0) continue;
        *offset = at;
        return true;
    }
    return false;
}

static bool check_request(struct loader *l, const uint8_t *tag, uint32_t size, bool optional) {
    for (uint32_t at = 8; at + 4 <= size && !optional; at += 4) {
        uint32_t want = get32(tag + at);
        if (want == ITAG_FRAMEBUFFER && l->m->vga) continue;
        if (want > ITAG_MMAP || want == 5)
            return load_fail(
                l, l->req->path,
                "multiboot2 header: it requires boot information of type %u; types 1, 2, 3, 4 and 6 exist here", want);
    }
    return true;
}

/* One tag of the header; `size` bytes of it lie in the file. */
static bool read_tag(struct loader *l, struct header *h, const uint8_t *tag, uint32_t size) {
    unsigned type = tag[0] | tag[1] << 8;
    bool optional = tag[2] & TAG_OPTIONAL;
    static const uint8_t least[] = {
        [HTAG_ADDRESS] = 24, [HTAG_ENTRY] = 12, [HTAG_FRAMEBUFFER] = 20, [HTAG_RELOCATABLE] = 24};
    if (type < sizeof least && size < least[type])
        return load_fail(l, l->req->path, "multiboot2 header: tag %u has %u bytes, expected %u", type, size,
                         least[type]);
    switch (type) {
    case HTAG_REQUEST:
        return check_request(l, tag, size, optional);
    case HTAG_ADDRESS:
        h->has_address = true;
        h->header_addr = get32(tag + 8), h->load_addr = get32(tag + 12);
        h->load_end_addr = get32(tag + 16), h->bss_end_addr = get32(tag + 20);
        return true;
    case HTAG_ENTRY:
        h->has_entry = true;
        h->entry_addr = get32(tag + 8);
        return true;
    case HTAG_RELOCATABLE:
        h->relocatable = true;
        h->min_addr = get32(tag + 8), h->max_addr = get32(tag + 12), h->align = get32(tag + 16),
        h->preference = get32(tag + 20);
        return true;
    case HTAG_FRAMEBUFFER:
        if (!l->m->vga && !optional)
            return load_fail(l, l->req->path,
                             "multiboot2 header: the image needs a screen, and there is no video card");
        h->has_framebuffer = l->m->vga != NULL;
        h->screen = (struct video_request){.width = get32(tag + 8), .height = get32(tag + 12), .bpp = get32(tag + 16)};
        return true;
    case HTAG_CONSOLE:
    case HTAG_ALIGN:
        return true; /* modules are always page-aligned */
    default:
        if (optional) return true;
        return load_fail(l, l->req->path, "multiboot2 header: tag %u is required by the image and not provided here",
                         type);
    }
}

static bool read_header(struct loader *l, struct header *h) {
    const struct file *f = &l->image;
    const uint8_t *p = f->data + h->at;
    h->size = get32(p + 8);
    if (get32(p + 4) != ARCH_I386)
        return load_fail(l, f->path, "multiboot2 header at offset %x: expected architecture 0 (i386), found %u", h->at,
                         get32(p + 4));
    if (h->size < 24 || h->size > f->size - h->at)
        return load_fail(l, f->path, "multiboot2 header at offset %x: its length %u does not fit the file of %zu bytes",
                         h->at, h->size, f->size);
    for (uint32_t at = 16; at + 8 <= h->size;) {
        uint32_t size = get32(p + at + 4);
        if (size < 8 || size > h->size - at)
            return load_fail(l, f->path, "multiboot2 header: the tag at offset %x has size %u, beyond the header's end",
                             h->at + at, size);
        if ((p[at] | p[at + 1] << 8) == HTAG_END) return true;
        if (!read_tag(l, h, p + at, size)) return false;
        at += (size + 7) & ~7u;
    }
    return load_fail(l, f->path, "multiboot2 header at offset %x: its tags do not end with an end tag (type 0)", h->at);
}

static bool load_by_addresses(struct loader *l, const struct header *h, uint64_t *entry) {
    const struct file *f = &l->image;
    uint64_t start = 0;
    if (!h->has_entry) return load_fail(l, f->path, "multiboot2 header: an address tag needs an entry tag beside it");
    if (h->load_addr != 0xFFFFFFFF) { /* else: from the beginning of the file */
        if (h->load_addr > h->header_addr || h->header_addr - h->load_addr > h->at)
            return load_fail(
                l, f->path,
                "multiboot2 header: load_addr %x must be at most header_addr %x, and not further below it than the "
                "header's file offset %x",
                h->load_addr, h->header_addr, h->at);
        start = h->at - (h->header_addr - h->load_addr);
    }
    uint64_t base = h->load_addr != 0xFFFFFFFF ? h->load_addr : (uint64_t)h->header_addr - h->at,
             size = f->size - start;
    if (h->load_end_addr) {
        if (h->load_end_addr < base || h->load_end_addr - base > size)
            return load_fail(
                l, f->path,
                "multiboot2 header: load_end_addr %x must lie between the load address %llx and the end of the "
                "file's data, %llx",
                h->load_end_addr, (ull)base, (ull)(base + size));
        size = h->load_end_addr - base;
    }
    uint64_t memory = size;
    if (h->bss_end_addr) {
        if (h->bss_end_addr < base + size)
            return load_fail(l, f->path, "multiboot2 header: bss_end_addr %x lies before the end of the data, %llx",
                             h->bss_end_addr, (ull)(base + size));
        memory = h->bss_end_addr - base;
    }
    *entry = h->entry_addr;
    return load_place(l, f->path, "the image", base, memory, f->data + start, size);
}

/* "Relocatable header tag": the image may be moved when it does not fit where it is linked. */
static bool choose_offset(struct loader *l, const struct header *h, int64_t *offset) {
    struct extent e;
    uint64_t to, align = h->align ? h->align : 1;
    *offset = 0;
    if (!h->relocatable) return true;
    if (!elf_extent(l, &l->image, &e)) return false;
    if (align & (align - 1))
        return load_fail(l, l->req->path, "multiboot2 header: the relocatable tag's alignment %x is not a power of two",
                         h->align);
    if (h->max_addr && h->max_addr < h->min_addr)
        return load_fail(l, l->req->path,
                         "multiboot2 header: the relocatable tag's highest address %x is below its lowest, %x",
                         h->max_addr, h->min_addr);
    if (e.end <= l->m->low_size) return true;
    uint64_t max = h->max_addr ? (uint64_t)h->max_addr + 1 : l->m->low_size;
    if (!load_find(l, l->req->path, "the relocatable image", e.end - e.start, align, h->min_addr, max, &to))
        return false;
    *offset = (int64_t)(to - e.start);
    return true;
}

/* ---- boot information ---- */

struct writer {
    uint8_t *buf;
    size_t used;
};

static void put_tag(struct writer *w, uint32_t type, const void *head, size_t head_size, const void *data,
                    size_t data_size) {
    uint32_t tag[2] = {type, (uint32_t)(8 + head_size + data_size)};
    uint8_t *p = w->buf + w->used;
    memcpy(p, tag, 8);
    if (head_size) memcpy(p + 8, head, head_size);
    if (data_size) memcpy(p + 8 + head_size, data, data_size);
    w->used = (w->used + tag[1] + 7) & ~(size_t)7;
}

static void put_memory(struct writer *w, const struct machine *m) {
    struct memory_area area[MEMORY_AREAS];
    struct {
        uint64_t base, length;
        uint32_t type, reserved;
    } map[MEMORY_AREAS];
    const uint32_t basic[2] = {CONVENTIONAL_END >> 10, (uint32_t)((m->low_size - 0x100000) >> 10)};
    unsigned n = memory_areas(m, area);
    const uint32_t entry[2] = {sizeof map[0], 0};
    for (unsigned i = 0; i < n; i++) {
        map[i].base = area[i].base, map[i].length = area[i].size;
        map[i].type = area[i].type, map[i].reserved = 0;
    }
    put_tag(w, ITAG_MEMORY, basic, sizeof basic, NULL, 0);
    put_tag(w, ITAG_MMAP, entry, sizeof entry, map, n * sizeof map[0]);
}

/* "Framebuffer info" */
static void put_screen(struct writer *w, const struct video *v) {
    struct {
        uint64_t address;
        uint32_t pitch, width, height;
        uint8_t bpp, type;
        uint16_t reserved;
    } head = {v->address, v->pitch, v->width, v->height, v->bpp, v->type, 0};
    put_tag(w, ITAG_FRAMEBUFFER, &head, sizeof head, v->fields, v->type == VIDEO_RGB ? sizeof v->fields : 0);
}

static void put_all(struct writer *w, const struct loader *l, const struct header *h, const struct modules *ms,
                    const char *cmdline, const uint32_t *load_base) {
    w->used = 8;
    put_tag(w, ITAG_CMDLINE, NULL, 0, cmdline, strlen(cmdline) + 1);
    put_tag(w, ITAG_LOADER, NULL, 0, "hvsim", 6);
    for (unsigned i = 0; i < ms->count; i++) {
        const uint32_t at[2] = {(uint32_t)ms->m[i].start, (uint32_t)ms->m[i].end};
        put_tag(w, ITAG_MODULE, at, sizeof at, ms->m[i].text, strlen(ms->m[i].text) + 1);
    }
    put_memory(w, l->m);
    if (h->has_framebuffer) {
        const struct video v = load_video(l->m, &h->screen);
        put_screen(w, &v);
    }
    if (load_base) put_tag(w, ITAG_LOAD_BASE, load_base, 4, NULL, 0);
    put_tag(w, ITAG_END, NULL, 0, NULL, 0);
    const uint32_t total[2] = {(uint32_t)w->used, 0};
    memcpy(w->buf, total, sizeof total);
}

static bool write_info(struct loader *l, const struct header *h, const struct modules *ms, const char *cmdline,
                       uint64_t *where, const uint32_t *load_base) {
    size_t size = 512 + strlen(cmdline);
    for (unsigned i = 0; i < ms->count; i++) size += 32 + strlen(ms->m[i].text);
    if (!load_find(l, l->req->path, "the boot information", size, 16, 0x1000, l->m->low_size, where)) return false;
    struct writer w = {.buf = calloc(1, size)};
    if (!w.buf) return load_fail(l, l->req->path, "out of memory");
    put_all(&w, l, h, ms, cmdline, load_base);
    bool ok = load_place(l, l->req->path, "the boot information", *where, size, w.buf, w.used);
    free(w.buf);
    return ok;
}

static bool load_image(struct loader *l, const struct header *h, uint64_t *entry, uint32_t *load_base) {
    int64_t offset = 0;
    struct extent e = {0, 0};
    if (h->has_address) return load_by_addresses(l, h, entry);
    if (!elf_is(&l->image))
        return load_fail(l, l->req->path, "multiboot2 header at offset %x: without an address tag the file must be ELF",
                         h->at);
    if (!choose_offset(l, h, &offset) || !elf_load(l, &l->image, offset, entry) || !elf_extent(l, &l->image, &e))
        return false;
    *load_base = (uint32_t)(e.start + (uint64_t)offset);
    if (h->has_entry) *entry = h->entry_addr + (uint64_t)offset;
    return true;
}

bool multiboot2_load(struct loader *l, uint32_t offset) {
    struct header h = {.at = offset};
    struct modules ms = {.count = 0};
    uint64_t entry, info = 0;
    uint32_t load_base = 0;
    if (!read_header(l, &h) || !load_image(l, &h, &entry, &load_base)) return false;
    if (entry >= l->m->low_size)
        return load_fail(l, l->req->path,
                         "its entry point %llx is not in memory below 4 GiB; a multiboot2 image starts in 32-bit mode",
                         (ull)entry);
    char *cmdline = boot_command_line(l);
    bool ok =
        cmdline && modules_load(l, &ms) && write_info(l, &h, &ms, cmdline, &info, h.relocatable ? &load_base : NULL);
    free(cmdline);
    modules_free(&ms);
    if (!ok) return false;
    struct cpu *cpu = l->m->cpu[0];
    boot_protected(cpu, (uint32_t)entry);
    cpu->gpr[RAX] = LOADER_MAGIC;
    cpu->gpr[RBX] = info;
    return true;
}
