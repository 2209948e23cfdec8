/* Events in VMX non-root operation: the exception bitmap, event injection, IDT-vectoring information, windows, external
 * interrupts, NMIs, the monitor trap flag, the VMX-preemption timer, pending debug exceptions. */
#include "testsuites/guest/vmx/common.h"

#define INFO(vector, type) (0x80000000u | (type) << 8 | (vector))
#define WITH_CODE          BIT(11)
enum { EXTERNAL, NMI = 2, HARDWARE = 3, SOFTWARE_INT = 4, PRIVILEGED = 5, SOFTWARE_EXC = 6 };
#define MISSING     0x7FC0005678ULL /* a linear address without page */
#define BLOCK_STI   BIT(0)
#define BLOCK_SS    BIT(1)
#define BLOCK_NMI   BIT(3)
#define TEST_VECTOR 0x41

static struct regs seen; /* what the last handler in the guest was called with */
static u32 seen_count;

static void record(struct regs *r) {
    seen = *r;
    seen_count++;
    if (r->vector == TEST_VECTOR) apic_eoi();
}

/* Ends the guest from inside a handler. */
static void record_and_leave(struct regs *r) {
    record(r);
    __asm__ volatile("vmcall" : : : "memory");
}

static bool make(struct vmx_vm *vm, const u8 *code, struct vmx_config c, u32 bitmap, const char *name) {
    seen = (struct regs){0};
    seen_count = 0;
    if (!vm_make(vm, code, c, name)) return false;
    vmcs_set(VMCS_EXCEPTION_BITMAP, bitmap);
    return true;
}

CODE(e_ud, "ud2; vmcall");
CODE(e_bp, "int3; vmcall");
CODE(e_icebp, ".byte 0xf1; vmcall");
CODE(e_de, "xor %ecx, %ecx; div %ecx; vmcall");
CODE(e_gp, "mov $0x1fc, %eax; mov %eax, %fs; vmcall");
CODE(e_pf, "mov (%rsi), %eax; vmcall");
CODE(e_pf_write, "mov %eax, (%rsi); vmcall");
CODE(e_int, "int $0x41; vmcall");
CODE(e_tf, "pushf; orl $0x100, (%rsp); popf\ne_tf_nop: nop\ne_tf_after: vmcall");
CODE_LABEL(e_tf_after);
CODE(e_bp_data, "mov %eax, (%rdi)\ne_bp_data_after: vmcall");
CODE_LABEL(e_bp_data_after);

/* "Exit Qualification for ... debug exceptions, page faults"; "VM-Exit Interruption-Information Field" */
static void exceptions(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 info, length, vector;
        u64 error, qualification;
    } row[] = {
        {"UD2",                         e_ud,       INFO(VEC_UD, HARDWARE),             0, VEC_UD, 0,     0      },
        {"INT3",                        e_bp,       INFO(VEC_BP, SOFTWARE_EXC),         1, VEC_BP, 0,     0      },
        {"INT1",                        e_icebp,    INFO(VEC_DB, PRIVILEGED),           1, VEC_DB, 0,     0      },
        {"DIV by zero",                 e_de,       INFO(VEC_DE, HARDWARE),             0, VEC_DE, 0,     0      },
        {"MOV to FS of a bad selector", e_gp,       INFO(VEC_GP, HARDWARE) | WITH_CODE, 0, VEC_GP, 0x1FC, 0      },
        {"read of a missing page",      e_pf,       INFO(VEC_PF, HARDWARE) | WITH_CODE, 0, VEC_PF, 0,     MISSING},
        {"write to a missing page",     e_pf_write, INFO(VEC_PF, HARDWARE) | WITH_CODE, 0, VEC_PF, 2,     MISSING}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, row[i].code, (struct vmx_config){0}, (u32)BIT(row[i].vector), row[i].name)) continue;
        vm.gpr[GPR_RSI] = MISSING;
        write_cr2(0x1234);
        write_dr6(0xFFFF0FF0);
        vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "%s exits", row[i].name);
        vm_field(VMCS_EXIT_INTERRUPTION_INFO, row[i].info, "%s: interruption information", row[i].name);
        vm_field(VMCS_EXIT_QUALIFICATION, row[i].qualification, "%s: qualification", row[i].name);
        if (row[i].info & WITH_CODE)
            vm_field(VMCS_EXIT_INTERRUPTION_ERROR, row[i].error, "%s: error code", row[i].name);
        if (row[i].length) vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, row[i].length, "%s: length", row[i].name);
        if (row[i].vector == VEC_PF) ok_eq(read_cr2(), 0x1234, "%s: CR2 isn't written", row[i].name);
        vm_field(VMCS_IDT_VECTORING_INFO, 0, "%s: no IDT-vectoring information", row[i].name);
        vmclear(vm.vmcs);
        make(&vm, row[i].code, (struct vmx_config){0}, ~(u32)BIT(row[i].vector), row[i].name);
        handler_set((u8)row[i].vector, record_and_leave);
        vm.gpr[GPR_RSI] = MISSING;
        vm_expect(&vm, VMX_EXIT_VMCALL, "%s goes to the guest's handler when its bit is 0", row[i].name);
        ok(seen_count == 1 && seen.vector == row[i].vector && seen.error == row[i].error, "%s: handler saw it",
           row[i].name);
        handler_set((u8)row[i].vector, NULL);
        vmclear(vm.vmcs);
    }
    write_dr6(0xFFFF0FF0);
}

