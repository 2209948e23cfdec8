/* Instructions that leave the guest. SDM 3, "Instructions That Cause VM Exits", "Exit Qualification"; the order of
 * exits and exceptions
 * ("Relative Priority of Faults and VM Exits") is made by the core, which asks here after privilege checks. */
#include "vmx/vmx.h"

/* ---- simple ones: a control, a reason ---- */

enum how { UNCONDITIONAL, BY_PROC, BY_PROC2 };

static const struct icept_row {
    uint8_t how, reason;
    uint32_t control;
    bool info;      /* reports instruction information and the displacement */
    bool qualify_a; /* the exit qualification is `a` */
} rows[ICEPT_COUNT] = {
    [ICEPT_CPUID] = {UNCONDITIONAL, VMX_REASON_CPUID,   0,                        false, false},
    [ICEPT_INVD] = {UNCONDITIONAL, VMX_REASON_INVD,    0,                        false, false},
    [ICEPT_XSETBV] = {UNCONDITIONAL, VMX_REASON_XSETBV,  0,                        false, false},
    [ICEPT_HLT] = {BY_PROC,       VMX_REASON_HLT,     VMX_PROC_HLT_EXITING,     false, false},
    [ICEPT_INVLPG] = {BY_PROC,       VMX_REASON_INVLPG,  VMX_PROC_INVLPG_EXITING,  false, true },
    [ICEPT_RDPMC] = {BY_PROC,       VMX_REASON_RDPMC,   VMX_PROC_RDPMC_EXITING,   false, false},
    [ICEPT_RDTSC] = {BY_PROC,       VMX_REASON_RDTSC,   VMX_PROC_RDTSC_EXITING,   false, false},
    [ICEPT_MONITOR] = {BY_PROC,       VMX_REASON_MONITOR, VMX_PROC_MONITOR_EXITING, false, false},
    [ICEPT_MWAIT] = {BY_PROC,       VMX_REASON_MWAIT,   VMX_PROC_MWAIT_EXITING,   false, true },
    [ICEPT_WBINVD] = {BY_PROC2,      VMX_REASON_WBINVD,  VMX_PROC2_WBINVD_EXITING, false, false},
    [ICEPT_RDRAND] = {BY_PROC2,      VMX_REASON_RDRAND,  VMX_PROC2_RDRAND_EXITING, true,  false},
    [ICEPT_RDSEED] = {BY_PROC2,      VMX_REASON_RDSEED,  VMX_PROC2_RDSEED_EXITING, true,  false},
};

static void simple(struct cpu *cpu, const struct icept_row *r, uint64_t a) {
    const struct vmx *v = vmx_of(cpu);
    if (!r->reason) return;
    if (r->how == BY_PROC && !(v->proc & r->control)) return;
    if (r->how == BY_PROC2 && !(v->proc2 & r->control)) return;
    if (r->info) {
        struct vmx_exit x = {.reason = r->reason};
        vmx_exit_insn_info(cpu, &x);
    }
    vmx_exit_insn(cpu, r->reason, r->qualify_a ? a : 0);
}

/* ---- RDTSCP, RDPID, INVPCID: undefined without their control ---- */

static void need_control(struct cpu *cpu, uint32_t control) {
    if (!vmx_proc2(vmx_of(cpu), control)) cpu_ud(cpu);
}

static void rdtscp(struct cpu *cpu, enum icept_stage stage) {
    need_control(cpu, VMX_PROC2_ENABLE_RDTSCP);
    if (stage != STAGE_BEFORE_EXC && vmx_proc(vmx_of(cpu), VMX_PROC_RDTSC_EXITING))
        vmx_exit_insn(cpu, VMX_REASON_RDTSCP, 0);
}

static void invpcid(struct cpu *cpu, enum icept_stage stage) {
    struct vmx_exit x = {.reason = VMX_REASON_INVPCID};
    need_control(cpu, VMX_PROC2_ENABLE_INVPCID);
    if (stage != STAGE_BEFORE_EXC && vmx_proc(vmx_of(cpu), VMX_PROC_INVLPG_EXITING)) vmx_exit_insn_info(cpu, &x);
}

/* ---- XSAVES, XRSTORS: undefined without their control. SDM 3, "Changes to Instruction Behavior in VMX Non-Root
 * Operation": a VM exit for the supervisor components in the XSS-exiting bitmap ---- */

