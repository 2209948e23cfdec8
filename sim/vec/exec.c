/* The steps of a vector instruction before and after its kernel, one of each per encoding. */
#include "sim/fp/fp.h"
#include "sim/vec/vec.h"
#include "sim/x87/mmx.h"

void vec_denied(struct cpu *cpu, const struct insn *i) {
    cpu->cur = i;
    cpu_raise_denied(cpu, (enum gate)(i->venc & (VEC_MMX | VEC_SSE | VEC_VEX | VEC_EVEX)));
}

/* ---- operands ---- */

static unsigned source_log2(uint32_t desc) { return (desc & V_SSZ) >> 2; }

/* Bytes of the memory operand when nothing is broadcast. */
static inline unsigned mem_bytes(const struct vx *x, uint32_t desc) {
    switch (desc & V_MEM) {
    case V_MEM_FULL:
        return x->bytes;
    case V_MEM_HALF:
        return x->bytes / 2;
    case V_MEM_QUARTER:
        return x->bytes / 4;
    case V_MEM_EIGHTH:
        return x->bytes / 8;
    case V_MEM_SCALAR:
        return 1u << source_log2(desc);
    case V_MEM_16:
        return 16;
    case V_MEM_32:
        return 32;
    case V_MEM_8:
        return 8;
    case V_MEM_4:
        return 4;
    case V_MEM_2:
        return 2;
    case V_MEM_W:
        return x->wide ? 8 : 4;
    default:
        return 1;
    }
}

static uint64_t gpr_of(struct cpu *cpu, const struct insn *i) {
    return i->venc & VEC_W ? *cpu_r64(cpu, i->rm) : *cpu_r32(cpu, i->rm);
}

/* rm, which is no vector register */
static __attribute__((noinline)) void other_source(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    if ((desc & V_SRC) == V_SRC_GPR) {
        x->g = gpr_of(cpu, i);
    } else if ((desc & V_SRC) == V_SRC_K) {
        x->g = cpu->vec.k[i->rm & 7];
    } else {
        x->m.u64[0] = mmx_read(cpu, i->rm);
        x->m.u64[1] = 0;
        x->b = &x->m;
    }
}

/* A memory operand that stands for a general or opmask register */
static void other_memory(struct vx *x) { x->g = x->m.u64[0]; }

static inline void load_source(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    unsigned size = mem_bytes(x, desc);
    if (size < 16) x->m.u64[0] = x->m.u64[1] = 0;
    vec_load(cpu, i, &x->m, size);
    x->b = &x->m;
    if (desc & V_SRC) other_memory(x);
}

/* Sources common to all encodings but MMX; not yet memory */
static inline void begin(struct cpu *cpu, const struct insn *i, unsigned bytes) {
    struct vx *x = &cpu->vx;
    x->bytes = bytes;
    x->lane = 16;
    x->imm = i->imm8;
    x->wide = i->venc & VEC_W;
    x->k = ~0ull;
    x->fp_own = x->sae = false;
    x->a = &cpu->vec.zmm[i->vreg & 31];
    x->b = &cpu->vec.zmm[i->rm & 31];
    x->c = &cpu->vec.zmm[i->imm8b & 31];
}

/* Memory is the last source of three, or the first of two. */
static __attribute__((noinline)) void swap_sources(struct vx *x, uint32_t desc) {
    const union vec *reg = x->c;
    if (desc & V_MEM_FIRST)
        x->a = x->b;
    else
        x->c = x->b;
    x->b = reg;
}

/* ---- floating point ---- */

static inline bool rounds_itself(const struct insn *i) { return (i->mask & VEC_MASK_B) && i->form == FORM_RR; }

static __attribute__((noinline)) void own_environment(struct cpu *cpu, const struct insn *i, bool embedded) {
    struct vx *x = &cpu->vx;
    x->fp_own = true;
    x->sae = embedded;
    fp_begin(&cpu->vec.env, &x->fp, embedded && !(i->mask & VEC_MASK_SAE) ? (enum fp_rc)(i->mask >> 5 & 3) : FP_CURRENT,
             embedded);
}

