/* User-mode instructions against the host processor: what a case is, and the two that run it. */
#ifndef HVSIM_TEST_ISA_H
#define HVSIM_TEST_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Linear addresses, the same natively and simulated. Around the data nothing is accessible. */
#define ISA_CODE      0x10000000ull
#define ISA_CODE_SIZE 0x2000u
#define ISA_DATA      0x20000000ull
#define ISA_DATA_SIZE 0x2000u
#define ISA_GUARD     0x1000000u
#define ISA_EXIT_A    0x30000000ull /* where the instruction that follows goes */
#define ISA_EXIT_B    0x30000200ull /* where a branch target goes */
#define ISA_STUB_B    0x28          /* distance from the instruction to the stub that is the branch target */
#define ISA_STUB_SIZE 8

#define ISA_FLAGS 0x8D5u /* CF PF AF ZF SF OF */
#define ISA_DF    0x400u
#define ISA_AC    0x40000u

/* x87, MMX and vector registers, the same for both sides */
struct isa_fpu {
    uint8_t zmm[32][64];
    uint64_t k[8];
    uint8_t st[8][16]; /* ST(0) to ST(7), ten bytes each, the rest 0 */
    uint64_t fip, fdp;
    uint32_t mxcsr;
    uint16_t fcw, fsw, fop;
    uint8_t ftw; /* abridged: bit n is 1 when physical register n is not empty */
};

#define ISA_WINDOW 128 /* bytes of the data that results show */

struct isa_case {
    uint64_t gpr[16];
    uint64_t rip;
    uint64_t mem_seed;
    struct {
        uint64_t at, val; /* eight bytes of the data, after it was filled from the seed; at = 0: none */
    } poke[3];
    uint64_t operand; /* address of the memory operand, 0: none */
    uint8_t data[ISA_WINDOW];
    uint8_t data_len; /* so much of `data` is at `operand` before */
    struct isa_fpu fpu;
    uint32_t flags;        /* arithmetic flags and DF */
    uint32_t undefined;    /* flags that the manual leaves undefined here */
    uint16_t row;          /* of the encoding table */
    uint8_t undefined_reg; /* bit 7: register number in the low bits has an undefined result */
    uint32_t fault_flags;  /* flags that are not compared when it faults */
    bool partly;           /* when it faults, registers (but for rSP) and memory are not compared */
    bool mode32;           /* compatibility mode */
    uint8_t len, insns;
    uint8_t code[40]; /* the instruction, then perhaps one more (pairs) */
};

enum isa_exit { ISA_NEXT, ISA_BRANCHED, ISA_FAULT, ISA_AWAY /* a branch to where nothing is: rip */, ISA_DIED };
struct isa_result {
    uint64_t gpr[16];
    uint64_t rip; /* of a fault */
    uint64_t cr2;
    uint64_t mem_hash;
    uint32_t flags;
    uint32_t error;
    uint8_t vector;
    uint8_t exit; /* enum isa_exit */
    struct isa_fpu fpu;
    uint8_t window[ISA_WINDOW]; /* the data from isa_window() on */
};

/* random.h has the rest */
struct isa_random {
    uint64_t state;
    bool amd; /* the host's vendor: what is left to the processor is tried where the simulator follows it */
};

/* gen.c: integer instructions */
void isa_generate(struct isa_random *r, bool mode32, struct isa_case *c);
void isa_generate_row(struct isa_random *r, bool mode32, unsigned row, struct isa_case *c); /* usable in this mode */
void isa_generate_pair(struct isa_random *r, bool mode32, struct isa_case *c);
unsigned isa_row_count(void);
const char *isa_row_name(unsigned row);
bool isa_row_usable(unsigned row, bool mode32); /* present on the host and in this mode */
void isa_detect_host(void);

/* common ground of both sides */
void isa_fill(uint8_t *data, const struct isa_case *c);
uint64_t isa_hash(const uint8_t *data);
unsigned isa_window(const struct isa_case *c); /* offset in the data */
void isa_place_code(uint8_t *code_area, const struct isa_case *c);

/* native.c: run `count` cases in a child process; the cases stay until it is finished. false: the child can't be made.
 */
struct isa_native {
    struct isa_native_shared *shared;
    const struct isa_case *cases;
    size_t size;
    unsigned count;
    pid_t child;
};
bool isa_native_start(struct isa_native *n, const struct isa_case *c, unsigned count);
bool isa_native_finish(struct isa_native *n, struct isa_result *r);
bool isa_native_has32(void);

/* xstate.c: the host's XSAVE area. The components are those of XCR0 that struct isa_fpu holds. */
uint64_t isa_xstate_mask(void); /* 0: no XSAVE */
uint32_t isa_mxcsr_mask(void);
void isa_xstate_pack(uint8_t *area, const struct isa_fpu *f);
void isa_xstate_unpack(const uint8_t *area, struct isa_fpu *f);
#define ISA_XSTATE_SIZE 0x3000u

/* sim.c */
struct isa_sim;
struct isa_sim *isa_sim_create(const char *model, uint64_t xcr0, char *err, unsigned err_size);
void isa_sim_destroy(struct isa_sim *s);
void isa_sim_run(struct isa_sim *s, const struct isa_case *c, bool chained, struct isa_result *r);

#endif
