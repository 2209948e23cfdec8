/* Fused pairs of moves between registers and neighbouring memory: PUSH PUSH, POP POP, and two loads or two stores
 * through the same base register. One look into the translation cache serves both when they lie in one page. Like the
 * pairs of op_fuse.c they stay two instructions to everything that counts; a miss is handed to the general function of
 * the first record, which goes on to the second. */
#include "sim/machine/machine.h"
#include "sim/ops/opdef.h"

OPFN pair_miss(struct cpu *cpu, const struct insn *i) {
    return cpu->machine->ops->fn[i->id][i->form][i->size][0](cpu, i);
}

/* Declares `q`, the host address of the second operand, beside `p` of the first. */
#define SECOND_IN_PAGE(B)                                                                                              \
    const struct insn *j = i + 1;                                                                                      \
    const int64_t apart_ = (int64_t)j->disp - i->disp;                                                                 \
    if (unlikely(la_ + (uint64_t)apart_ - (la_ & PAGE_MASK) > PAGE_SIZE - (B) / 8)) return pair_miss(cpu, i);          \
    void *const q = (char *)p + apart_

#define PAIRS(B)                                                                                                       \
    OPFN pair_mov_rm##B(struct cpu *cpu, const struct insn *i) {                                                       \
        HOST_R(B, ea_base(cpu, i), pair_miss);                                                                         \
        SECOND_IN_PAGE(B);                                                                                             \
        const uint##B##_t a = ld##B(p), b = ld##B(q);                                                                  \
        set_reg##B(cpu, i->reg, a);                                                                                    \
        set_reg##B(cpu, j->reg, b);                                                                                    \
        NEXT(cpu, j);                                                                                                  \
    }                                                                                                                  \
    OPFN pair_mov_mr##B(struct cpu *cpu, const struct insn *i) {                                                       \
        HOST_W(B, ea_base(cpu, i), pair_miss);                                                                         \
        SECOND_IN_PAGE(B);                                                                                             \
        st##B(p, reg##B(cpu, i->reg));                                                                                 \
        st##B(q, reg##B(cpu, j->reg));                                                                                 \
        NEXT(cpu, j);                                                                                                  \
    }
PAIRS(32)
PAIRS(64)
#undef PAIRS

/* 16 bytes below the stack pointer, or from it on, in one page */
OPFN pair_push(struct cpu *cpu, const struct insn *i) {
    const struct insn *j = i + 1;
    const uint64_t sp = cpu->gpr[RSP] - 16;
    HOST_W(128, sp, pair_miss);
    st64((char *)p + 8, reg64(cpu, i->reg));
    st64(p, reg64(cpu, j->reg));
    cpu->gpr[RSP] = sp;
    NEXT(cpu, j);
}
OPFN pair_pop(struct cpu *cpu, const struct insn *i) {
    const struct insn *j = i + 1;
    HOST_R(128, cpu->gpr[RSP], pair_miss);
    const uint64_t a = ld64(p), b = ld64((char *)p + 8);
    cpu->gpr[RSP] += 16;
    set_reg64(cpu, i->reg, a);
    set_reg64(cpu, j->reg, b);
    NEXT(cpu, j);
}

/* ---- look-up ---- */

static bool same_base(const struct insn *i, const struct insn *j) {
    return (i->flags & j->flags & INSN_FLAT) && i->index == REG_ZERO && j->index == REG_ZERO && i->base == j->base;
}
static bool loads(const struct insn *i, const struct insn *j) { return same_base(i, j) && i->reg != i->base; }
static bool not_rsp(const struct insn *i, const struct insn *j) {
    return i->reg != REG_OFF(RSP) && j->reg != REG_OFF(RSP);
}

static const struct {
    uint16_t id;
    uint8_t form, size;
    bool (*fits)(const struct insn *i, const struct insn *j);
    insn_fn *fn;
} pair_rows[] = {
    {INSN_MOV,  FORM_RM, LG_32, loads,     pair_mov_rm32},
    {INSN_MOV,  FORM_RM, LG_64, loads,     pair_mov_rm64},
    {INSN_MOV,  FORM_MR, LG_32, same_base, pair_mov_mr32},
    {INSN_MOV,  FORM_MR, LG_64, same_base, pair_mov_mr64},
    {INSN_PUSH, FORM_R,  LG_64, not_rsp,   pair_push    },
    {INSN_POP,  FORM_R,  LG_64, not_rsp,   pair_pop     },
};

insn_fn *op_pair(const struct insn *first, const struct insn *second) {
    if (first->id != second->id || first->form != second->form || first->size != second->size) return NULL;
    for (unsigned r = 0; r < sizeof pair_rows / sizeof pair_rows[0]; r++)
        if (pair_rows[r].id == first->id && pair_rows[r].form == first->form && pair_rows[r].size == first->size)
            return pair_rows[r].fits(first, second) ? pair_rows[r].fn : NULL;
    return NULL;
}
