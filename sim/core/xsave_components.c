/* The state components as a table: what they consist of, which processor has them, where they lie in an XSAVE area.
 * SDM 1 "XSAVE-Supported Features and State-Component Bitmaps", "XSAVE Area"; offsets of the standard format are what
 * Intel processors report (behind AVX comes room for MPX), and what AMD processors report (which never had MPX). */
#include <string.h>

#include "sim/core/cet.h"
#include "sim/core/xsave.h"
#include "sim/x87/image.h"

/* ---- those that are not parts of vector registers ---- */

static void opmask_save(const struct cpu *cpu, uint8_t *out) { memcpy(out, cpu->vec.k, sizeof cpu->vec.k); }
static void opmask_load(struct cpu *cpu, const uint8_t *in) { memcpy(cpu->vec.k, in, sizeof cpu->vec.k); }

/* SDM 1 "PKRU State": 8 bytes, of which the upper half is reserved */
static void pkru_save(const struct cpu *cpu, uint8_t *out) {
    const uint64_t v = cpu->ctl.pkru;
    memcpy(out, &v, 8);
}
static void pkru_load(struct cpu *cpu, const uint8_t *in) { memcpy(&cpu->ctl.pkru, in, 4); }

/* SDM 1 "CET State": IA32_U_CET and IA32_PL3_SSP; IA32_PL0_SSP to IA32_PL2_SSP */
static void cet_u_save(const struct cpu *cpu, uint8_t *out) {
    memcpy(out, &cpu->cet.u_cet, 8);
    memcpy(out + 8, &cpu->cet.pl_ssp[3], 8);
}
static void cet_u_load(struct cpu *cpu, const uint8_t *in) {
    memcpy(&cpu->cet.u_cet, in, 8);
    memcpy(&cpu->cet.pl_ssp[3], in + 8, 8);
}
static void cet_s_save(const struct cpu *cpu, uint8_t *out) { memcpy(out, cpu->cet.pl_ssp, 24); }
static void cet_s_load(struct cpu *cpu, const uint8_t *in) { memcpy(cpu->cet.pl_ssp, in, 24); }

/* SDM 1 "Operation of XRSTORS": what WRMSR would refuse */
static uint64_t word(const uint8_t *in) {
    uint64_t v;
    memcpy(&v, in, 8);
    return v;
}
static bool cet_u_valid(const struct cpu *cpu, const uint8_t *in) {
    return cet_msr_valid(cpu, MSR_U_CET, word(in)) && cet_msr_valid(cpu, MSR_PL0_SSP + 3, word(in + 8));
}
static bool cet_s_valid(const struct cpu *cpu, const uint8_t *in) {
    for (unsigned n = 0; n < 3; n++)
        if (!cet_msr_valid(cpu, MSR_PL0_SSP + n, word(in + 8 * n))) return false;
    return true;
}

/* ---- the table ---- */

// clang-format off
const struct xsave_component xsave_components[XSAVE_IDS] = {
    [XSAVE_X87] = {.features = {FEAT_XSAVE}, .size = 160},
    [XSAVE_SSE] = {.features = {FEAT_SSE}, .size = 256, .standard = {XSAVE_XMM_AT, XSAVE_XMM_AT},
                   .count = {8, 16}, .bytes = 16},
    [XSAVE_AVX] = {.features = {FEAT_AVX}, .size = 256, .standard = {576, 576},
                   .count = {8, 16}, .from = 16, .bytes = 16},
    [XSAVE_OPMASK] = {.features = {FEAT_AVX512F}, .size = 64, .standard = {1088, 832},
                      .save = opmask_save, .load = opmask_load},
    [XSAVE_ZMM_HI256] = {.features = {FEAT_AVX512F}, .size = 512, .standard = {1152, 896},
                         .count = {8, 16}, .from = 32, .bytes = 32},
    [XSAVE_HI16_ZMM] = {.features = {FEAT_AVX512F}, .size = 1024, .standard = {1664, 1408},
                        .count = {0, 16}, .first = 16, .bytes = 64},
    [XSAVE_PKRU] = {.features = {FEAT_PKU}, .size = 8, .standard = {2688, 2432}, .save = pkru_save, .load = pkru_load},
    [XSAVE_CET_U] = {.features = {FEAT_SHSTK, FEAT_IBT}, .size = 16, .supervisor = true,
                     .save = cet_u_save, .load = cet_u_load, .valid = cet_u_valid},
    [XSAVE_CET_S] = {.features = {FEAT_SHSTK, FEAT_IBT}, .size = 24, .supervisor = true,
                     .save = cet_s_save, .load = cet_s_load, .valid = cet_s_valid},
};
// clang-format on

