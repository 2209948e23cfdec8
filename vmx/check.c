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

static int first_broken(const struct check_ctx *c, uint32_t mask, bool live_only) {
    int base = 0;
    for (unsigned t = 0; t < TABLES; base += (int)tables[t]->count, t++) {
        for (unsigned i = 0; i < tables[t]->count; i++) {
            const struct vmx_check *r = &tables[t]->rows[i];
            if (!(mask >> r->group & 1) || (live_only && !r->live)) continue;
            if (vmx_check_broken(c, r)) return base + (int)i;
        }
    }
    return -1;
}

int vmx_check_first(const struct check_ctx *c, uint32_t mask) { return mask ? first_broken(c, mask, false) : -1; }

int vmx_check_live(const struct check_ctx *c, uint32_t mask) { return first_broken(c, mask, true); }

void vmx_check_dependencies(uint16_t groups_of[F_COUNT]) {
    memset(groups_of, 0, F_COUNT * sizeof groups_of[0]);
    for (unsigned t = 0; t < TABLES; t++)
        for (unsigned i = 0; i < tables[t]->count; i++)
            for (const uint8_t *fl = tables[t]->rows[i].fields; *fl != F_NONE; fl++)
                groups_of[*fl] |= (uint16_t)(1u << tables[t]->rows[i].group);
}
