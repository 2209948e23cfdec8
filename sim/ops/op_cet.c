/* Near branches and ENDBRANCH in modes with shadow stacks or indirect-branch tracking. The mode is part of a block's
 * key, so that branches elsewhere do not even ask. SDM 2 "CALL", "JMP", "RET", "ENDBR32", "ENDBR64". */
#include "sim/core/cet.h"
#include "sim/ops/opdef.h"

OPFN op_endbr(struct cpu *cpu, const struct insn *i) {
    cet_end_branch(cpu);
    NEXT(cpu, i);
}

/* ---- tracking ---- */

/* Go to a checked target. A tracked branch stays in the chain only if it leads to ENDBRANCH: the run loop knows what to
 * do elsewhere. */
static void branch_tracked(struct cpu *cpu, const struct insn *i, uint64_t rip) {
    cet_track_near(cpu, i->imm);
    if (cet_waits(cpu)) {
        uint64_t la = cpu_is_64(cpu) ? rip : (uint32_t)(rip + cpu->seg[SEG_CS].base);
        const struct jump_entry *je = &cpu->jump[jump_index(la)];
        bool known = je->la == la && je->key == cpu->fetch_key;
        if (!known || je->insn->id != (cpu_is_64(cpu) ? INSN_ENDBR64 : INSN_ENDBR32)) {
            cpu->rip = rip;
            return;
        }
    }
    return branch_to(cpu, rip);
}

/* Where a branch through a register or memory leads */
static uint64_t indirect_target(struct cpu *cpu, const struct insn *i) {
    switch (i->size) {
    case 1:
        return i->form == FORM_R ? reg16(cpu, i->rm) : load16(cpu, i);
    case 2:
        return i->form == FORM_R ? reg32(cpu, i->rm) : load32(cpu, i);
    default:
        return i->form == FORM_R ? reg64(cpu, i->rm) : load64(cpu, i);
    }
}

OPFN op_jmp_tracked(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = indirect_target(cpu, i);
    check_branch_target(cpu, i, rip);
    return branch_tracked(cpu, i, rip);
}

/* ---- shadow stacks ---- */

static uint64_t shadow_address(const struct cpu *cpu, uint64_t ssp) { return cpu_is_64(cpu) ? ssp : (uint32_t)ssp; }

/* The return address onto both stacks, or onto none */
static void __attribute__((noinline)) push_return(struct cpu *cpu, const struct insn *i) {
    unsigned bytes = 1u << i->size, width = bytes == 8 ? 8 : 4;
    uint64_t ret = cpu_next_rip(cpu, i), ssp = shadow_address(cpu, cpu->cet.ssp - width);
    if (bytes == 2) ret &= 0xFFFF;
    if (cpu->mode & MODE_SHSTK) {
        uint64_t sp = (cpu->gpr[RSP] - bytes) & stack_mask(cpu);
        mem_probe(cpu, i, seg_linear(cpu, i, SEG_SS, sp, bytes, MEM_WRITE), bytes, MEM_WRITE);
        cpu->cur = i;
        mem_shstk_write(cpu, ssp, width, ret, 0);
    }
    stack_push(cpu, i, bytes, ret);
    if (cpu->mode & MODE_SHSTK) cpu->cet.ssp = ssp;
}

OPFN op_call_cet(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = indirect_target(cpu, i);
    check_branch_target(cpu, i, rip);
    push_return(cpu, i);
    return branch_tracked(cpu, i, rip);
}

OPFN op_call_j_shstk(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = branch_rip(cpu, i) & cpu_ip_mask(cpu);
    check_branch_target(cpu, i, i->size == 1 ? rip & 0xFFFF : rip);
    push_return(cpu, i);
    BRANCH_LINKED(cpu, i, 1, i->imm);
}

