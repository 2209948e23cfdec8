/* The portable x87 arithmetic behind f80.h, where the contract is. */
#ifndef HVSIM_FP_SOFT_F80_H
#define HVSIM_FP_SOFT_F80_H

#include "sim/core/fpstate.h"
#include "sim/fp/soft.h"

void soft_f80_add(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b);
void soft_f80_sub(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b);
void soft_f80_mul(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b);
void soft_f80_div(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b);
void soft_f80_sqrt(struct fpu_regs *f, struct f80 *d, const struct f80 *a);
void soft_f80_round(struct fpu_regs *f, struct f80 *d, const struct f80 *a);
void soft_f80_scale(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b);
void soft_f80_prem(struct fpu_regs *f, struct f80 *d, const struct f80 *a, const struct f80 *b, bool ieee);
void soft_f80_compare(struct fpu_regs *f, const struct f80 *a, const struct f80 *b, bool quiet);
void soft_f80_from_f32(struct fpu_regs *f, struct f80 *d, uint32_t a);
void soft_f80_from_f64(struct fpu_regs *f, struct f80 *d, uint64_t a);
uint32_t soft_f80_to_f32(struct fpu_regs *f, const struct f80 *a);
uint64_t soft_f80_to_f64(struct fpu_regs *f, const struct f80 *a);
int64_t soft_f80_to_int(struct fpu_regs *f, const struct f80 *a, unsigned bits, bool truncate);
void soft_f80_f2xm1(struct fpu_regs *f, struct f80 *d, const struct f80 *x);
void soft_f80_fsin(struct fpu_regs *f, struct f80 *d, const struct f80 *x);
void soft_f80_fcos(struct fpu_regs *f, struct f80 *d, const struct f80 *x);
void soft_f80_fyl2x(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y);
void soft_f80_fyl2xp1(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y);
void soft_f80_fpatan(struct fpu_regs *f, struct f80 *d, const struct f80 *x, const struct f80 *y);
void soft_f80_fsincos(struct fpu_regs *f, struct f80 *sin, struct f80 *cos, const struct f80 *x);
void soft_f80_fptan(struct fpu_regs *f, struct f80 *tan, struct f80 *pushed, const struct f80 *x);

#endif
