/* Real-address mode: interrupts by the vector table, segment limits, 16-bit addresses, what isn't there, unreal mode.
 * SDM 3, "8086 Emulation": "Real-Address Mode", "Interrupt and Exception Handling" */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/real.h"

extern const u8 real_tests[], real_tests_end[];

enum {
    GP_WORD,
    SS_WORD,
    PUSH_AT_1,
    ADDR32,
    WRAP16,
    INT60,
    UNREAL,
    HMA,
    LLDT,
    DIV,
    BOUND,
    IDT_LIMIT,
    ARPL,
    END_OF_SEGMENT,
    IRET,
    SEG_BASE,
    LAR,
    GP_BYTE,
    SMSW
};

static struct real_regs r;

/* The vector of a fault, or -1. */
static int run(u32 test) {
    for (u32 v = 0; v < 32; v++) real_vector_set((u8)v, REAL_SEGMENT, (u16)(0x100 + 16 * v));
    real_vector_set(0x60, REAL_SEGMENT, 0x380);
    memset(&r, 0, sizeof r);
    r.eax = test;
    r.eflags = 2;
    r.es = r.fs = r.gs = REAL_SEGMENT;
    real_call(real_tests, (size_t)(real_tests_end - real_tests), &r);
    return (int)r.edx;
}

static void faults(void) {
    static const struct {
        const char *name;
        u32 test;
        int vector;
        u16 ip;
    } row[] = {
        {"a word at offset FFFFh: #GP",                       GP_WORD,        VEC_GP, 0x400 },
        {"a byte at offset FFFFh",                            GP_BYTE,        -1,     0     },
        {"a word at offset FFFFh of SS: #SS",                 SS_WORD,        VEC_SS, 0x423 },
        {"a 32-bit address above FFFFh: #GP",                 ADDR32,         VEC_GP, 0x446 },
        {"LLDT: #UD",                                         LLDT,           VEC_UD, 0x4E0 },
        {"ARPL: #UD",                                         ARPL,           VEC_UD, 0x530 },
        {"LAR: #UD",                                          LAR,            VEC_UD, 0x5A0 },
        {"DIV by zero: #DE, the instruction's IP",            DIV,            VEC_DE, 0x4F2 },
        {"BOUND: #BR",                                        BOUND,          VEC_BR, 0x503 },
        {"INT n beyond the limit of the vector table: #GP",   IDT_LIMIT,      VEC_GP, 0x516 },
        {"an instruction across the end of the segment: #GP", END_OF_SEGMENT, VEC_GP, 0xFFFF},
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        int v = run(row[i].test);
        if (!ok(v == row[i].vector && (v < 0 || r.ebx == row[i].ip), "%s", row[i].name))
            diag("vector %d, IP %#x", v, r.ebx);
        if (v >= 0 && row[i].test == GP_WORD) ok_eq(r.ecx, 6, "three words on the stack, no error code");
    }
}

static void results(void) {
    run(WRAP16);
    ok_eq(r.ebx, 0x5A, "16-bit addresses wrap around");
    run(INT60);
    ok_eq(r.ebx >> 16, 0x473, "INT n: IP on the stack");
    ok(r.ebx & FLAG_IF, "INT n: FLAGS on the stack have IF");
    ok(!(r.ecx & FLAG_IF), "INT n clears IF");
    ok_eq((u64)run(UNREAL), (u64)-1, "a segment that was loaded in protected mode");
    ok_eq(r.ebx, 0x1BADB002, "keeps its limit in real mode");
    run(HMA);
    ok_eq(r.ebx, 0x1BADB002, "FFFF:0010 is at 1 MiB");
    run(IRET);
    ok_eq(r.ebx & 0x7FD5, 0x70D5, "IRET loads FLAGS, IOPL and NT, too");
    run(SEG_BASE);
    ok_eq(r.ebx, 0x5A, "a segment's base is its selector times 16");
    run(SMSW);
    ok_eq(r.ebx, 0, "SMSW shows PE 0");
}

void guest_main(void) {
    faults();
    results();
}
