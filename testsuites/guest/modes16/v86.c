/* Virtual-8086 mode and its extensions: sensitive instructions by IOPL, VIF and VIP, interrupt redirection, segments,
 * the stack frame of an interrupt; protected-mode virtual interrupts. SDM 3, "8086 Emulation": "Virtual-8086 Mode",
 * "Sensitive Instructions", "Interrupt and Exception Handling in Virtual-8086 Mode", "Protected-Mode Virtual
 * Interrupts" */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/real.h"

#define IOPL3 0x3000u
#define VIF   BIT(19)
#define VIP   BIT(20)
#define AT(n) (16u * (n))

enum {
    P_CS,
    P_CLI,
    P_STI,
    P_PUSHF,
    P_POPF,
    P_INT,
    P_IRET,
    P_HLT,
    P_CR0,
    P_LGDT,
    P_SLDT,
    P_IN,
    P_INT3,
    P_FFFF,
    P_LAR,
    P_LJMP,
    P_HANDLER,
    P_PUSHFD = 18,
    P_ES,
    P_DATA,
    P_POPF_CLEAR
};

extern const u8 v86_code[], v86_code_end[];
uptr v86_enter(uptr ip, uptr flags);

static struct fault f;
static struct regs seen;
static u32 result;

/* TSS with redirection bitmap and I/O bitmap */
static struct {
    struct tss tss;
    u8 redirection[32], io[0x2001];
} __attribute__((packed)) wide ALIGNED(128);

struct entry {
    u32 piece, flags;
};
static void enter(void *arg) {
    const struct entry *e = arg;
    result = v86_enter(AT(e->piece), e->flags);
}

static int run(u32 piece, u32 flags) {
    struct entry e = {piece, flags};
    result = 0;
    return try_fault(enter, &e, &f);
}

static void record_return(struct regs *r);

static void at_end(struct regs *r) {
    seen = *r;
    record_return(r);
}

static void check(u32 piece, u32 flags, int vector, u64 error, const char *name) {
    int v = run(piece, flags);
    bool good = v == vector && (v == NO_FAULT || (f.error == error && f.ip == AT(piece) && (f.flags & FLAG_VM)));
    if (!ok(good, "%s", name)) diag("vector %d, error code %#llx, IP %#llx", v, f.error, f.ip);
}

static void basics(void) {
    check(P_CS, IOPL3, NO_FAULT, 0, "virtual-8086 code runs and comes back by INT n with IOPL 3");
    ok_eq(result & 0xFFFF, REAL_SEGMENT, "its CS");
    check(P_ES, IOPL3, NO_FAULT, 0, "a segment register load in virtual-8086 mode");
    ok_eq(result, 0x12345678, "base is the selector times 16");
    check(P_FFFF, IOPL3, VEC_GP, 0, "a word at offset FFFFh: #GP(0)");
    check(P_HLT, IOPL3, VEC_GP, 0, "HLT: #GP(0)");
    check(P_CR0, IOPL3, VEC_GP, 0, "MOV from CR0: #GP(0)");
    check(P_LGDT, IOPL3, VEC_GP, 0, "LGDT: #GP(0)");
    check(P_SLDT, IOPL3, VEC_UD, 0, "SLDT: #UD");
    check(P_LAR, IOPL3, VEC_UD, 0, "LAR: #UD");
    check(P_LJMP, IOPL3, NO_FAULT, 0, "a far JMP is as in real mode");
}

/* "CLI, STI, PUSHF, POPF, INT n, IRET are sensitive to IOPL in virtual-8086 mode" */
static void sensitive(void) {
    static const struct {
        const char *name;
        u32 piece;
    } row[] = {
        {"CLI",   P_CLI  },
        {"STI",   P_STI  },
        {"PUSHF", P_PUSHF},
        {"POPF",  P_POPF }, /* faults behind a PUSH */
        {"INT n", P_INT  },
        {"IRET",  P_IRET }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        int v = run(row[i].piece, 0x2000);
        ok(v == VEC_GP && f.error == 0, "%s with IOPL 2: #GP(0)", row[i].name);
        v = run(row[i].piece, IOPL3);
        if (row[i].piece == P_INT)
            ok(v == VEC_GP && f.error == (0x65 << 3 | 2), "INT n with IOPL 3 and a gate of DPL 0: #GP(vector, IDT)");
        else
            ok_eq((u64)v, (u64)NO_FAULT, "%s with IOPL 3", row[i].name);
    }
    ok(run(P_INT3, 0) == VEC_BP && f.ip == AT(P_INT3) + 1, "INT3 isn't sensitive to IOPL");
}

