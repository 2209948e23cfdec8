/* Far transfers in long mode: 64-bit call gates, compatibility mode and back, RETF and IRET, SYSCALL from compatibility
 * mode, limits there, IRET with a null SS. SDM 3, "IA-32e Mode Call Gates", "Stack Switching in IA-32e Mode"; SDM 2,
 * "CALL", "RET", "IRET", "SYSCALL" */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define GATE   0x70 /* two entries */
#define TARGET 0x80
#define DATA   0x88

static struct fault f;

static void set(u16 sel, u32 base, u32 limit, u32 attr) { guest_gdt[sel >> 3] = seg_descriptor(base, limit, attr); }
static void set_gate(u16 target, const void *code, u32 type) {
    u64 o = (uptr)code;
    guest_gdt[GATE >> 3] = (o & 0xFFFF) | (u64)target << 16 | (u64)type << 40 | (o >> 16 & 0xFFFF) << 48;
    guest_gdt[(GATE >> 3) + 1] = o >> 32;
}

struct far_pointer {
    u32 offset;
    u16 sel;
} __attribute__((packed));
static void far_call(void *arg) { __asm__ volatile("lcall *(%0)" : : "r"(arg) : "rax", "rcx", "rdx", "memory", "cc"); }
static void far_jump(void *arg) { __asm__ volatile("ljmp *(%0)" : : "r"(arg) : "memory"); }
static uptr user_far_call(uptr arg) {
    far_call((void *)arg);
    return 0;
}
static void at_cpl3(void *arg) { user_call(user_far_call, (uptr)arg); }

static bool gives(void (*fn)(void *), u16 sel, u32 offset, int vector, u64 error) {
    struct far_pointer p = {offset, sel};
    return try_fault(fn, &p, &f) == vector && (vector == NO_FAULT || f.error == error);
}
#define check(good, name)                                                                                              \
    do {                                                                                                               \
        if (!ok(good, name)) diag("vector %d, error code %#llx", f.vector, f.error);                                   \
    } while (0)

CODE(l_far, "l_far_at: mov %cs, %eax\n mov %eax, l_cs(%rip)\n mov %ss, %eax\n mov %eax, l_ss(%rip)\n mov %rsp, "
            "l_rsp(%rip)\n mov 8(%rsp), %rax\n mov %rax, l_1(%rip)\n"
            "mov 24(%rsp), %rax\n mov %rax, l_3(%rip)\n lretq\n"
            ".pushsection .bss\n.p2align 3\nl_1: .skip 8\nl_3: .skip 8\nl_rsp: .skip 8\nl_cs: .skip 4\nl_ss: .skip "
            "4\n.popsection");
CODE_LABEL(l_far_at);
extern u64 l_1, l_3, l_rsp;
extern u32 l_cs, l_ss;

