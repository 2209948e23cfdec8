/* Shadow stacks and tracking in 32-bit protected mode: entries of 4 bytes, alignment holes, far transfers, events,
 * tasks, virtual-8086 mode. SDM 1 "Shadow Stack Usage on Task Switch"; SDM 3 "Task Switching"; SDM 2, the pages of the
 * instructions. */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define MSR_U_CET   0x6A0
#define MSR_S_CET   0x6A2
#define MSR_PL0_SSP 0x6A4
#define MSR_PL3_SSP 0x6A7
#define SH_STK_EN   BIT(0)
#define WR_SHSTK_EN BIT(1)
#define ENDBR_EN    BIT(2)
enum { CP_NEAR_RET = 1, CP_FAR_RET = 2, CP_ENDBRANCH = 3, CP_RSTORSSP = 4 };

#define GATE    0x70
#define SEL_A   0x78 /* TSS of the other task */
#define SEL_TG  0x80 /* task gate to it */
#define SEL_16  0x88 /* a 16-bit TSS */
#define SEL_CP  0x90 /* the task of an exception */
#define TINT    0x80
#define TASKINT 0x81

#define SHADOW   0xE0000000u
#define TOP      (SHADOW + 0xFF8)
#define TOP2     (SHADOW + 0x1FF8)
#define USER_TOP (SHADOW + 0x2800)
#define PAGES    3

static u32 directory[1024] ALIGNED(4096), table[1024] ALIGNED(4096);
static u8 frames[PAGES][4096] ALIGNED(4096);
static struct fault f;

static volatile u64 *alias(u32 at) { return (volatile u64 *)&frames[(at - SHADOW) >> 12][at & 0xFF8]; }
static bool has_shstk(void) { return cpuid_if_present(7, 0).ecx >> 7 & 1; }
static bool has_ibt(void) { return cpuid_if_present(7, 0).edx >> 20 & 1; }

/* ---- running: as in common.h, for 32 bits ---- */

__asm__(
    ".pushsection .text\n"
    ".p2align 5\nentries:\n .set vector, 0\n .rept 256\n .p2align 5\n endbr32\n push %eax\n mov $vector, %eax\n jmp "
    "entries_common\n .set vector, vector + 1\n .endr\n"
    "entries_common:\n push %ecx\n push %edx\n push %ds\n mov $0x10, %edx\n mov %edx, %ds\n mov %ecx, n_ecx\n mov "
    "4(%esp), "
    "%edx\n mov %edx, n_edx\n mov library(,%eax,4), %eax\n xchg %eax, 12(%esp)\n push %eax\n xor %eax, %eax\n rdsspd "
    "%eax\n mov %eax, n_ssp\n mov $0x6A2, %ecx\n rdmsr\n mov %eax, n_s_cet\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n "
    "pop %eax\n pop %ds\n pop %edx\n pop %ecx\n ret\n"
    "enter:\n push %ebx\n push %ebp\n push %esi\n push %edi\n mov 20(%esp), %ebx\n mov 24(%esp), %eax\n mov 28(%esp), "
    "%edi\n mov %esp, saved_esp\n mov $0x6A2, %ecx\n xor %edx, %edx\n mov %eax, %ebp\n wrmsr\n test $1, %ebp\n jz 1f\n "
    "setssbsy\n 1: jmp *%ebx\n"
    "done: mov %eax, n_eax\n mov %ecx, n_ecx\n mov %edx, n_edx\n pushfl\n pop n_flags\n xor %eax, %eax\n rdsspd %eax\n "
    "mov "
    "%eax, n_ssp\n mov $0x6A2, %ecx\n rdmsr\n mov %eax, n_s_cet\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n mov "
    "saved_esp, %esp\n cld\n pop %edi\n pop %esi\n pop %ebp\n pop %ebx\n ret\n"
    ".popsection\n.pushsection .bss\n.p2align 3\nlibrary: .skip 1024\nn_ssp: .skip 4\nn_s_cet: .skip 4\nn_eax: .skip "
    "4\nn_ecx: .skip 4\nn_edx: .skip 4\nn_flags: .skip 4\nsaved_esp: .skip 4\nn_prev: .skip 8\nn_lip: .skip 8\nn_cs: "
    ".skip 8\nn_above: .skip 8\nn_at: .skip 4\nn_runs: .skip 4\n.popsection");
