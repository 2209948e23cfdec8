/* The instructions of SVM. APM 3, "System Instruction Reference"; APM 2, "SVM Instruction Set" */
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"
#include "svm/svm.h"

/* rAX at the address size of the instruction */
static uint64_t rax_address(const struct cpu *cpu, const struct insn *i) {
    return i->asize == 3 ? cpu->gpr[RAX] : i->asize == 2 ? (uint32_t)cpu->gpr[RAX] : (uint16_t)cpu->gpr[RAX];
}

/* "#GP: rAX referenced a physical address above the maximum supported one, or was not aligned on a 4-Kbyte boundary" */
static uint64_t vmcb_operand(struct cpu *cpu, const struct insn *i) {
    uint64_t pa = rax_address(cpu, i);
    if ((pa & ~PAGE_MASK) || pa >> cpu->model->phys_bits) cpu_gp0(cpu);
    return pa;
}

static void intercept(struct cpu *cpu, unsigned code) {
    if (cpu->virt.guest && svm_intercepts(svm_of(cpu), code)) svm_vmexit(cpu, code, 0, 0);
}

/* ---- VMLOAD and VMSAVE: the state that VMRUN leaves alone ---- */

static void body_vmload(struct cpu *cpu, const struct insn *i) {
    uint64_t pa = vmcb_operand(cpu, i);
    intercept(cpu, VMEXIT_VMLOAD);
    const struct vmcb *from = svm_vmcb_ptr(cpu, pa);
    struct vmcb copy;
    if (!from) {
        phys_read_bytes(cpu, pa, &copy, sizeof copy);
        from = &copy;
    }
    const struct vmcb_save *v = &from->save;
    svm_seg_load(&cpu->seg[SEG_FS], &v->fs);
    svm_seg_load(&cpu->seg[SEG_GS], &v->gs);
    svm_seg_load(&cpu->seg[SEG_LDTR], &v->ldtr);
    svm_seg_load(&cpu->seg[SEG_TR], &v->tr);
    const enum seg_id loaded[] = {SEG_FS, SEG_GS, SEG_LDTR, SEG_TR};
    for (unsigned n = 0; n < 4; n++) cpu->seg[loaded[n]].base = svm_canonical(cpu, cpu->seg[loaded[n]].base);
    /* TR is never null, and only its width is looked at: APM 2, "Segment State in the VMCB" */
    struct seg *tr = &cpu->seg[SEG_TR];
    tr->ar = (tr->ar & ~(AR_UNUSABLE | AR_S | AR_TYPE)) | AR_P | (tr->ar & 8 ? DESC_TSS_BUSY : DESC_TSS16_BUSY);
    cpu->msr.kernel_gs_base = svm_canonical(cpu, v->kernel_gs_base);
    cpu->msr.star = v->star;
    cpu->msr.lstar = svm_canonical(cpu, v->lstar);
    cpu->msr.cstar = svm_canonical(cpu, v->cstar);
    cpu->msr.sfmask = v->sfmask;
    cpu->msr.sysenter_cs = v->sysenter_cs;
    cpu->msr.sysenter_esp = svm_canonical(cpu, v->sysenter_esp);
    cpu->msr.sysenter_eip = svm_canonical(cpu, v->sysenter_eip);
}

static void fill_vmsave(const struct cpu *cpu, struct vmcb_save *v) {
    svm_seg_store(&v->fs, &cpu->seg[SEG_FS]);
    svm_seg_store(&v->gs, &cpu->seg[SEG_GS]);
    svm_seg_store(&v->ldtr, &cpu->seg[SEG_LDTR]);
    svm_seg_store(&v->tr, &cpu->seg[SEG_TR]);
    v->kernel_gs_base = cpu->msr.kernel_gs_base;
    v->star = cpu->msr.star;
    v->lstar = cpu->msr.lstar;
    v->cstar = cpu->msr.cstar;
    v->sfmask = cpu->msr.sfmask;
    v->sysenter_cs = cpu->msr.sysenter_cs;
    v->sysenter_esp = cpu->msr.sysenter_esp;
    v->sysenter_eip = cpu->msr.sysenter_eip;
}

