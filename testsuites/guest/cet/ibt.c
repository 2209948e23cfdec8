/* Indirect-branch tracking, in long mode. SDM 1 "Indirect Branch Tracking": the state machine, no-track prefix, legacy
 * bitmap, what comes before #CP(ENDBRANCH). */
#include "testsuites/guest/cet/common.h"

#define TINT 0x80 /* vector of the tests */

static u64 u_cet_after;
static int run(const u8 *code, u64 s_cet) {
    cet_fresh();
    return cet_run(code, s_cet, 0);
}
/* the user's tracker is noted */
static int run_user(const u8 *code, u64 u_cet) {
    cet_fresh();
    int vector = cet_run_user(code, u_cet, 0, USER_TOP, 0);
    u_cet_after = rdmsr(MSR_U_CET);
    wrmsr(MSR_U_CET, 0);
    return vector;
}
#define MISSING(at) (f.vector == VEC_CP && f.error == CP_ENDBRANCH && f.ip == (uptr)(at))

/* ---- which branches are tracked ---- */

PIECE(p_good,
      "lea 1f(%rip), %rax\n jmp *%rax\n ud2\n 1: endbr64\n lea 2f(%rip), %rax\n call *%rax\n jmp 3f\n 2: endbr64\n "
      "push %rax\n lea 4f(%rip), %rax\n push %rax\n jmp *(%rsp)\n 4: endbr64\n pop %rax\n pop %rax\n ret\n 3:");
PIECE(p_jmp_r, "lea p_jmp_r_to(%rip), %rax\n jmp *%rax\n p_jmp_r_to: nop");
CODE_LABEL(p_jmp_r_to);
PIECE(p_jmp_m, "lea p_jmp_m_to(%rip), %rax\n push %rax\n jmp *(%rsp)\n p_jmp_m_to: nop");
CODE_LABEL(p_jmp_m_to);
PIECE(p_call_r, "lea p_call_r_to(%rip), %rax\n call *%rax\n p_call_r_to: nop");
CODE_LABEL(p_call_r_to);
PIECE(p_call_m, "lea p_call_m_to(%rip), %rax\n push %rax\n call *(%rsp)\n p_call_m_to: nop");
CODE_LABEL(p_call_m_to);
PIECE(p_endbr32, "lea p_endbr32_to(%rip), %rax\n jmp *%rax\n p_endbr32_to: endbr32");
CODE_LABEL(p_endbr32_to);
PIECE(p_direct,
      "call 1f\n jmp 2f\n 1: nop\n xor %eax, %eax\n jz 3f\n ud2\n 3: push $4\n pop %rcx\n loop 3f\n 3: ret\n 2: nop");
PIECE(p_loop, "mov $1000, %ecx\n lea 1f(%rip), %rax\n lea 2f(%rip), %rdx\n jmp *%rdx\n 1: endbr64\n ret\n 2: endbr64\n "
              "call *%rax\n dec %ecx\n jz 3f\n jmp *%rdx\n 3:");
PIECE(p_notrack,
      "lea 1f(%rip), %rax\n notrack jmp *%rax\n ud2\n 1: nop\n lea 2f(%rip), %rax\n notrack call *%rax\n 2: pop "
      "%rax");
PIECE(p_notrack_off, "lea p_notrack_off_to(%rip), %rax\n notrack jmp *%rax\n p_notrack_off_to: nop");
CODE_LABEL(p_notrack_off_to);
PIECE(p_notrack_fs, "lea p_notrack_fs_to(%rip), %rax\n .byte 0x64, 0x3E\n jmp *%rax\n p_notrack_fs_to: nop");
CODE_LABEL(p_notrack_fs_to);
PIECE(p_notrack_cs, "lea 1f(%rip), %rax\n .byte 0x3E, 0x2E\n jmp *%rax\n 1: nop");
PIECE(p_other_page, "lea far_away(%rip), %rax\n jmp *%rax\n far_away_back: endbr64\n");
CODE(p_far_away, ".p2align 12\n far_away: endbr64\n lea far_away_back(%rip), %rax\n jmp *%rax");
USER_PIECE(u_good, "lea 1f(%rip), %rax\n jmp *%rax\n 1: endbr64");
USER_PIECE(u_bad, "lea u_bad_to(%rip), %rax\n jmp *%rax\n u_bad_to: nop");
CODE_LABEL(u_bad_to);

