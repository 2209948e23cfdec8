/* Disassembly: text for traces and reports. The only user of Capstone, which knows AVX-512 and later extensions by
 * half: the text of vector instructions is made in vector_text.c. */
#include <ctype.h>
#include <stdio.h>

#include <capstone/capstone.h>

#include "decoder/private.h"

static const cs_mode capstone_modes[] = {
    [MODE_CODE16] = CS_MODE_16,
    [MODE_CODE32] = CS_MODE_32,
    [MODE_CODE64] = CS_MODE_64,
};

/* Capstone 4 does not know the instructions of later years (SERIALIZE, MOVDIRI, RDPRU, ...): what decode() knows has at
 * least a name. */
static unsigned disasm_name_only(const uint8_t *bytes, size_t avail, unsigned mode, char *out, size_t out_size) {
    static const struct decode_features all = {
        .lzcnt = true, .bmi1 = true, .cldemote = true, .cet = true, .wbnoinvd = true};
    struct insn i;
    if (decode(bytes, avail, mode, 0, &all, &i) != DECODE_OK) {
        snprintf(out, out_size, "(bad)");
        return 0;
    }
    snprintf(out, out_size, "%s", insn_name((enum insn_id)i.id));
    for (char *c = out; out_size && *c; c++) *c = (char)tolower((unsigned char)*c);
    return i.len;
}

unsigned disasm(const uint8_t *bytes, size_t avail, unsigned mode, uint64_t rip, enum disasm_syntax syntax, char *out,
                size_t out_size) {
    csh handle;
    cs_insn *insn;
    unsigned len = 0;

    if (out_size) out[0] = '\0';
    if ((mode & MODE_CODE_MASK) > MODE_CODE64) return 0;
    if ((len = vector_text(bytes, avail, mode, rip, syntax, out, out_size)) != 0) return len;
    if (cs_open(CS_ARCH_X86, capstone_modes[mode & MODE_CODE_MASK], &handle) == CS_ERR_OK) {
        if (syntax == DISASM_ATT) cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
        if (cs_disasm(handle, bytes, avail, rip, 1, &insn) == 1) {
            len = insn->size;
            snprintf(out, out_size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
            cs_free(insn, 1);
        }
        cs_close(&handle);
    }
    return len ? len : disasm_name_only(bytes, avail, mode, out, out_size);
}
