/* Shadow stacks within one privilege level: registers, pages, near CALL and RET, the management instructions.
 * SDM 1 "Control-flow Enforcement Technology (CET)": "Shadow Stacks"; SDM 2, the pages of the instructions; SDM 3
 * "Access Rights", "Page-Fault Exceptions"; APM 2 "Shadow Stacks". */
#include "testsuites/guest/cet/common.h"

/* ---- registers ---- */

#define NOT_CANONICAL 0x0100000000000000 /* with 57 bits, too */

struct msr_write {
    u32 msr;
    u64 val;
};
static void do_wrmsr(void *arg) {
    const struct msr_write *w = arg;
    wrmsr(w->msr, w->val);
}
static bool refused(u32 msr, u64 val) {
    struct msr_write w = {msr, val};
    return try_fault(do_wrmsr, &w, &f) == VEC_GP && f.error == 0;
}
static void do_cr0(void *arg) { write_cr0((uptr)arg); }
static void do_cr4(void *arg) { write_cr4((uptr)arg); }

static void control_registers(void) {
    uptr cr0 = read_cr0(), cr4 = read_cr4();
    check(try_fault(do_cr0, (void *)(cr0 & ~CR0_WP), &f) == VEC_GP && f.error == 0,
          "CR0.WP := 0 while CR4.CET = 1: #GP(0)");
    write_cr4(cr4 & ~CR4_CET);
    write_cr0(cr0 & ~CR0_WP);
    check(try_fault(do_cr4, (void *)cr4, &f) == VEC_GP && f.error == 0, "CR4.CET := 1 while CR0.WP = 0: #GP(0)");
    write_cr0(cr0);
    write_cr4(cr4);
    ok_eq(read_cr4() & CR4_CET, CR4_CET, "CR4.CET := 1");
}

static void msrs(void) {
    static const u32 control[] = {MSR_U_CET, MSR_S_CET};
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned bit = 6; bit < 10; bit++)
            check(refused(control[k], BIT(bit)), "a reserved bit of U_CET or S_CET: #GP(0)");
        wrmsr(control[k], WR_SHSTK_EN);
        ok_eq(rdmsr(control[k]), WR_SHSTK_EN, "WR_SHSTK_EN alone can be written");
        wrmsr(control[k], 0);
        if (has_ibt()) {
            check(refused(control[k], TRACKER | SUPPRESS), "TRACKER and SUPPRESS together: #GP(0)");
            check(refused(control[k], NOT_CANONICAL), "a non-canonical bitmap base: #GP(0)");
            wrmsr(control[k], 0xFFFF800000000000 | SUPPRESS);
            ok_eq(rdmsr(control[k]), 0xFFFF800000000000 | SUPPRESS, "bitmap base and SUPPRESS");
            wrmsr(control[k], 0);
        } else {
            check(refused(control[k], ENDBR_EN), "ENDBR_EN without the feature: #GP(0)");
            check(refused(control[k], 0x1000), "a bitmap base without the feature: #GP(0)");
        }
    }
    for (u32 n = 0; n < 4; n++) {
        check(refused(MSR_PL0_SSP + n, 1), "bit 0 of IA32_PLn_SSP: #GP(0)");
        check(refused(MSR_PL0_SSP + n, 2), "bit 1 of IA32_PLn_SSP: #GP(0)");
        check(refused(MSR_PL0_SSP + n, NOT_CANONICAL), "a non-canonical IA32_PLn_SSP: #GP(0)");
        wrmsr(MSR_PL0_SSP + n, 0x1004);
        ok_eq(rdmsr(MSR_PL0_SSP + n), 0x1004, "IA32_PLn_SSP aligned to 4");
    }
    check(refused(MSR_SSP_TABLE, NOT_CANONICAL), "a non-canonical interrupt SSP table: #GP(0)");
    cet_fresh();
}

/* ---- #UD ---- */

