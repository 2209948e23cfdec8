/* Windows laid over each other, flattened into sorted stretches. */
#include "sim/machine/memmap.h"

#include <stdlib.h>
#include <string.h>

void memmap_init(struct mem_map *map) {
    map->window[0] = (struct mem_window){.takes = MEM_TAKES_ALL};
    map->count = 1;
    memmap_flatten(map);
}

static unsigned layer(const struct mem_window *w) { return w->beneath ? 0 : w->above ? 2 : 1; }

bool memmap_add(struct mem_map *map, const struct mem_window *w) {
    if (map->count == MAX_WINDOWS || !w->size || w->base + (w->size - 1) < w->base) return false;
    unsigned at = map->count++;
    for (; at > 1 && layer(&map->window[at - 1]) > layer(w); at--) map->window[at] = map->window[at - 1];
    map->window[at] = *w;
    return true;
}

bool memmap_remove(struct mem_map *map, const struct device *dev, unsigned range) {
    for (unsigned i = 1; i < map->count; i++) {
        if (map->window[i].dev != dev || map->window[i].range != range) continue;
        memmove(&map->window[i], &map->window[i + 1], (map->count - i - 1) * sizeof map->window[0]);
        map->count--;
        return true;
    }
    return false;
}

const struct mem_window *memmap_window(const struct mem_map *map, const struct device *dev, unsigned range) {
    for (unsigned i = 1; i < map->count; i++)
        if (map->window[i].dev == dev && map->window[i].range == range) return &map->window[i];
    return NULL;
}

bool memmap_replace(struct mem_map *map, const struct mem_window *w) {
    for (unsigned i = 1; i < map->count; i++) {
        if (map->window[i].dev != w->dev || map->window[i].range != w->range) continue;
        map->window[i] = *w;
        return true;
    }
    return false;
}

static int by_address(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool applies(const struct mem_window *w, uint64_t pa, bool smm, bool write) {
    if (pa - w->base >= w->size && w->size) return false;
    if (w->when == (smm ? MEM_OUTSIDE_SMM : MEM_IN_SMM)) return false;
    return w->takes & (write ? MEM_TAKES_WRITES : MEM_TAKES_READS);
}

static uint8_t top(const struct mem_map *map, uint64_t pa, bool smm, bool write) {
    unsigned i = map->count - 1;
    while (i && !applies(&map->window[i], pa, smm, write)) i--;
    return (uint8_t)i;
}

static uint8_t *host_of(const struct mem_window *w, uint64_t pa) { return w->host ? w->host + (pa - w->base) : NULL; }

static struct mem_stretch resolve(const struct mem_map *map, uint64_t base, uint64_t end) {
    struct mem_stretch s = {.base = base, .end = end};
    for (unsigned smm = 0; smm < 2; smm++) {
        for (unsigned write = 0; write < 2; write++) s.to[smm][write] = top(map, base, smm, write);
        const struct mem_window *r = &map->window[s.to[smm][0]], *w = &map->window[s.to[smm][1]];
        s.direct[smm] = host_of(r, base);
        s.direct_written[smm] = s.direct[smm] && !w->guarded && host_of(w, base) == s.direct[smm];
    }
    return s;
}

static bool same_windows(const struct mem_stretch *a, const struct mem_stretch *b) {
    return !memcmp(a->to, b->to, sizeof a->to);
}

void memmap_flatten(struct mem_map *map) {
    uint64_t edge[2 * MAX_WINDOWS + 1];
    unsigned n = 0;
    edge[n++] = 0;
    for (unsigned i = 1; i < map->count; i++) {
        const struct mem_window *w = &map->window[i];
        edge[n++] = w->base;
        if (w->base + w->size) edge[n++] = w->base + w->size;
    }
    qsort(edge, n, sizeof edge[0], by_address);
    map->stretches = 0;
    map->smm_differs = false;
    for (unsigned i = 0; i < n; i++) {
        if (i + 1 < n && edge[i + 1] == edge[i]) continue;
        struct mem_stretch s = resolve(map, edge[i], i + 1 < n ? edge[i + 1] - 1 : ~0ull);
        struct mem_stretch *last = map->stretches ? &map->stretch[map->stretches - 1] : NULL;
        if (last && same_windows(last, &s))
            last->end = s.end;
        else
            map->stretch[map->stretches++] = s;
        map->smm_differs |= memcmp(s.to[0], s.to[1], sizeof s.to[0]) != 0;
    }
}

const struct mem_stretch *memmap_find(const struct mem_map *map, uint64_t pa) {
    unsigned low = 0, high = map->stretches - 1;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (pa > map->stretch[mid].end)
            low = mid + 1;
        else
            high = mid;
    }
    return &map->stretch[low];
}