extern const u8 entries[256][32];
extern u32 library[256], n_ssp, n_s_cet, n_eax, n_ecx, n_edx, n_flags, n_runs, n_at;
extern u64 n_prev, n_lip, n_cs, n_above;
void enter(const u8 *code, u32 s_cet, u32 arg);

struct run {
    const u8 *code;
    u32 s_cet, arg;
};
static void do_enter(void *arg) {
    const struct run *r = arg;
    enter(r->code, r->s_cet, r->arg);
}
static int run(const u8 *code, u32 s_cet, u32 arg) {
    struct run r = {code, s_cet, arg};
    n_runs = 0;
    return try_fault(do_enter, &r, &f);
}
#define PIECE(name, text)      CODE(name, "endbr32\n" text "\njmp done")
#define USER_PIECE(name, text) CODE(name, "endbr32\n" text "\nint $0xf0")
#define check(good, name)                                                                                              \
    do {                                                                                                               \
        if (!ok(good, name))                                                                                           \
            diag("vector %d, error code %#llx, EIP %#llx, CR2 %#llx, SSP %#x", f.vector, f.error, f.ip, f.cr2, n_ssp); \
    } while (0)

static void vector_set(u8 v, const u8 *code, u8 dpl) {
    idt_set(v, SEL_CODE32, code ? code : entries[v], GATE_INT, dpl, 0);
}

static void fresh(void) {
    wrmsr(MSR_S_CET, 0);
    wrmsr(MSR_U_CET, 0);
    memset(frames, 0, sizeof frames);
    *alias(TOP) = TOP;
    *alias(TOP2) = TOP2;
    if (!has_shstk()) return;
    wrmsr(MSR_PL0_SSP, TOP);
    wrmsr(MSR_PL3_SSP, USER_TOP);
}

static void setup(void) {
    for (u32 n = 0; n < 1024; n++) directory[n] = n << 22 | (u32)(PTE_P | PTE_W | PTE_U | PTE_PS);
    directory[SHADOW >> 22] = (u32)(uptr)table | (u32)(PTE_P | PTE_W | PTE_U);
    for (u32 n = 0; n < PAGES; n++)
        table[n] = (u32)(uptr)frames[n] | (u32)(PTE_P | PTE_A | PTE_D) | (n == 2 ? (u32)PTE_U : 0);
    write_cr3((uptr)directory);
    write_cr4(read_cr4() | CR4_PSE);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
    write_cr4(read_cr4() | CR4_CET);
    for (u32 v = 0; v < 256; v++) {
        library[v] = (uptr)isr_entry((u8)v);
        vector_set((u8)v, NULL, v == VEC_BP || v == VEC_OF || v == VEC_USER_RETURN ? 3 : 0);
    }
    handler_set(VEC_USER_RETURN, NULL);
    fresh();
}

/* IRET to CPL 3 with the frame that EDI points to */
PIECE(to_user, "mov %edi, %esp\n mov $0x3b, %eax\n mov %eax, %ds\n mov %eax, %es\n iretl");
static int run_user(const u8 *code, u32 u_cet, u32 s_cet) {
    u32 frame[5] = {(uptr)code, SEL_UCODE32 | 3, 2, user_stack_top(), SEL_UDATA | 3};
    wrmsr(MSR_U_CET, u_cet);
    return run(to_user, s_cet, (uptr)frame);
}
#define USER_END VEC_USER_RETURN

/* ---- near ---- */

PIECE(p_call, "call 1f\n p_call_back: jmp 2f\n 1: rdsspd %edx\n mov (%edx), %eax\n mov (%esp), %ecx\n ret\n 2:");
CODE_LABEL(p_call_back);
PIECE(p_call_next, "call 1f\n 1: pop %eax\n rdsspd %edx");
PIECE(p_ret_bad, "call 2f\n jmp 3f\n 2: movl $3f, (%esp)\n ret\n 3:");
PIECE(p_ret16, "pushw $0\n popw %ax\n call 1f\n jmp 2f\n 1: ret $0\n 2: rdsspd %edx");
PIECE(p_indirect, "mov $1f, %eax\n call *%eax\n jmp 2f\n 1: endbr32\n ret\n 2: rdsspd %edx");
PIECE(p_wide, "endbr64\n nop");
PIECE(p_jump_wide, "mov $p_jump_wide_to, %eax\n jmp *%eax\n p_jump_wide_to: endbr64");
CODE_LABEL(p_jump_wide_to);
PIECE(p_notrack, "mov $1f, %eax\n .byte 0x2E, 0x3E\n jmp *%eax\n 1: nop");
PIECE(p_notrack_not_last, "mov $p_notrack_to, %eax\n .byte 0x3E, 0x2E\n jmp *%eax\n p_notrack_to: nop");
CODE_LABEL(p_notrack_to);
USER_PIECE(u_call, "call 1f\n jmp 2f\n 1: ret\n 2: rdsspd %edx");

