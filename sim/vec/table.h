/* From a record of a vector instruction to its semantic function. */
#ifndef HVSIM_VEC_TABLE_H
#define HVSIM_VEC_TABLE_H

#include "sim/ops/op.h"

/* One row per instruction: its functions by encoding, NULL where it has none. */
enum vec_table_column { VEC_COL_MMX, VEC_COL_SSE, VEC_COL_VEX, VEC_COL_EVEX };
struct vec_row {
    uint16_t id;
    insn_fn *fn[4]; /* enum vec_table_column */
};
struct vec_group {
    const struct vec_row *rows;
    unsigned count;
};
#define VEC_GROUP(name, rows_) const struct vec_group name = {rows_, sizeof(rows_) / sizeof(rows_[0])}

/* Short functions for the frequent forms of hot instructions, chosen before those of the rows above: unmasked, without
 * broadcast or rounding of their own, a memory operand flat (INSN_FLAT). They do what can't fault or be slow themselves
 * and leave the rest (denied, unaligned, not in the translation cache) to the function of the row, as the flat
 * functions of sim/ops/ do. The rows of an id are neighbours, in one table. */
struct vec_hot {
    uint16_t id;
    uint8_t column; /* enum vec_table_column */
    uint8_t form;   /* enum insn_form */
    uint8_t size;   /* as insn.size; VEC_ANY_SIZE */
    insn_fn *fn;
    insn_fn *base; /* memory operands without an index; NULL: fn */
};
#define VEC_ANY_SIZE 0
struct vec_hot_group {
    const struct vec_hot *rows; /* the last one is {0} */
};

/* Fill t->vec and t->hot from the groups of sim/vec/. */
void vec_table_build(struct op_table *t);
/* The function of a record whose id is INSN_VEC_FIRST or above; op_ud when there is none. */
insn_fn *vec_function(const struct op_table *t, const struct insn *i);

#endif
