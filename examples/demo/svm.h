/* SVM by the names of the APM, as far as this hypervisor needs it. */
#ifndef DEMO_SVM_H
#define DEMO_SVM_H

#include <stddef.h>
#include <stdint.h>

enum {
    CPUID_80000001_ECX_SVM = 1 << 2,
    CPUID_8000000A_EDX_NP = 1 << 0,
    CPUID_8000000A_EDX_NRIPS = 1 << 3,
    VM_CR_SVMDIS = 1 << 4,
};
#define MSR_VM_CR       0xC0010114u
#define MSR_VM_HSAVE_PA 0xC0010117u

/* APM 2, appendix "Layout of VMCB", table "VMCB Layout, State Save Area" */
struct vmcb_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* APM 2, appendix "Layout of VMCB", table "VMCB Layout, Control Area" */
    uint32_t intercepts[6];
    uint8_t reserved1[0x28];
    uint64_t iopm_base_pa, msrpm_base_pa, tsc_offset;
    uint32_t guest_asid;
    uint32_t tlb_control;
    uint64_t v_intr; /* bits V_... below */
    uint64_t interrupt_shadow;
    uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
    uint64_t np_enable;
    uint8_t reserved2[0x10];
    uint64_t event_inj, n_cr3, lbr_enable;
    uint32_t clean, reserved3;
    uint64_t nrip;
    uint8_t reserved4[0x330];

    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved5[0x2B];
    uint8_t cpl;
    uint32_t reserved6;
    uint64_t efer;
    uint8_t reserved7[0x70];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved8[0x58];
    uint64_t rsp;
    uint8_t reserved9[0x18];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved10[0x20];
    uint64_t g_pat;
    uint8_t reserved11[0x990];
};
_Static_assert(offsetof(struct vmcb, iopm_base_pa) == 0x40, "VMCB layout");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "VMCB layout");
_Static_assert(offsetof(struct vmcb, event_inj) == 0xA8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, nrip) == 0xC8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "VMCB layout");
_Static_assert(offsetof(struct vmcb, efer) == 0x4D0, "VMCB layout");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "VMCB layout");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5D8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, rax) == 0x5F8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "VMCB layout");
_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB layout");

/* Bits of v_intr */
#define V_TPR             0xFFull /* the guest's CR8 */
#define V_IRQ             (1ull << 8)
#define V_IGN_TPR         (1ull << 20)
#define V_INTR_MASKING    (1ull << 24)
#define V_INTR_VECTOR(v)  ((uint64_t)(v) << 32)
#define V_INTR_PRIO(prio) ((uint64_t)(prio) << 16)

/* Intercepts: the word of struct vmcb, and the bit in it */
enum {
    INTERCEPT3_INTR = 1 << 0,
    INTERCEPT3_VINTR = 1 << 4,
    INTERCEPT3_CPUID = 1 << 18,
    INTERCEPT3_HLT = 1 << 24,
    INTERCEPT3_IOIO_PROT = 1 << 27,
    INTERCEPT3_MSR_PROT = 1 << 28,
    INTERCEPT4_VMRUN = 1 << 0, /* VMRUN refuses to run without */
    INTERCEPT4_VMMCALL = 1 << 1,
};
#define INTERCEPT3_SHUTDOWN (1u << 31)

/* APM 2, appendix "SVM Intercept Exit Codes" */
enum {
    VMEXIT_INTR = 0x60,
    VMEXIT_VINTR = 0x64,
    VMEXIT_CPUID = 0x72,
    VMEXIT_HLT = 0x78,
    VMEXIT_IOIO = 0x7B,
    VMEXIT_MSR = 0x7C,
    VMEXIT_SHUTDOWN = 0x7F,
    VMEXIT_VMMCALL = 0x81,
    VMEXIT_NPF = 0x400,
};
#define VMEXIT_INVALID (~0ull)

/* The attributes of a descriptor, bits 55-52 and 47-40, packed into 12 bits */
enum { ATTR_CODE64 = 0xA9B, ATTR_DATA = 0xC93, ATTR_BUSY_TSS = 0x08B };

#endif
