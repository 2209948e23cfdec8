/* #VMEXIT by instructions, accesses and exceptions. APM 2, "Instruction Intercepts", "IOIO Intercepts", "MSR
 * Intercepts", "Exception Intercepts", "Decode Assists", "State Saved on Exit" (nRIP) */
#include "testsuites/guest/svm/common.h"

#define MISSING 0x7FC0005678ULL /* a linear address without page */
enum { WORD_CR, WORD_DR, WORD_EXCEPTION, WORD_3, WORD_4 };

static struct svm_vm vm;
static bool nrip, assists;

struct exit_row {
    const char *name;
    const u8 *code;
    u32 word, bits;
    u64 exit_code;
    u32 length;
    bool without; /* without the intercept the instruction goes on to the VMMCALL behind it */
};

CODE(c_cpuid, "cpuid; vmmcall");
CODE(c_rdtsc, "rdtsc; vmmcall");
CODE(c_rdpmc, "rdpmc; vmmcall");
CODE(c_pushf, "pushf; vmmcall");
CODE(c_popf, "popf; vmmcall");
CODE(c_rsm, "rsm; vmmcall");
CODE(c_iret, "iretq; vmmcall");
CODE(c_intn, "int $0x41; vmmcall");
CODE(c_invd, "invd; vmmcall");
CODE(c_pause, "pause; vmmcall");
CODE(c_hlt, "hlt; vmmcall");
CODE(c_invlpg, "invlpg 0x10(%rcx); vmmcall");
CODE(c_invlpga, "invlpga %rax, %ecx; vmmcall");
CODE(c_rdtscp, "rdtscp; vmmcall");
CODE(c_icebp, ".byte 0xf1; vmmcall");
CODE(c_wbinvd, "wbinvd; vmmcall");
CODE(c_monitor, "monitor; vmmcall");
CODE(c_mwait, "mwait; vmmcall");
CODE(c_vmload, "vmload %rax; vmmcall");
CODE(c_vmsave, "vmsave %rax; vmmcall");
CODE(c_vmrun, "vmrun %rax; vmmcall");
CODE(c_stgi, "stgi; vmmcall");
CODE(c_clgi, "clgi; vmmcall");
CODE(c_vmmcall, "vmmcall");
CODE(c_sidt, "sidt (%rsi); vmmcall");
CODE(c_sgdt, "sgdt (%rsi); vmmcall");
CODE(c_sldt, "sldt %eax; vmmcall");
CODE(c_str, "str %eax; vmmcall");
CODE(c_lidt, "lidt (%rsi); vmmcall");
CODE(c_lgdt, "lgdt (%rsi); vmmcall");
CODE(c_lldt_only, "lldt %ax; vmmcall");
CODE(c_ltr, "ltr %ax; vmmcall");

