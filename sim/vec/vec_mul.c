/* Integer products, and sums of products. SDM 2 "PMULLW", "PMULHRSW", "PMADDWD", "PMADDUBSW", "VPMADD52LUQ",
 * "VPDPBUSD", "VPDPWSSD" and their neighbours; APM 5 "PMULHRW". */
#include "sim/vec/vec_hot.h"
#include "sim/vec/vec_int.h"

INT_BINARY(mull16, u, 16, (uint32_t)a *b)
INT_BINARY(mull32, u, 32, a *b)
INT_BINARY(mull64, u, 64, a *b)
INT_BINARY(mulh16, i, 16, (a * b) >> 16)
INT_BINARY(mulhu16, u, 16, ((uint32_t)a * b) >> 16)
INT_BINARY(mulhrs16, i, 16, (((a * b) >> 14) + 1) >> 1)
INT_BINARY(mulhr16, i, 16, (a * b + 0x8000) >> 16)
/* the even elements only */
INT_BINARY(muldq, i, 64, (int64_t)(int32_t)a *(int32_t)b)
INT_BINARY(muludq, u, 64, (uint64_t)(uint32_t)a *(uint32_t)b)

static void k_maddwd(struct vx *x) {
    EACH(32) {
        const int16_t *a = &x->a->i16[2 * j], *b = &x->b->i16[2 * j];
        x->r.u32[j] = (uint32_t)(a[0] * b[0]) + (uint32_t)(a[1] * b[1]);
    }
}
static void k_maddubsw(struct vx *x) {
    EACH(16) {
        const uint8_t *a = &x->a->u8[2 * j];
        const int8_t *b = &x->b->i8[2 * j];
        x->r.i16[j] = (int16_t)sat_i16(a[0] * b[0] + a[1] * b[1]);
    }
}

/* ---- added to the destination ---- */

#define LOW52 (~0ull >> 12)
static inline unsigned __int128 product52(uint64_t a, uint64_t b) {
    return (unsigned __int128)(a & LOW52) * (b & LOW52);
}
static void k_madd52l(struct vx *x) { EACH(64) x->r.u64[j] += (uint64_t)product52(x->a->u64[j], x->b->u64[j]) & LOW52; }
static void k_madd52h(struct vx *x) { EACH(64) x->r.u64[j] += (uint64_t)(product52(x->a->u64[j], x->b->u64[j]) >> 52); }

/* Four products of unsigned and signed bytes, two of signed words. They can't overflow 64 bits: the sum saturates or
 * wraps at the end. */
static inline int64_t dot_bytes(const struct vx *x, unsigned j) {
    const uint8_t *a = &x->a->u8[4 * j];
    const int8_t *b = &x->b->i8[4 * j];
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}
static inline int64_t dot_words(const struct vx *x, unsigned j) {
    const int16_t *a = &x->a->i16[2 * j], *b = &x->b->i16[2 * j];
    return (int64_t)(a[0] * b[0]) + a[1] * b[1];
}
static void k_dpbusd(struct vx *x) { EACH(32) x->r.u32[j] += (uint32_t)dot_bytes(x, j); }
static void k_dpbusds(struct vx *x) { EACH(32) x->r.i32[j] = (int32_t)sat_i32(x->r.i32[j] + dot_bytes(x, j)); }
static void k_dpwssd(struct vx *x) { EACH(32) x->r.u32[j] += (uint32_t)dot_words(x, j); }
static void k_dpwssds(struct vx *x) { EACH(32) x->r.i32[j] = (int32_t)sat_i32(x->r.i32[j] + dot_words(x, j)); }

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    MS(PMULLW, k_mull16, V_E(16)) MS(PMULHW, k_mulh16, V_E(16)) MS(PMULHUW, k_mulhu16, V_E(16))                        \
    MS(PMULHRSW, k_mulhrs16, V_E(16)) M(PMULHRW, k_mulhr16, V_E(16)) S(PMULLD, k_mull32, V_E(32))                      \
    S(PMULDQ, k_muldq, V_E(64)) MS(PMULUDQ, k_muludq, V_E(64))                                                         \
    MS(PMADDWD, k_maddwd, V_E(32)) MS(PMADDUBSW, k_maddubsw, V_E(16))                                                  \
    V(VPMULLW, k_mull16, V_E(16)) V(VPMULHW, k_mulh16, V_E(16)) V(VPMULHUW, k_mulhu16, V_E(16))                        \
    V(VPMULHRSW, k_mulhrs16, V_E(16)) V(VPMULLD, k_mull32, V_E(32)) E(VPMULLQ, k_mull64, V_E(64))                      \
    V(VPMULDQ, k_muldq, V_E(64)) V(VPMULUDQ, k_muludq, V_E(64))                                                        \
    V(VPMADDWD, k_maddwd, V_E(32)) V(VPMADDUBSW, k_maddubsw, V_E(16))                                                  \
    V(VPMADD52LUQ, k_madd52l, V_E(64) | V_RMW) V(VPMADD52HUQ, k_madd52h, V_E(64) | V_RMW)                              \
    V(VPDPBUSD, k_dpbusd, V_E(32) | V_RMW) V(VPDPBUSDS, k_dpbusds, V_E(32) | V_RMW)                                    \
    V(VPDPWSSD, k_dpwssd, V_E(32) | V_RMW) V(VPDPWSSDS, k_dpwssds, V_E(32) | V_RMW)
// clang-format on
VEC_TABLE(vec_group_mul, ROWS);

#define HOT(X) X(PMULLW, c_mull16) X(PMULUDQ, c_muludq) X(PMULLD, c_mull32)
VEC_HOT_INT(vec_hot_mul, HOT);
