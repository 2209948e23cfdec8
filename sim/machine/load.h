/* Loaders: what the formats share. Every check failure leaves one message: what was expected, what was found, where,
 * what to do. */
#ifndef HVSIM_MACHINE_LOAD_H
#define HVSIM_MACHINE_LOAD_H

#include "sim/hvsim.h"
#include "sim/machine/bytes.h"
#include "sim/machine/machine.h"

#define LOAD_LOWEST      0x1000u  /* nothing of a loader's goes below: vectors and the BIOS data area */
#define CONVENTIONAL_END 0x9FC00u /* conventional memory ends here; 1 KiB of firmware data follows */

/* Interrupt vectors that return, the BIOS data area (firmware.c), and with them the ACPI tables (acpi/). */
bool firmware_install(struct machine *m);
bool acpi_install(struct machine *m);        /* false: there is no room for them */
uint64_t acpi_rsdp(const struct machine *m); /* where the root pointer lies */

struct file {
    const char *path;
    uint8_t *data;
    size_t size;
};

/* What occupies physical memory already: [start, end) */
struct extent {
    uint64_t start, end;
};
#define MAX_EXTENTS 320

struct loader {
    struct machine *m;
    const struct hvsim_image *req;
    struct file image;
    char *err;
    size_t err_size;
    struct extent used[MAX_EXTENTS];
    unsigned used_count;
};

/* Fills the message, prefixed with the path, and returns false. */
bool load_fail(struct loader *l, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

bool file_read(struct loader *l, const char *path, size_t path_len, struct file *f);
void file_free(struct file *f);

/* Claim [start, start+size) for `what` and copy data_size bytes there (the rest stays zero). */
bool load_place(struct loader *l, const char *path, const char *what, uint64_t start, uint64_t size, const void *data,
                uint64_t data_size);
/* The lowest free address in [min, max) for `size` bytes; false with a message when there is none. */
bool load_find(struct loader *l, const char *path, const char *what, uint64_t size, uint64_t align, uint64_t min,
               uint64_t max, uint64_t *addr);
/* The highest one. */
bool load_find_high(struct loader *l, const char *path, const char *what, uint64_t size, uint64_t align, uint64_t min,
                    uint64_t max, uint64_t *addr);

/* ELF32 or ELF64, by physical addresses. `offset` is added to all of them. */
bool elf_is(const struct file *f);
bool elf_load(struct loader *l, const struct file *f, int64_t offset, uint64_t *entry);
/* lowest and highest physical address of the segments */
bool elf_extent(struct loader *l, const struct file *f, struct extent *e);
/* The descriptor of the note of that name and type: desc becomes NULL when there is none. false: the file is damaged.
 */
struct elf_note {
    const uint8_t *desc; /* in the file */
    uint32_t size;
};
bool elf_find_note(struct loader *l, const struct file *f, const char *name, uint32_t type, struct elf_note *note);

/* The formats. *_find: is it there at all, to judge by the beginning of the file (HEAD_SIZE bytes, or all of it)? */
#define HEAD_SIZE 65536u
bool linux_find(const struct file *f, uint32_t *offset);
bool linux_load(struct loader *l, uint32_t offset);
bool pvh_find(const struct file *f, uint32_t *offset);
bool pvh_load(struct loader *l, uint32_t offset);
bool multiboot1_find(const struct file *f, uint32_t *offset);
bool multiboot1_load(struct loader *l, uint32_t offset);
bool multiboot2_find(const struct file *f, uint32_t *offset);
bool multiboot2_load(struct loader *l, uint32_t offset);
/* Is it one of the formats that hvsim_load() starts by itself? */
bool load_finds_image(const struct file *head);
enum hvsim_kind machine_recognize(const char *path);
bool flat_load(struct loader *l);
/* PE32+ for x86-64 with an EFI subsystem */
bool efi_find(const struct file *f, uint32_t *offset);
bool efi_load(struct loader *l, uint32_t offset);
/* Firmware, with the image (if there is one) handed to it: load_rom.c */
bool rom_load(struct loader *l);

/* Multiboot's common ground: modules and the memory map. */
struct module {
    uint64_t start, end;
    char *text; /* "FILE args", owned */
};
#define MAX_MODULES 128
struct modules {
    struct module m[MAX_MODULES];
    unsigned count;
};
bool modules_load(struct loader *l, struct modules *ms);
void modules_free(struct modules *ms);
char *boot_command_line(const struct loader *l); /* image name and arguments; the caller frees; NULL: no memory */

struct memory_area {
    uint64_t base, size;
    uint32_t type; /* 1 = available RAM, 2 = reserved */
};
#define MEMORY_AREAS 7
unsigned memory_areas(const struct machine *m, struct memory_area area[MEMORY_AREAS]);

/* Entry states: sim/machine/boot.c. All set the caches' MTRRs and the bootstrap processor's virtual wire as firmware
 * leaves them. */
void boot_firmware_state(struct machine *m);
void boot_protected(struct cpu *cpu, uint32_t entry); /* Multiboot's: tables of descriptors are undefined */
void boot_real(struct cpu *cpu, uint32_t entry, uint32_t stack);

/* What an entry state needs in memory: GDT with flat segments, a stack of 16 KiB, for long mode page tables that map
 * the first 4 GiB and all RAM one to one in pages of 2 MiB. In low memory that the image leaves free. */
struct support {
    uint64_t gdt, stack, tables;
    uint16_t code_sel; /* the data segment's follows */
};
bool boot_support(struct loader *l, bool long_mode, uint16_t code_sel, struct support *s);
void boot_protected_support(struct cpu *cpu, uint32_t entry, const struct support *s);
void boot_long(struct cpu *cpu, uint64_t entry, const struct support *s);

bool machine_load(struct machine *m, const struct hvsim_image *image, char *err, size_t err_size);

/* ---- the screen (load_video.c) ---- */

struct video_request { /* 0: no preference */
    bool text;
    uint32_t width, height, bpp;
};
enum video_type { VIDEO_RGB = 1, VIDEO_TEXT = 2, VIDEO_NONE = 255 }; /* as both multiboot specifications number them */
struct video {
    uint64_t address;
    uint32_t pitch, width, height; /* bytes; pixels, or characters of a text mode */
    uint8_t bpp, type;
    uint8_t fields[6]; /* VIDEO_RGB: lowest bit and number of bits of red, green, blue */
};
/* Sets the mode, or leaves text mode 3 when it can't be had. */
struct video load_video(const struct machine *m, const struct video_request *want);

#endif