static void near(void) {
    check(run(p_call, SH_STK_EN, 0) == NO_FAULT && n_edx == TOP - 4 && n_eax == (uptr)p_call_back && n_ecx == n_eax &&
              n_ssp == TOP,
          "CALL pushes 4 bytes, RET pops them");
    fresh();
    check(run(p_call_next, SH_STK_EN, 0) == NO_FAULT && n_edx == TOP, "CALL with displacement 0 pushes nothing");
    fresh();
    check(run(p_ret_bad, SH_STK_EN, 0) == VEC_CP && f.error == CP_NEAR_RET, "RET to another address: #CP(NEAR-RET)");
    fresh();
    check(run(p_ret16, SH_STK_EN, 0) == NO_FAULT && n_edx == TOP, "RET imm16");
    fresh();
    check(run_user(u_call, SH_STK_EN, 0) == USER_END && n_edx == USER_TOP, "CALL and RET at CPL 3");
    fresh();
    if (!has_ibt()) {
        skip("no tracking", "indirect branches");
        return;
    }
    check(run(p_indirect, SH_STK_EN | ENDBR_EN, 0) == NO_FAULT && n_edx == TOP, "CALL through a register to ENDBR32");
    fresh();
    check(run(p_wide, ENDBR_EN, 0) == NO_FAULT, "ENDBR64 is a NOP");
    fresh();
    check(run(p_jump_wide, ENDBR_EN, 0) == VEC_CP && f.error == CP_ENDBRANCH && f.ip == (uptr)p_jump_wide_to,
          "JMP to ENDBR64 in 32-bit code: #CP(ENDBRANCH)");
    fresh();
    check(run(p_notrack, ENDBR_EN | BIT(4), 0) == NO_FAULT, "no-track prefix as the last segment prefix");
    fresh();
    check(run(p_notrack_not_last, ENDBR_EN | BIT(4), 0) == VEC_CP && f.ip == (uptr)p_notrack_to,
          "not the last: tracked");
    fresh();
}

/* ---- shadow stacks with a hole ---- */

PIECE(p_switch,
      "call 1f\n 1: nop\n call 2f\n nop\n 2: rstorssp (%edi)\n setc %cl\n movzx %cl, %ecx\n saveprevssp\n rdsspd %edx");
PIECE(p_rstorssp, "rstorssp (%edi)");
PIECE(p_hole_pop, "rstorssp (%edi)\n saveprevssp\n rdsspd %edx");

static void holes(void) {
    u32 at = SHADOW + 0x1100;
    *alias(at) = at + 8;
    check(run(p_switch, SH_STK_EN, at) == NO_FAULT && n_ecx == 0 && n_edx == at + 8, "RSTORSSP and SAVEPREVSSP");
    ok_eq(*alias(TOP - 16), TOP - 4, "the restore token lies below a hole of 4 bytes");
    fresh();
    *alias(at) = at + 12;
    check(run(p_hole_pop, SH_STK_EN, at) == NO_FAULT && n_edx == at + 12,
          "SAVEPREVSSP pops the hole that RSTORSSP found");
    fresh();
    *alias(at) = at + 12;
    *alias(at + 8) = 1;
    check(run(p_hole_pop, SH_STK_EN, at) == VEC_GP && f.error == 0, "SAVEPREVSSP, the hole is not zero: #GP(0)");
    fresh();
    *alias(at) = (at + 8) | 1;
    check(run(p_rstorssp, SH_STK_EN, at) == VEC_CP && f.error == CP_RSTORSSP,
          "RSTORSSP, a token of 64-bit mode: #CP(RSTORSSP)");
    fresh();
    *alias(at) = (at + 8) | BIT(32);
    check(run(p_rstorssp, SH_STK_EN, at) == VEC_CP && f.error == CP_RSTORSSP,
          "RSTORSSP, a token beyond 4 GiB: #CP(RSTORSSP)");
    fresh();
}

/* ---- far ---- */