static const struct exit_row rows[] = {
    {"CPUID",   c_cpuid,     WORD_3, (u32)SVM_INTERCEPT3_CPUID,      SVM_EXIT_CPUID,      2, false},
    {"RDTSC",   c_rdtsc,     WORD_3, (u32)SVM_INTERCEPT3_RDTSC,      SVM_EXIT_RDTSC,      2, true },
    {"RDPMC",   c_rdpmc,     WORD_3, (u32)SVM_INTERCEPT3_RDPMC,      SVM_EXIT_RDPMC,      2, false},
    {"PUSHF",   c_pushf,     WORD_3, (u32)SVM_INTERCEPT3_PUSHF,      SVM_EXIT_PUSHF,      1, true },
    {"POPF",    c_popf,      WORD_3, (u32)SVM_INTERCEPT3_POPF,       SVM_EXIT_POPF,       1, false},
    {"RSM",     c_rsm,       WORD_3, (u32)SVM_INTERCEPT3_RSM,        SVM_EXIT_RSM,        2, false},
    {"IRET",    c_iret,      WORD_3, (u32)SVM_INTERCEPT3_IRET,       SVM_EXIT_IRET,       2, false},
    {"INT n",   c_intn,      WORD_3, (u32)SVM_INTERCEPT3_INTN,       SVM_EXIT_INTN,       2, false},
    {"INVD",    c_invd,      WORD_3, (u32)SVM_INTERCEPT3_INVD,       SVM_EXIT_INVD,       2, false},
    {"PAUSE",   c_pause,     WORD_3, (u32)SVM_INTERCEPT3_PAUSE,      SVM_EXIT_PAUSE,      2, true },
    {"HLT",     c_hlt,       WORD_3, (u32)SVM_INTERCEPT3_HLT,        SVM_EXIT_HLT,        1, false},
    {"INVLPG",  c_invlpg,    WORD_3, (u32)SVM_INTERCEPT3_INVLPG,     SVM_EXIT_INVLPG,     4, true },
    {"INVLPGA", c_invlpga,   WORD_3, (u32)SVM_INTERCEPT3_INVLPGA,    SVM_EXIT_INVLPGA,    3, true },
    {"SIDT",    c_sidt,      WORD_3, (u32)SVM_INTERCEPT3_IDTR_READ,  SVM_EXIT_IDTR_READ,  3, true },
    {"SGDT",    c_sgdt,      WORD_3, (u32)SVM_INTERCEPT3_GDTR_READ,  SVM_EXIT_GDTR_READ,  3, true },
    {"SLDT",    c_sldt,      WORD_3, (u32)SVM_INTERCEPT3_LDTR_READ,  SVM_EXIT_LDTR_READ,  3, true },
    {"STR",     c_str,       WORD_3, (u32)SVM_INTERCEPT3_TR_READ,    SVM_EXIT_TR_READ,    3, true },
    {"LIDT",    c_lidt,      WORD_3, (u32)SVM_INTERCEPT3_IDTR_WRITE, SVM_EXIT_IDTR_WRITE, 3, false},
    {"LGDT",    c_lgdt,      WORD_3, (u32)SVM_INTERCEPT3_GDTR_WRITE, SVM_EXIT_GDTR_WRITE, 3, false},
    {"LLDT",    c_lldt_only, WORD_3, (u32)SVM_INTERCEPT3_LDTR_WRITE, SVM_EXIT_LDTR_WRITE, 3, true },
    {"LTR",     c_ltr,       WORD_3, (u32)SVM_INTERCEPT3_TR_WRITE,   SVM_EXIT_TR_WRITE,   3, false},
    {"VMRUN",   c_vmrun,     WORD_4, (u32)SVM_INTERCEPT4_VMRUN,      SVM_EXIT_VMRUN,      3, false},
    {"VMMCALL", c_vmmcall,   WORD_4, (u32)SVM_INTERCEPT4_VMMCALL,    SVM_EXIT_VMMCALL,    3, false},
    {"VMLOAD",  c_vmload,    WORD_4, (u32)SVM_INTERCEPT4_VMLOAD,     SVM_EXIT_VMLOAD,     3, false},
    {"VMSAVE",  c_vmsave,    WORD_4, (u32)SVM_INTERCEPT4_VMSAVE,     SVM_EXIT_VMSAVE,     3, false},
    {"STGI",    c_stgi,      WORD_4, (u32)SVM_INTERCEPT4_STGI,       SVM_EXIT_STGI,       3, true },
    {"CLGI",    c_clgi,      WORD_4, (u32)SVM_INTERCEPT4_CLGI,       SVM_EXIT_CLGI,       3, true },
    {"RDTSCP",  c_rdtscp,    WORD_4, (u32)SVM_INTERCEPT4_RDTSCP,     SVM_EXIT_RDTSCP,     3, true },
    {"ICEBP",   c_icebp,     WORD_4, (u32)SVM_INTERCEPT4_ICEBP,      SVM_EXIT_ICEBP,      1, false},
    {"WBINVD",  c_wbinvd,    WORD_4, (u32)SVM_INTERCEPT4_WBINVD,     SVM_EXIT_WBINVD,     2, true },
    {"MONITOR", c_monitor,   WORD_4, (u32)SVM_INTERCEPT4_MONITOR,    SVM_EXIT_MONITOR,    3, false},
    {"MWAIT",   c_mwait,     WORD_4, (u32)SVM_INTERCEPT4_MWAIT,      SVM_EXIT_MWAIT,      3, false}
};

