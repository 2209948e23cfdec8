/* x87 arithmetic on plain integers. SDM 1 "Programming with the x87 FPU" */
#include "sim/fp/soft_f80.h"

#include "sim/fp/x87.h"

/* Raises; is there still a result? */
bool x87_raise(struct fpu_regs *f, unsigned flags) {
    f->fsw |= (uint16_t)flags;
    return !(flags & ~f->fcw & FP_PRE);
}

struct rounding x87_rounding(const struct fpu_regs *f, bool controlled) {
    static const uint8_t digits[4] = {24, 64, 53, 64}; /* by PC; 01B is reserved */
    return (struct rounding){
        .to = layout_f80,
        .digits = controlled ? digits[f->fcw >> 8 & 3] : 64,
        .rc = f->fcw >> FCW_RC_SHIFT & 3,
        .unmasked = ~f->fcw & FP_ALL,
        .wrap = true,
    };
}

struct f80 x87_pack(struct fpu_regs *f, const struct number *n, bool controlled) {
    uint16_t sign = n->sign ? F80_SIGN : 0;
    if (n->class == NUM_ZERO) return (struct f80){.se = sign};
    if (n->class == NUM_INF) return (struct f80){.se = sign | F80_MAX_EXP, .sig = F80_INTEGER};
    if (is_nan(n)) return (struct f80){.se = sign | F80_MAX_EXP, .sig = (uint64_t)(n->sig >> 63) | F80_QUIET};
    struct rounding r = x87_rounding(f, controlled);
    struct rounded v = number_round(&r, n);
    f->fsw |= r.flags | (r.up ? FSW_C1 : 0);
    return (struct f80){.se = sign | (uint16_t)v.biased, .sig = v.sig};
}

/* SDM 1 "Operating with SNaNs and QNaNs", rules for x87: a quiet NaN before a signaling one, else the larger
 * significand, else the positive one. */
static const struct number *winning_nan(const struct number *a, const struct number *b) {
    if (!is_nan(b)) return a;
    if (!is_nan(a)) return b;
    if (a->class != b->class) return a->class == NUM_QNAN ? a : b;
    if (a->sig != b->sig) return a->sig > b->sig ? a : b;
    return a->sign ? b : a;
}

bool x87_special(struct fpu_regs *f, struct f80 *d, const struct number *n, unsigned count) {
    const struct number *a = &n[0], *b = &n[count - 1];
    bool unsupported = a->class == NUM_UNSUPPORTED || b->class == NUM_UNSUPPORTED;
    if (!unsupported && !is_nan(a) && !is_nan(b)) return false;
    bool invalid = unsupported || a->class == NUM_SNAN || b->class == NUM_SNAN;
    if (!x87_raise(f, invalid ? FP_IE : 0)) return true;
    *d = unsupported ? F80_INDEFINITE : x87_pack(f, winning_nan(a, b), false);
    return true;
}

void x87_finish(struct fpu_regs *f, struct f80 *d, unsigned raised, const struct number *n, unsigned count,
                struct number *r, bool controlled) {
    if (raised & FP_IE) {
        if (x87_raise(f, FP_IE)) *d = F80_INDEFINITE;
        return;
    }
    if (!raised && (n[0].denormal || n[count - 1].denormal)) raised = FP_DE;
    if (x87_raise(f, raised)) *d = x87_pack(f, r, controlled);
}

static void add(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b, bool negate) {
    struct number n[2] = {unpack_f80(a), unpack_f80(b)}, r;
    f->fsw &= (uint16_t)~FSW_C1;
    if (x87_special(f, d, n, 2)) return;
    n[1].sign ^= negate;
    x87_finish(f, d, number_add(&r, &n[0], &n[1], (enum fp_rc)(f->fcw >> FCW_RC_SHIFT & 3)), n, 2, &r, true);
}
void soft_f80_add(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    add(f, d, a, b, false);
}
void soft_f80_sub(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    add(f, d, a, b, true);
}

void soft_f80_mul(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    struct number n[2] = {unpack_f80(a), unpack_f80(b)}, r;
    f->fsw &= (uint16_t)~FSW_C1;
    if (!x87_special(f, d, n, 2)) x87_finish(f, d, number_mul(&r, &n[0], &n[1]), n, 2, &r, true);
}

