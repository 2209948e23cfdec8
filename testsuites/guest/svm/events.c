/* Events around VMRUN: EVENTINJ, EXITINTINFO, virtual interrupts and V_TPR, physical interrupts and NMIs, the interrupt
 * shadow, TSC offset. APM 2, "Event Injection", "Injecting Virtual (INTR) Interrupts", "Interrupt and Exception
 * Intercepts" */
#include "testsuites/guest/svm/common.h"

#define TEST_VECTOR 0x41
#define MISSING     0x7FC0005000ULL

/* offset 60h: V_TPR 7:0, V_IRQ 8, V_INTR_PRIO 19:16, V_IGN_TPR 20, V_INTR_MASKING 24, V_INTR_VECTOR 39:32 */
#define V_TPR(n)       ((u64)(n))
#define V_IRQ          BIT(8)
#define V_PRIO(n)      ((u64)(n) << 16)
#define V_IGN_TPR      BIT(20)
#define V_INTR_MASKING BIT(24)
#define V_VECTOR(n)    ((u64)(n) << 32)

static struct svm_vm vm;
static struct regs seen;
static u32 seen_count;

static void record(struct regs *r) {
    seen = *r;
    seen_count++;
}

static void record_and_eoi(struct regs *r) {
    record(r);
    apic_eoi();
}

/* Ends the guest from inside a handler. */
static void record_and_leave(struct regs *r) {
    record(r);
    __asm__ volatile("vmmcall" : : : "memory");
}

static void make(const u8 *code, u32 word3, u32 exceptions) {
    struct svm_config c = {
        .intercept = {[2] = exceptions, [3] = word3}
    };
    seen = (struct regs){0};
    seen_count = 0;
    vm_make(&vm, code, c);
}

CODE(e_stop, "vmmcall");
CODE(e_ud, "ud2; vmmcall");
CODE(e_gp, "mov $0x1fc, %eax; mov %eax, %fs; vmmcall");
CODE(e_int, "int $0x41; vmmcall");

static void injection(void) {
    static const struct {
        const char *name;
        u64 event;
        u32 next; /* what the pushed RIP is past the guest's: nRIP of a software interrupt */
        u64 error;
    } row[] = {
        {"#UD",                       EVENT(VEC_UD,  EVENT_EXCEPTION),                       0,     0     },
        {"#GP",                       EVENT(VEC_GP,  EVENT_EXCEPTION) | EVENT_ERROR(0x5678), 0,     0x5678},
        {"#PF",                       EVENT(VEC_PF,  EVENT_EXCEPTION) | EVENT_ERROR(2),      0,     2     },
        {"#DB",                       EVENT(VEC_DB,  EVENT_EXCEPTION),                       0,     0     },
        {"an interrupt",              EVENT(0x50,    EVENT_INTR),                            0,     0     },
        {"an NMI",                    EVENT(VEC_NMI, EVENT_NMI),                             0,     0     },
        {"INT n",                     EVENT(0x50,    EVENT_SOFTWARE),                        2,     0     },
        {"INT3",                      EVENT(VEC_BP,  EVENT_EXCEPTION),                       1,     0     },
        {"INT n with nRIP far ahead", EVENT(0x50,    EVENT_SOFTWARE),                        0x200, 0     }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        u8 vector = (u8)row[i].event;
        make(e_stop, 0, ~0u); /* injected events aren't intercepted */
        handler_set(vector, record_and_leave);
        vm.vmcb->rflags = 2 | FLAG_IF;
        vm.vmcb->event_inject = row[i].event;
        vm.vmcb->next_rip = (uptr)e_stop + row[i].next;
        vm.vmcb->cr2 = 0x77;
        vm_expect(&vm, SVM_EXIT_VMMCALL, "injection of %s", row[i].name);
        ok(seen_count == 1 && seen.vector == vector && seen.error == row[i].error, "%s: the handler saw it",
           row[i].name);
        if (!row[i].next || svm_feature(3))
            ok_eq(seen.ip - (uptr)e_stop, row[i].next, "%s: RIP on the stack", row[i].name);
        ok_eq(vm.vmcb->event_inject & BIT(31), 0, "%s: EVENTINJ is no longer valid", row[i].name);
        handler_set(vector, NULL);
    }
    /* "an injected interrupt doesn't look at RFLAGS.IF" */
    make(e_stop, 0, 0);
    handler_set(0x50, record_and_leave);
    vm.vmcb->event_inject = EVENT(0x50, EVENT_INTR);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "injection of an interrupt with RFLAGS.IF 0");
    ok_eq(seen_count, 1, "is made all the same");
    handler_set(0x50, NULL);
}

