/* Floating point by the host's own units, on x86-64 hosts: the only file that knows the host. The portable code in
 * sim/fp/soft*.c gives the same bits. Elsewhere, or with -DFP_PORTABLE, only the macros remain, which then are empty.
 *
 * Inline assembly, so that the compiler neither folds nor commutes operations: the order of the operands decides which
 * NaN is the result, and the exception flags are results too. */
#ifndef HVSIM_FP_HOST_X86_H
#define HVSIM_FP_HOST_X86_H

#include "sim/core/fpstate.h"
#include "sim/fp/soft.h"

static inline bool host_present(void) { return false; }
static inline bool host_has_fma(void) { return false; }
static inline void host_mxcsr_load(unsigned rc, bool daz, bool ftz) { (void)rc, (void)daz, (void)ftz; }
static inline uint32_t host_mxcsr_flags(void) { return 0; }
static inline void host_x87_reset(void) {}

#define FP_HOST(e, expr)
#define FP_HOST_VOID(e, expr)
#define FP_HOST_FMA(e, expr)
#define FP_HOST_FMA_VOID(e, expr)
#define FP_HOST_CMP(e, predicate, expr)
#define FP_HOST_TO_I16(e, N, a, truncate)
#define FP_HOST_TO_I32(e, N, a, truncate)
#define FP_HOST_TO_I64(e, N, a, truncate)
#define FP_HOST_FROM_I16(e, N, a)
#define FP_HOST_FROM_I32(e, N, a)
#define FP_HOST_FROM_I64(e, N, a)
#define F80_HOST(f, expr)
#define F80_HOST_VALUE(f, expr)

#endif
