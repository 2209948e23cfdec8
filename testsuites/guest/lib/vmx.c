/* VMX instructions, enabling, and the VMCS of a long-mode guest. */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/vmx.h"

#define FEATURE_CTRL_LOCK BIT(0)
#define FEATURE_CTRL_VMX  BIT(2)
#define ACCESS_CODE64     0xA09B
#define ACCESS_DATA       0xC093
#define ACCESS_TSS_BUSY   0x008B
#define ACCESS_UNUSABLE   0x10000

static u64 vmxon_region;

int vmx_enter(struct vmx_vm *vm);
extern const u8 vmx_exit_point[];

/* CF: VMfailInvalid, ZF: VMfailValid */
#define VMX_INSTRUCTION(text, ...)                                                                                     \
    bool invalid, valid;                                                                                               \
    __asm__ volatile(text : "=@ccc"(invalid), "=@ccz"(valid) : __VA_ARGS__ : "memory");                                \
    return invalid ? VMX_FAIL_INVALID : valid ? VMX_FAIL_VALID : VMX_SUCCEED

enum vmx_result vmxon(u64 pa) { VMX_INSTRUCTION("vmxon %2", "m"(pa)); }
enum vmx_result vmclear(u64 pa) { VMX_INSTRUCTION("vmclear %2", "m"(pa)); }
enum vmx_result vmptrld(u64 pa) { VMX_INSTRUCTION("vmptrld %2", "m"(pa)); }
enum vmx_result vmwrite(u64 field, u64 v) { VMX_INSTRUCTION("vmwrite %3, %2", "r"(field), "rm"(v)); }
enum vmx_result invept(u64 type, struct inv_descriptor d) { VMX_INSTRUCTION("invept %3, %2", "r"(type), "m"(d)); }
enum vmx_result invvpid(u64 type, struct inv_descriptor d) { VMX_INSTRUCTION("invvpid %3, %2", "r"(type), "m"(d)); }

enum vmx_result vmxoff(void) {
    bool invalid, valid;
    __asm__ volatile("vmxoff" : "=@ccc"(invalid), "=@ccz"(valid) : : "memory");
    return invalid ? VMX_FAIL_INVALID : valid ? VMX_FAIL_VALID : VMX_SUCCEED;
}

u64 vmptrst(void) {
    u64 pa;
    __asm__ volatile("vmptrst %0" : "=m"(pa) : : "memory", "cc");
    return pa;
}

enum vmx_result vmread(u64 field, u64 *v) {
    bool invalid, valid;
    u64 got = 0;
    __asm__ volatile("vmread %3, %0" : "+r"(got), "=@ccc"(invalid), "=@ccz"(valid) : "r"(field) : "memory");
    *v = got;
    return invalid ? VMX_FAIL_INVALID : valid ? VMX_FAIL_VALID : VMX_SUCCEED;
}

u64 vmcs_get(enum vmcs_field field) {
    u64 v;
    if (vmread(field, &v) != VMX_SUCCEED) bail_out("VMREAD of field %#x failed", field);
    return v;
}

void vmcs_set(enum vmcs_field field, u64 v) {
    if (vmwrite(field, v) != VMX_SUCCEED) bail_out("VMWRITE of field %#x failed", field);
}

u64 vmx_region(void) {
    u32 *region = page_alloc(); /* SDM 3, "Basic VMX Information": at most 4096 bytes */
    region[0] = (u32)rdmsr(MSR_VMX_BASIC) & 0x7FFFFFFF;
    return (uptr)region;
}

bool vmx_supported(void) { return cpuid(1, 0).ecx & BIT(5); }

bool vmx_enable(void) {
    if (vmxon_region) return true;
    if (!vmx_supported()) return false;
    u64 feature = rdmsr(MSR_FEATURE_CTRL);
    if (!(feature & FEATURE_CTRL_LOCK)) {
        feature |= FEATURE_CTRL_LOCK | FEATURE_CTRL_VMX;
        wrmsr(MSR_FEATURE_CTRL, feature);
    }
    if (!(feature & FEATURE_CTRL_VMX)) return false;
    write_cr0((read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0)) & rdmsr(MSR_VMX_CR0_FIXED1));
    write_cr4((read_cr4() | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0)) & rdmsr(MSR_VMX_CR4_FIXED1));
    u64 region = vmx_region();
    if (vmxon(region) != VMX_SUCCEED) return false;
    vmxon_region = region;
    return true;
}

void vmx_disable(void) {
    if (!vmxon_region) return;
    vmxoff();
    write_cr4(read_cr4() & ~CR4_VMXE);
    vmxon_region = 0;
}

