/* Random VMCSs and VMCBs with guests of random bytes. Whatever a hypervisor puts there, and whatever its guest then
 * does, must be an architectural event and never a crash, a hang or an undefined operation of the host: run it under
 * the sanitizers (`make asan`).
 *
 * Each round makes a valid VMCS or VMCB for one of the guest modes, spoils some fields, and runs a small 64-bit
 * hypervisor that enters, steps over what left the guest, changes a few fields and enters again.
 * usage: fuzz_virt [-n MILLIONS] [-s SEED] [-m MODEL] [-v] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/arch/msr.h"
#include "sim/arch/svm.h"
#include "sim/core/flags.h"
#include "sim/core/system.h"
#include "sim/core/virt.h"
#include "testsuites/fuzz/guest.h"
#include "vmx/caps.h"
#include "vmx/layout.h"

#define ROUND_INSNS  4000u
#define ROUND_CYCLES 100000u

/* Behind the guest's own tables (testsuites/fuzz/guest.h): page tables of other modes */
#define PD32_BASE    0xE000u
#define PDPT_BASE    0xF000u
/* The hypervisor's: the guest finds these 2 MiB write-protected most of the time. */
#define VMXON_REGION 0x200000u
#define VMCS_REGION  0x201000u
#define SHADOW_VMCS  0x202000u
#define VMCB_PAGE    0x203000u
#define HSAVE_PAGE   0x204000u
#define NOISE_PAGES  0x210000u /* random bits */
#define ZERO_PAGES   0x218000u
#define EPT_BASE     0x220000u /* PML4, PDPT, four PDs, one PT */
#define MSR_AREA     0x230000u
#define HOST_CODE    0x300000u
#define HOST_STACK   0x320000u
#define HOST_PT      0x330000u
#define HOST_IDT     0x33A000u
#define HOST_IRET    0x33F000u

/* ---- guest modes ---- */

struct guest_mode {
    const char *name;
    uint64_t cr0, cr3, cr4, efer;
    uint32_t cs_ar, data_ar, rflags;
    uint8_t cpl;
    bool unrestricted; /* VMX: needs "unrestricted guest" */
    bool svm_only;
};
#define CODE32(dpl) (AR_CODE_SEG(dpl) | AR_DB | AR_G)
#define DATA32(dpl) (AR_DATA_SEG(dpl) | AR_DB | AR_G)
#define CODE64(dpl) (AR_CODE_SEG(dpl) | AR_L | AR_G)
#define PAGED       (CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP)
#define LONG        (EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE)
/* clang-format off */
static const struct guest_mode modes[] = {
    {"real",          CR0_ET | CR0_NE,          0,         0,        0,    AR_CODE_SEG(0), AR_DATA_SEG(0), 0,                  0, true,  false},
    {"paged real",    CR0_PG | CR0_ET | CR0_NE, PD32_BASE, CR4_PSE,  0,    AR_CODE_SEG(0), AR_DATA_SEG(0), 0,                  0, false, true },
    {"unpaged 32",    CR0_PE | CR0_ET | CR0_NE, 0,         0,        0,    CODE32(0),      DATA32(0),      0,                  0, true,  false},
    {"virtual-8086",  PAGED,                    PD32_BASE, CR4_PSE | CR4_VME, 0, AR_CODE_SEG(3), AR_DATA_SEG(3), FLAG_VM | FLAG_IOPL, 3, false, false},
    {"protected 16",  PAGED,                    PD32_BASE, CR4_PSE,  0,    AR_CODE_SEG(0), AR_DATA_SEG(0), 0,                  0, false, false},
    {"protected 32",  PAGED,                    PD32_BASE, CR4_PSE,  0,    CODE32(0),      DATA32(0),      0,                  0, false, false},
    {"PAE",           PAGED,                    PDPT_BASE, CR4_PAE,  0,    CODE32(0),      DATA32(0),      0,                  0, false, false},
    {"compatibility", PAGED,                    PT_BASE,   CR4_PAE,  LONG, CODE32(3),      DATA32(3),      0,                  3, false, false},
    {"long",          PAGED,                    PT_BASE,   CR4_PAE | CR4_FSGSBASE, LONG, CODE64(0), DATA32(0), 0,              0, false, false},
    {"long stepping", PAGED,                    PT_BASE,   CR4_PAE,  LONG, CODE64(0),      DATA32(0),      FLAG_TF,            0, false, false},
    {"long user",     PAGED,                    PT_BASE,   CR4_PAE,  LONG, CODE64(3),      DATA32(3),      FLAG_IOPL,          3, false, false},
};
/* clang-format on */
#define MODE_COUNT  (sizeof modes / sizeof modes[0])

