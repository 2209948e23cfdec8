/* What a processor's VMX can do: the source of the capability MSRs and an input of every entry check. */
#ifndef HVSIM_VMX_CAPS_H
#define HVSIM_VMX_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/arch/features.h"
#include "sim/arch/vmx.h"

struct cpu_model;

struct vmx_allowed {
    uint32_t must;         /* bits that must be 1 (TRUE MSRs) */
    uint32_t must_default; /* the same as the first MSRs say it, with the default1 bits */
    uint32_t may;          /* bits that may be 1 */
};

struct vmx_caps {
    struct vmx_allowed ctl[VMX_GROUPS];
    uint64_t basic, misc, vmcs_enum, ept_vpid, vmfunc;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    uint64_t efer_valid, debugctl_valid, perf_global_valid, s_cet_valid;
    uint8_t phys_bits, lin_bits;
};

/* One row of sim/arch/vmx_controls.def. */
struct vmx_control_row {
    uint8_t group, bit; /* enum vmx_group */
    bool default1, available;
    uint16_t feature; /* enum feature */
    const char *name;
};
extern const struct vmx_control_row vmx_control_rows[];
extern const unsigned vmx_control_count;
/* The SDM's name of a control bit, NULL when it has none. */
const char *vmx_control_name(enum vmx_group group, unsigned bit);

/* Limits of a named processor model, below "everything implemented": struct cpu_model.virt_caps may point to one. */
struct vmx_limits {
    uint32_t remove[VMX_GROUPS];
    uint64_t remove_ept_vpid, remove_misc;
};

void vmx_caps_init(struct vmx_caps *caps, const struct cpu_model *model);
/* The capability MSRs; false: the MSR does not exist with these capabilities. */
bool vmx_caps_msr(const struct vmx_caps *caps, uint32_t msr, uint64_t *val);

static inline bool vmx_can(const struct vmx_caps *caps, enum vmx_group group, uint32_t bits) {
    return group == VMX_NONE || (caps->ctl[group].may & bits) == bits;
}

#endif
