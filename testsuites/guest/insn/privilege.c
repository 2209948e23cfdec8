/* Which instructions a privilege level, a mode or a prefix forbids: privileged instructions at CPL 3, UMIP, IOPL, the
 * I/O permission bitmap, what doesn't exist in 64-bit mode, LOCK, the limit of 15 bytes, #AC. SDM 3, "Privileged
 * Instructions"; SDM 2, "Exceptions" of each; SDM 1, "I/O Permission Bit Map" */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

static struct fault f;
static u64 data[16] ALIGNED(64);

struct row {
    const char *name;
    const u8 *code;
    int vector;
};

static uptr call_it(uptr code) {
    uptr out = code;
    __asm__ volatile("call *%0"
                     : "+a"(out)
                     : "b"(data)
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    return 0;
}
static void user(void *arg) { user_call(call_it, (uptr)arg); }
static void kernel(void *arg) { call_it((uptr)arg); }

CODE(i_hlt, "hlt; ret");
CODE(i_cli, "cli; ret");
CODE(i_sti, "sti; ret");
CODE(i_in, "inb $0x80, %al; ret");
CODE(i_out, "outb %al, $0x80; ret");
CODE(i_ins, "mov %rbx, %rdi; mov $0x80, %edx; insb; ret");
CODE(i_outs, "mov %rbx, %rsi; mov $0x80, %edx; outsb; ret");
CODE(i_lgdt, "lgdt (%rbx); ret");
CODE(i_lidt, "lidt (%rbx); ret");
CODE(i_lldt, "lldt %ax; ret");
CODE(i_ltr, "ltr %ax; ret");
CODE(i_lmsw, "lmsw %ax; ret");
CODE(i_clts, "clts; ret");
CODE(i_from_cr0, "mov %cr0, %rax; ret");
CODE(i_from_cr2, "mov %cr2, %rax; ret");
CODE(i_from_cr3, "mov %cr3, %rax; ret");
CODE(i_from_cr4, "mov %cr4, %rax; ret");
CODE(i_from_cr8, "mov %cr8, %rax; ret");
CODE(i_to_cr0, "mov %rax, %cr0; ret");
CODE(i_to_cr2, "mov %rax, %cr2; ret");
CODE(i_to_cr3, "mov %rax, %cr3; ret");
CODE(i_to_cr4, "mov %rax, %cr4; ret");
CODE(i_to_cr8, "mov %rax, %cr8; ret");
CODE(i_from_dr0, "mov %dr0, %rax; ret");
CODE(i_to_dr7, "mov %rax, %dr7; ret");
CODE(i_invd, "invd; ret");
CODE(i_wbinvd, "wbinvd; ret");
CODE(i_invlpg, "invlpg (%rbx); ret");
CODE(i_rdmsr, "mov $0x10, %ecx; rdmsr; ret");
CODE(i_wrmsr, "mov $0x10, %ecx; wrmsr; ret");
CODE(i_swapgs, "swapgs; ret");
CODE(i_sysret, "sysretl; ret");
CODE(i_sysretq, "sysretq; ret");
CODE(i_sysexit, "sysexitl; ret");

static const struct row privileged[] = {
    {"HLT",           i_hlt,      VEC_GP},
    {"CLI",           i_cli,      VEC_GP},
    {"STI",           i_sti,      VEC_GP},
    {"IN",            i_in,       VEC_GP},
    {"OUT",           i_out,      VEC_GP},
    {"INSB",          i_ins,      VEC_GP},
    {"OUTSB",         i_outs,     VEC_GP},
    {"LGDT",          i_lgdt,     VEC_GP},
    {"LIDT",          i_lidt,     VEC_GP},
    {"LLDT",          i_lldt,     VEC_GP},
    {"LTR",           i_ltr,      VEC_GP},
    {"LMSW",          i_lmsw,     VEC_GP},
    {"CLTS",          i_clts,     VEC_GP},
    {"MOV from CR0",  i_from_cr0, VEC_GP},
    {"MOV from CR2",  i_from_cr2, VEC_GP},
    {"MOV from CR3",  i_from_cr3, VEC_GP},
    {"MOV from CR4",  i_from_cr4, VEC_GP},
    {"MOV from CR8",  i_from_cr8, VEC_GP},
    {"MOV to CR0",    i_to_cr0,   VEC_GP},
    {"MOV to CR2",    i_to_cr2,   VEC_GP},
    {"MOV to CR3",    i_to_cr3,   VEC_GP},
    {"MOV to CR4",    i_to_cr4,   VEC_GP},
    {"MOV to CR8",    i_to_cr8,   VEC_GP},
    {"MOV from DR0",  i_from_dr0, VEC_GP},
    {"MOV to DR7",    i_to_dr7,   VEC_GP},
    {"INVD",          i_invd,     VEC_GP},
    {"WBINVD",        i_wbinvd,   VEC_GP},
    {"INVLPG",        i_invlpg,   VEC_GP},
    {"RDMSR",         i_rdmsr,    VEC_GP},
    {"WRMSR",         i_wrmsr,    VEC_GP},
    {"SWAPGS",        i_swapgs,   VEC_GP},
    {"SYSRET",        i_sysret,   VEC_GP},
    {"SYSRET 64-bit", i_sysretq,  VEC_GP}
};

static void privileges(void) {
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    for (u32 i = 0; i < ARRAY_SIZE(privileged); i++) {
        int v = try_fault(user, (void *)(uptr)privileged[i].code, &f);
        ok(v == VEC_GP && f.error == 0 && (f.cs & 3) == 3, "%s at CPL 3: #GP(0)", privileged[i].name);
        if (v != VEC_GP) diag("vector %d", v);
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
    ok_eq((u64)try_fault(user, (void *)(uptr)i_sysret, NULL), VEC_UD, "SYSRET with EFER.SCE 0: #UD");
}

CODE(i_sgdt, "sgdt (%rbx); ret");
CODE(i_sidt, "sidt (%rbx); ret");
CODE(i_sldt, "sldt %eax; ret");
CODE(i_str, "str %eax; ret");
CODE(i_smsw, "smsw %eax; ret");
CODE(i_rdtsc, "rdtsc; ret");
CODE(i_rdtscp, "rdtscp; ret");
CODE(i_rdpmc, "xor %ecx, %ecx; rdpmc; ret");

/* "CR4.UMIP", "CR4.TSD", "CR4.PCE" */
static void by_control(void) {
    static const struct row umip[] = {
        {"SGDT", i_sgdt, 0},
        {"SIDT", i_sidt, 0},
        {"SLDT", i_sldt, 0},
        {"STR",  i_str,  0},
        {"SMSW", i_smsw, 0}
    };
    bool have = cpuid_if_present(7, 0).ecx & BIT(2);
    for (u32 i = 0; i < ARRAY_SIZE(umip); i++) {
        ok_eq((u64)try_fault(user, (void *)(uptr)umip[i].code, NULL), (u64)NO_FAULT, "%s at CPL 3 without UMIP",
              umip[i].name);
        if (!have) {
            skip("no UMIP", "%s at CPL 3 with UMIP", umip[i].name);
            continue;
        }
        write_cr4(read_cr4() | CR4_UMIP);
        ok(try_fault(user, (void *)(uptr)umip[i].code, &f) == VEC_GP && f.error == 0, "%s at CPL 3 with UMIP: #GP(0)",
           umip[i].name);
        ok_eq((u64)try_fault(kernel, (void *)(uptr)umip[i].code, NULL), (u64)NO_FAULT, "%s at CPL 0 with UMIP",
              umip[i].name);
        write_cr4(read_cr4() & ~CR4_UMIP);
    }
    ok_eq((u64)try_fault(user, (void *)(uptr)i_rdtsc, NULL), (u64)NO_FAULT, "RDTSC at CPL 3 with CR4.TSD 0");
    write_cr4(read_cr4() | CR4_TSD);
    ok_eq((u64)try_fault(user, (void *)(uptr)i_rdtsc, NULL), VEC_GP, "RDTSC at CPL 3 with CR4.TSD 1: #GP");
    ok_eq((u64)try_fault(kernel, (void *)(uptr)i_rdtsc, NULL), (u64)NO_FAULT, "RDTSC at CPL 0 with CR4.TSD 1");
    if (cpuid_if_present(0x80000001, 0).edx & BIT(27)) {
        ok_eq((u64)try_fault(user, (void *)(uptr)i_rdtscp, NULL), VEC_GP, "RDTSCP at CPL 3 with CR4.TSD 1: #GP");
        ok_eq((u64)try_fault(kernel, (void *)(uptr)i_rdtscp, NULL), (u64)NO_FAULT, "RDTSCP at CPL 0 with CR4.TSD 1");
    } else {
        skip("no RDTSCP", "RDTSCP with CR4.TSD 1");
    }
    write_cr4(read_cr4() & ~CR4_TSD);
    ok_eq((u64)try_fault(user, (void *)(uptr)i_rdpmc, NULL), VEC_GP, "RDPMC at CPL 3 with CR4.PCE 0: #GP");
}

static struct {
    struct tss tss;
    u8 map[0x2001];
} __attribute__((packed)) wide;

CODE(i_in4, "mov $0x7e, %edx; inl %dx, %eax; ret");
CODE(i_in_ffff, "mov $0xffff, %edx; inb %dx, %al; ret");
CODE(i_sti_cli, "sti; cli; ret");
CODE(i_popf, "pushfq; orl $0x200, (%rsp); popfq; pushfq; pop %rax; mov %rax, (%rbx); ret");

static void with_iopl3(void *arg) {
    u64 *sp = (u64 *)user_stack_top();
    *--sp = (uptr)user_exit;
    user_enter((uptr)call_it, (uptr)sp, SEL_UCODE64 | 3, SEL_UDATA | 3, 0x3002, (uptr)arg);
}

/* IOPL and the bitmap: "if CPL > IOPL the processor checks the I/O permission bit map" */
static void io_permission(void) {
    ok_eq((u64)try_fault(with_iopl3, (void *)(uptr)i_in, NULL), (u64)NO_FAULT, "IN at CPL 3 with IOPL 3");
    ok_eq((u64)try_fault(with_iopl3, (void *)(uptr)i_sti_cli, NULL), (u64)NO_FAULT, "STI and CLI at CPL 3 with IOPL 3");
    user((void *)(uptr)i_popf);
    ok(!(data[0] & FLAG_IF), "POPF at CPL 3 with IOPL 0 leaves IF alone");
    with_iopl3((void *)(uptr)i_popf);
    ok(data[0] & FLAG_IF, "POPF at CPL 3 with IOPL 3 changes IF");
    wide.tss = guest_tss;
    wide.tss.iomap_base = sizeof wide.tss;
    memset(wide.map, 0xFF, sizeof wide.map);
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&wide, sizeof wide - 1, 0x89);
    guest_gdt[(SEL_TSS >> 3) + 1] = 0;
    load_tr(SEL_TSS);
    ok_eq((u64)try_fault(user, (void *)(uptr)i_in, NULL), VEC_GP, "IN of a port whose bit is 1: #GP");
    wide.map[0x80 / 8] = 0xFE;
    ok_eq((u64)try_fault(user, (void *)(uptr)i_in, NULL), (u64)NO_FAULT, "IN of a port whose bit is 0");
    ok_eq((u64)try_fault(user, (void *)(uptr)i_in4, NULL), VEC_GP, "IN of four ports of which one's bit is 1: #GP");
    wide.map[0x78 / 8] = 0x3F;
    wide.map[0x80 / 8] = 0xFC;
    ok_eq((u64)try_fault(user, (void *)(uptr)i_in4, NULL), (u64)NO_FAULT,
          "IN of four ports whose bits are 0, across bytes of the map");
    wide.map[0x1FFF] = 0x7F;
    ok_eq((u64)try_fault(user, (void *)(uptr)i_in_ffff, NULL), (u64)NO_FAULT,
          "IN of port FFFFh with a byte behind the map");
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&wide, sizeof wide - 2, 0x89);
    load_tr(SEL_TSS);
    ok_eq((u64)try_fault(user, (void *)(uptr)i_in_ffff, NULL), VEC_GP, "IN of port FFFFh without it: #GP");
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&guest_tss, sizeof guest_tss - 1, 0x89);
    guest_gdt[(SEL_TSS >> 3) + 1] = 0;
    load_tr(SEL_TSS);
}