static bool is_low(const struct guest_mode *g) { return !(g->cr0 & CR0_PE) || (g->rflags & FLAG_VM); }
static bool is_16(const struct guest_mode *g) { return !(g->cs_ar & (AR_DB | AR_L)); }

/* One segment register of the guest, as both formats want it */
static struct seg guest_seg(const struct guest_mode *g, unsigned s) {
    uint32_t ar = s == SEG_CS ? g->cs_ar : g->data_ar;
    if (s == SEG_LDTR) return (struct seg){.ar = AR_UNUSABLE};
    if (s == SEG_TR) return (struct seg){.sel = 0x50, .base = TSS_BASE, .limit = 0x2FFF, .ar = AR_P | DESC_TSS_BUSY};
    if (is_low(g))
        return (struct seg){.sel = LOW_CODE >> 4,
                            .base = LOW_CODE,
                            .limit = 0xFFFF,
                            .ar = g->rflags & FLAG_VM ? 0xF3
                                  : s == SEG_CS       ? 0x9B
                                                      : 0x93};
    return (struct seg){.sel = (uint16_t)((s == SEG_CS ? 8 : 0x10) | g->cpl),
                        .base = s == SEG_CS && is_16(g) ? CODE_BASE : 0,
                        .limit = ar & AR_G ? 0xFFFFFFFF : 0xFFFF,
                        .ar = ar};
}

static uint64_t guest_rip(const struct guest_mode *g, struct rng *r) {
    return is_low(g) || is_16(g) ? rng_next(r) & 0xFFFF : CODE_BASE + rng_next(r) % CODE_BYTES;
}
static uint64_t guest_rsp(const struct guest_mode *g) { return is_low(g) || is_16(g) ? 0x8000 : CODE_BASE - 0x800; }

/* ---- random values ---- */

static bool one_in(struct rng *r, unsigned n) { return (rng_next(r) >> 32) % n == 0; }

/* Where a structure may lie: RAM, devices, ROM, holes, the last page of all */
static uint64_t random_page(struct rng *r) {
    static const uint64_t places[] = {0,          0xFEE00000, 0xFEC00000,  0xFFFFF000,         0xFFFFFFFFF000,
                                      0xA0000,    0xFF000,    RAM_BYTES,   RAM_BYTES - 0x1000, 0x3FFFFFFFF000,
                                      0xE0000000, CODE_BASE,  VMCS_REGION, VMCB_PAGE,          HOST_CODE,
                                      EPT_BASE};
    uint64_t x = rng_next(r);
    if (x & 1) return NOISE_PAGES + 0x1000 * (x >> 8 & 7);
    if (x & 6) return ZERO_PAGES + 0x1000 * (x >> 8 & 7);
    return places[(x >> 8) % (sizeof places / sizeof places[0])];
}

static uint64_t random_value(struct rng *r) {
    uint64_t x = rng_next(r);
    switch (x >> 60) {
    case 0:
    case 1:
        return 0;
    case 2:
        return ~0ull;
    case 3:
    case 4:
        return 1ull << (x & 63);
    case 5:
    case 6:
    case 7:
        return x & 0xFF;
    case 8:
        return x & 0xFFFFFFFF;
    case 9:
        return 0x80000000 | (x & 0xFFF); /* an event */
    case 10:
    case 11:
        return random_page(r);
    default:
        return x;
    }
}

/* ---- memory ---- */

static void write_noise(struct machine *m, struct rng *r) {
    uint64_t page[512];
    for (unsigned p = 0; p < 16; p++) {
        for (unsigned n = 0; n < 512; n++)
            page[n] = p < 8 ? rng_next(r) & (p & 1 ? rng_next(r) & rng_next(r) : ~0ull) : 0;
        machine_write(m, NOISE_PAGES + 0x1000 * p, page, sizeof page);
    }
    for (unsigned n = 0; n < 16; n++) { /* an area of MSRs, most of which exist */
        static const uint32_t msrs[] = {MSR_EFER, MSR_LSTAR, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_FS_BASE, MSR_PAT};
        uint32_t msr = one_in(r, 16) ? (uint32_t)random_value(r) : msrs[rng_next(r) % 6];
        put(m, MSR_AREA + 16 * n, msr, 8);
        put(m, MSR_AREA + 16 * n + 8, one_in(r, 2) ? random_value(r) : EFER_LMA | EFER_LME, 8);
    }
}

