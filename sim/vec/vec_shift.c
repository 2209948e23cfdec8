/* Shifts and rotates. SDM 2 "PSLLW/PSLLD/PSLLQ", "PSLLDQ", "VPSLLVW/VPSLLVD/VPSLLVQ", "PROLD/PROLVD", "VPSHLD",
 * "VPSHLDV" and their neighbours. */
#include "sim/vec/vec_hot.h"
#include "sim/vec/vec_int.h"

/* Counts from the element size on leave zeros, or signs. */
#define KERNELS(bits)                                                                                                  \
    INT_BINARY(sllv##bits, u, bits, b < bits ? (uint64_t)a << b : 0)                                                   \
    INT_BINARY(srlv##bits, u, bits, b < bits ? a >> b : 0)                                                             \
    INT_BINARY(srav##bits, i, bits, a >> (INT_TYPE(u, bits))((INT_TYPE(u, bits))b < bits ? b : bits - 1))
INT_WDQ(KERNELS)
#undef KERNELS

/* The same count for all: 64 bits of a register, or the immediate. Chunks as in sim/vec/vec_int.h. */
#define SHIFT(name, s, bits, expr)                                                                                     \
    OP_INLINE void c_##name(void *r_, const void *a_, uint64_t count) {                                                \
        INT_TYPE(s, bits) v_[128 / bits];                                                                              \
        memcpy(v_, a_, 16);                                                                                            \
        for (unsigned j_ = 0; j_ < 128 / bits; j_++) {                                                                 \
            const INT_TYPE(s, bits) a = v_[j_];                                                                        \
            v_[j_] = (INT_TYPE(s, bits))(expr);                                                                        \
        }                                                                                                              \
        memcpy(r_, v_, 16);                                                                                            \
    }                                                                                                                  \
    static void k_##name(struct vx *x) {                                                                               \
        const uint64_t count = x->b->u64[0];                                                                           \
        for (unsigned o = 0; o < x->bytes; o += 16) c_##name(&x->r.u8[o], &x->a->u8[o], count);                        \
    }                                                                                                                  \
    static void k_##name##_imm(struct vx *x) {                                                                         \
        const uint64_t count = x->imm;                                                                                 \
        for (unsigned o = 0; o < x->bytes; o += 16) c_##name(&x->r.u8[o], &x->b->u8[o], count);                        \
    }
#define KERNELS(bits)                                                                                                  \
    SHIFT(sll##bits, u, bits, count < bits ? (INT_TYPE(u, bits))(a << (count & (bits - 1))) : 0)                       \
    SHIFT(srl##bits, u, bits, count < bits ? a >> (count & (bits - 1)) : 0)                                            \
    SHIFT(sra##bits, i, bits, a >> (count < bits ? count : bits - 1))
INT_WDQ(KERNELS)
#undef KERNELS

/* ---- bytes in a lane ---- */

static void k_slldq(struct vx *x) {
    const unsigned n = x->imm < 16 ? x->imm : 16;
    EACH_LANE(o) {
        memset(&x->r.u8[o], 0, 16);
        memcpy(&x->r.u8[o + n], &x->b->u8[o], 16 - n);
    }
}
static void k_srldq(struct vx *x) {
    const unsigned n = x->imm < 16 ? x->imm : 16;
    EACH_LANE(o) {
        memset(&x->r.u8[o], 0, 16);
        memcpy(&x->r.u8[o], &x->b->u8[o + n], 16 - n);
    }
}

/* ---- rotates, and shifts of two elements ---- */

#define KERNELS(bits)                                                                                                  \
    static void k_shld##bits(struct vx *x) {                                                                           \
        EACH(bits) x->r.u##bits[j] = vec_left_##bits(x->a->u##bits[j], x->b->u##bits[j], x->imm);                      \
    }                                                                                                                  \
    static void k_shrd##bits(struct vx *x) {                                                                           \
        EACH(bits) x->r.u##bits[j] = vec_right_##bits(x->a->u##bits[j], x->b->u##bits[j], x->imm);                     \
    }                                                                                                                  \
    static void k_shldv##bits(struct vx *x) {                                                                          \
        EACH(bits) x->r.u##bits[j] = vec_left_##bits(x->r.u##bits[j], x->a->u##bits[j], (unsigned)x->b->u##bits[j]);   \
    }                                                                                                                  \
    static void k_shrdv##bits(struct vx *x) {                                                                          \
        EACH(bits) x->r.u##bits[j] = vec_right_##bits(x->r.u##bits[j], x->a->u##bits[j], (unsigned)x->b->u##bits[j]);  \
    }
