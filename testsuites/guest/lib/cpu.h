/* One-instruction wrappers: ports, MSRs, control registers, CPUID, descriptor tables. */
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

#include "testsuites/guest/lib/types.h"

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)
#define CR4_CET        BIT(23)
#define CR4_PKS        BIT(24)

#define EFER_SCE   BIT(0)
#define EFER_LME   BIT(8)
#define EFER_LMA   BIT(10)
#define EFER_NXE   BIT(11)
#define EFER_SVME  BIT(12)
#define EFER_LMSLE BIT(13)
#define EFER_FFXSR BIT(14)
#define EFER_TCE   BIT(15)

#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_TF BIT(8)
#define FLAG_IF BIT(9)
#define FLAG_DF BIT(10)
#define FLAG_OF BIT(11)
#define FLAG_NT BIT(14)
#define FLAG_RF BIT(16)
#define FLAG_VM BIT(17)
#define FLAG_AC BIT(18)
#define FLAG_ID BIT(21)

#define MSR_TSC            0x10
#define MSR_APIC_BASE      0x1B
#define MSR_FEATURE_CTRL   0x3A
#define MSR_SYSENTER_CS    0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176
#define MSR_DEBUGCTL       0x1D9
#define MSR_PAT            0x277
#define MSR_EFER           0xC0000080
#define MSR_STAR           0xC0000081
#define MSR_LSTAR          0xC0000082
#define MSR_CSTAR          0xC0000083
#define MSR_SFMASK         0xC0000084
#define MSR_FS_BASE        0xC0000100
#define MSR_GS_BASE        0xC0000101
#define MSR_KERNEL_GS_BASE 0xC0000102
#define MSR_TSC_AUX        0xC0000103

enum {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
    VEC_VE = 20,
    VEC_CP = 21,
    VEC_SX = 30,
};

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

static inline u8 inb(u16 port) {
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline u16 inw(u16 port) {
    u16 v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline u32 inl(u16 port) {
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline u64 rdmsr(u32 index) {
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
    return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 index, u64 v) {
    __asm__ volatile("wrmsr" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void) {
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf) {
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* The leaf if the processor has it, else zeros. */
static inline struct cpuid cpuid_if_present(u32 leaf, u32 subleaf) {
    struct cpuid none = {0, 0, 0, 0};
    return cpuid(leaf & 0xFFFF0000u, 0).eax >= leaf ? cpuid(leaf, subleaf) : none;
}

#define CR_ACCESS(n)                                                                                                   \
    static inline uptr read_cr##n(void) {                                                                              \
        uptr v;                                                                                                        \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory");                                                 \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void write_cr##n(uptr v) { __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); }
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)
#ifdef __x86_64__
CR_ACCESS(8)
#endif
#undef CR_ACCESS

#define DR_ACCESS(n)                                                                                                   \
    static inline uptr read_dr##n(void) {                                                                              \
        uptr v;                                                                                                        \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v));                                                              \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void write_dr##n(uptr v) { __asm__ volatile("mov %0, %%dr" #n : : "r"(v) : "memory"); }
DR_ACCESS(0)
DR_ACCESS(1)
DR_ACCESS(2)
DR_ACCESS(3)
DR_ACCESS(6)
DR_ACCESS(7)
#undef DR_ACCESS

static inline uptr read_flags(void) {
    uptr v;
    __asm__ volatile("pushf; pop %0" : "=r"(v) : : "memory");
    return v;
}

static inline void write_flags(uptr v) { __asm__ volatile("push %0; popf" : : "r"(v) : "memory", "cc"); }
static inline void irq_enable(void) { __asm__ volatile("sti" : : : "memory"); }
static inline void irq_disable(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void cpu_pause(void) { __asm__ volatile("pause" : : : "memory"); }

/* Enables interrupts for exactly one wait: STI's shadow covers HLT. Interrupts are off again afterwards. */
static inline void irq_wait(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

static inline void invlpg(const volatile void *p) { __asm__ volatile("invlpg (%0)" : : "r"(p) : "memory"); }

struct table_register {
    u16 limit;
    uptr base;
} __attribute__((packed));

static inline struct table_register read_gdtr(void) {
    struct table_register r;
    __asm__ volatile("sgdt %0" : "=m"(r));
    return r;
}

static inline struct table_register read_idtr(void) {
    struct table_register r;
    __asm__ volatile("sidt %0" : "=m"(r));
    return r;
}

static inline void load_gdtr(struct table_register r) { __asm__ volatile("lgdt %0" : : "m"(r)); }
static inline void load_idtr(struct table_register r) { __asm__ volatile("lidt %0" : : "m"(r)); }
static inline void load_tr(u16 sel) { __asm__ volatile("ltr %0" : : "r"(sel)); }
static inline void load_ldtr(u16 sel) { __asm__ volatile("lldt %0" : : "r"(sel)); }

static inline u16 read_tr(void) {
    u16 v;
    __asm__ volatile("str %0" : "=r"(v));
    return v;
}

#define SEG_ACCESS(s)                                                                                                  \
    static inline u16 read_##s(void) {                                                                                 \
        u32 v;                                                                                                         \
        __asm__ volatile("mov %%" #s ", %0" : "=r"(v));                                                                \
        return (u16)v;                                                                                                 \
    }
SEG_ACCESS(cs)
SEG_ACCESS(ss)
SEG_ACCESS(ds)
SEG_ACCESS(es)
SEG_ACCESS(fs)
SEG_ACCESS(gs)
#undef SEG_ACCESS

#define SEG_LOAD(s)                                                                                                    \
    static inline void load_##s(u16 sel) { __asm__ volatile("mov %0, %%" #s : : "r"((u32)sel) : "memory"); }
SEG_LOAD(ss)
SEG_LOAD(ds)
SEG_LOAD(es)
SEG_LOAD(fs)
SEG_LOAD(gs)
#undef SEG_LOAD

#endif