/* An MMX register is read or written by an instruction on XMM registers. */
static inline bool meets_mmx(const struct insn *i, uint32_t desc) {
    return (desc & V_TO) == V_TO_MMX || ((desc & V_SRC) == V_SRC_MMX && i->form == FORM_RR);
}

/* The store of a result must not fault once exceptions have been raised. */
static __attribute__((noinline)) void probe_store(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    unsigned log2 = desc & V_ESZ;
    vec_probe_masked(cpu, i, log2, mem_bytes(&cpu->vx, desc) >> log2, cpu->vx.k);
}

static inline void begin_fp(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    if (!(desc & V_FP)) return;
    if (unlikely(i->form == FORM_MR)) probe_store(cpu, i, desc);
    if (unlikely(meets_mmx(i, desc))) mmx_touch(cpu); /* an exception does not undo the transition */
    if (unlikely(rounds_itself(i)))
        own_environment(cpu, i, true);
    else if (unlikely(cpu->vec.env.soft))
        own_environment(cpu, i, false);
}

/* SDM 1 "SIMD Floating-Point Exceptions"; without CR4.OSXMMEXCPT it is #UD. */
static __attribute__((noinline)) void end_fp_own(struct cpu *cpu, const struct insn *i) {
    struct vx *x = &cpu->vx;
    struct fp_env *e = &cpu->vec.env;
    uint32_t raised = fp_end(e, &x->fp);
    x->fp_own = false;
    if (x->sae) return;
    raised = fp_reported(e, raised);
    fp_raise(e, raised);
    if (raised & e->unmasked) op_raise(cpu, i, cpu->ctl.cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

static inline void end_fp(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    if ((desc & V_FP) && unlikely(cpu->vx.fp_own)) end_fp_own(cpu, i);
}

/* ---- SSE ---- */

/* What is quick about most instructions: between registers, with nothing out of the ordinary. The steps test for it
 * first and have no stack frame then. */
static inline bool begins_quickly(const struct insn *i, uint32_t desc) {
    return likely(i->form == FORM_RR && !(desc & (V_SRC | V_RMW | V_FP))) && (desc & V_TO) != V_TO_MMX;
}
static inline bool ends_quickly(const struct insn *i, uint32_t desc) {
    return likely(i->form != FORM_MR && !(desc & (V_SRC | V_TO | V_DST | V_SCALAR | V_FP)));
}

static __attribute__((noinline)) void begin_sse(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    if (meets_mmx(i, desc)) mmx_begin(cpu, i);
    begin(cpu, i, 16);
    if (i->form == FORM_RM)
        load_source(cpu, i, desc);
    else if (desc & V_SRC)
        other_source(cpu, i, desc);
    if (desc & V_RMW) memcpy(&x->r, &cpu->vec.zmm[i->reg & 31], 16);
    begin_fp(cpu, i, desc);
}

void vec_begin_sse(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    vec_gate(cpu, i);
    if (begins_quickly(i, desc)) return begin(cpu, i, 16);
    begin_sse(cpu, i, desc);
}

static unsigned dest_bytes(const struct vx *x, uint32_t desc) { return x->bytes >> ((desc & V_DST) >> 8); }

/* Destinations that are no vector registers */
static __attribute__((noinline)) void end_other(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    switch (desc & V_TO) {
    case V_TO_GPR:
        *cpu_r64(cpu, i->reg) = x->g;
        break;
    case V_TO_K:
        cpu->vec.k[i->reg & 7] = x->g & x->k;
        break;
    case V_TO_MMX: /* the state is MMX already */
        mmx_write(cpu, i->reg, x->r.u64[0]);
        break;
    case V_TO_FLAGS:
        cpu->rflags = (cpu->rflags & ~(uint32_t)FLAG_ARITH) | (uint32_t)x->g;
        cpu->cc.op = CC(CC_FLAGS, 0);
        break;
    default:
        break;
    }
}

static __attribute__((noinline)) void end_sse(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    union vec *d = &cpu->vec.zmm[i->reg & 31];
    /* MMX state is entered even by an instruction that ends with #XM */
    if ((unlikely((desc & V_SRC) == V_SRC_MMX) && i->form == FORM_RR) || (desc & V_TO) == V_TO_MMX) mmx_touch(cpu);
    end_fp(cpu, i, desc);
    if (desc & V_TO) return end_other(cpu, i, desc);
    if (i->form == FORM_MR) return vec_store(cpu, i, &x->r, mem_bytes(x, desc));
    if (desc & V_SCALAR) {
        memcpy(d, &x->r, 1u << (desc & V_ESZ));
        return;
    }
    d->u64[0] = x->r.u64[0];
    d->u64[1] = desc & V_DST ? 0 : x->r.u64[1];
}

void vec_end_sse(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    if (ends_quickly(i, desc))
        memcpy(&cpu->vec.zmm[i->reg & 31], &cpu->vx.r, 16);
    else
        end_sse(cpu, i, desc);
}

/* ---- MMX ---- */

void vec_begin_mmx(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    mmx_begin(cpu, i);
    begin(cpu, i, 8);
    x->lane = 8;
    x->t[0].u64[0] = mmx_read(cpu, i->vreg & 7);
    x->t[0].u64[1] = 0;
    x->a = &x->t[0];
    if (i->form == FORM_RM) {
        load_source(cpu, i, desc);
    } else if ((desc & V_SRC) == V_SRC_GPR) {
        other_source(cpu, i, desc);
    } else {
        x->m.u64[0] = mmx_read(cpu, i->rm & 7);
        x->m.u64[1] = 0;
        x->b = &x->m;
    }
    if (desc & V_RMW) x->r = x->t[0];
    begin_fp(cpu, i, desc);
}

void vec_end_mmx(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    end_fp(cpu, i, desc);
    if (i->form == FORM_MR) vec_store(cpu, i, &x->r, mem_bytes(x, desc));
    mmx_touch(cpu);
    if (i->form == FORM_MR) return;
    if (desc & V_TO)
        end_other(cpu, i, desc);
    else
        mmx_write(cpu, i->reg & 7, x->r.u64[0]);
}

/* ---- VEX ---- */

static __attribute__((noinline)) void begin_vex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    begin(cpu, i, 1u << i->size);
    if (i->form == FORM_RM)
        load_source(cpu, i, desc);
    else if (desc & V_SRC)
        other_source(cpu, i, desc);
    if (unlikely(i->venc & VEC_SWAP)) swap_sources(x, desc);
    if (desc & V_RMW) x->r = cpu->vec.zmm[i->reg & 31];
    begin_fp(cpu, i, desc);
}

void vec_begin_vex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    vec_gate(cpu, i);
    if (begins_quickly(i, desc)) return begin(cpu, i, 1u << i->size);
    begin_vex(cpu, i, desc);
}

