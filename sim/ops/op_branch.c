/* Near control transfers: Jcc, JMP, CALL, RET, LOOPcc, JrCXZ.
 *
 * The target is checked before anything is written (SDM 2 "CALL", "JMP", "RET": #GP(0) with the state unchanged). A
 * link or a hit in the jump cache needs no check: it was made by fetching there. Direct branches outside the links are
 * checked by branch_link(). */
#include "sim/ops/opdef.h"

/* ---- conditional ---- */

#define JCC(cc, code)                                                                                                  \
    OPFN op_j##cc##_slow(struct cpu *cpu, const struct insn *i) {                                                      \
        if (cc_test(cpu, code)) BRANCH_LINKED(cpu, i, 1, i->imm);                                                      \
        BRANCH_LINKED(cpu, i, 0, i->off + i->len);                                                                     \
    }                                                                                                                  \
    OPFN op_j##cc(struct cpu *cpu, const struct insn *i) {                                                             \
        if (unlikely(!cond_quick(cpu, code))) return op_j##cc##_slow(cpu, i);                                          \
        if (cond_now(cpu, code)) BRANCH_LINKED(cpu, i, 1, i->imm);                                                     \
        BRANCH_LINKED(cpu, i, 0, i->off + i->len);                                                                     \
    }
EACH_COND(JCC)
#undef JCC

/* The count register has the address size. */
static inline uint64_t count_get(const struct cpu *cpu, const struct insn *i) {
    uint64_t c = cpu->gpr[RCX];
    return i->asize == 3 ? c : i->asize == 2 ? (uint32_t)c : (uint16_t)c;
}
static inline void count_set(struct cpu *cpu, const struct insn *i, uint64_t c) {
    if (i->asize == 3)
        cpu->gpr[RCX] = c;
    else if (i->asize == 2)
        set_reg32(cpu, REG_OFF(RCX), (uint32_t)c);
    else
        set_reg16(cpu, REG_OFF(RCX), (uint16_t)c);
}
/* A taken LOOP may still fault on its target: check before the count is written. */
static bool __attribute__((noinline)) loop_step(struct cpu *cpu, const struct insn *i, bool go_on) {
    uint64_t c = count_get(cpu, i) - 1;
    uint64_t left = i->asize == 3 ? c : i->asize == 2 ? (uint32_t)c : (uint16_t)c;
    bool taken = left != 0 && go_on;
    if (taken && !((const struct insn_link *)(i + 1))->to[1]) {
        uint64_t rip = cpu->gpr[17] + (uint64_t)(int64_t)i->imm;
        check_branch_target(cpu, i, i->size == 1 ? rip & 0xFFFF : rip & cpu_ip_mask(cpu));
    }
    count_set(cpu, i, c);
    return taken;
}
#define LOOP(name, go_on)                                                                                              \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        if (loop_step(cpu, i, go_on)) BRANCH_LINKED(cpu, i, 1, i->imm);                                                \
        BRANCH_LINKED(cpu, i, 0, i->off + i->len);                                                                     \
    }
LOOP(op_loop, true)
LOOP(op_loope, cc_zf(cpu))
LOOP(op_loopne, !cc_zf(cpu))
#undef LOOP

OPFN op_jcxz(struct cpu *cpu, const struct insn *i) {
    if (!count_get(cpu, i)) BRANCH_LINKED(cpu, i, 1, i->imm);
    BRANCH_LINKED(cpu, i, 0, i->off + i->len);
}

/* ---- JMP ---- */

OPFN op_jmp_j(struct cpu *cpu, const struct insn *i) { BRANCH_LINKED(cpu, i, 1, i->imm); }

/* In 64-bit mode the linear address of code is RIP itself. */
#define JUMP_HIT(je, rip) ((je)->la == (rip) && (je)->key == cpu->fetch_key)
#define JUMP_GO(je, rip)                                                                                               \
    do {                                                                                                               \
        cpu->gpr[17] = (rip)&PAGE_MASK;                                                                                \
        ENTER_BLOCK(cpu, (je)->insn);                                                                                  \
    } while (0)