/* "software interrupts ... are not subject to the exception bitmap" */
static void software_interrupts(void) {
    struct vmx_vm vm;
    if (!make(&vm, e_int, (struct vmx_config){0}, ~0u, "INT n")) return;
    handler_set(TEST_VECTOR, record);
    vm_expect(&vm, VMX_EXIT_VMCALL, "INT n isn't subject to the exception bitmap");
    ok_eq(seen.ip, (uptr)e_int + 2, "INT n: the handler ran in the guest");
    vmclear(vm.vmcs);
}

/* "Page faults: ... PFEC & PFEC_MASK = PFEC_MATCH" */
static void page_fault_filter(void) {
    static const struct {
        u32 bitmap, mask, match;
        bool exits; /* of a write: error code 2 */
    } row[] = {
        {BIT(14), 2, 2, true },
        {BIT(14), 2, 0, false},
        {0,       2, 2, false},
        {0,       2, 0, true },
        {BIT(14), 3, 3, false},
        {0,       0, 1, true }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, e_pf_write, (struct vmx_config){0}, row[i].bitmap, "#PF filter")) return;
        handler_set(VEC_PF, record_and_leave);
        vm.gpr[GPR_RSI] = MISSING;
        vmcs_set(VMCS_PF_ERROR_CODE_MASK, row[i].mask);
        vmcs_set(VMCS_PF_ERROR_CODE_MATCH, row[i].match);
        vm_expect(&vm, row[i].exits ? VMX_EXIT_EXCEPTION_OR_NMI : VMX_EXIT_VMCALL,
                  "#PF with bitmap bit %u, mask %u, match %u %s", row[i].bitmap ? 1 : 0, row[i].mask, row[i].match,
                  row[i].exits ? "exits" : "doesn't exit");
        vmclear(vm.vmcs);
    }
    handler_set(VEC_PF, NULL);
}