/* The elements above the first come from the first source, unless the row says otherwise. `d`: the destination */
static inline void complete_scalar(struct vx *x, const union vec *d, uint32_t desc) {
    union vec t = {.u64 = {0}};
    if (!(desc & V_ZERO_ABOVE)) memcpy(&t, desc & V_KEEP_ABOVE ? d : x->a, 16);
    memcpy(&t, &x->r, 1u << (desc & V_ESZ));
    x->r.u64[0] = t.u64[0];
    x->r.u64[1] = t.u64[1];
}

static __attribute__((noinline)) void end_vex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    end_fp(cpu, i, desc);
    if (desc & V_TO) return end_other(cpu, i, desc);
    if (i->form == FORM_MR) return vec_store(cpu, i, &x->r, mem_bytes(x, desc));
    unsigned bytes = dest_bytes(x, desc);
    if (desc & V_SCALAR) {
        complete_scalar(x, &cpu->vec.zmm[i->reg & 31], desc);
        bytes = 16;
    }
    union vec *d = &cpu->vec.zmm[i->reg & 31];
    if (bytes < 16) {
        d->u64[0] = bytes < 8 ? bytes < 4 ? x->r.u16[0] : x->r.u32[0] : x->r.u64[0];
        return vec_clear_above(cpu, i->reg & 31, 8);
    }
    for (unsigned o = 0; o < bytes; o += 16) memcpy(&d->u8[o], &x->r.u8[o], 16);
    vec_clear_above(cpu, i->reg & 31, bytes);
}

