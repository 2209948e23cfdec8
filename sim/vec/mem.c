/* Memory operands of vector instructions: whole, and by elements under a mask. */
#include "sim/vec/vec.h"

/* MXCSR.MM lets the operands of legacy instructions be unaligned, but not those of the aligned moves. APM 1
 * "Misaligned SSE mode" */
static bool aligned_move(enum insn_id id) {
    switch (id) {
    case INSN_MOVAPS:
    case INSN_MOVAPD:
    case INSN_MOVDQA:
    case INSN_MOVNTPS:
    case INSN_MOVNTPD:
    case INSN_MOVNTDQ:
    case INSN_MOVNTDQA:
        return true;
    default:
        return false;
    }
}

static __attribute__((noinline)) void misaligned(struct cpu *cpu, const struct insn *i, uint64_t la) {
    if (!(i->venc & VEC_SSE) || !(cpu->vec.mxcsr & MXCSR_MM) || aligned_move((enum insn_id)i->id))
        op_raise(cpu, i, VEC_GP);
    /* half of the operand may be read then, but the alignment check is that of all of it */
    if (cpu->cpl == 3 && (cpu->rflags & FLAG_AC) && (cpu->ctl.cr0 & CR0_AM) && is_canonical(cpu, la) &&
        is_canonical(cpu, la + 15))
        op_raise(cpu, i, VEC_AC);
}

uint64_t vec_linear(struct cpu *cpu, const struct insn *i, unsigned size, unsigned access) {
    uint64_t la = ea_linear(cpu, i, size, access);
    unsigned align = i->venc & VEC_SSE ? 16 : size;
    if (unlikely((i->venc & VEC_ALIGN) && la & (align - 1))) misaligned(cpu, i, la);
    return la;
}

static inline void *host_of(struct cpu *cpu, uint64_t la, unsigned size, bool write) {
    const struct tlb_entry *e = tlb_slot(cpu, la);
    uint64_t tag = write ? e->tag_w : e->tag_r;
    return likely(tag == (((la + size - 1) & PAGE_MASK) | cpu->tlb.ctx)) ? (void *)(e->addend + (uintptr_t)la) : NULL;
}

static __attribute__((noinline)) void load_slow(struct cpu *cpu, const struct insn *i, uint64_t la, void *buf,
                                                unsigned size) {
    cpu->cur = i;
    if (size <= 8 && !(size & (size - 1))) {
        uint64_t v = mem_read_slow(cpu, i, la, size);
        memcpy(buf, &v, size);
    } else {
        mem_read_bytes(cpu, la, buf, size, MEM_READ);
    }
}
static __attribute__((noinline)) void store_slow(struct cpu *cpu, const struct insn *i, uint64_t la, const void *buf,
                                                 unsigned size) {
    cpu->cur = i;
    if (size <= 8 && !(size & (size - 1))) {
        uint64_t v = 0;
        memcpy(&v, buf, size);
        mem_write_slow(cpu, i, la, size, v);
    } else {
        mem_write_bytes(cpu, la, buf, size, MEM_WRITE);
    }
}

static inline void copy(void *buf, const void *p, unsigned size) {
    switch (size) {
    case 16:
        memcpy(buf, p, 16);
        break;
    case 8:
        memcpy(buf, p, 8);
        break;
    case 32:
        memcpy(buf, p, 32);
        break;
    case 4:
        memcpy(buf, p, 4);
        break;
    case 64:
        memcpy(buf, p, 64);
        break;
    default:
        memcpy(buf, p, size);
        break;
    }
}

void vec_load(struct cpu *cpu, const struct insn *i, void *buf, unsigned size) {
    uint64_t la = vec_linear(cpu, i, size, MEM_READ);
    const void *p = host_of(cpu, la, size, false);
    if (unlikely(!p)) return load_slow(cpu, i, la, buf, size);
    copy(buf, p, size);
}

void vec_store(struct cpu *cpu, const struct insn *i, const void *buf, unsigned size) {
    uint64_t la = vec_linear(cpu, i, size, MEM_WRITE);
    void *p = host_of(cpu, la, size, true);
    if (unlikely(!p)) return store_slow(cpu, i, la, buf, size);
    memcpy(p, buf, size);
}

/* ---- under a mask ---- */

static uint64_t all_of(unsigned n) { return n >= 64 ? ~0ull : (1ull << n) - 1; }

/* The linear address of element j, checked by itself. */
static uint64_t element(struct cpu *cpu, const struct insn *i, unsigned esz, unsigned j, unsigned access) {
    uint64_t off = (uint64_t)j << esz;
    if (i->flags & INSN_FLAT) return ea_flat(cpu, i) + off;
    uint64_t ea = ea_offset(cpu, i) + off;
    if (i->asize != 3) ea = i->asize == 2 ? (uint32_t)ea : (uint16_t)ea;
    return seg_linear(cpu, i, i->seg, ea, 1u << esz, access);
}

