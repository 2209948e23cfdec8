/* What the core asks a virtualization extension. VMX and SVM each register one struct virt_ops; the core never knows
 * which. Hooks marked [exit] do not return when they decide to leave the guest: they save the guest, load the host and
 * call cpu_resume(). */
#ifndef HVSIM_CORE_VIRT_H
#define HVSIM_CORE_VIRT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cpu;
struct insn;
struct event;
struct mmu_result;
struct cpuid_regs;

/* Neutral points where a guest can be stopped. `a` and `b` of virt_ops->intercept carry what the comment says. */
enum intercept {
    ICEPT_NONE,
    ICEPT_CPUID,
    ICEPT_HLT,
    ICEPT_INVD,
    ICEPT_WBINVD,
    ICEPT_INVLPG,  /* a = linear address */
    ICEPT_INVPCID, /* a = linear address of the descriptor (EA), b = type */
    ICEPT_RDPMC,
    ICEPT_RDTSC,
    ICEPT_RDTSCP,
    ICEPT_RDPID,
    ICEPT_RSM,
    ICEPT_MONITOR,
    ICEPT_MWAIT, /* a = 1 when the monitor is armed */
    ICEPT_PAUSE,
    ICEPT_XSETBV,
    ICEPT_XSAVES, /* XSAVES and XRSTORS: a = EDX:EAX & IA32_XSS */
    ICEPT_RDRAND,
    ICEPT_RDSEED,
    ICEPT_RDPRU,
    ICEPT_PUSHF,
    ICEPT_POPF,
    ICEPT_IRET,
    ICEPT_INTN, /* a = vector */
    ICEPT_ICEBP,
    ICEPT_DESC_TABLE, /* LGDT SGDT LIDT SIDT LLDT SLDT LTR STR: which, from insn.id */
    ICEPT_CR_READ,    /* a = CR number */
    ICEPT_CR_WRITE,   /* a = CR number, b = value (asked through virt_ops->cr_write) */
    ICEPT_DR_READ,    /* a = DR number */
    ICEPT_DR_WRITE,   /* a = DR number */
    ICEPT_CLTS,
    ICEPT_LMSW, /* a = source word, b = linear address of a memory operand */
    ICEPT_SMSW,
    ICEPT_IO,          /* a = struct virt_io * */
    ICEPT_MSR_READ,    /* a = MSR */
    ICEPT_MSR_WRITE,   /* a = MSR, b = value */
    ICEPT_TASK_SWITCH, /* a = selector, b = struct virt_task * */
    ICEPT_FERR_FREEZE, /* the processor would stop in front of an x87 instruction, FERR# being asserted */
    ICEPT_COUNT
};

/* When, relative to the exceptions of the same instruction. The prologue asks twice: an extension answers only in its
 * stage. */
enum icept_stage {
    STAGE_BEFORE_EXC, /* after #UD from mode and feature, before CPL and other #GP */
    STAGE_AFTER_EXC,  /* after CPL and register-operand checks, before memory operands */
    STAGE_BODY        /* asked by the body, at the point where the manuals put it */
};

struct virt_io {
    uint16_t port;
    uint8_t size; /* 1, 2, 4 */
    bool in, string, rep, imm;
    uint8_t seg, asize_bytes; /* of string forms */
    uint64_t la;              /* linear address of the string operand */
};

enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };
struct virt_task {
    enum task_source source;
    bool has_error;
    uint32_t error;
};

enum virt_event {                          /* asynchronous events before the core acts on them */
                  VIRT_EXTERNAL_INTERRUPT, /* [exit] asked when an interrupt is pending, whether or not IF allows it */
                  VIRT_NMI,
                  VIRT_SMI,
                  VIRT_INIT,
                  VIRT_SIPI,
                  VIRT_TRIPLE_FAULT,
                  VIRT_SHUTDOWN
};

enum virt_msr { VIRT_MSR_NOT_MINE, VIRT_MSR_DONE, VIRT_MSR_GP };

struct virt_ops {
    const char *name;
    /* cpu->virt.state: allocate, free, RESET/INIT */
    bool (*create)(struct cpu *cpu);
    void (*destroy)(struct cpu *cpu);
    void (*reset)(struct cpu *cpu, bool init);

    /* [exit] guest only */
    void (*intercept)(struct cpu *cpu, enum icept_stage stage, enum intercept what, uint64_t a, uint64_t b);
    /* [exit] guest only: an exception or software interrupt is about to be delivered through the IDT. */
    void (*exception)(struct cpu *cpu, const struct event *ev);
    /* [exit] guest: an asynchronous event. Returns true when the core is to go on with it, false when it stays pending
     * (blocked by the extension, e.g. GIF or virtual-interrupt rules). Outside the guest (SVM GIF, VMX root blocking
     * INIT) it is asked too. */
    bool (*event)(struct cpu *cpu, enum virt_event ev);
    /* [exit] called at an instruction boundary while ATTN_VIRT is set: windows, virtual interrupts, preemption timer,
     * MTF. Returns true when an event was injected or state changed and the boundary must be looked at again. Asked
     * before debug traps, NMIs and interrupts: what ranks below debug traps (everything but MTF) must wait, returning
     * false, while dbg.pending is not 0. */
    bool (*attention)(struct cpu *cpu);
    /* May a maskable interrupt be taken now, as far as the extension is concerned (V_INTR_MASKING host IF, GIF)?
     * `if_ok`: RFLAGS.IF = 1 and no shadow. Default NULL: return if_ok. */
    bool (*intr_allowed)(struct cpu *cpu, bool if_ok);

