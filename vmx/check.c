/* Walking the tables of entry checks. */
#include "vmx/check.h"

#include <string.h>

/* In the manual's order, which is also the order of enum check_group. */
static const struct vmx_check_table *const tables[] = {&vmx_checks_controls, &vmx_checks_host, &vmx_checks_guest,
                                                       &vmx_checks_segments, &vmx_checks_guest_state};
#define TABLES (sizeof tables / sizeof tables[0])

const struct vmx_check *vmx_check_row(unsigned n) {
    for (unsigned t = 0; t < TABLES; t++) {
        if (n < tables[t]->count) return &tables[t]->rows[n];
        n -= tables[t]->count;
    }
    return NULL;
}

unsigned vmx_check_count(void) {
    unsigned n = 0;
    for (unsigned t = 0; t < TABLES; t++) n += tables[t]->count;
    return n;
}

void check_ctx_controls(struct check_ctx *c) {
    c->pin = (uint32_t)c->f[F_PIN_CONTROLS];
    c->proc = (uint32_t)c->f[F_PROC_CONTROLS];
    c->proc2 = c->proc & VMX_PROC_SECONDARY_CONTROLS ? (uint32_t)c->f[F_PROC2_CONTROLS] : 0;
    c->exit = (uint32_t)c->f[F_EXIT_CONTROLS];
    c->entry = (uint32_t)c->f[F_ENTRY_CONTROLS];
}

void vmx_check_index_init(struct check_index *x) {
    memset(x, 0, sizeof *x);
    for (unsigned t = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < tables[t]->count; i++) {
            const struct vmx_check *r = &tables[t]->rows[i];
            if (!x->count[r->group]++) x->first[r->group] = r;
            if (!r->live || x->live_count == CHECK_LIVE_MAX) continue;
            x->live[x->live_count++] = r;
            x->live_groups |= 1u << r->group;
        }
    }
}

static const struct vmx_check *first_of_group(const struct check_index *x, const struct check_ctx *c, unsigned group) {
    const struct vmx_check *r = x->first[group];
    for (unsigned n = x->count[group]; n > 0; n--, r++)
        if (vmx_check_broken(c, r)) return r;
    return NULL;
}

const struct vmx_check *vmx_check_first(const struct check_index *x, const struct check_ctx *c, uint32_t dirty,
                                        uint32_t live) {
    const struct vmx_check *best = NULL;
    for (uint32_t todo = dirty & CHECK_ALL; todo && !best; todo &= todo - 1)
        best = first_of_group(x, c, (unsigned)__builtin_ctz(todo));
    for (; live; live &= live - 1) {
        const struct vmx_check *r = x->live[__builtin_ctz(live)];
        if (best && r->group >= best->group) break;
        if (!(dirty >> r->group & 1) && vmx_check_broken(c, r)) return r;
    }
    return best;
}

uint32_t vmx_check_live(const struct check_index *x, const struct check_ctx *c) {
    uint32_t live = 0;
    for (unsigned i = 0; i < x->live_count; i++) live |= (uint32_t)x->live[i]->applies(c) << i;
    return live;
}

void vmx_check_dependencies(uint16_t groups_of[F_COUNT]) {
    memset(groups_of, 0, F_COUNT * sizeof groups_of[0]);
    for (unsigned t = 0; t < TABLES; t++)
        for (unsigned i = 0; i < tables[t]->count; i++)
            for (const uint8_t *fl = tables[t]->rows[i].fields; *fl != F_NONE; fl++)
                groups_of[*fl] |= (uint16_t)(1u << tables[t]->rows[i].group);
}
