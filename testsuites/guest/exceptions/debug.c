/* Debug exceptions: single step, breakpoints on instructions, data and I/O, general detect, RF, branch trap; what
 * delays them; debug registers. SDM 3, "Debug Registers", "Debug Exceptions", "Masking Instruction Breakpoints"; NMI
 * blocking (SDM 3, "Handling Multiple NMIs") and the shadow of STI (SDM 2, "STI"). */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define DR6_INIT       0xFFFF0FF0u
#define DR6_BD         BIT(13)
#define DR6_BS         BIT(14)
#define G(n)           BIT(2 * (n) + 1)
#define RW(n, rw, len) ((u64)((rw) | (len) << 2) << (16 + 4 * (n)))
enum { EXECUTE, WRITE, IO, ACCESS };

static struct { u64 ip, dr6, flags; } traps[16];
static u32 trap_count;
static bool set_rf, keep_tf;
static struct fault f;

static void on_db(struct regs *r) {
    u64 dr6 = read_dr6();
    if (trap_count < ARRAY_SIZE(traps)) {
        traps[trap_count].ip = r->ip;
        traps[trap_count].dr6 = dr6;
        traps[trap_count].flags = r->flags;
    }
    trap_count++;
    write_dr6(DR6_INIT);
    if (set_rf) r->flags |= FLAG_RF;
    if (!keep_tf) r->flags &= ~FLAG_TF;
}

