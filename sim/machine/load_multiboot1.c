/* Multiboot images, version 1. Source: Multiboot Specification 0.6.96, "The layout of Multiboot header", "Boot
 * information format". */
#include <stdlib.h>
#include <string.h>

#include "sim/machine/load.h"

typedef unsigned long long ull;

#define HEADER_MAGIC   0x1BADB002u
#define LOADER_MAGIC   0x2BADB002u
#define SEARCH_SIZE    8192
#define FLAG_ADDRESSES (1u << 16)
#define FLAGS_KNOWN    0x7u /* of the required ones, bits 0-15: page alignment, memory information, video mode */

#define INFO_MEMORY  (1u << 0)
#define INFO_CMDLINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MMAP    (1u << 6)
#define INFO_LOADER  (1u << 9)
#define INFO_SCREEN  (1u << 12)

#define FLAG_VIDEO (1u << 2)
#define VIDEO_AT   32 /* in the header: mode_type, width, height, depth */

struct address_fields {
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

struct info { /* "Boot information format", up to the last field in use */
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr, config_table, boot_loader_name, apm_table, vbe[4];
    uint64_t framebuffer_addr;
    uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
    uint8_t framebuffer_bpp, framebuffer_type, color_info[6];
} __attribute__((packed));
_Static_assert(sizeof(struct info) == 116, "the specification's layout");

struct info_module {
    uint32_t start, end, string, reserved;
};
struct info_mmap {
    uint32_t size;
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

bool multiboot1_find(const struct file *f, uint32_t *offset) {
    for (uint32_t at = 0; at + 12 <= f->size && at + 12 <= SEARCH_SIZE; at += 4) {
        const uint8_t *p = f->data + at;
        if (get32(p) != HEADER_MAGIC || get32(p) + get32(p + 4) + get32(p + 8) != 0) continue;
        *offset = at;
        return true;
    }
    return false;
}

/* "The address fields of Multiboot header": an image of any format, loaded as one piece */
static bool load_by_addresses(struct loader *l, uint32_t at, uint64_t *entry) {
    const struct file *f = &l->image;
    struct address_fields a;
    if (f->size - at < 12 + sizeof a)
        return load_fail(
            l, f->path, "multiboot header at offset %x: flag 16 promises address fields, the file ends after %zu bytes",
            at, f->size);
    memcpy(&a, f->data + at + 12, sizeof a);
    if (a.load_addr > a.header_addr || a.header_addr - a.load_addr > at)
        return load_fail(
            l, f->path,
            "multiboot header: load_addr %x must be at most header_addr %x, and not further below it than the header's "
            "file offset %x",
            a.load_addr, a.header_addr, at);
    uint64_t start = at - (a.header_addr - a.load_addr), size = f->size - start;
    if (a.load_end_addr) {
        if (a.load_end_addr < a.load_addr || a.load_end_addr - a.load_addr > size)
            return load_fail(
                l, f->path,
                "multiboot header: load_end_addr %x must lie between load_addr %x and the end of the file's data, %llx",
                a.load_end_addr, a.load_addr, (ull)a.load_addr + (ull)size);
        size = a.load_end_addr - a.load_addr;
    }
    uint64_t memory = size;
    if (a.bss_end_addr) {
        if (a.bss_end_addr < a.load_addr + size)
            return load_fail(l, f->path, "multiboot header: bss_end_addr %x lies before the end of the data, %llx",
                             a.bss_end_addr, (ull)a.load_addr + (ull)size);
        memory = a.bss_end_addr - a.load_addr;
    }
    if (a.entry_addr < a.load_addr || a.entry_addr >= a.load_addr + memory)
        return load_fail(l, f->path, "multiboot header: entry_addr %x is outside the image [%x, %llx)", a.entry_addr,
                         a.load_addr, (ull)a.load_addr + (ull)memory);
    *entry = a.entry_addr;
    return load_place(l, f->path, "the image", a.load_addr, memory, f->data + start, size);
}

static bool load_image(struct loader *l, uint32_t at, uint64_t *entry) {
    const struct file *f = &l->image;
    uint32_t flags = get32(f->data + at + 4);
    if (flags & 0xFFFF & ~FLAGS_KNOWN)
        return load_fail(l, f->path,
                         "multiboot header at offset %x: flags %08x require features that are not known (%04x); "
                         "expected only bits 0-2",
                         at, flags, flags & 0xFFFF & ~FLAGS_KNOWN);
    if (flags & FLAG_ADDRESSES) return load_by_addresses(l, at, entry);
    if (!elf_is(f))
        return load_fail(l, f->path,
                         "multiboot header at offset %x: without address fields (flag 16) the file must be ELF, found "
                         "bytes %02x %02x %02x %02x",
                         at, f->data[0], f->data[1], f->data[2], f->data[3]);
    return elf_load(l, f, 0, entry);
}

/* The information structure and everything it points to, in one piece of memory. */
struct writer {
    uint8_t *buf;
    uint32_t base, used;
};
static uint32_t put(struct writer *w, const void *data, size_t size) {
    uint32_t at = w->used;
    memcpy(w->buf + at, data, size);
    w->used = (uint32_t)(at + size + 7) & ~7u;
    return w->base + at;
}
static uint32_t put_string(struct writer *w, const char *s) { return put(w, s, strlen(s) + 1); }

static size_t info_size(const struct modules *ms, const char *cmdline) {
    size_t size = sizeof(struct info) + strlen(cmdline) + 64 + MEMORY_AREAS * (sizeof(struct info_mmap) + 8);
    for (unsigned i = 0; i < ms->count; i++) size += sizeof(struct info_module) + strlen(ms->m[i].text) + 24;
    return size + 64;
}

static void put_modules(struct writer *w, struct info *info, const struct modules *ms) {
    struct info_module list[MAX_MODULES];
    for (unsigned i = 0; i < ms->count; i++)
        list[i] =
            (struct info_module){(uint32_t)ms->m[i].start, (uint32_t)ms->m[i].end, put_string(w, ms->m[i].text), 0};
    info->mods_count = ms->count;
    info->mods_addr = put(w, list, ms->count * sizeof list[0]);
}

static void put_memory(struct writer *w, struct info *info, const struct machine *m) {
    struct memory_area area[MEMORY_AREAS];
    struct info_mmap map[MEMORY_AREAS];
    unsigned n = memory_areas(m, area);
    for (unsigned i = 0; i < n; i++)
        map[i] = (struct info_mmap){sizeof map[i] - 4, area[i].base, area[i].size, area[i].type};
    info->mmap_length = (uint32_t)(n * sizeof map[0]);
    info->mmap_addr = put(w, map, info->mmap_length);
    info->mem_lower = CONVENTIONAL_END >> 10;
    info->mem_upper = (uint32_t)((m->low_size - 0x100000) >> 10);
}

/* "The graphics fields of Multiboot header" are a wish. */
static void put_screen(struct info *info, const struct loader *l, uint32_t header) {
    const struct file *f = &l->image;
    if (!(get32(f->data + header + 4) & FLAG_VIDEO) || f->size - header < VIDEO_AT + 16) return;
    const uint8_t *p = f->data + header + VIDEO_AT;
    struct video v =
        load_video(l->m, &(struct video_request){get32(p) == 1, get32(p + 4), get32(p + 8), get32(p + 12)});
    if (v.type == VIDEO_NONE) return;
    info->flags |= INFO_SCREEN;
    info->framebuffer_addr = v.address;
    info->framebuffer_pitch = v.pitch;
    info->framebuffer_width = v.width;
    info->framebuffer_height = v.height;
    info->framebuffer_bpp = v.bpp;
    info->framebuffer_type = v.type;
    memcpy(info->color_info, v.fields, sizeof v.fields);
}

static bool write_info(struct loader *l, uint32_t header, const struct modules *ms, const char *cmdline,
                       uint32_t *where) {
    size_t size = info_size(ms, cmdline);
    uint64_t base;
    if (!load_find(l, l->req->path, "the boot information", size, 16, 0x1000, l->m->low_size, &base)) return false;
    struct writer w = {.buf = calloc(1, size), .base = (uint32_t)base, .used = (sizeof(struct info) + 7) & ~7u};
    if (!w.buf) return load_fail(l, l->req->path, "out of memory");
    struct info info = {.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER};
    put_memory(&w, &info, l->m);
    put_screen(&info, l, header);
    put_modules(&w, &info, ms);
    info.cmdline = put_string(&w, cmdline);
    info.boot_loader_name = put_string(&w, "hvsim");
    memcpy(w.buf, &info, sizeof info);
    bool ok = load_place(l, l->req->path, "the boot information", base, size, w.buf, w.used);
    free(w.buf);
    *where = (uint32_t)base;
    return ok;
}

bool multiboot1_load(struct loader *l, uint32_t offset) {
    uint64_t entry;
    uint32_t info = 0;
    struct modules ms = {.count = 0};
    if (!load_image(l, offset, &entry)) return false;
    if (entry >> 32)
        return load_fail(l, l->req->path,
                         "its entry point %llx is above 4 GiB; a multiboot image starts in 32-bit mode", (ull)entry);
    char *cmdline = boot_command_line(l);
    bool ok = cmdline && modules_load(l, &ms) && write_info(l, offset, &ms, cmdline, &info);
    free(cmdline);
    modules_free(&ms);
    if (!ok) return false;
    struct cpu *cpu = l->m->cpu[0];
    boot_protected(cpu, (uint32_t)entry);
    cpu->gpr[RAX] = LOADER_MAGIC;
    cpu->gpr[RBX] = info;
    return true;
}
