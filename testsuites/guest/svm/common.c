/* What the SVM images share. */
#include "testsuites/guest/svm/common.h"

static u64 first_rsp;

CODE(vm_stop_code, ".globl vm_stop\nvm_stop: vmmcall; jmp vm_stop");

bool svm_begin(void) {
    if (!svm_supported()) {
        skip("CPUID has no SVM", "SVM");
        return false;
    }
    if (!svm_enable()) bail_out("SVM can't be enabled");
    return true;
}

bool svm_feature(u32 bit) { return cpuid_if_present(0x8000000A, 0).edx & BIT(bit); }

void vm_make(struct svm_vm *vm, const void *code, struct svm_config c) {
    c.entry = (void (*)(u64))(uptr)code;
    svm_vm_init(vm, &c);
    first_rsp = vm->vmcb->rsp;
}

void vm_restart(struct svm_vm *vm, const void *code) {
    vm->vmcb->rip = (uptr)code;
    vm->vmcb->rsp = first_rsp;
    vm->vmcb->rflags = 2;
    vm->vmcb->interrupt_shadow = 0;
    vm->vmcb->event_inject = 0;
    vm->vmcb->clean = 0;
}

bool vm_expect(struct svm_vm *vm, u64 want, const char *fmt, ...) {
    char name[160];
    va_list ap;
    svm_run(vm);
    u64 got = vm->vmcb->exit_code;
    va_start(ap, fmt);
    format_text(name, sizeof name, fmt, ap);
    va_end(ap);
    ok(got == want, "%s", name);
    if (got != want)
        diag("exit code %#llx (expected %#llx), EXITINFO1 %#llx, EXITINFO2 %#llx, EXITINTINFO %#llx, RIP %#llx", got,
             want, vm->vmcb->exit_info1, vm->vmcb->exit_info2, vm->vmcb->exit_int_info, vm->vmcb->rip);
    return got == want;
}
