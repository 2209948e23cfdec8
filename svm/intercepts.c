/* Intercepts of instructions: from the core's neutral points to exit codes. */
#include "svm/intercepts.h"

#include "svm/svm.h"

#define B SVM_BEFORE_EXCEPTIONS
#define A SVM_AFTER_EXCEPTIONS
#define Y SVM_BY_BODY
#define E SVM_EVENT
const struct svm_intercept_row svm_intercept_rows[] = {
    {VMEXIT_CR0_READ,          16, "CR%u_READ",         ICEPT_CR_READ,     Y, 0             },
    {VMEXIT_CR0_WRITE,         16, "CR%u_WRITE",        ICEPT_CR_WRITE,    Y, 0             },
    {VMEXIT_DR0_READ,          16, "DR%u_READ",         ICEPT_DR_READ,     Y, 0             },
    {VMEXIT_DR0_WRITE,         16, "DR%u_WRITE",        ICEPT_DR_WRITE,    Y, 0             },
    {VMEXIT_EXCP0,             32, "EXCP%u",            ICEPT_NONE,        E, 0             },
    {VMEXIT_INTR,              1,  "INTR",              ICEPT_NONE,        E, 0             },
    {VMEXIT_NMI,               1,  "NMI",               ICEPT_NONE,        E, 0             },
    {VMEXIT_SMI,               1,  "SMI",               ICEPT_NONE,        E, 0             },
    {VMEXIT_INIT,              1,  "INIT",              ICEPT_NONE,        E, 0             },
    {VMEXIT_VINTR,             1,  "VINTR",             ICEPT_NONE,        E, 0             },
    {VMEXIT_CR0_SEL_WRITE,     1,  "CR0_SEL_WRITE",     ICEPT_CR_WRITE,    Y, 0             },
    {VMEXIT_IDTR_READ,         1,  "IDTR_READ",         ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_GDTR_READ,         1,  "GDTR_READ",         ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_LDTR_READ,         1,  "LDTR_READ",         ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_TR_READ,           1,  "TR_READ",           ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_IDTR_WRITE,        1,  "IDTR_WRITE",        ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_GDTR_WRITE,        1,  "GDTR_WRITE",        ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_LDTR_WRITE,        1,  "LDTR_WRITE",        ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_TR_WRITE,          1,  "TR_WRITE",          ICEPT_DESC_TABLE,  A, 0             },
    {VMEXIT_RDTSC,             1,  "RDTSC",             ICEPT_RDTSC,       A, 0             },
    {VMEXIT_RDPMC,             1,  "RDPMC",             ICEPT_RDPMC,       A, 0             },
    {VMEXIT_PUSHF,             1,  "PUSHF",             ICEPT_PUSHF,       B, 0             },
    {VMEXIT_POPF,              1,  "POPF",              ICEPT_POPF,        B, 0             },
    {VMEXIT_CPUID,             1,  "CPUID",             ICEPT_CPUID,       B, 0             },
    {VMEXIT_RSM,               1,  "RSM",               ICEPT_RSM,         B, 0             },
    {VMEXIT_IRET,              1,  "IRET",              ICEPT_IRET,        B, 0             },
    {VMEXIT_SWINT,             1,  "SWINT",             ICEPT_INTN,        B, 0             },
    {VMEXIT_INVD,              1,  "INVD",              ICEPT_INVD,        A, 0             },
    {VMEXIT_PAUSE,             1,  "PAUSE",             ICEPT_PAUSE,       B, 0             },
    {VMEXIT_HLT,               1,  "HLT",               ICEPT_HLT,         A, 0             },
    {VMEXIT_INVLPG,            1,  "INVLPG",            ICEPT_INVLPG,      Y, 0             },
    {VMEXIT_INVLPGA,           1,  "INVLPGA",           ICEPT_NONE,        A, 0             },
    {VMEXIT_IOIO,              1,  "IOIO",              ICEPT_IO,          Y, 0             },
    {VMEXIT_MSR,               1,  "MSR",               ICEPT_MSR_READ,    Y, 0             },
    {VMEXIT_TASK_SWITCH,       1,  "TASK_SWITCH",       ICEPT_TASK_SWITCH, Y, 0             },
    {VMEXIT_FERR_FREEZE,       1,  "FERR_FREEZE",       ICEPT_FERR_FREEZE, Y, 0             },
    {VMEXIT_SHUTDOWN,          1,  "SHUTDOWN",          ICEPT_NONE,        E, 0             },
    {VMEXIT_VMRUN,             1,  "VMRUN",             ICEPT_NONE,        A, 0             },
    {VMEXIT_VMMCALL,           1,  "VMMCALL",           ICEPT_NONE,        B, 0             },
    {VMEXIT_VMLOAD,            1,  "VMLOAD",            ICEPT_NONE,        A, 0             },
    {VMEXIT_VMSAVE,            1,  "VMSAVE",            ICEPT_NONE,        A, 0             },
    {VMEXIT_STGI,              1,  "STGI",              ICEPT_NONE,        A, 0             },
    {VMEXIT_CLGI,              1,  "CLGI",              ICEPT_NONE,        A, 0             },
    {VMEXIT_SKINIT,            1,  "SKINIT",            ICEPT_NONE,        A, 0             },
    {VMEXIT_RDTSCP,            1,  "RDTSCP",            ICEPT_RDTSCP,      A, 0             },
    {VMEXIT_ICEBP,             1,  "ICEBP",             ICEPT_ICEBP,       B, 0             },
    {VMEXIT_WBINVD,            1,  "WBINVD",            ICEPT_WBINVD,      A, 0             },
    {VMEXIT_MONITOR,           1,  "MONITOR",           ICEPT_MONITOR,     A, 0             },
    {VMEXIT_MWAIT,             1,  "MWAIT",             ICEPT_MWAIT,       A, 0             },
    {VMEXIT_MWAIT_CONDITIONAL, 1,  "MWAIT_CONDITIONAL", ICEPT_MWAIT,       A, 0             },
    {VMEXIT_XSETBV,            1,  "XSETBV",            ICEPT_XSETBV,      B, 0             },
    {VMEXIT_RDPRU,             1,  "RDPRU",             ICEPT_RDPRU,       A, 0             },
    {VMEXIT_EFER_WRITE_TRAP,   1,  "EFER_WRITE_TRAP",   ICEPT_NONE,        E, 0             },
    {VMEXIT_CR0_WRITE_TRAP,    16, "CR%u_WRITE_TRAP",   ICEPT_NONE,        E, 0             },
    {VMEXIT_INVPCID,           1,  "INVPCID",           ICEPT_INVPCID,     Y, 0             },
    {VMEXIT_NPF,               1,  "NPF",               ICEPT_NONE,        E, SVM_FEATURE_NP},
};
const unsigned svm_intercept_row_count = sizeof svm_intercept_rows / sizeof svm_intercept_rows[0];