static void make(const u8 *code, u32 word, u32 bits) {
    static u64 operand[2];
    struct svm_config c = {0};
    c.intercept[word] = bits;
    vm_make(&vm, code, c);
    vm.gpr[6] = (uptr)operand;
}

static void instruction_exits(void) {
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct exit_row *r = &rows[i];
        make(r->code, r->word, r->bits);
        vm.vmcb->intercept[2] = ~0u; /* where an intercept is missing the instruction may fault */
        vm_expect(&vm, r->exit_code, "%s is intercepted", r->name);
        ok_eq(vm.vmcb->rip, (uptr)r->code, "%s: RIP is the instruction's", r->name);
        if (nrip) ok_eq(vm.vmcb->next_rip, (uptr)r->code + r->length, "%s: nRIP", r->name);
        if (!r->without) continue;
        make(r->code, WORD_3, 0);
        vm_expect(&vm, SVM_EXIT_VMMCALL, "%s isn't without the intercept", r->name);
    }
    if (!assists) {
        skip("no decode assists", "INVLPG: EXITINFO1");
        skip("no decode assists", "INT n: EXITINFO1");
        return;
    }
    make(c_invlpg, WORD_3, (u32)SVM_INTERCEPT3_INVLPG);
    vm.gpr[1] = 0x5000001000;
    svm_run(&vm);
    ok_eq(vm.vmcb->exit_info1, 0x5000001010, "INVLPG: EXITINFO1 is the linear address");
    make(c_intn, WORD_3, (u32)SVM_INTERCEPT3_INTN);
    svm_run(&vm);
    ok_eq(vm.vmcb->exit_info1 & 0xFF, 0x41, "INT n: EXITINFO1 is the vector");
}

/* VMMCALL: "#UD if ... not intercepted" */
static void vmmcall_not_intercepted(void) {
    make(c_vmmcall, WORD_EXCEPTION, BIT(VEC_UD));
    vm.vmcb->intercept[4] &= ~(u32)SVM_INTERCEPT4_VMMCALL;
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_UD), "VMMCALL that isn't intercepted: #UD");
}

CODE(r_cr0, "mov %cr0, %rbx; vmmcall");
CODE(r_cr3, "mov %cr3, %r9; vmmcall");
CODE(r_cr4, "mov %cr4, %rdx; vmmcall");
CODE(r_cr8, "mov %cr8, %r14; vmmcall");
CODE(w_cr0, "mov %rax, %cr0; vmmcall");
CODE(w_cr3, "mov %rax, %cr3; vmmcall");
CODE(w_cr4, "mov %rax, %cr4; vmmcall");
CODE(w_cr8, "mov %r8, %cr8; vmmcall");
CODE(c_smsw, "smsw %ebx; vmmcall");
CODE(c_lmsw, "lmsw %ax; vmmcall");
CODE(c_clts, "clts; vmmcall");
CODE(r_dr1, "mov %dr1, %rcx; vmmcall");
CODE(w_dr7, "mov %rcx, %dr7; vmmcall");

#define MOV_CR BIT(63)