/* The parts of the save area that VMSAVE writes */
static const struct {
    uint16_t offset, size;
} vmsave_parts[] = {
    {offsetof(struct vmcb, save.fs),   2 * sizeof(struct vmcb_seg)},
    {offsetof(struct vmcb, save.ldtr), sizeof(struct vmcb_seg)    },
    {offsetof(struct vmcb, save.tr),   sizeof(struct vmcb_seg)    },
    {offsetof(struct vmcb, save.star), 8 * sizeof(uint64_t)       }, /* STAR to SYSENTER_EIP */
};

static void body_vmsave(struct cpu *cpu, const struct insn *i) {
    uint64_t pa = vmcb_operand(cpu, i);
    struct vmcb image;
    intercept(cpu, VMEXIT_VMSAVE);
    fill_vmsave(cpu, &image.save);
    for (unsigned n = 0; n < sizeof vmsave_parts / sizeof vmsave_parts[0]; n++)
        svm_phys_store(cpu, pa + vmsave_parts[n].offset, (const char *)&image + vmsave_parts[n].offset,
                       vmsave_parts[n].size);
}

/* ---- the others ---- */

/* APM 2, "VM_HSAVE_PA MSR": VMRUN with 0 there is #GP(0). */
static void body_vmrun(struct cpu *cpu, const struct insn *i) {
    uint64_t pa = vmcb_operand(cpu, i);
    intercept(cpu, VMEXIT_VMRUN);
    if (!svm_of(cpu)->hsave_pa) cpu_gp0(cpu);
    svm_vmrun(cpu, pa);
}

/* STGI: what waited for GIF is looked at before the next instruction. */
static void body_stgi(struct cpu *cpu, const struct insn *i) {
    (void)i;
    intercept(cpu, VMEXIT_STGI);
    cpu->intr.gif = true;
    if (!(cpu->intr.attn | cpu->dbg.pending) || cpu->step) return;
    cpu_commit_insn(cpu);
    cpu_resume(cpu);
}

static void body_clgi(struct cpu *cpu, const struct insn *i) {
    (void)i;
    intercept(cpu, VMEXIT_CLGI);
    cpu->intr.gif = false;
}

static void body_invlpga(struct cpu *cpu, const struct insn *i) {
    uint64_t la = rax_address(cpu, i);
    uint16_t asid = (uint16_t)cpu->gpr[RCX];
    intercept(cpu, VMEXIT_INVLPGA);
    tlb_flush_page_tag(cpu, asid != 0, asid, -1, la);
}

static void (*const bodies[])(struct cpu *cpu, const struct insn *i) = {
#define BODY(id, function) [INSN_##id - INSN_VMRUN] = function
    BODY(VMRUN, body_vmrun), BODY(VMLOAD, body_vmload), BODY(VMSAVE, body_vmsave),
    BODY(STGI, body_stgi),   BODY(CLGI, body_clgi),     BODY(INVLPGA, body_invlpga),
#undef BODY
};

/* #UD when EFER.SVME = 0 or outside protected mode; then #GP(0) unless CPL = 0. VMMCALL is for whoever intercepts it,
 * at any CPL, and #UD otherwise. SKINIT is not in any model (CPUID Fn8000_0001 ECX[12] = 0): #UD. */
void svm_insn(struct cpu *cpu, const struct insn *i) {
    if (i->id == INSN_VMMCALL) {
        intercept(cpu, VMEXIT_VMMCALL);
        cpu_ud(cpu);
    }
    if (!(cpu->ctl.efer & EFER_SVME) || !cpu_is_prot(cpu)) cpu_ud(cpu);
    unsigned n = i->id - INSN_VMRUN;
    if (n >= sizeof bodies / sizeof bodies[0] || !bodies[n]) cpu_ud(cpu);
    if (cpu->cpl != 0) cpu_gp0(cpu);
    bodies[n](cpu, i);
}
