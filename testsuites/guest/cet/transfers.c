/* Shadow stacks in far transfers, events and system calls, in long mode. SDM 2, "CALL", "RET", "INT n/INTO/INT3/INT1",
 * "IRET", "SYSCALL", "SYSRET", "SYSENTER", "SYSEXIT"; SDM 1 "Supervisor Shadow Stack Token". */
#include "testsuites/guest/cet/common.h"

#define GATE     0x70 /* two entries */
#define TF_INT   0x80 /* vectors of the tests: handlers that return, on the current stack and on IST4 */
#define IST_INT  0x81
#define USER_INT 0x82

static void set_call_gate(const void *code, u32 dpl) {
    u64 o = (uptr)code;
    guest_gdt[GATE >> 3] =
        (o & 0xFFFF) | (u64)SEL_CODE64 << 16 | (u64)(0x8C | dpl << 5) << 40 | (o >> 16 & 0xFFFF) << 48;
    guest_gdt[(GATE >> 3) + 1] = o >> 32;
}

/* ---- far CALL and RET at one level ---- */

struct far_pointer {
    u32 offset; /* AMD has no more */
    u16 sel;
} __attribute__((packed));

/* RDI points to the far pointer; what is called notes its frame. A first near CALL gives a misaligned stack of 4 bytes
 * when asked (RSI of the caller is not used). */
PIECE(p_far, "lcall *(%rdi)\n p_far_back:");
CODE_LABEL(p_far_back);
PIECE(p_far_hole, "mov $1, %eax\n call 2f\n nop\n 2: incsspd %eax\n lcall *(%rdi)");
CODE(t_far,
     "endbr64\n rdsspq %rax\n mov %rax, n_ssp(%rip)\n mov (%rax), %rcx\n mov %rcx, n_prev(%rip)\n mov 8(%rax), %rcx\n "
     "mov %rcx, n_lip(%rip)\n mov 16(%rax), %rcx\n mov %rcx, n_cs(%rip)\n mov 24(%rax), %rcx\n mov %rcx, "
     "n_above(%rip)\n incl n_runs(%rip)\n lretl\n"
     ".pushsection .bss\n.p2align 3\nn_ssp: .skip 8\nn_prev: .skip 8\nn_lip: .skip 8\nn_cs: .skip 8\nn_above: .skip "
     "8\nn_runs: .skip 4\n.popsection");
extern u64 n_ssp, n_prev, n_lip, n_cs, n_above;
extern u32 n_runs;
CODE(t_far_lip, "endbr64\n lea 1f(%rip), %rax\n mov %eax, (%rsp)\n lretl\n 1: jmp cet_done");
CODE(t_far_cs, "endbr64\n movl $0x70, 4(%rsp)\n lretl");
CODE(t_far_prev, "endbr64\n rdsspq %rcx\n lea 2(%rcx), %rax\n add $24, %rax\n wrssq %rax, (%rcx)\n lretl");
CODE(t_far_high, "endbr64\n rdsspq %rcx\n mov $0x0100000000000000, %rax\n wrssq %rax, (%rcx)\n lretl");
CODE(t_far_cs_high, "endbr64\n rdsspq %rcx\n mov $0x10008, %eax\n wrssq %rax, 16(%rcx)\n lretl");
CODE(t_far_misaligned, "endbr64\n mov $1, %eax\n incsspd %eax\n lretl");

/* behind call gates */
CODE(t_lretq, "endbr64\n rdsspq %rax\n mov %rax, n_ssp(%rip)\n mov (%rax), %rcx\n mov %rcx, n_prev(%rip)\n incl "
              "n_runs(%rip)\n lretq");

static int far(const u8 *code, u64 s_cet) {
    struct far_pointer p = {(u32)(uptr)code, SEL_CODE64};
    cet_fresh();
    n_runs = 0;
    return cet_run(p_far, s_cet, (uptr)&p);
}