/* One to one; entries are spoilt here and there. */
static void write_ept(struct machine *m, struct rng *r) {
    put(m, EPT_BASE, (EPT_BASE + 0x1000) | 7, 8);
    for (unsigned n = 0; n < 4; n++) put(m, EPT_BASE + 0x1000 + 8 * n, (EPT_BASE + 0x2000 + 0x1000 * n) | 7, 8);
    for (unsigned n = 0; n < 2048; n++) put(m, EPT_BASE + 0x2000 + 8 * n, (uint64_t)n << 21 | 0xB7 | 0x400, 8);
    put(m, EPT_BASE + 0x2008, 1u << 21 | 0xB5, 8);
    if (one_in(r, 2)) { /* the first 2 MiB in small pages */
        put(m, EPT_BASE + 0x2000, (EPT_BASE + 0x6000) | 7, 8);
        for (unsigned n = 0; n < 512; n++) put(m, EPT_BASE + 0x6000 + 8 * n, (uint64_t)n << 12 | 0x37, 8);
    }
    for (unsigned n = (unsigned)(rng_next(r) & 7); n-- > 2;)
        put(m, EPT_BASE + 8 * (rng_next(r) % (7 * 512)), random_value(r), 8);
}

static void write_guest_tables(struct machine *m) {
    write_page_tables(m);
    put(m, PT_BASE + 0x2008, 1u << 21 | 0x85, 8);
    for (unsigned n = 0; n < 1024; n++) put(m, PD32_BASE + 4 * n, (uint64_t)n << 22 | 0x87, 4);
    for (unsigned n = 0; n < 4; n++) put(m, PDPT_BASE + 8 * n, (PT_BASE + 0x2000 + 0x1000 * n) | 1, 8);
}

static void write_host_tables(struct machine *m) {
    put(m, HOST_PT, (HOST_PT + 0x1000) | 3, 8);
    for (unsigned n = 0; n < 4; n++) put(m, HOST_PT + 0x1000 + 8 * n, (HOST_PT + 0x2000 + 0x1000 * n) | 3, 8);
    for (unsigned n = 0; n < 2048; n++) put(m, HOST_PT + 0x2000 + 8 * n, (uint64_t)n << 21 | 0x83, 8);
    for (unsigned v = 0; v < 256; v++) {
        put(m, HOST_IDT + 16 * v, (HOST_IRET & 0xFFFF) | 8 << 16 | 0x8Eull << 40 | (uint64_t)(HOST_IRET >> 16) << 48,
            8);
        put(m, HOST_IDT + 16 * v + 8, 0, 8);
    }
    put(m, HOST_IRET, 0xCF48, 2);
}

/* ---- the hypervisor's code ---- */

struct code {
    struct machine *m;
    uint64_t at;
};
static void bytes(struct code *c, const char *text, unsigned n) {
    machine_write(c->m, c->at, text, n);
    c->at += n;
}
#define EMIT(c, text) bytes(c, text, sizeof text - 1)
static void number(struct code *c, uint64_t v, unsigned size) {
    put(c->m, c->at, v, size);
    c->at += size;
}
static void jump(struct code *c, uint64_t to) {
    EMIT(c, "\xE9");
    number(c, to - (c->at + 4), 4);
}

/* Things that a hypervisor does between two entries */
static void emit_vmx_extras(struct code *c, struct rng *r) {
    for (unsigned n = (unsigned)(rng_next(r) & 3); n-- > 0;) {
        unsigned f = (unsigned)(rng_next(r) % F_COUNT);
        if (vmcs_field_rows[f].kind == VMCS_KIND_HOST && !one_in(r, 8)) continue;
        EMIT(c, "\xB9"); /* mov ecx, field; mov rax, value; vmwrite */
        number(c, vmcs_field_rows[f].encoding | one_in(r, 16), 4);
        EMIT(c, "\x48\xB8");
        number(c, random_value(r), 8);
        EMIT(c, "\x0F\x79\xC8");
    }
    if (one_in(r, 4)) { /* invept or invvpid rcx, [NOISE_PAGES] */
        EMIT(c, "\xB9");
        number(c, rng_next(r) & 3, 4);
        bytes(c, one_in(r, 2) ? "\x66\x0F\x38\x80\x0C\x25" : "\x66\x0F\x38\x81\x0C\x25", 6);
        number(c, one_in(r, 2) ? ZERO_PAGES : NOISE_PAGES, 4);
    }
    if (one_in(r, 8)) { /* vmclear, vmptrld */
        EMIT(c, "\x66\x0F\xC7\x34\x25");
        number(c, HOST_STACK, 4);
        EMIT(c, "\x0F\xC7\x34\x25");
        number(c, HOST_STACK, 4);
    }
    if (one_in(r, 4)) EMIT(c, "\xFB\x90\xFA"); /* sti; nop; cli */
}

