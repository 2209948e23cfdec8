/* VMRUN: what makes it fail, what it loads and saves; EFER.SVME, VM_CR, VM_HSAVE_PA; GIF; VMLOAD and VMSAVE.
 * APM 2, "VMRUN Instruction", "Canonicalization and Consistency Checks", "Enabling SVM", "Global Interrupt Flag" */
#include "testsuites/guest/svm/common.h"

static struct svm_vm vm;
static u32 seen_count;

static void do_vmrun(void *arg) { __asm__ volatile("vmrun %%rax" : : "a"(arg) : "memory"); }
static void do_vmload(void *arg) { __asm__ volatile("vmload %%rax" : : "a"(arg) : "memory"); }
static void do_vmsave(void *arg) { __asm__ volatile("vmsave %%rax" : : "a"(arg) : "memory"); }
static void do_vmmcall(void *arg) {
    (void)arg;
    __asm__ volatile("vmmcall" : : : "memory");
}
static void do_stgi(void *arg) {
    (void)arg;
    __asm__ volatile("stgi" : : : "memory");
}
static void do_clgi(void *arg) {
    (void)arg;
    __asm__ volatile("clgi" : : : "memory");
}
static void do_invlpga(void *arg) { __asm__ volatile("invlpga %%rax, %%ecx" : : "a"(arg), "c"(0) : "memory"); }

struct msr_write {
    u32 msr;
    u64 value;
};
static void do_wrmsr(void *arg) {
    struct msr_write *w = arg;
    wrmsr(w->msr, w->value);
}

struct user_action {
    void (*fn)(void *arg);
    void *arg;
};
static uptr user_action(uptr arg) {
    struct user_action *a = (struct user_action *)arg;
    a->fn(a->arg);
    return 0;
}
static void at_cpl3(void *arg) { user_call(user_action, (uptr)arg); }

static const struct {
    const char *name;
    void (*fn)(void *arg);
    bool takes_address;
} instructions[] = {
    {"VMRUN",   do_vmrun,   true },
    {"VMLOAD",  do_vmload,  true },
    {"VMSAVE",  do_vmsave,  true },
    {"STGI",    do_stgi,    false},
    {"CLGI",    do_clgi,    false},
    {"INVLPGA", do_invlpga, false}
};

/* APM 3, the instructions' exception tables: #UD without EFER.SVME, #GP at CPL > 0, #GP for a bad physical address in
 * rAX; VMMCALL that isn't intercepted: #UD */
