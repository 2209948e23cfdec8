/* Operands: from Zydis' list of visible operands to form, size, registers, memory operand and immediate. */
#include "decoder/private.h"
#include "sim/arch/x86.h"

static bool is_high_byte(ZydisRegister r) { return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH; }
static bool is_segment(ZydisRegister r) { return r >= ZYDIS_REGISTER_ES && r <= ZYDIS_REGISTER_GS; }

uint8_t reg_code(ZydisRegister r) {
    if (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15) return REG_OFF(r - ZYDIS_REGISTER_RAX);
    if (r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D) return REG_OFF(r - ZYDIS_REGISTER_EAX);
    if (r >= ZYDIS_REGISTER_AX && r <= ZYDIS_REGISTER_R15W) return REG_OFF(r - ZYDIS_REGISTER_AX);
    if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BL) return REG_OFF(r - ZYDIS_REGISTER_AL);
    if (is_high_byte(r)) return (uint8_t)(REG_OFF(r - ZYDIS_REGISTER_AH) + 1);
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B) return REG_OFF(r - ZYDIS_REGISTER_SPL + 4);
    if (r >= ZYDIS_REGISTER_ST0 && r <= ZYDIS_REGISTER_ST7) return (uint8_t)(r - ZYDIS_REGISTER_ST0);
    if (is_segment(r)) return (uint8_t)(SEG_ES + (r - ZYDIS_REGISTER_ES));
    if (r >= ZYDIS_REGISTER_CR0 && r <= ZYDIS_REGISTER_CR15) return (uint8_t)(r - ZYDIS_REGISTER_CR0);
    if (r >= ZYDIS_REGISTER_DR0 && r <= ZYDIS_REGISTER_DR15) return (uint8_t)(r - ZYDIS_REGISTER_DR0);
    if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP) return REG_RIPBASE;
    return REG_ZERO;
}

static uint8_t log2_bytes(unsigned bits) {
    return bits <= 8 ? 0 : bits <= 16 ? 1 : bits <= 32 ? 2 : bits <= 64 ? 3 : 4;
}

static uint8_t log2_scale(unsigned scale) { return scale == 8 ? 3 : (uint8_t)(scale >> 1); }

/* A displacement from the end of the instruction as one from the start of its page */
static int32_t from_page(int64_t displacement, struct insn *out) {
    const int64_t sum = displacement + out->off + out->len;
    if (sum > INT32_MAX) out->index = REG_4GIB;
    return (int32_t)(uint32_t)sum;
}

/* --- memory --- */

void fill_memory(const struct zinsn *z, const ZydisDecodedOperandMem *m, struct insn *out) {
    out->flags |= INSN_MEM;
    out->base = reg_code(m->base);
    out->index = reg_code(m->index);
    out->scale = log2_scale(m->scale);
    out->disp = (int32_t)m->disp.value;
    if (out->base == REG_RIPBASE) out->disp = from_page(out->disp, out);
    if (z->segment != SEG_COUNT)
        out->seg = z->segment;
    else
        out->seg = out->base == REG_OFF(4) || out->base == REG_OFF(5) ? SEG_SS : SEG_DS;
    if (out->id == INSN_LEA) out->seg = SEG_DS; /* no segment takes part */
    if (mode_is_64(z->mode) && out->asize == 3 && out->seg < SEG_FS) out->flags |= INSN_FLAT;
}

/* A0-A3: the address stands in the place of the immediate, zero-extended. */
static bool is_moffs(const struct zinsn *z) {
    return z->i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && z->i.opcode >= 0xA0 && z->i.opcode <= 0xA3;
}

static void fill_moffs(const struct zinsn *z, const ZydisDecodedOperandMem *m, struct insn *out) {
    uint64_t mask = out->asize == 3 ? ~(uint64_t)0 : out->asize == 2 ? 0xFFFFFFFF : 0xFFFF;
    out->flags |= INSN_MEM;
    out->scale = SCALE_MOFFS;
    out->imm64 = (int64_t)((uint64_t)m->disp.value & mask);
    if (z->segment != SEG_COUNT) out->seg = z->segment;
}

/* --- immediates --- */

/* Immediates that are numbers of something, not data of the operand size: zero-extended. */
static bool is_unsigned_immediate(enum insn_id id) {
    switch (id) {
    case INSN_RET:
    case INSN_RET_FAR:
    case INSN_ENTER:
    case INSN_INT:
    case INSN_IN:
    case INSN_OUT:
    case INSN_AAM:
    case INSN_AAD:
    case INSN_ROL:
    case INSN_ROR:
    case INSN_RCL:
    case INSN_RCR:
    case INSN_SHL:
    case INSN_SHR:
    case INSN_SAR:
    case INSN_SHLD:
    case INSN_SHRD:
    case INSN_RORX:
    case INSN_BT:
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC:
        return true;
    default:
        return false;
    }
}

