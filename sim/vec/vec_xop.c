/* Integer instructions of XOP. APM 6 (APM 4 in older editions) "VPCMOV", "VPCOMB", "VPHADDBD", "VPMACSWW",
 * "VPMADCSWD", "VPPERM", "VPROTB", "VPSHAB", "VPSHLB" and their neighbours. */
#include "sim/vec/vec_int.h"

/* ---- choice ---- */

static void k_pcmov(struct vx *x) {
    EACH(64) x->r.u64[j] = (x->a->u64[j] & x->c->u64[j]) | (x->b->u64[j] & ~x->c->u64[j]);
}

static uint8_t reverse(uint8_t v) {
    v = (uint8_t)(v >> 4 | v << 4);
    v = (uint8_t)((v >> 2 & 0x33) | (v & 0x33) << 2);
    return (uint8_t)((v >> 1 & 0x55) | (v & 0x55) << 1);
}
/* Each byte of the selector: which of the 32 source bytes in bits 4-0, what becomes of it in bits 7-5 */
static void k_pperm(struct vx *x) {
    for (unsigned j = 0; j < 16; j++) {
        const uint8_t how = x->c->u8[j] >> 5, v = (x->c->u8[j] & 16 ? x->b : x->a)->u8[x->c->u8[j] & 15];
        const uint8_t sign = (uint8_t) - (v >> 7),
                      result[8] = {v, (uint8_t)~v, reverse(v), (uint8_t)~reverse(v), 0, 0xFF, sign, (uint8_t)~sign};
        x->r.u8[j] = result[how];
    }
}

/* ---- comparisons: LT, LE, GT, GE, EQ, NEQ, FALSE, TRUE ---- */

#define COMPARE(name, s, bits)                                                                                         \
    static void k_##name(struct vx *x) {                                                                               \
        for (unsigned j = 0; j < 128 / bits; j++) {                                                                    \
            const INT_TYPE(s, bits) a = x->a->s##bits[j], b = x->b->s##bits[j];                                        \
            const bool result[8] = {a<b, a <= b, a> b, a >= b, a == b, a != b, false, true};                           \
            x->r.i##bits[j] = (int##bits##_t) - result[x->imm & 7];                                                    \
        }                                                                                                              \
    }
#define KERNELS(bits) COMPARE(pcom##bits, i, bits) COMPARE(pcomu##bits, u, bits)
INT_BWDQ(KERNELS)
#undef KERNELS

/* ---- sums of neighbours ---- */

#define SUM(name, s, to, from)                                                                                         \
    static void k_##name(struct vx *x) {                                                                               \
        for (unsigned j = 0; j < 128 / to; j++) {                                                                      \
            INT_TYPE(s, to) sum = 0;                                                                                   \
            for (unsigned n = 0; n < to / from; n++)                                                                   \
                sum = (INT_TYPE(s, to))(sum + x->b->s##from[j * (to / from) + n]);                                     \
            x->r.s##to[j] = sum;                                                                                       \
        }                                                                                                              \
    }
#define KERNELS(to, from) SUM(sum##from##to, i, to, from) SUM(sumu##from##to, u, to, from)
KERNELS(16, 8)
KERNELS(32, 8)
KERNELS(64, 8)
KERNELS(32, 16)
KERNELS(64, 16)
KERNELS(64, 32)
#undef KERNELS

#define DIFFERENCE(name, to, from)                                                                                     \
    static void k_##name(struct vx *x) {                                                                               \
        for (unsigned j = 0; j < 128 / to; j++)                                                                        \
            x->r.i##to[j] = (int##to##_t)((int##to##_t)x->b->i##from[2 * j] - x->b->i##from[2 * j + 1]);               \
    }
DIFFERENCE(dif8, 16, 8)
DIFFERENCE(dif16, 32, 16)
DIFFERENCE(dif32, 64, 32)

/* ---- products added to the third source ---- */

static int64_t sat_add64(int64_t a, int64_t b) {
    int64_t r;
    return __builtin_add_overflow(a, b, &r) ? (b < 0 ? INT64_MIN : INT64_MAX) : r;
}

/* The element of 16 or 32 bits that is multiplied: its own in `from` = `to`, else the one at 2 * j + odd. Products fit
 * 64 bits. `put` wraps or saturates the sum. */
#define MAC(name, to, from, odd, put)                                                                                  \
    static void k_##name(struct vx *x) {                                                                               \
        for (unsigned j = 0; j < 128 / to; j++) {                                                                      \
            const unsigned at = to == from ? j : 2 * j + odd;                                                          \
            const int64_t product = (int64_t)x->a->i##from[at] * x->b->i##from[at], c = x->c->i##to[j];                \
            x->r.i##to[j] = (int##to##_t)(put);                                                                        \
        }                                                                                                              \
    }
#define WRAP ((uint64_t)product + (uint64_t)c)
MAC(macww, 16, 16, 0, WRAP)
MAC(macsww, 16, 16, 0, sat_i16((int32_t)(product + c)))
MAC(macwd, 32, 16, 1, WRAP)
MAC(macswd, 32, 16, 1, sat_i32(product + c))
MAC(macdd, 32, 32, 0, WRAP)
MAC(macsdd, 32, 32, 0, sat_i32(product + c))
MAC(macdql, 64, 32, 0, WRAP)
MAC(macsdql, 64, 32, 0, sat_add64(product, c))
MAC(macdqh, 64, 32, 1, WRAP)
MAC(macsdqh, 64, 32, 1, sat_add64(product, c))