/* "EXITINTINFO": an intercept during the delivery of an event */
static void vectoring(void) {
    struct vmcb *b;
    make(e_ud, 0, BIT(VEC_PF));
    b = vm.vmcb;
    b->idtr.base = MISSING;
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_PF), "#PF during the delivery of #UD");
    ok_eq(b->exit_int_info & 0xFFFFFFFF, EVENT(VEC_UD, EVENT_EXCEPTION), "EXITINTINFO of #UD");
    ok_eq(b->exit_info2, MISSING + 16 * VEC_UD, "EXITINFO2: the gate's address");
    vm_restart(&vm, e_gp);
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_PF), "#PF during the delivery of #GP");
    ok_eq(b->exit_int_info, EVENT(VEC_GP, EVENT_EXCEPTION) | EVENT_ERROR(0x1FC), "EXITINTINFO of #GP");
    vm_restart(&vm, e_int);
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_PF), "#PF during the delivery of INT n");
    ok_eq(b->exit_int_info & 0xFFFFFFFF, EVENT(TEST_VECTOR, EVENT_SOFTWARE), "EXITINTINFO of INT n");
    ok_eq(b->rip, (uptr)e_int, "RIP is INT's");
    vm_restart(&vm, e_stop);
    b->rflags = 2 | FLAG_IF;
    b->event_inject = EVENT(0x50, EVENT_INTR);
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_PF), "#PF during the delivery of an injected interrupt");
    ok_eq(b->exit_int_info & 0xFFFFFFFF, EVENT(0x50, EVENT_INTR), "EXITINTINFO of the interrupt");
    for (u32 next = 2; next <= 0x200; next *= 0x100) { /* INT n's length, and farther than any instruction is long */
        vm_restart(&vm, e_stop);
        b->event_inject = EVENT(0x50, EVENT_SOFTWARE);
        b->next_rip = (uptr)e_stop + next;
        vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_PF), "#PF during the delivery of an injected INT n");
        ok_eq(b->exit_int_info & 0xFFFFFFFF, EVENT(0x50, EVENT_SOFTWARE), "EXITINTINFO of the injected INT n");
        ok_eq(b->rip, (uptr)e_stop, "RIP is where it was injected, not nRIP");
    }
    vm_restart(&vm, e_stop);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "an exit that isn't during a delivery");
    ok_eq(b->exit_int_info & BIT(31), 0, "EXITINTINFO isn't valid");
}

CODE(v_sti, "sti\n nop\nv_sti_after: nop\n vmmcall");
CODE_LABEL(v_sti_after);
CODE(v_nops, "nop; nop; vmmcall");
CODE(v_cr8, "mov %rax, %cr8\nv_cr8_after: nop\n vmmcall");
CODE_LABEL(v_cr8_after);
CODE(v_read_cr8, "mov %cr8, %rbx\n mov $7, %ecx\n mov %rcx, %cr8\n vmmcall");

/* "Virtual Interrupts": V_IRQ is taken when RFLAGS.IF is 1, there is no shadow, and V_INTR_PRIO is above V_TPR */
static void virtual_interrupts(void) {
    struct vmcb *b;
    make(v_nops, 0, 0);
    b = vm.vmcb;
    handler_set(0x50, record);
    b->rflags = 2 | FLAG_IF;
    b->virtual_interrupt = V_INTR_MASKING | V_IRQ | V_PRIO(5) | V_VECTOR(0x50);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a virtual interrupt");
    ok(seen_count == 1 && seen.ip == (uptr)v_nops, "is delivered before the first instruction");
    ok(!(b->virtual_interrupt & V_IRQ), "V_IRQ is cleared");
    vm_restart(&vm, v_nops);
    seen_count = 0;
    b->virtual_interrupt = V_INTR_MASKING | V_IRQ | V_PRIO(5) | V_VECTOR(0x50);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a virtual interrupt with RFLAGS.IF 0");
    ok(seen_count == 0 && (b->virtual_interrupt & V_IRQ), "stays pending");
    vm_restart(&vm, v_nops);
    b->rflags = 2 | FLAG_IF;
    b->virtual_interrupt = V_INTR_MASKING | V_TPR(5) | V_IRQ | V_PRIO(5) | V_VECTOR(0x50);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a virtual interrupt of V_TPR's priority");
    ok(seen_count == 0 && (b->virtual_interrupt & V_IRQ), "it waits for a lower V_TPR");
    vm_restart(&vm, v_nops);
    b->rflags = 2 | FLAG_IF;
    b->virtual_interrupt |= V_IGN_TPR;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "V_IGN_TPR");
    ok_eq(seen_count, 1, "lets it through");
    handler_set(0x50, NULL);
    make(v_sti, SVM_INTERCEPT3_VINTR, 0);
    b = vm.vmcb;
    b->virtual_interrupt = V_INTR_MASKING | V_IRQ | V_PRIO(5) | V_VECTOR(0x50);
    vm_expect(&vm, SVM_EXIT_VINTR, "the VINTR intercept");
    ok_eq(b->rip, (uptr)v_sti_after, "comes after the instruction behind STI");
    ok(b->virtual_interrupt & V_IRQ, "and V_IRQ stays");
    vm_restart(&vm, v_nops);
    b->rflags = 2 | FLAG_IF;
    b->interrupt_shadow = 1;
    vm_expect(&vm, SVM_EXIT_VINTR, "the VINTR intercept with an interrupt shadow");
    ok_eq(b->rip, (uptr)v_nops + 1, "comes one instruction later");
}

