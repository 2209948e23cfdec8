/* Integer sums, differences, averages, extremes, absolute values and signs. SDM 2 "PADDB", "PSUBSB", "PAVGB",
 * "PMAXSB", "PABSB", "PSIGNB" and their neighbours; APM 5 "PAVGUSB". */
#include "sim/vec/vec_hot.h"
#include "sim/vec/vec_int.h"

#define KERNELS(bits)                                                                                                  \
    INT_BINARY(add##bits, u, bits, a + b)                                                                              \
    INT_BINARY(sub##bits, u, bits, a - b)                                                                              \
    INT_BINARY(mins##bits, i, bits, a < b ? a : b)                                                                     \
    INT_BINARY(maxs##bits, i, bits, a > b ? a : b)                                                                     \
    INT_BINARY(minu##bits, u, bits, a < b ? a : b)                                                                     \
    INT_BINARY(maxu##bits, u, bits, a > b ? a : b)                                                                     \
    INT_UNARY(abs##bits, u, bits, b >> (bits - 1) ? 0u - b : b)
INT_BWDQ(KERNELS)
#undef KERNELS

#define KERNELS(bits)                                                                                                  \
    INT_BINARY(addus##bits, u, bits, (uint##bits##_t)(a + b) < a ? UINT##bits##_MAX : a + b)                           \
    INT_BINARY(subus##bits, u, bits, a > b ? a - b : 0)                                                                \
    INT_BINARY(adds##bits, i, bits,                                                                                    \
               a + b > INT##bits##_MAX   ? INT##bits##_MAX                                                             \
               : a + b < INT##bits##_MIN ? INT##bits##_MIN                                                             \
                                         : a + b)                                                                      \
    INT_BINARY(subs##bits, i, bits,                                                                                    \
               a - b > INT##bits##_MAX   ? INT##bits##_MAX                                                             \
               : a - b < INT##bits##_MIN ? INT##bits##_MIN                                                             \
                                         : a - b)                                                                      \
    INT_BINARY(avg##bits, u, bits, (a + b + 1) >> 1)
INT_BW(KERNELS)
#undef KERNELS

#define KERNELS(bits) INT_BINARY(sign##bits, u, bits, b >> (bits - 1) ? 0u - a : b ? a : 0u)
INT_BWD(KERNELS)
#undef KERNELS

// clang-format off
#define ROWS(MS, S, V, M, X, E)                                                                                        \
    MS(PADDB, k_add8, V_E(8)) MS(PADDW, k_add16, V_E(16)) MS(PADDD, k_add32, V_E(32)) MS(PADDQ, k_add64, V_E(64))      \
    MS(PSUBB, k_sub8, V_E(8)) MS(PSUBW, k_sub16, V_E(16)) MS(PSUBD, k_sub32, V_E(32)) MS(PSUBQ, k_sub64, V_E(64))      \
    MS(PADDUSB, k_addus8, V_E(8)) MS(PADDUSW, k_addus16, V_E(16))                                                      \
    MS(PADDSB, k_adds8, V_E(8)) MS(PADDSW, k_adds16, V_E(16))                                                          \
    MS(PSUBUSB, k_subus8, V_E(8)) MS(PSUBUSW, k_subus16, V_E(16))                                                      \
    MS(PSUBSB, k_subs8, V_E(8)) MS(PSUBSW, k_subs16, V_E(16))                                                          \
    MS(PAVGB, k_avg8, V_E(8)) MS(PAVGW, k_avg16, V_E(16)) M(PAVGUSB, k_avg8, V_E(8))                                   \
    MS(PMINUB, k_minu8, V_E(8)) MS(PMAXUB, k_maxu8, V_E(8)) MS(PMINSW, k_mins16, V_E(16)) MS(PMAXSW, k_maxs16, V_E(16)) \
    S(PMINSB, k_mins8, V_E(8)) S(PMAXSB, k_maxs8, V_E(8)) S(PMINUW, k_minu16, V_E(16)) S(PMAXUW, k_maxu16, V_E(16))    \
    S(PMINSD, k_mins32, V_E(32)) S(PMAXSD, k_maxs32, V_E(32)) S(PMINUD, k_minu32, V_E(32))                             \
    S(PMAXUD, k_maxu32, V_E(32))                                                                                       \
    MS(PABSB, k_abs8, V_E(8)) MS(PABSW, k_abs16, V_E(16)) MS(PABSD, k_abs32, V_E(32))                                  \
    MS(PSIGNB, k_sign8, V_E(8)) MS(PSIGNW, k_sign16, V_E(16)) MS(PSIGND, k_sign32, V_E(32))                            \
    V(VPADDB, k_add8, V_E(8)) V(VPADDW, k_add16, V_E(16)) V(VPADDD, k_add32, V_E(32)) V(VPADDQ, k_add64, V_E(64))      \
    V(VPSUBB, k_sub8, V_E(8)) V(VPSUBW, k_sub16, V_E(16)) V(VPSUBD, k_sub32, V_E(32)) V(VPSUBQ, k_sub64, V_E(64))      \
    V(VPADDUSB, k_addus8, V_E(8)) V(VPADDUSW, k_addus16, V_E(16))                                                      \
    V(VPADDSB, k_adds8, V_E(8)) V(VPADDSW, k_adds16, V_E(16))                                                          \
    V(VPSUBUSB, k_subus8, V_E(8)) V(VPSUBUSW, k_subus16, V_E(16))                                                      \
    V(VPSUBSB, k_subs8, V_E(8)) V(VPSUBSW, k_subs16, V_E(16))                                                          \
    V(VPAVGB, k_avg8, V_E(8)) V(VPAVGW, k_avg16, V_E(16))                                                              \
    V(VPMINSB, k_mins8, V_E(8)) V(VPMINSW, k_mins16, V_E(16)) V(VPMINSD, k_mins32, V_E(32)) E(VPMINSQ, k_mins64, V_E(64)) \
    V(VPMAXSB, k_maxs8, V_E(8)) V(VPMAXSW, k_maxs16, V_E(16)) V(VPMAXSD, k_maxs32, V_E(32)) E(VPMAXSQ, k_maxs64, V_E(64)) \
    V(VPMINUB, k_minu8, V_E(8)) V(VPMINUW, k_minu16, V_E(16)) V(VPMINUD, k_minu32, V_E(32)) E(VPMINUQ, k_minu64, V_E(64)) \
    V(VPMAXUB, k_maxu8, V_E(8)) V(VPMAXUW, k_maxu16, V_E(16)) V(VPMAXUD, k_maxu32, V_E(32)) E(VPMAXUQ, k_maxu64, V_E(64)) \
    V(VPABSB, k_abs8, V_E(8)) V(VPABSW, k_abs16, V_E(16)) V(VPABSD, k_abs32, V_E(32)) E(VPABSQ, k_abs64, V_E(64))      \
    X(VPSIGNB, k_sign8, V_E(8)) X(VPSIGNW, k_sign16, V_E(16)) X(VPSIGND, k_sign32, V_E(32))
// clang-format on
VEC_TABLE(vec_group_int, ROWS);

/* ---- hot forms ---- */

// clang-format off
#define HOT(X)                                                                                                         \
    X(PADDB, c_add8) X(PADDW, c_add16) X(PADDD, c_add32) X(PADDQ, c_add64)                                             \
    X(PSUBB, c_sub8) X(PSUBW, c_sub16) X(PSUBD, c_sub32) X(PSUBQ, c_sub64)                                             \
    X(PMINUB, c_minu8) X(PMAXUB, c_maxu8) X(PMINSW, c_mins16) X(PMAXSW, c_maxs16)
// clang-format on
VEC_HOT_INT(vec_hot_int, HOT);