/* Bits 31:0 of a capability MSR must be 1, bits that are 0 in 63:32 must be 0. */
static u64 capability(enum vmx_control which) {
    static const u16 msr[][2] = {
        [VMX_PIN] = {MSR_VMX_PIN,   MSR_VMX_TRUE_PIN  },
        [VMX_PROC] = {MSR_VMX_PROC,  MSR_VMX_TRUE_PROC },
        [VMX_PROC2] = {MSR_VMX_PROC2, MSR_VMX_PROC2     },
        [VMX_EXIT] = {MSR_VMX_EXIT,  MSR_VMX_TRUE_EXIT },
        [VMX_ENTRY] = {MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY}
    };
    if (which == VMX_PROC2 && !(rdmsr(MSR_VMX_PROC) >> 32 & PROC_SECONDARY_CONTROLS)) return 0;
    return rdmsr(msr[which][rdmsr(MSR_VMX_BASIC) >> 55 & 1]);
}

bool vmx_control(enum vmx_control which, u32 wanted, u32 *value) {
    u64 cap = capability(which);
    *value = wanted | (u32)cap;
    return !(*value & ~(u32)(cap >> 32));
}

bool vmx_allows(enum vmx_control which, u32 bits) { return !(bits & ~(u32)(capability(which) >> 32)); }

static bool set_controls(const struct vmx_config *c) {
    u32 pin, proc, proc2, exit, entry;
    u32 want2 = c->proc2 | (c->eptp ? PROC2_ENABLE_EPT : 0) | (c->vpid ? PROC2_ENABLE_VPID : 0);
    if (!vmx_control(VMX_PIN, c->pin, &pin) ||
        !vmx_control(VMX_PROC, c->proc | (want2 ? (u32)PROC_SECONDARY_CONTROLS : 0), &proc) ||
        !vmx_control(VMX_EXIT, c->exit | EXIT_HOST_ADDRESS_SPACE_SIZE, &exit) ||
        !vmx_control(VMX_ENTRY, c->entry_controls | ENTRY_IA32E_MODE_GUEST, &entry))
        return false;
    vmcs_set(VMCS_PIN_CONTROLS, pin);
    vmcs_set(VMCS_PROC_CONTROLS, proc);
    vmcs_set(VMCS_EXIT_CONTROLS, exit);
    vmcs_set(VMCS_ENTRY_CONTROLS, entry);
    if (proc & PROC_SECONDARY_CONTROLS) {
        if (!vmx_control(VMX_PROC2, want2, &proc2)) return false;
        vmcs_set(VMCS_PROC2_CONTROLS, proc2);
        if (c->eptp) vmcs_set(VMCS_EPTP, c->eptp);
        if (c->vpid) vmcs_set(VMCS_VPID, c->vpid);
    }
    static const u16 zero[] = {VMCS_EXCEPTION_BITMAP,
                               VMCS_PF_ERROR_CODE_MASK,
                               VMCS_PF_ERROR_CODE_MATCH,
                               VMCS_CR3_TARGET_COUNT,
                               VMCS_EXIT_MSR_STORE_COUNT,
                               VMCS_EXIT_MSR_LOAD_COUNT,
                               VMCS_ENTRY_MSR_LOAD_COUNT,
                               VMCS_ENTRY_INTERRUPTION_INFO,
                               VMCS_CR0_MASK,
                               VMCS_CR4_MASK};
    for (u32 i = 0; i < ARRAY_SIZE(zero); i++) vmcs_set(zero[i], 0);
    vmcs_set(VMCS_CR0_SHADOW, read_cr0());
    vmcs_set(VMCS_CR4_SHADOW, read_cr4());
    return true;
}

