/* x87 where user mode doesn't reach: #NM, #MF with CR0.NE = 1, IRQ 13 and IGNNE# with 0, FNSTENV and FNSAVE in
 * protected and in real mode, FXSAVE and FXRSTOR. SDM 1 "x87 FPU Exception Handling", "Saving the x87 FPU's State",
 * "MS-DOS Compatibility Sub-mode"; SDM 2 "FXSAVE", "FXRSTOR" */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/real.h"

#define FSW_ES    BIT(7)
#define FSW_ZE    BIT(2)
#define CW_NO_ZE  0x37B
#define IRQ_FERR  13
#define VEC_FERR  0x2D
#define PORT_FERR 0xF0

static struct fault f;
static bool zero_selectors, fdp_of_exceptions;

static u16 fnstsw(void) {
    u16 v;
    __asm__ volatile("fnstsw %0" : "=a"(v));
    return v;
}
static void fninit(void) { __asm__ volatile("fninit"); }
static void fnclex(void) { __asm__ volatile("fnclex"); }
static void fldcw(u16 v) { __asm__ volatile("fldcw %0" : : "m"(v)); }

/* Pieces of code whose addresses are known */
CODE(c_fld1, "fld1; ret");
CODE(c_fwait, "fwait; ret");
CODE(c_fnop, "fnop; ret");
CODE(c_fldz, "fldz; ret");
CODE(c_emms, "emms; ret");
CODE(c_load, "flds (%eax); ret");
static void call(void *code) { __asm__ volatile("call *%0" : : "r"(code), "a"(code) : "memory", "cc"); }
static int fault_of(const u8 *code) { return try_fault(call, (void *)(uptr)code, &f); }

/* 1 / 0, #Z unmasked: ES is set, nothing has been reported. */
static void divide_by_zero(void) {
    fninit();
    fldcw(CW_NO_ZE);
    __asm__ volatile("fldz; fld1; fdivp");
}

/* ---- #NM and #MF ---- */

static void test_nm(void) {
    const uptr cr0 = read_cr0();
    write_cr0(cr0 | CR0_EM);
    ok_eq((u64)fault_of(c_fld1), VEC_NM, "CR0.EM: FLD1 is #NM");
    write_cr0((cr0 & ~(uptr)(CR0_EM | CR0_MP)) | CR0_TS);
    ok_eq((u64)fault_of(c_fld1), VEC_NM, "CR0.TS: FLD1 is #NM");
    ok_eq((u64)fault_of(c_fwait), (u64)NO_FAULT, "CR0.TS without MP: FWAIT is not");
    write_cr0(cr0 | CR0_TS | CR0_MP);
    ok_eq((u64)fault_of(c_fwait), VEC_NM, "CR0.TS with MP: FWAIT is #NM");
    write_cr0(cr0);
    divide_by_zero();
    write_cr0(cr0 | CR0_TS | CR0_MP);
    ok_eq((u64)fault_of(c_fwait), VEC_NM, "#NM comes before #MF");
    write_cr0(cr0);
    fnclex();
}

static void do_fldcw(void *arg) {
    (void)arg;
    fldcw(0x37F);
}

static void test_mf(void) {
    divide_by_zero();
    ok((fnstsw() & (FSW_ES | FSW_ZE)) == (FSW_ES | FSW_ZE), "1 / 0 with #Z unmasked: ES and ZE");
    ok_eq((u64)fault_of(c_fwait), VEC_MF, "FWAIT: #MF");
    ok_eq(f.ip, (uptr)c_fwait, "it is a fault of FWAIT");
    ok_eq((u64)fault_of(c_fnop), VEC_MF, "FNOP waits, too: #MF");
    ok_eq((u64)fault_of(c_fldz), VEC_MF, "#MF again until the exception is cleared");
    if (cpuid(1, 0).edx & BIT(23)) ok_eq((u64)fault_of(c_emms), VEC_MF, "EMMS: #MF");
    fnclex();
    ok_eq((u64)fault_of(c_fwait), (u64)NO_FAULT, "FNCLEX does not wait, and clears it");
    divide_by_zero();
    ok_eq((u64)try_fault(do_fldcw, NULL, &f), VEC_MF, "FLDCW waits: #MF");
    fnclex();
}

/* ---- IRQ 13 ---- */

static u32 irqs;
static uptr irq_ip;
static bool handler_clears;

static void on_ferr(struct regs *r) {
    irqs++;
    irq_ip = r->ip;
    outb(PORT_FERR, 0);
    if (handler_clears) fnclex();
    pic_eoi(IRQ_FERR);
}

static void fwait_with_interrupts(void) {
    irq_enable();
    call((void *)(uptr)c_fwait);
    for (u32 i = 0; i < 100; i++) cpu_pause();
    irq_disable();
}