void vec_end_vex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    union vec *d = &cpu->vec.zmm[i->reg & 31];
    if (!ends_quickly(i, desc)) return end_vex(cpu, i, desc);
    memcpy(d, &cpu->vx.r, 32);
    if (i->size == 4) memset(&d->u8[16], 0, 16);
    memset(&d->u8[32], 0, 32);
}

/* ---- EVEX ---- */

static void broadcast(union vec *m, unsigned log2, unsigned bytes) {
    for (unsigned at = 1u << log2; at < bytes; at <<= 1) memcpy(&m->u8[at], &m->u8[0], at);
}

/* How many elements a bit of the opmask stands for */
static unsigned elements(const struct vx *x, uint32_t desc) {
    if (desc & V_SCALAR) return 1;
    return (desc & V_TO) == V_TO_K ? x->bytes >> source_log2(desc) : dest_bytes(x, desc) >> (desc & V_ESZ);
}
static uint64_t elements_mask(const struct vx *x, uint32_t desc) { return ~0ull >> (64 - elements(x, desc)); }

/* The mask of n elements that all groups of n in the result are made from */
static uint64_t fold(uint64_t k, unsigned n) {
    for (unsigned by = 32; by >= n; by /= 2) k |= k >> by;
    return k & (n < 64 ? (1ull << n) - 1 : ~0ull);
}

static void load_evex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    unsigned log2 = source_log2(desc), size = mem_bytes(x, desc);
    uint64_t k = x->k;
    x->b = &x->m;
    if (size < 16) x->m.u64[0] = x->m.u64[1] = 0;
    if (desc & V_MEM_ALL) k = fold(k, size >> log2);
    if (desc & V_SRC) {
        vec_load(cpu, i, &x->m, size);
    } else if (i->mask & VEC_MASK_B) {
        size = (desc & V_MEM) == V_MEM_HALF ? x->bytes / 2 : (desc & V_MEM) == V_MEM_QUARTER ? x->bytes / 4 : x->bytes;
        if ((k & elements_mask(x, desc)) || (i->venc & VEC_NF))
            vec_load(cpu, i, &x->m, 1u << log2);
        else
            memset(&x->m, 0, 8);
        broadcast(&x->m, log2, size < 16 ? 16 : size);
    } else {
        vec_load_masked(cpu, i, &x->m, log2, size >> log2, k);
    }
    if (desc & V_SRC) other_memory(x);
}

/* Elements that the mask keeps out must raise nothing: they compute with 4.0, which no operation makes
 * inexact or special, or the integer 0. */
static void neutralize(struct vx *x, const union vec **source, union vec *copy, unsigned log2, unsigned n,
                       bool integer) {
    static const uint64_t four[4] = {0, 0x4400440044004400, 0x4080000040800000, 0x4010000000000000};
    const uint64_t neutral = integer ? 0 : four[log2];
    const union vec *const from = *source;
    uint64_t k = x->k;
    for (unsigned q = 0; q < 8; q++, k >>= 8 >> log2) {
        const uint64_t m = q * 8 < n << log2 ? vec_byte_mask((unsigned)k, log2) : ~0ull;
        copy->u64[q] = (from->u64[q] & m) | (neutral & ~m);
    }
    *source = copy;
}

static __attribute__((noinline)) void neutralize_all(struct vx *x, uint32_t desc) {
    unsigned n = elements(x, desc), log2 = source_log2(desc);
    const union vec *r = &x->r;
    neutralize(x, &x->a, &x->t[0], log2, n, desc & V_INT);
    neutralize(x, &x->b, &x->t[1], log2, n, desc & V_INT);
    if (desc & V_RMW) {
        neutralize(x, &r, &x->t[2], desc & V_ESZ, n, false);
        x->r = x->t[2];
    }
}

