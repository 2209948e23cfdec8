/* Conversions between floating-point formats and integers, packed and scalar, MMX registers included. SDM 2 "CVTDQ2PD"
 * and its neighbours. */
#include "sim/vec/vec_fp.h"

/* Packed: each element of x->b; `v` is its value. As many as fit of the wider side. */
#define WIDER(to, from) ((to) > (from) ? (to) : (from))
#define KERNEL(name, to, from, expr)                                                                                   \
    static void kp_##name(struct vx *x) {                                                                              \
        struct fp_env *e = vx_env(x);                                                                                  \
        (void)e;                                                                                                       \
        FP_EACH(WIDER(to, from)) {                                                                                     \
            const uint##from##_t v = x->b->u##from[j];                                                                 \
            x->r.u##to[j] = (uint##to##_t)(expr);                                                                      \
        }                                                                                                              \
    }
/* and scalar */
#define KERNELS(name, to, from, expr)                                                                                  \
    KERNEL(name, to, from, expr)                                                                                       \
    static void ks_##name(struct vx *x) {                                                                              \
        struct fp_env *e = vx_env(x);                                                                                  \
        const uint##from##_t v = x->b->u##from[0];                                                                     \
        x->r.u##to[0] = (uint##to##_t)(expr);                                                                          \
    }

/* formats */
KERNELS(ps2pd, 64, 32, fp64_from_fp32(e, v))
KERNELS(pd2ps, 32, 64, fp32_from_fp64(e, v))
KERNELS(ph2ps, 32, 16, fp32_from_fp16(e, v))
KERNELS(ps2ph, 16, 32, fp16_from_fp32(e, v))
KERNELS(ph2pd, 64, 16, fp64_from_fp16(e, v))
KERNELS(pd2ph, 16, 64, fp16_from_fp64(e, v))
KERNEL(f16c_widen, 32, 16, fp32_from_f16c(e, v))
KERNEL(f16c_narrow, 16, 32, f16c_from_fp32(e, v, x->imm & 4 ? FP_CURRENT : (enum fp_rc)(x->imm & 3)))
KERNEL(bf16, 16, 32, bf16_from_fp32(v))

/* from integers */
KERNEL(dq2ps, 32, 32, fp32_from_i32(e, (int32_t)v))
KERNEL(udq2ps, 32, 32, fp32_from_u32(e, v))
KERNEL(dq2pd, 64, 32, fp64_from_i32(e, (int32_t)v))
KERNEL(udq2pd, 64, 32, fp64_from_u32(e, v))
KERNEL(qq2ps, 32, 64, fp32_from_i64(e, (int64_t)v))
KERNEL(uqq2ps, 32, 64, fp32_from_u64(e, v))
KERNEL(qq2pd, 64, 64, fp64_from_i64(e, (int64_t)v))
KERNEL(uqq2pd, 64, 64, fp64_from_u64(e, v))
KERNEL(w2ph, 16, 16, fp16_from_i16(e, (int16_t)v))
KERNEL(uw2ph, 16, 16, fp16_from_u16(e, v))
KERNEL(dq2ph, 16, 32, fp16_from_i32(e, (int32_t)v))
KERNEL(udq2ph, 16, 32, fp16_from_u32(e, v))
KERNEL(qq2ph, 16, 64, fp16_from_i64(e, (int64_t)v))
KERNEL(uqq2ph, 16, 64, fp16_from_u64(e, v))

