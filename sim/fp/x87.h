/* What the portable x87 operations share; private to sim/fp. `n` are the operands, one or two. */
#ifndef HVSIM_FP_X87_H
#define HVSIM_FP_X87_H

#include "sim/fp/f80.h"
#include "sim/fp/number.h"

/* Accrue exceptions: is there still a result, or is one of the pre-computation exceptions unmasked? */
bool x87_raise(struct fpu_regs *f, unsigned flags);
/* NaN and unsupported operands: true when the operation is done with them. */
bool x87_special(struct fpu_regs *f, struct f80 *d, const struct number *n, unsigned count);
/* The end of an operation: what number_*() said, denormal operands, rounding (under precision control or not). */
void x87_finish(struct fpu_regs *f, struct f80 *d, unsigned raised, const struct number *n, unsigned count,
                struct number *r, bool controlled);
struct rounding x87_rounding(const struct fpu_regs *f, bool controlled);
struct f80 x87_pack(struct fpu_regs *f, const struct number *n, bool controlled);

#endif
