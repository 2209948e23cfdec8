/* ELF executables, 32- and 64-bit, little-endian x86, loaded by physical address. Source: System V ABI, "Object Files".
 */
#include <string.h>

#include "sim/machine/load.h"

typedef unsigned long long ull;

#define ELFMAG      "\177ELF"
#define SELFMAG     4
#define EI_CLASS    4
#define EI_DATA     5
#define ELFCLASS32  1
#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define ET_EXEC     2
#define ET_DYN      3
#define EM_386      3
#define EM_X86_64   62
#define PT_LOAD     1
#define PT_NOTE     4

/* "ELF Header", "Program Header": the two classes differ in the widths and in where p_flags is */
#define ELF_HEADER(name, addr)                                                                                         \
    typedef struct {                                                                                                   \
        uint8_t e_ident[16];                                                                                           \
        uint16_t e_type, e_machine;                                                                                    \
        uint32_t e_version;                                                                                            \
        addr e_entry, e_phoff, e_shoff;                                                                                \
        uint32_t e_flags;                                                                                              \
        uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;                                     \
    } name
ELF_HEADER(Elf32_Ehdr, uint32_t);
ELF_HEADER(Elf64_Ehdr, uint64_t);
typedef struct {
    uint32_t p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align;
} Elf32_Phdr;
typedef struct {
    uint32_t p_type, p_flags;
    uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
} Elf64_Phdr;
_Static_assert(sizeof(Elf32_Ehdr) == 52 && sizeof(Elf64_Ehdr) == 64 && sizeof(Elf32_Phdr) == 32 &&
                   sizeof(Elf64_Phdr) == 56,
               "the layouts of the file");

/* The fields in use, whatever the class. */
struct header {
    uint64_t entry, phoff;
    unsigned phentsize, phnum;
    bool is64;
};
struct segment {
    uint32_t type;
    uint64_t offset, vaddr, paddr, filesz, memsz;
};

bool elf_is(const struct file *f) { return f->size >= SELFMAG && !memcmp(f->data, ELFMAG, SELFMAG); }

static bool read_header(struct loader *l, const struct file *f, struct header *h) {
    if (f->size < sizeof(Elf32_Ehdr))
        return load_fail(l, f->path, "ELF header: expected %zu bytes, the file has %zu; it is cut off",
                         sizeof(Elf32_Ehdr), f->size);
    h->is64 = f->data[EI_CLASS] == ELFCLASS64;
    if ((!h->is64 && f->data[EI_CLASS] != ELFCLASS32) || f->data[EI_DATA] != ELFDATA2LSB)
        return load_fail(
            l, f->path,
            "ELF header: expected class 1 or 2 and little-endian data, found class %u, data %u; build it for x86",
            f->data[EI_CLASS], f->data[EI_DATA]);
    unsigned machine, type;
    if (h->is64) {
        Elf64_Ehdr e;
        if (f->size < sizeof e)
            return load_fail(l, f->path, "ELF header: expected %zu bytes, the file has %zu; it is cut off", sizeof e,
                             f->size);
        memcpy(&e, f->data, sizeof e);
        machine = e.e_machine, type = e.e_type;
        h->entry = e.e_entry, h->phoff = e.e_phoff, h->phentsize = e.e_phentsize, h->phnum = e.e_phnum;
    } else {
        Elf32_Ehdr e;
        memcpy(&e, f->data, sizeof e);
        machine = e.e_machine, type = e.e_type;
        h->entry = e.e_entry, h->phoff = e.e_phoff, h->phentsize = e.e_phentsize, h->phnum = e.e_phnum;
    }
    if (machine != EM_386 && machine != EM_X86_64)
        return load_fail(l, f->path,
                         "ELF header: expected machine 3 (80386) or 62 (x86-64), found %u; build it for x86", machine);
    if (type != ET_EXEC && type != ET_DYN)
        return load_fail(l, f->path, "ELF header: expected an executable (type 2 or 3), found type %u; link it first",
                         type);
    size_t want = h->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (!h->phnum || h->phentsize != want)
        return load_fail(
            l, f->path,
            "ELF header: expected program headers of %zu bytes, found %u of %u bytes; link it as an executable", want,
            h->phnum, h->phentsize);
    if (h->phoff > f->size || (uint64_t)h->phnum * want > f->size - h->phoff)
        return load_fail(l, f->path,
                         "ELF program headers: expected %u at file offset %llx, the file has %zu bytes; it is cut off",
                         h->phnum, (ull)h->phoff, f->size);
    return true;
}