static void gates(void) {
    set(TARGET, 0, 0xFFFFF, 0xA09B);
    set_gate(TARGET, l_far_at, 0x8C);
    check(gives(far_call, GATE, 0, NO_FAULT, 0), "CALL through a 64-bit call gate");
    ok(l_cs == TARGET && (l_1 & 0xFFFF) == SEL_CODE64, "CS; the old CS in a quadword on the stack");
    set_gate(TARGET, l_far_at, 0x0C);
    check(gives(far_call, GATE, 0, VEC_NP, GATE), "CALL, gate not present: #NP(gate)");
    set_gate(SEL_CODE32, l_far_at, 0x8C);
    check(gives(far_call, GATE, 0, VEC_GP, SEL_CODE32), "CALL, compatibility-mode code in the gate: #GP(selector)");
    set_gate(TARGET, l_far_at, 0x8C);
    guest_gdt[(GATE >> 3) + 1] |= 1ULL << 40;
    check(gives(far_call, GATE, 0, VEC_GP, GATE), "CALL, the gate's second half has a type: #GP(gate)");
    set_gate(TARGET, l_far_at, 0x8C);
    guest_gdt[(GATE >> 3) + 1] = 0x8000;
    check(gives(far_call, GATE, 0, VEC_GP, 0), "CALL, non-canonical offset in the gate: #GP(0)");
    set_gate(TARGET, l_far_at, 0x84);
    check(gives(far_call, GATE, 0, VEC_GP, GATE), "CALL of a 16-bit call gate: #GP(gate)");
    set_gate(TARGET, l_far_at, 0x85);
    check(gives(far_call, GATE, 0, VEC_GP, GATE), "CALL of a task gate: #GP(gate)");
    check(gives(far_jump, SEL_TSS, 0, VEC_GP, SEL_TSS), "JMP to a TSS: #GP(selector)");
    check(gives(far_call, 0, 0, VEC_GP, 0), "CALL of a null selector: #GP(0)");
    set_gate(TARGET, l_far_at, 0xEC);
    check(gives(at_cpl3, GATE | 3, 0, NO_FAULT, 0), "CALL from CPL 3 through a 64-bit gate, and RETF back");
    ok_eq(l_rsp, (guest_tss.rsp[0] & ~15ULL) - 32, "RSP is RSP0 less four quadwords");
    ok_eq(l_ss, 0, "SS is null");
    ok((l_1 & 0xFFFF) == (SEL_UCODE64 | 3) && (l_3 & 0xFFFF) == (SEL_UDATA | 3), "the old CS and SS are on the stack");
    set_gate(TARGET, l_far_at, 0x8C);
    check(gives(at_cpl3, GATE | 3, 0, VEC_GP, GATE), "CALL from CPL 3 of a gate with DPL 0: #GP(gate)");
}

CODE(c_probe, ".code32\nc_probe_at: mov %cs, %eax\n mov $0x12345678, %edx\n .byte 0x40\n lret\nc_limit_at: mov "
              "%fs:(%esi), %eax\n lret\n"
              ".code64");
CODE_LABEL(c_probe_at);
CODE_LABEL(c_limit_at);

static u32 compat_eax;
static void compat_call(void *arg) {
    __asm__ volatile("lcall *(%1)" : "=a"(compat_eax) : "r"(arg), "S"(0x10) : "rcx", "rdx", "memory", "cc");
}

/* "Compatibility mode": 40h is INC EAX, segments have limits */
static void compatibility(void) {
    struct far_pointer p = {(u32)(uptr)c_probe_at, SEL_CODE32};
    check(try_fault(compat_call, &p, &f) == NO_FAULT, "far CALL to compatibility mode and RETF back");
    ok_eq(compat_eax, SEL_CODE32 + 1, "its CS, and 40h is INC EAX");
    p.offset = (u32)(uptr)c_limit_at;
    set(DATA, 0, 0xF, 0x4093);
    load_fs(DATA);
    check(try_fault(compat_call, &p, &f) == VEC_GP && f.error == 0 && f.cs == SEL_CODE32,
          "an access beyond a limit in compatibility mode: #GP(0)");
    u32 v;
    __asm__ volatile("mov %%fs:(%1), %0" : "=r"(v) : "r"((u64)(uptr)&p));
    ok_eq(v, p.offset, "limits don't matter in 64-bit mode");
    load_fs(0);
    p = (struct far_pointer){0x1000, SEL_CODE32};
    set(TARGET, 0, 0xFFF, 0x409B);
    p.sel = TARGET;
    check(try_fault(far_call, &p, &f) == VEC_GP && f.error == 0,
          "far CALL to compatibility mode beyond the limit: #GP(0)");
    set(TARGET, 0, 0xFFFFF, 0xE09B);
    check(gives(far_call, TARGET, 0, VEC_GP, TARGET), "far CALL of a segment with L and D: #GP(selector)");
}

