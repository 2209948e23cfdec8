/* Which instruction it is: from Zydis' mnemonic to enum insn_id, by a table made of decoder/insns.def. */
#include "decoder/private.h"

/* Ids that are not mnemonics of Zydis take places behind its last one, so that one table holds them all. */
enum {
    ZYDIS_MNEMONIC_JMP_FAR = ZYDIS_MNEMONIC_MAX_VALUE + 1,
    ZYDIS_MNEMONIC_CALL_FAR,
    ZYDIS_MNEMONIC_RET_FAR,
    ZYDIS_MNEMONIC_MOV_TO_SEG,
    ZYDIS_MNEMONIC_MOV_FROM_SEG,
    ZYDIS_MNEMONIC_MOV_TO_CR,
    ZYDIS_MNEMONIC_MOV_FROM_CR,
    ZYDIS_MNEMONIC_MOV_TO_DR,
    ZYDIS_MNEMONIC_MOV_FROM_DR,
    ZYDIS_MNEMONIC_PUSH_SEG,
    ZYDIS_MNEMONIC_POP_SEG,
    ZYDIS_MNEMONIC_WBNOINVD,
    ZYDIS_MNEMONIC_BEXTR_IMM,
    ZYDIS_MNEMONIC_MOVSD_VEC,
    ZYDIS_MNEMONIC_CMPSD_VEC,
#define VARIANT(mnemonic, role) ZYDIS_MNEMONIC_##mnemonic##_##role,
#include "decoder/variants_vec.def"
#undef VARIANT
    MNEMONIC_COUNT
};

static const uint16_t id_of_mnemonic[MNEMONIC_COUNT] = {
#define INSN(id, feature, attrs, icept) [ZYDIS_MNEMONIC_##id] = INSN_##id,
#include "decoder/insns.def"
#undef INSN
};

enum variant { TO_GPR, FROM_GPR, IMM, VARIANT_COUNT };
static const uint16_t variant_of_mnemonic[VARIANT_COUNT][MNEMONIC_COUNT] = {
#define VARIANT(mnemonic, role) [role][ZYDIS_MNEMONIC_##mnemonic] = INSN_##mnemonic##_##role,
#include "decoder/variants_vec.def"
#undef VARIANT
};

/* The attributes that say something about the encoding; the others are the business of sim/core. */
enum { A_SYS = 0, A_END = 0, A_CPL0 = 0, A_PROT = 0, A_UMIP = 0, A_LOCK = 1 << 0, A_NO64 = 1 << 1, A_ONLY64 = 1 << 2 };
static const uint8_t attributes[INSN_COUNT] = {
#define INSN(id, feature, attrs, icept) [INSN_##id] = (attrs),
#include "decoder/insns.def"
#undef INSN
};

static const char *const names[INSN_COUNT] = {
    "INVALID",
#define INSN(id, feature, attrs, icept) [INSN_##id] = #id,
#define VARIANT(mnemonic, role)         [INSN_##mnemonic##_##role] = #mnemonic,
#include "decoder/insns.def"
#undef INSN
};

const char *insn_name(enum insn_id id) { return (unsigned)id < INSN_COUNT ? names[id] : "INVALID"; }

static ZydisRegisterClass class_of(const struct zinsn *z, unsigned operand) {
    if (operand >= z->count || z->op[operand].type != ZYDIS_OPERAND_TYPE_REGISTER) return ZYDIS_REGCLASS_INVALID;
    return ZydisRegisterGetClass(z->op[operand].reg.value);
}

static enum insn_id identify_mov(const struct zinsn *z) {
    switch (class_of(z, 0)) {
    case ZYDIS_REGCLASS_SEGMENT:
        return INSN_MOV_TO_SEG;
    case ZYDIS_REGCLASS_CONTROL:
        return INSN_MOV_TO_CR;
    case ZYDIS_REGCLASS_DEBUG:
        return INSN_MOV_TO_DR;
    default:
        break;
    }
    switch (class_of(z, 1)) {
    case ZYDIS_REGCLASS_SEGMENT:
        return INSN_MOV_FROM_SEG;
    case ZYDIS_REGCLASS_CONTROL:
        return INSN_MOV_FROM_CR;
    case ZYDIS_REGCLASS_DEBUG:
        return INSN_MOV_FROM_DR;
    default:
        return INSN_MOV;
    }
}

/* SYSCALL outside 64-bit mode is AMD's, SYSENTER in long mode is Intel's: APM 3 "SYSENTER", SDM 2 "SYSCALL". */
static bool absent_at_vendor(enum insn_id id, unsigned mode, bool amd) {
    switch (id) {
    case INSN_SYSCALL:
    case INSN_SYSRET:
        return !amd && !mode_is_64(mode);
    case INSN_SYSENTER:
    case INSN_SYSEXIT:
        return amd && (mode & MODE_LMA);
    default:
        return false;
    }
}

