/* Private to check_*.c: what the expressions of the .def files are written with. */
#ifndef HVSIM_VMX_CHECK_ROWS_H
#define HVSIM_VMX_CHECK_ROWS_H

#include "sim/arch/msr.h"
#include "sim/arch/x86.h"
#include "sim/core/cpu.h"
#include "vmx/check.h"

#define f(id) (c->f[F_##id])

static inline bool aligned(uint64_t pa) { return !(pa & 0xFFF); }

static inline bool unrestricted(const struct check_ctx *c) { return c_proc2(c, VMX_PROC2_UNRESTRICTED_GUEST); }

/* Does every bit of `value` that VMX operation fixes have its fixed value? `free` bits are not looked at. */
static inline bool cr0_fixed(const struct check_ctx *c, uint64_t value, uint64_t free) {
    return !((~value & c->caps->cr0_fixed0) & ~free) && !((value & ~c->caps->cr0_fixed1) & ~free);
}
static inline bool cr4_fixed(const struct check_ctx *c, uint64_t value) {
    return !(~value & c->caps->cr4_fixed0) && !(value & ~c->caps->cr4_fixed1);
}

/* May IA32_S_CET have this value? */
static inline bool s_cet_valid(const struct check_ctx *c, uint64_t value) {
    const uint64_t both = CET_SUPPRESS | CET_TRACKER;
    return !(value & ~c->caps->s_cet_valid) && (value & both) != both;
}

/* Will the guest be in 64-bit mode? */
static inline bool code64(const struct check_ctx *c) {
    return c_entry(c, VMX_ENTRY_IA32E_MODE_GUEST) && (f(GUEST_CS_ACCESS) & AR_L);
}

static inline bool injecting(const struct check_ctx *c) { return f(ENTRY_INTERRUPTION_INFO) & VMX_INFO_VALID; }

/* Is an event of this type (enum event_type) injected? */
static inline bool injects(const struct check_ctx *c, unsigned type) {
    return injecting(c) && (f(ENTRY_INTERRUPTION_INFO) >> VMX_INFO_TYPE_SHIFT & 7) == type;
}

#endif