CODE(u_probe, "u_probe_at: mov %ss, %eax\n shl $16, %eax\n mov %cs, %ax\n int $0xf0");
CODE_LABEL(u_probe_at);
static u32 enter_result;
static void enter_user_null_ss(void *arg) {
    (void)arg;
    enter_result = (u32)user_enter((uptr)u_probe_at, user_stack_top(), SEL_UCODE64 | 3, 0 | 3, 2, 0);
}
static void iret_kernel(void *arg) {
    const u64 *w = arg; /* RIP, CS, SS */
    __asm__ volatile("mov %%rsp, %%rax\n push %0\n push %%rax\n push $2\n push %1\n push %2\n iretq"
                     :
                     : "r"(w[2]), "r"(w[1]), "r"(w[0])
                     : "rax", "memory");
}
static void lret_null_ss(void *arg) {
    (void)arg;
    __asm__ volatile("pushq $3\n pushq $0x1000\n pushq %0\n pushq %1\n lretq"
                     :
                     : "r"((u64)(SEL_UCODE64 | 3)), "r"((u64)(uptr)u_probe_at)
                     : "memory");
}

/* IRET always pops SS:RSP; a null SS is allowed to 64-bit code at CPL other than 3, with RPL = CPL */
static void returns(void) {
    u64 w[3] = {(uptr)iret_kernel, SEL_CODE64, 0};
    check(try_fault(enter_user_null_ss, NULL, &f) == VEC_GP && f.error == 0, "IRET to CPL 3 with a null SS: #GP(0)");
    check(try_fault(lret_null_ss, NULL, &f) == VEC_GP && f.error == 0, "RETF to CPL 3 with a null SS: #GP(0)");
    CODE_LABEL(iret_landing);
    w[0] = (uptr)iret_landing;
    check(try_fault(iret_kernel, w, &f) == VEC_BP && f.ss == 0, "IRET to CPL 0 with a null SS");
    w[2] = SEL_DATA;
    check(try_fault(iret_kernel, w, &f) == VEC_BP && f.ss == SEL_DATA, "IRET to CPL 0");
    w[0] = 0x800000000000;
    check(try_fault(iret_kernel, w, &f) == VEC_GP && f.error == 0, "IRET to a non-canonical address: #GP(0)");
    w[0] = (uptr)iret_landing;
    w[1] = SEL_DATA;
    check(try_fault(iret_kernel, w, &f) == VEC_GP && f.error == SEL_DATA, "IRET, CS of a data segment: #GP(selector)");
    w[1] = 0;
    check(try_fault(iret_kernel, w, &f) == VEC_GP && f.error == 0, "IRET, null CS: #GP(0)");
    write_flags(read_flags() | FLAG_NT);
    CODE_LABEL(nt_iret);
    int v = try_fault((void (*)(void *))(uptr)nt_iret, NULL, &f);
    write_flags(read_flags() & ~FLAG_NT);
    ok(v == VEC_GP && f.error == 0, "IRET with NT in long mode: #GP(0)");
}
CODE(landing, "iret_landing: int3\n hlt");
CODE(nt, "nt_iret: pushq $0x10\n push %rsp\n pushq $0x4002\n pushq $8\n pushq $iret_landing\n iretq");

CODE(sc_user, ".code32\nsc_user_at: syscall\n int $0xf0\n.code64\n");
CODE_LABEL(sc_user_at);
CODE(sc_entry, "sc_entry_at: mov $0x5C, %eax\n sysretl");
CODE_LABEL(sc_entry_at);
static u32 sc_result;
static void syscall_compat(void *arg) {
    (void)arg;
    sc_result = (u32)user_enter((uptr)sc_user_at, user_stack_top(), SEL_UCODE32 | 3, SEL_UDATA | 3, 2, 0);
}

/* SYSCALL in compatibility mode: #UD on Intel, CSTAR on AMD */
static void compat_syscall(void) {
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (u64)(SEL_UCODE32 | 3) << 48 | (u64)SEL_CODE64 << 32);
    wrmsr(MSR_CSTAR, (uptr)sc_entry_at);
    int v = try_fault(syscall_compat, NULL, &f);
    if (cpuid(0, 0).ecx == 0x6C65746E)
        ok_eq((u64)v, VEC_UD, "SYSCALL in compatibility mode on Intel: #UD");
    else
        ok(v == NO_FAULT && sc_result == 0x5C, "SYSCALL in compatibility mode on AMD goes to CSTAR");
}

void guest_main(void) {
    gates();
    compatibility();
    returns();
    compat_syscall();
}
