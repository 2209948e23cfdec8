/* Delivery of exceptions in 64-bit mode: classes, error codes, stacks, IST, double faults, return addresses.
 * SDM 3, "Interrupt and Exception Handling", "64-Bit Mode Stack Frame", "Exception and Interrupt Reference" */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define MISSING 0x7FC0000000ULL

static struct fault f;
static struct regs seen;
static u32 seen_count;

CODE(x_de, "xor %edx, %edx\n mov $1, %eax\n xor %ecx, %ecx\nx_de_at: div %ecx\n ret");
CODE(x_de_overflow, "mov $2, %edx\n mov $1, %ecx\n xor %eax, %eax\nx_de_overflow_at: div %ecx\n ret");
CODE(x_bp, "int3\nx_bp_after: ret");
CODE(x_cd03, ".byte 0xcd, 3\nx_cd03_after: ret");
CODE(x_icebp, ".byte 0xf1\nx_icebp_after: ret");
CODE(x_ud2, "ud2\n ret");
CODE(x_int_gp, "int $0x60\n ret");
CODE(x_gp_sel, "mov $0x1fc, %eax\nx_gp_sel_at: mov %eax, %fs\n ret");
CODE(x_gp_noncanon, "mov $0x800000000000, %rax\nx_gp_noncanon_at: mov (%rax), %rax\n ret");
CODE(x_ss_noncanon, "mov %rsp, %rcx\n mov $0x800000001000, %rsp\nx_ss_noncanon_at: push %rax\n mov %rcx, %rsp\n ret");
CODE(x_pf, "movabs $0x7fc0000010, %rsi\nx_pf_at: movl $1, (%rsi)\n ret");
CODE(x_nm, "x_nm_at: fninit\n ret");
CODE(x_hlt_lock, ".byte 0xf0, 0x90\n ret");
#define AT(n) CODE_LABEL(n)
AT(x_de_at);
AT(x_de_overflow_at);
AT(x_bp_after);
AT(x_cd03_after);
AT(x_icebp_after);
AT(x_gp_sel_at);
AT(x_gp_noncanon_at);
AT(x_ss_noncanon_at);
AT(x_pf_at);

/* Faults leave RIP at the instruction, traps behind it. RFLAGS.RF on the stack is 1 for faults (SDM 3, "Masking
 * Instruction Breakpoints"), 0 for INT n and INT3. */
static void classes(void) {
    static const struct {
        const char *name;
        const u8 *code, *ip;
        int vector;
        u64 error;
        bool rf;
    } row[] = {
        {"DIV by zero: #DE, a fault",                  x_de,          x_de_at,          VEC_DE, 0,     true },
        {"DIV overflow: #DE",                          x_de_overflow, x_de_overflow_at, VEC_DE, 0,     true },
        {"INT3: #BP, a trap",                          x_bp,          x_bp_after,       VEC_BP, 0,     false},
        {"INT 3 of two bytes: #BP",                    x_cd03,        x_cd03_after,     VEC_BP, 0,     false},
        {"INT1: #DB, a trap",                          x_icebp,       x_icebp_after,    VEC_DB, 0,     false},
        {"UD2: #UD, a fault",                          x_ud2,         x_ud2,            VEC_UD, 0,     true },
        {"MOV to FS of a bad selector: #GP(selector)", x_gp_sel,      x_gp_sel_at,      VEC_GP, 0x1FC, true },
        {"a non-canonical address: #GP(0)",            x_gp_noncanon, x_gp_noncanon_at, VEC_GP, 0,     true },
        {"a non-canonical stack: #SS(0)",              x_ss_noncanon, x_ss_noncanon_at, VEC_SS, 0,     true },
        {"a write to a missing page: #PF",             x_pf,          x_pf_at,          VEC_PF, 2,     true },
        {"LOCK before NOP: #UD",                       x_hlt_lock,    x_hlt_lock,       VEC_UD, 0,     true }
    };
    idt_set(VEC_SS, SEL_CODE64, isr_entry(VEC_SS), GATE_INT, 0, 1); /* the interrupted stack is no good for it */
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        int v = try_fault((void (*)(void *))(uptr)row[i].code, NULL, &f);
        ok(v == row[i].vector && f.error == row[i].error, "%s", row[i].name);
        if (v != row[i].vector) diag("vector %d, error code %#llx", v, f.error);
        ok_eq(f.ip, (uptr)row[i].ip, "%s: RIP", row[i].name);
        ok_eq(f.flags & FLAG_RF, row[i].rf ? FLAG_RF : 0, "%s: RF on the stack", row[i].name);
        if (v == VEC_PF) ok_eq(f.cr2, 0x7FC0000010, "CR2");
    }
    idt_set(VEC_SS, SEL_CODE64, isr_entry(VEC_SS), GATE_INT, 0, 0);
}

