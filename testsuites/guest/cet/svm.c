/* Shadow stacks across VMRUN and #VMEXIT. APM 2, "VMRUN Instruction", "#VMEXIT", "VMCB Clean Bits" */
#include "testsuites/guest/cet/common.h"
#include "testsuites/guest/svm/common.h"

#define AT        shadow_at(SUPER, 0x800)
#define CLEAN_CET BIT(12)

CODE(g_call, "rdsspq %rdx\n call 1f\n g_call_back: vmmcall\n 1: rdsspq %rbx\n mov (%rbx), %rcx\n ret");
CODE_LABEL(g_call_back);
CODE(g_ret, "lea 1f(%rip), %rax\n push %rax\n g_ret_at: ret\n 1: vmmcall");
CODE_LABEL(g_ret_at);

static void make(struct svm_vm *vm, const u8 *code, u32 exceptions) {
    cet_fresh();
    wrmsr(MSR_SSP_TABLE, 0x456000);
    vm_make(vm, code,
            (struct svm_config){
                .intercept = {0, 0, exceptions}
    });
    vm->vmcb->cr4 |= CR4_CET;
    vm->vmcb->s_cet = SH_STK_EN;
    vm->vmcb->ssp = AT;
    vm->vmcb->isst_addr = 0x123000;
}

void guest_main(void) {
    struct svm_vm vm;
    if (!svm_begin()) return;
    if (!has_shstk()) {
        skip("no shadow stacks", "everything");
        return;
    }
    cet_setup();
    make(&vm, g_call, 0);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a guest with a shadow stack");
    ok(vm.gpr[2] == AT && vm.gpr[3] == AT - 8 && vm.gpr[1] == (uptr)g_call_back, "SSP of the VMCB; CALL pushed there");
    ok(vm.vmcb->s_cet == SH_STK_EN && vm.vmcb->ssp == AT && vm.vmcb->isst_addr == 0x123000,
       "#VMEXIT saves the guest's");
    ok(rdmsr(MSR_S_CET) == 0 && rdmsr(MSR_SSP_TABLE) == 0x456000, "and loads the host's");
    vm_restart(&vm, g_call);
    vm.vmcb->ssp = AT + 8;
    vm.vmcb->clean = (u32)CLEAN_CET;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "with the clean bit of CET");
    ok_eq(vm.gpr[2], AT, "the processor keeps its copy");
    vm_restart(&vm, g_call);
    vm.vmcb->ssp = AT + 8;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "without it");
    ok_eq(vm.gpr[2], AT + 8, "the VMCB is read");

    make(&vm, g_ret, (u32)BIT(VEC_CP));
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_CP), "#CP is intercepted");
    ok(vm.vmcb->exit_info1 == CP_NEAR_RET && vm.vmcb->rip == (uptr)g_ret_at && vm.vmcb->ssp == AT,
       "error code, RIP, SSP");

    make(&vm, g_call, 0);
    vm.vmcb->cr0 &= ~CR0_WP;
    vm_expect(&vm, SVM_EXIT_INVALID, "CR4.CET without CR0.WP");
    make(&vm, g_call, 0);
    vm.vmcb->s_cet = BIT(6);
    vm_expect(&vm, SVM_EXIT_INVALID, "a reserved bit of S_CET");
    make(&vm, g_call, 0);
    wrmsr(MSR_U_CET, SH_STK_EN);
    vm.vmcb->rflags |= FLAG_VM;
    vm.vmcb->efer &= ~(EFER_LME | EFER_LMA);
    vm_expect(&vm, SVM_EXIT_INVALID, "virtual-8086 mode with U_CET.SH_STK_EN");
    wrmsr(MSR_U_CET, 0);
}
