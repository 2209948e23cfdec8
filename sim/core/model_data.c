/* CPU models as data: what the named processor reports. Sources: SDM 2 "CPUID" and Intel's processor datasheets; APM 3
 * "Obtaining Processor Information Via the CPUID Instruction" and the BIOS and Kernel Developer's Guides of families
 * 10h and 15h, the Processor Programming Reference of family 19h. */
#include "sim/core/model.h"

#define BASE_INTEL                                                                                                     \
    FEAT_DE, FEAT_PSE, FEAT_TSC, FEAT_MSR, FEAT_PAE, FEAT_MCE, FEAT_CX8, FEAT_APIC, FEAT_VME, FEAT_SEP, FEAT_MTRR,     \
        FEAT_PGE, FEAT_MCA, FEAT_CMOV, FEAT_PAT, FEAT_PSE36, FEAT_CLFSH, FEAT_MONITOR, FEAT_VMX, FEAT_CX16,            \
        FEAT_POPCNT, FEAT_SYSCALL, FEAT_NX, FEAT_RDTSCP, FEAT_LM, FEAT_LAHF_LM, FEAT_INVTSC
#define BASE_AMD                                                                                                       \
    FEAT_DE, FEAT_PSE, FEAT_TSC, FEAT_MSR, FEAT_PAE, FEAT_MCE, FEAT_CX8, FEAT_APIC, FEAT_VME, FEAT_SEP, FEAT_MTRR,     \
        FEAT_PGE, FEAT_MCA, FEAT_CMOV, FEAT_PAT, FEAT_PSE36, FEAT_CLFSH, FEAT_MONITOR, FEAT_CX16, FEAT_POPCNT,         \
        FEAT_SYSCALL, FEAT_NX, FEAT_PDPE1GB, FEAT_RDTSCP, FEAT_LM, FEAT_LAHF_LM, FEAT_SVM, FEAT_CR8_LEGACY,            \
        FEAT_LZCNT, FEAT_PREFETCHW, FEAT_INVTSC
#define LATER_COMMON                                                                                                   \
    FEAT_MOVBE, FEAT_RDRAND, FEAT_FSGSBASE, FEAT_BMI1, FEAT_SMEP, FEAT_BMI2, FEAT_RDSEED, FEAT_ADX, FEAT_SMAP,         \
        FEAT_CLFLUSHOPT, FEAT_CLWB, FEAT_UMIP, FEAT_PKU, FEAT_RDPID, FEAT_PCID, FEAT_X2APIC, FEAT_INVPCID, FEAT_ERMS,  \
        FEAT_FSRM, FEAT_TSC_DEADLINE, FEAT_LA57

/* x87, MMX and vector instructions, extended state, control-flow enforcement */
#define FP_BASE      FEAT_FPU, FEAT_MMX, FEAT_FXSR, FEAT_SSE, FEAT_SSE2, FEAT_SSE3
#define FP_NEHALEM   FP_BASE, FEAT_SSSE3, FEAT_SSE41, FEAT_SSE42
#define FP_XSAVE     FEAT_XSAVE, FEAT_XSAVEOPT, FEAT_XSAVEC, FEAT_XGETBV1, FEAT_XSAVES
#define FP_AVX2      FP_NEHALEM, FP_XSAVE, FEAT_AES, FEAT_PCLMULQDQ, FEAT_AVX, FEAT_F16C, FEAT_FMA, FEAT_AVX2
#define FP_AVX512    FEAT_AVX512F, FEAT_AVX512CD, FEAT_AVX512DQ, FEAT_AVX512BW, FEAT_AVX512VL
#define FP_SKYLAKE   FP_AVX2, FP_AVX512, FEAT_FDP_EXCPTN_ONLY, FEAT_ZERO_FCS_FDS
#define FP_BARCELONA FP_BASE, FEAT_SSE4A, FEAT_MISALIGNSSE, FEAT_MMXEXT, FEAT_3DNOW, FEAT_3DNOWEXT, FEAT_FFXSR
/* Later models of family 15h: XSAVE without XSAVEOPT, XOP and FMA4 besides FMA */
#define FP_PILEDRIVER                                                                                                  \
    FP_NEHALEM, FEAT_AES, FEAT_PCLMULQDQ, FEAT_XSAVE, FEAT_AVX, FEAT_F16C, FEAT_FMA, FEAT_FMA4, FEAT_XOP, FEAT_TBM,    \
        FEAT_SSE4A, FEAT_MISALIGNSSE, FEAT_MMXEXT, FEAT_FFXSR
