/* Runs tables of entry checks. */
#include "testsuites/guest/vmx/checks.h"

u64 beyond_width(void) { return 1ULL << (cpuid(0x80000008, 0).eax & 0xFF); }

static u32 allowed(enum vmx_control which, const u32 *bits, u32 count) {
    u32 all = 0;
    for (u32 i = 0; i < count; i++)
        if (vmx_allows(which, bits[i])) all |= bits[i];
    return all;
}

static void set_addresses(void) {
    static const u16 page_fields[] = {VMCS_IO_BITMAP_A, VMCS_IO_BITMAP_B, VMCS_MSR_BITMAP};
    for (u32 i = 0; i < ARRAY_SIZE(page_fields); i++) vmcs_set(page_fields[i], (uptr)page_alloc());
    if (vmx_allows(VMX_PROC, PROC_USE_TPR_SHADOW)) {
        vmcs_set(VMCS_VIRTUAL_APIC_ADDRESS, (uptr)page_alloc());
        vmcs_set(VMCS_TPR_THRESHOLD, 0);
    }
    if (vmx_allows(VMX_PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES)) vmcs_set(VMCS_APIC_ACCESS_ADDRESS, (uptr)page_alloc());
}

void checks_begin(struct vmx_vm *vm) {
    static const u32 pin[] = {PIN_EXTERNAL_INTERRUPT_EXITING, PIN_NMI_EXITING},
                     proc[] = {PROC_USE_IO_BITMAPS, PROC_USE_MSR_BITMAPS, PROC_USE_TPR_SHADOW},
                     exit[] = {EXIT_SAVE_PAT, EXIT_LOAD_PAT, EXIT_SAVE_EFER, EXIT_LOAD_EFER},
                     entry[] = {ENTRY_LOAD_PAT, ENTRY_LOAD_EFER, ENTRY_LOAD_DEBUG_CONTROLS};
    struct vmx_config c = {
        .pin = allowed(VMX_PIN, pin, ARRAY_SIZE(pin)),
        .proc = allowed(VMX_PROC, proc, ARRAY_SIZE(proc)),
        .exit = allowed(VMX_EXIT, exit, ARRAY_SIZE(exit)),
        .entry_controls = allowed(VMX_ENTRY, entry, ARRAY_SIZE(entry)),
        .eptp = ept_supported() ? ept_new_identity() : 0,
        .vpid = vmx_allows(VMX_PROC2, PROC2_ENABLE_VPID) ? 1 : 0,
    };
    if (!vm_make(vm, vm_stop, c, "entry checks")) bail_out("the good VMCS can't be made");
    set_addresses();
    /* where a check is missing the guest may run into anything: let it come back */
    vmcs_set(VMCS_EXCEPTION_BITMAP, ~0u);
    vmcs_set(VMCS_GUEST_IDTR_LIMIT, 0);
    vm_expect(vm, VMX_EXIT_VMCALL, "the unbroken VMCS is entered");
    vmclear(vm->vmcs); /* each further try is a VMLAUNCH */
    vmptrld(vm->vmcs);
    vm->launched = 0;
}

static enum vmx_control group_of(u32 field) {
    switch (field) {
    case VMCS_PIN_CONTROLS:
        return VMX_PIN;
    case VMCS_PROC_CONTROLS:
        return VMX_PROC;
    case VMCS_PROC2_CONTROLS:
        return VMX_PROC2;
    case VMCS_EXIT_CONTROLS:
        return VMX_EXIT;
    default:
        return VMX_ENTRY;
    }
}

/* A row may set a control that isn't there only if it is about nothing else. */
static bool possible(const struct check *row) {
    for (u32 i = 0; i < CHECK_CHANGES; i++) {
        const struct change *c = &row->change[i];
        u64 ignored;
        if (!c->field && !c->clear && !c->set) continue;
        if (vmread(c->field, &ignored) != VMX_SUCCEED) return false;
        bool control = c->field == VMCS_PIN_CONTROLS || c->field == VMCS_PROC_CONTROLS ||
                       c->field == VMCS_PROC2_CONTROLS || c->field == VMCS_EXIT_CONTROLS ||
                       c->field == VMCS_ENTRY_CONTROLS;
        if (control && c->set && !vmx_allows(group_of(c->field), (u32)c->set)) return false;
    }
    return true;
}

static void apply(const struct check *row, u64 *saved) {
    for (u32 i = 0; i < CHECK_CHANGES; i++) {
        const struct change *c = &row->change[i];
        if (!c->field && !c->clear && !c->set) continue;
        saved[i] = vmcs_get(c->field);
        vmcs_set(c->field, (saved[i] & ~c->clear) | c->set);
    }
}

static void restore(const struct check *row, const u64 *saved) {
    for (u32 i = CHECK_CHANGES; i-- > 0;) {
        const struct change *c = &row->change[i];
        if (c->field || c->clear || c->set) vmcs_set(c->field, saved[i]);
    }
}

static void describe(u32 got) {
    if (got & VM_FAIL_INVALID)
        diag("VMfailInvalid");
    else if (got & 0x20000000u)
        diag("VMfailValid, error %u", got & 0xFFFF);
    else
        diag("exit reason %#x, qualification %#llx", got, vmcs_get(VMCS_EXIT_QUALIFICATION));
}

void checks_run(struct vmx_vm *vm, const struct check *rows, u32 count, u32 want) {
    for (u32 i = 0; i < count; i++) {
        u64 saved[CHECK_CHANGES] = {0};
        if (!possible(&rows[i])) {
            skip("the processor lacks it", "%s", rows[i].name);
            continue;
        }
        apply(&rows[i], saved);
        u32 got = vm_enter(vm);
        bool good = got == want &&
                    (!(want & VMX_EXIT_ENTRY_FAILURE) || vmcs_get(VMCS_EXIT_QUALIFICATION) == rows[i].qualification);
        if (!ok(good, "%s", rows[i].name)) describe(got);
        restore(&rows[i], saved);
        if (!(got & (VM_FAIL_INVALID | 0x20000000u | VMX_EXIT_ENTRY_FAILURE))) { /* it went in: begin anew */
            vm_restart(vm, vm_stop);
            vmclear(vm->vmcs);
            vmptrld(vm->vmcs);
            vm->launched = 0;
        }
    }
}

void checks_end(struct vmx_vm *vm) {
    vm_restart(vm, vm_stop);
    vm_expect(vm, VMX_EXIT_VMCALL, "the unbroken VMCS still is entered");
    vmclear(vm->vmcs);
}
