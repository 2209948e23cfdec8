/* System instructions in 64-bit mode: control registers, EFER and MSRs, descriptor tables, LAR and LSL, SWAPGS and
 * FSGSBASE, SYSCALL and SYSRET, SYSENTER and SYSEXIT, CPUID, AC, TSC_AUX, MONITOR and MWAIT. SDM 2, each instruction;
 * SDM 4, the MSRs; APM 3, SYSCALL and SYSENTER, where the vendors differ */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

static struct fault f;
static bool intel;

static void set_cr0(void *arg) { write_cr0(*(uptr *)arg); }
static void set_cr4(void *arg) { write_cr4(*(uptr *)arg); }
static void set_cr8(void *arg) { write_cr8(*(uptr *)arg); }

static bool gp0(void (*fn)(void *), uptr v) {
    uptr cr0 = read_cr0(), cr4 = read_cr4();
    bool good = try_fault(fn, &v, &f) == VEC_GP && f.error == 0;
    if (f.vector == NO_FAULT) {
        write_cr0(cr0);
        write_cr4(cr4);
        write_cr8(0);
    }
    return good;
}

static void control_registers(void) {
    uptr cr0 = read_cr0(), cr4 = read_cr4();
    ok(gp0(set_cr0, cr0 | BIT(32)), "MOV to CR0 with bit 32: #GP(0)");
    ok(gp0(set_cr0, (cr0 & ~CR0_CD) | CR0_NW), "MOV to CR0 with NW 1 and CD 0: #GP(0)");
    uptr v = cr0 & ~CR0_ET;
    try_fault(set_cr0, &v, NULL);
    ok(read_cr0() & CR0_ET, "CR0.ET stays 1");
    ok(gp0(set_cr4, cr4 | BIT(31)), "MOV to CR4 with a reserved bit: #GP(0)");
    ok(gp0(set_cr4, cr4 | BIT(40)), "MOV to CR4 with bit 40: #GP(0)");
    ok(gp0(set_cr8, 16), "MOV to CR8 with bit 4: #GP(0)");
    write_cr8(5);
    ok_eq(read_cr8(), 5, "CR8 keeps its value");
    write_cr8(0);
    ok_eq(read_cr0(), cr0, "CR0 is as before");
    u32 msw;
    __asm__ volatile("lmsw %w0" : : "r"(0));
    ok(read_cr0() & CR0_PE, "LMSW can't clear PE");
    ok_eq(read_cr0() & 0xE, 0, "LMSW writes MP, EM, TS");
    __asm__ volatile("lmsw %w0" : : "r"(0xFFFE));
    ok_eq(read_cr0() & 0x3F, (cr0 & 0x31) | 0xE, "and nothing else");
    __asm__ volatile("clts");
    ok(!(read_cr0() & CR0_TS), "CLTS");
    write_cr0(cr0);
    __asm__ volatile("smsw %0" : "=r"(msw));
    ok_eq(msw & 0xFFFF, cr0 & 0xFFFF, "SMSW");
    u64 word = ~0ULL;
    __asm__ volatile("smsw %0" : "+m"(word));
    ok_eq(word, (~0ULL & ~0xFFFFULL) | (cr0 & 0xFFFF), "SMSW to memory writes 16 bits");
}

struct write {
    u32 msr;
    u64 v;
};
static void do_wrmsr(void *arg) { wrmsr(((struct write *)arg)->msr, ((struct write *)arg)->v); }
static void do_rdmsr(void *arg) { ((struct write *)arg)->v = rdmsr(((struct write *)arg)->msr); }