static uint64_t write_vmx_host(struct machine *m, struct rng *r) {
    struct code c = {m, HOST_CODE};
    put(m, VMXON_REGION, VMCS_REVISION, 4);
    put(m, HOST_STACK, VMCS_REGION, 8);
    put(m, HOST_STACK + 8, VMXON_REGION, 8);
    EMIT(&c, "\xF3\x0F\xC7\x34\x25"); /* vmxon */
    number(&c, HOST_STACK + 8, 4);
    EMIT(&c, "\x0F\xC7\x34\x25"); /* vmptrld */
    number(&c, HOST_STACK, 4);
    EMIT(&c, "\x0F\x01\xC2"); /* vmlaunch */
    uint64_t handler = c.at;
    EMIT(&c, "\xB9\x0C\x44\x00\x00\x0F\x78\xCA"); /* rdx = instruction length, 1 when it is 0 */
    EMIT(&c, "\x85\xD2\x75\x02\xFF\xC2");
    EMIT(&c, "\xB9\x1E\x68\x00\x00\x0F\x78\xC8\x48\x01\xD0\x0F\x79\xC8"); /* guest RIP += rdx */
    emit_vmx_extras(&c, r);
    EMIT(&c, "\x0F\x01\xC3\x0F\x01\xC2"); /* vmresume, vmlaunch */
    jump(&c, handler);
    return handler;
}

static void emit_svm_extras(struct code *c, struct rng *r) {
    static const char *const insns[] = {"\x0F\x01\xDC", "\x0F\x01\xDA", "\x0F\x01\xDB", "\x0F\x01\xDF", "\x0F\x01\xDD"};
    for (unsigned n = (unsigned)(rng_next(r) & 3); n-- > 0;) {
        uint32_t offset = (uint32_t)(rng_next(r) & 0x7F8);
        EMIT(c, "\x48\xB9"); /* mov rcx, value; mov [rax + offset], rcx */
        number(c, random_value(r), 8);
        EMIT(c, "\x48\x89\x88");
        number(c, offset, 4);
    }
    while (!one_in(r, 3)) bytes(c, insns[rng_next(r) % 5], 3); /* stgi, vmload, vmsave, invlpga, clgi */
}

static void write_svm_host(struct machine *m, struct rng *r) {
    struct code c = {m, HOST_CODE};
    EMIT(&c, "\x0F\x01\xDD"); /* clgi */
    EMIT(&c, "\xB8");
    number(&c, VMCB_PAGE, 4);
    EMIT(&c, "\x0F\x01\xDA\x0F\x01\xD8"); /* vmload, vmrun */
    uint64_t handler = c.at;
    EMIT(&c, "\xB8");
    number(&c, VMCB_PAGE, 4);
    EMIT(&c, "\x48\x8B\x88\xC8\x00\x00\x00\x48\x85\xC9\x75\x0A"); /* rcx = nRIP; when it is 0 */
    EMIT(&c, "\x48\x8B\x88\x78\x05\x00\x00\x48\xFF\xC1");         /* rcx = RIP + 1 */
    EMIT(&c, "\x48\x89\x88\x78\x05\x00\x00");                     /* RIP = rcx */
    emit_svm_extras(&c, r);
    EMIT(&c, "\x0F\x01\xD8");
    jump(&c, handler);
}

/* ---- the VMCS ---- */

static uint32_t some_bits(struct rng *r, const struct vmx_allowed *a) {
    uint32_t x = (uint32_t)(rng_next(r) >> 32);
    if (one_in(r, 2)) x &= (uint32_t)(rng_next(r) >> 32) & (uint32_t)(rng_next(r) >> 32);
    return a->must | (a->may & x);
}