/* Debug exceptions: the qualification has what DR6 would get; DR6 and DR7 aren't changed */
static void debug_exits(void) {
    static u32 word;
    struct vmx_vm vm;
    if (!make(&vm, e_tf, (struct vmx_config){0}, BIT(VEC_DB), "#DB")) return;
    write_dr6(0xFFFF0FF0);
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "single step exits");
    vm_field(VMCS_EXIT_QUALIFICATION, BIT(14), "single step: qualification BS");
    vm_field(VMCS_GUEST_RIP, (uptr)e_tf_after, "single step: a trap, RIP is the next instruction's");
    vm_field(VMCS_EXIT_INTERRUPTION_INFO, INFO(VEC_DB, HARDWARE), "single step: interruption information");
    ok_eq(read_dr6(), 0xFFFF0FF0, "single step: DR6 isn't written");
    vmclear(vm.vmcs);
    make(&vm, e_bp_data, (struct vmx_config){.entry_controls = ENTRY_LOAD_DEBUG_CONTROLS}, BIT(VEC_DB), "#DB");
    write_dr2((uptr)&word);
    vmcs_set(VMCS_GUEST_DR7, 0x400 | BIT(5) | 0xDULL << 24); /* G2, write, 4 bytes */
    vm.gpr[GPR_RDI] = (uptr)&word;
    vm.gpr[GPR_RAX] = 0x99;
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "a data breakpoint exits");
    vm_field(VMCS_EXIT_QUALIFICATION, BIT(2), "data breakpoint: qualification B2");
    vm_field(VMCS_GUEST_RIP, (uptr)e_bp_data_after, "data breakpoint: a trap");
    ok_eq(word, 0x99, "data breakpoint: the store was made");
    vmclear(vm.vmcs);
    make(&vm, e_ud, (struct vmx_config){.entry_controls = ENTRY_LOAD_DEBUG_CONTROLS}, BIT(VEC_DB) | BIT(VEC_UD), "#DB");
    write_dr2((uptr)e_ud);
    vmcs_set(VMCS_GUEST_DR7, 0x400 | BIT(5)); /* G2, execution */
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "an instruction breakpoint exits");
    vm_field(VMCS_EXIT_INTERRUPTION_INFO, INFO(VEC_DB, HARDWARE), "instruction breakpoint: comes before the #UD");
    vm_field(VMCS_EXIT_QUALIFICATION, BIT(2), "instruction breakpoint: qualification B2");
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_RF);
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "with RFLAGS.RF the instruction runs");
    vm_field(VMCS_EXIT_INTERRUPTION_INFO, INFO(VEC_UD, HARDWARE), "with RFLAGS.RF it is the #UD");
    ok(vmcs_get(VMCS_GUEST_RFLAGS) & FLAG_RF, "a fault's exit saves RFLAGS.RF as 1");
    write_dr2(0);
    vmclear(vm.vmcs);
}

CODE(e_call, "vmcall");

/* SDM 3, "Event Injection": vectored events go through the guest's IDT */
static void injection(void) {
    static const struct {
        const char *name;
        u32 info, length, pushed; /* pushed: RIP on the stack, relative to the guest's */
        u64 error;
    } row[] = {
        {"#UD",                   INFO(VEC_UD,  HARDWARE),             0, 0, 0     },
        {"#GP",                   INFO(VEC_GP,  HARDWARE) | WITH_CODE, 0, 0, 0x1230},
        {"#PF",                   INFO(VEC_PF,  HARDWARE) | WITH_CODE, 0, 0, 6     },
        {"#DF",                   INFO(VEC_DF,  HARDWARE) | WITH_CODE, 0, 0, 0     },
        {"an external interrupt", INFO(0x50,    EXTERNAL),             0, 0, 0     },
        {"an NMI",                INFO(VEC_NMI, NMI),                  0, 0, 0     },
        {"INT n",                 INFO(0x50,    SOFTWARE_INT),         2, 2, 0     },
        {"INT3",                  INFO(VEC_BP,  SOFTWARE_EXC),         1, 1, 0     },
        {"INT1",                  INFO(VEC_DB,  PRIVILEGED),           1, 1, 0     }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        u8 vector = (u8)row[i].info;
        if (!make(&vm, e_call, (struct vmx_config){0}, ~0u, row[i].name)) continue;
        handler_set(vector, record_and_leave);
        vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
        vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, row[i].info);
        vmcs_set(VMCS_ENTRY_EXCEPTION_ERROR_CODE, row[i].error);
        vmcs_set(VMCS_ENTRY_INSTRUCTION_LENGTH, row[i].length);
        write_cr2(0x4321);
        vm_expect(&vm, VMX_EXIT_VMCALL, "injection of %s", row[i].name);
        ok(seen_count == 1 && seen.vector == vector && seen.error == row[i].error, "%s: the handler saw it",
           row[i].name);
        ok_eq(seen.ip - (uptr)e_call, row[i].pushed, "%s: RIP on the stack", row[i].name);
        ok(!(vmcs_get(VMCS_ENTRY_INTERRUPTION_INFO) & BIT(31)), "%s: the valid bit is cleared", row[i].name);
        if (vector == VEC_PF) ok_eq(read_cr2(), 0x4321, "injection of #PF doesn't write CR2");
        handler_set(vector, NULL);
        vmclear(vm.vmcs);
    }
    struct vmx_vm vm;
    if (!(rdmsr(MSR_VMX_MISC) & BIT(6))) {
        skip("no activity state HLT", "injection into HLT");
        return;
    }
    make(&vm, e_call, (struct vmx_config){0}, 0, "injection into HLT");
    handler_set(0x50, record);
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
    vmcs_set(VMCS_GUEST_ACTIVITY, 1);
    vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, INFO(0x50, EXTERNAL));
    vm_expect(&vm, VMX_EXIT_VMCALL, "an injected interrupt ends HLT");
    ok(seen_count == 1 && vmcs_get(VMCS_GUEST_ACTIVITY) == 0, "and the guest is active afterwards");
    handler_set(0x50, NULL);
    vmclear(vm.vmcs);
}