static void faults(void) {
    u64 width = cpuid(0x80000008, 0).eax & 0xFF;
    void *area = page_alloc();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
    for (u32 i = 0; i < ARRAY_SIZE(instructions); i++) {
        if (instructions[i].fn == do_stgi) continue; /* allowed with SKINIT too */
        ok_eq((u64)try_fault(instructions[i].fn, area, NULL), VEC_UD, "%s with EFER.SVME 0: #UD", instructions[i].name);
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    for (u32 i = 0; i < ARRAY_SIZE(instructions); i++) {
        struct user_action a = {instructions[i].fn, area};
        struct fault f;
        ok(try_fault(at_cpl3, &a, &f) == VEC_GP && f.error == 0, "%s at CPL 3: #GP(0)", instructions[i].name);
        if (!instructions[i].takes_address) continue;
        ok(try_fault(instructions[i].fn, (u8 *)area + 8, &f) == VEC_GP && f.error == 0,
           "%s of an unaligned address: #GP(0)", instructions[i].name);
        ok(try_fault(instructions[i].fn, (void *)(uptr)BIT(width), &f) == VEC_GP,
           "%s beyond the physical-address width: #GP", instructions[i].name);
    }
    ok_eq((u64)try_fault(do_vmmcall, NULL, NULL), VEC_UD, "VMMCALL in the host: #UD");
    struct msr_write w = {MSR_VM_HSAVE_PA, 0x1008};
    ok_eq((u64)try_fault(do_wrmsr, &w, NULL), VEC_GP, "VM_HSAVE_PA that isn't aligned: #GP");
    w.value = BIT(width);
    ok_eq((u64)try_fault(do_wrmsr, &w, NULL), VEC_GP, "VM_HSAVE_PA beyond the physical-address width: #GP");
}

struct check {
    const char *name;
    void (*breaks)(struct vmcb *b);
};
#define BREAK(id, statement)                                                                                           \
    static void id(struct vmcb *b) { statement; }
BREAK(no_svme, b->efer &= ~EFER_SVME)
BREAK(cd0_nw1, b->cr0 = (b->cr0 & ~CR0_CD) | CR0_NW)
BREAK(cr0_high, b->cr0 |= BIT(32))
BREAK(cr3_mbz, b->cr3 |= BIT(62))
BREAK(cr4_mbz, b->cr4 |= BIT(31))
BREAK(cr4_high, b->cr4 |= BIT(40))
BREAK(dr6_high, b->dr6 |= BIT(32))
BREAK(dr7_high, b->dr7 |= BIT(63))
BREAK(efer_mbz, b->efer |= BIT(9))
BREAK(efer_high, b->efer |= BIT(50))
BREAK(no_pae, b->cr4 &= ~CR4_PAE)
BREAK(no_pe, b->cr0 &= ~CR0_PE)
BREAK(l_and_d, b->cs.attributes |= 0x400)
BREAK(vmrun_not_intercepted, b->intercept[4] &= ~(u32)SVM_INTERCEPT4_VMRUN)
BREAK(asid_zero, b->asid = 0)
BREAK(event_type_1, b->event_inject = EVENT(0x50, 1))
BREAK(event_type_5, b->event_inject = EVENT(0x50, 5))
BREAK(event_exception_nmi, b->event_inject = EVENT(2, EVENT_EXCEPTION))
BREAK(event_exception_32, b->event_inject = EVENT(32, EVENT_EXCEPTION))
BREAK(iopm_far, {
    b->intercept[3] |= SVM_INTERCEPT3_IOIO;
    b->iopm_base = BIT(52);
})
BREAK(msrpm_far, {
    b->intercept[3] |= SVM_INTERCEPT3_MSR;
    b->msrpm_base = BIT(52);
})

/* "Canonicalization and Consistency Checks": VMEXIT_INVALID */
static const struct check checks[] = {
    {"EFER.SVME 0",                                    no_svme              },
    {"CR0.CD 0 and CR0.NW 1",                          cd0_nw1              },
    {"CR0 bits 63:32",                                 cr0_high             },
    {"CR3 must-be-zero bits",                          cr3_mbz              },
    {"CR4 must-be-zero bit 31",                        cr4_mbz              },
    {"CR4 bits 63:32",                                 cr4_high             },
    {"DR6 bits 63:32",                                 dr6_high             },
    {"DR7 bits 63:32",                                 dr7_high             },
    {"EFER must-be-zero bit 9",                        efer_mbz             },
    {"EFER must-be-zero bit 50",                       efer_high            },
    {"EFER.LME 1, CR0.PG 1, CR4.PAE 0",                no_pae               },
    {"EFER.LME, CR0.PG, CR4.PAE, CS.L, CS.D 1",        l_and_d              },
    {"VMRUN isn't intercepted",                        vmrun_not_intercepted},
    {"ASID 0",                                         asid_zero            },
    {"EVENTINJ of type 1",                             event_type_1         },
    {"EVENTINJ of type 5",                             event_type_5         },
    {"EVENTINJ of exception 2",                        event_exception_nmi  },
    {"EVENTINJ of exception 32",                       event_exception_32   },
    {"I/O permission map beyond any physical address", iopm_far             },
    {"MSR permission map beyond any physical address", msrpm_far            }
};

static void consistency(void) {
    struct vmcb *good = page_alloc();
    vm_make(&vm, vm_stop, (struct svm_config){0});
    vm_expect(&vm, SVM_EXIT_VMMCALL, "the unbroken VMCB runs");
    vm_restart(&vm, vm_stop);
    *good = *vm.vmcb;
    for (u32 i = 0; i < ARRAY_SIZE(checks); i++) {
        *vm.vmcb = *good;
        checks[i].breaks(vm.vmcb);
        svm_run(&vm);
        if (!ok((u32)vm.vmcb->exit_code == (u32)SVM_EXIT_INVALID, "VMEXIT_INVALID: %s", checks[i].name))
            diag("exit code %#llx", vm.vmcb->exit_code);
        if (i == 0) ok_eq(vm.vmcb->exit_code, SVM_EXIT_INVALID, "VMEXIT_INVALID has 64 bits");
    }
    *vm.vmcb = *good;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "the unbroken VMCB still runs");
}

/* one of the checks, the last test: a processor without it enters a mode that isn't there */
static void no_protection(void) {
    vm_make(&vm, vm_stop, (struct svm_config){0});
    no_pe(vm.vmcb);
    svm_run(&vm);
    ok_eq((u32)vm.vmcb->exit_code, (u32)SVM_EXIT_INVALID, "VMEXIT_INVALID: EFER.LME 1, CR0.PG 1, CR0.PE 0");
}

CODE(g_state,
     "mov $0x1230, %eax\n mov %rax, %rsp\n mov $0x99, %eax\n mov %rax, %cr2\n mov $0x701, %ebx\n mov %rbx, %dr7\n"
     "mov $0xffff4ff0, %ebx\n mov %rbx, %dr6\n std\n mov $0x7654321, %eax\ng_state_end: vmmcall");
