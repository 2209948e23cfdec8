/* The VMX and SVM modules of the library tested by themselves. */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/svm.h"
#include "testsuites/guest/lib/vmx.h"

#define TEST_LEAF 0x4000AA00
#define MISSING   0x7FC0000000ULL /* a guest-physical and guest-linear address without memory at first */

enum { TOUCH_MISSING = 1, USE_VMMCALL = 2 }; /* guest_code()'s argument */

void test_virt(void);

static void guest_ud(void *arg) {
    (void)arg;
    __asm__ volatile("ud2");
}

/* Three CPUIDs, a fault handled in the guest, perhaps an access to MISSING, then the hypercall with a verdict.
 */
static void guest_code(u64 arg) {
    u64 verdict = 0;
    for (u32 i = 0; i < 3; i++)
        if (cpuid(TEST_LEAF, i).ebx == 100 + i) verdict |= BIT(i);
    if (try_fault(guest_ud, NULL, NULL) == VEC_UD) verdict |= BIT(3);
    if (!(arg & TOUCH_MISSING) || *(volatile u64 *)MISSING == 0x5678) verdict |= BIT(4);
    for (;;) {
        if (arg & USE_VMMCALL)
            __asm__ volatile("vmmcall" : : "a"(verdict) : "memory");
        else
            __asm__ volatile("vmcall" : : "a"(verdict) : "memory");
    }
}

static u64 new_page_5678(void) {
    u64 *page = page_alloc();
    *page = 0x5678;
    return (uptr)page;
}

static void vmx_loop(const char *name, u64 eptp) {
    struct vmx_vm vm;
    u32 cpuids = 0, violations = 0;
    struct vmx_config c = {.entry = guest_code, .arg = eptp ? TOUCH_MISSING : 0, .eptp = eptp};
    if (!ok(vmx_vm_init(&vm, &c), "%s: VMCS made", name)) return;
    if (eptp) map_4k(read_cr3(), MISSING, MISSING, PTE_W);
    for (u32 i = 0; i < 100; i++) {
        enum vmx_result r = vmx_run(&vm);
        if (r != VMX_SUCCEED) {
            ok(false, "%s: entry failed, error %llu", name, r == VMX_FAIL_VALID ? vmcs_get(VMCS_INSTRUCTION_ERROR) : 0);
            return;
        }
        if (vm.exit_reason == VMX_EXIT_CPUID) {
            vm.gpr[GPR_RBX] = 100 + vm.gpr[GPR_RCX];
            cpuids++;
            vmx_skip_instruction();
        } else if (vm.exit_reason == VMX_EXIT_EPT_VIOLATION && vmcs_get(VMCS_GUEST_PHYSICAL_ADDRESS) == MISSING) {
            *ept_entry(eptp, MISSING, 1) = new_page_5678() | EPT_RWX | EPT_WB;
            violations++;
        } else {
            break;
        }
    }
    ok_eq(vm.exit_reason, VMX_EXIT_VMCALL, "%s: last exit is VMCALL's", name);
    ok_eq(vm.gpr[GPR_RAX], 31, "%s: the guest saw what it should", name);
    ok(cpuids == 3 && violations == (eptp ? 1 : 0), "%s: %u CPUID exits, %u EPT violations", name, cpuids, violations);
}

static void svm_loop(const char *name, u64 nested_cr3, bool swap) {
    struct svm_vm vm;
    u32 cpuids = 0, faults = 0;
    struct svm_config c = {.entry = guest_code,
                           .arg = USE_VMMCALL | (nested_cr3 ? TOUCH_MISSING : 0),
                           .nested_cr3 = nested_cr3,
                           .swap_vmload = swap};
    svm_vm_init(&vm, &c);
    if (nested_cr3) map_4k(read_cr3(), MISSING, MISSING, PTE_W);
    for (u32 i = 0; i < 100; i++) {
        svm_run(&vm);
        if (vm.vmcb->exit_code == SVM_EXIT_CPUID) {
            vm.gpr[3] = 100 + vm.gpr[1];
            vm.vmcb->rip += 2;
            cpuids++;
        } else if (vm.vmcb->exit_code == SVM_EXIT_NPF && vm.vmcb->exit_info2 == MISSING) {
            map_4k(nested_cr3, MISSING, new_page_5678(), PTE_W | PTE_U);
            faults++;
        } else {
            break;
        }
    }
    ok_eq(vm.vmcb->exit_code, SVM_EXIT_VMMCALL, "%s: last exit is VMMCALL's", name);
    ok_eq(vm.gpr[0], 31, "%s: the guest saw what it should", name);
    ok(cpuids == 3 && faults == (nested_cr3 ? 1 : 0), "%s: %u CPUID exits, %u nested page faults", name, cpuids,
       faults);
}

void test_virt(void) {
    if (vmx_supported()) {
        ok(vmx_enable(), "VMX enabled");
        vmx_loop("VMX", 0);
        if (ept_supported()) vmx_loop("VMX with EPT", ept_new_identity());
        vmx_disable();
    }
    if (svm_supported()) {
        ok(svm_enable(), "SVM enabled");
        svm_loop("SVM", 0, false);
        svm_loop("SVM with VMLOAD and VMSAVE", 0, true);
        if (svm_nested_paging_supported()) svm_loop("SVM with nested paging", pt_new_identity(), false);
    }
}