    /* MOV to/from CR, LMSW, CLTS. cr_write: [exit]; returns the value to be written to the real register under masks;
     * raises #GP for fixed bits that the extension imposes. cr_read: the value the guest sees. CR8: TPR shadow/V_TPR.
     */
    uint64_t (*cr_write)(struct cpu *cpu, unsigned cr, uint64_t value, const struct insn *i);
    uint64_t (*cr_read)(struct cpu *cpu, unsigned cr, uint64_t real);
    /* returns true when the extension handled CR8 itself */
    bool (*cr8_read)(struct cpu *cpu, uint64_t *val);
    bool (*cr8_write)(struct cpu *cpu, uint64_t val);
    /* MSRs that belong to the extension (480H.., VM_CR, VM_HSAVE_PA), and ones it changes in the guest (TSC with
     * offset). */
    enum virt_msr (*rdmsr)(struct cpu *cpu, uint32_t msr, uint64_t *val);
    enum virt_msr (*wrmsr)(struct cpu *cpu, uint32_t msr, uint64_t val);
    /* guest TSC from the host's */
    uint64_t (*tsc)(struct cpu *cpu, uint64_t host_tsc);
    /* the instructions of the extension (ids VMXON.. or VMRUN..); #UD rules included */
    void (*insn)(struct cpu *cpu, const struct insn *i);
    /* CR4.VMXE / EFER.SVME writes and so on: may this value be written now? (VMX: CR0/CR4 fixed bits in VMX operation)
     */
    bool (*cr_valid)(struct cpu *cpu, unsigned cr, uint64_t value);

    /* [exit] second-stage fault found by the walker (EPT violation or misconfiguration, #NPF) */
    void (*second_stage_fault)(struct cpu *cpu, const struct mmu_result *r, unsigned access);
    /* A guest access reached a page that is special to the extension (APIC-access page): NULL when there is none. true:
     * handled (reads give *val), [exit] otherwise. Asked on the slow path when cpu->virt.special_page == physical page.
     */
    bool (*special_access)(struct cpu *cpu, uint64_t phys, unsigned size, unsigned access, uint64_t *val);
    /* IRET in the guest unblocks (virtual) NMIs; called instead of clearing intr.nmi_blocked when in the guest */
    void (*iret_unblock)(struct cpu *cpu);
    /* A line for reports: where we are (root, guest, VMCS or VMCB address), and the ring of the last exits. */
    void (*report)(struct cpu *cpu, FILE *out);
    /* For --stats: exits and entries by reason */
    void (*stats)(struct cpu *cpu, FILE *out);
    /* CPUID: fill in or change what the extension decides (8000_000Ah, bits that depend on its state); NULL: nothing */
    void (*cpuid)(struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);
};

/* How the guest's second stage is walked. mmu/mmu.h defines the kinds. */
struct virt_second_stage {
    uint8_t kind;                           /* enum mmu_stage2_kind; 0 = none */
    uint64_t root;                          /* EPTP or nCR3 */
    uint64_t host_cr0, host_cr4, host_efer; /* NPT: paging mode of the host at VMRUN */
    uint64_t host_pat;                      /* NPT: the host's IA32_PAT (memory types, for reports) */
    bool gib_pages;                         /* EPT: IA32_VMX_EPT_VPID_CAP bit 17 */
    bool exec_only;                         /* EPT: IA32_VMX_EPT_VPID_CAP bit 0 */
    bool mode_based;                        /* EPT: VM-execution control "mode-based execute control for EPT" */
};

/* cpu->virt */
struct virt {
    const struct virt_ops *ops; /* NULL: the model has neither VMX nor SVM */
    void *state;                /* struct vmx or struct svm */
    bool operation;             /* VMX operation (root or non-root) / EFER.SVME */
    bool guest;                 /* VMX non-root operation / SVM guest mode */
    bool step;                  /* attention() must be called after every instruction (monitor trap flag) */
    uint16_t tag;               /* VPID or ASID of the running guest, 0 in root */
    struct virt_second_stage second_stage;
    uint64_t special_page;   /* physical page that special_access wants to see, ~0 none */
    uint64_t exits, entries; /* for --stats */
};

/* Ask about an intercept point; does nothing outside a guest. */
#define VIRT_INTERCEPT(cpu, stage, what, a, b)                                                                         \
    do {                                                                                                               \
        if (__builtin_expect((cpu)->virt.guest, 0)) (cpu)->virt.ops->intercept(cpu, stage, what, a, b);                \
    } while (0)

/* The two extensions; cpu_create() takes the one whose CPUID feature the model has. */
extern const struct virt_ops vmx_virt_ops;
extern const struct virt_ops svm_virt_ops;

#endif
