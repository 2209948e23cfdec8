/* Elements from places that are the same for all data, or given by the immediate; interleaving and packing. */
#include "sim/vec/vec_hot.h"

/* Lanes as they are for MMX too; o: the byte offset of the lane */
#define EACH_LANE_MMX(o) for (unsigned o = 0; o < x->bytes; o += x->lane)

/* ---- by bytes ---- */

static void k_pshufb(struct vx *x) {
    const unsigned last = x->lane - 1u;
    EACH(8) {
        const uint8_t c = x->b->u8[j];
        x->r.u8[j] = c & 0x80 ? 0 : x->a->u8[(j & ~last) | (c & last)];
    }
}

/* Lane by lane: the first source above the second, shifted right by imm bytes */
static void k_palignr(struct vx *x) {
    uint8_t both[3 * 16] = {0};
    const unsigned n = x->lane, by = x->imm < 2 * n ? x->imm : 2 * n;
    EACH_LANE_MMX(o) {
        memcpy(both, &x->b->u8[o], n);
        memcpy(both + n, &x->a->u8[o], n);
        memset(both + 2 * n, 0, 16);
        memcpy(&x->r.u8[o], both + by, n);
    }
}

static void align_whole(struct vx *x, unsigned esz) {
    uint8_t both[2 * 64];
    const unsigned by = ((unsigned)x->imm << esz) & (x->bytes - 1);
    memcpy(both, x->b, x->bytes);
    memcpy(both + x->bytes, x->a, x->bytes);
    memcpy(&x->r, both + by, x->bytes);
}
static void k_alignd(struct vx *x) { align_whole(x, 2); }
static void k_alignq(struct vx *x) { align_whole(x, 3); }

/* ---- by the immediate ---- */

static void k_pshufd(struct vx *x) { EACH(32) x->r.u32[j] = x->b->u32[(j & ~3u) | (x->imm >> (j & 3) * 2 & 3)]; }
static void shuffle_words(struct vx *x, unsigned at, unsigned kept) {
    for (unsigned o = 0; o < x->bytes / 2; o += 8) {
        for (unsigned j = 0; j < 4; j++) x->r.u16[o + at + j] = x->b->u16[o + at + (x->imm >> j * 2 & 3)];
        x->r.u64[(o + kept) / 4] = x->b->u64[(o + kept) / 4];
    }
}
static void k_pshuflw(struct vx *x) { shuffle_words(x, 0, 4); }
static void k_pshufhw(struct vx *x) { shuffle_words(x, 4, 0); }
static void k_pshufw(struct vx *x) {
    for (unsigned j = 0; j < 4; j++) x->r.u16[j] = x->b->u16[x->imm >> j * 2 & 3];
}

static void k_shufps(struct vx *x) {
    EACH(32) {
        const union vec *from = j & 2 ? x->b : x->a;
        x->r.u32[j] = from->u32[(j & ~3u) | (x->imm >> (j & 3) * 2 & 3)];
    }
}
static void k_shufpd(struct vx *x) {
    EACH(64) {
        const union vec *from = j & 1 ? x->b : x->a;
        x->r.u64[j] = from->u64[(j & ~1u) | (x->imm >> j & 1)];
    }
}

/* Blocks of 16 bytes: the lower half of the result from the first source, the upper one from the second */
static void k_shuf_blocks(struct vx *x) {
    const unsigned n = x->bytes / 16, bits = n / 2;
    for (unsigned j = 0; j < n; j++) {
        const union vec *from = j < n / 2 ? x->a : x->b;
        memcpy(&x->r.u8[j * 16], &from->u8[(x->imm >> j * bits & (n - 1)) * 16], 16);
    }
}

/* ---- interleave the low or high halves of lanes ---- */

#define K_UNPACK(bits)                                                                                                 \
    static inline void unpack##bits(struct vx *x, bool high) {                                                         \
        const unsigned n = x->lane * 8 / (bits);                                                                       \
        for (unsigned o = 0; o < x->bytes * 8 / (bits); o += n)                                                        \
            for (unsigned j = 0; j < n / 2; j++) {                                                                     \
                x->r.u##bits[o + 2 * j] = x->a->u##bits[o + j + (high ? n / 2 : 0)];                                   \
                x->r.u##bits[o + 2 * j + 1] = x->b->u##bits[o + j + (high ? n / 2 : 0)];                               \
            }                                                                                                          \
    }                                                                                                                  \
    static void k_unpckl##bits(struct vx *x) { unpack##bits(x, false); }                                               \
    static void k_unpckh##bits(struct vx *x) { unpack##bits(x, true); }