/* to integers: k<to>_<from>, and truncated t<to>_<from> */
#define TO_INT(int_name, fp_name, to, from, sign)                                                                      \
    KERNEL(fp_name##2##int_name, to, from, fp##from##_to_##sign##to(e, v, false))                                      \
    KERNEL(t##fp_name##2##int_name, to, from, fp##from##_to_##sign##to(e, v, true))
TO_INT(dq, ps, 32, 32, i)
TO_INT(udq, ps, 32, 32, u)
TO_INT(qq, ps, 64, 32, i)
TO_INT(uqq, ps, 64, 32, u)
TO_INT(dq, pd, 32, 64, i)
TO_INT(udq, pd, 32, 64, u)
TO_INT(qq, pd, 64, 64, i)
TO_INT(uqq, pd, 64, 64, u)
TO_INT(w, ph, 16, 16, i)
TO_INT(uw, ph, 16, 16, u)
TO_INT(dq, ph, 32, 16, i)
TO_INT(udq, ph, 32, 16, u)
TO_INT(qq, ph, 64, 16, i)
TO_INT(uqq, ph, 64, 16, u)

/* scalar, between a general register (32 or 64 bits) and a vector register */
#define SCALAR_INT(N)                                                                                                  \
    static void ks_si2_##N(struct vx *x) {                                                                             \
        struct fp_env *e = vx_env(x);                                                                                  \
        x->r.u##N[0] = x->wide ? fp##N##_from_i64(e, (int64_t)x->g) : fp##N##_from_i32(e, (int32_t)x->g);              \
    }                                                                                                                  \
    static void ks_usi2_##N(struct vx *x) {                                                                            \
        struct fp_env *e = vx_env(x);                                                                                  \
        x->r.u##N[0] = x->wide ? fp##N##_from_u64(e, x->g) : fp##N##_from_u32(e, (uint32_t)x->g);                      \
    }                                                                                                                  \
    static inline void to_int_##N(struct vx *x, bool truncate) {                                                       \
        struct fp_env *e = vx_env(x);                                                                                  \
        x->g = x->wide ? (uint64_t)fp##N##_to_i64(e, x->b->u##N[0], truncate)                                          \
                       : (uint32_t)fp##N##_to_i32(e, x->b->u##N[0], truncate);                                         \
    }                                                                                                                  \
    static void ks_2si_##N(struct vx *x) { to_int_##N(x, false); }                                                     \
    static void ks_t2si_##N(struct vx *x) { to_int_##N(x, true); }                                                     \
    static inline void to_unsigned_##N(struct vx *x, bool truncate) {                                                  \
        struct fp_env *e = vx_env(x);                                                                                  \
        x->g = x->wide ? fp##N##_to_u64(e, x->b->u##N[0], truncate) : fp##N##_to_u32(e, x->b->u##N[0], truncate);      \
    }                                                                                                                  \
    static void ks_2usi_##N(struct vx *x) { to_unsigned_##N(x, false); }                                               \
    static void ks_t2usi_##N(struct vx *x) { to_unsigned_##N(x, true); }
SCALAR_INT(16)
SCALAR_INT(32)
SCALAR_INT(64)

/* MMX registers hold two doublewords */
#define EACH_2 for (unsigned j = 0; j < 2; j++)
static void k_pi2ps(struct vx *x) { EACH_2 x->r.u32[j] = fp32_from_i32(vx_env(x), x->b->i32[j]); }
static void k_pi2pd(struct vx *x) { EACH_2 x->r.u64[j] = fp64_from_i32(vx_env(x), x->b->i32[j]); }
static void k_ps2pi(struct vx *x) { EACH_2 x->r.i32[j] = fp32_to_i32(vx_env(x), x->b->u32[j], false); }
static void k_tps2pi(struct vx *x) { EACH_2 x->r.i32[j] = fp32_to_i32(vx_env(x), x->b->u32[j], true); }
static void k_pd2pi(struct vx *x) { EACH_2 x->r.i32[j] = fp64_to_i32(vx_env(x), x->b->u64[j], false); }
static void k_tpd2pi(struct vx *x) { EACH_2 x->r.i32[j] = fp64_to_i32(vx_env(x), x->b->u64[j], true); }

/* VCVTNE2PS2BF16: the upper half of the result from the first source */
static void k_ne2ps2bf16(struct vx *x) {
    unsigned n = x->bytes / 4;
    for (unsigned j = 0; j < n; j++) {
        x->r.u16[j] = bf16_from_fp32(x->b->u32[j]);
        x->r.u16[n + j] = bf16_from_fp32(x->a->u32[j]);
    }
}

