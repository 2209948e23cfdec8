/* CPU models as they are written down; model_parse() makes a struct cpu_model of a row and the user's changes. */
#ifndef HVSIM_CORE_MODEL_H
#define HVSIM_CORE_MODEL_H

#include "sim/core/system.h"

struct model_row {
    struct cpu_model model;  /* all but the feature bits */
    const uint8_t *features; /* ended by FEAT_NONE */
};
extern const struct model_row model_rows[];
extern const unsigned model_row_count;

/* Where a feature shows in CPUID. */
enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };
struct feature_row {
    const char *name;
    uint32_t leaf, subleaf;
    uint8_t reg, bit;
};
extern const struct feature_row feature_rows[FEAT_COUNT];

/* Features that mean nothing without another one. In order: what a rule needs was decided by the rules before it. */
struct feature_rule {
    uint8_t feature, needs;
};
extern const struct feature_rule feature_rules[];
extern const unsigned feature_rule_count;

#endif
