/* Disassembly of vector instructions, by Zydis. */
#include <string.h>

#include "decoder/private.h"

static bool is_vector(const uint8_t *bytes, size_t avail, unsigned mode) {
    static const struct decode_features all = {.lzcnt = true, .bmi1 = true};
    struct insn i;
    return decode(bytes, avail, mode, 0, &all, &i) == DECODE_OK && i.id >= INSN_VEC_FIRST;
}

unsigned vector_text(const uint8_t *bytes, size_t avail, unsigned mode, uint64_t rip, enum disasm_syntax syntax,
                     char *out, size_t out_size) {
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];

    if (!out_size || !is_vector(bytes, avail, mode)) return 0;
    if (!decoder_init(&decoder, mode, &(struct decode_features){.lzcnt = true, .bmi1 = true})) return 0;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, avail, &i, op))) return 0;
    ZydisFormatterInit(&formatter, syntax == DISASM_ATT ? ZYDIS_FORMATTER_STYLE_ATT : ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    char text[128];
    if (!ZYAN_SUCCESS(
            ZydisFormatterFormatInstruction(&formatter, &i, op, i.operand_count_visible, text, sizeof text, rip, NULL)))
        return 0;
    size_t n = strlen(text) < out_size - 1 ? strlen(text) : out_size - 1;
    memcpy(out, text, n);
    out[n] = 0;
    return i.length;
}