static void msrs(void) {
    static const struct {
        const char *name;
        struct write w;
    } bad[] = {
        {"EFER with a reserved bit",      {MSR_EFER, BIT(9)}                            },
        {"EFER with bit 63",              {MSR_EFER, BIT(63)}                           },
        {"FS_BASE, non-canonical",        {MSR_FS_BASE, BIT(63)}                        },
        {"GS_BASE, non-canonical",        {MSR_GS_BASE, BIT(63)}                        },
        {"KERNEL_GS_BASE, non-canonical", {MSR_KERNEL_GS_BASE, BIT(63)}                 },
        {"LSTAR, non-canonical",          {MSR_LSTAR, BIT(63)}                          },
        {"CSTAR, non-canonical",          {MSR_CSTAR, BIT(63)}                          },
        {"PAT with type 2",               {MSR_PAT, 2}                                  },
        {"PAT with type 8",               {MSR_PAT, 0x0007040600070408}                 },
        {"APIC_BASE with a reserved bit", {MSR_APIC_BASE, 0xFEE00000 | BIT(11) | BIT(0)}},
        {"an MSR that isn't there",       {0x1234ABCD, 0}                               },
        {"TSC_AUX with bits 63:32",       {MSR_TSC_AUX, BIT(32)}                        }
    };
    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        struct write w = bad[i].w, old = {w.msr, 0};
        if (i < 2) w.v |= rdmsr(MSR_EFER);
        if (bad[i].w.msr == MSR_TSC_AUX && !(cpuid(0x80000001, 0).edx & BIT(27))) continue;
        bool readable = try_fault(do_rdmsr, &old, NULL) == NO_FAULT;
        int v = try_fault(do_wrmsr, &w, &f);
        ok(v == VEC_GP && f.error == 0, "WRMSR of %s: #GP(0)", bad[i].name);
        if (v == NO_FAULT && readable) wrmsr(old.msr, old.v);
    }
    struct write w = {0x1234ABCD, 0};
    ok_eq((u64)try_fault(do_rdmsr, &w, NULL), VEC_GP, "RDMSR of an MSR that isn't there: #GP");
    w = (struct write){MSR_EFER, rdmsr(MSR_EFER) & ~EFER_LME};
    ok_eq((u64)try_fault(do_wrmsr, &w, NULL), VEC_GP, "clearing EFER.LME with paging on: #GP");
    w = (struct write){MSR_EFER, rdmsr(MSR_EFER) & ~EFER_LMA};
    ok(try_fault(do_wrmsr, &w, NULL) == VEC_GP || (rdmsr(MSR_EFER) & EFER_LMA), "EFER.LMA can't be cleared by WRMSR");
    wrmsr(MSR_LSTAR, 0xFFFF800000123456);
    ok_eq(rdmsr(MSR_LSTAR), 0xFFFF800000123456, "LSTAR keeps its value");
    wrmsr(MSR_TSC, 0x1000000000);
    u64 t = rdtsc();
    ok(t >= 0x1000000000 && t < 0x1100000000, "WRMSR of the TSC sets it");
    u64 t2 = rdmsr(MSR_TSC);
    ok(t2 >= t && rdtsc() >= t2, "the TSC goes forward");
    /* upper halves of RAX and RDX become 0 */
    u64 a = ~0ULL, d = ~0ULL;
    __asm__ volatile("rdmsr" : "+a"(a), "+d"(d) : "c"(MSR_EFER));
    ok(!(a >> 32) && !(d >> 32), "RDMSR clears bits 63:32 of RAX and RDX");
}

static void do_lgdt(void *arg) { __asm__ volatile("lgdt (%0)" : : "r"(arg) : "memory"); }
static void do_lidt(void *arg) { __asm__ volatile("lidt (%0)" : : "r"(arg) : "memory"); }
static void do_lldt(void *arg) { __asm__ volatile("lldt %w0" : : "r"(*(u32 *)arg)); }
static void do_ltr(void *arg) { __asm__ volatile("ltr %w0" : : "r"(*(u32 *)arg)); }

static bool selector_fault(void (*fn)(void *), u32 sel, int vector, u64 error) {
    return try_fault(fn, &sel, &f) == vector && f.error == error;
}

