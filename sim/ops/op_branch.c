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
        uint64_t rip = branch_rip(cpu, i);
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

/* ---- CALL ---- */

#define CALL_GEN(B)                                                                                                    \
    OPFN op_call_j##B(struct cpu *cpu, const struct insn *i) {                                                         \
        uint64_t rip = branch_rip(cpu, i) & cpu_ip_mask(cpu);                                                          \
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

/* ---- 64-bit mode ----
 *
 * The record that comes next must not depend on the target's value, or the host would wait for a chain of loads at each
 * indirect branch. It can predict *code*: so the target is guessed from where the host's own predictors lead, and
 * compared with the real one.
 * - RET: the ring of calls says which CALL it returns to; the block behind that CALL hangs on its record.
 * - JMP and CALL through a register or memory: the host jumps to one of JUMP_LANES lanes, each with an entry at a
 * constant address. Misses go to the jump cache, then to the general functions. The linear address of code is RIP
 * itself. */

/* the compiler is not to put one of two equal values in the place of the other */
OP_INLINE uint64_t opaque(uint64_t v) {
    __asm__("" : "+r"(v));
    return v;
}
#define LINK_OF(i)           ((struct insn_link *)(uintptr_t)((i) + 1))
#define HIT(e, address, rip) ((e)->address == (rip) && (e)->key == cpu->fetch_key)
#define GO(e, page_)                                                                                                   \
    do {                                                                                                               \
        cpu->gpr[17] = (page_);                                                                                        \
        ENTER_BLOCK(cpu, (e)->insn);                                                                                   \
    } while (0)

/* Push the return address through the translation cache and note the call. */
#define PUSH_NEXT_RIP(miss)                                                                                            \
    uint64_t sp = cpu->gpr[RSP] - 8, ret = cpu->gpr[17] + i->off + i->len, top = cpu->return_top;                      \
    const struct tlb_entry *se = tlb_slot(cpu, sp);                                                                    \
    struct return_entry *re = &cpu->returns[top % RETURN_STACK];                                                       \
    if (unlikely(se->tag_w != TLB_WANT(cpu, sp, 64))) return miss;                                                     \
    st64((void *)(se->addend + (uintptr_t)sp), ret);                                                                   \
    cpu->gpr[RSP] = sp;                                                                                                \
    re->rip = ret;                                                                                                     \
    re->key = cpu->fetch_key;                                                                                          \
    re->call = i;                                                                                                      \
    cpu->return_top = top + 1

OPFN op_call_j64q(struct cpu *cpu, const struct insn *i) {
    const struct insn *to = LINK_OF(i)->to[1];
    if (unlikely(!to)) return op_call_j64(cpu, i);
    PUSH_NEXT_RIP(op_call_j64(cpu, i));
    ENTER_BLOCK(cpu, to);
}

typedef void lane_fn(struct cpu *cpu, const struct insn *i, uint64_t rip);

/* Nothing has been written: the lane learns what the jump cache knows, and the general function starts again. */
static __attribute__((noinline)) void lane_miss(struct cpu *cpu, const struct insn *i, uint64_t rip) {
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (likely(HIT(je, la, rip))) cpu->lane[jump_lane(rip)] = *je;
    if (i->id == INSN_CALL) return i->form == FORM_R ? op_call_r64(cpu, i) : op_call_m64(cpu, i);
    return i->form == FORM_R ? op_jmp_r64(cpu, i) : op_jmp_m64(cpu, i);
}
#define LANE(n)                                                                                                        \
    static void jmp_lane_##n(struct cpu *cpu, const struct insn *i, uint64_t rip) {                                    \
        const struct jump_entry *e = &cpu->lane[n];                                                                    \
        const uint64_t guess = e->la, page = opaque(guess & PAGE_MASK);                                                \
        if (unlikely(guess != rip || e->key != cpu->fetch_key)) return lane_miss(cpu, i, rip);                         \
        GO(e, page);                                                                                                   \
    }                                                                                                                  \
    static void call_lane_##n(struct cpu *cpu, const struct insn *i, uint64_t rip) {                                   \
        const struct jump_entry *e = &cpu->lane[n];                                                                    \
        const uint64_t guess = e->la, page = opaque(guess & PAGE_MASK);                                                \
        if (unlikely(guess != rip || e->key != cpu->fetch_key)) return lane_miss(cpu, i, rip);                         \
        PUSH_NEXT_RIP(lane_miss(cpu, i, rip));                                                                         \
        GO(e, page);                                                                                                   \
    }
