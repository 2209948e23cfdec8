/* PUSH, POP and their families, ENTER, LEAVE. 64-bit operands mean a 64-bit stack and go through the translation cache;
 * the others use the general accesses of SS. A fault leaves SP as it was. */
#include "sim/ops/opdef.h"

/* ---- PUSH ---- */

#define PUSH(name, B, value)                                                                                           \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        stack_push(cpu, i, B / 8, (uint##B##_t)(value));                                                               \
        NEXT(cpu, i);                                                                                                  \
    }
PUSH(op_push_r16, 16, reg16(cpu, i->reg))
PUSH(op_push_r32, 32, reg32(cpu, i->reg))
PUSH(op_push_r64, 64, reg64(cpu, i->reg))
PUSH(op_push_i16, 16, i->imm)
PUSH(op_push_i32, 32, i->imm)
PUSH(op_push_i64, 64, i->imm)
PUSH(op_push_m16, 16, load16(cpu, i))
PUSH(op_push_m32, 32, load32(cpu, i))
PUSH(op_push_m64, 64, load64(cpu, i))
#undef PUSH

OPFN op_push_r64q(struct cpu *cpu, const struct insn *i) {
    uint64_t sp = cpu->gpr[RSP] - 8, v = reg64(cpu, i->reg);
    HOST_W(64, sp, op_push_r64);
    st64(p, v);
    cpu->gpr[RSP] = sp;
    NEXT(cpu, i);
}
OPFN op_push_i64q(struct cpu *cpu, const struct insn *i) {
    uint64_t sp = cpu->gpr[RSP] - 8;
    HOST_W(64, sp, op_push_i64);
    st64(p, (uint64_t)(int64_t)i->imm);
    cpu->gpr[RSP] = sp;
    NEXT(cpu, i);
}
OPFN op_push_m64f(struct cpu *cpu, const struct insn *i) {
    uint64_t sp = cpu->gpr[RSP] - 8;
    HOST_R(64, ea_flat(cpu, i), op_push_m64);
    const struct tlb_entry *se = tlb_slot(cpu, sp);
    if (unlikely(se->tag_w != TLB_WANT(cpu, sp, 64))) return op_push_m64(cpu, i);
    st64((void *)(se->addend + (uintptr_t)sp), ld64(p));
    cpu->gpr[RSP] = sp;
    NEXT(cpu, i);
}

/* ---- POP ---- */

#define POP_R(B)                                                                                                       \
    OPFN op_pop_r##B(struct cpu *cpu, const struct insn *i) {                                                          \
        uint##B##_t v = (uint##B##_t)stack_peek(cpu, i, 0, B / 8);                                                     \
        stack_set(cpu, cpu->gpr[RSP] + B / 8);                                                                         \
        set_reg##B(cpu, i->reg, v);                                                                                    \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(POP_R)
#undef POP_R

OPFN op_pop_r64q(struct cpu *cpu, const struct insn *i) {
    HOST_R(64, cpu->gpr[RSP], op_pop_r64);
    uint64_t v = ld64(p);
    cpu->gpr[RSP] += 8;
    set_reg64(cpu, i->reg, v);
    NEXT(cpu, i);
}

/* An address based on rSP is computed with the incremented value: SDM 2 "POP". */
static inline void pop_mem(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    uint64_t v = stack_peek(cpu, i, 0, bytes), before = cpu->gpr[RSP];
    stack_set(cpu, before + bytes);
    uint64_t after = cpu->gpr[RSP], off = ea_offset(cpu, i);
    cpu->gpr[RSP] = before;
    uint64_t la = i->flags & INSN_FLAT ? off : seg_linear(cpu, i, i->seg, off, bytes, MEM_WRITE);
    switch (bytes) {
    case 2:
        mem_write16(cpu, i, la, (uint16_t)v);
        break;
    case 4:
        mem_write32(cpu, i, la, (uint32_t)v);
        break;
    default:
        mem_write64(cpu, i, la, v);
        break;
    }
    cpu->gpr[RSP] = after;
}
#define POP_M(B)                                                                                                       \
    OPFN op_pop_m##B(struct cpu *cpu, const struct insn *i) {                                                          \
        pop_mem(cpu, i, B / 8);                                                                                        \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(POP_M)
