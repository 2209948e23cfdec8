/* Which CPUID features the encoding of a vector instruction asks for: from Zydis' ISA sets, with the cases where one
 * set of Zydis holds instructions that came at different times. SDM 2, "CPUID Feature Flag" columns; SDM 1 "Detection
 * of..." sections. */
#include "decoder/private.h"
#include "sim/arch/features.h"

/* All of `need` must be present. */
struct isa_row {
    uint8_t need[3];
};
#define ISA(set, ...) [ZYDIS_ISA_SET_##set] = {{__VA_ARGS__}}
#define ISA_LENGTHS(set, ...)                                                                                          \
    ISA(set##_128, FEAT_AVX512VL, __VA_ARGS__), ISA(set##_256, FEAT_AVX512VL, __VA_ARGS__), ISA(set##_512, __VA_ARGS__)

// clang-format off
static const struct isa_row isa_rows[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
    ISA(PENTIUMMMX, FEAT_MMX), ISA(AMD3DNOW, FEAT_3DNOW),
    ISA(SSE, FEAT_SSE), ISA(SSE2, FEAT_SSE2), ISA(SSE2MMX, FEAT_SSE2, FEAT_MMX), ISA(SSE3, FEAT_SSE3),
    ISA(SSEMXCSR, FEAT_SSE),
    ISA(SSSE3, FEAT_SSSE3), ISA(SSSE3MMX, FEAT_SSSE3, FEAT_MMX), ISA(SSE4, FEAT_SSE41), ISA(SSE42, FEAT_SSE42),
    ISA(SSE4A, FEAT_SSE4A), ISA(AES, FEAT_AES), ISA(PCLMULQDQ, FEAT_PCLMULQDQ), ISA(SHA, FEAT_SHA), ISA(GFNI, FEAT_GFNI),
    ISA(AVX, FEAT_AVX), ISA(AVX2, FEAT_AVX2), ISA(AVX2GATHER, FEAT_AVX2), ISA(AVXAES, FEAT_AVX, FEAT_AES),
    ISA(AVX_GFNI, FEAT_AVX, FEAT_GFNI), ISA(AVX_VNNI, FEAT_AVXVNNI), ISA(F16C, FEAT_F16C), ISA(FMA, FEAT_FMA),
    ISA(FMA4, FEAT_FMA4), ISA(XOP, FEAT_XOP), ISA(VAES, FEAT_VAES), ISA(VPCLMULQDQ, FEAT_VPCLMULQDQ),
    ISA_LENGTHS(AVX512F, FEAT_AVX512F), ISA(AVX512F_128N, FEAT_AVX512F), ISA(AVX512F_SCALAR, FEAT_AVX512F),
    ISA(AVX512F_KOP, FEAT_AVX512F),
    ISA_LENGTHS(AVX512BW, FEAT_AVX512BW), ISA(AVX512BW_128N, FEAT_AVX512BW), ISA(AVX512BW_KOP, FEAT_AVX512BW),
    ISA_LENGTHS(AVX512DQ, FEAT_AVX512DQ), ISA(AVX512DQ_128N, FEAT_AVX512DQ), ISA(AVX512DQ_SCALAR, FEAT_AVX512DQ),
    ISA(AVX512DQ_KOP, FEAT_AVX512DQ),
    ISA_LENGTHS(AVX512CD, FEAT_AVX512CD), ISA_LENGTHS(AVX512_IFMA, FEAT_AVX512IFMA),
    ISA_LENGTHS(AVX512_VBMI, FEAT_AVX512VBMI), ISA_LENGTHS(AVX512_VBMI2, FEAT_AVX512VBMI2),
    ISA_LENGTHS(AVX512_VNNI, FEAT_AVX512VNNI), ISA_LENGTHS(AVX512_BITALG, FEAT_AVX512BITALG),
    ISA_LENGTHS(AVX512_VPOPCNTDQ, FEAT_AVX512VPOPCNTDQ), ISA_LENGTHS(AVX512_BF16, FEAT_AVX512BF16),
    ISA_LENGTHS(AVX512_VP2INTERSECT, FEAT_AVX512VP2INTERSECT),
    ISA_LENGTHS(AVX512_VPCLMULQDQ, FEAT_AVX512F, FEAT_VPCLMULQDQ), ISA_LENGTHS(AVX512_VAES, FEAT_AVX512F, FEAT_VAES),
    ISA_LENGTHS(AVX512_GFNI, FEAT_AVX512F, FEAT_GFNI),
    ISA_LENGTHS(AVX512_FP16, FEAT_AVX512FP16), ISA(AVX512_FP16_128N, FEAT_AVX512FP16),
    ISA(AVX512_FP16_SCALAR, FEAT_AVX512FP16),
};
// clang-format on

/* Instructions on MMX registers that came with SSE, and with AMD's extensions to MMX before it; 3DNow! instructions of
 * the second set. */
static bool is_mmx_extension(ZydisMnemonic m) {
    switch (m) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MOVNTQ:
    case ZYDIS_MNEMONIC_PAVGB:
    case ZYDIS_MNEMONIC_PAVGW:
    case ZYDIS_MNEMONIC_PEXTRW:
    case ZYDIS_MNEMONIC_PINSRW:
    case ZYDIS_MNEMONIC_PMAXSW:
    case ZYDIS_MNEMONIC_PMAXUB:
    case ZYDIS_MNEMONIC_PMINSW:
    case ZYDIS_MNEMONIC_PMINUB:
    case ZYDIS_MNEMONIC_PMOVMSKB:
    case ZYDIS_MNEMONIC_PMULHUW:
    case ZYDIS_MNEMONIC_PSADBW:
    case ZYDIS_MNEMONIC_PSHUFW:
        return true;
    default:
        return false;
    }
}
static bool is_3dnow_extension(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_PF2IW || m == ZYDIS_MNEMONIC_PFNACC || m == ZYDIS_MNEMONIC_PFPNACC ||
           m == ZYDIS_MNEMONIC_PI2FW || m == ZYDIS_MNEMONIC_PSWAPD;
}

static bool has(const struct decode_features *feat, unsigned f) {
    return f == FEAT_NONE || !feat->cpu || (feat->cpu[f / 64] >> f % 64 & 1);
}

bool isa_present(const struct zinsn *z, const struct decode_features *feat, bool mmx) {
    const struct isa_row *row = &isa_rows[z->i.meta.isa_set];
    ZydisMnemonic m = z->i.mnemonic;

    if (!row->need[0]) return false;
    if (mmx && is_mmx_extension(m)) return has(feat, FEAT_MMX) && (has(feat, FEAT_SSE) || has(feat, FEAT_MMXEXT));
    if (is_3dnow_extension(m)) return has(feat, FEAT_3DNOWEXT);
    if (m == ZYDIS_MNEMONIC_VPCLMULQDQ && z->i.meta.isa_set == ZYDIS_ISA_SET_AVX && !has(feat, FEAT_PCLMULQDQ))
        return false;
    for (unsigned k = 0; k < 3; k++)
        if (!has(feat, row->need[k])) return false;
    return true;
}