const struct svm_intercept_row *svm_intercept_row(uint64_t code) {
    for (unsigned n = 0; n < svm_intercept_row_count; n++)
        if (code - svm_intercept_rows[n].code < svm_intercept_rows[n].count) return &svm_intercept_rows[n];
    return NULL;
}

/* ---- points whose exit has more to tell ---- */

static void exit_if(struct cpu *cpu, unsigned code, uint64_t info1) {
    const struct svm *s = svm_of(cpu);
    if (svm_intercepts(s, code)) svm_vmexit(cpu, code, info1, 0);
}
static uint64_t assist(const struct cpu *cpu, uint64_t info) {
    return svm_has(cpu->virt.state, SVM_FEATURE_DECODE_ASSISTS) ? info : 0;
}

static void on_desc_table(struct cpu *cpu, uint64_t a, uint64_t b) {
    static const struct {
        uint16_t id, code;
    } tables[] = {
        {INSN_SIDT, VMEXIT_IDTR_READ },
        {INSN_SGDT, VMEXIT_GDTR_READ },
        {INSN_SLDT, VMEXIT_LDTR_READ },
        {INSN_STR,  VMEXIT_TR_READ   },
        {INSN_LIDT, VMEXIT_IDTR_WRITE},
        {INSN_LGDT, VMEXIT_GDTR_WRITE},
        {INSN_LLDT, VMEXIT_LDTR_WRITE},
        {INSN_LTR,  VMEXIT_TR_WRITE  }
    };
    (void)a;
    (void)b;
    for (unsigned n = 0; n < sizeof tables / sizeof tables[0]; n++)
        if (cpu->cur && cpu->cur->id == tables[n].id) exit_if(cpu, tables[n].code, 0);
}