CODE(u_06, ".byte 0x06; ret");
CODE(u_17, ".byte 0x17; ret");
CODE(u_27, ".byte 0x27; ret");
CODE(u_37, ".byte 0x37; ret");
CODE(u_60, ".byte 0x60; ret");
CODE(u_61, ".byte 0x61; ret");
CODE(u_82, ".byte 0x82, 0xc0, 0x01; ret");
CODE(u_9a, ".byte 0x9a, 0, 0, 0, 0, 8, 0; ret");
CODE(u_ce, ".byte 0xce; ret");
CODE(u_d4, ".byte 0xd4, 0x0a; ret");
CODE(u_d6, ".byte 0xd6; ret");
CODE(u_ea, ".byte 0xea, 0, 0, 0, 0, 8, 0; ret");
CODE(u_ud1, "ud1 %eax, %eax; ret");
CODE(u_ud0, ".byte 0x0f, 0xff, 0xc0; ret");
CODE(u_cs, ".byte 0x8e, 0xc8; ret");
CODE(u_seg6, ".byte 0x8e, 0xf0; ret");
CODE(u_cr1, ".byte 0x0f, 0x20, 0xc8; ret");
CODE(u_cr5, ".byte 0x0f, 0x20, 0xe8; ret");
CODE(u_cr9, ".byte 0x44, 0x0f, 0x20, 0xc8; ret");
CODE(u_dr8, ".byte 0x44, 0x0f, 0x21, 0xc0; ret");
CODE(u_lds, ".byte 0xc5, 0x00; ret");
CODE(u_lea_reg, ".byte 0x8d, 0xc0; ret");
CODE(u_bound, ".byte 0x62, 0x00; ret");
CODE(u_far_reg, ".byte 0xff, 0xd8; ret");
CODE(u_ff7, ".byte 0xff, 0xf8; ret");
CODE(u_fe2, ".byte 0xfe, 0xd0; ret");
CODE(u_8f1, ".byte 0xc6, 0xc8, 0; ret");
CODE(u_cx8_reg, ".byte 0x0f, 0xc7, 0xc8; ret");