CODE(i_incssp, "mov $1, %eax\n incsspq %rax\n ret");
CODE(i_saveprevssp, "saveprevssp\n ret");
CODE(i_rstorssp, "rstorssp (%rsp)\n ret");
CODE(i_wrss, "wrssq %rax, (%rsp)\n ret");
CODE(i_wruss, "wrussq %rax, (%rsp)\n ret");
CODE(i_setssbsy, "setssbsy\n ret");
CODE(i_clrssbsy, "clrssbsy (%rsp)\n ret");
static void call_code(void *arg) { __asm__ volatile("call *%0" : : "r"(arg) : "rax", "rcx", "rdx", "memory", "cc"); }
static uptr user_code(uptr arg) {
    call_code((void *)arg);
    return 0;
}
static void user_call_code(void *arg) { user_call(user_code, (uptr)arg); }

static const struct {
    const u8 *code;
    const char *off, *user;
    bool cpl0, wruss;
} instructions[] = {
    {i_incssp,      "INCSSP while shadow stacks are off: #UD",      "the same at CPL 3: INCSSP",      false, false},
    {i_saveprevssp, "SAVEPREVSSP while shadow stacks are off: #UD", "the same at CPL 3: SAVEPREVSSP", false, false},
    {i_rstorssp,    "RSTORSSP while shadow stacks are off: #UD",    "the same at CPL 3: RSTORSSP",    false, false},
    {i_wrss,        "WRSS while shadow stacks are off: #UD",        "the same at CPL 3: WRSS",        false, false},
    {i_wruss,       "WRUSS while CR4.CET = 0: #UD",                 "WRUSS at CPL 3: #GP(0)",         true,  true },
    {i_setssbsy,    "SETSSBSY while shadow stacks are off: #UD",    "the same at CPL 3: SETSSBSY",    true,  false},
    {i_clrssbsy,    "CLRSSBSY while shadow stacks are off: #UD",    "the same at CPL 3: CLRSSBSY",    true,  false},
};

PIECE(p_wrss_off, "wrssq %rax, (%rdi)");
USER_PIECE(u_setssbsy, "setssbsy");
USER_PIECE(u_clrssbsy, "clrssbsy (%rdi)");
USER_PIECE(u_wruss, "wrussq %rax, (%rdi)");
CODE(i_rdssp, "mov $-1, %rax\n rdsspq %rax\n ret");

static void undefined(void) {
    handler_set(VEC_USER_RETURN, NULL);
    for (unsigned k = 0; k < sizeof instructions / sizeof instructions[0]; k++) {
        if (instructions[k].wruss) write_cr4(read_cr4() & ~CR4_CET);
        check(try_fault(call_code, (void *)instructions[k].code, &f) == VEC_UD, instructions[k].off);
        write_cr4(read_cr4() | CR4_CET);
        check(try_fault(user_call_code, (void *)instructions[k].code, &f) == (instructions[k].wruss ? VEC_GP : VEC_UD),
              instructions[k].user);
    }
    u64 v;
    __asm__ volatile("call *%1" : "=a"(v) : "r"(i_rdssp) : "memory");
    ok_eq(v, ~0ULL, "RDSSP while shadow stacks are off is a NOP");
    check(cet_run(p_wrss_off, SH_STK_EN, TOP - 8) == VEC_UD, "WRSS without WR_SHSTK_EN: #UD");
    cet_fresh();
    check(cet_run_user(u_setssbsy, SH_STK_EN, SH_STK_EN, USER_TOP, 0) == VEC_GP && f.error == 0,
          "SETSSBSY at CPL 3, supervisor shadow stacks on: #GP(0)");
    cet_fresh();
    check(cet_run_user(u_clrssbsy, SH_STK_EN, SH_STK_EN, USER_TOP, TOP) == VEC_GP && f.error == 0,
          "CLRSSBSY at CPL 3, supervisor shadow stacks on: #GP(0)");
    cet_fresh();
    check(cet_run_user(u_wruss, SH_STK_EN, SH_STK_EN, USER_TOP, USER_TOP) == VEC_GP && f.error == 0,
          "WRUSS at CPL 3 with shadow stacks: #GP(0)");
    cet_fresh();
}

/* ---- pages ---- */

