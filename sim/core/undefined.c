/* Why an instruction is #UD, for people: the CPUID feature that the model lacks, the control-register bit, the mode. */
#include "decoder/decoder.h"
#include "sim/core/block.h"
#include "sim/core/model.h"

#define WORDS ((FEAT_COUNT + 63) / 64)

/* A feature is needed when the bytes are no instruction of a processor that has every other one. */
static bool needs(const struct cpu *cpu, const uint8_t *bytes, unsigned count, enum feature f) {
    struct decode_features d = *block_features(cpu->machine);
    uint64_t set[WORDS];
    struct insn i;
    for (unsigned k = 0; k < WORDS; k++) set[k] = ~0ull;
    set[f / 64] &= ~(1ull << (f % 64));
    d.cpu = set;
    return decode(bytes, count, cpu->mode, 0, &d, &i) != DECODE_OK;
}

static void missing_features(const struct cpu *cpu, const uint8_t *bytes, unsigned count, FILE *out) {
    unsigned n = 0;
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++) {
        if (model_has(cpu->model, (enum feature)f) || !needs(cpu, bytes, count, (enum feature)f)) continue;
        fprintf(out, "%s%s", n++ ? ", " : "", feature_rows[f].name);
    }
    if (!n) fprintf(out, "sse or mmxext"); /* of instructions on MMX registers either will do */
}

/* The gate that a body or a vector function asks */
static enum gate gate_of(const struct insn *i) {
    if (i->id >= INSN_VEC_FIRST) return (enum gate)(i->venc & (VEC_SSE | VEC_VEX | VEC_EVEX | VEC_MMX));
    if (i->id >= INSN_XSAVE && i->id <= INSN_XRSTORS64) return GATE_XSAVE;
    if (i->id == INSN_LDMXCSR || i->id == INSN_STMXCSR) return GATE_SSE;
    return i->id == INSN_VLDMXCSR || i->id == INSN_VSTMXCSR ? GATE_AVX : (enum gate)0;
}

static const char *cr4_name(uint32_t bit) {
    switch (bit) {
    case CR4_FSGSBASE:
        return "FSGSBASE";
    case CR4_OSXSAVE:
        return "OSXSAVE";
    case CR4_PKE:
        return "PKE";
    default:
        return "CET";
    }
}

static void explain(struct cpu *cpu, const struct insn *i, FILE *out) {
    const struct insn_row *row = &insn_rows[i->id];
    const char *mode = insn_wrong_mode(row, cpu);
    const uint32_t cr4 = insn_cr4((enum insn_id)i->id) & ~(uint32_t)cpu->ctl.cr4;
    if (!model_has(cpu->model, (enum feature)row->feature))
        fprintf(out, "; %s needs CPUID feature %s", row->name, feature_rows[row->feature].name);
    else if (mode)
        fprintf(out, "; %s: %s", row->name, mode);
    else if (cr4)
        fprintf(out, "; %s: CR4.%s is 0", row->name, cr4_name(cr4));
    else if (cpu->denied & gate_of(i)) {
        fprintf(out, "; %s: ", row->name);
        cpu_explain_denied(cpu, gate_of(i), out);
    }
}

void insn_explain_undefined(struct cpu *cpu, const uint8_t *bytes, unsigned count, FILE *out) {
    const struct decode_features *own = block_features(cpu->machine);
    struct decode_features all = *own;
    struct insn i;
    if (decode(bytes, count, cpu->mode, 0, own, &i) == DECODE_OK) {
        explain(cpu, &i, out);
        return;
    }
    all.cpu = NULL;
    if (decode(bytes, count, cpu->mode, 0, &all, &i) != DECODE_OK) {
        fprintf(out, "; no instruction in this mode");
        return;
    }
    fprintf(out, "; %s needs CPUID feature ", insn_rows[i.id].name);
    missing_features(cpu, bytes, count, out);
}
