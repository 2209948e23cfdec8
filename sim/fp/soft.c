/* SSE, AVX and AVX-512 arithmetic and comparison on plain integers. SDM 1 "SSE and SSE2 SIMD Floating-Point
 * Exceptions", "Operating with NaNs" */
#include <stddef.h>

#include "sim/fp/number.h"

/* The first NaN of the operands, quieted; IE when any is signaling. */
static bool nan_result(struct fp_env *e, enum fp_format f, const struct number *n, unsigned count, uint64_t *result) {
    const struct number *first = NULL;
    for (unsigned k = 0; k < count; k++) {
        if (n[k].class == NUM_SNAN) fp_raise(e, FP_IE);
        if (!first && is_nan(&n[k])) first = &n[k];
    }
    if (first) *result = pack_nan(f, first);
    return first;
}

static void raise_denormal(struct fp_env *e, const struct number *n, unsigned count) {
    for (unsigned k = 0; k < count; k++)
        if (n[k].denormal) fp_raise(e, FP_DE);
}

/* The end of an operation: what number_*() said, then the operands' denormals, then rounding. */
static uint64_t finish(struct fp_env *e, enum fp_format f, unsigned raised, const struct number *n, unsigned count,
                       struct number *r) {
    fp_raise(e, raised);
    if (raised & FP_IE) return pack_indefinite(f);
    if (!(raised & FP_ZE)) raise_denormal(e, n, count);
    r->denormal = false;
    if (e->flags & e->unmasked & FP_PRE) return 0; /* no result: rounding raises nothing any more */
    return number_pack(e, f, r);
}

static uint64_t add(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, bool negate) {
    struct number n[2] = {number_operand(e, f, a), number_operand(e, f, b)}, r;
    uint64_t nan;
    if (nan_result(e, f, n, 2, &nan)) return nan;
    n[1].sign ^= negate;
    return finish(e, f, number_add(&r, &n[0], &n[1], (enum fp_rc)e->rc), n, 2, &r);
}
uint64_t soft_add(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) { return add(e, f, a, b, false); }
uint64_t soft_sub(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) { return add(e, f, a, b, true); }

uint64_t soft_mul(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) {
    struct number n[2] = {number_operand(e, f, a), number_operand(e, f, b)}, r;
    uint64_t nan;
    if (nan_result(e, f, n, 2, &nan)) return nan;
    return finish(e, f, number_mul(&r, &n[0], &n[1]), n, 2, &r);
}

uint64_t soft_div(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) {
    struct number n[2] = {number_operand(e, f, a), number_operand(e, f, b)}, r;
    uint64_t nan;
    if (nan_result(e, f, n, 2, &nan)) return nan;
    return finish(e, f, number_div(&r, &n[0], &n[1]), n, 2, &r);
}

uint64_t soft_sqrt(struct fp_env *e, enum fp_format f, uint64_t a) {
    struct number n = number_operand(e, f, a), r;
    uint64_t nan;
    if (nan_result(e, f, &n, 1, &nan)) return nan;
    return finish(e, f, number_sqrt(&r, &n), &n, 1, &r);
}

uint64_t soft_fma(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, uint64_t c, bool neg_product,
                  bool neg_addend) {
    struct number n[3] = {number_operand(e, f, a), number_operand(e, f, b), number_operand(e, f, c)}, product, r;
    uint64_t nan;
    if (nan_result(e, f, n, 3, &nan)) return nan;
    unsigned raised = number_mul(&product, &n[0], &n[1]);
    n[2].sign ^= neg_addend;
    if (!raised) {
        product.sign ^= neg_product;
        raised = number_add(&r, &product, &n[2], (enum fp_rc)e->rc);
    }
    return finish(e, f, raised, n, 3, &r);
}

/* MIN and MAX: the second operand unless the first is the lesser (greater). Any NaN is invalid. */
static uint64_t min_max(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, int wanted) {
    struct number n[2] = {number_operand(e, f, a), number_operand(e, f, b)};
    bool first = false;
    if (is_nan(&n[0]) || is_nan(&n[1]))
        fp_raise(e, FP_IE);
    else {
        raise_denormal(e, n, 2);
        first = number_compare(&n[0], &n[1]) == wanted;
    }
    const struct number *r = &n[first ? 0 : 1];
    return r->class == NUM_ZERO ? pack_zero(f, r->sign) : first ? a : b;
}
uint64_t soft_min(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) { return min_max(e, f, a, b, -1); }
uint64_t soft_max(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) { return min_max(e, f, a, b, 1); }

enum fp_less soft_order(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, bool quiet) {
    struct number n[2] = {number_operand(e, f, a), number_operand(e, f, b)};
    if (is_nan(&n[0]) || is_nan(&n[1])) {
        if (!quiet || n[0].class == NUM_SNAN || n[1].class == NUM_SNAN) fp_raise(e, FP_IE);
        return FP_UNORDERED;
    }
    raise_denormal(e, n, 2);
    int c = number_compare(&n[0], &n[1]);
    return c < 0 ? FP_LESS : c > 0 ? FP_GREATER : FP_EQUAL;
}

bool soft_cmp(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, unsigned predicate) {
    /* for which orders a predicate holds; 16-31 have the results of 0-15 */
    enum { EQ = 1 << FP_EQUAL, LT = 1 << FP_LESS, GT = 1 << FP_GREATER, UN = 1 << FP_UNORDERED };
    static const uint8_t holds[16] = {
        EQ,      LT,      LT | EQ,      UN, LT | GT | UN, EQ | GT | UN, GT | UN, LT | GT | EQ,
        EQ | UN, LT | UN, LT | EQ | UN, 0,  LT | GT,      GT | EQ,      GT,      LT | GT | EQ | UN,
    };
    /* bit n: predicate n raises IE for quiet NaNs */
    static const uint32_t signals = 0x99996666;
    bool quiet = !(signals >> (predicate & 31) & 1);
    return holds[predicate & 15] >> soft_order(e, f, a, b, quiet) & 1;
}