static void store(void *arg) { *(volatile u64 *)arg = 1; }
static uptr user_store(uptr arg) {
    store((void *)arg);
    return 0;
}
static void user_store_at(void *arg) { user_call(user_store, (uptr)arg); }
PIECE(p_wrss, "mov $0x1234, %eax\n wrssq %rax, (%rdi)");
PIECE(p_wruss, "mov $0x1234, %eax\n wrussq %rax, (%rdi)");
PIECE(p_ret_there, "mov %rdi, %rdi\n rstorssp (%rdi)");
USER_PIECE(u_wrss, "mov $0x4321, %eax\n wrssq %rax, (%rdi)");
USER_PIECE(u_call, "call 1f\n 1:nop\n call u_call_target");
CODE(u_call_target, "ret");
static volatile u64 ordinary[512] ALIGNED(4096);

#define RUN_WRSS(at)  cet_run(p_wrss, SH_STK_EN | WR_SHSTK_EN, at)
#define RUN_WRUSS(at) cet_run(p_wruss, SH_STK_EN, at)
static bool page_fault(int vector, u64 error, u64 at) { return vector == VEC_PF && f.error == error && f.cr2 == at; }

static void set_entry(enum shadow_page page, u64 clear, u64 set) {
    u64 *e = shadow_entry(page);
    *e = (*e & ~clear) | set;
    invlpg((void *)shadow_at(page, 0));
}

static void pages(void) {
    u64 at = shadow_at(SUPER2, 0x100), user = shadow_at(USER, 0x100);
    check(page_fault(try_fault(store, (void *)at, &f), PF_P | PF_W, at), "a store to a shadow stack: #PF, not SS");
    *shadow_alias(at) = 77;
    ok_eq(*(volatile u64 *)at, 77, "a load from a shadow stack");
    check(page_fault(try_fault(user_store_at, (void *)user, &f), PF_P | PF_W | PF_U, user),
          "a user store to a user shadow stack: #PF");
    check(RUN_WRSS(at) == NO_FAULT && *shadow_alias(at) == 0x1234, "WRSS to a shadow stack");
    cet_fresh();
    check(page_fault(RUN_WRSS((uptr)ordinary), PF_P | PF_W | PF_SS, (uptr)ordinary),
          "WRSS to an ordinary page: #PF with SS");
    cet_fresh();
    check(page_fault(RUN_WRSS(shadow_at(HOLE, 0)), PF_W | PF_SS, shadow_at(HOLE, 0)),
          "WRSS where nothing is: #PF with SS");
    cet_fresh();
    check(page_fault(RUN_WRSS(user), PF_P | PF_W | PF_SS, user), "supervisor WRSS to a user shadow stack: #PF");
    cet_fresh();
    check(RUN_WRUSS(user) == NO_FAULT && *shadow_alias(user) == 0x1234, "WRUSS to a user shadow stack");
    cet_fresh();
    check(page_fault(RUN_WRUSS(at), PF_P | PF_W | PF_U | PF_SS, at),
          "WRUSS to a supervisor shadow stack: #PF, a user access");
    cet_fresh();
    set_entry(SUPER2, PTE_D, 0);
    check(page_fault(RUN_WRSS(at), PF_P | PF_W | PF_SS, at), "R/W = 0 and D = 0 is no shadow stack: #PF");
    cet_fresh();
    set_entry(SUPER2, 0, PTE_W);
    check(page_fault(RUN_WRSS(at), PF_P | PF_W | PF_SS, at), "R/W = 1 and D = 1 is no shadow stack: #PF");
    cet_fresh();
    u64 *upper = pt_entry(read_cr3(), SHADOW_LOW, 2), low = SHADOW_LOW + 0x100;
    check(RUN_WRSS(low) == NO_FAULT, "R/W = 1 above");
    cet_fresh();
    *upper &= ~PTE_W;
    write_cr3(read_cr3());
    check(page_fault(RUN_WRSS(low), PF_P | PF_W | PF_SS, low), "R/W = 0 above is no shadow stack: #PF");
    *upper |= PTE_W;
    write_cr3(read_cr3());
    cet_fresh();
    check(page_fault(cet_run(p_ret_there, SH_STK_EN, (uptr)ordinary), PF_P | PF_W | PF_SS, (uptr)ordinary),
          "RSTORSSP of a token in an ordinary page: #PF");
    cet_fresh();
    check(cet_run_user(u_wrss, SH_STK_EN | WR_SHSTK_EN, 0, USER_TOP, user) == USER_END && *shadow_alias(user) == 0x4321,
          "user WRSS to a user shadow stack");
    cet_fresh();
    check(page_fault(cet_run_user(u_wrss, SH_STK_EN | WR_SHSTK_EN, 0, USER_TOP, at), PF_P | PF_W | PF_U | PF_SS, at),
          "user WRSS to a supervisor shadow stack: #PF");
    cet_fresh();
    check(page_fault(cet_run_user(u_call, SH_STK_EN, 0, at, 0), PF_P | PF_W | PF_U | PF_SS, at - 8),
          "user CALL on a supervisor shadow stack: #PF, a user write with SS");
    cet_fresh();
}