static void set_vmx_controls(uint64_t *f, const struct vmx_caps *caps, const struct guest_mode *g, struct rng *r) {
    uint32_t pin = some_bits(r, &caps->ctl[VMX_PIN]), proc = some_bits(r, &caps->ctl[VMX_PROC]);
    uint32_t proc2 = some_bits(r, &caps->ctl[VMX_PROC2]), exit = some_bits(r, &caps->ctl[VMX_EXIT]);
    uint32_t entry = some_bits(r, &caps->ctl[VMX_ENTRY]);
    proc |= (uint32_t)VMX_PROC_SECONDARY_CONTROLS;
    if (g->unrestricted) proc2 |= VMX_PROC2_UNRESTRICTED_GUEST;
    if (proc2 & (VMX_PROC2_UNRESTRICTED_GUEST | VMX_PROC2_MODE_BASED_EXECUTE | VMX_PROC2_ENABLE_VM_FUNCTIONS))
        proc2 |= VMX_PROC2_ENABLE_EPT;
    if (proc2 & VMX_PROC2_VIRTUALIZE_X2APIC_MODE) proc2 &= ~(uint32_t)VMX_PROC2_VIRTUALIZE_APIC_ACCESSES;
    if (pin & VMX_PIN_POSTED_INTERRUPTS) proc2 |= VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY;
    if (proc2 & VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY) pin |= VMX_PIN_EXTERNAL_INTERRUPT_EXITING;
    if (proc2 & (VMX_PROC2_VIRTUALIZE_X2APIC_MODE | VMX_PROC2_APIC_REGISTER_VIRTUALIZATION |
                 VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY))
        proc |= VMX_PROC_TPR_SHADOW;
    if (proc & VMX_PROC_NMI_WINDOW_EXITING) pin |= VMX_PIN_VIRTUAL_NMIS;
    if (pin & VMX_PIN_VIRTUAL_NMIS) pin |= VMX_PIN_NMI_EXITING;
    if (exit & VMX_EXIT_SAVE_PREEMPTION_TIMER) pin |= VMX_PIN_PREEMPTION_TIMER;
    exit |= VMX_EXIT_HOST_ADDRESS_SPACE_SIZE | (pin & VMX_PIN_POSTED_INTERRUPTS ? VMX_EXIT_ACK_INTERRUPT_ON_EXIT : 0);
    entry &= ~(uint32_t)(VMX_ENTRY_ENTRY_TO_SMM | VMX_ENTRY_DEACTIVATE_DUAL_MONITOR | VMX_ENTRY_IA32E_MODE_GUEST);
    if (g->efer) entry |= VMX_ENTRY_IA32E_MODE_GUEST;
    f[F_PIN_CONTROLS] = pin;
    f[F_PROC_CONTROLS] = proc;
    f[F_PROC2_CONTROLS] = proc2;
    f[F_EXIT_CONTROLS] = exit;
    f[F_ENTRY_CONTROLS] = entry;
}

static void set_vmx_addresses(uint64_t *f, struct rng *r) {
    static const uint8_t pages[] = {F_IO_BITMAP_A,       F_IO_BITMAP_B,      F_MSR_BITMAP,
                                    F_VIRTUAL_APIC_ADDR, F_APIC_ACCESS_ADDR, F_EPTP_LIST_ADDR,
                                    F_VMREAD_BITMAP,     F_VMWRITE_BITMAP,   F_POSTED_DESCRIPTOR};
    for (unsigned n = 0; n < sizeof pages; n++) f[pages[n]] = random_page(r);
    f[F_VPID] = 1 + (rng_next(r) & 3);
    f[F_EPTP] = EPT_BASE | 6 | 3 << 3 | (one_in(r, 2) ? 1u << 6 : 0);
    f[F_VM_FUNCTION_CONTROLS] = rng_next(r) & 1;
    f[F_VMCS_LINK_POINTER] = f[F_PROC2_CONTROLS] & VMX_PROC2_VMCS_SHADOWING ? SHADOW_VMCS : ~0ull;
    f[F_EXIT_MSR_STORE_ADDR] = f[F_EXIT_MSR_LOAD_ADDR] = f[F_ENTRY_MSR_LOAD_ADDR] = MSR_AREA;
    if (one_in(r, 4)) f[F_EXIT_MSR_STORE_COUNT] = rng_next(r) & 7;
    if (one_in(r, 4)) f[F_ENTRY_MSR_LOAD_COUNT] = rng_next(r) & 3;
    f[F_TSC_MULTIPLIER] = rng_next(r);
    f[F_PREEMPTION_TIMER_VALUE] = rng_next(r) & 0x3FF;
    f[F_PLE_GAP] = f[F_PLE_WINDOW] = 64;
    f[F_EXCEPTION_BITMAP] = one_in(r, 2) ? rng_next(r) & 0xFFFFFFFF : 0;
    f[F_EOI_EXIT_0] = rng_next(r);
    f[F_GUEST_INTERRUPT_STATUS] = rng_next(r) & 0xFFFF;
    for (unsigned n = 0; n < 4; n++) f[F_GUEST_PDPTE0 + n] = (PT_BASE + 0x2000 + 0x1000 * n) | 1;
}