#define FP_ZEN3                                                                                                        \
    FP_AVX2, FEAT_SSE4A, FEAT_MISALIGNSSE, FEAT_MMXEXT, FEAT_FFXSR, FEAT_XSAVEERPTR, FEAT_SHA, FEAT_VAES,              \
        FEAT_VPCLMULQDQ, FEAT_SHSTK
/* what both vendors' newest have beyond the above */
#define FP_NEWEST                                                                                                      \
    FEAT_AVX512IFMA, FEAT_AVX512VBMI, FEAT_AVX512VBMI2, FEAT_AVX512VNNI, FEAT_AVX512BITALG, FEAT_AVX512VPOPCNTDQ,      \
        FEAT_AVX512BF16, FEAT_AVX512VP2INTERSECT, FEAT_GFNI, FEAT_AVXVNNI
#define FP_MAX_INTEL                                                                                                   \
    FP_SKYLAKE, FP_NEWEST, FEAT_AVX512FP16, FEAT_AVXIFMA, FEAT_SHA, FEAT_VAES, FEAT_VPCLMULQDQ, FEAT_SHSTK, FEAT_IBT,  \
        FEAT_XFD
#define FP_MAX_AMD FP_ZEN3, FP_AVX512, FP_NEWEST, FEAT_3DNOW, FEAT_3DNOWEXT, FEAT_XOP, FEAT_FMA4, FEAT_TBM

/* What microcode updates gave to processors in the field, and what later ones came with, against speculation's leaks */
#define SPEC_NEHALEM   FEAT_SPEC_CTRL, FEAT_STIBP, FEAT_SSBD, FEAT_FLUSH_L1D
#define SPEC_SKYLAKE   SPEC_NEHALEM, FEAT_MD_CLEAR
#define SPEC_MAX_INTEL SPEC_SKYLAKE, FEAT_ARCH_CAPABILITIES
#define SPEC_ZEN3                                                                                                      \
    FEAT_AMD_IBPB, FEAT_AMD_IBRS, FEAT_AMD_STIBP, FEAT_AMD_STIBP_ALWAYS_ON, FEAT_AMD_IBRS_PREFERRED,                   \
        FEAT_AMD_IBRS_SAME_MODE, FEAT_AMD_SSBD, FEAT_AMD_PSFD, FEAT_AMD_BTC_NO, FEAT_LFENCE_SERIALIZING,               \
        FEAT_NULL_SEL_CLR_BASE, FEAT_SBPB, FEAT_IBPB_BRTYPE
#define SPEC_MAX_AMD SPEC_ZEN3, FEAT_AUTO_IBRS

static const uint8_t max_intel_features[] = {BASE_INTEL,     FEAT_ARAT,     LATER_COMMON,   FP_MAX_INTEL,
                                             FEAT_PDPE1GB,   FEAT_LZCNT,    FEAT_PREFETCHW, FEAT_TSC_ADJUST,
                                             FEAT_CLDEMOTE,  FEAT_MOVDIRI,  FEAT_MOVDIR64B, FEAT_PKS,
                                             FEAT_SERIALIZE, FEAT_WBNOINVD, SPEC_MAX_INTEL, FEAT_NONE};
static const uint8_t nehalem_features[] = {BASE_INTEL, FP_NEHALEM, SPEC_NEHALEM, FEAT_NONE};
static const uint8_t skylake_server_features[] = {
    BASE_INTEL,   FEAT_ARAT,  FP_SKYLAKE,     FEAT_MOVBE,   FEAT_RDRAND, FEAT_FSGSBASE,     FEAT_BMI1,
    FEAT_SMEP,    FEAT_BMI2,  FEAT_RDSEED,    FEAT_ADX,     FEAT_SMAP,   FEAT_CLFLUSHOPT,   FEAT_CLWB,
    FEAT_PKU,     FEAT_PCID,  FEAT_X2APIC,    FEAT_INVPCID, FEAT_ERMS,   FEAT_TSC_DEADLINE, FEAT_TSC_ADJUST,
    FEAT_PDPE1GB, FEAT_LZCNT, FEAT_PREFETCHW, SPEC_SKYLAKE, FEAT_NONE};
