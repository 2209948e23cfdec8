/* Where host and simulator may differ, and why: what the manuals leave open, and where this host leaves them. */
#include <string.h>

#include "testsuites/isa/forms.h"

/* VPERMQ and VPERMPD are VEX.256.66.0F3A.W1 (SDM 2 "VPERMQ", APM 4 "VPERMQ"); processors of AMD ignore W. */
static bool is_vpermq_w0(const uint8_t *p) {
    return p[0] == 0xC4 && (p[1] & 0x1F) == 3 && p[2] == 0x7D && (p[3] & 0xFE) == 0;
}

/* VCVTSI2SD and VCVTUSI2SD with W = 1 outside 64-bit mode, where W is ignored: SDM 2 has embedded rounding with W = 1
 * only, as a doubleword needs none; processors of AMD take it. */
static bool is_rounded_doubleword(const struct isa_case *c, const uint8_t *p) {
    return c->mode32 && p[0] == 0x62 && (p[1] & 7) == 1 && (p[2] & 0x83) == 0x83 && (p[3] & 0x10) &&
           (p[4] == 0x2A || p[4] == 0x7B);
}

bool known_to_execute(const struct isa_case *c) {
    const uint8_t *p = c->code;
    while (*p == 0x67 || *p == 0x2E || *p == 0x36 || *p == 0x3E || *p == 0x26) p++;
    return is_vpermq_w0(p) || is_rounded_doubleword(c, p);
}

/* Approximations: the simulator gives AMD's results. SDM 2: "The relative error for this approximation is ..." */
static const struct approximation {
    uint16_t mnemonic;
    bool f64;
    double error;
} approximations[] = {
    {ZYDIS_MNEMONIC_RCPPS,      false, 1.5 / 4096 }, /* |Relative Error| <= 1.5 * 2^-12 */
    {ZYDIS_MNEMONIC_RCPSS,      false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_VRCPPS,     false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_VRCPSS,     false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_RSQRTPS,    false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_RSQRTSS,    false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_VRSQRTPS,   false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_VRSQRTSS,   false, 1.5 / 4096 },
    {ZYDIS_MNEMONIC_VRCP14PS,   false, 1.0 / 16384}, /* "less than 2^-14" */
    {ZYDIS_MNEMONIC_VRCP14SS,   false, 1.0 / 16384},
    {ZYDIS_MNEMONIC_VRCP14PD,   true,  1.0 / 16384},
    {ZYDIS_MNEMONIC_VRCP14SD,   true,  1.0 / 16384},
    {ZYDIS_MNEMONIC_VRSQRT14PS, false, 1.0 / 16384},
    {ZYDIS_MNEMONIC_VRSQRT14SS, false, 1.0 / 16384},
    {ZYDIS_MNEMONIC_VRSQRT14PD, true,  1.0 / 16384},
    {ZYDIS_MNEMONIC_VRSQRT14SD, true,  1.0 / 16384},
};

static const struct approximation *approximation_of(const struct isa_case *c) {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    if (!form_decode(c->code, c->len, c->mode32, &i, op)) return NULL;
    for (unsigned k = 0; k < sizeof approximations / sizeof approximations[0]; k++)
        if (approximations[k].mnemonic == i.mnemonic) return &approximations[k];
    return NULL;
}

/* Both results are within the bound of the exact value, so within twice the bound of each other. */
static bool near(const struct approximation *a, const uint8_t *x, const uint8_t *y) {
    double p, q;
    float f, g;
    if (a->f64) {
        memcpy(&p, x, 8);
        memcpy(&q, y, 8);
    } else {
        memcpy(&f, x, 4);
        memcpy(&g, y, 4);
        p = f;
        q = g;
    }
    double difference = p < q ? q - p : p - q, size = p < 0 ? -p : p;
    return difference <= 2 * a->error * size;
}
static bool registers_near(const struct approximation *a, const uint8_t *x, const uint8_t *y) {
    unsigned size = a->f64 ? 8 : 4;
    for (unsigned at = 0; at < 64; at += size)
        if (memcmp(x + at, y + at, size) != 0 && !near(a, x + at, y + at)) return false;
    return true;
}

bool known_difference(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim) {
    const struct approximation *a = approximation_of(c);
    if (!a || host->exit != ISA_NEXT || sim->exit != ISA_NEXT || host->fpu.mxcsr != sim->fpu.mxcsr) return false;
    for (unsigned n = 0; n < 32; n++)
        if (!registers_near(a, host->fpu.zmm[n], sim->fpu.zmm[n])) return false;
    return true;
}
