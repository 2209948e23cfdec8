/* Results of the VMX instructions, and what people see of those that fail. SDM 3, "Conventions" of "VMX Instruction
 * Reference" */
#include <inttypes.h>
#include <stdarg.h>

#include "decoder/decoder.h"
#include "sim/core/trace.h"
#include "vmx/vmx.h"

/* SDM 3, table "VM-Instruction Error Numbers" */
const char *vmx_error_text(unsigned error) {
    static const char *const texts[] = {
        [VMX_ERR_VMCALL_IN_ROOT] = "VMCALL executed in VMX root operation",
        [VMX_ERR_VMCLEAR_ADDRESS] = "VMCLEAR with invalid physical address",
        [VMX_ERR_VMCLEAR_VMXON_POINTER] = "VMCLEAR with VMXON pointer",
        [VMX_ERR_VMLAUNCH_NOT_CLEAR] = "VMLAUNCH with non-clear VMCS",
        [VMX_ERR_VMRESUME_NOT_LAUNCHED] = "VMRESUME with non-launched VMCS",
        [VMX_ERR_VMRESUME_AFTER_VMXOFF] = "VMRESUME after VMXOFF",
        [VMX_ERR_ENTRY_CONTROLS] = "VM entry with invalid control field(s)",
        [VMX_ERR_ENTRY_HOST_STATE] = "VM entry with invalid host-state field(s)",
        [VMX_ERR_VMPTRLD_ADDRESS] = "VMPTRLD with invalid physical address",
        [VMX_ERR_VMPTRLD_VMXON_POINTER] = "VMPTRLD with VMXON pointer",
        [VMX_ERR_VMPTRLD_REVISION] = "VMPTRLD with incorrect VMCS revision identifier",
        [VMX_ERR_UNSUPPORTED_FIELD] = "VMREAD/VMWRITE from/to unsupported VMCS component",
        [VMX_ERR_READ_ONLY_FIELD] = "VMWRITE to read-only VMCS component",
        [VMX_ERR_VMXON_IN_ROOT] = "VMXON executed in VMX root operation",
        [VMX_ERR_ENTRY_MOV_SS] = "VM entry with events blocked by MOV SS",
        [VMX_ERR_INVALIDATE_OPERAND] = "invalid operand to INVEPT/INVVPID",
    };
    return error < sizeof texts / sizeof texts[0] && texts[error] ? texts[error] : "reserved";
}

static void print_failure(const struct cpu *cpu, FILE *out, unsigned error, const char *fmt, va_list ap) {
    fprintf(out, "hvsim: %s failed at RIP %#" PRIx64 ": ", insn_name((enum insn_id)cpu->cur->id),
            cpu_insn_rip(cpu, cpu->cur));
    if (!error)
        fputs("VMfailInvalid", out);
    else if (vmx_of(cpu)->current)
        fprintf(out, "VMfailValid, VM-instruction error %u: %s", error, vmx_error_text(error));
    else
        fprintf(out, "VMfailInvalid (error %u if there were a current VMCS: %s)", error, vmx_error_text(error));
    fputs("; ", out);
    vfprintf(out, fmt, ap);
    fputc('\n', out);
}

/* Each pair of an instruction and an error once: hypervisors probe, and what they probe they do in loops. */
static void tell(struct cpu *cpu, unsigned error, const char *fmt, va_list ap) {
    struct vmx *v = vmx_of(cpu);
    unsigned n = cpu->cur ? cpu->cur->id - (unsigned)INSN_VMXON : VMX_INSNS;
    if (n >= VMX_INSNS) return;
    if (trace_on(cpu->machine, TRACE_EXITS))
        trace_line(cpu->machine, cpu, TRACE_EXITS, "%s failed at RIP %#" PRIx64 ": %s, error %u (%s)",
                   insn_name((enum insn_id)cpu->cur->id), cpu_insn_rip(cpu, cpu->cur),
                   error && v->current ? "VMfailValid" : "VMfailInvalid", error,
                   error ? vmx_error_text(error) : "none");
    if ((v->fails_told[n] >> error & 1) || v->fails_told_count == VMX_FAILS_TOLD) return;
    v->fails_told[n] |= 1u << error;
    v->fails_told_count++;
    print_failure(cpu, stderr, error, fmt, ap);
}

void vmx_succeed(struct cpu *cpu) { flags_set_arith(cpu, 0); }

void vmx_set_error(struct cpu *cpu, enum vmx_error error) {
    struct vmx *v = vmx_of(cpu);
    flags_set_arith(cpu, v->current ? FLAG_ZF : FLAG_CF);
    if (v->current) v->current->f[F_INSTRUCTION_ERROR] = error;
}

void vmx_fail(struct cpu *cpu, enum vmx_error error, const char *fmt, ...) {
    va_list ap;
    vmx_set_error(cpu, error);
    va_start(ap, fmt);
    tell(cpu, error, fmt, ap);
    va_end(ap);
}

void vmx_fail_invalid(struct cpu *cpu, const char *fmt, ...) {
    va_list ap;
    flags_set_arith(cpu, FLAG_CF);
    va_start(ap, fmt);
    tell(cpu, 0, fmt, ap);
    va_end(ap);
}
