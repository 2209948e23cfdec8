/* The groups of vector instructions joined into one table. */
#include "sim/vec/table.h"

extern const struct vec_group vec_group_logic;

static const struct vec_group *const groups[] = {&vec_group_logic};

void vec_table_build(struct op_table *t) {
    for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++)
        for (unsigned r = 0; r < groups[g]->count; r++) {
            const struct vec_row *row = &groups[g]->rows[r];
            for (unsigned c = 0; c < 4; c++)
                if (row->fn[c]) t->vec[row->id - INSN_VEC_FIRST][c] = row->fn[c];
        }
}

insn_fn *vec_function(const struct op_table *t, const struct insn *i) {
    unsigned column = i->venc & VEC_EVEX  ? VEC_COL_EVEX
                      : i->venc & VEC_VEX ? VEC_COL_VEX
                      : i->venc & VEC_SSE ? VEC_COL_SSE
                                          : VEC_COL_MMX;
    insn_fn *fn = t->vec[i->id - INSN_VEC_FIRST][column];
    return fn ? fn : op_ud;
}