/* SDM 3, "Information for VM Exits That Occur During Event Delivery" */
static void vectoring(void) {
    struct table_register idtr = read_idtr();
    struct vmx_vm vm;
    if (!make(&vm, e_ud, (struct vmx_config){0}, BIT(VEC_PF) | BIT(VEC_GP), "vectoring")) return;
    vmcs_set(VMCS_GUEST_IDTR_BASE, MISSING & ~0xFFFULL);
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#PF during the delivery of #UD");
    vm_field(VMCS_IDT_VECTORING_INFO, INFO(VEC_UD, HARDWARE), "vectoring information of #UD");
    vm_field(VMCS_EXIT_QUALIFICATION, (MISSING & ~0xFFFULL) + 16 * VEC_UD, "qualification: the gate's address");
    vm_field(VMCS_EXIT_INTERRUPTION_ERROR, 0, "error code: a supervisor read");
    vm_restart(&vm, e_int);
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#PF during the delivery of INT n");
    vm_field(VMCS_IDT_VECTORING_INFO, INFO(TEST_VECTOR, SOFTWARE_INT), "vectoring information of INT n");
    vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, 2, "its instruction length");
    vm_field(VMCS_GUEST_RIP, (uptr)e_int, "RIP is INT's");
    vm_restart(&vm, e_gp);
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#PF during the delivery of #GP");
    vm_field(VMCS_IDT_VECTORING_INFO, INFO(VEC_GP, HARDWARE) | WITH_CODE, "vectoring information of #GP");
    vm_field(VMCS_IDT_VECTORING_ERROR, 0x1FC, "vectoring error code of #GP");
    vm_restart(&vm, e_call);
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
    vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, INFO(0x50, EXTERNAL));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#PF during the delivery of an injected interrupt");
    vm_field(VMCS_IDT_VECTORING_INFO, INFO(0x50, EXTERNAL), "vectoring information of the interrupt");
    vm_restart(&vm, e_int);
    vmcs_set(VMCS_GUEST_IDTR_BASE, idtr.base);
    vmcs_set(VMCS_GUEST_IDTR_LIMIT, 16 * TEST_VECTOR - 1);
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#GP during the delivery of INT n");
    vm_field(VMCS_EXIT_INTERRUPTION_ERROR, TEST_VECTOR << 3 | 2, "error code: the vector and IDT; EXT is 0 for INT n");
    /* "VM exit is not considered to occur during event delivery ... if the original event causes a double-fault
     * exception that causes the VM exit directly" */
    vm_restart(&vm, e_gp);
    vmcs_set(VMCS_GUEST_IDTR_LIMIT, 16 * VEC_GP - 1);
    vmcs_set(VMCS_EXCEPTION_BITMAP, BIT(VEC_DF));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "#DF exits");
    vm_field(VMCS_EXIT_INTERRUPTION_INFO, INFO(VEC_DF, HARDWARE) | WITH_CODE, "#DF: interruption information");
    vm_field(VMCS_IDT_VECTORING_INFO, 0, "#DF: no vectoring information");
    vm_restart(&vm, e_ud);
    vmcs_set(VMCS_GUEST_IDTR_LIMIT, 0);
    vmcs_set(VMCS_EXCEPTION_BITMAP, 0);
    vm_expect(&vm, VMX_EXIT_TRIPLE_FAULT, "a triple fault exits");
    vmclear(vm.vmcs);
}

CODE(w_sti, "sti\n nop\nw_sti_after: nop\n vmcall");
CODE_LABEL(w_sti_after);
CODE(w_nops, "nop; nop; vmcall");