static void descriptor_tables(void) {
    struct table_register bad = {0xFF, BIT(63)}, gdtr = read_gdtr(), idtr = read_idtr();
    u8 stored[16];
    ok(try_fault(do_lgdt, &bad, &f) == VEC_GP && f.error == 0, "LGDT of a non-canonical base: #GP(0)");
    load_gdtr(gdtr);
    ok(try_fault(do_lidt, &bad, &f) == VEC_GP && f.error == 0, "LIDT of a non-canonical base: #GP(0)");
    load_idtr(idtr);
    memset(stored, 0xEE, sizeof stored);
    __asm__ volatile("sgdt (%0)" : : "r"(stored) : "memory");
    ok(!memcmp(stored, &gdtr, 10) && stored[10] == 0xEE, "SGDT stores ten bytes");
    __asm__ volatile(".byte 0x66\n sgdt (%0)" : : "r"(stored) : "memory");
    ok(!memcmp(stored, &gdtr, 10), "an operand-size prefix doesn't matter");
    ok(selector_fault(do_lldt, SEL_DATA, VEC_GP, SEL_DATA), "LLDT of a data segment: #GP(selector)");
    ok(selector_fault(do_lldt, 0x1F8 | 4, VEC_GP, 0x1FC), "LLDT with TI: #GP(selector)");
    ok(selector_fault(do_lldt, 0x1000, VEC_GP, 0x1000), "LLDT beyond the GDT: #GP(selector)");
    guest_gdt[SEL_FREE >> 3] = seg_descriptor(0x1000, 0xFF, 0x02);
    guest_gdt[(SEL_FREE >> 3) + 1] = 0;
    ok(selector_fault(do_lldt, SEL_FREE, VEC_NP, SEL_FREE), "LLDT of a segment that isn't present: #NP(selector)");
    guest_gdt[SEL_FREE >> 3] = seg_descriptor(0x1000, 0xFF, 0x82);
    guest_gdt[(SEL_FREE >> 3) + 1] = 0x80000000; /* base bit 63 */
    ok(selector_fault(do_lldt, SEL_FREE, VEC_GP, SEL_FREE), "LLDT of a non-canonical base: #GP(selector)");
    guest_gdt[(SEL_FREE >> 3) + 1] = 1ULL << 40;
    ok(selector_fault(do_lldt, SEL_FREE, VEC_GP, SEL_FREE), "LLDT, the second half has a type: #GP(selector)");
    guest_gdt[(SEL_FREE >> 3) + 1] = 0;
    ok(selector_fault(do_lldt, SEL_FREE, NO_FAULT, f.error), "LLDT");
    u32 sel;
    __asm__ volatile("sldt %0" : "=r"(sel));
    ok_eq(sel, SEL_FREE, "SLDT");
    load_ldtr(0);
    ok(selector_fault(do_ltr, 0, VEC_GP, 0), "LTR of a null selector: #GP(0)");
    ok(selector_fault(do_ltr, SEL_TSS, VEC_GP, SEL_TSS), "LTR of a busy TSS: #GP(selector)");
    ok(selector_fault(do_ltr, SEL_CODE64, VEC_GP, SEL_CODE64), "LTR of a code segment: #GP(selector)");
    guest_gdt[SEL_FREE >> 3] = seg_descriptor((u32)(uptr)&guest_tss, sizeof guest_tss - 1, 0x09);
    ok(selector_fault(do_ltr, SEL_FREE, VEC_NP, SEL_FREE), "LTR of a TSS that isn't present: #NP(selector)");
    guest_gdt[SEL_FREE >> 3] = seg_descriptor((u32)(uptr)&guest_tss, sizeof guest_tss - 1, 0x89);
    ok(selector_fault(do_ltr, SEL_FREE, NO_FAULT, f.error), "LTR");
    ok(guest_gdt[SEL_FREE >> 3] >> 40 & 2, "LTR sets the busy bit");
    guest_gdt[SEL_TSS >> 3] &= ~BIT(41);
    load_tr(SEL_TSS);
    guest_gdt[SEL_FREE >> 3] = 0;
}