/* "x87 FPU ... #NM": CR0.EM or TS */
static void device_not_available(void) {
    write_cr0(read_cr0() | CR0_TS);
    ok_eq((u64)try_fault((void (*)(void *))(uptr)x_nm, NULL, &f), VEC_NM, "an x87 instruction with CR0.TS: #NM");
    write_cr0((read_cr0() & ~CR0_TS) | CR0_EM);
    ok_eq((u64)try_fault((void (*)(void *))(uptr)x_nm, NULL, &f), VEC_NM, "an x87 instruction with CR0.EM: #NM");
    write_cr0(read_cr0() & ~CR0_EM);
    CODE_LABEL(x_wait);
    write_cr0(read_cr0() | CR0_TS | CR0_MP);
    ok_eq((u64)try_fault((void (*)(void *))(uptr)x_wait, NULL, &f), VEC_NM, "WAIT with CR0.TS and CR0.MP: #NM");
    write_cr0(read_cr0() & ~CR0_MP);
    ok_eq((u64)try_fault((void (*)(void *))(uptr)x_wait, NULL, &f), (u64)NO_FAULT, "WAIT with CR0.TS alone");
    write_cr0((read_cr0() & ~CR0_TS) | CR0_MP);
}
CODE(x_wait, "fwait\n ret");

static void record(struct regs *r) {
    seen = *r;
    seen_count++;
}

struct gate {
    u16 offset0, sel;
    u8 ist, type;
    u16 offset1;
    u32 offset2, reserved;
};
static struct gate *gate(u8 vector) { return (struct gate *)read_idtr().base + vector; }

/* "Error Code": EXT, IDT, TI bits; faults on the way to a handler */
static void gates(void) {
    struct gate old = *gate(0x60), *g = gate(0x60);
    g->type = 0x0E; /* not present */
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_NP && f.error == (0x60 << 3 | 2),
       "INT n, gate not present: #NP(vector, IDT)");
    ok_eq(f.ip, (uptr)x_int_gp, "RIP is INT's");
    g->type = 0x8C; /* call gate */
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == (0x60 << 3 | 2),
       "INT n, gate of another type: #GP(vector, IDT)");
    g->type = 0x85; /* task gate */
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == (0x60 << 3 | 2),
       "INT n, task gate in 64-bit mode: #GP(vector, IDT)");
    *g = old;
    g->sel = 0;
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == 0,
       "INT n, null selector in the gate: #GP(0)");
    g->sel = SEL_DATA;
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == SEL_DATA,
       "INT n, data selector in the gate: #GP(selector)");
    g->sel = SEL_CODE32;
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == SEL_CODE32,
       "INT n, 32-bit code in the gate: #GP(selector)");
    g->sel = 0x1F8;
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == 0x1F8,
       "INT n, empty descriptor in the gate: #GP(selector)");
    guest_gdt[0x1F0 >> 3] = seg_descriptor(0, 0xFFFFF, 0xA01B); /* code64, not present */
    g->sel = 0x1F0;
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_NP && f.error == 0x1F0,
       "INT n, code segment not present: #NP(selector)");
    guest_gdt[0x1F0 >> 3] = 0;
    *g = old;
    g->offset2 = 0x8000;
    ok(try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f) == VEC_GP && f.error == 0,
       "INT n, non-canonical offset in the gate: #GP(0)");
    *g = old;
    struct table_register idtr = read_idtr(), small = {16 * 0x60 - 1, idtr.base};
    load_idtr(small);
    int v = try_fault((void (*)(void *))(uptr)x_int_gp, NULL, &f);
    load_idtr(idtr);
    ok(v == VEC_GP && f.error == (0x60 << 3 | 2), "INT n beyond the IDT's limit: #GP(vector, IDT)");
    /* an exception with a bad gate: EXT is 1 */
    struct gate ud = *gate(VEC_UD);
    gate(VEC_UD)->sel = SEL_DATA;
    v = try_fault((void (*)(void *))(uptr)x_ud2, NULL, &f);
    ok(v == VEC_GP && f.error == (SEL_DATA | 1), "#UD with a data selector in its gate: #GP(selector, EXT)");
    *gate(VEC_UD) = ud;
    gate(VEC_UD)->type = 0x0E;
    v = try_fault((void (*)(void *))(uptr)x_ud2, NULL, &f);
    ok(v == VEC_NP && f.error == (VEC_UD << 3 | 3), "#UD with a gate that isn't present: #NP(vector, IDT, EXT)");
    *gate(VEC_UD) = ud;
}