INT_WDQ(KERNELS)
#undef KERNELS

#define KERNELS(bits)                                                                                                  \
    INT_UNARY(rol##bits, u, bits, vec_left_##bits(b, b, x->imm))                                                       \
    INT_UNARY(ror##bits, u, bits, vec_right_##bits(b, b, x->imm))                                                      \
    INT_BINARY(rolv##bits, u, bits, vec_left_##bits(a, a, (unsigned)b))                                                \
    INT_BINARY(rorv##bits, u, bits, vec_right_##bits(a, a, (unsigned)b))
INT_DQ(KERNELS)
#undef KERNELS

// clang-format off
#define LOW(bits) (V_E(bits) | V_MEM_LOW)
#define BY(bits)  (V_E(bits) | V_MEM_16)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    M(PSLLW, k_sll16, V_E(16)) M(PSLLD, k_sll32, V_E(32)) M(PSLLQ, k_sll64, V_E(64)) M(PSRLW, k_srl16, V_E(16))        \
    M(PSRLD, k_srl32, V_E(32)) M(PSRLQ, k_srl64, V_E(64)) M(PSRAW, k_sra16, V_E(16)) M(PSRAD, k_sra32, V_E(32))        \
    S(PSLLW, k_sll16, LOW(16)) S(PSLLD, k_sll32, LOW(32)) S(PSLLQ, k_sll64, LOW(64)) S(PSRLW, k_srl16, LOW(16))        \
    S(PSRLD, k_srl32, LOW(32)) S(PSRLQ, k_srl64, LOW(64)) S(PSRAW, k_sra16, LOW(16)) S(PSRAD, k_sra32, LOW(32))        \
    MS(PSLLW_IMM, k_sll16_imm, V_E(16)) MS(PSLLD_IMM, k_sll32_imm, V_E(32)) MS(PSLLQ_IMM, k_sll64_imm, V_E(64))        \
    MS(PSRLW_IMM, k_srl16_imm, V_E(16)) MS(PSRLD_IMM, k_srl32_imm, V_E(32)) MS(PSRLQ_IMM, k_srl64_imm, V_E(64))        \
    MS(PSRAW_IMM, k_sra16_imm, V_E(16)) MS(PSRAD_IMM, k_sra32_imm, V_E(32))                                            \
    V(VPSLLW, k_sll16, BY(16)) V(VPSLLD, k_sll32, BY(32)) V(VPSLLQ, k_sll64, BY(64))                                   \
    V(VPSRLW, k_srl16, BY(16)) V(VPSRLD, k_srl32, BY(32)) V(VPSRLQ, k_srl64, BY(64))                                   \
    V(VPSRAW, k_sra16, BY(16)) V(VPSRAD, k_sra32, BY(32)) E(VPSRAQ, k_sra64, BY(64))                                   \
    V(VPSLLW_IMM, k_sll16_imm, V_E(16)) V(VPSLLD_IMM, k_sll32_imm, V_E(32)) V(VPSLLQ_IMM, k_sll64_imm, V_E(64))        \
    V(VPSRLW_IMM, k_srl16_imm, V_E(16)) V(VPSRLD_IMM, k_srl32_imm, V_E(32)) V(VPSRLQ_IMM, k_srl64_imm, V_E(64))        \
    V(VPSRAW_IMM, k_sra16_imm, V_E(16)) V(VPSRAD_IMM, k_sra32_imm, V_E(32)) E(VPSRAQ_IMM, k_sra64_imm, V_E(64))        \
    S(PSLLDQ, k_slldq, V_E(8)) S(PSRLDQ, k_srldq, V_E(8)) V(VPSLLDQ, k_slldq, V_E(8)) V(VPSRLDQ, k_srldq, V_E(8))      \
    E(VPSLLVW, k_sllv16, V_E(16)) V(VPSLLVD, k_sllv32, V_E(32)) V(VPSLLVQ, k_sllv64, V_E(64))                          \
    E(VPSRLVW, k_srlv16, V_E(16)) V(VPSRLVD, k_srlv32, V_E(32)) V(VPSRLVQ, k_srlv64, V_E(64))                          \
    E(VPSRAVW, k_srav16, V_E(16)) V(VPSRAVD, k_srav32, V_E(32)) E(VPSRAVQ, k_srav64, V_E(64))                          \
    E(VPROLD, k_rol32, V_E(32)) E(VPROLQ, k_rol64, V_E(64)) E(VPRORD, k_ror32, V_E(32)) E(VPRORQ, k_ror64, V_E(64))    \
    E(VPROLVD, k_rolv32, V_E(32)) E(VPROLVQ, k_rolv64, V_E(64))                                                        \
    E(VPRORVD, k_rorv32, V_E(32)) E(VPRORVQ, k_rorv64, V_E(64))                                                        \
    E(VPSHLDW, k_shld16, V_E(16)) E(VPSHLDD, k_shld32, V_E(32)) E(VPSHLDQ, k_shld64, V_E(64))                          \
    E(VPSHRDW, k_shrd16, V_E(16)) E(VPSHRDD, k_shrd32, V_E(32)) E(VPSHRDQ, k_shrd64, V_E(64))                          \
    E(VPSHLDVW, k_shldv16, V_E(16) | V_RMW) E(VPSHLDVD, k_shldv32, V_E(32) | V_RMW)                                    \
    E(VPSHLDVQ, k_shldv64, V_E(64) | V_RMW)                                                                            \
    E(VPSHRDVW, k_shrdv16, V_E(16) | V_RMW) E(VPSHRDVD, k_shrdv32, V_E(32) | V_RMW)                                    \
    E(VPSHRDVQ, k_shrdv64, V_E(64) | V_RMW)
// clang-format on
VEC_TABLE(vec_group_shift, ROWS);

/* ---- hot forms: shifts by the immediate ---- */

#define HOT_SHIFT(id, name, bytes, gate, enc, chunk)                                                                   \
    VEC_HOT_REG(name, VEC_HOT_SHUT(gate), op_##enc##_##id,                                                             \
                for (unsigned o = 0; o < bytes; o += 16) chunk(&d->u8[o], &s->u8[o], i->imm8);                         \
                if (gate != GATE_SSE) memset(&d->u8[bytes], 0, sizeof *d - bytes))
#define HOT_FNS(id, chunk)                                                                                             \
    HOT_SHIFT(id, id, 16, GATE_SSE, sse, chunk)                                                                        \
    HOT_SHIFT(V##id, V##id##_128, 16, GATE_AVX, vex, chunk)                                                            \
    HOT_SHIFT(V##id, V##id##_256, 32, GATE_AVX, vex, chunk)
// clang-format off
#define HOT_ROWS(id, chunk)                                                                                            \
    VEC_HOT_ROW_REG(id, VEC_COL_SSE, 4, id)                                                                            \
    VEC_HOT_ROW_REG(V##id, VEC_COL_VEX, 4, V##id##_128) VEC_HOT_ROW_REG(V##id, VEC_COL_VEX, 5, V##id##_256)
#define HOT(X)                                                                                                         \
    X(PSLLD_IMM, c_sll32) X(PSLLQ_IMM, c_sll64) X(PSRLD_IMM, c_srl32) X(PSRLQ_IMM, c_srl64)                            \
    X(PSLLW_IMM, c_sll16) X(PSRLW_IMM, c_srl16) X(PSRAD_IMM, c_sra32)
HOT(HOT_FNS)
static const struct vec_hot rows_of_hot[] = {HOT(HOT_ROWS){0}};
// clang-format on
const struct vec_hot_group vec_hot_shift = {rows_of_hot};
