/* Bitwise logic. SDM 2 "PAND", "ANDPS", "VPTERNLOGD/VPTERNLOGQ" and their neighbours. */
#include "sim/vec/vec_hot.h"
#include "sim/vec/vec_int.h"

INT_BINARY(and, u, 64, a &b)
INT_BINARY(andn, u, 64, ~a &b)
INT_BINARY(or, u, 64, a | b)
INT_BINARY(xor, u, 64, a ^ b)

/* Bit n of the immediate: the result where destination, first and second source are the bits of n. */
static void k_ternlog(struct vx *x) {
    uint64_t low[4], change[4]; /* for each pair of n: the result where b is 0, and what changes where it is 1 */
    for (unsigned n = 0; n < 4; n++) {
        low[n] = 0ull - (x->imm >> (2 * n) & 1);
        change[n] = low[n] ^ (0ull - (x->imm >> (2 * n + 1) & 1));
    }
    EACH(64) {
        const uint64_t d = x->r.u64[j], a = x->a->u64[j], b = x->b->u64[j];
        const uint64_t d0a0 = low[0] ^ (b & change[0]), d0a1 = low[1] ^ (b & change[1]);
        const uint64_t d1a0 = low[2] ^ (b & change[2]), d1a1 = low[3] ^ (b & change[3]);
        const uint64_t d0 = d0a0 ^ (a & (d0a0 ^ d0a1)), d1 = d1a0 ^ (a & (d1a0 ^ d1a1));
        x->r.u64[j] = d0 ^ (d & (d0 ^ d1));
    }
}

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                          \
    MS(PAND, k_and, V_E(64)) MS(PANDN, k_andn, V_E(64)) MS(POR, k_or, V_E(64)) MS(PXOR, k_xor, V_E(64))                \
    S(ANDPS, k_and, V_E(32)) S(ANDNPS, k_andn, V_E(32)) S(ORPS, k_or, V_E(32)) S(XORPS, k_xor, V_E(32))                \
    S(ANDPD, k_and, V_E(64)) S(ANDNPD, k_andn, V_E(64)) S(ORPD, k_or, V_E(64)) S(XORPD, k_xor, V_E(64))                \
    V(VPAND, k_and, V_E(64)) V(VPANDN, k_andn, V_E(64)) V(VPOR, k_or, V_E(64)) V(VPXOR, k_xor, V_E(64))                \
    V(VPANDD, k_and, V_E(32)) V(VPANDND, k_andn, V_E(32)) V(VPORD, k_or, V_E(32)) V(VPXORD, k_xor, V_E(32))            \
    V(VPANDQ, k_and, V_E(64)) V(VPANDNQ, k_andn, V_E(64)) V(VPORQ, k_or, V_E(64)) V(VPXORQ, k_xor, V_E(64))            \
    V(VANDPS, k_and, V_E(32)) V(VANDNPS, k_andn, V_E(32)) V(VORPS, k_or, V_E(32)) V(VXORPS, k_xor, V_E(32))            \
    V(VANDPD, k_and, V_E(64)) V(VANDNPD, k_andn, V_E(64)) V(VORPD, k_or, V_E(64)) V(VXORPD, k_xor, V_E(64))            \
    V(VPTERNLOGD, k_ternlog, V_E(32) | V_RMW) V(VPTERNLOGQ, k_ternlog, V_E(64) | V_RMW)
// clang-format on
VEC_TABLE(vec_group_logic, ROWS);

/* ---- hot forms ---- */

// clang-format off
#define SSE(X)                                                                                                         \
    X(PAND, c_and) X(PANDN, c_andn) X(POR, c_or) X(PXOR, c_xor)                                                        \
    X(ANDPS, c_and) X(ANDNPS, c_andn) X(ORPS, c_or) X(XORPS, c_xor)                                                    \
    X(ANDPD, c_and) X(ANDNPD, c_andn) X(ORPD, c_or) X(XORPD, c_xor)
#define VEX(X)                                                                                                         \
    X(VPAND, c_and) X(VPANDN, c_andn) X(VPOR, c_or) X(VPXOR, c_xor)                                                    \
    X(VANDPS, c_and) X(VANDNPS, c_andn) X(VORPS, c_or) X(VXORPS, c_xor)                                                \
    X(VANDPD, c_and) X(VANDNPD, c_andn) X(VORPD, c_or) X(VXORPD, c_xor)
#define EVEX(X)                                                                                                        \
    X(VPANDD, c_and) X(VPANDND, c_andn) X(VPORD, c_or) X(VPXORD, c_xor)                                                \
    X(VPANDQ, c_and) X(VPANDNQ, c_andn) X(VPORQ, c_or) X(VPXORQ, c_xor)
SSE(VEC_HOT_SSE)
VEX(VEC_HOT_VEX)
EVEX(VEC_HOT_EVEX)
static const struct vec_hot rows_of_hot[] = {SSE(VEC_HOT_ROWS_SSE) VEX(VEC_HOT_ROWS_VEX) EVEX(VEC_HOT_ROWS_EVEX){0}};
// clang-format on
const struct vec_hot_group vec_hot_logic = {rows_of_hot};