static uptr user_int(uptr arg) {
    __asm__ volatile("int $0x60" : : : "memory");
    return arg;
}
static void at_cpl3(void *arg) {
    (void)arg;
    user_call(user_int, 7);
}
static uptr user_flags(uptr arg) {
    (void)arg;
    return read_flags();
}
static uptr user_icebp(uptr arg) {
    (void)arg;
    __asm__ volatile(".byte 0xf1");
    return 0;
}
static void icebp_at_cpl3(void *arg) {
    (void)arg;
    user_call(user_icebp, 0);
}

/* Gate DPL counts for INT n, INT3 and INTO, not for exceptions, interrupts and INT1 */
static void privilege(void) {
    ok(try_fault(at_cpl3, NULL, &f) == VEC_GP && f.error == (0x60 << 3 | 2),
       "INT n at CPL 3 with a DPL 0 gate: #GP(vector, IDT)");
    idt_set(0x60, SEL_CODE64, isr_entry(0x60), GATE_INT, 3, 0);
    handler_set(0x60, record);
    seen_count = 0;
    u64 rsp0 = guest_tss.rsp[0];
    user_call(user_int, 7);
    ok_eq(seen_count, 1, "INT n at CPL 3 with a DPL 3 gate");
    ok(seen.cs == (SEL_UCODE64 | 3) && seen.ss == (SEL_UDATA | 3), "CS and SS on the stack are the user's");
    ok(seen.sp <= user_stack_top() && seen.sp > user_stack_top() - 4096, "RSP on the stack is the user's");
    ok_eq(read_ss(), SEL_DATA, "SS after the return");
    ok_eq((u64)try_fault(icebp_at_cpl3, NULL, &f), VEC_DB, "INT1 at CPL 3 with a DPL 0 gate: #DB");
    ok_eq(f.cs, SEL_UCODE64 | 3, "from CPL 3");
    guest_tss.rsp[0] = 0x800000001000;
    idt_set(VEC_SS, SEL_CODE64, isr_entry(VEC_SS), GATE_INT, 0, 1);
    ok(try_fault(at_cpl3, NULL, &f) == VEC_SS && f.error == 0, "a non-canonical RSP0: #SS(0)");
    idt_set(VEC_SS, SEL_CODE64, isr_entry(VEC_SS), GATE_INT, 0, 0);
    guest_tss.rsp[0] = rsp0;
    handler_set(0x60, NULL);
    idt_set(0x60, SEL_CODE64, isr_entry(0x60), GATE_INT, 0, 0);
    ok_eq(user_call(user_flags, 0) & (FLAG_IF | FLAG_TF | FLAG_NT | FLAG_AC), 0, "user code got its RFLAGS");
}

static u64 frame_rsp;
CODE(h_probe, "h_probe_entry: mov %rsp, frame_at(%rip)\n push %rax\n mov %ss, %eax\n mov %eax, frame_ss(%rip)\n "
              "pushfq\n pop frame_flags(%rip)\n"
              " pop %rax\n iretq\n.pushsection .bss\n.p2align 3\nframe_at: .skip 8\nframe_flags: .skip 8\nframe_ss: "
              ".skip 8\n.popsection");
CODE_LABEL(h_probe_entry);
extern u64 frame_at, frame_flags, frame_ss;
CODE(x_int61, "mov %rsp, %rax\n int $0x61\n ret");
CODE(x_int61_odd, "mov %rsp, %rcx\n sub $0x13, %rsp\n mov %rsp, %rax\n int $0x61\n mov %rcx, %rsp\n ret");

static u64 call_for_rax(const u8 *code) {
    u64 rax;
    __asm__ volatile("call *%1" : "=a"(rax) : "r"(code) : "rcx", "rdx", "memory", "cc");
    return rax;
}

/* "64-Bit Mode Stack Frame": RSP is aligned to 16 bytes, SS:RSP is pushed always; IST; interrupt gates clear IF, trap
 * gates don't; both clear TF, NT, RF */