/* "Interrupt-window exiting": at the beginning of any instruction if RFLAGS.IF = 1 and nothing else blocks */
static void interrupt_window(void) {
    struct vmx_vm vm;
    if (!make(&vm, w_nops, (struct vmx_config){.proc = PROC_INTERRUPT_WINDOW_EXITING}, 0, "interrupt window")) return;
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
    vm_expect(&vm, VMX_EXIT_INTERRUPT_WINDOW, "interrupt window is open at the entry");
    vm_field(VMCS_GUEST_RIP, (uptr)w_nops, "no instruction ran");
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_STI);
    vm_expect(&vm, VMX_EXIT_INTERRUPT_WINDOW, "blocking by STI delays it");
    vm_field(VMCS_GUEST_RIP, (uptr)w_nops + 1, "by one instruction");
    vm_restart(&vm, w_nops);
    vm_expect(&vm, VMX_EXIT_VMCALL, "no interrupt window with IF 0");
    vm_restart(&vm, w_sti);
    vm_expect(&vm, VMX_EXIT_INTERRUPT_WINDOW, "STI opens it");
    vm_field(VMCS_GUEST_RIP, (uptr)w_sti_after, "after the instruction behind STI");
    vm_restart(&vm, w_nops);
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
    vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, INFO(0x50, EXTERNAL));
    handler_set(0x50, record);
    vm_expect(&vm, VMX_EXIT_INTERRUPT_WINDOW, "interrupt window after an injected interrupt");
    ok(seen_count == 1 && vmcs_get(VMCS_GUEST_RIP) == (uptr)w_nops, "opens when its handler returns");
    handler_set(0x50, NULL);
    vmclear(vm.vmcs);
}

CODE(w_iret, "mov %rsp, %rax\n pushq $0x10\n push %rax\n pushq $2\n pushq $8\n pushq $w_iret_after\n iretq\n"
             "w_iret_after: nop\n vmcall");
CODE_LABEL(w_iret_after);

/* "NMI-window exiting", "Virtual NMIs": blocking by NMI ends with IRET */
static void nmi_window(void) {
    struct vmx_vm vm;
    struct vmx_config c = {.pin = PIN_NMI_EXITING | PIN_VIRTUAL_NMIS, .proc = PROC_NMI_WINDOW_EXITING};
    if (!make(&vm, w_nops, c, 0, "NMI window")) return;
    vm_expect(&vm, VMX_EXIT_NMI_WINDOW, "NMI window is open at the entry");
    vm_field(VMCS_GUEST_RIP, (uptr)w_nops, "no instruction ran");
    vm_restart(&vm, w_iret);
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_NMI);
    vm_expect(&vm, VMX_EXIT_NMI_WINDOW, "IRET opens the NMI window");
    vm_field(VMCS_GUEST_RIP, (uptr)w_iret_after, "right behind IRET");
    vm_field(VMCS_GUEST_INTERRUPTIBILITY, 0, "and ends blocking by NMI");
    vm_restart(&vm, w_nops);
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_NMI);
    vm_expect(&vm, VMX_EXIT_VMCALL, "no NMI window while NMIs are blocked");
    vm_field(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_NMI, "blocking by NMI is saved");
    handler_set(VEC_NMI, record_and_leave);
    vmcs_set(VMCS_PROC_CONTROLS, vmcs_get(VMCS_PROC_CONTROLS) & ~PROC_NMI_WINDOW_EXITING);
    vm_restart(&vm, w_nops);
    vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, INFO(VEC_NMI, NMI));
    vm_expect(&vm, VMX_EXIT_VMCALL, "an injected NMI");
    vm_field(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_NMI, "blocks virtual NMIs");
    handler_set(VEC_NMI, NULL);
    vmclear(vm.vmcs);
}

CODE(w_spin, "mov $0x1000000, %ecx\n1: pause\n dec %ecx\n jnz 1b\n vmcall");
CODE(w_nmi,
     "mov $0xfee00300, %edi\n movl $0, 0x10(%rdi)\n movl $0x4400, (%rdi)\n mov $100000, %ecx\n1: pause\n dec %ecx\n"
     "jnz 1b\n vmcall");