K_UNPACK(8)
K_UNPACK(16)
K_UNPACK(32)
K_UNPACK(64)

/* ---- pack with saturation: lane by lane, the first source below the second ---- */

#define CLAMP(v, low, high) ((v) < (low) ? (low) : (v) > (high) ? (high) : (v))
#define K_PACK(name, from, to, T, low, high)                                                                           \
    static void k_##name(struct vx *x) {                                                                               \
        const unsigned n = x->lane * 8 / (from);                                                                       \
        for (unsigned o = 0; o < x->bytes * 8 / (from); o += n)                                                        \
            for (unsigned j = 0; j < n; j++) {                                                                         \
                const int##from##_t a = x->a->i##from[o + j], b = x->b->i##from[o + j];                                \
                x->r.T##to[2 * o + j] = (T##to##_c)CLAMP(a, low, high);                                                \
                x->r.T##to[2 * o + n + j] = (T##to##_c)CLAMP(b, low, high);                                            \
            }                                                                                                          \
    }
typedef int8_t i8_c;
typedef int16_t i16_c;
typedef uint8_t u8_c;
typedef uint16_t u16_c;
K_PACK(packsswb, 16, 8, i, INT8_MIN, INT8_MAX)
K_PACK(packssdw, 32, 16, i, INT16_MIN, INT16_MAX)
K_PACK(packuswb, 16, 8, u, 0, UINT8_MAX)
K_PACK(packusdw, 32, 16, u, 0, UINT16_MAX)

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    MS(PSHUFB, k_pshufb, V_E(8)) V(VPSHUFB, k_pshufb, V_E(8))                                                          \
    MS(PALIGNR, k_palignr, V_E(8)) V(VPALIGNR, k_palignr, V_E(8))                                                      \
    E(VALIGND, k_alignd, V_E(32)) E(VALIGNQ, k_alignq, V_E(64))                                                        \
    S(PSHUFD, k_pshufd, V_E(32)) V(VPSHUFD, k_pshufd, V_E(32))                                                         \
    S(PSHUFLW, k_pshuflw, V_E(16)) V(VPSHUFLW, k_pshuflw, V_E(16))                                                     \
    S(PSHUFHW, k_pshufhw, V_E(16)) V(VPSHUFHW, k_pshufhw, V_E(16)) M(PSHUFW, k_pshufw, V_E(16))                        \
    S(SHUFPS, k_shufps, V_E(32)) V(VSHUFPS, k_shufps, V_E(32))                                                         \
    S(SHUFPD, k_shufpd, V_E(64)) V(VSHUFPD, k_shufpd, V_E(64))                                                         \
    E(VSHUFF32X4, k_shuf_blocks, V_E(32)) E(VSHUFI32X4, k_shuf_blocks, V_E(32))                                        \
    E(VSHUFF64X2, k_shuf_blocks, V_E(64)) E(VSHUFI64X2, k_shuf_blocks, V_E(64))                                        \
    M(PUNPCKLBW, k_unpckl8, V_E(8) | V_MEM_4) M(PUNPCKLWD, k_unpckl16, V_E(16) | V_MEM_4)                              \
    M(PUNPCKLDQ, k_unpckl32, V_E(32) | V_MEM_4)                                                                        \
    S(PUNPCKLBW, k_unpckl8, V_E(8) | V_MEM_LOW) S(PUNPCKLWD, k_unpckl16, V_E(16) | V_MEM_LOW) S(PUNPCKLDQ, k_unpckl32, V_E(32) | V_MEM_LOW)                \
    S(PUNPCKLQDQ, k_unpckl64, V_E(64) | V_MEM_LOW) S(PUNPCKHQDQ, k_unpckh64, V_E(64))                                              \
    MS(PUNPCKHBW, k_unpckh8, V_E(8)) MS(PUNPCKHWD, k_unpckh16, V_E(16)) MS(PUNPCKHDQ, k_unpckh32, V_E(32))             \
    V(VPUNPCKLBW, k_unpckl8, V_E(8)) V(VPUNPCKLWD, k_unpckl16, V_E(16)) V(VPUNPCKLDQ, k_unpckl32, V_E(32))             \
    V(VPUNPCKLQDQ, k_unpckl64, V_E(64)) V(VPUNPCKHQDQ, k_unpckh64, V_E(64))                                            \
    V(VPUNPCKHBW, k_unpckh8, V_E(8)) V(VPUNPCKHWD, k_unpckh16, V_E(16)) V(VPUNPCKHDQ, k_unpckh32, V_E(32))             \
    S(UNPCKLPS, k_unpckl32, V_E(32) | V_MEM_LOW) S(UNPCKHPS, k_unpckh32, V_E(32)) S(UNPCKLPD, k_unpckl64, V_E(64) | V_MEM_LOW)                 \
    S(UNPCKHPD, k_unpckh64, V_E(64)) V(VUNPCKLPS, k_unpckl32, V_E(32)) V(VUNPCKHPS, k_unpckh32, V_E(32))               \
    V(VUNPCKLPD, k_unpckl64, V_E(64)) V(VUNPCKHPD, k_unpckh64, V_E(64))                                                \
    MS(PACKSSWB, k_packsswb, V_ES(8, 16)) V(VPACKSSWB, k_packsswb, V_ES(8, 16))                                        \
    MS(PACKSSDW, k_packssdw, V_ES(16, 32)) V(VPACKSSDW, k_packssdw, V_ES(16, 32))                                      \
    MS(PACKUSWB, k_packuswb, V_ES(8, 16)) V(VPACKUSWB, k_packuswb, V_ES(8, 16))                                        \
    S(PACKUSDW, k_packusdw, V_ES(16, 32)) V(VPACKUSDW, k_packusdw, V_ES(16, 32))
