/* Decoding with Zydis: prefixes, status, and the order of the steps. What the instruction is: identity.c; its operands:
 * operands.c. Source of the rules: SDM 2 "Instruction Format", APM 3 "Instruction Encoding". */
#include <string.h>

#include "decoder/private.h"
#include "sim/arch/features.h"
#include "sim/arch/x86.h"

/* Real and virtual-8086 mode are decoded as 16-bit or 32-bit protected mode: the bytes mean the same, and what those
 * modes forbid is #UD by the table or by identify(). */
static const struct {
    ZydisMachineMode machine;
    ZydisStackWidth stack;
} machines[] = {
    [MODE_CODE16] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
    [MODE_CODE32] = {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
    [MODE_CODE64] = {ZYDIS_MACHINE_MODE_LONG_64,   ZYDIS_STACK_WIDTH_64},
};

/* A decoder is a dozen bytes: it is made anew each time (a few nanoseconds) and so needs no state and no lock. */
bool decoder_init(ZydisDecoder *d, unsigned mode, const struct decode_features *feat) {
    unsigned code = mode & MODE_CODE_MASK;
    if (code > MODE_CODE64) return false;
    if (!ZYAN_SUCCESS(ZydisDecoderInit(d, machines[code].machine, machines[code].stack))) return false;
    /* MPX instructions are NOPs while BNDCFGx.EN = 0 (SDM 1, "Intel MPX and Operating Modes"), which is all there is of
     * MPX here. */
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, feat->cet);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_LZCNT, feat->lzcnt);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_TZCNT, feat->bmi1);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, feat->cldemote);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_AMD_BRANCHES, feat->amd);
    return true;
}

/* In 64-bit mode the overrides of ES, CS, SS and DS are ignored, and do not cancel one of FS or GS before them
 * (SDM 1, "Segmentation in 64-Bit Mode"). */
static void scan_prefixes(struct zinsn *z) {
    static const struct {
        uint8_t byte, seg;
    } overrides[] = {
        {0x26, SEG_ES},
        {0x2E, SEG_CS},
        {0x36, SEG_SS},
        {0x3E, SEG_DS},
        {0x64, SEG_FS},
        {0x65, SEG_GS}
    };

    z->rep = 0;
    z->segment = SEG_COUNT;
    z->osize_prefix = z->lock_prefix = false;
    for (unsigned k = 0; k < z->i.raw.prefix_count; k++) {
        uint8_t byte = z->i.raw.prefixes[k].value;
        if (byte == 0xF2 || byte == 0xF3) z->rep = byte;
        if (byte == 0x66) z->osize_prefix = true;
        if (byte == 0xF0) z->lock_prefix = true;
        for (unsigned s = 0; s < sizeof(overrides) / sizeof(overrides[0]); s++)
            if (byte == overrides[s].byte && (!mode_is_64(z->mode) || overrides[s].seg >= SEG_FS))
                z->segment = overrides[s].seg;
    }
}

static void blank(struct insn *out, unsigned page_off) {
    *out = (struct insn){
        .reg = REG_ZERO,
        .rm = REG_ZERO,
        .vreg = REG_ZERO,
        .base = REG_ZERO,
        .index = REG_ZERO,
        .seg = SEG_DS,
        .id = INSN_INVALID,
        .form = FORM_0,
        .off = (uint16_t)page_off,
    };
}

static enum decode_status invalid(struct insn *out, unsigned examined) {
    blank(out, out->off);
    out->len = (uint8_t)(examined ? examined : 1);
    return DECODE_INVALID;
}

static enum decode_status failure(ZyanStatus status, unsigned examined, struct insn *out) {
    if (status == ZYDIS_STATUS_NO_MORE_DATA) return DECODE_TRUNCATED;
    invalid(out, examined);
    return status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_TOO_LONG : DECODE_INVALID;
}

/* AMD: LOCK MOV CR0 stands for MOV CR8 (APM 3 "MOV CRn"). The bytes are decoded again without the LOCK. */
static enum decode_status decode_lock_mov_cr8(const uint8_t *bytes, size_t avail, unsigned mode, unsigned page_off,
                                              const struct decode_features *feat, unsigned examined, struct insn *out) {
    struct decode_features plain = *feat;
    uint8_t copy[ZYDIS_MAX_INSTRUCTION_LENGTH];
    unsigned locks = 0, n = 0;
    bool prefixes = true;

    for (unsigned k = 0; k < avail && k < sizeof(copy); k++) {
        if (bytes[k] == 0x0F) prefixes = false;
        if (prefixes && bytes[k] == 0xF0)
            locks++;
        else
            copy[n++] = bytes[k];
    }
    plain.cr8_legacy = false;
    if (decode(copy, n, mode, page_off, &plain, out) != DECODE_OK) return invalid(out, examined);
    uint8_t *cr = out->id == INSN_MOV_TO_CR ? &out->reg : &out->rm;
    if ((out->id != INSN_MOV_TO_CR && out->id != INSN_MOV_FROM_CR) || *cr != 0) return invalid(out, examined);
    *cr = 8;
    out->len = (uint8_t)(out->len + locks);
    return DECODE_OK;
}

