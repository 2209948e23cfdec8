/* Tables of entry checks: each row breaks one rule of a VMCS that is good otherwise. */
#ifndef GUEST_VMX_CHECKS_H
#define GUEST_VMX_CHECKS_H

#include "testsuites/guest/vmx/common.h"

#define CHECK_CHANGES 4

/* (field & ~clear) | set */
struct change {
    u32 field;
    u64 clear, set;
};

struct check {
    const char *name;
    struct change change[CHECK_CHANGES]; /* ends with field and masks 0 */
    u64 qualification;                   /* for a failed entry with exit reason */
};

#define ALL  (~0ULL)
#define MISC 0x800 /* a bit that no page address may have */

/* The good VMCS: with everything optional that its processor has. Bails out if it can't be entered. */
void checks_begin(struct vmx_vm *vm);

/* want: VM_FAIL_VALID(n) or an exit reason with bit 31. A row whose controls the processor lacks is skipped. */
void checks_run(struct vmx_vm *vm, const struct check *rows, u32 count, u32 want);

/* Whether the good VMCS still is good. */
void checks_end(struct vmx_vm *vm);

u64 beyond_width(void); /* the lowest physical-address bit that the processor lacks */

#endif