static void tracked(void) {
    check(run(p_good, ENDBR_EN) == NO_FAULT, "JMP and CALL through register and memory to ENDBR64");
    ok_eq(cet_s_cet, ENDBR_EN, "the tracker is idle afterwards");
    check(run(p_loop, ENDBR_EN) == NO_FAULT, "the same ones a thousand times");
    check(run(p_other_page, ENDBR_EN) == NO_FAULT, "to another page and back");
    run(p_jmp_r, ENDBR_EN);
    check(MISSING(p_jmp_r_to), "JMP through a register to something else: #CP(ENDBRANCH) there");
    run(p_jmp_m, ENDBR_EN);
    check(MISSING(p_jmp_m_to), "JMP through memory");
    run(p_call_r, ENDBR_EN);
    check(MISSING(p_call_r_to), "CALL through a register");
    run(p_call_m, ENDBR_EN);
    check(MISSING(p_call_m_to), "CALL through memory");
    run(p_endbr32, ENDBR_EN);
    check(MISSING(p_endbr32_to), "ENDBR32 in 64-bit mode is another instruction: #CP(ENDBRANCH)");
    check(run(p_jmp_r, 0) == NO_FAULT, "without ENDBR_EN nothing is tracked");
    check(run(p_direct, ENDBR_EN) == NO_FAULT, "direct branches and RET are not tracked");
    check(run(p_notrack, ENDBR_EN | NO_TRACK_EN) == NO_FAULT, "no-track prefix with NO_TRACK_EN");
    run(p_notrack_off, ENDBR_EN);
    check(MISSING(p_notrack_off_to), "no-track prefix without NO_TRACK_EN: #CP(ENDBRANCH)");
    run(p_notrack_fs, ENDBR_EN | NO_TRACK_EN);
    check(MISSING(p_notrack_fs_to), "3EH beside 64H is no no-track prefix: #CP(ENDBRANCH)");
    check(run(p_notrack_cs, ENDBR_EN | NO_TRACK_EN) == NO_FAULT, "3EH before 2EH is");
    check(run_user(u_good, ENDBR_EN) == USER_END && u_cet_after == ENDBR_EN, "JMP at CPL 3");
    run_user(u_bad, ENDBR_EN);
    check(MISSING(u_bad_to), "at CPL 3: #CP(ENDBRANCH)");
    ok_eq(u_cet_after, ENDBR_EN | TRACKER, "the tracker still waits");
    check(run_user(u_bad_to, ENDBR_EN | TRACKER) == VEC_CP && f.error == CP_ENDBRANCH,
          "IRET to CPL 3 keeps the tracker of CPL 3");
    check(run_user(u_good, ENDBR_EN | TRACKER) == USER_END, "ENDBR64 is what it waits for");
    check(run_user(u_bad_to, TRACKER) == USER_END && u_cet_after == TRACKER, "TRACKER without ENDBR_EN does nothing");
}

/* ---- what comes first ---- */

PIECE(p_int3, "lea p_int3_to(%rip), %rax\n jmp *%rax\n p_int3_to: int3");
CODE_LABEL(p_int3_to);
PIECE(p_ud2, "lea p_ud2_to(%rip), %rax\n jmp *%rax\n p_ud2_to: ud2");
CODE_LABEL(p_ud2_to);
PIECE(p_hlt, "mov $0x5000000000, %rax\n jmp *%rax");
USER_PIECE(u_step, "pushfq\n orl $0x100, (%rsp)\n lea u_step_to(%rip), %rax\n popfq\n jmp *%rax\n u_step_to: nop");
CODE_LABEL(u_step_to);
USER_PIECE(u_int3, "lea u_int3_to(%rip), %rax\n jmp *%rax\n u_int3_to: int3");
CODE_LABEL(u_int3_to);
PIECE(p_canonical, "mov $0x0100000000000000, %rax\n jmp *%rax");

static void priorities(void) {
    check(run(p_int3, ENDBR_EN) == VEC_BP && f.ip == (uptr)p_int3_to + 1, "INT3 at the target: #BP");
    check(run_user(u_int3, ENDBR_EN) == VEC_BP && u_cet_after == (ENDBR_EN | TRACKER),
          "INT3 leaves the tracker as it is");
    run(p_ud2, ENDBR_EN);
    check(MISSING(p_ud2_to), "UD2 at the target: #CP comes before #UD");
    check(run(p_hlt, ENDBR_EN) == VEC_PF && f.cr2 == 0x5000000000, "no page at the target: #PF comes before #CP");
    check(run_user(u_step, ENDBR_EN) == VEC_DB && f.ip == (uptr)u_step_to && u_cet_after == (ENDBR_EN | TRACKER),
          "the single-step trap after JMP comes before #CP; the tracker still waits");
    check(run(p_canonical, ENDBR_EN) == VEC_GP && f.ip != 0x0100000000000000,
          "a non-canonical target: #GP, nothing is tracked");
}

/* ---- far transfers, events, system calls ---- */

