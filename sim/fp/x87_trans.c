/* The transcendental instructions on plain integers: 127-digit arithmetic, rounded once. Results are those nearest to
 * the exact ones but for ties that 127 digits do not decide; trigonometric functions reduce by a pi of 66 digits, as
 * x87 units do. SDM 1 "Transcendental Instruction Accuracy", "Approximation of Pi"; SDM 2, the instructions' tables. */
#include "sim/fp/x87.h"

#define WIDE(high, low) ((u128)(high) << 64 | (low))

static const struct number pi = {.class = NUM_FINITE, .exp = 1, .sig = WIDE(0x6487ED5110B4611A, 0x62633145C06E0E69)};
static const struct number ln_2 = {.class = NUM_FINITE, .exp = -1, .sig = WIDE(0x58B90BFBE8E7BCD5, 0xE4F1D9CC01F97B57)};
static const struct number two_over_ln_2 = {
    .class = NUM_FINITE, .exp = 1, .sig = WIDE(0x5C551D94AE0BF85D, 0xDF43FF68348E9F45)};
static const struct number one = {.class = NUM_FINITE, .sig = (u128)1 << NUM_TOP};
static const struct number arc_tangents[8] = {
  /* of 1/8 to 8/8 */
    {.class = NUM_FINITE, .exp = -4, .sig = WIDE(0x7F56EA6AB0BDB719, 0x644BCC4F9F44477B)},
    {.class = NUM_FINITE, .exp = -3, .sig = WIDE(0x7D6DD7E4B203758A, 0xB6E3CF7AFBD10BF3)},
    {.class = NUM_FINITE, .exp = -2, .sig = WIDE(0x5BD86507937BC239, 0xC55190916E7F2241)},
    {.class = NUM_FINITE, .exp = -2, .sig = WIDE(0x76B19C1586ED3DA2, 0xB7F222F65E1D4681)},
    {.class = NUM_FINITE, .exp = -1, .sig = WIDE(0x47802EAF7BFACFCD, 0xAE41AF0B32E21BA3)},
    {.class = NUM_FINITE, .exp = -1, .sig = WIDE(0x525E3E8C9A7B8492, 0x0CD43F9522BED64F)},
    {.class = NUM_FINITE, .exp = -1, .sig = WIDE(0x5C029F15E118CF39, 0xE596D2A90852221F)},
    {.class = NUM_FINITE, .exp = -1, .sig = WIDE(0x6487ED5110B4611A, 0x62633145C06E0E69)},
};

/* ---- arithmetic on all 127 digits; results that are not exact have the lowest bit set ---- */

static struct number times(const struct number *a, const struct number *b) {
    struct number r = {.class = NUM_ZERO, .sign = a->sign ^ b->sign};
    if (a->class == NUM_ZERO || b->class == NUM_ZERO) return r;
    uint64_t ah = (uint64_t)(a->sig >> 64), al = (uint64_t)a->sig, bh = (uint64_t)(b->sig >> 64), bl = (uint64_t)b->sig;
    u128 low = (u128)al * bl, mid1 = (u128)ah * bl, mid2 = (u128)al * bh;
    u128 mid = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;
    u128 high = (u128)ah * bh + (mid1 >> 64) + (mid2 >> 64) + (mid >> 64);
    bool rest = (uint64_t)mid || (uint64_t)low;
    /* the product of two numbers with bit 126 on top has bit 252 or 253 on top */
    number_normalise(&r, r.sign, high << 2 | rest, a->exp + b->exp);
    return r;
}

static struct number over(const struct number *a, const struct number *b) {
    struct number r = {.class = NUM_ZERO, .sign = a->sign ^ b->sign};
    if (a->class == NUM_ZERO) return r;
    u128 rest = a->sig, q = 0;
    for (int k = 0; k <= NUM_TOP; k++) {
        q <<= 1;
        if (rest >= b->sig) {
            rest -= b->sig;
            q |= 1;
        }
        rest <<= 1;
    }
    number_normalise(&r, r.sign, q << 1 | (rest != 0), a->exp - b->exp - 1);
    return r;
}

static struct number over_integer(const struct number *a, uint64_t n) {
    struct number r = {.class = NUM_ZERO, .sign = a->sign};
    if (a->class == NUM_ZERO) return r;
    u128 q = a->sig / n;
    number_normalise(&r, a->sign, q << 1 | (q * n != a->sig), a->exp - 1);
    return r;
}

static struct number plus(const struct number *a, const struct number *b) {
    struct number r;
    number_add(&r, a, b, FP_NEAREST);
    return r;
}