#define NOTE_FRAME                                                                                                     \
    "endbr32\n rdsspd %eax\n mov %eax, n_at\n mov (%eax), %ecx\n mov %ecx, n_prev\n mov 4(%eax), %ecx\n mov %ecx, "    \
    "n_prev + 4\n "                                                                                                    \
    "mov 8(%eax), %ecx\n mov %ecx, n_lip\n mov 16(%eax), %ecx\n mov %ecx, n_cs\n mov 24(%eax), %ecx\n mov %ecx, "      \
    "n_above\n incl "                                                                                                  \
    "n_runs\n"
PIECE(p_far, "call 1f\n jmp 2f\n 1: lcall $0x18, $t_far\n p_far_back: ret\n 2:");
CODE_LABEL(p_far_back);
CODE(t_far, NOTE_FRAME "lretl");
PIECE(p_far_bad, "lcall $0x18, $t_far_bad");
CODE(t_far_bad, "endbr32\n movl $done, (%esp)\n lretl");
PIECE(p_int, "call 1f\n jmp 2f\n 1: int $0x80\n p_int_back: ret\n 2:");
CODE_LABEL(p_int_back);
CODE(t_iret, NOTE_FRAME "iretl");
CODE(t_iret_bad, "endbr32\n movl $done, (%esp)\n iretl");
CODE(t_gate, NOTE_FRAME "lretl");
USER_PIECE(u_int, "call 1f\n jmp 2f\n 1: int $0x80\n ret\n 2: rdsspd %edx");
USER_PIECE(u_gate, "call 1f\n jmp 2f\n 1: lcall $0x73, $0\n ret\n 2: rdsspd %edx");

static void far(void) {
    check(run(p_far, SH_STK_EN, 0) == NO_FAULT && n_runs == 1 && n_ssp == TOP, "far CALL and RET");
    ok(n_at == TOP - 32 && n_prev == TOP - 4 && n_lip == (uptr)p_far_back && n_cs == SEL_CODE32 && (u32)n_above == 0,
       "the frame: SSP, linear address and CS of 8 bytes each, behind a hole of zeros");
    fresh();
    check(run(p_far_bad, SH_STK_EN, 0) == VEC_CP && f.error == CP_FAR_RET, "RETF to another address: #CP(FAR-RET)");
    fresh();
    vector_set(TINT, t_iret, 3);
    check(run(p_int, SH_STK_EN, 0) == NO_FAULT && n_at == TOP - 32 && n_prev == TOP - 4 && n_lip == (uptr)p_int_back &&
              n_ssp == TOP,
          "INT and IRET");
    fresh();
    vector_set(TINT, t_iret_bad, 3);
    check(run(p_int, SH_STK_EN, 0) == VEC_CP && f.error == CP_FAR_RET, "IRET to another address: #CP(FAR-RET/IRET)");
    fresh();
    vector_set(TINT, t_iret, 3);
    check(run_user(u_int, SH_STK_EN, SH_STK_EN) == USER_END && n_at == TOP && n_prev == (TOP | 1) && n_edx == USER_TOP,
          "INT from CPL 3 and IRET");
    fresh();
    u64 o = (uptr)t_gate;
    guest_gdt[GATE >> 3] = (o & 0xFFFF) | (u64)SEL_CODE32 << 16 | (u64)0xEC << 40 | (o >> 16) << 48;
    check(run_user(u_gate, SH_STK_EN, SH_STK_EN) == USER_END && n_at == TOP && n_prev == (TOP | 1) && n_edx == USER_TOP,
          "CALL from CPL 3 through a gate and RETF");
    fresh();
    *alias(TOP) = TOP; /* the supervisor gives it back on the way to CPL 3 */
    wrmsr(MSR_PL3_SSP, USER_TOP);
    check(run_user(u_int, 0, SH_STK_EN) == USER_END && n_at == TOP, "INT from CPL 3, shadow stacks at CPL 0 only");
    fresh();
}

/* ---- tasks ---- */

struct tss16 {
    u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};
static struct {
    struct tss t;
    u32 ssp;
} other ALIGNED(256), mine ALIGNED(256), faulty ALIGNED(256);
static u8 task_stack[4096] ALIGNED(16);

