/* FXSAVE and FXRSTOR. SDM 2 "FXSAVE", "FXRSTOR"; APM 2 "FXSAVE and FXRSTOR Instructions". */
#include <string.h>

#include "sim/core/system.h"
#include "sim/core/xsave.h"
#include "sim/fp/env.h"
#include "sim/x87/image.h"
#include "sim/x87/x87.h"

#define ALIGNMENT 16

/* MXCSR and the XMM registers take part: CR4.OSFXSR. */
static bool has_sse_part(const struct cpu *cpu) { return cpu->ctl.cr4 & CR4_OSFXSR; }
/* APM 2, "Extended Feature Enable Register (EFER)": with FFXSR, not the XMM registers at CPL 0 in 64-bit mode. */
static unsigned xmm_count(const struct cpu *cpu) {
    if (!has_sse_part(cpu) || ((cpu->ctl.efer & EFER_FFXSR) && cpu_is_64(cpu) && cpu->cpl == 0)) return 0;
    return cpu_is_64(cpu) ? 16 : 8;
}

/* Of two pages that are not present, the one with the last byte is reported: left to the processor. */
static uint64_t last_byte(const struct cpu *cpu, uint64_t la) {
    return cpu_is_64(cpu) ? la + X87_IMAGE_SIZE - 1 : (uint32_t)(la + X87_IMAGE_SIZE - 1);
}

static uint64_t begin(struct cpu *cpu, const struct insn *i, unsigned access) {
    cpu->cur = i;
    if (cpu->denied & GATE_FXSR) cpu_raise_denied(cpu, GATE_FXSR);
    const uint64_t la = ea_linear(cpu, i, X87_IMAGE_SIZE, access);
    if (la & (ALIGNMENT - 1)) mem_misaligned(cpu, i, la);
    mem_probe(cpu, i, last_byte(cpu, la), 1, access);
    return la;
}

/* What is not written keeps what memory holds. */
static X87_FN void fxsave(struct cpu *cpu, const struct insn *i, bool w64) {
    uint8_t image[X87_IMAGE_SIZE];
    const uint64_t la = begin(cpu, i, MEM_WRITE);
    mem_read_bytes(cpu, la, image, sizeof image, MEM_RMW);
    x87_image_save(cpu, image, w64);
    if (has_sse_part(cpu)) {
        st32(image + X87_IMAGE_MXCSR, mxcsr_get(cpu));
        st32(image + X87_IMAGE_MXCSR + 4, mxcsr_mask(cpu->model));
    }
    for (unsigned n = 0; n < xmm_count(cpu); n++) memcpy(image + X87_IMAGE_XMM + 16 * n, &cpu->vec.zmm[n], 16);
    mem_write_bytes(cpu, la, image, sizeof image, MEM_WRITE);
    cpu->cur = NULL;
}

static X87_FN void fxrstor(struct cpu *cpu, const struct insn *i, bool w64) {
    uint8_t image[X87_IMAGE_SIZE];
    const uint64_t la = begin(cpu, i, MEM_READ);
    mem_read_bytes(cpu, la, image, sizeof image, MEM_READ);
    const uint32_t mxcsr = ld32(image + X87_IMAGE_MXCSR);
    if (has_sse_part(cpu)) {
        if (mxcsr & ~mxcsr_mask(cpu->model)) cpu_gp0(cpu);
        mxcsr_set(cpu, mxcsr);
    }
    x87_image_load(cpu, image, w64);
    for (unsigned n = 0; n < xmm_count(cpu); n++) memcpy(&cpu->vec.zmm[n], image + X87_IMAGE_XMM + 16 * n, 16);
    cpu->cur = NULL;
}

OPFN op_fxsave(struct cpu *cpu, const struct insn *i) {
    fxsave(cpu, i, false);
    NEXT(cpu, i);
}
OPFN op_fxsave64(struct cpu *cpu, const struct insn *i) {
    fxsave(cpu, i, true);
    NEXT(cpu, i);
}
OPFN op_fxrstor(struct cpu *cpu, const struct insn *i) {
    fxrstor(cpu, i, false);
    NEXT(cpu, i);
}
OPFN op_fxrstor64(struct cpu *cpu, const struct insn *i) {
    fxrstor(cpu, i, true);
    NEXT(cpu, i);
}

static const struct op_forms rows[] = {
    ROW_ANY(FXSAVE, M, op_fxsave),
    ROW_ANY(FXSAVE64, M, op_fxsave64),
    ROW_ANY(FXRSTOR, M, op_fxrstor),
    ROW_ANY(FXRSTOR64, M, op_fxrstor64),
};
OP_GROUP(op_group_fxsave, rows);
