/* Fused pairs: a comparison or other arithmetic followed by Jcc, done by one function. The lazy flags are left behind
 * as always, and the pair stays two instructions to everything that counts: the Jcc keeps its own record, whose link is
 * used. A miss in the translation cache is handed to the general function of the first record, which goes on to the
 * second. */
#include "sim/machine/machine.h"
#include "sim/ops/opdef.h"

OPFN fuse_miss(struct cpu *cpu, const struct insn *i) {
    return cpu->machine->ops->fn[i->id][i->form][i->size][0](cpu, i);
}

#define JUMP_IF(taken)                                                                                                 \
    do {                                                                                                               \
        const struct insn *j = i + 1;                                                                                  \
        if (taken) BRANCH_LINKED(cpu, j, 1, j->imm);                                                                   \
        BRANCH_LINKED(cpu, j, 0, j->off + j->len);                                                                     \
    } while (0)

/* ---- conditions from operands; `c` is a constant ---- */

#define CONDITIONS(B)                                                                                                  \
    OP_INLINE bool sub_cond##B(unsigned c, uint##B##_t a, uint##B##_t b) {                                             \
        int##B##_t sa = (int##B##_t)a, sb = (int##B##_t)b;                                                             \
        bool r;                                                                                                        \
        switch (c >> 1) {                                                                                              \
        case 1:                                                                                                        \
            r = a < b;                                                                                                 \
            break;                                                                                                     \
        case 2:                                                                                                        \
            r = a == b;                                                                                                \
            break;                                                                                                     \
        case 3:                                                                                                        \
            r = a <= b;                                                                                                \
            break;                                                                                                     \
        case 4:                                                                                                        \
            r = (int##B##_t)(a - b) < 0;                                                                               \
            break;                                                                                                     \
        case 6:                                                                                                        \
            r = sa < sb;                                                                                               \
            break;                                                                                                     \
        default:                                                                                                       \
            r = sa <= sb;                                                                                              \
            break;                                                                                                     \
        }                                                                                                              \
        return r ^ (c & 1);                                                                                            \
    }                                                                                                                  \
    OP_INLINE bool logic_cond##B(unsigned c, int##B##_t r) {                                                           \
        bool t;                                                                                                        \
        switch (c >> 1) {                                                                                              \
        case 2:                                                                                                        \
            t = r == 0;                                                                                                \
            break;                                                                                                     \
        case 7:                                                                                                        \
            t = r <= 0;                                                                                                \
            break;                                                                                                     \
        default:                                                                                                       \
            t = r < 0;                                                                                                 \
            break; /* S, and L because OF is 0 */                                                                      \
        }                                                                                                              \
        return t ^ (c & 1);                                                                                            \
    }                                                                                                                  \
    OP_INLINE bool add_cond##B(unsigned c, uint##B##_t r, uint##B##_t b) {                                             \
        bool t;                                                                                                        \
        switch (c >> 1) {                                                                                              \
        case 1:                                                                                                        \
            t = r < b;                                                                                                 \
            break;                                                                                                     \
        case 2:                                                                                                        \
            t = r == 0;                                                                                                \
            break;                                                                                                     \
        default:                                                                                                       \
            t = (int##B##_t)r < 0;                                                                                     \
            break;                                                                                                     \
        }                                                                                                              \
        return t ^ (c & 1);                                                                                            \
    }
EACH_SIZE(CONDITIONS)
#undef CONDITIONS

