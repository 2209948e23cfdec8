/* x87 instructions: what fill_operands() leaves to do. The forms: decoder/insn.h. */
#include "decoder/private.h"

/* FADD and its like with memory operands, by what Zydis says of their size; environment and state: their format */
static uint8_t memory_size(unsigned bits) {
    switch (bits) {
    case 16:
    case 14 * 8:
    case (14 + 80) * 8:
        return 1;
    case 64:
        return 3;
    case 80:
        return 0;
    default:
        return 2;
    }
}

void fill_x87(const struct zinsn *z, struct insn *out) {
    const unsigned modrm = (unsigned)z->i.raw.modrm.mod << 6 | z->i.raw.modrm.reg << 3 | z->i.raw.modrm.rm;
    out->imm = (int32_t)((z->i.opcode & 7u) << 8 | modrm);
    if (out->id == INSN_FNSTSW && out->form == FORM_R) return;
    if (out->id == INSN_FUCOMP) { /* Zydis lists ST(0), as it does for no other comparison of this kind */
        out->form = FORM_R;
        out->reg = out->rm = z->i.raw.modrm.rm;
    }
    if (out->form == FORM_M || out->form == FORM_0) out->reg = out->rm = 0;
    out->size = out->form == FORM_M ? memory_size(z->op[0].size) : 0;
}