/* AMD has no TSC deadline timer, no TSC_ADJUST */
static const uint8_t max_amd_features[] = {
    BASE_AMD,  FP_MAX_AMD,  FEAT_MOVBE, FEAT_RDRAND,   FEAT_FSGSBASE,   FEAT_BMI1,    FEAT_SMEP,
    FEAT_BMI2, FEAT_RDSEED, FEAT_ADX,   FEAT_SMAP,     FEAT_CLFLUSHOPT, FEAT_CLWB,    FEAT_UMIP,
    FEAT_PKU,  FEAT_RDPID,  FEAT_PCID,  FEAT_X2APIC,   FEAT_INVPCID,    FEAT_ERMS,    FEAT_FSRM,
    FEAT_LA57, FEAT_CLZERO, FEAT_RDPRU, FEAT_WBNOINVD, FEAT_ARAT,       SPEC_MAX_AMD, FEAT_NONE};
static const uint8_t barcelona_features[] = {BASE_AMD, FP_BARCELONA, FEAT_NONE};
static const uint8_t piledriver_features[] = {BASE_AMD, FP_PILEDRIVER, FEAT_BMI1, FEAT_NONE};
static const uint8_t zen3_features[] = {
    BASE_AMD,    FP_ZEN3,     FEAT_MOVBE,    FEAT_RDRAND, FEAT_FSGSBASE,   FEAT_BMI1, FEAT_SMEP,
    FEAT_BMI2,   FEAT_RDSEED, FEAT_ADX,      FEAT_SMAP,   FEAT_CLFLUSHOPT, FEAT_CLWB, FEAT_UMIP,
    FEAT_PKU,    FEAT_RDPID,  FEAT_PCID,     FEAT_X2APIC, FEAT_INVPCID,    FEAT_ERMS, FEAT_FSRM,
    FEAT_CLZERO, FEAT_RDPRU,  FEAT_WBNOINVD, FEAT_ARAT,   SPEC_ZEN3,       FEAT_NONE};

/* Leaves that no feature bit makes: cache descriptions (SDM 2 "CPUID", leaves 02H and 04H; APM 3 functions 8000_0005h,
 * _0006h, _001Dh). In leaf 04H the counts of sharing processors and cores in EAX are filled in from the machine. */
#define LEAF_ANY ~0u
#define LEAF_END                                                                                                       \
    { .leaf = ~0u }
