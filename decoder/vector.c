/* Operands of vector instructions: registers by class, memory, opmask, and what EVEX adds. The roles of the fields:
 * decoder/insn.h, enum vec_enc. */
#include "decoder/private.h"
#include "sim/arch/features.h"
#include "sim/arch/x86.h"

struct vector_shape {
    unsigned operands; /* register and memory operands met, the opmask not counted */
    unsigned sources;  /* of them, after the destination */
    int mem_at;        /* index among the operands, -1: none */
    unsigned mem_bits;
    bool mmx, xmm, gpr, wide_gpr;
};

static uint8_t vector_reg(ZydisRegister r) {
    switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_MMX:
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
    case ZYDIS_REGCLASS_MASK:
        return (uint8_t)ZydisRegisterGetId(r);
    default:
        return reg_code(r);
    }
}

static void place_register(struct insn *out, const struct vector_shape *s, uint8_t n) {
    if (s->operands == 0) {
        out->reg = n;
    } else if (s->mem_at == 0) { /* stores: the last source is in reg */
        if (s->sources == 1) out->vreg = out->reg;
        out->reg = n;
    } else {
        if (s->sources == 0) {
            out->rm = n;
        } else if (s->sources == 1 && s->mem_at < 0) {
            out->vreg = out->rm;
            out->rm = n;
        } else {
            out->imm8b = n;
            if (s->mem_at == 1 && s->sources == 1) out->venc |= VEC_SWAP;
        }
    }
}

static void place(const struct zinsn *z, const ZydisDecodedOperand *op, struct vector_shape *s, struct insn *out) {
    if (op->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT) return; /* XMM0 of BLENDVPS and its like */
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        if (s->operands & 0x100)
            out->imm8b = (uint8_t)op->imm.value.u;
        else
            out->imm8 = (uint8_t)op->imm.value.u;
        s->operands |= 0x100;
        return;
    }
    if (op->encoding == ZYDIS_OPERAND_ENCODING_MASK) {
        out->mask |= (uint8_t)(ZydisRegisterGetId(op->reg.value) & VEC_MASK_REG);
        return;
    }
    if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        ZydisRegisterClass class = ZydisRegisterGetClass(op->reg.value);
        s->mmx |= class == ZYDIS_REGCLASS_MMX;
        s->xmm |= class == ZYDIS_REGCLASS_XMM;
        s->wide_gpr |= class == ZYDIS_REGCLASS_GPR64;
        s->gpr |= class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
        place_register(out, s, vector_reg(op->reg.value));
    } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        fill_memory(z, &op->mem, out);
        if (op->mem.type == ZYDIS_MEMOP_TYPE_VSIB) out->index = (uint8_t)ZydisRegisterGetId(op->mem.index);
        s->mem_at = (int)s->operands;
        s->mem_bits = op->size;
        if (s->sources == 1) out->vreg = out->rm; /* the register before it is the first source */
        if (s->sources == 2) {                    /* reg, s1, s2, memory */
            out->imm8b = out->rm;
            out->venc |= VEC_SWAP;
        }
    } else {
        return;
    }
    if (s->operands) s->sources++;
    s->operands++;
}

/* Operations whose legacy form takes an unaligned 16-byte operand. SDM 2, "Exceptions Type 4": "unaligned operands" */
static bool takes_unaligned(enum insn_id id, bool amd) {
    switch (id) {
    case INSN_SHA1RNDS4: /* AMD's processors take any address, SDM 2 "SHA1RNDS4" wants it aligned */
    case INSN_SHA1NEXTE:
    case INSN_SHA1MSG1:
    case INSN_SHA1MSG2:
    case INSN_SHA256RNDS2:
    case INSN_SHA256MSG1:
    case INSN_SHA256MSG2:
        return amd;
    case INSN_MOVUPS:
    case INSN_MOVUPD:
    case INSN_MOVDQU:
    case INSN_LDDQU:
    case INSN_PCMPESTRI:
    case INSN_PCMPESTRM:
    case INSN_PCMPISTRI:
    case INSN_PCMPISTRM:
        return true;
    default:
        return false;
    }
}
static bool wants_aligned(enum insn_id id) {
    switch (id) {
    case INSN_VMOVAPS:
    case INSN_VMOVAPD:
    case INSN_VMOVDQA:
    case INSN_VMOVDQA32:
    case INSN_VMOVDQA64:
    case INSN_VMOVNTPS:
    case INSN_VMOVNTPD:
    case INSN_VMOVNTDQ:
    case INSN_VMOVNTDQA:
        return true;
    default:
        return false;
    }
}

/* Exception classes without fault suppression for masked-off elements: SDM 2 "Exceptions Classes of EVEX-Encoded
 * Instructions" */
static bool no_fault_suppression(ZydisExceptionClass class) {
    switch (class) {
    case ZYDIS_EXCEPTION_CLASS_E1NF:
    case ZYDIS_EXCEPTION_CLASS_E2NF:
    case ZYDIS_EXCEPTION_CLASS_E3NF:
    case ZYDIS_EXCEPTION_CLASS_E4NF:
    case ZYDIS_EXCEPTION_CLASS_E5NF:
    case ZYDIS_EXCEPTION_CLASS_E6NF:
    case ZYDIS_EXCEPTION_CLASS_E9NF:
    case ZYDIS_EXCEPTION_CLASS_E10NF:
    case ZYDIS_EXCEPTION_CLASS_E11NF:
        return true;
    default:
        return false;
    }
}

/* Instructions without it that Zydis has in another class: SDM 2 "VDBPSADBW": "Exceptions Type E4NF.nb",
 * "VCVTNE2PS2BF16", "GF2P8AFFINEQB": "Exceptions Type E4NF", "VEXTRACTF128/...": "Exceptions Type E6NF" */
