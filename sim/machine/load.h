/* Loaders: what the formats share. Every check failure leaves one message: what was expected, what was found, where,
 * what to do. */
#ifndef HVSIM_MACHINE_LOAD_H
#define HVSIM_MACHINE_LOAD_H

#include "sim/hvsim.h"
#include "sim/machine/machine.h"

#define CONVENTIONAL_END 0x9FC00u /* conventional memory ends here; 1 KiB of firmware data follows */

/* Interrupt vectors that return, the BIOS data area (firmware.c), and with them the ACPI tables (acpi.c). */
void firmware_install(struct machine *m);
void acpi_install(struct machine *m);

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
static inline uint32_t get32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }

/* Claim [start, start+size) for `what` and copy data_size bytes there (the rest stays zero). */
bool load_place(struct loader *l, const char *path, const char *what, uint64_t start, uint64_t size, const void *data,
                uint64_t data_size);
/* The lowest free address in [min, max) for `size` bytes; false with a message when there is none. */
bool load_find(struct loader *l, const char *path, const char *what, uint64_t size, uint64_t align, uint64_t min,
               uint64_t max, uint64_t *addr);

/* ELF32 or ELF64, by physical addresses. `offset` is added to all of them. */
bool elf_is(const struct file *f);
bool elf_load(struct loader *l, const struct file *f, int64_t offset, uint64_t *entry);
/* lowest and highest physical address of the segments */
bool elf_extent(struct loader *l, const struct file *f, struct extent *e);

/* The formats. *_find: is it there at all? */
bool multiboot1_find(const struct file *f, uint32_t *offset);
bool multiboot1_load(struct loader *l, uint32_t offset);
bool multiboot2_find(const struct file *f, uint32_t *offset);
bool multiboot2_load(struct loader *l, uint32_t offset);
bool flat_load(struct loader *l);

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
#define MEMORY_AREAS 6
unsigned memory_areas(const struct machine *m, struct memory_area area[MEMORY_AREAS]);

/* Entry states: sim/machine/boot.c. All set the caches' MTRRs and the bootstrap processor's virtual wire as firmware
 * leaves them. */
void boot_firmware_state(struct machine *m);
void boot_protected(struct cpu *cpu, uint32_t entry);
void boot_real(struct cpu *cpu, uint32_t entry, uint32_t stack);
void boot_long(struct cpu *cpu, uint64_t entry, uint64_t tables, uint64_t gdt, uint64_t stack);

bool machine_load(struct machine *m, const struct hvsim_image *image, char *err, size_t err_size);

#endif
