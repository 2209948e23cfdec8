/* Integer elements made wider or narrower, one by one. */
#include "sim/vec/vec.h"

/* ---- wider: PMOVSX, PMOVZX ---- */

#define K_WIDEN(from, to)                                                                                              \
    static void k_sx##from##_##to(struct vx *x) { EACH(to) x->r.i##to[j] = x->b->i##from[j]; }                         \
    static void k_zx##from##_##to(struct vx *x) { EACH(to) x->r.u##to[j] = x->b->u##from[j]; }
K_WIDEN(8, 16)
K_WIDEN(8, 32)
K_WIDEN(8, 64)
K_WIDEN(16, 32)
K_WIDEN(16, 64)
K_WIDEN(32, 64)

#define WIDEN(from, to, part) (V_ES(to, from) | V_MEM_##part)

/* ---- narrower: truncated, or saturated to the signed or unsigned range of the result ---- */

#define K_NARROW(from, to)                                                                                             \
    static void k_trunc##from##_##to(struct vx *x) { EACH(from) x->r.u##to[j] = (uint##to##_t)x->b->u##from[j]; }      \
    static void k_sat##from##_##to(struct vx *x) {                                                                     \
        EACH(from) {                                                                                                   \
            const int##from##_t v = x->b->i##from[j];                                                                  \
            x->r.i##to[j] = v < INT##to##_MIN ? INT##to##_MIN : v > INT##to##_MAX ? INT##to##_MAX : (int##to##_t)v;    \
        }                                                                                                              \
    }                                                                                                                  \
    static void k_usat##from##_##to(struct vx *x) {                                                                    \
        EACH(from) {                                                                                                   \
            const uint##from##_t v = x->b->u##from[j];                                                                 \
            x->r.u##to[j] = v > UINT##to##_MAX ? UINT##to##_MAX : (uint##to##_t)v;                                     \
        }                                                                                                              \
    }
K_NARROW(16, 8)
K_NARROW(32, 8)
K_NARROW(32, 16)
K_NARROW(64, 8)
K_NARROW(64, 16)
K_NARROW(64, 32)

#define NARROW(from, to, part) (V_ES(to, from) | V_MEM_##part | V_DST_##part)

// clang-format off
#define SX(S, V, name, from, to, part)                                                                                 \
    S(PMOVSX##name, k_sx##from##_##to, WIDEN(from, to, part)) V(VPMOVSX##name, k_sx##from##_##to, WIDEN(from, to, part)) \
    S(PMOVZX##name, k_zx##from##_##to, WIDEN(from, to, part)) V(VPMOVZX##name, k_zx##from##_##to, WIDEN(from, to, part))
#define NARROWER(E, name, from, to, part)                                                                              \
    E(VPMOV##name, k_trunc##from##_##to, NARROW(from, to, part)) E(VPMOVS##name, k_sat##from##_##to, NARROW(from, to, part)) \
    E(VPMOVUS##name, k_usat##from##_##to, NARROW(from, to, part))
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    SX(S, V, BW, 8, 16, HALF) SX(S, V, BD, 8, 32, QUARTER) SX(S, V, BQ, 8, 64, EIGHTH)                                 \
    SX(S, V, WD, 16, 32, HALF) SX(S, V, WQ, 16, 64, QUARTER) SX(S, V, DQ, 32, 64, HALF)                                \
    NARROWER(E, WB, 16, 8, HALF) NARROWER(E, DB, 32, 8, QUARTER) NARROWER(E, QB, 64, 8, EIGHTH)                        \
    NARROWER(E, DW, 32, 16, HALF) NARROWER(E, QW, 64, 16, QUARTER) NARROWER(E, QD, 64, 32, HALF)
// clang-format on
VEC_TABLE(vec_group_narrow, ROWS);