static void on_cr_read(struct cpu *cpu, uint64_t cr, uint64_t b) {
    (void)b;
    exit_if(cpu, VMEXIT_CR0_READ + (cr & 15), svm_mov_info(cpu, cpu->cur));
}
static void on_smsw(struct cpu *cpu, uint64_t a, uint64_t b) {
    (void)a;
    (void)b;
    exit_if(cpu, VMEXIT_CR0_READ, 0);
}
static void on_cr_write(struct cpu *cpu, uint64_t cr, uint64_t value) {
    if (cr == 0)
        svm_intercept_cr0(cpu, value, INSN_MOV_TO_CR);
    else
        exit_if(cpu, VMEXIT_CR0_WRITE + (cr & 15), svm_mov_info(cpu, cpu->cur));
}
static void on_clts(struct cpu *cpu, uint64_t a, uint64_t b) {
    (void)a;
    (void)b;
    svm_intercept_cr0(cpu, cpu->ctl.cr0, INSN_CLTS);
}
static void on_lmsw(struct cpu *cpu, uint64_t source, uint64_t b) {
    (void)b;
    svm_intercept_cr0(cpu, source, INSN_LMSW);
}
static void on_dr_read(struct cpu *cpu, uint64_t dr, uint64_t b) {
    (void)b;
    exit_if(cpu, VMEXIT_DR0_READ + (dr & 15), svm_mov_info(cpu, cpu->cur));
}
static void on_dr_write(struct cpu *cpu, uint64_t dr, uint64_t b) {
    (void)b;
    exit_if(cpu, VMEXIT_DR0_WRITE + (dr & 15), svm_mov_info(cpu, cpu->cur));
}
static void on_intn(struct cpu *cpu, uint64_t vector, uint64_t b) {
    (void)b;
    exit_if(cpu, VMEXIT_SWINT, assist(cpu, vector));
}
static void on_invlpg(struct cpu *cpu, uint64_t la, uint64_t b) {
    (void)b;
    exit_if(cpu, VMEXIT_INVLPG, assist(cpu, la));
}
static void on_io(struct cpu *cpu, uint64_t a, uint64_t b) {
    (void)b;
    svm_intercept_io(cpu, (const struct virt_io *)(uintptr_t)a);
}
static void on_msr_read(struct cpu *cpu, uint64_t msr, uint64_t b) {
    (void)b;
    svm_intercept_msr(cpu, (uint32_t)msr, false);
}
static void on_msr_write(struct cpu *cpu, uint64_t msr, uint64_t b) {
    (void)b;
    svm_intercept_msr(cpu, (uint32_t)msr, true);
}
/* The unconditional intercept wins over the one for an armed monitor. */
static void on_mwait(struct cpu *cpu, uint64_t a, uint64_t b) {
    (void)a;
    (void)b;
    exit_if(cpu, VMEXIT_MWAIT, 0);
    if (cpu->intr.monitor_addr != ~0ull) exit_if(cpu, VMEXIT_MWAIT_CONDITIONAL, 0);
}

/* APM 2, "PAUSE Intercept Filtering": PAUSEs that come in quick succession are counted down, and the one that finds 0
 * exits. */
static void on_pause(struct cpu *cpu, uint64_t a, uint64_t b) {
    struct svm *s = svm_of(cpu);
    const struct vmcb_control *k = &s->vmcb.control;
    (void)a;
    (void)b;
    if (!svm_intercepts(s, VMEXIT_PAUSE)) return;
    if (!svm_has(s, SVM_FEATURE_PAUSE_FILTER) || !k->pause_filter_count) svm_vmexit(cpu, VMEXIT_PAUSE, 0, 0);
    uint64_t now = cpu_cycles(cpu);
    if (svm_has(s, SVM_FEATURE_PAUSE_FILTER_THRESHOLD) && k->pause_filter_threshold &&
        now - s->last_pause > k->pause_filter_threshold)
        s->pause_count = k->pause_filter_count;
    s->last_pause = now;
    if (s->pause_count == 0) svm_vmexit(cpu, VMEXIT_PAUSE, 0, 0);
    s->pause_count--;
}

/* APM 2, "Task Switch Intercept" */
static void on_task_switch(struct cpu *cpu, uint64_t selector, uint64_t b) {
    const struct virt_task *task = (const struct virt_task *)(uintptr_t)b;
    if (!svm_intercepts(svm_of(cpu), VMEXIT_TASK_SWITCH)) return;
    uint64_t info2 = 0;
    if (task->source == TASK_IRET) info2 |= TASK_SWITCH_IRET;
    if (task->source == TASK_JMP) info2 |= TASK_SWITCH_JUMP;
    if (task->has_error) info2 |= TASK_SWITCH_HAS_ERROR | task->error;
    if (cpu->rflags & FLAG_RF) info2 |= TASK_SWITCH_RF;
    svm_unwind_injection(cpu);
    svm_vmexit(cpu, VMEXIT_TASK_SWITCH, selector & 0xFFFF, info2);
}

