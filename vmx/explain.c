/* What exactly broke a rule: which bits, by name, and what was expected. One line of text each. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmx/check_rows.h"

__attribute__((format(printf, 3, 4))) static void append(char *buf, size_t size, const char *fmt, ...) {
    size_t used = strlen(buf);
    va_list ap;
    va_start(ap, fmt);
    if (used < size) vsnprintf(buf + used, size - used, fmt, ap);
    va_end(ap);
}

typedef const char *bit_name(unsigned which, unsigned bit);

/* "must be 1: NE (bit 5), PE (bit 0)" */
static void append_bits(char *buf, size_t size, const char *what, uint64_t bits, bit_name *name, unsigned which) {
    const char *sep = "";
    if (!bits) return;
    append(buf, size, "%s%s: ", *buf ? "; " : "", what);
    for (unsigned b = 0; b < 64; b++) {
        if (!(bits >> b & 1)) continue;
        const char *n = name(which, b);
        if (n)
            append(buf, size, "%s%s (bit %u)", sep, n, b);
        else
            append(buf, size, "%sbit %u", sep, b);
        sep = ", ";
    }
}

static const char *control_bit(unsigned group, unsigned bit) { return vmx_control_name((enum vmx_group)group, bit); }

static void explain_control(const struct check_ctx *c, enum vmx_group group, uint64_t value, char *buf, size_t size) {
    const struct vmx_allowed *a = &c->caps->ctl[group];
    buf[0] = 0;
    append_bits(buf, size, "must be 1", ~value & a->must, control_bit, group);
    append_bits(buf, size, "not supported by this processor, must be 0", value & ~(uint64_t)a->may, control_bit, group);
}

EXPLAIN(pin) { explain_control(c, VMX_PIN, f(PIN_CONTROLS), buf, size); }
EXPLAIN(proc) { explain_control(c, VMX_PROC, f(PROC_CONTROLS), buf, size); }
EXPLAIN(proc2) { explain_control(c, VMX_PROC2, f(PROC2_CONTROLS), buf, size); }
EXPLAIN(exit) { explain_control(c, VMX_EXIT, f(EXIT_CONTROLS), buf, size); }
EXPLAIN(entry) { explain_control(c, VMX_ENTRY, f(ENTRY_CONTROLS), buf, size); }

static const char *cr_bit(unsigned cr, unsigned bit) {
    static const char *const cr0[32] = {[0] = "PE",  [1] = "MP",  [2] = "EM",  [3] = "TS",  [4] = "ET", [5] = "NE",
                                        [16] = "WP", [18] = "AM", [29] = "NW", [30] = "CD", [31] = "PG"};
    static const char *const cr4[32] = {
        [0] = "VME",         [1] = "PVI",    [2] = "TSD",      [3] = "DE",    [4] = "PSE",
        [5] = "PAE",         [6] = "MCE",    [7] = "PGE",      [8] = "PCE",   [9] = "OSFXSR",
        [10] = "OSXMMEXCPT", [11] = "UMIP",  [12] = "LA57",    [13] = "VMXE", [14] = "SMXE",
        [16] = "FSGSBASE",   [17] = "PCIDE", [18] = "OSXSAVE", [19] = "KL",   [20] = "SMEP",
        [21] = "SMAP",       [22] = "PKE",   [23] = "CET",     [24] = "PKS",  [25] = "UINTR"};
    if (bit >= 32) return NULL;
    return cr == 0 ? cr0[bit] : cr4[bit];
}

static void explain_cr(unsigned cr, uint64_t value, uint64_t fixed0, uint64_t fixed1, char *buf, size_t size) {
    buf[0] = 0;
    append_bits(buf, size, "must be 1", ~value & fixed0, cr_bit, cr);
    append_bits(buf, size, "must be 0", value & ~fixed1, cr_bit, cr);
}

EXPLAIN(host_cr0) { explain_cr(0, f(HOST_CR0), c->caps->cr0_fixed0, c->caps->cr0_fixed1, buf, size); }
EXPLAIN(host_cr4) { explain_cr(4, f(HOST_CR4), c->caps->cr4_fixed0, c->caps->cr4_fixed1, buf, size); }
EXPLAIN(guest_cr4) { explain_cr(4, f(GUEST_CR4), c->caps->cr4_fixed0, c->caps->cr4_fixed1, buf, size); }
EXPLAIN(guest_cr0) {
    uint64_t optional = unrestricted(c) ? CR0_PE | CR0_PG : 0;
    explain_cr(0, f(GUEST_CR0), c->caps->cr0_fixed0 & ~optional, c->caps->cr0_fixed1, buf, size);
}

EXPLAIN(eptp) {
    uint64_t e = f(EPTP);
    snprintf(buf, size,
             "memory type %u, page-walk length %u, accessed/dirty %u, bits 11:7 %#x, physical-address width %u",
             (unsigned)(e & EPTP_MEMTYPE), (unsigned)(e >> EPTP_WALK_SHIFT & 7) + 1, (unsigned)(e >> 6 & 1),
             (unsigned)(e >> 7 & 31), c->caps->phys_bits);
}

EXPLAIN(width) {
    snprintf(buf, size, "the physical-address width is %u: expected at most %#llx", c->caps->phys_bits,
             (1ull << c->caps->phys_bits) - 1);
}

EXPLAIN(canonical) {
    snprintf(buf, size, "the linear-address width is %u: bits 63:%u must all equal bit %u", c->caps->lin_bits,
             c->caps->lin_bits, c->caps->lin_bits - 1u);
}

EXPLAIN(vtpr) { snprintf(buf, size, "VTPR is %#x: expected a threshold of at most %u", c->vtpr, c->vtpr >> 4u); }

EXPLAIN(link_revision) {
    snprintf(buf, size, "memory holds %#x, the revision identifier is %#x", c->link_revision,
             (unsigned)(c->caps->basic & 0x7FFFFFFF));
}

EXPLAIN(vmfunc) {
    snprintf(buf, size, "supported: %#llx; must be 0: %#llx", (unsigned long long)c->caps->vmfunc,
             (unsigned long long)(f(VM_FUNCTION_CONTROLS) & ~c->caps->vmfunc));
}
