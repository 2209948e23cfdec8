/* What the simulated processors can do of SVM: CPUID Fn8000_000A. APM 3, "Obtaining Processor Information Via the CPUID
 * Instruction" */
#include "sim/core/system.h"
#include "svm/svm.h"

/* By family, newest first: a model gets the first row whose family it reaches. */
static const struct {
    uint8_t family;
    struct svm_caps caps;
} generations[] = {
    {0x17,
     {.revision = 1,
      .asids = 32768,
      .features = SVM_FEATURE_NP | SVM_FEATURE_SVML | SVM_FEATURE_NRIPS | SVM_FEATURE_TSC_RATE_MSR |
                  SVM_FEATURE_VMCB_CLEAN | SVM_FEATURE_FLUSH_BY_ASID | SVM_FEATURE_DECODE_ASSISTS |
                  SVM_FEATURE_PAUSE_FILTER | SVM_FEATURE_PAUSE_FILTER_THRESHOLD}      },
    {0x15,
     {.revision = 1,
      .asids = 65536,
      .features = SVM_FEATURE_NP | SVM_FEATURE_SVML | SVM_FEATURE_NRIPS | SVM_FEATURE_TSC_RATE_MSR |
                  SVM_FEATURE_VMCB_CLEAN | SVM_FEATURE_FLUSH_BY_ASID | SVM_FEATURE_DECODE_ASSISTS |
                  SVM_FEATURE_PAUSE_FILTER | SVM_FEATURE_PAUSE_FILTER_THRESHOLD}      },
    {0x10, {.revision = 1, .asids = 64, .features = SVM_FEATURE_NP | SVM_FEATURE_SVML}},
    {0,    {.revision = 1, .asids = 64, .features = 0}                                },
};

const struct svm_caps *svm_caps_for(const struct cpu_model *model) {
    if (model->virt_caps) return model->virt_caps;
    unsigned n = 0;
    while (model->family < generations[n].family) n++;
    return &generations[n].caps;
}

void svm_cpuid(struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out) {
    const struct svm_caps *caps = svm_of(cpu)->caps;
    (void)subleaf;
    if (leaf != 0x8000000A) return;
    out->eax = caps->revision;
    out->ebx = caps->asids;
    out->ecx = 0;
    out->edx = caps->features;
}
