/* How a semantic function is written, and how chains go on. Included by sim/ops/ only (and sim/core/run.c, block.c).
 *
 * An ordinary instruction:
 *     static void op_add_rr32(struct cpu *cpu, const struct insn *i) { ...; NEXT(cpu, i); }
 * NEXT must be a sibling call: nothing whose address was taken may live in the function (work that needs such locals
 * goes into a separate noinline function). Register and memory faults leave by longjmp, so everything that can fault
 * precedes the first write.
 *
 * An A_SYS instruction has only a body, `void body_x(struct cpu *, const struct insn *)`, in sys_bodies[id];
 * op_system() (system.c) does the checks of the row, sets cpu->cur = i and cpu->rip = next RIP, calls the body, and
 * continues (or leaves the chain when A_END). A body that transfers control sets cpu->rip (and calls cpu_update_mode()
 * when the mode may have changed). */
#ifndef HVSIM_OPS_OP_H
#define HVSIM_OPS_OP_H

#include "sim/core/cpu.h"
#include "sim/core/fault.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/system.h"

#define NEXT(cpu, i) return (i)[1].fn((cpu), (i) + 1)
#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)

/* Enter a block by its first record: pay for it, or leave to the run loop when the budget is used up. Does not touch
 * REG_RIPBASE. */
#define ENTER_BLOCK(cpu, first)                                                                                        \
    do {                                                                                                               \
        const struct insn *first_ = (first);                                                                           \
        if (unlikely(((cpu)->budget -= first_->left) < 0)) return chain_out_of_budget((cpu), first_);                  \
        return first_->fn((cpu), first_);                                                                              \
    } while (0)

/* Sets cpu->rip to the record's RIP, gives its price back, returns to the run loop. */
void chain_out_of_budget(struct cpu *cpu, const struct insn *first);

/* Branch endings. All are called in tail position: `return branch_xxx(cpu, i, ...)`.
 * branch_link: same-page direct successor number n (0 = fall through, 1 = taken) at page offset `target` relative to
 * RIPBASE; makes and uses the link. `target` is insn.off + len (fall through) or insn.imm (FORM_J). Falls back to
 * branch_to() when the target is in another page, outside the code-segment limit, or beyond the 16/32-bit wrap. */
void branch_link(struct cpu *cpu, const struct insn *i, unsigned n, int32_t target);
/* Any RIP: checks nothing (canonical and limit checks are the caller's: see check_branch_target), uses the jump cache.
 */
void branch_to(struct cpu *cpu, uint64_t rip);
/* #GP(0) when the new RIP is not canonical (64-bit) or beyond the CS limit */
void check_branch_target(struct cpu *cpu, const struct insn *i, uint64_t rip);

/* Where the relative branch of a FORM_J record leads, before operand size cuts it */
static inline uint64_t branch_rip(const struct cpu *cpu, const struct insn *i) {
    return cpu->gpr[17] + *(const uint64_t *)((const char *)cpu->gpr + i->index) + (uint64_t)(int64_t)i->imm;
}

/* The taken/not-taken fast path, inline: a link exists. */
#define BRANCH_LINKED(cpu, i, n, target)                                                                               \
    do {                                                                                                               \
        const struct insn *to_ = ((const struct insn_link *)((i) + 1))->to[n];                                         \
        if (likely(to_ != 0)) ENTER_BLOCK(cpu, to_);                                                                   \
        return branch_link((cpu), (i), (n), (target));                                                                 \
    } while (0)
/* Indirect branch (RET, JMP r/m, CALL r/m): inline jump-cache probe for a checked RIP. */
static inline unsigned jump_index(uint64_t la) { return (unsigned)((la >> 12 ^ la) & (JUMP_CACHE_SIZE - 1)); }
static inline unsigned jump_lane(uint64_t la) { return (uint32_t)la * 0x9E3779B1u >> 26; }
#define BRANCH_INDIRECT(cpu, rip_)                                                                                     \
    do {                                                                                                               \
        uint64_t la_ = cpu_code_la(cpu, rip_);                                                                         \
        const struct jump_entry *je_ = &(cpu)->jump[jump_index(la_)];                                                  \
        if (likely(je_->la == la_ && je_->key == (cpu)->fetch_key)) {                                                  \
            (cpu)->gpr[17] = (rip_) - (la_ & 0xFFF);                                                                   \
            ENTER_BLOCK(cpu, je_->insn);                                                                               \
        }                                                                                                              \
        return branch_to((cpu), (rip_));                                                                               \
    } while (0)

void op_leave(struct cpu *cpu,
              const struct insn *i); /* fn of the record after a single-stepped one: back to the run loop */
void op_fall(struct cpu *cpu, const struct insn *i); /* fn of the link record of a block that ends by falling through */
void op_stale(struct cpu *cpu, const struct insn *i);  /* fn of the records of an invalidated block */
void op_ud(struct cpu *cpu, const struct insn *i);     /* #UD */
void op_no_fpu(struct cpu *cpu, const struct insn *i); /* x87 without FEAT_FPU: #NM or #UD */
void op_system(struct cpu *cpu, const struct insn *i); /* prologue of A_SYS instructions */

/* Semantic functions by id, form and operand size: [id].form[f].fn[log2 size]. `flat` is used for INSN_FLAT operands,
 * else `gen`. A NULL flat entry means: use gen; a NULL base entry: use flat. Forms in one table per file of sim/ops/,
 * joined by sim/ops/table.c. */
struct op_forms {
    uint16_t id;
    uint8_t form;
    insn_fn *gen[4], *flat[4]; /* index: log2 of the operand bytes; CMPXCHG16B uses 3 */
    insn_fn *base[4];          /* flat, and without an index register */
};
struct op_group {
    const struct op_forms *rows;
    unsigned count;
};
#define OP_GROUP(name, rows_) const struct op_group name = {rows_, sizeof(rows_) / sizeof(rows_[0])}
extern const struct op_group op_group_move, op_group_alu, op_group_shift, op_group_bit, op_group_muldiv, op_group_bmi,
    op_group_string, op_group_branch, op_group_stack, op_group_misc, op_group_segmove, op_group_cond, op_group_xchg,
    op_group_mxcsr, op_group_x87_arith, op_group_x87_compare, op_group_x87_stack, op_group_x87_transfer,
    op_group_x87_control, op_group_x87_environment, op_group_x87_function, op_group_fxsave;

/* The dense table built from the groups at start-up (per machine): the decoder asks it. */
struct op_table {
    insn_fn *fn[INSN_VEC_FIRST][FORM_COUNT][4][3];          /* gen, flat, base */
    insn_fn *vec[INSN_COUNT - INSN_VEC_FIRST][4];           /* vector instructions, by encoding: see sim/vec/vec.h */
    const struct vec_hot *hot[INSN_COUNT - INSN_VEC_FIRST]; /* the first row of those that have such: sim/vec/table.h */
};
void op_table_build(struct op_table *t);
/* Fusion: given a record and its follower, both decoded, the function that does both, or NULL. */
insn_fn *op_fuse(const struct insn *first, const struct insn *second);
insn_fn *op_pair(const struct insn *first, const struct insn *second); /* the pairs that do not end in Jcc */
/* A better function for this very record than the table's (it tests less at run time), or NULL. Not for stepped
 * execution only: always right. */
insn_fn *op_specialize(const struct insn *i);

/* The function of a branch or ENDBRANCH in modes with shadow stacks or tracking, or NULL: the ordinary one. */
insn_fn *op_cet(const struct insn *i, unsigned mode);

typedef void sys_body(struct cpu *cpu, const struct insn *i);

#endif
