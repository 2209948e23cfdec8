/* SVM: enabling it, a VMCB for a long-mode guest, running it. 64-bit images only. */
#ifndef GUEST_SVM_H
#define GUEST_SVM_H

#include "testsuites/guest/lib/types.h"

#define MSR_VM_CR       0xC0010114
#define MSR_VM_HSAVE_PA 0xC0010117
#define VM_CR_SVMDIS    BIT(4)

/* intercept[0]: CR reads (15:0) and writes (31:16); [1]: DR; [2]: exceptions; [3]..[5]: the words at 0Ch, 10h, 14h */
#define SVM_INTERCEPT3_INTR       BIT(0)
#define SVM_INTERCEPT3_NMI        BIT(1)
#define SVM_INTERCEPT3_SMI        BIT(2)
#define SVM_INTERCEPT3_INIT       BIT(3)
#define SVM_INTERCEPT3_VINTR      BIT(4)
#define SVM_INTERCEPT3_CR0_SEL    BIT(5)
#define SVM_INTERCEPT3_IDTR_READ  BIT(6)
#define SVM_INTERCEPT3_GDTR_READ  BIT(7)
#define SVM_INTERCEPT3_LDTR_READ  BIT(8)
#define SVM_INTERCEPT3_TR_READ    BIT(9)
#define SVM_INTERCEPT3_IDTR_WRITE BIT(10)
#define SVM_INTERCEPT3_GDTR_WRITE BIT(11)
#define SVM_INTERCEPT3_LDTR_WRITE BIT(12)
#define SVM_INTERCEPT3_TR_WRITE   BIT(13)
#define SVM_INTERCEPT3_RDTSC      BIT(14)
#define SVM_INTERCEPT3_RDPMC      BIT(15)
#define SVM_INTERCEPT3_PUSHF      BIT(16)
#define SVM_INTERCEPT3_POPF       BIT(17)
#define SVM_INTERCEPT3_CPUID      BIT(18)
#define SVM_INTERCEPT3_RSM        BIT(19)
#define SVM_INTERCEPT3_IRET       BIT(20)
#define SVM_INTERCEPT3_INTN       BIT(21)
#define SVM_INTERCEPT3_INVD       BIT(22)
#define SVM_INTERCEPT3_PAUSE      BIT(23)
#define SVM_INTERCEPT3_HLT        BIT(24)
#define SVM_INTERCEPT3_INVLPG     BIT(25)
#define SVM_INTERCEPT3_INVLPGA    BIT(26)
#define SVM_INTERCEPT3_IOIO       BIT(27)
#define SVM_INTERCEPT3_MSR        BIT(28)
#define SVM_INTERCEPT3_TASK       BIT(29)
#define SVM_INTERCEPT3_FERR       BIT(30)
#define SVM_INTERCEPT3_SHUTDOWN   BIT(31)
#define SVM_INTERCEPT4_VMRUN      BIT(0)
#define SVM_INTERCEPT4_VMMCALL    BIT(1)
#define SVM_INTERCEPT4_VMLOAD     BIT(2)
#define SVM_INTERCEPT4_VMSAVE     BIT(3)
#define SVM_INTERCEPT4_STGI       BIT(4)
#define SVM_INTERCEPT4_CLGI       BIT(5)
#define SVM_INTERCEPT4_SKINIT     BIT(6)
#define SVM_INTERCEPT4_RDTSCP     BIT(7)
#define SVM_INTERCEPT4_ICEBP      BIT(8)
#define SVM_INTERCEPT4_WBINVD     BIT(9)
#define SVM_INTERCEPT4_MONITOR    BIT(10)
#define SVM_INTERCEPT4_MWAIT      BIT(11)
#define SVM_INTERCEPT4_XSETBV     BIT(13)

