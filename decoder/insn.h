/* The decoded instruction: what the decoder makes and the interpreter runs. No Zydis type appears here. */
#ifndef HVSIM_DECODER_INSN_H
#define HVSIM_DECODER_INSN_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct insn;

/* A semantic function. It performs the instruction and ends by tail-calling the function of the next record
 * (see sim/ops/op.h), or returns to the run loop. */
typedef void insn_fn(struct cpu *cpu, const struct insn *i);

/* Instruction identities: one per mnemonic, named as Zydis names them, from decoder/insns.def. */
enum insn_id {
    INSN_INVALID, /* undecodable bytes: #UD */
#define INSN(id, ...) INSN_##id,
#include "decoder/insns.def"
#undef INSN
    INSN_COUNT,
    INSN_VEC_FIRST = INSN_ADDPD, /* decoder/insns_vec.def */
    INSN_X87_FIRST = INSN_F2XM1, /* what an x87 unit is needed for */
    INSN_X87_LAST = INSN_FYL2XP1,
};

/* Vector instructions. The registers of a record are numbers (0-31, opmasks and MMX registers 0-7), general registers
 * byte offsets as elsewhere. The operands in the manual's order, opmask and immediate left out:
 * - destination: reg (FORM_RR, FORM_RM), or memory (FORM_MR)
 * - one source: rm or memory (FORM_MR: reg, and the same in rm)
 * - two sources: vreg, then rm or memory (FORM_MR: vreg, then reg, which is in rm too). A legacy instruction whose
 *   destination is also its first source has vreg = reg, and rm = reg when it is the only register.
 *   VEC_SWAP: memory, then the register in imm8b
 * - three sources: vreg, rm or memory, and the register in imm8b; VEC_SWAP: vreg, the register in imm8b, memory
 * - MASKMOVQ and MASKMOVDQU: FORM_RR, and their memory operand as if encoded
 * - VSIB: index is a vector register number
 * size: log2 of the vector length in bytes (3: MMX, 4, 5, 6). */
enum vec_enc {
    VEC_W = 1 << 0,   /* a general-register or scalar-memory operand of 64 bits; VEX.W, EVEX.W */
    VEC_MMX = 1 << 1, /* of these four one is set: values of enum gate */
    VEC_SSE = 1 << 2,
    VEC_VEX = 1 << 3,   /* XOP too */
    VEC_EVEX = 1 << 4,  /* opmask instructions too, though encoded with VEX */
    VEC_ALIGN = 1 << 5, /* memory operand: #GP(0) when not aligned to its size */
    VEC_NF = 1 << 6,    /* masked-off elements of the memory operand fault like others */
    VEC_SWAP = 1 << 7,
};
enum vec_mask {
    VEC_MASK_REG = 7,       /* opmask register, 0: none */
    VEC_MASK_ZERO = 1 << 3, /* EVEX.z */
    VEC_MASK_B = 1 << 4,    /* EVEX.b: broadcast with memory; else rounding or SAE */
    VEC_MASK_RC = 3 << 5,   /* EVEX.L'L: the rounding mode, when EVEX.b goes with registers */
    VEC_MASK_SAE = 1 << 7,  /* EVEX.b with registers suppresses exceptions, but the rounding mode is that of MXCSR */
};

/* Operand forms. R = register, M = memory, I = immediate; the first letter is the destination.
 * Implicit operands (AL/rAX of string and accumulator forms excepted, see insn.reg) are not part of the form. */
enum insn_form {
    FORM_0,   /* no explicit operand, string instructions too */
    FORM_R,   /* reg */
    FORM_M,   /* mem */
    FORM_I,   /* imm */
    FORM_J,   /* relative branch: imm = target as offset from the RIP of the page start, see insn.imm */
    FORM_RR,  /* reg <- rm */
    FORM_RM,  /* reg <- mem */
    FORM_MR,  /* mem <- reg */
    FORM_RI,  /* reg <- imm */
    FORM_MI,  /* mem <- imm */
    FORM_RRI, /* reg <- rm, imm */
    FORM_RMI, /* reg <- mem, imm */
    FORM_MRI, /* mem <- reg, imm (SHLD, SHRD) ; the count in CL is FORM_MR with the id's own rule */
    FORM_RRR, /* reg <- vreg, rm      (VEX integer: second source is rm) */
    FORM_RRM, /* reg <- vreg, mem */
    FORM_FAR, /* direct far pointer: imm = offset, disp = selector */
    FORM_COUNT
};