static struct number negative(const struct number *a) {
    struct number r = *a;
    r.sign = !r.sign;
    return r;
}

static struct number integer(int64_t v) {
    struct number r;
    number_from_integer(&r, v < 0, (uint64_t)(v < 0 ? -v : v));
    return r;
}

/* ---- series; each is summed from its last term that matters in 127 digits ---- */

/* e^z - 1, |z| < 0.7 */
static struct number exponential_less_1(const struct number *z) {
    struct number sum = one;
    for (uint64_t n = 34; n > 1; n--) {
        struct number t = times(z, &sum);
        t = over_integer(&t, n);
        sum = plus(&one, &t);
    }
    return times(z, &sum);
}

/* 2 * artanh(s) / ln 2 = log2((1 + s) / (1 - s)), |s| < 0.18 */
static struct number log2_series(const struct number *s) {
    struct number square = times(s, s), sum = {.class = NUM_ZERO};
    for (uint64_t n = 53; n > 1; n -= 2) {
        struct number t = over_integer(&one, n);
        sum = plus(&sum, &t);
        sum = times(&sum, &square);
    }
    sum = plus(&one, &sum);
    sum = times(&sum, s);
    return times(&sum, &two_over_ln_2);
}

/* arctan(u) for |u| <= 1/16 */
static struct number arc_tangent_series(const struct number *u) {
    struct number square = times(u, u), sum = {.class = NUM_ZERO};
    square.sign = true;
    for (uint64_t n = 35; n > 1; n -= 2) {
        struct number t = over_integer(&one, n);
        sum = plus(&sum, &t);
        sum = times(&sum, &square);
    }
    sum = plus(&one, &sum);
    return times(&sum, u);
}

/* sin(r) (first = 1) or cos(r) (first = 0), |r| < 0.8 */
static struct number sine_series(const struct number *r, uint64_t first) {
    struct number square = times(r, r), sum = one;
    square.sign = true;
    for (uint64_t n = first + 34; n > first; n -= 2) {
        struct number t = times(&sum, &square);
        t = over_integer(&t, n * (n - 1));
        sum = plus(&one, &t);
    }
    return first ? times(&sum, r) : sum;
}

/* ---- functions ---- */

/* x > 0 */
static struct number log2_of(const struct number *x) {
    struct number m = *x, less, more, s, k;
    static const u128 root_2 = WIDE(0x5A827999FCEF3242, 0);
    m.exp = m.sig >= root_2 ? -1 : 0;
    k = integer(x->exp - m.exp);
    struct number minus_one = negative(&one);
    less = plus(&m, &minus_one);
    if (less.class == NUM_ZERO) return k;
    more = plus(&m, &one);
    s = over(&less, &more);
    s = log2_series(&s);
    return plus(&k, &s);
}

/* log2(1 + x), x > -1 */
static struct number log2_of_1_plus(const struct number *x) {
    if (x->exp >= -2) {
        struct number y = plus(&one, x);
        return log2_of(&y);
    }
    struct number two = integer(2), s;
    two = plus(&two, x);
    s = over(x, &two);
    return log2_series(&s);
}

/* 0 < t <= 1: by the nearest eighth, arctan t = arctan c + arctan((t - c) / (1 + t c)) */
static struct number arc_tangent(const struct number *t) {
    struct number eighths = *t;
    bool inexact, up;
    eighths.exp += 3;
    unsigned k = (unsigned)number_to_integer(&eighths, FP_NEAREST, &inexact, &up);
    if (k == 0) return arc_tangent_series(t);
    struct number c = integer(k), u, v;
    c.exp -= 3;
    v = times(t, &c);
    v = plus(&one, &v);
    c.sign = true;
    u = plus(t, &c);
    if (u.class == NUM_ZERO) return arc_tangents[k - 1];
    u = over(&u, &v);
    u = arc_tangent_series(&u);
    return plus(&arc_tangents[k - 1], &u);
}

/* The angle of the point (x, y), neither a NaN; both finite, or either infinite. */
static struct number angle(const struct number *x, const struct number *y) {
    struct number a = {.class = NUM_ZERO}, t;
    bool steep = number_compare_magnitude(y, x) > 0, infinite = x->class == NUM_INF && y->class == NUM_INF;
    const struct number *small = steep ? x : y, *big = steep ? y : x;
    if (infinite)
        a = arc_tangents[7];
    else if (small->class != NUM_ZERO && big->class != NUM_INF) {
        t = over(small, big);
        t.sign = false;
        a = arc_tangent(&t);
    }
    if (steep) {
        t = pi;
        t.exp--;
        a.sign = !x->sign;
        a = plus(&t, &a);
    } else if (x->sign) {
        a.sign = true;
        a = plus(&pi, &a);
    }
    a.sign = y->sign;
    return a;
}