const struct svm_point svm_points[ICEPT_COUNT] = {
    [ICEPT_CPUID] = {VMEXIT_CPUID,       B, NULL          },
    [ICEPT_HLT] = {VMEXIT_HLT,         A, NULL          },
    [ICEPT_INVD] = {VMEXIT_INVD,        A, NULL          },
    [ICEPT_WBINVD] = {VMEXIT_WBINVD,      A, NULL          },
    [ICEPT_INVLPG] = {VMEXIT_INVLPG,      Y, on_invlpg     },
    [ICEPT_INVPCID] = {VMEXIT_INVPCID,     Y, NULL          },
    [ICEPT_RDPMC] = {VMEXIT_RDPMC,       A, NULL          },
    [ICEPT_RDTSC] = {VMEXIT_RDTSC,       A, NULL          },
    [ICEPT_RDTSCP] = {VMEXIT_RDTSCP,      A, NULL          },
    [ICEPT_RSM] = {VMEXIT_RSM,         B, NULL          },
    [ICEPT_MONITOR] = {VMEXIT_MONITOR,     A, NULL          },
    [ICEPT_MWAIT] = {VMEXIT_MWAIT,       A, on_mwait      },
    [ICEPT_PAUSE] = {VMEXIT_PAUSE,       B, on_pause      },
    [ICEPT_XSETBV] = {VMEXIT_XSETBV,      B, NULL          },
    [ICEPT_RDPRU] = {VMEXIT_RDPRU,       A, NULL          },
    [ICEPT_PUSHF] = {VMEXIT_PUSHF,       B, NULL          },
    [ICEPT_POPF] = {VMEXIT_POPF,        B, NULL          },
    [ICEPT_IRET] = {VMEXIT_IRET,        B, NULL          },
    [ICEPT_INTN] = {VMEXIT_SWINT,       B, on_intn       },
    [ICEPT_ICEBP] = {VMEXIT_ICEBP,       B, NULL          },
    [ICEPT_DESC_TABLE] = {VMEXIT_IDTR_READ,   A, on_desc_table },
    [ICEPT_CR_READ] = {VMEXIT_CR0_READ,    Y, on_cr_read    },
    [ICEPT_CR_WRITE] = {VMEXIT_CR0_WRITE,   Y, on_cr_write   },
    [ICEPT_DR_READ] = {VMEXIT_DR0_READ,    Y, on_dr_read    },
    [ICEPT_DR_WRITE] = {VMEXIT_DR0_WRITE,   Y, on_dr_write   },
    [ICEPT_CLTS] = {VMEXIT_CR0_WRITE,   Y, on_clts       },
    [ICEPT_LMSW] = {VMEXIT_CR0_WRITE,   Y, on_lmsw       },
    [ICEPT_SMSW] = {VMEXIT_CR0_READ,    Y, on_smsw       },
    [ICEPT_IO] = {VMEXIT_IOIO,        Y, on_io         },
    [ICEPT_MSR_READ] = {VMEXIT_MSR,         Y, on_msr_read   },
    [ICEPT_MSR_WRITE] = {VMEXIT_MSR,         Y, on_msr_write  },
    [ICEPT_TASK_SWITCH] = {VMEXIT_TASK_SWITCH, Y, on_task_switch},
    [ICEPT_FERR_FREEZE] = {VMEXIT_FERR_FREEZE, Y, NULL          },
 /* RDPID, RDRAND, RDSEED, XSAVES and XRSTORS have no intercept. */
};
#undef B
#undef A
#undef Y
#undef E

void svm_intercept(struct cpu *cpu, enum icept_stage stage, enum intercept what, uint64_t a, uint64_t b) {
    static const uint8_t stage_of[] = {[SVM_BEFORE_EXCEPTIONS] = STAGE_BEFORE_EXC,
                                       [SVM_AFTER_EXCEPTIONS] = STAGE_AFTER_EXC,
                                       [SVM_BY_BODY] = STAGE_BODY};
    const struct svm_point *p = &svm_points[what];
    if (stage != STAGE_BODY && stage != stage_of[p->when]) return;
    if (p->handler)
        p->handler(cpu, a, b);
    else if (p->code)
        exit_if(cpu, p->code, 0);
}
