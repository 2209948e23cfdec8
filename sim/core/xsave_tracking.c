/* The modified optimization: what XSAVEOPT and XSAVES need not write because XRSTOR or XRSTORS has just loaded it from
 * there. SDM 1 "Processor Tracking of XSAVE-Managed State", "XRSTOR and the Init and Modified Optimizations",
 * "Operation of XSAVEOPT"; APM 4 "XSAVEOPT". Silicon watches the registers be written; here their contents are
 * compared. */
#include <string.h>

#include "sim/core/xsave.h"
#include "sim/fp/env.h"

_Static_assert(sizeof((struct cpu *)0)->xsave.copy == XSAVE_AREA_MAX, "the copy has the size of an area");

static void layout(const struct cpu *cpu, uint16_t at[XSAVE_IDS]) {
    xsave_layout(cpu->model, xcr0_supported(cpu->model) | xss_supported(cpu->model), true, at);
}

/* x87 saving leaves bytes alone, in some cases; they are the same bytes in both of two copies. */
static void save(const struct cpu *cpu, unsigned id, uint8_t *area, unsigned at, bool w64) {
    if (id == XSAVE_X87) memset(area, 0, xsave_components[id].size);
    xsave_component_save(cpu, id, area, at, w64);
}

void xsave_track(struct cpu *cpu, uint64_t la, uint64_t xcomp_bv, uint64_t rfbm, bool w64) {
    struct xsave_tracking *t = &cpu->xsave;
    uint16_t at[XSAVE_IDS];
    layout(cpu, at);
    for (unsigned id = 0; id < XSAVE_IDS; id++)
        if (rfbm & XSAVE_BIT(id)) save(cpu, id, t->copy, at[id], w64);
    t->la = la;
    t->xcomp_bv = xcomp_bv;
    t->rfbm = rfbm;
    t->mxcsr = mxcsr_get(cpu);
    t->cpl = cpu->cpl;
    t->valid = true;
    t->guest = cpu->virt.guest;
    t->code64 = cpu_is_64(cpu);
    t->w64 = w64;
}

/* Outside 64-bit mode components have fewer registers, and without REX.W x87 pointers another form: where the manual
 * leaves it open whether the processor takes them for modified, it does. */
static bool may_skip(struct cpu *cpu, unsigned id, bool w64) {
    const struct xsave_tracking *t = &cpu->xsave;
    if (id == XSAVE_X87) return t->w64 == w64;
    /* in the compacted format MXCSR is a part of SSE state; in the standard format XSAVEOPT always writes it */
    if (id == XSAVE_SSE && t->xcomp_bv && t->mxcsr != mxcsr_get(cpu)) return false;
    return t->code64 == cpu_is_64(cpu) || !xsave_components[id].bytes;
}

uint64_t xsave_unmodified(struct cpu *cpu, uint64_t la, uint64_t xcomp_bv, uint64_t mask, bool w64) {
    const struct xsave_tracking *t = &cpu->xsave;
    uint8_t now[XSAVE_AREA_MAX];
    uint16_t at[XSAVE_IDS];
    uint64_t same = 0;
    if (!t->valid || t->la != la || t->xcomp_bv != xcomp_bv || t->cpl != cpu->cpl || t->guest != cpu->virt.guest)
        return 0;
    layout(cpu, at);
    for (unsigned id = 0; id < XSAVE_IDS; id++) {
        if (!(mask & t->rfbm & XSAVE_BIT(id)) || !may_skip(cpu, id, w64)) continue;
        const unsigned from = id == XSAVE_X87 ? 0 : at[id];
        save(cpu, id, now, at[id], w64);
        if (memcmp(now + from, t->copy + from, xsave_bytes(cpu, id)) == 0) same |= XSAVE_BIT(id);
    }
    return same;
}
