/* The portable arithmetic: one implementation on plain integers for all binary formats. Callers use fp.h and f80.h. */
#ifndef HVSIM_FP_SOFT_H
#define HVSIM_FP_SOFT_H

#include "sim/fp/env.h"

enum fp_format { FP16, BF16, FP32, FP64 };

enum fp_less { FP_EQUAL, FP_LESS, FP_GREATER, FP_UNORDERED };

/* Operands and results are bit patterns in the low bits. */
uint64_t soft_add(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_sub(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_mul(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_div(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_min(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_max(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_sqrt(struct fp_env *e, enum fp_format f, uint64_t a);
uint64_t soft_fma(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, uint64_t c, bool neg_product,
                  bool neg_addend);
bool soft_cmp(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, unsigned predicate);
enum fp_less soft_order(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, bool quiet);
uint64_t soft_round(struct fp_env *e, enum fp_format f, uint64_t a, enum fp_rc rc, bool suppress_inexact,
                    unsigned scale);

/* To a signed or unsigned integer of `bits` (16, 32, 64), zero-extended: the integer indefinite when it does not fit.
 */
uint64_t soft_to_int(struct fp_env *e, enum fp_format f, uint64_t a, enum fp_rc rc, unsigned bits, bool is_signed);
uint64_t soft_from_int(struct fp_env *e, enum fp_format f, uint64_t a, bool is_signed);
uint64_t soft_convert(struct fp_env *e, enum fp_format to, enum fp_format from, uint64_t a);
uint32_t soft_f16c_widen(struct fp_env *e, uint16_t a);
uint16_t soft_f16c_narrow(struct fp_env *e, uint32_t a, enum fp_rc rc);
uint16_t soft_bf16_narrow(uint32_t a);
uint32_t soft_dpbf16(uint32_t acc, uint32_t a, uint32_t b);

uint64_t soft_scalef(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b);
uint64_t soft_getexp(struct fp_env *e, enum fp_format f, uint64_t a);
uint64_t soft_getmant(struct fp_env *e, enum fp_format f, uint64_t a, unsigned imm);
uint64_t soft_range(struct fp_env *e, enum fp_format f, uint64_t a, uint64_t b, unsigned imm);
uint64_t soft_reduce(struct fp_env *e, enum fp_format f, uint64_t a, unsigned imm);
uint64_t soft_fixupimm(struct fp_env *e, enum fp_format f, uint64_t dst, uint64_t src, uint64_t table, unsigned imm);

#endif
