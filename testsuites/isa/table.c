/* The encoding table. Undefined flags: SDM 2, "Flags Affected" of each instruction. */
#include "testsuites/isa/table.h"

#define CF        0x001u
#define PF        0x004u
#define AF        0x010u
#define ZF        0x040u
#define SF        0x080u
#define OF        0x800u
#define ALL_FLAGS ISA_FLAGS

/* name, opcode */
#define PLAIN(n, op, attr)                                                                                             \
    { n, MAP_1, op, 0, OP_NONE, 0, IMM_NO, attr, 0, 0 }
#define RM(n, map, op, attr, undef)                                                                                    \
    { n, map, op, 0, OP_RM, 0, IMM_NO, attr, undef, 0 }
#define DIG(n, map, op, d, imm, attr, undef)                                                                           \
    { n, map, op, 0, OP_DIGIT, d, imm, attr, undef, 0 }
#define ALU(n, base, d, undef)                                                                                         \
    RM(n, MAP_1, base + 0, BYTE | LOCKS, undef), RM(n, MAP_1, base + 1, LOCKS, undef),                                 \
        RM(n, MAP_1, base + 2, BYTE, undef), RM(n, MAP_1, base + 3, 0, undef),                                         \
        {n, MAP_1, base + 4, 0, OP_NONE, 0, IMM_8, BYTE, undef, 0},                                                    \
        {n, MAP_1, base + 5, 0, OP_NONE, 0, IMM_Z, 0, undef, 0}, DIG(n, MAP_1, 0x80, d, IMM_8, BYTE | LOCKS, undef),   \
        DIG(n, MAP_1, 0x81, d, IMM_Z, LOCKS, undef), DIG(n, MAP_1, 0x83, d, IMM_8, LOCKS, undef)
#define SHIFT_ROWS(n, d, kind)                                                                                         \
    DIG(n, MAP_1, 0xC0, d, IMM_8, BYTE | kind, 0), DIG(n, MAP_1, 0xC1, d, IMM_8, kind, 0),                             \
        DIG(n, MAP_1, 0xD0, d, IMM_NO, BYTE | kind, 0), DIG(n, MAP_1, 0xD1, d, IMM_NO, kind, 0),                       \
        DIG(n, MAP_1, 0xD2, d, IMM_NO, BYTE | kind, 0), DIG(n, MAP_1, 0xD3, d, IMM_NO, kind, 0)
#define UNARY(n, op, d, attr, undef)                                                                                   \
    DIG(n, MAP_1, op, d, IMM_NO, BYTE | (attr), undef), DIG(n, MAP_1, op + 1, d, IMM_NO, attr, undef)
#define BITS(n, op, d, attr)                                                                                           \
    RM(n, MAP_0F, op, BITOFF | (attr), OF | SF | AF | PF), DIG(n, MAP_0F, 0xBA, d, IMM_8, attr, OF | SF | AF | PF)
#define COND(n, code)                                                                                                  \
    RM("CMOV" n, MAP_0F, 0x40 + code, 0, 0), DIG("SET" n, MAP_0F, 0x90 + code, 0, IMM_NO, BYTE, 0),                    \
        {"J" n, MAP_1, 0x70 + code, 0, OP_REL8, 0, IMM_NO, 0, 0, 0}, {                                                 \
        "J" n, MAP_0F, 0x80 + code, 0, OP_REL32, 0, IMM_NO, 0, 0, 0                                                    \
    }
#define STRING(n, op)                                                                                                  \
    {n, MAP_1, op, 0, OP_STRING, 0, IMM_NO, BYTE, 0, 0}, { n, MAP_1, op + 1, 0, OP_STRING, 0, IMM_NO, 0, 0, 0 }
#define VEX(n, map, op, pp, undef, feat)                                                                               \
    { n, map, op, pp, OP_RM, 0, map == VEX_3A ? IMM_8 : IMM_NO, NO16, undef, feat }
#define VEXD(n, d, undef)                                                                                              \
    { n, VEX_38, 0xF3, 0, OP_DIGIT, d, IMM_NO, NO16, undef, HAS_BMI1 }