static void smap(void) {
    if (!(cpuid_if_present(7, 0).ebx >> 20 & 1)) {
        skip("no SMAP", "WRUSS under SMAP");
        return;
    }
    u64 user = shadow_at(USER, 0x100);
    identity_set_user(read_cr3(), false);
    write_cr3(read_cr3());
    write_cr4(read_cr4() | CR4_SMAP);
    check(RUN_WRUSS(user) == NO_FAULT && *shadow_alias(user) == 0x1234, "WRUSS under SMAP: it is a user access");
    write_cr4(read_cr4() & ~CR4_SMAP);
    identity_set_user(read_cr3(), true);
    write_cr3(read_cr3());
    cet_fresh();
}

/* ---- near CALL and RET ---- */

PIECE(p_call, "call 1f\n p_call_back: jmp 2f\n 1: rdsspq %rdx\n mov (%rdx), %rax\n mov (%rsp), %rcx\n ret\n 2:");
CODE_LABEL(p_call_back);
PIECE(p_call_r,
      "lea 1f(%rip), %rax\n call *%rax\n p_call_r_back: jmp 2f\n 1: endbr64\n rdsspq %rdx\n mov (%rdx), %rcx\n "
      "ret $0\n 2:");
CODE_LABEL(p_call_r_back);
PIECE(p_call_m, "lea 1f(%rip), %rax\n push %rax\n call *(%rsp)\n pop %rax\n jmp 2f\n 1: endbr64\n ret\n 2:");
PIECE(p_call_next, "rdsspq %rcx\n call 1f\n 1: rdsspq %rdx\n pop %rax");
PIECE(p_ret_bad, "call 1f\n 1: nop\n call 2f\n p_ret_bad_back: jmp 3f\n 2: lea p_ret_bad_other(%rip), %rax\n mov %rax, "
                 "(%rsp)\n p_ret_bad_at: ret\n p_ret_bad_other: nop\n 3:");
CODE_LABEL(p_ret_bad_at);
PIECE(p_ret_empty, "push %rax\n ret");
PIECE(p_ret_imm, "push $1\n push $2\n call 1f\n jmp 2f\n 1: ret $16\n 2:");
PIECE(p_loop, "mov $1000, %ecx\n 1: call 3f\n loop 1b\n rdsspq %rdx\n jmp 2f\n 3: call 4f\n ret\n 4: ret\n 2:");
PIECE(p_call_fault, "mov %rsp, %rcx\n rstorssp (%rdi)\n mov %rsp, %rcx\n call 1f\n nop\n 1: nop");
USER_PIECE(u_loop, "mov $1000, %ecx\n 1: call 3f\n loop 1b\n rdsspq %rdx\n jmp 2f\n 3: call 4f\n ret\n 4: ret\n 2:");
USER_PIECE(u_ret_bad, "call 1f\n ud2\n 1: lea 2f(%rip), %rax\n mov %rax, (%rsp)\n ret\n 2:");

