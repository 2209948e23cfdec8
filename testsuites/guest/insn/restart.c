/* Faults in the middle: REP string instructions across missing pages with exact registers at each fault, accesses that
 * cross into a missing page and must leave nothing behind, stack instructions that fault, CMPXCHG16B's alignment.
 * SDM 2, "REP"; SDM 3, "Restarting Program or Task After an Exception" */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define SRC   0x5000000000ULL /* two windows of eight pages whose pages come and go */
#define DST   0x5000100000ULL
#define PAGES 8

static u8 *src, *dst; /* the memory behind the windows */
static struct fault f;
static u32 faults;
static struct regs at_fault[16];
static u64 fault_address[16];
static u64 root;

static void map(u64 va, u8 *memory, u32 n, bool present) {
    *pt_entry(root, va + n * PAGE_SIZE, 1) = present ? (uptr)(memory + n * PAGE_SIZE) | PTE_P | PTE_W : 0;
    invlpg((void *)(va + n * PAGE_SIZE));
}

static void map_all(bool present) {
    for (u32 n = 0; n < PAGES; n++) {
        map(SRC, src, n, present);
        map(DST, dst, n, present);
    }
}

/* Maps what is missing and goes on. */
static void on_pf(struct regs *r) {
    u64 va = read_cr2();
    if (faults < ARRAY_SIZE(at_fault)) {
        at_fault[faults] = *r;
        fault_address[faults] = va;
    }
    faults++;
    if (va >= DST)
        map(DST, dst, (u32)((va - DST) / PAGE_SIZE), true);
    else
        map(SRC, src, (u32)((va - SRC) / PAGE_SIZE), true);
}

struct string_regs {
    u64 rax, rcx, rsi, rdi;
    u64 flags;
};

static void run(const u8 *code, struct string_regs *r) {
    __asm__ volatile("push %%rbp\n call *%%rbx\n pushfq\n pop %%rdx\n pop %%rbp"
                     : "+a"(r->rax), "+c"(r->rcx), "+S"(r->rsi), "+D"(r->rdi), "=d"(r->flags)
                     : "b"(code)
                     : "memory", "cc");
}

CODE(s_movsb, "rep movsb; ret");
CODE(s_movsq, "rep movsq; ret");
CODE(s_movsb_down, "std; rep movsb; cld; ret");
CODE(s_stosl, "rep stosl; ret");
CODE(s_lodsb, "rep lodsb; ret");
CODE(s_cmpsb, "repe cmpsb; ret");
CODE(s_scasb, "repne scasb; ret");
CODE(s_stosb32, "addr32 rep stosb; ret");
CODE(s_insb, "rep insb; ret");

static void fill(void) {
    for (u32 i = 0; i < PAGES * PAGE_SIZE; i++) {
        src[i] = (u8)(i * 7 + (i >> 8));
        dst[i] = 0xEE;
    }
}

static void copies(void) {
    struct string_regs r = {0, 3 * PAGE_SIZE, SRC + 0x800, DST + 0x123, 0};
    fill();
    map_all(false);
    faults = 0;
    run(s_movsb, &r);
    ok_eq(faults, 8, "REP MOVSB over four and four missing pages: eight page faults");
    ok(r.rcx == 0 && r.rsi == SRC + 0x3800 && r.rdi == DST + 0x3123, "its registers afterwards");
    ok(!memcmp(src + 0x800, dst + 0x123, 3 * PAGE_SIZE) && dst[0x122] == 0xEE && dst[0x3123] == 0xEE, "its copy");
    bool exact = true;
    for (u32 i = 0; i < faults && i < 16; i++) {
        u64 done = at_fault[i].rsi - (SRC + 0x800);
        if (at_fault[i].rdi != DST + 0x123 + done || at_fault[i].rcx != 3 * PAGE_SIZE - done ||
            at_fault[i].ip != (uptr)s_movsb)
            exact = false;
        if (fault_address[i] != at_fault[i].rsi && fault_address[i] != at_fault[i].rdi) exact = false;
    }
    ok(exact, "at each fault the registers count what is done, and RIP is the instruction's");
    fill();
    map_all(false);
    faults = 0;
    r = (struct string_regs){0, 1024, SRC + 4, DST + 4, 0};
    run(s_movsq, &r);
    ok_eq(faults, 6, "REP MOVSQ across page borders: six page faults");
    ok(!memcmp(src + 4, dst + 4, 8192), "its copy");
    ok(at_fault[2].rcx == 1024 - 511 && at_fault[2].rsi == SRC + 4 + 511 * 8,
       "an element that crosses into a missing page isn't done");
    fill();
    map_all(false);
    faults = 0;
    r = (struct string_regs){0, 0x1800, SRC + 0x27FF, DST + 0x27FF, 0};
    run(s_movsb_down, &r);
    ok(faults == 4 && r.rcx == 0 && r.rsi == SRC + 0xFFF && !memcmp(src + 0x1000, dst + 0x1000, 0x1800),
       "REP MOVSB downwards");
    /* overlapping: byte by byte in order */
    map_all(true);
    fill();
    src[0] = 0x5A;
    r = (struct string_regs){0, 0x1FFF, SRC, SRC + 1, 0};
    run(s_movsb, &r);
    bool same = true;
    for (u32 i = 0; i < 0x2000; i++)
        if (src[i] != 0x5A) same = false;
    ok(same, "REP MOVSB onto itself one byte further repeats the byte");
}

