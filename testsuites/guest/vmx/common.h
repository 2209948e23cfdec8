/* What the VMX images share: a guest made of a piece of code, and judged runs. */
#ifndef GUEST_VMX_COMMON_H
#define GUEST_VMX_COMMON_H

#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/vmx.h"

/* VM-instruction error numbers. SDM 3, "VM Instruction Error Numbers" */
enum vmx_error {
    VMX_ERROR_VMCALL_IN_ROOT = 1,
    VMX_ERROR_VMCLEAR_ADDRESS = 2,
    VMX_ERROR_VMCLEAR_VMXON_POINTER = 3,
    VMX_ERROR_VMLAUNCH_NOT_CLEAR = 4,
    VMX_ERROR_VMRESUME_NOT_LAUNCHED = 5,
    VMX_ERROR_ENTRY_CONTROLS = 7,
    VMX_ERROR_ENTRY_HOST_STATE = 8,
    VMX_ERROR_VMPTRLD_ADDRESS = 9,
    VMX_ERROR_VMPTRLD_VMXON_POINTER = 10,
    VMX_ERROR_VMPTRLD_REVISION = 11,
    VMX_ERROR_UNSUPPORTED_FIELD = 12,
    VMX_ERROR_READ_ONLY_FIELD = 13,
    VMX_ERROR_VMXON_IN_ROOT = 15,
    VMX_ERROR_ENTRY_MOV_SS = 26,
    VMX_ERROR_INVALIDATE_OPERAND = 28,
};

/* What an entry gave: the exit reason (with bit 31 for a failed entry), or one of these. */
#define VM_FAIL_INVALID  0x40000000u
#define VM_FAIL_VALID(n) (0x20000000u | (n))

/* A VMCS whose guest starts at code; bails out when the processor lacks a control. Returns false, after a skipped test
 * named what, if it lacks one that c asks for. */
bool vm_make(struct vmx_vm *vm, const void *code, struct vmx_config c, const char *what);

/* Sets RIP for another run of the same guest; the stack is as at first. */
void vm_restart(struct vmx_vm *vm, const void *code);

/* Enters once. */
u32 vm_enter(struct vmx_vm *vm);

/* Enters and checks what it gives; diagnoses an unexpected exit. */
bool vm_expect(struct vmx_vm *vm, u32 want, const char *fmt, ...) PRINTF(3, 4);

/* A VMCS field as expected. */
bool vm_field(enum vmcs_field field, u64 want, const char *fmt, ...) PRINTF(3, 4);

/* VM-instruction error after a VMfailValid result. */
u32 vmx_error(enum vmx_result r);

/* Starts an image: VMX on, or bails out; false (with a skipped test) when there is no VMX. */
bool vmx_begin(void);

extern const u8 vm_stop[]; /* guest code: VMCALL for ever */

#endif