/* QEMU 7 with TCG ends in an assertion when it raises IRQ 13. */
static bool cannot_raise(void) {
    return (cpuid(1, 0).ecx & BIT(31)) && cpuid(0x40000000, 0).ebx == 0x54474354; /* "TCGT" */
}

static void test_irq13(void) {
    const uptr cr0 = read_cr0();
    if (cannot_raise()) {
        skip("QEMU would end itself", "IRQ 13");
        return;
    }
    pic_init(0x20);
    handler_set(VEC_FERR, on_ferr);
    pic_unmask(2);
    pic_unmask(IRQ_FERR);
    write_cr0(cr0 & ~(uptr)CR0_NE);
    irqs = 0;
    handler_clears = true;
    divide_by_zero();
    fwait_with_interrupts();
    ok_eq(irqs, 1, "CR0.NE 0: FWAIT asserts FERR#, and IRQ 13 comes");
    ok_eq(irq_ip, (uptr)c_fwait, "in front of FWAIT, which waits for it");
    ok_eq(fnstsw() & FSW_ES, 0, "the handler's FNCLEX");
    handler_clears = false;
    divide_by_zero();
    fwait_with_interrupts();
    ok_eq(irqs, 2, "a second error, a second interrupt");
    fwait_with_interrupts();
    ok_eq(irqs, 2, "port F0H has asserted IGNNE#: FWAIT goes on");
    ok(fnstsw() & FSW_ES, "though the error is still there");
    fnclex();
    divide_by_zero();
    fwait_with_interrupts();
    ok_eq(irqs, 3, "IGNNE# went with FERR#: a third interrupt");
    fnclex();
    write_cr0(cr0);
    handler_set(VEC_FERR, NULL);
    pic_disable();
}

/* ---- environments ---- */

static const float one_third = 0x1.555556p-2f;
static u8 image[512] ALIGNED(64);
static u32 word(u32 at) {
    return image[at] | (u32)image[at + 1] << 8 | (u32)image[at + 2] << 16 | (u32)image[at + 3] << 24;
}
static u16 half(u32 at) { return (u16)word(at); }

/* FNINIT; FLDZ; FLD m32: the last instruction is at c_load, with its operand at one_third. */
static void make_state(void) {
    memset(image, 0xEE, sizeof image);
    __asm__ volatile("fninit; fldz");
    __asm__ volatile("call *%0" : : "r"(c_load), "a"(&one_third) : "memory");
}

static void check_pointers(u32 fip, u32 fcs, u32 fdp, u32 fds, uptr mask, const char *what) {
    ok_eq(fip, (uptr)c_load & mask, "%s: FIP", what);
    ok_eq(fcs, zero_selectors ? 0 : read_cs(), "%s: FCS", what);
    if (fdp_of_exceptions) {
        skip("FDP is of exceptions only", "%s: FDP", what);
        return;
    }
    ok_eq(fdp, (uptr)&one_third & mask, "%s: FDP", what);
    ok_eq(fds, zero_selectors ? 0 : read_ds(), "%s: FDS", what);
}

static void test_protected(void) {
    make_state();
    __asm__ volatile("fnstenv %0" : "=m"(image) : : "memory");
    ok_eq(word(0) & 0xFFFF, 0x37F, "FNSTENV, 32-bit: FCW");
    ok_eq(half(4) & 0x3800, 6 << 11, "FNSTENV, 32-bit: TOP");
    ok_eq(half(8), 0x4FFF, "FNSTENV, 32-bit: tags");
    check_pointers(word(12), half(16), word(20), half(24), ~(uptr)0, "FNSTENV, 32-bit");
    ok_eq(image[28], 0xEE, "FNSTENV, 32-bit: 28 bytes");
    make_state();
    __asm__ volatile("data16 fnstenv %0" : "=m"(image) : : "memory");
    ok_eq(half(0), 0x37F, "FNSTENV, 16-bit: FCW");
    ok_eq(half(4), 0x4FFF, "FNSTENV, 16-bit: tags");
    check_pointers(half(6), half(8), half(10), half(12), 0xFFFF, "FNSTENV, 16-bit");
    ok_eq(image[14], 0xEE, "FNSTENV, 16-bit: 14 bytes");
    make_state();
    __asm__ volatile("fnsave %0" : "=m"(image) : : "memory");
    ok_eq(word(32), 0xAAAAAB00, "FNSAVE, 32-bit: ST(0)");
    ok_eq(half(28 + 8), 0x3FFD, "FNSAVE, 32-bit: its exponent");
    ok_eq(fnstsw(), 0, "FNSAVE initializes");
    __asm__ volatile("frstor %0" : : "m"(image));
    ok_eq(fnstsw() & 0x3800, 6 << 11, "FRSTOR: TOP");
}

