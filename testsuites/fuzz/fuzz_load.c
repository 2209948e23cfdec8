/* Images with lying headers: every loader gets files that begin like its format and go on at random, cut off anywhere.
 * Each must be loaded or refused with a message, and what is loaded runs a little. The firmware configuration device
 * gets random accesses besides. Run it under the sanitizers (`make asan`).
 *
 * usage: fuzz_load [-n THOUSANDS] [-s SEED] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/core/system.h"
#include "sim/machine/load.h"
#include "testsuites/fuzz/guest.h"

#define IMAGE_MAX  0x12000u
#define RUN_INSNS  500u
#define RUN_CYCLES 20000u
#define FWCFG_PORT 0x510
#define ACCESSES   200u

struct field {
    uint16_t at, bytes;
    uint32_t val;
};

/* What makes a file belong to a format, and the header words that are worth changing. */
// clang-format off
static const struct seed {
    const char *name;
    uint32_t header, size; /* bytes that get changed; size of the whole */
    struct field field[24];
} seeds[] = {
    {"bzImage", 0x280, 0x6000,
     {{0x1F1, 1, 4}, {0x1FE, 2, 0xAA55}, {0x202, 4, 0x53726448}, {0x206, 2, 0x20F}, {0x211, 1, 1}, {0x214, 4, 0x100000},
      {0x22C, 4, 0x7FFFFFFF}, {0x230, 4, 0x200000}, {0x234, 1, 1}, {0x236, 2, 3}, {0x238, 4, 2047}, {0x258, 4, 0x100000},
      {0x260, 4, 0x8000}}},
    {"multiboot", 0x40, 0x3000,
     {{0, 4, 0x1BADB002}, {4, 4, 0x10003}, {8, 4, (uint32_t)-(0x1BADB002 + 0x10003)}, {12, 4, 0x100000}, {16, 4, 0x100000},
      {20, 4, 0x103000}, {24, 4, 0x104000}, {28, 4, 0x100040}}},
    {"multiboot2", 0x80, 0x3000,
     {{0, 4, 0xE85250D6}, {8, 4, 0x60}, {12, 4, (uint32_t)-(0xE85250D6 + 0x60)}, {16, 2, 2}, {20, 4, 24}, {24, 4, 0x100000},
      {28, 4, 0x100000}, {32, 4, 0x103000}, {36, 4, 0x104000}, {40, 2, 3}, {44, 4, 12}, {48, 4, 0x100080}, {56, 2, 10},
      {60, 4, 24}, {64, 4, 0x100000}, {68, 4, 0x200000}, {72, 4, 4096}, {88, 4, 8}}},
    {"PVH ELF", 0x180, 0x2000,
     {{0, 4, 0x464C457F}, {4, 4, 0x00010102}, {16, 2, 2}, {18, 2, 62}, {20, 4, 1}, {24, 4, 0x100000}, {32, 4, 0x40},
      {52, 2, 64}, {54, 2, 56}, {56, 2, 2}, {0x40, 4, 1}, {0x44, 4, 7}, {0x58, 4, 0x100000}, {0x60, 4, 0x2000},
      {0x68, 4, 0x3000}, {0x78, 4, 4}, {0x80, 4, 0x100}, {0x98, 4, 20}, {0xA0, 4, 20}, {0x100, 4, 4}, {0x104, 4, 4},
      {0x108, 4, 18}, {0x10C, 4, 0x006E6558}, {0x110, 4, 0x100200}}},
    {"EFI application", 0x180, 0x1000,
     {{0, 2, 0x5A4D}, {0x3C, 4, 0x80}, {0x80, 4, 0x4550}, {0x84, 2, 0x8664}, {0x86, 2, 1}, {0x94, 2, 0xF0}, {0x98, 2, 0x20B},
      {0xDC, 2, 10}}},
    {"flat binary", 0x200, 0x1000, {{0, 2, 0xFEEB}}},
};
// clang-format on
#define SEEDS (sizeof seeds / sizeof seeds[0])

struct file_image {
    char path[64];
    uint8_t data[IMAGE_MAX];
    size_t size;
};

static uint64_t rng_below(struct rng *r, uint64_t n) { return rng_next(r) % n; }

static void write_le(uint8_t *p, uint64_t val, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) p[i] = (uint8_t)(val >> 8 * i);
}

static uint32_t odd_value(struct rng *r) {
    static const uint32_t extreme[] = {0, 1, 0xFFF, 0x1000, 0xFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFF};
    return rng_below(r, 2) ? (uint32_t)rng_next(r) : extreme[rng_below(r, sizeof extreme / sizeof extreme[0])];
}

