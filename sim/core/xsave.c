/* XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR and XRSTORS. SDM 1 "Operation of XSAVE" and the sections after it.
 *
 * Init optimization: XINUSE is exact (sim/core/xsave_components.c). Modified optimization: so is XMODIFIED
 * (sim/core/xsave_tracking.c).
 *
 * An area is written and read in pieces, exactly those bytes that the manual names: other bytes may lie in pages that
 * are not there. All pieces are probed or read before anything is changed. */
#include <string.h>

#include "sim/core/fault.h"
#include "sim/core/mem.h"
#include "sim/core/xsave.h"
#include "sim/fp/env.h"
#include "sim/x87/image.h"

#define PIECES_MAX (XSAVE_IDS + 4)

struct piece {
    uint16_t at, bytes;
};

struct area {
    uint64_t la;
    unsigned end; /* behind the last piece */
    unsigned count;
    struct piece piece[PIECES_MAX]; /* ascending, the header not among them */
    uint16_t at[XSAVE_IDS];
    uint8_t image[XSAVE_AREA_MAX];
};

static void add_piece(struct area *a, unsigned at, unsigned bytes) {
    if (!bytes) return;
    a->piece[a->count++] = (struct piece){(uint16_t)at, (uint16_t)bytes};
    if (at + bytes > a->end) a->end = at + bytes;
}

/* Which bytes the components of `mask`, and MXCSR, take. SDM 1 "Legacy Region of an XSAVE Area" */
static void add_pieces(const struct cpu *cpu, struct area *a, uint64_t mask, bool mxcsr, bool x87_pointers) {
    const bool x87 = mask & XSAVE_BIT(XSAVE_X87);
    a->count = 0;
    a->end = XSAVE_HEADER_AT + XSAVE_HEADER_BYTES;
    if (x87) add_piece(a, 0, x87_pointers ? XSAVE_MXCSR_AT : X87_IMAGE_POINTERS);
    if (mxcsr) add_piece(a, XSAVE_MXCSR_AT, 8);
    if (x87) add_piece(a, XSAVE_MXCSR_AT + 8, XSAVE_XMM_AT - XSAVE_MXCSR_AT - 8);
    for (unsigned id = XSAVE_SSE; id < XSAVE_IDS; id++)
        if (mask & XSAVE_BIT(id)) add_piece(a, a->at[id], xsave_bytes(cpu, id));
}

static uint64_t address(const struct cpu *cpu, const struct area *a, unsigned at) {
    return cpu_is_64(cpu) ? a->la + at : (uint32_t)(a->la + at);
}

/* SDM 2 "XSAVE": #GP(0) when not aligned on 64 bytes; whether #AC comes instead, and which of several pages that are
 * not present is reported, is left to the implementation: the first, then, by stores, that with the last byte of the
 * layout. */
static void locate(struct cpu *cpu, const struct insn *i, struct area *a, unsigned access) {
    a->la = ea_linear(cpu, i, a->end, access);
    if (a->la & 63) cpu_gp0(cpu);
    mem_probe(cpu, i, a->la, 1, access);
}