/* "CRn and DRn: EXITINFO1" of the decode assists: bit 63 for MOV, bits 3:0 the register */
static void register_exits(void) {
    u64 cr0 = read_cr0();
    const struct {
        const char *name;
        const u8 *code;
        u32 word, bits;
        u64 exit_code, rax, info, info_mask;
    } row[] = {
        {"MOV from CR0",                          r_cr0,  WORD_CR, 1 << 0,                      SVM_EXIT_CR_READ(0),    0,          MOV_CR | 3,  MOV_CR | 15},
        {"MOV from CR3",                          r_cr3,  WORD_CR, 1 << 3,                      SVM_EXIT_CR_READ(3),    0,          MOV_CR | 9,  MOV_CR | 15},
        {"MOV from CR4",                          r_cr4,  WORD_CR, 1 << 4,                      SVM_EXIT_CR_READ(4),    0,          MOV_CR | 2,  MOV_CR | 15},
        {"MOV from CR8",                          r_cr8,  WORD_CR, 1 << 8,                      SVM_EXIT_CR_READ(8),    0,          MOV_CR | 14, MOV_CR | 15},
        {"MOV to CR0",                            w_cr0,  WORD_CR, 1 << 16,                     SVM_EXIT_CR_WRITE(0),   cr0,        MOV_CR | 0,  MOV_CR | 15},
        {"MOV to CR3",                            w_cr3,  WORD_CR, 1 << 19,                     SVM_EXIT_CR_WRITE(3),   read_cr3(), MOV_CR | 0,  MOV_CR | 15},
        {"MOV to CR4",                            w_cr4,  WORD_CR, 1 << 20,                     SVM_EXIT_CR_WRITE(4),   read_cr4(), MOV_CR | 0,  MOV_CR | 15},
        {"MOV to CR8",                            w_cr8,  WORD_CR, 1 << 24,                     SVM_EXIT_CR_WRITE(8),   0,          MOV_CR | 8,  MOV_CR | 15},
        {"SMSW",                                  c_smsw, WORD_CR, 1 << 0,                      SVM_EXIT_CR_READ(0),    0,          0,           MOV_CR     },
        {"LMSW",                                  c_lmsw, WORD_CR, 1 << 16,                     SVM_EXIT_CR_WRITE(0),   0x33,       0,           MOV_CR     },
        {"CLTS",                                  c_clts, WORD_CR, 1 << 16,                     SVM_EXIT_CR_WRITE(0),   0,          0,           MOV_CR     },
        {"MOV from DR1",                          r_dr1,  WORD_DR, 1 << 1,                      SVM_EXIT_DR_READ(1),    0,          1,           15         },
        {"MOV to DR7",                            w_dr7,  WORD_DR, 1 << 23,                     SVM_EXIT_DR_WRITE(7),   0,          1,           15         },
        {"selective: MOV to CR0 that changes AM", w_cr0,  WORD_3,  (u32)SVM_INTERCEPT3_CR0_SEL, SVM_EXIT_CR0_SEL_WRITE,
         cr0 ^ CR0_AM,                                                                                                              MOV_CR | 0,  MOV_CR | 15},
        {"selective: MOV to CR0 that changes TS", w_cr0,  WORD_3,  (u32)SVM_INTERCEPT3_CR0_SEL, SVM_EXIT_VMMCALL,
         cr0 ^ CR0_TS,                                                                                                              0,           0          },
        {"selective: MOV to CR0 that changes MP", w_cr0,  WORD_3,  (u32)SVM_INTERCEPT3_CR0_SEL, SVM_EXIT_VMMCALL,
         cr0 ^ CR0_MP,                                                                                                              0,           0          },
        {"selective: LMSW that changes EM",       c_lmsw, WORD_3,  (u32)SVM_INTERCEPT3_CR0_SEL, SVM_EXIT_CR0_SEL_WRITE, 0x37,
         0,                                                                                                                                      MOV_CR     },
        {"selective: CLTS",                       c_clts, WORD_3,  (u32)SVM_INTERCEPT3_CR0_SEL, SVM_EXIT_VMMCALL,       0,          0,           0          }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        make(row[i].code, row[i].word, row[i].bits);
        vm.gpr[0] = row[i].rax;
        vm_expect(&vm, row[i].exit_code, "%s", row[i].name);
        if (assists && row[i].info_mask)
            ok_eq(vm.vmcb->exit_info1 & row[i].info_mask, row[i].info, "%s: EXITINFO1", row[i].name);
    }
}

