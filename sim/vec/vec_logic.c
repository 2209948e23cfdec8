/* Bitwise logic. SDM 2 "PAND", "ANDPS", "VPTERNLOGD/VPTERNLOGQ" and their neighbours. */
#include "sim/vec/vec.h"

static void k_and(struct vx *x) { EACH(64) x->r.u64[j] = x->a->u64[j] & x->b->u64[j]; }
static void k_andn(struct vx *x) { EACH(64) x->r.u64[j] = ~x->a->u64[j] & x->b->u64[j]; }
static void k_or(struct vx *x) { EACH(64) x->r.u64[j] = x->a->u64[j] | x->b->u64[j]; }
static void k_xor(struct vx *x) { EACH(64) x->r.u64[j] = x->a->u64[j] ^ x->b->u64[j]; }

/* Bit n of the immediate: the result where destination, first and second source are the bits of n. */
static void k_ternlog(struct vx *x) {
    EACH(64) {
        uint64_t r = 0, d = x->r.u64[j], a = x->a->u64[j], b = x->b->u64[j];
        for (unsigned n = 0; n < 8; n++)
            if (x->imm >> n & 1) r |= (n & 4 ? d : ~d) & (n & 2 ? a : ~a) & (n & 1 ? b : ~b);
        x->r.u64[j] = r;
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
