/* struct isa_fpu to and from the host's XSAVE area, standard format. SDM 1 "Managing State Using the XSAVE Feature
 * Set"; where the components are, CPUID leaf 0DH says. */
#include <cpuid.h>
#include <string.h>

#include "testsuites/isa/isa.h"

enum { XC_X87, XC_SSE, XC_AVX, XC_OPMASK = 5, XC_ZMM_HI256, XC_HI16_ZMM, XC_COUNT };
#define XC_BIT(c) (1ull << (c))
#define LEGACY    512 /* then the header, first of all XSTATE_BV */

uint32_t isa_mxcsr_mask(void) {
    uint8_t area[LEGACY] __attribute__((aligned(16)));
    uint32_t mask;
    memset(area, 0, sizeof area);
    __asm__ volatile("fxsave %0" : "+m"(area));
    memcpy(&mask, area + 28, 4);
    return mask ? mask : 0xFFBF;
}

/* CPUID is slow under a hypervisor: asked once. */
struct layout {
    uint64_t mask;
    uint32_t at[XC_COUNT];
    bool known;
};

static void find_components(struct layout *l) {
    unsigned a, b, c, d;
    uint32_t lo, hi;
    l->known = true;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    l->mask = lo & (XC_BIT(XC_X87) | XC_BIT(XC_SSE) | XC_BIT(XC_AVX) | XC_BIT(XC_OPMASK) | XC_BIT(XC_ZMM_HI256) |
                    XC_BIT(XC_HI16_ZMM));
    for (unsigned k = XC_AVX; k < XC_COUNT; k++)
        if (l->mask & XC_BIT(k) && __get_cpuid_count(0xD, k, &a, &b, &c, &d)) l->at[k] = b;
}

static const struct layout *layout(void) {
    static struct layout l;
    if (!l.known) find_components(&l);
    return &l;
}

uint64_t isa_xstate_mask(void) { return layout()->mask; }

struct legacy {
    uint16_t fcw, fsw;
    uint8_t ftw, zero;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16], xmm[16][16];
};

void isa_xstate_pack(uint8_t *area, const struct isa_fpu *f) {
    const uint32_t *at = layout()->at;
    uint64_t xstate_bv = 0;
    struct legacy l = {f->fcw, f->fsw, f->ftw, 0, f->fop, f->fip, f->fdp, f->mxcsr, 0, {{0}}, {{0}}};
    memcpy(l.st, f->st, sizeof l.st);
    for (unsigned n = 0; n < 16; n++) memcpy(l.xmm[n], f->zmm[n], 16);
    memset(area, 0, ISA_XSTATE_SIZE);
    memcpy(area, &l, sizeof l);
    for (unsigned n = 0; n < 16; n++) {
        if (at[XC_AVX]) memcpy(area + at[XC_AVX] + 16 * n, f->zmm[n] + 16, 16);
        if (at[XC_ZMM_HI256]) memcpy(area + at[XC_ZMM_HI256] + 32 * n, f->zmm[n] + 32, 32);
        if (at[XC_HI16_ZMM]) memcpy(area + at[XC_HI16_ZMM] + 64 * n, f->zmm[n + 16], 64);
    }
    if (at[XC_OPMASK]) memcpy(area + at[XC_OPMASK], f->k, sizeof f->k);
    for (unsigned k = 0; k < XC_COUNT; k++)
        if (k <= XC_SSE || at[k]) xstate_bv |= XC_BIT(k);
    memcpy(area + LEGACY, &xstate_bv, 8);
}

/* A component that XSTATE_BV says is in its initial configuration is that, whatever the bytes are. */
void isa_xstate_unpack(const uint8_t *area, struct isa_fpu *f) {
    const uint32_t *at = layout()->at;
    struct legacy l;
    uint64_t bv;
    memcpy(&l, area, sizeof l);
    memcpy(&bv, area + LEGACY, 8);
    memset(f, 0, sizeof *f);
    f->mxcsr = l.mxcsr;
    f->fcw = 0x37F;
    if (bv & XC_BIT(XC_X87)) {
        f->fcw = l.fcw;
        f->fsw = l.fsw;
        f->ftw = l.ftw;
        f->fop = l.fop;
        f->fip = l.fip;
        f->fdp = l.fdp;
        for (unsigned n = 0; n < 8; n++) memcpy(f->st[n], l.st[n], 10);
    }
    for (unsigned n = 0; n < 16; n++) {
        if (bv & XC_BIT(XC_SSE)) memcpy(f->zmm[n], l.xmm[n], 16);
        if (bv & XC_BIT(XC_AVX)) memcpy(f->zmm[n] + 16, area + at[XC_AVX] + 16 * n, 16);
        if (bv & XC_BIT(XC_ZMM_HI256)) memcpy(f->zmm[n] + 32, area + at[XC_ZMM_HI256] + 32 * n, 32);
        if (bv & XC_BIT(XC_HI16_ZMM)) memcpy(f->zmm[n + 16], area + at[XC_HI16_ZMM] + 64 * n, 64);
    }
    if (bv & XC_BIT(XC_OPMASK)) memcpy(f->k, area + at[XC_OPMASK], sizeof f->k);
}
