/* Encodings of the binary formats. SDM 1 "Floating-Point Data Types" */
#include "sim/fp/f80.h"
#include "sim/fp/number.h"

const struct layout layouts[] = {
    [FP16] = {.digits = 11, .width = 16, .emax = 15  },
    [BF16] = {.digits = 8,  .width = 16, .emax = 127 },
    [FP32] = {.digits = 24, .width = 32, .emax = 127 },
    [FP64] = {.digits = 53, .width = 64, .emax = 1023},
};
const struct layout layout_f80 = {.digits = 64, .width = 80, .emax = 16383};

/* `sig` has the integer bit in bit 63, or is denormal */
static struct number finite(bool sign, uint64_t sig, int32_t biased, int32_t emax) {
    struct number n = {.class = NUM_ZERO, .sign = sign};
    if (sig == 0) return n;
    number_normalise(&n, sign, (u128)sig << 63, (biased ? biased : 1) - emax);
    n.denormal = biased == 0;
    return n;
}

static struct number special(bool sign, uint64_t sig) {
    uint8_t class = sig << 1 == 0 ? NUM_INF : sig & F80_QUIET ? NUM_QNAN : NUM_SNAN;
    return (struct number){.class = class, .sign = sign, .sig = (u128)sig << 63};
}

struct number unpack(enum fp_format f, uint64_t bits) {
    const struct layout *l = &layouts[f];
    unsigned frac = l->digits - 1u;
    bool sign = bits >> (l->width - 1) & 1;
    int32_t biased = (int32_t)(bits >> frac) & (2 * l->emax + 1);
    uint64_t sig = bits << (64 - frac) >> 1;
    if (biased) sig |= F80_INTEGER;
    return biased == 2 * l->emax + 1 ? special(sign, sig) : finite(sign, sig, biased, l->emax);
}

struct number unpack_f80(const struct f80 *a) {
    bool sign = a->se & F80_SIGN;
    int32_t biased = a->se & F80_MAX_EXP;
    if (biased && !(a->sig & F80_INTEGER)) return (struct number){.class = NUM_UNSUPPORTED, .sign = sign};
    return biased == F80_MAX_EXP ? special(sign, a->sig) : finite(sign, a->sig, biased, F80_BIAS);
}

static uint64_t join(enum fp_format f, bool sign, int32_t biased, uint64_t sig) {
    const struct layout *l = &layouts[f];
    unsigned frac = l->digits - 1u;
    return (uint64_t)sign << (l->width - 1) | (uint64_t)biased << frac | sig << 1 >> (64 - frac);
}

uint64_t pack_nan(enum fp_format f, const struct number *n) {
    return join(f, n->sign, 2 * layouts[f].emax + 1, (uint64_t)(n->sig >> 63) | F80_QUIET);
}
uint64_t pack_inf(enum fp_format f, bool sign) { return join(f, sign, 2 * layouts[f].emax + 1, 0); }
uint64_t pack_zero(enum fp_format f, bool sign) { return join(f, sign, 0, 0); }
uint64_t pack_indefinite(enum fp_format f) { return join(f, true, 2 * layouts[f].emax + 1, F80_QUIET); }

/* DAZ and FTZ mean nothing to half precision. SDM 2, VCVTPS2PHX */
struct number number_operand(const struct fp_env *e, enum fp_format f, uint64_t bits) {
    struct number n = unpack(f, bits);
    if (n.denormal && e->daz && f != FP16) return (struct number){.class = NUM_ZERO, .sign = n.sign};
    return n;
}

uint64_t number_pack_up(struct fp_env *e, enum fp_format f, const struct number *n, bool *up) {
    *up = false;
    if (n->class == NUM_ZERO) return pack_zero(f, n->sign);
    if (n->class == NUM_INF) return pack_inf(f, n->sign);
    if (is_nan(n)) return pack_nan(f, n);
    struct rounding r = {.to = layouts[f],
                         .digits = layouts[f].digits,
                         .rc = e->rc,
                         .unmasked = e->unmasked,
                         .ftz = e->ftz && f != FP16};
    struct rounded v = number_round(&r, n);
    fp_raise(e, r.flags);
    *up = r.up;
    return join(f, n->sign, v.biased & (2 * layouts[f].emax + 1), v.sig);
}

uint64_t number_pack(struct fp_env *e, enum fp_format f, const struct number *n) {
    bool up;
    return number_pack_up(e, f, n, &up);
}