/* SDM 2, "LAR", "LSL", "VERR/VERW": types that are valid in 64-bit mode, privilege */
static void access_rights(void) {
    static const struct {
        const char *name;
        u32 attr; /* of the descriptor, as in seg_descriptor() */
        u32 rpl;
        bool lar, lsl, verr, verw;
    } row[] = {
        {"data, read-only",               0xC091, 0, true,  true,  true,  false},
        {"data, read-write",              0xC093, 0, true,  true,  true,  true },
        {"data, expand-down",             0x4097, 0, true,  true,  true,  true },
        {"code, execute-only",            0xC099, 0, true,  true,  false, false},
        {"code, readable",                0xA09B, 0, true,  true,  true,  false},
        {"data, DPL 0, RPL 3",            0xC093, 3, false, false, false, false},
        {"data, DPL 3, RPL 3",            0xC0F3, 3, true,  true,  true,  true },
        {"conforming code, DPL 0, RPL 3", 0xA09F, 3, true,  true,  true,  false},
        {"data, not present",             0xC013, 0, true,  true,  true,  true },
        {"LDT",                           0x0082, 0, true,  true,  false, false},
        {"TSS, available",                0x0089, 0, true,  true,  false, false},
        {"TSS, busy",                     0x008B, 0, true,  true,  false, false},
        {"call gate",                     0x008C, 0, true,  false, false, false},
        {"interrupt gate",                0x008E, 0, false, false, false, false},
        {"task gate",                     0x0085, 0, false, false, false, false},
        {"16-bit TSS",                    0x0081, 0, false, false, false, false},
        {"16-bit call gate",              0x0084, 0, false, false, false, false},
        {"type 0",                        0x0080, 0, false, false, false, false}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        u64 d = seg_descriptor(0x12345678, 0x54321, row[i].attr);
        u64 sel = SEL_FREE | row[i].rpl, r = 0x5555, l = 0x5555;
        bool lar, lsl, verr, verw;
        guest_gdt[SEL_FREE >> 3] = d;
        guest_gdt[(SEL_FREE >> 3) + 1] = 0;
        __asm__ volatile("lar %2, %0" : "+r"(r), "=@ccz"(lar) : "r"(sel));
        __asm__ volatile("lsl %2, %0" : "+r"(l), "=@ccz"(lsl) : "r"(sel));
        __asm__ volatile("verr %w1" : "=@ccz"(verr) : "r"(sel));
        __asm__ volatile("verw %w1" : "=@ccz"(verw) : "r"(sel));
        ok(lar == row[i].lar && lsl == row[i].lsl, "LAR and LSL of %s", row[i].name);
        ok(verr == row[i].verr && verw == row[i].verw, "VERR and VERW of %s", row[i].name);
        if (row[i].lar)
            ok_eq(r & 0xF0FF00, d >> 32 & 0xF0FF00, "LAR of %s: access rights", row[i].name);
        else
            ok_eq(r, 0x5555, "LAR of %s: the destination stays", row[i].name);
        if (row[i].lsl)
            ok_eq(l, row[i].attr & BIT(15) ? 0x54321FFF : 0x54321, "LSL of %s: limit in bytes", row[i].name);
    }
    bool z;
    u64 none = 0, r = 0x77;
    __asm__ volatile("lar %2, %0" : "+r"(r), "=@ccz"(z) : "r"(none));
    ok(!z && r == 0x77, "LAR of a null selector");
    guest_gdt[SEL_FREE >> 3] = 0;
}

static void rdfsbase(void *arg) { __asm__ volatile("rdfsbase %0" : "=r"(*(u64 *)arg)); }
static void wrgsbase(void *arg) { __asm__ volatile("wrgsbase %0" : : "r"(*(u64 *)arg)); }

static void bases(void) {
    wrmsr(MSR_GS_BASE, 0x1000);
    wrmsr(MSR_KERNEL_GS_BASE, 0xFFFF800000002000);
    __asm__ volatile("swapgs" : : : "memory");
    ok(rdmsr(MSR_GS_BASE) == 0xFFFF800000002000 && rdmsr(MSR_KERNEL_GS_BASE) == 0x1000, "SWAPGS swaps");
    u64 v = 0;
    if (!(cpuid_if_present(7, 0).ebx & BIT(0))) {
        skip("no FSGSBASE", "FSGSBASE");
    } else {
        ok_eq((u64)try_fault(rdfsbase, &v, NULL), VEC_UD, "RDFSBASE with CR4.FSGSBASE 0: #UD");
        write_cr4(read_cr4() | CR4_FSGSBASE);
        wrmsr(MSR_FS_BASE, 0xFFFF800000003000);
        rdfsbase(&v);
        ok_eq(v, 0xFFFF800000003000, "RDFSBASE");
        u32 half;
        __asm__ volatile("rdfsbase %0" : "=r"(half));
        ok_eq(half, 0x3000, "RDFSBASE of 32 bits");
        v = 0x4000;
        wrgsbase(&v);
        ok_eq(rdmsr(MSR_GS_BASE), 0x4000, "WRGSBASE");
        __asm__ volatile("wrgsbase %k0" : : "r"(0xFFFFFFFF00005000));
        ok_eq(rdmsr(MSR_GS_BASE), 0x5000, "WRGSBASE of 32 bits zero-extends");
        v = BIT(63);
        ok(try_fault(wrgsbase, &v, &f) == VEC_GP && f.error == 0, "WRGSBASE of a non-canonical address: #GP(0)");
        write_cr4(read_cr4() & ~CR4_FSGSBASE);
    }
    /* a segment register load sets the base from the descriptor: 32 bits of it */
    wrmsr(MSR_FS_BASE, 0xFFFF800000003000);
    load_fs(SEL_DATA);
    ok_eq(rdmsr(MSR_FS_BASE), 0, "MOV to FS loads the base");
    load_fs(0);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    wrmsr(MSR_FS_BASE, 0);
}

