/* 4 MiB pages of 32-bit paging. SDM 3, table "Format of a 32-Bit Page-Directory Entry that Maps a 4-MByte Page" */
#include "mmu/format.h"

uint64_t format_reserved_pse(unsigned phys_bits, bool pse36) {
    if (!pse36) return BITS(21, 13);
    unsigned m = phys_bits < 40 ? phys_bits : 40;
    return m >= 40 ? BITS(21, 21) : BITS(21, 13) & ~0ull << (m - 19);
}

uint64_t format_pse_address(uint64_t pde, uint64_t la) {
    return (pde & 0xFFC00000) | (pde & BITS(20, 13)) << 19 | (la & 0x3FFFFF);
}
