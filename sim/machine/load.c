/* Loading an image: reads the file, recognizes the format, keeps track of which memory is taken. */
#include "sim/machine/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/dev/chipset.h"
#include "sim/machine/internal.h"

typedef unsigned long long ull;

bool load_fail(struct loader *l, const char *path, const char *fmt, ...) {
    int n = snprintf(l->err, l->err_size, "%s: ", path);
    if (n < 0 || (size_t)n >= l->err_size) return false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->err + n, l->err_size - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

/* At most `most` bytes of it. */
static bool read_stream(struct loader *l, struct file *f, FILE *in, size_t most) {
    struct stat st;
    if (fstat(fileno(in), &st) != 0 || !S_ISREG(st.st_mode))
        return load_fail(l, f->path, "expected a regular file, found a directory or device");
    if (st.st_size == 0) return load_fail(l, f->path, "the file is empty; expected an image");
    if ((uint64_t)st.st_size <= most) most = (size_t)st.st_size;
    if (most > l->m->ram_size)
        return load_fail(l, f->path,
                         "the file has %llu bytes, more than the machine's memory of %llu MiB; give more with --memory",
                         (ull)st.st_size, (ull)l->m->ram_size >> 20);
    f->size = most;
    f->data = malloc(f->size);
    if (!f->data || fread(f->data, 1, f->size, in) != f->size)
        return load_fail(l, f->path, "cannot read all of it: %s", f->data ? strerror(errno) : "out of memory");
    return true;
}

static bool read_file(struct loader *l, const char *path, size_t path_len, size_t most, struct file *f) {
    char *name = strndup(path, path_len);
    *f = (struct file){.path = name};
    if (!name) return load_fail(l, path, "out of memory");
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for a writer */
    FILE *in = fd >= 0 ? fdopen(fd, "rb") : NULL;
    bool ok = in ? read_stream(l, f, in, most) : load_fail(l, name, "cannot open it: %s", strerror(errno));
    if (in)
        fclose(in);
    else if (fd >= 0)
        close(fd);
    if (!ok) file_free(f);
    return ok;
}

bool file_read(struct loader *l, const char *path, size_t path_len, struct file *f) {
    return read_file(l, path, path_len, SIZE_MAX, f);
}

void file_free(struct file *f) {
    free(f->data);
    free((void *)(uintptr_t)f->path);
    *f = (struct file){0};
}

/* ---- memory ---- */

static bool is_ram(const struct machine *m, uint64_t start, uint64_t end) {
    if (end <= m->low_size) return true;
    return start >= HIGH_MEMORY && end - HIGH_MEMORY <= m->ram_size - m->low_size;
}

static const struct extent *overlap(const struct loader *l, uint64_t start, uint64_t end) {
    for (unsigned i = 0; i < l->used_count; i++)
        if (start < l->used[i].end && l->used[i].start < end) return &l->used[i];
    return NULL;
}

bool load_place(struct loader *l, const char *path, const char *what, uint64_t start, uint64_t size, const void *data,
                uint64_t data_size) {
    uint64_t end = start + size;
    if (!size) return true;
    if (end < start || !is_ram(l->m, start, end))
        return load_fail(
            l, path,
            "%s wants memory [%llx, %llx), but RAM is [0, %llx)%s; give more with --memory or link it elsewhere", what,
            (ull)start, (ull)end, (ull)l->m->low_size, l->m->ram_size > l->m->low_size ? " and from 4 GiB" : "");
    const struct extent *o = overlap(l, start, end);
    if (o)
        return load_fail(l, path,
                         "%s wants memory [%llx, %llx), but [%llx, %llx) is taken by another part of the image; "
                         "its segments must not overlap",
                         what, (ull)start, (ull)end, (ull)o->start, (ull)o->end);
    if (l->used_count == MAX_EXTENTS) return load_fail(l, path, "it has more than %d parts to load", MAX_EXTENTS);
    l->used[l->used_count++] = (struct extent){start, end};
    if (data_size && !machine_write(l->m, start, data, data_size))
        return load_fail(l, path,
                         "%s wants memory [%llx, %llx), but a device is there (the display adapter has [a0000, "
                         "c0000)); correct --load-address or link it elsewhere",
                         what, (ull)start, (ull)end);
    return true;
}

bool load_find(struct loader *l, const char *path, const char *what, uint64_t size, uint64_t align, uint64_t min,
               uint64_t max, uint64_t *addr) {
    uint64_t at = (min + align - 1) & ~(align - 1);
    for (;;) {
        if (at + size > max || at + size < at || !is_ram(l->m, at, at + size))
            return load_fail(l, path,
                             "no room for %s: %llu bytes between %llx and %llx; give more memory with --memory", what,
                             (ull)size, (ull)min, (ull)(max < l->m->low_size ? max : l->m->low_size));
        const struct extent *o = overlap(l, at, at + size);
        if (!o) break;
        at = (o->end + align - 1) & ~(align - 1);
    }
    *addr = at;
    return true;
}

bool load_find_high(struct loader *l, const char *path, const char *what, uint64_t size, uint64_t align, uint64_t min,
                    uint64_t max, uint64_t *addr) {
    for (uint64_t end = max; end >= size && end - size >= min;) {
        uint64_t at = (end - size) & ~(align - 1);
        if (at < min) break;
        const struct extent *o = overlap(l, at, at + size);
        if (!o && is_ram(l->m, at, at + size)) {
            *addr = at;
            return true;
        }
        end = o && o->start < at + size ? o->start : at; /* below what is in the way */
    }
    return load_fail(l, path, "no room for %s: %llu bytes between %llx and %llx; give more memory with --memory", what,
                     (ull)size, (ull)min, (ull)max);
}

/* What a PC's firmware would report: conventional memory, its own area below 1 MiB, and the rest. */
unsigned memory_areas(const struct machine *m, struct memory_area area[MEMORY_AREAS]) {
    const struct memory_area all[MEMORY_AREAS] = {
        {0,                CONVENTIONAL_END,                 1},
        {CONVENTIONAL_END, 0x400,                            2},
        {0xE0000,          0x20000,                          2},
        {0x100000,         m->low_size - 0x100000,           1},
        {m->chipset->ecam, m->chipset->ecam ? ECAM_SIZE : 0, 2},
        {0xFEC00000,       0x300000,                         2}, /* I/O APIC, event timer, chipset, local APICs */
        {HIGH_MEMORY,      m->ram_size - m->low_size,        1},
    };
    unsigned n = 0;
    for (unsigned i = 0; i < MEMORY_AREAS; i++)
        if (all[i].size) area[n++] = all[i];
    return n;
}

/* ---- formats ---- */

/* In this order: a Linux kernel looks like an EFI application, too, and both multiboot headers may lie in an ELF file.
 */
static const struct format {
    const char *name;
    bool (*find)(const struct file *head, uint32_t *at);
    bool (*load)(struct loader *l, uint32_t at);
} formats[] = {
    {"a Linux setup header",        linux_find,      linux_load     },
    {"a multiboot header",          multiboot1_find, multiboot1_load},
    {"a multiboot2 header",         multiboot2_find, multiboot2_load},
    {"an ELF header",               pvh_find,        pvh_load       },
    {"an EFI application's header", efi_find,        efi_load       },
};

static const struct format *recognize(const struct file *head, uint32_t *at) {
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].find(head, at)) return &formats[i];
    return NULL;
}

