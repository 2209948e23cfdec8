/* What both sides have in memory: data, code, and how the data is compared. */
#include <string.h>

#include "testsuites/isa/isa.h"

void isa_fill(uint8_t *data, const struct isa_case *c) {
    uint64_t x = c->mem_seed, *w = (uint64_t *)data;
    for (unsigned k = 0; k < ISA_DATA_SIZE / 8; k++) { /* each word by itself: quick */
        uint64_t z = (x += 0x9E3779B97F4A7C15ull);
        z = (z ^ z >> 31) * 0xBF58476D1CE4E5B9ull;
        w[k] = z ^ z >> 29;
    }
    for (unsigned k = 0; k < 3; k++)
        if (c->poke[k].at >= ISA_DATA && c->poke[k].at <= ISA_DATA + ISA_DATA_SIZE - 8)
            memcpy(data + (c->poke[k].at - ISA_DATA), &c->poke[k].val, 8);
    for (unsigned k = 0; k < c->data_len; k++) {
        uint64_t at = c->operand + k - ISA_DATA;
        if (at < ISA_DATA_SIZE) data[at] = c->data[k];
    }
}
unsigned isa_window(const struct isa_case *c) {
    uint64_t at = (c->operand - ISA_DATA) & ~15ull;
    if (at >= ISA_DATA_SIZE) at = 0;
    return at > ISA_DATA_SIZE - ISA_WINDOW ? ISA_DATA_SIZE - ISA_WINDOW : (unsigned)at;
}
uint64_t isa_hash(const uint8_t *data) {
    const uint64_t *w = (const uint64_t *)data;
    uint64_t h[4] = {1, 2, 3, 4};
    for (unsigned k = 0; k < ISA_DATA_SIZE / 8; k += 4)
        for (unsigned j = 0; j < 4; j++) h[j] = (h[j] ^ w[k + j]) * 0x9FB21C651E98DF25ull, h[j] ^= h[j] >> 32;
    return h[0] ^ h[1] << 1 ^ h[2] << 2 ^ h[3] << 3;
}
static void put_stub(uint8_t *p, uint64_t rip, uint64_t to, bool mode32) {
    uint32_t v = mode32 ? (uint32_t)to : (uint32_t)(to - (rip + 5));
    p[0] = mode32 ? 0xEA : 0xE9; /* JMP 33:to, or JMP to */
    memcpy(p + 1, &v, 4);
    p[5] = 0x33;
    p[6] = 0;
}
void isa_place_code(uint8_t *code_area, const struct isa_case *c) {
    uint8_t *p = code_area + (c->rip - ISA_CODE);
    memcpy(p, c->code, c->len);
    put_stub(p + c->len, c->rip + c->len, ISA_EXIT_A, c->mode32);
    put_stub(p + ISA_STUB_B, c->rip + ISA_STUB_B, ISA_EXIT_B, c->mode32);
}
