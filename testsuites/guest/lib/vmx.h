/* VMX: enabling it, a VMCS for a long-mode guest, running it, EPT. 64-bit images only. */
#ifndef GUEST_VMX_H
#define GUEST_VMX_H

#include "testsuites/guest/lib/vmcs.h"

/* Index into gpr[] of a guest, as instructions number registers. RSP lives in the VMCS or VMCB. */
enum { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI, GPR_R8 };

/* Result of a VMX instruction. SDM 3, "Conventions" of "VMX Instruction Reference". */
enum vmx_result { VMX_SUCCEED = 0, VMX_FAIL_INVALID = 1, VMX_FAIL_VALID = 2 };

bool vmx_supported(void);

/* Unlocks, sets the CR0 and CR4 bits VMX fixes, VMXON. True if it is on (also if it was). */
bool vmx_enable(void);
void vmx_disable(void);

enum vmx_result vmxon(u64 pa);
enum vmx_result vmxoff(void);
enum vmx_result vmclear(u64 pa);
enum vmx_result vmptrld(u64 pa);
u64 vmptrst(void);
enum vmx_result vmread(u64 field, u64 *v);
enum vmx_result vmwrite(u64 field, u64 v);
struct inv_descriptor {
    u64 value, address;
};
enum vmx_result invept(u64 type, struct inv_descriptor d);  /* value: EPTP */
enum vmx_result invvpid(u64 type, struct inv_descriptor d); /* value: VPID */

/* Of the current VMCS; for fields that must exist: bail out if the instruction fails. */
u64 vmcs_get(enum vmcs_field field);
void vmcs_set(enum vmcs_field field, u64 v);

/* A zeroed region with the processor's revision identifier. */
u64 vmx_region(void);

/* Controls as the capability MSRs allow them: wanted bits plus those that must be 1. The TRUE MSRs are used if there
 * are any. False if a wanted bit can't be 1. */
enum vmx_control { VMX_PIN, VMX_PROC, VMX_PROC2, VMX_EXIT, VMX_ENTRY };
bool vmx_control(enum vmx_control which, u32 wanted, u32 *value);

/* Whether the processor allows all these bits to be 1. */
bool vmx_allows(enum vmx_control which, u32 bits);

struct vmx_vm {
    u64 gpr[16];
    u64 host_rsp; /* as last written to the VMCS; used by vmx_enter.S */
    u64 launched;
    u64 vmcs; /* physical address of the region */
    u32 exit_reason;
};

struct vmx_config {
    void (*entry)(u64 arg); /* guest code; gets arg in RDI */
    u64 arg;
    u64 stack;                                  /* top; 0: a stack of its own is allocated */
    u64 eptp;                                   /* 0: no EPT */
    u16 vpid;                                   /* 0: none */
    u32 pin, proc, proc2, exit, entry_controls; /* beyond what is needed */
};

/*
 * Makes a VMCS and loads it. The guest is in 64-bit mode at CPL 0 and shares the host's CR3, GDT, IDT and TSS; whoever
 * wants it otherwise changes the fields. MSR accesses exit, port accesses and HLT don't unless asked for. False if the
 * processor lacks a control that was asked for.
 */
bool vmx_vm_init(struct vmx_vm *vm, const struct vmx_config *c);

/* Enters the guest by VMLAUNCH or VMRESUME; vm's VMCS must be current. VMX_SUCCEED: there was an exit (or a failed
 * entry with bit 31 of the exit reason); registers are in gpr, the reason in exit_reason. Otherwise the instruction
 * failed. */
enum vmx_result vmx_run(struct vmx_vm *vm);

/* VMCS_GUEST_RIP += VMCS_EXIT_INSTRUCTION_LENGTH */
void vmx_skip_instruction(void);

/* EPT. SDM 3, "The Extended Page Table Mechanism" */
#define EPT_R          BIT(0)
#define EPT_W          BIT(1)
#define EPT_X          BIT(2)
#define EPT_RWX        (EPT_R | EPT_W | EPT_X)
#define EPT_TYPE(t)    ((u64)(t) << 3)
#define EPT_UC         EPT_TYPE(0)
#define EPT_WB         EPT_TYPE(6)
#define EPT_IGNORE_PAT BIT(6)
#define EPT_LARGE      BIT(7)
#define EPT_A          BIT(8)
#define EPT_D          BIT(9)

bool ept_supported(void);   /* the control, 4 levels, WB, 2 MiB pages */
u64 ept_new(void);          /* an empty EPTP: 4 levels, write-back tables, no A and D */
u64 ept_new_identity(void); /* guest-physical 0..4 GiB one to one in 2 MiB pages, UC from 0xFE000000 */

/* The entry of gpa at the level (1: 4 KiB, 2: 2 MiB); tables on the way are made, large pages split. */
u64 *ept_entry(u64 eptp, u64 gpa, int level);

#endif