static void far_calls(void) {
    struct far_pointer p = {(u32)(uptr)t_far, SEL_CODE64};
    check(far(t_far, SH_STK_EN) == NO_FAULT && n_runs == 1 && cet_ssp == TOP, "far CALL and RET");
    ok(n_ssp == TOP - 24 && n_prev == TOP && n_lip == (uptr)p_far_back && n_cs == SEL_CODE64,
       "the frame: SSP of before, linear address, CS");
    cet_fresh();
    check(cet_run(p_far_hole, SH_STK_EN, (uptr)&p) == NO_FAULT && n_ssp == TOP - 8 - 24 && n_prev == TOP - 4,
          "a stack aligned to 4 gets aligned to 8");
    ok_eq(n_above & 0xFFFFFFFF, 0, "zeros in the hole");
    ok_eq(cet_ssp, TOP - 4, "RETF goes back to the misaligned SSP");
    check(far(t_far_lip, SH_STK_EN) == VEC_CP && f.error == CP_FAR_RET, "RETF to another address: #CP(FAR-RET)");
    guest_gdt[GATE >> 3] = guest_gdt[SEL_CODE64 >> 3];
    check(far(t_far_cs, SH_STK_EN) == VEC_CP && f.error == CP_FAR_RET, "RETF with another CS: #CP(FAR-RET)");
    check(far(t_far_cs_high, SH_STK_EN | WR_SHSTK_EN) == VEC_CP && f.error == CP_FAR_RET,
          "RETF, bits beyond 15 in the frame's CS: #CP(FAR-RET)");
    check(far(t_far_prev, SH_STK_EN | WR_SHSTK_EN) == VEC_CP && f.error == CP_FAR_RET,
          "RETF, the frame's SSP not aligned to 4: #CP(FAR-RET)");
    check(far(t_far_high, SH_STK_EN | WR_SHSTK_EN) == VEC_GP && f.error == 0,
          "RETF, the frame's SSP not canonical: #GP(0)");
    check(far(t_far_misaligned, SH_STK_EN) == VEC_CP && f.error == CP_FAR_RET,
          "RETF, SSP not aligned to 8: #CP(FAR-RET)");
    check(far(t_far_lip, 0) == NO_FAULT, "no such checks while shadow stacks are off");
    set_call_gate(t_lretq, 0);
    p = (struct far_pointer){0, GATE};
    cet_fresh();
    check(cet_run(p_far, SH_STK_EN, (uptr)&p) == NO_FAULT && n_prev == TOP && n_ssp == TOP - 24 && cet_ssp == TOP,
          "CALL through a gate at the same level");
}

CODE(t_compat,
     ".code32\n endbr32\n rdsspd %eax\n mov %eax, n_ssp\n call 1f\n nop\n 1: mov $1, %eax\n incsspd %eax\n pop %eax\n "
     "lretl\n.code64");
PIECE(p_compat, "lcall *(%rdi)");

static void compatibility(void) {
    struct far_pointer p = {(u32)(uptr)t_compat, SEL_CODE32};
    cet_fresh();
    check(cet_run(p_compat, SH_STK_EN, (uptr)&p) == VEC_GP && f.error == 0,
          "far CALL to compatibility mode, SSP beyond 4 GiB: #GP(0)");
    cet_fresh();
    u64 low = SHADOW_LOW + TOKEN_AT;
    *shadow_alias(TOP) = low;
    wrmsr(MSR_PL0_SSP, low);
    n_ssp = 0;
    check(cet_run(p_compat, SH_STK_EN, (uptr)&p) == NO_FAULT && n_ssp == low - 24 && cet_ssp == low,
          "far CALL to compatibility mode and back, SSP below 4 GiB");
}

/* ---- events ---- */

