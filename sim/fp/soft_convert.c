/* Conversions between formats and integers, and rounding to integral values. */
#include "sim/fp/number.h"

static enum fp_rc rounding_mode(const struct fp_env *e, enum fp_rc rc) {
    return rc == FP_CURRENT ? (enum fp_rc)e->rc : rc;
}

uint64_t soft_to_int(struct fp_env *e, enum fp_format f, uint64_t a, enum fp_rc rc, unsigned bits, bool is_signed) {
    struct number n = number_operand(e, f, a);
    uint64_t top = 1ull << (bits - 1), mask = top | (top - 1);
    u128 limit = !is_signed ? (n.sign ? 0 : mask) : n.sign ? top : top - 1;
    bool inexact, up;
    u128 v = n.class == NUM_ZERO || n.class == NUM_FINITE ? number_to_integer(&n, rounding_mode(e, rc), &inexact, &up)
                                                          : ~(u128)0;
    if (v > limit) {
        fp_raise(e, FP_IE);
        return is_signed ? top : mask;
    }
    if (inexact) fp_raise(e, FP_PE);
    return (n.sign ? 0 - (uint64_t)v : (uint64_t)v) & mask;
}

uint64_t soft_from_int(struct fp_env *e, enum fp_format f, uint64_t a, bool is_signed) {
    struct number n;
    bool sign = is_signed && (int64_t)a < 0;
    number_from_integer(&n, sign, sign ? 0 - a : a);
    return number_pack(e, f, &n);
}

static uint64_t convert(struct fp_env *e, enum fp_format to, const struct number *n) {
    if (n->class == NUM_SNAN) fp_raise(e, FP_IE);
    if (n->denormal) fp_raise(e, FP_DE);
    if (e->flags & e->unmasked & FP_PRE) return 0;
    return number_pack(e, to, n);
}

uint64_t soft_convert(struct fp_env *e, enum fp_format to, enum fp_format from, uint64_t a) {
    struct number n = number_operand(e, from, a);
    return convert(e, to, &n);
}

/* A denormal is converted whatever DAZ says, and raises nothing. */
uint32_t soft_f16c_widen(struct fp_env *e, uint16_t a) {
    struct number n = unpack(FP16, a);
    n.denormal = false;
    return (uint32_t)convert(e, FP32, &n);
}

uint16_t soft_f16c_narrow(struct fp_env *e, uint32_t a, enum fp_rc rc) {
    struct fp_env own = *e;
    own.rc = (uint8_t)rounding_mode(e, rc);
    struct number n = number_operand(e, FP32, a);
    uint16_t v = (uint16_t)convert(&own, FP16, &n);
    e->flags = own.flags;
    return v;
}

/* Always to nearest, denormals are 0, nothing is raised. SDM 2, VCVTNEPS2BF16 */
uint16_t soft_bf16_narrow(uint32_t a) {
    struct fp_env own = {.rc = FP_NEAREST, .daz = true, .ftz = true};
    return (uint16_t)soft_convert(&own, BF16, FP32, a);
}

uint64_t soft_round(struct fp_env *e, enum fp_format f, uint64_t a, enum fp_rc rc, bool suppress_inexact,
                    unsigned scale) {
    struct number n = number_operand(e, f, a);
    if (n.class == NUM_SNAN) fp_raise(e, FP_IE);
    if (n.class != NUM_FINITE) return number_pack(e, f, &n);
    n.exp += (int32_t)scale;
    if (n.exp >= layouts[f].digits) return a;
    bool inexact, up, sign = n.sign;
    u128 v = number_to_integer(&n, rounding_mode(e, rc), &inexact, &up);
    if (inexact && !suppress_inexact) fp_raise(e, FP_PE);
    if (v == 0) return pack_zero(f, sign);
    number_normalise(&n, sign, v, NUM_TOP - (int32_t)scale);
    return number_pack(e, f, &n);
}

/* Each product is added with one rounding to nearest; denormals are 0 going in and coming out. SDM 2, VDPBF16PS */
uint32_t soft_dpbf16(uint32_t acc, uint32_t a, uint32_t b) {
    struct fp_env own = {.rc = FP_NEAREST, .daz = true, .ftz = true};
    uint64_t r = soft_fma(&own, FP32, a & 0xFFFF0000, b & 0xFFFF0000, acc, false, false);
    return (uint32_t)soft_fma(&own, FP32, a << 16, b << 16, r, false, false);
}
