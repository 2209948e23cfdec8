/* Hardware task switches: JMP, CALL, INT and IRET, by TSS and by task gate, 32- and 16-bit TSS; busy bits, NT, links,
 * TS, the T bit, and the faults with their error codes. SDM 3, "Task Management": "Task Switching", "Exception
 * Conditions Checked During a Task Switch", "Effect of a Task Switch on Busy Flag, NT Flag, Previous Task Link Field,
 * and TS Flag" */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define SEL_A    0x70 /* TSS of the other task */
#define SEL_GATE 0x78 /* task gate to it */
#define SEL_16   0x80 /* 16-bit TSS */
#define SEL_BAD  0x88
#define BUSY     BIT(41)

struct tss16 {
    u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

static struct tss other ALIGNED(128);
static struct tss16 other16 ALIGNED(64);
static u8 stack[4096] ALIGNED(16);
static struct fault f;
static u32 db_count;
static u64 db_dr6;

struct far_pointer {
    u32 offset;
    u16 sel;
} __attribute__((packed));

static void far_call(void *arg) { __asm__ volatile("lcall *(%0)" : : "r"(arg) : "eax", "ecx", "edx", "memory", "cc"); }
static void far_jump(void *arg) { __asm__ volatile("ljmp *(%0)" : : "r"(arg) : "eax", "ecx", "edx", "memory", "cc"); }
static void int_70(void *arg) { __asm__ volatile("int $0x70" : : "a"(arg) : "ecx", "edx", "memory", "cc"); }

static int go(void (*fn)(void *), u16 sel) {
    struct far_pointer p = {0, sel};
    return try_fault(fn, &p, &f);
}

static bool busy(u16 sel) { return guest_gdt[sel >> 3] & BUSY; }
static void set(u16 sel, const void *base, u32 limit, u32 attr) {
    guest_gdt[sel >> 3] = seg_descriptor((u32)(uptr)base, limit, attr);
}
static void set_gate(u16 sel, u16 tss, u32 type) { guest_gdt[sel >> 3] = (u64)tss << 16 | (u64)type << 40; }

/* What the other task runs: notes what it sees and goes back by IRET, then again when called again. */
CODE(task, "task_at: mov %eax, n_eax\n mov %ebx, n_ebx\n mov %esp, n_esp\n str n_tr\n pushfl\n pop n_flags\n mov %cr0, "
           "%eax\n mov %eax, n_cr0\n"
           "mov %ds, n_ds\n mov %fs, n_fs\n clts\n incl n_runs\n mov $0x1357, %ecx\n iretl\n jmp task_at\n"
           "task_jump_back: incl n_runs\n clts\n ljmp $0x58, $0\n jmp task_jump_back\n"
           "task_error: pop n_error\n clts\n incl n_runs\n iretl\n jmp task_error\n"
           ".pushsection .bss\n.p2align 2\nn_eax: .skip 4\nn_ebx: .skip 4\nn_esp: .skip 4\nn_flags: .skip 4\nn_cr0: "
           ".skip 4\nn_tr: .skip 4\n"
           "n_ds: .skip 4\nn_fs: .skip 4\nn_runs: .skip 4\nn_error: .skip 4\n.popsection");
CODE_LABEL(task_at);
CODE_LABEL(task_jump_back);
CODE_LABEL(task_error);
extern u32 n_eax, n_ebx, n_esp, n_flags, n_cr0, n_tr, n_ds, n_fs, n_runs, n_error;

static void prepare(const void *ip) {
    memset(&other, 0, sizeof other);
    other.eip = (u32)(uptr)ip;
    other.eflags = 2;
    other.eax = 0xAAAA1111;
    other.ebx = 0xBBBB2222;
    other.esp = (u32)(uptr)stack + sizeof stack;
    other.cs = SEL_CODE32;
    other.ss = other.ds = other.es = SEL_DATA;
    other.cr3 = (u32)read_cr3();
    other.iomap_base = sizeof other;
    set(SEL_A, &other, sizeof other - 1, 0x89);
    set_gate(SEL_GATE, SEL_A, 0x85);
    guest_gdt[SEL_TSS >> 3] |= BUSY;
    write_flags(read_flags() & ~FLAG_NT);
    n_runs = 0;
}

static void by_call(void) {
    prepare(task_at);
    __asm__ volatile("" : : : "memory");
    ok_eq((u64)go(far_call, SEL_A), (u64)NO_FAULT, "CALL of a TSS and IRET back");
    ok_eq(n_runs, 1, "the task ran");
    ok(n_eax == 0xAAAA1111 && n_ebx == 0xBBBB2222, "with its registers");
    ok_eq(n_esp, (uptr)stack + sizeof stack, "and its stack");
    ok_eq(n_tr & 0xFFFF, SEL_A, "and its TR");
    ok(n_flags & FLAG_NT, "NT is set in a nested task");
    ok(n_cr0 & CR0_TS, "CR0.TS is set by a task switch");
    ok_eq(n_ds & 0xFFFF, SEL_DATA, "and its segments");
    ok_eq(n_fs & 0xFFFF, 0, "null ones as well");
    ok_eq(other.link & 0xFFFF, SEL_TSS, "the link in its TSS is the old TSS");
    ok(!busy(SEL_A), "IRET clears the busy bit of the task that it leaves");
    ok(busy(SEL_TSS), "the old task stays busy all the time");
    ok_eq(other.ecx, 0x1357, "its registers were saved");
    ok(!(other.eflags & FLAG_NT), "IRET saves its NT as 0");
    ok(read_cr0() & CR0_TS, "CR0.TS is set by the switch back");
    ok(!(read_flags() & FLAG_NT), "our NT is as before");
    ok_eq(read_tr(), SEL_TSS, "TR is ours again");
    __asm__ volatile("clts");
    ok_eq(guest_tss.cs, SEL_CODE32, "our state was saved in our TSS");
    ok_eq((u64)go(far_call, SEL_GATE), (u64)NO_FAULT, "CALL of a task gate");
    ok_eq(n_runs, 2, "it goes on behind its IRET");
}

static void by_jump(void) {
    prepare(task_jump_back);
    ok_eq((u64)go(far_jump, SEL_A), (u64)NO_FAULT, "JMP to a TSS, and JMP back");
    ok_eq(n_runs, 1, "the task ran");
    ok(!busy(SEL_A), "JMP clears the busy bit of the task that it leaves");
    ok(busy(SEL_TSS), "and sets it of the one that it enters");
    ok(!(other.eflags & FLAG_NT), "JMP doesn't set NT");
    ok_eq(other.link & 0xFFFF, 0, "JMP writes no link");
    prepare(task_jump_back);
    ok_eq((u64)go(far_jump, SEL_GATE), (u64)NO_FAULT, "JMP to a task gate");
    __asm__ volatile("clts");
}

struct gate32 {
    u16 offset0, sel;
    u8 zero, type;
    u16 offset1;
};

static void by_interrupt(void) {
    struct gate32 *idt = (struct gate32 *)read_idtr().base, old = idt[0x70], old_gp = idt[VEC_NP];
    prepare(task_at);
    idt[0x70] = (struct gate32){0, SEL_A, 0, 0x85, 0};
    ok_eq((u64)go(int_70, 0), (u64)NO_FAULT, "INT n through a task gate");
    ok_eq(n_runs, 1, "the task ran");
    ok_eq(n_esp, (uptr)stack + sizeof stack, "INT n pushes no error code");
    idt[0x70].type = 0x05;
    ok(go(int_70, 0) == VEC_NP && f.error == (0x70 << 3 | 2), "a task gate that isn't present: #NP(vector, IDT)");
    idt[0x70] = old;
    /* an exception with error code: pushed on the new task's stack */
    prepare(task_error);
    idt[VEC_NP] = (struct gate32){0, SEL_A, 0, 0x85, 0};
    set(SEL_BAD, NULL, 0xFFFFF, 0xC013);
    u32 sel = SEL_BAD;
    n_error = 0x5555;
    /* the handler returns to the faulting instruction: make the segment present meanwhile in a second attempt */

    CODE_LABEL(task_fix);
    other.eip = (u32)(uptr)task_fix;
    __asm__ volatile("mov %w0, %%es\n mov %w1, %%es" : : "r"(sel), "r"(SEL_DATA) : "memory");
    ok_eq(n_error, SEL_BAD, "#NP through a task gate pushes its error code");
    ok_eq(n_runs, 1, "and IRET goes back to the faulting instruction");
    idt[VEC_NP] = old_gp;
    __asm__ volatile("clts");
}
CODE(task_fixer, "task_fix: pop n_error\n orb $0x80, guest_gdt + 0x88 + 5\n incl n_runs\n iretl\n jmp task_fix");

/* "Exception Conditions Checked During a Task Switch" */
static void faults_before(void) {
    static const struct {
        const char *name;
        void (*fn)(void *);
        u16 sel;
        u32 attr, limit; /* of SEL_A */
        u16 gate_tss;
        u32 gate_type;
        int vector;
        u64 error;
    } row[] = {
        {"CALL of a busy TSS: #GP(TSS)",                          far_call, SEL_A,        0x8B, 103, SEL_A,     0x85, VEC_GP, SEL_A    },
        {"JMP to a busy TSS: #GP(TSS)",                           far_jump, SEL_A,        0x8B, 103, SEL_A,     0x85, VEC_GP, SEL_A    },
        {"CALL of a TSS that isn't present: #NP(TSS)",            far_call, SEL_A,        0x09, 103, SEL_A,     0x85, VEC_NP, SEL_A    },
        {"CALL of a TSS that is too small: #TS(TSS)",             far_call, SEL_A,        0x89, 102, SEL_A,     0x85, VEC_TS, SEL_A    },
        {"CALL, RPL above the TSS's DPL: #GP(TSS)",               far_call, SEL_A | 3,    0x89, 103, SEL_A,     0x85, VEC_GP, SEL_A    },
        {"CALL of a task gate, RPL above its DPL: #GP(gate)",     far_call, SEL_GATE | 1, 0x89, 103, SEL_A,     0x85, VEC_GP,
         SEL_GATE                                                                                                                      },
        {"CALL of a task gate that isn't present: #NP(gate)",     far_call, SEL_GATE,     0x89, 103, SEL_A,     0x05, VEC_NP,
         SEL_GATE                                                                                                                      },
        {"a task gate to a busy TSS: #GP(TSS)",                   far_call, SEL_GATE,     0x8B, 103, SEL_A,     0x85, VEC_GP, SEL_A    },
        {"a task gate to a data segment: #GP(selector)",          far_call, SEL_GATE,     0x89, 103, SEL_DATA,  0x85, VEC_GP,
         SEL_DATA                                                                                                                      },
        {"a task gate with a selector in the LDT: #GP(selector)", far_call, SEL_GATE,     0x89, 103, SEL_A | 4, 0x85,
         VEC_GP,                                                                                                              SEL_A | 4}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        prepare(task_at);
        set(SEL_A, &other, row[i].limit, row[i].attr);
        set_gate(SEL_GATE, row[i].gate_tss, row[i].gate_type);
        int v = go(row[i].fn, row[i].sel);
        if (!ok(v == row[i].vector && f.error == row[i].error, "%s", row[i].name))
            diag("vector %d, error code %#llx", v, f.error);
        ok(read_tr() == SEL_TSS && n_runs == 0, "and we are in our task still");
    }
}

/* Faults that are found when the new task's state is loaded: in the context of the new task, whose stack may be no
 * good. So the handlers are tasks as well. They jump back to ours, which looks as if it came back from its CALL. */
#define SEL_HANDLER(n) (0x90 + 8 * (n))

CODE(handlers, ".macro handler vector\n movl $\\vector, h_vector\n jmp handler_common\n .endm\n"
               "handler_ts: handler 10\nhandler_np: handler 11\nhandler_ss: handler 12\n"
               "handler_common: pop h_error\n clts\n andb $~2, guest_gdt + 0x58 + 5\n ljmp $0x58, $0\n"
               ".pushsection .bss\n.p2align 2\nh_vector: .skip 4\nh_error: .skip 4\n.popsection");
CODE_LABEL(handler_ts);
CODE_LABEL(handler_np);
CODE_LABEL(handler_ss);
extern u32 h_vector, h_error;

static struct tss handler_tss[3] ALIGNED(128);

static void handlers_prepare(void) {
    static u8 stacks[3][1024] ALIGNED(16);
    static const u8 *const entry[3] = {handler_ts, handler_np, handler_ss};
    struct gate32 *idt = (struct gate32 *)read_idtr().base;
    h_vector = ~0u;
    h_error = ~0u;
    for (u32 i = 0; i < 3; i++) {
        struct tss *t = &handler_tss[i];
        memset(t, 0, sizeof *t);
        t->eip = (u32)(uptr)entry[i];
        t->eflags = 2;
        t->esp = (u32)(uptr)stacks[i] + sizeof stacks[i];
        t->cs = SEL_CODE32;
        t->ss = t->ds = t->es = SEL_DATA;
        t->cr3 = (u32)read_cr3();
        t->iomap_base = sizeof *t;
        set((u16)SEL_HANDLER(i), t, sizeof *t - 1, 0x89);
        idt[VEC_TS + i] = (struct gate32){0, (u16)SEL_HANDLER(i), 0, 0x85, 0};
    }
}

static void faults_after(void) {
    static const struct {
        const char *name;
        u16 cs, ss, ds, ldt;
        u32 bad_attr; /* of SEL_BAD */
        int vector;
        u64 error;
    } row[] = {
        {"CS is null: #TS(0)",              0,          SEL_DATA, SEL_DATA, 0,       0xC093, VEC_TS, 0      },
        {"CS is a data segment: #TS(CS)",   SEL_BAD,    SEL_DATA, SEL_DATA, 0,       0xC093, VEC_TS, SEL_BAD},
        {"CS isn't present: #NP(CS)",       SEL_BAD,    SEL_DATA, SEL_DATA, 0,       0xC01B, VEC_NP, SEL_BAD},
        {"CS's DPL isn't its RPL: #TS(CS)", SEL_BAD,    SEL_DATA, SEL_DATA, 0,       0xC0FB, VEC_TS, SEL_BAD},
        {"SS is null: #TS(0)",              SEL_CODE32, 0,        SEL_DATA, 0,       0xC093, VEC_TS, 0      },
        {"SS is read-only: #TS(SS)",        SEL_CODE32, SEL_BAD,  SEL_DATA, 0,       0xC091, VEC_TS, SEL_BAD},
        {"SS isn't present: #SS(SS)",       SEL_CODE32, SEL_BAD,  SEL_DATA, 0,       0xC013, VEC_SS, SEL_BAD},
        {"SS's DPL isn't CPL: #TS(SS)",     SEL_CODE32, SEL_BAD,  SEL_DATA, 0,       0xC0F3, VEC_TS, SEL_BAD},
        {"DS is execute-only: #TS(DS)",     SEL_CODE32, SEL_DATA, SEL_BAD,  0,       0xC099, VEC_TS, SEL_BAD},
        {"DS isn't present: #NP(DS)",       SEL_CODE32, SEL_DATA, SEL_BAD,  0,       0xC013, VEC_NP, SEL_BAD},
        {"DS is beyond the GDT: #TS(DS)",   SEL_CODE32, SEL_DATA, 0x400,    0,       0xC093, VEC_TS, 0x400  },
        {"LDT is a data segment: #TS(LDT)", SEL_CODE32, SEL_DATA, SEL_DATA, SEL_BAD, 0xC093, VEC_TS, SEL_BAD},
        {"LDT isn't present: #TS(LDT)",     SEL_CODE32, SEL_DATA, SEL_DATA, SEL_BAD, 0x0002, VEC_TS, SEL_BAD}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        prepare(task_at);
        other.cs = row[i].cs;
        other.ss = row[i].ss;
        other.ds = row[i].ds;
        other.ldt = row[i].ldt;
        set(SEL_BAD, NULL, 0xFFFFF, row[i].bad_attr);
        handlers_prepare();
        go(far_call, SEL_A);
        __asm__ volatile("clts");
        if (!ok(h_vector == (u32)row[i].vector && h_error == row[i].error, "%s", row[i].name))
            diag("vector %d, error code %#x", (int)h_vector, h_error);
        ok_eq(handler_tss[row[i].vector - VEC_TS].link & 0xFFFF, SEL_A, "in the new task");
    }
    for (u8 v = VEC_TS; v <= VEC_SS; v++) idt_set(v, SEL_CODE32, isr_entry(v), GATE_INT, 0, 0);
}

static void iret_nt(void *arg) {
    (void)arg;
    __asm__ volatile("pushfl\n orl $0x4000, (%%esp)\n popfl\n iretl" : : : "memory", "cc");
}

/* IRET with NT: the link must be a busy TSS */
static void returns(void) {
    static const struct {
        const char *name;
        u16 link;
        u64 error;
    } row[] = {
        {"IRET with NT, null link: #TS(0)",                     0,        0       },
        {"IRET with NT, link isn't busy: #TS(TSS)",             SEL_A,    SEL_A   },
        {"IRET with NT, link is a data segment: #TS(selector)", SEL_DATA, SEL_DATA}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        prepare(task_at);
        guest_tss.link = row[i].link;
        int v = try_fault(iret_nt, NULL, &f);
        write_flags(read_flags() & ~FLAG_NT);
        if (!ok(v == VEC_TS && f.error == row[i].error, "%s", row[i].name))
            diag("vector %d, error code %#llx", v, f.error);
    }
    guest_tss.link = 0;
}

static void on_db(struct regs *r) {
    (void)r;
    db_count++;
    db_dr6 = read_dr6();
    write_dr6(0xFFFF0FF0);
}

/* "T (debug trap) flag": #DB after the switch, DR6.BT */
static void trap_bit(void) {
    prepare(task_at);
    other.trap = 1;
    handler_set(VEC_DB, on_db);
    write_dr6(0xFFFF0FF0);
    ok_eq((u64)go(far_call, SEL_A), (u64)NO_FAULT, "CALL of a TSS with the T bit");
    handler_set(VEC_DB, NULL);
    ok_eq(db_count, 1, "one debug exception");
    ok(db_dr6 & BIT(15), "DR6 has BT");
    ok_eq(n_runs, 1, "and the task ran");
    write_dr7(0x400 | 1 | BIT(3)); /* L0, G1 */
    prepare(task_at);
    go(far_call, SEL_A);
    ok_eq(read_dr7() & 0xF, 8, "a task switch clears the local enable bits of DR7 and leaves the global ones");
    write_dr7(0x400);
    __asm__ volatile("clts");
}

/* The 16-bit TSS: 16-bit registers; the code must have a 16-bit offset */
CODE(task16, "task16_at: mov %ax, n_eax\n clts\n incl n_runs\n mov $0x2468, %cx\n iretl");
CODE_LABEL(task16_at);

static void sixteen(void) {
    u32 base = (u32)(uptr)task16_at & ~0xFFFu;
    prepare(task_at);
    set(SEL_BAD, (void *)(uptr)base, 0xFFFFF, 0xC09B);
    memset(&other16, 0, sizeof other16);
    other16.ip = (u16)((u32)(uptr)task16_at - base);
    other16.flags = 2;
    other16.ax = 0x9876;
    other16.cs = SEL_BAD;
    other16.ss = other16.ds = other16.es = SEL_DATA;
    other16.sp = 0x8000;
    set(SEL_16, &other16, sizeof other16 - 1, 0x81);
    n_eax = 0;
    ok_eq((u64)go(far_call, SEL_16), (u64)NO_FAULT, "CALL of a 16-bit TSS");
    ok_eq(n_runs, 1, "the task ran");
    ok_eq(n_eax, 0x9876, "with its registers");
    ok_eq(other16.link, SEL_TSS, "its link");
    ok_eq(other16.cx, 0x2468, "its registers were saved");
    ok(!busy(SEL_16), "it isn't busy any more");
    set(SEL_16, &other16, sizeof other16 - 2, 0x81);
    ok(go(far_call, SEL_16) == VEC_TS && f.error == SEL_16, "a 16-bit TSS that is too small: #TS(TSS)");
    __asm__ volatile("clts");
}

void guest_main(void) {
    by_call();
    by_jump();
    by_interrupt();
    faults_before();
    faults_after();
    returns();
    trap_bit();
    sixteen();
}