CODE(e_ud, "ud2; vmmcall");
CODE(e_bp, "int3; vmmcall");
CODE(e_de, "xor %ecx, %ecx\ne_de_at: div %ecx; vmmcall");
CODE(e_gp, "mov $0x1fc, %eax; mov %eax, %fs; vmmcall");
CODE(e_pf, "mov %eax, (%rsi); vmmcall");
CODE(e_tf, "pushf; orl $0x100, (%rsp); popf; nop\ne_tf_after: vmmcall");
CODE_LABEL(e_tf_after);

static void ignore(struct regs *r) { (void)r; }

/* "Exception Intercepts": error code in EXITINFO1, address of #PF in EXITINFO2; CR2 isn't written */
static void exception_exits(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 vector;
        u64 info1, info2;
    } row[] = {
        {"UD2",                         e_ud, VEC_UD, 0,     0      },
        {"INT3",                        e_bp, VEC_BP, 0,     0      },
        {"DIV by zero",                 e_de, VEC_DE, 0,     0      },
        {"MOV to FS of a bad selector", e_gp, VEC_GP, 0x1FC, 0      },
        {"write to a missing page",     e_pf, VEC_PF, 2,     MISSING}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        make(row[i].code, WORD_EXCEPTION, 1u << row[i].vector);
        handler_set(VEC_BP, ignore);
        vm.gpr[6] = MISSING;
        vm.vmcb->cr2 = 0x1234;
        vm_expect(&vm, SVM_EXIT_EXCEPTION(row[i].vector), "%s is intercepted", row[i].name);
        if (row[i].vector == VEC_GP || row[i].vector == VEC_PF)
            ok_eq(vm.vmcb->exit_info1, row[i].info1, "%s: EXITINFO1 is the error code", row[i].name);
        if (row[i].vector == VEC_PF) {
            ok_eq(vm.vmcb->exit_info2, row[i].info2, "%s: EXITINFO2 is the address", row[i].name);
            ok_eq(vm.vmcb->cr2, 0x1234, "%s: CR2 isn't written", row[i].name);
        }
        if (row[i].vector == VEC_BP) ok_eq(vm.vmcb->rip, (uptr)e_bp, "INT3: RIP is INT3's");
        ok_eq(vm.vmcb->exit_int_info & BIT(31), 0, "%s: EXITINTINFO isn't valid", row[i].name);
    }
    make(e_tf, WORD_EXCEPTION, BIT(VEC_DB));
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_DB), "single step is intercepted");
    ok_eq(vm.vmcb->rip, (uptr)e_tf_after, "single step: RIP is the next instruction's");
    ok_eq(vm.vmcb->dr6 & BIT(14), BIT(14), "single step: DR6.BS is in the VMCB");
    /* "ICEBP": "that event is not interceptable by means of the #DB exception intercept" */
    make(c_icebp, WORD_EXCEPTION, BIT(VEC_DB));
    handler_set(VEC_DB, ignore);
    vm_expect(&vm, SVM_EXIT_VMMCALL, "#DB of ICEBP isn't intercepted");
    handler_set(VEC_DB, NULL);
    handler_set(VEC_BP, NULL);
}

CODE(c_ferr, "fninit; push $0x37b; fldcw (%rsp); pop %rax; fldz; fld1; fdiv %st(1), %st\nc_ferr_at: fwait; vmmcall");
CODE_LABEL(c_ferr_at);

/* "FERR_FREEZE Intercept": the processor would stop in front of a waiting x87 instruction because FERR# is asserted,
 * CR0.NE being 0 and IGNNE# deasserted. */
