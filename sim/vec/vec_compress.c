/* Compress: the elements that the opmask chooses, to neighbouring places from the lowest on; expand: back. */
#include "sim/vec/vec.h"

static unsigned chosen(const struct vx *x) { return (unsigned)__builtin_popcountll(x->k); }
static uint64_t lowest(unsigned n) { return n < 64 ? (1ull << n) - 1 : ~0ull; }

static void compress(struct cpu *cpu, const struct insn *i, unsigned esz) {
    struct vx *x = &cpu->vx;
    unsigned at = 0, size = 1u << esz;
    for (uint64_t k = x->k; k; k &= k - 1, at += size) memcpy(&x->r.u8[at], &x->b->u8[__builtin_ctzll(k) << esz], size);
    uint64_t filled = lowest(chosen(x));
    if (i->form == FORM_MR)
        vec_store_masked(cpu, i, &x->r, esz, x->bytes >> esz, filled);
    else
        vec_write_masked(cpu, i->reg, &x->r, x->bytes, esz, filled, i->mask & VEC_MASK_ZERO);
}

/* x->k is the opmask, for registers and memory alike; reads no memory */
static void begin(struct cpu *cpu, const struct insn *i, unsigned esz) {
    struct vx *x = &cpu->vx;
    vec_gate(cpu, i);
    x->bytes = 1u << i->size;
    x->k = i->mask & VEC_MASK_REG ? cpu->vec.k[i->mask & VEC_MASK_REG] : ~0ull;
    x->k &= lowest(x->bytes >> esz);
    x->b = &cpu->vec.zmm[i->rm];
}

static void expand(struct cpu *cpu, const struct insn *i, unsigned esz) {
    struct vx *x = &cpu->vx;
    unsigned at = 0, size = 1u << esz;
    if (i->form == FORM_RM) {
        vec_load_masked(cpu, i, &x->m, esz, x->bytes >> esz, lowest(chosen(x)));
        x->b = &x->m;
    }
    for (uint64_t k = x->k; k; k &= k - 1, at += size) memcpy(&x->r.u8[__builtin_ctzll(k) << esz], &x->b->u8[at], size);
    vec_write_masked(cpu, i->reg, &x->r, x->bytes, esz, x->k, i->mask & VEC_MASK_ZERO);
}

#define PAIR(compress_id, expand_id, esz)                                                                              \
    static void op_evex_##compress_id(struct cpu *cpu, const struct insn *i) {                                         \
        begin(cpu, i, esz);                                                                                            \
        compress(cpu, i, esz);                                                                                         \
        NEXT(cpu, i);                                                                                                  \
    }                                                                                                                  \
    static void op_evex_##expand_id(struct cpu *cpu, const struct insn *i) {                                           \
        begin(cpu, i, esz);                                                                                            \
        expand(cpu, i, esz);                                                                                           \
        NEXT(cpu, i);                                                                                                  \
    }
PAIR(VCOMPRESSPS, VEXPANDPS, 2)
PAIR(VCOMPRESSPD, VEXPANDPD, 3)
PAIR(VPCOMPRESSB, VPEXPANDB, 0)
PAIR(VPCOMPRESSW, VPEXPANDW, 1)
PAIR(VPCOMPRESSD, VPEXPANDD, 2)
PAIR(VPCOMPRESSQ, VPEXPANDQ, 3)

// clang-format off
#define ROW_EVEX(id) {INSN_##id, {NULL, NULL, NULL, op_evex_##id}}
static const struct vec_row rows[] = {
    ROW_EVEX(VCOMPRESSPS), ROW_EVEX(VCOMPRESSPD), ROW_EVEX(VPCOMPRESSB), ROW_EVEX(VPCOMPRESSW), ROW_EVEX(VPCOMPRESSD), ROW_EVEX(VPCOMPRESSQ),
    ROW_EVEX(VEXPANDPS), ROW_EVEX(VEXPANDPD), ROW_EVEX(VPEXPANDB), ROW_EVEX(VPEXPANDW), ROW_EVEX(VPEXPANDD), ROW_EVEX(VPEXPANDQ),
};
// clang-format on
VEC_GROUP(vec_group_compress, rows);