// clang-format on
VEC_TABLE(vec_group_shuffle, ROWS);

/* ---- hot forms ---- */

typedef uint8_t chunk8 __attribute__((vector_size(16)));
typedef uint16_t chunk16 __attribute__((vector_size(16)));
typedef uint32_t chunk32 __attribute__((vector_size(16)));
typedef uint64_t chunk64 __attribute__((vector_size(16)));

#define C_UNPACK(name, bits, ...)                                                                                      \
    OP_INLINE void c_##name##bits(void *r, const void *a, const void *b) {                                             \
        chunk##bits x, y;                                                                                              \
        memcpy(&x, a, sizeof x);                                                                                       \
        memcpy(&y, b, sizeof y);                                                                                       \
        x = __builtin_shufflevector(x, y, __VA_ARGS__);                                                                \
        memcpy(r, &x, sizeof x);                                                                                       \
    }
C_UNPACK(unpckl, 8, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
C_UNPACK(unpckh, 8, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
C_UNPACK(unpckl, 16, 0, 8, 1, 9, 2, 10, 3, 11)
C_UNPACK(unpckh, 16, 4, 12, 5, 13, 6, 14, 7, 15)
C_UNPACK(unpckl, 32, 0, 4, 1, 5)
C_UNPACK(unpckh, 32, 2, 6, 3, 7)
C_UNPACK(unpckl, 64, 0, 2)
C_UNPACK(unpckh, 64, 1, 3)

OP_INLINE void c_shuffle32(void *r, const void *low, const void *high, unsigned imm) {
    const uint32_t *a = low, *b = high;
    const uint32_t w = a[imm & 3], x = a[imm >> 2 & 3], y = b[imm >> 4 & 3], z = b[imm >> 6];
    st64(r, w | (uint64_t)x << 32);
    st64((char *)r + 8, y | (uint64_t)z << 32);
}
#define C_PSHUFD(r, a, b) ((void)(a), c_shuffle32(r, b, b, i->imm8))
#define C_SHUFPS(r, a, b) c_shuffle32(r, a, b, i->imm8)

OP_INLINE void c_pshufb(void *r, const void *a, const void *b) {
    uint8_t from[16], to[16];
    const uint8_t *control = b;
    memcpy(from, a, 16);
    for (unsigned j = 0; j < 16; j++) to[j] = (uint8_t)(from[control[j] & 15] & ((int8_t)control[j] >= 0 ? 0xFF : 0));
    memcpy(r, to, 16);
}

// clang-format off
#define HOT(X)                                                                                                         \
    X(PUNPCKLBW, c_unpckl8) X(PUNPCKLWD, c_unpckl16) X(PUNPCKLDQ, c_unpckl32) X(PUNPCKLQDQ, c_unpckl64)                \
    X(PUNPCKHBW, c_unpckh8) X(PUNPCKHWD, c_unpckh16) X(PUNPCKHDQ, c_unpckh32) X(PUNPCKHQDQ, c_unpckh64)                \
    X(UNPCKLPS, c_unpckl32) X(UNPCKHPS, c_unpckh32) X(UNPCKLPD, c_unpckl64) X(UNPCKHPD, c_unpckh64)                    \
    X(PSHUFD, C_PSHUFD) X(SHUFPS, C_SHUFPS) X(PSHUFB, c_pshufb)
// clang-format on
VEC_HOT_INT(vec_hot_shuffle, HOT);
