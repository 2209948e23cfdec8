/* Guest memory: the second set of page tables, from guest-physical to host-physical addresses. */
#ifndef DEMO_NESTED_H
#define DEMO_NESTED_H

#include <stdint.h>

/* Intel calls these tables EPT, AMD calls them NPT. They differ in two constants. */
struct nested_format {
    const char *name;
    uint64_t table_bits; /* in an entry that points to a table */
    uint64_t page_bits;  /* in an entry that maps a page */
};

/* A new, empty set of tables: every access by the guest will fault. Returns the physical address of the first. */
uint64_t nested_create(void);

/* Maps the page of host memory at `host` to the guest-physical page at `guest`. */
void nested_map(uint64_t root, const struct nested_format *format, uint64_t guest, void *host);

/* Host pointer for a guest-physical address, or null if nothing is mapped there. */
void *nested_translate(uint64_t root, uint64_t guest);

#endif
