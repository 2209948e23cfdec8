/* System instructions' common ground: MSRs, CPUID, features, models. */
#ifndef HVSIM_CORE_SYSTEM_H
#define HVSIM_CORE_SYSTEM_H

#include <stdio.h>

#include "sim/arch/features.h"
#include "sim/core/cpu.h"

enum vendor { VENDOR_INTEL, VENDOR_AMD };

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};
struct cpuid_leaf {
    uint32_t leaf, subleaf; /* subleaf ~0u: any */
    struct cpuid_regs r;
};

/* A CPU model is data. */
struct cpu_model {
    const char *name, *title; /* "max-intel", "everything implemented, Intel" */
    enum vendor vendor;
    const char *brand;
    uint8_t family, model, stepping;
    uint8_t phys_bits, lin_bits;
    uint32_t tsc_khz;
    uint32_t microcode;         /* revision, as IA32_BIOS_SIGN_ID and PATCH_LEVEL report it */
    uint64_t mcg_cap;           /* IA32_MCG_CAP */
    uint64_t arch_capabilities; /* IA32_ARCH_CAPABILITIES */
    uint64_t features[(FEAT_COUNT + 63) / 64];
    const struct cpuid_leaf *leaves; /* beyond those made from the features; ended by leaf ~0 */
    uint32_t max_leaf, max_extended; /* highest basic and extended CPUID leaf */
    const void *virt_caps;           /* VMX capability MSR values or SVM feature data: owned by vmx/ or svm/ */
};

static inline bool model_has(const struct cpu_model *m, enum feature f) {
    return f == FEAT_NONE || (m->features[f / 64] >> (f % 64) & 1);
}
static inline bool cpu_has(const struct cpu *cpu, enum feature f) { return model_has(cpu->model, f); }

/* Find a model by "NAME[,+feature,-feature...]". Returns a new model that the caller frees with model_free(), or NULL
 * with the reason, ready for a user, in err. */
struct cpu_model *model_parse(const char *spec, char *err, unsigned err_size);
void model_free(struct cpu_model *m);
void model_list(FILE *out);                                /* --cpu help */
void model_describe(const struct cpu_model *m, FILE *out); /* --cpu MODEL,help */

void cpuid(struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);
/* false: #GP(0). Both ask the extension first, then the table of sim/core/msr.c. No intercepts (the instruction's body
 * does that). */
bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *val);
bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t val);
void msr_load_microcode(struct cpu *cpu);   /* the revision into IA32_BIOS_SIGN_ID */
void msr_reset(struct cpu *cpu, bool init); /* reset values of the MSR table; INIT keeps most */
uint64_t cpu_tsc(struct cpu *cpu);          /* as RDTSC in the current mode sees it, guest offset included */
/* writable bits of CR0 (fixed), CR4, EFER for this model */
uint64_t cr4_supported(const struct cpu_model *model);
uint64_t efer_supported(const struct cpu *cpu);

/* The table row of an instruction (decoder/insns.def). */
enum insn_attr {
    A_SYS = 1 << 0,
    A_END = 1 << 1,
    A_CPL0 = 1 << 2,
    A_PROT = 1 << 3,
    A_NO64 = 1 << 4,
    A_ONLY64 = 1 << 5,
    A_LOCK = 1 << 6,
    A_UMIP = 1 << 7,
};
struct insn_row {
    const char *name;
    uint16_t feature, attrs, icept;
};
extern const struct insn_row insn_rows[INSN_COUNT];

/* The bit of CR4 without which it is #UD; 0: none, or the gates ask */
uint32_t insn_cr4(enum insn_id id);
/* Why the instruction does not exist in this mode; NULL: it does */
const char *insn_wrong_mode(const struct insn_row *row, const struct cpu *cpu);

/* ---- what a #UD was about, in words: sim/core/undefined.c ---- */

/* The control-register bits that make a group of instructions #UD now */
void cpu_explain_denied(const struct cpu *cpu, enum gate gate, FILE *out);
/* Of the instruction that `bytes` begin with, as the processor is now: "; VZEROUPPER needs CPUID feature avx"; nothing
 * when it is defined. */
void insn_explain_undefined(struct cpu *cpu, const uint8_t *bytes, unsigned count, FILE *out);

#endif
