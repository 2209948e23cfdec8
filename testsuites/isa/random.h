/* Random numbers, and random values that find mistakes: specials and limits of each element type. */
#ifndef HVSIM_TEST_ISA_RANDOM_H
#define HVSIM_TEST_ISA_RANDOM_H

#include "testsuites/isa/isa.h"

uint64_t isa_rand(struct isa_random *r);
static inline unsigned below(struct isa_random *r, unsigned n) { return (unsigned)(isa_rand(r) % n); }
static inline bool one_in(struct isa_random *r, unsigned n) { return below(r, n) == 0; }

/* An integer: values near the limits of each size more often than chance would give them */
uint64_t isa_value(struct isa_random *r);

enum isa_element { EL_I8, EL_I16, EL_I32, EL_I64, EL_F16, EL_BF16, EL_F32, EL_F64, EL_F80, EL_BCD, EL_COUNT };
unsigned isa_element_size(enum isa_element e);
/* Fill `bytes` with elements; what is left at the end is random. Now and then an element is, or nearly is, that of
 * `other` at the same place (NULL: none): equal operands, and differences with cancellation. */
void isa_elements(struct isa_random *r, enum isa_element e, uint8_t *to, unsigned bytes, const uint8_t *other);

#endif