#define JMP_GEN(B)                                                                                                     \
    OPFN op_jmp_r##B(struct cpu *cpu, const struct insn *i) {                                                          \
        uint64_t rip = reg##B(cpu, i->rm);                                                                             \
        check_branch_target(cpu, i, rip);                                                                              \
        return branch_to(cpu, rip);                                                                                    \
    }                                                                                                                  \
    OPFN op_jmp_m##B(struct cpu *cpu, const struct insn *i) {                                                          \
        uint64_t rip = load##B(cpu, i);                                                                                \
        check_branch_target(cpu, i, rip);                                                                              \
        return branch_to(cpu, rip);                                                                                    \
    }
EACH_SIZE3(JMP_GEN)
#undef JMP_GEN

OPFN op_jmp_r64q(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = reg64(cpu, i->rm);
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (unlikely(!JUMP_HIT(je, rip))) return op_jmp_r64(cpu, i);
    JUMP_GO(je, rip);
}
OPFN op_jmp_m64f(struct cpu *cpu, const struct insn *i) {
    HOST_R(64, ea_flat(cpu, i), op_jmp_m64);
    uint64_t rip = ld64(p);
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (unlikely(!JUMP_HIT(je, rip))) return op_jmp_m64(cpu, i);
    JUMP_GO(je, rip);
}

/* ---- CALL ---- */