static void set_vmx_host_state(uint64_t *f, uint64_t handler) {
    f[F_HOST_CR0] = PAGED;
    f[F_HOST_CR3] = HOST_PT;
    f[F_HOST_CR4] = CR4_PAE | CR4_VMXE;
    for (unsigned n = F_HOST_ES_SELECTOR; n <= F_HOST_GS_SELECTOR; n++) f[n] = 0x10;
    f[F_HOST_CS_SELECTOR] = 8;
    f[F_HOST_TR_SELECTOR] = 0x50;
    f[F_HOST_TR_BASE] = TSS_BASE;
    f[F_HOST_GDTR_BASE] = GDT_BASE;
    f[F_HOST_IDTR_BASE] = HOST_IDT;
    f[F_HOST_IA32_PAT] = 0x0007040600070406;
    f[F_HOST_IA32_EFER] = LONG;
    f[F_HOST_RIP] = handler;
    f[F_HOST_RSP] = HOST_STACK;
}

static void set_vmx_guest_state(uint64_t *f, const struct guest_mode *g, struct rng *r) {
    f[F_GUEST_CR0] = g->cr0;
    f[F_GUEST_CR3] = g->cr3;
    f[F_GUEST_CR4] = g->cr4 | CR4_VMXE;
    f[F_CR0_MASK] = one_in(r, 2) ? rng_next(r) & 0xFFFFFFFF : 0;
    f[F_CR4_MASK] = one_in(r, 2) ? rng_next(r) & 0xFFFFFFFF : CR4_VMXE;
    f[F_GUEST_IA32_EFER] = g->efer;
    f[F_GUEST_IA32_PAT] = 0x0007040600070406;
    f[F_GUEST_DR7] = 0x400;
    f[F_GUEST_RFLAGS] = g->rflags | FLAG_FIXED | (rng_next(r) & (FLAG_ARITH | FLAG_IF));
    f[F_GUEST_RIP] = guest_rip(g, r);
    f[F_GUEST_RSP] = guest_rsp(g);
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        struct seg seg = guest_seg(g, s);
        f[F_GUEST_ES_SELECTOR + s] = seg.sel;
        f[F_GUEST_ES_BASE + s] = seg.base;
        f[F_GUEST_ES_LIMIT + s] = seg.limit;
        f[F_GUEST_ES_ACCESS + s] = seg.ar;
    }
    f[F_GUEST_GDTR_BASE] = GDT_BASE;
    f[F_GUEST_GDTR_LIMIT] = 0x5F;
    f[F_GUEST_IDTR_BASE] = is_low(g) && !(g->rflags & FLAG_VM) ? IVT_BASE : IDT_BASE;
    f[F_GUEST_IDTR_LIMIT] = 0xFFF;
    if (one_in(r, 3)) f[F_ENTRY_INTERRUPTION_INFO] = 0x80000000 | (rng_next(r) & 0x7FF);
    if (one_in(r, 8)) f[F_ENTRY_INTERRUPTION_INFO] = 0x80000B00 | VEC_GP;
    f[F_ENTRY_INSTRUCTION_LENGTH] = 1 + (rng_next(r) & 3);
    if (one_in(r, 8)) f[F_GUEST_ACTIVITY_STATE] = rng_next(r) & 3;
    if (one_in(r, 4)) f[F_GUEST_INTERRUPTIBILITY] = rng_next(r) & 0xB;
    if (one_in(r, 8)) f[F_GUEST_PENDING_DEBUG] = rng_next(r) & 0x500F;
}

static void prepare_vmx(struct machine *m, const struct guest_mode *g, struct rng *r) {
    uint64_t image[2 + F_COUNT] = {VMCS_REVISION}, *f = image + 2;
    struct vmx_caps caps;
    vmx_caps_init(&caps, m->cpu[0]->model);
    set_vmx_controls(f, &caps, g, r);
    set_vmx_addresses(f, r);
    set_vmx_host_state(f, write_vmx_host(m, r));
    set_vmx_guest_state(f, g, r);
    for (unsigned n = (unsigned)(rng_next(r) & 7); n > 4; n--) f[rng_next(r) % F_COUNT] = random_value(r);
    machine_write(m, VMCS_REGION, image, sizeof image);
    image[0] |= 1ull << 31;
    machine_write(m, SHADOW_VMCS, image, sizeof image);
    m->cpu[0]->msr.feature_control = 5; /* locked, VMXON outside SMX */
}