static const struct row undefined[] = {
    {"PUSH ES",                   u_06,      VEC_UD},
    {"POP SS",                    u_17,      VEC_UD},
    {"DAA",                       u_27,      VEC_UD},
    {"AAA",                       u_37,      VEC_UD},
    {"PUSHA",                     u_60,      VEC_UD},
    {"POPA",                      u_61,      VEC_UD},
    {"opcode 82",                 u_82,      VEC_UD},
    {"CALL ptr16:32",             u_9a,      VEC_UD},
    {"INTO",                      u_ce,      VEC_UD},
    {"AAM",                       u_d4,      VEC_UD},
    {"SALC",                      u_d6,      VEC_UD},
    {"JMP ptr16:32",              u_ea,      VEC_UD},
    {"UD1",                       u_ud1,     VEC_UD},
    {"UD0",                       u_ud0,     VEC_UD},
    {"MOV to CS",                 u_cs,      VEC_UD},
    {"MOV to segment register 6", u_seg6,    VEC_UD},
    {"MOV from CR1",              u_cr1,     VEC_UD},
    {"MOV from CR5",              u_cr5,     VEC_UD},
    {"MOV from CR9",              u_cr9,     VEC_UD},
    {"MOV from DR8",              u_dr8,     VEC_UD},
    {"LDS (a short VEX)",         u_lds,     VEC_UD},
    {"LEA of a register",         u_lea_reg, VEC_UD},
    {"BOUND",                     u_bound,   VEC_UD},
    {"far CALL of a register",    u_far_reg, VEC_UD},
    {"opcode FF /7",              u_ff7,     VEC_UD},
    {"opcode FE /2",              u_fe2,     VEC_UD},
    {"opcode C6 /1",              u_8f1,     VEC_UD},
    {"CMPXCHG8B of a register",   u_cx8_reg, VEC_UD}
};

