/* The forms of x87, MMX and vector instructions, found by asking the decoder about every encoding. */
#ifndef HVSIM_TEST_ISA_FORMS_H
#define HVSIM_TEST_ISA_FORMS_H

#include <Zydis/Zydis.h>

#include "testsuites/isa/isa.h"

enum form_pp { PP_NONE, PP_66, PP_F3, PP_F2 }; /* as VEX.pp counts them */
enum form_masking { MASKING_NONE, MASKING_MERGE, MASKING_ZERO, MASKING_COUNT };

/* Everything that an encoding can say but immediates and displacements; what is absent from it is ignored. */
struct fields {
    uint8_t encoding; /* ZydisInstructionEncoding */
    uint8_t map, opcode, pp, w, l;
    uint8_t reg, rm, vvvv; /* register numbers; rm: mod = 3 */
    uint8_t aaa;
    bool b, z;
    bool mem;
    uint8_t mod, base, index, scale; /* mem; base is 5 with mod 0: disp32 */
    bool sib, rip_relative;
    bool asize; /* 67 */
    int32_t disp;
    uint8_t imm[2];
    bool mode32;
};
/* At most 15 bytes; two immediate bytes are put behind, whether the instruction has them or not. */
unsigned fields_assemble(const struct fields *f, uint8_t *to);

/* One form: instructions with the same mnemonic, operand types, masking and kind of operand. */
struct form {
    uint16_t mnemonic; /* ZydisMnemonic */
    uint8_t encoding, map, opcode, pp;
    uint8_t masking;
    bool b, mem, modrm;
    bool on_host;     /* by CPUID */
    uint8_t w, l;     /* sets (bit n: value n) of W and L'L that give this form */
    uint8_t digits;   /* set of ModRM.reg */
    uint8_t rms;      /* set of ModRM.rm: of x87 */
    bool vvvv;        /* is an operand */
    bool vsib;        /* memory operand with a vector index */
    uint8_t reg_bits; /* of the numbers of the registers in ModRM.reg, ModRM.rm, vvvv */
    uint8_t rm_bits, v_bits;
    uint8_t bytes;   /* longest register operand, for the name */
    uint32_t memory; /* bytes of the memory operand */
    uint64_t signature;
};

struct forms {
    struct form *form;
    unsigned count;
};
/* `host`: bit set of enum feature, for struct decode_features. NULL: out of memory */
struct forms *forms_enumerate(const uint64_t *host, bool amd);
void forms_free(struct forms *f);
/* Zydis's view of bytes. false: not an instruction */
bool form_decode(const uint8_t *bytes, unsigned n, bool mode32, ZydisDecodedInstruction *i, ZydisDecodedOperand *op);
/* "VADDPS EVEX 58 r512 mem {k}{z} broadcast": opcode, bits of the longest register, kind of operand, masking */
const char *encoding_name(const struct form *f);
void form_name(const struct form *f, char *to, size_t size);

/* host.c */
enum { HOST_FEATURE_WORDS = 4 };
void host_features(uint64_t set[HOST_FEATURE_WORDS]);
/* "max-amd,+mmx,-xop...": the model with the user-mode features of the host */
void host_model(const uint64_t *set, bool amd, char *to, size_t size);
bool host_is_amd(void);

/* vgen.c: a random case of a form. false: the form doesn't exist in the mode */
bool form_generate(struct isa_random *r, const struct form *f, bool mode32, struct isa_case *c);
/* known.c: reserved by the manuals, but a host executes it */
bool known_to_execute(const struct isa_case *c);
/* known.c: the results differ, but both are what the manual allows; for hosts that the simulator does not follow */
bool known_difference(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim);

/* reserved.c: bytes that are no instruction of the host, says the decoder */
void reserved_generate(struct isa_random *r, const uint64_t *host, bool amd, bool mode32, struct isa_case *c);

#endif