/* ---- the VMCB ---- */

static void set_vmcb_seg(struct vmcb_seg *to, struct seg from) {
    to->selector = from.sel;
    to->attrib = (uint16_t)(from.ar & AR_UNUSABLE ? 0 : (from.ar & 0xFF) | (from.ar >> 4 & 0xF00));
    to->limit = from.limit;
    to->base = from.base;
}

static void set_vmcb_control(struct vmcb_control *k, struct rng *r) {
    for (unsigned n = 0; n < VMCB_INTERCEPT_WORDS; n++)
        k->intercept[n] = (uint32_t)(rng_next(r) & rng_next(r) & (one_in(r, 2) ? rng_next(r) : ~0ull));
    k->intercept[VMEXIT_VMRUN / 32] |= 1u << VMEXIT_VMRUN % 32;
    if (!one_in(r, 4)) k->intercept[VMEXIT_SHUTDOWN / 32] |= 1u << VMEXIT_SHUTDOWN % 32;
    k->pause_filter_count = (uint16_t)rng_next(r);
    k->iopm_base_pa = random_page(r);
    k->msrpm_base_pa = random_page(r);
    k->tsc_offset = rng_next(r);
    k->guest_asid = 1 + (uint32_t)(rng_next(r) & 3);
    k->tlb_control = (uint8_t)(rng_next(r) & 1);
    k->v_intr = rng_next(r) & (0xFFull << 32 | V_INTR_MASKING | V_IGN_TPR | 0xFull << 16 | V_IRQ | 0xF);
    k->interrupt_shadow = one_in(r, 8);
    k->np_enable = one_in(r, 2);
    k->n_cr3 = one_in(r, 4) ? random_page(r) : PT_BASE;
    k->clean = (uint32_t)(one_in(r, 2) ? 0 : rng_next(r));
    if (one_in(r, 3)) k->eventinj = EVENTINJ_V | (rng_next(r) & 0xFFF);
}

static void set_vmcb_save(struct vmcb_save *v, const struct guest_mode *g, struct rng *r) {
    struct vmcb_seg *segs[] = {&v->es, &v->cs, &v->ss, &v->ds, &v->fs, &v->gs, &v->ldtr, &v->tr};
    for (unsigned s = 0; s < SEG_COUNT; s++) set_vmcb_seg(segs[s], guest_seg(g, s));
    v->gdtr = (struct vmcb_seg){.base = GDT_BASE, .limit = 0x5F};
    v->idtr = (struct vmcb_seg){.base = is_low(g) && !(g->rflags & FLAG_VM) ? IVT_BASE : IDT_BASE, .limit = 0xFFF};
    v->cpl = g->cpl;
    v->efer = g->efer | EFER_SVME;
    v->cr0 = g->cr0;
    v->cr3 = g->cr3;
    v->cr4 = g->cr4;
    v->dr6 = 0xFFFF0FF0;
    v->dr7 = 0x400;
    v->rflags = g->rflags | FLAG_FIXED | (rng_next(r) & (FLAG_ARITH | FLAG_IF));
    v->rip = guest_rip(g, r);
    v->rsp = guest_rsp(g);
    v->rax = random_value(r);
    v->g_pat = 0x0007040600070406;
}

static void prepare_svm(struct machine *m, const struct guest_mode *g, struct rng *r) {
    struct vmcb vmcb;
    memset(&vmcb, 0, sizeof vmcb);
    set_vmcb_control(&vmcb.control, r);
    set_vmcb_save(&vmcb.save, g, r);
    for (unsigned n = (unsigned)(rng_next(r) & 7); n > 4; n--) {
        uint64_t v = random_value(r);
        memcpy((char *)&vmcb + (rng_next(r) & 0x7F8), &v, sizeof v);
    }
    machine_write(m, VMCB_PAGE, &vmcb, sizeof vmcb);
    write_svm_host(m, r);
    msr_write(m->cpu[0], MSR_VM_HSAVE_PA, one_in(r, 8) ? random_page(r) : HSAVE_PAGE);
}

/* ---- a round ---- */

