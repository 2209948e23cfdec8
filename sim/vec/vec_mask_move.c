/* Moves under a mask that is in a vector register, and the two that clear registers. */
#include "sim/vec/vec.h"
#include "sim/x87/mmx.h"

/* The most significant bits of n elements of 1 << esz bytes */
static uint64_t sign_bits(const union vec *v, unsigned esz, unsigned n) {
    uint64_t k = 0;
    for (unsigned j = 0; j < n; j++) k |= (uint64_t)(v->u8[(j << esz) + (1u << esz) - 1] >> 7) << j;
    return k;
}

/* VMASKMOVPS and its like: the mask is the first source. */
static void masked_move(struct cpu *cpu, const struct insn *i, unsigned esz) {
    unsigned bytes = 1u << i->size, n = bytes >> esz;
    uint64_t k = sign_bits(&cpu->vec.zmm[i->vreg], esz, n);
    if (i->form == FORM_MR) return vec_store_masked(cpu, i, &cpu->vec.zmm[i->reg], esz, n, k);
    union vec *v = &cpu->vx.m;
    memset(v, 0, sizeof *v);
    vec_load_masked(cpu, i, v, esz, n, k);
    vec_write_masked(cpu, i->reg, v, bytes, esz, k, true);
}
#define MASKED(id, esz)                                                                                                \
    static void op_vex_##id(struct cpu *cpu, const struct insn *i) {                                                   \
        vec_gate(cpu, i);                                                                                              \
        masked_move(cpu, i, esz);                                                                                      \
        NEXT(cpu, i);                                                                                                  \
    }
MASKED(VMASKMOVPS, 2)
MASKED(VMASKMOVPD, 3)
MASKED(VPMASKMOVD, 2)
MASKED(VPMASKMOVQ, 3)

/* The memory operand of MASKMOVQ and MASKMOVDQU is at DS:rDI; the decoder has put it into the record. Faults of bytes
 * that the mask keeps out are implementation specific (SDM 2 "MASKMOVDQU"): here they are reported, as AMD's processors
 * do, which have also entered MMX state by then. */
static void store_bytes(struct cpu *cpu, const struct insn *i, const union vec *v, const union vec *mask, unsigned n) {
    uint64_t la = vec_linear(cpu, i, n, MEM_WRITE);
    for (unsigned at = 0; at < n; at += 8) { /* alignment by 8 */
        uint64_t part = cpu_is_64(cpu) ? la + at : (uint32_t)(la + at);
        mem_probe(cpu, i, part, 8, MEM_WRITE);
    }
    vec_store_masked(cpu, i, v, 0, n, sign_bits(mask, 0, n));
}
static void op_sse_MASKMOVDQU(struct cpu *cpu, const struct insn *i) {
    vec_gate(cpu, i);
    store_bytes(cpu, i, &cpu->vec.zmm[i->reg], &cpu->vec.zmm[i->rm], 16);
    NEXT(cpu, i);
}
static void op_mmx_MASKMOVQ(struct cpu *cpu, const struct insn *i) {
    union vec *v = &cpu->vx.m, *mask = &cpu->vx.r;
    mmx_begin(cpu, i);
    mmx_touch(cpu);
    v->u64[0] = mmx_read(cpu, i->reg);
    mask->u64[0] = mmx_read(cpu, i->rm);
    store_bytes(cpu, i, v, mask, 8);
    NEXT(cpu, i);
}

/* SDM 2 "VZEROALL", "VZEROUPPER": eight registers outside 64-bit mode */
static void clear_registers(struct cpu *cpu, unsigned from) {
    for (unsigned n = 0; n < (cpu_is_64(cpu) ? 16 : 8); n++) vec_clear_above(cpu, n, from);
}
static void op_vex_VZEROUPPER(struct cpu *cpu, const struct insn *i) {
    vec_gate(cpu, i);
    clear_registers(cpu, 16);
    NEXT(cpu, i);
}
static void op_vex_VZEROALL(struct cpu *cpu, const struct insn *i) {
    vec_gate(cpu, i);
    clear_registers(cpu, 0);
    NEXT(cpu, i);
}

// clang-format off
#define ROW_VEX(id) {INSN_##id, {NULL, NULL, op_vex_##id, NULL}}
static const struct vec_row rows[] = {
    ROW_VEX(VMASKMOVPS), ROW_VEX(VMASKMOVPD), ROW_VEX(VPMASKMOVD), ROW_VEX(VPMASKMOVQ),
    ROW_VEX(VZEROUPPER), ROW_VEX(VZEROALL),
    {INSN_MASKMOVDQU, {NULL, op_sse_MASKMOVDQU, NULL, NULL}}, {INSN_VMASKMOVDQU, {NULL, NULL, op_sse_MASKMOVDQU, NULL}},
    {INSN_MASKMOVQ, {op_mmx_MASKMOVQ, NULL, NULL, NULL}},
};
// clang-format on
VEC_GROUP(vec_group_mask_move, rows);