static void on_65(struct regs *r) { seen = *r; }

/* The frame: GS, FS, DS, ES below SS:ESP; the data segments are null in the handler */
static void frame(void) {
    handler_set(0x65, on_65);
    idt_set(0x65, SEL_CODE32, isr_entry(0x65), GATE_INT, 3, 0);
    int v = run(P_INT, IOPL3);
    ok_eq((u64)v, (u64)NO_FAULT, "INT n with IOPL 3 and a gate of DPL 3");
    ok(seen.v86_gs == 0x4444 && seen.v86_fs == 0x3333 && seen.v86_es == 0x2222 && seen.v86_ds == REAL_SEGMENT,
       "the data segments are on the stack");
    ok(seen.ss == REAL_SEGMENT && seen.sp == 0xFFF0 && seen.cs == REAL_SEGMENT && seen.ip == AT(P_INT) + 2,
       "SS:ESP and CS:EIP as well");
    ok((seen.flags & FLAG_VM) && (seen.flags & IOPL3) == IOPL3, "EFLAGS have VM and IOPL");
    ok(!(seen.gs | seen.fs | seen.es | seen.ds), "and the segment registers are null in the handler");
    guest_gdt[SEL_FREE >> 3] = seg_descriptor(0, 0xFFFFF, 0xC09F);
    idt_set(0x65, SEL_FREE, isr_entry(0x65), GATE_INT, 3, 0);
    v = run(P_INT, IOPL3);
    ok(v == VEC_GP && f.error == SEL_FREE, "a gate to a conforming segment: #GP(selector)");
    idt_set(0x65, SEL_CODE32, isr_entry(0x65), GATE_INT, 0, 0);
    handler_set(0x65, NULL);
}

/* "I/O in virtual-8086 mode": by the bitmap alone */
static void io(void) {
    wide.io[0x80 / 8] = 0xFF;
    check(P_IN, IOPL3, VEC_GP, 0, "IN of a port whose bit is 1, IOPL 3: #GP(0)");
    wide.io[0x80 / 8] = 0;
    check(P_IN, IOPL3, NO_FAULT, 0, "IN of a port whose bit is 0");
}