static void run(const u8 *code, void *rdi) {
    trap_count = 0;
    write_dr6(DR6_INIT);
    __asm__ volatile("call *%0"
                     : "+a"(code), "+D"(rdi)
                     :
                     : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
}

/* Sets TF by POPF; the code ends with a POPF that clears it. */
#define STEP_ON  "pushfq; orl $0x100, (%rsp); popfq\n"
#define STEP_OFF "pushfq; andl $~0x100, (%rsp); popfq\n"

CODE(t_nops, STEP_ON "t_nops_1: nop\nt_nops_2: nop\nt_nops_3: " STEP_OFF "ret");
CODE_LABEL(t_nops_2);
CODE_LABEL(t_nops_3);
CODE(t_ss, "mov %ss, %ecx\n" STEP_ON "nop\nt_ss_1: mov %ecx, %ss\nt_ss_2: nop\nt_ss_3: " STEP_OFF "ret");
CODE_LABEL(t_ss_1);
CODE_LABEL(t_ss_3);
CODE(t_rep, "mov $2, %ecx\n mov %rdi, %rsi\n" STEP_ON "t_rep_1: rep movsb\nt_rep_2: " STEP_OFF "ret");
CODE_LABEL(t_rep_1);
CODE_LABEL(t_rep_2);
CODE(t_int, STEP_ON "int $0x62\nt_int_1: nop\nt_int_2: " STEP_OFF "ret");
CODE_LABEL(t_int_1);
CODE_LABEL(t_int_2);

static void nothing(struct regs *r) { (void)r; }

/* "Single-Step Exception Condition": after each instruction that began with TF 1 */
static void single_step(void) {
    keep_tf = true;
    run(t_nops, NULL);
    ok_eq(trap_count, 5, "TF: a trap after each instruction, not after the POPF that sets TF");
    ok_eq(traps[0].ip, (uptr)t_nops_2, "the first one is after the instruction behind POPF");
    ok_eq(traps[1].ip, (uptr)t_nops_3, "the second one after the next");
    ok_eq(traps[0].dr6, DR6_INIT | DR6_BS, "DR6 has BS");
    ok(traps[0].flags & FLAG_TF, "RFLAGS on the stack has TF");
    ok(!(traps[0].flags & FLAG_RF), "and not RF");
    ok(!(read_flags() & FLAG_TF), "POPF that clears TF is the last one");
    run(t_ss, NULL);
    ok_eq(traps[0].ip, (uptr)t_ss_1, "before MOV SS");
    ok_eq(traps[1].ip, (uptr)t_ss_3, "no trap between MOV SS and the next instruction");
    static u8 bytes[2];
    run(t_rep, bytes);
    ok(traps[0].ip == (uptr)t_rep_1 && traps[1].ip == (uptr)t_rep_2, "REP: a trap after each iteration");
    handler_set(0x62, nothing);
    run(t_int, NULL);
    ok_eq(traps[0].ip, (uptr)t_int_2, "INT n: no trap before the handler's IRET; the next instruction is stepped");
    handler_set(0x62, NULL);
    keep_tf = false;
}

CODE(b_code, "mov $1, %eax\nb_at: inc %eax\nb_next: nop\n ret");
CODE_LABEL(b_at);
CODE_LABEL(b_next);
CODE(b_ss, "mov %ss, %ecx\n mov %ecx, %ss\nb_ss_at: nop\nb_ss_next: ret");
CODE_LABEL(b_ss_at);

/* "Instruction-Breakpoint Exception Condition": a fault; RF masks it for one instruction */
static void instruction_breakpoints(void) {
    write_dr1((uptr)b_at);
    write_dr7(0x400 | G(1) | RW(1, EXECUTE, 0));
    set_rf = true;
    run(b_code, NULL);
    ok_eq(trap_count, 1, "an instruction breakpoint; RF in the returned RFLAGS masks it");
    ok_eq(traps[0].ip, (uptr)b_at, "a fault: RIP is the instruction's");
    ok_eq(traps[0].dr6, DR6_INIT | BIT(1), "DR6 has B1");
    /* "for any fault-class exception except a debug exception generated in response to an instruction breakpoint" */
    ok(!(traps[0].flags & FLAG_RF), "RFLAGS on the stack doesn't have RF");
    write_dr2((uptr)b_next);
    write_dr7(0x400 | G(1) | G(2));
    run(b_code, NULL);
    ok(trap_count == 2 && traps[1].ip == (uptr)b_next && traps[1].dr6 == (DR6_INIT | BIT(2)),
       "RF masks one instruction only");
    write_dr7(0x400);
    run(b_code, NULL);
    ok_eq(trap_count, 0, "no breakpoint that isn't enabled");
    write_dr1((uptr)b_at + 1);
    write_dr7(0x400 | G(1));
    run(b_code, NULL);
    ok_eq(trap_count, 0, "only an instruction's first byte counts");
    write_dr1((uptr)b_ss_at);
    run(b_ss, NULL);
    ok_eq(trap_count, 0, "no instruction breakpoint behind MOV SS");
    set_rf = false;
    write_dr7(0x400);
}

CODE(d_write, "movl $5, (%rdi)\nd_write_next: nop\n ret");
CODE_LABEL(d_write_next);
CODE(d_read, "mov (%rdi), %eax\n nop\n ret");
CODE(d_write1, "movb $5, (%rdi)\n nop\n ret");
CODE(d_rep, "mov $4, %ecx\n xor %eax, %eax\nd_rep_at: rep stosb\nd_rep_next: ret");
CODE_LABEL(d_rep_at);
CODE_LABEL(d_rep_next);
CODE(d_ss, "mov (%rdi), %ss\n nop\nd_ss_after: nop\n ret");
CODE_LABEL(d_ss_after);

/* "Data Memory and I/O Breakpoint Exception Conditions": traps */
static void data_breakpoints(void) {
    static u8 area[64] ALIGNED(64);
    static u32 selector = SEL_DATA;
    static const struct {
        const char *name;
        const u8 *code;
        u32 rw, len, at, offset; /* at: where the breakpoint is, offset: where the access begins */
        bool hits;
    } row[] = {
        {"write, exactly",                            d_write,  WRITE,  3, 8,  8,  true },
        {"write, a byte of it",                       d_write,  WRITE,  0, 10, 8,  true },
        {"write, beside it",                          d_write,  WRITE,  0, 12, 8,  false},
        {"write, beginning before it",                d_write,  WRITE,  3, 8,  5,  true },
        {"write, ending before it",                   d_write,  WRITE,  3, 8,  4,  false},
        {"byte write into 4 bytes",                   d_write1, WRITE,  3, 8,  11, true },
        {"byte write into 8 bytes",                   d_write1, WRITE,  2, 8,  15, true },
        {"byte write behind 8 bytes",                 d_write1, WRITE,  2, 8,  16, false},
        {"address bits below the length are ignored", d_write1, WRITE,  3, 10, 8,  true },
        {"read with a write breakpoint",              d_read,   WRITE,  3, 8,  8,  false},
        {"read with an access breakpoint",            d_read,   ACCESS, 3, 8,  8,  true },
        {"write with an access breakpoint",           d_write,  ACCESS, 3, 8,  8,  true }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        write_dr3((uptr)area + row[i].at);
        write_dr7(0x400 | G(3) | RW(3, row[i].rw, row[i].len));
        run(row[i].code, area + row[i].offset);
        ok(trap_count == row[i].hits && (!row[i].hits || (traps[0].dr6 & 0xF) == BIT(3)), "data breakpoint: %s",
           row[i].name);
    }
    write_dr3((uptr)area);
    write_dr7(0x400 | G(3) | RW(3, WRITE, 3));
    run(d_write, area);
    ok_eq(traps[0].ip, (uptr)d_write_next, "a trap: RIP is the next instruction's");
    ok_eq(*(u32 *)(void *)area, 5, "the write was made");
    write_dr3((uptr)area + 1);
    write_dr7(0x400 | G(3) | RW(3, WRITE, 0));
    run(d_rep, area);
    ok(trap_count == 1 && traps[0].ip == (uptr)d_rep_at, "REP STOS: after the iteration that hits");
    write_dr3((uptr)area + 3);
    run(d_rep, area);
    ok(trap_count == 1 && traps[0].ip == (uptr)d_rep_next, "REP STOS: the last iteration");
    write_dr3((uptr)&selector);
    write_dr7(0x400 | G(3) | RW(3, ACCESS, 3));
    run(d_ss, &selector);
    ok(trap_count == 1 && traps[0].ip == (uptr)d_ss_after, "MOV SS with a data breakpoint: after the next instruction");
    write_dr7(0x400);
}

CODE(io_out, "mov $0x80, %edx\n out %al, %dx\nio_out_next: nop\n ret");
CODE_LABEL(io_out_next);
CODE(io_in4, "mov $0x7e, %edx\n in %dx, %eax\n nop\n ret");

static void io_breakpoints(void) {
    if (!(cpuid(1, 0).edx & BIT(2))) {
        skip("no debugging extensions", "I/O breakpoints");
        return;
    }
    write_cr4(read_cr4() | CR4_DE);
    write_dr0(0x80);
    write_dr7(0x400 | G(0) | RW(0, IO, 0));
    run(io_out, NULL);
    ok(trap_count == 1 && traps[0].ip == (uptr)io_out_next && (traps[0].dr6 & 0xF) == 1, "I/O breakpoint: OUT");
    run(io_in4, NULL);
    ok_eq(trap_count, 1, "I/O breakpoint: IN of four ports that has it");
    write_dr0(0x82);
    run(io_in4, NULL);
    ok_eq(trap_count, 0, "I/O breakpoint: not beside them");
    write_dr7(0x400);
    write_cr4(read_cr4() & ~CR4_DE);
}

static void mov_from_dr4(void *arg) {
    (void)arg;
    __asm__ volatile("mov %%dr4, %%rax" : : : "rax");
}
static void mov_to_dr5(void *arg) { __asm__ volatile("mov %0, %%dr5" : : "r"(arg)); }
static void mov_to_dr6(void *arg) { write_dr6(*(uptr *)arg); }
static void mov_to_dr7(void *arg) { write_dr7(*(uptr *)arg); }

static void registers(void) {
    uptr v;
    write_dr6(DR6_INIT);
    write_dr7(0x400);
    ok_eq(read_dr6() & 0xFFFFFFFF, DR6_INIT, "DR6: bits that are always 1");
    write_dr6(0);
    ok_eq(read_dr6() & ~0x10800ULL, DR6_INIT & ~0x10800ULL, "DR6: they can't be cleared");
    write_dr6(DR6_INIT | 0xE00F);
    ok_eq(read_dr6() & 0xE00F, 0xE00F, "DR6: status bits can be written");
    write_dr6(DR6_INIT | BIT(12));
    ok(!(read_dr6() & BIT(12)), "DR6: bit 12 is always 0");
    write_dr6(DR6_INIT);
    write_dr7(0);
    ok_eq(read_dr7(), 0x400, "DR7: bit 10 is always 1");
    v = BIT(32);
    ok(try_fault(mov_to_dr6, &v, &f) == VEC_GP && f.error == 0, "MOV to DR6 of bit 32: #GP(0)");
    v = 0x400 | BIT(32);
    ok(try_fault(mov_to_dr7, &v, &f) == VEC_GP && f.error == 0, "MOV to DR7 of bit 32: #GP(0)");
    ok_eq((u64)try_fault(mov_from_dr4, NULL, NULL), (u64)NO_FAULT, "DR4 is DR6 with CR4.DE 0");
    try_fault(mov_to_dr5, (void *)(0x400 | G(0)), NULL);
    ok_eq(read_dr7(), 0x400 | G(0), "DR5 is DR7 with CR4.DE 0");
    write_dr7(0x400);
    write_cr4(read_cr4() | CR4_DE);
    ok_eq((u64)try_fault(mov_from_dr4, NULL, NULL), VEC_UD, "DR4 with CR4.DE 1: #UD");
    write_cr4(read_cr4() & ~CR4_DE);
}

CODE(gd_code, "mov $0x2400, %eax\n mov %rax, %dr7\ngd_at: mov %dr0, %rcx\n ret");
CODE_LABEL(gd_at);

/* "General-Detect Exception Condition" */
static void general_detect(void) {
    run(gd_code, NULL);
    ok(trap_count == 1 && traps[0].ip == (uptr)gd_at, "DR7.GD: #DB before MOV DR");
    ok_eq(traps[0].dr6, DR6_INIT | DR6_BD, "DR6 has BD");
    ok_eq(read_dr7(), 0x400, "GD was cleared for the handler");
}

CODE(icebp, ".byte 0xf1\nicebp_next: ret");
CODE_LABEL(icebp_next);
static void int1(void) {
    handler_set(VEC_DB, NULL);
    write_dr6(DR6_INIT);
    ok(try_fault((void (*)(void *))(uptr)icebp, NULL, &f) == VEC_DB && f.ip == (uptr)icebp_next, "INT1 is a trap");
    ok_eq(read_dr6(), DR6_INIT, "INT1 leaves DR6 alone");
    handler_set(VEC_DB, on_db);
}

CODE(btf_code, STEP_ON "nop\n nop\n jmp 1f\n nop\n1: btf_target: nop\n nop\n" STEP_OFF "ret");
CODE_LABEL(btf_target);
static void set_btf(void *arg) {
    (void)arg;
    wrmsr(MSR_DEBUGCTL, 2);
}

/* "Single-Stepping on Branches": IA32_DEBUGCTL.BTF; #DB clears it */
static void branch_step(void) {
    if (try_fault(set_btf, NULL, NULL) != NO_FAULT || rdmsr(MSR_DEBUGCTL) != 2) {
        skip("no IA32_DEBUGCTL.BTF", "branch step");
        return;
    }
    keep_tf = false;
    run(btf_code, NULL);
    ok(trap_count == 1 && traps[0].ip == (uptr)btf_target, "BTF: a trap after a taken branch only");
    ok_eq(rdmsr(MSR_DEBUGCTL) & 2, 0, "the #DB cleared BTF");
    wrmsr(MSR_DEBUGCTL, 0);
}

static u32 nmis, nmi_depth, nmi_deepest, interrupts;
static u64 interrupt_ip, interrupt_flags;

static void send_nmi(void) { apic_icr(apic_read(APIC_ID) >> 24, 0x4400); }

static void on_nmi(struct regs *r) {
    (void)r;
    nmis++;
    nmi_depth++;
    if (nmi_depth > nmi_deepest) nmi_deepest = nmi_depth;
    if (nmis == 1) {
        send_nmi();
        for (int i = 0; i < 1000; i++) cpu_pause();
        if (nmis != 1) nmi_deepest = 99;
    }
    nmi_depth--;
}

static void on_interrupt(struct regs *r) {
    interrupts++;
    interrupt_ip = r->ip;
    interrupt_flags = r->flags;
    apic_eoi();
}

CODE(s_sti, "sti\n nop\ns_sti_after: nop\n cli\n ret");
CODE_LABEL(s_sti_after);
CODE(s_sti_cli, "sti\n cli\n nop\n ret");
CODE(s_popf, "pushfq\n orl $0x200, (%rsp)\n popfq\ns_popf_after: nop\n cli\n ret");
CODE_LABEL(s_popf_after);

static void blocking(void) {
    if (!apic_present()) {
        skip("no local APIC", "NMI and STI");
        return;
    }
    apic_enable();
    handler_set(VEC_NMI, on_nmi);
    send_nmi();
    for (int i = 0; i < 1000 && nmis < 2; i++) cpu_pause();
    ok_eq(nmis, 2, "an NMI sent from an NMI handler arrives");
    ok_eq(nmi_deepest, 1, "but only after the handler's IRET");
    handler_set(VEC_NMI, NULL);
    handler_set(0x41, on_interrupt);
    apic_self_ipi(0x41);
    run(s_sti, NULL);
    ok(interrupts == 1 && interrupt_ip == (uptr)s_sti_after, "STI: interrupts after the next instruction");
    interrupts = 0;
    apic_self_ipi(0x41);
    run(s_sti_cli, NULL);
    ok_eq(interrupts, 0, "STI and CLI: none in between");
    run(s_popf, NULL);
    ok(interrupts == 1 && interrupt_ip == (uptr)s_popf_after, "POPF that sets IF has no shadow");
    handler_set(0x41, NULL);
}

#define REP_BYTES 0x40000
CODE(r_movs, "mov $0x40000, %ecx\n lea 0x40000(%rdi), %rsi\n sti\n nop\nr_movs_at: rep movsb\n cli\n ret");
CODE_LABEL(r_movs_at);
CODE(r_scas, "mov $0x40000, %ecx\n mov $1, %eax\n sti\n nop\nr_scas_at: repne scasb\n cli\n ret");
CODE_LABEL(r_scas_at);
CODE(r_loop, "mov $0x20000, %ecx\n sti\nr_loop_at: dec %ecx\n jnz r_loop_at\n cli\n ret");

/* Runs the code while the local APIC's timer is armed, for longer and longer, until it hits [first, end). */
static bool interrupted_in(const u8 *code, void *rdi, const u8 *first, const u8 *end) {
    for (u32 ticks = 1000; ticks < 1u << 24; ticks *= 2) {
        interrupts = 0;
        apic_write(APIC_TIMER_INIT, ticks);
        run(code, rdi);
        apic_write(APIC_TIMER_INIT, 0);
        irq_enable();
        cpu_pause();
        irq_disable();
        if (interrupts && interrupt_ip >= (uptr)first && interrupt_ip < (uptr)end) return true;
    }
    return false;
}

/* "Instruction-Breakpoint Exception Condition": RF is 1 in the image that an interrupt after any iteration but the last
 * leaves, so that the breakpoint of the string instruction is not hit again when it goes on. */
static void repetition(void) {
    if (!apic_present()) {
        skip("no local APIC", "interrupts of repeated string instructions");
        return;
    }
    u8 *memory = pages_alloc(2 * REP_BYTES / PAGE_SIZE, 1);
    for (u32 n = 0; n < REP_BYTES; n += 64) memory[REP_BYTES + n] = (u8)(n / 64 + 2);
    apic_enable();
    apic_write(APIC_TIMER_DIV, 0xB);
    apic_write(APIC_LVT_TIMER, 0x41);
    handler_set(0x41, on_interrupt);
    if (!interrupted_in(r_movs, memory, r_movs_at, r_movs_at + 1)) {
        skip("none came in the middle", "interrupts of repeated string instructions");
        return;
    }
    ok(interrupt_flags & FLAG_RF, "REP MOVSB: RF is 1 on the stack of an interrupt in the middle");
    u32 wrong = 0;
    for (u32 n = 0; n < REP_BYTES; n++) wrong += memory[n] != memory[REP_BYTES + n];
    ok_eq(wrong, 0, "and it goes on to the end");
    interrupted_in(r_loop, NULL, r_loop, r_loop + 64);
    ok(!(interrupt_flags & FLAG_RF), "an interrupt between other instructions leaves it 0");
    memset(memory, 0, REP_BYTES);
    if (interrupted_in(r_scas, memory, r_scas_at, r_scas_at + 1))
        ok(interrupt_flags & FLAG_RF, "REPNE SCASB likewise");
    else
        skip("none came in the middle", "REPNE SCASB likewise");
    set_rf = true;
    write_dr0((uptr)r_movs_at);
    write_dr7(0x400 | G(0));
    bool hit = interrupted_in(r_movs, memory, r_movs_at, r_movs_at + 1);
    write_dr7(0x400);
    set_rf = false;
    if (hit)
        ok_eq(trap_count, 1, "a breakpoint on it is reported once, whatever interrupts it");
    else
        skip("none came in the middle", "a breakpoint on it is reported once");
    apic_write(APIC_LVT_TIMER, 0x41 | BIT(16));
    handler_set(0x41, NULL);
    interrupts = 0;
}

void guest_main(void) {
    handler_set(VEC_DB, on_db);
    single_step();
    instruction_breakpoints();
    data_breakpoints();
    io_breakpoints();
    registers();
    general_detect();
    int1();
    branch_step();
    repetition();
    handler_set(VEC_DB, NULL);
    blocking();
}
