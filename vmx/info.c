/* The VM-exit instruction-information field. SDM 3, "Information for VM Exits Due to Instruction Execution" and its
 * tables. */
#include "vmx/vmx.h"

enum parts {
    P_REG1 = 1,     /* bits 6:3: the register operand r/m */
    P_REG2 = 2,     /* bits 31:28: the other register operand */
    P_IDENTITY = 4, /* bits 29:28: which instruction of four */
    P_OPSIZE11 = 8, /* bit 11: operand size 32 */
    P_OPSIZE12 = 16 /* bits 12:11: operand size */
};

static const struct {
    uint16_t id;
    uint8_t parts, identity;
} formats[] = {
    {INSN_SGDT,    P_IDENTITY | P_OPSIZE11, 0},
    {INSN_SIDT,    P_IDENTITY | P_OPSIZE11, 1},
    {INSN_LGDT,    P_IDENTITY | P_OPSIZE11, 2},
    {INSN_LIDT,    P_IDENTITY | P_OPSIZE11, 3},
    {INSN_SLDT,    P_IDENTITY | P_REG1,     0},
    {INSN_STR,     P_IDENTITY | P_REG1,     1},
    {INSN_LLDT,    P_IDENTITY | P_REG1,     2},
    {INSN_LTR,     P_IDENTITY | P_REG1,     3},
    {INSN_RDRAND,  P_REG1 | P_OPSIZE12,     0},
    {INSN_RDSEED,  P_REG1 | P_OPSIZE12,     0},
    {INSN_VMREAD,  P_REG1 | P_REG2,         0},
    {INSN_VMWRITE, P_REG1 | P_REG2,         0},
    {INSN_INVEPT,  P_REG2,                  0},
    {INSN_INVVPID, P_REG2,                  0},
    {INSN_INVPCID, P_REG2,                  0},
};

static unsigned reg_number(uint8_t offset) { return offset / 8u & 15; }

/* Scaling, address size, segment, index and base of the memory operand. */
static uint32_t memory_info(const struct insn *i) {
    uint32_t info = (uint32_t)(i->asize - 1) << 7 | (uint32_t)i->seg << 15;
    if (i->index == REG_ZERO || i->index == REG_4GIB)
        info |= 1u << 22;
    else
        info |= (uint32_t)i->scale | reg_number(i->index) << 18;
    if (i->base == REG_ZERO || i->base == REG_RIPBASE)
        info |= 1u << 27;
    else
        info |= reg_number(i->base) << 23;
    return info;
}

/* The register of r/m and the other one. The form names the destination first. */
static void registers(const struct insn *i, unsigned *rm, unsigned *other) {
    bool dest_is_rm = i->form == FORM_R || (i->form == FORM_RR && i->id == INSN_VMREAD);
    *rm = reg_number(dest_is_rm ? i->reg : i->rm);
    *other = reg_number(i->form == FORM_RR && i->id == INSN_VMREAD ? i->rm : i->reg);
}

void vmx_insn_info(const struct cpu *cpu, const struct insn *i, struct vmx_exit *x) {
    bool memory = i->flags & INSN_MEM;
    uint32_t info = 0;
    unsigned rm, other;
    if (memory) {
        info = memory_info(i);
        x->qualification = (uint64_t)(int64_t)i->disp;
        if (i->base == REG_RIPBASE) x->qualification += cpu->gpr[17];
        if (i->index == REG_4GIB) x->qualification += cpu->gpr[18];
        if (!cpu_is_64(cpu)) x->qualification &= 0xFFFFFFFF;
    }
    registers(i, &rm, &other);
    for (unsigned n = 0; n < sizeof formats / sizeof formats[0]; n++) {
        if (formats[n].id != i->id) continue;
        unsigned parts = formats[n].parts;
        if ((parts & P_REG1) && !memory) info |= rm << 3 | ((parts & P_OPSIZE12) ? 0 : 1u << 10);
        if (parts & P_REG2) info |= other << 28;
        if (parts & P_IDENTITY) info |= (uint32_t)formats[n].identity << 28;
        if (parts & P_OPSIZE11) info |= i->size == 1 ? 0 : 1u << 11;
        if (parts & P_OPSIZE12) info |= (i->size - 1u) << 11;
    }
    x->insn_info = info;
    x->has_insn_info = true;
}