CODE(t_iret,
     "endbr64\n rdsspq %rax\n mov %rax, n_ssp(%rip)\n mov (%rax), %rcx\n mov %rcx, n_prev(%rip)\n mov 8(%rax), %rcx\n "
     "mov %rcx, n_lip(%rip)\n mov 16(%rax), %rcx\n mov %rcx, n_cs(%rip)\n mov 24(%rax), %rcx\n mov %rcx, "
     "n_above(%rip)\n incl n_runs(%rip)\n iretq");
CODE(t_iret_lip, "endbr64\n lea 1f(%rip), %rax\n mov %rax, (%rsp)\n iretq\n 1: jmp cet_done");
CODE(t_iret_prev, "endbr64\n rdsspq %rcx\n mov $0x80000004f6, %rax\n wrssq %rax, (%rcx)\n iretq");
CODE(t_iret_noncanonical, "endbr64\n rdsspq %rcx\n mov $0x0100000000000000, %rax\n wrssq %rax, (%rcx)\n iretq");
CODE(t_iret_misaligned, "endbr64\n mov $1, %eax\n incsspd %eax\n iretq");
PIECE(p_int, "int $0x80\n p_int_back:");
CODE_LABEL(p_int_back);
PIECE(p_int_hole, "mov $1, %eax\n call 2f\n nop\n 2: incsspd %eax\n int $0x80\n rdsspq %rdx");
PIECE(p_ist, "int $0x81\n p_ist_back:");
CODE_LABEL(p_ist_back);

static int interrupt(const u8 *handler, u64 s_cet) {
    cet_fresh();
    cet_vector(TF_INT, handler, 0, 0);
    n_runs = 0;
    return cet_run(p_int, s_cet, 0);
}
static int interrupt_ist(u64 s_cet) {
    cet_vector(IST_INT, t_iret, 0, 4);
    n_runs = 0;
    return cet_run(p_ist, s_cet, 0);
}

static void same_level(void) {
    check(interrupt(t_iret, SH_STK_EN) == NO_FAULT && n_runs == 1 && cet_ssp == TOP, "INT and IRET");
    ok(n_ssp == TOP - 24 && n_prev == TOP && n_lip == (uptr)p_int_back && n_cs == SEL_CODE64, "the frame");
    ok_eq(*shadow_alias(TOP), TOP | 1, "the token stays busy");
    cet_fresh();
    check(cet_run(p_int_hole, SH_STK_EN, 0) == NO_FAULT && n_ssp == TOP - 32 && n_prev == TOP - 4 &&
              cet_rdx == TOP - 4 && (u32)n_above == 0,
          "INT with a misaligned SSP leaves a hole of zeros");
    check(interrupt(t_iret_lip, SH_STK_EN) == VEC_CP && f.error == CP_FAR_RET,
          "IRET to another address: #CP(FAR-RET/IRET)");
    check(interrupt(t_iret_prev, SH_STK_EN | WR_SHSTK_EN) == VEC_CP && f.error == CP_FAR_RET,
          "IRET, the frame's SSP not aligned to 4: #CP(FAR-RET/IRET)");
    check(interrupt(t_iret_noncanonical, SH_STK_EN | WR_SHSTK_EN) == VEC_GP && f.error == 0,
          "IRET, the frame's SSP not canonical: #GP(0)");
    check(interrupt(t_iret_misaligned, SH_STK_EN) == VEC_CP && f.error == CP_FAR_RET,
          "IRET, SSP not aligned to 8: #CP(FAR-RET/IRET)");
    check(interrupt(t_iret_lip, 0) == NO_FAULT, "IRET to another address while shadow stacks are off");
}