CODE(w_rep, "mov $0x40000, %ecx\n lea 0x40000(%rdi), %rsi\n w_rep_at: rep movsb\n vmcall");
CODE_LABEL(w_rep_at);

/* "Saving RIP, RSP, RFLAGS, and SSP": RF as the image would have it that the event leaves on the stack */
static void interrupted_repetition(void) {
    struct vmx_vm vm;
    struct vmx_config c = {.pin = PIN_EXTERNAL_INTERRUPT_EXITING, .arg = (uptr)pages_alloc(0x80, 1)};
    bool hit = false;
    apic_write(APIC_TIMER_DIV, 0xB);
    apic_write(APIC_LVT_TIMER, TEST_VECTOR);
    for (u32 ticks = 1000; ticks < 1u << 24 && !hit; ticks *= 2) {
        if (!make(&vm, w_rep, c, 0, "external interrupts")) break;
        apic_write(APIC_TIMER_INIT, ticks);
        vmx_run(&vm);
        apic_write(APIC_TIMER_INIT, 0);
        hit = vm.exit_reason == VMX_EXIT_EXTERNAL_INTERRUPT && vmcs_get(VMCS_GUEST_RIP) == (uptr)w_rep_at &&
              vm.gpr[GPR_RCX] < 0x40000;
        if (hit) ok(vmcs_get(VMCS_GUEST_RFLAGS) & FLAG_RF, "an exit in the middle of REP MOVSB saves RFLAGS.RF as 1");
        irq_enable();
        cpu_pause();
        irq_disable();
        if (hit) vm_expect(&vm, VMX_EXIT_VMCALL, "and the next entry goes on");
        vmclear(vm.vmcs);
    }
    if (!hit) skip("none came in the middle", "an exit in the middle of REP MOVSB");
    apic_write(APIC_LVT_TIMER, BIT(16) | TEST_VECTOR);
    seen_count = 0;
}

/* "External-interrupt exiting", "Acknowledge interrupt on exit", "NMI exiting" */
static void real_interrupts(void) {
    struct vmx_vm vm;
    if (!apic_present()) {
        skip("no local APIC", "external interrupts");
        return;
    }
    apic_enable();
    handler_set(TEST_VECTOR, record);
    if (!make(&vm, w_spin, (struct vmx_config){.pin = PIN_EXTERNAL_INTERRUPT_EXITING}, 0, "external interrupts"))
        return;
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, VMX_EXIT_EXTERNAL_INTERRUPT, "an external interrupt exits whatever RFLAGS.IF is");
    ok(!(vmcs_get(VMCS_EXIT_INTERRUPTION_INFO) & BIT(31)), "without acknowledge there is no interruption information");
    ok_eq(seen_count, 0, "and it is still pending");
    irq_enable();
    cpu_pause();
    irq_disable();
    ok_eq(seen_count, 1, "so that the host takes it");
    vmclear(vm.vmcs);
    struct vmx_config ack = {.pin = PIN_EXTERNAL_INTERRUPT_EXITING, .exit = EXIT_ACKNOWLEDGE_INTERRUPT};
    if (make(&vm, w_spin, ack, 0, "acknowledge interrupt on exit")) {
        vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
        apic_self_ipi(TEST_VECTOR);
        vm_expect(&vm, VMX_EXIT_EXTERNAL_INTERRUPT, "an external interrupt exits and is acknowledged");
        vm_field(VMCS_EXIT_INTERRUPTION_INFO, INFO(TEST_VECTOR, EXTERNAL),
                 "its vector is in the interruption information");
        apic_eoi();
        irq_enable();
        cpu_pause();
        irq_disable();
        ok_eq(seen_count, 0, "and it is no longer pending");
        vmclear(vm.vmcs);
    }
    interrupted_repetition();
    make(&vm, w_spin, (struct vmx_config){0}, 0, "external interrupts");
    vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
    handler_set(TEST_VECTOR, record_and_leave);
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, VMX_EXIT_VMCALL, "without the control an external interrupt goes to the guest's handler");
    ok_eq(seen_count, 1, "which ran once");
    vmclear(vm.vmcs);
    handler_set(TEST_VECTOR, record);
    make(&vm, w_nmi, (struct vmx_config){.pin = PIN_NMI_EXITING}, 0, "NMI exiting");
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "an NMI exits");
    vm_field(VMCS_EXIT_INTERRUPTION_INFO, INFO(VEC_NMI, NMI), "NMI: interruption information");
    vmclear(vm.vmcs);
    /* SDM 3, "Updating Non-Register State" of VM exits: an NMI's exit blocks NMIs, until IRET */
    seen_count = 0;
    handler_set(VEC_NMI, record);
    handler_set(0x50, record);
    apic_icr(apic_read(APIC_ID) >> 24, 0x4400);
    for (int i = 0; i < 1000; i++) cpu_pause();
    ok_eq(seen_count, 0, "the exit by an NMI blocks further NMIs in the host");
    __asm__ volatile("int $0x50" : : : "memory"); /* its IRET unblocks */
    for (int i = 0; i < 1000 && seen_count < 2; i++) cpu_pause();
    ok(seen_count == 2 && seen.vector == VEC_NMI, "until an IRET");
    handler_set(VEC_NMI, NULL);
    handler_set(0x50, NULL);
}