static void xsaves(struct cpu *cpu, enum icept_stage stage, uint64_t components) {
    const unsigned id = cpu->cur->id;
    const bool restore = id == INSN_XRSTORS || id == INSN_XRSTORS64;
    struct vmx_exit x = {.reason = restore ? VMX_REASON_XRSTORS : VMX_REASON_XSAVES};
    need_control(cpu, VMX_PROC2_ENABLE_XSAVES);
    if (stage != STAGE_BEFORE_EXC && (components & vmcs_data(cpu)[F_XSS_EXITING_BITMAP])) vmx_exit_insn_info(cpu, &x);
}

/* ---- PAUSE ---- */

/* SDM 3, "Changes to Instruction Behavior in VMX Non-Root Operation": PAUSE-loop exiting works at CPL 0 */
static void pause_loop(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    const uint64_t *f = vmcs_data(cpu);
    uint64_t now = cpu_cycles(cpu) + cpu->time.tsc_offset;
    if (now - v->ple_last > f[F_PLE_GAP])
        v->ple_first = now;
    else if (now - v->ple_first > f[F_PLE_WINDOW])
        vmx_exit_insn(cpu, VMX_REASON_PAUSE, 0);
    v->ple_last = now;
}

static void pause(struct cpu *cpu) {
    const struct vmx *v = vmx_of(cpu);
    if (vmx_proc(v, VMX_PROC_PAUSE_EXITING)) vmx_exit_insn(cpu, VMX_REASON_PAUSE, 0);
    if (cpu->cpl == 0 && vmx_proc2(v, VMX_PROC2_PAUSE_LOOP_EXITING)) pause_loop(cpu);
}

/* ---- descriptor tables ---- */

static void descriptor_table(struct cpu *cpu) {
    unsigned id = cpu->cur->id;
    bool system = id == INSN_LLDT || id == INSN_SLDT || id == INSN_LTR || id == INSN_STR;
    struct vmx_exit x = {.reason = system ? VMX_REASON_LDTR_TR : VMX_REASON_GDTR_IDTR};
    if (vmx_proc2(vmx_of(cpu), VMX_PROC2_DESCRIPTOR_TABLE_EXITING)) vmx_exit_insn_info(cpu, &x);
}

/* ---- debug registers: SDM 3, table "Exit Qualification for MOV DR" ---- */

static void mov_dr(struct cpu *cpu, unsigned dr, bool from) {
    const struct insn *i = cpu->cur;
    if (!vmx_proc(vmx_of(cpu), VMX_PROC_MOV_DR_EXITING)) return;
    unsigned gpr = (from ? i->reg : i->rm) / 8u;
    vmx_exit_insn(cpu, VMX_REASON_MOV_DR, dr | (from ? 1u << 4 : 0) | (uint64_t)gpr << 8);
}

/* ---- I/O: SDM 3, "I/O-Bitmap Addresses", table "Exit Qualification for I/O Instructions" ---- */

static bool io_bitmap_hit(struct cpu *cpu, const struct virt_io *io) {
    const uint64_t *f = vmcs_data(cpu);
    if (io->port + io->size > 0x10000u) return true; /* wraps around */
    for (unsigned port = io->port; port < io->port + (unsigned)io->size; port++) {
        uint64_t map = port < 0x8000 ? f[F_IO_BITMAP_A] : f[F_IO_BITMAP_B];
        if (phys_read(cpu, map + (port & 0x7FFF) / 8, 1) >> (port & 7) & 1) return true;
    }
    return false;
}

static void io(struct cpu *cpu, const struct virt_io *io) {
    const struct vmx *v = vmx_of(cpu);
    bool leave =
        vmx_proc(v, VMX_PROC_IO_BITMAPS) ? io_bitmap_hit(cpu, io) : vmx_proc(v, VMX_PROC_UNCONDITIONAL_IO_EXITING);
    if (!leave) return;
    struct vmx_exit x = {.reason = VMX_REASON_IO, .rip = vmx_insn_rip(cpu), .length = cpu->cur->len, .clear_rf = true};
    x.qualification = (io->size - 1u) | (io->in ? 1u << 3 : 0) | (io->string ? 1u << 4 : 0) | (io->rep ? 1u << 5 : 0) |
                      (io->imm ? 1u << 6 : 0) | (uint64_t)io->port << 16;
    if (io->string) { /* IA32_VMX_BASIC[54] */
        x.gla = io->la;
        x.insn_info = (uint32_t)(__builtin_ctz(io->asize_bytes) - 1) << 7 | (uint32_t)io->seg << 15;
        x.has_gla = x.has_insn_info = true;
    }
    vmx_exit(cpu, &x);
}