static bool exists(const struct cpu_model *m, unsigned id) {
    const struct xsave_component *c = &xsave_components[id];
    if (!c->size || !model_has(m, FEAT_XSAVE) || (c->supervisor && !model_has(m, FEAT_XSAVES))) return false;
    return model_has(m, (enum feature)c->features[0]) || (c->features[1] && model_has(m, (enum feature)c->features[1]));
}

uint64_t xcr0_supported(const struct cpu_model *m) {
    uint64_t mask = 0;
    for (unsigned id = 0; id < XSAVE_IDS; id++)
        if (!xsave_components[id].supervisor && exists(m, id)) mask |= XSAVE_BIT(id);
    return mask;
}

uint64_t xss_supported(const struct cpu_model *m) {
    uint64_t mask = 0;
    for (unsigned id = 0; id < XSAVE_IDS; id++)
        if (xsave_components[id].supervisor && exists(m, id)) mask |= XSAVE_BIT(id);
    return mask;
}

uint64_t xfd_supported(const struct cpu_model *m) {
    uint64_t mask = 0;
    for (unsigned id = 0; id < XSAVE_IDS; id++)
        if (xsave_components[id].xfd && model_has(m, FEAT_XFD) && exists(m, id)) mask |= XSAVE_BIT(id);
    return mask;
}

/* SDM 2 "XSETBV"; SDM 1 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features": components that go together, and
 * what they need */
bool xcr0_valid(const struct cpu_model *m, uint64_t val) {
    static const struct {
        uint64_t any, all;
    } rules[] = {
        {~0ull,                                                XSAVE_BIT(XSAVE_X87)                                },
        {XSAVE_BIT(XSAVE_AVX),                                 XSAVE_BIT(XSAVE_SSE)                                },
        {XSAVE_BIT(XSAVE_BNDREGS) | XSAVE_BIT(XSAVE_BNDCSR),   XSAVE_BIT(XSAVE_BNDREGS) | XSAVE_BIT(XSAVE_BNDCSR)  },
        {XSAVE_BITS_AVX512,                                    XSAVE_BITS_AVX512 | XSAVE_BIT(XSAVE_AVX)            },
        {XSAVE_BIT(XSAVE_TILECFG) | XSAVE_BIT(XSAVE_TILEDATA), XSAVE_BIT(XSAVE_TILECFG) | XSAVE_BIT(XSAVE_TILEDATA)},
    };
    if ((val & ~xcr0_supported(m)) || !val) return false;
    for (unsigned k = 0; k < sizeof rules / sizeof rules[0]; k++)
        if ((val & rules[k].any) && (~val & rules[k].all)) return false;
    return true;
}

unsigned xsave_layout(const struct cpu_model *m, uint64_t mask, bool compacted, uint16_t at[XSAVE_IDS]) {
    unsigned end = XSAVE_EXTENDED_AT;
    for (unsigned id = 0; id < XSAVE_IDS; id++) {
        const struct xsave_component *c = &xsave_components[id];
        at[id] = c->standard[m->vendor];
        if (id < XSAVE_AVX || !(mask & XSAVE_BIT(id))) continue;
        if (compacted) at[id] = (uint16_t)(c->align64 ? (end + 63) & ~63u : end);
        if (at[id] + c->size > (int)end) end = at[id] + c->size;
    }
    return end;
}

/* ---- contents ---- */

unsigned xsave_bytes(const struct cpu *cpu, unsigned id) {
    const struct xsave_component *c = &xsave_components[id];
    return c->bytes ? (unsigned)c->count[cpu_is_64(cpu)] * c->bytes : c->size;
}