#define EIGHT_LANES(X, ...)                                                                                            \
    X(__VA_ARGS__##0)                                                                                                  \
    X(__VA_ARGS__##1)                                                                                                  \
    X(__VA_ARGS__##2)                                                                                                  \
    X(__VA_ARGS__##3) X(__VA_ARGS__##4) X(__VA_ARGS__##5) X(__VA_ARGS__##6) X(__VA_ARGS__##7)
/* 64 lanes, numbered in octal */
#define EACH_LANE(X)                                                                                                   \
    EIGHT_LANES(X, 0)                                                                                                  \
    EIGHT_LANES(X, 01)                                                                                                 \
    EIGHT_LANES(X, 02)                                                                                                 \
    EIGHT_LANES(X, 03) EIGHT_LANES(X, 04) EIGHT_LANES(X, 05) EIGHT_LANES(X, 06) EIGHT_LANES(X, 07)
_Static_assert(JUMP_LANES == 64, "EACH_LANE() makes as many");
EACH_LANE(LANE)
typedef void lane_fn(struct cpu *cpu, const struct insn *i, uint64_t rip);
#define JMP_LANE(n)  jmp_lane_##n,
#define CALL_LANE(n) call_lane_##n,
static lane_fn *const jmp_lanes[JUMP_LANES] = {EACH_LANE(JMP_LANE)}, *const call_lanes[JUMP_LANES] = {
                                                                         EACH_LANE(CALL_LANE)};

OPFN op_jmp_r64q(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = reg64(cpu, i->rm);
    return jmp_lanes[jump_lane(rip)](cpu, i, rip);
}
OPFN op_jmp_m64f(struct cpu *cpu, const struct insn *i) {
    HOST_R(64, ea_flat(cpu, i), op_jmp_m64);
    uint64_t rip = ld64(p);
    return jmp_lanes[jump_lane(rip)](cpu, i, rip);
}
OPFN op_call_r64q(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = reg64(cpu, i->rm);
    return call_lanes[jump_lane(rip)](cpu, i, rip);
}
OPFN op_call_m64f(struct cpu *cpu, const struct insn *i) {
    HOST_R(64, ea_flat(cpu, i), op_call_m64);
    uint64_t rip = ld64(p);
    return call_lanes[jump_lane(rip)](cpu, i, rip);
}

/* RET when the ring of calls doesn't help: by the jump cache. If it was the awaited one, the CALL learns what follows
 * it. An entry that is passed over (the callee dropped its return address) is taken off too. */
OPFN op_ret64_jump(struct cpu *cpu, const struct insn *i) {
    HOST_R(64, cpu->gpr[RSP], op_ret64);
    uint64_t rip = ld64(p), top = cpu->return_top;
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (unlikely(!HIT(je, la, rip))) return op_ret64(cpu, i);
    const struct return_entry *re = &cpu->returns[(top - 1) % RETURN_STACK];
    if (HIT(re, rip, rip)) {
        struct insn_link *l = LINK_OF(re->call);
        if (l->spare && re->call->off + re->call->len < (int)PAGE_SIZE) l->to[0] = je->insn;
        cpu->return_top = top - 1;
    } else if (cpu->returns[(top - 2) % RETURN_STACK].rip == rip) {
        cpu->return_top = top - 2;
    }
    cpu->gpr[RSP] += 8 + (i->form == FORM_I ? (uint16_t)i->imm : 0);
    GO(je, rip & PAGE_MASK);
}
#define RET_FAST(name, extra)                                                                                          \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        HOST_R(64, cpu->gpr[RSP], op_ret64);                                                                           \
        uint64_t rip = ld64(p), top = cpu->return_top - 1;                                                             \
        const struct return_entry *re = &cpu->returns[top % RETURN_STACK];                                             \
        const uint64_t guess = re->rip, page = opaque(guess & PAGE_MASK);                                              \
        if (unlikely(guess != rip || re->key != cpu->fetch_key)) return op_ret64_jump(cpu, i);                         \
        const struct insn *to = LINK_OF(re->call)->to[0];                                                              \
        if (unlikely(!to)) return op_ret64_jump(cpu, i);                                                               \
        cpu->return_top = top;                                                                                         \
        cpu->gpr[RSP] += 8 + (extra);                                                                                  \
        cpu->gpr[17] = page;                                                                                           \
        ENTER_BLOCK(cpu, to);                                                                                          \
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
    ROW_SIZES(JMP, R, op_jmp_r16, op_jmp_r32, op_jmp_r64q),
    ROW_FLAT64(JMP, M, op_jmp_m16, op_jmp_m32, op_jmp_m64, op_jmp_m64f),
    ROW_SIZES(CALL, J, op_call_j16, op_call_j32, op_call_j64q),
    ROW_SIZES(CALL, R, op_call_r16, op_call_r32, op_call_r64q),
    ROW_FLAT64(CALL, M, op_call_m16, op_call_m32, op_call_m64, op_call_m64f),
    ROW_SIZES(RET, 0, op_ret16, op_ret32, op_ret64q),
    ROW_SIZES(RET, I, op_ret16, op_ret32, op_ret_i64q),
};
OP_GROUP(op_group_branch, rows);
