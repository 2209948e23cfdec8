/* String instructions: MOVS, STOS, LODS, CMPS, SCAS, with and without REP.
 *
 * A repeated instruction works in runs: as many elements as lie in one page of source and destination, inside the
 * segment limits, before the address wraps and before the time slice ends. The registers are committed after each run,
 * so a fault or an interrupt between runs finds what the manual promises (SDM 2 "REP/REPE/REPZ/REPNE/REPNZ"). Where no
 * host pointer is to be had, a run is one element. Time: one cycle for each 32 bytes besides the one for the
 * instruction, however the work was cut. */
#include "sim/machine/machine.h"
#include "sim/ops/opdef.h"

static inline uint64_t address_mask(const struct insn *i) {
    return i->asize == 3 ? ~0ull : i->asize == 2 ? 0xFFFFFFFF : 0xFFFF;
}
static inline void address_reg_set(struct cpu *cpu, const struct insn *i, unsigned reg, uint64_t v) {
    if (i->asize == 3)
        cpu->gpr[reg] = v;
    else if (i->asize == 2)
        set_reg32(cpu, REG_OFF(reg), (uint32_t)v);
    else
        set_reg16(cpu, REG_OFF(reg), (uint16_t)v);
}
static inline void advance(struct cpu *cpu, const struct insn *i, unsigned reg, uint64_t elements) {
    uint64_t bytes = elements << i->size;
    address_reg_set(cpu, i, reg, cpu->rflags & FLAG_DF ? cpu->gpr[reg] - bytes : cpu->gpr[reg] + bytes);
}

/* ---- one element ---- */

static uint64_t element_read(struct cpu *cpu, const struct insn *i, unsigned seg, unsigned reg) {
    unsigned bytes = 1u << i->size;
    uint64_t la = seg_linear(cpu, i, seg, cpu->gpr[reg] & address_mask(i), bytes, MEM_READ);
    switch (bytes) {
    case 1:
        return mem_read8(cpu, i, la);
    case 2:
        return mem_read16(cpu, i, la);
    case 4:
        return mem_read32(cpu, i, la);
    default:
        return mem_read64(cpu, i, la);
    }
}
static void element_write(struct cpu *cpu, const struct insn *i, uint64_t v) {
    unsigned bytes = 1u << i->size;
    uint64_t la = seg_linear(cpu, i, SEG_ES, cpu->gpr[RDI] & address_mask(i), bytes, MEM_WRITE);
    switch (bytes) {
    case 1:
        return mem_write8(cpu, i, la, (uint8_t)v);
    case 2:
        return mem_write16(cpu, i, la, (uint16_t)v);
    case 4:
        return mem_write32(cpu, i, la, (uint32_t)v);
    default:
        return mem_write64(cpu, i, la, v);
    }
}
static uint64_t host_element(const uint8_t *p, unsigned size) {
    return size == 0 ? *p : size == 1 ? ld16(p) : size == 2 ? ld32(p) : ld64(p);
}

/* ---- runs ---- */

/* How many elements, starting at offset `off` and going the way of DF, are inside the segment and the address space? At
 * least 1: the first was checked. */
static uint64_t elements_in_segment(const struct cpu *cpu, const struct insn *i, unsigned seg, uint64_t off) {
    const struct seg *s = &cpu->seg[seg];
    bool limited = !cpu_is_64(cpu), expand_down = (s->ar & (AR_CODE | AR_EXPDOWN)) == AR_EXPDOWN;
    if (cpu->rflags & FLAG_DF) {
        uint64_t bottom = limited && expand_down ? (uint64_t)s->limit + 1 : 0;
        return ((off - bottom) >> i->size) + 1;
    }
    uint64_t top = address_mask(i);
    if (limited) {
        uint64_t last = !expand_down ? s->limit : s->ar & AR_DB ? 0xFFFFFFFF : 0xFFFF;
        if (last < top) top = last;
    }
    return ((top - off - ((1u << i->size) - 1)) >> i->size) + 1;
}

/* A run of at most `want` elements at rSI or rDI: its length, and the host address of its lowest element. 0: no run to
 * be had, go one by one. */