void xsave_component_save(const struct cpu *cpu, unsigned id, uint8_t *area, unsigned at, bool w64) {
    const struct xsave_component *c = &xsave_components[id];
    if (id == XSAVE_X87)
        x87_image_save(cpu, area, w64);
    else if (c->save)
        c->save(cpu, area + at);
    else
        for (unsigned n = 0; n < c->count[cpu_is_64(cpu)]; n++)
            memcpy(area + at + n * c->bytes, cpu->vec.zmm[c->first + n].u8 + c->from, c->bytes);
}

void xsave_component_load(struct cpu *cpu, unsigned id, const uint8_t *area, unsigned at, bool w64) {
    const struct xsave_component *c = &xsave_components[id];
    if (id == XSAVE_X87)
        x87_image_load(cpu, area, w64);
    else if (c->load)
        c->load(cpu, area + at);
    else
        for (unsigned n = 0; n < c->count[cpu_is_64(cpu)]; n++)
            memcpy(cpu->vec.zmm[c->first + n].u8 + c->from, area + at + n * c->bytes, c->bytes);
}

/* SDM 1 "Processor Tracking of XSAVE-Managed State": all zero, but for the x87 control word */
static const uint8_t zeros[1024];

void xsave_component_init(struct cpu *cpu, unsigned id) {
    if (id == XSAVE_X87)
        x87_init(cpu);
    else
        xsave_component_load(cpu, id, zeros, 0, false);
}

uint64_t xsave_in_use(const struct cpu *cpu, uint64_t mask) {
    uint64_t in_use = 0;
    uint8_t image[sizeof zeros];
    if ((mask & XSAVE_BIT(XSAVE_X87)) && !x87_is_init(cpu)) in_use |= XSAVE_BIT(XSAVE_X87);
    for (unsigned id = XSAVE_SSE; id < XSAVE_IDS; id++) {
        if (!(mask & XSAVE_BIT(id))) continue;
        xsave_component_save(cpu, id, image, 0, false);
        if (memcmp(image, zeros, xsave_bytes(cpu, id)) != 0) in_use |= XSAVE_BIT(id);
    }
    return in_use;
}

/* ---- CPUID leaf 0DH ---- */

static void subleaf_component(const struct cpu *cpu, unsigned id, struct cpuid_regs *r) {
    const struct cpu_model *m = cpu->model;
    const struct xsave_component *c = &xsave_components[id];
    r->eax = c->size;
    r->ebx = c->standard[m->vendor];
    r->ecx = (c->supervisor ? 1u : 0) | (c->align64 ? 2u : 0) | (xfd_supported(m) & XSAVE_BIT(id) ? 4u : 0);
}

/* SDM 2 "CPUID", leaf 0DH; APM 3 function 0000_000Dh */
void xsave_cpuid(const struct cpu *cpu, uint32_t subleaf, struct cpuid_regs *r) {
    const struct cpu_model *m = cpu->model;
    const uint64_t user = xcr0_supported(m), system = xss_supported(m);
    uint16_t at[XSAVE_IDS];
    if (!model_has(m, FEAT_XSAVE)) return;
    if (subleaf == 0) {
        r->eax = (uint32_t)user;
        r->ebx = xsave_layout(m, cpu->ctl.xcr0, false, at);
        r->ecx = xsave_layout(m, user, false, at);
        r->edx = (uint32_t)(user >> 32);
    } else if (subleaf == 1) {
        if (model_has(m, FEAT_XSAVEC) || model_has(m, FEAT_XSAVES))
            r->ebx = xsave_layout(m, cpu->ctl.xcr0 | cpu->msr.xss, true, at);
        r->ecx = (uint32_t)system;
        r->edx = (uint32_t)(system >> 32);
    } else if (subleaf < XSAVE_IDS && ((user | system) & XSAVE_BIT(subleaf))) {
        subleaf_component(cpu, subleaf, r);
    }
}

uint32_t mxcsr_mask(const struct cpu_model *m) { return 0xFFFF | (model_has(m, FEAT_MISALIGNSSE) ? MXCSR_MM : 0); }