#undef POP_M

/* ---- PUSHA, POPA ---- */

/* The linear address of the slot `n` words above the new top; written slots are probed first, so that nothing is half
 * pushed. */
static uint64_t slot(struct cpu *cpu, const struct insn *i, int32_t disp, unsigned bytes, unsigned access) {
    uint64_t la =
        seg_linear(cpu, i, SEG_SS, (cpu->gpr[RSP] + (uint64_t)(int64_t)disp) & stack_mask(cpu), bytes, access);
    if (access == MEM_WRITE) mem_probe(cpu, i, la, bytes, MEM_WRITE);
    return la;
}
static void __attribute__((noinline)) push_all(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    uint64_t la[8];
    for (unsigned r = 0; r < 8; r++) la[r] = slot(cpu, i, -(int32_t)((r + 1) * bytes), bytes, MEM_WRITE);
    for (unsigned r = 0; r < 8; r++) {
        if (bytes == 2)
            mem_write16(cpu, i, la[r], (uint16_t)cpu->gpr[r]);
        else
            mem_write32(cpu, i, la[r], (uint32_t)cpu->gpr[r]);
    }
    stack_set(cpu, cpu->gpr[RSP] - 8 * bytes);
}
static void __attribute__((noinline)) pop_all(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    uint64_t v[8];
    for (unsigned r = 8; r-- > 0;) v[r] = stack_peek(cpu, i, (int32_t)((7 - r) * bytes), bytes);
    stack_set(cpu, cpu->gpr[RSP] + 8 * bytes);
    for (unsigned r = 0; r < 8; r++) {
        if (r == RSP) continue; /* skipped: SDM 2 "POPA/POPAD" */
        if (bytes == 2)
            set_reg16(cpu, REG_OFF(r), (uint16_t)v[r]);
        else
            set_reg32(cpu, REG_OFF(r), (uint32_t)v[r]);
    }
}
OPFN op_pusha(struct cpu *cpu, const struct insn *i) {
    push_all(cpu, i, 2);
    NEXT(cpu, i);
}
OPFN op_pushad(struct cpu *cpu, const struct insn *i) {
    push_all(cpu, i, 4);
    NEXT(cpu, i);
}
OPFN op_popa(struct cpu *cpu, const struct insn *i) {
    pop_all(cpu, i, 2);
    NEXT(cpu, i);
}
OPFN op_popad(struct cpu *cpu, const struct insn *i) {
    pop_all(cpu, i, 4);
    NEXT(cpu, i);
}

/* ---- PUSHF: SDM 2 "PUSHF/PUSHFD/PUSHFQ", and table "PUSHF in virtual-8086 mode" of "20.3 Interrupt and Exception
 * Handling in Virtual-8086 Mode" ---- */

static uint32_t pushf_image(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    cpu->cur = i;
    cpu->rip = cpu_next_rip(cpu, i);
    VIRT_INTERCEPT(cpu, STAGE_BEFORE_EXC, ICEPT_PUSHF, 0, 0);
    uint32_t f = flags_get(cpu);
    if (cpu_is_vm86(cpu) && (f & FLAG_IOPL) != FLAG_IOPL) {
        if (bytes != 2 || !(cpu->ctl.cr4 & CR4_VME)) cpu_gp0(cpu);
        f = (f & ~FLAG_IF) | FLAG_IOPL | (f & FLAG_VIF ? FLAG_IF : 0);
    }
    VIRT_INTERCEPT(cpu, STAGE_AFTER_EXC, ICEPT_PUSHF, 0, 0);
    return f & ~(FLAG_VM | FLAG_RF);
}
#define PUSHF(name, bytes)                                                                                             \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        stack_push(cpu, i, bytes, pushf_image(cpu, i, bytes));                                                         \
        NEXT(cpu, i);                                                                                                  \
    }
PUSHF(op_pushf, 2)
PUSHF(op_pushfd, 4)
PUSHF(op_pushfq, 8)
#undef PUSHF

/* ---- ENTER, LEAVE ---- */