static uint64_t word(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

void xsave_raise_xfd(struct cpu *cpu, uint64_t components) {
    cpu->msr.xfd_err = components;
    cpu_raise(cpu, VEC_NM);
}

/* ---- saving ---- */

/* Fills the image; a component that IA32_XFD disables is saved as in its initial configuration. */
static void save_image(struct cpu *cpu, struct area *a, uint64_t mask, uint64_t disabled, bool w64) {
    for (unsigned id = 0; id < XSAVE_IDS; id++) {
        if (!(mask & XSAVE_BIT(id))) continue;
        if (disabled & XSAVE_BIT(id))
            memset(a->image + a->at[id], 0, xsave_bytes(cpu, id));
        else
            xsave_component_save(cpu, id, a->image, a->at[id], w64);
    }
    const uint32_t mxcsr[2] = {mxcsr_get(cpu), mxcsr_mask(cpu->model)};
    memcpy(a->image + XSAVE_MXCSR_AT, mxcsr, sizeof mxcsr);
}

static void write_area(struct cpu *cpu, const struct insn *i, struct area *a, unsigned header_bytes) {
    for (unsigned k = 0; k < a->count; k++)
        mem_probe(cpu, i, address(cpu, a, a->piece[k].at), a->piece[k].bytes, MEM_WRITE);
    for (unsigned k = 0; k < a->count; k++)
        mem_write_bytes(cpu, address(cpu, a, a->piece[k].at), a->image + a->piece[k].at, a->piece[k].bytes, 0);
    mem_write_bytes(cpu, address(cpu, a, XSAVE_HEADER_AT), a->image + XSAVE_HEADER_AT, header_bytes, 0);
}

void xsave_store(struct cpu *cpu, const struct insn *i, enum xsave_kind kind, uint64_t mask, bool w64) {
    const bool compacted = kind >= XSAVE_COMPACTED;
    const uint64_t rfbm = mask & (cpu->ctl.xcr0 | (kind == XSAVE_SUPERVISOR ? cpu->msr.xss : 0));
    const uint64_t disabled = rfbm & cpu->msr.xfd, comp = compacted ? rfbm | XCOMP_BV_COMPACTED : 0;
    uint64_t bv = xsave_in_use(cpu, rfbm & ~disabled);
    struct area a;

    a.la = ea_linear(cpu, i, 1, MEM_WRITE); /* how far it reaches depends on what is written */
    uint64_t saved = kind == XSAVE_STANDARD ? rfbm : bv;
    if (kind == XSAVE_OPTIMIZED || kind == XSAVE_SUPERVISOR) saved &= ~xsave_unmodified(cpu, a.la, comp, saved, w64);
    bool mxcsr = rfbm & XSAVE_BITS_MXCSR;
    if (compacted) { /* MXCSR belongs to SSE state; it alone makes SSE state be saved */
        const uint64_t sse = mxcsr_get(cpu) != MXCSR_INIT ? rfbm & XSAVE_BIT(XSAVE_SSE) : 0;
        bv |= sse;
        saved |= sse;
        mxcsr = saved & XSAVE_BIT(XSAVE_SSE);
    }
    const unsigned size = xsave_layout(cpu->model, rfbm, compacted, a.at);
    add_pieces(cpu, &a, saved, mxcsr, !x87_image_keeps_pointers(cpu));
    locate(cpu, i, &a, MEM_WRITE);
    mem_probe(cpu, i, address(cpu, &a, size - 1), 1, MEM_WRITE);
    save_image(cpu, &a, saved, disabled, w64);

    uint64_t header[2] = {bv, comp};
    if (compacted) {
        mem_probe(cpu, i, address(cpu, &a, XSAVE_HEADER_AT), 16, MEM_WRITE);
    } else {
        mem_read_bytes(cpu, address(cpu, &a, XSAVE_HEADER_AT), header, 8, MEM_RMW);
        header[0] = (header[0] & ~rfbm) | bv;
    }
    memcpy(a.image + XSAVE_HEADER_AT, header, sizeof header);
    write_area(cpu, i, &a, compacted ? 16 : 8);
}

/* ---- restoring ---- */

static bool all_zero(const uint8_t *p, unsigned bytes) {
    for (unsigned k = 0; k < bytes; k++)
        if (p[k]) return false;
    return true;
}

/* SDM 1 "Operation of XRSTOR" and "Operation of XRSTORS": what must hold of the header */
static bool header_valid(const struct cpu *cpu, const uint8_t *header, bool supervisor) {
    const uint64_t allowed = cpu->ctl.xcr0 | (supervisor ? cpu->msr.xss : 0);
    const uint64_t bv = word(header), comp = word(header + 8);
    if (!(comp & XCOMP_BV_COMPACTED)) return !supervisor && !(bv & ~allowed) && all_zero(header + 8, 16);
    return model_has(cpu->model, FEAT_XSAVEC) && !(comp & ~XCOMP_BV_COMPACTED & ~allowed) &&
           !(bv & ~(comp & ~XCOMP_BV_COMPACTED)) && all_zero(header + 16, XSAVE_HEADER_BYTES - 16);
}

static void read_area(struct cpu *cpu, struct area *a) {
    for (unsigned k = 0; k < a->count; k++)
        mem_read_bytes(cpu, address(cpu, a, a->piece[k].at), a->image + a->piece[k].at, a->piece[k].bytes, 0);
}

/* What is about to be loaded must be what the registers can hold. */
static void check_image(struct cpu *cpu, const struct area *a, uint64_t loaded, bool mxcsr) {
    uint32_t val = 0;
    if (mxcsr) memcpy(&val, a->image + XSAVE_MXCSR_AT, 4);
    if (val & ~mxcsr_mask(cpu->model)) cpu_gp0(cpu);
    for (unsigned id = 0; id < XSAVE_IDS; id++) {
        const struct xsave_component *c = &xsave_components[id];
        if ((loaded & XSAVE_BIT(id)) && c->valid && !c->valid(cpu, a->image + a->at[id])) cpu_gp0(cpu);
    }
}

static void load_image(struct cpu *cpu, const struct area *a, uint64_t rfbm, uint64_t bv, bool w64) {
    for (unsigned id = 0; id < XSAVE_IDS; id++) {
        if (!(rfbm & XSAVE_BIT(id))) continue;
        if (bv & XSAVE_BIT(id))
            xsave_component_load(cpu, id, a->image, a->at[id], w64);
        else
            xsave_component_init(cpu, id);
    }
}

void xsave_restore(struct cpu *cpu, const struct insn *i, bool supervisor, uint64_t mask, bool w64) {
    const uint64_t rfbm = mask & (cpu->ctl.xcr0 | (supervisor ? cpu->msr.xss : 0));
    uint8_t header[XSAVE_HEADER_BYTES];
    struct area a;

    add_pieces(cpu, &a, 0, false, true);
    locate(cpu, i, &a, MEM_READ);
    mem_read_bytes(cpu, address(cpu, &a, XSAVE_HEADER_AT), header, sizeof header, 0);
    if (!header_valid(cpu, header, supervisor)) cpu_gp0(cpu);

    const uint64_t bv = word(header), comp = word(header + 8), loaded = rfbm & bv;
    const bool compacted = comp & XCOMP_BV_COMPACTED;
    if (loaded & cpu->msr.xfd) xsave_raise_xfd(cpu, loaded & cpu->msr.xfd);
    /* the standard form loads MXCSR whatever XSTATE_BV says; in the compacted form it is part of SSE state */
    const bool mxcsr = compacted ? loaded & XSAVE_BIT(XSAVE_SSE) : rfbm & XSAVE_BITS_MXCSR;
    xsave_layout(cpu->model, comp, compacted, a.at);
    add_pieces(cpu, &a, loaded, mxcsr, true);
    locate(cpu, i, &a, MEM_READ);
    read_area(cpu, &a);
    check_image(cpu, &a, loaded, mxcsr);

    load_image(cpu, &a, rfbm, bv, w64);
    uint32_t val = MXCSR_INIT;
    if (mxcsr) memcpy(&val, a.image + XSAVE_MXCSR_AT, 4);
    if (mxcsr || (compacted && (rfbm & XSAVE_BIT(XSAVE_SSE)))) mxcsr_set(cpu, val);
    xsave_track(cpu, a.la, compacted ? comp : 0, rfbm, w64);
    cpu_update_mode(cpu); /* PKRU, CET */
}