const struct isa_row isa_rows[] = {
    ALU("ADD", 0x00, 0, 0),
    ALU("OR", 0x08, 1, AF),
    ALU("ADC", 0x10, 2, 0),
    ALU("SBB", 0x18, 3, 0),
    ALU("AND", 0x20, 4, AF),
    ALU("SUB", 0x28, 5, 0),
    ALU("XOR", 0x30, 6, AF),
    ALU("CMP", 0x38, 7, 0),
    RM("TEST", MAP_1, 0x84, BYTE, AF),
    RM("TEST", MAP_1, 0x85, 0, AF),
    {"TEST",          MAP_1,  0xA8, 0,    OP_NONE,   0, IMM_8,     BYTE,                            AF,                0             },
    {"TEST",          MAP_1,  0xA9, 0,    OP_NONE,   0, IMM_Z,     0,                               AF,                0             },
    DIG("TEST", MAP_1, 0xF6, 0, IMM_8, BYTE, AF),
    DIG("TEST", MAP_1, 0xF7, 0, IMM_Z, 0, AF),
    DIG("TEST", MAP_1, 0xF6, 1, IMM_8, BYTE, AF),
    DIG("TEST", MAP_1, 0xF7, 1, IMM_Z, 0, AF),
    UNARY("NOT", 0xF6, 2, LOCKS, 0),
    UNARY("NEG", 0xF6, 3, LOCKS, 0),
    UNARY("INC", 0xFE, 0, LOCKS, 0),
    UNARY("DEC", 0xFE, 1, LOCKS, 0),
    {"INC",           MAP_1,  0x40, 0,    OP_PLUS,   0, IMM_NO,    ONLY32,                          0,                 0             },
    {"DEC",           MAP_1,  0x48, 0,    OP_PLUS,   0, IMM_NO,    ONLY32,                          0,                 0             },
    UNARY("MUL", 0xF6, 4, 0, SF | ZF | AF | PF),
    UNARY("IMUL", 0xF6, 5, 0, SF | ZF | AF | PF),
    UNARY("DIV", 0xF6, 6, 0, ALL_FLAGS),
    UNARY("IDIV", 0xF6, 7, 0, ALL_FLAGS),
    RM("IMUL", MAP_0F, 0xAF, 0, SF | ZF | AF | PF),
    {"IMUL",          MAP_1,  0x69, 0,    OP_RM,     0, IMM_Z,     0,                               SF | ZF | AF | PF, 0             },
    {"IMUL",          MAP_1,  0x6B, 0,    OP_RM,     0, IMM_8,     0,                               SF | ZF | AF | PF, 0             },
    SHIFT_ROWS("ROL", 0, ROTATE),
    SHIFT_ROWS("ROR", 1, ROTATE),
    SHIFT_ROWS("RCL", 2, ROTATE),
    SHIFT_ROWS("RCR", 3, ROTATE),
    SHIFT_ROWS("SHL", 4, SHIFT),
    SHIFT_ROWS("SHR", 5, SHIFT),
    SHIFT_ROWS("SHL", 6, SHIFT),
    SHIFT_ROWS("SAR", 7, SHIFT),
    {"SHLD",          MAP_0F, 0xA4, 0,    OP_RM,     0, IMM_8,     DOUBLE,                          0,                 0             },
    RM("SHLD", MAP_0F, 0xA5, DOUBLE, 0),
    {"SHRD",          MAP_0F, 0xAC, 0,    OP_RM,     0, IMM_8,     DOUBLE,                          0,                 0             },
    RM("SHRD", MAP_0F, 0xAD, DOUBLE, 0),
    BITS("BT", 0xA3, 4, 0),
    BITS("BTS", 0xAB, 5, LOCKS),
    BITS("BTR", 0xB3, 6, LOCKS),
    BITS("BTC", 0xBB, 7, LOCKS),
    RM("BSF", MAP_0F, 0xBC, SCAN, CF | OF | SF | AF | PF),
    RM("BSR", MAP_0F, 0xBD, SCAN, CF | OF | SF | AF | PF),
    {"TZCNT",         MAP_0F, 0xBC, 0xF3, OP_RM,     0, IMM_NO,    0,                               OF | SF | AF | PF, HAS_BMI1      },
    {"LZCNT",         MAP_0F, 0xBD, 0xF3, OP_RM,     0, IMM_NO,    0,                               OF | SF | AF | PF, HAS_LZCNT     },
    {"POPCNT",        MAP_0F, 0xB8, 0xF3, OP_RM,     0, IMM_NO,    0,                               0,                 HAS_POPCNT    },
    {"CRC32",         MAP_38, 0xF0, 0xF2, OP_RM,     0, IMM_NO,    BYTE,                            0,                 HAS_SSE42     },
    {"CRC32",         MAP_38, 0xF1, 0xF2, OP_RM,     0, IMM_NO,    0,                               0,                 HAS_SSE42     },
    {"ADCX",          MAP_38, 0xF6, 0x66, OP_RM,     0, IMM_NO,    NO16,                            0,                 HAS_ADX       },
    {"ADOX",          MAP_38, 0xF6, 0xF3, OP_RM,     0, IMM_NO,    NO16,                            0,                 HAS_ADX       },
    VEX("ANDN", VEX_38, 0xF2, 0, AF | PF, HAS_BMI1),
    VEXD("BLSR", 1, AF | PF),
    VEXD("BLSMSK", 2, AF | PF),
    VEXD("BLSI", 3, AF | PF),
    VEX("BEXTR", VEX_38, 0xF7, 0, AF | SF | PF, HAS_BMI1),
    VEX("BZHI", VEX_38, 0xF5, 0, AF | PF, HAS_BMI2),
    VEX("PEXT", VEX_38, 0xF5, 0xF3, 0, HAS_BMI2),
    VEX("PDEP", VEX_38, 0xF5, 0xF2, 0, HAS_BMI2),
    VEX("MULX", VEX_38, 0xF6, 0xF2, 0, HAS_BMI2),
    VEX("SHLX", VEX_38, 0xF7, 0x66, 0, HAS_BMI2),
    VEX("SARX", VEX_38, 0xF7, 0xF3, 0, HAS_BMI2),
    VEX("SHRX", VEX_38, 0xF7, 0xF2, 0, HAS_BMI2),
    VEX("RORX", VEX_3A, 0xF0, 0xF2, 0, HAS_BMI2),
    RM("XCHG", MAP_1, 0x86, BYTE | LOCKS, 0),
    RM("XCHG", MAP_1, 0x87, LOCKS, 0),
    {"XCHG",          MAP_1,  0x90, 0,    OP_PLUS,   0, IMM_NO,    0,                               0,                 0             },
    RM("XADD", MAP_0F, 0xC0, BYTE | LOCKS, 0),
    RM("XADD", MAP_0F, 0xC1, LOCKS, 0),
    RM("CMPXCHG", MAP_0F, 0xB0, BYTE | LOCKS, 0),
    RM("CMPXCHG", MAP_0F, 0xB1, LOCKS, 0),
    {"CMPXCHG8B/16B", MAP_0F, 0xC7, 0,    OP_DIGIT,  1, IMM_NO,    NO_REG | NO16 | LOCKS | ALIGN16, 0,                 HAS_CX16      },
    RM("MOV", MAP_1, 0x88, BYTE, 0),
    RM("MOV", MAP_1, 0x89, 0, 0),
    RM("MOV", MAP_1, 0x8A, BYTE, 0),
    RM("MOV", MAP_1, 0x8B, 0, 0),
    DIG("MOV", MAP_1, 0xC6, 0, IMM_8, BYTE, 0),
    DIG("MOV", MAP_1, 0xC7, 0, IMM_Z, 0, 0),
    {"MOV",           MAP_1,  0xB0, 0,    OP_PLUS,   0, IMM_8,     BYTE,                            0,                 0             },
    {"MOV",           MAP_1,  0xB8, 0,    OP_PLUS,   0, IMM_V,     0,                               0,                 0             },
    {"MOV moffs",     MAP_1,  0xA0, 0,    OP_MOFFS,  0, IMM_NO,    BYTE,                            0,                 0             },
    {"MOV moffs",     MAP_1,  0xA1, 0,    OP_MOFFS,  0, IMM_NO,    0,                               0,                 0             },
    {"MOV moffs",     MAP_1,  0xA2, 0,    OP_MOFFS,  0, IMM_NO,    BYTE,                            0,                 0             },
    {"MOV moffs",     MAP_1,  0xA3, 0,    OP_MOFFS,  0, IMM_NO,    0,                               0,                 0             },
    DIG("MOV from CS", MAP_1, 0x8C, 1, IMM_NO, 0, 0),
    DIG("MOV from SS", MAP_1, 0x8C, 2, IMM_NO, 0, 0),
    DIG("MOV from FS", MAP_1, 0x8C, 4, IMM_NO, 0, 0),
    RM("MOVZX", MAP_0F, 0xB6, SRC8, 0),
    RM("MOVZX", MAP_0F, 0xB7, 0, 0),
    RM("MOVSX", MAP_0F, 0xBE, SRC8, 0),
    RM("MOVSX", MAP_0F, 0xBF, 0, 0),
    RM("MOVSXD", MAP_1, 0x63, ONLY64 | NO16, 0),
    RM("LEA", MAP_1, 0x8D, NO_REG, 0),
    {"MOVBE",         MAP_38, 0xF0, 0,    OP_RM,     0, IMM_NO,    NO_REG,                          0,                 HAS_MOVBE     },
    {"MOVBE",         MAP_38, 0xF1, 0,    OP_RM,     0, IMM_NO,    NO_REG,                          0,                 HAS_MOVBE     },
    RM("MOVNTI", MAP_0F, 0xC3, NO_REG | NO16, 0),
    {"BSWAP",         MAP_0F, 0xC8, 0,    OP_PLUS,   0, IMM_NO,    NO16,                            0,                 0             },
    PLAIN("CBW/CWDE/CDQE", 0x98, 0),
    PLAIN("CWD/CDQ/CQO", 0x99, 0),
    {"LAHF",          MAP_1,  0x9F, 0,    OP_NONE,   0, IMM_NO,    BYTE,                            0,                 HAS_LAHF      },
    {"SAHF",          MAP_1,  0x9E, 0,    OP_NONE,   0, IMM_NO,    BYTE,                            0,                 HAS_LAHF      },
    PLAIN("CLC", 0xF8, BYTE),
    PLAIN("STC", 0xF9, BYTE),
    PLAIN("CMC", 0xF5, BYTE),
    PLAIN("CLD", 0xFC, BYTE),
    PLAIN("STD", 0xFD, BYTE),
    {"XLAT",          MAP_1,  0xD7, 0,    OP_STRING, 0, IMM_NO,    BYTE,                            0,                 0             },
    PLAIN("NOP", 0x90, BYTE),
    DIG("NOP", MAP_0F, 0x1F, 0, IMM_NO, 0, 0),
    DIG("PREFETCH", MAP_0F, 0x18, 1, IMM_NO, NO_REG, 0),
    DIG("PREFETCHW", MAP_0F, 0x0D, 1, IMM_NO, NO_REG, 0),
    DIG("CLFLUSH", MAP_0F, 0xAE, 7, IMM_NO, NO_REG | NO16, 0),
    {"CLFLUSHOPT",    MAP_0F, 0xAE, 0x66, OP_DIGIT,  7, IMM_NO,    NO_REG | NO16,                   0,                 HAS_CLFLUSHOPT},
    {"CLWB",          MAP_0F, 0xAE, 0x66, OP_DIGIT,  6, IMM_NO,    NO_REG | NO16,                   0,                 HAS_CLWB      },
    {"UD2",           MAP_0F, 0x0B, 0,    OP_NONE,   0, IMM_NO,    0,                               0,                 0             },
    {"PUSH",          MAP_1,  0x50, 0,    OP_PLUS,   0, IMM_NO,    DEF64 | STACK,                   0,                 0             },
    {"POP",           MAP_1,  0x58, 0,    OP_PLUS,   0, IMM_NO,    DEF64 | STACK,                   0,                 0             },
    DIG("PUSH", MAP_1, 0xFF, 6, IMM_NO, DEF64 | STACK, 0),
    DIG("POP", MAP_1, 0x8F, 0, IMM_NO, DEF64 | STACK, 0),
    {"PUSH",          MAP_1,  0x68, 0,    OP_NONE,   0, IMM_Z,     DEF64 | STACK,                   0,                 0             },
    {"PUSH",          MAP_1,  0x6A, 0,    OP_NONE,   0, IMM_8,     DEF64 | STACK,                   0,                 0             },
    PLAIN("PUSHF", 0x9C, DEF64 | STACK),
    {"ENTER",         MAP_1,  0xC8, 0,    OP_NONE,   0, IMM_ENTER, DEF64 | STACK,                   0,                 0             },
    PLAIN("LEAVE", 0xC9, DEF64 | STACK),
    PLAIN("PUSHA", 0x60, ONLY32 | STACK | PARTLY),
    PLAIN("POPA", 0x61, ONLY32 | STACK | PARTLY),
    {"PUSH FS",       MAP_0F, 0xA0, 0,    OP_NONE,   0, IMM_NO,    DEF64 | STACK,                   0,                 0             },
    STRING("MOVS", 0xA4),
    STRING("CMPS", 0xA6),
    STRING("STOS", 0xAA),
    STRING("LODS", 0xAC),
    STRING("SCAS", 0xAE),
    COND("O", 0),
    COND("NO", 1),
    COND("B", 2),
    COND("NB", 3),
    COND("Z", 4),
    COND("NZ", 5),
    COND("BE", 6),
    COND("NBE", 7),
    COND("S", 8),
    COND("NS", 9),
    COND("P", 10),
    COND("NP", 11),
    COND("L", 12),
    COND("NL", 13),
    COND("LE", 14),
    COND("NLE", 15),
    {"LOOPNE",        MAP_1,  0xE0, 0,    OP_REL8,   0, IMM_NO,    0,                               0,                 0             },
    {"LOOPE",         MAP_1,  0xE1, 0,    OP_REL8,   0, IMM_NO,    0,                               0,                 0             },
    {"LOOP",          MAP_1,  0xE2, 0,    OP_REL8,   0, IMM_NO,    0,                               0,                 0             },
    {"JrCXZ",         MAP_1,  0xE3, 0,    OP_REL8,   0, IMM_NO,    0,                               0,                 0             },
    {"JMP",           MAP_1,  0xEB, 0,    OP_REL8,   0, IMM_NO,    0,                               0,                 0             },
    {"JMP",           MAP_1,  0xE9, 0,    OP_REL32,  0, IMM_NO,    0,                               0,                 0             },
    {"CALL",          MAP_1,  0xE8, 0,    OP_REL32,  0, IMM_NO,    STACK,                           0,                 0             },
    DIG("CALL", MAP_1, 0xFF, 2, IMM_NO, DEF64 | NO16 | STACK | TARGET, 0),
    DIG("JMP", MAP_1, 0xFF, 4, IMM_NO, DEF64 | NO16 | TARGET, 0),
    PLAIN("RET", 0xC3, DEF64 | NO16 | STACK | RETURN),
    {"RET",           MAP_1,  0xC2, 0,    OP_NONE,   0, IMM_16,    DEF64 | NO16 | STACK | RETURN,   0,                 0             },
    {"DAA",           MAP_1,  0x27, 0,    OP_NONE,   0, IMM_NO,    BYTE | ONLY32,                   OF,                0             },
    {"DAS",           MAP_1,  0x2F, 0,    OP_NONE,   0, IMM_NO,    BYTE | ONLY32,                   OF,                0             },
    {"AAA",           MAP_1,  0x37, 0,    OP_NONE,   0, IMM_NO,    BYTE | ONLY32,                   OF | SF | ZF | PF, 0             },
    {"AAS",           MAP_1,  0x3F, 0,    OP_NONE,   0, IMM_NO,    BYTE | ONLY32,                   OF | SF | ZF | PF, 0             },
    {"AAM",           MAP_1,  0xD4, 0,    OP_NONE,   0, IMM_8,     BYTE | ONLY32,                   OF | AF | CF,      0             },
    {"AAD",           MAP_1,  0xD5, 0,    OP_NONE,   0, IMM_8,     BYTE | ONLY32,                   OF | AF | CF,      0             },
    PLAIN("SALC", 0xD6, BYTE | ONLY32),
    {"BOUND",         MAP_1,  0x62, 0,    OP_RM,     0, IMM_NO,    ONLY32 | NO_REG,                 0,                 0             },
};
const unsigned isa_rows_count = sizeof isa_rows / sizeof isa_rows[0];
