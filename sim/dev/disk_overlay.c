/* The copy-on-write layer of a disk: the sectors that the guest wrote, in chunks that are allocated by what is
 * written. */
#include <stdlib.h>
#include <string.h>

#include "sim/dev/disk_internal.h"
#include "sim/machine/hash.h"

#define FIRST_PLACES 64u

/* The chunk's place, or the free one where it would be. The table is never full. */
static struct chunk *find(const struct overlay *o, uint64_t number) {
    for (size_t i = hash_mix(0, number);; i++) {
        struct chunk *c = &o->chunk[i & (o->places - 1)];
        if (!c->data || c->number == number) return c;
    }
}

static bool grow(struct overlay *o) {
    struct overlay bigger = {.places = o->places ? 2 * o->places : FIRST_PLACES, .used = o->used};
    bigger.chunk = calloc(bigger.places, sizeof *bigger.chunk);
    if (!bigger.chunk) return false;
    for (size_t i = 0; i < o->places; i++)
        if (o->chunk[i].data) *find(&bigger, o->chunk[i].number) = o->chunk[i];
    free(o->chunk);
    *o = bigger;
    return true;
}

static struct chunk *find_or_add(struct overlay *o, uint64_t number) {
    if (2 * o->used >= o->places && !grow(o)) return NULL;
    struct chunk *c = find(o, number);
    if (c->data) return c;
    uint8_t *data = malloc((size_t)CHUNK_SECTORS * DISK_SECTOR);
    if (!data) return NULL;
    *c = (struct chunk){.number = number, .data = data};
    o->used++;
    return c;
}

static bool is_written(const struct chunk *c, unsigned n) { return c->written[n / 64] >> n % 64 & 1; }

bool overlay_write(struct overlay *o, uint64_t sector, uint32_t count, const uint8_t *buf) {
    while (count) {
        struct chunk *c = find_or_add(o, sector / CHUNK_SECTORS);
        if (!c) return false;
        unsigned first = (unsigned)(sector % CHUNK_SECTORS), n = CHUNK_SECTORS - first;
        if (n > count) n = count;
        memcpy(c->data + (size_t)first * DISK_SECTOR, buf, (size_t)n * DISK_SECTOR);
        for (unsigned i = first; i < first + n; i++) c->written[i / 64] |= 1ull << i % 64;
        sector += n, count -= n, buf += (size_t)n * DISK_SECTOR;
    }
    return true;
}

uint32_t overlay_find(const struct overlay *o, uint64_t sector, uint32_t count, const uint8_t **data) {
    unsigned first = (unsigned)(sector % CHUNK_SECTORS), n = 1;
    if (count > CHUNK_SECTORS - first) count = CHUNK_SECTORS - first;
    const struct chunk *c = o->places ? find(o, sector / CHUNK_SECTORS) : NULL;
    *data = NULL;
    if (!c || !c->data) return count;
    bool written = is_written(c, first);
    while (n < count && is_written(c, first + n) == written) n++;
    if (written) *data = c->data + (size_t)first * DISK_SECTOR;
    return n;
}

/* A sum: the order of the table's places does not matter. */
uint64_t overlay_hash(const struct overlay *o) {
    uint64_t sum = 0;
    for (size_t i = 0; i < o->places; i++) {
        const struct chunk *c = &o->chunk[i];
        for (unsigned n = 0; c->data && n < CHUNK_SECTORS; n++) {
            if (!is_written(c, n)) continue;
            uint64_t h = hash_mix(1, c->number * CHUNK_SECTORS + n), w;
            for (unsigned at = 0; at < DISK_SECTOR; at += sizeof w) {
                memcpy(&w, c->data + (size_t)n * DISK_SECTOR + at, sizeof w);
                h = hash_mix(h, w);
            }
            sum += h;
        }
    }
    return sum;
}

void overlay_free(struct overlay *o) {
    for (size_t i = 0; i < o->places; i++) free(o->chunk[i].data);
    free(o->chunk);
    *o = (struct overlay){0};
}