/* x = quadrant * pi / 2 + *r with |r| <= pi / 4 and a pi of 66 digits. |x| < 2^63 */
static unsigned reduce(const struct number *x, struct number *r) {
    static const u128 half_pi = WIDE(3, 0x243F6A8885A308D3); /* in units of 2^-65 */
    *r = *x;
    if (x->exp < -1) return 0;
    u128 rest = x->sig >> 63;
    unsigned quadrant = 0;
    for (int k = 0; k < x->exp + 2; k++) {
        rest <<= 1;
        quadrant <<= 1;
        if (rest < half_pi) continue;
        rest -= half_pi;
        quadrant++;
    }
    bool beyond = rest > half_pi / 2;
    if (beyond) rest = half_pi - rest;
    quadrant += beyond;
    number_normalise(r, x->sign ^ beyond, rest, NUM_TOP - 65);
    return (x->sign ? 0 - quadrant : quadrant) & 3;
}

static struct number sine(const struct number *r, unsigned quadrant) {
    struct number s = sine_series(r, !(quadrant & 1));
    s.sign ^= quadrant >> 1 & 1;
    return s;
}

static struct number tangent(const struct number *r, unsigned quadrant) {
    if (!(quadrant & 1) && r->exp < -32) { /* r + r^3 / 3 */
        struct number t = times(r, r);
        t = over_integer(&t, 3);
        t = plus(&one, &t);
        return times(&t, r);
    }
    struct number s = sine_series(r, 1), c = sine_series(r, 0);
    if (!(quadrant & 1)) return over(&s, &c);
    c = over(&c, &s);
    return negative(&c);
}

/* ---- instructions ---- */

/* Round and deliver a result that counts as inexact even when it is exact. */
static void deliver(struct fpu_regs *f, struct f80 *d, struct number *r) {
    r->denormal = false;
    *d = x87_pack(f, r, false);
    f->fsw |= r->class != NUM_FINITE ? 0 : r->exp < 1 - F80_BIAS && !(d->sig & F80_INTEGER) ? FP_PE | FP_UE : FP_PE;
}

/* NaN and unsupported operands, denormals: is there something to compute? */
static bool begin(struct fpu_regs *f, struct f80 *d, const struct number *n, unsigned count, unsigned raised) {
    f->fsw &= (uint16_t)~FSW_C1;
    if (x87_special(f, d, n, count)) return false;
    if (!raised && (n[0].denormal || n[count - 1].denormal)) raised = FP_DE;
    if (!x87_raise(f, raised)) return false;
    if (raised & FP_IE) *d = F80_INDEFINITE;
    return !(raised & FP_IE);
}

static bool is_one(const struct number *n) { return n->class == NUM_FINITE && n->exp == 0 && n->sig == one.sig; }

void soft_f80_f2xm1(struct fpu_regs *f, struct f80 *d, const struct f80 *x) {
    struct number n = unpack_f80(x), r = n;
    if (!begin(f, d, &n, 1, 0)) return;
    if (n.class == NUM_INF && n.sign) r = negative(&one);
    if (n.class != NUM_FINITE) {
        *d = x87_pack(f, &r, false);
        return;
    }
    if (n.exp == 0 && n.sig == one.sig) { /* 1 is rounded as if it were less, as processors do; -1/2 is exact */
        r.exp = -1;
        if (!n.sign) r.sig = ((u128)2 << NUM_TOP) - 1;
    } else if (n.exp < 0) { /* beyond +-1 nothing is defined: the operand, as on processors */
        r = times(&n, &ln_2);
        r = exponential_less_1(&r);
    }
    deliver(f, d, &r);
}

void soft_f80_fyl2x(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y) {
    struct number n[2] = {unpack_f80(x), unpack_f80(y)}, r;
    const struct number *a = &n[0], *b = &n[1];
    bool nan = is_nan(a) || is_nan(b);
    unsigned raised = 0;
    if (!nan && a->sign && a->class != NUM_ZERO) raised = FP_IE;
    if (b->class == NUM_ZERO && (a->class == NUM_ZERO || a->class == NUM_INF)) raised = FP_IE;
    if (b->class == NUM_INF && is_one(a)) raised = FP_IE;
    if (b->class == NUM_FINITE && a->class == NUM_ZERO) raised = FP_ZE;
    if (!begin(f, d, n, 2, raised)) return;
    /* the logarithm's sign: + for x = 1, whose product with y is 0 */
    bool below_1 = a->class == NUM_ZERO || (a->class == NUM_FINITE && a->exp < 0);
    r = (struct number){.class = NUM_ZERO, .sign = b->sign ^ below_1};
    if (a->class != NUM_FINITE || b->class == NUM_INF)
        r.class = NUM_INF;
    else if (b->class != NUM_ZERO && !is_one(a)) {
        r = log2_of(a);
        r = times(&r, b);
    }
    deliver(f, d, &r);
}

