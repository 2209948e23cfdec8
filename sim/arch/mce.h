/* Machine-check architecture: the bits of its MSRs. SDM 3 "Machine-Check Architecture"; APM 2 "Machine Check
 * Architecture". */
#ifndef HVSIM_ARCH_MCE_H
#define HVSIM_ARCH_MCE_H

/* IA32_MCG_CAP */
#define MCG_CAP_COUNT  0xFFu
#define MCG_CAP_CTL_P  (1u << 8)
#define MCG_CAP_CMCI_P (1u << 10)
#define MCG_CAP_TES_P  (1u << 11)
#define MCG_CAP_SER_P  (1u << 24)

/* IA32_MCG_STATUS */
#define MCG_STATUS_RIPV (1u << 0)
#define MCG_STATUS_EIPV (1u << 1)
#define MCG_STATUS_MCIP (1u << 2)

/* IA32_MCi_STATUS */
#define MC_STATUS_COUNT_SHIFT 38 /* corrected errors, where CMCI exists */
#define MC_STATUS_COUNT_MAX   0x7FFFu
#define MC_STATUS_S           (1ull << 56) /* with SER_P: signalled by #MC */
#define MC_STATUS_PCC         (1ull << 57)
#define MC_STATUS_ADDRV       (1ull << 58)
#define MC_STATUS_MISCV       (1ull << 59)
#define MC_STATUS_EN          (1ull << 60)
#define MC_STATUS_UC          (1ull << 61)
#define MC_STATUS_OVER        (1ull << 62)
#define MC_STATUS_VAL         (1ull << 63)

/* IA32_MCi_CTL2 */
#define MC_CTL2_THRESHOLD 0x7FFFu
#define MC_CTL2_CMCI_EN   (1u << 30)

#endif