static void vme(void) {
    if (!(cpuid(1, 0).edx & BIT(1))) {
        skip("no virtual-8086 mode extensions", "VME");
        return;
    }
    write_cr4(read_cr4() | CR4_VME);
    /* IOPL 0: INT VEC_USER_RETURN must be redirected to protected mode, which is #GP then: seen as the end */
    memset(wide.redirection, 0, sizeof wide.redirection);
    wide.redirection[VEC_USER_RETURN / 8] = 1 << (VEC_USER_RETURN & 7);
    int v = run(P_CLI, VIF);
    ok(v == VEC_GP && f.ip == AT(P_CLI) + 1 && !(f.flags & VIF), "CLI with IOPL 0 clears VIF");
    v = run(P_STI, 0);
    ok(v == VEC_GP && f.ip == AT(P_STI) + 1 && (f.flags & VIF), "STI with IOPL 0 sets VIF");
    v = run(P_STI, VIP);
    ok(v == VEC_GP && f.ip == AT(P_STI) && f.error == 0, "STI with VIP: #GP(0)");
    v = run(P_PUSHF, VIF);
    ok(v == VEC_GP && f.ip == AT(P_PUSHF) + 2, "PUSHF with IOPL 0");
    v = run(P_POPF, 0);
    ok(v == VEC_GP && f.ip > AT(P_POPF) + 3 && (f.flags & VIF) && !(f.flags & FLAG_IF),
       "POPF with IOPL 0 writes VIF, not IF");
    v = run(P_POPF, VIP);
    ok(v == VEC_GP && f.ip == AT(P_POPF) + 3, "POPF that would set VIF with VIP: #GP(0)");
    v = run(P_PUSHFD, 0);
    ok(v == VEC_GP && f.ip == AT(P_PUSHFD), "PUSHFD with IOPL 0: #GP(0) even so");
    /* redirection: a bit of 0 uses the vector table at linear address 0 */
    real_vector_set(0x65, REAL_SEGMENT, AT(P_HANDLER));
    handler_set(VEC_USER_RETURN, at_end);
    wide.redirection[VEC_USER_RETURN / 8] |= 1 << (VEC_USER_RETURN & 7);
    v = run(P_INT, IOPL3);
    ok_eq((u64)v, (u64)NO_FAULT, "INT n, redirection bit 0, IOPL 3");
    ok((seen.ebx & 0xFFFF) == 0x1234 && seen.eax >> 16 == AT(P_INT) + 2, "goes to the virtual-8086 handler");
    ok_eq(seen.eax & IOPL3, IOPL3, "FLAGS on its stack have IOPL");
    wide.redirection[0x65 / 8] |= 1 << (0x65 & 7);
    v = run(P_INT, IOPL3);
    ok(v == VEC_GP && f.error == (0x65 << 3 | 2), "INT n, redirection bit 1, IOPL 3: the gate of the IDT");
    v = run(P_INT, 0);
    ok(v == VEC_GP && f.error == 0 && f.ip == AT(P_INT), "INT n, redirection bit 1, IOPL 0: #GP(0)");
    wide.redirection[0x65 / 8] = 0;
    v = run(P_INT, VIF);
    ok(v == VEC_GP && f.ip > AT(P_HANDLER) && !(f.flags & VIF),
       "INT n, redirection bit 0, IOPL 0: the virtual-8086 handler, VIF is cleared");
    write_cr4(read_cr4() & ~CR4_VME);
}

static uptr user_cli(uptr arg) {
    (void)arg;
    __asm__ volatile("cli");
    return read_flags();
}
static uptr user_sti(uptr arg) {
    (void)arg;
    __asm__ volatile("sti");
    return read_flags();
}
static u32 pvi_flags;
static void pvi_run(void *arg) {
    u32 *sp = (u32 *)user_stack_top();
    *--sp = 0;
    *--sp = (u32)(uptr)user_exit;
    pvi_flags = user_enter((uptr)arg, (uptr)sp, SEL_UCODE32 | 3, SEL_UDATA | 3, 2 | VIF, 0);
}

/* "Protected-Mode Virtual Interrupts": CPL 3, IOPL below 3 */
static void pvi(void) {
    if (!(cpuid(1, 0).edx & BIT(1))) return;
    ok_eq((u64)try_fault(pvi_run, (void *)user_cli, NULL), VEC_GP, "CLI at CPL 3 without CR4.PVI: #GP");
    write_cr4(read_cr4() | CR4_PVI);
    ok_eq((u64)try_fault(pvi_run, (void *)user_cli, NULL), (u64)NO_FAULT, "CLI at CPL 3 with CR4.PVI");
    ok(!(pvi_flags & VIF), "clears VIF");
    ok_eq((u64)try_fault(pvi_run, (void *)user_sti, NULL), (u64)NO_FAULT, "STI at CPL 3 with CR4.PVI");
    ok(pvi_flags & VIF, "sets VIF");
    write_cr4(read_cr4() & ~CR4_PVI);
}

/* The library's own handler ends the run; it is remembered so that ours can come first. */
static u32 last_eax;
static void record_return(struct regs *r) {
    extern uptr user_result;
    NORETURN void user_leave(void);
    last_eax = r->eax;
    user_result = r->eax;
    user_leave();
}

void guest_main(void) {
    uptr base = REAL_BASE;
    __asm__("" : "+r"(base));
    memcpy((void *)base, v86_code, (size_t)(v86_code_end - v86_code));
    wide.tss = guest_tss;
    wide.tss.iomap_base = sizeof wide.tss + sizeof wide.redirection;
    memset(wide.redirection, 0xFF, sizeof wide.redirection);
    memset(wide.io, 0xFF, sizeof wide.io);
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&wide, sizeof wide - 1, 0x89);
    load_tr(SEL_TSS);
    basics();
    sensitive();
    frame();
    io();
    vme();
    pvi();
}
