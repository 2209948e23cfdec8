/* Extended page tables. */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/vmx.h"

#define EPT_CAP_4_LEVELS BIT(6)
#define EPT_CAP_WB       BIT(14)
#define EPT_CAP_2M       BIT(16)

bool ept_supported(void) {
    const u64 needed = EPT_CAP_4_LEVELS | EPT_CAP_WB | EPT_CAP_2M;
    return vmx_supported() && vmx_allows(VMX_PROC2, PROC2_ENABLE_EPT) &&
           (rdmsr(MSR_VMX_EPT_VPID_CAP) & needed) == needed;
}

u64 ept_new(void) { return (u64)(uptr)page_alloc() | 3 << 3 | 6; }

static u64 *entry_at(u64 table, u64 gpa, int level) {
    return (u64 *)(uptr)(table & PTE_ADDRESS) + (gpa >> (3 + 9 * level) & 511);
}

static void split(u64 *e, int level) {
    u64 step = 1ULL << (12 + 9 * (level - 2));
    u64 *table = page_alloc();
    u64 flags = *e & ~PTE_ADDRESS;
    if (level == 2) flags &= ~EPT_LARGE;
    for (u64 i = 0; i < 512; i++) table[i] = ((*e & PTE_ADDRESS) + i * step) | flags;
    *e = (u64)(uptr)table | EPT_RWX;
}

u64 *ept_entry(u64 eptp, u64 gpa, int level) {
    u64 *e = entry_at(eptp, gpa, 4);
    for (int l = 4; l > level; l--) {
        if (!(*e & EPT_RWX))
            *e = (u64)(uptr)page_alloc() | EPT_RWX;
        else if (*e & EPT_LARGE)
            split(e, l);
        e = entry_at(*e, gpa, l - 1);
    }
    return e;
}

u64 ept_new_identity(void) {
    u64 eptp = ept_new();
    for (u64 pa = 0; pa < 4ULL << 30; pa += LARGE_PAGE)
        *ept_entry(eptp, pa, 2) = pa | EPT_RWX | EPT_LARGE | (pa < 0xFE000000 ? EPT_WB : EPT_UC);
    return eptp;
}