CODE_LABEL(g_state_end);

/* "VMRUN": state that is loaded and saved */
static void state(void) {
    vm_make(&vm, g_state, (struct svm_config){0});
    struct vmcb *b = vm.vmcb;
    write_cr2(0x55);
    write_dr7(0x455);
    write_dr6(0xFFFF0FF1);
    b->cr2 = 0x77;
    u64 cr3 = read_cr3(), flags = read_flags();
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a guest that changes its state");
    ok_eq(b->rip, (uptr)g_state_end, "RIP is saved");
    ok_eq(b->rsp, 0x1230, "RSP is saved");
    ok_eq(b->rax, 0x7654321, "RAX is saved");
    ok_eq(b->cr2, 0x99, "CR2 is saved");
    ok_eq(b->dr7, 0x701, "DR7 is saved");
    ok_eq(b->dr6, 0xFFFF4FF0, "DR6 is saved");
    ok_eq(b->rflags, FLAG_DF | 2, "RFLAGS are saved");
    ok_eq(b->cpl, 0, "CPL is saved");
    ok_eq(b->cs.selector, SEL_CODE64, "CS is saved");
    ok_eq(b->exit_int_info & BIT(31), 0, "EXITINTINFO isn't valid");
    ok_eq(read_dr7(), 0x400, "host DR7 is 400h after #VMEXIT");
    ok_eq(read_cr3(), cr3, "host CR3 is restored");
    ok_eq(read_flags() & (FLAG_DF | FLAG_IF | FLAG_NT), flags & (FLAG_DF | FLAG_IF | FLAG_NT),
          "host RFLAGS are restored");
    write_dr6(0xFFFF0FF0);
}

CODE(g_cr2, "mov %cr2, %rbx\n mov %dr6, %rcx\n vmmcall");
static void loads(void) {
    vm_make(&vm, g_cr2, (struct svm_config){0});
    vm.vmcb->cr2 = 0x7788;
    vm.vmcb->dr6 = 0xFFFF0FF2;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a guest that reads CR2 and DR6");
    ok_eq(vm.gpr[3], 0x7788, "CR2 is loaded");
    ok_eq(vm.gpr[1], 0xFFFF0FF2, "DR6 is loaded");
}

/* "Segment State in the VMCB": RFLAGS.VM says nothing in long mode */
CODE(g_cs, "mov %cs, %eax\n pushfq\n pop %rbx\n mov %cr0, %rcx\n vmmcall");
static void vm_flag(void) {
    vm_make(&vm, g_cs, (struct svm_config){0});
    vm.vmcb->rflags = 2 | FLAG_VM;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a 64-bit guest with RFLAGS.VM 1 runs its 64-bit code at CPL 0");
    ok_eq(vm.gpr[0], SEL_CODE64, "CS is the VMCB's");
    ok_eq(vm.vmcb->cpl, 0, "and so is CPL");
    ok_eq(vm.vmcb->rflags & FLAG_VM, 0, "there is no virtual-8086 mode: RFLAGS.VM is saved as 0");
}

/* CR0.TS, EM and so on of a guest in real mode: paged real mode apart, a guest may start with CR0.PE 0 */
CODE(g_real, ".code16\n mov $0x1234, %ax\n mov %cs, %bx\n vmmcall\n .code64");
static void real_mode(void) {
    u8 *low = (u8 *)0x8000;
    vm_make(&vm, g_real, (struct svm_config){0});
    struct vmcb *b = vm.vmcb;
    memcpy(low, g_real, 16);
    b->cr0 = CR0_ET;
    b->cr4 = 0;
    b->efer = EFER_SVME;
    b->cs = (struct vmcb_segment){0x800, 0x9B, 0xFFFF, 0x8000};
    b->ss = b->ds = b->es = (struct vmcb_segment){0, 0x93, 0xFFFF, 0};
    b->rip = 0;
    b->rsp = 0x7000;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a guest in real mode");
    ok(vm.gpr[3] == 0x800 && (vm.gpr[0] & 0xFFFF) == 0x1234, "runs its code");
}