/* See decoder/variants_vec.def. */
static enum insn_id identify_vector(const struct zinsn *z, enum insn_id id) {
    for (unsigned k = 0; k < z->count; k++) {
        const ZydisRegisterClass class = class_of(z, k);
        enum variant v = k ? FROM_GPR : TO_GPR;
        if (z->op[k].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT) continue;
        if (z->op[k].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
            v = IMM;
        else if (class != ZYDIS_REGCLASS_GPR32 && class != ZYDIS_REGCLASS_GPR64)
            continue;
        if (variant_of_mnemonic[v][z->i.mnemonic]) return (enum insn_id)variant_of_mnemonic[v][z->i.mnemonic];
    }
    return id;
}

/* SDM 2 "PEXTRB/PEXTRD/PEXTRQ", "PINSRB/PINSRD/PINSRQ": outside 64-bit mode VEX.W is not ignored, but #UD */
static bool is_quadword_move(const struct zinsn *z, enum insn_id id) {
    return (id == INSN_VPEXTRD || id == INSN_VPINSRD || id == INSN_VPEXTRQ || id == INSN_VPINSRQ) &&
           z->i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && z->i.raw.vex.W;
}

static bool is_0f0d_register(const ZydisDecodedInstruction *i) {
    return i->opcode_map == ZYDIS_OPCODE_MAP_0F && i->opcode == 0x0D && i->raw.modrm.mod == 3;
}

enum insn_id identify(const struct zinsn *z, const struct decode_features *feat) {
    const ZydisDecodedInstruction *i = &z->i;
    enum insn_id id = (enum insn_id)id_of_mnemonic[i->mnemonic];

    if (id >= INSN_VEC_FIRST) id = identify_vector(z, id);
    if (id == INSN_BEXTR && i->encoding == ZYDIS_INSTRUCTION_ENCODING_XOP) id = INSN_BEXTR_IMM;
    /* SDM 2 "VEX Prefix", "EVEX Prefix": not recognized in real-address and virtual-8086 mode */
    if (i->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && i->encoding != ZYDIS_INSTRUCTION_ENCODING_3DNOW)
        return !(z->mode & MODE_PROT) || (z->mode & MODE_VM86) || (!mode_is_64(z->mode) && is_quadword_move(z, id))
                   ? INSN_INVALID
                   : id;
    if (id >= INSN_VEC_FIRST) return id;
    switch (id) {
    case INSN_MOV:
        return identify_mov(z);
    case INSN_PUSH:
        return class_of(z, 0) == ZYDIS_REGCLASS_SEGMENT ? INSN_PUSH_SEG : id;
    case INSN_POP:
        return class_of(z, 0) == ZYDIS_REGCLASS_SEGMENT ? INSN_POP_SEG : id;
    case INSN_JMP:
        return i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? INSN_JMP_FAR : id;
    case INSN_CALL:
        return i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? INSN_CALL_FAR : id;
    case INSN_RET:
        return i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? INSN_RET_FAR : id;
    case INSN_MOVSD:
    case INSN_CMPSD:
        if (i->meta.category == ZYDIS_CATEGORY_STRINGOP) return id;
        return id == INSN_MOVSD ? INSN_MOVSD_VEC : INSN_CMPSD_VEC;
    /* REX.B makes 90 XCHG of R8 even behind F3, where Zydis says PAUSE */
    case INSN_PAUSE:
        return (i->attributes & ZYDIS_ATTRIB_HAS_REX) && i->raw.rex.B ? INSN_XCHG : id;
    /* AMD: PREFETCH of a register is #UD (APM 3 "PREFETCHlevel"), elsewhere a reserved NOP */
    case INSN_NOP:
        return feat->amd && is_0f0d_register(i) ? INSN_INVALID : id;
    case INSN_WBINVD:
        return z->rep == 0xF3 && feat->wbnoinvd ? INSN_WBNOINVD : id;
    default:
        return absent_at_vendor(id, z->mode, feat->amd) ? INSN_INVALID : id;
    }
}

bool forbidden(enum insn_id id, const struct zinsn *z, bool mem_dest) {
    uint8_t a = attributes[id];
    if ((a & A_NO64) && mode_is_64(z->mode)) return true;
    if ((a & A_ONLY64) && !mode_is_64(z->mode)) return true;
    return z->lock_prefix && !((a & A_LOCK) && mem_dest);
}
