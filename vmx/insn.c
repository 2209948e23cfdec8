/* The VMX instructions: preconditions common to all, and those that manage VMX operation and VMCSs. SDM 3, "VMX
 * Instruction Reference" */
#include <inttypes.h>

#include "vmx/vmx.h"

uint64_t vmx_operand64(struct cpu *cpu, const struct insn *i) {
    return mem_read64(cpu, i, ea_linear(cpu, i, 8, MEM_READ));
}

static bool pointer_ok(const struct vmx *v, uint64_t pa) { return !(pa & 0xFFF) && !(pa >> v->caps.phys_bits); }

/* What is told of bad operands */
#define POINTER_EXPECTED  "the operand is %#" PRIx64 ", expected a multiple of 4096 below 2^%u"
#define REVISION_EXPECTED "the revision identifier at %#" PRIx64 " is %#x, expected %#x (IA32_VMX_BASIC[30:0])"
#define VMXON_POINTER     "the operand is %#" PRIx64 ", the address of the VMXON region"

/* ---- VMX operation ---- */

/* SDM 3, "VMXON": every condition that makes it #GP(0) */
static bool vmxon_allowed(const struct cpu *cpu) {
    const struct vmx_caps *caps = &vmx_of(cpu)->caps;
    const uint64_t need = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE;
    return cpu->cpl == 0 && cpu->machine->a20_mask == ~0ull && !(~cpu->ctl.cr0 & caps->cr0_fixed0) &&
           !(~cpu->ctl.cr4 & caps->cr4_fixed0) && (cpu->msr.feature_control & need) == need;
}

static void insn_vmxon(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    if (cpu->virt.guest) {
        struct vmx_exit x = {.reason = VMX_REASON_VMXON};
        vmx_exit_insn_info(cpu, &x);
    }
    if (!v->on) {
        if (!vmxon_allowed(cpu)) cpu_gp0(cpu);
        uint64_t pa = vmx_operand64(cpu, i);
        if (!pointer_ok(v, pa)) {
            vmx_fail_invalid(cpu, POINTER_EXPECTED, pa, v->caps.phys_bits);
            return;
        }
        uint32_t revision = (uint32_t)phys_read(cpu, pa, 4);
        if (revision != VMCS_REVISION) {
            vmx_fail_invalid(cpu, REVISION_EXPECTED, pa, revision, VMCS_REVISION);
            return;
        }
        v->on = cpu->virt.operation = true;
        v->vmxon_ptr = pa;
        v->current = NULL;
        cpu->intr.monitor_addr = ~0ull;
        vmx_succeed(cpu);
        return;
    }
    if (cpu->cpl) cpu_gp0(cpu);
    vmx_fail(cpu, VMX_ERR_VMXON_IN_ROOT, "VMX operation began with the VMXON region at %#" PRIx64, v->vmxon_ptr);
}

static void insn_vmxoff(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    (void)i;
    v->on = cpu->virt.operation = false;
    v->current = NULL;
    for (unsigned n = 0; n < VMX_ACTIVE_MAX; n++) v->active[n].stale |= v->active[n].launched;
    vmx_succeed(cpu);
}

/* ---- VMCS pointers ---- */

static void insn_vmclear(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    uint64_t pa = vmx_operand64(cpu, i);
    if (!pointer_ok(v, pa))
        vmx_fail(cpu, VMX_ERR_VMCLEAR_ADDRESS, POINTER_EXPECTED, pa, v->caps.phys_bits);
    else if (pa == v->vmxon_ptr)
        vmx_fail(cpu, VMX_ERR_VMCLEAR_VMXON_POINTER, VMXON_POINTER, pa);
    else {
        vmcs_clear(cpu, pa);
        vmx_succeed(cpu);
    }
}

/* Bit 31, the shadow-VMCS indicator, may be 1 where "VMCS shadowing" may be 1. */
static bool revision_ok(const struct vmx *v, uint32_t revision) {
    bool shadowing = vmx_can(&v->caps, VMX_PROC2, VMX_PROC2_VMCS_SHADOWING);
    return (shadowing ? revision & 0x7FFFFFFF : revision) == VMCS_REVISION;
}

static void insn_vmptrld(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    uint64_t pa = vmx_operand64(cpu, i);
    uint32_t revision = pointer_ok(v, pa) && pa != v->vmxon_ptr ? (uint32_t)phys_read(cpu, pa, 4) : 0;
    if (!pointer_ok(v, pa))
        vmx_fail(cpu, VMX_ERR_VMPTRLD_ADDRESS, POINTER_EXPECTED, pa, v->caps.phys_bits);
    else if (pa == v->vmxon_ptr)
        vmx_fail(cpu, VMX_ERR_VMPTRLD_VMXON_POINTER, VMXON_POINTER, pa);
    else if (!revision_ok(v, revision))
        vmx_fail(cpu, VMX_ERR_VMPTRLD_REVISION, REVISION_EXPECTED, pa, revision, VMCS_REVISION);
    else {
        v->current = vmcs_activate(cpu, pa);
        vmx_succeed(cpu);
    }
}

