/* The encoding table of the instruction tests: what bytes an instruction has, and what the manual leaves undefined. */
#ifndef HVSIM_TEST_ISA_TABLE_H
#define HVSIM_TEST_ISA_TABLE_H

#include "testsuites/isa/isa.h"

enum isa_map { MAP_1, MAP_0F, MAP_38, MAP_3A, VEX_38, VEX_3A };
enum isa_operands {
    OP_NONE,   /* opcode alone */
    OP_RM,     /* ModRM, reg is a register */
    OP_DIGIT,  /* ModRM, reg is `digit` */
    OP_PLUS,   /* register in the opcode */
    OP_MOFFS,  /* A0-A3 */
    OP_STRING, /* rSI, rDI, rCX, repeat prefixes */
    OP_REL8,
    OP_REL32,
};
enum isa_imm { IMM_NO, IMM_8, IMM_Z /* 16 or 32 */, IMM_V /* 16, 32 or 64 */, IMM_ENTER, IMM_16 };
enum isa_attr {
    NO_REG = 1 << 0, /* memory operand only */
    NO_MEM = 1 << 1, /* register operand only */
    ONLY64 = 1 << 2,
    ONLY32 = 1 << 3,
    LOCKS = 1 << 4,  /* LOCK is tried now and then */
    BITOFF = 1 << 5, /* reg is a bit offset: keep it small with memory */
    SHIFT = 1 << 6,  /* undefined flags depend on the count: immediate, CL or 1 */
    ROTATE = 1 << 7,
    DOUBLE = 1 << 8,
    SCAN = 1 << 9,    /* BSF, BSR: the destination is undefined for a source of 0 */
    DEF64 = 1 << 10,  /* 64-bit operands by default in 64-bit mode: no 32-bit form there */
    STACK = 1 << 11,  /* rSP and rBP are placed in the data */
    TARGET = 1 << 12, /* operand is a branch target */
    NO16 = 1 << 13,
    BYTE = 1 << 14, /* 8-bit form (of the r/m operand): no 66, REX for SPL.. and AH.. tried */
    ALIGN16 = 1 << 15,
    SRC8 = 1 << 16,   /* operand size is that of reg; r/m is 8 or 16 bits wide */
    RETURN = 1 << 17, /* a target lies on the stack */
    PARTLY = 1 << 18, /* how much was done when a fault comes is the processor's business */
};
enum isa_feature {
    HAS_ALWAYS,
    HAS_BMI1,
    HAS_BMI2,
    HAS_ADX,
    HAS_SSE42,
    HAS_POPCNT,
    HAS_LZCNT,
    HAS_MOVBE,
    HAS_CX16,
    HAS_CLFLUSHOPT,
    HAS_CLWB,
    HAS_LAHF
};

struct isa_row {
    const char *name;
    uint8_t map, opcode, prefix /* mandatory: 66, F2, F3 */, operands;
    int8_t digit;
    uint8_t imm;
    uint32_t attr;
    uint32_t undefined;
    uint8_t feature;
};

extern const struct isa_row isa_rows[];
extern const unsigned isa_rows_count;

#endif