static void near(void) {
    check(cet_run(p_call, SH_STK_EN, 0) == NO_FAULT, "CALL and RET");
    ok(cet_rdx == TOP - 8 && cet_rax == (uptr)p_call_back && cet_rcx == (uptr)p_call_back,
       "both stacks hold the return address; SSP moved by 8");
    ok_eq(cet_ssp, TOP, "RET moves SSP back");
    cet_fresh();
    check(cet_run(p_call_r, SH_STK_EN, 0) == NO_FAULT && cet_rcx == (uptr)p_call_r_back && cet_ssp == TOP,
          "CALL through a register, RET imm16");
    cet_fresh();
    check(cet_run(p_call_m, SH_STK_EN, 0) == NO_FAULT && cet_ssp == TOP, "CALL through memory");
    cet_fresh();
    check(cet_run(p_call_next, SH_STK_EN, 0) == NO_FAULT && cet_rcx == cet_rdx,
          "CALL with displacement 0 pushes nothing on the shadow stack");
    cet_fresh();
    check(cet_run(p_ret_bad, SH_STK_EN, 0) == VEC_CP && f.error == CP_NEAR_RET,
          "RET to another address: #CP(NEAR-RET)");
    ok(f.ip == (uptr)p_ret_bad_at && cet_s_cet == SH_STK_EN, "a fault: RIP is that of RET");
    cet_fresh();
    check(cet_run(p_ret_empty, SH_STK_EN, 0) == VEC_CP && f.error == CP_NEAR_RET,
          "RET on an empty stack meets the token: #CP");
    cet_fresh();
    check(cet_run(p_ret_imm, SH_STK_EN, 0) == NO_FAULT && cet_ssp == TOP, "RET imm16 drops parameters");
    cet_fresh();
    check(cet_run(p_loop, SH_STK_EN, 0) == NO_FAULT && cet_rdx == TOP, "2000 calls and returns");
    cet_fresh();
    /* no room on the shadow stack: the page fault has one of its own */
    cet_vector(VEC_PF, NULL, 0, 1);
    *shadow_alias(shadow_at(SUPER, 0)) = shadow_at(SUPER, 8) | 1;
    check(cet_run(p_call_fault, SH_STK_EN, shadow_at(SUPER, 0)) == VEC_PF && f.error == (PF_W | PF_SS),
          "CALL on a full shadow stack: #PF");
    ok(f.cr2 == shadow_at(SUPER, 0) - 8 && f.sp == cet_rcx, "RSP is as before");
    cet_vector(VEC_PF, NULL, 0, 0);
    cet_fresh();
    check(cet_run_user(u_loop, SH_STK_EN, 0, USER_TOP, 0) == USER_END && cet_rdx == USER_TOP,
          "2000 calls and returns at CPL 3");
    ok_eq(rdmsr(MSR_PL3_SSP), USER_TOP, "IA32_PL3_SSP has the user's SSP");
    cet_fresh();
    check(cet_run_user(u_ret_bad, SH_STK_EN, 0, USER_TOP, 0) == VEC_CP && f.error == CP_NEAR_RET &&
              f.cs == (SEL_UCODE64 | 3),
          "RET to another address at CPL 3: #CP(NEAR-RET)");
    ok_eq(rdmsr(MSR_PL3_SSP), USER_TOP - 8, "SSP is as before RET");
    cet_fresh();
    check(cet_run_user(u_ret_bad, 0, 0, USER_TOP, 0) == USER_END, "no such check while U_CET.SH_STK_EN = 0");
    cet_fresh();
}

/* ---- management ---- */

PIECE(p_rdssp, "mov $-1, %rax\n mov $-1, %rcx\n rdsspq %rax\n rdsspd %ecx");
PIECE(p_incsspq,
      "call 1f\n 1: call 2f\n nop\n 2: call 3f\n nop\n 3: mov $0xFFFFFF02, %eax\n incsspq %rax\n rdsspq %rcx");
PIECE(p_incsspd, "call 1f\n nop\n 1: call 2f\n nop\n 2: mov $2, %eax\n incsspd %eax\n rdsspq %rcx");
PIECE(p_incssp0, "xor %eax, %eax\n incsspq %rax");
PIECE(p_incssp_far, "mov $255, %eax\n incsspq %rax");
PIECE(p_rstorssp, "stc\n rstorssp (%rdi)");
PIECE(p_switch, "rstorssp (%rdi)\n rdsspq %rax\n mov (%rax), %rcx\n saveprevssp\n rdsspq %rdx");
PIECE(p_switch_back, "rstorssp (%rdi)\n saveprevssp\n call 1f\n nop\n 1: mov $1, %eax\n incsspq %rax\n mov "
                     "$0x8000000ff0, %rcx\n rstorssp (%rcx)");