static const struct cpuid_leaf max_intel_leaves[] = {
    {0x2,        LEAF_ANY, {0x00FEFF01, 0x000000F0, 0, 0}         },
    {0x4,        0,        {0x00000121, 0x02C0003F, 0x0000003F, 0}}, /* L1D 48 KiB, 12 ways */
    {0x4,        1,        {0x00000122, 0x01C0003F, 0x0000003F, 0}}, /* L1I 32 KiB, 8 ways */
    {0x4,        2,        {0x00000143, 0x03C0003F, 0x000007FF, 0}}, /* L2 2 MiB, 16 ways */
    {0x4,        3,        {0x00000163, 0x03C0003F, 0x00007FFF, 4}}, /* L3 32 MiB, 16 ways */
    {0x80000006, LEAF_ANY, {0, 0, 0x08007040, 0}                  },
    LEAF_END
};
static const struct cpuid_leaf nehalem_leaves[] = {
    {0x2,        LEAF_ANY, {0x55035A01, 0x00F0B2E4, 0, 0x09CA212C}},
    {0x4,        0,        {0x00000121, 0x01C0003F, 0x0000003F, 0}},
    {0x4,        1,        {0x00000122, 0x00C0003F, 0x0000007F, 0}},
    {0x4,        2,        {0x00000143, 0x01C0003F, 0x000001FF, 0}},
    {0x4,        3,        {0x00000163, 0x03C0003F, 0x00001FFF, 2}},
    {0x80000006, LEAF_ANY, {0, 0, 0x01006040, 0}                  },
    LEAF_END
};
static const struct cpuid_leaf skylake_server_leaves[] = {
    {0x2,        LEAF_ANY, {0x76036301, 0x00F0B5FF, 0, 0x00C30000}},
    {0x4,        0,        {0x00000121, 0x01C0003F, 0x0000003F, 0}},
    {0x4,        1,        {0x00000122, 0x01C0003F, 0x0000003F, 0}},
    {0x4,        2,        {0x00000143, 0x03C0003F, 0x000003FF, 0}}, /* L2 1 MiB */
    {0x4,        3,        {0x00000163, 0x0280003F, 0x00006FFF, 4}}, /* L3 19.25 MiB, 11 ways */
    {0x80000006, LEAF_ANY, {0, 0, 0x01006040, 0}                  },
    LEAF_END
};
static const struct cpuid_leaf zen_leaves[] = {
    {0x80000001, LEAF_ANY, {0, 0x20000000, 0x00400002, 0}                  }, /* TopologyExtensions, CmpLegacy */
    {0x80000005, LEAF_ANY, {0xFF40FF40, 0xFF40FF40, 0x20080140, 0x20080140}},
    {0x80000006, LEAF_ANY, {0x48002200, 0x68004200, 0x02006140, 0x01009140}},
    {0x8000001A, LEAF_ANY, {0x00000006, 0, 0, 0}                           }, /* MOVU, FP256 */
    {0x8000001D, 0,        {0x00000121, 0x01C0003F, 0x0000003F, 0}         },
    {0x8000001D, 1,        {0x00000122, 0x01C0003F, 0x0000003F, 0}         },
    {0x8000001D, 2,        {0x00000143, 0x01C0003F, 0x000003FF, 2}         },
    {0x8000001D, 3,        {0x00000163, 0x03C0003F, 0x00007FFF, 1}         },
    LEAF_END
};
static const struct cpuid_leaf piledriver_leaves[] = {
    {0x80000001, LEAF_ANY, {0, 0x30000000, 0x00400002, 0}                  }, /* TopologyExtensions, CmpLegacy; socket G34 */
    {0x80000005, LEAF_ANY, {0xFF40FF18, 0xFF40FF30, 0x10040140, 0x40020140}}, /* L1D 16 KiB, L1I 64 KiB */
    {0x80000006, LEAF_ANY, {0x64006400, 0x64004200, 0x08008140, 0x0040C140}}, /* L2 2 MiB, L3 8 MiB */
    {0x80000019, LEAF_ANY, {0xF040F018, 0x64006400, 0, 0}                  }, /* TLBs for 1 GiB pages */
    {0x8000001A, LEAF_ANY, {0x00000003, 0, 0, 0}                           }, /* FP128, MOVU */
    {0x8000001D, 0,        {0x00000121, 0x00C0003F, 0x0000003F, 0}         },
    {0x8000001D, 1,        {0x00000122, 0x0040003F, 0x000001FF, 0}         },
    {0x8000001D, 2,        {0x00000143, 0x03C0003F, 0x000007FF, 0}         },
    {0x8000001D, 3,        {0x00000163, 0x0FC0003F, 0x000007FF, 1}         },
    LEAF_END
};
static const struct cpuid_leaf barcelona_leaves[] = {
    {0x80000001, LEAF_ANY, {0, 0x10000000, 0x00000002, 0}                  },
    {0x80000005, LEAF_ANY, {0xFF30FF10, 0xFF30FF20, 0x40020140, 0x40020140}},
    {0x80000006, LEAF_ANY, {0x20800000, 0x42004200, 0x02008140, 0x00108140}},
    {0x8000001A, LEAF_ANY, {0x00000003, 0, 0, 0}                           }, /* FP128, MOVU */
    LEAF_END
};

/* IA32_ARCH_CAPABILITIES: RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO,
 * SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO */
#define NOTHING_LEAKS 0x0D10E17Bull

/* Every model's TSC runs with the one virtual clock of the machine: CYCLES_PER_SEC, 1 GHz. */
#define TSC_KHZ 1000000u