/* APM 2, "SVM Intercept Exit Codes" */
#define SVM_EXIT_CR_READ(n)   (0x00 + (n))
#define SVM_EXIT_CR_WRITE(n)  (0x10 + (n))
#define SVM_EXIT_DR_READ(n)   (0x20 + (n))
#define SVM_EXIT_DR_WRITE(n)  (0x30 + (n))
#define SVM_EXIT_EXCEPTION(n) (0x40 + (n))
enum {
    SVM_EXIT_INTR = 0x60,
    SVM_EXIT_NMI = 0x61,
    SVM_EXIT_SMI = 0x62,
    SVM_EXIT_INIT = 0x63,
    SVM_EXIT_VINTR = 0x64,
    SVM_EXIT_CR0_SEL_WRITE = 0x65,
    SVM_EXIT_IDTR_READ = 0x66,
    SVM_EXIT_GDTR_READ = 0x67,
    SVM_EXIT_LDTR_READ = 0x68,
    SVM_EXIT_TR_READ = 0x69,
    SVM_EXIT_IDTR_WRITE = 0x6A,
    SVM_EXIT_GDTR_WRITE = 0x6B,
    SVM_EXIT_LDTR_WRITE = 0x6C,
    SVM_EXIT_TR_WRITE = 0x6D,
    SVM_EXIT_RDTSC = 0x6E,
    SVM_EXIT_RDPMC = 0x6F,
    SVM_EXIT_PUSHF = 0x70,
    SVM_EXIT_POPF = 0x71,
    SVM_EXIT_CPUID = 0x72,
    SVM_EXIT_RSM = 0x73,
    SVM_EXIT_IRET = 0x74,
    SVM_EXIT_INTN = 0x75,
    SVM_EXIT_INVD = 0x76,
    SVM_EXIT_PAUSE = 0x77,
    SVM_EXIT_HLT = 0x78,
    SVM_EXIT_INVLPG = 0x79,
    SVM_EXIT_INVLPGA = 0x7A,
    SVM_EXIT_IOIO = 0x7B,
    SVM_EXIT_MSR = 0x7C,
    SVM_EXIT_TASK_SWITCH = 0x7D,
    SVM_EXIT_FERR_FREEZE = 0x7E,
    SVM_EXIT_SHUTDOWN = 0x7F,
    SVM_EXIT_VMRUN = 0x80,
    SVM_EXIT_VMMCALL = 0x81,
    SVM_EXIT_VMLOAD = 0x82,
    SVM_EXIT_VMSAVE = 0x83,
    SVM_EXIT_STGI = 0x84,
    SVM_EXIT_CLGI = 0x85,
    SVM_EXIT_SKINIT = 0x86,
    SVM_EXIT_RDTSCP = 0x87,
    SVM_EXIT_ICEBP = 0x88,
    SVM_EXIT_WBINVD = 0x89,
    SVM_EXIT_MONITOR = 0x8A,
    SVM_EXIT_MWAIT = 0x8B,
    SVM_EXIT_XSETBV = 0x8D,
    SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID (~0ULL)

struct vmcb_segment {
    u16 selector, attributes; /* attributes: descriptor bits 55:52 and 47:40 */
    u32 limit;
    u64 base;
};

/* APM 2, "Layout of VMCB" */
struct vmcb {
    u32 intercept[6]; /* 000h */
    u8 reserved018[0x03C - 0x018];
    u16 pause_threshold, pause_count;
    u64 iopm_base, msrpm_base, tsc_offset; /* 040h */
    u32 asid;                              /* 058h */
    u8 tlb_control, reserved05d[3];
    u64 virtual_interrupt, interrupt_shadow;              /* 060h */
    u64 exit_code, exit_info1, exit_info2, exit_int_info; /* 070h */
    u64 np_enable, avic_apic_bar, ghcb, event_inject;     /* 090h */
    u64 nested_cr3, lbr_virtualization;                   /* 0B0h */
    u32 clean, reserved0c4;                               /* 0C0h */
    u64 next_rip;                                         /* 0C8h */
    u8 fetched_count, fetched_bytes[15];                  /* 0D0h */
    u64 avic_backing_page, reserved0e8, avic_logical, avic_physical, reserved100, vmsa;
    u8 reserved110[0x400 - 0x110];
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400h */
    u8 reserved4a0[0x4CB - 0x4A0];
    u8 cpl;
    u32 reserved4cc;
    u64 efer; /* 4D0h */
    u8 reserved4d8[0x548 - 0x4D8];
    u64 cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
    u8 reserved580[0x5D8 - 0x580];
    u64 rsp, s_cet, ssp, isst_addr, rax;              /* 5D8h */
    u64 star, lstar, cstar, sfmask, kernel_gs_base;   /* 600h */
    u64 sysenter_cs, sysenter_esp, sysenter_eip, cr2; /* 628h */
    u8 reserved648[0x668 - 0x648];
    u64 g_pat, debugctl, br_from, br_to, last_excp_from, last_excp_to; /* 668h */
    u8 reserved698[0x1000 - 0x698];
} __attribute__((packed, aligned(16)));
_Static_assert(sizeof(struct vmcb) == 4096, "VMCB");
_Static_assert(offsetof(struct vmcb, asid) == 0x58, "ASID");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "EXITCODE");
_Static_assert(offsetof(struct vmcb, nested_cr3) == 0xB0, "N_CR3");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xC8, "nRIP");
_Static_assert(offsetof(struct vmcb, vmsa) == 0x108, "VMSA");
_Static_assert(offsetof(struct vmcb, efer) == 0x4D0, "EFER");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "RIP");
_Static_assert(offsetof(struct vmcb, rax) == 0x5F8, "RAX");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "CR2");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "G_PAT");

bool svm_supported(void);
bool svm_nested_paging_supported(void);
bool svm_nrip_supported(void);

/* EFER.SVME and VM_HSAVE_PA; false if SVM isn't there or is disabled by VM_CR.SVMDIS. */
bool svm_enable(void);

struct svm_vm {
    u64 gpr[16];      /* numbered as in vmx.h; RAX and RSP live in the VMCB */
    u64 vmcb_pa;      /* offsets are known to svm_enter.S */
    u64 host_vmcb_pa; /* 0: no VMSAVE and VMLOAD around VMRUN */
    struct vmcb *vmcb;
};

struct svm_config {
    void (*entry)(u64 arg); /* guest code; gets arg in RDI */
    u64 arg;
    u64 stack;        /* top; 0: a stack of its own is allocated */
    u64 nested_cr3;   /* 0: no nested paging */
    u32 asid;         /* 0: taken as 1 */
    bool swap_vmload; /* VMSAVE and VMLOAD of guest and host around VMRUN: FS, GS, TR, LDTR, SYSCALL, SYSENTER */
    u32 intercept[6]; /* beyond VMRUN, CPUID, VMMCALL and SHUTDOWN */
};

/* Makes a VMCB. The guest is in 64-bit mode at CPL 0 and shares the host's CR3, GDT, IDT, TSS; whoever wants it
 * otherwise changes the VMCB. */
void svm_vm_init(struct svm_vm *vm, const struct svm_config *c);

/* CLGI, VMRUN, STGI. The exit is in vm->vmcb. */
void svm_run(struct svm_vm *vm);

#endif
