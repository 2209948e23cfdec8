/* ELF images with a PVH entry point: Linux's vmlinux, Xen, and guests made for Xen. Source: Xen's documentation,
 * "x86/HVM direct boot ABI"; the entry is named by the note XEN_ELFNOTE_PHYS32_ENTRY. */
#include <stdlib.h>
#include <string.h>

#include "sim/machine/load.h"

typedef unsigned long long ull;

#define NOTE_NAME         "Xen"
#define NOTE_PHYS32_ENTRY 18
#define START_MAGIC       0x336EC578u
#define START_VERSION     1
#define TSS_LIMIT         0x67

struct start_info { /* hvm_start_info */
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
    uint32_t memmap_entries, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "the document's layout");

struct modlist_entry {
    uint64_t paddr, size, cmdline_paddr, reserved;
};
struct memmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved;
};

/* An ELF file that nothing else recognized; whether it has the note shows when all of it is there. */
bool pvh_find(const struct file *f, uint32_t *at) {
    *at = 0;
    return elf_is(f);
}

static bool find_entry(struct loader *l, uint32_t *entry) {
    struct elf_note note;
    const struct file *f = &l->image;
    if (!elf_find_note(l, f, NOTE_NAME, NOTE_PHYS32_ENTRY, &note)) return false;
    if (!note.desc)
        return load_fail(l, f->path,
                         "an ELF file with no multiboot header in its first 8 KiB, no multiboot2 header in its first "
                         "32 KiB and no note of a PVH entry point (name Xen, type 18); a flat binary needs --mode, "
                         "--load-address or --entry");
    if (note.size != 4 && note.size != 8)
        return load_fail(l, f->path, "ELF note of the PVH entry point: expected 4 or 8 bytes, found %u", note.size);
    *entry = get32(note.desc);
    if (note.size == 8 && get32(note.desc + 4))
        return load_fail(l, f->path, "ELF note of the PVH entry point: %llx is above 4 GiB", (ull)get64(note.desc));
    return true;
}

static bool check_entry(struct loader *l, uint32_t entry) {
    struct extent e;
    if (!elf_extent(l, &l->image, &e)) return false;
    if (entry >= e.start && entry < e.end) return true;
    return load_fail(l, l->image.path, "ELF: its PVH entry point %x is outside all segments [%llx, %llx)", entry,
                     (ull)e.start, (ull)e.end);
}

/* The start information and all that it points to, in one piece of memory. */
struct writer {
    uint8_t *buf;
    uint64_t base;
    size_t used;
};

static uint64_t put(struct writer *w, const void *data, size_t size) {
    uint64_t at = w->used;
    memcpy(w->buf + at, data, size);
    w->used = (at + size + 7) & ~7ull;
    return w->base + at;
}

/* "FILE args": a module's command line is what follows the name. */
static const char *module_arguments(const struct module *m) {
    const char *space = strchr(m->text, ' ');
    return space ? space + 1 : "";
}

static void put_modules(struct writer *w, struct start_info *info, const struct modules *ms) {
    struct modlist_entry list[MAX_MODULES];
    for (unsigned i = 0; i < ms->count; i++) {
        const char *args = module_arguments(&ms->m[i]);
        list[i] = (struct modlist_entry){.paddr = ms->m[i].start, .size = ms->m[i].end - ms->m[i].start};
        if (*args) list[i].cmdline_paddr = put(w, args, strlen(args) + 1);
    }
    info->nr_modules = ms->count;
    if (ms->count) info->modlist_paddr = put(w, list, ms->count * sizeof list[0]);
}

static void put_memmap(struct writer *w, struct start_info *info, const struct machine *m) {
    struct memory_area area[MEMORY_AREAS];
    struct memmap_entry map[MEMORY_AREAS];
    info->memmap_entries = memory_areas(m, area);
    for (unsigned i = 0; i < info->memmap_entries; i++)
        map[i] = (struct memmap_entry){area[i].base, area[i].size, area[i].type, 0};
    info->memmap_paddr = put(w, map, info->memmap_entries * sizeof map[0]);
}

static bool write_info(struct loader *l, const struct modules *ms, uint64_t *where) {
    const char *cmdline = l->req->append ? l->req->append : "";
    size_t size = sizeof(struct start_info) + strlen(cmdline) + MEMORY_AREAS * sizeof(struct memmap_entry) + 64;
    for (unsigned i = 0; i < ms->count; i++) size += sizeof(struct modlist_entry) + strlen(ms->m[i].text) + 8;
    if (!load_find(l, l->req->path, "the start information", size, 16, LOAD_LOWEST, l->m->low_size, where))
        return false;
    struct writer w = {.buf = calloc(1, size), .base = *where, .used = sizeof(struct start_info)};
    if (!w.buf) return load_fail(l, l->req->path, "out of memory");
    struct start_info info = {.magic = START_MAGIC, .version = START_VERSION, .rsdp_paddr = acpi_rsdp(l->m)};
    info.cmdline_paddr = put(&w, cmdline, strlen(cmdline) + 1);
    put_modules(&w, &info, ms);
    put_memmap(&w, &info, l->m);
    memcpy(w.buf, &info, sizeof info);
    bool ok = load_place(l, l->req->path, "the start information", *where, size, w.buf, w.used);
    free(w.buf);
    return ok;
}

/* The document's entry state; a task register with a 32-bit TSS at 0 is part of it. */
static void enter(struct cpu *cpu, uint32_t entry, uint64_t info) {
    boot_protected(cpu, entry);
    cpu->seg[SEG_TR] = (struct seg){.limit = TSS_LIMIT, .ar = AR_P | DESC_TSS_BUSY};
    cpu->gpr[RBX] = info;
}

bool pvh_load(struct loader *l, uint32_t at) {
    uint32_t entry = 0;
    uint64_t elf_entry, info = 0;
    struct modules ms = {.count = 0};
    (void)at;
    if (!find_entry(l, &entry) || !check_entry(l, entry) || !elf_load(l, &l->image, 0, &elf_entry)) return false;
    bool ok = modules_load(l, &ms) && write_info(l, &ms, &info);
    modules_free(&ms);
    if (ok) enter(l->m->cpu[0], entry, info);
    return ok;
}