static void frame_set(struct cpu *cpu, unsigned bytes, uint64_t v) {
    if (bytes == 2)
        set_reg16(cpu, REG_OFF(RBP), (uint16_t)v);
    else if (bytes == 4)
        set_reg32(cpu, REG_OFF(RBP), (uint32_t)v);
    else
        cpu->gpr[RBP] = v;
}
static uint64_t stack_word(struct cpu *cpu, const struct insn *i, uint64_t off, unsigned bytes) {
    uint64_t la = seg_linear(cpu, i, SEG_SS, off & stack_mask(cpu), bytes, MEM_READ);
    return bytes == 2 ? mem_read16(cpu, i, la) : bytes == 4 ? mem_read32(cpu, i, la) : mem_read64(cpu, i, la);
}
static void frame_word(struct cpu *cpu, const struct insn *i, uint64_t off, unsigned bytes, uint64_t v) {
    uint64_t la = seg_linear(cpu, i, SEG_SS, off & stack_mask(cpu), bytes, MEM_WRITE);
    if (bytes == 2)
        mem_write16(cpu, i, la, (uint16_t)v);
    else if (bytes == 4)
        mem_write32(cpu, i, la, (uint32_t)v);
    else
        mem_write64(cpu, i, la, v);
}
/* SDM 2 "ENTER": the frame pointers of the enclosing levels are copied; the new top of stack must be writable. */
static void __attribute__((noinline)) enter(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    unsigned level = (uint32_t)i->disp & 31;
    uint64_t sp = cpu->gpr[RSP], bp = cpu->gpr[RBP], mask = stack_mask(cpu), frame;
    sp -= bytes;
    frame_word(cpu, i, sp, bytes, bp);
    frame = sp;
    if (level) {
        for (unsigned k = 1; k < level; k++) {
            bp -= bytes;
            sp -= bytes;
            frame_word(cpu, i, sp, bytes, stack_word(cpu, i, bp, bytes));
        }
        sp -= bytes;
        frame_word(cpu, i, sp, bytes, frame);
    }
    sp -= (uint16_t)i->imm;
    mem_probe(cpu, i, seg_linear(cpu, i, SEG_SS, sp & mask, bytes, MEM_WRITE), bytes, MEM_WRITE);
    frame_set(cpu, bytes, frame & mask);
    stack_set(cpu, sp);
}
static void __attribute__((noinline)) leave(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    uint64_t bp = cpu->gpr[RBP], v = stack_word(cpu, i, bp, bytes);
    stack_set(cpu, bp + bytes);
    frame_set(cpu, bytes, v);
}
#define FRAME(B)                                                                                                       \
    OPFN op_enter_##B(struct cpu *cpu, const struct insn *i) {                                                         \
        enter(cpu, i, B / 8);                                                                                          \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_leave_##B(struct cpu *cpu, const struct insn *i) {                                                         \
        leave(cpu, i, B / 8);                                                                                          \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(FRAME)
#undef FRAME

OPFN op_leave_64q(struct cpu *cpu, const struct insn *i) {
    uint64_t bp = cpu->gpr[RBP];
    HOST_R(64, bp, op_leave_64);
    cpu->gpr[RBP] = ld64(p);
    cpu->gpr[RSP] = bp + 8;
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_SIZES(PUSH, R, op_push_r16, op_push_r32, op_push_r64q),
    ROW_SIZES(PUSH, I, op_push_i16, op_push_i32, op_push_i64q),
    ROW_FLAT64(PUSH, M, op_push_m16, op_push_m32, op_push_m64, op_push_m64f),
    ROW_SIZES(POP, R, op_pop_r16, op_pop_r32, op_pop_r64q),
    ROW3(POP, M, op_pop_m),
    ROW_ANY(PUSHA, 0, op_pusha),
    ROW_ANY(PUSHAD, 0, op_pushad),
    ROW_ANY(POPA, 0, op_popa),
    ROW_ANY(POPAD, 0, op_popad),
    ROW_ANY(PUSHF, 0, op_pushf),
    ROW_ANY(PUSHFD, 0, op_pushfd),
    ROW_ANY(PUSHFQ, 0, op_pushfq),
    ROW3(ENTER, I, op_enter_),
    ROW_SIZES(LEAVE, 0, op_leave_16, op_leave_32, op_leave_64q),
};
OP_GROUP(op_group_stack, rows);
