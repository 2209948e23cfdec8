/* MOV, MOVZX, MOVSX, MOVSXD, LEA, MOVBE, MOVNTI, MOVDIRI, MOVDIR64B, BSWAP, the CBW family, XLAT. */
#include "sim/ops/opdef.h"

#define MOV_FLAT(B, sfx, ea)                                                                                           \
    OPFN op_mov_rm##B##sfx(struct cpu *cpu, const struct insn *i) {                                                    \
        HOST_R(B, ea(cpu, i), op_mov_rm##B);                                                                           \
        set_reg##B(cpu, i->reg, ld##B(p));                                                                             \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mov_mr##B##sfx(struct cpu *cpu, const struct insn *i) {                                                    \
        HOST_W(B, ea(cpu, i), op_mov_mr##B);                                                                           \
        st##B(p, reg##B(cpu, i->reg));                                                                                 \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mov_mi##B##sfx(struct cpu *cpu, const struct insn *i) {                                                    \
        HOST_W(B, ea(cpu, i), op_mov_mi##B);                                                                           \
        st##B(p, (uint##B##_t)i->imm);                                                                                 \
        NEXT(cpu, i);                                                                                                  \
    }
#define MOV(B)                                                                                                         \
    OPFN op_mov_rr##B(struct cpu *cpu, const struct insn *i) {                                                         \
        set_reg##B(cpu, i->reg, reg##B(cpu, i->rm));                                                                   \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mov_rm##B(struct cpu *cpu, const struct insn *i) {                                                         \
        set_reg##B(cpu, i->reg, load##B(cpu, i));                                                                      \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mov_mr##B(struct cpu *cpu, const struct insn *i) {                                                         \
        store##B(cpu, i, reg##B(cpu, i->reg));                                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_mov_mi##B(struct cpu *cpu, const struct insn *i) {                                                         \
        store##B(cpu, i, (uint##B##_t)i->imm);                                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    MOV_FLAT(B, f, ea_flat) MOV_FLAT(B, b, ea_base)
EACH_SIZE(MOV)
#undef MOV
#undef MOV_FLAT

#define MOV_RI(B, field)                                                                                               \
    OPFN op_mov_ri##B(struct cpu *cpu, const struct insn *i) {                                                         \
        set_reg##B(cpu, i->reg, (uint##B##_t)i->field);                                                                \
        NEXT(cpu, i);                                                                                                  \
    }
MOV_RI(8, imm)
MOV_RI(16, imm)
MOV_RI(32, imm)
MOV_RI(64, imm64)
#undef MOV_RI

/* ---- MOVZX, MOVSX, MOVSXD: S source bits, B destination bits; the source size is in vreg ---- */

#define EXTEND_FLAT(op, T, S, B, sfx, ea)                                                                              \
    OPFN op_##op##_rm##S##_##B##sfx(struct cpu *cpu, const struct insn *i) {                                           \
        HOST_R(S, ea(cpu, i), op_##op##_rm##S##_##B);                                                                  \
        set_reg##B(cpu, i->reg, (uint##B##_t)(T##S##_t)ld##S(p));                                                      \
        NEXT(cpu, i);                                                                                                  \
    }
#define EXTEND(op, T, S, B)                                                                                            \
    OPFN op_##op##_rr##S##_##B(struct cpu *cpu, const struct insn *i) {                                                \
        set_reg##B(cpu, i->reg, (uint##B##_t)(T##S##_t)reg##S(cpu, i->rm));                                            \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rm##S##_##B(struct cpu *cpu, const struct insn *i) {                                                \
        set_reg##B(cpu, i->reg, (uint##B##_t)(T##S##_t)load##S(cpu, i));                                               \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    EXTEND_FLAT(op, T, S, B, f, ea_flat) EXTEND_FLAT(op, T, S, B, b, ea_base)
#define EXTEND_TO(B)                                                                                                   \
    EXTEND(movzx, uint, 8, B) EXTEND(movzx, uint, 16, B) EXTEND(movsx, int, 8, B) EXTEND(movsx, int, 16, B)
EACH_SIZE3(EXTEND_TO)
EXTEND(movsxd, int, 16, 16)
EXTEND(movsxd, int, 32, 32)
EXTEND(movsxd, int, 32, 64)
#undef EXTEND_TO
#undef EXTEND
#undef EXTEND_FLAT

/* The table knows the destination size only: its functions look at vreg. op_specialize() picks the ones that don't. */
#define EXTEND_ANY(op, form, B, f)                                                                                     \
    OPFN op_##op##_##form##B##f(struct cpu *cpu, const struct insn *i) {                                               \
        if (i->vreg == LG_8) return op_##op##_##form##8_##B##f(cpu, i);                                                \
        return op_##op##_##form##16_##B##f(cpu, i);                                                                    \
    }