static void set_host(struct cpu *cpu, bool vmx, struct rng *r) {
    static const uint32_t pending[] = {ATTN_NMI, ATTN_INIT, ATTN_SMI, ATTN_SIPI};
    cpu_reset(cpu, false);
    cpu->intr.activity = ACT_ACTIVE;
    cpu->ctl.cr0 = PAGED;
    cpu->ctl.cr3 = HOST_PT;
    cpu->ctl.cr4 = CR4_PAE | (vmx ? CR4_VMXE : 0);
    cpu->ctl.efer = LONG | (vmx ? 0 : EFER_SVME);
    cpu->virt.operation = !vmx;
    cpu->ctl.gdtr = (struct dtable){GDT_BASE, 0x5F};
    cpu->ctl.idtr = (struct dtable){HOST_IDT, 0xFFF};
    for (unsigned s = 0; s <= SEG_GS; s++) cpu->seg[s] = (struct seg){.sel = 0x10, .limit = ~0u, .ar = DATA32(0)};
    cpu->seg[SEG_CS] = (struct seg){.sel = 8, .limit = ~0u, .ar = CODE64(0)};
    cpu->seg[SEG_TR] = (struct seg){.sel = 0x50, .base = TSS_BASE, .limit = 0x2FFF, .ar = AR_P | DESC_TSS_BUSY};
    cpu->cpl = 0;
    for (unsigned n = 0; n < 16; n++) cpu->gpr[n] = random_value(r);
    cpu->gpr[RSP] = HOST_STACK;
    cpu->rip = HOST_CODE;
    flags_load(cpu, FLAG_FIXED);
    cpu_update_mode(cpu);
    cpu->intr.gif = vmx; /* what is pending waits for the guest */
    for (unsigned n = 0; n < 4; n++)
        if (one_in(r, 16)) cpu->intr.attn |= pending[n];
    lapic_mmio_write(cpu, 0xF0, 4, 0x1FF);
    lapic_mmio_write(cpu, 0x320, 4, 0x20000 | (rng_next(r) & 0xFF)); /* periodic timer */
    if (one_in(r, 2)) lapic_mmio_write(cpu, 0x380, 4, 50 + (rng_next(r) & 0x3FF));
}

static void round_of(struct machine *m, const struct guest_mode *g, bool vmx, struct rng *r) {
    write_gdt(m);
    write_idt(m, g->efer, is_16(g) && !is_low(g) && !g->efer, r);
    write_tss(m, g->efer);
    write_guest_tables(m);
    write_host_tables(m);
    write_noise(m, r);
    write_ept(m, r);
    write_code(m, CODE_BASE, r);
    write_code(m, LOW_CODE, r);
    m->a20_mask = ~0ull;
    m->stop = STOP_NONE;
    m->cpu[0]->intr.attn &= ~(uint32_t)ATTN_STOP;
    set_host(m->cpu[0], vmx, r);
    if (vmx)
        prepare_vmx(m, g, r);
    else
        prepare_svm(m, g, r);
    fuzz_run(m, ROUND_INSNS, ROUND_CYCLES);
}

/* The text must be makeable in whatever state the round ended. */
static void report(struct cpu *cpu) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return;
    cpu->virt.ops->report(cpu, out);
    cpu->virt.ops->stats(cpu, out);
    fclose(out);
    free(text);
}

/* false: hardly any guest was entered, so nothing was tried. */
static bool fuzz(const char *model, uint64_t millions, uint64_t seed, bool verbose) {
    struct machine *m = fuzz_machine("fuzz_virt", model);
    if (!m) return false;
    struct cpu *cpu = m->cpu[0];
    bool vmx = cpu->model->vendor == VENDOR_INTEL, ok = true;
    uint64_t rounds[MODE_COUNT] = {0}, entered[MODE_COUNT] = {0}, total = 0;
    while (machine_insns(m) < millions * 1000000 && total < millions * 20000) {
        unsigned k = (unsigned)(total % MODE_COUNT);
        struct rng r = {(seed + total++) * 0x9E3779B97F4A7C15ull | 1};
        if (vmx && modes[k].svm_only) continue;
        uint64_t before = cpu->virt.entries;
        if (verbose) fprintf(stderr, "round %llu: %s\n", (unsigned long long)total, modes[k].name);
        round_of(m, &modes[k], vmx, &r);
        rounds[k]++;
        entered[k] += cpu->virt.entries - before;
        if (total % 64 == 0) report(cpu);
    }
    printf("# %s: %llu rounds, seed %llu\n", model, (unsigned long long)total, (unsigned long long)seed);
    for (unsigned k = 0; k < MODE_COUNT; k++) {
        if (!rounds[k]) continue;
        printf("#   %-14s %8llu rounds %10llu entries\n", modes[k].name, (unsigned long long)rounds[k],
               (unsigned long long)entered[k]);
        if (entered[k] < rounds[k] / 2) ok = false;
    }
    machine_destroy(m);
    return ok;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, "fuzz_virt", fuzz); }
