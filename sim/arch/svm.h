/* AMD SVM: layout of the VMCB, intercept and exit codes, bits of fields and MSRs. No code.
 * Sources: APM 2 "Secure Virtual Machine" and the appendices "Layout of VMCB" and "SVM Intercept Exit Codes"; APM 3 on
 * CPUID Fn8000_000A. */
#ifndef HVSIM_ARCH_SVM_H
#define HVSIM_ARCH_SVM_H

#include <stddef.h>
#include <stdint.h>

/* ---- the VMCB: APM 2 tables "VMCB Layout, Control Area" and "VMCB Layout, State Save Area" ---- */

#define VMCB_INTERCEPT_WORDS 6

struct vmcb_control {
    uint32_t intercept[VMCB_INTERCEPT_WORDS]; /* CR, DR, exceptions, instructions and events (three words) */
    uint8_t reserved_018[0x24];
    uint16_t pause_filter_threshold, pause_filter_count;
    uint64_t iopm_base_pa, msrpm_base_pa, tsc_offset;
    uint32_t guest_asid;
    uint8_t tlb_control, reserved_05d[3];
    uint64_t v_intr; /* V_* below */
    uint64_t interrupt_shadow;
    uint64_t exitcode, exitinfo1, exitinfo2, exitintinfo;
    uint64_t np_enable; /* NP_ENABLE and the SEV enables */
    uint64_t avic_apic_bar, ghcb;
    uint64_t eventinj;
    uint64_t n_cr3;
    uint64_t lbr_virt; /* LBR_VIRTUALIZATION_ENABLE, virtual VMLOAD and VMSAVE */
    uint32_t clean, reserved_0c4;
    uint64_t nrip;
    uint8_t bytes_fetched, insn_bytes[15];
    uint64_t avic_backing_page, reserved_0e8, avic_logical_table, avic_physical_table, reserved_100, vmsa;
};

struct vmcb_seg {
    uint16_t selector, attrib; /* attrib: descriptor bits 47:40 in 7:0, 55:52 in 11:8 */
    uint32_t limit;
    uint64_t base;
};

struct vmcb_save {
    struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_0a0[0x2B];
    uint8_t cpl;
    uint32_t reserved_0cc;
    uint64_t efer;
    uint8_t reserved_0d8[0x70];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_180[0x58];
    uint64_t rsp, s_cet, ssp, isst_addr, rax;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_248[0x20];
    uint64_t g_pat, dbgctl, br_from, br_to, lastexcp_from, lastexcp_to;
};

struct vmcb {
    struct vmcb_control control;
    uint8_t reserved_110[0x400 - sizeof(struct vmcb_control)];
    struct vmcb_save save;
    uint8_t reserved_698[0x1000 - 0x400 - sizeof(struct vmcb_save)];
};

#define VMCB_AT(part, field, where) _Static_assert(offsetof(struct vmcb, part.field) == (where), #field)
VMCB_AT(control, pause_filter_threshold, 0x03C);
VMCB_AT(control, iopm_base_pa, 0x040);
VMCB_AT(control, guest_asid, 0x058);
VMCB_AT(control, tlb_control, 0x05C);
VMCB_AT(control, v_intr, 0x060);
VMCB_AT(control, interrupt_shadow, 0x068);
VMCB_AT(control, exitcode, 0x070);
VMCB_AT(control, exitintinfo, 0x088);
VMCB_AT(control, np_enable, 0x090);
VMCB_AT(control, eventinj, 0x0A8);
VMCB_AT(control, n_cr3, 0x0B0);
VMCB_AT(control, lbr_virt, 0x0B8);
VMCB_AT(control, clean, 0x0C0);
VMCB_AT(control, nrip, 0x0C8);
VMCB_AT(control, bytes_fetched, 0x0D0);
VMCB_AT(control, avic_backing_page, 0x0E0);
VMCB_AT(control, vmsa, 0x108);
VMCB_AT(save, es, 0x400);
VMCB_AT(save, gdtr, 0x460);
VMCB_AT(save, tr, 0x490);
VMCB_AT(save, cpl, 0x4CB);
VMCB_AT(save, efer, 0x4D0);
VMCB_AT(save, cr4, 0x548);
VMCB_AT(save, rip, 0x578);
VMCB_AT(save, rsp, 0x5D8);
VMCB_AT(save, rax, 0x5F8);
VMCB_AT(save, star, 0x600);
VMCB_AT(save, sysenter_cs, 0x628);
VMCB_AT(save, cr2, 0x640);
VMCB_AT(save, g_pat, 0x668);
VMCB_AT(save, lastexcp_to, 0x690);
_Static_assert(sizeof(struct vmcb) == 0x1000, "a VMCB is a page");
#undef VMCB_AT

/* Segment attributes */
#define VMCB_ATTRIB_P (1u << 7)
#define VMCB_ATTRIB_L (1u << 9)
#define VMCB_ATTRIB_D (1u << 10)

