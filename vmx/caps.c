/* The VMX capabilities of a processor model. SDM 3, appendix "VMX Capability Reporting Facility" */
#include "vmx/caps.h"

#include <string.h>

#include "sim/arch/msr.h"
#include "sim/arch/x86.h"
#include "sim/core/cet.h"
#include "sim/core/system.h"
#include "vmx/fields.h"
#include "vmx/layout.h"

const struct vmx_control_row vmx_control_rows[] = {
#define CONTROL(group, bit, id, default1, available, feature, name)                                                    \
    {VMX_##group, bit, default1, available, FEAT_##feature, name},
#include "sim/arch/vmx_controls.def"
#undef CONTROL
};
const unsigned vmx_control_count = sizeof vmx_control_rows / sizeof vmx_control_rows[0];

static const uint32_t default1[VMX_GROUPS] = {
    [VMX_PIN] = VMX_DEFAULT1_PIN,
    [VMX_PROC] = VMX_DEFAULT1_PROC,
    [VMX_EXIT] = VMX_DEFAULT1_EXIT,
    [VMX_ENTRY] = VMX_DEFAULT1_ENTRY,
};

const char *vmx_control_name(enum vmx_group group, unsigned bit) {
    for (unsigned i = 0; i < vmx_control_count; i++)
        if (vmx_control_rows[i].group == group && vmx_control_rows[i].bit == bit) return vmx_control_rows[i].name;
    return NULL;
}

/* What named models lack of all this; a model that is not here, and says nothing in virt_caps, has everything that its
 * features allow. Source for Nehalem: SDM 4, "MSRs in Processors Based on Nehalem Microarchitecture", and the
 * introduction of each control since. */
static const struct {
    const char *model;
    struct vmx_limits limits;
} model_limits[] = {
    {"nehalem",
     {.remove = {[VMX_PIN] = VMX_PIN_POSTED_INTERRUPTS,
                 [VMX_PROC2] = VMX_PROC2_UNRESTRICTED_GUEST | VMX_PROC2_APIC_REGISTER_VIRTUALIZATION |
                               VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY | VMX_PROC2_PAUSE_LOOP_EXITING |
                               VMX_PROC2_RDRAND_EXITING | VMX_PROC2_ENABLE_INVPCID | VMX_PROC2_ENABLE_VM_FUNCTIONS |
                               VMX_PROC2_VMCS_SHADOWING | VMX_PROC2_RDSEED_EXITING | VMX_PROC2_MODE_BASED_EXECUTE |
                               VMX_PROC2_TSC_SCALING},
      .remove_ept_vpid = VMX_EPT_AD | VMX_EPT_1G | VMX_EPT_VIOLATION_INFO,
      .remove_misc = VMX_MISC_SAVE_LMA | VMX_MISC_WRITE_ANY_FIELD | VMX_MISC_INJECT_LENGTH_0}},
};

static const struct vmx_limits *limits_of(const struct cpu_model *model) {
    if (model->virt_caps) return model->virt_caps;
    for (unsigned i = 0; i < sizeof model_limits / sizeof model_limits[0]; i++)
        if (strcmp(model->name, model_limits[i].model) == 0) return &model_limits[i].limits;
    return NULL;
}

static void controls_init(struct vmx_caps *caps, const struct cpu_model *model, const struct vmx_limits *limits) {
    uint32_t freed[VMX_GROUPS] = {0};
    for (unsigned i = 0; i < vmx_control_count; i++) {
        const struct vmx_control_row *r = &vmx_control_rows[i];
        if (r->default1) freed[r->group] |= 1u << r->bit;
        if (r->available && model_has(model, (enum feature)r->feature)) caps->ctl[r->group].may |= 1u << r->bit;
    }
    for (unsigned g = 1; g < VMX_GROUPS; g++) {
        struct vmx_allowed *a = &caps->ctl[g];
        if (limits) a->may &= ~limits->remove[g];
        a->may |= default1[g];
        a->must_default = default1[g];
        a->must = default1[g] & ~freed[g];
    }
    if (!caps->ctl[VMX_PROC2].may) caps->ctl[VMX_PROC].may &= ~(uint32_t)VMX_PROC_SECONDARY_CONTROLS;
}

static void registers_init(struct vmx_caps *caps, const struct cpu_model *model) {
    caps->cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG;
    caps->cr0_fixed1 = 0xFFFFFFFF;
    caps->cr4_fixed0 = CR4_VMXE;
    caps->cr4_fixed1 = cr4_supported(model);
    caps->efer_valid = (model_has(model, FEAT_SYSCALL) ? EFER_SCE : 0) | (model_has(model, FEAT_NX) ? EFER_NXE : 0) |
                       (model_has(model, FEAT_LM) ? EFER_LME | EFER_LMA : 0);
    caps->s_cet_valid = cet_control_bits(model);
    caps->debugctl_valid = DEBUGCTL_LBR | DEBUGCTL_BTF;
    caps->phys_bits = model->phys_bits;
    caps->lin_bits = model_has(model, FEAT_LA57) ? 57 : 48;
}

/* The highest index of any field that exists, in bits 9:1. */
static uint64_t highest_index(const struct vmx_caps *caps) {
    uint64_t highest = 0;
    for (unsigned i = 0; i < F_COUNT; i++) {
        const struct vmcs_field_row *r = &vmcs_field_rows[i];
        uint64_t index = VMCS_ENC_INDEX(r->encoding);
        if (vmx_can(caps, (enum vmx_group)r->need_group, r->need) && index > highest) highest = index;
    }
    return highest << 1;
}

void vmx_caps_init(struct vmx_caps *caps, const struct cpu_model *model) {
    const struct vmx_limits *limits = limits_of(model);
    memset(caps, 0, sizeof *caps);
    controls_init(caps, model, limits);
    registers_init(caps, model);
    caps->basic = VMCS_REVISION | (uint64_t)VMCS_REGION_SIZE << VMX_BASIC_REGION_SIZE_SHIFT |
                  (uint64_t)6 << VMX_BASIC_MEMTYPE_SHIFT | VMX_BASIC_INS_OUTS | VMX_BASIC_TRUE_CTLS;
    caps->misc = VMX_TIMER_RATE | VMX_MISC_SAVE_LMA | VMX_MISC_ACT_HLT | VMX_MISC_ACT_SHUTDOWN |
                 VMX_MISC_ACT_WAIT_SIPI | 4u << 16 | VMX_MISC_WRITE_ANY_FIELD | VMX_MISC_INJECT_LENGTH_0;
    if (vmx_can(caps, VMX_PROC2, VMX_PROC2_ENABLE_EPT))
        caps->ept_vpid |= VMX_EPT_EXEC_ONLY | VMX_EPT_WALK_4 | VMX_EPT_UC | VMX_EPT_WB | VMX_EPT_2M |
                          (model_has(model, FEAT_PDPE1GB) ? VMX_EPT_1G : 0) | VMX_EPT_INVEPT | VMX_EPT_AD |
                          VMX_EPT_INVEPT_SINGLE | VMX_EPT_INVEPT_ALL | VMX_EPT_VIOLATION_INFO |
                          (model_has(model, FEAT_LA57) ? VMX_EPT_WALK_5 : 0);
    if (vmx_can(caps, VMX_PROC2, VMX_PROC2_ENABLE_VPID))
        caps->ept_vpid |=
            VMX_VPID_INVVPID | VMX_VPID_INDIVIDUAL | VMX_VPID_SINGLE | VMX_VPID_ALL | VMX_VPID_SINGLE_NO_GLOBAL;
    if (limits) {
        caps->ept_vpid &= ~limits->remove_ept_vpid;
        caps->misc &= ~limits->remove_misc;
    }
    if (vmx_can(caps, VMX_PROC2, VMX_PROC2_ENABLE_VM_FUNCTIONS)) caps->vmfunc = VMX_VMFUNC_EPTP_SWITCHING;
    caps->vmcs_enum = highest_index(caps);
}

static uint64_t pair(uint32_t must, uint32_t may) { return must | (uint64_t)may << 32; }

bool vmx_caps_msr(const struct vmx_caps *caps, uint32_t msr, uint64_t *val) {
    const struct vmx_allowed *c = caps->ctl;
    switch (msr) {
    case VMX_MSR_BASIC:
        *val = caps->basic;
        return true;
    case VMX_MSR_PINBASED:
        *val = pair(c[VMX_PIN].must_default, c[VMX_PIN].may);
        return true;
    case VMX_MSR_PROCBASED:
        *val = pair(c[VMX_PROC].must_default, c[VMX_PROC].may);
        return true;
    case VMX_MSR_EXIT:
        *val = pair(c[VMX_EXIT].must_default, c[VMX_EXIT].may);
        return true;
    case VMX_MSR_ENTRY:
        *val = pair(c[VMX_ENTRY].must_default, c[VMX_ENTRY].may);
        return true;
    case VMX_MSR_MISC:
        *val = caps->misc;
        return true;
    case VMX_MSR_CR0_FIXED0:
        *val = caps->cr0_fixed0;
        return true;
    case VMX_MSR_CR0_FIXED1:
        *val = caps->cr0_fixed1;
        return true;
    case VMX_MSR_CR4_FIXED0:
        *val = caps->cr4_fixed0;
        return true;
    case VMX_MSR_CR4_FIXED1:
        *val = caps->cr4_fixed1;
        return true;
    case VMX_MSR_VMCS_ENUM:
        *val = caps->vmcs_enum;
        return true;
    case VMX_MSR_PROCBASED2:
        *val = pair(0, c[VMX_PROC2].may);
        return c[VMX_PROC2].may != 0;
    case VMX_MSR_EPT_VPID_CAP:
        *val = caps->ept_vpid;
        return caps->ept_vpid != 0;
    case VMX_MSR_TRUE_PINBASED:
        *val = pair(c[VMX_PIN].must, c[VMX_PIN].may);
        return true;
    case VMX_MSR_TRUE_PROCBASED:
        *val = pair(c[VMX_PROC].must, c[VMX_PROC].may);
        return true;
    case VMX_MSR_TRUE_EXIT:
        *val = pair(c[VMX_EXIT].must, c[VMX_EXIT].may);
        return true;
    case VMX_MSR_TRUE_ENTRY:
        *val = pair(c[VMX_ENTRY].must, c[VMX_ENTRY].may);
        return true;
    case VMX_MSR_VMFUNC:
        *val = caps->vmfunc;
        return caps->vmfunc != 0;
    default:
        return false;
    }
}
