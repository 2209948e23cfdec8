/* enum feature: the CPU features of features.def. FEAT_NONE is always present. */
#ifndef HVSIM_ARCH_FEATURES_H
#define HVSIM_ARCH_FEATURES_H

enum feature {
    FEAT_NONE,
#define FEATURE(id, leaf, sub, reg, bit, name) FEAT_##id,
#include "sim/arch/features.def"
#undef FEATURE
    FEAT_COUNT
};

#endif