/* the conditions worth a function, X(..., suffix, code) */
#define COND_STEP(X, ...)  X(__VA_ARGS__, Z, 4) X(__VA_ARGS__, NZ, 5) X(__VA_ARGS__, S, 8) X(__VA_ARGS__, NS, 9)
#define COND_ADD(X, ...)   COND_STEP(X, __VA_ARGS__) X(__VA_ARGS__, B, 2) X(__VA_ARGS__, NB, 3)
#define COND_LESS(X, ...)  X(__VA_ARGS__, L, 12) X(__VA_ARGS__, NL, 13) X(__VA_ARGS__, LE, 14) X(__VA_ARGS__, NLE, 15)
#define COND_LOGIC(X, ...) COND_STEP(X, __VA_ARGS__) COND_LESS(X, __VA_ARGS__)
#define COND_BELOW(X, ...) X(__VA_ARGS__, B, 2) X(__VA_ARGS__, NB, 3) X(__VA_ARGS__, BE, 6) X(__VA_ARGS__, NBE, 7)
#define COND_SUB(X, ...)   COND_LOGIC(X, __VA_ARGS__) COND_BELOW(X, __VA_ARGS__)

/* ---- the operands of each form: `a` (destination) and `b`; the letter b in a form is memory without an index ---- */

#define OPERANDS_rr(B) const uint##B##_t a = reg##B(cpu, i->reg), b = reg##B(cpu, i->rm)
#define OPERANDS_ri(B) const uint##B##_t a = reg##B(cpu, i->reg), b = (uint##B##_t)i->imm
#define OPERANDS_rm(B)                                                                                                 \
    HOST_R(B, ea_flat(cpu, i), fuse_miss);                                                                             \
    const uint##B##_t a = reg##B(cpu, i->reg), b = ld##B(p)
#define OPERANDS_rb(B)                                                                                                 \
    HOST_R(B, ea_base(cpu, i), fuse_miss);                                                                             \
    const uint##B##_t a = reg##B(cpu, i->reg), b = ld##B(p)
#define OPERANDS_br(B)                                                                                                 \
    HOST_R(B, ea_base(cpu, i), fuse_miss);                                                                             \
    const uint##B##_t a = ld##B(p), b = reg##B(cpu, i->reg)
#define OPERANDS_bi(B)                                                                                                 \
    HOST_R(B, ea_base(cpu, i), fuse_miss);                                                                             \
    const uint##B##_t a = ld##B(p), b = (uint##B##_t)i->imm
#define OPERANDS_mr(B)                                                                                                 \
    HOST_R(B, ea_flat(cpu, i), fuse_miss);                                                                             \
    const uint##B##_t a = ld##B(p), b = reg##B(cpu, i->reg)
#define OPERANDS_mi(B)                                                                                                 \
    HOST_R(B, ea_flat(cpu, i), fuse_miss);                                                                             \
    const uint##B##_t a = ld##B(p), b = (uint##B##_t)i->imm

/* ---- the pairs ---- */

