/* SDM 3, "Checks on VMX Controls". The rules are in check_controls.def. */
#include "sim/arch/x86.h"
#include "sim/core/cpu.h"
#include "vmx/check_rows.h"

static bool allowed(const struct check_ctx *c, enum vmx_group group, uint64_t value) {
    const struct vmx_allowed *a = &c->caps->ctl[group];
    return !(~value & a->must) && !(value & ~(uint64_t)a->may);
}

static bool eptp_memtype_ok(const struct vmx_caps *caps, uint64_t eptp) {
    unsigned type = eptp & EPTP_MEMTYPE;
    return (type == 0 && (caps->ept_vpid & VMX_EPT_UC)) || (type == 6 && (caps->ept_vpid & VMX_EPT_WB));
}

static bool eptp_walk_ok(const struct vmx_caps *caps, uint64_t eptp) {
    unsigned levels = (eptp >> EPTP_WALK_SHIFT & 7) + 1;
    return (levels == 4 && (caps->ept_vpid & VMX_EPT_WALK_4)) || (levels == 5 && (caps->ept_vpid & VMX_EPT_WALK_5));
}

bool vmx_eptp_valid(const struct vmx_caps *caps, uint64_t eptp) {
    return eptp_memtype_ok(caps, eptp) && eptp_walk_ok(caps, eptp) && !(eptp & 0xF80) && !(eptp >> caps->phys_bits) &&
           (!(eptp & EPTP_AD) || (caps->ept_vpid & VMX_EPT_AD));
}

static bool eptp_switching(const struct check_ctx *c) {
    return c_proc2(c, VMX_PROC2_ENABLE_VM_FUNCTIONS) && (c->f[F_VM_FUNCTION_CONTROLS] & VMX_VMFUNC_EPTP_SWITCHING);
}

/* ---- event injection ---- */

static unsigned inject_type(const struct check_ctx *c) {
    return (unsigned)(c->f[F_ENTRY_INTERRUPTION_INFO] >> VMX_INFO_TYPE_SHIFT & 7);
}

static unsigned inject_vec(const struct check_ctx *c) { return c->f[F_ENTRY_INTERRUPTION_INFO] & VMX_INFO_VECTOR; }

static bool inject_soft(const struct check_ctx *c) {
    unsigned t = inject_type(c);
    return t == EVT_SOFT_INT || t == EVT_PRIV_SOFT_EXC || t == EVT_SOFT_EXC;
}

static bool inject_type_ok(const struct check_ctx *c) {
    unsigned t = inject_type(c);
    return t != 1 && (t != EVT_OTHER || (c->caps->ctl[VMX_PROC].may & VMX_PROC_MONITOR_TRAP_FLAG));
}

static bool inject_vector_ok(const struct check_ctx *c) {
    unsigned v = inject_vec(c);
    switch (inject_type(c)) {
    case EVT_NMI:
        return v == VEC_NMI;
    case EVT_HARD_EXC:
        return v <= 31;
    case EVT_OTHER:
        return v == 0;
    default:
        return true;
    }
}

static bool inject_error_ok(const struct check_ctx *c) {
    const uint32_t with_error = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS | 1u << VEC_GP |
                                1u << VEC_PF | 1u << VEC_AC | 1u << VEC_CP;
    bool protected_mode = !c_proc2(c, VMX_PROC2_UNRESTRICTED_GUEST) || (c->f[F_GUEST_CR0] & CR0_PE);
    bool deliver = c->f[F_ENTRY_INTERRUPTION_INFO] & VMX_INFO_ERROR_CODE;
    unsigned v = inject_vec(c);
    if (inject_type(c) != EVT_HARD_EXC || !protected_mode) return !deliver;
    if (c->caps->basic & VMX_BASIC_HW_EXC_NO_ERROR) return true;
    return deliver == (v < 32 && (with_error >> v & 1));
}

/* ---- MSR areas: three rules each ---- */

static bool area_low(uint64_t addr) { return !(addr & 15); }
static bool area_last(const struct check_ctx *c, uint64_t addr, uint64_t count) {
    return c_width_ok(c, addr + count * 16 - 1);
}

#define CHECK_MSR_AREA(name, id, group, title, AREA)                                                                   \
    CHECK(name##_low, "ctl." id ".aligned", group, OTHER, false,                                                       \
          "If the " title " count is not 0, bits 3:0 of the " title " address must be 0", f(AREA##_COUNT) != 0,        \
          area_low(f(AREA##_ADDR)), NULL, AREA##_ADDR, AREA##_COUNT)                                                   \
    CHECK(name##_width, "ctl." id ".width", group, OTHER, false,                                                       \
          "If the " title " count is not 0, the " title                                                                \
          " address must not set bits beyond the physical-address width",                                              \
          f(AREA##_COUNT) != 0, c_width_ok(c, f(AREA##_ADDR)), explain_width, AREA##_ADDR, AREA##_COUNT)               \
    CHECK(name##_last, "ctl." id ".last-byte", group, OTHER, false,                                                    \
          "The address of the last byte of the " title                                                                 \
          " area (address + count * 16 - 1) must not set bits beyond the physical-address width",                      \
          f(AREA##_COUNT) != 0, area_last(c, f(AREA##_ADDR), f(AREA##_COUNT)), explain_width, AREA##_ADDR,             \
          AREA##_COUNT)

#define ROWS "vmx/check_controls.def"
#include "vmx/check_table.inc"
const struct vmx_check_table vmx_checks_controls = CHECK_TABLE;