const struct model_row model_rows[] = {
    {{.name = "max-intel",
      .title = "everything implemented, Intel",
      .vendor = VENDOR_INTEL,
      .brand = "hvsim virtual processor (Intel VMX)",
      .family = 6,
      .model = 0x8F,
      .stepping = 8,
      .phys_bits = 46,
      .lin_bits = 57,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x2B000603,
      .mcg_cap = 0x01000C0A,
      .arch_capabilities = NOTHING_LEAKS,
      .leaves = max_intel_leaves,
      .max_leaf = 0x1F,
      .max_extended = 0x80000008},
     max_intel_features     },
    {{.name = "max-amd",
      .title = "everything implemented, AMD",
      .vendor = VENDOR_AMD,
      .brand = "hvsim virtual processor (AMD SVM)",
      .family = 0x19,
      .model = 0x11,
      .stepping = 1,
      .phys_bits = 48,
      .lin_bits = 57,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x0A101154,
      .mcg_cap = 0x106,
      .leaves = zen_leaves,
      .max_leaf = 0x10,
      .max_extended = 0x80000021},
     max_amd_features       },
    {{.name = "nehalem",
      .title = "Intel Xeon 5500 (2009)",
      .vendor = VENDOR_INTEL,
      .brand = "Intel(R) Xeon(R) CPU           E5540  @ 2.53GHz",
      .family = 6,
      .model = 0x1A,
      .stepping = 5,
      .phys_bits = 40,
      .lin_bits = 48,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x1D,
      .mcg_cap = 0xC09,
      .leaves = nehalem_leaves,
      .max_leaf = 0xB,
      .max_extended = 0x80000008},
     nehalem_features       },
    {{.name = "skylake-server",
      .title = "Intel Xeon Scalable (2017)",
      .vendor = VENDOR_INTEL,
      .brand = "Intel(R) Xeon(R) Gold 5118 CPU @ 2.30GHz",
      .family = 6,
      .model = 0x55,
      .stepping = 4,
      .phys_bits = 46,
      .lin_bits = 48,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x02007006,
      .mcg_cap = 0x01000C14,
      .leaves = skylake_server_leaves,
      .max_leaf = 0x16,
      .max_extended = 0x80000008},
     skylake_server_features},
    {{.name = "barcelona",
      .title = "AMD Opteron 2300 (2007)",
      .vendor = VENDOR_AMD,
      .brand = "Quad-Core AMD Opteron(tm) Processor 2350",
      .family = 0x10,
      .model = 2,
      .stepping = 3,
      .phys_bits = 48,
      .lin_bits = 48,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x01000083,
      .mcg_cap = 0x106,
      .leaves = barcelona_leaves,
      .max_leaf = 5,
      .max_extended = 0x8000001B},
     barcelona_features     },
    {{.name = "piledriver",
      .title = "AMD Opteron 6300 (2012)",
      .vendor = VENDOR_AMD,
      .brand = "AMD Opteron(tm) Processor 6376",
      .family = 0x15,
      .model = 2,
      .stepping = 0,
      .phys_bits = 48,
      .lin_bits = 48,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x06000852,
      .mcg_cap = 0x107,
      .leaves = piledriver_leaves,
      .max_leaf = 0xD,
      .max_extended = 0x8000001E},
     piledriver_features    },
    {{.name = "zen3",
      .title = "AMD EPYC 7003 (2021)",
      .vendor = VENDOR_AMD,
      .brand = "AMD EPYC 7313 16-Core Processor",
      .family = 0x19,
      .model = 1,
      .stepping = 1,
      .phys_bits = 48,
      .lin_bits = 48,
      .tsc_khz = TSC_KHZ,
      .microcode = 0x0A0011D7,
      .mcg_cap = 0x106,
      .leaves = zen_leaves,
      .max_leaf = 0x10,
      .max_extended = 0x80000021},
     zen3_features          },
};
const unsigned model_row_count = sizeof(model_rows) / sizeof(model_rows[0]);