/* CPL 3 code executes SYSCALL; the entry stores what it sees and leaves by INT (CPL 0: the library's exit works there,
 * too) */
CODE(s_entry,
     "s_entry_at: mov %rcx, s_rcx(%rip)\n mov %r11, s_r11(%rip)\n mov %cs, %eax\n mov %eax, s_cs(%rip)\n"
     "mov %ss, %eax\n mov %eax, s_ss(%rip)\n mov %rsp, s_rsp(%rip)\n pushfq\n pop s_flags(%rip)\n"
     "cmpb $0, s_back32(%rip)\n jne 1f\n sysretq\n1: lea s_user32(%rip), %ecx\n sysretl\n"
     ".code32\ns_user32: mov %cs, %eax\n int $0xf0\n.code64\n"
     ".pushsection .bss\n.p2align 3\ns_rcx: .skip 8\ns_r11: .skip 8\ns_rsp: .skip 8\ns_flags: .skip 8\ns_cs: .skip 4\n"
     "s_ss: .skip 4\ns_back32: .skip 4\n.popsection");
CODE_LABEL(s_entry_at);
extern u64 s_rcx, s_r11, s_rsp, s_flags;
extern u32 s_cs, s_ss, s_back32;
CODE(s_user,
     "s_user_at: syscall\ns_user_after: pushfq\n pop %rax\n mov %cs, %ecx\n shl $32, %rcx\n or %rcx, %rax\n int $0xf0");
CODE_LABEL(s_user_after);

static void do_syscall(void *arg) {
    *(u64 *)arg = user_enter((uptr)s_user, user_stack_top() - 64, SEL_UCODE64 | 3, SEL_UDATA | 3,
                             FLAG_DF | FLAG_CF | FLAG_AC | 2, 0);
}

static void syscalls(void) {
    u64 result = 0;
    wrmsr(MSR_STAR, (u64)((SEL_UCODE32 | 3) & ~0ULL) << 48 | (u64)SEL_CODE64 << 32);
    wrmsr(MSR_LSTAR, (uptr)s_entry_at);
    wrmsr(MSR_SFMASK, FLAG_DF | FLAG_IF | FLAG_TF);
    ok_eq((u64)try_fault(do_syscall, &result, &f), VEC_UD, "SYSCALL with EFER.SCE 0: #UD");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    int v = try_fault(do_syscall, &result, &f);
    if (!ok_eq((u64)v, (u64)NO_FAULT, "SYSCALL and SYSRET")) return;
    ok_eq(s_rcx, (uptr)s_user_after, "SYSCALL: RCX is the next RIP");
    ok_eq(s_r11 & ~BIT(1), FLAG_DF | FLAG_CF | FLAG_AC, "SYSCALL: R11 is RFLAGS");
    ok_eq(s_flags & ~BIT(1), FLAG_CF | FLAG_AC, "SYSCALL: RFLAGS are masked by SFMASK");
    ok_eq(s_cs, SEL_CODE64, "SYSCALL: CS");
    ok_eq(s_ss, SEL_CODE64 + 8, "SYSCALL: SS");
    ok_eq(s_rsp, user_stack_top() - 64, "SYSCALL: RSP stays");
    ok_eq(result >> 32, SEL_UCODE64 | 3, "SYSRET to 64-bit code: CS");
    ok_eq(result & 0xFFFFFFFF & ~BIT(1), FLAG_DF | FLAG_CF | FLAG_AC, "SYSRET: RFLAGS from R11");
    s_back32 = 1;
    v = try_fault(do_syscall, &result, &f);
    ok(v == NO_FAULT && (u32)result == (SEL_UCODE32 | 3), "SYSRET to compatibility mode: CS");
    s_back32 = 0;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
}