static uint64_t string_run(struct cpu *cpu, const struct insn *i, unsigned seg, unsigned reg, unsigned access,
                           uint64_t want, uint8_t **host) {
    uint64_t off = cpu->gpr[reg] & address_mask(i), bytes = 1u << i->size;
    uint64_t la = seg_linear(cpu, i, seg, off, (unsigned)bytes, access);
    uint64_t n = elements_in_segment(cpu, i, seg, off);
    unsigned in_page = la & 0xFFF, len = 0;
    if (in_page + bytes > PAGE_SIZE) return 0;
    bool down = cpu->rflags & FLAG_DF;
    uint64_t fits = down ? (in_page >> i->size) + 1 : (PAGE_SIZE - in_page) >> i->size;
    if (fits < n) n = fits;
    if (want < n) n = want;
    uint64_t back = down ? (n - 1) * bytes : 0; /* from the first element to the lowest */
    const struct tlb_entry *e = tlb_slot(cpu, la);
    if ((access & MEM_WRITE ? e->tag_w : e->tag_r) == TLB_WANT(cpu, la, 8)) {
        *host = (uint8_t *)(e->addend + (uintptr_t)(la - back));
        return n;
    }
    uint8_t *p = mem_host_run(cpu, i, la, access, &len);
    if (!p || len < (down ? bytes : n * bytes)) return 0;
    *host = p - back;
    return n;
}

/* Stepped, but only because of MMIO, the end of a slice or RFLAGS.RF without breakpoints: may another element follow
 * before the run loop looks? */
#define RUNS_A_STEP 64
static bool nobody_looks(const struct cpu *cpu) {
    return !(cpu->intr.attn | cpu->dbg.pending | cpu->intr.sti_shadow | cpu->intr.movss_shadow | cpu->virt.step |
             (cpu->rflags & FLAG_TF) | (cpu->dbg.dr7 & DR7_ENABLE) | cpu->machine->trace_exec) &&
           cpu->budget + cpu->time.stolen > 0;
}

/* Elements that the rest of the slice pays for. When stepped, as many as would be done one by one: until the cycle that
 * is the slice's last. */
static uint64_t affordable(const struct cpu *cpu, const struct insn *i, uint64_t count) {
    unsigned a_cycle = 5 - i->size; /* log2 of the elements */
    uint64_t n;
    if (cpu->step) {
        if (!nobody_looks(cpu)) return 1;
        uint64_t left = (uint64_t)(cpu->budget + cpu->time.stolen), cycles = count >> a_cycle;
        n = left > cycles ? count : count - (((cycles - left + 1) << a_cycle) - 1);
    } else {
        n = cpu->budget < 0 ? 1 : ((uint64_t)cpu->budget + 1) << a_cycle;
    }
    return n < count ? n : count;
}
/* Commit n elements. True: go on with the next run. `steps` counts the runs of this execution. */
static bool rep_commit(struct cpu *cpu, const struct insn *i, uint64_t count, uint64_t n, unsigned *steps) {
    uint64_t left = count - n;
    address_reg_set(cpu, i, RCX, left);
    cpu_charge(cpu, (uint32_t)((count >> (5 - i->size)) - (left >> (5 - i->size))));
    if (!left) return false;
    return cpu->step ? ++*steps < RUNS_A_STEP && nobody_looks(cpu) : cpu->budget >= 0;
}
static inline uint64_t rep_count(const struct cpu *cpu, const struct insn *i) {
    return cpu->gpr[RCX] & address_mask(i);
}

/* ---- MOVS ---- */

/* Element by element, upwards, whatever overlaps: bytes written by one element may be the source of a later one. */
static void copy_up(uint8_t *dst, const uint8_t *src, uint64_t n, unsigned size) {
    uint64_t bytes = n << size, gap = (uint64_t)(dst - src);
    if (dst <= src || gap >= bytes) {
        memmove(dst, src, bytes);
    } else if (gap >= 64) {
        uint64_t piece = gap >> size << size;
        for (uint64_t k = 0; k < bytes; k += piece) memcpy(dst + k, src + k, bytes - k < piece ? bytes - k : piece);
    } else {
        for (uint64_t k = 0; k < n; k++) {
            uint64_t v = host_element(src + (k << size), size);
            memcpy(dst + (k << size), &v, 1u << size);
        }
    }
}
static void copy_down(uint8_t *dst, const uint8_t *src, uint64_t n, unsigned size) {
    uint64_t bytes = n << size;
    if (dst >= src || (uint64_t)(src - dst) >= bytes) {
        memmove(dst, src, bytes);
    } else {
        for (uint64_t k = n; k-- > 0;) {
            uint64_t v = host_element(src + (k << size), size);
            memcpy(dst + (k << size), &v, 1u << size);
        }
    }
}

static bool __attribute__((noinline)) rep_movs(struct cpu *cpu, const struct insn *i) {
    unsigned steps = 0;
    for (uint64_t count; (count = rep_count(cpu, i)) != 0;) {
        uint64_t n = affordable(cpu, i, count);
        uint8_t *src, *dst;
        if (n > 1) n = string_run(cpu, i, i->seg, RSI, MEM_READ, n, &src);
        if (n > 1) {
            uint64_t m = string_run(cpu, i, SEG_ES, RDI, MEM_WRITE, n, &dst);
            if (m < n && (cpu->rflags & FLAG_DF)) src += (n - m) << i->size;
            n = m;
        }
        if (n > 1) {
            (cpu->rflags & FLAG_DF ? copy_down : copy_up)(dst, src, n, i->size);
        } else {
            element_write(cpu, i, element_read(cpu, i, i->seg, RSI));
            n = 1;
        }
        advance(cpu, i, RSI, n);
        advance(cpu, i, RDI, n);
        if (!rep_commit(cpu, i, count, n, &steps)) break;
    }
    return rep_count(cpu, i) == 0;
}

