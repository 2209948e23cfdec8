/* Control registers in the guest: masks, read shadows, CR3 targets, exits. SDM 3, "Guest/Host Masks and Read Shadows
 * for CR0 and CR4", "CR3-Target Controls", table "Exit Qualification for Control-Register Accesses" */
#include "vmx/vmx.h"

static void cr_exit(struct cpu *cpu, unsigned cr, enum vmx_cr_access access, unsigned gpr) {
    vmx_exit_insn(cpu, VMX_REASON_CR_ACCESS, cr | (uint64_t)access << 4 | (uint64_t)gpr << 8);
}

static bool is_cr3_target(const uint64_t *f, uint64_t value) {
    for (unsigned n = 0; n < f[F_CR3_TARGET_COUNT] && n < 4; n++)
        if (f[F_CR3_TARGET0 + n] == value) return true;
    return false;
}

static bool write_leaves(const struct cpu *cpu, unsigned cr, uint64_t value) {
    const struct vmx *v = vmx_of(cpu);
    const uint64_t *f = vmcs_data(cpu);
    switch (cr) {
    case 0:
        return (value ^ f[F_CR0_SHADOW]) & f[F_CR0_MASK];
    case 3:
        return vmx_proc(v, VMX_PROC_CR3_LOAD_EXITING) && !is_cr3_target(f, value);
    case 4:
        return (value ^ f[F_CR4_SHADOW]) & f[F_CR4_MASK];
    case 8:
        return vmx_proc(v, VMX_PROC_CR8_LOAD_EXITING);
    default:
        return false;
    }
}

uint64_t vmx_cr_write(struct cpu *cpu, unsigned cr, uint64_t value, const struct insn *i) {
    if (!cpu->virt.guest) return value;
    const uint64_t *f = vmcs_data(cpu);
    /* LMSW and CLTS have had their own tests */
    if (i->id == INSN_MOV_TO_CR && write_leaves(cpu, cr, value)) cr_exit(cpu, cr, VMX_CR_TO, i->rm / 8u);
    if (cr == 0) return (value & ~f[F_CR0_MASK]) | (cpu->ctl.cr0 & f[F_CR0_MASK]);
    if (cr == 4) return (value & ~f[F_CR4_MASK]) | (cpu->ctl.cr4 & f[F_CR4_MASK]);
    return value;
}

uint64_t vmx_cr_read(struct cpu *cpu, unsigned cr, uint64_t real) {
    if (!cpu->virt.guest) return real;
    const uint64_t *f = vmcs_data(cpu);
    if (cr == 0) return (real & ~f[F_CR0_MASK]) | (f[F_CR0_SHADOW] & f[F_CR0_MASK]);
    if (cr == 4) return (real & ~f[F_CR4_MASK]) | (f[F_CR4_SHADOW] & f[F_CR4_MASK]);
    return real;
}

void vmx_intercept_cr_read(struct cpu *cpu, unsigned cr) {
    const struct vmx *v = vmx_of(cpu);
    bool leave =
        (cr == 3 && vmx_proc(v, VMX_PROC_CR3_STORE_EXITING)) || (cr == 8 && vmx_proc(v, VMX_PROC_CR8_STORE_EXITING));
    if (leave) cr_exit(cpu, cr, VMX_CR_FROM, cpu->cur->reg / 8u);
}

void vmx_intercept_clts(struct cpu *cpu) {
    const uint64_t *f = vmcs_data(cpu);
    if (f[F_CR0_MASK] & f[F_CR0_SHADOW] & CR0_TS) cr_exit(cpu, 0, VMX_CR_CLTS, 0);
}

/* Bits 3:1 leave when they differ from the shadow; PE only when it would be set. */
void vmx_intercept_lmsw(struct cpu *cpu, uint16_t source, uint64_t la) {
    const uint64_t *f = vmcs_data(cpu);
    uint64_t changed = (source ^ f[F_CR0_SHADOW]) & f[F_CR0_MASK];
    if (!(changed & 0xE) && !(changed & source & CR0_PE)) return;
    bool memory = cpu->cur->flags & INSN_MEM;
    struct vmx_exit x = {.reason = VMX_REASON_CR_ACCESS,
                         .qualification = (uint64_t)VMX_CR_LMSW << 4 | (memory ? 1u << 6 : 0) | (uint64_t)source << 16,
                         .rip = vmx_insn_rip(cpu),
                         .length = cpu->cur->len,
                         .clear_rf = true,
                         .gla = la,
                         .has_gla = memory};
    vmx_exit(cpu, &x);
}

/* SDM 3, "Restrictions on VMX Operation"; with "unrestricted guest" PE and PG are free in the guest. */
bool vmx_cr_valid(struct cpu *cpu, unsigned cr, uint64_t value) {
    const struct vmx *v = vmx_of(cpu);
    if (!v->on) return true;
    if (cr == 4) return !(~value & v->caps.cr4_fixed0) && !(value & ~v->caps.cr4_fixed1);
    if (cr != 0) return true;
    uint64_t fixed0 = v->caps.cr0_fixed0;
    if (cpu->virt.guest && vmx_proc2(v, VMX_PROC2_UNRESTRICTED_GUEST)) fixed0 &= ~(uint64_t)(CR0_PE | CR0_PG);
    return !(~value & fixed0) && !(value & ~v->caps.cr0_fixed1);
}
