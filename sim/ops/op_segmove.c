/* MOV, PUSH, POP and far-pointer loads of segment registers. seg_load() makes the checks; what it changes may end the
 * chain. */
#include "sim/ops/opdef.h"

/* Load a segment register on behalf of i, with all faults. SDM 2 "MOV": CS can't be loaded so. */
static void load_segment(struct cpu *cpu, const struct insn *i, unsigned seg, uint16_t sel) {
    cpu->cur = i;
    cpu->rip = cpu_next_rip(cpu, i);
    if (seg == SEG_CS || seg > SEG_GS) cpu_ud(cpu);
    seg_load(cpu, (enum seg_id)seg, sel);
}
/* After a load of SS, debug traps and interrupts wait for one instruction (SDM 3 "Masking Exceptions and Interrupts
 * When Switching Stacks"); a new SS.B is another execution mode. Either way the run loop goes on. */
#define SEG_DONE(cpu, i, seg, old_mode, shadow)                                                                        \
    do {                                                                                                               \
        if ((seg) == SEG_SS && (shadow)) (cpu)->intr.movss_shadow = true;                                              \
        if ((seg) == SEG_SS || (cpu)->mode != (old_mode)) return chain_leave_after((cpu), (i));                        \
        NEXT(cpu, i);                                                                                                  \
    } while (0)

OPFN op_mov_seg_r(struct cpu *cpu, const struct insn *i) {
    uint8_t mode = cpu->mode;
    load_segment(cpu, i, i->reg, reg16(cpu, i->rm));
    SEG_DONE(cpu, i, i->reg, mode, true);
}
OPFN op_mov_seg_m(struct cpu *cpu, const struct insn *i) {
    uint8_t mode = cpu->mode;
    if (i->reg == SEG_CS || i->reg > SEG_GS) op_raise(cpu, i, VEC_UD);
    load_segment(cpu, i, i->reg, load16(cpu, i));
    SEG_DONE(cpu, i, i->reg, mode, true);
}
OPFN op_pop_seg(struct cpu *cpu, const struct insn *i) {
    uint8_t mode = cpu->mode;
    uint16_t sel = (uint16_t)stack_peek(cpu, i, 0, 2);
    uint64_t mask = stack_mask(cpu), before = cpu->gpr[RSP];
    load_segment(cpu, i, i->reg, sel);
    cpu->gpr[RSP] = (before & ~mask) | ((before + (1u << i->size)) & mask);
    SEG_DONE(cpu, i, i->reg, mode, true);
}
OPFN op_push_seg(struct cpu *cpu, const struct insn *i) {
    stack_push(cpu, i, 1u << i->size, cpu->seg[i->reg].sel);
    NEXT(cpu, i);
}

#define FROM_SEG(B)                                                                                                    \
    OPFN op_seg_r##B(struct cpu *cpu, const struct insn *i) {                                                          \
        set_reg##B(cpu, i->reg, cpu->seg[i->rm].sel);                                                                  \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(FROM_SEG)
#undef FROM_SEG
/* a memory destination is 16 bits wide whatever the operand size */
OPFN op_seg_m(struct cpu *cpu, const struct insn *i) {
    store16(cpu, i, cpu->seg[i->reg].sel);
    NEXT(cpu, i);
}

/* Offset, then selector */
#define FAR_POINTER(name, seg_)                                                                                        \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        uint8_t mode = cpu->mode;                                                                                      \
        unsigned bytes = 1u << i->size;                                                                                \
        uint64_t la = ea_linear(cpu, i, bytes + 2, MEM_READ);                                                          \
        uint64_t off = bytes == 2   ? mem_read16(cpu, i, la)                                                           \
                       : bytes == 4 ? mem_read32(cpu, i, la)                                                           \
                                    : mem_read64(cpu, i, la);                                                          \
        load_segment(cpu, i, seg_, mem_read16(cpu, i, la_after(cpu, la, bytes)));                                      \
        if (bytes == 2)                                                                                                \
            set_reg16(cpu, i->reg, (uint16_t)off);                                                                     \
        else                                                                                                           \
            set_reg64(cpu, i->reg, off);                                                                               \
        SEG_DONE(cpu, i, seg_, mode, false);                                                                           \
    }
FAR_POINTER(op_les, SEG_ES)
FAR_POINTER(op_lds, SEG_DS)
FAR_POINTER(op_lss, SEG_SS)
FAR_POINTER(op_lfs, SEG_FS)
FAR_POINTER(op_lgs, SEG_GS)
#undef FAR_POINTER

static const struct op_forms rows[] = {
    ROW_ANY(MOV_TO_SEG, RR, op_mov_seg_r),
    ROW_ANY(MOV_TO_SEG, RM, op_mov_seg_m),
    ROW_ANY(POP_SEG, R, op_pop_seg),
    ROW_ANY(PUSH_SEG, R, op_push_seg),
    ROW3(MOV_FROM_SEG, RR, op_seg_r),
    ROW_ANY(MOV_FROM_SEG, MR, op_seg_m),
    ROW_ANY(LES, RM, op_les),
    ROW_ANY(LDS, RM, op_lds),
    ROW_ANY(LSS, RM, op_lss),
    ROW_ANY(LFS, RM, op_lfs),
    ROW_ANY(LGS, RM, op_lgs),
};
OP_GROUP(op_group_segmove, rows);
