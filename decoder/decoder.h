/* Bytes to struct insn. Pure: no processor state beyond the execution mode. */
#ifndef HVSIM_DECODER_DECODER_H
#define HVSIM_DECODER_DECODER_H

#include <stddef.h>

#include "decoder/insn.h"

enum decode_status {
    DECODE_OK,
    DECODE_INVALID,   /* no such instruction: #UD. insn.id = INSN_INVALID, insn.len = bytes examined (at least 1) */
    DECODE_TOO_LONG,  /* longer than 15 bytes: #GP(0) */
    DECODE_TRUNCATED, /* `avail` bytes are a proper prefix of an instruction: fetch more */
};

/* What the decoder needs to know of the processor to read bytes whose meaning depends on features. */
struct decode_features {
    bool lzcnt; /* F3 0F BD is LZCNT, else BSR */
    bool bmi1;  /* F3 0F BC is TZCNT, else BSF */
    bool amd;   /* vendor rules: operand size of near branches with 66 in 64-bit mode (AMD: 16-bit), far pointer loads,
                   SYSCALL/SYSENTER in compat */
    bool cldemote;       /* else NOP */
    bool mpx, cet;       /* reserved NOPs otherwise */
    bool wbnoinvd;       /* F3 0F 09 is WBNOINVD, else WBINVD */
    bool cr8_legacy;     /* LOCK MOV CR0 is MOV CR8 (AMD), else #UD */
    const uint64_t *cpu; /* bit set of enum feature (sim/arch/features.h), for vector instructions; NULL: all */
};

/* Decode one instruction at `bytes` (up to `avail` of them). `page_off`: offset of the first byte in its page. Fills
 * everything but fn and left. `mode`: enum exec_mode bits. */
enum decode_status decode(const uint8_t *bytes, size_t avail, unsigned mode, unsigned page_off,
                          const struct decode_features *feat, struct insn *out);

/* VPMADD52LUQ or VPMADD52HUQ behind VEX (AVX-IFMA)? They are later than Zydis 4.0; with DECODE_AVX_IFMA_AS in the place
 * of the opcode, *opcode, it sees VFMADD231PD, whose operands are the same. */
#define DECODE_AVX_IFMA_AS 0xB8
bool decode_is_avx_ifma(const uint8_t *bytes, size_t avail, size_t *opcode);

/* Names */
const char *insn_name(enum insn_id id); /* "ADD" */

/* Disassembly (disasm.c, Capstone): one instruction as text, "mov rax, qword ptr [rbx]" or AT&T. Returns its length, 0
 * if undecodable (then the text is "(bad)"). */
enum disasm_syntax { DISASM_INTEL, DISASM_ATT };
unsigned disasm(const uint8_t *bytes, size_t avail, unsigned mode, uint64_t rip, enum disasm_syntax syntax, char *out,
                size_t out_size);

#endif