static bool suppresses_no_faults(enum insn_id id) {
    switch (id) {
    case INSN_VDBPSADBW:
    case INSN_VCVTNE2PS2BF16:
    case INSN_VGF2P8AFFINEQB:
    case INSN_VGF2P8AFFINEINVQB:
    case INSN_VEXTRACTF32X4:
    case INSN_VEXTRACTF64X2:
    case INSN_VEXTRACTF32X8:
    case INSN_VEXTRACTF64X4:
    case INSN_VEXTRACTI32X4:
    case INSN_VEXTRACTI64X2:
    case INSN_VEXTRACTI32X8:
    case INSN_VEXTRACTI64X4:
        return true;
    default:
        return false;
    }
}

/* Lengths in RAX and RDX rather than EAX and EDX */
static bool wide_lengths(const struct zinsn *z, enum insn_id id) {
    switch (id) {
    case INSN_PCMPESTRI:
    case INSN_PCMPESTRM:
        return z->i.raw.rex.W;
    case INSN_VPCMPESTRI:
    case INSN_VPCMPESTRM:
        return z->i.raw.vex.W && mode_is_64(z->mode);
    default:
        return false;
    }
}

static uint8_t encoding_of(const struct zinsn *z, const struct vector_shape *s) {
    bool converts = z->i.meta.category == ZYDIS_CATEGORY_CONVERT;
    switch (z->i.encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        return VEC_EVEX;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        switch (z->i.meta.isa_set) {
        case ZYDIS_ISA_SET_AVX512F_KOP:
        case ZYDIS_ISA_SET_AVX512BW_KOP:
        case ZYDIS_ISA_SET_AVX512DQ_KOP:
            return VEC_EVEX;
        default:
            return VEC_VEX;
        }
    case ZYDIS_INSTRUCTION_ENCODING_XOP:
        return VEC_VEX;
    default:
        /* MMX and XMM registers together obey the rules of SSE: SDM 3 "Exception Conditions of Legacy SIMD Instructions
         * Operating on MMX Registers" */
        return s->mmx && !s->xmm && !converts ? VEC_MMX : VEC_SSE;
    }
}

static void fill_evex(const struct zinsn *z, struct insn *out) {
    const ZydisDecodedInstructionRawEvex *e = &z->i.raw.evex;
    if (z->i.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX) return;
    if (e->z) out->mask |= VEC_MASK_ZERO;
    if (e->b) out->mask |= VEC_MASK_B;
    if (z->i.avx.rounding.mode != ZYDIS_ROUNDING_MODE_INVALID)
        out->mask |= (uint8_t)((e->L2 << 1 | e->L) << 5);
    else if (e->b)
        out->mask |= VEC_MASK_SAE;
    if (no_fault_suppression(z->i.meta.exception_class) || suppresses_no_faults((enum insn_id)out->id))
        out->venc |= VEC_NF;
}

static uint8_t length_of(const struct zinsn *z, uint8_t encoding) {
    if (encoding == VEC_MMX) return 3;
    return z->i.avx.vector_length == 512 ? 6 : z->i.avx.vector_length == 256 ? 5 : 4;
}

/* The memory operand that is not in the encoding: (E/R)DI, in the data segment or that of a prefix */
static bool stores_at_rdi(enum insn_id id) {
    return id == INSN_MASKMOVQ || id == INSN_MASKMOVDQU || id == INSN_VMASKMOVDQU;
}
static void fill_rdi(const struct zinsn *z, struct insn *out) {
    out->flags |= INSN_MEM;
    out->base = REG_OFF(7);
    if (mode_is_64(z->mode) && out->asize == 3 && out->seg < SEG_FS) out->flags |= INSN_FLAT;
}

bool fill_vector(const struct zinsn *z, const struct decode_features *feat, struct insn *out) {
    struct vector_shape s = {.mem_at = -1};

    out->reg = out->rm = out->vreg = out->imm8b = 0;
    out->asize = (z->i.address_width == 64 ? 3 : z->i.address_width == 32 ? 2 : 1) & 3;
    out->seg = z->segment != SEG_COUNT ? z->segment : SEG_DS; /* MASKMOVDQU and its like */
    for (unsigned k = 0; k < z->count; k++) place(z, &z->op[k], &s, out);
    s.operands &= 0xFF;
    if (!isa_present(z, feat, s.mmx)) return false;

    uint8_t encoding = encoding_of(z, &s);
    bool legacy = encoding == VEC_SSE || encoding == VEC_MMX;
    out->venc |= encoding;
    out->size = length_of(z, encoding);
    if (wide_lengths(z, (enum insn_id)out->id)) out->venc |= VEC_W;
    if (s.wide_gpr || (!s.gpr && s.mem_bits == 64)) out->venc |= VEC_W;
    if (legacy && s.sources <= 1 && s.mem_at != 0) out->vreg = out->reg;
    if (legacy && s.operands == 1 && s.mem_at < 0) out->rm = out->reg;
    if (s.mem_at >= 0 && encoding == VEC_SSE && s.mem_bits == 128 && !takes_unaligned((enum insn_id)out->id, feat->amd))
        out->venc |= VEC_ALIGN;
    if (s.mem_at >= 0 && wants_aligned((enum insn_id)out->id)) out->venc |= VEC_ALIGN;
    fill_evex(z, out);
    if (stores_at_rdi((enum insn_id)out->id)) fill_rdi(z, out);
    out->form = s.mem_at == 0 ? FORM_MR : s.mem_at > 0 ? FORM_RM : FORM_RR;
    if (out->form == FORM_MR) out->rm = out->reg;
    return true;
}