/* "VM-Entry Failures During or After Loading Guest State": blocking by NMI is as it was before the entry, not as the
 * guest's state would have it */
static void failed_entry_and_nmi(void) {
    static u64 area[2] __attribute__((aligned(16))) = {0xC0000100, 0}; /* IA32_FS_BASE can't be loaded */
    struct vmx_vm vm;
    if (!apic_present() || !make(&vm, w_nops, (struct vmx_config){0}, 0, "VM-entry MSR load")) return;
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_NMI);
    vmcs_set(VMCS_ENTRY_MSR_LOAD_ADDRESS, (uptr)area);
    vmcs_set(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    vm_expect(&vm, VMX_EXIT_MSR_LOADING | BIT(31), "an MSR that can't be loaded fails the VM entry");
    handler_set(VEC_NMI, record);
    seen_count = 0;
    apic_icr(apic_read(APIC_ID) >> 24, 0x4400);
    for (int i = 0; i < 1000 && !seen_count; i++) cpu_pause();
    ok_eq(seen_count, 1, "NMIs are not blocked in the host, though they would have been in the guest");
    handler_set(VEC_NMI, NULL);
    vmclear(vm.vmcs);
}

/* "Monitor trap flag", "VMX-preemption timer" */
static void trap_and_timer(void) {
    struct vmx_vm vm;
    if (make(&vm, w_nops, (struct vmx_config){.proc = PROC_MONITOR_TRAP_FLAG}, 0, "monitor trap flag")) {
        vm_expect(&vm, VMX_EXIT_MONITOR_TRAP_FLAG, "monitor trap flag exits");
        vm_field(VMCS_GUEST_RIP, (uptr)w_nops + 1, "after one instruction");
        vm_restart(&vm, w_nops);
        vmcs_set(VMCS_GUEST_RFLAGS, 2 | FLAG_IF);
        vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, INFO(0x50, EXTERNAL));
        vm_expect(&vm, VMX_EXIT_MONITOR_TRAP_FLAG, "monitor trap flag with an injected event");
        vm_field(VMCS_GUEST_RIP, (uptr)isr_entry(0x50), "exits before the handler's first instruction");
        vmclear(vm.vmcs);
    }
    if (!make(&vm, w_nops, (struct vmx_config){.pin = PIN_PREEMPTION_TIMER}, 0, "VMX-preemption timer")) return;
    vmcs_set(VMCS_PREEMPTION_TIMER, 0);
    vm_expect(&vm, VMX_EXIT_PREEMPTION_TIMER, "VMX-preemption timer of 0 exits");
    vm_field(VMCS_GUEST_RIP, (uptr)w_nops, "before any instruction");
    vmcs_set(VMCS_PREEMPTION_TIMER, 1000);
    vmcs_set(VMCS_GUEST_RIP, (uptr)w_spin);
    vm_expect(&vm, VMX_EXIT_PREEMPTION_TIMER, "VMX-preemption timer ends a loop");
    vm_field(VMCS_PREEMPTION_TIMER, 1000, "its value isn't saved without the control");
    vmclear(vm.vmcs);
    struct vmx_config c = {.pin = PIN_PREEMPTION_TIMER, .exit = EXIT_SAVE_PREEMPTION_TIMER};
    if (!make(&vm, w_nops, c, 0, "saving the VMX-preemption timer")) return;
    vmcs_set(VMCS_PREEMPTION_TIMER, 0x7FFFFFFF);
    vm_expect(&vm, VMX_EXIT_VMCALL, "a VMX-preemption timer that doesn't expire");
    u64 left = vmcs_get(VMCS_PREEMPTION_TIMER);
    ok(left <= 0x7FFFFFFF && left > 0x70000000, "its value is saved");
    vmcs_set(VMCS_PREEMPTION_TIMER, 10);
    vm_restart(&vm, w_spin);
    vm_expect(&vm, VMX_EXIT_PREEMPTION_TIMER, "a VMX-preemption timer that expires");
    vm_field(VMCS_PREEMPTION_TIMER, 0, "is saved as 0");
    vmclear(vm.vmcs);
}