static int64_t immediate_value(const struct zinsn *z, const ZydisDecodedOperandImm *imm, enum insn_id id) {
    uint64_t v = imm->value.u;
    if (is_unsigned_immediate(id)) return (int64_t)v;
    switch (z->i.raw.imm[0].size) {
    case 8:
        return (int8_t)v;
    case 16:
        return (int16_t)v;
    case 32:
        return (int32_t)v;
    default:
        return (int64_t)v;
    }
}

static void fill_immediate(const struct zinsn *z, const ZydisDecodedOperandImm *imm, struct insn *out) {
    if (imm->is_relative) {
        out->imm = from_page(imm->value.s, out);
        return;
    }
    int64_t v = immediate_value(z, imm, (enum insn_id)out->id);
    if (out->id == INSN_MOV && out->size == 3 && !(out->flags & INSN_MEM))
        out->imm64 = v;
    else
        out->imm = (int32_t)v;
}

/* --- form and size --- */

struct shape {
    unsigned regs; /* register operands other than VEX.vvvv as a source */
    bool mem, mem_first, imm, vreg;
};

static enum insn_form form_of(const struct shape *s) {
    if (s->vreg) return s->mem ? FORM_RRM : FORM_RRR;
    if (s->mem) {
        if (s->regs == 0) return s->imm ? FORM_MI : FORM_M;
        if (s->mem_first) return s->imm ? FORM_MRI : FORM_MR;
        return s->imm ? FORM_RMI : FORM_RM;
    }
    if (s->regs >= 2) return s->imm ? FORM_RRI : FORM_RR;
    if (s->regs == 1) return s->imm ? FORM_RI : FORM_R;
    return s->imm ? FORM_I : FORM_0;
}

/* Operand size (log2 bytes). It is that of the first operand, except where that operand is not what the size speaks of.
 */
static uint8_t size_of(const struct zinsn *z, const struct insn *out) {
    uint8_t width = log2_bytes(z->i.operand_width);
    switch (out->id) {
    case INSN_JMP_FAR:
    case INSN_CALL_FAR:
    case INSN_RET_FAR:
    case INSN_PUSH_SEG:
    case INSN_POP_SEG:
    case INSN_ENTER:
    case INSN_RET:
    case INSN_INT:
        return width;
    case INSN_PUSH:
        return z->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? width : log2_bytes(z->op[0].size);
    case INSN_CRC32:
    case INSN_OUT:
        return log2_bytes(z->op[1].size);
    case INSN_CMPXCHG16B:
        return 4;
    case INSN_XLAT:
        return 0;
    case INSN_INSD:
    case INSN_OUTSD:
        return 2; /* with REX.W too: SDM 2 "INS/INSB/INSW/INSD" */
    case INSN_MOVDIR64B:
        return out->asize;
    default:
        break;
    }
    if (z->count == 0 || (z->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)) return width;
    return z->op[0].size <= 64 && z->op[0].size != 48 ? log2_bytes(z->op[0].size) : width;
}

static bool is_near_branch(const struct zinsn *z) {
    return z->i.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR || z->i.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT;
}

/* AMD: 66 gives near branches a 16-bit operand in 64-bit mode (APM 3, "Operand-Size Override Prefix"; Intel ignores
 * it), and far pointers have no 64-bit offset (APM 3, "LDS LES LFS LGS LSS", "JMP (Far)"). */
static uint8_t vendor_size(const struct zinsn *z, const struct decode_features *feat, const struct insn *out) {
    if (!feat->amd || !mode_is_64(z->mode)) return out->size;
    bool rex_w = (z->i.attributes & ZYDIS_ATTRIB_HAS_REX) && z->i.raw.rex.W;
    if (is_near_branch(z) && z->osize_prefix && !rex_w) return 1;
    switch (out->id) {
    case INSN_LSS:
    case INSN_LFS:
    case INSN_LGS:
    case INSN_JMP_FAR:
    case INSN_CALL_FAR:
        return out->size == 3 ? 2 : out->size;
    default:
        return out->size;
    }
}