/* SYSENTER: SDM 2; AMD processors have neither it nor SYSEXIT in long mode (APM 3) */
CODE(e_user, "lea e_user_after(%rip), %rdx\n mov %rsp, %rcx\n sysenter\ne_user_after: mov %cs, %eax\n int "
             "$0xf0\n.pushsection .text.code\n"
             "e_entry: mov %cs, %eax\n mov %eax, e_cs(%rip)\n mov %ss, %eax\n mov %eax, e_ss(%rip)\n mov %rsp, "
             "e_rsp(%rip)\n sysexitq\n"
             ".popsection\n.pushsection .bss\n.p2align 3\ne_rsp: .skip 8\ne_cs: .skip 4\ne_ss: .skip 4\n.popsection");
CODE_LABEL(e_entry);
extern u64 e_rsp;
extern u32 e_cs, e_ss;
static void do_sysenter(void *arg) {
    *(u64 *)arg = user_enter((uptr)e_user, user_stack_top() - 64, SEL_UCODE64 | 3, SEL_UDATA | 3, 2, 0);
}

static void sysenter(void) {
    u64 result = 0;
    if (!intel) {
        ok_eq((u64)try_fault(do_sysenter, &result, &f), VEC_UD, "SYSENTER in long mode on AMD: #UD");
        return;
    }
    wrmsr(MSR_SYSENTER_CS, 0);
    ok(try_fault(do_sysenter, &result, &f) == VEC_GP && f.error == 0, "SYSENTER with SYSENTER_CS 0: #GP(0)");
    /* kernel code, kernel data, user code32, user data, user code64 from SYSENTER_CS on */
    u16 base = SEL_FREE + 0x10;
    guest_gdt[base >> 3] = guest_gdt[SEL_CODE64 >> 3];
    guest_gdt[(base >> 3) + 1] = guest_gdt[SEL_DATA >> 3];
    guest_gdt[(base >> 3) + 2] = guest_gdt[SEL_UCODE32 >> 3];
    guest_gdt[(base >> 3) + 3] = guest_gdt[SEL_UDATA >> 3];
    guest_gdt[(base >> 3) + 4] = guest_gdt[SEL_UCODE64 >> 3];
    guest_gdt[(base >> 3) + 5] = guest_gdt[SEL_UDATA >> 3];
    wrmsr(MSR_SYSENTER_CS, base);
    wrmsr(MSR_SYSENTER_EIP, (uptr)e_entry);
    wrmsr(MSR_SYSENTER_ESP, 0xFFFF800000001230);
    ok_eq((u64)try_fault(do_sysenter, &result, &f), (u64)NO_FAULT, "SYSENTER and SYSEXIT");
    ok(e_cs == base && e_ss == base + 8u, "SYSENTER: CS and SS");
    ok_eq(e_rsp, 0xFFFF800000001230, "SYSENTER: RSP has 64 bits");
    ok_eq((u32)result, (base + 32u) | 3, "SYSEXIT to 64-bit code: CS");
    wrmsr(MSR_SYSENTER_CS, 0);
}

static void cpuid_leaves(void) {
    struct cpuid c0 = cpuid(0, 0), c1 = cpuid(1, 0), e0 = cpuid(0x80000000, 0), e1 = cpuid(0x80000001, 0);
    ok(c0.eax >= 1, "CPUID: basic leaves up to 1");
    ok(e0.eax >= 0x80000008, "CPUID: extended leaves up to 80000008h");
    u32 width = cpuid(0x80000008, 0).eax;
    ok((width & 0xFF) >= 36 && (width & 0xFF) <= 52, "CPUID: physical-address width");
    ok((width >> 8 & 0xFF) == (cpuid(7, 0).ecx & BIT(16) ? 57 : 48), "CPUID: linear-address width");
    ok(e1.edx & BIT(29), "CPUID: long mode");
    ok((c1.edx & BIT(6)) && (c1.edx & BIT(5)) && (c1.edx & BIT(8)), "CPUID: PAE, MSRs, CMPXCHG8B");
    if (intel) {
        struct cpuid last = cpuid(c0.eax, 0), beyond = cpuid(c0.eax + 0x1000, 0);
        ok(last.eax == beyond.eax && last.ebx == beyond.ebx,
           "CPUID: beyond the highest basic leaf it is that one's data");
    } else {
        struct cpuid beyond = cpuid(c0.eax + 0x1000, 0);
        ok(!(beyond.eax | beyond.ebx | beyond.ecx | beyond.edx), "CPUID: beyond the highest basic leaf it is zeros");
    }
    u64 a = 0xFFFFFFFF00000000ULL, b = ~0ULL, c = 0, d = ~0ULL;
    __asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
    ok(!(a >> 32) && !(b >> 32) && !(d >> 32), "CPUID clears bits 63:32 and ignores RAX's");
    if (c0.eax >= 0xB) ok((cpuid(0xB, 3).ecx & 0xFF) == 3, "CPUID: leaf 0Bh gives back the subleaf");
    bool osxsave = c1.ecx & BIT(27);
    ok(osxsave == !!(read_cr4() & CR4_OSXSAVE), "CPUID: OSXSAVE is CR4's bit");
    ok(cpuid(7, 0).ecx & BIT(4) ? (read_cr4() & CR4_PKE) != 0 : true, "CPUID: OSPKE is CR4's bit");
}