/* Aligned moves ask for alignment whatever the mask: SDM 2 "Exceptions Type E1", where #GP(0) for it is not among what
 * masks suppress. AMD's processors don't ask when the mask lets nothing through. */
static void check_alignment(struct cpu *cpu, const struct insn *i, unsigned size, uint64_t k) {
    if (!(i->venc & VEC_ALIGN) || (!k && cpu->model->vendor == VENDOR_AMD)) return;
    uint64_t la = i->flags & INSN_FLAT ? ea_flat(cpu, i) : cpu->seg[i->seg].base + ea_offset(cpu, i);
    if (la & (size - 1)) misaligned(cpu, i, la);
}

/* No element is left out, and not by chance: the operand is one. */
static bool unmasked(const struct insn *i, unsigned n, uint64_t k) {
    return k == all_of(n) && (i->venc & VEC_EVEX) && !(i->mask & VEC_MASK_REG);
}

/* All of the operand, when it takes no thought: the elements need not be looked at one by one. */
static inline void *whole(struct cpu *cpu, const struct insn *i, unsigned size, bool write) {
    return i->flags & INSN_FLAT ? host_of(cpu, ea_flat(cpu, i), size, write) : NULL;
}

void vec_load_masked(struct cpu *cpu, const struct insn *i, void *buf, unsigned esz, unsigned n, uint64_t k) {
    unsigned size = n << esz;
    k &= all_of(n);
    if (unmasked(i, n, k) || (i->venc & VEC_NF)) return vec_load(cpu, i, buf, size);
    check_alignment(cpu, i, size, k);
    const void *const all = whole(cpu, i, size, false);
    if (likely(all != NULL)) return copy(buf, all, size);
    memset(buf, 0, size);
    for (; k; k &= k - 1) {
        unsigned j = (unsigned)__builtin_ctzll(k);
        uint64_t la = element(cpu, i, esz, j, MEM_READ);
        const void *p = host_of(cpu, la, 1u << esz, false);
        char *to = (char *)buf + (j << esz);
        if (likely(p != NULL))
            memcpy(to, p, 1u << esz);
        else
            load_slow(cpu, i, la, to, 1u << esz);
    }
}

static void probe_whole(struct cpu *cpu, const struct insn *i, unsigned size) {
    uint64_t la = vec_linear(cpu, i, size, MEM_WRITE);
    if (!host_of(cpu, la, size, true)) mem_probe(cpu, i, la, size, MEM_WRITE);
}
static void probe_elements(struct cpu *cpu, const struct insn *i, unsigned esz, unsigned n, uint64_t k) {
    unsigned bytes = 1u << esz;
    check_alignment(cpu, i, n << esz, k);
    for (; k; k &= k - 1) {
        uint64_t la = element(cpu, i, esz, (unsigned)__builtin_ctzll(k), MEM_WRITE);
        if (!host_of(cpu, la, bytes, true)) mem_probe(cpu, i, la, bytes, MEM_WRITE);
    }
}

void vec_probe_masked(struct cpu *cpu, const struct insn *i, unsigned esz, unsigned n, uint64_t k) {
    k &= all_of(n);
    if (!(i->mask & VEC_MASK_REG) && k == all_of(n))
        probe_whole(cpu, i, n << esz);
    else
        probe_elements(cpu, i, esz, n, k);
}

/* Memory that is at hand is written as it was where the mask keeps elements out. */
static void blend(char *to, const char *from, unsigned size, unsigned esz, uint64_t k) {
    for (unsigned at = 0; at < size; at += 8, k >>= 8 >> esz) {
        const uint64_t m = vec_byte_mask((unsigned)k, esz);
        uint64_t old, new;
        memcpy(&old, to + at, 8);
        memcpy(&new, from + at, 8);
        new = (new &m) | (old & ~m);
        memcpy(to + at, &new, 8);
    }
}

void vec_store_masked(struct cpu *cpu, const struct insn *i, const void *buf, unsigned esz, unsigned n, uint64_t k) {
    unsigned size = n << esz, bytes = 1u << esz;
    k &= all_of(n);
    if (unmasked(i, n, k) || (k == all_of(n) && whole(cpu, i, size, true))) return vec_store(cpu, i, buf, size);
    check_alignment(cpu, i, size, k);
    char *const all = whole(cpu, i, size, true);
    if (likely(all && size >= 8)) return blend(all, buf, size, esz, k);
    if (i->venc & VEC_NF)
        probe_whole(cpu, i, size);
    else
        probe_elements(cpu, i, esz, n, k);
    for (uint64_t left = k; left; left &= left - 1) {
        unsigned j = (unsigned)__builtin_ctzll(left);
        uint64_t la = element(cpu, i, esz, j, MEM_WRITE);
        const char *from = (const char *)buf + (j << esz);
        void *p = host_of(cpu, la, bytes, true);
        if (likely(p != NULL))
            memcpy(p, from, bytes);
        else
            store_slow(cpu, i, la, from, bytes);
    }
}
