/* Constants of Intel VMX by their SDM names. No code.
 * Source: SDM 3 chapters on VMX; appendices "VMX Capability Reporting Facility", "Field Encoding in VMCS", "VMX Basic
 * Exit Reasons". */
#ifndef HVSIM_ARCH_VMX_H
#define HVSIM_ARCH_VMX_H

#include <stdint.h>

/* The five control fields and their bits: VMX_PIN_NMI_EXITING, VMX_PROC_HLT_EXITING, VMX_PROC2_ENABLE_EPT, ... */
enum vmx_group { VMX_NONE, VMX_PIN, VMX_PROC, VMX_PROC2, VMX_EXIT, VMX_ENTRY, VMX_GROUPS };
enum vmx_control {
#define CONTROL(group, bit, id, ...) VMX_##group##_##id = (int)(1u << (bit)),
#include "sim/arch/vmx_controls.def"
#undef CONTROL
};

/* SDM 3, appendix "Reserved Controls and Default Settings": bits that the first capability MSRs report as must-be-1.
 * The TRUE MSRs free those that vmx_controls.def marks default1. */
#define VMX_DEFAULT1_PIN   0x00000016u
#define VMX_DEFAULT1_PROC  0x0401E172u
#define VMX_DEFAULT1_EXIT  0x00036DFFu
#define VMX_DEFAULT1_ENTRY 0x000011FFu

/* Field encodings: VMCS_GUEST_CR0, ... */
enum vmcs_encoding {
#define FIELD(id, encoding, ...) VMCS_##id = (encoding),
#include "sim/arch/vmcs_fields.def"
#undef FIELD
};
/* SDM 3, "VMREAD and VMWRITE Instructions": layout of an encoding */
#define VMCS_ENC_HIGH     1u
#define VMCS_ENC_INDEX(e) (((e) >> 1) & 0x1FF)
#define VMCS_ENC_TYPE(e)  (((e) >> 10) & 3)
#define VMCS_ENC_WIDTH(e) (((e) >> 13) & 3)
#define VMCS_ENC_RESERVED (~0x6FFFull)
enum vmcs_width { VMCS_WIDTH_16, VMCS_WIDTH_64, VMCS_WIDTH_32, VMCS_WIDTH_NATURAL };
enum vmcs_kind { VMCS_KIND_CONTROL, VMCS_KIND_INFO, VMCS_KIND_GUEST, VMCS_KIND_HOST };

enum vmx_exit_reason {
#define EXIT_REASON(number, id, name) VMX_REASON_##id = (number),
#include "sim/arch/vmx_exits.def"
#undef EXIT_REASON
    VMX_REASON_COUNT = 80
};
#define VMX_REASON_ENTRY_FAILURE (1u << 31)

/* SDM 3, "VM Instruction Error Numbers" */
enum vmx_error {
    VMX_ERR_VMCALL_IN_ROOT = 1,
    VMX_ERR_VMCLEAR_ADDRESS = 2,
    VMX_ERR_VMCLEAR_VMXON_POINTER = 3,
    VMX_ERR_VMLAUNCH_NOT_CLEAR = 4,
    VMX_ERR_VMRESUME_NOT_LAUNCHED = 5,
    VMX_ERR_VMRESUME_AFTER_VMXOFF = 6,
    VMX_ERR_ENTRY_CONTROLS = 7,
    VMX_ERR_ENTRY_HOST_STATE = 8,
    VMX_ERR_VMPTRLD_ADDRESS = 9,
    VMX_ERR_VMPTRLD_VMXON_POINTER = 10,
    VMX_ERR_VMPTRLD_REVISION = 11,
    VMX_ERR_UNSUPPORTED_FIELD = 12,
    VMX_ERR_READ_ONLY_FIELD = 13,
    VMX_ERR_VMXON_IN_ROOT = 15,
    VMX_ERR_ENTRY_MOV_SS = 26,
    VMX_ERR_INVALIDATE_OPERAND = 28,
};

/* SDM 3, "VMX Aborts": the VMX-abort indicator */
enum vmx_abort {
    VMX_ABORT_SAVE_MSR = 1,
    VMX_ABORT_HOST_PDPTE = 2,
    VMX_ABORT_VMCS_CORRUPTED = 3,
    VMX_ABORT_LOAD_MSR = 4,
    VMX_ABORT_MACHINE_CHECK = 5,
    VMX_ABORT_HOST_ADDRESS_SPACE = 6,
};

/* SDM 3, "VM-Entry Failures During or After Loading Guest State": exit qualification */
enum vmx_entry_failure { VMX_FAIL_OTHER = 0, VMX_FAIL_PDPTE = 2, VMX_FAIL_NMI_STI = 3, VMX_FAIL_LINK_POINTER = 4 };

/* Interruption information, all four fields of that format */
#define VMX_INFO_VECTOR      0xFFu
#define VMX_INFO_TYPE_SHIFT  8
#define VMX_INFO_TYPE        (7u << 8)
#define VMX_INFO_ERROR_CODE  (1u << 11)
#define VMX_INFO_NMI_UNBLOCK (1u << 12)
#define VMX_INFO_VALID       (1u << 31)

