/* VMREAD and VMWRITE. SDM 3, "VMREAD", "VMWRITE" */
#include <inttypes.h>

#include "vmx/vmx.h"

/* Operands are 64 bits in 64-bit mode and 32 bits elsewhere, whatever the prefixes say. */
static uint64_t operand_mask(const struct cpu *cpu) { return cpu_is_64(cpu) ? ~0ull : 0xFFFFFFFF; }
static unsigned operand_bytes(const struct cpu *cpu) { return cpu_is_64(cpu) ? 8 : 4; }

/* The field and whether the access is to its upper half; F_NONE: unsupported. */
static unsigned find_field(struct cpu *cpu, uint64_t encoding, bool *high) {
    unsigned field = vmcs_field_find(&vmx_of(cpu)->map, encoding);
    *high = encoding & VMCS_ENC_HIGH;
    if (field != F_NONE && *high && vmcs_field_rows[field].width != VMCS_WIDTH_64) return F_NONE;
    return field;
}

#define NO_VMCS "there is no current VMCS, or VMCS link pointer"

/* A field that the table knows but this processor lacks is told by name. */
static void unsupported_field(struct cpu *cpu, uint64_t encoding) {
    const char *name = NULL;
    for (unsigned n = 0; n < F_COUNT && !name; n++)
        if (vmcs_field_rows[n].encoding == (encoding & ~1ull)) name = vmcs_field_rows[n].name;
    vmx_fail(cpu, VMX_ERR_UNSUPPORTED_FIELD, "the field is %04" PRIX64 "H, %s%s", encoding,
             name ? name : "an encoding of no field", name ? ", which this processor does not have" : "");
}

/* The register that holds the encoding */
static uint64_t encoding_operand(const struct cpu *cpu, const struct insn *i) {
    bool in_rm = i->id == INSN_VMREAD && i->form == FORM_RR;
    return cpu->gpr[(in_rm ? i->rm : i->reg) / 8u] & operand_mask(cpu);
}

/* SDM 3, "VMCS Shadowing": in the guest without a VM exit when the bitmap says so */
bool vmx_shadowed(struct cpu *cpu, const struct insn *i) {
    const struct vmx *v = vmx_of(cpu);
    const uint64_t *f = vmcs_data(cpu);
    if ((i->id != INSN_VMREAD && i->id != INSN_VMWRITE) || !vmx_proc2(v, VMX_PROC2_VMCS_SHADOWING)) return false;
    uint64_t encoding = encoding_operand(cpu, i);
    if (encoding >> 15) return false;
    uint64_t map = i->id == INSN_VMREAD ? f[F_VMREAD_BITMAP] : f[F_VMWRITE_BITMAP];
    return !(phys_read(cpu, map + encoding / 8, 1) >> (encoding & 7) & 1);
}

/* The current VMCS, or in the guest the one that the VMCS link pointer names; NULL: none */
static struct vmcs *target(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    if (!cpu->virt.guest) return v->current;
    uint64_t link = v->current->f[F_VMCS_LINK_POINTER];
    return link == VMX_NO_POINTER ? NULL : vmcs_activate(cpu, link);
}

void insn_vmread(struct cpu *cpu, const struct insn *i) {
    struct vmcs *c = target(cpu);
    bool high;
    if (!c) {
        vmx_fail_invalid(cpu, NO_VMCS);
        return;
    }
    uint64_t encoding = encoding_operand(cpu, i);
    unsigned field = find_field(cpu, encoding, &high);
    if (field == F_NONE) {
        unsupported_field(cpu, encoding);
        return;
    }
    uint64_t val = (high ? c->f[field] >> 32 : c->f[field]) & operand_mask(cpu);
    if (i->form == FORM_RR)
        *cpu_r64(cpu, i->reg) = val;
    else {
        unsigned size = operand_bytes(cpu);
        uint64_t la = ea_linear(cpu, i, size, MEM_WRITE);
        if (size == 8)
            mem_write64(cpu, i, la, val);
        else
            mem_write32(cpu, i, la, (uint32_t)val);
    }
    vmx_succeed(cpu);
}

void insn_vmwrite(struct cpu *cpu, const struct insn *i) {
    struct vmx *v = vmx_of(cpu);
    struct vmcs *c = target(cpu);
    bool high;
    uint64_t val;
    if (!c) {
        vmx_fail_invalid(cpu, NO_VMCS);
        return;
    }
    if (i->form == FORM_RR)
        val = *cpu_r64(cpu, i->rm) & operand_mask(cpu);
    else {
        unsigned size = operand_bytes(cpu);
        uint64_t la = ea_linear(cpu, i, size, MEM_READ);
        val = size == 8 ? mem_read64(cpu, i, la) : mem_read32(cpu, i, la);
    }
    uint64_t encoding = encoding_operand(cpu, i);
    unsigned field = find_field(cpu, encoding, &high);
    if (field == F_NONE) {
        unsupported_field(cpu, encoding);
        return;
    }
    const struct vmcs_field_row *row = &vmcs_field_rows[field];
    if (row->kind == VMCS_KIND_INFO && !(v->caps.misc & VMX_MISC_WRITE_ANY_FIELD)) {
        vmx_fail(cpu, VMX_ERR_READ_ONLY_FIELD, "the field is %04XH, %s", (unsigned)encoding, row->name);
        return;
    }
    if (high) val = (c->f[field] & 0xFFFFFFFF) | val << 32;
    vmcs_write(v, c, field, val);
    vmx_succeed(cpu);
}