static void ferr_freeze(void) {
    make(c_ferr, WORD_3, (u32)SVM_INTERCEPT3_FERR);
    vm.vmcb->cr0 &= ~(u64)(CR0_NE | CR0_EM | CR0_TS);
    vm_expect(&vm, SVM_EXIT_FERR_FREEZE, "an x87 error with CR0.NE 0 is intercepted");
    ok_eq(vm.vmcb->rip, (uptr)c_ferr_at, "an x87 error with CR0.NE 0: RIP is the waiting instruction's");
    __asm__ volatile("fnclex");
    make(c_ferr, WORD_EXCEPTION, BIT(VEC_MF));
    vm.vmcb->cr0 = (vm.vmcb->cr0 & ~(u64)(CR0_EM | CR0_TS)) | CR0_NE;
    vm_expect(&vm, SVM_EXIT_EXCEPTION(VEC_MF), "with CR0.NE 1 it is #MF");
    __asm__ volatile("fninit");
}

/* the last test */
static void shutdown(void) {
    make(e_ud, WORD_3, 0);
    vm.vmcb->idtr.limit = 0;
    vm_expect(&vm, SVM_EXIT_SHUTDOWN, "shutdown is intercepted");
}

CODE(i_in_imm, "inb $0x80, %al\ni_in_imm_end: vmmcall");
CODE(i_in_dx, "inl %dx, %eax; vmmcall");
CODE(i_in_dx_al, "inb %dx, %al; vmmcall");
CODE(i_out_ax, "outw %ax, %dx; vmmcall");
CODE(i_rep_outsl, "rep outsl %fs:(%rsi), (%dx); vmmcall");
CODE(i_insb, "insb (%dx), %es:(%edi); vmmcall");

/* "IOIO Intercepts": EXITINFO1, EXITINFO2; the permission map */
static void io(void) {
    static u32 data[4];
    static const struct {
        const char *name;
        const u8 *code;
        u32 port, length, info;
    } row[] = {
        {"IN AL, imm8",          i_in_imm,    0x80,   2, 1 | 1 << 4                                 },
        {"IN EAX, DX",           i_in_dx,     0x1230, 1, 1 | 1 << 6                                 },
        {"OUT DX, AX",           i_out_ax,    0x3F8,  2, 1 << 5                                     },
        {"REP OUTSD FS",         i_rep_outsl, 0x3F8,  3, 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9 | 4 << 10},
        {"INSB, 32-bit address", i_insb,      0x60,   2, 1 | 1 << 2 | 1 << 4 | 1 << 8               }
    };
    u8 *map = pages_alloc(3, 1);
    memset(map, 0xFF, 3 * PAGE_SIZE);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        make(row[i].code, WORD_3, (u32)SVM_INTERCEPT3_IOIO);
        vm.vmcb->iopm_base = (uptr)map;
        vm.gpr[2] = row[i].port;
        vm.gpr[1] = 2;
        vm.gpr[6] = vm.gpr[7] = (uptr)data;
        vm_expect(&vm, SVM_EXIT_IOIO, "%s is intercepted", row[i].name);
        u64 info = vm.vmcb->exit_info1;
        ok_eq(info >> 16, row[i].port, "%s: EXITINFO1, port", row[i].name);
        ok_eq(info & 0x7D, row[i].info & 0x7D, "%s: EXITINFO1, size, REP, STR, type", row[i].name);
        if (row[i].info & 4) ok_eq(info & 0x380, row[i].info & 0x380, "%s: EXITINFO1, address size", row[i].name);
        if ((row[i].info & 5) == 4 && assists)
            ok_eq(info & 0x1C00, row[i].info & 0x1C00, "%s: EXITINFO1, segment", row[i].name);
        ok_eq(vm.vmcb->exit_info2, (uptr)row[i].code + row[i].length, "%s: EXITINFO2 is the next RIP", row[i].name);
    }
    static const struct {
        const char *name;
        const u8 *code;
        u32 port, bit;
        bool exits;
    } maps[] = {
        {"byte at a port whose bit is 1",          i_in_dx_al, 0x81,   0x81,    true },
        {"byte beside a port whose bit is 1",      i_in_dx_al, 0x80,   0x81,    false},
        {"doubleword that ends at the bit",        i_in_dx,    0x80,   0x83,    true },
        {"doubleword that ends before it",         i_in_dx,    0x80,   0x84,    false},
        {"byte at port FFFFh",                     i_in_dx_al, 0xFFFF, 0xFFFF,  true },
        {"doubleword from port FFFFh, bit 10000h", i_in_dx,    0xFFFF, 0x10000, true }
    };
    for (u32 i = 0; i < ARRAY_SIZE(maps); i++) {
        make(maps[i].code, WORD_3, (u32)SVM_INTERCEPT3_IOIO);
        memset(map, 0, 3 * PAGE_SIZE);
        map[maps[i].bit / 8] = (u8)(1 << (maps[i].bit & 7));
        vm.vmcb->iopm_base = (uptr)map;
        vm.gpr[2] = maps[i].port;
        vm_expect(&vm, maps[i].exits ? SVM_EXIT_IOIO : SVM_EXIT_VMMCALL, "I/O permission map: %s %s", maps[i].name,
                  maps[i].exits ? "is intercepted" : "isn't intercepted");
    }
}