bool load_finds_image(const struct file *head) {
    uint32_t at;
    return recognize(head, &at) != NULL;
}

/* A file with a header, loaded as a flat binary, starts with its headers: hardly what was meant. */
static void note_header(const struct loader *l, const struct format *f) {
    if (f)
        fprintf(stderr,
                "hvsim: note: %s has %s, which is ignored: with --mode, --load-address or --entry the file is a flat "
                "binary\n",
                l->req->path, f->name);
}

static bool load_by_format(struct loader *l) {
    uint32_t at = 0;
    const struct format *f = recognize(&l->image, &at);
    bool flat = l->req->flat || l->req->has_load_address || l->req->has_entry;
    if (!f && !flat)
        return load_fail(
            l, l->req->path,
            "no Linux setup header (HdrS at offset 202H), no multiboot header in its first 8 KiB (magic 1BADB002 with "
            "flags and checksum that add up to 0), no multiboot2 header in its first 32 KiB, no ELF file, no EFI "
            "application, no boot sector (55H, AAH at offset 1FEH), no CD-ROM; a flat binary needs --mode, "
            "--load-address or --entry, a disk from which nothing starts goes into --drive");
    const bool direct = flat || (!l->req->firmware && f->load != efi_load);
    if (flat && l->req->firmware)
        return load_fail(
            l, l->req->path,
            "a flat binary (--mode, --load-address or --entry) starts without firmware; leave out one or the other");
    if (direct && l->req->firmware_vars)
        return load_fail(
            l, l->req->path,
            "--firmware-vars is of no use: the image starts without firmware; --firmware ovmf changes that");
    if (flat) note_header(l, f);
    file_free(&l->image);
    if (!file_read(l, l->req->path, strlen(l->req->path), &l->image)) return false;
    if (flat) {
        boot_firmware_state(l->m);
        return flat_load(l);
    }
    if (!direct) return rom_load(l);
    boot_firmware_state(l->m);
    if (!firmware_install(l->m))
        return load_fail(l, l->req->path, "no room below 1 MiB for the ACPI tables of %u CPUs", l->m->cpu_count);
    return f->load(l, at);
}

bool machine_load(struct machine *m, const struct hvsim_image *image, char *err, size_t err_size) {
    struct loader *l = calloc(1, sizeof *l);
    if (!l) {
        snprintf(err, err_size, "out of memory");
        return false;
    }
    *l = (struct loader){.m = m, .req = image, .err = err, .err_size = err_size};
    bool ok = !image->path ? rom_load(l)
                           : read_file(l, image->path, strlen(image->path), HEAD_SIZE, &l->image) && load_by_format(l);
    file_free(&l->image);
    free(l);
    return ok;
}
