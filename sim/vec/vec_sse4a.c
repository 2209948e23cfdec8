/* Bit fields of quadwords. APM 4 "EXTRQ", "INSERTQ". A length of 0 means 64 bits; fields that reach beyond bit 63,
 * whose result is undefined, end there. The upper quadword, undefined too, becomes 0. */
#include "sim/vec/vec_int.h"

static uint64_t field(unsigned length) { return length & 63 ? (1ull << (length & 63)) - 1 : ~0ull; }

static void extract(struct vx *x, unsigned length, unsigned index) {
    x->r.u64[0] = x->a->u64[0] >> (index & 63) & field(length);
    x->r.u64[1] = 0;
}
static void insert(struct vx *x, unsigned length, unsigned index) {
    const uint64_t mask = field(length) << (index & 63);
    x->r.u64[0] = (x->a->u64[0] & ~mask) | (x->b->u64[0] << (index & 63) & mask);
    x->r.u64[1] = 0;
}

/* length, index: with the record `i` and the operands `x` */
#define OP_FIELD(id, what, length, index)                                                                              \
    static void op_sse_##id(struct cpu *cpu, const struct insn *i) {                                                   \
        const struct vx *x = &cpu->vx;                                                                                 \
        vec_begin_sse(cpu, i, V_E(64));                                                                                \
        what(&cpu->vx, length, index);                                                                                 \
        (void)x;                                                                                                       \
        vec_end_sse(cpu, i, V_E(64));                                                                                  \
        NEXT(cpu, i);                                                                                                  \
    }
OP_FIELD(EXTRQ, extract, x->b->u8[0], x->b->u8[1])
OP_FIELD(EXTRQ_IMM, extract, i->imm8, i->imm8b)
OP_FIELD(INSERTQ, insert, x->b->u8[8], x->b->u8[9])
OP_FIELD(INSERTQ_IMM, insert, i->imm8, i->imm8b)

static const struct vec_row rows_of_fields[] = {
    {INSN_EXTRQ,       {NULL, op_sse_EXTRQ, NULL, NULL}      },
    {INSN_EXTRQ_IMM,   {NULL, op_sse_EXTRQ_IMM, NULL, NULL}  },
    {INSN_INSERTQ,     {NULL, op_sse_INSERTQ, NULL, NULL}    },
    {INSN_INSERTQ_IMM, {NULL, op_sse_INSERTQ_IMM, NULL, NULL}},
};
VEC_GROUP(vec_group_sse4a, rows_of_fields);
