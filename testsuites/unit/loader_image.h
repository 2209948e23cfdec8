/* Images made by hand for the tests of the loaders. */
#ifndef HVSIM_UNIT_LOADER_IMAGE_H
#define HVSIM_UNIT_LOADER_IMAGE_H

#include "testsuites/unit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/machine/load.h"

#define IMAGE_SIZE 0x3000

/* A file under construction, and the request that loads it. */
struct image {
    uint8_t data[IMAGE_SIZE];
    size_t size;
    char path[64];
    struct hvsim_image req;
    char err[512];
};

static inline void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }
static inline void put16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }

static inline void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static inline void image_init(struct image *im, size_t size) {
    memset(im, 0, sizeof *im);
    im->size = size;
    strcpy(im->path, "/tmp/hvsim-loader-XXXXXX");
    int fd = mkstemp(im->path);
    assert_true(fd >= 0);
    close(fd);
    im->req.path = im->path;
}

static inline bool load(struct machine *m, struct image *im) {
    write_file(im->path, im->data, im->size);
    bool ok = machine_load(m, &im->req, im->err, sizeof im->err);
    unlink(im->path);
    return ok;
}

/* It is refused, and the message names the file and says this. */
static inline void assert_refused(struct machine *m, struct image *im, const char *says) {
    assert_false(load(m, im));
    assert_non_null(strstr(im->err, im->path));
    if (!strstr(im->err, says)) fail_msg("message '%s' does not say '%s'", im->err, says);
}

static inline uint8_t byte_at(struct machine *m, uint64_t pa) {
    uint8_t b;
    assert_true(machine_read(m, pa, &b, 1));
    return b;
}
static inline uint32_t word_at(struct machine *m, uint64_t pa) {
    uint8_t b[4];
    assert_true(machine_read(m, pa, b, 4));
    return get32(b);
}
static inline void string_at(struct machine *m, uint64_t pa, char *s, size_t size) {
    assert_true(machine_read(m, pa, s, size));
}

static inline uint32_t random_next(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

/* Words of a file's beginning, replaced by random or extreme ones */
static inline void scramble(struct image *im, uint32_t *seed, unsigned words, uint32_t from, uint32_t size) {
    static const uint32_t extreme[] = {0, 1, 0xFFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFF};
    for (unsigned k = 0; k < words; k++) {
        uint32_t where = random_next(seed) >> 8, what = random_next(seed) >> 4;
        put32(im->data + from + where % size, what % 2 ? extreme[what / 2 % 8] : random_next(seed));
    }
}

#endif