/* SDM 2, "LOCK": only these instructions, only with a memory destination */
CODE(l_add, "lock addl $1, (%rbx); ret");
CODE(l_add_reg, ".byte 0xf0, 0x83, 0xc0, 0x01; ret");
CODE(l_add_load, ".byte 0xf0, 0x03, 0x03; ret");
CODE(l_cmp, ".byte 0xf0, 0x83, 0x3b, 0x01; ret");
CODE(l_mov, ".byte 0xf0, 0x89, 0x03; ret");
CODE(l_nop, ".byte 0xf0, 0x90; ret");
CODE(l_bt, ".byte 0xf0, 0x0f, 0xba, 0x23, 0x01; ret");
CODE(l_bts, "lock btsl $1, (%rbx); ret");
CODE(l_xchg, "lock xchg %eax, (%rbx); ret");
CODE(l_xadd, "lock xadd %eax, (%rbx); ret");
CODE(l_cx8, "lock cmpxchg8b (%rbx); ret");
CODE(l_not, "lock notl (%rbx); ret");
CODE(l_inc_reg, ".byte 0xf0, 0xff, 0xc0; ret");
CODE(l_push, ".byte 0xf0, 0x50; ret");
CODE(l_test, ".byte 0xf0, 0xf6, 0x03, 0x01; ret");
CODE(l_shl, ".byte 0xf0, 0xd1, 0x23; ret");