static void others(void) {
    struct string_regs r = {0x11223344, 0x800, 0, DST + 0xFFE, 0};
    fill();
    map_all(false);
    faults = 0;
    run(s_stosl, &r);
    ok(faults == 3 && r.rcx == 0 && r.rdi == DST + 0x2FFE, "REP STOSD across missing pages");
    ok(dst[0xFFE] == 0x44 && dst[0x1000] == 0x22 && dst[0x2FFD] == 0x11 && dst[0x2FFE] == 0xEE, "its stores");
    map_all(false);
    faults = 0;
    r = (struct string_regs){0, 0x1800, SRC, 0, 0};
    run(s_lodsb, &r);
    ok(faults == 2 && r.rcx == 0 && (r.rax & 0xFF) == src[0x17FF], "REP LODSB");
    fill();
    memcpy(dst, src, 0x2000);
    dst[0x1802] ^= 1;
    map_all(false);
    faults = 0;
    r = (struct string_regs){0, 0x2000, SRC, DST, 0};
    run(s_cmpsb, &r);
    ok(faults == 4 && r.rcx == 0x2000 - 0x1803 && r.rsi == SRC + 0x1803 && !(r.flags & FLAG_ZF),
       "REPE CMPSB stops at the difference");
    memset(dst, 0xEE, 0x3000);
    dst[0x2345] = 0x77;
    map_all(false);
    faults = 0;
    r = (struct string_regs){0x77, ~0ULL, 0, DST, 0};
    run(s_scasb, &r);
    ok(faults == 3 && r.rdi == DST + 0x2346 && r.rcx == ~0ULL - 0x2346 && (r.flags & FLAG_ZF),
       "REPNE SCASB finds its byte");
    map_all(true);
    r = (struct string_regs){0x77, 0, SRC, DST, 0};
    write_flags(2);
    run(s_movsb, &r);
    ok(r.rcx == 0 && r.rsi == SRC && r.rdi == DST, "RCX 0 does nothing");
    /* address-size prefix: ECX and EDI, zero-extended */
    u8 *low = page_alloc();
    r = (struct string_regs){0x66, 0xABCD00000010ULL, 0, 0x1234500000000ULL | (uptr)low, 0};
    run(s_stosb32, &r);
    ok(low[0] == 0x66 && low[15] == 0x66 && low[16] == 0, "REP STOSB with 32-bit addresses");
    ok_eq(r.rdi, (uptr)low + 16, "RDI is zero-extended");
    ok_eq(r.rcx, 0, "and RCX");
    /* INS: the fault comes before the port is read */
    map_all(false);
    faults = 0;
    r = (struct string_regs){0, 2, 0, DST + 0xFFF, 0};
    __asm__ volatile("call *%%rbx" : "+c"(r.rcx), "+D"(r.rdi) : "b"(s_insb), "d"(0x80) : "memory", "cc");
    ok(faults == 2 && r.rcx == 0 && r.rdi == DST + 0x1001, "REP INSB across missing pages");
}

/* Accesses of 8 bytes, four of them in a missing page: #PF with the missing page's address, nothing written */
CODE(x_mov, "mov %rax, (%rdi); ret");
CODE(x_xadd, "lock xadd %rax, (%rdi); ret");
CODE(x_add, "add %rax, (%rdi); ret");
CODE(x_xchg, "xchg %rax, (%rdi); ret");
CODE(x_push_mem, "push (%rdi); pop %rdx; ret");
CODE(x_cmpxchg, "cmpxchg %rcx, (%rdi); ret");
CODE(x_movbe, "movbe %rax, (%rdi); ret");

static struct string_regs split_regs;
static void split(void *arg) { run(arg, &split_regs); }

static void crossing(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u64 error;
    } row[] = {
        {"MOV",            x_mov,      2},
        {"LOCK XADD",      x_xadd,     2},
        {"ADD",            x_add,      2},
        {"XCHG",           x_xchg,     2},
        {"CMPXCHG",        x_cmpxchg,  2},
        {"PUSH of memory", x_push_mem, 0},
        {"MOVBE",          x_movbe,    2}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        if (row[i].code == x_movbe && !(cpuid(1, 0).ecx & BIT(22))) continue;
        fill();
        map_all(true);
        map(DST, dst, 1, false);
        split_regs = (struct string_regs){0x1122334455667788, 1, 0, DST + 0xFFC, 0};
        int v = try_fault(split, (void *)(uptr)row[i].code, &f);
        ok(v == VEC_PF && f.cr2 == DST + 0x1000 && f.error == row[i].error, "%s into a missing page: #PF at the page",
           row[i].name);
        ok(dst[0xFFC] == 0xEE && dst[0xFFF] == 0xEE, "%s: nothing is written", row[i].name);
    }
}

