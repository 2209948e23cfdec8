/* INVEPT, INVVPID, VMFUNC. SDM 3, "VMX Instruction Reference"; "VM Functions" */
#include <inttypes.h>

#include "vmx/vmx.h"

enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
enum invvpid_type { INVVPID_ADDRESS, INVVPID_SINGLE, INVVPID_ALL, INVVPID_SINGLE_NO_GLOBAL };

struct descriptor {
    uint64_t low, high;
};

static struct descriptor read_descriptor(struct cpu *cpu, const struct insn *i) {
    uint64_t la = ea_linear(cpu, i, 16, MEM_READ);
    struct descriptor d = {.low = mem_read64(cpu, i, la)};
    d.high = mem_read64(cpu, i, la + 8);
    return d;
}

static uint64_t type_operand(const struct cpu *cpu, const struct insn *i) {
    uint64_t type = cpu->gpr[i->reg / 8u];
    return cpu_is_64(cpu) ? type : (uint32_t)type;
}

void insn_invept(struct cpu *cpu, const struct insn *i) {
    const struct vmx *v = vmx_of(cpu);
    uint64_t type = type_operand(cpu, i);
    bool known = (type == INVEPT_SINGLE && (v->caps.ept_vpid & VMX_EPT_INVEPT_SINGLE)) ||
                 (type == INVEPT_ALL && (v->caps.ept_vpid & VMX_EPT_INVEPT_ALL));
    if (!known) {
        vmx_fail(cpu, VMX_ERR_INVALIDATE_OPERAND, "the type is %#" PRIx64 ", expected 1 or 2 (IA32_VMX_EPT_VPID_CAP)",
                 type);
        return;
    }
    struct descriptor d = read_descriptor(cpu, i);
    if (d.high != 0 || (type == INVEPT_SINGLE && !vmx_eptp_valid(&v->caps, d.low))) {
        vmx_fail(cpu, VMX_ERR_INVALIDATE_OPERAND,
                 "type %" PRIu64 ", descriptor EPTP %#" PRIx64 " and upper half %#" PRIx64
                 ", expected an EPTP that VM entry would take, and 0",
                 type, d.low, d.high);
        return;
    }
    tlb_flush_second_stage(cpu, type == INVEPT_ALL ? ~0ull : d.low);
    vmx_succeed(cpu);
}

/* The rules on the descriptor of each type. */
static bool invvpid_ok(const struct vmx *v, uint64_t type, const struct descriptor *d) {
    uint64_t vpid = d->low & 0xFFFF;
    if (type > INVVPID_SINGLE_NO_GLOBAL || !(v->caps.ept_vpid & (VMX_VPID_INDIVIDUAL << type)) || d->low >> 16)
        return false;
    if (type != INVVPID_ALL && vpid == 0) return false;
    return type != INVVPID_ADDRESS || canonical_for(d->high, v->caps.lin_bits);
}

void insn_invvpid(struct cpu *cpu, const struct insn *i) {
    const struct vmx *v = vmx_of(cpu);
    uint64_t type = type_operand(cpu, i);
    struct descriptor d = {0};
    if (type > INVVPID_SINGLE_NO_GLOBAL) {
        vmx_fail(cpu, VMX_ERR_INVALIDATE_OPERAND, "the type is %#" PRIx64 ", expected 0 to 3 (IA32_VMX_EPT_VPID_CAP)",
                 type);
        return;
    }
    d = read_descriptor(cpu, i);
    if (!invvpid_ok(v, type, &d)) {
        vmx_fail(
            cpu, VMX_ERR_INVALIDATE_OPERAND,
            "type %" PRIu64 ", VPID %#" PRIx64 ", linear address %#" PRIx64
            ", expected type 0 to 3 (IA32_VMX_EPT_VPID_CAP), VPID 1 to FFFFH (type 2: any), for type 0 a canonical "
            "address",
            type, d.low, d.high);
        return;
    }
    if (type == INVVPID_ADDRESS)
        tlb_flush_page_tag(cpu, true, (unsigned)d.low, -1, d.high);
    else if (type == INVVPID_ALL)
        tlb_flush_all(cpu);
    else
        tlb_flush_tag(cpu, true, (unsigned)d.low, -1);
    vmx_succeed(cpu);
}

/* SDM 3, "EPTP Switching": VM function 0 */
static void eptp_switching(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    uint64_t *f = vmcs_data(cpu);
    uint32_t entry = (uint32_t)cpu->gpr[RCX];
    uint64_t eptp = 0;
    if (entry < VMX_EPTP_LIST_ENTRIES) eptp = phys_read(cpu, f[F_EPTP_LIST_ADDR] + 8 * entry, 8);
    if (entry >= VMX_EPTP_LIST_ENTRIES || !vmx_eptp_valid(&v->caps, eptp)) vmx_exit_insn(cpu, VMX_REASON_VMFUNC, 0);
    if (eptp == f[F_EPTP]) return;
    vmcs_write(v, v->current, F_EPTP, eptp);
    cpu->virt.second_stage.root = eptp;
    cpu_update_mode(cpu);
}

void insn_vmfunc(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    uint32_t function = (uint32_t)cpu->gpr[RAX];
    (void)i;
    if (!cpu->virt.guest || !vmx_proc2(v, VMX_PROC2_ENABLE_VM_FUNCTIONS) || function >= 64) cpu_ud(cpu);
    if (!(vmcs_data(cpu)[F_VM_FUNCTION_CONTROLS] >> function & 1)) vmx_exit_insn(cpu, VMX_REASON_VMFUNC, 0);
    eptp_switching(cpu);
}
