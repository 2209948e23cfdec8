/* Extended processor state: the state components of XCR0 and IA32_XSS, where they lie in an XSAVE area, and the
 * instructions that save and restore them. SDM 1 "Managing State Using the XSAVE Feature Set"; APM 2 "XSAVE/XRSTOR
 * Instructions". */
#ifndef HVSIM_CORE_XSAVE_H
#define HVSIM_CORE_XSAVE_H

#include "sim/core/system.h"

/* State components, by their bit in XCR0 or IA32_XSS */
enum xsave_id {
    XSAVE_X87 = 0,
    XSAVE_SSE = 1,
    XSAVE_AVX = 2, /* YMM_Hi128 */
    XSAVE_BNDREGS = 3,
    XSAVE_BNDCSR = 4,
    XSAVE_OPMASK = 5,
    XSAVE_ZMM_HI256 = 6,
    XSAVE_HI16_ZMM = 7,
    XSAVE_PT = 8,
    XSAVE_PKRU = 9,
    XSAVE_PASID = 10,
    XSAVE_CET_U = 11,
    XSAVE_CET_S = 12,
    XSAVE_HDC = 13,
    XSAVE_UINTR = 14,
    XSAVE_LBR = 15,
    XSAVE_HWP = 16,
    XSAVE_TILECFG = 17,
    XSAVE_TILEDATA = 18,
    XSAVE_IDS
};
#define XSAVE_BIT(id)      (1ull << (id))
#define XSAVE_BITS_AVX512  (XSAVE_BIT(XSAVE_OPMASK) | XSAVE_BIT(XSAVE_ZMM_HI256) | XSAVE_BIT(XSAVE_HI16_ZMM))
#define XSAVE_BITS_MXCSR   (XSAVE_BIT(XSAVE_SSE) | XSAVE_BIT(XSAVE_AVX)) /* standard form: either carries MXCSR */
#define XCOMP_BV_COMPACTED (1ull << 63)
#define XSAVE_MXCSR_AT     24
#define XSAVE_XMM_AT       160
#define XSAVE_HEADER_AT    512
#define XSAVE_HEADER_BYTES 64
#define XSAVE_EXTENDED_AT  576
#define XSAVE_AREA_MAX     4096 /* no area of any model is larger */

struct xsave_component {
    uint8_t features[2];  /* exists when the model has one of these */
    bool supervisor;      /* IA32_XSS, else XCR0 */
    bool align64;         /* compacted format: on a 64-byte boundary */
    bool xfd;             /* IA32_XFD can disable it */
    uint16_t size;        /* bytes in the area; 0: no such component here */
    uint16_t standard[2]; /* offset in the standard format, by enum vendor; 0 for supervisor components */
    uint8_t count[2];     /* parts of vector registers: how many, outside and in 64-bit mode; 0, 0: no such thing */
    uint8_t first;        /* the first register, */
    uint8_t from, bytes;  /* which bytes of each */
    /* else: copy to and from `size` bytes of an area; `in` has passed valid() */
    void (*save)(const struct cpu *cpu, uint8_t *out);
    void (*load)(struct cpu *cpu, const uint8_t *in);
    bool (*valid)(const struct cpu *cpu, const uint8_t *in); /* NULL: every value is */
};
extern const struct xsave_component xsave_components[XSAVE_IDS];

/* What XCR0 and IA32_XSS of this model can hold */
uint64_t xcr0_supported(const struct cpu_model *m);
uint64_t xss_supported(const struct cpu_model *m);
uint64_t xfd_supported(const struct cpu_model *m);
/* May XSETBV write this? */
bool xcr0_valid(const struct cpu_model *m, uint64_t val);

/* Offsets in an area that has the components of `mask`, in the standard format or compacted; returns its size. */
unsigned xsave_layout(const struct cpu_model *m, uint64_t mask, bool compacted, uint16_t at[XSAVE_IDS]);

/* Bytes of a component that the current mode saves and restores: registers 8-15 and 16-31 exist in 64-bit mode only */
unsigned xsave_bytes(const struct cpu *cpu, unsigned id);
/* Copy a component to or from its place in an area. w64: 64-bit x87 pointers. */
void xsave_component_save(const struct cpu *cpu, unsigned id, uint8_t *area, unsigned at, bool w64);
void xsave_component_load(struct cpu *cpu, unsigned id, const uint8_t *area, unsigned at, bool w64);
void xsave_component_init(struct cpu *cpu, unsigned id);
/* XINUSE: exactly those components that are not in their initial configuration */
uint64_t xsave_in_use(const struct cpu *cpu, uint64_t mask);

/* The modified optimization: sim/core/xsave_tracking.c. XRSTOR and XRSTORS, when they have loaded the components of
 * rfbm from the area at la, remember; XSAVEOPT and XSAVES, about to write there, ask what need not be written: the
 * components of `mask` that are known not to have changed. xcomp_bv: 0 for the standard format. */
void xsave_track(struct cpu *cpu, uint64_t la, uint64_t xcomp_bv, uint64_t rfbm, bool w64);
uint64_t xsave_unmodified(struct cpu *cpu, uint64_t la, uint64_t xcomp_bv, uint64_t mask, bool w64);

/* CPUID leaf 0DH; subleaf 1's EAX comes from the feature table */
void xsave_cpuid(const struct cpu *cpu, uint32_t subleaf, struct cpuid_regs *r);

/* ---- the instructions: sim/core/xsave.c; `i` has a memory operand ---- */

enum xsave_kind { XSAVE_STANDARD, XSAVE_OPTIMIZED, XSAVE_COMPACTED, XSAVE_SUPERVISOR };
void xsave_store(struct cpu *cpu, const struct insn *i, enum xsave_kind kind, uint64_t mask, bool w64);
void xsave_restore(struct cpu *cpu, const struct insn *i, bool supervisor, uint64_t mask, bool w64);

/* #NM because IA32_XFD disables these components. SDM 1 "Extended Feature Disable (XFD)" */
_Noreturn void xsave_raise_xfd(struct cpu *cpu, uint64_t components);

/* Bits of MXCSR that this model has: what FXSAVE and XSAVE store as MXCSR_MASK */
uint32_t mxcsr_mask(const struct cpu_model *m);

#endif