PIECE(p_saveprevssp, "saveprevssp");
PIECE(p_saveprevssp_cf, "rstorssp (%rdi)\n stc\n saveprevssp");
PIECE(p_saveprevssp_misaligned, "mov $1, %eax\n incsspd %eax\n saveprevssp");
PIECE(p_setssbsy, "setssbsy");
PIECE(p_clrssbsy, "stc\n clrssbsy (%rdi)\n rdsspq %rcx");
PIECE(p_wrssd, "mov $0x89ABCDEF, %eax\n wrssd %eax, (%rdi)");
PIECE(p_nothing, "nop");

static void stack_pointer(void) {
    check(cet_run(p_rdssp, SH_STK_EN, 0) == NO_FAULT && cet_rax == TOP && cet_rcx == (u32)TOP, "RDSSPQ, RDSSPD");
    cet_fresh();
    check(cet_run(p_incsspq, SH_STK_EN, 0) == NO_FAULT && cet_rcx == TOP - 8 + 8, "INCSSPQ by bits 7:0, two entries");
    cet_fresh();
    check(cet_run(p_incsspd, SH_STK_EN, 0) == NO_FAULT && cet_rcx == TOP - 16 + 8, "INCSSPD by 2: 8 bytes");
    cet_fresh();
    check(cet_run(p_incssp0, SH_STK_EN, 0) == NO_FAULT && cet_ssp == TOP, "INCSSPQ by 0");
    cet_fresh();
    /* the last entry lies in USER: SUPER2's last quadword is at + 0x1000 */
    wrmsr(MSR_PL0_SSP, TOP2);
    check(cet_run(p_incssp_far, SH_STK_EN, 0) == VEC_PF && f.error == (PF_P | PF_SS) && f.cr2 == TOP2 + 254 * 8,
          "INCSSPQ loads the last element of the range: #PF there");
    cet_fresh();
    write_cr4(read_cr4());
}

static void tokens(void) {
    u64 at = shadow_at(SUPER2, 0x100), token = (at + 8) | 1;
    *shadow_alias(at) = token;
    check(cet_run(p_rstorssp, SH_STK_EN, at) == NO_FAULT && cet_ssp == at && *shadow_alias(at) == (TOP | 3),
          "RSTORSSP: SSP is at the token, which holds the SSP of before");
    ok_eq(cet_flags & (FLAG_CF | FLAG_ZF | FLAG_PF | FLAG_AF | FLAG_SF | FLAG_OF), 0, "it clears the flags");
    cet_fresh();
    *shadow_alias(at) = (at + 12) | 1;
    check(cet_run(p_rstorssp, SH_STK_EN, at) == NO_FAULT && (cet_flags & FLAG_CF),
          "a token with an alignment hole: CF");
    cet_fresh();
    *shadow_alias(at) = token & ~1ULL;
    check(cet_run(p_rstorssp, SH_STK_EN, at) == VEC_CP && f.error == CP_RSTORSSP,
          "RSTORSSP, token of the other mode: #CP(RSTORSSP)");
    ok(cet_ssp == TOP - 24 && *shadow_alias(at) == (token & ~1ULL),
       "nothing changed (the #CP's frame is on the old stack)");
    cet_fresh();
    *shadow_alias(at) = token | 2;
    check(cet_run(p_rstorssp, SH_STK_EN, at) == VEC_CP && f.error == CP_RSTORSSP,
          "RSTORSSP, previous-SSP token: #CP(RSTORSSP)");
    cet_fresh();
    *shadow_alias(at) = token + 8;
    check(cet_run(p_rstorssp, SH_STK_EN, at) == VEC_CP && f.error == CP_RSTORSSP,
          "RSTORSSP, token for another place: #CP(RSTORSSP)");
    cet_fresh();
    check(cet_run(p_rstorssp, SH_STK_EN, at + 4) == VEC_GP && f.error == 0,
          "RSTORSSP, operand not aligned to 8: #GP(0)");
    cet_fresh();
    *shadow_alias(at) = token;
    check(cet_run(p_switch, SH_STK_EN, at) == NO_FAULT && cet_rcx == (TOP | 3) && cet_rdx == at + 8,
          "SAVEPREVSSP pops the previous-SSP token");
    ok_eq(*shadow_alias(TOP - 8), TOP | 1, "and puts a restore token on the old shadow stack");
    cet_fresh();
    *shadow_alias(at) = token;
    check(cet_run(p_switch_back, SH_STK_EN, at) == NO_FAULT && cet_ssp == TOP - 8, "to another shadow stack and back");
    cet_fresh();
    check(cet_run(p_saveprevssp, SH_STK_EN, 0) == VEC_GP && f.error == 0, "SAVEPREVSSP without a token: #GP(0)");
    cet_fresh();
    *shadow_alias(at) = token;
    check(cet_run(p_saveprevssp_cf, SH_STK_EN, at) == VEC_GP && f.error == 0,
          "SAVEPREVSSP with CF = 1 in 64-bit mode: #GP(0)");
    cet_fresh();
    check(cet_run(p_saveprevssp_misaligned, SH_STK_EN, 0) == VEC_GP && f.error == 0,
          "SAVEPREVSSP, SSP not aligned to 8: #GP(0)");
    cet_fresh();
}