static __attribute__((noinline)) void begin_evex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    begin(cpu, i, 1u << i->size);
    if (i->mask & VEC_MASK_REG) x->k = cpu->vec.k[i->mask & VEC_MASK_REG];
    x->k &= elements_mask(x, desc);
    if (i->form == FORM_RM)
        load_evex(cpu, i, desc);
    else if (desc & V_SRC)
        other_source(cpu, i, desc);
    if (desc & V_RMW) x->r = cpu->vec.zmm[i->reg & 31];
    if ((desc & V_FP) && (i->mask & VEC_MASK_REG)) neutralize_all(x, desc);
    begin_fp(cpu, i, desc);
}

void vec_begin_evex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    vec_gate(cpu, i);
    if (!begins_quickly(i, desc) || (desc & V_SCALAR)) return begin_evex(cpu, i, desc);
    begin(cpu, i, 1u << i->size);
    if (i->mask & VEC_MASK_REG) x->k = cpu->vec.k[i->mask & VEC_MASK_REG];
    if (desc & V_TO) x->k &= elements_mask(x, desc);
}

void vec_write_masked(struct cpu *cpu, unsigned n, const union vec *v, unsigned bytes, unsigned esz, uint64_t k,
                      bool zero) {
    union vec *d = &cpu->vec.zmm[n & 31];
    for (unsigned q = 0; q < (bytes + 7) / 8; q++, k >>= 8 >> esz) {
        const uint64_t m = vec_byte_mask((unsigned)k, esz);
        d->u64[q] = (v->u64[q] & m) | (zero ? 0 : d->u64[q] & ~m);
    }
    if (bytes & 7) d->u64[bytes / 8] &= ~0ull >> (64 - 8 * (bytes & 7));
    vec_clear_above(cpu, n & 31, (bytes + 7) & ~7u);
}

static void end_scalar_evex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    union vec *d = &cpu->vec.zmm[i->reg & 31];
    unsigned size = 1u << (desc & V_ESZ);
    if (!(x->k & 1)) {
        if (i->mask & VEC_MASK_ZERO)
            memset(&x->r, 0, size);
        else
            memcpy(&x->r, d, size);
    }
    if (i->mask & VEC_MASK_REG && (desc & V_FP)) x->a = &cpu->vec.zmm[i->vreg & 31]; /* not the neutral copy */
    complete_scalar(x, d, desc);
    d->u64[0] = x->r.u64[0];
    d->u64[1] = x->r.u64[1];
    vec_clear_above(cpu, i->reg & 31, 16);
}

static __attribute__((noinline)) void end_evex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    struct vx *x = &cpu->vx;
    end_fp(cpu, i, desc);
    if (desc & V_TO) return end_other(cpu, i, desc);
    if (i->form == FORM_MR) {
        unsigned log2 = desc & V_ESZ;
        return vec_store_masked(cpu, i, &x->r, log2, mem_bytes(x, desc) >> log2, x->k);
    }
    if (desc & V_SCALAR) return end_scalar_evex(cpu, i, desc);
    vec_write_masked(cpu, i->reg, &x->r, dest_bytes(x, desc), desc & V_ESZ, i->mask & VEC_MASK_REG ? x->k : ~0ull,
                     i->mask & VEC_MASK_ZERO);
}

void vec_end_evex(struct cpu *cpu, const struct insn *i, uint32_t desc) {
    union vec *d = &cpu->vec.zmm[i->reg & 31];
    if ((desc & (V_TO | V_FP)) == V_TO_K) {
        cpu->vec.k[i->reg & 7] = cpu->vx.g & cpu->vx.k;
        return;
    }
    if (!ends_quickly(i, desc) || (i->mask & VEC_MASK_REG)) return end_evex(cpu, i, desc);
    memcpy(d, &cpu->vx.r, 64);
    if (i->size == 6) return;
    memset(&d->u8[32], 0, 32);
    if (i->size == 4) memset(&d->u8[16], 0, 16);
}