static void lower_tpr(void) {
    struct vmcb *b;
    make(v_cr8, 0, 0);
    b = vm.vmcb;
    handler_set(0x50, record);
    b->rflags = 2 | FLAG_IF;
    b->virtual_interrupt = V_INTR_MASKING | V_TPR(9) | V_IRQ | V_PRIO(5) | V_VECTOR(0x50);
    vm.gpr[0] = 4;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "lowering CR8");
    ok(seen_count == 1 && seen.ip == (uptr)v_cr8_after, "lets it through");
    handler_set(0x50, NULL);
}

/* "Virtualizing APIC.TPR": with V_INTR_MASKING CR8 is V_TPR, without it the real one */
static void virtual_tpr(void) {
    make(v_read_cr8, 0, 0);
    write_cr8(2);
    vm.vmcb->virtual_interrupt = V_INTR_MASKING | V_TPR(9);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "CR8 with V_INTR_MASKING");
    ok_eq(vm.gpr[3], 9, "reads V_TPR");
    ok_eq(vm.vmcb->virtual_interrupt & 0xFF, 7, "writes V_TPR");
    ok_eq(read_cr8(), 2, "and leaves the real TPR alone");
    make(v_read_cr8, 0, 0);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "CR8 without V_INTR_MASKING");
    ok_eq(vm.gpr[3], 2, "reads the real TPR");
    ok_eq(read_cr8(), 7, "writes the real TPR");
    ok_eq(vm.vmcb->virtual_interrupt & 0xFF, 7, "V_TPR is written back all the same");
    write_cr8(0);
}

CODE(s_sti, "sti\ns_sti_stop: vmmcall");
CODE(s_mov_ss, "mov $0x10, %eax\n mov %eax, %ss\n vmmcall");
CODE(s_nops, "nop\n vmmcall");

/* "Interrupt Shadows" */
static void shadow(void) {
    make(s_sti, 0, 0);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "VMMCALL behind STI");
    ok_eq(vm.vmcb->interrupt_shadow & 1, 1, "the interrupt shadow is saved");
    make(s_mov_ss, 0, 0);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "VMMCALL behind MOV SS");
    ok_eq(vm.vmcb->interrupt_shadow & 1, 1, "the interrupt shadow is saved");
    make(s_nops, 0, 0);
    vm.vmcb->interrupt_shadow = 1;
    vm_expect(&vm, SVM_EXIT_VMMCALL, "an interrupt shadow from the VMCB");
    ok_eq(vm.vmcb->interrupt_shadow & 1, 0, "lasts for one instruction");
}

CODE(p_spin, "mov $0x100000, %ecx\n1: pause\n dec %ecx\n jnz 1b\n vmmcall");
CODE(p_nmi,
     "mov $0xfee00300, %edi\n movl $0, 0x10(%rdi)\n movl $0x4400, (%rdi)\n mov $100000, %ecx\n1: pause\n dec %ecx\n"
     "jnz 1b\n vmmcall");

CODE(p_rep, "mov $0x40000, %ecx\n lea 0x40000(%rdi), %rsi\n p_rep_at: rep movsb\n vmmcall");
CODE_LABEL(p_rep_at);

/* "Resume Flag (RF) Bit": 1 where the instruction goes on after an interrupt in the middle */
static void interrupted_repetition(void) {
    uptr memory = (uptr)pages_alloc(0x80, 1);
    bool hit = false;
    apic_write(APIC_TIMER_DIV, 0xB);
    apic_write(APIC_LVT_TIMER, TEST_VECTOR);
    for (u32 ticks = 1000; ticks < 1u << 24 && !hit; ticks *= 2) {
        make(p_rep, SVM_INTERCEPT3_INTR, 0);
        vm.gpr[7] = memory;
        vm.vmcb->rflags = 2 | FLAG_IF;
        apic_write(APIC_TIMER_INIT, ticks);
        svm_run(&vm);
        apic_write(APIC_TIMER_INIT, 0);
        hit = vm.vmcb->exit_code == SVM_EXIT_INTR && vm.vmcb->rip == (uptr)p_rep_at && vm.gpr[1] < 0x40000;
        if (hit) ok(vm.vmcb->rflags & FLAG_RF, "an exit in the middle of REP MOVSB saves RFLAGS.RF as 1");
        irq_enable();
        for (int i = 0; i < 100; i++) cpu_pause();
        irq_disable();
        if (hit) vm_expect(&vm, SVM_EXIT_VMMCALL, "and the next VMRUN goes on");
    }
    if (!hit) skip("none came in the middle", "an exit in the middle of REP MOVSB");
    apic_write(APIC_LVT_TIMER, BIT(16) | TEST_VECTOR);
}