static void ist(void) {
    static u8 stack[4096] ALIGNED(16);
    guest_tss.ist[3] = (uptr)stack + sizeof stack;
    cet_fresh();
    check(interrupt_ist(SH_STK_EN) == NO_FAULT && n_runs == 1 && cet_ssp == TOP, "INT through IST and IRET");
    ok(n_ssp == TOP2 - 24 && n_prev == TOP && n_lip == (uptr)p_ist_back && n_above == (TOP2 | 1),
       "the shadow stack is that of the table, its token busy");
    ok_eq(*shadow_alias(TOP2), TOP2, "IRET frees the token");
    cet_fresh();
    *shadow_alias(TOP2) |= 1;
    cet_vector(VEC_GP, NULL, 0, 0);
    check(interrupt_ist(SH_STK_EN) == VEC_GP && (f.error & ~1ULL) == 0, "IST, the token is busy: #GP(0)");
    cet_fresh();
    *shadow_alias(TOP2) = TOP2 + 8;
    check(interrupt_ist(SH_STK_EN) == VEC_GP && (f.error & ~1ULL) == 0, "IST, the token is for another place: #GP(0)");
    cet_fresh();
    u64 *table = (u64 *)rdmsr(MSR_SSP_TABLE);
    table[4] = TOP2 + 4;
    check(interrupt_ist(SH_STK_EN) == VEC_GP && (f.error & ~1ULL) == 0,
          "IST, SSP of the table not aligned to 8: #GP(0)");
    cet_fresh();
    wrmsr(MSR_SSP_TABLE, shadow_at(HOLE, 0));
    check(interrupt_ist(SH_STK_EN) == VEC_PF && f.error == 0 && f.cr2 == shadow_at(HOLE, 32),
          "IST, no page at the table: #PF");
    cet_fresh();
    wrmsr(MSR_SSP_TABLE, 0);
    check(interrupt_ist(0) == NO_FAULT, "IST while shadow stacks are off: the table is not read");
    cet_fresh();
}

/* ---- between CPL 3 and CPL 0 ---- */

USER_PIECE(u_int, "int $0x82\n rdsspq %rdx");
USER_PIECE(u_int_deep, "call 1f\n jmp 2f\n 1: int $0x82\n ret\n 2: rdsspq %rdx");
USER_PIECE(u_far, "lcall *(%rdi)\n rdsspq %rdx");
USER_PIECE(u_far_deep, "call 1f\n jmp 2f\n 1: lcall *(%rdi)\n ret\n 2: rdsspq %rdx");
USER_PIECE(u_ud2, "ud2");
USER_PIECE(u_nothing, "rdsspq %rdx");

static int user_interrupt(const u8 *code, u64 u_cet, u64 s_cet) {
    cet_vector(USER_INT, t_iret, 3, 0);
    n_runs = 0;
    n_ssp = ~0ULL;
    return cet_run_user(code, u_cet, s_cet, USER_TOP, 0);
}

static void user_events(void) {
    cet_fresh();
    check(user_interrupt(u_int, SH_STK_EN, SH_STK_EN) == USER_END && n_runs == 1 && cet_rdx == USER_TOP,
          "INT from CPL 3 and IRET, both with shadow stacks");
    ok(n_ssp == TOP && n_prev == (TOP | 1), "SSP is IA32_PL0_SSP, the token busy, no frame");
    ok_eq(rdmsr(MSR_PL3_SSP), USER_TOP, "IA32_PL3_SSP has the user's SSP");
    cet_fresh();
    check(user_interrupt(u_int_deep, SH_STK_EN, SH_STK_EN) == USER_END && cet_rdx == USER_TOP,
          "within a CALL of the user: SSP comes back");
    cet_fresh();
    check(user_interrupt(u_int, 0, SH_STK_EN) == USER_END && n_ssp == TOP,
          "INT from CPL 3, shadow stacks at CPL 0 only");
    ok_eq(rdmsr(MSR_PL3_SSP), USER_TOP, "IA32_PL3_SSP is left alone");
    cet_fresh();
    check(user_interrupt(u_int_deep, SH_STK_EN, 0) == USER_END && cet_rdx == USER_TOP, "shadow stacks at CPL 3 only");
    cet_fresh();
    check(cet_run_user(u_nothing, SH_STK_EN, SH_STK_EN, USER_TOP, 0) == USER_END && *shadow_alias(TOP) == (TOP | 1),
          "the token is busy after the last INT");
    cet_fresh();
}