/* Program header n; false when its data lies outside the file. */
static bool read_segment(struct loader *l, const struct file *f, const struct header *h, unsigned n,
                         struct segment *s) {
    const uint8_t *at = f->data + h->phoff + (size_t)n * h->phentsize;
    if (h->is64) {
        Elf64_Phdr p;
        memcpy(&p, at, sizeof p);
        *s = (struct segment){p.p_type, p.p_offset, p.p_vaddr, p.p_paddr, p.p_filesz, p.p_memsz};
    } else {
        Elf32_Phdr p;
        memcpy(&p, at, sizeof p);
        *s = (struct segment){p.p_type, p.p_offset, p.p_vaddr, p.p_paddr, p.p_filesz, p.p_memsz};
    }
    if (s->type != PT_LOAD && s->type != PT_NOTE) return true;
    if (s->offset > f->size || s->filesz > f->size - s->offset)
        return load_fail(
            l, f->path,
            "ELF segment %u: expected %llx bytes at file offset %llx, the file has %zu bytes; it is cut off", n,
            (ull)s->filesz, (ull)s->offset, f->size);
    if (s->type == PT_NOTE) return true;
    if (s->filesz > s->memsz)
        return load_fail(
            l, f->path,
            "ELF segment %u: its size in the file (%llx) is larger than in memory (%llx); the header is damaged", n,
            (ull)s->filesz, (ull)s->memsz);
    if (s->paddr + s->memsz < s->paddr)
        return load_fail(l, f->path, "ELF segment %u: physical address %llx plus size %llx leaves the address space", n,
                         (ull)s->paddr, (ull)s->memsz);
    return true;
}

bool elf_extent(struct loader *l, const struct file *f, struct extent *e) {
    struct header h;
    struct segment s;
    *e = (struct extent){~0ull, 0};
    if (!read_header(l, f, &h)) return false;
    for (unsigned n = 0; n < h.phnum; n++) {
        if (!read_segment(l, f, &h, n, &s)) return false;
        if (s.type != PT_LOAD || !s.memsz) continue;
        if (s.paddr < e->start) e->start = s.paddr;
        if (s.paddr + s.memsz > e->end) e->end = s.paddr + s.memsz;
    }
    if (e->start < e->end) return true;
    return load_fail(l, f->path, "ELF: expected at least one segment to load, found none among %u program headers",
                     h.phnum);
}

/* The entry point is a virtual address; control starts without paging, at the same place by physical address. */
static bool load_segment(struct loader *l, const struct file *f, const struct segment *s, unsigned n, int64_t offset,
                         uint64_t virtual_entry, uint64_t *entry) {
    char what[32];
    snprintf(what, sizeof what, "ELF segment %u", n);
    uint64_t at = s->paddr + (uint64_t)offset;
    if (virtual_entry - s->vaddr < s->memsz) *entry = virtual_entry - s->vaddr + at;
    return load_place(l, f->path, what, at, s->memsz, f->data + s->offset, s->filesz);
}

bool elf_load(struct loader *l, const struct file *f, int64_t offset, uint64_t *entry) {
    struct header h;
    struct segment s;
    struct extent e;
    if (!read_header(l, f, &h) || !elf_extent(l, f, &e)) return false;
    uint64_t start = h.entry + (uint64_t)offset;
    for (unsigned n = 0; n < h.phnum; n++) {
        if (!read_segment(l, f, &h, n, &s)) return false;
        if (s.type == PT_LOAD && s.memsz && !load_segment(l, f, &s, n, offset, h.entry, &start)) return false;
    }
    if (start < e.start + (uint64_t)offset || start >= e.end + (uint64_t)offset)
        return load_fail(l, f->path, "ELF: its entry point %llx is outside all segments [%llx, %llx)", (ull)start,
                         (ull)e.start + (ull)offset, (ull)e.end + (ull)offset);
    *entry = start;
    return true;
}

/* ---- notes: "Note Section" ---- */

struct note_search {
    const char *name;
    uint32_t type;
    struct elf_note *found;
};

static uint64_t align4(uint64_t n) { return (n + 3) & ~3ull; }

/* Note after note; a size that leads out of the segment ends the search. */
static void search_notes(const uint8_t *p, uint64_t size, const struct note_search *s) {
    for (uint64_t at = 0; at + 12 <= size && !s->found->desc;) {
        uint32_t name_size = get32(p + at), desc_size = get32(p + at + 4);
        uint64_t name = at + 12, desc = name + align4(name_size), end = desc + align4(desc_size);
        if (desc + desc_size > size) return;
        if (get32(p + at + 8) == s->type && name_size == strlen(s->name) + 1 && !memcmp(p + name, s->name, name_size))
            *s->found = (struct elf_note){p + desc, desc_size};
        at = end;
    }
}

bool elf_find_note(struct loader *l, const struct file *f, const char *name, uint32_t type, struct elf_note *note) {
    struct header h;
    struct segment s;
    *note = (struct elf_note){NULL, 0};
    if (!read_header(l, f, &h)) return false;
    for (unsigned n = 0; n < h.phnum && !note->desc; n++) {
        if (!read_segment(l, f, &h, n, &s)) return false;
        if (s.type == PT_NOTE) search_notes(f->data + s.offset, s.filesz, &(struct note_search){name, type, note});
    }
    return true;
}
