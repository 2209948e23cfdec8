/* String comparison. SDM 1 "Imm8 Control Byte Operation for PCMPESTRI/PCMPESTRM/PCMPISTRI/PCMPISTRM"; SDM 2
 * "PCMPESTRI". */
#include "sim/vec/vec_int.h"

enum { /* the immediate */
       STR_WORDS = 1 << 0,
       STR_SIGNED = 1 << 1,
       STR_AGGREGATION = 3 << 2,
       STR_EQUAL_ANY = 0 << 2,
       STR_RANGES = 1 << 2,
       STR_EQUAL_EACH = 2 << 2,
       STR_EQUAL_ORDERED = 3 << 2,
       STR_NEGATIVE = 1 << 4,
       STR_MASKED = 1 << 5,
       STR_HIGH = 1 << 6, /* the last index; a mask of elements rather than bits */
};

struct str {
    int32_t v[16];
    unsigned valid; /* how many elements are part of the string */
};

static unsigned elements_of(unsigned imm) { return imm & STR_WORDS ? 8 : 16; }

static void unpack(struct str *s, const union vec *v, unsigned imm) {
    for (unsigned j = 0; j < elements_of(imm); j++)
        s->v[j] = imm & STR_WORDS ? imm & STR_SIGNED ? v->i16[j] : v->u16[j] : imm & STR_SIGNED ? v->i8[j] : v->u8[j];
}
/* Up to the first null */
static void implicit_length(struct str *s, unsigned imm) {
    for (s->valid = 0; s->valid < elements_of(imm) && s->v[s->valid]; s->valid++) {
    }
}
/* The absolute value of a register, no more than fit */
static void explicit_length(struct str *s, unsigned imm, int64_t length) {
    const uint64_t n = length < 0 ? 0 - (uint64_t)length : (uint64_t)length;
    s->valid = n < elements_of(imm) ? (unsigned)n : elements_of(imm);
}

/* IntRes1 for element j of the second operand */
static bool matches(const struct str *a, const struct str *b, unsigned imm, unsigned j) {
    const unsigned n = elements_of(imm);
    const bool in_b = j < b->valid;
    switch (imm & STR_AGGREGATION) {
    case STR_EQUAL_ANY:
        for (unsigned i = 0; i < a->valid; i++)
            if (in_b && a->v[i] == b->v[j]) return true;
        return false;
    case STR_RANGES:
        for (unsigned i = 0; i + 1 < a->valid; i += 2)
            if (in_b && a->v[i] <= b->v[j] && b->v[j] <= a->v[i + 1]) return true;
        return false;
    case STR_EQUAL_EACH:
        return j < a->valid && in_b ? a->v[j] == b->v[j] : j >= a->valid && !in_b;
    default: /* the first operand is found at j, as far as the second is seen */
        for (unsigned i = 0; i < a->valid && i + j < n; i++)
            if (i + j >= b->valid || a->v[i] != b->v[i + j]) return false;
        return true;
    }
}

/* IntRes2 */
static unsigned compare(const struct str *a, const struct str *b, unsigned imm) {
    const unsigned n = elements_of(imm), all = (1u << n) - 1, valid = (1u << b->valid) - 1;
    unsigned res = 0;
    for (unsigned j = 0; j < n; j++) res |= (unsigned)matches(a, b, imm, j) << j;
    if (imm & STR_NEGATIVE) res ^= imm & STR_MASKED ? valid : all;
    return res;
}

static void put_index(struct cpu *cpu, unsigned imm, unsigned res) {
    unsigned index = elements_of(imm);
    if (res) index = imm & STR_HIGH ? 31 - (unsigned)__builtin_clz(res) : (unsigned)__builtin_ctz(res);
    cpu->gpr[RCX] = index;
}
static void put_mask(struct cpu *cpu, const struct insn *i, unsigned imm, unsigned res) {
    union vec *d = &cpu->vec.zmm[0];
    d->u64[0] = d->u64[1] = 0;
    if (!(imm & STR_HIGH))
        d->u64[0] = res;
    else
        for (unsigned j = 0; j < elements_of(imm); j++) {
            if (imm & STR_WORDS)
                d->i16[j] = (int16_t) - (res >> j & 1);
            else
                d->i8[j] = (int8_t) - (res >> j & 1);
        }
    if (i->venc & VEC_VEX) vec_clear_above(cpu, 0, 16);
}

static void string(struct cpu *cpu, const struct insn *i, bool lengths, bool to_mask) {
    struct str a, b;
    union vec m;
    const unsigned imm = i->imm8;

    vec_gate(cpu, i);
    if (i->form == FORM_RM)
        vec_load(cpu, i, &m, 16);
    else
        m = cpu->vec.zmm[i->rm & 31];
    unpack(&a, &cpu->vec.zmm[i->reg & 31], imm);
    unpack(&b, &m, imm);
    if (lengths) {
        const bool wide = i->venc & VEC_W;
        explicit_length(&a, imm, wide ? (int64_t)cpu->gpr[RAX] : (int32_t)cpu->gpr[RAX]);
        explicit_length(&b, imm, wide ? (int64_t)cpu->gpr[RDX] : (int32_t)cpu->gpr[RDX]);
    } else {
        implicit_length(&a, imm);
        implicit_length(&b, imm);
    }

    const unsigned res = compare(&a, &b, imm), n = elements_of(imm);
    if (to_mask)
        put_mask(cpu, i, imm, res);
    else
        put_index(cpu, imm, res);
    flags_set_arith(cpu, (res ? FLAG_CF : 0) | (b.valid < n ? FLAG_ZF : 0) | (a.valid < n ? FLAG_SF : 0) |
                             (res & 1 ? FLAG_OF : 0));
}

#define OP_STRING(id, lengths, to_mask)                                                                                \
    static void op_##id(struct cpu *cpu, const struct insn *i) {                                                       \
        string(cpu, i, lengths, to_mask);                                                                              \
        NEXT(cpu, i);                                                                                                  \
    }
OP_STRING(PCMPESTRI, true, false)
OP_STRING(PCMPESTRM, true, true)
OP_STRING(PCMPISTRI, false, false)
OP_STRING(PCMPISTRM, false, true)

// clang-format off
#define BOTH(id) {INSN_##id, {NULL, op_##id, NULL, NULL}}, {INSN_V##id, {NULL, NULL, op_##id, NULL}}
static const struct vec_row rows_of_strings[] = {BOTH(PCMPESTRI), BOTH(PCMPESTRM), BOTH(PCMPISTRI), BOTH(PCMPISTRM)};
// clang-format on
VEC_GROUP(vec_group_string, rows_of_strings);