/* FNINIT; FLDZ; FLD1 at REAL_SEGMENT:40H; both formats of FNSTENV to ES:0 and ES:40H */
#define REAL_ENV 0x9000
CODE(real_code,
     ".code16; fninit; fldz; jmp 1f; .org real_code + 0x40; 1: fld1; fnstenvs %es:0; data32 fnstenv %es:0x40;"
     "fnsaves %es:0x80; lretw; .code32");
CODE(real_code_end, "nop");

static void test_real(void) {
    struct real_regs r;
    const u8 *env = (const u8 *)(uptr)(REAL_ENV << 4);
    memset(&r, 0, sizeof r);
    r.eflags = 2;
    r.es = REAL_ENV;
    real_call(real_code, (size_t)(real_code_end - real_code), &r);
    memcpy(image, env, sizeof image);
    const u32 fip = zero_selectors ? 0x40 : (REAL_SEGMENT << 4) + 0x40;
    ok_eq(half(4), 0x4FFF, "real mode, FNSTENV, 16-bit: tags");
    ok_eq(half(6), fip & 0xFFFF, "real mode, FNSTENV, 16-bit: FIP 15:0");
    ok_eq(half(8), (fip >> 16) << 12 | 0x1E8, "real mode, FNSTENV, 16-bit: FIP 19:16 and FOP");
    ok_eq(half(0x40 + 12), fip & 0xFFFF, "real mode, FNSTENV, 32-bit: FIP 15:0");
    ok_eq(word(0x40 + 16), (fip >> 16) << 12 | 0x1E8, "real mode, FNSTENV, 32-bit: FIP 31:16 and FOP");
    ok_eq(half(0x80 + 14 + 8), 0x3FFF, "real mode, FNSAVE, 16-bit: ST(0)");
}

/* ---- FXSAVE, FXRSTOR ---- */

static void do_fxsave(void *p) { __asm__ volatile("fxsave (%0)" : : "r"(p) : "memory"); }
static void do_fxrstor(void *p) { __asm__ volatile("fxrstor (%0)" : : "r"(p) : "memory"); }

static void test_fxsave(void) {
    const uptr cr0 = read_cr0();
    if (!(cpuid(1, 0).edx & BIT(24))) {
        skip("no FXSR", "FXSAVE");
        return;
    }
    write_cr4(read_cr4() | CR4_OSFXSR);
    make_state();
    do_fxsave(image);
    ok_eq(half(0), 0x37F, "FXSAVE: FCW");
    ok_eq(image[4], 0xC0, "FXSAVE: abridged tags");
    ok_eq(half(32 + 8), 0x3FFD, "FXSAVE: ST(0)");
    ok_eq(word(24), 0x1F80, "FXSAVE: MXCSR");
    fninit();
    do_fxrstor(image);
    ok_eq(fnstsw() & 0x3800, 6 << 11, "FXRSTOR: TOP");
    ok_eq((u64)try_fault(do_fxsave, image + 8, &f), VEC_GP, "FXSAVE to an address that is no multiple of 16: #GP");
    ok_eq((u64)try_fault(do_fxrstor, image + 8, &f), VEC_GP, "FXRSTOR from one: #GP");
    image[27] = 0x80;
    ok_eq((u64)try_fault(do_fxrstor, image, &f), VEC_GP, "FXRSTOR of a reserved bit of MXCSR: #GP");
    image[27] = 0;
    write_cr0(cr0 | CR0_TS);
    ok_eq((u64)try_fault(do_fxsave, image, &f), VEC_NM, "CR0.TS: FXSAVE is #NM");
    write_cr0((cr0 & ~(uptr)CR0_TS) | CR0_EM);
    ok_eq((u64)try_fault(do_fxrstor, image, &f), VEC_NM, "CR0.EM: FXRSTOR is #NM");
    write_cr0(cr0);
    divide_by_zero();
    ok_eq((u64)try_fault(do_fxsave, image, &f), (u64)NO_FAULT, "FXSAVE does not report what waits");
    ok(half(2) & FSW_ES, "and has ES");
    fnclex();
}

void guest_main(void) {
    if (!(cpuid(1, 0).edx & BIT(0))) {
        skip("no x87 unit", "x87");
        return;
    }
    const u32 ebx = cpuid_if_present(7, 0).ebx;
    zero_selectors = ebx & BIT(13);
    fdp_of_exceptions = ebx & BIT(6);
    write_cr0((read_cr0() & ~(uptr)(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    fninit();
    test_nm();
    test_mf();
    test_irq13();
    test_protected();
    test_real();
    test_fxsave();
}
