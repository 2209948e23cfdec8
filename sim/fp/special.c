/* The special-purpose operations of AVX-512. SDM 2, the instructions' pages and tables. */
#include "sim/fp/number.h"

static bool nan_of(struct fp_env *e, enum fp_format f, const struct number *n, uint64_t *result) {
    if (!is_nan(n)) return false;
    if (n->class == NUM_SNAN) fp_raise(e, FP_IE);
    *result = pack_nan(f, n);
    return true;
}

static uint64_t invalid(struct fp_env *e, enum fp_format f) {
    fp_raise(e, FP_IE);
    return pack_indefinite(f);
}

static void raise_denormal(struct fp_env *e, const struct number *a) {
    if (a->denormal) fp_raise(e, FP_DE);
}

/* SDM 2, VSCALEFPD, "VSCALEFPD/SD Special Cases" */
uint64_t soft_scalef(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b) {
    struct number n = number_operand(e, f, a), m = number_operand(e, f, b);
    uint64_t nan;
    if (n.class == NUM_SNAN || m.class == NUM_SNAN) fp_raise(e, FP_IE);
    if (n.class == NUM_QNAN && m.class == NUM_INF) return m.sign ? pack_zero(f, false) : pack_inf(f, false);
    if (nan_of(e, f, &n, &nan) || nan_of(e, f, &m, &nan)) return nan;
    if (m.class == NUM_INF && n.class == (m.sign ? NUM_INF : NUM_ZERO)) return invalid(e, f);
    raise_denormal(e, &n); /* of the scale it is not looked for */
    if (m.class == NUM_INF) return m.sign ? pack_zero(f, n.sign) : pack_inf(f, n.sign);
    if (n.class == NUM_FINITE) {
        bool inexact, up;
        u128 by = number_to_integer(&m, FP_DOWN, &inexact, &up);
        int32_t scale = by < 0x10000 ? (int32_t)by : 0x10000;
        n.exp += m.sign ? -scale : scale;
    }
    return number_pack(e, f, &n);
}

uint64_t soft_getexp(struct fp_env *e, enum fp_format f, uint64_t a) {
    struct number n = number_operand(e, f, a);
    uint64_t nan;
    if (nan_of(e, f, &n, &nan)) return nan;
    raise_denormal(e, &n);
    if (n.class != NUM_FINITE) return pack_inf(f, n.class == NUM_ZERO);
    number_from_integer(&n, n.exp < 0, (uint64_t)(n.exp < 0 ? -n.exp : n.exp));
    return number_pack(e, f, &n);
}

/* imm[1:0]: the interval; imm[2]: the sign is dropped; imm[3]: negative operands are invalid */
uint64_t soft_getmant(struct fp_env *e, enum fp_format f, uint64_t a, unsigned imm) {
    struct number n = number_operand(e, f, a);
    uint64_t nan;
    if (nan_of(e, f, &n, &nan)) return nan;
    if (n.sign && (imm & 8) && n.class != NUM_ZERO) return invalid(e, f);
    raise_denormal(e, &n);
    if (imm & 4) n.sign = false;
    if (n.class != NUM_FINITE) {
        number_from_integer(&n, n.sign, 1);
        return number_pack(e, f, &n);
    }
    bool above = n.sig >> (NUM_TOP - 1) & 1; /* at least 1.5 */
    switch (imm & 3) {
    case 0:
        n.exp = 0;
        break; /* [1, 2) */
    case 1:
        n.exp = -(n.exp & 1);
        break; /* [1/2, 2) */
    case 2:
        n.exp = -1;
        break; /* [1/2, 1) */
    case 3:
        n.exp = above ? -1 : 0;
        break;
    }
    return number_pack(e, f, &n);
}

/* imm[1:0]: minimum, maximum, and those of absolute values; imm[3:2]: where the sign comes from */
uint64_t soft_range(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, unsigned imm) {
    struct number n = number_operand(e, f, a), m = number_operand(e, f, b);
    uint64_t nan, sign_bit = 1ull << (layouts[f].width - 1);
    if (n.class == NUM_SNAN && nan_of(e, f, &n, &nan)) return nan;
    if (m.class == NUM_SNAN && nan_of(e, f, &m, &nan)) return nan;
    if (n.class == NUM_ZERO) a &= sign_bit;
    if (m.class == NUM_ZERO) b &= sign_bit;
    uint64_t r;
    if (m.class == NUM_QNAN || n.class == NUM_QNAN)
        r = m.class == NUM_QNAN ? a : b;
    else {
        raise_denormal(e, &n);
        raise_denormal(e, &m);
        int order = imm & 2 ? number_compare_magnitude(&n, &m) : number_compare(&n, &m);
        if (order == 0) order = (m.sign > n.sign) - (m.sign < n.sign); /* the negative is less */
        r = (order <= 0) == !(imm & 1) ? a : b;
    }
    switch (imm >> 2 & 3) {
    case 0:
        return (r & ~sign_bit) | (a & sign_bit);
    case 1:
        return r;
    case 2:
        return r & ~sign_bit;
    default:
        return r | sign_bit;
    }
}