static void busy(void) {
    check(cet_run(p_nothing, SH_STK_EN, 0) == NO_FAULT && *shadow_alias(TOP) == (TOP | 1) && cet_ssp == TOP,
          "SETSSBSY makes the token busy; SSP is IA32_PL0_SSP");
    cet_fresh();
    check(cet_run(p_setssbsy, SH_STK_EN, 0) == VEC_CP && f.error == CP_SETSSBSY,
          "SETSSBSY of a busy token: #CP(SETSSBSY)");
    cet_fresh();
    *shadow_alias(TOP) = TOP - 8;
    check(cet_run(p_nothing, SH_STK_EN, 0) == VEC_CP && f.error == CP_SETSSBSY,
          "SETSSBSY, another address in the token: #CP(SETSSBSY)");
    cet_fresh();
    wrmsr(MSR_PL0_SSP, TOP + 4);
    check(cet_run(p_nothing, SH_STK_EN, 0) == VEC_GP && f.error == 0,
          "SETSSBSY, IA32_PL0_SSP not aligned to 8: #GP(0)");
    cet_fresh();
    *shadow_alias(TOP2) |= 1;
    check(cet_run(p_clrssbsy, SH_STK_EN, TOP2) == NO_FAULT && *shadow_alias(TOP2) == TOP2 && cet_rcx == 0 &&
              !(cet_flags & FLAG_CF),
          "CLRSSBSY frees the token; SSP = 0, CF = 0");
    cet_fresh();
    check(cet_run(p_clrssbsy, SH_STK_EN, TOP2) == NO_FAULT && *shadow_alias(TOP2) == TOP2 && cet_rcx == 0 &&
              (cet_flags & FLAG_CF),
          "CLRSSBSY of a token that is not busy: CF");
    cet_fresh();
    check(cet_run(p_clrssbsy, SH_STK_EN, TOP2 + 4) == VEC_GP && f.error == 0,
          "CLRSSBSY, operand not aligned to 8: #GP(0)");
    cet_fresh();
    u64 at = shadow_at(SUPER2, 0x100);
    check(cet_run(p_wrssd, SH_STK_EN | WR_SHSTK_EN, at + 4) == NO_FAULT && *shadow_alias(at) == 0x89ABCDEF00000000,
          "WRSSD stores 4 bytes");
    cet_fresh();
    check(cet_run(p_wrssd, SH_STK_EN | WR_SHSTK_EN, at + 2) == VEC_GP && f.error == 0,
          "WRSSD not aligned to 4: #GP(0)");
    cet_fresh();
    check(RUN_WRSS(at + 4) == VEC_GP && f.error == 0, "WRSSQ not aligned to 8: #GP(0)");
    cet_fresh();
    check(RUN_WRUSS(shadow_at(USER, 4)) == VEC_GP && f.error == 0, "WRUSSQ not aligned to 8: #GP(0)");
    cet_fresh();
}

void guest_main(void) {
    if (!has_shstk()) {
        skip("no shadow stacks", "everything");
        return;
    }
    cet_setup();
    control_registers();
    msrs();
    undefined();
    pages();
    smap();
    near();
    stack_pointer();
    tokens();
    busy();
}