struct far_pointer {
    u32 offset;
    u16 sel;
} __attribute__((packed));
PIECE(p_far_call, "lcall *(%rdi)");
PIECE(p_far_jmp, "ljmp *(%rdi)");
CODE(t_lret, "endbr64\n lretl");
CODE(t_lret_bad, "lretl");
CODE(t_done, "endbr64\n jmp cet_done");
CODE(t_done_bad, "jmp cet_done");
PIECE(p_int, "int $0x80\n p_int_back: nop");
CODE(t_iret, "endbr64\n iretq");
CODE(t_iret_bad, "iretq");
PIECE(p_jmp_int, "lea p_jmp_int_to(%rip), %rax\n jmp *%rax\n p_jmp_int_to: endbr64\n int $0x80\n nop");
USER_PIECE(u_syscall, "syscall\n nop");
CODE(t_sysret, "endbr64\n sysretq");
CODE(t_sysret_bad, "sysretq");
CODE(t_compat, ".code32\n endbr32\n lea 1f, %eax\n jmp *%eax\n 1: endbr32\n lretl\n.code64");
CODE(t_compat_bad,
     ".code32\n endbr32\n lea t_compat_bad_to, %eax\n jmp *%eax\n t_compat_bad_to: endbr64\n lretl\n.code64");
CODE_LABEL(t_compat_bad_to);

static int far(const u8 *code, const u8 *target, u16 sel, u64 s_cet) {
    struct far_pointer p = {(u32)(uptr)target, sel};
    cet_fresh();
    return cet_run(code, s_cet, (uptr)&p);
}
static int interrupt(const u8 *handler, const u8 *code, u64 s_cet) {
    cet_vector(TINT, handler, 3, 0);
    return run(code, s_cet);
}

static void far_ones(void) {
    check(far(p_far_call, t_lret, SEL_CODE64, ENDBR_EN) == NO_FAULT && cet_s_cet == ENDBR_EN,
          "far CALL to ENDBR64, RETF");
    far(p_far_call, t_lret_bad, SEL_CODE64, ENDBR_EN);
    check(MISSING(t_lret_bad), "far CALL to something else: #CP(ENDBRANCH)");
    check(far(p_far_jmp, t_done, SEL_CODE64, ENDBR_EN) == NO_FAULT, "far JMP to ENDBR64");
    far(p_far_jmp, t_done_bad, SEL_CODE64, ENDBR_EN);
    check(MISSING(t_done_bad), "far JMP to something else: #CP(ENDBRANCH)");
    check(far(p_far_jmp, t_done, SEL_CODE64, ENDBR_EN | SUPPRESS) == NO_FAULT && cet_s_cet == ENDBR_EN,
          "ENDBR64 ends suppression");
    far(p_far_jmp, t_done_bad, SEL_CODE64, ENDBR_EN | SUPPRESS);
    check(MISSING(t_done_bad), "a far JMP is tracked even while suppressed: #CP(ENDBRANCH)");
    check(far(p_far_call, t_compat, SEL_CODE32, ENDBR_EN) == NO_FAULT, "ENDBR32 in compatibility mode");
    far(p_far_call, t_compat_bad, SEL_CODE32, ENDBR_EN);
    check(MISSING(t_compat_bad_to) && f.cs == SEL_CODE32, "ENDBR64 in compatibility mode: #CP(ENDBRANCH)");
    check(interrupt(t_iret, p_int, ENDBR_EN) == NO_FAULT && cet_s_cet == ENDBR_EN,
          "a handler that begins with ENDBR64");
    interrupt(t_iret_bad, p_int, ENDBR_EN);
    check(MISSING(t_iret_bad), "a handler that doesn't: #CP(ENDBRANCH)");
    check(interrupt(t_iret, p_int, ENDBR_EN | SUPPRESS) == NO_FAULT && cet_s_cet == ENDBR_EN,
          "an event ends suppression");
    check(interrupt(t_iret, p_jmp_int, ENDBR_EN) == NO_FAULT, "INT behind ENDBR64");
    cet_fresh();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32 | (u64)(SEL_UCODE32 | 3) << 48);
    wrmsr(MSR_SFMASK, FLAG_IF | FLAG_TF);
    wrmsr(MSR_LSTAR, (uptr)t_sysret);
    check(cet_run_user(u_syscall, ENDBR_EN, ENDBR_EN, USER_TOP, 0) == USER_END,
          "SYSCALL to ENDBR64; SYSRET to anything");
    cet_fresh();
    wrmsr(MSR_LSTAR, (uptr)t_sysret_bad);
    cet_run_user(u_syscall, ENDBR_EN, ENDBR_EN, USER_TOP, 0);
    check(MISSING(t_sysret_bad), "SYSCALL to something else: #CP(ENDBRANCH)");
    cet_fresh();
}

/* ---- legacy code ---- */