static int64_t sum_of_words(const struct vx *x, unsigned j) {
    const int16_t *a = &x->a->i16[2 * j], *b = &x->b->i16[2 * j];
    return (int64_t)a[0] * b[0] + (int64_t)a[1] * b[1] + x->c->i32[j];
}
static void k_madcswd(struct vx *x) { EACH(32) x->r.i32[j] = (int32_t)sum_of_words(x, j); }
static void k_madcsswd(struct vx *x) { EACH(32) x->r.i32[j] = (int32_t)sat_i32(sum_of_words(x, j)); }

/* ---- shifts: a negative count, in the low byte of its element, is one to the right ---- */

/* Only as many bits of the count's absolute value matter as an element has positions. */
#define KERNELS(bits)                                                                                                  \
    static void k_prot##bits(struct vx *x) {                                                                           \
        for (unsigned j = 0; j < 128 / bits; j++)                                                                      \
            x->r.u##bits[j] = vec_left_##bits(x->a->u##bits[j], x->a->u##bits[j], (unsigned)x->b->u##bits[j]);         \
    }                                                                                                                  \
    static void k_prot##bits##_imm(struct vx *x) {                                                                     \
        for (unsigned j = 0; j < 128 / bits; j++)                                                                      \
            x->r.u##bits[j] = vec_left_##bits(x->b->u##bits[j], x->b->u##bits[j], x->imm);                             \
    }                                                                                                                  \
    static void k_psha##bits(struct vx *x) {                                                                           \
        for (unsigned j = 0; j < 128 / bits; j++) {                                                                    \
            const int count = x->b->i8[j * (bits / 8)];                                                                \
            x->r.i##bits[j] = (int##bits##_t)(count < 0 ? x->a->i##bits[j] >> (-count & (bits - 1))                    \
                                                        : (int##bits##_t)(x->a->u##bits[j] << (count & (bits - 1))));  \
        }                                                                                                              \
    }                                                                                                                  \
    static void k_pshl##bits(struct vx *x) {                                                                           \
        for (unsigned j = 0; j < 128 / bits; j++) {                                                                    \
            const int count = x->b->i8[j * (bits / 8)];                                                                \
            x->r.u##bits[j] = (uint##bits##_t)(count < 0 ? x->a->u##bits[j] >> (-count & (bits - 1))                   \
                                                         : x->a->u##bits[j] << (count & (bits - 1)));                  \
        }                                                                                                              \
    }
INT_BWDQ(KERNELS)
#undef KERNELS

// clang-format off
#define L V_E(64)
#define R (V_E(64) | V_MEM_FIRST)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    X(VPCMOV, k_pcmov, L) X(VPPERM, k_pperm, L)                                                                        \
    X(VPCOMB, k_pcom8, L) X(VPCOMW, k_pcom16, L) X(VPCOMD, k_pcom32, L) X(VPCOMQ, k_pcom64, L)                         \
    X(VPCOMUB, k_pcomu8, L) X(VPCOMUW, k_pcomu16, L) X(VPCOMUD, k_pcomu32, L) X(VPCOMUQ, k_pcomu64, L)                 \
    X(VPHADDBW, k_sum816, L) X(VPHADDBD, k_sum832, L) X(VPHADDBQ, k_sum864, L)                                         \
    X(VPHADDWD, k_sum1632, L) X(VPHADDWQ, k_sum1664, L) X(VPHADDDQ, k_sum3264, L)                                      \
    X(VPHADDUBW, k_sumu816, L) X(VPHADDUBD, k_sumu832, L) X(VPHADDUBQ, k_sumu864, L)                                   \
    X(VPHADDUWD, k_sumu1632, L) X(VPHADDUWQ, k_sumu1664, L) X(VPHADDUDQ, k_sumu3264, L)                                \
    X(VPHSUBBW, k_dif8, L) X(VPHSUBWD, k_dif16, L) X(VPHSUBDQ, k_dif32, L)                                             \
    X(VPMACSWW, k_macww, L) X(VPMACSSWW, k_macsww, L) X(VPMACSWD, k_macwd, L) X(VPMACSSWD, k_macswd, L)                \
    X(VPMACSDD, k_macdd, L) X(VPMACSSDD, k_macsdd, L) X(VPMACSDQL, k_macdql, L) X(VPMACSSDQL, k_macsdql, L)            \
    X(VPMACSDQH, k_macdqh, L) X(VPMACSSDQH, k_macsdqh, L) X(VPMADCSWD, k_madcswd, L) X(VPMADCSSWD, k_madcsswd, L)      \
    X(VPROTB, k_prot8, R) X(VPROTW, k_prot16, R) X(VPROTD, k_prot32, R) X(VPROTQ, k_prot64, R)                         \
    X(VPROTB_IMM, k_prot8_imm, L) X(VPROTW_IMM, k_prot16_imm, L) X(VPROTD_IMM, k_prot32_imm, L)                        \
    X(VPROTQ_IMM, k_prot64_imm, L)                                                                                     \
    X(VPSHAB, k_psha8, R) X(VPSHAW, k_psha16, R) X(VPSHAD, k_psha32, R) X(VPSHAQ, k_psha64, R)                         \
    X(VPSHLB, k_pshl8, R) X(VPSHLW, k_pshl16, R) X(VPSHLD, k_pshl32, R) X(VPSHLQ, k_pshl64, R)
// clang-format on
VEC_TABLE(vec_group_xop, ROWS);
