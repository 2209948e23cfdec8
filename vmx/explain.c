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

/* The words for what the processor supports of two things; "nothing" when neither. */
static const char *either(bool a, bool b, const char *only_a, const char *only_b, const char *both) {
    return a && b ? both : a ? only_a : b ? only_b : "nothing";
}

/* What EPTP says, on a line of its own: the text goes on after "expected" */
static void decode_eptp(const struct check_ctx *c, char *buf, size_t size) {
    uint64_t e = f(EPTP);
    append(buf, size,
           "\n     decoded   memory type %u, page-walk length %u, accessed/dirty %u, bits 11:7 %#x, bits 63:%u %#llx",
           (unsigned)(e & EPTP_MEMTYPE), (unsigned)(e >> EPTP_WALK_SHIFT & 7) + 1, (unsigned)(e >> 6 & 1),
           (unsigned)(e >> 7 & 31), c->caps->phys_bits, (unsigned long long)(e >> c->caps->phys_bits));
}

EXPLAIN(eptp_memtype) {
    uint64_t cap = c->caps->ept_vpid;
    snprintf(buf, size, "bits 2:0 to be %s",
             either(cap & VMX_EPT_UC, cap & VMX_EPT_WB, "0 (UC)", "6 (WB)", "0 (UC) or 6 (WB)"));
    decode_eptp(c, buf, size);
}
EXPLAIN(eptp_walk) {
    uint64_t cap = c->caps->ept_vpid;
    snprintf(buf, size, "bits 5:3 to be %s",
             either(cap & VMX_EPT_WALK_4, cap & VMX_EPT_WALK_5, "3 (4 levels)", "4 (5 levels)",
                    "3 (4 levels) or 4 (5 levels)"));
    decode_eptp(c, buf, size);
}
EXPLAIN(eptp_ad) {
    snprintf(buf, size, "bit 6 clear: this processor has no accessed and dirty flags for EPT");
    decode_eptp(c, buf, size);
}
EXPLAIN(eptp_reserved) {
    snprintf(buf, size, "bits 11:7 and bits 63:%u clear: the physical-address width is %u", c->caps->phys_bits,
             c->caps->phys_bits);
    decode_eptp(c, buf, size);
}

EXPLAIN(width) {
    snprintf(buf, size, "at most %#llx: the physical-address width is %u", (1ull << c->caps->phys_bits) - 1,
             c->caps->phys_bits);
}

EXPLAIN(canonical) {
    snprintf(buf, size, "bits 63:%u all equal to bit %u: the linear-address width is %u", c->caps->lin_bits,
             c->caps->lin_bits - 1u, c->caps->lin_bits);
}

EXPLAIN(vtpr) { snprintf(buf, size, "a threshold of at most %u: VTPR is %#x", c->vtpr >> 4u, c->vtpr); }

EXPLAIN(link_revision) {
    bool shadow = c_proc2(c, VMX_PROC2_VMCS_SHADOWING);
    snprintf(buf, size, "%#x at the address in the field (bit 31 %s)\n     memory    %#x there",
             (unsigned)(c->caps->basic & 0x7FFFFFFF) | (shadow ? 1u << 31 : 0),
             shadow ? "set: \"VMCS shadowing\" is 1" : "clear: \"VMCS shadowing\" is 0", c->link_revision);
}

EXPLAIN(vmfunc) {
    snprintf(buf, size, "no bits but those of %#llx, which are supported; must be 0: %#llx",
             (unsigned long long)c->caps->vmfunc, (unsigned long long)(f(VM_FUNCTION_CONTROLS) & ~c->caps->vmfunc));
}