void soft_f80_div(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b) {
    struct number n[2] = {unpack_f80(a), unpack_f80(b)}, r;
    f->fsw &= (uint16_t)~FSW_C1;
    if (!x87_special(f, d, n, 2)) x87_finish(f, d, number_div(&r, &n[0], &n[1]), n, 2, &r, true);
}

void soft_f80_sqrt(struct fpu_regs *f, struct f80 *d, const struct f80 *a) {
    struct number n = unpack_f80(a), r;
    f->fsw &= (uint16_t)~FSW_C1;
    if (!x87_special(f, d, &n, 1)) x87_finish(f, d, number_sqrt(&r, &n), &n, 1, &r, true);
}

static enum fp_less order(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet) {
    struct number n[2] = {unpack_f80(a), unpack_f80(b)};
    f->fsw &= (uint16_t)~FSW_C1;
    bool unordered = false, invalid = !quiet, denormal = false;
    for (unsigned k = 0; k < 2; k++) {
        unordered |= is_nan(&n[k]) || n[k].class == NUM_UNSUPPORTED;
        invalid |= n[k].class == NUM_SNAN || n[k].class == NUM_UNSUPPORTED;
        denormal |= n[k].denormal;
    }
    if (unordered) {
        x87_raise(f, invalid ? FP_IE : 0);
        return FP_UNORDERED;
    }
    x87_raise(f, denormal ? FP_DE : 0);
    int c = number_compare(&n[0], &n[1]);
    return c < 0 ? FP_LESS : c > 0 ? FP_GREATER : FP_EQUAL;
}

enum fp_less soft_f80_order(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet) {
    return order(f, a, b, quiet);
}

void soft_f80_compare(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet) {
    static const uint16_t codes[] = {
        [FP_EQUAL] = FSW_C3, [FP_LESS] = FSW_C0, [FP_GREATER] = 0, [FP_UNORDERED] = FSW_C3 | FSW_C2 | FSW_C0};
    enum fp_less o = order(f, a, b, quiet);
    f->fsw = (uint16_t)((f->fsw & ~FSW_CODE) | codes[o]); /* whether or not an exception is unmasked */
}

static void from_format(struct fpu_regs *f, struct f80 *d, enum fp_format from, uint64_t a) {
    struct number n = unpack(from, a);
    f->fsw &= (uint16_t)~FSW_C1;
    if (x87_special(f, d, &n, 1)) return;
    f->fsw |= n.denormal ? FP_DE : 0; /* unmasked, too, it does not keep the value out */
    *d = x87_pack(f, &n, false);
}
void soft_f80_from_f32(struct fpu_regs *f, struct f80 *d, uint32_t a) { from_format(f, d, FP32, a); }
void soft_f80_from_f64(struct fpu_regs *f, struct f80 *d, uint64_t a) { from_format(f, d, FP64, a); }

static uint64_t to_format(struct fpu_regs *f, enum fp_format to, const struct f80 *a) {
    struct number n = unpack_f80(a);
    f->fsw &= (uint16_t)~FSW_C1;
    if (n.class == NUM_SNAN || n.class == NUM_UNSUPPORTED) f->fsw |= FP_IE;
    if (n.class == NUM_UNSUPPORTED) return pack_indefinite(to);
    struct fp_env own = {.rc = f->fcw >> FCW_RC_SHIFT & 3, .unmasked = ~f->fcw & FP_ALL};
    bool up;
    uint64_t v = number_pack_up(&own, to, &n, &up);
    unsigned unmasked = own.flags & own.unmasked & (FP_OE | FP_UE);
    f->fsw |=
        unmasked ? unmasked : own.flags | (up ? FSW_C1 : 0); /* nothing is rounded for a store that is called off */
    return v;
}
uint32_t soft_f80_to_f32(struct fpu_regs *f, const struct f80 *a) { return (uint32_t)to_format(f, FP32, a); }
uint64_t soft_f80_to_f64(struct fpu_regs *f, const struct f80 *a) { return to_format(f, FP64, a); }
