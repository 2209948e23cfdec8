/* The groups of semantic functions joined into one dense table. */
#include <string.h>

#include "sim/ops/op.h"
#include "sim/vec/table.h"

static const struct op_group *const groups[] = {
    &op_group_move,         &op_group_alu,          &op_group_shift,       &op_group_bit,
    &op_group_muldiv,       &op_group_bmi,          &op_group_string,      &op_group_branch,
    &op_group_stack,        &op_group_misc,         &op_group_segmove,     &op_group_cond,
    &op_group_xchg,         &op_group_mxcsr,        &op_group_x87_arith,   &op_group_x87_compare,
    &op_group_x87_stack,    &op_group_x87_transfer, &op_group_x87_control, &op_group_x87_environment,
    &op_group_x87_function, &op_group_fxsave,
};

void op_table_build(struct op_table *t) {
    memset(t, 0, sizeof *t);
    for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++)
        for (unsigned r = 0; r < groups[g]->count; r++) {
            const struct op_forms *row = &groups[g]->rows[r];
            for (unsigned s = 0; s < 4; s++) {
                if (row->gen[s]) t->fn[row->id][row->form][s][0] = row->gen[s];
                if (row->flat[s]) t->fn[row->id][row->form][s][1] = row->flat[s];
                if (row->base[s]) t->fn[row->id][row->form][s][2] = row->base[s];
            }
        }
    vec_table_build(t);
}
