/* What kernels on integer elements share. Private to sim/vec/. */
#ifndef HVSIM_VEC_VEC_INT_H
#define HVSIM_VEC_VEC_INT_H

#include "sim/vec/vec.h"

/* The field of union vec and the type of elements: s is u or i */
#define INT_TYPE_u(bits)  uint##bits##_t
#define INT_TYPE_i(bits)  int##bits##_t
#define INT_TYPE(s, bits) INT_TYPE_##s(bits)

/* A chunk c_name works on 16 bytes, in local arrays, so that the compiler is free to make a few vector instructions of
 * it; kernel k_name does one after the other, short functions (sim/vec/vec_hot.h) use the chunk itself. INT_BINARY:
 * each element of the result from the elements a and b of the sources, in `expr`. */
#define INT_BINARY(name, s, bits, expr)                                                                                \
    OP_INLINE void c_##name(void *r_, const void *a_, const void *b_) {                                                \
        INT_TYPE(s, bits) va_[128 / bits], vb_[128 / bits], vr_[128 / bits];                                           \
        memcpy(va_, a_, 16);                                                                                           \
        memcpy(vb_, b_, 16);                                                                                           \
        for (unsigned j_ = 0; j_ < 128 / bits; j_++) {                                                                 \
            const INT_TYPE(s, bits) a = va_[j_], b = vb_[j_];                                                          \
            vr_[j_] = (INT_TYPE(s, bits))(expr);                                                                       \
        }                                                                                                              \
        memcpy(r_, vr_, 16);                                                                                           \
    }                                                                                                                  \
    static __attribute__((unused)) void k_##name(struct vx *x) {                                                       \
        for (unsigned o = 0; o < x->bytes; o += 16) c_##name(&x->r.u8[o], &x->a->u8[o], &x->b->u8[o]);                 \
    }
/* One source, `b` */
#define INT_UNARY(name, s, bits, expr)                                                                                 \
    static void k_##name(struct vx *x) {                                                                               \
        for (unsigned o = 0; o < x->bytes; o += 16) {                                                                  \
            INT_TYPE(s, bits) v_[128 / bits];                                                                          \
            memcpy(v_, &x->b->u8[o], 16);                                                                              \
            for (unsigned j_ = 0; j_ < 128 / bits; j_++) {                                                             \
                const INT_TYPE(s, bits) b = v_[j_];                                                                    \
                v_[j_] = (INT_TYPE(s, bits))(expr);                                                                    \
            }                                                                                                          \
            memcpy(&x->r.u8[o], v_, 16);                                                                               \
        }                                                                                                              \
    }

/* The widths of elements, X(bits) */
#define INT_BW(X)   X(8) X(16)
#define INT_BWD(X)  X(8) X(16) X(32)
#define INT_WDQ(X)  X(16) X(32) X(64)
#define INT_BWDQ(X) X(8) X(16) X(32) X(64)
#define INT_DQ(X)   X(32) X(64)

/* The upper half of high:low shifted left by n, the lower half of high:low shifted right; n counts modulo the element
 * size. A rotate has the same element twice. */
#define INT_DOUBLE_SHIFT(bits)                                                                                         \
    static inline uint##bits##_t vec_left_##bits(uint##bits##_t high, uint##bits##_t low, unsigned n) {                \
        n &= bits - 1;                                                                                                 \
        return (uint##bits##_t)(n ? (uint##bits##_t)(high << n) | low >> (bits - n) : high);                           \
    }                                                                                                                  \
    static inline uint##bits##_t vec_right_##bits(uint##bits##_t low, uint##bits##_t high, unsigned n) {               \
        n &= bits - 1;                                                                                                 \
        return (uint##bits##_t)(n ? low >> n | (uint##bits##_t)(high << (bits - n)) : low);                            \
    }
INT_BWDQ(INT_DOUBLE_SHIFT)
#undef INT_DOUBLE_SHIFT

static inline int32_t sat_i16(int32_t v) { return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v; }
static inline int64_t sat_i32(int64_t v) { return v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : v; }

/* The most significant bits of the elements (1 << log2 bytes) in the first `bytes` of v: 8 bytes at a time, the bits of
 * interest meet at the top of a product. */
static inline uint64_t vec_sign_bits(const union vec *v, unsigned bytes, unsigned log2) {
    static const struct {
        uint64_t mask, factor;
    } gather[4] = {
        {0x0101010101010101, 0x0102040810204080},
        {0x0001000100010001, 0x1000200040008000},
        {0x0000000100000001, 0x4000000080000000},
        {1,                  1ull << 63        }
    };
    const unsigned per = 8u >> log2, shift = (8u << log2) - 1;
    uint64_t bits = 0;
    for (unsigned q = 0; q < bytes / 8; q++)
        bits |= (v->u64[q] >> shift & gather[log2].mask) * gather[log2].factor >> (64 - per) << q * per;
    return bits;
}

#endif