PIECE(p_legacy, "lea p_legacy_to(%rip), %rax\n jmp *%rax\n p_legacy_to: nop\n lea 1f(%rip), %rax\n jmp *%rax\n 1: nop");
CODE_LABEL(p_legacy_to);
PIECE(p_legacy_end,
      "lea 1f(%rip), %rax\n jmp *%rax\n 1: nop\n endbr64\n mov $0x6A2, %ecx\n rdmsr\n mov %eax, (%rdi)\n lea "
      "2f(%rip), %rax\n jmp *%rax\n 2: nop");
CODE(p_suppressed, "lea 1f(%rip), %rax\n jmp *%rax\n 1: call *2f(%rip)\n 2: .quad 3f\n 3: jmp cet_done");
USER_PIECE(u_legacy, "lea 1f(%rip), %rax\n jmp *%rax\n 1: nop");

/* The bitmap's page for the first 128 MiB, where this program is: a bit for each of its pages */
static u8 *bitmap;
static void mark(const u8 *at, bool legacy) {
    u64 page = (uptr)at >> 12;
    if (legacy)
        bitmap[page >> 3] |= (u8)(1 << (page & 7));
    else
        bitmap[page >> 3] &= (u8) ~(1 << (page & 7));
}
static void mark_all(bool legacy) { memset(bitmap, legacy ? 0xFF : 0, 4096); }

static void legacy(void) {
    u64 on;
    bitmap = page_alloc();
    on = ENDBR_EN | LEG_IW_EN | (uptr)bitmap;
    mark_all(false);
    mark(p_legacy_to, true);
    check(run(p_legacy, on) == NO_FAULT && cet_s_cet == (on | SUPPRESS),
          "a legacy page: no #CP, and tracking is suppressed");
    mark_all(true);
    check(run(p_legacy, on | SUPPRESS_DIS) == NO_FAULT && cet_s_cet == (on | SUPPRESS_DIS),
          "with SUPPRESS_DIS it is not");
    check(run(p_legacy, ENDBR_EN | (uptr)bitmap) == VEC_CP, "without LEG_IW_EN: #CP(ENDBRANCH)");
    mark_all(true);
    mark(p_legacy_to, false);
    run(p_legacy, on);
    check(MISSING(p_legacy_to), "a page whose bit is 0: #CP(ENDBRANCH)");
    mark_all(true);
    cet_fresh();
    u64 word = 0;
    check(cet_run(p_legacy_end, on, (uptr)&word) == NO_FAULT, "legacy code calls ENDBR64");
    ok(word == (u32)on && cet_s_cet == (on | SUPPRESS), "which ends suppression; the next branch begins it again");
    check(run(p_legacy, ENDBR_EN | LEG_IW_EN | 0x5000000000) == VEC_PF &&
              f.cr2 == 0x5000000000 + ((uptr)p_legacy_to >> 15) && f.error == 0,
          "no page at the bitmap: #PF");
    check(run_user(u_legacy, on) == USER_END && u_cet_after == (on | SUPPRESS), "legacy code at CPL 3");
    *pt_entry(read_cr3(), (uptr)bitmap, 1) &= ~PTE_U;
    write_cr3(read_cr3());
    check(run_user(u_legacy, on) == VEC_PF && f.error == (PF_P | PF_U), "the bitmap is read at CPL: #PF");
    *pt_entry(read_cr3(), (uptr)bitmap, 1) |= PTE_U;
    write_cr3(read_cr3());
    check(run(p_suppressed, ENDBR_EN | SUPPRESS) == NO_FAULT && cet_s_cet == (ENDBR_EN | SUPPRESS),
          "near branches are not tracked while suppressed");
}

/* ---- both ---- */

PIECE(p_both, "lea 1f(%rip), %rax\n call *%rax\n jmp 2f\n 1: endbr64\n ret\n 2: rdsspq %rdx");
PIECE(p_both_bad, "lea p_both_bad_to(%rip), %rax\n call *%rax\n p_both_bad_to: nop");
CODE_LABEL(p_both_bad_to);

static void both(void) {
    if (!has_shstk()) {
        skip("no shadow stacks", "both");
        return;
    }
    check(run(p_both, ENDBR_EN | SH_STK_EN) == NO_FAULT && cet_rdx == TOP,
          "CALL through a register with shadow stack and tracking");
    run(p_both_bad, ENDBR_EN | SH_STK_EN);
    check(MISSING(p_both_bad_to) && cet_ssp == TOP - 8 - 24, "#CP(ENDBRANCH) after the push");
    cet_fresh();
}

void guest_main(void) {
    if (!has_ibt()) {
        skip("no indirect-branch tracking", "everything");
        return;
    }
    cet_setup();
    tracked();
    priorities();
    far_ones();
    legacy();
    both();
}