bool decode_is_avx_ifma(const uint8_t *bytes, size_t avail, size_t *opcode) {
    size_t k = 0;
    while (k < avail && (bytes[k] == 0x67 || bytes[k] == 0x64 || bytes[k] == 0x65 || bytes[k] == 0x2E ||
                         bytes[k] == 0x36 || bytes[k] == 0x3E || bytes[k] == 0x26))
        k++;
    *opcode = k + 3;
    return k + 3 < avail && bytes[k] == 0xC4 && (bytes[k + 1] & 0x1F) == 2 && (bytes[k + 2] & 0x83) == 0x81 &&
           (bytes[k + 3] == 0xB4 || bytes[k + 3] == 0xB5);
}

/* SDM 2 "VPMADD52LUQ" */
static enum decode_status decode_avx_ifma(const uint8_t *bytes, size_t avail, unsigned mode, unsigned page_off,
                                          const struct decode_features *feat, size_t opcode, unsigned examined,
                                          struct insn *out) {
    struct decode_features all = *feat;
    uint8_t copy[ZYDIS_MAX_INSTRUCTION_LENGTH];
    size_t n = avail < sizeof copy ? avail : sizeof copy;

    if (feat->cpu && !(feat->cpu[FEAT_AVXIFMA / 64] >> FEAT_AVXIFMA % 64 & 1)) return invalid(out, examined);
    memcpy(copy, bytes, n);
    copy[opcode] = DECODE_AVX_IFMA_AS;
    all.cpu = NULL;
    enum decode_status status = decode(copy, n, mode, page_off, &all, out);
    if (status == DECODE_OK) out->id = bytes[opcode] == 0xB4 ? INSN_VPMADD52LUQ : INSN_VPMADD52HUQ;
    return status;
}

enum decode_status decode(const uint8_t *bytes, size_t avail, unsigned mode, unsigned page_off,
                          const struct decode_features *feat, struct insn *out) {
    ZydisDecoder decoder;
    ZydisDecoderContext context;
    struct zinsn z;

    blank(out, page_off);
    if (avail == 0) return DECODE_TRUNCATED;
    if (!decoder_init(&decoder, mode, feat)) return invalid(out, 1);

    z.mode = mode;
    z.i.length = 0;
    ZyanStatus status = ZydisDecoderDecodeInstruction(&decoder, &context, bytes, avail, &z.i);
    if (status == ZYDIS_STATUS_ILLEGAL_LOCK && feat->cr8_legacy)
        return decode_lock_mov_cr8(bytes, avail, mode, page_off, feat, z.i.length, out);
    size_t opcode;
    if (status == ZYDIS_STATUS_DECODING_ERROR && decode_is_avx_ifma(bytes, avail, &opcode))
        return decode_avx_ifma(bytes, avail, mode, page_off, feat, opcode, z.i.length, out);
    if (!ZYAN_SUCCESS(status)) return failure(status, z.i.length, out);
    z.count = z.i.operand_count_visible < MAX_OPERANDS ? z.i.operand_count_visible : MAX_OPERANDS;
    status = ZydisDecoderDecodeOperands(&decoder, &context, &z.i, z.op, (ZyanU8)z.count);
    if (!ZYAN_SUCCESS(status)) return invalid(out, z.i.length);
    scan_prefixes(&z);

    out->len = z.i.length;
    out->id = (uint16_t)identify(&z, feat);
    if (out->id == INSN_INVALID) return invalid(out, z.i.length);
    if (out->id >= INSN_VEC_FIRST) {
        if (z.lock_prefix || !fill_vector(&z, feat, out)) return invalid(out, z.i.length);
        return DECODE_OK;
    }
    fill_operands(&z, feat, out);
    bool mem_dest = out->form == FORM_M || out->form == FORM_MR || out->form == FORM_MI;
    if (forbidden((enum insn_id)out->id, &z, mem_dest)) return invalid(out, z.i.length);
    if (z.lock_prefix) out->flags |= INSN_LOCK;
    return DECODE_OK;
}