CODE(k_push, "mov %rsp, %rdx\n mov %rdi, %rsp\nk_push_at: push %rax\n mov %rdx, %rsp\n ret");
CODE_LABEL(k_push_at);
CODE(k_call, "mov %rsp, %rdx\n mov %rdi, %rsp\nk_call_at: call k_call_at\n mov %rdx, %rsp\n ret");
CODE_LABEL(k_call_at);
CODE(k_pop_mem, "push $5\nk_pop_mem_at: popq (%rdi)\n ret");
CODE_LABEL(k_pop_mem_at);
CODE(k_enter, "mov %rsp, %rdx\n mov %rdi, %rsp\nk_enter_at: enter $16, $0\n mov %rdx, %rsp\n ret");
CODE_LABEL(k_enter_at);
CODE(k_leave, "mov %rsp, %rdx\n mov %rdi, %rbp\nk_leave_at: leave\n mov %rdx, %rsp\n ret");
CODE_LABEL(k_leave_at);
CODE(k_cx16, "cmpxchg16b (%rdi); ret");

/* #PF handler on IST4: the stack itself is missing */
static void stacks(void) {
    static const struct {
        const char *name;
        const u8 *code, *at;
    } row[] = {
        {"PUSH",  k_push,  k_push_at },
        {"CALL",  k_call,  k_call_at },
        {"ENTER", k_enter, k_enter_at}
    };
    guest_tss.ist[3] = (uptr)page_alloc() + PAGE_SIZE;
    idt_set(VEC_PF, SEL_CODE64, isr_entry(VEC_PF), GATE_INT, 0, 4);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        map_all(true);
        map(DST, dst, 1, false);
        split_regs = (struct string_regs){0, 0, 0, DST + 0x2000, 0};
        int v = try_fault(split, (void *)(uptr)row[i].code, &f);
        ok(v == VEC_PF && f.error == 2 && f.cr2 == DST + 0x1FF8, "%s to a missing stack: #PF", row[i].name);
        ok(f.ip == (uptr)row[i].at && f.sp == DST + 0x2000, "%s: RIP and RSP are as before", row[i].name);
    }
    map_all(true);
    map(DST, dst, 1, false);
    split_regs.rdi = DST + 0x1000;
    ok(try_fault(split, (void *)(uptr)k_leave, &f) == VEC_PF && f.ip == (uptr)k_leave_at && f.sp < DST,
       "LEAVE from a missing stack: #PF, RSP is as before");
    split_regs.rdi = DST + 0x1000;
    int v = try_fault(split, (void *)(uptr)k_pop_mem, &f);
    ok(v == VEC_PF && f.ip == (uptr)k_pop_mem_at && *(u64 *)(uptr)f.sp == 5,
       "POP to a missing page: #PF, RSP is as before");
    idt_set(VEC_PF, SEL_CODE64, isr_entry(VEC_PF), GATE_INT, 0, 0);
    if (cpuid(1, 0).ecx & BIT(13)) {
        map_all(true);
        split_regs.rdi = DST + 8;
        ok(try_fault(split, (void *)(uptr)k_cx16, &f) == VEC_GP && f.error == 0,
           "CMPXCHG16B that isn't aligned: #GP(0)");
    }
}

/* An instruction whose bytes are in a missing page: a fetch fault with the missing page's address, RIP of the
 * instruction */
static void fetch(void) {
    map_all(true);
    dst[0xFFE] = 0x48; /* mov $imm32, %rax */
    dst[0xFFF] = 0xC7;
    dst[0x1000] = 0xC0;
    *(u32 *)(void *)(dst + 0x1001) = 0x1234;
    dst[0x1005] = 0xC3;
    map(DST, dst, 1, false);
    split_regs = (struct string_regs){0, 0, 0, 0, 0};
    int v = try_fault(split, (void *)(DST + 0xFFE), &f);
    ok(v == VEC_PF && f.cr2 == DST + 0x1000 && f.ip == DST + 0xFFE,
       "an instruction that crosses into a missing page: #PF");
    map(DST, dst, 1, true);
    v = try_fault(split, (void *)(DST + 0xFFE), &f);
    ok(v == NO_FAULT && split_regs.rax == 0x1234, "and runs when it is there");
    dst[0x1001] = 0x35;
    v = try_fault(split, (void *)(DST + 0xFFE), &f);
    ok(v == NO_FAULT && split_regs.rax == 0x1235, "and is run as modified");
}

void guest_main(void) {
    root = read_cr3();
    src = pages_alloc(PAGES, 1);
    dst = pages_alloc(PAGES, 1);
    handler_set(VEC_PF, on_pf);
    copies();
    others();
    handler_set(VEC_PF, NULL);
    crossing();
    stacks();
    fetch();
}