CODE(p_sti, "sti\np_sti_call: vmcall");
CODE_LABEL(p_sti_call);
CODE(p_mov_ss, "mov $0x10, %eax\n mov %eax, %ss\n cpuid");
CODE(p_mov_ss_data, "mov (%rdi), %ss\n cpuid");

/* "Interruptibility State", "Pending debug exceptions"; SDM 3, "Delivery of Pending Debug Exceptions after VM Entry" */
static void shadows(void) {
    static u32 word = SEL_DATA;
    struct vmx_vm vm;
    if (!make(&vm, p_sti, (struct vmx_config){0}, 0, "shadows")) return;
    vm_expect(&vm, VMX_EXIT_VMCALL, "VMCALL behind STI");
    vm_field(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_STI, "blocking by STI is saved");
    vm_restart(&vm, p_mov_ss);
    vm_expect(&vm, VMX_EXIT_CPUID, "CPUID behind MOV SS");
    vm_field(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_SS, "blocking by MOV SS is saved");
    vmclear(vm.vmcs);
    make(&vm, p_mov_ss_data, (struct vmx_config){.entry_controls = ENTRY_LOAD_DEBUG_CONTROLS}, BIT(VEC_DB), "shadows");
    write_dr0((uptr)&word);
    vmcs_set(VMCS_GUEST_DR7, 0x400 | BIT(1) | 0xFULL << 16); /* G0, reads and writes, 4 bytes */
    vm.gpr[GPR_RDI] = (uptr)&word;
    vm_expect(&vm, VMX_EXIT_CPUID, "CPUID behind MOV SS with a data breakpoint");
    vm_field(VMCS_GUEST_PENDING_DEBUG, BIT(0) | BIT(12),
             "the pending debug exception is saved: B0 and enabled breakpoint");
    write_dr0(0);
    vmclear(vm.vmcs);
    make(&vm, w_nops, (struct vmx_config){0}, BIT(VEC_DB), "pending debug exceptions");
    vmcs_set(VMCS_GUEST_PENDING_DEBUG, BIT(14));
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "a pending debug exception is delivered after the entry");
    vm_field(VMCS_EXIT_QUALIFICATION, BIT(14), "pending BS: qualification");
    vm_field(VMCS_GUEST_RIP, (uptr)w_nops, "before any instruction");
    vm_restart(&vm, w_nops);
    vmcs_set(VMCS_GUEST_PENDING_DEBUG, BIT(0) | BIT(12));
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, BLOCK_SS);
    vm_expect(&vm, VMX_EXIT_EXCEPTION_OR_NMI, "with blocking by MOV SS the pending debug exception waits");
    vm_field(VMCS_GUEST_RIP, (uptr)w_nops + 1, "for one instruction");
    vm_restart(&vm, w_nops);
    vmcs_set(VMCS_GUEST_PENDING_DEBUG, BIT(14));
    vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, INFO(VEC_GP, HARDWARE) | WITH_CODE);
    vmcs_set(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0);
    handler_set(VEC_GP, record_and_leave);
    vm_expect(&vm, VMX_EXIT_VMCALL, "an injected #GP drops the pending debug exceptions");
    handler_set(VEC_GP, NULL);
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    exceptions();
    software_interrupts();
    page_fault_filter();
    debug_exits();
    injection();
    vectoring();
    interrupt_window();
    nmi_window();
    real_interrupts();
    trap_and_timer();
    shadows();
    failed_entry_and_nmi();
}