CODE(t_task, "task_again: endbr32\n clts\n" NOTE_FRAME "iretl\n jmp task_again");
CODE(t_task_bad, "endbr32\n clts\n mov task_link, %eax\n movl $done, 32(%eax)\n iretl");
CODE(t_task_jump, "endbr32\n clts\n rdsspd %eax\n mov %eax, n_at\n incl n_runs\n ljmp $0x58, $0");
extern u32 task_link;
__asm__(".pushsection .bss\n task_link: .skip 4\n.popsection");
PIECE(p_task_call, "call 1f\n jmp 2f\n 1: lcall $0x78, $0\n p_task_call_back: ret\n 2: clts");
CODE_LABEL(p_task_call_back);
PIECE(p_task_int, "call 1f\n jmp 2f\n 1: int $0x81\n p_task_int_back: ret\n 2: clts");
CODE_LABEL(p_task_int_back);
PIECE(p_task_jump, "ljmp $0x78, $0\n rdsspd %edx\n clts");
PIECE(p_task_16, "lcall $0x88, $0\n clts");

static void prepare(const u8 *code, u32 limit) {
    fresh();
    memset(&other, 0, sizeof other);
    other.t.eip = (u32)(uptr)code;
    other.t.eflags = 2;
    other.t.esp = (u32)(uptr)task_stack + sizeof task_stack;
    other.t.cs = SEL_CODE32;
    other.t.ss = other.t.ds = other.t.es = SEL_DATA;
    other.t.cr3 = read_cr3();
    other.t.iomap_base = sizeof other;
    other.ssp = TOP2;
    task_link = (u32)(uptr)&mine;
    guest_gdt[SEL_A >> 3] = seg_descriptor((u32)(uptr)&other, limit, 0x89);
    guest_gdt[SEL_TG >> 3] = (u64)SEL_A << 16 | (u64)0x85 << 40;
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&mine, sizeof mine - 1, 0x89);
    load_tr(SEL_TSS);
    write_cr0(read_cr0() & ~CR0_TS);
}
/* a fault in the other task ends there: try_fault() goes on on its own stack, but with the other TSS */
static int run_task(const u8 *code, u32 s_cet) {
    int vector = run(code, s_cet, 0);
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&mine, sizeof mine - 1, 0x89);
    load_tr(SEL_TSS);
    write_cr0(read_cr0() & ~CR0_TS);
    write_flags(read_flags() & ~FLAG_NT);
    return vector;
}

CODE(t_cp, "endbr32\n clts\n" NOTE_FRAME "pop n_at\n movl $7, n_runs\n jmp done");
/* The exception gets a task of its own: there is no shadow stack, or no stack, to deliver it on. */
static void fault_task(u8 vector) {
    faulty = other;
    faulty.t.eip = (u32)(uptr)t_cp;
    faulty.t.esp = (u32)(uptr)task_stack + 2048;
    faulty.ssp = SHADOW + 0xE00;
    *alias(faulty.ssp) = faulty.ssp;
    guest_gdt[SEL_CP >> 3] = seg_descriptor((u32)(uptr)&faulty, sizeof faulty - 1, 0x89);
    idt_set(vector, SEL_CP, NULL, GATE_TASK, 0, 0);
}

