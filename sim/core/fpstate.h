/* The registers of x87, MMX, SSE, AVX and AVX-512, as data. SDM 1 "Programming with the x87 FPU", "Programming with
 * Intel AVX-512". */
#ifndef HVSIM_CORE_FPSTATE_H
#define HVSIM_CORE_FPSTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/fp/env.h"

/* Double extended-precision value: sign and biased exponent, explicit integer bit in the significand. */
struct f80 {
    uint64_t sig;
    uint16_t se; /* bit 15: sign; bits 14-0: biased exponent */
};

/* One vector register, or part of one, seen as elements. Little-endian: element 0 is in the low bits. */
union vec {
    uint8_t u8[64];
    uint16_t u16[32];
    uint32_t u32[16];
    uint64_t u64[8];
    int8_t i8[64];
    int16_t i16[32];
    int32_t i32[16];
    int64_t i64[8];
} __attribute__((aligned(64)));

#define FCW_RESET    0x0040 /* after RESET */
#define FCW_INIT     0x037F /* after FNINIT: all masked, round to nearest, 64-bit significand */
#define FCW_FIXED    0x0040 /* bits that read 1 */
#define FCW_VALID    0x1F7F
#define FCW_PC       (3u << 8)
#define FCW_RC       (3u << 10)
#define FCW_RC_SHIFT 10

#define FSW_IE   (1u << 0)
#define FSW_DE   (1u << 1)
#define FSW_ZE   (1u << 2)
#define FSW_OE   (1u << 3)
#define FSW_UE   (1u << 4)
#define FSW_PE   (1u << 5)
#define FSW_SF   (1u << 6)
#define FSW_ES   (1u << 7)
#define FSW_C0   (1u << 8)
#define FSW_C1   (1u << 9)
#define FSW_C2   (1u << 10)
#define FSW_TOP  (7u << 11)
#define FSW_C3   (1u << 14)
#define FSW_B    (1u << 15)
#define FSW_CODE (FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3)
#define FSW_EXC  0x3Fu

/* How the host's x87 unit serves this CPU, for sim/fp alone: exceptions that its status word remembers, its control
 * word, and whether transcendental instructions do without it. */
struct x87_host {
    uint16_t flags, cw;
    bool portable_transcendentals; /* set once, when the CPU is created */
};

/* x87 and MMX: physical registers R0-R7. ST(n) is st[(TOP + n) & 7], MMn is st[n].sig. */
struct fpu_regs {
    struct f80 st[8];
    uint16_t fcw, fsw; /* fsw: TOP included */
    uint8_t ftw;       /* abridged tag word, as FXSAVE has it: bit n is 1 when Rn is not empty */
    uint16_t fop;      /* last opcode, 11 bits */
    uint16_t fcs, fds;
    uint64_t fip, fdp; /* last instruction and operand pointers */
    uint64_t fdp_exc;  /* FDP and FDS of the last unmasked exception: what is saved with FDP_EXCPTN_ONLY */
    uint16_t fds_exc;
    struct f80 operand;   /* not state: the memory operand of the instruction that runs */
    struct x87_host host; /* not state; who sets all of this struct while the CPU runs keeps it */
};

static inline unsigned fpu_top(const struct fpu_regs *f) { return f->fsw >> 11 & 7; }

#define MXCSR_IE    (1u << 0)
#define MXCSR_DE    (1u << 1)
#define MXCSR_ZE    (1u << 2)
#define MXCSR_OE    (1u << 3)
#define MXCSR_UE    (1u << 4)
#define MXCSR_PE    (1u << 5)
#define MXCSR_DAZ   (1u << 6)
#define MXCSR_IM    (1u << 7) /* the masks: flag << 7 */
#define MXCSR_MASKS 0x1F80u
#define MXCSR_RC    (3u << 13)
#define MXCSR_FTZ   (1u << 15)
#define MXCSR_MM    (1u << 17) /* AMD, misaligned SSE mode */
#define MXCSR_FLAGS 0x3Fu
#define MXCSR_INIT  0x1F80u

struct vec_regs {
    union vec zmm[32];
    uint64_t k[8];
    uint32_t mxcsr;    /* use mxcsr_get() and mxcsr_set(): while the CPU runs, newer exception flags may be elsewhere */
    struct fp_env env; /* the same for sim/fp */
};

/* The vector instruction under way, between the three steps of its execution (sim/vec/vec.h). Nothing here outlives an
 * instruction. */
struct vx {
    union vec r;                /* the result; to begin with, the old destination where the row says V_RMW */
    union vec m;                /* memory operand */
    union vec t[3];             /* copies of sources; scratch */
    const union vec *a, *b, *c; /* first, second, third source */
    uint64_t g;                 /* source in a general or opmask register, or result for one */
    uint64_t k;                 /* a bit per element: the opmask, all ones when there is none */
    uint32_t bytes;             /* vector length: 8, 16, 32, 64 */
    uint8_t lane;               /* bytes in a lane of shuffles: 8 for MMX, else 16 */
    uint8_t imm;
    bool wide;        /* VEC_W of the record */
    bool fp_own, sae; /* it runs in an environment of its own, kept in fp; without exceptions */
    struct fp_saved fp;
};

/* Groups of instructions that control registers and XCR0 allow or deny together: bits of cpu->denied.
 * SDM 3 "Emulating and Testing of the Floating-Point...", "Providing Operating System Support for Intel SSE", SDM 2
 * "Exception Conditions" of VEX and EVEX instructions. */
enum gate {
    GATE_X87 = 1 << 0,   /* #NM: CR0.EM or CR0.TS */
    GATE_MMX = 1 << 1,   /* #UD: CR0.EM; #NM: CR0.TS */
    GATE_SSE = 1 << 2,   /* #UD: CR0.EM, or CR4.OSFXSR = 0; #NM: CR0.TS */
    GATE_AVX = 1 << 3,   /* #UD: CR4.OSXSAVE = 0, or XCR0[2:1] not 11b; #NM: CR0.TS */
    GATE_EVEX = 1 << 4,  /* #UD: CR4.OSXSAVE = 0, or XCR0[7:5,2:1] not all 1; #NM: CR0.TS. Opmask instructions too */
    GATE_FXSR = 1 << 5,  /* #NM: CR0.EM or CR0.TS */
    GATE_XSAVE = 1 << 6, /* #UD: CR4.OSXSAVE = 0; #NM: CR0.TS */
    GATE_FWAIT = 1 << 7, /* #NM: CR0.MP and CR0.TS */
};

#endif
