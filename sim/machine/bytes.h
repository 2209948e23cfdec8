/* Little-endian fields of images and boot structures, at any alignment. */
#ifndef HVSIM_MACHINE_BYTES_H
#define HVSIM_MACHINE_BYTES_H

#include <stdint.h>

static inline uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }
static inline uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static inline void put_le(uint8_t *p, uint64_t val, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) p[i] = (uint8_t)(val >> 8 * i);
}

#endif
