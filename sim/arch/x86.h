/* Constants of the x86 architecture: control registers, flags, vectors, descriptors. No code.
 * Source: SDM 3 "System Architecture Overview", "Protected-Mode Memory Management", "Interrupt and Exception Handling".
 */
#ifndef HVSIM_ARCH_X86_H
#define HVSIM_ARCH_X86_H

#include <stdint.h>

/* RFLAGS */
#define FLAG_CF    (1u << 0)
#define FLAG_FIXED (1u << 1) /* always 1 */
#define FLAG_PF    (1u << 2)
#define FLAG_AF    (1u << 4)
#define FLAG_ZF    (1u << 6)
#define FLAG_SF    (1u << 7)
#define FLAG_TF    (1u << 8)
#define FLAG_IF    (1u << 9)
#define FLAG_DF    (1u << 10)
#define FLAG_OF    (1u << 11)
#define FLAG_IOPL  (3u << 12)
#define FLAG_NT    (1u << 14)
#define FLAG_RF    (1u << 16)
#define FLAG_VM    (1u << 17)
#define FLAG_AC    (1u << 18)
#define FLAG_VIF   (1u << 19)
#define FLAG_VIP   (1u << 20)
#define FLAG_ID    (1u << 21)
/* CF PF AF ZF SF OF: the lazily computed flags */
#define FLAG_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)
/* every flag that exists */
#define FLAG_ALL                                                                                                       \
    (FLAG_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC | FLAG_VIF |         \
     FLAG_VIP | FLAG_ID)

/* CR0 */
#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)

/* CR4 */
#define CR4_VME        (1u << 0)
#define CR4_PVI        (1u << 1)
#define CR4_TSD        (1u << 2)
#define CR4_DE         (1u << 3)
#define CR4_PSE        (1u << 4)
#define CR4_PAE        (1u << 5)
#define CR4_MCE        (1u << 6)
#define CR4_PGE        (1u << 7)
#define CR4_PCE        (1u << 8)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP       (1u << 11)
#define CR4_LA57       (1u << 12)
#define CR4_VMXE       (1u << 13)
#define CR4_SMXE       (1u << 14)
#define CR4_FSGSBASE   (1u << 16)
#define CR4_PCIDE      (1u << 17)
#define CR4_OSXSAVE    (1u << 18)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)
#define CR4_PKE        (1u << 22)
#define CR4_CET        (1u << 23)
#define CR4_PKS        (1u << 24)

/* IA32_EFER / EFER */
#define EFER_SCE    (1u << 0)
#define EFER_LME    (1u << 8)
#define EFER_LMA    (1u << 10)
#define EFER_NXE    (1u << 11)
#define EFER_SVME   (1u << 12)
#define EFER_LMSLE  (1u << 13)
#define EFER_FFXSR  (1u << 14)
#define EFER_TCE    (1u << 15)
#define EFER_AIBRSE (1u << 21) /* automatic IBRS */

/* Exception vectors: SDM 3 "Protected-Mode Exceptions and Interrupts" */
enum vector {
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
};

/* Page-fault error code */
#define PF_P    (1u << 0)
#define PF_W    (1u << 1)
#define PF_U    (1u << 2)
#define PF_RSVD (1u << 3)
#define PF_I    (1u << 4)
#define PF_PK   (1u << 5)
#define PF_SS   (1u << 6)

/* Selector-style error code bits */
#define ERR_EXT (1u << 0)
#define ERR_IDT (1u << 1)
#define ERR_TI  (1u << 2)

/* Error codes of #CP: SDM 3 "Interrupt 21-Control Protection Exception (#CP)" */
enum cp_error {
    CP_NEAR_RET = 1,
    CP_FAR_RET = 2, /* and IRET */
    CP_ENDBRANCH = 3,
    CP_RSTORSSP = 4,
    CP_SETSSBSY = 5,
};

/* DR6, DR7 */
#define DR6_BS     (1u << 14)
#define DR6_BT     (1u << 15)
#define DR6_BD     (1u << 13)
#define DR6_RTM    (1u << 16)
#define DR6_INIT   0xFFFF0FF0u
#define DR7_GD     (1u << 13)
#define DR7_GE     (1u << 9)
#define DR7_LE     (1u << 8)
#define DR7_FIXED  (1u << 10)
#define DR7_ENABLE 0xFFu /* L0-L3, G0-G3 */

/* Segment register numbers as in ModRM.reg; then the two system segments */
enum seg_id { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* Access rights, in the format of the VMCS (SDM 3 "Guest Register State"): descriptor bits 40-55 with bits 8-11 zero,
 * and bit 16 "unusable". */
#define AR_TYPE      0x0Fu
#define AR_ACCESSED  (1u << 0)
#define AR_RW        (1u << 1) /* writable data, readable code */
#define AR_EXPDOWN   (1u << 2) /* expand-down data, conforming code */
#define AR_CONFORM   (1u << 2)
#define AR_CODE      (1u << 3)
#define AR_S         (1u << 4) /* code or data, not system */
#define AR_DPL_SHIFT 5
#define AR_DPL       (3u << AR_DPL_SHIFT)
#define AR_P         (1u << 7)
#define AR_AVL       (1u << 12)
#define AR_L         (1u << 13)
#define AR_DB        (1u << 14)
#define AR_G         (1u << 15)
#define AR_UNUSABLE  (1u << 16)

/* System descriptor types */
enum sysdesc {
    DESC_TSS16_AVAIL = 1,
    DESC_LDT = 2,
    DESC_TSS16_BUSY = 3,
    DESC_CALL16 = 4,
    DESC_TASK_GATE = 5,
    DESC_INT16 = 6,
    DESC_TRAP16 = 7,
    DESC_TSS_AVAIL = 9,
    DESC_TSS_BUSY = 11,
    DESC_CALL = 12,
    DESC_INT = 14,
    DESC_TRAP = 15,
};

/* GPR numbers as in ModRM */
enum gpr_id { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define PAGE_SIZE 4096u
#define PAGE_MASK (~(uint64_t)0xFFF)

#endif
