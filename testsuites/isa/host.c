/* The host processor, as CPUID describes it, and a model of the simulator with the same user-mode instructions. */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "sim/core/model.h"
#include "testsuites/isa/forms.h"

_Static_assert(FEAT_COUNT <= 64 * HOST_FEATURE_WORDS, "room for every feature");

bool host_is_amd(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && (b == 0x68747541 /* Auth */ || b == 0x6F677948 /* Hygo */);
}

void host_features(uint64_t set[HOST_FEATURE_WORDS]) {
    memset(set, 0, HOST_FEATURE_WORDS * sizeof *set);
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++) {
        const struct feature_row *row = &feature_rows[f];
        unsigned r[4];
        if (!__get_cpuid_count(row->leaf, row->subleaf, &r[0], &r[1], &r[2], &r[3])) continue;
        if (r[row->reg] >> row->bit & 1) set[f / 64] |= 1ull << f % 64;
    }
}

/* What user-mode instructions depend on; the rest is as the model has it. */
static const uint8_t user_features[] = {
    FEAT_FPU,        FEAT_MMX,          FEAT_MMXEXT,
    FEAT_3DNOW,      FEAT_3DNOWEXT,     FEAT_FXSR,
    FEAT_FFXSR,      FEAT_SSE,          FEAT_SSE2,
    FEAT_SSE3,       FEAT_SSSE3,        FEAT_SSE41,
    FEAT_SSE42,      FEAT_SSE4A,        FEAT_MISALIGNSSE,
    FEAT_AES,        FEAT_PCLMULQDQ,    FEAT_SHA,
    FEAT_GFNI,       FEAT_XSAVE,        FEAT_XSAVEOPT,
    FEAT_XSAVEC,     FEAT_XGETBV1,      FEAT_AVX,
    FEAT_AVX2,       FEAT_F16C,         FEAT_FMA,
    FEAT_FMA4,       FEAT_XOP,          FEAT_TBM,
    FEAT_VAES,       FEAT_VPCLMULQDQ,   FEAT_AVXVNNI,
    FEAT_AVXIFMA,    FEAT_AVX512F,      FEAT_AVX512CD,
    FEAT_AVX512BW,   FEAT_AVX512DQ,     FEAT_AVX512VL,
    FEAT_AVX512IFMA, FEAT_AVX512VBMI,   FEAT_AVX512VBMI2,
    FEAT_AVX512VNNI, FEAT_AVX512BITALG, FEAT_AVX512VPOPCNTDQ,
    FEAT_AVX512BF16, FEAT_AVX512FP16,   FEAT_AVX512VP2INTERSECT,
};

void host_model(const uint64_t *set, bool amd, char *to, size_t size) {
    size_t n = (size_t)snprintf(to, size, "%s", amd ? "max-amd" : "max-intel");
    for (unsigned k = 0; k < sizeof user_features; k++) {
        unsigned f = user_features[k];
        bool has = set[f / 64] >> f % 64 & 1;
        if (n < size) n += (size_t)snprintf(to + n, size - n, ",%c%s", has ? '+' : '-', feature_rows[f].name);
    }
}
