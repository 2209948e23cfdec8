/* Bit tests, bit scans and counts, CRC32. */
#include "sim/ops/opdef.h"

/* ---- BT, BTS, BTR, BTC: CF is the bit; ZF stays. OF, SF, AF and PF are undefined: SF and PF stay, OF and AF become 0.
 * ---- */

static inline void bit_flag(struct cpu *cpu, unsigned cf) {
    if (cc_is_flags(cpu)) {
        cpu->rflags = (cpu->rflags & ~FLAG_CF) | cf;
        return;
    }
    cpu->cc.src = cf;
    cpu->cc.op = CC(CC_MIXED, LG_64);
}
/* what becomes of the word `v`, where bit `b` is the one */
#define BT_KEEP(v, b)  (v)
#define BT_SET(v, b)   ((v) | (b))
#define BT_RESET(v, b) ((v) & ~(b))
#define BT_FLIP(v, b)  ((v) ^ (b))

/* The word that holds the bit: a bit offset in a register reaches beyond the operand, an immediate does not (SDM 2
 * "BT"). */
#define BIT_WORD(B)                                                                                                    \
    static inline uint64_t bit_word##B(struct cpu *cpu, const struct insn *i, unsigned access) {                       \
        int64_t word = (int64_t)(int##B##_t)reg##B(cpu, i->reg) / B - ((int##B##_t)reg##B(cpu, i->reg) % B < 0);       \
        uint64_t off = ea_offset(cpu, i) + (uint64_t)word * (B / 8);                                                   \
        if (i->flags & INSN_FLAT) return off;                                                                          \
        off = i->asize == 3 ? off : i->asize == 2 ? (uint32_t)off : (uint16_t)off;                                     \
        return seg_linear(cpu, i, i->seg, off, B / 8, access);                                                         \
    }
EACH_SIZE3(BIT_WORD)
#undef BIT_WORD

