/* Opmask instructions, and what goes from opmasks to vectors. SDM 2 "KADDW", "KMOVW", "KSHIFTLW", "KORTESTW",
 * "VPMOVM2B", "VPBROADCASTMB2Q" and their neighbours. */
#include "sim/vec/vec_int.h"

#define K_ALL(bits) (~0ull >> (64 - (bits)))

/* ---- opmask to opmask ---- */

/* a, b: the sources in vreg and rm, or the one in rm as b; n: the immediate */
#define OP_K(id, bits, expr)                                                                                           \
    static void op_evex_##id(struct cpu *cpu, const struct insn *i) {                                                  \
        vec_gate(cpu, i);                                                                                              \
        const uint64_t a = cpu->vec.k[i->vreg & 7] & K_ALL(bits), b = cpu->vec.k[i->rm & 7] & K_ALL(bits);             \
        const unsigned n = i->imm8;                                                                                    \
        (void)a, (void)n;                                                                                              \
        cpu->vec.k[i->reg & 7] = (expr)&K_ALL(bits);                                                                   \
        NEXT(cpu, i);                                                                                                  \
    }
/* ZF, CF: a 0, or all ones. The sources are in reg and rm. */
#define OP_K_FLAGS(id, bits, zf, cf)                                                                                   \
    static void op_evex_##id(struct cpu *cpu, const struct insn *i) {                                                  \
        vec_gate(cpu, i);                                                                                              \
        const uint64_t a = cpu->vec.k[i->reg & 7] & K_ALL(bits), b = cpu->vec.k[i->rm & 7] & K_ALL(bits);              \
        flags_set_arith(cpu, ((zf) ? FLAG_ZF : 0) | ((cf) ? FLAG_CF : 0));                                             \
        NEXT(cpu, i);                                                                                                  \
    }
#define KERNELS(B, bits)                                                                                               \
    OP_K(KADD##B, bits, a + b)                                                                                         \
    OP_K(KAND##B, bits, a &b)                                                                                          \
    OP_K(KANDN##B, bits, ~a &b)                                                                                        \
    OP_K(KOR##B, bits, a | b)                                                                                          \
    OP_K(KXOR##B, bits, a ^ b)                                                                                         \
    OP_K(KXNOR##B, bits, ~(a ^ b))                                                                                     \
    OP_K(KNOT##B, bits, ~b)                                                                                            \
    OP_K(KSHIFTL##B, bits, n < bits ? b << n : 0)                                                                      \
    OP_K(KSHIFTR##B, bits, n < bits ? b >> n : 0)                                                                      \
    OP_K_FLAGS(KORTEST##B, bits, (a | b) == 0, (a | b) == K_ALL(bits))                                                 \
    OP_K_FLAGS(KTEST##B, bits, (a & b) == 0, (~a & b) == 0)
#define EACH_K(X) X(B, 8) X(W, 16) X(D, 32) X(Q, 64)
EACH_K(KERNELS)
#undef KERNELS
OP_K(KUNPCKBW, 16, a << 8 | (b & 0xFF))
OP_K(KUNPCKWD, 32, a << 16 | (b & 0xFFFF))
OP_K(KUNPCKDQ, 64, a << 32 | (b & 0xFFFFFFFF))

/* ---- moves ---- */

static void kmov(struct cpu *cpu, const struct insn *i, unsigned bits) {
    uint64_t v = 0;
    vec_gate(cpu, i);
    if (i->form == FORM_MR) return vec_store(cpu, i, &cpu->vec.k[i->reg & 7], bits / 8);
    if (i->form == FORM_RM)
        vec_load(cpu, i, &v, bits / 8);
    else
        v = cpu->vec.k[i->rm & 7];
    cpu->vec.k[i->reg & 7] = v & K_ALL(bits);
}
#define OP_KMOV(B, bits)                                                                                               \
    static void op_evex_KMOV##B(struct cpu *cpu, const struct insn *i) {                                               \
        kmov(cpu, i, bits);                                                                                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    static void op_evex_KMOV##B##_FROM_GPR(struct cpu *cpu, const struct insn *i) {                                    \
        vec_gate(cpu, i);                                                                                              \
        cpu->vec.k[i->reg & 7] = *cpu_r64(cpu, i->rm) & K_ALL(bits);                                                   \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    static void op_evex_KMOV##B##_TO_GPR(struct cpu *cpu, const struct insn *i) {                                      \
        vec_gate(cpu, i);                                                                                              \
        *cpu_r64(cpu, i->reg) = cpu->vec.k[i->rm & 7] & K_ALL(bits);                                                   \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_K(OP_KMOV)

// clang-format off
#define ROW_K(id) {INSN_##id, {NULL, NULL, NULL, op_evex_##id}},
#define ROWS_K(B, bits)                                                                                                \
    ROW_K(KADD##B) ROW_K(KAND##B) ROW_K(KANDN##B) ROW_K(KOR##B) ROW_K(KXOR##B) ROW_K(KXNOR##B) ROW_K(KNOT##B)          \
    ROW_K(KSHIFTL##B) ROW_K(KSHIFTR##B) ROW_K(KORTEST##B) ROW_K(KTEST##B)                                              \
    ROW_K(KMOV##B) ROW_K(KMOV##B##_FROM_GPR) ROW_K(KMOV##B##_TO_GPR)
static const struct vec_row rows_of_opmasks[] = {
    EACH_K(ROWS_K) ROW_K(KUNPCKBW) ROW_K(KUNPCKWD) ROW_K(KUNPCKDQ)
};
// clang-format on
VEC_GROUP(vec_group_opmask, rows_of_opmasks);

/* ---- to vectors ---- */

#define KERNELS(bits)                                                                                                  \
    static void k_from_mask##bits(struct vx *x) {                                                                      \
        for (unsigned j = 0; j < x->bytes * 8 / bits; j++) x->r.u##bits[j] = (INT_TYPE(u, bits))(0 - (x->g >> j & 1)); \
    }
INT_BWDQ(KERNELS)
#undef KERNELS
static void k_spread8(struct vx *x) { EACH(64) x->r.u64[j] = x->g & 0xFF; }
static void k_spread16(struct vx *x) { EACH(32) x->r.u32[j] = x->g & 0xFFFF; }

// clang-format off
#define FROM_K(bits) (V_E(bits) | V_SRC_K)
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    E(VPMOVM2B, k_from_mask8, FROM_K(8)) E(VPMOVM2W, k_from_mask16, FROM_K(16))                                        \
    E(VPMOVM2D, k_from_mask32, FROM_K(32)) E(VPMOVM2Q, k_from_mask64, FROM_K(64))                                      \
    E(VPBROADCASTMB2Q, k_spread8, FROM_K(64)) E(VPBROADCASTMW2D, k_spread16, FROM_K(32))
// clang-format on
VEC_TABLE(vec_group_mask, ROWS);