// clang-format off
/* equal sizes, widening to the double and fourfold size, narrowing to the half and the quarter */
#define SAME(n)           (V_E(n) | V_FP)
#define WIDEN2(to, from)  (V_ES(to, from) | V_FP | V_MEM_HALF)
#define WIDEN4(to, from)  (V_ES(to, from) | V_FP | V_MEM_QUARTER)
#define NARROW2(to, from) (V_ES(to, from) | V_FP | V_DST_HALF)
#define NARROW4(to, from) (V_ES(to, from) | V_FP | V_DST_QUARTER)
#define SCALAR(to, from)  (V_ES(to, from) | V_FP | V_SCALAR | V_MEM_SCALAR)
#define FROM_GPR(to)      (V_E(to) | V_FP | V_SCALAR | V_SRC_GPR | V_MEM_W)
#define TO_GPR(from)      (V_E(from) | V_FP | V_TO_GPR | V_MEM_SCALAR | V_SCALAR)
#define TO_INTS(E, NAME, k, desc) E(VCVT##NAME, kp_##k, desc) E(VCVTT##NAME, kp_t##k, desc)
#define GPR_ROWS(R, FROM, TO, TRUNCATE, N)                                                                             \
    R(FROM, ks_si2_##N, FROM_GPR(N)) R(TO, ks_2si_##N, TO_GPR(N)) R(TRUNCATE, ks_t2si_##N, TO_GPR(N))
#define UNSIGNED_ROWS(E, SUFFIX, N)                                                                                    \
    E(VCVTUSI2##SUFFIX, ks_usi2_##N, FROM_GPR(N))                                                                      \
    E(VCVT##SUFFIX##2USI, ks_2usi_##N, TO_GPR(N)) E(VCVTT##SUFFIX##2USI, ks_t2usi_##N, TO_GPR(N))
#define BOTH(SSE, VEX, NAME, k, desc) SSE(NAME, k, desc) VEX(V##NAME, k, desc)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    BOTH(S, V, CVTPS2PD, kp_ps2pd, WIDEN2(64, 32)) BOTH(S, V, CVTPD2PS, kp_pd2ps, NARROW2(32, 64))                     \
    BOTH(S, V, CVTSS2SD, ks_ps2pd, SCALAR(64, 32)) BOTH(S, V, CVTSD2SS, ks_pd2ps, SCALAR(32, 64))                      \
    BOTH(S, V, CVTDQ2PS, kp_dq2ps, SAME(32) | V_INT) BOTH(S, V, CVTDQ2PD, kp_dq2pd, WIDEN2(64, 32) | V_INT)            \
    BOTH(S, V, CVTPS2DQ, kp_ps2dq, SAME(32)) BOTH(S, V, CVTTPS2DQ, kp_tps2dq, SAME(32))                                \
    BOTH(S, V, CVTPD2DQ, kp_pd2dq, NARROW2(32, 64)) BOTH(S, V, CVTTPD2DQ, kp_tpd2dq, NARROW2(32, 64))                  \
    S(CVTPI2PS, k_pi2ps, V_E(64) | V_FP | V_SCALAR | V_SRC_MMX | V_MEM_8)                                              \
    S(CVTPI2PD, k_pi2pd, V_E(64) | V_FP | V_SRC_MMX | V_MEM_8)                                                         \
    S(CVTPS2PI, k_ps2pi, V_E(32) | V_FP | V_TO_MMX | V_MEM_8) S(CVTTPS2PI, k_tps2pi, V_E(32) | V_FP | V_TO_MMX | V_MEM_8) \
    S(CVTPD2PI, k_pd2pi, V_E(64) | V_FP | V_TO_MMX) S(CVTTPD2PI, k_tpd2pi, V_E(64) | V_FP | V_TO_MMX)                  \
    GPR_ROWS(S, CVTSI2SS, CVTSS2SI, CVTTSS2SI, 32) GPR_ROWS(S, CVTSI2SD, CVTSD2SI, CVTTSD2SI, 64)                      \
    GPR_ROWS(V, VCVTSI2SS, VCVTSS2SI, VCVTTSS2SI, 32) GPR_ROWS(V, VCVTSI2SD, VCVTSD2SI, VCVTTSD2SI, 64)                \
    GPR_ROWS(E, VCVTSI2SH, VCVTSH2SI, VCVTTSH2SI, 16)                                                                  \
    UNSIGNED_ROWS(E, SS, 32) UNSIGNED_ROWS(E, SD, 64) UNSIGNED_ROWS(E, SH, 16)                                         \
    V(VCVTPH2PS, kp_f16c_widen, WIDEN2(32, 16)) V(VCVTPS2PH, kp_f16c_narrow, NARROW2(16, 32) | V_MEM_HALF)             \
    E(VCVTPH2PSX, kp_ph2ps, WIDEN2(32, 16)) E(VCVTPS2PHX, kp_ps2ph, NARROW2(16, 32))                                   \
    E(VCVTPH2PD, kp_ph2pd, WIDEN4(64, 16)) E(VCVTPD2PH, kp_pd2ph, NARROW4(16, 64))                                     \
    E(VCVTSH2SS, ks_ph2ps, SCALAR(32, 16)) E(VCVTSS2SH, ks_ps2ph, SCALAR(16, 32))                                      \
    E(VCVTSH2SD, ks_ph2pd, SCALAR(64, 16)) E(VCVTSD2SH, ks_pd2ph, SCALAR(16, 64))                                      \
    E(VCVTNEPS2BF16, kp_bf16, V_ES(16, 32) | V_DST_HALF) E(VCVTNE2PS2BF16, k_ne2ps2bf16, V_ES(16, 32))                 \
    E(VCVTUDQ2PS, kp_udq2ps, SAME(32) | V_INT) E(VCVTUDQ2PD, kp_udq2pd, WIDEN2(64, 32) | V_INT)                        \
    E(VCVTQQ2PS, kp_qq2ps, NARROW2(32, 64) | V_INT) E(VCVTUQQ2PS, kp_uqq2ps, NARROW2(32, 64) | V_INT)                  \
    E(VCVTQQ2PD, kp_qq2pd, SAME(64) | V_INT) E(VCVTUQQ2PD, kp_uqq2pd, SAME(64) | V_INT)                                \
    E(VCVTW2PH, kp_w2ph, SAME(16) | V_INT) E(VCVTUW2PH, kp_uw2ph, SAME(16) | V_INT)                                    \
    E(VCVTDQ2PH, kp_dq2ph, NARROW2(16, 32) | V_INT) E(VCVTUDQ2PH, kp_udq2ph, NARROW2(16, 32) | V_INT)                  \
    E(VCVTQQ2PH, kp_qq2ph, NARROW4(16, 64) | V_INT) E(VCVTUQQ2PH, kp_uqq2ph, NARROW4(16, 64) | V_INT)                  \
    TO_INTS(E, PS2UDQ, ps2udq, SAME(32)) TO_INTS(E, PS2QQ, ps2qq, WIDEN2(64, 32)) TO_INTS(E, PS2UQQ, ps2uqq, WIDEN2(64, 32)) \
    TO_INTS(E, PD2UDQ, pd2udq, NARROW2(32, 64)) TO_INTS(E, PD2QQ, pd2qq, SAME(64)) TO_INTS(E, PD2UQQ, pd2uqq, SAME(64)) \
    TO_INTS(E, PH2W, ph2w, SAME(16)) TO_INTS(E, PH2UW, ph2uw, SAME(16))                                                \
    TO_INTS(E, PH2DQ, ph2dq, WIDEN2(32, 16)) TO_INTS(E, PH2UDQ, ph2udq, WIDEN2(32, 16))                                \
    TO_INTS(E, PH2QQ, ph2qq, WIDEN4(64, 16)) TO_INTS(E, PH2UQQ, ph2uqq, WIDEN4(64, 16))
// clang-format on
VEC_TABLE(vec_group_fp_convert, ROWS);