/* ---- MSRs: SDM 3, "MSR-Bitmap Address" ---- */

static bool msr_bitmap_hit(struct cpu *cpu, uint32_t msr, bool write) {
    uint64_t map = vmcs_data(cpu)[F_MSR_BITMAP] + (write ? 0x800 : 0);
    if (msr >= 0xC0000000 && msr <= 0xC0001FFF)
        map += 0x400;
    else if (msr > 0x1FFF)
        return true;
    return phys_read(cpu, map + (msr & 0x1FFF) / 8, 1) >> (msr & 7) & 1;
}

static void msr_access(struct cpu *cpu, uint32_t msr, bool write) {
    if (vmx_proc(vmx_of(cpu), VMX_PROC_MSR_BITMAPS) && !msr_bitmap_hit(cpu, msr, write)) return;
    vmx_exit_insn(cpu, write ? VMX_REASON_WRMSR : VMX_REASON_RDMSR, 0);
}

/* ---- task switches: SDM 3, table "Exit Qualification for Task Switches" ---- */

static void task_switch_exit(struct cpu *cpu, uint16_t selector, const struct virt_task *task) {
    static const uint8_t source[] = {[TASK_CALL] = 0, [TASK_IRET] = 1, [TASK_JMP] = 2, [TASK_GATE] = 3};
    const struct event *ev = &cpu->delivering;
    bool software = task->source != TASK_GATE || event_is_soft(ev) || ev->type == EVT_PRIV_SOFT_EXC;
    struct vmx_exit x = {.reason = VMX_REASON_TASK_SWITCH,
                         .qualification = selector | (uint64_t)source[task->source] << 30,
                         .rip = software ? vmx_insn_rip(cpu) : cpu->rip};
    if (software && cpu->cur) x.length = cpu->cur->len;
    if (software && !cpu->cur)
        x.rip = (x.rip - ev->insn_len) & cpu_ip_mask(cpu); /* injected: RIP is past the instruction */
    x.set_rf = task->source == TASK_GATE && event_sets_rf(cpu, ev);
    vmx_exit(cpu, &x);
}

/* ---- the hook ---- */

/* The #UD of RDTSCP, INVPCID and XSAVES without their control "takes priority over any other exception the instruction
 * may incur"; the VM exits of MOV DR come before exceptions as well. */
static bool acts_before_exceptions(enum intercept what) {
    return what == ICEPT_DR_READ || what == ICEPT_DR_WRITE || what == ICEPT_RDTSCP || what == ICEPT_INVPCID ||
           what == ICEPT_XSAVES;
}

void vmx_intercept(struct cpu *cpu, enum icept_stage stage, enum intercept what, uint64_t a, uint64_t b) {
    if (stage == STAGE_BEFORE_EXC && !acts_before_exceptions(what)) return;
    switch (what) {
    case ICEPT_RDTSCP:
        rdtscp(cpu, stage);
        break;
    case ICEPT_RDPID:
        need_control(cpu, VMX_PROC2_ENABLE_RDTSCP);
        break;
    case ICEPT_INVPCID:
        invpcid(cpu, stage);
        break;
    case ICEPT_XSAVES:
        xsaves(cpu, stage, a);
        break;
    case ICEPT_PAUSE:
        pause(cpu);
        break;
    case ICEPT_DESC_TABLE:
        descriptor_table(cpu);
        break;
    case ICEPT_CR_READ:
        vmx_intercept_cr_read(cpu, (unsigned)a);
        break;
    case ICEPT_DR_READ:
        mov_dr(cpu, (unsigned)a, true);
        break;
    case ICEPT_DR_WRITE:
        mov_dr(cpu, (unsigned)a, false);
        break;
    case ICEPT_CLTS:
        vmx_intercept_clts(cpu);
        break;
    case ICEPT_LMSW:
        vmx_intercept_lmsw(cpu, (uint16_t)a, b);
        break;
    case ICEPT_IO:
        io(cpu, (const struct virt_io *)(uintptr_t)a);
        break;
    case ICEPT_MSR_READ:
        msr_access(cpu, (uint32_t)a, false);
        break;
    case ICEPT_MSR_WRITE:
        msr_access(cpu, (uint32_t)a, true);
        break;
    case ICEPT_TASK_SWITCH:
        task_switch_exit(cpu, (uint16_t)a, (const struct virt_task *)(uintptr_t)b);
        break;
    default:
        simple(cpu, &rows[what], a);
        break;
    }
}