static void stacks(void) {
    idt_set(0x61, SEL_CODE64, h_probe_entry, GATE_TRAP, 0, 0);
    frame_rsp = call_for_rax(x_int61);
    ok_eq(frame_at, (frame_rsp & ~15ULL) - 40, "the frame is below the interrupted stack, five words");
    frame_rsp = call_for_rax(x_int61_odd);
    ok_eq(frame_at, (frame_rsp & ~15ULL) - 40, "after alignment to 16 bytes");
    irq_enable();
    call_for_rax(x_int61);
    irq_disable();
    ok(frame_flags & FLAG_IF, "a trap gate leaves IF");
    idt_set(0x61, SEL_CODE64, h_probe_entry, GATE_INT, 0, 0);
    irq_enable();
    call_for_rax(x_int61);
    irq_disable();
    ok(!(frame_flags & FLAG_IF), "an interrupt gate clears IF");
    write_flags(read_flags() | FLAG_NT);
    uptr flags;
    __asm__ volatile("pushfq\n pop %0" : "=r"(flags));
    write_flags(read_flags() & ~FLAG_NT);
    ok(flags & FLAG_NT, "NT can be set");
    idt_set(0x61, SEL_CODE64, h_probe_entry, GATE_INT, 0, 4);
    u8 *stack = page_alloc();
    guest_tss.ist[3] = (uptr)stack + 0x808;
    call_for_rax(x_int61);
    ok_eq(frame_at, (uptr)stack + 0x800 - 40, "IST gives the stack, aligned");
    ok_eq(frame_ss, SEL_DATA, "SS stays when the privilege level doesn't change");
    idt_set(0x61, SEL_CODE64, isr_entry(0x61), GATE_INT, 0, 0);
}

/* "Conditions for Generating a Double Fault": benign, contributory, page faults */
static void double_faults(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u8 first; /* whose gate is broken */
        u8 type;  /* of the broken gate */
        u16 sel;
        int want;
    } row[] = {
        {"#UD, then #NP: #NP is handled", x_ud2,         VEC_UD, 0x0E, SEL_CODE64, VEC_NP},
        {"#DE, then #NP: #DF",            x_de,          VEC_DE, 0x0E, SEL_CODE64, VEC_DF},
        {"#GP, then #NP: #DF",            x_gp_sel,      VEC_GP, 0x0E, SEL_CODE64, VEC_DF},
        {"#GP, then #GP: #DF",            x_gp_sel,      VEC_GP, 0x8E, SEL_DATA,   VEC_DF},
        {"#PF, then #NP: #DF",            x_pf,          VEC_PF, 0x0E, SEL_CODE64, VEC_DF},
        {"#SS, then #GP: #DF",            x_ss_noncanon, VEC_SS, 0x8E, SEL_DATA,   VEC_DF},
        {"#BP, then #GP: #GP is handled", x_bp,          VEC_BP, 0x8E, SEL_DATA,   VEC_GP}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct gate old = *gate(row[i].first);
        gate(row[i].first)->type = row[i].type;
        gate(row[i].first)->sel = row[i].sel;
        int v = try_fault((void (*)(void *))(uptr)row[i].code, NULL, &f);
        *gate(row[i].first) = old;
        ok_eq((u64)v, (u64)row[i].want, "%s", row[i].name);
        if (v == VEC_DF) ok_eq(f.error, 0, "%s: error code 0", row[i].name);
    }
    /* the handler's stack isn't there: #PF while #GP is delivered is not a double fault, but #GP while #PF is */
    idt_set(VEC_GP, SEL_CODE64, isr_entry(VEC_GP), GATE_INT, 0, 4);
    guest_tss.ist[3] = MISSING + 0x800;
    int v = try_fault((void (*)(void *))(uptr)x_gp_sel, NULL, &f);
    ok(v == VEC_PF && f.error == 2, "#GP, then #PF: #PF is handled");
    ok(f.cr2 >= MISSING + 0x800 - 48 && f.cr2 < MISSING + 0x800, "CR2 is on the missing stack");
    idt_set(VEC_GP, SEL_CODE64, isr_entry(VEC_GP), GATE_INT, 0, 0);
    idt_set(VEC_PF, SEL_CODE64, isr_entry(VEC_PF), GATE_INT, 0, 4);
    v = try_fault((void (*)(void *))(uptr)x_pf, NULL, &f);
    ok_eq((u64)v, VEC_DF, "#PF, then #PF: #DF");
    idt_set(VEC_PF, SEL_CODE64, isr_entry(VEC_PF), GATE_INT, 0, 0);
}

void guest_main(void) {
    map_4k(read_cr3(), MISSING + 0x200000, 0, 0); /* makes the tables */
    classes();
    device_not_available();
    gates();
    privilege();
    stacks();
    double_faults();
}