CODE(m_rdmsr, "rdmsr; vmmcall");
CODE(m_wrmsr, "wrmsr; vmmcall");

/* "MSR Intercepts" */
static void msrs(void) {
    static const struct {
        const char *name;
        bool write;
        u32 msr, bit; /* bit: offset in the map; ~0: none */
        bool exits;
    } row[] = {
        {"RDMSR of a low MSR",                      false, MSR_SYSENTER_CS,    2 * 0x174,              true },
        {"RDMSR of a low MSR whose write bit is 1", false, MSR_SYSENTER_CS,    2 * 0x174 + 1,          false},
        {"WRMSR of a low MSR",                      true,  MSR_SYSENTER_CS,    2 * 0x174 + 1,          true },
        {"WRMSR of a low MSR whose read bit is 1",  true,  MSR_SYSENTER_CS,    2 * 0x174,              false},
        {"RDMSR of C000_xxxxh",                     false, MSR_KERNEL_GS_BASE, 0x4000 + 2 * 0x102,     true },
        {"WRMSR of C000_xxxxh",                     true,  MSR_KERNEL_GS_BASE, 0x4000 + 2 * 0x102 + 1, true },
        {"RDMSR of C000_xxxxh, another bit",        false, MSR_KERNEL_GS_BASE, 0x4000 + 2 * 0x101,     false},
        {"RDMSR of C001_xxxxh",                     false, MSR_VM_HSAVE_PA,    0x8000 + 2 * 0x117,     true },
        {"RDMSR outside the map",                   false, 0x4000,             ~0u,                    true },
        {"WRMSR outside the map",                   true,  0xC0002000,         ~0u,                    true }
    };
    u8 *map = pages_alloc(2, 1);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        make(row[i].write ? m_wrmsr : m_rdmsr, WORD_3, (u32)SVM_INTERCEPT3_MSR);
        memset(map, 0, 2 * PAGE_SIZE);
        if (row[i].bit != ~0u) map[row[i].bit / 8] = (u8)(1 << (row[i].bit & 7));
        vm.vmcb->msrpm_base = (uptr)map;
        vm.gpr[1] = row[i].msr;
        vm_expect(&vm, row[i].exits ? SVM_EXIT_MSR : SVM_EXIT_VMMCALL, "%s %s", row[i].name,
                  row[i].exits ? "is intercepted" : "isn't intercepted");
        if (row[i].exits) ok_eq(vm.vmcb->exit_info1, row[i].write ? 1 : 0, "%s: EXITINFO1", row[i].name);
    }
}