/* ---- STOS ---- */

static void fill(uint8_t *dst, uint64_t v, uint64_t n, unsigned size) {
    uint64_t bytes = n << size, done = 1u << size;
    if (size == 0 || v == 0) {
        memset(dst, (int)(v & 0xFF), bytes);
        return;
    }
    memcpy(dst, &v, done);
    for (; done < bytes; done *= 2) memcpy(dst + done, dst, done < bytes - done ? done : bytes - done);
}
static bool __attribute__((noinline)) rep_stos(struct cpu *cpu, const struct insn *i) {
    uint64_t v = cpu->gpr[RAX] & cc_mask(i->size);
    unsigned steps = 0;
    for (uint64_t count; (count = rep_count(cpu, i)) != 0;) {
        uint64_t n = affordable(cpu, i, count);
        uint8_t *dst;
        if (n > 1) n = string_run(cpu, i, SEG_ES, RDI, MEM_WRITE, n, &dst);
        if (n > 1) {
            fill(dst, v, n, i->size);
        } else {
            element_write(cpu, i, v);
            n = 1;
        }
        advance(cpu, i, RDI, n);
        if (!rep_commit(cpu, i, count, n, &steps)) break;
    }
    return rep_count(cpu, i) == 0;
}

/* ---- LODS ---- */

static void acc_set(struct cpu *cpu, const struct insn *i, uint64_t v) {
    switch (i->size) {
    case 0:
        set_reg8(cpu, REG_OFF(RAX), (uint8_t)v);
        break;
    case 1:
        set_reg16(cpu, REG_OFF(RAX), (uint16_t)v);
        break;
    case 2:
        set_reg32(cpu, REG_OFF(RAX), (uint32_t)v);
        break;
    default:
        cpu->gpr[RAX] = v;
    }
}
static void __attribute__((noinline)) lods(struct cpu *cpu, const struct insn *i) {
    acc_set(cpu, i, element_read(cpu, i, i->seg, RSI));
    advance(cpu, i, RSI, 1);
}
static bool __attribute__((noinline)) rep_lods(struct cpu *cpu, const struct insn *i) {
    unsigned steps = 0;
    for (uint64_t count; (count = rep_count(cpu, i)) != 0;) {
        uint64_t n = affordable(cpu, i, count);
        uint8_t *src = NULL;
        if (n > 1) n = string_run(cpu, i, i->seg, RSI, MEM_READ, n, &src);
        if (n > 1) { /* all but the last leave no trace */
            acc_set(cpu, i, host_element(cpu->rflags & FLAG_DF ? src : src + ((n - 1) << i->size), i->size));
            advance(cpu, i, RSI, n);
        } else {
            lods(cpu, i);
            n = 1;
        }
        if (!rep_commit(cpu, i, count, n, &steps)) break;
    }
    return rep_count(cpu, i) == 0;
}

/* ---- CMPS, SCAS: the flags of first - second ---- */

static void compare_flags(struct cpu *cpu, const struct insn *i, uint64_t a, uint64_t b) {
    cc_set(cpu, CC_SUB, i->size, cc_sext(a - b, i->size), b);
}

/* What REPE and REPNE look at. `src` is NULL for SCAS, which compares every element with `acc`. */
struct compare {
    const uint8_t *src, *dst;
    uint64_t acc, n;
    unsigned size;
    bool down, while_equal;
    uint64_t a, b; /* the last pair looked at */
};
/* Elements compared, the last included; *stopped: the last one ends the repetition */
static uint64_t compare_run(struct compare *c, bool *stopped) {
    if (!c->src && !c->size && !c->down && !c->while_equal) {
        const uint8_t *hit = memchr(c->dst, (int)(uint8_t)c->acc, c->n);
        uint64_t done = hit ? (uint64_t)(hit - c->dst) + 1 : c->n;
        *stopped = hit != NULL;
        c->a = c->acc;
        c->b = c->dst[done - 1];
        return done;
    }
    if (c->src && c->while_equal && !c->down && !memcmp(c->src, c->dst, c->n << c->size)) {
        c->a = c->b = host_element(c->dst + ((c->n - 1) << c->size), c->size);
        *stopped = false;
        return c->n;
    }
    *stopped = false;
    for (uint64_t k = 0; k < c->n; k++) {
        uint64_t at = (c->down ? c->n - 1 - k : k) << c->size;
        c->b = host_element(c->dst + at, c->size);
        c->a = c->src ? host_element(c->src + at, c->size) : c->acc;
        if ((c->a == c->b) != c->while_equal) {
            *stopped = true;
            return k + 1;
        }
    }
    return c->n;
}