static const struct row locks[] = {
    {"LOCK ADD m, imm",  l_add,      NO_FAULT},
    {"LOCK ADD r, imm",  l_add_reg,  VEC_UD  },
    {"LOCK ADD r, m",    l_add_load, VEC_UD  },
    {"LOCK CMP m, imm",  l_cmp,      VEC_UD  },
    {"LOCK MOV m, r",    l_mov,      VEC_UD  },
    {"LOCK NOP",         l_nop,      VEC_UD  },
    {"LOCK BT m, imm",   l_bt,       VEC_UD  },
    {"LOCK BTS m, imm",  l_bts,      NO_FAULT},
    {"LOCK XCHG m, r",   l_xchg,     NO_FAULT},
    {"LOCK XADD m, r",   l_xadd,     NO_FAULT},
    {"LOCK CMPXCHG8B m", l_cx8,      NO_FAULT},
    {"LOCK NOT m",       l_not,      NO_FAULT},
    {"LOCK INC r",       l_inc_reg,  VEC_UD  },
    {"LOCK TEST m, imm", l_test,     VEC_UD  },
    {"LOCK SHL m",       l_shl,      VEC_UD  }
};

CODE(n_15, ".fill 14, 1, 0x66; nop; ret");
CODE(n_16, ".fill 15, 1, 0x66; nop; ret");
CODE(n_15_jump, ".fill 9, 1, 0x2e; .byte 0x81, 0x04, 0x23; .long 0; .byte 0xc3");