#define BIT_TEST(B)                                                                                                    \
    OPFN op_bt_rr##B(struct cpu *cpu, const struct insn *i) {                                                          \
        bit_flag(cpu, (unsigned)(reg##B(cpu, i->reg) >> (reg##B(cpu, i->rm) & (B - 1))) & 1);                          \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bt_ri##B(struct cpu *cpu, const struct insn *i) {                                                          \
        bit_flag(cpu, (unsigned)(reg##B(cpu, i->reg) >> (i->imm & (B - 1))) & 1);                                      \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bt_mr##B(struct cpu *cpu, const struct insn *i) {                                                          \
        uint##B##_t v = mem_read##B(cpu, i, bit_word##B(cpu, i, MEM_READ));                                            \
        bit_flag(cpu, (unsigned)(v >> (reg##B(cpu, i->reg) & (B - 1))) & 1);                                           \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bt_mi##B(struct cpu *cpu, const struct insn *i) {                                                          \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        bit_flag(cpu, (unsigned)(v >> (i->imm & (B - 1))) & 1);                                                        \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(BIT_TEST)
#undef BIT_TEST

#define BIT_CHANGE(op, how, B)                                                                                         \
    static inline uint##B##_t do_##op##B(struct cpu *cpu, uint##B##_t v, unsigned n) {                                 \
        uint##B##_t b = (uint##B##_t)((uint##B##_t)1 << (n & (B - 1)));                                                \
        bit_flag(cpu, (v & b) != 0);                                                                                   \
        return (uint##B##_t)(how(v, b));                                                                               \
    }                                                                                                                  \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), (unsigned)reg##B(cpu, i->rm)));                   \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_ri##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->reg), (unsigned)i->imm));                               \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        GEN_RMW(B, bit_word##B(cpu, i, MEM_RMW), do_##op##B(cpu, old, (unsigned)reg##B(cpu, i->reg)));                 \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_mi##B(struct cpu *cpu, const struct insn *i) {                                                      \
        GEN_RMW(B, ea_linear(cpu, i, B / 8, MEM_RMW), do_##op##B(cpu, old, (unsigned)i->imm));                         \
        NEXT(cpu, i);                                                                                                  \
    }
#define BIT_CHANGES(B) BIT_CHANGE(bts, BT_SET, B) BIT_CHANGE(btr, BT_RESET, B) BIT_CHANGE(btc, BT_FLIP, B)
EACH_SIZE3(BIT_CHANGES)
#undef BIT_CHANGES
#undef BIT_CHANGE

/* ---- BSF, BSR: a source of 0 leaves the destination (APM 3 "BSF"; SDM 2 in recent editions); flags other than ZF are
 * undefined ---- */

#define CTZ(B, v) ((uint##B##_t)__builtin_ctzll(v))
#define TOP(B, v) ((uint##B##_t)(63 - __builtin_clzll(v)))

#define SCAN(B)                                                                                                        \
    static inline void scan##B(struct cpu *cpu, const struct insn *i, uint##B##_t v, bool reverse) {                   \
        cc_logic(cpu, LG_##B, (int##B##_t)v);                                                                          \
        if (v) set_reg##B(cpu, i->reg, reverse ? TOP(B, v) : CTZ(B, v));                                               \
    }                                                                                                                  \
    static inline uint##B##_t do_tzcnt##B(struct cpu *cpu, uint##B##_t v) {                                            \
        uint##B##_t r = v ? CTZ(B, v) : B;                                                                             \
        flags_set_arith(cpu, (v ? 0 : FLAG_CF) | (r ? 0 : FLAG_ZF));                                                   \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_lzcnt##B(struct cpu *cpu, uint##B##_t v) {                                            \
        uint##B##_t r = (uint##B##_t)(v ? B - 1 - TOP(B, v) : B);                                                      \
        flags_set_arith(cpu, (v ? 0 : FLAG_CF) | (r ? 0 : FLAG_ZF));                                                   \
        return r;                                                                                                      \
    }                                                                                                                  \
    static inline uint##B##_t do_popcnt##B(struct cpu *cpu, uint##B##_t v) {                                           \
        flags_set_arith(cpu, v ? 0 : FLAG_ZF);                                                                         \
        return (uint##B##_t)__builtin_popcountll(v);                                                                   \
    }                                                                                                                  \
    OPFN op_bsf_rr##B(struct cpu *cpu, const struct insn *i) {                                                         \
        scan##B(cpu, i, reg##B(cpu, i->rm), false);                                                                    \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bsf_rm##B(struct cpu *cpu, const struct insn *i) {                                                         \
        scan##B(cpu, i, load##B(cpu, i), false);                                                                       \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bsr_rr##B(struct cpu *cpu, const struct insn *i) {                                                         \
        scan##B(cpu, i, reg##B(cpu, i->rm), true);                                                                     \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_bsr_rm##B(struct cpu *cpu, const struct insn *i) {                                                         \
        scan##B(cpu, i, load##B(cpu, i), true);                                                                        \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE3(SCAN)
#undef SCAN

#define COUNT_FORMS(op, B)                                                                                             \
    OPFN op_##op##_rr##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, reg##B(cpu, i->rm)));                                                  \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_##op##_rm##B(struct cpu *cpu, const struct insn *i) {                                                      \
        set_reg##B(cpu, i->reg, do_##op##B(cpu, load##B(cpu, i)));                                                     \
        NEXT(cpu, i);                                                                                                  \
    }
#define COUNT_ALL(B) COUNT_FORMS(tzcnt, B) COUNT_FORMS(lzcnt, B) COUNT_FORMS(popcnt, B)
EACH_SIZE3(COUNT_ALL)
#undef COUNT_ALL
#undef COUNT_FORMS

/* ---- CRC32: polynomial 11EDC6F41H, reflected; four bits at a time. The size is the source's; a 64-bit destination is
 * zero-extended. ---- */

static const uint32_t crc32c[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};
static inline uint32_t crc_step(uint32_t crc, uint64_t v, unsigned bytes) {
    for (unsigned k = 0; k < bytes; k++) {
        crc ^= (uint8_t)(v >> 8 * k);
        crc = crc >> 4 ^ crc32c[crc & 15];
        crc = crc >> 4 ^ crc32c[crc & 15];
    }
    return crc;
}
#define CRC(B)                                                                                                         \
    OPFN op_crc32_rr##B(struct cpu *cpu, const struct insn *i) {                                                       \
        set_reg32(cpu, i->reg, crc_step(reg32(cpu, i->reg), reg##B(cpu, i->rm), B / 8));                               \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    OPFN op_crc32_rm##B(struct cpu *cpu, const struct insn *i) {                                                       \
        uint##B##_t v = load##B(cpu, i);                                                                               \
        set_reg32(cpu, i->reg, crc_step(reg32(cpu, i->reg), v, B / 8));                                                \
        NEXT(cpu, i);                                                                                                  \
    }
EACH_SIZE(CRC)
#undef CRC

#define BIT_ROWS(ID, op)                                                                                               \
    ROW3(ID, RR, op_##op##_rr), ROW3(ID, RI, op_##op##_ri), ROW3(ID, MR, op_##op##_mr), ROW3(ID, MI, op_##op##_mi)
#define SCAN_ROWS(ID, op) ROW3(ID, RR, op_##op##_rr), ROW3(ID, RM, op_##op##_rm)

static const struct op_forms rows[] = {
    BIT_ROWS(BT, bt),          BIT_ROWS(BTS, bts),          BIT_ROWS(BTR, btr),          BIT_ROWS(BTC, btc),
    SCAN_ROWS(BSF, bsf),       SCAN_ROWS(BSR, bsr),         SCAN_ROWS(TZCNT, tzcnt),     SCAN_ROWS(LZCNT, lzcnt),
    SCAN_ROWS(POPCNT, popcnt), ROW(CRC32, RR, op_crc32_rr), ROW(CRC32, RM, op_crc32_rm),
};
OP_GROUP(op_group_bit, rows);