static void do_monitor(void *arg) { __asm__ volatile("monitor" : : "a"(arg), "c"(1), "d"(0)); }
static void do_stac(void *arg) {
    (void)arg;
    __asm__ volatile("stac" : : : "cc");
}

static void others(void) {
    static volatile u64 line[8] ALIGNED(64);
    u64 a = 0, c;
    if (cpuid(7, 0).ebx & BIT(20)) {
        __asm__ volatile("stac\n pushfq\n pop %0\n clac" : "=r"(a));
        ok(a & FLAG_AC, "STAC sets AC");
        ok(!(read_flags() & FLAG_AC), "CLAC clears AC");
    } else {
        ok_eq((u64)try_fault(do_stac, NULL, NULL), VEC_UD, "STAC without SMAP: #UD");
    }
    if (cpuid(0x80000001, 0).edx & BIT(27)) {
        wrmsr(MSR_TSC_AUX, 0x1234);
        __asm__ volatile("rdtscp" : "=a"(a), "=c"(c) : : "rdx");
        ok_eq(c, 0x1234, "RDTSCP gives TSC_AUX");
        if (cpuid(7, 0).ecx & BIT(22)) {
            __asm__ volatile("rdpid %0" : "=r"(a));
            ok_eq(a, 0x1234, "RDPID gives TSC_AUX");
        } else {
            skip("no RDPID", "RDPID");
        }
    } else {
        skip("no RDTSCP", "RDTSCP");
    }
    if (cpuid(1, 0).ecx & BIT(3)) {
        ok_eq((u64)try_fault(do_monitor, (void *)line, NULL), VEC_GP, "MONITOR with ECX 1: #GP");
    } else {
        skip("no MONITOR", "MONITOR");
    }
    __asm__ volatile("wbinvd; invlpg (%0); clflush (%0)" : : "r"(line) : "memory");
    __asm__ volatile("invlpg (%0)" : : "r"(BIT(63)) : "memory");
    ok(true, "WBINVD, CLFLUSH, INVLPG, also of a non-canonical address");
}

/* the last test: a processor that misses the write sleeps for ever */
static void monitor(void) {
    static volatile u64 line[8] ALIGNED(64);
    if (!(cpuid(1, 0).ecx & BIT(3))) return;
    __asm__ volatile("monitor" : : "a"(line), "c"(0), "d"(0));
    line[0]++;
    __asm__ volatile("mwait" : : "a"(0), "c"(0));
    ok(true, "MWAIT ends when the line was written");
}

/* Near branches to non-canonical addresses: #GP(0) at the branch */
static void jump_to(void *arg) { __asm__ volatile("jmp *%0" : : "r"(arg)); }
static void return_to(void *arg) { __asm__ volatile("push %0\nreturn_to_ret: ret" : : "r"(arg) : "memory"); }
static void branches(void) {
    CODE_LABEL(return_to_ret);
    ok(try_fault(jump_to, (void *)0x800000000000, &f) == VEC_GP && f.error == 0 && f.ip < 0x10000000,
       "JMP to a non-canonical address: #GP(0) at the JMP");
    ok(try_fault(return_to, (void *)BIT(63), &f) == VEC_GP && f.error == 0 && f.ip == (uptr)return_to_ret,
       "RET to a non-canonical address: #GP(0) at the RET");
}

void guest_main(void) {
    intel = cpuid(0, 0).ecx == 0x6C65746E; /* "ntel" */
    msrs();
    descriptor_tables();
    access_rights();
    bases();
    syscalls();
    sysenter();
    cpuid_leaves();
    others();
    branches();
    control_registers();
    monitor();
}
