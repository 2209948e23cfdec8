/* How chains of blocks go on: links inside a page, the jump cache between pages, and the ways back to the run loop. */
#include "sim/core/block.h"
#include "sim/core/seg.h"
#include "sim/ops/op.h"

static insn_fn op_far_link;

void chain_out_of_budget(struct cpu *cpu, const struct insn *first) {
    cpu->budget += first->left;
    cpu->rip = first->fn == op_far_link ? cpu->gpr[17] + (uint64_t)(int64_t)first->imm : cpu_insn_rip(cpu, first);
}

void op_leave(struct cpu *cpu, const struct insn *i) { cpu->rip = cpu_next_rip(cpu, i - 1); }

void op_fall(struct cpu *cpu, const struct insn *i) {
    const struct insn *to = ((const struct insn_link *)i)->to[0];
    if (likely(to != 0)) ENTER_BLOCK(cpu, to);
    return branch_link(cpu, i - 1, 0, (i - 1)->off + (i - 1)->len);
}

/* The block this record belonged to was overwritten: look the address up again. */
void op_stale(struct cpu *cpu, const struct insn *i) {
    cpu->budget += i->left;
    cpu->rip = cpu_insn_rip(cpu, i);
    uint64_t la = cpu_code_la(cpu, cpu->rip);
    struct jump_entry *je = &cpu->jump[jump_index(la)];
    if (je->insn && je->insn->fn == op_stale) je->key = ~0ull;
    je = &cpu->lane[jump_lane(la)];
    if (je->insn == i) je->key = ~0ull;
}

void op_ud(struct cpu *cpu, const struct insn *i) {
    cpu->cur = i;
    cpu_ud(cpu);
}

/* SDM 3, "Instruction #GP conditions": a near branch target must be canonical, or inside the code segment. */
void check_branch_target(struct cpu *cpu, const struct insn *i, uint64_t rip) {
    bool ok;
    if (cpu_is_64(cpu)) {
        ok = is_canonical(cpu, rip);
    } else {
        ok = rip <= cpu->seg[SEG_CS].limit;
    }
    if (likely(ok)) return;
    cpu->cur = i;
    cpu_gp0(cpu);
}

void branch_to(struct cpu *cpu, uint64_t rip) {
    uint64_t la = cpu_code_la(cpu, rip);
    if (!cpu_is_64(cpu)) la = (uint32_t)la;
    const struct jump_entry *je = &cpu->jump[jump_index(la)];
    if (likely(je->la == la && je->key == cpu->fetch_key)) {
        cpu->gpr[17] = rip - (la & 0xFFF);
        ENTER_BLOCK(cpu, je->insn);
    }
    cpu->rip = rip;
}

/* Where a direct branch goes: 16-bit operand size truncates IP. */
static uint64_t target_rip(const struct cpu *cpu, const struct insn *i, int32_t target) {
    uint64_t rip = cpu->gpr[17] + (uint64_t)(int64_t)target;
    if (i->form == FORM_J && target == i->imm) rip = branch_rip(cpu, i);
    if (i->form == FORM_J && i->size == 1) return rip & 0xFFFF;
    return rip & cpu_ip_mask(cpu);
}

/* Remember where a far link leads, if the jump cache knows. 64-bit code only: elsewhere RIP isn't the linear address.
 */
static void far_fill(struct cpu *cpu, struct far_link *f, uint64_t rip) {
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (je->la != rip || je->key != cpu->fetch_key) return;
    f->rip = rip;
    f->key = cpu->fetch_key;
    f->cpu = cpu;
    f->insn = je->insn;
    f->head.left = je->insn->left; /* who enters the link pays for what it leads to */
}
static void op_far_link(struct cpu *cpu, const struct insn *i) {
    struct far_link *f = (struct far_link *)(uintptr_t)i;
    uint64_t rip = f->rip;
    if (likely(f->key == cpu->fetch_key && rip == cpu->gpr[17] + (uint64_t)(int64_t)i->imm && f->cpu == cpu &&
               f->insn->fn != op_stale)) {
        cpu->gpr[17] = rip & PAGE_MASK;
        return f->insn->fn(cpu, f->insn);
    }
    cpu->budget += i->left;
    rip = target_rip(cpu, f->from, i->imm);
    if (i->rm) check_branch_target(cpu, f->from, rip);
    far_fill(cpu, f, rip);
    return branch_to(cpu, rip);
}
static void far_make(struct cpu *cpu, const struct insn *i, unsigned n, int32_t target, uint64_t rip) {
    struct insn_link *link = (struct insn_link *)(uintptr_t)(i + 1);
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (!link->spare || cpu->step || !cpu_is_64(cpu) || je->la != rip || je->key != cpu->fetch_key) return;
    if (rip != cpu->gpr[17] + (uint64_t)(int64_t)target) return; /* the link knows a target by 32 bits */
    struct far_link *f = block_far_link(cpu->machine);
    if (!f) return;
    f->head.fn = op_far_link;
    f->head.imm = target;
    f->head.rm = (uint8_t)n;
    f->from = i;
    far_fill(cpu, f, rip);
    link->to[n] = &f->head;
}

void branch_link(struct cpu *cpu, const struct insn *i, unsigned n, int32_t target) {
    uint64_t rip = target_rip(cpu, i, target);
    if (target < 0 || target > 0xFFF || rip != cpu->gpr[17] + (uint64_t)(int64_t)target) {
        if (n) check_branch_target(cpu, i, rip); /* falling through faults at the next instruction */
        far_make(cpu, i, n, target, rip);
        return branch_to(cpu, rip);
    }
    struct insn_link *link = (struct insn_link *)(uintptr_t)(i + 1);
    if (link->spare && !cpu->step) {
        const struct insn *to = block_find(cpu, (link->spare & PAGE_MASK) + (uint32_t)target);
        if (to) {
            link->to[n] = to;
            ENTER_BLOCK(cpu, to);
        }
    }
    if (n) check_branch_target(cpu, i, rip);
    cpu->rip = rip;
}
