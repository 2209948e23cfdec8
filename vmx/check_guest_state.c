/* SDM 3, "Checks on the Guest State Area": descriptor tables, RIP and RFLAGS, non-register state, PDPTEs. The rules are
 * in check_guest_state.def. */
#include <stdio.h>

#include "vmx/check_rows.h"

static bool rip_width_ok(const struct check_ctx *c) {
    /* bits 63:N identical: one bit weaker than canonical */
    int64_t high = (int64_t)f(GUEST_RIP) >> c->caps->lin_bits;
    return high == 0 || high == -1;
}

static bool activity_ok(const struct check_ctx *c) {
    static const uint64_t supported[] = {
        [VMX_HLT] = VMX_MISC_ACT_HLT, [VMX_SHUTDOWN] = VMX_MISC_ACT_SHUTDOWN, [VMX_WAIT_SIPI] = VMX_MISC_ACT_WAIT_SIPI};
    uint64_t state = f(GUEST_ACTIVITY_STATE);
    return state == VMX_ACTIVE || (state <= VMX_WAIT_SIPI && (c->caps->misc & supported[state]));
}

/* SDM 3, "Checks on Guest Non-Register State": events that may be injected into each activity state */
static bool activity_takes(const struct check_ctx *c) {
    unsigned vector = f(ENTRY_INTERRUPTION_INFO) & VMX_INFO_VECTOR;
    bool nmi = injects(c, EVT_NMI), hard = injects(c, EVT_HARD_EXC);
    switch (f(GUEST_ACTIVITY_STATE)) {
    case VMX_HLT:
        return injects(c, EVT_EXTERNAL) || nmi || (hard && (vector == VEC_DB || vector == VEC_MC)) ||
               (injects(c, EVT_OTHER) && vector == 0);
    case VMX_SHUTDOWN:
        return nmi || (hard && vector == VEC_MC);
    case VMX_WAIT_SIPI:
        return false;
    default:
        return true;
    }
}

static bool pending_bs_matters(const struct check_ctx *c) {
    return (f(GUEST_INTERRUPTIBILITY) & (VMX_BLOCK_STI | VMX_BLOCK_MOV_SS)) || f(GUEST_ACTIVITY_STATE) == VMX_HLT;
}

static bool single_step(const struct check_ctx *c) {
    return (f(GUEST_RFLAGS) & FLAG_TF) && !(f(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF);
}

static bool has_link(const struct check_ctx *c) { return f(VMCS_LINK_POINTER) != ~0ull; }

static bool pae_guest(const struct check_ctx *c) {
    return (f(GUEST_CR0) & CR0_PG) && (f(GUEST_CR4) & CR4_PAE) && !c_entry(c, VMX_ENTRY_IA32E_MODE_GUEST);
}

static bool pdpte_ok(const struct check_ctx *c, uint64_t pdpte) {
    return !(pdpte & 1) || (!(pdpte & 0x1E6) && c_width_ok(c, pdpte));
}

#define EXPLAIN_PDPTE(n)                                                                                               \
    static void explain_pdpte##n(const struct check_ctx *c, char *buf, size_t size) {                                  \
        snprintf(buf, size, "PDPTE" #n " at %#llx is %#llx", (unsigned long long)(f(GUEST_CR3) & 0xFFFFFFE0) + 8 * n,  \
                 (unsigned long long)c->pdpte[n]);                                                                     \
    }
EXPLAIN_PDPTE(0)
EXPLAIN_PDPTE(1)
EXPLAIN_PDPTE(2)
EXPLAIN_PDPTE(3)

#define ROWS "vmx/check_guest_state.def"
#include "vmx/check_table.inc"
const struct vmx_check_table vmx_checks_guest_state = CHECK_TABLE;