/* Offsets of registers inside cpu->gpr are kept in bytes, so that 8-bit operands (AH = offset 1 of RAX) need no test:
 * REG_ZERO is a register that always reads 0 (absent base or index, absent operand), REG_RIPBASE the RIP of the start
 * of the current linear page (base of RIP-relative operands), REG_4GIB one that always reads 2^32: the index of sums of
 * a displacement and an offset in the page that 32 bits do not hold. */
#define REG_OFF(n)  ((uint8_t)((n)*8))
#define REG_ZERO    REG_OFF(16)
#define REG_RIPBASE REG_OFF(17)
#define REG_4GIB    REG_OFF(18)
/* insn.scale of the moffs forms of MOV: the whole address is in imm64, never INSN_FLAT */
#define SCALE_MOFFS 7

enum insn_flags {
    INSN_LOCK = 1 << 0,   /* LOCK prefix present and legal */
    INSN_REP = 1 << 1,    /* F3 */
    INSN_REPNE = 1 << 2,  /* F2 */
    INSN_FLAT = 1 << 3,   /* memory operand: 64-bit address size in 64-bit mode and no segment base: EA is linear */
    INSN_MEM = 1 << 4,    /* has a ModRM/moffs memory operand */
    INSN_LAST = 1 << 5,   /* last of its block (a link record follows, see struct insn_link) */
    INSN_FUSED = 1 << 6,  /* fn also performs the next record */
    INSN_REG_HI = 1 << 7, /* no REX and reg is AH/CH/DH/BH (information for disassembly and tests only) */
};

/* What the fields hold where it is not obvious:
 * - FORM_R: the register is in reg and in rm. Registers that are absent are REG_ZERO.
 * - Shifts and rotates by CL: FORM_RR with rm = RCX, FORM_MR with reg = RCX; by 1 or imm8: FORM_RI, FORM_MI. SHLD and
 *   SHRD by CL: FORM_RR, FORM_MR.
 * - MOV r64, imm (FORM_RI, size 3): imm64, sign-extended when the bytes hold only 32 bits. Other data immediates are
 *   sign-extended in imm; ports, counts, bit numbers, vectors and the immediates of RET, ENTER, AAM and AAD are
 *   zero-extended.
 * - JMP and CALL through a register or memory: imm = 1 behind the no-track prefix (3EH), else 0.
 * - ENTER: imm = allocation size, disp = nesting level.
 * - IN, OUT: FORM_I (port in imm) or FORM_0 (port in DX); size is that of the accumulator.
 * - String instructions, XLAT, MONITOR, CLZERO, SVM's rAX operands: FORM_0 with asize and seg (override, else DS).
 * - INSN_REP, INSN_REPNE: string instructions only. F2 before MOVS, LODS, STOS, INS, OUTS sets INSN_REP, as it repeats
 *   like F3.
 * - NOP (reserved NOPs too), UD0 and UD1: always FORM_0.
 * - VEX: BEXTR, BZHI, SARX, SHLX, SHRX have the control in vreg; ANDN, PDEP, PEXT the first source; MULX the low half
 *   of the result. BLSI, BLSMSK, BLSR, and those of TBM: FORM_RR or FORM_RM. BEXTR_IMM: FORM_RRI or FORM_RMI.
 * - MOV_TO_SEG: size 1. MOV_FROM_SEG: size of the register, or 1 to memory. PUSH_SEG, POP_SEG: FORM_R, reg = segment
 *   number, size of the push.
 * - Far JMP, CALL, RET: size is that of the offset. LGDT, LIDT, SGDT, SIDT: operand size (3 in 64-bit mode).
 * - x87: registers are the numbers of stack positions, ST(n) = n. FORM_RR: reg = destination, rm = source (one of them
 *   is 0); FORM_R: reg = rm = ST(n), ST(0) is implied (FSTPNCE, FFREEP and the other undocumented encodings too);
 *   FORM_0: ST(0), ST(1) and constants are implied, reg = rm = 0. FORM_M: likewise, and size 1, 2, 3 = 16, 32, 64 bits,
 * 0 = 80 bits; FLDENV, FNSTENV, FRSTOR, FNSAVE: 1 = 16-bit, 2 = 32-bit format. imm: the opcode as FOP has it, 11 bits.
 * FNSTSW of AX: FORM_R with AX in reg. FXSAVE, FXRSTOR and their 64-bit forms: FORM_M.
 * - FORM_J, RIP-relative disp: the sum is kept modulo 2^32, and index is REG_4GIB when that is not the sum. */