#define FUSE_CMP(form, B, cc, code)                                                                                    \
    OPFN fuse_cmp_##form##B##_##cc(struct cpu *cpu, const struct insn *i) {                                            \
        OPERANDS_##form(B);                                                                                            \
        cc_set(cpu, CC_SUB, LG_##B, (int##B##_t)(a - b), b);                                                           \
        JUMP_IF(sub_cond##B(code, a, b));                                                                              \
    }
#define FUSE_TEST(form, B, cc, code)                                                                                   \
    OPFN fuse_test_##form##B##_##cc(struct cpu *cpu, const struct insn *i) {                                           \
        OPERANDS_##form(B);                                                                                            \
        cc_logic(cpu, LG_##B, (int##B##_t)(a & b));                                                                    \
        JUMP_IF(logic_cond##B(code, (int##B##_t)(a & b)));                                                             \
    }
#define FUSE_SUB(form, B, cc, code)                                                                                    \
    OPFN fuse_sub_##form##B##_##cc(struct cpu *cpu, const struct insn *i) {                                            \
        OPERANDS_##form(B);                                                                                            \
        cc_set(cpu, CC_SUB, LG_##B, (int##B##_t)(a - b), b);                                                           \
        set_reg##B(cpu, i->reg, a - b);                                                                                \
        JUMP_IF(sub_cond##B(code, a, b));                                                                              \
    }
#define FUSE_AND(form, B, cc, code)                                                                                    \
    OPFN fuse_and_##form##B##_##cc(struct cpu *cpu, const struct insn *i) {                                            \
        OPERANDS_##form(B);                                                                                            \
        cc_logic(cpu, LG_##B, (int##B##_t)(a & b));                                                                    \
        set_reg##B(cpu, i->reg, a &b);                                                                                 \
        JUMP_IF(logic_cond##B(code, (int##B##_t)(a & b)));                                                             \
    }
#define FUSE_ADD(form, B, cc, code)                                                                                    \
    OPFN fuse_add_##form##B##_##cc(struct cpu *cpu, const struct insn *i) {                                            \
        OPERANDS_##form(B);                                                                                            \
        const uint##B##_t r = a + b;                                                                                   \
        cc_set(cpu, CC_ADD, LG_##B, (int##B##_t)r, b);                                                                 \
        set_reg##B(cpu, i->reg, r);                                                                                    \
        JUMP_IF(add_cond##B(code, r, b));                                                                              \
    }
#define FUSE_STEP(B, cc, code)                                                                                         \
    OPFN fuse_inc_r##B##_##cc(struct cpu *cpu, const struct insn *i) {                                                 \
        const uint##B##_t r = reg##B(cpu, i->reg) + 1;                                                                 \
        cc_set(cpu, CC_INC, LG_##B, (int##B##_t)r, cf_now(cpu));                                                       \
        set_reg##B(cpu, i->reg, r);                                                                                    \
        JUMP_IF(add_cond##B(code, r, 0));                                                                              \
    }                                                                                                                  \
    OPFN fuse_dec_r##B##_##cc(struct cpu *cpu, const struct insn *i) {                                                 \
        const uint##B##_t r = reg##B(cpu, i->reg) - 1;                                                                 \
        cc_set(cpu, CC_DEC, LG_##B, (int##B##_t)r, cf_now(cpu));                                                       \
        set_reg##B(cpu, i->reg, r);                                                                                    \
        JUMP_IF(add_cond##B(code, r, 0));                                                                              \
    }

#define CMP_FORMS(B)                                                                                                   \
    COND_SUB(FUSE_CMP, rr, B)                                                                                          \
    COND_SUB(FUSE_CMP, ri, B)                                                                                          \
    COND_SUB(FUSE_CMP, rm, B)                                                                                          \
    COND_SUB(FUSE_CMP, mr, B)                                                                                          \
    COND_SUB(FUSE_CMP, mi, B) COND_SUB(FUSE_CMP, rb, B) COND_SUB(FUSE_CMP, br, B) COND_SUB(FUSE_CMP, bi, B)
#define TEST_FORMS(B)                                                                                                  \
    COND_LOGIC(FUSE_TEST, rr, B)                                                                                       \
    COND_LOGIC(FUSE_TEST, ri, B)                                                                                       \
    COND_LOGIC(FUSE_TEST, mr, B) COND_LOGIC(FUSE_TEST, mi, B) COND_LOGIC(FUSE_TEST, br, B) COND_LOGIC(FUSE_TEST, bi, B)
#define REG_FORMS(B)                                                                                                   \
    COND_SUB(FUSE_SUB, rr, B)                                                                                          \
    COND_SUB(FUSE_SUB, ri, B)                                                                                          \
    COND_LOGIC(FUSE_AND, rr, B)                                                                                        \
    COND_LOGIC(FUSE_AND, ri, B) COND_ADD(FUSE_ADD, rr, B) COND_ADD(FUSE_ADD, ri, B) COND_STEP(FUSE_STEP, B)
EACH_SIZE(CMP_FORMS)
EACH_SIZE(TEST_FORMS)
REG_FORMS(32)
REG_FORMS(64)

/* ---- look-up: a row per instruction and form, a column per size and condition ---- */

struct fuse_row {
    uint16_t id;
    uint8_t form;
    bool base; /* a memory operand without an index */
    insn_fn *fn[4][16];
};
#define AT_cmp(form, B, cc, code)  [code] = fuse_cmp_##form##B##_##cc,
#define AT_test(form, B, cc, code) [code] = fuse_test_##form##B##_##cc,
#define AT_sub(form, B, cc, code)  [code] = fuse_sub_##form##B##_##cc,
#define AT_and(form, B, cc, code)  [code] = fuse_and_##form##B##_##cc,
#define AT_add(form, B, cc, code)  [code] = fuse_add_##form##B##_##cc,
#define AT_inc(B, cc, code)        [code] = fuse_inc_r##B##_##cc,
#define AT_dec(B, cc, code)        [code] = fuse_dec_r##B##_##cc,
#define ALL_SIZES(conds, at, form)                                                                                     \
    {                                                                                                                  \
        {conds(at, form, 8)}, {conds(at, form, 16)}, {conds(at, form, 32)}, { conds(at, form, 64) }                    \
    }
#define TWO_SIZES(conds, at, form)                                                                                     \
    {                                                                                                                  \
        [LG_32] = {conds(at, form, 32)}, [LG_64] = { conds(at, form, 64) }                                             \
    }
#define STEP_SIZES(at)                                                                                                 \
    {                                                                                                                  \
        [LG_32] = {COND_STEP(at, 32)}, [LG_64] = { COND_STEP(at, 64) }                                                 \
    }

#define CMP(form, b, at_form)                                                                                          \
    { INSN_CMP, FORM_##form, b, ALL_SIZES(COND_SUB, AT_cmp, at_form) }
#define TEST(form, b, at_form)                                                                                         \
    { INSN_TEST, FORM_##form, b, ALL_SIZES(COND_LOGIC, AT_test, at_form) }
#define SUB(form, at_form)                                                                                             \
    { INSN_SUB, FORM_##form, false, TWO_SIZES(COND_SUB, AT_sub, at_form) }
#define AND(form, at_form)                                                                                             \
    { INSN_AND, FORM_##form, false, TWO_SIZES(COND_LOGIC, AT_and, at_form) }
#define ADD(form, at_form)                                                                                             \
    { INSN_ADD, FORM_##form, false, TWO_SIZES(COND_ADD, AT_add, at_form) }
#define STEP(ID, at)                                                                                                   \
    { INSN_##ID, FORM_R, false, STEP_SIZES(at) }
static const struct fuse_row fuse_rows[] = {
    CMP(RR, false, rr),  CMP(RI, false, ri),  CMP(RM, false, rm), CMP(MR, false, mr),  CMP(MI, false, mi),
    CMP(RM, true, rb),   CMP(MR, true, br),   CMP(MI, true, bi),  TEST(RR, false, rr), TEST(RI, false, ri),
    TEST(MR, false, mr), TEST(MI, false, mi), TEST(MR, true, br), TEST(MI, true, bi),  SUB(RR, rr),
    SUB(RI, ri),         AND(RR, rr),         AND(RI, ri),        ADD(RR, rr),         ADD(RI, ri),
    STEP(INC, AT_inc),   STEP(DEC, AT_dec),
};

/* The condition code of a Jcc, or -1 */
static int jcc_code(unsigned id) {
    switch (id) {
#define CODE(cc, code)                                                                                                 \
    case INSN_J##cc:                                                                                                   \
        return code;
        EACH_COND(CODE)
#undef CODE
    default:
        return -1;
    }
}

insn_fn *op_fuse(const struct insn *first, const struct insn *second) {
    int code = jcc_code(second->id);
    bool mem = first->flags & INSN_MEM;
    if (code < 0) return op_pair(first, second);
    if (second->form != FORM_J || second->size == LG_16) return NULL;
    if (mem && !(first->flags & INSN_FLAT)) return NULL;
    bool base = mem && first->index == REG_ZERO;
    for (unsigned r = 0; r < sizeof fuse_rows / sizeof fuse_rows[0]; r++) {
        const struct fuse_row *f = &fuse_rows[r];
        if (f->id == first->id && f->form == first->form && f->base == base) return f->fn[first->size & 3][code];
    }
    return NULL;
}
