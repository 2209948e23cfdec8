/* Shared by the files of decoder/ only: what is asked of Zydis about one instruction. */
#ifndef HVSIM_DECODER_PRIVATE_H
#define HVSIM_DECODER_PRIVATE_H

#include <Zydis/Zydis.h>

#include "decoder/decoder.h"

/* One instruction as Zydis sees it. No more than six operands are visible: destination, opmask, three sources,
 * immediate. */
#define MAX_OPERANDS 6
struct zinsn {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[MAX_OPERANDS];
    unsigned count;    /* visible operands in op[] */
    unsigned mode;     /* enum exec_mode bits */
    uint8_t rep;       /* the last of F2, F3, else 0 */
    uint8_t segment;   /* the segment override that counts (enum seg_id), else SEG_COUNT */
    bool osize_prefix; /* 66 */
    bool lock_prefix;  /* F0 */
};

static inline bool mode_is_64(unsigned mode) { return (mode & MODE_CODE_MASK) == MODE_CODE64; }

/* identity.c: which instruction. INSN_INVALID: none that is simulated. */
enum insn_id identify(const struct zinsn *z, const struct decode_features *feat);
/* true: the row of the table forbids the instruction in the mode or with the prefixes given (LOCK needs `mem_dest`) */
bool forbidden(enum insn_id id, const struct zinsn *z, bool mem_dest);

/* operands.c: fill form, size, operands and displacement of out; id, len and off are set */
void fill_operands(const struct zinsn *z, const struct decode_features *feat, struct insn *out);

/* x87.c: the same for what follows the escape opcodes D8-DF, after fill_operands() has found the form */
void fill_x87(const struct zinsn *z, struct insn *out);

void fill_memory(const struct zinsn *z, const ZydisDecodedOperandMem *m, struct insn *out);
/* Byte offset in cpu->gpr of a general register, or the number of an x87, segment, control or debug register. */
uint8_t reg_code(ZydisRegister r);

/* decode.c: Zydis' decoder for the mode. false: no such mode */
bool decoder_init(ZydisDecoder *d, unsigned mode, const struct decode_features *feat);

/* vector_text.c: a vector instruction as text; its length, 0 if it is none */
unsigned vector_text(const uint8_t *bytes, size_t avail, unsigned mode, uint64_t rip, enum disasm_syntax syntax,
                     char *out, size_t out_size);

/* isa.c: do the CPUID features of an encoding allow it? `mmx`: its operands are MMX registers */
bool isa_present(const struct zinsn *z, const struct decode_features *feat, bool mmx);

/* vector.c: operands of a vector instruction. false: the processor doesn't have it */
bool fill_vector(const struct zinsn *z, const struct decode_features *feat, struct insn *out);

#endif