/* SDM 3, "Guest Non-Register State": interruptibility state, activity state, pending debug exceptions */
#define VMX_BLOCK_STI     (1u << 0)
#define VMX_BLOCK_MOV_SS  (1u << 1)
#define VMX_BLOCK_SMI     (1u << 2)
#define VMX_BLOCK_NMI     (1u << 3)
#define VMX_BLOCK_ENCLAVE (1u << 4)
enum vmx_activity { VMX_ACTIVE, VMX_HLT, VMX_SHUTDOWN, VMX_WAIT_SIPI };
#define VMX_PENDING_BP      0xFu
#define VMX_PENDING_ENABLED (1u << 12)
#define VMX_PENDING_BS      (1u << 14)
#define VMX_PENDING_RTM     (1u << 16)

/* Exit qualification of control-register accesses */
enum vmx_cr_access { VMX_CR_TO, VMX_CR_FROM, VMX_CR_CLTS, VMX_CR_LMSW };

/* EPTP: SDM 3, "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_MEMTYPE    7u
#define EPTP_WALK_SHIFT 3
#define EPTP_AD         (1u << 6)
#define EPTP_SHADOW     (1u << 7)

/* MSRs: SDM 4, and appendix "VMX Capability Reporting Facility" */
enum vmx_msr {
    VMX_MSR_FEATURE_CONTROL = 0x3A,
    VMX_MSR_BASIC = 0x480,
    VMX_MSR_PINBASED,
    VMX_MSR_PROCBASED,
    VMX_MSR_EXIT,
    VMX_MSR_ENTRY,
    VMX_MSR_MISC,
    VMX_MSR_CR0_FIXED0,
    VMX_MSR_CR0_FIXED1,
    VMX_MSR_CR4_FIXED0,
    VMX_MSR_CR4_FIXED1,
    VMX_MSR_VMCS_ENUM,
    VMX_MSR_PROCBASED2,
    VMX_MSR_EPT_VPID_CAP,
    VMX_MSR_TRUE_PINBASED,
    VMX_MSR_TRUE_PROCBASED,
    VMX_MSR_TRUE_EXIT,
    VMX_MSR_TRUE_ENTRY,
    VMX_MSR_VMFUNC,
};
#define FEATURE_CONTROL_LOCK        (1u << 0)
#define FEATURE_CONTROL_VMX_IN_SMX  (1u << 1)
#define FEATURE_CONTROL_VMX_OUTSIDE (1u << 2)
#define FEATURE_CONTROL_LMCE        (1u << 20)

/* IA32_VMX_BASIC */
#define VMX_BASIC_REGION_SIZE_SHIFT 32
#define VMX_BASIC_MEMTYPE_SHIFT     50
#define VMX_BASIC_INS_OUTS          (1ull << 54)
#define VMX_BASIC_TRUE_CTLS         (1ull << 55)
#define VMX_BASIC_HW_EXC_NO_ERROR                                                                                      \
    (1ull << 56) /* hardware exceptions may be injected without regard to the error-code rule */
/* IA32_VMX_MISC */
#define VMX_MISC_TIMER_RATE       0x1Full
#define VMX_MISC_SAVE_LMA         (1ull << 5)
#define VMX_MISC_ACT_HLT          (1ull << 6)
#define VMX_MISC_ACT_SHUTDOWN     (1ull << 7)
#define VMX_MISC_ACT_WAIT_SIPI    (1ull << 8)
#define VMX_MISC_CR3_TARGETS(m)   (((m) >> 16) & 0x1FF)
#define VMX_MISC_MAX_MSRS(m)      (512u * (unsigned)((((m) >> 25) & 7) + 1))
#define VMX_MISC_WRITE_ANY_FIELD  (1ull << 29)
#define VMX_MISC_INJECT_LENGTH_0  (1ull << 30)
/* IA32_VMX_EPT_VPID_CAP */
#define VMX_EPT_EXEC_ONLY         (1ull << 0)
#define VMX_EPT_WALK_4            (1ull << 6)
#define VMX_EPT_WALK_5            (1ull << 7)
#define VMX_EPT_UC                (1ull << 8)
#define VMX_EPT_WB                (1ull << 14)
#define VMX_EPT_2M                (1ull << 16)
#define VMX_EPT_1G                (1ull << 17)
#define VMX_EPT_INVEPT            (1ull << 20)
#define VMX_EPT_AD                (1ull << 21)
#define VMX_EPT_VIOLATION_INFO    (1ull << 22)
#define VMX_EPT_INVEPT_SINGLE     (1ull << 25)
#define VMX_EPT_INVEPT_ALL        (1ull << 26)
#define VMX_VPID_INVVPID          (1ull << 32)
#define VMX_VPID_INDIVIDUAL       (1ull << 40)
#define VMX_VPID_SINGLE           (1ull << 41)
#define VMX_VPID_ALL              (1ull << 42)
#define VMX_VPID_SINGLE_NO_GLOBAL (1ull << 43)
/* VM functions */
#define VMX_VMFUNC_EPTP_SWITCHING 1u
#define VMX_EPTP_LIST_ENTRIES     512u

#endif
