/* Approximations of reciprocals and of reciprocal square roots, on bit patterns: see approx.c. No rounding mode, no
 * exceptions. The 12-bit ones (RCPPS, RSQRTPS) take denormals for zeros and give no denormals. */
#ifndef HVSIM_FP_APPROX_H
#define HVSIM_FP_APPROX_H

#include <stdbool.h>
#include <stdint.h>

uint32_t fp32_rcp12(uint32_t a);
uint32_t fp32_rsqrt12(uint32_t a);
/* VRCP14, VRSQRT14: denormals are taken for zeros under DAZ, tiny results become 0 under FTZ */
uint32_t fp32_rcp14(uint32_t a, bool daz, bool ftz);
uint64_t fp64_rcp14(uint64_t a, bool daz, bool ftz);
uint32_t fp32_rsqrt14(uint32_t a, bool daz);
uint64_t fp64_rsqrt14(uint64_t a, bool daz);

#endif