/* VMLOAD and VMSAVE: FS, GS, TR, LDTR with hidden state, KernelGsBase, STAR, LSTAR, CSTAR, SFMASK, SYSENTER_* */
static void vmload(void) {
    struct vmcb *a = page_alloc(), *b = page_alloc();
    u64 tr = read_tr();
    do_vmsave(a);
    ok_eq(a->tr.selector, tr, "VMSAVE: TR");
    ok_eq(a->tr.base, (uptr)&guest_tss, "VMSAVE: TR base");
    ok_eq(a->sysenter_eip, rdmsr(MSR_SYSENTER_EIP), "VMSAVE: SYSENTER_EIP");
    *b = *a;
    b->fs.base = 0x123456000;
    b->gs.base = 0x223456000;
    b->kernel_gs_base = 0x323456000;
    b->star = 0x0010000800000000;
    b->lstar = 0x423456000;
    b->cstar = 0x523456000;
    b->sfmask = 0x700;
    b->sysenter_cs = 8;
    b->sysenter_esp = 0x623456000;
    b->sysenter_eip = 0x723456000;
    do_vmload(b);
    ok_eq(rdmsr(MSR_FS_BASE), 0x123456000, "VMLOAD: FS base");
    ok_eq(rdmsr(MSR_GS_BASE), 0x223456000, "VMLOAD: GS base");
    ok_eq(rdmsr(MSR_KERNEL_GS_BASE), 0x323456000, "VMLOAD: KernelGsBase");
    ok_eq(rdmsr(MSR_STAR), 0x0010000800000000, "VMLOAD: STAR");
    ok_eq(rdmsr(MSR_LSTAR), 0x423456000, "VMLOAD: LSTAR");
    ok_eq(rdmsr(MSR_CSTAR), 0x523456000, "VMLOAD: CSTAR");
    ok_eq(rdmsr(MSR_SFMASK), 0x700, "VMLOAD: SFMASK");
    ok_eq(rdmsr(MSR_SYSENTER_CS), 8, "VMLOAD: SYSENTER_CS");
    ok_eq(rdmsr(MSR_SYSENTER_ESP), 0x623456000, "VMLOAD: SYSENTER_ESP");
    ok_eq(rdmsr(MSR_SYSENTER_EIP), 0x723456000, "VMLOAD: SYSENTER_EIP");
    memset(b, 0, sizeof *b);
    do_vmsave(b);
    ok(b->lstar == 0x423456000 && b->kernel_gs_base == 0x323456000, "VMSAVE stores what VMLOAD loaded");
    ok_eq(b->rip | b->cr3 | b->cr0, 0, "VMSAVE stores nothing else");
    do_vmload(a);
    ok_eq(rdmsr(MSR_GS_BASE), a->gs.base, "VMLOAD restores");
}

static void count(struct regs *r) {
    seen_count++;
    if (r->vector == 0x41) apic_eoi();
}

/* "Global Interrupt Flag, STGI and CLGI Instructions" */
static void gif(void) {
    if (!apic_present()) {
        skip("no local APIC", "GIF");
        return;
    }
    apic_enable();
    handler_set(0x41, count);
    handler_set(VEC_NMI, count);
    do_clgi(NULL);
    irq_enable();
    apic_self_ipi(0x41);
    for (int i = 0; i < 1000; i++) cpu_pause();
    ok_eq(seen_count, 0, "GIF 0 holds interrupts pending");
    do_stgi(NULL);
    for (int i = 0; i < 1000 && !seen_count; i++) cpu_pause();
    irq_disable();
    ok_eq(seen_count, 1, "STGI lets them through");
    seen_count = 0;
    do_clgi(NULL);
    apic_icr(apic_read(APIC_ID) >> 24, 0x4400);
    for (int i = 0; i < 1000; i++) cpu_pause();
    ok_eq(seen_count, 0, "GIF 0 holds NMIs pending");
    do_stgi(NULL);
    for (int i = 0; i < 1000 && !seen_count; i++) cpu_pause();
    ok_eq(seen_count, 1, "STGI lets them through, too");
    /* VMRUN sets GIF in the guest, #VMEXIT clears it: svm_run() needs STGI afterwards */
    seen_count = 0;
    vm_make(&vm, vm_stop, (struct svm_config){0});
    irq_enable();
    vm.vmcb->exit_code = 0;
    __asm__ volatile("clgi\n vmrun %%rax" : : "a"(vm.vmcb_pa) : "rbx", "rcx", "rdx", "rsi", "rdi", "memory");
    apic_self_ipi(0x41);
    for (int i = 0; i < 1000; i++) cpu_pause();
    ok_eq(seen_count, 0, "#VMEXIT clears GIF");
    do_stgi(NULL);
    for (int i = 0; i < 1000 && !seen_count; i++) cpu_pause();
    irq_disable();
    ok_eq(seen_count, 1, "until STGI");
    handler_set(0x41, NULL);
    handler_set(VEC_NMI, NULL);
}

void guest_main(void) {
    struct cpuid c = cpuid_if_present(0x8000000A, 0);
    if (!svm_begin()) return;
    ok(c.eax & 0xFF, "CPUID 8000_000Ah: a revision");
    ok(c.ebx > 1, "CPUID 8000_000Ah: more than one ASID");
    faults();
    consistency();
    state();
    loads();
    real_mode();
    vmload();
    gif();
    no_protection();
    vm_flag();
}
