/* The entry-check engine: every rule of SDM 3 "VM Entries" as one row of a table.
 * A check is pure: it reads a struct check_ctx and nothing else. The same rows serve a running processor, reports and
 * unit tests. */
#ifndef HVSIM_VMX_CHECK_H
#define HVSIM_VMX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmx/caps.h"
#include "vmx/fields.h"

/* Groups in the manual's order. A group that held is not looked at again until a field that its rows read was written.
 */
enum check_group {
    CHECK_EXECUTION, /* SDM 3 "Checks on VMX Controls" */
    CHECK_EXIT,
    CHECK_ENTRY,
    CHECK_HOST_REGISTERS, /* "Checks on Host Control Registers, MSRs, and SSP" and following */
    CHECK_HOST_SEGMENTS,
    CHECK_HOST_SPACE,
    CHECK_GUEST_REGISTERS, /* "Checks on the Guest State Area" */
    CHECK_GUEST_SEGMENTS,
    CHECK_GUEST_TABLES,
    CHECK_GUEST_RIP,
    CHECK_GUEST_NON_REGISTER,
    CHECK_GUEST_PDPTES,
    CHECK_GROUPS
};
#define CHECK_ALL      ((1u << CHECK_GROUPS) - 1)
#define CHECK_CONTROLS (1u << CHECK_EXECUTION | 1u << CHECK_EXIT | 1u << CHECK_ENTRY)
#define CHECK_HOST     (1u << CHECK_HOST_REGISTERS | 1u << CHECK_HOST_SEGMENTS | 1u << CHECK_HOST_SPACE)
#define CHECK_GUEST    (CHECK_ALL & ~(CHECK_CONTROLS | CHECK_HOST))

struct check_ctx {
    const uint64_t *f; /* the VMCS: value by enum vmcs_field */
    const struct vmx_caps *caps;
    uint32_t pin, proc, proc2, exit, entry; /* controls in effect: proc2 is 0 unless activated */
    /* the processor and memory at the time of VM entry; has_memory false: rows that need memory do not apply */
    bool lma, smm, has_memory;
    uint8_t vtpr;           /* byte 80H of the virtual-APIC page */
    uint32_t link_revision; /* first 4 bytes at the VMCS link pointer */
    uint64_t current;       /* the current-VMCS pointer */
    uint64_t pdpte[4];      /* what guest CR3 points to */
};

struct vmx_check {
    const char *id, *section, *rule;
    uint8_t group;         /* enum check_group */
    uint8_t qualification; /* of a VM-entry failure: enum vmx_entry_failure */
    bool live;             /* reads more than the VMCS: evaluated at every entry */
    bool (*applies)(const struct check_ctx *c);
    bool (*holds)(const struct check_ctx *c);
    /* what exactly was wrong and expected, into a text buffer; NULL: the rule says it all */
    void (*explain)(const struct check_ctx *c, char *buf, size_t size);
    uint8_t fields[7]; /* what it reads, ended by F_NONE; the first is the field at fault */
};

/* The tables, one per section of the manual, in the manual's order. */
struct vmx_check_table {
    const struct vmx_check *rows;
    unsigned count;
};
extern const struct vmx_check_table vmx_checks_controls, vmx_checks_host, vmx_checks_guest, vmx_checks_segments,
    vmx_checks_guest_state;
/* All rows, numbered through: NULL past the end. */
const struct vmx_check *vmx_check_row(unsigned n);
unsigned vmx_check_count(void);

/* Fill the effective controls from f. */
void check_ctx_controls(struct check_ctx *c);
/* Where the rows of each group are, and the live ones: made once per processor so that a VM entry touches only what it
 * must. */
#define CHECK_LIVE_MAX 16
struct check_index {
    const struct vmx_check *first[CHECK_GROUPS];
    uint16_t count[CHECK_GROUPS];
    const struct vmx_check *live[CHECK_LIVE_MAX];
    unsigned live_count;
    uint32_t live_groups; /* groups that have live rows */
};
void vmx_check_index_init(struct check_index *x);
/* The first broken rule: every row of the groups in `dirty` (bits of enum check_group), and of the others the live rows
 * in `live` (bits by position in x->live). NULL: all hold. */
const struct vmx_check *vmx_check_first(const struct check_index *x, const struct check_ctx *c, uint32_t dirty,
                                        uint32_t live);
/* Which live rows apply; changes only with the fields of their groups (x->live_groups) and with c->lma. */
uint32_t vmx_check_live(const struct check_index *x, const struct check_ctx *c);
static inline bool vmx_check_broken(const struct check_ctx *c, const struct vmx_check *r) {
    return r->applies(c) && !r->holds(c);
}
/* For each field the groups whose rows read it. */
void vmx_check_dependencies(uint16_t groups_of[F_COUNT]);

/* ---- used by the rows ---- */

static inline bool c_pin(const struct check_ctx *c, uint32_t bit) { return c->pin & bit; }
static inline bool c_proc(const struct check_ctx *c, uint32_t bit) { return c->proc & bit; }
static inline bool c_proc2(const struct check_ctx *c, uint32_t bit) { return c->proc2 & bit; }
static inline bool c_exit(const struct check_ctx *c, uint32_t bit) { return c->exit & bit; }
static inline bool c_entry(const struct check_ctx *c, uint32_t bit) { return c->entry & bit; }
static inline bool c_width_ok(const struct check_ctx *c, uint64_t pa) { return !(pa >> c->caps->phys_bits); }
static inline bool canonical_for(uint64_t la, unsigned bits) {
    unsigned sh = 64 - bits;
    return (uint64_t)((int64_t)(la << sh) >> sh) == la;
}
static inline bool c_canonical(const struct check_ctx *c, uint64_t la) { return canonical_for(la, c->caps->lin_bits); }
static inline bool pat_valid(uint64_t pat) {
    for (unsigned i = 0; i < 8; i++, pat >>= 8) {
        unsigned t = pat & 0xFF;
        if (t > 7 || t == 2 || t == 3) return false;
    }
    return true;
}
bool vmx_eptp_valid(const struct vmx_caps *caps, uint64_t eptp);

/* explain functions shared by the tables (vmx/explain.c) */
#define EXPLAIN(name) void explain_##name(const struct check_ctx *c, char *buf, size_t size)
EXPLAIN(pin);
EXPLAIN(proc);
EXPLAIN(proc2);
EXPLAIN(exit);
EXPLAIN(entry);
EXPLAIN(host_cr0);
EXPLAIN(host_cr4);
EXPLAIN(guest_cr0);
EXPLAIN(guest_cr4);
EXPLAIN(eptp_memtype);
EXPLAIN(eptp_walk);
EXPLAIN(eptp_ad);
EXPLAIN(eptp_reserved);
EXPLAIN(width);
EXPLAIN(canonical);
EXPLAIN(vtpr);
EXPLAIN(link_revision);
EXPLAIN(vmfunc);

#endif