/* V_INTR, offset 060h: APM 2 "Virtual Interrupts" */
#define V_TPR_MASK     0xFull /* bits 7:4 of V_TPR should be zero */
#define V_IRQ          (1ull << 8)
#define V_GIF          (1ull << 9)
#define V_PRIO_SHIFT   16
#define V_PRIO_MASK    0xFull
#define V_IGN_TPR      (1ull << 20)
#define V_INTR_MASKING (1ull << 24)
#define V_GIF_ENABLE   (1ull << 25)
#define V_VECTOR_SHIFT 32

#define VMCB_INTERRUPT_SHADOW 1ull
#define VMCB_NP_ENABLE        1ull
#define VMCB_LBR_ENABLE       1ull

/* TLB_CONTROL: APM 2 "TLB Flush" */
enum vmcb_tlb_control {
    TLB_CONTROL_NOTHING = 0,
    TLB_CONTROL_FLUSH_ALL = 1,
    TLB_CONTROL_FLUSH_GUEST = 3,           /* this ASID */
    TLB_CONTROL_FLUSH_GUEST_NONGLOBAL = 7, /* this ASID, except global pages */
};

/* VMCB clean bits: APM 2 "VMCB Clean Bits" */
enum vmcb_clean {
    VMCB_CLEAN_I = 1 << 0,    /* intercept vectors, TSC_OFFSET, pause filter */
    VMCB_CLEAN_IOPM = 1 << 1, /* IOPM_BASE, MSRPM_BASE */
    VMCB_CLEAN_ASID = 1 << 2,
    VMCB_CLEAN_TPR = 1 << 3, /* V_TPR, V_IRQ, V_INTR_PRIO, V_IGN_TPR, V_INTR_MASKING, V_INTR_VECTOR */
    VMCB_CLEAN_NP = 1 << 4,  /* N_CR3, G_PAT */
    VMCB_CLEAN_CRX = 1 << 5, /* CR0, CR3, CR4, EFER */
    VMCB_CLEAN_DRX = 1 << 6,
    VMCB_CLEAN_DT = 1 << 7,  /* GDT and IDT base and limit */
    VMCB_CLEAN_SEG = 1 << 8, /* CS, DS, SS, ES, CPL */
    VMCB_CLEAN_CR2 = 1 << 9,
    VMCB_CLEAN_LBR = 1 << 10, /* DBGCTL, BR_FROM, BR_TO, LASTEXCPFROM, LASTEXCPTO */
    VMCB_CLEAN_AVIC = 1 << 11,
    VMCB_CLEAN_CET = 1 << 12, /* S_CET, SSP, ISST_ADDR */
};

/* EVENTINJ and EXITINTINFO: APM 2 "Event Injection", "Intercepts During IDT Interrupt Delivery" */
#define EVENTINJ_VECTOR      0xFFull
#define EVENTINJ_TYPE_SHIFT  8
#define EVENTINJ_TYPE_MASK   7ull
#define EVENTINJ_EV          (1ull << 11) /* the error code is valid */
#define EVENTINJ_V           (1ull << 31)
#define EVENTINJ_ERROR_SHIFT 32
enum eventinj_type { EVENTINJ_INTR = 0, EVENTINJ_NMI = 2, EVENTINJ_EXCEPTION = 3, EVENTINJ_SOFT_INT = 4 };

/* EXITINFO1 of VMEXIT_IOIO: APM 2 "IOIO Intercepts" */
#define IOIO_TYPE_IN    (1u << 0)
#define IOIO_STR        (1u << 2)
#define IOIO_REP        (1u << 3)
#define IOIO_SZ_SHIFT   4 /* SZ8, SZ16, SZ32: bit number is log2 of the size */
#define IOIO_A_SHIFT    7 /* A16, A32, A64 */
#define IOIO_SEG_SHIFT  10
#define IOIO_PORT_SHIFT 16

/* EXITINFO1 of CR and DR accesses with decode assists: APM 2 "MOV CRx/DRx Intercepts" */
#define CRX_MOV (1ull << 63)

/* EXITINFO2 of VMEXIT_TASK_SWITCH: APM 2 "Task Switch Intercept" */
#define TASK_SWITCH_IRET      (1ull << 36)
#define TASK_SWITCH_JUMP      (1ull << 38)
#define TASK_SWITCH_HAS_ERROR (1ull << 44)
#define TASK_SWITCH_RF        (1ull << 48)

/* ---- exit codes; below 400h the code is also the number of the intercept bit, counted from bit 0 of word 0 ---- */