static int user_call_gate(const u8 *code, u64 u_cet, u64 s_cet) {
    struct far_pointer *p = (struct far_pointer *)(user_stack_top() - 4096);
    *p = (struct far_pointer){0, GATE | 3};
    set_call_gate(t_lretq, 3);
    n_runs = 0;
    return cet_run_user(code, u_cet, s_cet, USER_TOP, (uptr)p);
}

static void user_calls(void) {
    cet_fresh();
    check(user_call_gate(u_far, SH_STK_EN, SH_STK_EN) == USER_END && n_runs == 1 && cet_rdx == USER_TOP,
          "CALL from CPL 3 through a gate and RETF, both with shadow stacks");
    ok(n_ssp == TOP && n_prev == (TOP | 1), "SSP is IA32_PL0_SSP, the token busy, no frame");
    cet_fresh();
    check(user_call_gate(u_far_deep, SH_STK_EN, SH_STK_EN) == USER_END && cet_rdx == USER_TOP,
          "within a CALL of the user");
    cet_fresh();
    check(user_call_gate(u_far, SH_STK_EN, 0) == USER_END && cet_rdx == USER_TOP, "shadow stacks at CPL 3 only");
    cet_fresh();
}

/* The user changes nothing: the supervisor, on the way to it, leaves a bad IA32_PL0_SSP behind. */
PIECE(p_to_user_bad,
      "mov %rdi, %r11\n mov $0x6A4, %ecx\n mov 48(%r11), %rax\n mov %rax, %rdx\n shr $32, %rdx\n wrmsr\n "
      "mov %r11, %rsp\n mov 40(%r11), %rdi\n iretq");
static int user_with_pl0(const u8 *code, u64 pl0) {
    u64 frame[7] = {(uptr)code, SEL_UCODE64 | 3, 2, user_stack_top(), SEL_UDATA | 3, user_stack_top() - 4096, pl0};
    wrmsr(MSR_U_CET, SH_STK_EN);
    return cet_run(p_to_user_bad, SH_STK_EN, (uptr)frame);
}

static void bad_tokens(void) {
    static const struct {
        u32 offset;
        u64 token;
        const char *text;
    } rows[] = {
        {0xFD8, 0xFD9, "a busy token: #GP, then #DF on the shadow stack of IST1"},
        {0xFD8, 0xFE0, "a token for another place: #GP, then #DF"               },
        {0xFD8, 0xFDA, "a reserved bit in the token: #GP, then #DF"             },
        {0xFDC, 0xFDC, "IA32_PL0_SSP not aligned to 8: #GP, then #DF"           },
    };
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        cet_fresh();
        u64 at = shadow_at(SUPER, rows[k].offset);
        *shadow_alias(at) = shadow_at(SUPER, (u32)rows[k].token);
        int vector = user_with_pl0(u_ud2, at);
        check(vector == VEC_DF && f.error == 0, rows[k].text);
        ok(*shadow_alias(at) == shadow_at(SUPER, (u32)rows[k].token) && cet_ssp == TOP2, "the token is as it was");
    }
    cet_fresh();
    check(user_with_pl0(u_ud2, shadow_at(HOLE, 0xFF8)) == VEC_DF, "no page at IA32_PL0_SSP: #PF, then #DF");
    cet_fresh();
    *shadow_alias(shadow_at(SUPER, 0xFD8)) = shadow_at(SUPER, 0xFD8);
    check(user_with_pl0(u_ud2, shadow_at(SUPER, 0xFD8)) == VEC_UD && cet_ssp == shadow_at(SUPER, 0xFD8),
          "another good token");
    cet_fresh();
}

