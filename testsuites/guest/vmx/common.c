/* What the VMX images share. */
#include "testsuites/guest/vmx/common.h"

static u64 first_rsp;

CODE(vm_stop_code, ".globl vm_stop\nvm_stop: vmcall; jmp vm_stop");

bool vmx_begin(void) {
    if (!vmx_supported()) {
        skip("CPUID has no VMX", "VMX");
        return false;
    }
    if (!vmx_enable()) bail_out("VMXON failed");
    return true;
}

bool vm_make(struct vmx_vm *vm, const void *code, struct vmx_config c, const char *what) {
    c.entry = (void (*)(u64))(uptr)code;
    if (!vmx_vm_init(vm, &c)) {
        skip("the processor lacks a control", "%s", what);
        return false;
    }
    first_rsp = vmcs_get(VMCS_GUEST_RSP);
    return true;
}

void vm_restart(struct vmx_vm *vm, const void *code) {
    (void)vm;
    vmcs_set(VMCS_GUEST_RIP, (uptr)code);
    vmcs_set(VMCS_GUEST_RSP, first_rsp);
    vmcs_set(VMCS_GUEST_RFLAGS, 2);
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_set(VMCS_GUEST_ACTIVITY, 0);
    vmcs_set(VMCS_GUEST_PENDING_DEBUG, 0);
}

u32 vmx_error(enum vmx_result r) { return r == VMX_FAIL_VALID ? (u32)vmcs_get(VMCS_INSTRUCTION_ERROR) : 0; }

u32 vm_enter(struct vmx_vm *vm) {
    switch (vmx_run(vm)) {
    case VMX_SUCCEED:
        return vm->exit_reason;
    case VMX_FAIL_INVALID:
        return VM_FAIL_INVALID;
    default:
        return VM_FAIL_VALID((u32)vmcs_get(VMCS_INSTRUCTION_ERROR));
    }
}

static void explain(u32 got, u32 want) {
    if (got & 0x60000000u) {
        diag("VMfail%s, error %u; expected %#x", got & VM_FAIL_INVALID ? "Invalid" : "Valid", got & 0xFFFF, want);
        return;
    }
    diag("exit reason %#x (expected %#x), qualification %#llx, RIP %#llx, interruption information %#llx, error code "
         "%#llx, "
         "vectoring %#llx",
         got, want, vmcs_get(VMCS_EXIT_QUALIFICATION), vmcs_get(VMCS_GUEST_RIP), vmcs_get(VMCS_EXIT_INTERRUPTION_INFO),
         vmcs_get(VMCS_EXIT_INTERRUPTION_ERROR), vmcs_get(VMCS_IDT_VECTORING_INFO));
}

bool vm_expect(struct vmx_vm *vm, u32 want, const char *fmt, ...) {
    char name[160];
    va_list ap;
    u32 got = vm_enter(vm);
    va_start(ap, fmt);
    format_text(name, sizeof name, fmt, ap);
    va_end(ap);
    ok(got == want, "%s", name);
    if (got != want) explain(got, want);
    return got == want;
}

bool vm_field(enum vmcs_field field, u64 want, const char *fmt, ...) {
    char name[160];
    va_list ap;
    va_start(ap, fmt);
    format_text(name, sizeof name, fmt, ap);
    va_end(ap);
    return ok_eq(vmcs_get(field), want, "%s", name);
}