enum vmexit_code {
    VMEXIT_CR0_READ = 0x00,
    VMEXIT_CR0_WRITE = 0x10,
    VMEXIT_DR0_READ = 0x20,
    VMEXIT_DR0_WRITE = 0x30,
    VMEXIT_EXCP0 = 0x40,
    VMEXIT_INTR = 0x60,
    VMEXIT_NMI,
    VMEXIT_SMI,
    VMEXIT_INIT,
    VMEXIT_VINTR,
    VMEXIT_CR0_SEL_WRITE,
    VMEXIT_IDTR_READ,
    VMEXIT_GDTR_READ,
    VMEXIT_LDTR_READ,
    VMEXIT_TR_READ,
    VMEXIT_IDTR_WRITE,
    VMEXIT_GDTR_WRITE,
    VMEXIT_LDTR_WRITE,
    VMEXIT_TR_WRITE,
    VMEXIT_RDTSC,
    VMEXIT_RDPMC,
    VMEXIT_PUSHF,
    VMEXIT_POPF,
    VMEXIT_CPUID,
    VMEXIT_RSM,
    VMEXIT_IRET,
    VMEXIT_SWINT,
    VMEXIT_INVD,
    VMEXIT_PAUSE,
    VMEXIT_HLT,
    VMEXIT_INVLPG,
    VMEXIT_INVLPGA,
    VMEXIT_IOIO,
    VMEXIT_MSR,
    VMEXIT_TASK_SWITCH,
    VMEXIT_FERR_FREEZE,
    VMEXIT_SHUTDOWN,
    VMEXIT_VMRUN,
    VMEXIT_VMMCALL,
    VMEXIT_VMLOAD,
    VMEXIT_VMSAVE,
    VMEXIT_STGI,
    VMEXIT_CLGI,
    VMEXIT_SKINIT,
    VMEXIT_RDTSCP,
    VMEXIT_ICEBP,
    VMEXIT_WBINVD,
    VMEXIT_MONITOR,
    VMEXIT_MWAIT,
    VMEXIT_MWAIT_CONDITIONAL,
    VMEXIT_XSETBV,
    VMEXIT_RDPRU,
    VMEXIT_EFER_WRITE_TRAP,
    VMEXIT_CR0_WRITE_TRAP,
    VMEXIT_INVLPGB = 0xA0,
    VMEXIT_INVLPGB_ILLEGAL,
    VMEXIT_INVPCID,
    VMEXIT_MCOMMIT,
    VMEXIT_TLBSYNC,
    VMEXIT_BUSLOCK,
    VMEXIT_IDLE_HLT,
    VMEXIT_NPF = 0x400,
};
_Static_assert(VMEXIT_SHUTDOWN == 0x7F && VMEXIT_RDPRU == 0x8E && VMEXIT_CR0_WRITE_TRAP == 0x90, "exit codes");
#define VMEXIT_INVALID (~0ull)

/* ---- MSRs: APM 2 "SVM Related MSRs" ---- */

#define MSR_VM_CR       0xC0010114u
#define MSR_IGNNE       0xC0010115u
#define MSR_SMM_CTL     0xC0010116u
#define MSR_VM_HSAVE_PA 0xC0010117u
#define MSR_SVM_KEY     0xC0010118u
#define MSR_TSC_RATIO   0xC0000104u

#define VM_CR_DPD      (1u << 0)
#define VM_CR_R_INIT   (1u << 1)
#define VM_CR_DIS_A20M (1u << 2)
#define VM_CR_LOCK     (1u << 3)
#define VM_CR_SVMDIS   (1u << 4)
#define VM_CR_VALID    0x1Fu

#define SMM_CTL_DISMISS   (1u << 0)
#define SMM_CTL_ENTER     (1u << 1)
#define SMM_CTL_SMI_CYCLE (1u << 2)
#define SMM_CTL_EXIT      (1u << 3)
#define SMM_CTL_RSM_CYCLE (1u << 4)
#define SMM_CTL_VALID     0x1Fu

#define VEC_SX        30 /* security exception */
#define SX_ERROR_INIT 1  /* an INIT was redirected */

/* ---- CPUID Fn8000_000A ---- */

#define SVM_FEATURE_NP                     (1u << 0)
#define SVM_FEATURE_LBR_VIRT               (1u << 1)
#define SVM_FEATURE_SVML                   (1u << 2)
#define SVM_FEATURE_NRIPS                  (1u << 3)
#define SVM_FEATURE_TSC_RATE_MSR           (1u << 4)
#define SVM_FEATURE_VMCB_CLEAN             (1u << 5)
#define SVM_FEATURE_FLUSH_BY_ASID          (1u << 6)
#define SVM_FEATURE_DECODE_ASSISTS         (1u << 7)
#define SVM_FEATURE_PAUSE_FILTER           (1u << 10)
#define SVM_FEATURE_PAUSE_FILTER_THRESHOLD (1u << 12)
#define SVM_FEATURE_AVIC                   (1u << 13)
#define SVM_FEATURE_VMSAVE_VIRT            (1u << 15)
#define SVM_FEATURE_VGIF                   (1u << 16)

/* What a CPU model says of its SVM: cpu_model.virt_caps. */
struct svm_caps {
    uint8_t revision;  /* EAX[7:0] */
    uint32_t asids;    /* EBX: number of ASIDs */
    uint32_t features; /* EDX: SVM_FEATURE_* */
};

#endif