/* a less its value rounded as imm says: imm[7:4] fraction bits, imm[3] no PE, imm[2] MXCSR.RC, imm[1:0] RC */
uint64_t soft_reduce(struct fp_env *e, enum fp_format f, uint64_t a, unsigned imm) {
    struct number n = number_operand(e, f, a), r;
    enum fp_rc rc = imm & 4 ? (enum fp_rc)e->rc : (enum fp_rc)(imm & 3);
    uint64_t nan;
    if (nan_of(e, f, &n, &nan)) return nan;
    if (n.class != NUM_FINITE) return pack_zero(f, n.class == NUM_ZERO && rc == FP_DOWN);
    /* the difference is what may be inexact, not the integer on the way to it */
    struct number rounded = unpack(f, soft_round(e, f, a, rc, true, imm >> 4));
    rounded.sign ^= true;
    number_add(&r, &n, &rounded, rc);
    struct fp_env own = *e;
    own.rc = (uint8_t)rc;
    own.ftz = e->ftz && !(e->unmasked & FP_UE);
    own.flags = own.unmasked = 0; /* underflow is not reported */
    uint64_t v = number_pack(&own, f, &r);
    fp_raise(e, own.flags & (imm & 8 ? FP_IE : FP_IE | FP_PE));
    return v;
}

enum token { TOK_QNAN, TOK_SNAN, TOK_ZERO, TOK_ONE, TOK_NEG_INF, TOK_POS_INF, TOK_NEG_VALUE, TOK_POS_VALUE };

static enum token classify(enum fp_format f, const struct number *n, uint64_t bits) {
    struct number one;
    struct fp_env plain = {0};
    number_from_integer(&one, false, 1);
    switch (n->class) {
    case NUM_QNAN:
        return TOK_QNAN;
    case NUM_SNAN:
        return TOK_SNAN;
    case NUM_ZERO:
        return TOK_ZERO;
    case NUM_INF:
        return n->sign ? TOK_NEG_INF : TOK_POS_INF;
    default:
        if (bits == number_pack(&plain, f, &one)) return TOK_ONE;
        return n->sign ? TOK_NEG_VALUE : TOK_POS_VALUE;
    }
}

/* SDM 2, VFIXUPIMMPD: what imm8 raises */
static unsigned fixup_flags(enum token t, unsigned imm) {
    static const struct {
        uint8_t token, flag;
    } bits[8] = {
        {TOK_ZERO,      FP_ZE},
        {TOK_ZERO,      FP_IE},
        {TOK_ONE,       FP_ZE},
        {TOK_ONE,       FP_IE},
        {TOK_SNAN,      FP_IE},
        {TOK_NEG_INF,   FP_IE},
        {TOK_NEG_VALUE, FP_IE},
        {TOK_POS_INF,   FP_IE},
    };
    unsigned flags = 0;
    for (unsigned k = 0; k < 8; k++)
        if (imm >> k & 1 && bits[k].token == t) flags |= bits[k].flag;
    return flags;
}

/* The constants among the responses: 2^exp times an integer */
static uint64_t fixup_constant(enum fp_format f, unsigned response) {
    static const uint64_t half_pi = 0xC90FDAA22168C235;
    struct fp_env plain = {0};
    struct number n;
    switch (response) {
    case 9:
    case 10:
        number_from_integer(&n, response == 9, 1);
        break;
    case 11:
        number_normalise(&n, false, 1, NUM_TOP - 1);
        break;
    case 12:
        number_from_integer(&n, false, 90);
        break;
    case 13:
        number_normalise(&n, false, half_pi, NUM_TOP - 63);
        break;
    default:
        plain.rc = FP_ZERO;
        number_normalise(&n, response == 15, 1, 2 * NUM_TOP + layouts[f].emax);
        break;
    }
    return number_pack(&plain, f, &n);
}

uint64_t soft_fixupimm(struct fp_env *e, enum fp_format f, uint64_t dst, uint64_t src, uint64_t table, unsigned imm) {
    struct number n = number_operand(e, f, src);
    if (n.class == NUM_ZERO) src = pack_zero(f, n.sign);
    enum token t = classify(f, &n, src);
    unsigned response = table >> (4 * t) & 15;
    fp_raise(e, fixup_flags(t, imm));
    switch (response) {
    case 0:
        return dst;
    case 1:
        return src;
    case 2:
        return src | pack_nan(f, &(struct number){.class = NUM_QNAN});
    case 3:
        return pack_indefinite(f);
    case 4:
    case 5:
        return pack_inf(f, response == 4);
    case 6:
        return pack_inf(f, n.sign);
    case 7:
    case 8:
        return pack_zero(f, response == 7);
    default:
        return fixup_constant(f, response);
    }
}