void soft_f80_fyl2xp1(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y) {
    struct number n[2] = {unpack_f80(x), unpack_f80(y)}, r;
    const struct number *a = &n[0], *b = &n[1];
    unsigned raised = 0;
    if (a->class == NUM_INF && (a->sign || b->class == NUM_ZERO)) raised = FP_IE;
    if (a->class == NUM_ZERO && b->class == NUM_INF) raised = FP_IE;
    if (!begin(f, d, n, 2, raised)) return;
    r = (struct number){.class = NUM_ZERO, .sign = a->sign ^ b->sign};
    if (a->class == NUM_INF || b->class == NUM_INF)
        r.class = NUM_INF;
    else if (a->class == NUM_FINITE && b->class == NUM_FINITE) {
        if (a->sign && a->exp >= 0) /* log2 of 0 or less: nothing is defined; the operand, as on processors */
            r = *a;
        else {
            r = log2_of_1_plus(a);
            r = times(&r, b);
        }
    }
    deliver(f, d, &r);
}

void soft_f80_fpatan(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y) {
    struct number n[2] = {unpack_f80(x), unpack_f80(y)};
    if (!begin(f, d, n, 2, 0)) return;
    struct number r = angle(&n[0], &n[1]);
    deliver(f, d, &r);
}

/* What FSIN, FCOS, FSINCOS and FPTAN begin with. True when there is an angle to work on (0 for a zero); else all is
 * done, *d has the NaN if there is one, and the status word says the rest. */
static bool trigonometric(struct fpu_regs *f, struct f80 *d, const struct f80 *x, struct number *r,
                          unsigned *quadrant) {
    struct number n = unpack_f80(x);
    f->fsw &= (uint16_t) ~(FSW_C1 | FSW_C2);
    if (n.class == NUM_FINITE && n.exp >= 63) {
        f->fsw |= FSW_C2;
        *d = *x;
        return false;
    }
    if (!begin(f, d, &n, 1, n.class == NUM_INF ? FP_IE : 0)) return false;
    *quadrant = 0;
    *r = n;
    if (n.class == NUM_FINITE) *quadrant = reduce(&n, r);
    return true;
}

void soft_f80_fsin(struct fpu_regs *f, struct f80 *d, const struct f80 *x) {
    struct number r;
    unsigned quadrant;
    if (!trigonometric(f, d, x, &r, &quadrant)) return;
    if (r.class == NUM_FINITE) r = sine(&r, quadrant);
    deliver(f, d, &r);
}

void soft_f80_fcos(struct fpu_regs *f, struct f80 *d, const struct f80 *x) {
    struct number r;
    unsigned quadrant;
    if (!trigonometric(f, d, x, &r, &quadrant)) return;
    if (r.class == NUM_ZERO) {
        *d = x87_pack(f, &one, false);
        return;
    }
    r = sine(&r, quadrant + 1);
    deliver(f, d, &r);
}

/* C1 is that of the sine. `sin` may be x. */
void soft_f80_fsincos(struct fpu_regs *f, struct f80 *sin, struct f80 *cos, const struct f80 *x) {
    struct f80 s = *x, c = *x;
    soft_f80_fcos(f, &c, x);
    if (!(f->fsw & FSW_C2) && !f80_suppressed(f)) {
        soft_f80_fsin(f, &s, x);
        *cos = c;
    }
    if (!f80_suppressed(f)) *sin = s;
}

void soft_f80_fptan(struct fpu_regs *f, struct f80 *tan, struct f80 *pushed, const struct f80 *x) {
    struct number r;
    unsigned quadrant;
    if (!trigonometric(f, tan, x, &r, &quadrant)) {
        if (!f80_suppressed(f) && !(f->fsw & FSW_C2)) *pushed = *tan;
        return;
    }
    if (r.class == NUM_FINITE) r = tangent(&r, quadrant);
    deliver(f, tan, &r);
    *pushed = (struct f80){.sig = F80_INTEGER, .se = F80_BIAS};
}
