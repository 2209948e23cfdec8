/* How SSE, AVX and AVX-512 floating-point operations round and what they raise: MXCSR, taken apart.
 *
 * While a CPU runs (between fp_enter() and fp_leave()) on a host that can do it, the MXCSR of the host holds RC, DAZ
 * and FTZ of the guest with all exceptions masked and collects the exception flags, so that an operation is the host's
 * instruction alone. Otherwise, and whenever `soft` is set, the portable code computes and collects in `flags`. */
#ifndef HVSIM_FP_ENV_H
#define HVSIM_FP_ENV_H

#include <stdbool.h>
#include <stdint.h>

enum fp_rc { FP_NEAREST, FP_DOWN, FP_UP, FP_ZERO, FP_CURRENT /* that of the environment */ };

/* exception flags: bits of MXCSR, and of the x87 status word */
#define FP_IE  0x01u
#define FP_DE  0x02u
#define FP_ZE  0x04u
#define FP_OE  0x08u
#define FP_UE  0x10u
#define FP_PE  0x20u
#define FP_ALL 0x3Fu
#define FP_PRE (FP_IE | FP_DE | FP_ZE) /* the pre-computation exceptions */

struct fp_env {
    uint8_t rc; /* enum fp_rc, never FP_CURRENT */
    bool daz, ftz;
    uint8_t unmasked; /* exceptions that are not masked: when any is, `soft` is set */
    bool soft;        /* every operation takes the portable path */
    bool live;        /* the host's MXCSR stands for this environment */
    bool fma;         /* the host has FMA3 */
    uint8_t flags;    /* raised by portable operations, not yet in MXCSR */
};

struct cpu;

/* Around the run loop: give the host's floating-point units to `cpu`, take them back (the host's defaults return, flags
 * are merged into MXCSR). Not nested. */
void fp_enter(struct cpu *cpu);
void fp_leave(struct cpu *cpu);

/* MXCSR as software sees it; valid inside and outside of the run loop. Setting takes any value that LDMXCSR accepts. */
uint32_t mxcsr_get(struct cpu *cpu);
void mxcsr_set(struct cpu *cpu, uint32_t value);

/* Registers and environment of x87 and vector instructions as RESET leaves them. */
void fp_reset(struct cpu *cpu);

/* The environment of one instruction that needs its own: embedded rounding or suppress-all-exceptions, or to know what
 * it raised. fp_begin() starts with no flags raised; `rc` is FP_CURRENT or a rounding mode; with `sae` every exception
 * is masked. fp_end() returns to the environment before, and gives the flags raised since; they are NOT accrued: the
 * caller raises #XM, or passes them to fp_raise(), or (SAE) drops them. Nothing may leave by longjmp in between. */
struct fp_saved {
    struct fp_env env;
};
void fp_begin(struct fp_env *e, struct fp_saved *saved, enum fp_rc rc, bool sae);
uint32_t fp_end(struct fp_env *e, const struct fp_saved *saved);

/* Accrue flags. */
static inline void fp_raise(struct fp_env *e, uint32_t flags) { e->flags |= (uint8_t)flags; }

/* Of the flags that an instruction raised in all its elements, those that MXCSR gets: an unmasked pre-computation
 * exception keeps the others from being looked for. SDM 1 "Handling Unmasked Exceptions" */
static inline uint32_t fp_reported(const struct fp_env *e, uint32_t raised) {
    return raised & e->unmasked & FP_PRE ? raised & FP_PRE : raised;
}

#endif