#define EXTEND_ANY_ALL(B)                                                                                              \
    EXTEND_ANY(movzx, rr, B, )                                                                                         \
    EXTEND_ANY(movzx, rm, B, )                                                                                         \
    EXTEND_ANY(movzx, rm, B, f) EXTEND_ANY(movsx, rr, B, ) EXTEND_ANY(movsx, rm, B, ) EXTEND_ANY(movsx, rm, B, f)
EACH_SIZE3(EXTEND_ANY_ALL)
#undef EXTEND_ANY_ALL
#undef EXTEND_ANY

/* ---- LEA: the offset, truncated to the operand size ---- */

#define LEA(B)                                                                                                         \
    OPFN op_lea_rm##B(struct cpu *cpu, const struct insn *i) {                                                         \
        set_reg##B(cpu, i->reg, (uint##B##_t)ea_offset(cpu, i));                                                       \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_lea_rm##B##f(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, (uint##B##_t)ea_flat(cpu, i));                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_lea_rm##B##b(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, (uint##B##_t)ea_base(cpu, i));                                                         \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(LEA)
#undef LEA

/* ---- MOVBE ---- */

#define MOVBE(B)                                                                                                       \
    OPFN op_movbe_rm##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg##B(cpu, i->reg, __builtin_bswap##B(load##B(cpu, i)));                                                  \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_movbe_mr##B(struct cpu *cpu, const struct insn *i) {                                                       \
        store##B(cpu, i, __builtin_bswap##B(reg##B(cpu, i->reg)));                                                     \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(MOVBE)
#undef MOVBE

/* BSWAP of a 16-bit register is undefined (SDM 2 "BSWAP"); processors of both vendors clear it. */
OPFN op_bswap_r16(struct cpu *cpu, const struct insn *i) {
    set_reg16(cpu, i->reg, 0);
    NEXT(cpu, i);
}
OPFN op_bswap_r32(struct cpu *cpu, const struct insn *i) {
    set_reg32(cpu, i->reg, __builtin_bswap32(reg32(cpu, i->reg)));
    NEXT(cpu, i);
}
OPFN op_bswap_r64(struct cpu *cpu, const struct insn *i) {
    set_reg64(cpu, i->reg, __builtin_bswap64(reg64(cpu, i->reg)));
    NEXT(cpu, i);
}

/* ---- sign extension of the accumulator ---- */

#define ACC  REG_OFF(RAX)
#define DATA REG_OFF(RDX)
OPFN op_cbw(struct cpu *cpu, const struct insn *i) {
    set_reg16(cpu, ACC, (uint16_t)(int8_t)reg8(cpu, ACC));
    NEXT(cpu, i);
}
OPFN op_cwde(struct cpu *cpu, const struct insn *i) {
    set_reg32(cpu, ACC, (uint32_t)(int16_t)reg16(cpu, ACC));
    NEXT(cpu, i);
}
OPFN op_cdqe(struct cpu *cpu, const struct insn *i) {
    set_reg64(cpu, ACC, (uint64_t)(int32_t)reg32(cpu, ACC));
    NEXT(cpu, i);
}
OPFN op_cwd(struct cpu *cpu, const struct insn *i) {
    set_reg16(cpu, DATA, (uint16_t)((int16_t)reg16(cpu, ACC) >> 15));
    NEXT(cpu, i);
}
OPFN op_cdq(struct cpu *cpu, const struct insn *i) {
    set_reg32(cpu, DATA, (uint32_t)((int32_t)reg32(cpu, ACC) >> 31));
    NEXT(cpu, i);
}
OPFN op_cqo(struct cpu *cpu, const struct insn *i) {
    set_reg64(cpu, DATA, (uint64_t)((int64_t)reg64(cpu, ACC) >> 63));
    NEXT(cpu, i);
}

/* AL = [rBX + AL] in the address size; the segment can be overridden. */
OPFN op_xlat(struct cpu *cpu, const struct insn *i) {
    uint64_t off = cpu->gpr[RBX] + reg8(cpu, ACC);
    off = i->asize == 3 ? off : i->asize == 2 ? (uint32_t)off : (uint16_t)off;
    uint64_t la = seg_linear(cpu, i, i->seg, off, 1, MEM_READ);
    set_reg8(cpu, ACC, mem_read8(cpu, i, la));
    NEXT(cpu, i);
}