static void make_image(struct file_image *im, const struct seed *s, struct rng *r) {
    memset(im->data, 0, sizeof im->data);
    for (unsigned i = s->header; i < s->size; i++) im->data[i] = (uint8_t)rng_next(r);
    for (unsigned i = 0; i < sizeof s->field / sizeof s->field[0]; i++)
        write_le(im->data + s->field[i].at, s->field[i].val, s->field[i].bytes ? s->field[i].bytes : 0);
    unsigned changes = (unsigned)rng_below(r, 6);
    for (unsigned i = 0; i < changes; i++) {
        const struct field *f = &s->field[rng_below(r, sizeof s->field / sizeof s->field[0])];
        bool known = f->bytes && rng_below(r, 4);
        unsigned at = known ? f->at : (unsigned)rng_below(r, s->header);
        write_le(im->data + at, odd_value(r), known ? f->bytes : 1u << rng_below(r, 3));
    }
    im->size = rng_below(r, 4) ? s->size : 1 + (size_t)rng_below(r, s->size);
    FILE *f = fopen(im->path, "wb");
    if (!f || fwrite(im->data, 1, im->size, f) != im->size || fclose(f) != 0) {
        perror(im->path);
        exit(2);
    }
}

static struct machine *make_machine(void) {
    struct machine *m = fuzz_machine("fuzz_load", "max-intel");
    if (!m) exit(2);
    return m;
}

/* Loaded, or refused with a message that names the file. */
static bool try_image(const struct file_image *im, const struct seed *s, struct rng *r, uint64_t *loaded) {
    char err[512] = "";
    struct machine *m = make_machine();
    struct hvsim_image req = {.path = im->path, .append = "console=ttyS0", .modules = (const char *const[]){im->path}};
    req.module_count = rng_below(r, 3) == 0;
    if (!strcmp(s->name, "flat binary")) {
        req.has_load_address = true;
        req.load_address = odd_value(r);
        req.mode = (enum hvsim_image_mode)rng_below(r, 3);
    }
    if (!strcmp(s->name, "EFI application")) req.firmware = im->path; /* nothing of the host's is needed */
    bool ok = machine_load(m, &req, err, sizeof err);
    if (ok) fuzz_run(m, RUN_INSNS, RUN_CYCLES);
    machine_destroy(m);
    *loaded += ok;
    if (ok || strstr(err, im->path)) return true;
    fprintf(stderr, "fuzz_load: a %s is refused without its name: '%s'\n", s->name, err);
    return false;
}

static void poke_fwcfg(struct rng *r) {
    struct machine *m = make_machine();
    for (unsigned i = 0; i < ACCESSES; i++) {
        uint16_t port = (uint16_t)(FWCFG_PORT + rng_below(r, 12));
        unsigned size = 1u << rng_below(r, 3);
        if (rng_below(r, 8) == 0) { /* a DMA request, big-endian */
            uint8_t request[16];
            for (unsigned k = 0; k < sizeof request; k++) request[k] = rng_below(r, 3) ? 0 : (uint8_t)rng_next(r);
            request[3] |= 2;
            machine_write(m, 0x100000, request, sizeof request);
            port_write(m, 0x518, 4, 0x00001000); /* 100000H */
        } else if (rng_below(r, 2)) {
            port_write(m, port, size, odd_value(r));
        } else {
            port_read(m, port, size);
        }
    }
    machine_destroy(m);
}

int main(int argc, char **argv) {
    uint64_t rounds = 1000, seed = 1;
    for (int opt; (opt = getopt(argc, argv, "n:s:")) != -1;) {
        if (opt == 'n') rounds = strtoull(optarg, NULL, 10) * 1000;
        if (opt == 's') seed = strtoull(optarg, NULL, 10);
        if (opt == '?') return 2;
    }
    struct rng r = {seed};
    struct file_image *im = calloc(1, sizeof *im);
    if (!im) return 2;
    strcpy(im->path, "/tmp/hvsim-fuzz-XXXXXX");
    int fd = mkstemp(im->path);
    if (fd < 0) return 2;
    close(fd);
    bool ok = true;
    uint64_t loaded = 0;
    for (uint64_t n = 0; n < rounds && ok; n++) {
        const struct seed *s = &seeds[n % SEEDS];
        make_image(im, s, &r);
        ok = try_image(im, s, &r, &loaded);
        if (n % 10 == 0) poke_fwcfg(&r);
    }
    printf("%s %llu images with lying headers, %llu of them loaded, seed %llu\n", ok ? "ok -" : "not ok -",
           (unsigned long long)rounds, (unsigned long long)loaded, (unsigned long long)seed);
    unlink(im->path);
    free(im);
    return !ok;
}