/* The return address on both stacks must be the same. */
static uint64_t __attribute__((noinline)) pop_return(struct cpu *cpu, const struct insn *i) {
    unsigned bytes = 1u << i->size, width = bytes == 8 ? 8 : 4;
    uint64_t rip = stack_peek(cpu, i, 0, bytes);
    check_branch_target(cpu, i, rip);
    cpu->cur = i;
    if (mem_shstk_read(cpu, shadow_address(cpu, cpu->cet.ssp), width, 0) != rip) cet_fault(cpu, CP_NEAR_RET);
    stack_set(cpu, cpu->gpr[RSP] + bytes + (i->form == FORM_I ? (uint16_t)i->imm : 0));
    cpu->cet.ssp = shadow_address(cpu, cpu->cet.ssp + width);
    return rip;
}
OPFN op_ret_shstk(struct cpu *cpu, const struct insn *i) {
    uint64_t rip = pop_return(cpu, i);
    return branch_to(cpu, rip);
}

/* ---- 64-bit mode: both stacks in the translation cache ---- */

#define SHADOW_WANT(cpu, la) ((((la) + 7) & PAGE_MASK) | (cpu)->tlb.ctx_shstk)

OPFN op_call_j64_shstk(struct cpu *cpu, const struct insn *i) {
    const struct insn *to = ((const struct insn_link *)(i + 1))->to[1];
    uint64_t sp = cpu->gpr[RSP] - 8, ssp = cpu->cet.ssp - 8, ret = cpu->gpr[17] + i->off + i->len;
    const struct tlb_entry *e = tlb_slot(cpu, sp), *se = tlb_slot(cpu, ssp);
    if (unlikely(!to || e->tag_w != TLB_WANT(cpu, sp, 64) || se->tag_w != SHADOW_WANT(cpu, ssp)))
        return op_call_j_shstk(cpu, i);
    st64((void *)(e->addend + (uintptr_t)sp), ret);
    st64((void *)(se->addend + (uintptr_t)ssp), ret);
    cpu->gpr[RSP] = sp;
    cpu->cet.ssp = ssp;
    ENTER_BLOCK(cpu, to);
}

OPFN op_ret64_shstk(struct cpu *cpu, const struct insn *i) {
    uint64_t ssp = cpu->cet.ssp;
    HOST_R(64, cpu->gpr[RSP], op_ret_shstk);
    const struct tlb_entry *se = tlb_slot(cpu, ssp);
    if (unlikely(se->tag_r != SHADOW_WANT(cpu, ssp))) return op_ret_shstk(cpu, i);
    uint64_t rip = ld64(p);
    const struct jump_entry *je = &cpu->jump[jump_index(rip)];
    if (unlikely(ld64((const void *)(se->addend + (uintptr_t)ssp)) != rip || je->la != rip ||
                 je->key != cpu->fetch_key))
        return op_ret_shstk(cpu, i);
    cpu->gpr[RSP] += 8 + (i->form == FORM_I ? (uint16_t)i->imm : 0);
    cpu->cet.ssp = ssp + 8;
    cpu->gpr[17] = rip & PAGE_MASK;
    ENTER_BLOCK(cpu, je->insn);
}

/* ---- choice ---- */

static insn_fn *call_function(const struct insn *i, unsigned mode) {
    if (i->form != FORM_J) return op_call_cet;
    bool to_next = i->imm == i->off + i->len; /* a zero displacement asks for RIP only: SDM 2, "CALL" */
    if (!(mode & MODE_SHSTK) || to_next) return NULL;
    return i->size == 3 ? op_call_j64_shstk : op_call_j_shstk;
}

insn_fn *op_cet(const struct insn *i, unsigned mode) {
    if (likely(!(mode & (MODE_SHSTK | MODE_IBT)))) return NULL;
    bool is_64 = (mode & MODE_CODE_MASK) == MODE_CODE64;
    switch (i->id) {
    case INSN_CALL:
        return call_function(i, mode);
    case INSN_RET:
        if (!(mode & MODE_SHSTK)) return NULL;
        return is_64 && i->size == 3 ? op_ret64_shstk : op_ret_shstk;
    case INSN_JMP:
        return mode & MODE_IBT && i->form != FORM_J ? op_jmp_tracked : NULL;
    case INSN_ENDBR32:
    case INSN_ENDBR64:
        return mode & MODE_IBT && is_64 == (i->id == INSN_ENDBR64) ? op_endbr : NULL;
    default:
        return NULL;
    }
}
