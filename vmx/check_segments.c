/* SDM 3, "Checks on Guest Segment Registers". The rules are in check_segments.def. */
#include "vmx/check_rows.h"

#define AR_RESERVED 0xFFFE0F00u /* bits 11:8 and 31:17 */

static bool usable(uint64_t access) { return !(access & AR_UNUSABLE); }
static unsigned dpl(uint64_t access) { return (unsigned)(access & AR_DPL) >> AR_DPL_SHIFT; }
static bool vm86(const struct check_ctx *c) { return f(GUEST_RFLAGS) & FLAG_VM; }
static unsigned cs_type(const struct check_ctx *c) { return f(GUEST_CS_ACCESS) & AR_TYPE; }

/* The rules on access rights outside virtual-8086 mode are about usable registers. */
static bool live_seg(const struct check_ctx *c, uint64_t access) { return !vm86(c) && usable(access); }

static bool cs_type_ok(const struct check_ctx *c) {
    unsigned t = cs_type(c);
    return (t & (AR_CODE | AR_ACCESSED)) == (AR_CODE | AR_ACCESSED) || (t == 3 && unrestricted(c));
}

static bool tr_type_ok(const struct check_ctx *c) {
    unsigned t = f(GUEST_TR_ACCESS) & AR_TYPE;
    return t == DESC_TSS_BUSY || (t == DESC_TSS16_BUSY && !c_entry(c, VMX_ENTRY_IA32E_MODE_GUEST));
}

static bool g_low_ok(uint64_t limit, uint64_t access) { return (limit & 0xFFF) == 0xFFF || !(access & AR_G); }
static bool g_high_ok(uint64_t limit, uint64_t access) { return !(limit >> 20) || (access & AR_G); }

#define ROWS "vmx/check_segments.def"
#include "vmx/check_table.inc"
const struct vmx_check_table vmx_checks_segments = CHECK_TABLE;