/* "INTR Intercept", "NMI Intercept", "Virtualizing RFLAGS.IF": with V_INTR_MASKING the host's IF masks physical
 * interrupts */
static void physical(void) {
    if (!apic_present()) {
        skip("no local APIC", "physical interrupts");
        return;
    }
    apic_enable();
    handler_set(TEST_VECTOR, record_and_eoi);
    make(p_spin, SVM_INTERCEPT3_INTR, 0);
    vm.vmcb->rflags = 2 | FLAG_IF;
    irq_disable();
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, SVM_EXIT_INTR, "a physical interrupt is intercepted");
    ok_eq(seen_count, 0, "and not taken by the guest");
    irq_enable();
    for (int i = 0; i < 100; i++) cpu_pause();
    irq_disable();
    ok_eq(seen_count, 1, "but then by the host");
    make(s_nops, SVM_INTERCEPT3_INTR, 0);
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "without V_INTR_MASKING the guest's IF 0 holds it off");
    make(p_spin, SVM_INTERCEPT3_INTR, 0);
    vm.vmcb->virtual_interrupt = V_INTR_MASKING;
    irq_enable(); /* svm_run() sets GIF to 0 first: the interrupt waits for VMRUN */
    __asm__ volatile("clgi" : : : "memory");
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, SVM_EXIT_INTR, "with V_INTR_MASKING the host's IF 1 counts");
    for (int i = 0; i < 100; i++) cpu_pause();
    irq_disable();
    make(p_spin, SVM_INTERCEPT3_INTR, 0);
    vm.vmcb->virtual_interrupt = V_INTR_MASKING;
    vm.vmcb->rflags = 2 | FLAG_IF;
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "with V_INTR_MASKING the host's IF 0 holds it off");
    irq_enable();
    for (int i = 0; i < 100; i++) cpu_pause();
    irq_disable();
    interrupted_repetition();
    make(p_spin, 0, 0);
    vm.vmcb->rflags = 2 | FLAG_IF;
    handler_set(TEST_VECTOR, record_and_eoi);
    apic_self_ipi(TEST_VECTOR);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "a physical interrupt that isn't intercepted");
    ok_eq(seen_count, 1, "goes to the guest's handler");
    make(p_nmi, SVM_INTERCEPT3_NMI, 0);
    handler_set(VEC_NMI, record);
    vm_expect(&vm, SVM_EXIT_NMI, "an NMI is intercepted");
    for (int i = 0; i < 100; i++) cpu_pause();
    ok_eq(seen_count, 1, "and taken by the host after STGI");
    handler_set(VEC_NMI, NULL);
    handler_set(TEST_VECTOR, NULL);
}

CODE(t_rdtsc, "rdtsc; vmmcall");
CODE(t_rdmsr, "mov $0x10, %ecx; rdmsr; vmmcall");

/* "TSC_OFFSET" */
static void tsc(void) {
    const u64 offset = 0x7000000000000000ULL;
    make(t_rdtsc, 0, 0);
    vm.vmcb->tsc_offset = offset;
    u64 before = rdtsc();
    vm_expect(&vm, SVM_EXIT_VMMCALL, "RDTSC with an offset");
    u64 after = rdtsc(), got = (u32)vm.gpr[0] | vm.gpr[2] << 32;
    ok(got - offset >= before && got - offset <= after, "TSC_OFFSET is added");
    make(t_rdmsr, 0, 0);
    vm.vmcb->tsc_offset = offset;
    before = rdtsc();
    vm_expect(&vm, SVM_EXIT_VMMCALL, "RDMSR of the TSC with an offset");
    after = rdtsc();
    got = (u32)vm.gpr[0] | vm.gpr[2] << 32;
    ok(got - offset >= before && got - offset <= after, "TSC_OFFSET is added, too");
}

void guest_main(void) {
    if (!svm_begin()) return;
    injection();
    vectoring();
    virtual_interrupts();
    virtual_tpr();
    shadow();
    physical();
    tsc();
    lower_tpr();
}
