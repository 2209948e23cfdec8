/* The groups of vector instructions joined into one table. */
#include "sim/vec/table.h"

#define VEC_GROUP_ROW(name) extern const struct vec_group vec_group_##name;
#define VEC_HOT_ROW(name)   extern const struct vec_hot_group vec_hot_##name;
#include "sim/vec/groups.def"
#undef VEC_GROUP_ROW
#undef VEC_HOT_ROW

static const struct vec_group *const groups[] = {
#define VEC_GROUP_ROW(name) &vec_group_##name,
#define VEC_HOT_ROW(name)
#include "sim/vec/groups.def"
#undef VEC_GROUP_ROW
#undef VEC_HOT_ROW
};
static const struct vec_hot_group *const hot_groups[] = {
#define VEC_GROUP_ROW(name)
#define VEC_HOT_ROW(name) &vec_hot_##name,
#include "sim/vec/groups.def"
#undef VEC_GROUP_ROW
#undef VEC_HOT_ROW
};

void vec_table_build(struct op_table *t) {
    for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++)
        for (unsigned r = 0; r < groups[g]->count; r++) {
            const struct vec_row *row = &groups[g]->rows[r];
            for (unsigned c = 0; c < 4; c++)
                if (row->fn[c]) t->vec[row->id - INSN_VEC_FIRST][c] = row->fn[c];
        }
    for (unsigned g = 0; g < sizeof hot_groups / sizeof hot_groups[0]; g++)
        for (const struct vec_hot *row = hot_groups[g]->rows; row->id; row++)
            if (!t->hot[row->id - INSN_VEC_FIRST]) t->hot[row->id - INSN_VEC_FIRST] = row;
}

static insn_fn *hot_function(const struct op_table *t, const struct insn *i, unsigned column) {
    const struct vec_hot *row = t->hot[i->id - INSN_VEC_FIRST];
    if (!row || i->mask || (i->form != FORM_RR && !(i->flags & INSN_FLAT))) return NULL;
    for (; row->id == i->id; row++)
        if (row->column == column && row->form == i->form && (row->size == VEC_ANY_SIZE || row->size == i->size))
            return i->form != FORM_RR && i->index == REG_ZERO && row->base ? row->base : row->fn;
    return NULL;
}

insn_fn *vec_function(const struct op_table *t, const struct insn *i) {
    unsigned column = i->venc & VEC_EVEX  ? VEC_COL_EVEX
                      : i->venc & VEC_VEX ? VEC_COL_VEX
                      : i->venc & VEC_SSE ? VEC_COL_SSE
                                          : VEC_COL_MMX;
    insn_fn *hot = hot_function(t, i, column);
    if (hot) return hot;
    insn_fn *fn = t->vec[i->id - INSN_VEC_FIRST][column];
    return fn ? fn : op_ud;
}