static void fill_operand(const struct zinsn *z, const ZydisDecodedOperand *op, bool first, struct shape *s,
                         struct insn *out) {
    switch (op->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (op->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD && !first) {
            out->vreg = reg_code(op->reg.value);
            s->vreg = true;
        } else {
            if (s->regs == 0) {
                out->reg = reg_code(op->reg.value);
                if (is_high_byte(op->reg.value)) out->flags |= INSN_REG_HI;
            }
            if (s->regs == 1 && !s->mem) out->rm = reg_code(op->reg.value);
            s->regs++; /* a third one is the CL of SHLD and SHRD */
        }
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        s->mem = true;
        s->mem_first = first;
        if (is_moffs(z))
            fill_moffs(z, &op->mem, out);
        else
            fill_memory(z, &op->mem, out);
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (s->imm) {
            out->disp = (int32_t)op->imm.value.u; /* ENTER: nesting level */
        } else {
            fill_immediate(z, &op->imm, out);
            s->imm = true;
        }
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        out->imm = (int32_t)op->ptr.offset;
        out->disp = op->ptr.segment;
        break;
    default:
        break;
    }
}

/* Instructions whose operands are implicit, or mean nothing, whatever Zydis lists. */
static bool has_no_operands(enum insn_id id) {
    switch (id) {
    case INSN_NOP:
    case INSN_UD0:
    case INSN_UD1:
    case INSN_VMRUN:
    case INSN_VMLOAD:
    case INSN_VMSAVE:
    case INSN_SKINIT:
    case INSN_INVLPGA:
    case INSN_CLZERO:
        return true;
    default:
        return false;
    }
}

static bool is_string(const struct zinsn *z) {
    return z->i.meta.category == ZYDIS_CATEGORY_STRINGOP || z->i.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

/* SDM 1, "No-track Prefix for Near Indirect CALL/JMP": 3EH without 64H or 65H in 64-bit mode; else the last segment
 * prefix */
static bool is_no_track(const struct zinsn *z) {
    if (!mode_is_64(z->mode)) return z->segment == SEG_DS;
    bool found = false;
    for (unsigned k = 0; k < z->i.raw.prefix_count; k++) found |= z->i.raw.prefixes[k].value == 0x3E;
    return found && z->segment == SEG_COUNT;
}

/* The escape opcodes D8-DF. */
static bool is_x87(const struct zinsn *z) {
    return z->i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && z->i.opcode >= 0xD8 && z->i.opcode <= 0xDF;
}

static void fill_by_id(const struct zinsn *z, const struct shape *s, struct insn *out) {
    switch (out->id) {
    case INSN_IN:
    case INSN_OUT: /* the accumulator and DX are implied */
        out->form = s->imm ? FORM_I : FORM_0;
        out->reg = out->rm = REG_ZERO;
        break;
    case INSN_MOVZX:
    case INSN_MOVSX:
    case INSN_MOVSXD:
        out->vreg = log2_bytes(z->op[1].size);
        break;
    case INSN_CRC32:
        out->vreg = log2_bytes(z->op[0].size);
        break;
    case INSN_JMP:
    case INSN_CALL:
        if (out->form != FORM_J) out->imm = is_no_track(z);
        break;
    case INSN_XCHG:
        if (z->count == 0) { /* F3 REX.B 90, see identify() */
            out->form = FORM_RR;
            out->reg = REG_OFF(8);
            out->rm = REG_OFF(0);
            out->size = z->i.raw.rex.W ? 3 : z->osize_prefix ? 1 : 2;
        }
        break;
    default:
        break;
    }
    if (is_string(z) && out->form == FORM_0) {
        /* F2 before MOVS, LODS, STOS, INS and OUTS repeats as F3 does: one flag for both */
        bool compares =
            (out->id >= INSN_CMPSB && out->id <= INSN_CMPSQ) || (out->id >= INSN_SCASB && out->id <= INSN_SCASQ);
        if (z->rep) out->flags |= z->rep == 0xF2 && compares ? INSN_REPNE : INSN_REP;
    }
}

void fill_operands(const struct zinsn *z, const struct decode_features *feat, struct insn *out) {
    struct shape s = {0};

    out->asize = log2_bytes(z->i.address_width) & 3;
    out->seg = z->segment != SEG_COUNT ? z->segment : SEG_DS;
    out->size = size_of(z, out);
    out->form = FORM_0;
    if (has_no_operands((enum insn_id)out->id)) return;
    for (unsigned k = 0; k < z->count; k++) fill_operand(z, &z->op[k], k == 0, &s, out);
    out->form = (uint8_t)form_of(&s);
    if (out->form == FORM_R) out->rm = out->reg;
    if (z->count == 1 && z->op[0].type == ZYDIS_OPERAND_TYPE_POINTER) out->form = FORM_FAR;
    if (z->count == 1 && z->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && z->op[0].imm.is_relative) out->form = FORM_J;
    out->size = vendor_size(z, feat, out);
    if (is_x87(z)) fill_x87(z, out);
    fill_by_id(z, &s, out);
}