CODE(p_in, "inb $0x80, %al; vmmcall");

/* APM 2, "Instruction Intercepts", the column on priority: most exceptions by privilege come before the intercept,
 * PUSHF, POPF, IRET, INTn and CPUID are intercepted first. */
static void priority(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 word, bits;
        u64 exit_code;
        u64 cr4;
    } row[] = {
        {"HLT at CPL 3: #GP",                   c_hlt,     WORD_3,  (u32)SVM_INTERCEPT3_HLT,        SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"INVD at CPL 3: #GP",                  c_invd,    WORD_3,  (u32)SVM_INTERCEPT3_INVD,       SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"INVLPG at CPL 3: #GP",                c_invlpg,  WORD_3,  (u32)SVM_INTERCEPT3_INVLPG,     SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"RDMSR at CPL 3: #GP",                 m_rdmsr,   WORD_3,  (u32)SVM_INTERCEPT3_MSR,        SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"IN at CPL 3 without permission: #GP", p_in,      WORD_3,  (u32)SVM_INTERCEPT3_IOIO,       SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"MOV from CR0 at CPL 3: #GP",          r_cr0,     WORD_CR, 1,                              SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"MOV from DR1 at CPL 3: #GP",          r_dr1,     WORD_DR, 2,                              SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"LGDT at CPL 3: #GP",                  c_lgdt,    WORD_3,  (u32)SVM_INTERCEPT3_GDTR_WRITE, SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"RDTSC with CR4.TSD at CPL 3: #GP",    c_rdtsc,   WORD_3,  (u32)SVM_INTERCEPT3_RDTSC,      SVM_EXIT_EXCEPTION(VEC_GP),
         CR4_TSD                                                                                                                 },
        {"VMSAVE at CPL 3: #GP",                c_vmsave,  WORD_4,  (u32)SVM_INTERCEPT4_VMSAVE,     SVM_EXIT_EXCEPTION(VEC_GP), 0},
        {"PUSHF at CPL 3",                      c_pushf,   WORD_3,  (u32)SVM_INTERCEPT3_PUSHF,      SVM_EXIT_PUSHF,             0},
        {"INT n of a DPL 0 gate at CPL 3",      c_intn,    WORD_3,  (u32)SVM_INTERCEPT3_INTN,       SVM_EXIT_INTN,              0},
        {"CPUID at CPL 3",                      c_cpuid,   WORD_3,  (u32)SVM_INTERCEPT3_CPUID,      SVM_EXIT_CPUID,             0},
        {"VMMCALL at CPL 3",                    c_vmmcall, WORD_4,  (u32)SVM_INTERCEPT4_VMMCALL,    SVM_EXIT_VMMCALL,           0}
    };
    u8 *maps = pages_alloc(3, 1);
    memset(maps, 0xFF, 3 * PAGE_SIZE);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        make(row[i].code, row[i].word, row[i].bits);
        struct vmcb *b = vm.vmcb;
        b->intercept[2] |= BIT(VEC_GP);
        b->cpl = 3;
        b->cs = (struct vmcb_segment){SEL_UCODE64 | 3, 0xAFB, ~0u, 0};
        b->ss = (struct vmcb_segment){SEL_UDATA | 3, 0xCF3, ~0u, 0};
        b->iopm_base = b->msrpm_base = (uptr)maps;
        b->cr4 |= row[i].cr4;
        vm_expect(&vm, row[i].exit_code, "%s", row[i].name);
    }
}

void guest_main(void) {
    if (!svm_begin()) return;
    nrip = svm_feature(3);
    assists = svm_feature(7);
    diag("nRIP save %s, decode assists %s", nrip ? "yes" : "no", assists ? "yes" : "no");
    instruction_exits();
    vmmcall_not_intercepted();
    register_exits();
    exception_exits();
    io();
    msrs();
    priority();
    ferr_freeze();
    shutdown();
}