#define CALL_GEN(B)                                                                                                    \
    OPFN op_call_j##B(struct cpu *cpu, const struct insn *i) {                                                         \
        uint64_t rip = (cpu->gpr[17] + (uint64_t)(int64_t)i->imm) & cpu_ip_mask(cpu);                                  \
        if (B == 16) rip &= 0xFFFF;                                                                                    \
        check_branch_target(cpu, i, rip);                                                                              \
        stack_push(cpu, i, B / 8, (uint##B##_t)cpu_next_rip(cpu, i));                                                  \
        BRANCH_LINKED(cpu, i, 1, i->imm);                                                                              \
    }                                                                                                                  \
    OPFN op_call_r##B(struct cpu *cpu, const struct insn *i) {                                                         \
        uint64_t rip = reg##B(cpu, i->rm);                                                                             \
        check_branch_target(cpu, i, rip);                                                                              \
        stack_push(cpu, i, B / 8, (uint##B##_t)cpu_next_rip(cpu, i));                                                  \
        return branch_to(cpu, rip);                                                                                    \
    }                                                                                                                  \
    OPFN op_call_m##B(struct cpu *cpu, const struct insn *i) {                                                         \
        uint64_t rip = load##B(cpu, i);                                                                                \
        check_branch_target(cpu, i, rip);                                                                              \
        stack_push(cpu, i, B / 8, (uint##B##_t)cpu_next_rip(cpu, i));                                                  \
        return branch_to(cpu, rip);                                                                                    \
    }
EACH_SIZE3(CALL_GEN)
#undef CALL_GEN

/* 64-bit: push through the translation cache, go through link or jump cache; anything else is for the general function.
 */
#define PUSH_NEXT_RIP(miss)                                                                                            \
    uint64_t sp = cpu->gpr[RSP] - 8, ret = cpu->gpr[17] + i->off + i->len;                                             \
    const struct tlb_entry *se = tlb_slot(cpu, sp);                                                                    \
    if (unlikely(se->tag_w != TLB_WANT(cpu, sp, 64))) return miss(cpu, i);                                             \
    st64((void *)(se->addend + (uintptr_t)sp), ret);                                                                   \
    cpu->gpr[RSP] = sp

OPFN op_call_j64q(struct cpu *cpu, const struct insn *i) {
    const struct insn *to = ((const struct insn_link *)(i + 1))->to[1];
    if (unlikely(!to)) {
        uint64_t rip = cpu->gpr[17] + (uint64_t)(int64_t)i->imm;
        const struct jump_entry *je = &cpu->jump[jump_index(rip)];
        if (unlikely(!JUMP_HIT(je, rip))) return op_call_j64(cpu, i);
        PUSH_NEXT_RIP(op_call_j64);
        JUMP_GO(je, rip);
    }
    PUSH_NEXT_RIP(op_call_j64);
    ENTER_BLOCK(cpu, to);
}
OPFN op_call_r64q(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = reg64(cpu, i->rm);
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (unlikely(!JUMP_HIT(je, rip))) return op_call_r64(cpu, i);
    PUSH_NEXT_RIP(op_call_r64);
    JUMP_GO(je, rip);
}
OPFN op_call_m64f(struct cpu *cpu, const struct insn *i) {
    HOST_R(64, ea_flat(cpu, i), op_call_m64);
    uint64_t rip = ld64(p);
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (unlikely(!JUMP_HIT(je, rip))) return op_call_m64(cpu, i);
    PUSH_NEXT_RIP(op_call_m64);
    JUMP_GO(je, rip);
}

/* ---- RET ---- */

#define RET_GEN(B)                                                                                                     \
    OPFN op_ret##B(struct cpu *cpu, const struct insn *i) {                                                            \
        uint64_t rip = (uint##B##_t)stack_peek(cpu, i, 0, B / 8);                                                      \
        check_branch_target(cpu, i, rip);                                                                              \
        stack_set(cpu, cpu->gpr[RSP] + B / 8 + (i->form == FORM_I ? (uint16_t)i->imm : 0));                            \
        return branch_to(cpu, rip);                                                                                    \
    }
EACH_SIZE3(RET_GEN)
#undef RET_GEN

#define RET_FAST(name, extra)                                                                                          \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        HOST_R(64, cpu->gpr[RSP], op_ret64);                                                                           \
        uint64_t rip = ld64(p);                                                                                        \
        const struct jump_entry *je = &cpu->jump[jump_index(rip)];                                                     \
        if (unlikely(!JUMP_HIT(je, rip))) return op_ret64(cpu, i);                                                     \
        cpu->gpr[RSP] += 8 + (extra);                                                                                  \
        JUMP_GO(je, rip);                                                                                              \
    }
RET_FAST(op_ret64q, 0)
RET_FAST(op_ret_i64q, (uint16_t)i->imm)
#undef RET_FAST

static const struct op_forms rows[] = {
#define JCC_ROW(cc, code) ROW_ANY(J##cc, J, op_j##cc),
    EACH_COND(JCC_ROW)
#undef JCC_ROW
        ROW_ANY(LOOP, J, op_loop),
    ROW_ANY(LOOPE, J, op_loope),
    ROW_ANY(LOOPNE, J, op_loopne),
    ROW_ANY(JCXZ, J, op_jcxz),
    ROW_ANY(JECXZ, J, op_jcxz),
    ROW_ANY(JRCXZ, J, op_jcxz),
    ROW_ANY(JMP, J, op_jmp_j),
    {INSN_JMP,  FORM_R, {0, op_jmp_r16, op_jmp_r32, op_jmp_r64q},    {0, 0, 0, 0}           },
    {INSN_JMP,  FORM_M, F3(op_jmp_m),                                {0, 0, 0, op_jmp_m64f} },
    {INSN_CALL, FORM_J, {0, op_call_j16, op_call_j32, op_call_j64q}, {0, 0, 0, 0}           },
    {INSN_CALL, FORM_R, {0, op_call_r16, op_call_r32, op_call_r64q}, {0, 0, 0, 0}           },
    {INSN_CALL, FORM_M, F3(op_call_m),                               {0, 0, 0, op_call_m64f}},
    {INSN_RET,  FORM_0, {0, op_ret16, op_ret32, op_ret64q},          {0, 0, 0, 0}           },
    {INSN_RET,  FORM_I, {0, op_ret16, op_ret32, op_ret_i64q},        {0, 0, 0, 0}           },
};
OP_GROUP(op_group_branch, rows);