/* Intel: token and frame lie in an aligned region of 32 bytes */
static void region(void) {
    u64 at = shadow_at(SUPER2, 0xFE0);
    if (cpuid(0, 0).ebx != 0x756E6547) {
        skip("Intel's rule", "a token whose frame is in another 32 bytes");
        return;
    }
    cet_fresh();
    u64 *table = (u64 *)rdmsr(MSR_SSP_TABLE);
    table[4] = *shadow_alias(at) = at;
    check(interrupt_ist(SH_STK_EN) == VEC_GP && (f.error & ~1ULL) == 0,
          "a token whose frame would be in another 32 bytes: #GP(0)");
    cet_fresh();
}

/* ---- system calls ---- */

USER_PIECE(u_syscall, "syscall\n rdsspq %rdx");
USER_PIECE(u_syscall_deep, "call 1f\n jmp 2f\n 1: syscall\n ret\n 2: rdsspq %rdx");
CODE(t_syscall,
     "endbr64\n rdsspq %rax\n mov %rax, n_ssp(%rip)\n incl n_runs(%rip)\n setssbsy\n rdsspq %rax\n mov %rax, "
     "n_prev(%rip)\n xor %eax, %eax\n mov $0x8000000ff8, %rdx\n clrssbsy (%rdx)\n sysretq");
CODE(t_syscall_plain, "endbr64\n incl n_runs(%rip)\n sysretq");
USER_PIECE(u_sysenter, "mov %rsp, %rcx\n lea 1f(%rip), %rdx\n sysenter\n 1: rdsspq %rdx");
CODE(t_sysenter, "endbr64\n rdsspq %rax\n mov %rax, n_ssp(%rip)\n incl n_runs(%rip)\n rex.w sysexit");

static void system_calls(void) {
    cet_fresh();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32 | (u64)(SEL_UCODE32 | 3) << 48);
    wrmsr(MSR_SFMASK, FLAG_IF | FLAG_TF);
    wrmsr(MSR_LSTAR, (uptr)t_syscall);
    n_runs = 0;
    n_ssp = ~0ULL;
    check(cet_run_user(u_syscall, SH_STK_EN, SH_STK_EN, USER_TOP, 0) == USER_END && n_runs == 1 && cet_rdx == USER_TOP,
          "SYSCALL and SYSRET, both with shadow stacks");
    ok_eq(n_ssp, 0, "SYSCALL: SSP = 0");
    ok_eq(n_prev, TOP, "SETSSBSY takes the shadow stack");
    cet_fresh();
    check(cet_run_user(u_syscall_deep, SH_STK_EN, SH_STK_EN, USER_TOP, 0) == USER_END && cet_rdx == USER_TOP,
          "SYSCALL within a CALL of the user");
    cet_fresh();
    wrmsr(MSR_LSTAR, (uptr)t_syscall_plain);
    check(cet_run_user(u_syscall_deep, SH_STK_EN, 0, USER_TOP, 0) == USER_END && cet_rdx == USER_TOP,
          "SYSCALL, shadow stacks at CPL 3 only");
    cet_fresh();
    if (cpuid(0, 0).ebx != 0x756E6547) {
        skip("AMD", "SYSENTER in long mode");
        return;
    }
    wrmsr(MSR_SYSENTER_CS, SEL_CODE64);
    wrmsr(MSR_SYSENTER_ESP, guest_tss.rsp[0]);
    wrmsr(MSR_SYSENTER_EIP, (uptr)t_sysenter);
    n_ssp = ~0ULL;
    n_runs = 0;
    check(cet_run_user(u_sysenter, SH_STK_EN, SH_STK_EN, USER_TOP, 0) == USER_END && n_runs == 1 && cet_rdx == USER_TOP,
          "SYSENTER and SYSEXIT, both with shadow stacks");
    ok_eq(n_ssp, 0, "SYSENTER: SSP = 0");
    cet_fresh();
}

void guest_main(void) {
    if (!has_shstk()) {
        skip("no shadow stacks", "everything");
        return;
    }
    cet_setup();
    far_calls();
    compatibility();
    same_level();
    ist();
    user_events();
    user_calls();
    bad_tokens();
    region();
    system_calls();
}