static void set_host(void) {
    static const u16 selector[][2] = {
        {VMCS_HOST_ES_SELECTOR, SEL_DATA  },
        {VMCS_HOST_CS_SELECTOR, SEL_CODE64},
        {VMCS_HOST_SS_SELECTOR, SEL_DATA  },
        {VMCS_HOST_DS_SELECTOR, SEL_DATA  },
        {VMCS_HOST_FS_SELECTOR, 0         },
        {VMCS_HOST_GS_SELECTOR, 0         },
        {VMCS_HOST_TR_SELECTOR, SEL_TSS   }
    };
    for (u32 i = 0; i < ARRAY_SIZE(selector); i++) vmcs_set(selector[i][0], selector[i][1]);
    vmcs_set(VMCS_HOST_CR0, read_cr0());
    vmcs_set(VMCS_HOST_CR3, read_cr3());
    vmcs_set(VMCS_HOST_CR4, read_cr4());
    vmcs_set(VMCS_HOST_FS_BASE, rdmsr(MSR_FS_BASE));
    vmcs_set(VMCS_HOST_GS_BASE, rdmsr(MSR_GS_BASE));
    vmcs_set(VMCS_HOST_TR_BASE, (uptr)&guest_tss);
    vmcs_set(VMCS_HOST_GDTR_BASE, read_gdtr().base);
    vmcs_set(VMCS_HOST_IDTR_BASE, read_idtr().base);
    vmcs_set(VMCS_HOST_SYSENTER_CS, rdmsr(MSR_SYSENTER_CS));
    vmcs_set(VMCS_HOST_SYSENTER_ESP, rdmsr(MSR_SYSENTER_ESP));
    vmcs_set(VMCS_HOST_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
    if (vmcs_get(VMCS_EXIT_CONTROLS) & EXIT_LOAD_EFER) vmcs_set(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    if (vmcs_get(VMCS_EXIT_CONTROLS) & EXIT_LOAD_PAT) vmcs_set(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmcs_set(VMCS_HOST_RIP, (uptr)vmx_exit_point);
}

static void set_guest_segments(void) {
    /* in the order of the fields: ES CS SS DS FS GS LDTR TR, encodings two apart */
    static const struct {
        u32 sel, limit, access;
    } segment[] = {
        {SEL_DATA,   ~0u,                  ACCESS_DATA    },
        {SEL_CODE64, ~0u,                  ACCESS_CODE64  },
        {SEL_DATA,   ~0u,                  ACCESS_DATA    },
        {SEL_DATA,   ~0u,                  ACCESS_DATA    },
        {0,          0,                    ACCESS_UNUSABLE},
        {0,          0,                    ACCESS_UNUSABLE},
        {0,          0,                    ACCESS_UNUSABLE},
        {SEL_TSS,    sizeof guest_tss - 1, ACCESS_TSS_BUSY}
    };
    for (u32 i = 0; i < ARRAY_SIZE(segment); i++) {
        vmcs_set(VMCS_GUEST_ES_SELECTOR + 2 * i, segment[i].sel);
        vmcs_set(VMCS_GUEST_ES_LIMIT + 2 * i, segment[i].limit);
        vmcs_set(VMCS_GUEST_ES_ACCESS + 2 * i, segment[i].access);
        vmcs_set(VMCS_GUEST_ES_BASE + 2 * i, 0);
    }
    vmcs_set(VMCS_GUEST_FS_BASE, rdmsr(MSR_FS_BASE));
    vmcs_set(VMCS_GUEST_GS_BASE, rdmsr(MSR_GS_BASE));
    vmcs_set(VMCS_GUEST_TR_BASE, (uptr)&guest_tss);
    vmcs_set(VMCS_GUEST_GDTR_BASE, read_gdtr().base);
    vmcs_set(VMCS_GUEST_GDTR_LIMIT, read_gdtr().limit);
    vmcs_set(VMCS_GUEST_IDTR_BASE, read_idtr().base);
    vmcs_set(VMCS_GUEST_IDTR_LIMIT, read_idtr().limit);
}

static void set_guest(const struct vmx_config *c) {
    u64 stack = c->stack ? c->stack : (uptr)pages_alloc(4, 1) + 4 * PAGE_SIZE;
    set_guest_segments();
    vmcs_set(VMCS_GUEST_CR0, read_cr0());
    vmcs_set(VMCS_GUEST_CR3, read_cr3());
    vmcs_set(VMCS_GUEST_CR4, read_cr4());
    vmcs_set(VMCS_GUEST_DR7, 0x400);
    vmcs_set(VMCS_GUEST_RSP, stack - 8); /* as after a CALL; the entry function never returns */
    vmcs_set(VMCS_GUEST_RIP, (uptr)c->entry);
    vmcs_set(VMCS_GUEST_RFLAGS, 2);
    vmcs_set(VMCS_GUEST_SYSENTER_CS, rdmsr(MSR_SYSENTER_CS));
    vmcs_set(VMCS_GUEST_SYSENTER_ESP, rdmsr(MSR_SYSENTER_ESP));
    vmcs_set(VMCS_GUEST_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
    vmcs_set(VMCS_GUEST_DEBUGCTL, 0);
    vmcs_set(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_set(VMCS_GUEST_ACTIVITY, 0);
    vmcs_set(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_set(VMCS_LINK_POINTER, ~0ULL);
    u64 entry = vmcs_get(VMCS_ENTRY_CONTROLS);
    if (entry & ENTRY_LOAD_EFER) vmcs_set(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
    if (entry & ENTRY_LOAD_PAT) vmcs_set(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
}

bool vmx_vm_init(struct vmx_vm *vm, const struct vmx_config *c) {
    *vm = (struct vmx_vm){.vmcs = vmx_region()};
    vm->gpr[GPR_RDI] = c->arg;
    if (vmclear(vm->vmcs) != VMX_SUCCEED || vmptrld(vm->vmcs) != VMX_SUCCEED) return false;
    if (!set_controls(c)) return false;
    set_host();
    set_guest(c);
    return true;
}

enum vmx_result vmx_run(struct vmx_vm *vm) {
    enum vmx_result r = (enum vmx_result)vmx_enter(vm);
    if (r != VMX_SUCCEED) return r;
    vm->exit_reason = (u32)vmcs_get(VMCS_EXIT_REASON);
    /* SDM 3, "VM-Entry Failures During or After Loading Guest State": the launch state stays as it was */
    if (!(vm->exit_reason & VMX_EXIT_ENTRY_FAILURE)) vm->launched = 1;
    return VMX_SUCCEED;
}

void vmx_skip_instruction(void) {
    vmcs_set(VMCS_GUEST_RIP, vmcs_get(VMCS_GUEST_RIP) + vmcs_get(VMCS_EXIT_INSTRUCTION_LENGTH));
}
