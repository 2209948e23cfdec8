/*
 * Both formats have four levels of 512 entries, as ordinary 4-level paging has. Each level is indexed by nine bits of
 * the guest-physical address: 47-39, 38-30, 29-21, 20-12.
 *
 * SDM 3, "The Extended Page Table Mechanism (EPT)"; APM 2, "Nested Paging".
 */
#include "examples/demo/nested.h"

#include <stddef.h>

#include "examples/demo/memory.h"

#define ADDRESS_MASK 0x000FFFFFFFFFF000ull

static size_t index_at(uint64_t guest, unsigned level) { return guest >> (12 + 9 * level) & 511; }

/* The entry for a page, at the lowest level. Makes the tables on the way if `format` is given, else may return null. */
static uint64_t *entry_of(uint64_t root, const struct nested_format *format, uint64_t guest) {
    uint64_t *table = pointer(root);
    for (unsigned level = 3; level > 0; level--) {
        uint64_t *entry = &table[index_at(guest, level)];
        if (!*entry) {
            if (!format) return NULL;
            *entry = physical(page_alloc()) | format->table_bits;
        }
        table = pointer(*entry & ADDRESS_MASK);
    }
    return &table[index_at(guest, 0)];
}

uint64_t nested_create(void) { return physical(page_alloc()); }

/*
 * No TLB flush: an entry goes from absent to present here, and processors do not cache absence
 * (SDM 3, "Invalidating Cached Translation Information"; APM 2, "TLB Management").
 */
void nested_map(uint64_t root, const struct nested_format *format, uint64_t guest, void *host) {
    *entry_of(root, format, guest) = physical(host) | format->page_bits;
}

void *nested_translate(uint64_t root, uint64_t guest) {
    const uint64_t *entry = entry_of(root, NULL, guest);
    if (!entry || !*entry) return NULL;
    return (uint8_t *)pointer(*entry & ADDRESS_MASK) + guest % PAGE_SIZE;
}