/* SDM 2, "Instruction Format": more than 15 bytes are #GP */
static const struct row lengths[] = {
    {"an instruction of 15 bytes",       n_15,      NO_FAULT},
    {"an instruction of 16 bytes: #GP",  n_16,      VEC_GP  },
    {"a longer one with immediate: #GP", n_15_jump, VEC_GP  }
};

static const struct row lock_push[] = {
    {"LOCK PUSH", l_push, VEC_UD}
};

static void table(const struct row *rows, u32 count, const char *verb) {
    for (u32 i = 0; i < count; i++) {
        int v = try_fault(kernel, (void *)(uptr)rows[i].code, &f);
        ok(v == rows[i].vector && (v == NO_FAULT || f.error == 0), "%s%s", rows[i].name, verb);
        if (v != rows[i].vector) diag("vector %d", v);
        if (v != NO_FAULT && v == rows[i].vector) ok(f.ip == (uptr)rows[i].code, "%s: RIP", rows[i].name);
    }
}

CODE(a_read2, "movzwl 1(%rbx), %eax; ret");
CODE(a_read4, "mov 2(%rbx), %eax; ret");
CODE(a_write8, "movq $0, 4(%rbx); ret");
CODE(a_byte, "movb 3(%rbx), %al; ret");
CODE(a_aligned, "mov 8(%rbx), %rax; ret");
static void with_ac(void *arg) {
    u64 *sp = (u64 *)user_stack_top();
    *--sp = (uptr)user_exit;
    user_enter((uptr)call_it, (uptr)sp, SEL_UCODE64 | 3, SEL_UDATA | 3, FLAG_AC | 2, (uptr)arg);
}
static void kernel_with_ac(void *arg) {
    write_flags(read_flags() | FLAG_AC);
    call_it((uptr)arg);
}

/* SDM 3, "Interrupt 17 - Alignment Check Exception (#AC)": CR0.AM, EFLAGS.AC, CPL 3 */
static void alignment(void) {
    write_cr0(read_cr0() | CR0_AM);
    ok(try_fault(with_ac, (void *)(uptr)a_read2, &f) == VEC_AC && f.error == 0, "a word at an odd address: #AC(0)");
    ok(try_fault(with_ac, (void *)(uptr)a_read4, &f) == VEC_AC, "a doubleword that isn't aligned: #AC");
    ok(try_fault(with_ac, (void *)(uptr)a_write8, &f) == VEC_AC, "a quadword that isn't aligned: #AC");
    ok_eq((u64)try_fault(with_ac, (void *)(uptr)a_byte, NULL), (u64)NO_FAULT, "a byte: no #AC");
    ok_eq((u64)try_fault(with_ac, (void *)(uptr)a_aligned, NULL), (u64)NO_FAULT, "an aligned quadword: no #AC");
    ok_eq((u64)try_fault(user, (void *)(uptr)a_read4, NULL), (u64)NO_FAULT, "no #AC without EFLAGS.AC");
    ok_eq((u64)try_fault(kernel_with_ac, (void *)(uptr)a_read4, NULL), (u64)NO_FAULT, "no #AC at CPL 0");
    write_cr0(read_cr0() & ~CR0_AM);
    ok_eq((u64)try_fault(with_ac, (void *)(uptr)a_read4, NULL), (u64)NO_FAULT, "no #AC without CR0.AM");
}

void guest_main(void) {
    privileges();
    by_control();
    io_permission();
    table(undefined, ARRAY_SIZE(undefined), " in 64-bit mode: #UD");
    table(locks, ARRAY_SIZE(locks), "");
    table(lengths, ARRAY_SIZE(lengths), "");
    alignment();
    ok_eq((u64)try_fault(user, (void *)(uptr)i_sysexit, NULL), cpuid(0, 0).ecx == 0x444D4163 ? VEC_UD : VEC_GP,
          "SYSEXIT at CPL 3");
    table(lock_push, 1, ""); /* the last one: a processor that runs it doesn't come back */
}