/* 64 bytes from memory to the 64-byte-aligned address in the register, in ES. SDM 2 "MOVDIR64B". */
static void __attribute__((noinline)) movdir64b(struct cpu *cpu, const struct insn *i) {
    uint64_t dst = reg64(cpu, i->reg), buf[8];
    dst = i->asize == 3 ? dst : i->asize == 2 ? (uint32_t)dst : (uint16_t)dst;
    uint64_t from = ea_linear(cpu, i, 64, MEM_READ);
    uint64_t to = seg_linear(cpu, i, SEG_ES, dst, 64, MEM_WRITE);
    if (to & 63) op_raise(cpu, i, VEC_GP);
    for (unsigned k = 0; k < 8; k++) buf[k] = mem_read64(cpu, i, from + 8 * k);
    mem_probe(cpu, i, to, 64, MEM_WRITE);
    for (unsigned k = 0; k < 8; k++) mem_write64(cpu, i, to + 8 * k, buf[k]);
}
OPFN op_movdir64b(struct cpu *cpu, const struct insn *i) {
    movdir64b(cpu, i);
    NEXT(cpu, i);
}

insn_fn *op_specialize(const struct insn *i) {
#define EXTEND_SET(op, form, f)                                                                                        \
    {                                                                                                                  \
        {0, op_##op##_##form##8_16##f, op_##op##_##form##8_32##f, op_##op##_##form##8_64##f}, {                        \
            0, op_##op##_##form##16_16##f, op_##op##_##form##16_32##f, op_##op##_##form##16_64##f                      \
        }                                                                                                              \
    }
#define EXTEND_SETS(op)                                                                                                \
    { EXTEND_SET(op, rr, ), EXTEND_SET(op, rm, ), EXTEND_SET(op, rm, f), EXTEND_SET(op, rm, b) }
    static insn_fn *const zx[4][2][4] = EXTEND_SETS(movzx), *const sx[4][2][4] = EXTEND_SETS(movsx);
#undef EXTEND_SETS
#undef EXTEND_SET
    unsigned size = i->size & 3, from = i->vreg & 1;
    unsigned how = i->form == FORM_RR ? 0 : !(i->flags & INSN_FLAT) ? 1 : i->index != REG_ZERO ? 2 : 3;
    if (i->form != FORM_RR && i->form != FORM_RM) return NULL;
    if (i->id == INSN_MOVZX) return zx[how][from][size];
    if (i->id == INSN_MOVSX) return sx[how][from][size];
    return NULL;
}

#define MOVSXD_SIZES(f)                                                                                                \
    { 0, op_movsxd_rm16_16##f, op_movsxd_rm32_32##f, op_movsxd_rm32_64##f }
#define MOVSXD_ROW                                                                                                     \
    { INSN_MOVSXD, FORM_RM, MOVSXD_SIZES(), MOVSXD_SIZES(f), MOVSXD_SIZES(b) }
static const struct op_forms rows[] = {
    ROW(MOV, RR, op_mov_rr),
    ROW_BASE(MOV, RM, op_mov_rm),
    ROW_BASE(MOV, MR, op_mov_mr),
    ROW(MOV, RI, op_mov_ri),
    ROW_BASE(MOV, MI, op_mov_mi),
    ROW3(MOVZX, RR, op_movzx_rr),
    ROW3_FLAT(MOVZX, RM, op_movzx_rm),
    ROW3(MOVSX, RR, op_movsx_rr),
    ROW3_FLAT(MOVSX, RM, op_movsx_rm),
    ROW_SIZES(MOVSXD, RR, op_movsxd_rr16_16, op_movsxd_rr32_32, op_movsxd_rr32_64),
    MOVSXD_ROW,
    ROW3_BASE(LEA, RM, op_lea_rm),
    ROW3(MOVBE, RM, op_movbe_rm),
    ROW3(MOVBE, MR, op_movbe_mr),
    ROW_FLAT(MOVNTI, MR, op_mov_mr),
    ROW_FLAT(MOVDIRI, MR, op_mov_mr),
    ROW_ANY(MOVDIR64B, RM, op_movdir64b),
    ROW3(BSWAP, R, op_bswap_r),
    ROW_ANY(CBW, 0, op_cbw),
    ROW_ANY(CWDE, 0, op_cwde),
    ROW_ANY(CDQE, 0, op_cdqe),
    ROW_ANY(CWD, 0, op_cwd),
    ROW_ANY(CDQ, 0, op_cdq),
    ROW_ANY(CQO, 0, op_cqo),
    ROW_ANY(XLAT, 0, op_xlat),
};
OP_GROUP(op_group_move, rows);