const struct feature_rule feature_rules[] = {
    {FEAT_X2APIC,             FEAT_APIC     },
    {FEAT_TSC_DEADLINE,       FEAT_APIC     },
    {FEAT_LM,                 FEAT_PAE      },
    {FEAT_SYSCALL,            FEAT_LM       },
    {FEAT_LA57,               FEAT_LM       },
    {FEAT_PCID,               FEAT_LM       },
    {FEAT_INVPCID,            FEAT_PCID     },
    {FEAT_PKU,                FEAT_LM       },
    {FEAT_PKS,                FEAT_LM       },
    {FEAT_RDTSCP,             FEAT_TSC      },
    {FEAT_FSGSBASE,           FEAT_LM       },
    {FEAT_MMX,                FEAT_FPU      },
    {FEAT_MMXEXT,             FEAT_MMX      },
    {FEAT_3DNOW,              FEAT_MMX      },
    {FEAT_3DNOWEXT,           FEAT_3DNOW    },
    {FEAT_FXSR,               FEAT_FPU      },
    {FEAT_FFXSR,              FEAT_FXSR     },
    {FEAT_XSAVEERPTR,         FEAT_FXSR     },
    {FEAT_SSE,                FEAT_FXSR     },
    {FEAT_SSE2,               FEAT_SSE      },
    {FEAT_SSE3,               FEAT_SSE2     },
    {FEAT_SSSE3,              FEAT_SSE3     },
    {FEAT_SSE41,              FEAT_SSSE3    },
    {FEAT_SSE42,              FEAT_SSE41    },
    {FEAT_SSE4A,              FEAT_SSE3     },
    {FEAT_MISALIGNSSE,        FEAT_SSE      },
    {FEAT_AES,                FEAT_SSE2     },
    {FEAT_PCLMULQDQ,          FEAT_SSE2     },
    {FEAT_SHA,                FEAT_SSE2     },
    {FEAT_GFNI,               FEAT_SSE2     },
    {FEAT_XSAVE,              FEAT_FXSR     },
    {FEAT_XSAVEOPT,           FEAT_XSAVE    },
    {FEAT_XSAVEC,             FEAT_XSAVE    },
    {FEAT_XGETBV1,            FEAT_XSAVE    },
    {FEAT_XSAVES,             FEAT_XSAVEC   },
    {FEAT_XFD,                FEAT_XSAVEC   },
    {FEAT_AVX,                FEAT_XSAVE    },
    {FEAT_AVX,                FEAT_SSE42    },
    {FEAT_AVX2,               FEAT_AVX      },
    {FEAT_FMA,                FEAT_AVX      },
    {FEAT_F16C,               FEAT_AVX      },
    {FEAT_VAES,               FEAT_AVX      },
    {FEAT_VAES,               FEAT_AES      },
    {FEAT_VPCLMULQDQ,         FEAT_AVX      },
    {FEAT_VPCLMULQDQ,         FEAT_PCLMULQDQ},
    {FEAT_AVXVNNI,            FEAT_AVX2     },
    {FEAT_AVXIFMA,            FEAT_AVX2     },
    {FEAT_XOP,                FEAT_AVX      },
    {FEAT_FMA4,               FEAT_AVX      },
    {FEAT_AVX512F,            FEAT_AVX2     },
    {FEAT_AVX512F,            FEAT_FMA      },
    {FEAT_AVX512F,            FEAT_F16C     },
    {FEAT_AVX512CD,           FEAT_AVX512F  },
    {FEAT_AVX512DQ,           FEAT_AVX512F  },
    {FEAT_AVX512BW,           FEAT_AVX512F  },
    {FEAT_AVX512VL,           FEAT_AVX512F  },
    {FEAT_AVX512IFMA,         FEAT_AVX512F  },
    {FEAT_AVX512VBMI,         FEAT_AVX512BW },
    {FEAT_AVX512VBMI2,        FEAT_AVX512BW },
    {FEAT_AVX512VNNI,         FEAT_AVX512F  },
    {FEAT_AVX512BITALG,       FEAT_AVX512BW },
    {FEAT_AVX512VPOPCNTDQ,    FEAT_AVX512F  },
    {FEAT_AVX512BF16,         FEAT_AVX512BW },
    {FEAT_AVX512FP16,         FEAT_AVX512BW },
    {FEAT_AVX512VP2INTERSECT, FEAT_AVX512F  },
    {FEAT_CET_SSS,            FEAT_SHSTK    },
};
const unsigned feature_rule_count = sizeof(feature_rules) / sizeof(feature_rules[0]);