struct insn {
    insn_fn *fn;
    union {
        struct {
            int32_t disp; /* displacement; RIP-relative: page offset + length + disp, to be added to REG_RIPBASE */
            int32_t imm;  /* immediate; FORM_J: page offset + length + rel, to be added to REG_RIPBASE */
        };
        int64_t imm64;           /* MOV r64, imm and the address of moffs forms (scale = SCALE_MOFFS) */
        struct {                 /* vector instructions (ids from INSN_VEC_FIRST on) */
            int32_t vdisp;       /* as disp, EVEX scaling applied */
            uint8_t imm8, imm8b; /* immediates; INSERTQ and EXTRQ have two */
            uint8_t mask;        /* enum vec_mask bits */
            uint8_t venc;        /* enum vec_enc bits */
        };
    };
    uint8_t reg;         /* first register operand: byte offset in gpr, or the NUMBER of a segment, CR or DR */
    uint8_t rm;          /* second register operand (the r/m register), likewise */
    uint8_t base, index; /* byte offsets of the address registers */
    uint8_t scale;       /* log2 */
    uint8_t vreg; /* third register operand (VEX.vvvv). MOVZX, MOVSX, MOVSXD: log2 bytes of the source. CRC32: log2
                   * bytes of the destination (size is that of the source) */
    uint8_t seg : 4, asize : 4; /* segment of the memory operand (enum seg_id); log2 of address bytes 1, 2, 3 */
    uint8_t len;                /* bytes, 1-15 */
    uint16_t id;                /* enum insn_id */
    uint16_t off;               /* offset of the first byte in its page, 0-4095 */
    uint8_t left;               /* instructions from this one to the end of its block, inclusive */
    uint8_t form;               /* enum insn_form */
    uint8_t size;               /* log2 of the operand size in bytes, 0-3 (4 = 16 bytes: CMPXCHG16B) */
    uint8_t flags;              /* enum insn_flags */
};
_Static_assert(sizeof(struct insn) == 32, "two records per cache line");

/* The record after the last one of a block. Its fn ends the chain (used by fall-through blocks);
 * to[] are direct links to successors in the same linear page, NULL until first taken. */
struct insn_link {
    insn_fn *fn;
    const struct insn *to[2]; /* 0 = fall through, 1 = branch taken */
    uint64_t spare;
};
_Static_assert(sizeof(struct insn_link) == sizeof(struct insn), "a link takes the place of a record");

/* Execution mode: what, besides the bytes, decides the decoding and the choice of functions. Part of a block's key. */
enum exec_mode {
    MODE_CODE16 = 0,
    MODE_CODE32 = 1,
    MODE_CODE64 = 2,
    MODE_CODE_MASK = 3,
    MODE_STACK32 = 1 << 2, /* SS.B (0 in 64-bit mode, where the stack is 64-bit) */
    MODE_PROT = 1 << 3,    /* CR0.PE = 1 */
    MODE_VM86 = 1 << 4,    /* RFLAGS.VM = 1 */
    MODE_LMA = 1 << 5,     /* IA-32e mode: with CODE16/32 it is compatibility mode */
    MODE_SHSTK = 1 << 6,   /* shadow stacks are enabled at CPL */
    MODE_IBT = 1 << 7,     /* indirect branches are tracked at CPL */
};

#endif