static void insn_vmptrst(struct cpu *cpu, const struct insn *i) {
    const struct vmx *v = vmx_of(cpu);
    uint64_t la = ea_linear(cpu, i, 8, MEM_WRITE);
    mem_write64(cpu, i, la, v->current ? v->current->addr : VMX_NO_POINTER);
    vmx_succeed(cpu);
}

/* SDM 3, "VMCALL": in VMX root operation it calls the dual-monitor treatment, which is not there. */
static void insn_vmcall(struct cpu *cpu, const struct insn *i) {
    (void)i;
    vmx_fail(cpu, VMX_ERR_VMCALL_IN_ROOT, "there is no SMM monitor to call");
}

static void insn_vmlaunch(struct cpu *cpu, const struct insn *i) {
    (void)i;
    vmx_enter(cpu, true);
}
static void insn_vmresume(struct cpu *cpu, const struct insn *i) {
    (void)i;
    vmx_enter(cpu, false);
}

/* ---- the table ---- */

struct vmx_insn_row {
    uint8_t reason; /* exit reason in VMX non-root operation */
    bool operands;  /* that exit reports instruction information */
    void (*body)(struct cpu *cpu, const struct insn *i);
};

/* By distance from INSN_VMXON: the ids are neighbours in decoder/insns.def. VMXON and VMFUNC have rules of their own.
 */
#define ROW(id) [INSN_##id - INSN_VMXON]
static const struct vmx_insn_row insns[] = {
    ROW(VMXOFF) = {VMX_REASON_VMXOFF,   false, insn_vmxoff  },
    ROW(VMCLEAR) = {VMX_REASON_VMCLEAR,  true,  insn_vmclear },
    ROW(VMPTRLD) = {VMX_REASON_VMPTRLD,  true,  insn_vmptrld },
    ROW(VMPTRST) = {VMX_REASON_VMPTRST,  true,  insn_vmptrst },
    ROW(VMREAD) = {VMX_REASON_VMREAD,   true,  insn_vmread  },
    ROW(VMWRITE) = {VMX_REASON_VMWRITE,  true,  insn_vmwrite },
    ROW(VMLAUNCH) = {VMX_REASON_VMLAUNCH, false, insn_vmlaunch},
    ROW(VMRESUME) = {VMX_REASON_VMRESUME, false, insn_vmresume},
    ROW(VMCALL) = {VMX_REASON_VMCALL,   false, insn_vmcall  },
    ROW(INVEPT) = {VMX_REASON_INVEPT,   true,  insn_invept  },
    ROW(INVVPID) = {VMX_REASON_INVVPID,  true,  insn_invvpid },
};
#undef ROW

/* VMX instructions do not exist in real, virtual-8086 and compatibility mode. */
static bool mode_ok(const struct cpu *cpu) { return cpu_is_prot(cpu) && !(cpu_is_lma(cpu) && !cpu_is_64(cpu)); }

/* INVEPT and INVVPID exist with their capability bits. */
static bool exists(const struct vmx *v, unsigned id) {
    if (id == INSN_INVEPT) return v->caps.ept_vpid & VMX_EPT_INVEPT;
    if (id == INSN_INVVPID) return v->caps.ept_vpid & VMX_VPID_INVVPID;
    return true;
}

void vmx_insn(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    if (i->id == INSN_VMFUNC) {
        insn_vmfunc(cpu, i);
        return;
    }
    if (!mode_ok(cpu)) cpu_ud(cpu);
    if (i->id == INSN_VMXON) {
        if (!(cpu->ctl.cr4 & CR4_VMXE)) cpu_ud(cpu);
        insn_vmxon(cpu, i);
        return;
    }
    if (!v->on || !exists(v, i->id)) cpu_ud(cpu);
    unsigned n = i->id - (unsigned)INSN_VMXON;
    if (n >= sizeof insns / sizeof insns[0] || !insns[n].body) cpu_ud(cpu);
    if (cpu->virt.guest && !vmx_shadowed(cpu, i)) {
        struct vmx_exit x = {.reason = insns[n].reason};
        if (insns[n].operands) vmx_exit_insn_info(cpu, &x);
        vmx_exit_insn(cpu, x.reason, 0);
    }
    if (cpu->cpl) cpu_gp0(cpu);
    insns[n].body(cpu, i);
}