static void tasks(void) {
    mine.t = guest_tss;
    mine.t.cr3 = read_cr3();
    mine.t.iomap_base = sizeof mine;
    prepare(t_task, sizeof other - 1);
    check(run_task(p_task_call, SH_STK_EN) == NO_FAULT && n_runs == 1 && n_ssp == TOP, "CALL of a task and IRET");
    ok(n_at == TOP2 - 24 && n_prev == TOP - 4 && n_lip == (uptr)p_task_call_back && n_cs == SEL_CODE32 &&
           n_above == (TOP2 | 1),
       "a frame of the old task on the shadow stack of the TSS, whose token is busy");
    ok_eq(*alias(TOP2), TOP2, "IRET frees the token");
    prepare(t_task, sizeof other - 1);
    idt_set(TASKINT, SEL_A, NULL, GATE_TASK, 3, 0);
    check(run_task(p_task_int, SH_STK_EN) == NO_FAULT && n_lip == (uptr)p_task_int_back && n_ssp == TOP,
          "INT through a task gate and IRET");
    prepare(t_task_jump, sizeof other - 1);
    mine.ssp = TOP;
    check(run_task(p_task_jump, SH_STK_EN) == VEC_TS && f.error == SEL_TSS,
          "JMP back to a task whose token is busy: #TS(TSS)");
    ok(n_runs == 1 && n_at == TOP2, "JMP to a task pushes no frame");
    prepare(t_task_jump, sizeof other - 1);
    mine.ssp = SHADOW + 0xF00;
    *alias(mine.ssp) = mine.ssp;
    check(run_task(p_task_jump, SH_STK_EN) == NO_FAULT && n_edx == mine.ssp && *alias(TOP2) == (TOP2 | 1),
          "JMP back to a task with a free token; the token that was left stays busy");
    prepare(t_task, 0x67);
    check(run_task(p_task_call, SH_STK_EN) == VEC_TS && f.error == SEL_A, "a TSS without room for SSP: #TS(TSS)");
    prepare(t_task, sizeof other - 1);
    other.ssp = TOP2 + 4;
    check(run_task(p_task_call, SH_STK_EN) == VEC_TS && f.error == SEL_A, "SSP of the TSS not aligned to 8: #TS(TSS)");
    prepare(t_task, sizeof other - 1);
    *alias(TOP2) |= 1;
    check(run_task(p_task_call, SH_STK_EN) == VEC_TS && f.error == SEL_A, "the token is busy: #TS(TSS)");
    prepare(t_task, sizeof other - 1);
    *alias(TOP2) = TOP2 - 8;
    check(run_task(p_task_call, SH_STK_EN) == VEC_TS && f.error == SEL_A, "the token is for another place: #TS(TSS)");
    prepare(t_task_bad, sizeof other - 1);
    fault_task(VEC_CP);
    check(run_task(p_task_call, SH_STK_EN) == NO_FAULT && n_runs == 7,
          "IRET to a task whose EIP was changed: #CP through a task gate");
    ok(n_at == CP_FAR_RET && n_prev == 0, "error code FAR-RET/IRET; the SSP of before is 0");
    vector_set(VEC_CP, NULL, 0);
    prepare(t_task, 0x67);
    check(run_task(p_task_call, 0) == NO_FAULT, "a TSS without SSP while shadow stacks are off");
    if (has_ibt()) {
        prepare(t_task, sizeof other - 1);
        check(run_task(p_task_call, ENDBR_EN) == NO_FAULT, "a task that begins with ENDBR32");
        prepare(t_task + 4, sizeof other - 1);
        check(run_task(p_task_call, ENDBR_EN) == VEC_CP && f.error == CP_ENDBRANCH && f.ip == (uptr)t_task + 4,
              "a task that doesn't: #CP(ENDBRANCH)");
    }
    prepare(t_task, sizeof other - 1);
    static struct tss16 old = {
        .flags = 2, .sp = 0x1000, .cs = SEL_CODE32, .ss = SEL_DATA, .ds = SEL_DATA, .es = SEL_DATA};
    guest_gdt[SEL_16 >> 3] = seg_descriptor((u32)(uptr)&old, sizeof old - 1, 0x81);
    fault_task(VEC_TS);
    check(run_task(p_task_16, SH_STK_EN) == NO_FAULT && n_runs == 7 && n_at == SEL_16, "a 16-bit TSS: #TS(TSS)");
    vector_set(VEC_TS, NULL, 0);
    fresh();
}

/* ---- virtual-8086 mode ---- */

PIECE(p_v86, "mov %edi, %esp\n iretl");

static void v86(void) {
    static u32 stack[512] = {[400] = 0, 0x1000, 2 | (u32)FLAG_VM, 0x100, 0x1000, 0, 0, 0, 0};
    u32 *frame = stack + 400; /* room below for the faults */
    u8 *code = (u8 *)0x10000; /* INT3 */
    *code = 0xCC;
    fresh();
    wrmsr(MSR_U_CET, SH_STK_EN);
    check(run(p_v86, 0, (uptr)frame) == VEC_GP && f.error == 0,
          "IRET to virtual-8086 mode while U_CET.SH_STK_EN = 1: #GP(0)");
    fresh();
    if (has_ibt()) {
        wrmsr(MSR_U_CET, ENDBR_EN);
        check(run(p_v86, 0, (uptr)frame) == VEC_GP && f.error == 0, "likewise U_CET.ENDBR_EN: #GP(0)");
        fresh();
    }
    check(run(p_v86, SH_STK_EN, (uptr)frame) == VEC_BP && (f.flags & FLAG_VM) && n_ssp == TOP &&
              *alias(TOP) == (TOP | 1),
          "IRET to virtual-8086 mode gives the token back; #BP takes it again");
    fresh();
}

void guest_main(void) {
    if (!has_shstk()) {
        skip("no shadow stacks", "everything");
        return;
    }
    setup();
    near();
    holes();
    far();
    tasks();
    v86();
}