/* SDM 2 "REP": when a fault comes in the middle, EFLAGS is as before the instruction: the flags wait for the end. */
static bool __attribute__((noinline)) rep_compare(struct cpu *cpu, const struct insn *i, bool cmps) {
    struct compare c = {.acc = cpu->gpr[RAX] & cc_mask(i->size),
                        .size = i->size,
                        .down = cpu->rflags & FLAG_DF,
                        .while_equal = i->flags & INSN_REP};
    bool stopped = false, any = false;
    unsigned steps = 0;
    for (uint64_t count; !stopped && (count = rep_count(cpu, i)) != 0;) {
        uint64_t n = affordable(cpu, i, count);
        uint8_t *src = NULL, *dst = NULL;
        if (n > 1 && cmps) n = string_run(cpu, i, i->seg, RSI, MEM_READ, n, &src);
        if (n > 1) {
            uint64_t m = string_run(cpu, i, SEG_ES, RDI, MEM_READ, n, &dst);
            if (m < n && src && c.down) src += (n - m) << i->size;
            n = m;
        }
        if (n > 1) {
            c.src = src;
            c.dst = dst;
            c.n = n;
            n = compare_run(&c, &stopped);
        } else {
            c.a = cmps ? element_read(cpu, i, i->seg, RSI) : c.acc;
            c.b = element_read(cpu, i, SEG_ES, RDI);
            stopped = (c.a == c.b) != c.while_equal;
            n = 1;
        }
        any = true;
        if (cmps) advance(cpu, i, RSI, n);
        advance(cpu, i, RDI, n);
        if (!rep_commit(cpu, i, count, n, &steps)) break;
    }
    if (any) compare_flags(cpu, i, c.a, c.b);
    return stopped || rep_count(cpu, i) == 0;
}

/* ---- the semantic functions: the size is in the record ---- */

#define REPEATED (INSN_REP | INSN_REPNE)
#define STRING(name, rep, once)                                                                                        \
    OPFN name(struct cpu *cpu, const struct insn *i) {                                                                 \
        if (i->flags & REPEATED) {                                                                                     \
            if (!(rep)) return chain_leave_at(cpu, i);                                                                 \
        } else {                                                                                                       \
            once;                                                                                                      \
        }                                                                                                              \
        NEXT(cpu, i);                                                                                                  \
    }
static void movs(struct cpu *cpu, const struct insn *i) {
    element_write(cpu, i, element_read(cpu, i, i->seg, RSI));
    advance(cpu, i, RSI, 1);
    advance(cpu, i, RDI, 1);
}
static void stos(struct cpu *cpu, const struct insn *i) {
    element_write(cpu, i, cpu->gpr[RAX]);
    advance(cpu, i, RDI, 1);
}
static void cmps(struct cpu *cpu, const struct insn *i) {
    uint64_t a = element_read(cpu, i, i->seg, RSI), b = element_read(cpu, i, SEG_ES, RDI);
    compare_flags(cpu, i, a, b);
    advance(cpu, i, RSI, 1);
    advance(cpu, i, RDI, 1);
}
static void scas(struct cpu *cpu, const struct insn *i) {
    uint64_t b = element_read(cpu, i, SEG_ES, RDI);
    compare_flags(cpu, i, cpu->gpr[RAX] & cc_mask(i->size), b);
    advance(cpu, i, RDI, 1);
}
STRING(op_movs, rep_movs(cpu, i), movs(cpu, i))
STRING(op_stos, rep_stos(cpu, i), stos(cpu, i))
STRING(op_lods, rep_lods(cpu, i), lods(cpu, i))
STRING(op_cmps, rep_compare(cpu, i, true), cmps(cpu, i))
STRING(op_scas, rep_compare(cpu, i, false), scas(cpu, i))
#undef STRING

#define STRING_ROWS(ID, fn) ROW_ANY(ID##B, 0, fn), ROW_ANY(ID##W, 0, fn), ROW_ANY(ID##D, 0, fn), ROW_ANY(ID##Q, 0, fn)
static const struct op_forms rows[] = {
    STRING_ROWS(MOVS, op_movs), STRING_ROWS(STOS, op_stos), STRING_ROWS(LODS, op_lods),
    STRING_ROWS(CMPS, op_cmps), STRING_ROWS(SCAS, op_scas),
};
OP_GROUP(op_group_string, rows);
